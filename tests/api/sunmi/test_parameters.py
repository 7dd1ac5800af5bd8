"""Every parameter of every endpoint: missing, empty, too long, of another type, negative, huge, not UTF-8, repeated."""

from __future__ import annotations

from urllib.parse import quote_plus

import pytest

from chalicelib.api.sunmi.routes import ENDPOINTS
from tests.api.gateway import FORM, send
from tests.api.sunmi.client import CameraClient
from tests.api.sunmi.samples import SAMPLES

MISSING = None
SENT: dict[str, str | None] = {
    "missing": MISSING,
    "empty": "",
    "too long": "x" * 5000,
    "another type": '{"a": 1}',
    "negative": "-1",
    "huge": "9" * 40,
}

ANY_TEXT = (0, 0, 0, 0, 0, 0)
MALFORMED = (2, 2, 2, 2, 2, 2)
A_GROUP = (2, 2, 204, 204, 204, 204)
MAYBE_A_NUMBER = (0, 0, 2, 2, 2, 2)
A_VALUE = (0, 0, 2, 0, 0, 0)
A_FILE_SENT_AS_TEXT = (2, 2, 2, 2, 2, 2)

CODES: dict[tuple[str, str], tuple[int, ...]] = {
    ("createGroup", "name"): (2, 201, 201, 0, 0, 0),
    ("createGroup", "capacity"): (2, 2, 2, 2, 212, 212),
    ("createGroup", "description"): (2, 0, 2, 0, 0, 0),
    ("updateGroup", "old_name"): A_GROUP,
    ("updateGroup", "name"): (2, 201, 201, 0, 0, 0),
    ("updateGroup", "capacity"): (2, 2, 2, 2, 212, 212),
    ("updateGroup", "description"): (2, 0, 2, 0, 0, 0),
    ("updateMigration", "arrive_times"): MALFORMED,
    ("updateMigration", "period"): MALFORMED,
    ("deleteGroup", "name"): A_GROUP,
    ("addFaceInfoItem", "num"): (2, 2, 2, 2, 241, 241),
    ("addFaceInfoItem", "group_name"): A_GROUP,
    ("addFaceInfoItem", "name_list"): (2, 2, 242, 2, 0, 0),
    ("removeFaceInfoItem", "num"): (2, 2, 2, 2, 241, 241),
    ("removeFaceInfoItem", "group_name"): A_GROUP,
    ("removeFaceInfoItem", "name_list"): (2, 2, 242, 2, 243, 243),
    ("getFaceInfoItem", "group_name"): A_GROUP,
    ("addFace", "group_name"): A_GROUP,
    ("addFace", "faceid"): (0, 0, 2, 2, 0, 0),
    ("addFace", "pic"): A_FILE_SENT_AS_TEXT,
    ("addFace", "age"): MAYBE_A_NUMBER,
    ("addFace", "gender"): MAYBE_A_NUMBER,
    ("addFace", "new_group_name"): ANY_TEXT,
    ("addFace", "item1"): A_VALUE,
    **{("addFace", f"item{place}"): ANY_TEXT for place in range(2, 6)},
    ("deleteFace", "num"): MALFORMED,
    ("deleteFace", "group_name"): A_GROUP,
    ("deleteFace", "faceid_list"): (2, 2, 2, 2, 0, 0),
    ("updateFace", "group_name"): A_GROUP,
    ("updateFace", "faceid"): (2, 2, 207, 207, 207, 207),
    ("updateFace", "new_group_name"): (0, 0, 204, 204, 204, 204),
    ("updateFace", "pic"): (0, 0, 2, 2, 2, 2),
    ("updateFace", "age"): MAYBE_A_NUMBER,
    ("updateFace", "gender"): MAYBE_A_NUMBER,
    ("updateFace", "item1"): A_VALUE,
    **{("updateFace", f"item{place}"): ANY_TEXT for place in range(2, 6)},
    ("getFace", "faceid"): MALFORMED,
    ("getFaceList", "group_name"): MALFORMED,
    ("getFaceList", "page_num"): (0, 0, 2, 2, 2, 0),
    ("getFaceList", "page_size"): MAYBE_A_NUMBER,
    ("getFaceByArrival", "group_name"): (2, 2, 207, 207, 207, 207),
    ("getFaceByArrival", "num"): MAYBE_A_NUMBER,
    ("getFaceByPicture", "pic"): A_FILE_SENT_AS_TEXT,
}
"""The code for each of SENT, in its order."""

STAYS_IN_VIP = {"updateFace": {"new_group_name": None}}
"""Item values are judged by the attributes of the group that the face goes to."""


@pytest.mark.parametrize(("endpoint", "parameter"), CODES, ids=".".join)
@pytest.mark.parametrize("sent", SENT)
def test_a_parameter_that_is_missing_or_wrong_gets_its_code(
    shop_front: CameraClient, endpoint: str, parameter: str, sent: str
) -> None:
    sample = SAMPLES[endpoint]
    changes = {**(STAYS_IN_VIP.get(endpoint, {}) if parameter == "item1" else {}), parameter: SENT[sent]}
    request = sample.signed(shop_front, endpoint, changes)
    if parameter == "pic":
        request = shop_front.signed(endpoint, request.pairs[3:-1], as_multipart=True)
    answer = request.answer()
    assert answer["code"] == CODES[endpoint, parameter][list(SENT).index(sent)], answer
    if answer["code"]:
        assert answer["msg"]


def test_the_table_names_every_parameter_of_every_endpoint() -> None:
    assert set(CODES) == {(endpoint.name, name) for endpoint in ENDPOINTS for name in endpoint.parameters}


@pytest.mark.parametrize(("endpoint", "parameter"), CODES, ids=".".join)
def test_a_repeated_parameter_is_2_however_it_is_spelt(shop_front: CameraClient, endpoint: str, parameter: str) -> None:
    value = SAMPLES[endpoint].fields.get(parameter, "1")
    fields = [(name, text) for name, text in SAMPLES[endpoint].fields.items() if name != parameter]
    for again in (parameter, f" {parameter}", parameter[:1].upper() + parameter[1:]):
        request = shop_front.signed(endpoint, [*fields, (parameter, value), (again, value)])
        assert request.answer()["code"] == 2


@pytest.mark.parametrize(("endpoint", "parameter"), CODES, ids=".".join)
def test_a_value_that_is_not_utf_8_is_2(shop_front: CameraClient, endpoint: str, parameter: str) -> None:
    request = SAMPLES[endpoint].signed(shop_front, endpoint, {parameter: None})
    body = "&".join(f"{quote_plus(name)}={quote_plus(value)}" for name, value in request.pairs)
    for wrong in ("%ff", "%ed%a0%80", "%e4%bc"):
        reply = send(shop_front.app, request.path, f"{body}&{parameter}={wrong}".encode(), content_type=FORM)
        assert (reply.status, reply.json["code"]) == (200, 2)
