"""Cameras, captures and sightings to items and back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from chalicelib.core import keys
from chalicelib.core.captures import Camera, Capture, CaptureState, Resolution, SeenFace, Sighting, captured_ms
from chalicelib.core.model import Labels, Template
from chalicelib.core.pictures import Box, DetectedFace
from chalicelib.core.ports import Item
from chalicelib.core.records.faces import decision_fields, decision_from, estimates_from, estimates_item
from chalicelib.core.records.values import decimal, milliseconds, moment, number


def camera_item(tenant: str, camera: Camera, key_digest: str) -> Item:
    """Make a camera's item. `key_digest`: the hash of its bearer key."""
    item: dict[str, Any] = {
        "tenant": tenant,
        "id": camera.id,
        "created_at": milliseconds(camera.created_at),
        "key_digest": key_digest,
        "version": camera.version,
        **setting_fields(camera),
    }
    if camera.last_seen_at is not None:
        item["last_seen_at"] = milliseconds(camera.last_seen_at)
    if camera.silent_since is not None:
        item["silent_since"] = milliseconds(camera.silent_since)
    if camera.status:
        item["status"] = status_text(camera.status)
    return item


def setting_fields(camera: Camera) -> dict[str, Any]:
    """Make the attributes that a user may change."""
    labels = camera.labels
    return {
        "name": camera.name,
        "labels": [labels.a, labels.b, labels.c, labels.d],
        "group_ids": None if camera.group_ids is None else list(camera.group_ids),
        "gap_s": camera.gap_s,
        "stranger_quality": Decimal(f"{camera.stranger_quality:.1f}"),
        "keeps_strangers": camera.keeps_strangers,
        "enabled": camera.enabled,
        "silent_after_s": camera.silent_after_s,
    }


def status_text(status: Mapping[str, Any]) -> str:
    """Write a status as JSON, since storage has no floats."""
    return json.dumps(dict(status), ensure_ascii=False, separators=(",", ":"))


def camera_from(item: Item) -> Camera:
    group_ids, silent_after_s = item["group_ids"], item["silent_after_s"]
    return Camera(
        id=item["id"],
        name=item["name"],
        created_at=moment(item["created_at"]),
        labels=Labels(*item["labels"]),
        group_ids=None if group_ids is None else tuple(group_ids),
        gap_s=int(item["gap_s"]),
        stranger_quality=float(item["stranger_quality"]),
        keeps_strangers=item["keeps_strangers"],
        enabled=item["enabled"],
        silent_after_s=None if silent_after_s is None else int(silent_after_s),
        last_seen_at=moment(item["last_seen_at"]) if "last_seen_at" in item else None,
        silent_since=moment(item["silent_since"]) if "silent_since" in item else None,
        status=json.loads(item["status"]) if "status" in item else {},
        version=int(item["version"]),
    )


KEPT = timedelta(days=120)
"""Time that a capture's record is kept after the offer. A delivery after it is only an observation."""


def capture_key(tenant: str, camera_id: str, id_: str) -> tuple[str, str]:
    return keys.captures(tenant, camera_id), id_


def capture_item(tenant: str, capture: Capture, offered_at: datetime) -> Item:
    """Make the item of an offered capture; its sightings come later."""
    partition, id_ = capture_key(tenant, capture.camera_id, capture.id)
    return {
        "tenant_camera": partition,
        "capture": id_,
        "camera": capture.camera_id,
        "sha256": bytes.fromhex(capture.sha256),
        "size": capture.size,
        "content_type": capture.content_type,
        "offered_at": milliseconds(offered_at),
        "state": capture.state,
        "expires_at": int((offered_at + KEPT).timestamp()),
    }


def capture_from(item: Item) -> Capture:
    """Read a capture. Its time is that of the id, to the millisecond."""
    return Capture(
        id=item["capture"],
        camera_id=item["camera"],
        captured_at=moment(captured_ms(item["capture"])),
        sha256=bytes(item["sha256"]).hex(),
        size=int(item["size"]),
        content_type=item["content_type"],
        state=CaptureState(item["state"]),
        sightings=tuple(sighting_from(sighting) for sighting in item.get("sightings", ())),
        reason=item.get("reason", ""),
    )


def sighting_item(sighting: Sighting) -> Item:
    box = sighting.box
    item: dict[str, Any] = {
        "n": sighting.number,
        "resolution": sighting.resolution,
        "box": [decimal(side, 1) for side in (box.x, box.y, box.width, box.height)],
    }
    if sighting.faceid is not None:
        item["faceid"] = sighting.faceid
    if sighting.quality is not None:
        item["quality"] = decimal(sighting.quality, 1)
    if sighting.reason:
        item["reason"] = sighting.reason
    return {**item, **decision_fields(sighting.decision)}


def sighting_from(item: Item) -> Sighting:
    return Sighting(
        number=int(item["n"]),
        resolution=Resolution(item["resolution"]),
        box=Box(*(float(side) for side in item["box"])),
        faceid=item.get("faceid"),
        quality=number(item.get("quality")),
        reason=item.get("reason", ""),
        decision=decision_from(item),
    )


def seen_item(face: SeenFace) -> Item:
    detected, box = face.detected, face.detected.box
    return {
        "box": [decimal(side, 2) for side in (box.x, box.y, box.width, box.height)],
        "landmarks": [[decimal(x, 2), decimal(y, 2)] for x, y in detected.landmarks],
        "score": decimal(detected.score, 4),
        "model": face.template.model,
        "vector": face.template.vector,
        "estimates": estimates_item(face.estimates),
        "flaw": face.flaw,
        **({"spoof": face.spoof} if face.spoof else {}),
    }


def seen_from(item: Item) -> SeenFace:
    detected = DetectedFace(
        Box(*(float(side) for side in item["box"])),
        tuple((float(x), float(y)) for x, y in item["landmarks"]),
        float(item["score"]),
    )
    template = Template(item["model"], bytes(item["vector"]))
    return SeenFace(detected, template, estimates_from(item["estimates"]), item["flaw"], item.get("spoof", ""))
