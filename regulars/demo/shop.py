"""The demo's shop: five weeks of visits of drawn people, written into a tenant's book.

Each visit is a drawing that a camera takes at its time. The service then does with it what it does
with any picture, only that nobody has to recognise the drawn people: `DrawnVision` knows them.
"""

from __future__ import annotations

import random
import secrets
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, closing, suppress
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from threading import Event
from zoneinfo import ZoneInfo

from msgspec import Struct

from chalicelib.auth.roles import Member, Role
from chalicelib.book.absences import LEAST_VISITS
from chalicelib.book.cameras import CameraSettings
from chalicelib.book.captures.captures import Shot
from chalicelib.book.counts.places import PlaceFields
from chalicelib.book.enrolment.fields import FaceChanges
from chalicelib.book.vision.packs.packs import Pack
from chalicelib.bootstrap import build
from chalicelib.domain.audit_events import AuditEvent, begin_audit_event, kind_of
from chalicelib.domain.captures import RULES
from chalicelib.domain.channels import Channel
from chalicelib.domain.errors import RegularsError
from chalicelib.domain.events import EventKind
from chalicelib.domain.model import REGULAR, NewFace, PromotionSettings, Tenant
from chalicelib.domain.tenant_settings import DRAWN
from chalicelib.domain.webhooks import Way
from chalicelib.services import Services
from chalicelib.settings import Settings
from regulars.demo.counted_door import DOOR, count_minutes
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
CHANGES_OF_OWNER = {
    6: FaceChanges(new_group_name=VIP),
    2: FaceChanges(note="Takes her coffee without sugar, at the window"),
}
"""Changes that the owner made today, by the number of who they are of."""
ACTS_EVERY = timedelta(minutes=9)
"""Time between two acts of the owner, the last of which was so long ago."""
TWICE = 9
"""Number of a regular who was in the book twice, until the owner merged the two today."""
OVERDUE = 7
"""Number of a regular who came every fourth day, and stays away now."""
EVERY = timedelta(days=4)
"""Usual pause of that regular, who is overdue after two of them: since the last of these hours."""
OVERDUE_HOURS = (11, 16)
"""Local hours, two of them: of one, the last would be a day and an hour ago as clocks are put back,
and who is overdue for more than a day is not told."""
NEW_REGULARS, NEW_SINCE_DAYS = (13, 14), 5
"""Numbers of strangers who came on each of the last days, and became regulars. Nobody has named
them."""
NEIGHBOURS = range(60, 100)
"""Numbers of strangers who come every second week or so."""
ONCE_COME, MOST_STRANGERS = 100, 10_000
"""First number of the strangers who come once, and how many there are before they begin anew."""
KNOWN_A_DAY, NEIGHBOURS_A_DAY, ONCE_A_DAY = 7, 3, 2
"""Visitors of a day. Of those who are known, one or two more or fewer."""
CAMERAS = {DOOR: "Front door", "counter": "Counter", "terrace": "Terrace"}
SHARES = (3, 2, 6)
"""Of the visits, by camera in that order."""
SILENT_CAMERA, SILENT_DAYS = "terrace", 7
"""A camera that shows nobody any more, for long enough that the console says so, on whatever
weekday."""
OPENS, CLOSES = 9, 19
"""Local hours of the shop, on each day: whoever starts the demo on a Sunday sees people, too."""
UNSURE, UNSURE_LIKENESS = 3, 0.61
"""Number of a visitor whom the camera saw badly, and how well: a card asks whether it is that
person. Two such pictures take turns, whose scores are among those that are asked about."""
MISTAKEN = 5
"""Number of the regular who that visitor is by the looks: a mistake for people to correct."""
REVIEW_MARGIN = 0.15
"""Scores so little above the threshold are asked about."""
UNSURE_AFTER, UNSURE_DAYS = timedelta(minutes=4), 2
"""How long after the shop opens it saw that visitor, and on how many days, the last of them
today."""
COUNTED_DAYS = 28
"""Days of which the door's counts are written: such minutes are kept for 30."""
COMES_EVERY_S = 20.0
"""Seconds after which is looked whose time has come, while the demo runs."""


class Visit(Struct, frozen=True, order=True):
    """Arrival of a drawn person before a camera."""

    at: datetime
    camera: str
    number: int
    likeness: float
    take: float


