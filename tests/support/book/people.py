"""People whom a camera takes for two strangers, and who turn out to be one."""

from chalicelib.domain.model import Face
from tests.support.book.book import MINUTE, MONDAY, Book, Shot
from tests.support.fakes import RULES, Person, picture

DAY = 24 * 60
ANN = 5
"""Whose poor pictures score 0.40 to 0.43 with each other, and 0.55 to 0.58 with the mean of one and
a good one."""


def poor(seed: int, which: int = 0) -> Person:
    """Somebody in a poor light: none of these pictures is like the others of that person."""
    return Person(seed, side_px=100.0 - 10 * which, likeness=0.6)


def good(seed: int, which: int = 0) -> Person:
    return Person(seed, side_px=60.0 - 5 * which, likeness=0.95)


def seen(book: Book, minutes: float, *people: Person) -> list[str]:
    """The faceids of these people, who are seen in one picture."""
    [capture] = book.see(Shot(MONDAY + minutes * MINUTE, people))
    return [one.faceid or "" for one in capture.sightings]


def two_strangers(book: Book, seed: int = ANN, minutes: float = 0) -> tuple[str, str]:
    """One person who came twice and is taken for two; the second one an hour later."""
    [first] = seen(book, minutes, poor(seed))
    [second] = seen(book, minutes + 60, poor(seed, 1))
    assert first != second
    return first, second


def with_good_picture(book: Book, faceid: str, seed: int = ANN) -> None:
    """The face gets a picture that shows who it is."""
    book.services.enrolment.pictures.add_photo(
        book.tenant, faceid, picture(good(seed)), RULES, is_vouched_for=True
    )


def face(book: Book, faceid: str) -> Face:
    return book.services.faces.get(book.tenant, faceid)


def last_sighting(book: Book, faceid: str) -> str:
    return book.services.sightings.read_timeline(book.tenant, faceid, 1).sightings[0].id
