"""`regulars-edge upload`: a folder's pictures, once, until all of them are at the service.

The pictures stay where they are; the spool notes their digests and times, so that a second start need not read them
again. Each start offers all of them anew, those last that were done before: what counts is what the service says, not
what the spool believes.
"""

from __future__ import annotations

import argparse
import itertools
import logging
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import tzinfo
from functools import partial
from pathlib import Path
from typing import TextIO

from regulars_edge import exits, logs
from regulars_edge.clock import ServiceTime, SystemClock
from regulars_edge.config import Config, api_key, checked_url, default_spool, load, time_in_name, zone_named
from regulars_edge.errors import Misconfigured
from regulars_edge.http import Http, proxies_of_environment
from regulars_edge.lane import Lane, Round
from regulars_edge.pace import Backoff, Bandwidth
from regulars_edge.picture import NameTime
from regulars_edge.service import Service
from regulars_edge.sources.folder import Picture, Skipped, Unreadable, files_in, mark_of, read_picture
from regulars_edge.spool import spool as spools
from regulars_edge.spool.model import FileMark, Origin, State
from regulars_edge.spool.spool import Spool

log = logging.getLogger(__name__)

_FILES_A_STEP = 64
_SHOWN = 20
SOURCE = "upload"


@dataclass
class Report:
    """The outcome of a folder. `there` counts pictures, `twins` further files that hold one of them."""

    there: int = 0
    sent: int = 0
    refused: int = 0
    unsent: int = 0
    twins: int = 0
    found: int = 0
    skipped: int = 0
    unreadable: int = 0
    shown: list[Skipped | Unreadable] = field(default_factory=list)
    """The first of those that were skipped, and of those that could not be read."""
    trouble: str | None = None
    needs_operator: bool = False

    @property
    def is_complete(self) -> bool:
        return not (self.refused or self.unsent or self.unreadable or self.trouble)


@dataclass
class Upload:
    folder: Path
    spool: Spool
    camera: str
    run: int
    zone: tzinfo | None = None
    time_in_name: NameTime | None = None
    sleep: Callable[[float], object] = time.sleep
    progress: Callable[[Report], object] = id
    report: Report = field(default_factory=Report, init=False)

    def upload(self, lane: Lane, give_up_after_s: float) -> Report:
        """Look through the folder and send, until all is there, an operator is needed, or nothing moves any more."""
        steps = self._steps()
        due = moved = time.monotonic()
        looking = True
        while True:
            if looking:
                looking = next(steps, None) is not None
                moved = time.monotonic()
            if time.monotonic() >= due:
                result = lane.round()
                due = time.monotonic() + result.wait_s
                moved = time.monotonic() if result.done else moved
                self._note(result)
                if not looking and result.idle and not self.spool.intake.doubt(self.run):
                    break
                if result.needs_operator or (result.trouble and time.monotonic() - moved > give_up_after_s):
                    break
            elif not looking:
                self.sleep(max(0.0, min(due - time.monotonic(), 1.0)))
            self.progress(self.report)
        return self._counted()

    def _note(self, result: Round) -> None:
        self.report.there += result.done
        self.report.trouble = result.trouble
        self.report.needs_operator = result.needs_operator

    def _counted(self) -> Report:
        """Read from the books what became of the run."""
        with self.spool.books.reading() as db:
            states = dict(db.execute("SELECT state, count(*) FROM pictures WHERE run = ? GROUP BY state", (self.run,)))
            (doubted,) = db.execute("SELECT count(*) FROM pictures WHERE run < 0 AND run = -?", (self.run,)).fetchone()
        self.report.there = states.get(State.DONE, 0)
        self.report.refused = states.get(State.REFUSED, 0)
        self.report.unsent = states.get(State.NEW, 0) + states.get(State.UPLOADING, 0) + doubted
        return self.report

    def _steps(self) -> Iterator[int]:
        """Take the folder's files into the books, some at a time; return how many."""
        found = files_in(self.folder, self.spool.folder.resolve())
        while step := list(itertools.islice(found, _FILES_A_STEP)):
            self._take(step)
            yield len(step)

    def _take(self, step: list[Path | Unreadable]) -> None:
        again: list[tuple[int, FileMark]] = []
        fresh: list[Picture] = []
        for path in step:
            one = self._looked_at(path)
            if isinstance(one, Skipped):
                self.report.skipped += 1
                self._show(one, self.report.skipped)
                log.warning("skipped: %s: %s", one.path, one.why)
            elif isinstance(one, Unreadable):
                self.report.unreadable += 1
                self._show(one, self.report.unreadable)
                log.error("cannot be read: %s: %s", one.path, one.why)
            elif isinstance(one, Picture):
                fresh.append(one)
            else:
                again.append(one)
        self.spool.intake.again(again, self.run)
        taken = self.spool.intake.refer(
            Origin(self.camera, SOURCE),
            [(one.content, one.stamp, one.mark) for one in fresh],
            self.run,
        )
        twins = [(one, picture) for one, picture in zip(taken, fresh, strict=True) if not one.is_new]
        for twin, picture in twins:
            if twin.run in (self.run, -self.run):
                self.report.twins += 1
                log.info("%s holds a picture that another file holds, too", picture.mark.path)
        self.spool.intake.again([(one.id, picture.mark) for one, picture in twins], self.run)
        self.report.found += len(again) + len(fresh)

    def _show(self, one: Skipped | Unreadable, number: int) -> None:
        if number <= _SHOWN:
            self.report.shown.append(one)

    def _looked_at(self, path: Path | Unreadable) -> tuple[int, FileMark] | Picture | Skipped | Unreadable:
        if isinstance(path, Unreadable):
            return path
        mark = mark_of(path.absolute())
        if not isinstance(mark, FileMark):
            return mark
        known = self.spool.intake.known(self.camera, mark)
        if known is not None:
            return known.id, mark
        return read_picture(path.absolute(), self.zone, self.spool.clock.wall_ms(), self.time_in_name)


