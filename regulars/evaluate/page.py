"""The figures as one HTML page that needs nothing but itself."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from regulars.evaluate import table
from regulars.evaluate.chart import Axis, Line, svg
from regulars.evaluate.figures import FMRS, Figures
from regulars.evaluate.open_set import Searches
from regulars.evaluate.verification import BINS, PairScores, edges

_STYLE = """
:root { color-scheme: light dark; --ground: #f6f6f4; --card: #fff; --ink: #1d1f21; --soft: #6a6f76; --line: #d9dbde;
  --one: #1f6feb; --two: #d1622b; --three: #7a4fbf; }
@media (prefers-color-scheme: dark) { :root { --ground: #16181a; --card: #202326; --ink: #e8e8e6; --soft: #9aa0a6;
  --line: #3a3e42; --one: #6ea8fe; --two: #ff9a62; --three: #b795f2; } }
body { margin: 0 auto; padding: 2rem 1.25rem 4rem; max-width: 60rem; background: var(--ground); color: var(--ink);
  font: 16px/1.5 system-ui, sans-serif; }
h1 { margin: 0; font-size: 1.6rem; } h2 { margin: 2.5rem 0 .75rem; font-size: 1.15rem; }
p { color: var(--soft); }
table { border-collapse: collapse; width: 100%; background: var(--card); }
td, th { border: 1px solid var(--line); padding: .35rem .6rem; text-align: left; }
td + td { font-variant-numeric: tabular-nums; }
svg { display: block; width: 100%; height: auto; border: 1px solid var(--line); border-radius: 8px;
  background: var(--card); }
svg text { fill: var(--soft); font: 12px system-ui, sans-serif; } svg .axis { fill: var(--ink); }
.grid { stroke: var(--line); stroke-width: 1; } .mark { stroke: var(--ink); stroke-dasharray: 4 3; }
.one, .two, .three { fill: none; stroke-width: 2; }
.one { stroke: var(--one); } .two { stroke: var(--two); } .three { stroke: var(--three); stroke-dasharray: 6 4; }
polygon.one { fill: var(--one); fill-opacity: .25; } polygon.two { fill: var(--two); fill-opacity: .25; }
"""

_RATES = (1e-5, 1e-4, 1e-3, 1e-2, 0.05, 0.2, 0.5)
_WIDE_BINS = 100
_POINTS = 300
_NORMAL = NormalDist()


def html(figures: Figures, about: str) -> str:
    """`about` says what was looked at."""
    sections = "\n".join(_section(title, rows) for title, rows in table.sections(figures))
    return f"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Regulars: evaluation</title>
<style>{_STYLE}</style>
<h1>How well people are told apart</h1>
<p>{escape(about)}</p>
{sections}
<h2>Detection error trade-off, 1:1</h2>
<p>All pairs of pictures. Both axes are normal deviates, as usual for such curves.</p>
{det(figures.pairs)}
<h2>Detection error trade-off, 1:N, open set</h2>
<p>Half of the persons are enrolled, the others are strangers.</p>
{open_set_det(figures)}
<h2>Scores of pairs</h2>
{histogram(figures.pairs)}
<h2>Best scores of searches</h2>
<p>From one photo a person, less the probe's offset; the mark is the threshold of the service.</p>
{search_histogram(figures)}
</html>
"""


def _section(title: str, rows: Sequence[tuple[str, str]]) -> str:
    cells = "\n".join(f"<tr><td>{escape(name)}</td><td>{escape(value)}</td></tr>" for name, value in rows)
    return f"<h2>{escape(title)}</h2>\n<table>{cells}</table>"


def deviate(rate: float) -> float:
    return _NORMAL.inv_cdf(min(max(rate, 1e-7), 1 - 1e-7))


def _rates(title: str) -> Axis:
    return Axis(title, [(rate, f"{rate:g}") for rate in _RATES], deviate)


def det(pairs: PairScores) -> str:
    """FNMR over FMR."""
    thresholds, fmr = edges(), pairs.fmr()
    fnmr = np.searchsorted(np.sort(pairs.mated), thresholds, side="left") / max(len(pairs.mated), 1)
    seen = np.flatnonzero((fmr > 0) & (fmr < 1))
    line = Line("all pairs", "one", _thinned(fmr[seen], fnmr[seen]))
    return svg("FNMR over FMR", _rates("false match rate"), _rates("false non-match rate"), [line])


def open_set_det(figures: Figures) -> str:
    """FNIR over FPIR, with the score less its offset and with the plain one."""
    one, three = figures.searches[1], figures.searches[3]
    lines = [
        Line("one photo a person", "one", _trade(one.mated, one.non_mated)),
        Line("three photos a person", "two", _trade(three.mated, three.non_mated)),
        Line("one photo, plain score", "three", _trade(one.mated_plain, one.non_mated_plain)),
    ]
    return svg("FNIR over FPIR", _rates("FPIR"), _rates("FNIR"), lines)


def _trade(mated: NDArray[np.float64], non_mated: NDArray[np.float64]) -> list[tuple[float, float]]:
    if not len(mated) or not len(non_mated):
        return []
    falling = np.sort(non_mated)[::-1]
    fpir = np.arange(1, len(falling) + 1) / len(falling)
    fnir = np.searchsorted(np.sort(mated), falling, side="left") / len(mated)
    return _thinned(fpir, fnir)


def _thinned(x: NDArray[np.float64], y: NDArray[np.float64]) -> list[tuple[float, float]]:
    """So many points as a curve needs, evenly along x's deviates."""
    if not len(x):
        return []
    places = np.array([deviate(value) for value in x.tolist()])
    wanted = np.linspace(places.min(), places.max(), _POINTS)
    order = np.argsort(places, kind="stable")
    chosen = np.unique(order[np.clip(np.searchsorted(places[order], wanted), 0, len(order) - 1)])
    chosen = chosen[np.argsort(places[chosen], kind="stable")]
    return [(float(x[i]), float(y[i])) for i in chosen]


def histogram(pairs: PairScores) -> str:
    """Densities of mated and non-mated scores, and the thresholds of FMRS."""
    wide = pairs.non_mated.reshape(_WIDE_BINS, BINS // _WIDE_BINS).sum(axis=1)
    mated, _ = np.histogram(pairs.mated, bins=_WIDE_BINS, range=(-1, 1))
    found = [(fmr, pairs.threshold_at(fmr)) for fmr in FMRS]
    marks = [(threshold, f"FMR {fmr:g}") for fmr, threshold in found if threshold is not None]
    return _densities("scores of pairs", wide, mated, marks)


def search_histogram(figures: Figures) -> str:
    one: Searches = figures.searches[1]
    strangers, _ = np.histogram(one.non_mated, bins=_WIDE_BINS, range=(-1, 1))
    mated, _ = np.histogram(one.mated, bins=_WIDE_BINS, range=(-1, 1))
    threshold = figures.decides.threshold_by(one.gallery_size, 0.0)
    return _densities("best scores of searches", strangers, mated, [(threshold, "threshold")])


def _densities(
    title: str, others: NDArray[np.int64], mated: NDArray[np.int64], marks: Sequence[tuple[float, str]]
) -> str:
    step = 2 / _WIDE_BINS
    lines, top = [], 0.0
    for label, style, counts in (("different persons", "two", others), ("one person", "one", mated)):
        density = counts / max(int(counts.sum()), 1) / step
        top = max(top, float(density.max()))
        lines.append(Line(label, style, _steps(density, step), filled=True))
    rounded = max(math.ceil(top), 1)
    x = Axis("score", [(tenth / 10, f"{tenth / 10:g}") for tenth in range(-4, 11, 2)])
    y = Axis("density", [(0.0, "0"), (rounded / 2, f"{rounded / 2:g}"), (rounded, f"{rounded}")])
    return svg(title, x, y, lines, marks)


def _steps(density: NDArray[np.float64], step: float) -> list[tuple[float, float]]:
    points = []
    for place, value in enumerate(density.tolist()):
        begin = -1 + place * step
        if begin + step > -0.4:
            points += [(begin, value), (begin + step, value)]
    return points
