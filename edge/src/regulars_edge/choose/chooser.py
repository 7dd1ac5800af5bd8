"""Choosers of pictures, and the simplest ones: all pictures, and those in which something moves.

Before they choose, areas are hidden (masks) or looked at (zones), and people who aim the camera get
a picture.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple, Protocol

from regulars_edge.frames import Frame, Mode, encode_jpeg
from regulars_edge.pace import Ticks

if TYPE_CHECKING:
    from PIL.Image import Image


class Chooser(Protocol):
    @property
    def held(self) -> int:
        """Return the number of frames that may be chosen yet."""
        ...

    def choose(self, frames: Iterable[Frame]) -> Iterator[Frame]:
        """Give those of `frames` that are to be sent, in order."""
        ...


class Nothing:
    """No frame: they are looked at, and none is sent."""

    held = 0

    def choose(self, frames: Iterable[Frame]) -> Iterator[Frame]:
        for _ in frames:
            pass
        yield from ()


class Everything:
    """Every frame that the source gives, which is one an interval."""

    held = 0

    def choose(self, frames: Iterable[Frame]) -> Iterator[Frame]:
        yield from frames


@dataclass(eq=False)
class Moving:
    """Frames in which enough has changed against the background, which follows slowly, for the
    scene's light and noise.

    `share`: of the pixels of a thumbnail (of those within the zones, if there are any), from which
    on it is a motion.
    """

    held = 0

    share: float
    zones: Areas | None = None

    def choose(self, frames: Iterable[Frame]) -> Iterator[Frame]:
        """Give the frames with motion. The first one is background alone."""
        background = Background(self.zones)
        for frame in frames:
            try:
                share = background.measure_change(frame.grey(Background.SIZE_PX))
            except OSError:
                continue  # half a picture; the next one comes soon
            if share is not None and background.is_motion(share, self.share):
                frame.worth = share
                yield frame


class Background:
    """Thumbnail of what the camera shows if nothing moves, which follows slowly."""

    SIZE_PX = (160, 120)
    LEARN = 0.2
    """How much of each frame goes into the background."""

    def __init__(self, zones: Areas | None) -> None:
        """`zones`: where pixels count; None: everywhere."""
        from PIL import Image

        self._stencil = (
            zones.make_stencil(self.SIZE_PX) if zones else Image.new("L", self.SIZE_PX, 255)
        )
        self._all_px = self._stencil.histogram()[255]
        self._picture: Image.Image | None = None
        self._compared: tuple[Image.Image, Image.Image, _Changes] | None = None
        """The thumbnail that the newest was compared with, the one before it, and the outcome."""
        self._newest: Image.Image | None = None

    def measure_change(self, grey: Image) -> float | None:
        """Return the share of pixels that have changed, and learn from the thumbnail; None for the
        first one."""
        from PIL import Image

        newest, self._newest = self._newest, grey
        if self._picture is None or newest is None:
            self._picture = grey
            return None
        changes = _measure_changes(grey, self._picture, self._stencil)
        self._compared = self._picture, newest, changes
        changed_px = sum(changes.by_distance[changes.least_distance :])
        self._picture = Image.blend(self._picture, grey, self.LEARN)
        return changed_px / self._all_px

    def mark_changes(self, grey: Image) -> tuple[Image, Image]:
        """Return where the newest thumbnail, which was measured, differs from the background, and
        where from the thumbnail before it: 255 there, else 0, in zones and elsewhere.

        Who stood for long leaves a hole in the background, which does not move. In the other
        picture there is noise, too.
        """
        from PIL import Image, ImageChops

        if self._compared is None:
            return Image.new("L", self.SIZE_PX), Image.new("L", self.SIZE_PX)
        background, before, (light, _, least) = self._compared
        differs = [255 * (abs(level - light) >= least) for level in _LEVELS]
        moves = [255 * (2 * level >= least) for level in _LEVELS]
        return (
            ImageChops.subtract(grey, background, 1, _NO_CHANGE).point(differs),
            ImageChops.difference(grey, before).point(moves),
        )

    def is_motion(self, share: float, least: float) -> bool:
        """Tell whether a change is a motion: `least` of the pixels, and one at least."""
        return share * self._all_px >= max(1.0, least * self._all_px)


LEAST_CHANGE, MOST_CHANGE = 6, 24
"""Grey levels that a pixel's change takes in the dark, and in full light. `Image.blend` leaves a
background up to four behind."""
FULL_LIGHT = 192
"""Brightness, 0..255, from which on a change counts in full; a darker picture changes by less."""
NOISE_FACTOR = 6
"""How often the noise's mean deviation a change takes."""


