import json
import time
from base64 import b64encode
from contextlib import closing
from pathlib import Path

import httpx
import pytest
from msgspec.structs import replace
from regulars_dialects.deepstack import KeylessClients

import app
from chalicelib import bootstrap
from chalicelib.api.dialects import find_owner
from chalicelib.api.forms import MAX_URLENCODED_BYTES
from chalicelib.api.http import URLENCODED
from chalicelib.api.service_keys import add_service_key
from chalicelib.domain.errors import Busy
from chalicelib.domain.model import Profile
from chalicelib.services import Services
from chalicelib.settings import Settings, parse_networks
from regulars.serve.callers import REMEMBERED, Tenants
from regulars.serve.gateway import Gateway
from regulars.serve.lanes import FULL, UNPROVED, Budget, Holding
from regulars.serve.messages import Request
from regulars.serve.site import BODIES_BYTES
from tests.regulars.serve.calls import rekognition, sunmi
from tests.support.box.box import serving


@pytest.fixture
def services(tmp_path: Path) -> Services:
    return bootstrap.build(Settings(storage=tmp_path))


def test_a_box_says_that_it_takes_the_pictures_that_it_takes(tmp_path: Path) -> None:
    with serving(tmp_path) as box, box.client() as regulars:
        most = regulars.get_usage().limits.body_bytes
        auth = {"Authorization": f"Bearer {box.key}"}
        fits, too_large = (
            httpx.post(f"{box.url}/v1/detect", content=bytes(size), headers=auth, timeout=60)
            for size in (most, most + 1)
        )
        assert (fits.status_code != 413, too_large.status_code) == (True, 413)


def proved(callers: Tenants, request: Request) -> str | None:
    credential = callers.parse_credential(request)
    return credential.tenant or credential.prove(request)


def at_head(callers: Tenants, path: str, authorization: str = "", query: str = "") -> str | None:
    return proved(callers, Request("POST", path, query, {"authorization": authorization}))


@pytest.mark.parametrize("cookie", [{}, {"cookie": "AWSALB=1"}], ids=["", "a balancer's cookie"])
def test_a_cameras_key_by_basic_tells_the_tenant(
    services: Services, cookie: dict[str, str]
) -> None:
    services.tenants.add("shop", Profile.CLOUD)
    camera, key = services.cameras.add(services.tenants.get_by_name("shop"), "door", "Door")
    sent = b64encode(f"{camera.id}:{key}".encode()).decode()
    head = Request("POST", "/v1/captures", "", {"authorization": f"Basic {sent}", **cookie})
    assert proved(Tenants(services), head) == "shop"


def test_credentials_at_the_head_tell_the_tenant(services: Services) -> None:
    credentials = services.tenants.add("shop", Profile.CLOUD)
    callers = Tenants(services)
    for _ in range(2):  # looked up, then remembered
        assert at_head(callers, "/icredit/face/manage", f"APPCODE {credentials.appcode}") == "shop"
        assert (
            at_head(callers, "/icredit/face/manage", query=f"AppCode={credentials.appcode}")
            == "shop"
        )
        assert at_head(callers, "/v1/cameras", f"bearer  {credentials.api_key} ") == "shop"
        assert at_head(callers, "/", f"Bearer {credentials.api_key}") == "shop"
    assert at_head(callers, "/_blobs/shop/door/1") == "shop"


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Bearer",
        "Bearer x",
        "APPCODE x",
        "Basic x",
        "Bearer \xff",
        "x" * 9000,
        "AWS4-HMAC-SHA256 Credential=RKAAAAAAAAAAAAAAAAAA/",
    ],
)
def test_unknown_credentials_are_nobodys(services: Services, authorization: str) -> None:
    assert at_head(Tenants(services), "/v1/cameras", authorization) is None


