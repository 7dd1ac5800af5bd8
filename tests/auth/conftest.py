"""Fixtures of the visitor book (tests/support/book/fixtures)."""

from tests.support.book.fixtures import agreeing, book, camera, cloud, desk  # noqa: F401 -- fixtures
from tests.support.storage.fixtures import (  # noqa: F401 -- fixtures
    aws,
    dynamodb,
    items,
    sqlite_items,
    sqlite_path,
)
