from datetime import timedelta

import pytest
from chalice.app import Chalice

from chalicelib.domain.model import Credentials
from chalicelib.services import Services
from chalicelib.storage import keys
from chalicelib.storage.ports import Item
from tests.support.api.icredit.client import MarketClient
from tests.support.api.sunmi.client import CameraClient
from tests.support.api.v1.client import V1Client
from tests.support.consistency.consistency import list_disagreements
from tests.support.fakes import FakeClock

HOUR, NEXT_HOUR = "2026-03-01T12:00:00.000Z", "2026-03-01T13:00:00.000Z"


def test_a_new_key_and_the_old_one_hold_together_for_a_day(
    v1: V1Client, app: Chalice, shop: Credentials, clock: FakeClock, services: Services
) -> None:
    """A second camera gets a new key, and does not stop the first."""
    old = CameraClient(app, shop.app_id, shop.app_key, clock), MarketClient(app, shop.appcode)
    assert calls(*old) == (0, 200)
    assert list_uses(v1) == {"sunmi": (shop.app_id, HOUR), "icredit": (None, HOUR)}
    made = renewed(v1)
    assert list_uses(v1) == {"sunmi": (shop.app_id, None), "icredit": (None, None)}
    assert calls(*old) == (0, 200)
    assert list_uses(v1) == {"sunmi": (shop.app_id, None), "icredit": (None, None)}, (
        "the new one has not called"
    )
    clock.advance(timedelta(hours=1))
    new = CameraClient(app, shop.app_id, made[0], clock, 200_000), MarketClient(app, made[1])
    assert calls(*new) == calls(*old) == (0, 200)
    assert {at for _, at in list_uses(v1).values()} == {NEXT_HOUR}
    clock.advance(timedelta(hours=22, minutes=59))
    assert calls(*old) == (0, 200)
    clock.advance(timedelta(minutes=1))
    assert calls(*old) == (5, 400)
    assert calls(*new) == (0, 200)
    services.sweep.sweep_tenant(services.tenants.get_by_name(shop.tenant), clock.now())
    assert not [name for name in read_tenant_item(services, shop) if name.startswith("old_")]
    assert list_disagreements(services, shop.tenant) == []
    assert v1.done("GET", "/v1/settings"), "its key of v1 is as it was"


def test_of_three_keys_the_newest_two_hold_and_a_rotation_stops_both(
    v1: V1Client, app: Chalice, shop: Credentials, clock: FakeClock, services: Services
) -> None:
    known = [[shop.app_key, shop.appcode], renewed(v1), renewed(v1)]

    def answers() -> list[tuple[int, int]]:
        return [
            calls(
                CameraClient(app, shop.app_id, key, clock, 200_000 + 1000 * place),
                MarketClient(app, code),
            )
            for place, (key, code) in enumerate(known)
        ]

    assert answers() == [(5, 400), (0, 200), (0, 200)]
    assert list_disagreements(services, shop.tenant) == []
    services.tenants.rotate_keys(shop.tenant)
    clock.advance(timedelta(seconds=1))
    assert answers() == [(5, 400)] * 3
    assert list_disagreements(services, shop.tenant) == []
    assert not [name for name in read_tenant_item(services, shop) if name.startswith("old_")]


def test_a_key_that_leaked_is_stopped_at_once_with_the_one_before_it(
    v1: V1Client, app: Chalice, shop: Credentials, clock: FakeClock, services: Services
) -> None:
    known = [[shop.app_key, shop.appcode], renewed(v1), renewed(v1, at_once=True)]

    def answers() -> list[tuple[int, int]]:
        return [
            calls(
                CameraClient(app, shop.app_id, key, clock, 200_000 + 1000 * place),
                MarketClient(app, code),
            )
            for place, (key, code) in enumerate(known)
        ]

    assert answers() == [(5, 400), (5, 400), (0, 200)]
    assert [one["old_until"] for one in v1.done("GET", "/v1/dialects")["dialects"]] == [None, None]
    assert not [name for name in read_tenant_item(services, shop) if name.startswith("old_")]
    assert list_disagreements(services, shop.tenant) == []
    assert v1.done("POST", "/v1/dialects/sunmi/key", {"at_once": True})["old_until"] is None
    known.append(renewed(v1))
    assert answers()[2:] == [(5, 200), (0, 200)], "of SUNMI, another was made at once"


