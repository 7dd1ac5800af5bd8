"""Duplicates to items and back."""

from __future__ import annotations

from chalicelib.core import keys
from chalicelib.core.duplicates import Duplicate
from chalicelib.core.ports import Item
from chalicelib.core.records.faces import decision_fields, decision_from
from chalicelib.core.values import known, milliseconds, moment


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
