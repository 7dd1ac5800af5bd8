"""Pictures in a spool, each of its own content."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from regulars_edge.capture import Capture, Wiring
from regulars_edge.choose.chooser import Chooser, Everything
from regulars_edge.config import CameraConfig
from regulars_edge.count.counter import Counter
from regulars_edge.logs import Tally
from regulars_edge.pace import PerMinute
from regulars_edge.picture import Content, parse_content
from regulars_edge.sources.source import Source
from regulars_edge.spool.model import Origin, Stamp, Taken
from regulars_edge.spool.spool import Spool

from rig import pictures

DOOR = Origin("door", "test")
STATED_MS = 1_700_000_000_000


def content(number: int, size: int = 1200) -> tuple[bytes, Content]:
    data = pictures.jpeg(number, size)
    found = parse_content(data)
    assert found is not None
    return data, found


def add(
    spool: Spool,
    number: int,
    stamp: Stamp | None = None,
    origin: Origin = DOOR,
    *,
    size: int = 1200,
    **more: Any,
) -> Taken:
    """Take a picture in; without a stamp, it says itself when it was taken."""
    return spool.add_picture(
        origin, *content(number, size), stamp or Stamp(stated_ms=STATED_MS + number), **more
    )


def capture_of(
    spool: Spool,
    source: Source,
    chooser: Chooser | None = None,
    per_minute: PerMinute | None = None,
    is_open: Callable[[], bool] = lambda: True,
    *,
    camera: str = "door",
    waits: bool = False,
    dropped: Tally | None = None,
    counter: Counter | None = None,
) -> Capture:
    """Let a source's pictures be taken: all of them, at all hours, if nothing else is said."""
    wiring = Wiring(
        source, chooser or Everything(), per_minute or PerMinute(None), is_open, counter
    )
    config = CameraConfig(camera, "folder" if waits else "snapshot")
    return Capture(config, lambda _: wiring, spool, dropped or Tally(camera))


def copies(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*.jpg") if path.is_file()]
