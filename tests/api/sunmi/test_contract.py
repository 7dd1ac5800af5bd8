"""docs/contract/sunmi.md: each meaning of each code, and each rule of the endpoints, by its
words."""

from datetime import timedelta
from typing import Any

import pytest

from chalicelib.domain.model import Profile
from chalicelib.domain.tenant_settings import FORGET, KEEP, UNDECIDED
from chalicelib.services import Services
from chalicelib.storage import keys
from chalicelib.storage.ports import Update, exists
from chalicelib.storage.values import milliseconds
from tests.api.sunmi.rules import RESERVED_BY_THE_SOURCE, RESERVED_BY_US, RULES, TO_VIP, ids, names
from tests.api.sunmi.walk import call, walk
from tests.support.api.gateway import Part
from tests.support.api.sunmi.client import CameraClient
from tests.support.api.sunmi.samples import ANN, BOB
from tests.support.book.recount import disagreements
from tests.support.book.tenants import KEEPING
from tests.support.fakes import FakeClock, Person, picture


def group(camera: CameraClient, name: str) -> dict[str, Any]:
    return camera.groups()[name]


READ_AS_OURS = ("Age", "Pic", "Faceid", "Facdid", "Item5", "Sign", "Sn", "New_group_name", " age ")
FREE = ("AGE", "agE", "item6", "name", "capacity", "Point", "hobby", "年龄")


@pytest.mark.shows("sunmi", "none; more than 5 attributes")
@pytest.mark.shows("sunmi", "Profile camera: 10 groups")
@pytest.mark.shows("sunmi", "capacities that sum up to 30,000")
@pytest.mark.shows("sunmi", "up to 8 more can be created")
@pytest.mark.shows(
    "sunmi",
    "A name has 1 to 96 characters, no leading space and no control character, such as a line "
    "break.",
)
@pytest.mark.shows("sunmi", "It is unique in the whole tenant.")
@pytest.mark.shows("sunmi", "Of several faces the largest is taken, as in addFace.")
@pytest.mark.shows(
    "sunmi", "A faceid that is not in group_name is 207, an unknown new_group_name 204."
)
@pytest.mark.parametrize("strangers", [UNDECIDED, FORGET, KEEP])
@pytest.mark.parametrize("rule", RULES)
def test_rule(
    shop_front: CameraClient, furnished_services: Services, rule: str, strangers: str
) -> None:
    """By each choice of what becomes of a camera's strangers: those of a program are its own."""
    furnished_services.tenants.change_settings("shop", {"strangers": strangers})
    furnished_services.erasure.strangers.forget(furnished_services.tenants.get_by_name("shop"))
    walk(shop_front, RULES[rule])
    assert disagreements(furnished_services, furnished_services.tenants.list_all()[0]) == []


@pytest.mark.shows("sunmi", "there already, or named twice; reserved.")
@pytest.mark.shows(
    "sunmi",
    "Nor may they be called a parameter of addFace or a public one with a capital first letter",
)
@pytest.mark.parametrize("name", [*RESERVED_BY_THE_SOURCE, *RESERVED_BY_US, *READ_AS_OURS])
def test_code_242_a_name_that_is_reserved_or_that_add_face_reads_as_one_of_ours(
    shop_front: CameraClient, name: str
) -> None:
    walk(shop_front, [call("addFaceInfoItem", TO_VIP, name_list=names(name)).gets(242)])


@pytest.mark.parametrize("name", FREE)
def test_a_name_like_a_reserved_one_is_an_attributes_own(
    shop_front: CameraClient, name: str
) -> None:
    added = {"group_name": "vip", "faceid": "8", name: "hiking"}
    walk(
        shop_front,
        [
            call("addFaceInfoItem", TO_VIP, name_list=names(name)).gets(0),
            call("addFace", added, pic=BOB).gets(0),
            call("getFace", faceid="8").gets(0, **{name: "hiking", "item2": "hiking"}),
        ],
    )


@pytest.mark.shows(
    "sunmi", "It is accepted as description or Description, and answered as description."
)
@pytest.mark.parametrize("spelling", ["description", "Description", " description"])
def test_endpoint_1_and_2_description_is_taken_in_either_spelling_and_answered_as_description(
    shop_front: CameraClient, spelling: str
) -> None:
    walk(
        shop_front, [call("createGroup", {"name": "a", "capacity": "1", spelling: "gold"}).gets(0)]
    )
    assert group(shop_front, "a")["description"] == "gold"
    changed = {"old_name": "a", "name": "b", "capacity": "2", spelling: "platinum"}
    walk(shop_front, [call("updateGroup", changed).gets(0)])
    assert group(shop_front, "b") == {
        "name": "b",
        "capacity": 2,
        "count": 0,
        "description": "platinum",
    }


