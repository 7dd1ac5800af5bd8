"""`make release VERSION=1.2.3`, a person's command: it tags a version, builds it, signs its sums
and uploads nothing.

It changes nothing unless all is right, and takes its commit back if the build fails or a second one
is not the same.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from infra.dependencies import ROOT, Failed, run_command
from infra.releases import images, wheels
from regulars.words import WHOLE, list_missing

BRANCH = "main"
VERSION = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)")
CHANGES = "CHANGELOG.md"
DATA = "tests/releases/{}.tar.xz"
"""A data folder that the version wrote, which later ones open."""
UNRELEASED = re.compile(r"^## (\S+) \(unreleased\)", re.MULTILINE)
SAYING = (
    "*pyproject.toml",
    "edge/src/regulars_edge/__init__.py",
    "chalicelib/version.py",
    "README.md",
    CHANGES,
)
"""Files that say the version."""

_NAMING = ("compose.yaml", "Containerfile")
"""Files that name images of others."""

Build = Callable[[], object]


def add_libraries_and_images() -> str:
    """Add what is built once: the libraries of a box's update, and the images.

    Returns how it went with these.
    """
    wheels.fetch_libraries()
    return (
        f"without images: {why}"
        if (why := images.explain_lack())
        else f"{len(images.build_images())} images"
    )


def make_release(
    version: str,
    root: Path = ROOT,
    build: Build = wheels.build_wheels,
    complete: Callable[[], str] = add_libraries_and_images,
) -> list[str]:
    """Make a release of the checkout at `root`, and return lines that say what the person does
    next.

    Write the version into the files, commit, build twice and compare, add images, tag and sign. If
    a step fails, the commit and the tag are taken back. Raises Failed.
    """

    def git(*arguments: str) -> str:
        return run_command(["git", *arguments], cwd=root).strip()

    former_commit, out = git("rev-parse", "HEAD"), root / wheels.OUT.name
    present_version = require_releasable(
        version,
        git("status", "--porcelain"),
        git("branch", "--show-current"),
        git("tag", "--list"),
        root,
    )
    day = f"{datetime.now(UTC):%Y-%m-%d}"
    try:
        for file in map(root.joinpath, git("ls-files", *SAYING).splitlines()):
            file.write_text(
                replace_version(file.read_text(encoding="utf-8"), present_version, version, day),
                encoding="utf-8",
            )
        git("commit", "--quiet", "--all", "--allow-empty", "--message", f"Release {version}")
        first_sums, second_sums = (build_sums(build, out) for _ in range(2))
        if first_sums != second_sums:
            raise Failed(f"two builds differ:\n{first_sums}\n{second_sums}")
        libraries_and_images = complete()
        key = git("config", "--default", "", "--get", "user.signingkey")
        git(
            "tag",
            "--sign" if key else "--annotate",
            f"v{version}",
            "--message",
            f"Regulars {version}",
        )
        signature = (
            sign(
                out / wheels.SUMS, git("config", "--default", "openpgp", "--get", "gpg.format"), key
            )
            if key
            else None
        )
    except BaseException:
        git("reset", "--quiet", "--hard", former_commit)
        if git("tag", "--list", f"v{version}"):
            git("tag", "--delete", f"v{version}")
        raise
    signing = f"signed: {signature}" if signature else "not signed: git has no user.signingkey"
    return [
        f"{version} is tagged and built; {libraries_and_images}; {signing}",
        "look at it: git show",
        f"git push origin {BRANCH} v{version}",
        f"then upload {out}, as docs/publish.md says",
        *(f"by its tag alone: {image}" for image in list_unpinned(root)),
    ]


def list_unpinned(root: Path) -> list[str]:
    """List the images of others that a release names without a digest: another day, a tag may mean
    other bytes."""
    texts = [(root / "infra/box" / name).read_text(encoding="utf-8") for name in _NAMING]
    images_of_others = re.findall(r"docker\.io/\S+", "\n".join(texts))
    return [image for image in images_of_others if "@sha256:" not in image]


def require_releasable(version: str, changes: str, branch: str, tags: str, root: Path) -> str:
    """Return the version that the checkout has now. Raises Failed if no release may be made of it.

    `changes`: the lines of `git status`. `branch`: the name of the present one. `tags`: the names
    of all, one a line.
    """
    if not VERSION.fullmatch(version):
        raise Failed(f"{version!r} is no version: say make release VERSION=1.2.3")
    if changes:
        raise Failed(
            "the checkout has changes that are not committed: commit them or take them back\n"
            f"{changes}"
        )
    if branch != BRANCH:
        raise Failed(
            f"releases are made of {BRANCH}, and this is {branch or 'no branch'}: git switch "
            f"{BRANCH}"
        )
    if f"v{version}" in tags.split():
        raise Failed(f"v{version} is there already: take a higher version")
    if not (root / DATA.format(version)).is_file():
        raise Failed(
            f"{DATA.format(version)} is not there: python -m tests.releases.make {version}, and "
            "commit it"
        )
    for language in WHOLE:
        if lacking := list_missing(language, root):
            raise Failed(
                f"{len(lacking)} words of {language} are missing, such as {lacking[0].name}: "
                f"python -m regulars.words --missing {language}"
            )
    section = UNRELEASED.search((root / CHANGES).read_text(encoding="utf-8"))
    if not section:
        raise Failed(f"{CHANGES} has no section '## ... (unreleased)': say there what is new")
    return section[1]


def replace_version(text: str, now: str, version: str, day: str) -> str:
    """Return a text that says the version, as of the day of its release, in place of the one that
    it says now."""
    text = UNRELEASED.sub(f"## {version} ({day})", text)
    for beginning, end in (('= "', '"\n'), ("Version ", ",")):
        text = text.replace(f"{beginning}{now}{end}", f"{beginning}{version}{end}")
    return text.replace(f"Version {version}, unreleased.", f"Version {version}.")


def build_sums(build: Build, out: Path) -> str:
    build()
    return (out / wheels.SUMS).read_text(encoding="ascii")


def sign(sums: Path, form: str, key: str) -> Path:
    """Sign as git does, by an SSH or an OpenPGP key; return the signature's file. Raises Failed."""
    if form == "ssh":
        run_command(
            ["ssh-keygen", "-q", "-Y", "sign", "-n", "file", "-f", Path(key).expanduser(), sums]
        )
        return sums.with_name(f"{sums.name}.sig")
    run_command(["gpg", "--yes", "--armor", "--detach-sign", "--local-user", key, sums])
    return sums.with_name(f"{sums.name}.asc")


if __name__ == "__main__":
    try:
        print("\n".join(make_release(" ".join(sys.argv[1:]))))  # noqa: T201 -- a command of its own
    except Failed as error:
        sys.exit(f"no release: {error}")
