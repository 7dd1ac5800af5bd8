"""Recording, sealing and counting on every pair of stores: the conditions that they rest on, together."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from chalicelib.core.errors import ConditionFailed
from chalicelib.core.local_time import Granularity
from chalicelib.core.model import Labels, Profile, Tenant
from chalicelib.core.observations import EVERYTHING, Observation, ObservationFilter, ObservationKind
from chalicelib.core.ports import BlobStore, ItemStore
from chalicelib.services.statistics.sealing import Sealing
from chalicelib.services.statistics.statistics import Bucket, Recorder, Statistics
from tests.fakes import FakeClock

NOON = datetime(2026, 2, 28, 4, 0, tzinfo=UTC)


def test_days_are_recorded_sealed_and_counted(items: ItemStore, blobs: BlobStore, tenant: str) -> None:
    owner, clock = Tenant(tenant, Profile.CLOUD, "APP", NOON, "fake"), FakeClock(NOON)
    recorder, sealing = Recorder(items, clock), Sealing(items, blobs, clock)
    statistics = Statistics(items, blobs, clock)
    observations = statistics.observations

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
