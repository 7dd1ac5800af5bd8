"""The contents of the spool."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from regulars_edge.clock import Moment
from regulars_edge.picture import Content, TimeBy


def name_shop(url: str, key: str = "") -> str:
    """Name a shop whose book is not known: by its URL and API key, or by the URL alone."""
    return "~" + hashlib.sha256(f"{url}\0{key}".encode()).hexdigest()[:15]


class State(IntEnum):
    """State of a picture: new -> done (it is at the service) or refused.

    SQL has the numbers, since SQLite takes a partial index only for a number that stands in the
    query.
    """

    NEW = 0
    DONE = 1
    REFUSED = 2


@dataclass(frozen=True)
class Stamp:
    """A picture's time: by a clock of this machine (`moment`), or a stated one (`stated_ms`).

    A stated time (EXIF, a file's own, a position in a video) is never corrected. The time of a
    moment is worked out when the picture is first offered, since only then the service's clock is
    known for sure.
    """

    moment: Moment | None = None
    stated_ms: int | None = None
    by: TimeBy = "clock"
    """What says so. A file's own time says when the file was written, which copying does again."""


class Memory(NamedTuple):
    """The memory of a part: `keep` keeps a text for the next process; `text`: what the one before
    kept, "" if it kept nothing."""

    keep: Callable[[str], object] = str
    text: str = ""


@dataclass(frozen=True)
class Origin:
    """The origin of a picture: the camera at the service, and the source here that keeps its times
    in order."""

    camera: str
    source: str


@dataclass(frozen=True)
class FileMark:
    """A file as it was when it was read; the same mark is the same content."""

    path: Path
    size: int
    mtime_ns: int


@dataclass(frozen=True)
class Entry:
    """A picture that is not yet done. `copy` names its copy in the spool."""

    id: int
    camera: str
    content: Content
    captured_at_ms: int
    copy: str
    track: str = ""
    shop: str = ""
    """Whom it is for (spool/shops.py)."""


@dataclass(frozen=True)
class MinutePart:
    """Sums of a minute of a camera, or of a part of it.

    `began_ms`: the minute's begin by the boot clock; `lost`: the time of which nothing can be said,
    in ms by reason (count/doubt.py).
    """

    began_ms: int
    watched_ms: int = 0
    came_in: int = 0
    went_out: int = 0
    faces: int = 0
    lost: Mapping[str, int] = field(default_factory=dict)

    def add(
        self,
        *,
        watched_ms: int = 0,
        came_in: int = 0,
        went_out: int = 0,
        faces: int = 0,
        lost: Mapping[str, int] = MappingProxyType({}),
    ) -> MinutePart:
        return MinutePart(
            self.began_ms,
            self.watched_ms + watched_ms,
            self.came_in + came_in,
            self.went_out + went_out,
            self.faces + faces,
            dict(Counter(self.lost) + Counter(lost)),
        )


@dataclass(frozen=True)
class Minute:
    """A camera's minute as it is reported: people and faces are None if it cannot be trusted.

    `at_ms`: its begin, in ms since 1970; `doubt`: why it is not to be trusted; "": it is, or nobody
    watched. `sure_in`, `sure_out`: of one that is not, at least so many crossed.
    """

    at_ms: int
    seconds: int
    came_in: int | None
    went_out: int | None
    faces: int | None
    doubt: str = ""
    sure_in: int = 0
    sure_out: int = 0


@dataclass(frozen=True)
class DueMinutes:
    """Minutes of one camera and shop to be reported; `last_row`: what is newer than this row of the
    spool is not in them."""

    minutes: tuple[Minute, ...]
    shop: str
    last_row: int


@dataclass(frozen=True)
class Film:
    """A minute of a camera's count without people (count/film.py). `body`: JSON, as it is sent.

    `at_ms`: its begin, by the service's time; `view`: the mark of camera, masks and line
    (CameraConfig.count_view); `lot`: the number that it drew, from 0 to 1.
    """

    at_ms: int
    view: str
    lot: float
    body: str


@dataclass(frozen=True)
class Taken:
    """The fate of a picture that was handed to the spool."""

    id: int
    is_new: bool


@dataclass(frozen=True)
class Waiting:
    """A camera's unsent pictures and untold minutes that are for another shop than the one that the
    camera is for now.

    `came_in` and `went_out` are the sums of these minutes, doubted ones too.
    """

    camera: str
    pictures: int
    minutes: int
    came_in: int
    went_out: int
    shop: str
    url: str | None

    def __str__(self) -> str:
        amounts = []
        if self.pictures:
            amounts.append(f"{self.pictures} picture{'' if self.pictures == 1 else 's'}")
        if self.minutes:
            minutes = f"{self.minutes} counted minute{'' if self.minutes == 1 else 's'}"
            amounts.append(f"{minutes} ({self.came_in} in, {self.went_out} out)")
        wait = "waits" if self.pictures + self.minutes == 1 else "wait"
        where = self.url or "a URL that is not known"
        return f"{' and '.join(amounts)} {wait} for another shop at {where}"


@dataclass(frozen=True)
class Limits:
    """`max_bytes` of copies in the spool; `min_free_bytes` of the disk stay free, for the spool's
    own books.

    If there is no room, new pictures are turned away, or with `drops_oldest` the oldest unsent ones
    go.
    """

    max_bytes: int = 8 * 2**30
    min_free_bytes: int = 128 * 2**20
    drops_oldest: bool = False
    unsent_days: float | None = None
    """Older unsent pictures are set aside as refused; None: never."""
    kept_days: float = 30.0
    """How long rows of done and refused pictures are kept."""
