"""Restriction of faces, which are kept but neither matched nor looked at (docs/decisions/0049).

A restricted face is in the group RESTRICTED, which is hidden as deleted groups are. So is a face
whose record of consent was withdrawn or has expired, until it is erased or has a record again. A
tenant's record has the time at which the next one expires: a reader that opens the tenant after
that restricts the face first (Tenants.open_tenant), so no other reader has to check.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from itertools import count
from typing import TYPE_CHECKING

from msgspec.structs import replace

from chalicelib.book.commit import Change
from chalicelib.book.faces import MAX_HOLDS, check_reason
from chalicelib.book.idempotency import RequestId
from chalicelib.domain import audit_events
from chalicelib.domain.consent import CONSENTS_END, Ending
from chalicelib.domain.errors import Busy, Conflict, ConsentMissing, FaceNotFound, TooMany
from chalicelib.domain.face_sets import SetChanges
from chalicelib.domain.grounds import find_ended_record
from chalicelib.domain.jobs import STOPS_AT_S
from chalicelib.domain.model import (
    REGULAR,
    RESTRICTED,
    Edit,
    Face,
    JournalEntry,
    Restriction,
    Tenant,
)
from chalicelib.domain.rules.templates import face_set_of, make_delete_entry, reduce_templates
from chalicelib.privacy.data_map import DATA_MAP, Mark
from chalicelib.service import Service
from chalicelib.storage import keys
from chalicelib.storage.items import (
    ENDED_CHANGES,
    WITHDRAWN,
    Changed,
    ListPage,
    PageTokens,
    directory_of,
    faces_in,
    list_restricted_faceids,
    walk_items,
    write_unless_changed,
)
from chalicelib.storage.ports import Action

if TYPE_CHECKING:
    from chalicelib.services import Services

_EVENTS = 40
"""Most events whose names go in one transaction with the restriction."""

_CHANGED = {ENDED_CHANGES: 1}
_ONE_MORE = {WITHDRAWN: 1, **_CHANGED}
"""The gain by which sightings are compared with somebody from the very change on that restricts the
face."""


class Restrictions(Service["Services"]):
    """Faces that are kept and used for nothing: their group is RESTRICTED, which is hidden as
    deleted groups are."""

    most: int = MAX_HOLDS
    at_once: int = 100
    """Faces that one call restricts whose records of consent have expired: a second of work."""

    def list_all(self, tenant: Tenant) -> list[Face]:
        """Return the restricted faces."""
        return self.services.faces.list_restricted(tenant)

    def read_page(self, tenant: Tenant, limit: int, token: str | None = None) -> ListPage[Face]:
        """Return a page of the restricted faces, by enrolment.

        Raises InvalidInput if the token is damaged.
        """
        pages = PageTokens(f"restricted faces of {tenant.name}")
        items = faces_in(
            self.services.items,
            tenant.name,
            RESTRICTED,
            behind=pages.parse_position(token, str),
            page_size=limit + 2,
        )
        page = pages.make_first_page(items, limit, lambda item: str(item["enrolment_key"]))
        faces = self.services.faces.by_id(
            tenant, [item["faceid"] for item in page.rows], restricted=True
        )
        return ListPage(list(faces.values()), page.next_token)

    def set(
        self, tenant: Tenant, faceid: str, reason: str, request: RequestId | None = None
    ) -> Face:
        """Take a face out of the gallery and of all lists, and its name out of events that wait.

        Return it.

        A face set goes with its last face. If the face is restricted
        already, nothing changes. Raises InvalidInput, FaceNotFound, Conflict, TooMany, Busy,
        AnsweredAlready.
        """
        reason = check_reason(reason, "restriction", is_set=True)
        self.require_room(tenant, [faceid])

        def restrict_face(face: Face) -> tuple[Face, Change] | None:
            _require_settled(face)
            if (restriction := face.restriction) is None:
                return self._restrict(tenant, face, reason)
            if restriction.reason:
                return None
            return replace(face, restriction=restriction._replace(reason=reason)), Change((), ())

        return self.services.faces.change_face(
            tenant, faceid, restrict_face, request, restricted=True
        )

    def restrict_ended(self, tenant: Tenant, face: Face, ending: Ending) -> tuple[Face, Change]:
        """Return the face restricted, since its record of consent has ended, and the change that
        this needs.

        Raises Changed if a merge of it went on, Busy.
        """
        if self.services.merges.mover.settle_faces(tenant, face):
            raise Changed
        if face.restriction is None:
            return self._restrict(tenant, face, "", ending)
        after = replace(face, restriction=face.restriction._replace(ended=ending))
        return after, Change((), (), directory_counts=_ONE_MORE)

    def lift_renewed(self, tenant: Tenant, face: Face) -> tuple[Face, Change]:
        """Return a face that has a record again without that restriction, and the change that this
        needs.

        If it is restricted for another reason, too, it stays so. Raises GroupFull, FaceHeld,
        Changed, Busy.
        """
        if self.services.merges.mover.settle_faces(tenant, face):
            raise Changed
        if (restriction := face.restriction) is None or not restriction.ended:
            return face, Change((), ())
        face = replace(face, remembered=None, stripped_at=None, ended_at=None, absorbed=())
        if restriction.reason:
            after = replace(face, restriction=restriction._replace(ended=Ending.NONE))
            return after, Change((), (), directory_counts=_CHANGED)
        after, change = self._return_to_group(tenant, face, restriction)
        return after, replace(change, directory_counts=_CHANGED)

    def restrict_expired(
        self, tenant: Tenant, *, looks: bool = False, remaining_s: Callable[[], float] | None = None
    ) -> None:
        """Restrict the faces whose records of consent have expired by now, and store when the next
        one expires.

        `looks`: look even if the tenant's record says that none has expired. `remaining_s`: how
        long the caller may take; None: it has a client who waits, so that `at_once` faces are
        restricted. One is, however little time there is. Raises Busy if more are left: nobody reads
        them meanwhile.
        """
        now, end = self.services.clock.now(), tenant.consents_end_at
        if not looks and (end is None or end > now):
            return
        for restricted_count in count():
            first_face = self._first_to_expire(tenant)
            if first_face is None or (
                first_face.consent
                and first_face.consent.expires_at
                and first_face.consent.expires_at > now
            ):
                next_end = (
                    first_face.consent.expires_at if first_face and first_face.consent else None
                )
                # if others have noted one meanwhile, the next reader looks again
                if next_end != end:
                    self.services.tenants.note_consent_end(tenant, next_end)
                return
            if (
                (restricted_count >= self.at_once)
                if remaining_s is None
                else (restricted_count and remaining_s() < STOPS_AT_S)
            ):
                raise Busy(
                    "the consent of many people has just expired, and they are put away: send the "
                    "request again"
                )
            # An entry of its own in the audit, whoever reads the tenant; one that was erased
            # meanwhile is passed over.
            with (
                suppress(FaceNotFound),
                audit_events.begin_audit_event(audit_events.job("watch consents", tenant.name)),
            ):
                self._expire_face(tenant, first_face.faceid, now)

    def request_expiry(self, tenant: Tenant) -> None:
        """Request that the sweep restricts the faces whose records of consent have expired by now,
        if there are some."""
        if self.services.tenants.has_expired_consent(tenant):
            self.services.wake(tenant.name, consents=True)

    def note_withdrawn(self, tenant: Tenant) -> None:
        """Store whether there are people who withdrew, with whom sightings have to be compared.

        If the gallery changes meanwhile, the next sweep notes it.
        """
        directory = directory_of(self.services.items, tenant.name)
        noted = int(directory[WITHDRAWN])
        is_there = bool(self.services.faces.list_withdrawn(tenant))
        if bool(noted) != is_there:
            gains = {WITHDRAWN: int(is_there) - noted, **_CHANGED}
            note = Change((), (), directory_counts=gains, based_on=int(directory["seq"]))
            with suppress(Changed):
                self.services.writer.commit(tenant.name, note)

    def _expire_face(self, tenant: Tenant, faceid: str, now: datetime) -> None:
        """Restrict a face if its record of consent has expired, and nobody has written another one
        meanwhile."""

        def expire_consent(face: Face) -> tuple[Face, Change] | None:
            is_over = face.consent and face.consent.expires_at and face.consent.expires_at <= now
            # by somebody beside this one
            is_done = face.restriction is not None and face.restriction.ended
            if not is_over or is_done:
                return None
            after, change = self.restrict_ended(tenant, face, Ending.EXPIRED)
            self.services.refusals.write_end(tenant, face, find_ended_record(after))
            return after, change

        self.services.faces.change_face(tenant, faceid, expire_consent, None, restricted=True)

    def _first_to_expire(self, tenant: Tenant) -> Face | None:
        """Return the face whose record expires first, of those that expire and are not restricted
        for it."""
        between = None, keys.consents_until(CONSENTS_END)
        items = walk_items(
            self.services.items,
            keys.FACES,
            tenant.name,
            index="by_consent",
            between=between,
            page_size=2,
        )
        pages = (
            self.services.faces.by_id(tenant, [item["faceid"]], restricted=True) for item in items
        )
        return next((face for page in pages for face in page.values() if face.consent), None)

    def _restrict(
        self, tenant: Tenant, face: Face, reason: str, ended: Ending = Ending.NONE
    ) -> tuple[Face, Change]:
        """Return the face in the group RESTRICTED, and the change that this needs: events lose its
        name."""
        face_set = self.services.faces.read_face_set(tenant, face_set_of(face))
        now, lost_faces = self.services.clock.now(), {face.group_id: -1}
        restriction = Restriction(
            reason, now, face.group_id, face.face_set, face_set.name if face_set else "", ended
        )
        after = replace(face, group_id=RESTRICTED, restriction=restriction, face_set="")
        if ended is not Ending.EXPIRED:  # which nobody did
            after = replace(after, changed_at=now)
        return after, Change(
            self._take_out_of_events(tenant, face, is_ended=bool(ended)),
            (make_delete_entry(face),),
            lost_faces,
            self.services.groups.list_limited(tenant, lost_faces),
            directory_counts=_ONE_MORE if ended else {},
        )

    def require_room(self, tenant: Tenant, faceids: Sequence[str]) -> None:
        """Raise TooMany if these faces cannot all be restricted."""
        away = {*list_restricted_faceids(self.services.items, tenant.name)}
        if len(away.union(faceids)) > max(self.most, len(away)):
            raise TooMany(
                f"a tenant restricts {self.most} faces at most, {len(away)} now: erase those not "
                "needed"
            )

    def _take_out_of_events(
        self, tenant: Tenant, face: Face, *, is_ended: bool
    ) -> tuple[Action, ...]:
        """Take the name out of events about the face, and about those that became a part of it,
        until the rest fit its transaction.

        Return the actions of these. A call that writes another one meanwhile changes the face.
        `is_ended`: its record of consent ends. Then the events go: without the name they would
        still say that somebody was there, when, and at which camera.
        """
        merges = (
            self.services.merges.records.list_below(tenant.name, face.faceid) if face.merges else []
        )
        parts = {merge.other for merge in merges if merge.is_same_person} - {face.faceid}
        of_others = self.services.faces.by_id(tenant, parts, restricted=True)
        faceids = frozenset({face.faceid, *parts}.difference(of_others))
        actions = [
            action
            for place in DATA_MAP
            if place.restriction in (Mark.UNNAMED, Mark.ERASED)
            and (take_out := (place.erasure if is_ended else place.deletion).take_out)
            for item in place.walk_items(self.services.items, tenant.name)
            if (action := take_out(item, faceids))
        ]
        for action in actions[_EVENTS:]:
            write_unless_changed(self.services.items, [action])
        return tuple(actions[:_EVENTS])

    def lift(
        self, tenant: Tenant, faceid: str, reason: str, request: RequestId | None = None
    ) -> Face:
        """Return a face to its group and to the gallery, for this reason, which the audit has.

        Return it.

        If its group was deleted, it goes to the group of regulars; its face set is made again if
        there is none, and if that has no room, it has none. If its record of consent has ended, it
        stays restricted for that. If it has no template of the tenant's model, since that changed
        meanwhile, no search finds it until its pictures are embedded again. Raises InvalidInput,
        FaceNotFound, FaceHeld (a held face would lose its face set), GroupFull, ConsentMissing if
        it is restricted for its record alone, Conflict, Busy, AnsweredAlready.
        """
        check_reason(reason, "restriction", is_set=False)

        def lift_restriction(face: Face) -> tuple[Face, Change] | None:
            """Return the face as it is without the restriction, and its change; None: it has none.

            `restricted by somebody`: it goes back to its group; `its consent has ended, too`: it
            stays restricted for that alone. Raises ConsentMissing if only the ended consent
            restricts it; Busy, Conflict, FaceHeld, GroupFull.
            """
            _require_settled(face)
            if (restriction := face.restriction) is None:
                return None
            if not restriction.ended:
                return self._return_to_group(tenant, face, restriction)
            if not restriction.reason:
                raise ConsentMissing(
                    f"face {faceid!r} is restricted since {restriction.said}: write a record of "
                    "consent down again, "
                    "or erase the person"
                )
            return replace(
                face,
                restriction=restriction._replace(reason=""),
                changed_at=self.services.clock.now(),
            ), Change((), ())

        return self.services.faces.change_face(
            tenant, faceid, lift_restriction, request, restricted=True
        )

    def _return_to_group(
        self, tenant: Tenant, face: Face, restriction: Restriction
    ) -> tuple[Face, Change]:
        """Return the face in the group and the face set that `restriction` says, and the change
        that this needs."""
        is_group_there = self.services.groups.find_by_id(tenant, restriction.group_id) is not None
        group_id, values = (
            (restriction.group_id, face.attributes) if is_group_there else (REGULAR, {})
        )
        after = replace(
            face,
            group_id=group_id,
            attributes=values,
            restriction=None,
            changed_at=self.services.clock.now(),
        )
        more = SetChanges()
        seq: int | None = None
        if restriction.face_set and is_group_there:
            # others may change the set, or delete it, before the commit
            seq = self.services.writer.read_seq(tenant.name)
            after, more = self.services.face_sets.rejoin(tenant.name, after, restriction)
        templates, set_ = reduce_templates(face.templates), face_set_of(after)
        put = JournalEntry(Edit.PUT, face.faceid, group_id, templates, face_set=set_)
        return after, Change(
            tuple(more.actions),
            (put, *more.entries),
            {group_id: 1},
            self.services.groups.list_limited(tenant, [group_id]),
            face_sets=more.gained,
            based_on=seq,
            skips_model_check=True,
        )


def _require_settled(face: Face) -> None:
    if face.moving:
        raise Conflict(
            f"a merge of face {face.faceid!r} is still going on: send the request again in a minute"
        )
