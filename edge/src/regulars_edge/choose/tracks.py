"""Which face of a frame is which face of the frames before it: by place, size and motion.

A face is expected at its last place moved on by its speed (constant velocity). Of all pairs of a track and a face, the
nearest are joined first, as long as a face lies within the track's reach.
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field

from regulars_edge.choose.faces import Face

LOST_MS = 2_000
"""A face that has not been seen for so long is gone."""

MOST = 32
"""Tracks at a time; for one more, the one that has not been seen for longest ends."""

_NEAR = 0.5
"""Reach in face sizes: how far a detector's box may jump."""
_FIRST_REACH, _REACH = 4.0, 1.5
"""How much the reach grows in a second, in face sizes. A face that was seen once may move four sizes a second, which
is a run close to the camera; then its speed is known, and only its change is open."""
_FARTHEST = 1.5
"""No reach is larger: beyond this, two people who stand side by side would be taken for one."""
_LARGER = 1.6
"""Of two faces that are joined, the larger one's size is at most this times the smaller one's."""
_LEARN = 0.5
"""How much of a newly measured speed goes into the known one."""


@dataclass(eq=False)
class Track:
    """One face's way through the picture: centre and side in pixels, speed in pixels a ms (None: seen once only).

    `began_ms`: when it began, or when it was last given out.
    """

    centre: tuple[float, float]
    side: float
    began_ms: int
    seen_ms: int
    speed: tuple[float, float] | None = None
    id: str = field(default_factory=lambda: secrets.token_hex(8))
    """Its name at the service, which no other track has."""
    was_given: bool = False
    """Whether a frame of it has gone out before."""

    def distance(self, face: Face, now: int) -> float:
        """Return how far the face is from where it is expected, in face sizes; infinite beyond reach."""
        (x, y), side = _place(face)
        passed_ms = now - self.seen_ms
        size = min(side, self.side)
        if max(side, self.side) > _LARGER * size:
            return math.inf
        reach = _NEAR + (_FIRST_REACH if self.speed is None else _REACH) * passed_ms / 1000
        stood = math.hypot(x - self.centre[0], y - self.centre[1]) / size
        dx, dy = self.speed or (0.0, 0.0)
        moved = math.hypot(x - self.centre[0] - dx * passed_ms, y - self.centre[1] - dy * passed_ms) / size
        if stood > _NEAR and moved > min(reach, _FARTHEST):
            return math.inf
        return min(stood, moved)

    def see(self, face: Face, now: int) -> None:
        centre, self.side = _place(face)
        passed_ms = now - self.seen_ms
        if passed_ms > 0:
            measured = [(new - old) / passed_ms for new, old in zip(centre, self.centre, strict=True)]
            known = self.speed or measured
            dx, dy = (old + _LEARN * (new - old) for new, old in zip(measured, known, strict=True))
            self.speed = dx, dy
        self.centre, self.seen_ms = centre, now


class Tracks:
    """All that are in the picture now."""

    def __init__(self, longest_ms: int) -> None:
        """Tracks that are `longest_ms` old are given out, and go on."""
        self._longest_ms = longest_ms
        self._live: list[Track] = []

    def follow(self, faces: Sequence[Face], now: int) -> list[Track]:
        """Return the track of each face, in the order of the faces."""
        pairs = [
            (distance, at, track)
            for at, face in enumerate(faces)
            for track in self._live
            if (distance := track.distance(face, now)) < math.inf
        ]
        found: dict[int, Track] = {}
        taken: set[Track] = set()
        for _, at, track in sorted(pairs, key=lambda pair: pair[0]):
            if at not in found and track not in taken:
                found[at] = track
                taken.add(track)
                track.see(faces[at], now)
        for at, face in enumerate(faces):
            if at not in found:
                centre, side = _place(face)
                found[at] = Track(centre, side, now, now)
                self._live.append(found[at])
        return [found[at] for at in range(len(faces))]

    def ended(self, now: int) -> list[Track]:
        """Return the tracks that are over, which are taken out, and those that have lasted long enough.

        One of the latter may be returned again without having been seen since.
        """
        self._live.sort(key=lambda track: -track.seen_ms)
        over = [track for at, track in enumerate(self._live) if at >= MOST or now - track.seen_ms > LOST_MS]
        self._live = [track for track in self._live if track not in over]
        old = [track for track in self._live if now - track.began_ms >= self._longest_ms]
        for track in old:
            track.began_ms = now
        return over + old

    def all_ended(self) -> list[Track]:
        live, self._live = self._live, []
        return live


def _place(face: Face) -> tuple[tuple[float, float], float]:
    x, y, width, height = face.box_xywh
    return (x + width / 2, y + height / 2), math.sqrt(width * height)
