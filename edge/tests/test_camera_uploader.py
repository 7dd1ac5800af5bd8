"""How one camera's pictures get to the service, and no more of them in a month than is allowed."""

import io
import logging
import math
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from regulars_edge import config
from regulars_edge.camera_uploader import SPENT_WAIT_S, TRIES_IN_TURN, CameraUploader
from regulars_edge.capture import Capture, Wiring, make_chooser
from regulars_edge.choose.chooser import Everything, Preview
from regulars_edge.choose.morning import LOOK_EVERY_S, LOOKS, MorningView
from regulars_edge.clock import ServiceTime
from regulars_edge.errors import (
    Misconfigured,
    PasswordRefused,
    SourceFailed,
    SpoolFull,
    TooLate,
    Unreachable,
)
from regulars_edge.frames import EncodedFrame, Frame, encode_jpeg
from regulars_edge.health import AIMED_BEAT_S, Health, Machine
from regulars_edge.http import Http
from regulars_edge.logs import Dropped
from regulars_edge.pace import Bandwidth, Hours, PerMinute
from regulars_edge.service import Service
from regulars_edge.sources.folder import FolderSource
from regulars_edge.spool import spool as spools
from regulars_edge.spool.model import Origin, Stamp
from regulars_edge.spool.spool import Spool
from regulars_edge.spool.totals import Allowance
from rig import pictures, street
from rig.clock import FakeClock
from rig.health import health_of, not_wired
from rig.spooled import add, capture_of, content, copies
from rig.standin import StandIn
from rig.weather import LATE, Weather, WeatherAt


@pytest.fixture
def spool(tmp_path: Path, clock: FakeClock, stand_in: StandIn) -> Iterator[Spool]:
    stand_in.now_ms = lambda: clock.true_ms
    with spools.open_spool(tmp_path / "spool", clock=clock) as spool:
        yield spool


def uploader_of(
    spool: Spool,
    stand_in: StandIn,
    clock: FakeClock,
    url: str = "",
    *,
    makes: bool = True,
    **more: Any,
) -> CameraUploader:
    time = ServiceTime(clock)
    service = Service(
        Http(clock), url or stand_in.url, lambda: stand_in.key, time, makes_cameras=makes
    )
    return CameraUploader(spool, service, "door", time, now=lambda: clock.boot_ms() / 1000, **more)


def drain(uploader: CameraUploader, clock: FakeClock, rounds: int = 500) -> None:
    for _ in range(rounds):
        result = uploader.make_round()
        if result.idle:
            return
        clock.pass_(round(result.wait_s * 1000))
    raise AssertionError(result)


def there(stand_in: StandIn) -> list[str]:
    return [str(row["sha256"]) for row in reversed(stand_in.captures())]


def digests(*numbers: int) -> list[str]:
    return [content(number)[1].sha256.hex() for number in numbers]


def test_what_is_there_already_is_not_sent_again(
    spool: Spool, stand_in: StandIn, clock: FakeClock, tmp_path: Path
) -> None:
    add(spool, 1)
    drain(uploader_of(spool, stand_in, clock), clock)
    with spools.open_spool(tmp_path / "other", clock=clock) as other:
        add(other, 1)
        drain(uploader_of(other, stand_in, clock), clock)
        assert other.count_totals()["door"].sent == 1
    assert [one.puts for one in stand_in.books.captures.values()] == [1]


@pytest.mark.parametrize("says", ["index", "nothing"])
def test_one_bad_picture_is_set_aside_and_the_others_go_on(
    spool: Spool, stand_in: StandIn, clock: FakeClock, says: str
) -> None:
    for number in range(20):
        add(spool, number)
    (bad,) = digests(13)
    stand_in.refuse_sha256[bad] = says
    uploader = uploader_of(spool, stand_in, clock)
    drain(uploader, clock)
    assert uploader.dropped.counts() == {Dropped.REFUSED: 1}
    assert sorted(there(stand_in)) == sorted(
        digests(*[number for number in range(20) if number != 13])
    )
    totals = spool.count_totals()["door"]
    assert (totals.refused, totals.unsent) == (1, 0)
    assert len(copies(spool.folder)) == 1, "the quarantine keeps the picture"


