"""The check of a stage's delivery promise, for a tenant of its own: a hook is notified within
seconds of a camera's picture.

The canary (api/canary.py) offers and uploads a drawn face as a camera does, and waits until it is
resolved and told. On the way are the cameras' address, S3, its events, both queues, ingest and
deliver. Whether the hook was told is read where deliveries wait: one is written with the face's
visit, and deleted when its receiver has answered.

The camera's key is made of the tenant's signing key, which lies sealed in the tenant's item. So no
other secret is kept. `regulars deploy` may not unseal it, so it gives the tenant new keys when it
makes the camera.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple

from chalicelib.api.application import OFFERS_PATH
from chalicelib.api.http import URLENCODED
from chalicelib.book.cameras import CameraSettings
from chalicelib.domain.api_keys import OF_CAMERA, digest
from chalicelib.domain.captures import Capture, CaptureState, Resolution
from chalicelib.domain.channels import Channel
from chalicelib.domain.errors import StorageUnavailable
from chalicelib.domain.events import EventKind
from chalicelib.domain.webhooks import Way
from chalicelib.storage import keys
from chalicelib.storage.items import walk_items
from chalicelib.storage.records.captures import capture_from

if TYPE_CHECKING:
    from chalicelib.services import Services

_SHOWN_BYTES = 300
"""Bytes of a wrong answer that the error quotes."""


class Reply(NamedTuple):
    """An answer. `json`: None if the body is none; `shown`: the beginning of the body, for an
    error."""

    status: int
    body: bytes

    @property
    def json(self) -> Any:
        try:
            return json.loads(self.body)
        except ValueError:
            return None

    @property
    def shown(self) -> str:
        return repr(self.body[:_SHOWN_BYTES])


Call = Callable[[str, str, bytes, Mapping[str, str]], Reply]
"""Calls a URL: method, URL, body and headers. Raises StorageUnavailable if no answer comes."""

_LOOKS, _LOOKS_EVERY_S = 80, 0.5
"""How often the canary looks whether the hook was told, and the seconds between: 40 of the 60 that
its function has."""

_VISIT_GAP_S = 60
"""The canary comes every five minutes. Each time is a visit, of which the hook is told."""
_NAME = "promise"
_SEEN = (Resolution.MATCHED, Resolution.STRANGER)


def make_camera_key(signing_key: str) -> str:
    """Derive the key of the tenant's camera from the tenant's signing key: without that one it
    cannot be computed."""
    return (
        OF_CAMERA
        + hmac.new(signing_key.encode(), b"promise camera", hashlib.sha256).hexdigest()[:32]
    )


def name_camera(key: str) -> str:
    """Return the id of the camera that has this key."""
    return f"{_NAME}-{digest(key)[:8]}"


def equip_tenant(services: Services, name: str, receiver: str) -> bool:
    """Give the tenant the camera and the hook of the promise.

    Tell whether one was missing. Raises TenantNotFound.

    With a camera the tenant gets new keys. `receiver`: the URL that the hook is posted to. The hook
    tells people, not programs, since only such a one can post a form.
    """
    tenant = services.tenants.get_by_name(name)
    lacks_camera = not any(
        camera.id.startswith(f"{_NAME}-") for camera in services.cameras.list_all(tenant)
    )
    if lacks_camera:
        key = make_camera_key(services.tenants.rotate_keys(name).app_key)
        id_ = name_camera(key)
        services.cameras.add(tenant, id_, id_, CameraSettings(gap_s=_VISIT_GAP_S), key=key)
    lacks_hook = all(hook.name != _NAME for hook in services.webhooks.hooks.list_all(name))
    if lacks_hook:
        channel = Channel(Way.REQUEST, url=receiver, headers={"Content-Type": URLENCODED})
        services.webhooks.hooks.add(
            name, None, kinds=[EventKind.FACE_ARRIVED], name=_NAME, channel=channel
        )
    return lacks_camera or lacks_hook


def time_promise(
    services: Services,
    tenant: str,
    cameras_url: str,
    picture: bytes,
    call: Call,
    pause: Callable[[float], object],
) -> float | None:
    """Send a picture as a camera does.

    Return after how many seconds the hook was told; None: the key is not known.

    Raises StorageUnavailable if the offer or the upload is answered otherwise than it should be, if
    the face is not taken in, or if the hook is not told in time.
    """
    _, signing_key = services.tenants.read_signing_key(tenant)
    key, began = make_camera_key(signing_key), time.monotonic()
    reply = call(
        "POST",
        f"{cameras_url.rstrip('/')}{OFFERS_PATH}",
        _make_offer(picture, services.clock.now()),
        {"Content-Type": "application/json", "Authorization": f"Bearer {key}"},
    )
    if reply.status == HTTPStatus.UNAUTHORIZED:
        return None
    id_ = _upload(reply, picture, call)
    waits_for = "S3's event, or ingest"
    for _ in range(_LOOKS):
        seconds = time.monotonic() - began
        capture = _read_capture(services, tenant, name_camera(key), id_)
        if capture is not None and capture.state in (CaptureState.RESOLVED, CaptureState.PARKED):
            _require_seen(capture)
            if not any(
                walk_items(services.ports.storage.items, keys.OUTBOX, tenant, between=keys.PENDING)
            ):
                return seconds
            waits_for = "the hook"
        pause(_LOOKS_EVERY_S)
    raise StorageUnavailable(
        f"capture {id_} waits for {waits_for} after {_LOOKS * _LOOKS_EVERY_S:.0f} s"
    )


def _upload(reply: Reply, picture: bytes, call: Call) -> str:
    """Upload a picture as the answer to its offer says, and return the capture's id.

    Raises StorageUnavailable.
    """
    try:
        [upload] = reply.json["uploads"]
        method, url, headers, id_ = (upload[name] for name in ("method", "url", "headers", "id"))
    except (TypeError, KeyError, ValueError) as error:
        wrong = f"an offer at the cameras' address was answered {reply.status}: {reply.shown}"
        raise StorageUnavailable(wrong) from error
    put = call(method, url, picture, headers)
    if put.status not in (HTTPStatus.OK, HTTPStatus.NO_CONTENT):
        raise StorageUnavailable(f"an upload was answered {put.status}: {put.shown}")
    return str(id_)


def _make_offer(picture: bytes, at: datetime) -> bytes:
    sha256 = hashlib.sha256(picture).hexdigest()
    offer: dict[str, Any] = {"sha256": sha256, "size": len(picture), "content_type": "image/jpeg"}
    return json.dumps({"captures": [offer | {"captured_at": at.isoformat()}]}).encode()


def _read_capture(services: Services, tenant: str, camera: str, id_: str) -> Capture | None:
    item = services.ports.storage.items.get(keys.CAPTURES, keys.capture(tenant, camera, id_))
    return None if item is None else capture_from(item)


def _require_seen(capture: Capture) -> None:
    """Raise StorageUnavailable unless the one face of the capture was known, or became a
    stranger's."""
    if [sighting.resolution in _SEEN for sighting in capture.sightings] != [True]:
        state = f"{capture.state} ({capture.reason})" if capture.reason else capture.state
        raise StorageUnavailable(f"capture {capture.id} is {state}, and its face was not taken in")
