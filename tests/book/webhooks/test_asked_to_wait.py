"""A receiver that says when to come again is not asked before, and that is no failure."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from chalicelib.storage.values import parse_retry_after_s
from tests.support.hooks.hook_desk import TENANT, Desk
from tests.support.hooks.receiver import answers, receiving

OK = answers(200)
ANSWERED = "Sun, 01 Mar 2026 12:00:00 GMT"


def busy(seconds: str, status: int = 429) -> object:
    return answers(status, headers={"Retry-After": seconds})


@pytest.mark.parametrize("status", [429, 503])
def test_a_receiver_is_not_asked_before_it_said(desk: Desk, status: int) -> None:
    with receiving(busy("40", status), OK) as receiver:
        hook, _ = desk.hooks.add(TENANT, receiver.url)
        desk.tell(desk.event())
        desk.work()
        (waiting,) = desk.pending
        assert waiting.next_at == desk.clock.now() + timedelta(seconds=40)
        assert waiting.last_error == f"the receiver answered {status}: again in 40 s"
        desk.work_for(timedelta(seconds=39), step=timedelta(seconds=3))
        assert len(receiver.heard) == 1
        desk.work_for(timedelta(seconds=3), step=timedelta(seconds=1))
        assert len(receiver.heard) == 2
    assert desk.pending == []
    assert desk.hooks.get(TENANT, hook.id).failures == 0


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
