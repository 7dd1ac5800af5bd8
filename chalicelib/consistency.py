"""Does what is stored agree with itself? All checks of a tenant, also while it is served, and the
repairs.

Counts, rest of the limits, lists, journal and index are held against the faces themselves. All of
it changes with the gallery's seq, except the capacities of groups, which change together with what
is left. Then users against their faces, and the terms and holds that stand beside faces.

Items that only lead to others: credentials to tenants and cameras, names to groups and cameras.
Pictures: no face without its own, and none without its face.

The calendar and the sealed days against a recount of all observations; arrivals, negatives and
merges of each face against the records that they count; captures against their pictures, and
sightings against the observations that were written with them.
"""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple
from zoneinfo import ZoneInfo

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.book.cameras import MAX_CAMERAS
from chalicelib.book.commit import Change, GalleryMoved, make_user_edit, replace_user_faces
from chalicelib.book.faces import hold_put
from chalicelib.book.statistics.statistics import Question
from chalicelib.book.tenants import (
    CAPACITY_LEFT,
    CREDENTIALS,
    FACES_LEFT,
    GROUPS_LEFT,
    NUMBERED,
    OLD_APPCODE,
)
from chalicelib.book.visits import make_visit_update, visits_deletes, visits_puts
from chalicelib.domain.api_keys import FIRST
from chalicelib.domain.captures import (
    Capture,
    CaptureState,
    Sighting,
    parts_of_sighting,
    sighting_id,
)
from chalicelib.domain.effects import Effect
from chalicelib.domain.errors import Busy, RegularsError, StorageUnavailable
from chalicelib.domain.local_time import DAY_MS, Granularity, Span, day_number, day_text
from chalicelib.domain.model import Edit, Face, Group, JournalEntry, Template, Tenant
from chalicelib.domain.observations import (
    EVERYTHING,
    Measure,
    Observation,
    ObservationFilter,
    ObservationKind,
    is_of,
)
from chalicelib.domain.rules.ended import counts_hour
from chalicelib.domain.rules.templates import (
    User,
    gallery_group,
    is_users,
    reduce_templates,
    user_of,
)
from chalicelib.domain.rules.visits import KEPT_MS, Arrival, Arrivals, VisitPlan, Visits, apply_plan
from chalicelib.domain.tenant_settings import count_sighting_days
from chalicelib.privacy.data_map import DATA_MAP, Agrees
from chalicelib.privacy.erasure_progress import is_erased
from chalicelib.service import Service
from chalicelib.storage import keys
from chalicelib.storage.formats import PAGED
from chalicelib.storage.items import (
    captures_of,
    cut_in_parts,
    delete_in_parts,
    directory_of,
    every_face,
    every_user,
    gone_of,
    observed_on,
    retry_if_changed,
    walk_items,
    write,
    write_in_parts,
)
from chalicelib.storage.ports import (
    Action,
    Check,
    Delete,
    Item,
    Put,
    Table,
    Update,
    absent,
    equals,
    exists,
)
from chalicelib.storage.records.captures import AGAIN, capture_from
from chalicelib.storage.records.faces import (
    face_from,
    face_update,
    name_item,
    terms_of,
    user_from,
)
from chalicelib.storage.records.merges import Merge, MergeState
from chalicelib.storage.records.observations import (
    STORABLE,
    make_calendar_actions,
    observation_from,
    pages_from,
    visits_from,
)
from chalicelib.storage.values import milliseconds, moment, parse_optional

if TYPE_CHECKING:
    from chalicelib.services import Services


MAX_LOOKS = 5
"""How often a subject is looked at, at most, until two looks in a row find the same."""

MAX_ROUNDS = 5
"""How often a repair looks again at most."""

_log = logging.getLogger(__name__)


class Disagreement(Struct, frozen=True, eq=False):
    """Two stored things that do not agree.

    Two looks found the same one if text and versions are equal.

    `says`: an English sentence. `at`: the versions of what was compared, each read before the
    things that change with it. `mend`: makes the two agree, if they are still as they were read,
    else raises a RegularsError; None: nobody can know what would be right.
    """

    says: str
    at: tuple[Any, ...] = ()
    mend: Callable[[], object] | None = None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Disagreement) and (self.says, self.at) == (other.says, other.at)

    def __hash__(self) -> int:
        return hash((self.says, self.at))

    def __str__(self) -> str:
        return self.says


class Subject(Service["Services"]):
    """One subject's records, which must agree. The places of people say which subjects there are
    (privacy/data_map)."""

    def find_disagreements(self, tenant: Tenant) -> Iterator[Disagreement]:
        """Read all records of the subject once, and yield the findings."""
        raise NotImplementedError

    def make_disagreement(
        self, says: str, versions: tuple[Any, ...], *mend: Action
    ) -> Disagreement:
        """Return a disagreement that these actions mend, all or none of them."""
        return Disagreement(says, versions, partial(write, self.services.items, mend))


_MORE_FIT = "the tenant says that {{}} more {} fit, and {{}} do"
"""Fault in a number of free places. Filled in twice: with what the places are for, then with two
numbers."""

