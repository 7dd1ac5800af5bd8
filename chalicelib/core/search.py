"""Requests and answers of searches, what the answers mean, and the ports to search and to build galleries.

`FaceSearch` has an in-process adapter and one that invokes a Lambda function.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

from chalicelib.core.model import Candidate

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from chalicelib.core.decision import OperatingPoint, Verdict
    from chalicelib.core.population import Population


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
    """If given, only faces that reach its threshold are found, which is much less work if nobody does."""
    templates: bool = False
    """Whether the answer has the candidates' templates, by which their scores are judged (`verdicts`)."""


class SearchAnswer(NamedTuple):
    """The answer of a search: the gallery's seq, the number of faces compared, each probe's candidates, best first."""

    seq: int
    gallery_size: int
    candidates: tuple[tuple[Candidate, ...], ...]
    templates: tuple[tuple[bytes, ...], ...] = ()
    """If they were asked for, the template of each candidate, or the mean if it has several."""


def demands(answer: SearchAnswer, probes: NDArray[np.float32], population: Population) -> list[list[float]]:
    """Return the demand of each probe with each of its candidates. The answer is that of a search with `templates`."""
    from chalicelib.core.templates import rows

    return [
        population.demands(probe[None], rows(theirs))[0].tolist() if theirs else []
        for probe, theirs in zip(probes, answer.templates, strict=True)
    ]


def verdicts(
    answer: SearchAnswer,
    decides: OperatingPoint,
    population: Population,
    probes: NDArray[np.float32],
) -> list[list[Verdict]]:
    """Judge every probe by the answer of a search with `templates`.

    Each probe gets a verdict for every candidate, the best first, or one verdict if it has no candidate.
    """
    return [
        [
            decides.verdict(one, answer.gallery_size, demand)
            for one, demand in zip(found or (None,), asked or (0.0,), strict=True)
        ]
        for found, asked in zip(answer.candidates, demands(answer, probes, population), strict=True)
    ]


class FaceSearch(Protocol):
    """An exact 1:N search over a tenant's gallery, which sees every write that was committed before the call."""

    def search(self, tenant: str, request: SearchRequest) -> SearchAnswer:
        """Find the best faces for each probe.

        A score is the dot product with the face's best canonical template, computed in float64; ties are ordered by
        faceid. Raises InvalidInput for a wrong shape, NaN or limit.
        """


class IndexBuilder(Protocol):
    def build(self, tenant: str) -> bool:
        """Write a snapshot of the tenant's gallery if the journal's tail is worth it. Returns whether it wrote one."""

    def purge(self, tenant: str, seq: int) -> None:
        """Leave no snapshot of before this change of the gallery, and nothing in the journal up to it. Raises Busy."""


IndexedFace = tuple[str, str, list[bytes]]
"""A face as the index holds it: faceid, group id, and the vectors that probes are compared with."""
