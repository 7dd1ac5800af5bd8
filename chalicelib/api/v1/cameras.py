"""Cameras over v1."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

from msgspec import UNSET, Meta, UnsetType, defstruct
from msgspec.structs import replace

from chalicelib.api.v1.endpoint import (
    Operations,
    V1Context,
    answer_as,
    answer_nothing,
    refuse_secret_again,
)
from chalicelib.api.v1.proofs import ProofOrNull, describe_proof
from chalicelib.api.v1.shapes import Labels, Name, QrPath, draw_qr_code
from chalicelib.api.v1.wire import (
    Answer,
    Changes,
    Instant,
    PictureSent,
    Revision,
    Sent,
    Time,
    list_sent_members,
    make_setting_type,
)
from chalicelib.auth.roles import Role
from chalicelib.domain import captures, model
from chalicelib.domain.rules.camera_states import TROUBLES, is_view_changed
from chalicelib.storage.values import parse_optional, time_text

if TYPE_CHECKING:
    from chalicelib.book import cameras

operations = Operations()


CameraId = Annotated[str, Meta(extra_json_schema={"pattern": "^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$"})]
CameraKey = Annotated[str, Meta(pattern="^ck_[0-9a-f]{32}$")]
Label = Annotated[str, Meta(max_length=100)]
Groups = Annotated[
    Annotated[list[Annotated[str, Meta(max_length=1000)]], Meta(max_length=100)] | None,
    Meta(
        description="Names of the groups that are searched, besides `stranger` and `regular`; "
        "null, all."
    ),
]
Status = Annotated[
    dict[
        Annotated[str, Meta(min_length=1, max_length=64)],
        Annotated[str, Meta(max_length=200)] | int | float | bool | None,
    ],
    Meta(
        max_length=32,
        description="What the camera said of itself in its last heartbeat; numbers alone are kept "
        "every 15 minutes.",
    ),
]


_VERSION = r"^(0|[1-9][0-9]{0,3})\.(0|[1-9][0-9]{0,3})\.(0|[1-9][0-9]{0,3})$"
_DAY, _TIME = "(Mon|Tue|Wed|Thu|Fri|Sat|Sun)", "(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)"
Span = Annotated[
    str, Meta(pattern=f"^({_DAY}(-{_DAY})? )?{_TIME}-{_TIME}$", examples=["Mon-Fri 08:00-20:00"])
]
Spans = Annotated[list[Span], Meta(max_length=16)]
Version = Annotated[str, Meta(pattern=_VERSION, examples=["1.2.3"])]
KibPerS = Annotated[
    float,
    Meta(ge=1, le=1_000_000, description="Most kibibytes of pictures that a box sends a second."),
]
MibPerMonth = Annotated[
    float,
    Meta(ge=1, le=10_000_000, description="Most mebibytes of pictures that it sends a month."),
]
Corner = Annotated[list[Annotated[float, Meta(ge=0, le=1)]], Meta(min_length=2, max_length=2)]
Areas = Annotated[
    list[Annotated[list[Corner], Meta(min_length=3, max_length=16)]],
    Meta(
        max_length=16,
        description="Polygons: corners [x, y] in shares of the upright picture, from its top left.",
    ),
]


CountLine = Annotated[
    Annotated[list[Corner], Meta(min_length=2, max_length=2)],
    Meta(
        description="Line at which people are counted: two points, 0.05 apart at least. Who goes "
        "from its left to its right, seen from its first point, comes in.",
        examples=[[[0.1, 0.5], [0.9, 0.5]]],
    ),
]


class BoxSettings(Sent):
    """Settings of whole boxes, in place of those in their edge.toml; {}: of their files again."""

    version: Version | UnsetType = UNSET
    kib_per_s: KibPerS | UnsetType = UNSET
    mib_per_month: MibPerMonth | UnsetType = UNSET
    upload_hours: Spans | UnsetType = UNSET


class Edge(BoxSettings):
    """Settings that the edge uploader takes in place of those in its edge.toml, without a restart:
    at the first frame after a heartbeat (docs/tasks/boxes.md). What is sent takes the place of all
    that were set; {}, of its file again. But what `PUT /v1/fleet` has set for the camera's box
    stays. What the file hides stays hidden: masks are added to its own, hours hold within its own,
    its zones stay, and its crops only become smaller."""

    send: Literal["all", "motion", "faces", "best_shot", "none"] | UnsetType = UNSET
    interval_s: Annotated[float, Meta(ge=0.05, le=60)] | UnsetType = UNSET
    per_minute: Annotated[int, Meta(ge=1, le=6_000)] | UnsetType = UNSET
    motion_share: Annotated[float, Meta(ge=0.0001, le=1)] | UnsetType = UNSET
    min_face_px: Annotated[int, Meta(ge=10, le=2_000)] | UnsetType = UNSET
    face_score: Annotated[float, Meta(ge=0.05, le=1)] | UnsetType = UNSET
    track_s: Annotated[float, Meta(ge=1, le=600)] | UnsetType = UNSET
    early: bool | UnsetType = UNSET
    crop_room: Annotated[float, Meta(ge=0.05, le=10)] | UnsetType = UNSET
    capture_hours: Spans | UnsetType = UNSET
    masks: Areas | UnsetType = UNSET
    zones: Areas | UnsetType = UNSET
    count: CountLine | UnsetType = UNSET
    hardware: Literal["v4l2m2m", "vaapi"] | UnsetType = UNSET


class FleetChanges(Sent):
    settings: BoxSettings


class LabelChanges(Sent):
    """null is none."""

    a: Label | UnsetType | None = UNSET
    b: Label | UnsetType | None = UNSET
    c: Label | UnsetType | None = UNSET
    d: Label | UnsetType | None = UNSET


if TYPE_CHECKING:
    from chalicelib.api.v1.wire import Answer as _Options
    from chalicelib.api.v1.wire import Sent as _SentOptions
else:
    _types = {
        "groups": Groups,
        **{name: make_setting_type(one) for name, one in captures.CAMERA_SETTINGS.items()},
    }
    _sent = [
        (name, kind | UnsetType, UNSET) for name, kind in {"labels": LabelChanges, **_types}.items()
    ]
    _SentOptions = defstruct("_SentOptions", _sent, bases=(Sent,), kw_only=True)
    _answered = {"id": CameraId, "name": Name, "labels": Labels, **_types}
    _Options = defstruct("_Options", [*_answered.items()], bases=(Answer,), kw_only=True)


class CameraSettings(_SentOptions):
    labels: LabelChanges | UnsetType = UNSET
    groups: Groups | UnsetType = UNSET
    edge: Edge | UnsetType = UNSET


class NewCamera(CameraSettings, kw_only=True):
    name: Name
    id: Annotated[
        CameraId | None,
        Meta(
            description="Null: one is made of the name. It may be one that a deleted camera had: "
            "captures, visits and counts from before that deletion are not this camera's."
        ),
    ] = None


class CameraChanges(CameraSettings, Changes):
    name: Name | UnsetType = UNSET
    revision: Revision | UnsetType = UNSET


class Heartbeat(Sent):
    status: Annotated[
        Status | None,
        Meta(description="It takes the place of the last one; null or not sent, that one stays."),
    ] = None
    working: Annotated[
        bool,
        Meta(
            description="false: the camera gives nothing, says what stands beside it. Its status "
            "is kept, and it "
            "counts as not seen, so that it falls silent."
        ),
    ] = True
    refused: Annotated[
        bool,
        Meta(
            description="true: another box feeds the camera, so this one sends nothing for it. Of "
            "its status, `box_name` alone is kept."
        ),
    ] = False


Trouble = Annotated[str, Meta(extra_json_schema={"enum": [*TROUBLES]})]
State = Literal["ok", "failing", "silent", "quiet", "disabled", "never_seen", "unwatched"]


class Outage(Answer):
    since: Annotated[Time, Meta(description="It was heard last.")]
    until: Annotated[Time | None, Meta(description="It was heard again; null: it is silent.")]


class Health(Answer, kw_only=True):
    state: Annotated[
        State,
        Meta(
            description="failing: its last heartbeat said that it gives nothing; status.error may "
            "say why. silent: it "
            "sends heartbeats, and was not seen for its silent_after_s. quiet: it sends captures "
            "alone, and is quieter "
            "than usual. unwatched: it has no silent_after_s, or too little is known of it, so "
            "nobody knows whether it "
            "still works."
        ),
    ]
    trouble: Annotated[
        Trouble | None,
        Meta(
            description="What is wrong with it, the worst of several, as its box or its silence "
            "tells; null: nothing. Of a camera that gives nothing it is the reason, if its box "
            "knows one. changed: its box says that it shows something else, and not what. faulty: "
            "its box says that something is wrong, and not what; status.error may say it."
        ),
    ] = None
    blind: Annotated[
        bool, Meta(description="Nobody is recognised. false with a trouble: less well.")
    ] = False
    needs_somebody: Annotated[
        bool, Meta(description="Something is wrong with it, and nobody muted that.")
    ] = False
    muted_until: Annotated[
        Time | None, Meta(description="Until then nobody is told what is wrong with it.")
    ]
    failing_at: Annotated[
        Time | None,
        Meta(description="The last heartbeat, if it said that the camera gives nothing."),
    ]
    view_changed: Annotated[
        bool,
        Meta(
            description="Its box says that it shows something else than usual, or less: is the "
            "lens covered or dirty, or was the camera turned? `POST /v1/cameras/{id}/view` says "
            "that it is right."
        ),
    ]
    refused_box: Annotated[
        str | None,
        Meta(
            description="Name of a box that would feed the camera, too, and was refused in the "
            "last 20 minutes: it needs another camera, or the name of the box whose place it takes."
        ),
    ]
    outages: Annotated[
        list[Outage],
        Meta(description="Its last 16 silences, and the present one, the newest last."),
    ]
    status: Status


class Camera(_Options, kw_only=True):
    id: CameraId
    name: Name
    labels: Labels
    groups: Groups
    edge: Edge
    revision: Annotated[
        int, Meta(ge=1, description="Grows with each change by a caller; what it sends is none.")
    ]
    created_at: Time
    forgets_strangers: Annotated[
        bool,
        Meta(
            description="Whether nothing is kept of strangers whom it sees: by its own "
            "`keeps_strangers`, or by the "
            "tenant's setting `strangers`, which overrules it."
        ),
    ]
    last_seen_at: Annotated[
        Time | None,
        Meta(
            description="The last offer of captures or heartbeat: to the minute, to seven if it "
            "sent a status."
        ),
    ]
    still_asked_at: Annotated[
        Time | None,
        Meta(
            description="A still is asked for: its box sends one by `PUT /v1/cameras/{id}/still`."
        ),
    ]
    view_due: Annotated[
        bool,
        Meta(
            description="The shop has opened, and the view of this morning is missing: its box "
            "sends one by `PUT /v1/cameras/{id}/view`."
        ),
    ]
    view_right_at: Annotated[
        Time | None,
        Meta(description="When somebody said last that what it shows is right: its box learns it."),
    ]
    faceless_share: Annotated[
        Annotated[float, Meta(ge=0, le=1)] | None,
        Meta(
            description="Part of its last hundred captures that showed no face, counted with its "
            "heartbeats, once an "
            "hour. If it is high, its box sends too many. Null: fewer than 20, or no heartbeat.",
        ),
    ]
    proof: ProofOrNull
    health: Health


class CameraMade(Camera, kw_only=True):
    api_key: Annotated[CameraKey, Meta(description="Shown nowhere else.")]


class Counting(Answer):
    """Wishes to a box that counts. A service that sends them takes a minute's reason, too."""

    film_wanted: Annotated[
        bool, Meta(description="Somebody wants to see a minute of the count, without people.")
    ]


