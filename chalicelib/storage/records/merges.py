"""Merges of two faces, the data that undoing them needs, and pairs that are, or may be, one
person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from chalicelib.domain.consent import Consent
from chalicelib.domain.done import ActKind, compare
from chalicelib.domain.model import BLANK, NO_LABELS, Decision, Face, Labels, Negative
from chalicelib.domain.person_texts import TEXTS, PersonTexts
from chalicelib.domain.pictures import Gender
from chalicelib.domain.rules.decision import is_one_person
from chalicelib.domain.rules.visits import FaceVisits, Visits
from chalicelib.storage import keys
from chalicelib.storage.ports import Action, Condition, Delete, Item, Put, Update, absent, equals
from chalicelib.storage.records.faces import CONSENT, DECISION, SHOWN, face_from, face_item
from chalicelib.storage.records.observations import visits_from, visits_item
from chalicelib.storage.values import Codec, many, parse_optional, time_ordered_id

IN_FLIGHT = timedelta(hours=1)
"""A search that found a face before its merge writes its observation within this time."""


MAX_MERGES = 20
"""The most merges that a face may come from and that can be undone, including those of the faces
merged into it."""

UNDONE_WITHIN = timedelta(days=30)
"""How long a merge can be undone. Then the sweep deletes the merge, and with it the other face's
pictures."""


class MergeState(StrEnum):
    MOVING = "moving"
    """The two are one face; observations of the other one still move to it."""
    DONE = "done"
    UNDOING = "undoing"
    """The two are separate again; observations still move back."""
    UNDONE = "undone"


class MergeBackup(PersonTexts, frozen=True):
    """The data that undoing a merge needs: the whole other face, and the survivor's state before
    the merge."""

    face: Face
    visits: Visits
    negatives: tuple[Negative, ...]
    survivor_group_id: str
    survivor_visits: Visits
    pictures: tuple[str, ...]
    """Ids of the survivor's pictures that came from the other face."""
    learnt: tuple[str, ...] = ()
    """Ids of the sightings that the survivor had learnt from before the merge. Not of the pictures:
    the other may have learnt the same photo from another sighting."""
    spare: tuple[str, ...] = ()
    """Ids of those of the survivor's pictures that were spare before the merge."""
    given: tuple[str, ...] = ()
    """Sighting ids of the survivor's negatives that came from the other face."""
    name: str = ""
    """The survivor's name if it came from the other face; else ""."""
    consent: Consent | None = None
    """The survivor's record of consent if it came from the other face; else None."""
    age: int | None = None
    """Likewise what follows; of labels and attributes those that came from the other face."""
    gender: Gender | None = None
    external_id: str = ""
    labels: Labels = NO_LABELS
    attributes: Mapping[int, str] = field(default_factory=dict)
    survivor_withdrawn_at: datetime | None = None
    """When the survivor's record was withdrawn last, before the merge."""


TAKEN = tuple(name for name in MergeBackup.__struct_fields__ if name in BLANK)
"""Fields of a face that the survivor takes over if its own says nothing, and loses by an undo if it
is as it was. These are all that somebody wrote."""


def find_taken_values(survivor: Face, other: Face) -> dict[str, Any]:
    """Return what the survivor of a merge takes over: what people wrote of the other alone.

    That is each field which is blank at the survivor. Labels and attributes count one by one. An
    attribute is defined by a group, so those of another group are not taken over.
    """
    values = {
        name: getattr(other, name) if getattr(survivor, name) == BLANK[name] else BLANK[name]
        for name in TAKEN
    }
    labels = Labels(
        *("" if own else theirs for own, theirs in zip(survivor.labels, other.labels, strict=True))
    )
    is_of_same_group = survivor.own_group_id == other.own_group_id
    attributes = {
        id_: value
        for id_, value in other.attributes.items()
        if is_of_same_group and not survivor.attributes.get(id_)
    }
    return {**values, "labels": labels, "attributes": attributes}


def add_taken_values(face: Face, taken: Mapping[str, Any]) -> Face:
    """Return the survivor with what `find_taken_values` found."""
    values = {name: value for name, value in taken.items() if value != BLANK[name]}
    labels = Labels(*map("".join, zip(face.labels, taken["labels"], strict=True)))
    attributes = {**face.attributes, **taken["attributes"]}
    return replace(face, **{**values, "labels": labels, "attributes": attributes})


