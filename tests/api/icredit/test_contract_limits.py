"""docs/contract/icredit.md, "Limits of a tenant": each rule by its words."""

from __future__ import annotations

import pytest

from chalicelib.core.model import Credentials, Profile
from tests.api.icredit.client import MarketClient, failure, persons, tokens
from tests.api.icredit.contract import Rules, Shop
from tests.api.sunmi.client import CameraClient
from tests.fakes import Person, picture

RULES = Rules()
rule = RULES.rule

ANN = picture(Person(1))


@rule("The limits of 10 groups and 30,000 faces are the camera's. They belong to the tenant, not to the dialect:")
@rule("profile `camera` has 10 groups and capacities that sum up to 30,000.")
def _(shop: Shop) -> None:
    for n in range(8):
        assert persons(shop.market.enrol(f"g{n}", ANN))
    assert failure(shop.market.enrol("eleventh", ANN)) == "TOO_MANY_GROUPS"
    assert len(shop.camera.groups()) == 10


@rule("Profile `cloud` has 1,000 groups and 1,000,000 faces, and a capacity per group is optional.")
@rule("A group without one is limited by the tenant's total, which it shows as its capacity;")
@rule("explicit capacities sum to at most 1,000,000.")
def _(shop: Shop) -> None:
    market, camera = clients(shop, shop.services.tenants.add("cloud", Profile.CLOUD))
    for n in range(10):
        assert persons(market.enrol(f"g{n}", picture(Person(n))))
    assert {group["capacity"] for name, group in camera.groups().items() if name.startswith("g")} == {1_000_000}
    left = 1_000_000 - sum(camera.groups()[name]["capacity"] for name in ("stranger", "regular"))
    assert camera.create_group("all", capacity=left)["code"] == 0
    assert camera.create_group("more", capacity=1)["code"] == 212
    assert camera.create_group("0", capacity=1_000_001)["code"] == 212
    assert persons(market.enrol("still", ANN)), "a group without a capacity takes none"


@rule("The operator may set other numbers of groups and faces for a tenant.")
def _(shop: Shop) -> None:
    shop.services.tenants.change("shop", {"groups": 3, "faces": 10_001})
    assert persons(shop.market.enrol("third", ANN))
    assert shop.camera.groups()["third"]["capacity"] == 1
    assert failure(shop.market.enrol("third", picture(Person(2)))) == "GROUP_FULL"
    assert failure(shop.market.enrol("fourth", ANN)) == "TENANT_FULL"
    shop.services.tenants.change("shop", {"faces": 10_002})
    assert failure(shop.market.enrol("fourth", ANN)) == "TOO_MANY_GROUPS"
    shop.services.tenants.change("shop", {"groups": 4})
    assert persons(shop.market.enrol("fourth", ANN))


def clients(shop: Shop, credentials: Credentials) -> tuple[MarketClient, CameraClient]:
    app = shop.market.app
    market = MarketClient(app, credentials.appcode)
    return market, CameraClient(app, credentials.app_id, credentials.app_key, shop.clock)


@rule("Groups, faces and attributes are the same records in both dialects;")
@rule("PERSON_GROUP_LABEL is the group's name.")
def _(shop: Shop) -> None:
    (token,) = tokens(shop.market.enrol("VIP会员", ANN))
    assert shop.camera.groups()["VIP会员"]["count"] == 1
    assert shop.camera.call("getFace", {"faceid": token})["data"]["group_name"] == "VIP会员"
    fields = {"num": "1", "group_name": "VIP会员", "name_list": '["hobby"]'}
    assert shop.camera.call("addFaceInfoItem", fields)["code"] == 0
    changed = {"group_name": "VIP会员", "faceid": token, "hobby": "tennis", "age": "44"}
    assert shop.camera.call("updateFace", changed)["code"] == 0
    assert persons(shop.market.search("VIP会员", ANN))[0]["AGE"] == "44"
    assert (
        shop.camera.call("updateGroup", {"old_name": "VIP会员", "name": "gold", "capacity": "9", "description": ""})[
            "code"
        ]
        == 0
    )
    assert tokens(shop.market.search("gold", ANN)) == [token]


@rule("A group that an enrolment makes gets what is left of the tenant's capacity, at most 1,000 on profile `camera`.")
def _(shop: Shop) -> None:
    shop.market.enrol("first", ANN)
    assert shop.camera.groups()["first"]["capacity"] == 1_000
    assert shop.camera.create_group("most", capacity=18_400)["code"] == 0
    shop.market.enrol("second", ANN)
    assert shop.camera.groups()["second"]["capacity"] == 600
    assert failure(shop.market.enrol("third", ANN)) == "TENANT_FULL"


@rule("A full group or tenant is a failure, and nothing is enrolled in part:")
@rule("an enrolment of five faces enrols five or none.")
@rule("A call that fails changes nothing, and is not observed.")
def _(shop: Shop) -> None:
    five = picture(*(Person(n, 50 + n) for n in range(5)))
    shop.camera.create_group("small", capacity=4)
    assert failure(shop.market.enrol("small", five)) == "GROUP_FULL"
    assert shop.camera.groups()["small"]["count"] == 0
    assert persons(shop.market.query()) == [], "what was not done was not observed"
    assert len(persons(shop.market.enrol("vip", five))) == 5


@pytest.mark.parametrize("words", RULES.checks)
def test_contract(floor: Shop, words: str) -> None:
    RULES.checks[words](floor)
