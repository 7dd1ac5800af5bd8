import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Request, Route, expect

from tests.console.conftest import (
    PHONE,
    Book,
    Visitor,
    becomes,
    heading,
    leave,
    press_pair,
    settle,
    shoot,
    visiting,
)
from tests.console.looks import assert_accessible, looked_at
from tests.support.pictures.photos import FOLDER, GROUP, GROUP_SIZE, NOBODY, PAIRS, PORTRAIT

MOST_FILES, MOST_BYTES, MOST_REQUESTS = 8, 52_000, 20
"""Of the console, as they are sent: what the API answers depends on the book."""
LOADED = """() => [...new Map(["resource", "navigation"]
  .flatMap((kind) => performance.getEntriesByType(kind))
  .filter((one) => one.initiatorType !== "img")
  .map((one) => [new URL(one.name).pathname, one.encodedBodySize]))]"""
"""Lists what the page has loaded, but for pictures: paths, and bytes as they were sent. What is
read again from the browser's cache counts once."""
NOTE_FIRST_ROW = """
new MutationObserver((_, watcher) => {
  const row = document.querySelector(".visits > li");
  if (!row || getComputedStyle(row).visibility !== "visible") return;
  watcher.disconnect();
  globalThis.firstRow = performance.now();
}).observe(document, { subtree: true, childList: true, attributes: true });
"""
ASKED = """() => ["navigation", "resource"].flatMap((kind) => performance.getEntriesByType(kind))
  .filter((one) => one.startTime <= globalThis.firstRow).map((one) => one.name)"""
"""Lists what was asked for until the first row was seen."""


def test_the_link_that_the_command_prints_signs_in_once_and_leaves_no_code_behind(
    visitor: Visitor, book: Book
) -> None:
    options = ["--tenant", "shop", "--data", str(book.data), "--url", book.url]
    command = [sys.executable, "-m", "regulars", "console", *options]
    link = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    page = visitor.open(link.removeprefix(f"{book.url}/console"))
    heading(page, "Visits")
    assert "code" not in page.url
    page.reload()
    heading(page, "Visits")
    page.get_by_role("link", name="Settings", exact=True).click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("Password")).to_be_visible()
    leave(page)
    page.goto(link)
    expect(page.get_by_role("alert")).to_contain_text("This link is not good any more")
    visitor.forgive("401")


def test_the_root_leads_to_the_sign_in_and_a_wrong_key_is_told(
    visitor: Visitor, book: Book
) -> None:
    page = visitor.context.new_page()
    page.goto(book.url)
    assert page.url == f"{book.url}/console"
    page.get_by_role("button", name="Sign in with a key").click()
    key = page.get_by_label("Key", exact=True)
    key.fill("rk_wrong")
    page.get_by_role("button", name="Sign in with this key").click()
    expect(page.get_by_role("alert")).to_contain_text("This key does not fit")
    looked_at(page, "signin")
    key.fill(book.key)
    page.keyboard.press("Enter")
    heading(page, "Visits")
    visitor.forgive("401")


def test_a_wrong_match_is_given_to_the_right_person_in_its_row_by_name(
    page: Page, book: Book
) -> None:
    with book.client() as client:
        ids = {one.name: one.id for one in client.list_faces(group="regular")}
        visit = next(one for one in client.list_arrivals() if one.name in ids)
        name, before = str(visit.name), client.get_face(visit.face).rejections
    row = page.get_by_role("listitem").filter(
        has=page.locator(f'time[datetime^="{visit.first:%Y-%m-%dT%H:%M:%S}"]')
    )
    dialog = page.get_by_role("dialog", name="Who is it?")
    row.get_by_role("button", name="Wrong?").click()
    expect(dialog.get_by_role("button", name="Nobody: not a face")).to_be_visible()
    assert dialog.get_by_role("option").count() == 0, "nobody is alike"
    right = next(one for one in ids if one not in ("", name))
    dialog.get_by_role("combobox").fill(right)
    looked_at(page, "visits-whose")
    dialog.get_by_role("option", name=right).first.click()
    expect(row.get_by_role("link", name=right)).to_be_visible(timeout=20_000)
    page.keyboard.press("u")  # before anything slow: it is there for eight seconds
    expect(row.get_by_role("link", name=name)).to_be_visible(timeout=20_000)
    row.get_by_role("button", name="Wrong?").click()
    dialog.get_by_role("combobox").fill(right)
    dialog.get_by_role("option", name=right).first.click()
    expect(row.get_by_role("link", name=right)).to_be_visible(timeout=20_000)
    assert_accessible(page)
    with book.client() as client:
        assert {one.sighting: one.face for one in client.list_arrivals()}[visit.sighting] == ids[
            right
        ]
        assert client.get_face(visit.face).rejections - before == visit.sightings