def test_what_a_key_is_for_waits_by_its_name_until_it_calls(
    v1: V1Client, app: Chalice, shop: Credentials, clock: FakeClock
) -> None:
    made = v1.done("POST", "/v1/dialects/sunmi/key", {"name": "Back door"})
    assert made["old_until"] == "2026-03-02T12:00:00.000Z"
    [icredit, sunmi] = v1.done("GET", "/v1/dialects")["dialects"]
    assert (sunmi["waits_for"], sunmi["old_until"]) == ("Back door", "2026-03-02T12:00:00.000Z")
    assert (icredit["waits_for"], icredit["old_until"]) == ("", None)
    assert CameraClient(app, shop.app_id, made["secret"], clock).call("getGroupList")["code"] == 0
    assert v1.done("GET", "/v1/dialects")["dialects"][1]["waits_for"] == ""


def test_it_is_told_when_somebody_used_the_key_before_the_newest(
    v1: V1Client, app: Chalice, shop: Credentials, clock: FakeClock, services: Services
) -> None:
    def list_old_uses() -> list[str | None]:
        return [one["old_used_at"] for one in v1.done("GET", "/v1/dialects")["dialects"]]

    clients = CameraClient(app, shop.app_id, shop.app_key, clock), MarketClient(app, shop.appcode)
    assert calls(*clients) == (0, 200)
    renewed(v1)
    assert list_old_uses() == [None, None]
    clock.advance(timedelta(hours=2))
    assert calls(*clients) == (0, 200)
    assert list_old_uses() == ["2026-03-01T14:00:00.000Z"] * 2
    assert [used for _, used in list_uses(v1).values()] == [None, None], (
        "nobody has used the newest"
    )
    newest = renewed(v1)
    assert list_old_uses() == [None, None]
    clock.advance(timedelta(hours=1))
    assert calls(
        CameraClient(app, shop.app_id, newest[0], clock, 300_000), MarketClient(app, newest[1])
    ) == (0, 200)
    assert list_old_uses() == [None, None]
    clock.advance(timedelta(hours=24))
    services.sweep.sweep_tenant(services.tenants.get_by_name(shop.tenant), clock.now())
    assert not [name for name in read_tenant_item(services, shop) if "_old" in name]


def renewed(v1: V1Client, **said: bool) -> list[str]:
    return [
        v1.done("POST", f"/v1/dialects/{id_}/key", said)["secret"] for id_ in ("sunmi", "icredit")
    ]


def read_tenant_item(services: Services, shop: Credentials) -> Item:
    item = services.items.get(keys.TENANTS, keys.tenant_item(shop.tenant))
    assert item is not None
    return item


@pytest.mark.parametrize("dialect", ["rekognition", "SUNMI", "first"])
def test_another_dialect_has_no_such_key(v1: V1Client, dialect: str) -> None:
    said = v1.failed(404, "POST", f"/v1/dialects/{dialect}/key", {})
    assert (said["code"], "icredit and sunmi have one" in said["detail"]) == ("KeyNotFound", True)


def list_uses(v1: V1Client) -> dict[str, tuple[str | None, str | None]]:
    listed = v1.done("GET", "/v1/dialects")["dialects"]
    return {one["id"]: (one["app_id"], one["last_used_at"]) for one in listed}


def calls(camera: CameraClient, market: MarketClient) -> tuple[int, int]:
    """Call both dialects once; give SUNMI's code and iCREDIT's HTTP status."""
    asked = market.post(b"", "application/x-www-form-urlencoded", "/icredit/face/query")
    return int(camera.call("getGroupList")["code"]), asked.status
