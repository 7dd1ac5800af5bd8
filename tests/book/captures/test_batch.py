"""A batch's captures are read ahead, one while the one before is resolved, and the book is as without that."""

import json
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
from chalice.app import SQSEvent

from chalicelib.book.words import keys
from chalicelib.book.words.captures import Capture, CaptureState
from chalicelib.book.words.errors import Busy
from chalicelib.book.words.ports import Delete, Storage
from chalicelib.book.words.tenant_settings import FORGET
from chalicelib.doors import batches
from tests.support.book.book import Book, Shot, shot
from tests.support.faults.shop import lookalike
from tests.support.storage.meter import Meter, meter_storage
from tests.support.storage.prices import waiting_ms


class Account:
    """Storage that reads ahead at once, as AWS does in a thread, and counts what is waited for."""

    meter: Meter

    def wrap(self, storage: Storage) -> Storage:
        on_meter, self.meter = meter_storage(storage)
        return on_meter


@pytest.fixture
def account() -> Account:
    return Account()


@pytest.fixture
def shop(tmp_path: Path, account: Account) -> Iterator[Book]:
    with closing(Book(tmp_path / "shop", wrap=account.wrap)) as book:
        yield book


def batch(*captures: Capture) -> dict[str, Any]:
    found = [keys.capture_picture("shop", one.camera_id, one.id) for one in captures]
    bodies = [json.dumps({"Records": [{"s3": {"object": {"key": key}}}]}) for key in found]
    attributes = {"ApproximateReceiveCount": "1"}
    return {
        "Records": [
            {"messageId": str(number), "receiptHandle": "r", "body": body, "attributes": attributes}
            for number, body in enumerate(bodies)
        ]
    }


class Context:
    def get_remaining_time_in_millis(self) -> int:
        return 300_000


def ingest(book: Book, *captures: Capture) -> Any:
    queue = book.storage.captures_queue
    return batches.handle_each(
        SQSEvent(batch(*captures), Context()), book.services.sightings.ingest.begin_message, queue
    )


def states(book: Book) -> set[str]:
    stored = book.storage.items.query(keys.CAPTURES, keys.captures("shop", "door")).items
    return {item["state"] for item in stored}


MORNING = (shot(0, 1), shot(1, 2, 3), lookalike(2, 1), shot(60, 4), lookalike(61, 2), shot(63))


def test_storage_answers_for_a_capture_while_the_one_before_it_is_resolved(shop: Book, account: Account) -> None:
    """By the waits alone: in the time that one is computed, nearly all of the next one's reading passes, too."""
    shop.see(shot(0, 1))
    meter, waited_ms = account.meter, dict[str, float]()
    for way, first in (("alone", 1), ("batch", 6)):
        captures = [shop.put(lookalike(number, 1)) for number in range(first, first + 5)]
        meter.clear()
        for some in [captures] if way == "batch" else [[one] for one in captures]:
            assert ingest(shop, *some) == {"batchItemFailures": []}
        assert (meter.calls["s3 get"], states(shop)) == (5, {CaptureState.RESOLVED})
        waited_ms[way] = waiting_ms(meter.waits)
    assert waited_ms["batch"] < 0.7 * waited_ms["alone"]


@pytest.mark.parametrize("order", [lambda shots: shots, lambda shots: shots[::-1]])
def test_a_batch_makes_the_book_that_its_captures_make_alone(
    tmp_path: Path, shop: Book, order: Callable[[tuple[Shot, ...]], tuple[Shot, ...]]
) -> None:
    ingest(shop, *map(shop.put, order(MORNING)))
    with closing(Book(tmp_path / "alone")) as alone:
        alone.see(*order(MORNING))
        assert shop.entries() == alone.entries()
    assert not shop.disagreements()


def test_a_capture_that_is_in_a_batch_twice_counts_once(shop: Book) -> None:
    new, known = shop.put(shot(0, 1)), shop.put(lookalike(60, 1))
    assert ingest(shop, new, new, known, known) == {"batchItemFailures": []}
    [face] = shop.faces()
    assert face.arrive_count == 2
    assert not shop.disagreements()


def test_what_changes_between_reading_and_work_is_read_again(tmp_path: Path, shop: Book) -> None:
    """Another worker resolves the capture, and the person on it is erased, before the work begins."""
    capture = shop.put(shot(0, 1, 2))
    [record] = batch(capture)["Records"]
    work = shop.services.sightings.ingest.begin_message(record["body"])
    with closing(Book(tmp_path / "shop")) as other:
        first, second = (one.faceid for one in other.deliver(capture).sightings)
        other.services.deletion.delete_faces(other.tenant, [str(first)], by="test", erase=True)
        other.sweep()
        work()
        assert shop.faceids() == [second]
        assert not shop.disagreements()


def test_a_capture_that_is_erased_between_reading_and_work_leaves_nothing(shop: Book) -> None:
    capture = shop.put(shot(0, 1))
    [record] = batch(capture)["Records"]
    work = shop.services.sightings.ingest.begin_message(record["body"])
    shop.storage.items.transact([Delete(keys.CAPTURES, keys.capture("shop", "door", capture.id))])
    with suppress(Busy):
        work()
    assert (shop.faceids(), states(shop)) == ([], set())
    assert not shop.disagreements()


def test_settings_are_those_of_the_work_and_not_of_the_reading(shop: Book) -> None:
    """Work waits for the captures before it, a minute at worst. What the shop forbids meanwhile is not done."""
    capture = shop.put(shot(0, 1))
    [record] = batch(capture)["Records"]
    work = shop.services.sightings.ingest.begin_message(record["body"])
    shop.services.tenants.change_settings("shop", {"strangers": FORGET})
    work()
    assert shop.faceids() == []
    assert shop.storage.uploads.size(keys.capture_picture("shop", "door", capture.id)) is None
