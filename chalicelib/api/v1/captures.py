"""Captures: offer for upload, send in one step, list, read; and reviews, what somebody should look
at in them."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple
from urllib.parse import urlencode

from msgspec import UNSET, Meta, UnsetType, field, structs

from chalicelib.api.v1.cameras import CameraId
from chalicelib.api.v1.endpoint import Operations, Redirect, V1Context, answer_nothing
from chalicelib.api.v1.filters import require_named
from chalicelib.api.v1.shapes import (
    LISTED,
    Box,
    Decided,
    Masked,
    Number,
    describe_decision,
    link_capture,
    parse_number,
    require_today,
)
from chalicelib.api.v1.wire import (
    Answer,
    Instant,
    NextToken,
    Paged,
    PicturePushed,
    Sent,
    Text,
    Time,
    Token,
)
from chalicelib.auth.roles import Role
from chalicelib.domain import audit_events, captures, errors, observations
from chalicelib.domain.captures import (
    CaptureState,
    FacesShown,
    Resolution,
    captured_ms,
    parts_of_sighting,
    sighting_id,
)
from chalicelib.domain.model import DEFAULT_GROUPS, Face, Tenant
from chalicelib.domain.observations import ReviewKind
from chalicelib.domain.rules.sighting import list_offered
from chalicelib.privacy.erasure_progress import is_erased
from chalicelib.storage import keys
from chalicelib.storage.values import milliseconds, time_text

if TYPE_CHECKING:
    from chalicelib.book.captures.captures import Offer, OfferedUpload

operations = Operations()


_NUMBER = re.compile(r"[0-9]{1,3}", re.ASCII)

CaptureId = Annotated[
    str,
    Meta(
        extra_json_schema={"pattern": "^[0-9]{13}-[0-9a-f]{24}$"},
        description="Begins with the time, so that ids sort as captures were taken.",
    ),
]
PictureUrl = Annotated[
    str | None,
    Meta(
        description="The whole capture, while captures are kept; good for an hour or two. If "
        "somebody on it is hidden, it shows the rest, and only to who sends a key. Null: the key "
        "sees no pictures."
    ),
]
CropUrl = Annotated[
    str | None,
    Meta(
        description="Shows the face, cut out of the capture, to who sends a key, while captures "
        "are kept. Null: the "
        "key sees no pictures."
    ),
]
Track = Annotated[
    Text,
    Meta(
        extra_json_schema={"pattern": "^[A-Za-z0-9_.-]{1,64}$"},
        description="The camera's name for one face's way through its pictures, different for "
        "each. Captures of one "
        "track are evidence for each other. It is no part of the capture's identity.",
    ),
]
OfCamera = Annotated[
    Text, Meta(description="Id or name. With a camera's key, that camera may be left out.")
]


class OfferedCapture(Sent):
    sha256: Annotated[
        Text, Meta(description="Of the picture's bytes, 64 hexadecimal digits or base64.")
    ]
    size: Annotated[int, Meta(ge=1, le=20_971_520, description="Bytes.")]
    content_type: Annotated[
        Text, Meta(extra_json_schema={"enum": ["image/jpeg", "image/png", "image/jpg"]})
    ]
    captured_at: Annotated[
        Instant,
        Meta(
            description="When the picture was taken, from the year 2000 on; the camera's clock may "
            "be 300 s ahead."
        ),
    ]
    camera: (
        Annotated[Text, Meta(description="Id or name. Required, except with a camera's key.")]
        | UnsetType
    ) = UNSET
    track: Track | None = None


class Offers(Sent):
    captures: Annotated[list[OfferedCapture], Meta(min_length=1, max_length=100)]


class Upload(Answer):
    id: CaptureId
    state: CaptureState
    method: str | None
    url: Annotated[str | None, Meta(description="Null if the picture is there.")]
    headers: dict[str, str]


class Uploads(Answer):
    uploads: Annotated[list[Upload], Meta(description="An answer a capture, in their order.")]
    server_time: Time


class Sighting(Decided):
    """A face in a capture, and what was decided about it."""

    id: str
    resolution: Resolution
    face: Annotated[
        str | None,
        Meta(
            description="Id of the face that it is of now: merges move sightings. Null also of a "
            "person who was erased, is restricted or withdrew: then it has a place, and `reason` "
            "says so."
        ),
    ]
    name: Annotated[
        str | None,
        Meta(
            description='The face\'s name, "" if it has none. Null: there is no face, it was '
            "deleted, or a camera asks."
        ),
    ]
    number: Number
    group: Annotated[
        str | None, Meta(description="Name of the face's group now; null as `name` is.")
    ]
    box: Box
    quality: float | None
    masked: Masked
    reason: Annotated[
        str | None, Meta(description="Why it was skipped, or what somebody said of it.")
    ]
    crop_url: CropUrl


class Capture(Answer):
    id: CaptureId
    camera: CameraId
    captured_at: Time
    sha256: Annotated[
        Annotated[str, Meta(pattern="^[0-9a-f]{64}$")] | None,
        Meta(description="Null for a camera's key, and where the hash is not kept."),
    ]
    size: Annotated[int, Meta(ge=1)]
    content_type: Annotated[str, Meta(extra_json_schema={"enum": ["image/jpeg", "image/png"]})]
    state: Annotated[
        CaptureState,
        Meta(
            description="wanted: offered, the picture is not there. stored: it is there and waits "
            "to be resolved. "
            "resolved: every face in it has its outcome. parked: it cannot be resolved, `reason` "
            "says why."
        ),
    ]
    track: Track | None
    reason: Annotated[str | None, Meta(description="Why it is parked.")]
    width: Annotated[
        int | None,
        Meta(
            description="Pixels of the upright picture, in which boxes lie. Null: it was not read "
            "yet."
        ),
    ]
    height: int | None
    url: Annotated[
        str | None,
        Meta(
            description="The picture, while captures are kept; good for an hour or two. If "
            "somebody on it was erased or is restricted, it shows the rest, and only to who sends "
            "a key. Null: it is not there, or the key sees no pictures."
        ),
    ]
    thumb_url: Annotated[
        str | None,
        Meta(
            description="The same of up to 320 pixels, to who sends a key; of a capture that is "
            "not resolved, `url` "
            "itself."
        ),
    ]
    sightings: list[Sighting]


class CapturesWanted(Sent):
    camera: OfCamera | None = None
    since: Annotated[Instant | None, Meta(description="Only those taken then or later.")] = field(
        default=None, name="from"
    )
    until: Annotated[Instant | None, Meta(description="Only those taken before.")] = field(
        default=None, name="to"
    )
    state: Annotated[
        Literal["stored", "resolved", "parked"] | None,
        Meta(description="Only those in this state."),
    ] = None
    faces: Annotated[
        FacesShown | None,
        Meta(
            description="Only resolved ones that show no face, or a face that was skipped for a "
            "`reason`."
        ),
    ] = None
    limit: Annotated[int, Meta(ge=1, le=1000)] = 100
    token: Token | None = None


class CapturesPage(Answer):
    captures: list[Capture]
    next_token: NextToken


class CaptureTaken(PicturePushed):
    camera: OfCamera | None = None
    captured_at: Annotated[
        Instant | None,
        Meta(
            description="When the picture was taken; without it, when it comes. See captures that "
            "are offered."
        ),
    ] = None
    track: Track | None = None


class CaptureWanted(Sent):
    camera: Annotated[
        Text | None, Meta(description="Id or name. Required, except with a camera's key.")
    ] = None


class PictureWanted(CaptureWanted):
    book: Annotated[
        str | None,
        Meta(
            description="Means what the header X-Regulars-Book does, which a picture in a page "
            "cannot send."
        ),
    ] = None


@operations("POST", "/v1/captures/uploads", Role.OPERATOR, of_cameras=True)
def offer_captures(context: V1Context, body: Offers) -> Uploads:
    """Offer 1 to 100 captures; each that is wanted is answered with the request that stores its
    picture.

    Send each request as it is answered: `method` to `url` with exactly these `headers` and the
    picture as the body, within 15 minutes. It is answered 200: stored. 412: it is there already.
    409 or 503: try again. 400: these are not the bytes that were announced. 403: the URL has
    expired; offer the capture again.

    All or nothing: if one capture is bad, nothing is taken, and the error's `index` says which. The
    same capture (camera, `captured_at` to the millisecond, `sha256`) has the same id, however often
    it is offered; one whose picture is there gets neither method nor url.

    A camera may offer so many megabytes a day as its tenant's setting `capture_mb_a_day` says
    (10,000 at first; days of the tenant's time zone). Each new capture counts with its size, and
    with 64,000 bytes at least; one that is offered again counts again only if its size or type
    changed. Beyond that: 429 DailyLimitReached, whose `Retry-After` ends with the day.
    """
    offers = []
    for index, offered in enumerate(body.captures):
        with errors.mark_errors(index):
            offers.append(_make_offer(context, offered, f"captures[{index}]"))
    uploads = context.services.captures.offer_uploads(context.tenant, offers, context.caller.camera)
    now = context.services.clock.now()
    return Uploads(
        uploads=[_describe_upload(context, upload) for upload in uploads],
        server_time=time_text(now),
    )


@operations("POST", "/v1/captures", Role.OPERATOR, status=202, of_cameras=True)
def take_capture(context: V1Context, body: CaptureTaken) -> Capture:
    """Send a capture in one step: offered, uploaded and stored when the answer comes, resolved a
    moment later.

    On AWS a body has up to 4 MiB; offer a larger one (`POST /v1/captures/uploads`).

    A camera may send it by itself, in the form of its maker. It may sign in by Basic (RFC 7617):
    its id is the user, its key the password. If the key is too long for its form, its 32 digits
    after `ck_` are the user, and its id the password. Its picture needs no content type. Of its
    form, also of `multipart/mixed`, the one part that is a picture counts, whatever its name. The
    query may stand beside it. If that part is not called `picture`, the form's other parts are the
    maker's, and passed over. With two pictures it is 400 InvalidInput.

    The same picture of the same camera and `captured_at` is one capture, however often and in
    whatever way it is sent. Without `captured_at`, a repeat is another capture, unless it has the
    same `Idempotency-Key`.
    """
    # not at the other routes' cold starts
    from chalicelib.book.captures.captures import Shot, type_of

    shot = Shot(
        _require_camera(context, body.camera),
        body.picture,
        type_of(body.picture),
        body.captured_at,
        body.track or "",
    )
    return _describe_one_capture(
        context, context.services.captures.store_shot(context.tenant, shot, context.request_id)
    )


@operations("GET", "/v1/captures", Role.VIEWER, of_cameras=True)
def list_captures(context: V1Context, query: CapturesWanted) -> CapturesPage:
    """List the captures whose picture is there, newest first.

    Of one camera, or of all that there are. Captures of a camera that was deleted stay, and are
    listed by its id only, until another camera gets that id. A page shows 2,500 faces and reads a
    thousand captures at most, also those that do not pass the filters, and offered ones that never
    came. So it may have fewer than `limit`, even none, and not be the last: go on until
    `next_token` is null. A camera's key is told nothing of faces: `sightings` is empty, and a
    filter by `faces` is answered 403 NotAllowed.
    """
    # not at the other routes' cold starts
    from chalicelib.book.captures.captures import CaptureFilter

    if query.faces is not None and context.caller.camera is not None:
        raise errors.NotAllowed("a camera's key is told nothing of faces: leave out faces")
    camera = _choose_camera(context, query.camera)
    state = None if query.state is None else CaptureState(query.state)
    capture_filter = CaptureFilter(query.since, query.until, state, query.faces)
    page = context.services.captures.read_page(
        context.tenant, camera, query.limit, query.token, capture_filter=capture_filter
    )
    if not page.rows and page.next_token is None:
        require_named(context.services, context.tenant, camera=camera)
    faces = find_faces_seen(
        context, ((capture, sighting) for capture in page.rows for sighting in capture.sightings)
    )
    return CapturesPage(
        captures=[_describe_capture(context, capture, faces) for capture in page.rows],
        next_token=page.next_token,
    )


@operations("GET", "/v1/captures/{id}", Role.VIEWER, of_cameras=True)
def get_capture(context: V1Context, query: CaptureWanted) -> Capture:
    """Read one capture, one whose picture never came too."""
    return _describe_one_capture(
        context,
        context.services.captures.get(
            context.tenant, _find_camera_id(context, query), context.path_values["id"]
        ),
    )


@operations("POST", "/v1/captures/{id}/redrive", Role.OPERATOR)
def redrive_capture(context: V1Context, body: CaptureWanted) -> Capture:
    """Send a parked capture again, once its cause is mended: a moment later it is resolved, or
    parked anew.

    One that is not parked stays as it is.
    """
    camera, id_ = _find_camera_id(context, body), context.path_values["id"]
    context.services.captures.redrive.redrive(
        context.tenant, [context.services.captures.get(context.tenant, camera, id_)]
    )
    return _describe_one_capture(
        context, context.services.captures.get(context.tenant, camera, id_)
    )


def _find_camera_id(context: V1Context, query: CaptureWanted) -> str:
    """Return the id of the camera that a capture is of. Raises InvalidInput, NotAllowed."""
    return context.services.cameras.id_of(context.tenant, _require_camera(context, query.camera))


@operations("GET", "/v1/captures/{id}/crops/{n}", Role.VIEWER, status=302)
def get_crop(context: V1Context, query: PictureWanted) -> Redirect:
    """Show one face of a capture, cut out: 302 to a JPEG, which is kept as long as captures are.

    `n` counts the capture's faces from 0, the largest first. If another face is in it, all but this
    one is darker. 403 NotAllowed if the key sees no pictures; 409 Conflict if the capture's picture
    is not kept any more, or if the person was erased or is restricted.
    """
    number = context.path_values["n"]
    if not _NUMBER.fullmatch(number):
        raise errors.InvalidInput(f"n is a whole number from 0 on, not {number[:40]!r}")
    with suppress(ValueError):  # without a time it is no capture's id
        require_today(context, captured_ms(context.path_values["id"]))
    pictures = context.services.captures.pictures
    return _redirect_to_picture(
        context,
        query,
        lambda tenant, camera, id_: pictures.get_crop_url(tenant, camera, id_, int(number)),
    )


@operations("GET", "/v1/captures/{id}/picture", Role.VIEWER, status=302)
def get_picture(context: V1Context, query: PictureWanted) -> Redirect:
    """Show a whole capture: 302 to the picture, in which the faces of people who were erased or are
    restricted are a few grey cells.

    403 NotAllowed if the key sees no pictures. 409 Conflict if it shows nobody else, or if somebody
    has to be hidden in a picture that is not kept any more.
    """
    return _redirect_to_picture(context, query, context.services.captures.pictures.get_picture_url)


@operations("GET", "/v1/captures/{id}/thumbnail", Role.VIEWER, status=302)
def get_thumbnail(context: V1Context, query: PictureWanted) -> Redirect:
    """Show a whole capture, small: 302 to a JPEG of up to 320 pixels a side, which is kept as long
    as captures are.

    403 NotAllowed if the key sees no pictures; 409 Conflict if the capture is not resolved, or its
    picture is not kept any more.
    """
    return _redirect_to_picture(
        context, query, context.services.captures.pictures.get_thumbnail_url
    )


def _redirect_to_picture(
    context: V1Context, query: PictureWanted, make_url: Callable[[Tenant, str, str], str]
) -> Redirect:
    """Redirect to the URL that `make_url` returns for a capture. Raises NotAllowed."""
    context.caller.require_pictures()
    camera, id_ = _find_camera_id(context, query), context.path_values["id"]
    return Redirect(link_capture(context, camera, id_, make_url(context.tenant, camera, id_)) or "")


def _choose_camera(context: V1Context, camera_id: str | None) -> str | None:
    """Return the camera that is meant; a camera that names none means itself. Raises NotAllowed."""
    context.caller.require_camera(camera_id)
    return context.caller.camera.id if context.caller.camera is not None else camera_id


def _require_camera(
    context: V1Context,
    camera_id: str | None,
    lacks: str = "camera is missing: say whose capture this is",
) -> str:
    """Return the camera that has to be meant. Raises InvalidInput, NotAllowed."""
    camera = _choose_camera(context, camera_id)
    if camera is None:
        raise errors.InvalidInput(lacks)
    return camera


def _make_offer(context: V1Context, offered_capture: OfferedCapture, member_path: str) -> Offer:
    from chalicelib.book.captures.captures import Offer  # not at the other routes' cold starts

    sent_camera = None if offered_capture.camera is UNSET else offered_capture.camera
    camera = _require_camera(
        context, sent_camera, f"{member_path}.camera is missing: it is required"
    )
    return Offer(
        **structs.asdict(offered_capture) | {"camera": camera, "track": offered_capture.track or ""}
    )


def _describe_upload(context: V1Context, upload: OfferedUpload) -> Upload:
    request = upload.request
    return Upload.made_of(
        upload.capture,
        method=None if request is None else request.method,
        url=None if request is None else context.complete_url(request.url),
        headers={} if request is None else dict(request.headers),
    )


class SeenNow(NamedTuple):
    """A face that a sighting shows, and the name of its group."""

    face: Face
    group: str


def find_faces_seen(
    context: V1Context, sightings: Iterable[tuple[captures.Capture, captures.Sighting]]
) -> Mapping[str, SeenNow]:
    """Return the face that each sighting belongs to now, by the sightings' ids; none if a camera
    asks.

    A sighting may belong to another face now than to the one that its capture was resolved to.
    """
    if context.caller.camera is not None:
        return {}
    faceid_by_sighting = {
        (
            milliseconds(capture.captured_at),
            sighting_id(capture.id, sighting.number),
        ): sighting.faceid
        for capture, sighting in sightings
        if sighting.faceid
    }
    face_by_sighting = context.services.faces.find_by_sightings(context.tenant, faceid_by_sighting)
    names = {id_: id_ for id_ in DEFAULT_GROUPS}
    if any(face.group_id not in names for face in face_by_sighting.values()):
        names |= {
            group.id: group.name for group in context.services.groups.list_all(context.tenant)
        }
    return {
        id_: SeenNow(face, names.get(face.group_id, "")) for id_, face in face_by_sighting.items()
    }


def _describe_one_capture(context: V1Context, capture: captures.Capture) -> Capture:
    [shown] = context.services.captures.shown.hide_restricted(context.tenant, [capture])
    faces = find_faces_seen(context, ((shown, sighting) for sighting in shown.sightings))
    return _describe_capture(context, shown, faces)


def _describe_capture(
    context: V1Context, capture: captures.Capture, faces: Mapping[str, SeenNow]
) -> Capture:
    """Describe a capture as everybody sees it.

    `faces`: the face that each sighting belongs to now, by the sighting's id.
    """
    width, height = capture.sides or (None, None)
    url = None
    if capture.state is not CaptureState.WANTED:
        partly_shown = [capture.id] if capture.is_partly_shown else []
        url = _link_picture(context, capture.camera_id, capture.id, partly_shown)
    is_resolved = capture.state is CaptureState.RESOLVED
    return Capture.made_of(
        capture,
        camera=capture.camera_id,
        sha256=None if context.caller.camera is not None else capture.sha256 or None,
        track=capture.track or None,
        reason=capture.reason if capture.state is CaptureState.PARKED else None,
        width=width,
        height=height,
        url=url,
        thumb_url=_link_part(context, capture.camera_id, capture.id, "thumbnail")
        if is_resolved
        else url,
        sightings=_describe_sightings(context, capture, faces),
    )


def _describe_sightings(
    context: V1Context, capture: captures.Capture, faces: Mapping[str, SeenNow]
) -> list[Sighting]:
    """Describe the faces of a capture; none if a camera asks.

    A thief of its key could learn by a photo whether somebody is in the book.
    """
    if context.caller.camera is not None:
        return []
    return [describe_sighting(context, capture, sighting, faces) for sighting in capture.sightings]


def list_partly_shown(context: V1Context, sightings: Iterable[tuple[str, str]]) -> Collection[str]:
    """Return the ids of captures on which somebody is hidden, of those that a page links to.

    `sightings`: camera and id of each. There are none if the key sees no pictures.
    """
    if not context.caller.is_shown_pictures:
        return ()
    places = [(camera, parts_of_sighting(id_)[0]) for camera, id_ in sightings]
    return context.services.captures.shown.list_partly_shown(context.tenant, places)


def link_sighting(
    context: V1Context, camera: str, sighting: str, partly_shown: Collection[str]
) -> dict[str, str | None]:
    """Give the links to a sighting: to its capture, and to the face cut out.

    `partly_shown`: ids of captures on which somebody is hidden.
    """
    capture, _ = parts_of_sighting(sighting)
    return {
        "picture_url": _link_picture(context, camera, capture, partly_shown),
        "crop_url": link_crop(context, camera, sighting),
    }


def _link_picture(
    context: V1Context, camera: str, capture: str, partly_shown: Collection[str]
) -> str | None:
    """Return the URL of a capture's picture, or of the route that hides somebody in it."""
    if capture in partly_shown:
        return _link_part(context, camera, capture, "picture")
    key = keys.capture_picture(context.tenant.name, camera, capture)
    picture = context.services.ports.storage.uploads.signed_get(key)
    return link_capture(context, camera, capture, picture)


def link_crop(context: V1Context, camera: str, sighting: str) -> str | None:
    """Return the URL of a sighting's face, cut out of its capture."""
    capture, number = parts_of_sighting(sighting)
    return _link_part(context, camera, capture, f"crops/{number}")


def _link_part(context: V1Context, camera: str, capture: str, part: str) -> str | None:
    if not context.caller.is_shown_pictures:
        return None
    meant_book = {"book": context.tenant.book_id} if context.caller.session else {}
    return context.route(
        f"/v1/captures/{capture}/{part}?{urlencode({'camera': camera, **meant_book})}"
    )


def describe_sighting(
    context: V1Context,
    capture: captures.Capture,
    sighting: captures.Sighting,
    faces: Mapping[str, SeenNow],
) -> Sighting:
    """Describe one face of a capture as everybody sees it.

    `faces`: the face that each sighting belongs to now, by the sighting's id.
    """
    id_ = sighting_id(capture.id, sighting.number)
    face, group = faces.get(id_, (None, None))
    is_somebody = sighting.reason == captures.ERASED
    audit_events.report_people(
        faceid
        for faceid in (sighting.faceid, face and face.faceid)
        if faceid and not is_erased(faceid)
    )
    return Sighting.made_of(
        sighting,
        id=id_,
        face=sighting.faceid if face is None else face.faceid,
        name=None if face is None else face.name,
        number=parse_number(face),
        group=group,
        **describe_decision(sighting.decision),
        reason=captures.SOMEBODY if is_somebody else sighting.reason or None,
        crop_url=None if is_somebody else link_crop(context, capture.camera_id, id_),
    )


class ReviewsWanted(Paged):
    kind: Annotated[
        ReviewKind | None,
        Meta(
            description="promoted: a stranger became a regular, who is it? uncertain: a match "
            "little above its "
            "threshold, or the lesser of two in one picture, is it this face?"
        ),
    ] = None
    listed: Annotated[bool, Meta(description=f"{LISTED}.")] = False


class NearFace(Answer):
    face: Annotated[str, Meta(description="Its id.")]
    score: Annotated[float, Meta(le=1)]


class Review(Decided):
    id: Annotated[
        str, Meta(extra_json_schema={"pattern": "^(promoted|uncertain)-[A-Za-z0-9_-]{1,70}$"})
    ]
    kind: ReviewKind
    at: Annotated[Time, Meta(description="When the picture was taken.")]
    face: str
    camera: CameraId
    capture: CaptureId
    sighting: str
    box: Annotated[Box | None, Meta(description="The place of the face in the capture.")]
    picture_url: PictureUrl
    crop_url: CropUrl
    near: Annotated[
        list[NearFace],
        Meta(
            description="Of an uncertain match: the faces that the sighting was most like when it "
            "was decided, five at "
            "most and best first, without those that are gone since or restricted."
        ),
    ]
    twice: Annotated[
        bool,
        Meta(
            description="Of an uncertain match: whether the same picture shows the face twice, and "
            "this sighting is "
            "less like it. One of the two is somebody else, a mirror or a poster."
        ),
    ]


class ReviewsPage(Answer):
    reviews: list[Review]
    next_token: NextToken


@operations("GET", "/v1/reviews", Role.VIEWER, tag="reviews")
def list_reviews(context: V1Context, query: ReviewsWanted) -> ReviewsPage:
    """List what somebody should look at: uncertain matches newest first, then regulars whom nobody
    has named.

    A review is over when it is done, and by itself when the face is deleted, merged into another,
    named or moved to another group, when its sighting is rejected, and when the picture is not kept
    any more. A page may have fewer than `limit` and not be the last: go on until `next_token` is
    null.
    """
    left_out = context.services.faces.list_hidden(context.tenant) if query.listed else frozenset()
    page = context.services.sightings.reviews.read_page(
        context.tenant, query.kind, query.limit, query.token, left_out=left_out
    )
    partly_shown = list_partly_shown(
        context, ((review.camera, review.sighting_id) for review in page.rows)
    )
    return ReviewsPage(
        reviews=[_describe_review(context, review, partly_shown) for review in page.rows],
        next_token=page.next_token,
    )


@operations("POST", "/v1/reviews/{id}/done", Role.OPERATOR, tag="reviews", again=answer_nothing)
def finish_review(context: V1Context) -> None:
    """Say that nobody needs to look at this any more. Nothing else is changed."""
    context.services.sightings.reviews.forget_review(
        context.tenant, context.path_values["id"], context.request_id
    )


def _describe_review(
    context: V1Context, review: observations.Review, partly_shown: Collection[str]
) -> Review:
    """Describe a review, with its sighting's links and the faces that are nearest to it.

    `partly_shown`: ids of captures on which somebody is hidden.
    """
    near_faces = list_offered(review)
    audit_events.report_people([review.faceid, *(near_face.faceid for near_face in near_faces)])
    return Review.made_of(
        review,
        face=review.faceid,
        capture=parts_of_sighting(review.sighting_id)[0],
        sighting=review.sighting_id,
        **link_sighting(context, review.camera, review.sighting_id, partly_shown),
        **describe_decision(review.decision),
        near=[NearFace(face=near_face.faceid, score=near_face.score) for near_face in near_faces],
    )
