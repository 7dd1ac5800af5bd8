"""From an event to a receiver, by a real server on this machine that fails, hangs, redirects and
comes back."""

import hmac
import json
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from email.message import Message
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from msgspec.structs import replace

from chalicelib.book.webhooks import MAX_ANNOUNCED, longest_delay_s, pause_s
from chalicelib.domain.events import EventKind
from chalicelib.domain.webhooks import Hindrance, Why, without_names
from chalicelib.storage import keys
from chalicelib.storage.items import walk_items, write
from testing.reported import replays
from tests.support.fakes import FakeClock
from tests.support.hooks.events import make_data
from tests.support.hooks.hook_desk import TENANT, Desk, stores, told
from tests.support.hooks.receiver import answers, receiving, says
from tests.support.paged import paged
from tests.support.storage.failing import Calls

DAY = timedelta(hours=24)
OK = answers(200)
DOWN = answers(500)


def test_event_reaches_its_hook_and_nothing_is_left_of_it(desk: Desk) -> None:
    with receiving(OK) as receiver:
        hook, _ = desk.hooks.add(TENANT, receiver.url)
        event = desk.event()
        desk.tell(event)
        desk.work()
        (heard,) = receiver.heard
    assert json.loads(heard.body) == {
        "id": event.id,
        "type": "face.arrived",
        "at": "2026-03-01T12:00:00.000Z",
        "tenant": TENANT,
        "group": "vip",
        "camera": "door",
        "data": make_data(EventKind.FACE_ARRIVED, faceid="1").write(),
    }
    assert heard.headers["Content-Type"] == "application/json"
    assert heard.headers["X-Regulars-Event"] == "face.arrived"
    assert heard.headers["X-Regulars-Delivery"] == f"{hook.id}#{event.id}"
    assert desk.pending == desk.parked == []
    assert desk.queue.receive(10, 1) == []


def test_every_hook_that_takes_an_event_is_told_and_no_other(desk: Desk) -> None:
    with receiving(OK) as receiver:
        vips, _ = desk.hooks.add(TENANT, receiver.url, groups=["vip"])
        full, _ = desk.hooks.add(TENANT, receiver.url, kinds=["group.full"])
        desk.hooks.add(TENANT, receiver.url, enabled=False)
        desk.hooks.add("another", receiver.url)
        one, other = desk.event(group="vip"), desk.event(EventKind.GROUP_FULL, group="staff")
        desk.tell(one, other)
        desk.work()
        assert {heard.headers["X-Regulars-Delivery"] for heard in receiver.heard} == {
            keys.delivery(vips.id, one.id),
            keys.delivery(full.id, other.id),
        }


def test_hooks_are_read_once_for_all_events_and_not_for_none(desk: Desk) -> None:
    calls = Calls()
    counted = Desk(calls.port("items", desk.items), desk.queue, desk.clock)
    assert counted.outbox.make_delivery_puts(TENANT, []) == []
    assert calls.names == []
    counted.outbox.make_delivery_puts(TENANT, [counted.event(), counted.event()])
    assert calls.names == ["items.query"]


def test_renewed_secret_signs_from_the_next_attempt_on(desk: Desk) -> None:
    with receiving(DOWN, OK) as receiver:
        hook, old = desk.hooks.add(TENANT, receiver.url)
        desk.tell(desk.event())
        desk.work()
        new = desk.hooks.replace_secret(TENANT, hook.id)
        desk.work_for(timedelta(seconds=20))
        first, second = receiver.heard
    assert is_signed(first.headers, first.body, old)
    assert is_signed(second.headers, second.body, new)


def is_signed(headers: Message, body: bytes, secret: str) -> bool:
    stamp, signature = (part.split("=")[1] for part in headers["X-Regulars-Signature"].split(","))
    signed = hmac.new(secret.encode(), f"{stamp}.".encode() + body, "sha256")
    return signature == signed.hexdigest()


