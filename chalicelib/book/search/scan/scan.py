"""The rows of a gallery that are most like a probe, exactly: int8 codes rule out most rows, and the
rest is computed in float64.

A row is a stored template, the numbers that stand for a face. A probe is the template that is
searched for, and their score the dot product. The answer equals a float64 brute force in ids, order
and scores. A row is skipped only if an upper bound of its score, proven in `coder`, lies below the
score that it would have to reach. `kernel.c` does it without the interpreter's lock; `python -m
chalicelib.book.search.scan.build_kernel` compiles it once.
"""

from __future__ import annotations

import ctypes
import logging
import math
import platform
from collections.abc import Callable, Sequence
from functools import cache, cached_property
from pathlib import Path
from struct import Struct, unpack_from

import msgspec
import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from chalicelib.book.search.scan.coder import (
    COLUMNS,
    Call,
    CodedRows,
    Coder,
    Tier,
    describe_coder,
    find_address,
    row_norms,
)
from chalicelib.domain.errors import InvalidInput


class Rows(msgspec.Struct, frozen=True, dict=True):
    """The rows that a search looks at: canonical templates (rows, dimensions), one or more of each
    face, and their codes.

    Face n has the rows first_row[n]..first_row[n + 1]. Codes are templates in int8, which rule out
    most rows.
    """

    templates: NDArray[np.float16]
    coder: Coder
    codes: CodedRows
    first_row: NDArray[np.uint32]
    """(faces + 1,) number of each face's first row; the last is the number of all rows"""
    group: NDArray[np.int32]
    """(faces,) group number, -1: the face is gone"""
    is_group_searched: NDArray[np.bool_]
    """by group number: whether it is searched"""
    numbers: NDArray[np.int32] | None = None
    """the rows to look at, ascending, if they are few: those of a small group; None: all"""

    def find_searched_faces(self, numbers: NDArray[np.integer]) -> NDArray[np.int64]:
        """Return the number of the face of each of these rows; -1 if that face is not searched."""
        if self.has_one_row_each:
            faces = numbers.astype(np.int64)
        else:
            faces = np.searchsorted(self.first_row, numbers, side="right").astype(np.int64) - 1
        groups = self.group[faces]
        is_searched = (groups >= 0) & self.is_group_searched[groups]
        return np.where(is_searched, faces, -1)

    @property
    def has_one_row_each(self) -> bool:
        """Whether every face has a single row, so that a row's number is its face's."""
        return len(self.first_row) == len(self.templates) + 1

    @cached_property
    def kernel_call(self) -> Call:
        """The addresses and counts of these rows, as the compiled search (kernel.c) takes them.

        It is computed once, and all searches of the rows share it; the kernel copies it before it
        writes. A field that is not set is a null pointer, and stands for the plain case.
        """
        call = describe_coder(self.coder)
        for tier, codes in zip(call.tiers, self.codes.tiers, strict=False):
            tier.codes = find_address(codes)
        call.rows, call.faces = len(self.templates), len(self.first_row) - 1
        call.templates = find_address(self.templates)
        call.group = find_address(self.group)
        call.taken = find_address(self.is_group_searched)
        # Without `first_row` a row's number is its face's; without `numbers` all rows are searched.
        if not self.has_one_row_each:
            call.first_row = find_address(self.first_row)
        if self.numbers is not None:
            call.numbers, call.rows = find_address(self.numbers), len(self.numbers)
        return call


