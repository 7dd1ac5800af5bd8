"""How does a use case get what it needs? From the book, at the moment when it needs it."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, TypeVar

from chalicelib.book.words.lazy import lazy

if TYPE_CHECKING:
    from chalicelib.book.book import Book

_T = TypeVar("_T")


class UseCase:
    """An act on the book, such as enrolment. `book`: its rooms."""

    def __init__(self, book: Book) -> None:
        self.book = book


class Made(lazy[_T]):
    """An attribute of a room that makes a use case when it is read.

    `class_path`: below chalicelib, as `book.week.Weeks`.
    """

    def __init__(self, class_path: str) -> None:
        module, _, name = class_path.rpartition(".")
        super().__init__(lambda owner: getattr(import_module(f"chalicelib.{module}"), name)(owner.book))
