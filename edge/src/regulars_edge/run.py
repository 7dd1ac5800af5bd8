"""`regulars-edge run`: takes pictures and sends them, until it is told to stop."""

from __future__ import annotations

import contextlib
import logging
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import FrameType

from regulars_edge import logs
from regulars_edge.capture import Capture
from regulars_edge.clock import Clock, ServiceTime, SystemClock
from regulars_edge.config import CameraConfig, Config, shows_the_key
from regulars_edge.credentials import api_key
from regulars_edge.errors import EdgeError, Misconfigured
from regulars_edge.http import Http
from regulars_edge.lane import Lane
from regulars_edge.metrics import Endpoint, Metric, label
from regulars_edge.notify import Systemd
from regulars_edge.pace import Bandwidth, PerMinute
from regulars_edge.sender import Heart, Sender
from regulars_edge.service import Service
from regulars_edge.spool import spool as spools
from regulars_edge.spool.model import Origin
from regulars_edge.spool.spool import Spool
from regulars_edge.spool.totals import Totals
from regulars_edge.wiring import chooser_of, source_of

log = logging.getLogger(__name__)

TICK_S, LAST_TICK_S = 5.0, 0.5
SWEEP_S = 3600.0
STUCK_S = 4 * 3600.0
"""A round may take long (a slow line, a Retry-After of an hour); beyond this it hangs, and systemd shall know."""
JOIN_S = 10.0


@dataclass(frozen=True)
class Station:
    """One camera, with all that serves it."""

    config: CameraConfig
    capture: Capture
    heart: Heart

    def is_alive(self) -> bool:
        return self.capture.was_alive_within(self.config.silent_after_s)


