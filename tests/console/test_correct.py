"""A wrong visit gets a new name: whole and once, however the network breaks, and although somebody leaves at once.

`CORRECTIONS=100` tries each moment often; the gate tries each once.
"""

import os
import random
from collections.abc import Iterator
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.console.conftest import Visitor, becomes, leave, shoot
from tests.console.portraits import Mall, Shop, mall
from tests.console.reviews import reviewing

TRIES = int(os.environ.get("CORRECTIONS", "6"))
NAME = "Berta{0} Blatt{0}"
OFTEN = "**/reject"
GAP_H, MINUTE_H = 1.0, 1 / 60


@pytest.fixture(scope="module")
def shops(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mall]:
    with mall(tmp_path_factory.mktemp("correct")) as made:
        yield made


@pytest.fixture
def shop(shops: Mall) -> Shop:
    """Return a shop in which Goldie came, and with her name somebody else, TRIES times, three pictures a visit."""
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
    page.goto(f"{shop.book.url}/console#/visits?day={now.astimezone(ZoneInfo(shop.tenant.time_zone)):%Y-%m-%d}")
    row = page.get_by_role("listitem").filter(has=page.locator(f'time[datetime^="{now:%Y-%m-%dT%H:%M}"]'))
    row.get_by_role("button", name="Wrong?").click()
    page.get_by_role("combobox", name="Who is it?").fill(NAME.format(number))
    expect(page.get_by_role("option", name=NAME.format(number))).to_be_visible()


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


def answer_is_lost(page: Page, visitor: Visitor, wait_ms: int) -> None:
    def lose(route: Route) -> None:
        route.fetch()
        route.abort()
        page.unroute(OFTEN)

    page.route(OFTEN, lose)
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
    page.wait_for_timeout(500)  # the emulated network takes a moment, and a page that opens without one tells so
    page.goto(f"{visitor.book.url}/console#/people")


MOMENTS = (no_network_before, network_goes, answer_is_lost, left, left_without_network)


def test_a_visit_with_a_new_name_is_right_whenever_the_network_breaks_or_somebody_leaves(
    browser: Browser, shop: Shop
) -> None:
    draw = random.Random(62)
    with shop.book.client() as client, reviewing(browser, shop) as visitor:
        page = visitor.open()
        right = 0
        for number, now in enumerate(begins(shop)):
            asked(page, shop, now, number)
            moment = MOMENTS[number % len(MOMENTS)]
            moment(page, visitor, draw.randrange(0, 300))
            name = NAME.format(number)

            def is_right(name: str = name) -> bool:
                found = [*client.list_faces(name=name)]
                visits = [client.list_sightings(one.id).pages() for one in found]
                return [next(pages).total for pages in visits] == [3]

            becomes(page, is_right)
            right += 1
        assert right == TRIES
        [goldie] = client.list_faces(name="Goldie Hawn")
        assert goldie.arrive_count == 0
        assert len([*client.list_faces()]) == 2 + TRIES
        visitor.forgive("ERR_", "Failed to fetch", "503", "429")


def test_the_row_says_who_it_is_now_on_any_day_and_again_who_it_was(browser: Browser, shop: Shop) -> None:
    with shop.book.client() as client, reviewing(browser, shop) as visitor:
        page = visitor.open()
        asked(page, shop, begins(shop)[2], 2)
        page.keyboard.press("Enter")
        berta = page.get_by_role("link", name=NAME.format(2))
        expect(berta).to_be_visible()
        shoot(page, "visits-corrected")
        [face] = client.list_faces(name=NAME.format(2))
        assert berta.get_attribute("href") == f"#/person/{face.id}"
        row = page.get_by_role("listitem").filter(has=berta)
        expect(row).to_contain_text("Regulars")
        expect(row).to_contain_text("first visit")
        expect(row).to_contain_text("seen 3 times")
        page.keyboard.press("u")
        expect(berta).to_have_count(0)
        becomes(page, lambda: next(iter(client.list_faces(name="Goldie Hawn"))).arrive_count == TRIES)
        assert [*client.list_faces(name=NAME.format(2))] == []
        leave(page)