class PastClock:
    """Clock that shows the time of the record being written."""

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
        faceids = _open_shop(services, tenant)
        for visit in sorted(list_visits(now, ZoneInfo(tenant.time_zone))):
            clock.at = visit.at
            _write_visit(services, tenant, visit)
        clock.at = now
        services.counts.places.add(tenant, PlaceFields(name="Corner shop", doors=[DOOR]))
        for days_ago in reversed(range(COUNTED_DAYS)):
            _write_counts(services, tenant, days_ago)
        # The owner signs in by a password, so that nobody is asked to make one first.
        owner, invitation = services.access.members.add(tenant, OWNER, Role.ADMIN)
        services.access.sessions.begin_by_invitation(invitation, password=secrets.token_urlsafe())
        _act_as_owner(services, tenant, owner, faceids, clock)
        clock.at = now
        services.cameras.learn_usual(tenant)
        services.sightings.absences.tell_hour(tenant, now)
        services.joining.join_tenant(tenant)


_SETTINGS = {
    **DRAWN,
    "display_name": "Corner shop",
    "controller": "Corner shop, 1 High Street",
    "contact": "hello@shop.example",
    "opening": f"{OPENS:02d}:00-{CLOSES:02d}:00",
    "purposes": "to greet those who come often, and to count visits",
    "review_margin": REVIEW_MARGIN,
}


def _open_shop(services: Services, tenant: Tenant) -> list[str]:
    """Add the groups, the cameras, whom to tell, and everybody who is known by name.

    Return the ids of those in NAMES.
    """
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
    for number, name in STAFF_NAMES.items():
        enrol_drawn(services, tenant, number, name, STAFF)
    return [
        enrol_drawn(services, tenant, number, name, REGULAR if number % 4 else VIP)
        for number, name in enumerate(NAMES)
    ]


def enrol_drawn(services: Services, tenant: Tenant, number: int, name: str, group: str) -> str:
    """Enrol the drawn person of this number, and return the face's id.

    The services look at pictures by DrawnVision.
    """
    face = services.enrolment.enrol_largest_face(
        tenant, group, draw_portrait(DrawnPerson(number)), RULES, NewFace(name=name)
    )
    return face.faceid


def _act_as_owner(
    services: Services, tenant: Tenant, owner: Member, faceids: Sequence[str], clock: PastClock
) -> None:
    """Do what an owner does on a day: merge who is twice in the book, make a regular a VIP, note
    something. *Done* lists it.

    `faceids`: of those in NAMES.
    """
    clock.at -= ACTS_EVERY * (1 + len(CHANGES_OF_OWNER))
    again = enrol_drawn(services, tenant, TWICE, "", REGULAR)
    with _as_act(owner, "POST /v1/faces/{id}/merge", tenant, faceids[TWICE]):
        services.merges.merging.merge(tenant, faceids[TWICE], again)
    for number, changes in CHANGES_OF_OWNER.items():
        clock.at += ACTS_EVERY
        with _as_act(owner, "PATCH /v1/faces/{id}", tenant, faceids[number]):
            services.enrolment.update.change_face(tenant, faceids[number], changes)


def _as_act(
    owner: Member, what: str, tenant: Tenant, faceid: str
) -> AbstractContextManager[AuditEvent]:
    """Count what is written meanwhile as the owner's act, as v1 does."""
    act = AuditEvent(what, owner.audit_name, kind_of(what), tenant.name, {"face": faceid})
    return begin_audit_event(act)


def _write_visit(services: Services, tenant: Tenant, visit: Visit) -> None:
    """Let the camera take its picture, and let the service say who that is."""
    looks = MISTAKEN if visit.likeness == UNSURE_LIKENESS else None
    person = DrawnPerson(visit.number, visit.likeness, visit.take, looks=looks)
    shot = Shot(visit.camera, draw_capture(person), "image/jpeg", visit.at)
    capture = services.captures.store_shot(tenant, shot)
    services.sightings.ingest.resolve_capture(tenant.name, capture.camera_id, capture.id)