_LEVELS, _NO_CHANGE = range(256), 128
"""Of a picture of changes: so bright is a pixel that has not changed."""


class _Changes(NamedTuple):
    """Changes between two pictures: how the light has changed, as a level; how many pixels have
    changed by each distance from that; and from which distance on more than noise does it."""

    light: int
    by_distance: list[int]
    least_distance: int


def _measure_changes(grey: Image, background: Image, stencil: Image) -> _Changes:
    """Measure the changes of the pixels within the stencil.

    The median of all pixels' changes is the light's change, or that of the camera's exposure. The
    median of their distances from it is the noise: neither is moved by people, who cover less than
    half of the picture.
    """
    from PIL import ImageChops

    changes = ImageChops.subtract(grey, background, 1, _NO_CHANGE).histogram(stencil)
    light = find_level(changes, 0.5)
    by_distance = [
        sum(changes[level] for level in {light - distance, light + distance} if level in _LEVELS)
        for distance in _LEVELS
    ]
    noise = max(1, find_level(by_distance, 0.5))
    brightness = find_level(background.histogram(stencil), 0.95)
    least_distance = max(
        LEAST_CHANGE, NOISE_FACTOR * noise, round(MOST_CHANGE * min(1.0, brightness / FULL_LIGHT))
    )
    return _Changes(light, by_distance, least_distance)


def find_level(histogram: Sequence[int], share: float) -> int:
    """Return the level that such a share of the pixels does not exceed."""
    count_left = share * sum(histogram)
    for level, count in enumerate(histogram):
        count_left -= count
        if count_left <= 0:
            return level
    return 0


@dataclass(eq=False)
class ChangeFirst:
    """A chooser that sees frames as `change` makes them: black within masks, for example."""

    chooser: Chooser
    change: Callable[[Frame], Frame]

    @property
    def held(self) -> int:
        return self.chooser.held

    def choose(self, frames: Iterable[Frame]) -> Iterator[Frame]:
        return self.chooser.choose(map(self.change, frames))


_EARLY_MS = 100
"""Half of the time between two frames that counting needs: the nearest one is taken."""


@dataclass(eq=False)
class Thinned:
    """A chooser that sees a frame each `interval_ms` of those that come faster."""

    chooser: Chooser
    interval_ms: float

    @property
    def held(self) -> int:
        return self.chooser.held

    def choose(self, frames: Iterable[Frame]) -> Iterator[Frame]:
        return self.chooser.choose(self._list_due(frames))

    def _list_due(self, frames: Iterable[Frame]) -> Iterator[Frame]:
        ticks = Ticks(self.interval_ms, early_ms=min(_EARLY_MS, self.interval_ms / 2))
        for frame in frames:
            at_ms = find_time_ms(frame)
            if ticks.is_due(at_ms):
                ticks.take(at_ms)
                yield frame
            del frame  # before the next one comes: in 4K it has 25 MB


def find_time_ms(frame: Frame) -> int:
    """Return when a frame was taken: by the boot clock if it was taken here, else as is stated."""
    stamp = frame.stamp
    return stamp.moment.boot_ms if stamp.moment else stamp.stated_ms or 0


_RIM_PX = 3
"""Width of a painted area's rim, half of it outside: a pixel that is partly inside is painted,
too."""

Polygon = tuple[tuple[float, float], ...]


def parse_polygon(raw: object) -> Polygon:
    """Read a rectangle or a polygon: [0.0, 0.5, 1.0, 1.0] is the lower half of the picture.

    Raises ValueError.
    """
    corners = raw if isinstance(raw, list) else []
    if len(corners) == 4 and all(_is_share(corner) for corner in corners):
        left, top, right, bottom = corners
        if left < right and top < bottom:
            return (left, top), (right, top), (right, bottom), (left, bottom)
    elif len(corners) >= 3 and all(
        isinstance(corner, list) and len(corner) == 2 and all(map(_is_share, corner))
        for corner in corners
    ):
        return tuple((x, y) for x, y in corners)
    raise ValueError(
        f"{raw!r} is no area: write [left, top, right, bottom] or three or more corners [[x, y], "
        "...], each number a "
        f"share of the picture from 0.0 to 1.0"
    )


