"""Captures, the pictures that cameras send: offered, uploaded, listed and read again.

A camera offers a picture by its hash, is told the URL to upload it to, and puts it there. An upload
writes no record; only resolving the capture does. So the store of uploads is asked which
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
from typing import TYPE_CHECKING, NamedTuple

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
from chalicelib.domain.pictures import MAX_PICTURE_BYTES, BoundingBox, find_type
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
    Action,
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
    """The answer to an offer. `request`: the upload to make; None if the picture is already
    stored."""

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
    """The captures, pictures of cameras, that a page lists; None: all.

    They are taken from `since` on and before `until`, in this state, and show these faces.
    """

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
        """Return whether a page lists the capture, since its picture came and the filter wants it.

        A filter may want one state, and captures by their faces; None takes any. NONE wants
        captures that show no face. SKIPPED wants those with a face that was too poor to be
        recognised.
        """
        if capture.state not in STATES:  # its picture has not come
            return False
        if self.state not in (None, capture.state):
            return False
        if self.faces is None:
            return True
        if capture.state is not CaptureState.RESOLVED:  # its faces are not known yet
            return False
        if self.faces is FacesShown.NONE:
            return not capture.sightings
        # FacesShown.SKIPPED: one of its faces was too poor to be compared with the book.
        return any(
            sighting.resolution is Resolution.SKIPPED and sighting.faceid is None
            for sighting in capture.sightings
        )


ALL = CaptureFilter()


class _FoundCaptures(NamedTuple):
    """The captures that were found for a page of a list.

    `unread_below`: the id of the last record that was read, if reading stopped at _MOST_READ: the
    list may go on below it. None: all of the list was read.
    """

    captures: list[Capture]
    unread_below: str | None


class Captures(Service["Book"]):
    """The pictures that a tenant's cameras send (captures): their offers, uploads and lists.

    Each becomes RESOLVED once every face in it was looked for in the book.
    """

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
        """Return for each offered picture its upload request, or that it is already stored.

        Each is recorded as a capture, which is a picture of a camera, before its bytes come. All
        are recorded or none. The same picture offered again has the same id, and is recorded once.
        `offering_camera` is the sender, if the caller has just read it, so that it is not read
        again. Raises InvalidInput, CameraNotFound and CameraDisabled with the bad offer's `index`;
        DailyLimitReached, Busy.
        """
        if len(offers) not in OFFERS:
            raise InvalidInput(
                f"offer {OFFERS[0]} to {OFFERS[-1]} captures at a time, not {len(offers)}"
            )
        now = self.services.clock.now()
        cameras: dict[str, Camera] = {}  # by what an offer calls it, its id or its name
        if offering_camera is not None:
            cameras = {offering_camera.id: offering_camera, offering_camera.name: offering_camera}

        captures = []
        for index, offer in enumerate(offers):
            with mark_errors(index):  # its error names the offer
                captures.append(self._read_offer(tenant, offer, cameras, now))
        captures_by_key = {_key(tenant, capture): capture for capture in captures}
        recorded_captures = self._write_captures(tenant, captures_by_key, now)

        # A camera may stand there by its id and by its name: it is noted once.
        for camera in {camera.id: camera for camera in cameras.values()}.values():
            self.services.cameras.note_last_seen(tenant, camera, now)
        answers = {key: self._answer(tenant, capture) for key, capture in recorded_captures.items()}
        return [answers[_key(tenant, capture)] for capture in captures]

    def get(self, tenant: Tenant, camera_id: str, id_: str) -> Capture:
        """Return the capture, even if its picture never came. Raises CaptureNotFound."""
        capture = None
        if is_camera_id(camera_id) and _ID.fullmatch(id_):
            capture = self.find(tenant, camera_id, id_)
        if capture is None:
            raise CaptureNotFound(f"there is no capture {id_[:70]!r} of camera {camera_id[:70]!r}")
        # No upload writes a record: whether the picture came, only its store knows.
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
        """Return a page of one camera's captures, or all cameras', newest first.

        Listed are those whose picture came; restricted people look erased. `token` tells where the
        page before ended. The page ends early if _MOST_READ records were read, or if it shows more
        faces than an answer holds. Raises CameraNotFound, InvalidInput (token of another list).
        """
        chosen_camera = None if camera is None else self._find_camera(tenant, camera)
        camera_id = chosen_camera and chosen_camera.id
        wanted = (*capture_filter.ids, capture_filter.state, capture_filter.faces)
        tokens = PageTokens(json.dumps(["captures", tenant.name, camera_id, *wanted]))
        below_id = tokens.parse_position(token, str)
        count = limit + 1  # one more than fits shows that there is another page
        at_once = max(count, _READ_AT_ONCE)
        stored = self._newest_first(tenant, chosen_camera, capture_filter, below_id, at_once)
        found = self._find_listed(tenant, stored, capture_filter, count, at_once)

        page = cut_to_most_faces(found.captures[:limit])
        if len(page) < len(found.captures):  # the next page begins with what did not fit
            return tokens.make_page(page, page[-1].id)
        return tokens.make_page(page, found.unread_below)

    def _find_listed(
        self,
        tenant: Tenant,
        stored: Iterator[Item],
        capture_filter: CaptureFilter,
        count: int,
        at_once: int,
    ) -> _FoundCaptures:
        """Return the first captures of a list, `count` or more if there are so many.

        `stored` are the list's records, the newest first, of which some are not shown: their
        picture did not come, or the filter does not want them. They are read `at_once` at a time,
        up to _MOST_READ.
        """
        items = islice(stored, _MOST_READ)
        captures: list[Capture] = []
        read_count, last_id = 0, ""
        while len(captures) < count:
            batch = [capture_from(item) for item in islice(items, at_once)]
            if not batch:
                break
            read_count, last_id = read_count + len(batch), batch[-1].id
            batch = mark_stored(self.services.storage.uploads, tenant, batch)
            shown = self.shown.hide_restricted(tenant, batch)
            captures += [capture for capture in shown if capture_filter.lets_pass(capture)]
        return _FoundCaptures(captures, last_id if read_count == _MOST_READ else None)

    def count_faceless(self, tenant: Tenant, camera: Camera) -> Camera:
        """Return the camera with the share of its last pictures that show no face, from 0 to 1.

        Of its newest hundred captures those count whose faces are known (RESOLVED). With fewer than
        20 of them the share is None. It is counted and stored once an hour at most; until then the
        camera comes back as it is.
        """
        now, counted_at = self.services.clock.now(), camera.faceless_at
        if counted_at is not None and now - counted_at < COUNTED_EVERY:
            return camera
        most = COUNTED[-1]
        stored = self._of_camera(tenant, camera, capture_filter=ALL, below=None, at_once=most)
        newest_items = islice(stored, most)
        captures = map(capture_from, newest_items)
        resolved = [capture for capture in captures if capture.state is CaptureState.RESOLVED]
        share = None
        if len(resolved) in COUNTED:
            faceless = sum(not capture.sightings for capture in resolved)
            share = round(faceless / len(resolved), 2)
        return self.services.cameras.note_faceless(tenant, camera, share)

    def store_shot(
        self, tenant: Tenant, shot: Shot, request_id: RequestId | None = None
    ) -> Capture:
        """Store a picture of a camera in one step; return its capture, resolved a moment later.

        The same picture of the same camera and time is one capture, however often it comes.
        `request_id` is an id that the client gave the call, and sends again if it tries the call
        again. Raises InvalidInput, CameraNotFound, CameraDisabled, DailyLimitReached,
        RequestReused, Busy, StorageUnavailable.
        """
        if shot.captured_at is None and request_id is not None:
            return self._store_repeatable(tenant, shot, request_id)
        return self._store_taken(tenant, shot, shot.captured_at or self.services.clock.now())

    def _store_repeatable(self, tenant: Tenant, shot: Shot, request_id: RequestId) -> Capture:
        """Store a picture that names no time; return the same capture if the call is repeated.

        The first attempt takes its own time, and notes that under the request's id. A repeat is
        given this time, since another one would make another capture.
        """
        own_time = {_CAPTURED_AT: milliseconds(self.services.clock.now())}
        noted = self.services.requests.begin_progress(tenant.name, request_id, own_time)
        capture = self._store_taken(tenant, shot, moment(noted[_CAPTURED_AT]))
        # The note that the call is done (OK) takes the place of that of its beginning, unless
        # another attempt was faster.
        put = self.services.requests.make_answer_put(
            tenant.name, request_id, Answer(OK, noted), partial_body=noted
        )
        write_unless_changed(self.services.items, [put])
        return capture

    def _store_taken(self, tenant: Tenant, shot: Shot, captured_at: datetime) -> Capture:
        """Offer a picture as taken at this time, and upload it unless it is there already."""
        sha256, size = hashlib.sha256(shot.picture).hexdigest(), len(shot.picture)
        offer = Offer(shot.camera, sha256, size, shot.content_type, captured_at, shot.track)
        (offered,) = self.offer_uploads(tenant, [offer])
        capture = offered.capture
        if offered.request is None:  # the picture is there already
            return capture
        key = keys.capture_picture(tenant.name, capture.camera_id, capture.id)
        self.services.storage.uploads.put_upload(key, shot.picture, capture.content_type)
        return replace(capture, state=CaptureState.STORED)

    def find_observation(self, tenant: Tenant, faceid: str, sighting_id: str) -> Observation | None:
        """Return the observation recorded for a face's sighting; None if the face has no such
        sighting.

        A sighting is being seen in one camera picture. Its id is `CAPTURE-NUMBER`, and the
        capture's id begins with its time. Raises SightingNotFound if `sighting_id` has another
        form.
        """
        try:
            capture_id_, _ = parts_of_sighting(sighting_id)
            at_ms = captured_ms(capture_id_)
        except ValueError:
            raise not_found(faceid, sighting_id) from None
        key = keys.observation(tenant.name, at_ms, sighting_id)
        item = self.services.items.get(keys.OBSERVATIONS, key)
        if item is None or item["faceid"] != faceid or item["kind"] != ObservationKind.SIGHTING:
            return None
        return observation_from(item)

    def read_face_of_sighting(self, tenant: Tenant, faceid: str, sighting_id: str) -> SeenFace:
        """Return a face as a camera's picture shows it, with box, template (embedding), estimates.

        `sighting_id` says which picture, and which face in it. It is found again in the picture.
        Raises SightingNotFound, Conflict as `read_face_in_box`.
        """
        observation = self.find_observation(tenant, faceid, sighting_id)
        if observation is None or observation.box is None:
            raise not_found(faceid, sighting_id)
        capture_id_, _ = parts_of_sighting(sighting_id)
        camera_id, box = observation.camera, observation.box
        return self.read_face_in_box(tenant, camera_id, capture_id_, box).seen

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
        """Return the face of a capture's picture that is nearest to a box, detected once more.

        A capture keeps boxes of its faces and no templates (embeddings). So its picture is read
        again, by the tenant's present face model. Raises Conflict if the picture is gone, cannot be
        read or shows no face any more.
        """
        picture_key = keys.capture_picture(tenant.name, camera_id, capture_id)
        picture = self.services.storage.uploads.get(picture_key)
        if picture is None:
            raise _picture_gone_error(tenant)
        try:
            vision = self.services.tenant_vision.choose_vision(tenant.model)
            reading = Reading(vision, without_min_age(tenant), picture)
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
        """Return the capture that an offer describes, as WANTED: its picture is to come.

        `cameras` is a cache of this call, by the id or name that offers use. The offer's camera is
        read and added if it is not there. Raises CameraNotFound, CameraDisabled, InvalidInput.
        """
        if offer.camera not in cameras:
            cameras[offer.camera] = self.services.cameras.get_by_any_name(tenant, offer.camera)
        camera = cameras[offer.camera]
        if not camera.enabled:
            raise CameraDisabled(say_disabled(camera))
        sha256 = _parse_sha256(offer.sha256)
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
        # The id follows from the picture, so that the same one has the same id each time.
        return Capture(
            id=capture_id(tenant.name, camera.id, captured_at, sha256),
            camera_id=camera.id,
            captured_at=captured_at,
            sha256=sha256,
            size=offer.size,
            content_type=content_type,
            state=CaptureState.WANTED,
            track=require_track(offer.track) if offer.track else "",
        )

    @retry_if_changed("others offer the same captures at this moment: try again")
    def _write_captures(
        self, tenant: Tenant, offered_captures: Mapping[tuple[str, str], Capture], now: datetime
    ) -> dict[tuple[str, str], Capture]:
        """Record offered captures; return each as it is recorded then, by its key in storage.

        The first offer makes the record. Until the picture comes, a later one may change its size,
        type and track. What is written counts against the camera's limit of the day. If others
        record the same captures meanwhile, the decorator calls this again, and the bytes are
        counted once more. Raises DailyLimitReached, Busy.
        """
        items = self.services.items.get_many(keys.CAPTURES, list(offered_captures))
        stored_of_key = {
            key: capture_from(item)
            for key, item in zip(offered_captures, items, strict=True)
            if item is not None
        }
        # Whether a stored capture's picture came, its record does not say: the uploads do.
        uploads = self.services.storage.uploads
        marked_captures = mark_stored(uploads, tenant, stored_of_key.values())
        marked_of_key = dict(zip(stored_of_key, marked_captures, strict=True))

        recorded_captures = {
            key: _choose_record(offer, marked_of_key.get(key))
            for key, offer in offered_captures.items()
        }
        # Only what is new or changed is written, and counted.
        actions: dict[tuple[str, str], Action] = {}
        for key, capture in recorded_captures.items():
            action = _make_record_action(tenant, key, stored_of_key.get(key), capture, now)
            if action is not None:
                actions[key] = action
        if actions:
            self._charge_bytes(tenant, [recorded_captures[key] for key in actions])
            write(self.services.items, list(actions.values()))
        return recorded_captures

    def _charge_bytes(self, tenant: Tenant, captures: Iterable[Capture]) -> None:
        """Count the captures' bytes against what their cameras may offer today.

        Call it before the captures are recorded, in a transaction of its own, since one for both
        could have too many actions. If the recording fails, the bytes stay counted. That is better
        than that a camera offers more than its limit. Raises DailyLimitReached, Busy.
        """
        sizes: Counter[str] = Counter()  # by camera
        for capture in captures:
            sizes[capture.camera_id] += max(capture.size, LEAST_CHARGED_BYTES)
        for camera_id, size in sizes.items():
            if not self.services.daily_limits.take_capture_bytes(tenant, camera_id, size):
                raise DailyLimitReached(
                    f"these captures are more than is left today of what camera {camera_id!r} may "
                    f"offer: {tenant.capture_mb_a_day} MB. Offer fewer, or again tomorrow",
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
        """Return a camera by its id or name, or a deleted one by its id if it has captures.

        Of a deleted camera only the id is known, so that stands for its name. Raises
        CameraNotFound.
        """
        try:
            return self.services.cameras.get_by_any_name(tenant, camera)
        except CameraNotFound:
            if not is_camera_id(camera):
                raise
            deleted_camera = Camera(id=camera, name=camera, created_at=self.services.clock.now())
            captures = self._of_camera(
                tenant, deleted_camera, capture_filter=ALL, below=None, at_once=1
            )
            if next(captures, None) is None:  # it never sent anything, or nothing is left
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
        """Yield stored captures, newest first, of the time that the filter wants.

        The caller has to apply the filter's other wishes (state, faces). `chosen_camera` of None
        takes all cameras, merged by time. Only what is older than the capture of the id `below` is
        yielded; None takes all. A read of one camera asks for `at_once` items.
        """
        if chosen_camera is not None:
            return self._of_camera(tenant, chosen_camera, capture_filter, below, at_once)
        streams = [
            self._of_camera(tenant, camera, capture_filter, below, at_once)
            for camera in self.services.cameras.list_all(tenant)
        ]
        # An id begins with the time.
        return heapq.merge(*streams, key=lambda item: str(item["capture"]), reverse=True)

    def _of_camera(
        self,
        tenant: Tenant,
        camera: Camera,
        capture_filter: CaptureFilter,
        below: str | None,
        at_once: int,
    ) -> Iterator[Item]:
        """Yield one camera's stored captures of the filter's time, the newest first.

        A deleted camera may have had the same id before; its captures are left out. Only what is
        older than the capture of the id `below` is yielded; None takes all. A read asks for
        `at_once` items.
        """
        first_id, last_id = capture_filter.ids  # ids begin with the time, so they bound it
        if camera.former_until is not None:  # when the camera that had the id before was deleted
            first_id = max(first_id, CaptureFilter(since=camera.former_until).ids[0])
        if first_id > last_id:
            return iter(())
        return captures_of(
            self.services.items,
            tenant.name,
            camera.id,
            between=(first_id, last_id),
            behind=below,
            reverse=True,
            page_size=at_once,
        )

    def list_jobs(self) -> tuple[Job, ...]:
        return (
            Job("usage", lambda context: self.pictures.count(context.tenant.name)),
            Job("lost captures", self.redrive.send_lost_of_hour),
        )


def _key(tenant: Tenant, capture: Capture) -> tuple[str, str]:
    return keys.capture(tenant.name, capture.camera_id, capture.id)


def _choose_record(offer: Capture, capture: Capture | None) -> Capture:
    """Return what is to be recorded of an offered capture that may be known already.

    `capture` is what an earlier offer recorded; None if there was none. Once its picture came,
    nothing changes. Until then the last offer decides its size, type and track (the name of a
    face's way through pictures). One without a track leaves the earlier one's.
    """
    if capture is None:
        return offer
    if capture.state is not CaptureState.WANTED:  # its picture came: nothing is changed any more
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
    """Return the write that records an offered capture; None if nothing is to be written.

    `before` is the stored record (None at the first offer), `after` the wanted one. A first write
    fails if somebody recorded the capture meanwhile. A later one fails if the capture got its
    outcome, and so is WANTED (waiting for its picture) no more.
    """
    if before is None:
        if_new = (absent("not-offered-yet"),)
        return Put(keys.CAPTURES, capture_item(tenant.name, after, now), if_new)
    if after.state is not CaptureState.WANTED or after == before:  # it came, or is as it was
        return None
    if_wanted = (equals("state", CaptureState.WANTED, "still-wanted"),)
    fields = {
        "size": after.size,
        "content_type": after.content_type,
        **CAPTURE.write(after, "track"),
    }
    return Update(keys.CAPTURES, key, if_wanted, set=fields)


def cut_to_most_faces(rows: list[Capture]) -> list[Capture]:
    """Return the first of the captures, as many as show MOST_FACES together; at least one."""
    face_counts = accumulate(len(capture.sightings) for capture in rows)
    return rows[: max(1, sum(face_count <= MOST_FACES for face_count in face_counts))]


def _parse_sha256(text: str) -> str:
    """Return a SHA-256, in hexadecimal or base64, as 64 hexadecimal digits in small letters.

    Raises InvalidInput if `text` is neither.
    """
    if _HEX.fullmatch(text):
        return text.lower()
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        data = b""  # refused below
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
    """Return the captures in the same order, with those whose picture has arrived marked STORED.

    A camera uploads to the store directly, which changes no record: it stays WANTED. So the store
    is asked for the pictures of these. Records stay as they are.
    """
    wanted_ids: dict[str, list[str]] = defaultdict(list)  # by camera
    for capture in captures:
        if capture.state is CaptureState.WANTED:
            wanted_ids[capture.camera_id].append(capture.id)
    stored_keys: set[tuple[str, str]] = set()  # of camera and capture
    for camera_id, ids in wanted_ids.items():
        stored_ids = _find_stored(uploads, tenant, camera_id, ids)
        stored_keys.update((camera_id, id_) for id_ in stored_ids)

    marked_captures = []
    for capture in captures:
        is_stored = (capture.camera_id, capture.id) in stored_keys
        marked_captures.append(
            replace(capture, state=CaptureState.STORED) if is_stored else capture
        )
    return marked_captures


def _find_stored(uploads: UploadStore, tenant: Tenant, camera_id: str, ids: list[str]) -> list[str]:
    """Return the ids of those of one camera's captures whose picture is there.

    `ids` are those of the captures in question, one at least.
    """
    id_of_key = {keys.capture_picture(tenant.name, camera_id, id_): id_ for id_ in ids}
    if len(id_of_key) > _ASKED_ONE_BY_ONE:  # then the store's list is cheaper
        first_key, last_key = min(id_of_key), max(id_of_key)
        listed_keys = _list_picture_keys(uploads, tenant, camera_id, first_key, last_key)
        return [id_of_key[key] for key in listed_keys if key in id_of_key]
    with ThreadPoolExecutor(len(id_of_key)) as askers:  # few: side by side
        sizes = list(askers.map(uploads.size, id_of_key))  # None: there is no such picture
    sizes_by_id = zip(id_of_key.values(), sizes, strict=True)
    return [id_ for id_, size in sizes_by_id if size is not None]


def _list_picture_keys(
    uploads: UploadStore, tenant: Tenant, camera_id: str, first_key: str, last_key: str
) -> Iterator[str]:
    """Yield the keys of one camera's stored pictures from `first_key` to `last_key`, inclusive."""
    prefix = keys.capture_picture(tenant.name, camera_id, "")
    if uploads.size(first_key) is not None:  # the walk begins behind it
        yield first_key
    for blob in uploads.walk(prefix, after=first_key):  # in the keys' order
        if blob.key <= last_key:
            yield blob.key
        if blob.key >= last_key:
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

    def measure_squared_distance(face: SeenFace) -> float:
        face_box = face.detected.box
        across = (face_box.x + face_box.width / 2) - (box.x + box.width / 2)
        down = (face_box.y + face_box.height / 2) - (box.y + box.height / 2)
        return across * across + down * down

    return min(faces, key=measure_squared_distance)


_CAPTURED_AT = "captured_at"


class Shot(Struct, frozen=True):
    """A picture with its camera (id or name) and its time; None: it is taken as it comes."""

    camera: str
    picture: bytes
    content_type: str
    captured_at: datetime | None = None
    track: str = ""


def type_of(picture: bytes) -> str:
    """Return a picture's content type by its first bytes; a JPEG's if they are unknown."""
    return find_type(picture) or "image/jpeg"
