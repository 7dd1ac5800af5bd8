"""The match decision: the score (cosine of two templates) from which on two faces are one person,
given the size of the searched gallery.

Terms and the relation FPIR = 1 - (1 - FMR)^N are those of ISO/IEC 19795-1; N is the number of
enrolled faces searched.

A similarity of 0..100 says the same on one scale for all sizes and models: 80 is the score that
decides a match; above it, each step is an expected number of strangers who score as high.

**Score normalisation by a fixed cohort** ("S-norm": Kenny 2010, by the best of the cohort: Sturim
and Reynolds 2005). An embedding puts the people of some kinds close together: small children, old
people, people of a region that its training set had few of. Their scores with strangers of the same
kind are high throughout, and one threshold for all would take them for each other. A population of
nobody tells how much a face looks like anybody. By it each pair has a demand: by how much its score
must be above the usual threshold, since many people resemble the two. It is more than 0 for two
small children, and less for two who look like nobody else. It has two parts:

- Scores are taken relative to the middle of the population (centring).
- To that comes, of both faces, the mean of their NEAREST best scores with the population, less the
  usual one.

So who resembles nobody has a lower threshold, and who resembles many a higher one. The population's
rows are means of templates of several people each, so they tell of nobody. docs/decisions/0060 has
how they were chosen.

**The bound.** A search leaves out what cannot match, so it has to know the least demand that a
probe p can have with any template x. With c(x) = (x - middle) / |x - middle|, and e(x) a face's
part, the demand is

    p.x - c(p).c(x) + e(p) + e(x)  =  (p - c(p)).x + c(p).(x - c(x)) + e(p) + e(x)

Of unit rows, the first two terms are no less than -|p - c(p)| - |x - c(x)|. The middle's length is
m, so x is turned by arcsin m at most, and |x - c(x)| <= sqrt(2 - 2 sqrt(1 - m^2)). The population's
rows less their middle add up to nothing, so do the scores of c(x) with them, and the mean of the
best ones is not negative: e(x) >= -usual.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from functools import cached_property, lru_cache
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.domain.model import MASK, Candidate, Decision

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

NEAREST = 10
"""Rows by which a face is judged."""

Points = tuple[tuple[float, float], ...]
NO_ADDITION: Points = ((0.0, 0.0),)


class MaskRule(Struct, frozen=True, eq=False):
    """Rule that detects whether a face wears a mask, and the effect of a mask on a pair's
    threshold.

    `weights`: (dimensions + 1,) float32: a factor for each number of a template, and a constant.
    They add up to a "mask value", near 0 for a bare face and near 1 for one in a mask. `least`: the
    value from which on a face wears a mask. `bare`, `masked`: the values up to which a template
    surely is of bare faces alone, and from which on of masked ones alone; between them is the mean
    of a person's pictures with and without a mask. docs/lab/accuracy.md has the measurements.

    `one`, `both`: curves of what is added to the threshold of a masked and a bare face, and of two
    masked ones. They are points (score less its demand, addition), with rising scores. For example,
    0.479 of a masked and a bare face is as rare as 0.517 of two bare ones: the addition is -0.038.
    It depends on the score. Strangers in masks score lower by 0.06 where 1 pair in 10,000 scores as
    high, and no lower where 1 in 100 million does.
    """

    weights: NDArray[np.float32]
    least: float
    bare: float
    masked: float
    one: Points
    both: Points

    def find_masked(self, faces: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Return for each unit template (n, dimensions) whether its face wears a mask."""
        import numpy as np

        return np.asarray(self._compute_mask_values(faces) >= self.least)

    @property
    def least_addition(self) -> float:
        return min(0.0, *(addition for points in (self.one, self.both) for _, addition in points))

    def compute_additions(
        self,
        faces: NDArray[np.float32],
        others: NDArray[np.float32],
        demands: NDArray[np.float64],
    ) -> NDArray[np.float64]:
        """Return what masks add to a pair's threshold, mostly less than 0.

        Strangers in masks score lower than bare ones, so a lower score says as much. `faces` and
        `others` have a unit template in each row, n and m of them; all else is of pairs, (n, m).
        `demands` has what each pair's threshold gets already, since many people resemble the two.

        Two bare faces get 0. A masked and a bare one get what the curve `one` says, -0.038 at 0.479
        for example. Two masked ones get what `both` says. If the less masked template is the mean
        of pictures with and without a mask, the addition lies between the two curves. Say they are
        at -0.04 and -0.06, and half of the pictures have a mask: then it is -0.05.
        """
        import numpy as np

        # The curves are of usual pairs, which have no demand. A pair that scores 0.50 and has a
        # demand of 0.02 is as alike as a usual one that scores 0.48.
        usual_scores = faces @ others.T - demands
        if_one_masked = np.interp(usual_scores, *np.transpose(self.one))
        if_both_masked = np.interp(usual_scores, *np.transpose(self.both))

        values = self._compute_mask_values(faces)[:, None]
        other_values = self._compute_mask_values(others)[None]
        more_masked = np.maximum(values, other_values)
        less_masked = np.minimum(values, other_values)
        # How far the less masked of the two is masked: from 0 (bare) to 1.
        share = np.interp(less_masked, (self.bare, self.masked), (0.0, 1.0))
        additions = if_one_masked + share * (if_both_masked - if_one_masked)
        return np.where(more_masked >= self.least, additions, 0.0)

    def _compute_mask_values(self, faces: NDArray[np.float32]) -> NDArray[np.float32]:
        import numpy as np

        return np.asarray(faces @ self.weights[:-1] + self.weights[-1])


