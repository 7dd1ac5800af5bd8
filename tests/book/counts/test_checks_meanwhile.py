"""Checks of a count to which others do something at the same time."""

from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from chalicelib.book.counts.checks import Checks
from chalicelib.domain.counts import Count, CountedMinute
from chalicelib.domain.errors import CameraNotFound, CheckNotFound
from chalicelib.storage import keys
from chalicelib.storage.items import walk_items
from chalicelib.storage.ports import Storage
from chalicelib.storage.values import time_text
from tests.support.api.v1.films import make_stored_film
from tests.support.book.book import Book
from tests.support.meanwhile import Meanwhile


class Shop:
    """A book whose camera `door` has told what it counted in the last nine minutes."""

    def __init__(self, book: Book, items: Meanwhile) -> None:
        self.book, self.items, self.tenant = book, items, book.tenant
        self.checks: Checks = book.services.counts.checks
        now = book.clock.now().replace(second=0, microsecond=0)
        self.times = [now - timedelta(minutes=ago) for ago in range(1, 10)]
        camera = book.services.cameras.get(book.tenant, "door")
        told = [CountedMinute(at, Count(60, 4, 1, 0)) for at in self.times]
        book.services.counts.store_minutes(book.tenant, camera, told)

    def ask(self) -> None:
        self.book.clock.advance(timedelta(seconds=1))
        self.checks.ask(self.tenant, "door")

    def send(self, number: int) -> None:
        film = make_stored_film(time_text(self.times[number]))
        self.checks.store_film(self.tenant, "door", film)

    def answer(self, number: int) -> None:
        self.checks.answer(self.tenant, "door", self.times[number], (4, 1), "key 1")

    def delete_camera(self) -> None:
        self.book.services.cameras.delete(self.tenant, "door")

    def count_items(self) -> int:
        items = walk_items(self.items, keys.DIRECTORY, self.tenant.name)  # type: ignore[arg-type]
        return sum(item["item"].startswith(("CHECKS#", "FILM#")) for item in items)


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    stores: list[Meanwhile] = []

    def wrap(storage: Storage) -> Storage:
        stores.append(Meanwhile(storage.items))
        return replace(storage, items=stores[-1])  # type: ignore[arg-type]

    with closing(Book(tmp_path / "data", wrap=wrap)) as book:
        yield Shop(book, stores[-1])


def test_a_film_that_comes_while_somebody_asks_once_more_is_the_one_that_they_get(
    shop: Shop,
) -> None:
    shop.ask()
    shop.items.first = [shop.ask]
    shop.send(0)
    known = shop.checks.read(shop.tenant, "door")
    assert known.waiting is not None
    assert (known.waiting.at, known.asked_at) == (shop.times[0], None)


def test_of_a_film_that_another_takes_the_place_of_the_proof_says_that_it_was_left_out(
    shop: Shop,
) -> None:
    shop.ask()
    shop.items.first = [lambda: shop.send(0)]
    shop.ask()
    shop.items.first = [lambda: shop.send(1)]
    with pytest.raises(CheckNotFound):
        shop.answer(0)
    known = shop.checks.read(shop.tenant, "door")
    assert known.waiting is not None
    assert known.proof is not None
    assert (known.waiting.at, known.proof.left_out) == (shop.times[1], 1)
    shop.answer(1)
    assert [one.at for one in shop.checks.read(shop.tenant, "door").answers] == [shop.times[1]]


def test_nothing_is_left_of_a_camera_that_is_deleted_while_a_film_comes_or_is_answered(
    shop: Shop,
) -> None:
    shop.ask()
    shop.items.first = [shop.delete_camera]
    with pytest.raises(CameraNotFound):
        shop.send(0)
    assert shop.count_items() == 0
    shop.book.services.cameras.add(shop.tenant, "door", "Door")
    shop.ask()
    shop.send(0)
    assert shop.count_items() == 2
    shop.items.first = [shop.delete_camera]
    with pytest.raises(CameraNotFound):
        shop.answer(0)
    assert shop.count_items() == 0
