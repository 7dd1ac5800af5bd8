"""Everything that changes a book of visits, in any order and side by side."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from hypothesis import strategies as st

from chalicelib.book.enrolment.fields import FaceChanges
from chalicelib.domain.captures import Instead
from chalicelib.domain.errors import Busy, Conflict, InvalidInput, LimitReached, NotFound
from chalicelib.domain.model import PromotionSettings
from tests.support.book.book import Book, Shot, shot
from tests.support.book.recount_visits import disagreements_of_learning, disagreements_of_visits
from tests.support.fakes import RULES, Person, picture
from tests.support.later import later

RULE = PromotionSettings(3, 2)
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
        book.services.merges.merging.merge(
            book.tenant, ids[first % len(ids)], ids[second % len(ids)]
        )


@later
def undo(book: Book, place: int) -> None:
    merges = book.services.merges.records.read_page(book.tenant, 100).rows
    with suppress(*REFUSED):
        book.services.merges.merging.undo(book.tenant, merges[place % len(merges)].id)


@later
def reject(book: Book, place: int, number: int) -> None:
    ids = book.faceids()
    faceid = ids[place % len(ids)]
    with suppress(*REFUSED):
        sightings = book.services.sightings.read_timeline(book.tenant, faceid, 100).sightings
        book.services.sightings.rejection.reject(
            book.tenant, faceid, sightings[number % len(sightings)].id
        )


@later
def give(book: Book, place: int, number: int, to: int | Instead) -> None:
    """Say whose a sighting is instead: a face's, by place, a stranger's or nobody's."""
    ids = book.faceids()
    faceid = ids[place % len(ids)]
    other, instead = (None, to) if isinstance(to, Instead) else (ids[to % len(ids)], None)
    with suppress(*REFUSED):
        sightings = book.services.sightings.read_timeline(book.tenant, faceid, 100).sightings
        id_ = sightings[number % len(sightings)].id
        book.services.sightings.rejection.reject(
            book.tenant, faceid, id_, other=other, instead=instead
        )


@later
def call(book: Book, place: int, name: str) -> None:
    ids = book.faceids()
    book.services.enrolment.update.change_face(
        book.tenant, ids[place % len(ids)], FaceChanges(name=name)
    )


@later
def find(book: Book, seed: int) -> None:
    book.services.recognition.face_analysis.search_by_picture(
        book.tenant, picture(Person(seed)), RULES
    )


def seal(book: Book) -> None:
    book.services.statistics.sealing.seal_tenant(book.tenant)


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
    book.services.groups.set_promotion_settings(book.tenant, RULE)
    return book


def faceid_of(book: Book, seed: int) -> str:
    [capture] = book.see(shot({1: 0, 2: 25 * 60, 3: 30}[seed], seed))  # delivered again
    return capture.sightings[0].faceid or ""
