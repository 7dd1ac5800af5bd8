"""Counts who crosses a camera's line: in and out, by the minute, and who of those who came in
showed a face.

It looks while something moves around the line, five times a second, and else not. Time is watched
if it was looked at often enough, and what was seen can be trusted; else it is lost, for a reason.
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
from regulars_edge.count.doubt import (
    REASONS,
    Crowding,
    Doubt,
    is_too_dark,
    measure_noise,
)
from regulars_edge.count.line import LOOK_S, CountLine, Crossing, PlacedLine, Point, Way
from regulars_edge.count.people import SURE, Body, PersonDetector
from regulars_edge.count.tracks import BodyTrack, BodyTracks
from regulars_edge.pace import Ticks
from regulars_edge.troubles import Trouble

if TYPE_CHECKING:
    from regulars_edge.choose.faces import Face, FaceFinder
    from regulars_edge.count.film import FilmKeeper
    from regulars_edge.frames import Frame

MOST_STILL_MS = 700
"""Between two frames in which nothing moves. After a longer time people may have crossed unseen."""
MOST_GAP_MS = 400
"""Between two looks while something moves. In a longer time somebody walks by a whole person, and
tracks are lost."""
EARLY_SHARE = 0.9
"""Of the time between two looks: so early a look may be. The source thins frames already, so the
frame that is passed over may be the last one for long."""
OUTAGE_MS = 5_000
"""So long without a frame the camera was away: nobody watched, and nothing was slow."""
_LATE_SHARE = 0.1
"""Of the time in which something moves: if more was looked at too late, counts are wrong by more
than a tenth."""
_LEAST_TIME_MS = 10_000
"""After so much time in which something moves it is said that looks are too few."""
_NOISE_MS = 2_000
"""Noise is measured so often: the light changes slowly."""

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
_NOT_LIGHTEST = 0.95

_SIZES = 100
"""So many boxes say how large people are, the newest ones; a fifth of them is enough to tell."""
LEAST_ROOM = 0.75
"""Beside the line, in shares of a person: with less, the picture's edge cuts people off before
they are across."""


class Minutes(Protocol):
    """Keeper of what is counted, by the minute (count/minutes.py). Times are the frames'."""

    def watch(self, at_ms: int, watched_ms: int) -> None: ...

    def doubt(self, at_ms: int, lost_ms: int, why: Doubt) -> None:
        """Note that so long until then nothing can be said."""

    def cross(self, crossing: Crossing) -> None: ...

    def add_face(self, entered_ms: int) -> None:
        """Note that a person who came in then has shown a face since."""

    def flush(self) -> None: ...


@dataclass(eq=False)
class Pace:
    """How often the line is looked at while something moves, over the last twenty seconds or so."""

    moving_ms: float = 0.0
    late_ms: float = 0.0
    looks: float = 0.0

    def note(self, passed_ms: int, *, is_late: bool) -> None:
        """Take in a look, and how long after the one before it was."""
        kept = max(0.0, 1 - passed_ms / (2 * _LEAST_TIME_MS))
        self.moving_ms = self.moving_ms * kept + passed_ms
        self.late_ms = self.late_ms * kept + passed_ms * is_late
        self.looks = self.looks * kept + 1

    @property
    def looks_per_s(self) -> float | None:
        """Return the looks a second; None: too little has moved to tell."""
        return 1000 * self.looks / self.moving_ms if self.moving_ms >= _LEAST_TIME_MS else None

    @property
    def is_slow(self) -> bool:
        return self.looks_per_s is not None and self.late_ms > _LATE_SHARE * self.moving_ms


