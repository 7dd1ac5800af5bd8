"""What does a camera see now? One small picture on request, for aiming it: no capture, in no statistics, soon gone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from chalicelib.core import acts, keys
from chalicelib.core.captures import Camera
from chalicelib.core.errors import ConditionFailed, Conflict, Unusable
from chalicelib.core.items import write
from chalicelib.core.model import Tenant
from chalicelib.core.ports import Put, Update, equals, exists
from chalicelib.core.values import milliseconds, moment, time_text
from chalicelib.services.rooms import UseCase

ASKED_FOR = timedelta(minutes=10)
"""So long may the box answer."""
KEPT = timedelta(hours=1)
MAX_BYTES = 256 * 1024
"""One item holds it, which may have 400 KB on DynamoDB."""
_JPEG = b"\xff\xd8\xff"


@dataclass(frozen=True)
class Still:
    """Answer of a camera's box, and the request that waits for one; None: there is none."""

    asked_at: datetime | None
    taken_at: datetime | None = None
    picture: bytes | None = None


class Stills(UseCase):
    def ask(self, tenant: Tenant, camera_id: str) -> Still:
        """Have the camera's box asked at its next heartbeat. Raises CameraNotFound, Conflict."""
        if not tenant.keeps_pictures:
            raise Conflict("this tenant keeps no pictures (its setting keeps_pictures), and so no stills")
        camera, now, last = self.book.cameras.get(tenant, camera_id), self.book.clock.now(), self.of(tenant, camera_id)
        there = (exists("camera-there"),)
        acts.says(of=camera.id)
        change = {"still_asked_at": milliseconds(now)}
        write(self.book.items, [Update(keys.CAMERAS, (tenant.name, camera.id), there, set=change, twice=True)])
        return replace(last, asked_at=now)

    def give(self, tenant: Tenant, camera_id: str, picture: bytes) -> None:
        """Keep the picture that was asked for, for an hour. Raises CameraNotFound, Unusable, Conflict."""
        camera, now = self.book.cameras.get(tenant, camera_id), self.book.clock.now()
        asked_at = _open(camera, now)
        if asked_at is None or not tenant.keeps_pictures:
            raise Conflict("nobody asks for a still of this camera: send one when still_asked_at of an answer says so")
        if len(picture) > MAX_BYTES or not picture.startswith(_JPEG):
            raise Unusable(f"a still is a JPEG of up to {MAX_BYTES} bytes")
        kind, id_ = keys.still_item(tenant.name, camera.id)
        shown = {"picture": picture, "taken_at": milliseconds(now), "expires_at": int((now + KEPT).timestamp())}
        same = (equals("still_asked_at", milliseconds(asked_at), "asked-as-read"),)
        answered = Update(keys.CAMERAS, (tenant.name, camera.id), same, remove=("still_asked_at",))
        try:
            write(
                self.book.items,
                [Put(keys.TENANTS, {"kind": kind, "id": id_, "tenant": tenant.name, **shown}), answered],
            )
        except ConditionFailed as error:
            raise Conflict("this still was sent already, or another is asked for: look at the next answer") from error

    def of(self, tenant: Tenant, camera_id: str) -> Still:
        """Return the camera's last still, if it is kept yet. Raises CameraNotFound."""
        camera, now = self.book.cameras.get(tenant, camera_id), self.book.clock.now()
        item = self.book.items.get(keys.TENANTS, keys.still_item(tenant.name, camera.id))
        if item is None or item["expires_at"] <= now.timestamp() or not tenant.keeps_pictures:
            return Still(_open(camera, now))
        taken_at = moment(item["taken_at"])
        acts.shows(f"still {camera.id} {time_text(taken_at)}")
        return Still(_open(camera, now), taken_at, bytes(item["picture"]))


def _open(camera: Camera, now: datetime) -> datetime | None:
    """Return when a still was asked for, if that may still be answered."""
    at = camera.still_asked_at
    return at if at is not None and now - at < ASKED_FOR else None
