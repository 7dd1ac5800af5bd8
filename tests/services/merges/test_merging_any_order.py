"""Merges, their undoing and rejections between sightings, in any order, at once: the book is exact."""

import random
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.captures import Instead
from chalicelib.core.errors import (
    Busy,
    Conflict,
    InvalidInput,
    LimitReached,
    NotFound,
)
from chalicelib.core.merges import MergeState
from chalicelib.core.model import Migration
from chalicelib.services.enrolment.enrolment import FaceChanges
from tests.examples import examples
from tests.fakes import RULES, Person, picture
from tests.later import later
from tests.services.sightings.book import Book, Shot, shot
from tests.services.sightings.recount import disagreements_of_learning, disagreements_of_visits

RULE = Migration(3, 2)
REFUSED = (NotFound, Conflict, LimitReached, InvalidInput)

Deed = Callable[[Book], None]


@later
def see(book: Book, one: Shot) -> None:
    book.see(one)


@later
def merge(book: Book, first: int, second: int) -> None:
    """Of the faces that there are, by place."""
    ids = book.faceids()
    with suppress(*REFUSED):
        book.services.merges.merging.merge(book.tenant, ids[first % len(ids)], ids[second % len(ids)])


@later
def undo(book: Book, place: int) -> None:
    merges = book.services.merges.records.page(book.tenant, 100).rows
    with suppress(*REFUSED):
        book.services.merges.merging.undo(book.tenant, merges[place % len(merges)].id)


@later
def reject(book: Book, place: int, number: int) -> None:
    ids = book.faceids()
    faceid = ids[place % len(ids)]
    with suppress(*REFUSED):
        sightings = book.services.sightings.timeline(book.tenant, faceid, 100).sightings
        book.services.sightings.rejection.reject(book.tenant, faceid, sightings[number % len(sightings)].id)


@later
def give(book: Book, place: int, number: int, to: int | Instead) -> None:
    """Say whose a sighting is instead: a face's, by place, a stranger's or nobody's."""
    ids = book.faceids()
    faceid = ids[place % len(ids)]
    other, instead = (None, to) if isinstance(to, Instead) else (ids[to % len(ids)], None)
    with suppress(*REFUSED):
        sightings = book.services.sightings.timeline(book.tenant, faceid, 100).sightings
        id_ = sightings[number % len(sightings)].id
        book.services.sightings.rejection.reject(book.tenant, faceid, id_, other=other, instead=instead)


@later
def call(book: Book, place: int, name: str) -> None:
    ids = book.faceids()
    book.services.enrolment.update.of_id(book.tenant, ids[place % len(ids)], FaceChanges(name=name))


@later
def find(book: Book, seed: int) -> None:
    book.services.recognition.face_analysis.by_picture(book.tenant, picture(Person(seed)), RULES)


def seal(book: Book) -> None:
    book.services.statistics.sealing.tenant(book.tenant)


sightings = st.builds(
    lambda quarter, seed, side: see(Shot(shot(15 * quarter).at, (Person(seed, side_px=side),))),
    st.integers(0, 5 * 96),
    st.integers(1, 4),
    st.sampled_from([60.0, 80.0, 100.0]),
)
places = st.integers(0, 20)
deeds = st.one_of(
    sightings,
    sightings,
    st.builds(merge, places, places),
    st.builds(undo, places),
    st.builds(reject, places, places),
    st.builds(give, places, places, st.one_of(places, st.sampled_from(Instead))),
    st.builds(call, places, st.sampled_from(["", "Ann Lee", "\u738b\u5c0f\u660e"])),
    st.builds(find, st.integers(1, 4)),
    st.sampled_from([seal, Book.sweep]),
)


def right(book: Book) -> None:
    assert disagreements_of_visits(book) == []
    assert disagreements_of_learning(book) == []
    assert book.disagreements() == []


