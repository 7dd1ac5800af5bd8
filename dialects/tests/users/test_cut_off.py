"""Calls for more faces than a transaction takes, cut off anywhere: done again, they are complete
and answered whole."""

from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import pytest
from regulars_dialects.records import UserNotFound
from regulars_dialects.users import A_TRANSACTION, UserOutcome, Users

from chalicelib.book.idempotency import AnsweredAlready, RequestId
from chalicelib.domain.errors import StorageUnavailable
from chalicelib.domain.model import STRANGER, Group
from tests.support.book.book import Book
from tests.support.fakes import RULES, Person, picture
from tests.support.storage.failing import DONE_KILLED, DONE_UNANSWERED, KILLED, Calls, Fault, Killed

REQUEST = RequestId("a-call", "its content")

Use = Callable[[Book], UserOutcome]


def group_of(book: Book) -> Group:
    return book.services.groups.get(book.tenant, STRANGER)


def furnish(book: Book) -> None:
    """Index a hundred faces, and make the user `ann`."""
    for first in (0, 50):
        photo = picture(*(Person(n + 1, 40.0 + n) for n in range(first, first + 50)))
        book.services.enrolment.everybody.index_faces(
            book.tenant, group_of(book), photo, RULES, lambda _: ""
        )
    Users(book.services).create(book.tenant, group_of(book), "ann")


def associate(book: Book, request: RequestId | None = REQUEST) -> UserOutcome:
    return Users(book.services).associate_faces(
        book.tenant, group_of(book), "ann", book.faceids(), 90.0, request
    )


def disassociate(book: Book) -> UserOutcome:
    return Users(book.services).disassociate_faces(
        book.tenant, group_of(book), "ann", book.faceids(), REQUEST
    )


def answered(book: Book, use: Use) -> UserOutcome:
    """As a dialect does it: a call that was answered is answered so again."""
    stored = book.services.requests.find("shop", REQUEST)
    return use(book) if stored is None else UserOutcome.read_progress(stored.body)


def cut_off(folder: Path, at: int, fault: Fault, use: Callable[[Book], object]) -> None:
    """Do it in a process in which the transaction with this number, from 1, has the fault."""
    calls = Calls()
    with closing(Book(folder, wrap=calls.wrap)) as book:
        calls.fail(at, fault, of="items.transact")
        with suppress(Killed, StorageUnavailable, AnsweredAlready):
            use(book)
        calls.dead = False


@pytest.mark.parametrize(
    "fault", [KILLED, DONE_KILLED, DONE_UNANSWERED], ids=lambda fault: fault.name
)
@pytest.mark.parametrize("at", [1, 2])
def test_faces_are_given_and_taken_whole(tmp_path: Path, at: int, fault: Fault) -> None:
    with closing(Book(tmp_path)) as book:
        furnish(book)
        ids = book.faceids()
    assert len(ids) == 100 > A_TRANSACTION
    cut_off(tmp_path, at, fault, associate)
    with closing(Book(tmp_path)) as book:
        outcome = answered(book, associate)
        assert (
            sorted(outcome.done),
            list(outcome.refused),
            list(outcome.remaining),
            outcome.face_count,
        ) == (
            ids,
            [],
            [],
            100,
        )
        assert {face.face_set for face in book.faces()} == {"ann"}
        assert book.disagreements() == []


@pytest.mark.parametrize(
    "fault", [KILLED, DONE_KILLED, DONE_UNANSWERED], ids=lambda fault: fault.name
)
@pytest.mark.parametrize("at", [1, 2])
def test_faces_are_taken_away_whole_and_a_user_is_deleted_whole(
    tmp_path: Path, at: int, fault: Fault
) -> None:
    with closing(Book(tmp_path)) as book:
        furnish(book)
        ids = book.faceids()
        associate(book, None)
    cut_off(tmp_path, at, fault, disassociate)
    with closing(Book(tmp_path)) as book:
        outcome = answered(book, disassociate)
        assert (sorted(outcome.done), list(outcome.remaining), outcome.face_count) == (ids, [], 0)
        associate(book, None)

    def delete(book: Book) -> None:
        Users(book.services).delete(book.tenant, group_of(book), "ann")

    cut_off(tmp_path, at, fault, delete)
    with closing(Book(tmp_path)) as book:
        with suppress(UserNotFound):
            delete(book)
        assert {face.face_set for face in book.faces()} == {""}
        assert group_of(book).face_sets == 0
        assert book.disagreements() == []
