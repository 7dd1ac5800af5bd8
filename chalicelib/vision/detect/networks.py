"""The packs' detectors behind one interface: from pictures to the rows of vision/detect/yunet.py."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from chalicelib.vision.detect import ssd, yunet
from chalicelib.vision.detect.landmarks import Landmarks68
from chalicelib.vision.packs.manifest import DetectorRole
from chalicelib.vision.packs.session import Sessions
from chalicelib.vision.pictures.crop import lit
from chalicelib.vision.pictures.planes import Planes, canvas, picture_of, planes_of

GRID = 32
"""Canvas sides are multiples of this, the detectors' coarsest stride."""

MAX_PROPOSALS = 128
"""Most faces that are proposed to the second look (vision/detect/detect.py), the surest."""


class Network(Protocol):
    """A pack's detector."""

    def rows(self, pictures: Sequence[Planes], score: float) -> list[NDArray[np.float32]]:
        """Return the (n, 15) rows that reach `score` for each of the pictures of one size, in their own pixels."""

    def settled(self, picture: NDArray[np.uint8], rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Refine box and landmarks of (n, 15) `rows` that are faces, as far as the picture allows."""


def network_of(sessions: Sessions, role: DetectorRole) -> Network:
    """Create the detector that the role's `decode` names; reading the manifest has checked the name."""
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

    def settled(self, picture: NDArray[np.uint8], rows: NDArray[np.float32]) -> NDArray[np.float32]:  # noqa: ARG002 -- the port's
        return rows


class SsdMobileNet:
    """face-api's SSD MobileNet v1, with its 68 landmarks.

    `role.score_scale` maps its scores to the scale of the thresholds in vision/detect/detect.py.
    """

    def __init__(self, sessions: Sessions, role: DetectorRole) -> None:
        if role.landmarks is None:
            raise ValueError(f"the detector {role.file} finds boxes only and needs a role.detector.landmarks beside it")
        self._sessions = sessions
        self._role = role
        self._landmarks = Landmarks68(sessions, role.landmarks, role.channels)
        self._raw, self._scaled = np.array(role.score_scale, np.float32).T

    def rows(self, pictures: Sequence[Planes], score: float) -> list[NDArray[np.float32]]:
        lowest = float(np.interp(score, self._scaled, self._raw))
        shown = [picture_of(planes) for planes in pictures]
        filled = canvas([planes_of(lit(picture)) for picture in shown], self._role.channels, GRID)
        outputs = self._sessions.run(self._role.file, filled)
        found = ssd.boxes(outputs["boxes"], outputs["scores"], (filled.shape[3], filled.shape[2]), lowest)
        return [self._with_landmarks(*each) for each in zip(shown, found, strict=True)]

    def settled(self, picture: NDArray[np.uint8], rows: NDArray[np.float32]) -> NDArray[np.float32]:
        settled = rows.copy()
        settled[:, 4:14] = self._landmarks.exact(picture, rows)
        lower, wider, higher = self._role.box_fit
        settled[:, 2:4] *= (wider, higher)
        settled[:, :2] += (rows[:, 2:4] - settled[:, 2:4]) / 2
        settled[:, 1] += lower * rows[:, 3]
        return settled

    def _with_landmarks(self, picture: NDArray[np.uint8], found: NDArray[np.float32]) -> NDArray[np.float32]:
        rows = np.zeros((len(found), 15), np.float32)
        rows[:, :4] = found[:, :4]
        rows[:, 14] = np.interp(found[:, 4], self._raw, self._scaled)
        # first, because each box costs a run of the landmark network
        rows = yunet.suppress(rows, self._role.nms_iou, MAX_PROPOSALS)
        rows[:, 4:14] = self._landmarks.rough(picture, rows)
        return rows


_NETWORKS: Mapping[str, Callable[[Sessions, DetectorRole], Network]] = {
    "yunet": YuNet,
    "ssd_mobilenet_v1": SsdMobileNet,
}
