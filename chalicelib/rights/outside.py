"""How do rights and doors get what they need? From all rooms, those of the book and those around it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.book.rooms import UseCase

if TYPE_CHECKING:
    from chalicelib.services import Services


class Outside(UseCase):
    """A use case outside of the book, of rights or of doors. `book`: all rooms."""

    book: Services

    def __init__(self, book: Services) -> None:
        super().__init__(book)