def eight_at_once(book: Book, done: list[Deed]) -> None:
    """Do all deeds by eight threads, each deed again while others are in its way."""

    def persistently(deed: Deed) -> None:
        for _ in range(20):
            with suppress(Busy, ZeroDivisionError):
                deed(book)
                break

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(persistently, done))


def opened(folder: str | Path) -> Book:
    book = Book(Path(folder))
    book.services.groups.set_migration(book.tenant, RULE)
    return book


@examples(10, 200)
@given(st.lists(sightings, min_size=3, max_size=10), st.lists(deeds, min_size=4, max_size=20))
def test_whatever_is_done_in_whatever_order_the_book_equals_its_recount(first: list[Deed], done: list[Deed]) -> None:
    with tempfile.TemporaryDirectory() as folder, closing(opened(folder)) as book:
        for number, deed in enumerate([*first, *done]):
            with suppress(ZeroDivisionError):  # there is nothing to choose from
                deed(book)
            if number % 8 == 7:
                right(book)
        right(book)


@examples(8, 200)
@given(
    st.lists(st.tuples(st.integers(0, 4 * 96), st.integers(1, 4)), min_size=4, max_size=16, unique=True),
    st.lists(st.tuples(st.integers(0, 4 * 96), st.sampled_from([1, 3, 4])), max_size=8, unique=True),
    st.booleans(),
)
def test_an_undone_merge_is_as_if_it_had_never_been(
    before: list[tuple[int, int]], since: list[tuple[int, int]], chained: bool
) -> None:
    """While one and two are merged, others come, and one itself; all of the other's sightings were before."""
    shots = [shot(15 * quarter, seed) for quarter, seed in [(0, 1), (1, 2), (2, 3), *before]]
    later = [shot(15 * quarter + 7, seed) for quarter, seed in since]
    with tempfile.TemporaryDirectory() as folder, closing(opened(Path(folder) / "a")) as book:
        book.see(*shots)
        faceids = {seed: book.see(shot(-60 * 24 * 120, seed))[0].sightings[0].faceid for seed in (1, 2, 3)}
        merging = book.services.merges.merging
        merges = [merging.merge(book.tenant, faceids[1] or "", faceids[2] or "")]
        if chained:
            merges.append(merging.merge(book.tenant, faceids[3] or "", faceids[1] or ""))
            merges.reverse()
        book.see(*(one for one in later if not chained or one.people[0].seed != 1))
        for one in merges:
            assert book.services.merges.merging.undo(book.tenant, one.id).state is MergeState.UNDONE
        right(book)
        with closing(opened(Path(folder) / "b")) as never:
            never.see(*shots, *(shot(-60 * 24 * 120, seed) for seed in (1, 2, 3)))
            never.see(*(one for one in later if not chained or one.people[0].seed != 1))
            assert book.entries() == never.entries()
            assert book.observed() == never.observed()
            assert book.group_counts() == never.group_counts()


def test_eight_at_once_merge_undo_reject_and_see(tmp_path: Path) -> None:
    rng = random.Random(5)
    with closing(opened(tmp_path / "data")) as book:
        book.see(*(shot(60 * number, number % 6) for number in range(24)))
        kinds: list[Callable[[], Deed]] = [
            lambda: see(Shot(shot(15 * rng.randrange(200)).at, (Person(rng.randrange(6), side_px=70.0),))),
            lambda: merge(rng.randrange(9), rng.randrange(9)),
            lambda: undo(rng.randrange(9)),
            lambda: reject(rng.randrange(9), rng.randrange(9)),
            lambda: give(rng.randrange(9), rng.randrange(9), rng.choice([*Instead, *range(9)])),
        ]
        done = [rng.choice(kinds)() for _ in range(120)]

        eight_at_once(book, done)
        book.sweep()
        right(book)


def faceid_of(book: Book, seed: int) -> str:
    [capture] = book.see(shot({1: 0, 2: 25 * 60, 3: 30}[seed], seed))  # delivered again
    return capture.sightings[0].faceid or ""
