"""Fixtures that this shelf shares with another one."""

from tests.book.store.conftest import (  # noqa: F401 -- fixtures
    aws,
    blobs,
    dynamodb,
    items,
    let_pass,
    queue,
    sqlite_items,
    sqlite_path,
    tenant,
    vault,
)
