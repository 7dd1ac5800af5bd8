"""What tests report and read of people whom cameras count, over v1."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from chalicelib.privacy.retention import Kind
from chalicelib.services import Services
from chalicelib.storage import keys
from chalicelib.storage.items import walk_items
from tests.support.api.v1.client import V1Client
from tests.support.fakes import FakeClock

COUNTS = "/v1/cameras/door/counts"
PLACES = "/v1/places"
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def minute(
    ago: float, came: int | None, went: int | None = 0, faces: int | None = 0, seconds: int = 60
) -> dict[str, Any]:
    """What is reported of a minute, so many before noon."""
    at = (NOON - timedelta(minutes=ago)).isoformat()
    return {"at": at, "seconds": seconds, "in": came, "out": went, "faces": faces}


def report(v1: V1Client, *minutes: dict[str, Any], camera: str = "door") -> None:
    path = f"/v1/cameras/{camera}/counts"
    stored = v1.done("PUT", path, {"minutes": [*minutes]})
    assert stored == {"stored": len(minutes)}


def read_entries(v1: V1Client, **query: Any) -> Mapping[str, Any]:
    """The entries of each bucket that was watched, and of all of them; not in what share of it, and
    why (test_watched_in_part)."""
    query = {"by": "hour", "from": "2026-02-28T00:00:00Z", "entries": "true", **query}
    answer = v1.done("GET", "/v1/statistics", **query)
    found = {one["time"]: one["entries"] for one in answer["buckets"] if one["entries"]}
    every = {**found, "all": answer["entries"]}
    for entries in filter(None, every.values()):
        for name in ("open_s", "whole", "doubted", "sure_in", "sure_out"):
            entries.pop(name)
    return every


def said(came: int, went: int = 0, watched_s: int = 60, **more: int) -> dict[str, int]:
    parts = {"known": 0, "not_known": 0, "faceless": came, "staff": 0, **more}
    return {"in": came, "out": went, "watched_s": watched_s, **parts}


def add_place(v1: V1Client, **fields: Any) -> dict[str, Any]:
    return v1.done("POST", PLACES, {"name": "Shop", "doors": ["door"], **fields})


def read_told(v1: V1Client, mailbox: str) -> list[tuple[str, Any]]:
    deliveries = v1.done("GET", f"/v1/hooks/{mailbox}/deliveries", state="pending")["deliveries"]
    events = sorted((one["event"] for one in deliveries), key=lambda one: one["at"])
    return [(one["type"], one["data"]["inside"]) for one in events]


def sum_minutes_after(v1: V1Client, clock: FakeClock, services: Services, ahead: timedelta) -> None:
    clock.advance(ahead)
    tenant = services.tenants.get_by_name("shop")
    services.erasure.retention.sweep_tenant(
        tenant, swept_kinds=(Kind.COUNTED_MINUTES,), is_confirmed=True
    )
    assert not [*walk_items(services.items, keys.SUMMARIES, keys.counted_minutes("shop"))]