@dataclass(frozen=True)
class Areas:
    """Areas of a picture: corners are shares of its width and height, 0 to 1."""

    polygons: tuple[Polygon, ...]

    def contain(self, x: float, y: float) -> bool:
        """Tell whether a point is inside (even-odd rule)."""
        return any(
            sum(
                (y0 > y) != (y1 > y) and x < x0 + (y - y0) / (y1 - y0) * (x1 - x0)
                for (x0, y0), (x1, y1) in zip(polygon, (*polygon[1:], polygon[0]), strict=True)
            )
            % 2
            for polygon in self.polygons
        )

    def paint_over(self, picture: Image, colour: int) -> None:
        """Paint over the areas, in place. `colour`: as Pillow takes it."""
        from PIL import ImageDraw

        draw = ImageDraw.Draw(picture)
        for polygon in self.polygons:
            corners = [(x * picture.width, y * picture.height) for x, y in polygon]
            draw.polygon(corners, fill=colour)
            draw.line((*corners, corners[0]), fill=colour, width=_RIM_PX)

    def make_stencil(self, size_px: tuple[int, int]) -> Image:
        """Return a grey picture that is 255 within the areas, else 0."""
        from PIL import Image

        picture = Image.new("L", size_px)
        self.paint_over(picture, 255)
        return picture


class Prepared(Frame):
    """A frame turned upright, and black within the masks, whatever is made of it.

    No EXIF data stay.
    """

    def __init__(self, frame: Frame, masks: Areas | None, degrees: int = 0) -> None:
        """`degrees`: to the right, a multiple of 90."""
        self._frame = frame
        self._masks = masks
        self._degrees = degrees
        self.stamp = frame.stamp
        self.mark = frame.mark
        self.owner = frame.owner
        self.lag_s = frame.lag_s

    def encode_picture(self) -> bytes:
        return encode_jpeg(self._whole)

    def image(self) -> Image:
        return self._whole

    def shrink(self, size_px: tuple[int, int], mode: Mode) -> Image:
        return self._prepare_picture(self._frame.shrink(self._turn_size(size_px), mode))

    @cached_property
    def _whole(self) -> Image:
        return self._prepare_picture(self._frame.image())

    def _turn_size(self, size_px: tuple[int, int]) -> tuple[int, int]:
        return (size_px[1], size_px[0]) if self._degrees % 180 else size_px

    def _prepare_picture(self, picture: Image) -> Image:
        self.size = self._turn_size(self._frame.size)
        if self._degrees:
            picture = picture.rotate(-self._degrees, expand=True)
        if self._masks:
            self._masks.paint_over(picture, 0)
        return picture


def _is_share(number: object) -> bool:
    return isinstance(number, (int, float)) and not isinstance(number, bool) and 0 <= number <= 1


SIDE_PX = 1280
"""Longest side of the picture for aiming a camera, in pixels."""
MAX_BYTES = 256 * 1024
"""The service takes no more."""


class Preview:
    """A request for a picture, and the picture that answers it."""

    def __init__(self) -> None:
        self.is_wanted = False
        self.picture: bytes | None = None

    def look(self, frame: Frame) -> Frame:
        """Take the frame's picture if one is wanted; return the frame as it is."""
        if self.is_wanted:
            with suppress(OSError):  # half a picture; the next one comes soon
                self.picture = _shrink_picture(frame.image())
                self.is_wanted = self.picture is None
        return frame


def _shrink_picture(image: Image) -> bytes | None:
    """Make a JPEG that the service takes; None if even a poor one is too large."""
    small = image.reduce(-(-max(image.size) // SIDE_PX)).convert("RGB")
    for quality in (80, 50, 20):
        out = io.BytesIO()
        small.save(out, "JPEG", quality=quality)
        if out.tell() <= MAX_BYTES:
            return out.getvalue()
    return None
