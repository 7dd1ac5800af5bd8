"""The pictures of README, of a shop of drawn people: `make pictures` keeps them, other runs only
look at the pages."""

import io
import os
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from chalicelib.book.vision.packs import packs
from regulars.demo.shop import NAMES, fill_shop
from regulars.serve import service
from regulars.tenants import credentials
from tests.console.conftest import Book, settle, visiting
from tests.support.noon import zone_at_noon

WANTED = os.environ.get("CONSOLE_PICTURES")
"""Folder for the pictures."""

SIZE = {"width": 1280, "height": 800}
QUALITY = 84


@pytest.fixture(scope="module")
def book(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Book]:
    with service.run_service(tmp_path_factory.mktemp("pictures")) as running:
        key = credentials.read_credentials(running.data)["shop"].api_key
        book = Book(running.url, running.data, key, key)
        with book.client() as client:
            client.change_settings(time_zone=zone_at_noon())
        fill_shop(running.data, "shop", packs.find(None), datetime.now(UTC))
        yield book


@pytest.fixture
def page(book: Book, browser: Browser) -> Iterator[Page]:
    with visiting(browser, book, None, viewport=SIZE, reduced_motion="reduce") as visitor:
        yield visitor.open()


def shot(page: Page, name: str) -> None:
    settle(page)
    if WANTED:
        page.wait_for_timeout(1000)  # what has come is drawn a moment later
        picture = Image.open(io.BytesIO(page.screenshot()))
        picture.save(Path(WANTED) / f"{name}.webp", quality=QUALITY, method=6)


def test_the_pages_that_readme_shows_have_people_with_names_and_faces(page: Page) -> None:
    row = page.locator(".visit").filter(has_text="Ella Strong")
    expect(row.get_by_role("img", name=re.compile("Portrait|As the camera saw it"))).to_have_count(
        2
    )
    expect(row).to_contain_text("visit")
    shot(page, "visits")
    for name, shown in (
        ("review", page.get_by_role("heading", name="A new regular: who is it?")),
        ("people", page.get_by_role("gridcell", name=NAMES[-1])),
        ("traffic", page.get_by_text(re.compile(r"^\d+ visits$")).first),
    ):
        page.evaluate("name => { location.hash = name }", name)
        expect(shown).to_be_visible()
        shot(page, name)
