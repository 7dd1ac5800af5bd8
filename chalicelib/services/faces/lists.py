"""Lists of faces by cursor: what a page costs does not grow with its number. And the ids of all, in one answer.

A group's faces are in two indexes, by enrolment and by arrival. The latter carries all that a list shows of a face, so
that a page is one run of it: storage itself keeps what an index carries as the face is. All groups' are merged.
"""

from __future__ import annotations

import heapq
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from operator import itemgetter
from typing import Any

from chalicelib.core import keys
from chalicelib.core.errors import InvalidInput, TooMany
from chalicelib.core.items import directory_of, every
from chalicelib.core.model import Face, Group, ListedFace, Tenant
from chalicelib.core.page_tokens import FaceOrder, ListPage, PageTokens, require_page_size
from chalicelib.core.ports import Item, ItemStore
from chalicelib.services.faces.faces import listed, visible
from chalicelib.services.groups.groups import Groups

MAX_IDS = 100_000
"""About 2 MB of JSON."""

MAX_MERGED = 100
"""Most groups whose lists are merged: each page reads each of them."""

_LEAST_OF_A_GROUP = 10
"""Faces of each group that are read at once, of which most may stand behind the page's last."""

_INDEXES = {FaceOrder.ENROLLED: "by_enrolment", FaceOrder.ARRIVED: "by_arrival"}


@dataclass(frozen=True)
class FaceIds:
    """The ids of all faces of a list, and the gallery's seq before they were read."""

    ids: list[str]
    seq: int


