"""When a local day is final: it is sealed an hour after its end, and again if observations came late (Recorder).

A seal holds the day's counts. The raw observations stay the truth.

Expiry takes observations away, with the seals and the days of the calendar that hold none any more. An observation
leaves by its recorder, which counts that as late for its day: no seal stays valid after it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from chalicelib.core import keys
from chalicelib.core.errors import ConditionFailed
from chalicelib.core.items import attempts, every, write
from chalicelib.core.local_time import DAY_MS, LocalTime, Piece, Span
from chalicelib.core.model import Tenant
from chalicelib.core.observations import EVERYTHING, ChangedObservation, Observation, Split
from chalicelib.core.ports import Update, equals
from chalicelib.core.records import columns as codec
from chalicelib.core.records import label_counts
from chalicelib.core.records.label_counts import LabelCounts
from chalicelib.core.records.observations import STORABLE, observation_from
from chalicelib.core.retention import Due
from chalicelib.core.values import milliseconds, moment, nonce
from chalicelib.services.rooms import UseCase
from chalicelib.services.statistics.calendar import (
    CHUNK_BYTES,
    LATE_SAME,
    MAX_CHUNKS,
    Calendar,
    Seal,
    Seals,
    marked,
    touched,
)
from chalicelib.services.statistics.days import raw_columns

if TYPE_CHECKING:
    from chalicelib.services import Services


if TYPE_CHECKING:
    from chalicelib.core.records.columns import Columns

SEAL_AFTER = timedelta(minutes=60)
"""A local day is sealed this long after its end, or later."""

OBJECT_GRACE = timedelta(hours=24)
"""Age from which an object without a seal is removed: an object is written before the seal that names it."""

_TRIES = 3


class Sealing(UseCase):
    """The maker of seals. `chunk_bytes`, `max_chunks`: limits of a day's label counts; beyond, none are stored."""

    chunk_bytes = CHUNK_BYTES
    max_chunks = MAX_CHUNKS

    def __init__(self, book: Services) -> None:
        super().__init__(book)
        self._seals = Seals(book.items)

    def tenant(self, tenant: Tenant) -> list[int]:
        """Seal every local day that is over and has no valid seal; return those days.

        Each day is sealed by itself, so a call that is cut off can be made again. A seal that was made while the clock
        was ahead is deleted first. Objects that no seal names are removed last.
        """
        local = LocalTime(tenant.time_zone)
        observed = self.book.statistics.calendar.read(tenant.name, STORABLE.utc_days)
        whole_days = (Span(day * DAY_MS, (day + 1) * DAY_MS - 1) for day in observed.within(STORABLE.utc_days))
        days = sorted({day for span in whole_days for day in local.days(span)})
        if not days:
            return []
        seals = self._seals.totals(tenant.name, tenant.time_zone, days[0], days[-1])
        now = self.book.clock.now()
        for seal in seals.values():
            if seal.was_ahead(now):
                self._undo(tenant, seal)
        due = [day for day in days if day not in seals or not seals[day].holds(observed, local, now)]
        sealed = [day for day in due if self.day(tenant, day)]
        self._remove_unnamed(tenant, days, seals)
        return sealed

    def day(self, tenant: Tenant, day: int) -> bool:
        """Seal one local day. Return False if it ended less than an hour ago, or observations keep coming late."""
        local = LocalTime(tenant.time_zone)
        pieces = local.pieces_of(day)
        if not pieces or moment(pieces[-1].last_ms) + SEAL_AFTER > self.book.clock.now():
            return False
        return any(self._sealed(tenant, local, day, pieces) for _ in attempts(_TRIES))

    def forget_other_zones(self, tenant: Tenant) -> None:
        """Delete the seals of time zones that were the tenant's before, with their objects: nothing renews them."""
        prefix, own = keys.days_columns(tenant.name, ""), keys.days_columns(tenant.name, tenant.time_zone)
        for blob in self.book.storage.blobs.walk(prefix[:-1]):
            if not blob.key.startswith(own):
                zone, day = keys.parts_of_columns(tenant.name, blob.key)
                seal = self._seals.get(tenant.name, zone, day)
                if seal is not None:
                    with suppress(ConditionFailed):
                        write(self.book.items, self._seals.delete(tenant.name, zone, seal))
                self.book.storage.blobs.delete(blob.key)

    def _sealed(self, tenant: Tenant, local: LocalTime, day: int, pieces: tuple[Piece, ...]) -> bool:
        """Read the late counts, count the raw observations, and store the seal if neither it nor they changed.

        Return False if they did.
        """
        utc_days, zone = touched(pieces), tenant.time_zone
        old = self._seals.get(tenant.name, zone, day)
        observed = self.book.statistics.calendar.read(tenant.name, utc_days)
        span = Span(pieces[0].first_ms, pieces[-1].last_ms)
        columns = raw_columns(self.book.statistics.days.raw, observed, local, day, span)
        hours = local.hours(columns.at_ms) - day * 24
        counts = LabelCounts.of(columns, hours)
        chunks = label_counts.encode(counts, self.chunk_bytes)
        if len(chunks) > self.max_chunks:
            chunks = []
        columns_key = self._stored(tenant, day, columns)
        by_kind = {kind: by_hour.tolist() for kind, by_hour in counts.by_hour(EVERYTHING, Split.KIND).items()}
        sealed_at_ms = milliseconds(self.book.clock.now())
        late = observed.late(utc_days)
        faces = marked(columns.faceids)
        seal = Seal(day, nonce(), late, pieces, columns_key, len(chunks), sealed_at_ms, by_kind, faces=faces)
        actions = [*self._seals.put(tenant.name, zone, seal, chunks, old), *observed.unmoved(utc_days)]
        try:
            write(self.book.items, actions)
        except ConditionFailed:
            if columns_key is not None:
                self.book.storage.blobs.delete(columns_key)
            return False
        if old is not None and old.columns_key is not None:
            self.book.storage.blobs.delete(old.columns_key)
        return True

    def _undo(self, tenant: Tenant, seal: Seal) -> None:
        """Delete a seal that was made while the clock was ahead: its day may not have been over.

        Its object is removed later, since no seal names it any more.
        """
        with suppress(ConditionFailed):
            write(self.book.items, self._seals.delete(tenant.name, tenant.time_zone, seal))

    def _stored(self, tenant: Tenant, day: int, columns: Columns) -> str | None:
        if not len(columns):
            return None
        data = codec.encode(columns)
        while True:
            key = keys.day_columns(tenant.name, tenant.time_zone, day, nonce())
            if self.book.storage.blobs.put_if_absent(key, data, "application/octet-stream"):
                return key

    def _remove_unnamed(self, tenant: Tenant, days: list[int], seals: Mapping[int, Seal]) -> None:
        """Delete objects of seals that were never committed, and old ones that a crash left behind.

        `seals`: as they were before this call. They are read again only if an object is in none of them.
        """
        zone, limit = tenant.time_zone, self.book.clock.now() - OBJECT_GRACE
        blobs = self.book.storage.blobs.walk(keys.days_columns(tenant.name, zone))
        unnamed = {blob.key for blob in blobs if blob.stored_at < limit} - _objects(seals)
        if unnamed:
            for key in unnamed - _objects(self._seals.totals(tenant.name, zone, days[0], days[-1])):
                self.book.storage.blobs.delete(key)


