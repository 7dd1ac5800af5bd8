"""`regulars-edge upload`: a folder's pictures, once, until all of them are at the service.

Some at a time are copied into the spool and sent; the files stay where they are. The spool knows
the files again, so a second start goes on with those that are new.
"""

from __future__ import annotations

import argparse
import itertools
import logging
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import tzinfo
from functools import partial
from pathlib import Path

from regulars_client.clutter import describe_clutter

from regulars_edge import config, exits, logs
from regulars_edge.camera_uploader import CameraUploader
from regulars_edge.clock import Clock, ServiceTime
from regulars_edge.config import Config, parse_value
from regulars_edge.errors import Misconfigured, SpoolFull
from regulars_edge.http import Http, proxies_of_environment
from regulars_edge.pace import Backoff, Bandwidth
from regulars_edge.picture import NameTime
from regulars_edge.service import Service
from regulars_edge.sources.folder import NoPicture, Picture, list_files, read_mark, read_picture
from regulars_edge.spool import spool as spools
from regulars_edge.spool.model import FileMark, Origin, State, Waiting
from regulars_edge.spool.spool import Spool

log = logging.getLogger(__name__)

_FILES_A_STEP = 64
"""Files that are spooled before they are sent."""
_WALKS = 5
"""How often the folder is gone through if the service names another book, or another life of it,
meanwhile."""
_SHOWN = 20
"""Files that a report names; it counts the others."""
SOURCE = "upload"


@dataclass
class Report:
    """The outcome of a folder.

    `there` counts pictures, `twins` further files that hold one of them.
    """

    there: int = 0
    refused: int = 0
    unsent: int = 0
    twins: int = 0
    found: int = 0
    skipped: list[NoPicture] = field(default_factory=list)
    unreadable: list[NoPicture] = field(default_factory=list)
    passed_over: str = ""
    """Says what nobody put into the folder, if there is such."""
    trouble: str | None = None
    needs_operator: bool = False
    waiting: list[Waiting] = field(default_factory=list)
    """What the spool holds for other shops."""


