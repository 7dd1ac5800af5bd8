"""A geometric score of a face's proportions for the field BEAUTY: no model, no training, no taste.

We know of no model with a licence for commercial use: they are trained on research-only ratings of a few hundred faces
and reproduce the taste of their raters. Two things can be computed and stated plainly: how near a face is to the
proportions of the average one, and how alike its halves are. Ratings agree on these most (Langlois & Roggman 1990, doi
10.1111/j.1467-9280.1990.tb00079.x; Rhodes 2006, doi 10.1146/annurev.psych.57.102904.190208). The score is not a
judgement of a person, and a tenant can switch it off.
"""

from __future__ import annotations

import math

from chalicelib.core.pictures import DetectedFace, Pose

EYES_TO_MOUTH = 0.36
EYES_TO_MOUTH_SPREAD = 0.03
"""Vertical distance of eyes and mouth over the height of the detector's box: the proportion that raters prefer and that
the average face has (Pallett, Link & Lee 2010, doi 10.1016/j.visres.2009.11.003)."""

EYE_TO_EYE = 0.46
EYE_TO_EYE_SPREAD = 0.04
"""Distance of the pupils over the face's width; the same source."""

ASYMMETRY_SPREAD = 0.06
"""How far the nose's tip and the mouth's middle lie beside the face's axis, over the distance of the eyes."""

LARGEST_YAW_DEG = 12.0
LARGEST_PITCH_DEG = 20.0
"""Largest turn of the head: beyond it the picture does not show the face's own proportions."""


def beauty(face: DetectedFace, pose: Pose | None) -> float | None:
    """Score the proportions, 0..100; None if the head is turned too far or the landmarks cannot be measured.

    100 exp(-(a^2 + b^2 + c^2) / 6), each letter a deviation over its spread.
    """
    if pose is not None and (abs(pose.yaw) > LARGEST_YAW_DEG or abs(pose.pitch) > LARGEST_PITCH_DEG):
        return None
    left_eye, right_eye, nose, *corners = (complex(x, y) for x, y in face.landmarks)
    across, mouth = right_eye - left_eye, sum(corners) / 2
    if abs(across) < 1 or face.box.width < 1 or face.box.height < 1:
        return None
    # relative to the middle of the eyes, which then lie level and 1 apart
    nose, mouth = ((point - (left_eye + right_eye) / 2) / across for point in (nose, mouth))
    deviations = (
        (mouth.imag * abs(across) / face.box.height - EYES_TO_MOUTH) / EYES_TO_MOUTH_SPREAD,
        (abs(across) / face.box.width - EYE_TO_EYE) / EYE_TO_EYE_SPREAD,
        math.hypot(nose.real, mouth.real) / ASYMMETRY_SPREAD,
    )
    return 100 * math.exp(-sum(deviation**2 for deviation in deviations) / 6)
