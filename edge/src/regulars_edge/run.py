"""`regulars-edge run`: takes pictures and sends them until it is stopped, and reports its state to
systemd."""

from __future__ import annotations

import argparse
import ctypes
import logging
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from regulars_client.signals import call_on_signals

from regulars_edge import __version__, logs, page
from regulars_edge.addresses import Addresses
from regulars_edge.camera_uploader import CameraUploader
from regulars_edge.capture import Capture, Wiring, make_chooser, make_counter, make_source
from regulars_edge.choose.chooser import Preview
from regulars_edge.choose.morning import MorningView
from regulars_edge.clock import Clock, ServiceTime
from regulars_edge.config import CameraConfig, Config, load, read_api_key, shows_the_key
from regulars_edge.count.minutes import SpooledMinutes
from regulars_edge.errors import (
    EdgeError,
    Misconfigured,
    NotAllowed,
    ServiceError,
    SpoolDamaged,
    SpoolFull,
)
from regulars_edge.health import BOX_FILE, LONGEST_ERROR, Health, Machine
from regulars_edge.http import Http, proxies_of_environment
from regulars_edge.pace import Backoff, Bandwidth, PerMinute
from regulars_edge.report import REPEAT_S, Report, find_newest
from regulars_edge.service import Box, Service
from regulars_edge.sources.folder import read_mark
from regulars_edge.spool import spool as spools
from regulars_edge.spool.model import FileMark, Memory
from regulars_edge.spool.spool import Spool
from regulars_edge.spool.totals import Allowance

if TYPE_CHECKING:
    from regulars_edge.count.film import FilmKeeper

log = logging.getLogger(__name__)


class Systemd:
    """The socket that systemd names, to which the state is reported (sd_notify(3)).

    Without one, nothing is sent.
    """

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        address = environment.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        period = environment.get("WATCHDOG_USEC", "")
        ours = environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        self.watchdog_s = int(period) / 1e6 / 2 if period.isdigit() and ours else None
        """How often the watchdog wants to hear of us, with room to spare; None: there is none."""

    def tell(self, text: str) -> None:
        with (
            suppress(OSError),  # without an address too; systemd will act on the silence
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock,
        ):
            sock.sendto(text.encode(), self._address)


_M_MMAP_THRESHOLD, _M_ARENA_MAX = -3, -8
LARGE_BYTES, ARENAS = 2**17, 2


def return_freed_memory() -> None:
    """Let large blocks go back to the system when they are freed.

    glibc keeps them, for each thread apart, once a program has freed some: pictures in 4K take 25
    MB each. Other C libraries have no such setting, and no such habit.
    """
    with suppress(AttributeError):
        library = ctypes.CDLL(None)
        library.mallopt(_M_MMAP_THRESHOLD, LARGE_BYTES)
        library.mallopt(_M_ARENA_MAX, ARENAS)


TICK_S, LAST_TICK_S = 5.0, 0.5
SWEEP_S = 3600.0
"""How often the spool is swept, in s."""
STUCK_S = 4 * 3600.0
"""A round may take long (a slow line, a Retry-After of an hour); beyond this it hangs, and systemd
shall know."""
JOIN_S = 10.0
"""How long the threads may take to end, in s; what they have begun is done again at the next
start."""
SILENT_AFTER_S, MISSED_BEATS = 600, 5
"""After how long without a heartbeat a camera that this makes is silent: a router may take minutes
to start."""
RESTART_BASE_S, RESTART_CAP_S, LIVED_S = 1.0, 60.0, 300.0
"""Waits between two starts of a failed thread. After it ran for LIVED_S, the shortest applies
again."""


_Labels = TypeVar("_Labels", bound=tuple[str, ...])

_OF_THE_SPOOL = {
    "unsent": ("unsent_pictures", "Spooled and not yet seen at the service."),
    "unsent_bytes": ("unsent_bytes", "Bytes of the unsent pictures."),
    "sent": ("sent_pictures_total", "Seen at the service."),
    "refused": ("refused_pictures", "Refused for good and set aside."),
    "oldest_unsent_s": (
        "oldest_unsent_seconds",
        "How long the oldest unsent picture has been waiting.",
    ),
}
"""Name and meaning of the metric of a field of Totals."""


def _make_metric(name: str, about: str, values: Mapping[_Labels, float]) -> Metric:
    """Make a metric of values by camera, or by camera and reason."""
    kind = CounterMetricFamily if name.endswith("_total") else GaugeMetricFamily
    metric = kind(
        f"regulars_edge_{name}",
        about,
        labels=("camera", "reason")[: max(map(len, values), default=0)],
    )
    for key, value in values.items():
        metric.add_metric(key, value)
    return metric


