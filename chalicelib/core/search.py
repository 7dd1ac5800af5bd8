"""Requests and answers of searches, what the answers mean, and the ports to search and to build galleries.

`FaceSearch` has an in-process adapter and one that invokes a Lambda function.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

from chalicelib.core.model import Candidate
from chalicelib.core.shards import WHOLE, Shard

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from chalicelib.core.decision import OperatingPoint, Verdict


class SearchRequest(NamedTuple):
    """Probes, and the faces to search for each of them.

    `probes`: (n, dimensions) float32 unit rows of `model`. `group_ids`: only faces of these groups (None: all).
    `limit`: the most candidates for a probe, 1..4,097.
    """

    model: str
    probes: NDArray[np.float32]
    group_ids: Sequence[str] | None = None
    limit: int = 1
    operating_point: OperatingPoint | None = None
    """If given, only faces that reach its floor are found, which is much less work if nobody does. The answer then has
    cohorts among the same faces, for `core.decision.verdicts`."""
    shard: Shard = WHOLE
    """Only this part of the gallery is searched; the answer of a part has templates in place of cohorts."""
    sample_of: int | None = None
    """If given, only the sample is searched in which the cohorts of a gallery of so many faces are found."""


class SearchAnswer(NamedTuple):
    """The answer of a search: the gallery's seq, the number of faces compared, each probe's candidates, best first."""

    seq: int
    gallery_size: int
    candidates: tuple[tuple[Candidate, ...], ...]
    cohorts: tuple[tuple[float, ...], ...] = ()
    """With an `operating_point`: each probe's scores with other faces, by which its candidates are judged."""
    candidate_cohorts: tuple[tuple[tuple[float, ...], ...], ...] = ()
    """With an `operating_point`: the scores of each candidate's template with other faces; empty if they decide
    nothing."""
    templates: tuple[tuple[bytes, ...], ...] = ()
    """Of a shard with an `operating_point`: each candidate's template, so that its cohort can be found in the other
    shards."""


def verdicts(answer: SearchAnswer, decides: OperatingPoint, qualities: Sequence[float | None]) -> list[list[Verdict]]:
    """Judge every probe by the answer of a search with `operating_point=decides` and by the probes' qualities.

    Each probe gets a verdict for every candidate, the best first, or one verdict if it has no candidate. If the best
    matches whatever the cohorts are, no cohorts were searched for. The other candidates, which count if the best is
    turned down, are then judged by their plain scores.
    """
    nobody_looked: tuple[tuple[float, ...], ...] = ()
    return [
        [
            decides.verdict(one, cohort, answer.gallery_size, quality, of_candidate)
            for one, of_candidate in zip(found or (None,), theirs or ((),) * max(len(found), 1), strict=True)
        ]
        for found, cohort, theirs, quality in zip(
            answer.candidates,
            answer.cohorts,
            answer.candidate_cohorts or (nobody_looked,) * len(answer.candidates),
            qualities,
            strict=True,
        )
    ]


class FaceSearch(Protocol):
    """An exact 1:N search over a tenant's gallery, which sees every write that was committed before the call."""

    def search(self, tenant: str, request: SearchRequest) -> SearchAnswer:
        """Find the best faces for each probe.

        A score is the dot product with the face's best canonical template, computed in float64; ties are ordered by
        faceid. Raises InvalidInput for a wrong shape, NaN or limit.
        """


class PastGallery(Protocol):
    """A tenant's gallery as it was at one seq."""

    def search(self, request: SearchRequest) -> SearchAnswer:
        """Search it as FaceSearch does."""


class IndexBuilder(Protocol):
    def build(self, tenant: str) -> bool:
        """Write a snapshot of the tenant's gallery if the journal's tail is worth it. Returns whether it wrote one."""

    def purge(self, tenant: str, seq: int) -> None:
        """Leave no snapshot of before this change of the gallery, and nothing in the journal up to it. Raises Busy."""
