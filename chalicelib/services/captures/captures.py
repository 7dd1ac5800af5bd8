"""Offers of captures: which pictures are wanted, and where to upload them."""

from __future__ import annotations

import base64
import binascii
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from chalicelib.core import keys
from chalicelib.core.captures import (
    Camera,
    Capture,
    CaptureState,
    capture_id,
    is_camera_id,
    require_track,
)
from chalicelib.core.errors import (
    Busy,
    CameraDisabled,
    CaptureNotFound,
    ConditionFailed,
    DailyLimitReached,
    InvalidInput,
    concerning,
)
from chalicelib.core.items import attempts, write
from chalicelib.core.model import Tenant
from chalicelib.core.page_tokens import ListPage
from chalicelib.core.pictures import MAX_PICTURE_BYTES
from chalicelib.core.ports import (
    Clock,
    ItemStore,
    PresignedRequest,
    Put,
    Update,
    Upload,
    UploadStore,
    absent,
    equals,
)
from chalicelib.core.records.captures import capture_from, capture_item, capture_key, track_fields
from chalicelib.services.captures.cameras import Cameras
from chalicelib.services.captures.pages import ALL, CaptureFilter, CapturePages, marked_if_stored
from chalicelib.services.tenants.quotas import Quotas

OFFERS = range(1, 101)
"""Offers in one call. Each is one action, and a transaction has at most 100."""

PICTURE_BYTES = range(1, MAX_PICTURE_BYTES + 1)
CONTENT_TYPES: Mapping[str, str] = {"image/jpeg": "image/jpeg", "image/jpg": "image/jpeg", "image/png": "image/png"}
"""Content types that are accepted, and the type that each is stored as."""

LEAST_CHARGED_BYTES = 64_000
"""A smaller capture counts as this many bytes, since its record takes space and work, too."""

FIRST_CAPTURED_AT = datetime(2000, 1, 1, tzinfo=UTC)
URL_GOOD_S = 900

_ID = re.compile(r"[0-9]{13}-[0-9a-f]{24}", re.ASCII)
_HEX = re.compile(r"[0-9A-Fa-f]{64}", re.ASCII)
_SHA256_BYTES = 32


@dataclass(frozen=True)
class Offer:
    """A picture that a client has. `camera`: id or name; `sha256`: 64 hexadecimal digits, or base64 of the 32 bytes.

    `track`: the client's name for a face's way through several pictures of the camera; "": none.
    """

    camera: str
    sha256: str
    size: int
    content_type: str
    captured_at: datetime
    track: str = ""


@dataclass(frozen=True)
class OfferedUpload:
    """The answer to an offer. `request`: the upload to make; None: the picture is there already."""

    capture: Capture
    request: PresignedRequest | None


