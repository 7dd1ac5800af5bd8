"""Reads of storage that services, index and the command line share: whole partitions and a tenant's directory item."""

from __future__ import annotations

from collections.abc import Iterator

from chalicelib.core import keys
from chalicelib.core.errors import TenantNotFound
from chalicelib.core.ports import BlobInfo, BlobStore, Item, ItemStore, Table


def every(
    items: ItemStore,
    table: Table,
    partition: str,
    *,
    index: str | None = None,
    low: str | None = None,
    high: str | None = None,
    reverse: bool = False,
    page_size: int | None = None,
) -> Iterator[Item]:
    """Yield all items that ItemStore.query finds, page by page: a page is read when its first item is needed.

    `page_size`: the most items in one read; None: as many as the store gives. Items that are written meanwhile may be
    missing, and items that are deleted meanwhile may be there. Raises the errors of `query`: Busy, StorageUnavailable,
    InvalidInput.
    """
    token: str | None = None
    while True:
        page = items.query(
            table, partition, index=index, low=low, high=high, reverse=reverse, limit=page_size, token=token
        )
        yield from page.items
        token = page.token
        if token is None:
            return


def every_blob(blobs: BlobStore, prefix: str, after: str | None = None) -> Iterator[BlobInfo]:
    """Yield all objects that BlobStore.list finds, in the order of their keys, a thousand from each read."""
    while listed := blobs.list(prefix, after=after):
        yield from listed
        after = listed[-1].key


def directory_of(items: ItemStore, tenant: str) -> Item:
    """Read the tenant's directory item: seq, model, and the room that is left for it. Raises TenantNotFound."""
    item = items.get(keys.DIRECTORY, (tenant, keys.TENANT_ITEM))
    if item is None:
        raise TenantNotFound(f"there is no tenant {tenant!r}")
    return item
