"""A wrong visit gets a new name: whole and once, however the network breaks, and although somebody
leaves at once.

`CORRECTIONS=100` tries each of the ten moments often, on a network of up to three seconds; the gate
tries the first four once.
"""

import os
import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from weakref import WeakKeyDictionary
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Browser, CDPSession, Page, Route, expect

from tests.console.conftest import Visitor, becomes, leave, shoot
from tests.console.portraits import Mall, Shop, mall
from tests.console.reviews import reviewing

TRIES = int(os.environ.get("CORRECTIONS", "4"))
NAME = "Berta{0} Blatt{0}"
OFTEN = "**/reject"
GAP_H, MINUTE_H = 1.0, 1 / 60


@pytest.fixture(scope="module")
def shops(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mall]:
    with mall(tmp_path_factory.mktemp("correct")) as made:
        yield made


@pytest.fixture
def shop(shops: Mall) -> Shop:
    """Return a shop in which Goldie came, and with her name somebody else, TRIES times, three
    pictures a visit."""
    shop = shops.shop()
    shop.enrol("Goldie Hawn", "Ann Lee")
    for number in range(TRIES):
        for minute in (0, 3, 7):
            shop.see(0, hours_ago(number) - minute * MINUTE_H, like=0.9)
    return shop


def begins(shop: Shop) -> list[datetime]:
    """Return when the visits began, the newest first."""
    with shop.book.client() as client:
        return [one.first for one in client.list_arrivals(from_=datetime(2000, 1, 1, tzinfo=UTC))]


