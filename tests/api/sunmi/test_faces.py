"""addFace, getFace, getFaceList, deleteFace."""

from __future__ import annotations

import json

import pytest

from tests.api.gateway import Part
from tests.api.sunmi.client import CameraClient
from tests.fakes import Person, picture

ANN, BOB = picture(Person(1)), picture(Person(2))
FACE_FIELDS = {
    "faceid",
    "group_name",
    "age",
    "age_range",
    "gender",
    "arrive_count",
    "arrive_time",
}


@pytest.fixture
def vip(camera: CameraClient) -> CameraClient:
    assert camera.create_group("vip")["code"] == 0
    return camera


class TestAddFace:
    def test_a_face_is_added_under_the_callers_id(self, vip: CameraClient) -> None:
        assert vip.add_face("vip", ANN, faceid="Vip11024") == {"code": 0, "data": {"faceid": "Vip11024"}}
        assert vip.faceids("vip") == ["Vip11024"]

    def test_an_id_is_generated_where_none_is_sent(self, vip: CameraClient) -> None:
        ids = [vip.add_face("vip", ANN, faceid="")["data"]["faceid"] for _ in range(3)]
        assert all(0 < int(faceid) < 2**63 for faceid in ids)
        assert ids == sorted(set(ids), key=int)

    def test_one_person_may_hold_several_ids(self, vip: CameraClient) -> None:
        assert [vip.add_face("vip", ANN, faceid=str(n))["code"] for n in range(2)] == [0, 0]

    @pytest.mark.parametrize("faceid", ["007", "7", "a-B_9", "x" * 64])
    def test_ids_are_texts_of_1_to_64_letters_digits_and_dashes(self, vip: CameraClient, faceid: str) -> None:
        assert vip.add_face("vip", ANN, faceid=faceid)["data"] == {"faceid": faceid}
        assert vip.call("getFace", {"faceid": faceid})["data"]["faceid"] == faceid

    @pytest.mark.parametrize("faceid", ["x" * 65, "a b", "ä", "7.5", "7 ", "../7", "７"])
    def test_other_ids_are_2(self, vip: CameraClient, faceid: str) -> None:
        assert vip.add_face("vip", ANN, faceid=faceid)["code"] == 2

    def test_leading_zeros_make_another_id(self, vip: CameraClient) -> None:
        assert [vip.add_face("vip", ANN, faceid=faceid)["code"] for faceid in ("7", "07", "7")] == [0, 0, 206]

    def test_an_id_is_unique_in_the_whole_tenant(self, vip: CameraClient) -> None:
        vip.add_face("vip", ANN, faceid="7")
        assert vip.add_face("stranger", BOB, faceid="7")["code"] == 206

    @pytest.mark.parametrize("missing", ["group_name", "pic"])
    def test_group_and_picture_are_required(self, vip: CameraClient, missing: str) -> None:
        answer = vip.add_face("", ANN) if missing == "group_name" else vip.call("addFace", {"group_name": "vip"})
        assert answer["code"] == 2
        assert missing in answer["msg"]

    def test_a_file_field_that_nobody_filled_is_no_picture(self, vip: CameraClient) -> None:
        request = vip.signed("addFace", [("group_name", "vip")], [Part("pic", b"", "")])
        assert request.answer()["code"] == 2

    def test_a_picture_sent_as_text_is_2(self, vip: CameraClient) -> None:
        for as_multipart in (False, True):
            request = vip.signed("addFace", [("group_name", "vip"), ("pic", "abc")], as_multipart=as_multipart)
            assert request.answer()["code"] == 2

    def test_two_pictures_are_2(self, vip: CameraClient) -> None:
        pics = [Part("pic", ANN, "a.jpg"), Part("pic", ANN, "b.jpg")]
        assert vip.signed("addFace", [("group_name", "vip")], pics).answer()["code"] == 2

    @pytest.mark.parametrize("group_name", ["nobody", "VIP", " vip", "x" * 500])
    def test_an_unknown_group_is_204(self, vip: CameraClient, group_name: str) -> None:
        assert vip.add_face(group_name, ANN)["code"] == 204

    @pytest.mark.parametrize("age", ["-1", "121", "old", "1.5", "9" * 400])
    def test_an_age_out_of_0_to_120_is_2(self, vip: CameraClient, age: str) -> None:
        assert vip.add_face("vip", ANN, age=age)["code"] == 2

    @pytest.mark.parametrize("gender", ["3", "-1", "male"])
    def test_another_gender_is_2(self, vip: CameraClient, gender: str) -> None:
        assert vip.add_face("vip", ANN, gender=gender)["code"] == 2

    @pytest.mark.parametrize("pic", [b"", b"no picture", picture(), picture(Person(1, quality=3)), b"x" * 1_048_577])
    def test_an_unusable_picture_is_210(self, vip: CameraClient, pic: bytes) -> None:
        answer = vip.add_face("vip", pic)
        assert answer["code"] == 210
        assert answer["msg"]

    def test_of_several_faces_only_one_that_is_clearly_the_largest_is_enrolled(self, vip: CameraClient) -> None:
        alike = vip.add_face("vip", picture(Person(1, side_px=100), Person(2, side_px=90), Person(3)))
        assert alike["code"] == 210
        assert "3 faces" in alike["msg"]
        assert vip.add_face("vip", picture(Person(1, side_px=300), Person(2, side_px=90)))["code"] == 0

    def test_a_full_group_is_208(self, camera: CameraClient) -> None:
        camera.create_group("one", capacity=1)
        assert [camera.add_face("one", ANN)["code"] for _ in range(2)] == [0, 208]

    def test_checks_follow_the_contracts_order(self, camera: CameraClient) -> None:
        camera.create_group("full", capacity=1)
        camera.add_face("full", ANN, faceid="7")
        bad = {"group_name": "nobody", "faceid": "7", "age": "x"}
        assert camera.call("addFace", bad, b"bad")["code"] == 2
        assert camera.call("addFace", bad | {"age": ""}, b"bad")["code"] == 204
        assert camera.call("addFace", bad | {"age": "", "group_name": "full"}, b"bad")["code"] == 206
        assert camera.call("addFace", {"group_name": "full"}, b"bad")["code"] == 210
        assert camera.call("addFace", {"group_name": "full"}, ANN)["code"] == 208

    def test_facdid_means_faceid(self, vip: CameraClient) -> None:
        assert vip.add_face("vip", ANN, facdid="21")["data"] == {"faceid": "21"}
        assert vip.add_face("vip", ANN, facdid="22", faceid="22")["code"] == 2


