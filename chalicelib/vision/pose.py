"""Head pose, as the pack's model gives it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from chalicelib.core.model import Pose


def pose(looks: NDArray[np.float32]) -> Pose:
    """The pose from (1, 3) yaw, pitch and roll.

    Measured signs: yaw > 0, the nose points to the image's right; roll > 0, the head is tilted clockwise in the image.
    """
    yaw, pitch, roll = (float(value) for value in looks[0])
    return Pose(yaw, pitch, roll)
