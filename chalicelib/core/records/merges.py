"""Merges of two faces, and those that may be one person, to items and back."""

from __future__ import annotations

from chalicelib.core import keys
from chalicelib.core.merges import Duplicate, Merge, MergeBackup
from chalicelib.core.model import Negative
from chalicelib.core.ports import Action, Condition, Delete, Item, Put
from chalicelib.core.records.faces import CONSENT, DECISION, face_from, face_item
from chalicelib.core.records.observations import visits_from, visits_item
from chalicelib.core.values import Codec, Form, many, optional

_NEGATIVE = Codec(Negative, {"sighting_id": "sighting"})
_KEPT = Codec(
    MergeBackup,
    {"survivor_group_id": "survivor_group"},
    apart="face visits survivor_visits",
    rare="name note",
    negatives=many(_NEGATIVE),
    consent=CONSENT,
)
_MERGE = Codec(Merge, apart="kept", rare="joined", renaming=many(Form(int, int)))
_DUPLICATE = Codec(Duplicate, apart="first second", rare="are_two", decision=DECISION)


def merge_item(tenant: str, merge: Merge) -> Item:
    kept = {} if merge.kept is None else {"kept": kept_item(tenant, merge.survivor, merge.kept)}
    return {"tenant": tenant, **_MERGE.write(merge), **kept}


def merge_puts(tenant: str, merge: Merge, when: Condition) -> tuple[Action, ...]:
    """Return the actions that write a merge, and the word at its other face of where that is now."""
    place = (tenant, keys.merged_item(merge.other))
    into = {"tenant": tenant, "item": place[1], "into": merge.survivor}
    moved: Action = Put(keys.DIRECTORY, into) if merge.is_active else Delete(keys.DIRECTORY, place)
    return Put(keys.MERGES, merge_item(tenant, merge), (when,)), moved


def merge_deletes(tenant: str, merge: Merge, *when: Condition) -> tuple[Action, ...]:
    """Return the actions that delete a merge. The last one is the merge's, so that what was cut off can be repeated."""
    moved = (Delete(keys.DIRECTORY, (tenant, keys.merged_item(merge.other))),) if merge.is_active else ()
    return *moved, Delete(keys.MERGES, (tenant, merge.id), when)


def merge_from(item: Item) -> Merge:
    return _MERGE.read(item, kept=optional(_kept_from, item.get("kept")))


def kept_item(tenant: str, survivor: str, kept: MergeBackup) -> Item:
    return {
        "face": face_item(tenant, kept.face),
        "visits": visits_item(tenant, kept.face.faceid, kept.visits),
        "survivor_visits": visits_item(tenant, survivor, kept.survivor_visits),
        **_KEPT.write(kept),
    }


def _kept_from(item: Item) -> MergeBackup:
    visits, of_survivor = visits_from(item["visits"]), visits_from(item["survivor_visits"])
    return _KEPT.read(item, face=face_from(item["face"]), visits=visits, survivor_visits=of_survivor)


def duplicate_item(tenant: str, duplicate: Duplicate) -> Item:
    id_ = keys.duplicate(duplicate.first, duplicate.second)
    return {"tenant": tenant, "id": id_, **_DUPLICATE.write(duplicate)}


def duplicate_from(item: Item) -> Duplicate:
    first, second = keys.parts_of_duplicate(item["id"])
    return _DUPLICATE.read(item, first=first, second=second)
