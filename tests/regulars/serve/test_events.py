import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from chalice.app import Chalice, Cron, Rate
from msgspec.structs import replace

import app
from chalicelib.storage.box.queue import SqliteQueue
from chalicelib.storage.in_process import SystemClock
from regulars.serve import server
from regulars.serve.events import (
    IDLE_S,
    MAX_BATCH,
    NICENESS,
    VISIBILITY_S,
    Background,
    feed_handlers,
    handle_messages,
    parse_interval_s,
)
from tests.support.book.book import Book
from tests.support.fakes import FakeClock
from tests.support.storage.aside import put_aside
from tests.support.waiting import PATIENCE_S, until


@pytest.fixture
def background() -> Iterator[Background]:
    """Threads that end with the test."""
    stop = threading.Event()
    made = Background(stop)
    yield made
    stop.set()
    assert made.join(60)


@pytest.fixture
def queue(tmp_path: Path, clock: FakeClock) -> SqliteQueue:
    return SqliteQueue(tmp_path / "queue.db", "index", clock, max_receives=2)


def test_a_trial_of_a_backup_feeds_no_handler_that_tells_somebody_or_goes_by_the_clock(
    tmp_path: Path,
) -> None:
    stop = threading.Event()
    background = Background(stop)
    with closing(Book(tmp_path / "data")) as book:
        book.services.settings = replace(book.services.settings, is_trial=True)
        server.feed_handlers(app.app, book.services, background)
        names = {thread.name.partition("-")[0] for thread in background._threads}
        stop.set()
        assert background.join(60)  # before the database is closed
    assert names == {"ingest"}, (
        "of all that app.py registers, only pictures that are sent to it are resolved"
    )


def test_a_message_arrives_as_an_sqs_event_and_is_gone_when_done(queue: SqliteQueue) -> None:
    app = Chalice("worker", configure_logs=False)
    bodies: list[str] = []

    @app.on_sqs_message(queue="index")
    def build_index(event: Any) -> None:
        bodies.extend(record.body for record in event)

    queue.send("camera")
    queue.send("cloud")
    assert (
        handle_messages(queue.receive(MAX_BATCH, VISIBILITY_S), queue, build_index, "build_index")
        == 0.0
    )
    assert bodies == ["camera", "cloud"]
    assert (
        handle_messages(queue.receive(MAX_BATCH, VISIBILITY_S), queue, build_index, "build_index")
        > 0
    )
    assert put_aside(queue) == []


def test_a_message_whose_handler_failed_comes_again_and_then_goes_to_the_dead_letters(
    queue: SqliteQueue, clock: FakeClock
) -> None:
    def failing(event: Mapping[str, Any], context: Any) -> None:
        raise RuntimeError("no")

    queue.send("camera")
    for _ in range(2):
        with pytest.raises(RuntimeError):
            handle_messages(queue.receive(MAX_BATCH, VISIBILITY_S), queue, failing, "build_index")
        clock.advance(timedelta(seconds=VISIBILITY_S + 1))
    handle_messages(queue.receive(MAX_BATCH, VISIBILITY_S), queue, failing, "build_index")
    assert put_aside(queue) == ["camera"]


def test_only_the_messages_that_a_handler_names_come_again(
    queue: SqliteQueue, clock: FakeClock
) -> None:
    done: list[str] = []

    def picky(event: Mapping[str, Any], context: Any) -> dict[str, Any]:
        failed = [record for record in event["Records"] if record["body"] == "4"]
        done.extend(record["body"] for record in event["Records"] if record not in failed)
        return {"batchItemFailures": [{"itemIdentifier": record["messageId"]} for record in failed]}

    for number in range(10):
        queue.send(str(number))
    handle_messages(queue.receive(MAX_BATCH, VISIBILITY_S), queue, picky, "build_index")
    clock.advance(timedelta(seconds=VISIBILITY_S + 1))
    assert [message.body for message in queue.receive(10, 1)] == ["4"]
    assert done == [str(number) for number in range(10) if number != 4]


