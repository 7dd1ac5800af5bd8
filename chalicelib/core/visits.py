"""When a face came: sightings closer than the gap are one arrival, whatever order they are added in.

A sighting at t keeps its face present for the gap of its camera: [t, t + gap). Presences that overlap are one arrival,
so an arrival is a connected piece of the union of them, which has no order. Two sightings of cameras with one gap are
one arrival if they are less than the gap apart.
"""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from chalicelib.core.local_time import DAY_MS

KEPT_MS = 100 * DAY_MS
"""A sighting that is processed later than this after its capture is an observation only, and no arrival."""

_RECORD = struct.Struct("<QIII")


@dataclass(frozen=True)
class Arrival:
    """One visit, in ms since 1970: the first sighting, the last, until when another would belong to it, how many."""

    first_ms: int
    last_ms: int
    until_ms: int
    sightings: int = 1


@dataclass(frozen=True)
class Arrivals:
    """A face's arrivals: those of the last 100 days or so, oldest first, and how many were folded away before."""

    recent: tuple[Arrival, ...] = ()
    folded: int = 0
    folded_sightings: int = 0

    @property
    def count(self) -> int:
        return self.folded + len(self.recent)

    @property
    def sightings(self) -> int:
        return self.folded_sightings + sum(arrival.sightings for arrival in self.recent)

    @property
    def began(self) -> tuple[int, ...]:
        """When each kept arrival began, ascending."""
        return tuple(arrival.first_ms for arrival in self.recent)

    @property
    def last_arrival_ms(self) -> int | None:
        """When the last arrival began; None if there is none that is still kept."""
        return self.recent[-1].first_ms if self.recent else None

    def with_sighting(self, at_ms: int, gap_ms: int) -> Arrivals:
        """With one more sighting. Adding sightings in any order gives the same."""
        return self.with_arrival(Arrival(at_ms, at_ms, at_ms + gap_ms))

    def with_arrival(self, new: Arrival) -> Arrivals:
        """With an arrival's presence joined to those that it overlaps."""
        before = [a for a in self.recent if a.until_ms <= new.first_ms]
        behind = [a for a in self.recent if a.first_ms >= new.until_ms]
        joined = [*self.recent[len(before) : len(self.recent) - len(behind)], new]
        whole = Arrival(
            min(a.first_ms for a in joined),
            max(a.last_ms for a in joined),
            max(a.until_ms for a in joined),
            sum(a.sightings for a in joined),
        )
        return Arrivals((*before, whole, *behind), self.folded, self.folded_sightings)

    def joined(self, other: Arrivals) -> Arrivals:
        """Those of both, as of one face."""
        both = Arrivals(self.recent, self.folded + other.folded, self.folded_sightings + other.folded_sightings)
        for arrival in other.recent:
            both = both.with_arrival(arrival)
        return both

    def around(self, at_ms: int) -> Arrival | None:
        """The arrival that a sighting at this time belongs to."""
        place = bisect_right(self.recent, at_ms, key=lambda arrival: arrival.first_ms) - 1
        if place < 0 or self.recent[place].until_ms <= at_ms:
            return None
        return self.recent[place]

    def recounted(self, arrival: Arrival, sightings: Iterable[tuple[int, int]]) -> Arrivals:
        """With one of the arrivals replaced by what these of its sightings, (at_ms, gap_ms) each, make."""
        rest = tuple(a for a in self.recent if a != arrival)
        result = Arrivals(rest, self.folded, self.folded_sightings)
        for at_ms, gap_ms in sightings:
            result = result.with_sighting(at_ms, gap_ms)
        return result

    def folded_before(self, now_ms: int, period_ms: int) -> Arrivals:
        """With those folded into a count that no sighting can join any more, nor any period that one can fall into.

        A presence reaches over its gap, so what ended before lateness and period is out of reach. A day more than the
        rule needs, for clocks that differ.
        """
        limit = now_ms - KEPT_MS - period_ms - DAY_MS
        kept = tuple(a for a in self.recent if a.until_ms > limit)
        old = self.recent[: len(self.recent) - len(kept)]
        return Arrivals(kept, self.folded + len(old), self.folded_sightings + sum(a.sightings for a in old))

    def packed(self) -> bytes:
        """20 bytes an arrival; the gap and the length are at most 2^32 ms (49 days), else ValueError."""
        try:
            return b"".join(
                _RECORD.pack(a.first_ms, a.last_ms - a.first_ms, a.until_ms - a.last_ms, a.sightings)
                for a in self.recent
            )
        except struct.error as error:
            raise ValueError("an arrival lasts 49 days at most") from error

    @classmethod
    def unpacked(cls, data: bytes, folded: int = 0, folded_sightings: int = 0) -> Arrivals:
        """The inverse of `packed`."""
        recent = (
            Arrival(first, first + length, first + length + more, sightings)
            for first, length, more, sightings in _RECORD.iter_unpack(data)
        )
        return cls(tuple(recent), folded, folded_sightings)


@dataclass(frozen=True)
class MigrationRule:
    """A stranger who arrived at least `arrive_times` times in `period_ms` is a regular."""

    arrive_times: int
    period_ms: int

    def met_at(self, arrivals: Sequence[Arrival], containing: Arrival | None = None) -> int | None:
        """When a face had come often enough: the start of the first arrival with enough in the period up to it.

        Both ends of the period count. None: never. `containing`: only periods that hold this arrival.
        """
        starts = [arrival.first_ms for arrival in arrivals]
        for place in range(self.arrive_times - 1, len(starts)):
            end = starts[place]
            if starts[place - self.arrive_times + 1] < end - self.period_ms:
                continue
            if containing is None or end - self.period_ms <= containing.first_ms <= end:
                return end
        return None


@dataclass(frozen=True)
class Promotion:
    """A stranger became a regular: as of when, and by which rule."""

    at_ms: int
    rule: MigrationRule


@dataclass(frozen=True)
class Visits:
    """All that is kept of a face's coming: arrivals, and the promotion that they led to.

    `regrouping`: the groups of its sightings are being changed, and some may not be yet. `version` 0: none is stored.
    """

    arrivals: Arrivals = Arrivals()
    promotion: Promotion | None = None
    regrouping: bool = False
    version: int = 0

    def promotion_of_stranger(self, rule: MigrationRule, joined: Arrival) -> Promotion | None:
        """What `joined`, the arrival that just got a sighting, leads to; None: nothing yet."""
        at_ms = rule.met_at(self.arrivals.recent, joined)
        return None if at_ms is None else Promotion(at_ms, rule)

    def promotion_of_promoted(self, now_ms: int) -> Promotion | None:
        """The promotion as its own rule has it for the arrivals as they are now; None: they were too few after all.

        A late sighting can join two arrivals into one, or make an earlier one. A promotion that no sighting reaches any
        more stays as it is: the arrivals that led to it may be folded away.
        """
        promotion = self.promotion
        if promotion is None or promotion.at_ms < now_ms - KEPT_MS - DAY_MS:
            return promotion
        at_ms = promotion.rule.met_at(self.arrivals.recent)
        return None if at_ms is None else Promotion(at_ms, promotion.rule)
