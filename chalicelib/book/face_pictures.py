"""Storage of face pictures: where they are, and when they are deleted.

A picture is stored before the transaction that refers to it, and deleted if that transaction is
refused. A picture that a transaction drops is deleted after it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

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
    """Return the face as it is kept: without its JPEGs, if its tenant or group keeps none.

    Of each picture the templates (vectors) and estimates stay. A face under legal hold stays as it
    is. So does a restricted one, which is kept but not used.
    """
    is_spared = face.hold is not None or face.restriction is not None
    if is_spared or tenant.keeps_pictures_of(face.group_id):
        return face
    pictures = [replace(picture, key="", sides=None, meant=None) for picture in face.pictures]
    return replace(face, pictures=tuple(pictures))


class PictureReplacement(NamedTuple):
    """The pictures that a change of faces replaces: keys of those before it, and after it."""

    before: list[str]
    after: list[str]


class FacePictures(Service["Book"]):
    """The JPEGs and thumbnails of faces, in blob storage."""

    def copy_picture(self, tenant: Tenant, face: Face, picture: Picture) -> Picture:
        """Store a copy of another face's picture for this face; return the copy, with its own key.

        Call it before the transaction that names the copy.
        """
        jpeg = self.load_picture(picture) or NO_JPEG
        without_jpeg = replace(picture, key="", sides=None, meant=None)
        return self.write_picture(tenant, face, without_jpeg, jpeg)

    def move_pictures(self, tenant: Tenant, face: Face) -> Face:
        """Return the face with copies of its pictures under new keys, so that links given out end.

        The caller's transaction then names the copies. The face stays as it is if it is under legal
        hold, or if no pictures of its group are kept.
        """
        if face.hold is not None or not tenant.keeps_pictures_of(face.group_id):
            return face
        moved_pictures = [
            self.copy_picture(tenant, face, picture) if picture.key else picture
            for picture in face.pictures
        ]
        return replace(face, pictures=tuple(moved_pictures))

    def write_picture(
        self, tenant: Tenant, face: Face, picture: Picture, jpeg: FaceJpeg
    ) -> Picture:
        """Store a picture's JPEG and its thumbnail for a face; return the picture with their key.

        With it come the picture's `sides` in pixels, and the box of the face that is `meant` if
        others are on it. Nothing is stored if pictures of the face's group are not kept. Call it
        before the transaction that names the picture.
        """
        if not jpeg.data or not tenant.keeps_pictures_of(face.group_id):
            return picture
        with count_stage("store"):  # for the time of each stage in telemetry
            while True:  # until a random key is free: nearly always the first
                key = keys.face_picture(tenant.name, face.faceid, nonce())
                # Both are stored at once: `begin_call` returns a function that waits for the other
                # call. The thumbnail's answer does not count, since nobody else has the picture's
                # key.
                put_thumbnail = partial(self._put_if_free, keys.thumbnail(key), jpeg.thumbnail)
                wait_for_thumbnail = self.services.storage.begin_call(put_thumbnail)
                if self._put_if_free(key, jpeg.data):
                    break
            wait_for_thumbnail()
            return replace(picture, key=key, sides=jpeg.sides, meant=jpeg.meant)

    def _put_if_free(self, key: str, jpeg: bytes) -> bool:
        """Store a JPEG if there is one. Return False if the key is taken."""
        return not jpeg or self.services.storage.blobs.put_if_absent(key, jpeg, "image/jpeg")

    def load_picture(self, picture: Picture) -> FaceJpeg | None:
        """Return a picture's JPEG with its thumbnail, if it has one.

        None means that the JPEG is not kept, or its face was deleted meanwhile.
        """
        data = self.load_jpeg(picture)
        if data is None:
            return None
        if picture.sides is None:  # such a picture has no thumbnail
            return FaceJpeg(data)
        thumbnail = self.services.storage.blobs.get(keys.thumbnail(picture.key))
        if not thumbnail:
            return FaceJpeg(data)
        return FaceJpeg(data, thumbnail, picture.sides, picture.meant)

    def load_jpeg(self, picture: Picture) -> bytes | None:
        """Return a picture's JPEG alone; None if it is not kept any more."""
        return self.services.storage.blobs.get(picture.key) if picture.key else None

    @contextmanager
    def replace_pictures(
        self, before: Iterable[str] = (), after: Iterable[str] = ()
    ) -> Iterator[PictureReplacement]:
        """Delete the pictures that no face names any more, once the block has committed a change.

        `before` and `after` are the keys of pictures that faces name before and after it. The block
        may add more to what it gets. If the commit is refused, the new ones are deleted. If its
        outcome is unknown (StorageUnavailable), all stay, and a nightly job (the sweep) removes
        those that no face names.
        """
        added = PictureReplacement([], [])
        try:
            yield added
        except StorageUnavailable:
            raise
        except (RegularsError, Changed):
            self._discard_others([*after, *added.after], [*before, *added.before])
            raise
        self._discard_others([*before, *added.before], [*after, *added.after])

    def _discard_others(self, picture_keys: Sequence[str], kept_keys: Sequence[str]) -> None:
        self.discard_pictures([key for key in picture_keys if key not in kept_keys])

    def discard_pictures(self, picture_keys: Sequence[str]) -> None:
        """Delete pictures that, as the caller knows, no face names.

        If that fails, a nightly job (the sweep) deletes them.
        """
        for key in filter(None, picture_keys):
            for stored in (keys.thumbnail(key), key):
                with suppress(RegularsError):
                    self.services.storage.blobs.delete(stored)
