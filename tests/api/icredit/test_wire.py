"""How persons look, where no request can make them so."""

from datetime import UTC, datetime

import pytest

from chalicelib.api.icredit import routes
from chalicelib.book.enrolment.fields import EnrolledFace
from chalicelib.domain.model import Decision, Face, Group, Picture
from chalicelib.domain.pictures import BoundingBox, Estimates, Gender, Pose

GROUP = Group("g1", "VIP会员", "", 1, 10)


def person(
    box: BoundingBox | None = None,
    estimates: Estimates | None = None,
    age: int | None = None,
    gender: Gender | None = None,
) -> dict[str, str]:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    face = Face("7", "g1", at, (Picture("p", "key", at, ()),), age=age, gender=gender)
    body = routes.describe_enrolled_faces(
        [EnrolledFace(face, GROUP, box, known=False, estimates=estimates or Estimates())]
    )
    assert body["PERSON_TOKEN_STATUS"] == "0"
    entity = body["PERSON_ENTITY"][0]
    assert all(isinstance(value, str) for value in entity.values())
    return dict(entity)


def test_what_is_unknown_is_an_empty_text() -> None:
    known = {name: value for name, value in person().items() if value}
    assert known == {"PERSON_TOKEN": "7", "PERSON_GROUP_LABEL": "VIP会员"}


@pytest.mark.parametrize(
    ("box", "shown"),
    [
        (BoundingBox(5.4, 5.6, 10.0, 20.0), ("5", "6", "10", "20")),
        (BoundingBox(-3.0, -4.0, 10.0, 20.0), ("0", "0", "7", "16")),
        (BoundingBox(0.4, 0.4, 0.2, 0.2), ("0", "0", "1", "1")),
    ],
)
def test_boxes_are_whole_pixels_inside_the_left_and_upper_edge(
    box: BoundingBox, shown: tuple[str, ...]
) -> None:
    entity = person(box)
    assert tuple(entity[side] for side in ("LEFT", "TOP", "WIDTH", "HEIGHT")) == shown


def test_age_and_gender_are_as_set_else_as_estimated() -> None:
    estimates = Estimates(age=33.6, gender=Gender.MALE)
    assert (person(estimates=estimates)["AGE"], person(estimates=estimates)["GENDER"]) == (
        "34",
        "MALE",
    )
    as_set = person(estimates=estimates, age=0, gender=Gender.FEMALE)
    assert (as_set["AGE"], as_set["GENDER"]) == ("0", "FEMALE")
    assert person(estimates=estimates, gender=Gender.UNKNOWN)["GENDER"] == ""


def test_pose_is_yaw_pitch_roll_in_degrees() -> None:
    assert person(estimates=Estimates(pose=Pose(-12.34, 0.04, -0.04)))["POSE"] == "-12.3,0.0,0.0"


@pytest.mark.parametrize(
    ("score", "shown"),
    [(1.0004, "100.00"), (0.5123, "51.23"), (0.0, "0.00"), (-0.3, "0.00"), (None, "")],
)
def test_similarity_is_0_to_100(score: float | None, shown: str) -> None:
    assert routes.render_similarity(Decision(score, 0.4, 1)) == shown
