"""From scores to answers: how high a score must be in a gallery of this size.

Terms and the relation FPIR = 1 - (1 - FMR)^N are those of ISO/IEC 19795-1; N is the number of enrolled faces searched.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

DEFAULT_FPIR = 0.003
"""Share of searches by strangers that may return somebody."""

SMALLEST_GALLERY = 1_000
"""A gallery counts as at least this many faces when it is decided who somebody is.

The curve is measured on random pairs of persons. The people of one place are more alike than that: within one group of
sex, age and origin, false match rates are one to two orders higher (NISTIR 8280, 2019), and in a small gallery a few
such people are all there is. A thousand is one and a half orders above a shop's first thirty faces.
"""

DUPLICATE_FPIR = 0.001
"""For "already enrolled": stricter, since merging two persons loses one of them."""

MIN_QUALITY = 20.0
"""Of 100: a face below is too poor to be compared. It tells of its blur more than of its person: two such faces score
up to 0.97, so it is identified as nobody, and enrolled only where every face of a picture is."""

SAME_PICTURE = 0.99
"""Score from which on even a face below MIN_QUALITY is one that is enrolled: practically the same picture again."""


def is_match(score: float, threshold: float, *qualities: float | None) -> bool:
    """Whether a score means one person: with a picture below MIN_QUALITY on either side, only the same picture does."""
    return score >= threshold and (score >= SAME_PICTURE or all(map(comparable, qualities)))


def comparable(quality: float | None) -> bool:
    """Whether a face of this quality tells its person from others; what nobody measured is taken for good."""
    return quality is None or quality >= MIN_QUALITY


@dataclass(frozen=True)
class ImpostorCurve:
    """False match rate against score, measured on pairs of different persons, with an exponential tail.

    `points`: (score, FMR), scores rising and rates falling. Above `tail_above` the fitted tail is
    FMR(t) = tail_fmr * exp(-tail_rate * (t - tail_above)).
    """

    points: tuple[tuple[float, float], ...]
    tail_above: float
    tail_fmr: float
    tail_rate: float

    def __post_init__(self) -> None:
        scores = [score for score, _ in self.points]
        rates = [rate for _, rate in self.points]
        if len(self.points) < 2 or scores != sorted(set(scores)) or rates != sorted(set(rates), reverse=True):
            raise ValueError("an impostor curve needs two or more points, with rising scores and falling rates")
        if not (rates[-1] > 0 and rates[0] < 1 and 0 < self.tail_fmr < 1 and self.tail_rate > 0):
            raise ValueError("the rates of an impostor curve lie between 0 and 1, and its tail falls")

    @classmethod
    def from_calibration(cls, curve: Mapping[str, Any]) -> ImpostorCurve:
        """Read one model's entry of a pack's calibration.json."""
        points = tuple(sorted((float(p["threshold"]), float(p["fmr"])) for p in curve["points"]))
        tail = curve["tail"]
        return cls(points, float(tail["above"]), float(tail["fmr_at"]), float(tail["rate"]))

    def threshold_at(self, fmr: float) -> float:
        """The lowest score whose false match rate is at most `fmr`, 0 < fmr < 1.

        Between measured points: linear in log FMR. The outermost points rest on few pairs, so where the fitted tail
        asks for a higher score than they do, the tail counts. Above the highest measured rate, its score is kept: a
        score that one pair of strangers in ten reaches is never called a match.
        """
        if not 0 < fmr < 1:
            raise ValueError(f"a false match rate lies between 0 and 1, not {fmr}")
        measured = self._interpolated(fmr)
        if fmr > self.tail_fmr:
            return measured
        return max(measured, self.tail_above + math.log(self.tail_fmr / fmr) / self.tail_rate)

    def fmr_at(self, score: float) -> float:
        """The false match rate at a score: the inverse of `threshold_at`, by bisection, never below 1e-300."""
        low, high = -690.0, math.log(self.points[0][1])
        if score <= self.threshold_at(math.exp(high)):
            return math.exp(high)
        for _ in range(80):
            middle = (low + high) / 2
            if self.threshold_at(math.exp(middle)) > score:
                low = middle
            else:
                high = middle
        return math.exp(high)

    def identify_threshold(self, gallery_size: int, fpir_target: float = DEFAULT_FPIR) -> float:
        """The score that a candidate must reach in a gallery of `gallery_size` faces so that FPIR <= `fpir_target`.

        fmr = 1 - (1 - fpir)^(1/N); a bigger gallery needs a higher score. An empty gallery counts as one face.
        """
        if not 0 < fpir_target < 1:
            raise ValueError(f"an FPIR target lies between 0 and 1, not {fpir_target}")
        if gallery_size < 0:
            raise ValueError(f"a gallery has no or more faces, not {gallery_size}")
        return self.threshold_at(-math.expm1(math.log1p(-fpir_target) / max(gallery_size, 1)))

    def operating_threshold(self, gallery_size: int, fpir_target: float = DEFAULT_FPIR) -> float:
        """The score that decides: `identify_threshold` of the gallery, counted as at least SMALLEST_GALLERY faces."""
        return self.identify_threshold(max(gallery_size, SMALLEST_GALLERY), fpir_target)

    def _interpolated(self, fmr: float) -> float:
        rates = [-rate for _, rate in self.points]
        right = bisect_left(rates, -fmr)
        if right == 0:
            return self.points[0][0]
        if right == len(self.points):
            return self.points[-1][0]
        (low, low_fmr), (high, high_fmr) = self.points[right - 1], self.points[right]
        share = math.log(low_fmr / fmr) / math.log(low_fmr / high_fmr)
        return low + share * (high - low)


@dataclass(frozen=True)
class OperatingPoint:
    """What decides whether a score is a match, before it is known how many faces are compared."""

    curve: ImpostorCurve
    fpir_target: float = DEFAULT_FPIR

    def threshold(self, gallery_size: int) -> float:
        return self.curve.operating_threshold(gallery_size, self.fpir_target)
