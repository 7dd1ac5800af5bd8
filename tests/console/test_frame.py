"""The frame around every page: on a phone the sections that have no room stand behind "More"."""

import re

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.console.conftest import (
    PHONE,
    SLOW_TO_GO_BACK,
    TOUCH,
    Book,
    becomes,
    heading,
    shoot,
    visiting,
)
from tests.console.looks import assert_accessible, looked_at

MOST = 5


@pytest.fixture
def phone(book: Book, browser: Browser):
    with visiting(browser, book, None, **TOUCH) as visitor:
        yield visitor.open()


def test_a_phone_shows_five_sections_of_which_the_last_leads_to_the_rest(phone: Page) -> None:
    heading(phone, "Visits")
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


def test_a_long_name_of_the_shop_takes_one_line_of_a_phone(phone: Page, book: Book) -> None:
    with book.client() as client:
        client.change_settings(display_name="Zweigstelle Ludwigshafen am Rhein 12")
        phone.reload()
        shop = phone.locator(".who strong")
        expect(shop).to_have_text("Zweigstelle Ludwigshafen am Rhein 12")
        box = shop.bounding_box()
        client.change_settings(display_name="")
    assert box
    assert box["height"] < 30


def test_more_is_opened_walked_and_left_by_keys(phone: Page) -> None:
    more = phone.get_by_role("button", name="More")
    expect(more).to_be_visible()
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


def test_back_closes_a_dialog_and_the_page_stays(book: Book, browser: Browser) -> None:
    with visiting(browser, book, None) as visitor:
        page = visitor.open("#/people")
        expect(page.get_by_role("gridcell").first).to_be_visible()
        dialog = page.get_by_role("dialog")
        for leave in (page.go_back, lambda: page.keyboard.press("Escape")):
            page.keyboard.press("/")
            page.get_by_label("Name or id").fill("nobody")
            becomes(page, lambda: page.evaluate("history.state?.dialog"))
            leave()
            expect(dialog).to_have_count(0)
            becomes(page, lambda: not page.evaluate("history.state?.dialog"))
            assert page.url.endswith("#/people")
        page.keyboard.press("/")
        page.get_by_label("Name or id").fill("Ann")
        expect(page.get_by_role("option", name="Ann Lee")).to_be_visible()
        assert_accessible(page)
        page.keyboard.press("Enter")
        expect(page).to_have_url(re.compile("#/person/"))
        expect(page.get_by_role("heading", name="Photos")).to_be_visible()
        page.go_back()
        expect(page.get_by_role("gridcell").first).to_be_visible()
        assert page.url.endswith("#/people")
        page.go_back()
        expect(page).to_have_url("about:blank")


def test_a_dialog_that_opens_while_the_browser_goes_back_from_the_last_one_stays(
    book: Book, browser: Browser
) -> None:
    with visiting(browser, book, None) as visitor:
        visitor.context.add_init_script(SLOW_TO_GO_BACK)
        page = visitor.open("#/people")
        expect(page.get_by_role("gridcell").first).to_be_visible()
        page.keyboard.press("/")
        becomes(page, lambda: page.evaluate("history.state?.dialog"))
        page.keyboard.press("Escape")
        becomes(page, lambda: page.evaluate("timesBack"))
        page.keyboard.press("/")
        becomes(page, lambda: page.evaluate("globalThis.isBack"))
        becomes(page, lambda: page.evaluate("history.state?.dialog"))
        expect(page.get_by_label("Name or id")).to_be_visible()


def test_a_failing_service_is_told_once_and_asked_again_by_itself(
    book: Book, browser: Browser
) -> None:
    with visiting(browser, book, None) as visitor:
        page = visitor.open("#/people")
        expect(page.get_by_role("gridcell").first).to_be_visible()
        page.clock.install()
        answer = (
            '{"code": "Overloaded", "detail": "the service is overloaded", "request_id": "an-id"}'
        )
        page.route(
            "**/v1/*",
            lambda route: route.fulfill(status=503, body=answer, content_type="application/json"),
        )
        alert = page.get_by_role("alert")
        page.get_by_role("link", name="Connections", exact=True).click()
        expect(page.get_by_role("heading", name="Connections")).to_be_visible()
        expect(alert).to_contain_text("Trying again in")
        page.unroute("**/v1/*")
        page.clock.run_for(9000)
        expect(alert).to_have_count(0)
        page.route(
            "**/v1/*",
            lambda route: route.fulfill(status=503, body=answer, content_type="application/json"),
        )
        page.get_by_role("link", name="Settings", exact=True).click()
        expect(alert).to_have_count(1)
        expect(page.get_by_text("Details")).to_have_count(1)
        page.get_by_text("Details").click()
        expect(page.get_by_text("an-id")).to_be_visible()
        page.clock.run_for(9000)
        # longer than the 8 s before
        expect(alert).to_contain_text(re.compile("Trying again in (9|[1-3][0-9]) s"))
        expect(page.get_by_text("an-id")).to_be_visible()
        looked_at(page, "failing")
        visitor.forgive("503")
