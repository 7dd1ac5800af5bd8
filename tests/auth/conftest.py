"""Fixtures of the visitor book (tests/support/book/fixtures)."""

from tests.support.book.fixtures import agreeing, book, camera, cloud, desk  # noqa: F401 -- fixtures
