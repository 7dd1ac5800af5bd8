"""Counts of entries and exits, the share of known people among the entries, and the number inside.

A camera's UTC day is stored as one item of minutes, and after thirty days as one of hours, by the
tenant's time zone at that time. It is stored beside the observations, not among them, since it
names nobody. The number of known people among the entries follows from the arrivals of the same
camera and hour.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import reduce
from typing import TYPE_CHECKING

from chalicelib.domain.captures import Camera, say_disabled
from chalicelib.domain.counts import (
    MINUTE_MS,
    MINUTES_KEPT,
    SETTLED_AFTER,
    TOLD_WITHIN,
    WAITS_HOURS,
    Count,
    CountedDay,
    CountedMinute,
    DayCounts,
    Doubts,
    Entries,
    Staff,
    Void,
    add_counts,
    add_entries,
    expect_seconds,
    forget_counts,
    group_by_day,
    join_counts,
    leave_out,
    leave_out_settled,
    list_local_hours,
    list_void_minutes,
    part_by_faces,
    require_minutes,
)
from chalicelib.domain.errors import CameraDisabled
from chalicelib.domain.jobs import Due
from chalicelib.domain.local_time import (
    DAY_MS,
    HOUR_MS,
    Granularity,
    LocalTime,
    Span,
    hour_of_week,
    time_key,
)
from chalicelib.domain.model import Tenant
from chalicelib.domain.opening import list_open_seconds, parse_opening
from chalicelib.lazy import lazy
from chalicelib.service import Service
from chalicelib.storage import keys
from chalicelib.storage.items import (
    next_version,
    retry_if_changed,
    walk_items,
    write,
    write_unless_changed,
)
from chalicelib.storage.ports import Action, Check, Delete, Item, Put, equals
from chalicelib.storage.records.counts import (
    counts_from,
    counts_item,
    hours_item,
    summed_day_from,
)
from chalicelib.storage.values import milliseconds, moment

if TYPE_CHECKING:
    from chalicelib.book.book import Book
    from chalicelib.book.counts.checks import Checks
    from chalicelib.book.counts.places import Places
    from chalicelib.book.counts.voids import Voids

_BUSY = "the counts of this camera are changed by others all the time: send them again in a moment"
_MINUTES_OF_DAY = DAY_MS // MINUTE_MS
_DAY_SAME = "counts-same"
"""Name of the condition that a camera's day is as it was read."""


