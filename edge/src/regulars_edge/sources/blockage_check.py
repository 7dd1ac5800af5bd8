"""Faults of a camera by its pictures: not to be opened, black, blank, blurred, another than usual,
or frozen.

What is usual is learnt, and survives a restart. What is told is not: it is told until the picture
was well for a day, or until a person says that it is right.
"""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from statistics import median
from typing import Any, NamedTuple, cast

from PIL import Image, ImageChops, ImageOps

from regulars_edge.frames import Frame
from regulars_edge.troubles import Trouble

LOOK_S = 10.0
"""How often a camera is looked at for a covered or dark lens, in s."""
SIZE_PX, SMALL_PX = (256, 192), (64, 48)
MOST_UNOPENED = 3
"""So many in turn that cannot be opened, and the camera gives nothing."""
DIM, BLANK = 24, 10
"""Grey levels of a thumbnail without its darkest and brightest pixels (CLOCK_SHARE): the brightest
of a dark picture, or of a quarter in which nothing is looked for; and from the darkest to the
brightest of a covered lens."""
CLOCK_SHARE = 0.05
"""Share of the pixels that a clock or a name, which most cameras write into the picture, may
have."""
FROZEN_S = 1_800.0
"""For so long a sensor's noise changes more of a thumbnail's pixels than a clock does."""
HOUR_S, DAY_S, WEEK_S, MONTH_S = 3_600.0, 86_400.0, 604_800.0, 2_592_000.0
OFF_S = 2 * HOUR_S
"""Between two looks so far apart the box was switched off: it notes each hour that it looks."""
DUSK_DRIFT_S = 5_400.0
"""By so much dusk and closing time differ from one day or week to the next."""
FLICKER_S = 1_800.0
"""A light that goes out again so soon ends no night."""
LONGEST_NIGHT_S = 5 * DAY_S
"""How long darkness may last that began when it usually does, in s: a shop closes from Friday's
evening to Wednesday's morning."""
LONGEST_AT_FIRST_S = 2 * DAY_S
"""How long darkness may last in the first week, in which nobody knows when it comes: the first
Saturday ends early, and the shop is closed until Monday."""
FEWEST_HOURS = 6
"""Hours of use that showed something: with fewer nothing is usual."""
HOURS_KEPT = 24
LESS_TOLD_AFTER_S, OTHER_TOLD_AFTER_S = 1_200.0, 2_700.0
"""Seconds until a picture is told that shows less than usual: people pass, lamps are switched. Then
the seconds until a blurred picture or another view is told: a low sun shines into the lens for less
time. A black picture is told at once. A blank picture is told at once only until the usual view
is known: later a blank picture may be fog."""
EDGES, FAINT = 0.15, 4
"""Share of a thumbnail's pixels that make its outline, and the grey levels between neighbours that
are no outline."""
SAME_SHARE = 0.3
"""Share of an outline that is that of another hour, too, if the camera looks the same way. By
chance it is EDGES."""
FOG_SHARE = 0.5
"""Share of an outline that is still there in fog. Measured on three films: 0.57 to 0.95 by day, and
0.3 to 0.5 behind a plastic bag."""
STRANGE_QUARTERS = 2
"""So many of a picture's four quarters show something else, and it is told: vans park, and goods
are put up."""
AS_BRIGHT = 1.25
"""By how much a quarter without outline may be brighter than an hour in which it had none
either."""
BLURRED_SHARE = 0.75
"""How sharp a picture is, as a share of the least that was usual."""
BLOCK_PX, CONTRAST, LEAST_BLOCKS = 32, 40, 4
"""Parts of a picture of which the middle one says how sharp it is: those with such a contrast, if
enough have it."""
IS_BLACK = "its picture is black: is it night without light, or the lens covered?"
IS_BLANK = "its picture shows nothing: is the lens covered?"
IS_BLURRED = "its picture is blurred: is the lens dirty, or out of focus?"
SHOWS_LESS = "its picture shows less than usual: is the lens covered?"
IS_OTHER = "its picture is another than usual: was the camera turned, or is something before it?"
IS_WELL_AGAIN = " It looks well again: if it is, say that it is right"
_NAMES = {
    IS_BLACK: Trouble.COVERED,
    IS_BLANK: Trouble.COVERED,
    SHOWS_LESS: Trouble.COVERED,
    IS_BLURRED: Trouble.BLURRED,
    IS_OTHER: Trouble.TURNED,
}


