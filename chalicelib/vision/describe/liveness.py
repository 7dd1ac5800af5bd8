"""Presentation attack detection: does a face look like one before the camera, or like a picture of one?

Passive, from one picture, by the pack's model. In ISO/IEC 30107-3's terms, an attack that passes counts for APCER, and
a live face that is rejected for BPCER. docs/vision.md has what is known of both. In short: mostly the edge of the paper
or screen about the face reveals an attack, and an attack that fills the picture passes. Advice, not proof.
services/models applies the tenant's limit.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

LIVE = "live"


def liveness(logits: NDArray[np.float32], labels: Sequence[str]) -> float:
    """Return the probability, 0..1, of the labels "live", from (looks, labels) logits."""
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities = (shifted / shifted.sum(axis=1, keepdims=True)).mean(axis=0)
    return float(sum(value for value, label in zip(probabilities, labels, strict=True) if label == LIVE))
