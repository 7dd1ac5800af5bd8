"""The observations of each local day: from the day's seal while that is valid, else from the raw
ones, one by one.

When arrivals began is worked out from the sightings themselves (arrivals.py), so that it holds for
faces that are deleted, too.

A local day is sealed an hour after its end, and again if observations came late. A seal holds the
day's counts. The raw observations stay the truth.

Expiry takes observations away, with the seals and the days of the calendar that hold none any more.
The last one to leave a day is counted as late for it, so no seal stays valid that counts those
before it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from itertools import groupby
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from chalicelib.book.statistics.calendar import (
    CHUNK_BYTES,
    FEW_DAYS,
    LATE_SAME,
    MAX_CHUNKS,
    ObservedDays,
    Seal,
    make_face_hashes,
    utc_days_of,
)
from chalicelib.domain.jobs import SEAL_AFTER, SEALS, STOPS_AT_S, Due
from chalicelib.domain.local_time import DAY_MS, LocalTime, Piece, Span
from chalicelib.domain.model import Tenant
from chalicelib.domain.observations import (
    EVERYTHING,
    ChangedObservation,
    Observation,
    ObservationFilter,
    ObservationKind,
    Split,
)
from chalicelib.domain.rules.ended import was_staff
from chalicelib.service import Service
from chalicelib.storage import keys
from chalicelib.storage.items import (
    count_attempts,
    cut_in_parts,
    observed_on,
    write,
    write_unless_changed,
)
from chalicelib.storage.ports import (
    BlobStore,
    Delete,
    Item,
    ItemStore,
    Put,
    Update,
    absent,
    equals,
)
from chalicelib.storage.records import columns as codec
from chalicelib.storage.records.columns import Columns, CountsByHour, DamagedData, LabelCounts
from chalicelib.storage.records.observations import (
    COUNTED,
    STORABLE,
    observation_from,
    row_from,
)
from chalicelib.storage.records.presences import (
    Presences,
    decode_presences,
    encode_presences,
    find_presences,
)
from chalicelib.storage.values import milliseconds, moment, nonce

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from chalicelib.book.book import Book


_OF_COLUMNS = (Split.GENDER, Split.AGE)
"""Splits for which no day has its counts: its observations are counted."""

_AT_ONCE = 32
"""Objects of one batch. They are fetched in parallel, so that a year does not wait 365 times for
the network."""

_FETCHERS = 16
"""Objects that are fetched in parallel."""
_MARGIN_DAYS = 2
"""Days of the calendar that are read before and after a span.

