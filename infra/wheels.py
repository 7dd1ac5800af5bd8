"""`make dist`: the wheels of regulars, its uploader, its client and its lab, which work outside of a checkout.

They are built from a copy that holds what goes into them and nothing else, so nothing of an earlier build gets in. The
wheel of regulars carries the face models, and what `make setup` fetched and compiled: the pages' libraries and the
search kernels. Beside them are a bill of what they carry, and the sums of all files. The same commit, with the same
kernels, gives the same bytes: what is in the wheels has the commit's time.
"""

from __future__ import annotations

import hashlib
import shutil
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

from regulars_edge.update import LEAST

from chalicelib.vision.packs import packs
from infra import sbom
from infra.archive import NoLibraries, copy_parts, files_below
from infra.dependencies import ROOT, CommandFailed, run
from regulars.libraries import COMMAND, libraries

OUT = ROOT / "dist"
SUMS = "SHA256SUMS"
PROJECTS = {
    "regulars": ("app.py", "chalicelib", "console", "pyproject.toml", "regulars", "requirements.txt", "README.md"),
    "regulars_edge": ("edge/pyproject.toml", "edge/src"),
    "regulars_client": ("client/pyproject.toml", "client/src"),
    "regulars_lab": ("lab/pyproject.toml", "lab/src"),
}
LICENCES = ("LICENSE", "NOTICE")
_LEFT_OUT = shutil.ignore_patterns("__pycache__", "*.egg-info", "node_modules", "*.part")


def build(out: Path = OUT) -> list[Path]:
    """Build the wheels into `out`, with their bill and sums, and return their paths; older ones there are removed.

    Raises NoLibraries if the pages' libraries were not fetched, CommandFailed if pip fails.
    """
    if not all(library.is_complete() for library in libraries().values()):
        raise NoLibraries(f"the console's libraries are not here: `{COMMAND}` fetches them")
    with tempfile.TemporaryDirectory() as scratch:
        folders = [_copied(names, Path(scratch) / project) for project, names in PROJECTS.items()]
        for old in [*out.glob("regulars*.whl"), *out.glob(f"{SUMS}*")]:
            old.unlink()
        # By this environment's setuptools: an isolated one is fetched and installed for each of them.
        command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
        run([*command, "--wheel-dir", out, *folders], cwd=Path(scratch), more=commit_time())
    wheels = sorted(out.glob("regulars*.whl"))
    sbom.write_of_wheels(out / sbom.NAME, wheels, [packs.at()], list(libraries().values()))
    sums = [f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n" for file in [*wheels, out / sbom.NAME]]
    (out / SUMS).write_text("".join([f"# regulars-edge least {LEAST}\n", *sums]), encoding="ascii")
    return wheels


def commit_time() -> dict[str, str]:
    """Return the variable by which builds date files, with the time of the commit; none if this is no clone."""
    with suppress(CommandFailed, FileNotFoundError):
        return {"SOURCE_DATE_EPOCH": run(["git", "log", "-1", "--format=%ct"]).strip()}
    return {}


def _copied(names: tuple[str, ...], folder: Path) -> Path:
    """Copy files and folders of the checkout, and the licences, into a new folder; return the project's in it."""
    project = folder / Path(names[0]).parent
    copy_parts(names, folder, _LEFT_OUT)
    for name in LICENCES:
        shutil.copy2(ROOT / name, project / name)
    for file in files_below(folder).values():
        file.chmod(0o644)
    return project


if __name__ == "__main__":
    try:
        for wheel in build():
            print(wheel)  # noqa: T201 -- a command of its own
    except (CommandFailed, NoLibraries) as error:
        sys.exit(f"no wheels: {error}")