class Box:
    """All threads of one uploader."""

    def __init__(self, config: Config, spool: Spool, hide: Callable[[str], None]) -> None:
        """Wire the threads and start none. Raises Misconfigured."""
        self._config = config
        self._spool = spool
        self._stop = threading.Event()
        self._news = threading.Event()
        self._failed: EdgeError | None = None
        self.service_time = ServiceTime(spool.clock, spool.outbox.anchor())
        self._http = Http(spool.clock, ca_file=config.ca_file)
        self._bandwidth = Bandwidth(config.bandwidth_bytes_s)
        self._senders: dict[str, Sender] = {}
        self.stations = [self._station(camera, hide) for camera in config.cameras]
        left = set(spool.outbox.cameras()) - {camera.name for camera in config.cameras}
        for name in sorted(left):
            log.info("%s is not configured any more; what is spooled of it is sent", name)
            self._sender(name, Service(self._http, config.url, self._key(None, hide), self.service_time))
        self._threads: list[threading.Thread] = []

    def run(self, systemd: Systemd) -> None:
        """Until `stop`. Raises what a thread could not go on with."""
        for number, station in enumerate(self.stations):
            self._begin(f"take {number}", station.capture.run)
            self._begin(f"beat {number}", station.heart.run)
        for name, sender in self._senders.items():
            self._begin(f"send {name}", sender.run)
        systemd.ready()
        swept = time.monotonic()
        while not self._stop.is_set():
            self._news.wait(min(self._tick_s(), systemd.watchdog_s or TICK_S))
            self._news.clear()
            if self.is_turning() and systemd.listens:
                systemd.alive(f"{self._spool.outbox.unsent()} pictures unsent")
            if time.monotonic() - swept > SWEEP_S:
                swept = time.monotonic()
                self._spool.outbox.sweep()
            self._remember_time()
            if self._config.cameras and all(station.capture.finished for station in self.stations):
                self._when_all_is_sent()
        systemd.stopping()
        deadline = time.monotonic() + JOIN_S
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        if self._failed is not None:
            raise self._failed

    def stop(self) -> None:
        self._stop.set()
        self._news.set()
        for sender in self._senders.values():
            sender.wake.set()

    def is_turning(self) -> bool:
        now = time.monotonic()
        return all(thread.is_alive() for thread in self._threads if thread.name.startswith("send")) and all(
            now - sender.turned_at < STUCK_S for sender in self._senders.values()
        )

    def metrics(self) -> Iterator[Metric]:
        totals = self._spool.totals()
        now_ms = self._spool.clock.wall_ms()
        rows: tuple[tuple[str, str, str, Callable[[Totals], float]], ...] = (
            ("unsent_pictures", "gauge", "Spooled and not yet seen at the service.", lambda one: one.unsent),
            ("unsent_bytes", "gauge", "Bytes of the unsent pictures.", lambda one: one.unsent_bytes),
            ("sent_pictures_total", "counter", "Seen at the service.", lambda one: one.sent),
            ("refused_pictures", "gauge", "Refused for good and set aside.", lambda one: one.refused),
            ("turned_away_pictures_total", "counter", "Came while there was no room.", lambda one: one.turned_away),
            (
                "oldest_unsent_seconds",
                "gauge",
                "How long the oldest unsent picture has been waiting.",
                lambda one: 0 if one.oldest_unsent_ms is None else max(0, now_ms - one.oldest_unsent_ms) / 1000,
            ),
        )
        for name, kind, about, value in rows:
            values = {label("camera", camera): float(value(one)) for camera, one in totals.items()}
            yield Metric(f"regulars_edge_{name}", kind, about, values)
        alive = {label("camera", one.config.name): float(one.is_alive()) for one in self.stations}
        yield Metric("regulars_edge_camera_alive", "gauge", "1 while the camera gives pictures.", alive)
        error_ms = self.service_time.wall_error_ms()
        if error_ms is not None:
            about = "By how much this machine's clock is ahead of the service's."
            yield Metric("regulars_edge_clock_error_seconds", "gauge", about, {"": error_ms / 1000})

    def _station(self, camera: CameraConfig, hide: Callable[[str], None]) -> Station:
        service = Service(self._http, self._config.url, self._key(camera, hide), self.service_time)
        sender = self._senders.get(camera.name) or self._sender(camera.name, service)
        origin = Origin(camera.name, f"{camera.source}:{camera.name}")
        capture = Capture(
            origin,
            source_of(camera, self._config, self._spool.clock),
            chooser_of(camera, self._config.models),
            self._spool,
            per_minute=PerMinute(camera.per_minute),
            waits=camera.source in ("folder", "video"),
            taken=sender.wake.set,
        )
        heart = Heart(
            service,
            camera.name,
            lambda: capture.was_alive_within(camera.silent_after_s),
            lambda: self._status(camera.name),
            self._config.heartbeat_s,
        )
        return Station(camera, capture, heart)

    def _sender(self, name: str, service: Service) -> Sender:
        lane = Lane(
            self._spool,
            service,
            name,
            self.service_time,
            bandwidth=self._bandwidth,
            make_camera=self._config.make_cameras,
        )
        sender = Sender(lane, self._config.hours, self._spool.clock, self.service_time)
        self._senders[name] = sender
        return sender

    def _key(self, camera: CameraConfig | None, hide: Callable[[str], None]) -> str:
        key = api_key((camera.api_key_file if camera else None) or self._config.api_key_file)
        hide(key)
        return key

    def _status(self, camera: str) -> dict[str, object]:
        one = self._spool.totals().get(camera)
        if one is None:
            return {"spooled": 0}
        return {"spooled": one.unsent, "sent": one.sent, "refused": one.refused, "turned_away": one.turned_away}

    def _begin(self, name: str, work: Callable[[threading.Event], None]) -> None:
        def guarded() -> None:
            try:
                work(self._stop)
            except EdgeError as error:
                self._failed = error
                self.stop()
            except Exception:
                log.exception("%s ended by a fault of this program", name)
                self._failed = EdgeError(f"{name} ended by a fault of this program, which was logged")
                self.stop()
            self._news.set()

        thread = threading.Thread(target=guarded, name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _remember_time(self) -> None:
        anchor = self.service_time.anchor
        if anchor is not None and anchor != self._spool.outbox.anchor():
            self._spool.outbox.remember(anchor)

    def _tick_s(self) -> float:
        return LAST_TICK_S if any(station.capture.finished for station in self.stations) else TICK_S

    def _when_all_is_sent(self) -> None:
        if self._spool.outbox.unsent() == 0:
            log.info("all sources have ended and all pictures are sent")
            self.stop()


def run(config: Config, clock: Clock | None = None) -> int:
    """Run until a signal comes; return the exit code. Raises Misconfigured, SpoolInUse, SpoolFull, SpoolDamaged."""
    redaction = logs.to_stderr(config.log_form, config.log_level)
    if not config.cameras:
        raise Misconfigured("no [[camera]] is configured")
    with spools.opened(config.spool, config.limits, clock or SystemClock()) as spool, contextlib.ExitStack() as stack:
        box = Box(config, spool, redaction.hide)

        def asked(_number: int, _frame: FrameType | None) -> None:
            box.stop()

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, asked)
        if config.metrics_port:
            stack.callback(Endpoint(config.metrics_port, box.metrics).close)
        if shows_the_key(config.url):
            log.warning("the key and the pictures cross the network in the clear: use https")
        log.info("%d cameras, spool %s, service %s", len(config.cameras), config.spool, config.url)
        box.run(Systemd())
    return 0
