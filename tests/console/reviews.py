"""Somebody who reviews, and the people on the cards."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Browser

from tests.console.conftest import (
    NAMES,
    Visitor,
    visiting,
)
from tests.console.portraits import Shop

PEOPLE = tuple(name or f"Number {number}" for number, name in enumerate(NAMES))


@contextmanager
def reviewing(
    browser: Browser, shop: Shop, key: str | None = None, **context: Any
) -> Iterator[Visitor]:
    with visiting(browser, shop.book, key, **context) as visitor:
        yield visitor
