"""The view of a morning: what a camera shows when its shop opens, without the people who pass, and
whether that is what it showed on the mornings before."""

from __future__ import annotations

import io
import json
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple

from PIL import Image

from regulars_edge.frames import JPEG_QUALITY, Frame
from regulars_edge.sources.blockage_check import (
    DIM,
    NO_MEMORY,
    SIZE_PX,
    find_brightest,
    find_outline,
    measure_sharpness,
    measure_steps,
    parse_number,
    parse_text,
)

LOOKS, LOOK_EVERY_S = 15, 40.0
"""Looks of which the middle one counts at each point: who does not stand there for five of ten
minutes is not seen."""
DARK_LOOKS = 180
"""After two hours of darkness the view is dark: before, nobody has switched the lights on yet."""
MORNINGS = 7
"""Mornings with which one is compared: it may be grey today, and was sunny last week."""
TILES = 4
"""Tiles along each side of the picture, of which each has an outline."""
SAME_SHARE, STRANGE_TILES = 0.35, 4
"""Share of a tile's outline that is there on another morning, too; so many tiles without it, and
the view has changed. By chance the share is 0.15."""
BLURRED_SHARE = 0.75
"""How sharp the view is, as a share of the least that was right."""


class View(NamedTuple):
    """A view of a morning.

    `outlines`: those of the tiles, 0 if a tile has none; `sharpness`: None if it has too little
    contrast.
    """

    outlines: list[int]
    sharpness: float | None

    def is_like(self, other: View) -> bool:
        strange = sum(
            (mine == 0) != (its == 0)
            or (mine & its).bit_count() < SAME_SHARE * max(mine.bit_count(), its.bit_count())
            for mine, its in zip(self.outlines, other.outlines, strict=True)
        )
        return strange < STRANGE_TILES

    def is_blurred(self, others: list[View]) -> bool:
        usual = [other.sharpness for other in others if other.sharpness is not None]
        return self.sharpness is not None and self.sharpness < BLURRED_SHARE * min(usual, default=0)


class MorningView:
    """Taker of a camera's view, once it `is_wanted`.

    `picture`: a JPEG that waits to be sent; `is_changed`: whether the last view is another than
    those of the mornings before, and nobody has said that it is right; `right_at`: when a person
    said so last, which the next look takes in.
    """

    def __init__(
        self, now: Callable[[], float], keep: Callable[[str], object] = str, memory: str = ""
    ) -> None:
        """`now`: a time in s that only goes forward; `keep`: keeps a text, which the next process
        gives as `memory`."""
        self._now, self._keep = now, keep
        self._looked_at = float("-inf")
        self._looks: list[Image.Image] = []
        self._dark_count = 0
        self._right: deque[View] = deque(maxlen=MORNINGS)
        self._last: View | None = None
        """The last one, if it has changed and is not dark."""
        self.right_at: str | None = None
        self._heard_right_at: str | None = None
        self.is_wanted = self.is_changed = False
        self.picture: bytes | None = None
        with suppress(*NO_MEMORY):  # another version's: it learns anew
            self._recall(json.loads(memory or "{}"))

    def _note(self) -> None:
        parts = {
            "right": [*self._right],
            "last": self._last,
            "is_changed": self.is_changed,
            "right_at": self._heard_right_at,
        }
        self._keep(json.dumps(parts, separators=(",", ":")))

    def _recall(self, parts: dict[str, Any]) -> None:
        if parts:
            right = [_recall_view(*view) for view in parts["right"]]
            last = None if parts["last"] is None else _recall_view(*parts["last"])
            right_at = parse_text(parts["right_at"])
            self._right.extend(right)
            self._last, self.is_changed = last, parts["is_changed"] is True
            self.right_at = self._heard_right_at = right_at

    def look(self, frame: Frame) -> Frame:
        """Look at a frame if a view is wanted, each LOOK_EVERY_S; return the frame as it is."""
        if self.right_at != self._heard_right_at:
            self._hear_right()
        if self.is_wanted and self._now() - self._looked_at >= LOOK_EVERY_S:
            self._looked_at = self._now()
            with suppress(OSError):  # half a picture; the next one comes soon
                self._take_look(frame.grey(SIZE_PX), frame.size)
        return frame

    def _take_look(self, grey: Image.Image, size_px: tuple[int, int]) -> None:
        is_dark = find_brightest(grey) <= DIM
        self._dark_count += is_dark
        if not is_dark:
            self._looks.append(grey)
        if len(self._looks) == LOOKS or self._dark_count == DARK_LOOKS:
            view = find_middle(self._looks) if len(self._looks) == LOOKS else grey
            self.is_wanted, self._looks, self._dark_count = False, [], 0
            self._judge(view)
            self._note()
            self.picture = _encode_view(view, size_px)

    def _judge(self, grey: Image.Image) -> None:
        """Compare the view with those that were right. A dark one has changed, and is not learnt:
        the lens may be covered each morning."""
        if find_brightest(grey) <= DIM:
            self._last, self.is_changed = None, True
            return
        view = read_view(grey)
        self.is_changed = bool(self._right) and (
            view.is_blurred([*self._right]) or not any(map(view.is_like, self._right))
        )
        self._last = view if self.is_changed else None
        if not self.is_changed:
            self._right.append(view)

    def _hear_right(self) -> None:
        """Take in that a person says that the last view is right: the next ones may be like it."""
        self._heard_right_at = self.right_at
        if self._last is not None:
            self._right.append(self._last)
        self._last, self.is_changed = None, False
        self._note()


def _recall_view(outlines: list[Any], sharpness: object) -> View:
    """Return a view that was noted. Raises TypeError, ValueError."""
    if len(outlines) != TILES**2 or not all(type(outline) is int for outline in outlines):
        raise ValueError(f"a view has {TILES**2} outlines")
    return View(list(outlines), parse_number(sharpness))


def find_middle(looks: list[Image.Image]) -> Image.Image:
    """Return the median grey level of each point: a person who passes leaves no trace."""
    middle = len(looks) // 2
    levels = zip(*(look.tobytes() for look in looks), strict=True)
    return Image.frombytes("L", looks[0].size, bytes(sorted(point)[middle] for point in levels))


def read_view(grey: Image.Image) -> View:
    """Return what the tiles show; the rows at top and bottom, of a clock or a name, are left
    out."""
    small = grey.resize((96, 72), Image.Resampling.BOX)
    steps, rim = measure_steps(small), small.height // 12
    width, height = small.width // TILES, (small.height - 2 * rim) // TILES
    boxes = [
        (x * width, rim + y * height, (x + 1) * width, rim + (y + 1) * height)
        for y in range(TILES)
        for x in range(TILES)
    ]
    return View([find_outline(steps.crop(box)) for box in boxes], measure_sharpness(grey))


def _encode_view(grey: Image.Image, size_px: tuple[int, int]) -> bytes:
    """Make a JPEG as wide as it was looked at: nobody is known by a face in it."""
    width, height = size_px
    whole = grey.resize((grey.width, max(1, round(grey.width * height / width)))) if width else grey
    out = io.BytesIO()
    whole.save(out, "JPEG", quality=JPEG_QUALITY)
    return out.getvalue()