class TestGetFace:
    def test_a_face_shows_what_was_set(self, vip: CameraClient) -> None:
        vip.add_face("vip", ANN, faceid="7", age="10", gender="1")
        assert vip.call("getFace", {"faceid": "7"}) == {
            "code": 0,
            "data": {
                "faceid": "7",
                "group_name": "vip",
                "age": 10,
                "age_range": 2,
                "gender": 1,
                "arrive_count": 0,
                "arrive_time": None,
            },
        }

    def test_what_was_not_set_is_estimated_but_age_stays_null(self, vip: CameraClient) -> None:
        vip.add_face("vip", ANN, faceid="7")
        face = vip.call("getFace", {"faceid": "7"})["data"]
        assert (face["age"], face["age_range"], face["gender"]) == (None, 5, 2)

    def test_gender_0_that_was_sent_stays_0_and_age_0_is_an_age(self, vip: CameraClient) -> None:
        vip.add_face("vip", ANN, faceid="7", gender="0", age="0")
        face = vip.call("getFace", {"faceid": "7"})["data"]
        assert (face["age"], face["age_range"], face["gender"]) == (0, 1, 0)

    @pytest.mark.parametrize("faceid", ["8", "07", "x" * 2000, "a b", "", "脸"])
    def test_an_unknown_faceid_is_2(self, vip: CameraClient, faceid: str) -> None:
        vip.add_face("vip", ANN, faceid="7")
        assert vip.call("getFace", {"faceid": faceid})["code"] == 2

    def test_a_faceid_is_required(self, vip: CameraClient) -> None:
        assert vip.call("getFace")["code"] == 2


@pytest.mark.parametrize("endpoint", ["getFaceList", "getFaceIDList"])
class TestGetFaceList:
    def test_a_page_is_the_first_ten_where_nothing_is_said(self, vip: CameraClient, endpoint: str) -> None:
        for n in range(11):
            vip.add_face("vip", picture(Person(n)))
        data = vip.call(endpoint, {"group_name": "vip", "page_num": "", "page_size": ""})["data"]
        assert (data["total_num"], data["num"]) == (11, 10)
        assert set(data["faceid_list"][0]) == FACE_FIELDS - {"group_name"}

    def test_an_empty_group_is_an_empty_list(self, camera: CameraClient, endpoint: str) -> None:
        assert camera.call(endpoint, {"group_name": "stranger"}) == {
            "code": 0,
            "data": {"total_num": 0, "num": 0, "return_num": 0, "faceid_list": []},
        }

    @pytest.mark.parametrize("fields", [{}, {"group_name": ""}, {"group_name": "nobody"}, {"group_name": "x" * 3000}])
    def test_an_unknown_group_is_2(self, camera: CameraClient, endpoint: str, fields: dict[str, str]) -> None:
        assert camera.call(endpoint, fields)["code"] == 2

    @pytest.mark.parametrize(
        "paging",
        [
            {"page_num": "0"},
            {"page_num": "-1"},
            {"page_num": "x"},
            {"page_size": "0"},
            {"page_size": "101"},
            {"page_size": "9" * 50},
            {"page_size": "1.0"},
        ],
    )
    def test_paging_out_of_range_is_2(self, camera: CameraClient, endpoint: str, paging: dict[str, str]) -> None:
        assert camera.call(endpoint, {"group_name": "stranger", **paging})["code"] == 2

    def test_a_page_far_past_the_end_is_empty(self, camera: CameraClient, endpoint: str) -> None:
        camera.add_face("stranger", ANN)
        data = camera.call(endpoint, {"group_name": "stranger", "page_num": "9" * 60, "page_size": "100"})["data"]
        assert (data["total_num"], data["faceid_list"]) == (1, [])


