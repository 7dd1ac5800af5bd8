"""The detectors that packs have, behind one face: pictures to rows as vision/yunet.py describes them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from chalicelib.core.model import Box
from chalicelib.vision import tiny_yolo, yunet
from chalicelib.vision.crop import about_box, batch, cut
from chalicelib.vision.manifest import DetectorRole
from chalicelib.vision.planes import Planes, canvas, interpolated, picture_of
from chalicelib.vision.session import Sessions

GRID = 32
"""Canvas sides are multiples of this, the detectors' coarsest stride."""

TWO_SCALES_FROM_PX = 512
"""The tiny detector learnt on 416 pixels: what fills a larger canvas it sees more surely at half the size."""


class Network(Protocol):
    """A pack's detector."""

    def rows(self, pictures: Sequence[Planes], score: float) -> list[NDArray[np.float32]]:
        """(n, 15) rows a picture that reach `score`, of pictures of one size, in their own pixels."""


def network_of(sessions: Sessions, role: DetectorRole) -> Network:
    """The network that the role's `decode` names; the manifest has seen to it that there is one."""
    return _NETWORKS[role.decode](sessions, role)


class YuNet:
    """libfacedetection's YuNet: boxes and landmarks in one run."""

    def __init__(self, sessions: Sessions, role: DetectorRole) -> None:
        self._sessions = sessions
        self._role = role

    def rows(self, pictures: Sequence[Planes], score: float) -> list[NDArray[np.float32]]:
        filled = canvas(pictures, self._role.channels, GRID)
        outputs = self._sessions.run(self._role.file, filled)
        return yunet.decode(outputs, filled.shape[3], self._role.strides, score)


class TinyYolo:
    """face-api's tiny face detector, and its 68 landmarks for what it finds.

    Its objectness is brought to the scale of scores that vision/detect.py decides by, along `role.score_scale`.
    """

    def __init__(self, sessions: Sessions, role: DetectorRole) -> None:
        self._sessions = sessions
        self._role = role
        self._raw, self._scaled = np.array(role.score_scale, np.float32).T

    def rows(self, pictures: Sequence[Planes], score: float) -> list[NDArray[np.float32]]:
        lowest = float(np.interp(score, self._scaled, self._raw))
        found = self._boxes(pictures, lowest)
        height, width = pictures[0].shape[1:]
        if max(height, width) >= TWO_SCALES_FROM_PX:
            smaller = [interpolated(picture, (max(1, width // 2), max(1, height // 2))) for picture in pictures]
            for index, rows in enumerate(self._boxes(smaller, lowest)):
                rows[:, :4] *= 2
                found[index] = np.concatenate([found[index], rows])
        return [self._with_landmarks(*each) for each in zip(pictures, found, strict=True)]

    def _boxes(self, pictures: Sequence[Planes], lowest: float) -> list[NDArray[np.float32]]:
        filled = canvas(pictures, self._role.channels, GRID)
        return tiny_yolo.boxes(self._sessions.run(self._role.file, filled)["cells"], lowest)

    def _with_landmarks(self, planes: Planes, found: NDArray[np.float32]) -> NDArray[np.float32]:
        rows = np.zeros((len(found), 15), np.float32)
        rows[:, :4] = found[:, :4]
        rows[:, 14] = np.interp(found[:, 4], self._raw, self._scaled)
        rows = yunet.suppress(rows, self._role.nms_iou)  # each box that is left costs a run of the landmarks
        if len(rows):
            squares = [about_box(Box(*(float(side) for side in row[:4])), 1.0) for row in rows]
            picture = picture_of(planes)
            crops = [cut(picture, square, self._role.landmarks_size_px) for square in squares]
            outputs = self._sessions.run(self._role.landmarks_file, batch(crops, self._role.channels))
            corners = np.array([[square.x, square.y] for square in squares], np.float32)
            sides = np.array([square.side for square in squares], np.float32)
            points = tiny_yolo.five_points(outputs["landmarks"]) * sides[:, None, None] + corners[:, None]
            rows[:, 4:14] = points.reshape(-1, 10)
        return rows


_NETWORKS: Mapping[str, Callable[[Sessions, DetectorRole], Network]] = {"yunet": YuNet, "tiny_yolo": TinyYolo}
