"""Head pose, as the pack's model gives it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from chalicelib.core.model import Pose


def pose(degrees: NDArray[np.float32]) -> Pose:
    """The pose from yaw, pitch and roll.

    Measured signs: yaw > 0, the nose points to the image's right; roll > 0, the head is tilted clockwise in the image.
    """
    yaw, pitch, roll = (float(value) for value in degrees)
    return Pose(yaw, pitch, roll)
