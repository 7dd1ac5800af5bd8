"""Stored faces: reading one, some or all of a group, search by name, and legal holds.

Lists: a group's faces are in two indexes, by enrolment and by arrival. The latter has everything
that a list shows of a face, so a page is one range of it. Storage itself keeps an index up to date.

Names: the transaction that changes a face writes and deletes the terms of its name (domain/names).
So a new name is found at once, and an erased one is gone with its face.

Holds: a face under legal hold loses nothing (domain/rules/hold). The face itself records the hold,
so that each transaction that changes or deletes it sees it. A second item in the directory lets the
list of holds read the held faces only.
"""

from __future__ import annotations

import heapq
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from datetime import datetime, timedelta
from functools import partial
from itertools import islice
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.book.commit import GROUP_ROOM, TENANT_ROOM, Change, GalleryMoved, limited_groups
from chalicelib.book.groups import raise_if_full
from chalicelib.book.idempotency import NO_BODY, RequestId
from chalicelib.book.visits import face_put, visits_deletes
from chalicelib.domain import audit_events
from chalicelib.domain.done import Was
from chalicelib.domain.effects import Effect
from chalicelib.domain.errors import (
    ConditionFailed,
    FaceMerged,
    FaceNotFound,
    GroupFull,
    InvalidInput,
    TooMany,
)
from chalicelib.domain.model import (
    MAX_HIDDEN,
    STRANGER,
    Candidate,
    Edit,
    Face,
    Group,
    Hold,
    JournalEntry,
    ListedFace,
    Tenant,
    is_faceid,
)
from chalicelib.domain.names import (
    is_found,
    is_in_full,
    normalise_name,
    prefix,
    sorting_form,
    wanted_words,
)
from chalicelib.domain.rules.hold import require_no_loss
from chalicelib.domain.rules.templates import FaceSet, entry_of, face_set_of, reduce_templates
from chalicelib.domain.rules.visits import MOST_IN_HEAD
from chalicelib.lazy import lazy
from chalicelib.service import Service
from chalicelib.storage import keys
from chalicelib.storage.items import (
    Bounds,
    FaceOrder,
    ListPage,
    PageTokens,
    cut_in_parts,
    faces_in,
    list_hidden_faceids,
    list_restricted_faceids,
    retry_if_changed,
    walk_items,
)
from chalicelib.storage.ports import Action, Delete, Item, ItemStore, Put, equals
from chalicelib.storage.records.faces import (
    face_from,
    face_puts,
    face_set_from,
    hold_fields,
    hold_from,
    listed_face_from,
    name_item,
    terms_of,
)
from chalicelib.storage.records.observations import visits_from
from chalicelib.storage.values import milliseconds, parse_optional

if TYPE_CHECKING:
    from chalicelib.book.book import Book

_NUMERIC_FACEID = re.compile(r"[0-9]{1,19}")
_KEYS_A_READ = 1_000
"""Items that one read of a group's faces takes; a long list goes on with the next."""


class FacePage(Struct, frozen=True):
    """A page of a group's faces, in the order of the list that was asked for."""

    group: Group
    faces: list[Face]


class ChangedFace(NamedTuple):
    """A changed face, with the change of the gallery (as searches see it) that it needs.

    `was`: what of it differs, as it can be taken back.
    """

    face: Face
    change: Change
    was: Was | None = None


class _FoundFace(NamedTuple):
    """A face that a search in names finds, at the key of the first term that leads to it."""

    term_key: str
    face: Face


def show_all(_face: Face, _text: str) -> bool:
    """Return that a list shows a face that a text found in names (see `is_shown_by_name`)."""
    return True


