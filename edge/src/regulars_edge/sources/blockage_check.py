"""Faults of a camera by its pictures: not to be opened, black, blank, blurred, another than usual,
or frozen."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from statistics import median
from typing import NamedTuple

from PIL import Image, ImageChops

from regulars_edge.frames import Frame

LOOK_S = 10.0
"""How often a camera is looked at for a covered or dark lens, in s."""
SIZE_PX, SMALL_PX = (256, 192), (64, 48)
MOST_UNOPENED = 3
"""So many in turn that cannot be opened, and the camera gives nothing."""
BLACK, BLANK = 12, 10
"""Grey levels of a thumbnail without its darkest and brightest pixels (CLOCK_SHARE): the brightest
of a black picture, and from the darkest to the brightest of a covered lens."""
CLOCK_SHARE = 0.05
"""Share of the pixels that a clock or a name, which most cameras write into the picture, may
have."""
FROZEN_S = 1_800.0
"""For so long a sensor's noise changes more of a thumbnail's pixels than a clock does."""
HOUR_S, DAY_S, WEEK_S = 3_600.0, 86_400.0, 604_800.0
DUSK_DRIFT_S = 5_400.0
"""By so much dusk and closing time differ from one day or week to the next."""
FLICKER_S = 1_800.0
"""A light that goes out again so soon ends no night."""
LONGEST_NIGHT_S = 3 * DAY_S
"""How long darkness may last that usually comes at this hour, in s; after it, it is a fault."""
FEWEST_HOURS = 6
"""Hours of the last day that show something: with fewer nothing is usual."""
CHANGE_TOLD_AFTER_S = 1_200.0
"""For so long a picture is another than usual, or blurred, until that is told: people pass, lamps
are switched. A black or blank picture is told at once."""
EDGES, FAINT = 0.15, 4
"""Share of a thumbnail's pixels that make its outline, and the grey levels between neighbours that
are no outline."""
SAME_SHARE = 0.3
"""Share of an outline that is that of another hour, too, if the camera looks the same way. By
chance it is EDGES."""
STRANGE_QUARTERS = 2
"""So many of a picture's four quarters show something else, and it is told: vans park, and goods
are put up."""
DIM, AS_BRIGHT = 24, 1.25
"""Grey levels of the brightest pixels (CLOCK_SHARE) of a quarter in which nothing is looked for,
and by how much a quarter without outline may be brighter than an hour in which it had none
either."""
BLURRED_SHARE = 0.75
"""How sharp a picture is, as a share of the least that was usual."""
BLOCK_PX, CONTRAST, LEAST_BLOCKS = 32, 40, 4
"""Parts of a picture of which the middle one says how sharp it is: those with such a contrast, if
enough have it."""


class BlockageCheck:
    """A check of one frame in LOOK_S.

    `trouble`: what is wrong, in words; `is_blind`: its pictures cannot be opened.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._looked_at = float("-inf")
        self._unopened = 0
        self._first: Image.Image | None = None
        self._changed: Image.Image | None = None
        self._since = 0.0
        self._usual = Usual()
        self._nights = Nights()
        self.trouble: str | None = None

    @property
    def is_blind(self) -> bool:
        return self._unopened >= MOST_UNOPENED

    def look(self, frame: Frame) -> None:
        """Look at a frame, if the last look was LOOK_S ago, and set `trouble`."""
        now = self._now()
        if now - self._looked_at < LOOK_S:
            return
        self._looked_at = now
        try:
            grey = frame.grey(SIZE_PX)
        except OSError as error:
            self._unopened += 1
            self.trouble = f"its pictures cannot be opened: {error}" if self.is_blind else None
            return
        self._unopened = 0
        small = grey.resize(SMALL_PX, Image.Resampling.BOX)
        darkness = _explain_dark(small)
        unchanged_s = self._measure_unchanged_s(small, now)
        if self._nights.is_usual(darkness is not None, now):
            self.trouble = None
        elif darkness is None and unchanged_s >= FROZEN_S:
            self.trouble = (
                f"its picture has stood still for {unchanged_s / 60:.0f} minutes: "
                "start the camera anew"
            )
        else:
            self.trouble = darkness or self._usual.find_change(
                _read_quarters(small), _measure_sharpness(grey), now
            )

    def _measure_unchanged_s(self, grey: Image.Image, now: float) -> float:
        """Return for how long no more of the picture has changed than a clock in it may."""
        if self._first is not None and self._changed is not None:
            difference = ImageChops.difference(grey, self._first).point(
                lambda grey: 255 * (grey > 0)
            )
            self._changed = ImageChops.lighter(self._changed, difference)
            if self._changed.histogram()[255] <= CLOCK_SHARE * grey.width * grey.height:
                return now - self._since
        self._first, self._changed, self._since = grey, grey.point(lambda _: 0), now
        return 0.0


class Nights:
    """Memory of the nights: when nothing was to be seen, from when to when."""

    def __init__(self) -> None:
        self._began: float | None = None
        self._past: deque[tuple[float, float]] = deque(maxlen=50)
        self._is_usual = False

    def is_usual(self, is_dark: bool, now: float) -> bool:
        """Tell whether it is dark and became so about when it was dark a week ago; in the first
        week, a day ago."""
        self._began = now if self._began is None else self._began
        if not is_dark:
            return False
        since, until = self._past[-1] if self._past else (now, float("-inf"))
        if now - until > FLICKER_S:
            then = now - (WEEK_S if now - self._began > WEEK_S else DAY_S)
            self._is_usual = any(
                began - DUSK_DRIFT_S <= then <= ended + DUSK_DRIFT_S for began, ended in self._past
            )
            self._past.append((now, now))
            return self._is_usual
        self._past[-1] = since, now
        return self._is_usual and now - since < LONGEST_NIGHT_S


