"""Visits of a face: sightings closer than the gap are one arrival, in whatever order they are added.

A sighting at t keeps its face present for the gap of its camera: [t, t + gap). Presences that overlap are one arrival.
So an arrival is a connected piece of their union, which does not depend on the order. Two sightings of cameras with the
same gap are one arrival if they are less than the gap apart.
"""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from chalicelib.core.local_time import DAY_MS

KEPT_MS = 100 * DAY_MS
"""A sighting that is processed later than this after its capture is only an observation, not an arrival."""

_RECORD = struct.Struct("<QIII")


@dataclass(frozen=True)
class Arrival:
    """One visit, in ms since 1970, with the number of its sightings. One more before `until_ms` would belong to it."""

    first_ms: int
    last_ms: int
    until_ms: int
    sightings: int = 1


@dataclass(frozen=True)
class Arrivals:
    """A face's arrivals: those of the last 100 days or so, oldest first, and the number of older ones (folded)."""

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
        """Start of each kept arrival, ascending."""
        return tuple(arrival.first_ms for arrival in self.recent)

    @property
    def last_arrival_ms(self) -> int | None:
        """Start of the last arrival; None if none is kept."""
        return self.recent[-1].first_ms if self.recent else None

    def with_sighting(self, at_ms: int, gap_ms: int) -> Arrivals:
        """Add a sighting. The order in which sightings are added does not matter."""
        return self.with_arrival(Arrival(at_ms, at_ms, at_ms + gap_ms))

    def with_arrival(self, new: Arrival) -> Arrivals:
        """Add an arrival, joined with those that it overlaps."""
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
        """Join both faces' arrivals as those of one face."""
        both = Arrivals(self.recent, self.folded + other.folded, self.folded_sightings + other.folded_sightings)
        for arrival in other.recent:
            both = both.with_arrival(arrival)
        return both

    def around(self, at_ms: int) -> Arrival | None:
        """Return the arrival that a sighting at this time belongs to; None if there is none."""
        place = bisect_right(self.recent, at_ms, key=lambda arrival: arrival.first_ms) - 1
        if place < 0 or self.recent[place].until_ms <= at_ms:
            return None
        return self.recent[place]

    def recounted(self, arrival: Arrival, sightings: Iterable[tuple[int, int]]) -> Arrivals:
        """Replace one of the arrivals by those that these sightings of it, (at_ms, gap_ms) each, make."""
        rest = tuple(a for a in self.recent if a != arrival)
        result = Arrivals(rest, self.folded, self.folded_sightings)
        for at_ms, gap_ms in sightings:
            result = result.with_sighting(at_ms, gap_ms)
        return result

    def folded_before(self, now_ms: int, period_ms: int) -> Arrivals:
        """Fold into a count the arrivals that no late sighting can join, nor a period with a late sighting contain.

        `until_ms` includes the gap, so arrivals that ended before lateness and period are out of reach. The limit
        leaves one day more than the rule needs, for clocks that differ.
        """
        limit = now_ms - KEPT_MS - period_ms - DAY_MS
        kept = tuple(a for a in self.recent if a.until_ms > limit)
        old = self.recent[: len(self.recent) - len(kept)]
        return Arrivals(kept, self.folded + len(old), self.folded_sightings + sum(a.sightings for a in old))

    def packed(self) -> bytes:
        """Pack each arrival into 20 bytes. Raises ValueError if a gap or a length is 2^32 ms (49 days) or more."""
        try:
            return b"".join(
                _RECORD.pack(a.first_ms, a.last_ms - a.first_ms, a.until_ms - a.last_ms, a.sightings)
                for a in self.recent
            )
        except struct.error as error:
            raise ValueError("an arrival lasts 49 days at most") from error

    @classmethod
    def unpacked(cls, data: bytes, folded: int = 0, folded_sightings: int = 0) -> Arrivals:
        """Invert `packed`."""
        recent = (
            Arrival(first, first + length, first + length + more, sightings)
            for first, length, more, sightings in _RECORD.iter_unpack(data)
        )
        return cls(tuple(recent), folded, folded_sightings)


@dataclass(frozen=True)
class MigrationRule:
    """The rule that a stranger who arrived at least `arrive_times` times in `period_ms` is a regular."""

    arrive_times: int
    period_ms: int

    def met_at(self, arrivals: Sequence[Arrival], containing: Arrival | None = None) -> int | None:
        """Return the start of the first arrival with enough arrivals in the period up to it; None if there is none.

        Both ends of the period count. `containing`: only periods that hold this arrival count.
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
    """The change of a stranger into a regular: its time and its rule."""

    at_ms: int
    rule: MigrationRule


@dataclass(frozen=True)
class Visits:
    """A face's arrivals, and the promotion that they led to.

    `regrouping`: the groups of its sightings are being changed, and some may still be unchanged. `version` 0: no record
    is stored.
    """

    arrivals: Arrivals = Arrivals()
    promotion: Promotion | None = None
    regrouping: bool = False
    version: int = 0

    def promotion_of_stranger(self, rule: MigrationRule, joined: Arrival) -> Promotion | None:
        """Return the promotion that `joined`, the arrival that just got a sighting, leads to; None: none yet."""
        at_ms = rule.met_at(self.arrivals.recent, joined)
        return None if at_ms is None else Promotion(at_ms, rule)

    def promotion_of_promoted(self, now_ms: int) -> Promotion | None:
        """Apply the promotion's own rule to the present arrivals; None: they are too few after all.

        A late sighting can join two arrivals into one, or make an earlier one. A promotion that is too old for late
        sightings stays as it is: the arrivals that led to it may be folded.
        """
        promotion = self.promotion
        if promotion is None or promotion.at_ms < now_ms - KEPT_MS - DAY_MS:
            return promotion
        at_ms = promotion.rule.met_at(self.arrivals.recent)
        return None if at_ms is None else Promotion(at_ms, promotion.rule)