class Faces(Service["Book"]):
    """The stored faces: one, some, or a group's.

    Beside it their lists, the search in their names, and legal holds.
    """

    @lazy
    def lists(self) -> FaceLists:
        return FaceLists(self.services)

    @lazy
    def holds(self) -> Holds:
        return Holds(self.services)

    def get(self, tenant: Tenant, faceid: str, *, restricted: bool = False) -> Face:
        """Return the face of that id, or raise FaceNotFound; find a `restricted` one, too."""
        face = self.find(tenant, faceid, restricted=restricted)
        if face is None:
            raise self.make_missing_error(tenant, faceid, restricted=restricted)
        return face

    def require_not_merged(self, tenant: Tenant, faceid: str) -> None:
        """Raise FaceMerged if this face was merged into one that exists.

        A face that is there, or is gone for another reason, passes.
        """
        error = self.make_missing_error(tenant, faceid, restricted=True)
        if isinstance(error, FaceMerged) and self.find(tenant, faceid, restricted=True) is None:
            raise error

    def make_missing_error(
        self, tenant: Tenant, faceid: str, *, restricted: bool = False
    ) -> FaceNotFound:
        """Return the error to raise for a face that is not there.

        If it was merged into a face that is there, it is FaceMerged and names that one. After
        merges of a into b, then of b into c, it names c. `restricted` lets a restricted face count
        as there, too.
        """
        into, looked_up = faceid, set[str]()  # ids already followed: merges and undos may circle
        while is_faceid(into) and into not in looked_up:
            looked_up.add(into)
            # What a merge left in place of the face.
            item = self.services.items.get(keys.DIRECTORY, (tenant.name, keys.merged_item(into)))
            if item is None:
                break
            into = str(item["into"])
            if self.find(tenant, into, restricted=restricted):
                return FaceMerged(
                    f"face {faceid!r} was merged into {into!r}: ask for that one", into=into
                )
        return FaceNotFound(f"there is no face {faceid[:70]!r}")

    def list_gone(self, tenant: Tenant, faceids: Iterable[str]) -> set[str]:
        """Return those of these faces that are not there, and did not become a part of one that
        is."""
        missing = [*({*faceids} - self.by_id(tenant, faceids).keys())]
        note_keys = [(tenant.name, keys.merged_item(faceid)) for faceid in missing]
        notes = self.services.items.get_many(keys.DIRECTORY, note_keys) if missing else []
        into = {
            faceid: str(note["into"]) for faceid, note in zip(missing, notes, strict=True) if note
        }
        there = self.by_id(tenant, into.values())
        merged = {
            faceid
            for faceid, survivor in into.items()
            if survivor in there or isinstance(self.make_missing_error(tenant, faceid), FaceMerged)
        }
        return {*missing} - merged

    def find(self, tenant: Tenant, faceid: str, *, restricted: bool = False) -> Face | None:
        """Return the face of that id, or None; with `restricted`, one that is restricted, too."""
        if not is_faceid(faceid):
            return None
        item = self.services.items.get(keys.FACES, (tenant.name, faceid))
        # `gone`: groups that are being deleted; `hidden`: these and that of restricted faces.
        hidden_groups = tenant.gone if restricted else tenant.hidden
        if not item or item["group"] in hidden_groups:
            return None
        return parse_visible_face(tenant, item)

    def list_hidden(self, tenant: Tenant) -> frozenset[str]:
        """Return the ids of the faces that lists of people leave out."""
        return list_hidden_faceids(self.services.items, tenant.name)

    def require_room_for_hidden(self, tenant: Tenant) -> None:
        """Raise TooMany if no further face can be hidden from lists.

        Those that are restricted do not count, since nobody can show them again.
        """
        if len(self.list_hidden(tenant)) < MAX_HIDDEN:
            return
        if self.services.groups.count_hidden(tenant).total() >= MAX_HIDDEN:
            raise TooMany(
                f"{MAX_HIDDEN} people at most are hidden from lists: show some of them again, or "
                "delete those not needed"
            )

    def find_person(self, tenant: Tenant, faceid: str) -> Person:
        """Return the faces of the person that this face shows, restricted ones, too.

        What is asked for one face of a face set with a name, such as a deletion, is meant for all,
        and `Person.faces` has all. A set without a name may be a guess. So `faces` has this face
        alone then, and `others` the rest. Raises FaceNotFound.
        """
        face = self.get(tenant, faceid, restricted=True)
        entry = _face_set_entry(face)
        face_set = self.read_face_set(tenant, entry)
        faceids = list(face_set.faceids) if face_set else []
        is_named = bool(face_set and face_set.name)
        if entry:
            # A restricted face is no longer in `face_set.faceids`, but remembers its set. If all
            # are restricted, the set may be gone: they remember its name, too.
            for other in self.list_restricted(tenant):
                if _face_set_entry(other) != entry:
                    continue
                faceids.append(other.faceid)
                if other.restriction and other.restriction.set_name:
                    is_named = True
        others = tuple(other_id for other_id in dict.fromkeys(faceids) if other_id != faceid)
        if is_named:
            return Person(faces=(faceid, *others), others=())
        return Person(faces=(faceid,), others=others)

    def list_restricted(self, tenant: Tenant) -> list[Face]:
        """Return the restricted faces: kept, but found and shown no more."""
        faceids = list_restricted_faceids(self.services.items, tenant.name)
        return list(self.by_id(tenant, faceids, restricted=True).values())

    def list_withdrawn(self, tenant: Tenant) -> list[Face]:
        """Return the faces whose record of consent was withdrawn or has expired."""
        return [face for face in self.list_restricted(tenant) if has_ended_record(face)]

    def read_face_set(self, tenant: Tenant, entry: str) -> FaceSet | None:
        """Return the face set of this entry in the gallery; None: there is none, or it is ""."""
        if not entry:
            return None
        item = self.services.items.get(keys.DIRECTORY, (tenant.name, keys.face_set_item(entry)))
        return parse_optional(face_set_from, item)

    def find_faceid_with_visits(self, tenant: Tenant, face: Face) -> str:
        """Return the id of the face under which a person's visits are kept.

        A face set has all visits under its first face. Else it is this face.
        """
        face_set = self.read_face_set(tenant, face_set_of(face))
        return face_set.faceids[0] if face_set and face_set.faceids else face.faceid

    def read_page(self, tenant: Tenant, group_name: str, page_num: int, page_size: int) -> FacePage:
        """Return page `page_num` (from 1) of a group's faces by enrolment, oldest first.

        A page has `page_size` faces, 1 to 100. It shows all changes that are done by now, since the
        index has only the ids, by which the faces are read. Raises GroupNotFound.
        """
        group = self.services.groups.get_by_name(tenant, group_name)
        skipped = (page_num - 1) * page_size
        if skipped >= group.count:
            return FacePage(group, [])
        faceids = self._list_ids_of_page(tenant, group, skipped, page_size)
        return FacePage(group, list(self.by_id(tenant, faceids).values()))

    def list_longest_away(self, tenant: Tenant, group_name: str, num: int) -> FacePage:
        """Return the `num` (1 to 10) faces of a group that arrived last the longest ago.

        The longest ago comes first. A face that never arrived counts from its enrolment. Raises
        GroupNotFound.
        """
        group = self.services.groups.get_by_name(tenant, group_name)
        longest_away = islice(self.list_by_arrival(tenant, group, at_once=num), num)
        return FacePage(group, list(longest_away))

    def list_by_arrival(
        self,
        tenant: Tenant,
        group: Group,
        until: datetime | None = None,
        at_once: int = 10,
        since: datetime | None = None,
    ) -> Iterator[Face]:
        """Yield a group's faces by their last arrival, the longest ago first.

        A face that never arrived counts from its enrolment. `since` and `until` bound that time,
        both included; None is no bound. One read takes `at_once` faces.
        """
        # A key is the group, then the time, then the face's id. "" comes before all ids, "~" behind
        # them, so that faces of the very times are included.
        lowest, highest = keys.group_range(group.id)
        low = lowest if since is None else keys.arrival_key(group.id, since, "")
        high = highest if until is None else keys.arrival_key(group.id, until, "~")
        items = faces_in(
            self.services.items,
            tenant.name,
            group.id,
            "by_arrival",
            between=(low, high),
            page_size=at_once,
        )
        faceids = (item["faceid"] for item in items)  # read as the caller goes on
        for batch in cut_in_parts(faceids, at_once):
            yield from self.by_id(tenant, batch).values()

    def by_id(
        self, tenant: Tenant, faceids: Iterable[str], *, restricted: bool = False
    ) -> dict[str, Face]:
        """Return those of these faces that exist, by id, in the order of the ids.

        With `restricted`, return restricted ones, too.
        """
        # Each once, in their order.
        legal_ids = dict.fromkeys(faceid for faceid in faceids if is_faceid(faceid))
        face_keys = [(tenant.name, faceid) for faceid in legal_ids]
        items = self.services.items.get_many(keys.FACES, face_keys)
        hidden_groups = tenant.gone if restricted else tenant.hidden
        return {
            item["faceid"]: parse_visible_face(tenant, item)
            for item in items
            if item and item["group"] not in hidden_groups
        }

    def read_candidate_faces(
        self, tenant: Tenant, candidates: Iterable[Candidate]
    ) -> dict[str, Face]:
        """Return the faces that a search found (candidates), by id.

        Raises GalleryMoved if one is gone or in another group by now: the caller searches again.
        """
        group_ids = {candidate.faceid: candidate.group_id for candidate in candidates}
        faces = self.by_id(tenant, group_ids)
        for faceid, group_id in group_ids.items():
            if faceid not in faces or faces[faceid].group_id != group_id:
                raise GalleryMoved
        return faces

    def find_by_sightings(
        self, tenant: Tenant, sightings: Mapping[tuple[int, str], str]
    ) -> dict[str, Face]:
        """Return the faces that these sightings show now, by the sightings' ids.

        `sightings` has, by (time in ms, id) of each, the id of its face as a caller knew it. If
        that face is gone, it may have been merged into another. Then the sighting's observation
        (its record in statistics) names the other one. A sighting whose face is gone is left out.
        """
        faces = self.by_id(tenant, sightings.values())
        faceids = {id_: faceid for (_, id_), faceid in sightings.items()}
        without_face = [sighting for sighting, faceid in sightings.items() if faceid not in faces]
        if without_face:
            observation_keys = [keys.observation(tenant.name, *each) for each in without_face]
            observations = self.services.items.get_many(keys.OBSERVATIONS, observation_keys)
            moved_faceids = {
                id_: str(item["faceid"])
                for (_, id_), item in zip(without_face, observations, strict=True)
                if item
            }
            faceids |= moved_faceids
            faces |= self.by_id(tenant, moved_faceids.values())
        return {id_: faces[faceid] for id_, faceid in faceids.items() if faceid in faces}

    def read_faces_in_group(
        self, tenant: Tenant, group: Group, faceids: Sequence[str]
    ) -> dict[str, Face]:
        """Return those of these faces that are in the group, by id, in the ids' order."""
        return {
            id_: face
            for id_, face in self.by_id(tenant, faceids).items()
            if face.group_id == group.id
        }

    @retry_if_changed(
        "this face is changed by others all the time: send the request again in a moment"
    )
    def change_face(
        self,
        tenant: Tenant,
        faceid: str,
        change: Callable[[Face], tuple[Face, Change] | None],
        request: RequestId | None,
        *,
        restricted: bool = False,
    ) -> Face:
        """Change a stored face, and return the face as it is stored then.

        `change` gets the face as read, and writes nothing. It returns the face as it is to be, with
        the Change of the gallery (what searches see), or None if nothing has to change. If others
        changed the face or the gallery meanwhile, the decorator reads the face and calls `change`
        again. `request` is the client's call, a repeat of which changes nothing twice. `restricted`
        takes a restricted face, too (kept, but used for nothing). Raises FaceNotFound, Busy, and as
        `store_changed_face`.
        """
        face = self.get(tenant, faceid, restricted=restricted)
        changed = change(face)
        if changed is None:
            # The call counts as done, too: a repeat does nothing.
            self.services.requests.write_with_answer(tenant.name, [], request)
            return face
        after, gallery_change = changed
        return self.store_changed_face(tenant, face, after, gallery_change, request)

    def store_changed_face(
        self,
        tenant: Tenant,
        before: Face,
        after: Face,
        change: Change,
        request: RequestId | None = None,
        body: Mapping[str, Any] = NO_BODY,
        *,
        was: Was | None = None,
    ) -> Face:
        """Store a changed face with its `change` of the gallery; return the face as it is stored.

        All is one transaction, with the answer to `request` (`body`), which a repeat gets. `was`
        says what somebody changes by hand, who may take it back. After
        that, pictures that the face lost are deleted. If it is refused, the new ones are. Raises
        ConditionFailed if others changed the face since it was read as `before`: the caller reads
        the face and tries again. Raises GroupFull, FaceHeld (the face would lose something under
        legal hold), WrongModel; AnsweredAlready if the same request, sent twice, was done first.
        """
        answer_actions = self.services.requests.make_answer_actions(tenant.name, request, body)
        try:
            with (
                self.services.requests.raise_if_answered(tenant.name, request),
                self.services.face_pictures.replace_pictures(
                    before=before.picture_keys, after=after.picture_keys
                ),
            ):
                put = replace(face_put(tenant, before, after), was=was)
                renames = rename_actions(tenant.name, before, after)
                actions = (put, *renames, *change.actions, *answer_actions)
                self.services.writer.save(tenant.name, replace(change, actions=actions))
        except ConditionFailed as error:
            self._raise_if_no_room(tenant, after.group_id, error)
            raise  # the caller may try again
        return face_from(put.item)

    def _raise_if_no_room(self, tenant: Tenant, group_id: str, error: ConditionFailed) -> None:
        """Raise GroupFull if storage refused a face since its group or the tenant is full.

        `error` names the conditions that failed. Return if it was another one, or if the group has
        room again by now: then another try may succeed.
        """
        if f"{GROUP_ROOM}:{group_id}" in error.names:
            raise_if_full(self.services.groups.find_by_id(tenant, group_id))
        if TENANT_ROOM in error.names:
            raise GroupFull(
                "there is no room for this face, since the tenant is full: delete some first"
            ) from None

    def search_by_name(
        self,
        tenant: Tenant,
        name: str,
        limit: int,
        token: str | None = None,
        *,
        shows: Callable[[Face, str], bool] = show_all,
    ) -> ListPage[Face]:
        """Return a page of the faces whose names have words that start with each word of `name`.

        `an smi` finds `Anna Smith`, and "jose" finds "josé". A word of Chinese, Japanese or Korean
        is found within a run of these, too, and a face's number as a word of its name. Each word of
        a stored name is an item (term): "smith#ID" leads to a face. A page walks the terms that
        begin with the longest word of `name`, since these are the fewest. Of their faces it keeps
        those that the other words find, too, and that `shows` takes. `token` holds the term where
        the page before ended.
        Raises InvalidInput if `name` has no letter and no digit, or the token is damaged.
        """
        words = wanted_words(name)
        if not words:
            raise InvalidInput(
                f"name has at least one letter or digit to search by, and {name[:40]!r} has none"
            )
        pages = PageTokens(json.dumps(["faces by name", tenant.name, words]))
        longest_prefix = prefix(max(words, key=len))
        last_term = pages.parse_position(token, lambda text: bytes.fromhex(text).decode())
        stored_items = walk_items(
            self.services.items,
            keys.NAMES,
            tenant.name,
            between=keys.name_terms_range(longest_prefix),
            behind=last_term,
            page_size=_AT_ONCE,
        )
        # It reads a thousand terms at most, even if few of them lead to a face. Behind the last
        # one, found or only read, the next page begins.
        page = pages.make_filtered_page(
            stored_rows=(str(item["term"]) for item in stored_items),
            position_of_stored=_to_hex,
            limit=limit,
            make_rows=lambda term_keys: [
                found
                for found in self._find_faces_at_terms(tenant, words, longest_prefix, term_keys)
                if shows(found.face, name)
            ],
            position_of_row=lambda found: _to_hex(found.term_key),
        )
        return ListPage([found.face for found in page.rows], page.next_token)

    def _find_faces_at_terms(
        self, tenant: Tenant, words: Sequence[str], longest_prefix: str, term_keys: list[str]
    ) -> list[_FoundFace]:
        """Return the faces that all words find, of those to which these terms lead, in their order.

        A term is a word of a stored name, with its key "word#face's id". Two terms of one name may
        begin with the longest word: `an` leads to Anna Anders by "anders" and by "anna". The face
        is returned at the first only ("anders"). Else it would be listed twice, maybe on two pages.
        """
        parsed_keys = [(term_key, *keys.parts_of_name_term(term_key)) for term_key in term_keys]
        faces = self.by_id(tenant, [faceid for _, _, faceid in parsed_keys])
        found_faces = []
        for term_key, term, faceid in parsed_keys:
            if faceid not in faces:
                continue
            # Those of its present name: others than the index has, if it was renamed just now.
            face_terms = terms_of(faces[faceid])
            if not is_found(face_terms, words):
                continue
            first_term = min(each for each in face_terms if each.startswith(longest_prefix))
            if term == first_term:
                found_faces.append(_FoundFace(term_key, faces[faceid]))
        return found_faces

    def _list_ids_of_page(
        self, tenant: Tenant, group: Group, skipped: int, page_size: int
    ) -> list[str]:
        """Return the ids of a group's faces on one page, by enrolment, the oldest first.

        The index is read from its nearer end. Of 1,000 faces, those at places 900 to 950 are found
        by reading the last hundred backwards.
        """
        count_behind = max(group.count - skipped - page_size, 0)  # faces after the page
        from_end = skipped > count_behind
        # How many ids are read from that end, the page's being the last of them.
        count = group.count - skipped if from_end else skipped + page_size
        at_once = min(count, _KEYS_A_READ)
        items = faces_in(
            self.services.items, tenant.name, group.id, reverse=from_end, page_size=at_once
        )
        faceids = [item["faceid"] for item in islice(items, count)]
        return faceids[count_behind:][::-1] if from_end else faceids[skipped:]


