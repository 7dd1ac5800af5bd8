"""Observations that are kept no longer go for a write unit each, and wherever that is cut off, counts are right."""

from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from datetime import timedelta
from itertools import count
from pathlib import Path

from chalicelib.book.words import keys
from chalicelib.book.words.items import walk_items
from chalicelib.book.words.ports import Storage
from tests.support.book.book import MONDAY, Book, shot
from tests.support.faults.shop import lookalike
from tests.support.storage.failing import KILLED, Calls, Killed
from tests.support.storage.meter import Meter, meter_storage

DAYS = 150
PASSED = timedelta(days=DAYS + 2)


def open_old_shop(
    folder: Path, seen: int, wrap: Callable[[Storage], Storage] = lambda storage: storage, held: bool = False
) -> Book:
    """Return a shop whose one day, with so many observations of each of two people, is over; one may be held."""
    book = Book(folder, wrap=wrap)
    book.clock.advance(MONDAY - book.clock.now())
    book.services.tenants.change_settings("shop", {"observation_days": DAYS, "stranger_days": None})
    for number in range(seen):
        book.see(lookalike(2 * number, 1), lookalike(2 * number + 1, 2))
    [capture] = book.see(shot(2 * seen, 1))
    if held:
        book.services.faces.holds.set(book.tenant, capture.sightings[0].faceid or "", "case 7")
    book.clock.advance(timedelta(days=2))
    book.services.statistics.sealing.seal_tenant(book.tenant)
    book.clock.advance(PASSED)
    return book


def end_observations(book: Book) -> None:
    assert book.services.erasure.retention.sweep_tenant(book.tenant, lambda: 600.0, yes=True)


def list_observed(book: Book) -> Iterator[str]:
    day = int(MONDAY.timestamp()) // 86_400
    return (
        item["faceid"] for item in walk_items(book.storage.items, keys.OBSERVATIONS, keys.observations("shop", day))
    )


def test_an_observation_that_ends_costs_little_more_than_a_write_unit(tmp_path: Path) -> None:
    meters: list[Meter] = []

    def wrap(storage: Storage) -> Storage:
        on_meter, meter = meter_storage(storage)
        meters.append(meter)
        return on_meter

    with closing(open_old_shop(tmp_path, 30, wrap)) as book:
        meters[0].clear()
        end_observations(book)
        assert list(list_observed(book)) == []
        assert meters[0].writes["observations"] == 61 + 1, "the last one goes with the count of its day"


def test_a_day_of_which_something_is_held_is_counted_anew_wherever_its_end_is_cut_off(tmp_path: Path) -> None:
    """Somebody asks for statistics just before a write, which is the process's last one: the day is sealed by then."""
    for at in count(1):
        calls, folder = Calls(), tmp_path / str(at)
        with closing(open_old_shop(folder, 3, calls.wrap, held=True)) as book, closing(Book(folder)) as other:
            other.clock.advance(book.clock.now() - other.clock.now())

            def seal_before_the_last_write(other: Book = other, calls: Calls = calls) -> None:
                other.services.statistics.sealing.seal_tenant(other.tenant)
                calls.fail(1, KILLED, of="items.transact")

            calls.let(at, seal_before_the_last_write, of="items.transact")
            with suppress(Killed):
                end_observations(book)
            was_killed = calls.dead
            end_observations(other)
            assert len(list(list_observed(other))) == 4, "the held face's"
            other.services.statistics.sealing.seal_tenant(other.tenant)
            assert not other.services.consistency.list_disagreements("shop"), at
            if not was_killed:
                assert at > 2
                return
