"""Counts who crosses a camera's line: in and out, by the minute, and who of those who came in
showed a face.

It looks while something moves around the line, five times a second at most, and else not. A minute
that cannot be trusted is doubted: dark, crowded, or with people larger than the line has room for.
"""

from __future__ import annotations

import statistics
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from PIL import Image

from regulars_edge.choose.chooser import Areas, Background, find_level, find_time_ms
from regulars_edge.count.line import LOOK_S, CountLine, Crossing, PlacedLine, Point, Way
from regulars_edge.count.people import SURE, Body, PersonDetector
from regulars_edge.count.tracks import BodyTrack, BodyTracks

if TYPE_CHECKING:
    from regulars_edge.choose.faces import Face, FaceFinder
    from regulars_edge.frames import Frame

_EARLY_MS = 20
"""Frames do not come to the millisecond."""
MOST_GAP_MS = 700
"""Between two frames. After a longer gap people may have crossed unseen: it was not watched."""
_SLOW_FRAMES = 20
"""After so many longer gaps after one another it is said that the camera is too slow."""

BAND = 0.35
"""How far from the line motion counts, in shares of the picture: a person is seen three times
before the line then."""
LEAST_MOTION = 0.004
"""Of the band's pixels: a tenth of the smallest person."""
STAY_MS = 2_000
"""It goes on looking for so long after a motion: people pause."""

DIM = 96
"""Brightness, 0..255, of the lightest twentieth of the pixels, below which a picture is made
lighter: in the dark fewer people are found."""
LIGHT = 160
"""So bright it becomes."""
DARK = 8
"""From here on noise is as bright as people: nothing is found, and that is no sign of nobody."""
_NOT_LIGHTEST = 0.95

CROWD = 24
"""People in a picture from which on too many hide each other."""

_SIZES = 100
"""So many boxes say how large people are, the newest ones; a fifth of them is enough to tell."""
LEAST_ROOM = 0.75
"""Beside the line, in shares of a person: with less, the picture's edge cuts people off before
they are across."""


class Minutes(Protocol):
    """Keeper of what is counted, by the minute (count/minutes.py). Times are the frames'."""

    def watch(self, at_ms: int, watched_ms: int) -> None: ...

    def doubt(self, at_ms: int, why: str) -> None: ...

    def cross(self, crossing: Crossing) -> None: ...

    def add_face(self, entered_ms: int) -> None:
        """Note that somebody who came in then has shown a face since."""

    def flush(self) -> None: ...


