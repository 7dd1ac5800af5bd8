"""The target of a package: a processor and a Python, as Lambda names them; and that Python here,
which packages."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ARCHITECTURES = ("arm64", "x86_64")
PYTHON = "3.13"

_MACHINES = {"arm64": "aarch64", "x86_64": "x86_64"}
# Lambda's Python 3.13 runs on glibc 2.34; pip takes a platform by its name, not older ones
# along with it.
_GLIBC = ("manylinux_2_34", "manylinux_2_28", "manylinux_2_17", "manylinux2014")


@dataclass(frozen=True)
class Target:
    architecture: str = ARCHITECTURES[0]
    python: str = PYTHON

    @property
    def name(self) -> str:
        return f"python{self.python}-{self.architecture}"

    @property
    def machine(self) -> str:
        """As `platform.machine()` calls the processor."""
        return _MACHINES[self.architecture]

    @property
    def wheel_platforms(self) -> tuple[str, ...]:
        return tuple(f"{glibc}_{self.machine}" for glibc in _GLIBC)


def find_python(version: str) -> Path | None:
    """Find the first Python of that version on PATH or in pyenv that runs; None if there is
    none."""
    return next((path for path in _list_pythons(version) if _is_running(path, version)), None)


def run_for_output(command: list[str]) -> str | None:
    """Run a command and return what it prints; None if it fails or does not exist."""
    try:
        result = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)  # noqa: S603 - our own
    except (OSError, subprocess.SubprocessError):
        return None
    return result.stdout.strip()


def _list_pythons(version: str) -> Iterator[Path]:
    if on_path := shutil.which(f"python{version}"):
        yield Path(on_path)
    if pyenv := shutil.which("pyenv"):
        installed = run_for_output([pyenv, "whence", "--path", f"python{version}"]) or ""
        yield from map(Path, reversed(installed.split()))


def _is_running(path: Path, version: str) -> bool:
    """Check that it runs: a name on PATH may be a shim of a version that is not switched on."""
    return (
        run_for_output([str(path), "-c", "import sys; print('%d.%d' % sys.version_info[:2])"])
        == version
    )