_SAME = "as-it-was-read"
"""Name of the condition that a mended record is still as it was read."""


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
                same = equals("version", face.version, _SAME)
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
                    (exists(_SAME),),
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
                    equals("count", group.count, _SAME),
                    equals("version", group.version, _SAME),
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
            FACES_LEFT: (_MORE_FIT.format("faces"), limits.faces - face_counts.total()),
            GROUPS_LEFT: (_MORE_FIT.format("groups"), limits.groups - len(groups)),
            CAPACITY_LEFT: (_MORE_FIT.format("places for groups"), limits.faces - capacity),
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
        when = (equals("seq", seq, _SAME), equals(name, stored_number, _SAME))
        return Update(keys.DIRECTORY, (tenant.name, keys.TENANT_ITEM), when, set={name: right})

    def _check_seq(self, tenant: Tenant, seq: int) -> Check:
        """Return the condition that the gallery has not changed since this seq."""
        return Check(keys.DIRECTORY, (tenant.name, keys.TENANT_ITEM), (equals("seq", seq, _SAME),))

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
        for faceid, group_id, vectors in self.services.ports.list_indexed_faces(tenant.name):
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
            unchanged_check = Check(table, (tenant.name, key), (absent(_SAME),))
        elif is_user:
            user = user_from(item)
            entry = JournalEntry(
                Edit.REPLACE, entry_id, gallery_group(user.group_id), user.templates
            )
            unchanged_check = Check(
                table,
                (tenant.name, key),
                (exists(_SAME), equals("faces", list(user.faceids), _SAME)),
            )
        else:
            face = face_from(item)
            entry = JournalEntry(
                Edit.REPLACE, entry_id, face.group_id, reduce_templates(face.templates)
            )
            unchanged_check = Check(
                table, (tenant.name, key), (exists(_SAME), equals("version", face.version, _SAME))
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


class UserRecords(Subject):
    def find_disagreements(self, tenant: Tenant) -> Iterator[Disagreement]:
        """Compare each user with the faces that name it."""
        seq = self.services.writer.read_seq(tenant.name)
        users = {
            user.entry: user
            for user in map(user_from, every_user(self.services.items, tenant.name))
        }
        versions: dict[str, dict[str, int]] = defaultdict(dict)  # of the faces, by user and by face
        for face in map(face_from, every_face(self.services.items, tenant.name)):
            if face.user:
                versions[user_of(face)][face.faceid] = face.version
        for entry in sorted(versions.keys() - users.keys()):
            updates: list[Action] = [
                face_update(
                    tenant.name, faceid, equals("version", version, _SAME), remove=("user",)
                )
                for faceid, version in versions[entry].items()
            ]
            text = f"{len(updates)} faces name a user {entry}, which there is not"
            yield Disagreement(text, (seq,), partial(write_in_parts, self.services.items, updates))
        yield from self._compare_group_counts(tenant, users, seq)
        for user in users.values():
            yield from self._compare_faces(tenant, user, versions.get(user.entry, {}), seq)

    def _compare_faces(
        self, tenant: Tenant, user: User, versions: Mapping[str, int], seq: int
    ) -> Iterator[Disagreement]:
        """Compare a user's faces and mean with the faces that name it; those it has keep their
        order."""
        kept_faces = [faceid for faceid in user.faceids if faceid in versions]
        added_faces = [faceid for faceid in versions if faceid not in user.faceids]
        right_user = replace_user_faces(
            self.services.items, tenant.name, user, [*kept_faces, *added_faces]
        )
        if right_user != user:
            actions, journal = make_user_edit(tenant.name, user, right_user)
            change = Change(tuple(actions), tuple(journal), based_on=seq, skips_model_check=True)
            text = f"the user {user.entry} has other faces, or another mean, than the faces say"
            yield Disagreement(
                text, (seq,), partial(self.services.writer.commit, tenant.name, change)
            )

    def _compare_group_counts(
        self, tenant: Tenant, users: Mapping[str, User], seq: int
    ) -> Iterator[Disagreement]:
        """Compare the number of users that each group says with those that there are."""
        user_counts = Counter(user.group_id for user in users.values())
        groups = list(
            walk_items(self.services.items, keys.DIRECTORY, tenant.name, between=keys.GROUPS)
        )
        for item in groups:
            stored_count = int(item.get("users", 0))
            if uncounted := user_counts[item["id"]] - stored_count:
                when = (equals("users", item.get("users"), _SAME), exists(_SAME))
                update = Update(
                    keys.DIRECTORY, (tenant.name, item["item"]), when, add={"users": uncounted}
                )
                text = (
                    f"group {item['name']} says that it has {stored_count} users, and has "
                    f"{user_counts[item['id']]}"
                )
                yield self.make_disagreement(text, (seq,), update)
        group_ids = {item["id"] for item in groups}
        for user in users.values():
            if user.group_id not in group_ids:
                delete = Delete(keys.DIRECTORY, (tenant.name, keys.user_item(user.entry)))
                entry = JournalEntry(Edit.DELETE, user.entry, gallery_group(user.group_id))
                change = Change((delete,), (entry,), based_on=seq)
                text = f"the user {user.entry} is in a group that there is not"
                yield Disagreement(
                    text, (seq,), partial(self.services.writer.commit, tenant.name, change)
                )


class _Pointer(NamedTuple):
    """An item that leads to another one, its owner, such as a key's hash to the tenant.

    `says`: what the pointer is, in words. `owner`: the condition that the owner is as it was read.
    """

    table: Table
    item: Item
    says: str
    owner: Check


class Pointers(Subject):
    """Items that lead to others."""

    def compare_pointers(
        self,
        tenant: Tenant,
        expected: Iterable[_Pointer],
        stored: Iterable[tuple[Table, Item]],
        check_owner: Callable[[Item], tuple[Check, ...]] = lambda _: (),
    ) -> Iterator[Disagreement]:
        """Compare the pointers that their owners need with those that are stored.

        `check_owner`: makes the conditions that the owner of a stored pointer is as it was read.
        """
        stored_pointers = {_locate_item(table, item): (table, item) for table, item in stored}
        pointer_by_key = {
            _locate_item(pointer.table, pointer.item): pointer for pointer in expected
        }
        for pointer_key, (table, item, says, owner) in pointer_by_key.items():
            _, stored_item = stored_pointers.pop(pointer_key, (table, {}))
            if dict(stored_item) != dict(item):
                yield self.make_disagreement(
                    f"{says} does not lead to it", (owner,), owner, Put(table, item)
                )
        for (_, *key), (table, item) in stored_pointers.items():
            owner_names = (item.get(name) for name in ("camera", "key", "group", "faceid"))
            owner_name = next(filter(None, owner_names), tenant.name)
            text = f"{' '.join(key)} leads to {owner_name}, which has nothing of that kind"
            checks = check_owner(item)
            delete = Delete(table, (item[table.partition], item[table.sort]))
            yield self.make_disagreement(text, checks, *checks, delete)


class NameRecords(Pointers):
    def find_disagreements(self, tenant: Tenant) -> Iterator[Disagreement]:
        """Compare faces with the words that find them, and with the list of legal holds."""
        faces = {
            face.faceid: face
            for face in map(face_from, walk_items(self.services.items, keys.FACES, tenant.name))
        }
        terms = walk_items(self.services.items, keys.NAMES, tenant.name)
        holds = walk_items(self.services.items, keys.DIRECTORY, tenant.name, between=keys.HOLDS)
        stored = [
            *((keys.NAMES, term) for term in terms),
            *((keys.DIRECTORY, hold) for hold in holds),
        ]

        def check_face(faceid: str) -> Check:
            face = faces.get(faceid)
            unchanged = absent(_SAME) if face is None else equals("version", face.version, _SAME)
            return Check(keys.FACES, (tenant.name, faceid), (unchanged,))

        def expect_pointers() -> Iterator[_Pointer]:
            for faceid, face in faces.items():
                for term in terms_of(tenant, face):
                    item = name_item(tenant.name, faceid, term)
                    yield _Pointer(
                        keys.NAMES, item, f"the term {term!r} of face {faceid}", check_face(faceid)
                    )
                if face.hold:
                    item = hold_put(tenant.name, face).item
                    says = f"the hold of face {faceid} in the list of holds"
                    yield _Pointer(keys.DIRECTORY, item, says, check_face(faceid))

        yield from self.compare_pointers(
            tenant, expect_pointers(), stored, lambda item: (check_face(item["faceid"]),)
        )


class PointerRecords(Pointers):
    def find_disagreements(self, tenant: Tenant) -> Iterator[Disagreement]:
        """Compare credentials and names with what they lead to, and the number of cameras."""
        expected = (
            *self._expect_credentials(tenant),
            *self._expect_keys(tenant),
            *self._expect_group_names(tenant),
            *self._expect_cameras(tenant),
        )
        yield from self.compare_pointers(tenant, expected, self._read_pointers(tenant))
        yield from self._compare_camera_count(tenant)

    def _read_pointers(self, tenant: Tenant) -> Iterator[tuple[Table, Item]]:
        """Yield all pointers that are stored of a tenant, each with its table."""
        for locate in CREDENTIALS.values():
            kind, _ = locate("")
            for item in walk_items(self.services.items, keys.TENANTS, kind):
                if item["tenant"] == tenant.name:
                    yield keys.TENANTS, item
        for table, prefix in (
            (keys.DIRECTORY, keys.name_item("")),
            (keys.CAMERAS, keys.camera_name("")),
        ):
            for item in walk_items(
                self.services.items, table, tenant.name, between=(prefix, prefix[:-1] + "$")
            ):
                yield table, item

    def _expect_credentials(self, tenant: Tenant) -> Iterator[_Pointer]:
        """Yield the pointers to a tenant: of its credentials, but for a first key that was
        deleted."""
        record = self.services.items.get(keys.TENANTS, keys.tenant_item(tenant.name)) or {}
        first_key = self.services.items.get(keys.TENANTS, keys.key_record(tenant.name, FIRST)) or {}
        deleted = keys.api_key_item(first_key.get("deleted", ""))
        for name, locate in CREDENTIALS.items():
            kind, id_ = locate(record[name])
            if (kind, id_) == deleted:
                continue
            owner = Check(keys.TENANTS, keys.tenant_item(tenant.name), (equals(name, id_, _SAME),))
            item = {"kind": kind, "id": id_, "tenant": tenant.name}
            yield _Pointer(keys.TENANTS, item, f"the {kind} of tenant {tenant.name}", owner)
        if old_code := record.get(OLD_APPCODE):
            kind, id_ = keys.appcode_item(old_code)
            owner = Check(
                keys.TENANTS, keys.tenant_item(tenant.name), (equals(OLD_APPCODE, old_code, _SAME),)
            )
            item = {"kind": kind, "id": id_, "tenant": tenant.name}
            yield _Pointer(keys.TENANTS, item, f"an old {kind}", owner)

    def _expect_keys(self, tenant: Tenant) -> Iterator[_Pointer]:
        kind_of_keys, _ = keys.key_record(tenant.name, "")
        for key in walk_items(
            self.services.items, keys.TENANTS, kind_of_keys, between=keys.ids_range(tenant.name)
        ):
            kind, id_ = keys.api_key_item(key["digest"])
            owner = Check(keys.TENANTS, (key["kind"], key["id"]), (equals("digest", id_, _SAME),))
            item = {"kind": kind, "id": id_, "tenant": tenant.name, "key": key["key"]}
            yield _Pointer(keys.TENANTS, item, f"the secret of key {key['key']}", owner)

    def _expect_group_names(self, tenant: Tenant) -> Iterator[_Pointer]:
        """Yield the pointer that each group's name should have: the item by which a group is found
        by name."""
        for group in walk_items(
            self.services.items, keys.DIRECTORY, tenant.name, between=keys.GROUPS
        ):
            owner = Check(
                keys.DIRECTORY,
                (tenant.name, group["item"]),
                (equals("name", group["name"], _SAME),),
            )
            item = {
                "tenant": tenant.name,
                "item": keys.name_item(group["name"]),
                "group": group["id"],
            }
            yield _Pointer(keys.DIRECTORY, item, f"the name of group {group['name']}", owner)

    def _expect_cameras(self, tenant: Tenant) -> Iterator[_Pointer]:
        """Yield the pointers to each camera: of its key, its id and its name."""
        for camera in walk_items(
            self.services.items, keys.CAMERAS, tenant.name, between=keys.CAMERA_IDS
        ):
            kind, id_ = keys.api_key_item(camera["key_digest"])
            when = (equals("key_digest", id_, _SAME), equals("name", camera["name"], _SAME))
            owner = Check(keys.CAMERAS, (tenant.name, camera["id"]), when)
            key_item = {"kind": kind, "id": id_, "tenant": tenant.name, "camera": camera["id"]}
            yield _Pointer(keys.TENANTS, key_item, f"the api_key of camera {camera['id']}", owner)
            for name in dict.fromkeys((camera["id"], camera["name"])):
                name_item = {
                    "tenant": tenant.name,
                    "id": keys.camera_name(name),
                    "camera": camera["id"],
                }
                yield _Pointer(
                    keys.CAMERAS, name_item, f"the name {name} of camera {camera['id']}", owner
                )

    def _compare_camera_count(self, tenant: Tenant) -> Iterator[Disagreement]:
        """Yield a disagreement if the tenant's count of cameras that still fit is wrong.

        Its mend writes MAX_CAMERAS less the cameras that there are, unless the count has changed
        since. A tenant without a count has never made a camera.
        """
        count_key = (tenant.name, keys.CAMERAS_LEFT)
        counted = self.services.items.get(keys.CAMERAS, count_key)
        number = sum(
            1
            for _ in walk_items(
                self.services.items, keys.CAMERAS, tenant.name, between=keys.CAMERA_IDS
            )
        )
        if counted is not None and int(counted["left"]) != MAX_CAMERAS - number:
            when = (equals("left", counted["left"], _SAME),)
            update = Update(keys.CAMERAS, count_key, when, set={"left": MAX_CAMERAS - number})
            text = (
                f"the tenant says that {counted['left']} more cameras fit, and "
                f"{MAX_CAMERAS - number} do"
            )
            yield self.make_disagreement(text, (), update)


def _locate_item(table: Table, item: Item) -> tuple[str, str, str]:
    return table.name, item[table.partition], item[table.sort]


class PictureRecords(Subject):
    def find_disagreements(self, tenant: Tenant) -> Iterator[Disagreement]:
        """Compare the pictures that faces name with those that are stored."""
        faces = [face_from(item) for item in every_face(self.services.items, tenant.name)]
        stored_keys = {
            blob.key for blob in self.services.storage.blobs.walk(keys.face_pictures(tenant.name))
        }
        for face in faces:
            for number, picture in enumerate(face.pictures, 1):
                missing = "" if not picture.key or picture.key in stored_keys else "picture"
                if not missing and picture.sides and keys.thumbnail(picture.key) not in stored_keys:
                    missing = "the thumbnail of picture"
                if missing:
                    text = (
                        f"{missing} {number} of {len(face.pictures)} of face {face.faceid} is gone"
                    )
                    yield Disagreement(text, (face.version,))
        for key in self.services.deletion.orphans.list_orphans(tenant.name):
            yield Disagreement(
                f"picture {key} belongs to no face",
                (),
                partial(self.services.storage.blobs.delete, key),
            )


_HOUR = "%Y%m%d%H"
_MARGIN_DAYS = 2
"""Days added at each end of a span of local days, so that it holds them in any time zone: none is a
whole day off."""

_FacesByHour = Mapping[str, list[str]]
"""The faceid of each observation, by the local hour, YYYYMMDDHH."""


class _Question(NamedTuple):
    """A question to the statistics, and the observations that answer it.

    `counts`: what is counted, in words.
    """

    counts: str
    wanted: ObservationFilter
    faces: _FacesByHour
    measure: Measure = Measure.OBSERVATIONS


class StatisticsRecords(Subject):
    def find_disagreements(self, tenant: Tenant) -> Iterator[Disagreement]:
        """Compare the observations with the calendar and with what sealed days answer."""
        for name in self.services.statistics.closed.list_unreadable(tenant.name):
            yield Disagreement(
                f"the figures of the closed {name} cannot be read: they are damaged, or a newer "
                "version stored them; a backup of a day after its end has them",
                (name,),
            )
        calendar = self.services.statistics.calendar.read_days(tenant.name, STORABLE.utc_days)
        totals = keys.totals(tenant.name, tenant.time_zone)
        sealed_days = {
            item["day"] for item in walk_items(self.services.items, keys.SUMMARIES, totals)
        }
        zone = ZoneInfo(tenant.time_zone)
        faces_by_group: dict[str | None, dict[str, list[str]]] = defaultdict(
            lambda: defaultdict(list)
        )
        begun_faces: dict[str, list[str]] = defaultdict(list)
        present_faces: dict[str, list[str]] = defaultdict(list)
        present_until_ms: dict[str, int] = {}
        is_calendar_whole = True
        for day, observations in read_observations_by_day(self.services, tenant):
            if day not in calendar:
                is_calendar_whole = False
                yield Disagreement(
                    f"there are observations of {day_text(day)}, UTC, and the calendar has no such "
                    "day",
                    (),
                    partial(self._add_to_calendar, tenant, day),
                )
            for observation in observations:
                hour = observation.at.astimezone(zone).strftime(_HOUR)
                begins = _begins_arrival(observation, present_until_ms)
                if hour[:8] in sealed_days:
                    if begins:
                        begun_faces[hour].append(observation.faceid)
                    if counts_hour(observation.mark):
                        present_faces[hour].append(observation.faceid)
                    faces_by_group[None][hour].append(observation.faceid)
                    faces_by_group[observation.group_name][hour].append(observation.faceid)
        if sealed_days and is_calendar_whole:
            yield from self._compare_answers(
                tenant, faces_by_group, begun_faces, present_faces, sealed_days
            )

    def _compare_answers(
        self,
        tenant: Tenant,
        faces_by_group: Mapping[str | None, _FacesByHour],
        begun_faces: _FacesByHour,
        present_faces: _FacesByHour,
        sealed_days: Set[str],
    ) -> Iterator[Disagreement]:
        """Compare answers about sealed days: of everybody, of persons, of arrivals, of each group.

        Others are counted when asked.

        `faces_by_group`: the faces that were observed; under None those of all groups.
        `begun_faces`: those of the arrivals that began; `present_faces`: those that count a person.
        A day is reported once.
        """
        span, everybody = _make_span(sealed_days), faces_by_group.get(None, {})
        questions = [
            _Question("observations", EVERYTHING, everybody),
            _Question("persons", EVERYTHING, present_faces, Measure.PRESENT),
            _Question("arrivals", EVERYTHING, begun_faces, Measure.ARRIVALS),
        ]
        for name, faces_of_group in faces_by_group.items():
            if name is not None:
                observation_filter = ObservationFilter(group_name=name)
                questions.append(
                    _Question(
                        f"observations in {name}",
                        observation_filter,
                        faces_of_group,
                    )
                )
        reported_days: set[str] = set()
        for counts, observation_filter, faces, measure in questions:
            buckets = self.services.statistics.list_buckets(
                tenant, Question(span, Granularity.HOUR, measure, wanted=observation_filter)
            )
            answer = {bucket.time: bucket.amounts[""] for bucket in buckets}
            for hour in sorted(answer.keys() | faces.keys()):
                day, faceids, answered_count = hour[:8], faces.get(hour, []), answer.get(hour, 0)
                stored_count = len(set(faceids) if measure is Measure.PRESENT else faceids)
                if (
                    answered_count != stored_count
                    and day in sealed_days
                    and day not in reported_days
                ):
                    reported_days.add(day)
                    text = (
                        f"statistics of {day}, hour {hour[8:]}, say {answered_count} {counts}, "
                        f"and {stored_count} are stored"
                    )
                    yield Disagreement(text, (), partial(self._seal_day, tenant, day_number(day)))

    @retry_if_changed(
        "the calendar is changed by others all the time: send the request again in a moment"
    )
    def _add_to_calendar(self, tenant: Tenant, day: int) -> None:
        """Put the day into the calendar, and make days invalid that were sealed without it."""
        months = self.services.statistics.calendar.read_months(tenant.name, [day])
        write(self.services.items, make_calendar_actions(tenant.name, [day], [day], months))

    def _seal_day(self, tenant: Tenant, day: int) -> None:
        if not self.services.statistics.sealing.seal_day(tenant, day):
            raise Busy(
                f"{day_text(day)} is not over, or observations of it keep coming: it is counted "
                "again later"
            )


def _make_span(days: Iterable[str]) -> Span:
    """Return a span that holds these local days, YYYYMMDD, in any time zone."""
    numbers = sorted(map(day_number, days))
    first, last = numbers[0] - _MARGIN_DAYS, numbers[-1] + _MARGIN_DAYS
    return Span(max(first, 0) * DAY_MS, last * DAY_MS)


def _begins_arrival(observation: Observation, present_until_ms: dict[str, int]) -> bool:
    """Return whether an arrival begins with an observation, and note until when its face is
    present by it.

    `present_until_ms`: the same of each face by the observations before.
    """
    if not observation.gap_s:
        return False
    faceid, at_ms = observation.faceid, observation.at_ms
    before_ms = present_until_ms.get(faceid, 0)
    present_until_ms[faceid] = max(before_ms, at_ms + 1000 * observation.gap_s)
    return at_ms >= before_ms


def read_observations_by_day(
    book: Services, tenant: Tenant
) -> Iterator[tuple[int, list[Observation]]]:
    """Yield each UTC day that has observations, counted from 1970, with its observations, oldest
    first.

    Days are looked for one by one from the day on which the tenant was made until tomorrow, since
    no read finds all that there are. Earlier ones, of captures that a camera had kept, are found if
    the calendar names them.
    """
    first_day = milliseconds(tenant.created_at) // DAY_MS
    tomorrow = milliseconds(book.clock.now() + timedelta(days=1)) // DAY_MS
    days = {*range(first_day, tomorrow + 1)}
    days.update(
        book.statistics.calendar.read_days(tenant.name, STORABLE.utc_days).list_within(
            STORABLE.utc_days
        )
    )
    for day in sorted(days):
        if observations := list(map(observation_from, observed_on(book.items, tenant.name, day))):
            yield day, observations


_BATCH = 100
"""Records that are read at once."""


class CaptureRecords(Subject):
    def find_disagreements(self, tenant: Tenant) -> Iterator[Disagreement]:
        for items in cut_in_parts(captures_of(self.services.items, tenant.name, None), _BATCH):
            for item in items:
                yield from self._compare_picture(tenant, item)
            yield from self._find_observations(tenant, items)
        since_ms = milliseconds(self.services.clock.now()) - min(
            KEPT_MS, count_sighting_days(tenant) * DAY_MS
        )
        for _, observations in read_observations_by_day(self.services, tenant):
            recent = [observation for observation in observations if observation.at_ms > since_ms]
            yield from self._find_captures(tenant, recent)

    def _compare_picture(self, tenant: Tenant, item: Item) -> Iterator[Disagreement]:
        """Compare a capture that waits with its picture, which it needs unless only a rejected
        sighting waits."""
        capture = capture_from(item)
        if capture.state is not CaptureState.STORED or AGAIN in item:
            return
        if (
            self.services.storage.uploads.size(
                keys.capture_picture(tenant.name, capture.camera_id, capture.id)
            )
            is None
        ):
            key = keys.capture(tenant.name, capture.camera_id, capture.id)
            fields = {"state": CaptureState.PARKED, "reason": "its picture is gone"}
            update = Update(
                keys.CAPTURES,
                key,
                (equals("state", CaptureState.STORED, "still-stored"),),
                set=fields,
            )
            text = (
                f"capture {capture.id} of camera {capture.camera_id} waits to be resolved, and "
                "its picture is gone"
            )
            yield self.make_disagreement(text, (), update)

    def _find_observations(self, tenant: Tenant, items: list[Item]) -> Iterator[Disagreement]:
        """Look for the observation of each sighting that captures have of a face."""
        sightings: list[tuple[Capture, Sighting, Any]] = []
        for item in items:
            capture = capture_from(item)
            if self._keeps_observations(tenant, capture):
                of_faces = (
                    sighting for sighting in capture.sightings if sighting.faceid is not None
                )
                sightings += ((capture, sighting, item.get("corrections")) for sighting in of_faces)
        observation_keys = [
            keys.observation(
                tenant.name,
                milliseconds(capture.captured_at),
                sighting_id(capture.id, sighting.number),
            )
            for capture, sighting, _ in sightings
        ]
        observations = self.services.items.get_many(keys.OBSERVATIONS, observation_keys)
        for (capture, sighting, corrections), observation in zip(
            sightings, observations, strict=True
        ):
            if observation is None:
                yield Disagreement(
                    f"capture {capture.id} of camera {capture.camera_id} shows face "
                    f"{sighting.faceid}, and no "
                    "observation of that is stored",
                    (capture.state, corrections),
                )

    def _keeps_observations(self, tenant: Tenant, capture: Capture) -> bool:
        """Tell whether the observations of a capture, which may have come late, are still kept."""
        days = tenant.observation_days
        return days is None or capture.captured_at > self.services.clock.now() - timedelta(
            days=days
        )

    def _find_captures(
        self, tenant: Tenant, observations: Iterable[Observation]
    ) -> Iterator[Disagreement]:
        """Look for the capture of each observation that is a sighting."""
        sightings = (
            observation
            for observation in observations
            if observation.kind is ObservationKind.SIGHTING and not is_erased(observation.faceid)
        )
        for batch in cut_in_parts(sightings, _BATCH):
            capture_keys = [
                keys.capture(
                    tenant.name,
                    observation.camera,
                    observation.id.rpartition("-")[0] or observation.id,
                )
                for observation in batch
            ]
            items = self.services.items.get_many(keys.CAPTURES, capture_keys)
            for sighting, (_, capture_id), item in zip(batch, capture_keys, items, strict=True):
                if item is None or parts_of_sighting(sighting.id)[1] >= len(
                    capture_from(item).sightings
                ):
                    yield Disagreement(
                        f"face {sighting.faceid} was sighted in capture {capture_id} of camera "
                        f"{sighting.camera}, and "
                        "no such capture says so"
                    )


_MOVING = (MergeState.MOVING, MergeState.UNDOING)


class _SightedAt(NamedTuple):
    """A sighting of a face.

    `gap_ms`: its camera's gap. `is_of_face`: whether it is surely this face's (`is_of`), and not
    one of a deleted face that had the id before.
    """

    at_ms: int
    gap_ms: int
    is_of_face: bool


class VisitRecords(Subject):
    def find_disagreements(self, tenant: Tenant) -> Iterator[Disagreement]:
        """Compare faces with their visits, rejected pictures and merges."""
        faces = {
            item["faceid"]: face_from(item)
            for item in walk_items(self.services.items, keys.FACES, tenant.name)
        }
        visits_by_face, orphan_pages = self._read_visits(tenant)
        sightings, enrolled_by_hand = self._read_observations(tenant, faces)
        for faceid, face in faces.items():
            visits = visits_by_face.get(faceid, Visits())
            yield from self._compare_counts(tenant, face, visits)
            if not face.moving:
                by_hand = faceid in enrolled_by_hand
                yield from self._compare_arrivals(
                    tenant, face, visits, sightings[faceid], by_hand=by_hand
                )
        for faceid in visits_by_face.keys() - faces.keys():
            visits = visits_by_face[faceid]
            deletes = visits_deletes(
                tenant.name, faceid, visits, (equals("version", visits.version, _SAME),)
            )
            text = f"there are arrivals of {faceid}, and there is no such face"
            yield self.make_disagreement(text, (visits.version,), *deletes)
        for key in orphan_pages:
            faceid, _ = keys.parts_of_visits(key)
            version = visits_by_face.get(faceid, Visits()).version
            same = Check(
                keys.ARRIVALS, (tenant.name, faceid), (equals("version", version or None, _SAME),)
            )
            text = f"a page of arrivals of {faceid} is stored, and its visits do not name it"
            delete = Delete(keys.ARRIVALS, (tenant.name, key))
            yield self.make_disagreement(text, (version,), delete, same)
        yield from self._compare_negatives(tenant, faces)
        yield from self._compare_merges(tenant, faces)

    def _read_visits(self, tenant: Tenant) -> tuple[dict[str, Visits], list[str]]:
        """Return the visits by faceid, and the keys of the pages that no head names.

        A face's visits are a head, whose key is the faceid, and pages of older arrivals, which the
        head names.
        """
        items = {
            item["faceid"]: item
            for item in walk_items(self.services.items, keys.ARRIVALS, tenant.name)
        }
        visits = {}
        for faceid in [key for key in items if keys.parts_of_visits(key)[0] == key]:
            head = visits_from(items.pop(faceid))
            pages = [items.pop(keys.visits_page(faceid, start), None) for start in head.pages]
            visits[faceid] = head if head.is_whole else head.with_pages(pages_from(pages))
        return visits, list(items)

    def _read_observations(
        self, tenant: Tenant, faces: Mapping[str, Face]
    ) -> tuple[Mapping[str, list[_SightedAt]], set[str]]:
        """Return the sightings of each face that count as arrivals, and the faceids that were
        enrolled by hand."""
        sightings: dict[str, list[_SightedAt]] = defaultdict(list)
        enrolled: set[str] = set()
        for _, observations in read_observations_by_day(self.services, tenant):
            for observation in observations:
                if (
                    observation.kind is ObservationKind.SIGHTING
                    and observation.gap_s is not None
                    and observation.faceid in faces
                ):
                    is_of_face = is_of(faces[observation.faceid], observation)
                    sightings[observation.faceid].append(
                        _SightedAt(observation.at_ms, observation.gap_s * 1000, is_of_face)
                    )
                elif observation.kind is ObservationKind.ENROLMENT:
                    enrolled.add(observation.faceid)
        return sightings, enrolled

    def _compare_counts(self, tenant: Tenant, face: Face, visits: Visits) -> Iterator[Disagreement]:
        count = visits.arrivals.count
        last_at = parse_optional(moment, visits.arrivals.last_arrival_ms)
        if (face.arrive_count, face.last_arrival_at) != (count, last_at):
            yield Disagreement(
                f"face {face.faceid} says {face.arrive_count} arrivals, the last at "
                f"{face.last_arrival_at}, and its "
                f"visits are {count}, the last at {last_at}",
                (face.version, visits.version),
                partial(self._store_arrivals, tenant, face, visits, visits.arrivals),
            )

    def _compare_arrivals(
        self,
        tenant: Tenant,
        face: Face,
        visits: Visits,
        sightings: list[_SightedAt],
        *,
        by_hand: bool,
    ) -> Iterator[Disagreement]:
        """Compare the arrivals of the last 100 days.

        Older ones may only be counted; after a merge, together.

        `by_hand`: whether the face was enrolled by hand. It may then have the id of a face that was
        deleted, and earlier versions' sightings do not say which of them are whose. So either count
        is right; if the two differ, nobody knows which one to store.
        """
        since_ms = milliseconds(self.services.clock.now()) - KEPT_MS
        sightings = [
            sighting for sighting in sightings if sighting.at_ms >= visits.arrivals.folded_until_ms
        ]
        arrivals = _select_since(visits.arrivals, since_ms)
        arrivals_of_id = _select_since(_join_sightings(sightings), since_ms)
        arrivals_of_face = arrivals_of_id
        if by_hand:
            arrivals_of_face = _select_since(
                _join_sightings(sighted_at for sighted_at in sightings if sighted_at.is_of_face),
                since_ms,
            )
        if arrivals not in (arrivals_of_id, arrivals_of_face):
            older = tuple(
                arrival for arrival in visits.arrivals.recent if arrival.until_ms <= since_ms
            )
            recounted = replace(visits.arrivals, recent=(*older, *arrivals_of_id))
            yield Disagreement(
                f"face {face.faceid} has {len(arrivals)} arrivals of {_count_sightings(arrivals)} "
                "sightings in 100 "
                f"days, and its sightings make {len(arrivals_of_id)} of "
                f"{_count_sightings(arrivals_of_id)}",
                (face.version, visits.version),
                partial(self._store_arrivals, tenant, face, visits, recounted)
                if arrivals_of_face == arrivals_of_id
                else None,
            )

    def _store_arrivals(
        self, tenant: Tenant, face: Face, visits: Visits, arrivals: Arrivals
    ) -> None:
        """Store other arrivals of a face, in its visits and in the face itself."""
        after = replace(visits, arrivals=arrivals, must_fit_one_item=tenant.format < PAGED)
        update = make_visit_update(tenant, face, apply_plan(face, VisitPlan(after, face.group_id)))
        same = equals("version", face.version, _SAME)
        puts = visits_puts(tenant.name, face.faceid, visits, after)
        write(self.services.items, [replace(update, when=(*update.when, same)), *puts])

    def _compare_negatives(
        self, tenant: Tenant, faces: Mapping[str, Face]
    ) -> Iterator[Disagreement]:
        """Compare the number of rejected pictures that each face says with those that are
        stored."""
        stored_ids = [
            item["id"] for item in walk_items(self.services.items, keys.NEGATIVES, tenant.name)
        ]
        counts = Counter(keys.parts_of_negative(id_)[0] for id_ in stored_ids)
        for face in faces.values():
            count = counts[face.faceid]
            if face.negatives != count:
                text = (
                    f"face {face.faceid} says {face.negatives} rejected pictures, and {count} "
                    "are stored"
                )
                yield self._make_count_disagreement(tenant, face, "negatives", count, text)
        for id_ in stored_ids:
            faceid = keys.parts_of_negative(id_)[0]
            if faceid not in faces:
                delete = Delete(keys.NEGATIVES, (tenant.name, id_))
                absence_check = Check(keys.FACES, (tenant.name, faceid), (absent(_SAME),))
                text = f"a rejected picture, {id_}, is kept for a face that there is not"
                yield self.make_disagreement(text, (), delete, absence_check)

    def _compare_merges(self, tenant: Tenant, faces: Mapping[str, Face]) -> Iterator[Disagreement]:
        """Compare the merges that faces count, or say to be moving, with the merges that are
        stored."""
        merges = {merge.id: merge for merge in self.services.merges.records.list_all(tenant.name)}
        by_survivor: dict[str, list[Merge]] = defaultdict(list)
        for merge in merges.values():
            if merge.is_active:
                by_survivor[merge.survivor].append(merge)
        for face in faces.values():
            count = _count_merges_below(by_survivor, face.faceid)
            if face.merges < count:
                text = (
                    f"face {face.faceid} says that it comes from {face.merges} merges, and it "
                    f"does from {count}"
                )
                yield self._make_count_disagreement(tenant, face, "merges", count, text)
            if face.moving and (
                face.moving not in merges or merges[face.moving].state not in _MOVING
            ):
                text = (
                    f"face {face.faceid} says that merge {face.moving} moves its observations, "
                    "and it does not"
                )
                same = equals("moving", face.moving, _SAME)
                update = face_update(tenant.name, face.faceid, same, remove=("moving",))
                yield self.make_disagreement(text, (face.version,), update)
        for merge in merges.values():
            survivor = faces.get(merge.survivor)
            if merge.state in _MOVING and (survivor is None or survivor.moving != merge.id):
                text = (
                    f"merge {merge.id} moves observations of face {merge.survivor}, which does "
                    "not say so"
                )
                mend = partial(self.services.merges.mover.finish_merge, tenant, merge.id, None)
                yield Disagreement(text, (survivor and survivor.version,), mend)

    def _make_count_disagreement(
        self, tenant: Tenant, face: Face, field: str, count: int, says: str
    ) -> Disagreement:
        """Return a disagreement that another count in a field of the face mends.

        A count of 0 is not stored.
        """
        change = {"set": {field: count}} if count else {"remove": (field,)}
        update = face_update(
            tenant.name, face.faceid, equals("version", face.version, _SAME), **change
        )
        return self.make_disagreement(says, (face.version,), update)


def _join_sightings(sightings: Iterable[_SightedAt]) -> Arrivals:
    arrivals = Arrivals()
    for at_ms, gap_ms, _ in sorted(sightings):
        arrivals = arrivals.add_sighting(at_ms, gap_ms)
    return arrivals


def _select_since(arrivals: Arrivals, since_ms: int) -> tuple[Arrival, ...]:
    return tuple(arrival for arrival in arrivals.recent if arrival.until_ms > since_ms)


def _count_sightings(arrivals: Iterable[Arrival]) -> int:
    return sum(arrival.sightings for arrival in arrivals)


def _count_merges_below(by_survivor: Mapping[str, list[Merge]], faceid: str) -> int:
    """Count the merges that can be undone into a face, and into the faces that were merged into
    it."""
    return sum(
        1 + _count_merges_below(by_survivor, merge.other) for merge in by_survivor.get(faceid, ())
    )


class Consistency(Service["Services"]):
    def __init__(self, services: Services) -> None:
        """Name the kinds of records that are compared, in their order."""
        super().__init__(services)
        checks: Mapping[Agrees, type[Subject]] = {
            Agrees.INDEX: GalleryRecords,
            Agrees.USERS: UserRecords,
            Agrees.NAMES: NameRecords,
            Agrees.PICTURES: PictureRecords,
            Agrees.VISITS: VisitRecords,
            Agrees.CAPTURES: CaptureRecords,
            Agrees.STATISTICS: StatisticsRecords,
        }
        names = dict.fromkeys(place.agrees for place in DATA_MAP if place.agrees)
        self._subjects: Mapping[str, Subject] = {
            **{name: checks[name](services) for name in names},
            "credentials, and the names of groups and cameras": PointerRecords(services),
        }

    def list_disagreements(self, tenant: str) -> list[Disagreement]:
        """Return the findings, and the subjects that cannot be read. Raises TenantNotFound, Busy.

        A tenant may be served meanwhile. Records are read one after the other, so one look can see
        half of a change. Therefore only that is returned which two looks in a row found, at the
        same versions: nothing that was compared has changed between them.
        """
        return [finding for name in self._subjects for finding in self._list_readable(tenant, name)]

    def repair(self, tenant: str) -> tuple[list[Disagreement], list[Disagreement]]:
        """Mend what can be mended; return the findings that were mended, and those that are left.

        Nothing is mended that changed after it was read. Repairs of one record wait for each other:
        they are read anew.
        """
        mended_findings: list[Disagreement] = []
        open_findings = self.list_disagreements(tenant)
        for _ in range(MAX_ROUNDS):
            mended_now = [finding for finding in open_findings if self._mend_disagreement(finding)]
            if not mended_now:
                break
            mended_findings += mended_now
            open_findings = self.list_disagreements(tenant)
        is_open = _make_membership(open_findings)
        return [finding for finding in mended_findings if not is_open(finding)], open_findings

    def _mend_disagreement(self, finding: Disagreement) -> bool:
        """Tell whether a finding could be mended now."""
        if finding.mend is None:
            return False
        try:
            finding.mend()
        except (RegularsError, GalleryMoved) as error:
            # not the finding itself, which may have a person's name
            _log.info("left as it is for now: %s", error)
            return False
        return True

    def _list_readable(self, tenant: str, name: str) -> list[Disagreement]:
        """Return the findings of a subject.

        One that lies on a damaged page does not stop the others.
        """
        try:
            return self._list_lasting(tenant, self._subjects[name])
        except StorageUnavailable as error:
            return [Disagreement(f"{name}: not all of them can be read ({error})")]

    def _list_lasting(self, tenant: str, subject: Subject) -> list[Disagreement]:
        """Return what two looks in a row find, after as many looks as it takes, up to MAX_LOOKS."""
        former_findings: list[Disagreement] = []
        lasting: list[Disagreement] = []
        for _ in range(MAX_LOOKS):
            findings = list(subject.find_disagreements(self.services.tenants.get_by_name(tenant)))
            lasting = [*filter(_make_membership(former_findings), findings)]
            if len(lasting) == len(findings):
                break
            former_findings = findings
        return lasting


def _make_membership(findings: Iterable[Disagreement]) -> Callable[[Disagreement], bool]:
    """Return what tells whether a finding is one of these.

    It compares those of one text alone: after a loss of files there are tens of thousands, and
    their versions may have no hash.
    """
    by_text = defaultdict[str, list[Disagreement]](list)
    for finding in findings:
        by_text[finding.says].append(finding)
    return lambda finding: finding in by_text.get(finding.says, ())
