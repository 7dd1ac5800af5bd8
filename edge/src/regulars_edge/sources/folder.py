"""A watched folder, into which a camera drops its pictures, by FTP or otherwise.

A file is taken when it is whole: it ends as its format does and has not changed between two looks,
or it has been quiet for long and can be decoded to its end. It is removed (or moved) only when the
spool has it durably; if a kill falls in between, the spool knows it by its path, size and time when
it is seen again.

`list_files` finds the pictures of a folder and its sub-folders, in the order of their names.
"""

from __future__ import annotations

import heapq
import logging
import os
import shutil
import stat
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import tzinfo
from pathlib import Path

from regulars_client.clutter import name_clutter, walk

from regulars_edge.clock import Clock, Moment, parse_moment
from regulars_edge.errors import SourceFailed
from regulars_edge.frames import LARGEST_BYTES, EncodedFrame
from regulars_edge.picture import (
    EARLIEST_MS,
    HEAD_BYTES,
    LATEST_MS,
    Content,
    NameTime,
    ends_whole,
    find_content_type,
    find_stated_time,
    is_whole,
    parse_content,
)
from regulars_edge.spool.model import FileMark, Stamp

log = logging.getLogger(__name__)


CUT_OFF = "cut off"


@dataclass(frozen=True)
class NoPicture:
    """A file that is no picture that the service takes; or a file or folder that `may_hold` some
    and cannot be read."""

    path: Path
    why: str
    may_hold: bool = False


@dataclass(frozen=True)
class Picture:
    data: bytes
    mark: FileMark
    content: Content
    stamp: Stamp


def list_files(
    folder: Path, leave_out: Path, note_clutter: Callable[[str], object] = lambda _: None
) -> Iterator[Path | NoPicture]:
    """Give all files below `folder`, but clutter, whose names are noted, and those below
    `leave_out`; links to folders are not followed."""
    errors: list[OSError] = []
    for where, folders, names, clutter in walk(folder, errors.append):
        for name in clutter:
            note_clutter(name_clutter(name))
        folders[:] = [name for name in folders if (where / name).resolve() != leave_out]
        yield from (where / name for name in names)
    yield from (
        NoPicture(Path(error.filename), error.strerror or "?", may_hold=True) for error in errors
    )


