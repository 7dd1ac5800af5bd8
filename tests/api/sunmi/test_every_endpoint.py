"""The contract's "Request rules, common to all endpoints", each on every endpoint."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest

from chalicelib.api.sunmi.routes import ALIASES, ENDPOINTS
from chalicelib.services import Services
from regulars.serve.gateway import for_threads
from tests.api.gateway import MULTIPART, Part, Reply, send
from tests.api.sunmi.client import CameraClient, Pairs, Signed, hmac_sign, md5_sign
from tests.api.sunmi.samples import ANN, BOB, MUTATIONS, SAMPLES, jpeg
from tests.fakes import FakeClock

every_endpoint = pytest.mark.parametrize("endpoint", SAMPLES)
every_mutation = pytest.mark.parametrize("endpoint", MUTATIONS)


def request(camera: CameraClient, endpoint: str, **public: str) -> Signed:
    """The endpoint's sample with these public parameters in place of its own, signed as it is sent."""
    signed = SAMPLES[endpoint].signed(camera, endpoint)
    pairs = [pair for pair in signed.pairs if pair[0] not in {"sign", *public}]
    pairs += [(name, value) for name, value in public.items() if name != "sign"]
    return replace(signed, pairs=[*pairs, ("sign", public.get("sign") or md5_sign(pairs, camera.key))])


def code(signed: Signed) -> int:
    answer = signed.answer()
    assert answer["code"] == 0 or answer["msg"]
    return int(answer["code"])


def test_the_samples_are_every_endpoint() -> None:
    assert set(SAMPLES) == {endpoint.name for endpoint in ENDPOINTS} | set(ALIASES)
    assert set(MUTATIONS) == {endpoint.name for endpoint in ENDPOINTS if endpoint.changes}


@every_endpoint
def test_a_signed_post_is_answered_with_code_0_and_no_msg(shop_front: CameraClient, endpoint: str) -> None:
    reply = request(shop_front, endpoint).sent()
    assert (reply.status, reply.json["code"]) == (200, 0)
    assert set(reply.json) <= {"code", "data"}
    assert reply.json.get("data", "left out") != {}
    assert reply.headers["content-type"] == "application/json; charset=utf-8"


@every_endpoint
def test_either_content_type_is_accepted(shop_front: CameraClient, endpoint: str) -> None:
    signed = request(shop_front, endpoint)
    if not signed.files:
        assert code(replace(signed, as_multipart=True)) == 0


