"""Captures in one request: the offer, the upload and the event together, for clients that cannot do two steps."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime

from chalicelib.core import keys
from chalicelib.core.captures import Capture, CaptureState
from chalicelib.core.errors import ConditionFailed
from chalicelib.core.items import write
from chalicelib.core.model import Tenant
from chalicelib.core.ports import Clock, ItemStore, UploadStore
from chalicelib.core.values import milliseconds, moment
from chalicelib.services.captures.captures import Captures, Offer
from chalicelib.services.commit.idempotency import PARTIAL, Answer, RequestId, Requests

_CAPTURED_AT = "captured_at"


@dataclass(frozen=True)
class Shot:
    """A picture with its camera (id or name) and its time; None: it is taken as it comes."""

    camera: str
    picture: bytes
    content_type: str
    captured_at: datetime | None = None
    track: str = ""


_BEGINNINGS = {
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"RIFF": "image/webp",
    b"GIF8": "image/gif",
    b"BM": "image/bmp",
}


def type_of(picture: bytes) -> str:
    """Return a picture's content type by its first bytes; a JPEG's if they say nothing."""
    if picture[4:8] == b"ftyp":
        return "image/heic"
    return next((kind for beginning, kind in _BEGINNINGS.items() if picture.startswith(beginning)), "image/jpeg")


@dataclass
class OneStep:
    items: ItemStore
    captures: Captures
    uploads: UploadStore
    requests: Requests
    clock: Clock

    def take(self, tenant: Tenant, shot: Shot, request: RequestId | None = None) -> Capture:
        """Offer the picture and store it; return the capture, which is resolved a moment later.

        The same picture of the same camera and time is one capture, however often and in however many steps it comes.
        Without a time, a repeat of `request` keeps the time of its first attempt. Raises InvalidInput, CameraNotFound,
        CameraDisabled, DailyLimitReached, RequestReused, Busy, StorageUnavailable.
        """
        at = shot.captured_at or self._first_attempt(tenant.name, request)
        sha256 = hashlib.sha256(shot.picture).hexdigest()
        offer = Offer(shot.camera, sha256, len(shot.picture), shot.content_type, at, shot.track)
        (offered,) = self.captures.offer(tenant, [offer])
        capture = offered.capture
        if offered.request is None:
            return capture
        key = keys.capture_picture(tenant.name, capture.camera_id, capture.id)
        self.uploads.put_upload(key, shot.picture, capture.content_type)
        return replace(capture, state=CaptureState.STORED)

    def _first_attempt(self, tenant: str, request: RequestId | None) -> datetime:
        """Return the time of the request's first attempt, which is now if there was none, and keep it."""
        now = self.clock.now()
        if request is None:
            return now
        kept = self.requests.record(tenant, request, Answer(PARTIAL, {_CAPTURED_AT: milliseconds(now)}))
        with suppress(ConditionFailed):
            write(self.items, [kept])
        progress = self.requests.progress(tenant, request)
        return now if progress is None else moment(progress[_CAPTURED_AT])
