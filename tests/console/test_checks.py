"""Somebody checks a count on the camera's page: by a film without people, and without being told
the number first."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Browser, expect
from regulars_client import models

from chalicelib.storage import keys
from chalicelib.storage.items import write
from chalicelib.storage.ports import Put
from tests.console.conftest import Book, Visitor, becomes, visiting
from tests.console.looks import looked_at
from tests.support.api.v1.films import LINE, make_stored_film
from tests.support.box.box import Box, serving
from tests.support.examples import rest
from tests.support.fakes import FakeClock

pytestmark = rest

NOW = datetime(2026, 11, 20, 15, 10, tzinfo=UTC)
NEWEST = NOW - timedelta(minutes=10)
UNTOLD = NOW - timedelta(minutes=5)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Box, Book]]:
    """A shop with a camera whose count was checked nine times: 99 came in, and 97 were counted."""
    folder = tmp_path_factory.mktemp("checks")
    with serving(folder, clock=FakeClock(NOW)) as box, box.client() as client:
        client.change_settings(time_zone="UTC")
        client.add_camera(id="door", name="Front door", edge={"count": LINE})
        client.send_heartbeat("door", status={"box": "b1"})
        tenant = box.services.tenants.get_by_name("shop")
        for ago in range(10):
            at, is_wrong = NEWEST - timedelta(minutes=ago), ago in (1, 2)
            came = 10 if is_wrong else 11
            minute = models.MinuteSent(at=at, seconds=60, in_=came, out=1, faces=0)
            client.give_counts("door", minutes=[minute])
            if ago:
                send_film(box, at)
                box.services.counts.checks.answer(tenant, "door", at, (11, 1), "key 1")
        yield box, Book(box.url, folder, box.key, "")


def send_film(box: Box, at: datetime = NEWEST) -> None:
    tenant, checks = box.services.tenants.get_by_name("shop"), box.services.counts.checks
    if checks.read(tenant, "door").asked_at is None:
        checks.ask(tenant, "door")
    checks.store_film(tenant, "door", make_stored_film(at.isoformat()))


@pytest.fixture
def visitor(shop: tuple[Box, Book], browser: Browser) -> Iterator[Visitor]:
    items, place = shop[0].services.ports.storage.items, ("shop", keys.checks_item("door"))
    before = items.get(keys.DIRECTORY, place)
    assert before is not None
    with visiting(browser, shop[1], None) as visitor:
        visitor.context.clock.set_fixed_time(NOW)
        yield visitor
    write(items, [Put(keys.DIRECTORY, before)])


def test_a_count_is_checked_by_a_film_and_then_says_how_right_it_is(
    shop: tuple[Box, Book], visitor: Visitor
) -> None:
    checks = shop[0].services.counts.checks
    tenant = shop[0].services.tenants.get_by_name("shop")
    page = visitor.open("#/cameras/door")
    section = page.locator(".checks")
    expect(section.get_by_text("9 of 10 checks")).to_be_visible()
    unwalked = page.get_by_text("A film without people shows here where they walk.")
    expect(unwalked).to_be_visible()
    section.get_by_role("button", name="Ask for a film").click()
    expect(section.get_by_text("Asked. The box sends a film")).to_be_visible()
    becomes(page, lambda: checks.read(tenant, "door").asked_at == NOW)
    send_film(shop[0])
    page.reload()
    expect(section.get_by_text("A film is here.")).to_be_visible()
    expect(section.get_by_role("button", name="Ask for a film")).to_be_disabled()
    film = section.get_by_role("img", name=re.compile("^Squares in which something moved"))
    expect(film).to_be_visible()
    expect(unwalked).to_be_hidden()
    assert page.locator(".aim rect").count() > 1_000
    assert "counted" not in section.inner_text()
    section.get_by_role("slider").fill("6")
    expect(section.get_by_text("6 s", exact=True)).to_be_visible()
    for name in ("Play", "Pause", "Slower", "Back 5 s"):
        section.get_by_role("button", name=name).press("Enter")
    expect(section.get_by_role("button", name="Slower")).to_have_attribute("aria-pressed", "true")
    looked_at(page, "check")
    section.get_by_label("How many came in?").fill("12")
    section.get_by_label("How many went out?").fill("1")
    section.get_by_role("button", name="That is what I saw").click()
    expect(section.get_by_text("We counted 11 in and 1 out.")).to_be_visible()
    expect(section.get_by_text("97% in, 100% out, of 121, checked by people")).to_be_visible()
    expect(film).to_be_visible()
    section.get_by_role("button", name="Close").click()
    expect(film).to_be_hidden()


def test_a_film_is_deleted_without_an_answer_and_that_can_be_undone(
    shop: tuple[Box, Book], visitor: Visitor
) -> None:
    send_film(shop[0])
    page = visitor.open("#/cameras/door")
    section = page.locator(".checks")
    film = section.get_by_role("img")
    section.get_by_role("button", name="Delete the film").click()
    expect(film).to_be_hidden()
    page.get_by_role("button", name="Undo").click()
    expect(film).to_be_visible()


def test_a_film_is_played_before_its_minute_is_told_and_answered_afterwards(
    shop: tuple[Box, Book], visitor: Visitor
) -> None:
    send_film(shop[0], UNTOLD)
    page = visitor.open("#/cameras/door")
    section = page.locator(".checks")
    expect(section.get_by_text("within ten minutes; then you can answer")).to_be_visible()
    expect(section.get_by_role("img")).to_be_visible()
    expect(section.get_by_label("How many came in?")).to_be_hidden()
    dark = models.MinuteSent(at=UNTOLD, seconds=60, in_=None, out=None, faces=None, why="dark")
    with shop[0].client() as client:
        client.give_counts("door", minutes=[dark])
    page.reload()
    section.get_by_label("How many came in?").fill("1")
    section.get_by_label("How many went out?").fill("0")
    section.get_by_role("button", name="That is what I saw").click()
    expect(section.get_by_text("so it was not wrong. · 1 too dark")).to_be_visible()
    expect(section.get_by_text("without a number: 1")).to_be_visible()