A seal is compared with the late counts of all UTC days that its local day touches, also if the span
cuts that day. They lie within two days of each of its instants.
"""


_RARE = 4
"""One in so many observations of a day is of a kind that is rare there."""

MOST_COUNTED_ANEW = 3_000
"""Observations, of days whose seals hold no more, that a question counts anew: 0.3 s. If they are
more, and of more than FEW_DAYS, it may take the old figures of these days: as after the merge of
somebody who came each day.
"""


class DayReader(Service["Book"]):
    """The reader of days.

    `most_counted_anew`: so many observations of more than FEW_DAYS are counted anew.
    """

    most_counted_anew = MOST_COUNTED_ANEW

    def open_span(
        self,
        tenant: Tenant,
        span: Span,
        observation_filter: ObservationFilter,
        split: Split | None = None,
        *,
        counts: bool = False,
        takes_old: bool = False,
    ) -> ObservedSpan:
        """Return a span's days for the filter and split, each with its seal where that can be used.

        A seal is a day's counts, stored after the day. The calendar, which has the counts of what
        came late, is read before the seals. So a seal made in between does not look valid. With
        `counts`, the seals have all that `count_hours` needs. With `takes_old`, many days that are
        being counted again give their old figures (`ObservedSpan.old_days`).
        """
        # Totals are small, and counted by kind alone. Other counts need the label counts, unless
        # these cannot answer: none are by face, gender or age.
        by_labels = observation_filter.by_labels or split not in (None, Split.KIND)
        counts_are_sealed = not observation_filter.by_face and split not in _OF_COLUMNS
        needs_label_counts = counts and by_labels and counts_are_sealed
        stored_seals = self.services.statistics.seals
        read_seals = stored_seals.label_counts if needs_label_counts else stored_seals.read_totals

        def read_between(tenant_name: str, zone: str, days: Sequence[int]) -> dict[int, Seal]:
            return read_seals(tenant_name, zone, days[0], days[-1])

        return self._open(tenant, span, observation_filter, split, read_between, takes_old)

    def open_presences(
        self, tenant: Tenant, span: Span, *, takes_old: bool = False
    ) -> ObservedSpan:
        """Return a span's days as `open_span` does, but for `read_presences`."""
        read_seals = self.services.statistics.seals.read_presences
        return self._open(tenant, span, EVERYTHING, None, read_seals, takes_old)

    def _open(
        self,
        tenant: Tenant,
        span: Span,
        observation_filter: ObservationFilter,
        split: Split | None,
        read_seals: Callable[[str, str, Sequence[int]], dict[int, Seal]],
        takes_old: bool,
    ) -> ObservedSpan:
        """Return a span's days, each with its seal where that can be used.

        `read_seals` reads seals of a tenant, time zone and local days. A seal is old if
        observations came late since. Then its day is counted anew, unless `takes_old` is set and
        that were much work.
        """
        days = span.utc_days
        around = range(days.start - _MARGIN_DAYS, days.stop + _MARGIN_DAYS)
        observed_days = self.services.statistics.calendar.read_days(tenant.name, around)
        local = tenant.local_time
        # A UTC day in the calendar touches one or two local days, of which those in the span
        # matter.
        parts_of_span = (
            span.cut(Span(day * DAY_MS, (day + 1) * DAY_MS - 1))
            for day in observed_days.list_within(days)
        )
        local_days = sorted({local_day for part in parts_of_span for local_day in local.days(part)})
        seals = read_seals(tenant.name, tenant.time_zone, local_days) if local_days else {}
        now = self.services.clock.now()
        readable_seals = {
            day: seals[day]
            for day in local_days
            if day in seals and seals[day].is_readable(local, now)
        }
        # The seal is readable, but something came late since it was made.
        old_seals = {
            day: seal
            for day, seal in readable_seals.items()
            if not seal.is_valid(observed_days, local, now)
        }
        if not takes_old or self._are_few(old_seals.values()):
            readable_seals = {
                day: seal for day, seal in readable_seals.items() if day not in old_seals
            }
        return ObservedSpan(
            span,
            observation_filter,
            split,
            local,
            local_days,
            observed_days,
            readable_seals,
            self.services.items,
            self.services.storage.blobs,
            frozenset(old_seals.keys() & readable_seals.keys()),
        )

    def _are_few(self, seals: Collection[Seal]) -> bool:
        """Return whether the days of these old seals are few enough that each question counts them.

        That is a week of days, or more with few observations in all.
        """
        observations = sum(seal.observations for seal in seals)
        return len(seals) <= FEW_DAYS or observations <= self.most_counted_anew


