"""The public demo: strangers look at everything that a viewer sees, and nobody changes anything."""

import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_network
from itertools import count

import pytest
import requests
from msgspec import Struct

from chalicelib.api import dialects
from chalicelib.api.v1 import routes as v1
from chalicelib.auth.rate_limits import Rate
from chalicelib.auth.roles import Role
from regulars.serve.public import RATE, WORK, PublicSite
from regulars.serve.server import Front, open_listener
from tests.support.api.stage import make_stage
from tests.support.box.box import Box, serving
from tests.support.fakes import Person, picture

METHODS = ("HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
OPERATIONS = {(one.method, one.path): one for one in v1.OPERATIONS}
"""Of v1, by method and path."""
_addresses = count(1)


class Shown(Struct, frozen=True):
    """A box, and the URL by which strangers see it."""

    box: Box
    url: str

    def ask(
        self, method: str, path: str, *, address: str = "", **headers: str
    ) -> requests.Response:
        """Ask as somebody at an address of one's own."""
        sender = address or f"198.51.{next(_addresses) // 250}.{next(_addresses) % 250}"
        called = re.sub(r"\{\w+\}", "x", path)
        sent = {**headers, "X-Forwarded-For": sender}
        return requests.request(
            method, f"{self.url}{called}", headers=sent, timeout=60, allow_redirects=False
        )


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    with serving(tmp_path_factory.mktemp("public")) as box:
        with box.client() as client:
            client.enrol_face(picture=picture(Person(1)), group="regular", name="Ann Lee")
        yield box


@contextmanager
def showing(box: Box, rate: Rate, work: Rate) -> Iterator[Shown]:
    services, ended = box.services, threading.Event()
    _, key = services.access.keys.add(
        services.tenants.get_by_name("shop"), "everybody", Role.VIEWER
    )
    with open_listener("127.0.0.1", 0) as sock:
        # Who waits gets nothing back before this test has asked, however slow the machine is.
        slow_rates = (rate._replace(a_second=0.001), work._replace(a_second=0.001))
        site = PublicSite(make_stage(services).app, services, key, *slow_rates)
        front = Front(site, sock, proxies=[ip_network("127.0.0.0/8")])
        thread = threading.Thread(target=front.run, args=(ended,))
        thread.start()
        try:
            yield Shown(box, front.url)
        finally:
            ended.set()
            thread.join()


@pytest.fixture(scope="module")
def shown(box: Box) -> Iterator[Shown]:
    with showing(box, RATE, WORK._replace(burst=10**9)) as shown:
        yield shown


def routes() -> dict[str, set[str]]:
    """All paths of the program with their methods, those of signed URLs as well."""
    from app import app

    return {
        **{path: {*methods} for path, methods in app.routes.items()},
        "/pictures/shop/x": {"GET", "PUT"},
    }


def test_whatever_is_no_get_is_refused_on_every_path(shown: Shown) -> None:
    for path, own in routes().items():
        for method in sorted({*own, "POST", *(METHODS if path == "/v1/faces" else ())} - {"GET"}):
            answer = shown.ask(method, path, Authorization=f"Bearer {shown.box.key}")
            assert answer.status_code == 403, (method, path, answer.text)
            if method != "HEAD":
                assert "nobody may change anything" in answer.json()["detail"]


def test_every_get_of_v1_that_a_viewer_may_not_call_is_refused_whatever_key_comes_with_it(
    shown: Shown,
) -> None:
    for (method, path), operation in OPERATIONS.items():
        if method != "GET":
            continue
        answer = shown.ask(
            method, path, Authorization=f"Bearer {shown.box.key}", Cookie="regulars=x"
        )
        may = operation.role is None or Role.VIEWER.includes(operation.role)
        assert (answer.status_code == 403) is not may, (path, answer.text)
        assert answer.status_code < 500
        assert answer.status_code != 401


@pytest.mark.parametrize("body", [b"x" * 10**6, (b"x" for _ in range(3))], ids=["whole", "chunks"])
def test_what_comes_with_a_body_is_refused_by_its_head(
    shown: Shown, body: bytes | Iterator[bytes]
) -> None:
    answer = requests.get(f"{shown.url}/v1/faces", data=body, timeout=60)
    assert answer.status_code == 403
    assert "nobody may change anything" in answer.json()["detail"]


def test_no_search_engine_shows_any_answer(shown: Shown) -> None:
    assert shown.ask("GET", "/robots.txt").text == "User-agent: *\nDisallow: /\n"
    for method, path in (("GET", "/console"), ("GET", "/v1/faces"), ("POST", "/v1/faces")):
        assert shown.ask(method, path).headers["X-Robots-Tag"] == "noindex, nofollow"


def test_no_dialect_answers(shown: Shown) -> None:
    paths = [
        path
        for path, methods in routes().items()
        if "GET" in methods and dialects.find_owner(path) is not None
    ]
    assert {shown.ask("GET", path).status_code for path in paths if path != "/"} == {403}


def test_secrets_are_shown_to_nobody(shown: Shown) -> None:
    for path in ("/v1/keys", "/v1/members", "/v1/hooks", "/v1/audit"):
        answer = shown.ask("GET", path)
        assert answer.status_code == 403
        assert "viewer" in answer.json()["detail"]


def test_a_stranger_is_a_viewer_of_the_console_without_signing_in(shown: Shown) -> None:
    assert shown.ask("GET", "/v1/session").json()["role"] == "viewer"
    (face,) = shown.ask("GET", "/v1/faces").json()["faces"]
    assert face["name"] == "Ann Lee"
    thumbnail = requests.get(face["portrait"]["thumb_url"], timeout=60)
    assert thumbnail.status_code == 200
    assert shown.ask("GET", "/console").status_code == 200


def test_who_has_much_work_done_waits_and_nobody_else_does(box: Box) -> None:
    with showing(box, RATE, WORK._replace(burst=1)) as shown:
        statuses = [
            shown.ask("GET", "/v1/faces", address=f"203.0.113.{host}").status_code
            for host in (7, 7, 8)
        ]
    assert statuses == [200, 429, 200]


def test_who_asks_too_often_waits_and_nobody_else_does(shown: Shown) -> None:
    statuses = [
        shown.ask("GET", "/v1/session", address="203.0.113.9").status_code
        for _ in range(RATE.burst + 5)
    ]
    assert statuses == [200] * RATE.burst + [429] * 5
    assert shown.ask("GET", "/v1/session", address="203.0.113.200").status_code == 200
    assert shown.ask("GET", "/v1/session").status_code == 200


def test_it_takes_no_pictures_of_others() -> None:
    command = [sys.executable, "-m", "regulars", "demo", "--public", "--once"]
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    assert said.returncode == 2
    assert "leave out --photos and --once" in said.stderr
