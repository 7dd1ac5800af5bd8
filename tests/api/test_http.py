import base64
import gzip
import re
from collections.abc import Mapping

import pytest
from chalice.app import Chalice, Request
from chalice.test import Client
from msgspec.structs import replace

from chalicelib.api.dialects import find_owner
from chalicelib.api.http import (
    FUNCTION_URL,
    ONE_BOX,
    HttpRequest,
    Refused,
    make_search_headers,
    write_server_timing,
)
from chalicelib.domain.model import Decision
from tests.support.api.gateway import BOUNDARY, FORM, MULTIPART, send
from tests.support.api.icredit.client import PATHS, MarketClient
from tests.support.api.sunmi.client import CameraClient

LIMIT = 4 * 1024 * 1024
GROUPS = "/openapi/face/getGroupList"

ENDPOINTS = [
    *(
        f"/openapi/face/{name}"
        for name in (
            *("createGroup", "updateGroup", "updateMigration", "deleteGroup", "getGroupList"),
            *("addFaceInfoItem", "removeFaceInfoItem", "getFaceInfoItem"),
            *("addFace", "deleteFace", "updateFace", "getFace"),
            *("getFaceList", "getFaceIDList", "getFaceByArrival", "getFaceByPicture"),
        )
    ),
    *PATHS,
]


def request_of(
    body: bytes | str, headers: Mapping[str, str], *, is_base64: bool = False
) -> HttpRequest:
    return HttpRequest("POST", "/x", headers, {}, body, is_base64)


@pytest.mark.shows("icredit", "Another method is HTTP 405.")
@pytest.mark.shows("sunmi", "Each call is POST")
@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"])
def test_every_endpoint_declares_every_method_and_answers_405_to_all_but_post(
    app: Chalice, method: str
) -> None:
    owners = {path: find_owner(path) for path in app.routes}
    assert set(ENDPOINTS) == {
        path for path, one in owners.items() if one and one.name in ("sunmi", "icredit")
    }
    for path in ENDPOINTS:
        reply = send(app, path, method=method, content_type=None)
        assert reply.status == 405
        assert reply.headers["allow"] == "POST"


@pytest.mark.parametrize(
    ("called", "route", "prefix"),
    [
        ("/v1/faces", "/v1/faces", ""),
        ("/api/v1/faces/7", "/v1/faces/{id}", "/api"),
        ("/shop/people/v1/faces/7/pictures/", "/v1/faces/{id}/pictures", "/shop/people"),
        ("/api/", "/", "/api"),
        ("/", "/", ""),
        ("", "", ""),
    ],
)
def test_a_request_knows_what_stands_before_our_paths(called: str, route: str, prefix: str) -> None:
    event = {
        "multiValueQueryStringParameters": None,
        "headers": {},
        "pathParameters": None,
        "requestContext": {"path": called, "resourcePath": route, "httpMethod": "GET"},
        "body": None,
        "isBase64Encoded": False,
        "stageVariables": None,
    }
    assert HttpRequest.from_chalice(Request(event)).prefix == prefix


def test_a_head_request_gets_no_body(app: Chalice) -> None:
    assert send(app, GROUPS, method="HEAD").body == ""


@pytest.mark.shows("sunmi", "Method, content type, size")
def test_the_method_is_judged_before_the_content_type(app: Chalice) -> None:
    assert send(app, GROUPS, method="PUT", content_type="text/plain").status == 405


@pytest.mark.shows("icredit", "Another content type is HTTP 415")
@pytest.mark.shows("sunmi", "or a charset that is not known")
@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "",
        "text/plain",
        "application/json",
        "application/octet-stream",
        "multipart/mixed; boundary=x",
        "image/jpeg",
        "application/x-www-form-urlencoded, text/plain",
        "application/x-www-form-urlencoded; charset=klingon",
        "application/x-www-form-urlencoded; charset=hex",
        "application/x-www-form-urlencoded; charset=“utf-8”",
        "application/x-www-form-urlencoded; charset=utf-8" + '; x="' * 400,
    ],
)
def test_other_content_types_and_charsets_are_415(app: Chalice, content_type: str | None) -> None:
    reply = send(app, GROUPS, b"a=1", content_type=content_type)
    assert reply.status == 415
    assert "application/x-www-form-urlencoded" in reply.json["message"]


@pytest.mark.parametrize(
    "content_type",
    [
        "application/x-www-form-urlencoded",
        "Application/X-WWW-Form-URLEncoded",
        "application/x-www-form-urlencoded;charset=UTF-8",
        'application/x-www-form-urlencoded ; charset="utf-8"',
        MULTIPART,
        f'Multipart/Form-Data; charset=utf-8; boundary="{BOUNDARY}"',
    ],
)
def test_every_endpoint_takes_both_kinds_of_form(app: Chalice, content_type: str) -> None:
    for path in [path for path in ENDPOINTS if path not in PATHS]:
        assert send(app, path, b"", content_type=content_type).json["code"] == 2