def _write_counts(services: Services, tenant: Tenant, days_ago: int) -> None:
    """Report what the door counted on a day, until now if that is today."""
    now, zone = services.clock.now(), ZoneInfo(tenant.time_zone)
    today = now.astimezone(zone).date()
    day = today - timedelta(days=days_ago)
    opens, closes = (
        datetime.combine(day, time(hour), zone).astimezone(UTC) for hour in (OPENS, CLOSES)
    )
    came = [(visit.at, visit.camera) for visit in _list_visits_of_day(day, today, zone)]
    if minutes := count_minutes([one for one in came if one[0] <= now], opens, closes, now):
        camera = services.cameras.get(tenant, DOOR)
        services.counts.store_minutes(tenant, camera, minutes)


def let_visitors_come(services: Services, tenant_name: str, since: datetime, stop: Event) -> None:
    """Write the visits later than `since`, each as its time comes, and what the door counts, until
    `stop` is set.

    What a busy storage refuses is written the next time: a visit that is there already is not
    written twice.
    """
    while not stop.wait(COMES_EVERY_S):
        now, tenant = services.clock.now(), services.tenants.get_by_name(tenant_name)
        with suppress(RegularsError):
            for visit in sorted(list_visits(now, ZoneInfo(tenant.time_zone))):
                if since < visit.at:
                    _write_visit(services, tenant, visit)
            _write_counts(services, tenant, days_ago=0)
            since = now


def list_visits(now: datetime, zone: ZoneInfo) -> list[Visit]:
    """Make up the visits of five weeks until now, in no order, all of them while the shop is open.

    The same time and zone give the same visits. A later time gives the same ones of each day, and
    further ones.
    """
    today = now.astimezone(zone).date()
    days = [today - timedelta(days=days_ago) for days_ago in range(7 * WEEKS)]
    visits = [visit for day in days for visit in _list_visits_of_day(day, today, zone)]
    past_visits = [visit for visit in visits if visit.at <= now]
    return [*past_visits, *list_visits_of_overdue(now, zone)]


def _list_visits_of_day(day: date, today: date, zone: ZoneInfo) -> Iterator[Visit]:
    """Make up the visits of one day, by its date alone: of staff as the shop opens, people who are
    known, strangers."""
    rng = random.Random(day.toordinal())
    opens, days_ago = datetime.combine(day, time(OPENS), zone), (today - day).days
    for minute, number in enumerate(STAFF_NAMES, start=1):
        yield Visit(opens + timedelta(minutes=minute), "door", number, 0.9, take=day.toordinal())
    often = [number for number in range(len(NAMES)) if number != OVERDUE]
    known_people = rng.sample(often, KNOWN_A_DAY + 1 - day.toordinal() % 4)
    first_stranger = ONCE_COME + ONCE_A_DAY * day.toordinal() % MOST_STRANGERS
    strangers = [
        *rng.sample(NEIGHBOURS, NEIGHBOURS_A_DAY),
        *range(first_stranger, first_stranger + ONCE_A_DAY),
    ]
    if known_people[0] == UNSURE:  # who is seen badly a few minutes after the first one
        known_people.append(known_people.pop(0))
    numbers = (*known_people, *strangers, *(NEW_REGULARS if days_ago < NEW_SINCE_DAYS else ()))
    for place, number in enumerate(numbers):
        (camera,) = rng.choices(list(CAMERAS), SHARES)
        # somebody waits for the door to open
        hours_open = rng.uniform(0.1, CLOSES - OPENS) if place else 0.0
        at = opens + timedelta(hours=hours_open)
        is_missed = camera == SILENT_CAMERA and days_ago < SILENT_DAYS
        yield Visit(
            at,
            "door" if is_missed else camera,
            number,
            rng.uniform(0.8, 0.95),
            take=day.toordinal(),
        )
    if days_ago < UNSURE_DAYS:
        yield Visit(
            opens + UNSURE_AFTER, "counter", UNSURE, UNSURE_LIKENESS, take=day.toordinal() % 2
        )


def list_visits_of_overdue(now: datetime, zone: ZoneInfo) -> Iterator[Visit]:
    """Make up when the regular came who stays away now: every fourth day at one hour, and twice as
    long ago as that."""
    today = now.astimezone(zone).date()
    hours = [
        datetime.combine(day, time(hour), zone)
        for day in (today - timedelta(days=1), today)
        for hour in OVERDUE_HOURS
    ]
    overdue_since = max(at for at in hours if at <= now)
    for pauses in range(LEAST_VISITS):  # by the shop's clocks, as absences are counted
        yield Visit(overdue_since - (2 + pauses) * EVERY, "door", OVERDUE, 0.9, take=pauses)
