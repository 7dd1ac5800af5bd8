"""Counts of arrivals: which of them are their faces' first, and the totals of a time.

A face's visits (core/visits) tell its first arrival, each stay and whether it came again, while they are kept. Of a
deleted face, and of arrivals that are only counted there any more, the first is the first in the history that is kept.
"""

from __future__ import annotations

from bisect import bisect
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Set
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from chalicelib.core.local_time import DAY_MS, Span, bucket_of
from chalicelib.core.model import REGULAR, STRANGER, Tenant
from chalicelib.core.observations import EVERYTHING, STAYS, CameAgain, ObservationFilter, Split, VisitKind
from chalicelib.core.records.columns import UNKNOWN
from chalicelib.core.records.observations import visits_reaching
from chalicelib.core.values import milliseconds
from chalicelib.core.visits import Arrival, Arrivals
from chalicelib.services.rooms import UseCase

if TYPE_CHECKING:
    from chalicelib.services.statistics.days import ObservedSpan
    from chalicelib.services.statistics.statistics import Amounts, Question

Begin = tuple[int, str]
"""Begin of an arrival in ms, and faceid."""

AGAIN_MS = 30 * DAY_MS


@dataclass(frozen=True)
class Totals:
    """The arrivals of a time. `first`: how many are their faces' first; `uncertain`: how many wait for a review."""

    arrivals: int
    persons: int
    first: int
    uncertain: int
    groups: Mapping[str, int]
    """By the group's name at that time; a stranger who has a name since is in the group of now."""


class _Begun(NamedTuple):
    """The first sighting of an arrival."""

    at_ms: int
    faceid: str
    id: str
    group: str
    hour: int


class KeptVisits(UseCase):
    """The whole visits of faces, and what they say of arrivals."""

    def firsts(self, tenant: Tenant, begins: Collection[Begin]) -> set[Begin]:
        """Return those of these arrivals that are their faces' first."""
        of_face = visits_reaching(self.book.items, tenant.name, begins)
        first: set[Begin] = set()
        untold: set[Begin] = set()
        for begin in begins:
            arrivals = of_face[begin[1]].arrivals
            kept = arrivals.around(begin[0])
            if kept is None:
                untold.add(begin)
            elif not arrivals.folded and kept == arrivals.recent[0]:
                first.add(begin)
        return first | (self._of_history(tenant, untold) if untold else set())

    def _of_history(self, tenant: Tenant, begins: Set[Begin]) -> set[Begin]:
        faceids = {faceid for _, faceid in begins}
        observed = self.book.statistics.days.open(tenant, Span(0, max(at_ms for at_ms, _ in begins)), EVERYTHING)
        earliest: dict[str, int] = {}
        for _, columns in observed.columns(observed.days):
            for face in (face for face, faceid in enumerate(columns.faceids) if faceid in faceids):
                rows = ((columns.face == face) & (columns.gap_s > 0)).nonzero()[0]
                if len(rows):
                    at_ms, faceid = int(columns.at_ms[rows[0]]), columns.faceids[face]
                    earliest[faceid] = min(at_ms, earliest.get(faceid, at_ms))
        return {begin for begin in begins if earliest.get(begin[1]) == begin[0]}

    def values(self, tenant: Tenant, begins: Collection[Begin], split: Split) -> Mapping[Begin, str]:
        """Return the value of each arrival by split STAY or AGAIN; UNKNOWN if its visit is not kept."""
        of_face = visits_reaching(self.book.items, tenant.name, begins)
        now_ms = milliseconds(self.book.clock.now())
        told: dict[Begin, str] = {}
        for begin in begins:
            arrivals = of_face[begin[1]].arrivals
            kept = arrivals.around(begin[0])
            if kept is None:
                told[begin] = UNKNOWN
            else:
                told[begin] = stay(kept) if split is Split.STAY else came_again(arrivals, kept, now_ms)
        return told


