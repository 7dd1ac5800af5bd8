"""Does what is stored agree with itself? All checks of a tenant, also while it is served, and the repairs.

Counts, rest of the limits, lists, journal and index are held against the faces themselves. All of it changes with the
gallery's seq, except the capacities of groups, which change together with what is left. Then users against their faces,
and the terms and holds that stand beside faces.

Items that only lead to others: credentials to tenants and cameras, names to groups and cameras. Pictures: no face
without its own, and none without its face.

The calendar and the sealed days against a recount of all observations; arrivals, negatives and merges of each face
against the records that they count; captures against their pictures, and sightings against the observations that were
written with them.
"""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from datetime import timedelta
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.book.cameras import MAX_CAMERAS
from chalicelib.book.commit import Change, GalleryMoved, make_user_edit, replace_user_faces
from chalicelib.book.faces import hold_delete, hold_put
from chalicelib.book.records.captures import AGAIN, capture_from
from chalicelib.book.records.faces import face_from, hold_from, name_item, user_from
from chalicelib.book.records.merges import Merge, MergeState
from chalicelib.book.records.observations import (
    STORABLE,
    make_calendar_actions,
    observation_from,
    pages_from,
    visits_from,
)
from chalicelib.book.rules.templates import User, gallery_group, is_users, reduce_templates, user_of
from chalicelib.book.rules.visits import KEPT_MS, Arrival, Arrivals, VisitPlan, Visits, apply_plan
from chalicelib.book.tenants import CAPACITY_LEFT, CREDENTIALS, FACES_LEFT, GROUPS_LEFT, NUMBERED, OLD_APPCODE
from chalicelib.book.visits import make_visit_update, visits_deletes, visits_puts
from chalicelib.book.words import keys
from chalicelib.book.words.captures import Capture, CaptureState, parts_of_sighting, sighting_id
from chalicelib.book.words.errors import Busy, RegularsError, StorageUnavailable
from chalicelib.book.words.formats import PAGED
from chalicelib.book.words.items import (
    captures_of,
    delete_in_parts,
    directory_of,
    every,
    every_face,
    every_user,
    gone_of,
    observed_on,
    parts,
    retry_if_changed,
    write,
    write_in_parts,
)
from chalicelib.book.words.local_time import DAY_MS, Granularity, day_number, day_text
from chalicelib.book.words.model import Edit, Face, Group, JournalEntry, Template, Tenant
from chalicelib.book.words.names import make_terms
from chalicelib.book.words.observations import EVERYTHING, Observation, ObservationFilter, ObservationKind, is_of
from chalicelib.book.words.ports import Action, Check, Delete, Item, Put, Table, Update, absent, equals, exists
from chalicelib.book.words.tenant_settings import sightings_kept
from chalicelib.book.words.values import milliseconds, moment, optional
from chalicelib.doors.words.roles import FIRST
from chalicelib.rights.outside import Outside
from chalicelib.rights.words.erasures import is_erased
from chalicelib.rights.words.places import PLACES, Agrees

if TYPE_CHECKING:
    from chalicelib.services import Services


LOOKS = 5
"""How often a subject is looked at, at most, until two looks in a row find the same."""

ROUNDS = 5
"""How often a repair looks again at most."""

_log = logging.getLogger(__name__)


class Disagreement(Struct, frozen=True, eq=False):
    """Two stored things that do not agree. Two looks found the same one if text and versions are equal.

    `says`: an English sentence. `at`: the versions of what was compared, each read before the things that change with
    it. `mend`: makes the two agree, if they are still as they were read, else raises a RegularsError; None: nobody can
    know what would be right.
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


class Subject(Outside):
    """One subject's records, which must agree. The places of people say which there are (rights/words/places)."""

    def look(self, tenant: Tenant) -> Iterator[Disagreement]:
        """Read all records of the subject once, and yield the findings."""
        raise NotImplementedError

    def wrong(self, says: str, at: tuple[Any, ...], *mend: Action) -> Disagreement:
        """Return a disagreement that these actions mend, together."""
        return Disagreement(says, at, partial(write, self.book.items, mend))


_SAME = "as-it-was-read"


