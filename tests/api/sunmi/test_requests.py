"""Rules of requests, common to all endpoints: public parameters, signature, forms, and each
parameter that is wrong."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from urllib.parse import quote_plus

import pytest
from chalice.app import Chalice
from msgspec.structs import replace

from chalicelib.api.sunmi.routes import ALIASES, ENDPOINTS
from chalicelib.services import Services
from tests.api.sunmi.codes import CODES
from tests.api.sunmi.requests import code, request
from tests.support.api.gateway import FORM, MULTIPART, Reply, send
from tests.support.api.stage import Stage
from tests.support.api.sunmi.client import CameraClient, Pairs, Signed, hmac_sign, md5_sign
from tests.support.api.sunmi.samples import MUTATIONS, SAMPLES
from tests.support.book.tenants import KEEPING
from tests.support.fakes import FakeClock

PATH = "/openapi/face/getGroupList"

every_endpoint = pytest.mark.parametrize("endpoint", SAMPLES)
of_each_kind = pytest.mark.parametrize("endpoint", ["getGroupList", "addFaceInfoItem", "addFace"])
"""A read, a change, and a change with a file. What is common to all endpoints is one class
(sunmi/endpoint.py)."""


def now(camera: CameraClient, offset_s: float = 0) -> str:
    return str(int(camera.clock.now().timestamp() + offset_s))


@pytest.mark.shows("sunmi", "getFaceIDList is another name of this endpoint.")
def test_the_samples_are_every_endpoint() -> None:
    assert set(SAMPLES) == {endpoint.name for endpoint in ENDPOINTS} | set(ALIASES)
    assert set(MUTATIONS) == {endpoint.name for endpoint in ENDPOINTS if endpoint.changes}


@pytest.mark.shows(
    "sunmi", "Every answer is HTTP 200 and JSON in UTF-8, ... data is left out if there is none."
)
@pytest.mark.shows("sunmi", "0 done.")
@every_endpoint
def test_a_signed_post_is_answered_with_code_0_and_no_msg(
    shop_front: CameraClient, endpoint: str
) -> None:
    reply = request(shop_front, endpoint).sent()
    assert (reply.status, reply.json["code"]) == (200, 0)
    assert set(reply.json) <= {"code", "data"}
    assert reply.json.get("data", "left out") != {}
    assert reply.headers["content-type"] == "application/json; charset=utf-8"


@pytest.mark.shows(
    "sunmi",
    "Another method is HTTP 405; another content type, or a charset that is not known, HTTP 415; "
    "... 413.",
)
@of_each_kind
def test_other_methods_are_405_other_content_types_415_and_long_bodies_413(
    desk: CameraClient, endpoint: str
) -> None:
    def status(body: bytes = b"", **how: str) -> int:
        reply: Reply = send(desk.app, f"/openapi/face/{endpoint}", body, **how)  # type: ignore[arg-type]
        return reply.status

    assert {
        status(method=method) for method in ("GET", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")
    } == {405}
    assert {
        status(content_type=other)
        for other in ("application/json", "text/plain", "multipart/mixed")
    } == {415}
    assert status(b"x" * (512 * 1024 + 1)) == 413
    assert status(b"x" * (4 * 1024 * 1024 + 1), content_type=MULTIPART) == 413
    assert status(b"x" * (512 * 1024 + 1), content_type=MULTIPART) == 200


@pytest.mark.shows("sunmi", "Text is UTF-8, or in the charset that the content type declares:")
@of_each_kind
def test_a_charset_parameter_is_honoured(desk: CameraClient, endpoint: str) -> None:
    pairs = [*desk.public(), ("note", "会员")]
    pairs.append(("sign", md5_sign(pairs, desk.key)))
    body = "&".join("=".join(pair) for pair in pairs).encode("gbk")
    content_type = "application/x-www-form-urlencoded; charset=GBK"
    answer = send(desk.app, f"/openapi/face/{endpoint}", body, content_type=content_type).json
    assert answer["code"] == (0 if endpoint == "getGroupList" else 2)
    assert "text" not in answer.get("msg", "")


@pytest.mark.shows("sunmi", "These parameters go with every call:")
@of_each_kind
def test_a_public_parameter_that_is_missing_empty_or_repeated_is_2(
    desk: CameraClient, endpoint: str
) -> None:
    signed = request(desk, endpoint)
    for name in ("app_id", "random", "timestamp", "sign"):
        value = dict(signed.pairs)[name]
        others = [pair for pair in signed.pairs if pair[0] != name]
        repeated = [
            [*signed.pairs, (again, value)] for again in (name, f" {name}", name.capitalize())
        ]
        for pairs in (others, [*others, (name, "")], *repeated):
            assert code(replace(signed, pairs=pairs)) == 2


def test_an_unknown_parameter_sent_twice_and_no_body_at_all_are_2(desk: CameraClient) -> None:
    assert code(desk.signed("getGroupList", [("colour", "red"), ("colour", "red")])) == 2
    assert send(desk.app, PATH).json["code"] == 2


def test_parameters_in_the_url_alone_are_2_and_told_to_be_sent_in_the_body(
    desk: CameraClient,
) -> None:
    reply = send(desk.app, PATH, content_type="")
    assert (reply.status, reply.json["code"]) == (200, 2)
    assert reply.json["msg"].endswith("are required in the body")


FAULTS: Mapping[str, tuple[str, tuple[str, ...], int]] = {
    "a timestamp with other than digits is 2": (
        "timestamp",
        ("now", "159302928x", "-1593029283", "1593029283.5", "１５９３０２９２８３", " 1593029283"),
        2,
    ),
    "a timestamp of digits far from now is 3, of 11 digits as the source prints it, too": (
        "timestamp",
        (
            "0",
            "15930292837",
            "159302928",
            "1593029283",
            "1593029283000",
            "15930292830000",
            "9" * 40,
            "9" * 5000,
        ),
        3,
    ),
    "a random of other than 6 to 10 letters or digits is 3": (
        "random",
        ("12345", "12345678901", "12345-", "随机随机随机", "123 456", "１２３４５６"),
        3,
    ),
    "an unknown app_id is 5": ("app_id", ("NOBODY", "x" * 5000, "店"), 5),
    "a wrong sign is 5": ("sign", ("0" * 32, "0", "签名" * 16, "0" * 10_000), 5),
    "another sign_type is 2": ("sign_type", ("SHA1",), 2),
}


@pytest.mark.shows("sunmi", "random has 6 to 10 letters or digits.")
@pytest.mark.shows(
    "sunmi", "3 the timestamp is beyond ... 5 the app_id is unknown or the sign is wrong."
)
@of_each_kind
@pytest.mark.parametrize("fault", FAULTS)
def test_a_wrong_public_parameter_gets_its_code(
    desk: CameraClient, endpoint: str, fault: str
) -> None:
    name, values, expected = FAULTS[fault]
    for value in values if endpoint == "getGroupList" else values[:1]:
        assert code(request(desk, endpoint, **{name: value})) == expected, value


@pytest.mark.shows(
    "sunmi",
    "A required public parameter that is missing or empty ... A malformed random, a ... An unknown "
    "app_id",
)
def test_faults_are_told_in_the_contracts_order(desk: CameraClient) -> None:
    fresh = dict(desk.public())["timestamp"]
    bad = {"random": "1", "timestamp": "0", "app_id": "NOBODY", "sign": "0"}
    assert code(request(desk, "getGroupList", **{**bad, "timestamp": "x"})) == 2
    assert code(request(desk, "getGroupList", **{**bad, "sign_type": "SHA1"})) == 2
    assert code(request(desk, "getGroupList", **bad)) == 3
    assert (
        code(request(desk, "getGroupList", **{**bad, "random": "123456", "timestamp": fresh})) == 5
    )


@of_each_kind
def test_public_faults_come_before_the_endpoints_own(desk: CameraClient, endpoint: str) -> None:
    bad: Pairs = [*desk.public(), *((name, "\x00") for name in SAMPLES[endpoint].fields)]
    assert code(Signed(desk.app, f"/openapi/face/{endpoint}", [*bad, ("sign", "0" * 32)])) == 5


@pytest.mark.shows("sunmi", "A tenant that is not activated: code 7.")
@pytest.mark.shows("sunmi", "7 the tenant is not activated.")
@of_each_kind
def test_a_tenant_that_is_not_activated_is_7_once_it_has_signed(
    camera: CameraClient, services: Services, endpoint: str
) -> None:
    services.tenants.disable("shop")
    assert code(request(camera, endpoint)) == 7
    assert code(request(camera, endpoint, sign="0" * 32)) == 5
    services.tenants.enable("shop")
    assert code(request(camera, endpoint)) != 7


@pytest.mark.shows("sunmi", "The clocks of both sides may differ by 300 s each way")
@pytest.mark.parametrize(("offset_s", "expected"), [(-301, 3), (-300, 0), (300, 0), (301, 3)])
def test_the_clock_may_differ_by_300_seconds_each_way(
    desk: CameraClient, offset_s: int, expected: int
) -> None:
    for fraction in ("", "000"):
        assert (
            code(request(desk, "getGroupList", timestamp=now(desk, offset_s) + fraction))
            == expected
        )


@pytest.mark.shows("sunmi", "the operator can set another tolerance")
def test_the_operator_can_set_another_tolerance(camera: CameraClient, stage: Stage) -> None:
    stage.services.settings = replace(stage.services.settings, clock_tolerance_s=10)
    asked = [
        request(camera, "getGroupList", timestamp=now(camera, offset_s))
        for offset_s in (-11, -10, 10, 11)
    ]
    assert [code(one) for one in asked] == [3, 0, 0, 3]


@pytest.mark.shows("sunmi", "It may repeat by itself")
def test_random_has_six_to_ten_letters_or_digits_and_may_repeat(desk: CameraClient) -> None:
    for random in ("123456", "abcDEF7890", "000000", "123456"):
        desk.clock.advance(timedelta(seconds=1))
        assert code(request(desk, "getGroupList", random=random)) == 0


def test_another_tenants_key_is_5(
    app: Chalice, camera: CameraClient, services: Services, clock: FakeClock
) -> None:
    other = services.tenants.add("other", services.tenants.list_all()[0].profile, KEEPING)
    assert code(request(CameraClient(app, other.app_id, camera.key, clock), "getGroupList")) == 5


class TestForms:
    @pytest.mark.shows("sunmi", "Every endpoint takes")
    @of_each_kind
    def test_either_content_type_is_accepted(self, shop_front: CameraClient, endpoint: str) -> None:
        assert code(replace(request(shop_front, endpoint), as_multipart=True)) == 0

    @pytest.mark.shows("sunmi", "A timestamp of 13 digits is read as milliseconds")
    @of_each_kind
    def test_millisecond_timestamps_lower_case_signs_and_serials_are_taken(
        self, shop_front: CameraClient, endpoint: str
    ) -> None:
        signed = request(
            shop_front, endpoint, timestamp=now(shop_front) + "000", sn="FS101D8BS00106"
        )
        other_serial = [
            (name, "another" if name == "sn" else value) for name, value in signed.pairs
        ]
        assert code(replace(signed, pairs=other_serial)) == 5, (
            "it is signed like every other parameter"
        )
        lower = [(name, value.lower() if name == "sign" else value) for name, value in signed.pairs]
        assert code(replace(signed, pairs=lower)) == 0

    @pytest.mark.shows("sunmi", "An unknown parameter is ignored, and signed like every other.")
    @of_each_kind
    def test_an_unknown_parameter_is_ignored_but_signed(
        self, shop_front: CameraClient, endpoint: str
    ) -> None:
        signed = request(shop_front, endpoint)
        assert code(replace(signed, pairs=[*signed.pairs, ("colour", "red")])) == 5
        assert code(request(shop_front, endpoint, colour="red")) == 0

    @of_each_kind
    def test_an_empty_value_may_be_left_out_of_the_sign(
        self, shop_front: CameraClient, endpoint: str
    ) -> None:
        signed = request(shop_front, endpoint)
        assert code(replace(signed, pairs=[*signed.pairs, ("note", "")])) == 0

    @pytest.mark.shows(
        "sunmi", "Signatures are made and checked on what was sent, before any of it."
    )
    @every_endpoint
    def test_names_are_trimmed_and_their_first_letter_is_of_either_case(
        self, shop_front: CameraClient, endpoint: str
    ) -> None:
        signed = request(shop_front, endpoint)
        own: Pairs = [
            (f" {name[:1].upper()}{name[1:]} ", value) for name, value in signed.pairs[3:-1]
        ]
        files = tuple(replace(file, name="Pic") for file in signed.files)
        assert code(shop_front.signed(endpoint, own, files)) == 0


class TestHmac:
    def signed(
        self, camera: CameraClient, sign_type: str = "HMAC-SHA256", key: str | None = None
    ) -> Signed:
        pairs = [*camera.public(), ("sign_type", sign_type)]
        return Signed(camera.app, PATH, [*pairs, ("sign", hmac_sign(pairs, key or camera.key))])

    @pytest.mark.shows("sunmi", "For HMAC-SHA256, append nothing.")
    def test_hmac_sha256_is_accepted_in_either_case_of_hex(self, desk: CameraClient) -> None:
        request = self.signed(desk)
        assert code(request) == 0
        upper = [
            (name, value.upper() if name == "sign" else value) for name, value in request.pairs
        ]
        assert code(Signed(desk.app, PATH, upper)) == 0
        assert code(self.signed(desk, key="guess")) == 5

    @pytest.mark.shows("sunmi", "sign_type=HMAC-SHA256 is sent and signed")
    def test_sign_type_is_signed(self, desk: CameraClient) -> None:
        pairs = desk.public()
        sent = [*pairs, ("sign_type", "HMAC-SHA256"), ("sign", hmac_sign(pairs, desk.key))]
        assert code(Signed(desk.app, PATH, sent)) == 5

    def test_md5_may_be_named_or_left_empty(self, desk: CameraClient) -> None:
        for named in ("MD5", ""):
            assert code(request(desk, "getGroupList", sign_type=named)) == 0

    @pytest.mark.shows(
        "sunmi", "The HMAC-SHA256 of the text under the app key, in hex, is the sign"
    )
    @pytest.mark.shows("sunmi", "A tenant can be set to refuse MD5")
    def test_a_tenant_can_be_set_to_refuse_md5(
        self, camera: CameraClient, services: Services
    ) -> None:
        services.tenants.change_settings("shop", {"refuse_md5": True})
        assert code(request(camera, "getGroupList")) == 5
        assert code(self.signed(camera)) == 0

    @pytest.mark.parametrize(
        ("how", "is_made_of"),
        [
            ({}, "MD5, in hex, of `app_id=...&name=...&random=...&timestamp=...&key=APP_KEY`"),
            (
                {"sign_type": "HMAC-SHA256"},
                "HMAC-SHA256, in hex, of "
                "`app_id=...&name=...&random=...&sign_type=...&timestamp=...` with the app_key",
            ),
        ],
    )
    def test_a_wrong_sign_is_told_what_it_should_be_made_of(
        self, desk: CameraClient, how: dict[str, str], is_made_of: str
    ) -> None:
        answer = request(desk, "deleteGroup", sign="0" * 32, **how).answer()
        assert answer["msg"] == f"sign is wrong: it should be the {is_made_of}"


# each parameter of each endpoint

SENT: Mapping[str, str | None] = {
    "missing": None,
    "empty": "",
    "too long": "x" * 5000,
    "another type": '{"a": 1}',
    "negative": "-1",
    "huge": "9" * 40,
}


STAYS_IN_VIP = {"updateFace": {"new_group_name": None}}
"""Item values are judged by the attributes of the group that the face goes to."""


every_parameter = pytest.mark.parametrize(("endpoint", "parameter"), CODES, ids=".".join)


@pytest.mark.shows("sunmi", "A code other than 0 comes with msg")
@pytest.mark.shows("sunmi", "An empty optional parameter counts as not sent.")
@pytest.mark.shows("sunmi", "Values of attributes are judged with the group")
@pytest.mark.shows("sunmi", "2 a parameter is missing, malformed or out of range.")
@every_parameter
def test_a_parameter_that_is_missing_or_wrong_gets_its_code(
    desk: CameraClient, new_shop: Callable[[], CameraClient], endpoint: str, parameter: str
) -> None:
    for (sent, value), expected in zip(SENT.items(), CODES[endpoint, parameter], strict=True):
        changes = {
            **(STAYS_IN_VIP.get(endpoint, {}) if parameter == "item1" else {}),
            parameter: value,
        }
        shop = new_shop() if expected == 0 and endpoint in MUTATIONS else desk
        signed = SAMPLES[endpoint].signed(shop, endpoint, changes)
        if parameter == "pic":
            signed = shop.signed(endpoint, signed.pairs[3:-1], as_multipart=True)
        answer = signed.answer()
        assert answer["code"] == expected, (sent, answer)
        assert bool(answer.get("msg")) == (expected != 0)
        if expected == 2 and value is None:
            assert parameter in answer["msg"]


@pytest.mark.shows("sunmi", "No parameters of its own.")
def test_the_table_names_every_parameter_of_every_endpoint() -> None:
    assert set(CODES) == {
        (endpoint.name, name) for endpoint in ENDPOINTS for name in endpoint.parameters
    }


@pytest.mark.shows("sunmi", "A repeated parameter is code 2.")
@every_parameter
def test_a_repeated_parameter_is_2_however_it_is_spelt(
    desk: CameraClient, endpoint: str, parameter: str
) -> None:
    value = SAMPLES[endpoint].fields.get(parameter, "1")
    fields = [(name, text) for name, text in SAMPLES[endpoint].fields.items() if name != parameter]
    for again in (parameter, f" {parameter}", parameter[:1].upper() + parameter[1:]):
        assert code(desk.signed(endpoint, [*fields, (parameter, value), (again, value)])) == 2


@pytest.mark.shows("sunmi", "Text that is not in its charset is code 2.")
@every_parameter
def test_a_value_that_is_not_utf_8_is_2(desk: CameraClient, endpoint: str, parameter: str) -> None:
    signed = SAMPLES[endpoint].signed(desk, endpoint, {parameter: None})
    body = "&".join(f"{quote_plus(name)}={quote_plus(value)}" for name, value in signed.pairs)
    for wrong in ("%ff", "%ed%a0%80", "%e4%bc"):
        reply = send(
            desk.app, signed.path, f"{body}&{parameter}={wrong}".encode(), content_type=FORM
        )
        assert (reply.status, reply.json["code"]) == (200, 2)


@pytest.mark.parametrize("body", [b"app_id=%ff", b"\xff=1", b"app_id=a&name=%e4%b8", b"name=\x80"])
def test_text_that_is_not_utf_8_is_2(desk: CameraClient, body: bytes) -> None:
    assert send(desk.app, PATH, body).json["code"] == 2
