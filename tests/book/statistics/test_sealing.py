from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from chalicelib.book.statistics.calendar import make_face_hashes
from chalicelib.book.statistics.days import OBJECT_GRACE
from chalicelib.book.statistics.statistics import Question
from chalicelib.domain.jobs import SEAL_AFTER
from chalicelib.domain.local_time import Granularity, Span, day_number
from chalicelib.domain.model import Labels, Tenant
from chalicelib.domain.observations import (
    EVERYTHING,
    ChangedObservation,
    Measure,
    Observation,
    ObservationFilter,
    ObservationKind,
    Split,
)
from chalicelib.services import Services
from chalicelib.storage import keys
from chalicelib.storage.ports import Action, Item, ItemStore, Page, Put, Table
from chalicelib.storage.records.observations import LATE_AFTER, STORABLE
from tests.support.book.book_with import book_with
from tests.support.book.recount_statistics import items_of
from tests.support.fakes import FakeClock

NOON = datetime(2026, 2, 10, 4, 0, tzinfo=UTC)
MIDNIGHT = datetime(2026, 2, 10, 16, 0, tzinfo=UTC)
"""Of Shanghai, at the day's end."""
DAY = day_number("20260210")
BOTH = [DAY, DAY + 1]
"""The local days that the UTC day of noon touches: a seal of the second says that it holds nothing
of it."""


class Watched(ItemStore):
    """An ItemStore that counts what is read and calls `before` ahead of each transaction, `after`
    behind each query."""

    def __init__(self, items: ItemStore) -> None:
        self._items = items
        self.read: list[tuple[str, Item]] = []
        self.before: Callable[[Sequence[Action]], None] = lambda actions: None
        self.after: Callable[[Table], None] = lambda table: None

    def get(self, table: Table, key: tuple[str, str]) -> Item | None:
        item = self._items.get(table, key)
        self.read += [] if item is None else [(table.name, item)]
        return item

    def get_many(self, table: Table, keys: Sequence[tuple[str, str]]) -> list[Item | None]:
        items = self._items.get_many(table, keys)
        self.read += [(table.name, item) for item in items if item]
        return items

    def query(self, table: Table, partition: str, **how: Any) -> Page:
        page = self._items.query(table, partition, **how)
        self.read += [(table.name, item) for item in page.items]
        self.after(table)
        return page

    def transact(self, actions: Sequence[Action]) -> None:
        self.before(actions)
        self._items.transact(actions)


@pytest.fixture
def watched(services: Services) -> Watched:
    return Watched(items_of(services))


def blobs_of(services: Services):
    return services.storage.blobs


def record(services: Services, tenant: Tenant, at: datetime, id_: str, label: str = "a") -> None:
    one = Observation(at, id_, "7", "stranger", Labels(label), ObservationKind.SIGHTING)
    services.statistics.store_observations(tenant.name, [one])


def at_noon(services: Services, tenant: Tenant, clock: FakeClock) -> None:
    clock.advance(NOON - clock.now())
    record(services, tenant, NOON, "1")


def days(
    items: ItemStore, services: Services, tenant: Tenant, wanted: ObservationFilter = EVERYTHING
) -> dict[str, int]:
    statistics = book_with(services, items=items).statistics
    return statistics.count_by_time(tenant, wanted, 0, 10**10, Granularity.DAY)


def objects(services: Services) -> set[str]:
    return {blob.key for blob in blobs_of(services).walk("camera/observations/")}


def test_what_is_not_late_is_written_before_its_day_may_be_sealed() -> None:
    assert LATE_AFTER < SEAL_AFTER


def test_day_is_sealed_an_hour_after_it_ended_and_then_read_without_its_observations(
    services: Services, camera: Tenant, clock: FakeClock, watched: Watched
) -> None:
    at_noon(services, camera, clock)
    clock.advance(MIDNIGHT + SEAL_AFTER - timedelta(seconds=1) - clock.now())
    assert services.statistics.sealing.seal_tenant(camera) == []

    clock.advance(timedelta(seconds=1))

    assert services.statistics.sealing.seal_tenant(camera) == [DAY]
    assert services.statistics.sealing.seal_tenant(camera) == []
    for wanted in (EVERYTHING, ObservationFilter(Labels("a")), ObservationFilter(faceid="7")):
        assert days(watched, services, camera, wanted) == {"20260210": 1}
    assert days(watched, services, camera, ObservationFilter(Labels("b"))) == {}
    assert {table for table, _ in watched.read} == {"summaries"}


