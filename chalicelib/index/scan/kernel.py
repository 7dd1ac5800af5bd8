"""The compiled search of one probe in a gallery's rows: `kernel.c`, called without the interpreter's lock.

`python -m chalicelib.index.scan.build_kernel` compiles it once. Without it, scan.py computes the same answers slowly.
"""

from __future__ import annotations

import ctypes
import logging
import platform
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from chalicelib.index.scan.coder import COLUMNS, CodedRows, Coder, Query, Tier
from chalicelib.index.scan.rows import BestFaces, Rows, exact_scores

VERSION = 2
_ROOM = 4_096
"""Faces that are found before Python takes them; the kernel stops while a tile of 1,024 rows still fits."""
_POINTER, _WHOLE, _REAL = ctypes.c_void_p, ctypes.c_int64, ctypes.c_double

_log = logging.getLogger(__name__)


def library_path(machine: str | None = None) -> Path:
    """Return the path of the compiled kernel for a processor (as `platform.machine()` names it)."""
    return Path(__file__).with_name(f"kernel-{machine or platform.machine()}.so")


@cache
def kernel() -> Kernel | None:
    """Return this machine's kernel; None if none was compiled, or its answers are not exact."""
    path = library_path()
    if not path.is_file():
        return None
    try:
        compiled = Kernel(path)
    except (OSError, AttributeError) as error:
        _log.warning("%s cannot be loaded, so searches are slow: %s", path, error)
        return None
    if not _agrees(compiled):
        _log.error("%s gives wrong answers, so searches are slow: compile it again", path)
        return None
    return compiled


class Kernel:
    """The functions of a compiled library. Raises OSError or AttributeError if the library does not fit."""

    def __init__(self, path: Path) -> None:
        library = ctypes.CDLL(str(path))
        if library.regulars_kernel_version() != VERSION:
            raise OSError(f"it is of another version than {VERSION}: compile it again")
        self.search = library.regulars_search
        self.search.restype = _WHOLE
        self.search.argtypes = [_POINTER, _WHOLE, _WHOLE]
        self.finish = library.regulars_finish
        self.finish.restype = None
        self.finish.argtypes = [_POINTER]


class _Search(ctypes.Structure):
    """The struct `search` of kernel.c."""

    _fields_ = (
        ("first", _POINTER), ("second", _POINTER), ("first_width", _WHOLE), ("second_width", _WHOLE),
        ("templates", _POINTER), ("dimensions", _WHOLE), ("first_row", _POINTER), ("faces", _WHOLE),
        ("group", _POINTER), ("taken", _POINTER), ("numbers", _POINTER),
        ("first_query", _POINTER), ("second_query", _POINTER),
        ("first_step", _REAL), ("first_slack", _REAL), ("column_step", _REAL),
        ("second_step", _REAL), ("second_slack", _REAL), ("column", _WHOLE), ("probe", _POINTER),
        ("cut", _REAL), ("heap", _POINTER), ("limit", _WHOLE), ("held", _WHOLE),
        ("found_faces", _POINTER), ("found_scores", _POINTER), ("found", _WHOLE), ("room", _WHOLE),
        ("face", _WHOLE), ("score", _REAL),
    )  # fmt: skip


