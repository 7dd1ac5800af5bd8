"""A year of a shop's visits, or some days of it, written straight through the records: nobody looks
at a picture."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from itertools import count

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from chalicelib.book.cameras import CameraSettings
from chalicelib.book.commit import Change
from chalicelib.book.statistics.calendar import Calendar
from chalicelib.book.tenants import NUMBERED
from chalicelib.book.visits import visits_puts
from chalicelib.domain.captures import (
    Capture,
    CaptureState,
    Resolution,
    Sighting,
    sighting_id,
)
from chalicelib.domain.local_time import DAY_MS
from chalicelib.domain.model import (
    NO_LABELS,
    REGULAR,
    STRANGER,
    Decision,
    Edit,
    Face,
    JournalEntry,
    Picture,
    Tenant,
)
from chalicelib.domain.observations import (
    NearFace,
    Observation,
    ObservationKind,
    Review,
    ReviewKind,
)
from chalicelib.domain.pictures import BoundingBox, Estimates, Gender, Pose, Sides
from chalicelib.domain.rules.templates import make_template, reduce_templates
from chalicelib.domain.rules.visits import Arrivals, Visits
from chalicelib.services import Services
from chalicelib.storage import keys
from chalicelib.storage.items import cut_in_parts, write_in_parts
from chalicelib.storage.ports import Action, Put
from chalicelib.storage.records.captures import capture_item
from chalicelib.storage.records.faces import face_puts
from chalicelib.storage.records.observations import (
    days_of,
    make_observation_actions,
    review_item,
)
from chalicelib.storage.values import milliseconds, time_ordered_id
from tests.support.fakes import FakeVision, Person, picture, with_thumbnails

GAP_MS = 30 * 60_000
BOX = BoundingBox(240, 190, 240, 330)
LOOKS = Estimates(
    age=33.0,
    gender=Gender.FEMALE,
    gender_score=0.9,
    emotion="happy",
    emotion_score=0.8,
    pose=Pose(1, 2, 3),
    quality=80.0,
    liveness=0.9,
)
ROOM = 1_000
"""More faces that each default group has room for."""
CAPTURES_KEPT, PICTURES_KEPT = timedelta(days=118), timedelta(days=29)
FIRST = ("Ann", "Ben", "Chloe", "Dmitri", "Ella", "Farid", "Grace", "Henrik", "Ivy", "Jonas")
LAST = ("Baker", "Cole", "Dumont", "Forster", "Grimm", "Hart", "Jensen", "Keller", "Lorenz")


class Year(Struct, frozen=True):
    """How much of everything a year has.

    Every third face is known: it has a name, three pictures, and a group that is not strangers'.
    `regulars_visits`: of each of the first two faces, beside their share of all. `review_every`: a
    visit of so many waits for a review.
    """

    visits: int
    faces: int
    regulars_visits: int = 0
    cameras: int = 3
    days: int = 365
    review_every: int = 40
    has_pictures: bool = True


class Visit(Struct, frozen=True):
    at: datetime
    person: int
    camera: str

    @property
    def capture_id(self) -> str:
        digest = hashlib.sha256(f"{self.camera}{self.person}".encode()).hexdigest()[:24]
        return f"{milliseconds(self.at):013d}-{digest}"


def is_known(person: int) -> bool:
    return person % 10 in (0, 1, 6)


class Filled(Struct, frozen=True):
    """A year as it was stored.

    `faceids`: by the numbers of people; `visits`: the oldest first.
    """

    faceids: list[str]
    visits: list[Visit]


def fill_year(services: Services, tenant: Tenant, year: Year, now: datetime) -> Filled:
    """Store a year that ends now. It is the same each time but for the ids of faces."""
    known = sum(map(is_known, range(year.faces)))
    for group, number in ((REGULAR, known), (STRANGER, year.faces - known)):
        services.groups.change_fields(tenant, group, {"capacity": number + ROOM})
    tenant = services.tenants.get_by_name(tenant.name)
    begin = (now - timedelta(days=year.days)).replace(hour=0, minute=0, second=0, microsecond=0)
    cameras = [f"cam-{number:02d}" for number in range(year.cameras)]
    for camera in cameras:
        services.cameras.add(tenant, camera, camera, CameraSettings())
    visits = _draw_visits(year, cameras, begin, now)
    enrolled_at = _list_enrolments(year, visits, begin)
    people = sorted(range(year.faces), key=enrolled_at.__getitem__)
    id_by_person = {person: time_ordered_id(enrolled_at[person]) for person in people}
    faceids = [id_by_person[person] for person in range(year.faces)]
    _store_observations(services, tenant, visits, faceids)
    kept = [visit for visit in visits if visit.at >= now - CAPTURES_KEPT]
    write_in_parts(services.items, _capture_puts(services, tenant, year, kept, faceids, now))
    write_in_parts(services.items, _review_puts(tenant, year, kept, faceids))
    arrivals: defaultdict[int, Arrivals] = defaultdict(Arrivals)
    for visit in visits:
        arrivals[visit.person] = arrivals[visit.person].add_sighting(milliseconds(visit.at), GAP_MS)
    faces = (
        _make_face(tenant, person, faceids[person], enrolled_at[person], arrivals[person])
        for person in people
    )
    _store_faces(services, tenant, year, faces)
    write_in_parts(services.items, _visits_puts(tenant, faceids, arrivals))
    return Filled(faceids, visits)


def _list_enrolments(year: Year, visits: list[Visit], begin: datetime) -> list[datetime]:
    """Return when each person's face was made: strangers' by their first visit."""
    first_at = {visit.person: visit.at for visit in reversed(visits)}
    return [
        begin if is_known(person) else first_at.get(person, begin) for person in range(year.faces)
    ]


def _draw_visits(year: Year, cameras: list[str], begin: datetime, now: datetime) -> list[Visit]:
    """Draw visits by day, of which some people make many."""
    drawn = np.random.default_rng(7)
    hours = 24 * drawn.integers(0, year.days, year.visits) + drawn.random(year.visits) * 11
    people = (year.faces * drawn.beta(0.6, 1.8, year.visits)).astype(int)
    pairs = list(zip(hours.tolist(), people.tolist(), strict=True))
    for person in (0, 1):
        apart = 24 * year.days / max(1, year.regulars_visits)
        pairs += [
            (apart * number + 1 + 3 * person, person) for number in range(year.regulars_visits)
        ]
    times = sorted(
        (begin + timedelta(milliseconds=int(3_600_000 * hour)), who) for hour, who in pairs
    )
    return [
        Visit(at, person, cameras[number % len(cameras)])
        for number, (at, person) in enumerate(times)
        if at < now - timedelta(minutes=2)
    ]


def _store_observations(
    services: Services, tenant: Tenant, visits: list[Visit], faceids: list[str]
) -> None:
    by_day: defaultdict[str, list[Observation]] = defaultdict(list)
    for visit in visits:
        by_day[f"{visit.at:%Y%m%d}"].append(
            Observation(
                visit.at,
                sighting_id(visit.capture_id, 0),
                faceids[visit.person],
                _group_of(visit.person),
                NO_LABELS,
                ObservationKind.SIGHTING,
                visit.camera,
                BOX,
                LOOKS,
                Decision(0.905, 0.503, len(faceids)),
                GAP_MS // 1000,
            )
        )
    calendar = Calendar(services.items)
    for of_day in by_day.values():
        months = calendar.read_months(tenant.name, days_of(of_day))
        written_at = of_day[-1].at + timedelta(minutes=1)
        write_in_parts(
            services.items,
            make_observation_actions(tenant.name, of_day, (), months, written_at),
        )


def _group_of(person: int) -> str:
    return REGULAR if is_known(person) else STRANGER


def _capture_puts(
    services: Services,
    tenant: Tenant,
    year: Year,
    visits: list[Visit],
    faceids: list[str],
    now: datetime,
) -> Iterator[Put]:
    """Yield the puts of captures, after their pictures, which are kept for less long."""
    for visit in visits:
        data = picture(Person(visit.person))
        if year.has_pictures and visit.at >= now - PICTURES_KEPT:
            key = keys.capture_picture(tenant.name, visit.camera, visit.capture_id)
            services.storage.uploads.put_if_absent(key, data, "image/jpeg")
        sighting = Sighting(
            0,
            Resolution.MATCHED,
            BOX,
            faceids[visit.person],
            80.0,
            "",
            Decision(0.905, 0.503, len(faceids)),
            visit.at,
            FakeVision.model,
        )
        capture = Capture(
            visit.capture_id,
            visit.camera,
            visit.at,
            hashlib.sha256(data).hexdigest(),
            len(data),
            "image/jpeg",
            CaptureState.RESOLVED,
            (sighting,),
            sides=Sides(720, 720),
        )
        yield Put(keys.CAPTURES, {**capture_item(tenant.name, capture, visit.at), "done": 1})


def _review_puts(
    tenant: Tenant, year: Year, visits: list[Visit], faceids: list[str]
) -> Iterator[Put]:
    """Yield the reviews of some visits."""
    for visit in visits[:: year.review_every]:
        near = tuple(
            NearFace(faceids[(visit.person + number) % len(faceids)], 0.6 - number / 10)
            for number in range(1, 3)
        )
        review = Review(
            ReviewKind.UNCERTAIN,
            visit.at,
            faceids[visit.person],
            visit.camera,
            sighting_id(visit.capture_id, 0),
            Decision(0.55, 0.503, len(faceids)),
            BOX,
            near,
        )
        yield Put(keys.REVIEWS, review_item(tenant.name, review))


def _make_face(
    tenant: Tenant,
    person: int,
    faceid: str,
    enrolled_at: datetime,
    arrivals: Arrivals,
) -> Face:
    last_ms = arrivals.last_arrival_ms
    known = is_known(person)
    return Face(
        faceid=faceid,
        group_id=_group_of(person),
        enrolled_at=enrolled_at,
        pictures=tuple(
            _make_picture(tenant, person, faceid, number, enrolled_at)
            for number in range(3 if known else 1)
        ),
        name=f"{FIRST[person // 10 % len(FIRST)]} {LAST[person // 100 % len(LAST)]}"
        if known
        else "",
        arrive_count=arrivals.count,
        last_arrival_at=None if last_ms is None else datetime.fromtimestamp(last_ms / 1000, UTC),
    )


def _make_picture(tenant: Tenant, person: int, faceid: str, number: int, at: datetime) -> Picture:
    noise = np.random.default_rng([person, number]).standard_normal(FakeVision.dimensions)
    own = np.random.default_rng(10**6 + person).standard_normal(FakeVision.dimensions)
    vector = 0.93 * own / np.linalg.norm(own) + 0.37 * noise / np.linalg.norm(noise)
    digest = hashlib.sha256(f"{person} {number}".encode()).hexdigest()
    key = keys.face_picture(tenant.name, faceid, digest[:16])
    template = make_template(FakeVision.model, (vector / np.linalg.norm(vector)).astype(np.float32))
    return Picture(digest[:32], key, at, (template,), LOOKS, Sides(240, 330))


def _store_faces(services: Services, tenant: Tenant, year: Year, faces: Iterable[Face]) -> None:
    numbers = count(services.face_visits.read_default_groups(tenant).numbered + 1)
    for part in cut_in_parts(faces, 20):
        numbered = [
            replace(face, number=next(numbers)) if face.group_id == STRANGER else face
            for face in part
        ]
        if year.has_pictures:
            _store_pictures(services, numbered)
        counts = Counter(face.group_id for face in numbered)
        services.writer.commit(
            tenant.name,
            Change(
                tuple(action for face in numbered for action in face_puts(tenant, face)),
                tuple(
                    JournalEntry(
                        Edit.PUT, face.faceid, face.group_id, reduce_templates(face.templates)
                    )
                    for face in numbered
                ),
                counts=counts,
                limited_groups=frozenset(counts),
                directory_counts={NUMBERED: counts[STRANGER]},
            ),
        )


def _store_pictures(services: Services, faces: Iterable[Face]) -> None:
    for face in faces:
        data = picture(Person(int(face.faceid) % 2**32))
        for key in with_thumbnails(face.picture_keys):
            services.storage.blobs.put_if_absent(key, data, "image/jpeg")


def _visits_puts(
    tenant: Tenant, faceids: list[str], arrivals: Mapping[int, Arrivals]
) -> Iterator[Action]:
    """Yield the puts of each face's visits, folded as they were at its last one."""
    for person, of_face in arrivals.items():
        if of_face.recent:
            folded = of_face.fold_before(of_face.recent[-1].first_ms, 7 * DAY_MS)
            yield from visits_puts(tenant.name, faceids[person], Visits(), Visits(folded))