def hours_ago(number: int) -> float:
    """When the visit began: twenty a day, on days before today, which is at noon."""
    return 14 + GAP_H * (number % 20) + 24 * (number // 20)


def asked(page: Page, shop: Shop, now: datetime, number: int) -> None:
    """Open the day, and name whose visit it is, up to Enter."""
    page.goto(
        f"{shop.book.url}/console#/visits?"
        f"day={now.astimezone(ZoneInfo(shop.tenant.time_zone)):%Y-%m-%d}"
    )
    row = page.get_by_role("listitem").filter(
        has=page.locator(f'time[datetime^="{now:%Y-%m-%dT%H:%M}"]')
    )
    row.get_by_role("button", name="Wrong?").click()
    page.get_by_role("combobox", name="Who is it?").fill(NAME.format(number))
    expect(page.get_by_role("option", name=NAME.format(number))).to_be_visible()


LATENCIES_MS = (0, 0, 400, 1500, 3000)
"""Of the network while somebody answers, drawn."""


TOOLS: WeakKeyDictionary[Page, CDPSession] = WeakKeyDictionary()
"""One session for each page: what one of them emulates, another does not end."""


def slow(page: Page, latency_ms: int, *, offline: bool = False) -> None:
    """Emulate a network of this latency in the page, whose dialog is open."""
    if page not in TOOLS:
        TOOLS[page] = page.context.new_cdp_session(page)
    tools = TOOLS[page]
    tools.send("Network.enable")
    limits = {
        "offline": offline,
        "latency": latency_ms,
        "downloadThroughput": -1,
        "uploadThroughput": -1,
    }
    tools.send("Network.emulateNetworkConditions", limits)


def no_network_before(page: Page, visitor: Visitor, wait_ms: int) -> None:
    visitor.context.set_offline(True)
    page.keyboard.press("Enter")
    page.wait_for_timeout(wait_ms)
    visitor.context.set_offline(False)


def network_goes(page: Page, visitor: Visitor, wait_ms: int) -> None:
    page.keyboard.press("Enter")
    page.wait_for_timeout(wait_ms)
    visitor.context.set_offline(True)
    page.wait_for_timeout(200)
    visitor.context.set_offline(False)


def network_goes_slowly(page: Page, visitor: Visitor, wait_ms: int) -> None:
    slow(page, 700)
    page.keyboard.press("Enter")
    page.wait_for_timeout(wait_ms)
    slow(page, 0, offline=True)
    page.wait_for_timeout(800)
    slow(page, 0)


def answer_is_lost(page: Page, visitor: Visitor, wait_ms: int) -> None:
    def lose(route: Route) -> None:
        route.fetch()
        route.abort()
        page.unroute(OFTEN)

    page.route(OFTEN, lose)
    page.keyboard.press("Enter")
    page.wait_for_timeout(wait_ms)


def service_is_busy(page: Page, visitor: Visitor, wait_ms: int) -> None:
    tries = iter((503, 429))

    def refuse(route: Route) -> None:
        status = next(tries, None)
        if status is None:
            return route.continue_()
        return route.fulfill(
            status=status,
            body="{}",
            headers={"Retry-After": "1", "Content-Type": "application/json"},
        )

    page.route(OFTEN, refuse)
    page.keyboard.press("Enter")
    page.wait_for_timeout(wait_ms)


def left(page: Page, visitor: Visitor, wait_ms: int) -> None:
    page.keyboard.press("Enter")
    page.wait_for_timeout(wait_ms)
    page.goto("about:blank")


def left_without_network(page: Page, visitor: Visitor, wait_ms: int) -> None:
    visitor.context.set_offline(True)
    page.keyboard.press("Enter")
    page.wait_for_timeout(wait_ms)
    page.goto("about:blank")
    visitor.context.set_offline(False)


def loaded_again(page: Page, visitor: Visitor, wait_ms: int) -> None:
    page.keyboard.press("Enter")
    page.wait_for_timeout(wait_ms)
    page.reload()


def another_page_opened(page: Page, visitor: Visitor, wait_ms: int) -> None:
    page.keyboard.press("Enter")
    page.wait_for_timeout(wait_ms)
    page.evaluate("location.hash = '#/people'")


def closed(page: Page, visitor: Visitor, wait_ms: int) -> None:
    page.keyboard.press("Enter")
    page.wait_for_timeout(wait_ms)
    page.close()


MOMENTS = (
    no_network_before,
    network_goes,
    network_goes_slowly,
    answer_is_lost,
    service_is_busy,
    left,
    left_without_network,
    loaded_again,
    another_page_opened,
    closed,
)


def opened_again(page: Page, visitor: Visitor) -> Page:
    """Return a page of the console: who left comes back."""
    if page.is_closed():
        page = visitor.context.new_page()
    else:
        slow(page, 0)
    if page.url in ("about:blank", ""):
        page.goto(f"{visitor.book.url}/console#/people")
    return page


def test_a_visit_with_a_new_name_is_right_whenever_the_network_breaks_or_somebody_leaves(
    browser: Browser, shop: Shop
) -> None:
    draw = random.Random(62)
    with shop.book.client() as client, reviewing(browser, shop) as visitor:
        page = visitor.open()
        wrong = []
        for number, now in enumerate(begins(shop)):
            asked(page, shop, now, number)
            moment = MOMENTS[number % len(MOMENTS)]
            latency = draw.choice(LATENCIES_MS)
            wait = draw.randrange(0, 1500)
            slow(page, latency)
            moment(page, visitor, wait)
            page = opened_again(page, visitor)
            name = NAME.format(number)

            def is_right(name: str = name) -> bool:
                found = [*client.list_faces(name=name)]
                visits = [client.list_sightings(one.id).pages() for one in found]
                return [next(pages).total for pages in visits] == [3]

            if not holds_soon(page, is_right):
                wrong.append((number, moment.__name__, latency, wait))
        assert wrong == []
        [goldie] = client.list_faces(name="Goldie Hawn")
        assert goldie.arrive_count == 0
        assert len([*client.list_faces()]) == 2 + TRIES
        visitor.forgive("ERR_", "Failed to fetch", "503", "429")


def holds_soon(page: Page, holds: Callable[[], bool]) -> bool:
    for _ in range(150):
        if holds():
            return True
        page.wait_for_timeout(200)
    return False


def test_what_only_this_browser_has_says_so_in_its_row_and_in_the_frame(
    browser: Browser, shop: Shop
) -> None:
    """Also after the page was loaded again, until the service has it."""
    with shop.book.client() as client, reviewing(browser, shop) as visitor:
        page = visitor.open()
        asked(page, shop, begins(shop)[1], 1)
        page.route(OFTEN, lambda route: route.abort())
        page.keyboard.press("Enter")
        row = page.get_by_role("listitem").filter(
            has_text=f"Now: {NAME.format(1)}. Waits for the network"
        )
        counted = page.get_by_role("status").filter(has_text="1 change waits for the network")
        for _ in range(2):
            expect(row).to_be_visible()
            expect(counted).to_be_visible()
            shoot(page, "visits-unsent")
            page.reload()
        page.unroute(OFTEN)
        page.evaluate("dispatchEvent(new Event('online'))")
        expect(page.locator(".visit").get_by_role("link", name=NAME.format(1))).to_be_visible()
        expect(row).to_have_count(0)
        expect(counted).to_have_count(0)
        assert len([*client.list_faces(name=NAME.format(1))]) == 1
        visitor.forgive("ERR_", "Failed to fetch")


def test_a_name_that_somebody_has_is_kept_before_anything_is_asked(
    browser: Browser, shop: Shop
) -> None:
    """Then it is asked: one person, or two? Who says one, joins them."""
    with shop.book.client() as client, reviewing(browser, shop) as visitor:
        page = visitor.open()
        asked(page, shop, begins(shop)[3], 3)
        page.get_by_role("combobox", name="Who is it?").fill("Ann Lee")
        new = page.get_by_role("option", name="New person “Ann Lee”")
        new.click()
        dialog = page.get_by_role("dialog", name="One person, or two?")
        expect(dialog).to_be_visible()
        assert len([*client.list_faces(name="Ann Lee")]) == 2, "it is kept by now"
        dialog.get_by_role("button", name="One person").click()
        becomes(
            page, lambda: [one.arrive_count for one in client.list_faces(name="Ann Lee")] == [1]
        )


def test_the_row_says_who_it_is_now_on_any_day_and_again_who_it_was(
    browser: Browser, shop: Shop
) -> None:
    with shop.book.client() as client, reviewing(browser, shop) as visitor:
        page = visitor.open()
        asked(page, shop, begins(shop)[2], 2)
        page.keyboard.press("Enter")
        berta = page.locator(".visit").get_by_role("link", name=NAME.format(2))
        expect(berta).to_be_visible()
        shoot(page, "visits-corrected")
        [face] = client.list_faces(name=NAME.format(2))
        assert berta.get_attribute("href") == f"#/person/{face.id}"
        row = page.locator(".visit").filter(has_text=NAME.format(2))
        expect(row.locator(".tag")).to_have_count(0)  # of regulars nothing is said
        expect(row).to_contain_text("first visit")
        expect(row).to_contain_text("seen 3 times")
        page.keyboard.press("u")
        expect(berta).to_have_count(0)
        becomes(
            page, lambda: next(iter(client.list_faces(name="Goldie Hawn"))).arrive_count == TRIES
        )
        assert [*client.list_faces(name=NAME.format(2))] == []
        leave(page)


def test_what_a_correction_needs_is_loaded_before_the_network_goes(
    shop: Shop, browser: Browser
) -> None:
    with reviewing(browser, shop) as visitor, shop.book.client() as client:
        page = visitor.open(
            f"#/visits?day={begins(shop)[0].astimezone(ZoneInfo(shop.tenant.time_zone)):%Y-%m-%d}"
        )
        expect(page.get_by_role("button", name="Wrong?").first).to_be_visible()
        becomes(page, lambda: loaded_of_shared(visitor) == FILES_OF_SHARED)
        visitor.context.set_offline(True)
        page.get_by_role("button", name="Wrong?").first.click()
        page.get_by_role("combobox", name="Who is it?").fill(NAME.format("Offline"))
        page.get_by_role("option", name=NAME.format("Offline")).click()
        expect(page.get_by_text("1 change waits for the network")).to_be_visible()
        visitor.context.set_offline(False)
        becomes(page, lambda: [*client.list_faces(name="BlattOffline")])
        visitor.forgive("ERR_INTERNET_DISCONNECTED")


def loaded_of_shared(visitor: Visitor) -> set[str]:
    """Return which files of the folder that corrections are made of have come."""
    urls = [one.url for one in visitor.requests if "shared" in one.url and one.response()]
    return {name for name in FILES_OF_SHARED if any(name in url for url in urls)}


FILES_OF_SHARED = {"joined", "/en.", "style"}
