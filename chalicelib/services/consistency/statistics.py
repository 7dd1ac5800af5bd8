"""The calendar and the sealed days against a recount of all observations."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Set
from datetime import timedelta
from functools import partial
from zoneinfo import ZoneInfo

from chalicelib.core import keys
from chalicelib.core.errors import Busy
from chalicelib.core.items import every, retried, write
from chalicelib.core.local_time import DAY_MS, Granularity, day_number, day_text
from chalicelib.core.model import Tenant
from chalicelib.core.observations import EVERYTHING, Observation, ObservationFilter
from chalicelib.core.ports import Clock, ItemStore
from chalicelib.core.records.observations import STORABLE, observation_from
from chalicelib.core.records.recording import days_counted
from chalicelib.core.values import milliseconds
from chalicelib.services.consistency.consistency import Disagreement
from chalicelib.services.rooms import UseCase
from chalicelib.services.statistics.statistics import Statistics

_HOUR = "%Y%m%d%H"
_MARGIN_DAYS = 2


class StatisticsRecords(UseCase):
    def look(self, tenant: Tenant) -> Iterator[Disagreement]:
        calendar = self.book.statistics.calendar.read(tenant.name, STORABLE.utc_days)
        totals = keys.totals(tenant.name, tenant.time_zone)
        sealed = {item["day"] for item in every(self.book.items, keys.SUMMARIES, totals)}
        zone = ZoneInfo(tenant.time_zone)
        hours: dict[str, list[tuple[str, str]]] = defaultdict(list)
        unknown = 0
        for day, observations in every_observation(self.book.statistics, self.book.items, self.book.clock, tenant):
            if day not in calendar:
                unknown += 1
                yield Disagreement(
                    f"there are observations of {day_text(day)}, UTC, and the calendar has no such day",
                    (),
                    partial(self._include, tenant, day),
                )
            for one in observations:
                hours[one.at.astimezone(zone).strftime(_HOUR)].append((one.faceid, one.group_name))
        if sealed and not unknown:
            yield from self._answers(tenant, {hour: seen for hour, seen in hours.items() if hour[:8] in sealed}, sealed)

    def _answers(
        self, tenant: Tenant, hours: Mapping[str, list[tuple[str, str]]], sealed: Set[str]
    ) -> Iterator[Disagreement]:
        """Compare answers about sealed days: of everybody, of persons, of each group. Others are counted when asked."""
        span = _span(sealed)
        everybody = {hour: len(seen) for hour, seen in hours.items()}
        persons = {hour: len({faceid for faceid, _ in seen}) for hour, seen in hours.items()}
        by_group: dict[str, Counter[str]] = defaultdict(Counter)
        for hour, seen in hours.items():
            for _, group_name in seen:
                by_group[group_name][hour] += 1
        asked: list[tuple[str, ObservationFilter, Mapping[str, int], bool]] = [
            ("observations", EVERYTHING, everybody, False),
            ("persons", EVERYTHING, persons, True),
        ]
        for name, of_group in by_group.items():
            asked.append((f"observations in {name}", ObservationFilter(group_name=name), of_group, False))
        told: set[str] = set()
        for things, wanted, counted, distinct in asked:
            buckets = self.book.statistics.analysis(tenant, wanted, *span, Granularity.HOUR, distinct=distinct)
            answer = {bucket.time: bucket.amount for bucket in buckets}
            for hour in sorted(answer.keys() | counted.keys()):
                said, there, day = answer.get(hour, 0), counted.get(hour, 0), hour[:8]
                if said != there and day in sealed and day not in told:
                    told.add(day)
                    text = f"statistics of {day}, hour {hour[8:]}, say {said} {things}, and {there} are stored"
                    yield Disagreement(text, (), partial(self._seal, tenant, day_number(day)))

    @retried("the calendar is changed by others all the time: send the request again in a moment")
    def _include(self, tenant: Tenant, day: int) -> None:
        """Put the day into the calendar, and make invalid what was sealed without it."""
        months = self.book.statistics.calendar.months(tenant.name, [day])
        write(self.book.items, days_counted(tenant.name, [day], [day], months))

    def _seal(self, tenant: Tenant, day: int) -> None:
        if not self.book.statistics.sealing.day(tenant, day):
            raise Busy(f"{day_text(day)} is not over, or observations of it keep coming: it is counted again later")


def _span(days: Iterable[str]) -> tuple[int, int]:
    """Return a span, in UNIX seconds, that holds these local days, YYYYMMDD, in any time zone."""
    numbers = sorted(map(day_number, days))
    first, last = numbers[0] - _MARGIN_DAYS, numbers[-1] + _MARGIN_DAYS
    return max(first, 0) * DAY_MS // 1000, last * DAY_MS // 1000


def every_observation(
    statistics: Statistics, items: ItemStore, clock: Clock, tenant: Tenant
) -> Iterator[tuple[int, list[Observation]]]:
    """Yield each UTC day that has observations, counted from 1970, with its observations, oldest first.

    Days are looked for one by one from the day on which the tenant was made until tomorrow, since no read finds all
    that there are. Earlier ones, of captures that a camera had kept, are found if the calendar names them.
    """
    first, last = tenant.created_at, clock.now() + timedelta(days=1)
    days = {*range(milliseconds(first) // DAY_MS, milliseconds(last) // DAY_MS + 1)}
    days.update(statistics.calendar.read(tenant.name, STORABLE.utc_days).within(STORABLE.utc_days))
    for day in sorted(days):
        stored = every(items, keys.OBSERVATIONS, keys.observations(tenant.name, day))
        found = list(map(observation_from, stored))
        if found:
            yield day, found
