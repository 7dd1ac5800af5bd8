"""Deletion of faces, with their templates, pictures and names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace

from chalicelib.core.erasures import Erasure
from chalicelib.core.errors import Busy, ConditionFailed, FaceHeld, InvalidInput, RegularsError, StorageUnavailable
from chalicelib.core.holds import require_free
from chalicelib.core.items import attempts, write
from chalicelib.core.model import Face, Group, Tenant
from chalicelib.core.observations import is_of
from chalicelib.core.ports import Action, ItemStore
from chalicelib.core.users import user_of
from chalicelib.services.commit import Change, deleted, limited_groups
from chalicelib.services.erasure.erasure import MAX_DELETED, Deleted
from chalicelib.services.faces import face_deletes
from chalicelib.services.idempotency import OK, PARTIAL, RECORDED, Answer, RequestId
from chalicelib.services.rooms import UseCase

CHUNK = 40
_ACTIONS = 90
"""Actions on faces and groups in one transaction; DynamoDB takes 100, and the tenant, journal and answer need some."""


def _anybody(_face: Face) -> bool:
    return True


@dataclass(frozen=True)
class DeletionOptions:
    """A way to delete faces. `by`: who asked for it, for the receipt; `erases`: nothing of the person is left; `only`:
    those of whom this is true; `restricted`: restricted ones, too, since an erasure was asked for by that word;
    `keeps_users`: a user that loses its last face stays, unless it is erased."""

    by: str
    erases: bool
    only: Callable[[Face], bool] = _anybody
    restricted: bool = False
    keeps_users: bool = False


class Deletion(UseCase):
    def of_group(
        self,
        tenant: Tenant,
        group_name: str,
        faceids: Sequence[str],
        request: RequestId | None = None,
        *,
        by: str = "",
        only: Callable[[Face], bool] = _anybody,
    ) -> Deleted:
        """Delete faces of a group, as `of_faces` does. A face of another group counts as missing.

        Raises GroupNotFound, and the errors of `of_faces`.
        """
        _require_number(faceids)
        manner = DeletionOptions(by, tenant.deletes_erase, only)
        return self._delete(tenant, self.book.groups.named(tenant, group_name), faceids, request, manner)

    def of_faces(
        self,
        tenant: Tenant,
        faceids: Sequence[str],
        request: RequestId | None = None,
        *,
        by: str = "",
        erase: bool = False,
        only: Callable[[Face], bool] = _anybody,
        keeps_users: bool = False,
    ) -> Deleted:
        """Delete faces with their templates, pictures and names; then age, gender and crops of their sightings go.

        A user, or a subject with its name, goes with its last face, unless `keeps_users` and nobody is erased.
        `only`: those of whom this is true count as there. With `erase`, or if the tenant's setting says so, nothing is
        left of the people: the erasures in the answer say how far that is (erasing).

        Chunks of up to 40 are deleted all or nothing and recorded, so that a retry after a crash continues where it
        stopped. `failed`: the ids of the first chunk that storage refused, and of all after it. A repeated id counts
        once. Raises InvalidInput if there are no ids or over 100, FaceHeld if one is under legal hold; Busy or
        StorageUnavailable if no face was deleted.
        """
        _require_number(faceids)
        return self._delete(
            tenant, None, faceids, request, DeletionOptions(by, erase or tenant.deletes_erase, only, erase, keeps_users)
        )

    def of_gone(self, tenant: Tenant, faceid: str, request: RequestId | None = None, *, by: str = "") -> Deleted:
        """Erase what a face left that was deleted before: sightings, and the captures that show it.

        Whoever was enrolled with its id since stays. `not_exist` names it if it left nothing. Raises Busy,
        AnsweredAlready.
        """
        now = self.book.faces.by_id(tenant, [faceid], restricted=True).get(faceid)
        if all(now is not None and is_of(now, one) for one in self.book.merges.mover.observed(tenant, faceid)):
            return Deleted([], [], [faceid])
        erasure = self.book.erasure.records.of_gone(faceid, by)
        deleted = Deleted([faceid], [], [], [erasure.id])
        self.book.requests.write(
            tenant.name, [self.book.erasure.records.put(tenant, erasure)], request, asdict(deleted)
        )
        self.book.erasure.records.announce(tenant.name, erasure)
        return deleted

    def _delete(
        self,
        tenant: Tenant,
        group: Group | None,
        faceids: Sequence[str],
        request: RequestId | None,
        manner: DeletionOptions,
    ) -> Deleted:
        progress = self.book.requests.progress(tenant.name, request)
        deleted = Deleted(**progress) if progress else Deleted([], [], [])
        if len(faceids) > CHUNK and not progress:
            found = self._found(tenant, group, faceids, restricted=manner.restricted)
            require_free(filter(manner.only, found.values()))
        while left := _left(faceids, deleted):
            try:
                deleted = self._chunk(tenant, group, left, deleted, request, manner)
            except (Busy, FaceHeld, StorageUnavailable):
                if not deleted.success:
                    raise
                return replace(deleted, failed=left)
        return deleted

    def _chunk(
        self,
        tenant: Tenant,
        group: Group | None,
        left: Sequence[str],
        before: Deleted,
        request: RequestId | None,
        manner: DeletionOptions,
    ) -> Deleted:
        groups = {} if group is None else {group.id: group}
        for _ in attempts():
            stored = self._found(tenant, group, left[:CHUNK], restricted=manner.restricted)
            found = {faceid: face for faceid, face in stored.items() if manner.only(face)}
            require_free(found.values())
            if any(face.moving for face in found.values()):
                for face in found.values():
                    self.book.merges.mover.settle(tenant, face)
                continue
            chunk = fitting(self.book.items, tenant.name, left[:CHUNK], found)
            faces = [found[faceid] for faceid in chunk if faceid in found]
            missing = [faceid for faceid in chunk if faceid not in found]
            done = [face.faceid for face in faces]
            erasure = self.book.erasure.records.of(tenant, faces, manner.by, erases=manner.erases) if faces else None
            ids = [erasure.id] if erasure is not None and manner.erases else []
            deleted = Deleted([*before.success, *done], [], [*before.not_exist, *missing], [*before.erasures, *ids])
            record = self._record(tenant, request, deleted, before, is_last=len(chunk) == len(left))
            try:
                with self.book.requests.answering(tenant.name, request):
                    if erasure is not None:
                        groups |= self._groups_of(tenant, faces, groups)
                        record = [*record, self.book.erasure.records.put(tenant, erasure)]
                        change = _deletion(self.book.items, tenant, groups, faces, record)
                        keeps_users = manner.keeps_users and not manner.erases
                        self.book.writer.commit(tenant.name, replace(change, keeps_users=keeps_users))
                    elif record:
                        write(self.book.items, record)
            except ConditionFailed as error:
                if RECORDED in error.names and (progress := self.book.requests.progress(tenant.name, request)):
                    return Deleted(**progress)  # the same request, sent twice at once, got further elsewhere
                groups = {}
            else:
                if erasure is not None:
                    self._forget_traces(tenant, faces, erasure)
                return deleted
        raise Busy("these faces are changed by others all the time: send the request again in a moment")

    def _found(
        self, tenant: Tenant, group: Group | None, faceids: Sequence[str], *, restricted: bool
    ) -> dict[str, Face]:
        if group is None:
            return self.book.faces.by_id(tenant, faceids, restricted=restricted)
        return self.book.faces.of_group(tenant, group, faceids)

    def _groups_of(self, tenant: Tenant, faces: Sequence[Face], known: Mapping[str, Group]) -> dict[str, Group]:
        """Read the faces' groups that are not known yet."""
        lacked = {face.group_id for face in faces} - known.keys()
        return {id_: group for id_ in sorted(lacked) if (group := self.book.groups.of_id(tenant, id_))}

    def _record(
        self, tenant: Tenant, request: RequestId | None, deleted: Deleted, before: Deleted, *, is_last: bool
    ) -> list[Action]:
        if request is None:
            return []
        answer = Answer(OK if is_last else PARTIAL, asdict(deleted))
        after = asdict(before) if before.success or before.not_exist else None
        return [self.book.requests.record(tenant.name, request, answer, after=after)]

    def _forget_traces(self, tenant: Tenant, faces: Sequence[Face], erasure: Erasure) -> None:
        """Delete the faces' pictures, negatives and merges at once. What fails now, the steps do that follow."""
        pictures = [key for face in faces for key in face.picture_keys]
        with suppress(RegularsError):
            self.book.recognition.negatives.forget(tenant.name, [face for face in faces if face.negatives])
            pictures += self.book.merges.records.forget(tenant.name, [face for face in faces if face.merges])
        self.book.portraits.discard(pictures)
        self.book.erasure.records.announce(tenant.name, erasure)