def read_mark(path: Path) -> FileMark | NoPicture:
    """Return the file's state as it is now, links followed."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return NoPicture(path, "a link to nothing" if path.is_symlink() else "gone")
    except OSError as error:
        return NoPicture(path, error.strerror or str(error), may_hold=True)
    if not stat.S_ISREG(found.st_mode):
        return NoPicture(path, "no regular file")
    if found.st_size == 0:
        return NoPicture(path, "empty")
    return FileMark(path, found.st_size, found.st_mtime_ns)


def read_picture(
    path: Path,
    zone: tzinfo | None,
    now_ms: int,
    in_name: NameTime | None = None,
    *,
    decodes: bool = True,
) -> Picture | NoPicture:
    """Read a file with its digest and time.

    `decodes`: whether one that does not end as its format does is whole, too, if a decoder gets to
    its last line.
    """
    before = read_mark(path)
    if not isinstance(before, FileMark):
        return before
    try:
        with path.open("rb") as stream:
            if find_content_type(stream.read(HEAD_BYTES)) is None:
                return NoPicture(path, "neither JPEG nor PNG")
            if before.size > LARGEST_BYTES:
                why = f"{before.size} bytes, and a picture has at most {LARGEST_BYTES}"
                return NoPicture(path, why, may_hold=True)
            stream.seek(0)
            data = stream.read(LARGEST_BYTES + 1)
    except OSError as error:
        return NoPicture(path, error.strerror or str(error), may_hold=True)
    content = parse_content(data)
    if read_mark(path) != before or content is None or content.size != before.size:
        return NoPicture(path, "it is being written", may_hold=True)
    is_complete = is_whole if decodes else ends_whole
    if not is_complete(content.content_type, data):
        return NoPicture(path, CUT_OFF)
    file_ms = max(0, min(before.mtime_ns // 1_000_000, LATEST_MS))
    at_ms, by = find_stated_time(data, path, in_name, zone, now_ms) or (file_ms, "file")
    return Picture(data, before, content, Stamp(stated_ms=at_ms, by=by))


QUIET_MS = 60_000
"""After so long without a change, a file that does not end as it should is looked at as it is: more
will not come."""

AT_ONCE = 1_000
"""Files that are looked at in one go, oldest first: a backlog of any length must not fill the
memory."""

_UNFINISHED = (".tmp", ".part", ".partial", ".filepart", ".crdownload")
_SLACK_MS = 1_000
"""By how much the clocks of a file system and of the boot may differ, in ms."""


@dataclass
class _SeenFile:
    mark: FileMark
    first: Moment
    """When it was seen so first: what it is now, it became after `looked_before` (None: nobody
    knows)."""
    looked_before: Moment | None
    looks: int = 1


@dataclass
class FolderSource:
    """`after`: the folder that files are moved to when the spool has them; None: they are
    removed."""

    folder: Path
    clock: Clock
    interval_s: float = 1.0
    after: Path | None = None
    zone: tzinfo | None = None
    time_in_name: NameTime | None = None
    leave_out: Path | None = None
    _seen: dict[Path, _SeenFile] = field(default_factory=dict, init=False)
    _left_alone: set[FileMark] = field(default_factory=set, init=False)
    _unreadable: set[Path] = field(default_factory=set, init=False)
    _passed_over: set[str] = field(default_factory=set, init=False)
    _last_look: Moment | None = field(default=None, init=False)

    def frames(self, stop: threading.Event) -> Iterator[EncodedFrame | None]:
        while not stop.is_set():
            found = False
            for frame in self.look():
                found = True
                yield frame
                if stop.is_set():
                    return
            yield None
            if not found or len(self._seen) < AT_ONCE:
                stop.wait(self.interval_s)

    def look(self) -> Iterator[EncodedFrame]:
        """Give the files that are whole now, oldest first. Raises SourceFailed."""
        now = parse_moment(self.clock)
        marks = heapq.nsmallest(
            AT_ONCE, self._list_marks(), key=lambda mark: (mark.mtime_ns, str(mark.path))
        )
        last, self._last_look = self._last_look, now if len(marks) < AT_ONCE else None
        self._note_marks(marks, now, last)
        for mark in marks:
            file = self._seen.get(mark.path)
            if file is None or file.looks < 2:
                continue
            frame = self._read_file(file, now)
            if frame is not None:
                yield frame

    def _list_marks(self) -> Iterator[FileMark]:
        leave_out = (self.leave_out or self.folder / "\0").absolute()
        for path in list_files(self.folder, leave_out, self._say_passed_over):
            if isinstance(path, NoPicture):
                self._say_unreadable(path)
            elif path.suffix.lower() not in _UNFINISHED:
                if self.after is not None and self.after in path.parents:
                    continue
                mark = read_mark(path)
                if isinstance(mark, FileMark) and mark not in self._left_alone:
                    yield mark

    def _say_passed_over(self, clutter: str) -> None:
        """Log once that clutter of a name is not sent."""
        if clutter not in self._passed_over:
            self._passed_over.add(clutter)
            log.info("%s: passed over, since no person put it there: %s", self.folder, clutter)

    def _say_unreadable(self, place: NoPicture) -> None:
        """Log once that a folder below cannot be read. Raises SourceFailed if it is this one."""
        if place.path == self.folder:
            raise SourceFailed(f"the folder {self.folder} cannot be read: {place.why}")
        if place.path.exists() and place.path not in self._unreadable:
            self._unreadable.add(place.path)
            log.error("%s cannot be read: %s; its pictures are not sent", place.path, place.why)

    def _note_marks(self, marks: list[FileMark], now: Moment, last_look: Moment | None) -> None:
        before, self._seen = self._seen, {}
        for mark in marks:
            file = before.get(mark.path)
            if file is None or file.mark != mark:
                file = _SeenFile(mark, now, last_look)
            else:
                file.looks += 1
            self._seen[mark.path] = file
        if len(self._left_alone) > AT_ONCE:
            self._left_alone = {mark for mark in self._left_alone if read_mark(mark.path) == mark}

    def _read_file(self, seen_file: _SeenFile, now: Moment) -> EncodedFrame | None:
        """Read the file if it is a whole picture by its ends; after some quiet, if it is any."""
        mark, is_quiet = seen_file.mark, now.boot_ms - seen_file.first.boot_ms >= QUIET_MS
        read = read_picture(mark.path, self.zone, now.wall_ms, self.time_in_name, decodes=is_quiet)
        if isinstance(read, Picture):
            return (
                self._make_frame(read.data, self._find_stamp(seen_file, read.stamp), mark)
                if read.mark == mark
                else None
            )
        if is_quiet and read.why == CUT_OFF:
            # no bytes: it is counted as damaged, and left alone
            return self._make_frame(b"", Stamp(now), mark)
        if is_quiet:
            self.leave_alone(mark, read.why)
        return None

    def _make_frame(self, data: bytes, stamp: Stamp, mark: FileMark) -> EncodedFrame:
        frame = EncodedFrame(data, stamp)
        frame.mark, frame.owner = mark, self
        return frame

    def _find_stamp(self, seen_file: _SeenFile, stated: Stamp) -> Stamp:
        """Return the time that the picture states; else the file's, corrected if the clock has been
        set since.

        A file of 03:00 whose clock has been put forward by 8 hours since was written at 11:00.
        """
        if stated.by != "file":
            return stated
        now = parse_moment(self.clock)
        mark, first, before = seen_file.mark, seen_file.first, seen_file.looked_before
        mtime_ms = mark.mtime_ns // 1_000_000
        looks = [look for look in (now, first, before) if look is not None]
        # by the boot clock
        candidates_ms = [mtime_ms - (look.wall_ms - look.boot_ms) for look in looks]
        earliest_ms = 0 if before is None else before.boot_ms - _SLACK_MS
        latest_ms = first.boot_ms + _SLACK_MS
        # Written here between two looks, by the clock as it was at one of them; else it came with a
        # time of its own.
        fitting_ms = (at_ms for at_ms in candidates_ms if earliest_ms <= at_ms <= latest_ms)
        at_ms = next(fitting_ms, candidates_ms[0])
        if at_ms < 0 or (at_ms > latest_ms and now.wall_ms < EARLIEST_MS):
            # from before this boot: no clock of this boot can correct it
            if mtime_ms >= EARLIEST_MS:
                return Stamp(stated_ms=mtime_ms, by="file")
            at_ms = first.boot_ms
        return Stamp(
            parse_moment(self.clock, at_ms if at_ms <= latest_ms else first.boot_ms), by="file"
        )

    def leave_alone(self, mark: FileMark, why: str) -> None:
        log.warning("%s: %s; it stays where it is", mark.path, why)
        self._left_alone.add(mark)

    def let_go(self, mark: FileMark) -> None:
        try:
            if read_mark(mark.path) != mark:
                return  # written anew meanwhile: that is another picture
            if self.after is None:
                mark.path.unlink()
            else:
                self._move_file(mark.path, self.after / mark.path.relative_to(self.folder))
        except OSError as error:
            self.leave_alone(mark, f"spooled, but cannot be taken away: {error.strerror}")

    @staticmethod
    def _move_file(path: Path, to: Path) -> None:
        to.parent.mkdir(parents=True, exist_ok=True)
        number = 1
        while os.path.lexists(to):
            number += 1
            to = to.with_name(f"{path.stem}-{number}{path.suffix}")
        shutil.move(path, to)
