"""A camera that rests at its hours: it is not asked, nothing is taken, and it is not called silent."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from regulars_edge.capture import Capture
from regulars_edge.clock import Moment
from regulars_edge.pace import PerMinute
from regulars_edge.sources.source import EncodedFrame, Frame
from regulars_edge.spool import spool as spools
from regulars_edge.spool.model import Origin, Stamp
from rig import pictures


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
            yield EncodedFrame(pictures.jpeg(self.given), Stamp(Moment("boot", self.given, self.given)))


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

    with spools.opened(tmp_path / "spool") as spool:
        capture = Capture(
            Origin("door", "test"), stream, LastOf(), spool, per_minute=PerMinute(None), waits=False, is_open=is_open
        )
        capture.run(stop)
        taken = [row[0] for row in spool.books.rows("SELECT boot_ms FROM pictures ORDER BY id")]
    assert taken == [3, 7], "what was chosen until then goes out when the hours end"
    assert (stream.opened, capture.finished) == (2, False)
    assert capture.alive_at is not None
    assert time.monotonic() - capture.alive_at < 30
