"""Fixtures that this shelf shares with another one."""

from tests.book.conftest import agreeing, book, camera, cloud, desk  # noqa: F401 -- fixtures
