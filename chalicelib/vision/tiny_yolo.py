"""Outputs of face-api's tiny face detector, a small YOLOv2, and of its 68 landmarks.

Its boxes hold a face from the brows to the chin. Structure and constants: justadudewhohacks/face-api.js, src/tinyYolov2
and src/faceLandmarkNet.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

STRIDE = 32
ANCHORS = np.array(
    [[1.603231, 2.094468], [6.041143, 7.080126], [2.882459, 3.518061], [4.266906, 5.178857], [9.041765, 10.66308]],
    np.float32,
)
"""Width and height of the anchors' boxes, in cells."""

LARGEST = 5.0
"""Log of a box's side over its anchor's; nonsense beyond, and no overflow below."""

FIVE = (range(36, 42), range(42, 48), (30,), (48,), (54,))
"""Which of the 68 points make up the eyes, the nose tip and the mouth's corners, image left before right."""


def boxes(cells: NDArray[np.float32], score: float) -> list[NDArray[np.float32]]:
    """(n, 5) rows x, y, width, height, score for each picture of (pictures, 25, rows, columns) raw outputs."""
    pictures, _, rows, columns = cells.shape
    found = []
    for picture in cells.reshape(pictures, len(ANCHORS), 5, rows, columns):
        scores = _sigmoid(picture[:, 4])
        anchor, row, column = np.nonzero(scores >= score)
        raw = picture[anchor, :, row, column]
        centre = np.stack([column, row], axis=1) + _sigmoid(raw[:, :2])
        size = np.exp(np.minimum(raw[:, 2:4], LARGEST)) * ANCHORS[anchor]
        box = np.concatenate([centre - size / 2, size], axis=1) * STRIDE
        found.append(np.concatenate([box, scores[anchor, row, column, None]], axis=1, dtype=np.float32))
    return found


def five_points(landmarks: NDArray[np.float32]) -> NDArray[np.float32]:
    """(n, 5, 2) eyes, nose tip and mouth corners of (n, 136) landmarks, fractions of the square crop all."""
    points = landmarks.reshape(-1, 68, 2)
    return np.stack([points[:, list(part)].mean(axis=1) for part in FIVE], axis=1)


def _sigmoid(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """1 / (1 + exp(-x)), without overflow."""
    return np.asarray((1 + np.tanh(values / 2)) / 2)
