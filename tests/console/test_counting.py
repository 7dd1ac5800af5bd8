"""People counted without faces: the line on the still, the place, and where figures are seen."""

import csv
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Browser, Page, expect
from regulars_client import Regulars, models

from tests.console.conftest import Book, Visitor, becomes, heading, save_as, visiting
from tests.console.looks import looked_at
from tests.support.book.synthetic import write_visits
from tests.support.box.box import Box, serving
from tests.support.examples import rest
from tests.support.fakes import FakeClock, Person, picture
from tests.support.pictures.photos import FOLDER, PORTRAIT

pytestmark = rest

NOW = datetime(2026, 11, 20, 15, 10, tzinfo=UTC)
"""A Friday afternoon, for the service and for the browser."""
NEAR = "not counted: the line is nearer to the picture's edge than one person"
FIRST_LINE = [[0.2, 0.5], [0.8, 0.5]]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Box, Book]]:
    """A shop with a camera that two people passed at 14 o'clock, one of them a member.

    It watched one minute of today, and the whole hour 10 two days before.
    """
    folder = tmp_path_factory.mktemp("counting")
    with serving(folder, clock=FakeClock(NOW)) as box, box.client() as client:
        client.change_settings(time_zone="UTC")
        client.add_camera(id="door", name="Front door", labels={})
        client.add_camera(id="back", name="Back door", labels={})
        client.send_heartbeat("door", status={"box": "b1", "error": NEAR})
        client.add_group(name="members", capacity=9)
        ann = client.enrol_face(picture=picture(Person(1)), group="members", name="Ann Lee")
        at = NOW - timedelta(hours=1)
        write_visits(box.services, box.services.tenants.get_by_name("shop"), [(at, "door", ann.id)])
        give(client, at, came=5, went=1, faces=2)
        whole = (NOW - timedelta(days=2)).replace(hour=10, minute=0)
        for minute in range(60):
            give(client, whole + timedelta(minutes=minute), came=int(minute < 7), went=0, faces=0)
        yield box, Book(box.url, folder, box.key, "")


def give(client: Regulars, at: datetime, *, came: int, went: int, faces: int) -> None:
    minute = models.MinuteSent(at=at, seconds=60, in_=came, out=went, faces=faces)
    assert client.give_counts("door", minutes=[minute]).stored == 1


@pytest.fixture
def visitor(shop: tuple[Box, Book], browser: Browser) -> Iterator[Visitor]:
    with shop[0].client() as client:  # as it was before a first try
        client.change_camera("door", edge={})
        for place in client.list_places().places:
            client.delete_place(place.id)
    with visiting(browser, shop[1], None, accept_downloads=True) as visitor:
        visitor.context.clock.set_fixed_time(NOW)
        yield visitor


def test_a_line_is_drawn_on_the_still_by_keys_and_by_a_finger_turned_and_removed(
    shop: tuple[Box, Book], visitor: Visitor
) -> None:
    cameras, tenant = shop[0].services.cameras, shop[0].services.tenants.get_by_name("shop")
    with shop[0].client() as client:
        client.ask_for_still("door")
        client.give_still("door", picture=(FOLDER / PORTRAIT).read_bytes())
    page = visitor.open("#/cameras/door")

    def is_kept(line: object) -> None:
        becomes(page, lambda: cameras.get(tenant, "door").edge.get("count") == line)

    still = page.get_by_role("img", name=re.compile("^What the camera saw"))
    expect(still).to_be_visible()
    expect(page.get_by_text(NEAR)).to_be_visible()
    page.get_by_role("button", name="Draw a line").click()
    is_kept(FIRST_LINE)
    page.get_by_role("button", name="End 1 of the line").press("ArrowDown")
    is_kept([[0.2, 0.51], FIRST_LINE[1]])
    drag(page, still.bounding_box() or {})
    is_kept([[0.2, 0.51], [1, 0.9]])
    looked_at(page, "camera-line")
    page.get_by_role("button", name="Turn round").click()
    is_kept([[1, 0.9], [0.2, 0.51]])
    page.get_by_role("button", name="Remove the line").click()
    is_kept(None)


def drag(page: Page, picture: dict[str, float]) -> None:
    """Drag the second end beyond the picture's right side."""
    page.get_by_role("button", name="End 2 of the line").hover()
    page.mouse.down()
    page.mouse.move(picture["x"] + 2 * picture["width"], picture["y"] + 0.9 * picture["height"])
    page.mouse.up()


def change_doors(page: Page) -> None:
    """Add a door, and say how many are inside, which the form asks as soon as doors change."""
    page.get_by_role("button", name="Set up").click()
    asked = page.get_by_label("Inside by the counts: 12. How many are there really?")
    expect(asked).to_be_hidden()
    page.get_by_label("Back door").check()
    expect(asked).to_be_visible()
    expect(page.get_by_text("A new door counts from the next minute on.")).to_be_visible()
    page.get_by_label("Back door").uncheck()
    expect(asked).to_be_hidden()
    page.get_by_label("Back door").check()
    asked.fill("14")
    looked_at(page, "places-doors")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("14 inside now · full")).to_be_visible()
    expect(page.get_by_text(re.compile(r": 14 inside \(\+2\), by "))).to_be_visible()


def take_door(page: Page) -> None:
    """Make a place of another's door, which says whose it is; and take that back."""
    page.get_by_role("button", name="New place").click()
    page.get_by_role("textbox", name="Name").fill("Yard")
    page.get_by_label("Back door · Ground floor").check()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", name="Yard")).to_be_visible()
    page.get_by_role("button", name="Set up").last.click()
    page.get_by_role("button", name="Delete").click()
    expect(page.get_by_text("Yard deleted, with today’s count")).to_be_visible()
    expect(page.get_by_role("heading", name="Yard")).to_be_hidden()


