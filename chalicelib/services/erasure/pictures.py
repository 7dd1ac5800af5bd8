"""Deletion of stored pictures of faces: if no face, and no merge that can be undone, names the picture any more.

A thumbnail goes with its picture.

With its face (erasure/faces), by its own removal (enrolment/update), when it was stored for a change that was refused
(portraits), or here: pictures that a crash left behind. Of a deletion, or a change of a face, that was cut off
behind its commit, the journal tells. Of one that was cut off before it, only the picture's age tells.

Beside it the removal of pictures that were stored before a tenant, or one of its groups, ceased to keep any. What comes
later is not stored (portraits, captures/kept). But a face may move to such a group, and a crash may leave a picture
behind, so all is looked through once a day.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import islice

from chalicelib.core import keys
from chalicelib.core.chores import STOPS_AT_S
from chalicelib.core.errors import ConditionFailed
from chalicelib.core.items import every, write
from chalicelib.core.model import Tenant
from chalicelib.core.places import Marked
from chalicelib.core.ports import BlobInfo, Put, Update, equals
from chalicelib.core.records.captures import capture_from, capture_key
from chalicelib.core.records.faces import face_from
from chalicelib.core.records.merges import kept_item
from chalicelib.services.erasure.erasure import LISTED
from chalicelib.services.erasure.traces import delete_stills
from chalicelib.services.portraits import unpictured
from chalicelib.services.rooms import UseCase
from chalicelib.services.visits import face_put

PICTURE_GRACE = timedelta(hours=6)
"""A picture is written before the transaction that names it. After this long, that transaction has ended."""


LOOKED_AT = timedelta(days=1)
"""A sweep looks at pictures up to this age, so at each several times: an older one that nobody names was seen before.

