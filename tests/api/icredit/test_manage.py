"""manage: enrol, search and delete, by picture and by token."""

from __future__ import annotations

import pytest

from chalicelib.services import Services
from tests.api.gateway import MULTIPART, Part, multipart
from tests.api.icredit.client import MarketClient, encoded, failure, persons, tokens
from tests.api.sunmi.client import CameraClient
from tests.fakes import Person, picture

ANN, BOB = picture(Person(1)), picture(Person(2))
LABELS = {"LABLE_A": "会员类型", "LABLE_B": "会员等级", "LABLE_C": "写字楼", "LABLE_D": "负一层停车场"}
BOTH_FAMILIES = LABELS | {
    "FIRST_A_LABLE": "会员类型",
    "SECOND_A_LABEL": "会员等级",
    "FIRST_B_LABEL": "写字楼",
    "SECOND_B_LABEL": "负一层停车场",
}


class TestEnrol:
    def test_every_field_is_there_and_every_scalar_is_a_text(self, market: MarketClient) -> None:
        person = persons(market.enrol("VIP会员", ANN, **LABELS))[0]
        assert person.pop("PERSON_TOKEN")
        assert person == {
            "LEFT": "10",
            "TOP": "20",
            "WIDTH": "100",
            "HEIGHT": "100",
            "AGE": "33",
            "BEAUTY": "71",
            "GENDER": "FEMALE",
            "EMOTION_TYPE": "HAPPY",
            "EMOTION_SCORE": "80",
            **BOTH_FAMILIES,
            "PERSON_GROUP_LABEL": "VIP会员",
            "POSE": "1.0,2.0,3.0",
            "SIMILARITY": "",
            "QUALITY": "80",
        }

    def test_everybody_in_the_picture_is_enrolled_largest_first(self, market: MarketClient) -> None:
        crowd = picture(Person(1, side_px=50), Person(2, side_px=90), Person(3, side_px=70))
        assert [person["WIDTH"] for person in persons(market.enrol("vip", crowd))] == ["90", "70", "50"]
        assert len(persons(market.search("vip", crowd))) == 3

    def test_a_known_face_keeps_its_token_and_gets_the_new_labels(self, market: MarketClient) -> None:
        first = market.enrol("vip", ANN, LABLE_A="old")
        again = market.enrol("vip", picture(Person(1, side_px=120)), LABLE_A="new")
        assert tokens(again) == tokens(first)
        assert persons(again)[0]["LABLE_A"] == "new"

    def test_the_group_is_made_on_first_use_with_what_room_is_left(
        self, market: MarketClient, camera: CameraClient
    ) -> None:
        market.enrol("vip", ANN)
        assert camera.groups()["vip"] == {"name": "vip", "capacity": 1000, "count": 1, "description": ""}

    @pytest.mark.parametrize("group", [" vip", "v" * 97])
    def test_group_labels_follow_the_rules_of_group_names(self, market: MarketClient, group: str) -> None:
        assert failure(market.enrol(group, ANN)) == "ILLEGAL_GROUP_LABEL"

    def test_a_picture_that_cannot_be_used_fails(self, market: MarketClient, camera: CameraClient) -> None:
        assert failure(market.enrol("vip", picture())) == "UNUSABLE_IMAGE"
        assert failure(market.enrol("vip", b"no picture")) == "UNUSABLE_IMAGE"
        assert "vip" not in camera.groups(), "nothing of a failed request remains"

    def test_a_poor_face_is_enrolled_unless_the_tenant_asks_for_better(
        self, market: MarketClient, camera: CameraClient, services: Services
    ) -> None:
        both = picture(Person(1, 90), Person(2, 80, quality=11))
        services.tenants.change("shop", {"enrol_quality": 60})
        answer = market.enrol("vip", both)
        assert failure(answer) == "UNUSABLE_IMAGE"
        assert "face 2 of 2, the largest first, is too poor to enrol, too blurred: 11 of 60" in answer["ERROR_MSG"]
        assert "vip" not in camera.groups()
        assert len(persons(market.enrol("vip", picture(Person(1, 90), Person(3, 80))))) == 2

    def test_a_poor_face_is_enrolled_with_its_quality_where_nobody_asks(self, market: MarketClient) -> None:
        enrolled = persons(market.enrol("vip", picture(Person(1, 90), Person(2, 80, quality=0))))
        assert [person["QUALITY"] for person in enrolled] == ["80", "0"]

    def test_five_faces_are_enrolled_or_none(self, market: MarketClient, camera: CameraClient) -> None:
        camera.create_group("small", capacity=4)
        assert failure(market.enrol("small", picture(*(Person(n) for n in range(5))))) == "GROUP_FULL"
        assert camera.groups()["small"]["count"] == 0

    @pytest.mark.parametrize("image_type", ["3", "2"])
    def test_a_token_enrols_the_stored_face_in_another_group(self, market: MarketClient, image_type: str) -> None:
        token = tokens(market.enrol("vip", ANN, LABLE_A="a"))[0]
        by_token = {"CONTROL_TYPE": "0", "IMAGE_TYPE": image_type, "IMAGE": token}
        copy = persons(market.manage(**by_token, PERSON_GROUP_LABEL="gold", LABLE_B="b"))[0]
        assert copy["PERSON_TOKEN"] != token
        assert [copy[side] for side in ("LEFT", "TOP", "WIDTH", "HEIGHT")] == [""] * 4
        assert (copy["LABLE_A"], copy["LABLE_B"], copy["PERSON_GROUP_LABEL"]) == ("a", "b", "gold")
        assert tokens(market.manage(**by_token, PERSON_GROUP_LABEL="vip")) == [token]

    @pytest.mark.parametrize("token", ["nobody", "no token!", "x" * 65, "x" * 9000])
    def test_an_unknown_token_fails(self, market: MarketClient, token: str) -> None:
        answer = market.manage(CONTROL_TYPE="0", IMAGE_TYPE="3", IMAGE=token, PERSON_GROUP_LABEL="vip")
        assert failure(answer) == "TOKEN_NOT_FOUND"


