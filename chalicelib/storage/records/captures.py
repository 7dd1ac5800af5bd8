"""Cameras, their pictures (captures) and the faces in them (sightings) to stored items and back."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

from chalicelib.domain.captures import (
    Camera,
    CameraOptions,
    Capture,
    Outage,
    SeenFace,
    Sighting,
    Wave,
    captured_ms,
)
from chalicelib.domain.model import Template
from chalicelib.domain.pictures import BoundingBox, DetectedFace
from chalicelib.domain.tenant_settings import SIGHTING_DAYS
from chalicelib.storage import keys
from chalicelib.storage.ports import Condition, Item, Update, equals, exists
from chalicelib.storage.records.faces import DECISION, ESTIMATES
from chalicelib.storage.values import (
    HEX,
    Codec,
    Form,
    form_of,
    many,
    milliseconds,
    moment,
    number,
    numbers,
    row,
)

STATUS = Form(
    lambda status: json.dumps(dict(status), ensure_ascii=False, separators=(",", ":")), json.loads
)
"""JSON, since storage has no floats."""

OUTAGES = many(form_of(Outage))

USUAL = Form(
    lambda usual: json.dumps(list(usual), separators=(",", ":")),
    lambda stored: tuple(json.loads(stored)),
)
"""JSON: one short text in place of 168 numbers."""

_CAMERA = Codec(
    Camera,
    rare="former_until status outages usual trouble told_trouble",
    nulls="group_ids silent_after_s",
    stranger_quality=number(".1f"),
    faceless_share=number(".2f"),
    edge=STATUS,
    status=STATUS,
    outages=OUTAGES,
    usual=USUAL,
)
camera_from = _CAMERA.read

TOLD_TROUBLE = "told_trouble"
_TROUBLE = ("trouble", "trouble_since", TOLD_TROUBLE)


def camera_of(capture: Capture, item: Item | None) -> Camera:
    """Return the camera that took a capture (a picture), from the camera's stored item.

    If `item` is None, the camera was deleted, though its captures are kept. Then it has its id for
    a name, and default settings.
    """
    if item:
        return camera_from(item)
    return Camera(id=capture.camera_id, name=capture.camera_id, created_at=capture.captured_at)


def camera_item(tenant: str, camera: Camera, key_digest: str) -> Item:
    """Make a camera's item. `key_digest`: the hash of its bearer key."""
    return {"tenant": tenant, "key_digest": key_digest, **_CAMERA.write(camera)}


def trouble_update(tenant: str, before: Camera, after: Camera) -> Update:
    """Return the update that stores a camera's problem and the reported one, on condition that
    these are as they were read."""
    fields, removed_fields = trouble_fields(after)
    former = _CAMERA.write(before, *_TROUBLE)
    return Update(
        keys.CAMERAS,
        (tenant, after.id),
        (
            exists("camera-there"),
            *(equals(name, former.get(name), "as-noted") for name in _TROUBLE),
        ),
        set=fields,
        remove=removed_fields,
    )


def trouble_fields(camera: Camera) -> tuple[Item, tuple[str, ...]]:
    """Make the attributes that say what is wrong with a camera, and name those that it has not."""
    fields = _CAMERA.write(camera, *_TROUBLE)
    return fields, tuple(name for name in _TROUBLE if name not in fields)


def setting_fields(camera: Camera) -> Item:
    """Make the attributes that a user may change."""
    return _CAMERA.write(camera, "name", "group_ids", *CameraOptions.__struct_fields__)


_KEPT_FOR = timedelta(days=SIGHTING_DAYS)
"""Time that a capture's record is kept after the offer. A delivery after it is only an
observation."""


AGAIN = "again"
"""The attribute of a capture that holds the sighting to be resolved again, since it was
rejected."""

ATTEMPTS, SENT_AT = "attempts", "sent_at"
"""Attributes of a capture without an outcome: how often it was tried again (book/captures/redrive),
and when it was last sent again (redrive), in ms since 1970."""

STEP = "capture-step"
"""Name of the condition that nobody has gone on with a capture since it was read."""


_SIGHTING = Codec(
    Sighting,
    {"number": "n", "resolved_at": "at", "correction": "again"},
    rare="reason model correction masked",
    box=numbers(BoundingBox),
    quality=number(".1f"),
    decision=DECISION,
)
sighting_item = _SIGHTING.write

CAPTURE = Codec(
    Capture,
    {"id": "capture", "camera_id": "camera"},
    apart="captured_at",
    rare="sightings reason track is_of_rest erasures",
    sha256=HEX,
    sightings=many(_SIGHTING),
)


def capture_item(tenant: str, capture: Capture, offered_at: datetime) -> Item:
    """Make the item of a capture, a camera's picture, as a client offers to send it.

    It has no sightings (faces in the picture) yet. It expires SIGHTING_DAYS after the offer.
    """
    return {
        "tenant_camera": keys.captures(tenant, capture.camera_id),
        "offered_at": milliseconds(offered_at),
        "expires_at": int((offered_at + _KEPT_FOR).timestamp()),
        **CAPTURE.write(capture),
    }


def if_nobody_erased(capture: Capture, name: str) -> tuple[Condition, ...]:
    """Return conditions, named `name`: no person on a capture was erased since it was read.

    A capture is a camera's picture, and `erasures` counts who was erased on it. A version of the
    service that does not count yet may run beside this one during an update. It sets the flag
    `is_of_rest` instead: only the rest of the picture is left. So the flag must be as it was, too.
    """
    # Neither False nor 0 is stored. Such a field must still be absent: equal to None.
    return (
        equals("is_of_rest", capture.is_of_rest or None, name),
        equals("erasures", capture.erasures or None, name),
    )


def capture_from(item: Item) -> Capture:
    """Read a capture. Its time is that of the id, to the millisecond."""
    return CAPTURE.read(item, captured_at=moment(captured_ms(item["capture"])))


_DETECTED = Codec(
    DetectedFace,
    box=numbers(BoundingBox, digits=2),
    landmarks=many(row(lambda x, y: (x, y), [number(".2f")] * 2)),
    score=number(".4f"),
)
_TEMPLATE = Codec(Template)
_SEEN = Codec(SeenFace, apart="detected template", rare="spoof", estimates=ESTIMATES)


def seen_item(face: SeenFace) -> Item:
    return {**_DETECTED.write(face.detected), **_TEMPLATE.write(face.template), **_SEEN.write(face)}


def seen_from(item: Item) -> SeenFace:
    return _SEEN.read(item, detected=_DETECTED.read(item), template=_TEMPLATE.read(item))


_WAVE = Codec(Wave, settings=STATUS)
wave_from = _WAVE.read


def wave_item(tenant: str, wave: Wave) -> Item:
    return {"tenant": tenant, "id": keys.FLEET, **_WAVE.write(wave)}
