"""Tells the service a camera's minutes, in order; used by the thread of the camera's uploads."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial

from regulars_edge.clock import ServiceTime
from regulars_edge.errors import Refused, ServiceError, SpoolFull
from regulars_edge.logs import redact_text
from regulars_edge.pace import Backoff
from regulars_edge.service import Service
from regulars_edge.spool.model import DueMinutes
from regulars_edge.spool.spool import Spool

log = logging.getLogger(__name__)

LOOK_S = 5.0
"""Between two looks for minutes that are over."""


@dataclass(eq=False)
class Teller:
    """Teller of one camera's minutes. Those that the service does not take stay in the spool."""

    spool: Spool
    service: Service
    camera: str
    service_time: ServiceTime
    now: Callable[[], float] = time.monotonic
    trouble: str | None = field(default=None, init=False)
    """Why minutes were not told, the last time; None: they were."""
    _backoff: Backoff = field(default_factory=lambda: Backoff(LOOK_S, 900.0), init=False)
    _due_at: float = field(default=float("-inf"), init=False)
    _known: tuple[str, str] | None = field(default=None, init=False)
    """A shop, and the camera's id there."""

    def tell_due(self) -> None:
        """Tell what is due, if it is time to look. Raises SpoolDamaged."""
        if self.now() < self._due_at:
            return
        wait_s = LOOK_S
        try:
            while self._tell_some():
                pass
            self._note_trouble(None)
        except (ServiceError, SpoolFull) as error:
            self._known = None  # the camera may be gone, and another has its name
            wait_s += self._backoff.count_failure(getattr(error, "retry_after_s", None))
            self._note_trouble(f"no counts: {redact_text(str(error))}")
        self._due_at = self.now() + wait_s

    def _tell_some(self) -> bool:
        """Tell one call's minutes; return whether there were any. Raises as the service does."""
        service_ms = self.service_time.now_ms()
        if service_ms is None:
            return False
        due = self.spool.list_due_minutes(self.camera, service_ms)
        if not due.minutes:
            return False
        if self._known is None or self._known[0] != due.shop:
            self._known = due.shop, self.service.find_camera_id(self.camera)
        try:
            life = self.service.try_twice(partial(self.service.send_counts, self._known[1], due))
        except Refused as error:
            if error.index is None or not 0 <= error.index < len(due.minutes):
                raise
            self._give_up(due, error.index, str(error))
            return True
        self.spool.note_told(self.camera, due, life)
        self._backoff.reset_failures()
        return True

    def _give_up(self, due: DueMinutes, index: int, why: str) -> None:
        """Let go of a minute that the service will never take, and of no other."""
        log.error("%s: a minute's count is given up: %s", self.camera, why)
        refused = replace(due, minutes=due.minutes[index : index + 1])
        url, key = self.service.url, self.service.key()
        self.spool.note_told(self.camera, refused, self.spool.find_book(url, key)[1] or "")

    def _note_trouble(self, trouble: str | None) -> None:
        if trouble != self.trouble:
            log.warning("%s: %s", self.camera, trouble or "counts get to the service again")
        self.trouble = trouble
