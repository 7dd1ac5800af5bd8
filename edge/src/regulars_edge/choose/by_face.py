"""Frames chosen by the faces in them: every one with a face, or the best of each face's way through
the picture; whole, or crops: the faces with `crop_room` times their longer side around them
(config.py; without it, whole frames).

Which face of a frame is which face of the frames before it: by place, size and motion. A face is
expected at its last place moved on by its speed (constant velocity). Of all pairs of a track and a
face, the nearest are joined first, as long as a face lies within the track's reach.
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import KW_ONLY, dataclass, field
from functools import cached_property
from typing import NamedTuple, TypeVar

from regulars_edge.choose.chooser import find_time_ms
from regulars_edge.choose.faces import (
    Box,
    Face,
    FaceFinder,
    detect_faces,
    enclose_boxes,
    have_common_part,
    judge_worth,
)
from regulars_edge.choose.still import StillFaces
from regulars_edge.frames import WAITING_FRAMES, EncodedFrame, Frame, encode_jpeg

LOST_MS = 2_000
"""A face that has not been seen for so long is gone."""

MOST_TRACKS = 32
"""Tracks at a time; for one more, the one that has not been seen for longest ends."""

_JUMP_REACH = 0.5
"""Reach in face sizes: how far a detector's box may jump."""
_FIRST_REACH, _REACH = 4.0, 1.5
"""How much the reach grows in a second, in face sizes. A face that was seen once may move four
sizes a second, which is a run close to the camera; then its speed is known, and only its change is
open."""
_LONGEST_REACH = 1.5
"""No reach is larger: beyond this, two people who stand side by side would be taken for one."""
_MOST_GROWTH = 1.6
"""Of two faces that are joined, the larger one's size is at most this times the smaller one's."""
_SPEED_LEARNT = 0.5
"""How much of a newly measured speed goes into the known one."""


