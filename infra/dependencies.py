"""The locked distributions of requirements.txt, installed for a target: pruned, compiled, kept until an input changes.

pip installs it and not Chalice, whose packager leaves out what it takes for incompatible, says so, and exits with 0
(measured under Python 3.11, with today's manylinux_2_28 wheels); it also begins anew with every change of our code.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from chalicelib.adapters.aws.clients import SERVICES
from infra.prune import OPERATIONS, prune
from infra.target import Target

ROOT = Path(__file__).resolve().parents[1]
LOCKS = ROOT / "infra" / "locks"
FUNCTIONS, CHALICE = LOCKS / "functions.txt", LOCKS / "chalice.txt"
"""One version of each distribution, with the hashes of its files, for all targets: `make lock` writes them."""
FOLDER = ROOT / "build" / "dependencies"
FUNCTION_ROOT = "/var/task"
"""Where Lambda unpacks a function: tracebacks name it."""


class CommandFailed(Exception):
    """A command of the packaging ended badly; the message holds what it printed."""


def installed(target: Target, python: Path) -> Path:
    """Return the folder of the target's dependencies, made if needed. `python` is of the target's version."""
    folder = FOLDER / target.name
    stamp = FOLDER / f"{target.name}.inputs"
    inputs = _digest(target, python)
    if stamp.is_file() and stamp.read_text() == inputs:
        return folder
    stamp.unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)
    platforms = [option for name in target.wheel_platforms for option in ("--platform", name)]
    wanted = ["--implementation", "cp", "--python-version", target.python, "--only-binary=:all:"]
    quiet = ["--quiet", "--disable-pip-version-check", "--no-compile"]
    run([python, "-m", "pip", "install", *quiet, "--target", folder, *platforms, *wanted, *locked(FUNCTIONS)])
    prune(folder)
    compile_modules(folder, python)
    stamp.write_text(inputs)
    return folder


def locked(lock: Path) -> list[str | Path]:
    """Return pip's options that install a lock's versions, and no file of which it has not the hash."""
    return ["--require-hashes", "-r", lock]


def compile_modules(folder: Path, python: Path) -> None:
    """Ship compiled modules that are not checked against their source: a function's folder can be neither written nor
    changed, and without them each cold start compiles anew (two to three times as long).
    """
    where: list[str | Path] = ["-s", folder, "-p", FUNCTION_ROOT]
    run([python, "-m", "compileall", "-q", "-j0", "--invalidation-mode", "unchecked-hash", *where, folder])


def run(command: Sequence[str | Path], *, cwd: Path = ROOT, more: dict[str, str] | None = None) -> str:
    """Run a command and return what it prints. Raises CommandFailed.

    Hashes are fixed, so compiled sets keep order; so is who may read the files that it makes.
    """
    environment = {**os.environ, "PYTHONHASHSEED": "0", **(more or {})}
    done = subprocess.run(  # noqa: S603 - our own commands
        command,
        cwd=cwd,
        env=environment,
        umask=0o022,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        raise CommandFailed(f"{command[0]} ended with {done.returncode}:\n{done.stdout}")
    return done.stdout


def _digest(target: Target, python: Path) -> str:
    digest = hashlib.sha256(f"{target} {python} {SERVICES} {OPERATIONS}".encode())
    for path in (FUNCTIONS, *map(Path, (__file__, prune.__code__.co_filename))):
        digest.update(path.read_bytes())
    return digest.hexdigest()
