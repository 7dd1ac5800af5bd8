"""Each meaning of each code, and each rule of the endpoints, by its words, with calls that show
it."""

import json
from collections.abc import Sequence

from tests.api.sunmi.walk import Call, call
from tests.support.api.sunmi.samples import ANN, BOB
from tests.support.fakes import Person, picture

GROUP = {"capacity": "10", "description": ""}
IN_VIP = {"group_name": "vip", "faceid": "7"}
TO_VIP = {"group_name": "vip", "num": "1"}
NONE_LISTED = {"num": 0, "return_num": 0, "faceid_list": []}


def names(*listed: str) -> str:
    return json.dumps(listed)


def both(code: int, **fields: str) -> list[Call]:
    """addFaceInfoItem and removeFaceInfoItem of group vip."""
    wanted = {**TO_VIP, **fields}
    return [
        call("addFaceInfoItem", wanted).gets(code),
        call("removeFaceInfoItem", wanted).gets(code),
    ]


def bad_pictures(endpoint: str, **fields: str) -> list[Call]:
    wrong = (b"", b"GIF89a", b"x" * 1_048_577, picture())
    return [call(endpoint, pic=pic, **fields).gets(210) for pic in wrong]


def ids(*listed: str) -> dict[str, str]:
    return {"num": str(len(listed)), "faceid_list": json.dumps(listed)}


