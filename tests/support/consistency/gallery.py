"""Are counts, free places, lists, journal and index right by the faces themselves?

All of it changes with the gallery's seq, except the capacities of groups, which change together
with what is left.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING

from chalicelib.book.commit import Change
from chalicelib.book.tenants import CAPACITY_LEFT, FACES_LEFT, GROUPS_LEFT, NUMBERED
from chalicelib.domain.effects import Effect
from chalicelib.domain.model import Edit, Group, JournalEntry, Template, Tenant
from chalicelib.domain.rules.templates import gallery_group, is_users, reduce_templates
from chalicelib.storage import keys
from chalicelib.storage.items import (
    delete_in_parts,
    directory_of,
    every_face,
    every_user,
    gone_of,
    walk_items,
)
from chalicelib.storage.ports import Check, Item, Update, absent, equals, exists
from chalicelib.storage.records.faces import face_from, face_update, user_from
from tests.support.book.segments import list_indexed_faces
from tests.support.consistency.findings import MORE_FIT, SAME, Disagreement, Subject

if TYPE_CHECKING:
    pass


class GalleryRecords(Subject):
    def find_disagreements(self, tenant: Tenant) -> Iterator[Disagreement]:
        """Compare faces with their counts, their lists and the search index."""
        directory = directory_of(self.services.items, tenant.name)
        groups = self.services.groups.list_all(tenant)
        entries: dict[str, int | None] = {}
        face_counts, newest_number = Counter[str](), 0
        for item in every_face(self.services.items, tenant.name):
            face = face_from(item)
            entries[face.faceid] = _hash_entry(
                face.group_id, reduce_templates(face.templates), directory["model"]
            )
            face_counts[face.group_id] += 1
            newest_number = max(newest_number, face.number)
            yield from self._compare_list_keys(tenant, item)
        yield from self._compare_with_tenant(tenant, directory)
        yield from self._compare_group_counts(tenant, directory, groups, face_counts)
        yield from self._compare_limits(tenant, directory, groups, face_counts, newest_number)
        yield from self._find_journal_gaps(tenant, int(directory["seq"]))
        for user in map(user_from, every_user(self.services.items, tenant.name)):
            entries[user.entry] = _hash_entry(
                gallery_group(user.group_id), user.templates, directory["model"]
            )
        yield from self._compare_index(tenant, int(directory["seq"]), entries)

    def _compare_list_keys(self, tenant: Tenant, item: Item) -> Iterator[Disagreement]:
        """Compare the two attributes by which a face is listed with its group and times."""
        face = face_from(item)
        right_keys = {
            "enrolment_key": keys.enrolment_key(face.group_id, face.enrolled_at, face.faceid),
            "arrival_key": keys.arrival_key(
                face.group_id, face.last_arrival_at or face.enrolled_at, face.faceid
            ),
        }
        for name, key in right_keys.items():
            if item.get(name) != key:
                same = equals("version", face.version, SAME)
                update = face_update(tenant.name, face.faceid, same, set={name: key})
                text = f"face {face.faceid} is listed as {item.get(name)!r}, and is {key!r}"
                yield self.make_disagreement(text, (face.version,), update)

    def _compare_with_tenant(self, tenant: Tenant, directory: Item) -> Iterator[Disagreement]:
        """Compare what both the tenant's record and its gallery's directory store; the directory is
        right."""
        seq = int(directory["seq"])
        for name, says, of_tenant, of_directory in (
            ("model", "it is searched with", tenant.model, directory["model"]),
            (
                "gone",
                "these groups are being erased:",
                sorted(tenant.gone),
                sorted(gone_of(directory)),
            ),
        ):
            if of_tenant != of_directory:
                change = {name: of_directory}
                does = ((Effect.ARRANGES, name),)
                update = Update(
                    keys.TENANTS,
                    keys.tenant_item(tenant.name),
                    (exists(SAME),),
                    set=change,
                    does=does,
                )
                text = (
                    f"the tenant says that {says} {of_tenant}, and its gallery says {of_directory}"
                )
                yield self.make_disagreement(text, (seq,), update, self._check_seq(tenant, seq))

    def _compare_group_counts(
        self, tenant: Tenant, directory: Item, groups: list[Group], face_counts: Counter[str]
    ) -> Iterator[Disagreement]:
        """Compare each group's count with its faces.

        `face_counts`: the faces that there are, by group id.
        """
        seq, is_sum_right = int(directory["seq"]), _is_capacity_right(tenant, directory, groups)
        for group in groups:
            uncounted = face_counts[group.id] - group.count
            if uncounted:
                # The capacity is the sum of count and free places. It stays if the tenant's sum of
                # capacities is right.
                free_change = (
                    {"free": -uncounted} if group.capacity is not None and is_sum_right else {}
                )
                when = (
                    equals("count", group.count, SAME),
                    equals("version", group.version, SAME),
                )
                group_key = (tenant.name, keys.group_item(group.id))
                update = Update(
                    keys.DIRECTORY, group_key, when, add={"count": uncounted, **free_change}
                )
                text = (
                    f"group {group.name} says that it holds {group.count} faces, and holds "
                    f"{face_counts[group.id]}"
                )
                yield self.make_disagreement(text, (seq,), update, self._check_seq(tenant, seq))
        for group_id in face_counts.keys() - {group.id for group in groups}:
            yield Disagreement(
                f"{face_counts[group_id]} faces are in a group {group_id}, which there is not",
                (seq,),
            )

    def _compare_limits(
        self,
        tenant: Tenant,
        directory: Item,
        groups: list[Group],
        face_counts: Counter[str],
        newest_number: int,
    ) -> Iterator[Disagreement]:
        """Compare the rest of the tenant's limits, and the newest number of a stranger, with its
        groups and faces."""
        limits, seq = tenant.limits, int(directory["seq"])
        capacity = sum(group.capacity or 0 for group in groups)
        # then a group's mended count changes its capacity
        if not _is_capacity_right(tenant, directory, groups):
            capacity += sum(
                face_counts[group.id] - group.count
                for group in groups
                if group.capacity is not None
            )
        right_numbers = {
            FACES_LEFT: (MORE_FIT.format("faces"), limits.faces - face_counts.total()),
            GROUPS_LEFT: (MORE_FIT.format("groups"), limits.groups - len(groups)),
            CAPACITY_LEFT: (MORE_FIT.format("places for groups"), limits.faces - capacity),
            NUMBERED: (
                "the tenant says that {} is the newest stranger's number, and there is {}",
                max(newest_number, int(directory.get(NUMBERED, 0))),
            ),
        }
        for name, (text, right) in right_numbers.items():
            stored_number = int(directory.get(name, 0))
            if stored_number != right:
                update = self._make_correction(tenant, seq, name, directory.get(name), right)
                yield self.make_disagreement(text.format(stored_number, right), (seq,), update)

    def _make_correction(
        self, tenant: Tenant, seq: int, name: str, stored_number: int | None, right: int
    ) -> Update:
        when = (equals("seq", seq, SAME), equals(name, stored_number, SAME))
        return Update(keys.DIRECTORY, (tenant.name, keys.TENANT_ITEM), when, set={name: right})

    def _check_seq(self, tenant: Tenant, seq: int) -> Check:
        """Return the condition that the gallery has not changed since this seq."""
        return Check(keys.DIRECTORY, (tenant.name, keys.TENANT_ITEM), (equals("seq", seq, SAME),))

    def _find_journal_gaps(self, tenant: Tenant, seq: int) -> Iterator[Disagreement]:
        """Look for gaps from the journal's first change to the gallery's seq: all before it are in
        snapshots."""
        items = walk_items(
            self.services.items, keys.JOURNAL, tenant.name, between=(None, keys.seq_key(seq))
        )
        stored_seqs = {int(item["seq"]) for item in items}
        if missing := set(range(min(stored_seqs, default=seq + 1), seq + 1)) - stored_seqs:
            last = max(missing)
            text = (
                f"the journal ends at change {seq} and lacks {len(missing)} before it, the "
                f"last is {last}"
            )
            yield Disagreement(text, (seq,), partial(self._forget_journal, tenant, last))

    def _forget_journal(self, tenant: Tenant, seq: int) -> None:
        """Delete the journal up to a gap: nobody can follow it across.

        A gallery then starts from the faces.
        """
        older = walk_items(
            self.services.items, keys.JOURNAL, tenant.name, between=(None, keys.seq_key(seq))
        )
        delete_in_parts(self.services.items, keys.JOURNAL, older)

    def _compare_index(
        self, tenant: Tenant, seq: int, entries: Mapping[str, int | None]
    ) -> Iterator[Disagreement]:
        """Compare the index of searches with the faces and users.

        `entries`: by id what `_hash_entry` makes of them.
        """
        unindexed = {faceid for faceid, entry in entries.items() if entry is not None}
        findings: dict[str, str] = {}
        for faceid, group_id, vectors in list_indexed_faces(self.services, tenant.name):
            unindexed.discard(faceid)
            if faceid not in entries:
                findings[faceid] = f"the index finds {faceid}, and there is no such face"
            elif entries[faceid] != hash((group_id, *vectors)):
                findings[faceid] = (
                    f"the index has another group or other templates of {faceid} than the face"
                )
        findings |= {faceid: f"the index does not find {faceid}" for faceid in sorted(unindexed)}
        for faceid, text in findings.items():
            yield Disagreement(text, (seq,), partial(self._write_to_journal, tenant, faceid))

    def _write_to_journal(self, tenant: Tenant, entry_id: str) -> None:
        """Write a face or a user, as it is now, into the journal once more, which every search
        process follows.

        `entry_id`: the face's or the user's id in the gallery.
        """
        is_user = is_users(entry_id)
        table, key = (
            (keys.DIRECTORY, keys.user_item(entry_id)) if is_user else (keys.FACES, entry_id)
        )
        item = self.services.items.get(table, (tenant.name, key))
        if item is None:
            entry = JournalEntry(Edit.DELETE, entry_id, "")
            unchanged_check = Check(table, (tenant.name, key), (absent(SAME),))
        elif is_user:
            user = user_from(item)
            entry = JournalEntry(
                Edit.REPLACE, entry_id, gallery_group(user.group_id), user.templates
            )
            unchanged_check = Check(
                table,
                (tenant.name, key),
                (exists(SAME), equals("faces", list(user.faceids), SAME)),
            )
        else:
            face = face_from(item)
            entry = JournalEntry(
                Edit.REPLACE, entry_id, face.group_id, reduce_templates(face.templates)
            )
            unchanged_check = Check(
                table, (tenant.name, key), (exists(SAME), equals("version", face.version, SAME))
            )
        self.services.writer.commit(
            tenant.name, Change((unchanged_check,), (entry,), skips_model_check=True)
        )


def _is_capacity_right(tenant: Tenant, directory: Item, groups: list[Group]) -> bool:
    """Tell whether the groups' capacities, and what is left for others, sum up to the faces that
    the tenant may have.

    A group stores its count and its free places; its capacity is their sum.
    """
    capacity = sum(group.capacity or 0 for group in groups)
    return capacity + int(directory[CAPACITY_LEFT]) == tenant.limits.faces


def _hash_entry(group_id: str, templates: Iterable[Template], model: str) -> int | None:
    """Return a hash of the group and the vectors of that model; None: there are no vectors."""
    vectors = [template.vector for template in templates if template.model == model]
    return hash((group_id, *vectors)) if vectors else None
