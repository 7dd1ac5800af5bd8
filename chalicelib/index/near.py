"""Small galleries are searched in the process that asks, the others in the search function: with the same answers.

A call of that function takes longer than a search in a few thousand faces, and is a run of its own.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from chalicelib.core.search import FaceSearch, SearchAnswer, SearchRequest
from chalicelib.core.shards import WHOLE

NEAR_FACES = 5_000
"""Most faces of a small gallery: it takes 4 MB of memory, no disk, and is loaded in some 60 ms."""

REMEMBERED_S = 900.0
"""Time for which a gallery counts as small after a search in all of it: it grows by ten thousand faces at most."""


class NearSearch:
    """The FaceSearch port over two others. A tenant's first search goes `far`; it says how large the gallery is."""

    def __init__(
        self, near: Callable[[], FaceSearch], far: FaceSearch, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._near = near
        self._far = far
        self._monotonic = monotonic
        self._small_until: dict[str, float] = {}

    def search(self, tenant: str, request: SearchRequest) -> SearchAnswer:
        now = self._monotonic()
        is_small = request.shard == WHOLE and self._small_until.get(tenant, now) > now
        answer = (self._near() if is_small else self._far).search(tenant, request)
        if request.shard == WHOLE and request.group_ids is None:
            small = answer.gallery_size <= NEAR_FACES
            self._small_until[tenant] = now + REMEMBERED_S if small else now
        return answer
