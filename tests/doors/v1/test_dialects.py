from datetime import timedelta

import pytest
from chalice.app import Chalice

from chalicelib.book.words.model import Credentials
from tests.support.api.icredit.client import MarketClient
from tests.support.api.sunmi.client import CameraClient
from tests.support.api.v1.client import V1Client
from tests.support.fakes import FakeClock


def test_a_new_key_takes_the_place_of_the_old_one_and_shows_when_it_is_used(
    v1: V1Client, app: Chalice, shop: Credentials, clock: FakeClock
) -> None:
    old = [CameraClient(app, shop.app_id, shop.app_key, clock), MarketClient(app, shop.appcode)]
    assert calls(*old) == (0, 200)
    hour = "2026-03-01T12:00:00.000Z"
    assert used(v1) == {"sunmi": (shop.app_id, hour), "icredit": (None, hour)}
    made = [v1.done("POST", f"/v1/dialects/{id_}/key") for id_ in ("sunmi", "icredit")]
    assert used(v1) == {"sunmi": (shop.app_id, None), "icredit": (None, None)}
    assert calls(*old) == (5, 400)
    assert used(v1) == {"sunmi": (shop.app_id, None), "icredit": (None, None)}, "who is refused used none"
    clock.advance(timedelta(hours=1))
    new = CameraClient(app, made[0]["app_id"], made[0]["secret"], clock, 200_000), MarketClient(app, made[1]["secret"])
    assert calls(*new) == (0, 200)
    assert {at for _, at in used(v1).values()} == {"2026-03-01T13:00:00.000Z"}
    assert v1.done("GET", "/v1/settings"), "its key of v1 is as it was"


@pytest.mark.parametrize("dialect", ["rekognition", "SUNMI", "first"])
def test_another_dialect_has_no_such_key(v1: V1Client, dialect: str) -> None:
    said = v1.failed(404, "POST", f"/v1/dialects/{dialect}/key")
    assert (said["code"], "sunmi and icredit have one" in said["detail"]) == ("KeyNotFound", True)


def used(v1: V1Client) -> dict[str, tuple[str | None, str | None]]:
    listed = v1.done("GET", "/v1/dialects")["dialects"]
    return {one["id"]: (one["app_id"], one["last_used_at"]) for one in listed}


def calls(camera: CameraClient, market: MarketClient) -> tuple[int, int]:
    """Call both dialects once; give SUNMI's code and iCREDIT's HTTP status."""
    asked = market.post(b"", "application/x-www-form-urlencoded", "/icredit/face/query")
    return int(camera.call("getGroupList")["code"]), asked.status