def _objects(seals: Mapping[int, Seal]) -> set[str | None]:
    return {seal.columns_key for seal in seals.values()}


class ObservationExpiry(UseCase):
    """Observations go by whole UTC days: the days in whose partitions they lie."""

    def due(self, tenant: Tenant, at: datetime, held: Collection[str]) -> Iterator[Due[Observation]]:
        """Yield the observations of the days that are over by then, oldest first, but not those of held faces."""
        kept = timedelta(days=tenant.observation_days or 0)
        for day in self._days(tenant, at):
            goes_at = moment((day + 1) * DAY_MS) + kept
            for item in every(self.book.items, keys.OBSERVATIONS, keys.observations(tenant.name, day)):
                if item["faceid"] not in held:
                    observation = observation_from(item)
                    yield Due(observation.at, goes_at, observation)

    def delete(self, tenant: Tenant, observations: Sequence[Observation]) -> None:
        """Delete up to 80 observations at once. What a merge moves just now is deleted the next time."""
        gone = [ChangedObservation(one, None) for one in observations]
        with suppress(ConditionFailed):
            write(self.book.items, self.book.statistics.recorder.actions(tenant.name, [], gone))

    def forget_days(self, tenant: Tenant, at: datetime) -> None:
        """Take the days that hold nothing any more out of the calendar, with the seals that counted them.

        Seals of a time zone that was the tenant's before are deleted too. May be cut off anywhere and repeated.
        """
        days = self._days(tenant, at)
        for day in days:
            self._forget(tenant, day)
        last = milliseconds(at) // DAY_MS - (tenant.observation_days or 0)
        for blob in self.book.storage.blobs.walk(keys.zones_columns(tenant.name)):
            zone, day = keys.parts_of_columns(tenant.name, blob.key)
            if zone != tenant.time_zone and day < last - 1:
                self._unseal(tenant, zone, [day])
                self.book.storage.blobs.delete(blob.key)

    def _days(self, tenant: Tenant, at: datetime) -> list[int]:
        """Return the UTC days in the calendar that are over by then, ascending."""
        if tenant.observation_days is None:
            return []
        days = range(max(milliseconds(at) // DAY_MS - tenant.observation_days, 1))
        return Calendar(self.book.items).read(tenant.name, days).within(days)

    def _forget(self, tenant: Tenant, day: int) -> None:
        """Forget a day in one transaction with its seals, if its observations are gone, and none came meanwhile."""
        observed = Calendar(self.book.items).read(tenant.name, range(day, day + 1))
        if self.book.items.query(keys.OBSERVATIONS, keys.observations(tenant.name, day), limit=1).items:
            return
        field, (late,) = keys.calendar_field(day), observed.late([day])
        key = keys.calendar(tenant.name), keys.calendar_month(day)
        # The month stays: a process that remembers the day may still count a late observation there.
        forget = Update(keys.SUMMARIES, key, (equals(field, late, LATE_SAME),), remove=(field,))
        local = LocalTime(tenant.time_zone).days(Span(day * DAY_MS, (day + 1) * DAY_MS - 1))
        self._unseal(tenant, tenant.time_zone, local, forget)

    def _unseal(self, tenant: Tenant, zone: str, days: Sequence[int], *also: Update) -> None:
        """Delete the seals of local days, and their objects. `also`: actions of the same transaction."""
        seals = Seals(self.book.items)
        found = [seal for day in days if (seal := seals.get(tenant.name, zone, day))]
        actions = [*also, *(action for seal in found for action in seals.delete(tenant.name, zone, seal))]
        with suppress(ConditionFailed):  # it was sealed anew, or another observation came: the next time
            if actions:
                write(self.book.items, actions)
            for seal in found:
                if seal.columns_key is not None:
                    self.book.storage.blobs.delete(seal.columns_key)
