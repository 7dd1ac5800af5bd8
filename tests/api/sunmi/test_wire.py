"""How faces and groups look, where no request can make them so yet."""

from datetime import UTC, datetime

import pytest

from chalicelib.api.sunmi import routes
from chalicelib.domain.model import Attribute, Face, Group, Picture
from chalicelib.domain.pictures import Estimates, Gender

GROUP = Group("g1", "vip", "", 1, 10, attributes=(Attribute(4, "hobby"), Attribute(2, "vip_level")))
AT = datetime(2019, 8, 19, tzinfo=UTC)
FACE = Face("123456", "g1", AT, (Picture("p", "key", AT, ()),))


def face_of(
    age: int | None = None, estimates: Estimates | None = None, gender: Gender | None = None
) -> Face:
    return Face(
        "1", "g1", AT, (Picture("p", "key", AT, (), estimates or Estimates()),), age, gender
    )


@pytest.mark.shows("sunmi", "age_range is 1 for 0 to 6 years")
@pytest.mark.parametrize(
    ("ages", "age_range"),
    [
        (range(7), 1),
        (range(7, 13), 2),
        (range(13, 19), 3),
        (range(19, 29), 4),
        (range(29, 36), 5),
        (range(36, 46), 6),
        (range(46, 56), 7),
        (range(56, 121), 8),
    ],
)
def test_age_ranges(ages: range, age_range: int) -> None:
    assert {routes.choose_age_range(face_of(age)) for age in ages} == {age_range}
    assert {
        routes.choose_age_range(face_of(estimates=Estimates(age=float(age)))) for age in ages
    } == {age_range}


def test_a_set_age_counts_more_than_an_estimate_and_neither_is_null() -> None:
    assert routes.choose_age_range(face_of(10, Estimates(age=40.0))) == 2
    assert routes.choose_age_range(face_of()) is None
    assert routes.choose_age_range(face_of(estimates=Estimates(age=-0.4))) == 1


@pytest.mark.parametrize(
    ("set_gender", "estimate", "shown"),
    [
        (Gender.MALE, Gender.FEMALE, 1),
        (Gender.FEMALE, None, 2),
        (Gender.UNKNOWN, Gender.FEMALE, 0),
        (None, Gender.MALE, 1),
        (None, Gender.FEMALE, 2),
        (None, None, 0),
    ],
)
def test_gender_is_as_set_else_as_estimated(
    set_gender: Gender | None, estimate: Gender | None, shown: int
) -> None:
    assert (
        routes.render_listed_face(face_of(None, Estimates(gender=estimate), set_gender), GROUP)[
            "gender"
        ]
        == shown
    )


@pytest.mark.shows("sunmi", "Every attribute of the group is there")
def test_a_face_carries_its_attributes_by_name_and_by_place() -> None:
    seen = Face(
        "123456",
        "g1",
        FACE.enrolled_at,
        FACE.pictures,
        age=10,
        gender=Gender.MALE,
        attributes={4: "tennis", 3: "of an attribute that was removed"},
        arrive_count=2,
        last_arrival_at=datetime.fromtimestamp(1566215943.9, UTC),
    )
    assert routes.render_face(seen, GROUP) == {
        "faceid": "123456",
        "group_name": "vip",
        "age": 10,
        "age_range": 2,
        "gender": 1,
        "arrive_count": 2,
        "arrive_time": 1566215943,
        "hobby": "tennis",
        "vip_level": "",
        "item1": "tennis",
        "item2": "",
    }


def test_no_attribute_can_stand_in_for_a_field() -> None:
    group = Group("g1", "vip", "", 1, 10, attributes=(Attribute(1, "faceid"),))
    assert routes.render_listed_face(FACE, group)["faceid"] == "123456"
