import re
from collections.abc import Mapping
from typing import Any

import pytest
from msgspec.structs import replace

from chalicelib.auth.rate_limits import Rates
from chalicelib.domain.model import Credentials
from chalicelib.services import Services
from chalicelib.version import VERSION
from tests.support.api.gateway import Reply
from tests.support.api.v1.client import HOST, V1Client

SESSION, KEYS = "/v1/session", "/v1/keys"
JSON = {"Content-Type": "application/json"}
OWN = {"Sec-Fetch-Site": "same-origin", **JSON}


def sign_in(browser: V1Client, body: dict[str, Any], **headers: str) -> Reply:
    return browser.send("POST", SESSION, body, headers=headers)


def cookie_of(reply: Reply) -> str:
    assert reply.status == 201, reply
    return reply.headers["set-cookie"].partition(";")[0]


@pytest.fixture
def cookie(browser: V1Client, shop: Credentials) -> str:
    return cookie_of(sign_in(browser, {"api_key": shop.api_key}))


def with_cookie(
    browser: V1Client, method: str, path: str, cookie: str, body: Any = None, **headers: str
) -> Reply:
    sent = {
        "Cookie": cookie,
        **({} if method == "GET" else OWN),
        **{n.replace("_", "-"): v for n, v in headers.items()},
    }
    return browser.send(
        method, path, body, headers={name: value for name, value in sent.items() if value}
    )


def test_a_key_is_given_for_a_cookie_that_scripts_cannot_read_and_other_sites_do_not_send(
    browser: V1Client, services: Services, shop: Credentials
) -> None:
    reply = sign_in(browser, {"api_key": shop.api_key})
    assert re.fullmatch(
        r"regulars-8080=[A-Za-z0-9_-]{43}; Max-Age=43200; Path=/; HttpOnly; SameSite=Strict",
        reply.headers["set-cookie"],
    )
    assert reply.json == {
        "tenant": "shop",
        "display_name": "shop",
        "book": services.tenants.get_by_name("shop").book,
        "books": [services.tenants.get_by_name("shop").book_id],
        "key": "first",
        "member": None,
        "screen": False,
        "page": None,
        "role": "admin",
        "pictures": True,
        "time_zone": "Asia/Shanghai",
        "first_weekday": 0,
        "limits": {"requests_a_second": 1e6, "searches_a_second": 1e6},
        "version": VERSION,
        "trial": False,
        "begun_at": "2026-03-01T12:00:00.000Z",
        "expires_at": "2026-03-02T00:00:00.000Z",
    }
    assert shop.api_key not in reply.body
    assert with_cookie(browser, "GET", SESSION, cookie_of(reply)).json == reply.json


def test_by_https_the_cookie_is_secure_and_of_this_host_only(
    browser: V1Client, services: Services, shop: Credentials
) -> None:
    reply = sign_in(browser, {"api_key": shop.api_key}, **{"X-Forwarded-Proto": "https"})
    assert re.fullmatch(
        r"__Host-regulars-8080=[^;]{43}; .*; Path=/; .*; Secure", reply.headers["set-cookie"]
    )
    by_https = {"X_Forwarded_Proto": "https"}
    assert with_cookie(browser, "GET", SESSION, cookie_of(reply), **by_https).status == 200
    plain = cookie_of(reply).removeprefix("__Host-")
    assert with_cookie(browser, "GET", SESSION, plain, **by_https).status == 401, (
        "a neighbour's site could set that one"
    )
    services.settings = replace(services.settings, public_url="https://box.example")
    assert "; Secure" in sign_in(browser, {"api_key": shop.api_key}).headers["set-cookie"]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"api_key": None},
        {"api_key": "rk_x", "code": "x"},
        {"api_key": 7},
        {"password": "x"},
        {"code": "x" * 101},
    ],
)
def test_a_sign_in_that_cannot_be_read_is_400(browser: V1Client, body: dict[str, Any]) -> None:
    assert browser.failed(400, "POST", SESSION, body)["code"] == "InvalidInput"