def test_a_message_is_hidden_while_its_handler_works_however_long(
    tmp_path: Path, background: Background
) -> None:
    """A mail server that takes longer than that got the same mail again from the next thread."""
    queue = SqliteQueue(tmp_path / "queue.db", "deliver", SystemClock())
    app = Chalice("worker", configure_logs=False)
    begun: list[str] = []
    done = threading.Event()

    @app.on_sqs_message(queue="deliver")
    def deliver(event: Any) -> None:
        begun.extend(record.body for record in event)
        time.sleep(4)
        done.set()

    feed_handlers(app, {"deliver": (queue, 3)}, background, shared_visibility_s=1)
    queue.send("the mail")
    assert done.wait(PATIENCE_S)
    until(lambda: queue.waiting() == 0)
    assert begun == ["the mail"]


def test_a_message_that_its_handler_hid_comes_when_it_said(
    tmp_path: Path, background: Background
) -> None:
    queue = SqliteQueue(tmp_path / "queue.db", "deliver", SystemClock())
    app = Chalice("worker", configure_logs=False)
    begun: list[str] = []
    done = threading.Event()

    @app.on_sqs_message(queue="deliver")
    def deliver(event: Any) -> Any:
        receipts = [record.receipt_handle for record in event]
        begun.extend(receipts)
        for receipt in receipts:
            queue.hide(receipt, 60)
        time.sleep(2)
        done.set()
        return {"batchItemFailures": [{"itemIdentifier": receipt} for receipt in receipts]}

    feed_handlers(app, {"deliver": (queue, 3)}, background, shared_visibility_s=1)
    queue.send("the mail")
    assert done.wait(PATIENCE_S)
    time.sleep(3)
    assert len(begun) == 1


def test_every_registered_handler_is_fed_until_the_stop(
    queue: SqliteQueue, background: Background
) -> None:
    app = Chalice("worker", configure_logs=False)
    swept, built = threading.Event(), threading.Event()

    @app.on_sqs_message(queue="index")
    def build_index(event: Any) -> None:
        built.set()

    @app.schedule(Rate(1, unit=Rate.HOURS))
    def sweep(event: Any) -> None:
        swept.set()

    queue.send("camera")
    feed_handlers(app, {"build_index": (queue, 1)}, background)
    assert swept.wait(PATIENCE_S)
    assert built.wait(PATIENCE_S)


def test_no_more_messages_are_handed_over_than_the_handler_asked_for(
    tmp_path: Path, background: Background
) -> None:
    queue = SqliteQueue(tmp_path / "queue.db", "index", SystemClock())
    app = Chalice("worker", configure_logs=False)
    sizes: list[int] = []
    done = threading.Event()

    @app.on_sqs_message(queue="index", batch_size=3)
    def build_index(event: Any) -> None:
        sizes.append(len(list(event)))
        if sum(sizes) == 7:
            done.set()

    for number in range(7):
        queue.send(str(number))
    feed_handlers(app, {"build_index": (queue, 1)}, background)
    assert done.wait(PATIENCE_S)
    assert sizes == [3, 3, 1]


@pytest.fixture
def captures(tmp_path: Path) -> SqliteQueue:
    return SqliteQueue(tmp_path / "queue.db", "captures", SystemClock())


def worker(handle: Callable[[str], None]) -> Chalice:
    """An app that registers `ingest` in batches of 10."""
    app = Chalice("worker", configure_logs=False)

    @app.on_sqs_message(queue="captures", batch_size=10)
    def ingest(event: Any) -> None:
        for record in event:
            handle(record.body)

    return app


def test_several_threads_take_one_message_each_so_that_none_waits_behind_another(
    captures: SqliteQueue, background: Background
) -> None:
    passed = threading.Event()
    at_once = threading.Barrier(3, action=passed.set, timeout=60)

    def handle(body: str) -> None:
        at_once.wait()

    app = worker(handle)
    for number in range(3):
        captures.send(str(number))
    feed_handlers(app, {"ingest": (captures, 3)}, background)
    assert passed.wait(60)


def test_a_message_sent_in_this_process_ends_a_wait_for_it(captures: SqliteQueue) -> None:
    ended = threading.Event()

    def wait() -> None:
        captures.wait(threading.TIMEOUT_MAX)
        ended.set()

    threading.Thread(target=wait, daemon=True).start()
    captures.send("capture")
    assert ended.wait(PATIENCE_S)


