"""The calendar of a tenant: the UTC days that hold observations, and how many of each day's were
written late.

It has one item a UTC month. So a century without observations costs nothing to skip, and a year's
late counts are 12 items to read.

Beside it the seals of local days as they are stored: counts by hour, counts by hour and labels, and
when they are valid. Each time zone has three partitions, which are written together: the small
totals, for counts of everything or of a kind; label counts in chunks, for counts by a filter; and
presences, for arrivals. Each of them shows by itself whether it is still valid.
"""

from __future__ import annotations

import hashlib
import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from msgspec import Struct, field
from msgspec.structs import replace

from chalicelib.domain.local_time import LocalTime, Piece, Span, day_number, day_text
from chalicelib.service import Service
from chalicelib.storage import keys
from chalicelib.storage.items import walk_items
from chalicelib.storage.ports import (
    Action,
    Check,
    Condition,
    Delete,
    Item,
    ItemStore,
    Put,
    absent,
    equals,
)
from chalicelib.storage.records.observations import Months
from chalicelib.storage.values import Codec, Form, many, milliseconds, parse_optional

if TYPE_CHECKING:
    from chalicelib.book.book import Book

LATE_SAME = "late-same"
"""Name of the condition that no late observation has come."""

_KNOWN = 10_000
"""Days of tenants that a process remembers to be in the calendar: 1 MB."""


_MONTH_KEY = {"tenant_zone", "day"}


class ObservedDays(Struct, frozen=True):
    """A tenant's calendar as it was read: items by month. Days are counted from 1970, UTC."""

    tenant: str
    months: Mapping[str, Item]

    def __contains__(self, day: int) -> bool:
        month, day_index = keys.calendar_field(day)
        return day_index in self.months.get(month, {})

    def count_late(self, days: Iterable[int]) -> tuple[int, ...]:
        """Return how many observations of each day were written late; 0 for a day without any."""
        return tuple(
            int(self.months.get(month, {}).get(field, 0))
            for month, field in map(keys.calendar_field, days)
        )

    def list_within(self, days: range) -> list[int]:
        """Return those of these days that hold observations, ascending."""
        # An item's attributes are its days, beside its key.
        observed_days = (
            keys.calendar_day(month, field)
            for month, item in self.months.items()
            for field in item.keys() - _MONTH_KEY
        )
        return sorted(day for day in observed_days if day in days)

    @property
    def has_lost_a_month(self) -> bool:
        """Return whether all observations of a month have gone: its item has the key alone then."""
        return any(item.keys() <= _MONTH_KEY for item in self.months.values())

    def make_late_checks(self, days: Iterable[int]) -> list[Check]:
        """Return checks for a transaction that nothing came late for these days since this read.

        An observation is late if it is written more than half an hour after its time. The calendar
        has an item for each month, in which a field of each day counts them. If one of these has
        changed, the transaction fails by the condition LATE_SAME.
        """
        conditions_of_month: dict[str, list[Condition]] = defaultdict(list)
        for month, field_of_day in map(keys.calendar_field, days):
            if month in self.months:
                # None: the day had no observation, and must have none yet
                late_count = self.months[month].get(field_of_day)
                conditions_of_month[month].append(equals(field_of_day, late_count, LATE_SAME))
            else:  # the month had none: one condition does for all of its days
                conditions_of_month[month] = [absent(LATE_SAME)]
        partition = keys.calendar(self.tenant)
        return [
            Check(keys.SUMMARIES, (partition, month), tuple(conditions))
            for month, conditions in conditions_of_month.items()
        ]


class Calendar:
    """The UTC days on which tenants have observations, as stored and as this process knows them."""

    def __init__(self, items: ItemStore) -> None:
        self._items = items
        self._known: set[tuple[str, int]] = set()
        self._lock = threading.Lock()

    def read_days(self, tenant: str, days: range) -> ObservedDays:
        """Read the months of these UTC days. Only months with observations are stored."""
        (first, _), (last, _) = keys.calendar_field(days[0]), keys.calendar_field(days[-1])
        months = walk_items(
            self._items, keys.SUMMARIES, keys.calendar(tenant), between=(first, last)
        )
        return ObservedDays(tenant, {item["day"]: item for item in months})

    def read_months(self, tenant: str, days: Iterable[int]) -> Months:
        """Return the months of the calendar that a write of these UTC days may have to change.

        A month is None if it has no observations yet. The process remembers the days that it finds
        in the calendar, and reads no month for these again.
        """
        months: dict[str, Item | None] = {}
        for day in days:
            month, field_of_day = keys.calendar_field(day)
            if (tenant, day) not in self._known and month not in months:
                months[month] = self._items.get(keys.SUMMARIES, (keys.calendar(tenant), month))
            stored_month = months.get(month) or {}
            if field_of_day in stored_month:
                self.note_days(tenant, [day])
        return months

    def note_days(self, tenant: str, days: Iterable[int]) -> None:
        """Remember that these days are in the calendar, so that it is read once for each of
        them."""
        with self._lock:
            known_days: set[tuple[str, int]] = set() if len(self._known) > _KNOWN else self._known
            self._known = known_days.union((tenant, day) for day in days)


