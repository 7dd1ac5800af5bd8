"""Whose book answers, and in which life of it: what a service says with each answer, and what a
client may insist on.

A book has an id for good, which no other book has. It has another life after each restore, and if a
copy of it goes on by itself: then what a client knows of it may no longer be so, and is asked
again. A service of an older version says neither.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from msgspec import Struct

HEADER = "X-Regulars-Book"
"""The header of answers to whose key is good. With a request: the book that it is meant for, with
or without life."""

_FORM = re.compile(r"([0-9a-f]{16})\.([0-9a-f]{1,64})")


class Book(Struct, frozen=True):
    """A book, as its service names it. `life`: another one after each restore, and of a copy."""

    id: str
    life: str

    def __str__(self) -> str:
        """Return the text by which a request names this book in this life."""
        return f"{self.id}.{self.life}"


def parse_book(headers: Mapping[str, str]) -> Book | None:
    """Read the book from an answer's headers; None: the service says none, or the caller is not
    proven."""
    form = _FORM.fullmatch(headers.get(HEADER, ""))
    return Book(form[1], form[2]) if form else None
