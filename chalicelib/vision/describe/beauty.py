"""How squarely a face's mouth stands under its eyes in a picture, for the field BEAUTY: no model and no training.

It is a figure of symmetry and nothing else, and does not say how attractive anybody finds the face (docs/vision.md).
The tip of the nose does not count: it stands before the other landmarks, so that it shows how the head is turned.
"""

from __future__ import annotations

import math

from chalicelib.core.pictures import DetectedFace, Pose

ASYMMETRY_SPREAD = 0.06
"""How far the mouth's middle lies beside the face's axis, and one of its corners below the other, over the distance of
the eyes. Half of all portraits have less than 0.03."""

LARGEST_YAW_DEG = 12.0
LARGEST_PITCH_DEG = 20.0
"""Largest turn of the head: beyond it the picture does not show the face's own symmetry."""


def beauty(face: DetectedFace, pose: Pose | None) -> float | None:
    """Score the symmetry, 0..100; None if the head is turned too far or the landmarks cannot be measured.

    100 exp(-(a^2 + b^2) / 2), each letter an asymmetry over its spread.
    """
    if pose is not None and (abs(pose.yaw) > LARGEST_YAW_DEG or abs(pose.pitch) > LARGEST_PITCH_DEG):
        return None
    left_eye, right_eye, _, left_corner, right_corner = (complex(x, y) for x, y in face.landmarks)
    across = right_eye - left_eye
    if abs(across) < 1:
        return None
    # relative to the middle of the eyes, which then lie level and 1 apart
    left, right = ((corner - (left_eye + right_eye) / 2) / across for corner in (left_corner, right_corner))
    aside, slant = (left + right).real / 2, (right - left).imag
    return 100 * math.exp(-(aside**2 + slant**2) / ASYMMETRY_SPREAD**2 / 2)
