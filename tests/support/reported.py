"""Which tests replay what users of others reported, by the numbers of docs/reported.md."""

from collections.abc import Callable
from typing import TypeVar

_Test = TypeVar("_Test", bound=Callable[..., object])

CASES: dict[int, tuple[str, ...]] = {}
"""The reports of each case that a test replays, by its number on the page."""


def replays(number: int, *where: str) -> Callable[[_Test], _Test]:
    """Decorate the test that replays a case.

    `where`: project and number in its tracker, as the page has them.
    """
    CASES[number] = where
    return lambda test: test
