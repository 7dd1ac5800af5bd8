"""How many pictures of captures a tenant keeps, and how many bytes: counted by the sweep, since only a list knows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from chalicelib.core import keys
from chalicelib.core.items import every_blob, write
from chalicelib.core.ports import BlobStore, Clock, ItemStore, Put
from chalicelib.core.values import milliseconds, moment

COUNTED_EVERY = timedelta(hours=20)
"""A list of 1,000 pictures is one call to S3, so each day one sweep counts, and not each hour's."""


@dataclass(frozen=True)
class Kept:
    """The pictures of captures that were kept at a time."""

    captures: int
    size: int
    """Bytes of all together, with the crops that were cut out of them."""
    counted_at: datetime


@dataclass
class KeptCaptures:
    items: ItemStore
    uploads: BlobStore
    clock: Clock

    def get(self, tenant: str) -> Kept | None:
        """Return what was counted last; None if nothing was counted yet."""
        item = self.items.get(keys.DIRECTORY, (tenant, keys.KEPT_ITEM))
        if item is None:
            return None
        return Kept(int(item["captures"]), int(item["size"]), moment(item["at"]))

    def count(self, tenant: str) -> None:
        """Count what is kept, unless that was done less than COUNTED_EVERY ago."""
        now, before = self.clock.now(), self.get(tenant)
        if before is not None and now - COUNTED_EVERY < before.counted_at <= now:
            return
        captures = size = 0
        for blob in every_blob(self.uploads, keys.capture_pictures(tenant)):
            captures += not blob.key.startswith(keys.crops(tenant))
            size += blob.size
        counted = {"captures": captures, "size": size, "at": milliseconds(now)}
        write(self.items, [Put(keys.DIRECTORY, {"tenant": tenant, "item": keys.KEPT_ITEM, **counted})])