@replays(63, "sandbase-harness 325", "Stellar-GreenPay 694", "ay-framework 407")
@pytest.mark.parametrize("refuses", [400, 401, 403])
def test_a_receiver_that_knows_one_of_two_secrets_takes_each_event_for_a_day(
    desk: Desk, refuses: int
) -> None:
    """It learns the new one after 23 hours; from the 24th on the old one signs nothing."""
    known: list[str] = []

    def check(handler: BaseHTTPRequestHandler) -> None:
        heard = receiver.heard[-1]
        is_known = is_signed(heard.headers, heard.body, known[-1])
        handler.send_response(204 if is_known else refuses)
        handler.end_headers()

    with receiving(check) as receiver:
        hook, old = desk.hooks.add(TENANT, receiver.url)
        known.append(old)
        new = desk.hooks.replace_secret(TENANT, hook.id)
        for secret, posts in ((old, 2), (new, 1)):
            known.append(secret)
            desk.tell(desk.event())
            desk.work()
            assert (len(receiver.heard), desk.pending) == (posts, [])
            receiver.heard.clear()
            desk.clock.advance(timedelta(hours=23))
        known.append(old)
        desk.clock.advance(timedelta(hours=1))
        desk.tell(desk.event())
        desk.work()
        assert (len(receiver.heard), len(desk.pending)) == (1, 1)


def test_delivery_that_failed_comes_again_the_same_but_for_its_time(desk: Desk) -> None:
    with receiving(DOWN, OK) as receiver:
        desk.hooks.add(TENANT, receiver.url)
        desk.tell(desk.event())
        desk.work()
        assert [(one.attempts, one.last_error) for one in desk.pending] == [
            (1, "the receiver answered 500, not 200 to 299")
        ]
        desk.work_for(timedelta(seconds=10))
        first, second = receiver.heard
    assert first.body == second.body
    assert first.headers["X-Regulars-Delivery"] == second.headers["X-Regulars-Delivery"]
    stamps = [
        int(heard.headers["X-Regulars-Signature"][2:].split(",")[0]) for heard in (first, second)
    ]
    assert stamps[1] - stamps[0] == 10
    assert desk.pending == desk.parked == []


@pytest.mark.parametrize(
    ("behave", "said"),
    [
        (answers(500), "answered 500"),
        (answers(503, headers={"Retry-After": "1"}), "answered 503"),
        (answers(404), "answered 404"),
        (answers(401), "answered 401"),
        (answers(302, headers={"Location": "http://127.0.0.1:9/"}), "answered 302"),
        (says(), "did not answer in HTTP"),
        (says(b"HTTP/1.1 200 OK\r\nX-Cut: "), "broke off"),
        (says(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 9000), "HTTP/1.1"),
        (says(*[b"HTTP/1.1 100 Continue\r\n\r\n"] * 50, pause_s=0.1), "no answer within 1 s"),
    ],
)
def test_what_is_no_answer_of_2xx_is_a_failure_and_tried_again(
    desk: Desk, behave: Callable[..., None], said: str
) -> None:
    with receiving(behave, OK) as receiver:
        desk.hooks.add(TENANT, receiver.url)
        desk.tell(desk.event())
        desk.work()
        (waiting,) = desk.pending
        assert waiting.attempts == 1
        assert said in waiting.last_error
        assert waiting.next_at == desk.clock.now() + timedelta(seconds=10)
        desk.work_for(timedelta(seconds=10))
        assert len(receiver.heard) == 2
    assert desk.pending == []


def test_receiver_that_is_down_is_tried_less_and_less_often_for_a_day_and_then_no_more(
    desk: Desk,
) -> None:
    tries: list[float] = []
    start = desk.clock.now()
    with receiving(DOWN) as receiver:
        hook, _ = desk.hooks.add(TENANT, receiver.url)
        desk.tell(desk.event())
        desk.work()
        for _ in range(int(DAY / timedelta(seconds=10)) + 720):
            before = len(receiver.heard)
            desk.clock.advance(timedelta(seconds=10))
            desk.work()
            if len(receiver.heard) > before:
                tries.append((desk.clock.now() - start).total_seconds())
    gaps = [later - sooner for sooner, later in zip([0.0, *tries], tries, strict=False)]
    assert gaps[:9] == pytest.approx([10, 20, 40, 80, 160, 320, 640, 1280, 2560], abs=10)
    assert gaps[9:-1] == pytest.approx([3600] * len(gaps[9:-1]), abs=10)
    assert tries[-1] == DAY.total_seconds(), "the last try is when the day is over"
    (parked,) = desk.parked
    assert desk.pending == []
    assert parked.attempts == len(tries) + 1 == len(receiver.heard)
    assert parked.last_error == "the receiver answered 500, not 200 to 299"
    page = desk.outbox.read_page(TENANT, hook.id, parked=True, limit=10)
    assert page.rows == [parked]
    assert page.next_token is None


