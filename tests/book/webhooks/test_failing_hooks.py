import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

from tests.support.fakes import FakeClock
from tests.support.hooks.hook_desk import TENANT, Desk, stores, told
from tests.support.hooks.receiver import answers, hangs, receiving

DAY = timedelta(hours=24)
OK = answers(200)
DOWN = answers(500)


def fail(desk: Desk, times: int = 5) -> None:
    """Tell one event after the other to a hook that takes none."""
    for _ in range(times):
        desk.tell(desk.event())
        desk.work()


def test_receiver_that_hangs_holds_up_nobody_elses_events(tmp_path: Path, clock: FakeClock) -> None:
    """40 events to a receiver that hangs and to one that answers, in one worker: a few time-outs,
    and all the rest."""
    over = threading.Event()
    with (
        stores(tmp_path, clock) as (items, queue),
        receiving(hangs(over)) as hanging,
        receiving(OK) as good,
    ):
        desk = Desk(items, queue, clock, limit_s=1.0)
        desk.hooks.add(TENANT, hanging.url)
        desk.hooks.add(TENANT, good.url)
        desk.tell(*(desk.event() for _ in range(40)))
        desk.work()
        over.set()
        assert sorted(told(*good.heard)) == sorted(
            f"face.arrived-{number}" for number in range(1, 41)
        )
        assert len(hanging.heard) <= 10 + 5, "once it has failed five times, the others wait"
        assert len(desk.pending) == 40


def test_hook_that_failed_five_times_is_tried_with_one_delivery_at_a_time(desk: Desk) -> None:
    with receiving(DOWN) as receiver:
        hook, _ = desk.hooks.add(TENANT, receiver.url)
        fail(desk)
        assert desk.hooks.get(TENANT, hook.id).paused_until == desk.clock.now() + timedelta(
            seconds=10
        )
        desk.tell(*(desk.event() for _ in range(50)))
        desk.work()
        assert len(receiver.heard) == 5, "nothing is sent while the hook is left alone"
        desk.work_for(timedelta(minutes=10))
        assert len(receiver.heard) <= 5 + 12
        assert len(desk.pending) == 55
        assert Counter(one.attempts for one in desk.pending)[0] > 30
        untried = next(one for one in desk.pending if not one.attempts)
        assert "not tried" in untried.last_error


def test_hook_that_is_back_gets_everything_within_minutes(desk: Desk) -> None:
    with receiving(DOWN) as receiver:
        hook, _ = desk.hooks.add(TENANT, receiver.url)
        fail(desk)
        desk.tell(*(desk.event() for _ in range(20)))
        desk.work_for(timedelta(hours=1), timedelta(seconds=60))
        untried = {one.event_id for one in desk.pending if not one.attempts}
        assert len(untried) > 5
        receiver.heard.clear()
        receiver.answer_from_now_on(OK)
        desk.work_for(timedelta(minutes=17), timedelta(seconds=60))
        assert untried <= set(told(*receiver.heard)), "those that wait for the hook alone"
        desk.work_for(timedelta(hours=1), timedelta(seconds=60))
        assert Counter(told(*receiver.heard)) == {
            f"face.arrived-{number}": 1 for number in range(1, 26)
        }
        assert desk.hooks.get(TENANT, hook.id).failures == 0
    assert desk.pending == desk.parked == []


def test_deliveries_that_only_waited_for_a_failing_hook_are_parked_after_their_day_too(
    desk: Desk,
) -> None:
    with receiving(DOWN) as receiver:
        desk.hooks.add(TENANT, receiver.url)
        fail(desk)
        desk.tell(*(desk.event() for _ in range(20)))
        desk.work()
        desk.clock.advance(DAY)
        desk.work_for(timedelta(minutes=2))
        assert len(receiver.heard) < 25
    assert desk.pending == []
    assert len(desk.parked) == 25
    assert Counter(one.attempts for one in desk.parked)[0] > 10
    assert all(one.last_error for one in desk.parked)


def test_one_process_tries_a_failing_hook_where_many_want_to(desk: Desk) -> None:
    with receiving(DOWN) as receiver:
        hook, _ = desk.hooks.add(TENANT, receiver.url)
        fail(desk)
        desk.tell(*(desk.event() for _ in range(20)))
        messages = [message for _ in range(2) for message in desk.queue.receive(10, 60)]
        assert len(messages) == 20
        desk.clock.advance(timedelta(seconds=11))
        with ThreadPoolExecutor(16) as pool:
            list(pool.map(desk.deliveries.attempt_delivery, [message.body for message in messages]))
        assert len(receiver.heard) == 6
        desk.clock.advance(timedelta(minutes=1))
        seen = desk.hooks.get(TENANT, hook.id)
        tries = [
            desk.deliveries._may_probe(seen, one, desk.clock.now()) for one in desk.pending[:3]
        ]
        assert tries == [True, False, False], (
            "even where all read the hook before one of them tries it"
        )


def test_try_whose_process_was_killed_does_not_stop_the_hook_for_ever(desk: Desk) -> None:
    with receiving(*[DOWN] * 5, OK) as receiver:
        hook, _ = desk.hooks.add(TENANT, receiver.url)
        fail(desk)
        desk.clock.advance(timedelta(seconds=11))
        failing = desk.hooks.get(TENANT, hook.id)
        # and the process is killed
        assert desk.deliveries._may_probe(failing, desk.pending[0], desk.clock.now())
        desk.work()
        assert len(receiver.heard) == 5
        desk.work_for(timedelta(minutes=6))
        assert len(receiver.heard) == 10
    assert desk.pending == []


def test_redelivery_tries_a_failing_hook_at_once(desk: Desk) -> None:
    with receiving(DOWN) as receiver:
        hook, _ = desk.hooks.add(TENANT, receiver.url)
        fail(desk, times=12)
        receiver.heard.clear()
        receiver.answer_from_now_on(OK)
        assert desk.outbox.redeliver_hook(TENANT, hook.id) == 12
        desk.work()
        assert len(receiver.heard) == 12
    assert desk.pending == []