def test_a_put_that_has_run_out_gets_a_new_address(
    spool: Spool, stand_in: StandIn, clock: FakeClock
) -> None:
    add(spool, 1)
    stand_in.url_good_s = -1
    uploader = uploader_of(spool, stand_in, clock)
    uploader.make_round()
    assert "403" in str(uploader.make_round().trouble)
    stand_in.url_good_s = 900
    drain(uploader, clock)
    assert there(stand_in) == digests(1)


def test_a_copy_that_rotted_on_the_disk_is_set_aside_and_not_sent_for_ever(
    spool: Spool, stand_in: StandIn, clock: FakeClock
) -> None:
    add(spool, 1)
    add(spool, 2)
    (entry, _) = spool.list_next("door", 2, 10**9)
    (copy,) = [path for path in copies(spool.folder) if path.name == entry.copy]
    copy.write_bytes(pictures.jpeg(1).replace(b"picture", b"pictura"))
    drain(uploader_of(spool, stand_in, clock), clock)
    assert there(stand_in) == digests(2)
    assert spool.count_totals()["door"].refused == 1


def test_a_missing_camera_is_made_only_where_that_is_wanted(
    spool: Spool, stand_in: StandIn, clock: FakeClock
) -> None:
    add(spool, 1)
    result = uploader_of(spool, stand_in, clock, makes=False).make_round()
    assert result.needs_operator
    assert "CameraNotFound" in str(result.trouble)
    assert stand_in.books.cameras == {}


def test_a_picture_that_always_fails_steps_aside(
    spool: Spool, stand_in: StandIn, clock: FakeClock
) -> None:
    for number in range(3):
        add(spool, number)
    uploader = uploader_of(spool, stand_in, clock)
    blocked = digests(0)[0]
    stand_in.fails_sha256.add(blocked)
    for _ in range(3 * TRIES_IN_TURN):
        result = uploader.make_round()
        clock.pass_(round(min(result.wait_s, 1.0) * 1000))
    assert there(stand_in) == digests(1, 2)
    stand_in.fails_sha256.clear()
    drain(uploader, clock)
    assert there(stand_in) == digests(1, 2, 0)


def test_the_service_lists_late_and_nothing_is_put_twice_meanwhile(
    spool: Spool, stand_in: StandIn, clock: FakeClock
) -> None:
    add(spool, 1)
    stand_in.lists_late_s = 0.3
    uploader = uploader_of(spool, stand_in, clock)
    rounds = 0
    while not uploader.make_round().idle:
        rounds += 1
        clock.pass_(1)
    assert [one.puts for one in stand_in.books.captures.values()] == [1]


class Hesitant(Service):
    """Its store gives these answers to PUTs: True, if it takes the bytes; False, if it has them."""

    puts: Iterator[Exception | bool]

    def put_picture(self, *_: object) -> bool:
        if isinstance(said := next(self.puts), Exception):
            raise said
        return said


@pytest.mark.parametrize("before", [0, 1, TRIES_IN_TURN])
def test_a_store_that_says_that_it_has_a_picture_is_believed_the_second_time_whatever_failed_before(
    spool: Spool, stand_in: StandIn, clock: FakeClock, before: int
) -> None:
    """The first such answer may be that to another picture's PUT."""
    add(spool, 1)
    time = ServiceTime(clock)
    service = Hesitant(Http(clock), stand_in.url, lambda: stand_in.key, time, makes_cameras=True)
    service.puts = iter([*[Unreachable("cut off")] * before, False, False])
    uploader = CameraUploader(spool, service, "door", time, now=lambda: clock.boot_ms() / 1000)
    for _ in range(before + 1):
        clock.pass_(1_000_000)
        assert uploader.make_round().trouble
    clock.pass_(1_000_000)
    assert uploader.make_round().trouble is None
    assert (uploader.done, list(service.puts)) == (1, [])


def test_a_put_whose_answer_was_anothers_is_noticed_and_made_again(
    spool: Spool, stand_in: StandIn, clock: FakeClock
) -> None:
    """A 200 came, but not for this picture: the service still wants it."""
    add(spool, 1)
    stand_in.swallow_puts = 1
    drain(uploader_of(spool, stand_in, clock), clock)
    assert there(stand_in) == digests(1)


