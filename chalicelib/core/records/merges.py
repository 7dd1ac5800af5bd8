"""Merges of two faces to items and back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from chalicelib.core.merges import Merge, MergeBackup, MergeState
from chalicelib.core.model import Negative
from chalicelib.core.ports import Item
from chalicelib.core.records.faces import face_from, face_item, template_items, templates_from
from chalicelib.core.records.values import milliseconds, moment
from chalicelib.core.records.visits import visits_from, visits_item


def merge_item(tenant: str, merge: Merge) -> Item:
    item: dict[str, Any] = {
        "tenant": tenant,
        "id": merge.id,
        "survivor": merge.survivor,
        "other": merge.other,
        "at": milliseconds(merge.at),
        "state": merge.state,
    }
    if merge.renaming is not None:
        item["renaming"] = list(merge.renaming)
    if merge.kept is not None:
        item["kept"] = _kept_item(tenant, merge)
    return item


def merge_from(item: Item) -> Merge:
    renaming = item.get("renaming")
    return Merge(
        id=item["id"],
        survivor=item["survivor"],
        other=item["other"],
        at=moment(item["at"]),
        state=MergeState(item["state"]),
        renaming=None if renaming is None else (int(renaming[0]), int(renaming[1])),
        kept=_kept_from(item["kept"]) if "kept" in item else None,
    )


def _kept_item(tenant: str, merge: Merge) -> Item:
    kept = merge.kept
    assert kept is not None  # noqa: S101 - the caller looked
    return {
        "face": face_item(tenant, kept.face),
        "visits": visits_item(tenant, kept.face.faceid, kept.visits),
        "negatives": _negative_items(kept.negatives),
        "survivor_group": kept.survivor_group_id,
        "survivor_visits": visits_item(tenant, merge.survivor, kept.survivor_visits),
        "pictures": list(kept.pictures),
        "given": list(kept.given),
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
        given=tuple(item["given"]),
    )


def _negative_items(negatives: Iterable[Negative]) -> list[Item]:
    return [
        {
            "sighting": one.sighting_id,
            "templates": template_items(one.templates),
            "camera": one.camera,
        }
        for one in negatives
    ]
