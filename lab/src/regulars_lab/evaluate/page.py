"""The figures as one self-contained HTML page."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np
from numpy.typing import NDArray

from regulars_lab import page
from regulars_lab.evaluate import chart, table
from regulars_lab.evaluate.figures import FMRS, Figures
from regulars_lab.measuring.open_set import Searches
from regulars_lab.measuring.pairs import BINS, PairScores, list_bin_edges

_WIDE_BINS = 100


def html(figures: Figures, about: str) -> str:
    """Write the page, without charts if matplotlib is not installed.

    `about`: the folder and the pack.
    """
    sections = "\n".join(_section(title, rows) for title, rows in table.sections(figures))
    charts = _charts(figures) if chart.can_draw() else f"<p>{escape(MISSING)}.</p>"
    heading = f"<h1>How well people are told apart</h1>\n<p>{escape(about)}</p>"
    return page.html("Regulars: evaluation", f"{heading}\n{sections}\n{charts}")


MISSING = (
    f"The page has no charts, since matplotlib is not installed: `{chart.INSTALL}`, then "
    "evaluate again"
)


def _charts(figures: Figures) -> str:
    return f"""<h2>Detection error trade-off, 1:1</h2>
<p>All pairs of pictures. Both axes are normal deviates, as usual for such curves.</p>
{det(figures.pairs)}
<h2>Detection error trade-off, 1:N, open set</h2>
<p>Half of the persons are enrolled, the others are strangers.</p>
{open_set_det(figures)}
<h2>Scores of pairs</h2>
{histogram(figures.pairs)}
<h2>Best scores of searches</h2>
<p>From one photo a person, less the pair's demand; the mark is the threshold of the service.</p>
{search_histogram(figures)}"""


def _section(title: str, rows: Sequence[tuple[str, str]]) -> str:
    cells = "\n".join(
        f"<tr><td>{escape(name)}</td><td>{escape(value)}</td></tr>" for name, value in rows
    )
    return f"<h2>{escape(title)}</h2>\n<table>{cells}</table>"


def det(pairs: PairScores) -> str:
    """Draw FNMR over FMR."""
    thresholds, fmr = list_bin_edges(), pairs.compute_fmr()
    fnmr = np.searchsorted(np.sort(pairs.mated), thresholds, side="left") / max(len(pairs.mated), 1)
    seen = (fmr > 0) & (fmr < 1)
    curves = {"all pairs": (fmr[seen], fnmr[seen])}
    return chart.trade_off("FNMR over FMR", "false match rate", "false non-match rate", curves)


def open_set_det(figures: Figures) -> str:
    """Draw FNIR over FPIR, with the score less its demand and with the plain one."""
    one, three = figures.searches[1], figures.searches[3]
    curves = {
        "one photo a person": _trade(one.mated, one.non_mated),
        "three photos a person": _trade(three.mated, three.non_mated),
        "one photo, plain score": _trade(one.mated_plain, one.non_mated_plain),
    }
    return chart.trade_off("FNIR over FPIR", "FPIR", "FNIR", curves)


def _trade(mated: NDArray[np.float64], non_mated: NDArray[np.float64]) -> chart.Curve:
    falling = np.sort(non_mated)[::-1]
    fpir = np.arange(1, len(falling) + 1) / max(len(falling), 1)
    fnir = np.searchsorted(np.sort(mated), falling, side="left") / max(len(mated), 1)
    return (fpir, fnir) if len(mated) else (fpir[:0], fnir[:0])


def histogram(pairs: PairScores) -> str:
    """Draw densities of mated and non-mated scores, and the thresholds for FMRS."""
    wide = pairs.non_mated.reshape(_WIDE_BINS, BINS // _WIDE_BINS).sum(axis=1)
    found = [(fmr, pairs.find_threshold(fmr)) for fmr in FMRS]
    marks = [(threshold, f"FMR {fmr:g}") for fmr, threshold in found if threshold is not None]
    return chart.densities("scores of pairs", _counts(wide, pairs.mated), marks)


def search_histogram(figures: Figures) -> str:
    """Draw densities of searches' best scores, and the service's threshold for a gallery of this
    size."""
    one: Searches = figures.searches[1]
    strangers, _ = np.histogram(one.non_mated, bins=_WIDE_BINS, range=(-1, 1))
    threshold = figures.decides.point.find_threshold(one.gallery_size)
    return chart.densities(
        "best scores of searches", _counts(strangers, one.mated), [(threshold, "threshold")]
    )


def _counts(others: NDArray[np.int64], mated: NDArray[np.floating]) -> dict[str, NDArray[np.int64]]:
    return {
        "different persons": others,
        "one person": np.histogram(mated, bins=_WIDE_BINS, range=(-1, 1))[0],
    }
