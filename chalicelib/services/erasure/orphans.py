"""Pictures that no face names, left by a crash or by a deletion that was cut off."""

from __future__ import annotations

from datetime import timedelta

from chalicelib.core import keys
from chalicelib.core.ports import BlobStore, Clock, ItemStore
from chalicelib.core.records.faces import face_from
from chalicelib.services.merges.chores import MergeChores

PICTURE_GRACE = timedelta(hours=6)
"""A picture is written before the transaction that names it. After this long, that transaction has ended."""

_PAGE = 1_000


class OrphanedPictures:
    def __init__(self, items: ItemStore, blobs: BlobStore, merges: MergeChores, clock: Clock) -> None:
        self._items = items
        self._blobs = blobs
        self._merges = merges
        self._clock = clock

    def delete(self, tenant: str) -> list[str]:
        """Delete the pictures older than 6 hours that no face names. Return their keys."""
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
        """Return the keys that are named by no face, and by no merge that can be undone."""
        left = self._without_named(tenant, picture_keys)
        if left:
            kept = self._merges.pictures(tenant)
            left = [key for key in left if key not in kept]
        # Check the faces again: an undo in between may have brought one back.
        return self._without_named(tenant, left)

    def _without_named(self, tenant: str, picture_keys: list[str]) -> list[str]:
        faceids = [keys.faceid_of_picture(tenant, key) for key in picture_keys]
        if not faceids:
            return []
        faces = self._items.get_many(keys.FACES, [(tenant, faceid) for faceid in dict.fromkeys(faceids)])
        named = {key for face in faces if face for key in face_from(face).picture_keys}
        return [key for key in picture_keys if key not in named]
