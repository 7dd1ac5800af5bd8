"""What is dropped is counted by reason."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from regulars_edge.capture import Capture
from regulars_edge.choose.chooser import Chooser, Everything
from regulars_edge.clock import Anchor, moment
from regulars_edge.pace import PerMinute
from regulars_edge.sources.source import EncodedFrame, Frame
from regulars_edge.spool import spool as spools
from regulars_edge.spool.model import Finding, Limits, Stamp
from regulars_edge.tally import SAY_EVERY_S, Dropped, Tally
from rig import pictures
from rig.clock import FakeClock
from rig.spooled import DOOR


def test_the_log_has_the_first_of_a_reason_and_then_how_many_now_and_then(caplog: pytest.LogCaptureFixture) -> None:
    now = [0.0]
    tally = Tally("door", lambda: now[0])
    with caplog.at_level(logging.INFO):
        for _ in range(50):
            tally.add(Dropped.PER_MINUTE)
        tally.add(Dropped.NOT_CHOSEN)
        now[0] = SAY_EVERY_S
        tally.add(Dropped.PER_MINUTE)
    assert [record.getMessage().split(",")[0] for record in caplog.records] == [
        "door: 1 dropped since the start",
        "door: 1 dropped since the start",
        "door: 51 dropped since the start",
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
            yield EncodedFrame(data, Stamp(moment(self._clock)))


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
                yield from (EncodedFrame(frame.encoded()[:-1] + bytes([part]), frame.stamp) for part in range(2))


def test_a_films_frame_waits_for_room_and_is_not_lost(tmp_path: Path) -> None:
    clock, tally = FakeClock(), Tally("door")
    room = Limits(2 * len(pictures.jpeg(0)), 0)
    with spools.opened(tmp_path / "spool", room, clock) as spool:

        class Stop(threading.Event):
            """While somebody waits, a picture is sent."""

            def wait(self, timeout: float | None = None) -> bool:
                first, *_ = spool.outbox.next("door", 1, 10**9)
                spool.outbox.record("door", [Finding(first.id, str(first.id), True)])
                return False

        spool.outbox.remember(Anchor(0, 1, 0))
        source, limit = Six(clock), PerMinute(None)
        Capture(DOOR, source, Everything(), spool, per_minute=limit, waits=True, dropped=tally).run(Stop())
        assert (spool.totals()["door"].sent, spool.totals()["door"].unsent) == (4, 2)
    assert tally.counts() == {}


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
    tmp_path: Path, chooser: Chooser, limit: int | None, max_bytes: int, data: tuple[bytes, ...], counted: object
) -> None:
    clock, tally = FakeClock(), Tally("door")
    with spools.opened(tmp_path / "spool", Limits(max_bytes, 0), clock) as spool:
        per_minute = PerMinute(limit, lambda: 0.0)
        source = Six(clock, data)
        capture = Capture(DOOR, source, chooser, spool, per_minute=per_minute, waits=False, dropped=tally)
        capture.run(threading.Event())
    assert tally.counts() == counted
