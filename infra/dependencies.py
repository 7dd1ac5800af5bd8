"""The locked distributions of requirements.txt, installed for a target: pruned, compiled, kept
until an input changes.

pip installs it and not Chalice, whose packager leaves out what it takes for incompatible, says so,
and exits with 0 (measured under Python 3.11, with today's manylinux_2_28 wheels); it also begins
anew with every change of our code.
"""

from __future__ import annotations

import fnmatch
import gzip
import hashlib
import json
import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from botocore import xform_name
from packaging.requirements import Requirement

from chalicelib.storage.aws import clients
from chalicelib.storage.aws.clients import SERVICES
from infra.target import Target

ROOT = Path(__file__).resolve().parents[1]
LOCKS = ROOT / "infra" / "locks"
FUNCTIONS, CHALICE = LOCKS / "functions.txt", LOCKS / "chalice.txt"
SETUP = LOCKS / "setup.txt"
SERVICE, EDGE = LOCKS / "regulars.txt", LOCKS / "regulars-edge.txt"
"""One version of each distribution, with the hashes of its files, for all targets: `make lock`
writes them."""
FOLDER = ROOT / "build" / "dependencies"
FUNCTION_ROOT = "/var/task"
"""Where Lambda unpacks a function: tracebacks name it."""


class Failed(Exception):
    """Error: nothing was made. The message says why, and holds what a command printed."""


def install_libraries(target: Target, python: Path) -> Path:
    """Return the folder of the target's dependencies, made if needed.

    `python` is of the target's version.
    """
    folder = FOLDER / target.name
    stamp = FOLDER / f"{target.name}.inputs"
    inputs = _digest_inputs(target, python)
    if stamp.is_file() and stamp.read_text() == inputs:
        return folder
    stamp.unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)
    platforms = [option for name in target.wheel_platforms for option in ("--platform", name)]
    python_options = [
        "--implementation",
        "cp",
        "--python-version",
        target.python,
        "--only-binary=:all:",
    ]
    quiet = ["--quiet", "--disable-pip-version-check", "--no-compile"]
    run_command(
        [
            python,
            "-m",
            "pip",
            "install",
            *quiet,
            "--target",
            folder,
            *platforms,
            *python_options,
            *make_lock_options(FUNCTIONS),
        ]
    )
    prune_folder(folder)
    compile_modules(folder, python)
    stamp.write_text(inputs)
    return folder


def make_lock_options(lock: Path) -> list[str | Path]:
    """Return pip's options that install a lock's versions, and no file of which it has not the
    hash."""
    return ["--require-hashes", "-r", lock]


def read_versions(lock: Path) -> list[tuple[str, str]]:
    """Return name and version of each distribution that a lock names for Linux."""
    lines = (
        line.rstrip(" \\")
        for line in lock.read_text(encoding="ascii").splitlines()
        if line[:1].isalnum()
    )
    return [
        (requirement.name, next(iter(requirement.specifier)).version)
        for requirement in map(Requirement, lines)
        if requirement.marker is None or requirement.marker.evaluate({"sys_platform": "linux"})
    ]


def compile_modules(folder: Path, python: Path) -> None:
    """Compile the modules in the folder, so that they are not checked against their source when
    they are loaded.

    A function's folder never changes, and cannot be written. Without compiled modules each cold
    start would compile them anew, and take two to three times as long.
    """
    where: list[str | Path] = ["-s", folder, "-p", FUNCTION_ROOT]
    run_command(
        [
            python,
            "-m",
            "compileall",
            "-q",
            "-j0",
            "--invalidation-mode",
            "unchecked-hash",
            *where,
            folder,
        ]
    )


