"""Deliveries whose processes are killed, whose messages come twice, and whose storage fails."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from http.server import BaseHTTPRequestHandler

import pytest

from chalicelib.domain.errors import Busy
from tests.support.examples import sample
from tests.support.hooks.hook_desk import TENANT, Desk, NoQueue, told
from tests.support.hooks.receiver import Behaviour, answers, receiving
from tests.support.storage.failing import KILLED, UNANSWERED, Calls, Killed

DAY = timedelta(hours=24)
OK = answers(200)
DOWN = answers(500)


def test_event_whose_process_was_killed_before_it_was_announced_is_sent_by_the_watch(
    desk: Desk,
) -> None:
    with receiving(OK) as receiver:
        desk.hooks.add(TENANT, receiver.url)
        desk.commit(desk.event())
        assert desk.work() == 0
        desk.clock.advance(timedelta(seconds=60))
        assert desk.outbox.announce_overdue(TENANT) == 0, "its message may be on its way"
        desk.clock.advance(timedelta(seconds=1))
        assert desk.outbox.announce_overdue(TENANT) == 1
        assert desk.outbox.announce_overdue(TENANT) == 0
        desk.work()
        assert len(receiver.heard) == 1
    assert desk.pending == []


@pytest.mark.slow
@pytest.mark.parametrize(
    "behaviours", [[OK], [DOWN, OK], [answers(410), OK]], ids=["taken", "failed", "parked"]
)
def test_process_killed_before_any_of_its_calls_loses_nothing_that_was_committed(
    desk: Desk, behaviours: list[Behaviour]
) -> None:
    """Two events told by a process that is killed before one of its calls, of which it has ten at
    least."""
    for last in sample(range(1, 11), 3):
        with receiving(*behaviours) as receiver:
            hook, _ = desk.hooks.add(TENANT, receiver.url)
            calls = Calls()
            process = Desk(
                calls.port("items", desk.items), calls.port("queue", desk.queue), desk.clock
            )
            calls.fail(last, KILLED)
            committed: list[str] = []
            try:
                for event in (desk.event(), desk.event()):
                    actions = process.outbox.make_delivery_puts(TENANT, [event])
                    process.items.transact(actions)
                    committed.append(event.id)
                    process.outbox.send_messages(TENANT, actions)
                for message in process.queue.receive(10, 60):
                    process.deliveries.attempt_delivery(message.body)
                    process.queue.delete(message.receipt)
            except Killed:
                pass
            else:
                raise AssertionError(f"it has no call {last}")
            for _ in range(3):
                desk.clock.advance(timedelta(minutes=5))
                desk.outbox.announce_overdue(TENANT)
                desk.work()
            desk.outbox.redeliver_hook(TENANT, hook.id)
            desk.work()
            assert set(told(*receiver.heard)) == set(committed)
            assert desk.pending == desk.parked == []
            desk.hooks.delete(TENANT, hook.id)


def test_a_receiver_that_takes_minutes_gets_an_event_once(desk: Desk) -> None:
    """The watch takes no delivery for lost that is under way, and a copy of its message waits."""
    begun, answered = threading.Event(), threading.Event()

    def answer_late(request: BaseHTTPRequestHandler) -> None:
        begun.set()
        assert answered.wait(20)
        OK(request)

    with receiving(answer_late, OK) as receiver, ThreadPoolExecutor(1) as pool:
        patient = Desk(desk.items, desk.queue, desk.clock, limit_s=30)
        patient.hooks.add(TENANT, receiver.url)
        patient.tell(patient.event())
        (message,) = patient.queue.receive(10, 60)
        attempt = pool.submit(patient.deliveries.attempt_delivery, message.body)
        assert begun.wait(20)
        desk.clock.advance(timedelta(seconds=61))
        assert patient.outbox.announce_overdue(TENANT) == 0
        assert patient.outbox.announce_overdue(TENANT, timedelta(0)) == 0
        (again,) = patient.queue.receive(10, 60)
        [error] = patient.deliveries.deliver_all({again.receipt: again.body}).values()
        assert isinstance(error, Busy)
        answered.set()
        attempt.result(20)
        patient.deliveries.attempt_delivery(again.body)
        assert len(receiver.heard) == 1
    assert patient.pending == []


def test_attempt_whose_process_was_killed_is_made_again(desk: Desk) -> None:
    with receiving(OK) as receiver:
        desk.hooks.add(TENANT, receiver.url)
        desk.tell(desk.event())
        (message,) = desk.queue.receive(10, 60)  # and the process is killed
        desk.clock.advance(timedelta(seconds=61))
        desk.work()
        assert len(receiver.heard) == 1
        desk.deliveries.attempt_delivery(message.body)
        assert len(receiver.heard) == 1
    assert desk.pending == []


def test_storage_that_fails_behind_a_success_makes_it_come_twice_and_not_get_lost(
    desk: Desk,
) -> None:
    calls = Calls()
    desk = Desk(calls.port("items", desk.items), desk.queue, desk.clock)
    with receiving(OK) as receiver:
        desk.hooks.add(TENANT, receiver.url)
        desk.tell(desk.event())
        calls.fail(1, UNANSWERED, of="items.transact")
        assert desk.work() == 1
        assert len(desk.pending) == 1
        desk.clock.advance(timedelta(seconds=61))
        desk.work()
        assert told(*receiver.heard) == ["face.arrived-1"] * 2
    assert desk.pending == []


def test_messages_that_come_twice_do_not_multiply(desk: Desk) -> None:
    """Each is worked on three times: only the first finds something to do."""
    with receiving(*[DOWN] * 6, OK) as receiver:
        desk.hooks.add(TENANT, receiver.url)
        desk.tell(desk.event())
        for _ in range(70):
            messages = desk.queue.receive(10, 0)
            assert len(messages) <= 3
            for message in messages:
                desk.queue.delete(message.receipt)
                for _copy in range(3):
                    desk.deliveries.attempt_delivery(message.body)
            desk.clock.advance(timedelta(seconds=10))
        assert len(receiver.heard) == 7
    assert desk.pending == []


def test_same_event_committed_twice_is_one_delivery(desk: Desk) -> None:
    with receiving(OK) as receiver:
        desk.hooks.add(TENANT, receiver.url)
        event = desk.event()
        desk.tell(event)
        desk.tell(event)
        assert len(desk.pending) == 1
        for message in desk.queue.receive(10, 60):
            desk.deliveries.attempt_delivery(message.body)
        assert len(receiver.heard) == 1
    assert desk.pending == []


def test_queue_that_fails_does_not_fail_what_happened(desk: Desk) -> None:
    desk.hooks.add(TENANT, "https://shop.example/")
    Desk(desk.items, NoQueue(), desk.clock).tell(desk.event(), desk.event())
    assert len(desk.pending) == 2


def test_message_that_is_none_is_kept_for_the_dead_letters_and_holds_up_no_other(
    desk: Desk,
) -> None:
    with receiving(OK) as receiver:
        desk.hooks.add(TENANT, receiver.url)
        desk.tell(desk.event())
        (good,) = desk.queue.receive(10, 60)
        bodies = {"1": "nonsense", "2": "[]", "3": '{"tenant": "shop"}', "4": good.body, "5": "3"}
        failed = desk.deliveries.deliver_all(bodies)
        assert {*failed} == {*"1235"}
        assert all(isinstance(error, ValueError) for error in failed.values())
        assert len(receiver.heard) == 1


def test_two_workers_with_one_message_lose_nothing(desk: Desk) -> None:
    with receiving(DOWN, DOWN, OK) as receiver:
        desk.hooks.add(TENANT, receiver.url)
        desk.tell(desk.event())
        (message,) = desk.queue.receive(10, 60)
        desk.queue.delete(message.receipt)
        workers = [desk, Desk(desk.items, desk.queue, desk.clock)]
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda one: one.deliveries.attempt_delivery(message.body), workers))
        assert len(desk.pending) == 1
        desk.work_for(timedelta(seconds=30))
        assert len(receiver.heard) == 3
    assert desk.pending == []
