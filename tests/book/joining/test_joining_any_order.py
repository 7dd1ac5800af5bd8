"""Joins between sightings, merges, their undoing and rejections, in any order and at once: the book
stays exact."""

import random
import tempfile
from collections import defaultdict
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.captures import parts_of_sighting
from chalicelib.domain.errors import DuplicateNotFound
from chalicelib.domain.observations import ObservationKind
from chalicelib.storage import keys
from chalicelib.storage.items import walk_items
from tests.support.book.book import Book, Shot, shot
from tests.support.book.deeds import (
    REFUSED,
    Deed,
    eight_at_once,
    merge,
    opened,
    places,
    reject,
    right,
    see,
    undo,
)
from tests.support.book.people import ANN, good, poor
from tests.support.book.recount_visits import every_observation
from tests.support.examples import examples
from tests.support.fakes import RULES, picture
from tests.support.later import later

PEOPLE = (ANN, 22)


sightings = st.builds(
    lambda hour, seed, which: see(Shot(shot(60 * hour).at, (poor(seed, which),))),
    st.integers(0, 6 * 24),
    st.sampled_from(PEOPLE),
    st.integers(0, 3),
)
together = st.builds(
    lambda hour, seed, which: see(
        Shot(shot(60 * hour + 30).at, (poor(seed, which), poor(seed, which + 1)))
    ),
    st.integers(0, 6 * 24),
    st.sampled_from(PEOPLE),
    st.integers(0, 2),
)


@later
def add_good(book: Book, place: int, seed: int) -> None:
    """One of the faces gets a good picture of somebody."""
    ids = book.faceids()
    with suppress(*REFUSED):
        faceid = ids[place % len(ids)]
        book.services.enrolment.pictures.add_photo(
            book.tenant, faceid, picture(good(seed)), RULES, is_vouched_for=True
        )


@later
def two(book: Book, place: int) -> None:
    """Somebody says of a suggested pair that it is two."""
    found = book.services.merges.duplicates.read_page(book.tenant, 100).rows
    one = found[place % len(found)].duplicate
    with suppress(DuplicateNotFound):
        book.services.merges.duplicates.note_two_people(
            book.tenant, keys.duplicate(one.first, one.second)
        )


def join(book: Book) -> None:
    assert book.services.joining.join_tenant(book.tenant)


def tidy(book: Book) -> None:
    book.services.merges.duplicates.delete_past_pairs(book.tenant)


deeds = st.one_of(
    sightings,
    together,
    st.builds(add_good, places, st.sampled_from(PEOPLE)),
    st.builds(merge, places, places),
    st.builds(undo, places),
    st.builds(reject, places, places),
    st.builds(two, places),
    st.just(join),
    st.just(join),
    st.just(tidy),
)


def by_itself(book: Book) -> set[str]:
    return {
        merge.id
        for merge in book.services.merges.records.list_all("shop")
        if merge.joined and merge.is_active
    }


def joins_are_allowed(book: Book, joins: set[str]) -> None:
    """None of these joins, of a moment ago, brought together two faces of one picture, or two said
    to be two.

    Later, a sighting of the picture that is rejected elsewhere may well match the face that was
    joined.
    """
    came_by = defaultdict(set)
    for one in every_observation(book):
        if one.kind is ObservationKind.SIGHTING:
            came_by[one.faceid, parts_of_sighting(one.id)[0]].add(
                one.passages[-1].merge if one.passages else ""
            )
    assert not [place for place, merges in came_by.items() if len(merges) > 1 and merges & joins]
    said = {
        item["id"]
        for item in walk_items(book.storage.items, keys.DUPLICATES, "shop")
        if item.get("are_two")
    }
    assert not said & {
        keys.duplicate(merge.survivor, merge.other)
        for merge in book.services.merges.records.list_all("shop")
        if merge.id in by_itself(book)
    }


@examples(10, 200)
@given(st.lists(sightings, min_size=3, max_size=8), st.lists(deeds, min_size=4, max_size=16))
def test_whatever_is_joined_in_whatever_order_the_book_equals_its_recount(
    first: list[Deed], done: list[Deed]
) -> None:
    with tempfile.TemporaryDirectory() as folder, closing(opened(folder)) as book:
        for deed in (*first, add_good(0, ANN), join, *done, join):
            before_it = by_itself(book)
            with suppress(ZeroDivisionError):  # there is nothing to choose from
                deed(book)
            joins_are_allowed(book, by_itself(book) - before_it)
        right(book)
        before = book.entries()
        join(book)
        assert book.entries() == before  # nothing is left to join


def test_eight_at_once_join_merge_undo_reject_and_see(tmp_path: Path) -> None:
    rng = random.Random(7)
    with closing(opened(tmp_path / "data")) as book:
        book.see(
            *(
                Shot(shot(60 * number).at, (poor(PEOPLE[number % 2], number % 4),))
                for number in range(12)
            )
        )
        kinds: list[Callable[[], Deed]] = [
            lambda: see(
                Shot(
                    shot(20 * rng.randrange(200)).at, (poor(rng.choice(PEOPLE), rng.randrange(4)),)
                )
            ),
            lambda: add_good(rng.randrange(9), rng.choice(PEOPLE)),
            lambda: merge(rng.randrange(9), rng.randrange(9)),
            lambda: undo(rng.randrange(9)),
            lambda: reject(rng.randrange(9), rng.randrange(9)),
            lambda: join,
        ]
        done = [rng.choice(kinds)() for _ in range(90)]

        eight_at_once(book, done)
        join(book)
        right(book)
        joins_are_allowed(book, by_itself(book))
