"""The line that people cross, and the one side to the other that counts.

Somebody comes in who goes from the left of the line to its right, as seen from its first point
towards its second: of a line drawn from left to right, in is downwards in the picture.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

Way = Literal["in", "out"]
WAYS: tuple[Way, ...] = ("in", "out")
Point = tuple[float, float]

LOOK_S = 0.2
"""Between two looks at the line: somebody walks half a person's width in it."""
LEAST_LENGTH = 0.05
"""Of a line, in shares of the picture."""
LEAST_ROOM = 0.1
"""Between the line's middle and the picture's edge, on both sides, in shares of the picture: what
the smallest person that is found takes."""


class Crossing(NamedTuple):
    """A person's crossing of the line. `at_ms`: by the frames' time."""

    at_ms: int
    way: Way
    has_face: bool


@dataclass(frozen=True)
class CountLine:
    """A line between two points, in shares of the upright picture's width and height."""

    first: Point
    second: Point

    def place_in(self, size_px: tuple[int, int]) -> PlacedLine:
        """Return the line in a picture of so many pixels."""
        width, height = size_px
        x1, y1 = self.first
        x2, y2 = self.second
        return PlacedLine((x1 * width, y1 * height), (x2 * width, y2 * height))

    def measure_room(self) -> float:
        """Return how far the line's middle is from the picture's edge, across the line, on the
        side that has less room; in shares of the picture."""
        (x1, y1), (x2, y2) = self.first, self.second
        length = math.hypot(x2 - x1, y2 - y1)
        across = (y1 - y2) / length, (x2 - x1) / length
        middle = (x1 + x2) / 2, (y1 + y2) / 2
        return min(_measure_way(middle, across), _measure_way(middle, (-across[0], -across[1])))


def _measure_way(place: Point, direction: Point) -> float:
    """Return how far it is from a place to the picture's edge in a direction of length 1."""
    ways = [
        ((1.0 if step > 0 else 0.0) - at) / step
        for at, step in zip(place, direction, strict=True)
        if abs(step) > 1e-9  # else it goes along that edge
    ]
    return max(0.0, min(ways))


@dataclass(frozen=True)
class PlacedLine:
    """A line in pixels."""

    first: Point
    second: Point

    def measure(self, place: Point) -> tuple[float, float]:
        """Return how far along the line a place is, 0 to 1 between its points; and how far it is
        to the right of the line, in pixels."""
        (x1, y1), (x2, y2) = self.first, self.second
        dx, dy = x2 - x1, y2 - y1
        length = math.hypot(dx, dy)
        x, y = place[0] - x1, place[1] - y1
        return (x * dx + y * dy) / length**2, (dx * y - dy * x) / length

    def step_aside(self, place: Point, by_px: float) -> Point:
        """Return the place that lies so far to the right of another one, across the line."""
        (x1, y1), (x2, y2) = self.first, self.second
        share = by_px / math.hypot(x2 - x1, y2 - y1)
        return place[0] - share * (y2 - y1), place[1] + share * (x2 - x1)

    def measure_extent(self, width: float, height: float) -> float:
        """Return how much of the way across the line a box takes, in pixels."""
        (x1, y1), (x2, y2) = self.first, self.second
        length = math.hypot(x2 - x1, y2 - y1)
        return (abs(y2 - y1) * width + abs(x2 - x1) * height) / length


def parse_line(raw: Any) -> CountLine:
    """Read a line: [[0.1, 0.5], [0.9, 0.5]] lies across the middle. Raises ValueError."""
    points = raw if isinstance(raw, list | tuple) else []
    if len(points) != 2 or not all(_is_point(point) for point in points):
        raise ValueError(
            f"{raw!r} is no line: write [[x1, y1], [x2, y2]], each number a share of the picture "
            "from 0.0 to 1.0"
        )
    (x1, y1), (x2, y2) = ((float(x), float(y)) for x, y in points)
    if math.hypot(x2 - x1, y2 - y1) < LEAST_LENGTH:
        raise ValueError(f"{raw!r} is too short: its points should be {LEAST_LENGTH} apart")
    line = CountLine((x1, y1), (x2, y2))
    if line.measure_room() < LEAST_ROOM:
        raise ValueError(
            f"{raw!r} is too near to the picture's edge: leave room for a person on both sides, "
            f"at least {LEAST_ROOM} of the picture"
        )
    return line


def _is_point(point: Any) -> bool:
    return (
        isinstance(point, list | tuple)
        and len(point) == 2
        and all(type(number) in (int, float) and 0 <= number <= 1 for number in point)
    )
