"""Films without people wait in the spool, get to the shop that wants one, and to no other."""

import json
import logging
import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from regulars_edge import SPOOL
from regulars_edge.camera_uploader import CameraUploader
from regulars_edge.config import Config, parse_areas, parse_config
from regulars_edge.count.film_sender import LONGEST_WAIT_S
from regulars_edge.errors import SpoolFull
from regulars_edge.health import Health
from regulars_edge.pace import Hours
from regulars_edge.run import Uploader
from regulars_edge.spool import database
from regulars_edge.spool import spool as spools
from regulars_edge.spool.films import KEPT_MS, WEEK_MS
from regulars_edge.spool.model import Film, Limits, MinutePart
from regulars_edge.spool.spool import Spool
from rig.box import until
from rig.clock import FakeClock
from rig.counting import CountingBox
from rig.filming import CAMERA, MINUTE_MS, VIEW, WEEK_BEGAN_MS, film
from rig.health import health_of
from rig.standin import StandIn
from rig.uploader import called
from rig.weather import LATE, WeatherAt


@pytest.fixture
def shop(clock: FakeClock) -> Iterator[StandIn]:
    service = StandIn(lambda: clock.true_ms)
    yield service
    service.stop()


@pytest.fixture
def spool(tmp_path: Path, clock: FakeClock) -> Iterator[Spool]:
    with spools.open_spool(tmp_path, clock=clock) as spool:
        yield spool


class Filmed(CountingBox):
    """A box whose camera keeps films, and sends heartbeats."""

    def __init__(self, spool: Spool, service: object, clock: FakeClock) -> None:
        super().__init__(spool, service, clock)
        self.health: Health = health_of(self.uploader)
        self.health.captures[0].settings = CAMERA
        self.tell(0)

    def keep(self, **more: float) -> Film:
        kept = film(self.clock.true_ms - 5 * MINUTE_MS, **more)  # type: ignore[arg-type]
        self.spool.keep_film("door", kept)
        return kept

    def beat(self) -> str | None:
        """Send a heartbeat, then what is wanted; return the trouble that it told."""
        said = self.health.describe().get("error")
        assert self.health.send_heartbeat()
        self.film_sender.send_due()
        return said if isinstance(said, str) else None

    def count_films(self) -> int:
        [(count,)] = self.spool.books.read_rows("SELECT count(*) FROM films")
        return int(count)


@pytest.fixture
def box(spool: Spool, shop: StandIn, clock: FakeClock) -> Filmed:
    return Filmed(spool, shop, clock)


def want(shop: StandIn, is_wanted: bool = True) -> None:
    shop.counting = {"film_wanted": is_wanted}


# which one is kept


def test_of_a_weeks_films_that_with_the_smallest_number_stays(spool: Spool) -> None:
    """In any order: each was as likely. The next week's first one takes its place."""
    lots = [round(random.Random(5).random(), 6) for _ in range(40)]
    for number, lot in enumerate(lots):
        spool.keep_film("door", film(WEEK_BEGAN_MS + number * 3_600_000, lot))
        kept = spool.books.read_rows("SELECT lot, at_ms FROM films")
        least = min(lots[: number + 1])
        assert kept == [(least, WEEK_BEGAN_MS + lots.index(least) * 3_600_000)]
    spool.keep_film("door", film(WEEK_BEGAN_MS + WEEK_MS, 0.99))
    assert spool.books.read_rows("SELECT lot FROM films") == [(0.99,)]
    spool.keep_film("yard", film(WEEK_BEGAN_MS, 0.5))
    assert len(spool.books.read_rows("SELECT 1 FROM films")) == 2


def test_a_film_of_another_line_takes_the_place_whatever_it_drew(spool: Spool) -> None:
    spool.keep_film("door", film(WEEK_BEGAN_MS, 0.1))
    spool.keep_film("door", film(WEEK_BEGAN_MS + MINUTE_MS, 0.9, "another"))
    assert spool.books.read_rows("SELECT lot FROM films") == [(0.9,)]