def parse_visible_face(tenant: Tenant, item: Item) -> Face:
    """Return the face that an item stores, as it is shown.

    Estimates, such as the age, that the tenant has switched off since are left out.
    """
    face = face_from(item)
    if not tenant.unestimated:
        return face
    pictures = [
        replace(picture, estimates=tenant.visible(picture.estimates)) for picture in face.pictures
    ]
    return replace(face, pictures=tuple(pictures))


def make_listed_face(tenant: Tenant, item: Item) -> ListedFace:
    """Return a face as a list shows it, without estimates that were switched off since."""
    face = listed_face_from(item)
    return replace(face, estimates=tenant.visible(face.estimates))


def require_faceid(tenant: Tenant, faceid: str) -> None:
    """Raise InvalidInput unless a face of this tenant may have this id.

    Some tenants' ids are numbers alone, since a client of theirs can hold no others.
    """
    if not tenant.numeric_faceids_only:
        if not is_faceid(faceid):
            raise InvalidInput(
                f"the id of a face is 1 to 64 letters, digits, `_` and `-`, not {faceid[:70]!r}"
            )
        return
    is_number = _NUMERIC_FACEID.fullmatch(faceid) and 1 <= int(faceid) < 2**63
    if not is_number:
        raise InvalidInput(
            f"the id of a face is a whole number from 1 to {2**63 - 1}, not {faceid[:70]!r}"
        )


