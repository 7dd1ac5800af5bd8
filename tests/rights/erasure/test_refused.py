"""Who was erased does not come back by an old file: not with the id, and not by the same picture."""

import pytest

from chalicelib.book.words.errors import FaceErased
from tests.support.book import person
from tests.support.book.book import Book
from tests.support.fakes import Person

EVA, OTHER = Person(11), Person(12)


@pytest.fixture(params=["running", "done", "done, after another key"])
def erased(book: Book, request: pytest.FixtureRequest) -> Book:
    """A book from which Eva, who had the id `eva`, is erased."""
    book.enrol(EVA, faceid="eva")
    book.services.deletion.of_faces(book.tenant, ["eva"], by="first", erase=True)
    if request.param != "running":
        person.worked_off(book)
    if request.param == "done, after another key":
        book.services.audit.signing.renew("shop")
    return book


def test_the_id_is_refused_whoever_is_on_the_picture(erased: Book) -> None:
    with pytest.raises(FaceErased, match=r"who had the id 'eva'.*if_erased=enrol"):
        erased.enrol(OTHER, faceid="eva", refuses_erased=True)
    assert erased.faceids() == []


def test_the_picture_is_refused_whatever_the_id_is(erased: Book) -> None:
    for faceid in (None, "another"):
        with pytest.raises(FaceErased, match="this very picture"):
            erased.enrol(EVA, faceid=faceid, refuses_erased=True)
    assert erased.faceids() == []


def test_others_come_in_and_the_person_too_if_nobody_asks(erased: Book) -> None:
    erased.enrol(OTHER, faceid="other", refuses_erased=True)
    erased.enrol(EVA, faceid="eva")
    assert erased.faceids() == ["eva", "other"]


def test_who_was_deleted_and_not_erased_comes_in(book: Book) -> None:
    book.enrol(EVA, faceid="eva")
    book.services.deletion.of_faces(book.tenant, ["eva"], by="first")
    book.enrol(EVA, faceid="eva", refuses_erased=True)
    person.worked_off(book)
