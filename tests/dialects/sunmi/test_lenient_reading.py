"""What the source's own examples send: spaces in names, capital first letters, typographic quotes, a misspelling."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.api.forms import Form, Upload
from chalicelib.api.sunmi.parameters import Parameters, read_list
from chalicelib.core.errors import InvalidInput
from tests.dialects.gateway import send
from tests.dialects.sunmi.client import CameraClient, md5_sign
from tests.fakes import Person, picture

OWN = frozenset({"name", "description", "faceid", "pic", "item1"})


def parameters(*fields: tuple[str, str], own: frozenset[str] = OWN) -> Parameters:
    return Parameters.of(Form(fields), own)


@pytest.mark.parametrize("sent", ["name", " name", "name ", "Name", " Name\t", "\u3000name"])
def test_our_names_are_trimmed_and_their_first_letter_is_of_either_case(sent: str) -> None:
    assert parameters((sent, "vip")).text("name") == "vip"


@pytest.mark.parametrize("sent", ["NAME", "nAme", "n ame", "naMe"])
def test_other_letters_keep_their_case(sent: str) -> None:
    assert parameters((sent, "vip")).text("name") is None


def test_names_of_attributes_match_exactly() -> None:
    others = parameters(("Hobby", "tennis"), (" weight ", "60"), ("Item1", "x"), ("empty", "")).others()
    assert others == {"Hobby": "tennis", "weight": "60", "item1": "x"}


def test_public_and_own_parameters_are_no_attributes() -> None:
    assert parameters(("sn", "1"), ("Sign", "1"), ("name", "x"), ("facdid", "7")).others() == {}


@pytest.mark.parametrize("pair", [("name", "Name"), ("name", " name"), ("faceid", "facdid"), (" a", "a")])
def test_two_spellings_of_one_name_are_a_repetition(pair: tuple[str, str]) -> None:
    with pytest.raises(InvalidInput, match="twice"):
        parameters((pair[0], "1"), (pair[1], "1"))


def test_facdid_means_faceid_where_there_is_one() -> None:
    assert parameters(("facdid", "21")).text("faceid") == "21"
    assert parameters(("Facdid", "21")).aliases_used == {"facdid"}
    assert parameters(("facdid", "21"), own=frozenset({"name"})).others() == {"facdid": "21"}


def test_a_file_and_a_text_of_one_name_are_a_repetition() -> None:
    form = Form((("pic", "x"),), (Upload("Pic", "a.jpg", "", b"1"),))
    with pytest.raises(InvalidInput, match="twice"):
        Parameters.of(form, OWN)


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ('["105"]', ["105"]),
        ('["105", "106"]', ["105", "106"]),
        ("[]", []),
        ("[“105”]", ["105"]),
        ("[“000001”, “0000002”]", ["000001", "0000002"]),
        ("[＂a＂,‘b’,”c“]", ["a", "b", "c"]),
        ('["a"， "b"]', ["a", "b"]),
        ("[“a”，“b”]", ["a", "b"]),
        ("[a, b，c]", ["a", "b", "c"]),
        ("a,b", ["a", "b"]),
        ("7", ["7"]),
        ('"7"', ["7"]),
        ("[7, 8.50, 1e3]", ["7", "8.50", "1e3"]),
        ("[007]", ["007"]),
        ("[1, 007]", ["1", "007"]),
        ("[" + "9" * 250 + "]", ["9" * 250]),
        (' [ "a" ] ', ["a"]),
        ('["it’s", "5“"]', ["it’s", "5“"]),
    ],
)
def test_lists_are_read_as_they_were_meant(text: str, items: list[str]) -> None:
    assert read_list("faceid_list", text) == items


@pytest.mark.parametrize(
    "text",
    [
        '{"a": 1}',
        "[null]",
        "[true]",
        '[["a"]]',
        '[""]',
        "[“”]",
        "a,,b",
        "[a,]",
        ",",
        "9" * 251,
        "[" * 100_000,
        '["\\udc00"]',
    ],
)
def test_what_is_no_list_of_texts_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="list"):
        read_list("faceid_list", text)


@given(st.text(st.sampled_from('[]{}",，“”‘’＂ \\u0d8a1:.-n')) | st.just("[" * 100_000))
def test_any_text_is_a_list_of_texts_or_invalid_input(text: str) -> None:
    try:
        items = read_list("faceid_list", text)
    except InvalidInput:
        return
    assert all(item and item.encode() for item in items)


class TestTheSourcesOwnExamples:
    """Their bodies as printed, with credentials and a time of our own, signed over what is sent."""

    def send(self, camera: CameraClient, endpoint: str, tail: str) -> dict[str, object]:
        """`tail`: everything behind the sign, raw."""
        unsigned = [
            *camera.public(),
            *(tuple(pair.split("=", 1)) for pair in tail.removeprefix("&").split("&") if pair),
        ]
        public = "&".join("=".join(pair) for pair in camera.public()[:1] + unsigned[1:3])
        body = f"{public}&sign={md5_sign(unsigned, camera.key)}{tail}"  # type: ignore[arg-type]
        reply = send(camera.app, f"/openapi/face/{endpoint}", body.encode())
        assert reply.status == 200
        return reply.json

    def test_create_group(self, camera: CameraClient) -> None:
        tail = "& name=vip&capacity=10000&description=Customers with gold card."
        assert self.send(camera, "createGroup", tail) == {"code": 0}
        assert camera.groups()["vip"]["description"] == "Customers with gold card."

    def test_create_group_with_the_capital_letter_of_its_table(self, camera: CameraClient) -> None:
        assert self.send(camera, "createGroup", "&Name=vip&capacity=10000&Description=gold") == {"code": 0}

    def test_delete_group(self, camera: CameraClient) -> None:
        camera.create_group("vip")
        assert self.send(camera, "deleteGroup", "& name=vip") == {"code": 0}

    def test_get_group_list(self, camera: CameraClient) -> None:
        assert self.send(camera, "getGroupList", "")["code"] == 0

    def test_delete_face(self, camera: CameraClient) -> None:
        camera.create_group("vip")
        camera.add_face("vip", picture(Person(1)), faceid="000001")
        answer = self.send(camera, "deleteFace", "& group_name=vip&faceid_list=[“000001”, “0000002”]&num=2")
        assert answer == {
            "code": 0,
            "data": {"success_list": ["000001"], "failed_list": [], "not_exist_list": ["0000002"]},
        }

    def test_get_face_with_a_line_break_before_its_parameter(self, camera: CameraClient) -> None:
        camera.add_face("stranger", picture(Person(1)), faceid="4")
        assert self.send(camera, "getFace", "&\nfaceid=4")["code"] == 0

    def test_get_face_id_list(self, camera: CameraClient) -> None:
        assert self.send(camera, "getFaceIDList", "& group_name=stranger")["code"] == 0

    def test_add_face_with_attributes_that_the_group_lacks(self, camera: CameraClient) -> None:
        camera.create_group("VIP")
        attributes = {"hobby": "hiking", "vip_level": "2", "weight": "60", "phone_num": "1234", "item1": "value1"}
        answer = camera.add_face("VIP", picture(Person(1)), faceid="Vip11024", age="21", gender="1", **attributes)
        assert answer == {"code": 0, "data": {"faceid": "Vip11024"}}
        assert "hobby" not in camera.call("getFace", {"faceid": "Vip11024"})["data"]
