from collections.abc import Callable, Iterator
from typing import Any


def paged(read: Callable[[str | None], Any]) -> Iterator[Any]:
    """Yield the pages of a list to its end; `read` answers the one that a token leads to."""
    page = read(None)
    yield page
    while page.next_token is not None:
        page = read(page.next_token)
        yield page
