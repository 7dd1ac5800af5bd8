"""Persons as an iCREDIT caller reads them: every field present, every scalar a text, "" where nothing is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from chalicelib.core.model import Box, Estimates, Face, Gender, Group, Labels, Pose

if TYPE_CHECKING:
    from chalicelib.services.enrolment_plan import EnrolledFace
    from chalicelib.services.identify import Match

Body = Mapping[str, Any]

DONE: Body = {"PERSON_TOKEN_STATUS": "0"}

_GENDERS = {Gender.MALE: "MALE", Gender.FEMALE: "FEMALE"}


def enrolled(faces: Sequence[EnrolledFace]) -> Body:
    return _persons([_person(each.face, each.group, each.estimates, each.box) for each in faces])


def matched(matches: Sequence[Match]) -> Body:
    """Stored tokens and labels; the box and what is estimated are the probe's."""
    return _persons(
        [
            {**_person(match.face, match.group, match.estimates, match.box), "SIMILARITY": similarity(match.score)}
            for match in matches
        ]
    )


def failure(code: str, message: str) -> Body:
    return {"PERSON_TOKEN_STATUS": "1", "PERSON_ENTITY": [], "ERROR_CODE": code, "ERROR_MSG": message}


def similarity(score: float) -> str:
    """A score (cosine) as 0..100."""
    return f"{min(max(score, 0.0), 1.0) * 100:.2f}"


def _persons(entities: list[Body]) -> Body:
    return {**DONE, "PERSON_ENTITY": entities}


def _person(face: Face, group: Group, estimates: Estimates, box: Box | None) -> Body:
    age = estimates.age if face.age is None else face.age
    gender = estimates.gender if face.gender is None else face.gender
    return {
        "PERSON_TOKEN": face.faceid,
        **_box(box),
        "AGE": _whole(age),
        "BEAUTY": "",  # no model of the pack estimates it
        "GENDER": _GENDERS.get(gender, "") if gender else "",
        "EMOTION_TYPE": (estimates.emotion or "").upper(),
        "EMOTION_SCORE": _whole(None if estimates.emotion_score is None else estimates.emotion_score * 100),
        **_labels(face.labels),
        "PERSON_GROUP_LABEL": group.name,
        "POSE": _pose(estimates.pose),
        "SIMILARITY": "",
        "QUALITY": _whole(estimates.quality),
    }


def _box(box: Box | None) -> Body:
    """Whole pixels; a box that reaches over the picture's left or upper edge is cut there."""
    if box is None:
        return dict.fromkeys(("LEFT", "TOP", "WIDTH", "HEIGHT"), "")
    left, top = max(round(box.x), 0), max(round(box.y), 0)
    width, height = round(box.x + box.width) - left, round(box.y + box.height) - top
    return {"LEFT": str(left), "TOP": str(top), "WIDTH": str(max(width, 0)), "HEIGHT": str(max(height, 0))}


def _labels(labels: Labels) -> Body:
    """In both families of names that the source uses."""
    return {
        "LABLE_A": labels.a,
        "LABLE_B": labels.b,
        "LABLE_C": labels.c,
        "LABLE_D": labels.d,
        "FIRST_A_LABLE": labels.a,
        "SECOND_A_LABEL": labels.b,
        "FIRST_B_LABEL": labels.c,
        "SECOND_B_LABEL": labels.d,
    }


def _whole(value: float | None) -> str:
    return "" if value is None else str(round(value))


def _pose(pose: Pose | None) -> str:
    return (
        "" if pose is None else ",".join(f"{round(angle, 1) + 0.0:.1f}" for angle in (pose.yaw, pose.pitch, pose.roll))
    )
