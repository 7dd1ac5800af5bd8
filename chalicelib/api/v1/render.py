"""Rendering of a face's estimates and of the decision about its identity."""

from __future__ import annotations

from chalicelib.api.v1.endpoint import Body
from chalicelib.core.model import Decision
from chalicelib.core.pictures import ATTRIBUTES, Estimates


def decision_body(decision: Decision | None) -> Body:
    """Render the score, and the threshold and gallery size that it was compared with.

    A null score means that no candidate reached the threshold. All are null if no search was made.
    """
    names = ("score", "threshold", "gallery_size", "false_match_probability")
    return {name: None if decision is None else getattr(decision, name) for name in names}


def estimates_body(estimates: Estimates) -> Body:
    """Render the estimates by name, each with its source; null if unknown or switched off."""
    pose = estimates.pose
    values: Body = {
        "age": {"value": estimates.age},
        "gender": {"value": estimates.gender, "score": estimates.gender_score},
        "emotion": {"value": estimates.emotion, "score": estimates.emotion_score},
        "pose": None if pose is None else {"yaw": pose.yaw, "pitch": pose.pitch, "roll": pose.roll},
        "beauty": {"value": estimates.beauty},
        "liveness": {"value": estimates.liveness},
    }
    sources = {name: estimates.source(name) for name in ATTRIBUTES}
    return {name: None if source is None else {**values[name], "source": source} for name, source in sources.items()}