def test_an_answer_that_is_said_again_is_not_taken_for_that_of_a_picture_with_the_same_bytes(
    spool: Spool, stand_in: StandIn, clock: FakeClock
) -> None:
    """The first picture's answer comes again when the second one is put, which the store has not
    taken: a camera in the dark may give the same bytes for hours."""
    for _ in range(2):
        add(spool, 1, Stamp(clock.moment()))
        clock.pass_(30_000)
    weather = WeatherAt(stand_in.url, "/blobs/", LATE, "busy")
    drain(uploader_of(spool, stand_in, clock, url=weather.url), clock)
    weather.stop()
    assert there(stand_in) == digests(1, 1)


def test_an_offer_that_is_made_again_is_not_taken_for_that_of_a_picture_with_the_same_bytes(
    spool: Spool, stand_in: StandIn, clock: FakeClock
) -> None:
    add(spool, 1)
    weather = WeatherAt(stand_in.url, "/v1/captures/uploads", LATE)
    service = uploader_of(spool, stand_in, clock, url=weather.url).service
    (entry,) = spool.list_next("door", 1, 1_000_000)
    service.find_camera_id("door")
    offers = [
        service.offer_pictures([replace(entry, captured_at_ms=entry.captured_at_ms + later_ms)])
        for later_ms in (0, 30_000)
    ]
    weather.stop()
    assert len({one.id for (one,) in offers}) == 2


def test_an_offer_is_known_though_another_camera_closes_the_connections_while_it_is_made(
    spool: Spool, stand_in: StandIn, clock: FakeClock
) -> None:
    """The key is read just before the offer goes out."""
    add(spool, 1)
    weather = WeatherAt(stand_in.url, "/v1/captures/uploads", LATE)
    service = uploader_of(spool, stand_in, clock, url=weather.url).service
    (entry,) = spool.list_next("door", 1, 1_000_000)
    service.find_camera_id("door")
    key = service.key()

    def read_key() -> str:
        service.http.close_idle()
        return key

    service.key = read_key
    (first,) = service.offer_pictures([entry])
    service.key = lambda: key
    later = replace(entry, captured_at_ms=entry.captured_at_ms + 30_000)
    assert service.offer_pictures([later])[0].id != first.id
    weather.stop()


def test_a_camera_does_not_take_what_another_one_is_told_once_more_for_its_own(
    spool: Spool, stand_in: StandIn, clock: FakeClock, tmp_path: Path
) -> None:
    """All cameras of a box share connections. An answer that a picture is there bears no digest."""
    with spools.open_spool(tmp_path / "other", clock=clock) as other:
        add(other, 1)
        drain(uploader_of(other, stand_in, clock), clock)
    weather = WeatherAt(stand_in.url, "/v1/captures/uploads", LATE)
    door = uploader_of(spool, stand_in, clock, url=weather.url)
    yard = CameraUploader(spool, door.service, "yard", door.service_time, now=door.now)
    assert yard.make_round().idle, "it has asked whose book it is"
    add(spool, 1)
    door.make_round()
    add(spool, 2, origin=Origin("yard", "test"))
    drain(yard, clock)
    weather.stop()
    assert sorted(there(stand_in)) == sorted(digests(1, 2))


def test_a_camera_of_another_name_is_told_the_ids_of_before(spool: Spool) -> None:
    """Somebody renamed it in edge.toml, and its folder's files are sent once more."""
    add(spool, 1)
    add(spool, 1, origin=Origin("front", "test"))
    (door,), (front,) = (spool.list_next(name, 1, 1_000_000) for name in ("door", "front"))
    assert spool.record_done("door", {door.id: "there"}) == 1
    spool.open_camera("front", "http://shop", "key")
    assert spool.record_done("front", {front.id: "there"}) == 1


