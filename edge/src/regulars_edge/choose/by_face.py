"""Frames chosen by the faces in them: every one with a face, or the best of each face's way through the picture; whole,
or crops: the faces with `crop_room` times their longer side around them (config.py; without it, whole frames).

Which face of a frame is which face of the frames before it: by place, size and motion. A face is expected at its last
place moved on by its speed (constant velocity). Of all pairs of a track and a face, the nearest are joined first, as
long as a face lies within the track's reach.
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import KW_ONLY, dataclass, field
from functools import cached_property

from regulars_edge.choose.faces import Box, Face, Still, around, detect_faces, touch, worth
from regulars_edge.frames import HELD, EncodedFrame, Frame, jpeg

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
        """Return how far the face is from the place at which it is expected, in face sizes; infinite beyond reach."""
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


@dataclass(eq=False)
class Tracks:
    """The tracks that are in the picture now. Those that are `longest_ms` old are given out, and go on."""

    longest_ms: float
    _live: list[Track] = field(default_factory=list, init=False)

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

    def take_ended_tracks(self, now: int) -> list[Track]:
        """Return the tracks that are over, which are taken out, and those that have lasted long enough.

        One of the latter may be returned again without having been seen since.
        """
        self._live.sort(key=lambda track: -track.seen_ms)
        over = [track for at, track in enumerate(self._live) if at >= MOST or now - track.seen_ms > LOST_MS]
        self._live = [track for track in self._live if track not in over]
        old = [track for track in self._live if now - track.began_ms >= self.longest_ms]
        for track in old:
            track.began_ms = now
        return over + old

    def all_ended(self) -> list[Track]:
        live, self._live = self._live, []
        return live


def _place(face: Face) -> tuple[tuple[float, float], float]:
    x, y, width, height = face.box_xywh
    return (x + width / 2, y + height / 2), math.sqrt(width * height)


@dataclass(eq=False)
class Part:
    """The part of a frame that one or more faces are sent in; None: all of it. It is encoded at most once."""

    frame: Frame
    box: Box | None

    @cached_property
    def packed(self) -> EncodedFrame:
        """Return the part as a JPEG, which takes a tenth of the pixels' memory."""
        if self.box is None:
            return EncodedFrame(self.frame.encode_picture(), self.frame.stamp)
        left, top, right, bottom = self.box
        corners = math.floor(left), math.floor(top), math.ceil(right), math.ceil(bottom)
        return EncodedFrame(jpeg(self.frame.pixels.crop(corners)), self.frame.stamp)


def parts(frame: Frame, faces: Sequence[Face], room: float | None) -> list[Part]:
    """Return the part that each face is sent in, with `room` on each side in sides of the face; None: the whole frame.

    Faces that would be in each other's part share one, since half a face beside the one that is meant misleads.
    """
    if room is None:
        return [Part(frame, None)] * len(faces)
    own, joined = [_widen_box(face, room, frame.pixels.size) for face in faces], list[Box]()
    for one_face in own:
        box = one_face
        while touched := [one for one in joined if touch(one, box)]:
            joined = [one for one in joined if one not in touched]
            box = around([box, *touched])
        joined.append(box)
    found = {box: Part(frame, box) for box in joined}
    return [next(part for one, part in found.items() if touch(one, box)) for box in own]


LEAST_CROP_PX = 160
"""In smaller pictures the service's detector misses faces: 7 of 51 crops of a film, and none of this size."""


def _widen_box(face: Face, room: float, size_px: tuple[int, int]) -> Box:
    x, y, width, height = face.box_xywh
    more = max(room * max(width, height), (LEAST_CROP_PX - min(width, height)) / 2)
    right, bottom = min(size_px[0], x + width + more), min(size_px[1], y + height + more)
    return max(0.0, x - more), max(0.0, y - more), right, bottom


BETTER = 1.05
"""A frame takes the place of the best one if it is worth this much more: each time costs the making of a JPEG."""

SURE, APART_MS = 0.3, 1_000
"""Of a face whose best frame is worth less, one of another moment goes out, too: somebody may have been half hidden."""

EARLY = 0.5
"""What a frame is worth that goes out at once, if that is set."""


_Shot = tuple[float, int, EncodedFrame]
"""What a frame is worth, when it was taken, in ms, and the frame."""


