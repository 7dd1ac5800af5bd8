"""Taking pictures into the spool. A picture is ours once `add` has returned."""

from __future__ import annotations

import logging
import shutil
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path

from regulars_edge.errors import SpoolFull
from regulars_edge.picture import Content, content_of, is_whole
from regulars_edge.spool import files, totals
from regulars_edge.spool.database import SpoolDatabase
from regulars_edge.spool.files import Files
from regulars_edge.spool.model import FileMark, Limits, Origin, Stamp, State, Taken

log = logging.getLogger(__name__)

SAME_TIME_MS, SAME_FILE_TIME_MS = 2_000, 30_000
"""The same bytes from the same camera within this time are one picture: cameras answer twice with one frame. Files'
modification times are given more room: FAT keeps them to two seconds, FTP senders repeat a file, people copy folders.
Farther apart they are two captures that happen to look alike."""

_COPY = "SELECT id, file, size, camera FROM pictures"
_REFUSED_COPY = (
    f"{_COPY} INDEXED BY finished WHERE state > 0 AND state = 2 AND file IS NOT NULL ORDER BY finished_at_ms LIMIT 1"
)
_OLDEST_UNSENT = f"{_COPY} NOT INDEXED WHERE state = 0 AND file IS NOT NULL ORDER BY id LIMIT 1"


