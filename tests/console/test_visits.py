"""Visits, in one tab and in several: who comes is there at once, and one tab alone asks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.console.conftest import TOUCH, Visitor, becomes, heading, settle, shoot
from tests.console.portraits import Mall, Shop, mall
from tests.console.test_flows import assert_accessible
from tests.console.test_review import PEOPLE, reviewing
from tests.photos import of_24_people

pytestmark = of_24_people

IN_SIGHT_S = 3.0
TRIES = 4
HIDE = """
(isHidden) => {
  Object.defineProperty(document, "hidden", { value: isHidden, configurable: true });
  document.dispatchEvent(new Event("visibilitychange"));
}
"""
HEAR = """
window.asked = 0; window.told = []; window.tones = 0;
const Own = Notification;
window.Notification = class extends Own {
  constructor(title, options) { super(title, options); told.push([title, options.body]); }
  static requestPermission() { asked++; return Own.requestPermission(); }
};
const start = OscillatorNode.prototype.start;
OscillatorNode.prototype.start = function (...when) { tones++; return start.apply(this, when); };
"""


@pytest.fixture(scope="module")
def shops(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mall]:
    with mall(tmp_path_factory.mktemp("visits")) as made:
        yield made


@pytest.fixture
def shop(shops: Mall) -> Shop:
    """Return a shop with six people, of whom one came today, and two days ago."""
    shop = shops.shop()
    shop.enrol(*PEOPLE[:6])
    shop.see(0, 48, like=0.9)
    shop.see(0, 0.01, like=0.9)
    return shop


def watching(visitor: Visitor) -> Page:
    page = visitor.open()
    heading(page, "Visits")
    expect(visits(page)).to_have_count(1)
    return page


def visits(page: Page) -> Locator:
    return page.locator(".visits > li")


def polls(visitor: Visitor, page: Page) -> int:
    """Count how often a tab asked who came."""
    return len([one for one in visitor.requests if "/v1/arrivals" in one.url and one.frame.page == page])


def polled(visitor: Visitor, page: Page) -> None:
    """Wait until a tab has asked twice: by then, another one has heard that it need not."""
    before = polls(visitor, page)
    becomes(page, lambda: polls(visitor, page) >= before + 2)


def test_a_visit_says_which_it_is_and_when_the_one_before_was(browser: Browser, shop: Shop) -> None:
    with reviewing(browser, shop) as visitor:
        page = watching(visitor)
        expect(visits(page)).to_contain_text("2nd visit, last yesterday")
        settle(page)
        shoot(page, "visits-visit")
        assert not [one for one in visitor.requests if "/v1/observations" in one.url]


def test_a_capture_is_in_sight_within_three_seconds_after_it_was_resolved(browser: Browser, shop: Shop) -> None:
    """The best of some tries, since the machine may do other things."""
    took: list[float] = []
    with reviewing(browser, shop) as visitor:
        page = watching(visitor)
        for number in range(1, TRIES + 1):
            shop.see(number, 0, like=0.9)
            resolved = datetime.now(UTC)
            expect(visits(page)).to_have_count(1 + number)
            took.append((datetime.now(UTC) - resolved).total_seconds())
            if min(took) <= IN_SIGHT_S:
                break
    print(f"in sight {min(took):.1f} s after it was resolved")
    assert min(took) <= IN_SIGHT_S, took


def test_of_two_tabs_one_asks_and_the_other_hears_of_it(browser: Browser, shop: Shop) -> None:
    with reviewing(browser, shop) as visitor:
        first = watching(visitor)
        second = watching(visitor)
        polled(visitor, second)
        before = polls(visitor, first)
        polled(visitor, second)
        assert polls(visitor, first) == before
        shop.see(1, 0, like=0.9)
        expect(visits(second)).to_have_count(2)
        expect(visits(first)).to_have_count(2)
        assert polls(visitor, first) == before
        first.evaluate(HIDE, False)  # somebody looks at it again
        polled(visitor, first)
        still = polls(visitor, second)
        polled(visitor, first)
        assert polls(visitor, second) == still
        first.close()
        becomes(second, lambda: polls(visitor, second) > still)


def test_the_title_counts_who_came_while_the_tab_was_hidden(browser: Browser, shop: Shop) -> None:
    with reviewing(browser, shop) as visitor:
        page = watching(visitor)
        shop.see(1, 0, like=0.9)
        shop.see(2, 0, like=0.9)
        page.evaluate(HIDE, True)
        expect(page).to_have_title("(2) Visits · Regulars")
        page.evaluate(HIDE, False)
        expect(page).to_have_title("Visits · Regulars")


def test_sound_and_notification_are_off_until_they_are_switched_on_and_tell_of_one_group(
    browser: Browser, shop: Shop
) -> None:
    with reviewing(browser, shop) as visitor:
        visitor.context.grant_permissions(["notifications"])
        visitor.context.add_init_script(HEAR)
        page = watching(visitor)
        shop.see(1, 0, like=0.9)
        expect(visits(page)).to_have_count(2)
        assert page.evaluate("[asked, told, tones]") == [0, [], 0]
        page.get_by_role("button", name="Tell me who comes").click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_label("Play a sound").check()
        dialog.get_by_label("Show a notification").check()
        dialog.get_by_label("Of whom").select_option("regular")
        assert_accessible(page)
        shoot(page, "visits-alerts")
        page.keyboard.press("Escape")
        shop.see(5000, 0, like=0.9)
        expect(visits(page)).to_have_count(3)
        becomes(page, lambda: page.evaluate("[asked, told, tones]") == [1, [], 1])
        shop.see(2, 0, like=0.9)
        expect(visits(page)).to_have_count(4)
        becomes(page, lambda: page.evaluate("[asked, told, tones]") == [1, [[PEOPLE[2], "first visit"]], 2])
        page.keyboard.press("b")
        shop.see(3, 0, like=0.9)
        expect(visits(page)).to_have_count(5)
        becomes(page, lambda: page.evaluate("told.at(-1)") == ["Regulars", "first visit"])
        with page.expect_response(lambda answer: "/v1/arrivals?limit" in answer.url):
            page.evaluate("() => { location.hash = '#/settings' }")
        before = page.evaluate("told.length")
        shop.see(4, 0, like=0.9)
        becomes(page, lambda: page.evaluate("told.length") == before + 1)


def test_who_it_is_is_said_by_touch(browser: Browser, shop: Shop) -> None:
    shop.see(5001, 0.005, like=0.9)
    with (
        shop.book.client() as client,
        reviewing(browser, shop, **TOUCH) as visitor,
    ):
        page = visitor.open()
        expect(visits(page)).to_have_count(2)
        visits(page).first.get_by_role("button", name="Who is it?").tap()
        page.keyboard.insert_text("Zoe Newcomer")
        page.keyboard.press("Enter")
        expect(page.get_by_text("Named Zoe Newcomer")).to_be_visible()
        [zoe] = client.list_faces(name="Zoe")
        assert zoe.group == "regular"
        wrong(page, PEOPLE[0]).tap()
        page.get_by_role("button", name="Nobody: not a face").tap()
        expect(visits(page).last).to_contain_text("Now: nobody")
        visits(page).last.get_by_role("button", name="Undo").tap()
        expect(visits(page).last).to_contain_text(PEOPLE[0])
        page.keyboard.press("p")
        expect(page.get_by_role("button", name="Go on")).to_be_visible()
        shop.see(3, 0, like=0.9)
        page.keyboard.press("p")
        expect(visits(page)).to_have_count(3)


def test_who_it_is_is_said_by_the_keyboard_alone(browser: Browser, shop: Shop) -> None:
    shop.see(5001, 0.005, like=0.9)
    with shop.book.client() as client, reviewing(browser, shop) as visitor:
        page = visitor.open()
        expect(visits(page)).to_have_count(2)
        reach(page, visits(page).first.get_by_role("button", name="Who is it?"))
        page.keyboard.press("Enter")
        page.keyboard.type("Zoe Newcomer")
        page.keyboard.press("Enter")
        expect(page.get_by_text("Named Zoe Newcomer")).to_be_visible()
        [zoe] = client.list_faces(name="Zoe")
        page.keyboard.press("u")
        becomes(page, lambda: not [*client.list_faces(name="Zoe")])
        assert client.get_face(zoe.id).group == "stranger"
        reach(page, wrong(page, PEOPLE[0]))
        page.keyboard.press("Enter")
        page.keyboard.type(PEOPLE[1])
        expect(page.get_by_role("option", name=PEOPLE[1]).first).to_be_visible()
        page.keyboard.press("Enter")
        expect(visits(page).last).to_contain_text(f"Now: {PEOPLE[1]}")
        page.keyboard.press("u")
        expect(visits(page).last.get_by_role("link", name=PEOPLE[0])).to_be_visible()


def wrong(page: Page, name: str) -> Locator:
    return visits(page).filter(has_text=name).get_by_role("button", name="Wrong?")


def reach(page: Page, wanted: Locator) -> None:
    """Press Tab until this has the focus."""
    for _ in range(60):
        if wanted.evaluate("(one) => one === document.activeElement"):
            return
        page.keyboard.press("Tab")
    pytest.fail("the keyboard does not get there")


def test_live_keeps_fifty_rows(browser: Browser, shop: Shop) -> None:
    for number in range(60):
        shop.see(6000 + number, number / 1000, like=0.9)
    with reviewing(browser, shop) as visitor:
        page = visitor.open()
        expect(visits(page)).to_have_count(50)
        expect(page.get_by_text(re.compile("the newest 50 visits"))).to_be_visible()
        shop.see(6100, 0, like=0.9)
        expect(page.locator(".visits > .new")).to_have_count(1)
        assert visits(page).count() == 50
