"""What captures show of somebody: deleted if they show nobody else, else made unrecognisable in the stored picture."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from chalicelib.core import keys
from chalicelib.core.captures import ERASED, Capture, Resolution, Sighting
from chalicelib.core.errors import Busy, ConditionFailed, InvalidInput, Unusable
from chalicelib.core.items import attempts, write
from chalicelib.core.model import Tenant
from chalicelib.core.ports import Item, ItemStore, Update, UploadStore, equals
from chalicelib.core.records.captures import capture_from, capture_key, sighting_item
from chalicelib.services.captures.reading import RULES
from chalicelib.services.models.tenant_vision import TenantVision


@dataclass
class Shown:
    """The captures that show somebody."""

    items: ItemStore
    uploads: UploadStore
    tenant_vision: TenantVision

    def delete_crop(self, tenant: Tenant, camera_id: str, capture_id: str, number: int) -> None:
        """Delete the face that was cut out of a capture, if somebody looked at it."""
        self.uploads.delete(keys.crop(tenant.name, camera_id, capture_id, number))

    def hide(self, tenant: Tenant, camera_id: str, capture_id: str, numbers: Collection[int]) -> str:
        """Take these faces out of a capture: its record, its picture, and all that was cut out of it.

        Return what became of the picture: "deleted" if nobody else is on it or it cannot be read, "hidden", or "" if
        there is none. May be cut off anywhere and repeated.
        """
        place, picture = capture_key(tenant.name, camera_id, capture_id), (tenant.name, camera_id, capture_id)
        for _ in attempts():
            item = self.items.get(keys.CAPTURES, place)
            if item is None:
                return self._deleted(*picture, max(numbers) + 1)
            capture = capture_from(item)
            own = [one for one in capture.sightings if one.number in numbers and one.reason != ERASED]
            if not own:
                return ""
            done, fields = "", dict[str, Any]()
            if _shows_others(capture, item, numbers):
                done, fields = self._hidden(tenant, capture, own)
            done = done or self._deleted(*picture, len(capture.sightings))
            try:
                write(self.items, [_forgotten(place, capture, item, numbers, fields)])
            except ConditionFailed:
                continue
            return done
        raise Busy("this capture is changed by others all the time: send the request again in a moment")

    def _deleted(self, tenant: str, camera_id: str, capture_id: str, faces: int) -> str:
        key = keys.capture_picture(tenant, camera_id, capture_id)
        was = self.uploads.size(key) is not None
        self.uploads.delete(key)
        self._delete_crops(tenant, camera_id, capture_id, faces)
        return "deleted" if was else ""

    def _delete_crops(self, tenant: str, camera_id: str, capture_id: str, faces: int) -> None:
        for number in range(faces):
            self.uploads.delete(keys.crop(tenant, camera_id, capture_id, number))

    def _hidden(self, tenant: Tenant, capture: Capture, own: list[Sighting]) -> tuple[str, dict[str, Any]]:
        """Replace the picture. Return "hidden" and the record's new fields; "" if it cannot be read any more."""
        key = keys.capture_picture(tenant.name, capture.camera_id, capture.id)
        before = self.uploads.get(key)
        if before is None:
            return "", {}
        vision = self.tenant_vision.of(tenant.model)
        try:
            after = vision.hidden(vision.read(before, RULES), [one.box for one in own])
        except (Unusable, InvalidInput):
            return "", {}
        self.uploads.replace(key, after, "image/jpeg")
        self._delete_crops(tenant.name, capture.camera_id, capture.id, len(capture.sightings))
        return "hidden", {"size": len(after), "content_type": "image/jpeg"}


def _shows_others(capture: Capture, item: Item, numbers: Collection[int]) -> bool:
    """Return whether anybody else is on the picture, as far as it was looked at."""
    others = [one for one in capture.sightings if one.number not in numbers and one.reason != ERASED]
    return bool(others) or len(item.get("detection", ())) > len(capture.sightings)


def _forgotten(
    place: tuple[str, str], capture: Capture, item: Item, numbers: Collection[int], fields: dict[str, Any]
) -> Update:
    """Return the update that leaves of these sightings the place only, unless others changed the capture."""
    left = [
        Sighting(one.number, Resolution.SKIPPED, one.box, reason=ERASED) if one.number in numbers else one
        for one in capture.sightings
    ]
    changed = {**fields, "sightings": [sighting_item(one) for one in left]}
    if "detection" in item:
        changed["detection"] = [
            {**one, "vector": b"\0" * len(bytes(one["vector"])), "estimates": {}} if number in numbers else one
            for number, one in enumerate(item["detection"])
        ]
    same = tuple(equals(name, item.get(name), "as-it-was-read") for name in ("state", "done", "corrections"))
    return Update(keys.CAPTURES, place, same, set=changed)