@dataclass
class _Shots:
    """The best frame of a track, and the best of another moment. `sent`: what the one that went out early is worth."""

    best: _Shot
    other: _Shot | None = None
    sent: float = 0.0

    def see(self, value: float, now: int, part: Part) -> None:
        if value > BETTER * self.best[0] or not self.best[2].encode_picture():
            self.other = next((shot for shot in (self.best, self.other) if shot and now - shot[1] >= APART_MS), None)
            self.best = _shot(value, now, part)
        elif now - self.best[1] >= APART_MS and (self.other is None or value > BETTER * self.other[0]):
            self.other = _shot(value, now, part)

    def list_remaining_frames(self) -> list[Frame]:
        """Return what is to go out in the end."""
        others = [self.other[2]] if self.other and self.best[0] < SURE else []
        found = ([self.best[2]] if self.best[0] > self.sent else []) + others
        return [frame for frame in found if frame.encode_picture()]


def _shot(value: float, now: int, part: Part) -> _Shot:
    part.packed.worth = max(part.packed.worth, value)
    HELD.hold(part.packed)
    return value, now, part.packed


@dataclass(eq=False)
class BestShot:
    """The best frame of each track, when the face is gone, or after `longest_s` at the latest and then again.

    If it shows the face poorly, so does one more, of another moment. `early`: a good one goes out at once, and again if
    there is a better one in the end. Until it is chosen a frame lies in this process's memory, as a JPEG
    (`HELD`): what a power cut takes then was never spooled.
    """

    detector: Still
    longest_s: float
    room: float | None = None
    _: KW_ONLY
    early: bool = False
    _shots: dict[Track, _Shots] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        self._tracks = Tracks(self.longest_s * 1000)

    @property
    def held(self) -> int:
        return len({id(frame.stamp) for shots in self._shots.values() for frame in shots.list_remaining_frames()})

    def choose(self, frames: Iterable[Frame]) -> Iterator[Frame]:
        for frame, faces in detect_faces(self.detector, frames):
            now = _ms(frame)
            self._follow(frame, faces, now)
            del frame  # as `detect_faces` does
            if self.early:
                yield from self._choose_early_frames()
            yield from self._bests(self._tracks.take_ended_tracks(now))
        yield from self._bests(self._tracks.all_ended())

    def _follow(self, frame: Frame, faces: list[Face], now: int) -> None:
        where = parts(frame, faces, self.room)
        for track, face, part in zip(self._tracks.follow(faces, now), faces, where, strict=True):
            value = worth(frame.pixels, face)
            if track in self._shots:
                self._shots[track].see(value, now, part)
            else:
                self._shots[track] = _Shots(_shot(value, now, part))

    def _choose_early_frames(self) -> Iterator[Frame]:
        for track, shots in self._shots.items():
            if not (track.was_given or shots.sent) and shots.best[0] >= EARLY and shots.best[2].encode_picture():
                shots.sent, _, frame = shots.best
                frame.track = track.id
                yield frame

    def _bests(self, tracks: Iterable[Track]) -> Iterator[Frame]:
        """Two faces may have their best moment in one frame; it goes out once, with the track of the first."""
        chosen: dict[int, Frame] = {}
        for track in tracks:
            if track in self._shots:
                left = self._shots.pop(track).list_remaining_frames()
                for frame in left[:1] if track.was_given else left:
                    frame.track = frame.track or track.id
                    chosen[id(frame)] = frame
                track.was_given = True
        yield from chosen.values()


def _ms(frame: Frame) -> int:
    stamp = frame.stamp
    return stamp.moment.boot_ms if stamp.moment else stamp.stated_ms or 0


@dataclass(eq=False)
class WithFaces:
    """Frames with a face; or, if `room` is given, the faces with so much room, in sides of a face."""

    held = 0

    detector: Still
    room: float | None = None

    def choose(self, frames: Iterable[Frame]) -> Iterator[Frame]:
        for frame, faces in detect_faces(self.detector, frames):
            where = parts(frame, faces, self.room)
            for part, face in zip(where, faces, strict=True):
                part.packed.worth = max(part.packed.worth, worth(frame.pixels, face))
            yield from (part.packed for part in dict.fromkeys(where))
