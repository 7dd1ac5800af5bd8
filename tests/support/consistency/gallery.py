"""Checks of counts, free places, lists, journal and index against the faces themselves.

All of it changes with the gallery's seq, except the capacities of groups, which change together
with what is left.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from chalicelib.book.tenants import CAPACITY_LEFT, FACES_LEFT, GROUPS_LEFT, NUMBERED
from chalicelib.domain.model import Group, Template, Tenant
from chalicelib.domain.rules.templates import gallery_group, reduce_templates
from chalicelib.storage import keys
from chalicelib.storage.items import (
    directory_of,
    every_face,
    every_face_set,
    gone_of,
    walk_items,
)
from chalicelib.storage.ports import Item
from chalicelib.storage.records.faces import face_from, face_set_from
from tests.support.book.segments import list_indexed_faces
from tests.support.consistency.findings import MORE_FIT, Subject


class GalleryRecords(Subject):
    def find_disagreements(self, tenant: Tenant) -> Iterator[str]:
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
        yield from self._compare_group_counts(groups, face_counts)
        yield from self._compare_limits(tenant, directory, groups, face_counts, newest_number)
        yield from self._find_journal_gaps(tenant, int(directory["seq"]))
        for user in map(face_set_from, every_face_set(self.services.items, tenant.name)):
            entries[user.entry] = _hash_entry(
                gallery_group(user.group_id), user.templates, directory["model"]
            )
        yield from self._compare_index(tenant, entries)

    def _compare_list_keys(self, tenant: Tenant, item: Item) -> Iterator[str]:
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
                yield f"face {face.faceid} is listed as {item.get(name)!r}, and is {key!r}"

    def _compare_with_tenant(self, tenant: Tenant, directory: Item) -> Iterator[str]:
        """Compare what both the tenant's record and its gallery's directory store; the directory is
        right."""
        for says, of_tenant, of_directory in (
            ("it is searched with", tenant.model, directory["model"]),
            (
                "these groups are being erased:",
                sorted(tenant.gone),
                sorted(gone_of(directory)),
            ),
        ):
            if of_tenant != of_directory:
                yield (
                    f"the tenant says that {says} {of_tenant}, and its gallery says {of_directory}"
                )

    def _compare_group_counts(
        self, groups: list[Group], face_counts: Counter[str]
    ) -> Iterator[str]:
        """Compare each group's count with its faces.

        `face_counts`: the faces that there are, by group id.
        """
        for group in groups:
            if face_counts[group.id] != group.count:
                yield (
                    f"group {group.name} says that it holds {group.count} faces, and holds "
                    f"{face_counts[group.id]}"
                )
        for group_id in face_counts.keys() - {group.id for group in groups}:
            yield f"{face_counts[group_id]} faces are in a group {group_id}, which there is not"

    def _compare_limits(
        self,
        tenant: Tenant,
        directory: Item,
        groups: list[Group],
        face_counts: Counter[str],
        newest_number: int,
    ) -> Iterator[str]:
        """Compare the rest of the tenant's limits, and the newest number of a stranger, with its
        groups and faces."""
        limits = tenant.limits
        capacity = sum(group.capacity or 0 for group in groups)
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
                yield text.format(stored_number, right)

    def _find_journal_gaps(self, tenant: Tenant, seq: int) -> Iterator[str]:
        """Look for gaps from the journal's first change to the gallery's seq: all before it are in
        snapshots."""
        items = walk_items(
            self.services.items, keys.JOURNAL, tenant.name, between=(None, keys.seq_key(seq))
        )
        stored_seqs = {int(item["seq"]) for item in items}
        if missing := set(range(min(stored_seqs, default=seq + 1), seq + 1)) - stored_seqs:
            last = max(missing)
            yield (
                f"the journal ends at change {seq} and lacks {len(missing)} before it, the "
                f"last is {last}"
            )

    def _compare_index(self, tenant: Tenant, entries: Mapping[str, int | None]) -> Iterator[str]:
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
        yield from findings.values()


def _hash_entry(group_id: str, templates: Iterable[Template], model: str) -> int | None:
    """Return a hash of the group and the vectors of that model; None: there are no vectors."""
    vectors = [template.vector for template in templates if template.model == model]
    return hash((group_id, *vectors)) if vectors else None
