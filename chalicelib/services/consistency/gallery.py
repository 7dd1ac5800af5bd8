"""Counts, rest of the limits, lists, journal and index against the faces themselves.

All of it changes with the gallery's seq, except the capacities of groups, which change together with what is left.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from chalicelib.core import keys
from chalicelib.core.items import directory_of, every, every_face, every_user, gone_of, write, write_in_parts
from chalicelib.core.model import Edit, Group, JournalEntry, Template, Tenant
from chalicelib.core.ports import Check, Delete, Item, ItemStore, Update, absent, equals, exists
from chalicelib.core.records.faces import face_from, user_from
from chalicelib.core.templates import compared
from chalicelib.core.users import gallery_group, is_users
from chalicelib.services.commit.gallery import Change, GalleryWriter
from chalicelib.services.consistency.disagreement import Disagreement
from chalicelib.services.groups.groups import Groups
from chalicelib.services.tenants.accounts import CAPACITY_LEFT, FACES_LEFT, GROUPS_LEFT

IndexedFace = tuple[str, str, list[bytes]]
"""A face as the index holds it: faceid, group id, and the vectors that probes are compared with."""

_SAME = "as-it-was-read"


@dataclass(frozen=True)
class _StoredFace:
    """Summary of a face, kept while all faces are read. `compared`: a hash of group and vectors; None: no vectors."""

    group_id: str
    version: int
    compared: int | None


@dataclass(frozen=True)
class GalleryRecords:
    """The gallery. `indexed` yields each face that a search process finds which has just started."""

    items: ItemStore
    groups: Groups
    writer: GalleryWriter
    indexed: Callable[[str], Iterable[IndexedFace]]

    def look(self, tenant: Tenant) -> Iterator[Disagreement]:
        directory = directory_of(self.items, tenant.name)
        groups = self.groups.all(tenant)
        faces: dict[str, _StoredFace] = {}
        for item in every_face(self.items, tenant.name):
            face = face_from(item)
            vectors = [one.vector for one in compared(face.templates) if one.model == directory["model"]]
            seen = _seen(face.group_id, vectors) if vectors else None
            faces[face.faceid] = _StoredFace(face.group_id, face.version, seen)
            yield from self._lists(tenant, item)
        yield from self._model(tenant, directory)
        yield from self._counts(tenant, directory, groups, Counter(face.group_id for face in faces.values()))
        yield from self._journal(tenant, directory)
        for user in map(user_from, every_user(self.items, tenant.name)):
            group_id = gallery_group(user.group_id)
            vectors = [one.vector for one in user.templates if one.model == directory["model"]]
            faces[user.entry] = _StoredFace(group_id, 0, _seen(group_id, vectors) if vectors else None)
        yield from self._index(tenant, int(directory["seq"]), faces)

    def _lists(self, tenant: Tenant, item: Item) -> Iterator[Disagreement]:
        """Compare the two attributes by which a face is listed with its group and times."""
        face = face_from(item)
        meant = {
            "enrolment_key": keys.enrolment_key(face.group_id, face.enrolled_at, face.faceid),
            "arrival_key": keys.arrival_key(face.group_id, face.last_arrival_at or face.enrolled_at, face.faceid),
        }
        for name, key in meant.items():
            if item.get(name) != key:
                when = (equals("version", face.version, _SAME),)
                update = Update(keys.FACES, (tenant.name, face.faceid), when, set={name: key}, add={"version": 1})
                yield Disagreement(
                    f"face {face.faceid} is listed as {item.get(name)!r}, and is {key!r}",
                    (face.version,),
                    partial(write, self.items, [update]),
                )

    def _model(self, tenant: Tenant, directory: Item) -> Iterator[Disagreement]:
        gone = sorted(gone_of(directory))
        for name, says, said, meant in (
            ("model", "it is searched with", tenant.model, directory["model"]),
            ("gone", "these groups are being erased:", sorted(tenant.gone), gone),
        ):
            if said != meant:
                update = Update(keys.TENANTS, keys.tenant_item(tenant.name), (exists(_SAME),), set={name: meant})
                yield Disagreement(
                    f"the tenant says that {says} {said}, and its gallery says {meant}",
                    (directory["seq"],),
                    partial(write, self.items, [update, self._at(tenant, int(directory["seq"]))]),
                )

    def _counts(
        self, tenant: Tenant, directory: Item, groups: list[Group], holds: Counter[str]
    ) -> Iterator[Disagreement]:
        limits, seq = tenant.limits, int(directory["seq"])
        # A group stores its count and its free places; the capacity is their sum.
        as_stored = sum(group.capacity or 0 for group in groups)
        limited = [group for group in groups if group.capacity is not None]
        recounted = as_stored + sum(holds[group.id] - group.count for group in limited)
        fits = as_stored + int(directory[CAPACITY_LEFT]) == limits.faces
        for group in groups:
            more = holds[group.id] - group.count
            if more:
                free = {"free": -more} if group.capacity is not None and fits else {}
                when = (equals("count", group.count, _SAME), equals("version", group.version, _SAME))
                update = Update(
                    keys.DIRECTORY, (tenant.name, keys.group_item(group.id)), when, add={"count": more, **free}
                )
                yield Disagreement(
                    f"group {group.name} says that it holds {group.count} faces, and holds {holds[group.id]}",
                    (seq,),
                    partial(write, self.items, [update, self._at(tenant, seq)]),
                )
        known = {group.id for group in groups}
        for group_id in holds.keys() - known:
            yield Disagreement(f"{holds[group_id]} faces are in a group {group_id}, which there is not", (seq,))
        left = {
            FACES_LEFT: ("faces", limits.faces - holds.total()),
            GROUPS_LEFT: ("groups", limits.groups - len(groups)),
            CAPACITY_LEFT: ("places for groups", limits.faces - (as_stored if fits else recounted)),
        }
        for name, (things, meant) in left.items():
            said = int(directory[name])
            if said != meant:
                when = (equals("seq", seq, _SAME), equals(name, said, _SAME))
                update = Update(keys.DIRECTORY, (tenant.name, keys.TENANT_ITEM), when, set={name: meant})
                yield Disagreement(
                    f"the tenant says that {said} more {things} fit, and {meant} do",
                    (seq,),
                    partial(write, self.items, [update]),
                )

    def _at(self, tenant: Tenant, seq: int) -> Check:
        return Check(keys.DIRECTORY, (tenant.name, keys.TENANT_ITEM), (equals("seq", seq, _SAME),))

    def _journal(self, tenant: Tenant, directory: Item) -> Iterator[Disagreement]:
        """Look for gaps from the journal's first change to the gallery's seq: all before it are in snapshots."""
        seq = int(directory["seq"])
        missing: list[int] = []
        expected: int | None = None
        for item in every(self.items, keys.JOURNAL, tenant.name, high=keys.seq_key(seq)):
            held = int(item["seq"])
            missing += range(held if expected is None else expected, held)
            expected = held + 1
        missing += range(seq + 1 if expected is None else expected, seq + 1)
        if missing:
            yield Disagreement(
                f"the journal ends at change {seq} and lacks {len(missing)} before it, the last is {missing[-1]}",
                (seq,),
                partial(self._forget_journal, tenant, missing[-1]),
            )

    def _forget_journal(self, tenant: Tenant, seq: int) -> None:
        """Delete the journal up to a gap: nobody can follow it across. A gallery then starts from the faces."""
        older = every(self.items, keys.JOURNAL, tenant.name, high=keys.seq_key(seq))
        write_in_parts(self.items, (Delete(keys.JOURNAL, (tenant.name, item["seq_key"])) for item in older))

    def _index(self, tenant: Tenant, seq: int, faces: Mapping[str, _StoredFace]) -> Iterator[Disagreement]:
        lacked = {faceid for faceid, face in faces.items() if face.compared is not None}
        for faceid, group_id, vectors in self.indexed(tenant.name):
            face = faces.get(faceid)
            lacked.discard(faceid)
            if face is None:
                yield self._said_again(tenant, faceid, f"the index finds {faceid}, and there is no such face", seq)
            elif face.compared != _seen(group_id, vectors):
                text = f"the index has another group or other templates of {faceid} than the face"
                yield self._said_again(tenant, faceid, text, seq)
        for faceid in sorted(lacked):
            yield self._said_again(tenant, faceid, f"the index does not find {faceid}", seq)

    def _said_again(self, tenant: Tenant, faceid: str, says: str, seq: int) -> Disagreement:
        return Disagreement(says, (seq,), partial(self._tell, tenant, faceid))

    def _tell(self, tenant: Tenant, faceid: str) -> None:
        """Write the face as it is into the journal once more, which every search process follows."""
        is_user = is_users(faceid)
        table, key = (keys.DIRECTORY, keys.user_item(faceid)) if is_user else (keys.FACES, faceid)
        item = self.items.get(table, (tenant.name, key))
        if item is None:
            entry = JournalEntry(Edit.DELETE, faceid, "")
            same = Check(table, (tenant.name, key), (absent(_SAME),))
        elif is_user:
            user = user_from(item)
            entry = JournalEntry(Edit.REPLACE, faceid, gallery_group(user.group_id), user.templates)
            same = Check(table, (tenant.name, key), (exists(_SAME), equals("faces", list(user.faceids), _SAME)))
        else:
            face = face_from(item)
            templates: tuple[Template, ...] = compared(face.templates)
            entry = JournalEntry(Edit.REPLACE, faceid, face.group_id, templates)
            same = Check(table, (tenant.name, key), (exists(_SAME), equals("version", face.version, _SAME)))
        self.writer.commit(tenant.name, Change((same,), (entry,), skips_model_check=True))


def _seen(group_id: str, vectors: Iterable[bytes]) -> int:
    return hash((group_id, *vectors))
