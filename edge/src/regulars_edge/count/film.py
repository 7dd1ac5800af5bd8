"""Keeps a minute of film without people: boxes, squares in which something moved, and crossings.

By it a person at the service counts for himself, and compares. No pixel is in it: a square takes a
48th of the picture's width, and is on or off. So it shows also who moved and was not found. It
shows no face; but who was there, or knows who arrived then, may know whose box it is.

Each minute with crossings, of which the numbers are known, draws a number. Of a week's the one with
the smallest stays in the spool, so that each was as likely: quiet and crowded ones.
"""

from __future__ import annotations

import json
import logging
import random
from base64 import b64encode
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from PIL import Image, ImageChops, ImageFilter

from regulars_edge.count.people import SURE, Body
from regulars_edge.errors import SpoolDamaged, SpoolFull
from regulars_edge.picture import format_minute
from regulars_edge.spool.counts import LEAST_WATCHED, MINUTE_MS
from regulars_edge.spool.model import Film

if TYPE_CHECKING:
    from regulars_edge.choose.chooser import Background
    from regulars_edge.count.line import CountLine, Crossing

log = logging.getLogger(__name__)

GRID = (48, 27)
"""Squares across and down the picture."""
_MOVED = 0.2
"""Of a square's pixels: if so many have changed, something moved there. Noise is less."""
MOST_LOOKS, MOST_BODIES, MOST_BYTES = 400, 40, 150_000
"""Of a film, of a look in it, and of the film as JSON."""
_SETTLE_MS = 3_000
"""So long after a minute's end it is cut out: who was lost at the line has crossed by then."""
_MEMORY = 2_000
"""Looks, crossings and watched times that are held: a minute and a bit, of a camera that gives 25
pictures a second."""
_WALKED_MS, _SLICES = 300_000, 12
"""Feet are counted by five minutes; twelve of these are the last hour."""
LEAST_FEET, LEAST_CROSSINGS = 5, 10
"""In the last hour. In a square with fewer feet, and in all if fewer people crossed, none are told:
they would be the way of one person."""
_NEAR = 0.25
"""Of the picture: under a box that takes more of it, squares would be somebody's outline."""


@dataclass(eq=False)
class Look:
    """A picture as squares. `moved`: their bits; `bodies`: boxes as they are sent."""

    at_ms: int
    moved: bytes
    bodies: Sequence[list[int]] = ()


_CROSSED = -1
"""Beside the numbers of squares."""