@dataclass(eq=False)
class Track:
    """One face's way through the picture: centre and side in pixels, speed in pixels a ms (None:
    seen once only).

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

    def measure_distance(self, face: Face, now_ms: int) -> float:
        """Return how far the face is from the place at which it is expected, in face sizes;
        infinite beyond reach."""
        (x, y), side = _find_place(face)
        passed_ms = now_ms - self.seen_ms
        size = min(side, self.side)
        if max(side, self.side) > _MOST_GROWTH * size:
            return math.inf
        reach = _JUMP_REACH + (_FIRST_REACH if self.speed is None else _REACH) * passed_ms / 1000
        from_last = math.hypot(x - self.centre[0], y - self.centre[1]) / size
        dx, dy = self.speed or (0.0, 0.0)
        from_expected = (
            math.hypot(x - self.centre[0] - dx * passed_ms, y - self.centre[1] - dy * passed_ms)
            / size
        )
        if from_last > _JUMP_REACH and from_expected > min(reach, _LONGEST_REACH):
            return math.inf
        return min(from_last, from_expected)

    def move_to(self, face: Face, now_ms: int) -> None:
        """Go on to where the face is now, and learn the speed from it."""
        centre, self.side = _find_place(face)
        passed_ms = now_ms - self.seen_ms
        if passed_ms > 0:
            measured = [
                (new - old) / passed_ms for new, old in zip(centre, self.centre, strict=True)
            ]
            before = self.speed or measured
            dx, dy = (
                old + _SPEED_LEARNT * (new - old) for new, old in zip(measured, before, strict=True)
            )
            self.speed = dx, dy
        self.centre, self.seen_ms = centre, now_ms


_Way = TypeVar("_Way")
_Seen = TypeVar("_Seen")


def join_nearest(
    tracks: Iterable[_Way], seen: Sequence[_Seen], measure: Callable[[_Way, _Seen], float]
) -> dict[int, _Way]:
    """Return the track of what is seen, by its place in `seen`: the nearest pairs first, and none
    whose distance is infinite."""
    pairs = [
        (distance, at, track)
        for at, each in enumerate(seen)
        for track in tracks
        if (distance := measure(track, each)) < math.inf
    ]
    track_of: dict[int, _Way] = {}
    for _, at, track in sorted(pairs, key=lambda pair: pair[0]):
        if at not in track_of and track not in track_of.values():
            track_of[at] = track
    return track_of


@dataclass(eq=False)
class Tracks:
    """The tracks that are in the picture now.

    Those that are `longest_ms` old are given out, and go on.
    """

    longest_ms: float
    _live: list[Track] = field(default_factory=list, init=False)

    def follow_faces(self, faces: Sequence[Face], now_ms: int) -> list[Track]:
        """Return the track of each face, in the order of the faces: the nearest pairs first, then
        new tracks."""
        track_of = join_nearest(
            self._live, faces, lambda track, face: track.measure_distance(face, now_ms)
        )
        for at, track in track_of.items():
            track.move_to(faces[at], now_ms)
        for at, face in enumerate(faces):
            if at not in track_of:
                centre, side = _find_place(face)
                track_of[at] = Track(centre, side, now_ms, now_ms)
                self._live.append(track_of[at])
        return [track_of[at] for at in range(len(faces))]

    def take_ended_tracks(self, now_ms: int) -> list[Track]:
        """Return the tracks that are over, which are taken out, and those that have lasted long
        enough.

        One of the latter may be returned again without having been seen since.
        """
        self._live.sort(key=lambda track: -track.seen_ms)
        over = [
            track
            for at, track in enumerate(self._live)
            if at >= MOST_TRACKS or now_ms - track.seen_ms > LOST_MS
        ]
        self._live = [track for track in self._live if track not in over]
        old = [track for track in self._live if now_ms - track.began_ms >= self.longest_ms]
        for track in old:
            track.began_ms = now_ms
        return over + old

    def end_all(self) -> list[Track]:
        """Take out all tracks, and return them."""
        live, self._live = self._live, []
        return live


def _find_place(face: Face) -> tuple[tuple[float, float], float]:
    x, y, width, height = face.box_xywh
    return (x + width / 2, y + height / 2), math.sqrt(width * height)


@dataclass(eq=False)
class Part:
    """The part of a frame that one or more faces are sent in; None: all of it.

    It is encoded at most once. `longest_px`: its longest side, to which a larger one is shrunk;
    None: it is sent as it is.
    """

    frame: Frame
    box: Box | None
    longest_px: int | None = None

    @cached_property
    def encoded(self) -> EncodedFrame:
        """Return the part as a JPEG, which takes a tenth of the pixels' memory."""
        if self.box is None:
            return EncodedFrame(self.frame.encode_picture(), self.frame.stamp)
        left, top, right, bottom = self.box
        corners = math.floor(left), math.floor(top), math.ceil(right), math.ceil(bottom)
        picture = self.frame.pixels.crop(corners)
        if self.longest_px:
            picture.thumbnail((self.longest_px, self.longest_px))
        return EncodedFrame(encode_jpeg(picture), self.frame.stamp)


def cut_parts(
    frame: Frame, faces: Sequence[Face], room: float | None, others: Sequence[Face] = ()
) -> list[Part]:
    """Return the part that each of `faces` is sent in, with `room` on each side in sides of the
    face; None: the whole frame.

    Faces that would be in each other's part share one, since half a face beside the one that is
    meant misleads; also with `others`, which are not sent for themselves.
    """
    if room is None:
        return [Part(frame, None)] * len(faces)
    wide_boxes = [_widen_box(face, room, frame.pixels.size) for face in (*faces, *others)]
    joined = list[Box]()
    for wide_box in wide_boxes:
        box = wide_box
        while touched := [other for other in joined if have_common_part(other, box)]:
            joined = [other for other in joined if other not in touched]
            box = enclose_boxes([box, *touched])  # which may touch others now
        joined.append(box)
    parts = [(box, Part(frame, box)) for box in joined]
    return [
        next(part for box, part in parts if have_common_part(box, wide_box))
        for wide_box in wide_boxes[: len(faces)]
    ]


