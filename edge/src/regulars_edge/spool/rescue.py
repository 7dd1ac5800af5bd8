"""A spool whose books are damaged is set aside whole, and goes once all its pictures are taken in again."""

from __future__ import annotations

import logging
import shutil
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import closing, suppress
from pathlib import Path

from regulars_edge.errors import SpoolFull
from regulars_edge.picture import content_of
from regulars_edge.spool import files, schema
from regulars_edge.spool.files import PICTURES
from regulars_edge.spool.intake import Intake
from regulars_edge.spool.model import Origin, Stamp

log = logging.getLogger(__name__)

_FULL_WAIT_S = 10.0


def set_aside(folder: Path, why: str, paths: Iterable[Path] = ()) -> None:
    """Move paths of the spool, or else books and copies, into a folder of their own; `why`: what they are, in words.

    Raises SpoolFull if the disk refuses.
    """
    aside = folder / f"damaged-{time.time_ns()}"
    try:
        aside.mkdir(mode=0o700)
        for path in paths or [folder / name for name in (PICTURES, *schema.FILES)]:
            place = aside / path.relative_to(folder)
            place.parent.mkdir(exist_ok=True)
            with suppress(FileNotFoundError):
                path.rename(place)
    except OSError as error:
        raise SpoolFull(f"pictures of the spool {folder} cannot be set aside: {error.strerror}") from error
    log.error("%s: they are in %s, and the pictures are taken in again", why, aside)


def take_in(folder: Path, intake: Intake, stop: threading.Event) -> None:
    """Take the pictures of all that was set aside into the spool, until `stop`. Raises SpoolDamaged."""
    for aside in sorted(folder.glob("damaged-*")):
        settled = _settled(aside)
        taken = left = 0
        for path in _copies(aside):
            if _take(path, settled, intake, stop):
                path.unlink()
                taken += 1
            else:
                left += 1
            if stop.is_set():
                return
        if taken or left:
            log.warning("%d pictures of %s were taken in again, %d cannot be", taken, aside, left)
        if not left:
            shutil.rmtree(aside, ignore_errors=True)  # what cannot be removed now goes at the next start


def _take(path: Path, settled: dict[str, int], intake: Intake, stop: threading.Event) -> bool:
    try:
        data = path.read_bytes()
    except OSError as error:
        log.error("%s cannot be read: %s", path, error.strerror)
        return False
    said, content = files.read_name(path.name), content_of(data)
    if said is None or content is None:
        return False
    camera, stamp = said
    if path.name in settled:
        stamp = Stamp(stated_ms=settled[path.name])
    while not stop.is_set():
        try:
            intake.add(Origin(camera, "rescued"), data, content, stamp)
            return True
        except SpoolFull as error:
            log.error("%s", error)
            stop.wait(_FULL_WAIT_S)
    return False


def _copies(aside: Path) -> Iterator[Path]:
    """All copies, in the order in which they were taken, as far as their names say it."""

    def at_ms(path: Path) -> int:
        said = files.read_name(path.name)
        return 0 if said is None else said[1].moment.wall_ms if said[1].moment else said[1].stated_ms or 0

    return iter(sorted((aside / PICTURES).rglob("*.???"), key=at_ms))


def _settled(aside: Path) -> dict[str, int]:
    """Read what the books still say of times that the service may have heard: with another, a picture came twice."""
    found: dict[str, int] = {}
    sql = "SELECT file, captured_at_ms FROM pictures NOT INDEXED WHERE file IS NOT NULL AND captured_at_ms IS NOT NULL"
    with suppress(sqlite3.Error), closing(schema.opened_for_reading(aside)) as db:
        for name, at_ms in db.execute(sql):
            if isinstance(name, str) and isinstance(at_ms, int):
                found[name] = at_ms
    return found
