"""Checks that each face has its pictures, and each picture its face."""

from __future__ import annotations

from collections.abc import Iterator

from chalicelib.book.deletion.orphans import PICTURE_GRACE
from chalicelib.domain.model import Tenant
from chalicelib.storage import keys
from chalicelib.storage.items import every_face, walk_items
from chalicelib.storage.records.faces import face_from
from tests.support.consistency.findings import Subject


class PictureRecords(Subject):
    def find_disagreements(self, tenant: Tenant) -> Iterator[str]:
        """Compare the pictures that faces name with those that are stored."""
        faces = [face_from(item) for item in every_face(self.services.items, tenant.name)]
        stored_keys = {
            blob.key for blob in self.services.storage.blobs.walk(keys.face_pictures(tenant.name))
        }
        for face in faces:
            for number, picture in enumerate(face.pictures, 1):
                missing = "" if not picture.key or picture.key in stored_keys else "picture"
                if not missing and picture.sides and keys.thumbnail(picture.key) not in stored_keys:
                    missing = "the thumbnail of picture"
                if missing:
                    yield (
                        f"{missing} {number} of {len(face.pictures)} of face {face.faceid} is gone"
                    )
        items = walk_items(self.services.items, keys.FACES, tenant.name)  # restricted ones, too
        named = {picture.key for item in items for picture in face_from(item).pictures}
        merges = self.services.merges.records.list_all(tenant.name)
        named |= {key for merge in merges for key in merge.picture_keys}
        limit = self.services.clock.now() - PICTURE_GRACE
        for blob in self.services.storage.blobs.walk(keys.face_pictures(tenant.name)):
            is_old = blob.stored_at < limit and not keys.is_archive(blob.key)
            if is_old and keys.picture_of_thumbnail(blob.key) not in named:
                yield f"picture {blob.key} belongs to no face"
