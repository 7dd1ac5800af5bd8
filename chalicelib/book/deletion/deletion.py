"""Deletion of faces, with their templates, pictures and names, and of groups with all their faces
and face sets.

Services outside of the book have something to do when faces leave (domain/hooks). They are asked
before each deletion, and their rows go into the transaction that deletes the faces.

A group is gone at once, and its faces behind it, whatever their number. One transaction deletes the
group, frees its name and takes its faces out of the gallery. The tenant's record names the group
until all its faces are gone, so that nobody reads one of them meanwhile. Their records and pictures
are deleted by the function that a message calls, and by each sweep, in parts with a departure each.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime
from itertools import accumulate, islice
from typing import TYPE_CHECKING

from msgspec import Struct, field
from msgspec.structs import asdict, replace

from chalicelib.book.commit import Change
from chalicelib.book.faces import face_deletes, has_ended_record
from chalicelib.book.groups import CHANGED_ALL_THE_TIME, group_deletes, require_deletable
from chalicelib.book.idempotency import RECORDED, RequestId
from chalicelib.book.tenants import CAPACITY_LEFT, FACES_LEFT, GROUPS_LEFT
from chalicelib.domain import audit_events
from chalicelib.domain.consent import Consent, EndedRecords
from chalicelib.domain.errors import (
    Busy,
    ConditionFailed,
    ConsentMissing,
    FaceHeld,
    RegularsError,
    StorageUnavailable,
)
from chalicelib.domain.grounds import is_unwritten, say_stranger_withdrawn
from chalicelib.domain.hooks import FORGOTTEN, MOST_LEAVING, NOBODY, Departure, weight_of
from chalicelib.domain.jobs import STOPS_AT_S, Job
from chalicelib.domain.model import Edit, Face, Group, JournalEntry, Tenant
from chalicelib.domain.rules.hold import require_free
from chalicelib.domain.rules.templates import face_set_of, gallery_group, make_delete_entry
from chalicelib.lazy import lazy
from chalicelib.service import Service
from chalicelib.storage import keys
from chalicelib.storage.items import (
    ENDED_CHANGES,
    Changed,
    count_attempts,
    faces_in,
    retry_if_changed,
    write,
    write_in_parts,
)
from chalicelib.storage.ports import Action, Delete, ItemStore, Put
from chalicelib.storage.records.faces import face_from

if TYPE_CHECKING:
    from chalicelib.book.book import Book
    from chalicelib.book.deletion.orphans import OrphanedPictures


MAX_DELETED = 100
"""Faces that dialects delete at once, at most: of an erasure all of somebody."""


class Deleted(Struct, frozen=True):
    """The outcome of a deletion. Each id is in exactly one of the lists."""

    success: list[str]
    failed: list[str]
    not_exist: list[str]
    erasures: list[str] = field(default_factory=list)
    """Ids of the erasures that follow; none of a plain deletion."""


CHUNK = 40
"""Faces that one transaction deletes: of the 100 actions each needs about two."""
_ACTIONS = 90
"""Actions on faces and groups in one transaction; DynamoDB takes 100, and the tenant, journal and
answer need some."""


def _anybody(_face: Face) -> bool:
    return True


_AT_ONCE = 8
"""Pictures that are deleted in parallel."""


class DeletionOptions(Struct, frozen=True):
    """A way to delete faces.

    `by`: the asker, for the receipt; `erases`: nothing of the person is left; `only`: those of whom
    this is true; `on_request`: an erasure was asked for by that word, so restricted ones go, too;
    `keeps_face_sets`: one that loses its last face stays, unless it is erased; `asked_at`: when it
    was asked for first, if a backup brought them back.
    """

    by: str
    erases: bool
    only: Callable[[Face], bool] = _anybody
    on_request: bool = False
    keeps_face_sets: bool = False
    asked_at: datetime | None = None


class _Chunk(Struct, frozen=True):
    """The faces that one transaction deletes.

    `missing`: the ids of it that no face has; `is_last`: none is left.
    """

    faces: list[Face]
    missing: list[str]
    is_last: bool


class Deletion(Service["Book"]):
    """The deletion of faces. Beside it that of groups, and of pictures that no face names."""

    @lazy
    def groups(self) -> GroupDeletion:
        return GroupDeletion(self.services)

    @lazy
    def orphans(self) -> OrphanedPictures:
        from chalicelib.book.deletion.orphans import OrphanedPictures

        return OrphanedPictures(self.services)

    def list_jobs(self) -> tuple[Job, ...]:
        return (
            Job(
                "groups",
                lambda context: self.groups.continue_tenant(context.tenant, context.remaining_s),
                ignores_clock=True,
            ),
            Job(
                "pictures",
                lambda context: self.orphans.delete(
                    context.tenant.name, context.hour, context.after, context.remaining_s
                ),
            ),
        )

    def delete_faces_of_group(
        self,
        tenant: Tenant,
        group_name: str,
        faceids: Sequence[str],
        request: RequestId | None = None,
        *,
        by: str = "",
        only: Callable[[Face], bool] = _anybody,
    ) -> Deleted:
        """Delete faces of a group, as `delete_faces` does.

        A face of another group counts as missing.

        Raises GroupNotFound, and the errors of `delete_faces`.
        """
        group = self.services.groups.get_by_name(tenant, group_name)
        return self.delete_faces(
            tenant,
            faceids,
            request,
            by=by,
            only=lambda face: face.group_id == group.id and only(face),
        )

    def delete_faces(
        self,
        tenant: Tenant,
        faceids: Sequence[str],
        request: RequestId | None = None,
        *,
        by: str = "",
        erase: bool = False,
        only: Callable[[Face], bool] = _anybody,
        keeps_face_sets: bool = False,
        asked_at: datetime | None = None,
    ) -> Deleted:
        """Delete faces with their templates, pictures and names; then age, gender and crops of
        their sightings go.

        A face set goes with its last face, unless `keeps_face_sets` and nobody is erased. `by`: the
        asker, for the receipts; `only`: those of whom this is true count as there; `asked_at`: when
        it was asked for first, if a backup brought them back. With `erase`, or if the tenant's
        setting says so, nothing is left of the people: the erasures in the answer say how far that
        is.

        Chunks of up to 40 are deleted all or nothing and recorded, so that a retry after a crash
        goes on from there. The answer's `failed` has the ids of the first chunk that storage
        refused, and of all after it. A repeated id counts once. Raises FaceHeld if one is under
        legal hold; Busy or StorageUnavailable if no face was deleted.
        """
        options = DeletionOptions(
            by, erase or tenant.deletes_erase, only, erase, keeps_face_sets, asked_at
        )
        progress = self.services.requests.read_progress(tenant.name, request)
        deleted = Deleted(**progress) if progress else Deleted([], [], [])
        if len(faceids) > CHUNK and not progress:
            require_free(self._find_deletable(tenant, faceids, options).values())
        while remaining := _list_remaining(faceids, deleted):
            try:
                deleted = self._delete_chunk(tenant, remaining, deleted, request, options)
            except (Busy, FaceHeld, StorageUnavailable):
                if not deleted.success:
                    raise
                return replace(deleted, failed=remaining)
        return deleted

    def forget_withdrawn(
        self, name: str, ended_records: EndedRecords, strangers: Mapping[str, Consent | None]
    ) -> None:
        """Raise ConsentMissing if one of the strangers is a person whose record of consent has
        ended, before anything is added to them. Erase those that match such a person well enough.

        `name`: the tenant's; `strangers`: by id, the record of consent that each gets. One stays as
        it is under hold, or if somebody wrote of it. Raises ConsentOlder.
        """
        tenant = self.services.tenants.read_stored(name)
        found = self.services.recognition.verification.find_withdrawn_strangers(
            tenant, ended_records, strangers
        )
        if not found:
            return
        erased = list[str]()
        if likely := [faceid for faceid, is_likely in found.items() if is_likely]:
            act = audit_events.job("watch consents", name)
            with audit_events.begin_audit_event(act), suppress(FaceHeld):
                deleted = self.delete_faces(
                    tenant, likely, by=NOBODY, erase=True, only=is_unwritten
                )
                erased = deleted.success
        raise ConsentMissing(say_stranger_withdrawn(is_erased=bool(erased)))

    def empty_folders(self, tenant: Tenant, faceids: Collection[str]) -> None:
        """Empty the faces' folders, but for pictures of a face that has one of these ids since."""
        present_faces = self.services.faces.by_id(tenant, faceids, restricted=True)
        named_keys = {key for face in present_faces.values() for key in face.picture_keys}

        def delete(faceid: str) -> None:
            for blob in self.services.storage.blobs.walk(keys.face_folder(tenant.name, faceid)):
                if keys.picture_of_thumbnail(blob.key) not in named_keys:
                    self.services.storage.blobs.delete(blob.key)

        with ThreadPoolExecutor(_AT_ONCE) as threads:  # on AWS each face is three calls to S3
            list(threads.map(delete, faceids))

    @retry_if_changed(
        "these faces are changed by others all the time: send the request again in a moment"
    )
    def _delete_chunk(
        self,
        tenant: Tenant,
        remaining: Sequence[str],
        done_before: Deleted,
        request: RequestId | None,
        options: DeletionOptions,
    ) -> Deleted:
        """Delete as many of the `remaining` faces as one transaction takes; return `done_before`
        with them added."""
        chunk = self._choose_chunk(tenant, remaining, options)
        departure = self._make_departure(tenant, chunk.faces, options) if chunk.faces else None
        deleted = _add_chunk(
            done_before,
            chunk,
            [departure.id] if departure and departure.id and options.erases else [],
        )
        record = self.services.requests.make_answer_actions(
            tenant.name, request, asdict(deleted), before=asdict(done_before), is_last=chunk.is_last
        )
        try:
            with self.services.requests.raise_if_answered(tenant.name, request):
                if departure is not None:
                    actions = [*record, *departure.actions]
                    self.services.writer.commit(
                        tenant.name, self._make_change(tenant, chunk.faces, actions, options)
                    )
                elif record:
                    write(self.services.items, record)
        except ConditionFailed as error:
            if RECORDED in error.names and (
                progress := self.services.requests.read_progress(tenant.name, request)
            ):
                # the same request, sent twice at once, got further elsewhere
                return Deleted(**progress)
            raise
        if departure is not None:
            self._forget_traces(tenant, chunk.faces)
            departure.follow()
        return deleted

    def _choose_chunk(
        self, tenant: Tenant, remaining: Sequence[str], options: DeletionOptions
    ) -> _Chunk:
        """Choose as many of the `remaining` faces as one transaction takes.

        Raises Changed, FaceHeld, Busy.
        """
        faces_by_id = self._find_deletable(tenant, remaining[:CHUNK], options)
        require_free(faces_by_id.values())
        if self.services.merges.mover.settle_faces(tenant, *faces_by_id.values()):
            raise Changed
        faceids = fit_transaction(
            self.services.items, tenant.name, remaining[:CHUNK], faces_by_id, erases=options.erases
        )
        faces = [faces_by_id[faceid] for faceid in faceids if faceid in faces_by_id]
        missing = [faceid for faceid in faceids if faceid not in faces_by_id]
        return _Chunk(faces, missing, len(faceids) == len(remaining))

    def _make_departure(
        self, tenant: Tenant, faces: Sequence[Face], manner: DeletionOptions
    ) -> Departure:
        return self.services.book_hooks.faces_leave(
            tenant,
            faces,
            manner.by,
            erases=manner.erases,
            refuses=manner.on_request and manner.by not in {NOBODY, FORGOTTEN},
            asked_at=manner.asked_at,
        )

    def _find_deletable(
        self, tenant: Tenant, faceids: Sequence[str], manner: DeletionOptions
    ) -> dict[str, Face]:
        stored_faces_by_id = self.services.faces.by_id(
            tenant, faceids, restricted=manner.on_request
        )
        return {faceid: face for faceid, face in stored_faces_by_id.items() if manner.only(face)}

    def _make_change(
        self,
        tenant: Tenant,
        faces: Sequence[Face],
        record: Sequence[Action],
        options: DeletionOptions,
    ) -> Change:
        """Make the change that deletes these faces.

        `record`: the actions that write the erasure or the answer down.

        Restricted faces are in no group's count, so they are not taken off it.
        """
        counts = Counter(face.group_id for face in faces if face.restriction is None)
        return Change(
            actions=(
                *(
                    action
                    for face in faces
                    for action in face_deletes(self.services.items, tenant.name, face)
                ),
                *record,
            ),
            journal=tuple(map(make_delete_entry, faces)),
            counts={id_: -number for id_, number in counts.items()},
            limited_groups=self.services.groups.list_limited(tenant, counts),
            directory_counts={ENDED_CHANGES: 1} if any(map(has_ended_record, faces)) else {},
            keeps_face_sets=options.keeps_face_sets and not options.erases,
        )

    def _forget_traces(self, tenant: Tenant, faces: Sequence[Face]) -> None:
        """Delete the faces' pictures, negatives and merges at once.

        If it fails, jobs do it later.
        """
        pictures = [key for face in faces for key in face.picture_keys]
        with suppress(RegularsError):
            for face in faces:
                merges, kept_pictures = self.services.merges.records.make_delete_actions(
                    tenant.name, face
                )
                negatives = self.services.recognition.negatives.make_delete_actions(
                    tenant.name, face
                )
                write_in_parts(self.services.items, [*negatives, *merges])
                pictures += kept_pictures
        self.services.face_pictures.discard_pictures(pictures)


