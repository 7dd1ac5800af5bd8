"""Nobody stands twice before a camera: if a picture shows a face twice, somebody looks at the
lesser sighting."""

import pytest

from chalicelib.domain.captures import Capture, Resolution, sighting_id
from chalicelib.domain.observations import Review
from tests.support.book.book import MINUTE, MONDAY, Book, Shot
from tests.support.fakes import Person

DAY = 24 * 60
HERSELF = Person(1, side_px=100.0, likeness=0.95)
ALIKE = Person(1, side_px=100.0, likeness=0.8, quality=90.0)
"""Surely matched to Person 1, by less, and good enough to be learnt from."""


def at(minutes: float, *people: Person) -> Shot:
    return Shot(MONDAY + minutes * MINUTE, people)


def resize_person(person: Person, side_px: float) -> Person:
    return Person(person.seed, side_px=side_px, likeness=person.likeness, quality=person.quality)


def list_reviews(book: Book) -> list[Review]:
    return book.services.sightings.reviews.read_page(book.tenant, None, 100).rows


def learnt(book: Book) -> set[str]:
    return {one.learnt.sighting_id for face in book.faces() for one in face.pictures if one.learnt}


def see_people(book: Book, minutes: float, *people: Person) -> Capture:
    [capture] = book.see(at(minutes, *people))
    assert len({one.faceid for one in capture.sightings}) == 1
    return capture


@pytest.mark.parametrize("lesser", [0, 1], ids=["nearer to the camera", "behind"])
@pytest.mark.parametrize("is_stranger", [False, True], ids=["enrolled", "a stranger"])
def test_the_lesser_is_reviewed_for_this_and_never_learnt(
    book: Book, lesser: int, is_stranger: bool
) -> None:
    if is_stranger:
        book.see(at(-2 * DAY, Person(1)))
    else:
        book.enrol(Person(1))
    both = (
        (resize_person(ALIKE, 110.0), HERSELF)
        if lesser == 0
        else (HERSELF, resize_person(ALIKE, 90.0))
    )
    capture = see_people(book, 0, *both)
    assert {one.resolution for one in capture.sightings} == {Resolution.MATCHED}
    [review] = list_reviews(book)
    assert (review.sighting_id, review.twice) == (sighting_id(capture.id, lesser), True)
    assert review.near[0].faceid == capture.sightings[0].faceid
    assert learnt(book) == {sighting_id(capture.id, 1 - lesser)}
    assert [face.arrive_count for face in book.faces()] == [2 if is_stranger else 1]


def test_equal_ones_are_one_sighting_and_one_question(book: Book) -> None:
    book.enrol(Person(1))
    capture = see_people(book, 0, HERSELF, HERSELF)
    assert [one.sighting_id for one in list_reviews(book)] == [sighting_id(capture.id, 1)]


def test_who_is_like_a_stranger_of_the_same_picture_is_the_lesser(book: Book) -> None:
    capture = see_people(book, 0, HERSELF, resize_person(ALIKE, 90.0))
    assert [one.resolution for one in capture.sightings] == [
        Resolution.STRANGER,
        Resolution.MATCHED,
    ]
    assert [one.sighting_id for one in list_reviews(book)] == [sighting_id(capture.id, 1)]
    assert learnt(book) == set()


def test_three_are_two_questions(book: Book) -> None:
    book.enrol(Person(1))
    capture = see_people(
        book, 0, resize_person(ALIKE, 110.0), HERSELF, resize_person(HERSELF, 80.0)
    )
    assert len(list_reviews(book)) == 2
    assert sighting_id(capture.id, 0) in {one.sighting_id for one in list_reviews(book)}


def test_two_people_whom_the_book_tells_apart_are_no_question(book: Book) -> None:
    """Twins who are enrolled both: each is more like themselves."""
    book.enrol(Person(1))
    book.enrol(Person(2))
    [capture] = book.see(at(0, HERSELF, Person(2, side_px=90.0)))
    assert len({one.faceid for one in capture.sightings}) == 2
    assert list_reviews(book) == []


def test_a_face_that_is_turned_down_makes_nobody_the_lesser(book: Book) -> None:
    """A poster that the tenant's limit of liveness finds, and a face too poor to be compared."""
    book.services.tenants.change_settings("shop", {"least_liveness": 0.5})
    book.enrol(Person(1))
    book.see(at(0, ALIKE, Person(1, side_px=90.0, likeness=0.95, liveness=0.1)))
    book.see(at(DAY, ALIKE, Person(1, side_px=90.0, likeness=0.95, quality=5.0)))
    assert list_reviews(book) == []


def test_a_worker_that_continues_finds_the_same_one(book: Book) -> None:
    book.enrol(Person(1))
    capture = book.put(at(0, resize_person(ALIKE, 110.0), HERSELF))
    for _ in range(2):
        capture = book.deliver(capture)
    assert [one.sighting_id for one in list_reviews(book)] == [sighting_id(capture.id, 0)]


def test_a_sighting_that_is_corrected_to_a_face_of_its_picture_is_asked_about(book: Book) -> None:
    """Only somebody who says who it is has looked."""
    known, other = book.enrol(Person(1)), book.enrol(Person(2))
    [capture] = book.see(at(0, HERSELF, resize_person(ALIKE, 90.0)))
    reject = book.services.sightings.rejection.reject
    second = sighting_id(capture.id, 1)
    reject(book.tenant, known.faceid, second, other=other.faceid)
    assert list_reviews(book) == [], "somebody said who it is"
    book.services.sightings.rejection.take_back(book.tenant, known.faceid, second)
    assert reject(book.tenant, other.faceid, second).sighting.faceid == known.faceid
    assert [(one.sighting_id, one.twice) for one in list_reviews(book)] == [(second, True)]