def test_a_message_sent_by_another_process_is_handed_over_within_the_pause(
    tmp_path: Path, background: Background
) -> None:
    here, there = (SqliteQueue(tmp_path / "queue.db", "captures", SystemClock()) for _ in range(2))
    handled = threading.Event()
    app = worker(lambda body: handled.set())
    feed_handlers(app, {"ingest": (here, 2)}, background)
    time.sleep(0.1)
    there.send("capture")
    assert handled.wait(IDLE_S + 30)


def test_waiting_ends_with_a_message_that_was_sent_before_it_and_else_with_its_time(
    captures: SqliteQueue,
) -> None:
    captures.send("before")
    captures.wait(threading.TIMEOUT_MAX)  # a message that was missed would let it wait for good
    assert len(captures.receive(10, 60)) == 1
    captures.send("later", delay_s=60)
    began = time.monotonic()
    captures.wait(0.2)
    assert time.monotonic() - began >= 0.2


def test_messages_that_a_look_found_end_no_wait_after_it(captures: SqliteQueue) -> None:
    for _ in range(2):
        captures.send("found")
    assert len(captures.receive(10, 60)) == 2
    began = time.monotonic()
    captures.wait(0.2)
    assert time.monotonic() - began >= 0.2


def test_a_failing_step_does_not_end_its_thread(
    caplog: pytest.LogCaptureFixture, background: Background
) -> None:
    called = threading.Event()

    def step() -> float:
        called.set()
        raise RuntimeError("once")

    background.start("step", step)
    assert called.wait(PATIENCE_S)
    until(lambda: "step failed" in caplog.text)


@pytest.mark.skipif(
    sys.platform != "linux", reason="only there do threads have a niceness of their own"
)
def test_a_backlog_makes_room_for_those_who_wait_for_an_answer(background: Background) -> None:
    niceness: list[int] = []

    def step() -> float:
        niceness.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))
        return 60.0

    background.start("step", step)
    until(lambda: bool(niceness))
    assert niceness[0] == min(
        19, os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) + NICENESS
    )


def test_rates_are_understood_and_nothing_else() -> None:
    assert parse_interval_s(Rate(15, unit=Rate.MINUTES)) == 900
    assert parse_interval_s("rate(1 day)") == 86_400
    assert parse_interval_s(Cron(7, "*", "*", "*", "?", "*")) == 3_600
    with pytest.raises(ValueError, match="cron"):
        parse_interval_s(Cron(0, 18, "?", "*", "MON-FRI", "*"))


def test_a_handler_that_nothing_feeds_is_refused() -> None:
    app = Chalice("worker", configure_logs=False)

    @app.on_sns_message(topic="t")
    def told(event: Any) -> None: ...

    with pytest.raises(ValueError, match="told"):
        feed_handlers(app, {}, Background(threading.Event()))


def test_while_there_is_nothing_to_do_one_thread_looks_for_all_of_its_handler(
    queue: SqliteQueue, background: Background
) -> None:
    waiting, most, rounds = 0, 0, 0

    class Counting:
        def wait(self, timeout_s: float) -> None:
            nonlocal waiting, most, rounds
            waiting += 1
            most, rounds = max(most, waiting), rounds + 1
            queue.wait(timeout_s)
            waiting -= 1

        def __getattr__(self, name: str) -> Any:
            return getattr(queue, name)

    app, threads = Chalice("worker", configure_logs=False), 8
    done, both = threading.Semaphore(0), threading.Barrier(2)

    @app.on_sqs_message(queue="index")
    def deliver(event: Any) -> None:
        both.wait(PATIENCE_S)
        done.release()

    feed_handlers(app, {"deliver": (cast(SqliteQueue, Counting()), threads)}, background)
    until(lambda: rounds >= 2)
    assert most == 1, "the others wait for the one that looks after each pause"
    for _ in range(2):  # the second is taken while the first is at work
        queue.send("event")
    for _ in range(2):
        assert done.acquire(timeout=PATIENCE_S)
