"""FaceDetail, and what else Rekognition says of a face in a picture: boxes, quality filters, reasons."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from chalicelib.core.decision import MIN_QUALITY
from chalicelib.core.pictures import Estimates, Found, Sides
from chalicelib.core.recognised import DescribedFace

Members = dict[str, Any]

MODELS: Mapping[str, str] = MappingProxyType(
    {"AGE_RANGE": "age", "GENDER": "gender", "EMOTIONS": "emotion", "SMILE": "emotion"}
)
"""The attribute of core.pictures.ATTRIBUTES that each of Rekognition's needs. Of the others we have no model."""

_LANDMARKS = ("eyeLeft", "eyeRight", "nose", "mouthLeft", "mouthRight")
"""In the order of the core's."""

_EMOTIONS = {
    "happy": "HAPPY",
    "sad": "SAD",
    "angry": "ANGRY",
    "surprise": "SURPRISED",
    "fear": "FEAR",
    "disgust": "DISGUSTED",
    "neutral": "CALM",
    "contempt": "UNKNOWN",
}

_LEAST_QUALITY = {"NONE": 0.0, "AUTO": MIN_QUALITY, "LOW": MIN_QUALITY, "MEDIUM": 40.0, "HIGH": 60.0}
_LEAST_SIDE_PX = 32.0

_REASONS = {
    "size": "SMALL_BOUNDING_BOX",
    "sharpness": "LOW_SHARPNESS",
    "compression": "LOW_SHARPNESS",
    "exposure": "LOW_BRIGHTNESS",
    "detector": "LOW_CONFIDENCE",
    "pose": "EXTREME_POSE",
}
"""By Quality.aspect; for what is none of these, LOW_FACE_QUALITY."""


def wanted_models(attributes: Sequence[str]) -> frozenset[str]:
    """Return the attributes of the core that are asked for. An empty list asks for Rekognition's default members."""
    asked = MODELS if "ALL" in attributes else attributes
    return frozenset(MODELS[name] for name in asked if name in MODELS)


def placed(found: Found) -> Members:
    """Return a face's box as shares of the picture's sides, over which it may reach, and the detector's confidence."""
    return {
        "BoundingBox": {"Width": found.width, "Height": found.height, "Left": found.x, "Top": found.y},
        "Confidence": max(50.0, 100 - 160 * (1 - min(found.score, 1.0)) ** 2),
    }


def reason_of(face: DescribedFace, quality_filter: str) -> str:
    """Return why a face does not pass a filter; "" if it does."""
    box = face.detected.box
    if quality_filter != "NONE" and min(box.width, box.height) < _LEAST_SIDE_PX:
        return "SMALL_BOUNDING_BOX"
    if face.quality.total < _LEAST_QUALITY[quality_filter]:
        return _REASONS.get(face.quality.aspect, "LOW_FACE_QUALITY")
    return ""


def compared_face(face: DescribedFace, width: int, height: int) -> Members:
    """Return the members that every face of a picture has. `width`, `height`: those of the picture."""
    detected, quality, pose = face.detected, face.quality, face.estimates.pose
    detail: Members = {
        **placed(Found.of(detected, Sides(width, height))),
        "Landmarks": [
            {"Type": name, "X": x / width, "Y": y / height}
            for name, (x, y) in zip(_LANDMARKS, detected.landmarks, strict=False)
        ],
        "Quality": {"Brightness": 100 * quality.brightness**0.5, "Sharpness": 100 * quality.sharpness},
    }
    if pose is not None:
        detail["Pose"] = {"Roll": pose.roll, "Yaw": pose.yaw, "Pitch": -pose.pitch}  # theirs is positive looking up
    return detail


def face_detail(face: DescribedFace, width: int, height: int, attributes: Collection[str]) -> Members:
    """Return a FaceDetail with the attributes that were asked for and are known."""
    asked = MODELS if "ALL" in attributes else attributes
    made = {
        "AgeRange": _age_range(face.estimates) if "AGE_RANGE" in asked else None,
        "Smile": _smile(face.estimates) if "SMILE" in asked else None,
        "Gender": _gender(face.estimates) if "GENDER" in asked else None,
        "Emotions": _emotions(face.estimates) if "EMOTIONS" in asked else None,
    }
    known = {name: value for name, value in made.items() if value is not None}
    return {**compared_face(face, width, height), **known}


def _age_range(estimates: Estimates) -> Members | None:
    if estimates.age is None:
        return None
    either_way = max(3.0, 0.15 * estimates.age)
    return {"Low": max(0, round(estimates.age - either_way)), "High": round(estimates.age + either_way)}


def _gender(estimates: Estimates) -> Members | None:
    """Return the likelier gender, however unsure it is: Amazon always tells it, and programs read the member."""
    if not estimates.genders:
        return None
    gender, score = estimates.genders[0]
    return {"Value": gender.capitalize(), "Confidence": 100 * score}


def _emotions(estimates: Estimates) -> list[Members] | None:
    return [{"Type": _EMOTIONS[name], "Confidence": 100 * one} for name, one in estimates.emotions] or None


def _smile(estimates: Estimates) -> Members | None:
    if not estimates.emotions:
        return None
    happy = dict(estimates.emotions).get("happy", 0.0)
    smiles = estimates.emotions[0][0] == "happy"
    return {"Value": smiles, "Confidence": 100 * (happy if smiles else 1 - happy)}
