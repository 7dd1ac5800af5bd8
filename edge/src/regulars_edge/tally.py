"""Counts what is dropped, by reason, and says so in the log."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

log = logging.getLogger(__name__)

SAY_EVERY_S = 600.0


class Dropped(StrEnum):
    """Why a picture, or a frame that was looked at, does not get to the service."""

    SPOOL_FULL = "spool_full"
    PER_MINUTE = "per_minute"
    NOT_CHOSEN = "not_chosen"
    DAMAGED = "damaged"
    REFUSED = "refused"
    TOO_OLD = "too_old"


_WHY = {
    Dropped.SPOOL_FULL: "there was no room for them",
    Dropped.PER_MINUTE: "they were more than `per_minute` allows",
    Dropped.NOT_CHOSEN: "`send` does not choose them",
    Dropped.DAMAGED: "they were cut off",
    Dropped.REFUSED: "the service refuses them",
    Dropped.TOO_OLD: "they were not sent within `unsent_days`",
}


@dataclass(eq=False)
class Tally:
    """The pictures dropped of one camera since this process began. May be used from several threads."""

    camera: str
    now: Callable[[], float] = time.monotonic
    _counts: Counter[Dropped] = field(default_factory=Counter, init=False)
    _said_at: dict[Dropped, float] = field(default_factory=dict, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def add(self, reason: Dropped, number: int = 1) -> None:
        """Count them; of each reason the log has the first one, and then how many there were, now and then."""
        with self._lock:
            self._counts[reason] += number
            now, so_far = self.now(), self._counts[reason]
            if now - self._said_at.get(reason, float("-inf")) < SAY_EVERY_S:
                return
            self._said_at[reason] = now
        level = logging.INFO if reason is Dropped.NOT_CHOSEN else logging.WARNING
        log.log(level, "%s: %d left out since the start: %s", self.camera, so_far, _WHY[reason])

    def counts(self) -> Mapping[Dropped, int]:
        with self._lock:
            return dict(self._counts)