def test_a_refusal_that_is_said_again_sets_no_other_picture_aside(
    spool: Spool, stand_in: StandIn, clock: FakeClock
) -> None:
    for number in (1, 2):
        add(spool, number)
    stand_in.refuse_sha256[digests(1)[0]] = "index"
    weather = WeatherAt(stand_in.url, "/v1/captures/uploads", *[LATE] * 6)
    uploader = uploader_of(spool, stand_in, clock, url=weather.url)
    drain(uploader, clock)
    weather.stop()
    assert there(stand_in) == digests(2)
    assert uploader.dropped.counts() == {Dropped.REFUSED: 1}


def test_retry_after_is_honoured(spool: Spool, stand_in: StandIn, clock: FakeClock) -> None:
    add(spool, 1)
    stand_in.busy_for = 17
    result = uploader_of(spool, stand_in, clock).make_round()
    assert 17 <= result.wait_s < 18


def test_backoff_grows_while_only_the_puts_fail(
    spool: Spool, stand_in: StandIn, clock: FakeClock
) -> None:
    add(spool, 1)
    stand_in.fails_sha256 |= set(digests(1))
    uploader = uploader_of(spool, stand_in, clock)
    waits = [uploader.make_round().wait_s for _ in range(TRIES_IN_TURN)]
    assert max(waits) > 1.0, waits


def test_bandwidth_bounds_what_a_round_holds(
    spool: Spool, stand_in: StandIn, clock: FakeClock
) -> None:
    for number in range(10):
        add(spool, number)
    spent: list[float] = []
    cap = Bandwidth(
        80.0, now=lambda: clock.boot_ms() / 1000, sleep=lambda seconds: spent.append(seconds)
    )
    uploader = uploader_of(spool, stand_in, clock, bandwidth=cap)
    uploader.make_round()
    assert len(stand_in.books.captures) == 2, (
        "of 1,200 bytes each, in half a minute at 80 bytes a second"
    )


def test_what_is_taken_while_a_backlog_goes_out_is_among_the_next_ones(
    spool: Spool, stand_in: StandIn, clock: FakeClock
) -> None:
    """66 pictures wait; one more comes with each that goes, at 80 bytes a second."""
    for number in range(66):
        add(spool, number)
    cap = Bandwidth(
        80.0,
        now=lambda: clock.boot_ms() / 1000,
        sleep=lambda seconds: clock.pass_(round(seconds * 1000)),
    )
    uploader = uploader_of(spool, stand_in, clock, bandwidth=cap)
    for number in range(66, 76):
        uploader.make_round()
        add(spool, number)
    sent = {row["sha256"] for row in stand_in.captures() if row["state"] != "wanted"}
    assert len(sent & set(digests(*range(66, 75)))) == 9
    assert len(sent & set(digests(*range(66)))) >= 9, "and of the backlog as many"


def test_a_network_that_is_gone_is_no_verdict_on_a_picture(
    spool: Spool, stand_in: StandIn, clock: FakeClock
) -> None:
    add(spool, 1)
    weather = Weather(None, share=0)
    uploader = uploader_of(spool, stand_in, clock, url=weather.url)
    for _ in range(30):
        assert uploader.make_round().trouble
        clock.pass_(60_000)
    weather.goes_to = stand_in.url
    drain(uploader, clock)
    weather.stop()
    assert there(stand_in) == digests(1)


def test_a_copy_that_is_gone_is_set_aside_and_one_that_cannot_be_read_now_is_not(
    spool: Spool, stand_in: StandIn, clock: FakeClock
) -> None:
    for number in (1, 2):
        add(spool, number)
    first, second = copies(spool.folder)
    first.unlink()
    moved = second.rename(second.with_suffix(".away"))
    second.symlink_to(second)  # opening it fails, but not because there is nothing
    uploader = uploader_of(spool, stand_in, clock)
    for _ in range(2 * TRIES_IN_TURN):
        uploader.make_round()
    assert spool.count_totals()["door"].refused == 1
    second.unlink()
    moved.rename(second)
    drain(uploader, clock)
    assert len(stand_in.captures()) == 1
    assert spool.count_totals()["door"].refused == 1