def cut_view(frame: Frame, face: Face, others: Iterable[Face], room: float | None) -> Part | None:
    """Return the part of a frame that shows one face alone, as a further view of it; None: another
    one is too near.

    `room`: that of crops, which a view does not exceed; None: whole frames go out.
    """
    size_px = frame.pixels.size
    view_room = _VIEW_ROOM if room is None else min(_VIEW_ROOM, room)
    box = _widen_box(face, view_room, size_px)
    if any(have_common_part(box, _widen_box(other, 0.0, size_px)) for other in others):
        return None
    return Part(frame, box, _VIEW_PX)


_VIEW_ROOM, _VIEW_PX = 0.5, 200
"""Room around a face in a view, in sides of the face, and the view's longest side. The eyes are
then up to 40 px apart; with more, a view of 9 kB would be recognised by 0.004 better."""

LEAST_CROP_PX = 160
"""In smaller pictures the service's detector misses faces: 7 of 51 crops of a film, and none of
this size."""


def _widen_box(face: Face, room: float, size_px: tuple[int, int]) -> Box:
    x, y, width, height = face.box_xywh
    more = max(room * max(width, height), (LEAST_CROP_PX - min(width, height)) / 2)
    right, bottom = min(size_px[0], x + width + more), min(size_px[1], y + height + more)
    return max(0.0, x - more), max(0.0, y - more), right, bottom


LEAST_GAIN = 1.05
"""A frame takes the place of the best one if it is worth this much more: each time costs the making
of a JPEG."""

EARLY_WORTH = 0.25
"""What a frame is worth that goes out at once, if that is set."""

MOST_VIEWS, APART_MS = 2, 500
"""Views of a face's other moments that go out with its best frame, and how far all these moments
are apart. The service looks at them if the best frame finds nobody, or nobody surely."""
_MOMENTS_KEPT = 5
"""Moments of which a view is kept until then: some lie too near the best one."""


class _Shot(NamedTuple):
    """A frame of a track, or a view in it, what it is worth (0 to 1), and when it was taken, by the
    boot clock."""

    worth: float
    at_ms: int
    frame: EncodedFrame


@dataclass
class _TrackShots:
    """The best frame of a track, and views of its best moments.

    `views`: the best of each half second, by its number. `sent`: what the frame that went out early
    is worth.
    """

    best: _Shot
    views: dict[int, _Shot] = field(default_factory=dict)
    sent: float = 0.0

    def take_frame(self, value: float, now_ms: int, part: Part) -> None:
        """Take a frame, of such a worth, in place of the best one if it is better."""
        if value > LEAST_GAIN * self.best.worth or not self.best.frame.encode_picture():
            self.best = _make_shot(value, now_ms, part)

    def take_view(self, value: float, now_ms: int, view: Part) -> None:
        """Take a view in place of that of its moment, or of the least one of too many, if it is
        better."""
        moment = now_ms // APART_MS
        rival = self.views.get(moment)
        if rival is None and len(self.views) == _MOMENTS_KEPT:
            rival = min(self.views.values())
        if rival is None or value > LEAST_GAIN * rival.worth:
            others = {at: shot for at, shot in self.views.items() if shot is not rival}
            self.views = {**others, moment: _make_shot(value, now_ms, view)}

    @property
    def is_left(self) -> bool:
        """Return whether a frame is to go out in the end: one that has a track went out before."""
        frame = self.best.frame
        return not frame.track and self.best.worth > self.sent and bool(frame.encode_picture())

    def choose_frame(self) -> EncodedFrame | None:
        """Return the frame to send in the end, with its views; None if there is none."""
        if not self.is_left:
            return None
        self.best.frame.views += tuple(self._choose_views())
        return self.best.frame

    def _choose_views(self) -> list[bytes]:
        chosen = [self.best]
        for shot in sorted(self.views.values(), reverse=True):
            if all(abs(shot.at_ms - other.at_ms) >= APART_MS for other in chosen):
                chosen.append(shot)
        views = [shot.frame.encode_picture() for shot in chosen[1:]]
        return [view for view in views if view][:MOST_VIEWS]


