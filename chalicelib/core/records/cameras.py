"""Cameras to items and back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from chalicelib.core.captures import Camera
from chalicelib.core.model import Labels
from chalicelib.core.ports import Item
from chalicelib.core.records.faces import milliseconds, moment


def camera_item(tenant: str, camera: Camera, key_digest: str) -> Item:
    """`key_digest`: the hash of its bearer key."""
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
    """What a user may change, as it is stored."""
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
    """As JSON: storage has no floats."""
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