class Population(Struct, frozen=True, eq=False, dict=True):
    """A fixed cohort of templates that are of no real person: by it, each pair of faces has a
    demand.

    The demand is what is added to the pair's threshold: more if many people resemble the two.

    `rows`: (n, dimensions) float32, n >= NEAREST, or none: then no pair has a demand. `usual`: how
    near faces of the most usual kind are to their NEAREST rows. `mask_rule`: None if the models
    cannot tell a mask.
    """

    rows: NDArray[np.float32]
    usual: float
    mask_rule: MaskRule | None = None

    def compute_demands(
        self, faces: NDArray[np.float32], others: NDArray[np.float32]
    ) -> NDArray[np.float64]:
        """Return the demand of each face with each of the others, (n, m).

        A demand is added to a pair's threshold. With 0.45 and a demand of 0.03, the two need a
        score of 0.48. It is higher if many people resemble the two, and mostly lower if one wears a
        mask. `faces` and `others` have a unit template in each row, n and m of them.
        """
        demands = self._compute_demands_of_likeness(faces, others)
        if self.mask_rule is None:
            return demands
        return demands + self.mask_rule.compute_additions(faces, others, demands)

    def _compute_demands_of_likeness(
        self, faces: NDArray[np.float32], others: NDArray[np.float32]
    ) -> NDArray[np.float64]:
        """Return the demand of each pair, (n, m), by how many people resemble the two.

        Masks do not count yet. Both arrays have a unit template in each row. A demand has two
        parts. One is by how much the pair's score falls if both are taken relative to the middle of
        the population (centred). The other is by how much each of the two is nearer than usual to
        the population's nearest rows.
        """
        import numpy as np

        if not len(self.rows):
            return np.zeros((len(faces), len(others)))
        centred, centred_others = self._centre_rows(faces), self._centre_rows(others)
        scores = faces.astype(np.float64) @ others.astype(np.float64).T
        by_centring = scores - centred @ centred_others.T  # (n, m)
        excess, others_excess = self._measure_excess(centred), self._measure_excess(centred_others)
        return by_centring + excess[:, None] + others_excess

    def compute_demand(self, one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
        """Return the demand of two unit templates: the addition to their threshold."""
        return float(self.compute_demands(one[None], other[None])[0, 0])

    def bound_demands(self, faces: NDArray[np.float32]) -> list[float]:
        """Return for each face the least that its demand can be, whatever the other face is.

        A demand is added to a pair's threshold. So a search may leave out all faces that score
        below threshold plus bound. `faces` are unit templates, (n, dimensions). The module's
        docstring derives the bound.
        """
        import numpy as np

        least_addition = 0.0 if self.mask_rule is None else self.mask_rule.least_addition
        if not len(self.rows):  # then only masks lower a threshold
            return [least_addition] * len(faces)
        centred, middle = self._centre_rows(faces), self._middle_and_rows[0]
        # How far centring moves the face itself, and any other one at most.
        moved = np.linalg.norm(faces - centred, axis=1)
        most_moved = math.sqrt(2 - 2 * math.sqrt(1 - min(float(middle @ middle), 1.0)))
        bounds = (
            self._measure_excess(centred)
            - self.usual
            - moved
            - most_moved
            - _ROUNDING
            + least_addition
        )
        return [float(bound) for bound in bounds]

    def find_condition(self, face: NDArray[np.float32]) -> str | None:
        """Return the condition of a face, by its unit template, that counts in its demands."""
        is_masked = self.mask_rule is not None and self.mask_rule.find_masked(face[None])[0]
        return MASK if is_masked else None

    def measure_nearness(self, faces: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return for each unit template (n, dimensions) the mean of its NEAREST best scores with
        the population."""
        return self._mean_best_scores(self._centre_rows(faces))

    def _measure_excess(self, centred: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return each face's own part of its demands: how much nearer than usual it is to the
        population."""
        return self._mean_best_scores(centred) - self.usual

    def _mean_best_scores(self, centred: NDArray[np.float64]) -> NDArray[np.float64]:
        import numpy as np

        scores = centred @ self._middle_and_rows[1].T
        return np.asarray(np.partition(scores, -NEAREST, axis=1)[:, -NEAREST:].mean(axis=1))

    def _centre_rows(self, faces: NDArray[np.float32]) -> NDArray[np.float64]:
        import numpy as np

        centred = faces - self._middle_and_rows[0]
        return np.asarray(
            centred
            / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), np.finfo(np.float32).tiny)
        )

    @cached_property
    def _middle_and_rows(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The population's middle, and its rows relative to that."""
        import numpy as np

        rows = self.rows.astype(np.float64)
        middle = rows.mean(axis=0)
        return middle, rows - middle


_ROUNDING = 0.002
"""By how much a demand changes at most because templates are stored as float16, so that their
length is not 1."""

DEFAULT_FPIR = 0.003
"""Share of searches by strangers that may return somebody."""

SMALLEST_GALLERY = 1_000
"""A gallery counts as at least this many faces when a match is decided.

The curve is measured on random pairs of persons. The people of one place are more alike than that:
within one group of sex, age and origin, false match rates are one to two orders higher (NISTIR
8280, 2019), and a small gallery may consist of such people only. A thousand is one and a half
orders above a shop's first thirty faces.
"""

DUPLICATE_FPIR = 0.001
"""For "already enrolled": stricter, since merging two persons loses one of them."""

JOIN_FPIR = DUPLICATE_FPIR
"""For two faces that the service joins by itself: as strict as for "already enrolled", and for the
same reason."""

SUGGEST_FPIR = 0.05
"""For two faces that somebody is asked about: of such searches by strangers, one in twenty finds
somebody."""

JOIN_PICTURES = 2
"""Pictures that one of two strangers must have to be joined. One photo each is what failed to match
before. More photos show that it should have matched: one photo misses a person four times as often
as three do."""

NEWCOMER_FPIR, NEWCOMER_GALLERY = 0.01, 200
"""FPIR and least gallery for a sighting of nobody in the book. Before such a sighting makes a
stranger, it is compared with the people who withdrew. Of 270 sightings of real people with one
photo, 9 are missed. By the threshold of a search, 19 would be missed. Of 220 strangers nobody is
lost (docs/decisions/0102)."""

ANCHOR_GALLERY = 200
"""A face learns only from what looks like its given pictures, too, by the threshold of a gallery of
so many faces. Without it a face might drift to somebody else, from one learnt picture to the next.
Lower thresholds taught nothing more on Labeled Faces in the Wild, and higher ones too little."""

MIN_QUALITY = 20.0
"""Of 100: a face below this is too poor to be remembered. Its template shows the blur more than the
person, and two such faces may score high by that alone. So it becomes no stranger, teaches nothing,
is compared with no face as poor, and is enrolled only if every face of a picture is as poor."""

FAR = 1 / 32
"""Part of a picture's longer side: a face that is smaller is a passer-by beside a larger one."""

MIN_SIDE_PX = 32
"""Shorter side of the smallest face box that is enrolled by itself: the template of a smaller one
says little."""

RELIABLE_PAIRS = 30
"""Pairs of different persons on which a measured point rests that counts by itself: three standard
errors of so many are half of the rate, and the tail may be further off than that."""

SAME_PICTURE = 0.99
"""Score from which on even a face below MIN_QUALITY matches: it is practically the same picture
again."""

FACES_IN_A_MINUTE = 100
FACES_IN_A_TRACK = 10
"""For a sighting beside one that is surely somebody's, in the same minute or on the same track: it
is compared with the few faces that were surely seen there, so the threshold is that of a gallery of
so many. Fewer than so many stand before one camera; the rest allows for people of one family, who
are more alike than the pairs that were measured."""


MATCH = 80.0
"""The similarity, 0..100, that decides a match: all dialects' clients know 80 as that."""

_JUST_NO_MATCH = 79.9999
"""The highest similarity that is none, to four digits."""

_ALIKE = 0.1
"""The false match rate below which two faces begin to look alike."""

_STEPS = ((1.0, MATCH), (1 / 3, 90.0), (1 / 10, 95.0), (1 / 100, 99.0))
"""Parts of the FPIR target, and the similarity at which so many strangers are expected."""


def is_match(score: float, threshold: float, *qualities: float | None) -> bool:
    """Return whether a score means one person: it reaches the threshold, and not by blur alone.

    `qualities` are those of the pictures, 0..100; None: not measured. Two poor faces may be alike
    by their blur. So if all are below MIN_QUALITY, only the same picture (SAME_PICTURE) matches.
    One poor picture beside a good one scores lower with everybody, so the threshold is enough for
    it (docs/accuracy.md).
    """
    is_reached = score >= threshold
    if score >= SAME_PICTURE or not qualities:
        return is_reached
    return is_reached and any(map(is_comparable, qualities))


LEAST_ALIKE = 0.5
"""Part of the score that a match needs, below which two faces are not alike: nobody is offered as
somebody else whom one sees to be another person. Strangers score near 0."""


SAME_PASSAGE = 0.40
"""Least score with a passage's best picture of a view that counts, and of a face that the mean
finds: a track may go on with somebody else (docs/decisions/0107)."""

MOST_LIFT = 0.10
"""Views are looked at only if the picture's score misses what it needs by this much at most: the
mean hardly ever lifts one by more, and few strangers come as near (docs/decisions/0107)."""


def is_alike(score: float, threshold: float) -> bool:
    """Return whether a face is like another one enough to be offered to people as the same
    person."""
    return score >= LEAST_ALIKE * threshold


def subtract_demand(score: float, demand: float) -> float:
    """Return a score less its pair's demand (an addition to the threshold): 0.48 - 0.03 = 0.45.

    So it can be held against the usual threshold. The score of the same picture is never lowered.
    """
    return score - (min(demand, 0.0) if score >= SAME_PICTURE else demand)


def is_comparable(quality: float | None) -> bool:
    """Return whether a face of this quality can be compared; one that was not measured (None)
    can."""
    return quality is None or quality >= MIN_QUALITY


def is_one_person(
    decision: Decision, fewer: int, more: int, *, is_enrolled: bool, has_lead: bool
) -> bool:
    """Return whether two faces are so surely one person that the service joins them by itself.

    `decision` is on the score of their means, by the strict threshold of JOIN_FPIR. `fewer` and
    `more` are the numbers of their pictures. `is_enrolled`: somebody enrolled one of them by a good
    photo. `has_lead`: nobody else is nearly as like either (`OperatingPoint.has_lead`).

    If the threshold is reached, they are if one is enrolled or has two pictures. If one has a
    single picture and the other more, a lead is enough. Two strangers of one picture each are never
    joined.
    """
    is_reached = decision.score is not None and decision.score >= decision.threshold
    if is_reached and (is_enrolled or more >= JOIN_PICTURES):
        return True
    is_single_with_several = fewer < JOIN_PICTURES <= more
    return has_lead and is_single_with_several


class ImpostorCurve(Struct, frozen=True):
    """The false match rate (FMR) by score: how often two strangers score so high, measured on pairs
    of different persons.

    The scores are less their pair's demand. `points`: (score, FMR), scores rising and rates
    falling. Above `tail_above` the fitted tail is exponential: FMR(t) =
    tail_fmr * exp(-tail_rate * (t - tail_above)).
    """

    points: tuple[tuple[float, float], ...]
    tail_above: float
    tail_fmr: float
    tail_rate: float

    def __post_init__(self) -> None:
        """Raise ValueError unless the points are a curve that falls, with rates between 0 and 1."""
        scores = [score for score, _ in self.points]
        rates = [rate for _, rate in self.points]
        rising_scores, falling_rates = sorted(set(scores)), sorted(set(rates), reverse=True)
        if len(self.points) < 2 or scores != rising_scores or rates != falling_rates:
            raise ValueError(
                "an impostor curve needs two or more points, with rising scores and falling rates"
            )
        highest, lowest = rates[0], rates[-1]
        if not (lowest > 0 and highest < 1 and 0 < self.tail_fmr < 1 and self.tail_rate > 0):
            raise ValueError(
                "the rates of an impostor curve lie between 0 and 1, and its tail falls"
            )

    @classmethod
    def from_calibration(cls, curve: Mapping[str, Any]) -> ImpostorCurve:
        """Return the curve of one model. `curve`: its entry in a model pack's calibration.json.

        The entry has measured points and a fitted tail, for rates too rare to measure. The tail
        begins at the last point that rests on RELIABLE_PAIRS (30) pairs. If the entry does not say
        how many pairs were measured, it begins at the score that the entry names.
        """
        points = tuple(sorted((float(p["threshold"]), float(p["fmr"])) for p in curve["points"]))
        tail = curve["tail"]
        pairs = float(curve.get("pairs", curve.get("impostor_pairs", 0)))
        # A point rests on the pairs that scored as high: with 1,000,000 pairs and 1e-4, on 100.
        reliable_points = [(score, fmr) for score, fmr in points if fmr * pairs >= RELIABLE_PAIRS]
        named_begin = (float(tail["above"]), float(tail["fmr_at"]))
        tail_above, tail_fmr = min(reliable_points, key=itemgetter(1), default=named_begin)
        return cls(points, tail_above, tail_fmr, tail_rate=float(tail["rate"]))

    def threshold_at(self, fmr: float) -> float:
        """Return the lowest score that at most a share of `fmr` of all pairs of strangers reaches.

        Between two measured points the score is linear in log FMR. The points of the rarest scores
        rest on few pairs, so there the fitted tail counts if it asks for a higher score. A rate
        above all measured ones (0.1) gives the score of the highest one. So what one pair of
        strangers in ten reaches is never called a match.

        Raises ValueError unless 0 < fmr < 1.
        """
        if not 0 < fmr < 1:
            raise ValueError(f"a false match rate lies between 0 and 1, not {fmr}")
        measured = self._interpolate_threshold(fmr)
        if fmr > self.tail_fmr:  # not in the tail
            return measured
        of_tail = self.tail_above + math.log(self.tail_fmr / fmr) / self.tail_rate
        return max(measured, of_tail)

    def fmr_at(self, score: float) -> float:
        """Return the false match rate at a score: the share of pairs of strangers that reach it.

        This inverts the search for a rate's threshold: the lowest rate whose threshold is at most
        the score is returned.
        """
        of_tail = self.tail_fmr * math.exp(min(-self.tail_rate * (score - self.tail_above), 0.0))
        (first, first_fmr), (last, _) = self.points[0], self.points[-1]
        if score <= first:
            return first_fmr
        if score >= last:
            return max(of_tail, 1e-300)  # never 0: its logarithm is taken
        # Between two measured points the logarithm of the rate is linear.
        right = bisect_right(self.points, score, key=itemgetter(0))
        (low, low_fmr), (high, high_fmr) = self.points[right - 1], self.points[right]
        measured = low_fmr * math.exp((score - low) / (high - low) * math.log(high_fmr / low_fmr))
        # In the tail the higher rate counts: of the measured points and of the fit.
        return measured if measured > self.tail_fmr else max(measured, of_tail)

    def identify_threshold(self, gallery_size: int, fpir_target: float = DEFAULT_FPIR) -> float:
        """Return the threshold of a match among this many searched faces.

        A stranger's search then finds somebody with a chance of `fpir_target` at most. So each of N
        faces may match with a chance of 1 - (1 - fpir_target)^(1/N). With 0.003 and 1,000 faces
        that is 0.000003. The more faces, the higher is the score. An empty gallery counts as one
        face. Raises ValueError for a negative size, or a target outside of 0 to 1.
        """
        if not 0 < fpir_target < 1:
            raise ValueError(f"an FPIR target lies between 0 and 1, not {fpir_target}")
        if gallery_size < 0:
            raise ValueError(f"a gallery has no or more faces, not {gallery_size}")
        fmr = -math.expm1(math.log1p(-fpir_target) / max(gallery_size, 1))
        return self.threshold_at(fmr)

    def operating_threshold(self, gallery_size: int, fpir_target: float = DEFAULT_FPIR) -> float:
        """Return the score that decides: `identify_threshold` of a gallery of at least
        SMALLEST_GALLERY faces."""
        return self.identify_threshold(max(gallery_size, SMALLEST_GALLERY), fpir_target)

    def _interpolate_threshold(self, fmr: float) -> float:
        """Return the score at which the measured rate is `fmr`, between the two points around it.

        Beyond all points it is the score of the outermost one.
        """
        negated_rates = [-rate for _, rate in self.points]  # rising, for bisect
        right = bisect_left(negated_rates, -fmr)
        if right == 0:
            return self.points[0][0]
        if right == len(self.points):
            return self.points[-1][0]
        (low, low_fmr), (high, high_fmr) = self.points[right - 1], self.points[right]
        share = math.log(low_fmr / fmr) / math.log(low_fmr / high_fmr)
        return low + share * (high - low)


def anchor_threshold(curve: ImpostorCurve) -> float:
    """Return the score with a face's given pictures from which on the face may learn a picture."""
    return curve.identify_threshold(ANCHOR_GALLERY)


class StrangerThresholds(NamedTuple):
    """The thresholds for the mean of the scores, less their demands, of all pictures of a stranger
    with a person who withdrew.

    `kept_back`: from there on nobody makes more of the stranger. `forgotten`: from there on it is
    erased with its visits.
    """

    kept_back: float
    forgotten: float


class OperatingPoint(Struct, frozen=True):
    """The rule for a match in galleries of any size: a threshold for the size, to which a pair's
    demand is added."""

    curve: ImpostorCurve
    fpir_target: float = DEFAULT_FPIR

    def find_threshold(self, gallery_size: int, demand: float = 0.0) -> float:
        """Return the score that a candidate must reach; `usual 0.45, demand 0.03`: 0.48.

        `demand`: the addition for this probe and candidate, since many people resemble the two. It
        raises no threshold above SAME_PICTURE, so that a picture always matches itself.
        """
        usual = self.curve.operating_threshold(gallery_size, self.fpir_target)
        return min(usual + demand, max(usual, SAME_PICTURE))

    def find_newcomer_threshold(self, gallery_size: int) -> float:
        """Return the threshold, for a score less its demand, at which a newcomer matches one of
        this many people who withdrew."""
        fpir = max(self.fpir_target, NEWCOMER_FPIR)
        return self.curve.identify_threshold(max(gallery_size, NEWCOMER_GALLERY), fpir)

    def find_stranger_thresholds(self, pictures: int, gallery_size: int) -> StrangerThresholds:
        """Return the thresholds at which a stranger is matched to a person who withdrew consent.

        `pictures` is how many the stranger has, and `gallery_size` how many people withdrew. A
        stranger who is kept back stays in the book, but becomes no more. One who is forgotten loses
        its visits for ever, so that needs at least the likeness for which a newcomer is turned
        away. With a single picture both need at least that of a match.
        """
        if pictures > 1:
            kept_back = self.curve.identify_threshold(gallery_size, JOIN_FPIR)
        else:
            kept_back = self.find_threshold(gallery_size)
        forgotten = max(kept_back, self.find_newcomer_threshold(gallery_size))
        return StrangerThresholds(kept_back, forgotten)

    def threshold_of_leader(self, gallery_size: int, next_best: float) -> float:
        """Return the score that makes two faces one person, by how like other people are to them.

        `next_best` is the best score of either with any third face, less the demand of its pair. If
        it is higher than usual by 0.10, the two need 0.05 more, and the other way round. So the
        score and its lead over the next best weigh the same.
        """
        # Each of the two was compared with the gallery. The usual next best is the median of the
        # best score that strangers reach in so many comparisons, twice the gallery.
        usual_next_best = self.curve.threshold_at(math.log(2) / (2 * max(gallery_size, 1)))
        return self.find_threshold(gallery_size) + (next_best - usual_next_best) / 2

    def has_lead(self, score: float, third: Sequence[float], gallery_size: int) -> bool:
        """Return whether two faces are one person, since no third face is nearly as like either.

        `score` is that of the two, and `third` are those of either with other faces. Each is less
        the demand of its pair. Without third faces there is nothing to be ahead of: False.
        """
        if not third:
            return False
        next_best = max(third)
        return score > next_best and score >= self.threshold_of_leader(gallery_size, next_best)

    def judge_candidate(
        self,
        best: Candidate | None,
        gallery_size: int,
        demand: float = 0.0,
        condition: str | None = None,
    ) -> Verdict:
        """Return whether a probe (a searched face) is this candidate, with score and threshold.

        `best` is the candidate; None: the search found nobody near enough. `gallery_size` is how
        many faces were searched. `demand` is by how much more alike these two must be than usual,
        since many people resemble them. `condition` (MASK if the probe wears one) is only noted.

        Example: the score is 0.47, the usual threshold 0.45, and the demand 0.03. No match, since
        0.48 is needed. The score is as rare as 0.44 between usual strangers.
        """
        threshold = self.find_threshold(gallery_size, demand)
        fpir = None if self.fpir_target == DEFAULT_FPIR else self.fpir_target  # noted if unusual
        nobody = Decision(None, threshold, gallery_size, fpir=fpir, condition=condition)
        if best is None:
            return Verdict(None, match=False, decision=nobody)
        # The curve is of scores less the demand. 1 - (1 - FMR)^N: the chance that a stranger finds
        # anybody with such a score.
        fmr = self.curve.fmr_at(best.score - demand)
        chance = -math.expm1(max(gallery_size, 1) * math.log1p(-fmr))
        score = min(best.score, 1.0)
        decision = replace(nobody, score=score, false_match_probability=chance)
        return Verdict(best, match=best.score >= threshold, decision=decision, demand=demand)


class Verdict(Struct, frozen=True):
    """The judgement of one probe and one candidate by their score.

    Two poor faces match by `is_match` alone.

    `candidate`: None if no face was near enough; else its score is the decision's, which is at most
    1: a rounded template may be a little longer than 1.
    """

    candidate: Candidate | None
    match: bool
    decision: Decision
    demand: float = 0.0
    """The addition to the threshold for these two faces: more if they resemble many people, less if
    nobody."""

    @property
    def shortfall(self) -> float:
        """The difference by which the score misses the threshold; infinite if no candidate was near
        enough."""
        score = self.decision.score
        return math.inf if score is None else self.decision.threshold - score


def judge_in_visit(
    curve: ImpostorCurve,
    candidate: Candidate,
    demand: float,
    *,
    same_track: bool,
    beside_sighting: str,
    gallery_size: int,
    condition: str | None = None,
) -> Verdict:
    """Return whether a probe matches a candidate whom the same camera surely saw just before or
    after.

    Only the few faces seen then are in question, so the threshold is that of so small a gallery.
    `demand` is added to it, since many people resemble the two. `same_track` tells whether both are
    of one track, a face's way through the camera's pictures. Else they are of one minute, in which
    more faces may be seen.

    The rest is only noted in the decision. `beside_sighting` is the sighting that was surely the
    candidate. `gallery_size` is that of the search before. `condition` is MASK if the probe wears
    one.
    """
    face_count = FACES_IN_A_TRACK if same_track else FACES_IN_A_MINUTE
    threshold = curve.identify_threshold(face_count) + demand
    # The curve is of scores less the demand. The chance that a stranger finds any of so many faces.
    chance = -math.expm1(face_count * math.log1p(-curve.fmr_at(candidate.score - demand)))
    decision = Decision(
        score=min(candidate.score, 1.0),
        threshold=threshold,
        gallery_size=gallery_size,
        false_match_probability=chance,
        by=beside_sighting,
        condition=condition,
    )
    return Verdict(candidate, match=candidate.score >= threshold, decision=decision)


def rate_similarity(
    score: float, curve: ImpostorCurve, faces: int, fpir_target: float = DEFAULT_FPIR
) -> float:
    """Return how alike two faces are, 0..100 with four decimals: 80 or more is a match.

    `score` is less its pair's demand. `faces` is how many the probe was compared with. Fewer than
    SMALLEST_GALLERY (1,000) count as 1,000, as in decisions. `fpir_target` is the share of
    strangers' searches that may match somebody. Between the points of its scale the similarity is
    linear.
    """
    points = _list_scale_points(curve, max(faces, SMALLEST_GALLERY), fpir_target)
    right = bisect_right(points, (score, math.inf))
    if right == 0:
        return 0.0
    if right == len(points):
        return 100.0
    (low, low_level), (high, high_level) = points[right - 1], points[right]
    gained = (high_level - low_level) * (score - low) / (high - low)
    return round(low_level + gained, 4)


def fit_similarity(similar: float, *, match: bool) -> float:
    """Return a similarity of 80 (MATCH) or more if the decision is match, else one below.

    The decision knows more than the score: quality, and pictures that people rejected.
    """
    return max(similar, MATCH) if match else min(similar, _JUST_NO_MATCH)


PAIR_FMR = 1e-4
"""Share of pairs of strangers that may be called one person if two faces are compared by
`rate_closeness`."""

_TOO_POOR = 0.3
"""Less than the lowest threshold that a client ships, 0.4."""
_CLOSE, _JUST_NOT_CLOSE = 0.5, 0.49999


def rate_closeness(
    score: float,
    curve: ImpostorCurve,
    gallery_size: int = 1,
    fpir_target: float = PAIR_FMR,
    *,
    match: bool | None = None,
    is_fit: bool = True,
) -> float:
    """Return how close two faces are, 0..1 with five decimals: from 0.5 on they match.

    It falls as the chance rises that a stranger's search in `gallery_size` faces finds one with
    such a score. At a chance of `fpir_target` it is 0.5.

    `match` is the decision on the two, which overrules the score; None: the score decides. `is_fit`
    is False if a picture is too poor to be compared, or a person rejected the pair. The closeness
    is then below every client's threshold (_TOO_POOR). docs/decisions/0085 has the reasons.
    """
    # One less the chance that none of the gallery's faces matches: (1 - FMR)^gallery_size.
    chance = -math.expm1(gallery_size * math.log1p(-curve.fmr_at(score)))
    ratio = chance / fpir_target  # up to 1 it is a match
    closeness = 1 / (1 + ratio**2) if ratio <= 1 else 1 / (1 + math.sqrt(ratio))
    rounded = math.floor(closeness * 1e5 + 0.5) / 1e5
    if match is None:
        match = ratio <= 1
    # Neither rounding nor the score moves it across 0.5, against the decision.
    bounded = max(rounded, _CLOSE) if match else min(rounded, _JUST_NOT_CLOSE)
    return bounded if is_fit else min(bounded, _TOO_POOR)


@lru_cache(maxsize=256)
def _list_scale_points(
    curve: ImpostorCurve, faces: int, fpir_target: float
) -> Sequence[tuple[float, float]]:
    """Return the points of the scale of similarity: (score, similarity), both rising.

    80 stands at the score that a share `fpir_target` of strangers' searches in so many faces
    reaches. 90 stands at that of a third of this share (_STEPS). 50 stands at the score that one
    face on average reaches in such a search. A point is left out if its score is 1 or more, or no
    higher than the one before.
    """
    points = [(curve.threshold_at(_ALIKE), 10.0), (curve.threshold_at(1 / faces), 50.0)]
    for part, level in _STEPS:
        points.append((curve.identify_threshold(faces, fpir_target * part), level))
    rising = [(0.0, 0.0)]
    for score, level in points:
        last_score, _ = rising[-1]
        if last_score < score < 1:
            rising.append((score, level))
    return (*rising, (1.0, 100.0))


class SearchRequest(NamedTuple):
    """Probes, and the faces to search for each of them.

    `probes`: (n, dimensions) float32 unit rows of `model`. `group_ids`: only faces of these groups
    (None: all). `limit`: the most candidates for a probe, 1..4,097.
    """

    model: str
    probes: NDArray[np.float32]
    group_ids: Sequence[str] | None = None
    limit: int = 1
    operating_point: OperatingPoint | None = None
    """If given, only faces that reach its threshold are found, which is much less work if nobody
    does."""
    least_demands: Sequence[float] = ()
    """By probe, the least that is added to that threshold for any face
    (`Population.bound_demands`). So nobody is left out who matches. Without them, 0."""
    templates: bool = False
    """Whether the answer has the candidates' templates, by which their scores are judged
    (`judge_candidates`)."""
    seq: int | None = None
    """The gallery's seq, if the caller has just read it, and knows that it is searched with the
    model."""


_FEW, _JUDGED_FOR_FEW, _MOST_JUDGED = 64, 1_024, 4_096


def count_judged(max_entries: int) -> int:
    """Return how many of the nearest by score a list of the `max_entries` best is chosen from.

    A pair's demand is subtracted from its score, so a face may come before others whose score is
    higher. Lists of 1 to 64 are all chosen from the same 1,024 faces: so a shorter list is the
    beginning of a longer one. Demands differ less than the scores of the first 64 and of what comes
    behind the 1,024th.
    """
    return _JUDGED_FOR_FEW if max_entries <= _FEW else _MOST_JUDGED


class SearchAnswer(NamedTuple):
    """The answer of a search: the gallery's seq, the number of faces compared, each probe's
    candidates, best first."""

    seq: int
    gallery_size: int
    candidates: tuple[tuple[Candidate, ...], ...]
    templates: tuple[tuple[bytes, ...], ...] = ()
    """If they were asked for, the template of each candidate, or the mean if it has several."""


def judge_candidates(
    answer: SearchAnswer,
    operating_point: OperatingPoint,
    population: Population,
    probes: NDArray[np.float32],
) -> list[list[Verdict]]:
    """Return for each probe (a searched face) a verdict on each candidate, in the search's order.

    A verdict says whether the two are one person. A probe without candidates gets one on nobody.
    `answer` is that of the search, with the candidates' templates. By these `population` gives each
    pair a demand, which is added to its threshold. It is higher if many people look like the two,
    and may be negative.
    """
    from chalicelib.domain.rules.templates import vectors_of

    verdicts_of_probes: list[list[Verdict]] = []
    for probe, found_candidates, templates in zip(
        probes, answer.candidates, answer.templates, strict=True
    ):
        candidates: Sequence[Candidate | None] = found_candidates or (None,)
        demands = [0.0]
        if templates:
            demands = population.compute_demands(probe[None], vectors_of(templates))[0].tolist()
        condition = population.find_condition(probe)
        verdicts = [
            operating_point.judge_candidate(candidate, answer.gallery_size, demand, condition)
            for candidate, demand in zip(candidates, demands, strict=True)
        ]
        verdicts_of_probes.append(verdicts)
    return verdicts_of_probes


class FaceSearch(Protocol):
    """An exact 1:N search over a tenant's gallery, which sees every write that was committed before
    the call."""

    def search(self, tenant: str, request: SearchRequest) -> SearchAnswer:
        """Find the best faces for each probe.

        A score is the dot product with the face's best canonical template, computed in float64;
        ties are ordered by faceid. Raises InvalidInput for a wrong shape, NaN or limit.
        """
