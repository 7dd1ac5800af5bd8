"""Pictures of faces that no face names.

A picture is deleted, and its thumbnail with it, if no face, and no merge that can be undone, names
it any more: with its face (deletion), by its own removal (enrolment/face_update), when it was
stored for a change that was refused (face_pictures), or here: pictures that a crash left behind. Of
a deletion, or a change of a face, that was cut off behind its commit, the journal tells. Of one
that was cut off before it, only the picture's age tells.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING

from chalicelib.domain.jobs import STOPS_AT_S, Unfinished
from chalicelib.service import Service
from chalicelib.storage import keys
from chalicelib.storage.items import cut_in_parts
from chalicelib.storage.ports import BlobInfo
from chalicelib.storage.records.faces import face_from

if TYPE_CHECKING:
    from chalicelib.book.book import Book

PICTURE_GRACE = timedelta(hours=6)
"""A picture is written before the transaction that names it. After this long, that transaction has
ended."""


LISTED = range(3, 24, 6)
"""The hours, in UTC, whose sweeps list the pictures."""

LOOKED_AT = timedelta(days=1)
"""A sweep looks at pictures up to this age, so at each several times: an older one that nobody
names was seen before.

In the first LISTED hour of a month it looks at all, whatever became of the sweeps before.
"""


class OrphanedPictures(Service["Book"]):
    """Pictures of faces that no record refers to any more."""

    page_size = 1_000

    def delete(
        self,
        tenant: str,
        hour: datetime,
        after: str = "",
        remaining_s: Callable[[], float] = lambda: float("inf"),
    ) -> Unfinished | None:
        """Delete the pictures that no face names, older than 6 hours and up to LOOKED_AT, if the
        hour is one of LISTED.

        In the first of these hours of a month, delete all of them, however old. `after`: a
        picture's key, after which to begin. If the time runs out, the rest begins after the last
        one that was looked at.
        """
        if hour.hour not in LISTED:
            return None
        looks_at_all = hour.day == 1 and hour.hour == LISTED[0]
        stored_since = (
            datetime.min.replace(tzinfo=UTC)
            if looks_at_all
            else self.services.clock.now() - LOOKED_AT
        )
        blobs = self.services.storage.blobs.walk(keys.face_pictures(tenant), after)
        for page in cut_in_parts(blobs, self.page_size):
            self._delete_unnamed(tenant, [blob for blob in page if blob.stored_at > stored_since])
            if remaining_s() < STOPS_AT_S:
                return Unfinished(page[-1].key)
        return None

    def delete_of(self, tenant: str, faceids: Iterable[str]) -> None:
        """Delete the pictures of these faces, older than 6 hours, that no face names."""
        folders = sorted(keys.face_folder(tenant, faceid) for faceid in faceids)
        while folders:
            blobs = list(
                islice(
                    self.services.storage.blobs.walk(keys.face_pictures(tenant), folders[0]),
                    self.page_size,
                )
            )
            wanted_folders = set(folders)
            self._delete_unnamed(
                tenant,
                [blob for blob in blobs if keys.folder_of_picture(blob.key) in wanted_folders],
            )
            if len(blobs) < self.page_size:
                return
            folders = [
                folder for folder in folders[1:] if folder >= keys.folder_of_picture(blobs[-1].key)
            ]

    def _list_old(self, blobs: Iterable[BlobInfo]) -> list[str]:
        limit = self.services.clock.now() - PICTURE_GRACE
        return [blob.key for blob in blobs if blob.stored_at < limit]

    def _delete_unnamed(self, tenant: str, blobs: Iterable[BlobInfo]) -> None:
        for key in self._list_unnamed(tenant, self._list_old(blobs)):
            self.services.storage.blobs.delete(key)

    def _list_unnamed(self, tenant: str, picture_keys: list[str]) -> list[str]:
        """Return the keys that are named by no face, and by no merge that can be undone."""
        unnamed_keys = self._without_named(tenant, picture_keys)
        if unnamed_keys:
            merge_keys = {
                key
                for merge in self.services.merges.records.list_all(tenant)
                for key in merge.picture_keys
            }
            unnamed_keys = [
                key for key in unnamed_keys if keys.picture_of_thumbnail(key) not in merge_keys
            ]
        # Check the faces again: an undo in between may have brought one back.
        return self._without_named(tenant, unnamed_keys)

    def _without_named(self, tenant: str, picture_keys: list[str]) -> list[str]:
        faceids = [keys.faceid_of_picture(tenant, key) for key in picture_keys]
        if not faceids:
            return []
        faces = self.services.items.get_many(
            keys.FACES, [(tenant, faceid) for faceid in dict.fromkeys(faceids)]
        )
        named_keys = {key for face in faces if face for key in face_from(face).picture_keys}
        return [key for key in picture_keys if keys.picture_of_thumbnail(key) not in named_keys]