def test_a_time_that_a_heartbeat_measured_is_good_for_pictures(
    spool: Spool, stand_in: StandIn, clock: FakeClock
) -> None:
    """The wall clock is an hour off; the uploader itself never had to ask."""
    clock.wall_error_ms = 3_600_000
    add(spool, 1, Stamp(clock.moment()))
    uploader = uploader_of(spool, stand_in, clock)
    uploader.service_time.take_sample(clock.true_ms, clock.boot_ms(), clock.boot_ms())
    drain(uploader, clock)
    (row,) = stand_in.captures()
    assert row["captured_at"] == pictures.text(clock.true_ms)


def test_a_line_too_slow_for_a_good_time_is_not_asked_for_it_each_round(
    spool: Spool, stand_in: StandIn, clock: FakeClock
) -> None:
    asked: list[int] = []

    def slow_ms() -> int:
        asked.append(1)
        clock.pass_(3_000)
        return clock.true_ms - 1_500

    stand_in.now_ms = slow_ms
    uploader = uploader_of(spool, stand_in, clock)
    for number in range(10):
        add(spool, number, Stamp(clock.moment()))
        uploader.make_round()
    assert len(stand_in.captures()) == 10
    assert len(asked) < 10 * 2 + 12, "two for each offer of the stand-in's, and one measurement"


def test_a_pictures_track_goes_with_it_and_another_offer_of_it_is_the_same_capture(
    spool: Spool, clock: FakeClock, stand_in: StandIn
) -> None:
    for number, track in ((1, "t-1"), (2, "")):
        add(spool, number, Stamp(clock.moment()), track=track)
    drain(uploader_of(spool, stand_in, clock), clock)
    assert there(stand_in) == digests(1, 2)
    assert [stand_in.tracks.get(digest) for digest in digests(1, 2)] == ["t-1", None]


MIB = 2**20
PICTURE_BYTES = 60_000


def ms(year: int, month: int, day: int, hour: int = 0) -> int:
    return round(datetime(year, month, day, hour, tzinfo=UTC).timestamp() * 1000)


