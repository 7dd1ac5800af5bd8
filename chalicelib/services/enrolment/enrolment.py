"""Enrolment of one person: the largest face of a picture becomes a face of a group.

How good the picture must be: faces/portraits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from chalicelib.core import keys
from chalicelib.core.errors import (
    ConditionFailed,
    FaceExists,
    GroupFull,
    GroupNotFound,
    InvalidInput,
    StorageUnavailable,
    TenantFull,
)
from chalicelib.core.ids import first_version, time_ordered_id
from chalicelib.core.items import attempts
from chalicelib.core.model import NO_LABELS, NO_VALUES, Edit, Face, Group, JournalEntry, Tenant
from chalicelib.core.pictures import Gender, PictureRules
from chalicelib.core.ports import Action, Clock, Put, absent
from chalicelib.core.records.faces import face_item
from chalicelib.services.commit.gallery import (
    GROUP_EXISTS,
    GROUP_ROOM,
    TENANT_ROOM,
    Change,
    GalleryWriter,
    limited_groups,
)
from chalicelib.services.commit.idempotency import OK, RECORDED, Answer, RequestId, Requests
from chalicelib.services.enrolment.plan import EnrolledFace
from chalicelib.services.faces.faces import Faces, require_faceid
from chalicelib.services.faces.portraits import Portrait, Portraits
from chalicelib.services.groups.groups import Groups
from chalicelib.services.statistics.recorder import Recorder

MAX_AGE = 120
VALUE_LENGTH = 50

_FACE_FREE = "face-free"


@dataclass
class Enrolment:
    groups: Groups
    faces: Faces
    portraits: Portraits
    writer: GalleryWriter
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
        request: RequestId | None = None,
    ) -> Face:
        """Enrol the largest face of a picture as a new face. One person may have several faceids: nothing is merged.

        `values`: attribute values by attribute name or `itemN`; names that the group lacks are ignored.
        Raises, in this order, InvalidInput, GroupNotFound, FaceExists, Unusable, GroupFull or TenantFull;
        AnsweredAlready if the same request was done first.
        """
        require_age(age)
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
            version=first_version(),
        )
        return self._store(tenant, face, portrait, request, chosen=faceid is not None)

    def _require_free(self, tenant: Tenant, faceid: str) -> None:
        if self.faces.find(tenant, faceid):
            raise FaceExists(f"there is a face {faceid!r} already: choose another faceid, or update that face")

    def _store(
        self, tenant: Tenant, face: Face, portrait: Portrait, request: RequestId | None, *, chosen: bool
    ) -> Face:
        """Write the picture, then commit. Delete the picture if the commit was refused."""
        for _ in attempts():
            group = self.groups.of_id(tenant, face.group_id)
            if group is None:
                raise GroupNotFound("the group was deleted meanwhile: create it first")
            picture = self.portraits.stored(tenant.name, face.faceid, portrait, face.enrolled_at)
            face = replace(face, pictures=(picture,))
            try:
                with self.portraits.discarded_if_refused([face.picture_key]):
                    self.writer.commit(tenant.name, self._enrolment(tenant, group, face, portrait, request))
            except ConditionFailed as error:
                if RECORDED in error.names:
                    self.requests.raise_if_answered(tenant.name, request)
                if _FACE_FREE in error.names and not chosen:
                    face = replace(face, faceid=time_ordered_id(self.clock.now()))
                    continue
                self._raise_refused(tenant, group, face, error)
            except StorageUnavailable:
                self.requests.raise_if_answered(tenant.name, request)
                raise
            else:
                return face
        raise StorageUnavailable("no free faceid was found: send the request again")

    def _enrolment(
        self, tenant: Tenant, group: Group, face: Face, portrait: Portrait, request: RequestId | None
    ) -> Change:
        enrolled = EnrolledFace(face, group, portrait.box, known=False, estimates=portrait.estimates)
        actions: list[Action] = [Put(keys.FACES, face_item(tenant.name, face), (absent(_FACE_FREE),))]
        actions += self.recorder.actions(tenant.name, [enrolled.observation(face.enrolled_at, NO_LABELS)])
        if request is not None:
            answer = Answer(OK, {"faceid": face.faceid})
            actions.append(self.requests.record(tenant.name, request, answer))
        return Change(
            tuple(actions),
            (JournalEntry(Edit.PUT, face.faceid, face.group_id, face.templates),),
            counts={group.id: 1},
            limited_groups=limited_groups(group),
        )

    def _raise_refused(self, tenant: Tenant, group: Group, face: Face, error: ConditionFailed) -> None:
        """Raise the error that a refused commit means. Return if another try may succeed."""
        if f"{GROUP_EXISTS}:{group.id}" in error.names:
            raise GroupNotFound("the group was deleted meanwhile: create it first") from error
        if _FACE_FREE in error.names:
            self._require_free(tenant, face.faceid)
            return
        if f"{GROUP_ROOM}:{group.id}" in error.names:
            require_room(self.groups.of_id(tenant, group.id))
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


def require_age(age: int | None) -> None:
    if age is not None and not 0 <= age <= MAX_AGE:
        raise InvalidInput(f"an age is a whole number from 0 to {MAX_AGE}, not {age}")


def require_room(group: Group | None) -> None:
    """Raise GroupFull if the group has no room. None, a group that is gone, passes: another check tells that."""
    if group is not None and group.capacity is not None and group.count >= group.capacity:
        raise GroupFull(
            f"group {group.name!r} is full: {group.count} of {group.capacity} faces; delete or move some first"
        )
