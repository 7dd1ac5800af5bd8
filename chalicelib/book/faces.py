"""Which faces does a tenant have? One, some or a group's, found by their names, and held.

Lists: a group's faces are in two indexes, by enrolment and by arrival. The latter carries all that
a list shows of a face, so that a page is one run of it, whatever its number: storage itself keeps
an index as the faces are.

Names: the transaction that changes a face writes and deletes the terms of its name (domain/names).
So a name that was given is found at once, and one that was erased is gone with its face.

Holds: a face under legal hold loses nothing (domain/rules/hold). The face itself says that it is
held, so that each transaction that changes or deletes it sees it. Beside it stands an item in the
directory, so that the list of holds reads the held faces only.
"""

from __future__ import annotations

import heapq
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from itertools import islice
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.book.commit import GROUP_ROOM, TENANT_ROOM, Change, GalleryMoved, limited_groups
from chalicelib.book.groups import require_room
from chalicelib.book.idempotency import NO_BODY, RequestId
from chalicelib.book.visits import face_put, visits_deletes
from chalicelib.domain import audit_events
from chalicelib.domain.effects import Effect
from chalicelib.domain.errors import (
    ConditionFailed,
    FaceMerged,
    FaceNotFound,
    GroupFull,
    InvalidInput,
    TooMany,
)
from chalicelib.domain.jobs import (
    STOPS_AT_S,
    Job,
    JobContext,
    Unfinished,
    make_unfinished,
)
from chalicelib.domain.model import (
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
    normalise_name,
    prefix,
    sorting_form,
    wanted_words,
)
from chalicelib.domain.rules.hold import require_no_loss
from chalicelib.domain.rules.templates import User, entry_of, reduce_templates, user_of
from chalicelib.domain.rules.visits import MOST_IN_HEAD
from chalicelib.lazy import lazy
from chalicelib.service import Service
from chalicelib.storage import keys
from chalicelib.storage.formats import FOLDED
from chalicelib.storage.items import (
    Bounds,
    FaceOrder,
    ListPage,
    PageTokens,
    cut_in_parts,
    faces_in,
    list_restricted_faceids,
    retry_if_changed,
    walk_items,
)
from chalicelib.storage.ports import Action, Check, Delete, Item, ItemStore, Put, equals
from chalicelib.storage.records.faces import (
    certain_terms,
    choose_fold,
    face_from,
    face_puts,
    hold_fields,
    hold_from,
    is_of_former_format,
    listed_face_from,
    name_item,
    possible_terms,
    terms_of,
    user_from,
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

    def list_jobs(self) -> tuple[Job, ...]:
        return (Job("names", self._fold_terms_if_due),)

    def _fold_terms_if_due(self, context: JobContext) -> Unfinished | None:
        """Fold the terms in the sweep that raises the tenant's format, and for a day after it those
        that another process has written meanwhile."""
        if context.tenant.format_due is None:
            return None
        tenant = self.services.tenants.get_by_name(context.tenant.name)
        # another process may write until the note is over: the next sweep folds what it writes
        is_over = self.services.tenants.is_upgrade_over(tenant)
        is_done = self.fold_terms(tenant, context.remaining_s)
        if is_done and is_over:
            self.services.tenants.end_upgrade(tenant)
        return make_unfinished(is_done)

    def fold_terms(
        self, tenant: Tenant, remaining_s: Callable[[], float] = lambda: float("inf")
    ) -> bool:
        """Replace the terms that a version before the format FOLDED has stored, and add those of
        whole words, such as "oneil" of O'Neil.

        Return False if the time ran out first. May be cut off anywhere and repeated. Raises Busy,
        StorageUnavailable.
        """
        if tenant.format < FOLDED:
            return True
        stored_terms: dict[str, set[str]] = {}
        for item in walk_items(self.services.items, keys.NAMES, tenant.name):
            term, faceid = keys.parts_of_name_term(item["term"])
            stored_terms.setdefault(faceid, set()).add(term)
        may_differ = [
            faceid
            for faceid, terms in stored_terms.items()
            if len(terms) > 1 or any(map(is_of_former_format, terms))
        ]
        for faceids in cut_in_parts(may_differ, _AT_ONCE):
            if remaining_s() < STOPS_AT_S:
                return False
            for face in self.by_id(tenant, faceids, restricted=True).values():
                if stored_terms[face.faceid] != {*terms_of(tenant, face)}:
                    self._fold_terms_of_face(tenant, face.faceid)
        return True

    @retry_if_changed("this face is being changed: try again")
    def _fold_terms_of_face(self, tenant: Tenant, faceid: str) -> None:
        face = self.find(tenant, faceid, restricted=True)
        if face is not None:
            if_same = equals("version", face.version, "face-same")
            self.services.items.transact(
                [
                    Check(keys.FACES, (tenant.name, faceid), (if_same,)),
                    *_term_actions(tenant, face, face),
                ]
            )

    def get(self, tenant: Tenant, faceid: str, *, restricted: bool = False) -> Face:
        """Return the face of that id; with `restricted`, one that is restricted, too.

        Raises FaceNotFound.
        """
        face = self.find(tenant, faceid, restricted=restricted)
        if face is None:
            raise self.make_missing_error(tenant, faceid, restricted=restricted)
        return face

    def require_not_merged(self, tenant: Tenant, faceid: str) -> None:
        """Raise FaceMerged if there is no such face since it was merged into one that is there."""
        error = self.make_missing_error(tenant, faceid, restricted=True)
        if isinstance(error, FaceMerged) and self.find(tenant, faceid, restricted=True) is None:
            raise error

    def make_missing_error(
        self, tenant: Tenant, faceid: str, *, restricted: bool = False
    ) -> FaceNotFound:
        """Make the error about a face that is not there: it says if that was merged into one that
        is."""
        into, looked_up = faceid, set[str]()
        while is_faceid(into) and into not in looked_up:
            looked_up.add(into)
            if item := self.services.items.get(
                keys.DIRECTORY, (tenant.name, keys.merged_item(into))
            ):
                into = str(item["into"])
                if self.find(tenant, into, restricted=restricted):
                    return FaceMerged(
                        f"face {faceid!r} was merged into {into!r}: ask for that one", into=into
                    )
        return FaceNotFound(f"there is no face {faceid[:70]!r}")

    def find(self, tenant: Tenant, faceid: str, *, restricted: bool = False) -> Face | None:
        if not is_faceid(faceid):
            return None
        item = self.services.items.get(keys.FACES, (tenant.name, faceid))
        hidden = tenant.gone if restricted else tenant.hidden
        return parse_visible_face(tenant, item) if item and item["group"] not in hidden else None

    def find_person(self, tenant: Tenant, faceid: str) -> Person:
        """Find the other faces of somebody, restricted ones, too. Raises FaceNotFound."""
        face = self.get(tenant, faceid, restricted=True)
        entry = _user_entry(face)
        user = self.read_user(tenant, entry)
        restricted = (
            [other for other in self.list_restricted(tenant) if _user_entry(other) == entry]
            if entry
            else []
        )
        faceids = dict.fromkeys(
            [*(user.faceids if user else ()), *(other.faceid for other in restricted)]
        )
        others = tuple(other_id for other_id in faceids if other_id != faceid)
        was_subject = any(other.restriction and other.restriction.subject for other in restricted)
        is_subject = was_subject or bool(user and user.name)
        return Person((faceid, *others), ()) if is_subject else Person((faceid,), others)

    def list_restricted(self, tenant: Tenant) -> list[Face]:
        """Return the restricted faces."""
        return list(
            self.by_id(
                tenant, list_restricted_faceids(self.services.items, tenant.name), restricted=True
            ).values()
        )

    def list_withdrawn(self, tenant: Tenant) -> list[Face]:
        """Return the faces whose record of consent was withdrawn or has expired."""
        return [face for face in self.list_restricted(tenant) if has_ended_record(face)]

    def read_user(self, tenant: Tenant, entry: str) -> User | None:
        """Read a user by its entry in the gallery; None: there is none."""
        user_key = tenant.name, keys.user_item(entry)
        return (
            parse_optional(user_from, self.services.items.get(keys.DIRECTORY, user_key))
            if entry
            else None
        )

    def find_visitor_id(self, tenant: Tenant, face: Face) -> str:
        """Return the id of the face that has the visits of the face's user: the first one of the
        user."""
        user = self.read_user(tenant, user_of(face))
        return user.faceids[0] if user and user.faceids else face.faceid

    def read_page(self, tenant: Tenant, group_name: str, page_num: int, page_size: int) -> FacePage:
        """Return page `page_num` (from 1) of `page_size` (1..100) faces by enrolment, oldest first.

        It shows all changes that are done by now. Raises GroupNotFound.
        """
        group = self.services.groups.get_by_name(tenant, group_name)
        skipped = (page_num - 1) * page_size
        if skipped >= group.count:
            return FacePage(group, [])
        faceids = self._list_ids_of_page(tenant, group, skipped, page_size)
        return FacePage(group, list(self.by_id(tenant, faceids).values()))

    def list_longest_away(self, tenant: Tenant, group_name: str, num: int) -> FacePage:
        """Return the `num` (1..10) faces of a group whose last arrival is longest ago, longest
        first.

        A face that never arrived counts from its enrolment. Raises GroupNotFound.
        """
        group = self.services.groups.get_by_name(tenant, group_name)
        return FacePage(group, list(islice(self.list_by_arrival(tenant, group, at_once=num), num)))

    def list_by_arrival(
        self,
        tenant: Tenant,
        group: Group,
        until: datetime | None = None,
        at_once: int = 10,
        since: datetime | None = None,
    ) -> Iterator[Face]:
        """Yield a group's faces by their last arrival, the longest ago first.

        Of a face that never arrived, the enrolment counts. `until`, `since`: bounds of that time,
        both included. `at_once`: how many faces one read takes.
        """
        lowest, highest = keys.group_range(group.id)
        low = lowest if since is None else keys.arrival_key(group.id, since, "")
        # "~" is behind all faceids
        high = highest if until is None else keys.arrival_key(group.id, until, "~")
        items = faces_in(
            self.services.items,
            tenant.name,
            group.id,
            "by_arrival",
            between=(low, high),
            page_size=at_once,
        )
        for batch in cut_in_parts((item["faceid"] for item in items), at_once):
            yield from self.by_id(tenant, batch).values()

    def by_id(
        self, tenant: Tenant, faceids: Iterable[str], *, restricted: bool = False
    ) -> dict[str, Face]:
        """Return those of these faces that exist, by id, in the ids' order; with `restricted`,
        restricted ones, too."""
        hidden = tenant.gone if restricted else tenant.hidden
        legal_ids = dict.fromkeys(faceid for faceid in faceids if is_faceid(faceid))
        items = self.services.items.get_many(
            keys.FACES, [(tenant.name, faceid) for faceid in legal_ids]
        )
        return {
            item["faceid"]: parse_visible_face(tenant, item)
            for item in items
            if item and item["group"] not in hidden
        }

    def read_candidate_faces(
        self, tenant: Tenant, candidates: Iterable[Candidate]
    ) -> dict[str, Face]:
        """Read the candidates' faces, by id.

        Raises GalleryMoved if one is gone, or in another group.
        """
        group_ids = {candidate.faceid: candidate.group_id for candidate in candidates}
        faces = self.by_id(tenant, group_ids)
        if any(
            faceid not in faces or faces[faceid].group_id != group_id
            for faceid, group_id in group_ids.items()
        ):
            raise GalleryMoved
        return faces

    def find_by_sightings(
        self, tenant: Tenant, sightings: Mapping[tuple[int, str], str]
    ) -> dict[str, Face]:
        """Return the faces that sightings show now, by the sightings' ids.

        `sightings`: the face of each, by time in ms and id. A face that is not there any more may
        have been merged into another: then the observation says which.
        """
        faces = self.by_id(tenant, sightings.values())
        faceids = {id_: faceid for (_, id_), faceid in sightings.items()}
        without_face = [sighting for sighting, faceid in sightings.items() if faceid not in faces]
        if without_face:
            observation_keys = [
                keys.observation(tenant.name, *sighting) for sighting in without_face
            ]
            observations = self.services.items.get_many(keys.OBSERVATIONS, observation_keys)
            moved_faceids = {
                id_: str(item["faceid"])
                for (_, id_), item in zip(without_face, observations, strict=True)
                if item
            }
            moved_faces = self.by_id(tenant, moved_faceids.values())
            faceids, faces = faceids | moved_faceids, faces | moved_faces
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
        """Change a stored face, and return it as it is stored.

        If others were first, read it and change it again.

        `change`: returns the changed face and the Change of the gallery that it needs; None:
        nothing has to change. `restricted`: the face may be restricted. Raises FaceNotFound, Busy,
        and as `store_changed_face`.
        """
        face = self.get(tenant, faceid, restricted=restricted)
        changed_face = change(face)
        if changed_face is None:
            self.services.requests.write_with_answer(tenant.name, [], request)
            return face
        return self.store_changed_face(tenant, face, *changed_face, request)

    def store_changed_face(
        self,
        tenant: Tenant,
        before: Face,
        after: Face,
        change: Change,
        request: RequestId | None = None,
        body: Mapping[str, Any] = NO_BODY,
    ) -> Face:
        """Store a changed face with its `change`, and return it as it is stored.

        Pictures that it lost are deleted.

        `body`: the answer to the request. Raises ConditionFailed if others changed it meanwhile,
        GroupFull, FaceHeld, WrongModel, AnsweredAlready.
        """
        answer_actions = self.services.requests.make_answer_actions(tenant.name, request, body)
        picture_cleanup = self.services.face_pictures.replace_pictures(
            before.picture_keys, after.picture_keys
        )
        try:
            with self.services.requests.raise_if_answered(tenant.name, request), picture_cleanup:
                put = face_put(tenant, before, after)
                actions = (
                    put,
                    *rename_actions(tenant, before, after),
                    *change.actions,
                    *answer_actions,
                )
                self.services.writer.save(tenant.name, replace(change, actions=actions))
        except ConditionFailed as error:
            if f"{GROUP_ROOM}:{after.group_id}" in error.names:
                require_room(self.services.groups.find_by_id(tenant, after.group_id))
            if TENANT_ROOM in error.names:
                raise GroupFull(
                    "there is no room for this face, since the tenant is full: delete some first"
                ) from None
            raise
        return face_from(put.item)

    def search_by_name(
        self, tenant: Tenant, name: str, limit: int, token: str | None = None
    ) -> ListPage[Face]:
        """Return a page of the faces whose names have words that begin with each word of `name`.

        `an smi` finds `Anna Smith`. A word of Chinese, Japanese or Korean is found within a run of
        these, too, and a face's number as a word of its name. Accents count neither here nor there:
        "jose" and "josé" find both. The faces come in the order of the
        term that the longest word finds. A page reads a thousand terms at most. Raises InvalidInput
        if `name` has no letter and no digit, or the token is damaged.
        """
        words = wanted_words(choose_fold(tenant), name)
        if not words:
            raise InvalidInput(
                f"name has at least one letter or digit to search by, and {name[:40]!r} has none"
            )
        pages = PageTokens(json.dumps(["faces by name", tenant.name, words]))
        longest_prefix = prefix(max(words, key=len))
        between = keys.name_terms_range(longest_prefix)
        behind = pages.parse_position(token, lambda text: bytes.fromhex(text).decode())
        stored_items = walk_items(
            self.services.items,
            keys.NAMES,
            tenant.name,
            between=between,
            behind=behind,
            page_size=_AT_ONCE,
        )

        def find_faces(term_keys: list[str]) -> list[tuple[str, Face]]:
            """Return the faces that all words find, each with the first of its terms that the
            longest word finds."""
            parsed_keys = [(term_key, *keys.parts_of_name_term(term_key)) for term_key in term_keys]
            faces = self.by_id(tenant, [faceid for _, _, faceid in parsed_keys])
            found_faces: list[tuple[str, Face]] = []
            for term_key, term, faceid in parsed_keys:
                # others, if it was renamed just now
                face_terms = terms_of(tenant, faces[faceid]) if faceid in faces else ()
                first_term = min(
                    (face_term for face_term in face_terms if face_term.startswith(longest_prefix)),
                    default=None,
                )
                if term == first_term and is_found(face_terms, words):
                    found_faces.append((term_key, faces[faceid]))
            return found_faces

        page = pages.make_filtered_page(
            (str(item["term"]) for item in stored_items),
            _to_hex,
            limit,
            find_faces,
            lambda row: _to_hex(row[0]),
        )
        return ListPage([face for _, face in page.rows], page.next_token)

    def _list_ids_of_page(
        self, tenant: Tenant, group: Group, skipped: int, page_size: int
    ) -> list[str]:
        """Return the ids at places skipped .. skipped + wanted by enrolment, read from the nearer
        end of the index."""
        count_behind = max(group.count - skipped - page_size, 0)
        from_end = skipped > count_behind
        count = group.count - skipped if from_end else skipped + page_size
        at_once = min(count, _KEYS_A_READ)
        items = faces_in(
            self.services.items, tenant.name, group.id, reverse=from_end, page_size=at_once
        )
        faceids = [item["faceid"] for item in islice(items, count)]
        return faceids[count_behind:][::-1] if from_end else faceids[skipped:]


def parse_visible_face(tenant: Tenant, item: Item) -> Face:
    """Return the stored face without estimates that were switched off since."""
    face = face_from(item)
    if not tenant.unestimated:
        return face
    return replace(
        face,
        pictures=tuple(
            replace(picture, estimates=tenant.visible(picture.estimates))
            for picture in face.pictures
        ),
    )


def make_listed_face(tenant: Tenant, item: Item) -> ListedFace:
    """Return a face as a list shows it, without estimates that were switched off since."""
    face = listed_face_from(item)
    portrait = replace(face.portrait, estimates=tenant.visible(face.estimates))
    return replace(face, portrait=portrait) if tenant.unestimated else face


def require_faceid(tenant: Tenant, faceid: str) -> None:
    """Raise InvalidInput unless a face of this tenant may have this id."""
    if tenant.numeric_faceids_only:
        if not (_NUMERIC_FACEID.fullmatch(faceid) and 1 <= int(faceid) < 2**63):
            raise InvalidInput(
                f"the id of a face is a whole number from 1 to {2**63 - 1}, not {faceid[:70]!r}"
            )
    elif not is_faceid(faceid):
        raise InvalidInput(
            f"the id of a face is 1 to 64 letters, digits, `_` and `-`, not {faceid[:70]!r}"
        )


MAX_HOLDS = 1_000
"""Most held faces of a tenant. The list is one answer, and each retention reads all of them."""

REASON_LENGTH = 500
"""Characters of the reason that a legal hold or a restriction is set for."""


class HeldFace(NamedTuple):
    faceid: str
    hold: Hold


def hold_put(tenant: str, face: Face) -> Put:
    """Return the action that lists a held face."""
    item = {
        "tenant": tenant,
        "item": keys.hold_item(face.faceid),
        "faceid": face.faceid,
        **hold_fields(face),
    }
    return Put(keys.DIRECTORY, item)


def hold_delete(tenant: str, faceid: str) -> Delete:
    return Delete(keys.DIRECTORY, (tenant, keys.hold_item(faceid)))


class Person(NamedTuple):
    """The faces of somebody.

    `faces`: that which was named, and all of its subject; `others`: those of its user.
    """

    faces: tuple[str, ...]
    others: tuple[str, ...]

    def choose_faces(self, whole: bool | None) -> tuple[str, ...]:
        """Return which faces a change takes: all, the named one alone, or, if nobody says, all of a
        subject."""
        if whole is None:
            return self.faces
        return (*self.faces, *self.others) if whole else self.faces[:1]


def _user_entry(face: Face) -> str:
    """Return the entry of a face's user, or of that which it had before it was restricted; "" if
    none."""
    restriction = face.restriction
    if restriction is None:
        return user_of(face)
    return entry_of(restriction.group_id, restriction.user) if restriction.user else ""


class Holds(Service["Book"]):
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
        """Hold a face; of one that is held, change the reason only. Return the face.

        Raises InvalidInput, FaceNotFound, TooMany, Busy, AnsweredAlready.
        """
        reason = check_reason(reason, "hold", is_set=True)
        self.require_room(tenant, [faceid])
        return self._change_hold(tenant, faceid, reason, request)

    def require_room(self, tenant: Tenant, faceids: Sequence[str]) -> None:
        """Raise TooMany if these faces cannot all be held."""
        ids_on_hold = {face_on_hold.faceid for face_on_hold in self.list_all(tenant.name)}
        if len(ids_on_hold.union(faceids)) > max(self.most, len(ids_on_hold)):
            raise TooMany(
                f"a tenant holds {self.most} faces at most, {len(ids_on_hold)} now: lift the holds "
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
        """Hold a face, which nobody may delete then, or release it; return it as it is then.

        `reason`: the reason of the hold; None: the hold ends. A hold that goes on keeps the time
        since when it is. Raises FaceNotFound, Busy, AnsweredAlready.
        """

        def change_hold(face: Face) -> tuple[Face, Change] | None:
            since = face.hold.at if face.hold else self.services.clock.now()
            after = replace(face, hold=None if reason is None else Hold(reason, since))
            if after == face:
                return None
            list_action = (
                hold_put(tenant.name, after) if after.hold else hold_delete(tenant.name, faceid)
            )
            # As a change of the gallery: a group is deleted at a seq at which none of its faces is
            # held.
            change = Change((list_action,), (), within=frozenset({face.group_id}))
            return replace(after, changed_at=self.services.clock.now()), change

        return self.services.faces.change_face(
            tenant, faceid, change_hold, request, restricted=True
        )


def check_reason(reason: str, of: str, *, is_set: bool) -> str:
    """Return the reason as it is stored, and tell the audit. Raises InvalidInput."""
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
    """Return the face as it is kept in this group: one of staff without emotion and beauty.

    A face under legal hold, or restricted, stays as it is.
    """
    if not group.staff or face.hold is not None or face.restriction is not None:
        return face
    pictures = (
        replace(picture, estimates=group.leave_kept(picture.estimates)) for picture in face.pictures
    )
    return replace(face, pictures=tuple(pictures))


def make_enrolment_change(
    tenant: Tenant, group: Group, faces: Sequence[Face], actions: Iterable[Action]
) -> Change:
    """Return the change that enrols faces in a group.

    `actions`: more of its transaction. Raises ConsentMissing.
    """
    kept_faces = (drop_feelings(group, face) for face in faces)
    return Change(
        (*(put for face in kept_faces for put in face_puts(tenant, face)), *actions),
        tuple(
            JournalEntry(Edit.PUT, face.faceid, face.group_id, reduce_templates(face.templates))
            for face in faces
        ),
        {group.id: len(faces)},
        limited_groups(group),
    )


def rename_actions(tenant: Tenant, before: Face, after: Face) -> list[Action]:
    """Return the actions that a changed name needs, for the transaction that stores the face."""
    return [] if after.name == before.name else _term_actions(tenant, before, after)


def _term_actions(tenant: Tenant, before: Face, after: Face) -> list[Action]:
    """Return the actions after which the face has the terms of `after` and no others, whether
    those of `before` are of this format or the one before."""
    new_terms, certainly_stored = terms_of(tenant, after), certain_terms(before)
    return [
        *(
            Delete(keys.NAMES, _term_key(tenant.name, before.faceid, term))
            for term in possible_terms(before)
            if term not in new_terms
        ),
        *(
            Put(keys.NAMES, name_item(tenant.name, after.faceid, term))
            for term in new_terms
            if term not in certainly_stored
        ),
    ]


def name_deletes(tenant: str, face: Face) -> list[Action]:
    """Return the actions that delete a face's terms, for the transaction that deletes the face."""
    return [
        Delete(keys.NAMES, _term_key(tenant, face.faceid, term)) for term in possible_terms(face)
    ]


def has_ended_record(face: Face) -> bool:
    """Return whether a face is restricted since its record of consent has ended."""
    return face.restriction is not None and bool(face.restriction.ended)


def face_deletes(items: ItemStore, tenant: str, face: Face) -> list[Action]:
    """Return the actions that delete a face, its arrivals and its terms, on condition that nobody
    changed the face.

    Raises FaceHeld.
    """
    require_no_loss(face)
    if_same = (
        equals("version", face.version, "face-same"),
        equals("group", face.group_id, "face-same"),
    )
    stored_item = (
        items.get(keys.ARRIVALS, (tenant, face.faceid))
        if face.arrive_count > MOST_IN_HEAD
        else None
    )
    return [
        Delete(keys.FACES, (tenant, face.faceid), if_same, ((Effect.DELETES, face.faceid),)),
        # The face's version is another if its pages are: both change with the number of arrivals.
        *visits_deletes(tenant, face.faceid, visits_from(stored_item)),
        *name_deletes(tenant, face),
    ]


def _term_key(tenant: str, faceid: str, term: str) -> tuple[str, str]:
    return tenant, keys.name_term(term, faceid)


def _to_hex(term_key: str) -> str:
    return term_key.encode().hex()


MAX_MERGED = 100
"""Most groups whose lists are merged: each page reads each of them."""

_LEAST_OF_A_GROUP = 10
"""Least faces of each group that are read at once. With many groups, most of them stand behind the
page's last."""

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
    ) -> ListPage[ListedFace]:
        """Return a page of a group's faces, or of all groups'.

        Faces that come or move meanwhile may be missing.

        Raises GroupNotFound; InvalidInput if the token is damaged or stale, the order is
        FaceOrder.ID for one group, or it is another one for all of over 100 groups; TooMany if too
        many faces have to be sorted.
        """
        pages = PageTokens(json.dumps(["faces", tenant.name, group_name, order, descending]))
        if order in _SORTED:
            return self._make_sorted_page(
                tenant, group_name, order, limit, pages, token, descending=descending
            )
        behind = pages.parse_position(token, str)
        if order is FaceOrder.ID:
            positions_and_items = self._list_by_id(
                tenant, group_name, behind, limit, descending=descending
            )
        else:
            groups = self._read_groups(tenant, group_name)
            positions_and_items = self._merge_group_lists(
                tenant, groups, order, behind, limit, descending=descending
            )
        page = pages.make_first_page(positions_and_items, limit, itemgetter(0))
        items: list[Item | None] = [item for _, item in page.rows]
        if order is FaceOrder.ENROLLED and items:  # its index carries keys alone
            faceids = [_faceid_of_position(position) for position, _ in page.rows]
            items = self._read_whole(tenant, faceids)
        return ListPage(_list_shown(tenant, items), page.next_token)

    def list_by_enrolment(
        self, tenant: Tenant, group: Group, limit: int, behind: str | None
    ) -> tuple[list[Face], str | None]:
        """Return `limit` faces of a group behind a position, the first enrolled first; and the next
        page's position.

        A face that is there throughout is listed once, whatever comes and goes. `behind`: the
        position; None: the first page.
        """
        merged = self._merge_group_lists(
            tenant, [group], FaceOrder.ENROLLED, behind, limit, descending=False
        )
        return self._read_positions(
            tenant, group, [position for position, _ in islice(merged, limit + 1)], limit
        )

    def list_wanted_by_enrolment(
        self,
        tenant: Tenant,
        group: Group,
        limit: int,
        behind: str | None,
        wanted_faceids: Sequence[str],
    ) -> tuple[list[Face], str | None]:
        """Return those of the wanted faces that the group has, in pages as `list_by_enrolment`."""
        stored_items = self.services.items.get_many(
            keys.FACES, [(tenant.name, faceid) for faceid in dict.fromkeys(wanted_faceids)]
        )
        positions = [
            _position_in_list(item, "by_enrolment")
            for item in stored_items
            if item and item["group"] == group.id
        ]
        next_positions = sorted(
            position for position in positions if behind is None or position > behind
        )
        return self._read_positions(tenant, group, next_positions[: limit + 1], limit)

    def _read_positions(
        self, tenant: Tenant, group: Group, positions: Sequence[str], limit: int
    ) -> tuple[list[Face], str | None]:
        """Return the group's faces at `limit` positions, and the last of these if there are
        more."""
        page_positions = positions[:limit]
        items = self.services.items.get_many(
            keys.FACES,
            [(tenant.name, _faceid_of_position(position)) for position in page_positions],
        )
        faces = [
            parse_visible_face(tenant, item) for item in items if item and item["group"] == group.id
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
        """Return the ids of all faces of a group, or of all groups (None), in the order that is
        asked for.

        `known`: of all groups but the strangers'. Raises GroupNotFound, TooMany if over 100,000.
        """
        groups = (
            self.services.groups.list_all(tenant)
            if group_name is None
            else [self.services.groups.get_by_name(tenant, group_name)]
        )
        hidden = {*tenant.hidden, STRANGER} if known else tenant.hidden
        if (count := sum(group.count for group in groups if group.id not in hidden)) > self.max_ids:
            raise TooMany(
                f"these are {count} faces, and {self.max_ids} ids are answered at once: list them "
                "by pages"
            )
        seq = self.services.writer.read_seq(tenant.name)
        index = "by_arrival" if order in _SORTED else _INDEXES.get(order, "by_enrolment")
        carried = (_RANKED_BY[order],) if order in _RANKED_BY else ()
        items = (
            item
            for between in _list_ranges(None if group_name is None else groups[0].id, known=known)
            for item in walk_items(
                self.services.items,
                keys.FACES,
                tenant.name,
                index=index,
                between=between,
                carried=carried,
            )
        )
        # A key of the index is `group#instant#id`.
        shown = (
            item
            for item in items
            if item[keys.FACES.indexes[index]].partition("#")[0] not in hidden
        )
        if order in _SORTED:
            ranked = sorted((_make_rank(item, order) for item in shown), reverse=descending)
            return FaceIds([faceid for *_, faceid in ranked], seq)
        positions = sorted(
            (
                item["faceid"] if order is FaceOrder.ID else _position_in_list(item, index)
                for item in shown
            ),
            reverse=descending,
        )
        return FaceIds([_faceid_of_position(position) for position in positions], seq)

    def list_every_id(self, tenant: Tenant) -> Iterator[str]:
        """Yield the ids of all faces, however many, restricted ones too."""
        return (
            item["faceid"]
            for item in walk_items(
                self.services.items, keys.FACES, tenant.name, index="by_enrolment"
            )
        )

    def _make_sorted_page(
        self,
        tenant: Tenant,
        group_name: str | None,
        order: FaceOrder,
        limit: int,
        pages: PageTokens,
        token: str | None,
        *,
        descending: bool,
    ) -> ListPage[ListedFace]:
        """Return a page in an order that no index has: all faces are sorted for each page, by the
        columns that the index carries, and those of the page are read.

        In the order of visits, those since the first page was read do not count: somebody who comes
        between two pages would be on both, or on neither. A capture that comes late, of a visit
        before the first page, still moves a face. Raises TooMany, and InvalidInput for a token that
        is damaged or over an hour old.
        """
        groups = self._read_groups(tenant, group_name)
        if (number := sum(group.count for group in groups)) > self.max_sorted:
            raise TooMany(
                f"these are {number} faces, and {self.max_sorted} are sorted at most: name a "
                "group, or read face-ids, "
                "which has all in this order"
            )
        begun_ms, behind = self._read_sorted_position(pages, token, order)
        ranked = self._rank_faces(tenant, groups, order, begun_ms, descending=descending)
        ranked_items = (
            rank_and_item
            for rank_and_item in ranked
            if behind is None
            or (rank_and_item[0] < behind if descending else rank_and_item[0] > behind)
        )
        page = pages.make_first_page(
            ranked_items, limit, lambda rank_and_item: json.dumps([begun_ms, rank_and_item[0]])
        )
        items = self._read_whole(tenant, [item["faceid"] for _, item in page.rows])
        return ListPage(_list_shown(tenant, items), page.next_token)

    def _read_whole(self, tenant: Tenant, faceids: Sequence[str]) -> list[Item | None]:
        """Read the faces of a page that were listed by a few columns."""
        return self.services.items.get_many(
            keys.FACES, [(tenant.name, faceid) for faceid in faceids]
        )

    def _read_sorted_position(
        self, pages: PageTokens, token: str | None, order: FaceOrder
    ) -> tuple[int, tuple[Any, ...] | None]:
        """Read when the first page was read, in ms, and the rank behind which a page begins.

        Raises InvalidInput.
        """
        now_ms = milliseconds(self.services.clock.now())
        begun_ms, behind = pages.parse_position(token, partial(parse_rank_position, order)) or (
            now_ms,
            None,
        )
        if not -_CLOCKS_DIFFER_MS <= now_ms - begun_ms <= self.longest_sorted / _MS:
            raise InvalidInput(
                "this page token is stale: a list in this order goes on for an hour after its "
                "first page; start again "
                "without it"
            )
        return begun_ms, behind

    def _rank_faces(
        self,
        tenant: Tenant,
        groups: Iterable[Group],
        order: FaceOrder,
        begun_ms: int,
        *,
        descending: bool,
    ) -> list[tuple[tuple[Any, ...], Item]]:
        """Return the keys of these groups' faces, each behind what it is sorted by, in this
        order."""
        carried = (_RANKED_BY[order],)
        ranked = (
            (_make_rank(item, order, self._count_visits_since(tenant, item, order, begun_ms)), item)
            for group in groups
            for item in faces_in(
                self.services.items, tenant.name, group.id, "by_arrival", carried=carried
            )
        )
        return sorted(ranked, key=itemgetter(0), reverse=descending)

    def _count_visits_since(
        self, tenant: Tenant, item: Item, order: FaceOrder, since_ms: int
    ) -> int:
        """Count the visits of a face since a time, if they are counted in this order."""
        if (
            order is not FaceOrder.VISITS
            or int(_position_in_list(item, "by_arrival").partition("#")[0]) < since_ms
        ):
            return 0
        visits = visits_from(self.services.items.get(keys.ARRIVALS, (tenant.name, item["faceid"])))
        return sum(arrival.first_ms >= since_ms for arrival in visits.arrivals.recent)

    def _list_by_id(
        self,
        tenant: Tenant,
        group_name: str | None,
        behind: str | None,
        limit: int,
        *,
        descending: bool,
    ) -> Iterator[tuple[str, Item]]:
        """Yield the ids of all groups' faces behind one, each with its item."""
        if group_name is not None:
            raise InvalidInput(
                "order id lists the faces of all groups: leave out group, or take another order"
            )
        stored_items = walk_items(
            self.services.items,
            keys.FACES,
            tenant.name,
            behind=behind,
            reverse=descending,
            page_size=limit + 2,
        )
        return (
            (item["faceid"], item) for item in stored_items if item["group"] not in tenant.hidden
        )

    def _read_groups(self, tenant: Tenant, group_name: str | None) -> list[Group]:
        if group_name is not None:
            return [self.services.groups.get_by_name(tenant, group_name)]
        groups = self.services.groups.list_all(tenant)
        if len(groups) > MAX_MERGED:
            raise InvalidInput(
                f"there are {len(groups)} groups, and the lists of {MAX_MERGED} are merged at "
                "most: name a group, or "
                "take order id"
            )
        return groups

    def _merge_group_lists(
        self,
        tenant: Tenant,
        groups: Sequence[Group],
        order: FaceOrder,
        behind: str | None,
        limit: int,
        *,
        descending: bool,
    ) -> Iterator[tuple[str, Item]]:
        """Merge the lists of several groups into one list in this order, from behind a position on.

        Yield (position, item) of each face. The item is what the index has of the face: a list's
        row, or its keys alone.
        """
        items, index = self.services.items, _INDEXES[order]
        has_rows = index in keys.FACES.projections
        groups = [group for group in groups if group.count]
        at_once = max(limit // max(len(groups), 1), _LEAST_OF_A_GROUP) if has_rows else limit

        def list_group(group: Group) -> Iterator[tuple[str, Item]]:
            behind_key = None if behind is None else f"{keys.group_range(group.id)[0]}{behind}"
            query_options = {
                "carried": _LISTED if has_rows else (),
                "behind": behind_key,
                "reverse": descending,
                "page_size": at_once + 2,
            }
            return (
                (_position_in_list(item, index), item)
                for item in faces_in(items, tenant.name, group.id, index, **query_options)
            )

        return heapq.merge(*map(list_group, groups), key=itemgetter(0), reverse=descending)


def _list_ranges(group_id: str | None, *, known: bool) -> list[Bounds]:
    """List the ranges of an index that hold a group's faces, or those of all groups (None).

    `known`: of all groups, those before the strangers' and those behind it, since most faces are
    strangers.
    """
    if group_id is not None:
        return [keys.group_range(group_id)]
    strangers, behind_strangers = keys.group_range(STRANGER)
    return [(None, strangers), (behind_strangers, None)] if known else [(None, None)]


def _position_in_list(item: Item, index: str) -> str:
    """Return the position of a face in its group's list: the instant, and its id."""
    return str(item[keys.FACES.indexes[index]]).partition("#")[2]


def _make_rank(item: Item, order: FaceOrder, visits_since: int = 0) -> tuple[Any, ...]:
    """Return what a face is sorted by in an order that no index has, its id last."""
    if order is FaceOrder.VISITS:
        return int(item.get("arrive_count") or 0) - visits_since, item["faceid"]
    name = str(item.get("name") or "")
    return not name, sorting_form(name), item["faceid"]


def parse_rank_position(order: FaceOrder, text: str) -> tuple[int, tuple[Any, ...]]:
    """Read a page's position: when the first page was read, and what the last face was sorted by.

    Raises ValueError, TypeError, RecursionError.
    """
    begun_ms, rank = json.loads(text)
    if (int, _SORTED[order]) != (type(begun_ms), tuple(map(type, rank))):
        raise ValueError("no position of this order")
    return begun_ms, tuple(rank)


def _faceid_of_position(position: str) -> str:
    return position.rpartition("#")[2]
