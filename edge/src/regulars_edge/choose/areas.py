"""Parts of a picture, in shares of its width and height: what is hidden (masks), and what is looked at (zones)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from regulars_edge.sources.source import Frame, jpeg

if TYPE_CHECKING:
    from PIL.Image import Image

_RIM_PX = 3
"""Width of a painted area's rim, half of it outside: a pixel that is partly inside is painted, too."""

Polygon = tuple[tuple[float, float], ...]


def polygon(raw: object) -> Polygon:
    """Read a rectangle (left, top, right, bottom) or the corners of a polygon. Raises ValueError."""
    corners = raw if isinstance(raw, list) else []
    if len(corners) == 4 and all(_is_share(one) for one in corners):
        left, top, right, bottom = corners
        if left < right and top < bottom:
            return (left, top), (right, top), (right, bottom), (left, bottom)
    elif len(corners) >= 3 and all(
        isinstance(one, list) and len(one) == 2 and all(map(_is_share, one)) for one in corners
    ):
        return tuple((x, y) for x, y in corners)
    raise ValueError(
        f"{raw!r} is no area: write [left, top, right, bottom] or three or more corners [[x, y], ...], each number a "
        f"share of the picture from 0.0 to 1.0"
    )


@dataclass(frozen=True)
class Areas:
    polygons: tuple[Polygon, ...]

    def hold(self, x: float, y: float) -> bool:
        """Tell whether a point is inside (even-odd rule)."""
        return any(
            sum(
                (y0 > y) != (y1 > y) and x < x0 + (y - y0) / (y1 - y0) * (x1 - x0)
                for (x0, y0), (x1, y1) in zip(one, (*one[1:], one[0]), strict=True)
            )
            % 2
            for one in self.polygons
        )

    def paint(self, picture: Image, colour: int) -> None:
        """Paint over the areas, in place. `colour`: as Pillow takes it."""
        from PIL import ImageDraw

        draw = ImageDraw.Draw(picture)
        for one in self.polygons:
            corners = [(x * picture.width, y * picture.height) for x, y in one]
            draw.polygon(corners, fill=colour)
            draw.line((*corners, corners[0]), fill=colour, width=_RIM_PX)

    def stencil(self, size_px: tuple[int, int]) -> Image:
        """Return a grey picture that is 255 within the areas, else 0."""
        from PIL import Image

        picture = Image.new("L", size_px)
        self.paint(picture, 255)
        return picture


class Prepared(Frame):
    """A frame turned upright, and black within the masks, whatever is made of it. No EXIF data stay."""

    def __init__(self, frame: Frame, masks: Areas | None, degrees: int = 0) -> None:
        """`degrees`: to the right, a multiple of 90."""
        self._frame = frame
        self._masks = masks
        self._degrees = degrees
        self.stamp, self.mark, self.lag_s = frame.stamp, frame.mark, frame.lag_s

    def encoded(self) -> bytes:
        return jpeg(self._whole)

    def image(self) -> Image:
        return self._whole

    def grey(self, size_px: tuple[int, int]) -> Image:
        return self._prepared(self._frame.grey(self._turned(size_px)))

    def kept(self) -> None:
        self._frame.kept()

    def spoilt(self, why: str) -> None:
        self._frame.spoilt(why)

    @cached_property
    def _whole(self) -> Image:
        return self._prepared(self._frame.image())

    def _turned(self, size_px: tuple[int, int]) -> tuple[int, int]:
        return (size_px[1], size_px[0]) if self._degrees % 180 else size_px

    def _prepared(self, picture: Image) -> Image:
        self.size = self._turned(self._frame.size)
        if self._degrees:
            picture = picture.rotate(-self._degrees, expand=True)
        if self._masks:
            self._masks.paint(picture, 0)
        return picture


def _is_share(number: object) -> bool:
    return isinstance(number, (int, float)) and not isinstance(number, bool) and 0 <= number <= 1