SEAL_SAME = "seal-same"
"""Name of the condition that nobody sealed the day meanwhile."""

CHUNK_BYTES = 300 * 1024
"""Bytes of counts in one item: DynamoDB takes 400 KB."""
MAX_CHUNKS = 10
"""A day with more label counts than fit is counted from its columns."""

_LAYOUT = 1
"""The number of the layout of seals and their columns. The sweep seals days anew that were sealed
with another one, which hold no more."""

FEW_DAYS = 7
"""Days without a valid seal that each question counts anew, as after a camera was offline for a
week. What touches more has them sealed at once (`Statistics.request_seals`)."""


class Seal(Struct, frozen=True):
    """The counts of a local day.

    `late`: late counts of the UTC days that it touches, in order, when it was sealed.

    `pieces`: the day's instants by the time zone's rules then. `columns_key`: the day's object in
    blob storage; None: the day has no observations. `by_kind`: 24 counts of each kind, and `faces`:
    hashes of the day's faces (`make_face_hashes`), if read from totals. `label_chunks`: all the
    encoded LabelCounts, if read from label counts; None: none were stored, or some are of another
    seal. `presences`: the encoded Presences, if read from these; None: they are too many to be
    stored. `observations`: how many the day has. `has_erased_staff`:
    some are of people who were staff when they were erased.
    """

    day: int
    id: str
    late: tuple[int, ...]
    pieces: tuple[Piece, ...]
    columns_key: str | None
    chunks: int
    sealed_at_ms: int
    by_kind: Mapping[str, Sequence[int]] = field(default_factory=dict)
    label_chunks: tuple[bytes, ...] | None = None
    layout: int = _LAYOUT
    faces: bytes | None = None
    observations: int = 0
    presences: bytes | None = None
    has_erased_staff: bool = False

    def may_hold(self, faceids: Iterable[str]) -> bool:
        """Return whether the day may have observations of one of these faces; False is certain.

        The seal has a hash of two bytes of each of the day's faces, and two faces may share one.
        """
        if self.faces is None:  # they were too many, or the seal was not read from totals
            return True
        hashes = {self.faces[at : at + 2] for at in range(0, len(self.faces), 2)}
        return not hashes.isdisjoint(map(_hash_faceid, faceids))

    def count_kind(self, kind: str) -> tuple[int, int] | None:
        """Return how many observations of a kind the day has, and how many of all kinds.

        None means that the seal was not read from its totals, which alone have these counts.
        """
        if not self.by_kind and self.columns_key is not None:
            return None
        return sum(self.by_kind.get(kind, ())), sum(map(sum, self.by_kind.values()))

    def is_valid(self, observed_days: ObservedDays, local: LocalTime, now: datetime) -> bool:
        """Return whether the seal is valid: it is readable, and nothing came late."""
        return self.is_readable(local, now) and self.late == observed_days.count_late(
            utc_days_of(self.pieces)
        )

    def is_readable(self, local: LocalTime, now: datetime) -> bool:
        """Return whether the seal can be used, unless observations came late since it was made.

        Of these the calendar tells (`is_valid`). The seal's stored form (layout) has to be known.
        By the time zone's rules, the day has to begin and end as it did then. A seal made while a
        clock was ahead cannot be used, since the day may not have been over.
        """
        if self.layout != _LAYOUT or self.was_ahead(now):
            return False
        return self.pieces == local.pieces_of(self.day)

    def is_due(self, observed_days: ObservedDays, local: LocalTime, now: datetime) -> bool:
        """Return whether the day has to be sealed again."""
        return not self.is_valid(observed_days, local, now)

    def was_ahead(self, now: datetime) -> bool:
        """Return whether the seal was made at a time that is still to come: the day may not have
        been over."""
        return self.sealed_at_ms > milliseconds(now)


