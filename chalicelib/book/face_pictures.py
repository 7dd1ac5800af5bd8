"""Where are the pictures of faces, and when do they go?

A picture is stored before the transaction that names it, and deleted if that is refused. It goes
behind the transaction that names it no more.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING

from msgspec.structs import replace

from chalicelib.domain.errors import RegularsError, StorageUnavailable
from chalicelib.domain.model import Face, Picture, Tenant
from chalicelib.domain.pictures import FaceJpeg
from chalicelib.service import Service
from chalicelib.storage import keys
from chalicelib.storage.items import Changed
from chalicelib.storage.values import nonce
from chalicelib.telemetry import count_stage

if TYPE_CHECKING:
    from chalicelib.book.book import Book

NO_JPEG = FaceJpeg(b"")
"""Of a picture of which the template alone is kept."""


def drop_unwanted_pictures(tenant: Tenant, face: Face) -> Face:
    """Return the face as it is kept if its tenant or group keeps no pictures: with the templates of
    each alone.

    A face under legal hold, or restricted, stays as it is.
    """
    if (
        tenant.keeps_pictures_of(face.group_id)
        or face.hold is not None
        or face.restriction is not None
    ):
        return face
    return replace(
        face,
        pictures=tuple(
            replace(picture, key="", sides=None, meant=None) for picture in face.pictures
        ),
    )


class FacePictures(Service["Book"]):
    """The JPEGs and thumbnails of faces, in blob storage."""

    def copy_picture(self, tenant: Tenant, face: Face, picture: Picture) -> Picture:
        """Store a copy of another face's picture for this face.

        Call it before the transaction that names the copy.
        """
        jpeg = self.load_picture(picture)
        return self.write_picture(
            tenant, face, replace(picture, key="", sides=None, meant=None), jpeg or NO_JPEG
        )

    def move_pictures(self, tenant: Tenant, face: Face) -> Face:
        """Return the face with its pictures under new keys, so that links to them which were given
        out end.

        Call it before the transaction that names them. A held face loses no picture, and one of
        which no pictures are kept gets none: it stays as it is.
        """
        if face.hold is not None or not tenant.keeps_pictures_of(face.group_id):
            return face
        moved = (
            self.copy_picture(tenant, face, picture) if picture.key else picture
            for picture in face.pictures
        )
        return replace(face, pictures=tuple(moved))

    def write_picture(
        self, tenant: Tenant, face: Face, picture: Picture, jpeg: FaceJpeg
    ) -> Picture:
        """Store a picture's JPEG and thumbnail under new keys of this face; return the picture with
        them.

        If pictures of the face's group are not kept, nothing is stored. Call it before the
        transaction that names the picture.
        """
        if not jpeg.data or not tenant.keeps_pictures_of(face.group_id):
            return picture
        with count_stage("store"):
            while True:  # until a random key is free: nearly always the first
                key = keys.face_picture(tenant.name, face.faceid, nonce())
                wait_for_thumbnail = self.services.storage.begin_call(
                    partial(self._put_if_free, keys.thumbnail(key), jpeg.thumbnail)
                )
                if self._put_if_free(key, jpeg.data):
                    break
            wait_for_thumbnail()
            return replace(picture, key=key, sides=jpeg.sides, meant=jpeg.meant)

    def _put_if_free(self, key: str, jpeg: bytes) -> bool:
        """Store a JPEG if there is one. Return False if the key is taken."""
        return not jpeg or self.services.storage.blobs.put_if_absent(key, jpeg, "image/jpeg")

    def load_picture(self, picture: Picture) -> FaceJpeg | None:
        """Return a picture's JPEG and thumbnail; None if it is not kept, or its face was deleted
        meanwhile."""
        data = self.services.storage.blobs.get(picture.key) if picture.key else None
        if data is None or picture.sides is None:
            return None if data is None else FaceJpeg(data)
        thumbnail = self.services.storage.blobs.get(keys.thumbnail(picture.key))
        return (
            FaceJpeg(data, thumbnail, picture.sides, picture.meant) if thumbnail else FaceJpeg(data)
        )

    def load_jpeg(self, picture: Picture) -> bytes | None:
        """Return a picture's JPEG alone; None if it is not kept any more."""
        return self.services.storage.blobs.get(picture.key) if picture.key else None

    @contextmanager
    def replace_pictures(self, before: Iterable[str], after: Sequence[str]) -> Iterator[None]:
        """Delete the pictures that faces no longer name after the commit in the block; the new ones
        if it is refused.

        All stay if its outcome is unknown (StorageUnavailable). The sweep removes them if no face
        names them.
        """
        try:
            yield
        except StorageUnavailable:
            raise
        except (RegularsError, Changed):
            self.discard_pictures([key for key in after if key not in before])
            raise
        self.discard_pictures([key for key in before if key not in after])

    def discard_pictures(self, picture_keys: Sequence[str]) -> None:
        """Delete pictures that, as the caller knows, no face names.

        The sweep deletes those that fail now.
        """
        for key in filter(None, picture_keys):
            for stored in (keys.thumbnail(key), key):
                with suppress(RegularsError):
                    self.services.storage.blobs.delete(stored)
