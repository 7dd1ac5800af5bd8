"""Names and marks of erased people's observations, by which figures stay as they were.

Each visit gets a name of its own, and each observation a mark (domain/rules/ended). They go newest
first. So those that still have the person's id are the earlier ones, by which a mark is found: a
job that was cut off goes on with what it finds.
"""

from __future__ import annotations

import secrets
from collections import defaultdict
from collections.abc import Iterable, Iterator, Set
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.domain.local_time import Span
from chalicelib.domain.model import STRANGER, Labels, Tenant
from chalicelib.domain.observations import (
    AGAIN_MS,
    EVERYTHING,
    CameAgain,
    Observation,
    Split,
    leave_counted,
)
from chalicelib.domain.pictures import Estimates
from chalicelib.domain.rules.ended import LABELS, Counted, Mark, Visit, mark_observations
from chalicelib.privacy.erasure_progress import Erasure, name_visit
from chalicelib.service import Service
from chalicelib.storage.records.columns import decade_of
from chalicelib.storage.values import milliseconds

if TYPE_CHECKING:
    from chalicelib.services import Services
    from chalicelib.storage.records.columns import Columns


class Place(NamedTuple):
    """An observation among all of a tenant's."""

    at_ms: int
    id: str


class _Traces(Struct):
    """Counts of people: by face what still has its id, and by name the visits of those who
    were erased."""

    counted: dict[str, dict[Place, Counted]]
    named: dict[str, Visit]


class Naming(Service["Services"]):
    def plan(
        self, tenant: Tenant, erasure: Erasure, span: Span, *, is_late: bool
    ) -> dict[Place, Mark]:
        """Return the marks of all observations of an erasure's faces in a span, newest first.

        `is_late`: they were taken while others of these faces got theirs, so they count nobody.
        """
        traces = self._read_traces(tenant, erasure, span)
        marks: dict[Place, Mark] = {}
        for faceid, counted in traces.counted.items():
            places = sorted(counted)
            found_marks = mark_observations(
                [counted[place] for place in places],
                tenant.local_time,
                partial(self._find_again, erasure, faceid, traces),
                first_ms=erasure.firsts.get(faceid),
            )
            marks.update(zip(places, found_marks, strict=True))
        if is_late and _is_resumed(erasure):
            marks = {place: mark.without_units for place, mark in marks.items()}
        return dict(sorted(marks.items(), reverse=True))

    def _read_traces(self, tenant: Tenant, erasure: Erasure, span: Span) -> _Traces:
        import numpy as np

        statistics, faceids = self.services.statistics, {*erasure.faceids}
        staff_groups = frozenset(statistics.visitors.read_staff(tenant).groups)
        observed = statistics.days.open_span(tenant, span, EVERYTHING)
        days = observed.days if _is_resumed(erasure) else observed.days_with(faceids)
        traces = _Traces(defaultdict(dict), {})
        for _, columns in observed.read_columns(days):
            rows = columns.select_rows(EVERYTHING, span)
            is_own = np.array([faceid in faceids for faceid in columns.faceids], bool)
            own_rows = rows[is_own[columns.face[rows]]]
            hours = tenant.local_time.find_hours(columns.at_ms[own_rows])
            for row, hour in zip(own_rows.tolist(), hours.tolist(), strict=True):
                faceid = columns.faceids[columns.face[row]]
                place = Place(int(columns.at_ms[row]), columns.ids[row])
                traces.counted[faceid][place] = _read_counted(
                    columns, row, hour, erasure, staff_groups
                )
            for row in rows[columns.marks.is_marked[rows]].tolist():
                name, at_ms = columns.faceids[columns.face[row]], int(columns.at_ms[row])
                visit = traces.named.get(name, Visit(at_ms, at_ms))
                traces.named[name] = Visit(min(visit.begin_ms, at_ms), max(visit.last_ms, at_ms))
        return traces

    def _find_again(
        self, erasure: Erasure, faceid: str, traces: _Traces, visit: Visit, next_ms: int | None
    ) -> CameAgain:
        """Return whether somebody came again after a visit.

        `next_ms`: when the next visit began that still has the id; None: a try before may have
        named it, and the end of this one.
        """
        own_name = name_visit(erasure, faceid, visit.begin_ms)
        last_ms = max(visit.last_ms, traces.named.get(own_name, visit).last_ms)
        until_ms = last_ms + AGAIN_MS
        if next_ms is not None:
            return CameAgain.YES if next_ms <= until_ms else CameAgain.NO
        if any(
            last_ms < named.begin_ms <= until_ms
            and name == name_visit(erasure, faceid, named.begin_ms)
            for name, named in traces.named.items()
        ):
            return CameAgain.YES
        is_over = until_ms < milliseconds(self.services.clock.now())
        return CameAgain.NO if is_over else CameAgain.OPEN


def make_nameless(observation: Observation, erasure: Erasure, mark: Mark) -> Observation:
    """Return the part of an observation that figures need, under the name of its visit."""
    at_ms, faceid = observation.at_ms, observation.faceid
    begin_ms = at_ms if mark.begin_ms is None else mark.begin_ms
    age = observation.estimates.age
    name = name_visit(erasure, faceid, begin_ms)
    labels = Labels(*_remove_names(erasure, observation.labels))
    return replace(
        leave_counted(observation, name, secrets.token_hex(12), labels),
        estimates=Estimates(
            age=None if age is None else 10.0 * decade_of(age),
            gender=observation.estimates.gender,
        ),
        mark=mark.text,
    )


def _read_counted(
    columns: Columns, row: int, hour: int, erasure: Erasure, staff_groups: Set[str]
) -> Counted:
    """Read what `make_nameless` leaves of an observation, as far as it is counted."""
    dimensions = columns.dimensions[columns.dimension[row]]
    faceid = columns.faceids[columns.face[row]]
    is_staff = dimensions.group in staff_groups or faceid in erasure.staff
    is_stranger = dimensions.group == STRANGER
    last_group = erasure.groups.get(faceid, "") if is_stranger else ""
    if last_group in erasure.names:
        last_group = ""
    labels = _remove_names(erasure, dimensions[:4])
    values = {
        Split.CAMERA: dimensions.camera,
        Split.GROUP: dimensions.group,
        Split.GENDER: str(columns.gender[row]),
        Split.AGE: str(columns.decade[row]),
        **dict(zip(LABELS, labels, strict=True)),
    }
    at_ms, gap_s = int(columns.at_ms[row]), int(columns.gap_s[row])
    return Counted(at_ms, hour, gap_s, dimensions.kind, values, last_group, is_staff)


def _remove_names(erasure: Erasure, labels: Iterable[str]) -> Iterator[str]:
    """Yield labels, "" for what the person is called."""
    return ("" if label in erasure.names else label for label in labels)


def _is_resumed(erasure: Erasure) -> bool:
    """Return whether some observations of an erasure have their marks."""
    return bool(erasure.counts.get("observations"))