class ObservedSpan(Struct):
    """The local days of a tenant's span, with calendar and seals as they were read.

    Its methods return the observations of the span that `wanted` (a filter) takes, divided by
    `split`. A day with a seal, which holds its counts, needs no observation to be read. `days`: the
    local days that may hold observations of the span, ascending, counted since 1970. `old_days`:
    those of them whose seals say what was true before something changed.
    """

    span: Span
    wanted: ObservationFilter
    split: Split | None
    local: LocalTime
    days: Sequence[int]
    observed: ObservedDays
    seals: dict[int, Seal]
    items: ItemStore
    blobs: BlobStore
    old_days: frozenset[int] = frozenset()

    def is_sealed(self, utc_day: int) -> bool:
        """Return whether all observations of a UTC day, as far as it is in the span, are in valid
        seals."""
        part = self.span.cut(Span(utc_day * DAY_MS, (utc_day + 1) * DAY_MS - 1))
        return all(day in self.seals for day in self.local.days(part))

    def list_days_without(self, kind: ObservationKind) -> set[int]:
        """Return the local days without observations of a kind, by their seals."""
        counts = {day: seal.count_kind(kind) for day, seal in self.seals.items()}
        # None: the seal does not say. Else it is (of this kind, of all kinds).
        return {day for day, count in counts.items() if count is not None and not count[0]}

    def is_rare(self, utc_day: int, kind: ObservationKind) -> bool:
        """Return whether at most one in four observations of a sealed UTC day is of a kind.

        Then the caller finds them in the day's columns (all observations in one object), rather
        than by reading each.
        """
        part = self.span.cut(Span(utc_day * DAY_MS, (utc_day + 1) * DAY_MS - 1))
        counts = [self.seals[day].count_kind(kind) for day in self.local.days(part)]
        return all(count is not None and _RARE * count[0] <= count[1] for count in counts)

    def count_hours(self) -> Iterator[tuple[int, CountsByHour]]:
        """Yield each local day with the counts of its wanted observations, by value and hour.

        The counts come from the day's seal where it has them. Else the day's observations are
        counted. Days come in any order; what is outside the span is left out.
        """
        remaining_days = []
        for day in self.days:
            by_hour = self._read_sealed_counts(day)
            if by_hour is None:
                remaining_days.append(day)
            else:
                yield day, by_hour
        for day, columns in self.read_columns(remaining_days):
            rows = columns.select_rows(self.wanted, self.span)
            yield (
                day,
                columns.count_by_hour(
                    rows, self.local.find_hours(columns.at_ms[rows]) - day * 24, self.split
                ),
            )

    def days_with(self, faceids: Collection[str]) -> list[int]:
        """Return the local days that may hold observations of one of these faces."""
        return [
            day for day in self.days if day not in self.seals or self.seals[day].may_hold(faceids)
        ]

    def read_columns(self, days: Sequence[int]) -> Iterator[tuple[int, Columns]]:
        """Yield these local days, in their order, each with its observations as columns.

        Columns are arrays with a row for each observation. They have all those in the span, and
        perhaps others of the day.
        """
        with ThreadPoolExecutor(_FETCHERS) as fetchers:
            for batch in cut_in_parts(days, _AT_ONCE):
                for day, data in zip(batch, fetchers.map(self._fetch_object, batch), strict=True):
                    yield day, self._decode_day(day, data)

    def list_ids(
        self, spans: Mapping[str, Span], kind: ObservationKind | None
    ) -> Iterator[list[tuple[int, str]]]:
        """Yield, by local day, the (time in ms, id) of each observation of some faces.

        `spans` has for each faceid the time that is asked. `kind` of None takes all kinds. Of a day
        with a valid seal, the stored columns are read. Of another, each observation is, but only
        what tells whose it is.
        """
        # Neighbours that are read in the same way are read together.
        for is_sealed, days in groupby(self.days_with(spans), self.seals.__contains__):
            if is_sealed:
                for _, columns in self.read_columns([*days]):
                    yield _list_ids_in_columns(columns, spans, kind)
            else:
                for day in days:
                    yield self._list_raw_ids(day, spans, kind)

    def _list_raw_ids(
        self, day: int, spans: Mapping[str, Span], kind: ObservationKind | None
    ) -> list[tuple[int, str]]:
        """Return the (time in ms, id) of these faces' observations on a day without a seal."""
        found: list[tuple[int, str]] = []
        for item in _read_raw(
            self.items, self.observed, self.local, day, self._cut_to_day(day), _WHOSE
        ):
            at_ms, id_ = keys.parts_of_observation(item["time_id"])
            span = spans.get(item["faceid"])
            if span and span.first_ms <= at_ms <= span.last_ms and kind in (None, item["kind"]):
                found.append((at_ms, id_))
        return found

    def read_presences(self) -> list[Presences]:
        """Return the presences (from when to when each face was there) of all days, in no order.

        The span must be one of `open_presences`. Where a seal has none, or damaged ones, they are
        found in the day's observations.
        """
        presences, remaining_days = [], []
        for day in self.days:
            try:
                presences.append(decode_presences(self.seals[day].presences or b""))
            except (KeyError, DamagedData):
                remaining_days.append(day)
        return [
            *presences,
            *(find_presences(columns) for _, columns in self.read_columns(remaining_days)),
        ]

    def _read_sealed_counts(self, day: int) -> CountsByHour | None:
        """Return a day's counts from its seal, by value of the split, as arrays of 24 hours.

        None means that the caller has to count the observations. The day has no seal, the span cuts
        it, or the seal has no counts for such a filter or split.
        """
        seal = self.seals.get(day)
        if seal is None or self.wanted.by_face or self.split in _OF_COLUMNS:
            return None
        # Its counts include people who were erased, and cannot tell those of staff.
        if self.wanted.without_staff and seal.has_erased_staff:
            return None
        if not self.span.holds(Span(seal.pieces[0].first_ms, seal.pieces[-1].last_ms)):
            return None
        if not self.wanted.by_labels and self.split in (None, Split.KIND):
            # Totals answer: they are by kind and hour.
            kinds = {
                kind: by_hour
                for kind, by_hour in seal.by_kind.items()
                if self.wanted.kind in (None, kind)
            }
            return _sum_counts(
                (kind if self.split else "", by_hour) for kind, by_hour in kinds.items()
            )
        if seal.label_chunks is None:
            return None
        try:
            counts = [
                codec.decode_counts(chunk).count_by_hour(self.wanted, self.split)
                for chunk in seal.label_chunks
            ]
        except DamagedData:
            return None
        return _sum_counts(entry for counts_by_hour in counts for entry in counts_by_hour.items())

    def _fetch_object(self, day: int) -> bytes | None:
        seal = self.seals.get(day)
        return (
            None if seal is None or seal.columns_key is None else self.blobs.get(seal.columns_key)
        )

    def _decode_day(self, day: int, data: bytes | None) -> Columns:
        """Return a day's observations as columns, from the bytes of its stored object.

        If that is missing, since the day was just sealed again, or damaged, the observations are
        read one by one.
        """
        seal = self.seals.get(day)
        if seal is not None and seal.columns_key is None:
            # An empty day has a seal, but no object.
            return Columns.from_rows([])
        try:
            return self._raw_columns(day) if data is None else codec.decode_columns(data)
        except DamagedData:
            return self._raw_columns(day)

    def _raw_columns(self, day: int) -> Columns:
        return raw_columns(self.items, self.observed, self.local, day, self._cut_to_day(day))

    def _cut_to_day(self, day: int) -> Span:
        pieces = self.local.pieces_of(day)
        return self.span.cut(Span(pieces[0].first_ms, pieces[-1].last_ms))

    def newest_first(self, span: Span, at_once: int, below: str | None = None) -> Iterator[Item]:
        """Yield the stored observations of a part of the span, newest first.

        Only those whose key, `time_id`, is below `below` are yielded; None takes all. About
        `at_once` are read at once.
        """
        if below is not None:
            # A key begins with the time: nothing later has to be read.
            span = span.cut(Span(0, keys.parts_of_observation(below)[0]))
        for day in reversed(self.observed.list_within(span.utc_days)):
            # One more, since `below` itself may be among them.
            yield from _read_day(
                self.items, self.observed.tenant, day, span, at_once=at_once + 1, below=below
            )