MAX_HOLDS = 1_000
"""Most held faces of a tenant. The list is one answer, and each retention reads all of them."""

REASON_LENGTH = 500
"""Characters of the reason that a legal hold or a restriction is set for."""


class HeldFace(NamedTuple):
    faceid: str
    hold: Hold


def hold_put(tenant: str, face: Face) -> Put:
    """Return the action that lists a held face.

    The list is an item beside each such face, so that not all faces need to be read for it.
    """
    item = {"tenant": tenant, "item": keys.hold_item(face.faceid), "faceid": face.faceid}
    return Put(keys.DIRECTORY, {**item, **hold_fields(face)})


def hold_delete(tenant: str, faceid: str) -> Delete:
    return Delete(keys.DIRECTORY, (tenant, keys.hold_item(faceid)))


class Person(NamedTuple):
    """The faces of one person, one of which was named in a request.

    `faces`: what a change of that face takes if nothing else is said. That is all faces of a person
    with a name, else the named one alone. `others`: the rest, of a person without name.
    """

    faces: tuple[str, ...]
    others: tuple[str, ...]

    def choose_faces(self, whole: bool | None) -> tuple[str, ...]:
        """Return which faces a change takes: all (True), or the named one alone (False).

        None: nobody says. Then it takes all of a person with a name, else the named one.
        """
        if whole is None:
            return self.faces
        return (*self.faces, *self.others) if whole else self.faces[:1]


def _face_set_entry(face: Face) -> str:
    """Return the gallery entry of a face's set; "" if it has none.

    A restricted face has left its group and its set. It remembers both, so the set before counts.
    """
    restriction = face.restriction
    if restriction is None:
        return face_set_of(face)
    return entry_of(restriction.group_id, restriction.face_set) if restriction.face_set else ""


