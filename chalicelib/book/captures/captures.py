"""Offers of captures: which pictures are wanted, and to which URL they are uploaded.

An upload writes no record; only resolving the capture does. So the store of uploads is asked which
pictures are there. Beside it: sighted faces, read again, and captures in one request, for clients
that cannot do two steps.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import heapq
import json
import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from itertools import accumulate, islice
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.book.idempotency import OK, Answer, RequestId
from chalicelib.book.models import Reading, without_min_age
from chalicelib.domain.captures import (
    Camera,
    Capture,
    CaptureState,
    FacesShown,
    Resolution,
    SeenFace,
    capture_id,
    captured_ms,
    is_camera_id,
    parts_of_sighting,
    require_time,
    require_track,
    say_disabled,
)
from chalicelib.domain.errors import (
    CameraDisabled,
    CameraNotFound,
    CaptureNotFound,
    Conflict,
    DailyLimitReached,
    InvalidInput,
    SightingNotFound,
    Unusable,
    mark_errors,
)
from chalicelib.domain.jobs import Job
from chalicelib.domain.model import Tenant
from chalicelib.domain.observations import Observation, ObservationKind
from chalicelib.domain.pictures import MAX_PICTURE_BYTES, BoundingBox
from chalicelib.lazy import lazy
from chalicelib.service import Service
from chalicelib.storage import keys
from chalicelib.storage.items import (
    ListPage,
    PageTokens,
    captures_of,
    retry_if_changed,
    write,
    write_unless_changed,
)
from chalicelib.storage.ports import (
    Item,
    PresignedRequest,
    Put,
    Update,
    Upload,
    UploadStore,
    absent,
    equals,
)
from chalicelib.storage.records.captures import CAPTURE, capture_from, capture_item
from chalicelib.storage.records.observations import observation_from
from chalicelib.storage.values import milliseconds, moment, parse_optional

if TYPE_CHECKING:
    from chalicelib.book.book import Book
    from chalicelib.book.captures.pictures import CapturePictures
    from chalicelib.book.captures.redrive import Redrive
    from chalicelib.book.captures.shown import ShownCaptures

OFFERS = range(1, 101)
"""Offers in one call. Each is one action, and a transaction has at most 100."""

PICTURE_BYTES = range(1, MAX_PICTURE_BYTES + 1)
"""Sizes of a picture that may be offered."""
CONTENT_TYPES: Mapping[str, str] = {
    "image/jpeg": "image/jpeg",
    "image/jpg": "image/jpeg",
    "image/png": "image/png",
}
"""Content types that are accepted, and the type that each is stored as."""

LEAST_CHARGED_BYTES = 64_000
"""A smaller capture counts as this many bytes, since its record takes space and work, too."""

COUNTED, COUNTED_EVERY = range(20, 101), timedelta(hours=1)
"""The last captures of which is counted how many show no face, and how often."""

URL_GOOD_S = 900
"""How long a signed URL for an upload is good, in s: 15 minutes bring 20 MB over a slow line."""

_ID = re.compile(r"[0-9]{13}-[0-9a-f]{24}", re.ASCII)
_HEX = re.compile(r"[0-9A-Fa-f]{64}", re.ASCII)
_SHA256_BYTES = 32
"""Bytes of a SHA-256 that is not written in hexadecimal."""


class Offer(Struct, frozen=True):
    """A picture that a client has.

    `camera`: id or name; `sha256`: 64 hexadecimal digits, or base64 of the 32 bytes.

    `track`: the client's name for a face's way through several pictures of the camera; "": none.
    """

    camera: str
    sha256: str
    size: int
    content_type: str
    captured_at: datetime
    track: str = ""


class OfferedUpload(Struct, frozen=True):
    """The answer to an offer. `request`: the upload to make; None: the picture is there already."""

    capture: Capture
    request: PresignedRequest | None


PAGE_SIZES = range(1, 1001)
"""How many captures a page of the list may have."""


_READ_AT_ONCE = 100
"""Records that are read at once at least: their pictures are looked for together."""


MOST_FACES = 2_500
"""Faces of a page: Lambda answers 6 MB. There a capture takes up to 3.1 kB, and a face up to 1.0,
with a long name."""

_MOST_READ = 1_001
"""Records that a page reads at most, enough for the largest one. Thousands may have been offered
and never sent."""


STATES = (CaptureState.STORED, CaptureState.RESOLVED, CaptureState.PARKED)


class CaptureFilter(Struct, frozen=True):
    """The captures that a page lists: those taken from `since` on and before `until`, in this
    state, that show these faces; None: all."""

    since: datetime | None = None
    until: datetime | None = None
    state: CaptureState | None = None
    faces: FacesShown | None = None

    def __post_init__(self) -> None:
        """Raise InvalidInput if the time ends before it begins, or no page lists this state."""
        if self.since is not None and self.until is not None and self.until < self.since:
            raise InvalidInput("the time ends before it begins: swap `from` and `to`")
        if self.state not in (None, *STATES):
            raise InvalidInput(f"state is {', '.join(STATES)}, not {self.state}")

    @property
    def ids(self) -> tuple[str, str]:
        """The bounds around the ids of captures taken in this time."""
        first_ms = 0 if self.since is None else milliseconds(self.since)
        last_ms = keys.LAST_MS if self.until is None else milliseconds(self.until) - 1
        return keys.capture_range(max(first_ms, 0), min(max(last_ms, 0), keys.LAST_MS))

    def lets_pass(self, capture: Capture) -> bool:
        """Return whether a page lists the capture: its picture is there, and its state and faces
        are wanted."""
        if capture.state not in STATES or self.state not in (None, capture.state):
            return False
        if self.faces is None:
            return True
        skipped = any(
            sighting.resolution is Resolution.SKIPPED and sighting.faceid is None
            for sighting in capture.sightings
        )
        shows = not capture.sightings if self.faces is FacesShown.NONE else skipped
        return capture.state is CaptureState.RESOLVED and shows


ALL = CaptureFilter()


class Captures(Service["Book"]):
    @lazy
    def pictures(self) -> CapturePictures:
        from chalicelib.book.captures.pictures import CapturePictures

        return CapturePictures(self.services)

    @lazy
    def shown(self) -> ShownCaptures:
        from chalicelib.book.captures.shown import ShownCaptures

        return ShownCaptures(self.services)

    @lazy
    def redrive(self) -> Redrive:
        from chalicelib.book.captures.redrive import Redrive

        return Redrive(self.services)

    def offer_uploads(
        self, tenant: Tenant, offers: Sequence[Offer], offering_camera: Camera | None = None
    ) -> list[OfferedUpload]:
        """Record offered captures, all or none; return one answer for each offer, in their order.

        `offering_camera`: the camera that offers them, as it was just read. The same capture
        offered again has the same id and is written once. Raises InvalidInput, CameraNotFound and
        CameraDisabled with the bad offer's `index`; DailyLimitReached, Busy.
        """
        if len(offers) not in OFFERS:
            raise InvalidInput(
                f"offer {OFFERS[0]} to {OFFERS[-1]} captures at a time, not {len(offers)}"
            )
        now = self.services.clock.now()
        cameras = (
            {}
            if offering_camera is None
            else {offering_camera.id: offering_camera, offering_camera.name: offering_camera}
        )
        captures = []
        for index, offer in enumerate(offers):
            with mark_errors(index):
                captures.append(self._read_offer(tenant, offer, cameras, now))
        recorded_captures = self._write_captures(
            tenant, {_key(tenant, capture): capture for capture in captures}, now
        )
        for camera in {camera.id: camera for camera in cameras.values()}.values():
            self.services.cameras.note_last_seen(tenant, camera, now)
        answers = {key: self._answer(tenant, capture) for key, capture in recorded_captures.items()}
        return [answers[_key(tenant, capture)] for capture in captures]

    def get(self, tenant: Tenant, camera_id: str, id_: str) -> Capture:
        """Return the capture, even if its picture never came. Raises CaptureNotFound."""
        capture = (
            self.find(tenant, camera_id, id_)
            if is_camera_id(camera_id) and _ID.fullmatch(id_)
            else None
        )
        if capture is None:
            raise CaptureNotFound(f"there is no capture {id_[:70]!r} of camera {camera_id[:70]!r}")
        return mark_stored(self.services.storage.uploads, tenant, [capture])[0]

    def find(self, tenant: Tenant, camera_id: str, id_: str) -> Capture | None:
        """Return the capture as it is stored; None if it is not, or not any more."""
        return parse_optional(
            capture_from,
            self.services.items.get(keys.CAPTURES, keys.capture(tenant.name, camera_id, id_)),
        )

    def read_page(
        self,
        tenant: Tenant,
        camera: str | None = None,
        limit: int = 100,
        token: str | None = None,
        *,
        capture_filter: CaptureFilter = ALL,
    ) -> ListPage[Capture]:
        """Return a page of a camera's captures whose picture is there, or of all present cameras',
        newest first, as everybody sees them.

        It ends early if a thousand captures were read and most do not pass the filter, or if they
        show more faces than fit. A token marks a place between two captures, and new captures do
        not shift it. Raises CameraNotFound, InvalidInput.
        """
        chosen_camera = None if camera is None else self._find_camera(tenant, camera)
        camera_id = chosen_camera and chosen_camera.id
        tokens = PageTokens(
            json.dumps(
                [
                    "captures",
                    tenant.name,
                    camera_id,
                    *capture_filter.ids,
                    capture_filter.state,
                    capture_filter.faces,
                ]
            )
        )
        below_id = tokens.parse_position(token, str)
        at_once = max(limit + 1, _READ_AT_ONCE)
        items = islice(
            self._newest_first(tenant, chosen_camera, capture_filter, below_id, at_once),
            _MOST_READ,
        )
        captures: list[Capture] = []
        read_count, last_id = 0, ""
        while len(captures) <= limit and (
            batch := [capture_from(item) for item in islice(items, at_once)]
        ):
            read_count, last_id = read_count + len(batch), batch[-1].id
            stored = mark_stored(self.services.storage.uploads, tenant, batch)
            captures += [
                capture
                for capture in self.shown.hide_restricted(tenant, stored)
                if capture_filter.lets_pass(capture)
            ]
        shown_captures = cut_to_answer(captures[:limit])
        if len(shown_captures) < len(captures):
            return tokens.make_page(shown_captures, shown_captures[-1].id)
        return tokens.make_page(shown_captures, last_id if read_count == _MOST_READ else None)

    def count_faceless(self, tenant: Tenant, camera: Camera) -> Camera:
        """Return the camera with the part of its last captures that shows no face, counted at most
        once an hour."""
        if (
            camera.faceless_at is not None
            and self.services.clock.now() - camera.faceless_at < COUNTED_EVERY
        ):
            return camera
        newest_items = islice(self._of_camera(tenant, camera, ALL, None, COUNTED[-1]), COUNTED[-1])
        resolved = [
            capture
            for capture in map(capture_from, newest_items)
            if capture.state is CaptureState.RESOLVED
        ]
        faceless = sum(not capture.sightings for capture in resolved)
        return self.services.cameras.note_faceless(
            tenant, camera, round(faceless / len(resolved), 2) if len(resolved) in COUNTED else None
        )

    def store_shot(self, tenant: Tenant, shot: Shot, request: RequestId | None = None) -> Capture:
        """Offer the picture and store it; return the capture, which is resolved a moment later.

        The same picture of the same camera and time is one capture, however often and in however
        many steps it comes. Without a time, a repeat of `request` keeps the time of its first
        attempt. Raises InvalidInput, CameraNotFound, CameraDisabled, DailyLimitReached,
        RequestReused, Busy, StorageUnavailable.
        """
        now, progress = self.services.clock.now(), None
        if request is not None and shot.captured_at is None:
            progress = self.services.requests.begin_progress(
                tenant.name, request, {_CAPTURED_AT: milliseconds(now)}
            )
        captured_at = shot.captured_at or (
            now if progress is None else moment(progress[_CAPTURED_AT])
        )
        sha256 = hashlib.sha256(shot.picture).hexdigest()
        offer = Offer(
            shot.camera, sha256, len(shot.picture), shot.content_type, captured_at, shot.track
        )
        (offered,) = self.offer_uploads(tenant, [offer])
        capture = offered.capture
        if offered.request is not None:
            key = keys.capture_picture(tenant.name, capture.camera_id, capture.id)
            self.services.storage.uploads.put_upload(key, shot.picture, capture.content_type)
            capture = replace(capture, state=CaptureState.STORED)
        if request is not None and progress is not None:
            put = self.services.requests.make_answer_put(
                tenant.name, request, Answer(OK, progress), partial_body=progress
            )
            write_unless_changed(self.services.items, [put])
        return capture

    def find_observation(self, tenant: Tenant, faceid: str, sighting_id: str) -> Observation | None:
        """Return the observation of a sighting; None if the face has no such sighting.

        Raises SightingNotFound if the id does not have the form of a sighting's.
        """
        try:
            at_ms = captured_ms(parts_of_sighting(sighting_id)[0])
        except ValueError:
            raise not_found(faceid, sighting_id) from None
        item = self.services.items.get(
            keys.OBSERVATIONS, keys.observation(tenant.name, at_ms, sighting_id)
        )
        if item is None or item["faceid"] != faceid or item["kind"] != ObservationKind.SIGHTING:
            return None
        return observation_from(item)

    def read_face_of_sighting(self, tenant: Tenant, faceid: str, sighting_id: str) -> SeenFace:
        """Return the face as one of its sightings shows it.

        Raises SightingNotFound, Conflict as `read_face_in_box`.
        """
        observation = self.find_observation(tenant, faceid, sighting_id)
        if observation is None or observation.box is None:
            raise not_found(faceid, sighting_id)
        return self.read_face_in_box(
            tenant, observation.camera, parts_of_sighting(sighting_id)[0], observation.box
        ).seen

    def require_picture(self, tenant: Tenant, camera_id: str, capture_id: str) -> None:
        """Raise Conflict if the capture's picture is gone."""
        if (
            self.services.storage.uploads.size(
                keys.capture_picture(tenant.name, camera_id, capture_id)
            )
            is None
        ):
            raise _picture_gone_error(tenant)

    def read_face_in_box(
        self, tenant: Tenant, camera_id: str, capture_id: str, box: BoundingBox
    ) -> SightedFace:
        """Return the face of the capture's picture that was sighted in this box, by the tenant's
        present model.

        Raises Conflict if the picture is gone, cannot be read or shows no face any more.
        """
        picture = self.services.storage.uploads.get(
            keys.capture_picture(tenant.name, camera_id, capture_id)
        )
        if picture is None:
            raise _picture_gone_error(tenant)
        try:
            reading = Reading(
                self.services.tenant_vision.choose_vision(tenant.model),
                without_min_age(tenant),
                picture,
            )
        except (Unusable, InvalidInput) as error:
            raise Conflict(
                f"the picture of this sighting cannot be read any more: {error}"
            ) from error
        if not reading.faces:
            raise Conflict("no face is found any more on the picture of this sighting")
        return SightedFace(reading, _find_nearest(reading.faces, box))

    def _read_offer(
        self, tenant: Tenant, offer: Offer, cameras: dict[str, Camera], now: datetime
    ) -> Capture:
        """Check an offer and return its capture.

        `cameras`: those read for this call, by the id or name in an offer.
        """
        if offer.camera not in cameras:
            cameras[offer.camera] = self.services.cameras.get_by_any_name(tenant, offer.camera)
        camera = cameras[offer.camera]
        if not camera.enabled:
            raise CameraDisabled(say_disabled(camera))
        sha256 = _sha256(offer.sha256)
        captured_at = require_time(offer.captured_at, now, self.services.settings.clock_tolerance_s)
        content_type = CONTENT_TYPES.get(offer.content_type.lower())
        if content_type is None:
            raise InvalidInput(
                f"content_type is image/jpeg or image/png, not {offer.content_type[:70]!r}"
            )
        if offer.size not in PICTURE_BYTES:
            raise InvalidInput(
                f"size is {PICTURE_BYTES[0]} to {PICTURE_BYTES[-1]} bytes, not {offer.size}"
            )
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

    @retry_if_changed("others offer the same captures at this moment: try again")
    def _write_captures(
        self, tenant: Tenant, offered_captures: Mapping[tuple[str, str], Capture], now: datetime
    ) -> dict[tuple[str, str], Capture]:
        """Record the offered captures; return them as they are recorded then.

        All are by their keys.

        A capture is recorded by its first offer; until its picture comes, a later one may change
        it. Raises DailyLimitReached, Busy.
        """
        items = self.services.items.get_many(keys.CAPTURES, list(offered_captures))
        stored_captures = [None if item is None else capture_from(item) for item in items]
        known_captures = [capture for capture in stored_captures if capture is not None]
        known_by_id = {
            capture.id: capture
            for capture in mark_stored(self.services.storage.uploads, tenant, known_captures)
        }
        recorded_captures = {
            key: _choose_record(offer, known_by_id.get(offer.id))
            for key, offer in offered_captures.items()
        }
        actions = {
            key: action
            for key, stored in zip(offered_captures, stored_captures, strict=True)
            if (action := _make_record_action(tenant, key, stored, recorded_captures[key], now))
            is not None
        }
        if actions:
            self._charge_bytes(tenant, [recorded_captures[key] for key in actions])
            write(self.services.items, list(actions.values()))
        return recorded_captures

    def _charge_bytes(self, tenant: Tenant, captures: Iterable[Capture]) -> None:
        """Count the captures' bytes against their cameras' limits of today.

        Raises DailyLimitReached, Busy.

        They are counted before they are written, in another transaction: together both could have
        too many actions. If the writing fails, they stay counted, so a camera never offers more
        than its limit.
        """
        sizes: Counter[str] = Counter()
        for capture in captures:
            sizes[capture.camera_id] += max(capture.size, LEAST_CHARGED_BYTES)
        for camera_id, size in sizes.items():
            if not self.services.daily_limits.take_capture_bytes(tenant, camera_id, size):
                raise DailyLimitReached(
                    f"these captures are more than is left today of what camera {camera_id!r} may "
                    "offer: "
                    f"{tenant.capture_mb_a_day} MB. Offer fewer, or again tomorrow",
                    self.services.daily_limits.seconds_until_day_ends(tenant),
                )

    def _answer(self, tenant: Tenant, capture: Capture) -> OfferedUpload:
        if capture.state is not CaptureState.WANTED:
            return OfferedUpload(capture, None)
        upload = Upload(capture.sha256, capture.size, capture.content_type)
        blob_key = keys.capture_picture(tenant.name, capture.camera_id, capture.id)
        return OfferedUpload(
            capture, self.services.storage.uploads.presigned_put(blob_key, upload, URL_GOOD_S)
        )

    def _find_camera(self, tenant: Tenant, camera: str) -> Camera:
        """Return a camera given by id or name, or a deleted one with captures.

        Raises CameraNotFound.
        """
        try:
            return self.services.cameras.get_by_any_name(tenant, camera)
        except CameraNotFound:
            if not is_camera_id(camera):
                raise
            deleted_camera = Camera(id=camera, name=camera, created_at=self.services.clock.now())
            if next(self._of_camera(tenant, deleted_camera, ALL, None, 1), None) is None:
                raise
            return deleted_camera

    def _newest_first(
        self,
        tenant: Tenant,
        chosen_camera: Camera | None,
        capture_filter: CaptureFilter,
        below: str | None,
        at_once: int,
    ) -> Iterator[Item]:
        """Yield the items of captures that the filter takes, the newest first.

        `chosen_camera`: None: all cameras, whose captures are merged by time. `below`: the
        capture's id from which the list goes on; None: from the newest. `at_once`: the number of
        items that a read of one camera asks for.
        """
        if chosen_camera is not None:
            return self._of_camera(tenant, chosen_camera, capture_filter, below, at_once)
        streams = [
            self._of_camera(tenant, camera, capture_filter, below, at_once)
            for camera in self.services.cameras.list_all(tenant)
        ]
        return heapq.merge(*streams, key=lambda item: str(item["capture"]), reverse=True)

    def _of_camera(
        self,
        tenant: Tenant,
        camera: Camera,
        capture_filter: CaptureFilter,
        below: str | None,
        at_once: int,
    ) -> Iterator[Item]:
        """Yield the items of one camera's captures within the filter's ids, the newest first.

        Those of a deleted camera that had its id are left out. `below`: the id from which the list
        goes on; `at_once`: the number of items of one read.
        """
        first_id, last_id = capture_filter.ids
        if camera.former_until is not None:
            first_id = max(first_id, CaptureFilter(since=camera.former_until).ids[0])
        if first_id > last_id:
            return iter(())
        query_options: dict[str, Any] = {
            "between": (first_id, last_id),
            "behind": below,
            "reverse": True,
            "page_size": at_once,
        }
        return captures_of(self.services.items, tenant.name, camera.id, **query_options)

    def list_jobs(self) -> tuple[Job, ...]:
        return (
            Job("usage", lambda context: self.pictures.count(context.tenant.name)),
            Job("lost captures", self.redrive.send_lost_of_hour),
        )


