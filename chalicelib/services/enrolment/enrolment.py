"""Enrolment of one person: the largest face of a picture becomes a face of a group.

How good the picture must be: faces/portraits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from chalicelib.core import keys
from chalicelib.core.consent import Consent, require_consent, require_legal
from chalicelib.core.errors import (
    AttributeNotFound,
    ConditionFailed,
    FaceExists,
    FaceKnown,
    GroupFull,
    GroupNotFound,
    InvalidInput,
    StorageUnavailable,
    TenantFull,
)
from chalicelib.core.items import attempts
from chalicelib.core.model import NO_LABELS, NO_VALUES, Edit, Face, Group, JournalEntry, Labels, Tenant
from chalicelib.core.names import face_name, face_note
from chalicelib.core.pictures import Gender, PictureRules
from chalicelib.core.ports import Action, Clock, Put, absent
from chalicelib.core.records.faces import face_item
from chalicelib.core.values import first_version, time_ordered_id
from chalicelib.services.commit.gallery import (
    GROUP_EXISTS,
    GROUP_ROOM,
    TENANT_ROOM,
    Change,
    GalleryMoved,
    GalleryWriter,
    limited_groups,
)
from chalicelib.services.commit.idempotency import RequestId, Requests
from chalicelib.services.enrolment.absorbing import Absorbing
from chalicelib.services.enrolment.plan import EnrolledFace
from chalicelib.services.faces.faces import Faces, require_faceid
from chalicelib.services.faces.names import name_puts
from chalicelib.services.faces.portraits import Portrait, Portraits
from chalicelib.services.groups.groups import Groups
from chalicelib.services.recognition.recognition import KnownFaces, Probes
from chalicelib.services.statistics.recorder import Recorder

MAX_AGE = 120
VALUE_LENGTH = 50

_FACE_FREE = "face-free"


@dataclass(frozen=True)
class _New:
    """A face that is about to be enrolled, without its picture. `chosen`: the caller chose its id."""

    face: Face
    portrait: Portrait
    chosen: bool
    refuses_known: bool


@dataclass
class Enrolment:
    groups: Groups
    faces: Faces
    portraits: Portraits
    writer: GalleryWriter
    known: KnownFaces
    absorbing: Absorbing
    recorder: Recorder
    requests: Requests
    clock: Clock

    def of_largest_face(
        self,
        tenant: Tenant,
        group_name: str,
        picture: bytes,
        rules: PictureRules,
        *,
        faceid: str | None = None,
        age: int | None = None,
        gender: Gender | None = None,
        values: Mapping[str, str] = NO_VALUES,
        name: str = "",
        note: str = "",
        labels: Labels = NO_LABELS,
        consent: Consent | None = None,
        refuses_known: bool = False,
        request: RequestId | None = None,
    ) -> Face:
        """Enrol the largest face of a picture as a new face. Strangers who are surely that person become part of it.

        One person may have several faceids in groups that somebody chose: those are not merged.

        `values`: attribute values by attribute name or `itemN`; names that the group lacks are ignored.
        `refuses_known`: enrol nobody who is enrolled already, in any group. Raises, in this order, ConsentMissing,
        InvalidInput, GroupNotFound, FaceExists, Unusable, GroupFull or TenantFull, FaceKnown; AnsweredAlready if the
        same request was done first.
        """
        require_consent(consent, is_required=tenant.consent_required)
        if consent is not None:
            require_legal(consent, self.clock.now())
        require_age(age)
        name, note = face_name(name), face_note(note)
        if faceid is not None:
            require_faceid(tenant, faceid)
        group = self.groups.named(tenant, group_name)
        attributes = attribute_values(group, values)
        if faceid is not None:
            self._require_free(tenant, faceid)
        portrait = self.portraits.of_largest(tenant, picture, rules)
        require_room(group)
        now = self.clock.now()
        face = Face(
            faceid=faceid or time_ordered_id(now),
            group_id=group.id,
            enrolled_at=now,
            pictures=(),
            age=age,
            gender=gender,
            attributes={id_: value for id_, value in attributes.items() if value},
            labels=labels,
            name=name,
            note=note,
            consent=consent,
            version=first_version(),
        )
        new = _New(face, portrait, chosen=faceid is not None, refuses_known=refuses_known)
        return self.absorbing.strangers(tenant, self._store(tenant, new, request))

    def _require_free(self, tenant: Tenant, faceid: str) -> None:
        if self.faces.find(tenant, faceid):
            raise FaceExists(f"there is a face {faceid!r} already: choose another id, or update that face")

    def _store(self, tenant: Tenant, new: _New, request: RequestId | None) -> Face:
        """Write the picture, then commit. Delete the picture if the commit was refused."""
        for _ in attempts():
            try:
                with self.requests.answering(tenant.name, request):
                    if not new.refuses_known:
                        return self._try(tenant, new, request)
                    with self.writer.exclusive(tenant.name):
                        return self._try(tenant, new, request, self._require_unknown(tenant, new.portrait))
            except GalleryMoved:
                continue
            except ConditionFailed as error:
                if _FACE_FREE in error.names and not new.chosen:
                    new = replace(new, face=replace(new.face, faceid=time_ordered_id(self.clock.now())))
                    continue
                self._raise_refused(tenant, new.face, error)
        raise StorageUnavailable("no free faceid was found: send the request again")

    def _try(self, tenant: Tenant, new: _New, request: RequestId | None, seq: int | None = None) -> Face:
        """Try once. `seq`: that of the gallery in which nobody is known as this face."""
        group = self.groups.of_id(tenant, new.face.group_id)
        if group is None:
            raise GroupNotFound("the group was deleted meanwhile: create it first")
        picture = self.portraits.stored(tenant, new.face, new.portrait, new.face.enrolled_at)
        face = replace(new.face, pictures=(picture,))
        with self.portraits.discarded_if_refused([face.picture_key]):
            change = self._enrolment(tenant, group, face, new.portrait, request)
            self.writer.commit(tenant.name, replace(change, based_on=seq))
        return face

    def _require_unknown(self, tenant: Tenant, portrait: Portrait) -> int:
        """Return the seq of the gallery in which nobody is known as this face. Raises FaceKnown."""
        probes = Probes(portrait.template.model, portrait.embedding[None], [portrait.estimates.quality])
        found = self.known.of(tenant, probes)
        known = found.faces[0]
        if known is not None:
            raise FaceKnown(
                f"this looks like face {known.face.faceid!r}, which is enrolled already ({known.score:.4f}): add the "
                "picture to it, or enrol it without if_known",
                face=known.face.faceid,
                score=known.score,
                threshold=known.threshold,
            )
        return found.seq

    def _enrolment(
        self, tenant: Tenant, group: Group, face: Face, portrait: Portrait, request: RequestId | None
    ) -> Change:
        enrolled = EnrolledFace(face, group, portrait.box, known=False, estimates=portrait.estimates)
        actions: list[Action] = [
            Put(keys.FACES, face_item(tenant.name, face), (absent(_FACE_FREE),)),
            *name_puts(tenant.name, face),
            *self.recorder.actions(tenant.name, [enrolled.observation(face.enrolled_at, face.labels)]),
            *self.requests.recorded(tenant.name, request, {"faceid": face.faceid}),
        ]
        return Change(
            tuple(actions),
            (JournalEntry(Edit.PUT, face.faceid, face.group_id, face.templates),),
            counts={group.id: 1},
            limited_groups=limited_groups(group),
        )

    def _raise_refused(self, tenant: Tenant, face: Face, error: ConditionFailed) -> None:
        """Raise the error that a refused commit means. Return if another try may succeed."""
        if f"{GROUP_EXISTS}:{face.group_id}" in error.names:
            raise GroupNotFound("the group was deleted meanwhile: create it first") from error
        if _FACE_FREE in error.names:
            self._require_free(tenant, face.faceid)
            return
        if f"{GROUP_ROOM}:{face.group_id}" in error.names:
            require_room(self.groups.of_id(tenant, face.group_id))
        if TENANT_ROOM in error.names:
            raise TenantFull(f"the tenant holds {tenant.limits.faces} faces, the most that it may: delete some first")


def attribute_values(group: Group, values: Mapping[str, str]) -> dict[int, str]:
    """Return the values of the group's attributes, by attribute id.

    `values`: by attribute name or `itemN`, N being the attribute's place from 1; the name goes first. Raises
    InvalidInput if a value has over 50 characters.
    """
    found = {}
    for place, attribute in enumerate(group.attributes, start=1):
        value = values.get(attribute.name, values.get(f"item{place}"))
        if value is not None:
            if len(value) > VALUE_LENGTH:
                raise InvalidInput(
                    f"the value of {attribute.name!r} has {len(value)} characters, at most {VALUE_LENGTH} are kept"
                )
            found[attribute.id] = value
    return found


def require_attributes(group: Group, values: Mapping[str, str]) -> None:
    """Raise AttributeNotFound if the group has no attribute of one of these names."""
    names = [attribute.name for attribute in group.attributes]
    unknown = next((name for name in values if name not in names), None)
    if unknown is not None:
        has = ", ".join(names) or "none"
        raise AttributeNotFound(f"group {group.name!r} has no attribute {unknown[:60]!r}: it has {has}")


def require_age(age: int | None) -> None:
    if age is not None and not 0 <= age <= MAX_AGE:
        raise InvalidInput(f"an age is a whole number from 0 to {MAX_AGE}, not {age}")


def require_room(group: Group | None) -> None:
    """Raise GroupFull if the group has no room. None, a group that is gone, passes: another check tells that."""
    if group is not None and group.capacity is not None and group.count >= group.capacity:
        raise GroupFull(
            f"group {group.name!r} is full: {group.count} of {group.capacity} faces; delete or move some first"
        )