class GalleryRecords(Subject):
    def look(self, tenant: Tenant) -> Iterator[Disagreement]:
        directory = directory_of(self.book.items, tenant.name)
        groups = self.book.groups.all(tenant)
        entries: dict[str, int | None] = {}
        holds, newest = Counter[str](), 0
        for item in every_face(self.book.items, tenant.name):
            face = face_from(item)
            entries[face.faceid] = _entry(face.group_id, reduce_templates(face.templates), directory["model"])
            holds[face.group_id] += 1
            newest = max(newest, face.number)
            yield from self._lists(tenant, item)
        yield from self._model(tenant, directory)
        yield from self._counts(tenant, directory, groups, holds, newest)
        yield from self._journal(tenant, int(directory["seq"]))
        for user in map(user_from, every_user(self.book.items, tenant.name)):
            entries[user.entry] = _entry(gallery_group(user.group_id), user.templates, directory["model"])
        yield from self._index(tenant, int(directory["seq"]), entries)

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
                text = f"face {face.faceid} is listed as {item.get(name)!r}, and is {key!r}"
                yield self.wrong(text, (face.version,), update)

    def _model(self, tenant: Tenant, directory: Item) -> Iterator[Disagreement]:
        gone = sorted(gone_of(directory))
        for name, says, said, meant in (
            ("model", "it is searched with", tenant.model, directory["model"]),
            ("gone", "these groups are being erased:", sorted(tenant.gone), gone),
        ):
            if said != meant:
                update = Update(keys.TENANTS, keys.tenant_item(tenant.name), (exists(_SAME),), set={name: meant})
                text = f"the tenant says that {says} {said}, and its gallery says {meant}"
                yield self.wrong(text, (directory["seq"],), update, self._at(tenant, int(directory["seq"])))

    def _counts(
        self, tenant: Tenant, directory: Item, groups: list[Group], holds: Counter[str], newest: int
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
                text = f"group {group.name} says that it holds {group.count} faces, and holds {holds[group.id]}"
                yield self.wrong(text, (seq,), update, self._at(tenant, seq))
        known = {group.id for group in groups}
        for group_id in holds.keys() - known:
            yield Disagreement(f"{holds[group_id]} faces are in a group {group_id}, which there is not", (seq,))
        fit = "the tenant says that {} more %s fit, and {} do"
        meant = {
            FACES_LEFT: (fit % "faces", limits.faces - holds.total()),
            GROUPS_LEFT: (fit % "groups", limits.groups - len(groups)),
            CAPACITY_LEFT: (fit % "places for groups", limits.faces - (as_stored if fits else recounted)),
            NUMBERED: (
                "the tenant says that {} is the newest stranger's number, and there is {}",
                max(newest, int(directory.get(NUMBERED, 0))),
            ),
        }
        for name, (text, right) in meant.items():
            said = int(directory.get(name, 0))
            if said != right:
                update = self._make_correction(tenant, seq, name, directory.get(name), right)
                yield self.wrong(text.format(said, right), (seq,), update)

    def _make_correction(self, tenant: Tenant, seq: int, name: str, said: int | None, meant: int) -> Update:
        when = (equals("seq", seq, _SAME), equals(name, said, _SAME))
        return Update(keys.DIRECTORY, (tenant.name, keys.TENANT_ITEM), when, set={name: meant})

    def _at(self, tenant: Tenant, seq: int) -> Check:
        return Check(keys.DIRECTORY, (tenant.name, keys.TENANT_ITEM), (equals("seq", seq, _SAME),))

    def _journal(self, tenant: Tenant, seq: int) -> Iterator[Disagreement]:
        """Look for gaps from the journal's first change to the gallery's seq: all before it are in snapshots."""
        stored = every(self.book.items, keys.JOURNAL, tenant.name, between=(None, keys.seq_key(seq)))
        held = {int(item["seq"]) for item in stored}
        if missing := set(range(min(held, default=seq + 1), seq + 1)) - held:
            last = max(missing)
            text = f"the journal ends at change {seq} and lacks {len(missing)} before it, the last is {last}"
            yield Disagreement(text, (seq,), partial(self._forget_journal, tenant, last))

    def _forget_journal(self, tenant: Tenant, seq: int) -> None:
        """Delete the journal up to a gap: nobody can follow it across. A gallery then starts from the faces."""
        older = every(self.book.items, keys.JOURNAL, tenant.name, between=(None, keys.seq_key(seq)))
        delete_in_parts(self.book.items, keys.JOURNAL, older)

    def _index(self, tenant: Tenant, seq: int, entries: Mapping[str, int | None]) -> Iterator[Disagreement]:
        """Compare the index of searches with the faces and users. `entries`: by id what `_entry` makes of them."""
        lacked = {faceid for faceid, entry in entries.items() if entry is not None}
        wrong: dict[str, str] = {}
        for faceid, group_id, vectors in self.book.ports.list_indexed_faces(tenant.name):
            lacked.discard(faceid)
            if faceid not in entries:
                wrong[faceid] = f"the index finds {faceid}, and there is no such face"
            elif entries[faceid] != hash((group_id, *vectors)):
                wrong[faceid] = f"the index has another group or other templates of {faceid} than the face"
        wrong |= {faceid: f"the index does not find {faceid}" for faceid in sorted(lacked)}
        for faceid, says in wrong.items():
            yield Disagreement(says, (seq,), partial(self._tell, tenant, faceid))

    def _tell(self, tenant: Tenant, faceid: str) -> None:
        """Write the face as it is into the journal once more, which every search process follows."""
        is_user = is_users(faceid)
        table, key = (keys.DIRECTORY, keys.user_item(faceid)) if is_user else (keys.FACES, faceid)
        item = self.book.items.get(table, (tenant.name, key))
        if item is None:
            entry = JournalEntry(Edit.DELETE, faceid, "")
            same = Check(table, (tenant.name, key), (absent(_SAME),))
        elif is_user:
            user = user_from(item)
            entry = JournalEntry(Edit.REPLACE, faceid, gallery_group(user.group_id), user.templates)
            same = Check(table, (tenant.name, key), (exists(_SAME), equals("faces", list(user.faceids), _SAME)))
        else:
            face = face_from(item)
            entry = JournalEntry(Edit.REPLACE, faceid, face.group_id, reduce_templates(face.templates))
            same = Check(table, (tenant.name, key), (exists(_SAME), equals("version", face.version, _SAME)))
        self.book.writer.commit(tenant.name, Change((same,), (entry,), skips_model_check=True))


def _entry(group_id: str, templates: Iterable[Template], model: str) -> int | None:
    """Return a hash of the group and the vectors of that model; None: there are no vectors."""
    vectors = [one.vector for one in templates if one.model == model]
    return hash((group_id, *vectors)) if vectors else None


class NameRecords(Subject):
    def look(self, tenant: Tenant) -> Iterator[Disagreement]:
        faces = {face.faceid: face for face in map(face_from, every(self.book.items, keys.FACES, tenant.name))}
        stored = {item["term"] for item in every(self.book.items, keys.NAMES, tenant.name)}
        for face in faces.values():
            for term in make_terms(face.name, face.number):
                if keys.name_term(term, face.faceid) not in stored:
                    put = Put(keys.NAMES, name_item(tenant.name, face.faceid, term))
                    text = f"face {face.faceid} is not found by {term!r}"
                    yield self._of_face(tenant, face.faceid, face, text, put)
        for place in sorted(stored):
            term, faceid = keys.parts_of_name_term(place)
            owner = faces.get(faceid)
            if owner is None or term not in make_terms(owner.name, owner.number):
                delete = Delete(keys.NAMES, (tenant.name, place))
                text = f"{term!r} finds face {faceid}, and no such face has such a name or number"
                yield self._of_face(tenant, faceid, owner, text, delete)
        yield from self._holds(tenant, faces)

    def _holds(self, tenant: Tenant, faces: Mapping[str, Face]) -> Iterator[Disagreement]:
        listed = {
            item["faceid"]: item for item in every(self.book.items, keys.DIRECTORY, tenant.name, between=keys.HOLDS)
        }
        for faceid in sorted({*listed, *(face.faceid for face in faces.values() if face.hold)}):
            face, item = faces.get(faceid), listed.get(faceid)
            if (face and face.hold) != (item and hold_from(item)):
                held = hold_put(tenant.name, face) if face and face.hold else hold_delete(tenant.name, faceid)
                text = f"the list of legal holds and face {faceid} do not say the same"
                yield self._of_face(tenant, faceid, face, text, held)

    def _of_face(self, tenant: Tenant, faceid: str, face: Face | None, says: str, action: Put | Delete) -> Disagreement:
        unchanged = absent(_SAME) if face is None else equals("version", face.version, _SAME)
        same = Check(keys.FACES, (tenant.name, faceid), (unchanged,))
        return self.wrong(says, () if face is None else (face.version,), same, action)


class UserRecords(Subject):
    def look(self, tenant: Tenant) -> Iterator[Disagreement]:
        seq = self.book.writer.seq(tenant.name)
        users = {one.entry: one for one in map(user_from, every_user(self.book.items, tenant.name))}
        named: dict[str, dict[str, int]] = {}
        for face in map(face_from, every_face(self.book.items, tenant.name)):
            if face.user:
                named.setdefault(user_of(face), {})[face.faceid] = face.version
        for entry in sorted(named.keys() - users.keys()):
            free: list[Action] = [
                Update(keys.FACES, (tenant.name, one), (equals("version", version, _SAME),), remove=("user",))
                for one, version in named[entry].items()
            ]
            says = f"{len(named[entry])} faces name a user {entry}, which there is not"
            yield Disagreement(says, (seq,), partial(write_in_parts, self.book.items, free))
        yield from self._groups(tenant, users, seq)
        for entry, user in users.items():
            own = named.get(entry, {})
            faceids = [*(one for one in user.faceids if one in own), *(one for one in own if one not in user.faceids)]
            after = replace_user_faces(self.book.items, tenant.name, user, faceids)
            if after != user:
                actions, journal = make_user_edit(tenant.name, user, after)
                change = Change(tuple(actions), tuple(journal), based_on=seq, skips_model_check=True)
                says = f"the user {entry} has other faces, or another mean, than the faces say"
                yield Disagreement(says, (seq,), partial(self.book.writer.commit, tenant.name, change))

    def _groups(self, tenant: Tenant, users: Mapping[str, User], seq: int) -> Iterator[Disagreement]:
        held = Counter(user.group_id for user in users.values())
        groups = list(every(self.book.items, keys.DIRECTORY, tenant.name, between=keys.GROUPS))
        for item in groups:
            said = int(item.get("users", 0))
            if more := held[item["id"]] - said:
                same = (equals("users", item.get("users"), _SAME), exists(_SAME))
                update = Update(keys.DIRECTORY, (tenant.name, item["item"]), same, add={"users": more})
                says = f"group {item['name']} says that it has {said} users, and has {held[item['id']]}"
                yield self.wrong(says, (seq,), update)
        known = {item["id"] for item in groups}
        for user in users.values():
            if user.group_id not in known:
                gone = Delete(keys.DIRECTORY, (tenant.name, keys.user_item(user.entry)))
                entry = JournalEntry(Edit.DELETE, user.entry, gallery_group(user.group_id))
                change = Change((gone,), (entry,), based_on=seq)
                says = f"the user {user.entry} is in a group that there is not"
                yield Disagreement(says, (seq,), partial(self.book.writer.commit, tenant.name, change))


_Lead = tuple[Table, Item, str, Check]
"""A pointer, what it is, and what holds while that which it leads to is as it was read."""


class PointerRecords(Subject):
    def look(self, tenant: Tenant) -> Iterator[Disagreement]:
        leads = (self._credentials(tenant), self._keys(tenant), self._groups(tenant), self._cameras(tenant))
        yield from self._agree(tenant, list(chain.from_iterable(leads)))
        yield from self._cameras_left(tenant)

    def _agree(self, tenant: Tenant, leads: list[_Lead]) -> Iterator[Disagreement]:
        found = {_place(table, item): (table, item) for table, item in self._all(tenant)}
        for place, (table, item, says, owner) in {_place(lead[0], lead[1]): lead for lead in leads}.items():
            _, held = found.pop(place, (table, {}))
            if dict(held) != dict(item):
                yield self.wrong(f"{says} does not lead to it", (owner,), owner, Put(table, item))
        for (_, *key), (table, item) in found.items():
            whose = item.get("camera") or item.get("key") or item.get("group") or tenant.name
            text = f"{' '.join(key)} leads to {whose}, which has nothing of that kind"
            yield self.wrong(text, (), Delete(table, (item[table.partition], item[table.sort])))

    def _all(self, tenant: Tenant) -> Iterator[tuple[Table, Item]]:
        for pointer in CREDENTIALS.values():
            for item in every(self.book.items, keys.TENANTS, pointer("")[0]):
                if item["tenant"] == tenant.name:
                    yield keys.TENANTS, item
        for table, prefix in ((keys.DIRECTORY, keys.name_item("")), (keys.CAMERAS, keys.camera_name(""))):
            for item in every(self.book.items, table, tenant.name, between=(prefix, prefix[:-1] + "$")):
                yield table, item

    def _credentials(self, tenant: Tenant) -> Iterator[_Lead]:
        held = self.book.items.get(keys.TENANTS, keys.tenant_item(tenant.name)) or {}
        own = self.book.items.get(keys.TENANTS, keys.key_record(tenant.name, FIRST)) or {}
        deleted = keys.api_key_item(own.get("deleted", ""))
        for name, pointer in CREDENTIALS.items():
            kind, id_ = pointer(held[name])
            if (kind, id_) == deleted:
                continue
            same = Check(keys.TENANTS, keys.tenant_item(tenant.name), (equals(name, id_, _SAME),))
            item = {"kind": kind, "id": id_, "tenant": tenant.name}
            yield (keys.TENANTS, item, f"the {kind} of tenant {tenant.name}", same)
        if old := held.get(OLD_APPCODE):
            kind, id_ = keys.appcode_item(old)
            same = Check(keys.TENANTS, keys.tenant_item(tenant.name), (equals(OLD_APPCODE, old, _SAME),))
            yield (keys.TENANTS, {"kind": kind, "id": id_, "tenant": tenant.name}, f"an old {kind}", same)

    def _keys(self, tenant: Tenant) -> Iterator[_Lead]:
        for held in every(
            self.book.items, keys.TENANTS, keys.key_record(tenant.name, "")[0], between=keys.ids_range(tenant.name)
        ):
            kind, id_ = keys.api_key_item(held["digest"])
            same = Check(keys.TENANTS, (held["kind"], held["id"]), (equals("digest", id_, _SAME),))
            item = {"kind": kind, "id": id_, "tenant": tenant.name, "key": held["key"]}
            yield (keys.TENANTS, item, f"the secret of key {held['key']}", same)

    def _groups(self, tenant: Tenant) -> Iterator[_Lead]:
        for held in every(self.book.items, keys.DIRECTORY, tenant.name, between=keys.GROUPS):
            same = Check(keys.DIRECTORY, (tenant.name, held["item"]), (equals("name", held["name"], _SAME),))
            item = {"tenant": tenant.name, "item": keys.name_item(held["name"]), "group": held["id"]}
            yield (keys.DIRECTORY, item, f"the name of group {held['name']}", same)

    def _cameras(self, tenant: Tenant) -> Iterator[_Lead]:
        for held in every(self.book.items, keys.CAMERAS, tenant.name, between=keys.CAMERA_IDS):
            kind, id_ = keys.api_key_item(held["key_digest"])
            same = (equals("key_digest", id_, _SAME), equals("name", held["name"], _SAME))
            owner = Check(keys.CAMERAS, (tenant.name, held["id"]), same)
            of_key = {"kind": kind, "id": id_, "tenant": tenant.name, "camera": held["id"]}
            yield (keys.TENANTS, of_key, f"the api_key of camera {held['id']}", owner)
            for name in dict.fromkeys((held["id"], held["name"])):
                claim = {"tenant": tenant.name, "id": keys.camera_name(name), "camera": held["id"]}
                yield (keys.CAMERAS, claim, f"the name {name} of camera {held['id']}", owner)

    def _cameras_left(self, tenant: Tenant) -> Iterator[Disagreement]:
        place = (tenant.name, keys.CAMERAS_LEFT)
        counted = self.book.items.get(keys.CAMERAS, place)
        number = sum(1 for _ in every(self.book.items, keys.CAMERAS, tenant.name, between=keys.CAMERA_IDS))
        if counted is not None and int(counted["left"]) != MAX_CAMERAS - number:
            when = (equals("left", counted["left"], _SAME),)
            update = Update(keys.CAMERAS, place, when, set={"left": MAX_CAMERAS - number})
            text = f"the tenant says that {counted['left']} more cameras fit, and {MAX_CAMERAS - number} do"
            yield self.wrong(text, (), update)


def _place(table: Table, item: Item) -> tuple[str, str, str]:
    return table.name, item[table.partition], item[table.sort]


class PictureRecords(Subject):
    def look(self, tenant: Tenant) -> Iterator[Disagreement]:
        faces = [face_from(item) for item in every_face(self.book.items, tenant.name)]
        stored = {blob.key for blob in self.book.storage.blobs.walk(keys.face_pictures(tenant.name))}
        for face in faces:
            for number, picture in enumerate(face.pictures, 1):
                lost = "" if not picture.key or picture.key in stored else "picture"
                if not lost and picture.sides and keys.thumbnail(picture.key) not in stored:
                    lost = "the thumbnail of picture"
                if lost:
                    text = f"{lost} {number} of {len(face.pictures)} of face {face.faceid} is gone"
                    yield Disagreement(text, (face.version,))
        for key in self.book.deletion.orphans.list_orphans(tenant.name):
            yield Disagreement(f"picture {key} belongs to no face", (), partial(self.book.storage.blobs.delete, key))


_HOUR = "%Y%m%d%H"
_MARGIN_DAYS = 2


class StatisticsRecords(Subject):
    def look(self, tenant: Tenant) -> Iterator[Disagreement]:
        calendar = self.book.statistics.calendar.read_days(tenant.name, STORABLE.utc_days)
        totals = keys.totals(tenant.name, tenant.time_zone)
        sealed = {item["day"] for item in every(self.book.items, keys.SUMMARIES, totals)}
        zone = ZoneInfo(tenant.time_zone)
        seen: dict[str | None, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
        unknown = 0
        for day, observations in every_observation(self.book, tenant):
            if day not in calendar:
                unknown += 1
                yield Disagreement(
                    f"there are observations of {day_text(day)}, UTC, and the calendar has no such day",
                    (),
                    partial(self._include, tenant, day),
                )
            for one in observations:
                hour = one.at.astimezone(zone).strftime(_HOUR)
                for group_name in (None, one.group_name) if hour[:8] in sealed else ():
                    seen[group_name][hour].append(one.faceid)
        if sealed and not unknown:
            yield from self._answers(tenant, seen, sealed)

    def _answers(
        self, tenant: Tenant, seen: Mapping[str | None, Mapping[str, list[str]]], sealed: Set[str]
    ) -> Iterator[Disagreement]:
        """Compare answers about sealed days: of everybody, of persons, of each group. Others are counted when asked.

        `seen`: the faces that were observed, by group (None: any) and hour.
        """
        span, everybody = _span(sealed), seen.get(None, {})
        asked = [("observations", EVERYTHING, everybody, False), ("persons", EVERYTHING, everybody, True)]
        for name, of_group in seen.items():
            if name is not None:
                asked.append((f"observations in {name}", ObservationFilter(group_name=name), of_group, False))
        told: set[str] = set()
        for things, wanted, faces, distinct in asked:
            answer = self.book.statistics.count_by_time(tenant, wanted, *span, Granularity.HOUR, distinct=distinct)
            for hour in sorted(answer.keys() | faces.keys()):
                own, said, day = faces.get(hour, []), answer.get(hour, 0), hour[:8]
                there = len(set(own) if distinct else own)
                if said != there and day in sealed and day not in told:
                    told.add(day)
                    text = f"statistics of {day}, hour {hour[8:]}, say {said} {things}, and {there} are stored"
                    yield Disagreement(text, (), partial(self._seal, tenant, day_number(day)))

    @retry_if_changed("the calendar is changed by others all the time: send the request again in a moment")
    def _include(self, tenant: Tenant, day: int) -> None:
        """Put the day into the calendar, and make days invalid that were sealed without it."""
        months = self.book.statistics.calendar.months(tenant.name, [day])
        write(self.book.items, make_calendar_actions(tenant.name, [day], [day], months))

    def _seal(self, tenant: Tenant, day: int) -> None:
        if not self.book.statistics.sealing.seal_day(tenant, day):
            raise Busy(f"{day_text(day)} is not over, or observations of it keep coming: it is counted again later")


def _span(days: Iterable[str]) -> tuple[int, int]:
    """Return a span, in UNIX seconds, that holds these local days, YYYYMMDD, in any time zone."""
    numbers = sorted(map(day_number, days))
    first, last = numbers[0] - _MARGIN_DAYS, numbers[-1] + _MARGIN_DAYS
    return max(first, 0) * DAY_MS // 1000, last * DAY_MS // 1000


def every_observation(book: Services, tenant: Tenant) -> Iterator[tuple[int, list[Observation]]]:
    """Yield each UTC day that has observations, counted from 1970, with its observations, oldest first.

    Days are looked for one by one from the day on which the tenant was made until tomorrow, since no read finds all
    that there are. Earlier ones, of captures that a camera had kept, are found if the calendar names them.
    """
    first, last = tenant.created_at, book.clock.now() + timedelta(days=1)
    days = {*range(milliseconds(first) // DAY_MS, milliseconds(last) // DAY_MS + 1)}
    days.update(book.statistics.calendar.read_days(tenant.name, STORABLE.utc_days).within(STORABLE.utc_days))
    for day in sorted(days):
        if found := list(map(observation_from, observed_on(book.items, tenant.name, day))):
            yield day, found


_AT_ONCE = 100


class CaptureRecords(Subject):
    def look(self, tenant: Tenant) -> Iterator[Disagreement]:
        for some in parts(captures_of(self.book.items, tenant.name, None), _AT_ONCE):
            for item in some:
                yield from self._picture(tenant, item)
            yield from self._observations(tenant, some)
        since_ms = milliseconds(self.book.clock.now()) - min(KEPT_MS, sightings_kept(tenant) * DAY_MS)
        for _, observations in every_observation(self.book, tenant):
            yield from self._captures(tenant, (one for one in observations if one.at_ms > since_ms))

    def _picture(self, tenant: Tenant, item: Item) -> Iterator[Disagreement]:
        """Compare a capture that waits with its picture, which it needs unless only a rejected sighting waits."""
        capture = capture_from(item)
        if capture.state is not CaptureState.STORED or AGAIN in item:
            return
        if self.book.storage.uploads.size(keys.capture_picture(tenant.name, capture.camera_id, capture.id)) is None:
            key = keys.capture(tenant.name, capture.camera_id, capture.id)
            fields = {"state": CaptureState.PARKED, "reason": "its picture is gone"}
            update = Update(keys.CAPTURES, key, (equals("state", CaptureState.STORED, "still-stored"),), set=fields)
            text = f"capture {capture.id} of camera {capture.camera_id} waits to be resolved, and its picture is gone"
            yield self.wrong(text, (), update)

    def _observations(self, tenant: Tenant, items: list[Item]) -> Iterator[Disagreement]:
        expected = [
            (capture, sighting, item.get("corrections"))
            for item in items
            for capture in (capture_from(item),)
            if self._is_observed(tenant, capture)
            for sighting in capture.sightings
            if sighting.faceid is not None
        ]
        places = [
            keys.observation(tenant.name, milliseconds(capture.captured_at), sighting_id(capture.id, sighting.number))
            for capture, sighting, _ in expected
        ]
        for (capture, sighting, corrections), held in zip(
            expected, self.book.items.get_many(keys.OBSERVATIONS, places), strict=True
        ):
            if held is None:
                yield Disagreement(
                    f"capture {capture.id} of camera {capture.camera_id} shows face {sighting.faceid}, and no "
                    "observation of that is stored",
                    (capture.state, corrections),
                )

    def _is_observed(self, tenant: Tenant, capture: Capture) -> bool:
        """Tell whether the observations of a capture, which may have come late, are still kept."""
        days = tenant.observation_days
        return days is None or capture.captured_at > self.book.clock.now() - timedelta(days=days)

    def _captures(self, tenant: Tenant, observations: Iterable[Observation]) -> Iterator[Disagreement]:
        sightings = (one for one in observations if one.kind is ObservationKind.SIGHTING and not is_erased(one.faceid))
        for some in parts(sightings, _AT_ONCE):
            places = [keys.capture(tenant.name, one.camera, one.id.rpartition("-")[0] or one.id) for one in some]
            found = self.book.items.get_many(keys.CAPTURES, places)
            for place, one, item in zip(places, some, found, strict=True):
                if item is None or parts_of_sighting(one.id)[1] >= len(capture_from(item).sightings):
                    yield Disagreement(
                        f"face {one.faceid} was sighted in capture {place[1]} of camera {one.camera}, and no such "
                        "capture says so"
                    )


_MOVING = (MergeState.MOVING, MergeState.UNDOING)

Sighted = list[tuple[int, int, bool]]
"""(at_ms, gap_ms, whether `is_of` holds) of the sightings of one face."""


class VisitRecords(Subject):
    def look(self, tenant: Tenant) -> Iterator[Disagreement]:
        faces = {item["faceid"]: face_from(item) for item in every(self.book.items, keys.FACES, tenant.name)}
        visits, lost = self._visits(tenant)
        sighted, enrolled = self._read_observations(tenant, faces)
        for face in faces.values():
            held = visits.get(face.faceid, Visits())
            yield from self._compare_counts(tenant, face, held)
            if not face.moving:
                by_hand = face.faceid in enrolled
                yield from self._arrivals(tenant, face, held, sighted[face.faceid], by_hand=by_hand)
        for faceid in visits.keys() - faces.keys():
            when = (equals("version", visits[faceid].version, _SAME),)
            deletes = visits_deletes(tenant.name, faceid, visits[faceid], when)
            text = f"there are arrivals of {faceid}, and there is no such face"
            yield self.wrong(text, (visits[faceid].version,), *deletes)
        for key in lost:
            faceid, _ = keys.parts_of_visits(key)
            head = visits.get(faceid, Visits()).version
            same = Check(keys.ARRIVALS, (tenant.name, faceid), (equals("version", head or None, _SAME),))
            text = f"a page of arrivals of {faceid} is stored, and its visits do not name it"
            delete = Delete(keys.ARRIVALS, (tenant.name, key))
            yield self.wrong(text, (head,), delete, same)
        yield from self._negatives(tenant, faces)
        yield from self._merges(tenant, faces)

    def _visits(self, tenant: Tenant) -> tuple[dict[str, Visits], list[str]]:
        """Return the visits by faceid, and the keys of the pages that no head names."""
        stored = {item["faceid"]: item for item in every(self.book.items, keys.ARRIVALS, tenant.name)}
        visits = {}
        for faceid in [key for key in stored if keys.parts_of_visits(key)[0] == key]:
            head = visits_from(stored.pop(faceid))
            pages = [stored.pop(keys.visits_page(faceid, start), None) for start in head.pages]
            visits[faceid] = head if head.is_whole else head.with_pages(pages_from(pages))
        return visits, list(stored)

    def _read_observations(self, tenant: Tenant, faces: Mapping[str, Face]) -> tuple[Mapping[str, Sighted], set[str]]:
        """Return the sightings of each face that count as arrivals, and the faceids that were enrolled by hand."""
        sighted: dict[str, Sighted] = defaultdict(list)
        enrolled: set[str] = set()
        for _, observations in every_observation(self.book, tenant):
            for one in observations:
                if one.kind is ObservationKind.SIGHTING and one.gap_s is not None and one.faceid in faces:
                    of_face = is_of(faces[one.faceid], one)
                    sighted[one.faceid].append((one.at_ms, one.gap_s * 1000, of_face))
                elif one.kind is ObservationKind.ENROLMENT:
                    enrolled.add(one.faceid)
        return sighted, enrolled

    def _compare_counts(self, tenant: Tenant, face: Face, visits: Visits) -> Iterator[Disagreement]:
        count, last_at = visits.arrivals.count, optional(moment, visits.arrivals.last_arrival_ms)
        if (face.arrive_count, face.last_arrival_at) != (count, last_at):
            yield Disagreement(
                f"face {face.faceid} says {face.arrive_count} arrivals, the last at {face.last_arrival_at}, and its "
                f"visits are {count}, the last at {last_at}",
                (face.version, visits.version),
                partial(self._rewrite, tenant, face, visits, visits.arrivals),
            )

    def _arrivals(
        self, tenant: Tenant, face: Face, visits: Visits, sighted: Sighted, *, by_hand: bool
    ) -> Iterator[Disagreement]:
        """Compare the arrivals of the last 100 days: of older ones only a number may be left, a merge's a sum.

        A face that was enrolled by hand may have the id of one that was deleted. Earlier versions' sightings do not say
        which of them are whose.
        """
        since_ms = milliseconds(self.book.clock.now()) - KEPT_MS
        sighted = [one for one in sighted if one[0] >= visits.arrivals.folded_until_ms]
        stored, meant = _since(visits.arrivals, since_ms), _since(_join_sightings(sighted), since_ms)
        own = _since(_join_sightings(one for one in sighted if one[2]), since_ms) if by_hand else meant
        if stored not in (meant, own):
            older = tuple(one for one in visits.arrivals.recent if one.until_ms <= since_ms)
            recounted = replace(visits.arrivals, recent=(*older, *meant))
            yield Disagreement(
                f"face {face.faceid} has {len(stored)} arrivals of {_sightings(stored)} sightings in 100 days, and "
                f"its sightings make {len(meant)} of {_sightings(meant)}",
                (face.version, visits.version),
                partial(self._rewrite, tenant, face, visits, recounted) if own == meant else None,
            )

    def _rewrite(self, tenant: Tenant, face: Face, visits: Visits, arrivals: Arrivals) -> None:
        """Store other arrivals of a face, in its visits and in the face itself."""
        after = replace(visits, arrivals=arrivals, in_one_item=tenant.format < PAGED)
        told = apply_plan(face, VisitPlan(after, face.group_id))
        update = make_visit_update(tenant, face, told)
        same = equals("version", face.version, _SAME)
        puts = visits_puts(tenant.name, face.faceid, visits, after)
        write(self.book.items, [replace(update, when=(*update.when, same)), *puts])

    def _negatives(self, tenant: Tenant, faces: Mapping[str, Face]) -> Iterator[Disagreement]:
        stored = [item["id"] for item in every(self.book.items, keys.NEGATIVES, tenant.name)]
        counted = Counter(keys.parts_of_negative(id_)[0] for id_ in stored)
        for face in faces.values():
            number = counted[face.faceid]
            if face.negatives != number:
                text = f"face {face.faceid} says {face.negatives} rejected pictures, and {number} are stored"
                yield self._make_disagreement(tenant, face, "negatives", number, text)
        for id_ in stored:
            faceid = keys.parts_of_negative(id_)[0]
            if faceid not in faces:
                delete = Delete(keys.NEGATIVES, (tenant.name, id_))
                gone = Check(keys.FACES, (tenant.name, faceid), (absent(_SAME),))
                text = f"a rejected picture, {id_}, is kept for a face that there is not"
                yield self.wrong(text, (), delete, gone)

    def _merges(self, tenant: Tenant, faces: Mapping[str, Face]) -> Iterator[Disagreement]:
        merges = {merge.id: merge for merge in self.book.merges.records.all(tenant.name)}
        of: dict[str, list[Merge]] = defaultdict(list)
        for merge in merges.values():
            if merge.is_active:
                of[merge.survivor].append(merge)
        for face in faces.values():
            number = _below(of, face.faceid)
            if face.merges < number:
                text = f"face {face.faceid} says that it comes from {face.merges} merges, and it does from {number}"
                yield self._make_disagreement(tenant, face, "merges", number, text)
            if face.moving and (face.moving not in merges or merges[face.moving].state not in _MOVING):
                when = (equals("moving", face.moving, _SAME),)
                update = Update(keys.FACES, (tenant.name, face.faceid), when, add={"version": 1}, remove=("moving",))
                text = f"face {face.faceid} says that merge {face.moving} moves its observations, and it does not"
                yield self.wrong(text, (face.version,), update)
        for merge in merges.values():
            survivor = faces.get(merge.survivor)
            if merge.state in _MOVING and (survivor is None or survivor.moving != merge.id):
                text = f"merge {merge.id} moves observations of face {merge.survivor}, which does not say so"
                mend = partial(self.book.merges.mover.finish_merge, tenant, merge.id, None)
                yield Disagreement(text, (survivor and survivor.version,), mend)

    def _make_disagreement(self, tenant: Tenant, face: Face, field: str, number: int, says: str) -> Disagreement:
        when = (equals("version", face.version, _SAME),)
        change = {"set": {field: number}} if number else {"remove": (field,)}
        update = Update(keys.FACES, (tenant.name, face.faceid), when, add={"version": 1}, **change)
        return self.wrong(says, (face.version,), update)


def _join_sightings(sighted: Iterable[tuple[int, int, bool]]) -> Arrivals:
    arrivals = Arrivals()
    for at_ms, gap_ms, _ in sorted(sighted):
        arrivals = arrivals.with_sighting(at_ms, gap_ms)
    return arrivals


def _since(arrivals: Arrivals, since_ms: int) -> tuple[Arrival, ...]:
    return tuple(one for one in arrivals.recent if one.until_ms > since_ms)


def _sightings(arrivals: Iterable[Arrival]) -> int:
    return sum(one.sightings for one in arrivals)


def _below(of: Mapping[str, list[Merge]], faceid: str) -> int:
    """Count the merges that can be undone into a face, and into the faces that were merged into it."""
    return sum(1 + _below(of, merge.other) for merge in of.get(faceid, ()))


class Consistency(Outside):
    def __init__(self, book: Services) -> None:
        super().__init__(book)
        checks: Mapping[Agrees, type[Subject]] = {
            Agrees.INDEX: GalleryRecords,
            Agrees.USERS: UserRecords,
            Agrees.NAMES: NameRecords,
            Agrees.PICTURES: PictureRecords,
            Agrees.VISITS: VisitRecords,
            Agrees.CAPTURES: CaptureRecords,
            Agrees.STATISTICS: StatisticsRecords,
        }
        of_people = dict.fromkeys(place.agrees for place in PLACES if place.agrees)
        self._subjects: Mapping[str, Subject] = {
            **{one: checks[one](book) for one in of_people},
            "credentials, and the names of groups and cameras": PointerRecords(book),
        }

    def disagreements(self, tenant: str) -> list[Disagreement]:
        """Return the findings, and the subjects that cannot be read. Raises TenantNotFound, Busy.

        A tenant may be served meanwhile. Records are read one after the other, so one look can see half of a change.
        Therefore only that is returned which two looks in a row found, at the same versions: nothing that was compared
        has changed between them.
        """
        return [one for name in self._subjects for one in self._readable(tenant, name)]

    def repair(self, tenant: str) -> tuple[list[Disagreement], list[Disagreement]]:
        """Mend what can be mended; return the findings that were mended, and those that are left.

        Nothing is mended that changed after it was read. Repairs of one record wait for each other: they are read anew.
        """
        tried: list[Disagreement] = []
        left = self.disagreements(tenant)
        for _ in range(ROUNDS):
            mended = [one for one in left if self._mend_disagreement(one)]
            if not mended:
                break
            tried += mended
            left = self.disagreements(tenant)
        return [one for one in tried if one not in left], left

    def _mend_disagreement(self, one: Disagreement) -> bool:
        if one.mend is None:
            return False
        try:
            one.mend()
        except (RegularsError, GalleryMoved) as error:
            _log.info("left as it is for now: %s", error)  # what it says may have a name
            return False
        return True

    def _readable(self, tenant: str, name: str) -> list[Disagreement]:
        """Settle a subject. One that lies on a damaged page does not stop the others."""
        try:
            return self._list_lasting(tenant, self._subjects[name])
        except StorageUnavailable as error:
            return [Disagreement(f"{name}: not all of them can be read ({error})")]

    def _list_lasting(self, tenant: str, subject: Subject) -> list[Disagreement]:
        before: list[Disagreement] = []
        same: list[Disagreement] = []
        for _ in range(LOOKS):
            found = list(subject.look(self.book.tenants.get_by_name(tenant)))
            same = [one for one in found if one in before]
            if len(same) == len(found):
                break
            before = found
        return same
