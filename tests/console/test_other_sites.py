"""Pages of another site, in a browser of a machine from which calls need no key, or that is signed
in."""

import contextlib
import functools
import http.server
import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext

from regulars.cli import main
from regulars.serve import service
from regulars.serve.service import Service
from regulars.tenants import credentials
from testing.second_try import second_try
from tests.support.pictures.photos import FOLDER, PORTRAIT

pytest_itemcollected = second_try("chromium")

FACE = "/v1/vision/face"
PLAIN: dict[str, Any] = {"mode": "no-cors"}
ASK = """
async ([url, fields, options]) => {
  const body = new FormData();
  for (const [name, value] of Object.entries(fields)) body.append(name, value);
  if (options.photo) body.append("image", await (await fetch(options.photo)).blob(), "a.jpg");
  try { return await (await fetch(url, { method: "POST", body, ...options })).text(); }
  catch (error) { return ""; }
}
"""
FORM = """
([url, name]) => {
  const form = Object.assign(document.createElement("form"), { method: "post", action: url });
  form.append(Object.assign(document.createElement("input"), { name: "userid", value: name }));
  document.body.append(form);
  form.submit();
}
"""


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_said: object) -> None:
        """Say nothing."""


@contextlib.contextmanager
def site() -> Iterator[int]:
    """Serve the photos as another site would, and give the port."""
    with http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Quiet, directory=str(FOLDER))
    ) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def box(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Serve a book whose tenant's DeepStack clients on this machine need no key."""
    assert chromium
    data = tmp_path_factory.mktemp("keyless")
    with pytest.MonkeyPatch.context() as patch:  # read at the start alone
        patch.setenv("REGULARS_DEEPSTACK_TENANT", "shop")
        patch.setenv("REGULARS_DEEPSTACK_NETWORKS", "127.0.0.0/8")
        with service.run_service(data) as running:
            args = [
                "tenants",
                "keys",
                "add",
                "shop",
                "Viseron",
                "--for",
                "deepstack",
                "--group",
                "regular",
            ]
            assert main([*args, "--data", str(data)]) == 0
            for name in ("Ann", "Bob"):
                assert call(running, "register", {"userid": name}, photo=True)["success"]
            yield running


@pytest.fixture(scope="module")
def context(browser: Browser, chromium: str, box: Service) -> Iterator[BrowserContext]:
    """Give a browser in which somebody is signed in, and for which evil.test is this machine."""
    args = ["--no-sandbox", "--host-resolver-rules=MAP evil.test 127.0.0.1"]
    launched = browser.browser_type.launch(executable_path=chromium, args=args)
    signed_in = launched.new_context()
    key = credentials.read_credentials(box.data)["shop"].api_key
    assert signed_in.request.post(f"{box.url}/v1/session", data={"api_key": key}).status == 201
    yield signed_in
    launched.close()


def call(box: Service, path: str, fields: dict[str, str], *, photo: bool = False) -> dict[str, Any]:
    """Call as a client of this machine does that has no key."""
    files = {"image": (FOLDER / PORTRAIT).read_bytes()} if photo else None
    answer = httpx.post(f"{box.url}{FACE}/{path}", data=fields, files=files, timeout=60)
    return dict(answer.json())


def state(box: Service) -> tuple[list[str], list[str]]:
    key = credentials.read_credentials(box.data)["shop"].api_key
    groups = httpx.get(f"{box.url}/v1/groups", headers={"Authorization": f"Bearer {key}"}).json()
    return call(box, "list", {})["faces"], [one["name"] for one in groups["groups"]]


def test_pages_of_another_site_read_nothing_and_change_nothing(
    box: Service, context: BrowserContext
) -> None:
    before = state(box)
    assert before[0] == ["Ann", "Bob"]
    read = []
    with site() as port:
        for at in (
            f"http://evil.test:{port}",
            f"http://127.0.0.1:{port}",
            f"http://localhost:{port}",
        ):
            for options in (
                {},
                PLAIN,
                {**PLAIN, "referrerPolicy": "no-referrer"},
                {"credentials": "include"},
            ):
                page = context.new_page()
                page.goto(f"{at}/{PORTRAIT}")
                photo = {**options, "photo": f"{at}/{PORTRAIT}"}
                read += [
                    page.evaluate(ASK, [f"{box.url}{FACE}/delete", {"userid": "Ann"}, options]),
                    page.evaluate(ASK, [f"{box.url}{FACE}/register", {"userid": "Manager"}, photo]),
                    page.evaluate(ASK, [f"{box.url}{FACE}/list", {}, options]),
                    page.evaluate(ASK, [f"{box.url}/v1/groups", {"name": "evil"}, options]),
                ]
                page.evaluate(FORM, [f"{box.url}{FACE}/delete", "Bob"])
                page.wait_for_url(f"{box.url}/**")
                page.close()
    assert (set(read), state(box)) == ({""}, before)


def test_a_name_of_another_site_that_points_here_reads_nothing_and_changes_nothing(
    box: Service, context: BrowserContext
) -> None:
    before = state(box)
    page = context.new_page()
    page.goto(f"http://evil.test:{urlsplit(box.url).port}/console")
    for path, fields in (("list", {}), ("delete", {"userid": "Ann"}), ("recognize", {})):
        told = page.evaluate(ASK, [f"{FACE}/{path}", fields, {}])
        assert ('"success":false' in told, "Ann" in told) == (True, False), told
    assert "evil.test" not in told
    assert state(box) == before
