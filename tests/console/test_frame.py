"""The frame around every page: on a phone the sections that have no room stand behind "More"."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.console.conftest import PHONE, TOUCH, Book, shoot, visiting
from tests.console.test_flows import assert_accessible

MOST = 5


@pytest.fixture
def phone(book: Book, browser: Browser):
    with visiting(browser, book, None, **TOUCH) as visitor:
        yield visitor.open()


def test_a_phone_shows_five_sections_of_which_the_last_leads_to_the_rest(phone: Page) -> None:
    sections = phone.get_by_role("navigation", name="Sections")
    shown = sections.locator("> a:visible, > button:visible")
    expect(shown).to_have_count(MOST)
    more = sections.get_by_role("button", name="More")
    more.tap()
    last = sections.locator("[popover] a").last
    expect(last).to_be_visible()
    assert_accessible(phone)
    shoot(phone, "more")
    target = last.get_attribute("href")
    phone.set_viewport_size(PHONE)
    last.tap()
    expect(phone.get_by_role("heading", level=1)).to_be_visible()
    assert phone.url.endswith(str(target))
    expect(last).to_be_hidden()
    expect(more).to_have_attribute("aria-current", "true")


def test_more_is_opened_walked_and_left_by_keys(phone: Page) -> None:
    more = phone.get_by_role("button", name="More")
    more.focus()
    phone.keyboard.press("Enter")
    rest = phone.get_by_role("navigation").locator("[popover] a")
    expect(rest.first).to_be_focused()
    phone.keyboard.press("ArrowDown")
    expect(rest.nth(1)).to_be_focused()
    phone.keyboard.press("ArrowUp")
    phone.keyboard.press("ArrowUp")
    expect(rest.last).to_be_focused()
    phone.keyboard.press("Escape")
    expect(more).to_be_focused()
    expect(rest.first).to_be_hidden()
