"""YuNet, and the decoding of its outputs to faces (libfacedetection.train; as OpenCV's FaceDetectorYN decodes them).

A face is a row of 15: x, y, width, height, five landmarks x, y (eye, eye, nose tip, mouth corner, mouth corner; image
left before right), score.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from chalicelib.vision.packs.manifest import DetectorRole
from chalicelib.vision.packs.session import Sessions
from chalicelib.vision.pictures.planes import Planes, canvas

GRID = 32
"""Canvas sides are multiples of this, the detector's coarsest stride."""

LARGEST = 10.0
"""Largest log of a box's side in strides. Larger values are nonsense, and the limit prevents overflow."""


class YuNet:
    """The pack's detector, on pictures of any size."""

    def __init__(self, sessions: Sessions, role: DetectorRole) -> None:
        self._sessions = sessions
        self._role = role

    def rows(self, pictures: Sequence[Planes], score: float) -> list[NDArray[np.float32]]:
        """Return the (n, 15) rows that reach `score` for each of the pictures of one size, in their own pixels."""
        filled = canvas(pictures, self._role.channels, GRID)
        outputs = self._sessions.run(self._role.file, filled)
        return decode(outputs, filled.shape[3], self._role.strides, score)


def decode(
    outputs: Mapping[str, NDArray[np.float32]], width_px: int, strides: Sequence[int], score: float
) -> list[NDArray[np.float32]]:
    """Decode all cells that reach `score`: (n, 15) for each picture of the batch, without suppressing overlaps."""
    levels = [_level(outputs, width_px, stride, score) for stride in strides]
    pictures, rows = (np.concatenate(parts) for parts in zip(*levels, strict=True))
    return [rows[pictures == picture] for picture in range(len(outputs[f"cls_{strides[0]}"]))]


def _level(
    outputs: Mapping[str, NDArray[np.float32]], width_px: int, stride: int, score: float
) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """Decode one level of all pictures: the rows, and the index of each row's picture."""
    squares = outputs[f"cls_{stride}"][:, :, 0] * outputs[f"obj_{stride}"][:, :, 0]  # each of 0..1
    pictures, cells = np.nonzero(squares >= score**2)
    scores = np.sqrt(squares[pictures, cells])
    at = np.stack([cells % (width_px // stride), cells // (width_px // stride)], axis=1).astype(np.float32)
    box = outputs[f"bbox_{stride}"][pictures, cells]
    centre = (at + box[:, :2]) * stride
    size = np.exp(np.minimum(box[:, 2:4], LARGEST)) * stride
    landmarks = (np.tile(at, 5) + outputs[f"kps_{stride}"][pictures, cells]) * stride
    return pictures, np.concatenate([centre - size / 2, size, landmarks, scores[:, None]], axis=1)


def iou(box: NDArray[np.float32], boxes: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return intersection over union of rows that begin with x, y, width, height, broadcast against each other."""
    left_top = np.maximum(box[..., :2], boxes[..., :2])
    right_bottom = np.minimum(box[..., :2] + box[..., 2:4], boxes[..., :2] + boxes[..., 2:4])
    sides = np.maximum(right_bottom - left_top, 0)
    both = sides[..., 0] * sides[..., 1]
    return np.asarray(both / (box[..., 2] * box[..., 3] + boxes[..., 2] * boxes[..., 3] - both))


def surest(rows: NDArray[np.float32], most: int) -> NDArray[np.float32]:
    """Return the `most` rows of highest score, that first; all of them as they are if there are no more."""
    return rows if len(rows) <= most else np.asarray(rows[np.argsort(-rows[:, 14], kind="stable")[:most]])


def suppress(rows: NDArray[np.float32], limit: float, most: int | None = None) -> NDArray[np.float32]:
    """Drop rows that overlap a better one by more than `limit`: greedy non-maximum suppression, highest score first.

    It ends when it has kept `most` rows.
    """
    rest = rows[np.argsort(-rows[:, 14], kind="stable")]
    kept: list[NDArray[np.float32]] = []
    while len(rest) and len(kept) != most:
        kept.append(rest[0].copy())  # a view would keep all of this round's rows
        rest = rest[1:][iou(rest[0], rest[1:]) <= limit]
    return np.stack(kept) if kept else rows[:0]