def stay(arrival: Arrival) -> str:
    """Return the largest of STAYS that an arrival reaches."""
    return str(STAYS[bisect(STAYS, (arrival.last_ms - arrival.first_ms) / 60_000) - 1])


def came_again(arrivals: Arrivals, arrival: Arrival, now_ms: int) -> CameAgain:
    """Return whether another of the arrivals began within 30 days after this one."""
    end_ms = arrival.last_ms + AGAIN_MS
    following = bisect(arrivals.recent, arrival.first_ms, key=lambda one: one.first_ms)
    if any(one.first_ms <= end_ms for one in arrivals.recent[following : following + 1]):
        return CameAgain.YES
    return CameAgain.OPEN if now_ms <= end_ms else CameAgain.NO


FirstsOf = Callable[[Collection[Begin]], set[Begin]]


NamedSince = Callable[[Collection[str]], Mapping[str, str]]


def totals(
    observed: ObservedSpan,
    span: Span,
    wanted: ObservationFilter,
    firsts: FirstsOf,
    uncertain: Set[str],
    named: NamedSince,
) -> Totals:
    """Count the arrivals that began in the span. `uncertain`: ids of the sightings that wait for a review; `named`:
    tells in which groups strangers are now who have a name."""
    groups: Counter[str] = Counter()
    earliest: dict[str, int] = {}
    waiting = 0
    begun = list(_begun(observed, span, replace(wanted, group_name=None)))
    now = named({one.faceid for one in begun if one.group == STRANGER})
    for one in begun:
        group = now.get(one.faceid, STRANGER) if one.group == STRANGER else one.group
        if wanted.group_name in (None, group) and group not in wanted.without:
            groups[group] += 1
            waiting += one.id in uncertain
            earliest[one.faceid] = min(one.at_ms, earliest.get(one.faceid, one.at_ms))
    first = firsts([(at_ms, faceid) for faceid, at_ms in earliest.items()])
    return Totals(groups.total(), len(earliest), len(first), waiting, groups)


def by_visit(observed: ObservedSpan, question: Question, firsts: FirstsOf) -> Amounts:
    """Count arrivals by bucket and VisitKind."""
    amounts: Amounts = Counter()
    earliest: dict[str, tuple[int, int, VisitKind]] = {}
    for one in _begun(observed, question.span, question.wanted):
        bucket = bucket_of(question.granularity, one.hour)
        kind = VisitKind.REGULAR if one.group == REGULAR else VisitKind.RETURNING
        amounts[bucket, kind] += 1
        begun = (one.at_ms, bucket, kind)
        earliest[one.faceid] = min(begun, earliest.get(one.faceid, begun))
    for _, faceid in firsts([(at_ms, faceid) for faceid, (at_ms, _, _) in earliest.items()]):
        _, bucket, kind = earliest[faceid]
        amounts[bucket, kind] -= 1
        amounts[bucket, VisitKind.NEW] += 1
    return +amounts


def by_value(observed: ObservedSpan, question: Question, told: Callable[[list[Begin]], Mapping[Begin, str]]) -> Amounts:
    """Count arrivals by bucket and the value that is told of each."""
    hours = {(one.at_ms, one.faceid): one.hour for one in _begun(observed, question.span, question.wanted)}
    values = told([*hours])
    return Counter((bucket_of(question.granularity, hour), values[begin]) for begin, hour in hours.items())


def _begun(observed: ObservedSpan, span: Span, wanted: ObservationFilter) -> Iterator[_Begun]:
    import numpy as np

    for _, columns, begun in observed.arrivals_begun():
        rows = np.intersect1d(begun, columns.select(wanted, span), assume_unique=True)
        places, names = columns.values(Split.GROUP)
        hours = observed.local.hours(columns.at_ms[rows])
        for row, hour in zip(rows.tolist(), hours.tolist(), strict=True):
            faceid = columns.faceids[columns.face[row]]
            yield _Begun(int(columns.at_ms[row]), faceid, columns.ids[row], names[places[row]], hour)