def make_face_hashes(faceids: Iterable[str]) -> bytes | None:
    """Return two bytes for each of a day's faces; None if they are too many to be read with each
    seal."""
    face_hashes = sorted({_hash_faceid(faceid) for faceid in faceids})
    return b"".join(face_hashes) if len(face_hashes) <= _MOST_HASHED else None


_MOST_HASHED = 1_024
"""Most faces of a day whose hashes a seal has: 2 KB. One in 64 days of so many has a face's hash by
chance."""


def _hash_faceid(faceid: str) -> bytes:
    # of a CRC, similar names collide in rows
    return hashlib.blake2b(faceid.encode(), digest_size=2).digest()


def utc_days_of(pieces: Sequence[Piece]) -> range:
    """Return the UTC days that a local day touches."""
    return Span(pieces[0].first_ms, pieces[-1].last_ms).utc_days if pieces else range(0)


class Seals(Service["Book"]):
    """The seals of local days: their stored counts, so that observations are not counted again."""

    def get(self, tenant: str, zone: str, day: int) -> Seal | None:
        return parse_optional(
            _seal,
            self.services.items.get(keys.SUMMARIES, (keys.totals(tenant, zone), day_text(day))),
        )

    def read_totals(self, tenant: str, zone: str, first_day: int, last_day: int) -> dict[int, Seal]:
        """Read seals with `by_kind`, by local day."""
        between = day_text(first_day), day_text(last_day)
        items = walk_items(
            self.services.items, keys.SUMMARIES, keys.totals(tenant, zone), between=between
        )
        return {seal.day: seal for seal in map(_seal, items)}

    def label_counts(
        self, tenant: str, zone: str, first_day: int, last_day: int
    ) -> dict[int, Seal]:
        """Return seals (stored counts of days) with their counts by labels and hour, by local day.

        `last_day` is included. The counts of a day may need several items (chunks). If these are of
        different seals, the seal's `label_chunks` is None.
        """
        between = keys.label_chunk(first_day, 0), keys.label_chunk(last_day, MAX_CHUNKS)
        partition = keys.label_counts(tenant, zone)
        by_day: dict[int, list[Item]] = defaultdict(list)
        for item in walk_items(self.services.items, keys.SUMMARIES, partition, between=between):
            by_day[_day(item)].append(item)
        return {day: _with_labels(items) for day, items in by_day.items()}

    def read_presences(self, tenant: str, zone: str, days: Sequence[int]) -> dict[int, Seal]:
        """Return the seals (stored counts) of local days, by day, from which arrivals are counted.

        They are read where each has its presences, which say who was seen when. `days` are
        ascending, one at least. Days between them may be returned, too.
        """
        between = day_text(days[0]), day_text(days[-1])
        partition = keys.presences(tenant, zone)
        items = walk_items(self.services.items, keys.SUMMARIES, partition, between=between)
        return {seal.day: seal for seal in map(_seal_with_presences, items)}

    def put(
        self, tenant: str, zone: str, seal: Seal, chunks: Sequence[bytes], old: Seal | None
    ) -> list[Action]:
        """Return the writes that store a day's seal in place of `old`, the one that was read.

        They fail by SEAL_SAME if somebody sealed the day meanwhile. A seal is stored three times,
        for three kinds of reads. These are its totals, its presences (who was seen when), and its
        counts by labels, an item for each of `chunks` (the seal has their number).
        """
        return [
            _put_totals(tenant, zone, seal, old),
            _put_presences(tenant, zone, seal),
            *_put_label_counts(tenant, zone, seal, chunks),
            *_delete_surplus_chunks(tenant, zone, seal, old),
        ]

    def delete(self, tenant: str, zone: str, seal: Seal) -> list[Action]:
        """Return the writes that delete a day's stored counts (its seal), from all three places.

        These are totals, presences (who was seen when) and label counts. The writes fail by
        SEAL_SAME if the day was sealed anew since `seal` was read.
        """
        totals, labels = keys.totals(tenant, zone), keys.label_counts(tenant, zone)
        same = (equals("seal", seal.id, SEAL_SAME),)
        numbers = range(_count_chunk_items(seal))
        label_keys = [(labels, keys.label_chunk(seal.day, number)) for number in numbers]
        return [
            Delete(keys.SUMMARIES, (totals, day_text(seal.day)), same),
            Delete(keys.SUMMARIES, (keys.presences(tenant, zone), day_text(seal.day))),
            *(Delete(keys.SUMMARIES, label_key) for label_key in label_keys),
        ]


