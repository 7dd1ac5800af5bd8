"""The public demo: strangers look at everything that an editor sees, and change a copy of their
own, as far as that can be taken back."""

import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_network
from itertools import count
from pathlib import Path

import pytest
import requests
from msgspec import Struct
from msgspec.structs import replace

from chalicelib.api import dialects
from chalicelib.api.v1 import routes as v1
from chalicelib.auth.rate_limits import Rate
from chalicelib.auth.roles import Role
from chalicelib.bootstrap import build
from chalicelib.services import Services
from regulars.backup.backup import copy_folder
from regulars.serve.copies import LIMITS, Limits
from regulars.serve.public import MOST_BYTES, RATE, WORK, PublicSite, may_visitors_call
from regulars.serve.server import Front, open_listener
from tests.support.api.stage import make_stage
from tests.support.box.box import Box, serving
from tests.support.fakes import FakeVision, Person, picture
from tests.support.waiting import until

METHODS = ("HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
OPERATIONS = {(one.method, one.path): one for one in v1.OPERATIONS}
"""Of v1, by method and path."""
MARGIN = 500_000
"""Bytes that a copy may grow in the test of its bound."""
_addresses = count(1)


class Visitor:
    """Somebody with a browser of one's own, at an address of one's own, whose console has begun."""

    def __init__(self, url: str, address: str = "") -> None:
        self._url, self._session = url, requests.Session()
        number = next(_addresses)
        self._session.headers["X-Forwarded-For"] = (
            address or f"203.0.{number // 250}.{number % 250}"
        )
        self.ask("GET", "/v1/session")

    def ask(self, method: str, path: str, body: object = None) -> requests.Response:
        return self._session.request(method, f"{self._url}{path}", json=body, timeout=60)

    def rename(self, name: str) -> requests.Response:
        """Rename the only person of the shop."""
        (face,) = self.ask("GET", "/v1/faces").json()["faces"]
        return self.ask("PATCH", f"/v1/faces/{face['id']}", {"name": name})

    @property
    def name(self) -> str:
        """Name of the only person of the shop, as this visitor sees it."""
        (face,) = self.ask("GET", "/v1/faces").json()["faces"]
        return str(face["name"])


class Shown(Struct, frozen=True):
    """A box, the URL by which strangers see it, and the folder of their copies."""

    box: Box
    url: str
    copies: Path

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
def showing(
    box: Box, copies: Path, *, rate: Rate = RATE, work: Rate = WORK, limits: Limits = LIMITS
) -> Iterator[Shown]:
    services, ended = box.services, threading.Event()
    _, key = services.access.keys.add(
        services.tenants.get_by_name("shop"), "everybody", Role.OPERATOR
    )
    data = services.settings.storage
    assert isinstance(data, Path)

    def open_copy(to: Path) -> Services:
        copy_folder(data, to)
        return build(replace(services.settings, storage=to), vision=FakeVision)

    with open_listener("127.0.0.1", 0) as sock:
        # Who waits gets nothing back before this test has asked, however slow the machine is.
        rate, work = rate._replace(a_second=0.001), work._replace(a_second=0.001)
        app = make_stage(services).app
        site = PublicSite(
            app, services, key, copies, open_copy, rate=rate, work=work, limits=limits
        )
        front = Front(site, sock, proxies=[ip_network("127.0.0.0/8")])
        thread = threading.Thread(target=front.run, args=(ended,))
        thread.start()
        try:
            yield Shown(box, front.url, copies)
        finally:
            ended.set()
            thread.join()
    assert not [*copies.iterdir()]


@pytest.fixture(scope="module")
def shown(box: Box, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shown]:
    unlimited = WORK._replace(burst=10**9)
    with showing(box, tmp_path_factory.mktemp("copies"), work=unlimited) as shown:
        yield shown


def routes() -> dict[str, set[str]]:
    """All paths of the program with their methods, those of signed URLs as well."""
    from app import app

    return {
        **{path: {*methods} for path, methods in app.routes.items()},
        "/pictures/shop/x": {"GET", "PUT"},
    }


def test_whatever_changes_something_is_refused_but_what_can_be_taken_back(shown: Shown) -> None:
    for path, own in routes().items():
        for method in sorted({*own, "POST", *(METHODS if path == "/v1/faces" else ())} - {"GET"}):
            if may_visitors_call(OPERATIONS.get((method, path))):
                continue
            answer = shown.ask(method, path, Authorization=f"Bearer {shown.box.key}")
            assert answer.status_code == 403, (method, path, answer.text)
            if method != "HEAD":
                assert "nothing else" in answer.json()["detail"]
    assert not [*shown.copies.iterdir()], "what is refused makes no copy"


def test_visitors_may_do_what_can_be_taken_back() -> None:
    """Say here of a new operation that visitors may call it, or at the operation what it is."""
    allowed = {
        f"{method} {path}" for (method, path), one in OPERATIONS.items() if may_visitors_call(one)
    }
    assert allowed == {
        "PATCH /v1/faces/{id}",
        "POST /v1/faces/{id}/merge",
        "POST /v1/merges/{id}/undo",
        "POST /v1/duplicates/{id}/done",
        "POST /v1/faces/{id}/sightings/{sighting}/reject",
        "DELETE /v1/faces/{id}/rejections/{sighting}",
        "POST /v1/reviews/{id}/done",
        "POST /v1/done/{id}/undo",
        "PATCH /v1/groups/{id}",
        "PUT /v1/mute",
        "PUT /v1/places/{id}/inside",
        "PUT /v1/cameras/{id}/checks/{at}",
        "DELETE /v1/cameras/{id}/checks/{at}",
    }


def test_every_get_of_v1_that_an_editor_may_not_call_is_refused_whatever_key_comes_with_it(
    shown: Shown,
) -> None:
    for (method, path), operation in OPERATIONS.items():
        if method != "GET":
            continue
        answer = shown.ask(
            method, path, Authorization=f"Bearer {shown.box.key}", Cookie="regulars=x"
        )
        may = operation.role is None or Role.OPERATOR.includes(operation.role)
        assert (answer.status_code == 403) is not may, (path, answer.text)
        assert answer.status_code < 500
        assert answer.status_code != 401


@pytest.mark.parametrize("body", [b"x" * 10**6, (b"x" for _ in range(3))], ids=["whole", "chunks"])
def test_what_comes_with_a_body_is_refused_by_its_head(
    shown: Shown, body: bytes | Iterator[bytes]
) -> None:
    answer = requests.get(f"{shown.url}/v1/faces", data=body, timeout=60)
    assert answer.status_code == 403
    assert "nothing else" in answer.json()["detail"]


def test_a_long_correction_is_refused_by_its_head(shown: Shown) -> None:
    answer = Visitor(shown.url).ask("PATCH", "/v1/faces/x", {"name": "x" * MOST_BYTES})
    assert answer.status_code == 403


def test_a_correction_is_seen_by_its_visitor_alone_and_can_be_taken_back(shown: Shown) -> None:
    ann, ben, looking = (Visitor(shown.url) for _ in range(3))
    for visitor, name in ((ann, "Of Ann"), (ben, "Of Ben")):
        assert visitor.ask("GET", "/v1/session").json()["role"] == "operator"
        assert visitor.rename(name).status_code == 200
    assert [one.name for one in (ann, ben, looking)] == ["Of Ann", "Of Ben", "Ann Lee"]
    acts = ann.ask("GET", "/v1/done").json()["acts"]
    assert [(act["before"], act["after"]) for act in acts] == [
        ({"name": "Ann Lee"}, {"name": "Of Ann"})
    ]
    assert ann.ask("POST", f"/v1/done/{acts[0]['id']}/undo").status_code == 200
    assert [one.name for one in (ann, ben, looking)] == ["Ann Lee", "Of Ben", "Ann Lee"]


def test_two_corrections_at_once_go_to_one_copy(shown: Shown) -> None:
    visitor = Visitor(shown.url)
    before = len([*shown.copies.iterdir()])
    changes = [
        threading.Thread(target=visitor.rename, args=(name,)) for name in ("first", "second")
    ]
    for change in changes:
        change.start()
    for change in changes:
        change.join()
    assert len([*shown.copies.iterdir()]) == before + 1
    assert len(visitor.ask("GET", "/v1/done").json()["acts"]) == 2


def test_the_pictures_of_before_are_shown_in_the_copy(shown: Shown) -> None:
    visitor = Visitor(shown.url)
    (face,) = visitor.ask("GET", "/v1/faces").json()["faces"]
    visitor.rename("Another")
    path = face["portrait"]["thumb_url"].removeprefix(shown.url)
    assert visitor.ask("GET", path).status_code == 200


def test_when_all_copies_are_in_use_a_visitor_reads_and_is_told_why(
    box: Box, tmp_path: Path
) -> None:
    limits = replace(LIMITS, copies=1, of_address=LIMITS.of_address._replace(burst=1))
    with showing(box, tmp_path, limits=limits) as shown:
        first, second = Visitor(shown.url), Visitor(shown.url)
        assert first.rename("First").status_code == 200
        refused = second.rename("Second")
        assert (refused.status_code, second.name, first.name) == (403, "Ann Lee", "First")
        for again in (refused, second.rename("Second")):
            assert "all copies of this public demo (1)" in again.json()["detail"]


def test_the_copy_that_was_unused_for_longest_goes_first(box: Box, tmp_path: Path) -> None:
    with showing(box, tmp_path, limits=replace(LIMITS, copies=2, spared_s=0)) as shown:
        first, second, third = visitors = [Visitor(shown.url) for _ in range(3)]
        for visitor in (first, second):
            visitor.rename("Another")
        assert (first.name, third.rename("Another").status_code) == ("Another", 200)
        assert [one.name for one in visitors] == ["Another", "Ann Lee", "Another"]
        until(lambda: len([*tmp_path.iterdir()]) == 2)


def test_a_copy_forgets_itself(box: Box, tmp_path: Path) -> None:
    for limits in (replace(LIMITS, unused_s=0.2), replace(LIMITS, unused_s=0.2, kept_s=0.2)):
        with showing(box, tmp_path, limits=limits) as shown:
            visitor = Visitor(shown.url)
            assert visitor.rename("Another").status_code == 200
            until(lambda: not [*tmp_path.iterdir()])
            assert visitor.name == "Ann Lee"


def test_one_copy_and_one_address_have_their_limits(box: Box, tmp_path: Path) -> None:
    limits = replace(LIMITS, changes=2, of_address=LIMITS.of_address._replace(burst=2))
    with showing(box, tmp_path, limits=limits) as shown:
        visitor, *others = (Visitor(shown.url, "203.0.113.77") for _ in range(3))
        statuses = [visitor.rename(name).status_code for name in ("a", "b", "c")]
        assert (statuses, visitor.name) == ([200, 200, 403], "b")
        assert [other.rename("x").status_code for other in others] == [200, 429]


def test_a_copy_grows_to_its_bound_and_no_further(box: Box, tmp_path: Path) -> None:
    def count_bytes() -> int:
        files = [file.stat() for file in tmp_path.rglob("*") if file.is_file()]
        return sum(file.st_size for file in files if file.st_nlink == 1)

    with showing(box, tmp_path) as shown:
        Visitor(shown.url).rename("Another")
        made_bytes = count_bytes()
    bound = made_bytes + MARGIN
    with showing(box, tmp_path, limits=replace(LIMITS, bytes=bound)) as shown:
        visitor = Visitor(shown.url)
        (face,) = visitor.ask("GET", "/v1/faces").json()["faces"]
        for number in range(LIMITS.changes):
            note = f"{number}" + "看" * 480
            answer = visitor.ask("PATCH", f"/v1/faces/{face['id']}", {"note": note})
            if answer.status_code == 403:
                break
        assert (answer.status_code, number < LIMITS.changes - 1) == (403, True)
        assert made_bytes < count_bytes() < bound + MARGIN
        assert visitor.name == "Ann Lee"


def test_a_copy_takes_no_new_request_when_its_hour_is_over(box: Box, tmp_path: Path) -> None:
    ended = threading.Event()

    def ask_on(visitor: Visitor) -> None:
        while not ended.is_set():
            visitor.ask("GET", "/v1/faces")

    rate, work = RATE._replace(burst=10**6), WORK._replace(burst=10**9)
    limits = replace(LIMITS, kept_s=3)
    with showing(box, tmp_path, rate=rate, work=work, limits=limits) as shown:
        visitor = Visitor(shown.url)
        assert visitor.rename("Another").status_code == 200
        asking = [threading.Thread(target=ask_on, args=(visitor,)) for _ in range(3)]
        for thread in asking:
            thread.start()
        try:
            until(lambda: visitor.name == "Ann Lee")
            until(lambda: not [*tmp_path.iterdir()])
        finally:
            ended.set()
            for thread in asking:
                thread.join()


def test_who_had_too_many_copies_takes_nobody_elses(box: Box, tmp_path: Path) -> None:
    limits = replace(LIMITS, copies=1, spared_s=0, of_address=LIMITS.of_address._replace(burst=1))
    with showing(box, tmp_path, limits=limits) as shown:
        greedy, again = (Visitor(shown.url, "203.0.113.78") for _ in range(2))
        kind = Visitor(shown.url)
        assert (greedy.rename("x").status_code, kind.rename("Kind").status_code) == (200, 200)
        assert (again.rename("y").status_code, kind.name) == (429, "Kind")


def test_who_sends_no_cookie_corrects_nothing_and_gets_none_by_it(shown: Shown) -> None:
    """So it is for whoever blocks cookies, and for what pages of other sites have a browser
    send."""
    before = [*shown.copies.iterdir()]
    for path in ("/v1/reviews/x/done", "/v1/merges/x/undo", "/v1/done/x/undo"):
        answer = shown.ask("POST", path)
        assert answer.status_code == 403
        assert "cookie" in answer.json()["detail"]
        assert "Set-Cookie" not in answer.headers
    assert [*shown.copies.iterdir()] == before


@pytest.mark.parametrize(
    ("site", "is_given"),
    [("same-origin", True), ("none", False), ("same-site", False), ("cross-site", False)],
)
def test_a_page_of_another_site_replaces_nobodys_cookie(
    shown: Shown, site: str, is_given: bool
) -> None:
    answer = shown.ask("GET", "/v1/session", **{"Sec-Fetch-Site": site})
    assert ("Set-Cookie" in answer.headers) is is_given


def test_no_other_host_can_set_the_cookie_of_a_site_with_tls(shown: Shown) -> None:
    given = shown.ask("GET", "/v1/session", **{"X-Forwarded-Proto": "https"}).headers["Set-Cookie"]
    name, _, token = given.partition(";")[0].partition("=")
    assert name.startswith("__Host-")
    assert "; Secure" in given
    for sent, is_known in ((name, True), (name.removeprefix("__Host-"), False)):
        again = shown.ask(
            "GET", "/v1/session", **{"X-Forwarded-Proto": "https", "Cookie": f"{sent}={token}"}
        )
        assert ("Set-Cookie" in again.headers) is not is_known


def test_a_visitor_by_plain_http_has_a_cookie_that_browsers_keep(box: Box, tmp_path: Path) -> None:
    """Also where the public URL is https: a browser throws a `__Host-` cookie away that comes
    without TLS."""
    settings = box.services.settings
    box.services.settings = replace(settings, public_url="https://demo.example")
    try:
        with showing(box, tmp_path) as shown:
            given = shown.ask("GET", "/v1/session").headers["Set-Cookie"]
            assert not given.startswith("__Host-")
            assert "Secure" not in given
            cookie = given.partition(";")[0]
            assert "Set-Cookie" not in shown.ask("GET", "/v1/session", Cookie=cookie).headers
    finally:
        box.services.settings = settings


def test_a_shop_that_cannot_be_copied_is_still_read(box: Box, tmp_path: Path) -> None:
    copies = tmp_path / "copies"
    with showing(box, copies) as shown:
        visitor = Visitor(shown.url)
        assert (visitor.rename("Another").status_code, visitor.name) == (503, "Ann Lee")
        copies.mkdir()
        assert (visitor.rename("Another").status_code, visitor.name) == (200, "Another")


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
    for path in ("/v1/keys", "/v1/members", "/v1/hooks", "/v1/audit", "/v1/faces/x/everything"):
        answer = shown.ask("GET", path)
        assert answer.status_code == 403
        assert "operator" in answer.json()["detail"]


def test_a_stranger_is_an_editor_of_the_console_without_signing_in(shown: Shown) -> None:
    session = shown.ask("GET", "/v1/session")
    assert session.json()["role"] == "operator"
    assert "HttpOnly; SameSite=Strict" in session.headers["Set-Cookie"]
    assert "Set-Cookie" not in shown.ask("GET", "/v1/faces").headers
    (face,) = shown.ask("GET", "/v1/faces").json()["faces"]
    assert face["name"] == "Ann Lee"
    thumbnail = requests.get(face["portrait"]["thumb_url"], timeout=60)
    assert thumbnail.status_code == 200
    assert shown.ask("GET", "/console").status_code == 200


def test_who_has_much_work_done_waits_and_nobody_else_does(box: Box, tmp_path: Path) -> None:
    with showing(box, tmp_path, work=WORK._replace(burst=1)) as shown:
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
