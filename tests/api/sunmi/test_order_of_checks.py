"""Public parameters: which code for which fault, and which fault is told when there are several."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from chalice.app import Chalice

from chalicelib.core.model import Credentials
from chalicelib.services import Services
from tests.api.conftest import Stage
from tests.api.gateway import send
from tests.api.sunmi.client import CameraClient, Pairs, Signed, hmac_sign, md5_sign
from tests.fakes import FakeClock

PATH = "/openapi/face/getGroupList"


def signed_with(camera: CameraClient, *, sign: str | None = None, **changes: str | None) -> Signed:
    """getGroupList with some public parameters changed (None: left out), signed as it is sent."""
    values = dict(camera.public()) | {name: value for name, value in changes.items() if value is not None}
    pairs: Pairs = [(name, value) for name, value in values.items() if changes.get(name, value) is not None]
    return Signed(camera.app, PATH, [*pairs, ("sign", sign or md5_sign(pairs, camera.key))])


def code(request: Signed) -> int:
    answer = request.answer()
    assert answer["code"] == 0 or answer["msg"]
    number = answer["code"]
    assert isinstance(number, int)
    return number


def now(clock: FakeClock, offset_s: float = 0) -> str:
    return str(int(clock.now().timestamp() + offset_s))


def test_the_device_serial_is_signed_like_every_other_parameter(camera: CameraClient) -> None:
    assert code(signed_with(camera, sn="FS101D8BS00106")) == 0
    pairs = [*camera.public(), ("sn", "FS101D8BS00106")]
    assert code(Signed(camera.app, PATH, [*pairs, ("sign", md5_sign(pairs[:-1], camera.key))])) == 5


def test_no_body_at_all_is_2(app: Chalice, camera: CameraClient) -> None:
    assert send(app, PATH).json["code"] == 2


@pytest.mark.parametrize(
    "timestamp", ["now", "159302928x", "-1593029283", "1593029283.5", "１５９３０２９２８３", " 1593029283"]
)
def test_a_timestamp_with_other_than_digits_is_2(camera: CameraClient, timestamp: str) -> None:
    assert code(signed_with(camera, timestamp=timestamp)) == 2


@pytest.mark.parametrize("timestamp", ["0", "15930292837", "159302928", "15930292830000", "9" * 40, "9" * 5000])
def test_a_timestamp_of_digits_far_from_now_is_3(camera: CameraClient, timestamp: str) -> None:
    assert code(signed_with(camera, timestamp=timestamp)) == 3


@pytest.mark.parametrize(("offset_s", "expected"), [(-301, 3), (-300, 0), (300, 0), (301, 3)])
def test_the_clock_may_differ_by_300_seconds_each_way(
    camera: CameraClient, clock: FakeClock, offset_s: int, expected: int
) -> None:
    assert code(signed_with(camera, timestamp=now(clock, offset_s))) == expected
    assert code(signed_with(camera, timestamp=now(clock, offset_s) + "000")) == expected


def test_the_operator_can_set_another_tolerance(camera: CameraClient, stage: Stage, clock: FakeClock) -> None:
    stage.services.settings = replace(stage.services.settings, clock_tolerance_s=10)
    assert [code(signed_with(camera, timestamp=now(clock, offset_s))) for offset_s in (-11, -10, 10, 11)] == [
        3,
        0,
        0,
        3,
    ]


@pytest.mark.parametrize("random", ["12345", "12345678901", "12345-", "随机随机随机", "123 456", "１２３４５６"])
def test_a_malformed_random_is_3(camera: CameraClient, random: str) -> None:
    assert code(signed_with(camera, random=random)) == 3


@pytest.mark.parametrize("random", ["123456", "abcDEF7890", "000000"])
def test_six_to_ten_letters_or_digits_are_a_random(camera: CameraClient, random: str) -> None:
    assert code(signed_with(camera, random=random)) == 0


def test_random_may_repeat(camera: CameraClient, clock: FakeClock) -> None:
    assert code(signed_with(camera, random="123456")) == 0
    clock.advance(timedelta(seconds=1))
    assert code(signed_with(camera, random="123456")) == 0


@pytest.mark.parametrize("app_id", ["NOBODY", "x" * 5000, "店"])
def test_an_unknown_app_id_is_5(camera: CameraClient, app_id: str) -> None:
    assert code(signed_with(camera, app_id=app_id)) == 5


@pytest.mark.parametrize("sign", ["0" * 32, "0", "签名" * 16, "0" * 10_000])
def test_a_wrong_sign_is_5(camera: CameraClient, sign: str) -> None:
    assert code(signed_with(camera, sign=sign)) == 5


def test_faults_are_told_in_the_contracts_order(camera: CameraClient) -> None:
    bad = {"random": "1", "timestamp": "0", "app_id": "NOBODY", "sign": "0"}
    assert code(signed_with(camera, **{**bad, "timestamp": "x"})) == 2
    assert code(signed_with(camera, **{**bad, "sign_type": "SHA1"})) == 2
    assert code(signed_with(camera, **bad)) == 3
    assert (
        code(signed_with(camera, **{**bad, "random": "123456", "timestamp": dict(camera.public())["timestamp"]})) == 5
    )


def test_an_unknown_parameter_sent_twice_is_2(camera: CameraClient) -> None:
    assert code(camera.signed("getGroupList", [("colour", "red"), ("colour", "red")])) == 2


@pytest.mark.parametrize("body", [b"app_id=%ff", b"\xff=1", b"app_id=a&name=%e4%b8", b"name=\x80"])
def test_text_that_is_not_utf_8_is_2(app: Chalice, camera: CameraClient, body: bytes) -> None:
    assert send(app, PATH, body).json["code"] == 2


class TestHmac:
    def signed(self, camera: CameraClient, sign_type: str = "HMAC-SHA256", key: str | None = None) -> Signed:
        pairs = [*camera.public(), ("sign_type", sign_type)]
        return Signed(camera.app, PATH, [*pairs, ("sign", hmac_sign(pairs, key or camera.key))])

    def test_hmac_sha256_is_accepted_in_either_case_of_hex(self, camera: CameraClient) -> None:
        request = self.signed(camera)
        assert code(request) == 0
        upper = [(name, value.upper() if name == "sign" else value) for name, value in request.pairs]
        assert code(Signed(camera.app, PATH, upper)) == 0

    def test_sign_type_is_signed(self, camera: CameraClient) -> None:
        pairs = camera.public()
        sent = [*pairs, ("sign_type", "HMAC-SHA256"), ("sign", hmac_sign(pairs, camera.key))]
        assert code(Signed(camera.app, PATH, sent)) == 5

    def test_md5_may_be_named_or_left_empty(self, camera: CameraClient) -> None:
        for named in ("MD5", ""):
            pairs = [*camera.public(), ("sign_type", named)]
            assert code(Signed(camera.app, PATH, [*pairs, ("sign", md5_sign(pairs, camera.key))])) == 0


def test_another_tenants_key_is_5(app: Chalice, camera: CameraClient, services: Services, clock: FakeClock) -> None:
    other: Credentials = services.tenants.add("other", services.tenants.all()[0].profile)
    assert code(signed_with(CameraClient(app, other.app_id, camera.key, clock))) == 5
