"""Where storage does not forget by itself: captures' pictures after some days, and what is known of them later.

On AWS the bucket's lifecycle and the table's time to live do it.
"""

from __future__ import annotations

from datetime import timedelta

from chalicelib.core import keys
from chalicelib.core.model import Tenant
from chalicelib.core.ports import Action, Clock, Delete, ItemStore, UploadStore
from chalicelib.services.captures.cameras import Cameras
from chalicelib.services.commit.transaction import transact

_PAGE = 1_000
_A_TRANSACTION = 80


class CaptureExpiry:
    """`pictures_kept`: how long after it was stored a picture is deleted."""

    def __init__(
        self, items: ItemStore, uploads: UploadStore, cameras: Cameras, clock: Clock, pictures_kept: timedelta
    ) -> None:
        self._items = items
        self._uploads = uploads
        self._cameras = cameras
        self._clock = clock
        self._pictures_kept = pictures_kept

    def tenant(self, tenant: Tenant) -> None:
        """May be cut off anywhere and done again."""
        self._pictures(tenant.name)
        for camera_id in self._cameras.ids_ever(tenant):
            self._captures(keys.captures(tenant.name, camera_id))

    def _pictures(self, tenant: str) -> None:
        limit = self._clock.now() - self._pictures_kept
        after: str | None = None
        while True:
            blobs = self._uploads.list(keys.capture_pictures(tenant), after=after, limit=_PAGE)
            if not blobs:
                return
            after = blobs[-1].key
            for blob in blobs:
                if blob.stored_at < limit:
                    self._uploads.delete(blob.key)

    def _captures(self, partition: str) -> None:
        now = self._clock.now().timestamp()
        token: str | None = None
        while True:
            page = self._items.query(keys.CAPTURES, partition, token=token, limit=_PAGE)
            expired: list[Action] = [
                Delete(keys.CAPTURES, (partition, item["capture"])) for item in page.items if item["expires_at"] <= now
            ]
            for begin in range(0, len(expired), _A_TRANSACTION):
                transact(self._items, expired[begin : begin + _A_TRANSACTION])
            token = page.token
            if token is None:
                return