@dataclass(eq=False)
class Feet:
    """Counts of feet in each square, of the last hour."""

    _slices: deque[tuple[int, Counter[int]]] = field(
        default_factory=lambda: deque(maxlen=_SLICES), init=False
    )
    """Feet by square, and by _CROSSED how many people crossed."""

    def note(self, bodies: Sequence[Body], size_px: tuple[int, int], at_ms: int) -> None:
        """Add the current positions of people."""
        self._find_slice(at_ms).update(_find_square(body, size_px) for body in bodies)

    def note_crossing(self, at_ms: int) -> None:
        self._find_slice(at_ms)[_CROSSED] += 1

    def _find_slice(self, at_ms: int) -> Counter[int]:
        number = at_ms // _WALKED_MS
        if not self._slices or self._slices[-1][0] < number:
            self._slices.append((number, Counter()))
        return self._slices[-1][1]

    def measure(self, at_ms: int) -> bytes:
        """Return a byte for each square, row by row: 255 is where feet stood most often until
        then. Too few people say nothing."""
        last_hour = [counts for at, counts in self._slices if at > at_ms // _WALKED_MS - _SLICES]
        sums: Counter[int] = sum(last_hour, Counter())
        is_told = sums.pop(_CROSSED, 0) >= LEAST_CROSSINGS
        feet = Counter({at: n for at, n in sums.items() if is_told and n >= LEAST_FEET})
        most = max(feet.values(), default=1)
        columns, rows = GRID
        return bytes(255 * feet[square] // most for square in range(columns * rows))


@dataclass(eq=False)
class FilmKeeper:
    """Keeper of one camera's film, used by the thread that counts. Times are the frames'.

    `find_offset_ms`: the service's time less that of the frames; None: it is not known yet.
    `is_overdue`: whether somebody has waited for long, and a minute without crossings will do.
    `find_shop`: the shop that the camera is for now. `keep`: keeps a film if it is the one of its
    week. `draw`: gives a number from 0 to 1. `view`: the mark of what is counted.

    A fault of it is said once, and ends no count: the film goes, and the next minute has one.
    """

    line: CountLine
    view: str
    keep: Callable[[Film], object]
    find_offset_ms: Callable[[], int | None]
    is_overdue: Callable[[], bool] = bool
    find_shop: Callable[[], str] = str
    draw: Callable[[], float] = random.random
    _has_said: bool = field(default=False, init=False)
    """Whether a fault was logged."""

    def __post_init__(self) -> None:
        self._forget()

    def _forget(self) -> None:
        """Begin anew: the minute that goes on is of no film."""
        self._feet = Feet()
        self._looks: deque[Look] = deque(maxlen=_MEMORY)
        self._crossings: deque[Crossing] = deque(maxlen=_MEMORY)
        self._watched: deque[tuple[int, int]] = deque(maxlen=_MEMORY)
        self._began_ms: int | None = None
        """When the minute that goes on began, by the service's time."""
        self._since_ms: int | None = None
        """The first picture, by the frames' time."""
        self._shop = self.find_shop()

    @contextmanager
    def _saying_faults(self) -> Iterator[None]:
        try:
            yield
        except SpoolDamaged:
            raise
        except Exception:
            if not self._has_said:
                log.exception("a film without people is dropped; the count goes on")
            self._has_said = True
            self._forget()

    def note_picture(self, grey: Image.Image, background: Background, at_ms: int) -> None:
        """Take in what has moved in a picture, which the background has measured."""
        with self._saying_faults():
            self._finish_minutes(at_ms)
            self._looks.append(Look(at_ms, find_squares(*background.mark_changes(grey))))

    def note_bodies(self, bodies: Sequence[Body], size_px: tuple[int, int], at_ms: int) -> None:
        """Take in who was found in the newest picture."""
        with self._saying_faults():
            sure = [body for body in bodies if body.score >= SURE]
            self._feet.note(sure, size_px, at_ms)
            surest = sorted(bodies, key=lambda body: -body.score)[:MOST_BODIES]
            look = self._looks[-1]
            look.bodies = [_write_body(body, size_px) for body in surest]
            look.moved = blank_near(
                look.moved, [_find_squares_of(body, size_px) for body in bodies]
            )

    def note_crossing(self, crossing: Crossing) -> None:
        with self._saying_faults():
            self._feet.note_crossing(crossing.at_ms)
            self._crossings.append(crossing)

    def note_watched(self, at_ms: int, watched_ms: int) -> None:
        with self._saying_faults():
            self._finish_minutes(at_ms)
            self._watched.append((at_ms, watched_ms))

    def _finish_minutes(self, at_ms: int) -> None:
        """Keep the film of the minute that is over, if it is to be kept; forget it here."""
        if self._shop != self.find_shop():
            self._forget()
        if self._since_ms is None:
            self._since_ms = at_ms
        offset_ms = self.find_offset_ms()
        if offset_ms is None:
            return
        began_ms = (at_ms - _SETTLE_MS + offset_ms) // MINUTE_MS * MINUTE_MS
        former_ms, self._began_ms = self._began_ms, began_ms
        if former_ms in (None, began_ms):
            return
        film = self._cut_film(former_ms, former_ms - offset_ms)
        for times in (self._looks, self._crossings):
            while times and times[0].at_ms < began_ms - offset_ms:
                times.popleft()
        while self._watched and self._watched[0][0] < began_ms - offset_ms:
            self._watched.popleft()
        if film is not None:
            with suppress(SpoolFull):  # another minute is as good
                self.keep(film)

    def _cut_film(self, at_ms: int, began_ms: int) -> Film | None:
        """Return the film of a minute; None if its numbers are not known, or nobody crossed.

        `at_ms`, `began_ms`: its begin by the service's time, and by the frames'.
        """
        if self._since_ms is None or began_ms < self._since_ms:
            return None
        minute = range(began_ms, began_ms + MINUTE_MS)
        watched_ms = sum(ms for until_ms, ms in self._watched if until_ms in minute)
        crossings = [crossing for crossing in self._crossings if crossing.at_ms in minute]
        if watched_ms < LEAST_WATCHED * MINUTE_MS or not (crossings or self.is_overdue()):
            return None
        ways = Counter(crossing.way for crossing in crossings)
        body = {
            "at": format_minute(at_ms),
            "seconds": min(60, round(watched_ms / 1000)),
            "in": ways["in"],
            "out": ways["out"],
            "line": [self.line.first, self.line.second],
            "grid": GRID,
            "looks": thin_looks([look for look in self._looks if look.at_ms in minute], began_ms),
            "crossings": [{"ms": one.at_ms - began_ms, "way": one.way} for one in crossings],
            "walked": b64encode(self._feet.measure(minute[-1])).decode(),
        }
        return Film(at_ms, self.view, self.draw(), write_json(body))


def find_squares(differs: Image.Image, moves: Image.Image) -> bytes:
    """Return the bits of the squares in which something moved: row by row, the most significant bit
    first.

    There much differs from the background, and much moves there or in a square beside it: of a
    large person only the edges do. Both are pictures of 255 and 0.
    """
    marks = [255 * (share >= 255 * _MOVED) for share in range(256)]
    other, moving = (
        picture.resize(GRID, Image.Resampling.BOX).point(marks) for picture in (differs, moves)
    )
    near = moving.filter(ImageFilter.MaxFilter(3))
    return ImageChops.darker(other, near).point([*range(256)], "1").tobytes()


def thin_looks(looks: Sequence[Look], began_ms: int) -> list[dict[str, Any]]:
    """Write looks so that they fit into a film: every second one, and so on, if they are too
    many."""
    told = [
        {
            "ms": look.at_ms - began_ms,
            "moved": b64encode(look.moved).decode(),
            "bodies": look.bodies,
        }
        for look in looks
    ]
    room_bytes = MOST_BYTES - 5_000  # for the rest of the film
    while len(told) > MOST_LOOKS or len(write_json(told)) > room_bytes:
        told = told[::2]
    return told


def blank_near(moved: bytes, boxes: Sequence[tuple[int, int, int, int]]) -> bytes:
    """Return the bits of the squares without those under a large box: these would be an outline.

    Boxes are left, top, right and bottom, in squares.
    """
    columns, rows = GRID
    picture = Image.frombytes("1", GRID, moved)
    for left, top, right, bottom in boxes:
        if (right - left) * (bottom - top) > _NEAR * columns * rows:
            picture.paste(0, (left, top, right, bottom))
    return picture.tobytes()


def write_json(value: object) -> str:
    """Write JSON as it is sent, without blanks."""
    return json.dumps(value, separators=(",", ":"))


def _write_body(body: Body, size_px: tuple[int, int]) -> list[int]:
    """Write a person's box, as far as it is in the picture, by whole squares, in thousandths of the
    picture; and 1 if it is sure. A finer box would tell somebody's height and gait."""
    columns, rows = GRID
    left, top, right, bottom = _find_squares_of(body, size_px)
    x, y = round(1000 * left / columns), round(1000 * top / rows)
    width, height = round(1000 * right / columns) - x, round(1000 * bottom / rows) - y
    return [x, y, width, height, int(body.score >= SURE)]


def _find_squares_of(body: Body, size_px: tuple[int, int]) -> tuple[int, int, int, int]:
    """Return left, top, right and bottom of a person's box, in squares."""
    x, y, width, height = body.box_xywh
    edges = (x, y, x + width, y + height)
    squares = [
        max(0, min(count, round(count * at_px / side_px)))
        for at_px, count, side_px in zip(edges, 2 * GRID, 2 * size_px, strict=True)
    ]
    left, top, right, bottom = squares
    return left, top, right, bottom


def _find_square(body: Body, size_px: tuple[int, int]) -> int:
    """Return the number of the square, row by row, in which a person's feet are."""
    x, y, width, height = body.box_xywh
    column, row = (
        max(0, min(count - 1, int(count * at_px / side_px)))
        for count, at_px, side_px in zip(GRID, (x + width / 2, y + height), size_px, strict=True)
    )
    return row * GRID[0] + column
