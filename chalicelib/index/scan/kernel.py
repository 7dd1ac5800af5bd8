"""The compiled search of one probe in a gallery's rows: `kernel.c`, called without the interpreter's lock.

`python -m chalicelib.index.scan.build_kernel` compiles it once. Without it, scan.py computes the same answers slowly.
"""

from __future__ import annotations

import ctypes
import logging
import platform
from functools import cache
from pathlib import Path
from struct import Struct, unpack_from

import numpy as np
from numpy.typing import NDArray

from chalicelib.index.scan.coder import COLUMNS, Call, CodedRows, Coder, Query, Tier, of_coder
from chalicelib.index.scan.rows import BestFaces, Found, Rows, exact_scores

VERSION = 5

_FOUND = ctypes.sizeof(Call)
"""The place of a search's best faces in its room: behind their count, which is the last number of Call."""
_HELD, _WANTED = Struct("q"), Struct("dq")
_POINTER = ctypes.c_void_p

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
        self._search = library.regulars_search
        self._search.restype = None
        self._search.argtypes = [_POINTER, ctypes.c_int64, *[ctypes.c_char_p] * 3, _POINTER]

    def queries(self, coder: Coder, probe: NDArray[np.float32]) -> tuple[Query, ...]:
        """Code the probe for each tier, as every search does.

        The first query's slack covers the errors of rotation and rounding.
        """
        told = of_coder(coder)
        room, _ = self._searched(told, coder, [(probe, BestFaces(0))])
        call = Call.from_buffer(room)
        codes = (np.frombuffer(ctypes.string_at(tier.query, tier.width), np.int8) for tier in call.tiers)
        tiers = zip(call.tiers[: call.tier_count], codes, strict=False)
        return tuple(Query(query, tier.step, tier.slack, tier.weight) for tier, query in tiers)

    def search(self, rows: Rows, probes: Found) -> None:
        """Add the best of the rows' faces for each probe."""
        room, each = self._searched(rows.call, rows.coder, probes)
        for begin, (_, best) in zip(range(_FOUND, len(room), each), probes, strict=True):
            (held,) = _HELD.unpack_from(room, begin - 8)
            found = unpack_from("dq" * held, room, begin)
            best.add_ranked(found[1::2], found[::2])

    def _searched(self, told: Call, coder: Coder, probes: Found) -> tuple[bytearray, int]:
        """Search; return the kernel's room, and how many bytes of it are each probe's."""
        rows = [np.asarray(probe, np.float32) for probe, _ in probes]
        plain = turned = b"".join([row.tobytes() for row in rows])
        if coder.rotation is not None:
            turned = b"".join([coder.rotation.dot(row).tobytes() for row in rows])
        each = told.room + 16 * max([best.limit for _, best in probes])
        room = bytearray(each * len(rows))
        wants = b"".join([_WANTED.pack(best.cut, best.limit) for _, best in probes])
        place = ctypes.byref(ctypes.c_char.from_buffer(room))
        self._search(ctypes.byref(told), len(rows), plain, turned, wants, place)
        return room, each


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
        if list(best.scores) != np.sort(scores)[:-4:-1].tolist():
            return False
    return True


def _coded(tier: Tier, codes: NDArray[np.int8]) -> NDArray[np.int8]:
    rows = np.zeros((len(codes), tier.width), np.int8)
    rows[:, : tier.numbers] = codes[:, tier.begin : tier.end]
    rows[:, tier.numbers : tier.numbers + tier.columns] = 127
    return rows
