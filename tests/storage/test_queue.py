from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from chalicelib.domain.errors import InvalidInput, StorageUnavailable
from chalicelib.storage.box.queue import SqliteQueue
from chalicelib.storage.ports import Queue
from tests.support.fakes import FakeClock
from tests.support.storage.aside import ReceivingSqs, put_aside
from tests.support.storage.emulated import Aws
from tests.support.storage.fixtures import MAX_RECEIVES, fresh_sqs_queue

Pass = Callable[[float], None]


def test_a_message_comes_as_it_was_sent(queue: Queue) -> None:
    body = '{"tenant": "naïve 日本 🙂",\n\t"n": 1}'
    queue.send(body)
    (message,) = queue.receive(10, 30)
    assert (message.body, message.receive_count) == (body, 1)


def test_a_message_of_a_tenant_comes_like_any_other_and_is_hidden_and_deleted_like_it(
    queue: Queue, let_pass: Pass
) -> None:
    queue.send("x", 0, "shop")
    (message,) = queue.receive(10, 600)
    queue.hide(message.receipt, 1)
    assert queue.receive(10, 1) == []
    let_pass(1.1)
    (again,) = queue.receive(10, 1)
    assert (again.body, again.receive_count) == ("x", 2)
    queue.delete(again.receipt)
    let_pass(1.1)
    assert queue.receive(10, 1) == []


def test_sqs_is_told_whose_a_message_is(aws: Aws) -> None:
    queue, client = fresh_sqs_queue(aws), aws.client("sqs")
    queue.send("x", group="shop")
    answer = client.receive_message(
        QueueUrl=queue._url, MessageSystemAttributeNames=["MessageGroupId"]
    )
    assert answer["Messages"][0]["Attributes"]["MessageGroupId"] == "shop"


def test_on_one_box_tenants_take_turns(tmp_path: Path, clock: FakeClock) -> None:
    with closing(SqliteQueue(tmp_path / "queue.db", "captures", clock)) as queue:
        for number in range(5):
            queue.send(f"large {number}", group="large")
        queue.send("small", group="small")
        come = [message.body for _ in range(9) for message in queue.receive(1, 600)]
        assert come[:2] == ["large 0", "small"]
        assert come[2:] == [f"large {number}" for number in range(1, 5)]
        assert queue.waiting() == 6


def test_on_one_box_messages_that_nobody_may_receive_hold_up_no_other_tenant(
    tmp_path: Path, clock: FakeClock
) -> None:
    with closing(SqliteQueue(tmp_path / "queue.db", "captures", clock, MAX_RECEIVES)) as queue:
        for _ in range(20):
            queue.send("poison", group="a")
        for _ in range(MAX_RECEIVES):
            while queue.receive(10, 1):
                pass
            clock.advance(timedelta(seconds=1))
        queue.send("later", 900, "b")
        queue.send("good", group="c")
        assert [message.body for message in queue.receive(10, 30)] == ["good"]
        assert queue.receive(10, 30) == []
        assert len(put_aside(queue)) == 20


def test_an_empty_queue_gives_nothing(queue: Queue) -> None:
    assert queue.receive(10, 30) == []
    assert put_aside(queue) == []


def test_no_more_than_asked_for_come_and_the_rest_later(queue: Queue) -> None:
    for n in range(12):
        queue.send(str(n))
    first, second, third = (queue.receive(10, 30) for _ in range(3))
    assert (len(first), len(second), len(third)) == (10, 2, 0)
    assert sorted(int(message.body) for message in first + second) == list(range(12))


def test_a_received_message_is_hidden_and_then_comes_again(queue: Queue, let_pass: Pass) -> None:
    queue.send("x")
    queue.receive(1, 1)
    assert queue.receive(1, 1) == []
    let_pass(1.1)
    (again,) = queue.receive(1, 1)
    assert (again.body, again.receive_count) == ("x", 2)


def test_a_hidden_message_comes_again_when_it_is_said_to(queue: Queue, let_pass: Pass) -> None:
    queue.send("x")
    (message,) = queue.receive(1, 600)
    queue.hide(message.receipt, 1)
    assert queue.receive(1, 600) == []
    let_pass(1.1)
    (again,) = queue.receive(1, 600)
    assert again.receive_count == 2
    queue.hide(again.receipt, 0)
    (at_once,) = queue.receive(1, 600)
    assert at_once.receive_count == 3


def test_hiding_what_is_gone_or_was_received_again_since_changes_nothing(queue: Queue) -> None:
    queue.send("x")
    (message,) = queue.receive(1, 600)
    queue.delete(message.receipt)
    for receipt in (message.receipt, "", "a receipt of another time"):
        queue.hide(receipt, 0)
    assert queue.receive(1, 0) == []


