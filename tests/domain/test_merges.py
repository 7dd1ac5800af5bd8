from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from chalicelib.domain.model import REGULAR, STRANGER, Decision, Face, Group, Picture
from chalicelib.domain.rules.decision import JOIN_PICTURES, OperatingPoint
from chalicelib.domain.rules.promotion import Promotion, PromotionRule
from chalicelib.domain.rules.visits import DefaultGroups, FaceVisits, Visits
from chalicelib.storage.records.merges import are_surely_one, put_survivor_first
from tests.support.fakes import CURVE

MONDAY = datetime(2026, 3, 2, 9, tzinfo=UTC)
RULE = PromotionRule(3, 1)
GROUPS = DefaultGroups(
    *(Group(one, one, "", 1, None) for one in (STRANGER, REGULAR)),
    RULE,
    faces_left=9,
    seq=1,
    model="m",
    numbered=0,
)
SURE, UNSURE = Decision(0.6, 0.6, 500), Decision(0.59, 0.6, 500)


def held(
    faceid: str,
    group: str = STRANGER,
    pictures: int = 1,
    *,
    days: int = 0,
    promoted: bool = False,
    **more: Any,
) -> FaceVisits:
    own = tuple(Picture(f"{faceid}{one}", "", MONDAY, ()) for one in range(pictures))
    face = Face(faceid, group, MONDAY + timedelta(days=days), own, **more)
    return FaceVisits(
        face, Visits(promotion=Promotion(0, RULE) if promoted else None), GROUPS, GROUPS.stranger
    )


OLD, YOUNG = held("2", days=1), held("1", days=2)
STAFF = held("3", "staff", days=3)


@pytest.mark.parametrize(
    ("one", "other", "stays"),
    [
        (OLD, YOUNG, OLD),
        (YOUNG, replace(OLD, face=replace(OLD.face, name="Ann")), "2"),
        (replace(YOUNG, face=replace(YOUNG.face, name="Ann")), OLD, "1"),
        (
            replace(YOUNG, face=replace(YOUNG.face, name="Ann")),
            replace(OLD, face=replace(OLD.face, name="Eve")),
            None,
        ),
        (
            replace(YOUNG, face=replace(YOUNG.face, name="Ann")),
            replace(OLD, face=replace(OLD.face, name="Ann")),
            "2",
        ),
        (OLD, STAFF, STAFF),
        (replace(OLD, face=replace(OLD.face, name="Ann")), STAFF, STAFF),
        (STAFF, held("4", "guests"), None),
        (OLD, held("5", REGULAR, days=9, promoted=True), OLD),
        (OLD, held("5", REGULAR, days=9), "5"),
        (STAFF, held("5", REGULAR), None),
        (held("8"), held("7"), "7"),
    ],
)
def test_a_face_that_a_person_put_into_its_group_stays_or_the_named_or_the_older_one(
    one: FaceVisits, other: FaceVisits, stays: FaceVisits | str | None
) -> None:
    expected = stays.face.faceid if isinstance(stays, FaceVisits) else stays
    for both in (put_survivor_first(one, other), put_survivor_first(other, one)):
        assert (both[0].face.faceid if both else None) == expected
        assert both is None or {both[0].face.faceid, both[1].face.faceid} == {
            one.face.faceid,
            other.face.faceid,
        }


def test_two_faces_are_one_by_their_pictures_a_person_a_visit_or_a_lead() -> None:
    several = held("6", pictures=JOIN_PICTURES)
    assert [
        are_surely_one(SURE, (OLD, one), has_lead=False) for one in (YOUNG, several, STAFF)
    ] == [False, True, True]
    assert not any(
        are_surely_one(UNSURE, (OLD, one), has_lead=False) for one in (YOUNG, several, STAFF)
    )
    assert [are_surely_one(UNSURE, (one, several), has_lead=True) for one in (OLD, several)] == [
        True,
        False,
    ]
    assert are_surely_one(replace(UNSURE, by="a-0"), (OLD, YOUNG), has_lead=False), (
        "one photo each is enough in one visit"
    )


def test_a_pair_leads_if_its_score_counts_for_more_than_all_third_faces() -> None:
    point = OperatingPoint(CURVE)
    third = 0.2
    enough = point.threshold_of_leader(500, third)
    assert point.has_lead(enough, [0.1, third], 500)
    assert not point.has_lead(enough - 0.001, [third, 0.1], 500)
    assert not point.has_lead(0.99, [], 500), "nobody to be held against"
    assert not point.has_lead(enough, [enough, third], 500)
