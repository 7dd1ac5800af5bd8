"""Visits, in one tab and in several: who comes is there at once, and one tab alone asks."""

import re
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.console.conftest import TOUCH, Visitor, becomes, heading, save_as, settle, shoot
from tests.console.looks import LIGHT, assert_accessible, looked_at
from tests.console.portraits import Mall, Shop, mall
from tests.console.reviews import PEOPLE, reviewing

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
  static get permission() { return asked ? "granted" : "default"; }
  static async requestPermission() { asked++; return Notification.permission; }
};
const start = OscillatorNode.prototype.start;
OscillatorNode.prototype.start = function (...when) { tones++; return start.apply(this, when); };
"""


BUSY = """
const Own = IntersectionObserver;
window.IntersectionObserver = class extends Own {
  constructor(tell, options) {
    const late = [];
    super((seen) => {
      if (late.push(...seen) === seen.length) setTimeout(() => tell(late.splice(0)), 500);
    }, options);
  }
};
"""
"""Script of a browser that is busy: what it has observed meanwhile, it tells at once."""


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
    return len(
        [one for one in visitor.requests if "/v1/arrivals" in one.url and one.frame.page == page]
    )


def polled(visitor: Visitor, page: Page) -> None:
    """Wait until a tab has asked twice: by then, another one has heard that it need not."""
    before = polls(visitor, page)
    becomes(page, lambda: polls(visitor, page) >= before + 2)


def test_a_visit_says_which_it_is_and_when_the_one_before_was(browser: Browser, shop: Shop) -> None:
    with reviewing(browser, shop) as visitor:
        page = watching(visitor)
        expect(visits(page)).to_contain_text("2nd visit, previously 2 days ago")
        settle(page)
        shoot(page, "visits-visit")
        of_rows = [
            one
            for one in visitor.requests
            if "/v1/observations" in one.url and "kind=sighting" not in one.url
        ]
        assert of_rows == [], "only who was just seen is asked for"


def test_the_pictures_of_a_visit_open_and_lead_back(browser: Browser, shop: Shop) -> None:
    shop.see(0, 0.05, like=0.9)  # in another minute, whatever the time
    with reviewing(browser, shop) as visitor:
        page = watching(visitor)
        picture = visits(page).get_by_role("button", name="As the camera saw it")
        picture.click()
        dialog = page.get_by_role("dialog")
        title = dialog.get_by_role("heading", level=2)
        expect(dialog.get_by_role("link", name=PEOPLE[0])).to_be_visible()
        looked_at(page, "visits-viewer")
        first = title.inner_text()
        page.keyboard.press("ArrowLeft")
        expect(title).not_to_have_text(first)
        page.keyboard.press("ArrowRight")
        expect(title).to_have_text(first)
        dialog.get_by_role("button", name="Use as a photo").click()
        expect(page.get_by_text("Photo added")).to_be_visible()
        page.go_back()
        expect(dialog).to_have_count(0)
        expect(picture).to_be_focused()
        beside = page.get_by_role("region", name="Cameras")
        expect(beside).to_contain_text("1 working")
        expect(beside.get_by_role("listitem")).to_have_count(0)


def test_a_capture_is_in_sight_soon_after_it_was_resolved(browser: Browser, shop: Shop) -> None:
    """It prints how soon: three seconds on a machine that does nothing else."""
    took: list[float] = []
    with reviewing(browser, shop) as visitor:
        page = watching(visitor)
        for number in range(1, TRIES + 1):
            shop.see(number, 0, like=0.9)
            resolved = datetime.now(UTC)
            expect(visits(page)).to_have_count(1 + number)
            took.append((datetime.now(UTC) - resolved).total_seconds())
    print(f"in sight {min(took):.1f} s after it was resolved")


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
        page.evaluate(HIDE, True)
        shop.see(1, 0, like=0.9)
        shop.see(2, 0, like=0.9)
        page.evaluate(HIDE, True)  # told so again, it asks at once
        expect(page).to_have_title("(2) Visits · Regulars")
        page.evaluate(HIDE, False)
        expect(page).to_have_title("Visits · Regulars")


def test_who_is_restricted_is_somebody_from_then_on_and_no_news(
    browser: Browser, shop: Shop
) -> None:
    with shop.book.client() as client, reviewing(browser, shop) as visitor:
        page = watching(visitor)
        shop.see(1, 0, like=0.9)
        newest = visits(page).first
        expect(newest.get_by_role("link", name=PEOPLE[1])).to_be_visible()
        page.evaluate(HIDE, True)
        face = next(iter(client.list_faces(name=PEOPLE[1])))
        client.change_restriction(face.id, restricted=True, reason="contests it")
        expect(newest).to_contain_text("Somebody")
        expect(visits(page)).to_have_count(2)
        expect(newest.get_by_role("link")).to_have_count(0)
        expect(newest.locator("img")).to_have_count(0)
        expect(page.get_by_text(PEOPLE[1])).to_have_count(0)
        expect(page).to_have_title("Visits · Regulars")


def test_sound_and_notification_are_off_until_they_are_switched_on_and_tell_of_one_group(
    browser: Browser, shop: Shop
) -> None:
    with reviewing(browser, shop) as visitor:
        visitor.context.add_init_script(HEAR)
        page = watching(visitor)
        shop.see(1, 0, like=0.9)
        expect(visits(page)).to_have_count(2)
        assert page.evaluate("[asked, told, tones]") == [0, [], 0]
        page.evaluate("localStorage.setItem('regulars.alerts.group', 'of another shop')")
        page.locator("header.top").get_by_role("link", name="Alerts").click()
        page.get_by_label("Play a sound").check()
        page.get_by_label("Show a notification").check()
        expect(page.get_by_label("Only of the group")).to_have_value("")
        page.get_by_label("Only of the group").select_option("regular")
        looked_at(page, "visits-alerts")
        page.go_back()
        expect(visits(page)).to_have_count(2)
        shop.see(5000, 0, like=0.9)
        expect(visits(page)).to_have_count(3)
        becomes(page, lambda: page.evaluate("[asked, told, tones]") == [1, [], 1])
        shop.see(2, 0, like=0.9)
        expect(visits(page)).to_have_count(4)
        becomes(
            page,
            lambda: page.evaluate("[asked, told, tones]") == [1, [[PEOPLE[2], "first visit"]], 2],
        )
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
        expect(page.get_by_role("combobox", name="Who is it?")).to_be_focused()
        page.keyboard.insert_text("Zoe Newcomer")
        page.keyboard.press("Enter")
        expect(page.get_by_text("Named Zoe Newcomer")).to_be_visible()
        [zoe] = client.list_faces(name="Zoe")
        assert zoe.group == "regular"
        wrong(page, PEOPLE[0]).tap()
        expect(page.get_by_role("button", name="Nobody: not a face")).to_be_visible()
        assert page.get_by_role("option").count() == 0, "nobody is alike"
        page.get_by_role("button", name="Nobody: not a face").tap()
        expect(visits(page).last).to_contain_text("Now: nobody")
        visits(page).last.get_by_role("button", name="Undo").tap()
        expect(visits(page).last).to_contain_text(PEOPLE[0])


def test_who_it_is_is_said_by_the_keyboard_alone(browser: Browser, shop: Shop) -> None:
    shop.see(5001, 0.005, like=0.9)
    with shop.book.client() as client, reviewing(browser, shop) as visitor:
        page = visitor.open()
        expect(visits(page)).to_have_count(2)
        reach(page, visits(page).first.get_by_role("button", name="Who is it?"))
        page.keyboard.press("Enter")
        expect(page.get_by_role("combobox", name="Who is it?")).to_be_focused()
        page.keyboard.type("Zoe Newcomer")
        page.keyboard.press("Enter")
        expect(page.get_by_text("Named Zoe Newcomer")).to_be_visible()
        [zoe] = client.list_faces(name="Zoe")
        page.keyboard.press("u")
        becomes(page, lambda: not [*client.list_faces(name="Zoe")])
        assert client.get_face(zoe.id).group == "stranger"
        reach(page, visits(page).first)
        page.keyboard.press("ArrowDown")
        reach(page, wrong(page, PEOPLE[0]))
        page.keyboard.press("Enter")
        expect(page.get_by_role("combobox", name="Who is it?")).to_be_focused()
        page.keyboard.type(PEOPLE[1])
        expect(page.get_by_role("option", name=PEOPLE[1]).first).to_be_visible()
        page.keyboard.press("Enter")
        expect(visits(page).last.get_by_role("link", name=PEOPLE[1])).to_be_visible()
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


@pytest.fixture
def crowd(shop: Shop) -> Shop:
    """Return the shop with 60 more visits of strangers within the last hour."""
    for number in range(60):
        shop.see(6000 + number, number / 1000, like=0.9)
    return shop


def figures(page: Page) -> list[str]:
    return page.locator(".figures button").all_text_contents()


def test_a_day_is_listed_to_its_end_and_its_figures_are_those_of_the_book(
    browser: Browser, crowd: Shop
) -> None:
    with crowd.book.client() as client, reviewing(browser, crowd) as visitor:
        visitor.context.add_init_script(BUSY)
        page = visitor.open()
        expect(visits(page).first).to_be_visible()
        expect(page.get_by_text("That was everybody. First at")).to_be_attached()
        came = [*client.list_arrivals()]
        first = sum(one.visit == 1 for one in came)
        people = len({one.face for one in came})
        expect(page.locator(".figures")).to_contain_text(
            f"{len(came)} visits{people} people{first} for the first time"
        )
        assert count_listed(page) == len(came)
        page.get_by_role("button", name="for the first time").click()
        expect(visits(page).first).to_be_visible()
        expect(page).to_have_url(re.compile("#/visits.only=first"))
        page.keyboard.press("End")
        expect(page.get_by_text("That was everybody. First at")).to_be_visible()
        assert count_listed(page) == first
        assert figures(page)[0] == f"{len(came)} visits"


def count_listed(page: Page) -> int:
    """Count the visits of the hours that are listed whole, drawn or not."""
    return sum(int(one.split("· ")[1]) for one in page.locator(".hour h2").all_text_contents())


def test_a_day_stands_beside_the_week_before_unless_nobody_came_then(
    browser: Browser, shop: Shop
) -> None:
    """The shop was closed a week ago; of the day nine days ago, two days ago is a week later."""
    shop.see(0, 24 * 9, like=0.9)
    shop.see(0, 24 * 9 + 1, like=0.9)
    shop.see(0, 24 * 14, like=0.9)
    with reviewing(browser, shop) as visitor:
        page = visitor.open()
        expect(page.locator(".figures button").first).to_have_text("1 visit")
        expect(page.get_by_text(re.compile("vs. last"))).to_have_count(0)
        page.goto(f"{shop.book.url}/console#/visits?day={days_ago(shop, 2)}")
        expect(page.get_by_text(re.compile(r"^−1 vs\. the \w+day before$"))).to_be_visible()


def days_ago(shop: Shop, days: int) -> str:
    return f"{datetime.now(ZoneInfo(shop.tenant.time_zone)) - timedelta(days=days):%Y-%m-%d}"


def test_who_came_two_days_ago_is_two_clicks_away(browser: Browser, shop: Shop) -> None:
    with reviewing(browser, shop) as visitor:
        page = watching(visitor)
        before = page.get_by_role("button", name="The day before")
        before.click()
        before.click()
        expect(visits(page)).to_contain_text(PEOPLE[0])
        expect(page.get_by_text("That was everybody. First at")).to_be_visible()
        assert figures(page) == ["1 visit", "1 for the first time", "1 Regulars"]
        asked = polls(visitor, page)
        page.wait_for_timeout(2500)
        assert polls(visitor, page) == asked, "a day that is over is not asked for again"
        load = save_as(page, "CSV")
        assert PEOPLE[0] in load.path().read_text("utf-8")
        looked_at(page, "visits-day")
        page.get_by_role("button", name="The next day").click()
        expect(page.get_by_text("Nobody came on this day")).to_be_visible()


def test_before_the_shop_opens_the_day_before_is_shown_until_somebody_comes(
    browser: Browser, shops: Mall
) -> None:
    shop = shops.shop()
    shop.enrol(PEOPLE[0])
    shop.see(0, 24, like=0.9)
    with shop.book.client() as client:
        client.change_settings(opening="20:00-22:00")  # it is noon
        assert client.get_usual().not_open_yet
    with reviewing(browser, shop) as visitor:
        page = visitor.open()
        expect(page.get_by_text("Not open yet today. This is the day before.")).to_be_visible()
        expect(visits(page)).to_have_count(1)
        expect(page.locator(".figures button").first).to_have_text("1 visit")
        shop.see(0, 0, like=0.9)
        expect(page.get_by_text("Not open yet today")).to_have_count(0)
        expect(visits(page)).to_have_count(1)


def test_an_hour_is_a_bar_to_click_and_an_address(browser: Browser, shop: Shop) -> None:
    for number, hours_ago in enumerate((24, 26, 26.02, 26.04)):
        shop.see(7000 + number, hours_ago, like=0.9)
    zone = ZoneInfo(shop.tenant.time_zone)
    yesterday = (shop.services.clock.now() - timedelta(days=1)).astimezone(zone).date()
    with shop.book.client() as client, reviewing(browser, shop) as visitor:
        came = [
            one.first.astimezone(zone) for one in client.list_arrivals(from_="2026-01-01T00:00:00Z")
        ]
        by_hour = Counter(f"{one:%H}" for one in came if one.date() == yesterday)
        page = visitor.open(f"#/visits?day={yesterday}")
        expect(visits(page)).to_have_count(4)
        bars = page.get_by_role("group", name="Visits by the hour").get_by_role("button")
        expect(bars).to_have_count(24)
        settle(page)
        shoot(page, "visits-hours")
        first = min(by_hour)
        bar = bars.nth(int(first))
        bar.click()
        expect(page).to_have_url(re.compile(f"day={yesterday}&hour={first}$"))
        expect(visits(page)).to_have_count(by_hour[first])
        expect(bar).to_have_attribute("aria-pressed", "true")
        page.reload()
        expect(visits(page)).to_have_count(by_hour[first])
        expect(page.locator(".figures button").first).to_contain_text(str(by_hour[first]))
        looked_at(page, "visits-hour")
        expect(bar).to_be_visible()
        bar.focus()
        page.keyboard.press("ArrowLeft")
        page.keyboard.press("Enter")
        expect(visits(page)).to_have_count(by_hour[max(by_hour)])
        bars.nth(int(max(by_hour))).click()
        expect(visits(page)).to_have_count(4)


def test_the_bars_of_today_follow_who_comes_while_another_hour_is_shown(
    browser: Browser, shop: Shop
) -> None:
    shop.see(7100, 3)
    zone, now = ZoneInfo(shop.tenant.time_zone), shop.services.clock.now()
    before, then = ((now - timedelta(hours=hours)).astimezone(zone).hour for hours in (3, 1))
    with reviewing(browser, shop) as visitor:
        page = visitor.open(f"#/visits?hour={before:02}")
        expect(visits(page)).to_have_count(1)
        bars = page.get_by_role("group", name="Visits by the hour").get_by_role("button")
        expect(bars.nth(before)).to_be_enabled()
        expect(bars.nth(then)).to_be_disabled()
        shop.see(7101, 1)
        expect(bars.nth(then)).to_be_enabled()
        expect(visits(page)).to_have_count(1)


def test_who_comes_while_somebody_reads_below_waits(browser: Browser, crowd: Shop) -> None:
    with reviewing(browser, crowd) as visitor:
        page = visitor.open()
        expect(visits(page).first).to_be_visible()
        top = visits(page).first.inner_text()
        page.mouse.wheel(0, 1200)
        becomes(page, lambda: page.evaluate("scrollY") > 900)
        crowd.see(6100, 0, like=0.9)
        page.get_by_role("button", name="1 new").click()
        expect(page.locator(".visits > .new")).to_have_count(1)
        becomes(page, lambda: page.evaluate("scrollY") == 0)
        assert visits(page).nth(1).inner_text() == top


@pytest.mark.parametrize("size", [(390, 844), (640, 400)], ids=["phone", "zoomed"])
def test_the_first_visitor_is_in_sight_on_small_screens(
    browser: Browser, shop: Shop, size: tuple[int, int]
) -> None:
    with reviewing(browser, shop) as visitor:
        page = watching(visitor)
        page.set_viewport_size({"width": size[0], "height": size[1]})
        settle(page)
        shoot(page, f"visits-{size[0]}")
        expect(page.locator(".glance")).to_have_text(re.compile(r"^\s*1 visit"))
        row, glance, seen = (
            page.locator(one).first.bounding_box() or {}
            for one in (".visits > li", ".glance", ".seen li")
        )
        assert glance["y"] < seen["y"] <= 180, "how many came today stands first"
        assert seen["y"] + seen["height"] < row["y"] <= 300
        assert row["height"] <= 65
        page.get_by_role("button", name="Choose whom to show").click()
        expect(page.get_by_role("button", name="1 visit", exact=True)).to_be_visible()
        assert_accessible(page, LIGHT[:1])


def test_a_visit_has_few_lines_on_a_tablet(browser: Browser, shop: Shop) -> None:
    with reviewing(browser, shop, viewport={"width": 820, "height": 1180}) as visitor:
        page = watching(visitor)
        expect(visits(page)).to_contain_text(PEOPLE[0])
        assert (visits(page).first.bounding_box() or {})["height"] <= 110


PRINT = """() => {
  dispatchEvent(new Event("beforeprint"));
  return new Promise((done) => requestAnimationFrame(() => done(
    [...document.querySelectorAll(".visit")].filter((one) => one.checkVisibility()).length)));
}"""


def test_each_visit_is_in_the_page_and_on_paper(browser: Browser, crowd: Shop) -> None:
    """The browser's own search, too, finds what is in the page alone."""
    with reviewing(browser, crowd) as visitor:
        page = visitor.open()
        expect(visits(page).first).to_be_visible()
        with crowd.book.client() as client:
            came = len([*client.list_arrivals()])
        expect(page.locator(".visit")).to_have_count(came)
        page.emulate_media(media="print")
        assert page.evaluate(PRINT) == came
        expect(page.get_by_role("navigation")).to_have_count(0)
        expect(page.locator(".visit .decision").first).to_be_hidden()
