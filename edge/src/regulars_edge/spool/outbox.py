"""Getting pictures out of the spool: what to offer next, and what became of it."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Collection, Mapping
from contextlib import suppress
from io import BufferedReader
from typing import Any

from regulars_edge.clock import Anchor
from regulars_edge.errors import Unreachable
from regulars_edge.picture import Content
from regulars_edge.spool import times, totals
from regulars_edge.spool.database import SpoolDatabase, load_ballast
from regulars_edge.spool.files import Files
from regulars_edge.spool.intake import Intake
from regulars_edge.spool.model import Entry, Limits

log = logging.getLogger(__name__)

_DAY_MS = 86_400_000
_DONE_MS = 3_600_000
"""How long rows of what is done are kept if no file can come again: for `status`, and for what came twice."""
_SWEPT_AT_ONCE = 10_000
_ENTRY = "id, camera, sha256, size, content_type, captured_at_ms, file, track"


class Outbox:
    def __init__(self, books: SpoolDatabase, files: Files, intake: Intake, limits: Limits) -> None:
        self._books = books
        self._files = files
        self._intake = intake
        self._limits = limits
        self.expired: list[str] = []
        """The camera of each picture that was set aside since it could not be sent for too long; to be taken out."""

    def anchor(self) -> Anchor | None:
        """Return the anchor of this boot that an earlier process measured."""
        with self._books.reading() as db:
            return times.remembered(db, self._books.boot)

    def remember(self, anchor: Anchor | None) -> None:
        """Keep the anchor of this boot, if it is another than the one that is kept."""
        if anchor is not None and anchor != self.anchor():
            with self._books.writing() as db:
                times.remember(db, self._books.boot, anchor)

    def cameras(self) -> list[str]:
        """Those that have unsent pictures."""
        rows = self._books.rows("SELECT DISTINCT camera FROM pictures WHERE state = 0")
        return [camera for (camera,) in rows]

    def unsent(self) -> int:
        """Count the pictures that are unsent, of all cameras; cheap."""
        sql = "SELECT count(*) FROM pictures INDEXED BY unsent WHERE state = 0"
        ((count,),) = self._books.rows(sql)
        return int(count)

    def needs_time(self, camera: str) -> bool:
        """Tell whether pictures wait whose time of capture is not settled yet."""
        sql = "SELECT 1 FROM pictures WHERE camera = ? AND state = 0 AND captured_at_ms IS NULL LIMIT 1"
        return bool(self._books.rows(sql, (camera,)))

    def next(self, camera: str, limit: int, max_bytes: int, *, skip: Collection[int] = ()) -> list[Entry]:
        """Return unsent pictures with settled times, up to `limit` and `max_bytes`, but at least one.

        The oldest and the newest by turns: after an outage, who is there now is known at once, and the rest follows in
        order. Until the service's time is known, this boot's pictures wait (`needs_time`).
        """
        untimed = self._books.boot if self.anchor() is None else -1

        def found(order: str) -> list[tuple[Any, ...]]:
            rows = self._books.rows(
                f"SELECT {_ENTRY} FROM pictures INDEXED BY unsent WHERE camera = ? AND state = 0 "
                f"AND (captured_at_ms IS NOT NULL OR boot IS NOT ?) ORDER BY id {order} LIMIT ?",
                (camera, untimed, limit + len(skip)),
            )
            return [row for row in rows if row[0] not in skip][:limit]

        rows = found("ASC")
        if len(rows) == limit > 1:
            by_turns = (row for pair in zip(rows, found("DESC"), strict=False) for row in pair)
            rows = list({row[0]: row for row in by_turns}.values())[:limit]
        if unsettled := [row[0] for row in rows if row[5] is None]:
            # A power cut that takes this back leaves the anchor, by which the same times are worked out once more.
            with self._books.writing(durable=False) as db:
                for row_id in unsettled:
                    times.settle(db, row_id, self._books.boot)
            return self.next(camera, limit, max_bytes, skip=skip)
        chosen: list[Entry] = []
        for row in rows:
            if chosen and sum(entry.content.size for entry in chosen) + row[3] > max_bytes:
                break
            chosen.append(self._entry(row))
        return chosen

    def opened(self, entry: Entry) -> BufferedReader:
        """Read the picture's bytes. Raises FileNotFoundError if they are lost, OSError if they cannot be read now."""
        return self._files.open(entry.copy)

    def record(self, camera: str, ids: Mapping[int, str]) -> int:
        """Record in one transaction that these pictures are at the service, each by its id there; then remove their
        copies, which the next sweep notes. Return how many were not known to be there.

        A power cut may take it back: then the pictures are offered again, and the service has them.

        Raises Unreachable if it spoke of other pictures: an id there belongs to one picture here.
        """
        now_ms = self._books.now_ms()
        marks = ",".join("?" * len(ids))
        try:
            with self._books.writing(durable=False) as db:
                rows = db.execute(
                    f"SELECT id, file, size FROM pictures WHERE id IN ({marks}) AND state = 0", list(ids)
                ).fetchall()
                db.executemany(
                    "UPDATE pictures SET state = 1, finished_at_ms = ?, remote_id = ? WHERE id = ?",
                    [(now_ms, ids[row_id], row_id) for row_id, *_ in rows],
                )
                totals.count(db, f"sent:{camera}", len(rows))
        except sqlite3.IntegrityError as error:
            raise Unreachable("the service answered with the ids of other pictures") from error
        for _, name, size in rows:
            self._intake.freed(size)
            with suppress(OSError):
                self._files.remove(name)
        if rows:
            load_ballast(self._books.folder)
        return len(rows)

    def refuse(self, row_id: int, reason: str) -> None:
        """Quarantine: the picture stays, with the reason, and is not offered again until somebody says so."""
        with self._books.writing() as db:
            db.execute(
                "UPDATE pictures SET state = 2, finished_at_ms = ?, reason = ? WHERE id = ? AND state = 0",
                (self._books.now_ms(), reason[:500], row_id),
            )

    def retry_refused(self, camera: str | None = None) -> int:
        """Offer what was refused once more, as far as its bytes are still there; return how many.

        Of one camera, or of all. Its age begins anew, else the next sweep would set it aside again.
        """
        with self._books.writing() as db:
            return db.execute(
                "UPDATE pictures SET state = 0, reason = NULL, finished_at_ms = NULL, spooled_at_ms = ? "
                "WHERE state = 2 AND file IS NOT NULL AND camera = coalesce(?, camera)",
                (self._books.now_ms(), camera),
            ).rowcount

    def sweep(self) -> None:
        """Apply the limits in days. Call it now and then."""
        now_ms = self._books.now_ms()
        old_ms = now_ms - round(self._limits.kept_days * _DAY_MS)
        self._remove_left_over()
        while self._forget_done(now_ms) == _SWEPT_AT_ONCE:
            pass
        gone = self._books.rows(
            "SELECT file, size FROM pictures WHERE state > 0 AND state = 2 AND finished_at_ms < ? AND file IS NOT NULL",
            (old_ms,),
        )
        with self._books.writing() as db:
            times.note(db, self._books.clock)
            db.execute("DELETE FROM pictures WHERE state > 0 AND finished_at_ms < ?", (old_ms,))
            expired = self._expire(db, now_ms)
        for name, size in gone:
            self._files.remove(name)
            self._intake.freed(size)
        load_ballast(self._books.folder)
        if expired:
            log.error(
                "%d pictures could not be sent for %s days and were set aside", len(expired), self._limits.unsent_days
            )
        self.expired += expired

    def _expire(self, db: sqlite3.Connection, now_ms: int) -> list[str]:
        """Set aside what is too old; return the camera of each."""
        if self._limits.unsent_days is None:
            return []
        rows = db.execute(
            "UPDATE pictures SET state = 2, finished_at_ms = ?, reason = ? WHERE state = 0 AND spooled_at_ms < ? "
            "RETURNING camera",
            (
                now_ms,
                f"not sent within {self._limits.unsent_days} days",
                now_ms - round(self._limits.unsent_days * _DAY_MS),
            ),
        ).fetchall()
        return [camera for (camera,) in rows]

    def _remove_left_over(self) -> None:
        """Note that the copies of what is done are gone, and remove those that a kill or the disk has left."""
        left = self._books.rows("SELECT id, file FROM pictures WHERE state = 1 AND file IS NOT NULL")
        for _, name in left:
            with suppress(OSError):
                self._files.remove(name)
        with self._books.writing(durable=False) as db:
            db.executemany("UPDATE pictures SET file = NULL WHERE id = ?", [(row_id,) for row_id, _ in left])

    def _forget_done(self, now_ms: int) -> int:
        """Delete rows of what is done and came of no file, which could come again; return how many."""
        with self._books.writing(durable=False) as db:
            return db.execute(
                "DELETE FROM pictures WHERE id IN (SELECT id FROM pictures INDEXED BY finished WHERE state > 0 "
                "AND state = 1 AND path IS NULL AND finished_at_ms NOT BETWEEN ? AND ? LIMIT ?)",
                (now_ms - _DONE_MS, now_ms + _DONE_MS, _SWEPT_AT_ONCE),
            ).rowcount

    def _entry(self, row: tuple[Any, ...]) -> Entry:
        row_id, camera, sha256, size, kind, at_ms, file, track = row
        return Entry(
            id=row_id,
            camera=camera,
            content=Content(sha256, size, kind),
            captured_at_ms=at_ms,
            copy=file,
            track=track or "",
        )
