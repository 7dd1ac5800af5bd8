"""Sends a camera's film without people to the shop in which somebody wants to see it; used by the
thread of the camera's uploads."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from regulars_edge.clock import ServiceTime
from regulars_edge.errors import Refused, ServiceError, SpoolFull
from regulars_edge.logs import redact_text
from regulars_edge.pace import Backoff
from regulars_edge.service import Service
from regulars_edge.spool.model import Film
from regulars_edge.spool.spool import Spool

log = logging.getLogger(__name__)

LONGEST_WAIT_S = 900.0
"""So long somebody waits for a minute with crossings; then one without will do."""
_FIRST_WAIT_S = 5.0
"""Between two tries, doubled with each failure, up to the longest wait."""


@dataclass(eq=False)
class FilmSender:
    """Sender of one camera's film. Nothing is sent unless somebody wants to see one."""

    spool: Spool
    service: Service
    camera: str
    service_time: ServiceTime
    now: Callable[[], float] = time.monotonic
    trouble: str | None = field(default=None, init=False)
    """Why the film that is wanted was not sent, until a heartbeat has said it; None: nothing is to
    be said."""
    _shop: str | None = field(default=None, init=False)
    """The shop in which somebody wants to see a film; None: nobody does."""
    _wanted_at: float = field(default=0.0, init=False)
    _was_refused: bool = field(default=False, init=False)
    """Whether this wish ended so: another film would be refused, too."""
    _due_at: float = field(default=float("-inf"), init=False)
    _said: str = field(default="", init=False)
    """The newest trouble of this wish."""

    def __post_init__(self) -> None:
        self._backoff = Backoff(_FIRST_WAIT_S, LONGEST_WAIT_S)

    def is_overdue(self) -> bool:
        """Tell whether somebody has waited for so long that any watched minute will do."""
        is_waiting = self._shop is not None and not self._was_refused
        return is_waiting and self.now() - self._wanted_at >= LONGEST_WAIT_S

    def hear_wish(self, shop: str | None, told: object = None) -> None:
        """Take in the shop in which somebody wants to see a film now; None: nobody does.

        `told`: the trouble that the heartbeat before said. Each is said once.
        """
        if isinstance(told, str) and (self.trouble or "").startswith(told):
            self.trouble = None
        if self._shop is None:
            self._wanted_at, self._due_at = self.now(), float("-inf")
            self._was_refused, self._said = False, ""
            self._backoff.reset_failures()
        self._shop = shop

    def send_due(self) -> None:
        """Send the film that is wanted, if there is one, and delete it then.

        Raises SpoolDamaged.
        """
        shop, service_ms = self._shop, self.service_time.now_ms()
        if shop is None or self._was_refused or service_ms is None or self.now() < self._due_at:
            return
        film = self.spool.find_film(self.camera, shop, service_ms)
        if film is None:
            return
        try:
            self._send(film, shop)
            self.spool.drop_film(self.camera, film.at_ms)
        except (ServiceError, SpoolFull) as error:
            retry_after_s = getattr(error, "retry_after_s", None)
            self._due_at = self.now() + self._backoff.count_failure(retry_after_s)
            self._note_trouble(f"no film without people: {error}")
        else:
            if not self._was_refused:
                self._shop = self.trouble = None

    def _send(self, film: Film, shop: str) -> None:
        """Send a film; note that it is refused for good. Raises as the service does otherwise."""
        camera_id = self.service.find_camera_id(self.camera)
        try:
            self.service.send_film(camera_id, film, shop)
            log.info("%s: a film without people was sent", self.camera)
        except Refused as error:
            self._was_refused = True
            self._note_trouble(f"the film without people is given up: {error}")

    def _note_trouble(self, trouble: str) -> None:
        if trouble != self._said:
            self._said, self.trouble = trouble, redact_text(trouble)
            log.warning("%s: %s", self.camera, self.trouble)
