"""Expiry of observations, with the sealed days and the days of the calendar that hold none any more.

An observation leaves by its recorder, which counts that as late for its day: no seal stays valid after it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from chalicelib.core import keys
from chalicelib.core.errors import ConditionFailed
from chalicelib.core.items import every, every_blob, write
from chalicelib.core.local_time import DAY_MS, LocalTime, Span
from chalicelib.core.model import Tenant
from chalicelib.core.observations import ChangedObservation, Observation
from chalicelib.core.ports import BlobStore, ItemStore, Update, equals
from chalicelib.core.records.observations import observation_from
from chalicelib.core.retention import Due
from chalicelib.core.values import milliseconds, moment
from chalicelib.services.statistics.calendar import LATE_SAME, Calendar
from chalicelib.services.statistics.recorder import Recorder
from chalicelib.services.statistics.seals import Seals


@dataclass
class ObservationExpiry:
    """Observations go by whole UTC days: the days in whose partitions they lie."""

    items: ItemStore
    blobs: BlobStore
    recorder: Recorder

    def due(self, tenant: Tenant, at: datetime, held: Collection[str]) -> Iterator[Due[Observation]]:
        """Yield the observations of the days that are over by then, oldest first, but not those of held faces."""
        kept = timedelta(days=tenant.observation_days or 0)
        for day in self._days(tenant, at):
            goes_at = moment((day + 1) * DAY_MS) + kept
            for item in every(self.items, keys.OBSERVATIONS, keys.observations(tenant.name, day)):
                if item["faceid"] not in held:
                    observation = observation_from(item)
                    yield Due(observation.at, goes_at, observation)

    def delete(self, tenant: Tenant, observations: Sequence[Observation]) -> None:
        """Delete up to 80 observations at once. What a merge moves just now is deleted the next time."""
        gone = [ChangedObservation(one, None) for one in observations]
        with suppress(ConditionFailed):
            write(self.items, self.recorder.actions(tenant.name, [], gone))

    def forget_days(self, tenant: Tenant, at: datetime) -> None:
        """Take the days that hold nothing any more out of the calendar, with the seals that counted them.

        Seals of a time zone that was the tenant's before are deleted too. May be cut off anywhere and repeated.
        """
        days = self._days(tenant, at)
        for day in days:
            self._forget(tenant, day)
        last = milliseconds(at) // DAY_MS - (tenant.observation_days or 0)
        for blob in every_blob(self.blobs, keys.zones_columns(tenant.name)):
            zone, day = keys.parts_of_columns(tenant.name, blob.key)
            if zone != tenant.time_zone and day < last - 1:
                self._unseal(tenant, zone, [day])
                self.blobs.delete(blob.key)

    def _days(self, tenant: Tenant, at: datetime) -> list[int]:
        """Return the UTC days in the calendar that are over by then, ascending."""
        if tenant.observation_days is None:
            return []
        days = range(max(milliseconds(at) // DAY_MS - tenant.observation_days, 1))
        return Calendar(self.items).read(tenant.name, days).within(days)

    def _forget(self, tenant: Tenant, day: int) -> None:
        """Forget a day in one transaction with its seals, if its observations are gone, and none came meanwhile."""
        observed = Calendar(self.items).read(tenant.name, range(day, day + 1))
        if self.items.query(keys.OBSERVATIONS, keys.observations(tenant.name, day), limit=1).items:
            return
        field, (late,) = keys.calendar_field(day), observed.late([day])
        key = keys.calendar(tenant.name), keys.calendar_month(day)
        # The month stays: a process that remembers the day may still count a late observation there.
        forget = Update(keys.SUMMARIES, key, (equals(field, late, LATE_SAME),), remove=(field,))
        local = LocalTime(tenant.time_zone).days(Span(day * DAY_MS, (day + 1) * DAY_MS - 1))
        self._unseal(tenant, tenant.time_zone, local, forget)

    def _unseal(self, tenant: Tenant, zone: str, days: Sequence[int], *also: Update) -> None:
        """Delete the seals of local days, and their objects. `also`: actions of the same transaction."""
        seals = Seals(self.items)
        found = [seal for day in days if (seal := seals.get(tenant.name, zone, day))]
        actions = [*also, *(action for seal in found for action in seals.delete(tenant.name, zone, seal))]
        with suppress(ConditionFailed):  # it was sealed anew, or another observation came: the next time
            if actions:
                write(self.items, actions)
            for seal in found:
                if seal.columns_key is not None:
                    self.blobs.delete(seal.columns_key)
