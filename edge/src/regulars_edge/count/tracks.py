"""Tracks of people from picture to picture, and their crossings of the line.

As for faces (choose/by_face.py), the nearest pairs of a track and a box are joined first. A box is
expected where the track's speed carries it (alpha-beta filter: Benedict and Bordner, 1962). The
sure boxes are joined first, then the weak ones, which only prolong a track (Zhang et al.,
2022).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from regulars_edge.choose.by_face import join_nearest
from regulars_edge.choose.faces import measure_overlap
from regulars_edge.count.line import PlacedLine, Point, Way
from regulars_edge.count.people import SURE, Body

LOST_MS = 1_000
"""Somebody who was not found for so long is gone."""

_JUMP_REACH = 0.9
"""Reach: how far a box may be from its place, in sizes of a person (the root of the area)."""
_FIRST_REACH, _REACH = 1.2, 0.4
"""How much the reach grows in a second, before a track's speed is known, and after."""
_MOST_GROWTH = 3.5
"""Of two boxes that are joined, the larger one's area is at most this times the smaller one's:
people bend, and are cut off by the picture's edge."""
_PLACE_LEARNT, _SPEED_LEARNT = 0.7, 0.4
"""How much of the difference between a box and its expected place goes into place and speed."""

_MARGIN = 0.12
"""How far from the line somebody is on one side, in shares of what he takes across the line: who
stands on it is on neither."""
_LOOKS_ON_SIDE = 2
"""In so many looks after one another somebody is on a side until that counts."""
_LEAVES = 0.5
"""Of what somebody takes across the line, in a second: who is that fast does not stand."""
_UNSEEN_MS = 400
"""In so long a time somebody may leave the picture unseen: in two looks."""
_LEAST_LOOKS = 3
"""In so many looks somebody was seen until he counts."""


