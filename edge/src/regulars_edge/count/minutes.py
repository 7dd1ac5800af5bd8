"""The minutes of a camera's count, as they go into the spool.

Each crossing is written at once, and the watched time at a minute's end at the latest: a kill loses
a minute's watched time at most, and nobody who has crossed.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from regulars_edge.count.doubt import Doubt
from regulars_edge.count.line import Crossing
from regulars_edge.errors import SpoolFull
from regulars_edge.spool.counts import KEPT_MS, MINUTE_MS
from regulars_edge.spool.model import MinutePart

if TYPE_CHECKING:
    from regulars_edge.count.film import FilmKeeper

log = logging.getLogger(__name__)


@dataclass(eq=False)
class SpooledMinutes:
    """Minutes that `keep` writes. `find_offset_ms`: the service's time less the boot clock's, as
    well as it is known; only whole minutes of the service are told. `film`: keeps a film of one of
    them; None: nothing does."""

    keep: Callable[[MinutePart], object]
    find_offset_ms: Callable[[], int]
    film: FilmKeeper | None = None
    _part: MinutePart | None = field(default=None, init=False)
    """Counts of the newest minute, which are not yet written."""
    _unwritten: deque[MinutePart] = field(
        default_factory=lambda: deque(maxlen=KEPT_MS // MINUTE_MS), init=False
    )
    """Counts that a full disk has not taken."""

    def watch(self, at_ms: int, watched_ms: int) -> None:
        self._add(at_ms, watched_ms=watched_ms)
        if self.film is not None:
            self.film.note_watched(at_ms, watched_ms)

    def doubt(self, at_ms: int, lost_ms: int, why: Doubt) -> None:
        self._add(at_ms, lost={why: lost_ms})

    def cross(self, crossing: Crossing) -> None:
        comes_in = crossing.way == "in"
        self._add(
            crossing.at_ms,
            came_in=int(comes_in),
            went_out=int(not comes_in),
            faces=int(comes_in and crossing.has_face),
        )
        self.flush()
        if self.film is not None:
            self.film.note_crossing(crossing)

    def add_face(self, entered_ms: int) -> None:
        self._add(entered_ms, faces=1)
        self.flush()

    def flush(self) -> None:
        """Write what is counted; a full disk gets it once more. Raises SpoolDamaged."""
        part, self._part = self._part, None
        if part is not None:
            self._unwritten.append(part)
        try:
            while self._unwritten:
                self.keep(self._unwritten[0])
                self._unwritten.popleft()
        except SpoolFull as error:
            log.error("counts wait: %s", error)

    def _add(self, at_ms: int, **counts: Any) -> None:
        """Add to the minute that a time of the boot clock is in; the one before is written."""
        offset_ms = self.find_offset_ms()
        began_ms = (at_ms + offset_ms) // MINUTE_MS * MINUTE_MS - offset_ms
        # the offset becomes surer by some milliseconds meanwhile
        if self._part is not None and abs(self._part.began_ms - began_ms) > MINUTE_MS / 2:
            self.flush()
        if self._part is None:
            self._part = MinutePart(began_ms)
        self._part = self._part.add(**counts)
