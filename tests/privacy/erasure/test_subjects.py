import base64
from datetime import timedelta

import pytest
from regulars_dialects.records import UserNotFound
from regulars_dialects.subjects import Subjects

from chalicelib.book.enrolment.fields import FaceChanges
from chalicelib.domain.model import Face, Group
from tests.support.book import person
from tests.support.book.book import Book
from tests.support.book.several_faces import several_faces
from tests.support.consistency.consistency import list_disagreements
from tests.support.fakes import RULES, Person, picture

EVA, FINN = 21, 22
STILL = b"\xff\xd8\xff" + b"what the camera saw "
NAME = "Maria Musterfrau"
LABEL_OF_BEFORE = (
    "an earlier version copied a subject's name into label A, and so into observations"
)


@pytest.fixture
def book(book: Book) -> Book:
    book.services.groups.create(book.tenant, "family", None, "")
    return book


def family(book: Book) -> Group:
    return book.services.groups.get_by_name(book.tenant, "family")


def enrolled(book: Book, seed: int = EVA, name: str = NAME) -> Face:
    photo = picture(Person(seed, side_px=100.0))
    return (
        Subjects(book.services).enrol_photo(book.tenant, family(book), name, photo, RULES, 0.0).face
    )


def names(book: Book) -> list[str]:
    return [one.name for one in Subjects(book.services).list_all(book.tenant, family(book))]


def test_the_name_goes_with_the_last_face_whoever_has_that_erased(book: Book) -> None:
    face = enrolled(book)
    book.services.recognition.face_analysis.search_by_picture(
        book.tenant, picture(Person(EVA)), RULES
    )
    wanted = {"name": NAME.encode(), "faceid": face.faceid.encode()}
    assert {one.partition(" in ")[0] for one in person.left(book, wanted)} >= {*wanted}
    book.services.deletion.delete_faces(book.tenant, [face.faceid], by="first", erase=True)
    assert names(book) == []
    assert family(book).face_sets == 0
    person.worked_off(book)
    assert person.left(book, wanted) == []
    assert list_disagreements(book.services, "shop") == []


def test_a_label_that_is_the_name_goes_and_another_label_stays(book: Book) -> None:
    face = enrolled(book)
    book.services.enrolment.update.change_face(
        book.tenant, face.faceid, FaceChanges(labels={"a": NAME, "b": "staff"})
    )
    book.services.recognition.face_analysis.search_by_picture(
        book.tenant, picture(Person(EVA)), RULES
    )
    book.services.deletion.delete_faces(book.tenant, [face.faceid], by="first", erase=True)
    person.worked_off(book)
    assert person.left(book, {"name": NAME.encode()}) == [], LABEL_OF_BEFORE
    assert person.left(book, {"another label": b"staff"}) != []


def test_with_one_of_two_faces_the_name_stays(book: Book) -> None:
    photos = [[picture(Person(who))] for who in (EVA, FINN)]
    face, other = several_faces(book.services, book.tenant, family(book), NAME, photos)
    book.services.deletion.delete_faces(book.tenant, [face], by="first", erase=True)
    assert names(book) == [NAME]
    assert Subjects(book.services).get(book.tenant, family(book), NAME).faceids == (other,)


def test_an_example_that_its_own_dialect_deletes_leaves_the_name_unless_it_is_erased(
    book: Book,
) -> None:
    subjects = Subjects(book.services)
    for erases, left in ((False, [NAME]), (True, [])):
        book.services.tenants.change_settings("shop", {"deletes_erase": erases})
        enrolled(book)
        [example] = subjects.list_examples(
            book.tenant, family(book), subjects.list_all(book.tenant, family(book))
        )
        subjects.remove_example(book.tenant, example, "first")
        assert names(book) == left


def test_a_restricted_subject_is_as_if_there_were_none_and_comes_back(book: Book) -> None:
    face = enrolled(book)
    subjects, restrictions = Subjects(book.services), book.services.restrictions
    restrictions.set(book.tenant, face.faceid, "asked")
    assert names(book) == []
    for call in (
        lambda: subjects.get(book.tenant, family(book), NAME),
        lambda: subjects.rename(book.tenant, family(book), NAME, "Eve"),
    ):
        with pytest.raises(UserNotFound):
            call()
    restrictions.lift(book.tenant, face.faceid, "asked again")
    assert names(book) == [NAME]
    assert subjects.get(book.tenant, family(book), NAME).faceids == (face.faceid,)
    assert list_disagreements(book.services, "shop") == []


def test_of_two_restricted_faces_each_comes_back_to_the_same_subject(book: Book) -> None:
    faces = [enrolled(book).faceid, enrolled(book, FINN).faceid]
    restrictions = book.services.restrictions
    for faceid in faces:
        restrictions.set(book.tenant, faceid, "asked")
    for faceid in faces:
        restrictions.lift(book.tenant, faceid, "asked again")
    assert set(Subjects(book.services).get(book.tenant, family(book), NAME).faceids) == {*faces}
    assert names(book) == [NAME]


def test_a_still_goes_with_an_erasure_and_when_pictures_are_switched_off(book: Book) -> None:
    cameras = book.services.cameras
    for seed, way in enumerate(("erasure", "setting"), EVA):
        face, still = enrolled(book, seed, f"{NAME} {seed}"), STILL + way.encode()
        views = [STILL + morning + way.encode() for morning in (b"yesterday", b"today")]
        for view in views:
            book.clock.advance(timedelta(days=1))
            cameras.store_view(book.tenant, "door", view)
        cameras.ask_for_still(book.tenant, "door")
        cameras.store_still(book.tenant, "door", still)
        for seen in (still, *views):
            assert person.left(book, {"still": base64.b64encode(seen)}) != []
        if way == "setting":
            book.services.tenants.change_settings("shop", {"keeps_pictures": False})
            book.sweep()
        book.services.deletion.delete_faces(
            book.tenant, [face.faceid], by="first", erase=way == "erasure"
        )
        person.worked_off(book)
        book.storage.scrub()
        for seen in (still, *views):
            assert person.left(book, {"still": base64.b64encode(seen)}) == [], way