@pytest.mark.shows(
    "sunmi", "A default group keeps its name; its capacity and description may change."
)
def test_endpoint_2_a_default_groups_capacity_and_description_may_change(
    shop_front: CameraClient,
) -> None:
    changed = {
        "old_name": "stranger",
        "name": "stranger",
        "capacity": "30",
        "description": "unknown",
    }
    walk(shop_front, [call("updateGroup", changed).gets(0)])
    stranger = group(shop_front, "stranger")
    assert (stranger["capacity"], stranger["description"], stranger["times"]) == (30, "unknown", 5)


@pytest.mark.shows("sunmi", "A call that fails changes nothing.")
def test_endpoint_3_the_rule_is_shown_and_survives_a_refusal(shop_front: CameraClient) -> None:
    walk(
        shop_front,
        [
            call("updateMigration", arrive_times="3", period="20").gets(0),
            call("updateMigration", arrive_times="3", period="101").gets(2),
        ],
    )
    assert (group(shop_front, "stranger")["times"], group(shop_front, "stranger")["period"]) == (
        3,
        20,
    )


@pytest.mark.shows("sunmi", "stranger comes first, then regular, then the others")
@pytest.mark.shows("sunmi", "times and period are shown of stranger alone")
def test_endpoint_5_times_and_period_are_shown_of_stranger_alone(shop_front: CameraClient) -> None:
    shown = {name for name, one in shop_front.groups().items() if {"times", "period"} & set(one)}
    assert shown == {"stranger"}
    assert list(shop_front.groups())[:2] == ["stranger", "regular"]
    assert group(shop_front, "vip")["count"] == 1


@pytest.mark.shows("sunmi", "Generated ids are numeric, ordered by time and unique.")
def test_endpoint_9_generated_ids_are_numeric_time_ordered_and_unique(
    shop_front: CameraClient, clock: FakeClock
) -> None:
    made = []
    for _ in range(5):
        made.append(shop_front.add_face("vip", BOB)["data"]["faceid"])
        clock.advance(timedelta(milliseconds=1))
    assert made == sorted(set(made), key=int)
    assert all(0 < int(faceid) < 2**63 for faceid in made)


@pytest.mark.shows("sunmi", "A tenant can be set to strict ids")
def test_endpoint_9_a_tenant_can_be_set_to_strict_ids(
    shop_front: CameraClient, furnished_services: Services
) -> None:
    furnished_services.tenants.change_settings("shop", {"numeric_faceids_only": True})
    codes = {
        faceid: shop_front.add_face("vip", BOB, faceid=faceid)["code"]
        for faceid in ("1", str(2**63 - 1), "0", str(2**63), "-1", "Vip11024")
    }
    assert codes == {"1": 0, str(2**63 - 1): 0, "0": 2, str(2**63): 2, "-1": 2, "Vip11024": 2}


@pytest.mark.shows("sunmi", "Else it is 210, with the count of faces in msg.")
def test_endpoint_9_the_count_of_faces_is_told_where_none_is_clearly_the_largest(
    shop_front: CameraClient,
) -> None:
    answer = shop_front.add_face("vip", picture(Person(2), Person(3), Person(4)))
    assert answer["code"] == 210
    assert "3 faces" in answer["msg"]


@pytest.fixture
def cloud(camera: CameraClient, services: Services, clock: FakeClock) -> CameraClient:
    credentials = services.tenants.add("chain", Profile.CLOUD, KEEPING)
    return CameraClient(camera.app, credentials.app_id, credentials.app_key, clock)


@pytest.mark.shows(
    "sunmi", "Two default groups, stranger and regular ... up to 8 more can be created."
)
@pytest.mark.shows("sunmi", "A tenant starts with 5 times in 7 days.")
@pytest.mark.shows("sunmi", "A group of the list has")
def test_the_default_groups_are_there_from_the_first_day(camera: CameraClient) -> None:
    assert camera.call("getGroupList") == {
        "code": 0,
        "data": {
            "face_group": [
                {
                    "name": "stranger",
                    "times": 5,
                    "period": 7,
                    "capacity": 5000,
                    "count": 0,
                    "description": "this is stranger group",
                },
                {
                    "name": "regular",
                    "capacity": 5000,
                    "count": 0,
                    "description": "this is regular group",
                },
            ],
            "num": 2,
        },
    }


