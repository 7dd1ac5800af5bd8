"""Compact codes of templates (the vectors of faces), by which a search excludes most of them
without an error.

They are rotated, cut into tiers of int8, with a bound for the rest.

A template x (canonical, exact in float32) is rotated, y = R x, so that the leading numbers hold
most of its energy. A tier holds the numbers [begin, end) of y as int8 codes c with one scale s, z =
s c. `columns` more bytes, each the same number m, bound the part behind the tier: |y[end:]| <= v m.

**The bound.** For a probe q, p = R q. A tier's query is k = round(p[begin:end] / t) and, for the
columns, weights w_1 + .. + w_C >= |p[end:]| v / (s t), all int8. With p and y for a tier's part of
them,

    p.y = t k.z + (p - t k).z + p.(y - z)
         <=  s t (k.c) + |p - t k| |z| + |p| |y - z|          (Cauchy-Schwarz)
    p[end:].y[end:]  <=  |p[end:]| v m  <=  s t (w_1 + .. + w_C) m

so s t times the integer dot product of a row with its query, plus `|p - t k| Z + |p| E`, is no less
than the score from `begin` on, where Z >= |z| and E >= |y - z| for all rows. The few rows that
exceed Z, E, 127 v or the largest norm of the bounds are `loose`: they are listed, and always
computed exactly.

R need not be orthogonal, nor good: q.x = p.(R x) + q.(I - R'R)x, and the second term is at most
|I - R'R| |q| |x| (Frobenius), which is computed from R in float64. y is computed in float32. Each
of its numbers is off by at most g = d u / (1 - d u), u = 2^-24, times |R_j| |x| (Higham, Accuracy
and Stability of Numerical Algorithms, section 3.1), so y is off by sqrt(d) g max|R_j| |x| in all.
That is added to every norm. p is computed in float32, too: what it is off by, times |y| <=
sqrt(1 + |I - R'R|) |x|, is added to the score. The rounding of float64 is below `_FLOAT64`.

`fit` chooses a gallery's coder from the gallery itself: the rotation, and how much of it a first
pass reads. The rotation's rows are the eigenvectors of the templates' second moment, largest
eigenvalue first: no other rotation puts more of the templates' energy into its leading numbers. It
is estimated from a sample of the templates that will be searched. So it needs no other pictures,
fits the model and population that made them, and is stored in the snapshot. Answers never depend on
it: a coder bounds everything that it leaves out. `describe_coder` tells it to kernel.c.
"""

from __future__ import annotations

import ctypes
import math
from functools import cached_property
from statistics import NormalDist

import numpy as np
from msgspec import Struct
from msgspec.structs import replace
from numpy.typing import NDArray

COLUMNS = 4
"""Bytes of a row that bound what is behind a tier: so many weights fit beside a query's."""

_TOP = 127
"""Largest code in int8."""
_FLOAT64 = 1e-9
"""Bound of all float64 rounding errors on numbers of this size, relative to |q| |x|."""