class BestFaces:
    """The `limit` faces with the highest scores so far, and all that tie with the last one.

    Faces are numbers; the caller knows their names. Only scores of at least `least_score` are kept.
    The best face is first, and of those that tie the one with the lowest number.
    """

    __slots__ = ("cut", "faces", "limit", "scores")

    def __init__(self, limit: int, least_score: float = -math.inf) -> None:
        self.limit = limit
        self.cut = least_score
        """Rows of a lower score cannot change the answer; those of this score may, by faceid."""
        self.faces: Sequence[int] = ()
        self.scores: Sequence[float] = ()

    def add_ranked(self, faces: Sequence[int], scores: Sequence[float]) -> None:
        """Add faces that are ranked already, the best first, each once, `limit` at most."""
        if self.faces:
            self.add(np.array(faces, np.int64), np.array(scores))
            return
        self.faces, self.scores = faces, scores
        if len(faces) == self.limit:
            self.cut = max(self.cut, scores[-1])

    def add(self, faces: NDArray[np.int64], scores: NDArray[np.float64]) -> None:
        """Add faces with their scores, (n,) each, in any order; a face keeps its best score.

        Scores below `cut` change nothing. When `limit` faces are there, `cut` is the last one's
        score.
        """
        is_good = scores >= self.cut  # it may change the answer
        if not is_good.any():
            return
        faces = np.concatenate((np.array(self.faces, np.int64), faces[is_good]))
        scores = np.concatenate((self.scores, scores[is_good]))
        best_first = np.lexsort((faces, -scores))
        # Of a face that is there twice, the first place is that of its best score.
        _, first_places = np.unique(faces[best_first], return_index=True)
        kept = best_first[np.sort(first_places)]
        # If they are enough, the last one's score is the new cut, and all that tie with it stay.
        if len(kept) >= self.limit:
            self.cut = max(self.cut, float(scores[kept[self.limit - 1]]))
            kept = kept[scores[kept] >= self.cut]
        self.faces, self.scores = faces[kept].tolist(), scores[kept].tolist()

    def rank(self, name_of: Callable[[int], str]) -> None:
        """Drop all but `limit` faces; those that tie are then in the order of their names."""
        ranked = sorted(
            zip(self.scores, self.faces, strict=True),
            key=lambda score_and_face: (-score_and_face[0], name_of(score_and_face[1])),
        )[: self.limit]
        self.scores = [score for score, _ in ranked]
        self.faces = [face for _, face in ranked]


ProbesAndBest = Sequence[tuple[NDArray[np.float32], BestFaces]]
"""Probes, each with the best faces so far, to which a scan adds."""


def compute_exact_scores(
    templates: NDArray[np.floating], probe: NDArray[np.float32]
) -> NDArray[np.float64]:
    """Return the score of each template with the probe, (rows,), a float64 dot product.

    They are summed row by row, so that equal rows have equal scores wherever they stand.
    """
    products = templates.astype(np.float64) * probe.astype(np.float64)
    scores: NDArray[np.float64] = products.sum(axis=1)
    return scores


VERSION = 5
"""Version of the calls of the compiled kernel: another one is not loaded."""

_COUNT_AT, _PAIRS_AT = Call.held.offset, ctypes.sizeof(Call)
"""Offsets in a probe's memory: of the number of faces found, in the copy of Call, and of the first
face, behind it."""
_COUNT, _WANTED = Struct("q"), Struct("dq")
_POINTER = ctypes.c_void_p

_log = logging.getLogger(__name__)


def library_path(machine: str | None = None) -> Path:
    """Return the path of the compiled kernel for a processor (as `platform.machine()` names it)."""
    return Path(__file__).with_name(f"kernel-{machine or platform.machine()}.so")


@cache
def load_kernel() -> Kernel | None:
    """Return this machine's compiled search; None, with a line in the log, if there is none.

    There is none to use, either, if it is of another version of this program or gives wrong
    answers.
    """
    path = library_path()
    if not path.is_file():
        return None
    try:
        compiled = Kernel(path)
    except (OSError, AttributeError) as error:
        _log.warning("%s cannot be loaded, so searches are slow: %s", path, error)
        return None
    if not _is_exact(compiled):
        _log.error("%s gives wrong answers, so searches are slow: compile it again", path)
        return None
    return compiled


