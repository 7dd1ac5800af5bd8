"""Several functions make new faces of one tenant at once."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from chalicelib.core.decision import FaceSearch, SearchAnswer, SearchRequest
from chalicelib.core.model import Profile
from tests.services.sightings.book import Book, shot


class SearchAfter:
    """The real search, before whose second answer something happens that the caller has not seen."""

    def __init__(self, search: FaceSearch, others: Callable[[], object]) -> None:
        self._search, self._others = search, [None, others]

    def search(self, tenant: str, request: SearchRequest) -> SearchAnswer:
        first = self._others.pop(0) if self._others else None
        if first:
            first()
        return self._search.search(tenant, request)


def test_a_group_that_another_function_fills_before_the_search_is_told_to_be_full(tmp_path: Path) -> None:
    with closing(Book(tmp_path / "data", profile=Profile.CAMERA)) as book:
        book.services.groups.update(book.tenant, "stranger", {"capacity": 2})
        book.services.webhooks.hooks.add("shop", "https://hooks.example.com/in", kinds=["group.full"])
        newcomer, other = book.put(shot(0, 1)), book.put(shot(1, 2))
        book.services.ports.search = SearchAfter(book.services.ports.search, lambda: book.deliver(other))
        book.deliver(newcomer)
        assert book.group_counts()["stranger"] == 2
        [message] = book.storage.deliveries_queue.receive(10, 60)
        assert "group.full" in message.body
