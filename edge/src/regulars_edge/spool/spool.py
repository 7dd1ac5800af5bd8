"""The spool: what was taken, and is not yet known to be at the service. One uploader at a time has
it open."""

from __future__ import annotations

import json
import logging
import os
import shutil
import sqlite3
import threading
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from io import BufferedReader
from pathlib import Path
from typing import Any, NamedTuple

from regulars_edge.clock import Anchor, Clock
from regulars_edge.errors import BooksDamaged, SpoolFull, Unreachable
from regulars_edge.logs import Dropped
from regulars_edge.pace import ALWAYS, Hours
from regulars_edge.picture import Content, is_whole, parse_content
from regulars_edge.spool import counts, database, files, films, shops, times, totals
from regulars_edge.spool import hours as capture_hours
from regulars_edge.spool.database import SpoolDatabase
from regulars_edge.spool.model import (
    DueMinutes,
    Entry,
    FileMark,
    Film,
    Limits,
    MinutePart,
    Origin,
    Stamp,
    State,
    Taken,
    Waiting,
)
from regulars_edge.spool.totals import Totals

log = logging.getLogger(__name__)

SAME_TIME_MS, SAME_FILE_TIME_MS = 2_000, 30_000
"""The same bytes from the same camera within this time are one picture: cameras answer twice with
one frame. Files' modification times are given more room: FAT keeps them to two seconds, FTP senders
repeat a file, people copy folders. Farther apart they are two captures that happen to look
alike."""

_COPY = "SELECT id, file, size, camera FROM pictures"
_REFUSED_COPY = (
    f"{_COPY} INDEXED BY finished WHERE state > 0 AND state = 2 AND file IS NOT NULL "
    "ORDER BY finished_at_ms LIMIT 1"
)
_OLDEST_UNSENT = f"{_COPY} NOT INDEXED WHERE state = 0 AND file IS NOT NULL ORDER BY id LIMIT 1"

_OUT = Dropped.OUT_OF_HOURS.value
_DAY_MS = 86_400_000
_DONE_MS = 3_600_000
"""How long rows of what is done are kept if no file can come again: for `status`, and for what came
twice."""
_SWEPT_AT_ONCE = 10_000
"""Rows that one step of a sweep deletes, so that cameras are not held up."""