def test_who_is_inside_a_place_is_corrected_and_seen_on_the_first_page(
    shop: tuple[Box, Book], visitor: Visitor
) -> None:
    page = visitor.open("#/places")
    page.get_by_role("button", name="New place").click()
    page.get_by_role("textbox", name="Name").fill("Ground floor")
    asked = page.get_by_label("So many are inside now")
    expect(asked).to_be_hidden()
    page.get_by_label("Front door").check()
    expect(asked).to_be_visible()
    page.get_by_label("Full from").fill("12")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("4 inside now")).to_be_visible()
    expect(page.get_by_text("Front door · full from 12, free again at 10")).to_be_visible()
    page.get_by_label("So many are inside now").fill("12")
    page.get_by_role("button", name="Correct").click()
    expect(page.get_by_text("12 inside now · full")).to_be_visible()
    expect(page.get_by_text(re.compile(r": 12 inside \(\+8\), by "))).to_be_visible()
    last = page.get_by_role("row", name=re.compile("^Fri.* – "))
    expect(last.get_by_role("cell")).to_have_text(["5", "1", "0", "+8", "12", "12", "1", "900"])
    looked_at(page, "places")
    page.get_by_role("button", name="Set up").click()
    page.get_by_label("Full from").fill("10")
    page.get_by_label("Free again at").fill("10")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("free_at is 0 at least and less than full_at")).to_be_visible()
    visitor.forgive("400")
    page.keyboard.press("Escape")
    change_doors(page)
    take_door(page)
    page.get_by_role("link", name="Visits").click()
    page.get_by_role("link", name="14 inside now · full").click()
    heading(page, "Places")
    visitor.forgive("404")


def test_a_time_that_was_counted_wrong_is_taken_back_and_counts_again(
    shop: tuple[Box, Book], visitor: Visitor
) -> None:
    def count_entries() -> int:
        with shop[0].client() as client:
            begin = NOW - timedelta(days=5)
            whole = client.get_statistics(from_=begin, by="day", entries=True).entries
            assert whole is not None
            return whole.known + whole.not_known + whole.faceless

    before = count_entries()
    page = visitor.open("#/cameras/door")
    expect(page.get_by_role("heading", name="Settings")).to_be_visible()
    expect(page.get_by_text("Counted wrong")).not_to_be_visible()
    page.get_by_role("button", name="Draw a line").click()
    page.get_by_label("From", exact=True).fill("2026-11-18T10:00")
    page.get_by_label("Until", exact=True).fill("2026-11-18T09:00")
    page.get_by_role("button", name="Take back").click()
    expect(page.get_by_text("to is behind from: swap them")).to_be_visible()
    visitor.forgive("400")
    page.get_by_label("Until", exact=True).fill("2026-11-18T10:03")
    page.get_by_role("button", name="Take back").click()
    expect(page.get_by_text("Wed 18 Nov, 10:00 – Wed 18 Nov, 10:03")).to_be_visible()
    assert count_entries() == before - 3
    looked_at(page, "camera-voids")
    page.get_by_role("button", name="Count again").click()
    expect(page.get_by_role("button", name="Count again")).not_to_be_visible()
    assert count_entries() == before
    visitor.forgive("404")


def test_entries_stand_beside_visits_with_how_many_were_known_and_what_was_not_counted(
    visitor: Visitor,
) -> None:
    page = visitor.open("#/traffic?span=day")
    page.get_by_role("button", name="Entries").click()
    expect(page.locator(".amount.sum")).to_contain_text("5 entries")
    expect(page.locator(".amount.sum")).to_contain_text("of 1 minutes of 900")
    expect(page.get_by_text("1 of them known (20%)")).to_be_visible()
    expect(page.get_by_text("Grey: not counted, or in part (15 of 24)")).to_be_visible()
    parts = page.locator(".parts li")
    expect(parts.locator("h3")).to_have_text(["Known", "Seen, not known", "No usable face"])
    expect(parts.locator(".amount strong")).to_have_text(["1", "1", "3"])
    looked_at(page, "entries")
    page.keyboard.press("t")
    rows = page.locator(".numbers").first.get_by_role("row")
    expect(rows.filter(has_text="14:00").get_by_role("cell")).to_have_text(["5", "1", "60"])
    expect(rows.filter(has_text="13:00").get_by_role("cell")).to_have_text(["no figure"] * 3)
    page.goto("about:blank")
    page = visitor.open("#/report?at=2026-11-20")
    told = "12 entries · of 61 minutes of 3,180 · 1 of them known (8%)"
    expect(page.get_by_text(told)).to_be_visible()


def test_an_hour_that_was_watched_in_part_says_so_in_the_chart_and_in_files_and_is_in_no_average(
    visitor: Visitor,
) -> None:
    page = visitor.open("#/traffic?span=day&measure=entries")
    hours = page.get_by_role("slider").first
    hours.fill("14")
    expect(hours).to_have_attribute("aria-valuetext", re.compile(": 5 · of 1 minutes of 60$"))
    begun = save_as(page, "CSV")
    rows = [*csv.DictReader(begun.path().read_text("utf-8-sig").splitlines())]
    assert [row["Entries"] for row in rows] == ["1", "1", "3"]
    assert {(row["Minutes watched"], row["Minutes to watch"]) for row in rows} == {("1", "60")}
    page.goto("about:blank")
    page = visitor.open("#/traffic?span=month&measure=entries")
    expect(page.locator(".heat a")).to_have_text(["7.0"])
