"""Cameras: their settings and keys, their heartbeats, and the detection of silent ones.

Cameras are the sources of captures, each with its own settings and bearer key. Also here: stills,
which show what a camera sees now, and the settings of whole boxes, which a rollout copies from one
box to all (domain/captures).

A still is one small picture on request, for aiming the camera. It is no capture, appears in no
statistics, and is deleted soon.
"""

from __future__ import annotations

import re
import secrets
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.book.idempotency import RequestId
from chalicelib.domain import api_keys, audit_events
from chalicelib.domain.captures import (
    BEATEN,
    CAMERA_SETTINGS,
    MOST_OUTAGES,
    SETTINGS_OF_CAMERA,
    Camera,
    CameraOptions,
    LastSign,
    Outage,
    Wave,
    advance_wave,
    begin_wave,
    edge_of,
    is_camera_id,
    require_camera_id,
)
from chalicelib.domain.counts import require_line
from chalicelib.domain.done import ActKind, compare_things, make_deletion
from chalicelib.domain.effects import Effect, name_access, name_code
from chalicelib.domain.errors import (
    CameraExists,
    CameraNotFound,
    Changed,
    ConditionFailed,
    Conflict,
    InvalidInput,
    TenantDisabled,
    TooManyCameras,
    Unusable,
    WrongCredentials,
    require_revision,
)
from chalicelib.domain.jobs import Job
from chalicelib.domain.local_time import local_hour
from chalicelib.domain.model import Tenant
from chalicelib.domain.names import printable_name
from chalicelib.domain.opening import find_opening_hour, parse_opening
from chalicelib.domain.rules.camera_states import (
    Trouble,
    choose_trouble,
    is_muted,
    note_trouble,
)
from chalicelib.domain.rules.usual import WEEKS, Usual, is_quieter
from chalicelib.domain.setting import require
from chalicelib.domain.texts import Texts
from chalicelib.service import Service
from chalicelib.storage import keys
from chalicelib.storage.items import (
    cut_in_parts,
    retry_if_changed,
    walk_items,
    write,
    write_unless_changed,
)
from chalicelib.storage.ports import (
    Action,
    Delete,
    Item,
    Put,
    Update,
    absent,
    at_least,
    equals,
    exists,
)
from chalicelib.storage.records.captures import (
    OUTAGES,
    STATUS,
    TOLD_TROUBLE,
    USUAL,
    camera_from,
    camera_item,
    setting_fields,
    trouble_fields,
    wave_from,
    wave_item,
)
from chalicelib.storage.values import (
    milliseconds,
    moment,
    number,
    one_line,
    parse_optional,
    time_text,
)

if TYPE_CHECKING:
    from chalicelib.book.book import Book

MAX_CAMERAS = 1_000
"""Cameras of a tenant."""
CODE_GOOD_FOR = timedelta(minutes=15)
"""So long may a code claim its camera: somebody types it into the box beside the camera."""
_CODE_LETTERS, _CODE_LENGTH = "0123456789ABCDEFGHJKMNPQRSTVWXYZ", 12
"""Of codes that claim a camera: 60 bits, in letters that nobody takes for another (Crockford's base
32)."""
_MISREAD_LETTERS = str.maketrans({"O": "0", "I": "1", "L": "1", "-": "", " ": ""})
SEEN_EVERY = timedelta(minutes=1)
"""So often is it written at most that a camera without heartbeats was seen."""
BEAT_EVERY = timedelta(minutes=7)
"""So often is it written that a heartbeat came in which only numbers have changed: boxes beat every
two minutes."""
REFUSED_FOR = timedelta(minutes=20)
"""So long is a box that was refused told of: boxes ask every two minutes."""
NUMBERS_EVERY_MS = 900_000
"""So often are those numbers written: their length changes, and pages of the file are divided and
joined for it."""

_ID_FREE, _NAME_FREE, _ROOM, _COUNTED = "id-free", "name-free", "room", "counted-as-read"
_SAME, _KEY_SAME = "as-it-was-read", "key-as-it-was-read"
"""Names of conditions, by which a refused transaction says what was wrong."""
NAME_LENGTH = 100
"""Characters of a camera's name: a line of the console."""
_MUTED_AT_ONCE = 50
"""Cameras that one transaction mutes: each is two of the 100 actions that DynamoDB takes."""
MUTED_FOR = timedelta(days=31)
"""At most: a camera that nobody unmutes is not forgotten."""

_NOT_OF_ID = re.compile(r"[^A-Za-z0-9_.-]+", re.ASCII)
_SLUG_LENGTH, _NAMELESS = 56, "camera"

_BUSY = "this camera is changed by others all the time: send the request again in a moment"


class CameraSettings(CameraOptions, frozen=True, kw_only=True):
    """The settings of a Camera of domain/captures.py, with the names of its groups in place of
    their ids."""

    groups: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        """Raise InvalidInput if a setting is out of bounds."""
        require(CAMERA_SETTINGS, self)
        if "count" in self.edge:
            require_line(self.edge["count"])


def legal_camera_name(name: str) -> str:
    """Return the name in the form in which it is stored (Unicode NFC). Raises InvalidInput."""
    return printable_name(name, NAME_LENGTH, "a camera's")


def id_of_name(name: str) -> str:
    """Return the name if it is a legal id, else one made of its legal characters, or `camera` if it
    has none."""
    if is_camera_id(name):
        return name
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode("ascii")
    return _NOT_OF_ID.sub("-", plain).strip(".-")[:_SLUG_LENGTH].rstrip(".-") or _NAMELESS


_NO_SETTINGS = CameraSettings()


class EdgeBox(Struct, frozen=True):
    """A machine beside cameras, as their heartbeats report it."""

    id: str
    status: Mapping[str, Any]
    """That of the camera which was heard last."""
    last_seen_at: datetime | None
    """Also if its cameras give nothing."""
    cameras: tuple[str, ...]
    """Ids."""


