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
from chalicelib.core.pictures import DetectedFace
from chalicelib.core.ports import Item
from chalicelib.core.records.faces import (
    box_from,
    decision_fields,
    decision_from,
    estimates_from,
    estimates_item,
    sides_from,
)
from chalicelib.core.tenant_settings import SIGHTING_DAYS
from chalicelib.core.values import decimal, decimals, known, milliseconds, moment, optional


def camera_item(tenant: str, camera: Camera, key_digest: str) -> Item:
    """Make a camera's item. `key_digest`: the hash of its bearer key."""
    fields = {
        "tenant": tenant,
        "id": camera.id,
        "created_at": milliseconds(camera.created_at),
        "key_digest": key_digest,
        "version": camera.version,
        "last_seen_at": optional(milliseconds, camera.last_seen_at),
        "silent_since": optional(milliseconds, camera.silent_since),
        "failing_at": optional(milliseconds, camera.failing_at),
        "still_asked_at": optional(milliseconds, camera.still_asked_at),
        "faceless_share": decimal(camera.faceless_share, 2),
        "faceless_at": optional(milliseconds, camera.faceless_at),
        "status": status_text(camera.status) if camera.status else None,
    }
    return {**known(fields), **setting_fields(camera)}


def setting_fields(camera: Camera) -> dict[str, Any]:
    """Make the attributes that a user may change."""
    return {
        "name": camera.name,
        "labels": list(camera.labels),
        "group_ids": optional(list, camera.group_ids),
        "gap_s": camera.gap_s,
        "stranger_quality": Decimal(f"{camera.stranger_quality:.1f}"),
        "keeps_strangers": camera.keeps_strangers,
        "learns": camera.learns,
        "enabled": camera.enabled,
        "silent_after_s": camera.silent_after_s,
        "edge": status_text(camera.edge),
    }


def status_text(status: Mapping[str, Any]) -> str:
    """Write a status as JSON, since storage has no floats."""
    return json.dumps(dict(status), ensure_ascii=False, separators=(",", ":"))


def camera_from(item: Item) -> Camera:
    return Camera(
        id=item["id"],
        name=item["name"],
        created_at=moment(item["created_at"]),
        labels=Labels(*item["labels"]),
        group_ids=optional(tuple, item["group_ids"]),
        gap_s=int(item["gap_s"]),
        stranger_quality=float(item["stranger_quality"]),
        keeps_strangers=item["keeps_strangers"],
        learns=item.get("learns", True),
        enabled=item["enabled"],
        silent_after_s=optional(int, item["silent_after_s"]),
        edge=json.loads(item.get("edge", "{}")),
        last_seen_at=optional(moment, item.get("last_seen_at")),
        silent_since=optional(moment, item.get("silent_since")),
        failing_at=optional(moment, item.get("failing_at")),
        still_asked_at=optional(moment, item.get("still_asked_at")),
        faceless_share=optional(float, item.get("faceless_share")),
        faceless_at=optional(moment, item.get("faceless_at")),
        status=json.loads(item["status"]) if "status" in item else {},
        version=int(item["version"]),
    )


KEPT = timedelta(days=SIGHTING_DAYS)
"""Time that a capture's record is kept after the offer. A delivery after it is only an observation."""


AGAIN = "again"
"""The attribute of a capture that holds the sighting to be resolved again, since it was rejected."""

ATTEMPTS, SENT_AT = "attempts", "sent_at"
"""Attributes of a capture without an outcome: how often it was tried again (services/captures/redrive), and when it
was last sent again (redrive), in ms since 1970."""


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
        **track_fields(capture),
    }


def track_fields(capture: Capture) -> Item:
    """Make the attribute of a capture's track, if it has one."""
    return known({"track": capture.track or None})


def sides_fields(capture: Capture) -> Item:
    """Make the attribute of a capture's sides, if its picture was read."""
    return known({"sides": optional(list, capture.sides)})


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
        track=item.get("track", ""),
        sides=optional(sides_from, item.get("sides")),
    )


def sighting_item(sighting: Sighting) -> Item:
    fields = {
        "n": sighting.number,
        "resolution": sighting.resolution,
        "box": decimals(sighting.box),
        "faceid": sighting.faceid,
        "quality": decimal(sighting.quality, 1),
        "reason": sighting.reason or None,
        "at": optional(milliseconds, sighting.resolved_at),
        "model": sighting.model or None,
        "again": sighting.correction or None,
    }
    return {**known(fields), **decision_fields(sighting.decision)}


def sighting_from(item: Item) -> Sighting:
    return Sighting(
        number=int(item["n"]),
        resolution=Resolution(item["resolution"]),
        box=box_from(item["box"]),
        faceid=item.get("faceid"),
        quality=optional(float, item.get("quality")),
        reason=item.get("reason", ""),
        decision=decision_from(item),
        resolved_at=optional(moment, item.get("at")),
        model=item.get("model", ""),
        correction=int(item.get("again", 0)),
    )


def seen_item(face: SeenFace) -> Item:
    detected = face.detected
    return {
        "box": decimals(detected.box, digits=2),
        "landmarks": [[decimal(x, 2), decimal(y, 2)] for x, y in detected.landmarks],
        "score": decimal(detected.score, 4),
        "model": face.template.model,
        "vector": face.template.vector,
        "estimates": estimates_item(face.estimates),
        "flaw": face.flaw,
        **known({"spoof": face.spoof or None}),
    }


def seen_from(item: Item) -> SeenFace:
    detected = DetectedFace(
        box_from(item["box"]),
        tuple((float(x), float(y)) for x, y in item["landmarks"]),
        float(item["score"]),
    )
    template = Template(item["model"], bytes(item["vector"]))
    return SeenFace(detected, template, estimates_from(item["estimates"]), item["flaw"], item.get("spoof", ""))