def test_a_sign_in_is_read_though_nobody_has_credentials_yet(services: Services) -> None:
    head = Request("POST", "/v1/session", headers={"cookie": "regulars=of-a-session-that-is-over"})
    credential = Tenants(services).parse_credential(head)
    assert (credential.by_body, credential.prove(head), credential.claim_key) == (
        True,
        None,
        ("sign-in",),
    )


def test_a_browser_signs_in_at_the_box_itself(tmp_path: Path) -> None:
    with serving(tmp_path) as box:
        answer = httpx.post(f"{box.url}/v1/session", json={"api_key": box.key})
        assert answer.status_code == 201
        signed_in = httpx.get(
            f"{box.url}/v1/session", headers={"Cookie": answer.headers["Set-Cookie"].split(";")[0]}
        )
        assert signed_in.json()["tenant"] == "shop"


def test_a_body_that_is_too_long_is_refused_in_the_words_of_its_dialect(tmp_path: Path) -> None:
    with serving(tmp_path) as box:
        for path, size in (("groups", 5 << 20), ("session", 9_000), ("detect", 28 << 20)):
            answer = httpx.post(
                f"{box.url}/v1/{path}",
                content=bytes(size),
                headers={"Authorization": f"Bearer {box.key}"},
            )
            assert (answer.status_code, answer.json()["code"]) == (413, "BodyTooLarge")
            assert answer.headers["content-type"] == "application/problem+json"
        answer = httpx.post(f"{box.url}/", content=bytes((14 << 20) + 1))
        assert (answer.status_code, answer.json()["__type"]) == (400, "ImageTooLargeException")
        for path, member, code in (
            ("openapi/face/addFace", "code", 2),
            ("icredit/face/query", "ERROR_CODE", "INVALID_PARAMETER"),
        ):
            answer = httpx.post(f"{box.url}/{path}", content=bytes((4 << 20) + 1))
            assert (answer.status_code, answer.json()[member]) == (413, code)


def test_a_form_without_files_is_short(tmp_path: Path) -> None:
    with serving(tmp_path) as box:
        for path in ("/openapi/face/getGroupList", "/v1/vision/face/list"):
            for kind, is_refused in (
                (URLENCODED, True),
                ("multipart/form-data; boundary=x", False),
            ):
                long, headers = bytes(MAX_URLENCODED_BYTES + 1), {"Content-Type": kind}
                answer = httpx.post(f"{box.url}{path}", content=long, headers=headers, timeout=60)
                assert (answer.status_code == 413) == is_refused


def test_who_only_names_a_tenant_has_proved_nothing(services: Services) -> None:
    named, callers = services.tenants.add("shop", Profile.CAMERA), Tenants(services)
    right = sunmi(named).last_request()
    for sign, expected in ((right.body[-32:], "shop"), (right.body[:-33:-1], None), (b"", None)):
        assert proved(callers, replace(right, body=right.body[:-32] + sign)) == expected


def test_a_call_of_rekognition_is_its_tenants_when_its_signature_is_right(
    services: Services,
) -> None:
    keys, callers = services.tenants.add("shop", Profile.CLOUD), Tenants(services)
    for is_signed, expected in ((True, "shop"), (False, None)):
        assert (
            proved(callers, rekognition(keys, b"{}", is_signed=is_signed).last_request())
            == expected
        )


def test_a_form_tells_its_tenant_by_the_key_in_it(services: Services) -> None:
    tenants, groups = services.tenants, services.groups
    tenants.add("home", Profile.CLOUD)
    home = tenants.get_by_name("home")
    groups.create(home, "family", None, "")
    key = add_service_key(
        services, home, "Viseron", "deepstack", groups.get_by_name(home, "family").id
    )
    callers = Tenants(services)
    part = f'--b\r\nContent-Disposition: form-data; name="api_key"\r\n\r\n{key}\r\n'
    typed = part.replace('"\r\n\r\n', '"\r\nContent-Type: text/plain\r\n\r\n')
    for body in (
        f"api_key={key}",
        f"userid=a&api_key={key.upper()}",
        part,
        "x" * 100_000 + part,
        typed,
    ):
        assert (
            proved(callers, Request("POST", "/v1/vision/face/list", body=body.encode())) == "home"
        )
    for body in ("", "api_key=", f"api_key={key[:35]}", "api_key" * 100_000):
        assert proved(callers, Request("POST", "/v1/vision/face/list", body=body.encode())) is None


