"""Captures that nothing resolves are heard of within a quarter of an hour, whatever the cause and
the watch's minute.

Each failure is played minute by minute, with the alarm of the template.
"""

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from chalicelib import telemetry
from chalicelib.domain.errors import Busy, RegularsError, Unusable
from chalicelib.domain.pictures import PictureRules
from chalicelib.telemetry import STUCK_AGE
from infra.alarms import make_alarms
from tests.support.book.book import Book, Shot
from tests.support.fakes import FakeVision, Person

ALARM = make_alarms([], ["Search"])["Resources"]["CapturesAreStuck"]["Properties"]
MINUTE = timedelta(minutes=1)


class Refusing(FakeVision):
    """Refuses each picture, or those that `is_refused` names."""

    def __init__(
        self, error: Exception, is_refused: Callable[[bytes], bool] = lambda _: True
    ) -> None:
        self.error, self.is_refused = error, is_refused

    def read_picture(self, picture: bytes, rules: PictureRules) -> NDArray[np.uint8]:
        if self.is_refused(picture):
            raise self.error
        return super().read_picture(picture, rules)


class Played:
    """A shop whose camera sends a picture every few minutes, and whose queue is worked off each
    minute."""

    def __init__(self, folder: Path, watched_at: int, vision: FakeVision | None = None) -> None:
        self.book, self.watched_at = Book(folder, vision=vision or FakeVision()), watched_at
        self.told: dict[int, float] = {}
        """What the metric was, by the minute."""

    def play(self, minutes: int, every: int = 2, is_told: bool = True, is_put: bool = True) -> None:
        for minute in range(minutes):
            if minute % every == 0:
                self._send(minute, is_told, is_put)
            self._work_off()
            self.book.clock.advance(MINUTE)
            if (minute + 1) % 5 == self.watched_at:
                with telemetry.begin_invocation("watch", "r") as this:
                    self.book.services.watch.run()
                self.told[minute + 1] = this.measured[STUCK_AGE]

    def _send(self, number: int, is_told: bool, is_put: bool) -> None:
        capture = self.book.put(Shot(self.book.clock.now(), (Person(number),)))
        key = f"shop/door/{capture.id}"
        if not is_put:
            self.book.storage.uploads.delete(key)
        if is_told and is_put:
            event = {"eventName": "ObjectCreated:Put", "s3": {"object": {"key": key}}}
            self.book.storage.captures_queue.send(json.dumps({"Records": [event]}))

    def _work_off(self) -> None:
        queue = self.book.storage.captures_queue
        for message in queue.receive(10, 45):
            try:
                self.book.services.sightings.ingest.take_message(
                    message.body, message.receive_count
                )
            except RegularsError:
                continue  # it comes again: soon, as the pauses of the queue begin
            queue.delete(message.receipt)

    def rings_after(self) -> int | None:
        """Return the first minute at which each of the alarm's last periods has a value that is too
        high."""
        period, count = ALARM["Period"] // 60, ALARM["EvaluationPeriods"]
        for minute in range(1, max(self.told) + period):
            ends = [minute - period * back for back in range(count)]
            highest = [
                max((v for at, v in self.told.items() if end - period < at <= end), default=0)
                for end in ends
            ]
            if min(highest) >= ALARM["Threshold"]:
                return minute
        return None


FAILURES: dict[str, tuple[Any, dict[str, Any]]] = {
    "S3's events do not come": (None, {"is_told": False}),
    "ingest fails quickly, again and again": (Busy("others are at it"), {}),
    "a firmware sends what nobody can read": (Unusable("it is no picture"), {}),
    "it does so seldom": (Unusable("it is no picture"), {"every": 60}),
}


@pytest.mark.parametrize("watched_at", [0, 2, 4])
@pytest.mark.parametrize("failure", FAILURES)
def test_a_failure_is_heard_within_a_quarter_of_an_hour(
    tmp_path: Path, failure: str, watched_at: int
) -> None:
    error, how = FAILURES[failure]
    played = Played(tmp_path, watched_at, Refusing(error) if error else None)
    played.play(20, **how)
    assert 5 <= (played.rings_after() or 99) <= 15, played.told


def test_a_shop_at_work_raises_no_alarm(tmp_path: Path) -> None:
    """Neither does a picture that is damaged among good ones, nor one that was offered and never
    put."""
    seen: list[bytes] = []

    def is_damaged(picture: bytes) -> bool:
        seen.append(picture)
        return len(seen) % 4 == 0

    played = Played(tmp_path, 0, Refusing(Unusable("it is cut off"), is_damaged))
    played.play(40)
    assert played.rings_after() is None, played.told
    assert len(played.book.services.captures.redrive.list_parked(played.book.tenant)) >= 4
    not_put = Played(tmp_path / "other", 0)
    not_put.play(30, is_put=False)
    assert set(not_put.told.values()) == {0}


def test_it_ends_when_what_was_stuck_is_resolved(tmp_path: Path) -> None:
    played = Played(tmp_path, 0, vision := Refusing(Busy("others are at it")))
    played.play(20)
    assert played.told[20] > 0
    vision.is_refused = lambda _: False
    played.told.clear()
    played.play(10)
    assert played.told[10] == 0
