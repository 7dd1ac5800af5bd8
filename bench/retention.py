"""Measure of a night's retention of one tenant: what it reads and writes on AWS.

    python -m bench.retention             30,000 faces, 1,000,000 observations of 400 days and of three more

Faces and observations are stored as they are, without pictures; the tenant has ten cameras. Printed are the units of a
night in which nothing is due, and of one in which a day's observations and strangers are.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bench.metering import Meter, metered
from bench.stand_ins import Eyes, SteppedClock
from chalicelib import bootstrap
from chalicelib.core import keys
from chalicelib.core.captures import capture_id, sighting_id
from chalicelib.core.items import write_in_parts
from chalicelib.core.local_time import DAY_MS
from chalicelib.core.model import NO_LABELS, STRANGER, Decision, Face, Picture, Profile, Template
from chalicelib.core.observations import Observation, ObservationKind
from chalicelib.core.pictures import Box
from chalicelib.core.ports import Action, ItemStore, Put, Update, exists
from chalicelib.core.records.faces import face_item
from chalicelib.core.records.observations import observation_item
from chalicelib.core.values import milliseconds
from chalicelib.services.statistics.calendar import Calendar
from chalicelib.services.tenants import TenantSettings
from chalicelib.settings import Settings
from chalicelib.storage import opened

DAYS = 400
CAMERAS = 10
OPEN_HOURS = 10
TENANT = "shop"
NOW = datetime(2026, 11, 21, 3, tzinfo=UTC)


def main() -> None:
    parser = argparse.ArgumentParser("bench.retention", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--faces", type=int, default=30_000)
    parser.add_argument("--observations", type=int, default=1_000_000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for what, meter in measured(Path(folder), arguments.faces, arguments.observations):
            print(f"{what}: {sum(meter.reads.values())} read units, {sum(meter.writes.values())} write units")
            print(f"  read {dict(meter.reads.most_common(6))}")
            print(f"  calls {dict(meter.calls)}")


def measured(folder: Path, faces: int, observations: int) -> Iterable[tuple[str, Meter]]:
    clock = SteppedClock(NOW)
    storage = replace(opened(Settings(storage=folder), clock), expires_items=True)
    on_meter, meter = metered(storage)
    services = bootstrap.build(Settings(storage=folder), clock=clock, vision=Eyes, storage=on_meter)
    settings = TenantSettings(time_zone="UTC", faces=faces + 10, capture_days=20, sighting_days=60)
    services.tenants.add(TENANT, Profile.CLOUD, settings)
    tenant = services.tenants.named(TENANT)
    for number in range(CAMERAS):
        services.cameras.add(tenant, f"door-{number}", f"door-{number}")
    fill(storage.items, faces, observations)
    for what in ("a night on which nothing is due", "a night on which a day is due"):
        clock.at += timedelta(0) if what.endswith("nothing is due") else timedelta(days=1)
        meter.clear()
        services.erasure.retention.tenant(services.tenants.named(TENANT), lambda: 300.0)
        yield what, meter
    services.close()


def fill(items: ItemStore, faces: int, observations: int) -> None:
    """Store strangers of 90 days, and observations of 400 days; the oldest of both are due tomorrow."""
    puts: list[Action] = [Put(keys.FACES, face_item(TENANT, a_face(number, faces))) for number in range(faces)]
    write_in_parts(items, puts)
    group = (TENANT, keys.group_item(STRANGER))
    there = (exists("group"),)
    items.transact([Update(keys.DIRECTORY, group, there, add={"count": faces, "free": 0})])
    a_day = observations // DAYS
    first = milliseconds(NOW) // DAY_MS - DAYS
    Calendar(items).include(TENANT, range(first, first + DAYS))
    write_in_parts(
        items,
        (
            Put(keys.OBSERVATIONS, an_observation(first + day, number, a_day))
            for day in range(DAYS)
            for number in range(a_day)
        ),
    )


def a_face(number: int, faces: int) -> Face:
    seen_at = NOW - timedelta(days=90) + timedelta(hours=1) + timedelta(days=90) * (number / faces)
    picture = Picture(f"{number:032x}", "", seen_at, (Template("fake", bytes(256)),))
    return Face(f"{number}", STRANGER, seen_at, (picture,), arrive_count=1, last_arrival_at=seen_at)


def an_observation(day: int, number: int, a_day: int) -> dict[str, object]:
    at = datetime.fromtimestamp(day * 86_400 + 8 * 3_600 + number * OPEN_HOURS * 3_600 / a_day, UTC)
    camera = f"door-{number % CAMERAS}"
    one = Observation(
        at=at,
        id=sighting_id(capture_id(TENANT, camera, at, f"{number:064x}"), 0),
        faceid=f"{number}",
        group_name=STRANGER,
        labels=NO_LABELS,
        kind=ObservationKind.SIGHTING,
        camera=camera,
        box=Box(1.0, 2.0, 3.0, 4.0),
        decision=Decision(0.61, 0.5, 30_000, 1e-5),
        gap_s=1_800,
    )
    return dict(observation_item(TENANT, one))


if __name__ == "__main__":
    main()
