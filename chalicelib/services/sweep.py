"""What time leaves behind: pictures that no face names, answers that nobody asks for any more."""

from __future__ import annotations

from datetime import timedelta

from chalicelib.core import keys
from chalicelib.core.ports import BlobStore, Clock, ItemStore
from chalicelib.services.requests import Requests

PICTURE_GRACE = timedelta(hours=24)
"""A picture is written before the transaction that names it; after this long, none is on its way any more."""

_PAGE = 1_000


class Sweep:
    """`expires_items`: storage deletes items behind their `expires_at` by itself (DynamoDB does)."""

    def __init__(
        self, items: ItemStore, blobs: BlobStore, requests: Requests, clock: Clock, *, expires_items: bool
    ) -> None:
        self._items = items
        self._blobs = blobs
        self._requests = requests
        self._clock = clock
        self._expires_items = expires_items

    def tenant(self, tenant: str) -> None:
        """All chores of one tenant; each may be cut off anywhere and done again."""
        self.orphaned_pictures(tenant)
        if not self._expires_items:
            self._requests.forget_expired(tenant)

    def orphaned_pictures(self, tenant: str) -> list[str]:
        """Delete the pictures, older than 24 hours, that no face names; returns their keys."""
        limit = self._clock.now() - PICTURE_GRACE
        deleted: list[str] = []
        after: str | None = None
        while True:
            blobs = self._blobs.list(keys.face_pictures(tenant), after=after, limit=_PAGE)
            if not blobs:
                return deleted
            after = blobs[-1].key
            old = [blob.key for blob in blobs if blob.stored_at < limit]
            for key in self._unnamed(tenant, old):
                self._blobs.delete(key)
                deleted.append(key)

    def _unnamed(self, tenant: str, picture_keys: list[str]) -> list[str]:
        faceids = [keys.faceid_of_picture(tenant, key) for key in picture_keys]
        if not faceids:
            return []
        faces = self._items.get_many(keys.FACES, [(tenant, faceid) for faceid in dict.fromkeys(faceids)])
        named = {face["picture"] for face in faces if face}
        return [key for key in picture_keys if key not in named]
