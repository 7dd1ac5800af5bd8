"""Records of consent or another legal ground, one a face, each with its end (domain/consent).

The record is a part of the face's record: deleted, merged and restored with it. An index lists the
faces by the end of their record, except those whose record has ended: these are restricted
(privacy/restrictions).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from chalicelib.book.commit import Change
from chalicelib.book.idempotency import RequestId
from chalicelib.domain import audit_events
from chalicelib.domain.consent import (
    NO_WISH,
    Basis,
    Consent,
    EndedRecord,
    Ending,
    Remembered,
    check_record,
    check_wish,
)
from chalicelib.domain.errors import ConsentNotFound
from chalicelib.domain.grounds import find_ended_record
from chalicelib.domain.model import Face, Tenant
from chalicelib.privacy.retention import consent_ended_at
from chalicelib.service import Service
from chalicelib.storage import keys
from chalicelib.storage.items import ListPage, PageTokens, cut_in_parts, walk_items
from chalicelib.storage.ports import Action, Item
from chalicelib.storage.records.merges import make_backup_update

if TYPE_CHECKING:
    from chalicelib.services import Services

_AT_ONCE = 100
"""Records that are read at once."""


class Consents(Service["Services"]):
    def of_face(self, tenant: Tenant, faceid: str) -> tuple[Face, Consent]:
        """Return the face and its record. Raises FaceNotFound, ConsentNotFound."""
        face = self._require_known(tenant, self.services.faces.get(tenant, faceid, restricted=True))
        if face.consent is None:
            raise ConsentNotFound(f"face {faceid!r} has no record of consent")
        return face, face.consent

    def set(
        self, tenant: Tenant, faceid: str, consent: Consent, request: RequestId | None = None
    ) -> None:
        """Give the face this record in place of the one that it has.

        One that had ended is used again.

        Raises InvalidInput, FaceNotFound, ConsentOlder if it was given before the last one ended,
        FaceHeld, GroupFull if it finds no room in its group again, Busy, AnsweredAlready.
        """
        record = check_record(consent, self.services.clock.now())
        restrictions = self.services.restrictions
        self.services.tenants.announce_consent_end(tenant, record)

        def renew_consent(face: Face) -> tuple[Face, Change]:
            ended_record = find_ended_record(self._require_known(tenant, face))
            if ended_record is not None:
                ended_record.require_newer(record, f"face {faceid!r}", self.services.clock.now())
            return restrictions.lift_renewed(tenant, replace(face, consent=record))

        self.services.faces.change_face(tenant, faceid, renew_consent, request, restricted=True)

    def withdraw_consent(
        self,
        tenant: Tenant,
        faceid: str,
        request: RequestId | None = None,
        wish: Remembered | None = None,
    ) -> None:
        """Take the record away, also from the faces that were merged into this one: no undo of a
        merge brings it back.

        In the same transaction the face is restricted: nobody is found, named, learnt or told of by
        it, until it is erased or has a record again. So are the other faces of its named set. Links
        to its pictures that were given out end. Of a held face record and pictures stay, as
        evidence.

        `wish`: the person's, to be remembered in order to be forgotten; None: nobody said so. It
        may come later than the withdrawal. A further withdrawal without one takes it back, until
        the template alone is left. Raises FaceNotFound, ConsentNotFound, Busy, AnsweredAlready.
        """
        if wish is not None:
            audit_events.add_details(**wish.describe())
        elif _may_take_wish_back(self.services.faces.get(tenant, faceid, restricted=True)):
            self.take_wish_back(tenant, faceid, request)
            return

        def require_record(face: Face) -> None:
            if wish is not None and _is_withdrawn(face):
                return  # who has withdrawn asks for it later
            if face.consent is None or _is_withdrawn(face):
                raise ConsentNotFound(f"face {faceid!r} has no record of consent")

        self._withdraw(tenant, faceid, require_record, self.services.clock.now(), request, wish)

    def take_wish_back(self, tenant: Tenant, faceid: str, request: RequestId | None = None) -> None:
        """End the remembering of a person at the person's request: the tenant's rules for others
        apply.

        Raises FaceNotFound, Busy, AnsweredAlready.
        """
        audit_events.add_details(**NO_WISH)

        def forget_wish(face: Face) -> tuple[Face, Change] | None:
            if not _may_take_wish_back(face):
                return None
            return replace(face, remembered=None), Change((), ())

        first_faceid, *others = self.services.faces.find_person(tenant, faceid).faces
        for other in others:
            self.services.faces.change_face(tenant, other, forget_wish, None, restricted=True)
        self.services.faces.change_face(tenant, first_faceid, forget_wish, request, restricted=True)

    def make_wish(self, basis: str | None, evidence: str) -> Remembered | None:
        """Make the wish to be remembered, as of now; None if there is no basis for it.

        Raises InvalidInput.
        """
        if basis is None:
            return None
        return check_wish(Remembered(Basis(basis), evidence, self.services.clock.now()))

    def withdraw_again(
        self, tenant: Tenant, faceid: str, at: datetime, wish: Remembered | None = None
    ) -> None:
        """Withdraw again after a restore, even if the restored book lacks the record: then the face
        is restricted.

        `at`: when it was withdrawn, as far as that is known: a record that was given after that
        counts. `wish`: as `withdraw_consent` has it. Raises FaceNotFound, Busy.
        """
        self._withdraw(tenant, faceid, lambda _: None, at, None, wish)

    def _withdraw(
        self,
        tenant: Tenant,
        faceid: str,
        require_record: Callable[[Face], None],
        at: datetime,
        request: RequestId | None,
        wish: Remembered | None,
    ) -> None:
        """Restrict all faces of a person, and take the record of consent from the one that has it.

        `require_record`: raises an error if this face has no record to withdraw. It is called
        early, and once more with the face as it is changed. `at`: when it was withdrawn.
        A held face keeps its record, as evidence. `wish`: as `withdraw_consent` has it.

        Raises what it raises, FaceNotFound, Busy, AnsweredAlready.
        """
        restrictions = self.services.restrictions

        def restrict_other(face: Face) -> tuple[Face, Change]:
            after, change = restrictions.restrict_ended(tenant, face, Ending.WITHDRAWN)
            moved = self.services.face_pictures.move_pictures(tenant, face)
            withdrawn_at = max(at, face.withdrawn_at or at)
            if wish is not None and _is_withdrawn(face):
                withdrawn_at = face.withdrawn_at or at  # no wish makes the days longer
            ended_at = min(at, consent_ended_at(face) or at)
            if face.restriction is None:  # by a restore, too, the days run from then on
                after = replace(after, changed_at=max(at, face.changed_at or at))
            after = replace(
                after,
                pictures=moved.pictures,
                withdrawn_at=withdrawn_at,
                ended_at=None if ended_at == withdrawn_at else ended_at,
                remembered=wish or face.remembered,
            )
            self.services.refusals.write_end(
                tenant, face, EndedRecord(Ending.WITHDRAWN, withdrawn_at, withdrawn_at)
            )
            return after, change

        def withdraw_record(face: Face) -> tuple[Face, Change]:
            require_record(face)
            after, change = restrict_other(face)
            if face.hold:
                return replace(after, consent=face.consent), change
            updates = self._remove_from_merges(tenant.name, face)
            return replace(after, consent=None), replace(
                change, actions=(*change.actions, *updates)
            )

        require_record(self.services.faces.get(tenant, faceid, restricted=True))
        faceids = self.services.faces.find_person(tenant, faceid).faces
        self._end_links_to_crops(tenant, faceids)  # first: what fails here is asked for again
        for other in faceids[1:]:  # if one was restricted, and made again
            self.services.faces.change_face(tenant, other, restrict_other, None, restricted=True)
        self.services.faces.change_face(tenant, faceid, withdraw_record, request, restricted=True)

    def _end_links_to_crops(self, tenant: Tenant, faceids: Sequence[str]) -> None:
        """Delete the person's faces that were cut out of captures: none is cut out again while the
        face is restricted.

        The sightings are read only if some face was cut out.
        """
        crops = self.services.captures.pictures.list_crops(tenant)
        for faceid in faceids if crops else ():
            for sighting in self.services.merges.mover.list_observations(tenant, faceid):
                for key in crops.get(sighting.id, ()):
                    self.services.storage.uploads.delete(key)

    def read_page(
        self, tenant: Tenant, before: datetime | None, limit: int, token: str | None = None
    ) -> ListPage[Face]:
        """Return a page of the faces with a record, the one that expires first at the beginning.

        `before`: only those that expire before then; None: all, last those that do not expire.
        Raises InvalidInput if the token is damaged or another query's.
        """
        pages = PageTokens(f"consents of {tenant.name} before {before}")
        stored_items = self._list_items(
            tenant, before, behind=pages.parse_position(token, str), page_size=limit + 2
        )
        page = pages.make_first_page(stored_items, limit, lambda item: str(item["consent_key"]))
        faces = self.services.faces.by_id(tenant, [item["faceid"] for item in page.rows])
        return ListPage(
            [face for face in faces.values() if face.consent is not None], page.next_token
        )

    def list_all(self, tenant: Tenant) -> Iterator[Face]:
        """Yield all faces with a record that was not withdrawn, the next to expire first."""
        for part in cut_in_parts(self._list_items(tenant, None), _AT_ONCE):
            yield from self.services.faces.by_id(tenant, [item["faceid"] for item in part]).values()

    def list_until(self, tenant: Tenant, before: datetime) -> Iterator[Face]:
        """Yield the faces with a record that expires before then, the first to expire at the
        beginning."""
        for part in cut_in_parts(self._list_items(tenant, before), _AT_ONCE):
            yield from self.services.faces.by_id(tenant, [item["faceid"] for item in part]).values()

    def _list_items(self, tenant: Tenant, before: datetime | None, **how: Any) -> Iterator[Item]:
        between = None, None if before is None else keys.consents_until(before)
        return walk_items(
            self.services.items, keys.FACES, tenant.name, index="by_consent", between=between, **how
        )

    def _require_known(self, tenant: Tenant, face: Face) -> Face:
        """Return the face if it is not restricted, or its record has ended. Raises FaceNotFound."""
        if face.restriction and not face.restriction.ended:
            raise self.services.faces.make_missing_error(tenant, face.faceid)
        return face

    def _remove_from_merges(self, tenant: str, face: Face) -> list[Action]:
        """Return the actions that take the records out of what an undo would restore."""
        updates = list[Action]()
        for merge in (
            self.services.merges.records.list_below(tenant, face.faceid) if face.merges else []
        ):
            if (backup := merge.backup) is not None:
                without = replace(backup, face=replace(backup.face, consent=None), consent=None)
                if without != backup:
                    updates.append(make_backup_update(tenant, merge, without))
        return updates


def _is_withdrawn(face: Face) -> bool:
    return face.restriction is not None and face.restriction.ended is Ending.WITHDRAWN


def _may_take_wish_back(face: Face) -> bool:
    return _is_withdrawn(face) and face.remembered is not None and face.stripped_at is None
