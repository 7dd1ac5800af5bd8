"""Answers in iCREDIT's form: every field present, every scalar a text, "" for unknown values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from chalicelib.core.local_time import Granularity
from chalicelib.core.model import Decision, Face, Labels
from chalicelib.core.pictures import Box, Estimates, Gender, Pose

if TYPE_CHECKING:
    from chalicelib.core.observations import Observation
    from chalicelib.core.recognised import Match
    from chalicelib.services.enrolment.enrolment import EnrolledFace
    from chalicelib.services.statistics.statistics import Bucket, ObservationPage

Body = Mapping[str, Any]

DONE: Body = {"PERSON_TOKEN_STATUS": "0"}
PERSONS = "PERSON_ENTITY"
STATISTICS = ("PERSON_ TOKEN_ENEITY", "PERSON_TOKEN_ENEITY")
"""The name as the source prints it, and as it was probably meant."""

_GENDERS = {Gender.MALE: "MALE", Gender.FEMALE: "FEMALE"}
_TIME_UNITS = {Granularity.MONTH: "月", Granularity.WEEK: "周", Granularity.DAY: "日", Granularity.HOUR: "小时"}


def enrolled(faces: Sequence[EnrolledFace]) -> Body:
    return _persons([_person(one.face, one.group.name, one.estimates, one.box) for one in faces])


def matched(matches: Sequence[Match]) -> Body:
    """Render matches: tokens and labels are the stored ones, box and estimates the probe's."""
    return _persons(
        [
            {**_person(one.face, one.group.name, one.estimates, one.box), "SIMILARITY": similarity(one.decision)}
            for one in matches
        ]
    )


def queried(page: ObservationPage) -> Body:
    entities = [_observed(observation) for observation in page.observations]
    return {**_persons(entities), "NEXT_PAGE_TOKEN": page.next_token or "", "TOTAL": str(page.total)}


def analysed(buckets: Sequence[Bucket], granularity: Granularity) -> Body:
    unit = _TIME_UNITS[granularity]
    entities = [{"TIME_UNIT": unit, "TIME": bucket.time, "AMOUNT": str(bucket.amount)} for bucket in buckets]
    return {**DONE, **dict.fromkeys(STATISTICS, entities)}


def failure(code: str, message: str, lists: Sequence[str] = (PERSONS,)) -> Body:
    """Render a failure. `lists`: names of the operation's lists, which are all empty."""
    empty: Body = dict.fromkeys(lists, ())
    return {"PERSON_TOKEN_STATUS": "1", **empty, "ERROR_CODE": code, "ERROR_MSG": message}


def similarity(decision: Decision) -> str:
    """Render the score (cosine) as 0..100; "" if there is none."""
    return "" if decision.score is None else f"{min(max(decision.score, 0.0), 1.0) * 100:.2f}"


def _persons(entities: list[Body]) -> Body:
    return {**DONE, PERSONS: entities}


def _person(face: Face, group_name: str, estimates: Estimates, box: Box | None) -> Body:
    """Render a face. Age and gender are the ones that were set, else the estimates."""
    known = replace(
        estimates,
        age=estimates.age if face.age is None else face.age,
        gender=estimates.gender if face.gender is None else face.gender,
    )
    return _entity(face.faceid, face.labels, group_name, known, box=box)


def _observed(observation: Observation) -> Body:
    from chalicelib.core.observations import ObservationKind  # not at the cold starts of other requests

    found = observation.decision if observation.kind is ObservationKind.SEARCH else None
    entity = _entity(
        observation.faceid, observation.labels, observation.group_name, observation.estimates, box=observation.box
    )
    return {**entity, "SIMILARITY": similarity(found) if found else "", "TIME": str(int(observation.at.timestamp()))}


def _entity(token: str, labels: Labels, group_name: str, estimates: Estimates, *, box: Box | None) -> Body:
    score = estimates.emotion_score
    return {
        "PERSON_TOKEN": token,
        **_box(box),
        "AGE": _whole(estimates.age),
        "BEAUTY": _whole(estimates.beauty),
        "GENDER": _GENDERS.get(estimates.gender, "") if estimates.gender else "",
        "EMOTION_TYPE": (estimates.emotion or "").upper(),
        "EMOTION_SCORE": _whole(None if score is None else score * 100),
        **_labels(labels),
        "PERSON_GROUP_LABEL": group_name,
        "POSE": _pose(estimates.pose),
        "SIMILARITY": "",
        "QUALITY": _whole(estimates.quality),
    }


def _box(box: Box | None) -> Body:
    """Render a box in whole pixels. One that reaches over the picture's left or upper edge is cut there."""
    if box is None:
        return dict.fromkeys(("LEFT", "TOP", "WIDTH", "HEIGHT"), "")
    left, top = max(round(box.x), 0), max(round(box.y), 0)
    width, height = round(box.x + box.width) - left, round(box.y + box.height) - top
    return {"LEFT": str(left), "TOP": str(top), "WIDTH": str(max(width, 0)), "HEIGHT": str(max(height, 0))}


def _labels(labels: Labels) -> Body:
    """Render the labels in both families of names that the source uses."""
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
