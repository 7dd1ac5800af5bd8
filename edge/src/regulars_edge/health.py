"""The health of a camera, for the metrics and for its heartbeats, which bring its settings."""

from __future__ import annotations

import logging
import re
import secrets
import shutil
import socket
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from regulars_edge import __version__
from regulars_edge.camera_uploader import CameraUploader
from regulars_edge.capture import Capture
from regulars_edge.choose.chooser import Preview
from regulars_edge.choose.morning import MorningView
from regulars_edge.config import Config
from regulars_edge.errors import Misconfigured, ServiceError, SpoolFull
from regulars_edge.logs import redact_text
from regulars_edge.report import TOLD_BY_UPDATE, read_object
from regulars_edge.service import Box, HeartbeatAnswer
from regulars_edge.troubles import Trouble

log = logging.getLogger(__name__)

LONGEST_ERROR = 200
"""Characters of a text that a heartbeat may carry."""

FIRST_LOOK_S = 5.0
"""How soon to look again whether a camera that has only begun gives pictures."""
AIMED_BEAT_S, AIMED_FOR_S = 3.0, 600.0
"""Somebody aims the camera: so often are heartbeats then, and for so long after the last
request."""

CLOCK_OFF_MS = 60_000
"""From which error on the machine's clock puts visits into the wrong hour."""
STUCK_S = 3_600.0
"""How long a picture may wait though it is tried again, until somebody has to look why."""
FACELESS_SHARE = 0.8
"""Part of a camera's pictures without a face from which on it sends too many."""

BOX_FILE = "box"
"""The file in the spool that has the box's id."""
ZONES = Path("/sys/class/thermal")
VERSIONS = Path(sys.prefix).absolute().parent
"""The folder of this version's environment, if `regulars-edge update` looks after it."""


