"""Whichever face of a user is seen, it is the user's visit, and what is said of that visit holds
for all its faces."""

from datetime import timedelta

from regulars_dialects.users import UserOutcome, Users

from chalicelib.domain.model import Face, Group
from tests.support.book.book import MONDAY, Book, Shot
from tests.support.fakes import Person

GROUP = "staff"


def group_of(book: Book) -> Group:
    return book.services.groups.get_by_name(book.tenant, GROUP)


def associate_faces(book: Book, faces: list[Face]) -> UserOutcome:
    return Users(book.services).associate_faces(
        book.tenant, group_of(book), "ann", [one.faceid for one in faces], 0
    )


def user_of_three(book: Book) -> list[Face]:
    book.services.groups.create(book.tenant, GROUP, None, "")
    faces = [book.enrol(Person(1, side_px=100.0 + number), GROUP) for number in range(3)]
    Users(book.services).create(book.tenant, group_of(book), "ann")
    return faces


def see(book: Book, day: int) -> str:
    [capture] = book.see(Shot(MONDAY + timedelta(days=day), (Person(1, side_px=300.0 + day),)))
    return f"{capture.id}-0"


def counts(book: Book) -> dict[str, int]:
    return {one.faceid: one.arrive_count for one in book.faces()}


def test_the_visits_are_those_of_the_face_that_had_most_as_the_user_was_made(book: Book) -> None:
    faces = user_of_three(book)
    for day in range(3):
        see(book, day)
    before = counts(book)
    seen = max(before, key=lambda one: before[one])
    associate_faces(book, faces)
    see(book, 3)
    assert counts(book) == before | {seen: before[seen] + 1}
    assert book.disagreements() == []


def test_a_visit_that_is_rejected_is_none_of_the_users_others(book: Book) -> None:
    faces = user_of_three(book)
    associate_faces(book, faces)
    sighting = see(book, 0)
    (first,) = (id_ for id_, count in counts(book).items() if count)
    book.services.sightings.rejection.reject(book.tenant, first, sighting)
    assert [counts(book)[one.faceid] for one in faces] == [0, 0, 0]