class CameraHeard(Camera, kw_only=True):
    counting: Counting


_Camera = TypeVar("_Camera", bound=Camera)
_Told = TypeVar("_Told", str, float)


class Cameras(Answer):
    cameras: Annotated[list[Camera], Meta(max_length=1000)]


class EdgeBox(Answer):
    """A machine with the edge uploader, as the last heartbeat of its cameras told; null is what it
    did not tell."""

    id: Annotated[str, Meta(max_length=200)]
    name: Annotated[
        str | None, Meta(description="What its edge.toml calls it, else its host name.")
    ]
    last_seen_at: Annotated[
        Time | None, Meta(description="To seven minutes, also if its cameras give nothing.")
    ]
    version: Annotated[str | None, Meta(description="The uploader's.")]
    disk_free_mib: Annotated[float | None, Meta(description="Of its spool's disk.")]
    clock_error_s: Annotated[
        float | None, Meta(description="By how much its clock is ahead of the service's.")
    ]
    temperature_c: Annotated[float | None, Meta(description="Of its hottest sensor.")]
    cameras: Annotated[list[CameraId], Meta(max_length=1000)]


class Boxes(Answer):
    boxes: Annotated[list[EdgeBox], Meta(max_length=1000)]


class Fleet(Answer):
    """Settings of whole boxes, and the wave that brings them: to one box, half an hour later to a
    tenth of them, then to all. It stops if a box that has them falls silent while others are heard,
    or does not run the version."""

    settings: BoxSettings
    state: Literal["going", "done", "stopped"]
    reached: Annotated[
        list[str], Meta(max_length=1000, description="Ids of the boxes that have them.")
    ]
    at: Annotated[Time, Meta(description="When it was set, or the last of these got them.")]
    stopped: Annotated[
        str | None, Meta(description="Why no more boxes get them; set them anew to go on.")
    ]
    most_boxes: Annotated[
        int, Meta(description="Boxes that a tenant may have; each has a camera at least.")
    ]
    most_cameras: Annotated[int, Meta(description="Cameras that a tenant may have.")]


