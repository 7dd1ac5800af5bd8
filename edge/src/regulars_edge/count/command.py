"""`regulars-edge count --check FILM`: who crosses a line in a film, and a film that shows it."""

from __future__ import annotations

import argparse
import os
import threading
from collections import Counter as Counts
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

from regulars_edge import exits, logs
from regulars_edge.choose.chooser import find_time_ms
from regulars_edge.choose.faces import SMALLEST_FACE_PX, Detector, FaceFinder
from regulars_edge.count.counter import Counter
from regulars_edge.count.doubt import REASONS, Doubt
from regulars_edge.count.line import CountLine, Crossing
from regulars_edge.count.people import PersonDetector
from regulars_edge.errors import Misconfigured
from regulars_edge.frames import Frame
from regulars_edge.sources.video import VideoFileSource
from regulars_edge.spool.counts import LEAST_WATCHED

LONGEST_SIDE_PX = 960
"""Of the film that is written."""
_SHOWN_MS = 1_000
"""For so long a crossing colours the line."""
_IN, _OUT, _LINE, _BOX = "#20c060", "#f08020", "#f0f040", "#40a0f0"


@dataclass(eq=False)
class FilmMinutes:
    """The crossings of a film, as they come; its minutes are not needed."""

    crossings: list[Crossing] = field(default_factory=list)
    watched_ms: int = 0
    lost: Counts[Doubt] = field(default_factory=Counts)
    """In ms by reason."""

    def watch(self, at_ms: int, watched_ms: int) -> None:  # noqa: ARG002 - a film is one time
        self.watched_ms += watched_ms

    def doubt(self, at_ms: int, lost_ms: int, why: Doubt) -> None:  # noqa: ARG002 - as above
        self.lost[why] += lost_ms

    @property
    def is_trusted(self) -> bool:
        """Return whether enough of the film was watched, as of a minute."""
        return self.watched_ms >= LEAST_WATCHED * (self.watched_ms + self.lost.total())

    def cross(self, crossing: Crossing) -> None:
        self.crossings.append(crossing)

    def add_face(self, entered_ms: int) -> None:
        """Do nothing: the crossing has been printed."""

    def flush(self) -> None:
        """Do nothing: nothing is stored."""


def count(arguments: argparse.Namespace) -> int:
    """Print each crossing of a film, and write a film with boxes and line.

    Raises Misconfigured, SourceFailed.
    """
    logs.log_to_stderr("text", "error")
    line, film = arguments.line, arguments.check
    shown = arguments.film or Path(f"{film.stem}.counted.mp4")
    if not film.is_file():
        raise Misconfigured(f"{film} is no file: give a film of the camera")
    if shown.exists():
        raise Misconfigured(f"{shown} is there already: remove it, or name another with --film")
    if not os.access(shown.absolute().parent, os.W_OK):
        raise Misconfigured(f"{shown} cannot be written: name one in a folder of yours with --film")
    minutes = FilmMinutes()
    faces = FaceFinder(Detector(), SMALLEST_FACE_PX)
    interval_s = 1 / arguments.looks
    counter = Counter(line, PersonDetector.of_machine(), minutes, faces, 1000 * interval_s)
    print(f"{film}: in is {describe_way(line)}")
    began_ms: int | None = None
    with _writing_film(shown, interval_s) as write:
        for frame in VideoFileSource(film, interval_s).frames(threading.Event()):
            if frame is None:
                continue
            told = len(minutes.crossings)
            counter.look(frame)
            at_ms = find_time_ms(frame)
            began_ms = at_ms if began_ms is None else began_ms
            for crossing in minutes.crossings[told:]:
                print(_describe(crossing, began_ms), flush=True)
            write(_draw(frame, counter, minutes.crossings, at_ms))
    _print_sum(minutes, counter)
    print(f"{shown} shows it, and people: delete it when you have looked")
    return exits.OK if minutes.is_trusted else exits.INCOMPLETE


def describe_way(line: CountLine) -> str:
    """Say which way in the picture is in."""
    dx, dy = line.second[0] - line.first[0], line.second[1] - line.first[1]
    if abs(dx) >= abs(dy):
        return "downwards" if dx > 0 else "upwards"
    return "to the left" if dy > 0 else "to the right"


def _describe(crossing: Crossing, began_ms: int) -> str:
    minutes, seconds = divmod((crossing.at_ms - began_ms) / 1000, 60)
    face = ", with a face" if crossing.way == "in" and crossing.has_face else ""
    return f"{minutes:3.0f}:{seconds:04.1f} {crossing.way}{face}"


def _print_sum(minutes: FilmMinutes, counter: Counter) -> None:
    ways = [crossing.way for crossing in minutes.crossings]
    width, height = counter.detector.canvas_px
    sums = f"{ways.count('in')} in, {ways.count('out')} out"
    print(f"{sums}; {counter.looks} looks at {width}x{height}")
    for doubt, lost_ms in minutes.lost.most_common():
        print(f"{lost_ms / 1000:.1f} s are not to be trusted: {REASONS[doubt]}")
    if not minutes.is_trusted:
        print("a minute like this film has no numbers")


def _draw(frame: Frame, counter: Counter, crossings: list[Crossing], at_ms: int) -> Image.Image:
    """Draw people, line and sums into a frame."""
    picture = frame.image()
    picture.thumbnail((LONGEST_SIDE_PX, LONGEST_SIDE_PX))
    picture = picture.crop((0, 0, picture.width // 2 * 2, picture.height // 2 * 2))
    draw, scale = ImageDraw.Draw(picture), picture.width / frame.size[0]
    for track in counter.tracks.live:
        x, y, width, height = (scale * number for number in track.body.box_xywh)
        box = (x, y, x + max(1.0, width), y + max(1.0, height))
        draw.rectangle(box, outline=_BOX, width=3 if track.seen_ms == at_ms else 1)
    newest = crossings[-1] if crossings else None
    colour = _LINE
    if newest is not None and at_ms - newest.at_ms < _SHOWN_MS:
        colour = _IN if newest.way == "in" else _OUT
    placed = counter.line.place_in(picture.size)
    draw.line((placed.first, placed.second), fill=colour, width=4)
    ways = [crossing.way for crossing in crossings]
    draw.rectangle((0, 0, 150, 24), fill="black")
    draw.text((6, 6), f"in {ways.count('in')}  out {ways.count('out')}", fill="white")
    return picture


@contextmanager
def _writing_film(file: Path, interval_s: float) -> Iterator[Any]:
    """Give a function that adds a picture to a film, which ordinary players show.

    Its owner alone may read it. Raises FileExistsError if it is there.
    """
    import av  # a box without the extra hears of it when VideoFileSource is imported

    file.touch(mode=0o600, exist_ok=False)
    with av.open(str(file), "w", format="mp4") as container:
        stream = container.add_stream("h264", rate=Fraction(1 / interval_s).limit_denominator(100))
        stream.pix_fmt = "yuv420p"

        def write(picture: Image.Image) -> None:
            if not stream.codec_context.is_open:
                stream.width, stream.height = picture.size
            drawn: Any = av.VideoFrame.from_image(picture)  # type: ignore[no-untyped-call]
            container.mux(stream.encode(drawn))

        yield write
        container.mux(stream.encode(None))