@every_endpoint
def test_other_methods_are_405_other_content_types_415_and_long_bodies_413(camera: CameraClient, endpoint: str) -> None:
    def status(body: bytes = b"", **how: str) -> int:
        reply: Reply = send(camera.app, f"/openapi/face/{endpoint}", body, **how)  # type: ignore[arg-type]
        return reply.status

    assert {status(method=method) for method in ("GET", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")} == {405}
    assert {status(content_type=other) for other in ("application/json", "text/plain", "multipart/mixed")} == {415}
    assert status(b"x" * (512 * 1024 + 1)) == 413
    assert status(b"x" * (4 * 1024 * 1024 + 1), content_type=MULTIPART) == 413
    assert status(b"x" * (512 * 1024 + 1), content_type=MULTIPART) == 200


@every_endpoint
def test_a_charset_parameter_is_honoured(camera: CameraClient, endpoint: str) -> None:
    pairs = [*camera.public(), ("note", "会员")]
    pairs.append(("sign", md5_sign(pairs, camera.key)))
    body = "&".join("=".join(pair) for pair in pairs).encode("gbk")
    content_type = "application/x-www-form-urlencoded; charset=GBK"
    answer = send(camera.app, f"/openapi/face/{endpoint}", body, content_type=content_type).json
    assert answer["code"] == (0 if endpoint == "getGroupList" else 2)
    assert "text" not in answer.get("msg", "")


@every_endpoint
def test_a_public_parameter_that_is_missing_empty_or_repeated_is_2(camera: CameraClient, endpoint: str) -> None:
    signed = request(camera, endpoint)
    for name in ("app_id", "random", "timestamp", "sign"):
        value = dict(signed.pairs)[name]
        others = [pair for pair in signed.pairs if pair[0] != name]
        for pairs in (
            others,
            [*others, (name, "")],
            [*signed.pairs, (name, value)],
            [*signed.pairs, (f" {name}", value)],
            [*signed.pairs, (name.capitalize(), value)],
        ):
            assert code(replace(signed, pairs=pairs)) == 2


FAULTS: dict[str, tuple[Mapping[str, str], int]] = {
    "a timestamp with other than digits is 2": ({"timestamp": "15930292x7"}, 2),
    "the source's 11 digits are 3": ({"timestamp": "15930292837"}, 3),
    "a stale timestamp is 3": ({"timestamp": "1593029283"}, 3),
    "a stale timestamp of 13 digits is 3": ({"timestamp": "1593029283000"}, 3),
    "a random of 5 is 3": ({"random": "12345"}, 3),
    "a random of 11 is 3": ({"random": "12345678901"}, 3),
    "a random with other than letters or digits is 3": ({"random": "12345_"}, 3),
    "an unknown app_id is 5": ({"app_id": "NOBODY"}, 5),
    "a wrong sign is 5": ({"sign": "0" * 32}, 5),
    "another sign_type is 2": ({"sign_type": "SHA1"}, 2),
}


@every_endpoint
def test_a_wrong_public_parameter_gets_its_code(camera: CameraClient, endpoint: str) -> None:
    for fault, (public, expected) in FAULTS.items():
        assert code(request(camera, endpoint, **public)) == expected, fault


@every_endpoint
def test_a_tenant_that_is_not_activated_is_7_once_it_has_signed(
    camera: CameraClient, services: Services, endpoint: str
) -> None:
    services.tenants.disable("shop")
    assert code(request(camera, endpoint)) == 7
    assert code(request(camera, endpoint, sign="0" * 32)) == 5
    services.tenants.enable("shop")
    assert code(request(camera, endpoint)) != 7


@every_endpoint
def test_public_faults_come_before_the_endpoints_own(camera: CameraClient, endpoint: str) -> None:
    bad: Pairs = [*camera.public(), *((name, "\x00") for name in SAMPLES[endpoint].fields)]
    forged = Signed(camera.app, f"/openapi/face/{endpoint}", [*bad, ("sign", "0" * 32)])
    assert code(forged) == 5


@every_endpoint
def test_millisecond_timestamps_lower_case_signs_and_serials_are_taken(
    shop_front: CameraClient, clock: FakeClock, endpoint: str
) -> None:
    now_ms = str(int(clock.now().timestamp() * 1000))
    signed = request(shop_front, endpoint, timestamp=now_ms, sn="FS101D8BS00106")
    lower = [(name, value.lower() if name == "sign" else value) for name, value in signed.pairs]
    assert code(replace(signed, pairs=lower)) == 0


@every_endpoint
def test_hmac_sha256_is_an_option(shop_front: CameraClient, endpoint: str) -> None:
    signed = request(shop_front, endpoint, sign_type="HMAC-SHA256")
    pairs = signed.pairs[:-1]
    assert code(replace(signed, pairs=[*pairs, ("sign", hmac_sign(pairs, "guess"))])) == 5
    assert code(replace(signed, pairs=[*pairs, ("sign", hmac_sign(pairs, shop_front.key))])) == 0


@every_endpoint
def test_a_tenant_can_be_set_to_refuse_md5(
    shop_front: CameraClient, furnished_services: Services, endpoint: str
) -> None:
    furnished_services.tenants.change("shop", {"refuse_md5": True})
    assert code(request(shop_front, endpoint)) == 5
    test_hmac_sha256_is_an_option(shop_front, endpoint)


def test_a_wrong_sign_is_told_what_it_should_be_made_of(camera: CameraClient) -> None:
    answer = request(camera, "deleteGroup", sign="0" * 32).answer()
    text = "app_id=...&name=...&random=...&timestamp=..."
    assert answer["msg"] == f"sign is wrong: it should be the MD5, in hex, of `{text}&key=APP_KEY`"
    answer = request(camera, "deleteGroup", sign="0" * 32, sign_type="HMAC-SHA256").answer()
    text = "app_id=...&name=...&random=...&sign_type=...&timestamp=..."
    assert answer["msg"] == f"sign is wrong: it should be the HMAC-SHA256, in hex, of `{text}` with the app_key"


@every_endpoint
def test_an_unknown_parameter_is_ignored_but_signed(shop_front: CameraClient, endpoint: str) -> None:
    signed = request(shop_front, endpoint)
    assert code(replace(signed, pairs=[*signed.pairs, ("colour", "red")])) == 5
    assert code(request(shop_front, endpoint, colour="red")) == 0


@every_endpoint
def test_an_empty_value_may_be_left_out_of_the_sign(shop_front: CameraClient, endpoint: str) -> None:
    signed = request(shop_front, endpoint)
    assert code(replace(signed, pairs=[*signed.pairs, ("note", "")])) == 0


@every_endpoint
def test_names_are_trimmed_and_their_first_letter_is_of_either_case(shop_front: CameraClient, endpoint: str) -> None:
    signed = SAMPLES[endpoint].signed(shop_front, endpoint)
    own: Pairs = [(f" {name[:1].upper()}{name[1:]} ", value) for name, value in signed.pairs[3:-1]]
    files: tuple[Part, ...] = tuple(replace(file, name="Pic") for file in signed.files)
    assert code(shop_front.signed(endpoint, own, files)) == 0


@every_mutation
def test_a_retry_gets_the_stored_answer_and_nothing_is_done_twice(shop_front: CameraClient, endpoint: str) -> None:
    signed = request(shop_front, endpoint)
    first = signed.answer()
    assert first["code"] == 0
    before = overview(shop_front)
    assert [signed.answer(), signed.answer()] == [first, first]
    assert overview(shop_front) == before


@every_mutation
def test_copies_that_arrive_at_once_are_done_once_and_answered_alike(shop_front: CameraClient, endpoint: str) -> None:
    for_threads(shop_front.app)
    signed = request(shop_front, endpoint)
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: signed.answer(), range(6)))
    assert answers[0]["code"] == 0
    assert answers == [answers[0]] * 6