def boxes_of(cameras: Iterable[Camera]) -> list[EdgeBox]:
    """Return the boxes that cameras' last heartbeats name, by id."""
    cameras_by_box: dict[str, list[Camera]] = {}
    for camera in cameras:
        box_id = camera.status.get("box")
        if isinstance(box_id, str) and box_id:
            cameras_by_box.setdefault(box_id, []).append(camera)
    boxes = []
    for box_id, box_cameras in sorted(cameras_by_box.items()):
        heartbeats = [
            (heard_at, camera)
            for camera in box_cameras
            for heard_at in (camera.last_seen_at, camera.failing_at)
            if heard_at is not None
        ]
        last_heard_at, newest = max(
            heartbeats, key=lambda pair: pair[0], default=(None, box_cameras[0])
        )
        boxes.append(
            EdgeBox(
                box_id, newest.status, last_heard_at, tuple(camera.id for camera in box_cameras)
            )
        )
    return boxes


class Cameras(Service["Book"]):
    @retry_if_changed(
        "many cameras of this tenant are added at once: send the request again in a moment"
    )
    def add(
        self,
        tenant: Tenant,
        id_: str | None,
        name: str,
        settings: CameraSettings = _NO_SETTINGS,
        *,
        request: RequestId | None = None,
        key: str | None = None,
    ) -> tuple[Camera, str]:
        """Add a camera; return it and its api_key, which is shown nowhere else.

        `key`: the api_key; None: a random one. `id_` None: the id is made of the legal characters
        of the name, and made unique. No camera's name or id may be another camera's name or id.
        Raises InvalidInput, GroupNotFound, CameraExists, TooManyCameras, Busy, AnsweredAlready with
        the `id` of the camera.
        """
        name = legal_camera_name(name)
        group_ids = self._read_group_ids(tenant, settings.groups)
        if id_ is not None:
            require_camera_id(id_)
        key = key or api_keys.new_key(api_keys.OF_CAMERA)
        camera = Camera(
            id=id_ or self._choose_free_id(tenant, id_of_name(name)),
            name=name,
            created_at=self.services.clock.now(),
            group_ids=group_ids,
            **{
                field: getattr(settings, field)
                for field in settings.__struct_fields__
                if field != "groups"
            },
        )
        camera = replace(camera, former_until=self._find_former_end(tenant, camera))
        try:
            self.services.requests.write_with_answer(
                tenant.name,
                self._make_addition_actions(tenant, camera, key),
                request,
                {"id": camera.id},
            )
        except ConditionFailed as error:
            self._raise_refused(camera, error, may_choose_id=id_ is None and camera.id != name)
            raise
        return camera, key

    def list_all(self, tenant: Tenant) -> list[Camera]:
        """Return all cameras, by id."""
        return [
            *map(
                camera_from,
                walk_items(self.services.items, keys.CAMERAS, tenant.name, between=keys.CAMERA_IDS),
            )
        ]

    def count(self, tenant: Tenant) -> int:
        """Return the number of cameras, from one item."""
        counted = self.services.items.get(keys.CAMERAS, (tenant.name, keys.CAMERAS_LEFT))
        return 0 if counted is None else MAX_CAMERAS - int(counted["left"])

    def get(self, tenant: Tenant, id_: str) -> Camera:
        """Return the camera of that id. Raises CameraNotFound."""
        return camera_from(self._read_item(tenant, id_))

    def get_by_any_name(self, tenant: Tenant, id_or_name: str) -> Camera:
        """Return the camera of that id, else of that name. Raises CameraNotFound."""
        with suppress(CameraNotFound):
            return self.get(tenant, id_or_name)
        with suppress(InvalidInput):
            name_item = self.services.items.get(
                keys.CAMERAS, (tenant.name, keys.camera_name(legal_camera_name(id_or_name)))
            )
            if name_item is not None:
                return self.get(tenant, name_item["camera"])
        raise CameraNotFound(
            f"there is no camera {id_or_name[:100]!r}: make it first, or see the list of cameras"
        )

    def find_by_any_name(self, tenant: Tenant, id_or_name: str) -> Camera | None:
        """Return the camera of that id, else of that name; None: there is none."""
        try:
            return self.get_by_any_name(tenant, id_or_name)
        except CameraNotFound:
            return None

    def id_of(self, tenant: Tenant, id_or_name: str) -> str:
        """Return the id of the camera with this name; if there is none, perhaps since it was
        deleted, the id it would have had."""
        camera = self.find_by_any_name(tenant, id_or_name)
        return id_or_name if camera is None else camera.id

    def find_by_api_key(self, api_key: str) -> tuple[Tenant, Camera] | None:
        """Return the tenant and the camera of a key, even if one is disabled; None for a tenant's
        key."""
        if not api_keys.is_key(api_key, api_keys.OF_CAMERA):
            return None
        hashed = api_keys.digest(api_key)
        owner = self.services.tenants.read_owner(keys.api_key_item(hashed))
        if owner is None:
            return None
        wait_for_tenant = self.services.storage.begin_call(
            lambda: self.services.tenants.find(owner["tenant"])
        )
        item = self.services.items.get(keys.CAMERAS, (owner["tenant"], owner["camera"]))
        tenant = wait_for_tenant()
        if tenant is None or item is None or item["key_digest"] != hashed:
            return None
        return tenant, camera_from(item)

    @retry_if_changed(_BUSY)
    def change(
        self,
        tenant: Tenant,
        id_: str,
        changes: Mapping[str, Any],
        revision: int | None = None,
        request: RequestId | None = None,
    ) -> Camera:
        """Set the fields in `changes`: `name` and those of CameraSettings.

        Labels that are not sent stay.

        Captures that wait to be resolved are resolved by the new settings. `revision`: the camera's
        version that the caller read; None: any. Raises CameraNotFound, Changed, InvalidInput,
        GroupNotFound, CameraExists, Busy, AnsweredAlready.
        """
        camera = self.get(tenant, id_)
        require_revision("the camera", camera.version, revision)
        wanted_camera = self._apply_changes(tenant, camera, changes)
        if wanted_camera == camera:
            self.services.requests.write_with_answer(tenant.name, [], request)
            return camera
        changed_camera = replace(wanted_camera, version=camera.version + 1)
        try:
            self.services.requests.write_with_answer(
                tenant.name, _make_change_actions(tenant.name, camera, changed_camera), request
            )
        except ConditionFailed as error:
            if _NAME_FREE in error.names:
                raise _make_name_in_use_error(changed_camera.name) from error
            raise
        return changed_camera

    @retry_if_changed(_BUSY)
    def delete(self, tenant: Tenant, id_: str, request: RequestId | None = None) -> None:
        """Delete the camera, and the checks of its count. Its key stops; its captures and
        sightings stay.

        Raises CameraNotFound, Busy, AnsweredAlready.
        """
        item = self._read_item(tenant, id_)
        if_same = (
            equals("version", item["version"], _SAME),
            equals("key_digest", item["key_digest"], _KEY_SAME),
        )
        actions: list[Action] = [
            Delete(
                keys.CAMERAS,
                (tenant.name, id_),
                if_same,
                was=make_deletion(ActKind.CAMERA, id_, item["name"]),
            ),
            *(
                Delete(keys.CAMERAS, (tenant.name, name_key))
                for name_key in sorted(_list_name_keys(id_, item["name"]))
            ),
            Update(
                keys.CAMERAS, (tenant.name, keys.CAMERAS_LEFT), (exists(_COUNTED),), add={"left": 1}
            ),
            *(
                Delete(keys.DIRECTORY, (tenant.name, checks_key))
                for checks_key in (keys.checks_item(id_), keys.film_item(id_))
            ),
            api_keys.shut_out(keys.api_key_item(item["key_digest"]), camera=id_),
            Put(keys.CAMERAS, _make_past_item(tenant.name, id_, self.services.clock.now())),
        ]
        self.services.requests.write_with_answer(tenant.name, actions, request)

    @retry_if_changed(_BUSY)
    def replace_key(self, tenant: Tenant, id_: str, request: RequestId | None = None) -> str:
        """Replace the camera's api_key; the old one stops at once.

        Raises CameraNotFound, Busy, AnsweredAlready.
        """
        key, actions = _make_replacement_key(
            tenant, id_, self._read_item(tenant, id_)["key_digest"]
        )
        self.services.requests.write_with_answer(tenant.name, actions, request, {"id": id_})
        return key

    def make_claim_code(self, tenant: Tenant, id_: str) -> tuple[str, datetime]:
        """Make a one-time code by which a box gets the camera's key, and return it with its expiry.

        Raises CameraNotFound.

        Another key of the camera ends it.
        """
        digest = self._read_item(tenant, id_)["key_digest"]
        expires_at = self.services.clock.now() + CODE_GOOD_FOR
        code = "".join(secrets.choice(_CODE_LETTERS) for _ in range(_CODE_LENGTH))
        kind, code_digest = keys.code_item(api_keys.digest(code))
        item = {
            "kind": kind,
            "id": code_digest,
            "tenant": tenant.name,
            "camera": id_,
            "digest": digest,
        }
        if_free = (absent("code-free"),)
        code_item = {**item, "expires_at": int(expires_at.timestamp())}
        does = ((Effect.GIVES_ACCESS, name_code(name_access("camera", id_))),)
        write(self.services.items, [Put(keys.TENANTS, code_item, if_free, does)])
        return "-".join(code[begin : begin + 4] for begin in range(0, _CODE_LENGTH, 4)), expires_at

    def redeem_code(self, code: str) -> tuple[Camera, str]:
        """Use a code up: its camera gets another key, and the old key stops.

        Raises WrongCredentials, TenantDisabled.
        """
        code_key = keys.code_item(api_keys.digest(code.upper().translate(_MISREAD_LETTERS)))
        item = self.services.items.get(keys.TENANTS, code_key)
        if (
            item is None
            or "camera" not in item
            or item["expires_at"] <= self.services.clock.now().timestamp()
        ):
            raise _make_code_error()
        if (tenant := self.services.tenants.find(item["tenant"])) is None:
            raise _make_code_error()
        if tenant.disabled:
            raise TenantDisabled("this tenant is not activated: ask its operator to enable it")
        id_ = item["camera"]
        key, actions = _make_replacement_key(tenant, id_, item["digest"])
        does = ((Effect.TAKES_ACCESS, name_code(name_access("camera", id_))),)
        audit_events.report_tenant(tenant.name)
        audit_events.add_details(of=id_)
        try:
            camera = self.get(tenant, id_)
            used_up = Delete(keys.TENANTS, code_key, (exists("code-unused"),), does)
            write(self.services.items, [used_up, *actions])
        except (CameraNotFound, ConditionFailed) as error:
            raise _make_code_error() from error
        return camera, key

    def note_last_seen(self, tenant: Tenant, camera: Camera, now: datetime) -> None:
        """Note that the camera was seen, as often as its heartbeats are, and that it is not silent
        any more."""
        every = BEAT_EVERY if camera.status else SEEN_EVERY
        if camera.last_seen_at is None or camera.silent_since or now - camera.last_seen_at >= every:
            fields = {"last_seen_at": milliseconds(now), **_outage_fields(camera, tenant, now)}
            self._note_fields(tenant, camera.id, fields, no_more=("silent_since",))

    def note_heartbeat(
        self,
        tenant: Tenant,
        camera: Camera,
        status: Mapping[str, Any] | None,
        *,
        is_working: bool = True,
    ) -> Camera:
        """Note that the camera, as it was just read, was seen, and its status (None: it sent none).

        News is written at once: another status, or the end of a silence. Other heartbeats are
        written every BEAT_EVERY, and a status in which only numbers changed every NUMBERS_EVERY_MS.
        `is_working` False: the box beside the camera says that it gives no pictures, so it was not
        seen. Raises CameraNotFound, InvalidInput.
        """
        now = self.services.clock.now()
        status_fields = _choose_status_fields(camera, status, now, is_working=is_working)
        if status_fields is None:
            return camera
        if is_working:
            seen_fields = dict.fromkeys(("last_seen_at", "heartbeat_at"), milliseconds(now))
            noted, gone = _choose_trouble_fields(camera, status, now)
            outages = _outage_fields(camera, tenant, now)
            fields = {**status_fields, **seen_fields, **outages, **noted}
            no_more = ("silent_since", "failing_at", *gone)
            self._note_fields(tenant, camera.id, fields, no_more=no_more)
        else:
            self._note_fields(tenant, camera.id, {**status_fields, "failing_at": milliseconds(now)})
        return self.get(tenant, camera.id)

    def note_refused_box(self, tenant: Tenant, camera: Camera, status: Mapping[str, Any]) -> Camera:
        """Note that a box, by its name in `status`, has refused itself: another one feeds the
        camera.

        It is written every BEAT_EVERY. Return the changed camera. Raises InvalidInput.
        """
        now, name = self.services.clock.now(), status.get("box_name")
        if not isinstance(name, str) or not name:
            raise InvalidInput("a box that is refused says which one it is: send status.box_name")
        changed = replace(camera, refused_box=name[:NAME_LENGTH], refused_at=now)
        if find_refused_box(camera, now, BEAT_EVERY) != changed.refused_box:
            fields = {"refused_box": changed.refused_box, "refused_at": milliseconds(now)}
            self._note_fields(tenant, camera.id, fields)
        return changed

    def note_faceless(self, tenant: Tenant, camera: Camera, share: float | None) -> Camera:
        """Note the share of the camera's captures without a face, as it was counted now.

        Return the changed camera.
        """
        now = self.services.clock.now()
        fields = {
            "faceless_share": parse_optional(number(".2f").write, share),
            "faceless_at": milliseconds(now),
        }
        self._note_fields(tenant, camera.id, fields)
        return replace(camera, faceless_share=share, faceless_at=now)

    def list_in_need(self, tenant: Tenant, now: datetime) -> list[tuple[Camera, Trouble]]:
        """Return the cameras that need attention: they have a problem that is not muted."""
        return [
            (camera, trouble)
            for camera in self.list_all(tenant)
            if (trouble := find_trouble(camera, tenant, now)) and not is_muted(camera, now)
        ]

    def describe_needs(self, tenant: Tenant, now: datetime, texts: Texts) -> list[str]:
        """Return a line with the cameras that need attention, and why; no line if none does."""
        said = [
            f"{one_line(camera.name)} ({texts.write(f'camera.{trouble.name}')})"
            for camera, trouble in self.list_in_need(tenant, now)
        ]
        return [texts.write("week.cameras", cameras=", ".join(said))] if said else []

    def list_watched(self, tenant: Tenant, now: datetime) -> list[tuple[Camera, Silence | None]]:
        """Return the enabled, unmuted cameras, each with its silence, except those whose silence
        was reported already."""
        watched = (
            (camera, find_silence(camera, tenant, now))
            for camera in self.list_all(tenant)
            if camera.enabled and not is_muted(camera, now)
        )
        return [
            (camera, silence)
            for camera, silence in watched
            if silence is None or camera.silent_since is None
        ]

    @retry_if_changed(_BUSY)
    def mute(self, tenant: Tenant, until: datetime, camera_id: str | None = None) -> None:
        """Mute the events of silent cameras until a time.

        `camera_id`: the camera; None: all cameras. Raises InvalidInput, CameraNotFound, Busy.
        """
        now = self.services.clock.now()
        if not now < until <= now + MUTED_FOR:
            last_time = time_text(now + MUTED_FOR)
            raise InvalidInput(
                f"cameras are muted for {MUTED_FOR.days} days at most: send an `until` after now, "
                f"by {last_time}"
            )
        self._change_muting(tenant, camera_id, {"muted_until": milliseconds(until)})

    def unmute(self, tenant: Tenant, camera_id: str | None = None) -> None:
        """Send the events of silent cameras again from now on.

        `camera_id`: the camera; None: all cameras. Raises CameraNotFound, Busy.
        """
        self._change_muting(tenant, camera_id, {}, removed_fields=("muted_until",))

    def _change_muting(
        self,
        tenant: Tenant,
        camera_id: str | None,
        fields: Item,
        removed_fields: tuple[str, ...] = (),
    ) -> None:
        """Write the time until which cameras are muted, or remove it.

        `camera_id`: the camera; None: all of the tenant's. `fields`: the attributes to be set;
        `removed_fields`: the attributes to be removed. Raises CameraNotFound, Busy, and
        ConditionFailed if a camera was deleted in between.
        """
        cameras = self.list_all(tenant) if camera_id is None else [self.get(tenant, camera_id)]
        audit_events.add_details(of=camera_id or "all")
        if_there = (exists("camera-there"),)
        changes = [
            Update(
                keys.CAMERAS,
                (tenant.name, camera.id),
                if_there,
                set=fields,
                remove=removed_fields,
                repeatable=True,
            )
            for camera in cameras
        ]
        for batch in cut_in_parts(changes, _MUTED_AT_ONCE):
            write(self.services.items, batch)

    def learn_usual(self, tenant: Tenant) -> None:
        """Store the usual pattern of each camera without heartbeats, by the visits of the last
        weeks."""
        without_heartbeats = [
            camera
            for camera in self.list_all(tenant)
            if camera.last_seen_at is not None and not camera.beats
        ]
        if not without_heartbeats:
            return
        usual_by_camera = self.services.statistics.find_usual_of_cameras(tenant)
        learnt_since = self.services.clock.now() - timedelta(weeks=WEEKS)
        for camera in without_heartbeats:
            usual = usual_by_camera.get(camera.id)
            if camera.former_until is not None and camera.former_until > learnt_since:
                usual = None  # these weeks are of another camera, too
            hundredths = (
                ()
                if usual is None
                else tuple(round(100 * people_of_hour) for people_of_hour in usual.hours)
            )
            if hundredths != camera.usual:
                fields = {"usual": USUAL.write(hundredths)} if hundredths else {}
                self._note_fields(
                    tenant, camera.id, fields, no_more=() if hundredths else ("usual",)
                )

    def list_jobs(self) -> tuple[Job, ...]:
        return (Job("usual", lambda context: self.learn_usual(context.tenant), nightly=True),)

    def accept_view(self, tenant: Tenant, camera_id: str) -> Camera:
        """Record that a person confirmed the camera's view: its box receives this with the answer
        to its next heartbeat. Raises CameraNotFound."""
        camera, now = self.get(tenant, camera_id), self.services.clock.now()
        audit_events.add_details(of=camera.id)
        if_there = (exists("camera-there"),)
        change = {"view_right_at": milliseconds(now)}
        write(
            self.services.items,
            [Update(keys.CAMERAS, (tenant.name, camera.id), if_there, set=change, repeatable=True)],
        )
        return replace(camera, view_right_at=now)

    def ask_for_still(self, tenant: Tenant, camera_id: str) -> Still:
        """Have the camera's box asked at its next heartbeat. Raises CameraNotFound, Conflict."""
        if not tenant.keeps_pictures:
            raise Conflict(
                "this tenant keeps no pictures (its setting keeps_pictures), and so no stills"
            )
        camera = self.get(tenant, camera_id)
        now = self.services.clock.now()
        last_still = self.read_still(tenant, camera_id)
        if_there = (exists("camera-there"),)
        audit_events.add_details(of=camera.id)
        change = {"still_asked_at": milliseconds(now)}
        write(
            self.services.items,
            [Update(keys.CAMERAS, (tenant.name, camera.id), if_there, set=change, repeatable=True)],
        )
        return replace(last_still, asked_at=now)

    def store_still(
        self, tenant: Tenant, camera_id: str, picture: bytes, request: RequestId | None = None
    ) -> None:
        """Keep the picture that was asked for, for an hour.

        Raises CameraNotFound, Unusable, Conflict, AnsweredAlready.
        """
        camera, now = self.get(tenant, camera_id), self.services.clock.now()
        asked_at = _parse_open_request(camera, now)
        if asked_at is None or not tenant.keeps_pictures:
            raise Conflict(
                "nobody asks for a still of this camera: send one when still_asked_at of an answer "
                "says so"
            )
        _require_small_jpeg(picture, "a still")
        kind, id_ = keys.still_item(tenant.name, camera.id)
        fields = {
            "picture": picture,
            "taken_at": milliseconds(now),
            "expires_at": int((now + STILL_SHOWN_FOR).timestamp()),
        }
        if_same_request = (equals("still_asked_at", milliseconds(asked_at), "asked-as-read"),)
        request_end = Update(
            keys.CAMERAS, (tenant.name, camera.id), if_same_request, remove=("still_asked_at",)
        )
        try:
            still_put = Put(
                keys.TENANTS, {"kind": kind, "id": id_, "tenant": tenant.name, **fields}
            )
            self.services.requests.write_with_answer(tenant.name, [still_put, request_end], request)
        except ConditionFailed as error:
            raise Conflict(
                "this still was sent already, or another is asked for: look at the next answer"
            ) from error

    def read_still(self, tenant: Tenant, camera_id: str) -> Still:
        """Return the camera's last still, if it is kept yet. Raises CameraNotFound."""
        camera, now = self.get(tenant, camera_id), self.services.clock.now()
        item = self.services.items.get(keys.TENANTS, keys.still_item(tenant.name, camera.id))
        if (
            item is None
            or item["expires_at"] <= now.timestamp()
            or not tenant.keeps_pictures
            or _is_of_former(camera, item)
        ):
            return Still(_parse_open_request(camera, now))
        taken_at = moment(item["taken_at"])
        audit_events.report_picture(f"still {camera.id} {time_text(taken_at)}")
        return Still(_parse_open_request(camera, now), taken_at, bytes(item["picture"]))

    @retry_if_changed(_BUSY)
    def store_view(
        self, tenant: Tenant, camera_id: str, picture: bytes, request: RequestId | None = None
    ) -> None:
        """Keep the view of this morning, and the one before beside it, for two days each.

        Raises CameraNotFound, Unusable, Conflict, Busy, AnsweredAlready.
        """
        camera, now = self.get(tenant, camera_id), self.services.clock.now()
        if not is_view_due(camera, tenant, now):
            raise Conflict(
                "no view of this camera is due: send one a day, when view_due of an answer says so"
            )
        _require_small_jpeg(picture, "a view")
        kind, id_ = keys.view_item(tenant.name, camera.id)
        former = self.services.items.get(keys.TENANTS, (kind, id_))
        item = {
            "kind": kind,
            "id": id_,
            "tenant": tenant.name,
            "picture": picture,
            "taken_at": milliseconds(now),
            "expires_at": int((now + VIEW_SHOWN_FOR).timestamp()),
        }
        puts: list[Action] = [Put(keys.TENANTS, item)]
        if former is not None:
            _, former_id = keys.view_item(tenant.name, camera.id, is_former=True)
            puts.append(Put(keys.TENANTS, {**former, "id": former_id}))
        if_same = (
            exists("camera-there")
            if camera.view_at is None
            else equals("view_at", milliseconds(camera.view_at), "the-same-view")
        )
        change = {"view_at": milliseconds(now)}
        camera_update = Update(keys.CAMERAS, (tenant.name, camera.id), (if_same,), set=change)
        self.services.requests.write_with_answer(tenant.name, [*puts, camera_update], request)

    def list_views(self, tenant: Tenant, camera_id: str) -> list[View]:
        """Return the camera's views of this morning and the one before, as far as they are kept,
        newest first. Raises CameraNotFound."""
        camera, now = self.get(tenant, camera_id), self.services.clock.now()
        places = [
            keys.view_item(tenant.name, camera.id, is_former=is_former)
            for is_former in (False, True)
        ]
        views = [
            View(moment(item["taken_at"]), bytes(item["picture"]))
            for item in self.services.items.get_many(keys.TENANTS, places)
            if item is not None
            and item["expires_at"] > now.timestamp()
            and not _is_of_former(camera, item)
        ]
        if not tenant.keeps_pictures:
            return []
        for view in views:
            audit_events.report_picture(f"view {camera.id} {time_text(view.taken_at)}")
        return views

    def read_wave(self, tenant: Tenant) -> Wave:
        """Return how far the settings are that were set last; before that, nothing is set, and all
        have it."""
        item = self.services.items.get(keys.CAMERAS, (tenant.name, keys.FLEET))
        wave = Wave(tenant.created_at, is_done=True) if item is None else wave_from(item)
        if not wave.is_done:
            return wave
        return replace(wave, reached=tuple(box.id for box in boxes_of(self.list_all(tenant))))

    def compose_edge_settings(
        self, tenant: Tenant, camera: Camera, wanted_settings: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        """Return the intended settings of a camera's uploader, including those of a rollout."""
        item = self.services.items.get(keys.CAMERAS, (tenant.name, keys.FLEET))
        return (
            edge_of(wave_from(item), camera.status.get("box"), camera.edge, wanted_settings)
            if item
            else wanted_settings
        )

    def begin_wave(
        self, tenant: Tenant, settings: Mapping[str, Any], request: RequestId | None = None
    ) -> Wave:
        """Start a rollout, which replaces the one before, or let that one continue.

        Raises Busy, AnsweredAlready.
        """
        wave = begin_wave(self.read_wave(tenant), settings, self.services.clock.now())
        self.services.requests.write_with_answer(
            tenant.name, [Put(keys.CAMERAS, wave_item(tenant.name, wave))], request
        )
        return wave

    def advance_wave(self, tenant: Tenant) -> None:
        """Let the wave go on, and give each box that it has reached the settings, by its cameras.

        Raises Busy.

        A setting of boxes or a camera that somebody changes meanwhile is kept: the next call goes
        on from there.
        """
        item = self.services.items.get(keys.CAMERAS, (tenant.name, keys.FLEET))
        if item is None:
            return
        wave_before = wave_from(item)
        now, cameras = self.services.clock.now(), self.list_all(tenant)
        reports = {
            box.id: LastSign(box.last_seen_at, box.status.get("version"))
            for box in boxes_of(cameras)
        }
        wave = advance_wave(wave_before, reports, now)
        if_same_wave = (equals("at", milliseconds(wave_before.at), "the-same-wave"),)
        put = Put(keys.CAMERAS, wave_item(tenant.name, wave), if_same_wave)
        if wave != wave_before and not write_unless_changed(self.services.items, [put]):
            return
        for camera in cameras:
            if wave.has(box := camera.status.get("box")):
                edge_settings = edge_of(wave, box, camera.edge, camera.edge)
                if edge_settings != camera.edge:
                    with suppress(Changed, CameraNotFound):
                        self.change(
                            tenant, camera.id, {"edge": edge_settings}, revision=camera.version
                        )

    def _read_item(self, tenant: Tenant, id_: str) -> Item:
        item = (
            self.services.items.get(keys.CAMERAS, (tenant.name, id_)) if is_camera_id(id_) else None
        )
        if item is None:
            raise CameraNotFound(
                f"there is no camera {id_[:100]!r}: make it first, or see the list of cameras"
            )
        return item

    def _note_fields(
        self, tenant: Tenant, id_: str, fields: Item, *, no_more: Sequence[str] = ()
    ) -> None:
        if_there, key = (exists("camera-there"),), (tenant.name, id_)
        change = Update(
            keys.CAMERAS,
            key,
            if_there,
            set=fields,
            remove=tuple(no_more),
            repeatable=True,
            lasts=False,
        )
        write_unless_changed(self.services.items, [change])  # or it was deleted meanwhile

    def _read_group_ids(
        self, tenant: Tenant, names: Sequence[str] | None
    ) -> tuple[str, ...] | None:
        if names is None:
            return None
        return tuple(
            dict.fromkeys(self.services.groups.get_by_name(tenant, name).id for name in names)
        )

    def _apply_changes(self, tenant: Tenant, camera: Camera, changes: Mapping[str, Any]) -> Camera:
        """Return the camera with the changes. Raises InvalidInput, GroupNotFound."""
        fields = {
            name: value
            for name, value in changes.items()
            if name not in ("name", "labels", "groups")
        }
        if "edge" in changes:
            fields["edge"] = self.compose_edge_settings(tenant, camera, changes["edge"])
        if "labels" in changes:
            fields["labels"] = camera.labels._replace(**changes["labels"])
        groups = changes.get("groups")
        checked_settings = replace(
            _NO_SETTINGS, **fields, groups=None if groups is None else tuple(groups)
        )
        fields = {name: getattr(checked_settings, name) for name in fields}
        if "groups" in changes:
            fields["group_ids"] = self._read_group_ids(tenant, checked_settings.groups)
        if "name" in changes:
            fields["name"] = legal_camera_name(changes["name"])
        return replace(camera, **fields)

    def _find_former_end(self, tenant: Tenant, camera: Camera) -> datetime | None:
        """Return when the camera was deleted that had the id of a new one; None: none had it."""
        past_key = tenant.name, keys.past_camera(camera.id)
        past_item = self.services.items.get(keys.CAMERAS, past_key)
        return None if past_item is None else moment(past_item["until"])

    def _choose_free_id(self, tenant: Tenant, wanted_id: str) -> str:
        ids = [wanted_id, *(f"{wanted_id}-{number}" for number in range(2, MAX_CAMERAS + 2))]
        for batch in cut_in_parts(ids, 100):
            name_items = self.services.items.get_many(
                keys.CAMERAS, [(tenant.name, keys.camera_name(id_)) for id_ in batch]
            )
            free_ids = [
                id_ for id_, name_item in zip(batch, name_items, strict=True) if name_item is None
            ]
            if free_ids:
                return free_ids[0]
        return wanted_id

    def _make_addition_actions(self, tenant: Tenant, camera: Camera, key: str) -> list[Action]:
        item = camera_item(tenant.name, camera, api_keys.digest(key))
        names = {camera.id: _ID_FREE, camera.name: _NAME_FREE}
        return [
            Put(keys.CAMERAS, item, (absent(_ID_FREE),)),
            *(
                _make_name_put(tenant.name, name, camera.id, condition)
                for name, condition in names.items()
            ),
            self._make_room_action(tenant),
            _make_key_put(tenant, camera.id, key),
        ]

    def _make_room_action(self, tenant: Tenant) -> Action:
        """Return the action that takes one from the cameras left; a tenant's first camera begins
        that count."""
        if self.services.items.get(keys.CAMERAS, (tenant.name, keys.CAMERAS_LEFT)) is None:
            first_count = {"tenant": tenant.name, "id": keys.CAMERAS_LEFT, "left": MAX_CAMERAS - 1}
            return Put(keys.CAMERAS, first_count, (absent(_COUNTED),))
        if_room = (at_least("left", 1, _ROOM),)
        return Update(keys.CAMERAS, (tenant.name, keys.CAMERAS_LEFT), if_room, add={"left": -1})

    def _raise_refused(
        self, camera: Camera, error: ConditionFailed, *, may_choose_id: bool
    ) -> None:
        """Raise the error that the failed conditions mean; return if another try may succeed."""
        if _ROOM in error.names:
            raise TooManyCameras(
                f"there are {MAX_CAMERAS} cameras already, the most that a tenant may have"
            ) from error
        if _NAME_FREE in error.names:
            raise _make_name_in_use_error(camera.name) from error
        if _ID_FREE in error.names and not may_choose_id:
            raise _make_name_in_use_error(camera.id) from error


class Silence(StrEnum):
    """Kind of problem of a camera that is silent."""

    SILENT = "silent"
    """It sends heartbeats, and was not heard for its `silent_after_s`."""
    QUIET = "quiet"
    """It sends captures alone, and it is quieter than usual (domain/rules/usual)."""


def find_silence(camera: Camera, tenant: Tenant, now: datetime) -> Silence | None:
    """Return whether an enabled camera is overdue; one that was never heard is silent."""
    if not camera.enabled or camera.silent_after_s is None:
        return None
    if camera.last_seen_at is None or camera.beats:
        return Silence.SILENT if now >= silent_at(camera) else None
    if not camera.usual:
        return None
    zone = ZoneInfo(tenant.time_zone)
    since, until = (local_hour(at, zone) for at in (camera.last_seen_at, now))
    return (
        Silence.QUIET
        if is_quieter(usual_of(camera), since, until, parse_opening(tenant.opening))
        else None
    )


def find_trouble(camera: Camera, tenant: Tenant, now: datetime) -> Trouble | None:
    """Return a camera's problem, or None."""
    return choose_trouble(camera, find_silence(camera, tenant, now), now)


def is_unwatched(camera: Camera, now: datetime) -> bool:
    """Return whether there is no way to tell if the camera still works."""
    if camera.silent_after_s is None:
        return True
    is_heard = camera.last_seen_at is not None and now - camera.last_seen_at < BEATEN
    return not (camera.beats or camera.usual or is_heard)


def usual_of(camera: Camera) -> Usual:
    return Usual(tuple(hundredths / 100 for hundredths in camera.usual))


def find_refused_box(camera: Camera, now: datetime, within: timedelta = REFUSED_FOR) -> str | None:
    """Return the name of a box that was recently refused because another one feeds the camera; None
    if there is none."""
    is_new = camera.refused_at is not None and now - camera.refused_at < within
    return camera.refused_box if is_new else None


def is_view_due(camera: Camera, tenant: Tenant, now: datetime) -> bool:
    """Return whether the shop has opened today, and the camera's view of this morning is
    missing."""
    if not tenant.keeps_pictures or not camera.enabled:
        return False
    zone = ZoneInfo(tenant.time_zone)
    here = now.astimezone(zone)
    opening_hour = find_opening_hour(tenant.opening, here.weekday())
    is_there = camera.view_at is not None and camera.view_at.astimezone(zone).date() == here.date()
    return opening_hour is not None and here.hour >= opening_hour and not is_there


def silent_at(camera: Camera) -> datetime:
    """Return when a camera counts as silent; later if its heartbeats may not all be written."""
    late = BEAT_EVERY if camera.last_seen_at and camera.status else timedelta()
    return (
        (camera.last_seen_at or camera.created_at)
        + timedelta(seconds=camera.silent_after_s or 0)
        + late
    )


def _choose_status_fields(
    camera: Camera, status: Mapping[str, Any] | None, now: datetime, *, is_working: bool
) -> Item | None:
    """Return the field of the status that a heartbeat writes, or none; None: the heartbeat is not
    written at all.

    See `note_heartbeat`. Raises InvalidInput.
    """
    fields: Item = {}
    if status is not None and status != camera.status:
        if any(isinstance(value, int) and abs(value) >= 2**63 for value in status.values()):
            raise InvalidInput("the numbers of a status have up to 63 bits")
        fields = {"status": STATUS.write(status)}
    written_at = camera.heartbeat_at if is_working else camera.failing_at
    ends_silence = is_working and (camera.failing_at is not None or camera.silent_since is not None)
    has_news = bool(fields) and _without_numbers(status or {}) != _without_numbers(camera.status)
    if written_at is None or ends_silence or has_news:
        return fields
    if now - written_at < (BEAT_EVERY if status else SEEN_EVERY):
        return None
    is_same_period = (
        milliseconds(now) // NUMBERS_EVERY_MS == milliseconds(written_at) // NUMBERS_EVERY_MS
    )
    return {} if is_same_period else fields


def _choose_trouble_fields(
    camera: Camera, status: Mapping[str, Any] | None, now: datetime
) -> tuple[Item, tuple[str, ...]]:
    """Return the fields that a heartbeat notes if something begins to be wrong by it, or ends, and
    those that go.

    So what passes between two looks of the watch ends what it waits for.
    """
    heard = replace(
        camera,
        status=camera.status if status is None else status,
        failing_at=None,
        heartbeat_at=now,
    )
    after = note_trouble(heard, choose_trouble(heard, None, now), now)
    if bool(after.trouble) == bool(camera.trouble):
        return {}, ()
    fields, no_more = trouble_fields(after)
    # what was told is the watch's, which may write it at this moment
    noted = {name: value for name, value in fields.items() if name != TOLD_TROUBLE}
    return noted, tuple(name for name in no_more if name != TOLD_TROUBLE)


def _outage_fields(camera: Camera, tenant: Tenant, now: datetime) -> Item:
    """Return the fields that note the end of a silence; none if the camera was not silent.

    A silence was reported (`silent_since`), or nobody was told of it, since the camera was muted
    when it began.
    """
    since = camera.last_seen_at or camera.created_at
    was_muted = is_muted(camera, since) and find_silence(camera, tenant, now)
    if camera.silent_since is None and not was_muted:
        return {}
    outage = Outage(since, now)
    return {"outages": OUTAGES.write((*camera.outages, outage)[-MOST_OUTAGES:])}


def _without_numbers(status: Mapping[str, Any]) -> dict[str, Any]:
    """Return a status with None in place of its numbers, which change with each heartbeat."""
    return {name: None if type(value) in (int, float) else value for name, value in status.items()}


def _make_code_error() -> WrongCredentials:
    minutes = CODE_GOOD_FOR // timedelta(minutes=1)
    return WrongCredentials(
        f"this code is not good any more: it claims a camera once, within {minutes} minutes; make "
        "another"
    )


def _make_replacement_key(tenant: Tenant, id_: str, old: str) -> tuple[str, list[Action]]:
    """Make another key of a camera, and the actions that put it in the place of the one with this
    digest."""
    key, if_same_key = api_keys.new_key(api_keys.OF_CAMERA), (equals("key_digest", old, _KEY_SAME),)
    change = Update(
        keys.CAMERAS, (tenant.name, id_), if_same_key, set={"key_digest": api_keys.digest(key)}
    )
    shut_out_action = api_keys.shut_out(keys.api_key_item(old), camera=id_)
    return key, [change, shut_out_action, _make_key_put(tenant, id_, key)]


def _is_of_former(camera: Camera, item: Item) -> bool:
    """Return whether a picture was taken by another camera that had this one's id."""
    return camera.former_until is not None and moment(item["taken_at"]) < camera.former_until


def _make_past_item(tenant: str, id_: str, until: datetime) -> Item:
    """Make the item that says of which id a camera was deleted, and when last."""
    key = {"tenant": tenant, "id": keys.past_camera(id_)}
    return {**key, "camera": id_, "until": milliseconds(until)}


def _make_key_put(tenant: Tenant, id_: str, key: str) -> Put:
    return api_keys.let_in(keys.api_key_item(api_keys.digest(key)), tenant.name, camera=id_)


def _make_change_actions(tenant: str, before: Camera, after: Camera) -> list[Action]:
    """Return the actions that change a camera, if nobody has changed it since it was read.

    Besides its item they move its name's item, by which no two cameras have one name. The audit
    learns if the camera is switched on or off, since that changes an access.
    """
    if_same = (equals("version", before.version, _SAME),)
    fields = {**setting_fields(after), "version": after.version}
    effect = Effect.ARRANGES if after.enabled == before.enabled else Effect.CHANGES_ACCESS
    does = ((effect, name_access("camera", after.id)),)
    was = compare_things(ActKind.CAMERA, after.id, before, after, SETTINGS_OF_CAMERA)
    actions: list[Action] = [
        Update(keys.CAMERAS, (tenant, after.id), if_same, set=fields, does=does, was=was)
    ]
    old_keys = _list_name_keys(before.id, before.name)
    new_keys = _list_name_keys(after.id, after.name)
    actions += [
        Delete(keys.CAMERAS, (tenant, name_key)) for name_key in sorted(old_keys - new_keys)
    ]
    return actions + [
        _make_name_put(tenant, after.name, after.id, _NAME_FREE) for _ in new_keys - old_keys
    ]


def _list_name_keys(id_: str, name: str) -> set[str]:
    return {keys.camera_name(id_), keys.camera_name(name)}


def _make_name_put(tenant: str, name: str, id_: str, condition: str) -> Put:
    return Put(
        keys.CAMERAS,
        {"tenant": tenant, "id": keys.camera_name(name), "camera": id_},
        (absent(condition),),
    )


def _make_name_in_use_error(name: str) -> CameraExists:
    return CameraExists(
        f"there is a camera with the name or id {name!r} already: choose another", field="name"
    )


ASKED_FOR = timedelta(minutes=10)
"""How long after the request a box may send the still."""
STILL_SHOWN_FOR = timedelta(hours=1)
"""How long a still is shown."""
VIEW_SHOWN_FOR = timedelta(days=2)
"""How long the view of a morning is shown: beside that of the next one."""
MAX_BYTES = 256 * 1024
"""Bytes of a still at most: one item holds it, which may have 400 KB on DynamoDB."""
_JPEG = b"\xff\xd8\xff"


class Still(Struct, frozen=True):
    """Answer of a camera's box, and the request that waits for one; None: there is none."""

    asked_at: datetime | None
    taken_at: datetime | None = None
    picture: bytes | None = None


class View(Struct, frozen=True):
    """A morning's view of a camera: its picture without the people who passed."""

    taken_at: datetime
    picture: bytes


def _require_small_jpeg(picture: bytes, what: str) -> None:
    if len(picture) > MAX_BYTES or not picture.startswith(_JPEG):
        raise Unusable(f"{what} is a JPEG of up to {MAX_BYTES} bytes")


def _parse_open_request(camera: Camera, now: datetime) -> datetime | None:
    """Return when a still was asked for, if that may still be answered."""
    at = camera.still_asked_at
    return at if at is not None and now - at < ASKED_FOR else None