class Counts(Service["Book"]):
    @lazy
    def places(self) -> Places:
        from chalicelib.book.counts.places import Places

        return Places(self.services)

    @lazy
    def voids(self) -> Voids:
        from chalicelib.book.counts.voids import Voids

        return Voids(self.services)

    @lazy
    def checks(self) -> Checks:
        from chalicelib.book.counts.checks import Checks

        return Checks(self.services)

    @retry_if_changed(_BUSY)
    def store_minutes(
        self,
        tenant: Tenant,
        camera: Camera,
        minutes: Sequence[CountedMinute],
        *,
        is_by_camera: bool = False,
    ) -> int:
        """Store the minutes that a camera counted, all or none, and return their number.

        Of two reports of a minute the better one stays. `is_by_camera`: the camera's own key tells
        them. Then a minute that is stored and older than two days stays as it is. Tells hooks in
        the same transaction if a place gets full by it, or free. Raises CameraDisabled,
        InvalidInput with the minute's `index`, Busy.
        """
        if not camera.enabled:
            raise CameraDisabled(say_disabled(camera))
        now = self.services.clock.now()
        require_minutes(minutes, now)
        settled = milliseconds(now - SETTLED_AFTER) // MINUTE_MS if is_by_camera else 0
        changed_days: dict[int, DayCounts] = {}
        puts: list[Put] = []
        for day, reported_counts in group_by_day(minutes).items():
            item = self._find_item(tenant.name, day, camera.id)
            counts_before = counts_from(item)
            first_minute = day * _MINUTES_OF_DAY
            new_counts = leave_out_settled(reported_counts, counts_before, settled - first_minute)
            counts = join_counts(counts_before, new_counts)
            if counts != counts_before:
                changed_days[day] = counts
                puts.append(_make_put(tenant.name, day, camera.id, counts, item))
        if not puts:
            return len(minutes)
        told = self.places.make_crossing_actions(tenant, camera.id, changed_days)
        write(self.services.items, [*puts, *told])
        self.services.webhooks.outbox.send_messages(tenant.name, told)
        return len(minutes)

    def read_day_with_check(self, tenant: str, day: int, camera_id: str) -> tuple[DayCounts, Check]:
        """Read the minutes of one camera in a UTC day as they are stored, void ones too, and return
        the check that they are still so when others write by them."""
        item = self._find_item(tenant, day, camera_id)
        _, if_same = next_version(item, _DAY_SAME)
        key = keys.counted_minutes(tenant), keys.counted_day(day, camera_id)
        return counts_from(item), Check(keys.SUMMARIES, key, (if_same,))

    def walk_days(
        self, tenant: str, days: range, cameras: Collection[str] | None = None
    ) -> Iterator[CountedDay]:
        """Yield the counts of UTC days, hours of long ago and then minutes.

        `cameras`: ids; None: of all cameras. What is void is not known. A minute that hours have
        already is left out: a clock that was ahead made it a part of them, and the box has told it
        again.
        """
        between = keys.counted_days_range(days.start, days.stop - 1)
        voids: Sequence[Void] | None = None  # not read for who counts nobody
        summed: dict[str, frozenset[int]] = {}
        hours_partition = keys.counted_hours(tenant)
        for partition in (hours_partition, keys.counted_minutes(tenant)):
            for item in walk_items(self.services.items, keys.SUMMARIES, partition, between=between):
                day, camera = keys.parts_of_counted_day(item["day"])
                if cameras is not None and camera not in cameras:
                    continue
                voids = self.voids.list_all(tenant) if voids is None else voids
                void_minutes = list_void_minutes(voids, day, camera)
                if partition == hours_partition:
                    summed_day = summed_day_from(item)
                    summed[item["day"]] = summed_day.all_minutes
                    counts = summed_day.forget(void_minutes)
                else:
                    told_counts = leave_out(counts_from(item), summed.get(item["day"], ()))
                    counts = forget_counts(told_counts, void_minutes)
                yield CountedDay(day, camera, counts)

    def count_entries(
        self,
        tenant: Tenant,
        span: Span,
        granularity: Granularity,
        camera: str | None = None,
        staff_counted: Staff = Staff.LEFT_OUT,
    ) -> Mapping[str, Entries]:
        """Count entries and exits by a bucket's TIME, with the watched time and the time to be
        watched.

        Buckets that no camera was to watch lack. `camera`: the id; None: all cameras together.
        Hours of long ago count whole, in the span that has their first minute.
        """
        counts, expected = self._read_hours(tenant, span, camera)
        if not expected:
            return {}
        known, staff = self.services.statistics.count_arrivals_of_cameras(tenant, span)
        local, entries = tenant.local_time, dict[str, Entries]()
        for key in sorted(counts.keys() | expected.keys()):
            part = part_by_faces(counts.get(key, Count()), known[key], staff[key], staff_counted)
            time = time_key(granularity, local.bucket_of(granularity, key[0]))
            entries[time] = add_entries(
                entries.get(time, Entries()), part._replace(open_s=expected.get(key, 0))
            )
        return entries

    def _read_hours(
        self, tenant: Tenant, span: Span, camera: str | None
    ) -> tuple[dict[tuple[int, str], Count], dict[tuple[int, str], int]]:
        """Read what cameras counted in a span, and how many seconds they were to watch, both by
        local hour and camera."""
        local = tenant.local_time
        before = Span(max(span.first_ms - WAITS_HOURS * HOUR_MS, 0), span.first_ms - 1)
        cameras = None if camera is None else {camera}
        counts: dict[tuple[int, str], Count] = {}
        earlier: set[tuple[int, str]] = set()
        for counted_day in self.walk_days(tenant.name, before.hull(span).utc_days, cameras):
            earlier |= {
                (hour, counted_day.camera) for hour, _ in _sum_by_hour(counted_day, before, local)
            }
            for hour, count in _sum_by_hour(counted_day, span, local):
                key = hour, counted_day.camera
                counts[key] = add_counts(counts.get(key, Count()), count)
        if not (counts or earlier):
            return {}, {}
        told_ms = milliseconds(self.services.clock.now() - TOLD_WITHIN)
        first_hour = min(hour for hour, _ in (*counts, *earlier))
        open_span = span.cut(Span(first_hour * HOUR_MS - DAY_MS, told_ms - 1))
        open_seconds = list_open_seconds(tenant.opening, local, open_span)
        present = {one.id for one in self.services.cameras.list_all(tenant) if one.enabled}
        open_hours = parse_opening(tenant.opening)
        counts = {
            (hour, camera): count
            if hour_of_week(hour) in open_hours
            else count._replace(doubts=Doubts())  # in the night it is dark
            for (hour, camera), count in counts.items()
        }
        return counts, expect_seconds(counts, earlier, open_seconds, present)

    def list_due_minutes(self, tenant: Tenant, at: datetime) -> Iterator[Due[Item]]:
        """Yield the days of minutes that are due to become hours, oldest first."""
        return self._list_due(keys.counted_minutes(tenant.name), MINUTES_KEPT, at)

    def list_due_hours(self, tenant: Tenant, at: datetime) -> Iterator[Due[Item]]:
        """Yield the days of hours whose retention is over: as long as that of observations, which
        tell who is known."""
        kept_for = timedelta(days=tenant.observation_days or 0)
        return self._list_due(keys.counted_hours(tenant.name), kept_for, at)

    def sum_minutes(self, tenant: Tenant, items: Sequence[Item]) -> None:
        """Make hours of days of minutes, by the tenant's clocks. A day that was changed meanwhile
        waits.

        Minutes that are void make hours of their own, which count once these are not void any
        more.
        """
        local, partition = tenant.local_time, keys.counted_hours(tenant.name)
        voids, if_same_voids = self.voids.read_with_check(tenant.name)
        for item in items:
            day, camera = keys.parts_of_counted_day(item["day"])
            former = self.services.items.get(keys.SUMMARIES, (partition, item["day"]))
            void_minutes = list_void_minutes(voids, day, camera)
            summed_day = summed_day_from(former).add(day, counts_from(item), void_minutes, local)
            if_same = (equals("version", item["version"], _DAY_SAME),)
            hours_put = hours_item(partition, day, camera, summed_day)
            actions: list[Action] = [
                if_same_voids,
                Delete(keys.SUMMARIES, (item["tenant_zone"], item["day"]), if_same),
                Put(keys.SUMMARIES, hours_put),
            ]
            write_unless_changed(self.services.items, actions)

    def delete_hours(self, items: Sequence[Item]) -> None:
        write(
            self.services.items,
            [Delete(keys.SUMMARIES, (item["tenant_zone"], item["day"])) for item in items],
        )

    def _list_due(self, partition: str, kept_for: timedelta, at: datetime) -> Iterator[Due[Item]]:
        last_day = max(int((at - kept_for).timestamp()) * 1000 // DAY_MS - 1, 0)
        between = keys.counted_days_range(0, last_day)
        for item in walk_items(self.services.items, keys.SUMMARIES, partition, between=between):
            day, _ = keys.parts_of_counted_day(item["day"])
            yield Due(moment(day * DAY_MS), moment((day + 1) * DAY_MS) + kept_for, item)

    def _find_item(self, tenant: str, day: int, camera_id: str) -> Item | None:
        return self.services.items.get(
            keys.SUMMARIES, (keys.counted_minutes(tenant), keys.counted_day(day, camera_id))
        )


def _make_put(
    tenant: str, day: int, camera_id: str, counts: DayCounts, item_before: Item | None
) -> Put:
    """Return the action that stores a camera's day in place of the one that was read."""
    version, condition = next_version(item_before, _DAY_SAME)
    item = counts_item(keys.counted_minutes(tenant), day, camera_id, counts, version)
    return Put(keys.SUMMARIES, item, (condition,))


def _sum_by_hour(day: CountedDay, span: Span, local: LocalTime) -> Iterator[tuple[int, Count]]:
    """Yield the counts of a day that begin in a span, summed by local hour; an hour may come
    twice. Of an hour that a box told and did not know, the numbers are None."""
    within = {(at_ms // MINUTE_MS) % (DAY_MS // MINUTE_MS): c for at_ms, c in day.list_within(span)}
    if not within:
        return
    for minutes, hour in list_local_hours(day.day, local):
        told = [within[minute] for minute in minutes if minute in within]
        if told:
            yield hour, reduce(add_counts, told, Count())
