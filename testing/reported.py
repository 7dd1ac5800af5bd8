"""Which tests replay what users of others reported, by the numbers of docs/reported.md."""

from collections.abc import Callable
from typing import TypeVar

_Test = TypeVar("_Test", bound=Callable[..., object])


def replays(number: int, *where: str) -> Callable[[_Test], _Test]:
    """Decorate the test that replays a case; tests/reported/test_page.py reads it.

    `number`: the case's on the page. `where`: project and number in its tracker, as the page has
    them.
    """
    return lambda test: test