_WHOSE = ("faceid", "kind")
"""Attributes of an observation that tell, beside its key, whose it is and of which kind."""


def _list_ids_in_columns(
    columns: Columns, spans: Mapping[str, Span], kind: ObservationKind | None
) -> list[tuple[int, str]]:
    """Return the (time in ms, id) of these faces' observations in a day's columns, by time.

    `spans` has for each faceid the time that is asked.
    """
    rows = {
        row
        for faceid, span in spans.items()
        for row in columns.select_rows(ObservationFilter(faceid=faceid, kind=kind), span).tolist()
    }
    return [(int(columns.at_ms[row]), columns.ids[row]) for row in sorted(rows)]


def _sum_counts(counts: Iterable[tuple[str, Sequence[int] | NDArray[np.int64]]]) -> CountsByHour:
    """Return the sums, by value, of counts by hour that may have a value several times."""
    import numpy as np

    summed: dict[str, NDArray[np.int64]] = {}
    for value, by_hour in counts:
        summed[value] = summed.get(value, 0) + np.asarray(by_hour, np.int64)
    return summed


def raw_columns(
    items: ItemStore, observed_days: ObservedDays, local: LocalTime, day: int, span: Span
) -> Columns:
    """Read the observations of a local day that lie in the span, one by one."""
    found_items = _read_raw(items, observed_days, local, day, span, COUNTED)
    return Columns.from_rows(map(row_from, found_items))