def _key(tenant: Tenant, capture: Capture) -> tuple[str, str]:
    return keys.capture(tenant.name, capture.camera_id, capture.id)


def _choose_record(offer: Capture, capture: Capture | None) -> Capture:
    """Return the capture to record: until its picture is there, the last offer decides its size,
    type and track.

    An offer without a track leaves the track that an earlier one named.
    """
    if capture is None:
        return offer
    if capture.state is not CaptureState.WANTED:
        return capture
    return replace(
        capture,
        size=offer.size,
        content_type=offer.content_type,
        track=offer.track or capture.track,
    )


def _make_record_action(
    tenant: Tenant, key: tuple[str, str], before: Capture | None, after: Capture, now: datetime
) -> Put | Update | None:
    """Return the action that records a capture; None: it is recorded so already, or its picture is
    there."""
    if before is None:
        return Put(
            keys.CAPTURES, capture_item(tenant.name, after, now), (absent("not-offered-yet"),)
        )
    if after.state is not CaptureState.WANTED or after == before:
        return None
    still_wanted = (equals("state", CaptureState.WANTED, "still-wanted"),)
    fields = {
        "size": after.size,
        "content_type": after.content_type,
        **CAPTURE.write(after, "track"),
    }
    return Update(keys.CAPTURES, key, still_wanted, set=fields)


