"""The pictures of README and docs, of a shop of drawn people at a fixed time.

`make pictures` draws them, and writes down what their pages say. Other runs compare that: if a page
says something else, its picture is to be drawn anew. Pixels depend on the machine's fonts, so
nobody compares them.
"""

import io
import json
import os
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from chalicelib.book.vision.packs import packs
from regulars.demo.drawn_vision import DrawnVision
from regulars.demo.shop import NAMES, fill_shop
from tests.console.conftest import TRIES, TRY_MS, Book, settle, visiting
from tests.support.box.box import serving
from tests.support.box.session import ROOT
from tests.support.fakes import FakeClock

WANTED = os.environ.get("CONSOLE_PICTURES")
"""Folder for the pictures."""
SAID = ROOT / "docs/pictures/said.json"
NOW = datetime(2026, 11, 6, 15, 20, tzinfo=UTC)
"""A Friday, at twenty past four in the shop."""
ZONE = "Europe/Berlin"
SIZE = {"width": 1280, "height": 800}
QUALITY = 84
SCORE = re.compile(r"\b0\.\d\d\b")
"""Scores depend on the processor in their last digit."""
SHOWN = {
    "visits": lambda page: page.locator(".visit").filter(has_text="visit, previously"),
    "review": lambda page: page.get_by_role("heading", name="A new regular: who is it?"),
    "people": lambda page: page.get_by_role("gridcell", name=NAMES[0]),
    "traffic": lambda page: page.get_by_text("A typical week of the last 8"),
}
"""What each page has once it has all."""


@pytest.fixture(scope="module")
def book(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Book]:
    data, pack = tmp_path_factory.mktemp("pictures"), packs.read_pack()
    with serving(data, DrawnVision(pack), FakeClock(NOW)) as box:
        with box.client() as client:
            client.change_settings(time_zone=ZONE)
        fill_shop(data, "shop", pack, NOW)
        yield Book(box.url, data, box.key, box.key)


@pytest.fixture
def page(book: Book, browser: Browser) -> Iterator[Page]:
    zone = {"timezone_id": ZONE}
    with visiting(browser, book, None, viewport=SIZE, reduced_motion="reduce", **zone) as visitor:
        visitor.context.clock.set_fixed_time(NOW)
        yield visitor.open()


def draw(page: Page, name: str) -> None:
    """Keep a picture of the page."""
    assert WANTED
    page.wait_for_timeout(2000)  # what has come is drawn a moment later
    picture = Image.open(io.BytesIO(page.screenshot()))
    picture.save(Path(WANTED) / f"{name}.webp", quality=QUALITY, method=6)


def read_lines(page: Page) -> list[str]:
    text = SCORE.sub("0.00", page.locator("main").inner_text())
    return [line for line in text.splitlines() if line.strip()]


def test_the_pages_say_what_they_said_when_their_pictures_were_drawn(page: Page) -> None:
    said: dict[str, list[str]] = json.loads(SAID.read_text())
    for name, find in SHOWN.items():
        page.evaluate("name => { location.hash = name }", name)
        expect(find(page).first).to_be_visible()
        settle(page)
        if WANTED:
            draw(page, name)
            said[name] = read_lines(page)
        for _ in range(TRIES):  # what is further down may come later
            if (lines := read_lines(page)) == said[name]:
                break
            page.wait_for_timeout(TRY_MS)
        assert lines == said[name], "draw them anew: make pictures"
    if WANTED:
        SAID.write_text(json.dumps(said, ensure_ascii=False, indent=1) + "\n")
    first_camera = page.locator("aside .state").first
    page.evaluate("() => { location.hash = 'visits' }")
    expect(first_camera).to_have_text("Silent longer than usual")
    row = page.locator(".visit").filter(has_text="visit, previously").first
    expect(row.get_by_role("img", name=re.compile("Portrait|As the camera saw it"))).to_have_count(
        2
    )