@dataclass(frozen=True)
class Machine:
    """The box itself, which all of its cameras' heartbeats name."""

    id: str
    """Random, kept beside the spool: cards are copied, and hosts are called alike."""
    name: str
    zones: Path = ZONES
    versions: Path = VERSIONS

    @classmethod
    def of_folder(cls, config: Config, folder: Path) -> Machine:
        return cls(
            _read_id(folder / BOX_FILE), (config.box or socket.gethostname())[:LONGEST_ERROR]
        )

    @property
    def box(self) -> Box:
        return Box(self.id, self.name)

    def describe(self) -> dict[str, object]:
        """Give what a heartbeat says of the machine: the temperature is that of its hottest sensor,
        if it has any."""
        status: dict[str, object] = {"box": self.id, "box_name": self.name}
        if trouble := read_object(self.versions / TOLD_BY_UPDATE).get("trouble"):
            status["update"] = trouble
        degrees = []
        for file in self.zones.glob("thermal_zone*/temp"):
            with suppress(OSError, ValueError):  # a sensor that is asleep cannot be read
                degrees.append(int(file.read_text()) // 1000)
        return {**status, "temperature_c": max(degrees)} if degrees else status


def _read_id(file: Path) -> str:
    """Read the id that the file holds; make one if it holds none."""
    with suppress(OSError, UnicodeDecodeError):
        if re.fullmatch("[0-9a-f]{16}", text := file.read_text()):
            return text
    made = secrets.token_hex(8)
    with suppress(OSError):  # a full disk: the next start makes another
        file.write_text(made)
    return made


@dataclass(eq=False)
class Health:
    """The health of one camera, by all its sources, its uploads and the box.

    A heartbeat says whether the camera gives pictures, not just that this box runs: else it never
    fell silent.
    """

    uploader: CameraUploader
    machine: Machine
    every_s: float
    captures: list[Capture] = field(default_factory=list, init=False)
    aim: Preview | None = field(default=None, init=False)
    """Taker of stills; None if this camera gives none."""
    morning: MorningView | None = field(default=None, init=False)
    """Taker of the morning's view; None: as above."""
    is_heard: bool = field(default=False, init=False)
    """Whether the service took the last heartbeat."""
    _id: str | None = field(default=None, init=False)
    _near_until: float = field(default=0.0, init=False)
    _asked_by: str = field(default="", init=False)
    """The shop that asked for a still."""
    _no_beat: str | None = field(default=None, init=False)
    _is_warned: bool = field(default=False, init=False)
    _unfit: str | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self.settings: Mapping[str, object] = self.uploader.spool.read_settings(
            self.uploader.camera
        )
        self.uploader.film_sender.list_views = self.list_views

    def list_views(self) -> set[str]:
        """List the marks of what its sources count now: of these a film may be."""
        views = (capture.settings.count_view for capture in self.captures)
        return {view for view in views if view is not None}

    def add_capture(self, capture: Capture) -> None:
        """Take a source in, with the settings of the service that an earlier process had, if they
        fit the file's."""
        self.captures.append(capture)
        if capture.config.source != "video":
            try:
                capture.settings = capture.config.with_settings(self.settings)
            except Misconfigured as error:
                self._say_unfit(error)

    def take_settings(self, settings: Mapping[str, object]) -> None:
        """Apply the settings that the service has, if they have changed; if they do not fit, those
        before stay.

        Those are tried again each time: a password's file or a library that they need may come.
        """
        if settings == self.settings and self._unfit is None:
            return
        self.settings = settings
        try:
            of_cameras = [capture for capture in self.captures if capture.config.source != "video"]
            configs = {capture: capture.config.with_settings(settings) for capture in of_cameras}
            wirings = {
                capture: capture.make(new)
                for capture, new in configs.items()
                if new != capture.settings
            }
        except Misconfigured as error:
            self._say_unfit(error)
            return
        self._unfit = None
        for capture, wiring in wirings.items():
            capture.settings = configs[capture]
            capture.rewire(wiring)
        log.info("%s: settings of the service: %s", self.uploader.camera, dict(settings) or "none")
        with suppress(SpoolFull):  # then they come with the first heartbeat
            self.uploader.spool.keep_settings(self.uploader.camera, settings)

    def _say_unfit(self, error: Misconfigured) -> None:
        before, self._unfit = self._unfit, f"the service's settings cannot be used: {error}"
        if self._unfit != before:
            log.error("%s: %s", self.uploader.camera, self._unfit)

    def is_alive(self) -> bool:
        return any(capture.is_alive() for capture in self.captures)

    def find_error(self) -> str | None:
        """Return what goes wrong now: at a source, else on the way to the service.

        Uploads that are tried again by themselves are not of it, unless a picture has waited for an
        hour: `upload_error` tells them.
        """
        last = self.uploader.last
        needs_operator = last.needs_operator or self._find_unsent_s() > STUCK_S
        troubles = [
            *(capture.find_fault() for capture in self.captures),
            self._unfit,
            last.trouble if needs_operator else None,
            self.uploader.teller.trouble,
            self.uploader.film_sender.trouble,
        ]
        return next((redact_text(trouble) for trouble in troubles if trouble is not None), None)

    def _find_unsent_s(self) -> float:
        """Return how long the oldest picture of the camera has waited; 0: none waits."""
        totals = self.uploader.spool.count_totals().get(self.uploader.camera)
        return (totals.oldest_unsent_s if totals else None) or 0

    def is_view_changed(self) -> bool:
        """Return whether the camera's view has changed, or had this morning, and no person has
        confirmed it."""
        is_other_today = self.morning is not None and self.morning.is_changed
        return is_other_today or any(capture.is_changed for capture in self.captures)

    def find_lag_s(self) -> float | None:
        return max(
            (capture.lag_s for capture in self.captures if capture.lag_s is not None), default=None
        )

    def describe(self) -> dict[str, object]:
        """Describe the camera and the box for a heartbeat: what is known, by name."""
        totals = self.uploader.spool.count_totals().get(self.uploader.camera)
        error_ms = self.uploader.service_time.wall_error_ms()
        name = next((name for capture in self.captures if (name := capture.name_fault())), None)
        status = {
            "version": __version__,
            **self.machine.describe(),
            "disk_free_mib": shutil.disk_usage(self.uploader.spool.folder).free // 2**20,
            **{
                f"dropped_{reason.name.lower()}": number
                for reason, number in self.uploader.dropped.counts().items()
            },
            "sends": next((capture.settings.leaving for capture in self.captures), None),
            "spooled": totals.unsent if totals else 0,
            "sent": totals and totals.sent,
            "refused": totals and totals.refused,
            "oldest_unsent_s": int(totals.oldest_unsent_s)
            if totals and totals.oldest_unsent_s is not None
            else None,
            "lag_s": None if (lag_s := self.find_lag_s()) is None else round(lag_s, 1),
            "looks_per_s": min(
                (round(capture.looks_per_s, 1) for capture in self.captures if capture.looks_per_s),
                default=None,
            ),
            "clock_error_s": None if error_ms is None else round(error_ms / 1000, 1),
            "view_changed": self.is_view_changed() or None,
            "view_right_at": max(
                (capture.view_right_at for capture in self.captures if capture.view_right_at),
                default=None,
            ),
            "trouble": name or self._name_clock(error_ms),
            "error": (self.find_error() or "")[:LONGEST_ERROR] or None,
            "upload_error": redact_text(self.uploader.last.trouble or "")[:LONGEST_ERROR] or None,
        }
        return {name: value for name, value in status.items() if value is not None}

    def _name_clock(self, error_ms: int | None) -> Trouble | None:
        """Return the name of a clock that is so wrong that visits get into the wrong hour: files
        have its times, and a live camera's times are corrected."""
        has_files = any(capture.config.is_of_files for capture in self.captures)
        is_wrong = error_ms is not None and abs(error_ms) >= CLOCK_OFF_MS
        return Trouble.CLOCK if has_files and is_wrong else None

    def run(self, stop: threading.Event) -> None:
        """Send heartbeats until `stop`; none of a camera that is not configured any more."""
        while self.captures and not stop.is_set():
            wait_s = self.every_s if self.send_heartbeat() else FIRST_LOOK_S
            stop.wait(
                min(self.every_s, AIMED_BEAT_S if time.monotonic() < self._near_until else wait_s)
            )

    def send_heartbeat(self) -> bool:
        """Send one heartbeat, if it is known how the camera is; return whether.

        What goes wrong is logged once.
        """
        service, began_at = self.uploader.service, self.uploader.film_sender.now()
        try:
            if self._id is None:
                self._id = service.find_camera_id(self.uploader.camera)
            working, status = self.is_alive(), self.describe()
            if not working and "error" not in status:
                return False  # it has only begun
            self._give_pictures(self._id)
            answer = service.send_heartbeat(self._id, status, working=working)
            self.take_settings(answer.settings)
            self.is_heard = True
            if self._no_beat is not None:
                log.info("%s: the service hears it again", self.uploader.camera)
            self._no_beat = None
            self._warn_of_faceless(answer.faceless_share)
            self._hear_wishes(answer, began_at, status.get("error"))
        except ServiceError as error:
            # the camera may be gone, and another has its name
            self.is_heard, self._id = False, None
            if str(error) != self._no_beat:
                log.warning("%s: no heartbeat: %s", self.uploader.camera, error)
            self._no_beat = str(error)
        return True

    def _give_pictures(self, camera_id: str) -> None:
        """Send the pictures that the service has asked for, if they are taken. Raises
        ServiceError."""
        service = self.uploader.service
        if self.aim is not None and self.aim.picture is not None:
            picture, self.aim.picture = self.aim.picture, None
            service.give_still(camera_id, picture, self._asked_by)
        if self.morning is not None and self.morning.picture is not None:
            picture, self.morning.picture = self.morning.picture, None
            service.give_view(camera_id, picture, self._asked_by)

    def _hear_wishes(self, answer: HeartbeatAnswer, began_at: float, told: object) -> None:
        """Take in which pictures and films are wanted, and that somebody says that a view is right.

        `began_at`: when the heartbeat began; `told`: the trouble that it said.
        """
        self._asked_by = self.uploader.open_shop()
        is_film_wanted = (answer.counting or {}).get("film_wanted") is True
        self.uploader.film_sender.hear_wish(
            self._asked_by if is_film_wanted else None, began_at, told
        )
        if answer.view_right_at is not None:
            for capture in self.captures:
                capture.hear_right(answer.view_right_at)
            if self.morning is not None:
                self.morning.right_at = answer.view_right_at
        if self.morning is not None:
            self.morning.is_wanted = answer.is_view_due and self.morning.picture is None
        if self.aim is not None:
            self.aim.is_wanted = answer.is_still_asked
            if answer.is_still_asked:
                self._near_until = time.monotonic() + AIMED_FOR_S

    def _warn_of_faceless(self, share: float) -> None:
        """Say once that too many pictures show nobody, until they do no more."""
        if share >= FACELESS_SHARE and not self._is_warned:
            text = (
                "%s: %.0f %% of the last pictures show no face, and each costs: send = "
                '"best_shot" sends fewer'
            )
            log.warning(text, self.uploader.camera, 100 * share)
        self._is_warned = share >= FACELESS_SHARE
