"""Sends one camera's pictures and heartbeats for good."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping

from regulars_edge.clock import Clock, ServiceTime
from regulars_edge.errors import ServiceError
from regulars_edge.lane import Lane, Round
from regulars_edge.pace import Hours
from regulars_edge.service import Service

log = logging.getLogger(__name__)

IDLE_S = 5.0
CLOSED_S = 30.0
CONFIRM_S = 2.0
"""How long to wait for more before asking whether what was put is there: more pictures ask that anyway."""


class Sender:
    """`wake` is set when there is a new picture."""

    def __init__(self, lane: Lane, hours: Hours, clock: Clock, service_time: ServiceTime) -> None:
        self._lane = lane
        self._hours = hours
        self._clock = clock
        self._time = service_time
        self.wake = threading.Event()
        self.last = Round()
        self.turned_at = time.monotonic()
        """When the loop came round last, for the watchdog."""

    def run(self, stop: threading.Event) -> None:
        """Send what is due until `stop` is set. Raises SpoolDamaged."""
        while not stop.is_set():
            self.turned_at = time.monotonic()
            if not self._hours.open_at(self._time.now_ms() or self._clock.wall_ms()):
                stop.wait(CLOSED_S)
                continue
            self.wake.clear()
            self.last = self._lane.round()
            if self.last.idle:
                self.wake.wait(IDLE_S)
            elif self.last.wait_s:
                stop.wait(self.last.wait_s)
            elif self.last.rest:
                self.wake.wait(CONFIRM_S)


class Heart:
    """A heartbeat says that the camera gives pictures, not just that this box runs: else `camera.silent` never came."""

    def __init__(
        self,
        service: Service,
        camera: str,
        is_alive: Callable[[], bool],
        status: Callable[[], Mapping[str, object]],
        every_s: float,
    ) -> None:
        self._service = service
        self._camera = camera
        self._is_alive = is_alive
        self._status = status
        self._every_s = every_s
        self._id: str | None = None
        self._last_trouble: str | None = None

    def run(self, stop: threading.Event) -> None:
        while not stop.is_set():
            if self._is_alive():
                self.beat()
            stop.wait(self._every_s)

    def beat(self) -> None:
        """One heartbeat; what goes wrong is logged once."""
        try:
            if self._id is None:
                self._id = self._service.camera_id(self._camera)
            self._service.heartbeat(self._id, self._status())
            self._last_trouble = None
        except ServiceError as error:
            if str(error) != self._last_trouble:
                log.warning("%s: no heartbeat: %s", self._camera, error)
            self._last_trouble = str(error)