class Holds(Service["Book"]):
    """Legal holds: a held face is kept, even if something else would delete it."""

    most: int = MAX_HOLDS

    def list_all(self, tenant: str) -> list[HeldFace]:
        """Return all held faces, by id. Reads these only."""
        stored_items = walk_items(self.services.items, keys.DIRECTORY, tenant, between=keys.HOLDS)
        return [
            HeldFace(item["faceid"], hold) for item in stored_items if (hold := hold_from(item))
        ]

    def set(
        self, tenant: Tenant, faceid: str, reason: str, request: RequestId | None = None
    ) -> Face:
        """Put a legal hold on a face, so that it cannot be deleted; return it. If it is held
        already, change the reason.

        Raises InvalidInput, FaceNotFound, TooMany, Busy, AnsweredAlready.
        """
        reason = check_reason(reason, "hold", is_set=True)
        self.require_room(tenant, [faceid])
        return self._change_hold(tenant, faceid, reason, request)

    def require_room(self, tenant: Tenant, faceids: Sequence[str]) -> None:
        """Raise TooMany if these faces cannot all be put under legal hold."""
        held_ids = {held.faceid for held in self.list_all(tenant.name)}
        # If more are held already than may be, those may be set again, but no new one.
        if len(held_ids.union(faceids)) > max(self.most, len(held_ids)):
            raise TooMany(
                f"a tenant holds {self.most} faces at most, {len(held_ids)} now: lift the holds "
                "that are over"
            )

    def lift(
        self, tenant: Tenant, faceid: str, reason: str, request: RequestId | None = None
    ) -> Face:
        """End a face's hold, if it has one, for this reason, which the audit has. Return the face.

        Raises InvalidInput, FaceNotFound, Busy, AnsweredAlready.
        """
        check_reason(reason, "hold", is_set=False)
        return self._change_hold(tenant, faceid, None, request)

    def _change_hold(
        self, tenant: Tenant, faceid: str, reason: str | None, request: RequestId | None
    ) -> Face:
        """Hold a face, so that nobody may delete it, or release it; return it as it is then.

        `reason` says why it is held; None ends the hold. A held face that is held again gets the
        new reason, and keeps its time. Raises FaceNotFound, Busy, AnsweredAlready.
        """

        def change_hold(face: Face) -> tuple[Face, Change] | None:
            if reason is None:
                after = replace(face, hold=None)
                list_action: Action = hold_delete(tenant.name, faceid)
            else:
                since = face.hold.at if face.hold else self.services.clock.now()
                after = replace(face, hold=Hold(reason, since))
                list_action = hold_put(tenant.name, after)
            if after == face:
                return None
            # Searches need not learn of it (no journal). `required_groups` makes it a commit all
            # the same. A group is deleted only while none of its faces is held: a commit between
            # that check and the deletion has both done again.
            change = Change((list_action,), journal=(), required_groups=frozenset({face.group_id}))
            return replace(after, changed_at=self.services.clock.now()), change

        return self.services.faces.change_face(
            tenant, faceid, change_hold, request, restricted=True
        )


def check_reason(reason: str, of: str, *, is_set: bool) -> str:
    """Return the reason as it is stored, and report it to the audit log.

    `of` is what it is for ("hold"), `is_set` whether that is set or ended. Raises InvalidInput.
    """
    reason = normalise_name(reason, REASON_LENGTH).strip()
    if not 1 <= len(reason) <= REASON_LENGTH:
        raise InvalidInput(
            f"the reason of a {of} has 1 to {REASON_LENGTH} characters, not {len(reason)}"
        )
    audit_events.add_details(reason=reason, is_set=is_set)
    return reason


_AT_ONCE = 100
"""Terms that are read at once, with their faces."""


def drop_feelings(group: Group, face: Face) -> Face:
    """Return the face as it is kept in this group, one of staff without emotion and beauty.

    A face under legal hold stays as it is. So does a restricted one, which is kept but not used.
    """
    if not group.staff or face.hold is not None or face.restriction is not None:
        return face
    pictures = [
        replace(picture, estimates=group.leave_kept(picture.estimates)) for picture in face.pictures
    ]
    return replace(face, pictures=tuple(pictures))


def make_enrolment_change(
    tenant: Tenant, group: Group, faces: Sequence[Face], actions: Iterable[Action]
) -> Change:
    """Return the change of the gallery that adds new faces to a group; nothing is written yet.

    `actions` are more writes of the same transaction. The journal, from which searches learn of the
    faces, gets an entry of each, with its templates (vectors). The commit is refused if the group
    has no room for them. Raises ConsentMissing.
    """
    puts: list[Action] = []
    for face in faces:
        puts += face_puts(tenant, drop_feelings(group, face))
    entries = [
        JournalEntry(Edit.PUT, face.faceid, face.group_id, reduce_templates(face.templates))
        for face in faces
    ]
    return Change(
        actions=(*puts, *actions),
        journal=tuple(entries),
        counts={group.id: len(faces)},
        limited_groups=limited_groups(group),
    )


def is_shown_by_name(face: Face, text: str) -> bool:
    """Return whether a list shows a face that a text found in names.

    One that is hidden from lists is shown only if its name, or its number, is typed in full.
    """
    return not face.hidden or is_in_full(text, face.name, face.number)


def rename_actions(tenant: str, before: Face, after: Face) -> list[Action]:
    """Return the actions that a changed face's terms need, for the transaction that stores it.

    They change with its name, and as it is hidden from lists or listed again.
    """
    old_terms, new_terms = terms_of(before), terms_of(after)
    deletes = [
        Delete(keys.NAMES, _term_key(tenant, before.faceid, term))
        for term in old_terms
        if term not in new_terms
    ]
    puts = [
        Put(keys.NAMES, name_item(tenant, after.faceid, term))
        for term in new_terms
        if term not in old_terms
    ]
    return [*deletes, *puts]


def name_deletes(tenant: str, face: Face) -> list[Action]:
    """Return the actions that delete a face's terms, for the transaction that deletes the face."""
    return [Delete(keys.NAMES, _term_key(tenant, face.faceid, term)) for term in terms_of(face)]


def has_ended_record(face: Face) -> bool:
    """Return whether a face is restricted since its record of consent has ended."""
    return face.restriction is not None and bool(face.restriction.ended)


