"""docs/contract/sunmi.md, "Endpoints": each rule by its words, number by number."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.services import Services
from tests.api.sunmi.client import CameraClient
from tests.api.sunmi.samples import ANN, BOB
from tests.api.sunmi.walk import Call, call, walk
from tests.fakes import FakeClock, Person, picture
from tests.faults.recount import disagreements

IN_VIP = {"group_name": "vip", "faceid": "7"}
TO_VIP = {"group_name": "vip", "num": "1"}
NONE_LISTED = {"num": 0, "return_num": 0, "faceid_list": []}


def names(*listed: str) -> str:
    return json.dumps(listed)


def ids(*listed: str) -> dict[str, str]:
    return {"num": str(len(listed)), "faceid_list": json.dumps(listed)}


def group(camera: CameraClient, name: str) -> dict[str, Any]:
    return camera.groups()[name]


RULES: dict[str, Sequence[Call]] = {
    "The description is required and may be empty.": [
        call("createGroup", name="a", capacity="1").gets(2),
        call("createGroup", name="a", capacity="1", description="").gets(0),
    ],
    "It has up to 150 characters.": [
        call("createGroup", name="a", capacity="1", description="金" * 151).gets(2),
        call("createGroup", name="a", capacity="1", description="金" * 150).gets(0),
    ],
    "Names of groups match exactly, in their case, after Unicode NFC.": [
        call("createGroup", name="caf\u00e9", capacity="1", description="").gets(0),
        call("createGroup", name="cafe\u0301", capacity="1", description="").gets(200),
        call("getFaceInfoItem", group_name="cafe\u0301").gets(0),
        call("deleteGroup", name="cafe\u0301").gets(0),
    ],
    "Renaming keeps every record.": [
        call("updateGroup", old_name="vip", name="svip", capacity="10", description="").gets(0),
        call("getFace", faceid="7").gets(0, group_name="svip", weight="59", item1="59"),
        call("getFaceByPicture", pic=ANN).gets(0, faceid="7", group_name="svip"),
        call("getFaceInfoItem", group_name="vip").gets(204),
        call("getFaceInfoItem", group_name="svip").gets(0, name_list=["weight"]),
        call("createGroup", name="vip", capacity="1", description="").gets(0),
    ],
    "The new name may be the old one": [
        call("updateGroup", old_name="vip", name="vip", capacity="7", description="new").gets(0),
    ],
    "arrive_times is 1 to 10.": [
        *(call("updateMigration", arrive_times=n, period="7").gets(2) for n in ("0", "11", "-1", "1.5", "five")),
        *(call("updateMigration", arrive_times=n, period="7").gets(0) for n in ("1", "10")),
    ],
    "The period is 1 to 100 days.": [
        *(call("updateMigration", arrive_times="5", period=n).gets(2) for n in ("0", "101", "-7", "7d")),
        *(call("updateMigration", arrive_times="5", period=n).gets(0) for n in ("1", "100")),
    ],
    "Only an empty group is deleted.": [
        call("deleteGroup", name="vip").gets(205),
        call("deleteFace", group_name="vip", **ids("7")).gets(0),
        call("deleteGroup", name="vip").gets(0),
        call("deleteGroup", name="vip").gets(204),
    ],
    "Adding is all or nothing.": [
        call("addFaceInfoItem", group_name="vip", num="2", name_list=names("a", "age")).gets(242),
        call("addFaceInfoItem", group_name="vip", num="2", name_list=names("a", "weight")).gets(242),
        call("getFaceInfoItem", group_name="vip").gets(0, num=1, name_list=["weight"]),
    ],
    "an attribute belongs to its group alone": [
        call("addFaceInfoItem", group_name="empty", num="1", name_list=names("hobby")).gets(0),
        call("getFaceInfoItem", group_name="vip").gets(0, name_list=["weight"]),
    ],
    "The names may come with typographic quotes, or as numbers.": [
        call("addFaceInfoItem", group_name="vip", num="2", name_list="[“phone_num”，“hobby”]").gets(0),
        call("addFaceInfoItem", group_name="vip", num="1", name_list="[007]").gets(0),
        call("getFaceInfoItem", group_name="vip").gets(0, name_list=["weight", "phone_num", "hobby", "007"]),
    ],
    "They are trimmed, as the names of parameters are.": [
        call("addFaceInfoItem", TO_VIP, name_list=names(" hobby ")).gets(0),
        call("updateFace", {**IN_VIP, " hobby": "tennis"}).gets(0),
        call("getFace", faceid="7").gets(0, hobby="tennis", item2="tennis"),
        call("removeFaceInfoItem", TO_VIP, name_list=names("hobby ")).gets(0),
    ],
    "Removing is all or nothing.": [
        call("removeFaceInfoItem", group_name="vip", num="2", name_list=names("weight", "hobby")).gets(243),
        call("getFace", faceid="7").gets(0, weight="59"),
    ],
    "Later items move up.": [
        call("addFaceInfoItem", group_name="vip", num="2", name_list=names("hobby", "phone")).gets(0),
        call("updateFace", IN_VIP, hobby="tennis", phone="1234").gets(0),
        call("removeFaceInfoItem", TO_VIP, name_list=names("weight")).gets(0),
        call("getFaceInfoItem", group_name="vip").gets(0, num=2, name_list=["hobby", "phone"]),
        call("getFace", faceid="7").gets(0, item1="tennis", item2="1234", item3="left out", weight="left out"),
        call("updateFace", IN_VIP, item2="5678").gets(0),
        call("getFace", faceid="7").gets(0, phone="5678"),
    ],
    "Removing drops the value from every record of the group": [
        call("removeFaceInfoItem", TO_VIP, name_list=names("weight")).gets(0),
        call("addFaceInfoItem", TO_VIP, name_list=names("weight")).gets(0),
        call("getFace", faceid="7").gets(0, weight="", item1=""),
    ],
    "A default group has none.": [
        call("getFaceInfoItem", group_name="stranger").gets(0, num=0, name_list=[]),
        call("getFaceInfoItem", group_name="regular").gets(0, num=0, name_list=[]),
    ],
    "A faceid is 1 to 64 letters, digits, _ and -": [
        *(call("addFace", group_name="vip", faceid=f, pic=BOB).gets(0) for f in ("Vip11024", "007", "a_B-9", "x" * 64)),
        *(call("addFace", group_name="vip", faceid=f, pic=BOB).gets(2) for f in ("x" * 65, "a b", "é", "7.5")),
    ],
    "addFace never merges": [
        call("addFace", group_name="vip", faceid="8", pic=ANN).gets(0, faceid="8"),
        call("addFace", group_name="stranger", faceid="9", pic=ANN).gets(0, faceid="9"),
        call("getFaceList", group_name="vip").gets(0, total_num=2),
    ],
    "Attributes come by their name or as itemN, N being the place in the group's list; if both come, the name wins.": [
        call("addFace", group_name="vip", faceid="8", item1="60", pic=BOB).gets(0),
        call("getFace", faceid="8").gets(0, weight="60"),
        call("addFace", group_name="vip", faceid="9", item1="60", weight="61", pic=BOB).gets(0),
        call("getFace", faceid="9").gets(0, weight="61", item1="61"),
        call("addFace", group_name="vip", faceid="10", item1="60", weight="", pic=BOB).gets(0),
        call("getFace", faceid="10").gets(0, weight="60"),
    ],
    "Unknown attributes are ignored.": [
        call("addFace", group_name="vip", faceid="8", hobby="tennis", item2="x", Weight="x", pic=BOB).gets(0),
        call("getFace", faceid="8").gets(0, weight="", item1="", item2="left out", hobby="left out"),
    ],
    "Values have up to 50 characters.": [
        call("addFace", group_name="vip", faceid="8", weight="重" * 51, pic=BOB).gets(2),
        call("addFace", group_name="vip", faceid="8", item1="重" * 51, pic=BOB).gets(2),
        call("addFace", group_name="vip", faceid="8", weight="重" * 50, hobby="x" * 51, pic=BOB).gets(0),
    ],
    "Of several faces in the picture the largest is enrolled, if it is clearly the largest": [
        call("addFace", group_name="vip", pic=picture(Person(2, 100), Person(3, 90))).gets(210),
        call("addFace", group_name="vip", faceid="8", pic=picture(Person(2, 60), Person(3, 100))).gets(0),
        call("getFaceByPicture", pic=picture(Person(3, 120))).gets(0, faceid="8"),
        call("updateFace", IN_VIP, pic=picture(Person(2, 100), Person(3, 90))).gets(210),
    ],
    "The age is null until it is set; the age_range is estimated until then, and so is the gender.": [
        call("addFace", group_name="vip", faceid="8", pic=BOB).gets(0),
        call("getFace", faceid="8").gets(0, age=None, age_range=5, gender=2),
    ],
    "A set age gives the range, and gender 0 that was sent stays 0.": [
        call("addFace", group_name="vip", faceid="8", age="0", gender="0", pic=BOB).gets(0),
        call("getFace", faceid="8").gets(0, age=0, age_range=1, gender=0),
        call("addFace", group_name="vip", faceid="9", age="121", pic=BOB).gets(2),
        call("addFace", group_name="vip", faceid="9", gender="3", pic=BOB).gets(2),
    ],
    "Each id ends in exactly one list, and a repeated one counts once.": [
        call("addFace", group_name="stranger", faceid="9", pic=BOB).gets(0),
        call("deleteFace", group_name="vip", **ids("7", "8", "7", "9", "8")).gets(
            0, success_list=["7"], failed_list=[], not_exist_list=["8", "9"]
        ),
        call("getFace", faceid="9").gets(0),
    ],
    "Picture and template go with the face.": [
        call("deleteFace", group_name="vip", **ids("7")).gets(0, success_list=["7"]),
        call("getFaceByPicture", pic=ANN).gets(283),
        call("getFace", faceid="7").gets(2),
    ],
    "A new picture replaces picture and templates.": [
        call("updateFace", IN_VIP, pic=BOB).gets(0),
        call("getFaceByPicture", pic=ANN).gets(283),
        call("getFaceByPicture", pic=BOB).gets(0, faceid="7", weight="59"),
    ],
    "What was set stays, and what is unset is estimated anew.": [
        call("updateFace", IN_VIP, age="10", gender="1").gets(0),
        call("updateFace", IN_VIP, pic=BOB).gets(0),
        call("getFace", faceid="7").gets(0, age=10, age_range=2, gender=1),
    ],
    "An empty attribute is cleared, by its name or as itemN": [
        call("updateFace", IN_VIP, weight="").gets(0),
        call("getFace", faceid="7").gets(0, weight="", item1=""),
        call("updateFace", IN_VIP, item1="60").gets(0),
        call("updateFace", IN_VIP, item1="").gets(0),
        call("getFace", faceid="7").gets(0, weight="", item1=""),
    ],
    "and the name wins here too": [
        call("updateFace", IN_VIP, item1="60", weight="").gets(0),
        call("getFace", faceid="7").gets(0, weight=""),
    ],
    "other empty parameters count as not sent": [
        call("updateFace", IN_VIP, age="10", gender="1").gets(0),
        call("updateFace", {**IN_VIP, "age": "", "gender": "", "new_group_name": "", "pic": ""}).gets(0),
        call("getFace", faceid="7").gets(0, age=10, gender=1, group_name="vip", weight="59"),
    ],
    "What is not sent stays.": [
        call("updateFace", IN_VIP).gets(0),
        call("getFace", faceid="7").gets(0, weight="59", age=None, group_name="vip"),
    ],
    "A value over 50 characters is code 2.": [call("updateFace", IN_VIP, weight="x" * 51).gets(2)],
    "A move keeps the faceid, the arrivals, the place by enrolment and the picture.": [
        call("updateFace", IN_VIP, new_group_name="stranger").gets(0),
        call("getFaceByPicture", pic=ANN).gets(0, faceid="7", group_name="stranger", weight="left out"),
        call("getFaceList", group_name="vip").gets(0, total_num=0),
        call("getFaceList", group_name="stranger").gets(0, total_num=1),
    ],
    "It keeps the values whose names the new group has": [
        call("addFaceInfoItem", group_name="empty", num="2", name_list=names("hobby", "weight")).gets(0),
        call("updateFace", IN_VIP, new_group_name="empty", hobby="tennis").gets(0),
        call("getFace", faceid="7").gets(0, hobby="tennis", weight="59", item1="tennis", item2="59"),
    ],
    "values whose names it lacks are dropped for good": [
        call("updateFace", IN_VIP, new_group_name="stranger").gets(0),
        call("updateFace", group_name="stranger", faceid="7", new_group_name="vip").gets(0),
        call("getFace", faceid="7").gets(0, weight=""),
    ],
    "A move into its own group is none.": [
        call("updateFace", IN_VIP, new_group_name="vip").gets(0),
        call("getFace", faceid="7").gets(0, group_name="vip", weight="59"),
    ],
    "nothing of a failed call remains": [
        call("createGroup", name="one", capacity="1", description="").gets(0),
        call("addFace", group_name="one", faceid="1", pic=BOB).gets(0),
        call("updateFace", group_name="x", faceid="8", new_group_name="x", age="x", pic=b"").gets(2),
        call("updateFace", group_name="x", faceid="8", new_group_name="one", age="9", pic=b"").gets(204),
        call("updateFace", group_name="vip", faceid="8", new_group_name="x", age="9", pic=b"").gets(204),
        call("updateFace", group_name="vip", faceid="8", item1="x" * 51, pic=b"").gets(2),
        call("updateFace", group_name="vip", faceid="8", new_group_name="one", age="9", pic=b"").gets(207),
        call("updateFace", IN_VIP, new_group_name="one", age="9", weight="1", pic=b"").gets(210),
        call("updateFace", IN_VIP, new_group_name="one", age="9", weight="1", pic=BOB).gets(208),
        call("getFace", faceid="7").gets(0, group_name="vip", age=None, weight="59"),
        call("getFaceByPicture", pic=ANN).gets(0, faceid="7"),
    ],
    "point, the loyalty value of the old firmware, is not emitted.": [
        call("getFace", faceid="7").gets(0, point="left out", arrive_count=0, arrive_time=None),
    ],
    "Page 1 of an empty group is an empty list, and so is a page past the end.": [
        call("getFaceList", group_name="empty").gets(0, total_num=0, **NONE_LISTED),
        call("getFaceList", group_name="vip", page_num="2").gets(0, total_num=1, **NONE_LISTED),
        call("getFaceList", group_name="vip", page_num="9" * 30).gets(0, total_num=1, **NONE_LISTED),
    ],
    "page_num begins at 1 and page_size is 1 to 100": [
        *(call("getFaceList", group_name="vip", page_num=n).gets(2) for n in ("0", "-1")),
        *(call("getFaceList", group_name="vip", page_size=n).gets(2) for n in ("0", "101", "-1")),
        *(call("getFaceList", group_name="vip", page_size=n).gets(0, num=1, return_num=1) for n in ("1", "100")),
    ],
    "num is 1 to 10.": [
        *(call("getFaceByArrival", group_name="vip", num=n).gets(2) for n in ("0", "11", "-1", "x")),
        *(call("getFaceByArrival", group_name="vip", num=n).gets(0, num=1, return_num=1) for n in ("1", "10")),
    ],
    "An empty group gives an empty list.": [
        call("getFaceByArrival", group_name="empty", num="10").gets(0, **NONE_LISTED),
        call("getFaceByArrival", group_name="stranger").gets(0, **NONE_LISTED),
    ],
    "The largest face is searched in all groups.": [
        call("addFace", group_name="stranger", faceid="8", pic=BOB).gets(0),
        call("getFaceByPicture", pic=picture(Person(1, 90), Person(2, 100))).gets(0, faceid="8"),
        call("getFaceByPicture", pic=picture(Person(1, 110), Person(2, 100))).gets(0, faceid="7", group_name="vip"),
    ],
    "Below the operating threshold it is 283; without a face it is 210.": [
        call("getFaceByPicture", pic=picture(Person(1, 110, likeness=0.2))).gets(283),
        call("getFaceByPicture", pic=picture()).gets(210),
    ],
    "Asking is not arriving": [
        call("getFaceByPicture", pic=ANN).gets(0, arrive_count=0, arrive_time=None),
        call("getFace", faceid="7").gets(0, arrive_count=0, arrive_time=None),
    ],
}


@pytest.mark.parametrize("rule", RULES)
def test_endpoint(shop_front: CameraClient, furnished_services: Services, rule: str) -> None:
    walk(shop_front, RULES[rule])
    assert disagreements(furnished_services, furnished_services.tenants.all()[0]) == []


@pytest.mark.parametrize("spelling", ["description", "Description", " description"])
def test_endpoint_1_and_2_description_is_taken_in_either_spelling_and_answered_as_description(
    shop_front: CameraClient, spelling: str
) -> None:
    walk(shop_front, [call("createGroup", {"name": "a", "capacity": "1", spelling: "gold"}).gets(0)])
    assert group(shop_front, "a")["description"] == "gold"
    changed = {"old_name": "a", "name": "b", "capacity": "2", spelling: "platinum"}
    walk(shop_front, [call("updateGroup", changed).gets(0)])
    assert group(shop_front, "b") == {"name": "b", "capacity": 2, "count": 0, "description": "platinum"}


def test_endpoint_1_default_groups_of_5000_and_5_times_in_7_days_are_there_from_the_first_day(
    camera: CameraClient,
) -> None:
    groups = camera.groups()
    assert list(groups) == ["stranger", "regular"]
    assert [one["capacity"] for one in groups.values()] == [5000, 5000]
    assert (groups["stranger"]["times"], groups["stranger"]["period"]) == (5, 7)


def test_endpoint_2_a_default_groups_capacity_and_description_may_change(shop_front: CameraClient) -> None:
    changed = {"old_name": "stranger", "name": "stranger", "capacity": "30", "description": "unknown"}
    walk(shop_front, [call("updateGroup", changed).gets(0)])
    stranger = group(shop_front, "stranger")
    assert (stranger["capacity"], stranger["description"], stranger["times"]) == (30, "unknown", 5)


def test_endpoint_3_the_rule_is_shown_and_survives_a_refusal(shop_front: CameraClient) -> None:
    walk(
        shop_front,
        [
            call("updateMigration", arrive_times="3", period="20").gets(0),
            call("updateMigration", arrive_times="3", period="101").gets(2),
        ],
    )
    assert (group(shop_front, "stranger")["times"], group(shop_front, "stranger")["period"]) == (3, 20)


def test_endpoint_5_times_and_period_are_shown_of_stranger_alone(shop_front: CameraClient) -> None:
    shown = {name for name, one in shop_front.groups().items() if {"times", "period"} & set(one)}
    assert shown == {"stranger"}
    assert list(shop_front.groups())[:2] == ["stranger", "regular"]
    assert group(shop_front, "vip")["count"] == 1


def test_endpoint_9_generated_ids_are_numeric_time_ordered_and_unique(
    shop_front: CameraClient, clock: FakeClock
) -> None:
    made = []
    for _ in range(5):
        made.append(shop_front.add_face("vip", BOB)["data"]["faceid"])
        clock.advance(timedelta(milliseconds=1))
    assert made == sorted(set(made), key=int)
    assert all(0 < int(faceid) < 2**63 for faceid in made)


def test_endpoint_9_a_tenant_can_be_set_to_strict_ids(shop_front: CameraClient, furnished_services: Services) -> None:
    furnished_services.tenants.change("shop", {"numeric_faceids_only": True})
    codes = {
        faceid: shop_front.add_face("vip", BOB, faceid=faceid)["code"]
        for faceid in ("1", str(2**63 - 1), "0", str(2**63), "-1", "Vip11024")
    }
    assert codes == {"1": 0, str(2**63 - 1): 0, "0": 2, str(2**63): 2, "-1": 2, "Vip11024": 2}


def test_endpoint_9_the_count_of_faces_is_told_where_none_is_clearly_the_largest(shop_front: CameraClient) -> None:
    answer = shop_front.add_face("vip", picture(Person(2), Person(3), Person(4)))
    assert answer["code"] == 210
    assert "3 faces" in answer["msg"]