class Still(Answer):
    """Picture of a camera, sent when somebody asked last: black within its box's masks, small, kept
    for an hour."""

    asked_at: Annotated[
        Time | None, Meta(description="Of a request that waits for its answer, up to ten minutes.")
    ]
    taken_at: Time | None
    picture: Annotated[bytes | None, Meta(description="A JPEG, in base64.")]


class StillTaken(PictureSent): ...


class View(Answer):
    """Picture of a camera when its shop opened: grey, 256 pixels wide, black within its box's
    masks, without the people who passed."""

    taken_at: Time
    picture: Annotated[bytes, Meta(description="A JPEG, in base64.")]


class Views(Answer):
    views: Annotated[
        list[View],
        Meta(max_length=2, description="This morning's and the one before it, the newest first."),
    ]


class ViewTaken(PictureSent): ...


class CameraKeyMade(Answer):
    id: CameraId
    api_key: Annotated[CameraKey, Meta(description="Shown nowhere else.")]


class ClaimCode(Answer):
    claim_code: Annotated[
        str, Meta(pattern="^[0-9A-Z]{4}(-[0-9A-Z]{4}){2}$", examples=["7KQM-2XHP-94TD"])
    ]
    qr_path: QrPath
    qr_size: int
    expires_at: Time


@operations("GET", "/v1/cameras", Role.VIEWER)
def list_cameras(context: V1Context) -> Cameras:
    """List all cameras, by id.

    Whoever was invited to a page of figures sees their ids and names, and nothing more.
    """
    cameras = context.services.cameras.list_all(context.tenant)
    if context.caller.is_of_figures:
        cameras = [captures.Camera(camera.id, camera.name, camera.created_at) for camera in cameras]
    return Cameras(cameras=_describe_cameras(context, Camera, cameras))


