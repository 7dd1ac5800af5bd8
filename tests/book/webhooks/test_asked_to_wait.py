"""A receiver that says when to come again is not asked before; a 429 is no failure, a 5xx is."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler

import pytest

from chalicelib.storage.values import parse_retry_after_s
from tests.support.hooks.hook_desk import TENANT, Desk
from tests.support.hooks.receiver import Behaviour, answers, receiving

OK = answers(200)
ANSWERED = "Sun, 01 Mar 2026 12:00:00 GMT"


def busy(seconds: str, status: int = 429) -> Behaviour:
    return answers(status, headers={"Retry-After": seconds})


@pytest.mark.parametrize(("status", "failures"), [(429, 0), (503, 1)])
def test_a_receiver_is_not_asked_before_it_said(desk: Desk, status: int, failures: int) -> None:
    with receiving(busy("40", status), OK) as receiver:
        hook, _ = desk.hooks.add(TENANT, receiver.url)
        desk.tell(desk.event())
        desk.work()
        (waiting,) = desk.pending
        assert waiting.next_at == desk.clock.now() + timedelta(seconds=40)
        assert waiting.last_error == f"the receiver answered {status}: again in 40 s"
        desk.work_for(timedelta(seconds=39), step=timedelta(seconds=3))
        assert len(receiver.heard) == 1
        assert desk.hooks.get(TENANT, hook.id).failures == failures
        desk.work_for(timedelta(seconds=3), step=timedelta(seconds=1))
        assert len(receiver.heard) == 2
    assert desk.pending == []
    assert desk.hooks.get(TENANT, hook.id).failures == 0
    assert desk.hooks.get(TENANT, hook.id).paused_until is None


@pytest.mark.parametrize("seconds", ["0", "1", "600"])
def test_a_dead_receiver_fails_within_an_hour_whatever_it_asks_for(
    desk: Desk, seconds: str
) -> None:
    with receiving(busy(seconds, 503)) as receiver:
        hook, _ = desk.hooks.add(TENANT, receiver.url)
        desk.tell(desk.event(), desk.event())
        desk.work_for(timedelta(minutes=55))
        failing = desk.hooks.get(TENANT, hook.id)
        assert failing.is_failing
        assert failing.paused_until is not None
        desk.work_for(timedelta(hours=25), step=timedelta(minutes=1))
        receiver.answer_from_now_on(OK)
        desk.tell(desk.event())
        desk.work_for(timedelta(minutes=20))
    assert desk.pending == []
    assert desk.hooks.get(TENANT, hook.id).failures == 0


@pytest.mark.parametrize("status", [429, 503])
def test_many_that_wait_for_a_busy_receiver_cost_little_and_come_when_it_is_back(
    desk: Desk, status: int
) -> None:
    desk.deliveries.jitter = random.Random(1).uniform
    with receiving(busy("60", status)) as receiver:
        desk.hooks.add(TENANT, receiver.url)
        desk.tell(*(desk.event() for _ in range(100)))
        done = sum(work_steps(desk, timedelta(hours=3)))
        assert done < 4_500
        assert len(receiver.heard) < 180 + 20
        assert len(desk.pending) == 100
        receiver.answer_from_now_on(OK)
        desk.work_for(timedelta(minutes=80))
    assert desk.pending == []


def work_steps(
    desk: Desk, time: timedelta, step: timedelta = timedelta(seconds=5)
) -> Iterator[int]:
    """Work as time passes; give how many messages there were in each step."""
    for _ in range(int(time / step)):
        desk.clock.advance(step)
        yield desk.work()


def test_when_the_pause_is_over_one_delivery_tries(desk: Desk) -> None:
    with receiving(busy("40")) as receiver:
        desk.hooks.add(TENANT, receiver.url)
        desk.tell(desk.event())
        desk.work()
        desk.tell(*(desk.event() for _ in range(20)))
        for minutes in range(1, 6):
            desk.work_for(timedelta(minutes=1), step=timedelta(seconds=1))
            assert len(receiver.heard) <= 1 + 2 * minutes


@pytest.mark.parametrize("status", [429, 503, 500])
def test_a_pause_by_a_clock_that_was_ahead_silences_nobody(desk: Desk, status: int) -> None:
    ahead = timedelta(days=3_650)
    with receiving(busy("40", status)) as receiver:
        hook, _ = desk.hooks.add(TENANT, receiver.url)
        desk.clock.advance(ahead)
        desk.tell(*(desk.event() for _ in range(5)))
        desk.work()
        desk.clock.advance(-ahead)
        receiver.heard.clear()
        receiver.answer_from_now_on(OK)
        desk.tell(desk.event(), desk.event())
        desk.work_for(timedelta(minutes=2))
        assert len(receiver.heard) == 2
    assert desk.hooks.get(TENANT, hook.id).paused_until is None


@pytest.mark.parametrize("status", [429, 503, 500])
def test_a_hook_that_is_changed_during_a_post_inherits_nothing(desk: Desk, status: int) -> None:
    def change(request: BaseHTTPRequestHandler) -> None:
        desk.hooks.change_hook(TENANT, hook.id, {"url": f"{receiver.url}/new"})
        busy("40", status)(request)

    with receiving(change) as receiver:
        hook, _ = desk.hooks.add(TENANT, receiver.url)
        desk.tell(desk.event())
        desk.work()
    changed = desk.hooks.get(TENANT, hook.id)
    assert (changed.failures, changed.paused_until) == (0, None)


def test_a_date_counts_from_the_answers_own(desk: Desk) -> None:
    at = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    with receiving(busy(at)) as receiver:
        desk.hooks.add(TENANT, receiver.url)
        desk.tell(desk.event())
        desk.work()
    wait_s = (desk.pending[0].next_at - desk.clock.now()).total_seconds()
    assert wait_s == pytest.approx(90, abs=2)


def test_the_later_of_both_counts_and_an_hour_at_most(desk: Desk) -> None:
    with receiving(busy("1"), busy("86400")) as receiver:
        desk.hooks.add(TENANT, receiver.url)
        desk.tell(desk.event())
        desk.work()
        assert desk.pending[0].next_at == desk.clock.now() + timedelta(seconds=10)
        desk.clock.advance(timedelta(seconds=10))
        desk.work()
        assert desk.pending[0].next_at == desk.clock.now() + timedelta(hours=1)


def test_other_deliveries_to_that_hook_wait_too_and_the_hook_does_not_fail(desk: Desk) -> None:
    with receiving(*[busy("40")] * 6, OK) as receiver:
        hook, _ = desk.hooks.add(TENANT, receiver.url)
        for _ in range(6):
            desk.tell(desk.event())
            desk.work()
        assert len(receiver.heard) == 1
        assert desk.pending[-1].last_error == "not tried: the receiver asked to wait"
        desk.work_for(timedelta(minutes=30))
        assert len(receiver.heard) == 6 + 6
        assert not desk.hooks.get(TENANT, hook.id).is_failing
    assert desk.pending == []


def test_a_receiver_that_always_asks_to_wait_is_given_up_after_a_day(desk: Desk) -> None:
    with receiving(busy("3600")) as receiver:
        desk.hooks.add(TENANT, receiver.url)
        desk.tell(desk.event())
        desk.work_for(timedelta(hours=26), step=timedelta(minutes=10))
        assert len(receiver.heard) <= 26
    assert desk.pending == []
    assert [one.last_error for one in desk.parked] == ["the receiver answered 429: again in 3600 s"]


@pytest.mark.parametrize("sent", ["", "soon", "-5", "1e9", "Sun, 31 Feb 2026 12:00:00 GMT"])
def test_what_is_no_time_is_a_failure_as_before(desk: Desk, sent: str) -> None:
    with receiving(busy(sent)) as receiver:
        hook, _ = desk.hooks.add(TENANT, receiver.url)
        desk.tell(desk.event())
        desk.work()
    assert desk.pending[0].next_at == desk.clock.now() + timedelta(seconds=10)
    assert desk.hooks.get(TENANT, hook.id).failures == 1


@pytest.mark.parametrize(
    ("sent", "wait_s"),
    [
        ("40", 40.0),
        (" 0.65 ", 0.65),
        ("0", 0.0),
        ("Sun, 01 Mar 2026 12:01:30 GMT", 90.0),
        ("Sun, 01 Mar 2026 11:00:00 GMT", 0.0),
        ("Sunday, 01-Mar-26 12:01:30 GMT", 90.0),
        ("٤٠", None),
        ("9" * 400, None),
    ],
)
def test_seconds_and_dates_are_read(sent: str, wait_s: float | None) -> None:
    assert parse_retry_after_s(sent, ANSWERED) == wait_s
