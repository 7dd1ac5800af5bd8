"""Fixtures of the visitor book (tests/support/book/fixtures)."""

from tests.support.book.fixtures import agreeing, book  # noqa: F401 -- fixtures
