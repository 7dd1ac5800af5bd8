"""Takes one source's pictures into the spool."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator

from regulars_edge.choose.chooser import Chooser
from regulars_edge.errors import SourceFailed, SpoolFull
from regulars_edge.pace import Backoff, PerMinute
from regulars_edge.picture import content_of
from regulars_edge.sources.source import Frame, Source
from regulars_edge.spool.model import Origin
from regulars_edge.spool.spool import Spool

log = logging.getLogger(__name__)

FULL_WAIT_S = 10.0
_SAY_EVERY_S = 60.0


class Capture:
    """`waits`: pictures beyond the number a minute are taken later (a folder keeps them), not never (a stream)."""

    def __init__(
        self,
        origin: Origin,
        source: Source,
        chooser: Chooser,
        spool: Spool,
        *,
        per_minute: PerMinute,
        waits: bool,
        taken: Callable[[], object] = int,
    ) -> None:
        self.origin = origin
        self._source = source
        self._chooser = chooser
        self._spool = spool
        self._per_minute = per_minute
        self._waits = waits
        self._taken = taken
        self._backoff = Backoff(base_s=1.0, cap_s=60.0)
        self._said_full = float("-inf")
        self.alive_at: float | None = None
        """When the source last gave a sign of life, by the monotonic clock."""
        self.trouble: str | None = None
        self.finished = False

    def was_alive_within(self, seconds: float) -> bool:
        return self.alive_at is not None and time.monotonic() - self.alive_at < seconds

    def run(self, stop: threading.Event) -> None:
        """Until `stop`, or until the source has no more. Raises SpoolDamaged, Misconfigured."""
        while not stop.is_set() and not self.finished:
            try:
                for frame in self._chooser.choose(self._living(stop)):
                    self.take(frame, stop)
                self.finished = not stop.is_set()
            except SourceFailed as error:
                wait_s = self._backoff.failed()
                self.trouble = str(error)
                log.error("%s: %s; next try in %.0f s", self.origin.camera, error, wait_s)
                stop.wait(wait_s)

    def take(self, frame: Frame, stop: threading.Event) -> None:
        """One picture into the spool; its owner hears of it when it is durable there."""
        if frame.mark is not None and self._spool.intake.known(self.origin.camera, frame.mark) is not None:
            frame.kept()
            return
        wait_s = self._per_minute.wait_s()
        if wait_s and not self._waits:
            return
        if wait_s and stop.wait(wait_s):
            return
        data = frame.encoded()
        content = content_of(data)
        if content is None:
            return  # sources check it; what comes here was cut off meanwhile
        try:
            taken = self._spool.intake.add(self.origin, data, content, frame.stamp, frame.mark)
        except SpoolFull as error:
            self._say_full(error)
            if self._waits:
                stop.wait(FULL_WAIT_S)
            return
        if taken.is_new:
            self._per_minute.take()
        frame.kept()
        self._taken()

    def _living(self, stop: threading.Event) -> Iterator[Frame]:
        for frame in self._source.frames(stop):
            self.alive_at = time.monotonic()
            if self.trouble is not None:
                log.info("%s: the source is back", self.origin.camera)
            self.trouble = None
            self._backoff.worked()
            if frame is not None:
                yield frame

    def _say_full(self, error: SpoolFull) -> None:
        self.trouble = str(error)
        if time.monotonic() - self._said_full >= _SAY_EVERY_S:
            self._said_full = time.monotonic()
            log.error("%s: PICTURES ARE TURNED AWAY: %s", self.origin.camera, error)