class TestSearch:
    def test_a_match_carries_the_stored_token_and_labels_and_the_probes_box(self, market: MarketClient) -> None:
        token = tokens(market.enrol("vip", ANN, **LABELS))[0]
        probe = picture(Person(9, side_px=40), Person(1, side_px=120))
        person = persons(market.search("vip", probe, LABLE_A="of the call"))[0]
        assert person["PERSON_TOKEN"] == token
        assert {name: person[name] for name in BOTH_FAMILIES} == BOTH_FAMILIES
        assert (person["LEFT"], person["WIDTH"]) == ("15", "120")
        assert 50 < float(person["SIMILARITY"]) <= 100

    def test_matches_come_largest_face_first(self, market: MarketClient) -> None:
        ann, bob = tokens(market.enrol("vip", ANN))[0], tokens(market.enrol("vip", BOB))[0]
        probe = picture(Person(1, side_px=50), Person(2, side_px=60), Person(3, side_px=70))
        assert tokens(market.search("vip", probe)) == [bob, ann]

    def test_finding_nobody_is_no_failure(self, market: MarketClient) -> None:
        market.enrol("vip", ANN)
        nobody = {"PERSON_TOKEN_STATUS": "0", "PERSON_ENTITY": []}
        assert market.search("vip", BOB) == nobody
        assert market.search("vip", picture()) == nobody
        assert market.search("gold", ANN) == nobody
        assert market.search("v" * 2000, ANN) == nobody

    def test_a_face_is_sought_in_its_own_group_only(self, market: MarketClient) -> None:
        market.enrol("vip", ANN)
        market.enrol("gold", BOB)
        assert persons(market.search("gold", ANN)) == []

    def test_an_undecodable_picture_is_a_failure(self, market: MarketClient) -> None:
        assert failure(market.search("vip", b"no picture")) == "UNUSABLE_IMAGE"

    def test_a_token_is_compared_with_the_group_itself_included(self, market: MarketClient) -> None:
        token = tokens(market.enrol("vip", ANN))[0]
        by_token = {"CONTROL_TYPE": "1", "IMAGE_TYPE": "3", "IMAGE": token}
        person = persons(market.manage(**by_token, PERSON_GROUP_LABEL="vip"))[0]
        assert (person["PERSON_TOKEN"], person["LEFT"], person["SIMILARITY"]) == (token, "", "100.00")
        assert persons(market.manage(**by_token, PERSON_GROUP_LABEL="gold")) == []
        assert failure(market.manage(**by_token | {"IMAGE": "nobody"}, PERSON_GROUP_LABEL="vip")) == "TOKEN_NOT_FOUND"

    def test_headers_tell_what_matches_were_decided_by(self, market: MarketClient) -> None:
        market.enrol("vip", picture(Person(1), Person(2)))
        image = encoded(picture(Person(1), Person(2), Person(3)))
        fields = {"CONTROL_TYPE": "1", "IMAGE_TYPE": "0", "IMAGE": image, "PERSON_GROUP_LABEL": "vip"}
        parts = [Part(name, value.encode()) for name, value in fields.items()]
        headers = market.post(multipart(parts), MULTIPART).headers
        scores = [float(score) for score in headers["x-regulars-score"].split(",")]
        assert len(scores) == 2
        thresholds = [float(part) for part in headers["x-regulars-threshold"].split(",")]
        assert all(score >= threshold for score, threshold in zip(scores, thresholds, strict=True))
        assert headers["x-regulars-gallery-size"] == "2"