@pytest.mark.shows("sunmi", "Profile cloud: 1,000 groups, 1,000,000 faces")
def test_a_group_without_a_capacity_shows_the_tenants_total(cloud: CameraClient) -> None:
    assert cloud.call("createGroup", {"name": "vip", "description": ""})["code"] == 0
    assert cloud.groups()["vip"]["capacity"] == 1_000_000


@pytest.mark.shows("sunmi", "Codes 202 and 212 follow the profile.")
def test_a_cloud_tenants_group_needs_no_capacity(cloud: CameraClient) -> None:
    assert cloud.call("createGroup", {"name": "a", "description": "", "capacity": ""})["code"] == 0
    assert (
        cloud.call("createGroup", {"name": "b", "description": "", "capacity": "0"})["code"] == 212
    )


@pytest.mark.shows("sunmi", "The operator may set other numbers of groups and faces for a tenant.")
def test_limits_that_the_operator_set_hold_in_place_of_the_profiles(
    camera: CameraClient, services: Services
) -> None:
    (name,) = (tenant.name for tenant in services.tenants.list_all())
    services.tenants.change_settings(name, {"groups": 3, "faces": 200_000})
    assert camera.create_group("vip", 190_001)["code"] == 212
    assert camera.create_group("vip", 190_000)["code"] == 0
    assert camera.create_group("more", 1)["code"] == 212
    camera.call("deleteGroup", {"name": "vip"})
    assert [camera.create_group(name, 1)["code"] for name in ("third", "fourth")] == [0, 202]


def test_a_file_field_that_nobody_filled_is_no_picture(shop_front: CameraClient) -> None:
    request = shop_front.signed("addFace", [("group_name", "vip")], [Part("pic", b"", "")])
    assert request.answer()["code"] == 2


@pytest.mark.shows("sunmi", "A picture that is sent as text is code 2.")
def test_a_picture_sent_as_text_is_2(shop_front: CameraClient) -> None:
    for as_multipart in (False, True):
        request = shop_front.signed(
            "addFace", [("group_name", "vip"), ("pic", "abc")], as_multipart=as_multipart
        )
        assert request.answer()["code"] == 2


def test_two_pictures_are_2(shop_front: CameraClient) -> None:
    pics = [Part("pic", ANN, "a.jpg"), Part("pic", ANN, "b.jpg")]
    assert shop_front.signed("addFace", [("group_name", "vip")], pics).answer()["code"] == 2


@pytest.mark.shows("sunmi", "by default it is page 1 of 10 faces")
def test_a_page_is_the_first_ten_where_nothing_is_said(shop_front: CameraClient) -> None:
    for n in range(11):
        shop_front.add_face("stranger", picture(Person(n)))
    data = shop_front.call(
        "getFaceList", {"group_name": "stranger", "page_num": "", "page_size": ""}
    )["data"]
    assert (data["total_num"], data["num"]) == (11, 10)


def test_a_hundred_long_ids_still_fit_the_answer_that_is_stored(shop_front: CameraClient) -> None:
    faceids = [f"{n:03}" + "😀" * 247 for n in range(100)]
    answer = shop_front.call("deleteFace", {"group_name": "vip", **ids(*faceids)})
    assert answer["data"]["not_exist_list"] == faceids


def arrive(services: Services, clock: FakeClock, faceid: str) -> None:
    """The face arrives now; nothing of the dialect lets a face arrive."""
    tenant = services.tenants.list_all()[0]
    face = services.faces.get(tenant, faceid)
    seen = {
        "arrive_count": face.arrive_count + 1,
        "last_arrival_at": milliseconds(clock.now()),
        "arrival_key": keys.arrival_key(face.group_id, clock.now(), faceid),
    }
    there = (exists("face-exists"),)
    services.requests._items.transact([Update(keys.FACES, (tenant.name, faceid), there, set=seen)])