def test_header_names_are_found_in_any_case(app: Chalice) -> None:
    assert send(app, GROUPS, content_type=None, headers={"CONTENT-TYPE": FORM}).status == 200


@pytest.mark.shows("icredit", "a body over 4 MiB HTTP 413")
def test_a_body_over_4_mib_is_413(app: Chalice, market: MarketClient) -> None:
    headers = {"Authorization": f"APPCODE {market.appcode}"}
    for path in ENDPOINTS:
        content_type = FORM if path in PATHS else MULTIPART
        for size, status in ((LIMIT, 200), (LIMIT + 1, 413)):
            body = b"a=" + b"x" * (size - 2)
            assert (
                send(app, path, body, content_type=content_type, headers=headers).status == status
            )


@pytest.mark.parametrize("coding", ["gzip", "GZIP ", "br"])
@pytest.mark.parametrize("stage", [ONE_BOX, FUNCTION_URL])
def test_a_compressed_body_is_415_and_told_how_to_come(stage: str, coding: str) -> None:
    sent = replace(request_of(gzip.compress(b"a=1"), {"content-encoding": coding}), stage=stage)
    with pytest.raises(Refused, match="not compressed by") as refused:
        sent.read_body()
    assert (refused.value.status, refused.value.headers) == (415, {"Accept-Encoding": "identity"})


@pytest.mark.parametrize(
    ("coding", "stage"), [("gzip", "api"), ("identity", ONE_BOX), ("amz-1.0", FUNCTION_URL)]
)
def test_other_codings_are_read_as_is_what_the_gateway_unpacked(coding: str, stage: str) -> None:
    assert (
        replace(request_of(b"a=1", {"content-encoding": coding}), stage=stage).read_body() == b"a=1"
    )


def test_no_cache_keeps_an_answer(app: Chalice) -> None:
    for path in (*ENDPOINTS, "/v1/cameras"):
        for method in ("POST", "DELETE"):
            assert send(app, path, method=method).headers["cache-control"] == "no-store"


@pytest.mark.parametrize("size", [0, 1, 2, 3, LIMIT - 2, LIMIT - 1, LIMIT])
def test_base64_bodies_are_measured_as_the_bytes_they_stand_for(size: int) -> None:
    encoded = base64.b64encode(b"x" * size).decode()
    assert len(request_of(encoded, {}, is_base64=True).read_body()) == size


@pytest.mark.parametrize("size", [LIMIT + 1, LIMIT + 2, LIMIT + 3])
def test_a_base64_body_that_is_too_large_is_refused_before_it_is_decoded(size: int) -> None:
    request = request_of("!" * (-(-size // 3) * 4), {}, is_base64=True)
    with pytest.raises(Refused) as refused:
        request.read_body()
    assert refused.value.status == 413


@pytest.mark.parametrize("body", ["name=会员", "name=会员".encode()])
def test_a_body_may_come_as_text_or_bytes(body: str | bytes) -> None:
    assert request_of(body, {}).read_body() == "name=会员".encode()


def test_answers_are_json_in_utf_8_that_people_can_read(camera: CameraClient) -> None:
    camera.create_group("会员")
    reply = camera.signed("getGroupList").sent()
    assert reply.headers["content-type"] == "application/json; charset=utf-8"
    assert "会员" in reply.body


@pytest.mark.shows("sunmi", "Every answer has the header Server-Timing")
def test_every_answer_tells_how_long_its_stages_took(
    app: Chalice, camera: CameraClient, market: MarketClient
) -> None:
    replies = [
        camera.signed("getGroupList").sent(),
        market.post(b"", FORM),
        send(app, GROUPS, method="GET"),
        send(app, GROUPS, content_type="text/plain"),
    ]
    for reply in replies:
        assert re.fullmatch(
            r"(\w+;dur=\d+\.\d, )*total;dur=\d+\.\d", reply.headers["server-timing"]
        )


def test_stages_are_named_in_the_order_of_their_first_use() -> None:
    assert (
        write_server_timing({"decode": 7.94, "detect": 5.06}, 20)
        == "decode;dur=7.9, detect;dur=5.1, total;dur=20.0"
    )


def test_search_headers_leave_out_the_score_where_nothing_was_compared() -> None:
    assert make_search_headers([Decision(0.51239, 0.3, 12), Decision(0.4, 0.35, 12)]) == {
        "X-Regulars-Score": "0.5124,0.4000",
        "X-Regulars-Threshold": "0.3000,0.3500",
        "X-Regulars-Gallery-Size": "12",
    }
    assert "X-Regulars-Score" not in make_search_headers([Decision(None, 0.3, 0)])


def test_chalices_own_test_client_drives_the_endpoints_too(
    app: Chalice, camera: CameraClient
) -> None:
    with Client(app) as client:
        body = "&".join(
            f"{name}={value}" for name, value in camera.signed("getGroupList").pairs
        ).encode()
        response = client.http.post(GROUPS, headers={"Content-Type": FORM}, body=body)
        assert (response.status_code, response.json_body["code"]) == (200, 0)
