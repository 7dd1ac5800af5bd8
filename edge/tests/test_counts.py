"""Minutes get from the spool to their shop: whole, in any order, after any outage, and no picture
with them."""

import itertools
import json
import random
import re
import sqlite3
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest
from regulars_edge import SPOOL
from regulars_edge.clock import Clock
from regulars_edge.count.doubt import Doubt
from regulars_edge.errors import Refused, SpoolFull
from regulars_edge.spool import database
from regulars_edge.spool import spool as spools
from regulars_edge.spool.counts import MOST_MINUTES
from regulars_edge.spool.model import MinutePart
from regulars_edge.spool.spool import Spool
from rig.clock import FakeClock
from rig.counting import CountingBox
from rig.health import health_of
from rig.real import Regulars
from rig.spooled import add
from rig.standin import StandIn
from rig.weather import LATE, WeatherAt

HOUR_MS = 3_600_000


@pytest.fixture
def shop(clock: FakeClock) -> Iterator[StandIn]:
    service = StandIn(lambda: clock.true_ms)
    yield service
    service.stop()


@pytest.fixture
def spool(tmp_path: Path, clock: FakeClock) -> Iterator[Spool]:
    with spools.open_spool(tmp_path, clock=clock) as spool:
        yield spool


def sums(service: StandIn, camera: str = "door") -> tuple[int, int, int, int]:
    """In, out, faces and seconds of all minutes that are numbers."""
    kept = service.books.counts.get(camera, {}).values()
    names = ("in", "out", "faces", "seconds")
    came_in, went_out, faces, seconds = (
        sum(one[name] or 0 for one in kept if one["in"] is not None) for name in names
    )
    return came_in, went_out, faces, seconds


def test_minutes_are_told_whole_once_they_are_over(
    spool: Spool, shop: StandIn, clock: FakeClock
) -> None:
    box = CountingBox(spool, shop, clock)
    box.tell(0)
    clock.pass_(60_000 - clock.true_ms % 60_000)
    box.count("i.o" + "." * 40)
    box.tell(0)
    assert not shop.books.counts, "the minute goes on"
    box.count("i" + "." * 15 + "ii", face=True)
    box.tell()
    assert sums(shop) == (4, 1, 3, 120)
    assert [one["in"] for one in shop.books.counts["door"].values()] == [2, 2]
    sent = len(shop.books.count_bodies)
    box.tell()
    assert len(shop.books.count_bodies) == sent, "and once"


def test_quiet_minutes_go_together(spool: Spool, shop: StandIn, clock: FakeClock) -> None:
    box = CountingBox(spool, shop, clock)
    box.tell(0)
    for _ in range(30):
        box.count("." * 60)
        box.tell(5_000)
    assert 2 <= len(shop.books.count_bodies) <= 3
    assert sums(shop)[:3] == (0, 0, 0)


def test_a_minute_that_was_doubted_is_null_and_not_0(
    spool: Spool, shop: StandIn, clock: FakeClock
) -> None:
    box = CountingBox(spool, shop, clock)
    box.tell(0)
    box.count("ii" + "." * 8, watched_ms=1_000)
    box.minutes.doubt(clock.boot_ms(), 50_000, "dark")
    box.tell()
    [minute] = shop.books.counts["door"].values()
    numbers = {"seconds": 10, "in": None, "out": None, "faces": None}
    assert minute.items() >= numbers.items()


DARK: dict[Doubt, int] = {"dark": 50_000, "slow": 900}
TURNED: dict[Doubt, int] = {"slow": 50_000, "moved": 900}


@pytest.mark.parametrize(
    ("lost", "told"),
    [
        (DARK, {"why": "dark", "sure_in": 2, "sure_out": 1}),
        (TURNED, {"why": "slow", "sure_in": 0, "sure_out": 0}),
    ],
)
def test_a_doubted_minute_says_why_and_who_crossed_for_sure(
    spool: Spool, shop: StandIn, clock: FakeClock, lost: dict[Doubt, int], told: dict[str, object]
) -> None:
    """Nobody, if the camera was moved."""
    box = CountingBox(spool, shop, clock)
    box.tell(0)
    clock.pass_(60_000 - clock.true_ms % 60_000)
    box.count("io" + "i" + "." * 7, watched_ms=1_000)
    for why, lost_ms in lost.items():
        box.minutes.doubt(clock.boot_ms(), lost_ms, why)
    box.tell()
    *_, minute = shop.books.counts["door"].values()
    numbers = {"seconds": 10, "in": None, "out": None, "faces": None}
    assert minute == {"at": minute["at"], **numbers, **told}