@dataclass
class Upload:
    folder: Path
    spool: Spool
    uploader: CameraUploader
    give_up_after_s: float
    zone: tzinfo | None = None
    time_in_name: NameTime | None = None
    progress: Callable[[Report], object] = id
    report: Report = field(default_factory=Report, init=False)
    _ids: set[int] = field(default_factory=set, init=False)

    def upload(self) -> Report:
        """Take and send, until all is there, an operator is needed, or nothing moves any more.

        Raises SpoolFull.

        What is there was seen in one life of the shop's book: if that is another one at the end,
        all is asked anew.
        """
        self.spool.retry_refused(self.uploader.camera)
        # whose book is it? If nobody answers now, files are taken for the one before
        self.uploader.make_round()
        service = self.uploader.service
        for _ in range(_WALKS):
            began = self.spool.find_book(service.url, service.key())
            self._walk()
            if self.report.trouble or began == self.spool.find_book(service.url, service.key()):
                break
        else:
            self.report.trouble = (
                f"{service.url} named another book, or another life of it, each time it was asked"
            )
        self.report.waiting = self.spool.list_waiting()
        return self.report

    def _walk(self) -> None:
        """Go through the folder's files once, and report on them."""
        leave_out = self.spool.folder.resolve()
        self.report, self._ids = Report(passed_over=describe_clutter(self.folder)), set()
        self.report.found = sum(1 for _ in list_files(self.folder, leave_out))
        remaining = list_files(self.folder, leave_out)
        while self.report.trouble is None and (
            step := list(itertools.islice(remaining, _FILES_A_STEP))
        ):
            for path in step:
                self._take_file(path)
            self._send_spooled(to_the_end=False)
        if self.report.trouble is None:
            self._send_spooled(to_the_end=True)
        if self.report.trouble is None:
            self.uploader.asks = True  # once more: is it the same book still, in the same life?
            self._send_spooled(to_the_end=True)
        states = self.spool.count_states(self._ids)
        self.report.there = states.get(State.DONE, 0)
        self.report.refused = states.get(State.REFUSED, 0)
        self.report.unsent = states.get(State.NEW, 0) + sum(1 for _ in remaining)
        if self.uploader.asks:  # nobody has said whether that is so still
            self.report.there, self.report.unsent = 0, self.report.there + self.report.unsent

    def _send_spooled(self, *, to_the_end: bool) -> None:
        """Send what is in the spool, until nothing moves any more; `to_the_end`: also what steps
        aside for a while."""
        moved_at = time.monotonic()
        while True:
            outcome = self.uploader.make_round()
            if self.uploader.done > self.report.there:
                self.report.there, moved_at = self.uploader.done, time.monotonic()
            self.progress(self.report)
            if outcome.idle or (outcome.wait_s and not (to_the_end or outcome.trouble)):
                return
            if outcome.needs_operator or (
                outcome.trouble and time.monotonic() - moved_at > self.give_up_after_s
            ):
                self.report.trouble = outcome.trouble
                self.report.needs_operator = outcome.needs_operator
                return
            time.sleep(outcome.wait_s)

    def _take_file(self, path: Path | NoPicture) -> None:
        """Take a file into the spool, and count what it is."""
        found = path if isinstance(path, NoPicture) else self._find_or_add(path.absolute())
        if isinstance(found, NoPicture):
            (self.report.unreadable if found.may_hold else self.report.skipped).append(found)
            log.warning(
                "%s: %s: %s",
                "cannot be read" if found.may_hold else "skipped",
                found.path,
                found.why,
            )
        elif found in self._ids:
            self.report.twins += 1
            log.info("%s holds a picture that another file holds, too", path)
        else:
            self._ids.add(found)

    def _find_or_add(self, path: Path) -> int | NoPicture:
        """Return the id of the file's picture in the spool, which takes it in if it does not know
        the file."""
        file_mark = read_mark(path)
        if not isinstance(file_mark, FileMark):
            return file_mark
        known_id = self.spool.find_picture(self.uploader.camera, file_mark)
        if known_id is not None:
            return known_id
        picture = read_picture(path, self.zone, self.spool.clock.wall_ms(), self.time_in_name)
        if not isinstance(picture, Picture):
            return picture
        origin = Origin(self.uploader.camera, SOURCE)
        add_picture = partial(
            self.spool.add_picture,
            origin,
            picture.data,
            picture.content,
            picture.stamp,
            picture.mark,
        )
        try:
            return add_picture().id
        except SpoolFull:  # send what waits, so that there is room for this picture
            self._send_spooled(to_the_end=False)
            return add_picture().id


def list_summary(report: Report) -> list[str]:
    """Render the report in lines, for a person."""
    lines = [
        f"{report.there} {'picture is' if report.there == 1 else 'pictures are'} at the service"
    ]
    if report.twins:
        lines.append(
            f"{report.twins} files hold a picture that another file holds, too; each is there once"
        )
    for what, files in (("skipped", report.skipped), ("not readable", report.unreadable)):
        if files:
            lines.append(f"{len(files)} files {what}:")
            lines += [f"  {file.path}: {file.why}" for file in files[:_SHOWN]]
            lines += [f"  and {len(files) - _SHOWN} more"] * (len(files) > _SHOWN)
    if report.refused:
        lines.append(
            f"{report.refused} pictures were refused (regulars-edge status --refused shows why)"
        )
    if report.unsent:
        lines.append(f"{report.unsent} pictures are not yet there: run the same command again")
    lines += [f"{one} (regulars-edge status)" for one in report.waiting]
    if report.trouble:
        lines.append(f"last trouble: {report.trouble}")
    if report.passed_over:
        lines.append(report.passed_over)
    return lines


def show_progress(report: Report) -> None:
    """Write how far it is over the terminal's last line."""
    print(f"\r{report.there} of {report.found} pictures\033[K", end="", file=sys.stderr, flush=True)


FIRST_WAIT_S, LONGEST_WAIT_S = 0.25, 30.0
"""Somebody waits for this command, or a script does: it tries more often than the service beside a
camera."""

WRONG_CLOCK_MS = 60_000
"""Difference between this clock and the service's from which `upload` warns, in ms."""