class FaceLists:
    """`max_ids`: most ids of one answer."""

    def __init__(self, items: ItemStore, groups: Groups, max_ids: int = MAX_IDS) -> None:
        self._max_ids = max_ids
        self._items = items
        self._groups = groups

    def page(
        self,
        tenant: Tenant,
        group_name: str | None,
        order: FaceOrder,
        limit: int,
        token: str | None = None,
        *,
        descending: bool = False,
    ) -> ListPage[ListedFace]:
        """Return a page of a group's faces, or of all groups'. Faces that come or move meanwhile may be missing.

        Raises GroupNotFound; InvalidInput if the token is damaged, the limit is not 1 to 100, the order is FaceOrder.ID
        for one group, or it is another one for all of over 100 groups.
        """
        require_page_size(limit)
        pages = PageTokens(json.dumps(["faces", tenant.name, group_name, order, descending]))
        behind = None if token is None else pages.place(token, str)
        if order is FaceOrder.ID:
            places, faces = self._by_id(tenant, group_name, behind, limit, descending=descending)
        else:
            groups = self._groups_of(tenant, group_name)
            found = list(islice(self._merged(tenant, groups, order, behind, limit, descending=descending), limit + 1))
            places = [place for place, _ in found]
            rows: list[Item | None] = [row for _, row in found[:limit]]
            if _INDEXES[order] not in keys.FACES.rows:
                rows = self._items.get_many(keys.FACES, [(tenant.name, _faceid(place)) for place in places[:limit]])
            faces = [listed(tenant, row) for row in rows if row]
        return pages.page(faces, places[limit - 1] if len(places) > limit else None)

    def enrolled(
        self, tenant: Tenant, group: Group, limit: int, behind: str | None, wanted: Sequence[str] | None = None
    ) -> tuple[list[Face], str | None]:
        """Return `limit` faces of a group behind a place, by enrolment, oldest first; and the place of the next ones.

        A face that is there throughout is listed once, whatever comes and goes. `behind`: None for the first page;
        `wanted`: only faces of these ids.
        """
        if wanted is None:
            merged = self._merged(tenant, [group], FaceOrder.ENROLLED, behind, limit, descending=False)
            places = [place for place, _ in islice(merged, limit + 1)]
        else:
            some = self._items.get_many(keys.FACES, [(tenant.name, faceid) for faceid in dict.fromkeys(wanted)])
            mine = [_place(item, "by_enrolment") for item in some if item and item["group"] == group.id]
            places = sorted(place for place in mine if behind is None or place > behind)[: limit + 1]
        page = places[:limit]
        items = self._items.get_many(keys.FACES, [(tenant.name, _faceid(place)) for place in page]) if page else []
        faces = [visible(tenant, item) for item in items if item and item["group"] == group.id]
        return faces, page[-1] if len(places) > limit else None

    def ids(self, tenant: Tenant, group_name: str | None, order: FaceOrder, *, descending: bool = False) -> FaceIds:
        """Return the ids of all faces of a group, or of all groups. Raises GroupNotFound, TooMany if over 100,000."""
        groups = self._groups.all(tenant) if group_name is None else [self._groups.named(tenant, group_name)]
        if (number := sum(group.count for group in groups)) > self._max_ids:
            raise TooMany(f"these are {number} faces, and {self._max_ids} ids are answered at once: list them by pages")
        seq = int(directory_of(self._items, tenant.name)["seq"])
        index = _INDEXES.get(order, "by_enrolment")
        low, high = (None, None) if group_name is None else keys.group_range(groups[0].id)
        found = every(self._items, keys.FACES, tenant.name, index=index, low=low, high=high)
        there = (item for item in found if item[keys.FACES.indexes[index]].partition("#")[0] not in tenant.gone)
        places = sorted(
            (item["faceid"] if order is FaceOrder.ID else _place(item, index) for item in there), reverse=descending
        )
        return FaceIds([_faceid(place) for place in places], seq)

    def _by_id(
        self, tenant: Tenant, group_name: str | None, behind: str | None, limit: int, *, descending: bool
    ) -> tuple[list[str], list[ListedFace]]:
        """Return the ids of a page and of the face after it, and the page's faces."""
        if group_name is not None:
            raise InvalidInput("order id lists the faces of all groups: leave out group, or take another order")
        low, high = (None, behind) if descending else (behind, None)
        stored = every(
            self._items, keys.FACES, tenant.name, low=low, high=high, reverse=descending, page_size=limit + 2
        )
        there = (item for item in stored if item["faceid"] != behind and item["group"] not in tenant.gone)
        items = list(islice(there, limit + 1))
        return [item["faceid"] for item in items], [listed(tenant, item) for item in items[:limit]]

    def _groups_of(self, tenant: Tenant, group_name: str | None) -> list[Group]:
        if group_name is not None:
            return [self._groups.named(tenant, group_name)]
        groups = self._groups.all(tenant)
        if len(groups) > MAX_MERGED:
            raise InvalidInput(
                f"there are {len(groups)} groups, and the lists of {MAX_MERGED} are merged at most: name a group, or "
                "take order id"
            )
        return groups

    def _merged(
        self,
        tenant: Tenant,
        groups: Sequence[Group],
        order: FaceOrder,
        behind: str | None,
        limit: int,
        *,
        descending: bool,
    ) -> Iterator[tuple[str, Item]]:
        """Yield the places of the groups' faces behind a place, in one order, each with what the index has of it."""
        index = _INDEXES[order]
        rows = index in keys.FACES.rows
        groups = [group for group in groups if group.count]
        at_once = max(limit // max(len(groups), 1), _LEAST_OF_A_GROUP) if rows else limit

        def of_group(group: Group) -> Iterator[tuple[str, Item]]:
            low, high = keys.group_range(group.id)
            if behind is not None:
                low, high = (low, f"{low}{behind}") if descending else (f"{low}{behind}", high)
            how: dict[str, Any] = {
                "low": low,
                "high": high,
                "reverse": descending,
                "page_size": at_once + 2,
                "rows": rows,
            }
            for item in every(self._items, keys.FACES, tenant.name, index=index, **how):
                if (place := _place(item, index)) != behind:
                    yield place, item

        return heapq.merge(*map(of_group, groups), key=itemgetter(0), reverse=descending)


def _place(item: Item, index: str) -> str:
    """Return the place of a face in its group's list: the instant, and its id."""
    return str(item[keys.FACES.indexes[index]]).partition("#")[2]


def _faceid(place: str) -> str:
    return place.rpartition("#")[2]
