import hashlib
import itertools
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from infra.dependencies import ROOT, Failed
from infra.releases.release import make_release
from infra.releases.wheels import SUMS
from testing.needs import needed

FILES = {
    "infra/box/compose.yaml": "image: docker.io/library/caddy:2\n",
    "infra/box/Containerfile": "ARG BASE=docker.io/library/debian@sha256:00\n",
    "pyproject.toml": '[project]\nversion = "0.1.0"\n',
    "edge/pyproject.toml": '[project]\nversion = "0.1.0"\n',
    "README.md": (ROOT / "README.md").read_text(encoding="utf-8"),
    "CHANGELOG.md": "# Changelog\n\n## 0.1.0 (unreleased): what it does\n",
    "docs/decisions/0026.md": "No code reads data from before 0.1.0.\n",
    "tests/releases/1.2.3.tar.xz": "",
}


@pytest.fixture
def git(tmp_path: Path) -> Callable[..., str]:
    """Git in a small checkout of main."""

    def run(*words: str) -> str:
        return subprocess.run(
            ["git", *words], cwd=tmp_path, capture_output=True, text=True, check=True
        ).stdout.strip()

    run("init", "--quiet", "--initial-branch=main")
    for name, value in (
        ("user.name", "Ann"),
        ("user.email", "ann@shop.example"),
        ("user.signingkey", ""),
    ):
        run("config", name, value)
    for name, text in {**FILES, ".gitignore": "/dist/\n/key*\n"}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    run("add", "--all")
    run("commit", "--quiet", "--message", "Begin")
    return run


@pytest.fixture
def build(tmp_path: Path) -> Callable[[], None]:
    def built() -> None:
        (tmp_path / "dist").mkdir(exist_ok=True)
        content = (tmp_path / "pyproject.toml").read_bytes()
        (tmp_path / "dist" / SUMS).write_text(
            f"{hashlib.sha256(content).hexdigest()}  regulars.whl\n"
        )

    return built


def test_a_release_says_its_version_everywhere_is_tagged_built_and_uploaded_by_nobody(
    tmp_path: Path, git: Callable[..., str], build: Callable[[], None]
) -> None:
    says = make_release("1.2.3", tmp_path, build, lambda: "4 images")
    assert says[0].startswith("1.2.3 is tagged and built; 4 images; not signed")
    assert says[-1] == "by its tag alone: docker.io/library/caddy:2"
    assert git("status", "--porcelain") == ""
    assert git("cat-file", "-t", "v1.2.3") == "tag"
    assert git("rev-list", "-1", "v1.2.3") == git("rev-parse", "HEAD")
    texts = {name: (tmp_path / name).read_text() for name in FILES}
    assert {name for name, text in texts.items() if "0.1.0" in text} == {"docs/decisions/0026.md"}
    assert "## 1.2.3 (20" in texts["CHANGELOG.md"]
    assert "\nVersion 1.2.3.\n" in texts["README.md"]
    assert "unreleased" not in texts["README.md"]
    build()
    (tmp_path / "CHANGELOG.md").write_text("## 1.2.3 (unreleased)\n")
    git("commit", "--quiet", "--all", "--message", "More")
    with pytest.raises(Failed, match=r"v1\.2\.3 is there already"):
        make_release("1.2.3", tmp_path, build, lambda: "4 images")


def test_the_sums_are_signed_by_the_key_that_git_signs_with(
    tmp_path: Path, git: Callable[..., str], build: Callable[[], None]
) -> None:
    needed("ssh-keygen")
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    git("config", "gpg.format", "ssh")
    git("config", "user.signingkey", str(key))
    assert "SHA256SUMS.sig" in make_release("1.2.3", tmp_path, build, lambda: "4 images")[0]
    sums = tmp_path / "dist" / SUMS
    check = ["ssh-keygen", "-Y", "check-novalidate", "-n", "file", "-s", f"{sums}.sig"]
    assert (
        subprocess.run(check, input=sums.read_bytes(), capture_output=True, check=False).returncode
        == 0
    )
    assert "BEGIN SSH SIGNATURE" in git("cat-file", "tag", "v1.2.3")


@pytest.mark.parametrize(
    ("version", "change", "why"),
    [
        ("1.2", [], "'1.2' is no version: say make release VERSION=1.2.3"),
        ("", [], "is no version"),
        ("1.2.4", [], "python -m tests.releases.make 1.2.4, and commit it"),
        (
            "1.2.3",
            ["switch", "--quiet", "--create", "work"],
            "releases are made of main, and this is work",
        ),
        ("1.2.3", ["mv", "README.md", "LIESMICH.md"], "changes that are not committed"),
    ],
)
def test_nothing_is_changed_if_something_is_not_ready(
    tmp_path: Path,
    git: Callable[..., str],
    build: Callable[[], None],
    version: str,
    change: list[str],
    why: str,
) -> None:
    if change:
        git(*change)
    before = git("rev-parse", "HEAD"), git("status", "--porcelain")
    with pytest.raises(Failed, match=why):
        make_release(version, tmp_path, build, lambda: "4 images")
    assert (git("rev-parse", "HEAD"), git("status", "--porcelain")) == before
    assert git("tag") == ""


def test_a_release_without_a_section_of_what_is_new_is_refused(
    tmp_path: Path, git: Callable[..., str], build: Callable[[], None]
) -> None:
    (tmp_path / "CHANGELOG.md").write_text("# Changelog\n")
    git("commit", "--quiet", "--all", "--message", "Forget")
    with pytest.raises(Failed, match="say there what is new"):
        make_release("1.2.3", tmp_path, build, lambda: "4 images")


def test_builds_that_differ_are_no_release_and_leave_nothing(
    tmp_path: Path, git: Callable[..., str]
) -> None:
    numbers, before = itertools.count(), git("rev-parse", "HEAD")

    def build() -> None:
        (tmp_path / "dist").mkdir(exist_ok=True)
        (tmp_path / "dist" / SUMS).write_text(f"{next(numbers)}\n")

    with pytest.raises(Failed, match="two builds differ"):
        make_release("1.2.3", tmp_path, build, lambda: "4 images")
    assert (git("rev-parse", "HEAD"), git("tag"), git("status", "--porcelain")) == (before, "", "")