def face_deletes(items: ItemStore, tenant: str, face: Face) -> list[Action]:
    """Return the writes that delete a face, its visits and the words of its name (terms).

    They are refused if somebody changed or moved the face since it was read. Raises FaceHeld.
    """
    require_no_loss(face)
    if_same = (
        equals("version", face.version, "face-same"),
        equals("group", face.group_id, "face-same"),
    )
    delete_face = Delete(
        keys.FACES, (tenant, face.faceid), if_same, does=((Effect.DELETES, face.faceid),)
    )
    # With more visits than one item holds, that item (the head) tells which others (pages) there
    # are. With fewer there are no pages, and the head is deleted unread. New pages come with new
    # arrivals, which change the face's version, too: then all is refused.
    stored_visits = None
    if face.arrive_count > MOST_IN_HEAD:
        stored_visits = items.get(keys.ARRIVALS, (tenant, face.faceid))
    delete_visits = visits_deletes(tenant, face.faceid, visits_from(stored_visits))
    return [delete_face, *delete_visits, *name_deletes(tenant, face)]


def _term_key(tenant: str, faceid: str, term: str) -> tuple[str, str]:
    return tenant, keys.name_term(term, faceid)


def _to_hex(term_key: str) -> str:
    return term_key.encode().hex()


MAX_MERGED = 100
"""Most groups whose lists are merged: each page reads each of them."""

_LEAST_OF_A_GROUP = 10
"""Least faces of each group that are read at once. Of many groups, most come behind the page."""

_INDEXES = {FaceOrder.ENROLLED: "by_enrolment", FaceOrder.ARRIVED: "by_arrival"}
_SORTED: Mapping[FaceOrder, tuple[type, ...]] = {
    FaceOrder.NAME: (bool, str, str),
    FaceOrder.VISITS: (int, str),
}
"""Orders that no index has, with the types of what a face is sorted by (`_make_rank`)."""
_RANKED_BY = {FaceOrder.NAME: "name", FaceOrder.VISITS: "arrive_count"}
"""The attribute of a face that each of them needs."""
_LISTED = keys.FACES.projections["by_arrival"]
"""The attributes of a row in a list."""
_MS = timedelta(milliseconds=1)
"""The smallest step of a time that is stored."""
_CLOCKS_DIFFER_MS = 60_000
"""How much later than now a first page may have been read, by the clock of another machine."""


Rank = tuple[Any, ...]
"""Rank of a face in an order that no index has: by visits, (12, "anna")."""


class _ListQuery(NamedTuple):
    """The faces that a list shows, of a group or of all (None); `limit` of them are on a page.

    `left_out`: the ids of faces that it does not show.
    """

    tenant: Tenant
    group_name: str | None
    order: FaceOrder
    limit: int
    descending: bool
    left_out: Set[str] = frozenset()

    def shows(self, listed: _Ranked | _Placed) -> bool:
        return listed.item["faceid"] not in self.left_out


class _SortedPosition(NamedTuple):
    """When a sorted list's first page was read, and the rank at which the page before ended."""

    begun_ms: int
    last_rank: Rank | None


class _Ranked(NamedTuple):
    """A face of a list that is sorted by ranks, and a few of the face's columns."""

    rank: Rank
    item: Item


class _Placed(NamedTuple):
    """A face in an index: the position there, such as "time#id", and what the index has of it."""

    position: str
    item: Item


class FaceIds(NamedTuple):
    """The ids of all faces of a list, and the gallery's seq before they were read."""

    ids: list[str]
    seq: int


def _list_shown(tenant: Tenant, items: Iterable[Item | None]) -> list[ListedFace]:
    """Return the faces of a page, without those that were restricted after they were listed."""
    return [
        make_listed_face(tenant, item)
        for item in items
        if item and item["group"] not in tenant.hidden
    ]


