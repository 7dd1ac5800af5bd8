"""The demo's book for the console: people with names, who come before a camera."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from chalicelib.core.access import FIRST
from chalicelib.settings import Settings
from regulars.clients.v1 import V1, Picture
from regulars.demo import pictures
from regulars.demo.album import Plan, Probe
from regulars.demo.story import faceids
from regulars.errors import OperatorError
from regulars.serve.service import Service
from regulars.tenants.keys import link
from regulars.tenants.tenants import opened

TENANT = "camera"
DOOR = "door"
SETTLED_S = 300.0
_EVERY = timedelta(minutes=1)
_BEFORE_STRANGERS = 3
"""Pictures of the known that are newer than those of strangers, so that one sees both without scrolling."""
_BETWEEN, _MOST_BEFORE = timedelta(days=2), 3
"""Time between the visits of a person, and how many of them were before today: all of them are of this week."""


def fill(v1: V1, plan: Plan, now: datetime) -> None:
    """Name the enrolled, and let them and the strangers come before a camera, on the pictures that are not enrolled."""
    gone = plan.removed.person if plan.removed else None
    ids = faceids(probe.person or "" for probe in plan.enrolments)
    name(v1, {faceid: person for person, faceid in ids.items() if person != gone})
    v1.add_camera(DOOR, name="Front door")
    newest = [*plan.known[:_BEFORE_STRANGERS], *plan.strangers, *plan.known[_BEFORE_STRANGERS:]]
    came = _visits([probe for probe in newest if probe.person != gone], now)
    v1.upload(came)
    wait_until_resolved(v1, [DOOR], len(came))


def name(v1: V1, people: Mapping[str, str]) -> None:
    """Give each face the name of its person. A label without capitals, `ann_lee`, is written as names are."""
    for faceid, person in people.items():
        shown = person.replace("_", " ").title() if person.islower() else person
        v1.call("PATCH", f"/v1/faces/{faceid}", {"name": shown[:100]})


def wait_until_resolved(v1: V1, cameras: Iterable[str], count: int) -> None:
    """Wait for the captures of these cameras. Raises OperatorError if one is parked, or they take too long."""
    deadline = time.monotonic() + SETTLED_S
    while time.monotonic() < deadline:
        listed = [one for camera in cameras for one in v1.captures(camera)["captures"]]
        if sum(one["state"] == "resolved" for one in listed) == count:
            return
        if parked := [one for one in listed if one["state"] == "parked"]:
            raise OperatorError(f"{len(parked)} captures were parked: {parked[0]}")
        time.sleep(0.2)
    raise OperatorError(f"the captures were not resolved within {SETTLED_S:.0f} s")


def invitation(running: Service) -> str:
    """Make a link that signs in, and say how to get another."""
    services = opened(Settings(storage=running.data))
    try:
        made = link(services, services.tenants.named(TENANT), FIRST, running.url)
    finally:
        services.close()
    another = f"regulars console --tenant {TENANT} --data {running.data}"
    return (
        f"see who came, in the console (the link signs in once, within ten minutes):\n  {made}\nanother link: {another}"
    )


def _visits(probes: Iterable[Probe], now: datetime) -> list[Picture]:
    """Make a capture of each picture. Each person's first one is of today, the others are of the days before."""
    people: dict[str | None, list[Probe]] = defaultdict(list)
    for probe in probes:
        people[probe.person].append(probe)
    return [
        Picture(DOOR, now - (place + 1) * _EVERY - before * _BETWEEN, pictures.wide(probe.photo.read()))
        for place, visits in enumerate(people.values())
        for before, probe in enumerate(visits[: _MOST_BEFORE + 1])
    ]
