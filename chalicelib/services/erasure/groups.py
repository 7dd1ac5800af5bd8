"""Deletion of groups with all their faces and users, whatever their number: gone at once, and erased behind it.

One transaction deletes the group, frees its name and takes its faces out of the gallery. The tenant's record names the
group until all its faces are erased, so that nobody reads one of them meanwhile. Their records and pictures are deleted
by the function that a message calls, and by each sweep, in parts that end in a record of erasure/erasing each.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import islice

from chalicelib.core import keys
from chalicelib.core.chores import STOPS_AT_S
from chalicelib.core.errors import Busy, ConditionFailed, InvalidInput, RegularsError
from chalicelib.core.holds import require_free
from chalicelib.core.items import attempts, every, retried, write
from chalicelib.core.model import Edit, Face, Group, JournalEntry, Tenant
from chalicelib.core.ports import Delete, Put
from chalicelib.core.records.faces import face_from
from chalicelib.core.users import gallery_group
from chalicelib.services.commit import Change
from chalicelib.services.erasure.faces import CHUNK, DeletionOptions, fitting
from chalicelib.services.faces import face_deletes
from chalicelib.services.groups import CHANGED_ALL_THE_TIME, group_deletes, require_own
from chalicelib.services.idempotency import RequestId
from chalicelib.services.rooms import UseCase
from chalicelib.services.tenants import CAPACITY_LEFT, FACES_LEFT, GROUPS_LEFT

_MOST_GONE = 500
"""Most groups that are being erased: the tenant's record names them, and each request reads it."""

_AN_ERASURE = 100
"""Faces in one record of an erasure, which also holds hashes of their templates and pictures."""