RULES: dict[str, Sequence[Call]] = {
    # codes
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
    "a control character in it": [
        call("createGroup", GROUP, name="go\0ld").gets(201),
        call("updateGroup", GROUP, old_name="empty", name="a\nb").gets(201),
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
        call("updateFace", group_name="vip", faceid="7", pic=picture(Person(2, quality=3))).gets(
            210
        ),
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
        call(
            "updateGroup", old_name="stranger", name="stranger", capacity="1000", description=""
        ).gets(0),
        call("createGroup", name="x", capacity="4000", description="").gets(0),
    ],
    "240 not for a default group": [
        call("addFaceInfoItem", group_name="stranger", num="1", name_list=names("hobby")).gets(240),
        call("removeFaceInfoItem", group_name="regular", num="1", name_list=names("hobby")).gets(
            240
        ),
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
        call(
            "deleteFace",
            group_name="vip",
            num="101",
            faceid_list=json.dumps([*map(str, range(101))]),
        ).gets(2),
        call("getFace", faceid="7").gets(0),
    ],
    # endpoints
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
        *(
            call("updateMigration", arrive_times=n, period="7").gets(2)
            for n in ("0", "11", "-1", "1.5", "five")
        ),
        *(call("updateMigration", arrive_times=n, period="7").gets(0) for n in ("1", "10")),
    ],
    "The period is 1 to 100 days.": [
        *(
            call("updateMigration", arrive_times="5", period=n).gets(2)
            for n in ("0", "101", "-7", "7d")
        ),
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
        call("addFaceInfoItem", group_name="vip", num="2", name_list=names("a", "weight")).gets(
            242
        ),
        call("getFaceInfoItem", group_name="vip").gets(0, num=1, name_list=["weight"]),
    ],
    "an attribute belongs to its group alone": [
        call("addFaceInfoItem", group_name="empty", num="1", name_list=names("hobby")).gets(0),
        call("getFaceInfoItem", group_name="vip").gets(0, name_list=["weight"]),
    ],
    "The names may come with typographic quotes, or as numbers.": [
        call("addFaceInfoItem", group_name="vip", num="2", name_list="[“phone_num”，“hobby”]").gets(
            0
        ),
        call("addFaceInfoItem", group_name="vip", num="1", name_list="[007]").gets(0),
        call("getFaceInfoItem", group_name="vip").gets(
            0, name_list=["weight", "phone_num", "hobby", "007"]
        ),
    ],
    "They are trimmed, as the names of parameters are.": [
        call("addFaceInfoItem", TO_VIP, name_list=names(" hobby ")).gets(0),
        call("updateFace", {**IN_VIP, " hobby": "tennis"}).gets(0),
        call("getFace", faceid="7").gets(0, hobby="tennis", item2="tennis"),
        call("removeFaceInfoItem", TO_VIP, name_list=names("hobby ")).gets(0),
    ],
    "Removing is all or nothing.": [
        call(
            "removeFaceInfoItem", group_name="vip", num="2", name_list=names("weight", "hobby")
        ).gets(243),
        call("getFace", faceid="7").gets(0, weight="59"),
    ],
    "Later items move up.": [
        call("addFaceInfoItem", group_name="vip", num="2", name_list=names("hobby", "phone")).gets(
            0
        ),
        call("updateFace", IN_VIP, hobby="tennis", phone="1234").gets(0),
        call("removeFaceInfoItem", TO_VIP, name_list=names("weight")).gets(0),
        call("getFaceInfoItem", group_name="vip").gets(0, num=2, name_list=["hobby", "phone"]),
        call("getFace", faceid="7").gets(
            0, item1="tennis", item2="1234", item3="left out", weight="left out"
        ),
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
        *(
            call("addFace", group_name="vip", faceid=f, pic=BOB).gets(0)
            for f in ("Vip11024", "007", "a_B-9", "x" * 64)
        ),
        *(
            call("addFace", group_name="vip", faceid=f, pic=BOB).gets(2)
            for f in ("x" * 65, "a b", "é", "7.5")
        ),
    ],
    "addFace never merges": [
        call("addFace", group_name="vip", faceid="8", pic=ANN).gets(0, faceid="8"),
        call("addFace", group_name="stranger", faceid="9", pic=ANN).gets(0, faceid="9"),
        call("getFaceList", group_name="vip").gets(0, total_num=2),
    ],
    "Attributes come by their name or as itemN, N being the place in the group's list; if both "
    "come, the name wins.": [
        call("addFace", group_name="vip", faceid="8", item1="60", pic=BOB).gets(0),
        call("getFace", faceid="8").gets(0, weight="60"),
        call("addFace", group_name="vip", faceid="9", item1="60", weight="61", pic=BOB).gets(0),
        call("getFace", faceid="9").gets(0, weight="61", item1="61"),
        call("addFace", group_name="vip", faceid="10", item1="60", weight="", pic=BOB).gets(0),
        call("getFace", faceid="10").gets(0, weight="60"),
    ],
    "Unknown attributes are ignored.": [
        call(
            "addFace", group_name="vip", faceid="8", hobby="tennis", item2="x", Weight="x", pic=BOB
        ).gets(0),
        call("getFace", faceid="8").gets(
            0, weight="", item1="", item2="left out", hobby="left out"
        ),
    ],
    "Values have up to 50 characters.": [
        call("addFace", group_name="vip", faceid="8", weight="重" * 51, pic=BOB).gets(2),
        call("addFace", group_name="vip", faceid="8", item1="重" * 51, pic=BOB).gets(2),
        call(
            "addFace", group_name="vip", faceid="8", weight="重" * 50, hobby="x" * 51, pic=BOB
        ).gets(0),
    ],
    "Of several faces in the picture the largest is enrolled, if it is clearly the largest": [
        call("addFace", group_name="vip", pic=picture(Person(2, 100), Person(3, 90))).gets(210),
        call(
            "addFace", group_name="vip", faceid="8", pic=picture(Person(2, 60), Person(3, 100))
        ).gets(0),
        call("getFaceByPicture", pic=picture(Person(3, 120))).gets(0, faceid="8"),
        call("updateFace", IN_VIP, pic=picture(Person(2, 100), Person(3, 90))).gets(210),
    ],
    "The age is null until it is set; the age_range is estimated until then, and so is the "
    "gender.": [
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
        call(
            "updateFace", {**IN_VIP, "age": "", "gender": "", "new_group_name": "", "pic": ""}
        ).gets(0),
        call("getFace", faceid="7").gets(0, age=10, gender=1, group_name="vip", weight="59"),
    ],
    "What is not sent stays.": [
        call("updateFace", IN_VIP).gets(0),
        call("getFace", faceid="7").gets(0, weight="59", age=None, group_name="vip"),
    ],
    "A value over 50 characters is code 2.": [call("updateFace", IN_VIP, weight="x" * 51).gets(2)],
    "A move keeps the faceid, the arrivals, the place by enrolment and the picture.": [
        call("updateFace", IN_VIP, new_group_name="stranger").gets(0),
        call("getFaceByPicture", pic=ANN).gets(
            0, faceid="7", group_name="stranger", weight="left out"
        ),
        call("getFaceList", group_name="vip").gets(0, total_num=0),
        call("getFaceList", group_name="stranger").gets(0, total_num=1),
    ],
    "It keeps the values whose names the new group has": [
        call(
            "addFaceInfoItem", group_name="empty", num="2", name_list=names("hobby", "weight")
        ).gets(0),
        call("updateFace", IN_VIP, new_group_name="empty", hobby="tennis").gets(0),
        call("getFace", faceid="7").gets(
            0, hobby="tennis", weight="59", item1="tennis", item2="59"
        ),
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
        call("updateFace", group_name="x", faceid="8", new_group_name="x", age="x", pic=b"").gets(
            2
        ),
        call("updateFace", group_name="x", faceid="8", new_group_name="one", age="9", pic=b"").gets(
            204
        ),
        call("updateFace", group_name="vip", faceid="8", new_group_name="x", age="9", pic=b"").gets(
            204
        ),
        call("updateFace", group_name="vip", faceid="8", item1="x" * 51, pic=b"").gets(2),
        call(
            "updateFace", group_name="vip", faceid="8", new_group_name="one", age="9", pic=b""
        ).gets(207),
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
        call("getFaceList", group_name="vip", page_num="9" * 30).gets(
            0, total_num=1, **NONE_LISTED
        ),
    ],
    "page_num begins at 1 and page_size is 1 to 100": [
        *(call("getFaceList", group_name="vip", page_num=n).gets(2) for n in ("0", "-1")),
        *(call("getFaceList", group_name="vip", page_size=n).gets(2) for n in ("0", "101", "-1")),
        *(
            call("getFaceList", group_name="vip", page_size=n).gets(0, num=1, return_num=1)
            for n in ("1", "100")
        ),
    ],
    "num is 1 to 10.": [
        *(
            call("getFaceByArrival", group_name="vip", num=n).gets(2)
            for n in ("0", "11", "-1", "x")
        ),
        *(
            call("getFaceByArrival", group_name="vip", num=n).gets(0, num=1, return_num=1)
            for n in ("1", "10")
        ),
    ],
    "An empty group gives an empty list.": [
        call("getFaceByArrival", group_name="empty", num="10").gets(0, **NONE_LISTED),
        call("getFaceByArrival", group_name="stranger").gets(0, **NONE_LISTED),
    ],
    "The largest face is searched in all groups.": [
        call("addFace", group_name="stranger", faceid="8", pic=BOB).gets(0),
        call("getFaceByPicture", pic=picture(Person(1, 90), Person(2, 100))).gets(0, faceid="8"),
        call("getFaceByPicture", pic=picture(Person(1, 110), Person(2, 100))).gets(
            0, faceid="7", group_name="vip"
        ),
    ],
    "Below the operating threshold it is 283; without a face it is 210.": [
        call("getFaceByPicture", pic=picture(Person(1, 110, likeness=0.2))).gets(283),
        call("getFaceByPicture", pic=picture()).gets(210),
    ],
    "Asking is not arriving": [
        call("getFaceByPicture", pic=ANN).gets(0, arrive_count=0, arrive_time=None),
        call("getFace", faceid="7").gets(0, arrive_count=0, arrive_time=None),
    ],
    # beside the sentences of the codes
    "Lengths count characters, not bytes.": [
        *(
            call("createGroup", GROUP, name=name).gets(0)
            for name in ("v", "vip ", "😀" * 96, "e\u0301" * 96)
        ),
        call("createGroup", GROUP, name="\tvip").gets(201),
    ],
    "A whole number is written in ASCII digits": [
        *(
            call("createGroup", name="a", capacity=n, description="").gets(2)
            for n in ("", "ten", "1.5", "1e3", " 10", "+10", "0x10", "１０", "1_000", "--1", "-")
        ),
        *(
            call("createGroup", name="a", capacity=n, description="").gets(212)
            for n in ("0", "-0", "30001", "9" * 30, "9" * 5000, "-" + "9" * 5000)
        ),
        call("createGroup", name="a", capacity="0010", description="").gets(0),
    ],
    "age is 0 to 120": [
        *(
            call("addFace", group_name="vip", age=n, pic=BOB).gets(2)
            for n in ("-1", "121", "old", "1.5", "9" * 400)
        ),
        *(call("addFace", group_name="vip", age=n, pic=BOB).gets(0) for n in ("0", "120")),
    ],
    "gender 0 to 2, else code 2": [
        *(
            call("addFace", group_name="vip", gender=n, pic=BOB).gets(2)
            for n in ("3", "-1", "male")
        ),
        *(call("addFace", group_name="vip", gender=n, pic=BOB).gets(0) for n in ("0", "1", "2")),
    ],
    "compared as text: leading zeros make another id": [
        call("addFace", group_name="vip", faceid="07", pic=BOB).gets(0, faceid="07"),
        call("getFace", faceid="07").gets(0, faceid="07"),
        call("getFace", faceid="007").gets(2),
    ],
    "facdid means faceid": [
        call("addFace", group_name="vip", facdid="21", pic=BOB).gets(0, faceid="21"),
        call("addFace", group_name="vip", facdid="22", faceid="22", pic=BOB).gets(2),
    ],
    "The endpoint's parameters (2, or a code of their own), then": [
        call("createGroup", name="full", capacity="1", description="").gets(0),
        call("addFace", group_name="full", faceid="8", pic=ANN).gets(0),
        call("addFace", group_name="nobody", faceid="8", age="x", pic=b"bad").gets(2),
        call("addFace", group_name="nobody", faceid="8", pic=b"bad").gets(204),
        call("addFace", group_name="full", faceid="8", pic=b"bad").gets(206),
        call("addFace", group_name="full", pic=b"bad").gets(210),
        call("addFace", group_name="full", pic=ANN).gets(208),
    ],
    "addFace without pic, but with new_group_name": [
        call("addFace", IN_VIP, new_group_name="stranger").gets(0, faceid="left out"),
        call("getFace", faceid="7").gets(0, group_name="stranger"),
        *(call("addFace", fields).gets(2) for fields in (IN_VIP, {**IN_VIP, "new_group_name": ""})),
    ],
    "or facdid, is an updateFace": [
        call("addFace", group_name="vip", facdid="7", age="10", weight="").gets(0),
        call("getFace", faceid="7").gets(0, age=10, weight=""),
        call("addFace", group_name="vip", facdid="").gets(2),
        call("addFace", group_name="vip", facdid="7", pic=BOB).gets(206),
        call("addFace", group_name="vip", facdid="8", new_group_name="stranger", pic=BOB).gets(
            0, faceid="8"
        ),
        call("getFace", faceid="8").gets(0, group_name="vip"),
    ],
    "and answers that one's codes": [
        call("addFace", group_name="vip", facdid="8").gets(207),
        call("addFace", group_name="vip", faceid="8", new_group_name="stranger").gets(207),
        call("addFace", group_name="vip", faceid="7", new_group_name="nobody").gets(204),
        call("addFace", group_name="vip", facdid="7", age="121").gets(2),
    ],
    "A call deletes 1 to 100 ids": [
        call("deleteFace", group_name="vip", **ids(*map(str, range(101)))).gets(2),
        call("deleteFace", group_name="vip", num="0", faceid_list="[]").gets(2),
        call("deleteFace", group_name="vip", **ids(*map(str, range(100)))).gets(
            0, success_list=["7"]
        ),
    ],
    "each of 1 to 250 characters": [
        *(
            call("deleteFace", group_name="vip", num=num, faceid_list=listed).gets(2)
            for num, listed in (
                *(
                    ("2", '["7"]'),
                    ("0", '["7"]'),
                    ("-1", '["7"]'),
                    ("one", '["7"]'),
                    ("9" * 40, '["7"]'),
                ),
                *(
                    ("1", '[""]'),
                    ("1", "[null]"),
                    ("1", "[true]"),
                    ("1", '[["7"]]'),
                    ("1", '{"7":"7"}'),
                    ("1", "["),
                ),
                *(("1", '["\\ud800"]'), ("1", names("x" * 251)), ("2", "7,"), ("1", "," * 100_000)),
            )
        ),
        *(
            call("deleteFace", group_name="vip", **ids(one)).gets(0, not_exist_list=[one])
            for one in ("x" * 65, "a b", "脸" * 250)
        ),
    ],
    "A face of another group does not exist here.": [
        call("deleteFace", group_name="empty", **ids("7")).gets(
            0, success_list=[], not_exist_list=["7"]
        ),
        call("getFace", faceid="7").gets(0),
    ],
}

RESERVED_BY_THE_SOURCE = (
    *("group_name", "pic", "age", "gender", "faceid", "age_range", "arrive_times", "pic_url"),
    *("total_num", "return_num"),
)
RESERVED_BY_US = (
    *(
        "arrive_count",
        "arrive_time",
        "new_group_name",
        "num",
        "page_num",
        "page_size",
        "faceid_list",
    ),
    *(
        "item1",
        "item2",
        "item3",
        "item4",
        "item5",
        "app_id",
        "random",
        "timestamp",
        "sign",
        "sign_type",
        "sn",
    ),
    *("key", "code", "data", "msg", "point", "facdid"),
)