def test_a_face_is_looked_for_in_the_days_whose_seals_have_its_mark(
    services: Services, camera: Tenant, clock: FakeClock, watched: Watched
) -> None:
    at_noon(services, camera, clock)
    tomorrow = NOON + timedelta(days=1)
    other = Observation(tomorrow, "2", "8", "stranger", Labels("a"), ObservationKind.SIGHTING)
    clock.advance(timedelta(days=1))
    services.statistics.store_observations(camera.name, [other])
    clock.advance(MIDNIGHT + timedelta(days=1) + SEAL_AFTER - clock.now())
    assert services.statistics.sealing.seal_tenant(camera) == BOTH
    for key in objects(services):
        blobs_of(services).delete(key)  # so that a day which is read is read by its observations
    found = book_with(services, items=watched).merges.mover
    assert [one.id for chunk in found.list_in_chunks(camera, {"7"}) for one in chunk] == ["1"]
    assert {item["faceid"] for table, item in watched.read if table == "observations"} == {"7"}
    assert [one.id for chunk in found.list_in_chunks(camera, {"7", "8"}) for one in chunk] == [
        "1",
        "2",
    ]
    renamed = [ChangedObservation(other, replace(other, faceid="erased-9"))]  # as an erasure does
    items_of(services).transact(services.statistics.make_actions(camera.name, [], renamed))
    services.statistics.sealing.seal_tenant(camera)
    opened = services.statistics.days.open_span(camera, STORABLE, EVERYTHING)
    # a third is not over
    marked_on = {name: {*opened.days_with({name})} & {*BOTH} for name in ("7", "8", "erased-9")}
    assert marked_on == {"7": {DAY}, "8": set(), "erased-9": {DAY + 1}}


def test_a_seal_has_marks_of_a_thousand_faces_at_most() -> None:
    assert len(make_face_hashes(str(number) for number in range(1_024)) or b"") > 2_000
    assert make_face_hashes(str(number) for number in range(2_000)) is None


def test_late_observation_makes_its_day_raw_until_it_is_sealed_again(
    services: Services, camera: Tenant, clock: FakeClock, watched: Watched
) -> None:
    at_noon(services, camera, clock)
    clock.advance(timedelta(days=2))
    services.statistics.sealing.seal_tenant(camera)
    first_object = objects(services)

    record(services, camera, NOON + timedelta(hours=1), "late")

    assert days(watched, services, camera) == {"20260210": 2}
    assert "observations" in {table for table, _ in watched.read}
    assert services.statistics.sealing.seal_tenant(camera) == BOTH
    watched.read.clear()
    assert days(watched, services, camera) == {"20260210": 2}
    assert {table for table, _ in watched.read} == {"summaries"}
    assert len(objects(services)) == 1
    assert objects(services) != first_object


def test_observation_of_30_minutes_ago_is_not_late_and_an_older_one_is(
    services: Services, camera: Tenant, clock: FakeClock
) -> None:
    at_noon(services, camera, clock)
    for minutes, late in ((30, 0), (31, 1), (100, 2)):
        record(services, camera, clock.now() - timedelta(minutes=minutes), f"{minutes}")
        month = items_of(services).get(keys.SUMMARIES, (keys.calendar("camera"), "202602"))
        assert month["d10"] == late


@pytest.mark.parametrize("moment", ["after the read", "before the commit"])
def test_observation_that_comes_between_read_and_seal_is_not_lost(
    services: Services, camera: Tenant, clock: FakeClock, watched: Watched, moment: str
) -> None:
    at_noon(services, camera, clock)
    clock.advance(timedelta(days=2))
    came: list[str] = []

    def come() -> None:
        if not came:
            came.append("late")
            record(services, camera, NOON, "late")

    def before(actions: Sequence[Action]) -> None:
        if moment == "before the commit" and any(
            isinstance(a, Put) and a.table == keys.SUMMARIES for a in actions
        ):
            come()

    def after(table: Table) -> None:
        if moment == "after the read" and table == keys.OBSERVATIONS:
            come()

    watched.before, watched.after = before, after

    assert book_with(services, items=watched).statistics.sealing.seal_tenant(camera) == BOTH

    assert came
    assert days(items_of(services), services, camera) == {"20260210": 2}
    assert len(objects(services)) == 1


def test_day_that_is_never_left_alone_stays_raw(
    services: Services, camera: Tenant, clock: FakeClock, watched: Watched
) -> None:
    at_noon(services, camera, clock)
    clock.advance(timedelta(days=2))
    came: list[int] = []

    def come(table: Table) -> None:
        if table == keys.OBSERVATIONS:
            came.append(1)
            record(services, camera, NOON, f"late{len(came)}")

    watched.after = come

    assert book_with(services, items=watched).statistics.sealing.seal_tenant(camera) == []
    assert days(items_of(services), services, camera) == {"20260210": 1 + len(came)}
    assert objects(services) == set()