@pytest.mark.parametrize("visibility_s", [-1, 43_201])
def test_a_time_that_sqs_would_not_hide_a_message_for_is_refused(
    queue: Queue, visibility_s: int
) -> None:
    queue.send("x")
    (message,) = queue.receive(1, 600)
    with pytest.raises(InvalidInput):
        queue.hide(message.receipt, visibility_s)


def test_a_deleted_message_never_comes_again(queue: Queue, let_pass: Pass) -> None:
    queue.send("x")
    queue.send("y")
    (message, other) = sorted(queue.receive(10, 1), key=lambda m: m.body)
    queue.delete(message.receipt)
    let_pass(1.1)
    assert [m.body for m in queue.receive(10, 30)] == [other.body]


def test_deleting_twice_is_no_error(queue: Queue) -> None:
    queue.send("x")
    (message,) = queue.receive(1, 30)
    for _ in range(2):
        queue.delete(message.receipt)
    queue.delete("")
    queue.delete("a receipt of another time")


def test_a_message_received_too_often_goes_to_the_dead_letters_and_stays(queue: Queue) -> None:
    queue.send("poison")
    counts = [queue.receive(1, 0)[0].receive_count for _ in range(MAX_RECEIVES)]
    assert counts == list(range(1, MAX_RECEIVES + 1))
    assert put_aside(queue) == []
    assert queue.receive(1, 0) == []
    for _ in range(2):
        assert put_aside(queue) == ["poison"]
    assert queue.receive(1, 0) == []


def test_a_poisoned_message_does_not_hold_up_the_others(queue: Queue) -> None:
    queue.send("poison")
    for _ in range(MAX_RECEIVES):
        queue.receive(1, 0)
    queue.send("good")
    assert [message.body for message in queue.receive(10, 30)] == ["good"]


@pytest.mark.parametrize(
    "body", ["", "a\x00b", "\x1b", "\ufffe", "\ud800", "é" * (128 * 1024) + "x"], ids=len
)
def test_a_message_that_sqs_would_not_take_is_refused(queue: Queue, body: str) -> None:
    with pytest.raises(InvalidInput):
        queue.send(body)
    assert queue.receive(1, 0) == []


def test_a_delayed_message_is_held_back_and_the_others_are_not(
    queue: Queue, let_pass: Pass
) -> None:
    queue.send("later", delay_s=1)
    queue.send("now")
    assert [message.body for message in queue.receive(10, 30)] == ["now"]
    let_pass(1.1)
    (message,) = queue.receive(10, 30)
    assert (message.body, message.receive_count) == ("later", 1)


@pytest.mark.parametrize("delay_s", [-1, 901])
def test_a_delay_that_sqs_would_not_take_is_refused(queue: Queue, delay_s: int) -> None:
    with pytest.raises(InvalidInput):
        queue.send("x", delay_s)
    assert queue.receive(1, 0) == []


def test_a_message_may_be_held_back_a_quarter_of_an_hour(queue: Queue) -> None:
    queue.send("x", 900)
    assert queue.receive(1, 0) == []


def test_a_message_may_have_its_full_length(queue: Queue) -> None:
    queue.send("x" * 256 * 1024)
    assert len(queue.receive(1, 30)[0].body) == 256 * 1024


@pytest.mark.parametrize(("limit", "visibility_s"), [(0, 1), (11, 1), (1, -1), (1, 43_201)])
def test_a_receive_that_sqs_would_not_do_is_refused(
    queue: Queue, limit: int, visibility_s: int
) -> None:
    with pytest.raises(InvalidInput):
        queue.receive(limit, visibility_s)


def test_a_queue_that_is_not_there_is_unavailable(aws: Aws) -> None:
    missing = aws.physical["IndexQueue"] + "-missing"
    queue = ReceivingSqs(aws.client("sqs"), missing)
    calls: list[Callable[[], Any]] = [
        lambda: queue.send("x"),
        lambda: queue.receive(1, 0),
        lambda: queue.hide("r", 0),
    ]
    for call in calls:
        with pytest.raises(StorageUnavailable):
            call()


def test_on_one_box_the_messages_of_a_tenant_are_dropped_and_no_others(
    tmp_path: Path, clock: FakeClock
) -> None:
    with closing(SqliteQueue(tmp_path / "queue.db", "captures", clock)) as queue:
        for group in ("shop", "shop-2", ""):
            queue.send(f"of {group}", group=group)
            queue.send(f"later of {group}", 900, group)
        queue.drop("shop")
        assert {one.body for one in queue.receive(10, 1)} == {"of shop-2", "of "}
        clock.advance(timedelta(hours=1))
        assert {one.body for one in queue.receive(10, 1)} == {
            "of shop-2",
            "of ",
            "later of shop-2",
            "later of ",
        }


def test_sqs_drops_nothing_and_says_so_by_no_error(aws: Aws) -> None:
    queue = fresh_sqs_queue(aws)
    queue.send("x", group="shop")
    queue.drop("shop")
    assert [one.body for one in queue.receive(1, 1)] == ["x"]
