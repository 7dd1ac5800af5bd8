"""A search over a gallery that is too large for one function: it asks the shards side by side and merges their answers.

It is exact for any number of shards, and while that changes: every face is in one of the shards, and each shard answers
with everything that was committed before it was asked.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from chalicelib.core import keys
from chalicelib.core.lazy import lazy
from chalicelib.core.model import Candidate
from chalicelib.core.ports import ItemStore
from chalicelib.core.search import MAX_SHARDS, WHOLE, FaceSearch, SearchAnswer, SearchRequest, shards

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
        parts = [request._replace(shard=part) for part in shards(number)]
        return merged(list(self._threads.map(lambda part: self._search.search(tenant, part), parts)), request)

    @lazy
    def _threads(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(MAX_SHARDS, thread_name_prefix="shard")


def merged(answers: Sequence[SearchAnswer], request: SearchRequest) -> SearchAnswer:
    """Merge the shards' answers to a request into one over all shards.

    A shard asks for a lower score than the whole gallery, so no candidate is lost. `seq` is the lowest one, so that a
    write on condition that the gallery has not changed since is correct.
    """
    gallery_size, point = sum(answer.gallery_size for answer in answers), request.operating_point
    cut = -math.inf if point is None else point.threshold(gallery_size)
    ranked = [
        sorted(
            (pair for answer in answers for pair in _with_templates(answer, probe) if pair[0].score >= cut),
            key=lambda pair: (-pair[0].score, pair[0].faceid),
        )[: request.limit]
        for probe in range(len(answers[0].candidates))
    ]
    return SearchAnswer(
        min(answer.seq for answer in answers),
        gallery_size,
        tuple(tuple(one for one, _ in found) for found in ranked),
        tuple(tuple(template for _, template in found) for found in ranked) if request.templates else (),
    )


def _with_templates(answer: SearchAnswer, probe: int) -> list[tuple[Candidate, bytes]]:
    found = answer.candidates[probe]
    return list(zip(found, answer.templates[probe] if answer.templates else (b"",) * len(found), strict=True))