class Kernel:
    """The search that is compiled from kernel.c.

    Raises OSError or AttributeError if the library does not fit.
    """

    def __init__(self, path: Path) -> None:
        library = ctypes.CDLL(str(path))
        if library.regulars_kernel_version() != VERSION:
            raise OSError(f"it is of another version than {VERSION}: compile it again")
        self._search = library.regulars_search
        self._search.restype = None
        self._search.argtypes = [_POINTER, ctypes.c_int64, *[ctypes.c_char_p] * 3, _POINTER]

    def search(self, rows: Rows, probes: ProbesAndBest) -> None:
        """Add to each probe's best faces those that the compiled search finds among the rows.

        A probe is a template that is searched for, a row one that is stored. Rows are ruled out by
        bounds on their codes. A row for which these do not hold (`loose`) is left to the caller.
        """
        memory, probe_bytes = self._run_search(rows.kernel_call, rows.coder, probes)
        for number, (_, best) in enumerate(probes):
            begin = number * probe_bytes  # of this probe's memory
            (face_count,) = _COUNT.unpack_from(memory, begin + _COUNT_AT)
            # score, face, score, face, ...
            pairs = unpack_from("dq" * face_count, memory, begin + _PAIRS_AT)
            best.add_ranked(faces=pairs[1::2], scores=pairs[::2])

    def _run_search(self, call: Call, coder: Coder, probes: ProbesAndBest) -> tuple[bytearray, int]:
        """Search; return the memory that the kernel filled, and how many bytes a probe has of it.

        The kernel takes all probes end to end, as they are and rotated as the rows' codes are. A
        probe's part of the memory is a copy of the call, what it computes with, and pairs of score
        and face.
        """
        vectors = [np.asarray(probe, np.float32) for probe, _ in probes]
        plain = rotated = b"".join([vector.tobytes() for vector in vectors])
        if coder.rotation is not None:
            rotated = b"".join([coder.rotation.dot(vector).tobytes() for vector in vectors])
        # Which score each probe's faces have to reach, and how many are wanted.
        wants = b"".join([_WANTED.pack(best.cut, best.limit) for _, best in probes])
        most_wanted = max([best.limit for _, best in probes])
        probe_bytes = call.room + 16 * most_wanted  # 16: a score and a face's number
        memory = bytearray(probe_bytes * len(vectors))
        pointer = ctypes.byref(ctypes.c_char.from_buffer(memory))
        self._search(ctypes.byref(call), len(vectors), plain, rotated, wants, pointer)
        return memory, probe_bytes


def _is_exact(compiled: Kernel) -> bool:
    """Tell whether a compiled kernel finds the best of some made-up faces, with exact scores.

    It is tried with one tier (part of a row's codes) and a row a face, and with two of each.
    """
    one_each = _make_rows_to_try(dimensions=256, first_end=256, rows_of_face=1)
    two_each = _make_rows_to_try(dimensions=137, first_end=60, rows_of_face=2)
    return all(_finds_three_best(compiled, rows) for rows in (one_each, two_each))


def _finds_three_best(compiled: Kernel, rows: Rows) -> bool:
    probe = rows.templates[-1].astype(np.float32)
    best = BestFaces(limit=3)
    compiled.search(rows, [(probe, best)])
    scores_by_face = compute_exact_scores(rows.templates, probe).reshape(len(rows.group), -1)
    three_best = np.sort(scores_by_face.max(axis=1))[:-4:-1].tolist()
    return bool(list(best.scores) == three_best)


