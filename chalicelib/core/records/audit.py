"""Entries of the audit as they wait to be closed: an item each."""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import Any

from chalicelib.core import keys, telemetry
from chalicelib.core.audit import Entry, leaf_of
from chalicelib.core.ports import Clock, Item, Put, absent
from chalicelib.core.values import milliseconds, moment, time_text


def entry_put(tenant: str, entry: Entry) -> Put:
    """Return the action that stores an entry until its hour is closed. `entry`: with its `id` and `at`."""
    return Put(keys.AUDIT, entry_item(tenant, entry), (absent("entry-new"),))


def entry_item(tenant: str, entry: Entry) -> Item:
    leaf, at = leaf_of(entry), milliseconds(datetime.fromisoformat(entry["at"]))
    return {"tenant": tenant, "id": entry["id"], "at": at, "salt": leaf.salt, "entry": leaf.entry}


def new_entry(clock: Clock, what: str, by: str, **more: Any) -> Entry:
    """Make an entry of now. Values that are None, "" or empty are left out."""
    ms = milliseconds(clock.now())
    said = {name: value for name, value in more.items() if value not in (None, "", [], {})}
    return {"id": f"{ms:013d}-{secrets.token_hex(6)}", "at": time_text(moment(ms)), "what": what, "by": by, **said}


def request_id() -> str:
    """Return the id that the log has of the request under way; "" if none is."""
    this = telemetry.current()
    return "" if this is None else this.request_id
