"""Checks of the calendar and the finalized days against a recount of all observations."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Set
from typing import NamedTuple
from zoneinfo import ZoneInfo

from chalicelib.book.statistics.closed import parse_closed
from chalicelib.book.statistics.statistics import Question
from chalicelib.domain.local_time import DAY_MS, Granularity, Span, day_number, day_text
from chalicelib.domain.model import Tenant
from chalicelib.domain.observations import EVERYTHING, Measure, Observation, ObservationFilter
from chalicelib.domain.periods import CLOSED, Period
from chalicelib.storage import keys
from chalicelib.storage.items import walk_items
from chalicelib.storage.records.observations import STORABLE
from tests.support.consistency.findings import Subject
from tests.support.consistency.observations import counts_hour, read_observations_by_day

_HOUR = "%Y%m%d%H"
_MARGIN_DAYS = 2
"""Days added at each end of a span of local days, so that it holds them in any time zone: none is a
whole day off."""

_FacesByHour = Mapping[str, list[str]]
"""The faceid of each observation, by the local hour, YYYYMMDDHH."""


class _Question(NamedTuple):
    """A question to the statistics, and the observations that answer it.

    `counts`: what is counted, in words.
    """

    counts: str
    wanted: ObservationFilter
    faces: _FacesByHour
    measure: Measure = Measure.OBSERVATIONS


class StatisticsRecords(Subject):
    def find_disagreements(self, tenant: Tenant) -> Iterator[str]:
        """Compare the observations with the calendar and with what sealed days answer."""
        for name in self._list_unreadable(tenant.name):
            yield (
                f"the figures of the closed {name} cannot be read: they are damaged, or a newer "
                "version stored them; a backup of a day after its end has them"
            )
        calendar = self.services.statistics.calendar.read_days(tenant.name, STORABLE.utc_days)
        totals = keys.totals(tenant.name, tenant.time_zone)
        sealed_days = {
            item["day"] for item in walk_items(self.services.items, keys.SUMMARIES, totals)
        }
        zone = ZoneInfo(tenant.time_zone)
        faces_by_group: dict[str | None, dict[str, list[str]]] = defaultdict(
            lambda: defaultdict(list)
        )
        begun_faces: dict[str, list[str]] = defaultdict(list)
        present_faces: dict[str, list[str]] = defaultdict(list)
        present_until_ms: dict[str, int] = {}
        is_calendar_whole = True
        for day, observations in read_observations_by_day(self.services, tenant):
            if day not in calendar:
                is_calendar_whole = False
                yield (
                    f"there are observations of {day_text(day)}, UTC, and the calendar has no such "
                    "day"
                )
            for observation in observations:
                hour = observation.at.astimezone(zone).strftime(_HOUR)
                begins = _begins_arrival(observation, present_until_ms)
                if hour[:8] in sealed_days:
                    if begins:
                        begun_faces[hour].append(observation.faceid)
                    if counts_hour(observation.mark):
                        present_faces[hour].append(observation.faceid)
                    faces_by_group[None][hour].append(observation.faceid)
                    faces_by_group[observation.group_name][hour].append(observation.faceid)
        if sealed_days and is_calendar_whole:
            yield from self._compare_answers(
                tenant, faces_by_group, begun_faces, present_faces, sealed_days
            )

    def _list_unreadable(self, tenant: str) -> list[str]:
        """Name the closed periods whose figures nobody can read."""
        return [
            f"{by} {Period.of_time(by, item['day']).name}"
            for by in CLOSED
            for item in walk_items(
                self.services.items, keys.SUMMARIES, keys.closed_periods(tenant, by)
            )
            if parse_closed(item) is None
        ]

    def _compare_answers(
        self,
        tenant: Tenant,
        faces_by_group: Mapping[str | None, _FacesByHour],
        begun_faces: _FacesByHour,
        present_faces: _FacesByHour,
        sealed_days: Set[str],
    ) -> Iterator[str]:
        """Compare answers about sealed days: of everybody, of persons, of arrivals, of each group.

        Others are counted when asked.

        `faces_by_group`: the faces that were observed; under None those of all groups.
        `begun_faces`: those of the arrivals that began; `present_faces`: those that count a person.
        A day is reported once.
        """
        span, everybody = _make_span(sealed_days), faces_by_group.get(None, {})
        questions = [
            _Question("observations", EVERYTHING, everybody),
            _Question("persons", EVERYTHING, present_faces, Measure.PRESENT),
            _Question("arrivals", EVERYTHING, begun_faces, Measure.ARRIVALS),
        ]
        for name, faces_of_group in faces_by_group.items():
            if name is not None:
                observation_filter = ObservationFilter(group_name=name)
                questions.append(
                    _Question(
                        f"observations in {name}",
                        observation_filter,
                        faces_of_group,
                    )
                )
        reported_days: set[str] = set()
        for counts, observation_filter, faces, measure in questions:
            buckets = self.services.statistics.list_buckets(
                tenant, Question(span, Granularity.HOUR, measure, wanted=observation_filter)
            )
            answer = {bucket.time: bucket.amounts[""] for bucket in buckets}
            for hour in sorted(answer.keys() | faces.keys()):
                day, faceids, answered_count = hour[:8], faces.get(hour, []), answer.get(hour, 0)
                stored_count = len(set(faceids) if measure is Measure.PRESENT else faceids)
                if (
                    answered_count != stored_count
                    and day in sealed_days
                    and day not in reported_days
                ):
                    reported_days.add(day)
                    yield (
                        f"statistics of {day}, hour {hour[8:]}, say {answered_count} {counts}, "
                        f"and {stored_count} are stored"
                    )


def _make_span(days: Iterable[str]) -> Span:
    """Return a span that holds these local days, YYYYMMDD, in any time zone."""
    numbers = sorted(map(day_number, days))
    first, last = numbers[0] - _MARGIN_DAYS, numbers[-1] + _MARGIN_DAYS
    return Span(max(first, 0) * DAY_MS, last * DAY_MS)


def _begins_arrival(observation: Observation, present_until_ms: dict[str, int]) -> bool:
    """Return whether an arrival begins with an observation, and note until when its face is
    present by it.

    `present_until_ms`: the same of each face by the observations before.
    """
    if not observation.gap_s:
        return False
    faceid, at_ms = observation.faceid, observation.at_ms
    before_ms = present_until_ms.get(faceid, 0)
    present_until_ms[faceid] = max(before_ms, at_ms + 1000 * observation.gap_s)
    return at_ms >= before_ms
