"""Somebody enrolled, and somebody who looks like them."""

from chalicelib.domain.captures import sighting_id
from chalicelib.domain.model import Face
from tests.support.book.book import MINUTE, MONDAY, Book, Shot
from tests.support.fakes import Person

DAY = 24 * 60
LOOKALIKE = Person(1, side_px=90.0)
"""Taken for person 1, from a picture that is not like the others of it."""


def seen_as(
    book: Book, minutes: float, person: Person = LOOKALIKE, camera: str = "door"
) -> tuple[str, str]:
    """The faceid that somebody is taken for then, and the sighting's id."""
    [capture] = book.see(Shot(MONDAY + minutes * MINUTE, (person,), camera))
    [sighting] = capture.sightings
    assert sighting.faceid is not None
    return sighting.faceid, sighting_id(capture.id, 0)


def faces(book: Book) -> dict[str, Face]:
    return {face.faceid: face for face in book.faces()}


def enrolled(book: Book, seed: int) -> str:
    return book.enrol(Person(seed)).faceid