def test_an_outage_of_two_days_loses_nothing_and_doubles_nothing(
    spool: Spool, shop: StandIn, clock: FakeClock
) -> None:
    """Nor do answers that get lost, or a clock that is wrong until the service is heard."""
    clock.wall_error_ms = -40 * 24 * HOUR_MS
    box, rng = CountingBox(spool, shop, clock), random.Random(7)
    box.tell(0)
    shop.is_down = True
    expected = [0, 0]
    for _ in range(47 * 60):
        way = rng.choice("io.....")
        expected = [expected[0] + (way == "i"), expected[1] + (way == "o")]
        box.count(way, apart_ms=60_000)
        if rng.random() < 0.01:
            box.tell(0)
    spool.sweep()
    shop.is_down = False
    for _ in range(4):
        box.tell(1_000_000)
    assert list(sums(shop)[:2]) == expected
    minutes = [len(json.loads(body)["minutes"]) for body in shop.books.count_bodies]
    assert max(minutes) <= MOST_MINUTES
    assert len(shop.books.counts["door"]) == pytest.approx(47 * 60, abs=2)


def test_what_is_told_twice_or_shuffled_changes_nothing(
    spool: Spool, shop: StandIn, clock: FakeClock
) -> None:
    box = CountingBox(spool, shop, clock)
    box.tell(0)
    for ways in ("i.o", "ii", "o...i"):
        box.count(ways, apart_ms=20_000)
        box.tell()
    kept = dict(shop.books.counts["door"])
    bodies = [json.loads(body)["minutes"] for body in shop.books.count_bodies] * 3
    random.Random(3).shuffle(bodies)
    shop.books.counts.clear()
    handler = shop.books.counts.setdefault("door", {})
    from rig.standin import _rank

    for minute in (one for body in bodies for one in body):
        former = handler.get(minute["at"])
        if former is None or _rank(minute) > _rank(former):
            handler[minute["at"]] = minute
    assert handler == kept


def test_a_box_without_a_known_clock_holds_minutes_back(
    spool: Spool, shop: StandIn, clock: FakeClock
) -> None:
    """They are told by the true time then, though its own clock was 20 days behind."""
    clock.wall_error_ms = -20 * 24 * HOUR_MS
    box = CountingBox(spool, shop, clock)
    shop.is_down = True
    began_ms = clock.true_ms
    box.count("io" + "." * 30)
    box.tell()
    shop.is_down = False
    box.tell()
    box.tell()
    assert sums(shop)[:2] == (1, 1)
    [at] = shop.books.counts["door"]
    assert abs(_parse_ms(at) - began_ms) <= 60_000


def test_a_boot_that_never_reached_the_service_is_told_after_the_next(
    tmp_path: Path, shop: StandIn, clock: FakeClock
) -> None:
    with spools.open_spool(tmp_path, clock=clock) as spool:
        box = CountingBox(spool, shop, clock)
        box.count("iio")
        box.minutes.flush()
    began_ms = clock.true_ms
    clock.boot_again("boot-2", off_ms=HOUR_MS)
    with spools.open_spool(tmp_path, clock=clock) as spool:
        box = CountingBox(spool, shop, clock)
        box.tell()
        box.tell()
    assert sums(shop)[:2] == (2, 1)
    assert all(abs(_parse_ms(at) - began_ms) <= 60_000 for at in shop.books.counts["door"])


def _parse_ms(at: str) -> float:
    from datetime import datetime

    return 1000 * datetime.fromisoformat(at).timestamp()


def test_minutes_go_to_the_shop_that_they_were_counted_for(
    spool: Spool, shop: StandIn, clock: FakeClock
) -> None:
    other = StandIn(lambda: clock.true_ms)
    other.key = "tenant-key-2"
    shop.beside.append(other)
    box = CountingBox(spool, shop, clock)
    box.tell(0)
    box.count("iii")
    box.minutes.flush()
    box.key = other.key
    box.tell(0)
    box.count("o")
    box.tell()
    assert sums(other)[:2] == (0, 1)
    assert not shop.books.counts
    box.key = shop.key
    box.tell(0)
    box.tell()
    other.stop()
    assert (sums(shop)[:2], sums(other)[:2]) == ((3, 0), (0, 1))


def test_a_restored_book_is_told_again(spool: Spool, shop: StandIn, clock: FakeClock) -> None:
    box = CountingBox(spool, shop, clock)
    box.tell(0)
    box.count("iio")
    box.tell()
    shop.books.counts.clear()
    shop.restore()
    box.uploader.asks = True
    box.tell()
    box.tell()
    assert sums(shop)[:2] == (2, 1)