def _put_totals(tenant: str, zone: str, seal: Seal, old: Seal | None) -> Put:
    """Return the write of a seal's totals, unless somebody sealed the day since `old` was read."""
    if_same = absent(SEAL_SAME) if old is None else equals("seal", old.id, SEAL_SAME)
    key = {"tenant_zone": keys.totals(tenant, zone), "day": day_text(seal.day)}
    return Put(keys.SUMMARIES, {**key, **_SEAL.write(seal)}, (if_same,))


def _put_presences(tenant: str, zone: str, seal: Seal) -> Put:
    """Return the write of a seal with its presences, if they are not too many to be stored."""
    key = {"tenant_zone": keys.presences(tenant, zone), "day": day_text(seal.day)}
    presences = {} if seal.presences is None else {"presences": seal.presences}
    return Put(keys.SUMMARIES, {**key, **_SEAL.write(seal, *_IN_EACH), **presences})


def _put_label_counts(tenant: str, zone: str, seal: Seal, chunks: Sequence[bytes]) -> Iterator[Put]:
    """Yield the writes of a seal's counts by labels: an item for each chunk, one item at least.

    The first item tells of the seal, with or without counts. The others name the seal alone.
    """
    for number in range(_count_chunk_items(seal)):
        key = {
            "tenant_zone": keys.label_counts(tenant, zone),
            "day": keys.label_chunk(seal.day, number),
        }
        about_seal = _SEAL.write(seal, *_IN_EACH) if number == 0 else {"seal": seal.id}
        counts = {"counts": chunks[number]} if number < seal.chunks else {}
        yield Put(keys.SUMMARIES, {**key, **about_seal, **counts})


def _delete_surplus_chunks(
    tenant: str, zone: str, seal: Seal, old: Seal | None
) -> Iterator[Delete]:
    """Yield the deletes of the old seal's last chunks, whose place no chunk of the new one takes.

    If the old seal has five and the new one three, they are chunks 3 and 4.
    """
    partition, old_chunks = keys.label_counts(tenant, zone), old.chunks if old else 0
    for number in range(_count_chunk_items(seal), old_chunks):
        yield Delete(keys.SUMMARIES, (partition, keys.label_chunk(seal.day, number)))


def _count_chunk_items(seal: Seal) -> int:
    """Return how many items a seal's label counts take: without any, one tells of the seal."""
    return max(seal.chunks, 1)


def _day(item: Item) -> int:
    return day_number(item["day"][:8])


_SEAL = Codec(
    Seal,
    {"id": "seal", "columns_key": "columns", "sealed_at_ms": "sealed_at"},
    apart="day label_chunks presences",
    nulls="columns_key faces",
    rare="has_erased_staff",
    pieces=many(Codec(Piece).make_list_form()),
    by_kind=Form(
        dict, lambda stored: {kind: tuple(map(int, counts)) for kind, counts in stored.items()}
    ),
)
_IN_EACH = (
    *("id", "late", "pieces", "columns_key", "chunks", "sealed_at_ms", "layout"),
    *("observations", "has_erased_staff"),
)
"""Fields that stand beside the totals, beside the label counts and beside the presences."""


def _seal(item: Item) -> Seal:
    return _SEAL.read(item, day=_day(item))


def _seal_with_presences(item: Item) -> Seal:
    presences = item.get("presences")
    return replace(_seal(item), presences=None if presences is None else bytes(presences))


def _with_labels(items: Sequence[Item]) -> Seal:
    """Return a day's seal with its counts by labels, put together from their items (chunks).

    `items` are all of one day, one at least. `label_chunks` is None if none are stored, or some are
    of another seal. That is if the day was sealed again between two pages of the read.
    """
    seal = _seal(items[0])
    chunks = tuple(
        bytes(item["counts"]) for item in items if item["seal"] == seal.id and "counts" in item
    )
    are_all_there = bool(chunks) and len(chunks) == seal.chunks
    return replace(seal, label_chunks=chunks if are_all_there else None)
