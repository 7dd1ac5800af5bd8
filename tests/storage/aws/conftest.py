"""Fixtures of every port (tests/support/storage/fixtures)."""

from tests.support.storage.fixtures import (  # noqa: F401 -- fixtures
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
