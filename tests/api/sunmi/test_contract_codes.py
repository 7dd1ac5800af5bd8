"""docs/contract/sunmi.md, "Codes": each meaning of each code by its words, on the endpoints that list it."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest

from tests.api.sunmi.client import CameraClient
from tests.api.sunmi.samples import ANN, BOB
from tests.api.sunmi.walk import Call, call, walk
from tests.fakes import Person, picture

GROUP = {"capacity": "10", "description": ""}
TO_VIP = {"group_name": "vip", "num": "1"}


def names(*listed: str) -> str:
    return json.dumps(listed)


def both(code: int, **fields: str) -> list[Call]:
    """addFaceInfoItem and removeFaceInfoItem of group vip."""
    wanted = {**TO_VIP, **fields}
    return [call("addFaceInfoItem", wanted).gets(code), call("removeFaceInfoItem", wanted).gets(code)]


def bad_pictures(endpoint: str, **fields: str) -> list[Call]:
    wrong = (b"", b"GIF89a", b"x" * 1_048_577, picture())
    return [call(endpoint, pic=pic, **fields).gets(210) for pic in wrong]


RULES: dict[str, Sequence[Call]] = {
    "200 a group of that name exists": [
        call("createGroup", GROUP, name="vip").gets(200),
        call("createGroup", GROUP, name="stranger").gets(200),
        call("updateGroup", GROUP, old_name="empty", name="vip").gets(200),
        call("updateGroup", GROUP, old_name="empty", name="empty").gets(0),
    ],
    "an illegal group name: a leading space": [
        call("createGroup", GROUP, name=" gold").gets(201),
        call("createGroup", GROUP, name="\u3000gold").gets(201),
        call("updateGroup", GROUP, old_name="empty", name=" gold").gets(201),
    ],
    "over 96 characters": [
        call("createGroup", GROUP, name="员" * 97).gets(201),
        call("updateGroup", GROUP, old_name="empty", name="员" * 97).gets(201),
        call("createGroup", GROUP, name="员" * 96).gets(0),
        call("updateGroup", GROUP, old_name="empty", name="金" * 96).gets(0),
    ],
    "an empty name": [
        call("createGroup", GROUP, name="").gets(201),
        call("updateGroup", GROUP, old_name="empty", name="").gets(201),
    ],
    "a default group's name may not change": [
        call("updateGroup", GROUP, old_name="stranger", name="nobody").gets(201),
        call("updateGroup", GROUP, old_name="regular", name="vip").gets(201),
        call("updateGroup", GROUP, old_name="stranger", name="stranger").gets(0),
    ],
    "a default group may not be deleted": [
        call("deleteGroup", name="stranger").gets(201),
        call("deleteGroup", name="regular").gets(201),
    ],
    "202 the tenant has all its groups: 10, the two default groups included": [
        *(call("createGroup", GROUP, name=f"group {n}").gets(0) for n in range(6)),
        call("createGroup", GROUP, name="one more").gets(202),
        call("deleteGroup", name="empty").gets(0),
        call("createGroup", GROUP, name="one more").gets(0),
    ],
    "204 no such group": [
        call("updateGroup", GROUP, old_name="nobody", name="x").gets(204),
        call("deleteGroup", name="nobody").gets(204),
        *both(204, group_name="nobody", name_list=names("hobby")),
        call("getFaceInfoItem", group_name="nobody").gets(204),
        call("addFace", group_name="nobody", pic=BOB).gets(204),
        call("deleteFace", group_name="nobody", num="1", faceid_list="7").gets(204),
        call("updateFace", group_name="nobody", faceid="7").gets(204),
        call("updateFace", group_name="vip", faceid="7", new_group_name="nobody").gets(204),
    ],
    "names match in their case": [
        call("deleteGroup", name="Empty").gets(204),
        call("getFaceInfoItem", group_name="VIP").gets(204),
        call("updateFace", group_name="Vip", faceid="7").gets(204),
    ],
    "205 the group is not empty": [
        call("deleteGroup", name="vip").gets(205),
        call("updateFace", group_name="vip", faceid="7", new_group_name="stranger").gets(0),
        call("deleteGroup", name="vip").gets(0),
    ],
    "206 the faceid exists, in whichever group": [
        call("addFace", group_name="vip", faceid="7", pic=BOB).gets(206),
        call("addFace", group_name="stranger", faceid="7", pic=BOB).gets(206),
        call("addFace", group_name="stranger", faceid="07", pic=BOB).gets(0),
    ],
    "207 no such face": [
        call("updateFace", group_name="vip", faceid="8").gets(207),
        call("updateFace", group_name="stranger", faceid="7").gets(207),
        call("updateFace", group_name="vip", faceid="no id").gets(207),
        call("getFaceByArrival", group_name="nobody").gets(207),
    ],
    "208 the group is full": [
        call("createGroup", name="one", capacity="1", description="").gets(0),
        call("addFace", group_name="one", pic=BOB).gets(0),
        call("addFace", group_name="one", pic=ANN).gets(208),
        call("updateFace", group_name="vip", faceid="7", new_group_name="one").gets(208),
        call("getFace", faceid="7").gets(0, group_name="vip"),
    ],
    "210 the picture is not usable": [
        *bad_pictures("addFace", group_name="vip"),
        *bad_pictures("updateFace", group_name="vip", faceid="7"),
        *bad_pictures("getFaceByPicture"),
    ],
    "too poor to enrol": [
        call("addFace", group_name="vip", pic=picture(Person(2, quality=3))).gets(210),
        call("addFace", group_name="vip", pic=picture(Person(2, side_px=20))).gets(210),
        call("updateFace", group_name="vip", faceid="7", pic=picture(Person(2, quality=3))).gets(210),
    ],
    "212 an illegal capacity: not positive": [
        call("createGroup", name="x", capacity="0", description="").gets(212),
        call("createGroup", name="x", capacity="-1", description="").gets(212),
        call("updateGroup", old_name="vip", name="vip", capacity="0", description="").gets(212),
    ],
    "below the group's count": [
        call("addFace", group_name="vip", pic=BOB).gets(0),
        call("updateGroup", old_name="vip", name="vip", capacity="1", description="").gets(212),
        call("updateGroup", old_name="vip", name="vip", capacity="2", description="").gets(0),
        call("addFace", group_name="vip", pic=BOB).gets(208),
    ],
    "the sum of the capacities passes 30,000": [
        call("createGroup", name="x", capacity="19891", description="").gets(212),
        call("updateGroup", old_name="vip", name="vip", capacity="19991", description="").gets(212),
        call("updateGroup", old_name="vip", name="vip", capacity="19990", description="").gets(0),
        call("createGroup", name="x", capacity="1", description="").gets(212),
        call("updateGroup", old_name="stranger", name="stranger", capacity="1000", description="").gets(0),
        call("createGroup", name="x", capacity="4000", description="").gets(0),
    ],
    "240 not for a default group": [
        call("addFaceInfoItem", group_name="stranger", num="1", name_list=names("hobby")).gets(240),
        call("removeFaceInfoItem", group_name="regular", num="1", name_list=names("hobby")).gets(240),
    ],
    "241 num is not the length of the list": [
        *both(241, num="2", name_list=names("weight")),
        *both(241, num="0", name_list=names("weight")),
        *both(241, num="1", name_list=names("weight", "hobby")),
        *both(241, num="0", name_list="[]"),
    ],
    "more than 5 attributes in the group": [
        *both(241, num="6", name_list=names(*"abcdef")),
        call("addFaceInfoItem", TO_VIP, num="5", name_list=names(*"abcde")).gets(241),
        call("addFaceInfoItem", TO_VIP, num="4", name_list=names(*"abcd")).gets(0),
        call("addFaceInfoItem", TO_VIP, name_list=names("e")).gets(241),
    ],
    "242 an illegal attribute name: empty": [
        *both(242, name_list=names("")),
        *both(242, name_list=names("  ")),
        *both(242, num="2", name_list="weight,"),
    ],
    "over 50 characters": [
        *both(242, name_list=names("x" * 51)),
        *both(0, name_list=names("高" * 50)),
    ],
    "there already, or named twice": [
        call("addFaceInfoItem", TO_VIP, name_list=names("weight")).gets(242),
        call("addFaceInfoItem", TO_VIP, num="2", name_list=names("a", "a")).gets(242),
        call("removeFaceInfoItem", TO_VIP, num="2", name_list=names("weight", "weight")).gets(242),
        call("addFaceInfoItem", TO_VIP, name_list=names("Weight")).gets(0),
    ],
    "243 no such attribute": [
        call("removeFaceInfoItem", TO_VIP, name_list=names("hobby")).gets(243),
        call("removeFaceInfoItem", TO_VIP, name_list=names("Weight")).gets(243),
        call("removeFaceInfoItem", TO_VIP, num="2", name_list=names("weight", "hobby")).gets(243),
        call("getFaceInfoItem", group_name="vip").gets(0, name_list=["weight"]),
    ],
    "283 no matching face": [
        call("getFaceByPicture", pic=BOB).gets(283),
        call("getFaceByPicture", pic=ANN).gets(0),
    ],
    "getFace answers 2 for an unknown faceid": [call("getFace", faceid="8").gets(2)],
    "getFaceList 2 for an unknown group": [
        call("getFaceList", group_name="nobody").gets(2),
        call("getFaceIDList", group_name="nobody").gets(2),
    ],
    "deleteFace answers 2 if num is not the length of the list": [
        call("deleteFace", group_name="vip", num="2", faceid_list="7").gets(2),
        call("deleteFace", group_name="vip", num="0", faceid_list="[]").gets(2),
        call("deleteFace", group_name="vip", num="101", faceid_list=json.dumps([*map(str, range(101))])).gets(2),
        call("getFace", faceid="7").gets(0),
    ],
}

RESERVED_BY_THE_SOURCE = (
    *("group_name", "pic", "age", "gender", "faceid", "age_range", "arrive_times", "pic_url"),
    *("total_num", "return_num"),
)
RESERVED_BY_US = (
    *("arrive_count", "arrive_time", "new_group_name", "num", "page_num", "page_size", "faceid_list"),
    *("item1", "item2", "item3", "item4", "item5", "app_id", "random", "timestamp", "sign", "sign_type", "sn"),
    *("key", "code", "data", "msg", "point", "facdid"),
)
READ_AS_OURS = ("Age", "Pic", "Faceid", "Facdid", "Item5", "Sign", "Sn", "New_group_name", " age ")
FREE = ("AGE", "agE", "item6", "name", "capacity", "Point", "hobby", "年龄")


@pytest.mark.parametrize("rule", RULES)
def test_code(shop_front: CameraClient, rule: str) -> None:
    walk(shop_front, RULES[rule])


@pytest.mark.parametrize("name", [*RESERVED_BY_THE_SOURCE, *RESERVED_BY_US, *READ_AS_OURS])
def test_code_242_a_name_that_is_reserved_or_that_add_face_reads_as_one_of_ours(
    shop_front: CameraClient, name: str
) -> None:
    walk(shop_front, [call("addFaceInfoItem", TO_VIP, name_list=names(name)).gets(242)])


@pytest.mark.parametrize("name", FREE)
def test_a_name_like_a_reserved_one_is_an_attributes_own(shop_front: CameraClient, name: str) -> None:
    added = {"group_name": "vip", "faceid": "8", name: "hiking"}
    walk(
        shop_front,
        [
            call("addFaceInfoItem", TO_VIP, name_list=names(name)).gets(0),
            call("addFace", added, pic=BOB).gets(0),
            call("getFace", faceid="8").gets(0, **{name: "hiking", "item2": "hiking"}),
        ],
    )