def cut_to_answer(rows: list[Capture]) -> list[Capture]:
    """Return the first of the captures, as many as show MOST_FACES together; at least one."""
    face_counts = accumulate(len(capture.sightings) for capture in rows)
    return rows[: max(1, sum(face_count <= MOST_FACES for face_count in face_counts))]


def _sha256(text: str) -> str:
    """Return the hash as 64 hexadecimal digits in small letters. Raises InvalidInput."""
    if _HEX.fullmatch(text):
        return text.lower()
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        data = b""
    if len(data) != _SHA256_BYTES:
        raise InvalidInput(
            f"sha256 is 64 hexadecimal digits, or base64 of the 32 bytes, not {text[:70]!r}"
        )
    return data.hex()


_ASKED_ONE_BY_ONE = 16
"""Pictures that are looked up one by one. If there are more, the camera's are listed, a thousand at
a time."""


def mark_stored(
    uploads: UploadStore, tenant: Tenant, captures: Collection[Capture]
) -> list[Capture]:
    """Return the captures; those that were WANTED are STORED if their picture is there."""
    wanted_ids: dict[str, list[str]] = defaultdict(list)
    for capture in captures:
        if capture.state is CaptureState.WANTED:
            wanted_ids[capture.camera_id].append(capture.id)
    stored_keys = {
        (camera, id_)
        for camera, ids in wanted_ids.items()
        for id_ in _find_stored(uploads, tenant, camera, ids)
    }
    return [
        replace(capture, state=CaptureState.STORED)
        if (capture.camera_id, capture.id) in stored_keys
        else capture
        for capture in captures
    ]


