"""Decoding of face-api's SSD MobileNet v1: boxes, each relative to its anchor, and scores.

Structure and constants: vladmandic/face-api, src/ssdMobilenetv1. The anchors are those of TensorFlow's object detection
(Liu et al. 2016, arXiv 1512.02325); face-api's own answers confirm them (tests/regulars/models).
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np
from numpy.typing import NDArray

LEARNT_PX = 512
"""Side of the pictures in its training. The anchors' sides are fractions of it, on canvases of any size."""

STRIDES = (16, 32, 64, 128, 256, 512)
"""Pixels per cell of the six levels."""

SCALES = (0.2, 0.35, 0.5, 0.65, 0.8, 0.95, 1.0)
FINEST = (0.1, 1.0), (0.2, 2.0), (0.2, 0.5)
RATIOS = (2.0, 0.5, 3.0, 1 / 3)

CENTRE_VARIANCE = 10.0
SIZE_VARIANCE = 5.0
LARGEST = 25.0
"""Largest log of a box's side over its anchor's, times SIZE_VARIANCE. Larger values are nonsense, and the limit
prevents overflow."""


def boxes(
    encoded: NDArray[np.float32], scores: NDArray[np.float32], size_px: tuple[int, int], score: float
) -> list[NDArray[np.float32]]:
    """Decode the boxes that reach `score`: (n, 5) rows x, y, width, height, score for each picture of the batch.

    `size_px`: (width, height) of the canvas.
    """
    table = anchors(*size_px)
    found = []
    for offsets, sure in zip(encoded, scores, strict=True):
        (at,) = np.nonzero(sure >= score)
        anchor, offset = table[at], offsets[at][:, [1, 0, 3, 2]]
        size = anchor[:, 2:] * np.exp(np.minimum(offset[:, 2:], LARGEST) / SIZE_VARIANCE)
        centre = anchor[:, :2] + anchor[:, 2:] * offset[:, :2] / CENTRE_VARIANCE
        found.append(np.concatenate([centre - size / 2, size, sure[at, None]], axis=1, dtype=np.float32))
    return found


@cache
def anchors(width_px: int, height_px: int) -> NDArray[np.float32]:
    """Return (anchors, 4) centres and sides x, y, width, height in pixels of a canvas, in the order of the outputs."""
    tables = []
    for level, stride in enumerate(STRIDES):
        columns, rows = math.ceil(width_px / stride), math.ceil(height_px / stride)
        y, x = np.mgrid[:rows, :columns]
        centres = (np.stack([x, y], axis=-1) + 0.5) * stride
        sides = np.array(_sides(level)) * LEARNT_PX
        shape = (rows, columns, len(sides), 2)
        cells = [np.broadcast_to(centres[:, :, None], shape), np.broadcast_to(sides, shape)]
        tables.append(np.concatenate(cells, axis=-1).reshape(-1, 4))
    return np.concatenate(tables).astype(np.float32)


def _sides(level: int) -> list[tuple[float, float]]:
    """Return width and height of a level's anchors, as fractions of LEARNT_PX."""
    if level == 0:
        kinds = list(FINEST)
    else:
        here, above = SCALES[level], SCALES[level + 1]
        kinds = [(here, 1.0), (math.sqrt(here * above), 1.0), *((here, ratio) for ratio in RATIOS)]
    return [(scale * math.sqrt(ratio), scale / math.sqrt(ratio)) for scale, ratio in kinds]