class Tier(Struct, frozen=True):
    """How a part of all rotated templates is coded: the numbers `begin`..`end` of each, as int8
    codes times `scale`.

    `columns` more bytes of a row bound what is behind the part. Norms are upper bounds over all
    rows that are not loose.
    """

    begin: int
    end: int
    columns: int
    scale: float
    unit: float
    """v: the value of one step of a column"""
    code_norm: float
    """Z"""
    error_norm: float
    """E"""

    @property
    def width(self) -> int:
        """Bytes of a row: whole half cache lines, filled up with zeros."""
        return -(-(self.end - self.begin + self.columns) // 32) * 32

    @property
    def numbers(self) -> int:
        """How many numbers of a template it holds."""
        return self.end - self.begin


class Coder(Struct, frozen=True, dict=True):
    """How a gallery's templates, of `dimensions` numbers each, are coded: rotated, then in one tier
    or two.

    `rotation`: (dimensions, dimensions) float32, or None for none. A row is loose if the tiers'
    bounds do not hold for it; then it is computed exactly.
    """

    dimensions: int
    rotation: NDArray[np.float32] | None
    tiers: tuple[Tier, ...]
    largest_norm: float
    """Largest norm of the templates that are not loose."""

    @cached_property
    def skew(self) -> float:
        """|I - R'R|, Frobenius: how far the rotation is from keeping dot products."""
        if self.rotation is None:
            return 0.0
        wide = self.rotation.astype(np.float64)
        return float(np.linalg.norm(np.eye(self.dimensions) - wide.T @ wide)) * (1 + _FLOAT64)

    @cached_property
    def rounding(self) -> float:
        """The largest error of a vector that is rotated in float32, as a share of its length."""
        if self.rotation is None:
            return 0.0
        dimensions = self.dimensions
        growth = dimensions * 2.0**-24 / (1 - dimensions * 2.0**-24)
        longest_row = float(np.linalg.norm(self.rotation.astype(np.float64), axis=1).max())
        return math.sqrt(dimensions) * growth * longest_row * (1 + 1e-6)

    @cached_property
    def off(self) -> float:
        """By how much rotation and rounding change a score at most, for a probe of length 1."""
        return self.largest_norm * (self.skew + (1 + self.skew) * self.rounding + _FLOAT64)


def rotate_rows(coder: Coder, templates: NDArray[np.float16]) -> tuple[NDArray[np.float32], float]:
    """Return the templates rotated, (rows, dimensions) in float32, and a row's largest error as a
    share of its length."""
    rows = templates.astype(np.float32)
    if coder.rotation is None:
        return rows, 0.0
    return rows @ coder.rotation.T, coder.rounding


class CodedRows(Struct, frozen=True):
    """Codes of rows by tier, and the numbers of the rows that the tiers' bounds do not hold for."""

    tiers: tuple[NDArray[np.int8], ...]
    loose: NDArray[np.uint32]


def encode(coder: Coder, templates: NDArray[np.float16]) -> CodedRows:
    """Return the codes of (rows, dimensions) canonical templates, and which rows are loose.

    Templates are rotated, and each tier of the coder codes a part of their numbers in int8. By
    bounds that hold for nearly all rows a search rules rows out. A row is loose if it is longer
    than `coder.largest_norm`, or exceeds a bound of a tier. A search computes its score in any
    case.
    """
    codes = tuple(np.zeros((len(templates), tier.width), dtype=np.int8) for tier in coder.tiers)
    is_loose = np.zeros(len(templates), dtype=bool)
    for begin in range(0, len(templates), _BLOCK):
        block = slice(begin, begin + _BLOCK)
        rotated, error_share = rotate_rows(coder, templates[block])
        lengths = row_norms(templates[block].astype(np.float32))
        errors = lengths * error_share  # what rotation and rounding change a row by at most
        is_loose[block] |= ~(lengths <= coder.largest_norm)  # "not <=" is true of NaN, too
        for tier, codes_of_tier in zip(coder.tiers, codes, strict=True):
            is_loose[block] |= _write_codes(tier, rotated, errors, target=codes_of_tier[block])
    return CodedRows(codes, loose=np.flatnonzero(is_loose).astype(np.uint32))


_BLOCK = 16_384
"""Rows that are coded at a time, so that their floats fit the cache."""


def row_norms(rows: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the rows' lengths, (rows,), rounded up."""
    squares: NDArray[np.float64] = np.einsum("ij,ij->i", rows, rows, dtype=np.float64)
    return np.sqrt(squares) * (1 + _FLOAT64)


def _write_codes(
    tier: Tier, rotated: NDArray[np.float32], errors: NDArray[np.float64], target: NDArray[np.int8]
) -> NDArray[np.bool_]:
    """Write a tier's codes into `target`; return a mask of the rows that exceed its bounds.

    `rotated` is (rows, dimensions), `errors` what rotation and rounding change a row by at most.
    `target` is (rows, tier.width). Behind a row's codes stand its columns, all with one number.
    That is the length of what is behind the tier, in steps of `tier.unit`, rounded up.
    """
    part = rotated[:, tier.begin : tier.end]
    scale = np.float32(tier.scale)
    with np.errstate(over="ignore", invalid="ignore"):
        codes = np.clip(np.rint(part / scale), -_TOP, _TOP)
    target[:, : tier.numbers] = codes
    # How far are the codes from what they stand for?
    rebuilt = target[:, : tier.numbers].astype(np.float32) * scale
    length, error = bound_norms(part, rebuilt)
    exceeds = (length > tier.code_norm) | (error + errors > tier.error_norm)
    if tier.columns:
        lengths_behind = row_norms(rotated[:, tier.end :]) + errors
        # 1e-6 more, so that no rounding of this line makes a bound too low.
        steps = np.ceil(lengths_behind * (1 + 1e-6) / tier.unit)
        exceeds |= ~(steps <= _TOP)  # "not <=" is true of NaN, too
        target[:, tier.numbers : tier.numbers + tier.columns] = np.minimum(steps, _TOP)[:, None]
    return ~np.isfinite(part).all(axis=1) | exceeds


def bound_norms(
    part: NDArray[np.float32], rebuilt: NDArray[np.float32]
) -> tuple[NDArray[np.float64], ...]:
    """Return upper bounds, by row, of the norm of the coded vectors, and of their error.

    `part` has the numbers that were coded, `rebuilt` what the codes stand for. Each is computed in
    float32 with one rounding, of at most 2^-23 of the length, which is added.
    """
    rounding = 2.0**-23
    length = row_norms(rebuilt) * (1 + rounding)
    error = row_norms(part - rebuilt) * (1 + rounding) + length * rounding
    return length, error


_POINTER, _WHOLE, _REAL = ctypes.c_void_p, ctypes.c_int64, ctypes.c_double


class _Tier(ctypes.Structure):
    """A tier as kernel.c has it: the struct `tier` there."""

    _fields_ = (
        ("codes", _POINTER), ("begin", _WHOLE), ("end", _WHOLE), ("columns", _WHOLE),
        ("width", _WHOLE), ("scale", _REAL), ("unit", _REAL), ("code_norm", _REAL),
        ("error_norm", _REAL), ("query", _POINTER), ("total", ctypes.c_int32),
        ("weight", ctypes.c_int32), ("step", _REAL), ("slack", _REAL),
    )  # fmt: skip


class Call(ctypes.Structure):
    """A search as kernel.c has it, in `search`. Its maker keeps the arrays that it points at."""

    _fields_ = (
        ("tiers", _Tier * 2), ("tier_count", _WHOLE), ("dimensions", _WHOLE), ("rows", _WHOLE),
        ("room", _WHOLE), ("off", _REAL), ("templates", _POINTER), ("first_row", _POINTER),
        ("faces", _WHOLE), ("group", _POINTER), ("taken", _POINTER), ("numbers", _POINTER),
        ("probe", _POINTER), ("turned", _POINTER), ("wide", _POINTER), ("cut", _REAL),
        ("best", _POINTER), ("limit", _WHOLE), ("face", _WHOLE), ("score", _REAL), ("held", _WHOLE),
    )  # fmt: skip


def describe_coder(coder: Coder) -> Call:
    """Return a call of the compiled search (kernel.c) with the coder's numbers, without rows."""
    call = Call(tier_count=len(coder.tiers), dimensions=coder.dimensions, off=coder.off, face=-1)
    for call_tier, tier in zip(call.tiers, coder.tiers, strict=False):
        for name in (*tier.__struct_fields__, "width"):  # they have the same names there
            setattr(call_tier, name, getattr(tier, name))
    # A probe's memory: the struct, the probe as float64, and its codes by tier.
    call.room = ctypes.sizeof(call) + 8 * coder.dimensions + sum(tier.width for tier in coder.tiers)
    return call


def find_address(array: NDArray[np.generic]) -> int:
    """Return the array's place in memory."""
    address: int = array.__array_interface__["data"][0]  # array.ctypes takes three times as long
    return address


ROTATED_FROM = 4_096
"""Fewest rows for which a rotation is worth its bytes; fewer are held by one tier, unrotated."""

_SAMPLE = 8_192
"""Templates by which a coder is chosen, at even distances."""
_PROBES, _COMPARED = 32, 2_048
"""Templates of the sample that stand for probes, and those that each is compared with."""
_CODE_ERROR = 0.02
"""About what int8 codes add to a bound of a score."""
_FIRST_BYTES = (64, 96, 128)
"""Sizes of the first tier that are compared, in bytes of a row."""
_PICK_BYTES = 500
"""Cost of reading a row that the first tier left, in bytes that this reads in that time."""
_BEST = 10
"""The first tier is chosen for a search for the ten best faces."""
_NOTHING = 1e-4
"""Share of energy behind the last tier that is not worth a byte."""
_MARGIN = 1.25
"""Factor on the 99.9th percentile that bounds all but a few outliers."""


def fit(templates: NDArray[np.float16]) -> Coder:
    """Return the coder, the way to hold templates in few bytes, that suits these best.

    `templates` is (rows, dimensions). A search reads the codes of rows, and by them rules most out.
    The plain coder codes all numbers of a row as one tier. The other one rotates rows first, so
    that their leading numbers tell faces apart best, and codes them in two tiers. A search reads
    the short first tier of all rows, and the second only of those that are left. That kind is
    chosen from ROTATED_FROM rows on, if a sample shows that less is read so.
    """
    row_count, dimensions = templates.shape
    sample = _sample_rows(templates)
    largest_norm = float(_bound_ordinary(row_norms(sample)))
    plain = Coder(dimensions, rotation=None, tiers=(), largest_norm=largest_norm)
    all_numbers = [(0, dimensions)]  # begin and end of the only tier
    if row_count < ROTATED_FROM:
        return _with_tiers(plain, sample, all_numbers)
    rotating = replace(plain, rotation=_compute_rotation(sample))
    # The share of the rows that a search for the _BEST faces can never rule out.
    share_wanted = _BEST / row_count
    first_end, last_end = _choose_tier_ends(rotating, sample, share_wanted)
    if first_end == dimensions:  # no short first tier would be cheaper
        return _with_tiers(plain, sample, all_numbers)
    return _with_tiers(rotating, sample, [(0, first_end), (first_end, last_end)])


def _sample_rows(templates: NDArray[np.float16]) -> NDArray[np.float32]:
    """Take rows at even distances, so that the same gallery always gets the same coder."""
    step = max(1, len(templates) // _SAMPLE)
    sample = templates[::step].astype(np.float32)
    return sample[np.isfinite(sample).all(axis=1)]


def _bound_ordinary(values: NDArray[np.float64]) -> float:
    """Return a bound for all ordinary values that a few outliers do not raise much."""
    if not len(values):
        return 1.0
    above_all = float(values.max()) * 1.08
    above_most = float(np.quantile(values, 0.999)) * _MARGIN
    return min(above_all, above_most) + 1e-9


def _compute_rotation(sample: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the rotation that puts most of the templates' energy into their leading numbers.

    Its rows are the eigenvectors of their second moment, largest eigenvalue first.
    """
    wide = sample.astype(np.float64)
    _, vectors = np.linalg.eigh(wide.T @ wide)
    return np.ascontiguousarray(vectors[:, ::-1].T.astype(np.float32))


def _choose_tier_ends(coder: Coder, sample: NDArray[np.float32], share: float) -> tuple[int, int]:
    """Return how many of a rotated template's numbers the first tier has, and all tiers together.

    The last tier ends where hardly any energy (sum of squares) is left. The first is so long that a
    search reads the fewest bytes. It reads that tier of each row, and _PICK_BYTES of each row that
    it cannot rule out. These are tried with pairs of the sample: their bound reaches the score that
    the best `share` of all reach. One tier of all numbers may be cheaper.
    """
    rotated, _ = rotate_rows(coder, sample.astype(np.float16))
    energy = np.cumsum((rotated.astype(np.float64) ** 2).mean(axis=0))
    last_end = min(int(np.searchsorted(energy, energy[-1] * (1 - _NOTHING))) + 1, coder.dimensions)
    # The score that `share` of all pairs reach, as if scores were normally distributed.
    probes = rotated[:: max(1, len(rotated) // _PROBES)][:_PROBES]
    rows = rotated[1 :: max(1, len(rotated) // _COMPARED)]
    scores = probes @ rows.T
    least_score = float(scores.mean() + NormalDist().inv_cdf(1 - share) * scores.std())
    # What a search reads a row, by the first tier's end.
    bytes_by_end = {coder.dimensions: float(coder.dimensions)}  # one tier of all
    for size in _FIRST_BYTES:
        end = size - COLUMNS
        if end < last_end:
            # What is behind the tier adds at most the product of its lengths (Cauchy-Schwarz).
            most_behind = np.outer(
                np.linalg.norm(probes[:, end:], axis=1), np.linalg.norm(rows[:, end:], axis=1)
            )
            bounds = probes[:, :end] @ rows[:, :end].T + most_behind + _CODE_ERROR
            share_left = float((bounds >= least_score).mean())
            bytes_by_end[end] = size + share_left * _PICK_BYTES
    first_end = min(bytes_by_end, key=lambda end: bytes_by_end[end])
    # Few numbers behind the last cost less than the columns that would bound them.
    is_rest_small = coder.dimensions - last_end < COLUMNS
    return first_end, coder.dimensions if is_rest_small else last_end


def _with_tiers(coder: Coder, sample: NDArray[np.float32], spans: list[tuple[int, int]]) -> Coder:
    """Return the coder with a tier for each (begin, end) of numbers that is not empty.

    A tier is that part of all rotated templates, coded in int8. Its scale and bounds are measured
    on the sample.
    """
    rotated, error_share = rotate_rows(coder, sample.astype(np.float16))
    tiers = [_measure_tier(rotated, error_share, begin, end) for begin, end in spans if begin < end]
    return replace(coder, tiers=tuple(tiers))


def _measure_tier(rotated: NDArray[np.float32], error_share: float, begin: int, end: int) -> Tier:
    """Return a tier of the numbers `begin` to `end`, with scale and bounds measured on a sample.

    `rotated` is the sample, (rows, dimensions). `error_share` is what rotation and rounding change
    a row by at most, as a share of its length. Bounds let a few outliers exceed them, which are
    loose.
    """
    part, dimensions = rotated[:, begin:end], rotated.shape[1]
    # The scale: a row's largest number gets the largest code, but for a few outliers.
    peaks = np.abs(part).max(axis=1, initial=0.0).astype(np.float64)
    scale = float(np.float32(max(_bound_ordinary(peaks) / _TOP, 1e-30)))
    # The bounds: how long is what the codes stand for, how far off, and how much lies behind?
    rebuilt = np.clip(np.rint(part / np.float32(scale)), -_TOP, _TOP) * np.float32(scale)
    length, error = bound_norms(part, rebuilt.astype(np.float32))
    errors_of_rows = row_norms(rotated) * error_share
    rest = _bound_ordinary(row_norms(rotated[:, end:]) + errors_of_rows)
    return Tier(
        begin=begin,
        end=end,
        columns=COLUMNS if end < dimensions else 0,
        scale=scale,
        unit=max(rest / _TOP, 1e-30),
        code_norm=_bound_ordinary(length),
        error_norm=_bound_ordinary(error + errors_of_rows),
    )