def _add_chunk(done_before: Deleted, chunk: _Chunk, erasures: Sequence[str]) -> Deleted:
    return Deleted(
        [*done_before.success, *(face.faceid for face in chunk.faces)],
        [],
        [*done_before.not_exist, *chunk.missing],
        [*done_before.erasures, *erasures],
    )


def _list_remaining(faceids: Sequence[str], deleted: Deleted) -> list[str]:
    done_faceids = {*deleted.success, *deleted.not_exist}
    return [faceid for faceid in dict.fromkeys(faceids) if faceid not in done_faceids]


def fit_transaction(
    items: ItemStore,
    tenant: str,
    faceids: Sequence[str],
    faces_by_id: Mapping[str, Face],
    *,
    erases: bool = False,
) -> list[str]:
    """Return the first of the ids, as many as one transaction can delete, with their faces' names,
    groups and face sets.

    If it `erases`, they are also no more than one record of an erasure takes. `faces_by_id`: the
    faces that there are.
    """
    fitting_faceids: list[str] = []
    action_count, weight, groups_and_sets = 0, 0, set[str]()
    for faceid in faceids:
        if face := faces_by_id.get(faceid):
            action_count += len(face_deletes(items, tenant, face))
            weight += weight_of(face)
            groups_and_sets |= {face.group_id, face_set_of(face)}
        if action_count + len(groups_and_sets) > _ACTIONS or (erases and weight > MOST_LEAVING):
            break
        fitting_faceids.append(faceid)
    return fitting_faceids