@every_mutation
def test_the_same_four_with_other_bytes_are_3_and_change_nothing(shop_front: CameraClient, endpoint: str) -> None:
    signed = request(shop_front, endpoint)
    assert code(signed) == 0
    before = overview(shop_front)
    other_files = tuple(replace(file, data=ANN) for file in signed.files) or (jpeg(BOB, "note"),)
    assert code(replace(signed, files=other_files)) == 3
    assert code(replace(signed, pairs=[*signed.pairs, ("note", "")])) == 3
    other = next(name for name in MUTATIONS if name != endpoint)
    assert code(replace(signed, path=f"/openapi/face/{other}")) == 3
    assert overview(shop_front) == before


@every_mutation
def test_a_failure_is_stored_too(shop_front: CameraClient, endpoint: str) -> None:
    signed = shop_front.signed(endpoint)
    first = signed.answer()
    assert first["code"] == 2
    assert signed.answer() == first
    assert code(replace(signed, files=(jpeg(BOB, "note"),))) == 3


@every_mutation
def test_a_wrong_sign_burns_nothing(shop_front: CameraClient, endpoint: str) -> None:
    signed = request(shop_front, endpoint)
    assert code(replace(signed, pairs=[*signed.pairs, ("note", "other")])) == 5
    assert code(signed) == 0


@every_mutation
def test_a_retry_after_the_tolerance_is_stale(shop_front: CameraClient, clock: FakeClock, endpoint: str) -> None:
    signed = request(shop_front, endpoint)
    assert code(signed) == 0
    clock.advance(timedelta(seconds=301))
    assert code(signed) == 3


@pytest.mark.parametrize("endpoint", [name for name in SAMPLES if name not in MUTATIONS])
def test_a_read_is_simply_answered_again(shop_front: CameraClient, endpoint: str) -> None:
    signed = request(shop_front, endpoint)
    assert signed.answer() == signed.answer()
    assert code(replace(signed, files=(*signed.files, jpeg(BOB, "note")))) == 0


def overview(camera: CameraClient) -> object:
    """All that the shop holds, as the API shows it."""
    groups = camera.groups()
    return (
        groups,
        {name: camera.call("getFaceInfoItem", {"group_name": name}) for name in groups},
        {name: camera.call("getFaceList", {"group_name": name}) for name in groups},
    )
