"""Merges of two faces that are one person: suggested, made, finished, and undone while they are
remembered.

Here are the records of the merges that can be undone: found by survivor, listed, and deleted with
it. Beside them pairs of faces that may be one person: suggested to somebody, who merges them or
says that they are two. A suggestion is over when one of its faces is gone. That is read from the
faces each time; a sweep deletes those that are over.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.book.idempotency import RequestId
from chalicelib.domain.errors import (
    ConditionFailed,
    ConsentMissing,
    DuplicateNotFound,
    MergeNotFound,
)
from chalicelib.domain.grounds import is_made_by_cameras
from chalicelib.domain.jobs import FINISH_MERGES, Job
from chalicelib.domain.model import Decision, Face, Tenant, is_faceid
from chalicelib.lazy import lazy
from chalicelib.service import Service
from chalicelib.storage import keys
from chalicelib.storage.items import (
    ListPage,
    PageTokens,
    cut_in_parts,
    walk_items,
    write,
    write_in_parts,
    write_unless_changed,
)
from chalicelib.storage.ports import Action, Check, Condition, Delete, Put, absent, equals
from chalicelib.storage.records.merges import (
    Duplicate,
    Merge,
    duplicate_from,
    duplicate_item,
    merge_deletes,
    merge_from,
    two_people_put,
)

if TYPE_CHECKING:
    from chalicelib.book.book import Book
    from chalicelib.book.merges.merging import Merging
    from chalicelib.book.merges.observations import ObservationMover


class Suggestion(Struct, frozen=True):
    """A pair of faces that may be one person: the lower id first."""

    duplicate: Duplicate
    faces: tuple[Face, Face]


class Merges(Service["Book"]):
    @lazy
    def records(self) -> MergeRecords:
        return MergeRecords(self.services)

    @lazy
    def duplicates(self) -> Duplicates:
        return Duplicates(self.services)

    @lazy
    def mover(self) -> ObservationMover:
        from chalicelib.book.merges.observations import ObservationMover

        return ObservationMover(self.services)

    @lazy
    def merging(self) -> Merging:
        from chalicelib.book.merges.merging import Merging

        return Merging(self.services)

    def list_jobs(self) -> tuple[Job, ...]:
        return (
            Job(FINISH_MERGES, lambda context: self.mover.work_off_merges(context.tenant)),
            Job(
                "duplicates",
                lambda context: self.duplicates.delete_past_pairs(context.tenant),
                nightly=True,
            ),
        )


class MergeRecords(Service["Book"]):
    def get(self, tenant: str, merge_id: str) -> Merge:
        """Read a merge. Raises MergeNotFound."""
        item = (
            self.services.items.get(keys.MERGES, (tenant, merge_id))
            if 0 < len(merge_id) <= 130
            else None
        )
        if item is None:
            raise MergeNotFound(
                f"there is no merge {merge_id[:130]!r}: it was forgotten, or there never was one"
            )
        return merge_from(item)

    def by_id(self, tenant: str, merge_ids: Sequence[str]) -> dict[str, Merge]:
        """Return those of these merges that there are, by id."""
        merge_keys = [(tenant, id_) for id_ in dict.fromkeys(merge_ids)]
        items = self.services.items.get_many(keys.MERGES, merge_keys) if merge_keys else []
        return {merge.id: merge for merge in map(merge_from, filter(None, items))}

    def read_page(
        self, tenant: Tenant, limit: int, token: str | None = None, survivor: str | None = None
    ) -> ListPage[Merge]:
        """Read a page of merges, by survivor and oldest first.

        `survivor`: the face whose merges to read; None: all.

        Returns of a visit (`is_return`) are left out.

        Raises InvalidInput if the token is damaged or another query's.
        """
        pages = PageTokens(
            f"merges of {tenant.name}"
            if survivor is None
            else f"merges into {survivor} of {tenant.name}"
        )
        merges = (
            merge
            for merge in self.list_all(tenant.name, survivor, pages.parse_position(token, str))
            if not merge.is_return
        )
        return pages.make_first_page(merges, limit, lambda merge: merge.id)

    def list_all(
        self, tenant: str, survivor: str | None = None, behind: str | None = None
    ) -> Iterator[Merge]:
        """Yield all merges, or those into one face, from behind the merge of that id on."""
        between = (None, None) if survivor is None else keys.merges_range(survivor)
        return map(
            merge_from,
            walk_items(self.services.items, keys.MERGES, tenant, between=between, behind=behind),
        )

    def find_absorbing_merge(self, tenant: str, faceid: str) -> Merge | None:
        """Find the merge that absorbed this face. Reads all merges."""
        return next(
            (merge for merge in self.list_all(tenant) if merge.other == faceid and merge.is_active),
            None,
        )

    def list_below(self, tenant: str, faceid: str) -> list[Merge]:
        """Read all merges into a face, and into the faces that became a part of it, each once.

        Two faces may have been merged into each other, if one was enrolled again under its old id
        in between.
        """
        all_merges: list[Merge] = []
        faceids = [faceid]
        for survivor in faceids:  # it grows meanwhile
            merges = list(self.list_all(tenant, survivor))
            all_merges += merges
            faceids += [
                merge.other
                for merge in merges
                if merge.is_same_person and merge.other not in faceids
            ]
        return all_merges

    def list_active_below(self, tenant: str, faceid: str) -> list[Merge]:
        """Read those of `list_below` that can be undone."""
        return [merge for merge in self.list_below(tenant, faceid) if merge.is_active]

    def make_delete_actions(self, tenant: str, face: Face) -> tuple[list[Action], list[str]]:
        """Return the actions that delete a face's merges, for the transaction that deletes it.

        Return also the keys of the pictures that only those merges name.
        """
        if not face.merges:
            return [], []
        merges = self.list_below(tenant, face.faceid)
        pictures = [key for merge in merges for key in merge.picture_keys]
        return [action for merge in merges for action in merge_deletes(tenant, merge)], pictures


_AT_ONCE = 100
"""Pairs that are read at once."""
_SAME = "duplicate-same"


class Duplicates(Service["Book"]):
    def read_between(self, tenant: Tenant, face: Face, other: Face) -> list[Duplicate]:
        """Read the suggestions of two faces, and of those that were merged into them and can come
        back."""

        def list_faceids(face: Face) -> list[str]:
            merges = (
                self.services.merges.records.list_active_below(tenant.name, face.faceid)
                if face.merges
                else []
            )
            return [face.faceid, *(merge.other for merge in merges)]

        faceids, other_faceids = list_faceids(face), list_faceids(other)
        pair_keys = [
            (tenant.name, keys.duplicate(first, second))
            for first in faceids
            for second in other_faceids
        ]
        return [
            duplicate_from(item)
            for item in self.services.items.get_many(keys.DUPLICATES, pair_keys)
            if item
        ]

    def suggest_pair(self, tenant: Tenant, face: Face, other: Face, decision: Decision) -> None:
        """Suggest the pair, unless a person just declared them two people, or one of them is a
        person whose record of consent has ended."""
        strangers = [one.faceid for one in (face, other) if is_made_by_cameras(one)]
        try:
            self.services.writer.require_strangers(tenant.name, strangers)
        except ConsentMissing:
            return
        duplicate = Duplicate.make_ordered(
            face.faceid, other.faceid, self.services.clock.now(), decision
        )
        for condition in (absent(_SAME), equals("are_two", None, _SAME)):
            put = Put(keys.DUPLICATES, duplicate_item(tenant.name, duplicate), (condition,))
            if write_unless_changed(self.services.items, [put]):
                break

    def read_page(
        self, tenant: Tenant, limit: int, token: str | None = None
    ) -> ListPage[Suggestion]:
        """Return a page of suggestions, in the order of their pairs' lower ids.

        Raises InvalidInput if the token is damaged.
        """
        tokens = PageTokens(f"duplicates of {tenant.name}")
        behind = tokens.parse_position(token, str)
        stored_items = walk_items(
            self.services.items, keys.DUPLICATES, tenant.name, behind=behind, page_size=_AT_ONCE
        )
        suggested_pairs = (
            duplicate for duplicate in map(duplicate_from, stored_items) if not duplicate.are_two
        )
        return tokens.make_filtered_page(
            suggested_pairs,
            _id_of_pair,
            limit,
            partial(self._read_suggestions, tenant),
            lambda suggestion: _id_of_pair(suggestion.duplicate),
        )

    def note_two_people(self, tenant: Tenant, id_: str, request: RequestId | None = None) -> None:
        """Note that a suggested pair is two people. Raises DuplicateNotFound, AnsweredAlready."""
        not_found = DuplicateNotFound(
            f"there is no duplicate {id_[:140]!r}: one of the faces is gone, or was never suggested"
        )
        first, second = keys.parts_of_duplicate(id_)
        if not (is_faceid(first) and is_faceid(second) and first < second):
            raise not_found
        item = self.services.items.get(keys.DUPLICATES, (tenant.name, id_))
        if item is None:
            raise not_found
        duplicate = replace(duplicate_from(item), are_two=True)
        put = Put(
            keys.DUPLICATES,
            duplicate_item(tenant.name, duplicate),
            (equals("are_two", None, _SAME),),
        )
        try:
            self.services.requests.write_with_answer(tenant.name, [put], request)
        except ConditionFailed:
            raise not_found from None

    def delete_past_pairs(self, tenant: Tenant) -> int:
        """Delete pairs with a face that is gone; return their number.

        May be cut off anywhere and repeated.

        A pair that somebody said to be two people is kept if the face was merged into another one:
        that may be undone. The survivor of that merge and the pair's other face are then noted as
        two people, too.
        """
        stored = map(duplicate_from, walk_items(self.services.items, keys.DUPLICATES, tenant.name))
        survivors = {
            merge.other: merge.survivor
            for merge in self.services.merges.records.list_all(tenant.name)
            if merge.is_active
        }
        deleted_count = 0
        for batch in cut_in_parts(stored, _AT_ONCE):
            existing_faceids = {*self.services.faces.by_id(tenant, _list_faceids(batch))}
            past_pairs = [
                pair for pair in batch if not {pair.first, pair.second} <= existing_faceids
            ]
            may_come_back = existing_faceids | survivors.keys()
            kept_pairs = [
                pair
                for pair in past_pairs
                if pair.are_two and {pair.first, pair.second} <= may_come_back
            ]
            for pair in kept_pairs:
                self._pass_on_note(tenant, pair, survivors)
            deletes = [
                Delete(keys.DUPLICATES, (tenant.name, _id_of_pair(pair)))
                for pair in past_pairs
                if pair not in kept_pairs
            ]
            deleted_count += write_in_parts(self.services.items, deletes)
        return deleted_count

    def _pass_on_note(self, tenant: Tenant, pair: Duplicate, survivors: Mapping[str, str]) -> None:
        """Note that the faces are two people into which the faces of a pair were merged that are
        two people."""
        first, second = pair.first, pair.second
        while first in survivors:
            first = survivors[first]
        while second in survivors:
            second = survivors[second]
        if first != second:
            write(
                self.services.items,
                [
                    two_people_put(
                        tenant.name, Duplicate.make_ordered(first, second, pair.at, pair.decision)
                    )
                ],
            )

    def _read_suggestions(
        self, tenant: Tenant, duplicates: Sequence[Duplicate]
    ) -> list[Suggestion]:
        found_faces = self.services.faces.by_id(tenant, _list_faceids(duplicates))
        faces = {id_: face for id_, face in found_faces.items() if not face.hidden}
        return [
            Suggestion(duplicate, (faces[duplicate.first], faces[duplicate.second]))
            for duplicate in duplicates
            if duplicate.first in faces and duplicate.second in faces
        ]

    @staticmethod
    def make_end_action(
        tenant: str, face: Face, other: Face, duplicates: Iterable[Duplicate]
    ) -> Action:
        """Return the action that ends a suggestion when its faces are joined, on condition that
        nobody has declared them two people meanwhile.

        `duplicates`: what was read of the two.
        """
        pair_key = (tenant, keys.duplicate(face.faceid, other.faceid))
        if_not_two: Condition = equals("are_two", None, _SAME)
        if any(_id_of_pair(duplicate) == pair_key[1] for duplicate in duplicates):
            return Delete(keys.DUPLICATES, pair_key, (if_not_two,))
        return Check(keys.DUPLICATES, pair_key, (absent(_SAME),))


def _id_of_pair(duplicate: Duplicate) -> str:
    return keys.duplicate(duplicate.first, duplicate.second)


def _list_faceids(duplicates: Iterable[Duplicate]) -> list[str]:
    return list(
        dict.fromkeys(
            faceid for duplicate in duplicates for faceid in (duplicate.first, duplicate.second)
        )
    )