class FaceLists(Service["Book"]):
    """Lists of the faces of a group or of all groups: in pages, or all ids at once.

    A position is where a face stands in a list: the time that it is sorted by, and its id.
    """

    max_ids = 100_000
    """Most ids of one answer: about 2 MB of JSON."""
    max_sorted = 10_000
    """Most faces of a list that is sorted anew for each page: about 4 MB are read for its keys."""
    longest_sorted = timedelta(hours=1)
    """Age of the first page from which on such a list goes on no more. Of each face that came
    since, visits are read, so nobody may choose a time long ago."""

    def read_page(
        self,
        tenant: Tenant,
        group_name: str | None,
        order: FaceOrder,
        limit: int,
        token: str | None = None,
        *,
        descending: bool = False,
        left_out: Set[str] = frozenset(),
    ) -> ListPage[ListedFace]:
        """Return a page of the faces of a group, or of all groups (None), in an order.

        By name and by visits, all faces are sorted for each page. By id they are read from the
        table; by enrolment and arrival, an index has each group's list, and these are merged.
        `token` says where the page before ended; None is the first page. `left_out` has the ids of
        faces that are not shown. Faces that come or move meanwhile may be missing. Raises
        GroupNotFound, TooMany (faces to be sorted). Raises InvalidInput for a bad token, one group
        by id, or over 100 groups in another order.
        """
        pages = PageTokens(json.dumps(["faces", tenant.name, group_name, order, descending]))
        query = _ListQuery(tenant, group_name, order, limit, descending, left_out)
        if order in _SORTED:
            return self._make_sorted_page(query, pages, token)
        last_position = pages.parse_position(token, str)  # of the page before's last face
        if order is FaceOrder.ID:
            placed_items = self._list_by_id(query, last_position)
        else:
            groups = self._read_groups(tenant, group_name)
            placed_items = self._merge_group_lists(query, groups, last_position)
        shown = filter(query.shows, placed_items)
        page = pages.make_first_page(shown, limit, itemgetter(0))  # [0]: the position
        items: list[Item | None] = [placed.item for placed in page.rows]
        if order is FaceOrder.ENROLLED and items:  # its index has keys alone, so the rest is read
            items = self._read_whole(tenant, [placed.item["faceid"] for placed in page.rows])
        return ListPage(_list_shown(tenant, items), page.next_token)

    def list_by_enrolment(
        self, tenant: Tenant, group: Group, limit: int, behind: str | None
    ) -> tuple[list[Face], str | None]:
        """Return a page of a group's faces, first enrolled first, and the position where it ends.

        That is "time#id" of its last face; None comes with the last page. `behind` is the position
        of the page before; None is the first page. Faces that come and go meanwhile make no other
        appear twice or never.
        """
        query = _ListQuery(tenant, group.name, FaceOrder.ENROLLED, limit, descending=False)
        merged = self._merge_group_lists(query, [group], behind)
        # One more than the page has, to know whether there is another page.
        positions = [position for position, _ in islice(merged, limit + 1)]
        return self._read_faces_at(tenant, group, positions, limit)

    def list_wanted_by_enrolment(
        self,
        tenant: Tenant,
        group: Group,
        limit: int,
        behind: str | None,
        wanted_faceids: Sequence[str],
    ) -> tuple[list[Face], str | None]:
        """Return a page of the wanted faces that are in the group, and the position where it ends.

        First enrolled come first. The position is "time#id" of its last face, by enrolment; None if
        no page follows. `behind` is that of the page before; None is the first page. All wanted
        faces are read for each page, and then those of the page once more.
        """
        face_keys = [(tenant.name, faceid) for faceid in dict.fromkeys(wanted_faceids)]
        positions = []
        for item in self.services.items.get_many(keys.FACES, face_keys):
            if not item or item["group"] != group.id:  # deleted, or moved to another group
                continue
            position = _position_in_list(item, "by_enrolment")
            if behind is None or position > behind:
                positions.append(position)
        # In the order of time, then id. One more than the page has tells that there is another.
        return self._read_faces_at(tenant, group, sorted(positions)[: limit + 1], limit)

    def _read_faces_at(
        self, tenant: Tenant, group: Group, positions: Sequence[str], limit: int
    ) -> tuple[list[Face], str | None]:
        """Return the group's faces at the first `limit` positions ("time#id") of its list.

        A face that has left the group meanwhile is left out. Return, too, the last of these
        positions if there are more; else None.
        """
        page_positions = positions[:limit]
        faceids = [_faceid_of_position(position) for position in page_positions]
        faces = [
            parse_visible_face(tenant, item)
            for item in self._read_whole(tenant, faceids)
            if item and item["group"] == group.id
        ]
        return faces, page_positions[-1] if len(positions) > limit else None

    def list_ids(
        self,
        tenant: Tenant,
        group_name: str | None,
        order: FaceOrder,
        *,
        descending: bool = False,
        known: bool = False,
    ) -> FaceIds:
        """Return the ids of all faces of a group, or of all groups (None), in an order.

        With them comes the gallery's version (seq), read before them: who reads its changes from
        there on misses none. `known` leaves out strangers, whom cameras saw and nobody named.
        Raises GroupNotFound, TooMany if over 100,000.
        """
        if group_name is None:
            groups, group_id = self.services.groups.list_all(tenant), None
        else:
            group = self.services.groups.get_by_name(tenant, group_name)
            groups, group_id = [group], group.id
        hidden = {*tenant.hidden, STRANGER} if known else tenant.hidden
        count = sum(group.count for group in groups if group.id not in hidden)
        if count > self.max_ids:
            raise TooMany(
                f"these are {count} faces, and {self.max_ids} ids are answered at once: list them "
                "by pages"
            )

        seq = self.services.writer.read_seq(tenant.name)
        index = "by_arrival" if order in _SORTED else _INDEXES.get(order, "by_enrolment")
        carried = (_RANKED_BY[order],) if order in _RANKED_BY else ()  # the sort's column
        ranks: list[Rank] = []  # what each face is sorted by; its id comes last
        for between in _list_ranges(group_id, known=known):
            items = walk_items(
                self.services.items,
                keys.FACES,
                tenant.name,
                index=index,
                between=between,
                carried=carried,
            )
            for item in items:
                # A key of the index is `group#time#id`.
                id_of_group, _, _ = item[keys.FACES.indexes[index]].partition("#")
                if id_of_group not in hidden:
                    ranks.append(_make_rank(item, order))
        return FaceIds([rank[-1] for rank in sorted(ranks, reverse=descending)], seq)

    def list_every_id(self, tenant: Tenant) -> Iterator[str]:
        """Yield the ids of all faces, however many, restricted ones too."""
        return (
            item["faceid"]
            for item in walk_items(
                self.services.items, keys.FACES, tenant.name, index="by_enrolment"
            )
        )

    def _make_sorted_page(
        self, query: _ListQuery, pages: PageTokens, token: str | None
    ) -> ListPage[ListedFace]:
        """Return a page of faces in an order that no index has, by name or by number of visits.

        So all faces are sorted for each page, by their ranks: (12, "anna") are 12 visits of anna.
        The token has the last rank of the page before, and when the first page was read. Visits
        since then do not count. Else who comes between two pages would be on both, or on neither.
        Raises TooMany; InvalidInput for a token that is damaged or over an hour old.
        """
        groups = self._read_groups(query.tenant, query.group_name)
        number = sum(group.count for group in groups)
        if number > self.max_sorted:
            raise TooMany(
                f"these are {number} faces, and {self.max_sorted} are sorted at most: name a "
                "group, or read face-ids, which has all in this order"
            )
        begun_ms, last_rank = self._read_sorted_position(pages, token, query.order)
        ranked = [*filter(query.shows, self._rank_faces(query, groups, begun_ms))]
        # Leave out the pages before: what comes behind their last rank goes on.
        if last_rank is not None and query.descending:
            ranked = [each for each in ranked if each.rank < last_rank]
        elif last_rank is not None:
            ranked = [each for each in ranked if each.rank > last_rank]
        page = pages.make_first_page(
            ranked, query.limit, lambda each: json.dumps([begun_ms, each.rank])
        )
        items = self._read_whole(query.tenant, [each.item["faceid"] for each in page.rows])
        return ListPage(_list_shown(query.tenant, items), page.next_token)

    def _read_whole(self, tenant: Tenant, faceids: Sequence[str]) -> list[Item | None]:
        """Read the faces of a page that were listed by a few columns."""
        face_keys = [(tenant.name, faceid) for faceid in faceids]
        return self.services.items.get_many(keys.FACES, face_keys)

    def _read_sorted_position(
        self, pages: PageTokens, token: str | None, order: FaceOrder
    ) -> _SortedPosition:
        """Return when a list's first page was read, and the rank behind which to go on.

        A rank is what a face is sorted by; by visits, it is (12, "anna"). Without a token it is now
        and None. Raises InvalidInput if the token is damaged or over an hour old.
        """
        now_ms = milliseconds(self.services.clock.now())
        position = pages.parse_position(token, partial(parse_rank_position, order))
        if position is None:
            return _SortedPosition(now_ms, None)
        begun_ms, rank = position
        # A little before now, or by another machine's clock a little after.
        if not -_CLOCKS_DIFFER_MS <= now_ms - begun_ms <= self.longest_sorted / _MS:
            raise InvalidInput(
                "this page token is stale: a list in this order goes on for an hour after its "
                "first page; start again without it"
            )
        return _SortedPosition(begun_ms, rank)

    def _rank_faces(
        self, query: _ListQuery, groups: Iterable[Group], begun_ms: int
    ) -> list[_Ranked]:
        """Return these groups' faces, sorted by their ranks: name, or number of visits.

        Visits since `begun_ms`, when the first page was read, do not count: the order stays so.
        """
        tenant, order = query.tenant, query.order
        carried = (_RANKED_BY[order],)
        ranked = []
        # The index has a group's faces with the column that this order sorts by.
        for group in groups:
            items = faces_in(
                self.services.items, tenant.name, group.id, "by_arrival", carried=carried
            )
            for item in items:
                visits_since = self._count_visits_since(tenant, item, order, begun_ms)
                ranked.append(_Ranked(_make_rank(item, order, visits_since), item))
        return sorted(ranked, key=itemgetter(0), reverse=query.descending)  # [0]: the rank

    def _count_visits_since(
        self, tenant: Tenant, item: Item, order: FaceOrder, since_ms: int
    ) -> int:
        """Return how many visits a face began since a time; 0 unless the order is by visits.

        `item` is the face as an index has it. Its visits are read only if the last is so late.
        """
        if order is not FaceOrder.VISITS:
            return 0
        last_ms = int(_position_in_list(item, "by_arrival").partition("#")[0])
        if last_ms < since_ms:
            return 0
        visits = visits_from(self.services.items.get(keys.ARRIVALS, (tenant.name, item["faceid"])))
        return sum(arrival.first_ms >= since_ms for arrival in visits.arrivals.recent)

    def _list_by_id(self, query: _ListQuery, behind: str | None) -> Iterator[_Placed]:
        """Yield all groups' faces in the order of their ids; an id is the face's position, too.

        They begin behind the id `behind`; None is the first. Hardly more are read at once than one
        page shows (`limit`). Raises InvalidInput if one group is named, since
        the table is by id, whatever the group.
        """
        if query.group_name is not None:
            raise InvalidInput(
                "order id lists the faces of all groups: leave out group, or take another order"
            )
        stored_items = walk_items(
            self.services.items,
            keys.FACES,
            query.tenant.name,
            behind=behind,
            reverse=query.descending,
            page_size=query.limit + 2,
        )
        # Faces of groups that are being deleted, and restricted ones, are hidden.
        return (
            _Placed(item["faceid"], item)
            for item in stored_items
            if item["group"] not in query.tenant.hidden
        )

    def _read_groups(self, tenant: Tenant, group_name: str | None) -> list[Group]:
        """Return the group of that name, or all (None), if these are not too many for one list.

        Raises GroupNotFound, InvalidInput.
        """
        if group_name is not None:
            return [self.services.groups.get_by_name(tenant, group_name)]
        groups = self.services.groups.list_all(tenant)
        if len(groups) > MAX_MERGED:
            raise InvalidInput(
                f"there are {len(groups)} groups, and the lists of {MAX_MERGED} are merged at "
                "most: name a group, or take order id"
            )
        return groups

    def _merge_group_lists(
        self, query: _ListQuery, groups: Sequence[Group], behind: str | None
    ) -> Iterator[_Placed]:
        """Yield the faces of several groups as one list in this order.

        A position is "time#id", by which each group's list in the index is sorted. The list begins
        behind `behind`; None: with the first. Hardly more are read than one page shows (`limit`).
        An item is what the index has of a face: all that a list shows
        (`has_rows`), or its keys alone.
        """
        index = _INDEXES[query.order]
        has_rows = index in keys.FACES.projections
        groups = [group for group in groups if group.count]
        at_once = query.limit  # keys are small
        if has_rows:  # of many groups, each has few of the page's faces
            at_once = max(query.limit // max(len(groups), 1), _LEAST_OF_A_GROUP)

        def list_group(group: Group) -> Iterator[_Placed]:
            # A key of the index is the group, then the position.
            first_key, _ = keys.group_range(group.id)
            group_items = faces_in(
                self.services.items,
                query.tenant.name,
                group.id,
                index,
                carried=_LISTED if has_rows else (),
                behind=None if behind is None else f"{first_key}{behind}",
                reverse=query.descending,
                page_size=at_once + 2,
            )
            return (_Placed(_position_in_list(item, index), item) for item in group_items)

        return heapq.merge(*map(list_group, groups), key=itemgetter(0), reverse=query.descending)


def _list_ranges(group_id: str | None, *, known: bool) -> list[Bounds]:
    """Return the ranges of an index that hold a group's faces, or those of all groups (None).

    `known` leaves out strangers. That is two ranges, before and behind theirs. Most faces are
    strangers, so they are not even read.
    """
    if group_id is not None:
        return [keys.group_range(group_id)]
    if not known:
        return [(None, None)]  # all of it
    strangers, behind_strangers = keys.group_range(STRANGER)
    return [(None, strangers), (behind_strangers, None)]


def _position_in_list(item: Item, index: str) -> str:
    """Return the position of a face in its group's list: the instant, and its id."""
    return str(item[keys.FACES.indexes[index]]).partition("#")[2]


def _make_rank(item: Item, order: FaceOrder, visits_since: int = 0) -> Rank:
    """Return what a face is sorted by in an order, its id last. `item` is as an index has it.

    By name that is (False, "anna", id), and (True, "", id) of a face without one, so that those
    come last. By visits it is (12, id); `visits_since` of them do not count.
    """
    faceid = item["faceid"]
    if order is FaceOrder.ID:
        return (faceid,)
    if order is FaceOrder.VISITS:
        return int(item.get("arrive_count") or 0) - visits_since, faceid
    if order is FaceOrder.NAME:
        name = str(item.get("name") or "")
        return not name, sorting_form(name), faceid
    return _position_in_list(item, _INDEXES[order]), faceid


def parse_rank_position(order: FaceOrder, text: str) -> tuple[int, Rank]:
    """Parse a page's position: the time of the first page, and the last face's sort key.

    Raises ValueError, TypeError, RecursionError.
    """
    begun_ms, rank = json.loads(text)
    if (int, _SORTED[order]) != (type(begun_ms), tuple(map(type, rank))):
        raise ValueError("no position of this order")
    return begun_ms, tuple(rank)


def _faceid_of_position(position: str) -> str:
    return position.rpartition("#")[2]
