"""Orders and pages of lists, and tokens for the next page: a place, with a checksum of it and of its query.

They do not expire.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from typing import Generic, TypeVar

from chalicelib.core.errors import InvalidInput

Place = TypeVar("Place")

PAGE_SIZES = range(1, 101)

MOST_READ = 1_000
"""Stored rows that a page reads at most to find those that it shows. Many may be over."""
_AT_ONCE = 100

_Row = TypeVar("_Row")
_Stored = TypeVar("_Stored")

_CHECK_BYTES = 12


@dataclass(frozen=True)
class ListPage(Generic[_Row]):
    """A page of a list. It may be short, even empty, and not the last."""

    rows: list[_Row]
    next_token: str | None
    """For the next page; None: this is the last."""


def require_page_size(limit: int, sizes: range = PAGE_SIZES) -> None:
    if limit not in sizes:
        raise InvalidInput(f"limit is {sizes[0]} to {sizes[-1]}, not {limit}")


class PageTokens:
    """The tokens of one query. `query` holds everything that makes it different from others: tenant, filters, order."""

    def __init__(self, query: str) -> None:
        self._query = query.encode()

    def token(self, place: str) -> str:
        """Make the token of a place, the start of the next page. Raises UnicodeEncodeError unless it is ASCII."""
        payload = place.encode("ascii")
        return base64.urlsafe_b64encode(self._check(payload) + payload).decode("ascii")

    def page(self, rows: list[_Row], end: str | None) -> ListPage[_Row]:
        """Make a page. `end`: the place where the next one begins; None: this is the last."""
        return ListPage(rows, None if end is None else self.token(end))

    def first(self, rows: Iterable[_Row], limit: int, place: Callable[[_Row], str]) -> ListPage[_Row]:
        """Make a page of the first `limit` rows. `place`: gives that of a row, behind which the next page begins."""
        found = list(islice(rows, limit + 1))
        return self.page(found[:limit], place(found[limit - 1]) if len(found) > limit else None)

    def filtered(
        self,
        stored: Iterable[_Stored],
        place: Callable[[_Stored], str],
        limit: int,
        wanted: Callable[[list[_Stored]], list[_Row]],
        row_place: Callable[[_Row], str],
    ) -> ListPage[_Row]:
        """Make a page of what `wanted` gives of some stored rows, which it gets at once; it reads MOST_READ at most."""
        found: list[_Row] = []
        rest, read, last = iter(stored), 0, None
        while len(found) <= limit and (some := list(islice(rest, min(max(limit + 1, _AT_ONCE), MOST_READ - read)))):
            read, last = read + len(some), place(some[-1])
            found += wanted(some)
        end = row_place(found[limit - 1]) if len(found) > limit else last if read == MOST_READ else None
        return self.page(found[:limit], end)

    def place(self, token: str | None, read: Callable[[str], Place]) -> Place | None:
        """Read the place from a token, by `read`, which raises ValueError or TypeError for what is no place.

        None, of the first page, has none.

        Raises InvalidInput if the token is damaged, forged or of another query. The checksum has no key, so
        people who know the query can forge one.
        """
        if token is None:
            return None
        try:
            data = base64.b64decode(token, altchars=b"-_", validate=True)
            check, payload = data[:_CHECK_BYTES], data[_CHECK_BYTES:]
            if not payload or check != self._check(payload):
                raise ValueError("another checksum")
            return read(payload.decode("ascii"))
        except (ValueError, TypeError, RecursionError) as error:
            raise InvalidInput(
                "the page token is damaged or belongs to another query: start again without it"
            ) from error

    def _check(self, payload: bytes) -> bytes:
        return hashlib.blake2b(self._query + payload, digest_size=_CHECK_BYTES).digest()


class FaceOrder(StrEnum):
    ENROLLED = "enrolled"
    ARRIVED = "arrived"
    """By the last arrival or, without one, the enrolment: ascending, who has stayed away longest comes first."""
    ID = "id"
