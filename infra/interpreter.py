"""Finds the Python that packages for Lambda: the one that the functions will run on, which compiles their modules."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path


def find(version: str) -> Path | None:
    """Find the first Python of that version on PATH or in pyenv that runs; None if there is none."""
    return next((path for path in _candidates(version) if _runs(path, version)), None)


def output_of(command: list[str]) -> str | None:
    """Run a command and return what it prints; None if it fails or does not exist."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)  # noqa: S603 - our own
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _candidates(version: str) -> Iterator[Path]:
    if on_path := shutil.which(f"python{version}"):
        yield Path(on_path)
    if pyenv := shutil.which("pyenv"):
        installed = (output_of([pyenv, "versions", "--bare"]) or "").split()
        for name in reversed([name for name in installed if name.startswith(f"{version}.")]):
            if prefix := output_of([pyenv, "prefix", name]):
                yield Path(prefix) / "bin" / "python"


def _runs(path: Path, version: str) -> bool:
    """Check that it runs: a name on PATH may be a shim of a version that is not switched on."""
    return output_of([str(path), "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]) == version