class Quarter(NamedTuple):
    """A quarter of a picture.

    `outline`: 0 if it has none; `light`: its brightest pixels, but for CLOCK_SHARE.
    """

    outline: int
    light: int

    def is_like(self, other: Quarter) -> bool:
        if self.outline == 0 or self.light <= DIM:
            return self.light <= max(DIM, AS_BRIGHT * other.light * (other.outline == 0))
        return (self.outline & other.outline).bit_count() >= SAME_SHARE * self.outline.bit_count()


class Usual:
    """Memory of what a camera shows: the quarters of each hour of the last day, and how sharp it
    was."""

    def __init__(self) -> None:
        self._hours: deque[tuple[list[Quarter], float | None]] = deque(maxlen=round(DAY_S / HOUR_S))
        self._began: float | None = None
        self._kept_at = float("-inf")
        self._other_since: float | None = None

    def find_change(
        self, quarters: list[Quarter], sharpness: float | None, now: float
    ) -> str | None:
        """Say that the picture has been another than in any hour of the last day; None: not for
        CHANGE_TOLD_AFTER_S.

        If it stays so for a day, somebody wants it so, and it is usual from then on.
        """
        self._began = now if self._began is None else self._began
        is_known = now - self._began >= DAY_S and len(self._hours) >= FEWEST_HOURS
        difference = self._find_difference(quarters, sharpness) if is_known else None
        if difference is None:
            self._other_since = None
            if any(quarter.outline for quarter in quarters) and now - self._kept_at >= HOUR_S:
                self._hours.append((quarters, sharpness))
                self._kept_at = now
            return None
        self._other_since = now if self._other_since is None else self._other_since
        if now - self._other_since >= DAY_S:
            self._hours.clear()
            self._began = now
        return difference if CHANGE_TOLD_AFTER_S <= now - self._other_since < DAY_S else None

    def _find_difference(self, quarters: list[Quarter], sharpness: float | None) -> str | None:
        """Say how the picture differs from all of the last hours'; None: it is like one of them."""
        usual = [its for _, its in self._hours if its is not None]
        if sharpness is not None and usual and sharpness < BLURRED_SHARE * min(usual):
            return "its picture is blurred: is the lens dirty, or out of focus?"
        by_place = zip(
            quarters, zip(*(usual for usual, _ in self._hours), strict=True), strict=True
        )
        strange = [quarter for quarter, usual in by_place if not any(map(quarter.is_like, usual))]
        if len(strange) < STRANGE_QUARTERS:
            return None
        if any(quarter.outline == 0 for quarter in strange):
            return "its picture shows less than in the last day: is the lens covered?"
        return (
            "its picture is another than in the last day: was the camera turned, or is "
            "something before it?"
        )


def _measure_steps(grey: Image.Image) -> Image.Image:
    """Return how much each pixel differs from its neighbours to the left and above; the rim from
    nothing."""
    return ImageChops.lighter(
        *(ImageChops.difference(grey, ImageChops.offset(grey, *by)) for by in ((1, 0), (0, 1)))
    )


def _read_quarters(small: Image.Image) -> list[Quarter]:
    """Return what each quarter shows; the rows at top and bottom, of a clock or a name, are left
    out."""
    rim, steps = small.height // 8, _measure_steps(small)
    across, down = (1, small.width // 2, small.width), (rim, small.height // 2, small.height - rim)
    boxes = [(across[x], down[y], across[x + 1], down[y + 1]) for y in (0, 1) for x in (0, 1)]
    return [
        Quarter(_find_outline(steps.crop(box)), _find_brightest(small.crop(box))) for box in boxes
    ]


def _find_outline(steps: Image.Image) -> int:
    """Return the pixels with the largest steps, a bit each; 0: there is no outline, as in the
    dark."""
    least = sorted(steps.tobytes())[-round(EDGES * steps.width * steps.height)]
    if least < FAINT:
        return 0
    return int.from_bytes(steps.point(lambda step: 255 * (step >= least)).convert("1").tobytes())


def _find_brightest(grey: Image.Image) -> int:
    pixels = sorted(grey.tobytes())
    return pixels[-1 - round(CLOCK_SHARE * len(pixels))]


def _measure_sharpness(grey: Image.Image) -> float | None:
    """Return the largest step in a block, in shares of its contrast: the middle of all blocks with
    some."""
    steps, found = _measure_steps(grey), []
    for left in range(0, grey.width, BLOCK_PX):
        for top in range(0, grey.height, BLOCK_PX):
            block = (left + 1, top + 1, left + BLOCK_PX, top + BLOCK_PX)
            levels = grey.crop(block).tobytes()
            if (contrast := max(levels) - min(levels)) >= CONTRAST:
                found.append(max(steps.crop(block).tobytes()) / contrast)
    return median(found) if len(found) >= LEAST_BLOCKS else None


def _explain_dark(grey: Image.Image) -> str | None:
    """Say that nothing is to be seen, but for the darkest and the brightest of CLOCK_SHARE each."""
    pixels = sorted(grey.tobytes())
    cut = round(CLOCK_SHARE * len(pixels))
    if pixels[-1 - cut] <= BLACK:
        return "its picture is black: is it night without light, or the lens covered?"
    return (
        "its picture shows nothing: is the lens covered?"
        if pixels[-1 - cut] - pixels[cut] <= BLANK
        else None
    )
