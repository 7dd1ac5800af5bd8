"""The journal's tail: changes of the gallery since a seq. book/search/compact.py trims the
journal."""

from __future__ import annotations

from datetime import timedelta

from chalicelib.domain.model import JournalEntry
from chalicelib.storage import keys
from chalicelib.storage.items import walk_items
from chalicelib.storage.ports import ItemStore
from chalicelib.storage.records.faces import journal_entries

GRACE = timedelta(minutes=45)
"""Time that the snapshot before the newest, and the journal that the newest covers, are kept, in
case it is damaged.

It is shorter than the hour between two sweeps, so that a snapshot of one sweep is old enough at the
next. A template is gone three hours after its deletion at the latest, even if one sweep fails.
"""


def read_changes(
    items: ItemStore, tenant: str, known_seq: int, wanted_seq: int
) -> list[JournalEntry] | None:
    """Read the changes behind `known_seq`, up to `wanted_seq`, in order.

    None: one of them is gone, since a newer snapshot covers it.
    """
    entries: list[JournalEntry] = []
    expected = known_seq + 1
    for item in walk_items(
        items, keys.JOURNAL, tenant, between=(keys.seq_key(expected), keys.seq_key(wanted_seq))
    ):
        if int(item["seq"]) != expected:
            return None
        entries += journal_entries(item)
        expected += 1
    return entries if expected > wanted_seq else None
