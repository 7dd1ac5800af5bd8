"""Somebody is enrolled whom a camera saw before: the stranger becomes part of the new face, visits
and all."""

from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from chalicelib.domain.captures import Resolution
from chalicelib.domain.errors import Busy, StorageUnavailable
from chalicelib.domain.model import NO_LABELS, STRANGER, Face
from tests.support.book.book import Book, shot
from tests.support.book.recount_visits import disagreements_of_visits
from tests.support.examples import parametrize
from tests.support.fakes import RULES, Person, picture
from tests.support.storage.failing import FAULTS, Calls, Fault, Killed

DAY = 24 * 60
ANN, BOB = 1, 2
PASSPORT = Person(ANN, side_px=200.0)


@pytest.fixture
def book(book: Book) -> Iterator[Book]:
    yield book
    assert disagreements_of_visits(book) == []
    assert book.disagreements() == []


def with_group(book: Book) -> Book:
    book.services.groups.create(book.tenant, "VIP", None, "")
    return book


def enrol(
    book: Book, person: Person = PASSPORT, group: str = "VIP", faceid: str | None = None
) -> Face:
    return book.enrol(person, group, faceid=faceid)


def test_the_stranger_whom_a_camera_saw_is_part_of_the_enrolled_face(book: Book) -> None:
    first, *_ = with_group(book).see(shot(0, ANN), shot(DAY, ANN), shot(DAY, BOB))
    enrolled = enrol(book, faceid="77")
    assert (enrolled.faceid, enrolled.arrive_count, len(enrolled.pictures)) == ("77", 2, 2)
    assert book.services.enrolment.list_absorbed(book.tenant, enrolled) == [
        first.sightings[0].faceid
    ]
    assert sorted(face.arrive_count for face in book.faces()) == [1, 2]
    [after] = book.see(shot(2 * DAY, ANN))
    assert after.sightings[0].faceid == "77"


def test_a_regular_whom_nobody_put_there_is_absorbed_too(book: Book) -> None:
    with_group(book).see(*(shot(day * DAY, ANN) for day in range(6)))
    assert book.group_counts()["regular"] == 1
    assert enrol(book).arrive_count == 6
    assert book.group_counts() == {"stranger": 0, "regular": 0, "VIP": 1}


def test_a_face_that_somebody_put_into_a_group_is_not_absorbed(book: Book) -> None:
    with_group(book)
    one, other = enrol(book), enrol(book, Person(ANN))
    assert set(book.faceids()) == {one.faceid, other.faceid}
    assert book.services.enrolment.list_absorbed(book.tenant, other) == []


def test_what_may_be_one_person_is_suggested_by_the_job_and_not_during_an_enrolment(
    book: Book,
) -> None:
    with_group(book)
    for number in range(3):
        enrol(book, Person(ANN, side_px=200.0 + number))
    assert book.services.merges.duplicates.read_page(book.tenant, 100).rows == []
    assert book.services.joining.join_tenant(book.tenant)
    assert len(book.services.merges.duplicates.read_page(book.tenant, 100).rows) == 3


def test_somebody_else_is_not_absorbed(book: Book) -> None:
    with_group(book).see(shot(0, BOB))
    assert enrol(book).merges == 0
    assert len(book.faces()) == 2


def test_nothing_is_absorbed_if_the_tenant_does_not_learn(book: Book) -> None:
    with_group(book).see(shot(0, ANN))
    book.services.tenants.change_settings("shop", {"learns": False})
    assert enrol(book).merges == 0


def test_somebody_enrolled_as_a_stranger_keeps_the_id_that_was_answered(book: Book) -> None:
    book.see(shot(0, ANN))
    enrolled = enrol(book, group=STRANGER)
    assert enrolled.faceid in set(book.faceids())


def test_everybody_in_a_picture_absorbs_who_was_seen_and_a_stored_face_too(book: Book) -> None:
    book.see(shot(0, ANN), shot(0, BOB))
    data = picture(PASSPORT, Person(BOB, side_px=150.0), Person(3, side_px=140.0))
    enrolled = book.services.enrolment.everybody.enrol_all_in_picture(
        book.tenant, "VIP", data, RULES, NO_LABELS
    )
    assert len(enrolled) == 3
    faces = {face.faceid: face for face in book.faces()}
    assert faces.keys() == {one.face.faceid for one in enrolled}
    assert [faces[one.face.faceid].arrive_count for one in enrolled] == [1, 1, 0]
    [seen] = book.see(shot(DAY, 4))
    stranger = seen.sightings[0].faceid or ""
    again = book.services.enrolment.everybody.enrol_stored_face(
        book.tenant, "gold", stranger, NO_LABELS
    )
    assert [
        face.faceid
        for face in book.faces()
        if face.arrive_count == 1 and face.faceid == again.face.faceid
    ]
    assert stranger not in set(book.faceids())


def test_the_stranger_comes_back_if_the_merge_is_undone(book: Book) -> None:
    [seen] = with_group(book).see(shot(0, ANN))
    enrolled = enrol(book)
    [merge] = book.services.merges.records.list_all("shop", enrolled.faceid)
    book.services.merges.merging.undo(book.tenant, merge.id)
    assert {face.faceid: face.arrive_count for face in book.faces()} == {
        enrolled.faceid: 0,
        seen.sightings[0].faceid: 1,
    }


@parametrize(("at", "fault"), [(at, fault) for at in range(12, 54, 4) for fault in FAULTS], gate=5)
def test_cut_off_anywhere_the_face_is_enrolled_once_and_the_next_look_absorbs(
    tmp_path: Path, at: int, fault: Fault
) -> None:
    with closing(Book(tmp_path / "data")) as book:
        with_group(book).see(shot(0, ANN), shot(DAY, ANN))
    calls = Calls()
    with closing(Book(tmp_path / "data", wrap=calls.wrap)) as book:
        calls.fail(at, fault)
        with suppress(Killed, Busy, StorageUnavailable):
            enrol(book, faceid="77")
    with closing(Book(tmp_path / "data")) as book:
        if not book.services.faces.by_id(book.tenant, ["77"]):
            enrol(book, faceid="77")
        book.services.joining.join_face(book.tenant, "77")
        book.sweep()
        [face] = book.faces()
        assert (face.faceid, face.arrive_count) == ("77", 2)
        assert disagreements_of_visits(book) == []
        assert book.disagreements() == []
        [after] = book.see(shot(2 * DAY, ANN))
        assert after.sightings[0].resolution is Resolution.MATCHED
