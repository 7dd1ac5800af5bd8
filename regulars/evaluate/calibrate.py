"""`regulars calibrate`: a pack's curves of scores of different persons, measured on a labelled folder."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from chalicelib.core import cohorts
from chalicelib.core.cohorts import COHORT, LARGEST_DEMAND, LARGEST_RELIEF, SHARE, SMALLEST_COHORT_GALLERY
from chalicelib.core.decision import DEFAULT_FPIR, SMALLEST_GALLERY, ImpostorCurve, OperatingPoint
from chalicelib.vision.packs import packs
from regulars.errors import NoPictures
from regulars.evaluate import labelled, open_set, run, verification
from regulars.evaluate.figures import faces_of
from regulars.evaluate.suspects import Suspects, one_each, suspects
from regulars.evaluate.text import readable
from regulars.evaluate.verification import Faces
from regulars.serve.folder import write_durably

RATES = (0.1, 0.03, 0.01, 0.003, 0.001, 3e-4, 1e-4, 3e-5, 1e-5, 3e-6, 1e-6, 3e-7, 1e-7)
FEWEST_ABOVE = 10
"""Pairs that must score above a point of the curve."""

TAIL_FMR = 1e-3
"""False match rate at which the exponential tail begins.

The tail's rate is 1 / (mean excess over that score), the maximum likelihood estimate.
"""

FEWEST_PERSONS = 150
"""Persons that a curve needs: they make some 11,000 pairs, about ten of them in the tail."""

_TRIALS = 20
_MEANING = "fmr(t) = fmr_at * exp(-rate * (t - above)) beyond the last point"


def calibrate(images: Path, models: Path | None, pack_name: str, *, out: Path, to: Path) -> int:
    """Measure a pack's curve and write it to the folder `to`.

    Return the exit code. Raises OperatorError, OSError.
    """
    console = Console()
    folder = labelled.read(images)
    pack = run.pack_in(models, pack_name)
    faces = faces_of(folder, run.seen_in(folder, pack, out, console))
    with console.status("comparing"):
        entry, left_out = measured(faces, folder.persons)
    for one, other, score in left_out.pairs:
        console.print(f"left out, since they look like one person: {one} and {other}, {score:.3f}", markup=False)
    to.mkdir(parents=True, exist_ok=True)
    document = {
        "source": f"{len(folder.files)} pictures of {len(folder.persons)} persons, one picture a person compared",
        "pipeline": f"{pack.manifest.name}: the face that the picture is of, as `regulars evaluate` takes it",
        pack.manifest.embedding.model: entry,
    }
    file = to / packs.CALIBRATION
    write_durably(file, json.dumps(document, indent=1) + "\n", mode=0o666)
    curve = ImpostorCurve.from_calibration(entry)
    decides = OperatingPoint(curve)
    for size in (SMALLEST_GALLERY, 30_000):
        console.print(f"threshold of {size} faces at FPIR {DEFAULT_FPIR:g}: {decides.threshold_by(size, 0.0):.4f}")
    console.print(f"the curve is in {readable(str(file.resolve()))}", markup=False, soft_wrap=True)
    return 0


def measured(faces: Faces, persons: Sequence[str]) -> tuple[dict[str, Any], Suspects]:
    """Compute a model's entry of calibration.json, and the pairs that it leaves out as likely label errors.

    Raises NoPictures if fewer than FEWEST_PERSONS have a picture with a face.
    """
    mated = verification.all_pairs(faces).mated
    rows, names = one_each(faces, persons)
    if len(rows) < FEWEST_PERSONS:
        raise NoPictures(
            f"a face was found of {len(rows)} persons; a curve needs {FEWEST_PERSONS} or more, and thousands to be good"
        )
    scores = rows @ rows.T
    above = scores[np.triu_indices(len(rows), 1)].astype(np.float64)
    left_out = suspects(rows, names, mated)
    above = np.sort(above[above < left_out.limit])[::-1]
    entry: dict[str, Any] = {
        "score": "cosine",
        "persons": len(rows),
        "impostor_pairs": len(above),
        "left_out_as_label_errors": len(left_out.pairs),
        "impostor_mean": round(float(above.mean()), 4),
        "impostor_std": round(float(above.std()), 4),
        "mated_pairs": len(mated),
        "mated_mean": round(float(mated[mated > verification.NO_FACE].mean()), 4) if len(mated) else None,
        **_curve(above),
    }
    entry["mated_fnmr"] = [
        {"fmr": point["fmr"], "fnmr": round(float(np.mean(mated < point["threshold"])), 6)}
        for point in entry["points"]
        if len(mated)
    ]
    if len(rows) >= 2 * SMALLEST_COHORT_GALLERY:
        entry["normalised"] = _normalised(scores, left_out.limit, ImpostorCurve.from_calibration(entry))
    return entry, left_out


def _curve(falling: NDArray[np.float64]) -> dict[str, Any]:
    """Compute points and tail of scores of different persons. `falling`: the highest first."""
    points: list[dict[str, float]] = []
    for rate in RATES:
        place = int(rate * len(falling))
        if place < FEWEST_ABOVE:
            break
        threshold = round(float(falling[place]), 4)
        if not points or threshold > points[-1]["threshold"]:
            points.append({"fmr": rate, "threshold": threshold})
    begin = falling[int(TAIL_FMR * len(falling))]
    excess = falling[falling > begin] - begin
    tail = {
        "above": round(float(begin), 4),
        "fmr_at": TAIL_FMR,
        "rate": round(float(1 / excess.mean()), 2),
        "meaning": _MEANING,
    }
    return {"points": points, "tail": tail}


def _normalised(scores: NDArray[np.float32], limit: float, curve: ImpostorCurve) -> dict[str, Any]:
    """Compute the curve of normalised scores (score less offset).

    Each trial draws a gallery, and as many other persons to search in it.
    """
    random = np.random.default_rng(0)
    size = min(SMALLEST_GALLERY, len(scores) // 2)
    decides = OperatingPoint(ImpostorCurve(curve.points, curve.tail_above, curve.tail_fmr, curve.tail_rate, curve))
    found = []
    for _ in range(_TRIALS):
        order = random.permutation(len(scores))
        gallery, probes = order[:size], order[size : 2 * size]
        searched = scores[np.ix_(probes, gallery)].astype(np.float64)
        searched[searched >= limit] = np.nan
        offsets = _offsets(np.nan_to_num(searched, nan=-1.0), scores[np.ix_(gallery, gallery)], decides)
        found.append((searched - offsets)[~np.isnan(searched)])
    falling = np.sort(np.concatenate(found))[::-1]
    return {"cohort": COHORT, "gallery_size": size, "pairs": len(falling), **_curve(falling)}


def _offsets(searched: NDArray[np.float64], held: NDArray[np.float32], decides: OperatingPoint) -> NDArray[np.float64]:
    """Compute the offset of every pair, (probes, gallery).

    `searched`: scores of the probes with the gallery; `held`: of the gallery with itself.
    """
    size = len(held)
    usual = decides.expected(size)
    of_candidates = [cohorts.difference(decides.candidates_cohort(row, size), usual) for row in open_set.nearest(held)]
    of_probes = [decides.cohort(row[0], row, size) for row in open_set.nearest(searched)]
    own = np.array([cohorts.difference(cohort, usual) for cohort in of_probes])
    both = np.clip(SHARE * (own[:, None] + np.array(of_candidates)), -LARGEST_RELIEF, LARGEST_DEMAND)
    return np.where([[bool(cohort)] for cohort in of_probes], both, 0.0)
