"""The end of the journal, the list of a gallery's changes by their number (seq): those that a
loaded gallery lacks. book/search/compact.py trims the journal."""

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
    """Return a gallery's changes after number `known_seq`, up to `wanted_seq`, in order.

    None means that one of them was trimmed, since a newer snapshot (the stored gallery) covers it.
    """
    entries: list[JournalEntry] = []
    expected_seq = known_seq + 1
    between = (keys.seq_key(expected_seq), keys.seq_key(wanted_seq))
    for item in walk_items(items, keys.JOURNAL, tenant, between=between):
        if int(item["seq"]) != expected_seq:
            return None
        entries += journal_entries(item)
        expected_seq += 1
    has_all = expected_seq > wanted_seq
    return entries if has_all else None