def test_bytes_are_counted_by_month(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    now = ms(2026, 1, 31, 23)
    with spools.open_spool(tmp_path) as spool:
        allowance = Allowance(spool.books, 3 * MIB, lambda: now, UTC)
        with caplog.at_level(logging.WARNING):
            for _ in range(30):
                allowance.spend(MIB // 10)
            assert not allowance.is_spent()
            allowance.spend(18)
        assert (allowance.read_spent_bytes(), allowance.is_spent()) == (3 * MIB, True)
        assert [record.getMessage() for record in caplog.records] == [
            "the 3 MiB of this month are sent; pictures wait for the next one"
        ]
        now = ms(2026, 2, 1)
        assert (allowance.read_spent_bytes(), allowance.is_spent()) == (0, False)


def test_the_count_outlives_the_process(tmp_path: Path) -> None:
    sent = 0
    for _ in range(3):
        with spools.open_spool(tmp_path) as spool:
            allowance = Allowance(spool.books, math.inf, lambda: ms(2026, 1, 5), UTC)
            assert allowance.read_spent_bytes() == sent
            allowance.spend(2 * MIB + 7)
            allowance.spend(1000)
            sent += 2 * MIB + 1007


def test_pictures_wait_for_the_next_month(
    stand_in: StandIn, tmp_path: Path, clock: FakeClock
) -> None:
    stand_in.now_ms = clock.wall_ms
    with spools.open_spool(tmp_path / "spool", clock=clock) as spool:
        for number in range(40):
            add(spool, number, Stamp(clock.moment()), size=PICTURE_BYTES)
        allowance = Allowance(spool.books, MIB, clock.wall_ms, UTC)
        service_time = ServiceTime(clock)
        uploader = CameraUploader(
            spool,
            Service(
                Http(clock),
                stand_in.url,
                partial(str, stand_in.key),
                service_time,
                makes_cameras=True,
            ),
            "door",
            service_time,
            spend=allowance.spend,
            is_spent=allowance.is_spent,
        )
        rounds = [uploader.make_round() for _ in range(6)]
        assert rounds[-1].wait_s == SPENT_WAIT_S, rounds
        sent = math.ceil(MIB / PICTURE_BYTES)
        assert len(spool.list_next("door", 100, 10**9)) == 40 - sent
        assert uploader.done == sent, "those that were put are confirmed, too"
        clock.pass_(31 * 86_400_000)
        assert any(uploader.make_round().wait_s == SPENT_WAIT_S for _ in range(20))
        assert len(spool.list_next("door", 100, 10**9)) == 40 - 2 * sent


def test_the_cap_is_set_in_mib() -> None:
    server = {"url": "https://regulars.example"}
    assert (
        config.parse_config({"server": server, "upload": {"mib_per_month": 500}}).bytes_a_month
        == 500 * MIB
    )
    assert config.parse_config({"server": server}).bytes_a_month == math.inf
    with pytest.raises(Misconfigured, match="more than 0"):
        config.parse_config({"server": server, "upload": {"mib_per_month": 0}})


def test_settings_that_wait_for_a_file_are_taken_when_it_is_there_and_told_once_until_then(
    spool: Spool, stand_in: StandIn, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    wired: list[config.CameraConfig] = []

    def wire(camera: config.CameraConfig) -> Wiring:
        wired.append(camera)
        if len(wired) < 3:
            raise Misconfigured("the password's file is missing")
        return Wiring(
            FolderSource(spool.folder, clock), Everything(), PerMinute(None), lambda: True
        )

    health = health_of(uploader_of(spool, stand_in, clock))
    health.captures = [replace(health.captures[0], make=wire)]
    said = []
    for _ in range(5):
        health.take_settings({"send": "motion"})
        said.append(health.find_error())
    unfit = "the service's settings cannot be used: the password's file is missing"
    assert said == [unfit, unfit, None, None, None]
    assert caplog.text.count(unfit) == 1
    assert len(wired) == 3


def test_settings_that_change_nothing_of_a_camera_leave_its_source_alone(
    spool: Spool, stand_in: StandIn, clock: FakeClock
) -> None:
    """A wave of versions would open all streams of all boxes anew."""
    wired: list[str] = []

    def wire(camera: config.CameraConfig) -> Wiring:
        wired.append(camera.choice)
        return Wiring(
            FolderSource(spool.folder, clock), Everything(), PerMinute(None), lambda: True
        )

    health = health_of(uploader_of(spool, stand_in, clock))
    health.captures = [replace(health.captures[0], make=wire)]
    for settings in (
        {"version": "1.2.3"},
        {"send": "motion"},
        {"send": "motion", "kib_per_s": 9},
        {"version": "1.2.4"},
    ):
        health.take_settings(settings)
    assert wired == ["motion", "all"]


def test_too_many_pictures_without_a_face_are_told_once_until_there_are_few(
    spool: Spool, stand_in: StandIn, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    health = health_of(uploader_of(spool, stand_in, clock))
    health.send_heartbeat()
    said = []
    for share in (None, 0.79, 0.8, 0.95, 0.2, 0.9):
        stand_in.books.cameras["door"]["faceless_share"] = share
        health.send_heartbeat()
        said.append([text for text in caplog.messages if "no face" in text])
    assert [len(texts) for texts in said] == [0, 0, 1, 1, 1, 2]
    assert "80 % of the last pictures show no face" in said[-1][0]


def test_the_log_says_once_that_pictures_get_through_and_once_that_they_do_again(
    spool: Spool, stand_in: StandIn, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    uploader = uploader_of(spool, stand_in, clock)
    for number in (1, 2):
        add(spool, number)
        drain(uploader, clock)
    assert caplog.text.count("the first picture since the start is at the service") == 1
    add(spool, 3)
    stand_in.url_good_s = -1
    for _ in range(3):
        uploader.make_round()
    stand_in.url_good_s = 900
    add(spool, 4)
    drain(uploader, clock)
    assert caplog.text.count("pictures get to the service again") == 1


def test_a_heart_says_once_that_nobody_hears_it_and_once_that_it_is_heard_again(
    spool: Spool, stand_in: StandIn, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    key, time = {"now": stand_in.key}, ServiceTime(clock)
    service = Service(Http(clock), stand_in.url, lambda: key["now"], time, makes_cameras=True)
    health = health_of(CameraUploader(spool, service, "door", time))
    for now in (stand_in.key, "wrong", "wrong", stand_in.key, stand_in.key):
        key["now"] = now
        health.send_heartbeat()
        assert health.is_heard is (now == stand_in.key)
    said = [text for text in caplog.messages if "heartbeat" in text or "hears it" in text]
    assert len(said) == 2, said
    assert said[1] == "door: the service hears it again"


def test_a_camera_that_was_made_anew_under_its_name_is_heard_from_the_next_heartbeat_but_one(
    spool: Spool, stand_in: StandIn, clock: FakeClock
) -> None:
    health = health_of(uploader_of(spool, stand_in, clock))
    for id_ in ("c1", "c2"):
        stand_in.books.cameras = {
            id_: {"id": id_, "name": "door", "api_key": f"key-of-{id_}", "enabled": True}
        }
        for _ in range(2):
            health.send_heartbeat()
        assert (health.is_heard, stand_in.books.heartbeats[-1][0]) == (True, id_)


def test_a_heartbeat_tells_that_a_view_has_changed_and_brings_the_word_that_it_is_right(
    spool: Spool, stand_in: StandIn, clock: FakeClock
) -> None:
    said_at = "2026-03-01T12:00:00.000Z"
    health = Health(uploader_of(spool, stand_in, clock), Machine("0123456789abcdef", "shop"), 300.0)
    black, told = encode_jpeg(Image.new("RGB", (320, 240))), list[dict[str, Any]]()

    def beat() -> None:
        health.send_heartbeat()
        told.append(stand_in.books.heartbeats[-1][1]["status"])
        clock.pass_(60_000)

    class Dark:
        def frames(self, _stop: threading.Event) -> Iterator[Frame | None]:
            for right_at in (None, said_at, said_at, said_at):
                yield EncodedFrame(black, Stamp(clock.moment()))
                beat()
                stand_in.books.cameras["door"]["view_right_at"] = right_at

    for _ in ("the first time", "after a restart"):
        health.captures = [capture_of(spool, Dark())]
        health.captures[0].run(threading.Event())
    assert [one.get("view_changed") for one in told] == [True, True, True, None] + [None] * 4
    assert [one.get("view_right_at") for one in told] == [None] * 3 + [said_at] * 5
    assert ["error" in one for one in told] == [True] * 3 + [False] * 5
    assert [one.get("trouble") for one in told] == ["covered"] * 3 + [None] * 5


@pytest.mark.parametrize(
    ("error", "name"),
    [
        (PasswordRefused("no"), "login"),
        (TooLate("70 s behind"), "slow"),
        (SpoolFull("no room"), "full"),
        (SourceFailed("no answer"), None),
        (ValueError("a fault of ours"), None),
    ],
)
def test_a_heartbeat_names_what_is_wrong_beside_its_sentence(
    spool: Spool, stand_in: StandIn, clock: FakeClock, error: Exception, name: str | None
) -> None:
    health = Health(uploader_of(spool, stand_in, clock), Machine("0123456789abcdef", "shop"), 300.0)

    class Broken:
        def frames(self, stop: threading.Event) -> Iterator[Frame | None]:
            stop.set()
            raise error
            yield None

    health.captures = [capture_of(spool, Broken())]
    with suppress(ValueError, SpoolFull):  # which end the process
        health.captures[0].run(threading.Event())
    told = health.describe()
    assert (told["error"], told.get("trouble")) == (str(error), name)


@pytest.mark.parametrize(
    ("makes", "name"), [(True, "upload_error"), (False, "error")], ids=["busy", "no such camera"]
)
def test_only_an_upload_that_needs_somebody_is_an_error_and_none_is_outside_of_the_hours(
    spool: Spool, stand_in: StandIn, clock: FakeClock, *, makes: bool, name: str
) -> None:
    add(spool, 1)
    uploader = uploader_of(spool, stand_in, clock, makes=makes)
    health = health_of(uploader)
    stand_in.busy_for = 17 if makes else 0
    uploader.last = uploader.make_round()
    told = health.describe()
    assert told[name]
    assert ("error" in told) is not makes
    clock.pass_(3_601_000)
    assert "error" in health.describe(), "a picture has waited for an hour"
    uploader.hours = Hours([range(1)], within=Hours([range(1, 2)]))  # never

    class Stop(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            self.set()
            return True

    uploader.run(Stop())
    assert health.describe().keys().isdisjoint({"error", "upload_error"})


@pytest.mark.parametrize(
    ("source", "error_ms", "name"),
    [
        ("folder", 59_000, None),
        ("folder", -90_000, "clock"),
        ("video", 90_000, "clock"),
        ("rtsp", 90_000, None),
    ],
)
def test_a_wrong_clock_is_told_where_pictures_have_its_times(
    spool: Spool, stand_in: StandIn, clock: FakeClock, source: str, error_ms: int, name: str | None
) -> None:
    add(spool, 1, Stamp(clock.moment()))
    uploader = uploader_of(spool, stand_in, clock)
    drain(uploader, clock)
    health = Health(uploader, Machine("0123456789abcdef", "shop"), 300.0)
    camera = config.CameraConfig("door", source)
    health.add_capture(Capture(camera, not_wired, spool, uploader.dropped))
    clock.wall_error_ms = error_ms
    told = health.describe()
    assert (told["clock_error_s"], told.get("trouble")) == (error_ms / 1000, name)


def test_a_view_of_the_morning_is_sent_once_it_is_due_and_hides_what_is_masked(
    spool: Spool, stand_in: StandIn, clock: FakeClock
) -> None:
    health, now = health_of(uploader_of(spool, stand_in, clock)), [0.0]
    morning = health.morning = MorningView(lambda: now[0])
    row = {"name": "door", "source": "snapshot", "url": "http://cam/a.jpg", "send": "all"}
    camera = config.parse_config(
        {
            "server": {"url": "https://regulars.example"},
            "camera": [row | {"masks": [[0.0, 0.0, 0.5, 1.0]]}],
        }
    ).cameras[0]

    def pass_a_morning(place: Image.Image) -> None:
        picture = encode_jpeg(place.convert("RGB"))
        for _ in range(LOOKS):
            now[0] += LOOK_EVERY_S
            frame = EncodedFrame(picture, Stamp(clock.moment()))
            list(make_chooser(camera, morning=morning).choose([frame]))

    for number, seed in enumerate((7, 7, 99), start=1):
        pass_a_morning(street.scene(seed))
        health.send_heartbeat()
        assert len(stand_in.books.views) == number - 1, "nobody misses it"
        stand_in.books.cameras["door"]["view_due"] = True
        health.send_heartbeat()
        pass_a_morning(street.scene(seed))
        health.send_heartbeat()
        assert len(stand_in.books.views) == number
    told = [sent["status"].get("view_changed") for _, sent in stand_in.books.heartbeats]
    assert told == [None] * 8 + [True]
    with Image.open(io.BytesIO(stand_in.books.views[0])) as seen:
        assert (seen.mode, seen.size) == ("L", (256, 144))
        assert max(seen.crop((0, 0, 120, 144)).tobytes()) < 12, "black within the mask"
        assert max(seen.crop((136, 0, 256, 144)).tobytes()) > 100


class Thrice(threading.Event):
    """Ends what waits for it after three waits, which take no time."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[float | None] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.waits.append(timeout)
        if len(self.waits) == 3:
            self.set()
        return self.is_set()


@pytest.mark.parametrize(
    ("asked", "waits"), [(None, [300.0] * 3), ("2026-03-01T12:00:00.000Z", [AIMED_BEAT_S] * 3)]
)
def test_heartbeats_come_soon_while_somebody_aims_the_camera(
    spool: Spool, stand_in: StandIn, clock: FakeClock, asked: str | None, waits: list[float]
) -> None:
    health, stop = health_of(uploader_of(spool, stand_in, clock)), Thrice()
    health.aim = Preview()
    health.uploader.service.find_camera_id("door")
    stand_in.books.cameras["door"]["still_asked_at"] = asked
    health.run(stop)
    assert stop.waits == waits
    assert health.aim.is_wanted is (asked is not None)
