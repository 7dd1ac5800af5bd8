"""A real service with real pictures in its book, and Debian's Chromium looking at its console."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct
from PIL import Image
from playwright.sync_api import (
    Browser,
    BrowserContext,
    Download,
    Page,
    Request,
    expect,
    sync_playwright,
)
from regulars_client import Regulars

from chalicelib.book.vision.packs import packs
from chalicelib.bootstrap import build
from chalicelib.settings import Settings
from regulars.cli import main
from regulars.demo.drawn_vision import DrawnVision
from regulars.demo.shop import enrol_drawn
from regulars.serve import service
from regulars.tenants import credentials
from testing.needs import needed
from testing.second_try import second_try
from tests.support.book.tenants import CHOICE
from tests.support.noon import zone_at_noon
from tests.support.pictures.photos import (
    CUT_OFF,
    FOLDER,
    GROUP,
    OTHER,
    OTHER_AGAIN,
    PAIRS,
    PORTRAIT_AGAIN,
)

pytest_itemcollected = second_try("chromium")


BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
"""The first has no windows at all, and takes half as long as the others without theirs."""
CHROMIUM = next((path for name in BROWSERS if (path := shutil.which(name))), "")
STRANGER, STRANGER_AGAIN = PAIRS[2]
SHOTS = os.environ.get("CONSOLE_SHOTS")
"""Folder for screenshots of the pages; none are made without."""

NAMES = (
    "Ann Lee",
    "Ben Okafor",
    "王芳",
    "",
    "Chloé Dubois",
    "Dmitri Volkov",
    "Ella <b>Strong</b>",
    "Farid Haddad",
    "Grace Kim",
    "",
    "Henrik Sørensen",
    "Ivy Nakamura",
)
"""Names of those who are enrolled. Two are real people, who come; the others are drawn."""
HOSTILE = NAMES[6]
"""A name that would be markup if anything took it for that."""
COME = (PORTRAIT_AGAIN, OTHER_AGAIN, STRANGER_AGAIN, CUT_OFF, STRANGER, OTHER)
"""Pictures of today, the first the longest ago; the stranger is a real person, too."""

DESK, PHONE = {"width": 1440, "height": 900}, {"width": 390, "height": 844}
TOUCH: dict[str, Any] = {"viewport": PHONE, "has_touch": True, "is_mobile": True}
QUICK_MS = 20_000.0
"""A bound for what is quick: only failures wait so long, and the machine may do other things."""

TRIES, TRY_MS = 400, 50

PRESS = """
(keys) => keys.forEach((key) => document.body.dispatchEvent(
  new KeyboardEvent("keydown", { key, bubbles: true })))
"""

TELL_VIOLATIONS = """
addEventListener("securitypolicyviolation", ({violatedDirective, blockedURI}) =>
  console.error(`policy: ${violatedDirective} ${blockedURI}`));
"""

SLOW_TO_GO_BACK = """
const back = history.back.bind(history);
globalThis.timesBack = 0;
history.back = () => { globalThis.timesBack += 1; setTimeout(back, 300); };
addEventListener("popstate", () => { globalThis.isBack = globalThis.timesBack > 0; });
"""
"""Script of a browser that goes back late, as on a busy machine, and counts how often a page asked
it to."""


class Book(Struct, frozen=True):
    url: str
    data: Path
    key: str
    empty_key: str
    """Of a tenant with nobody in its book."""

    def client(self) -> Regulars:
        return Regulars(self.url, api_key=self.key)


@pytest.fixture(scope="session")
def chromium() -> str:
    """Return the browser's path.

    Without one the flows are skipped; the gate installs it, so there they always run.
    """
    return CHROMIUM or needed(BROWSERS[0])


@pytest.fixture(scope="session")
def book(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Book]:
    """Serve a book: people enrolled, most of them seen by two cameras, and strangers."""
    with contextlib.ExitStack() as until_the_end:
        # read at the start alone: tests of other files come after it
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("REGULARS_HOOK_NETWORKS", "127.0.0.0/8")  # where the tests' receivers are
            running = until_the_end.enter_context(
                service.run_service(tmp_path_factory.mktemp("console"))
            )
        assert (
            main(["tenants", "add", "empty", "--strangers", "forget", "--data", str(running.data)])
            == 0
        )
        known = credentials.read_credentials(running.data)
        book = Book(running.url, running.data, known["shop"].api_key, known["empty"].api_key)
        with book.client() as client:
            fill(client, running.data)
        yield book


def taken_anew(path: Path) -> bytes:
    """Return the picture in other bytes: one that is enrolled is no sighting that can be another
    person's."""
    out = io.BytesIO()
    with Image.open(path) as image:
        image.save(out, "JPEG", quality=90)
    return out.getvalue()


