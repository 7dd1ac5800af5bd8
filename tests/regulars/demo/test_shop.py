"""The demo's shop is a book in which everything has happened that the console can show."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from regulars_client import Regulars

from chalicelib.book.absences import overdue_at
from chalicelib.book.vision.packs import packs
from chalicelib.domain.local_time import DAY_MS, local_hour
from chalicelib.domain.rules.usual import is_quieter, learn_usual
from chalicelib.domain.rules.visits import Arrival
from chalicelib.storage.values import milliseconds
from regulars.demo import shop
from regulars.demo.drawn_vision import DrawnVision
from regulars.demo.shop import NAMES, STAFF, VIP, fill_shop
from tests.support.box.box import Box, serving

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
    assert counts[VIP] == 3
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
    assert {NAMES[shop.OVERDUE]} == {
        event.data["name"] for event in events if event.type == "face.overdue"
    }


def test_nothing_is_sent_to_anybody(client: Regulars) -> None:
    assert not [
        hook for hook in client.list_hooks().hooks if hook.enabled and (hook.url or hook.way)
    ]


@pytest.mark.parametrize("zone", ["Etc/UTC", "Asia/Shanghai", "America/Los_Angeles"])
@pytest.mark.parametrize("hour", range(0, 24, 5))
def test_all_visits_lie_in_the_last_five_weeks_whatever_the_hour_is(zone: str, hour: int) -> None:
    now = datetime(2026, 3, 30, hour, 20, tzinfo=UTC)
    visits = [*shop.list_visits(now, ZoneInfo(zone))]
    assert max(visit.at for visit in visits) < now
    assert min(visit.at for visit in visits) > now - timedelta(weeks=shop.WEEKS)
    assert [*shop.list_visits(now, ZoneInfo(zone))] == visits


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


@pytest.mark.parametrize("zone", ["Etc/UTC", "Asia/Shanghai", "America/Los_Angeles", "Etc/GMT-11"])
@pytest.mark.parametrize("days", range(7))
def test_somebody_is_overdue_for_half_an_hour_on_whatever_weekday_the_demo_runs(
    zone: str, days: int
) -> None:
    now = datetime(2026, 3, 30, 9, 20, tzinfo=UTC) + timedelta(days=days)
    begins = {
        milliseconds(visit.at): visit.number for visit in shop.list_visits(now, ZoneInfo(zone))
    }
    seen = {begin // DAY_MS for begin in begins}
    closed = sorted(set(range(min(seen), milliseconds(now) // DAY_MS + 1)) - seen)
    own = sorted(begin for begin, number in begins.items() if number == shop.OVERDUE)
    assert overdue_at(
        tuple(Arrival(begin, begin, begin) for begin in own), closed
    ) == now - timedelta(minutes=30)
