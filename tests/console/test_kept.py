"""A place is kept: "back" leads to where somebody was, and the focus comes back to a row."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.console.conftest import TOUCH, becomes, heading
from tests.console.pages import ready
from tests.console.portraits import Mall, Shop, mall
from tests.console.reviews import reviewing

SCROLLED_PX = 1_500
A_PAGE, SEVERAL_PAGES = 50, 110
"""Acts that Done shows at first, and changes that fill more than two pages."""
NEAR_PX = 80
IN_SIGHT = """(selector) => [...document.querySelectorAll(selector)].find((one) => {
  const { top } = one.getBoundingClientRect();
  return top > 100 && top < 500;
}).click()"""
FOCUSED = "document.activeElement.closest('[data-id]')?.dataset.id ?? ''"


@pytest.fixture(scope="module")
def shops(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mall]:
    with mall(tmp_path_factory.mktemp("kept")) as made:
        yield made


@pytest.fixture(scope="module")
def shop(shops: Mall) -> Shop:
    """A shop with two hundred people, of whom sixty came today."""
    shop = shops.shop()
    shop.enrol(*(f"Person {number}" for number in range(160)))
    for number in range(60):
        shop.see(number, number / 1000, like=0.9)
    return shop


@pytest.fixture(scope="module")
def strangers(shops: Mall) -> Shop:
    return shops.shop().ask(strangers=3)


@pytest.mark.parametrize(
    ("address", "opens"), [("#/people", ".card"), ("#/visits", ".visit .title a")]
)
@pytest.mark.parametrize("view", [{}, TOUCH], ids=["desk", "phone"])
def test_back_leads_to_where_somebody_was(
    browser: Browser, shop: Shop, address: str, opens: str, view: dict[str, object]
) -> None:
    with reviewing(browser, shop, **view) as visitor:
        page = visitor.open(address)
        ready(page)
        becomes(page, lambda: scrolled(page, SCROLLED_PX))
        was = page.evaluate("scrollY")
        page.evaluate(IN_SIGHT, opens)
        expect(page.locator(".profile")).to_be_visible()
        becomes(page, lambda: page.evaluate("scrollY") == 0)
        page.go_back()
        becomes(page, lambda: abs(page.evaluate("scrollY") - was) < NEAR_PX)


def scrolled(page: Page, to_px: int) -> bool:
    page.evaluate("(y) => scrollTo(0, y)", to_px)
    found: bool = page.evaluate("(y) => scrollY >= y", to_px)
    return found


def test_a_new_page_begins_at_its_top_with_its_title(browser: Browser, shop: Shop) -> None:
    with reviewing(browser, shop) as visitor:
        page = visitor.open("#/people")
        ready(page)
        becomes(page, lambda: scrolled(page, SCROLLED_PX))
        page.evaluate(IN_SIGHT, ".card")
        expect(page.locator(".profile")).to_be_visible()
        assert page.evaluate("scrollY") == 0
        name = page.get_by_label("Name", exact=True).input_value()
        becomes(page, lambda: page.title() == f"{name} · Regulars")
        page.keyboard.press("b")
        becomes(page, lambda: name not in page.title())
        page.keyboard.press("b")
        page.keyboard.press("g")
        page.keyboard.press("t")
        heading(page, "Traffic")
        becomes(page, lambda: page.evaluate("document.activeElement.tagName") == "H1")


def test_after_naming_by_keys_the_focus_is_on_the_row(browser: Browser, shops: Mall) -> None:
    shop = shops.shop().ask(strangers=3)
    with reviewing(browser, shop) as visitor:
        page = visitor.open("#/visits")
        row = page.locator(".visit").first
        expect(row).to_be_visible()
        row.focus()
        first = row.get_attribute("data-id")
        page.keyboard.press("Tab")
        while page.evaluate("document.activeElement.textContent.trim()") != "Who is it?":
            page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        expect(page.get_by_role("dialog")).to_be_visible()
        page.keyboard.type("Key Board")
        expect(page.get_by_role("option", name="Key Board")).to_be_visible()
        page.keyboard.press("Enter")
        expect(row).to_contain_text("Key Board")
        becomes(page, lambda: page.evaluate(FOCUSED) == first)


OPEN = [
    ("#/visits", ".once > button", TOUCH),
    ("#/traffic", ".periods button:text-is('Table')", {}),
    ("#/settings", "details > summary", {}),
]
IS_OPEN = """(one) => one.getAttribute("aria-expanded") === "true"
  || one.getAttribute("aria-pressed") === "true" || Boolean(one.parentElement.open)"""


@pytest.mark.parametrize(("address", "opens", "view"), OPEN, ids=[one[1] for one in OPEN])
def test_what_was_open_is_open_for_who_comes_back_and_for_nobody_else(
    browser: Browser, strangers: Shop, address: str, opens: str, view: dict[str, object]
) -> None:
    with reviewing(browser, strangers, **view) as visitor:
        page = visitor.open(address)
        ready(page)
        row = page.locator(opens).first
        row.click()
        becomes(page, lambda: row.evaluate(IS_OPEN))
        page.evaluate("location.hash = '#/people'")
        heading(page, "People")
        page.go_back()
        ready(page)
        becomes(page, lambda: row.evaluate(IS_OPEN))
        page.evaluate("location.hash = '#/people'")
        heading(page, "People")
        page.evaluate(f"location.hash = '{address}'")
        ready(page)
        assert not row.evaluate(IS_OPEN)


def test_nothing_of_a_shop_is_there_for_who_signs_in_next(browser: Browser, shops: Mall) -> None:
    """Done keeps how many pages were open: what stands in them is read anew, by who reads."""
    shop, other = shops.shop(), shops.shop()
    shop.enrol("Ann Lee")
    with shop.book.client() as client:
        [ann] = client.list_faces(name="Ann Lee")
        for number in range(SEVERAL_PAGES):
            client.change_face(ann.id, note=f"secret note {number}")
    with reviewing(browser, shop) as visitor:
        page = visitor.open("#/done")
        page.get_by_role("button", name="Show more").click()
        acts = page.locator(".acts > li")
        becomes(page, lambda: acts.count() > A_PAGE)
        shown = acts.count()
        page.evaluate("location.hash = '#/people'")
        heading(page, "People")
        with shop.book.client() as client:
            client.change_face(ann.id, note="another note")
        page.go_back()
        becomes(page, lambda: acts.count() >= shown)
        expect(acts.first).to_contain_text("another note")
        ready(page)  # a page that is hidden still has no text
        numbers = re.findall(r"secret note (\d+)", page.locator(".acts").inner_text())
        least = min(map(int, numbers))
        assert {*map(int, numbers)} == {*range(least, SEVERAL_PAGES)}, "none lacks"

        page.evaluate("location.hash = '#/settings'")
        page.get_by_role("button", name="Sign out").click()
        page.get_by_role("button", name="Sign in with a key").click()
        page.get_by_label("Key", exact=True).fill(other.book.key)
        page.keyboard.press("Enter")
        expect(page.get_by_label("Key", exact=True)).to_have_count(0)
        ready(page)
        for _ in range(3):  # settings, and what the sign-in leads to, stand behind it
            if "#/done" not in page.url:
                page.go_back()
        assert "#/done" in page.url
        ready(page)
        expect(page.get_by_text("secret note")).to_have_count(0)
