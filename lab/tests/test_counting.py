"""The uploader's count of people, on a clip of six who come one after another, stand, and leave."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Sequence
from copy import copy

import pytest
from hypothesis import settings
from PIL import Image
from regulars_edge.choose.chooser import find_time_ms
from regulars_edge.clock import Moment
from regulars_edge.count.counter import Counter
from regulars_edge.count.line import CountLine, Crossing, parse_line
from regulars_edge.count.people import CANVAS_PX, Body, PersonDetector
from regulars_edge.frames import Frame, Mode
from regulars_edge.sources.video import VideoFileSource
from regulars_edge.spool.model import Stamp

from regulars_lab import studio
from tests.support.examples import LONG, every

CLIP = studio.SHARED / "data" / "clips" / "one-by-one-person-detection.mp4"
SECONDS = 140 if settings.get_current_profile_name() == LONG else 47
"""Of the clip: all by `make count`, and two of the six people else."""
LEFT_S = [at for at in (19.3, 44.3, 69.3, 86.3, 119.3, 135.3) if at < SECONDS]
"""When each left across a line at 0.8 of the width, by eye."""


class Seen(Frame):
    """A frame of the clip, as small as it is looked at."""

    def __init__(self, frame: Frame) -> None:
        self.stamp, self.size = frame.stamp, frame.size
        self._canvas = frame.shrink(CANVAS_PX, "RGB")

    def hurry(self, times: float) -> Seen:
        """Return it as it comes in a film that is so many times as fast."""
        at_ms = round(find_time_ms(self) / times)
        faster = copy(self)
        faster.stamp = Stamp(Moment("boot", at_ms, at_ms))
        return faster

    def shrink(self, size_px: tuple[int, int], mode: Mode) -> Image.Image:
        return self._canvas.convert(mode).resize(size_px, Image.Resampling.BOX)


class Noted:
    """The crossings alone."""

    def __init__(self) -> None:
        self.crossings: list[Crossing] = []
        self.lost_ms = 0

    def watch(self, at_ms: int, watched_ms: int) -> None: ...

    def doubt(self, at_ms: int, lost_ms: int, why: str) -> None:
        self.lost_ms += lost_ms

    def cross(self, crossing: Crossing) -> None:
        self.crossings.append(crossing)

    def add_face(self, entered_ms: int) -> None: ...

    def flush(self) -> None: ...


class Remembered:
    """Looks once at each picture, for all lines and rates."""

    canvas_px = CANVAS_PX

    def __init__(self) -> None:
        self._detector = PersonDetector()
        self._known: dict[bytes, list[Body]] = {}

    def find_bodies(self, canvas: Image.Image, size_px: tuple[int, int]) -> list[Body]:
        key = canvas.tobytes()
        if key not in self._known:
            self._known[key] = self._detector.find_bodies(canvas, size_px)
        return self._known[key]


@pytest.fixture(scope="module")
def clip() -> list[Seen]:
    """Ten frames a second."""
    frames = VideoFileSource(CLIP, 0.1).frames(threading.Event())
    return [Seen(frame) for frame in itertools.islice(frames, 10 * SECONDS) if frame is not None]


@pytest.fixture(scope="module")
def detector() -> Remembered:
    return Remembered()


def count(frames: Sequence[Frame], line: CountLine, detector: object, look_ms: float) -> Noted:
    minutes = Noted()
    counter = Counter(line, detector, minutes, look_ms=look_ms)  # type: ignore[arg-type]
    for frame in frames:
        counter.look(frame)
    return minutes


CASES = list(itertools.product((2, 1, 3), (0.75, 0.65, 0.7, 0.8)))
"""Each second frame of ten a second, and so on; and where the line is, in shares of the width."""


@pytest.mark.parametrize(("each", "across"), every(CASES, len(CASES)))
def test_each_counts_once_when_he_leaves(
    clip: list[Seen], detector: Remembered, each: int, across: float
) -> None:
    """Whichever frames are looked at, and though each stands for up to 25 s."""
    line = parse_line([[across, 0.0], [across, 1.0]])
    began_ms = find_time_ms(clip[0])
    for first in range(each):
        minutes = count(clip[first::each], line, detector, 100 * each)
        found = [(one.at_ms - began_ms) / 1000 for one in minutes.crossings]
        print(f"{across} each {each} from {first}: {found}, {minutes.lost_ms} ms not trusted")
        assert {one.way for one in minutes.crossings} == {"out"}
        if (across, each) == (0.8, 3):  # two are not seen beyond the line, in no look
            assert 4 <= len(found) <= len(LEFT_S)
            continue
        assert len(found) == len(LEFT_S)
        if across == 0.8:
            assert found == pytest.approx(LEFT_S, abs=1.0)


@pytest.mark.parametrize("across", [0.75, 0.8])
@pytest.mark.parametrize("times", [1.5, 2])
@pytest.mark.parametrize("each", [1, 2])
def test_each_counts_who_leaves_faster(
    clip: list[Seen], detector: Remembered, across: float, times: float, each: int
) -> None:
    """He stands, and in two looks he is out of the picture. Of the six, the fifth is not found in
    the first look at his way out; at 7.5 frames a second there may be no other."""
    line = parse_line([[across, 0.0], [across, 1.0]])
    missed = int((each, times) == (2, 1.5) and len(LEFT_S) == 6)
    for first in range(each):
        frames = [frame.hurry(times) for frame in clip[first::each]]
        minutes = count(frames, line, detector, 200)
        ways = [one.way for one in minutes.crossings]
        print(f"{across} {times} times as fast, each {each} from {first}: {len(ways)}")
        assert set(ways) == {"out"}
        assert len(LEFT_S) - missed <= len(ways) <= len(LEFT_S)


def test_a_line_at_the_edge_is_refused_in_words(clip: list[Seen], detector: Remembered) -> None:
    """People are taller there than what is left below the line."""
    minutes = Noted()
    counter = Counter(parse_line([[0.0, 0.72], [1.0, 0.72]]), detector, minutes)  # type: ignore[arg-type]
    for frame in clip[:300:2]:
        counter.look(frame)
    assert minutes.crossings == []
    assert "hang the camera higher, or turn the line" in str(counter.trouble)
