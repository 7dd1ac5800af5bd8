"""The demo's shop: five weeks of visits of drawn people, written into a tenant's book.

Each visit is a drawing that a camera takes at its time. The service then does with it what it does
with any picture, only that nobody has to recognise the drawn people: `DrawnVision` knows them.
"""

from __future__ import annotations

import random
import secrets
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.auth.roles import Role
from chalicelib.book.absences import LEAST_VISITS
from chalicelib.book.cameras import CameraSettings
from chalicelib.book.captures.captures import Shot
from chalicelib.book.vision.packs.packs import Pack
from chalicelib.bootstrap import build
from chalicelib.domain.captures import RULES
from chalicelib.domain.channels import Channel
from chalicelib.domain.local_time import DAY_MS
from chalicelib.domain.model import REGULAR, NewFace, PromotionSettings, Tenant
from chalicelib.domain.webhooks import EventKind, Way
from chalicelib.services import Services
from chalicelib.settings import Settings
from chalicelib.storage.values import milliseconds
from regulars.demo.drawn_vision import DrawnPerson, DrawnVision, draw_capture, draw_portrait

WEEKS = 5
"""Weeks of visits that the demo's shop has."""
VIP, STAFF = "VIP", "Staff"
NAMES = (
    "Ann Lee",
    "Ben Okafor",
    "Chloé Dubois",
    "Dmitri Volkov",
    "Ella Strong",
    "Farid Haddad",
    "Grace Kim",
    "Henrik Sørensen",
    "Ivy Nakamura",
    "Jonas Weber",
    "王芳",
    "Mateo Silva",
)
"""Names of the drawn people from number 0 on. Every fourth is a VIP, the others are regulars."""
STAFF_NAMES = {40: "Olga Petrova", 41: "Paul Meyer"}
"""Names of those who work in the shop, by number."""
OWNER = "Maria Alvarez"
OVERDUE = 7
"""Number of a regular who came every fourth day, and stays away now."""
EVERY, STAYS_AWAY_FOR = timedelta(days=4), timedelta(days=8, minutes=30)
"""Twice the usual pause and half an hour: the person is overdue since then."""
NEW_REGULARS = (13, 14)
"""Numbers of strangers who came often enough to become regulars. Nobody has named them."""
NEIGHBOURS = range(60, 100)
"""Numbers of strangers who come every second week or so."""
ONCE_COME = range(100, 100 + 14 * WEEKS)
"""Numbers of strangers who come once."""
KNOWN_A_DAY, NEIGHBOURS_A_DAY, ONCE_A_DAY = 7, 3, 2
"""Visitors of a day. Of those who are known, one or two more or fewer."""
CAMERAS = {"door": "Front door", "counter": "Counter", "terrace": "Terrace"}
SHARES = (3, 2, 6)
"""Of the visits, by camera in that order."""
SILENT_CAMERA, SILENT_FOR = "terrace", timedelta(days=6)
"""A camera that shows nobody any more, for long enough that the console says so, on whatever
weekday."""
OPENS, CLOSES = 9, 19
"""Local hours of the shop."""
SUNDAY = 6
"""The weekday on which the shop is closed; 0 is Monday."""
TODAY = ((105, 40), (96, 9), (71, 3), (52, 110 + 14 * WEEKS), (33, 10), (18, 6), (9, 1), (2, 4))
"""Latest visits: minutes before now, and the number of the visitor."""
UNSURE, UNSURE_LIKENESS = 3, 0.66
"""Number of a visitor of today whom the camera saw badly, and how well: a card asks whether it is
that person."""


class Visit(Struct, frozen=True, order=True):
    """Arrival of a drawn person before a camera."""

    at: datetime
    camera: str
    number: int
    likeness: float
    take: float


class PastClock:
    """Clock that stands at the time of what is written just now."""

    def __init__(self, at: datetime) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at


def fill_shop(data: Path, tenant_name: str, pack: Pack, now: datetime) -> None:
    """Write the shop into the book of a tenant in the folder `data`, which a service may serve
    meanwhile."""
    clock = PastClock(now - timedelta(weeks=WEEKS))
    with closing(
        build(Settings(storage=data), clock=clock, vision=lambda: DrawnVision(pack))
    ) as services:
        services.tenants.change_settings(tenant_name, _SETTINGS)
        tenant = services.tenants.get_by_name(tenant_name)
        _open_shop(services, tenant)
        for visit in sorted(list_visits(now, ZoneInfo(tenant.time_zone))):
            clock.at = visit.at
            _write_visit(services, tenant, visit)
        clock.at = now
        # The owner signs in by a password, so that nobody is asked to make one first.
        _, invitation = services.access.members.add(tenant, OWNER, Role.ADMIN)
        services.access.sessions.begin_by_invitation(invitation, password=secrets.token_urlsafe())
        services.cameras.learn_usual(tenant)
        services.sightings.absences.tell_hour(tenant, now)
        services.joining.join_tenant(tenant)


_SETTINGS = {
    "display_name": "Corner shop",
    "controller": "Corner shop, 1 High Street",
    "contact": "hello@shop.example",
    "purposes": "to greet those who come often, and to count visits",
    "basis": "explicit consent of the drawn people of this demo",
    "review_margin": 0.15,
}


