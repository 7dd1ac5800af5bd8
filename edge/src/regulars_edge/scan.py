"""Finds the pictures of a folder and its sub-folders, in the order of their names."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import tzinfo
from pathlib import Path

from regulars_edge.picture import HEAD_BYTES, Content, NameTime, content_of_file, content_type, is_whole, stated_time
from regulars_edge.spool.model import FileMark, Stamp

_READS = 3
_DAY_MS = 86_400_000


@dataclass(frozen=True)
class Skipped:
    """A file that is no picture that the service takes."""

    path: Path
    why: str


@dataclass(frozen=True)
class Unreadable:
    """A file or folder that may hold pictures and cannot be read."""

    path: Path
    why: str


@dataclass(frozen=True)
class Picture:
    mark: FileMark
    content: Content
    stamp: Stamp


def files(folder: Path, leave_out: Path) -> Iterator[Path | Unreadable]:
    """All files below `folder`, but those below `leave_out`; links to folders are not followed."""
    errors: list[OSError] = []
    for where, folders, names in os.walk(folder, onerror=errors.append):
        yield from (Unreadable(Path(error.filename), error.strerror or "?") for error in errors)
        errors.clear()
        folders[:] = sorted(name for name in folders if Path(where, name).resolve() != leave_out)
        yield from (Path(where, name) for name in sorted(names))
    yield from (Unreadable(Path(error.filename), error.strerror or "?") for error in errors)


def mark_of(path: Path) -> FileMark | Skipped | Unreadable:
    """Return the file's state as it is now, links followed."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return Skipped(path, "a link to nothing" if path.is_symlink() else "gone")
    except OSError as error:
        return Unreadable(path, error.strerror or str(error))
    if not stat.S_ISREG(found.st_mode):
        return Skipped(path, "no regular file")
    if found.st_size == 0:
        return Skipped(path, "empty")
    return FileMark(path, found.st_size, found.st_mtime_ns)


def read(
    path: Path, zone: tzinfo | None, now_ms: int, in_name: NameTime | None = None
) -> Picture | Skipped | Unreadable:
    """Read the file with its digest and time; try again if it changes meanwhile."""
    for _ in range(_READS):
        before = mark_of(path)
        if not isinstance(before, FileMark):
            return before
        try:
            with path.open("rb") as stream:
                kind = content_type(stream.read(HEAD_BYTES))
                if kind is None:
                    return Skipped(path, "neither JPEG nor PNG")
                if not is_whole(stream, kind) and mark_of(path) == before:
                    return Skipped(path, "cut off")
                content = content_of_file(stream, kind)
                said = stated_time(stream, path, in_name, zone, now_ms)
        except OSError as error:
            return Unreadable(path, error.strerror or str(error))
        if mark_of(path) == before and content.size == before.size:
            at_ms, by = said or (before.mtime_ns // 1_000_000, "file")
            return Picture(before, content, Stamp(stated_ms=at_ms, by=by))
    return Unreadable(path, "it is being written")
