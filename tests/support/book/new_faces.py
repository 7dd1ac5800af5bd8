"""What others do while a new face is made."""

from collections.abc import Callable

from chalicelib.domain.rules.decision import FaceSearch, SearchAnswer, SearchRequest
from tests.support.book.book import Book
from tests.support.storage.failing import Calls

STORED = "blobs.put_if_absent"
"""The call that stores the new face's picture: after the search, and before the commit."""


class CountedSearch:
    """The real search, and how often it was asked."""

    def __init__(self, search: FaceSearch) -> None:
        self._search, self.asked = search, 0

    def search(self, tenant: str, request: SearchRequest) -> SearchAnswer:
        self.asked += 1
        return self._search.search(tenant, request)


def meanwhile(book: Book, calls: Calls, others: Callable[[], object]) -> CountedSearch:
    """Let others do something just before the next new face's picture is stored, that its first
    search has not seen."""
    calls.let(1, others, STORED)
    book.services.ports.search = search = CountedSearch(book.services.ports.search)
    return search