NO_MEMORY = (ValueError, TypeError, KeyError, OverflowError, RecursionError)
"""What is raised for a text that is no memory."""


def parse_number(value: object) -> float | None:
    """Return a number of a memory, or None. Raises TypeError for anything else."""
    if value is None or (isinstance(value, int | float) and not isinstance(value, bool)):
        return value
    raise TypeError(f"{value!r} is no number")


def parse_text(value: object) -> str | None:
    """Return a text of a memory, or None. Raises TypeError for anything else."""
    if value is None or isinstance(value, str):
        return value
    raise TypeError(f"{value!r} is no text")


class BlockageCheck:
    """A check of one frame in LOOK_S.

    `trouble`: what is wrong, or was within the last day of use, in words; `fault`: what is wrong
    now; `is_blind`: its pictures cannot be opened; `is_changed`: whether a person may say that what
    it shows is right; `right_at`: when a person said so last, which the next look takes in.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic, memory: str = "") -> None:
        """`now`: the time in s, which goes on while the box is off; `memory`: what `memory` was
        before a restart."""
        self._now = now
        self._looked_at = float("-inf")
        self._used_s = 0.0
        self._unopened, self._is_broken = 0, False
        self._first: Image.Image | None = None
        self._changed: Image.Image | None = None
        self._since = 0.0
        self._usual, self._nights, self._alarm = Usual(), Nights(), Alarm()
        self.right_at: str | None = None
        self.heard_right_at: str | None = None
        with suppress(*NO_MEMORY):  # another version's: it learns anew
            self._recall(json.loads(memory or "{}"))
        self.trouble = self._alarm.describe()
        self.fault: str | None = None

    @property
    def is_blind(self) -> bool:
        return self._unopened >= MOST_UNOPENED

    @property
    def is_changed(self) -> bool:
        return self.trouble is not None and not self._is_broken

    @property
    def name(self) -> Trouble | None:
        """Return the name of `trouble` for heartbeats; None if there is no trouble, or it has no
        name."""
        if self.trouble is None or self.is_blind:
            return None
        if self._is_broken:
            return Trouble.FROZEN
        if self.trouble.endswith(IS_WELL_AGAIN):
            return Trouble.WELL_AGAIN
        return _NAMES.get(self.trouble)

    @property
    def memory(self) -> str:
        """Return what a check in another process goes on with."""
        parts = {
            "used_s": round(self._used_s),
            "right_at": self.heard_right_at,
            "usual": self._usual.note(),
            "nights": self._nights.note(),
            "alarm": self._alarm.note(),
        }
        return json.dumps(parts, separators=(",", ":"))

    def _recall(self, parts: dict[str, Any]) -> None:
        if not parts:
            return
        usual, nights, alarm = Usual(), Nights(), Alarm()
        usual.recall(parts["usual"])
        nights.recall(parts["nights"])
        alarm.recall(parts["alarm"])
        used_s, right_at = round(float(parts["used_s"])), parse_text(parts["right_at"])
        self._used_s, self.right_at, self.heard_right_at = used_s, right_at, right_at
        self._usual, self._nights, self._alarm = usual, nights, alarm

    def _hear_right(self) -> None:
        """Take in that a person says that what the camera shows is right.

        If it shows something else than usual, what it shows in the next day of use becomes usual.
        """
        self.heard_right_at = self.right_at
        if self._alarm.hear_right():
            self._usual.learn_until(self._used_s + DAY_S)
        self._nights.hear_right()

    def look(self, frame: Frame) -> None:
        """Look at a frame, if the last look was LOOK_S ago, and set `trouble` and `fault`."""
        now = self._now()
        passed_s = now - self._looked_at
        if 0 <= passed_s < LOOK_S:
            return
        self._looked_at = now
        if 0 <= passed_s <= HOUR_S:  # else the box was off, or its clock was set
            self._used_s += passed_s
        try:
            grey = frame.grey(SIZE_PX)
        except OSError as error:
            self._unopened += 1
            self._is_broken = self.is_blind
            self.fault = f"its pictures cannot be opened: {error}" if self.is_blind else None
            self.trouble = self.fault or self._alarm.describe()
            return
        self._unopened, self._is_broken = 0, False
        if self.right_at != self.heard_right_at:
            self._hear_right()
        small = grey.resize(SMALL_PX, Image.Resampling.BOX)
        unchanged_s = self._measure_unchanged_s(small)
        is_dark = find_brightest(small) <= DIM
        if self._nights.is_usual(is_dark, now):
            self.fault, self.trouble = None, self._alarm.describe()  # which is no evidence
        elif is_dark:
            self.fault = self.trouble = IS_BLACK
        elif unchanged_s >= FROZEN_S and not _is_blank(small):
            self._is_broken = True
            self.fault = self.trouble = (
                f"its picture has stood still for {unchanged_s / 60:.0f} minutes: "
                "start the camera anew"
            )
        else:
            self._judge(grey, small)

    def _judge(self, grey: Image.Image, small: Image.Image) -> None:
        """Compare a picture with light in it with what is usual, and set `trouble` and `fault`."""
        quarters, sharpness = _read_quarters(grey, small), measure_sharpness(grey)
        is_blank = _is_blank(small)
        difference = self._usual.find_difference(quarters, sharpness, self._used_s)
        if is_blank and not self._usual.knows(quarters, self._used_s):
            difference = IS_BLANK
        self._alarm.hear(difference, self._used_s)
        if self._alarm.is_well(self._used_s):
            self._usual.keep(quarters, sharpness, self._used_s)
        lasts = self._alarm.lasts(difference, self._used_s)
        self.fault = IS_BLANK if is_blank else difference if lasts else None
        at_once = difference if is_blank and self._usual.learns(self._used_s) else None
        self.trouble = self._alarm.describe() or at_once

    def _measure_unchanged_s(self, grey: Image.Image) -> float:
        """Return for how long no more of the picture has changed than a clock in it may."""
        if self._first is not None and self._changed is not None:
            difference = ImageChops.difference(grey, self._first).point(
                lambda grey: 255 * (grey > 0)
            )
            self._changed = ImageChops.lighter(self._changed, difference)
            if self._changed.histogram()[255] <= CLOCK_SHARE * grey.width * grey.height:
                return self._used_s - self._since
        self._first, self._changed, self._since = grey, grey.point(lambda _: 0), self._used_s
        return 0.0


class Alarm:
    """The one alarm of a camera's picture, until it was well for a day of use, or a person says
    that it is right."""

    def __init__(self) -> None:
        self.text: str | None = None
        self._other_since: float | None = None
        self._well_since: float | None = None

    def note(self) -> list[object]:
        return [self.text, self._other_since, self._well_since]

    def recall(self, noted: list[Any]) -> None:
        text, other_since, well_since = noted
        self.text = parse_text(text)
        self._other_since, self._well_since = parse_number(other_since), parse_number(well_since)

    def hear(self, difference: str | None, used_s: float) -> None:
        """Take in how the picture differs from what is usual; None: it does not."""
        if difference is None:
            self._other_since = None
            self._well_since = used_s if self._well_since is None else self._well_since
            if used_s - self._well_since >= DAY_S:
                self.text = None
            return
        self._well_since = None
        self._other_since = used_s if self._other_since is None else self._other_since
        if self.lasts(difference, used_s):
            self.text = self.text or difference  # a cloth that moves is blurred, then shows less

    def lasts(self, difference: str | None, used_s: float) -> bool:
        """Tell whether the picture has differed for long enough to be reported."""
        if difference is None or self._other_since is None:
            return False
        shows_less = difference in (SHOWS_LESS, IS_BLANK)
        after_s = LESS_TOLD_AFTER_S if shows_less else OTHER_TOLD_AFTER_S
        return used_s - self._other_since >= after_s

    def is_well(self, used_s: float) -> bool:
        """Tell whether nothing is told, and the picture has been usual for a while: one that is
        covered looks usual by chance for a moment."""
        well_since = used_s if self._well_since is None else self._well_since
        return self.text is None and used_s - well_since >= LESS_TOLD_AFTER_S

    def hear_right(self) -> bool:
        """End it; return whether the picture is another than usual."""
        is_other = self._other_since is not None
        self.text = self._other_since = self._well_since = None
        return is_other

    def describe(self) -> str | None:
        is_well = self.text is not None and self._well_since is not None
        return f"{self.text}{IS_WELL_AGAIN}" if is_well else self.text


class Nights:
    """Memory of the nights: when nothing was to be seen, from when to when. Darkness that was told
    is no night."""

    def __init__(self) -> None:
        self._began: float | None = None
        self._seen_at = float("-inf")
        self._past: deque[tuple[float, float]] = deque(maxlen=50)
        self._right: deque[tuple[float, float]] = deque(maxlen=10)
        """Those that a person said are right, on any day."""
        self._since, self._until = 0.0, float("-inf")
        """Of the last darkness."""
        self._limit_s: float | None = 0.0
        """How long it may last; None: for as long as it was dark then on another day."""

    def note(self) -> dict[str, object]:
        return {
            "began": self._began,
            "seen_at": self._seen_at,
            "past": [*self._past],
            "right": [*self._right],
            "last": [self._since, self._until, self._limit_s],
        }

    def recall(self, noted: dict[str, Any]) -> None:
        self._began, self._seen_at = parse_number(noted["began"]), float(noted["seen_at"])
        self._past.extend((float(since), float(until)) for since, until in noted["past"])
        self._right.extend((float(since), float(until)) for since, until in noted["right"])
        since, until, limit_s = noted["last"]
        self._since, self._until, self._limit_s = float(since), float(until), parse_number(limit_s)

    def hear_right(self) -> None:
        """Take in that it may be dark now, and at these hours on any day; nothing, if it is not."""
        if self._seen_at == self._until:
            self._limit_s = float("inf")
            self._right.append((self._since, self._until))
            self._past.append((self._since, self._until))

    def is_usual(self, is_dark: bool, now: float) -> bool:
        """Tell whether it is dark, and may be: as at night, or if the shop is closed."""
        was_off = now - self._seen_at > OFF_S
        if self._began is None or now - self._seen_at > MONTH_S:
            self._began = now
        self._seen_at = now
        if not is_dark:
            return False
        if now - self._until > FLICKER_S:
            self._since, self._limit_s = now, self._find_limit_s(now, was_off)
        self._until = now
        if self._past and self._past[-1][0] == self._since:
            self._past.pop()
        is_usual = self._may_last(now)
        if is_usual:
            self._past.append((self._since, now))
        return is_usual

    def _may_last(self, now: float) -> bool:
        if self._limit_s is None:
            return self._was_dark(now, range(1, 9))
        return now - self._since < self._limit_s

    def _find_limit_s(self, now: float, was_off: bool) -> float | None:
        """Return how long a darkness that begins now may last; None: for as long as it was dark on
        another day.

        A box that was off and is on again stands in a shop that opens.
        """
        known_s = now - (now if self._began is None else self._began)
        if was_off and known_s >= DAY_S:
            return None
        if self._was_dark(now, (7,) if known_s > WEEK_S else (1,)):
            return LONGEST_NIGHT_S
        return LONGEST_AT_FIRST_S if 0 < known_s <= WEEK_S else 0.0

    def _was_dark(self, now: float, days_ago: Iterable[int]) -> bool:
        """Tell whether it was dark at this hour so many days ago, or when a person said that it may
        be."""
        return any(
            since - DUSK_DRIFT_S <= now - days * DAY_S <= until + DUSK_DRIFT_S
            for since, until in self._past
            for days in days_ago
        ) or any(
            (now - since + DUSK_DRIFT_S) % DAY_S <= until - since + 2 * DUSK_DRIFT_S
            for since, until in self._right
        )


class Quarter(NamedTuple):
    """A quarter of a picture.

    `outline`: 0 if it has none; `light`: its brightest pixels, but for CLOCK_SHARE; `faint`: the
    outline that it has with more contrast, as in fog, where it has none without.
    """

    outline: int
    light: int
    faint: int = 0

    def is_like(self, other: Quarter) -> bool:
        if self.outline and self.light > DIM:
            shared = (self.outline & other.outline).bit_count()
            return shared >= SAME_SHARE * self.outline.bit_count()
        if self.faint and self._is_in_fog(other):
            return True
        return self.light <= max(DIM, AS_BRIGHT * other.light * (other.outline == 0))

    def _is_in_fog(self, clear: Quarter) -> bool:
        """Tell whether it shows faintly what is clear there. Noise has an outline, too: a large one
        has much in common with it."""
        most = max(self.faint.bit_count(), clear.outline.bit_count())
        return (self.faint & clear.outline).bit_count() >= FOG_SHARE * most


class Usual:
    """Memory of what a camera shows: the quarters of the last hours of use that showed something,
    and how sharp they were. All times are of use, in s."""

    def __init__(self) -> None:
        self._hours: deque[tuple[list[Quarter], float | None]] = deque(maxlen=HOURS_KEPT)
        self._kept_at = float("-inf")
        self._trusts_until = 0.0
        """Until then a person wants what the camera shows to be learnt."""

    def note(self) -> dict[str, object]:
        return {
            "hours": [
                [[[f"{outline:x}", light] for outline, light, _ in quarters], sharpness]
                for quarters, sharpness in self._hours
            ],
            "kept_at": None if self._kept_at == float("-inf") else self._kept_at,
            "trusts_until": self._trusts_until,
        }

    def recall(self, noted: dict[str, Any]) -> None:
        for (one, two, three, four), sharpness in noted["hours"]:
            quarters = [
                Quarter(int(outline, 16), int(light)) for outline, light in (one, two, three, four)
            ]
            self._hours.append((quarters, parse_number(sharpness)))
        self._kept_at = float("-inf") if noted["kept_at"] is None else float(noted["kept_at"])
        self._trusts_until = float(noted["trusts_until"])

    def learn_until(self, used_s: float) -> None:
        """Learn what the camera shows until then, and from the next look on."""
        self._trusts_until, self._kept_at = used_s, float("-inf")

    def keep(self, quarters: list[Quarter], sharpness: float | None, used_s: float) -> None:
        """Keep what is shown, once an hour. A quarter that shows less than usual is not learnt: it
        stays as it was."""
        if used_s - self._kept_at < HOUR_S:
            return
        learns, quarters = self.learns(used_s), [each._replace(faint=0) for each in quarters]
        if not learns:
            strange = self._find_strange(quarters)
            quarters = [
                before if is_strange and quarter.outline == 0 else quarter
                for quarter, before, is_strange in zip(
                    quarters, self._hours[-1][0], strange, strict=True
                )
            ]
        if learns or any(quarter.outline for quarter in quarters):
            self._hours.append((quarters, sharpness))
            self._kept_at = used_s

    def knows(self, quarters: list[Quarter], used_s: float) -> bool:
        """Tell whether each quarter was usual in some hour, or is to be."""
        return used_s < self._trusts_until or not (
            len(self._hours) < FEWEST_HOURS or any(self._find_strange(quarters))
        )

    def find_difference(
        self, quarters: list[Quarter], sharpness: float | None, used_s: float
    ) -> str | None:
        """Say how the picture differs from all of the hours'; None: it is like one of them, or too
        few are known."""
        if self.learns(used_s):
            return None
        strange = [
            quarter
            for quarter, is_strange in zip(quarters, self._find_strange(quarters), strict=True)
            if is_strange
        ]
        if len(strange) < STRANGE_QUARTERS:
            usual = [its for _, its in self._hours if its is not None]
            is_blurred = sharpness is not None and sharpness < BLURRED_SHARE * min(usual, default=0)
            return IS_BLURRED if is_blurred else None
        return SHOWS_LESS if any(quarter.outline == 0 for quarter in strange) else IS_OTHER

    def learns(self, used_s: float) -> bool:
        """Tell whether the usual picture is not known yet, or is to be learnt again."""
        return used_s < max(DAY_S, self._trusts_until) or len(self._hours) < FEWEST_HOURS

    def _find_strange(self, quarters: list[Quarter]) -> list[bool]:
        """Tell of each quarter whether it is like that of none of the hours."""
        by_place = zip(*(usual for usual, _ in self._hours), strict=True)
        return [
            not any(map(quarter.is_like, usual))
            for quarter, usual in zip(quarters, by_place, strict=True)
        ]


def measure_steps(grey: Image.Image) -> Image.Image:
    """Return how much each pixel differs from its neighbours to the left and above; the rim from
    nothing."""
    return ImageChops.lighter(
        *(ImageChops.difference(grey, ImageChops.offset(grey, *by)) for by in ((1, 0), (0, 1)))
    )


def _read_quarters(grey: Image.Image, small: Image.Image) -> list[Quarter]:
    """Return what each quarter shows; the rows at top and bottom, of a clock or a name, are left
    out."""
    rim, steps = small.height // 8, measure_steps(small)
    across, down = (1, small.width // 2, small.width), (rim, small.height // 2, small.height - rim)
    boxes = [(across[x], down[y], across[x + 1], down[y + 1]) for y in (0, 1) for x in (0, 1)]
    found = list[Quarter]()
    for box in boxes:
        outline = find_outline(steps.crop(box))
        faint = 0 if outline else _find_faint(grey, box)
        found.append(Quarter(outline, find_brightest(small.crop(box)), faint))
    return found


def _find_faint(grey: Image.Image, box: tuple[int, int, int, int]) -> int:
    """Return the outline of a part of a thumbnail as if it had full contrast. `grey`: the picture
    of which that was made, in which noise keeps levels between two whole ones."""
    left, top, right, bottom = box[0] - 1, box[1] - 1, *box[2:]
    scale = grey.width // SMALL_PX[0]
    part = grey.crop((scale * left, scale * top, scale * right, scale * bottom))
    bright = ImageOps.autocontrast(part, cutoff=1)
    small = bright.resize((right - left, bottom - top), Image.Resampling.BOX)
    return find_outline(measure_steps(small).crop((1, 1, *small.size)))


def find_outline(steps: Image.Image) -> int:
    """Return the pixels with the largest steps, a bit each; 0: there is no outline, as in the
    dark."""
    least = _find_level(steps, round(EDGES * steps.width * steps.height))
    if least < FAINT:
        return 0
    return int.from_bytes(steps.point(lambda step: 255 * (step >= least)).convert("1").tobytes())


def find_brightest(grey: Image.Image) -> int:
    return _find_level(grey, 1 + round(CLOCK_SHARE * grey.width * grey.height))


def _find_level(grey: Image.Image, count: int) -> int:
    """Return the grey level that so many pixels have, or a brighter one."""
    brighter = 0
    for level, pixels in reversed([*enumerate(grey.histogram())]):
        brighter += pixels
        if brighter >= count:
            return level
    return 0


def measure_sharpness(grey: Image.Image) -> float | None:
    """Return the largest step in a block, in shares of its contrast: the middle of all blocks with
    some."""
    steps, found = measure_steps(grey), []
    for left in range(0, grey.width, BLOCK_PX):
        for top in range(0, grey.height, BLOCK_PX):
            block = (left + 1, top + 1, left + BLOCK_PX, top + BLOCK_PX)
            darkest, brightest = _find_extremes(grey.crop(block))
            if (contrast := brightest - darkest) >= CONTRAST:
                found.append(_find_extremes(steps.crop(block))[1] / contrast)
    return median(found) if len(found) >= LEAST_BLOCKS else None


def _find_extremes(grey: Image.Image) -> tuple[int, int]:
    return cast("tuple[int, int]", grey.getextrema())  # of several channels it has several


def _is_blank(grey: Image.Image) -> bool:
    """Tell whether nothing is to be seen, but for the darkest and the brightest of CLOCK_SHARE
    each."""
    return find_brightest(grey) + find_brightest(ImageChops.invert(grey)) - 255 <= BLANK