def test_of_two_sealers_at_once_one_wins_and_nothing_is_left_over(
    services: Services, camera: Tenant, clock: FakeClock, watched: Watched
) -> None:
    at_noon(services, camera, clock)
    clock.advance(timedelta(days=2))
    done: list[list[int]] = []

    def meanwhile(actions: Sequence[Action]) -> None:
        if not done:
            done.append([])
            done[0] += services.statistics.sealing.seal_tenant(camera)

    watched.before = meanwhile

    book_with(services, items=watched).statistics.sealing.seal_tenant(camera)

    assert done == [BOTH]
    assert len(objects(services)) == 1
    assert days(items_of(services), services, camera) == {"20260210": 1}


def test_day_whose_object_is_gone_or_damaged_is_counted_raw(
    services: Services, camera: Tenant, clock: FakeClock
) -> None:
    at_noon(services, camera, clock)
    clock.advance(timedelta(days=2))
    services.statistics.sealing.seal_tenant(camera)
    (key,) = objects(services)
    wanted = ObservationFilter(faceid="7")

    (services.settings.storage / "blobs" / key).write_bytes(b"damaged")
    assert days(items_of(services), services, camera, wanted) == {"20260210": 1}
    blobs_of(services).delete(key)
    assert days(items_of(services), services, camera, wanted) == {"20260210": 1}
    page = services.statistics.observations.query(camera, wanted, 0, 10**10)
    assert [one.id for one in page.observations] == ["1"]


def test_day_that_was_sealed_in_another_layout_is_counted_raw_and_sealed_again(
    services: Services, camera: Tenant, clock: FakeClock, watched: Watched
) -> None:
    at_noon(services, camera, clock)
    clock.advance(timedelta(days=2))
    services.statistics.sealing.seal_tenant(camera)
    zone = camera.time_zone
    for partition in (keys.totals(camera.name, zone), keys.label_counts(camera.name, zone)):
        for item in items_of(services).query(keys.SUMMARIES, partition).items:
            old = {name: value for name, value in item.items() if name != "by_kind"}
            items_of(services).transact(
                [Put(keys.SUMMARIES, {**old, "layout": 2, "by_hour": [7] * 24})]
            )

    for wanted in (EVERYTHING, ObservationFilter(Labels("a"))):
        assert days(watched, services, camera, wanted) == {"20260210": 1}
    assert {table for table, _ in watched.read} == {"summaries", "observations"}

    assert services.statistics.sealing.seal_tenant(camera) == BOTH
    assert services.statistics.sealing.seal_tenant(camera) == []
    assert days(items_of(services), services, camera) == {"20260210": 1}


def arrivals(items: ItemStore, services: Services, tenant: Tenant) -> dict[str, Mapping[str, int]]:
    question = Question(Span.of_seconds(0, 10**10), Granularity.DAY, Measure.ARRIVALS, Split.CAMERA)
    statistics = book_with(services, items=items).statistics
    return {one.time: one.amounts for one in statistics.list_buckets(tenant, question)}


def test_arrivals_of_sealed_days_are_counted_without_observations_and_without_columns(
    services: Services, camera: Tenant, clock: FakeClock, watched: Watched
) -> None:
    clock.advance(NOON - clock.now())
    seen = [
        Observation(
            NOON + timedelta(minutes=minutes),
            f"{minutes}",
            "8",
            "stranger",
            Labels(),
            ObservationKind.SIGHTING,
            camera_id,
            gap_s=1_800,
        )
        for minutes, camera_id in ((0, "door"), (20, "till"), (60, "till"))
    ]
    services.statistics.store_observations(camera.name, seen)
    clock.advance(timedelta(days=2))
    services.statistics.sealing.seal_tenant(camera)
    stored = {key: blobs_of(services).get(key) for key in objects(services)}
    for key in stored:
        blobs_of(services).delete(key)

    assert arrivals(watched, services, camera) == {"20260210": {"door": 1, "till": 1}}
    assert {table for table, _ in watched.read} == {"summaries"}

    small = book_with(services).statistics.sealing
    small.chunk_bytes = 1
    record(services, camera, NOON, "late")
    assert small.seal_tenant(camera) == BOTH
    assert arrivals(watched, services, camera) == {"20260210": {"door": 1, "till": 1}}, "too many"


