"""An Arabic browser shows no English, and its pages run from right to left within the screen.

Numbers and days are in the digits and by the calendar that mails and saved files have. Time runs on
from left to right.
"""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.console.conftest import DESK, TOUCH, visiting
from tests.console.english import english_of, find_english
from tests.console.pages import ready
from tests.console.portraits import Shop, mall
from tests.support.examples import rest

pytestmark = rest

SIDEWAYS = """() => [document.documentElement, ...document.querySelectorAll("main")]
  .filter((one) => one.scrollWidth > one.clientWidth)
  .map((one) => `${one.localName}: ${one.scrollWidth} of ${one.clientWidth}`)"""

LEFT_OF = """([first, second]) => {
  const left = (one) => document.querySelector(one).getBoundingClientRect().left;
  return left(first) < left(second);
}"""

FOREIGN_DIGITS = """() =>
  (document.body.innerText.match(/[\\u0660-\\u0669\\u06f0-\\u06f9]/g) ?? []).length"""


@pytest.fixture(scope="module")
def shop(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A book with somebody on each page, in names that are no words of the console."""
    with mall(tmp_path_factory.mktemp("arabic")) as made:
        shop = made.shop().ask(names=("ليلى حداد", "Omar Aziz"), uncertain=2, strangers=2)
        with shop.book.client() as client:
            client.change_settings(language="ar")
            client.change_camera("door", name="باب")
        yield shop


def problems_of(page: Page) -> list[str]:
    ready(page)
    expect(page.locator("html")).to_have_attribute("lang", "ar")
    expect(page.locator("html")).to_have_attribute("dir", "rtl")
    digits = page.evaluate(FOREIGN_DIGITS)
    return [
        *english_of(page, "ar"),
        *page.evaluate(SIDEWAYS),
        *([f"{digits} digits are none of mails and files"] if digits else []),
    ]


def test_english_is_found_where_it_is() -> None:
    for text in ("Undo", "3 visits", "باب · 3 visits", "آخر إشارة 3 hours ago"):
        assert find_english(text, "ar"), text
    for text in ("تراجع", "3 زيارات", "زيارتان", "باب · 3 زيارات", "آخر إشارة قبل 3 ساعات"):
        assert not find_english(text, "ar"), text


@pytest.mark.parametrize("screen", [{"viewport": DESK}, TOUCH], ids=["desk", "phone"])
def test_pages_in_arabic_fit_the_screen_and_show_no_english(
    shop: Shop, browser: Browser, screen: dict[str, Any]
) -> None:
    with shop.book.client() as client:
        person = next(iter(client.list_faces(name="omar"))).id
    found = []
    with visiting(browser, shop.book, locale="ar-SA", **screen) as visitor:
        page = visitor.open()
        # the program's own name is the title of this page
        found += [f"sign-in: {one}" for one in problems_of(page) if one != "Regulars"]
        page.close()
        visitor.forgive("Failed to load resource")  # nobody is signed in yet
        visitor.sign_in(None)
        for address in ("visits", f"person/{person}", "traffic", "settings", "cameras"):
            page = visitor.open(f"#/{address}")
            found += [f"{address}: {one}" for one in problems_of(page)]
            if address == "visits" and screen.get("viewport") == DESK:
                hours = [f".day-hours button:nth-of-type({place})" for place in (1, 2)]
                assert page.evaluate(LEFT_OF, hours)
            page.close()
    assert not found, "\n".join(found)


def test_the_sections_stand_at_the_right_and_an_arrow_key_goes_where_it_points(
    shop: Shop, browser: Browser
) -> None:
    with visiting(browser, shop.book, None, locale="ar") as visitor:
        page = visitor.open("#/visits")
        ready(page)
        assert page.evaluate(LEFT_OF, ["main", ".rail"])
        page.goto(f"{shop.book.url}/console#/people")
        ready(page)
        cells = page.get_by_role("gridcell")
        expect(cells.first).to_be_visible()
        cells.first.focus()
        page.keyboard.press("ArrowLeft")
        expect(cells.nth(1)).to_be_focused()
        assert page.evaluate(LEFT_OF, ["[data-index='1']", "[data-index='0']"])
