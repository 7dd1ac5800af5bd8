"""Cameras over v1."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from chalicelib.api.v1 import times
from chalicelib.api.v1.endpoint import Body, Call, Operation
from chalicelib.api.v1.fields import Fields
from chalicelib.core.errors import InvalidInput
from chalicelib.core.model import Labels

if TYPE_CHECKING:
    from datetime import datetime

    from chalicelib.core.captures import Camera

_LETTERS = ("a", "b", "c", "d")
_LABELS = frozenset([*_LETTERS, *(letter.upper() for letter in _LETTERS)])
_SETTINGS = frozenset(
    {"labels", "groups", "gap_s", "stranger_quality", "keeps_strangers", "enabled", "silent_after_s", "edge"}
)
_LONGEST_ID = 64


def add(call: Call) -> Body:
    """Add a camera; the answer has its api_key, which no other answer shows."""
    from chalicelib.services.captures import camera_settings as bounds  # not at the other routes' cold starts

    fields = call.fields
    name = fields.text("name", bounds.NAME_LENGTH)
    id_ = None if "id" not in fields or fields.is_null("id") else fields.text("id", _LONGEST_ID)
    settings = _settings(fields)
    settings["labels"] = Labels(**settings.get("labels", {}))
    camera, api_key = call.services.cameras.add(call.tenant, id_, name, bounds.CameraSettings(**settings))
    return {**_bodies(call, [camera])[0], "api_key": api_key}


def every(call: Call) -> Body:
    """List all cameras, by id."""
    return {"cameras": _bodies(call, call.services.cameras.all(call.tenant))}


def get(call: Call) -> Body:
    call.caller.require_camera(call.path["id"])
    return _one(call, call.services.cameras.get(call.tenant, call.path["id"]))


def change(call: Call) -> Body:
    """Change the settings that are sent, and of `labels` those that are sent. Others stay as they are."""
    from chalicelib.services.captures import camera_settings as bounds  # not at the other routes' cold starts

    changes = _settings(call.fields)
    if "name" in call.fields:
        changes["name"] = call.fields.text("name", bounds.NAME_LENGTH)
    if not changes:
        raise InvalidInput(f"send what to change: {', '.join(sorted(call.fields.known))}")
    return _one(call, call.services.cameras.change(call.tenant, call.path["id"], changes))


def delete(call: Call) -> None:
    call.services.cameras.delete(call.tenant, call.path["id"])


def heartbeat(call: Call) -> Body:
    call.caller.require_camera(call.path["id"])
    fields = call.fields
    status = None if "status" not in fields or fields.is_null("status") else fields.map("status")
    working = fields.flag("working") if "working" in fields else True
    return _one(call, call.services.cameras.heartbeat(call.tenant, call.path["id"], status, is_working=working))


def new_key(call: Call) -> Body:
    return {"id": call.path["id"], "api_key": call.services.cameras.new_key(call.tenant, call.path["id"])}


OPERATIONS = (
    Operation("GET", "/v1/cameras", every),
    Operation("POST", "/v1/cameras", add, fields=_SETTINGS | {"id", "name"}, status=201),
    Operation("GET", "/v1/cameras/{id}", get, of_cameras=True),
    Operation("PATCH", "/v1/cameras/{id}", change, fields=_SETTINGS | {"name"}),
    Operation("DELETE", "/v1/cameras/{id}", delete),
    Operation(
        "POST", "/v1/cameras/{id}/heartbeat", heartbeat, fields=frozenset({"status", "working"}), of_cameras=True
    ),
    Operation("POST", "/v1/cameras/{id}/key", new_key),
)


def _settings(fields: Fields) -> dict[str, Any]:
    """Read the settings that were sent, in the form that Cameras.change takes."""
    from chalicelib.services.captures import camera_settings as bounds  # not at the other routes' cold starts

    sent: dict[str, Any] = {}
    if "labels" in fields:
        sent["labels"] = _labels(fields.fields("labels", _LABELS))
    if "groups" in fields:
        sent["groups"] = None if fields.is_null("groups") else tuple(fields.texts("groups", bounds.MAX_GROUPS))
    if "gap_s" in fields:
        sent["gap_s"] = fields.whole("gap_s", bounds.GAPS_S)
    if "stranger_quality" in fields:
        sent["stranger_quality"] = fields.number("stranger_quality", *bounds.QUALITIES)
    for name in ("keeps_strangers", "enabled"):
        if name in fields:
            sent[name] = fields.flag(name)
    if "silent_after_s" in fields:
        none = fields.is_null("silent_after_s")
        sent["silent_after_s"] = None if none else fields.whole("silent_after_s", bounds.SILENT_AFTER_S)
    if "edge" in fields:
        sent["edge"] = fields.map("edge")
    return sent


def _labels(fields: Fields) -> dict[str, str]:
    """Read labels by lower-case letter; null makes a label empty."""
    from chalicelib.services.captures import camera_settings as bounds  # not at the other routes' cold starts

    labels: dict[str, str] = {}
    for letter in _LETTERS:
        for name in (letter, letter.upper()):
            if name not in fields:
                continue
            if letter in labels:
                raise InvalidInput(f"labels.{letter} and labels.{letter.upper()} are one label: send one of them")
            labels[letter] = "" if fields.is_null(name) else fields.text(name, bounds.LABEL_LENGTH)
    return labels


def _one(call: Call, camera: Camera) -> Body:
    return _bodies(call, [camera])[0]


def _bodies(call: Call, cameras: Sequence[Camera]) -> list[Body]:
    names: Mapping[str, str] = {}
    if any(camera.group_ids for camera in cameras):
        names = {group.id: group.name for group in call.services.groups.all(call.tenant)}
    now = call.services.clock.now()
    return [_body(camera, names, now) for camera in cameras]


def _body(camera: Camera, group_names: Mapping[str, str], now: datetime) -> Body:
    """Render a camera, without groups that were deleted since."""
    groups = None if camera.group_ids is None else [group_names[id_] for id_ in camera.group_ids if id_ in group_names]
    return {
        "id": camera.id,
        "name": camera.name,
        "labels": camera.labels._asdict(),
        "groups": groups,
        "gap_s": camera.gap_s,
        "stranger_quality": camera.stranger_quality,
        "keeps_strangers": camera.keeps_strangers,
        "enabled": camera.enabled,
        "silent_after_s": camera.silent_after_s,
        "edge": dict(camera.edge),
        "created_at": times.text(camera.created_at),
        "last_seen_at": None if camera.last_seen_at is None else times.text(camera.last_seen_at),
        "health": {
            "state": _state(camera, now),
            "failing_at": None if camera.failing_at is None else times.text(camera.failing_at),
            "status": dict(camera.status),
        },
    }


def _state(camera: Camera, now: datetime) -> str:
    from chalicelib.services.captures.cameras import is_silent  # not at the other routes' cold starts

    if not camera.enabled:
        return "disabled"
    if is_silent(camera, now):
        return "silent"
    if camera.failing_at is not None:
        return "failing"
    return "never_seen" if camera.last_seen_at is None else "ok"
