"""Captures to items and back."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from chalicelib.core import keys
from chalicelib.core.captures import Capture, CaptureState, Resolution, SeenFace, Sighting, captured_ms
from chalicelib.core.model import Template
from chalicelib.core.pictures import Box, DetectedFace
from chalicelib.core.ports import Item
from chalicelib.core.records.faces import (
    decimal,
    decision_from,
    decision_item,
    estimates_from,
    estimates_item,
    milliseconds,
    moment,
    number,
)

KEPT = timedelta(days=120)
"""How long a capture is remembered after it was offered: past that, a late delivery is an observation only."""


def capture_key(tenant: str, camera_id: str, id_: str) -> tuple[str, str]:
    return keys.captures(tenant, camera_id), id_


def capture_item(tenant: str, capture: Capture, offered_at: datetime) -> Item:
    """A capture that is offered; what is found in it comes later."""
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
    """The time is that of the id, to the millisecond."""
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
    if sighting.score is not None:
        item["score"] = decimal(sighting.score, 6)
    if sighting.quality is not None:
        item["quality"] = decimal(sighting.quality, 1)
    if sighting.reason:
        item["reason"] = sighting.reason
    if sighting.decision is not None:
        item["decision"] = decision_item(sighting.decision)
    return item


def sighting_from(item: Item) -> Sighting:
    return Sighting(
        number=int(item["n"]),
        resolution=Resolution(item["resolution"]),
        box=Box(*(float(side) for side in item["box"])),
        faceid=item.get("faceid"),
        score=number(item.get("score")),
        quality=number(item.get("quality")),
        reason=item.get("reason", ""),
        decision=decision_from(item.get("decision")),
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