def fill(client: Regulars, data: Path) -> None:
    now = datetime.now(UTC)
    client.change_settings(**CHOICE, time_zone=zone_at_noon())
    client.add_group(name="VIP", capacity=100)
    for camera, name in (("door", "Front door"), ("counter", "Counter")):
        client.add_camera(id=camera, name=name, labels={})
    groups = ["VIP" if index % 3 == 0 else "regular" for index in range(len(NAMES))]
    for (first, _), name, group in zip(PAIRS[:2], NAMES, groups, strict=False):
        client.enrol_face(picture=FOLDER / first, group=group, name=name)
    with contextlib.closing(
        build(Settings(storage=data), vision=lambda: DrawnVision(packs.read_pack()))
    ) as services:
        tenant = services.tenants.get_by_name("shop")
        for number, (name, group) in list(enumerate(zip(NAMES, groups, strict=True)))[2:]:
            enrol_drawn(services, tenant, number, name, group)
    for back, share in ((3, 2), (1, 3), (0, 1)):
        for index, picture in enumerate(COME[::share]):
            at = now - timedelta(days=back, seconds=60 * (len(COME) - index))
            camera = "counter" if index % 3 == 1 else "door"
            client.take_capture(picture=taken_anew(FOLDER / picture), camera=camera, captured_at=at)
    client.take_capture(
        picture=FOLDER / GROUP, camera="door", captured_at=now - timedelta(seconds=20)
    )
    end = datetime.now(UTC) + timedelta(seconds=60)
    while [*client.list_captures(state="stored")]:
        assert datetime.now(UTC) < end, "the captures were not resolved"


@pytest.fixture(scope="package")
def browser(chromium: str) -> Iterator[Browser]:
    """Start the browser for files in a row: while Playwright runs, tests of other folders cannot
    use asyncio."""
    expect.set_options(timeout=QUICK_MS)
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield launched
        launched.close()


class Visitor:
    """A browser's context that notes what no page of the console may do."""

    def __init__(self, context: BrowserContext, book: Book) -> None:
        self.context, self.book = context, book
        self.requests: list[Request] = []
        self.complaints: list[str] = []
        context.set_default_timeout(QUICK_MS)
        context.on("request", lambda request: self.requests.append(request))
        context.on("weberror", lambda error: self.complaints.append(str(error.error)))
        context.on(
            "console",
            lambda said: (
                self.complaints.append(f"{said.text} {said.location}")
                if said.type == "error"
                else None
            ),
        )
        context.add_init_script(TELL_VIOLATIONS)

    def open(self, path: str = "") -> Page:
        page = self.context.new_page()
        page.goto(f"{self.book.url}/console{path}")
        return page

    def sign_in(self, key: str | None = None) -> Visitor:
        answer = self.context.request.post(
            f"{self.book.url}/v1/session", data={"api_key": key or self.book.key}
        )
        assert answer.status == 201, answer.text()
        return self

    def forgive(self, *texts: str) -> None:
        """Forget complaints with such a text: Chromium tells every request that fails."""
        self.complaints[:] = [
            one for one in self.complaints if not any(text in one for text in texts)
        ]

    def check(self) -> None:
        """Assert that nothing went wrong, and that nobody else was asked anything."""
        foreign = [
            one.url
            for one in self.requests
            if not one.url.startswith((self.book.url, "blob:", "data:"))
        ]
        secrets = [one.url for one in self.requests if "rk_" in one.url or "code=" in one.url]
        assert (self.complaints, foreign, secrets) == ([], [], [])


