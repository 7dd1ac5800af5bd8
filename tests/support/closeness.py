"""The curve of face-pack-1."""

import json
from pathlib import Path

from chalicelib.domain.rules.decision import ImpostorCurve

CALIBRATION = (
    Path(__file__).resolve().parents[2]
    / "chalicelib"
    / "model_packs"
    / "face-pack-1"
    / "calibration.json"
)
CURVE = ImpostorCurve.from_calibration(json.loads(CALIBRATION.read_text())["face_reid_0095+flip"])