def test_a_key_that_was_known_a_minute_ago_is_looked_up_at_its_tenants_cost(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    key = services.tenants.add("shop", Profile.CLOUD).api_key
    callers = Tenants(services)
    head = Request("GET", "/v1/session", headers={"authorization": f"Bearer {key}"})

    def lane(seconds: float) -> tuple[str | None, str | None]:
        now[0] = seconds
        credential = callers.parse_credential(head)
        return credential.tenant, credential.former_tenant

    assert lane(1) == (None, None)
    assert callers.parse_credential(head).prove(head) == "shop"
    assert lane(50)[0] == "shop"
    assert lane(62) == (None, "shop")
    services.tenants.rotate_keys("shop")
    assert lane(9_000) == (None, "shop")
    assert callers.parse_credential(head).prove(head) is None
    assert lane(9_001) == (None, None), "it is nobody's now"


def test_of_what_was_proved_the_last_is_remembered(services: Services) -> None:
    keys, callers = services.tenants.add("shop", Profile.CAMERA), Tenants(services)
    request = sunmi(keys).last_request()
    for number in range(REMEMBERED + 1):
        sent = replace(request, client=f"10.0.{number >> 8}.{number & 255}")
        assert callers.parse_credential(sent).prove(sent) == "shop"
    formerly = [
        callers.parse_credential(replace(request, client=client)).former_tenant
        for client in ("10.0.0.0", "10.0.0.1")
    ]
    assert formerly == [None, "shop"]


def test_a_named_machine_has_its_tenants_place_from_the_head_on(tmp_path: Path) -> None:
    keyless = KeylessClients("home", parse_networks("192.0.2.0/28"))
    settings = Settings(storage=tmp_path, of_dialects={"deepstack": keyless})
    with closing(bootstrap.build(settings)) as services:
        for client, headers, tenant in (
            ("192.0.2.1", {"host": "192.0.2.9"}, "home"),
            ("192.0.2.1", {"host": "evil.test"}, None),
            ("192.0.2.17", {"host": "192.0.2.9"}, None),
        ):
            head = Request("POST", "/v1/vision/face/list", headers=headers, client=client)
            assert Tenants(services).parse_credential(head).tenant == tenant


def test_every_route_can_say_that_there_is_no_room() -> None:
    for path in app.app.routes:
        answer = Gateway(app.app).answer_error(Request("POST", path), Busy(FULL))
        body = json.loads(answer.body)
        assert dict(answer.headers)["Retry-After"] == "1"
        owner = find_owner(path)
        match owner and owner.name:
            case "sunmi":
                assert (answer.status, body["code"]) in ((200, 220), (200, 211))
            case "icredit":
                assert (answer.status, body["ERROR_CODE"]) == (200, "BUSY")
            case "compreface":
                assert (answer.status, body["code"]) == (503, 41)
            case "deepstack":
                assert (answer.status, body["success"]) == (429, False)
            case "rekognition":
                assert (answer.status, body["__type"]) == (400, "ThrottlingException")
            case None:
                assert (answer.status, body["code"]) == (429, "Busy")


def test_the_largest_body_of_each_route_fits_into_its_senders_room(services: Services) -> None:
    """Else it would be told to come again for ever."""
    gateway, callers = Gateway(app.app), Tenants(services)
    for path, methods in app.app.routes.items():
        for method in methods:
            head = Request(method, path)
            lane = UNPROVED if callers.parse_credential(head).by_body else "shop"
            with Holding(Budget(BODIES_BYTES), lane, Gateway.copies) as holding:
                holding.grow(gateway.admit(head))