# who gets it


def test_nothing_is_sent_until_somebody_wants_it_and_then_once(box: Filmed, shop: StandIn) -> None:
    kept = box.keep()
    for _ in range(3):
        assert box.beat() is None
    assert shop.films_asked == 0
    want(shop)
    box.beat()
    assert list(shop.books.films.values()) == [json.loads(kept.body)]
    want(shop, False)
    box.beat()
    assert (shop.films_asked, box.count_films()) == (1, 0)


def test_without_a_film_the_next_one_goes(box: Filmed, shop: StandIn, clock: FakeClock) -> None:
    """After a quarter of an hour one without crossings will do; and no longer when it is sent."""
    want(shop)
    box.beat()
    assert shop.films_asked == 0
    assert not box.film_sender.is_overdue()
    clock.pass_(round(1000 * LONGEST_WAIT_S))
    box.beat()
    assert box.film_sender.is_overdue()
    box.keep()
    box.film_sender.send_due()
    assert len(shop.books.films) == 1
    assert not box.film_sender.is_overdue()


def test_two_refused_films_end_the_wish_and_are_said_once(
    box: Filmed, shop: StandIn, clock: FakeClock
) -> None:
    """A refused film is deleted, and another one tried. Then nothing is, until somebody wants
    another one."""
    shop.refuses_films = 400
    want(shop)
    told = []
    for tries in (2, 2 + 2, 4, 4):  # each second one over another connection
        box.keep()
        told.append(box.beat())
        assert shop.films_asked == tries
        assert box.count_films() == int(tries == 4 and len(told) > 2)
        clock.pass_(MINUTE_MS)
    assert not box.film_sender.is_overdue()
    assert "the film without people is given up" in str(told[1])
    assert (told[0], *told[2:]) == (None, None, None)
    shop.refuses_films = 0
    for is_wanted in (False, True):
        want(shop, is_wanted)
        box.beat()
    assert len(shop.books.films) == 1


def test_one_refused_film_leaves_the_wish_for_the_next(box: Filmed, shop: StandIn) -> None:
    want(shop)
    box.keep()
    shop.refuses_films = 400
    box.beat()
    shop.refuses_films = 0
    box.keep()
    box.beat()
    assert len(shop.books.films) == 1


def test_a_service_that_is_away_gets_it_later(box: Filmed, shop: StandIn, clock: FakeClock) -> None:
    want(shop)
    box.beat()
    shop.is_down = True
    box.keep()
    box.film_sender.send_due()
    assert "no film without people" in str(box.film_sender.trouble)
    assert box.count_films() == 1
    shop.is_down = False
    clock.pass_(1_000_000)
    box.beat()
    assert (len(shop.books.films), box.film_sender.trouble) == (1, None)


def test_a_key_that_may_not_send_it_is_said_once_and_tried_later_and_later(
    box: Filmed, shop: StandIn, clock: FakeClock
) -> None:
    shop.refuses_films = 403
    want(shop)
    box.keep()
    told = []
    for _ in range(20):
        told.append(box.beat())
        clock.pass_(10_000)
    assert [text for text in told if text] == [told[1]]
    assert "no film without people" in str(told[1])
    assert 2 <= shop.films_asked <= 15
    assert box.count_films() == 1


