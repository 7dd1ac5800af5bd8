"""Routing of a gallery's searches, to this process or to the search function. Both give the same
answer.

Small galleries are searched in the process that asks: a call of the search function takes longer
than a search in a few thousand faces, and is a run of its own.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from chalicelib.domain.rules.decision import FaceSearch, SearchAnswer, SearchRequest
from chalicelib.storage import keys
from chalicelib.storage.items import walk_items
from chalicelib.storage.ports import ItemStore

COUNT_REMEMBERED_S = 900.0
"""Time that a count of a tenant's faces is remembered: a gallery grows by some ten thousand faces
in it at most."""


class NearSearch:
    """The FaceSearch port over two others: `near` searches galleries of up to `most` faces, `far`
    all others."""

    def __init__(
        self,
        near: Callable[[], FaceSearch],
        far: FaceSearch,
        items: ItemStore,
        most: int,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Keep both searches, and what decides between them."""
        self._near = near
        self._far = far
        self._items = items
        self._most = most
        self._monotonic = monotonic
        self._known: dict[str, tuple[float, bool]] = {}

    def search(self, tenant: str, request: SearchRequest) -> SearchAnswer:
        is_near = self._most > 0 and self._is_small(tenant)
        return (self._near() if is_near else self._far).search(tenant, request)

    def _is_small(self, tenant: str) -> bool:
        """Tell whether a tenant has at most as many faces as are searched in this process.

        The groups' counts are read, and the answer is remembered for COUNT_REMEMBERED_S.
        """
        now = self._monotonic()
        never_read = (now - COUNT_REMEMBERED_S, False)
        read_at, is_small = self._known.get(tenant, never_read)
        if now - read_at >= COUNT_REMEMBERED_S:
            groups = walk_items(self._items, keys.DIRECTORY, tenant, between=keys.GROUPS)
            is_small = sum(int(group["count"]) for group in groups) <= self._most
            self._known[tenant] = now, is_small
        return is_small
