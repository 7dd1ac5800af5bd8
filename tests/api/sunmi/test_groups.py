"""createGroup, getGroupList, deleteGroup."""

from __future__ import annotations

import pytest

from chalicelib.core.model import Profile
from chalicelib.services import Services
from tests.api.sunmi.client import CameraClient
from tests.fakes import FakeClock, Person, picture

VIP = {"name": "vip", "capacity": "10000", "description": "Customers with gold card."}


@pytest.fixture
def cloud(camera: CameraClient, services: Services, clock: FakeClock) -> CameraClient:
    credentials = services.tenants.add("chain", Profile.CLOUD)
    return CameraClient(camera.app, credentials.app_id, credentials.app_key, clock)


class TestGetGroupList:
    def test_the_default_groups_are_there_from_the_first_day(self, camera: CameraClient) -> None:
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
                    {"name": "regular", "capacity": 5000, "count": 0, "description": "this is regular group"},
                ],
                "num": 2,
            },
        }

    def test_counts_follow_the_faces(self, camera: CameraClient) -> None:
        camera.add_face("regular", picture(Person(1)))
        assert camera.groups()["regular"]["count"] == 1

    def test_a_group_without_a_capacity_shows_the_tenants_total(self, cloud: CameraClient) -> None:
        assert cloud.call("createGroup", {"name": "vip", "description": ""})["code"] == 0
        assert cloud.groups()["vip"]["capacity"] == 1_000_000


class TestCreateGroup:
    def test_a_group_is_created_as_described(self, camera: CameraClient) -> None:
        assert camera.call("createGroup", VIP) == {"code": 0}
        assert camera.groups()["vip"] == {
            "name": "vip",
            "capacity": 10000,
            "count": 0,
            "description": "Customers with gold card.",
        }

    @pytest.mark.parametrize("name", ["name", "capacity", "description"])
    def test_every_parameter_is_required(self, camera: CameraClient, name: str) -> None:
        answer = camera.call("createGroup", {key: value for key, value in VIP.items() if key != name})
        assert answer["code"] == 2
        assert name in answer["msg"]

    def test_an_empty_description_is_one(self, camera: CameraClient) -> None:
        assert camera.call("createGroup", VIP | {"description": ""})["code"] == 0
        assert camera.groups()["vip"]["description"] == ""

    @pytest.mark.parametrize(("length", "code"), [(150, 0), (151, 2)])
    def test_a_description_has_up_to_150_characters(self, camera: CameraClient, length: int, code: int) -> None:
        assert camera.call("createGroup", VIP | {"description": "金" * length})["code"] == code

    @pytest.mark.parametrize("name", ["", " vip", "\tvip", "\u3000vip", "v" * 97, "员" * 97])
    def test_an_illegal_name_is_201(self, camera: CameraClient, name: str) -> None:
        assert camera.call("createGroup", VIP | {"name": name})["code"] == 201

    @pytest.mark.parametrize("name", ["员" * 96, "v", "vip ", "😀" * 96, "e\u0301" * 96])
    def test_names_are_counted_in_characters_after_nfc(self, camera: CameraClient, name: str) -> None:
        assert camera.call("createGroup", VIP | {"name": name})["code"] == 0

    def test_names_match_after_nfc_and_in_their_case(self, camera: CameraClient) -> None:
        assert camera.create_group("caf\u00e9")["code"] == 0
        assert camera.create_group("cafe\u0301")["code"] == 200
        assert camera.create_group("Caf\u00e9")["code"] == 0

    @pytest.mark.parametrize("name", ["vip", "stranger", "regular"])
    def test_a_name_that_is_taken_is_200(self, camera: CameraClient, name: str) -> None:
        camera.create_group("vip")
        assert camera.create_group(name)["code"] == 200

    @pytest.mark.parametrize("capacity", ["", "ten", "1.5", "1e3", " 10", "+10", "0x10", "１０", "1_000", "--1", "-"])
    def test_a_capacity_that_is_no_whole_number_is_2(self, camera: CameraClient, capacity: str) -> None:
        assert camera.call("createGroup", VIP | {"capacity": capacity})["code"] == 2

    @pytest.mark.parametrize("capacity", ["0", "-1", "-0", "30001", "20001", "9" * 30, "9" * 5000, "-" + "9" * 5000])
    def test_an_illegal_capacity_is_212(self, camera: CameraClient, capacity: str) -> None:
        assert camera.call("createGroup", VIP | {"capacity": capacity})["code"] == 212

    def test_capacities_may_sum_to_30000(self, camera: CameraClient) -> None:
        assert camera.call("createGroup", VIP | {"capacity": "0020000"})["code"] == 0
        assert camera.create_group("more", 1)["code"] == 212

    def test_an_eleventh_group_is_202(self, camera: CameraClient) -> None:
        assert [camera.create_group(f"group{n}")["code"] for n in range(9)] == [0] * 8 + [202]

    def test_a_cloud_tenants_group_needs_no_capacity(self, cloud: CameraClient) -> None:
        assert cloud.call("createGroup", {"name": "a", "description": "", "capacity": ""})["code"] == 0
        assert cloud.call("createGroup", {"name": "b", "description": "", "capacity": "0"})["code"] == 212

    def test_limits_that_the_operator_set_hold_in_place_of_the_profiles(
        self, camera: CameraClient, services: Services
    ) -> None:
        (name,) = (tenant.name for tenant in services.tenants.all())
        services.tenants.change(name, {"groups": 3, "faces": 2_000_000})
        assert camera.create_group("vip", 1_990_001)["code"] == 212
        assert camera.create_group("vip", 1_990_000)["code"] == 0
        assert camera.create_group("more", 1)["code"] == 212
        camera.call("deleteGroup", {"name": "vip"})
        assert [camera.create_group(name, 1)["code"] for name in ("third", "fourth")] == [0, 202]


class TestDeleteGroup:
    def test_an_empty_group_is_deleted(self, camera: CameraClient) -> None:
        camera.create_group("vip")
        assert camera.call("deleteGroup", {"name": "vip"}) == {"code": 0}
        assert "vip" not in camera.groups()
        assert camera.create_group("vip")["code"] == 0

    @pytest.mark.parametrize("fields", [{}, {"name": ""}, {"group_name": "vip"}])
    def test_a_name_is_required(self, camera: CameraClient, fields: dict[str, str]) -> None:
        assert camera.call("deleteGroup", fields)["code"] == 2

    @pytest.mark.parametrize("name", ["vip", "Stranger", " stranger", "v" * 97, "v" * 100_000])
    def test_an_unknown_group_is_204(self, camera: CameraClient, name: str) -> None:
        assert camera.call("deleteGroup", {"name": name})["code"] == 204

    @pytest.mark.parametrize("name", ["stranger", "regular"])
    def test_a_default_group_is_201(self, camera: CameraClient, name: str) -> None:
        assert camera.call("deleteGroup", {"name": name})["code"] == 201

    def test_a_group_with_faces_is_205(self, camera: CameraClient) -> None:
        camera.create_group("vip")
        camera.add_face("vip", picture(Person(1)), faceid="7")
        assert camera.call("deleteGroup", {"name": "vip"})["code"] == 205
        camera.call("deleteFace", {"group_name": "vip", "num": "1", "faceid_list": '["7"]'})
        assert camera.call("deleteGroup", {"name": "vip"})["code"] == 0


def test_tenants_do_not_see_each_others_groups(camera: CameraClient, cloud: CameraClient) -> None:
    camera.create_group("vip")
    assert "vip" not in cloud.groups()
    assert cloud.call("deleteGroup", {"name": "vip"})["code"] == 204