def test_two_services_at_two_ports_of_a_host_have_a_session_each(
    browser: V1Client, shop: Credentials
) -> None:
    """A browser sends the cookies of a host to all of its ports.

    A trial stands beside the service, at another one.
    """
    by_port = {
        port: cookie_of(
            browser.send(
                "POST", SESSION, {"api_key": shop.api_key}, headers={"Host": f"box:{port}"}
            )
        )
        for port in (8000, 8001)
    }
    names = {cookie.partition("=")[0] for cookie in by_port.values()}
    assert names == {"regulars-8000", "regulars-8001"}
    both = "; ".join(by_port.values())
    for port in by_port:
        assert with_cookie(browser, "GET", SESSION, both, Host=f"box:{port}").status == 200
        with_other = f"{by_port[port]}; regulars-1=none; regulars=none"
        assert with_cookie(browser, "GET", SESSION, with_other, Host=f"box:{port}").status == 200
    assert with_cookie(browser, "GET", SESSION, by_port[8001], Host="box:8000").status == 401
    former = cookie_of(
        browser.send("POST", SESSION, {"api_key": shop.api_key}, headers={"Host": "box"})
    )
    assert former.startswith("regulars=")
    assert with_cookie(browser, "GET", SESSION, former, Host="box:8000").status == 401


@pytest.mark.parametrize("act", ["sign in", "sign out"])
def test_by_https_a_session_of_before_ends_that_would_go_by_http_too(
    browser: V1Client, shop: Credentials, act: str
) -> None:
    """Somebody who signed in before the proxy had https, or before it was trusted."""
    body, by_https = {"api_key": shop.api_key}, {"X-Forwarded-Proto": "https"}
    secure = cookie_of(sign_in(browser, body, **by_https))
    plain, at_other_port = (
        cookie_of(browser.send("POST", SESSION, body, headers={"Host": f"box:{port}"}))
        for port in (8080, 8081)
    )
    sent = f"{secure}; {plain}; {plain}; {at_other_port}"
    reply = (
        sign_in(browser, body, Cookie=sent, **by_https)
        if act == "sign in"
        else with_cookie(browser, "DELETE", SESSION, sent, X_Forwarded_Proto="https")
    )
    assert reply.status in (201, 204)
    deleted = "regulars-8080=; Max-Age=0; Path=/; HttpOnly; SameSite=Strict"
    assert deleted in reply.headers["set-cookie"]
    assert with_cookie(browser, "GET", SESSION, plain).status == 401
    assert with_cookie(browser, "GET", SESSION, at_other_port, Host="box:8081").status == 200


