from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from regulars_dialects.records import User, user_from, user_item
from regulars_dialects.users import Users

from chalicelib.domain.model import STRANGER
from chalicelib.storage import keys
from chalicelib.storage.ports import Action, Delete, Put, Update, exists
from tests.support.book.book import Book, shot
from tests.support.consistency.consistency import list_disagreements
from tests.support.later import later

GROUP = ("shop", keys.group_item(STRANGER))
ANN = ("shop", keys.face_set_item(f"{STRANGER}.ann"))


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Book]:
    """A book with three strangers, of whom two are the user `ann`; the user `bob` has none."""
    with closing(Book(tmp_path)) as book:
        book.see(shot(0, 1, 2, 3))
        group = book.services.groups.get(book.tenant, STRANGER)
        for name in ("ann", "bob"):
            Users(book.services).create(book.tenant, group, name)
        Users(book.services).associate_faces(book.tenant, group, "ann", book.faceids()[:2], 0.0)
        assert said(book) == []
        yield book


def said(book: Book) -> list[str]:
    return list_disagreements(book.services, "shop")


@later
def of_face(book: Book, number: int, *, user: str) -> Action:
    named = {"set": {"face_set": user}} if user else {"remove": ("face_set",)}
    return Update(
        keys.FACES,
        ("shop", book.faceids()[number]),
        (exists("there"),),
        add={"version": 1},
        **named,
    )


def without_mean(book: Book) -> Action:
    item = book.storage.items.get(keys.DIRECTORY, ANN)
    assert item is not None
    user = user_from(item)
    return Put(keys.DIRECTORY, user_item("shop", User(user.group_id, user.id, user.faceids)))


@pytest.mark.parametrize(
    "breaks",
    [
        of_face(0, user=""),
        of_face(2, user="ann"),
        of_face(2, user="nobody"),
        without_mean,
        lambda _: Delete(keys.DIRECTORY, ANN),
        lambda _: Update(keys.DIRECTORY, GROUP, (exists("there"),), add={"face_sets": 3}),
        lambda _: Put(keys.DIRECTORY, user_item("shop", User("4711", "eve"))),
    ],
)
def test_what_does_not_agree_is_named(book: Book, breaks: Callable[[Book], Action]) -> None:
    book.storage.items.transact([breaks(book)])
    assert any("user" in one for one in said(book))
