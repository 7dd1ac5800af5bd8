from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from chalice.app import SQSEvent

from chalicelib import telemetry
from chalicelib.api import batches
from chalicelib.domain.errors import Busy, StorageUnavailable
from chalicelib.storage.box.queue import SqliteQueue
from chalicelib.telemetry import FAILURES_UNAVAILABLE
from regulars.serve.events import MAX_BATCH, handle_messages
from tests.support.fakes import FakeClock
from tests.support.hooks.hook_desk import NoQueue
from tests.support.storage.aside import put_aside

VISIBILITY_S = 720
RECEIVES = 20
"""As the template has it: then a message goes to the dead letters."""


class Function:
    """A function that has this much time, of which each message takes a part."""

    def __init__(
        self, queue: SqliteQueue, clock: FakeClock, left_s: float = 120, takes_s: float = 1
    ) -> None:
        self._queue, self._clock = queue, clock
        self._left_s, self._takes_s = left_s, takes_s
        self.failing: dict[str, Exception] = {}
        self.done: list[str] = []

    def get_remaining_time_in_millis(self) -> int:
        return int(self._left_s * 1000)

    def work(self, body: str, receive_count: int, sent_at: datetime | None) -> None:
        assert sent_at is None
        self._left_s -= self._takes_s
        if body in self.failing:
            raise self.failing[body]
        self.done.append(body)

    def __call__(self, event: Any, _context: object) -> Any:
        return batches.handle_each(SQSEvent(event, self), self.work, self._queue)

    def work_off(self) -> None:
        handle_messages(
            self._queue.receive(MAX_BATCH, VISIBILITY_S), self._queue, self, "ingest", VISIBILITY_S
        )


@pytest.fixture
def queue(tmp_path: Path, clock: FakeClock) -> SqliteQueue:
    return SqliteQueue(tmp_path / "queue.db", "captures", clock, RECEIVES)


def visible_after(queue: SqliteQueue, clock: FakeClock) -> int:
    """Seconds until a message can be received, which it is then."""
    for second in range(VISIBILITY_S * 2):
        if queue.receive(1, VISIBILITY_S):
            return second
        clock.advance(timedelta(seconds=1))
    raise AssertionError("no message comes")


@pytest.mark.parametrize(
    ("error", "pause_s"),
    [(Busy("others are at it"), 2), (MemoryError("a fault of ours"), VISIBILITY_S)],
)
def test_a_failed_message_comes_again_soon_if_it_may_succeed_then_and_the_others_are_done(
    queue: SqliteQueue, clock: FakeClock, error: Exception, pause_s: int
) -> None:
    function = Function(queue, clock)
    function.failing["bad"] = error
    for body in ("one", "bad", "other"):
        queue.send(body)
    function.work_off()
    assert function.done == ["one", "other"]
    assert visible_after(queue, clock) == pause_s


def test_the_work_is_told_when_sqs_got_a_message(queue: SqliteQueue, clock: FakeClock) -> None:
    told: list[tuple[str, int, datetime | None]] = []
    record = {"messageId": "1", "receiptHandle": "r", "body": "x"}
    record |= {"attributes": {"ApproximateReceiveCount": "3", "SentTimestamp": "1531136255184"}}
    event = SQSEvent({"Records": [record]}, Function(queue, clock))
    assert batches.handle_each(event, lambda *given: told.append(given), queue) == {
        "batchItemFailures": []
    }
    assert told == [("x", 3, datetime(2018, 7, 9, 11, 37, 35, 184_000, tzinfo=UTC))]


def test_the_pause_doubles_up_to_a_quarter_of_an_hour_and_an_outage_of_three_hours_buries_nothing(
    queue: SqliteQueue, clock: FakeClock
) -> None:
    function = Function(queue, clock)
    function.failing["x"] = StorageUnavailable("DynamoDB does not answer")
    queue.send("x")
    pauses, began = [], clock.now()
    while not put_aside(queue):
        at = clock.now()
        while clock.now() - at < timedelta(hours=1) and not (
            messages := queue.receive(1, VISIBILITY_S)
        ):
            clock.advance(timedelta(seconds=1))
        if not messages:
            break
        pauses.append((clock.now() - at).seconds)
        record = {
            "messageId": "m",
            "receiptHandle": messages[0].receipt,
            "body": "x",
            "attributes": {"ApproximateReceiveCount": str(messages[0].receive_count)},
        }
        assert function({"Records": [record]}, None) == {
            "batchItemFailures": [{"itemIdentifier": "m"}]
        }
    assert pauses == [0, 2, 4, 8, 16, 32, 64, 128, 256, 512, *[900] * 10]
    assert timedelta(hours=2, minutes=45) < clock.now() - began


def test_a_batch_stops_while_there_is_time_and_the_rest_comes_again_at_once(
    queue: SqliteQueue, clock: FakeClock
) -> None:
    function = Function(queue, clock, left_s=120, takes_s=25)
    for number in range(5):
        queue.send(str(number))
    function.work_off()
    assert function.done == ["0", "1", "2"]
    rest = queue.receive(10, VISIBILITY_S)
    assert [(message.body, message.receive_count) for message in rest] == [("3", 2), ("4", 2)]


def test_the_first_message_is_begun_however_little_time_there_is(
    queue: SqliteQueue, clock: FakeClock
) -> None:
    function = Function(queue, clock, left_s=30)
    queue.send("one")
    function.work_off()
    assert function.done == ["one"]


def test_a_message_whose_pause_could_not_be_set_is_failed_all_the_same_and_counted() -> None:
    record = {
        "messageId": "m",
        "receiptHandle": "r",
        "body": "x",
        "attributes": {"ApproximateReceiveCount": "1"},
    }
    event = SQSEvent({"Records": [record]}, None)
    failed = {"m": StorageUnavailable("DynamoDB does not answer")}
    with telemetry.begin_invocation("deliver", "r") as this:
        assert batches.report_failed(event, failed, NoQueue()) == {
            "batchItemFailures": [{"itemIdentifier": "m"}]
        }
    assert this.measured == {FAILURES_UNAVAILABLE: 1}
    assert batches.report_failed(event, {}, NoQueue()) == {"batchItemFailures": []}
