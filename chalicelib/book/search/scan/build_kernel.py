"""Compiler of kernel.c for this machine or, with `--target aarch64|x86_64`, for another: `python
-m` this module.

It needs `cc`, or the Python package ziglang, which brings a compiler for every target. Without
either nothing is built, and searches are slow: the same answers, computed from the templates.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

from chalicelib.book.search.scan.scan import library_path

_FLAGS = ("-O3", "-ffp-contract=off", "-fPIC", "-shared", "-Wall", "-fopenmp-simd", "-lm")


def compilers(machine: str) -> list[list[str]]:
    """List the commands that compile for that processor, the preferred first."""
    commands = []
    if machine == platform.machine() and (own_compiler := shutil.which(os.environ.get("CC", "cc"))):
        commands.append([own_compiler])
    if importlib.util.find_spec("ziglang"):
        # glibc 2.28 is as old as that of the wheels in the function's package
        commands.append(
            [sys.executable, "-m", "ziglang", "cc", "-target", f"{machine}-linux-gnu.2.28", "-s"]
        )
    return commands


def build(machine: str) -> Path | None:
    """Compile the library and return its path; None if no compiler could make it.

    It is written beside its place, and gets its name only when it is complete. So a process that
    loads it never finds a part of it.
    """
    target = library_path(machine)
    partial = target.with_suffix(f".{os.getpid()}.part")
    for compiler in compilers(machine):
        if compile_with(compiler, partial):
            partial.replace(target)
            return target
    partial.unlink(missing_ok=True)
    return None


def compile_with(compiler: list[str], target: Path) -> bool:
    """Compile the library with this command; return whether it succeeded."""
    command = [*compiler, *_FLAGS, "-o", str(target), str(Path(__file__).with_name("kernel.c"))]
    result = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 -- the compilers are named in this module
    if result.returncode:
        print(f"{' '.join(command)}: {result.stderr.strip()[:2000]}", file=sys.stderr)  # noqa: T201 -- people who run this module read it
    return not result.returncode


def main() -> int:
    parser = argparse.ArgumentParser(description="compile the search kernel")
    parser.add_argument(
        "--target", default=platform.machine(), choices=["x86_64", "aarch64", platform.machine()]
    )
    machine: str = parser.parse_args().target
    built = build(machine)
    print(built or f"nothing compiled for {machine} (it needs cc, or ziglang): searches are slow")  # noqa: T201 -- people who run this module read it
    return 0 if built else 1


if __name__ == "__main__":
    sys.exit(main())
