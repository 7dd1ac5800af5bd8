"""Cohorts: the scores of other faces that tell how much a face looks like anybody.

**Symmetric score normalisation** (Kenny 2010, "S-norm"; by the best of the cohort: Sturim and Reynolds 2005; in
retrieval, Conneau et al. 2018, "CSLS"). Some faces look like anybody: poor pictures, and those of people of whom the
gallery holds many alike. Their scores with strangers are high throughout, and make up most of the false matches at a
fixed threshold, be it they who are searched for or they who are enrolled. So the threshold of a pair is raised or
lowered by its `offset`: by how much the mean of the probe's cohort, the next COHORT scores of other faces, and that of
the candidate's, the COHORT best scores of its template with other faces, differ from what the impostor curve expects in
a gallery of this size. Scores stay what they are.
"""

from __future__ import annotations

from collections.abc import Sequence

COHORT = 20
"""So many of a face's next scores, with other faces, tell how much it looks like anybody."""

COHORT_LOOKED_AT = 2 * COHORT
"""Nearest faces besides the best among which the cohort is found; who may be the same person does not belong to it."""

SMALLEST_COHORT_GALLERY = 200
"""In a smaller gallery the twenty are more than a tenth of all, which says nothing of the tail that strangers are taken
for somebody from; and the curves begin at one in ten."""

COHORT_GALLERY = 2_048
"""Cohorts of a larger gallery are found among a sample of half of this to this: as good, and as quick as in this."""

SHARE = 0.6
"""How much of each side's difference counts. All of both would count the mean of twenty scores for more than it tells,
and people who are all alike twice."""

LARGEST_RELIEF = 0.05
LARGEST_DEMAND = 0.1
"""How far cohorts lower a threshold, or raise it. Where nobody is like the probe, two rare people alike are a match
too soon: so little relief. A demand beyond the other limit would turn down what no stranger ever scored."""


def sample_level(gallery_size: int) -> int:
    """How often a gallery is halved until it is a sample of at most COHORT_GALLERY faces, as expected."""
    return (gallery_size // COHORT_GALLERY).bit_length()


def chosen(nearest: Sequence[float], limit: float) -> tuple[float, ...]:
    """The first COHORT of the falling scores `nearest` that lie below `limit`; none where there are fewer."""
    cohort = tuple([score for score in nearest if score < limit][:COHORT])
    return cohort if len(cohort) == COHORT else ()


def difference(cohort: Sequence[float], expected: float) -> float:
    """By how much a cohort's mean exceeds what is expected of it; 0 where there is none."""
    return sum(cohort) / len(cohort) - expected if cohort else 0.0


def offset(of_probe: float, of_candidate: float) -> float:
    """By how much the threshold of a pair is raised, by how much the two cohorts exceed what is expected."""
    return min(max(SHARE * (of_probe + of_candidate), -LARGEST_RELIEF), LARGEST_DEMAND)
