"""Packages of npm that tests drive as they are, installed by the lock beside the program that uses
them."""

import filecmp
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

import playwright

from regulars.libraries import run_npm

NODE = Path(playwright.__file__).with_name("driver") / "node"
"""Playwright brings it."""

LOCK = "package-lock.json"
_BUILD = Path(__file__).resolve().parents[2] / "build"


def installed(program: Path, name: str) -> Path:
    """Return the folder that has the packages which the lock in the program's folder names."""
    folder = _BUILD / name
    if not (folder / LOCK).is_file() or not filecmp.cmp(
        program / LOCK, folder / LOCK, shallow=False
    ):
        _install(program, folder)
    return folder


def _install(program: Path, folder: Path) -> None:
    """Install what the lock names.

    The lock is there last, so that an installation that was cut off begins anew.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with TemporaryDirectory(dir=folder.parent) as made:
        for name in ("package.json", LOCK):
            shutil.copy(program / name, made)
        run_npm(Path(made), "ci")
        (Path(made) / "node_modules").rename(folder / "node_modules")
    shutil.copy(program / LOCK, folder)
