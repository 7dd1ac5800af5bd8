import json
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import numpy as np
import pytest
from chalice.app import SQSEvent
from msgspec.structs import replace
from numpy.typing import NDArray

from chalicelib.api import batches
from chalicelib.book.captures.redrive import MAX_ATTEMPTS, are_all_looked_at
from chalicelib.book.sightings.ingest import TAKES_TURNS_AFTER
from chalicelib.domain.captures import Capture, CaptureState
from chalicelib.domain.errors import Busy, InvalidInput, RegularsError, StorageUnavailable
from chalicelib.domain.jobs import JobContext
from chalicelib.domain.pictures import PictureRules
from chalicelib.storage import keys
from chalicelib.storage.ports import Item, Page, Table
from chalicelib.sweep import WATCHED_CAPTURES
from regulars.serve.events import handle_messages
from tests.support.book.book import Book, Shot
from tests.support.book.book_with import book_with
from tests.support.fakes import FakeVision, Person
from tests.support.hooks.hook_desk import NoQueue
from tests.support.storage.meter import MeteredItems

FIVE_MINUTES = timedelta(minutes=5)
DAY = 24 * 60


class Failing(FakeVision):
    """Fails at every picture, until it is mended."""

    def __init__(self, error: Exception | None) -> None:
        self.error = error
        self.opened = 0

    def read_picture(self, picture: bytes, rules: PictureRules) -> NDArray[np.uint8]:
        self.opened += 1
        if self.error is not None:
            raise self.error
        return super().read_picture(picture, rules)


class Reading(MeteredItems):
    """It counts the captures that are read."""

    found = 0

    def query(self, table: Table, partition: str, **how: Any) -> Page:
        page = super().query(table, partition, **how)
        self.found += len(page.items) if table is keys.CAPTURES else 0
        return page


def put(book: Book, seed: int = 1) -> Capture:
    """A capture of this moment; its picture is there, and S3's event in the queue."""
    capture = book.put(Shot(book.clock.now(), (Person(seed),)))
    tell(book, capture)
    return capture


def tell(book: Book, capture: Capture) -> None:
    """S3's event comes."""
    event = {"eventName": "ObjectCreated:Put", "s3": {"object": {"key": f"shop/door/{capture.id}"}}}
    book.storage.captures_queue.send(json.dumps({"Records": [event]}))


def stored(book: Book, capture: Capture) -> Item:
    item = book.storage.items.get(keys.CAPTURES, keys.capture("shop", "door", capture.id))
    assert item is not None
    return item


def work_off(book: Book) -> Counter[str]:
    """Receive every message once; how many messages each picture had.

    What fails stays for another time.
    """
    had: Counter[str] = Counter()
    while messages := book.storage.captures_queue.receive(10, 600):
        for message in messages:
            had[json.loads(message.body)["Records"][0]["s3"]["object"]["key"]] += 1
            try:
                book.services.sightings.ingest.take_message(message.body, message.receive_count)
            except (RegularsError, MemoryError):
                continue
            book.storage.captures_queue.delete(message.receipt)
    return had


def test_an_ingest_that_stood_still_for_two_days_resolves_every_capture(book: Book) -> None:
    waiting = []
    for minutes in range(0, 2 * DAY, 5):
        if minutes % 60 == 0:
            waiting.append(put(book, seed=minutes))
        book.services.watch.run()
        if minutes % 60 == 30:
            book.sweep()
        book.clock.advance(FIVE_MINUTES)
    assert {stored(book, capture)["state"] for capture in waiting} == {CaptureState.WANTED}
    sent = work_off(book)
    assert {stored(book, capture)["state"] for capture in waiting} == {CaptureState.RESOLVED}
    assert len(sent) == len(waiting)
    assert max(sent.values()) < 5
    assert len(book.faces()) == len(waiting)


def test_an_ingest_that_fails_for_two_days_parks_nothing_and_resolves_all_within_a_day_after(
    book: Book,
) -> None:
    book.vision = broken = Failing(StorageUnavailable("DynamoDB does not answer"))
    queue, waiting = book.storage.captures_queue, []

    def ingest(event: Any, context: Any) -> Any:
        return batches.handle_each(
            SQSEvent(event, context), book.services.sightings.ingest.take_message, queue
        )

    def five_minutes(minutes: int) -> None:
        book.services.watch.run()
        if minutes % 60 == 30:
            book.sweep()
        while handle_messages(queue.receive(5, 720), queue, ingest, "ingest", 720) == 0.0:
            pass
        book.clock.advance(FIVE_MINUTES)

    for minutes in range(0, 2 * DAY, 5):
        if minutes % 360 == 0:
            waiting.append(put(book, seed=minutes))
        five_minutes(minutes)
    assert {stored(book, capture)["state"] for capture in waiting} == {CaptureState.WANTED}
    broken.error = None
    for minutes in range(0, DAY, 5):
        five_minutes(minutes)
    assert {stored(book, capture)["state"] for capture in waiting} == {CaptureState.RESOLVED}
    assert len(book.faces()) == len(waiting)