_MOST_GONE = 500
"""Most groups that are being erased: the tenant's record names them, and each request reads it."""


class GroupDeletion(Service["Book"]):
    a_record: int = 5_000
    """Faces in one record that erases nobody, which holds their ids: each record reads all
    observations."""

    @retry_if_changed(CHANGED_ALL_THE_TIME)
    def delete(
        self, tenant: Tenant, name: str, request: RequestId | None = None, *, by: str = ""
    ) -> None:
        """Delete a group with its faces: calls that start after this one no longer find it, and its
        name is free.

        If the tenant's setting says so now, nothing is left of the people. `by`: the asker, for the
        receipts.

        Raises GroupNotFound, DefaultGroup, FaceHeld if a face of it is under legal hold, Busy,
        AnsweredAlready.
        """
        with self.services.writer.hold_up_commits(tenant.name):
            seq = self.services.writer.read_seq(
                tenant.name
            )  # each change of a face, and each hold, comes with another one
            group = self.services.groups.get_by_name(tenant, name)
            require_deletable(group)
            self._require_free(tenant, group)
            if len(tenant.gone) >= _MOST_GONE:
                raise Busy(
                    f"{_MOST_GONE} deleted groups are still being erased: send the request again "
                    "in a while"
                )
            with self.services.requests.raise_if_answered(tenant.name, request):
                self.services.writer.commit(
                    tenant.name, self._make_change(tenant, group, seq, request, by=by)
                )
        return self.services.wake(tenant.name, group=group.id)

    def continue_tenant(self, tenant: Tenant, remaining_s: Callable[[], float]) -> None:
        """Continue the deletion of all groups whose faces are not erased yet."""
        for group_id in sorted(tenant.gone):
            self.erase_faces(tenant, group_id, remaining_s)

    def erase_faces(self, tenant: Tenant, group_id: str, remaining_s: Callable[[], float]) -> None:
        """Erase the faces of a deleted group.

        May be cut off anywhere, and called again, also by two at once.

        If the time runs out, a message is sent for the rest. Raises Busy if a merge of one of them
        takes too long.
        """
        note = self.services.items.get(keys.DIRECTORY, (tenant.name, keys.gone_item(group_id)))
        options = (
            DeletionOptions(note["by"], note["erases"])
            if note
            else DeletionOptions("", tenant.deletes_erase)
        )
        while faces := self._read_some(tenant, group_id, options):
            # Merges and undoings leave a mark on the faces of other groups, too.
            if self.services.merges.mover.settle_faces(replace(tenant, gone=frozenset()), *faces):
                continue
            self._erase(tenant, faces, options)
            if remaining_s() < STOPS_AT_S:
                self.services.wake(tenant.name, group=group_id)
                return
        self.services.groups.forget_face_sets(tenant, group_id)
        self.services.index.purge_before(tenant.name, self.services.writer.read_seq(tenant.name))
        forgotten = Delete(keys.DIRECTORY, (tenant.name, keys.gone_item(group_id)))
        self.services.writer.commit(
            tenant.name, Change((forgotten,), (), erased_groups=frozenset({group_id}))
        )

    def _require_free(self, tenant: Tenant, group: Group) -> None:
        faceids_on_hold = [face.faceid for face in self.services.faces.holds.list_all(tenant.name)]
        faces_on_hold = self.services.faces.by_id(tenant, faceids_on_hold, restricted=True).values()
        require_free(face for face in faces_on_hold if face.own_group_id == group.id)

    def _make_change(
        self, tenant: Tenant, group: Group, seq: int, request: RequestId | None, *, by: str
    ) -> Change:
        """Make the change that deletes a group with its faces, as one edit of the gallery.

        A note remains, by which a job erases the faces later: how the group was called, who asked,
        and whether anything may be left. `seq`: the number of the gallery's last edit when the
        group was read. The change is refused if there was another edit since.
        """
        manner = {
            "tenant": tenant.name,
            "item": keys.gone_item(group.id),
            "name": group.name,
            "staff": group.staff,
            "by": by,
            "erases": tenant.deletes_erase,
        }
        put = Put(keys.DIRECTORY, manner)
        return Change(
            (
                *group_deletes(tenant.name, group),
                put,
                *self.services.requests.make_answer_actions(tenant.name, request),
            ),
            tuple(
                JournalEntry(Edit.DROP, "", entry_group_id)
                for entry_group_id in (group.id, gallery_group(group.id))
            ),
            directory_counts={
                FACES_LEFT: group.count,
                GROUPS_LEFT: 1,
                CAPACITY_LEFT: group.capacity or 0,
            },
            based_on=seq,
            deleted_groups=frozenset({group.id}),
        )

    def _read_some(self, tenant: Tenant, group_id: str, options: DeletionOptions) -> list[Face]:
        """Read as many of the group's faces as one record takes, with those that were merged into
        them."""
        max_number = MOST_LEAVING if options.erases else self.a_record
        face_keys = islice(faces_in(self.services.items, tenant.name, group_id), max_number)
        face_keys_to_read = [(tenant.name, item["faceid"]) for item in face_keys]
        faces = self._read_faces(face_keys_to_read, group_id) if face_keys_to_read else []
        recorded = accumulate(map(weight_of, faces))
        return [face for face, number in zip(faces, recorded, strict=True) if number <= max_number]

    def _read_faces(self, face_keys: Sequence[tuple[str, str]], group_id: str) -> list[Face]:
        """Read faces that are still of the group: an id may have been enrolled again, in another
        group."""
        faces = [
            face_from(item) for item in self.services.items.get_many(keys.FACES, face_keys) if item
        ]
        return [face for face in faces if face.group_id == group_id]

    def _erase(self, tenant: Tenant, faces: Sequence[Face], manner: DeletionOptions) -> None:
        """Note the faces, then delete them and their pictures.

        After a kill, those that are left are noted again.
        """
        departure = self.services.book_hooks.faces_leave(
            tenant, faces, manner.by, erases=manner.erases
        )
        if departure.actions:
            write(self.services.items, departure.actions)
        faces_by_id = {face.faceid: face for face in faces}
        while faces_by_id:
            faces_by_id = self._delete_some(tenant, faces_by_id)
        self.services.deletion.empty_folders(tenant, departure.faceids)
        departure.follow()

    def _delete_some(self, tenant: Tenant, faces: dict[str, Face]) -> dict[str, Face]:
        """Delete as many of the faces as one transaction takes, and return those that are left.

        Raises Busy.
        """
        chunk = fit_transaction(self.services.items, tenant.name, [*faces][:CHUNK], faces)
        to_delete = [faces[faceid] for faceid in chunk]
        for _ in count_attempts():
            deletes = [
                action
                for face in to_delete
                for action in face_deletes(self.services.items, tenant.name, face)
            ]
            try:
                write(self.services.items, deletes)
            except ConditionFailed:  # another worker was first, or a request under way changed one
                to_delete = self._read_faces(
                    [(tenant.name, face.faceid) for face in to_delete], to_delete[0].group_id
                )
                if to_delete:
                    continue
            return {faceid: face for faceid, face in faces.items() if faceid not in chunk}
        raise Busy("these faces are changed by others all the time: they are erased later")
