"""Changes of many faces at once over v1."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

from msgspec import UNSET, Meta, UnsetType

from chalicelib.api.v1.endpoint import Call, Operation
from chalicelib.api.v1.faces import FaceId, FaceLabels
from chalicelib.api.v1.wire import Answer, Sent, Text, sent
from chalicelib.core.access import Role
from chalicelib.core.errors import FaceHeld, GroupNotFound, InvalidInput

if TYPE_CHECKING:
    from chalicelib.services.erasure.erasure import Deleted


class FaceSelection(Sent):
    """Some faces, and one of `group`, `labels` and `delete`."""

    ids: Annotated[list[FaceId], Meta(min_length=1, max_length=100)]
    group: Annotated[Text, Meta(description="The group that they move to.")] | UnsetType = UNSET
    labels: FaceLabels | UnsetType = UNSET
    delete: bool = False


class FailedFace(Answer):
    """A face that stays as it was."""

    id: str
    code: Annotated[str, Meta(description="The error's name, as if this face alone had been changed.")]
    message: str


class FacesChanged(Answer):
    """Each id is in one of the lists."""

    done: list[str]
    failed: list[FailedFace]


def change_faces(call: Call, body: FaceSelection) -> FacesChanged:
    """Move, label or delete up to 100 faces of any groups: each by itself, so that one that fails stops no other.

    But 409 FaceHeld, and nothing is changed, if one that is to be deleted is under legal hold.
    """
    if (body.group is not UNSET) + (body.labels is not UNSET) + body.delete != 1:
        raise InvalidInput("send one of group, labels and delete (true): one kind of change at a time")
    if body.delete:
        return _deleted(call.services.erasure.deletion.of_faces(call.tenant, body.ids, call.request, by=call.caller.id))
    from chalicelib.services.enrolment.enrolment import FaceChanges

    if isinstance(body.group, str):
        call.services.groups.named(call.tenant, body.group)
        changes = FaceChanges(new_group_name=body.group)
    else:
        changes = FaceChanges(labels={} if isinstance(body.labels, UnsetType) else sent(body.labels))
    changed = call.services.enrolment.many.change(call.tenant, body.ids, changes, call.request)
    return FacesChanged.made_of(changed, failed=[FailedFace.made_of(one) for one in changed.failed])


def _changed_before(_call: Call, body: Mapping[str, Any]) -> FacesChanged:
    if "done" in body:
        return FacesChanged(done=body["done"], failed=[FailedFace(**one) for one in body["failed"]])
    from chalicelib.services.erasure.erasure import Deleted

    return _deleted(Deleted(**body))


OPERATIONS = (
    Operation(
        "POST", "/v1/face-changes", change_faces, Role.OPERATOR, errors=(GroupNotFound, FaceHeld), again=_changed_before
    ),
)


def _deleted(deleted: Deleted) -> FacesChanged:
    missing = [
        FailedFace(id=id_, code="FaceNotFound", message=f"there is no face {id_!r}") for id_ in deleted.not_exist
    ]
    busy = "storage was busy, and the face is still there: send it again in a moment"
    left = [FailedFace(id=id_, code="Busy", message=busy) for id_ in deleted.failed]
    return FacesChanged(done=deleted.success, failed=[*missing, *left])