class Spool:
    """The pictures that were taken, as rows and copies: one way in, one way out."""

    def __init__(self, folder: Path, limits: Limits, clock: Clock) -> None:
        """Open the spool in `folder`, which is held.

        Raises BooksDamaged, SpoolDamaged, SpoolFull.
        """
        self.folder, self.clock, self._limits = folder, clock, limits
        self._adding = threading.Lock()
        self._opened: set[str] = set()
        """Cameras that send in this run: only their answers can be mixed up."""
        self.dropped: list[tuple[Dropped, str]] = []
        """The camera of each picture that was set aside unsent, and why; to be taken out."""
        try:
            self._copies = files.prepare_copies(folder)
        except OSError as error:
            raise SpoolFull(f"the spool {folder} cannot be written: {error.strerror}") from error
        self.books = SpoolDatabase(folder, clock)
        try:
            sql = (
                "SELECT coalesce(sum(size), 0) FROM pictures WHERE state <> 1 AND file IS NOT NULL"
            )
            ((self.held_bytes,),) = self.books.read_rows(sql)
            names = self.books.read_rows("SELECT file FROM pictures WHERE file IS NOT NULL")
            self.strays = files.list_strays(self._copies, {name for (name,) in names})[::-1]
            """The copies that have no row, the next one last."""
            self._unread = 0
            """How many of them could not be read."""
            self.sweep()
        except BaseException:
            self.books.close()
            raise

    def find_picture(self, camera: str, mark: FileMark) -> int | None:
        """Return the id of the picture that this very file was read as, if it was, for the shop of
        the camera.

        A picture that was seen there in another life of the shop's book is not found: the file is
        to be read again.
        """
        rows = self.books.read_rows(
            "SELECT id FROM pictures WHERE path = ? AND mtime_ns = ? AND size = ? AND camera = ? "
            f"AND {shops.OF_ITS_SHOP} AND NOT {shops.SEEN_BEFORE}",
            (_encode_path(mark.path), mark.mtime_ns, mark.size, camera),
        )
        return int(rows[0][0]) if rows else None

    def add_picture(
        self,
        origin: Origin,
        data: bytes,
        content: Content,
        stamp: Stamp,
        mark: FileMark | None = None,
        *,
        track: str = "",
        hours: Hours = ALWAYS,
    ) -> Taken:
        """Keep a copy of `data`. `hours`: when its camera may take pictures (spool/hours.py).

        On return it survives a power cut. Raises SpoolFull, and keeps nothing then.
        """
        with self._adding:
            with self.books.reading() as db:
                shop = shops.find_shop_of_camera(db, origin.camera)
                twin = self._find_twin(db, origin.camera, shop, content, stamp)
            if twin is not None and not twin.is_new:
                return twin
            self._make_room(origin.camera, content.size)
            has_hour = capture_hours.is_surely_inside(hours, stamp.moment, self.read_anchor())
            name = files.make_name(
                origin.camera, stamp, content.content_type, shop, has_hour=has_hour
            )
            try:
                files.write_file(self._copies / name, data)
            except OSError as error:
                self._turn_away(origin.camera)
                raise SpoolFull(
                    f"a picture of {content.size} bytes cannot be written: {error.strerror}"
                ) from error
            try:
                with self.books.writing() as db:
                    row_id = self._insert_picture(
                        db,
                        origin,
                        content,
                        stamp,
                        mark,
                        file=name,
                        track=track,
                        # its book may have become known while the copy was written
                        shop=shops.find_rescued(db, origin.camera, shop),
                        twin=twin,
                        hours=hours,
                    )
            except BaseException:
                (self._copies / name).unlink(missing_ok=True)
                raise
            self.held_bytes += content.size
            return Taken(row_id, True)

    def _adopt_copy(self, name: str, settled_ms: int | None) -> bool:
        """Give a copy its row; remove it if it is half, or in another row already, or if the hours
        are lost in which its camera might have taken it.

        Return whether it was whole, and is kept.

        `settled_ms`: its time of capture, if the service may have heard it: with another, the
        picture came twice. Raises OSError if the copy cannot be read; SpoolFull.
        """
        camera, stamp = files.parse_name(name) or ("", Stamp(stated_ms=0))
        if settled_ms is not None:
            stamp = Stamp(stated_ms=settled_ms)
        elif not files.has_hour(name):
            (self._copies / name).unlink(missing_ok=True)
            self._note_out_of_hours([camera])
            return False
        with (self._copies / name).open("rb") as stream:
            content = parse_content(data := stream.read())
            is_half = content is None or not is_whole(content.content_type, data)
            os.fsync(stream.fileno())  # the kill may have come before that
        with self._adding, self.books.writing() as db:
            shop = shops.find_rescued(db, camera, files.parse_shop(name))
            twin = (
                None
                if content is None or is_half
                else self._find_twin(db, camera, shop, content, stamp)
            )
            if content is None or is_half or (twin is not None and not twin.is_new):
                (self._copies / name).unlink(missing_ok=True)
            else:
                origin = Origin(camera, "rescued")
                self._insert_picture(
                    db, origin, content, stamp, None, file=name, track="", shop=shop, twin=twin
                )
                self.held_bytes += content.size
        return not is_half

    def _make_room(self, camera: str, size: int) -> None:
        """Remove copies of refused ones, oldest first; then new ones stay out, or the oldest unsent
        ones go."""
        while (
            self.held_bytes + size > self._limits.max_bytes
            or shutil.disk_usage(self.folder).free - size < self._limits.min_free_bytes
        ):
            if self._drop_copy(_REFUSED_COPY) is None and not self._drop_the_oldest(size):
                self._turn_away(camera)
                raise SpoolFull(
                    f"no room for a picture of {size} bytes: {self.held_bytes} of "
                    f"{self._limits.max_bytes} bytes are "
                    f"used, {shutil.disk_usage(self.folder).free} are free on the disk, of which "
                    f"{self._limits.min_free_bytes} stay free; it was not taken"
                )

    def _drop_the_oldest(self, size: int) -> bool:
        """Set the oldest unsent copy aside, unless all of them would not be enough: others may have
        filled the disk."""
        free = shutil.disk_usage(self.folder).free
        if (
            not self._limits.drops_oldest
            or self.held_bytes + free - size < self._limits.min_free_bytes
        ):
            return False
        camera = self._drop_copy(_OLDEST_UNSENT, "dropped unsent, to make room for newer ones")
        if camera is None:
            return False
        log.error(
            "%s: the oldest unsent picture was dropped: there is no room for new ones", camera
        )
        self.dropped.append((Dropped.SPOOL_FULL, camera))
        return True

    def _drop_copy(self, query: str, reason: str | None = None) -> str | None:
        """Remove the copy that `query` finds, and set its picture aside if there is a `reason`;
        return its camera."""
        with self.books.writing() as db:
            row = db.execute(query).fetchone()
            if row is None:
                return None
            row_id, name, size, camera = row
            db.execute("UPDATE pictures SET file = NULL WHERE id = ?", (row_id,))
            if reason is not None:
                db.execute(
                    "UPDATE pictures SET state = 2, finished_at_ms = ?, reason = ? WHERE id = ?",
                    (self.books.now_ms(), reason, row_id),
                )
                totals.add_count(db, f"turned_away:{camera}")
        (self._copies / name).unlink(missing_ok=True)
        self.held_bytes -= size
        return str(camera)

    def _turn_away(self, camera: str) -> None:
        # the caller says it anyway
        with suppress(SpoolFull), self.books.writing(durable=False) as db:
            totals.add_count(db, f"turned_away:{camera}")

    def _find_twin(
        self, db: sqlite3.Connection, camera: str, shop: str, content: Content, stamp: Stamp
    ) -> Taken | None:
        """Find the picture that these bytes are already: of shop and camera, at about the same time
        (SAME_TIME_MS).

        It is new once more if it was seen at the shop in another life of its book.
        """
        rows = db.execute(
            f"SELECT id, boot_id, boot_ms, wall_ms, captured_at_ms, {shops.SEEN_BEFORE} "
            "FROM pictures LEFT JOIN boots USING (boot) WHERE camera = ? AND sha256 = ? AND shop = "
            "?",
            (camera, content.sha256, shop),
        )
        for row_id, boot_id, boot_ms, wall_ms, captured_at_ms, was_seen_before in rows:
            if stamp.moment is None:
                apart_ms = (wall_ms if captured_at_ms is None else captured_at_ms) - (
                    stamp.stated_ms or 0
                )
            elif boot_id == stamp.moment.boot_id:
                apart_ms = boot_ms - stamp.moment.boot_ms
            elif boot_id is None or stamp.by == "file":
                apart_ms = wall_ms - stamp.moment.wall_ms
            else:
                # a wrong clock may say the same time in two boots, and no frame is of both
                continue
            if abs(apart_ms) <= (SAME_FILE_TIME_MS if stamp.by == "file" else SAME_TIME_MS):
                return Taken(row_id, bool(was_seen_before))
        return None

    def _insert_picture(
        self,
        db: sqlite3.Connection,
        origin: Origin,
        content: Content,
        stamp: Stamp,
        mark: FileMark | None,
        *,
        file: str,
        track: str,
        shop: str,
        twin: Taken | None,
        hours: Hours = ALWAYS,
    ) -> int:
        """Write a new picture's row, and return its id.

        A twin's row becomes it: that keeps its time of capture.
        """
        moment = stamp.moment
        if mark is not None:
            totals.add_count(db, f"time by {stamp.by}:{origin.camera}")
        row = {
            "camera": origin.camera,
            "source": origin.source,
            "sha256": content.sha256,
            "size": content.size,
            "content_type": content.content_type,
            "state": State.NEW,
            "boot": self.books.find_boot(db, moment.boot_id) if moment else None,
            "boot_ms": moment.boot_ms if moment else None,
            "wall_ms": moment.wall_ms if moment else stamp.stated_ms,
            "captured_at_ms": stamp.stated_ms,
            "file": file,
            "path": _encode_path(mark.path) if mark else None,
            "mtime_ns": mark.mtime_ns if mark else None,
            "spooled_at_ms": self.books.now_ms(),
            "track": track or None,
            "shop": shop,
            "hours": (moment and hours.write()) or None,
        }
        if twin is not None:
            sql = "SELECT id, captured_at_ms FROM pictures WHERE id = ?"
            row["id"], row["captured_at_ms"] = db.execute(sql, (twin.id,)).fetchone()
        cursor = db.execute(
            f"INSERT OR REPLACE INTO pictures ({', '.join(row)}) VALUES (:{', :'.join(row)})", row
        )
        return int(cursor.lastrowid or 0)

    def take_in(self, stop: threading.Event) -> None:
        """Give the copies rows that have none, until `stop`.

        Raises SpoolDamaged, SpoolFull: then call it again.
        """
        asides = sorted(self.folder.glob("damaged-*"))
        settled = database.read_settled_times(asides)
        taken_count = 0
        while self.strays and not stop.is_set():
            name = self.strays[-1]
            try:
                taken_count += self._adopt_copy(name, settled.get(name))
            except OSError as error:
                log.error("%s cannot be read: %s", name, error.strerror)
                self._unread += 1
            self.strays.pop()
        if taken_count or self._unread:
            log.warning(
                "%d pictures that were in no row were taken in again, %d cannot be",
                taken_count,
                self._unread,
            )
        if not (self.strays or self._unread):
            for aside in asides:
                # what cannot be removed now goes at the next start
                shutil.rmtree(aside, ignore_errors=True)

    def check_hours(self) -> None:
        """Delete the pictures that cannot be shown to be of their camera's hours, once the time is
        known (spool/hours.py).

        A copy goes before its row: what a kill or a power cut leaves is checked once more. Raises
        SpoolFull, SpoolDamaged.
        """
        if self.books.read_rows("SELECT 1 FROM pictures WHERE hours IS NOT NULL LIMIT 1"):
            with self._adding:
                self._delete_unless_inside()

    def _delete_unless_inside(self) -> None:
        with self.books.reading() as db:
            checked = capture_hours.check_pictures(db, self.books.boot)
        out = [picture for picture in checked if picture.is_out]
        held = [picture for picture in out if picture.file is not None]
        try:
            for picture in held:
                (self._copies / str(picture.file)).unlink(missing_ok=True)
            if held:
                files.sync_folder(self._copies)
        except OSError as error:
            raise SpoolFull(
                f"pictures from outside of their hours cannot be deleted: {error.strerror}"
            ) from error
        with self.books.writing(durable=False) as db:
            db.executemany("DELETE FROM pictures WHERE id = ?", [(each.id,) for each in out])
            inside = [(each.id,) for each in checked if not each.is_out]
            db.executemany("UPDATE pictures SET hours = NULL WHERE id = ?", inside)
        self.held_bytes -= sum(picture.size for picture in held)
        self._note_out_of_hours([picture.camera for picture in held])

    def _note_out_of_hours(self, cameras: Sequence[str]) -> None:
        self.dropped += [(Dropped.OUT_OF_HOURS, camera) for camera in cameras]
        for camera, number in Counter(cameras).items():
            log.warning("%s: pictures deleted unsent: %d; %s", camera, number, _OUT)

    def read_anchor(self) -> Anchor | None:
        """Return the anchor of this boot that an earlier process measured."""
        with self.books.reading() as db:
            return times.find_anchor(db, self.books.boot)

    def remember_anchor(self, anchor: Anchor | None) -> None:
        """Keep the anchor of this boot, if it is another than the one that is kept."""
        if anchor is not None and anchor != self.read_anchor():
            with self.books.writing() as db:
                times.remember_anchor(db, self.books.boot, anchor)

    def list_cameras(self) -> list[str]:
        """Name the cameras that have unsent pictures or counts."""
        rows = self.books.read_rows(
            "SELECT camera FROM pictures WHERE state = 0 UNION "
            "SELECT camera FROM counts WHERE life IS NULL"
        )
        return [camera for (camera,) in rows]

    def count_unsent(self) -> int:
        """Count the pictures that are unsent, of all cameras; cheap."""
        sql = "SELECT count(*) FROM pictures INDEXED BY unsent WHERE state = 0"
        ((count,),) = self.books.read_rows(sql)
        return int(count)

    def count_states(self, ids: Collection[int]) -> dict[int, int]:
        """Count these pictures by state.

        What was seen at the service in another life of its book counts as new.
        """
        sql = (
            f"SELECT iif({shops.SEEN_BEFORE}, 0, state), count(*) FROM pictures "
            "WHERE id IN (SELECT value FROM json_each(?)) GROUP BY 1"
        )
        return dict(self.books.read_rows(sql, (json.dumps([*ids]),)))

    def needs_time(self, camera: str) -> bool:
        """Tell whether pictures wait whose time of capture is not settled yet."""
        sql = (
            "SELECT 1 FROM pictures WHERE camera = ? AND state = 0 AND captured_at_ms IS NULL "
            f"AND {shops.OF_ITS_SHOP} LIMIT 1"
        )
        return bool(self.books.read_rows(sql, (camera,)))

    def list_next(
        self, camera: str, limit: int, max_bytes: float, *, skip: Collection[int] = ()
    ) -> list[Entry]:
        """Return unsent pictures with settled times, up to `limit` and `max_bytes`, but at least
        one.

        The oldest and the newest by turns: after an outage, who is there now is known at once, and
        the rest follows in order. All are for the shop that the camera is opened for. Until the
        service's time is known, this boot's pictures wait (`needs_time`). What is not of its
        camera's hours is deleted before.
        """
        self.check_hours()
        untimed_boot = self.books.boot if self.read_anchor() is None else -1  # no boot has -1

        def list_unsent(order: str) -> list[_Unsent]:
            rows = self.books.read_rows(
                "SELECT id, sha256, size, content_type, captured_at_ms, file, track, shop "
                "FROM pictures INDEXED BY unsent WHERE camera = ? AND state = 0 AND "
                f"{shops.OF_ITS_SHOP} "
                "AND hours IS NULL "
                f"AND (captured_at_ms IS NOT NULL OR boot IS NOT ?) ORDER BY id {order} LIMIT ?",
                (camera, untimed_boot, limit + len(skip)),
            )
            return [row for row in map(_Unsent._make, rows) if row.id not in skip][:limit]

        oldest = list_unsent("ASC")
        are_some_left = len(oldest) == limit > 1 or sum(row.size for row in oldest) > max_bytes
        rows = _take_turns(oldest, list_unsent("DESC"))[:limit] if are_some_left else oldest
        if unsettled := [row.id for row in rows if row.captured_at_ms is None]:
            # A power cut that takes this back leaves the anchor, by which the same times are worked
            # out once more.
            with self.books.writing(durable=False) as db:
                for row_id in unsettled:
                    times.settle_time(db, row_id, self.books.boot)
            return self.list_next(camera, limit, max_bytes, skip=skip)
        chosen: list[Entry] = []
        for row in rows:
            if chosen and sum(entry.content.size for entry in chosen) + row.size > max_bytes:
                break
            content = Content(row.sha256, row.size, row.content_type)
            chosen.append(
                Entry(
                    row.id, camera, content, row.captured_at_ms, row.file, row.track or "", row.shop
                )
            )
        return chosen

    def open_picture(self, entry: Entry) -> BufferedReader:
        """Read the picture's bytes.

        Raises FileNotFoundError if they are lost, OSError if they cannot be read now.
        """
        return (self._copies / entry.copy).open("rb")

    def record_done(self, camera: str, ids: Mapping[int, str], life: str | None = None) -> int:
        """Record in one transaction that these pictures are at the service, each by its id there;
        then remove their copies, which the next sweep notes. Return how many were not known to be
        there. `life`: in which it has them.

        A power cut may take it back: then the pictures are offered again, and the service has them.

        Raises Unreachable if the service answered for other pictures. An id at the service belongs
        to one picture here. No second picture has the same id, not even another camera's.
        """
        now_ms = self.books.now_ms()
        placeholders = ",".join("?" * len(ids))
        try:
            with self.books.writing(durable=False) as db:
                _require_no_other_camera(db, self._opened - {camera}, ids.values())
                rows = db.execute(
                    f"SELECT id, file, size FROM pictures WHERE id IN ({placeholders}) AND state = "
                    "0",
                    list(ids),
                ).fetchall()
                db.executemany(
                    "UPDATE pictures SET state = 1, finished_at_ms = ?, remote_id = ?, life = ? "
                    "WHERE id = ?",
                    [(now_ms, ids[row_id], life, row_id) for row_id, *_ in rows],
                )
                totals.add_count(db, f"sent:{camera}", len(rows))
        except sqlite3.IntegrityError as error:
            raise Unreachable("the service answered with the ids of other pictures") from error
        for _, name, size in rows:
            self.held_bytes -= size
            with suppress(OSError):
                (self._copies / name).unlink(missing_ok=True)
        if rows:
            files.load_ballast(self.folder)
        return len(rows)

    def refuse_picture(self, row_id: int, reason: str) -> None:
        """Quarantine a picture: it stays, with the reason, and is not offered again until a person
        releases it."""
        with self.books.writing() as db:
            db.execute(
                "UPDATE pictures SET state = 2, finished_at_ms = ?, reason = ? WHERE id = ? AND "
                "state = 0",
                (self.books.now_ms(), reason[:500], row_id),
            )

    def retry_refused(self, camera: str | None = None) -> int:
        """Offer what was refused once more, as far as its bytes are still there; return how many.

        Of one camera, or of all. Its age begins anew, else the next sweep would set it aside again.
        """
        with self.books.writing() as db:
            return db.execute(
                "UPDATE pictures SET state = 0, reason = NULL, finished_at_ms = NULL, "
                "spooled_at_ms = ? "
                "WHERE state = 2 AND file IS NOT NULL AND camera = coalesce(?, camera)",
                (self.books.now_ms(), camera),
            ).rowcount

    def sweep(self) -> None:
        """Apply the limits in days. Call it now and then."""
        now_ms = self.books.now_ms()
        old_ms = now_ms - self._limits.kept_days * _DAY_MS
        self._remove_left_over()
        while self._forget_done(now_ms) == _SWEPT_AT_ONCE:
            pass
        with self.books.writing() as db:
            times.note_age(db, self.clock)
            counts.drop_old(db, now_ms)
            films.drop_old(db, now_ms)
            old = "DELETE FROM pictures WHERE state > 0 AND finished_at_ms < ? RETURNING file, size"
            deleted = [row for row in db.execute(old, (old_ms,)) if row[0] is not None]
            expired = self._drop_expired(db, now_ms)
        for name, size in deleted:
            (self._copies / name).unlink(missing_ok=True)
            self.held_bytes -= size
        files.load_ballast(self.folder)
        if expired:
            log.error(
                "%d pictures could not be sent for %s days and were set aside",
                len(expired),
                self._limits.unsent_days,
            )
        self.dropped += [(Dropped.TOO_OLD, camera) for camera in expired]

    def _drop_expired(self, db: sqlite3.Connection, now_ms: int) -> list[str]:
        """Set aside what is too old; return the camera of each."""
        if self._limits.unsent_days is None:
            return []
        rows = db.execute(
            "UPDATE pictures SET state = 2, finished_at_ms = ?, reason = ? WHERE state = 0 AND "
            "spooled_at_ms < ? "
            "RETURNING camera",
            (
                now_ms,
                f"not sent within {self._limits.unsent_days} days",
                now_ms - round(self._limits.unsent_days * _DAY_MS),
            ),
        ).fetchall()
        return [camera for (camera,) in rows]

    def _remove_left_over(self) -> None:
        """Note that the copies of what is done are gone, and remove those that a kill or the disk
        has left."""
        left_over = self.books.read_rows(
            "SELECT id, file FROM pictures WHERE state = 1 AND file IS NOT NULL"
        )
        for _, name in left_over:
            with suppress(OSError):
                (self._copies / name).unlink(missing_ok=True)
        with self.books.writing(durable=False) as db:
            db.executemany(
                "UPDATE pictures SET file = NULL WHERE id = ?",
                [(row_id,) for row_id, _ in left_over],
            )

    def _forget_done(self, now_ms: int) -> int:
        """Delete rows of what is done and came of no file, which could come again; return how
        many."""
        with self.books.writing(durable=False) as db:
            return db.execute(
                "DELETE FROM pictures WHERE id IN (SELECT id FROM pictures INDEXED BY finished "
                "WHERE state > 0 "
                "AND state = 1 AND path IS NULL AND finished_at_ms NOT BETWEEN ? AND ? LIMIT ?)",
                (now_ms - _DONE_MS, now_ms + _DONE_MS, _SWEPT_AT_ONCE),
            ).rowcount

    def count_totals(self) -> dict[str, Totals]:
        """Count what is held, by camera."""
        with self.books.reading() as db:
            return totals.count_by_camera(db, self.books.now_ms())

    def is_noted(self, name: str) -> bool:
        """Tell whether `note_fact` was called with this name, ever."""
        with self.books.reading() as db:
            return totals.read_count(db, name) > 0

    def note_fact(self, name: str) -> None:
        """Remember a fact for good. Raises SpoolFull, SpoolDamaged."""
        if not self.is_noted(name):
            with self.books.writing() as db:
                totals.add_count(db, name)

    def find_book(self, url: str, key: str) -> tuple[str, str | None]:
        """Return the shop that a key opens at a URL, and its book's life, as far as they are known
        (shops.py)."""
        with self.books.reading() as db:
            return (shop := shops.find_shop(db, url, key)), shops.find_life(db, shop)

    def note_answer(self, url: str, key: str, header: str | None, *, opens: bool) -> None:
        """Note whose book has answered; `opens`: whether the service knows the key.

        Raises SpoolFull, SpoolDamaged.
        """
        with self.books.reading() as db:
            answerer = shops.find_answerer(db, url, key, header, opens=opens)
        if answerer != self.find_book(url, key):
            with self.books.writing() as db:
                shops.keep_answerer(db, url, key, *answerer)

    def open_camera(self, camera: str, url: str, key: str) -> None:
        """Let the camera be for the shop that the key opens. Raises SpoolFull, SpoolDamaged."""
        with self.books.writing() as db:
            shops.open_camera(db, camera, url, key)
        self._opened.add(camera)

    def list_waiting(self) -> list[Waiting]:
        """List what waits for other shops."""
        with self.books.reading() as db:
            return shops.list_waiting(db)

    def release_waiting(self, url: str) -> list[Waiting]:
        """Let what waits for shops at `url` be for those that the cameras are opened for next;
        return what that was."""
        with self.books.writing() as db:
            return shops.release_waiting(db, url)

    def add_counts(self, camera: str, part: MinutePart, hours: Hours = ALWAYS) -> None:
        """Keep what was counted in a part of a minute of this boot. Raises SpoolFull, SpoolDamaged.

        `hours`: when the camera may count.

        A kill leaves it there; a power cut takes at most what came since the last picture.
        """
        with self.books.writing(durable=False) as db:
            counts.add_part(db, camera, part, self.books, hours)

    def list_due_minutes(self, camera: str, service_ms: int) -> DueMinutes:
        """List the minutes to be reported to the camera's shop, at this time of the service.

        None of another shop is among them, and none of this boot until its time is known.
        """
        sql = "SELECT 1 FROM counts WHERE camera = ? AND at_ms IS NULL LIMIT 1"
        if self.books.read_rows(sql, (camera,)):
            with self.books.writing(durable=False) as db:
                deleted = counts.settle_times(db, camera, self.books.boot)
            if deleted:
                log.warning("%s: counted minutes deleted untold: %d; %s", camera, deleted, _OUT)
        with self.books.reading() as db:
            return counts.list_due(db, camera, service_ms)

    def note_told(self, camera: str, due: DueMinutes, life: str) -> None:
        """Record that these minutes were reported to a life of their shop's book."""
        with self.books.writing(durable=False) as db:
            counts.note_told(db, camera, due, life)

    def keep_film(self, camera: str, film: Film) -> None:
        """Keep a film, if it is to be the camera's of this week, and the disk has room to spare.

        Raises SpoolFull, SpoolDamaged.
        """
        if shutil.disk_usage(self.folder).free < self._limits.min_free_bytes:
            raise SpoolFull("a film without people takes no room that crossings may need")
        with self.books.writing(durable=False) as db:
            films.keep(db, camera, film, self.books)

    def find_film(
        self, camera: str, views: Collection[str], shop: str, service_ms: int
    ) -> Film | None:
        """Return the camera's film of one of these views if this shop may see it, at this time of
        the service."""
        with self.books.reading() as db:
            return films.find(db, camera, views, shop, service_ms)

    def drop_film(self, camera: str, at_ms: int) -> None:
        """Delete the camera's film of this minute. Raises SpoolFull, SpoolDamaged."""
        with self.books.writing() as db:
            films.drop_one(db, camera, at_ms)

    def drop_films_but_of(self, kept: Collection[tuple[str, str]]) -> None:
        """Delete all films but those of these cameras and their views. Raises SpoolFull,
        SpoolDamaged."""
        with self.books.writing() as db:
            films.drop_others(db, kept)

    def read_settings(self, camera: str) -> dict[str, object]:
        """Return the settings of the service that were kept last."""
        rows = self.books.read_rows("SELECT settings FROM settings WHERE camera = ?", (camera,))
        return dict(json.loads(rows[0][0])) if rows else {}

    def keep_settings(self, camera: str, settings: Mapping[str, object]) -> None:
        """Keep the service's settings over a restart. Raises SpoolFull, SpoolDamaged."""
        with self.books.writing() as db:
            db.execute(
                "INSERT OR REPLACE INTO settings VALUES (?, ?)",
                (camera, json.dumps(dict(settings))),
            )

    def read_view(self, source: str) -> str:
        """Return what a source usually shows, as it was kept last; "": nothing is kept."""
        rows = self.books.read_rows("SELECT memory FROM views WHERE source = ?", (source,))
        return str(rows[0][0]) if rows else ""

    def keep_view(self, source: str, memory: str) -> None:
        """Keep what a source usually shows over a restart. Raises SpoolFull, SpoolDamaged."""
        with self.books.writing(durable=False) as db:
            db.execute("INSERT OR REPLACE INTO views VALUES (?, ?)", (source, memory))