class TestLists:
    @pytest.fixture
    def five(self, shop_front: CameraClient, clock: FakeClock) -> CameraClient:
        """Faces f0 to f4 in group `empty`, enrolled a minute apart."""
        for n in range(5):
            shop_front.add_face("empty", picture(Person(n)), faceid=f"f{n}")
            clock.advance(timedelta(minutes=1))
        return shop_front

    def longest_away(self, camera: CameraClient, num: str = "10") -> list[str]:
        data = camera.call("getFaceByArrival", {"group_name": "empty", "num": num})["data"]
        assert data["num"] == data["return_num"] == len(data["faceid_list"])
        return [face["faceid"] for face in data["faceid_list"]]

    @pytest.mark.shows("sunmi", "The list is in the order of enrolment, oldest first")
    @pytest.mark.parametrize("endpoint", ["getFaceList", "getFaceIDList"])
    def test_endpoint_13_a_list_is_in_the_order_of_enrolment_oldest_first(
        self, five: CameraClient, endpoint: str
    ) -> None:
        pages = [
            five.call(endpoint, {"group_name": "empty", "page_num": str(n), "page_size": "2"})[
                "data"
            ]
            for n in range(1, 5)
        ]
        listed = [[face["faceid"] for face in page["faceid_list"]] for page in pages]
        assert listed == [["f0", "f1"], ["f2", "f3"], ["f4"], []]
        assert [(page["total_num"], page["num"], page["return_num"]) for page in pages] == [
            (5, 2, 2),
            (5, 2, 2),
            (5, 1, 1),
            (5, 0, 0),
        ]

    @pytest.mark.shows(
        "sunmi", "Faces that never arrived count from their enrolment; their arrive_time is null"
    )
    def test_endpoint_14_faces_that_never_arrived_count_from_their_enrolment(
        self, five: CameraClient
    ) -> None:
        assert self.longest_away(five) == ["f0", "f1", "f2", "f3", "f4"]
        assert self.longest_away(five, "") == ["f0"], "num is 1 where it is not sent"
        shown = five.call("getFaceByArrival", {"group_name": "empty"})["data"]["faceid_list"][0]
        assert (shown["arrive_time"], shown["arrive_count"]) == (None, 0)

    @pytest.mark.shows(
        "sunmi", "The faces whose last arrival is the longest ago come, longest first."
    )
    def test_endpoint_14_the_longest_away_come_first(
        self, five: CameraClient, furnished_services: Services, clock: FakeClock
    ) -> None:
        for faceid in ("f3", "f0", "f0"):
            arrive(furnished_services, clock, faceid)
            clock.advance(timedelta(hours=1))
        assert self.longest_away(five) == ["f1", "f2", "f4", "f3", "f0"]
        assert self.longest_away(five, "4") == ["f1", "f2", "f4", "f3"]
        seen = five.call("getFace", {"faceid": "f0"})["data"]
        assert seen["arrive_count"] == 2
        assert seen["arrive_time"] == int((clock.now() - timedelta(hours=1)).timestamp())

    @pytest.mark.shows("sunmi", "the arrivals")
    def test_endpoint_11_a_move_keeps_the_arrivals(
        self, five: CameraClient, furnished_services: Services, clock: FakeClock
    ) -> None:
        arrive(furnished_services, clock, "f3")
        walk(
            five,
            [
                call(
                    "updateFace", group_name="empty", faceid="f3", new_group_name="regular", pic=BOB
                ).gets(0),
                call("getFace", faceid="f3").gets(
                    0, arrive_count=1, arrive_time=int(clock.now().timestamp())
                ),
            ],
        )
        assert self.longest_away(five) == ["f0", "f1", "f2", "f4"]

    @pytest.mark.shows("sunmi", "the place by enrolment")
    def test_endpoint_13_a_move_keeps_the_place_by_enrolment(self, five: CameraClient) -> None:
        for faceid in ("f4", "f1"):
            five.call(
                "updateFace", {"group_name": "empty", "faceid": faceid, "new_group_name": "regular"}
            )
        assert five.faceids("regular") == ["f1", "f4"]

    @pytest.mark.shows("sunmi", "The answer's data is the face, with its group_name.")
    @pytest.mark.shows("sunmi", "and its faces have no group_name")
    @pytest.mark.shows("sunmi", "The answer's data is the face that matches, with its group_name.")
    def test_endpoint_12_to_14_faces_carry_names_and_places_and_a_list_no_group_name(
        self, shop_front: CameraClient
    ) -> None:
        one = shop_front.call("getFace", {"faceid": "7"})["data"]
        assert one == {
            "faceid": "7",
            "group_name": "vip",
            "weight": "59",
            "item1": "59",
            "age": None,
            "age_range": 5,
            "gender": 2,
            "arrive_count": 0,
            "arrive_time": None,
        }
        by_picture = shop_front.call("getFaceByPicture", pic=picture(Person(1, side_px=130)))
        assert by_picture["data"] == one
        del one["group_name"]
        for endpoint in ("getFaceList", "getFaceByArrival"):
            assert shop_front.call(endpoint, {"group_name": "vip"})["data"]["faceid_list"] == [one]
