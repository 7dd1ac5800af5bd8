"""Sends one camera's pictures and heartbeats for good."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from regulars_edge.clock import Clock, ServiceTime
from regulars_edge.errors import NotAllowed, ServiceError
from regulars_edge.lane import Lane, Round
from regulars_edge.pace import Hours
from regulars_edge.service import Service

log = logging.getLogger(__name__)

IDLE_S = 5.0
CLOSED_S = 30.0
SILENT_AFTER_S, MISSED_BEATS, LONGEST_SILENCE_S = 600, 5, 2_592_000
BEGIN_S = 5.0
"""How soon to look again whether a camera that has only begun gives pictures."""
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


@dataclass
class Heart:
    """A heartbeat says whether the camera gives pictures, not just that this box runs: else it never fell silent."""

    service: Service
    camera: str
    is_alive: Callable[[], bool]
    status: Callable[[], Mapping[str, object]]
    every_s: float
    make_camera: bool = False
    take_settings: Callable[[Mapping[str, object]], object] = dict
    _id: str | None = field(default=None, init=False)
    _last_trouble: str | None = field(default=None, init=False)

    def run(self, stop: threading.Event) -> None:
        while not stop.is_set():
            sent = self.beat()
            stop.wait(self.every_s if sent else min(self.every_s, BEGIN_S))

    def beat(self) -> bool:
        """Send one heartbeat, if it is known how the camera is; return whether. What goes wrong is logged once."""
        try:
            if self._id is None:
                self._id = self._found_or_made()
            working, status = self.is_alive(), self.status()
            self._last_trouble = None
            if not working and "error" not in status:
                return False  # it has only begun
            self.take_settings(self.service.heartbeat(self._id, status, working=working))
        except ServiceError as error:
            if str(error) != self._last_trouble:
                log.warning("%s: no heartbeat: %s", self.camera, error)
            self._last_trouble = str(error)
        return True

    def _found_or_made(self) -> str:
        """Make the camera before its first picture: one that never gives any is missed only if it is there."""
        try:
            return self.service.camera_id(self.camera)
        except NotAllowed as error:
            if not (self.make_camera and error.code == "CameraNotFound"):
                raise
        self.service.make_camera(self.camera, silent_after_s(self.every_s))
        log.info("%s: the camera was not there and has been made", self.camera)
        return self.service.camera_id(self.camera)


def silent_after_s(heartbeat_s: float) -> int:
    """Return after how long without a heartbeat a new camera is silent: a router may take minutes to start."""
    return round(min(LONGEST_SILENCE_S, max(SILENT_AFTER_S, MISSED_BEATS * heartbeat_s)))
