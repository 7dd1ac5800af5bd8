"""Removal of pictures that were stored before a tenant, or one of its groups, ceased to keep any.

What comes later is not stored (faces/portraits, captures/unpictured). But a face may move to such a group, and a crash
may leave a picture behind, so all is looked through once a day.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice

from chalicelib.core import keys
from chalicelib.core.errors import ConditionFailed
from chalicelib.core.items import every, write
from chalicelib.core.model import Tenant
from chalicelib.core.ports import BlobInfo, ItemStore, Put, Update, UploadStore, equals
from chalicelib.core.records.captures import capture_from, capture_key
from chalicelib.core.records.faces import face_from
from chalicelib.core.records.merges import kept_item
from chalicelib.services.captures.unpictured import Unpictured, shown_faces
from chalicelib.services.erasure.pictures import STOPS_AT_S
from chalicelib.services.faces.holds import Holds
from chalicelib.services.faces.portraits import Portraits, unpictured
from chalicelib.services.faces.visits import face_put
from chalicelib.services.merges.records import Merges

_FACES_AT_ONCE, _MERGES_AT_ONCE, _BLOBS_AT_ONCE = 100, 10, 1_000
_DONE = "done"


@dataclass
class PicturesOff:
    items: ItemStore
    uploads: UploadStore
    portraits: Portraits
    unpictured: Unpictured
    holds: Holds

    def tenant(self, tenant: Tenant, hour: datetime, left_s: Callable[[], float]) -> bool:
        """Remove what may not be kept; return False if the time ran out, and another call has to go on.

        What is done is noted: a change of the setting begins anew, and so does each day.
        """
        if tenant.keeps_pictures and not tenant.no_pictures_of:
            return True
        run = json.dumps([f"{hour:%Y-%m-%d}", tenant.keeps_pictures, sorted(tenant.no_pictures_of)])
        steps = {"faces": self._faces, "merges": self._merges, "captures": self._captures}
        noted = self.items.get(keys.DIRECTORY, (tenant.name, keys.UNPICTURED_ITEM))
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
        write(self.items, [Put(keys.DIRECTORY, item)])

    def _faces(self, tenant: Tenant, after: str) -> Iterator[str]:
        """Take the pictures of faces away, and yield the place after each part. Templates stay."""
        faces = every(self.items, keys.FACES, tenant.name, low=after or None, page_size=_FACES_AT_ONCE)
        stored = (one for one in faces if one["faceid"] != after)
        while part := list(islice(stored, _FACES_AT_ONCE)):
            for face in map(face_from, part):
                if (after_it := unpictured(tenant, face)) != face:
                    with suppress(ConditionFailed):  # changed just now: the next day finds it
                        write(self.items, [face_put(tenant.name, face, replace(after_it, revision=face.revision))])
                        self.portraits.discard(face.picture_keys)
            yield part[-1]["faceid"]

    def _merges(self, tenant: Tenant, after: str) -> Iterator[str]:
        """Do the same for the faces that merges keep for their undo."""
        merges = (one for one in Merges(self.items).all(tenant.name, after or None) if one.id != after)
        while part := list(islice(merges, _MERGES_AT_ONCE)):
            for merge in part:
                if merge.kept is None or (face := unpictured(tenant, merge.kept.face)) == merge.kept.face:
                    continue
                kept = kept_item(tenant.name, merge.survivor, replace(merge.kept, face=face))
                same = (equals("state", merge.state, "merge-state"),)
                with suppress(ConditionFailed):
                    write(self.items, [Update(keys.MERGES, (tenant.name, merge.id), same, set={"kept": kept})])
                    self.portraits.discard(merge.kept.face.picture_keys)
            yield part[-1].id

    def _captures(self, tenant: Tenant, after: str) -> Iterator[str]:
        """Delete the pictures of captures, and the faces that were cut out of them; not those that show a held face."""
        held = {one.faceid for one in self.holds.all(tenant.name)}
        prefix = keys.capture_pictures(tenant.name)
        while part := self.uploads.list(prefix, after=after or None, limit=_BLOBS_AT_ONCE):
            self._forget(tenant, part, held)
            after = part[-1].key
            yield after

    def _forget(self, tenant: Tenant, blobs: Sequence[BlobInfo], held: Set[str]) -> None:
        places = {blob.key: place for blob in blobs if (place := _capture_of(blob.key))}
        wanted = list(dict.fromkeys(places.values()))
        found = self.items.get_many(keys.CAPTURES, [capture_key(tenant.name, *place) for place in wanted])
        captures = [capture_from(item) for item in found if item]
        hidden = {
            (one.camera_id, one.id)
            for one in self.unpictured.among(tenant, captures)
            if not held or held.isdisjoint(shown_faces(self.items, tenant.name, one.id))
        }
        for key, place in places.items():
            if place in hidden:
                self.uploads.delete(key)


def _capture_of(key: str) -> tuple[str, str] | None:
    """Read the camera and the capture's id from the key of a capture's picture, or of a face cut out of it."""
    try:
        name = keys.capture_of_crop(key)
    except ValueError:
        with suppress(ValueError):
            return keys.capture_of_picture(key)[1:]
        return None
    return key.split("/")[2], name.rpartition("-")[0]
