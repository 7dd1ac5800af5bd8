"""A search over a gallery that is too large for one function: it asks the shards side by side and merges their answers.

It is exact for any number of shards, and while that changes: every face is in one of the shards, and each shard answers
with everything that was committed before it was asked.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from chalicelib.core import keys
from chalicelib.core.once import once
from chalicelib.core.ports import ItemStore
from chalicelib.core.search import FaceSearch, SearchAnswer, SearchRequest
from chalicelib.core.shards import MAX_SHARDS, WHOLE, shards
from chalicelib.index.cohorts import WIDER, with_cohorts

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from chalicelib.core.decision import OperatingPoint
    from chalicelib.core.model import Candidate

REMEMBERED_S = 60.0
"""Time that a tenant's number of shards is remembered: an old number costs memory for a while, never a wrong answer."""


class ShardNumbers:
    """The number of shards of each tenant's gallery, from the directory."""

    def __init__(self, items: ItemStore, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._items = items
        self._monotonic = monotonic
        self._known: dict[str, tuple[float, int]] = {}

    def __call__(self, tenant: str) -> int:
        now = self._monotonic()
        read_at, number = self._known.get(tenant, (-REMEMBERED_S, 1))
        if now - read_at >= REMEMBERED_S:
            item = self._items.get(keys.DIRECTORY, (tenant, keys.TENANT_ITEM)) or {}
            number = int(item.get("shards") or 1)
            self._known[tenant] = (now, number)
        return number


class ShardedSearch:
    """The FaceSearch port over another one, which searches one shard for each request."""

    def __init__(self, search: FaceSearch, shards_of: Callable[[str], int]) -> None:
        self._search = search
        self._shards_of = shards_of

    def search(self, tenant: str, request: SearchRequest) -> SearchAnswer:
        number = self._shards_of(tenant) if request.shard == WHOLE else 1
        if number == 1:
            return self._search.search(tenant, request)
        answer = self._all(tenant, request, number)
        if request.operating_point is None:
            return answer

        def nearest(rows: NDArray[np.float32]) -> list[list[float]]:
            wide = request._replace(probes=rows, limit=WIDER, operating_point=None, sample_of=answer.gallery_size)
            return [[one.score for one in near] for near in self._all(tenant, wide, number).candidates]

        # The probes that need cohorts are known only now, so the shards are asked again. A change meanwhile alters a
        # cohort by a score or two, never the candidates.
        return with_cohorts(answer, request.probes, answer.templates.__getitem__, request.operating_point, nearest)

    def _all(self, tenant: str, request: SearchRequest, number: int) -> SearchAnswer:
        """Ask all shards of `number` side by side and merge their answers."""
        parts = [request._replace(shard=part) for part in shards(number)]
        answers = self._threads.map(lambda part: self._search.search(tenant, part), parts)
        return merged(list(answers), request.limit, request.operating_point)

    @once
    def _threads(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(MAX_SHARDS, thread_name_prefix="shard")


def merged(answers: Sequence[SearchAnswer], limit: int, point: OperatingPoint | None) -> SearchAnswer:
    """Merge the shards' answers into one over all shards, with templates in place of cohorts.

    A shard's floor is not higher than that of the whole gallery, so no candidate is lost. `seq` is the lowest one, so
    that a write on condition that the gallery has not changed since is correct.
    """
    gallery_size = sum(answer.gallery_size for answer in answers)
    cut = float("-inf") if point is None else point.floor(gallery_size)
    ranked = [
        sorted(
            (pair for answer in answers for pair in _with_templates(answer, probe) if pair[0].score >= cut),
            key=lambda pair: (-pair[0].score, pair[0].faceid),
        )[:limit]
        for probe in range(len(answers[0].candidates))
    ]
    return SearchAnswer(
        min(answer.seq for answer in answers),
        gallery_size,
        tuple(tuple(one for one, _ in found) for found in ranked),
        templates=() if point is None else tuple(tuple(template for _, template in found) for found in ranked),
    )


def _with_templates(answer: SearchAnswer, probe: int) -> Iterable[tuple[Candidate, bytes]]:
    found = answer.candidates[probe]
    return zip(found, answer.templates[probe] if answer.templates else (b"",) * len(found), strict=True)