def _read_raw(
    items: ItemStore,
    observed_days: ObservedDays,
    local: LocalTime,
    day: int,
    span: Span,
    carried: tuple[str, ...],
) -> list[Item]:
    """Return the stored observations of a local day that lie in the span, by time.

    They are stored by UTC days, of which a local day touches several. What is there of other local
    days is left out. `carried` names the attributes to read, as in `walk_items`.
    """
    import numpy as np

    found_items = [
        item
        for utc_day in observed_days.list_within(span.utc_days)
        for item in _read_day(items, observed_days.tenant, utc_day, span, carried=carried)
    ]
    # A key has the time, and the time tells the local day.
    times = [keys.parts_of_observation(item["time_id"])[0] for item in found_items]
    local_days = local.find_hours(np.array(times, np.int64)) // 24
    return [
        item
        for item, local_day in zip(found_items, local_days.tolist(), strict=True)
        if local_day == day
    ]


def _read_day(
    items: ItemStore,
    tenant: str,
    day: int,
    span: Span,
    at_once: int | None = None,
    below: str | None = None,
    carried: tuple[str, ...] = (),
) -> Iterator[Item]:
    """Yield a UTC day's stored observations in the span, oldest first.

    With `at_once`, they come newest first, and one read takes so many. With `below`, only those
    behind that `time_id` come.
    """
    part = span.cut(Span(day * DAY_MS, (day + 1) * DAY_MS - 1)).cut(STORABLE)
    how: dict[str, Any] = {
        "behind": below,
        "reverse": at_once is not None,
        "page_size": at_once,
        "carried": carried,
    }
    return observed_on(items, tenant, day, part.first_ms, part.last_ms, **how)


OBJECT_GRACE = timedelta(hours=24)
"""Age from which an object without a seal is removed: an object is written before the seal that
names it."""

ASKED_AGAIN_AFTER_MS = 15 * 60_000
"""Time after which days are asked for again that were not sealed: so long a function may run, and
the message may be lost."""

REQUEST_SAME = "request-same"
"""Name of the condition that nobody else asked for the days meanwhile."""

_TRIES = 3
"""Tries to seal a day whose observations change meanwhile; the next sweep tries again."""


