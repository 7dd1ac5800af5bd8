"""Storage that refuses most calls for days: a capture is parked for what its picture did, and for
nothing else."""

from collections import Counter
from contextlib import closing, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from chalice.app import SQSEvent

from chalicelib.api import batches
from chalicelib.domain.captures import Capture, CaptureState
from chalicelib.domain.errors import RegularsError
from chalicelib.storage import keys
from chalicelib.storage.ports import SENT_AGAIN, picture_event
from regulars.serve.events import handle_messages
from tests.support.book.book import Book, Shot
from tests.support.fakes import Person
from tests.support.storage.failing import (
    DONE_UNANSWERED,
    KILLED,
    THROTTLED,
    UNANSWERED,
    Calls,
    Fault,
    Killed,
)

PEOPLE = 6
HOUR, DAY = 60, 24 * 60


def states(book: Book) -> Counter[str]:
    items = book.storage.items.query(keys.CAPTURES, keys.captures("shop", "door")).items
    return Counter(str(one["state"]) for one in items)


def send_again(book: Book, capture: Capture) -> str:
    return picture_event(SENT_AGAIN, keys.capture_picture("shop", "door", capture.id))


def pass_minutes(book: Book, minutes: int) -> None:
    """SQS hands out what is due, watch looks for what was lost, and what fails comes again, later
    each time."""
    queue, refusing = book.storage.captures_queue, book.services.ports.storage.captures_queue

    def ingest(event: Any, context: Any) -> Any:
        return batches.handle_each(
            SQSEvent(event, context), book.services.sightings.ingest.take_message, refusing
        )

    for _ in range(0, minutes, 5):
        with suppress(RegularsError):
            book.services.watch.run()
        while handle_messages(queue.receive(5, 720), queue, ingest, "ingest", 720) == 0.0:
            pass
        book.clock.advance(timedelta(minutes=5))


@pytest.mark.parametrize(
    ("share", "fault", "minutes"),
    [
        (0.6, UNANSWERED, 4 * DAY),
        (0.9, UNANSWERED, 4 * DAY),
        (0.6, DONE_UNANSWERED, 4 * DAY),
        (0.9, DONE_UNANSWERED, 4 * DAY),
        (0.6, THROTTLED, 2 * HOUR),
        (0.9, THROTTLED, 2 * HOUR),
    ],
)
def test_weather_parks_nothing_and_all_is_resolved_after_it(
    tmp_path: Path, share: float, fault: Fault, minutes: int
) -> None:
    calls = Calls()
    with closing(Book(tmp_path, wrap=calls.wrap)) as book:
        captures = [book.put(Shot(book.clock.now(), (Person(number),))) for number in range(PEOPLE)]
        calls.refuse(share, fault)
        for _ in range(0, minutes, 12 * HOUR):  # as the watch and the sweep do, for four days
            for capture in captures:
                book.storage.captures_queue.send(send_again(book, capture))
            pass_minutes(book, min(minutes, 12 * HOUR))
        assert CaptureState.PARKED not in states(book)
        calls.refuse(0)
        pass_minutes(book, HOUR)
        for capture in captures:  # those of dead letters, as a person moves them back
            book.services.sightings.ingest.take_message(send_again(book, capture))
        assert states(book) == {CaptureState.RESOLVED: PEOPLE}
        assert len(book.faces()) == PEOPLE


def test_a_process_that_dies_when_the_picture_is_closed_has_counted_nothing(tmp_path: Path) -> None:
    """The first two transactions begin and end the attempt; the third one stores the face."""
    calls = Calls()
    with closing(Book(tmp_path, wrap=calls.wrap)) as book:
        capture = book.put(Shot(book.clock.now(), (Person(1),)))
        calls.fail(3, KILLED, of="items.transact")
        with suppress(Killed):
            book.services.sightings.ingest.take_message(send_again(book, capture))
        assert calls.dead
        item = book.storage.items.get(keys.CAPTURES, keys.capture("shop", "door", capture.id))
        assert item is not None
        assert item["state"] == CaptureState.WANTED
        assert "attempts" not in item
