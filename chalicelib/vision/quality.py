"""How well a face can be recognised from its picture, 0..100: a first score.

Five factors of 0..1, each a plain measurement between a value that is of no use and one that could not be better for
the embedding: size, sharpness, pose, exposure, and the detector's own score. They are fused by a weighted geometric
mean, so that one bad factor cannot be made up for by the others. ISO/IEC 29794-5 measures the same things; the bounds
here follow from the 128-pixel aligned crop and are not fitted to recognition errors.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from chalicelib.core.model import DetectedFace, Pose

EYES_USELESS_PX = 6.0
EYES_BEST_PX = 47.0
"""Between the eyes in the picture. The aligned crop has 47 there: from then on no pixel of it is made up."""

SHARPNESS_USELESS = 0.03
SHARPNESS_BEST = 0.30
"""Ratio of fine detail to contrast, in the aligned crop."""

ANGLE_USELESS_DEG = 70.0
ANGLE_BEST_DEG = 10.0
"""Turn of the head out of the frontal; roll does not count, alignment undoes it."""

RANGE_USELESS = 8.0
RANGE_BEST = 45.0
"""Grey levels from the darkest to the brightest twentieth: a measure that no skin tone falls short of by itself."""

CLIPPED_USELESS = 0.5
CLIPPED_BEST = 0.05
"""Share of pixels that are black or white beyond recall."""

BLACK, WHITE = 4, 251

DETECTOR_USELESS = 0.6
DETECTOR_BEST = 0.9

FLOOR = 0.01
"""Of any factor, so that bad pictures still have an order."""

WEIGHTS = {"size": 0.3, "sharpness": 0.25, "pose": 0.2, "exposure": 0.15, "detector": 0.1}


def quality(face: DetectedFace, aligned: NDArray[np.uint8], pose: Pose | None) -> float:
    """0..100 of a face with its aligned crop, (size, size, 3) RGB; without a pose, that factor is 1."""
    grey = inner(aligned)
    factors = {
        "size": size(face),
        "sharpness": sharpness(grey),
        "pose": 1.0 if pose is None else frontality(pose),
        "exposure": exposure(grey),
        "detector": between(face.score, DETECTOR_USELESS, DETECTOR_BEST),
    }
    return 100 * math.exp(sum(weight * math.log(max(factors[name], FLOOR)) for name, weight in WEIGHTS.items()))


def size(face: DetectedFace) -> float:
    """1 where the eyes are as far apart as in the aligned crop."""
    return between(math.dist(face.landmarks[0], face.landmarks[1]), EYES_USELESS_PX, EYES_BEST_PX)


def frontality(pose: Pose) -> float:
    """1 for a face that looks into the camera."""
    return between(math.hypot(pose.yaw, pose.pitch), ANGLE_USELESS_DEG, ANGLE_BEST_DEG)


def sharpness(grey: NDArray[np.float32]) -> float:
    """Spread of the Laplacian over the spread of grey: blur takes the first, leaves the second; light scales both."""
    middle = grey[1:-1, 1:-1]
    laplacian = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:] - 4 * middle
    contrast = float(grey.std())
    return between(float(laplacian.std()) / contrast, SHARPNESS_USELESS, SHARPNESS_BEST) if contrast > 0 else 0.0


def exposure(grey: NDArray[np.float32]) -> float:
    """1 for a full range of greys with nothing lost at its ends."""
    low, high = np.percentile(grey, [5, 95])
    clipped = float(np.mean((grey <= BLACK) | (grey >= WHITE)))
    return between(float(high - low), RANGE_USELESS, RANGE_BEST) * between(clipped, CLIPPED_USELESS, CLIPPED_BEST)


def inner(aligned: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Grey levels of the part of an aligned crop that is face: its middle, without hair and background."""
    side = len(aligned)
    part = aligned[side * 3 // 8 : side * 15 // 16, side // 4 : side * 3 // 4].astype(np.float32)
    return np.asarray(part @ np.array([0.299, 0.587, 0.114], np.float32))


def between(value: float, worst: float, best: float) -> float:
    """0 at `worst` and beyond, 1 at `best` and beyond, straight in between; `best` may be the smaller one."""
    return min(max((value - worst) / (best - worst), 0.0), 1.0)
