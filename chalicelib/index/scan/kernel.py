"""Integer dot products of int8 rows with an int8 query, by the fastest library on this machine.

`kernel.c`, compiled once by `python -m chalicelib.index.scan.build_kernel`, is as fast as memory. If it was not
compiled, simsimd computes the same sums more slowly. They are sums of integers, so both give the same.
"""

from __future__ import annotations

import ctypes
import logging
import platform
from functools import cache
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

VERSION = 1

_log = logging.getLogger(__name__)


class Kernel(Protocol):
    """Sums over C-contiguous int8 rows (rows, width) and a query (width,); a row holds no -128."""

    name: str

    def scan(
        self, rows: NDArray[np.int8], begin: int, end: int, query: NDArray[np.int8], cut: int
    ) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Return the numbers, ascending, and sums of the rows in `begin`..`end` whose sum is at least `cut`."""

    def pick(self, rows: NDArray[np.int8], numbers: NDArray[np.int32], query: NDArray[np.int8]) -> NDArray[np.int32]:
        """Return the sums of the rows listed in `numbers`."""


def library_path(machine: str | None = None) -> Path:
    """Return the path of the compiled kernel for a processor (as `platform.machine()` names it)."""
    return Path(__file__).with_name(f"kernel-{machine or platform.machine()}.so")


@cache
def kernel() -> Kernel:
    """Return the fastest kernel of this machine; the compiled one only if its sums are right."""
    path = library_path()
    if path.is_file():
        try:
            compiled = CompiledKernel(path)
            if _agrees(compiled):
                return compiled
            _log.error("%s gives wrong sums, so simsimd is used: compile it again", path)
        except (OSError, AttributeError) as error:
            _log.warning("%s cannot be loaded, so simsimd is used: %s", path, error)
    return SimsimdKernel()


class CompiledKernel:
    """kernel.c, called without the interpreter's lock. Raises OSError or AttributeError if the library does not fit."""

    name = "compiled"

    def __init__(self, path: Path) -> None:
        library = ctypes.CDLL(str(path))
        if library.regulars_kernel_version() != VERSION:
            raise OSError(f"it is of another version than {VERSION}: compile it again")
        whole, pointer = ctypes.c_int64, ctypes.c_void_p
        self._scan = library.regulars_scan
        self._scan.restype = whole
        self._scan.argtypes = [pointer, whole, whole, whole, pointer, ctypes.c_int32, pointer, pointer]
        self._pick = library.regulars_pick
        self._pick.restype = None
        self._pick.argtypes = [pointer, whole, pointer, whole, pointer, pointer]

    def scan(
        self, rows: NDArray[np.int8], begin: int, end: int, query: NDArray[np.int8], cut: int
    ) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        numbers = np.empty(end - begin + 1, dtype=np.int32)
        sums = np.empty(end - begin + 1, dtype=np.int32)
        width = rows.shape[1]
        found = self._scan(
            rows.ctypes.data, width, begin, end, query.ctypes.data, cut, numbers.ctypes.data, sums.ctypes.data
        )
        return numbers[:found], sums[:found]

    def pick(self, rows: NDArray[np.int8], numbers: NDArray[np.int32], query: NDArray[np.int8]) -> NDArray[np.int32]:
        sums = np.empty(len(numbers), dtype=np.int32)
        self._pick(
            rows.ctypes.data, rows.shape[1], numbers.ctypes.data, len(numbers), query.ctypes.data, sums.ctypes.data
        )
        return sums


class SimsimdKernel:
    """The same sums by a library that is installed everywhere."""

    name = "simsimd"

    def scan(
        self, rows: NDArray[np.int8], begin: int, end: int, query: NDArray[np.int8], cut: int
    ) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        sums = self._sums(rows[begin:end], query)
        found = np.flatnonzero(sums >= cut)
        return (found + begin).astype(np.int32), sums[found]

    def pick(self, rows: NDArray[np.int8], numbers: NDArray[np.int32], query: NDArray[np.int8]) -> NDArray[np.int32]:
        return self._sums(rows[numbers], query)

    def _sums(self, rows: NDArray[np.int8], query: NDArray[np.int8]) -> NDArray[np.int32]:
        import simsimd

        if not len(rows):
            return np.empty(0, dtype=np.int32)
        out = np.empty((1, len(rows)), dtype=np.int32)
        simsimd.cdist(query[None], rows, "dot", out=out, out_dtype="int32")  # type: ignore[arg-type] # its stub is wrong
        return np.asarray(out[0], dtype=np.int32)


def _agrees(compiled: Kernel) -> bool:
    """Check sums of both signs and of the largest size, in every width that the kernel treats differently."""
    for width in (32, 64, 96, 256):
        # As good as random. numpy.random would add 10 ms to a cold start.
        mixed = ((np.arange(10 * width) * 2_654_435_761 >> 9) % 255 - 127).astype(np.int8).reshape(10, width)
        rows, query = mixed[:9].copy(), mixed[9]
        rows[0], rows[1] = 127, -127
        right = rows.astype(np.int32) @ query.astype(np.int32)
        cut = int(np.sort(right)[4])
        numbers, sums = compiled.scan(rows, 1, 9, query, cut)
        wanted = 1 + np.flatnonzero(right[1:] >= cut)
        if numbers.tolist() != wanted.tolist() or sums.tolist() != right[wanted].tolist():
            return False
        if compiled.pick(rows, np.array([8, 0], dtype=np.int32), query).tolist() != [right[8], right[0]]:
            return False
    return True
