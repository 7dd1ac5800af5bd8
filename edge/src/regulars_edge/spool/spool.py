"""The spool, opened."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from regulars_edge.clock import Clock, SystemClock
from regulars_edge.errors import SpoolFull
from regulars_edge.spool import lock, totals
from regulars_edge.spool.books import Books
from regulars_edge.spool.files import Files
from regulars_edge.spool.intake import Intake
from regulars_edge.spool.model import Limits
from regulars_edge.spool.outbox import Outbox
from regulars_edge.spool.totals import Totals


@dataclass(frozen=True)
class Spool:
    """One way in, one way out, both on the same books."""

    folder: Path
    clock: Clock
    books: Books
    intake: Intake
    outbox: Outbox

    def totals(self) -> dict[str, Totals]:
        """By camera."""
        with self.books.reading() as db:
            now_ms = self.clock.wall_ms()
            return {camera: totals.of_camera(db, camera, now_ms) for camera in totals.cameras(db)}

    def new_run(self) -> int:
        """Return a number for an upload run that no other has."""
        with self.books.writing() as db:
            totals.count(db, "runs")
            return totals.counted(db, "runs")


@contextmanager
def opened(folder: Path, limits: Limits | None = None, clock: Clock | None = None) -> Iterator[Spool]:
    """Hold and open the spool; what a kill left half done is put in order.

    Raises SpoolInUse, SpoolDamaged, SpoolFull, Misconfigured.
    """
    limits, clock = limits or Limits(), clock or SystemClock()
    with lock.held(folder):
        try:
            files = Files(folder)
        except OSError as error:
            raise SpoolFull(f"the spool {folder} cannot be written: {error.strerror}") from error
        books = Books(folder, clock)
        try:
            files.tidy(lambda name: _has_row(books, name))
            intake = Intake(books, files, folder, limits)
            outbox = Outbox(books, files, intake, limits)
            outbox.sweep()
            yield Spool(folder, clock, books, intake, outbox)
        finally:
            books.close()


def _has_row(books: Books, name: str) -> bool:
    with books.reading() as db:
        return db.execute("SELECT 1 FROM pictures WHERE file = ?", (name,)).fetchone() is not None