def remove_taken_values(face: Face, backup: MergeBackup) -> Face:
    """Return the survivor without what it took over from the other face by a merge.

    `backup` has that, from before. What somebody has changed since then stays.
    """
    values = {name: BLANK[name] for name in TAKEN if getattr(face, name) == getattr(backup, name)}
    labels = Labels(
        *("" if own == came else own for own, came in zip(face.labels, backup.labels, strict=True))
    )
    attributes = {
        id_: value for id_, value in face.attributes.items() if backup.attributes.get(id_) != value
    }
    return replace(face, **{**values, "labels": labels, "attributes": attributes})


PHOTOS = ("pictures", "spare")
"""Fields of a MergeBackup that name pictures by their ids."""


class Merge(Struct, frozen=True):
    """A merge of two faces: `survivor` absorbed `other`.

    `backup`: the data for its undo; None once it is undone.
    """

    id: str
    survivor: str
    other: str
    at: datetime
    state: MergeState
    renaming: tuple[int, int] | None = None
    """Bounds, in ms, of the times of the survivor's sightings whose group changes; the second is
    not included. None: no group changes, or all are changed."""
    backup: MergeBackup | None = None
    joined: bool = False
    """The service joined the two by itself; else a person merged them."""
    is_return: bool = False
    """It was no merge: a correction had made `other` of the survivor's visit, and an undo gave that
    back."""

    @property
    def is_active(self) -> bool:
        return self.state in (MergeState.MOVING, MergeState.DONE)

    @property
    def is_same_person(self) -> bool:
        """Tell whether all that the other face left is of the survivor."""
        return self.is_active or self.is_return

    @property
    def picture_keys(self) -> tuple[str, ...]:
        """Keys of the other face's pictures, which must stay while the face can come back; else
        none."""
        return self.backup.face.picture_keys if self.is_active and self.backup is not None else ()


class Duplicate(Struct, frozen=True):
    """Two faces. `first` is the lower id, which is the older of two strangers."""

    first: str
    second: str
    at: datetime
    """When they were last compared, or said to be two."""
    decision: Decision | None = None
    """On their score; None: a person said that they are two, before anybody was asked."""
    are_two: bool = False
    """A person said so: they are neither joined nor suggested as long as both exist."""

    @classmethod
    def make_ordered(
        cls, one: str, other: str, at: datetime, decision: Decision | None = None
    ) -> Duplicate:
        """Make the duplicate of two faces, in whatever order they come."""
        return cls(min(one, other), max(one, other), at, decision)


def are_surely_one(decision: Decision, two_faces: Sequence[FaceVisits], *, has_lead: bool) -> bool:
    """Return whether two faces are so surely one person that the service joins them by itself.

    `decision` is on their score, `has_lead` as in `is_one_person` (domain/rules/decision), which
    asks for more pictures if in doubt. If both were seen in the same visit (`decision.by`), that is
    sure enough.
    """
    if decision.by is not None:
        return True
    fewer, more = sorted(len(face_visits.face.pictures) for face_visits in two_faces)
    is_chosen = any(not face_visits.is_grouped_by_visits for face_visits in two_faces)
    return is_one_person(decision, fewer, more, is_enrolled=is_chosen, has_lead=has_lead)


def put_survivor_first(one: FaceVisits, other: FaceVisits) -> tuple[FaceVisits, FaceVisits] | None:
    """Return two faces as (survivor, other), or None if a person has to decide which survives.

    The face that a person put into its group survives; else the one with a name, else the older
    one. For example, a stranger named Ann survives an older one without a name. A person decides if
    both were put into groups, if their names differ, or if the other is under legal hold.
    """
    if not (one.is_grouped_by_visits or other.is_grouped_by_visits):
        return None
    if one.face.name and other.face.name and one.face.name != other.face.name:
        return None
    first, second = sorted(
        (one, other),
        key=lambda face_visits: (  # False comes before True
            face_visits.is_grouped_by_visits,
            not face_visits.face.name,
            face_visits.face.enrolled_at,
            face_visits.face.faceid,
        ),
    )
    return None if second.face.hold else (first, second)


_NEGATIVE = Codec(Negative, {"sighting_id": "sighting"})
_BACKUP = Codec(
    MergeBackup,
    {"survivor_group_id": "survivor_group"},
    apart="face visits survivor_visits",
    rare=" ".join(("name spare age gender external_id labels attributes", *TEXTS)),
    negatives=many(_NEGATIVE),
    consent=CONSENT,
    **SHOWN,
)
_MERGE = Codec(Merge, apart="backup", rare="joined is_return")
_DUPLICATE = Codec(Duplicate, apart="first second", rare="are_two", decision=DECISION)


