from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from chalicelib.book.enrolment.fields import FaceChanges
from chalicelib.storage.items import FaceOrder
from tests.support.book.book import Book, shot
from tests.support.book.new_faces import meanwhile
from tests.support.storage.failing import Calls


@pytest.fixture
def book(book: Book) -> Iterator[Book]:
    yield book
    assert book.disagreements() == []


def numbers(book: Book) -> list[int]:
    return sorted(face.number for face in book.faces())


def found(book: Book, text: str) -> list[int]:
    return [face.number for face in book.services.faces.search_by_name(book.tenant, text, 10).rows]


def of_number(book: Book, number: int) -> str:
    return next(face.faceid for face in book.faces() if face.number == number)


def test_strangers_are_numbered_in_the_order_in_which_they_are_written(book: Book) -> None:
    capture, _, _ = book.see(shot(0, 1), shot(60, 2), shot(120, 1))
    book.deliver(capture)
    assert numbers(book) == [1, 2]


def test_strangers_who_are_made_at_once_have_two_numbers(tmp_path: Path) -> None:
    calls = Calls()
    with closing(Book(tmp_path / "data", wrap=calls.wrap)) as book:
        newcomer, other = book.put(shot(0, 1)), book.put(shot(1, 2))
        meanwhile(book, calls, lambda: book.deliver(other))
        book.deliver(newcomer)
        assert numbers(book) == [1, 2]
        assert book.disagreements() == []


@pytest.mark.parametrize(
    "text",
    ["2", "Stranger 2", "stranger #2", "Regular 2", "陌生人 2", "Unbekannt 2", "Stammgast 2"],
)
def test_a_stranger_is_found_by_its_number(book: Book, text: str) -> None:
    book.see(shot(0, 1), shot(60, 2))
    assert found(book, text) == [2]


def test_the_ids_of_known_faces_leave_out_strangers(book: Book) -> None:
    book.see(shot(0, 1), shot(60, 2))
    book.services.enrolment.update.change_face(
        book.tenant, of_number(book, 2), FaceChanges(new_group_name="regular")
    )
    lists = book.services.faces.lists
    assert lists.list_ids(book.tenant, None, FaceOrder.ARRIVED, known=True).ids == [
        of_number(book, 2)
    ]


def test_a_number_stays_beside_a_name(book: Book) -> None:
    book.see(shot(0, 1))
    book.services.enrolment.update.change_face(
        book.tenant, of_number(book, 1), FaceChanges(name="Ann 1")
    )
    assert (found(book, "ann"), found(book, "1")) == ([1], [1])
    book.services.enrolment.update.change_face(
        book.tenant, of_number(book, 1), FaceChanges(name="")
    )
    assert (found(book, "ann"), found(book, "1")) == ([], [1])


def test_the_number_of_who_is_deleted_or_makes_room_is_given_to_nobody_else(book: Book) -> None:
    book.services.groups.change_by_name(book.tenant, "stranger", {"capacity": 1})
    book.see(shot(0, 1), shot(60, 2))
    assert (numbers(book), found(book, "1")) == ([2], [])
    book.services.deletion.delete_faces(book.tenant, [of_number(book, 2)])
    book.see(shot(120, 3))
    assert (numbers(book), found(book, "2")) == ([3], [])


def test_who_absorbs_another_keeps_its_own_number_and_undoing_gives_the_other_back(
    book: Book,
) -> None:
    book.see(shot(0, 1), shot(60, 2))
    merge = book.services.merges.merging.merge(book.tenant, of_number(book, 2), of_number(book, 1))
    assert (numbers(book), found(book, "1")) == ([2], [])
    book.services.merges.merging.undo(book.tenant, merge.id)
    assert (numbers(book), found(book, "1")) == ([1, 2], [1])
