"""Records of consent over v1, and what a tenant that asks for them answers in each dialect."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from chalicelib.core.model import Credentials
from chalicelib.services import Services
from tests.api.icredit.client import MarketClient
from tests.api.sunmi.client import CameraClient
from tests.api.v1.client import V1Client
from tests.fakes import Person, picture

GIVEN = "2026-02-28T09:00:00.000Z"
SENT = {"basis": "consent", "given_at": GIVEN, "evidence": "drawer 3", "expires_at": "2027-03-01T00:00:00.000Z"}


def photo(seed: int) -> str:
    return base64.b64encode(picture(Person(seed))).decode()


def enrol(v1: V1Client, seed: int, **more: Any) -> str:
    return str(v1.done("POST", "/v1/faces", {"group": "regular", "picture": photo(seed), **more})["id"])


def test_a_record_is_sent_with_an_enrolment_read_replaced_and_withdrawn(v1: V1Client) -> None:
    face = enrol(v1, 1, name="Ann", consent=SENT)
    path = f"/v1/faces/{face}/consent"
    assert v1.done("GET", path) == {"face": face, "name": "Ann", **SENT}
    other = {"basis": "employment", "given_at": GIVEN}
    now = {"face": face, "name": "Ann", **other, "evidence": "", "expires_at": None}
    assert v1.done("PUT", path, other) == now == v1.done("GET", path)
    v1.done_without_body("DELETE", path)
    for method in ("GET", "DELETE"):
        assert v1.failed(404, method, path)["code"] == "ConsentNotFound"


def test_records_are_listed_by_when_they_expire(v1: V1Client) -> None:
    later, endless, soon = (
        enrol(v1, seed, consent={**SENT, "expires_at": end})
        for seed, end in ((1, "2027-01-01T00:00:00Z"), (2, None), (3, "2026-06-01T00:00:00Z"))
    )
    bare = enrol(v1, 4)
    assert [one["face"] for one in v1.done("GET", "/v1/consents")["consents"]] == [soon, later, endless]
    expiring = v1.done("GET", "/v1/consents", expires_before="2026-07-01T00:00:00Z")
    assert ([one["face"] for one in expiring["consents"]], expiring["next_token"]) == ([soon], None)
    assert [one["face"] for one in v1.done("GET", "/v1/consents", face=soon)["consents"]] == [soon]
    assert v1.done("GET", "/v1/consents", face=bare)["consents"] == []
    assert "face is one record" in v1.failed(400, "GET", "/v1/consents", face=soon, expires_before="0")["message"]
    page = v1.done("GET", "/v1/consents", limit=1)
    rest = v1.done("GET", "/v1/consents", limit=2, token=page["next_token"])
    assert [one["face"] for one in rest["consents"]] == [later, endless]


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"basis": "because"}, "basis"),
        ({"given_at": "2026-03-02T00:00:00Z"}, "given_at"),
        ({"expires_at": "2026-03-01T00:00:00Z"}, "expires_at"),
        ({"expires_at": "9999-01-01T00:00:00Z"}, "expires_at"),
        ({"evidence": "x" * 501}, "evidence"),
        ({"file": "AAAA"}, "no field 'file'"),
    ],
)
def test_a_record_that_cannot_be_is_refused(v1: V1Client, wrong: dict[str, Any], says: str) -> None:
    face = enrol(v1, 1)
    assert says in v1.failed(400, "PUT", f"/v1/faces/{face}/consent", {**SENT, **wrong})["message"]
    assert v1.failed(404, "GET", f"/v1/faces/{face}/consent")["code"] == "ConsentNotFound"


def test_a_tenant_that_asks_for_a_record_says_so_in_each_dialect(
    v1: V1Client, camera: CameraClient, market: MarketClient, services: Services, shop: Credentials
) -> None:
    v1.done("PATCH", "/v1/settings", {"consent_required": True})
    refused = v1.failed(400, "POST", "/v1/faces", {"group": "regular", "picture": photo(1)})
    assert refused["code"] == "ConsentMissing"
    answer = camera.add_face("regular", picture(Person(1)))
    assert (answer["code"], "consent_required" in answer["msg"]) == (2, True)
    told = market.enrol("vip", picture(Person(1)))
    assert (told["ERROR_CODE"], "consent_required" in told["ERROR_MSG"]) == ("CONSENT_REQUIRED", True)
    assert services.groups.named(services.tenants.named(shop.tenant), "regular").count == 0
    enrol(v1, 1, consent=SENT)