@operations(
    "POST",
    "/v1/cameras",
    Role.ADMIN,
    status=201,
    again=refuse_secret_again("camera", "ask for another key of it"),
)
def add_camera(context: V1Context, body: NewCamera) -> CameraMade:
    """Add a camera and its key, which is shown nowhere else.

    Without an `id` the camera gets its name as its id, or what of the name is legal as one. Names
    and ids are one realm: a camera's name is no other camera's name or id.
    """
    from chalicelib.book import cameras as bounds  # not at the other routes' cold starts

    settings = _list_settings(body)
    del settings["id"], settings["name"]
    settings["labels"] = model.Labels(**settings.get("labels", {}))
    camera, api_key = context.services.cameras.add(
        context.tenant,
        body.id,
        body.name,
        bounds.CameraSettings(**settings),
        request=context.request_id,
    )
    return _describe_cameras(context, CameraMade, [camera], api_key=api_key)[0]


class Muting(Sent):
    until: Annotated[
        Instant | None,
        Meta(description="In the future, 31 days at most; null: they are told again."),
    ]
    camera: Annotated[CameraId | None, Meta(description="null: all cameras.")] = None


@operations("PUT", "/v1/mute", Role.OPERATOR)
def mute_cameras(context: V1Context, body: Muting) -> Cameras:
    """Have nobody told that a camera, or any, needs somebody until a time: no hook and no red line.

    A silence meanwhile is noted among the camera's outages once it ends. One that goes on is told
    after that time.
    """
    if body.until is None:
        context.services.cameras.unmute(context.tenant, body.camera)
    else:
        context.services.cameras.mute(context.tenant, body.until, body.camera)
    return list_cameras(context)


