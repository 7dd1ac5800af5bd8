"""Enrolment of one person: the largest face of a picture becomes a face of a group.

How good the picture must be: portraits.

The changes that enrol the faces of a picture are gathered face by face and committed at once. Of
somebody whom cameras know already, the new face absorbs the strangers who surely are that person.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING

from msgspec.structs import replace

from chalicelib.book.commit import GROUP_EXISTS, GROUP_ROOM, TENANT_ROOM, Change
from chalicelib.book.enrolment.fields import EnrolledFace, find_attribute_values
from chalicelib.book.faces import make_enrolment_change, require_faceid
from chalicelib.book.groups import require_room
from chalicelib.book.idempotency import RequestId
from chalicelib.book.portraits import Portrait
from chalicelib.domain import audit_events
from chalicelib.domain.consent import check_record
from chalicelib.domain.errors import (
    Busy,
    ConditionFailed,
    FaceExists,
    FaceKnown,
    GroupNotFound,
    StorageUnavailable,
    TenantFull,
    WrongModel,
)
from chalicelib.domain.grounds import require_record
from chalicelib.domain.model import (
    NO_FIELDS,
    STRANGER,
    Face,
    Group,
    Labels,
    NewFace,
    Picture,
    Tenant,
)
from chalicelib.domain.names import face_name
from chalicelib.domain.person_texts import copy_texts, parse_texts
from chalicelib.domain.pictures import PictureRules
from chalicelib.domain.rules.recognised import Probes
from chalicelib.lazy import lazy
from chalicelib.service import Service
from chalicelib.storage.items import retry_if_changed
from chalicelib.storage.ports import Action
from chalicelib.storage.records.faces import FACE_FREE
from chalicelib.storage.values import first_version, time_ordered_id

if TYPE_CHECKING:
    from chalicelib.book.book import Book
    from chalicelib.book.enrolment.face_update import FaceUpdate, PictureChanges
    from chalicelib.book.enrolment.group_enrolment import GroupEnrolment


class Enrolment(Service["Book"]):
    """The enrolment of people by hand: of the largest face here, all other ways beside it."""

    @lazy
    def everybody(self) -> GroupEnrolment:
        from chalicelib.book.enrolment.group_enrolment import GroupEnrolment

        return GroupEnrolment(self.services)

    @lazy
    def update(self) -> FaceUpdate:
        from chalicelib.book.enrolment.face_update import FaceUpdate

        return FaceUpdate(self.services)

    @lazy
    def pictures(self) -> PictureChanges:
        from chalicelib.book.enrolment.face_update import PictureChanges

        return PictureChanges(self.services)

    def enrol_largest_face(
        self,
        tenant: Tenant,
        group_name: str,
        picture: bytes,
        rules: PictureRules,
        new_face: NewFace = NO_FIELDS,
        *,
        refuses_known: bool = False,
        refuses_erased: bool = False,
        request: RequestId | None = None,
    ) -> Face:
        """Enrol the largest face of a picture as a new face.

        Strangers who are surely that person become part of it.

        One person may have several faceids in groups that somebody chose: those are not merged.

        `refuses_known`: enrol nobody who is enrolled already, in any group; `refuses_erased`: nor
        anybody who was erased. Raises, in this order, ConsentMissing, InvalidInput, GroupNotFound,
        FaceExists, Unusable, FaceErased, GroupFull or TenantFull, FaceKnown; AnsweredAlready if the
        same request was done first.
        """
        checked_face = self._check_new_face(tenant, new_face)
        group = self.services.groups.get_by_name(tenant, group_name)
        attributes = find_attribute_values(group, new_face.values)
        if new_face.faceid is not None:
            self._require_free_id(tenant, new_face.faceid)
        portrait = self.services.portraits.portray_largest(tenant, picture, rules)
        if refuses_erased:
            self.services.book_hooks.refuse_erased(
                tenant, new_face.faceid, portrait.template.vector
            )
        require_room(group)
        face = _make_face(checked_face, group, attributes, self.services.clock.now())
        enrolled = self._enrol_portrait(
            tenant, face, portrait, request, refuses_known=refuses_known
        )
        return self.absorb_strangers(tenant, enrolled)

    def _check_new_face(self, tenant: Tenant, new_face: NewFace) -> NewFace:
        """Return what is said of somebody, name and note as they are stored.

        Raises ConsentMissing, InvalidInput.
        """
        require_record(tenant, new_face.consent)
        if new_face.consent is not None:
            consent = check_record(new_face.consent, self.services.clock.now())
            new_face = replace(new_face, consent=consent)
            self.services.tenants.announce_consent_end(tenant, consent)
        checked_face = replace(new_face, name=face_name(new_face.name), **parse_texts(new_face))
        if new_face.faceid is not None:
            require_faceid(tenant, new_face.faceid)
        return checked_face

    def write_portrait(
        self, tenant: Tenant, face: Face, portrait: Portrait, now: datetime
    ) -> Picture:
        """Store a portrait as a picture of this face.

        Call it before the transaction that names the picture.

        If the portrait shows somebody whose record has ended: raises ConsentMissing if the face has
        no record, ConsentOlder if it has one that was given before that end.
        """
        quality = portrait.estimates.quality
        self.services.recognition.verification.require_nobody_withdrawn(
            tenant, face.consent, portrait.embedding, quality
        )
        picture = Picture(
            portrait.photo_id,
            "",
            now,
            (portrait.template,),
            portrait.estimates,
            found=portrait.found,
        )
        return self.services.face_pictures.write_picture(tenant, face, picture, portrait.jpeg)

    def absorb_strangers(self, tenant: Tenant, enrolled: Face) -> Face:
        """Let a face that was just enrolled absorb the strangers who surely are that person; return
        it as it is then.

        It is enrolled whatever becomes of this: what cannot be done now is done by the job that
        joins faces. Somebody enrolled as a stranger is left to that job, too, since of two
        strangers the older one keeps its id.
        """
        if not tenant.learns or enrolled.group_id == STRANGER:
            return enrolled
        with suppress(Busy, StorageUnavailable, WrongModel):
            if self.services.joining.join_face(tenant, enrolled.faceid):
                return self.services.faces.find(tenant, enrolled.faceid) or enrolled
        return enrolled

    def list_absorbed(self, tenant: Tenant, face: Face) -> list[str]:
        """Return the ids of the faces that the service has joined with this one by itself, oldest
        first."""
        if not face.merges:
            return []
        merges = self.services.merges.records.list_all(tenant.name, face.faceid)
        return [merge.other for merge in merges if merge.joined and merge.is_active]

    def _require_free_id(self, tenant: Tenant, faceid: str) -> None:
        if self.services.faces.find(tenant, faceid, restricted=True):
            raise FaceExists(
                f"there is a face {faceid!r} already: choose another id, or update that face"
            )

    @retry_if_changed(
        "many enrolments of this tenant arrive at once: send the request again in a moment"
    )
    def _enrol_portrait(
        self,
        tenant: Tenant,
        new_face: Face,
        portrait: Portrait,
        request: RequestId | None,
        *,
        refuses_known: bool,
    ) -> Face:
        """Store a new face with its picture, which is deleted again if the face is refused.

        `new_face`: without its picture and, unless the caller chose one, without an id. Raises
        GroupNotFound, GroupFull, TenantFull, FaceExists, FaceKnown, Busy, AnsweredAlready.
        """
        try:
            with self.services.requests.raise_if_answered(tenant.name, request):
                if not refuses_known:
                    return self._try_enrolment(tenant, new_face, portrait, request)
                with self.services.writer.hold_up_commits(tenant.name):
                    return self._try_enrolment(
                        tenant, new_face, portrait, request, self._require_unknown(tenant, portrait)
                    )
        except ConditionFailed as error:
            if FACE_FREE in error.names and new_face.faceid:
                self._require_free_id(tenant, new_face.faceid)
            self.raise_refused(tenant, new_face.group_id, error)
            raise

    def _try_enrolment(
        self,
        tenant: Tenant,
        new_face: Face,
        portrait: Portrait,
        request: RequestId | None,
        seq: int | None = None,
    ) -> Face:
        """Enrol without a retry.

        `seq`: that of the gallery in which nobody is known as this face; None: any.
        """
        group = self.services.groups.find_by_id(tenant, new_face.group_id)
        if group is None:
            raise GroupNotFound("the group was deleted meanwhile: create it first")
        face = replace(
            new_face, faceid=new_face.faceid or time_ordered_id(self.services.clock.now())
        )
        face = replace(
            face,
            pictures=(
                self.services.enrolment.write_portrait(tenant, face, portrait, face.enrolled_at),
            ),
        )
        with self.services.face_pictures.replace_pictures((), [face.picture_key]):
            enrolled = EnrolledFace(
                face, group, portrait.box, known=False, estimates=portrait.estimates
            )
            answer = self.services.requests.make_answer_actions(
                tenant.name, request, {"faceid": face.faceid}
            )
            change = self.make_change(tenant, group, [enrolled], face.enrolled_at, actions=answer)
            self.services.writer.commit(tenant.name, replace(change, based_on=seq))
        return face

    def _require_unknown(self, tenant: Tenant, portrait: Portrait) -> int:
        """Return the seq of the gallery in which nobody is known as this face. Raises FaceKnown."""
        probes = Probes(
            portrait.template.model, portrait.embedding[None], [portrait.estimates.quality]
        )
        (recognised,) = self.services.recognition.find_duplicates(tenant, probes)
        if recognised.face is not None and (candidate := recognised.verdict.candidate) is not None:
            audit_events.report_people([candidate.faceid])
            raise FaceKnown(
                f"this looks like face {candidate.faceid!r}, which is enrolled already "
                f"({candidate.score:.4f}): add "
                "the picture to it, or enrol it without if_known",
                face=candidate.faceid,
                score=candidate.score,
                threshold=recognised.verdict.decision.threshold,
            )
        return recognised.seq

    def make_change(
        self,
        tenant: Tenant,
        group: Group,
        enrolled_faces: Sequence[EnrolledFace],
        now: datetime,
        labels: Labels | None = None,
        actions: Sequence[Action] = (),
    ) -> Change:
        """Return the change that stores those of these faces that are new, and an observation of
        each.

        `labels`: those of the observations; None: the faces'. `actions`: more of the same
        transaction.
        """
        observations = [
            enrolled_face.make_observation(
                now, enrolled_face.face.labels if labels is None else labels
            )
            for enrolled_face in enrolled_faces
        ]
        observation_actions = self.services.statistics.make_actions(tenant.name, observations)
        new_faces = [
            enrolled_face.face for enrolled_face in enrolled_faces if not enrolled_face.known
        ]
        return make_enrolment_change(tenant, group, new_faces, [*actions, *observation_actions])

    def raise_refused(
        self, tenant: Tenant, group_id: str, error: ConditionFailed, number: int = 1
    ) -> None:
        """Raise the error that a refused commit of so many faces means.

        Return if another try may succeed.
        """
        if f"{GROUP_EXISTS}:{group_id}" in error.names:
            raise GroupNotFound("the group was deleted meanwhile: create it first") from error
        if f"{GROUP_ROOM}:{group_id}" in error.names:
            require_room(self.services.groups.find_by_id(tenant, group_id), number)
        if TENANT_ROOM in error.names:
            max_faces = tenant.limits.faces
            raise TenantFull(
                f"the tenant may hold {max_faces} faces, and this would pass that: delete some "
                "first"
            )


def _make_face(
    new_face: NewFace, group: Group, attributes: Mapping[int, str], now: datetime
) -> Face:
    """Make the face as it is stored, without its picture.

    `attributes`: values by attribute id of the group.
    """
    return Face(
        faceid=new_face.faceid or "",
        group_id=group.id,
        enrolled_at=now,
        pictures=(),
        age=new_face.age,
        gender=new_face.gender,
        attributes={id_: value for id_, value in attributes.items() if value},
        labels=new_face.labels,
        name=new_face.name,
        consent=new_face.consent,
        version=first_version(),
        **copy_texts(new_face),
    )
