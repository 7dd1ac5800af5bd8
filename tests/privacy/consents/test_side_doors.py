"""Where consent is asked for, nobody gets by a side door what is asked at the front: texts,
pictures and visits."""

import pytest

from chalicelib.book.enrolment.fields import FaceChanges
from chalicelib.domain.consent import Basis, Consent
from chalicelib.domain.errors import ConsentMissing
from chalicelib.domain.model import Face
from tests.support.book.book import MONDAY, Book, shot
from tests.support.fakes import Person
from tests.support.faults.shop import another_photo

EVA, FINN = 1, 2


def see_stranger(book: Book) -> str:
    [seen] = book.see(shot(0, EVA))
    return seen.sightings[0].faceid or ""


def ask(book: Book) -> None:
    book.services.tenants.change_settings("shop", {"consent_required": True})


def read(book: Book, faceid: str) -> Face:
    return book.services.faces.get(book.tenant, faceid)


@pytest.mark.parametrize(
    "changes",
    [FaceChanges(note="Mrs Miller"), FaceChanges(labels={"a": "customer 7"})],
    ids=["note", "labels"],
)
def test_a_text_is_a_name(book: Book, changes: FaceChanges) -> None:
    stranger = see_stranger(book)
    ask(book)
    update = book.services.enrolment.update
    with pytest.raises(ConsentMissing, match="no record of consent"):
        update.change_face(book.tenant, stranger, changes)
    [failed] = update.change_many(book.tenant, [stranger], changes).failed
    assert failed.code == "ConsentMissing"
    assert read(book, stranger).note == ""
    book.services.consents.set(book.tenant, stranger, Consent(Basis.CONSENT, MONDAY))
    update.change_face(book.tenant, stranger, changes)


def test_a_text_from_before_may_be_taken_away_and_others_may_change(book: Book) -> None:
    stranger = see_stranger(book)
    update = book.services.enrolment.update
    update.change_face(book.tenant, stranger, FaceChanges(note="Mrs Miller"))
    ask(book)
    update.change_face(book.tenant, stranger, FaceChanges(age=44))
    assert read(book, stranger).note == "Mrs Miller"
    update.change_face(book.tenant, stranger, FaceChanges(cleared_names=frozenset({"note"})))
    assert read(book, stranger).note == ""


@pytest.fixture
def finn(book: Book) -> Face:
    """In a group from before consent was asked for."""
    return book.enrol(Person(FINN), name="Finn Lee")


def test_a_merge_into_somebody_from_before_gains_nothing(book: Book, finn: Face) -> None:
    stranger = see_stranger(book)
    ask(book)
    with pytest.raises(ConsentMissing, match="a picture, visits of another face"):
        book.services.merges.merging.merge(book.tenant, finn.faceid, stranger)
    assert read(book, finn.faceid).pictures == finn.pictures
    assert read(book, stranger).arrive_count == 1


def test_somebody_from_before_is_found_and_learns_nothing(book: Book, finn: Face) -> None:
    ask(book)
    [seen] = book.see(another_photo(600, FINN))
    assert seen.sightings[0].faceid == finn.faceid
    assert [one.id for one in read(book, finn.faceid).pictures] == [one.id for one in finn.pictures]
    book.services.consents.set(book.tenant, finn.faceid, Consent(Basis.CONSENT, MONDAY))
    book.see(another_photo(1200, FINN))
    assert len(read(book, finn.faceid).pictures) == 2


def test_two_strangers_who_are_one_are_one_stranger(book: Book) -> None:
    one = see_stranger(book)
    [seen] = book.see(shot(60, FINN))
    other = seen.sightings[0].faceid or ""
    ask(book)
    book.services.merges.merging.merge(book.tenant, one, other)
    assert len(read(book, one).pictures) == 2
