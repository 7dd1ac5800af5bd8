"""Expiry of capture pictures and records on storage without a TTL (one box). S3 and DynamoDB do this themselves.

How long pictures are kept: settings.capture_days.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from chalicelib.core import keys
from chalicelib.core.captures import captured_ms
from chalicelib.core.items import every, every_blob, write_in_parts
from chalicelib.core.model import Tenant
from chalicelib.core.ports import Clock, Delete, ItemStore, UploadStore
from chalicelib.core.values import milliseconds
from chalicelib.services.captures.cameras import Cameras

_PAGE = 1_000


@dataclass
class CaptureExpiry:
    """Deletion of expired captures. `pictures_kept`: how long a picture is kept after it was stored."""

    items: ItemStore
    uploads: UploadStore
    cameras: Cameras
    clock: Clock
    pictures_kept: timedelta

    def tenant(self, tenant: Tenant) -> None:
        """Delete the tenant's expired pictures and records. May be cut off anywhere and repeated."""
        self._pictures(tenant.name)
        for camera_id in self.cameras.ids_ever(tenant):
            self._captures(keys.captures(tenant.name, camera_id))

    def _pictures(self, tenant: str) -> None:
        limit = self.clock.now() - self.pictures_kept
        for blob in every_blob(self.uploads, keys.capture_pictures(tenant)):
            if blob.stored_at < limit or _is_crop_before(blob.key, limit):
                self.uploads.delete(blob.key)

    def _captures(self, partition: str) -> None:
        now = self.clock.now().timestamp()
        captures = every(self.items, keys.CAPTURES, partition, page_size=_PAGE)
        expired = (one["capture"] for one in captures if one["expires_at"] <= now)
        write_in_parts(self.items, (Delete(keys.CAPTURES, (partition, capture)) for capture in expired))


def _is_crop_before(key: str, limit: datetime) -> bool:
    """Tell whether it is a crop of a capture of before then: a crop is stored later than its capture."""
    try:
        return milliseconds(limit) > captured_ms(keys.capture_of_crop(key))
    except ValueError:
        return False
