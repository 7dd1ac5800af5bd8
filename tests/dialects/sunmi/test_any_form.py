"""Whatever is sent, an endpoint answers a code that it lists, never 1, or refuses by HTTP status."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chalicelib.api.sunmi.routes import ALIASES
from chalicelib.bootstrap import build
from chalicelib.core.model import Profile
from chalicelib.settings import Settings
from tests.dialects.conftest import make_stage
from tests.dialects.gateway import FORM, MULTIPART, Part, multipart, send
from tests.dialects.sunmi.client import CameraClient, Signed, hmac_sign, md5_sign
from tests.dialects.sunmi.test_errors import SOURCE
from tests.fakes import FakeClock, FakeVision, Person, picture

NAMES = (
    *("name", "group_name", "new_group_name", "capacity", "description", "Description", " name", "old_name"),
    *("num", "faceid", "facdid", "faceid_list", "page_num", "page_size", "age", "gender", "pic", "item1", "Item9"),
    *("app_id", "random", "timestamp", "sign", "Sign", "sign_type", "sn", "", "hobby"),
)
VALUES = (
    *("", "0", "1", "2", "-1", "7", "007", "10", "101", "1e9", "9" * 30, "x", " ", "vip", "stranger", "regular"),
    *("[]", '["7"]', "[“7”]", '["7","8"]', "[[]]", "{}", "\x00", "员" * 97, "😀", "MD5", "HMAC-SHA256", "ſ", "İ"),
)
PICTURES = (b"", b"x", picture(), picture(Person(1)), picture(Person(1), Person(2)))

VALID: dict[str, dict[str, str]] = {
    "createGroup": {"name": "vip", "capacity": "10", "description": ""},
    "deleteGroup": {"name": "vip"},
    "getGroupList": {},
    "addFace": {"group_name": "stranger"},
    "deleteFace": {"group_name": "stranger", "num": "1", "faceid_list": '["7"]'},
    "getFace": {"faceid": "7"},
    "getFaceList": {"group_name": "vip"},
    "getFaceByPicture": {},
}
PUBLIC = {"app_id", "random", "timestamp", "sign", "sign_type"}

values = st.sampled_from(VALUES) | st.text(max_size=6)
fields = st.lists(st.tuples(st.sampled_from(NAMES) | st.text(max_size=4), values), max_size=4)
files = st.lists(st.tuples(st.sampled_from(["pic", "pic", "Pic", "x"]), st.sampled_from(PICTURES)), max_size=2)
endpoints = st.sampled_from([*SOURCE, *ALIASES])
thorough = settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.too_slow])


@pytest.fixture(scope="module")
def camera(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CameraClient]:
    folder: Path = tmp_path_factory.mktemp("any-form")
    clock, vision = FakeClock(), FakeVision()
    services = build(Settings(storage=folder / "data"), clock=clock, vision=lambda: vision)
    credentials = services.tenants.add("shop", Profile.CAMERA)
    yield CameraClient(make_stage(services).app, credentials.app_id, credentials.app_key, clock)
    services.close()


def listed(endpoint: str) -> set[int]:
    return SOURCE[ALIASES.get(endpoint, endpoint)] - {1}


@thorough
@given(
    endpoint=endpoints,
    changed=fields,
    kept=st.sampled_from([True, True, True, False]),
    uploads=files,
    hmac=st.booleans(),
)
def test_a_signed_form_gets_a_listed_code(
    camera: CameraClient,
    endpoint: str,
    changed: list[tuple[str, str]],
    kept: bool,
    uploads: list[tuple[str, bytes]],
    hmac: bool,
) -> None:
    valid = VALID[ALIASES.get(endpoint, endpoint)] if kept else {}
    pairs = [*camera.public(), *([("sign_type", "HMAC-SHA256")] if hmac else [])]
    pairs += [(name, value) for name, value in {**valid, **dict(changed)}.items() if name.strip().lower() not in PUBLIC]
    signature = hmac_sign(pairs, camera.key) if hmac else md5_sign(pairs, camera.key)
    parts = [Part(name, data, "a.jpg") for name, data in uploads]
    if any('"' in name or "\\" in name or "\r" in name or "\n" in name for name, _ in pairs):
        parts = []  # such names have no one spelling in multipart
    request = Signed(camera.app, f"/openapi/face/{endpoint}", [*pairs, ("sign", signature)], tuple(parts))
    answer = request.answer()
    assert answer["code"] in listed(endpoint) - {5}, answer
    assert answer["code"] == 0 or answer["msg"]


@thorough
@given(endpoint=endpoints, sent=fields, uploads=files)
def test_an_unsigned_form_gets_a_listed_code(
    camera: CameraClient, endpoint: str, sent: list[tuple[str, str]], uploads: list[tuple[str, bytes]]
) -> None:
    parts = [Part(name.replace('"', "%22").replace("\r", "").replace("\n", ""), value.encode()) for name, value in sent]
    body = multipart([*parts, *(Part(name, data, "a.jpg") for name, data in uploads)])
    reply = send(camera.app, f"/openapi/face/{endpoint}", body, content_type=MULTIPART)
    assert reply.status == 200
    assert reply.json["code"] in {2, 3, 5}


@thorough
@given(
    endpoint=endpoints,
    body=st.binary(max_size=60),
    content_type=st.sampled_from(
        [FORM, MULTIPART, "multipart/form-data", f"{FORM}; charset=gbk", "text/plain", "", None]
    ),
    method=st.sampled_from(["POST", "POST", "POST", "GET", "HEAD"]),
)
def test_any_bytes_get_a_listed_code_or_are_refused(
    camera: CameraClient, endpoint: str, body: bytes, content_type: str | None, method: str
) -> None:
    reply = send(camera.app, f"/openapi/face/{endpoint}", body, method=method, content_type=content_type)
    assert reply.status in {200, 405, 415}
    if reply.status == 200:
        assert reply.json["code"] == 2
