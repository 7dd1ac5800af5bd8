"""No face without its pictures, and no picture without its face."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from chalicelib.core import keys
from chalicelib.core.items import every_blob, every_face
from chalicelib.core.model import Tenant
from chalicelib.core.ports import BlobStore, ItemStore
from chalicelib.core.records.faces import face_from
from chalicelib.services.consistency.disagreement import Disagreement
from chalicelib.services.erasure.pictures import OrphanedPictures


@dataclass(frozen=True)
class PictureRecords:
    items: ItemStore
    blobs: BlobStore
    orphans: OrphanedPictures

    def look(self, tenant: Tenant) -> Iterator[Disagreement]:
        faces = [face_from(item) for item in every_face(self.items, tenant.name)]
        stored = {blob.key for blob in every_blob(self.blobs, keys.face_pictures(tenant.name))}
        for face in faces:
            for number, picture in enumerate(face.pictures, 1):
                if picture.key and picture.key not in stored:
                    text = f"picture {number} of {len(face.pictures)} of face {face.faceid} is gone"
                    yield Disagreement(text, (face.version,))
                elif picture.sides and keys.thumbnail(picture.key) not in stored:
                    text = f"the thumbnail of picture {number} of {len(face.pictures)} of face {face.faceid} is gone"
                    yield Disagreement(text, (face.version,))
        for key in self.orphans.found(tenant.name):
            yield Disagreement(f"picture {key} belongs to no face", (), partial(self.blobs.delete, key))
