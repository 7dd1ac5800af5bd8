"""Files of impostor-score curves by embedding model: a pack's own, and what `regulars calibrate` measured."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path

from chalicelib.core.decision import ImpostorCurve

_WRONG = (ValueError, TypeError, AttributeError, RecursionError)
"""What is raised of bytes that are no text, text that is no JSON, and JSON that has no curve where one should be."""


class DamagedCalibration(ValueError):
    """The file cannot be read for its curves; the message names it."""


def curves(file: Path, models: Collection[str]) -> dict[str, ImpostorCurve]:
    """The curves of those of the models that the file has. Raises DamagedCalibration, OSError."""
    try:
        measured = json.loads(file.read_bytes())
        if not isinstance(measured, dict):
            raise TypeError("it holds no curves by model")
        return {model: ImpostorCurve.from_calibration(measured[model]) for model in models if model in measured}
    except KeyError as error:
        raise DamagedCalibration(f"{file} is damaged: a curve in it lacks {error}") from error
    except _WRONG as error:
        raise DamagedCalibration(f"{file} is damaged: {error}") from error