def test_signing_out_ends_the_session_and_deletes_the_cookie(
    browser: V1Client, cookie: str
) -> None:
    reply = with_cookie(browser, "DELETE", SESSION, cookie)
    assert reply.status == 204
    assert (
        reply.headers["set-cookie"]
        == "regulars-8080=; Max-Age=0; Path=/; HttpOnly; SameSite=Strict"
    )
    assert with_cookie(browser, "GET", SESSION, cookie).status == 401


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec_Fetch_Site": ""},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
        {"Sec_Fetch_Site": "none"},
        {"Sec_Fetch_Site": "cross-site", "Origin": f"http://{HOST}"},
        {"Sec_Fetch_Site": "", "Origin": "https://evil.example"},
        {"Sec_Fetch_Site": "", "Origin": "null"},
        {"Sec_Fetch_Site": "", "Origin": "http://[::1"},
        {"Sec_Fetch_Site": "", "Origin": f"http://{HOST}.evil.example"},
        {"Sec_Fetch_Site": "", "Origin": f"http://evil.example/{HOST}"},
        {"Sec_Fetch_Site": "", "Origin": f"http://x@{HOST}:1"},
        {"Sec_Fetch_Site": "", "Referer": f"http://{HOST}/console"},
        {"Sec_Fetch_Site": "", "Origin": f"http://{HOST.partition(':')[0]}:1"},
    ],
)
@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", KEYS, {"name": "mine"}),
        ("PATCH", f"{KEYS}/x", {"name": "y"}),
        ("DELETE", f"{KEYS}/x", None),
    ],
)
def test_another_sites_page_writes_nothing_with_the_cookie(
    browser: V1Client,
    services: Services,
    cookie: str,
    headers: dict[str, str],
    method: str,
    path: str,
    body: Any,
) -> None:
    reply = with_cookie(browser, method, path, cookie, body, **headers)
    assert (reply.status, reply.json["code"]) == (403, "NotAllowed")
    assert "page of this host" in reply.json["detail"]
    assert len(services.access.keys.list_all(services.tenants.get_by_name("shop"))) == 1


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"]
)
def test_a_form_of_html_writes_nothing_with_the_cookie(
    browser: V1Client, services: Services, cookie: str, content_type: str
) -> None:
    for method, path in (("POST", KEYS), ("DELETE", f"{KEYS}/first")):
        headers = {"Cookie": cookie, "Sec-Fetch-Site": "same-origin", "Content-Type": content_type}
        reply = browser.send(
            method, path, b'{"name": "mine"}' if method == "POST" else None, headers=headers
        )
        assert (reply.status, reply.json["code"]) == (415, "UnsupportedMediaType")
    assert len(services.access.keys.list_all(services.tenants.get_by_name("shop"))) == 1


def test_what_has_no_body_needs_no_content_type_with_the_cookie(
    browser: V1Client, services: Services, v1: V1Client, cookie: str
) -> None:
    made = v1.done("POST", KEYS, {"name": "Ann"})
    alone = {"Cookie": cookie, "Sec-Fetch-Site": "same-origin"}
    path = f"{KEYS}/{made['id']}"
    for sent in ({"Cookie": cookie}, {**alone, "Sec-Fetch-Site": "cross-site"}):
        assert browser.send("POST", f"{path}/renew", headers=sent).status == 403
        assert browser.send("DELETE", path, headers=sent).status == 403
    assert (
        browser.send("POST", KEYS, b'{"name": "Ben"}', headers={**alone, "Content-Type": ""}).status
        == 415
    )
    assert len(services.access.keys.list_all(services.tenants.get_by_name("shop"))) == 2
    assert browser.send("POST", f"{path}/renew", headers=alone).status == 200
    assert browser.send("DELETE", path, headers=alone).status == 204


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Sec_Fetch_Site": "", "Origin": f"http://{HOST}"},
        {"Sec_Fetch_Site": "", "Origin": f"https://{HOST.upper()}"},
    ],
)
def test_a_page_of_this_host_writes(
    browser: V1Client, cookie: str, headers: dict[str, str]
) -> None:
    assert with_cookie(browser, "POST", KEYS, cookie, {"name": "Ann"}, **headers).status == 201


def test_behind_a_proxy_the_public_url_is_this_host_too(
    browser: V1Client, services: Services, shop: Credentials
) -> None:
    services.settings = replace(services.settings, public_url="https://box.example")
    cookie = cookie_of(sign_in(browser, {"api_key": shop.api_key}))
    for origin, status in (("https://box.example", 201), ("https://evil.example", 403)):
        headers = {"Sec_Fetch_Site": "", "Origin": origin}
        assert (
            with_cookie(browser, "POST", KEYS, cookie, {"name": "Ann"}, **headers).status == status
        )


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
    ],
)
def test_another_sites_page_signs_nobody_in(
    browser: V1Client, shop: Credentials, headers: Mapping[str, str]
) -> None:
    reply = sign_in(browser, {"api_key": shop.api_key}, **headers)
    assert (reply.status, "set-cookie" in reply.headers) == (403, False)