def test_a_minute_that_the_service_refuses_holds_up_no_other(
    spool: Spool, shop: StandIn, clock: FakeClock
) -> None:
    box = CountingBox(spool, shop, clock)
    box.tell(0)
    box.count("i")
    with closing(sqlite3.connect(spool.folder / database.FILE)) as db, db:
        db.execute("UPDATE counts SET faces = -1")  # as a defect might
    box.count("o" * 2, apart_ms=60_000)
    box.tell()
    assert sums(shop)[:2] == (0, 2)
    assert box.teller.trouble is None


@pytest.fixture
def weather(shop: StandIn) -> Iterator[WeatherAt]:
    weather = WeatherAt(shop.url, "/v1/")
    yield weather
    weather.stop()


@pytest.fixture
def box(spool: Spool, shop: StandIn, weather: WeatherAt, clock: FakeClock) -> CountingBox:
    """A box behind a bad network, whose camera the service knows."""
    box = CountingBox(spool, SimpleNamespace(url=weather.url, key=shop.key), clock)
    box.tell(0)
    return box


def test_an_answer_that_is_said_again_is_not_taken_for_that_of_minutes(
    box: CountingBox, shop: StandIn, weather: WeatherAt
) -> None:
    """A proxy gives the answer to the request before, and does not take the minutes."""
    box.count("i")
    box.tell()
    box.count("o")
    box.uploader.asks = True
    weather.mishaps = [LATE, "busy"]  # of the question whose book it is, and of the minutes
    box.tell()
    for _ in range(3):
        box.tell(1_000_000)
    assert sums(shop)[:2] == (1, 1)


def test_the_answer_to_one_minute_is_not_taken_for_that_to_the_next(
    box: CountingBox, shop: StandIn, weather: WeatherAt
) -> None:
    """A proxy gives the first answer again, which says as many minutes as the second."""
    weather.path, weather.mishaps = "/v1/cameras/door/counts", [LATE, "busy"]
    box.count("i")
    box.tell()
    box.count("o")
    box.tell()
    for _ in range(3):
        box.tell(1_000_000)
    assert sums(shop)[:2] == (1, 1)


def test_a_refusal_that_is_said_again_gives_up_no_minute(
    box: CountingBox, spool: Spool, shop: StandIn, weather: WeatherAt, clock: FakeClock
) -> None:
    """Another camera's offer is refused, over a connection that all cameras share."""
    box.count("i")
    box.tell()
    add(spool, 1)
    entries = spool.list_next("door", 1, 1_000_000)
    shop.refuse_sha256[entries[0].content.sha256.hex()] = "index"
    box.count("o")
    clock.pass_(61_000)
    box.minutes.flush()
    weather.mishaps = [LATE, "busy"]
    with pytest.raises(Refused):
        box.uploader.service.offer_pictures(entries)
    for _ in range(3):
        box.teller.tell_due()
        clock.pass_(1_000_000)
    assert sums(shop)[:2] == (1, 1)


def test_a_service_without_counts_is_told_later_and_takes_pictures(
    spool: Spool, shop: StandIn, clock: FakeClock
) -> None:
    shop.knows_counts = False
    box = CountingBox(spool, shop, clock)
    box.tell(0)
    box.count("i")
    box.tell()
    assert "404" in str(box.teller.trouble)
    assert box.uploader.last.trouble is None
    shop.knows_counts = True
    for _ in range(3):
        box.tell(1_000_000)
    assert box.teller.trouble is None
    assert sums(shop)[:2] == (1, 0)


def test_two_processes_in_one_minute_add_up(
    tmp_path: Path, shop: StandIn, clock: FakeClock
) -> None:
    """The first is killed: what it had counted is there, but for a minute's watched time."""
    clock.pass_(60_000 - clock.true_ms % 60_000)
    for _ in range(2):
        with spools.open_spool(tmp_path, clock=clock) as spool:
            box = CountingBox(spool, shop, clock)
            box.tell(0)
            box.count("i" + "." * 10)
    with spools.open_spool(tmp_path, clock=clock) as spool:
        box = CountingBox(spool, shop, clock)
        box.tell(0)
        box.tell()
    assert sums(shop) == (2, 0, 0, 60)


def test_a_spool_of_an_older_uploader_counts(tmp_path: Path, clock: FakeClock) -> None:
    """And the older one goes on with it afterwards: the number of its version is the same."""
    with spools.open_spool(tmp_path, clock=clock) as spool:
        spool.books.read_rows("DROP TABLE counts")
    with spools.open_spool(tmp_path, clock=clock) as spool:
        spool.add_counts("door", MinutePart(0, 1_000, 1))
        assert spool.books.read_rows("SELECT came_in FROM counts") == [(1,)]
        assert spool.books.read_rows("PRAGMA user_version") == [(SPOOL,)]


