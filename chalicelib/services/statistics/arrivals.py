"""When arrivals began, worked out from the sightings themselves, so that it holds for faces that are deleted, too."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from chalicelib.core.local_time import DAY_MS, Span
from chalicelib.core.records.columns import Columns
from chalicelib.services.statistics.days import ObservedSpan

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LONGEST_GAP_MS = DAY_MS
"""No camera has a longer gap. So a sighting begins an arrival if none of the day before it reaches it."""


def looking_back(span: Span) -> Span:
    """Return the span in which the sightings lie that decide which sightings of `span` begin an arrival."""
    return Span(max(span.first_ms - LONGEST_GAP_MS, 0), span.last_ms)


@dataclass(frozen=True)
class _Sightings:
    """Sightings of some days, by time: (n,) each. `face`: a number that is the same on all days."""

    at_ms: NDArray[np.int64]
    until_ms: NDArray[np.int64]
    face: NDArray[np.int64]
    day: NDArray[np.int64]
    row: NDArray[np.intp]

    def part(self, rows: NDArray[np.bool_] | NDArray[np.intp]) -> _Sightings:
        return _Sightings(*(column[rows] for column in self._columns))

    def joined(self, other: _Sightings) -> _Sightings:
        """Return both, by time."""
        import numpy as np

        both = _Sightings(*map(np.concatenate, zip(self._columns, other._columns, strict=True)))
        return both.part(np.argsort(both.at_ms, kind="stable"))

    @property
    def _columns(self) -> Sequence[NDArray[np.int64]]:
        return self.at_ms, self.until_ms, self.face, self.day, self.row


class Presence:
    """Tells which sightings begin an arrival, if it is given all of them by time."""

    def __init__(self) -> None:
        import numpy as np

        self._faces: dict[str, int] = {}
        self._until_ms = np.zeros(0, np.int64)
        """Of each face: until when it is present by the sightings so far."""

    def sightings(self, day: int, columns: Columns) -> _Sightings:
        """Return a day's sightings that count among the arrivals."""
        import numpy as np

        numbers = [self._faces.setdefault(faceid, len(self._faces)) for faceid in columns.faceids]
        self._until_ms = np.concatenate([self._until_ms, np.zeros(len(self._faces) - len(self._until_ms), np.int64)])
        rows = columns.gap_s.nonzero()[0]
        at_ms = columns.at_ms[rows]
        until_ms = at_ms + 1000 * columns.gap_s[rows].astype(np.int64)
        return _Sightings(
            at_ms, until_ms, np.array(numbers, np.int64)[columns.face[rows]], np.full(len(rows), day), rows
        )

    def begun(self, seen: _Sightings) -> NDArray[np.bool_]:
        """Return for each sighting whether it begins an arrival: (n,). Of two at the same time the first one does."""
        import numpy as np

        if not len(seen.at_ms):
            return np.zeros(0, bool)
        order = np.argsort(seen.face, kind="stable")
        face, at_ms = seen.face[order], seen.at_ms[order]
        begin_ms = int(at_ms.min())
        before = np.maximum(self._until_ms[face], begin_ms)
        first = np.r_[True, face[1:] != face[:-1]]
        # The latest end so far, within each face: they are lifted one above the other, so that one pass finds it.
        ends = np.maximum(seen.until_ms[order], before) - begin_ms
        lift = np.cumsum(first) * (ends.max() + 1)
        latest = np.maximum.accumulate(ends + lift) - lift + begin_ms
        begun = np.zeros(len(order), bool)
        begun[order] = at_ms >= np.where(first, before, np.r_[0, latest[:-1]])
        last = np.r_[first[1:], True]
        self._until_ms[face[last]] = latest[last]
        return begun


def arrivals_begun(observed: ObservedSpan) -> Iterator[tuple[int, Columns, NDArray[np.intp]]]:
    """Yield local days with the rows of sightings at which arrivals begin.

    `observed` is of a span with its day of looking back. Local days may overlap if clocks go back at midnight: a day's
    sightings that lie behind the next day's begin are told with those, and then a day is yielded again.
    """
    import numpy as np

    presence, held = Presence(), {}
    left: _Sightings | None = None
    for place, (day, columns) in enumerate(observed.columns(observed.days)):
        held[day] = columns
        seen = presence.sightings(day, columns)
        seen = seen if left is None else left.joined(seen)
        following = observed.days[place + 1 : place + 2]
        whole_ms = min((observed.local.pieces_of(next_)[0].first_ms for next_ in following), default=None)
        now = seen.at_ms < whole_ms if whole_ms is not None else np.ones(len(seen.at_ms), bool)
        left, told = seen.part(~now), seen.part(now)
        begun = told.part(presence.begun(told))
        for of_day in np.unique(begun.day).tolist():
            yield of_day, held[of_day], np.sort(begun.row[begun.day == of_day])
        held = {of_day: held[of_day] for of_day in np.unique(left.day).tolist()}
