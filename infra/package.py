"""Packages the application for Lambda: `python -m infra.package` writes build/package/{sam.json,deployment.zip}.

Does nothing where no input has changed; skips, with one line, where there is no Python that can package.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from infra import bundle, interpreter, template

ROOT = Path(__file__).resolve().parents[1]
BUILD = ROOT / "build"
STAGE = BUILD / "package-stage"
VENV = BUILD / "package-venv"
OUT = BUILD / "package"
MERGE = BUILD / "package-merge.json"

CHALICE = "chalice>=1.34,<2"
_FAILURE = "Could not install dependencies"
_SHIPPED = ("app.py", "requirements.txt", "chalicelib", ".chalice/config.json", ".chalice/policies")


class PackagingError(Exception):
    """No bundle was made; the message says why."""


def main() -> int:
    python = interpreter.find()
    if python is None:
        _say(f"package: skipped, there is no Python {' or '.join(interpreter.VERSIONS)} on PATH or in pyenv")
        return 0
    try:
        fresh = _package(python)
        sizes = bundle.checked(OUT / "deployment.zip", _requirements())
    except (PackagingError, bundle.BundleError) as error:
        # Chalice would start the next time from what it has now.
        for folder in (OUT, STAGE):
            shutil.rmtree(folder, ignore_errors=True)
        _say(f"package: FAILED: {error}")
        return 1
    state = "made" if fresh else "unchanged"
    zipped, unzipped = (round(size / 1e6) for size in (sizes.zipped_bytes, sizes.unzipped_bytes))
    _say(f"package: {state}, build/package/deployment.zip, {zipped} MB zipped, {unzipped} MB unzipped")
    return 0


def _package(python: Path) -> bool:
    """Make the bundle unless the last one was made from the same inputs; tells whether it was made."""
    stamp = OUT / "inputs"
    inputs = _digest([*_inputs(), *sorted((ROOT / "infra").glob("*.*"))], str(python))
    if (OUT / "deployment.zip").is_file() and stamp.is_file() and stamp.read_text() == inputs:
        return False
    _prepare_environment(python)
    _stage()
    template.write_merged(MERGE)
    shutil.rmtree(OUT, ignore_errors=True)
    options = ["--pkg-format", "cloudformation", "--merge-template", str(MERGE), str(OUT)]
    output = _run([VENV / "bin" / "chalice", "package", *options], cwd=STAGE)
    # Chalice exits with 0 even so.
    if _FAILURE in output:
        raise PackagingError(output)
    stamp.write_text(inputs)
    return True


def _prepare_environment(python: Path) -> None:
    """A virtual environment that can import the application, which Chalice does to know its functions."""
    stamp = VENV / "inputs"
    inputs = _digest([ROOT / "requirements.txt"], f"{python} {CHALICE}")
    if stamp.is_file() and stamp.read_text() == inputs:
        return
    shutil.rmtree(VENV, ignore_errors=True)
    _run([python, "-m", "venv", VENV])
    requirements = ROOT / "requirements.txt"
    _run([VENV / "bin" / "python", "-m", "pip", "install", "--quiet", CHALICE, "boto3", "-r", requirements])
    stamp.write_text(inputs)


def _stage() -> None:
    """A copy of what is shipped and nothing else; Chalice keeps what it downloaded beside it for the next time."""
    for name in _SHIPPED:
        source, target = ROOT / name, STAGE / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.rmtree(target, ignore_errors=True)
            # of the compiled kernels (make kernels) only the one for the function's processor
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", "kernel-x86_64.so"))
        else:
            shutil.copyfile(source, target)


def _inputs() -> Iterator[Path]:
    for name in _SHIPPED:
        path = ROOT / name
        found = sorted(path.rglob("*")) if path.is_dir() else [path]
        yield from (file for file in found if file.is_file() and "__pycache__" not in file.parts)


def _digest(files: Iterable[Path], more: str) -> str:
    digest = hashlib.sha256(more.encode())
    for file in files:
        content = hashlib.sha256(file.read_bytes()).hexdigest()
        digest.update(f"\n{file.relative_to(ROOT)} {content}".encode())
    return digest.hexdigest()


def _run(command: list[str | Path], cwd: Path = ROOT) -> str:
    # Chalice asks for a region to name the service principal, which is the same in all of them.
    environment = {"AWS_DEFAULT_REGION": "us-east-1", **os.environ}
    done = subprocess.run(  # noqa: S603 - our own commands
        command, cwd=cwd, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if done.returncode:
        raise PackagingError(f"{command[0]} ended with {done.returncode}:\n{done.stdout}")
    return done.stdout


def _requirements() -> str:
    return (ROOT / "requirements.txt").read_text(encoding="utf-8")


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    sys.exit(main())
