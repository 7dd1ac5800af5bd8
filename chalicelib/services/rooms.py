"""How does a use case get what it needs? From the book of all rooms (`Services`), at the moment when it needs it."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, TypeVar

from chalicelib.core.lazy import lazy

if TYPE_CHECKING:
    from chalicelib.services import Services

_T = TypeVar("_T")


class UseCase:
    """Something that is done with the book."""

    def __init__(self, book: Services) -> None:
        self.book = book


class Made(lazy[_T]):
    """A use case of a room, made at its first use. `place`: its class, below chalicelib.services."""

    def __init__(self, place: str) -> None:
        module, _, name = place.rpartition(".")
        super().__init__(lambda owner: getattr(import_module(f"{__package__}.{module}"), name)(owner.book))