def folder_of_people(folder: Path) -> Path:
    """Make a folder a person, of two pictures each, one of them with a house beside, and a group
    photograph."""
    people = folder / "people"
    for name, pair in zip(("Ann Lee", "Ben Okafor", "Chloé Dubois"), PAIRS, strict=False):
        (people / name).mkdir(parents=True)
        for picture in (*pair, NOBODY) if name.startswith("Ben") else pair:
            shutil.copy(FOLDER / picture, people / name)
    (people / "Team").mkdir()
    shutil.copy(FOLDER / GROUP, people / "Team")
    return people


def test_a_folder_of_people_is_looked_at_then_enrolled_and_then_known(
    visitor: Visitor, book: Book, tmp_path: Path
) -> None:
    page = visitor.sign_in(book.empty_key).open("#/people")
    page.get_by_role("link", name="Add people").first.click()
    heading(page, "Add")
    shoot(page, "add-empty")
    page.get_by_label("Choose a folder").set_input_files(folder_of_people(tmp_path))
    add = page.get_by_role("button", name="Add 3 people")
    expect(add).to_be_enabled(timeout=60_000)
    expect(page.get_by_text("Several faces").first).to_be_visible()
    looked_at(page, "add", whole=True)
    expect(page.get_by_text("No face was found").first).to_be_visible()
    add.click()
    expect(page.get_by_text("3 people added")).to_be_visible(timeout=60_000)
    shoot(page, "add-done", whole=True)
    page.get_by_role("link", name="People", exact=True).click()
    page.get_by_role("link", name="Search", exact=True).click()
    page.get_by_label("Choose a picture").set_input_files(FOLDER / PORTRAIT)
    expect(page.get_by_role("button", name="Face 1: Ann Lee")).to_be_visible(timeout=20_000)


def test_a_group_photograph_says_who_is_who_and_changes_nothing(page: Page, book: Book) -> None:
    with book.client() as client:
        before = [one.id for one in client.list_observations()]
    heading(page, "Visits")
    press_pair(page, "g", "s")
    heading(page, "Search")
    expect(page.get_by_label("Choose a picture")).to_be_attached()
    shoot(page, "search-empty")
    page.get_by_label("Choose a picture").set_input_files(FOLDER / GROUP)
    boxes = page.get_by_role("button", name=re.compile(r"^Face \d+: "))
    expect(boxes).to_have_count(GROUP_SIZE, timeout=20_000)
    boxes.nth(1).click()
    expect(page.get_by_text("a match needs")).to_be_visible()
    looked_at(page, "search")
    with book.client() as client:
        assert [one.id for one in client.list_observations()] == before


def test_what_was_there_stays_while_the_service_is_away(page: Page, visitor: Visitor) -> None:
    visits = page.get_by_role("listitem").filter(has=page.locator("time"))
    expect(visits.first).to_be_visible()
    visitor.context.set_offline(True)
    expect(page.get_by_role("alert")).to_contain_text("cannot be reached")
    expect(visits.first).to_be_visible()
    looked_at(page, "visits-offline")
    visitor.context.set_offline(False)
    expect(page.get_by_role("alert")).to_have_count(0)
    visitor.forgive("ERR_INTERNET_DISCONNECTED")