@dataclass(eq=False)
class Counter:
    """The counter of one camera. `faces`: None if faces are not looked for; `look_ms`: the time
    between two looks; `film`: what keeps a film without people, None if nothing does."""

    line: CountLine
    detector: PersonDetector
    minutes: Minutes
    faces: FaceFinder | None = None
    look_ms: float = 1000 * LOOK_S
    film: FilmKeeper | None = None
    trouble: str | None = field(default=None, init=False)
    trouble_name: Trouble | None = field(default=None, init=False)
    """What a heartbeat calls it."""
    """Why it cannot count until somebody helps; None: nothing is wrong, though it may be night."""
    tracks: BodyTracks = field(default_factory=BodyTracks, init=False)
    looks: int = field(default=0, init=False)
    is_blind: bool = field(default=False, init=False)
    """Whether the camera shows nothing useful, as somebody else has found (BlockageCheck)."""
    box_is_busy: bool = field(default=False, init=False)
    """Whether this machine works on the frames most of the time, as somebody else has measured."""
    pace: Pace = field(default_factory=Pace, init=False)

    def __post_init__(self) -> None:
        self._background = Background(Areas((make_band(self.line),)))
        self._extents_px: deque[float] = deque(maxlen=_SIZES)
        self._moved_ms = self._told_ms = self._followed_ms = -(10**9)
        self._ticks, self._still_ticks = (
            Ticks(self.look_ms, early_ms=EARLY_SHARE * self.look_ms) for _ in range(2)
        )
        self._crowding = Crowding()
        self._brightness, self._noise, self._noise_ticks = LIGHT, 0.0, Ticks(_NOISE_MS)

    def look(self, frame: Frame) -> Frame:
        """Look at a frame if that is due, and count; return the frame as it is."""
        with suppress(OSError):  # half a picture; the next one comes soon
            self._look(frame, find_time_ms(frame))
        return frame

    def note_still(self, at_ms: int) -> None:
        """Note that nothing moves, as reported by another part: the camera counts as watched,
        unless it shows nothing."""
        doubt = self._find_blindness()
        if doubt is None:
            self._hold_still(at_ms)
        else:
            self._tell_time(at_ms, MOST_STILL_MS, doubt)

    def _find_blindness(self) -> Doubt | None:
        """Say why the newest picture shows nobody, also if people are there; None: it would."""
        if self.is_blind:
            return "moved"
        return "dark" if is_too_dark(self._brightness, self._noise) else None

    def _look(self, frame: Frame, at_ms: int) -> None:
        grey = frame.grey(Background.SIZE_PX)
        change, self._brightness = self._background.measure_change(grey), measure_brightness(grey)
        if change is None or self._background.is_motion(change, LEAST_MOTION):
            self._moved_ms = at_ms
        if self._noise_ticks.is_due(at_ms):
            self._noise_ticks.take(at_ms)
            self._noise = measure_noise(frame.shrink(self.detector.canvas_px, "L"))
        doubt, is_still = self._find_blindness(), at_ms - self._moved_ms > STAY_MS
        ticks = self._still_ticks if doubt or is_still else self._ticks
        is_due = ticks.is_due(at_ms)
        if is_due:
            ticks.take(at_ms)
            if self.film is not None:
                self.film.note_picture(grey, self._background, at_ms)
        if doubt is not None:
            self._tell_time(at_ms, MOST_STILL_MS, doubt)
        elif is_still:
            self._hold_still(at_ms)
        elif is_due:
            self._count(frame, at_ms)

    def _tell_time(self, at_ms: int, most_ms: int, why: Doubt | None = None) -> None:
        """Tell the minutes of the time that has passed: watched, or lost for a reason.

        `most_ms`: from a longer time on nobody watched. `why`: what else speaks against it.
        """
        passed_ms, self._told_ms = at_ms - self._told_ms, at_ms
        if not 0 < passed_ms <= OUTAGE_MS:
            return
        doubt = why or ("slow" if passed_ms > most_ms else None)
        if doubt is None:
            self.minutes.watch(at_ms, passed_ms)
        else:
            self.minutes.doubt(at_ms, passed_ms, doubt)

    def _hold_still(self, at_ms: int) -> None:
        self._tell_time(at_ms, MOST_STILL_MS)
        self.tracks.hold_still(max(0, at_ms - self._followed_ms))
        self._followed_ms = at_ms

    def _count(self, frame: Frame, at_ms: int) -> None:
        """Find people, follow them, and count who crosses."""
        self.looks += 1
        self._note_pace(at_ms)
        canvas = frame.shrink(self.detector.canvas_px, "RGB")
        bodies = self.detector.find_bodies(lighten(canvas, self._brightness), frame.size)
        if self.film is not None:
            self.film.note_bodies(bodies, frame.size, at_ms)
        line = self.line.place_in(frame.size)
        gone = set(self.tracks.live)
        seen = self.tracks.follow_bodies(bodies, at_ms)
        gone -= set(self.tracks.live)
        if self.faces is not None and seen:
            self._join_faces(self.faces.find_faces(frame), seen)
        crossed = [
            *(self._note(track, track.find_last_crossing(line, frame.size)) for track in gone),
            *(self._note(track, track.find_crossing(line)) for track in seen),
        ]
        self._crowding.note(gone, seen, sum(crossed), line, frame.size, at_ms)
        self._tell_time(at_ms, MOST_GAP_MS, self._find_doubt(bodies, line, frame.size))

    def _note_pace(self, at_ms: int) -> None:
        passed_ms, self._followed_ms = at_ms - self._followed_ms, at_ms
        if 0 < passed_ms <= OUTAGE_MS:
            self.pace.note(passed_ms, is_late=passed_ms > MOST_GAP_MS)

    def _note(self, track: BodyTrack, way: Way | None) -> bool:
        """Count somebody who crossed; return whether anybody did."""
        if way is None:
            return False
        self.minutes.cross(Crossing(track.seen_ms, way, track.has_face))
        track.has_crossed = True
        track.entered_ms = track.seen_ms if way == "in" and not track.has_face else None
        return True

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

    def _find_doubt(
        self, bodies: Sequence[Body], line: PlacedLine, size_px: tuple[int, int]
    ) -> Doubt | None:
        """Say what speaks against this look, and what `trouble` lasts: too large people for this
        line, too many of them, or too few looks."""
        sure = [body for body in bodies if body.score >= SURE]
        self._extents_px += [line.measure_extent(*body.box_xywh[2:]) for body in sure]
        room_px = self.line.measure_room() * line.measure_extent(*size_px)
        is_narrow = self._find_extent_px() * LEAST_ROOM > room_px
        self.trouble = self.trouble_name = None
        if is_narrow:
            self.trouble_name = Trouble.NARROW
            self.trouble = f"not counted: {REASONS['narrow']}"
            return "narrow"
        if self.pace.is_slow:
            self.trouble_name, self.trouble = Trouble.SLOW, self._describe_pace()
        return "crowd" if self._crowding.is_crowded(sure, line) else None

    def _describe_pace(self) -> str:
        """Say how often it looks, how often it should, and what helps."""
        needed, help_ = 1000 / self.look_ms, "let the camera send more pictures a second"
        if self.box_is_busy:
            help_ = (
                "this machine is too slow for all that: take a camera off it, or a stream of fewer "
                "pixels, or `best_shot`"
            )
        per_s = self.pace.looks_per_s or 0.0
        return f"not counted: {per_s:.1f} looks a second, {needed:.0f} are needed: {help_}"

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
