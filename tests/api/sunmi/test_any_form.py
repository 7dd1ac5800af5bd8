"""Whatever is sent, an endpoint answers a code that it lists, never 1, or refuses by HTTP status."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chalicelib.api.sunmi.routes import ALIASES
from tests.api.gateway import FORM, MULTIPART, Part, multipart, send
from tests.api.sunmi.client import CameraClient, Pairs, Signed, hmac_sign, md5_sign
from tests.api.sunmi.samples import ANN, SAMPLES
from tests.api.sunmi.source import LISTED
from tests.fakes import Person, picture

NAMES = (
    *("name", "group_name", "new_group_name", "capacity", "description", "Description", " name", "old_name"),
    *("num", "faceid", "facdid", "faceid_list", "page_num", "page_size", "age", "gender", "pic", "item1", "Item9"),
    *("name_list", "arrive_times", "period", "Period", "weight", "Weight", "NewGroup_name", "New_group_name"),
    *("app_id", "random", "timestamp", "sign", "Sign", "sign_type", "sn", "", "hobby"),
)
VALUES = (
    *("", "0", "1", "2", "-1", "7", "007", "10", "101", "1e9", "9" * 30, "x", " ", "vip", "stranger", "regular"),
    *("[]", '["7"]', "[“7”]", '["7","8"]', "[[]]", "{}", "\x00", "员" * 97, "😀", "MD5", "HMAC-SHA256", "ſ", "İ"),
    *('["weight"]', '["weight","a"]', '["Age"]', '[""]', "a,b,c,d,e,f", "empty", "svip", "8", "K"),
)
PICTURES = (b"", b"x", picture(), picture(Person(1)), picture(Person(1), Person(2)))

PUBLIC = {"app_id", "random", "timestamp", "sign", "sign_type"}

values = st.sampled_from(VALUES) | st.text(max_size=6)
fields = st.lists(st.tuples(st.sampled_from(NAMES) | st.text(max_size=4), values), max_size=4)
files = st.lists(st.tuples(st.sampled_from(["pic", "pic", "Pic", "x"]), st.sampled_from(PICTURES)), max_size=2)
UNDO: Mapping[str, tuple[str, Mapping[str, str]] | tuple[str, Mapping[str, str], bytes]] = {
    "createGroup": ("deleteGroup", {"name": "gold"}),
    "updateGroup": ("updateGroup", {"old_name": "svip", "name": "vip", "capacity": "100", "description": ""}),
    "deleteGroup": ("createGroup", SAMPLES["createGroup"].fields | {"name": "empty"}),
    "addFaceInfoItem": ("removeFaceInfoItem", SAMPLES["addFaceInfoItem"].fields),
    "removeFaceInfoItem": ("addFaceInfoItem", SAMPLES["removeFaceInfoItem"].fields),
    "addFace": ("deleteFace", {"group_name": "vip", "num": "1", "faceid_list": "8"}),
    "deleteFace": ("addFace", {"group_name": "vip", "faceid": "7"}, ANN),
    "updateFace": ("updateFace", {"group_name": "regular", "faceid": "7", "new_group_name": "vip"}),
}
"""What takes the samples' changes back, so that the next form finds something to change, too."""

every_endpoint = pytest.mark.parametrize("endpoint", SAMPLES)
thorough = settings(
    deadline=None,
    max_examples=100,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],  # one shop, left as it may be
)


def listed(endpoint: str, pairs: Pairs, parts: list[Part]) -> frozenset[int]:
    """The codes of the endpoint that was meant: an addFace without a picture may be an updateFace."""
    sent = {name.strip() for name, value in pairs if value} | {part.name for part in parts}
    names = {name[:1].lower() + name[1:] for name in sent}
    means_update = endpoint == "addFace" and "pic" not in names and names & {"new_group_name", "facdid"}
    meant = "updateFace" if means_update else ALIASES.get(endpoint, endpoint)
    return LISTED[meant] - {1}


@every_endpoint
@thorough
@given(changed=fields, dropped=st.integers(0, 9), uploads=files, hmac=st.booleans())
def test_a_signed_form_gets_a_listed_code(
    shop_front: CameraClient,
    endpoint: str,
    changed: list[tuple[str, str]],
    dropped: int,
    uploads: list[tuple[str, bytes]],
    hmac: bool,
) -> None:
    """The endpoint's sample without one of its fields, with others in place or beside it."""
    sample = SAMPLES[endpoint]
    valid = [field for place, field in enumerate(sample.fields.items()) if place != dropped]
    pairs = [*shop_front.public(), *([("sign_type", "HMAC-SHA256")] if hmac else [])]
    pairs += [pair for pair in {**dict(valid), **dict(changed)}.items() if pair[0].strip().lower() not in PUBLIC]
    signature = hmac_sign(pairs, shop_front.key) if hmac else md5_sign(pairs, shop_front.key)
    parts = [Part(name, data, "a.jpg") for name, data in uploads or ([("pic", sample.pic)] if sample.pic else [])]
    if any('"' in name or "\\" in name or "\r" in name or "\n" in name for name, _ in pairs):
        parts = []  # such names have no one spelling in multipart
    request = Signed(shop_front.app, f"/openapi/face/{endpoint}", [*pairs, ("sign", signature)], tuple(parts))
    answer = request.answer()
    assert answer["code"] in listed(endpoint, pairs, parts) - {5, 7}, answer
    assert answer["code"] == 0 or answer["msg"]
    if endpoint in UNDO and answer["code"] == 0:
        shop_front.call(*UNDO[endpoint])


@every_endpoint
@thorough
@given(sent=fields, uploads=files)
def test_an_unsigned_form_gets_a_listed_code(
    shop_front: CameraClient, endpoint: str, sent: list[tuple[str, str]], uploads: list[tuple[str, bytes]]
) -> None:
    parts = [Part(name.replace('"', "%22").replace("\r", "").replace("\n", ""), value.encode()) for name, value in sent]
    body = multipart([*parts, *(Part(name, data, "a.jpg") for name, data in uploads)])
    reply = send(shop_front.app, f"/openapi/face/{endpoint}", body, content_type=MULTIPART)
    assert reply.status == 200
    assert reply.json["code"] in {2, 3, 5}


@every_endpoint
@thorough
@given(
    body=st.binary(max_size=60),
    content_type=st.sampled_from(
        [FORM, MULTIPART, "multipart/form-data", f"{FORM}; charset=gbk", "text/plain", "", None]
    ),
    method=st.sampled_from(["POST", "POST", "POST", "GET", "HEAD"]),
)
def test_any_bytes_get_a_listed_code_or_are_refused(
    shop_front: CameraClient, endpoint: str, body: bytes, content_type: str | None, method: str
) -> None:
    reply = send(shop_front.app, f"/openapi/face/{endpoint}", body, method=method, content_type=content_type)
    assert reply.status in {200, 405, 415}
    if reply.status == 200:
        assert reply.json["code"] == 2