def _make_shot(value: float, now_ms: int, part: Part) -> _Shot:
    part.encoded.worth = max(part.encoded.worth, value)
    WAITING_FRAMES.hold(part.encoded)
    return _Shot(value, now_ms, part.encoded)


@dataclass(eq=False)
class BestShot:
    """The best frame of each track, when the face is gone, or after `longest_s` at the latest and
    then again.

    Views of the face at other moments go with it, in one file. `early`: a good one goes out at
    once, and again if there is a better one in the end. Until it is chosen a frame lies in this
    process's memory, as a JPEG (`WAITING_FRAMES`): what a power cut takes then was never spooled.
    """

    detector: FaceFinder
    longest_s: float
    room: float | None = None
    _: KW_ONLY
    early: bool = False
    still: StillFaces = field(default_factory=StillFaces)
    _shots: dict[Track, _TrackShots] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        self._tracks = Tracks(self.longest_s * 1000)

    @property
    def held(self) -> int:
        return len({id(shots.best.frame.stamp) for shots in self._shots.values() if shots.is_left})

    def choose(self, frames: Iterable[Frame]) -> Iterator[Frame]:
        for frame, faces in detect_faces(self.detector, frames):
            now_ms = find_time_ms(frame)
            self._follow_frame(frame, faces, now_ms)
            del frame  # as `detect_faces` does
            if self.early:
                yield from self._choose_early_frames()
            yield from self._choose_best_frames(self._tracks.take_ended_tracks(now_ms))
        yield from self._choose_best_frames(self._tracks.end_all())

    def _follow_frame(self, frame: Frame, found: list[Face], now_ms: int) -> None:
        still = self.still.find_still(frame, found, now_ms)
        faces = [face for face in found if face not in still]
        parts = cut_parts(frame, faces, self.room, still)
        for track, face, part in zip(
            self._tracks.follow_faces(faces, now_ms), faces, parts, strict=True
        ):
            value = judge_worth(frame.pixels, face)
            if track in self._shots:
                self._shots[track].take_frame(value, now_ms, part)
            else:
                self._shots[track] = _TrackShots(_make_shot(value, now_ms, part))
            others = (other for other in found if other is not face)
            if view := cut_view(frame, face, others, self.room):
                self._shots[track].take_view(value, now_ms, view)

    def _choose_early_frames(self) -> Iterator[Frame]:
        for track, shots in self._shots.items():
            best, is_first = shots.best, not (track.was_given or shots.sent)
            if is_first and best.worth >= EARLY_WORTH and best.frame.encode_picture():
                shots.sent = best.worth
                if not best.frame.track:  # else it went out for another face in it
                    best.frame.track = track.id
                    yield best.frame

    def _choose_best_frames(self, tracks: Iterable[Track]) -> Iterator[Frame]:
        """Yield the best frames of these tracks, each once.

        Two faces may have their best moment in one frame. It has the track of the first to end, and
        the views of that one, or of all that end at once.
        """
        ended = {track: self._shots.pop(track) for track in tracks if track in self._shots}
        chosen = {track: frame for track in ended if (frame := ended[track].choose_frame())}
        for track, frame in chosen.items():
            frame.track = frame.track or track.id
        for track in ended:
            track.was_given = True
        yield from dict.fromkeys(chosen.values())


@dataclass(eq=False)
class WithFaces:
    """Frames with a face; or, if `room` is given, the faces with so much room, in sides of a
    face."""

    held = 0

    detector: FaceFinder
    room: float | None = None
    still: StillFaces = field(default_factory=StillFaces)

    def choose(self, frames: Iterable[Frame]) -> Iterator[Frame]:
        for frame, found in detect_faces(self.detector, frames):
            still = self.still.find_still(frame, found, find_time_ms(frame))
            faces = [face for face in found if face not in still]
            parts = cut_parts(frame, faces, self.room, still)
            for part, face in zip(parts, faces, strict=True):
                part.encoded.worth = max(part.encoded.worth, judge_worth(frame.pixels, face))
            yield from (part.encoded for part in dict.fromkeys(parts))