class TestDelete:
    def test_a_deletion_answers_its_status_alone(self, market: MarketClient) -> None:
        token = tokens(market.enrol("vip", ANN))[0]
        assert market.delete("vip", token) == {"PERSON_TOKEN_STATUS": "0"}
        assert persons(market.search("vip", ANN)) == []
        assert failure(market.delete("vip", token)) == "TOKEN_NOT_FOUND"

    @pytest.mark.parametrize(
        "fields",
        [
            {"PERSON_TOKEN": "{token}"},
            {"PERSON_TOKEN": "{token}", "IMAGE_TYPE": "0", "IMAGE": "x"},
            {"PERSON_TOKEN": "{token}", "IMAGE_TYPE": "3", "IMAGE": "{token}"},
            {"IMAGE_TYPE": "2", "IMAGE": "{token}"},
            {"IMAGE_TYPE": "3", "IMAGE": " {token} "},
        ],
    )
    def test_the_token_may_stand_in_either_place(self, market: MarketClient, fields: dict[str, str]) -> None:
        token = tokens(market.enrol("vip", ANN))[0]
        sent = {name: value.replace("{token}", token) for name, value in fields.items()}
        assert market.manage(CONTROL_TYPE="3", PERSON_GROUP_LABEL="vip", **sent)["PERSON_TOKEN_STATUS"] == "0"

    @pytest.mark.parametrize(
        "fields",
        [
            {},
            {"IMAGE_TYPE": "3"},
            {"IMAGE_TYPE": "0", "IMAGE": "a"},
            {"IMAGE_TYPE": "1", "IMAGE": "a"},
            {"IMAGE": "a"},
            {"PERSON_TOKEN": "a", "IMAGE_TYPE": "3", "IMAGE": "b"},
        ],
    )
    def test_without_one_clear_token_nothing_is_deleted(self, market: MarketClient, fields: dict[str, str]) -> None:
        answer = market.manage(CONTROL_TYPE="3", PERSON_GROUP_LABEL="vip", **fields)
        assert failure(answer) == "INVALID_PARAMETER"

    def test_it_needs_the_faces_own_group(self, market: MarketClient) -> None:
        token = tokens(market.enrol("vip", ANN))[0]
        market.enrol("gold", BOB)
        assert failure(market.delete("gold", token)) == "TOKEN_NOT_FOUND"
        assert failure(market.delete("nowhere", token)) == "GROUP_NOT_FOUND"
        assert failure(market.manage(CONTROL_TYPE="3", PERSON_TOKEN=token)) == "INVALID_PARAMETER"
        assert tokens(market.search("vip", ANN)) == [token]


class TestBothDialects:
    def test_a_face_enrolled_in_one_is_found_in_the_other(self, market: MarketClient, camera: CameraClient) -> None:
        camera.add_face("regular", ANN, faceid="Vip11024", age="21", gender="1")
        person = persons(market.search("regular", ANN))[0]
        assert (person["PERSON_TOKEN"], person["AGE"], person["GENDER"]) == ("Vip11024", "21", "MALE")
        token = tokens(market.enrol("vip", BOB))[0]
        assert camera.call("getFaceByPicture", pic=BOB)["data"]["faceid"] == token
        assert camera.call("getFace", {"faceid": token})["data"]["group_name"] == "vip"

    def test_a_face_deleted_in_one_is_gone_in_the_other(self, market: MarketClient, camera: CameraClient) -> None:
        token = tokens(market.enrol("vip", ANN))[0]
        camera.call("deleteFace", {"group_name": "vip", "num": "1", "faceid_list": f'["{token}"]'})
        assert persons(market.search("vip", ANN)) == []