def test_a_film_that_nobody_wants_any_more_is_no_trouble_and_stays(
    box: Filmed, shop: StandIn, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    want(shop)
    shop.refuses_films = 409
    box.keep()
    box.beat()
    want(shop, False)
    assert box.beat() is None
    assert (shop.films_asked, box.count_films()) == (1, 1)
    assert "was sent" not in caplog.text


def test_an_answer_from_before_the_film_was_sent_wishes_no_second_one(
    box: Filmed, shop: StandIn, clock: FakeClock
) -> None:
    want(shop)
    box.keep()
    assert box.health.send_heartbeat()
    began_at = box.film_sender.now()
    clock.pass_(1_000)
    box.film_sender.send_due()
    box.film_sender.hear_wish(box.uploader.shop, began_at)
    box.keep()
    box.film_sender.send_due()
    assert (shop.films_asked, box.count_films()) == (1, 1)


def test_a_refusal_that_is_said_again_gives_up_no_film(
    spool: Spool, shop: StandIn, clock: FakeClock
) -> None:
    """A proxy gives the answer to the request before, over a connection that all cameras share."""
    weather = WeatherAt(shop.url, "/v1/cameras/door/film")
    box = Filmed(spool, SimpleNamespace(url=weather.url, key=shop.key), clock)
    want(shop)
    shop.refuses_films = 400
    box.keep()
    box.beat()
    shop.refuses_films = 0
    for is_wanted in (False, True):
        want(shop, is_wanted)
        box.beat()
    weather.mishaps = [LATE, "busy"]
    box.keep()
    for _ in range(3):
        box.film_sender.send_due()
        clock.pass_(1_000_000)
    weather.stop()
    assert len(shop.books.films) == 1


def test_a_film_that_lies_here_is_not_overdue_though_it_cannot_be_sent(
    box: Filmed, shop: StandIn, clock: FakeClock
) -> None:
    """Else minutes in which nobody crossed took its place. So it is with a key that may not send
    it."""
    shop.refuses_films = 403
    want(shop)
    box.keep()
    for _ in range(4):
        box.beat()
        assert not box.film_sender.is_overdue()
        clock.pass_(round(1000 * LONGEST_WAIT_S))


def test_a_film_takes_no_room_that_crossings_may_need(tmp_path: Path) -> None:
    with spools.open_spool(tmp_path, Limits(min_free_bytes=2**60)) as spool:
        with pytest.raises(SpoolFull, match="room"):
            spool.keep_film("door", film(WEEK_BEGAN_MS))
        spool.add_counts("door", MinutePart(0, came_in=1))
        assert spool.books.read_rows("SELECT 1 FROM films") == []


def test_a_disk_that_cannot_be_read_ends_no_uploads(box: Filmed, shop: StandIn) -> None:
    want(shop)
    box.keep()
    box.health.send_heartbeat()
    box.film_sender.spool = SpoolThatIsFull()  # type: ignore[assignment]
    box.film_sender.send_due()
    assert "no room" in str(box.film_sender.trouble)


class SpoolThatIsFull:
    def find_film(self, *_: object) -> None:
        raise SpoolFull("no room")


def test_a_film_is_for_the_shop_in_whose_time_it_was_kept(
    spool: Spool, shop: StandIn, clock: FakeClock
) -> None:
    other = StandIn(lambda: clock.true_ms)
    other.key = "tenant-key-2"
    shop.beside.append(other)
    want(other)
    box = Filmed(spool, shop, clock)
    box.keep()
    box.key = other.key
    for _ in range(3):
        box.tell(0)
        box.beat()
    assert (shop.films_asked, other.films_asked, box.count_films()) == (0, 0, 0)
    box.keep()
    box.key = shop.key
    box.film_sender.send_due()  # the wish was the other shop's
    assert (shop.films_asked, other.films_asked) == (0, 0)
    other.stop()


def test_a_new_key_of_the_same_shop_keeps_the_film(box: Filmed, shop: StandIn) -> None:
    box.beat()
    box.keep()
    box.key = shop.books.cameras["door"]["api_key"]
    box.tell(0)
    want(shop)
    box.beat()
    assert len(shop.books.films) == 1


# when it goes


def test_a_release_gives_no_film_to_another_shop(
    tmp_path: Path, clock: FakeClock, shop: StandIn
) -> None:
    with spools.open_spool(tmp_path, clock=clock) as spool:
        Filmed(spool, shop, clock).keep()
    done = called("status", "--release", shop.url, key="", spool=tmp_path)
    assert done.returncode == 0, done.stderr
    with spools.open_spool(tmp_path, clock=clock) as spool:
        assert spool.books.read_rows("SELECT 1 FROM films") == []


def test_a_film_lies_there_for_thirty_days(box: Filmed, shop: StandIn, clock: FakeClock) -> None:
    """After a week it is not sent any more: the service would not take it."""
    box.keep()
    clock.pass_(KEPT_MS - 3_600_000)
    box.spool.sweep()
    assert box.count_films() == 1
    want(shop)
    box.beat()
    assert shop.films_asked == 0
    clock.pass_(3_600_001)
    box.spool.sweep()
    assert box.count_films() == 0


LINE = [[0.1, 0.5], [0.9, 0.5]]
MASK = [[0.0, 0.0, 0.2, 0.2]]


def configured(*cameras: dict[str, object]) -> Config:
    bare = {"name": "door", "source": "rtsp", "url": "rtsp://10.0.0.9/live"}
    rows = [bare | camera for camera in cameras]
    return parse_config({"server": {"url": "http://127.0.0.1:9"}, "camera": rows})


@pytest.mark.parametrize(
    ("after", "stays"),
    [
        ([{"count": LINE}], True),
        ([{"count": LINE, "send": "best_shot"}], True),
        ([{"count": LINE}, {"url": "rtsp://10.0.0.10/live"}], True),
        ([{"count": [[0.1, 0.6], [0.9, 0.6]]}], False),
        ([{"count": LINE, "masks": MASK}], False),
        ([{"count": LINE, "rotate": 180}], False),
        ([{"count": LINE, "url": "rtsp://10.0.0.10/live"}], False),
        ([{}], False),
        ([{"count": LINE, "name": "yard"}], False),
    ],
    ids=[
        *("as it was", "pictures, too", "and a second source", "another line", "a mask"),
        *("turned", "another camera", "no line", "no camera of this name"),
    ],
)
def test_a_film_goes_with_what_it_shows(
    spool: Spool, after: list[dict[str, object]], stays: bool
) -> None:
    uploader = Uploader(configured({"count": LINE}), spool, str)
    (capture,) = uploader.captures
    counter = capture.make(capture.config).counter
    assert counter is not None
    assert counter.film is counter.minutes.film is not None  # type: ignore[attr-defined]
    counter.film.keep(film(WEEK_BEGAN_MS, view=counter.film.view))
    assert spool.books.read_rows("SELECT camera FROM films") == [("door",)]
    for later in Uploader(configured(*after), spool, str).captures:
        later.make(later.config)
    assert bool(spool.books.read_rows("SELECT 1 FROM films")) == stays


def test_settings_that_do_not_fit_leave_the_film_and_a_mask_takes_it(spool: Spool) -> None:
    """As soon as the service sets it."""
    uploader = Uploader(configured({"count": LINE}), spool, str)
    (capture,) = uploader.captures
    (health,) = uploader._healths.values()
    spool.keep_film("door", film(WEEK_BEGAN_MS, view=capture.settings.count_view or ""))
    for settings, count in (({"masks": MASK, "count": 7}, 1), ({"masks": MASK}, 0)):
        health.take_settings(settings)
        uploader._tick(time.monotonic())
        assert len(spool.books.read_rows("SELECT 1 FROM films")) == count, settings


def test_a_film_of_what_is_masked_now_is_not_sent_though_it_lies_here(
    box: Filmed, shop: StandIn
) -> None:
    """A full disk may have kept it from being deleted."""
    box.keep()
    want(shop)
    (capture,) = box.health.captures
    capture.settings = replace(CAMERA, masks=parse_areas(MASK))
    box.beat()
    assert (shop.films_asked, box.count_films()) == (0, 1)
    capture.settings = CAMERA
    box.beat()
    assert shop.films_asked == 1


def test_uninstall_deletes_it(tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    with spools.open_spool(spool) as opened:
        opened.keep_film("door", film(WEEK_BEGAN_MS))
    done = called("uninstall", "--with-pictures", "--yes", key="", spool=spool)
    assert done.returncode == 0, done.stderr
    assert not spool.exists()


# the disk


def test_nobody_but_the_owner_reads_the_spools_books(tmp_path: Path) -> None:
    """Nor those of an older uploader, whose books others of the box could read."""
    former = os.umask(0o022)
    try:
        for _ in range(2):
            with spools.open_spool(tmp_path) as spool:
                spool.keep_film("door", film(WEEK_BEGAN_MS))
                books = list(tmp_path.glob(f"{database.FILE}*"))
                assert len(books) >= 2
                assert {file.stat().st_mode & 0o777 for file in books} == {0o600}
            (tmp_path / database.FILE).chmod(0o644)
    finally:
        os.umask(former)


def test_a_spool_of_an_older_uploader_keeps_films(tmp_path: Path) -> None:
    """And the older one goes on with it afterwards: the number of its version is the same."""
    with spools.open_spool(tmp_path) as spool:
        spool.books.read_rows("DROP TABLE films")
    with spools.open_spool(tmp_path) as spool:
        spool.keep_film("door", film(WEEK_BEGAN_MS))
        assert spool.books.read_rows("PRAGMA user_version") == [(SPOOL,)]


FILMS = """
import sys
from pathlib import Path
from regulars_edge.spool import spool as spools
from rig.filming import WEEK_BEGAN_MS, film

with spools.open_spool(Path(sys.argv[1])) as spool:
    number = 0
    while True:
        kept = film(WEEK_BEGAN_MS + number * 60_000, 1 / (1 + number))
        spool.keep_film("door", kept)
        print(".", end="", flush=True)
        if number % 3 == 2:
            spool.drop_film("door", kept.at_ms)
        number += 1
"""
"""A box that keeps a film all the time, and deletes each third one as if it were sent."""


def test_a_kill_leaves_a_whole_film_or_none(tmp_path: Path) -> None:
    rng = random.Random(3)
    for _ in range(4):
        process = subprocess.Popen(
            [sys.executable, "-c", FILMS, str(tmp_path)],
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parent)},
        )
        assert process.stdout is not None
        process.stdout.read(1 + rng.randrange(8))
        time.sleep(rng.uniform(0, 0.01))
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()
        with spools.open_spool(tmp_path):
            pass
        with closing(sqlite3.connect(tmp_path / database.FILE)) as db:
            rows = db.execute("SELECT at_ms, lot, film FROM films").fetchall()
        assert len(rows) <= 1
        for at_ms, lot, body in rows:
            assert Film(at_ms, VIEW, lot, body) == film(at_ms, lot)


def test_a_kill_between_the_answer_and_the_deletion_sends_the_same_film_again(
    box: Filmed, shop: StandIn
) -> None:
    """Which the service has by its minute: it is there once."""
    kept = box.keep()
    want(shop)
    for _ in range(2):
        box.spool.keep_film("door", kept)  # as if the deletion had not come to pass
        box.beat()
    assert (shop.films_asked, len(shop.books.films)) == (2, 1)


def test_a_camera_that_sends_pictures_sends_its_film_in_its_rounds(
    box: Filmed, shop: StandIn
) -> None:
    """By the thread of its uploads, also outside of the hours for pictures."""
    box.keep()
    want(shop)
    assert box.health.send_heartbeat()
    uploader: CameraUploader = box.uploader
    uploader.hours = Hours((range(0),))
    stop = threading.Event()
    thread = threading.Thread(target=uploader.run, args=(stop,))
    thread.start()
    until(lambda: bool(shop.books.films))
    stop.set()
    thread.join()
    assert len(shop.books.films) == 1