def test_full_jitter_spreads_the_tries_between_now_and_the_longest_delay(
    tmp_path: Path, clock: FakeClock
) -> None:
    asked: list[tuple[float, float]] = []

    def jitter(low: float, high: float) -> float:
        asked.append((low, high))
        return 7.5

    with stores(tmp_path, clock) as (items, queue), receiving(DOWN) as receiver:
        desk = Desk(items, queue, clock, jitter=jitter)
        desk.hooks.add(TENANT, receiver.url)
        desk.tell(desk.event())
        desk.work()
        assert asked == [(0, 10)]
        assert desk.pending[0].next_at == clock.now() + timedelta(seconds=7.5)


def test_delays_longer_than_a_queues_are_waited_in_parts(desk: Desk) -> None:
    with receiving(*[DOWN] * 9, OK) as receiver:
        desk.hooks.add(TENANT, receiver.url)
        desk.tell(desk.event())
        desk.work_for(timedelta(seconds=10 * (2**8 - 1)))
        assert len(receiver.heard) == 9
        (waiting,) = desk.pending
        assert waiting.next_at == desk.clock.now() + timedelta(seconds=2560)
        desk.work_for(timedelta(seconds=2550))
        assert len(receiver.heard) == 9
        desk.work_for(timedelta(seconds=10))
        assert len(receiver.heard) == 10
    assert desk.pending == []


def test_gone_parks_a_delivery_at_once_and_the_hook_goes_on(desk: Desk) -> None:
    with receiving(answers(410), OK) as receiver:
        desk.hooks.add(TENANT, receiver.url)
        desk.tell(desk.event())
        desk.work()
        assert [(one.attempts, one.last_error) for one in desk.parked] == [
            (1, "the receiver answered 410: it does not want this any more")
        ]
        desk.tell(desk.event())
        desk.work()
        assert len(receiver.heard) == 2
    assert desk.pending == []


def test_url_that_may_not_be_posted_to_any_more_parks_at_once(desk: Desk) -> None:
    with receiving(OK) as receiver:
        desk.hooks.add(TENANT, receiver.url)
        desk.tell(desk.event())
        Desk(desk.items, desk.queue, desk.clock, networks=()).work()
        assert receiver.heard == []
    (parked,) = desk.parked
    assert "not public" in parked.last_error


def test_deliveries_of_a_disabled_hook_are_parked_untried_and_can_be_sent_later(desk: Desk) -> None:
    with receiving(OK) as receiver:
        hook, _ = desk.hooks.add(TENANT, receiver.url)
        desk.tell(desk.event())
        desk.hooks.change_hook(TENANT, hook.id, {"enabled": False})
        desk.work()
        assert [one.attempts for one in desk.parked] == [0]
        desk.hooks.change_hook(TENANT, hook.id, {"enabled": True})
        assert desk.outbox.redeliver_hook(TENANT, hook.id) == 1
        desk.work()
        assert len(receiver.heard) == 1
    assert desk.pending == desk.parked == []


def test_what_waits_for_a_hook_that_is_gone_is_forgotten(desk: Desk) -> None:
    with receiving(OK) as receiver:
        hook, _ = desk.hooks.add(TENANT, receiver.url)
        actions = desk.outbox.make_delivery_puts(TENANT, [desk.event()])
        desk.hooks.delete(TENANT, hook.id)
        desk.items.transact(actions)
        desk.outbox.send_messages(TENANT, actions)
        desk.work()
        assert receiver.heard == []
    assert desk.pending == desk.parked == []


