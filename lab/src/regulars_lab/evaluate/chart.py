"""Charts as SVG inside a page, drawn by matplotlib: the extra `evaluate`."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from regulars_lab.page import LIGHT

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INSTALL = "pip install matplotlib"

RATES = (1e-5, 1e-4, 1e-3, 1e-2, 0.05, 0.2, 0.5)
"""Ticks of an axis of rates; the first and the last are its ends."""

SCORES = (-0.4, 1.0)
"""Ends of an axis of scores."""

Curve = tuple[NDArray[np.float64], NDArray[np.float64]]
"""x and y, of equal length."""

_INCHES = (8.0, 5.0)
_NO_METADATA = dict.fromkeys(("Creator", "Date", "Format", "Type"))
_deviates = np.vectorize(NormalDist().inv_cdf, otypes=[float])


def can_draw() -> bool:
    return find_spec("matplotlib") is not None


def trade_off(title: str, x: str, y: str, curves: Mapping[str, Curve]) -> str:
    """Draw one error rate over another on axes of normal deviates (a DET plot, ISO/IEC 19795-1).

    `curves`: rates, 0..1, by label. Rates beyond the ends of RATES are drawn at the ends.
    """
    from matplotlib.figure import Figure

    figure = Figure(_INCHES, layout="constrained")
    axes = figure.add_subplot(xlabel=x, ylabel=y)
    looks = zip(("one", "two", "three"), ("-", "-", "--"), strict=True)
    for (label, curve), (colour, dashes) in zip(curves.items(), looks, strict=False):
        places = [_deviates(np.clip(rates, RATES[0], RATES[-1])) for rates in curve]
        axes.plot(*places, dashes, color=LIGHT[colour], linewidth=2, label=label)
    ticks, labels = _deviates(RATES), [f"{rate:g}" for rate in RATES]
    axes.set_xticks(ticks, labels)
    axes.set_yticks(ticks, labels)
    axes.set(xlim=(ticks[0], ticks[-1]), ylim=(ticks[0], ticks[-1]))
    return _svg(figure, title)


def densities(
    title: str, counts: Mapping[str, NDArray[np.int64]], marks: Sequence[tuple[float, str]]
) -> str:
    """Draw densities of scores.

    `counts`: of scores in equal bins from -1 to 1, by label; `marks`: scores and names.
    """
    from matplotlib.figure import Figure

    figure = Figure(_INCHES, layout="constrained")
    axes = figure.add_subplot(xlabel="score", ylabel="density")
    for (label, found), colour in zip(counts.items(), ("two", "one"), strict=True):
        density = found * len(found) / 2 / max(int(found.sum()), 1)
        edges = np.linspace(-1, 1, len(found) + 1)
        axes.stairs(density, edges, fill=True, alpha=0.25, color=LIGHT[colour])
        axes.stairs(density, edges, linewidth=2, color=LIGHT[colour], label=label)
    for score, text in marks:
        axes.axvline(score, color=LIGHT["ink"], linestyle="--", linewidth=1)
        axes.annotate(
            text,
            (score, 1),
            (4, -4),
            xycoords=axes.get_xaxis_transform(),
            textcoords="offset points",
            rotation=-90,
            va="top",
            color=LIGHT["soft"],
        )
    axes.set(xlim=SCORES, ylim=(0, None))
    return _svg(figure, title)


def _svg(figure: Figure, title: str) -> str:
    """Write the figure as an element of a page. The page's style sheet gives the colours."""
    from matplotlib import rc_context

    (axes,) = figure.axes
    axes.grid(color=LIGHT["line"])
    axes.set_axisbelow(True)
    axes.tick_params(color=LIGHT["line"], labelcolor=LIGHT["soft"])
    axes.spines[:].set_color(LIGHT["line"])
    axes.xaxis.label.set_color(LIGHT["ink"])
    axes.yaxis.label.set_color(LIGHT["ink"])
    axes.legend(loc="upper right", frameon=False, labelcolor=LIGHT["soft"])
    file = io.StringIO()
    # Text stays text. The salt gives the same ids in every run, and different ones in each chart of
    # a page.
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": title}):
        figure.savefig(
            file, format="svg", transparent=True, metadata={"Title": title, **_NO_METADATA}
        )
    drawn = file.getvalue()
    for name, colour in LIGHT.items():
        drawn = drawn.replace(colour, f"var(--{name})")
    return drawn[drawn.index("<svg") :].replace("<svg", '<svg class="chart" role="img"', 1)
