"""The data that a lost or stolen box or phone held at most.

It relies on the last reports that the service received, and names what it cannot know. It never
contacts the lost device.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import TYPE_CHECKING

from chalicelib.auth.roles import Member, Role
from chalicelib.book.cameras import NUMBERS_EVERY_MS
from chalicelib.domain.captures import Camera
from chalicelib.domain.model import Tenant
from chalicelib.services import Services
from chalicelib.storage.values import time_text

if TYPE_CHECKING:
    from chalicelib.auth.made import Made

_MAY = {
    Role.VIEWER: "reads the book: names, visits, statistics",
    Role.OPERATOR: "reads the book, enrols, edits, searches, deletes, erases",
    Role.ADMIN: "all: also cameras, keys, members, settings, exports",
}


_MOST_TOLD = 10**9
"""No box has so many pictures, or one that has waited for so many seconds."""


def list_box(services: Services, tenant: Tenant, named: str) -> Iterator[str]:
    """Yield what lay at most on the box of a camera, by the last heartbeats of all its cameras.

    Raises CameraNotFound.
    """
    camera = services.cameras.get_by_any_name(tenant, named)
    box = camera.status.get("box")
    of_box = [
        each
        for each in services.cameras.list_all(tenant)
        if each.id == camera.id or (box and each.status.get("box") == box)
    ]
    name = camera.status.get("box_name", "that no heartbeat has named")
    yield f"{tenant.name}: what lay at most on the box {name}, in UTC"
    for each in of_box:
        yield f"pictures {each.id}: {_describe_waiting(each)}"
    ids = ", ".join(each.id for each in of_box)
    yield f"secret   keys of {ids}: each sends this camera's pictures and counts, and reads nobody"
    yield f"secret   address, user and password of {ids} (edge.toml), and the network's password"
    yield "unknown  what it took since it was heard last, if it had power: up to `max_mib`"
    yield "unknown  whether its disk was encrypted: `regulars-edge check` says so on a box"
    yield "unknown  whether the tenant's key lay there (`tenant_key`): that reads and changes all"
    for each in of_box:
        yield f"renew    POST /v1/cameras/{each.id}/key, and the camera's own password"


def _describe_waiting(camera: Camera) -> str:
    """Describe the pictures that waited beside a camera, by its last heartbeat."""
    heard = max(filter(None, (camera.heartbeat_at, camera.failing_at)), default=None)
    spooled = _find_number(camera, "spooled")
    if heard is None or spooled is None:
        since = f"since {time_text(heard)[:16]}" if heard else "since its first day"
        return f"not known {since}: no heartbeat has told how many waited"
    refused = _find_number(camera, "refused")
    said = "an unknown number" if refused is None else refused
    age_s = _find_number(camera, "oldest_unsent_s")
    oldest = f", the oldest of {time_text(heard - timedelta(seconds=age_s))[:16]}" if age_s else ""
    late = NUMBERS_EVERY_MS // 60_000
    return (
        f"{spooled} waited{oldest}; {said} were refused and set aside, of any time in "
        f"`kept_days`. Known of {time_text(heard)[:16]}, or up to {late} minutes earlier"
    )


def _find_number(camera: Camera, name: str) -> int | None:
    """Return a number that the camera's last heartbeat told; None: none that can be, as of a
    strange box."""
    told = camera.status.get(name)
    return int(told) if isinstance(told, int | float) and 0 <= told < _MOST_TOLD else None


def list_browser(tenant: Tenant, member: Member, found: Iterable[Made]) -> Iterator[str]:
    """Yield the browsers with a session, the rights of each, and the messages that are pushed
    there.

    `found`: what the member made that stands, with the sessions.
    """
    made = list(found)
    may = f"{member.role} {_MAY[member.role]}"
    sessions = [each for each in made if each.kind == "session"]
    if not sessions:
        yield f"browser  none is signed in as {member.name} now: {may}"
    for each in sessions:
        begun = f"{each.maker.at:%Y-%m-%dT%H:%M}" if each.maker.at else "a time unknown"
        yield f"browser  {each.access}, signed in since {begun}: {may}"
    for each in made:
        if each.kind == "hook" and each.ends == "always":
            yield f"pushes   {each.access} ({each.name}): messages about people on its screen"
    yield "unknown  which session read what follows: those that have ended are among it"
    yield f"renew    `regulars call end-made --tenant {tenant.name}` ends each, and a passkey on it"