@dataclass(eq=False)
class Counter:
    """The counter of one camera. `faces`: None if faces are not looked for; `look_ms`: the time
    between two looks."""

    line: CountLine
    detector: PersonDetector
    minutes: Minutes
    faces: FaceFinder | None = None
    look_ms: float = 1000 * LOOK_S
    trouble: str | None = field(default=None, init=False)
    """Why it cannot count until somebody helps; None: nothing is wrong, though it may be night."""
    tracks: BodyTracks = field(default_factory=BodyTracks, init=False)
    looks: int = field(default=0, init=False)
    is_blind: bool = field(default=False, init=False)
    """Whether the camera shows nothing useful, as somebody else has found (BlockageCheck)."""

    def __post_init__(self) -> None:
        self._background = Background(Areas((make_band(self.line),)))
        self._extents_px: deque[float] = deque(maxlen=_SIZES)
        self._seen_ms = self._looked_ms = self._moved_ms = -(10**9)
        self._slow_frames = 0

    def look(self, frame: Frame) -> Frame:
        """Look at a frame if that is due, and count; return the frame as it is."""
        with suppress(OSError):  # half a picture; the next one comes soon
            self._look(frame, find_time_ms(frame))
        return frame

    def note_still(self, at_ms: int) -> None:
        """Note that nothing moves, by somebody else's word: the camera is watched all the same."""
        self._pass_time(at_ms)
        self._hold_still(at_ms)

    def _look(self, frame: Frame, at_ms: int) -> None:
        grey = frame.grey(Background.SIZE_PX)
        change, brightness = self._background.measure_change(grey), measure_brightness(grey)
        if change is None or self._background.is_motion(change, LEAST_MOTION):
            self._moved_ms = at_ms
        self._pass_time(at_ms)
        if self.is_blind:
            self.minutes.doubt(at_ms, "the camera shows nothing useful")
        elif brightness < DARK:
            self.minutes.doubt(at_ms, "it is too dark")
        elif at_ms - self._moved_ms > STAY_MS:
            self._hold_still(at_ms)
        elif at_ms - self._looked_ms >= self.look_ms - _EARLY_MS:
            self._looked_ms = at_ms
            self._count(frame, brightness, at_ms)

    def _pass_time(self, at_ms: int) -> None:
        passed_ms, self._seen_ms = at_ms - self._seen_ms, at_ms
        if 0 < passed_ms <= MOST_GAP_MS:
            self.minutes.watch(at_ms, passed_ms)
        self._slow_frames = self._slow_frames + 1 if passed_ms > MOST_GAP_MS else 0
        if self._slow_frames >= _SLOW_FRAMES:
            self.trouble = "not counted: its pictures come too slowly; five a second are right"

    def _hold_still(self, at_ms: int) -> None:
        self.tracks.hold_still(max(0, at_ms - self._looked_ms))
        self._looked_ms = at_ms

    def _count(self, frame: Frame, brightness: int, at_ms: int) -> None:
        """Find people, follow them, and count who crosses."""
        self.looks += 1
        canvas = lighten(frame.shrink(self.detector.canvas_px, "RGB"), brightness)
        bodies = self.detector.find_bodies(canvas, frame.size)
        line = self.line.place_in(frame.size)
        self._judge(bodies, line, frame.size, at_ms)
        gone = set(self.tracks.live)
        seen = self.tracks.follow_bodies(bodies, at_ms)
        gone -= set(self.tracks.live)
        if self.faces is not None and seen:
            self._join_faces(self.faces.find_faces(frame), seen)
        for track in gone:
            self._note(track, track.find_last_crossing(line))
        for track in seen:
            self._note(track, track.find_crossing(line))

    def _note(self, track: BodyTrack, way: Way | None) -> None:
        if way is not None:
            self.minutes.cross(Crossing(track.seen_ms, way, track.has_face))
            track.entered_ms = track.seen_ms if way == "in" and not track.has_face else None

    def _join_faces(self, faces: Sequence[Face], seen: Sequence[BodyTrack]) -> None:
        """Let each face be of the smallest person whose box holds its middle."""
        for face in faces:
            x, y, width, height = face.box_xywh
            middle = x + width / 2, y + height / 2
            holders = [track for track in seen if _holds(track.body, middle)]
            owner = min(holders, key=lambda track: track.body.area, default=None)
            if owner is not None and not owner.has_face:
                owner.has_face = True
                if owner.entered_ms is not None:
                    self.minutes.add_face(owner.entered_ms)

    def _judge(
        self, bodies: Sequence[Body], line: PlacedLine, size_px: tuple[int, int], at_ms: int
    ) -> None:
        """Doubt this minute if there are too many people, or too large ones for this line."""
        sure = [body for body in bodies if body.score >= SURE]
        self._extents_px += [line.measure_extent(*body.box_xywh[2:]) for body in sure]
        room_px = self.line.measure_room() * line.measure_extent(*size_px)
        self.trouble = None
        if len(sure) > CROWD:
            self.minutes.doubt(at_ms, f"{len(sure)} people at once are too many")
        if self._find_extent_px() * LEAST_ROOM > room_px:
            why = "the line is nearer to the picture's edge than one person: move it to the middle"
            self.minutes.doubt(at_ms, why)
            self.trouble = f"not counted: {why}"

    def _find_extent_px(self) -> float:
        """Return how much of the way across the line people take; 0 if too few were seen."""
        known = self._extents_px
        return statistics.median(known) if len(known) >= _SIZES / 5 else 0.0


def _holds(body: Body, place: Point) -> bool:
    x, y, width, height = body.box_xywh
    return x <= place[0] <= x + width and y <= place[1] <= y + height


def measure_brightness(grey: Image.Image) -> int:
    """Return the level, 0..255, that the lightest twentieth of the pixels reach."""
    return find_level(grey.histogram(), _NOT_LIGHTEST)


def lighten(picture: Image.Image, brightness: int) -> Image.Image:
    """Make a dim picture lighter; return a bright one as it is."""
    if brightness >= DIM:
        return picture
    return picture.point(lambda level: min(255, level * LIGHT // brightness))


def make_band(line: CountLine) -> tuple[Point, ...]:
    """Return the corners of the band around a line, within the picture."""
    (x1, y1), (x2, y2) = line.first, line.second
    left, right = max(0.0, min(x1, x2) - BAND), min(1.0, max(x1, x2) + BAND)
    top, bottom = max(0.0, min(y1, y2) - BAND), min(1.0, max(y1, y2) + BAND)
    return (left, top), (right, top), (right, bottom), (left, bottom)