@operations("GET", "/v1/boxes", Role.VIEWER)
def list_boxes(context: V1Context) -> Boxes:
    """List the machines with the edge uploader, by id."""
    from chalicelib.book.cameras import boxes_of  # not at the other routes' cold starts

    return Boxes(
        boxes=[
            _describe_box(box)
            for box in boxes_of(context.services.cameras.list_all(context.tenant))
        ]
    )


@operations("GET", "/v1/fleet", Role.VIEWER)
def get_fleet(context: V1Context) -> Fleet:
    """Read the settings of whole boxes, and how far they are."""
    from chalicelib.book.cameras import MAX_CAMERAS  # not at the other routes' cold starts

    wave = context.services.cameras.read_wave(context.tenant)
    state = "stopped" if wave.stopped else "done" if wave.is_done else "going"
    return Fleet.made_of(wave, state=state, most_boxes=MAX_CAMERAS, most_cameras=MAX_CAMERAS)


@operations("PUT", "/v1/fleet", Role.ADMIN, again=answer_as(get_fleet))
def change_fleet(context: V1Context, body: FleetChanges) -> Fleet:
    """Set what holds for whole boxes, in a wave: one box first.

    The former wave ends where it is.
    """
    context.services.cameras.begin_wave(
        context.tenant, list_sent_members(body.settings), context.request_id
    )
    return get_fleet(context)


@operations("GET", "/v1/cameras/{id}", Role.VIEWER, of_cameras=True)
def get_camera(context: V1Context) -> Camera:
    """Read one camera."""
    context.caller.require_camera(context.path_values["id"])
    return _describe_camera(
        context, context.services.cameras.get(context.tenant, context.path_values["id"])
    )


@operations("PATCH", "/v1/cameras/{id}", Role.ADMIN, again=answer_as(get_camera))
def change_camera(context: V1Context, body: CameraChanges) -> Camera:
    """Change what is sent; the rest stays, labels that are not sent too.

    Captures are resolved by the settings that hold when they are resolved.
    """
    changes = _list_settings(body)
    revision = changes.pop("revision", None)
    return _describe_camera(
        context,
        context.services.cameras.change(
            context.tenant, context.path_values["id"], changes, revision, context.request_id
        ),
    )


@operations("DELETE", "/v1/cameras/{id}", Role.ADMIN, again=answer_nothing)
def delete_camera(context: V1Context) -> None:
    """Forget a camera; its key stops at once, its captures and sightings stay."""
    context.services.cameras.delete(context.tenant, context.path_values["id"], context.request_id)


@operations("POST", "/v1/cameras/{id}/heartbeat", Role.OPERATOR, of_cameras=True)
def send_heartbeat(context: V1Context, body: Heartbeat) -> CameraHeard:
    """Say how the camera is; answered with its settings."""
    from chalicelib.domain.checks import find_request  # not at the other routes' cold starts

    context.caller.require_camera(context.path_values["id"])
    cameras = context.services.cameras
    id_ = context.path_values["id"]
    caller = context.caller.camera
    known_camera = (
        caller if caller is not None and caller.id == id_ else cameras.get(context.tenant, id_)
    )
    camera = (
        cameras.note_refused_box(context.tenant, known_camera, body.status or {})
        if body.refused
        else cameras.note_heartbeat(
            context.tenant, known_camera, body.status, is_working=body.working
        )
    )
    camera = context.services.captures.count_faceless(context.tenant, camera)
    now = context.services.clock.now()
    counting = Counting(film_wanted=find_request(camera, now) is not None)
    return _describe_cameras(context, CameraHeard, [camera], counting=counting)[0]


