"""Files of impostor-score curves and populations: a pack's own, and those that `regulars calibrate` measured."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from chalicelib.core.decision import ImpostorCurve
from chalicelib.core.population import NEAREST, Population

POPULATION = "population.npy"
"""File of a population's rows beside its curve: (n, dimensions) float16."""

_WRONG = (ValueError, TypeError, AttributeError, RecursionError)
"""Errors for bytes that are not text, text that is not JSON, and JSON without a curve in its place."""


class DamagedCalibration(ValueError):
    """Error for a file whose curves cannot be read; the message names it."""


@dataclass(frozen=True)
class Measured:
    """The curve of a model, and the population that it was measured with.

    `usual`: see core/population.py; None if scores were not judged by a population.
    `rows`: the file of the population beside the curve; None if there is none, and the pack's own counts.
    """

    curve: ImpostorCurve
    usual: float | None
    rows: Path | None


def read(file: Path, model: str) -> Measured | None:
    """Read what was measured of the model; None if the file has nothing of it. Raises DamagedCalibration, OSError."""
    try:
        entries = json.loads(file.read_bytes())
        if not isinstance(entries, dict):
            raise TypeError("it holds no curves by model")
        if model not in entries:
            return None
        usual, rows = entries[model].get("usual"), file.parent / POPULATION
        curve = ImpostorCurve.from_calibration(entries[model])
        return Measured(curve, None if usual is None else float(usual), rows if rows.is_file() else None)
    except KeyError as error:
        raise DamagedCalibration(f"{file} is damaged: a curve in it lacks {error}") from error
    except _WRONG as error:
        raise DamagedCalibration(f"{file} is damaged: {error}") from error


def population(file: Path | None, usual: float | None, dimensions: int) -> Population:
    """Read a population's rows; one of no rows without a file or `usual`. Raises DamagedCalibration, OSError."""
    import numpy as np

    if file is None or usual is None:
        return Population(np.zeros((0, dimensions), np.float32), 0.0)
    try:
        rows = np.load(file, allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise DamagedCalibration(f"{file} is damaged: {error}") from error
    if rows.ndim != 2 or rows.shape[1] != dimensions or len(rows) < NEAREST or not np.isfinite(rows).all():
        raise DamagedCalibration(
            f"{file} is damaged: a population has {NEAREST} rows or more of {dimensions} numbers, not {rows.shape}"
        )
    return Population(rows.astype(np.float32), usual)
