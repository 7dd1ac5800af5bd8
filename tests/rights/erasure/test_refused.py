"""Who was erased does not come back by an old file: not with the id, and not by the same picture."""

import pytest

from chalicelib.book.words import keys
from chalicelib.book.words.errors import FaceErased
from chalicelib.book.words.ports import Delete
from chalicelib.rights.erasure.again import receipt_of
from tests.support.book import person
from tests.support.book.book import Book
from tests.support.fakes import Person

EVA, OTHER = Person(11), Person(12)


@pytest.fixture(params=["running", "done", "done, after another key"])
def erased(book: Book, request: pytest.FixtureRequest) -> Book:
    """A book from which Eva, who had the id `eva`, is erased."""
    book.enrol(EVA, faceid="eva")
    book.services.deletion.delete_faces(book.tenant, ["eva"], by="first", erase=True)
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
    book.services.deletion.delete_faces(book.tenant, ["eva"], by="first")
    book.enrol(EVA, faceid="eva", refuses_erased=True)
    person.worked_off(book)


def test_the_picture_is_refused_by_a_receipt_that_a_restored_book_was_given(book: Book) -> None:
    """The book is from before the enrolment, so the erasure that is done again finds nothing to remove."""
    book.enrol(EVA)
    book.services.deletion.delete_faces(book.tenant, book.faceids(), by="first", erase=True)
    person.worked_off(book)
    [erasure] = book.services.erasure.records.all("shop")
    receipt = receipt_of(erasure.receipt)
    assert receipt is not None
    book.services.storage.items.transact([Delete(keys.ERASURES, ("shop", erasure.id))])
    book.enrol(EVA, faceid="eva", refuses_erased=True)
    book.services.erasure.again.end(receipt)
    with pytest.raises(FaceErased, match="this very picture"):
        book.enrol(EVA, faceid="again", refuses_erased=True)