def run_command(
    command: Sequence[str | Path], *, cwd: Path = ROOT, variables: dict[str, str] | None = None
) -> str:
    """Run a command and return what it prints.

    `variables`: of its environment, beside ours. Raises Failed.

    The seed of hashes is fixed, so that compiled sets keep their order. So is the umask: who runs
    the command does not decide who may read the files that it makes.
    """
    environment = {**os.environ, "PYTHONHASHSEED": "0", **(variables or {})}
    result = subprocess.run(  # noqa: S603 - our own commands
        command,
        cwd=cwd,
        env=environment,
        umask=0o022,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if result.returncode:
        raise Failed(f"{command[0]} ended with {result.returncode}:\n{result.stdout}")
    return result.stdout


def _digest_inputs(target: Target, python: Path) -> str:
    digest = hashlib.sha256(f"{target} {python} {SERVICES} {OPERATIONS}".encode())
    for path in (FUNCTIONS, Path(__file__)):
        digest.update(path.read_bytes())
    return digest.hexdigest()


NEVER_OPENED = (
    # what a compiler, a type checker or a test would want
    "*/tests/*",
    "*.pyi",
    "*.pxd",
    "*.h",
    "*.a",
    "numpy/f2py/*",
    "numpy/testing/*",
    "numpy/_core/_*_tests.*.so",
    "numpy/_core/_simd.*.so",  # its own tests of its vector instructions
    # making and converting models; the runtime once more for programs in C, which nothing here
    # links to
    "onnxruntime/quantization/*",
    "onnxruntime/tools/*",
    "onnxruntime/transformers/*",
    "onnxruntime/capi/libonnxruntime.so*",
    "botocore/data/*/examples-1.json*",
    # Picture formats that the dialects refuse cannot even be decoded; fonts and colour profiles.
    "PIL/_avif.*.so",
    "PIL/_imagingcms.*.so",
    "PIL/_imagingft.*.so",
)
"""Files that no function reads, of a tenth of a megabyte or more: 52 of 196 MB of what is
installed, which each cold start would fetch."""

_BOTOCORE_CALLS = {"create_session", "head_bucket"}
"""Operations that botocore calls by itself: of express buckets, and to find out a bucket's
region."""

OPERATIONS = sorted(
    _BOTOCORE_CALLS.union(
        *(
            re.findall(r"client\.(\w+)", module.read_text(encoding="utf-8"))
            for module in Path(clients.__file__).parent.glob("*.py")
        )
    )
)
"""Operations that our adapters ask for. The models of services keep these."""


def prune_folder(folder: Path) -> None:
    """Delete, below a folder that packages were installed into, what no function uses.

    Change no module.
    """
    _prune_services(folder / "botocore" / "data")
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and any(fnmatch.fnmatch(name, pattern) for pattern in NEVER_OPENED):
            path.unlink()
    for library in _find_unlinked_libraries(folder):
        library.unlink()
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_dir() and not any(path.iterdir()):
            path.rmdir()


def _prune_services(data: Path) -> None:
    """Remove botocore's data about services that we do not call, and about operations that we do
    not call.

    When botocore makes a client, it looks through the folders of all services, and reads all that
    it has about that service. Without the other services a list of groups takes 8 % less processor
    time, and 26 MB fewer are fetched. Without the other operations, clients of DynamoDB and S3 are
    made in 18 ms in place of 33.
    """
    for service in data.glob("*/"):
        if service.name not in SERVICES:
            shutil.rmtree(service)
    for model in data.glob("*/*/service-2.json.gz"):
        content = _keep_operations(json.loads(gzip.decompress(model.read_bytes())))
        model.write_bytes(
            gzip.compress(json.dumps(content, separators=(",", ":")).encode(), mtime=0)
        )
    endpoints = data / "endpoints.json"
    if endpoints.is_file():
        content = json.loads(endpoints.read_text(encoding="utf-8"))
        for partition in content["partitions"]:
            partition["services"] = {
                name: description
                for name, description in partition["services"].items()
                if name in SERVICES
            }
        endpoints.write_text(json.dumps(content, separators=(",", ":")), encoding="utf-8")


def _keep_operations(model: dict[str, Any]) -> dict[str, Any]:
    """Leave OPERATIONS of a service's model, and the shapes that they name or that shapes of theirs
    name."""
    operations = {
        name: operation
        for name, operation in model["operations"].items()
        if xform_name(name) in OPERATIONS
    }
    names: set[str] = set()
    new_names = _find_named_shapes(operations)
    while new_names:
        names |= new_names
        new_names = _find_named_shapes([model["shapes"][name] for name in new_names]) - names
    return {
        **model,
        "operations": operations,
        "shapes": {name: model["shapes"][name] for name in sorted(names)},
    }


def _find_named_shapes(part: Any) -> set[str]:
    return set(re.findall(r'"shape": "(\w+)"', json.dumps(part)))


def _find_unlinked_libraries(folder: Path) -> set[Path]:
    """Return libraries that wheels bring along (in `<package>.libs`), but for those that what stays
    links to."""
    binaries = {
        path: path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and ".so" in path.name
    }
    unlinked = {path for path in binaries if path.parent.name.endswith(".libs")}
    reached = binaries.keys() - unlinked
    while reached:
        reached = {
            path
            for path in unlinked
            if any(path.name.encode() in binaries[binary] for binary in reached)
        }
        unlinked -= reached
    return unlinked
