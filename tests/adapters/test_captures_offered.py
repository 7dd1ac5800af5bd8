"""Cameras and their captures on every item store: names claimed, keys changed, a hundred captures in a transaction."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from pathlib import Path

import pytest

from chalicelib.adapters.embedded.queue import SqliteQueue
from chalicelib.adapters.embedded.signed_paths import SignedPaths
from chalicelib.adapters.embedded.uploads import FolderUploadStore
from chalicelib.adapters.embedded.vault import PlainVault
from chalicelib.core import keys
from chalicelib.core.errors import CameraExists, CameraNotFound
from chalicelib.core.model import Profile
from chalicelib.core.ports import ItemStore
from chalicelib.services.access.access import Access
from chalicelib.services.cameras import Cameras
from chalicelib.services.captures.captures import Captures, Offer
from chalicelib.services.groups import Groups
from chalicelib.services.idempotency import Requests
from chalicelib.services.models import TenantVision
from chalicelib.services.tenants import Tenants
from tests.fakes import FakeClock, FakeVision


def test_a_shops_cameras_and_captures_are_alike_on_every_item_store(
    items: ItemStore, tenant: str, clock: FakeClock, tmp_path: Path
) -> None:
    tenants = Tenants(items, PlainVault(), clock, lambda: "fake")
    name = f"t{tenant}"
    old = tenants.add(name, Profile.CLOUD).api_key
    shop = tenants.named(name)
    assert tenants.by_api_key(tenants.rotate(name).api_key) == shop
    assert tenants.by_api_key(old) is None
    requests = Requests(items, clock)
    cameras = Cameras(items, tenants, Groups(items, requests, clock), requests, clock=clock)

    door, first_key = cameras.add(shop, None, "Front door")
    with pytest.raises(CameraExists):
        cameras.add(shop, None, "Front-door")
    key = cameras.new_key(shop, door.id)
    assert cameras.by_api_key(first_key) is None
    assert cameras.change(shop, door.id, {"name": "Door", "stranger_quality": 55.5}) == cameras.named(shop, "Door")
    cameras.heartbeat(shop, door.id, {"temperature": 41.5})
    assert cameras.silent(shop, clock.now() + timedelta(days=9)) == []

    uploads = FolderUploadStore(tmp_path / "captures", SignedPaths(b"x" * 32, clock))
    access = Access(items, requests, clock, 10, 10)
    vision, queue = (
        TenantVision(FakeVision, lambda _: FakeVision()),
        SqliteQueue(tmp_path / "queue.db", "captures", clock),
    )
    captures = Captures(items, uploads, cameras, access, clock, 300, requests, vision, queue)
    offers = [
        Offer("Door", hashlib.sha256(bytes([number])).hexdigest(), 1, "image/jpeg", clock.now() - timedelta(number))
        for number in range(100)
    ]
    answers = captures.offer(shop, offers)
    assert [one.capture for one in captures.offer(shop, offers)] == [one.capture for one in answers]
    for one in answers[:5]:
        uploads.put_if_absent(keys.capture_picture(name, door.id, one.capture.id), b"x", "image/jpeg")
    page = captures.page(shop, None, limit=3)
    rest = captures.page(shop, None, limit=3, token=page.next_token)
    listed = [capture.id for capture in (*page.rows, *rest.rows)]
    assert listed == [one.capture.id for one in answers[:5]]

    cameras.delete(shop, door.id)
    assert cameras.by_api_key(key) is None
    assert cameras.all(shop) == []
    with pytest.raises(CameraNotFound):
        cameras.named(shop, "Door")
    assert len(captures.page(shop, door.id).rows) == 5