def test_day_with_more_labels_than_fit_is_counted_from_its_columns(
    services: Services, camera: Tenant, clock: FakeClock, watched: Watched
) -> None:
    clock.advance(NOON - clock.now())
    labels = [Labels(*(f"{n * 31 + m:060x}" for m in range(4))) for n in range(20)]
    services.statistics.store_observations(
        camera.name,
        [
            Observation(NOON, f"{n}", "7", "stranger", one, ObservationKind.SIGHTING)
            for n, one in enumerate(labels)
        ],
    )
    clock.advance(timedelta(days=2))

    for chunk_bytes, max_chunks in ((400, 100), (400, 2), (10**6, 100)):
        record(services, camera, NOON, f"again{chunk_bytes}{max_chunks}")
        small = book_with(services).statistics.sealing
        small.chunk_bytes, small.max_chunks = chunk_bytes, max_chunks
        assert small.seal_tenant(camera) == BOTH
        watched.read.clear()
        assert days(watched, services, camera, ObservationFilter(labels[7])) == {"20260210": 1}
        assert {table for table, _ in watched.read} == {"summaries"}
    left = (
        items_of(services)
        .query(keys.SUMMARIES, keys.label_counts("camera", camera.time_zone))
        .items
    )
    assert len(left) == len(BOTH)


def test_objects_that_no_seal_names_are_removed_after_a_day(
    services: Services, camera: Tenant, clock: FakeClock
) -> None:
    at_noon(services, camera, clock)
    clock.advance(timedelta(days=2))
    services.statistics.sealing.seal_tenant(camera)
    (named,) = objects(services)
    lost = keys.day_columns("camera", camera.time_zone, DAY, "lost")
    blobs_of(services).put_if_absent(lost, b"x", "")
    stored_at = next(blobs_of(services).walk("camera/observations/")).stored_at

    clock.advance(stored_at - clock.now() + OBJECT_GRACE - timedelta(minutes=1))
    services.statistics.sealing.tidy(camera)
    assert objects(services) == {named, lost}
    clock.advance(timedelta(minutes=2))
    services.statistics.sealing.tidy(camera)

    assert objects(services) == {named}


def test_day_that_was_sealed_while_the_clock_was_ahead_is_counted_raw_and_sealed_again(
    services: Services, camera: Tenant, clock: FakeClock
) -> None:
    at_noon(services, camera, clock)
    clock.advance(timedelta(days=3))
    assert services.statistics.sealing.seal_tenant(camera) == BOTH
    clock.advance(timedelta(days=-3, minutes=5))
    record(services, camera, clock.now(), "2")

    assert days(items_of(services), services, camera) == {"20260210": 2}
    assert services.statistics.sealing.seal_tenant(camera) == []
    clock.advance(timedelta(days=5))
    assert days(items_of(services), services, camera) == {"20260210": 2}
    assert services.statistics.sealing.seal_tenant(camera) == BOTH
    assert days(items_of(services), services, camera) == {"20260210": 2}


def test_year_of_sealed_days_is_read_in_under_400_items_and_empty_centuries_in_none(
    services: Services, camera: Tenant, clock: FakeClock, watched: Watched
) -> None:
    begin = datetime(2024, 12, 31, 16, 0, tzinfo=UTC)
    clock.advance(datetime(2027, 1, 1, tzinfo=UTC) - clock.now())
    ancient = Observation(
        datetime(1971, 1, 1, tzinfo=UTC), "0", "7", "stranger", Labels(), ObservationKind.SIGHTING
    )
    services.statistics.store_observations(camera.name, [ancient])
    for day in range(365):
        for n in range(3):
            record(
                services,
                camera,
                begin + timedelta(days=day, hours=7 * n),
                f"{n}",
                label="ab"[n % 2],
            )
    services.statistics.sealing.seal_tenant(camera)
    start, end = int(begin.timestamp()), int((begin + timedelta(days=365)).timestamp()) - 1
    statistics = book_with(services, items=watched).statistics

    for wanted, amount in ((EVERYTHING, 365 * 3), (ObservationFilter(Labels("a")), 365 * 2)):
        watched.read.clear()
        found = statistics.count_by_time(camera, wanted, start, end, Granularity.MONTH)
        assert (len(found), sum(found.values())) == (12, amount)
        assert len(watched.read) <= 400
    watched.read.clear()
    found = statistics.count_by_time(camera, EVERYTHING, 0, 32_503_680_000, Granularity.MONTH)
    assert sum(found.values()) == 365 * 3 + 1
    assert len(watched.read) < 500
