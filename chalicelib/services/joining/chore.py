"""The chore of joining: each face that changed since the last time is compared with all others.

How far it has come is a seq of the gallery, which is stored after the faces that changed up to it were looked at. If it
is cut off, it looks at some faces again, which changes nothing. A join changes the gallery, too, so the chore goes on
until nothing is left to join.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice

from chalicelib.core import keys
from chalicelib.core.decision import JOIN_PICTURES
from chalicelib.core.errors import Busy
from chalicelib.core.items import directory_of, every, write
from chalicelib.core.model import Edit, Face, JournalEntry, Tenant
from chalicelib.core.ports import Item, Put
from chalicelib.core.records.faces import face_from
from chalicelib.core.telemetry import report_failure
from chalicelib.core.values import known
from chalicelib.services.rooms import UseCase

STOPS_AT_S = 20.0
"""Time that must be left to look at some more faces."""

_AT_ONCE = 64
"""Faces that one search compares with all others."""
_CHANGES = 256
"""Changes of the gallery between two notes of how far it has come."""

Tail = Callable[[str, int, int], list[JournalEntry] | None]


@dataclass(frozen=True)
class _Place:
    """The chore's progress: to the change `seq`. `again`: faces that are looked at again, since a pair failed.

    If all faces are looked at since the journal did not reach back so far: `until` is the seq when that began, and
    `after` the last face that was looked at.
    """

    seq: int = 0
    until: int | None = None
    after: str = ""
    again: tuple[str, ...] = ()


class JoiningChore(UseCase):
    """`tail`: reads the changes with seq held + 1 to wanted; None: one of them was trimmed."""

    def tenant(self, tenant: Tenant, left_s: Callable[[], float] = lambda: float("inf")) -> bool:
        """Join all faces of the tenant that changed and are surely one person. Return False if the time ran out first.

        `left_s`: how long this may still take. May be cut off anywhere and repeated. If others change a face all the
        time, that is reported, and the next run looks at it again. Raises Busy if a search fails, StorageUnavailable.
        """
        if not tenant.learns:
            return True
        place = self._place(tenant)
        if place.again and left_s() >= STOPS_AT_S:
            faces = list(self.book.faces.by_id(tenant, place.again).values())
            place = replace(place, again=self._look(tenant, faces))
            self._note(tenant, place)
        while place.until is not None or place.seq < int(directory_of(self.book.items, tenant.name)["seq"]):
            if left_s() < STOPS_AT_S:
                return False
            place = self._next(tenant, place)
            self._note(tenant, place)
        return True

    def _next(self, tenant: Tenant, place: _Place) -> _Place:
        """Look at some more faces, and return the place after them."""
        seq = int(directory_of(self.book.items, tenant.name)["seq"])
        if place.until is None:
            wanted = min(place.seq + _CHANGES, seq)
            entries = self.book.ports.journal(tenant.name, place.seq, wanted)
            if entries is not None:
                changed = {one.faceid: one.edit for one in entries if one.edit in (Edit.PUT, Edit.REPLACE)}
                failed = self._look(tenant, list(self.book.faces.by_id(tenant, changed).values()))
                return _Place(wanted, again=_with(place.again, failed))
            place = replace(place, until=seq, after="")
        faces = list(islice(self._faces(tenant, place.after), _CHANGES))
        if not faces:
            return _Place(place.until or seq, again=place.again)
        failed = self._look(tenant, [face for face in faces if len(face.pictures) >= JOIN_PICTURES])
        return replace(place, after=faces[-1].faceid, again=_with(place.again, failed))

    def _look(self, tenant: Tenant, faces: Sequence[Face]) -> tuple[str, ...]:
        """Decide on each pair of these faces and others, once. Return the faces that could not be decided on now."""
        failed: list[str] = []
        for face in faces:
            with _reported(face, failed):
                self.book.joining.of_visits.look(tenant, face)
        decided: set[str] = set()
        for begin in range(0, len(faces), _AT_ONCE):
            for pair in self.book.joining.likeness.of(tenant, faces[begin : begin + _AT_ONCE]):
                id_ = keys.duplicate(pair.face.faceid, pair.other.faceid)
                if id_ not in decided:
                    decided.add(id_)
                    with _reported(pair.face, failed):
                        self.book.joining.decide(tenant, pair)
        return tuple(failed)

    def _faces(self, tenant: Tenant, after: str) -> Iterator[Face]:
        items = every(self.book.items, keys.FACES, tenant.name, low=after or None, page_size=_CHANGES)
        return (face_from(item) for item in items if item["faceid"] != after and item["group"] not in tenant.hidden)

    def _place(self, tenant: Tenant) -> _Place:
        item = self.book.items.get(keys.DIRECTORY, (tenant.name, keys.JOINED_ITEM))
        if item is None:
            return _Place()
        until = item.get("until")
        again = tuple(item.get("again", ()))
        return _Place(int(item["seq"]), None if until is None else int(until), item.get("after", ""), again)

    def _note(self, tenant: Tenant, place: _Place) -> None:
        item: Item = {
            "tenant": tenant.name,
            "item": keys.JOINED_ITEM,
            "seq": place.seq,
            **known({"until": place.until, "after": place.after or None, "again": list(place.again) or None}),
        }
        write(self.book.items, [Put(keys.DIRECTORY, item)])


@contextmanager
def _reported(face: Face, failed: list[str]) -> Iterator[None]:
    """Add the face to those that failed if others change it all the time."""
    try:
        yield
    except Busy as error:
        report_failure(error, f"face {face.faceid} is looked at again by the next sweep")
        failed.append(face.faceid)


def _with(again: Sequence[str], failed: Sequence[str]) -> tuple[str, ...]:
    """Return both; of more than the chore keeps, the last ones."""
    return tuple(dict.fromkeys([*again, *failed]))[-_CHANGES:]
