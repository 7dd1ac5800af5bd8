from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from msgspec.structs import replace

from chalicelib.book.enrolment.face_update import FailedFace, ManyChanged
from chalicelib.book.enrolment.fields import FaceChanges
from chalicelib.book.idempotency import AnsweredAlready, RequestId
from chalicelib.domain.errors import StorageUnavailable
from chalicelib.storage.ports import Storage
from tests.support.book.book import Book
from tests.support.fakes import Person
from tests.support.meanwhile import Meanwhile
from tests.support.storage.failing import UNANSWERED, Calls

MOVED = FaceChanges(new_group_name="gold")
REQUEST = RequestId("key", "digest")
IDS = ["1", "2", "nobody", "3", "1"]
OUTCOME = ManyChanged(
    ["1", "2", "3"], [FailedFace("nobody", "FaceNotFound", "there is no face 'nobody'")]
)


def opened(folder: Path, calls: Calls | None = None) -> Book:
    return Book(folder, wrap=(calls or Calls()).wrap)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with closing(opened(tmp_path / "data")) as book:
        book.services.groups.create(book.tenant, "gold", 3, "")
        for number in range(1, 5):
            book.enrol(Person(number), faceid=str(number))
    return tmp_path / "data"


def changed(book: Book, request: RequestId | None = REQUEST) -> ManyChanged:
    try:
        return book.services.enrolment.update.change_many(book.tenant, IDS, MOVED, request)
    except AnsweredAlready as answered:
        body = answered.answer.body
        return ManyChanged(body["done"], [FailedFace(**one) for one in body["failed"]])


def test_eight_at_once_change_each_face_once(folder: Path) -> None:
    with closing(opened(folder)) as book, ThreadPoolExecutor(8) as threads:
        assert list(threads.map(lambda _: changed(book), range(8))) == [OUTCOME] * 8
        assert {face.faceid: face.revision for face in book.faces()} == {
            "1": 2,
            "2": 2,
            "3": 2,
            "4": 1,
        }
        assert book.disagreements() == []


def test_if_storage_refuses_a_face_a_repeat_goes_on_with_it(folder: Path) -> None:
    calls = Calls()
    with closing(opened(folder, calls)) as book:
        calls.fail(2, UNANSWERED, "items.transact")
        with pytest.raises(StorageUnavailable):
            changed(book)
        assert {face.faceid: face.revision for face in book.faces()} == {
            "1": 2,
            "2": 1,
            "3": 1,
            "4": 1,
        }
        assert changed(book) == OUTCOME


def test_a_repeat_goes_on_with_what_the_first_call_has_done_meanwhile(folder: Path) -> None:
    calls, watched = Calls(), list[Meanwhile]()

    def wrapped(storage: Storage) -> Storage:
        watched.append(Meanwhile(storage.items))
        return replace(storage, items=watched[0])

    with closing(opened(folder, calls)) as first, closing(Book(folder, wrap=wrapped)) as book:

        def cut_off() -> None:
            calls.fail(2, UNANSWERED, "items.transact")
            with pytest.raises(StorageUnavailable):
                changed(first)

        watched[0].first.append(cut_off)
        assert changed(book) == OUTCOME
        assert {face.faceid: face.revision for face in book.faces()} == {
            "1": 2,
            "2": 2,
            "3": 2,
            "4": 1,
        }