class _Unsent(NamedTuple):
    """A row of a picture that waits; `captured_at_ms`: None until it is known."""

    id: int
    sha256: bytes
    size: int
    content_type: str
    captured_at_ms: Any
    file: str
    track: str | None
    shop: str


def _require_no_other_camera(
    db: sqlite3.Connection, others: Collection[str], remote_ids: Collection[str]
) -> None:
    """Raise sqlite3.IntegrityError if one of the other cameras has a picture with one of these ids.

    A renamed camera may send its files once more. The service then names the ids that it gave the
    first time.
    """
    sql = (
        "SELECT 1 FROM cameras AS its CROSS JOIN pictures INDEXED BY by_remote "
        "ON pictures.camera = its.camera AND pictures.shop = its.shop "
        f"WHERE its.camera IN ({','.join('?' * len(others))}) "
        f"AND remote_id IN ({','.join('?' * len(remote_ids))})"
    )
    if others and remote_ids and db.execute(sql, [*others, *remote_ids]).fetchone():
        raise sqlite3.IntegrityError("another camera's picture")


def _take_turns(oldest: Sequence[_Unsent], newest: Sequence[_Unsent]) -> list[_Unsent]:
    """Return the oldest, the newest, the second oldest and so on, each once."""
    by_turns = (row for pair in zip(oldest, newest, strict=False) for row in pair)
    return list({row.id: row for row in by_turns}.values())