class Intake:
    def __init__(self, books: SpoolDatabase, files: Files, folder: Path, limits: Limits) -> None:
        self._books = books
        self._files = files
        self._folder = folder
        self._limits = limits
        self._adding = threading.Lock()
        self.on_dropped: Callable[[str], object] = str
        """Hears the camera of each picture that is dropped to make room for another."""
        sql = "SELECT coalesce(sum(size), 0) FROM pictures WHERE state <> 1 AND file IS NOT NULL"
        ((self.held_bytes,),) = books.rows(sql)

    def known(self, camera: str, mark: FileMark) -> Taken | None:
        """Return the picture that this very file was read as, if it was."""
        rows = self._books.rows(
            "SELECT id FROM pictures WHERE path = ? AND mtime_ns = ? AND size = ? AND camera = ?",
            (_text(mark.path), mark.mtime_ns, mark.size, camera),
        )
        return Taken(rows[0][0], False) if rows else None

    def add(
        self,
        origin: Origin,
        data: bytes,
        content: Content,
        stamp: Stamp,
        mark: FileMark | None = None,
        *,
        track: str = "",
    ) -> Taken:
        """Keep a copy of `data`. On return it survives a power cut. Raises SpoolFull, and keeps nothing then."""
        with self._adding:
            with self._books.reading() as db:
                twin = self._twin(db, origin.camera, content, stamp)
            if twin is not None:
                return twin
            self._make_room(origin.camera, content.size)
            name = files.name_of(origin.camera, stamp, content.content_type)
            try:
                self._files.write(data, name)
            except OSError as error:
                self._turn_away(origin.camera)
                raise SpoolFull(f"a picture of {content.size} bytes cannot be written: {error.strerror}") from error
            try:
                with self._books.writing() as db:
                    row_id = self._insert(db, origin, content, stamp, mark, file=name, track=track)
            except BaseException:
                self._files.remove(name)
                raise
            self.held_bytes += content.size
            return Taken(row_id, True)

    def adopt(self, name: str, settled_ms: int | None) -> bool:
        """Give a copy a row; a half one and one that is here already go. Return whether it was whole.

        `settled_ms`: its time of capture, if the service may have heard it: with another, the picture came twice.
        Raises OSError if the copy cannot be read; SpoolFull.
        """
        camera, stamp = files.read_name(name) or ("", Stamp(stated_ms=0))
        if settled_ms is not None:
            stamp = Stamp(stated_ms=settled_ms)
        with self._files.open(name) as stream:
            content = content_of(stream.read())
            is_half = content is None or not is_whole(stream, content.content_type)
        with self._adding, self._books.writing() as db:
            if content is None or is_half or self._twin(db, camera, content, stamp) is not None:
                self._files.remove(name)
            else:
                self._insert(db, Origin(camera, "rescued"), content, stamp, None, file=name, track="")
                self.held_bytes += content.size
        return not is_half

    def freed(self, size: int) -> None:
        self.held_bytes -= size

    def has_room(self, size: int) -> bool:
        free = shutil.disk_usage(self._folder).free
        return self.held_bytes + size <= self._limits.max_bytes and free - size >= self._limits.min_free_bytes

    def _make_room(self, camera: str, size: int) -> None:
        """Remove copies of refused ones, oldest first; then new ones stay out, or the oldest unsent ones go."""
        while not self.has_room(size):
            if self._drop(_REFUSED_COPY) is None and not self._drop_the_oldest(size):
                self._turn_away(camera)
                raise SpoolFull(
                    f"no room for a picture of {size} bytes: {self.held_bytes} of {self._limits.max_bytes} bytes are "
                    f"used, {shutil.disk_usage(self._folder).free} are free on the disk, of which "
                    f"{self._limits.min_free_bytes} stay free; it was not taken"
                )

    def _drop_the_oldest(self, size: int) -> bool:
        """Set the oldest unsent copy aside, unless all of them would not be enough: others may have filled the disk."""
        free = shutil.disk_usage(self._folder).free
        if not self._limits.drops_oldest or self.held_bytes + free - size < self._limits.min_free_bytes:
            return False
        camera = self._drop(_OLDEST_UNSENT, "dropped unsent, to make room for newer ones")
        if camera is None:
            return False
        log.error("%s: the oldest unsent picture was dropped: there is no room for new ones", camera)
        self.on_dropped(camera)
        return True

    def _drop(self, which: str, reason: str | None = None) -> str | None:
        """Remove the copy that a query finds, and set its picture aside if there is a `reason`; return its camera."""
        with self._books.writing() as db:
            row = db.execute(which).fetchone()
            if row is None:
                return None
            row_id, name, size, camera = row
            db.execute("UPDATE pictures SET file = NULL WHERE id = ?", (row_id,))
            if reason is not None:
                db.execute(
                    "UPDATE pictures SET state = 2, finished_at_ms = ?, reason = ? WHERE id = ?",
                    (self._books.now_ms(), reason, row_id),
                )
                totals.count(db, f"turned_away:{camera}")
        self._files.remove(name)
        self.freed(size)
        return str(camera)

    def _turn_away(self, camera: str) -> None:
        try:
            with self._books.writing(durable=False) as db:
                totals.count(db, f"turned_away:{camera}")
        except SpoolFull:
            pass  # the caller says it anyway

    def _twin(self, db: sqlite3.Connection, camera: str, content: Content, stamp: Stamp) -> Taken | None:
        rows = db.execute(
            "SELECT id, boot_id, boot_ms, wall_ms, captured_at_ms FROM pictures LEFT JOIN boots USING (boot) "
            "WHERE camera = ? AND sha256 = ?",
            (camera, content.sha256),
        )
        for row_id, boot_id, boot_ms, wall_ms, captured_at_ms in rows:
            if stamp.moment is None:
                apart = (wall_ms if captured_at_ms is None else captured_at_ms) - (stamp.stated_ms or 0)
            elif boot_id == stamp.moment.boot_id:
                apart = boot_ms - stamp.moment.boot_ms
            elif boot_id is None or stamp.by == "file":
                apart = wall_ms - stamp.moment.wall_ms
            else:
                continue  # a wrong clock may say the same time in two boots, and no frame is of both
            if abs(apart) <= (SAME_FILE_TIME_MS if stamp.by == "file" else SAME_TIME_MS):
                return Taken(row_id, False)
        return None

    def _insert(
        self,
        db: sqlite3.Connection,
        origin: Origin,
        content: Content,
        stamp: Stamp,
        mark: FileMark | None,
        *,
        file: str,
        track: str,
    ) -> int:
        moment = stamp.moment
        if mark is not None:
            totals.count(db, f"time by {stamp.by}:{origin.camera}")
        row = {
            "camera": origin.camera,
            "source": origin.source,
            "sha256": content.sha256,
            "size": content.size,
            "content_type": content.content_type,
            "state": State.NEW,
            "boot": self._books.boot_of(db, moment.boot_id) if moment else None,
            "boot_ms": moment.boot_ms if moment else None,
            "wall_ms": moment.wall_ms if moment else stamp.stated_ms,
            "captured_at_ms": stamp.stated_ms,
            "file": file,
            "path": _text(mark.path) if mark else None,
            "mtime_ns": mark.mtime_ns if mark else None,
            "spooled_at_ms": self._books.now_ms(),
            "track": track or None,
        }
        cursor = db.execute(f"INSERT INTO pictures ({', '.join(row)}) VALUES (:{', :'.join(row)})", row)
        return int(cursor.lastrowid or 0)


def _text(path: Path) -> str:
    """Encode a path for SQLite. Names that are no UTF-8 come as surrogates, which SQLite cannot keep."""
    return str(path).encode("utf-8", "surrogateescape").decode("latin-1")