@dataclass
class Captures:
    """The captures. `uploads`: the store of their pictures; `clock_tolerance_s`: how fast a camera's clock may be."""

    items: ItemStore
    uploads: UploadStore
    cameras: Cameras
    quotas: Quotas
    clock: Clock
    clock_tolerance_s: int

    def offer(self, tenant: Tenant, offers: Sequence[Offer], by: Camera | None = None) -> list[OfferedUpload]:
        """Record offered captures, all or none; return one answer for each offer, in their order.

        `by`: the camera that offers them, as it was just read. The same capture offered again has the same id and is
        written once. Raises InvalidInput, CameraNotFound and CameraDisabled with the bad offer's `index`;
        DailyLimitReached, Busy.
        """
        if len(offers) not in OFFERS:
            raise InvalidInput(f"offer {OFFERS[0]} to {OFFERS[-1]} captures at a time, not {len(offers)}")
        now = self.clock.now()
        cameras = {} if by is None else {by.id: by, by.name: by}
        offered = []
        for index, offer in enumerate(offers):
            with concerning(index):
                offered.append(self._read(tenant, offer, cameras, now))
        standing = self._written(tenant, {_key(tenant, capture): capture for capture in offered}, now)
        for camera in {camera.id: camera for camera in cameras.values()}.values():
            self.cameras.seen(tenant, camera, now)
        answers = {key: self._answer(tenant, capture) for key, capture in standing.items()}
        return [answers[_key(tenant, capture)] for capture in offered]

    def get(self, tenant: Tenant, camera_id: str, id_: str) -> Capture:
        """Return the capture, even if its picture never came. Raises CaptureNotFound."""
        legal = is_camera_id(camera_id) and _ID.fullmatch(id_)
        item = self.items.get(keys.CAPTURES, capture_key(tenant.name, camera_id, id_)) if legal else None
        if item is None:
            raise CaptureNotFound(f"there is no capture {id_[:70]!r} of camera {camera_id[:70]!r}")
        return marked_if_stored(self.uploads, tenant, [capture_from(item)])[0]

    def page(
        self,
        tenant: Tenant,
        camera: str | None = None,
        limit: int = 100,
        token: str | None = None,
        *,
        only: CaptureFilter = ALL,
    ) -> ListPage[Capture]:
        """Return a page of captures: see CapturePages.page."""
        return CapturePages(self.items, self.cameras, self.uploads).page(tenant, camera, limit, token, only)

    def _read(self, tenant: Tenant, offer: Offer, cameras: dict[str, Camera], now: datetime) -> Capture:
        """Check an offer and return its capture. `cameras`: those read for this call, by the id or name in an offer."""
        if offer.camera not in cameras:
            cameras[offer.camera] = self.cameras.named(tenant, offer.camera)
        camera = cameras[offer.camera]
        if not camera.enabled:
            raise CameraDisabled(f"camera {camera.id!r} is disabled: enable it first")
        sha256, captured_at = _sha256(offer.sha256), self._captured_at(offer.captured_at, now)
        content_type = CONTENT_TYPES.get(offer.content_type.lower())
        if content_type is None:
            raise InvalidInput(f"content_type is image/jpeg or image/png, not {offer.content_type[:70]!r}")
        if offer.size not in PICTURE_BYTES:
            raise InvalidInput(f"size is {PICTURE_BYTES[0]} to {PICTURE_BYTES[-1]} bytes, not {offer.size}")
        return Capture(
            capture_id(tenant.name, camera.id, captured_at, sha256),
            camera.id,
            captured_at,
            sha256,
            offer.size,
            content_type,
            CaptureState.WANTED,
            track=require_track(offer.track) if offer.track else "",
        )

    def _captured_at(self, at: datetime, now: datetime) -> datetime:
        """Check the time and cut it to milliseconds. Raises InvalidInput."""
        at = at.astimezone(UTC)
        if not FIRST_CAPTURED_AT <= at <= now + timedelta(seconds=self.clock_tolerance_s):
            raise InvalidInput(
                f"captured_at is {at.isoformat(timespec='milliseconds')}, and the service's clock shows "
                f"{now.isoformat(timespec='milliseconds')}: a picture may be up to {self.clock_tolerance_s} s ahead of "
                f"it, and not before {FIRST_CAPTURED_AT:%Y}. Set the camera's clock"
            )
        return at.replace(microsecond=at.microsecond // 1000 * 1000)

    def _written(
        self, tenant: Tenant, offered: Mapping[tuple[str, str], Capture], now: datetime
    ) -> dict[tuple[str, str], Capture]:
        """Record the captures; return them as they are recorded then. Raises DailyLimitReached, Busy."""
        for _ in attempts():
            items = self.items.get_many(keys.CAPTURES, list(offered))
            known = [None if item is None else capture_from(item) for item in items]
            marked = {
                one.id: one for one in marked_if_stored(self.uploads, tenant, [one for one in known if one is not None])
            }
            standing = {key: _standing(offer, marked.get(offer.id)) for key, offer in offered.items()}
            actions = {
                key: action
                for key, before in zip(offered, known, strict=True)
                if (action := _record(tenant, key, before, standing[key], now)) is not None
            }
            if not actions:
                return standing
            self._charge(tenant, [standing[key] for key in actions])
            try:
                write(self.items, list(actions.values()))
                return standing
            except ConditionFailed:
                continue  # another call offered one of them meanwhile
        raise Busy("others offer the same captures at this moment: try again")

    def _charge(self, tenant: Tenant, captures: Iterable[Capture]) -> None:
        """Count the captures' bytes against their cameras' limits of today. Raises DailyLimitReached, Busy.

        They are counted before they are written, in another transaction: together both could have too many actions. If
        the writing fails, they stay counted, so a camera never offers more than its limit.
        """
        sizes: Counter[str] = Counter()
        for capture in captures:
            sizes[capture.camera_id] += max(capture.size, LEAST_CHARGED_BYTES)
        for camera_id, size in sizes.items():
            if not self.quotas.take_captures(tenant, camera_id, size):
                raise DailyLimitReached(
                    f"these captures are more than is left today of the {tenant.capture_mb_a_day} MB that camera "
                    f"{camera_id!r} may offer a day: offer fewer, or again tomorrow",
                    self.quotas.day_ends_in_s(tenant),
                )

    def _answer(self, tenant: Tenant, capture: Capture) -> OfferedUpload:
        if capture.state is not CaptureState.WANTED:
            return OfferedUpload(capture, None)
        upload = Upload(capture.sha256, capture.size, capture.content_type)
        blob_key = keys.capture_picture(tenant.name, capture.camera_id, capture.id)
        return OfferedUpload(capture, self.uploads.presigned_put(blob_key, upload, URL_GOOD_S))


def _key(tenant: Tenant, capture: Capture) -> tuple[str, str]:
    return capture_key(tenant.name, capture.camera_id, capture.id)


def _standing(offer: Capture, known: Capture | None) -> Capture:
    """Return the capture to record: until its picture is there, the last offer decides its size, type and track.

    An offer without a track leaves the track that an earlier one named.
    """
    if known is None:
        return offer
    if known.state is not CaptureState.WANTED:
        return known
    return replace(known, size=offer.size, content_type=offer.content_type, track=offer.track or known.track)


def _record(
    tenant: Tenant, key: tuple[str, str], before: Capture | None, standing: Capture, now: datetime
) -> Put | Update | None:
    if before is None:
        return Put(keys.CAPTURES, capture_item(tenant.name, standing, now), (absent("not-offered-yet"),))
    if standing.state is not CaptureState.WANTED or standing == before:
        return None
    still_wanted = (equals("state", CaptureState.WANTED, "still-wanted"),)
    fields = {"size": standing.size, "content_type": standing.content_type, **track_fields(standing)}
    return Update(keys.CAPTURES, key, still_wanted, set=fields)


def _sha256(text: str) -> str:
    """Return the hash as 64 hexadecimal digits in small letters. Raises InvalidInput."""
    if _HEX.fullmatch(text):
        return text.lower()
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        data = b""
    if len(data) != _SHA256_BYTES:
        raise InvalidInput(f"sha256 is 64 hexadecimal digits, or base64 of the 32 bytes, not {text[:70]!r}")
    return data.hex()