class Sealing(Service["Book"]):
    """The maker of seals, the stored counts of days that are over.

    `chunk_bytes` and `max_chunks` limit a day's counts by labels. Beyond them, none are stored.
    """

    chunk_bytes = CHUNK_BYTES
    max_chunks = MAX_CHUNKS

    def seal_tenant(self, tenant: Tenant) -> list[int]:
        """Seal every local day of a tenant that is over and has no valid seal; return those days.

        Each day is sealed by itself, so a call that is cut off can be made again. A seal that was
        made while the clock was ahead is deleted first.
        """
        return [day for day in self._list_due_days(tenant) if self.seal_day(tenant, day)]

    def seal_within(self, tenant: Tenant, remaining_s: Callable[[], float]) -> bool:
        """Seal as `seal_tenant` does; return False if the time ran out before the end."""
        due_days = self._list_due_days(tenant)
        for day in due_days:
            if remaining_s() < STOPS_AT_S:
                return False
            self.seal_day(tenant, day)
        if len(due_days) > FEW_DAYS:  # nobody asks for fewer
            self._forget_request(tenant)
        return True

    def request_once(self, tenant: Tenant) -> None:
        """Have a job seal the days that are due, unless it was asked for and is not done yet.

        Many screens ask about the same days at once, so a stored note says when it was asked for
        last. After 15 minutes it is asked again, since a message may be lost. Raises Busy,
        StorageUnavailable.
        """
        before = self.services.items.get(keys.DIRECTORY, (tenant.name, keys.SEALS_ITEM))
        now_ms = milliseconds(self.services.clock.now())
        if before is not None and 0 <= now_ms - before["at"] < ASKED_AGAIN_AFTER_MS:
            return
        same = absent(REQUEST_SAME) if before is None else equals("at", before["at"], REQUEST_SAME)
        item = {"tenant": tenant.name, "item": keys.SEALS_ITEM, "at": now_ms}
        # If another process was first, that one asks.
        if write_unless_changed(self.services.items, [Put(keys.DIRECTORY, item, (same,))]):
            self.services.request_jobs(tenant.name, [SEALS])

    def _forget_request(self, tenant: Tenant) -> None:
        """Forget that days were asked for: what changes from now on is asked for anew."""
        request_key = (tenant.name, keys.SEALS_ITEM)
        if self.services.items.get(keys.DIRECTORY, request_key) is not None:
            write(self.services.items, [Delete(keys.DIRECTORY, request_key)])

    def _list_due_days(self, tenant: Tenant) -> list[int]:
        """Return the local days with observations that have no valid seal, ascending.

        A seal that was made while a clock was ahead is deleted here.
        """
        local = tenant.local_time
        observed_days = self.services.statistics.calendar.read_days(tenant.name, STORABLE.utc_days)
        whole_days = (
            Span(day * DAY_MS, (day + 1) * DAY_MS - 1)
            for day in observed_days.list_within(STORABLE.utc_days)
        )
        days = sorted({day for span in whole_days for day in local.days(span)})
        if not days:
            return []
        stored_seals = self.services.statistics.seals
        seals = stored_seals.read_totals(tenant.name, tenant.time_zone, days[0], days[-1])
        now = self.services.clock.now()
        for seal in seals.values():
            # its day may not have been over; its object, which no seal names, goes later
            if seal.was_ahead(now):
                write_unless_changed(
                    self.services.items, stored_seals.delete(tenant.name, tenant.time_zone, seal)
                )
        return [
            day for day in days if day not in seals or seals[day].is_due(observed_days, local, now)
        ]

    def seal_day(self, tenant: Tenant, day: int) -> bool:
        """Seal one local day, which stores its counts; return whether that was done.

        It was not if the day ended less than an hour ago, or observations keep coming late.
        """
        local = tenant.local_time
        pieces = local.pieces_of(day)
        if not pieces or moment(pieces[-1].last_ms) + SEAL_AFTER > self.services.clock.now():
            return False
        return any(self._try_to_seal(tenant, local, day, pieces) for _ in count_attempts(_TRIES))

    def forget_other_zones(self, tenant: Tenant, before: int | None = None) -> None:
        """Delete the seals of time zones that were the tenant's before, which nothing renews.

        Their stored objects go, too. `before` takes only those of earlier local days.
        """
        for blob in self.services.storage.blobs.walk(keys.zones_columns(tenant.name)):
            # Zone and day are in the key of the stored object.
            zone, day = keys.parts_of_columns(tenant.name, blob.key)
            if zone != tenant.time_zone and (before is None or day < before):
                self.forget(tenant, zone, [day])
                self.services.storage.blobs.delete(blob.key)

    def forget(self, tenant: Tenant, zone: str, days: Sequence[int], *more_actions: Update) -> None:
        """Delete the seals of local days, and the stored objects that they name.

        `more_actions` are done in the same transaction. If a day was sealed anew or got an
        observation meanwhile, nothing is done; a later call does it.
        """
        seals = self.services.statistics.seals
        found_seals = [seal for day in days if (seal := seals.get(tenant.name, zone, day))]
        actions = [
            *more_actions,
            *(action for seal in found_seals for action in seals.delete(tenant.name, zone, seal)),
        ]
        if not actions or write_unless_changed(self.services.items, actions):
            for seal in found_seals:
                if seal.columns_key is not None:
                    self.services.storage.blobs.delete(seal.columns_key)

    def _try_to_seal(
        self, tenant: Tenant, local: LocalTime, day: int, pieces: tuple[Piece, ...]
    ) -> bool:
        """Count a day's observations and store the counts as its seal; return whether it is stored.

        It is not if others changed something meanwhile. The counts of late observations are read
        first. The seal is stored only if they, and the old seal, are still the same.
        """
        utc_days, zone = utc_days_of(pieces), tenant.time_zone
        old_seal = self.services.statistics.seals.get(tenant.name, zone, day)
        observed_days = self.services.statistics.calendar.read_days(tenant.name, utc_days)
        span = Span(pieces[0].first_ms, pieces[-1].last_ms)
        columns = raw_columns(self.services.items, observed_days, local, day, span)
        hours = local.find_hours(columns.at_ms) - day * 24
        counts = LabelCounts.from_columns(columns, hours)
        chunks = codec.encode_counts(counts, self.chunk_bytes)
        if len(chunks) > self.max_chunks:  # then such counts are made from the columns
            chunks = []
        # The object with all observations is stored before the seal that names it.
        columns_key = self._write_columns(tenant, day, columns)
        by_kind = {
            kind: by_hour.tolist()
            for kind, by_hour in counts.count_by_hour(EVERYTHING, Split.KIND).items()
        }
        sealed_at_ms = milliseconds(self.services.clock.now())
        late_counts = observed_days.count_late(utc_days)
        face_hashes = make_face_hashes(columns.faceids)
        presences = encode_presences(find_presences(columns))
        seal = Seal(
            day,
            nonce(),
            late_counts,
            pieces,
            columns_key,
            len(chunks),
            sealed_at_ms,
            by_kind,
            faces=face_hashes,
            observations=len(columns),
            presences=presences if len(presences) <= self.chunk_bytes else None,
            has_erased_staff=any(map(was_staff, columns.marks.texts)),
        )
        actions = [
            *self.services.statistics.seals.put(tenant.name, zone, seal, chunks, old_seal),
            *observed_days.make_late_checks(utc_days),
        ]
        is_sealed = write_unless_changed(self.services.items, actions)
        # If the seal was refused, its object is of no use, else that of the old one.
        unused_key = (old_seal.columns_key if old_seal else None) if is_sealed else columns_key
        if unused_key is not None:
            self.services.storage.blobs.delete(unused_key)
        return is_sealed

    def _write_columns(self, tenant: Tenant, day: int, columns: Columns) -> str | None:
        if not len(columns):
            return None
        data = codec.encode_columns(columns)
        while True:
            key = keys.day_columns(tenant.name, tenant.time_zone, day, nonce())
            if self.services.storage.blobs.put_if_absent(key, data, "application/octet-stream"):
                return key

    def tidy(self, tenant: Tenant) -> None:
        """Delete the stored objects of days that no seal names, once they are a day old.

        A crash, or a seal that was refused, may have left them. A younger one may get its seal yet.
        """
        zone, limit = tenant.time_zone, self.services.clock.now() - OBJECT_GRACE
        blobs = self.services.storage.blobs.walk(keys.days_columns(tenant.name, zone))
        old = {
            blob.key: keys.parts_of_columns(tenant.name, blob.key)[1]
            for blob in blobs
            if blob.stored_at < limit
        }
        if old:
            seals = self.services.statistics.seals.read_totals(
                tenant.name, zone, min(old.values()), max(old.values())
            )
            for key in old.keys() - {seal.columns_key for seal in seals.values()}:
                self.services.storage.blobs.delete(key)


