"""What a source gives is taken, at its hours and so many a minute, or counted as dropped with the
reason."""

import logging
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from regulars_edge.capture import MOST_WAITING, Capture, Wiring
from regulars_edge.choose.by_face import BestShot
from regulars_edge.choose.chooser import Chooser, Everything
from regulars_edge.choose.faces import Face
from regulars_edge.clock import Anchor, Moment, parse_moment
from regulars_edge.config import CameraConfig
from regulars_edge.errors import Misconfigured, SourceFailed
from regulars_edge.frames import HELD_BYTES, EncodedFrame, Frame
from regulars_edge.logs import SAY_EVERY_S, Dropped, Tally
from regulars_edge.pace import PerMinute
from regulars_edge.spool import spool as spools
from regulars_edge.spool.model import Limits, Stamp
from regulars_edge.spool.spool import Spool
from rig import pictures
from rig.clock import FakeClock
from rig.spooled import capture_of

PER_MINUTE, A_SECOND, SECONDS = 10, 5, 130


class Film:
    """A frame each 0.2 s, worth what it is told; then silence, then the end."""

    def __init__(
        self, worths: list[float], clock: FakeClock, quiet_s: int = 0, size: int = 0
    ) -> None:
        self._worths = worths
        self._more = bytes(size)
        self._clock = clock
        self._quiet_s = quiet_s

    def frames(self, stop: threading.Event) -> Iterator[Frame | None]:
        for number, worth in enumerate(self._worths):
            self._clock.pass_(1000 // A_SECOND)
            frame = EncodedFrame(
                pictures.jpeg(number) + self._more, Stamp(Moment("boot", number, number))
            )
            frame.worth = worth
            yield frame
        for _ in range(self._quiet_s):
            self._clock.pass_(1000)
            yield None


def filmed(
    folder: Path, worths: list[float], quiet_s: int = 0, size: int = 0
) -> tuple[Spool, list[int]]:
    """The spool afterwards, and the numbers of the frames in it."""
    clock = FakeClock()
    with spools.open_spool(folder, clock=clock) as spool:
        per_minute = PerMinute(PER_MINUTE, lambda: clock.boot_ms() / 1000)
        source = Film(worths, clock, quiet_s, size)
        dropped = Tally("door")
        capture_of(spool, source, per_minute=per_minute, dropped=dropped).run(threading.Event())
        rows = [row[0] for row in spool.books.read_rows("SELECT boot_ms FROM pictures ORDER BY id")]
    left_out = dropped.counts().get(Dropped.PER_MINUTE, 0)
    assert left_out == len(worths) - len(rows), "each is in the spool or counted"
    return spool, rows


def test_the_best_are_taken_later(tmp_path: Path) -> None:
    """The first ten are as they come; of the other 90, the eight best get their turn in the next
    minute."""
    worths = [float(number * 37 % 101) for number in range(100)]
    _, rows = filmed(tmp_path, worths, quiet_s=61)
    assert rows[:PER_MINUTE] == list(range(PER_MINUTE))
    best = sorted(range(PER_MINUTE, 100), key=lambda number: -worths[number])[:8]
    assert rows[PER_MINUTE:] == best


def test_of_frames_that_are_worth_as_much_the_oldest_are_taken_in_their_order(
    tmp_path: Path,
) -> None:
    _, rows = filmed(tmp_path, [1.0] * 100, quiet_s=61)
    assert rows == list(range(PER_MINUTE + MOST_WAITING))


def test_of_frames_that_are_too_large_to_wait_together_the_best_stay(tmp_path: Path) -> None:
    _, rows = filmed(
        tmp_path, [0.0] * PER_MINUTE + [0.3, 0.5, 0.2, 0.4, 0.9, 0.1, 0.3], 61, size=HELD_BYTES // 4
    )
    assert rows[PER_MINUTE:] == [PER_MINUTE + number for number in (4, 1, 3)]


class Stream:
    """Gives three frames, and then the hours are over."""

    def __init__(self) -> None:
        self.opened = 0
        self.given = 0
        self.is_hour = True

    def frames(self, stop: threading.Event) -> Iterator[Frame]:
        self.opened += 1
        while True:
            self.given += 1
            self.is_hour = self.given % 4 != 0
            yield EncodedFrame(
                pictures.jpeg(self.given), Stamp(Moment("boot", self.given, self.given))
            )


class LastOf:
    """Chooses when the frames end, as best_shot does with faces that are still there."""

    held = 0

    def choose(self, frames: Iterable[Frame]) -> Iterator[Frame]:
        yield from list(frames)[-1:]


def test_a_camera_rests_outside_of_its_hours_and_begins_again(tmp_path: Path) -> None:
    stop, stream, looks = threading.Event(), Stream(), 0

    def is_open() -> bool:
        """Tells the hours; they come again after some looks, once."""
        nonlocal looks
        looks += not stream.is_hour
        if stream.opened == 2 and not stream.is_hour:
            stop.set()
        return stream.is_hour or (stream.opened == 1 and looks > 3)

    with spools.open_spool(tmp_path / "spool") as spool:
        capture = capture_of(spool, stream, LastOf(), is_open=is_open)
        began = time.monotonic()
        capture.run(stop)
        taken = [
            row[0] for row in spool.books.read_rows("SELECT boot_ms FROM pictures ORDER BY id")
        ]
    assert taken == [3, 7], "what was chosen until then goes out when the hours end"
    assert (stream.opened, capture.finished) == (2, False)
    assert capture.alive_at >= began


def test_the_log_has_the_first_of_a_reason_and_then_how_many_now_and_then(
    caplog: pytest.LogCaptureFixture,
) -> None:
    now = [0.0]
    tally = Tally("door", lambda: now[0])
    with caplog.at_level(logging.INFO):
        for _ in range(50):
            tally.add(Dropped.PER_MINUTE)
        tally.add(Dropped.NOT_CHOSEN)
        now[0] = SAY_EVERY_S
        tally.add(Dropped.PER_MINUTE)
    assert [record.getMessage().rpartition(":")[0] for record in caplog.records] == [
        "door: 1 left out since the start",
        "door: 1 left out since the start",
        "door: 51 left out since the start",
    ]
    assert tally.counts() == {Dropped.PER_MINUTE: 51, Dropped.NOT_CHOSEN: 1}


class Six:
    """A source of six pictures, or of others."""

    def __init__(self, clock: FakeClock, bytes_: Iterable[bytes] = ()) -> None:
        self._clock = clock
        self._bytes = list(bytes_) or [pictures.jpeg(number) for number in range(6)]

    def frames(self, stop: threading.Event) -> Iterator[Frame | None]:
        for data in self._bytes:
            self._clock.pass_(5_000)
            yield EncodedFrame(data, Stamp(parse_moment(self._clock)))


class BestOfThree:
    held = 0

    def choose(self, frames: Iterable[Frame]) -> Iterator[Frame]:
        held: list[Frame] = []
        for frame in frames:
            held.append(frame)
            if len(held) == 3:
                yield held[0]
                held.clear()


class FirstOfAll:
    """Chooses when the frames end, and until then it may be any of them."""

    held = 0

    def choose(self, frames: Iterable[Frame]) -> Iterator[Frame]:
        for frame in frames:
            best = frame
            self.held = 1
        self.held = 0
        yield best


class InTwo:
    """Two crops of every second frame."""

    held = 0

    def choose(self, frames: Iterable[Frame]) -> Iterator[Frame]:
        for number, frame in enumerate(frames):
            if number % 2:
                yield from (
                    EncodedFrame(frame.encode_picture()[:-1] + bytes([part]), frame.stamp)
                    for part in range(2)
                )


class AtTheEnd:
    """Holds all frames until there are no more."""

    held = 0

    def choose(self, frames: Iterable[Frame]) -> Iterator[Frame]:
        yield from list(frames)


def test_a_films_frame_waits_for_room_and_is_not_lost(tmp_path: Path) -> None:
    clock, tally = FakeClock(), Tally("door")
    room = Limits(2 * len(pictures.jpeg(0)), 0)
    with spools.open_spool(tmp_path / "spool", room, clock) as spool:

        class Stop(threading.Event):
            """While somebody waits, a picture is sent."""

            def wait(self, timeout: float | None = None) -> bool:
                first, *_ = spool.list_next("door", 1, 10**9)
                spool.record_done("door", {first.id: str(first.id)})
                return False

        spool.remember_anchor(Anchor(0, 1, 0))
        capture_of(spool, Six(clock), waits=True, dropped=tally).run(Stop())
        assert (spool.count_totals()["door"].sent, spool.count_totals()["door"].unsent) == (4, 2)
    assert tally.counts() == {}


def test_a_source_whose_hours_close_for_a_moment_goes_on(tmp_path: Path) -> None:
    """Once the service's clock was heard, the hours may be others."""
    clock, open_ = FakeClock(), iter([True, True, False])
    with spools.open_spool(tmp_path / "spool", clock=clock) as spool:
        capture_of(spool, Six(clock), is_open=lambda: next(open_, True)).run(threading.Event())
        assert spool.count_totals()["door"].unsent == 7


def test_a_film_has_not_ended_before_what_was_held_of_it_is_taken(tmp_path: Path) -> None:
    """Else the uploader, which ends with the last source, would end while faces wait for their
    turn.

    Nor does it hang meanwhile, however many there are.
    """
    clock, ended, turned = FakeClock(), [], set()
    with spools.open_spool(tmp_path / "spool", clock=clock) as spool:

        class Stop(threading.Event):
            """While a frame waits for its minute, somebody asks whether the film has ended."""

            def wait(self, timeout: float | None = None) -> bool:
                ended.append(capture.finished)
                turned.add(capture.turned_at)
                clock.pass_(60_000)
                return False

        per_minute = PerMinute(1, lambda: clock.boot_ms() / 1000)
        capture = capture_of(spool, Six(clock), AtTheEnd(), per_minute, waits=True)
        capture.run(Stop())
        assert (ended, capture.finished, spool.count_totals()["door"].unsent) == (
            [False] * 5,
            True,
            6,
        )
    assert len(turned) == len(ended)


@pytest.mark.parametrize(
    ("chooser", "limit", "max_bytes", "data", "counted"),
    [
        (Everything(), None, 2**30, (), {}),
        (BestOfThree(), None, 2**30, (), {Dropped.NOT_CHOSEN: 4}),
        (FirstOfAll(), None, 2**30, (), {Dropped.NOT_CHOSEN: 5}),
        (InTwo(), None, 2**30, (), {Dropped.NOT_CHOSEN: 3}),
        (Everything(), 2, 2**30, (), {Dropped.PER_MINUTE: 4}),
        (Everything(), None, 10, (), {Dropped.SPOOL_FULL: 6}),
        (Everything(), None, 2**30, (b"<html>", b""), {Dropped.DAMAGED: 2}),
    ],
    ids=["all", "chosen", "held", "crops", "per minute", "full", "damaged"],
)
def test_a_source_counts_what_it_drops(
    tmp_path: Path,
    chooser: Chooser,
    limit: int | None,
    max_bytes: int,
    data: tuple[bytes, ...],
    counted: object,
) -> None:
    clock, tally = FakeClock(), Tally("door")
    with spools.open_spool(tmp_path / "spool", Limits(max_bytes, 0), clock) as spool:
        capture = capture_of(
            spool, Six(clock, data), chooser, PerMinute(limit, lambda: 0.0), dropped=tally
        )
        capture.run(threading.Event())
    assert tally.counts() == counted


@pytest.mark.parametrize("happens", ["other settings", "its hours end"])
def test_a_frame_that_comes_with_other_settings_or_behind_the_hours_is_counted(
    tmp_path: Path, happens: str
) -> None:
    clock, tally, is_open = FakeClock(), Tally("door"), [True]

    class Changing(Six):
        def frames(self, stop: threading.Event) -> Iterator[Frame | None]:
            for number, frame in enumerate(super().frames(stop)):
                if number == 3 and happens == "other settings":
                    capture.rewire(Wiring(Six(clock), Everything(), PerMinute(None), lambda: True))
                elif number == 3:
                    is_open[0] = False
                    stop.set()
                yield frame

    with spools.open_spool(tmp_path / "spool", clock=clock) as spool:
        capture = capture_of(spool, Changing(clock), is_open=lambda: is_open[0], dropped=tally)
        capture.run(threading.Event())
    assert tally.counts() == {Dropped.NOT_CHOSEN: 1}


class Somebody:
    """A detector that sees one face, who stands still."""

    def find_faces(self, frame: Frame) -> list[Face]:
        return [
            Face(
                (2.0, 2.0, 10.0, 10.0),
                ((5.0, 5.0), (9.0, 5.0), (7.0, 7.0), (5.0, 9.0), (9.0, 9.0)),
                0.9,
            )
        ]


@pytest.mark.parametrize("fault", [SourceFailed("the stream has ended"), OSError("a driver's own")])
def test_what_is_held_when_a_source_fails_is_taken_even_if_the_box_stops_then(
    tmp_path: Path, fault: Exception
) -> None:
    clock, tally, stop = FakeClock(), Tally("door"), threading.Event()

    class Failing(Six):
        def frames(self, stop: threading.Event) -> Iterator[Frame | None]:
            yield from super().frames(stop)
            stop.set()
            raise fault

    with spools.open_spool(tmp_path / "spool", clock=clock) as spool:
        capture = capture_of(
            spool, Failing(clock), BestShot(Somebody(), longest_s=600), dropped=tally
        )
        with suppress(OSError):
            capture.run(stop)
        ((taken,),) = spool.books.read_rows("SELECT count(*) FROM pictures")
    assert taken + sum(tally.counts().values()) == 6
    assert taken >= 1


def test_settings_that_can_be_used_come_in_place_of_those_that_never_could(tmp_path: Path) -> None:
    def no_model(_: CameraConfig) -> Wiring:
        raise Misconfigured("`send` needs onnxruntime")

    clock = FakeClock()
    with spools.open_spool(tmp_path, clock=clock) as spool:
        capture = Capture(CameraConfig("door", "snapshot"), no_model, spool, Tally("door"))
        with pytest.raises(Misconfigured):
            capture.run(threading.Event())
        assert capture.trouble == "`send` needs onnxruntime"
        capture.rewire(Wiring(Six(clock), Everything(), PerMinute(None), lambda: True))
        capture.run(threading.Event())
        assert (capture.trouble, spool.count_totals()["door"].unsent) == (None, 6)


class Failing:
    """A source that does not answer."""

    def frames(self, _stop: threading.Event) -> Iterator[Frame | None]:
        raise SourceFailed("no answer")
        yield None


def test_nothing_is_wrong_with_a_camera_that_rests(tmp_path: Path) -> None:
    is_open, said = [True, False, False], list[object]()
    with spools.open_spool(tmp_path / "spool", Limits(0, 0)) as spool:

        class Stop(threading.Event):
            """Looks how the camera is after it failed, and while it rests."""

            def wait(self, timeout: float | None = None) -> bool:
                said.append((capture.find_fault(), capture.name_fault()))
                if not is_open:
                    self.set()
                return False

        capture = capture_of(spool, Failing(), is_open=lambda: is_open.pop(0))
        capture.run(Stop())
    assert said == [("no answer", None), (None, None), (None, None)]


def test_a_full_spool_is_told_until_a_picture_has_room(tmp_path: Path) -> None:
    clock, said = FakeClock(), list[object]()
    room = Limits(2 * len(pictures.jpeg(0)), 0)
    with spools.open_spool(tmp_path / "spool", room, clock) as spool:

        class Watched(Six):
            """Says how the camera is after each frame; before the last one a picture is sent."""

            def frames(self, stop: threading.Event) -> Iterator[Frame | None]:
                for number, frame in enumerate(super().frames(stop)):
                    if number == 5:
                        first, *_ = spool.list_next("door", 1, 10**9)
                        spool.record_done("door", {first.id: str(first.id)})
                    yield frame
                    yield None  # a sign of life, which says nothing of the spool
                    said.append(capture.name_fault())
                    assert ("no room" in (capture.find_fault() or "")) == bool(said[-1])

        spool.remember_anchor(Anchor(0, 1, 0))
        capture = capture_of(spool, Watched(clock))
        capture.run(threading.Event())
    assert said[:6] == [None, None, "full", "full", "full", None]