def merge_item(tenant: str, merge: Merge) -> Item:
    backup = (
        {} if merge.backup is None else {"kept": _backup_item(tenant, merge.survivor, merge.backup)}
    )
    return {"tenant": tenant, **_MERGE.write(merge), **backup}


def merge_puts(tenant: str, merge: Merge, when: Condition) -> tuple[Action, ...]:
    """Return the actions that write a merge, and a note that leads from its other face on.

    The note names the survivor. It is written while the merge holds, and deleted once it is undone.
    The transaction fails if `when` does not hold for the merge's item.
    """
    was = compare(
        ActKind.MERGE,
        merge.id,
        {"merged": not merge.is_active},
        {"merged": merge.is_active},
        (merge.other, merge.survivor),
    )
    item_key = (tenant, keys.merged_item(merge.other))
    into = {"tenant": tenant, "item": item_key[1], "into": merge.survivor}
    move_action: Action = (
        Put(keys.DIRECTORY, into) if merge.is_active else Delete(keys.DIRECTORY, item_key)
    )
    return Put(keys.MERGES, merge_item(tenant, merge), (when,), was=was), move_action


def return_put(tenant: str, survivor: str, other: str, at: datetime) -> Put:
    """Return the action that notes that a face is gone whose visit was given back to the survivor.

    The note has the form of a merge that was undone. By it, an erasure of the survivor finds what
    the other face left.
    """
    id_ = keys.merge(survivor, time_ordered_id(at))
    merge = Merge(
        id=id_, survivor=survivor, other=other, at=at, state=MergeState.UNDONE, is_return=True
    )
    return Put(keys.MERGES, merge_item(tenant, merge), (absent("merge-free"),))


def merge_deletes(tenant: str, merge: Merge, *when: Condition) -> tuple[Action, ...]:
    """Return the actions that delete a merge, the merge's own last.

    Before it goes the note that leads from its other face to the survivor. If they are cut off
    between two transactions, the merge is still there, so that all can be repeated.
    """
    move_deletes = (
        (Delete(keys.DIRECTORY, (tenant, keys.merged_item(merge.other))),)
        if merge.is_active
        else ()
    )
    return *move_deletes, Delete(keys.MERGES, (tenant, merge.id), when)


def make_backup_update(tenant: str, merge: Merge, backup: MergeBackup) -> Update:
    """Return the update that writes a merge's backup, by which it can be undone.

    Its transaction fails if the merge's state has changed since it was read.
    """
    if_same = (equals("state", merge.state, "merge-state"),)
    return Update(
        keys.MERGES,
        (tenant, merge.id),
        if_same,
        set={"kept": _backup_item(tenant, merge.survivor, backup)},
    )


def merge_from(item: Item) -> Merge:
    return _MERGE.read(item, backup=parse_optional(_backup_from, item.get("kept")))


def _backup_item(tenant: str, survivor: str, backup: MergeBackup) -> Item:
    return {
        "face": face_item(tenant, backup.face),
        "visits": visits_item(tenant, backup.face.faceid, backup.visits),
        "survivor_visits": visits_item(tenant, survivor, backup.survivor_visits),
        **_BACKUP.write(backup),
    }


def _backup_from(item: Item) -> MergeBackup:
    visits, of_survivor = visits_from(item["visits"]), visits_from(item["survivor_visits"])
    return _BACKUP.read(
        item, face=face_from(item["face"]), visits=visits, survivor_visits=of_survivor
    )


def duplicate_item(tenant: str, duplicate: Duplicate) -> Item:
    id_ = keys.duplicate(duplicate.first, duplicate.second)
    return {"tenant": tenant, "id": id_, **_DUPLICATE.write(duplicate)}


def duplicate_from(item: Item) -> Duplicate:
    first, second = keys.parts_of_duplicate(item["id"])
    return _DUPLICATE.read(item, first=first, second=second)


def two_people_put(tenant: str, duplicate: Duplicate) -> Put:
    """Return the action that notes that two faces are two people."""
    return Put(keys.DUPLICATES, duplicate_item(tenant, replace(duplicate, are_two=True)))