def _open_shop(services: Services, tenant: Tenant) -> None:
    """Add the groups, the cameras, whom to tell, and everybody who is known by name."""
    services.groups.create(tenant, VIP, 100, "Those whom we greet by name")
    staff = services.groups.create(tenant, STAFF, 100, "Those who work here; no figure counts them")
    services.groups.change_fields(tenant, staff.id, {"staff": True})
    services.groups.set_promotion_settings(tenant, PromotionSettings(arrive_times=3, period_days=7))
    for id_, name in CAMERAS.items():
        services.cameras.add(tenant, id_, name, CameraSettings())
    hooks = services.webhooks.hooks
    hooks.add(
        tenant.name, None, name="till", kinds=(EventKind.FACE_OVERDUE, EventKind.STRANGER_PROMOTED)
    )
    phone = Channel(Way.NTFY, url="https://ntfy.example/corner-shop")
    text = "{who} is here, at {camera}"
    hooks.add(
        tenant.name,
        None,
        channel=phone,
        template=text,
        groups=(VIP,),
        kinds=(EventKind.FACE_ARRIVED,),
        enabled=False,
    )
    for number, name in enumerate(NAMES):
        enrol_drawn(services, tenant, number, name, REGULAR if number % 4 else VIP)
    for number, name in STAFF_NAMES.items():
        enrol_drawn(services, tenant, number, name, STAFF)


def enrol_drawn(services: Services, tenant: Tenant, number: int, name: str, group: str) -> None:
    """Enrol the drawn person of this number. The services look at pictures by DrawnVision."""
    services.enrolment.enrol_largest_face(
        tenant, group, draw_portrait(DrawnPerson(number)), RULES, NewFace(name=name)
    )


def _write_visit(services: Services, tenant: Tenant, visit: Visit) -> None:
    """Let the camera take its picture, and let the service say who that is."""
    person = DrawnPerson(visit.number, visit.likeness, visit.take)
    shot = Shot(visit.camera, draw_capture(person), "image/jpeg", visit.at)
    capture = services.captures.store_shot(tenant, shot)
    services.sightings.ingest.resolve_capture(tenant.name, capture.camera_id, capture.id)


def list_visits(now: datetime, zone: ZoneInfo) -> list[Visit]:
    """Make up the visits of five weeks, in no order.

    The same time and zone give the same visits.
    """
    other_visits = [*_list_visits_of_others(now, zone)]
    return [*other_visits, *_list_visits_of_overdue(now, other_visits)]


def _list_visits_of_others(now: datetime, zone: ZoneInfo) -> Iterator[Visit]:
    """Make up the visits of all but the regular who stays away, the same ones in each run."""
    rng = random.Random(7)
    midnight = now.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)
    for days_ago in range(7 * WEEKS - 1, 0, -1):
        day = midnight - timedelta(days=days_ago)
        if day.weekday() != SUNDAY:
            for visit in _list_visits_of_day(rng, day, days_ago):
                is_missed = visit.camera == SILENT_CAMERA and now - visit.at < SILENT_FOR
                yield replace(visit, camera="door") if is_missed else visit
    for minutes, number in TODAY:
        camera = "counter" if number % 3 == 1 else "door"
        likeness = UNSURE_LIKENESS if number == UNSURE else rng.uniform(0.8, 0.95)
        yield Visit(now - timedelta(minutes=minutes), camera, number, likeness, take=0)


def _count_utc_days(time: datetime) -> int:
    return milliseconds(time) // DAY_MS


def _list_visits_of_overdue(now: datetime, other_visits: Sequence[Visit]) -> Iterator[Visit]:
    """Make up when the regular came who stays away now.

    Days without anybody are no absence (book/absences).
    """
    open_days = {_count_utc_days(visit.at) for visit in other_visits}
    closed_days = [
        day for day in range(_count_utc_days(now), min(open_days), -1) if day not in open_days
    ]
    for pauses in range(LEAST_VISITS):
        came_at = now - STAYS_AWAY_FOR - pauses * EVERY
        for day in closed_days:
            if day >= _count_utc_days(came_at):
                came_at -= timedelta(days=1)
        yield Visit(came_at, "door", OVERDUE, 0.9, take=pauses)


def _list_visits_of_day(rng: random.Random, day: datetime, days_ago: int) -> Iterator[Visit]:
    """Make up the visits of one day: of people who are known, of strangers, and of staff before the
    shop opens."""
    often = [number for number in range(len(NAMES)) if number != OVERDUE]
    known_people = rng.sample(often, KNOWN_A_DAY + 1 - days_ago % 4)
    strangers = [
        *rng.sample(NEIGHBOURS, NEIGHBOURS_A_DAY),
        *ONCE_COME[ONCE_A_DAY * days_ago :][:ONCE_A_DAY],
    ]
    for number in (*known_people, *strangers, *(NEW_REGULARS if days_ago < 5 else ())):
        (camera,) = rng.choices(list(CAMERAS), SHARES)
        came_at = day + timedelta(hours=rng.uniform(OPENS, CLOSES))
        yield Visit(came_at, camera, number, rng.uniform(0.8, 0.95), take=days_ago)
    for number in STAFF_NAMES:
        yield Visit(
            day + timedelta(hours=OPENS - rng.uniform(0.1, 0.5)), "door", number, 0.9, take=days_ago
        )
