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
from regulars_edge.count.table import Comparison, FilmCrossing, describe_time, read_table
from regulars_edge.errors import Misconfigured
from regulars_edge.frames import Frame
from regulars_edge.sources.video import VideoFileSource, measure_film_s
from regulars_edge.spool.counts import LEAST_WATCHED, MINUTE_MS

LONGEST_SIDE_PX = 960
"""Of the film that is written."""
_SHOWN_MS = 1_000
"""For so long a crossing colours the line."""
_IN, _OUT, _LINE, _BOX = "#20c060", "#f08020", "#f0f040", "#40a0f0"


@dataclass(eq=False)
class FilmMinutes:
    """The crossings of a film, as they come, and how much of each of its minutes was watched."""

    began_ms: int | None = None
    """The time of the first frame."""
    crossings: list[Crossing] = field(default_factory=list)
    watched: Counts[int] = field(default_factory=Counts)
    """In ms by minute."""
    lost: Counts[tuple[int, Doubt]] = field(default_factory=Counts)
    """In ms by minute and reason."""

    def watch(self, at_ms: int, watched_ms: int) -> None:
        self.watched[self._find_minute(at_ms)] += watched_ms

    def doubt(self, at_ms: int, lost_ms: int, why: Doubt) -> None:
        self.lost[self._find_minute(at_ms), why] += lost_ms

    def _find_minute(self, at_ms: int) -> int:
        return (at_ms - (self.began_ms or 0)) // MINUTE_MS

    def sum_lost(self, minute: int | None = None) -> Counts[Doubt]:
        """Return the time that is not to be trusted, in ms by reason; None: of all minutes."""
        sums: Counts[Doubt] = Counts()
        for (at, why), lost_ms in self.lost.items():
            sums[why] += lost_ms if minute in (None, at) else 0
        return +sums

    def is_trusted(self, minute: int | None = None) -> bool:
        """Tell whether enough of a minute was watched; None: of the film."""
        watched_ms = self.watched.total() if minute is None else self.watched[minute]
        return watched_ms >= LEAST_WATCHED * (watched_ms + self.sum_lost(minute).total())

    def list_by_film(self) -> list[FilmCrossing]:
        """List the crossings by the film's time."""
        began_ms = self.began_ms or 0
        return [FilmCrossing((one.at_ms - began_ms) / 1000, one.way) for one in self.crossings]

    def list_unknown(self) -> frozenset[int]:
        """List the minutes that have no numbers."""
        return frozenset(at for at, _ in self.lost if not self.is_trusted(at))

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
    table = read_table(arguments.times, measure_film_s(film)) if arguments.times else None
    minutes = FilmMinutes()
    faces, look_ms = FaceFinder(Detector(), SMALLEST_FACE_PX), 1000 / arguments.looks
    counter = Counter(line, PersonDetector.of_machine(), minutes, faces, look_ms)
    print(f"{film}: in is {describe_way(line)}")
    _count_film(film, shown, counter, minutes)
    _print_sum(minutes, counter)
    if table is not None:
        comparison = Comparison(table, minutes.list_by_film(), minutes.list_unknown())
        for text in list_differences(comparison, minutes):
            print(text)
    print(f"{shown} shows it, and people: delete it when you have looked")
    return exits.OK if minutes.is_trusted() else exits.INCOMPLETE


def _count_film(film: Path, shown: Path, counter: Counter, minutes: FilmMinutes) -> None:
    """Count the people of a film, print each crossing, and write the film that shows them."""
    interval_s = counter.look_ms / 1000
    with _writing_film(shown, interval_s) as write:
        for frame in VideoFileSource(film, interval_s).frames(threading.Event()):
            if frame is None:
                continue
            at_ms, told = find_time_ms(frame), len(minutes.crossings)
            if minutes.began_ms is None:
                minutes.began_ms = at_ms
            counter.look(frame)
            for crossing in minutes.crossings[told:]:
                print(_describe(crossing, minutes.began_ms), flush=True)
            write(_draw(frame, counter, minutes.crossings, at_ms))


def list_differences(comparison: Comparison, minutes: FilmMinutes) -> Iterator[str]:
    """List what a count and a table say of each minute, and the sum; if a share is low, which
    minutes are wrong, and what speaks against them."""
    yield from comparison.list_matches()
    for minute in sorted(comparison.unknown):
        reasons = "; ".join(_describe_lost(minutes.sum_lost(minute)))
        yield f"minute {minute} has no numbers, and is left out: {reasons}"
    yield comparison.describe()
    if not comparison.is_good:
        for minute, numbers in comparison.describe_wrong():
            reasons = "".join(f"; {text}" for text in _describe_lost(minutes.sum_lost(minute)))
            yield f"minute {minute} is wrong: {numbers}{reasons}"


def describe_way(line: CountLine) -> str:
    """Say which way in the picture is in."""
    dx, dy = line.second[0] - line.first[0], line.second[1] - line.first[1]
    if abs(dx) >= abs(dy):
        return "downwards" if dx > 0 else "upwards"
    return "to the left" if dy > 0 else "to the right"


def _describe(crossing: Crossing, began_ms: int) -> str:
    time = describe_time((crossing.at_ms - began_ms) / 1000)
    face = ", with a face" if crossing.way == "in" and crossing.has_face else ""
    return f"{time:>8} {crossing.way}{face}"


def _print_sum(minutes: FilmMinutes, counter: Counter) -> None:
    ways = [crossing.way for crossing in minutes.crossings]
    width, height = counter.detector.canvas_px
    sums = f"{ways.count('in')} in, {ways.count('out')} out"
    print(f"{sums}; {counter.looks} looks at {width}x{height}")
    for text in _describe_lost(minutes.sum_lost()):
        print(text)
    if not minutes.is_trusted():
        print("a minute like this film has no numbers")


def _describe_lost(lost: Counts[Doubt]) -> list[str]:
    """Say why which time is not to be trusted; in ms by reason."""
    return [
        f"{lost_ms / 1000:.1f} s are not to be trusted: {REASONS[doubt]}"
        for doubt, lost_ms in lost.most_common()
    ]


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
