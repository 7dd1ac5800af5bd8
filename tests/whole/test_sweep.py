"""The hourly sweep as it is called: the schedule sends a message for each tenant, and each message
is one tenant's."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

import app
from chalicelib import bootstrap, telemetry
from chalicelib.book.deletion.orphans import LISTED, OrphanedPictures
from chalicelib.domain.errors import StorageUnavailable
from chalicelib.domain.jobs import JOINS, SEALS, JobContext
from chalicelib.domain.local_time import DAY_MS
from chalicelib.domain.model import Profile, Tenant
from chalicelib.open_storage import open_storage
from chalicelib.services import Services
from chalicelib.settings import Settings
from chalicelib.storage import keys
from chalicelib.storage.items import walk_items, write_in_parts
from chalicelib.storage.ports import Put, Storage
from chalicelib.storage.values import milliseconds
from chalicelib.telemetry import SWEEP_AGE
from regulars.serve.gateway import Context
from tests.support.book.book_with import book_with
from tests.support.book.tenants import KEEPING, add_tenant
from tests.support.book.years import Year, fill_year
from tests.support.fakes import RULES, FakeClock, FakeVision, Person, picture
from tests.support.meanwhile import Around
from tests.support.storage.meter import Meter, meter_storage

LONG_AGO = timedelta(hours=7)


class Hour:
    """The service with its functions, as the scheduler and the index queue call them."""

    def __init__(self, folder: Path, wrap: Any = lambda storage: storage) -> None:
        self.clock = FakeClock(datetime(2026, 3, 2, 9, tzinfo=UTC))
        settings = Settings(storage=folder)
        self.storage = open_storage(settings, self.clock)
        self.services: Services = bootstrap.build(
            settings, clock=self.clock, vision=FakeVision, storage=wrap(self.storage)
        )
        self.failed: list[str] = []

    def tick(self, remaining_s: float = 300.0, at: datetime | None = None) -> int:
        """The scheduler calls the sweep; then the queue's messages are worked off.

        Return how many there were.
        """
        app.provide.use(self.services)
        when = (at or self.clock.now()).strftime("%Y-%m-%dT%H:%M:%SZ")
        more = {"account": "0", "time": when, "region": "box", "resources": []}
        event = {
            "version": "0",
            "id": "1",
            "detail-type": "Scheduled Event",
            "source": "aws.events",
            "detail": {},
        }
        with self._tried():
            app.sweep({**event, **more}, Context("sweep"))
        return self.work_off(remaining_s)

    def work_off(self, remaining_s: float = 300.0) -> int:
        messages = 0
        while found := self.storage.index_queue.receive(10, 1_800):
            for message in found:
                messages += 1
                record = {
                    "messageId": "m",
                    "receiptHandle": "r",
                    "body": message.body,
                    "eventSource": "aws:sqs",
                }
                record["attributes"] = {"ApproximateReceiveCount": str(message.receive_count)}
                with self._tried():
                    context = replace(
                        Context("build_index"), deadline=Context("").deadline - 30 + remaining_s
                    )
                    app.build_index({"Records": [record]}, context)
                    self.storage.index_queue.delete(message.receipt)
        return messages

    def work_off_killed(self, by: type[BaseException]) -> None:
        """Work off all messages ten times each at most; runs are killed."""
        for _ in range(10):
            for message in self.storage.index_queue.receive(10, 60):
                with suppress(by):
                    self.services.sweep.handle_message(
                        message.body, message.receive_count, lambda: 300.0
                    )
                    self.storage.index_queue.delete(message.receipt)
            self.clock.advance(timedelta(minutes=2))

    @contextmanager
    def _tried(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            self.failed.append(str(error))

    def leave_picture(self, tenant: str, faceid: str = "nobody", age: timedelta = LONG_AGO) -> str:
        """A picture that no face names, stored so long ago."""
        key = keys.face_picture(tenant, faceid, "0")
        self.storage.blobs.put_if_absent(key, b"x", "image/jpeg")
        self.age(key, age)
        return key

    def age(self, key: str, age: timedelta = LONG_AGO) -> None:
        at = (self.clock.now() - age).timestamp()
        os.utime(self.services.settings.storage / "blobs" / key, (at, at))


class FailingFor(Around):
    """Items whose reads fail for some tenants: their partition is broken."""

    def __init__(self, items: Any, tenants: set[str], table: str = "") -> None:
        super().__init__(items)
        self._tenants = tenants
        self._table = table

    def query(self, table: Any, partition: str, **how: Any) -> Any:
        if partition in self._tenants and table.name.startswith(self._table):
            raise StorageUnavailable(f"no partition {partition} of {table.name}")
        return self._items.query(table, partition, **how)


def failing(tenants: set[str], table: str = "") -> Any:
    return lambda storage: replace(storage, items=FailingFor(storage.items, tenants, table))


@pytest.fixture
def hour(tmp_path: Path) -> Iterator[Hour]:
    made = Hour(tmp_path)
    made.services.tenants.add("shop", Profile.CLOUD, KEEPING)
    yield made
    made.services.close()


def small_pages(hour: Hour, size: int) -> OrphanedPictures:
    found = OrphanedPictures(hour.services)
    found.page_size = size
    return found


def swept_at(hour: Hour, tenant: str) -> int | None:
    item = hour.storage.items.get(keys.DIRECTORY, (tenant, keys.SWEPT_ITEM))
    return None if item is None or "at" not in item else int(item["at"])


def test_ten_tenants_of_two_hundred_always_fail_and_the_others_are_swept_each_hour(
    tmp_path: Path,
) -> None:
    names = [f"shop-{number:03d}" for number in range(200)]
    ill = set(names[::20])
    hour = Hour(tmp_path, failing(ill))
    for name in names:
        hour.services.tenants.add(name, Profile.CAMERA, KEEPING)
    for _ in range(2):
        left = {name: hour.leave_picture(name) for name in names}
        hour.tick()
        now = milliseconds(hour.clock.now())
        assert {name for name in names if swept_at(hour, name) == now} == set(names) - ill
        assert {name for name, key in left.items() if hour.storage.blobs.size(key) is None} >= set(
            names
        ) - ill
        hour.clock.advance(timedelta(hours=6))
    hour.services.close()


def test_a_job_that_fails_stops_no_other_and_its_message_comes_again(tmp_path: Path) -> None:
    hour = Hour(tmp_path, failing({"shop"}, "merges"))
    tenant = add_tenant(hour.services, "shop", Profile.CAMERA)
    hour.services.enrolment.enrol_largest_face(tenant, "regular", picture(Person(1)), RULES)
    hour.clock.advance(timedelta(days=2))
    assert hour.tick() == 1
    assert hour.storage.items.get(keys.DIRECTORY, ("shop", keys.index_item("fake"))), "no snapshot"
    assert len(hour.failed) == 1
    assert "merges" in hour.failed[0]
    assert swept_at(hour, "shop") is None
    hour.clock.advance(timedelta(hours=1))
    jobs = len(hour.services.sweep._list_jobs(hour.clock.now()))
    assert hour.work_off() == 1 + jobs, (
        "the message that failed does not come again, by a message for each job"
    )
    assert len(hour.failed) == 2
    hour.services.close()


def test_a_job_that_never_ends_does_not_hold_up_the_others_for_ever(hour: Hour) -> None:
    """The function is killed in it. When the message comes again, another job is the first."""

    class Killed(BaseException):
        pass

    class Hanging:
        def build(self, _tenant: str, *, erase: bool = True) -> bool:
            raise Killed

    hour.services.index = Hanging()
    key = hour.leave_picture("shop")
    hour.services.sweep.request_sweeps(hour.clock.now())
    hour.work_off_killed(Killed)
    assert hour.storage.blobs.size(key) is None
    assert swept_at(hour, "shop") is None, "a sweep that is not whole is reported as one"


def test_a_night_whose_look_for_lost_captures_never_ends_still_deletes_what_is_kept_no_longer(
    tmp_path: Path,
) -> None:
    """As on AWS, where these are the jobs of one message a day."""

    class Killed(BaseException):
        pass

    class Hanging:
        def send_lost_of_hour(self, _round: object) -> None:
            raise Killed

    hour = Hour(tmp_path, lambda storage: replace(storage, expires_items=True))
    tenant = add_tenant(hour.services, "shop", Profile.CLOUD)
    stranger = hour.services.enrolment.enrol_largest_face(
        tenant, "stranger", picture(Person(1)), RULES
    )
    hour.services.captures.redrive = Hanging()
    hour.clock.advance(timedelta(days=200))
    hour.services.sweep.request_sweeps(hour.clock.now().replace(hour=3))
    hour.work_off_killed(Killed)
    assert hour.services.faces.find(tenant, stranger.faceid) is None
    hour.services.close()


def test_retention_that_does_not_come_to_an_end_for_a_night_makes_the_sweep_late(
    tmp_path: Path,
) -> None:
    hour = Hour(tmp_path, lambda storage: replace(storage, expires_items=True))
    tenant = add_tenant(hour.services, "shop", Profile.CLOUD)

    def age() -> float:
        with telemetry.begin_invocation("watch", "r") as this:
            hour.services.watch.run()
        return this.measured[SWEEP_AGE]

    at = hour.clock.now().replace(hour=3)
    hour.tick(at=at)
    assert age() == 0
    hour.services.erasure.retention = None  # it fails
    for hours in range(1, 30):
        hour.clock.advance(timedelta(hours=1))
        hour.tick(at=at + timedelta(hours=hours))
    assert age() == 29 * 3600  # what ends by the hour is retention's, too
    assert tenant.name in hour.failed[0]
    hour.services.close()


def test_a_sweep_whose_time_is_short_goes_on_with_the_next_message(hour: Hour) -> None:
    messages = hour.tick(remaining_s=30.0)
    assert messages == len(hour.services.sweep._list_jobs(hour.clock.now()))
    assert swept_at(hour, "shop") == milliseconds(hour.clock.now())
    assert hour.failed == []


def test_the_look_at_pictures_goes_on_where_its_time_ran_out(hour: Hour) -> None:
    hour.services.deletion.orphans = small_pages(hour, 2)
    left = [hour.leave_picture("shop", str(number)) for number in range(5)]
    seen: list[int] = []
    body = {
        "tenant": "shop",
        "hour": milliseconds(hour.clock.now()),
        "chores": ["pictures"],
        "after": "",
    }
    hour.storage.index_queue.send(json.dumps(body))
    while messages := hour.storage.index_queue.receive(10, 60):
        for message in messages:
            hour.services.sweep.handle_message(message.body, 1, lambda: 30.0)
            hour.storage.index_queue.delete(message.receipt)
            seen.append(sum(hour.storage.blobs.size(key) is not None for key in left))
    assert seen == [3, 1, 0, 0]


def test_jobs_that_fail_until_the_time_runs_out_come_again_after_a_pause_and_are_then_done(
    tmp_path: Path,
) -> None:
    """A message for the rest would come at once, fail slowly, too, and so on without end and
    without an error."""
    ill = {"shop"}
    hour = Hour(tmp_path, failing(ill))
    hour.services.tenants.add("shop", Profile.CAMERA, KEEPING)
    assert hour.tick(remaining_s=30.0) == 2, (
        "one more, since no group is to be erased, which cannot fail"
    )
    for _ in range(3):
        before = len(hour.failed)
        hour.clock.advance(timedelta(minutes=30))
        hour.work_off(remaining_s=30.0)  # comes to an end
        assert len(hour.failed) > before
    assert swept_at(hour, "shop") is None
    ill.clear()
    hour.clock.advance(timedelta(minutes=30))
    hour.work_off(remaining_s=30.0)
    assert swept_at(hour, "shop") is None, (
        "of jobs in messages of their own, nobody knows whether they were all"
    )
    hour.tick(remaining_s=30.0)
    assert swept_at(hour, "shop") == milliseconds(hour.clock.now())
    hour.services.close()


def test_lost_captures_are_searched_in_the_hour_of_the_schedule_however_late_the_tenants_turn_comes(
    hour: Hour,
) -> None:
    asked: list[datetime] = []

    class Asked:
        def send_lost_of_hour(self, this: JobContext) -> None:
            asked.append(this.hour)

    hour.services.captures.redrive = Asked()
    hours = [datetime(2026, 3, 2, at, tzinfo=UTC) for at in (3, 4)]
    for at in hours:
        hour.tick(at=at)
    assert asked == hours


def test_a_message_of_a_commit_asks_for_snapshots_only(hour: Hour) -> None:
    hour.storage.index_queue.send('{"tenant": "shop"}')
    app.provide.use(hour.services)
    assert hour.work_off() == 1
    assert hour.failed == []
    assert swept_at(hour, "shop") is None


@pytest.mark.parametrize("is_box", [True, False], ids=["box", "aws"])
def test_days_are_sealed_before_faces_are_joined_however_many_came(
    tmp_path: Path, *, is_box: bool
) -> None:
    hour = Hour(tmp_path, lambda storage: replace(storage, expires_items=not is_box))
    tenant = add_tenant(hour.services, "shop", Profile.CLOUD)
    year = Year(visits=60, faces=30, days=5, has_pictures=False)
    fill_year(hour.services, tenant, year, hour.clock.now())
    for _ in range(3):  # as every INDEX_EVERY commits
        hour.services.wake("shop")
    hour.services.sweep.request_sweeps(hour.clock.now())
    done = []
    while messages := hour.storage.index_queue.receive(1, 1_800):
        hour.services.sweep.handle_message(messages[0].body, 1, lambda: 300.0)
        hour.storage.index_queue.delete(messages[0].receipt)
        done.append((is_sealed(hour, tenant), is_joined(hour)))
    assert done[0] == (False, False)
    assert done[-1] == (True, True)
    assert (False, True) not in done
    jobs = [*hour.services.sweep._list_jobs(hour.clock.now())]
    assert jobs.index(SEALS) < jobs.index(JOINS)
    hour.services.close()


def is_sealed(hour: Hour, tenant: Tenant) -> bool:
    every_day = (0, milliseconds(hour.clock.now()) // DAY_MS)
    return bool(hour.services.statistics.seals.read_totals("shop", tenant.time_zone, *every_day))


def is_joined(hour: Hour) -> bool:
    return hour.storage.items.get(keys.DIRECTORY, ("shop", keys.JOINED_ITEM)) is not None


# --- pictures
# --------------------------------------------------------------------------------------------------


def test_pictures_that_a_cut_off_deletion_left_are_gone_with_the_journals_last_word_of_the_face(
    hour: Hour,
) -> None:
    """They may be years old: no listing of young pictures would find them."""
    tenant = hour.services.tenants.get_by_name("shop")
    faces = [
        hour.services.enrolment.enrol_largest_face(
            tenant, "regular", picture(Person(n)), RULES
        ).faceid
        for n in range(3)
    ]
    kept = [face.picture_key for face in map(partial(hour.services.faces.get, tenant), faces[1:])]
    hour.services.deletion.delete_faces_of_group(tenant, "regular", faces[:1])
    left = [hour.leave_picture("shop", faceid, timedelta(days=700)) for faceid in faces[:2]]
    for key in kept:
        hour.age(key, timedelta(days=700))
    for _ in range(3):
        hour.clock.advance(timedelta(hours=1))
        hour.tick()
    assert hour.storage.blobs.size(left[0]) is None
    assert all(hour.storage.blobs.size(key) for key in kept)
    assert hour.storage.blobs.size(left[1]), "of a face that did not change"


def test_a_deletion_of_many_faces_lists_no_more_pages_than_there_are(hour: Hour) -> None:
    for number in range(30):
        hour.leave_picture("shop", f"{number:02d}", timedelta(days=700))
    on_meter, meter = meter_storage(hour.storage)
    orphans = OrphanedPictures(book_with(hour.services, items=on_meter.items, storage=on_meter))
    orphans.delete_of("shop", [f"{number:02d}" for number in range(0, 30, 2)])
    left = sorted(
        keys.faceid_of_picture("shop", blob.key) for blob in hour.storage.blobs.walk("shop/faces/")
    )
    assert left == [f"{number:02d}" for number in range(1, 30, 2)]
    assert meter.calls["s3 put"] == 1


def test_pictures_of_many_pages_are_each_found(hour: Hour) -> None:
    names = [f"{number:02d}" for number in range(20)]
    for name in names:
        hour.leave_picture("shop", name)
        hour.leave_picture("shop", f"{name}-x")  # "-" comes before the "/" of the other folder
    small_pages(hour, 3).delete_of("shop", names[::3])
    left = {
        keys.faceid_of_picture("shop", blob.key) for blob in hour.storage.blobs.walk("shop/faces/")
    }
    assert left == {*names, *(f"{name}-x" for name in names)} - set(names[::3])


def test_an_old_picture_that_nobody_names_goes_on_the_first_of_the_month(hour: Hour) -> None:
    key = hour.leave_picture("shop", age=timedelta(days=40))
    for at in (datetime(2026, 3, 31, 3, tzinfo=UTC), datetime(2026, 4, 1, 2, tzinfo=UTC)):
        hour.services.deletion.orphans.delete("shop", at)
        assert hour.storage.blobs.size(key)
    hour.services.deletion.orphans.delete("shop", datetime(2026, 4, 1, 3, tzinfo=UTC))
    assert hour.storage.blobs.size(key) is None


# --- what a sweep reads
# -----------------------------------------------------------------------------------------------


def of_size(folder: Path, faces: int) -> Meter:
    """Meter a sweep of a tenant with so many faces, each with its picture, after a snapshot,
    without changes."""
    on_meter: list[Meter] = []

    def wrap(storage: Storage) -> Storage:
        counted, meter = meter_storage(storage)
        on_meter.append(meter)
        return counted

    hour = Hour(folder, wrap)
    hour.services.tenants.add("shop", Profile.CLOUD, KEEPING)
    tenant = hour.services.tenants.get_by_name("shop")
    first = hour.services.enrolment.enrol_largest_face(tenant, "regular", picture(Person(0)), RULES)
    item = hour.storage.items.get(keys.FACES, ("shop", first.faceid))
    assert item is not None
    names = [first.faceid, *(f"face-{number:06d}" for number in range(1, faces))]
    copies = (Put(keys.FACES, {**item, "faceid": name}) for name in names[1:])
    write_in_parts(hour.storage.items, copies)
    for name in names:
        key = keys.face_picture("shop", name, keys.nonce_of_picture(first.picture_key))
        hour.storage.blobs.put_if_absent(key, b"x", "image/jpeg")
        hour.age(key, timedelta(days=700))
    for _ in range(3):
        hour.clock.advance(timedelta(hours=26))
        hour.tick()
    hour.clock.advance(timedelta(hours=24 - 78 % 24 - 4))
    for _ in range(2):  # the first closes the day before, the second the audit's hour of that
        hour.tick()
        hour.clock.advance(timedelta(hours=2))
    (meter,) = on_meter
    meter.clear()
    assert hour.clock.now().hour in LISTED
    hour.tick()
    assert hour.failed == []
    hour.services.close()
    return meter


def test_a_sweep_of_3_000_faces_without_changes_reads_60_units_at_most_and_as_many_as_of_one_face(
    tmp_path: Path,
) -> None:
    few, many = of_size(tmp_path / "few", 1), of_size(tmp_path / "many", 3_000)
    assert many.reads == few.reads
    assert sum(many.reads.values()) <= 60
    assert many.calls["s3 get"] == 0
    assert few.writes == many.writes
    assert many.calls["s3 put"] - few.calls["s3 put"] == 3, (
        "a thousand pictures are listed by a call"
    )


def test_a_clock_that_jumped_deletes_nothing_by_it_until_it_has_run_on(
    hour: Hour, caplog: pytest.LogCaptureFixture
) -> None:
    tenant = hour.services.tenants.get_by_name("shop")
    stranger = hour.services.enrolment.enrol_largest_face(
        tenant, "stranger", picture(Person(1)), RULES
    )
    hour.tick()
    right = hour.clock.now()
    for days in (-1, 0, 100, 100, 0, 400, 3_650, 401, 0, -3_650, 100):
        hour.clock.advance(right + timedelta(days=days, minutes=1) - hour.clock.now())
        hour.tick()
        assert hour.services.faces.find(tenant, stranger.faceid)
    assert "was to be swept at 2026-03-02" in caplog.text
    hour.clock.advance(timedelta(hours=1))
    hour.tick()
    assert hour.services.faces.find(tenant, stranger.faceid) is None


def test_a_clock_that_is_ahead_for_an_hour_closes_no_day_that_goes_on(hour: Hour) -> None:
    tenant = add_tenant(hour.services, "busy", Profile.CLOUD)
    hour.services.tenants.change_settings("busy", {"time_zone": "UTC"})
    fill_year(hour.services, tenant, Year(60, 30, days=5, has_pictures=False), hour.clock.now())

    def list_closed() -> list[str]:
        place = keys.closed_periods(tenant.name, "day")
        return [item["day"] for item in walk_items(hour.storage.items, keys.SUMMARIES, place)]

    hour.tick()
    hour.clock.advance(timedelta(hours=20))
    hour.tick()
    assert (list_closed(), hour.failed) == ([], [])
    hour.clock.advance(timedelta(hours=-19))
    hour.tick()
    for _ in range(15):
        assert list_closed() == ["20260301"]
        hour.clock.advance(timedelta(hours=1))
        hour.tick()
    assert list_closed() == ["20260301", "20260302"]


def test_a_deletion_is_swept_whatever_the_clock_says(hour: Hour) -> None:
    tenant = hour.services.tenants.get_by_name("shop")
    face = hour.services.enrolment.enrol_largest_face(tenant, "regular", picture(Person(1)), RULES)
    hour.tick()
    hour.services.deletion.delete_faces(tenant, [face.faceid], by="first", erase=True)
    hour.clock.advance(timedelta(days=400))
    hour.tick()
    assert [
        one.done_at is not None for one in hour.services.erasure.records.read_page("shop", 1).rows
    ] == [True]


def test_a_message_that_waited_while_the_clock_jumped_deletes_nothing(hour: Hour) -> None:
    tenant = hour.services.tenants.get_by_name("shop")
    stranger = hour.services.enrolment.enrol_largest_face(
        tenant, "stranger", picture(Person(1)), RULES
    )
    hour.services.sweep.request_sweeps(hour.clock.now())
    hour.clock.advance(timedelta(days=3_650))
    assert hour.work_off() == 1
    assert hour.services.faces.find(tenant, stranger.faceid)


def test_a_job_that_always_fails_does_not_let_the_clock_be_doubted(hour: Hour) -> None:
    class Failing:
        def build(self, _tenant: str, *, erase: bool = True) -> bool:
            raise StorageUnavailable("no snapshots")

    hour.services.index = Failing()
    tenant = hour.services.tenants.get_by_name("shop")
    stranger = hour.services.enrolment.enrol_largest_face(
        tenant, "stranger", picture(Person(1)), RULES
    )
    for _ in range(100 * 2):
        hour.tick()
        hour.clock.advance(timedelta(hours=12))
    assert hour.services.faces.find(tenant, stranger.faceid) is None


def test_a_box_that_is_on_for_an_hour_every_other_day_deletes_what_is_kept_no_longer(
    hour: Hour,
) -> None:
    tenant = hour.services.tenants.get_by_name("shop")
    stranger = hour.services.enrolment.enrol_largest_face(
        tenant, "stranger", picture(Person(1)), RULES
    )
    for _ in range(50):
        hour.tick()
        hour.clock.advance(timedelta(hours=1))
        hour.tick()
        hour.clock.advance(timedelta(days=2))
    assert hour.services.faces.find(tenant, stranger.faceid) is None
