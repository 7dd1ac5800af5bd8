"""Deletion of a group's faces, with their templates and pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

from chalicelib.core.errors import Busy, ConditionFailed, InvalidInput, StorageUnavailable
from chalicelib.core.items import attempts, write
from chalicelib.core.model import Edit, Face, Group, JournalEntry, Tenant
from chalicelib.core.ports import Action, ItemStore
from chalicelib.services.commit.gallery import Change, GalleryWriter, limited_groups
from chalicelib.services.commit.idempotency import OK, PARTIAL, Answer, RequestId, Requests
from chalicelib.services.faces.faces import Faces, face_deletes
from chalicelib.services.faces.portraits import Portraits
from chalicelib.services.groups.groups import Groups
from chalicelib.services.merges.observations import ObservationMover
from chalicelib.services.merges.records import Merges
from chalicelib.services.recognition.negatives import Negatives

MAX_DELETED = 100

_CHUNK = 40


@dataclass(frozen=True)
class Deleted:
    """The outcome of a deletion. Each id is in exactly one of the lists."""

    success: list[str]
    failed: list[str]
    not_exist: list[str]


@dataclass
class Deletion:
    items: ItemStore
    groups: Groups
    faces: Faces
    portraits: Portraits
    writer: GalleryWriter
    requests: Requests
    mover: ObservationMover

    def of_group(
        self, tenant: Tenant, group_name: str, faceids: Sequence[str], request: RequestId | None = None
    ) -> Deleted:
        """Delete faces of a group with their templates and pictures. A face of another group counts as missing.

        Chunks of 40 are deleted all or nothing and recorded, so that a retry after a crash continues where it stopped.
        `failed`: the ids of the first chunk that storage refused, and of all after it. A repeated id counts once.
        Raises GroupNotFound, InvalidInput if there are no ids or over 100, Busy or StorageUnavailable if no face was
        deleted.
        """
        if not 0 < len(faceids) <= MAX_DELETED:
            raise InvalidInput(f"1 to {MAX_DELETED} faceids are deleted at once, not {len(faceids)}")
        group = self.groups.named(tenant, group_name)
        progress = self.requests.progress(tenant.name, request)
        deleted = Deleted(**progress) if progress else Deleted([], [], [])
        done = {*deleted.success, *deleted.not_exist}
        wanted = [faceid for faceid in dict.fromkeys(faceids) if faceid not in done]
        for begin in range(0, len(wanted), _CHUNK):
            chunk = wanted[begin : begin + _CHUNK]
            is_last = begin + _CHUNK >= len(wanted)
            try:
                deleted = self._chunk(tenant, group, chunk, deleted, request, is_last=is_last)
            except (Busy, StorageUnavailable):
                if not deleted.success:
                    raise
                return replace(deleted, failed=wanted[begin:])
        return deleted

    def _chunk(
        self,
        tenant: Tenant,
        group: Group,
        chunk: list[str],
        before: Deleted,
        request: RequestId | None,
        *,
        is_last: bool,
    ) -> Deleted:
        pictures: list[str] = []
        for _ in attempts():
            found = self.faces.of_group(tenant, group, chunk)
            if any(face.moving for face in found.values()):
                for face in found.values():
                    self.mover.settle(tenant, face)
                continue
            missing = [faceid for faceid in chunk if faceid not in found]
            deleted = Deleted([*before.success, *found], [], [*before.not_exist, *missing])
            record: list[Action] = []
            if request is not None:
                answer = Answer(OK if is_last else PARTIAL, asdict(deleted))
                after_partial = bool(before.success or before.not_exist)
                record = [self.requests.record(tenant.name, request, answer, after_partial=after_partial)]
            try:
                if found:
                    pictures += self._forget_traces(tenant, [*found.values()])
                    self.writer.commit(tenant.name, _deletion(tenant, group, list(found.values()), record))
                elif record:
                    write(self.items, record)
            except ConditionFailed:
                self.requests.raise_if_answered(tenant.name, request)
                group = self.groups.of_id(tenant, group.id) or group
            except StorageUnavailable:
                self.requests.raise_if_answered(tenant.name, request)
                raise
            else:
                self.portraits.discard([*pictures, *(key for face in found.values() for key in face.picture_keys)])
                return deleted
        raise Busy("these faces are changed by others all the time: send the request again in a moment")

    def _forget_traces(self, tenant: Tenant, faces: Sequence[Face]) -> Sequence[str]:
        """Delete the faces' negatives and merges. Return the keys of the pictures that only those merges named."""
        Negatives(self.items).forget(tenant.name, [face for face in faces if face.negatives])
        return Merges(self.items).forget(tenant.name, [face for face in faces if face.merges])


def _deletion(tenant: Tenant, group: Group, faces: list[Face], record: list[Action]) -> Change:
    return Change(
        actions=(
            *(action for face in faces for action in face_deletes(tenant.name, face)),
            *record,
        ),
        journal=tuple(JournalEntry(Edit.DELETE, face.faceid, face.group_id) for face in faces),
        counts={group.id: -len(faces)},
        limited_groups=limited_groups(group),
    )