def test_a_key_beside_a_cookie_counts_and_needs_no_page(
    browser: V1Client, v1: V1Client, cookie: str
) -> None:
    ann = v1.with_key(v1.done("POST", KEYS, {"name": "Ann"})["api_key"])
    assert ann.send("GET", SESSION, headers={"Cookie": cookie}).json["role"] == "viewer"
    assert (
        v1.send("POST", KEYS, {"name": "Ben"}, headers={"Sec-Fetch-Site": "cross-site"}).status
        == 201
    )
    wrong = {"Authorization": "Bearer rk_" + "0" * 32, "Cookie": cookie}
    assert browser.send("GET", SESSION, headers=wrong).status == 401, (
        "a wrong key is not made good by a cookie"
    )


@pytest.mark.parametrize(
    "sent",
    [
        "regulars-8080=",
        "regulars-8080=x",
        "regulars-8080=" + "A" * 43,
        "regulars-8080=" + "A" * 4000,
        "Regulars-8080={}",
        "xregulars-8080={}",
        "__Host-regulars-8080={}",
        "regulars-8080={}; regulars-8080={}",
        "regulars-8080=x; regulars-8080={}",
        "regulars-8080={}, a=b",
        'regulars-8080="{}"',
        "regulars-8080={}\xff",
    ],
)
def test_a_cookie_that_is_no_sessions_or_came_twice_is_refused(
    browser: V1Client, cookie: str, sent: str
) -> None:
    token = cookie.partition("=")[2]
    reply = browser.send("GET", SESSION, headers={"Cookie": sent.replace("{}", token)})
    assert (reply.status, reply.json["code"]) == (401, "WrongCredentials")


def test_a_cookie_that_was_there_before_the_sign_in_means_nothing_after_it(
    browser: V1Client, shop: Credentials
) -> None:
    fixed = "A" * 43
    reply = sign_in(browser, {"api_key": shop.api_key}, Cookie=f"regulars-8080={fixed}")
    assert fixed not in cookie_of(reply)
    assert with_cookie(browser, "GET", SESSION, f"regulars-8080={fixed}").status == 401


def test_ten_wrong_sign_ins_a_minute_are_answered_and_right_ones_always(
    browser: V1Client, services: Services, shop: Credentials
) -> None:
    now = 1000.0
    services.access.rates = Rates(100, 10, lambda: now)
    for _ in range(30):
        assert sign_in(browser, {"api_key": shop.api_key}).status == 201
    wrong = [{"api_key": "rk_" + "0" * 32}, {"code": "A" * 43}] * 6
    assert [sign_in(browser, body).status for body in wrong] == [401] * 10 + [429] * 2
    assert sign_in(browser, {"api_key": shop.api_key}).status == 201
    reply = sign_in(browser, wrong[0])
    assert (reply.status, reply.headers["retry-after"], reply.json["code"]) == (
        429,
        "6",
        "TooManyRequests",
    )
    assert reply.headers["ratelimit-policy"] == '"sign-ins";q=10;w=60'
    now += 6
    assert [sign_in(browser, body).status for body in wrong[:2]] == [401, 429]
    for _ in range(300):
        sign_in(browser, wrong[0])
    assert sign_in(browser, {"api_key": shop.api_key}).status == 201, (
        "wrong ones use up nothing of theirs"
    )


class Counting:
    """The calls to storage that a request makes."""

    def __init__(self, items: Any) -> None:
        self._items = items
        self.calls: list[str] = []

    def __getattr__(self, name: str) -> Any:
        self.calls.append(name)
        return getattr(self._items, name)


def test_how_much_of_a_key_is_right_changes_nothing_in_how_it_is_looked_up(
    services: Services, shop: Credentials
) -> None:
    counted = Counting(services.ports.storage.items)
    services.items = counted
    looked: dict[int, list[str]] = {}
    for right in range(32):
        key = shop.api_key[: 3 + right] + "".join(
            "1" if c == "0" else "0" for c in shop.api_key[3 + right :]
        )
        counted.calls.clear()
        assert services.access.keys.find_by_api_key(key) is None
        looked[right] = list(counted.calls)
    assert set(map(tuple, looked.values())) == {("get",)}