def _encode_path(path: Path) -> str:
    """Encode a path for SQLite.

    Names that are no UTF-8 come as surrogates, which SQLite cannot keep.
    """
    return str(path).encode("utf-8", "surrogateescape").decode("latin-1")


def read_view_beside(folder: Path, source: str) -> str:
    """Return what `Spool.keep_view` kept last in a folder, also while an uploader runs; "": nothing
    that can be read."""
    with suppress(sqlite3.Error), closing(database.open_for_reading(folder)) as db:
        rows = db.execute("SELECT memory FROM views WHERE source = ?", (source,)).fetchall()
        return str(rows[0][0]) if rows else ""
    return ""


@contextmanager
def open_spool(
    folder: Path, limits: Limits | None = None, clock: Clock | None = None
) -> Iterator[Spool]:
    """Hold the spool in `folder`, and open it. Damaged books are set aside, and new ones begun.

    `take_in` then gives the copies rows in the new books. Raises SpoolInUse, SpoolDamaged,
    SpoolFull.
    """
    limits, clock = limits or Limits(), clock or Clock()
    with files.hold_spool(folder):
        files.drop_ballast(folder, shutil.disk_usage(folder).free)
        try:
            spool = Spool(folder, limits, clock)
        except BooksDamaged as error:
            database.set_aside(folder, error)
            spool = Spool(folder, limits, clock)
        try:
            yield spool
        except BooksDamaged as error:
            spool.books.close()
            database.set_aside(folder, error)  # the next start finds an empty one
            raise
        finally:
            spool.books.close()