class Uploader(Collector):
    """The uploader with all its threads."""

    def __init__(
        self,
        config: Config,
        spool: Spool,
        hide: Callable[[str], None],
        file: Path | None = None,
    ) -> None:
        """Wire the threads and start none. `file`: the configuration's, if it may change.

        Raises Misconfigured.
        """
        self._config = config
        self._file = file
        self._file_mark = read_mark(file) if file else None
        self._has_new_config = self._is_told_to_stop = False
        self._spool = spool
        self._machine = Machine.of_folder(config, spool.folder)
        self._stop = threading.Event()
        self._news = threading.Event()
        self._failed: EdgeError | None = None
        self.service_time = ServiceTime(spool.clock, spool.read_anchor())
        self.service_time.hear_ntp()
        self._http = Http(spool.clock, ca_file=config.ca_file, proxies=proxies_of_environment())
        self._allowance = Allowance(
            spool.books, config.bytes_a_month, self.service_time.best_ms, config.zone
        )
        self._bandwidth = Bandwidth(config.bandwidth_bytes_s)
        self._healths: dict[str, Health] = {}
        self._addresses = Addresses(config.cameras, self._read_memory("addresses"))
        self.captures = [
            self._make_capture(self._addresses.move(camera), hide) for camera in config.cameras
        ]
        self._counted: set[tuple[str, str]] | None = None
        """The cameras, and what they count, of which the spool may have films."""
        with suppress(SpoolFull):  # at the next tick; nothing of them is sent meanwhile
            self._drop_other_films()
        names = {camera.name for camera in config.cameras}
        for name in sorted(set(spool.list_cameras()) - names):
            log.info("%s is not configured any more; what is spooled of it is sent", name)
            self._make_health(name, self._make_service(None, hide))
        self._threads: list[threading.Thread] = []
        self._report_at_start = Report.begin(__version__, spool.folder, spool.clock)
        self._last_report: Report | None = None
        self._reported_at = 0.0
        self._swept_at = 0.0

    def run(self, systemd: Systemd) -> None:
        """Run until `stop`. Raises the error that a thread could not go on with."""
        self._take_settings()
        self._say_if_hourless()
        self._begin_threads()
        self._tell_updater(False)
        systemd.tell("READY=1")
        began_at = self._swept_at = time.monotonic()
        while not self._stop.is_set():
            tick_s = LAST_TICK_S if any(capture.finished for capture in self.captures) else TICK_S
            self._news.wait(min(tick_s, systemd.watchdog_s or TICK_S))
            self._news.clear()
            if self.is_turning():
                systemd.tell(f"WATCHDOG=1\nSTATUS={self._spool.count_unsent()} pictures unsent")
            self._tick(began_at)
        if not self.begins_anew:
            systemd.tell("STOPPING=1")
        deadline = time.monotonic() + JOIN_S
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        if self._failed is not None:
            raise self._failed

    def _begin_threads(self) -> None:
        for number, capture in enumerate(self.captures):
            self._begin_thread(f"take {number} ({capture.config.name})", capture.run)
        for name, health in self._healths.items():
            self._begin_thread(f"send {name}", health.uploader.run)
            self._begin_thread(f"beat {name}", health.run)
        if self._config.metrics_port:
            self._begin_thread(
                "metrics",
                partial(page.serve_page, self._config.metrics_port, self, self.answer_page),
            )
        self._begin_thread("rescue", self._spool.take_in)
        self._begin_thread("addresses", partial(self._addresses.run, self.captures))

    def _tick(self, began_at: float) -> None:
        """Do what is due; stop if all sources have ended and all is sent.

        `began_at`: by the monotonic clock, in s.
        """
        try:
            if time.monotonic() - self._swept_at > SWEEP_S:
                self._swept_at = time.monotonic()
                self._spool.sweep()
            while self._spool.dropped:  # also those of the sweep with which the spool was opened
                reason, camera = self._spool.dropped.pop()
                if camera in self._healths:
                    self._healths[camera].uploader.dropped.add(reason)
            self._take_settings()
            self._drop_other_films()
            self._look_for_new_config()
            self._note_progress()
            self._tell_updater(time.monotonic() - began_at >= self._config.well_after_s)
            self._spool.check_hours()  # also while nothing may be sent
        except SpoolFull as error:
            log.error("%s", error)
        if (
            self.captures
            and all(capture.finished for capture in self.captures)
            and self._spool.count_unsent() == 0
        ):
            log.info("all sources have ended and all pictures are sent")
            self.stop()

    def stop(self) -> None:
        self._is_told_to_stop = True
        self._end()

    @property
    def begins_anew(self) -> bool:
        """Tell whether it has ended to restart with another configuration."""
        return self._has_new_config and not self._is_told_to_stop

    def _end(self) -> None:
        self._stop.set()
        self._news.set()
        for health in self._healths.values():
            health.uploader.wake.set()

    def is_turning(self) -> bool:
        """Tell whether all threads make progress: if not, systemd's watchdog restarts the
        process."""
        now = time.monotonic()
        uploads_turn = all(
            now - health.uploader.turned_at < STUCK_S for health in self._healths.values()
        )
        return uploads_turn and not any(capture.hangs(now) for capture in self.captures)

    def collect(self) -> Iterator[Metric]:
        """Return the figures for Prometheus at the local port."""
        totals = self._spool.count_totals().items()
        for field, (name, about) in _OF_THE_SPOOL.items():
            yield _make_metric(
                name, about, {(camera,): getattr(figures, field) or 0 for camera, figures in totals}
            )
        dropped = {
            (camera, reason.name.lower()): number
            for camera, health in self._healths.items()
            for reason, number in health.uploader.dropped.counts().items()
        }
        yield _make_metric("dropped_pictures_total", "Not sent, by reason.", dropped)
        alive = {
            (camera,): health.is_alive()
            for camera, health in self._healths.items()
            if health.captures
        }
        yield _make_metric("camera_alive", "1 while the camera gives pictures.", alive)
        lags = {camera: health.find_lag_s() for camera, health in self._healths.items()}
        known_lags = {(camera,): lag_s for camera, lag_s in lags.items() if lag_s is not None}
        if known_lags:
            yield _make_metric(
                "camera_lag_seconds", "How far its last frame was behind.", known_lags
            )
        month = {(): self._allowance.read_spent_bytes()}
        yield _make_metric("month_bytes", "Bytes of pictures that went out this month.", month)
        error_ms = self.service_time.wall_error_ms()
        if error_ms is not None:
            about = "By how much this machine's clock is ahead of the service's."
            yield _make_metric("clock_error_seconds", about, {(): error_ms / 1000})

    def answer_page(self, path: str) -> tuple[str, bytes] | None:
        """Return what the page at the local port has at `path` (`page.answer`)."""
        cameras = [(capture.config.name, capture.last) for capture in self.captures]
        return page.make_answer(path, cameras, self._spool.clock.wall_ms())

    def _make_capture(self, camera: CameraConfig, hide: Callable[[str], None]) -> Capture:
        """Make a camera's capture, and its health if it has none.

        A film that was read before is finished.
        """
        health = self._healths.get(camera.name) or self._make_health(
            camera.name, self._make_service(camera, hide)
        )
        aim = morning = None
        if camera.crop_room is None and not camera.is_of_files:  # else only faces may leave it
            aim = health.aim = health.aim or Preview()
            if health.morning is None:  # of the first of several sources
                memory = self._read_memory(f"morning {camera.name}")
                morning = health.morning = MorningView(time.monotonic, *memory)
        mark = read_mark(Path(camera.place)) if camera.source == "video" else None
        film = f"film {camera.name}: {mark!r}" if isinstance(mark, FileMark) else None
        make, wake = partial(self._make_wiring, aim, morning), health.uploader.wake.set
        capture = Capture(
            camera,
            make,
            self._spool,
            health.uploader.dropped,
            wake,
            film,
            health.uploader.open_shop,
            self.service_time.best_ms,
        )
        if film is not None and self._spool.is_noted(film):
            log.info(
                "%s: %s was read to its end before; touch it to have it read again",
                camera.name,
                camera.place,
            )
            capture.finished = True
        health.add_capture(capture)
        return capture

    def _read_memory(self, name: str) -> Memory:
        """Return what an earlier process kept by this name, and what keeps another text."""

        def keep(text: str) -> None:
            with suppress(SpoolFull):  # it learns again
                self._spool.keep_view(name, text)

        return Memory(keep, self._spool.read_view(name))

    def _make_wiring(
        self, aim: Preview | None, morning: MorningView | None, camera: CameraConfig
    ) -> Wiring:
        clock, film = self._spool.clock, self._make_film_keeper(camera)
        minutes = SpooledMinutes(
            partial(self._spool.add_counts, camera.name, hours=camera.capture_hours),
            lambda: self.service_time.best_ms() - clock.boot_ms(),
            film,
        )
        counter = make_counter(camera, minutes, film)
        still = None if camera.is_of_files else self._read_memory(f"still {camera.name}")
        return Wiring(
            make_source(camera, self._config, clock),
            make_chooser(camera, aim, counter, morning, still=still),
            PerMinute(camera.per_minute),
            partial(self._is_open, camera),
            counter,
            camera.capture_hours,
        )

    def _make_film_keeper(self, camera: CameraConfig) -> FilmKeeper | None:
        """Make what keeps films of the camera's line; None if it has none."""
        view = camera.count_view
        if camera.count is None or view is None:
            return None
        from regulars_edge.count.film import FilmKeeper

        uploader = self._healths[camera.name].uploader
        return FilmKeeper(
            camera.count,
            view,
            partial(self._spool.keep_film, camera.name),
            lambda: None if (anchor := self.service_time.anchor) is None else anchor.offset_ms,
            uploader.film_sender.is_overdue,
            lambda: uploader.shop,
        )

    def _is_open(self, camera: CameraConfig) -> bool:
        """Tell whether pictures are taken now: always while nobody has said what time it is. Then
        those from outside the hours go later (spool/hours.py)."""
        at_ms = self.service_time.now_ms()
        return at_ms is None or camera.capture_hours.is_open_at(at_ms)

    def _say_if_hourless(self) -> None:
        """Log which cameras have hours, if nobody has said yet what time it is."""
        names = [one.config.name for one in self.captures if one.settings.capture_hours.ever_close]
        if names and self.service_time.anchor is None:
            log.warning(
                "neither the service nor NTP has said the time since this machine started: until "
                "then pictures are taken at any hour, and kept here; those from outside of "
                "`capture_hours` are deleted unsent (%s)",
                ", ".join(sorted(set(names))),
            )

    def _make_health(self, name: str, service: Service) -> Health:
        uploader = CameraUploader(
            self._spool,
            service,
            name,
            self.service_time,
            bandwidth=self._bandwidth,
            hours=self._config.hours,
            spend=self._allowance.spend,
            is_spent=self._allowance.is_spent,
        )
        health = self._healths[name] = Health(uploader, self._machine, self._config.heartbeat_s)
        return health

    def _make_service(self, camera: CameraConfig | None, hide: Callable[[str], None]) -> Service:
        return make_service(
            self._config, camera, self._http, self.service_time, box=self._machine.box, hide=hide
        )

    def _begin_thread(self, name: str, work: Callable[[threading.Event], None]) -> None:
        """Start `work` in a thread of its own. If it fails it starts again; the others go on."""

        def run_work() -> None:
            """Run the work until it ends. After a failure run it again, later each time."""
            backoff = Backoff(RESTART_BASE_S, RESTART_CAP_S)
            while not self._stop.is_set():
                began_at = time.monotonic()
                try:
                    work(self._stop)
                    break
                except SpoolDamaged as error:  # all of them need the spool
                    self._failed = error
                    self.stop()
                except Exception as error:
                    if time.monotonic() - began_at > LIVED_S:
                        backoff.reset_failures()
                    wait_s, why = backoff.count_failure(), str(error) or repr(error)
                    # of a defect of ours only
                    trace = None if isinstance(error, EdgeError) else error
                    log.error(
                        "%s failed: %s; it begins again in %.0f s",
                        name,
                        why,
                        wait_s,
                        exc_info=trace,
                    )
                    self._stop.wait(wait_s)
            self._news.set()

        thread = threading.Thread(target=run_work, name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _take_settings(self) -> None:
        """Apply the settings for the whole box, which the answer to each camera repeats."""
        settings = {
            key: value
            for health in self._healths.values()
            for key, value in health.settings.items()
        }
        config = self._config.with_settings(settings)
        self._bandwidth.bytes_per_s = config.bandwidth_bytes_s
        self._allowance.limit = config.bytes_a_month
        for health in self._healths.values():
            health.uploader.hours = config.hours

    def _drop_other_films(self) -> None:
        """Delete the films of what no camera counts any more. Raises SpoolFull."""
        counted = {
            (name, view) for name, health in self._healths.items() for view in health.list_views()
        }
        if counted != self._counted:
            self._spool.drop_films_but_of(counted)
            self._counted = counted

    def _look_for_new_config(self) -> None:
        """Stop if the file has another configuration, which can be read: it is taken in at once.

        One that cannot is said, and the former goes on.
        """
        if self._file is None or (mark := read_mark(self._file)) == self._file_mark:
            return
        self._file_mark = mark
        try:
            self._has_new_config = load(self._file) != self._config
        except Misconfigured as error:
            log.error("the new configuration is not used: %s", error)
        if self._has_new_config:
            log.info("%s has changed: all begins anew with it", self._file)
            self._end()

    def _note_progress(self) -> None:
        """Note which films were read to their ends, and the time that was measured: the next start
        knows both."""
        for capture in self.captures:
            if capture.film is not None and capture.finished:
                self._spool.note_fact(capture.film)
        self.service_time.hear_ntp()
        self._spool.remember_anchor(self.service_time.anchor)

    def _tell_updater(self, is_old_enough: bool) -> None:
        """Write the box's report for `regulars-edge update`, if that looks after it.

        `is_old_enough`: whether the process has run for `well_after_s`.
        """
        if self._config.update_url is None:
            return
        lasts = is_old_enough and self.is_turning()
        report = Report(
            __version__,
            find_newest(health.settings.get("version") for health in self._healths.values()),
            lasts and all(health.is_heard for health in self._healths.values() if health.captures),
            tuple(sorted(name for name, health in self._healths.items() if health.is_alive())),
            lasts,
            self._report_at_start.starts,
        )
        if report != self._last_report or time.monotonic() - self._reported_at >= REPEAT_S:
            with suppress(OSError):  # a full disk: at the next tick
                report.write(self._spool.folder, self._spool.clock)
                self._last_report, self._reported_at = report, time.monotonic()


def make_service(
    config: Config,
    camera: CameraConfig | None,
    http: Http,
    service_time: ServiceTime,
    *,
    box: Box,
    hide: Callable[[str], None],
) -> Service:
    """Make the service of a camera; None: of one that is not configured any more.

    Each call reads the key: a new file counts at once, and until then pictures are kept. `hide`:
    hears each key that no log may show.
    """

    def key() -> str:
        try:
            api_key = read_api_key((camera.api_key_file if camera else None) or config.api_key_file)
        except Misconfigured as error:
            raise NotAllowed(str(error)) from error
        hide(api_key)
        return api_key

    makes = config.make_cameras
    return Service(
        http,
        config.url,
        key,
        service_time,
        tenant_key=config.tenant_key or makes,
        makes_cameras=makes,
        silent_after_s=round(max(SILENT_AFTER_S, MISSED_BEATS * config.heartbeat_s)),
        box=box if camera else None,
    )


def tell_without_spool(config: Config, why: EdgeError, hide: Callable[[str], None]) -> None:
    """Send one heartbeat of each camera with the reason why the spool cannot be opened, before the
    process ends."""
    machine, clock = Machine.of_folder(config, config.spool), Clock()
    http = Http(clock, ca_file=config.ca_file, proxies=proxies_of_environment())
    service_time, status = ServiceTime(clock), machine.describe()
    if not (config.spool / BOX_FILE).exists():  # its id would be another at each start
        del status["box"]
    status |= {"version": __version__, "error": logs.redact_text(str(why))[:LONGEST_ERROR]}
    for camera in {camera.name: camera for camera in config.cameras}.values():
        service = make_service(config, camera, http, service_time, box=machine.box, hide=hide)
        try:
            service.send_heartbeat(service.find_camera_id(camera.name), status, working=False)
        except ServiceError as error:
            log.warning("%s: no heartbeat: %s", camera.name, error)


def run(arguments: argparse.Namespace) -> int:
    """Run until a signal comes; return the exit code.

    Raises Misconfigured, SpoolInUse, SpoolFull, SpoolDamaged.
    """
    config = load(arguments.config)
    redaction = logs.log_to_stderr(config.log_form, config.log_level)
    return_freed_memory()
    if not config.cameras:
        raise Misconfigured("no [[camera]] is configured")
    with ExitStack() as stack:
        try:
            spool = stack.enter_context(spools.open_spool(config.spool, config.limits, Clock()))
        except (SpoolFull, SpoolDamaged) as error:
            tell_without_spool(config, error, redaction.hide)
            raise
        box = Uploader(config, spool, redaction.hide, arguments.config)
        call_on_signals(lambda _: box.stop())
        if shows_the_key(config.url):
            log.warning("the key and the pictures cross the network in the clear: use https")
        log.info("%d cameras, spool %s, service %s", len(config.cameras), config.spool, config.url)
        box.run(Systemd())
    if box.begins_anew:
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606 - this very program
    return 0
