"""Files of impostor-score curves by embedding model: a pack's own, and those that `regulars calibrate` measured."""

from __future__ import annotations

import json
from pathlib import Path

from chalicelib.core.decision import ImpostorCurve

_WRONG = (ValueError, TypeError, AttributeError, RecursionError)
"""Errors for bytes that are not text, text that is not JSON, and JSON without a curve in its place."""


class DamagedCalibration(ValueError):
    """Error for a file whose curves cannot be read; the message names it."""


def curve(file: Path, model: str) -> ImpostorCurve | None:
    """Read the model's curve; None if the file has none of it. Raises DamagedCalibration, OSError."""
    try:
        measured = json.loads(file.read_bytes())
        if not isinstance(measured, dict):
            raise TypeError("it holds no curves by model")
        return ImpostorCurve.from_calibration(measured[model]) if model in measured else None
    except KeyError as error:
        raise DamagedCalibration(f"{file} is damaged: a curve in it lacks {error}") from error
    except _WRONG as error:
        raise DamagedCalibration(f"{file} is damaged: {error}") from error