In the first LISTED hour of a month it looks at all, whatever became of the sweeps before.
"""


class OrphanedPictures(UseCase):
    page_size = 1_000

    def delete(
        self, tenant: str, hour: datetime, after: str = "", left_s: Callable[[], float] = lambda: float("inf")
    ) -> str | None:
        """Delete the pictures that no face names, older than 6 hours and up to LOOKED_AT, if the hour is one of LISTED.

        `after`: a picture's key, after which to begin. Return the one after which to go on if the time has run out.
        """
        if hour.hour not in LISTED:
            return None
        is_full = hour.day == 1 and hour.hour == LISTED[0]
        first = datetime.min.replace(tzinfo=UTC) if is_full else self.book.clock.now() - LOOKED_AT
        for page in self._pages(tenant, after):
            self._delete_unnamed(tenant, [blob for blob in page if blob.stored_at > first])
            if left_s() < STOPS_AT_S:
                return page[-1].key
        return None

    def delete_of(self, tenant: str, faceids: Iterable[str]) -> None:
        """Delete the pictures of these faces, older than 6 hours, that no face names."""
        folders = sorted(keys.face_folder(tenant, faceid) for faceid in faceids)
        while folders:
            blobs = list(islice(self.book.storage.blobs.walk(keys.face_pictures(tenant), folders[0]), self.page_size))
            wanted = set(folders)
            self._delete_unnamed(tenant, [blob for blob in blobs if keys.folder_of_picture(blob.key) in wanted])
            if len(blobs) < self.page_size:
                return
            folders = [one for one in folders[1:] if one >= keys.folder_of_picture(blobs[-1].key)]

    def found(self, tenant: str) -> Iterator[str]:
        """Yield the keys of the pictures older than 6 hours that no face names. Archives are none: they go in hours."""
        for page in self._pages(tenant, ""):
            yield from (key for key in self._unnamed(tenant, self._old(page)) if not keys.is_archive(key))

    def _pages(self, tenant: str, after: str) -> Iterator[Sequence[BlobInfo]]:
        blobs = self.book.storage.blobs.walk(keys.face_pictures(tenant), after)
        while page := list(islice(blobs, self.page_size)):
            yield page

    def _old(self, blobs: Iterable[BlobInfo]) -> list[str]:
        limit = self.book.clock.now() - PICTURE_GRACE
        return [blob.key for blob in blobs if blob.stored_at < limit]

    def _delete_unnamed(self, tenant: str, blobs: Iterable[BlobInfo]) -> None:
        for key in self._unnamed(tenant, self._old(blobs)):
            self.book.storage.blobs.delete(key)

    def _unnamed(self, tenant: str, picture_keys: list[str]) -> list[str]:
        """Return the keys that are named by no face, and by no merge that can be undone."""
        left = self._without_named(tenant, picture_keys)
        if left:
            kept = {key for merge in self.book.merges.records.all(tenant) for key in merge.picture_keys}
            left = [key for key in left if keys.picture_of_thumbnail(key) not in kept]
        # Check the faces again: an undo in between may have brought one back.
        return self._without_named(tenant, left)

    def _without_named(self, tenant: str, picture_keys: list[str]) -> list[str]:
        faceids = [keys.faceid_of_picture(tenant, key) for key in picture_keys]
        if not faceids:
            return []
        faces = self.book.items.get_many(keys.FACES, [(tenant, faceid) for faceid in dict.fromkeys(faceids)])
        named = {key for face in faces if face for key in face_from(face).picture_keys}
        return [key for key in picture_keys if keys.picture_of_thumbnail(key) not in named]


_FACES_AT_ONCE, _MERGES_AT_ONCE, _BLOBS_AT_ONCE = 100, 10, 1_000
_DONE = "done"


class PicturesOff(UseCase):
    def tenant(self, tenant: Tenant, hour: datetime, left_s: Callable[[], float]) -> bool:
        """Remove what may not be kept; return False if the time ran out, and another call has to go on.

        What is done is noted: a change of the setting begins anew, and so does each day.
        """
        if tenant.keeps_pictures and not tenant.no_pictures_of:
            return True
        if not tenant.keeps_pictures:
            delete_stills(self.book.items, tenant)
        run = json.dumps([f"{hour:%Y-%m-%d}", tenant.keeps_pictures, sorted(tenant.no_pictures_of)])
        steps = {"faces": self._faces, "merges": self._merges, "captures": self._captures}
        noted = self.book.items.get(keys.DIRECTORY, (tenant.name, keys.UNPICTURED_ITEM))
        first, after = (noted["step"], noted["after"]) if noted and noted["run"] == run else ("faces", "")
        for name in list(steps)[list(steps).index(first) :] if first != _DONE else []:
            for place in steps[name](tenant, after):
                if left_s() < STOPS_AT_S:
                    self._note(tenant, run, name, place)
                    return False
            after = ""
        if first != _DONE:
            self._note(tenant, run, _DONE, "")
        return True

    def _note(self, tenant: Tenant, run: str, step: str, after: str) -> None:
        item = {"tenant": tenant.name, "item": keys.UNPICTURED_ITEM, "run": run, "step": step, "after": after}
        write(self.book.items, [Put(keys.DIRECTORY, item)])

    def _faces(self, tenant: Tenant, after: str) -> Iterator[str]:
        """Take the pictures of faces away, and yield the place after each part. Templates stay."""
        faces = every(self.book.items, keys.FACES, tenant.name, low=after or None, page_size=_FACES_AT_ONCE)
        stored = (one for one in faces if one["faceid"] != after)
        while part := list(islice(stored, _FACES_AT_ONCE)):
            for face in map(face_from, part):
                if (after_it := unpictured(tenant, face)) != face:
                    with suppress(ConditionFailed):  # changed just now: the next day finds it
                        write(self.book.items, [face_put(tenant.name, face, replace(after_it, revision=face.revision))])
                        self.book.portraits.discard(face.picture_keys)
            yield part[-1]["faceid"]

    def _merges(self, tenant: Tenant, after: str) -> Iterator[str]:
        """Do the same for the faces that merges keep for their undo, but not of those that came to a held face."""
        held = Marked(self.book.items, tenant.name).spared("merges")
        merges = (one for one in self.book.merges.records.all(tenant.name, after or None) if one.id != after)
        while part := list(islice(merges, _MERGES_AT_ONCE)):
            for merge in part:
                if merge.kept is None or merge.survivor in held:
                    continue
                if (face := unpictured(tenant, merge.kept.face)) == merge.kept.face:
                    continue
                kept = kept_item(tenant.name, merge.survivor, replace(merge.kept, face=face))
                same = (equals("state", merge.state, "merge-state"),)
                with suppress(ConditionFailed):
                    write(self.book.items, [Update(keys.MERGES, (tenant.name, merge.id), same, set={"kept": kept})])
                    self.book.portraits.discard(merge.kept.face.picture_keys)
            yield part[-1].id

    def _captures(self, tenant: Tenant, after: str) -> Iterator[str]:
        """Delete the pictures of captures, and the faces that were cut out of them; not those that show a held face."""
        blobs = self.book.storage.uploads.walk(keys.capture_pictures(tenant.name), after)
        while part := list(islice(blobs, _BLOBS_AT_ONCE)):
            self._forget(tenant, part)
            yield part[-1].key

    def _forget(self, tenant: Tenant, blobs: Sequence[BlobInfo]) -> None:
        places = {blob.key: place for blob in blobs if (place := _capture_of(blob.key))}
        wanted = list(dict.fromkeys(places.values()))
        found = self.book.items.get_many(keys.CAPTURES, [capture_key(tenant.name, *place) for place in wanted])
        captures = [capture_from(item) for item in found if item]
        hidden = {(one.camera_id, one.id) for one in self.book.captures.unpictured.among(tenant, captures)}
        for key, place in places.items():
            if place in hidden:
                self.book.storage.uploads.delete(key)


def _capture_of(key: str) -> tuple[str, str] | None:
    """Read the camera and the capture's id from the key of a capture's picture, or of a face cut out of it."""
    try:
        name = keys.capture_of_crop(key)
    except ValueError:
        with suppress(ValueError):
            return keys.capture_of_picture(key)[1:]
        return None
    return key.split("/")[2], name.rpartition("-")[0]
