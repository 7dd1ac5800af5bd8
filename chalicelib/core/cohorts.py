"""Cohorts: a face's best scores with other faces, which show how much it looks like anybody.

**Symmetric score normalisation** (Kenny 2010, "S-norm"; by the best of the cohort: Sturim and Reynolds 2005; in
retrieval, Conneau et al. 2018, "CSLS"). Some faces look like anybody: those in poor pictures, and those of people who
resemble many others in the gallery. Their scores with strangers are high throughout. They cause most of the false
matches at a fixed threshold, both as probes and as enrolled faces.

So the threshold of a pair is raised or lowered by its `offset`. The probe's cohort is its next COHORT scores with other
faces; the candidate's is the COHORT best scores of its template with other faces. The offset is a share of the sum of
two differences: each cohort's mean less the mean that the impostor curve expects in a gallery of this size. Scores do
not change.
"""

from __future__ import annotations

from collections.abc import Sequence

COHORT = 20
"""Number of scores in a cohort."""

COHORT_LOOKED_AT = 2 * COHORT
"""Nearest faces besides the best, among which the cohort is found; it has none that may be the same person."""

SMALLEST_COHORT_GALLERY = 200
"""Faces from which on a gallery has cohorts. In a smaller one, the twenty are more than a tenth of all: their scores
say nothing of the curve's tail, which causes false matches. Also, the curves begin at one in ten."""

COHORT_GALLERY = 2_048
"""Cohorts of a larger gallery are found in a sample of half to all of this many faces, which is as good and quicker."""

SHARE = 0.6
"""How much of each side's difference counts. All of it would trust the mean of twenty scores too much, and would count
people who all look alike twice."""

LARGEST_RELIEF = 0.05
LARGEST_DEMAND = 0.1
"""How far cohorts lower a threshold, and how far they raise it. The relief is small, since otherwise two rare people
who look alike would match too soon. A larger demand would turn down scores that no stranger ever reached."""


def sample_level(gallery_size: int) -> int:
    """Return how often a gallery is halved until it is a sample of about COHORT_GALLERY faces at most."""
    return (gallery_size // COHORT_GALLERY).bit_length()


def chosen(nearest: Sequence[float], limit: float) -> tuple[float, ...]:
    """Return the first COHORT of the falling scores `nearest` that lie below `limit`; () if there are fewer."""
    cohort = tuple([score for score in nearest if score < limit][:COHORT])
    return cohort if len(cohort) == COHORT else ()


def difference(cohort: Sequence[float], expected: float) -> float:
    """Return by how much a cohort's mean exceeds the `expected` one; 0 if the cohort is empty."""
    return sum(cohort) / len(cohort) - expected if cohort else 0.0


def offset(of_probe: float, of_candidate: float) -> float:
    """Return by how much a pair's threshold is raised, from the `difference` of each cohort."""
    return min(max(SHARE * (of_probe + of_candidate), -LARGEST_RELIEF), LARGEST_DEMAND)