def test_what_is_received_for_the_first_time_costs_no_write_for_its_attempt(book: Book) -> None:
    capture = put(book)
    book.vision = Failing(MemoryError("unable to allocate 16 GB"))
    work_off(book)
    assert "attempts" not in stored(book, capture)


def test_a_picture_that_never_comes_to_an_end_is_parked_and_not_opened_again(book: Book) -> None:
    capture = put(book)
    book.vision = broken = Failing(MemoryError("unable to allocate 16 GB"))
    for _ in range(MAX_ATTEMPTS + 3):
        work_off(book)
        book.clock.advance(timedelta(minutes=12))
    assert broken.opened == 1 + MAX_ATTEMPTS
    assert stored(book, capture)["state"] == CaptureState.PARKED
    assert f"opened {MAX_ATTEMPTS} times" in stored(book, capture)["reason"]


@pytest.mark.parametrize(
    "error",
    [
        Busy("others are at it"),
        StorageUnavailable("S3 does not answer"),
        InvalidInput("DynamoDB refused the call"),
    ],
)
def test_an_attempt_that_storage_ended_does_not_count(book: Book, error: Exception) -> None:
    capture = put(book)
    book.vision = broken = Failing(error)
    for _ in range(MAX_ATTEMPTS + 3):
        work_off(book)
        book.clock.advance(timedelta(minutes=12))
    assert "attempts" not in stored(book, capture)
    broken.error = None
    work_off(book)
    assert stored(book, capture)["state"] == CaptureState.RESOLVED


def test_what_was_sent_again_counts_from_its_first_receive(book: Book) -> None:
    capture = book.put(Shot(book.clock.now(), (Person(1),)))
    book.vision = Failing(MemoryError("unable to allocate 16 GB"))
    book.services.watch.resume_all()
    for number in range(1, 4):
        work_off(book)
        assert stored(book, capture)["attempts"] == number
        book.clock.advance(timedelta(minutes=12))


def test_what_s3_told_long_ago_takes_its_turn_among_those_of_its_tenant(book: Book) -> None:
    capture, queue = put(book), book.storage.captures_queue
    [of_s3] = queue.receive(10, 600)
    ingest, sent_at = book.services.sightings.ingest, book.clock.now()
    book.clock.advance(TAKES_TURNS_AFTER + timedelta(seconds=1))
    ingest.take_message(of_s3.body, 1, sent_at)
    assert stored(book, capture)["state"] == CaptureState.WANTED
    assert "attempts" not in stored(book, capture)
    queue.delete(of_s3.receipt)
    queue.send("its next", group="shop")
    queue.send("another's", group="another")
    [others], [sent_again], [_] = (queue.receive(1, 600) for _ in range(3))
    assert others.body == "another's"
    book.clock.advance(timedelta(minutes=1))
    ingest.take_message(sent_again.body, 1, sent_at)
    assert stored(book, capture)["state"] == CaptureState.RESOLVED
    assert queue.receive(1, 600) == []


def test_what_s3_told_just_now_is_resolved_at_once(book: Book) -> None:
    capture = put(book)
    [of_s3] = book.storage.captures_queue.receive(10, 600)
    sent_at = book.clock.now()
    book.clock.advance(TAKES_TURNS_AFTER)
    book.services.sightings.ingest.take_message(of_s3.body, 1, sent_at)
    assert stored(book, capture)["state"] == CaptureState.RESOLVED


def test_a_box_that_starts_again_and_again_sends_what_waits_once(book: Book) -> None:
    capture = book.put(Shot(book.clock.now(), (Person(1),)))
    for _ in range(20):
        book.services.watch.resume_all()
        book.services.watch.run()
        book.clock.advance(timedelta(seconds=30))
    assert sum(work_off(book).values()) == 1
    assert stored(book, capture)["state"] == CaptureState.RESOLVED


def test_what_could_not_be_sent_is_not_taken_for_sent(book: Book) -> None:
    book.put(Shot(book.clock.now(), (Person(1),)))
    book.clock.advance(timedelta(minutes=15))
    storage = replace(book.storage, captures_queue=cast(Any, NoQueue()))
    dumb = book_with(book.services, storage=storage).captures.redrive
    with pytest.raises(StorageUnavailable):
        dumb.send_all_lost(book.tenant)
    assert book.services.captures.redrive.send_all_lost(book.tenant) == 1


