"""Merges of two faces, and those that may be one person, to items and back."""

from __future__ import annotations

from collections.abc import Sequence

from chalicelib.core import keys
from chalicelib.core.merges import Duplicate, Merge, MergeBackup, MergeState
from chalicelib.core.model import Negative
from chalicelib.core.ports import Action, Condition, Delete, Item, Put
from chalicelib.core.records.faces import (
    consent_from,
    consent_item,
    decision_fields,
    decision_from,
    face_from,
    face_item,
    template_items,
    templates_from,
)
from chalicelib.core.records.observations import visits_from, visits_item
from chalicelib.core.values import known, milliseconds, moment, optional


def merge_item(tenant: str, merge: Merge) -> Item:
    fields = {
        "tenant": tenant,
        "id": merge.id,
        "survivor": merge.survivor,
        "other": merge.other,
        "at": milliseconds(merge.at),
        "state": merge.state,
        "renaming": optional(list, merge.renaming),
        "kept": None if merge.kept is None else kept_item(tenant, merge.survivor, merge.kept),
        "joined": merge.joined or None,
    }
    return known(fields)


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
    return Merge(
        id=item["id"],
        survivor=item["survivor"],
        other=item["other"],
        at=moment(item["at"]),
        state=MergeState(item["state"]),
        renaming=optional(_renaming, item.get("renaming")),
        kept=optional(_kept_from, item.get("kept")),
        joined=bool(item.get("joined")),
    )


def _renaming(item: Sequence[int]) -> tuple[int, int]:
    first_ms, end_ms = map(int, item)
    return first_ms, end_ms


def kept_item(tenant: str, survivor: str, kept: MergeBackup) -> Item:
    return {
        "face": face_item(tenant, kept.face),
        "visits": visits_item(tenant, kept.face.faceid, kept.visits),
        "negatives": [
            {"sighting": one.sighting_id, "templates": template_items(one.templates), "camera": one.camera}
            for one in kept.negatives
        ],
        "survivor_group": kept.survivor_group_id,
        "survivor_visits": visits_item(tenant, survivor, kept.survivor_visits),
        "pictures": list(kept.pictures),
        "learnt": list(kept.learnt),
        "given": list(kept.given),
        **known({"name": kept.name or None, "note": kept.note or None}),
        **known({"consent": optional(consent_item, kept.consent)}),
    }


def _kept_from(item: Item) -> MergeBackup:
    return MergeBackup(
        face=face_from(item["face"]),
        visits=visits_from(item["visits"]),
        negatives=tuple(
            Negative(one["sighting"], templates_from(one["templates"]), one["camera"]) for one in item["negatives"]
        ),
        survivor_group_id=item["survivor_group"],
        survivor_visits=visits_from(item["survivor_visits"]),
        pictures=tuple(item["pictures"]),
        learnt=tuple(item.get("learnt", ())),
        given=tuple(item["given"]),
        name=item.get("name", ""),
        note=item.get("note", ""),
        consent=optional(consent_from, item.get("consent")),
    )


def duplicate_item(tenant: str, duplicate: Duplicate) -> Item:
    return {
        "tenant": tenant,
        "id": keys.duplicate(duplicate.first, duplicate.second),
        "at": milliseconds(duplicate.at),
        **decision_fields(duplicate.decision),
        **known({"are_two": duplicate.are_two or None}),
    }


def duplicate_from(item: Item) -> Duplicate:
    first, second = keys.parts_of_duplicate(item["id"])
    return Duplicate(first, second, moment(item["at"]), decision_from(item), bool(item.get("are_two")))
