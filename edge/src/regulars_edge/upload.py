"""`regulars-edge upload`: a folder's pictures, once, until all of them are at the service.

The pictures stay where they are; the spool notes their digests and times, so that a second start need not read them
again. Each start offers all of them anew, those last that were done before: what counts is what the service says, not
what the spool believes.
"""

from __future__ import annotations

import itertools
import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import tzinfo
from pathlib import Path

from regulars_edge import scan
from regulars_edge.lane import Lane, Round
from regulars_edge.picture import NameTime
from regulars_edge.scan import Picture, Skipped, Unreadable
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
        found = scan.files(self.folder, self.spool.folder.resolve())
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
        mark = scan.mark_of(path.absolute())
        if not isinstance(mark, FileMark):
            return mark
        known = self.spool.intake.known(self.camera, mark)
        if known is not None:
            return known.id, mark
        return scan.read(path.absolute(), self.zone, self.spool.clock.wall_ms(), self.time_in_name)


def summary(report: Report) -> list[str]:
    """Render the report in lines, for a person."""
    lines = [f"{report.there} pictures are at the service"]
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