def summary(report: Report) -> list[str]:
    """Render the report in lines, for a person."""
    lines = [f"{report.there} {'picture is' if report.there == 1 else 'pictures are'} at the service"]
    if report.twins:
        lines.append(f"{report.twins} files hold a picture that another file holds, too; each is there once")
    for what, kind, count in (("skipped", Skipped, report.skipped), ("not readable", Unreadable, report.unreadable)):
        if count:
            lines.append(f"{count} files {what}:")
            lines += [f"  {one.path}: {one.why}" for one in report.shown if isinstance(one, kind)]
            lines += [f"  and {count - _SHOWN} more"] * (count > _SHOWN)
    if report.refused:
        lines.append(f"{report.refused} pictures were refused (regulars-edge status --refused shows why)")
    if report.unsent:
        lines.append(f"{report.unsent} pictures are not yet there: run the same command again")
    if report.trouble:
        lines.append(f"last trouble: {report.trouble}")
    return lines


_WIDTH = 30
_EVERY_S = 0.2


class Bar:
    """Draws on a terminal only."""

    def __init__(self, stream: TextIO = sys.stderr) -> None:
        self._stream = stream
        self._began = time.monotonic()
        self._next = 0.0
        self._drawn = False

    def show(self, report: Report) -> None:
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + _EVERY_S
        share = min(1.0, report.there / report.found) if report.found else 0.0
        bar = ("#" * round(share * _WIDTH)).ljust(_WIDTH, "-")
        rate = report.there / max(now - self._began, 0.001)
        self._stream.write(f"\r[{bar}] {report.there} of {report.found} pictures, {rate:.1f}/s \033[K")
        self._stream.flush()
        self._drawn = True

    def close(self) -> None:
        if self._drawn:
            self._stream.write("\n")


FIRST_WAIT_S, LONGEST_WAIT_S = 0.25, 30.0
"""Somebody waits for this command, or a script does: it tries more often than the service beside a camera."""

WRONG_CLOCK_MS = 60_000


def upload_folder(arguments: argparse.Namespace, config: Config | None) -> Report:
    """Upload a folder once. Raises Misconfigured, SpoolInUse, SpoolFull, SpoolDamaged."""
    folder = arguments.folder
    if not folder.is_dir():
        raise Misconfigured(f"{folder} is no folder")
    if config and any(camera.masks and camera.name == arguments.camera for camera in config.cameras):
        raise Misconfigured(
            f"{arguments.camera} has masks, and `upload` sends files as they are: let `run` watch their folder"
        )
    redaction = logs.to_stderr(arguments.log)
    key = api_key(arguments.key_file or (config.api_key_file if config else None))
    redaction.hide(key)
    url = checked_url(arguments.url, "--url") if arguments.url else config.url if config else None
    if url is None:
        raise Misconfigured("which service? Give --url, or --config")
    zone = zone_named(arguments.zone, "--zone") if arguments.zone else None
    in_name = time_in_name(arguments.time_in_name, "--time-in-name") if arguments.time_in_name else None
    clock = SystemClock()
    service_time = ServiceTime(clock)
    http = Http(clock, ca_file=config.ca_file if config else None, proxies=proxies_of_environment())
    service = Service(http, url, partial(str, key), service_time)
    bar = None if arguments.no_progress or not sys.stderr.isatty() else Bar()
    with spools.opened(config.spool if config else default_spool(), config.limits if config else None, clock) as spool:
        run = spool.new_run()
        lane = Lane(
            spool,
            service,
            arguments.camera,
            service_time,
            run=run,
            make_camera=True,
            bandwidth=Bandwidth(config.bandwidth_bytes_s if config else None),
            backoff=Backoff(base_s=FIRST_WAIT_S, cap_s=LONGEST_WAIT_S),
        )
        work = Upload(
            folder,
            spool,
            arguments.camera,
            run=run,
            zone=zone,
            time_in_name=in_name,
            progress=bar.show if bar else id,
        )
        report = work.upload(lane, arguments.give_up_after * 60)
    if bar:
        bar.close()
    error_ms = service_time.wall_error_ms()
    if error_ms is not None and abs(error_ms) > WRONG_CLOCK_MS:
        print(
            f"this machine's clock is {error_ms / 1000:+.0f} s off the service's; times of files without EXIF data are "
            "those that the files have",
            file=sys.stderr,
        )
    return report


def upload_code(report: Report) -> int:
    if report.is_complete:
        return exits.OK
    if report.needs_operator:
        return exits.OPERATOR
    return exits.GAVE_UP if report.unsent else exits.INCOMPLETE


def upload_command(arguments: argparse.Namespace) -> int:
    report = upload_folder(arguments, load(arguments.config) if arguments.config else None)
    code = upload_code(report)
    print("\n".join(summary(report)), file=sys.stdout if code == exits.OK else sys.stderr)
    return code