def _require_number(faceids: Sequence[str]) -> None:
    if not 0 < len(faceids) <= MAX_DELETED:
        raise InvalidInput(f"1 to {MAX_DELETED} faceids are deleted at once, not {len(faceids)}")


def _left(faceids: Sequence[str], deleted: Deleted) -> list[str]:
    done = {*deleted.success, *deleted.not_exist}
    return [faceid for faceid in dict.fromkeys(faceids) if faceid not in done]


def fitting(items: ItemStore, tenant: str, faceids: Sequence[str], found: Mapping[str, Face]) -> list[str]:
    """Return the first of the ids: as many as one transaction can delete, with names, groups and users."""
    chunk: list[str] = []
    actions, others = 0, set[str]()
    for faceid in faceids:
        if face := found.get(faceid):
            actions += len(face_deletes(items, tenant, face))
            others |= {face.group_id, user_of(face)}
        if actions + len(others) > _ACTIONS:
            break
        chunk.append(faceid)
    return chunk


def _deletion(
    items: ItemStore, tenant: Tenant, groups: Mapping[str, Group], faces: Sequence[Face], record: Sequence[Action]
) -> Change:
    counted = [face for face in faces if face.restriction is None]
    return Change(
        actions=(*(action for face in faces for action in face_deletes(items, tenant.name, face)), *record),
        journal=tuple(map(deleted, faces)),
        counts={id_: -number for id_, number in Counter(face.group_id for face in counted).items()},
        limited_groups=frozenset[str]().union(*map(limited_groups, groups.values())),
    )
