"""Entries of sightings: who it was, by which model, score, limit and seq of the gallery.

What most of them say stands in the capture, where closing finds it (chain). The others get an item.
"""

from __future__ import annotations

import secrets
from datetime import timedelta

from chalicelib.domain import audit_events
from chalicelib.domain.audit_events import decision_said
from chalicelib.domain.captures import Capture, Sighting, captured_ms, sighting_id
from chalicelib.privacy.audit_entries import Entry, entry_put, new_entry, request_id
from chalicelib.storage.ports import Action, Clock
from chalicelib.storage.values import milliseconds, omit_none, time_text

CLOSED_WITH = timedelta(minutes=30)
"""A sighting that is resolved within this time of its capture has no item: closing finds it by the
capture's id."""


def has_item(capture_id: str, sighting: Sighting) -> bool:
    """Return whether a sighting's entry is an item of its own, since closing would not find it by
    its capture."""
    if sighting.resolved_at is None:
        return False
    apart_ms = abs(milliseconds(sighting.resolved_at) - captured_ms(capture_id))
    return sighting.correction > 0 or apart_ms > CLOSED_WITH // timedelta(milliseconds=1)


def sighting_entry(capture: Capture, sighting: Sighting) -> Entry:
    """Make the entry of a sighting: its match, model, score, threshold and seq of the gallery."""
    assert sighting.resolved_at is not None  # noqa: S101 -- callers ask has_item or resolve it first
    id_ = sighting_id(capture.id, sighting.number)
    fields = {
        "id": f"{milliseconds(sighting.resolved_at):013d}-{id_}",
        "at": time_text(sighting.resolved_at),
        "what": "sighting",
        "by": f"camera {capture.camera_id}",
        "sighting": id_,
        "again": sighting.correction or None,
        "resolution": sighting.resolution.value,
        "faces": None if sighting.faceid is None else [sighting.faceid],
        "model": sighting.model or None,
        "reason": sighting.reason or None,
    }
    return {**omit_none(fields), **decision_said(sighting.decision)}


def sighting_put(tenant: str, capture: Capture, sighting: Sighting) -> list[Action]:
    """Return the action that stores a sighting's entry, if closing would not find it by its
    capture."""
    if not has_item(capture.id, sighting):
        return []
    entry = sighting_entry(capture, sighting)
    return [entry_put(tenant, {**entry, "id": f"{entry['id'][:13]}-{secrets.token_hex(6)}"})]


def rejected_put(tenant: str, clock: Clock, capture: Capture, sighting: Sighting) -> list[Action]:
    """Return the action that keeps a rejected sighting's decision, which its capture will not hold
    any more."""
    if sighting.resolved_at is None:
        return []
    before, act = sighting_entry(capture, sighting), audit_events.current()
    decision_fields = {
        name: value for name, value in before.items() if name not in ("id", "at", "what", "by")
    }
    by = "regulars" if act is None else act.by
    fields = {"request": request_id(), "was": before["at"], **decision_fields}
    return [entry_put(tenant, new_entry(clock, "sighting rejected", by, **fields))]
