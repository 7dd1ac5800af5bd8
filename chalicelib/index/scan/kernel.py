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

from chalicelib.index.scan.call import Call, at, of_coder
from chalicelib.index.scan.coder import COLUMNS, CodedRows, Coder, Query, Tier
from chalicelib.index.scan.rows import BestFaces, Found, Rows, exact_scores

VERSION = 3

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
        self._code, self._search = library.regulars_code, library.regulars_search
        self._code.restype = self._search.restype = None
        self._code.argtypes, self._search.argtypes = [ctypes.c_void_p], [ctypes.c_void_p, ctypes.c_int64]

    def queries(self, coder: Coder, probe: NDArray[np.float32]) -> tuple[Query, ...]:
        """Code the probe for each tier."""
        call = of_coder(coder)
        _room = _tell(call, coder, probe, BestFaces(0))
        self._code(ctypes.addressof(call))
        codes = (np.frombuffer(ctypes.string_at(tier.query, tier.width), np.int8) for tier in call.tiers)
        tiers = zip(call.tiers[: call.tier_count], codes, strict=False)
        return tuple(Query(query, tier.step, tier.slack, tier.weight) for tier, query in tiers)

    def search(self, rows: Rows, probes: Found, numbers: NDArray[np.int32] | None = None) -> None:
        """Add the best of the rows' faces for each probe. `numbers`: only these rows are looked at, ascending."""
        calls, rooms = (Call * len(probes))(), []
        for place, (probe, best) in enumerate(probes):
            calls[place] = rows.call
            rooms.append(_tell(calls[place], rows.coder, probe, best))
            if numbers is not None:
                calls[place].numbers, calls[place].rows = at(numbers), len(numbers)
        self._search(ctypes.addressof(calls), len(probes))
        for call, room, (_, best) in zip(calls, rooms, probes, strict=True):
            best.add_ranked(room.view(np.int64)[1 : 2 * call.held : 2], room[0 : 2 * call.held : 2])


def _tell(call: Call, coder: Coder, probe: NDArray[np.float32], best: BestFaces) -> NDArray[np.float64]:
    """Tell the kernel what is searched for, and give it room, which must be kept until it is done.

    The room is for scores and faces that are found, by turns, the probe in float64, and its codes for both tiers, which
    take less than a byte for each dimension and 128.
    """
    probe = np.asarray(probe, np.float32)
    room = np.empty(2 * best.limit + 2 * call.dimensions + 16)
    call.best = ctypes.addressof(ctypes.c_char.from_buffer(room.data))  # a quarter of the time that `at` takes
    call.probe = plain = probe.tobytes()
    call.turned = plain if coder.rotation is None else coder.rotation.dot(probe).tobytes()
    call.cut, call.limit = best.cut, best.limit
    return room


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
        compiled.search(rows, [(templates[9].astype(np.float32), best := BestFaces(3))])
        scores = exact_scores(templates, templates[9].astype(np.float32)).reshape(-1, rows_of_face).max(axis=1)
        if np.sort(best.scores).tolist() != np.sort(scores)[-3:].tolist():
            return False
    return True


def _coded(tier: Tier, codes: NDArray[np.int8]) -> NDArray[np.int8]:
    rows = np.zeros((len(codes), tier.width), np.int8)
    rows[:, : tier.numbers] = codes[:, tier.begin : tier.end]
    rows[:, tier.numbers : tier.numbers + tier.columns] = 127
    return rows
