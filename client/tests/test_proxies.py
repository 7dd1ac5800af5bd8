"""The way to the service, through proxies that variables name."""

import re
from collections.abc import Iterator

import pytest
from regulars_client import ApiError, NoAnswer, NotConfigured, Regulars
from regulars_client.http import is_of_this_machine

from tests.support.web.answering import Service, answer, problem

DEAD = "http://someone:hush@127.0.0.1:9"
CAMERA_KEY = {"id": "door", "api_key": "ck_0"}
VARIABLES = ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY")


@pytest.fixture(autouse=True)
def _no_proxies_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*VARIABLES, "https_proxy", "HTTPS_PROXY", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def proxy() -> Iterator[tuple[Service, str]]:
    """A proxy that answers as the service would, and its URL."""
    service = Service(answer(CAMERA_KEY))
    with service.running() as url:
        yield service, url


def made(url: str) -> Regulars:
    return Regulars(url, api_key="rk_test", patience_s=0.001)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
@pytest.mark.parametrize("variable", VARIABLES)
def test_this_machine_is_asked_directly(
    host: str, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, DEAD)
    service = Service(answer(CAMERA_KEY))
    with service.running() as url, made(url.replace("127.0.0.1", host)) as regulars:
        regulars.renew_camera_key("door")
        regulars.fetched(f"{url}/signed.jpg")
    assert len(service.heads) == 2


@pytest.mark.parametrize(
    ("host", "is_here"),
    [
        *[
            (host, True)
            for host in ("127.0.0.1", "127.9.9.9", "::1", "localhost", "LOCALHOST.", "a.localhost")
        ],
        *[
            (host, False)
            for host in (
                "10.0.0.1",
                "128.0.0.1",
                "::2",
                "localhost.example",
                "notlocalhost",
                "box",
                "",
            )
        ],
    ],
)
def test_this_machine_is_known_by_its_name_or_address(host: str, is_here: bool) -> None:
    assert is_of_this_machine(host) == is_here


@pytest.mark.parametrize("variable", VARIABLES)
def test_other_machines_are_asked_through_the_proxy(
    variable: str, proxy: tuple[Service, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    service, url = proxy
    monkeypatch.setenv(variable, url)
    with made("http://faces.example") as regulars:
        regulars.renew_camera_key("door")
    assert service.heads[0].startswith("POST http://faces.example/v1/cameras/door/key HTTP/1.1")


@pytest.mark.parametrize("variable", VARIABLES)
def test_a_proxy_that_does_not_answer_is_named_by_its_variable_without_its_password(
    variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, DEAD)
    with made("http://faces.example") as regulars, pytest.raises(NoAnswer) as told:
        regulars.renew_camera_key("door")
    assert str(told.value) == (
        "http://faces.example/v1/cameras/door/key does not answer: Failed to establish a new "
        "connection: [Errno 111] Connection refused. It was asked through "
        f"{variable} (http://127.0.0.1:9): NO_PROXY=faces.example asks it directly"
    )


@pytest.mark.parametrize(
    "status", ["502 Bad Gateway", "503 Unavailable", "403 Forbidden", "407 Who are you"]
)
@pytest.mark.parametrize("url", ["http://faces.example", "https://faces.example"])
def test_what_a_proxy_refuses_is_not_said_of_the_service_alone(
    url: str, status: str, proxy: tuple[Service, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It answers in place of the service, or does not let through to it."""
    service, place = proxy
    service.answers = [answer("blocked", status=status)]
    monkeypatch.setenv("ALL_PROXY", place)
    with (
        made(url) as regulars,
        pytest.raises((ApiError, NoAnswer), match=re.escape(f"through ALL_PROXY ({place})")),
    ):
        regulars.renew_camera_key("door")


def test_what_the_service_says_itself_is_no_proxys(
    proxy: tuple[Service, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    service, url = proxy
    service.answers = [problem("404 Not Found", "CameraNotFound")]
    monkeypatch.setenv("http_proxy", url)
    with (
        made("http://faces.example") as regulars,
        pytest.raises(ApiError, match=r"^what was wrong$"),
    ):
        regulars.renew_camera_key("door")


def test_no_proxy_asks_directly(
    proxy: tuple[Service, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", proxy[1])
    monkeypatch.setenv("NO_PROXY", "other.invalid, faces.invalid")
    with made("http://faces.invalid") as regulars, pytest.raises(NoAnswer) as told:
        regulars.renew_camera_key("door")
    assert "PROXY" not in str(told.value)
    assert proxy[0].heads == []


@pytest.mark.parametrize(
    "url", ["ftp://proxy:21", "http://proxy:port", "socks5://user:hush@proxy:1080"]
)
def test_what_is_no_proxy_is_said_with_its_variable(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", url)
    with pytest.raises(NotConfigured, match=r"^HTTPS_PROXY: .* is no URL of an HTTP proxy") as told:
        made("https://faces.example")
    assert "hush" not in str(told.value)
