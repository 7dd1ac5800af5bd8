"""`make dist`: the wheels of regulars, of what lies beside it and of its lab, which work outside of
a checkout.

They are built from a copy that holds what goes into them and nothing else, so nothing of an earlier
build gets in. The wheel of regulars carries the face models, and what `make setup` fetched and
compiled: the pages' libraries and the search kernels. Beside them are a bill of what they carry,
and the sums of all files. The same commit, with the same kernels, gives the same bytes: what is in
the wheels has the commit's time.
"""

from __future__ import annotations

import hashlib
import shutil
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from regulars_edge.update import LEAST

from chalicelib.book.vision.packs import packs
from infra import sbom
from infra.bundle import NoLibraries, copy_parts, list_files_below
from infra.dependencies import EDGE, ROOT, SERVICE, Failed, run_command
from regulars.libraries import COMMAND, read_libraries

OUT = ROOT / "dist"
SUMS = "SHA256SUMS"
PROJECTS = {
    "regulars": (
        "app.py",
        "chalicelib",
        "console",
        "pyproject.toml",
        "regulars",
        "requirements.txt",
        "README.md",
    ),
    "regulars_edge": ("edge/pyproject.toml", "edge/src"),
    "regulars_client": ("client/pyproject.toml", "client/src"),
    "regulars_mqtt": ("mqtt/pyproject.toml", "mqtt/src"),
    "regulars_transfer": ("transfer/pyproject.toml", "transfer/src"),
    "regulars_dialects": ("dialects/pyproject.toml", "dialects/src"),
    "regulars_lab": ("lab/pyproject.toml", "lab/src"),
}
BESIDE = ("infra/box", "edge/systemd", "infra/licences")
"""Folders of the checkout whose files lie beside the wheels: how to run them, and what others made
in a release."""
PROCESSORS, PYTHONS = ("x86_64", "aarch64"), ("3.11", "3.13")
"""Of boxes beside cameras, with Debian 12 and 13."""
LICENCES = ("LICENSE", "NOTICE")
LOCKED = {
    "regulars.lock": (
        SERVICE,
        ("regulars", "regulars_client", "regulars_dialects", "regulars_mqtt", "regulars_transfer"),
    ),
    "regulars-edge.lock": (EDGE, ("regulars_edge", "regulars_client")),
}
"""Requirements beside the wheels: each names some of these, all that they need, with their extras,
and the hashes."""
_ONLY_THESE = """\
# pip install --requirement {0}
--find-links .
--only-binary :all:
"""
_LEFT_OUT = shutil.ignore_patterns("__pycache__", "*.egg-info", "node_modules", "*.part")


def build_wheels(out: Path = OUT) -> list[Path]:
    """Build the wheels into `out`, with what runs them, their bill and sums; return their paths.

    Older ones go.

    Raises NoLibraries if the pages' libraries were not fetched, Failed if pip fails.
    """
    if not all(library.is_complete() for library in read_libraries().values()):
        raise NoLibraries(f"the console's libraries are not here: `{COMMAND}` fetches them")
    with tempfile.TemporaryDirectory() as scratch:
        folders = [
            _copy_project(names, Path(scratch) / project) for project, names in PROJECTS.items()
        ]
        for old_file in [
            *out.glob("regulars*.whl"),
            *out.glob("regulars*.oci.tar"),
            *out.glob(f"{SUMS}*"),
        ]:
            old_file.unlink()
        # By this environment's setuptools: an isolated one is fetched and installed for each of
        # them.
        command = [
            sys.executable,
            "-m",
            "pip",
            "wheel",
            "--quiet",
            "--no-deps",
            "--no-build-isolation",
        ]
        run_command(
            [*command, "--wheel-dir", out, *folders],
            cwd=Path(scratch),
            variables=read_commit_time(),
        )
    wheels = sorted(out.glob("regulars*.whl"))
    sbom.write_wheels_bill(
        out / sbom.NAME,
        wheels,
        [SERVICE, EDGE],
        [packs.read_pack()],
        list(read_libraries().values()),
    )
    files = [file for folder in BESIDE for file in sorted((ROOT / folder).iterdir())]
    copies = [Path(shutil.copyfile(file, out / file.name)) for file in files]
    copies += [_write_lock(out, name, *LOCKED[name]) for name in LOCKED]
    (out / SUMS).write_text(f"# regulars-edge least {LEAST}\n", encoding="ascii")
    add_sums(out, [*wheels, out / sbom.NAME, *copies])
    return wheels


def fetch_libraries(out: Path = OUT) -> None:
    """Fetch what an update of a box beside cameras installs besides, for each processor, and add it
    to the sums.

    Raises Failed.
    """
    lock = out / "regulars-edge.lock"
    with tempfile.TemporaryDirectory() as scratch:
        for processor in PROCESSORS:
            platforms = [f"--platform=manylinux{tag}_{processor}" for tag in ("_2_28", "2014")]
            for python in PYTHONS:
                command = [
                    sys.executable,
                    "-m",
                    "pip",
                    "download",
                    "--quiet",
                    "--only-binary=:all:",
                    *platforms,
                ]
                run_command(
                    [*command, "--python-version", python, "--dest", scratch, "--requirement", lock]
                )
        fetched = [
            file for file in sorted(Path(scratch).iterdir()) if not file.name.startswith("regulars")
        ]
        add_sums(out, [Path(shutil.copyfile(file, out / file.name)) for file in fetched])


def _write_lock(out: Path, name: str, needs: Path, own_packages: Sequence[str]) -> Path:
    """Write the lock of some of the wheels in `out`, and return its path. pip reads it from any
    folder."""
    lines = []
    for project in own_packages:
        [wheel] = out.glob(f"{project}-*.whl")
        digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
        lines.append(f"{project}=={wheel.name.split('-')[1]} \\\n    --hash=sha256:{digest}\n")
    lock = out / name
    lock.write_text(
        _ONLY_THESE.format(name) + "".join(lines) + needs.read_text(encoding="ascii"),
        encoding="ascii",
    )
    return lock


def add_sums(out: Path, files: Sequence[Path]) -> None:
    """Add the sums of files in `out` to the others."""
    with (out / SUMS).open("a", encoding="ascii") as sums:
        sums.writelines(
            f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n" for file in files
        )


def read_commit_time() -> dict[str, str]:
    """Return the variable by which builds date files, with the time of the commit; none if this is
    no clone."""
    with suppress(Failed, FileNotFoundError):
        return {"SOURCE_DATE_EPOCH": run_command(["git", "log", "-1", "--format=%ct"]).strip()}
    return {}


def _copy_project(names: tuple[str, ...], folder: Path) -> Path:
    """Copy files and folders of the checkout, and the licences, into a new folder; return the
    project's in it."""
    project = folder / Path(names[0]).parent
    copy_parts(names, folder, _LEFT_OUT)
    for name in LICENCES:
        shutil.copy2(ROOT / name, project / name)
    for file in list_files_below(folder).values():
        file.chmod(0o644)
    return project


if __name__ == "__main__":
    try:
        for wheel in build_wheels():
            print(wheel)  # noqa: T201 -- a command of its own
    except Failed as error:
        sys.exit(f"no wheels: {error}")
