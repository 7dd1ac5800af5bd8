"""Who calls: the market's app code, and refusals as the market's gateway words them."""

from __future__ import annotations

import pytest
from chalice.app import Chalice

from chalicelib.core.errors import StorageUnavailable
from chalicelib.core.model import Credentials, Tenant
from tests.api.conftest import Stage
from tests.api.gateway import Reply, send
from tests.api.icredit.client import MANAGE


def authorized(app: Chalice, value: str) -> Reply:
    return send(app, MANAGE, headers={"Authorization": value})


def let_in(reply: Reply) -> bool:
    return reply.status == 200 and reply.json["ERROR_CODE"] == "INVALID_PARAMETER"


@pytest.mark.parametrize("scheme", ["APPCODE", "AppCode", "appcode"])
def test_the_code_comes_in_the_authorization_header(app: Chalice, shop: Credentials, scheme: str) -> None:
    assert let_in(authorized(app, f"{scheme} {shop.appcode}"))
    assert let_in(authorized(app, f" {scheme}  {shop.appcode} "))


@pytest.mark.parametrize("name", ["AppCode", "appcode", "APPCODE"])
def test_or_in_the_query(app: Chalice, shop: Credentials, name: str) -> None:
    assert let_in(send(app, MANAGE, query={name: [shop.appcode]}))
    assert let_in(send(app, MANAGE, query={name: [shop.appcode]}, headers={"Authorization": "Basic dTpw"}))


def test_header_names_are_found_in_any_case(app: Chalice, shop: Credentials) -> None:
    assert let_in(send(app, MANAGE, headers={"authorization": f"APPCODE {shop.appcode}"}))


@pytest.mark.parametrize(
    "value", ["", "APPCODE", "APPCODE ", "APPCODE 0123456789abcdef", "Bearer {code}", "APPCODE:{code}", "{code}"]
)
def test_a_missing_or_unknown_code_is_400_with_an_empty_body(app: Chalice, shop: Credentials, value: str) -> None:
    reply = authorized(app, value.replace("{code}", shop.appcode))
    assert (reply.status, reply.body) == (400, "")
    assert reply.headers["x-ca-error-message"] == "Invalid AppCode"
    assert reply.headers["x-ca-error-code"] == "A400AC"


def test_two_different_codes_in_the_query_are_400(app: Chalice, shop: Credentials) -> None:
    assert send(app, MANAGE, query={"AppCode": [shop.appcode, "x"]}).status == 400
    assert let_in(send(app, MANAGE, query={"AppCode": [shop.appcode, shop.appcode]}))


def test_the_header_counts_where_both_are_sent(app: Chalice, shop: Credentials) -> None:
    reply = send(app, MANAGE, headers={"Authorization": "APPCODE wrong"}, query={"AppCode": [shop.appcode]})
    assert reply.status == 400


def test_the_camera_key_is_no_app_code(app: Chalice, shop: Credentials) -> None:
    assert authorized(app, f"APPCODE {shop.app_key}").status == 400


def test_the_code_is_checked_before_content_type_and_size(app: Chalice, shop: Credentials) -> None:
    assert send(app, MANAGE, b"x", content_type="text/plain").status == 400
    headers = {"Authorization": f"APPCODE {shop.appcode}"}
    assert send(app, MANAGE, b"x", content_type="text/plain", headers=headers).status == 415
    assert send(app, MANAGE, b"x", content_type=None, headers=headers).status == 415


class TenantsAway:
    def by_appcode(self, appcode: str) -> Tenant | None:
        raise StorageUnavailable("storage does not answer: try again")


def test_storage_that_fails_at_the_code_is_a_failed_operation(app: Chalice, shop: Credentials, stage: Stage) -> None:
    stage.services.tenants = TenantsAway()  # type: ignore[assignment]
    reply = authorized(app, f"APPCODE {shop.appcode}")
    assert reply.json == {
        "PERSON_TOKEN_STATUS": "1",
        "PERSON_ENTITY": [],
        "ERROR_CODE": "STORAGE_UNAVAILABLE",
        "ERROR_MSG": "storage does not answer: try again",
    }