@dataclass(frozen=True)
class _Order:
    """The arguments of `upload`, read and checked."""

    settings: Config
    url: str
    folder: Path
    camera: str
    zone: tzinfo | None
    in_name: NameTime | None
    give_up_after_s: float
    shows_progress: bool


def _read_order(arguments: argparse.Namespace) -> _Order:
    """Read and check the arguments of `upload`; what they lack comes from the file of --config.

    Raises Misconfigured if there is no address of a service or no folder, a value is wrong, or the
    camera has masks.
    """
    if not (arguments.url or arguments.config):
        raise Misconfigured("which service? Give --url, or --config")
    settings = (
        config.load(arguments.config)
        if arguments.config
        else Config(url="", spool=config.find_spool())
    )
    url = (
        parse_value(config.parse_service_url, arguments.url, "--url")
        if arguments.url
        else settings.url
    )
    folder = arguments.folder
    camera = parse_value(config.parse_camera_name, arguments.camera, "--camera")
    if not folder.is_dir():
        raise Misconfigured(f"{folder} is no folder")
    if any(known.masks and known.name == camera for known in settings.cameras):
        raise Misconfigured(
            f"{camera} has masks, and `upload` sends files as they are: let `run` watch their "
            "folder"
        )
    zone = parse_value(config.parse_time_zone, arguments.zone, "--zone") if arguments.zone else None
    in_name = (
        parse_value(NameTime, arguments.time_in_name, "--time-in-name")
        if arguments.time_in_name
        else None
    )
    return _Order(
        settings,
        url,
        folder,
        camera,
        zone,
        in_name,
        give_up_after_s=arguments.give_up_after * 60,
        shows_progress=sys.stderr.isatty() and not arguments.no_progress,
    )


def _make_service(
    arguments: argparse.Namespace, order: _Order, service_time: ServiceTime
) -> Service:
    redaction = logs.log_to_stderr(arguments.log)
    key = config.read_api_key(arguments.key_file or order.settings.api_key_file)
    redaction.hide(key)
    http = Http(
        service_time.clock, ca_file=order.settings.ca_file, proxies=proxies_of_environment()
    )
    return Service(http, order.url, partial(str, key), service_time, makes_cameras=True)


def upload_folder(arguments: argparse.Namespace) -> Report:
    """Upload a folder once. Raises Misconfigured, SpoolInUse, SpoolFull, SpoolDamaged."""
    order, clock = _read_order(arguments), Clock()
    settings, service_time = order.settings, ServiceTime(clock)
    service = _make_service(arguments, order, service_time)
    backoff = Backoff(base_s=FIRST_WAIT_S, cap_s=LONGEST_WAIT_S)
    with spools.open_spool(settings.spool, settings.limits, clock) as spool:
        spool.take_in(threading.Event())
        bandwidth = Bandwidth(settings.bandwidth_bytes_s)
        uploader = CameraUploader(
            spool, service, order.camera, service_time, bandwidth=bandwidth, backoff=backoff
        )
        progress = show_progress if order.shows_progress else id
        report = Upload(
            order.folder,
            spool,
            uploader,
            order.give_up_after_s,
            order.zone,
            order.in_name,
            progress,
        ).upload()
    if order.shows_progress:
        print(file=sys.stderr)
    _warn_of_wrong_clock(service_time)
    return report


def _warn_of_wrong_clock(service_time: ServiceTime) -> None:
    error_ms = service_time.wall_error_ms()
    if error_ms is not None and abs(error_ms) > WRONG_CLOCK_MS:
        print(
            f"this machine's clock is {error_ms / 1000:+.0f} s off the service's; times of files "
            "without EXIF data are "
            "those that the files have",
            file=sys.stderr,
        )


def upload(arguments: argparse.Namespace) -> int:
    report = upload_folder(arguments)
    has_waiting = any(one.pictures for one in report.waiting)  # minutes are no files of the folder
    code = exits.OK
    if report.needs_operator:
        code = exits.OPERATOR
    elif report.unsent:
        code = exits.GAVE_UP
    elif report.refused or report.unreadable or report.trouble or has_waiting:
        code = exits.INCOMPLETE
    print(
        logs.redact_text("\n".join(list_summary(report))),
        file=sys.stdout if code == exits.OK else sys.stderr,
    )
    return code
