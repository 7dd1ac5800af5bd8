"""Stored faces: reading one, some, or a group's."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice

from chalicelib.core import keys
from chalicelib.core.errors import FaceNotFound, InvalidInput
from chalicelib.core.items import every
from chalicelib.core.model import Face, Group, ListedFace, Tenant
from chalicelib.core.page_tokens import PAGE_SIZES
from chalicelib.core.ports import Item, ItemStore
from chalicelib.core.records.faces import face_from, listed_face_from
from chalicelib.services.groups.groups import Groups

LONGEST_AWAY = range(1, 11)

_FACEID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_NUMERIC_FACEID = re.compile(r"[0-9]{1,19}")
_KEYS_A_READ = 1_000


@dataclass(frozen=True)
class FacePage:
    """A page of a group's faces, in the order of the list that was asked for."""

    group: Group
    faces: list[Face]

    @property
    def total(self) -> int:
        """Return the number of faces in the group."""
        return self.group.count


class Faces:
    def __init__(self, items: ItemStore, groups: Groups) -> None:
        self._items = items
        self._groups = groups

    def get(self, tenant: Tenant, faceid: str) -> Face:
        """Return the face of that id. Raises FaceNotFound."""
        face = self.find(tenant, faceid)
        if face is None:
            raise FaceNotFound(f"there is no face {faceid!r}")
        return face

    def find(self, tenant: Tenant, faceid: str) -> Face | None:
        if not is_faceid(faceid):
            return None
        item = self._items.get(keys.FACES, (tenant.name, faceid))
        return visible(tenant, item) if item and item["group"] not in tenant.gone else None

    def page(self, tenant: Tenant, group_name: str, page_num: int, page_size: int) -> FacePage:
        """Return page `page_num` (from 1) of `page_size` (1..100) faces by enrolment, oldest first.

        It shows all changes that are done by now. Raises GroupNotFound, InvalidInput.
        """
        if page_num < 1 or page_size not in PAGE_SIZES:
            raise InvalidInput(f"page_num begins at 1 and page_size is 1 to 100, not {page_num} and {page_size}")
        group = self._groups.named(tenant, group_name)
        skipped = (page_num - 1) * page_size
        if skipped >= group.count:
            return FacePage(group, [])
        return self._page(tenant, group, self._listed(tenant, group, skipped, page_size))

    def longest_away(self, tenant: Tenant, group_name: str, num: int) -> FacePage:
        """Return the `num` (1..10) faces of a group whose last arrival is longest ago, longest first.

        A face that never arrived counts from its enrolment. Raises GroupNotFound, InvalidInput.
        """
        if num not in LONGEST_AWAY:
            raise InvalidInput(f"num is {LONGEST_AWAY.start} to {LONGEST_AWAY.stop - 1}, not {num}")
        group = self._groups.named(tenant, group_name)
        return FacePage(group, list(islice(self.by_arrival(tenant, group, at_once=num), num)))

    def by_arrival(
        self, tenant: Tenant, group: Group, until: datetime | None = None, at_once: int = 10
    ) -> Iterator[Face]:
        """Yield a group's faces, the one whose last arrival is longest ago first; `at_once` are read at once.

        A face that never arrived counts from its enrolment. `until`: only those that count from then or before.
        """
        low, high = keys.group_range(group.id)
        if until is not None:
            high = keys.arrival_key(group.id, until, "~")  # behind all faceids
        found = every(self._items, keys.FACES, tenant.name, index="by_arrival", low=low, high=high, page_size=at_once)
        while some := [item["faceid"] for item in islice(found, at_once)]:
            yield from self.by_id(tenant, some).values()

    def by_id(self, tenant: Tenant, faceids: Iterable[str]) -> dict[str, Face]:
        """Return those of these faces that exist, by id, in the ids' order."""
        legal = dict.fromkeys(faceid for faceid in faceids if is_faceid(faceid))
        items = self._items.get_many(keys.FACES, [(tenant.name, faceid) for faceid in legal]) if legal else []
        return {item["faceid"]: visible(tenant, item) for item in items if item and item["group"] not in tenant.gone}

    def of_group(self, tenant: Tenant, group: Group, faceids: Sequence[str]) -> dict[str, Face]:
        """Return those of these faces that are in the group, by id, in the ids' order."""
        return {id_: face for id_, face in self.by_id(tenant, faceids).items() if face.group_id == group.id}

    def _listed(self, tenant: Tenant, group: Group, skipped: int, wanted: int) -> list[str]:
        """Return the ids at places skipped .. skipped + wanted by enrolment, read from the nearer end of the index."""
        behind = max(group.count - skipped - wanted, 0)
        if skipped <= behind:
            return self._ids(tenant, group, "by_enrolment", skipped + wanted)[skipped:]
        return self._ids(tenant, group, "by_enrolment", group.count - skipped, reverse=True)[behind:][::-1]

    def _ids(self, tenant: Tenant, group: Group, index: str, count: int, *, reverse: bool = False) -> list[str]:
        """Return the first `count` ids of the group in an index; with `reverse`, the last ones, last first."""
        low, high = keys.group_range(group.id)
        found = every(
            self._items,
            keys.FACES,
            tenant.name,
            index=index,
            low=low,
            high=high,
            reverse=reverse,
            page_size=min(count, _KEYS_A_READ),
        )
        return [item["faceid"] for item in islice(found, count)]

    def _page(self, tenant: Tenant, group: Group, faceids: Sequence[str]) -> FacePage:
        return FacePage(group, list(self.by_id(tenant, faceids).values()))


def visible(tenant: Tenant, item: Item) -> Face:
    """Return the stored face without estimates that were switched off since."""
    return shown_to(tenant, face_from(item))


def shown_to(tenant: Tenant, face: Face) -> Face:
    """Return the face without estimates that were switched off since."""
    if not tenant.attributes_off:
        return face
    return replace(face, pictures=tuple(replace(one, estimates=tenant.visible(one.estimates)) for one in face.pictures))


def listed(tenant: Tenant, item: Item) -> ListedFace:
    """Return what a list shows of a face, without estimates that were switched off since."""
    face = listed_face_from(item)
    portrait = replace(face.portrait, estimates=tenant.visible(face.estimates))
    return replace(face, portrait=portrait) if tenant.attributes_off else face


def is_faceid(text: str) -> bool:
    """Return whether the text has the form of a faceid."""
    return _FACEID.fullmatch(text) is not None


def require_faceid(tenant: Tenant, faceid: str) -> None:
    """Raise InvalidInput unless a face of this tenant may have this id."""
    if tenant.numeric_faceids_only:
        if not (_NUMERIC_FACEID.fullmatch(faceid) and 1 <= int(faceid) < 2**63):
            raise InvalidInput(f"the id of a face is a whole number from 1 to {2**63 - 1}, not {faceid[:70]!r}")
    elif not is_faceid(faceid):
        raise InvalidInput(f"the id of a face is 1 to 64 letters, digits, `_` and `-`, not {faceid[:70]!r}")
