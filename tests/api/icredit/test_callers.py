import pytest
from chalice.app import Chalice

from chalicelib.domain.model import Credentials
from chalicelib.services import Services
from tests.support.api.gateway import FORM, Reply, send
from tests.support.api.icredit.client import MANAGE, PATHS, QUERY, MarketClient
from tests.support.api.sunmi.client import CameraClient


def is_exhausted(reply: Reply) -> bool:
    if reply.status != 403:
        return False
    assert reply.body == ""
    assert (reply.headers["x-ca-error-message"], reply.headers["x-ca-error-code"]) == (
        "Quota Exhausted",
        "A403QE",
    )
    return True


def ask(market: MarketClient) -> Reply:
    return market.post(b"", FORM, QUERY)


@pytest.mark.shows(
    "icredit", "Checks come in this order ... method, AppCode, quota; content type, size"
)
@pytest.mark.shows("icredit", "Every request with a valid AppCode counts, failures included")
@pytest.mark.parametrize(
    ("what", "status"),
    [
        ({"body": b"", "content_type": FORM}, 200),
        ({"body": b"START_TIME=x", "content_type": FORM}, 200),
        ({"body": b"\xff", "content_type": FORM}, 200),
        ({"body": b"{", "content_type": "application/json"}, 200),
        ({"body": b"x", "content_type": "text/plain"}, 415),
        ({"body": b"x" * (4 * 1024 * 1024 + 1), "content_type": FORM}, 413),
    ],
)
def test_every_authenticated_request_counts_whatever_becomes_of_it(
    market: MarketClient, services: Services, what: dict[str, bytes | str], status: int
) -> None:
    services.tenants.change_settings("shop", {"requests_a_day": 2})
    replies = [market.post(**what, path=path) for path in (*PATHS, MANAGE)]  # type: ignore[arg-type]
    assert [reply.status for reply in replies] == [status, status, 403, 403]
    assert all(is_exhausted(reply) for reply in replies[2:])


@pytest.mark.shows("icredit", "method, AppCode")
def test_who_is_not_let_in_is_not_counted(market: MarketClient, services: Services) -> None:
    services.tenants.change_settings("shop", {"requests_a_day": 1})
    assert [send(market.app, QUERY).status for _ in range(3)] == [400] * 3
    assert [send(market.app, QUERY, method="GET").status for _ in range(3)] == [405] * 3
    services.tenants.disable("shop")
    assert [ask(market).headers["x-ca-error-message"] for _ in range(3)] == ["Unauthorized"] * 3
    services.tenants.enable("shop")
    assert [ask(market).status for _ in range(2)] == [200, 403]


@pytest.mark.shows("icredit", "requests of other dialects do not")
def test_the_cameras_dialect_neither_counts_nor_is_refused(
    market: MarketClient, camera: CameraClient, services: Services
) -> None:
    services.tenants.change_settings("shop", {"requests_a_day": 1})
    assert [camera.call("getGroupList")["code"] for _ in range(3)] == [0] * 3
    assert [ask(market).status for _ in range(2)] == [200, 403]
    assert camera.call("getGroupList")["code"] == 0


def authorized(app: Chalice, value: str) -> Reply:
    return send(app, MANAGE, headers={"Authorization": value})


def let_in(reply: Reply) -> bool:
    return reply.status == 200 and reply.json["ERROR_CODE"] == "INVALID_PARAMETER"


@pytest.mark.parametrize("scheme", ["APPCODE", "AppCode", "appcode"])
def test_the_code_comes_in_the_authorization_header(
    app: Chalice, shop: Credentials, scheme: str
) -> None:
    assert let_in(authorized(app, f"{scheme} {shop.appcode}"))
    assert let_in(authorized(app, f" {scheme}  {shop.appcode} "))


@pytest.mark.parametrize("name", ["AppCode", "appcode", "APPCODE"])
def test_or_in_the_query(app: Chalice, shop: Credentials, name: str) -> None:
    assert let_in(send(app, MANAGE, query={name: [shop.appcode]}))
    assert let_in(
        send(app, MANAGE, query={name: [shop.appcode]}, headers={"Authorization": "Basic dTpw"})
    )


def test_two_different_codes_in_the_query_are_400(app: Chalice, shop: Credentials) -> None:
    assert send(app, MANAGE, query={"AppCode": [shop.appcode, "x"]}).status == 400
    assert let_in(send(app, MANAGE, query={"AppCode": [shop.appcode, shop.appcode]}))


@pytest.mark.shows("icredit", "If both come, the header counts.")
def test_the_header_counts_where_both_are_sent(app: Chalice, shop: Credentials) -> None:
    reply = send(
        app, MANAGE, headers={"Authorization": "APPCODE wrong"}, query={"AppCode": [shop.appcode]}
    )
    assert reply.status == 400


@pytest.mark.shows("icredit", "content type, size, whether the body can be read")
def test_the_code_is_checked_before_content_type_and_size(app: Chalice, shop: Credentials) -> None:
    assert send(app, MANAGE, b"x", content_type="text/plain").status == 400
    headers = {"Authorization": f"APPCODE {shop.appcode}"}
    assert send(app, MANAGE, b"x", content_type="text/plain", headers=headers).status == 415
    assert send(app, MANAGE, b"x", content_type=None, headers=headers).status == 415