@contextlib.contextmanager
def visiting(
    browser: Browser, book: Book, key: str | None = "", **context: Any
) -> Iterator[Visitor]:
    """Give a visitor in a context of its own, signed in by `key`; "": not yet; None: by the book's
    own."""
    visitor = Visitor(browser.new_context(**{"viewport": DESK, "locale": "en-GB", **context}), book)
    yield visitor if key == "" else visitor.sign_in(key)
    visitor.check()
    visitor.context.close()


@pytest.fixture
def visitor(book: Book, browser: Browser) -> Iterator[Visitor]:
    with visiting(browser, book) as visitor:
        yield visitor


@pytest.fixture
def page(visitor: Visitor) -> Page:
    """A page that is signed in, at its start."""
    return visitor.sign_in().open()


def press_pair(page: Page, first: str, second: str) -> None:
    """Press two keys that mean something together, at once: half a second later, the first would
    stand for itself."""
    page.evaluate(PRESS, [first, second])


def save_as(page: Page, kind: str) -> Download:
    """Save the page's table as CSV or XLSX, in any language."""
    button = page.locator("[popovertarget=saves]:not([popover] *)")
    choice = page.locator("#saves").get_by_text(kind)
    button.click()
    with page.expect_download() as begun:
        choice.click()
    expect(choice).to_be_hidden()
    return begun.value


def heading(page: Page, text: str) -> None:
    """Wait for the page of this title, and for its module, before which the title may stand
    alone."""
    expect(page.get_by_role("heading", level=1, name=text, exact=True)).to_be_visible()
    expect(page.locator(":is(.page.coming, .settling)")).to_have_count(0)


def becomes(page: Page, holds: Callable[[], object]) -> None:
    """Wait until something holds, of the book for example."""
    for _ in range(TRIES):
        if holds():
            return
        page.wait_for_timeout(TRY_MS)
    pytest.fail("it did not come to that")


def leave(page: Page) -> None:
    """Go away, as people do who do not wait for the eight seconds of "Undo"."""
    _without_dialogs(page)
    page.goto("about:blank")


def reload(page: Page) -> None:
    """Load the page again, once its dialogs are gone."""
    _without_dialogs(page)
    page.reload()


def _without_dialogs(page: Page) -> None:
    """Wait for the last dialog's place in the history: given back a moment after it closes, it ends
    what loads then."""
    becomes(
        page,
        lambda: page.evaluate("!history.state?.dialog && !document.querySelector('dialog[open]')"),
    )


def shoot(page: Page, name: str, *, whole: bool = False) -> None:
    """Take screenshots of what is shown: wide and on a phone, in the light and in the dark."""
    if SHOTS is None:
        return
    before = page.viewport_size or DESK
    for size, viewport in (("wide", DESK), ("phone", PHONE)):
        page.set_viewport_size(viewport)
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            page.wait_for_timeout(250)
            page.screenshot(path=Path(SHOTS) / f"{name}-{size}-{scheme}.png", full_page=whole)
    page.set_viewport_size(before)
    page.emulate_media(color_scheme="light")


@contextlib.contextmanager
def time_stands(page: Page) -> Iterator[None]:
    """Hold the page's clock, which is installed: "Undo" is there for eight seconds, and the machine
    may be slow."""
    page.clock.pause_at(datetime.fromtimestamp(page.evaluate("Date.now()") / 1000 + 1, UTC))
    yield
    page.clock.resume()


def settle(page: Page) -> None:
    """Wait until all pictures have come.

    Playwright's own wait would need eval, which the policy forbids.
    """
    for _ in range(200):
        if page.evaluate(
            "[...document.images].every((one) => one.complete || one.loading === 'lazy')"
        ):
            return
        page.wait_for_timeout(100)
    pytest.fail("some pictures did not come")