@dataclass(eq=False)
class BodyTrack:
    """One person's way through the picture. The speed is in pixels a ms."""

    body: Body
    seen_ms: int
    speed: tuple[float, float] = (0.0, 0.0)
    looks: int = 1
    side: int = 0
    """Side on which the person was last for sure: 1 right of the line, -1 left of it, 0 unknown."""
    has_face: bool = False
    """Whether a usable face was seen in it."""
    entered_ms: int | None = None
    """When the person came in, if no face was seen until then."""
    has_crossed: bool = False
    _newest_side: int = 0
    _looks_there: int = 0

    def __post_init__(self) -> None:
        self.first = self.last_box = self.body
        """Places at which the person came into view, and was seen last. `body` is behind him who
        becomes faster."""

    @property
    def is_person(self) -> bool:
        """Return whether it was seen often enough to be a person, and no false alarm."""
        return self.looks >= _LEAST_LOOKS

    @property
    def is_moving(self) -> bool:
        """Return whether the person was last seen on the way: half a person's size in a second."""
        return math.hypot(*self.speed) * 1000 > _LEAVES * math.sqrt(max(1.0, self.body.area))

    def expect_box(self, at_ms: int) -> tuple[float, float, float, float]:
        x, y, width, height = self.body.box_xywh
        passed_ms = at_ms - self.seen_ms
        return x + self.speed[0] * passed_ms, y + self.speed[1] * passed_ms, width, height

    def measure_distance(self, body: Body, at_ms: int) -> float:
        """Return how far a box is from where it is expected, in sizes of a person, less the share
        by which the two overlap; infinite beyond reach."""
        small, large = sorted((max(1.0, body.area), max(1.0, self.body.area)))
        if large > _MOST_GROWTH * small:
            return math.inf
        expected = Body(self.expect_box(at_ms), 1.0)
        distance = math.dist(body.centre, expected.centre) / math.sqrt(small)
        growth = _FIRST_REACH if self.looks == 1 else _REACH
        if distance > _JUMP_REACH + growth * (at_ms - self.seen_ms) / 1000:
            return math.inf
        return distance - measure_overlap(body.box_xywh, expected.box_xywh)

    def move_to(self, body: Body, at_ms: int) -> None:
        """Go on to a box, and learn place and speed from it."""
        passed_ms, expected = at_ms - self.seen_ms, self.expect_box(at_ms)
        x, y, width, height = (
            old + _PLACE_LEARNT * (new - old)
            for new, old in zip(body.box_xywh, expected, strict=True)
        )
        if passed_ms > 0:
            share = 1.0 if self.looks == 1 else _SPEED_LEARNT
            was_at = Body(expected, 1.0).centre
            dx, dy = (
                speed + share * (new - old) / passed_ms
                for speed, new, old in zip(self.speed, body.centre, was_at, strict=True)
            )
            self.speed = dx, dy
        self.last_box = body
        self.body, self.seen_ms, self.looks = (
            Body((x, y, width, height), body.score),
            at_ms,
            self.looks + 1,
        )

    def find_crossing(self, line: PlacedLine) -> Way | None:
        """Note where the person is now; return the way if that makes a crossing of the line.

        It is one if the person was on one side for sure, and is on the other. Nobody crosses beside
        the line's ends, and lingering on it changes nothing.
        """
        along, off_px = line.measure(self.body.centre)
        if not 0 <= along <= 1:
            self._looks_there = 0
            return None
        if abs(off_px) < _MARGIN * line.measure_extent(*self.body.box_xywh[2:]):
            return None
        side = 1 if off_px > 0 else -1
        self._looks_there = self._looks_there + 1 if side == self._newest_side else 1
        self._newest_side = side
        return self._take_side(side) if self._looks_there >= _LOOKS_ON_SIDE else None

    def find_last_crossing(self, line: PlacedLine, size_px: tuple[int, int]) -> Way | None:
        """Return the way of somebody who is gone, if he was on the way over the line, and last seen
        beyond it; or so near to it that he has left the picture since. `size_px`: of the picture.

        Who runs is seen there once or not at all, or cut off by the picture's edge.
        """
        x, y = line.first
        _, speed_px = line.measure((x + self.speed[0], y + self.speed[1]))
        extent_px = line.measure_extent(*self.last_box.box_xywh[2:])
        if abs(speed_px) * 1000 < _LEAVES * extent_px:
            return None
        side = 1 if speed_px > 0 else -1
        x, y = self.last_box.centre
        ahead = x + self.speed[0] * _UNSEEN_MS, y + self.speed[1] * _UNSEEN_MS
        front = line.step_aside(ahead, side * extent_px / 2)
        places = [(x, y)] if _is_within(front, size_px) else [(x, y), ahead]
        beyond = [
            side * off_px > 0 for along, off_px in map(line.measure, places) if 0 <= along <= 1
        ]
        return self._take_side(side) if any(beyond) else None

    def _take_side(self, side: int) -> Way | None:
        """Be on this side for sure; return the way if it was the other one before."""
        was, self.side = self.side, side
        if was in (0, side) or not self.is_person:
            return None
        return "in" if side > 0 else "out"


def _is_within(place: Point, size_px: tuple[int, int]) -> bool:
    return all(0 <= at <= side for at, side in zip(place, size_px, strict=True))


@dataclass(eq=False)
class BodyTracks:
    """The people who are in the picture now."""

    live: list[BodyTrack] = field(default_factory=list)

    def follow_bodies(self, bodies: Sequence[Body], at_ms: int) -> list[BodyTrack]:
        """Return the tracks of those who are seen now."""
        sure = [body for body in bodies if body.score >= SURE]
        weak = [body for body in bodies if body.score < SURE]
        found = self._join(self.live, sure, at_ms)
        others = [track for track in self.live if track not in found.values()]
        for bodies_, tracks in ((sure, found), (weak, self._join(others, weak, at_ms))):
            for at, track in tracks.items():
                track.move_to(bodies_[at], at_ms)
        self.live += [BodyTrack(body, at_ms) for at, body in enumerate(sure) if at not in found]
        self.live = [track for track in self.live if at_ms - track.seen_ms <= LOST_MS]
        return [track for track in self.live if track.seen_ms == at_ms]

    def _join(
        self, tracks: Iterable[BodyTrack], bodies: Sequence[Body], at_ms: int
    ) -> dict[int, BodyTrack]:
        return join_nearest(tracks, bodies, lambda track, body: track.measure_distance(body, at_ms))

    def hold_still(self, passed_ms: int) -> None:
        """Let time pass in which nothing moved, so that nobody has left: people keep their
        positions."""
        for track in self.live:
            track.seen_ms += passed_ms
            track.speed = 0.0, 0.0
