"""The demo's shop is a book in which everything has happened that the console can show."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from numpy.typing import NDArray
from regulars_client import Regulars

from chalicelib.book.absences import overdue_at
from chalicelib.book.vision.packs import packs
from chalicelib.domain.captures import RULES
from chalicelib.domain.local_time import local_hour
from chalicelib.domain.opening import is_before_opening, parse_opening
from chalicelib.domain.rules.usual import is_quieter, learn_usual
from chalicelib.domain.rules.visits import Arrival
from chalicelib.storage.values import milliseconds
from regulars.demo import shop
from regulars.demo.drawings import SIDE_PX
from regulars.demo.drawn_vision import DrawnPerson, DrawnVision, draw_capture, draw_portrait
from regulars.demo.shop import NAMES, STAFF, VIP, fill_shop
from tests.support.box.box import Box, serving
from tests.support.fakes import FakeClock

NOW = datetime.now(UTC)


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    data, pack = tmp_path_factory.mktemp("shop"), packs.read_pack()
    with serving(data, DrawnVision(pack)) as box:
        fill_shop(data, "shop", pack, NOW)
        yield box


@pytest.fixture
def client(box: Box) -> Iterator[Regulars]:
    with box.client() as client:
        yield client


def test_everybody_with_a_name_has_come_more_than_once(client: Regulars) -> None:
    counts = {face.name: face.arrive_count for face in client.list_faces() if face.name}
    assert counts.keys() == {*NAMES, *shop.STAFF_NAMES.values()}
    assert min(counts.values()) > 1


def test_there_are_vips_staff_strangers_and_regulars_whom_nobody_has_named(
    client: Regulars,
) -> None:
    counts = {group.name: group.count for group in client.list_groups()}
    assert counts[VIP] == 4
    assert counts[STAFF] == len(shop.STAFF_NAMES)
    assert counts["stranger"] > 50
    assert len([face for face in client.list_faces(group="regular") if not face.name]) >= len(
        shop.NEW_REGULARS
    )


def test_something_waits_for_a_decision(client: Regulars) -> None:
    kinds = {review.kind for review in client.list_reviews()}
    assert kinds == {"promoted", "uncertain"}


def test_one_camera_is_quieter_than_usual_and_the_others_work(client: Regulars) -> None:
    states = {camera.id: camera.health.state for camera in client.list_cameras().cameras}
    assert states == {"door": "ok", "counter": "ok", "terrace": "quiet"}


def test_a_regular_stays_away_and_a_mailbox_says_so(box: Box, client: Regulars) -> None:
    (mailbox,) = (hook for hook in client.list_hooks().hooks if hook.name == "till")
    events = [delivery.event for delivery in client.list_deliveries(mailbox.id, state="pending")]
    # on some days somebody else has stayed away for as long, by chance
    assert NAMES[shop.OVERDUE] in {
        event.data["name"] for event in events if event.type == "face.overdue"
    }


def test_the_door_is_counted_and_everybody_has_left_at_closing(client: Regulars) -> None:
    (place,) = client.list_places(days=7).places
    assert place.doors == [shop.DOOR]
    *past, _now = place.openings
    assert len(past) >= 5
    for opening in past:
        assert opening.in_ > len(shop.STAFF_NAMES)
        assert (opening.left, opening.dropped, opening.out) == (0, 0, opening.in_)


def test_faces_lie_within_their_pictures(client: Regulars) -> None:
    captures = [*client.list_captures(limit=100)][:100]
    boxes = [(one, sighting.box) for one in captures for sighting in one.sightings]
    assert boxes
    for capture, box in boxes:
        assert (capture.width, capture.height) == (SIDE_PX, SIDE_PX)
        assert box.x + box.width <= capture.width
        assert box.y + box.height <= capture.height


def test_what_the_owner_did_is_listed_and_can_be_taken_back(client: Regulars) -> None:
    acts = [*client.list_acts(limit=100)]
    listed = [(act.kind, act.faces[-1].name) for act in acts]
    changed = [("face", NAMES[number]) for number in reversed(shop.CHANGES_OF_OWNER)]
    assert listed == [*changed, ("merge", NAMES[shop.TWICE])]
    assert all(act.until and act.by.startswith(shop.OWNER) for act in acts)


def test_nothing_is_sent_to_anybody(client: Regulars) -> None:
    assert not [
        hook for hook in client.list_hooks().hooks if hook.enabled and (hook.url or hook.way)
    ]


ZONES = ("Europe/Berlin", "America/Los_Angeles", "Asia/Kolkata", "Pacific/Auckland")
HOURS = [
    datetime(2026, 3, 26, 0, 0, tzinfo=UTC) + timedelta(hours=hours) for hours in range(7 * 24)
]
"""Each hour of a week in which Berlin puts its clocks forward."""


@pytest.mark.parametrize("name", ZONES)
def test_on_each_day_people_have_come_since_the_shop_opened_and_never_while_it_is_closed(
    name: str,
) -> None:
    zone = ZoneInfo(name)
    without_visits, closed_count = [], 0
    for now in HOURS:
        visits = [visit.at.astimezone(zone) for visit in shop.list_visits(now, zone)]
        local_now = now.astimezone(zone)
        opened = parse_opening(f"{shop.OPENS:02d}:00-{shop.CLOSES:02d}:00")
        closed_count += sum(at.weekday() * 24 + at.hour not in opened for at in visits)
        is_open_or_later = not is_before_opening(
            "09:00-19:00", local_now.weekday() * 24 + local_now.hour
        )
        came_today = [at for at in visits if at.date() == local_now.date()]
        assert bool(came_today) is is_open_or_later, (
            "before it opens, the page shows the day before"
        )
        if is_open_or_later and not came_today:
            without_visits.append(now)
        assert any(at.date() == local_now.date() - timedelta(days=1) for at in visits)
        assert now - timedelta(weeks=shop.WEEKS) < min(visits) <= max(visits) <= now
    assert (without_visits, closed_count) == ([], 0)


def test_the_visits_of_a_day_stay_the_same_while_further_ones_come() -> None:
    zone, noon = ZoneInfo("Europe/Berlin"), datetime(2026, 3, 30, 10, 0, tzinfo=UTC)
    begun_at = noon - timedelta(hours=2)
    before, after = (shop.list_visits(now, zone) for now in (begun_at, noon))
    assert shop.list_visits(noon, zone) == after
    today = [visit for visit in after if visit.at.astimezone(zone).day == 30]
    assert [visit for visit in today if visit.at <= begun_at] == [
        visit for visit in today if visit in before
    ]
    assert len(today) > len([visit for visit in today if visit in before])


class StepsOn:
    """Event that is set once it was waited for so often, each time two hours later."""

    def __init__(self, clock: FakeClock, times: int) -> None:
        self._clock, self._left = clock, times

    def wait(self, _s: float) -> bool:
        self._left -= 1
        self._clock.advance(timedelta(hours=2))
        return self._left < 0


def test_people_go_on_coming_while_the_demo_runs(tmp_path: Path) -> None:
    begun_at = datetime(2026, 3, 30, 8, 30, tzinfo=UTC)
    clock, zone = FakeClock(begun_at), ZoneInfo("Etc/UTC")
    with serving(tmp_path, DrawnVision(packs.read_pack()), clock) as box, box.client() as client:
        client.change_settings(time_zone=zone.key)
        for camera in shop.CAMERAS:
            client.add_camera(id=camera, name=camera, labels={})
        client.add_place(name="shop", doors=[shop.DOOR])
        shop.let_visitors_come(box.services, "shop", begun_at, StepsOn(clock, 6))
        expected = [
            visit.at for visit in shop.list_visits(clock.now(), zone) if visit.at > begun_at
        ]
        assert len(expected) > 5
        assert len([*client.list_captures(limit=100)]) == len(expected)
        (place,) = client.list_places().places
        assert place.openings[-1].in_ >= len(expected), "they come by the counted door"


@pytest.mark.parametrize("days", range(7))
def test_the_quiet_camera_is_quieter_than_usual_on_whatever_weekday_the_demo_runs(
    days: int,
) -> None:
    now, zone = datetime(2026, 3, 30, 0, 20, tzinfo=UTC) + timedelta(days=days), ZoneInfo("Etc/UTC")
    hours = [
        local_hour(one.at, zone)
        for one in shop.list_visits(now, zone)
        if one.camera == shop.SILENT_CAMERA
    ]
    usual = learn_usual(Counter(map(int, hours)), int(local_hour(now, zone)) // 24)
    assert usual is not None
    assert is_quieter(usual, max(hours), local_hour(now, zone))


def test_the_visitor_who_was_seen_badly_is_asked_about_on_each_day_of_a_year() -> None:
    vision, noon = DrawnVision(packs.read_pack()), datetime(2026, 11, 29, 12, tzinfo=UTC)

    def embed(picture: bytes) -> NDArray[np.float32]:
        image = vision.read_picture(picture, RULES)
        return np.asarray(vision.embed(image, vision.detect(image))[0])

    zone, visits = ZoneInfo("Etc/UTC"), dict[datetime, shop.Visit]()
    for days in range(0, 365, shop.UNSURE_DAYS):
        visits |= {visit.at: visit for visit in shop.list_visits(noon + timedelta(days=days), zone)}
    own = [visit for _, visit in sorted(visits.items()) if visit.number == shop.UNSURE]
    embeddings = [
        embed(draw_capture(DrawnPerson(one.number, one.likeness, one.take))) for one in own
    ]
    good = [
        embedding
        for visit, embedding in zip(own, embeddings, strict=True)
        if visit.likeness > shop.UNSURE_LIKENESS
    ]
    face = np.mean([embed(draw_portrait(DrawnPerson(shop.UNSURE))), *good[:9]], axis=0)
    threshold = vision.impostor_curve.identify_threshold(1000)
    is_asked = [
        0 <= embedding @ face / np.linalg.norm(face) - threshold < shop.REVIEW_MARGIN
        for visit, embedding in zip(own, embeddings, strict=True)
        if visit.likeness == shop.UNSURE_LIKENESS
    ]
    assert (len(is_asked) > 300, all(is_asked)) == (True, True)
    for before, visit in pairwise(own):
        if visit.likeness == shop.UNSURE_LIKENESS:
            assert visit.at - before.at > timedelta(hours=1), "else it is the same visit"


CLOCKS_PUT_BACK = datetime(2026, 10, 24, 0, 0, tzinfo=UTC)
"""Begin of a day before Berlin does, on which a day has 25 hours."""
MINUTES = [
    *(HOURS[0] + timedelta(minutes=minutes) for minutes in range(24 * 60)),
    *(CLOCKS_PUT_BACK + timedelta(minutes=minutes) for minutes in range(3 * 24 * 60)),
]


@pytest.mark.parametrize("zone", [ZoneInfo(name) for name in ZONES], ids=str)
def test_somebody_became_overdue_within_the_last_day_at_each_minute(zone: ZoneInfo) -> None:
    for now in (*HOURS, *MINUTES):
        own = sorted(visit.at for visit in shop.list_visits_of_overdue(now, zone))
        begins = [milliseconds(at) for at in own]
        day, hour = divmod(int(local_hour(now, zone)), 24)
        overdue_since = overdue_at(
            tuple(Arrival(begin, begin, begin) for begin in begins),
            zone,
            closed_days=[day] if hour < shop.OPENS else [],
        )
        assert overdue_since is not None
        assert timedelta(0) <= now - overdue_since < timedelta(days=1), now
