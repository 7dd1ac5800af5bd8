"""Deletion of files in installed packages that no function opens."""

from __future__ import annotations

import fnmatch
import json
import shutil
from pathlib import Path

from chalicelib.adapters.aws.clients import SERVICES

NEVER_OPENED = (
    # what a shell, a compiler, a type checker or a test would want
    "bin/*",
    "*/tests/*",
    "*/conftest.py",
    "*.pyi",
    "*.pxd",
    "*.pyx",
    "*.h",
    "*.a",
    "*/py.typed",
    "numpy/f2py/*",
    "numpy/testing/*",
    "numpy/_pyinstaller/*",
    "numpy/random/_examples/*",
    "numpy/_core/_*_tests.*.so",
    "numpy/_core/_simd.*.so",  # its own tests of its vector instructions
    # making and converting models; the runtime once more for programs in C, which nothing here links to
    "onnxruntime/backend/*",
    "onnxruntime/datasets/*",
    "onnxruntime/quantization/*",
    "onnxruntime/tools/*",
    "onnxruntime/transformers/*",
    "onnxruntime/capi/libonnxruntime.so*",
    "botocore/data/*/examples-1.json*",
    # Picture formats that the dialects refuse cannot even be decoded; fonts and screens.
    "PIL/_avif.*.so",
    "PIL/_imagingcms.*.so",
    "PIL/_imagingft.*.so",
    "PIL/_imagingtk.*.so",
    "PIL/_tkinter_finder.py",
)
_OF_DIST_INFO = ("METADATA", "licen[cs]e*", "copying*", "notice*", "authors*")
"""Versions and requirements are read at run time; licences stay with the code."""


def prune(folder: Path) -> None:
    """Delete, below a folder that packages were installed into, what no function opens."""
    _prune_services(folder / "botocore" / "data")
    for path in sorted(folder.rglob("*")):
        if path.is_file() and _is_dead(path.relative_to(folder)):
            path.unlink()
    for library in _unlinked_libraries(folder):
        library.unlink()
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_dir() and not any(path.iterdir()):
            path.rmdir()


def _prune_services(data: Path) -> None:
    """Leave botocore's data of our services: it looks through every service's folder when it makes a client."""
    for service in data.glob("*/"):
        if service.name not in SERVICES:
            shutil.rmtree(service)
    endpoints = data / "endpoints.json"
    if endpoints.is_file():
        whole = json.loads(endpoints.read_text(encoding="utf-8"))
        for partition in whole["partitions"]:
            partition["services"] = {name: of for name, of in partition["services"].items() if name in SERVICES}
        endpoints.write_text(json.dumps(whole, separators=(",", ":")), encoding="utf-8")


def _is_dead(path: Path) -> bool:
    if path.parts[0].endswith(".dist-info"):
        licences = "licenses" in path.parts
        return not licences and not any(fnmatch.fnmatch(path.name.lower(), kept.lower()) for kept in _OF_DIST_INFO)
    return any(fnmatch.fnmatch(path.as_posix(), pattern) for pattern in NEVER_OPENED)


def _unlinked_libraries(folder: Path) -> set[Path]:
    """Libraries that wheels bring along (in `<package>.libs`) and that nothing which stays names."""
    binaries = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and ".so" in path.name}
    dead: set[Path] = set()
    while True:
        alive = {path: content for path, content in binaries.items() if path not in dead}
        found = {
            path
            for path in alive
            if path.parent.name.endswith(".libs")
            and not any(path.name.encode() in content for other, content in alive.items() if other != path)
        }
        if not found:
            return dead
        dead |= found
