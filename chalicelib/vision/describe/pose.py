"""Head pose from the pack's model or, if the pack has none, from the five landmarks.

Signs: yaw > 0, the nose points to the image's right; pitch > 0, it points down; roll > 0, the head is tilted clockwise
in the image.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from chalicelib.core.pictures import Pose
from chalicelib.vision.detect.align import Points

MEAN_FACE = np.array([[-0.5, 0.0, 0.0], [0.5, 0.0, 0.0], [0.0, 0.55, 0.5], [-0.42, 1.075, 0.0], [0.42, 1.075, 0.0]])
"""Eyes, nose tip and mouth corners of the average face: right, down and forward, in eye distances. Right and down are
the means of the labelled portraits that look ahead. Forward, the nose tip lies about 32 mm before eyes and mouth; the
eyes are 63 mm apart."""

LEAST_SCALE_PX = 1.0
"""Fewest pixels of the eye distance, and of the face's other direction, that can be measured."""


def pose(looks: NDArray[np.float32]) -> Pose:
    """Make the pose from a model's (1, 3) yaw, pitch and roll."""
    yaw, pitch, roll = (float(value) for value in looks[0])
    return Pose(yaw, pitch, roll)


def from_landmarks(landmarks: Points) -> Pose | None:
    """Find the pose of the average face that fits the landmarks best; None if they are a point or a line.

    Weak perspective: the affine map from MEAN_FACE to the landmarks by least squares (the first step of POSIT,
    DeMenthon & Davis 1995, doi 10.1007/BF01450852), then the rotation nearest to it, by its singular vectors. It is
    exact for the average face at any pose. A person's own proportions, such as a low nose, show up as pitch.
    """
    points = np.array(landmarks, np.float64)
    affine = _FROM_MEAN_FACE @ (points - points.mean(axis=0))
    left, scales, right = np.linalg.svd(affine.T, full_matrices=False)
    if scales[1] < LEAST_SCALE_PX:
        return None
    across, down = left @ right
    forward = np.cross(across, down)
    pitch = math.asin(min(max(float(down[2]), -1.0), 1.0))
    # In the rotation yaw after pitch after roll, column three is the nose's direction; row two has the rest.
    yaw = math.atan2(float(across[2]), float(forward[2]))
    roll = math.atan2(float(down[0]), float(down[1]))
    return Pose(math.degrees(yaw), math.degrees(pitch), math.degrees(roll))


_FROM_MEAN_FACE = np.linalg.pinv(MEAN_FACE - MEAN_FACE.mean(axis=0))
