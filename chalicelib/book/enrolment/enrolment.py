"""Enrolment of one person: the largest face of a picture becomes a face of a group.

How good the picture must be: portraits.

The changes that enrol the faces of a picture are gathered face by face and committed at once. Of
somebody whom cameras know already, the new face absorbs the strangers who surely are that person.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext, suppress
from datetime import datetime
from typing import TYPE_CHECKING

from msgspec.structs import replace

from chalicelib.book.commit import GROUP_EXISTS, GROUP_ROOM, TENANT_ROOM, Change
from chalicelib.book.enrolment.fields import EnrolledFace, find_attribute_values
from chalicelib.book.faces import make_enrolment_change, require_faceid
from chalicelib.book.groups import raise_if_full
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
    """The enrolment of people by hand: of the largest face of a picture here.

    All other ways are beside it: `everybody` on a picture, `update` of a face, further `pictures`.
    A new face's parts are checked, made and stored here for all of them.
    """

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
        is_somebody_else: bool = False,
        request: RequestId | None = None,
    ) -> Face:
        """Enrol the largest face of a picture in a group; return the new face.

        Strangers (faces that cameras saw and nobody named) who surely are that person become part
        of it. One person may have a face in several groups. `refuses_known` enrols nobody who is
        enrolled already, in any group. `is_somebody_else`: as a `Change` has it. Raises, in this
        order, ConsentMissing, InvalidInput, GroupNotFound, FaceExists, Unusable, GroupFull or
        TenantFull, FaceKnown, FaceErased, ConsentOlder; AnsweredAlready if the same request was
        done first.
        """
        checked_face = self._check_new_face(tenant, new_face)
        group = self.services.groups.get_by_name(tenant, group_name)
        attributes = find_attribute_values(group, new_face.values)
        if new_face.faceid is not None:
            self._require_free_id(tenant, new_face.faceid)

        # To find and embed the face takes a while, so what is cheap was checked first.
        portrait = self.services.portraits.portray_largest(tenant, picture, rules)
        raise_if_full(group)
        face = _make_face(checked_face, group, attributes, self.services.clock.now())
        terms = Change((), (), is_somebody_else=is_somebody_else)
        enrolled = self._enrol_portrait(
            tenant, face, portrait, request, terms, refuses_known=refuses_known
        )
        return self.absorb_strangers(tenant, enrolled)

    def _check_new_face(self, tenant: Tenant, new_face: NewFace) -> NewFace:
        """Return what a user says of a new face, with consent, name and texts in stored form.

        The tenant notes first when the record of consent ends, since the face is then restricted:
        so no end is missed. Raises ConsentMissing if the tenant needs a record, InvalidInput.
        """
        require_record(tenant, new_face.consent)
        if new_face.consent is not None:
            consent = check_record(new_face.consent, self.services.clock.now())
            new_face = replace(new_face, consent=consent)
            self.services.tenants.announce_consent_end(tenant, consent)

        checked_face = replace(new_face, name=face_name(new_face.name), **parse_texts(new_face))
        if new_face.faceid is not None:
            require_faceid(tenant, new_face.faceid)
        if new_face.hidden:
            self.services.faces.require_room_for_hidden(tenant)
        return checked_face

    def write_portrait(
        self, tenant: Tenant, face: Face, portrait: Portrait, now: datetime
    ) -> Picture:
        """Store a portrait as one more picture of a face; return that Picture.

        A portrait is a face just cut out of a photo, with template (vector) and estimates. The
        Picture has these, too; its JPEG is stored here, under a key. Call it before the transaction
        that stores the face with the Picture. If that is refused, `replace_pictures` deletes the
        JPEG. Raises ConsentMissing if the portrait shows somebody who withdrew consent, and the
        face has no record of consent; ConsentOlder if that record is older than the withdrawal.
        """
        verification = self.services.recognition.verification
        verification.require_nobody_withdrawn(
            tenant, face.consent, portrait.embedding, portrait.estimates.quality
        )
        picture = Picture(
            id=portrait.photo_id,
            key="",  # its place in storage, which `write_picture` chooses
            added_at=now,
            templates=(portrait.template,),
            estimates=portrait.estimates,
            found=portrait.found,
        )
        return self.services.face_pictures.write_picture(tenant, face, picture, portrait.jpeg)

    def absorb_strangers(self, tenant: Tenant, enrolled: Face) -> Face:
        """Merge the strangers who surely are a newly enrolled person into that face; return the
        face.

        The enrolment stands, whatever becomes of this. What cannot be done now, since storage is
        busy for example, a job does later. Somebody enrolled as a stranger is left to that job,
        too, since of two strangers the older one keeps its id.
        """
        if not tenant.learns or enrolled.group_id == STRANGER:  # `learns`: it wants such joins
            return enrolled
        with suppress(Busy, StorageUnavailable, WrongModel):
            merges = self.services.joining.join_face(tenant, enrolled.faceid)
            if merges:  # a stranger has become part of it, so the stored face has changed
                return self.services.faces.find(tenant, enrolled.faceid) or enrolled
        return enrolled

    def list_absorbed(self, tenant: Tenant, face: Face) -> list[str]:
        """Return the ids of the faces that the service joined with this one, oldest first."""
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
        terms: Change,
        *,
        refuses_known: bool,
    ) -> Face:
        """Store a new face with its picture; return it as stored.

        `new_face` has no picture yet and, unless the caller chose one, no id. `refuses_known`
        stores nobody who is enrolled already. If the write is refused, but another try may succeed,
        the decorator does all of this again. Raises GroupNotFound, GroupFull, TenantFull,
        FaceExists, FaceKnown, Busy. Raises AnsweredAlready if the same request was done first.
        """
        try:
            # If nobody may be stored between the search and the write, this process's other changes
            # wait. If another process is first, the write is refused (GalleryMoved).
            hold_up = self.services.writer.hold_up_commits if refuses_known else nullcontext
            with (
                self.services.requests.raise_if_answered(tenant.name, request),
                hold_up(tenant.name),
            ):
                if refuses_known:
                    terms = replace(terms, based_on=self._require_unknown(tenant, portrait))
                return self._try_enrolment(tenant, new_face, portrait, request, terms)
        except ConditionFailed as error:
            if FACE_FREE in error.names and new_face.faceid:  # the id that the caller chose
                self._require_free_id(tenant, new_face.faceid)
            self.raise_lasting_refusal(tenant, new_face.group_id, error)
            raise  # the decorator tries again

    def _try_enrolment(
        self,
        tenant: Tenant,
        new_face: Face,
        portrait: Portrait,
        request: RequestId | None,
        terms: Change,
    ) -> Face:
        """Store a new face with its picture, in one try; return it as stored.

        `terms`: an empty change with what a caller's wishes make of it. Its `based_on` is the
        version of the gallery at which a search found nobody like the face; GalleryMoved is raised
        if the write reaches another one.
        """
        # It may have been deleted since the caller read it.
        group = self.services.groups.find_by_id(tenant, new_face.group_id)
        if group is None:
            raise GroupNotFound("the group was deleted meanwhile: create it first")
        faceid = new_face.faceid or time_ordered_id(self.services.clock.now())
        face = replace(new_face, faceid=faceid)
        picture = self.write_portrait(tenant, face, portrait, face.enrolled_at)
        face = replace(face, pictures=(picture,))

        # The picture is stored by now. Whatever refuses the face here has it deleted again.
        with self.services.face_pictures.replace_pictures(before=(), after=[face.picture_key]):
            # The face, its observation and the answer to the request are one transaction.
            enrolled = EnrolledFace(
                face, group, portrait.box, known=False, estimates=portrait.estimates
            )
            answer_actions = self.services.requests.make_answer_actions(
                tenant.name, request, {"faceid": face.faceid}
            )
            change = self.make_change(
                tenant, group, [enrolled], face.enrolled_at, actions=answer_actions
            )
            change = replace(
                change, based_on=terms.based_on, is_somebody_else=terms.is_somebody_else
            )
            self.services.writer.commit(tenant.name, change)
        return face

    def _require_unknown(self, tenant: Tenant, portrait: Portrait) -> int:
        """Raise FaceKnown if somebody who looks like this portrait is enrolled already.

        Return the version (seq) of the gallery, all stored faces, in which nobody was found. If
        somebody was, the audit log is told who.
        """
        template, quality = portrait.template, portrait.estimates.quality
        # A search takes several faces, a row of the array each; this is one.
        probes = Probes(template.model, portrait.embedding[None], [quality])
        [recognised] = self.services.recognition.find_duplicates(tenant, probes)
        candidate = recognised.verdict.candidate
        if recognised.face is None or candidate is None:
            return recognised.seq

        audit_events.report_people([candidate.faceid])
        raise FaceKnown(
            f"this looks like face {candidate.faceid!r}, which is enrolled already "
            f"({candidate.score:.4f}): add the picture to it, or enrol it without if_known",
            face=candidate.faceid,
            score=candidate.score,
            threshold=recognised.verdict.decision.threshold,
        )

    def make_change(
        self,
        tenant: Tenant,
        group: Group,
        enrolled_faces: Sequence[EnrolledFace],
        now: datetime,
        labels: Labels | None = None,
        actions: Sequence[Action] = (),
    ) -> Change:
        """Return the change of the gallery that enrols these faces; nothing is written yet.

        It stores the new ones, and an observation (what statistics count) of each, new or known.
        `actions` are more writes of the same transaction, such as those of known faces that change.
        `labels` are those of the observations; None takes each face's.
        """
        observations = []
        for enrolled in enrolled_faces:
            its_labels = enrolled.face.labels if labels is None else labels
            observations.append(enrolled.make_observation(now, its_labels))
        observation_actions = self.services.statistics.make_actions(tenant.name, observations)

        new_faces = [enrolled.face for enrolled in enrolled_faces if not enrolled.known]
        return make_enrolment_change(tenant, group, new_faces, [*actions, *observation_actions])

    def raise_lasting_refusal(
        self, tenant: Tenant, group_id: str, error: ConditionFailed, number: int = 1
    ) -> None:
        """Raise the error for users if storage refused an enrolment for good; return if a retry may
        work.

        `error` names the conditions that failed. No try helps if the group is gone ("group-exists:"
        and its id), or if the group or the tenant has no room.
        """
        if f"{GROUP_EXISTS}:{group_id}" in error.names:
            raise GroupNotFound("the group was deleted meanwhile: create it first") from error
        if f"{GROUP_ROOM}:{group_id}" in error.names:
            group = self.services.groups.find_by_id(tenant, group_id)
            raise_if_full(group, number)  # raises GroupFull, unless it has room again by now
        if TENANT_ROOM in error.names:
            max_faces = tenant.limits.faces
            raise TenantFull(
                f"the tenant may hold {max_faces} faces, and this would pass that: delete some "
                "first"
            )


def _make_face(
    new_face: NewFace, group: Group, attributes: Mapping[int, str], now: datetime
) -> Face:
    """Return a new face as it is to be stored, but without its picture.

    `new_face` is what a user says of the person. Without a chosen id, the face's is "" for now.
    `attributes` has values by the ids of the group's attributes; empty ones are not kept.
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
        hidden=new_face.hidden,
        version=first_version(),
        **copy_texts(new_face),
    )
