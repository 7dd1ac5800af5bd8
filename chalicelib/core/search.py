"""What a search is asked and what it answers, and the ports behind which galleries are searched and built.

`FaceSearch` has an in-process and a Lambda-invoking adapter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from chalicelib.core.model import Candidate
from chalicelib.core.shards import WHOLE, Shard

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from chalicelib.core.decision import OperatingPoint


@dataclass(frozen=True, eq=False)
class SearchRequest:
    """Probes and the faces among which the best are looked for.

    `probes`: (n, dimensions) float32 unit rows of `model`. `group_ids`: only faces of these groups (None: all).
    `limit`: how many candidates a probe gets, 1..100.
    """

    model: str
    probes: NDArray[np.float32]
    group_ids: Sequence[str] | None = None
    limit: int = 1
    least: OperatingPoint | None = None
    """Only faces that reach its floor for as many faces as are compared, which is much less work if nobody does; and
    cohorts among the same faces, for `core.decision.verdicts`."""
    shard: Shard = WHOLE
    """Only this part of the gallery; of a part, templates in place of cohorts."""
    sample_of: int | None = None
    """Only the faces among which cohorts are found in a gallery of so many faces."""


@dataclass(frozen=True)
class SearchAnswer:
    """What a search saw: the gallery's `seq`, how many faces it compared with, each probe's candidates, best first."""

    seq: int
    gallery_size: int
    candidates: tuple[tuple[Candidate, ...], ...]
    cohorts: tuple[tuple[float, ...], ...] = ()
    """One a probe where the search had a `least`: its scores with other faces, by which its candidates are judged."""
    candidate_cohorts: tuple[tuple[tuple[float, ...], ...], ...] = ()
    """Likewise, of each candidate its template's scores with other faces; none where they decide nothing."""
    templates: tuple[tuple[bytes, ...], ...] = ()
    """Of a shard, with a `least`: each candidate's template, by which the other shards know it."""


class FaceSearch(Protocol):
    """Exact 1:N search over a tenant's gallery that reads its writes: everything committed before the call is seen."""

    def search(self, tenant: str, request: SearchRequest) -> SearchAnswer:
        """Find the best faces for each probe.

        Score: dot product with the face's best canonical template, computed in float64; ties by faceid.
        Raises InvalidInput for a wrong shape, NaN or limit.
        """


class IndexBuilder(Protocol):
    def build(self, tenant: str) -> bool:
        """Write a snapshot of the tenant's gallery where the journal's tail is worth it; True if one was written."""
