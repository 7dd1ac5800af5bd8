"""Queued messages and schedules reach the app's handlers as the events of AWS."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from chalice.app import Chalice, Cron, Rate

from chalicelib.adapters.sqlite_queue import SqliteQueue
from regulars.events import VISIBILITY_S, Background, feed, hand_over, interval_s
from tests.fakes import FakeClock


@pytest.fixture
def queue(tmp_path: Path, clock: FakeClock) -> SqliteQueue:
    return SqliteQueue(tmp_path / "queue.db", "index", clock, max_receives=2)


def test_a_message_arrives_as_an_sqs_event_and_is_gone_when_done(queue: SqliteQueue) -> None:
    app = Chalice("worker", configure_logs=False)
    bodies: list[str] = []

    @app.on_sqs_message(queue="index")
    def build_index(event: Any) -> None:
        bodies.extend(record.body for record in event)

    queue.send("camera")
    queue.send("cloud")
    assert hand_over(queue, build_index, "build_index") == 0.0
    assert bodies == ["camera", "cloud"]
    assert hand_over(queue, build_index, "build_index") > 0
    assert queue.dead_letters(10) == []


def test_a_message_whose_handler_failed_comes_again_and_then_goes_to_the_dead_letters(
    queue: SqliteQueue, clock: FakeClock
) -> None:
    def failing(event: Mapping[str, Any], context: Any) -> None:
        raise RuntimeError("no")

    queue.send("camera")
    for _ in range(2):
        with pytest.raises(RuntimeError):
            hand_over(queue, failing, "build_index")
        clock.advance(timedelta(seconds=VISIBILITY_S + 1))
    hand_over(queue, failing, "build_index")
    assert [message.body for message in queue.dead_letters(10)] == ["camera"]


def test_only_the_messages_that_a_handler_names_come_again(queue: SqliteQueue, clock: FakeClock) -> None:
    seen: list[str] = []

    def picky(event: Mapping[str, Any], context: Any) -> dict[str, Any]:
        seen.extend(record["body"] for record in event["Records"])
        bad = [record["messageId"] for record in event["Records"] if record["body"] == "bad"]
        return {"batchItemFailures": [{"itemIdentifier": identifier} for identifier in bad]}

    queue.send("good")
    queue.send("bad")
    hand_over(queue, picky, "build_index")
    clock.advance(timedelta(seconds=VISIBILITY_S + 1))
    hand_over(queue, picky, "build_index")
    assert seen == ["good", "bad", "bad"]


def test_every_registered_handler_is_fed_until_the_stop(queue: SqliteQueue) -> None:
    app = Chalice("worker", configure_logs=False)
    swept, built = threading.Event(), threading.Event()

    @app.on_sqs_message(queue="index")
    def build_index(event: Any) -> None:
        built.set()

    @app.schedule(Rate(1, unit=Rate.HOURS))
    def sweep(event: Any) -> None:
        swept.set()

    stop = threading.Event()
    background = Background(stop)
    queue.send("camera")
    feed(app, {"build_index": build_index, "sweep": sweep}, {"build_index": queue}, background)
    assert swept.wait(5)
    assert built.wait(5)
    stop.set()
    assert background.join(5)


def test_a_failing_step_does_not_end_its_thread(caplog: pytest.LogCaptureFixture) -> None:
    stop = threading.Event()
    background = Background(stop)
    called = threading.Event()

    def step() -> float:
        called.set()
        raise RuntimeError("once")

    background.start("step", step)
    assert called.wait(5)
    stop.set()
    assert background.join(5)
    assert "step failed" in caplog.text


def test_rates_are_understood_and_nothing_else() -> None:
    assert interval_s(Rate(15, unit=Rate.MINUTES)) == 900
    assert interval_s("rate(1 day)") == 86_400
    with pytest.raises(ValueError, match="cron"):
        interval_s(Cron(0, 18, "?", "*", "MON-FRI", "*"))


def test_a_handler_that_nothing_feeds_is_refused() -> None:
    app = Chalice("worker", configure_logs=False)

    @app.on_sns_message(topic="t")
    def told(event: Any) -> None: ...

    with pytest.raises(ValueError, match="told"):
        feed(app, {}, {}, Background(threading.Event()))