def _make_rows_to_try(dimensions: int, first_end: int, rows_of_face: int) -> Rows:
    """Return ten made-up rows, in one tier, or in two if the first ends before `dimensions`.

    Their numbers are codes from -127 to 127, divided by 1024, so that codes stand for them exactly:
    the error's bound is 0. No row is longer than 127 / 1024 * sqrt(256) = 1.98, below the bound 2.
    The second tier's length is at most 127 steps of the unit, 0.02.
    """
    # As good as random. numpy.random would add 10 ms to a cold start, and fitting a coder as many.
    mixed = np.arange(10 * dimensions) * 2_654_435_761 >> 9
    codes = (mixed % 255 - 127).astype(np.int8).reshape(10, dimensions)
    tier = Tier(0, dimensions, 0, scale=1 / 1024, unit=0.02, code_norm=2.0, error_norm=0.0)
    tiers = [tier]  # of all numbers
    if first_end < dimensions:
        tiers = [replace(tier, end=first_end, columns=COLUMNS), replace(tier, begin=first_end)]
    codes_by_tier = tuple(_code_rows(tier, codes) for tier in tiers)
    return Rows(
        templates=(codes / 1024).astype(np.float16),
        coder=Coder(dimensions, rotation=None, tiers=tuple(tiers), largest_norm=2.0),
        codes=CodedRows(codes_by_tier, loose=np.empty(0, np.uint32)),
        first_row=np.arange(0, 11, rows_of_face, dtype=np.uint32),
        group=np.zeros(10 // rows_of_face, np.int32),
        is_group_searched=np.ones(1, dtype=bool),
    )


def _code_rows(tier: Tier, codes: NDArray[np.int8]) -> NDArray[np.int8]:
    """Return these codes as a tier keeps them: its part, then columns that rule nothing out."""
    rows = np.zeros((len(codes), tier.width), np.int8)
    rows[:, : tier.numbers] = codes[:, tier.begin : tier.end]
    rows[:, tier.numbers : tier.numbers + tier.columns] = 127
    return rows


MAX_LIMIT = 4_097
"""Most candidates of a search: as many as a dialect answers, and the face itself."""

_TILE_ROWS = 8_192
"""Rows of a step: few enough to stay in the processor's second cache for several probes."""
_UNIT_ROUNDOFF = 2.0**-24
"""Largest relative error of one float32 operation."""


def require_probes(probes: NDArray[np.float32], limit: int) -> None:
    """Raise InvalidInput unless probes are (n, dimensions), finite, `limit` 1..MAX_LIMIT."""
    if probes.ndim != 2:
        raise InvalidInput(f"probes are an array (n, dimensions), not of {probes.ndim} axes")
    if not np.isfinite(probes).all():
        raise InvalidInput("a probe holds a NaN or an infinity: embed the picture again")
    if not 1 <= limit <= MAX_LIMIT:
        raise InvalidInput(f"a search returns 1 to {MAX_LIMIT} candidates, not {limit}")


def scan(rows: Rows, probes: ProbesAndBest) -> None:
    """Add to each probe's best faces those among the rows, by the compiled search if there is one.

    That leaves out loose rows, for which the bounds of its codes do not hold. Their scores are
    computed here.
    """
    compiled = load_kernel()
    if compiled is None:
        scan_without_kernel(rows, probes)
        return
    compiled.search(rows, probes)
    loose = rows.codes.loose  # rows that the codes' bounds do not hold for
    if not len(loose):
        return
    if rows.numbers is not None:
        loose = np.intersect1d(loose, rows.numbers)
    faces = rows.find_searched_faces(loose)
    is_searched = faces >= 0
    templates = rows.templates[loose[is_searched]]
    for probe, best in probes:
        best.add(faces[is_searched], compute_exact_scores(templates, probe))


def scan_without_kernel(rows: Rows, probes: ProbesAndBest) -> None:
    """Add to each probe's best faces those among the rows, as `scan` does, but without codes.

    That is slow. It is for a machine for which kernel.c was not compiled.
    """
    row_numbers = np.arange(len(rows.templates)) if rows.numbers is None else rows.numbers
    for begin in range(0, len(row_numbers), _TILE_ROWS):
        tile = row_numbers[begin : begin + _TILE_ROWS]
        templates, faces = rows.templates[tile].astype(np.float32), rows.find_searched_faces(tile)
        largest_norm = float(row_norms(templates).max())
        for probe, best in probes:
            scan_plain(templates, largest_norm, faces, probe, best)


def scan_plain(
    templates: NDArray[np.float32],
    largest_norm: float,
    faces: NDArray[np.int64],
    probe: NDArray[np.float32],
    best: BestFaces,
) -> None:
    """Add to a probe's best faces those of these rows, without codes, as for rows added lately.

    Scores are computed in float32, which rounds. So each gets a bound, the most that the exact
    score may be. Exact scores (float64) follow from the highest bound down, some rows at a time. It
    ends when no bound reaches the last of the best. A float32 dot product of n terms is off by at
    most n u / (1 - n u) * |x| |y| (Higham, section 3.1). `faces` is (rows,), -1 if not searched. No
    row is longer than `largest_norm`.
    """
    if not len(faces):
        return
    # An upper bound of each score. 2 more terms and 1.01, since the norms are rounded, too.
    with np.errstate(over="ignore", invalid="ignore"):
        bounds = (templates @ probe).astype(np.float64)
    n_u = (len(probe) + 2) * _UNIT_ROUNDOFF
    probe_norm = float(np.linalg.norm(probe.astype(np.float64)))
    bounds += n_u / (1 - n_u) * probe_norm * largest_norm * 1.01
    bounds[~np.isfinite(bounds)] = math.inf  # the exact score decides
    bounds[faces < 0] = -math.inf  # not searched
    while True:
        candidates = np.flatnonzero((bounds >= best.cut) & (bounds > -math.inf))
        if not len(candidates):
            return
        # So many that mostly the first round has all of the best.
        at_once = min(len(candidates), 32 + 2 * best.limit)
        highest = candidates[np.argpartition(-bounds[candidates], at_once - 1)[:at_once]]
        best.add(faces[highest], compute_exact_scores(templates[highest], probe))
        bounds[highest] = -math.inf  # done