@operations(
    "POST",
    "/v1/cameras/{id}/key",
    Role.ADMIN,
    again=refuse_secret_again("a key of camera", "ask for one once more"),
)
def renew_camera_key(context: V1Context) -> CameraKeyMade:
    """Make another key; the old one stops at once."""
    id_ = context.path_values["id"]
    return CameraKeyMade(
        id=id_,
        api_key=context.services.cameras.replace_key(context.tenant, id_, context.request_id),
    )


@operations("POST", "/v1/cameras/{id}/claim", Role.ADMIN, status=201)
def make_claim_code(context: V1Context) -> ClaimCode:
    """Make a code by which a box gets this camera's key: once, within 15 minutes, until the camera
    gets another key.

    The key that the camera has stays until the code is used. The QR code has the line that the box
    runs, `regulars-edge claim` with the code and the URL of this service.
    """
    code, expires_at = context.services.cameras.make_claim_code(
        context.tenant, context.path_values["id"]
    )
    line = f"regulars-edge claim {code} {context.route('')}"
    return ClaimCode(claim_code=code, expires_at=time_text(expires_at), **draw_qr_code(line))


@operations("GET", "/v1/cameras/{id}/view", Role.OPERATOR)
def list_views(context: V1Context) -> Views:
    """Read what the camera showed when the shop opened, today and on the morning before.

    Each is kept for two days. The key must see pictures.
    """
    context.caller.require_pictures()
    views = context.services.cameras.list_views(context.tenant, context.path_values["id"])
    return Views(views=[View.made_of(view) for view in views])


@operations("PUT", "/v1/cameras/{id}/view", Role.OPERATOR, of_cameras=True, again=answer_nothing)
def give_view(context: V1Context, body: ViewTaken) -> None:
    """Send what the camera shows this morning, once a day: a JPEG of up to 256 KiB.

    It is no capture, and nobody is searched in it. It must show nobody who could be known.

    409 Conflict if none is due.
    """
    context.caller.require_camera(context.path_values["id"])
    context.services.cameras.store_view(
        context.tenant, context.path_values["id"], body.picture, context.request_id
    )


@operations("POST", "/v1/cameras/{id}/view", Role.OPERATOR)
def accept_view(context: V1Context) -> Camera:
    """Say that what the camera shows is right, though its box says that it has changed.

    The box hears it with the answer to its next heartbeat. What the camera shows in the next day
    of use is usual from then on.
    """
    return _describe_camera(
        context, context.services.cameras.accept_view(context.tenant, context.path_values["id"])
    )


@operations("POST", "/v1/cameras/{id}/still", Role.OPERATOR, status=202)
def ask_for_still(context: V1Context) -> Still:
    """Ask what the camera sees: its box answers after its next heartbeat, and quickly for ten
    minutes from then on.

    409 Conflict if the tenant keeps no pictures. The key must see pictures.
    """
    context.caller.require_pictures()
    return Still.made_of(
        context.services.cameras.ask_for_still(context.tenant, context.path_values["id"])
    )


@operations("GET", "/v1/cameras/{id}/still", Role.OPERATOR)
def get_still(context: V1Context) -> Still:
    """Read the last still, if it is no older than an hour. The key must see pictures."""
    context.caller.require_pictures()
    return Still.made_of(
        context.services.cameras.read_still(context.tenant, context.path_values["id"])
    )


@operations("PUT", "/v1/cameras/{id}/still", Role.OPERATOR, of_cameras=True, again=answer_nothing)
def give_still(context: V1Context, body: StillTaken) -> None:
    """Send the still that was asked for: a JPEG of up to 256 KiB.

    It is no capture, and nobody is searched in it.

    409 Conflict if nobody asks.
    """
    context.caller.require_camera(context.path_values["id"])
    context.services.cameras.store_still(
        context.tenant, context.path_values["id"], body.picture, context.request_id
    )