class GroupDeletion(UseCase):
    a_record: int = 5_000
    """Faces in one record, which holds their ids: each record reads all observations."""

    @retried(CHANGED_ALL_THE_TIME)
    def delete(self, tenant: Tenant, name: str, request: RequestId | None = None, *, by: str = "") -> None:
        """Delete a group with its faces: it is gone for each call that begins after this one, and its name is free.

        If the tenant's setting says so now, nothing is left of the people. `by`: who asked for it, for the receipts.

        Raises GroupNotFound, DefaultGroup, FaceHeld if a face of it is under legal hold, Busy, AnsweredAlready.
        """
        with self.book.writer.exclusive(tenant.name):
            seq = self.book.writer.seq(tenant.name)  # each change of a face, and each hold, comes with another one
            group = self.book.groups.named(tenant, name)
            require_own(group)
            self._require_free(tenant, group)
            if len(tenant.gone) >= _MOST_GONE:
                raise Busy(f"{_MOST_GONE} deleted groups are still being erased: send the request again in a while")
            with self.book.requests.answering(tenant.name, request):
                self.book.writer.commit(tenant.name, self._change(tenant, group, seq, request, by=by))
        return self._announce(tenant.name, group.id)

    def tenant(self, tenant: Tenant, left_s: Callable[[], float]) -> None:
        """Go on with all groups whose faces are not erased yet."""
        for group_id in sorted(tenant.gone):
            self.go_on(tenant, group_id, left_s)

    def go_on(self, tenant: Tenant, group_id: str, left_s: Callable[[], float]) -> None:
        """Erase the faces of a deleted group. May be cut off anywhere, and called again, also by two at once.

        If the time runs out, a message is sent for the rest. Raises Busy if a merge of one of them takes too long.
        """
        noted = self.book.items.get(keys.DIRECTORY, (tenant.name, keys.gone_item(group_id)))
        manner = DeletionOptions(noted["by"], noted["erases"]) if noted else DeletionOptions("", tenant.deletes_erase)
        while faces := self._some(tenant, group_id, manner):
            if any(face.moving for face in faces):
                self._settle(tenant, faces)
                continue
            self._erase(tenant, faces, manner)
            if left_s() < STOPS_AT_S:
                self._announce(tenant.name, group_id)
                return
        self.book.groups.forget_users(tenant, group_id)
        self.book.index.purge(tenant.name, self.book.writer.seq(tenant.name))
        forgotten = Delete(keys.DIRECTORY, (tenant.name, keys.gone_item(group_id)))
        self.book.writer.commit(tenant.name, Change((forgotten,), (), erased=frozenset({group_id})))

    def _require_free(self, tenant: Tenant, group: Group) -> None:
        held = [one.faceid for one in self.book.faces.holds.all(tenant.name)]
        found = self.book.faces.by_id(tenant, held, restricted=True).values()
        require_free(one for one in found if one.own_group_id == group.id)

    def _change(self, tenant: Tenant, group: Group, seq: int, request: RequestId | None, *, by: str) -> Change:
        manner = {"tenant": tenant.name, "item": keys.gone_item(group.id), "by": by, "erases": tenant.deletes_erase}
        noted = Put(keys.DIRECTORY, manner)
        return Change(
            (*group_deletes(tenant.name, group), noted, *self.book.requests.recorded(tenant.name, request)),
            tuple(JournalEntry(Edit.DROP, "", one) for one in (group.id, gallery_group(group.id))),
            tenant={FACES_LEFT: group.count, GROUPS_LEFT: 1, CAPACITY_LEFT: group.capacity or 0},
            based_on=seq,
            dropped=frozenset({group.id}),
        )

    def _some(self, tenant: Tenant, group_id: str, manner: DeletionOptions) -> list[Face]:
        """Read as many of the group's faces as one record takes."""
        low, high = keys.group_range(group_id)
        found = every(self.book.items, keys.FACES, tenant.name, index="by_enrolment", low=low, high=high)
        most = _AN_ERASURE if manner.erases else self.a_record
        places = [(tenant.name, item["faceid"]) for item in islice(found, most)]
        return self._stored(places, group_id) if places else []

    def _stored(self, places: Sequence[tuple[str, str]], group_id: str) -> list[Face]:
        """Read faces that are still of the group: an id may have been enrolled again, in another group."""
        faces = [face_from(item) for item in self.book.items.get_many(keys.FACES, places) if item]
        return [face for face in faces if face.group_id == group_id]

    def _settle(self, tenant: Tenant, faces: Sequence[Face]) -> None:
        """Finish the merges and undoings of these faces, which leave a mark on the faces of other groups, too."""
        there = replace(tenant, gone=frozenset())
        for face in faces:
            self.book.merges.mover.settle(there, face)

    def _erase(self, tenant: Tenant, faces: Sequence[Face], manner: DeletionOptions) -> None:
        """Note the faces, then delete them and their pictures. After a kill, those that are left are noted again."""
        erasure = self.book.erasure.records.of(tenant, faces, manner.by, erases=manner.erases)
        try:
            write(self.book.items, [self.book.erasure.records.put(tenant, erasure)])
        except InvalidInput:  # the record has too many ids, of faces that were merged into these
            half = len(faces) // 2
            if not half:
                raise
            for some in (faces[:half], faces[half:]):
                self._erase(tenant, some, manner)
            return
        found = {face.faceid: face for face in faces}
        while found:
            found = self._without_some(tenant, found)
        self.book.erasure.traces.pictures(tenant, erasure.faceids)
        self.book.erasure.records.announce(tenant.name, erasure)

    def _without_some(self, tenant: Tenant, faces: dict[str, Face]) -> dict[str, Face]:
        """Delete as many of the faces as one transaction takes, and return the others."""
        some = fitting(self.book.items, tenant.name, [*faces][:CHUNK], faces)
        left = {faceid: faces[faceid] for faceid in some}
        for _ in attempts():
            try:
                write(
                    self.book.items,
                    [one for face in left.values() for one in face_deletes(self.book.items, tenant.name, face)],
                )
            except ConditionFailed:  # another worker was first, or a request under way changed one
                places, [group_id] = [(tenant.name, one) for one in left], {face.group_id for face in left.values()}
                left = {face.faceid: face for face in self._stored(places, group_id)}
                if left:
                    continue
            return {faceid: face for faceid, face in faces.items() if faceid not in some}
        raise Busy("these faces are changed by others all the time: they are erased later")

    def _announce(self, tenant: str, group_id: str) -> None:
        """Send the message that has the faces erased. If it is lost, the sweep does it."""
        with suppress(RegularsError):
            self.book.storage.index_queue.send(json.dumps({"tenant": tenant, "group": group_id}), group=tenant)
