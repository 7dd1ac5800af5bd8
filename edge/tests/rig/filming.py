"""Films without people: of drawn people, and such as lie in a spool."""

import json
from base64 import b64encode
from itertools import count
from typing import Any

from regulars_edge.config import CameraConfig
from regulars_edge.count.film import FilmKeeper
from regulars_edge.count.minutes import SpooledMinutes
from regulars_edge.picture import format_minute
from regulars_edge.spool.counts import MINUTE_MS
from regulars_edge.spool.films import WEEK_MS
from regulars_edge.spool.model import Film, MinutePart

from rig.clock import BOOTED_MS
from rig.counting import Door
from rig.standin import find_fault_of_film
from rig.walkers import ACROSS, Walk

OFFSET_MS = 1_790_000_000_000 - 1_790_000_000_000 % MINUTE_MS
"""The service's time at 0 of the frames."""
SETTLED_S = 4
"""So long after a minute it is cut out."""
WEEK_BEGAN_MS = (BOOTED_MS // WEEK_MS + 1) * WEEK_MS
GRID_BYTES = 48 * 27
CAMERA = CameraConfig("door", "snapshot", count=ACROSS)
VIEW = CAMERA.count_view or ""


def film(at_ms: int, lot: float = 0.5, view: str = VIEW) -> Film:
    """Make a film of the minute that holds this time, in which nothing moved."""
    at_ms -= at_ms % MINUTE_MS
    moved = b64encode(bytes(GRID_BYTES // 8)).decode()
    body = {
        "at": format_minute(at_ms),
        "seconds": 60,
        "in": 1,
        "out": 0,
        "line": [[0.0, 0.5], [1.0, 0.5]],
        "grid": [48, 27],
        "looks": [{"ms": 200 * number, "moved": moved, "bodies": []} for number in range(300)],
        "crossings": [{"ms": 1_000, "way": "in"}],
        "walked": b64encode(bytes(GRID_BYTES)).decode(),
    }
    return Film(at_ms, view, lot, json.dumps(body))


class Filming:
    """A door that keeps each film, whichever draw it had; and the minutes as they are told."""

    def __init__(self, *, offset_ms: int | None = OFFSET_MS, is_overdue: bool = False) -> None:
        self.films, self.parts = list[Film](), list[MinutePart]()
        self.shop = "ours"
        keeper = FilmKeeper(
            ACROSS,
            VIEW,
            self.films.append,
            lambda: offset_ms,
            lambda: is_overdue,
            lambda: self.shop,
            count(0.25).__next__,
        )
        minutes = SpooledMinutes(self.parts.append, lambda: OFFSET_MS, keeper)
        self.door = Door(minutes, film=keeper)

    def show(self, walks: list[Walk], seconds: float = 60 + SETTLED_S, **more: float) -> None:
        self.door.show(walks, seconds, **more)  # type: ignore[arg-type]
        self.door.minutes.flush()

    def read(self) -> list[dict[str, Any]]:
        """Return the films, each of which is as the service takes it."""
        read = [json.loads(film.body) for film in self.films]
        for film, body in zip(self.films, read, strict=True):
            assert find_fault_of_film(film.body.encode(), body) is None
        return read

    def sum_minute(self, number: int) -> tuple[int, int, int]:
        """Return how many came in and went out in a minute, and its watched seconds, as told."""
        parts = [part for part in self.parts if part.began_ms == number * MINUTE_MS]
        watched_ms = sum(part.watched_ms for part in parts)
        came_in, went_out = (
            sum(part.came_in for part in parts),
            sum(part.went_out for part in parts),
        )
        return came_in, went_out, round(watched_ms / 1000)