@pytest.mark.parametrize(
    ("at", "ages", "found"),
    [
        (datetime(2026, 3, 17, 4, tzinfo=UTC), (timedelta(hours=2), timedelta(hours=4)), 1),
        (
            datetime(2026, 3, 17, 3, tzinfo=UTC),
            (timedelta(hours=4), timedelta(days=3), timedelta(days=5)),
            2,
        ),
        (datetime(2026, 3, 22, 3, tzinfo=UTC), (timedelta(days=9), timedelta(days=60)), 2),
    ],
    ids=["each hour", "each night", "one night a week"],
)
def test_the_sweep_looks_for_lost_captures_as_far_back_as_it_may_find_some(
    book: Book, at: datetime, ages: Sequence[timedelta], found: int
) -> None:
    book.clock.advance(at - book.clock.now() - timedelta(hours=1))
    for number, age in enumerate(ages):
        book.put(Shot(at - age, (Person(number),)))
    book.clock.advance(timedelta(hours=1))
    redrive = book.services.captures.redrive
    assert redrive.send_lost_of_hour(JobContext(book.tenant, at, lambda: 300.0)) is None
    assert len(book.services.ports.storage.captures_queue.receive(10, 30)) == found


def test_each_camera_has_a_night_of_the_week_and_many_have_different_ones() -> None:
    week = [datetime(2026, 3, 16 + day, 3, tzinfo=UTC) for day in range(7)]
    nights = [
        [night for night in week if are_all_looked_at(f"shop-{number}#door", night)]
        for number in range(700)
    ]
    assert {len(one) for one in nights} == {1}
    assert max(Counter(night for [night] in nights).values()) < 150


def test_the_watch_reads_no_capture_before_it_can_be_stuck_and_each_for_twenty_minutes(
    book: Book,
) -> None:
    book.put(Shot(book.clock.now(), (Person(1),)))
    book.clock.advance(timedelta(minutes=1))
    read: list[int] = []
    for _ in range(12):
        book.clock.advance(FIVE_MINUTES)
        items = Reading(book.storage.items)
        book_with(book.services, items=items).captures.redrive.watch_recent(
            book.tenant, WATCHED_CAPTURES
        )
        read.append(items.found)
    assert [number for number, one in enumerate(read, 1) if one] == [1, 2, 3, 4]


def test_a_look_for_lost_captures_goes_on_where_its_time_ran_out(book: Book) -> None:
    shots = [
        book.put(Shot(book.clock.now() - timedelta(minutes=number), (Person(1),)))
        for number in range(5)
    ]
    book.clock.advance(timedelta(minutes=30))
    redrive = book.services.captures.redrive
    redrive.page_size = 2
    this, seen = JobContext(book.tenant, datetime(2026, 3, 17, 3, tzinfo=UTC), lambda: 30.0), []
    while rest := redrive.send_lost_of_hour(this):
        seen.append(len(book.services.ports.storage.captures_queue.receive(10, 30)))
        this = replace(this, after=rest.after)
    seen.append(len(book.services.ports.storage.captures_queue.receive(10, 30)))
    assert (sum(seen), max(seen)) == (len(shots), 2)


def test_a_parked_capture_stays_parked_until_an_operator_sends_it_again(book: Book) -> None:
    capture = put(book)
    book.vision = broken = Failing(MemoryError("unable to allocate 16 GB"))
    for _ in range(MAX_ATTEMPTS + 2):
        work_off(book)
        book.clock.advance(timedelta(minutes=12))
    broken.error = None
    tell(book, capture)
    work_off(book)
    book.services.watch.run()
    book.services.watch.resume_all()
    work_off(book)
    assert stored(book, capture)["state"] == CaptureState.PARKED
    [parked] = book.services.captures.redrive.list_parked(book.tenant)
    book.services.captures.redrive.redrive(book.tenant, [parked])
    work_off(book)
    assert stored(book, capture)["state"] == CaptureState.RESOLVED
    assert not {"attempts", "sent_at", "reason"} & set(stored(book, capture))


def test_a_capture_whose_event_is_gone_is_sent_again_at_once_and_then_rarely(book: Book) -> None:
    book.put(Shot(book.clock.now(), (Person(1),)))
    sent = []
    for _ in range(13 * 12):
        book.clock.advance(FIVE_MINUTES)
        sent.append(book.services.captures.redrive.send_all_lost(book.tenant))
    assert [number for number, one in enumerate(sent, 1) if one] == [3, 3 + 12 * 12]
