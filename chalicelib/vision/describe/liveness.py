"""Presentation attack detection: how much a face looks like one in front of the camera rather than a picture of one.

Passive, of one picture, by the pack's model. ISO/IEC 30107-3's terms: an attack that passes counts for APCER, a live
face that does not for BPCER. What is known of both is in docs/vision.md; the short of it: what gives an attack away is
mostly the edge of the paper or screen about the face, and an attack that fills the picture passes. Advice, not proof.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

LIVE = "live"


def liveness(logits: NDArray[np.float32], labels: Sequence[str]) -> float:
    """0..1: the probability of the labels "live", from (looks, labels) logits."""
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities = (shifted / shifted.sum(axis=1, keepdims=True)).mean(axis=0)
    return float(sum(value for value, label in zip(probabilities, labels, strict=True) if label == LIVE))
