"""Pictures in a spool, each of its own content."""

from __future__ import annotations

from typing import Any

from regulars_edge.picture import Content, content_of
from regulars_edge.spool.model import Origin, Stamp, Taken
from regulars_edge.spool.spool import Spool

from rig import pictures

DOOR = Origin("door", "test")
STATED_MS = 1_700_000_000_000


def content(number: int, size: int = 1200) -> tuple[bytes, Content]:
    data = pictures.jpeg(number, size)
    found = content_of(data)
    assert found is not None
    return data, found


def add(
    spool: Spool, number: int, stamp: Stamp | None = None, origin: Origin = DOOR, *, size: int = 1200, **more: Any
) -> Taken:
    """Take a picture in; without a stamp, it says itself when it was taken."""
    return spool.intake.add(origin, *content(number, size), stamp or Stamp(stated_ms=STATED_MS + number), **more)