def _find_stored(
    uploads: UploadStore, tenant: Tenant, camera_id: str, ids: list[str]
) -> Iterable[str]:
    """Return those of the ids whose picture is there."""
    by_key = {keys.capture_picture(tenant.name, camera_id, id_): id_ for id_ in ids}
    if len(by_key) > _ASKED_ONE_BY_ONE:
        return [
            by_key[key]
            for key in _list_picture_keys(uploads, tenant, camera_id, min(by_key), max(by_key))
            if key in by_key
        ]
    with ThreadPoolExecutor(len(by_key)) as askers:
        sizes = askers.map(uploads.size, by_key)
        return [id_ for id_, size in zip(by_key.values(), sizes, strict=True) if size is not None]


def _list_picture_keys(
    uploads: UploadStore, tenant: Tenant, camera_id: str, first: str, last: str
) -> Iterator[str]:
    """Yield the keys of the camera's pictures from `first` to `last`, both included."""
    prefix = keys.capture_picture(tenant.name, camera_id, "")
    if uploads.size(first) is not None:
        yield first
    for blob in uploads.walk(prefix, after=first):
        if blob.key <= last:
            yield blob.key
        if blob.key >= last:
            return


class SightedFace(Struct, frozen=True):
    """A face that a camera saw.

    `reading`: of the whole picture, from which the face can be cut out.
    """

    reading: Reading
    seen: SeenFace


def _picture_gone_error(tenant: Tenant) -> Conflict:
    off = "" if tenant.keeps_pictures else ": this tenant keeps none (its setting keeps_pictures)"
    return Conflict(f"the picture of this sighting is not kept any more{off}")


def not_found(faceid: str, sighting_id: str) -> SightingNotFound:
    return SightingNotFound(f"face {faceid[:70]!r} has no sighting {sighting_id[:100]!r}")


def _find_nearest(faces: Sequence[SeenFace], box: BoundingBox) -> SeenFace:
    """Return the face with the centre of its box nearest to that of `box`."""

    def measure_distance(face: SeenFace) -> float:
        other = face.detected.box
        across = (other.x + other.width / 2) - (box.x + box.width / 2)
        down = (other.y + other.height / 2) - (box.y + box.height / 2)
        return across * across + down * down

    return min(faces, key=measure_distance)


_CAPTURED_AT = "captured_at"


class Shot(Struct, frozen=True):
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
    return next(
        (kind for beginning, kind in _BEGINNINGS.items() if picture.startswith(beginning)),
        "image/jpeg",
    )
