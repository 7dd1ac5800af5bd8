import pytest

from chalicelib.services import Services
from tests.support.api.gateway import MULTIPART, Part, multipart
from tests.support.api.icredit.client import MarketClient, encoded, failure, persons
from tests.support.api.sunmi.client import CameraClient
from tests.support.fakes import Person, picture

ANN, BOB = picture(Person(1)), picture(Person(2))
LABELS = {
    "LABLE_A": "会员类型",
    "LABLE_B": "会员等级",
    "LABLE_C": "写字楼",
    "LABLE_D": "负一层停车场",
}
BOTH_FAMILIES = LABELS | {
    "FIRST_A_LABLE": "会员类型",
    "SECOND_A_LABEL": "会员等级",
    "FIRST_B_LABEL": "写字楼",
    "SECOND_B_LABEL": "负一层停车场",
}


class TestEnrol:
    @pytest.mark.shows("icredit", "Enrol (0):")
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

    @pytest.mark.shows("icredit", "A picture without a face is a failure.")
    def test_a_picture_that_cannot_be_used_fails(
        self, market: MarketClient, camera: CameraClient
    ) -> None:
        assert failure(market.enrol("vip", picture())) == "UNUSABLE_IMAGE"
        assert failure(market.enrol("vip", b"no picture")) == "UNUSABLE_IMAGE"
        assert "vip" not in camera.groups(), "nothing of a failed request remains"

    @pytest.mark.shows("icredit", "unless the tenant asks for better")
    def test_a_poor_face_is_enrolled_unless_the_tenant_asks_for_better(
        self, market: MarketClient, camera: CameraClient, services: Services
    ) -> None:
        both = picture(Person(1, 90), Person(2, 80, quality=11))
        services.tenants.change_settings("shop", {"enrol_quality": 60})
        answer = market.enrol("vip", both)
        assert failure(answer) == "UNUSABLE_IMAGE"
        assert (
            "face 2 of 2, the largest first, is too poor to enrol, too blurred: 11 of 60"
            in answer["ERROR_MSG"]
        )
        assert "vip" not in camera.groups()
        assert len(persons(market.enrol("vip", picture(Person(1, 90), Person(3, 80))))) == 2

    @pytest.mark.shows("icredit", "A poor face is enrolled with its QUALITY")
    def test_a_poor_face_is_enrolled_with_its_quality_where_nobody_asks(
        self, market: MarketClient
    ) -> None:
        enrolled = persons(market.enrol("vip", picture(Person(1, 90), Person(2, 80, quality=0))))
        assert [person["QUALITY"] for person in enrolled] == ["80", "0"]


class TestSearch:
    @pytest.mark.shows("icredit", "A search that finds somebody has the headers")
    def test_headers_tell_what_matches_were_decided_by(self, market: MarketClient) -> None:
        market.enrol("vip", picture(Person(1), Person(2)))
        image = encoded(picture(Person(1), Person(2), Person(3)))
        fields = {
            "CONTROL_TYPE": "1",
            "IMAGE_TYPE": "0",
            "IMAGE": image,
            "PERSON_GROUP_LABEL": "vip",
        }
        parts = [Part(name, value.encode()) for name, value in fields.items()]
        headers = market.post(multipart(parts), MULTIPART).headers
        scores = [float(score) for score in headers["x-regulars-score"].split(",")]
        assert len(scores) == 2
        thresholds = [float(part) for part in headers["x-regulars-threshold"].split(",")]
        assert all(score >= threshold for score, threshold in zip(scores, thresholds, strict=True))
        assert headers["x-regulars-gallery-size"] == "2"


class TestDelete:
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
    def test_without_one_clear_token_nothing_is_deleted(
        self, market: MarketClient, fields: dict[str, str]
    ) -> None:
        answer = market.manage(CONTROL_TYPE="3", PERSON_GROUP_LABEL="vip", **fields)
        assert failure(answer) == "INVALID_PARAMETER"
