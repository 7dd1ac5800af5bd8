"""Merges of two faces that are one person: suggested, made, finished, and undone while they are remembered.

Here are the records of the merges that can be undone: found by survivor, listed, and deleted with it. Beside them pairs
of faces that may be one person: suggested to somebody, who merges them or says that they are two. A suggestion is over
when one of its faces is gone. That is read from the faces each time; a sweep deletes those that are over.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.book.idempotency import RequestId
from chalicelib.book.records.merges import (
    Duplicate,
    Merge,
    duplicate_from,
    duplicate_item,
    merge_deletes,
    merge_from,
    said_two,
)
from chalicelib.book.rooms import Made, UseCase
from chalicelib.book.words import keys
from chalicelib.book.words.chores import Chore
from chalicelib.book.words.errors import ConditionFailed, DuplicateNotFound, MergeNotFound
from chalicelib.book.words.items import ListPage, PageTokens, every, parts, write, write_in_parts, write_unless_changed
from chalicelib.book.words.model import Decision, Face, Tenant, is_faceid
from chalicelib.book.words.ports import Action, Check, Condition, Delete, Put, absent, equals

if TYPE_CHECKING:
    from chalicelib.book.merges.merging import Merging
    from chalicelib.book.merges.observations import ObservationMover


class Suggestion(Struct, frozen=True):
    """A pair of faces that may be one person: the lower id first."""

    duplicate: Duplicate
    faces: tuple[Face, Face]


class Merges(UseCase):
    records: Made[MergeRecords] = Made("book.merges.merges.MergeRecords")

    duplicates: Made[Duplicates] = Made("book.merges.merges.Duplicates")

    mover: Made[ObservationMover] = Made("book.merges.observations.ObservationMover")
    merging: Made[Merging] = Made("book.merges.merging.Merging")

    def chores(self) -> tuple[Chore, ...]:
        return (
            Chore("merges", lambda one: self.mover.tenant(one.tenant)),
            Chore("duplicates", lambda one: self.duplicates.tidy(one.tenant), nightly=True),
        )


class MergeRecords(UseCase):
    def get(self, tenant: str, merge_id: str) -> Merge:
        """Read a merge. Raises MergeNotFound."""
        item = self.book.items.get(keys.MERGES, (tenant, merge_id)) if 0 < len(merge_id) <= 130 else None
        if item is None:
            raise MergeNotFound(f"there is no merge {merge_id[:130]!r}: it was forgotten, or there never was one")
        return merge_from(item)

    def page(
        self, tenant: Tenant, limit: int, token: str | None = None, survivor: str | None = None
    ) -> ListPage[Merge]:
        """Read a page of merges, by survivor and oldest first: of all, or of those into one face. No returns.

        Raises InvalidInput if the token is damaged or another query's.
        """
        pages = PageTokens(
            f"merges of {tenant.name}" if survivor is None else f"merges into {survivor} of {tenant.name}"
        )
        found = (one for one in self.all(tenant.name, survivor, pages.read_place(token, str)) if not one.is_return)
        return pages.make_first_page(found, limit, lambda merge: merge.id)

    def all(self, tenant: str, survivor: str | None = None, behind: str | None = None) -> Iterator[Merge]:
        """Yield all merges, or those into one face, from behind the merge of that id on."""
        between = (None, None) if survivor is None else keys.merges_range(survivor)
        return map(merge_from, every(self.book.items, keys.MERGES, tenant, between=between, behind=behind))

    def into(self, tenant: str, faceid: str) -> Merge | None:
        """Find the merge that absorbed this face. Reads all merges."""
        return next((merge for merge in self.all(tenant) if merge.other == faceid and merge.is_active), None)

    def below(self, tenant: str, faceid: str) -> list[Merge]:
        """Read all merges into a face, and into the faces that became a part of it, each once.

        Two faces may have been merged into each other, if one was enrolled again under its old id in between.
        """
        found: list[Merge] = []
        below = [faceid]
        for one in below:
            merges = list(self.all(tenant, one))
            found += merges
            below += [merge.other for merge in merges if merge.is_same_person and merge.other not in below]
        return found

    def active_below(self, tenant: str, faceid: str) -> list[Merge]:
        """Read those of `below` that can be undone."""
        return [merge for merge in self.below(tenant, faceid) if merge.is_active]

    def deletes(self, tenant: str, face: Face) -> tuple[list[Action], list[str]]:
        """Return the actions that delete a face's merges, for the transaction that deletes it.

        Return also the keys of the pictures that only those merges name.
        """
        if not face.merges:
            return [], []
        merges = self.below(tenant, face.faceid)
        pictures = [key for merge in merges for key in merge.picture_keys]
        return [one for merge in merges for one in merge_deletes(tenant, merge)], pictures


_AT_ONCE = 100
_SAME = "duplicate-same"


class Duplicates(UseCase):
    def between(self, tenant: Tenant, face: Face, other: Face) -> list[Duplicate]:
        """Read what is known of the two faces, and of those that were merged into them and can come back."""
        records = self.book.merges.records
        below = [records.active_below(tenant.name, one.faceid) if one.merges else [] for one in (face, other)]
        ids = [
            [one.faceid, *(merge.other for merge in merges)] for one, merges in zip((face, other), below, strict=True)
        ]
        places = [(tenant.name, keys.duplicate(first, second)) for first in ids[0] for second in ids[1]]
        return [duplicate_from(item) for item in self.book.items.get_many(keys.DUPLICATES, places) if item]

    def suggest(self, tenant: Tenant, face: Face, other: Face, decision: Decision) -> None:
        """Suggest the pair, unless somebody said just now that they are two."""
        duplicate = Duplicate.of(face.faceid, other.faceid, self.book.clock.now(), decision)
        for when in (absent(_SAME), equals("are_two", None, _SAME)):
            put = Put(keys.DUPLICATES, duplicate_item(tenant.name, duplicate), (when,))
            if write_unless_changed(self.book.items, [put]):
                break

    def page(self, tenant: Tenant, limit: int, token: str | None = None) -> ListPage[Suggestion]:
        """Return a page of suggestions, by the lower id.

        Raises InvalidInput if the token is damaged.
        """
        tokens = PageTokens(f"duplicates of {tenant.name}")
        behind = tokens.read_place(token, str)
        stored = every(self.book.items, keys.DUPLICATES, tenant.name, behind=behind, page_size=_AT_ONCE)
        suggested = (one for one in map(duplicate_from, stored) if not one.are_two)
        return tokens.make_filtered_page(
            suggested, _id, limit, partial(self._open, tenant), lambda suggestion: _id(suggestion.duplicate)
        )

    def are_two(self, tenant: Tenant, id_: str, request: RequestId | None = None) -> None:
        """Note that a suggested pair is two people. Raises DuplicateNotFound, AnsweredAlready."""
        gone = DuplicateNotFound(
            f"there is no duplicate {id_[:140]!r}: one of the faces is gone, or was never suggested"
        )
        first, second = keys.parts_of_duplicate(id_)
        if not (is_faceid(first) and is_faceid(second) and first < second):
            raise gone
        item = self.book.items.get(keys.DUPLICATES, (tenant.name, id_))
        if item is None:
            raise gone
        duplicate = replace(duplicate_from(item), are_two=True)
        put = Put(keys.DUPLICATES, duplicate_item(tenant.name, duplicate), (equals("are_two", None, _SAME),))
        try:
            self.book.requests.write(tenant.name, [put], request)
        except ConditionFailed:
            raise gone from None

    def tidy(self, tenant: Tenant) -> int:
        """Delete those that are over; return how many. May be cut off anywhere and repeated.

        Two that are said to be two people stay so if one is merged into another face: that face has it then, too.
        """
        stored = map(duplicate_from, every(self.book.items, keys.DUPLICATES, tenant.name))
        into = {one.other: one.survivor for one in self.book.merges.records.all(tenant.name) if one.is_active}
        deleted = 0
        for some in parts(stored, _AT_ONCE):
            there = {*self.book.faces.by_id(tenant, _ids(some))}
            over = [one for one in some if not {one.first, one.second} <= there]
            kept = [one for one in over if one.are_two and {one.first, one.second} <= there | into.keys()]
            for one in kept:
                self._pass_on(tenant, one, into)
            gone = [Delete(keys.DUPLICATES, (tenant.name, _id(one))) for one in over if one not in kept]
            deleted += write_in_parts(self.book.items, gone)
        return deleted

    def _pass_on(self, tenant: Tenant, two: Duplicate, into: Mapping[str, str]) -> None:
        """Note that those are two into which two faces were merged that are two."""
        first, second = two.first, two.second
        while first in into:
            first = into[first]
        while second in into:
            second = into[second]
        if first != second:
            write(self.book.items, [said_two(tenant.name, Duplicate.of(first, second, two.at, two.decision))])

    def _open(self, tenant: Tenant, duplicates: Sequence[Duplicate]) -> list[Suggestion]:
        faces = self.book.faces.by_id(tenant, _ids(duplicates))
        return [
            Suggestion(one, (faces[one.first], faces[one.second]))
            for one in duplicates
            if one.first in faces and one.second in faces
        ]

    @staticmethod
    def still_one(tenant: str, face: Face, other: Face, known: Iterable[Duplicate]) -> Action:
        """Return the action that ends a suggestion, for the join of its faces: nobody may say meanwhile they are two.

        `known`: what was read of the two.
        """
        place = (tenant, keys.duplicate(face.faceid, other.faceid))
        when: Condition = equals("are_two", None, _SAME)
        if any(_id(one) == place[1] for one in known):
            return Delete(keys.DUPLICATES, place, (when,))
        return Check(keys.DUPLICATES, place, (absent(_SAME),))


def _id(duplicate: Duplicate) -> str:
    return keys.duplicate(duplicate.first, duplicate.second)


def _ids(duplicates: Iterable[Duplicate]) -> list[str]:
    return list(dict.fromkeys(faceid for one in duplicates for faceid in (one.first, one.second)))