def test_parked_deliveries_are_sent_again_with_a_day_of_their_own(desk: Desk) -> None:
    with receiving(DOWN) as receiver:
        hook, _ = desk.hooks.add(TENANT, receiver.url)
        desk.tell(*(desk.event() for _ in range(3)))
        desk.work_for(DAY + timedelta(hours=1), timedelta(minutes=5))
        assert len(desk.parked) == 3
        receiver.answer_from_now_on(DOWN, DOWN, DOWN, OK)
        heard_before = len(receiver.heard)
        assert desk.outbox.redeliver_hook(TENANT, hook.id) == 3
        assert [(one.attempts, one.created_at) for one in desk.pending] == [
            (0, desk.clock.now())
        ] * 3
        desk.work_for(timedelta(minutes=5))
        again = receiver.heard[heard_before:]
        assert Counter(told(*again)) == dict.fromkeys(told(*receiver.heard[:3]), 2)
    assert desk.pending == desk.parked == []


def test_parked_deliveries_are_listed_page_by_page(desk: Desk) -> None:
    hook, _ = desk.hooks.add(TENANT, "https://shop.example/")
    desk.commit(*(desk.event() for _ in range(7)))
    for one in desk.pending[:5]:
        desk.outbox.park(one, Why(Hindrance.ANSWERED, "for the test"))
    listed = []
    for page in paged(
        lambda token: desk.outbox.read_page(TENANT, hook.id, parked=True, limit=2, token=token)
    ):
        assert len(page.rows) <= 2
        listed += page.rows
    assert listed == desk.parked
    assert len(listed) == 5
    assert len(desk.outbox.read_page(TENANT, hook.id, parked=False, limit=100).rows) == 2


def test_parked_deliveries_are_forgotten_after_thirty_days(desk: Desk) -> None:
    desk.hooks.add(TENANT, "https://shop.example/")
    desk.commit(*(desk.event() for _ in range(100)))
    for one in desk.pending[:90]:
        desk.outbox.park(one, Why(Hindrance.ANSWERED, "for the test"))
    desk.clock.advance(timedelta(days=30, seconds=-1))
    assert desk.outbox.forget_expired(TENANT) == 0
    desk.clock.advance(timedelta(seconds=1))
    assert desk.outbox.forget_expired(TENANT) == 90
    assert (len(desk.pending), len(desk.parked)) == (10, 0)


def test_redelivery_is_done_in_parts_that_a_call_has_time_for(desk: Desk) -> None:
    hook, _ = desk.hooks.add(TENANT, "https://shop.example/")
    for _ in range(0, MAX_ANNOUNCED, 50):
        desk.commit(*(desk.event() for _ in range(51)))
    for one in desk.pending:
        desk.outbox.park(one, Why(Hindrance.ANSWERED, "for the test"))
    sent = []
    while not sent or sent[-1]:
        sent.append(desk.outbox.redeliver_hook(TENANT, hook.id))
    assert sent == [MAX_ANNOUNCED, 10, 0]


def test_delays_double_from_ten_seconds_to_an_hour() -> None:
    assert [longest_delay_s(attempts) for attempts in range(1, 12)] == [
        10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600, 3600,
    ]  # fmt: skip
    assert longest_delay_s(10_000) == 3600


def test_pauses_of_a_failing_hook_double_from_ten_seconds_to_a_quarter_of_an_hour() -> None:
    assert [pause_s(failures) for failures in range(5, 14)] == [
        10,
        20,
        40,
        80,
        160,
        320,
        640,
        900,
        900,
    ]
    assert pause_s(10_000) == 900


@pytest.mark.parametrize("age", [timedelta(minutes=2), DAY], ids=["to be tried again", "given up"])
def test_a_reason_about_who_went_meanwhile_is_not_kept(desk: Desk, age: timedelta) -> None:
    """She is erased while the receiver thinks about its answer, which may repeat her name."""
    refuse = answers(400)

    def refuse_later(handler: BaseHTTPRequestHandler) -> None:
        [waiting] = walk_items(desk.items, keys.OUTBOX, TENANT)
        unnamed = without_names(waiting, {"1"})
        assert unnamed is not None
        write(desk.items, [unnamed])
        refuse(handler)

    with receiving(refuse_later) as receiver:
        desk.hooks.add(TENANT, receiver.url)
        data = make_data(EventKind.FACE_ARRIVED, faceid="1", name="Eva Lee")
        desk.commit(replace(desk.event(), data=data))
        desk.clock.advance(age)
        desk.outbox.announce_overdue(TENANT)
        desk.work()
        assert len(receiver.heard) == 1
    [left] = desk.pending + desk.parked
    assert "Eva" not in left.payload
    assert left.last_error == "", "the answer is to what names her"
