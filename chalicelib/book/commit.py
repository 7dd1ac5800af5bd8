"""Changes of a gallery, which holds a tenant's stored faces as searches see them, by its only
writer.

One transaction changes faces, counts, seq and journal, and stores the answer.

`seq` serialises a tenant's gallery. A process commits one change of a tenant at a time. If another
process commits first, the commit is tried again with the new seq.

A face set's record changes only in a commit, with its faces. So everything that was read at a seq
still held if a commit based on it succeeds. storage/items has all other writes, and pauses of
tries.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from chalicelib.domain.consent import Consent, EndedRecords
from chalicelib.domain.effects import Effect
from chalicelib.domain.errors import Busy, ConditionFailed, WrongModel
from chalicelib.domain.face_sets import FaceSets
from chalicelib.domain.grounds import list_claims, more_than_a_stranger, rises
from chalicelib.domain.model import STRANGER, Edit, Face, Group, JournalEntry
from chalicelib.domain.rules.templates import is_face_set, make_change_entries
from chalicelib.storage import keys
from chalicelib.storage.items import (
    ENDED_CHANGES,
    WITHDRAWN,
    Changed,
    count_attempts,
    directory_of,
    gone_of,
    read_ended_records,
    retry_if_changed,
    write,
)
from chalicelib.storage.ports import (
    Action,
    Check,
    Clock,
    Condition,
    Item,
    ItemStore,
    Put,
    Update,
    absent,
    at_least,
    equals,
    exists,
)
from chalicelib.storage.records.faces import (
    CONSENT,
    FACE_FREE,
    face_from,
    journal_item,
)
from chalicelib.telemetry import count_stage

GROUP_EXISTS = "group-exists"
GROUP_ROOM = "group-room"
TENANT_ROOM = "tenant-room"
NEXT = "next-model"
RISES = "still-a-stranger"
"""Name of the condition by which a write says that it makes more of a stranger. No other place has
to: the writer compares such a stranger with those who withdrew, whatever asked for the change."""
ENTERS = "may-enter"
"""Name of the condition by which a write says that somebody adds an id, a picture or a record to a
face: the writer asks whether a person of these said no (`Refuse`), as it asks of each new face."""
_SEQ = "seq"

INDEX_EVERY = 256
"""Commits between two calls of the index builder. The schedule calls it too, so a lost message does
no harm."""

A_COMMIT_S = 0.08
"""Time of a search and its commit on AWS. A process that lost a race waits: each search costs
reads, and each refused commit as much as one that succeeds."""


class GalleryMoved(Changed):
    """The gallery is no longer at the seq that the change was based on. Nothing was changed."""


retry_if_gallery_moved = retry_if_changed(
    "the faces that are found are deleted or moved all the time: send the request again in a "
    "moment",
    5,
)
"""Decorates a search, so that it begins anew if the gallery changed while it looked (GalleryMoved).
Raises Busy."""


class Change(Struct, frozen=True):
    """A change of a gallery (a tenant's stored faces, as searches see them) that one use case asks
    for. It is done as a whole or not at all.

    `actions`: its writes; `journal`: its entries, from which searches learn what changed.
    `counts`: faces gained by group id, negative if lost; the groups exist. `face_sets`: likewise
    face sets. `limited_groups`: those of the groups that have a capacity. `new_group`: the
    directory item of a group to create, with its `count`. `directory_counts`: numbers to add to
    other fields of the tenant's directory item; a field must not fall below zero. `based_on`: the
    seq that the gallery must be at, else GalleryMoved is raised. `model`: the model of the new
    templates, if they are added to a face that has others. `skips_model_check`: restores, merges or
    cuts down existing faces, so their templates may be of an older model. `switch_to`: the model to
    search the gallery with from now on. It must be the tenant's `next_model`. `required_groups`:
    groups that must be there, beside those of the faces that the journal changes.
    `keeps_face_sets`: a set stays even without faces. `deleted_groups`: their faces are erased
    later, by commits of which the last has the group in `erased_groups`. `is_somebody_else`:
    somebody says that these people are not those who said no under the same id or with the same
    picture.
    """

    actions: tuple[Action, ...]
    journal: tuple[JournalEntry, ...]
    counts: Mapping[str, int] = field(default_factory=dict)
    limited_groups: frozenset[str] = frozenset()
    new_group: Item | None = None
    directory_counts: Mapping[str, int] = field(default_factory=dict)
    based_on: int | None = None
    model: str | None = None
    skips_model_check: bool = False
    switch_to: str | None = None
    required_groups: frozenset[str] = frozenset()
    keeps_face_sets: bool = False
    face_sets: Mapping[str, int] = field(default_factory=dict)
    deleted_groups: frozenset[str] = frozenset()
    erased_groups: frozenset[str] = frozenset()
    is_somebody_else: bool = False

    @property
    def gained(self) -> int:
        return sum(self.counts.values()) + (int(self.new_group["count"]) if self.new_group else 0)


def make_face_change(
    before: Face,
    after: Face,
    actions: Sequence[Action] = (),
    limited_groups: frozenset[str] = frozenset(),
) -> Change:
    """Return the change of the gallery that a changed face needs; nothing is written yet.

    The gallery is what searches see, and they learn from its journal. A face whose group and
    templates (vectors) are the same gets no entry there. `actions` are more writes of the same
    transaction. `limited_groups` are those of the old and the new group that have a capacity.
    """
    counts = {}
    if after.group_id != before.group_id:
        counts = {before.group_id: -1, after.group_id: 1}
    old_templates = [picture.templates for picture in before.pictures]
    added_pictures = [
        picture for picture in after.pictures if picture.templates not in old_templates
    ]
    added_picture = added_pictures[0] if added_pictures else None
    # Learnt: the face got it from a sighting, without a person's word.
    is_learnt = added_picture is not None and added_picture.learnt is not None
    entries = [replace(entry, learnt=is_learnt) for entry in make_change_entries(before, after)]
    # The commit is refused unless a new picture has a template of the model that searches use. The
    # pictures that the face had may have older ones: without a new picture nothing is checked.
    return Change(
        tuple(actions),
        tuple(entries),
        counts,
        limited_groups,
        model=added_picture.templates[0].model if added_picture else None,
        skips_model_check=added_picture is None,
    )


Compare = Callable[[str, EndedRecords, Mapping[str, Consent | None]], None]
"""Raises ConsentMissing or ConsentOlder if one of a tenant's strangers, who are to become more, is
somebody whose record has ended. By its id: the record of consent that it gets."""


Refuse = Callable[..., None]
"""Raises FaceErased or ConsentOlder, with the arguments of `BookHooks.refuse_ended`."""


def make_rise_conditions(before: Face, after: Face) -> tuple[Condition, ...]:
    """Return the conditions for a write that makes a stranger more than one, or adds data by which
    a person who withdrew may be recognised; none if it does neither."""
    rise = (equals("group", before.group_id, RISES),) if rises(before, after) else ()
    return (*rise, exists(ENTERS)) if list_claims(after, before) else rise


def _list_rising(actions: Sequence[Action]) -> dict[str, Consent | None]:
    """Return the strangers of whom these writes make more, by id, each with its record of consent.

    More is what no stranger has, such as a name. A write that gives it has a condition of the name
    RISES. None stands for a face that gets no record.
    """
    rising: dict[str, Consent | None] = {}
    for action in actions:
        if all(condition.name != RISES for condition in action.when):
            continue
        faceid = action.key[1]  # a face's key is (tenant, faceid)
        rising[faceid] = None
        if isinstance(action, Put) and action.item.get("consent"):
            rising[faceid] = CONSENT.read(action.item["consent"])
    return rising


def limited_groups(group: Group) -> frozenset[str]:
    """Return the group's id if the group has a capacity, for a Change's `limited_groups`."""
    return frozenset() if group.capacity is None else frozenset({group.id})


class _Gallery:
    """The lock of one tenant's commits, and the gallery as this process last read or changed it."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.seq: int | None = None
        self.model = ""
        """The model that the gallery is searched with, as of `seq`."""
        self.groups_being_erased: frozenset[str] = frozenset()
        """The deleted groups whose faces are still being erased, as of `seq`."""
        self.ended_records = EndedRecords(0, 0)
        """The state of the records that have ended, as of `seq`."""


class GalleryWriter:
    """The only writer of galleries: a tenant's stored faces, as searches see them.

    A gallery has a version (`seq`), and a journal of its changes, which searches follow. After
    every INDEX_EVERY commits, `build_index(tenant)` is called, which must not raise. `compare` is
    called before anybody makes more of a stranger (`Compare`), and `refuse` before somebody is
    enrolled or becomes known by something more (`Refuse`).
    """

    def __init__(
        self,
        items: ItemStore,
        clock: Clock,
        build_index: Callable[[str], None],
        compare: Compare = lambda *_: None,
        refuse: Refuse = lambda *_, **__: None,
        face_sets: Callable[[], FaceSets] = FaceSets,
    ) -> None:
        self._compare = compare
        self._refuse = refuse
        self._face_sets = face_sets
        self._items = items
        self._clock = clock
        self._build_index = build_index
        self._galleries: dict[str, _Gallery] = {}
        self._galleries_lock = threading.Lock()

    def commit(self, tenant: str, change: Change) -> int:
        """Write a change of a gallery in one transaction; return the gallery's new version (seq).

        Raises ConditionFailed if a named condition does not hold (names about a group end in
        ":" + group id), GalleryMoved if the gallery has left `based_on`, WrongModel if a face would
        have no template of the model that searches use, Busy, StorageUnavailable, TenantNotFound.
        """
        gallery = self._get_gallery(tenant)
        with count_stage("commit"), gallery.lock:
            return self._commit_with_retries(tenant, gallery, change)

    def save(self, tenant: str, change: Change) -> None:
        """Write a change, as a commit only if the gallery changes by it.

        Else (a face gets a new name, for example) its actions are written alone. The gallery keeps
        its version, and no other commit is held up.
        """
        is_alone = not (change.journal or change.required_groups or change.directory_counts)
        # It returns False, with nothing written, if only a commit can check the change.
        if is_alone and self._write_alone(tenant, change):
            return
        self.commit(tenant, change)

    def require_strangers(self, tenant: str, faceids: Sequence[str]) -> None:
        """Raise ConsentMissing if one of these strangers is a person whose record of consent has
        ended.

        It is asked before such a stranger is suggested to anybody as a person.
        """
        gallery = self._get_gallery(tenant)
        with gallery.lock:
            if gallery.seq is None:
                self._read_gallery(tenant, gallery)
            self._compare_rising(tenant, gallery, dict.fromkeys(faceids))

    @contextmanager
    def hold_up_commits(self, tenant: str) -> Iterator[None]:
        """Hold up this process's other commits for the tenant while the caller prepares a change
        based on the seq (the gallery's version). The caller may commit within the block."""
        with self._get_gallery(tenant).lock:
            yield

    def read_seq(self, tenant: str) -> int:
        """Return the gallery's seq. Raises TenantNotFound."""
        return int(directory_of(self._items, tenant)["seq"])

    def _get_gallery(self, tenant: str) -> _Gallery:
        with self._galleries_lock:
            return self._galleries.setdefault(tenant, _Gallery())

    def _commit_with_retries(self, tenant: str, gallery: _Gallery, change: Change) -> int:
        """Commit a change, and again if another process was first; return the new version (seq).

        The caller holds the gallery's lock. `gallery` is what this process remembers of the
        gallery, so that most commits read nothing. Raises as `commit`.
        """
        for _ in count_attempts(first_s=A_COMMIT_S):  # it pauses before each further one
            seq = self._require_committable(tenant, gallery, change) + 1
            groups_being_erased = gallery.groups_being_erased | change.deleted_groups
            groups_being_erased -= change.erased_groups
            gallery.seq = None  # unless the write succeeds, all is read anew before the next one
            try:
                whole_change = self._add_set_changes(tenant, change)
                now = self._clock.now()
                actions = _make_actions(tenant, seq, whole_change, groups_being_erased, now)
                self._items.transact(actions)
            except Busy:
                continue
            except ConditionFailed as error:
                if _SEQ in error.names:  # another process was first
                    continue
                raise  # the change itself cannot be done

            gallery.model = change.switch_to or gallery.model
            gallery.groups_being_erased = groups_being_erased
            # If the change is about who withdrew consent, these are read before the next commit.
            if ENDED_CHANGES not in change.directory_counts:
                gallery.seq = seq
            if seq % INDEX_EVERY == 0:  # so that searches have a short journal to follow
                self._build_index(tenant)
            return seq
        raise Busy(
            "many changes of this tenant's gallery arrive at once: send the request again in a "
            "moment"
        )

    def _require_committable(self, tenant: str, gallery: _Gallery, change: Change) -> int:
        """Return the gallery's version (seq) on which a change can be committed, as far as known.

        `gallery` is what this process knows. It is read again where the change does not fit that.
        Raises GalleryMoved if the version is not the one that the change is based on. Raises
        WrongModel, ConditionFailed if a group is deleted, and as `Compare`.
        """
        present_seq = gallery.seq
        if present_seq is None:  # not read yet, or a commit failed
            present_seq = self._read_gallery(tenant, gallery)
        if not _has_model_everywhere(change, gallery.model):
            # The caller may know of a new model before this process does.
            present_seq = self._read_gallery(tenant, gallery)
        based_on = present_seq if change.based_on is None else change.based_on
        # The caller may know of a new seq, too: one that is the gallery's by now is all right.
        if based_on != present_seq and based_on != self._read_gallery(tenant, gallery):
            raise GalleryMoved
        if not _has_model_everywhere(change, gallery.model):
            raise WrongModel(
                f"tenant {tenant!r} is searched with the model {gallery.model!r} by now: embed "
                "the picture with it"
            )
        deleted_groups = _list_needed_groups(change) & gallery.groups_being_erased
        if deleted_groups:
            conditions = [f"{GROUP_EXISTS}:{group_id}" for group_id in deleted_groups]
            raise ConditionFailed(frozenset(conditions))
        self._compare_rising(tenant, gallery, _list_rising(change.actions))
        self._refuse_ended(tenant, change)
        return based_on

    def _refuse_ended(self, tenant: str, change: Change) -> None:
        """Raise, as `Refuse`, if the change enrols somebody who said no, or adds something of that
        person to a face. Of a stranger whom a camera makes nobody is asked.

        An end is written before the commit that follows it. So one that comes in between has this
        change tried again.
        """
        for action in change.actions:
            names = {condition.name for condition in action.when}
            if action.table is not keys.FACES or names.isdisjoint({FACE_FREE, ENTERS}):
                continue
            before = None
            if ENTERS in names and (item := self._items.get(keys.FACES, action.key)):
                before = face_from(item)
            if isinstance(action, Put):
                face = face_from(action.item)
            elif isinstance(action, Update) and before is not None:  # it joins a face set
                face = replace(before, face_set=str(action.set.get("face_set", "")))
            else:
                continue
            if before or face.group_id != STRANGER or [*more_than_a_stranger(face)]:
                self._refuse(tenant, before, face, is_somebody_else=change.is_somebody_else)

    def _compare_rising(
        self, tenant: str, gallery: _Gallery, rising: Mapping[str, Consent | None]
    ) -> None:
        """Raise if one of the strangers who are to become more withdrew consent under another id.

        `Compare` looks for that, unless nobody withdrew as of the gallery's seq. A withdrawal is a
        commit, too, so one that comes in between has the change tried again.
        """
        if rising and gallery.ended_records.ends != 0:  # 0: nobody did
            self._compare(tenant, gallery.ended_records, rising)

    def _write_alone(self, tenant: str, change: Change) -> bool:
        """Write actions that leave the gallery as it is; return False if only a commit may do so.

        Most are simply written. Some make more of a stranger, by a name for example. Nobody who
        withdrew consent may come back so, and only a commit compares the two. So these are written
        if nobody has withdrawn. Else nothing is written, and the caller commits them (False).
        """
        self._refuse_ended(tenant, change)
        if not _list_rising(change.actions):
            write(self._items, change.actions)
            return True
        # The directory's field of this name counts who withdrew; the condition is named like it.
        if_nobody_withdrew = equals(WITHDRAWN, 0, WITHDRAWN)
        check = Check(keys.DIRECTORY, (tenant, keys.TENANT_ITEM), (if_nobody_withdrew,))
        try:
            write(self._items, [*change.actions, check])
        except ConditionFailed as error:
            if WITHDRAWN in error.names:
                return False
            raise
        return True

    def _add_set_changes(self, tenant: str, change: Change) -> Change:
        """Return the change with what it means for face sets."""
        journal = [entry for entry in change.journal if entry.face_set]
        if not journal:
            return change
        more = self._face_sets().follow_changes(tenant, journal, keeps_empty=change.keeps_face_sets)
        gained = Counter(more.gained)
        gained.update(change.face_sets)  # it adds the numbers
        return replace(
            change,
            actions=(*change.actions, *more.actions),
            journal=(*change.journal, *more.entries),
            face_sets=gained,
        )

    def _read_gallery(self, tenant: str, gallery: _Gallery) -> int:
        """Read the gallery's seq, model and deleted groups; return the seq."""
        item = directory_of(self._items, tenant)
        gallery.seq, gallery.model = int(item["seq"]), item["model"]
        gallery.groups_being_erased = gone_of(item)
        gallery.ended_records = read_ended_records(item)
        return gallery.seq


def _has_model_everywhere(change: Change, model: str) -> bool:
    """Tell whether all new faces and pictures have a template (vector) of this model.

    A search with this model would not find a face without one, nor find it by that picture.
    """
    models_of_each: list[set[str]] = []  # of each face or picture the models of its templates
    if not change.skips_model_check:
        for entry in change.journal:
            if entry.edit in (Edit.PUT, Edit.REPLACE) and entry.templates:
                models_of_each.append({template.model for template in entry.templates})
    if change.model is not None:
        models_of_each.append({change.model})
    return all(model in models for models in models_of_each)


def _list_needed_groups(change: Change) -> frozenset[str]:
    """Return the groups that must still exist: else a search would find a face of a deleted one."""
    return change.required_groups.union(
        entry.group_id for entry in change.journal if entry.edit not in (Edit.DELETE, Edit.DROP)
    )


def _make_actions(
    tenant: str, seq: int, change: Change, groups_being_erased: frozenset[str], now: datetime
) -> list[Action]:
    """Return all writes of the transaction that takes a gallery to version `seq`.

    They are the change's own, and those that count: of each group, of the tenant. Searches learn
    the change from its journal entries, which are stored under `seq`.
    """
    # These fields are in the tenant's record, for requests, and in its directory, for commits.
    shared_fields: dict[str, Any] = {}
    if change.switch_to:
        shared_fields["model"] = change.switch_to
    if change.deleted_groups or change.erased_groups:
        shared_fields["gone"] = sorted(groups_being_erased)
    actions = [*change.actions, *_make_group_actions(tenant, change)]
    if shared_fields:
        actions.append(_make_tenant_update(tenant, shared_fields))
    actions.append(_make_directory_update(tenant, seq, change, shared_fields))

    edits = []  # what the audit log is told
    for entry in change.journal:
        # An entry of a whole group that is dropped has no faceid; one of a face set is no face.
        if entry.faceid and not is_face_set(entry.faceid):
            edits.append((Effect.EDITS, entry.faceid))
    item = journal_item(tenant, seq, now, change.journal)
    actions.append(Put(keys.JOURNAL, item, (absent("journal-free"),), tuple(edits)))
    return actions


def _make_directory_update(tenant: str, seq: int, change: Change, shared_fields: Item) -> Update:
    """Return the update of the tenant's directory item, with the counts of all its groups.

    If the gallery is not at the version before `seq`, condition _SEQ fails, and the caller tries
    again. No try helps if the tenant has no room (TENANT_ROOM), or if a count would fall below
    zero. {"groups_left": -1} needs one group left; that condition has the name of the field.
    """
    gained_faces = change.gained
    conditions: list[Condition] = [equals("seq", seq - 1, _SEQ)]
    if gained_faces > 0:
        conditions.append(at_least("free", gained_faces, TENANT_ROOM))
    for name, number in change.directory_counts.items():
        if number < 0:
            conditions.append(at_least(name, -number, name))
    removed_fields: tuple[str, ...] = ()
    if change.switch_to:  # searches use the next model from now on, if it is still that one
        conditions.append(equals("next_model", change.switch_to, NEXT))
        removed_fields = ("next_model",)
    return Update(
        keys.DIRECTORY,
        (tenant, keys.TENANT_ITEM),
        when=tuple(conditions),
        set={"seq": seq, **shared_fields},
        add={"free": -gained_faces, **change.directory_counts},  # free: faces it may still get
        remove=removed_fields,
    )


def _make_tenant_update(tenant: str, fields: Item) -> Update:
    """Return the update by which a tenant's record follows its directory: deleted groups, and the
    model of searches. The audit log is told which fields it sets (`does`)."""
    does = tuple((Effect.ARRANGES, name) for name in fields)
    return Update(
        keys.TENANTS, keys.tenant_item(tenant), (exists("tenant-exists"),), set=fields, does=does
    )


def _make_group_actions(tenant: str, change: Change) -> list[Action]:
    """Return the writes that make a change's new group, and count each group's faces and
    face sets.

    The writes are refused if the new group's id is taken,
    or if a group is gone (condition GROUP_EXISTS:id) or has no room left (GROUP_ROOM:id).
    """
    actions: list[Action] = []
    if change.new_group:
        if_id_free = absent(f"{GROUP_EXISTS}:{change.new_group['id']}")
        actions.append(Put(keys.DIRECTORY, change.new_group, (if_id_free,)))
    for group_id in dict.fromkeys((*change.counts, *change.face_sets)):
        gained_faces = change.counts.get(group_id, 0)
        added_counts = {"count": gained_faces}
        if gained_sets := change.face_sets.get(group_id, 0):
            added_counts["face_sets"] = gained_sets
        has_capacity = group_id in change.limited_groups
        if has_capacity:
            added_counts["free"] = -gained_faces
        conditions = (
            exists(f"{GROUP_EXISTS}:{group_id}"),
            _make_room_condition(group_id, gained_faces, has_capacity=has_capacity),
        )
        group_key = (tenant, keys.group_item(group_id))
        actions.append(Update(keys.DIRECTORY, group_key, conditions, add=added_counts))
    return actions


def _make_room_condition(group_id: str, gained_faces: int, *, has_capacity: bool) -> Condition:
    """Return the condition that a group has room for the faces it gains, named GROUP_ROOM:id.

    A group with a capacity stores how many faces it may still get, in the field `free`. Another
    group has no such field (None). `has_capacity` is what the caller read. If somebody gave the
    group a capacity since, or took it away, the condition fails, too, and the caller tries again.
    """
    name = f"{GROUP_ROOM}:{group_id}"
    if not has_capacity:
        return equals("free", None, name)
    return at_least("free", max(gained_faces, 0), name)  # faces that leave need none
