"""Charts as SVG: lines and steps over two axes. Some forty lines, where a plotting library is forty megabytes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 640, 400
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 16, 12, 44

Scale = Callable[[float], float]
"""From a value to where it lies on its axis; any unit, the axis is fitted to its ends."""


@dataclass(frozen=True)
class Axis:
    """`ticks`: values with what is written at them; the first and last are the ends."""

    title: str
    ticks: Sequence[tuple[float, str]]
    scale: Scale = float

    def share(self, value: float) -> float:
        """0 at the first tick, 1 at the last; values beyond are put there."""
        low, high = self.scale(self.ticks[0][0]), self.scale(self.ticks[-1][0])
        return min(max((self.scale(value) - low) / (high - low), 0.0), 1.0)


@dataclass(frozen=True)
class Line:
    """Points in order. `style`: a class of the page's style sheet. `filled`: down to the axis."""

    label: str
    style: str
    points: Sequence[tuple[float, float]]
    filled: bool = False


def svg(title: str, x: Axis, y: Axis, lines: Sequence[Line], marks: Sequence[tuple[float, str]] = ()) -> str:
    """`marks`: upright lines at a value of x, with what they are."""
    parts = [
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}"><title>{escape(title)}</title>'
    ]
    parts += [_tick_x(x, value, text) for value, text in x.ticks]
    parts += [_tick_y(y, value, text) for value, text in y.ticks]
    parts += [_mark(x, value, text) for value, text in marks]
    parts += [_line(x, y, line) for line in lines]
    parts += [_legend(line, place) for place, line in enumerate(lines)]
    middle = (_LEFT + WIDTH - _RIGHT) / 2
    parts.append(f'<text class="axis" x="{middle}" y="{HEIGHT - 6}" text-anchor="middle">{escape(x.title)}</text>')
    height = (_TOP + HEIGHT - _BOTTOM) / 2
    turned = f'transform="rotate(-90 14 {height})"'
    parts.append(f'<text class="axis" x="14" y="{height}" text-anchor="middle" {turned}>{escape(y.title)}</text>')
    return "\n".join([*parts, "</svg>"])


def _x(axis: Axis, value: float) -> float:
    return _LEFT + axis.share(value) * (WIDTH - _LEFT - _RIGHT)


def _y(axis: Axis, value: float) -> float:
    return HEIGHT - _BOTTOM - axis.share(value) * (HEIGHT - _TOP - _BOTTOM)


def _tick_x(axis: Axis, value: float, text: str) -> str:
    at = f"{_x(axis, value):.1f}"
    return (
        f'<line class="grid" x1="{at}" x2="{at}" y1="{_TOP}" y2="{HEIGHT - _BOTTOM}"/>'
        f'<text x="{at}" y="{HEIGHT - _BOTTOM + 16}" text-anchor="middle">{escape(text)}</text>'
    )


def _tick_y(axis: Axis, value: float, text: str) -> str:
    at = _y(axis, value)
    return (
        f'<line class="grid" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{at:.1f}" y2="{at:.1f}"/>'
        f'<text x="{_LEFT - 6}" y="{at + 4:.1f}" text-anchor="end">{escape(text)}</text>'
    )


def _mark(axis: Axis, value: float, text: str) -> str:
    at = f"{_x(axis, value):.1f}"
    return (
        f'<line class="mark" x1="{at}" x2="{at}" y1="{_TOP}" y2="{HEIGHT - _BOTTOM}"/>'
        f'<text x="{at}" y="{_TOP + 10}" dx="4">{escape(text)}</text>'
    )


def _line(x: Axis, y: Axis, line: Line) -> str:
    points = [(_x(x, across), _y(y, up)) for across, up in line.points]
    if line.filled and points:
        points = [(points[0][0], HEIGHT - _BOTTOM), *points, (points[-1][0], HEIGHT - _BOTTOM)]
    path = " ".join(f"{across:.1f},{up:.1f}" for across, up in points)
    kind = "polygon" if line.filled else "polyline"
    return f'<{kind} class="{line.style}" points="{path}"/>'


def _legend(line: Line, place: int) -> str:
    y = _TOP + 18 + 18 * place
    x = WIDTH - _RIGHT - 190
    return (
        f'<line class="{line.style}" x1="{x}" x2="{x + 22}" y1="{y}" y2="{y}"/>'
        f'<text x="{x + 28}" y="{y + 4}">{escape(line.label)}</text>'
    )