def _describe_box(box: cameras.EdgeBox) -> EdgeBox:
    """Describe a box.

    A status holds whatever was sent, so what is of another type counts as not sent.
    """

    def parse_status(name: str, kind: type[_Told]) -> _Told | None:
        value = box.status.get(name)
        if isinstance(value, int) and not isinstance(value, bool) and kind is float:
            value = float(value)
        return value if isinstance(value, kind) else None

    return EdgeBox.made_of(
        box,
        name=parse_status("box_name", str),
        version=parse_status("version", str),
        disk_free_mib=parse_status("disk_free_mib", float),
        clock_error_s=parse_status("clock_error_s", float),
        temperature_c=parse_status("temperature_c", float),
    )


def _list_settings(body: CameraSettings) -> dict[str, Any]:
    """Give the settings that were sent, in the form that Cameras.change takes."""
    settings = list_sent_members(body)
    if "labels" in settings:
        settings["labels"] = {letter: text or "" for letter, text in settings["labels"].items()}
    if settings.get("groups") is not None:
        settings["groups"] = tuple(settings["groups"])
    return settings


def _describe_camera(context: V1Context, camera: captures.Camera) -> Camera:
    """Describe one camera, and how right its count is."""
    is_own_key = context.caller.camera is not None
    proof = (
        None if is_own_key else context.services.counts.checks.find_proof(context.tenant, camera)
    )
    return replace(_describe_cameras(context, Camera, [camera])[0], proof=describe_proof(proof))


def _describe_cameras(
    context: V1Context, kind: type[_Camera], cameras: Sequence[captures.Camera], **more: object
) -> list[_Camera]:
    """Describe cameras, with the names of the groups that they look for.

    Deleted groups are left out.

    `kind`: the class of the answer. `more`: members that only this class has.
    """
    from chalicelib.book.cameras import is_view_due  # not at the other routes' cold starts

    names: Mapping[str, str] = {}
    if any(camera.group_ids for camera in cameras):
        names = {group.id: group.name for group in context.services.groups.list_all(context.tenant)}
    now, descriptions = context.services.clock.now(), []
    for camera in cameras:
        groups = (
            None
            if camera.group_ids is None
            else [names[id_] for id_ in camera.group_ids if id_ in names]
        )
        descriptions.append(
            kind.made_of(
                camera,
                groups=groups,
                revision=camera.version,
                view_due=is_view_due(camera, context.tenant, now),
                forgets_strangers=context.tenant.forgets_strangers or not camera.keeps_strangers,
                proof=None,
                health=_describe_health(context.tenant, camera, now),
                **more,
            )
        )
    return descriptions


def _describe_health(tenant: model.Tenant, camera: captures.Camera, now: datetime) -> Health:
    state = _name_state(tenant, camera, now)
    # not at the other routes' cold starts
    from chalicelib.book.cameras import find_refused_box, find_trouble
    from chalicelib.domain.rules.camera_states import is_muted

    trouble, muted_until = find_trouble(camera, tenant, now), None
    if is_muted(camera, now):
        muted_until = camera.muted_until
    outages = [Outage.made_of(outage) for outage in camera.outages]
    if state in ("silent", "quiet"):
        outages.append(
            Outage(since=time_text(camera.last_seen_at or camera.created_at), until=None)
        )
    return Health.made_of(
        camera,
        state=state,
        trouble=trouble.name if trouble else None,
        blind=trouble is not None and trouble.is_blind,
        needs_somebody=trouble is not None and muted_until is None,
        view_changed=is_view_changed(camera),
        refused_box=find_refused_box(camera, now),
        outages=outages,
        muted_until=parse_optional(time_text, muted_until),
    )


def _name_state(tenant: model.Tenant, camera: captures.Camera, now: datetime) -> State:
    """Name the camera's state: of several that fit, the first in this order."""
    # not at the other routes' cold starts
    from chalicelib.book.cameras import find_silence, is_unwatched

    if not camera.enabled:
        return "disabled"
    if silence := find_silence(camera, tenant, now):
        return silence.value
    if camera.failing_at is not None:
        return "failing"
    if camera.last_seen_at is None:
        return "never_seen"
    return "unwatched" if is_unwatched(camera, now) else "ok"