def test_the_question_mark_lists_the_keys_of_the_page_and_they_can_be_switched_off(
    page: Page,
) -> None:
    heading(page, "Visits")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_contain_text("Find somebody")
    looked_at(page, "keys")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    press_pair(page, "g", "e")
    page.get_by_role("group", name="Single keys").get_by_text("Off").click()
    page.keyboard.press("?")
    page.wait_for_timeout(300)
    assert page.get_by_role("dialog").count() == 0


def test_a_session_that_ends_meanwhile_leads_back_to_the_same_place(
    page: Page, visitor: Visitor, book: Book
) -> None:
    page.goto(f"{book.url}/console#/people?group=VIP")
    expect(page.get_by_role("gridcell").first).to_be_visible()
    settle(page)
    visitor.context.clear_cookies()
    page.get_by_role("button", name=re.compile("^Regulars")).first.click()
    page.get_by_role("button", name="Sign in with a key").click()
    page.get_by_label("Key", exact=True).fill(book.key)
    page.keyboard.press("Enter")
    expect(page.get_by_role("grid")).to_be_visible()
    assert "#/people" in page.url
    visitor.forgive("401")


def test_the_first_page_is_small_and_a_second_visit_asks_for_nothing_that_stays(
    visitor: Visitor, book: Book
) -> None:
    page = visitor.sign_in().open()
    expect(page.get_by_role("group", name="Whom to show")).to_be_visible()
    becomes(page, lambda: any("/v1/statistics" in path for path, _ in page.evaluate(LOADED)))
    loaded = page.evaluate(LOADED)
    files = [size for path, size in loaded if path.startswith("/console")]
    bodies = sum(size for _, size in loaded)
    print(
        f"first page: {len(files)} files of the console, {sum(files)} bytes; {bodies} with the "
        "API's answers"
    )
    assert len(files) <= MOST_FILES
    assert sum(files) <= MOST_BYTES
    page.reload()
    expect(page.get_by_role("listitem").first).to_be_visible()
    entries = "performance.getEntriesByType('resource')"
    again = page.evaluate(
        f"{entries}.filter((one) => one.name.includes('/console/') && one.transferSize > 0).length"
    )
    assert again == 0


@pytest.mark.parametrize("viewport", [{"width": 1280, "height": 800}, PHONE])
def test_the_first_page_shows_its_rows_after_few_requests_and_pictures_later(
    browser: Browser, book: Book, viewport: dict[str, int]
) -> None:
    with visiting(browser, book, key=None, viewport=viewport) as visitor:
        visitor.context.add_init_script(NOTE_FIRST_ROW)
        page = visitor.open()
        expect(page.locator(".visits > li").first).to_be_visible()
        asked = page.evaluate(ASKED)
        print(f"first rows at {viewport['width']} px: {len(asked)} requests")
        assert len(asked) <= MOST_REQUESTS, asked
        assert not [one for one in asked if re.search(r"/_(pictures|blobs)/|/crops/", one)]
        assert len(asked) == len(set(asked)), "something is asked for twice"
        becomes(page, lambda: page.evaluate("document.images[0]?.naturalWidth > 0"))


def test_a_page_comes_although_each_of_its_files_is_refused_at_first(visitor: Visitor) -> None:
    """As an account on AWS refuses what comes beyond its ten runs: the page says that it waits, and
    is whole then."""
    refused: list[str] = []

    def refuse_once(route: Route, request: Request) -> None:
        if request.url in refused:
            return route.continue_()
        refused.append(request.url)
        return route.fulfill(
            status=502, content_type="application/json", body='{"message": "The service is busy"}'
        )

    visitor.context.route(lambda url: "/console/" in url, refuse_once)
    page = visitor.open()
    expect(page.get_by_text("This page comes by itself")).to_be_visible()
    expect(page.get_by_label("Password")).to_be_visible()
    expect(page.get_by_text("This page comes by itself")).to_be_hidden()
    visitor.sign_in()
    page.reload()
    heading(page, "Visits")
    expect(page.locator(".unseen").first).to_have_css("position", "absolute")
    page.get_by_role("link", name="People", exact=True).click()
    heading(page, "People")
    kinds = {url.rpartition(".")[2] for url in refused}
    assert {"js", "css", "json"} <= kinds, refused
    visitor.forgive("502", "401")
