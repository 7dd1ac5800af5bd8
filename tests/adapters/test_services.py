"""Services that rest on conditional writes: the same on every pair of stores."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from chalicelib.adapters.embedded.queue import SqliteQueue
from chalicelib.adapters.embedded.uploads import FolderUploadStore, SignedPaths
from chalicelib.adapters.embedded.vault import PlainVault
from chalicelib.core import keys
from chalicelib.core.decision import DEFAULT_FPIR
from chalicelib.core.errors import CameraExists, CameraNotFound, ConditionFailed
from chalicelib.core.local_time import Granularity
from chalicelib.core.model import Labels, Profile, Tenant
from chalicelib.core.observations import EVERYTHING, Observation, ObservationFilter, ObservationKind
from chalicelib.core.ports import BlobStore, ItemStore
from chalicelib.services.captures.captures import Offer
from chalicelib.services.models import TenantVision
from chalicelib.services.statistics.statistics import Bucket
from regulars_lab.rigs.book_with import book_of, book_with
from tests.fakes import FakeClock, FakeVision

NOON = datetime(2026, 2, 28, 4, 0, tzinfo=UTC)


def test_days_are_recorded_sealed_and_counted(items: ItemStore, blobs: BlobStore, tenant: str) -> None:
    owner, clock = Tenant(tenant, Profile.CLOUD, "APP", NOON, "fake"), FakeClock(NOON)
    statistics = book_of(items, clock, blobs=blobs).statistics
    recorder, sealing, observations = statistics.recorder, statistics.sealing, statistics.observations

    def record(at: datetime, id_: str, label: str) -> None:
        one = Observation(at, id_, f"face-{label}", "VIP会员", Labels(label), ObservationKind.SIGHTING)
        recorder.record(tenant, [one])

    def days(wanted: ObservationFilter, *, distinct: bool = False) -> list[Bucket]:
        return statistics.analysis(owner, wanted, 0, 10**10, Granularity.DAY, distinct=distinct)

    for number in range(7):
        record(NOON + timedelta(hours=5 * number), f"{number}", "ab"[number % 2])
    with pytest.raises(ConditionFailed):
        record(NOON, "0", "a")
    raw = days(EVERYTHING)
    clock.advance(timedelta(days=4))
    assert len(sealing.tenant(owner)) == 3
    record(NOON + timedelta(hours=1), "late", "a")
    dirty = days(EVERYTHING)
    assert sealing.tenant(owner)
    assert sealing.tenant(owner) == []

    assert raw == [Bucket("20260228", 3), Bucket("20260301", 4)]
    assert dirty == days(EVERYTHING) == [Bucket("20260228", 4), Bucket("20260301", 4)]
    assert days(ObservationFilter(Labels("a"))) == [Bucket("20260228", 3), Bucket("20260301", 2)]
    assert days(EVERYTHING, distinct=True) == [Bucket("20260228", 2), Bucket("20260301", 2)]
    seen, token = [], None
    while True:
        page = observations.query(owner, ObservationFilter(faceid="face-a"), 0, 10**10, 2, token)
        seen += [one.id for one in page.observations]
        token = page.next_token
        if token is None:
            break
    assert (seen, page.total) == (["6", "4", "2", "late", "0"], 5)


def test_a_quota_is_counted_alike_on_every_item_store(items: ItemStore, tenant: str, clock: FakeClock) -> None:
    shop = Tenant(tenant, Profile.CLOUD, "A", datetime(2026, 1, 1, tzinfo=UTC), "fake", requests_a_day=3)
    first, second = (book_of(items, clock).access.quotas for _ in range(2))
    for _ in range(2):
        assert [quotas.take(shop) for quotas in (first, second) * 3] == [True] * 3 + [False] * 3
        clock.advance(timedelta(days=1))


def test_a_shops_cameras_and_captures_are_alike_on_every_item_store(
    items: ItemStore, tenant: str, clock: FakeClock, tmp_path: Path
) -> None:
    uploads = FolderUploadStore(tmp_path / "captures", SignedPaths(b"x" * 32, clock))
    queue = SqliteQueue(tmp_path / "queue.db", "captures", clock)
    book = book_of(items, clock, uploads=uploads, captures_queue=queue, vault=PlainVault(), model=lambda: "fake")
    book = book_with(book, tenant_vision=TenantVision(FakeVision, lambda _: FakeVision(), DEFAULT_FPIR))
    tenants, cameras, captures = book.tenants, book.cameras, book.captures
    name = f"t{tenant}"
    old = tenants.add(name, Profile.CLOUD).api_key
    shop = tenants.named(name)
    assert tenants.by_api_key(tenants.rotate(name).api_key) == shop
    assert tenants.by_api_key(old) is None

    door, first_key = cameras.add(shop, None, "Front door")
    with pytest.raises(CameraExists):
        cameras.add(shop, None, "Front-door")
    key = cameras.new_key(shop, door.id)
    assert cameras.by_api_key(first_key) is None
    assert cameras.change(shop, door.id, {"name": "Door", "stranger_quality": 55.5}) == cameras.named(shop, "Door")
    cameras.heartbeat(shop, door.id, {"temperature": 41.5})
    assert [one.id for one in cameras.silent(shop, clock.now() + timedelta(days=9))] == ["Front-door"]

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
