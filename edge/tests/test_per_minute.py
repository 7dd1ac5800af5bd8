"""What comes beyond `per_minute`: the best wait for their turn, the others are counted and said."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from regulars_edge.capture import Capture
from regulars_edge.choose.chooser import Everything
from regulars_edge.clock import Moment
from regulars_edge.pace import PerMinute
from regulars_edge.sources.source import EncodedFrame, Frame
from regulars_edge.spool import spool as spools
from regulars_edge.spool.model import Origin, Stamp
from regulars_edge.spool.spool import Spool
from rig import pictures
from rig.clock import FakeClock

PER_MINUTE, A_SECOND, SECONDS = 10, 5, 130


class Film:
    """A frame each 0.2 s, worth what it is told; then silence, then the end."""

    def __init__(self, worths: list[float], clock: FakeClock, quiet_s: int = 0) -> None:
        self._worths = worths
        self._clock = clock
        self._quiet_s = quiet_s

    def frames(self, stop: threading.Event) -> Iterator[Frame | None]:
        for number, worth in enumerate(self._worths):
            self._clock.pass_(1000 // A_SECOND)
            frame = EncodedFrame(pictures.jpeg(number), Stamp(Moment("boot", number, number)))
            frame.worth = worth
            yield frame
        for _ in range(self._quiet_s):
            self._clock.pass_(1000)
            yield None


def filmed(folder: Path, worths: list[float], quiet_s: int = 0) -> tuple[Spool, list[int]]:
    """The spool afterwards, and the numbers of the frames in it."""
    clock = FakeClock()
    with spools.opened(folder, clock=clock) as spool:
        per_minute = PerMinute(PER_MINUTE, lambda: clock.boot_ms() / 1000)
        source = Film(worths, clock, quiet_s)
        capture = Capture(Origin("door", "film"), source, Everything(), spool, per_minute=per_minute, waits=False)
        capture.run(threading.Event())
        ((passed_over,),) = [(one.passed_over,) for one in spool.totals().values()]
        rows = [row[0] for row in spool.books.rows("SELECT boot_ms FROM pictures ORDER BY id")]
    assert passed_over == len(worths) - len(rows), "each is in the spool or counted"
    return spool, rows


def test_pictures_beyond_the_number_a_minute_are_counted_and_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        _, rows = filmed(tmp_path, [0.0] * A_SECOND * SECONDS)
    assert 20 <= len(rows) <= 3 * PER_MINUTE, "130 seconds"
    said = [record.getMessage() for record in caplog.records]
    assert said
    assert all("door: " in line and "`per_minute`" in line for line in said)


def test_the_best_are_taken_later(tmp_path: Path) -> None:
    """The first ten are as they come; of the other 90, the eight best get their turn in the next minute."""
    worths = [float(number * 37 % 101) for number in range(100)]
    _, rows = filmed(tmp_path, worths, quiet_s=61)
    assert rows[:PER_MINUTE] == list(range(PER_MINUTE))
    best = sorted(range(PER_MINUTE, 100), key=lambda number: -worths[number])[:8]
    assert rows[PER_MINUTE:] == best


def test_nothing_is_passed_over_below_the_number_a_minute(tmp_path: Path) -> None:
    _, rows = filmed(tmp_path, [1.0] * PER_MINUTE)
    assert rows == list(range(PER_MINUTE))