class TestDeleteFace:
    def delete(self, camera: CameraClient, group_name: str, *faceids: str) -> dict[str, list[str]]:
        fields = {"group_name": group_name, "num": str(len(faceids)), "faceid_list": json.dumps(faceids)}
        answer = camera.call("deleteFace", fields)
        assert answer["code"] == 0, answer
        data = answer["data"]
        assert set(data) == {"success_list", "failed_list", "not_exist_list"}
        assert isinstance(data, dict)
        return data

    def test_each_id_ends_in_one_list(self, vip: CameraClient) -> None:
        vip.add_face("vip", ANN, faceid="000001")
        vip.add_face("vip", BOB, faceid="000002")
        assert self.delete(vip, "vip", "000001", "000002", "000003") == {
            "success_list": ["000001", "000002"],
            "failed_list": [],
            "not_exist_list": ["000003"],
        }
        assert vip.faceids("vip") == []

    def test_a_face_of_another_group_does_not_exist_here(self, vip: CameraClient) -> None:
        vip.add_face("stranger", ANN, faceid="7")
        assert self.delete(vip, "vip", "7")["not_exist_list"] == ["7"]
        assert vip.faceids("stranger") == ["7"]

    def test_a_repeated_id_counts_once_in_the_answer(self, vip: CameraClient) -> None:
        vip.add_face("vip", ANN, faceid="7")
        assert self.delete(vip, "vip", "7", "7", "8", "8")["success_list"] == ["7"]

    @pytest.mark.parametrize("faceid", ["x" * 65, "a b", "脸", "脸" * 250])
    def test_what_no_face_can_be_called_does_not_exist(self, vip: CameraClient, faceid: str) -> None:
        assert self.delete(vip, "vip", faceid)["not_exist_list"] == [faceid]

    def test_a_hundred_long_ids_still_fit_the_answer_that_is_stored(self, vip: CameraClient) -> None:
        faceids = [f"{n:03}" + "😀" * 247 for n in range(100)]
        assert self.delete(vip, "vip", *faceids)["not_exist_list"] == faceids

    def test_up_to_100_ids_go_at_once(self, vip: CameraClient) -> None:
        assert len(self.delete(vip, "vip", *(str(n) for n in range(100)))["not_exist_list"]) == 100
        too_many = {"group_name": "vip", "num": "101", "faceid_list": json.dumps([str(n) for n in range(101)])}
        assert vip.call("deleteFace", too_many)["code"] == 2

    def test_an_unknown_group_is_204(self, vip: CameraClient) -> None:
        assert vip.call("deleteFace", {"group_name": "x", "num": "1", "faceid_list": '["7"]'})["code"] == 204

    @pytest.mark.parametrize(
        ("num", "faceid_list"),
        [
            ("2", '["7"]'),
            ("0", "[]"),
            ("0", '["7"]'),
            ("-1", '["7"]'),
            ("", '["7"]'),
            ("one", '["7"]'),
            ("9" * 40, '["7"]'),
            ("1", ""),
            ("1", '[""]'),
            ("1", "[null]"),
            ("1", "[true]"),
            ("1", '[["7"]]'),
            ("1", '{"7":"7"}'),
            ("1", '["\\ud800"]'),
            ("1", '["' + "x" * 251 + '"]'),
            ("1", "["),
            ("2", "7,"),
            ("1", "," * 100_000),
        ],
    )
    def test_a_list_that_is_empty_malformed_or_not_num_long_is_2(
        self, vip: CameraClient, num: str, faceid_list: str
    ) -> None:
        assert vip.call("deleteFace", {"group_name": "vip", "num": num, "faceid_list": faceid_list})["code"] == 2

    @pytest.mark.parametrize("missing", ["group_name", "num", "faceid_list"])
    def test_every_parameter_is_required(self, vip: CameraClient, missing: str) -> None:
        fields = {"group_name": "vip", "num": "1", "faceid_list": '["7"]'}
        assert vip.call("deleteFace", {name: value for name, value in fields.items() if name != missing})["code"] == 2

    def test_a_deleted_face_is_gone_and_its_id_is_free(self, vip: CameraClient) -> None:
        vip.add_face("vip", ANN, faceid="7")
        self.delete(vip, "vip", "7")
        assert vip.call("getFace", {"faceid": "7"})["code"] == 2
        assert vip.call("getFaceByPicture", pic=ANN)["code"] == 283
        assert vip.add_face("stranger", ANN, faceid="7")["code"] == 0