class Search:
    """One probe's search by the kernel: `scan` parts of the rows in order, then `finish`."""

    def __init__(
        self,
        kernel: Kernel,
        rows: Rows,
        probe: NDArray[np.float32],
        best: BestFaces,
        numbers: NDArray[np.int32] | None = None,
    ) -> None:
        self._kernel, self._best = kernel, best
        queries = rows.coder.queries(probe)
        self._faces, self._scores = np.empty(_ROOM, np.int64), np.empty(_ROOM, np.float64)
        self._kept = [
            *rows.codes.tiers, rows.templates, rows.first_row, rows.group, rows.taken, numbers,
            *(query.codes for query in queries), wide := probe.astype(np.float64), heap := np.empty(best.limit),
        ]  # fmt: skip # what the struct points at must outlive it
        self._struct = _Search(
            first=_at(rows.codes.tiers[0]),
            first_width=rows.codes.tiers[0].shape[1],
            templates=_at(rows.templates),
            dimensions=rows.templates.shape[1],
            first_row=_at(rows.first_row) if len(rows.first_row) != len(rows.templates) + 1 else None,
            faces=len(rows.first_row) - 1,
            group=_at(rows.group),
            taken=_at(rows.taken),
            numbers=None if numbers is None else _at(numbers),
            first_query=_at(queries[0].codes),
            first_step=queries[0].step,
            first_slack=queries[0].slack,
            probe=_at(wide),
            cut=best.cut,
            heap=_at(heap),
            limit=best.limit,
            found_faces=_at(self._faces),
            found_scores=_at(self._scores),
            room=_ROOM,
            face=-1,
        )
        if len(queries) > 1:
            self._second(rows, *queries)

    def _second(self, rows: Rows, first: Query, second: Query) -> None:
        struct, codes = self._struct, rows.codes.tiers[1]
        struct.second, struct.second_width, struct.second_query = _at(codes), codes.shape[1], _at(second.codes)
        struct.second_step, struct.second_slack = second.step, second.slack
        struct.column, struct.column_step = rows.coder.tiers[0].numbers, first.step * first.column_weight

    def scan(self, begin: int, end: int) -> None:
        """Look at the rows `begin`..`end`, or at those that `numbers` has there."""
        place = ctypes.addressof(self._struct)
        while (begin := self._kernel.search(place, begin, end)) < end:
            self._take()

    def finish(self) -> None:
        """Give the best faces what was found."""
        self._kernel.finish(ctypes.addressof(self._struct))
        self._take()

    def _take(self) -> None:
        found, best = self._struct.found, self._best
        best.cut = max(best.cut, self._struct.cut)
        best.add(self._faces[:found], self._scores[:found])
        self._struct.found, self._struct.cut = 0, best.cut


def _at(array: NDArray[np.generic]) -> int:
    place: int = array.__array_interface__["data"][0]  # array.ctypes takes three times as long
    return place


def _agrees(compiled: Kernel) -> bool:
    """Compare answers with exact ones: a tier for faces of one row, and two for faces of two."""
    for dimensions, first, rows_of_face in ((256, 256, 1), (137, 60, 2)):
        # As good as random. numpy.random would add 10 ms to a cold start, and fitting a coder as many.
        codes = ((np.arange(10 * dimensions) * 2_654_435_761 >> 9) % 255 - 127).astype(np.int8).reshape(10, dimensions)
        templates = (codes / 1024).astype(np.float16)
        whole = Tier(0, first, 0 if first == dimensions else COLUMNS, 1 / 1024, 0.02, 2.0, 0.0)
        tiers = (whole, Tier(first, dimensions, 0, 1 / 1024, 0.02, 2.0, 0.0))[: 1 + (first < dimensions)]
        rows = Rows(
            templates,
            Coder(dimensions, None, tiers, 2.0),
            CodedRows(tuple(_coded(tier, codes) for tier in tiers), np.empty(0, np.uint32)),
            np.arange(0, 11, rows_of_face, dtype=np.uint32),
            np.zeros(10 // rows_of_face, np.int32),
            np.ones(1, dtype=bool),
        )
        search = Search(compiled, rows, templates[9].astype(np.float32), best := BestFaces(3))
        search.scan(0, 10)
        search.finish()
        scores = exact_scores(templates, templates[9].astype(np.float32)).reshape(-1, rows_of_face).max(axis=1)
        if np.sort(best.scores).tolist() != np.sort(scores)[-3:].tolist():
            return False
    return True


def _coded(tier: Tier, codes: NDArray[np.int8]) -> NDArray[np.int8]:
    rows = np.zeros((len(codes), tier.width), np.int8)
    rows[:, : tier.numbers] = codes[:, tier.begin : tier.end]
    rows[:, tier.numbers : tier.numbers + tier.columns] = 127
    return rows