EXPIRY_SAME = "expiry-same"
"""Name of the condition that nobody noted another expiry meanwhile."""


class ObservationExpiry(Service["Book"]):
    """Expiry of observations, which are deleted by whole UTC days, as they are stored."""

    def list_due(
        self, tenant: Tenant, at: datetime, faceids_on_hold: Collection[str]
    ) -> Iterator[Due[Observation]]:
        """Yield the observations that have expired by a time, oldest first, with when each is due.

        Those of faces under legal hold (`faceids_on_hold`) are left out.
        """
        retention_period = timedelta(days=tenant.observation_days or 0)
        for day in self._list_days(tenant, at):
            # Each day goes as a whole, so long after its end.
            goes_at = moment((day + 1) * DAY_MS) + retention_period
            for item in observed_on(self.services.items, tenant.name, day):
                if item["faceid"] not in faceids_on_hold:
                    observation = observation_from(item)
                    yield Due(observation.at, goes_at, observation)

    def delete(self, tenant: Tenant, observations: Sequence[Observation]) -> None:
        """Delete up to 80 observations at once.

        What a merge moves just now is deleted the next time.
        """
        deletions = [ChangedObservation(observation, None) for observation in observations]
        write_unless_changed(
            self.services.items, self.services.statistics.make_actions(tenant.name, [], deletions)
        )

    def forget_days(self, tenant: Tenant, at: datetime) -> None:
        """Remove the days that have no observations left from the calendar, with their seals.

        Seals of a time zone that was the tenant's before are deleted, too. It may be cut off
        anywhere and repeated.
        """
        days = self._list_days(tenant, at)
        for day in days:
            self._forget(tenant, day)
        last = milliseconds(at) // DAY_MS - (tenant.observation_days or 0)
        self.services.statistics.sealing.forget_other_zones(tenant, last - 1)

    def find_kept_since(self, tenant: Tenant) -> int:
        """Return the first UTC day, counted since 1970, from which on all observations are kept.

        Those before have expired or are due to. What has expired stays so if the tenant keeps
        observations for longer from now on: then the noted day is the later one.
        """
        return max(
            _find_expiring(tenant, self.services.clock.now()),
            _count_expired(self._read_expired(tenant.name)),
        )

    def note_expiry(self, tenant: Tenant, at: datetime) -> None:
        """Note up to which UTC day observations expire now; a noted day never becomes earlier."""
        item, until = self._read_expired(tenant.name), _find_expiring(tenant, at)
        if until <= _count_expired(item):
            return
        same = absent(EXPIRY_SAME) if item is None else equals("until", item["until"], EXPIRY_SAME)
        noted = {"tenant": tenant.name, "item": keys.EXPIRED_ITEM, "until": until}
        write_unless_changed(self.services.items, [Put(keys.DIRECTORY, noted, (same,))])

    def _read_expired(self, tenant: str) -> Item | None:
        return self.services.items.get(keys.DIRECTORY, (tenant, keys.EXPIRED_ITEM))

    def _list_days(self, tenant: Tenant, at: datetime) -> list[int]:
        """Return the UTC days in the calendar that are over by then, ascending."""
        if tenant.observation_days is None:
            return []
        days = range(max(milliseconds(at) // DAY_MS - tenant.observation_days, 1))
        return self.services.statistics.calendar.read_days(tenant.name, days).list_within(days)

    def _forget(self, tenant: Tenant, day: int) -> None:
        """Forget a day and its seals in one transaction, if it has no observations.

        It is refused if an observation came meanwhile.
        """
        observed_days = self.services.statistics.calendar.read_days(
            tenant.name, range(day, day + 1)
        )
        # Some are left: those under legal hold, for example.
        if self.services.items.query(
            keys.OBSERVATIONS, keys.observations(tenant.name, day), limit=1
        ).items:
            return
        (month, field), (late,) = keys.calendar_field(day), observed_days.count_late([day])
        key = keys.calendar(tenant.name), month
        # The month stays: a process that remembers the day may still count a late observation
        # there.
        forget = Update(keys.SUMMARIES, key, (equals(field, late, LATE_SAME),), remove=(field,))
        local = tenant.local_time.days(Span(day * DAY_MS, (day + 1) * DAY_MS - 1))
        self.services.statistics.sealing.forget(tenant, tenant.time_zone, local, forget)


def _find_expiring(tenant: Tenant, at: datetime) -> int:
    """Return the first UTC day that does not expire by then by the days of now."""
    if tenant.observation_days is None:
        return 0
    return max(milliseconds(at) // DAY_MS - tenant.observation_days, 0)


def _count_expired(item: Item | None) -> int:
    return int(item["until"]) if item else 0
