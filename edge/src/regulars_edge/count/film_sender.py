"""Sends a camera's film without people to the shop that asks for it; used by the thread of the
camera's uploads."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection
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
_MOST_REFUSED = 2
"""So many films of one wish may be refused; a third would be, too."""


@dataclass(eq=False)
class FilmSender:
    """Sender of one camera's film. Nothing is sent without a request."""

    spool: Spool
    service: Service
    camera: str
    service_time: ServiceTime
    now: Callable[[], float] = time.monotonic
    list_views: Callable[[], Collection[str]] = tuple
    """Gives the marks of what the camera counts now: no other film is sent."""
    trouble: str | None = field(default=None, init=False)
    """Why the film that is wanted was not sent, until a heartbeat has said it; None: nothing is to
    be said."""
    _shop: str | None = field(default=None, init=False)
    """The shop in which somebody wants to see a film; None: nobody does."""
    _wanted_at: float = field(default=0.0, init=False)
    _ended_at: float = field(default=float("-inf"), init=False)
    """When the wish before was met."""
    _lacks_film: bool = field(default=False, init=False)
    """Whether none lay here at the newest try."""
    _refused: int = field(default=0, init=False)
    """How many films of this wish the service has refused."""
    _due_at: float = field(default=float("-inf"), init=False)
    _said: str = field(default="", init=False)
    """The newest trouble of this wish."""

    def __post_init__(self) -> None:
        self._backoff = Backoff(_FIRST_WAIT_S, LONGEST_WAIT_S)

    def is_overdue(self) -> bool:
        """Tell whether a request has waited for so long that any watched minute will do."""
        is_waiting = self._shop is not None and self._lacks_film
        return is_waiting and self.now() - self._wanted_at >= LONGEST_WAIT_S

    def hear_wish(self, shop: str | None, asked_at: float, told: object = None) -> None:
        """Receive the shop that requests a film now; None if there is no request.

        `asked_at`: when the heartbeat began whose answer says so; one from before a film was sent
        counts no more. `told`: the trouble that it said. Each is said once.
        """
        if asked_at < self._ended_at:
            return
        if isinstance(told, str) and (self.trouble or "").startswith(told):
            self.trouble = None
        if self._shop is None:
            self._wanted_at, self._due_at = self.now(), float("-inf")
            self._lacks_film, self._refused, self._said = False, 0, ""
            self._backoff.reset_failures()
        self._shop = shop

    def send_due(self) -> None:
        """Send the film that is wanted, if there is one, and delete it then.

        Raises SpoolDamaged.
        """
        shop, service_ms = self._shop, self.service_time.now_ms()
        if shop is None or service_ms is None or self.now() < self._due_at:
            return
        if self._refused >= _MOST_REFUSED:
            return
        try:
            film = self.spool.find_film(self.camera, self.list_views(), shop, service_ms)
            self._lacks_film = film is None
            if film is not None:
                self._send(film, shop)
        except (ServiceError, SpoolFull) as error:
            retry_after_s = getattr(error, "retry_after_s", None)
            self._due_at = self.now() + self._backoff.count_failure(retry_after_s)
            self._note_trouble(f"no film without people: {error}")

    def _send(self, film: Film, shop: str) -> None:
        """Send a film, and delete it if it was taken or refused for good: then the wish waits for
        another one, once. It stays if nobody wants it. Raises ServiceError, SpoolFull."""
        camera_id = self.service.find_camera_id(self.camera)
        try:
            is_taken = self.service.send_film(camera_id, film, shop)
        except Refused as error:
            self._refused += 1
            self._note_trouble(f"the film without people is given up: {error}")
            self.spool.drop_film(self.camera, film.at_ms)
            return
        if is_taken:
            log.info("%s: a film without people was sent", self.camera)
            self.spool.drop_film(self.camera, film.at_ms)
        self._shop, self.trouble, self._ended_at = None, None, self.now()

    def _note_trouble(self, trouble: str) -> None:
        if trouble != self._said:
            self._said, self.trouble = trouble, redact_text(trouble)
            log.warning("%s: %s", self.camera, self.trouble)