def test_what_an_older_uploader_doubts_stays_unknown(
    spool: Spool, shop: StandIn, clock: FakeClock
) -> None:
    """One that a box went back to for a while: it says no time and no reason."""
    box = CountingBox(spool, shop, clock)
    box.tell(0)
    box.count("ii" + "." * 8)
    box.minutes.flush()
    with spool.books.writing() as db:
        db.execute("UPDATE counts SET doubts = 3")
    box.tell()
    assert [one["in"] for one in shop.books.counts["door"].values()] == [None]


def test_minutes_are_kept_for_two_days(spool: Spool, shop: StandIn, clock: FakeClock) -> None:
    box = CountingBox(spool, shop, clock)
    box.count("i")
    box.minutes.flush()
    clock.pass_(47 * HOUR_MS)
    spool.sweep()
    assert spool.books.read_rows("SELECT count(*) FROM counts") == [(1,)]
    clock.pass_(2 * HOUR_MS)
    spool.sweep()
    assert spool.books.read_rows("SELECT count(*) FROM counts") == [(0,)]


def test_a_full_disk_takes_counts_later(spool: Spool, shop: StandIn, clock: FakeClock) -> None:
    box, kept, is_full = CountingBox(spool, shop, clock), list[MinutePart](), True

    def keep(part: MinutePart) -> None:
        if is_full:
            raise SpoolFull("no room")
        kept.append(part)

    box.minutes.keep = keep
    box.count("iio", apart_ms=60_000)
    is_full = False
    box.count("o")
    assert sum(part.came_in for part in kept) == 2
    assert sum(part.went_out for part in kept) == 2


def test_numbers_alone_leave_the_box(spool: Spool, shop: StandIn, clock: FakeClock) -> None:
    """No picture, no template, no track: times of whole minutes, and small whole numbers."""
    box = CountingBox(spool, shop, clock)
    box.tell(0)
    box.count("io.i", face=True)
    box.tell()
    number = r"(\d{1,4}|null)"
    minute = (
        rf'\{{"at":"\d{{4}}-\d\d-\d\dT\d\d:\d\d:00Z","seconds":\d{{1,2}},"in":{number},'
        rf'"out":{number},"faces":{number}\}}'
    )
    assert shop.books.count_bodies
    for body in shop.books.count_bodies:
        assert re.fullmatch(rf'\{{"minutes":\[{minute}(,{minute})*\]\}}', body.decode())
    columns = spool.books.read_rows("SELECT name, type FROM pragma_table_info('counts')")
    assert {name for name, kind in columns if kind != "INTEGER"} == {
        "camera",
        "shop",
        "life",
        "lost",
        "hours",
    }


def test_the_service_itself_keeps_what_is_told(started_regulars: Regulars, tmp_path: Path) -> None:
    """Minutes with numbers and without, told twice; its sums are those of the box."""
    clock = Clock()
    with spools.open_spool(tmp_path, clock=clock) as spool:
        box = CountingBox(spool, started_regulars, clock)
        box.uploader.make_round()
        offset_ms = box.service_time.best_ms() - clock.boot_ms()
        began_ms = box.service_time.best_ms() // 60_000 * 60_000 - offset_ms
        for ago, came_in, went_out, watched_s in ((4, 3, 1, 60), (3, 2, 2, 54), (2, 9, 7, 53)):
            lost = {"dark": 60_000 - 1_000 * watched_s}
            part = MinutePart(
                began_ms - ago * 60_000, 1_000 * watched_s, came_in, went_out, 1, lost
            )
            spool.add_counts("door", part)
        health_of(box.uploader).send_heartbeat()
        spool.remember_anchor(box.service_time.anchor)
        box.teller.now = itertools.count(step=1_000).__next__
        for _ in range(2):
            box.teller.tell_due()
            assert box.teller.trouble is None
            assert spool.books.read_rows("SELECT 1 FROM counts WHERE life IS NULL") == []
            with spool.books.writing() as db:
                db.execute("UPDATE counts SET life = NULL")
    request = urllib.request.Request(
        f"{started_regulars.url}/v1/statistics?by=hour&entries=true",
        headers={"Authorization": f"Bearer {started_regulars.key}"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        buckets = json.loads(answer.read())["buckets"]
    entries = [bucket["entries"] for bucket in buckets if bucket["entries"]]
    sums = [sum(one[name] for one in entries) for name in ("in", "out", "sure_in", "sure_out")]
    assert sums == [5, 3, 9, 7], entries
    assert [one["doubted"] for one in entries if one["doubted"]] == [{"dark": 1}]
