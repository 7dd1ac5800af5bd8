from collections.abc import Callable
from typing import TypeVar

Answer = TypeVar("Answer")


def later(do: Callable[..., Answer]) -> Callable[..., Callable[..., Answer]]:
    """Take first what is drawn or said, and later what it is done to: `do(book, place)` becomes
    `do(place)(book)`."""

    def made(*given: object, **named: object) -> Callable[..., Answer]:
        return lambda *done_to: do(*done_to, *given, **named)

    made.__name__ = do.__name__  # for hypothesis, which prints it
    return made
