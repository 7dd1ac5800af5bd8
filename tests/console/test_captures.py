import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect
from regulars_client import Regulars

from chalicelib.domain.captures import Capture, CaptureState, capture_id
from chalicelib.storage import keys
from chalicelib.storage.ports import Put
from chalicelib.storage.records.captures import capture_item
from tests.console.conftest import (
    COME,
    DESK,
    TOUCH,
    Book,
    Visitor,
    becomes,
    heading,
    settle,
    shoot,
    visiting,
)
from tests.console.looks import assert_accessible, looked_at
from tests.support.box.box import serving
from tests.support.examples import rest
from tests.support.pictures.photos import FOLDER, PORTRAIT

pytestmark = rest

MANY, A_PAGE = 230, 100
MOST_ELEMENTS = 800


@pytest.fixture
def cells(page: Page, book: Book) -> Page:
    page.goto(f"{book.url}/console#/captures")
    heading(page, "Camera pictures")
    expect(page.get_by_role("gridcell").first).to_be_visible()
    return page


@pytest.fixture(scope="module")
def parked(book: Book, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Send a picture that breaks off, and return its capture's id when it is parked."""
    broken = tmp_path_factory.mktemp("broken") / "broken.jpg"
    broken.write_bytes((FOLDER / PORTRAIT).read_bytes()[:2000])
    with book.client() as client:
        id_ = client.take_capture(
            picture=broken, camera="door", captured_at=datetime.now(UTC) - timedelta(days=2)
        ).id
        wait_until(client, id_, "parked")
    return str(id_)


def wait_until(client: Regulars, id_: str, state: str) -> None:
    end = datetime.now(UTC) + timedelta(seconds=30)
    while client.get_capture(id_, camera="door").state != state:
        assert datetime.now(UTC) < end, f"the capture is not {state}"


def test_a_capture_is_looked_at_in_large_and_leads_to_who_is_on_it(cells: Page, book: Book) -> None:
    page = cells
    settle(page)
    shoot(page, "captures")
    with book.client() as client:
        newest = next(iter(client.list_captures()))
    first = page.get_by_role("gridcell").first
    expect(first).to_contain_text("Front door")
    expect(first).to_be_visible()
    first.focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    boxes = dialog.get_by_role("button", name=re.compile(r"^Face \d+: "))
    expect(boxes).to_have_count(len(newest.sightings))
    assert newest.id in page.url
    settle(page)
    looked_at(page, "capture")
    page.keyboard.press("ArrowRight")
    expect(page).not_to_have_url(re.compile(newest.id))
    page.keyboard.press("ArrowLeft")
    expect(page).to_have_url(re.compile(newest.id))
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(first).to_be_focused()


def test_each_face_says_who_it_is_or_why_it_was_skipped(cells: Page, book: Book) -> None:
    with book.client() as client:
        names = {one.id: one.name for one in client.list_faces() if one.name}
        known, face = next(
            (one, each.face)
            for one in client.list_captures()
            for each in one.sightings
            if each.resolution == "matched" and each.face in names
        )
        skipped = [each for one in client.list_captures() for each in one.sightings if each.reason]
    cells.goto(f"{book.url}/console#/captures?open={known.camera}/{known.id}")
    dialog = cells.get_by_role("dialog")
    link = dialog.get_by_role("link", name=names[face])
    expect(link).to_be_visible()
    expect(dialog.get_by_role("img", name=re.compile("above the threshold")).first).to_be_visible()
    dialog.get_by_role("button", name="Wrong?").first.click()
    expect(cells.get_by_role("dialog", name="Who is it?").get_by_role("combobox")).to_be_focused()
    assert_accessible(cells)
    cells.keyboard.press("Escape")
    expect(dialog).to_have_count(1)
    link.click()
    expect(cells).to_have_url(re.compile(f"/person/{face}"))
    expect(cells.get_by_role("dialog")).to_have_count(0)
    for one in skipped[:1]:
        cells.goto(f"{book.url}/console#/captures?open=door/{one.id.rpartition('-')[0]}")
        expect(cells.get_by_role("dialog")).to_contain_text(one.reason)


def test_a_parked_capture_says_why_and_is_sent_again(
    cells: Page, book: Book, parked: str, visitor: Visitor
) -> None:
    cells.get_by_label("State", exact=True).select_option(label="Failed")
    cell = cells.get_by_role("gridcell")
    expect(cell).to_have_count(1)
    expect(cell).to_contain_text("cut short")
    expect(cells.get_by_text("regulars redrive --tenant shop")).to_be_visible()
    assert_accessible(cells)
    shoot(cells, "captures-parked")
    cell.click()
    with cells.expect_response(re.compile(f"{parked}/redrive")) as answered:
        cells.get_by_role("dialog").get_by_role("button", name="Send again").click()
    assert answered.value.status == 200
    expect(cells.get_by_text("1 picture is sent again")).to_be_visible()
    with book.client() as client:
        wait_until(client, parked, "parked")  # the cause was not mended


def test_captures_are_chosen_by_camera_and_day(cells: Page, book: Book) -> None:
    cells.get_by_label("Camera", exact=True).select_option(label="Counter")
    with book.client() as client:
        counter = [*client.list_captures(camera="counter")]
    cell = cells.get_by_role("gridcell")
    expect(cell).to_have_count(len(counter))
    cells.get_by_label("Day", exact=True).fill("2024-02-29")
    expect(cells.get_by_role("heading", name="No such picture")).to_be_visible()
    assert_accessible(cells)
    shoot(cells, "captures-none")
    cells.get_by_role("button", name="Show all pictures").click()
    expect(cell.nth(len(COME))).to_be_visible()


def test_why_somebody_was_not_known_is_one_click_from_her_and_pictures_without_a_face_are_a_choice(
    cells: Page, book: Book, tmp_path: Path
) -> None:
    Image.new("RGB", (640, 480), "grey").save(tmp_path / "wall.jpg")
    with book.client() as client:
        ann = next(iter(client.list_faces(name="Ann")))
        at = datetime.now(UTC) - timedelta(days=4)
        wall = client.take_capture(picture=tmp_path / "wall.jpg", camera="door", captured_at=at).id
        wait_until(client, str(wall), "resolved")
        empty = [*client.list_captures(faces="none")]
    cells.get_by_label("State", exact=True).select_option(label="No face")
    expect(cells.get_by_role("gridcell")).to_have_count(len(empty))
    expect(cells.get_by_role("gridcell").last).to_contain_text("No face was found in it")
    cells.goto(f"{book.url}/console#/person/{ann.id}")
    cells.get_by_role("button", name="came, but not recognised?").click()
    cells.get_by_role("link", name="Faces that were skipped since then").click()
    expect(cells.get_by_label("State", exact=True)).to_have_value("skipped")
    expect(cells.get_by_role("button", name=re.compile("^Since "))).to_be_visible()
    assert_accessible(cells)
    shoot(cells, "captures-since")


def test_a_viewer_looks_on_a_phone_by_touch_in_chinese_and_sends_nothing_again(
    book: Book, browser: Browser, parked: str
) -> None:
    with book.client() as client:
        key = client.add_key(name="Screen of captures", role="viewer").api_key
    with visiting(browser, book, key, **TOUCH, locale="zh-CN") as visitor:
        page = visitor.open("#/captures?state=parked")
        expect(page.get_by_role("heading", name="抓拍")).to_be_visible()
        page.get_by_role("gridcell").first.tap()
        dialog = page.get_by_role("dialog")
        expect(dialog).to_be_visible()
        assert page.get_by_role("button", name=re.compile("重新处理")).count() == 0
        dialog.get_by_role("button", name="关闭").tap()
        expect(dialog).to_have_count(0)


@pytest.fixture
def many(browser: Browser, tmp_path: Path) -> Iterator[Visitor]:
    """Serve captures that wait, of which none has a picture that could be shown, and sign in."""
    with serving(tmp_path) as box:
        with box.client() as client:
            client.add_camera(id="door", name="Front door", labels={})
        storage = box.services.ports.storage
        for number in range(MANY):
            at = datetime(2026, 3, 1, tzinfo=UTC) + timedelta(minutes=number)
            id_ = capture_id("shop", "door", at, "0" * 64)
            capture = Capture(id_, "door", at, "0" * 64, 1, "image/jpeg", CaptureState.RESOLVED)
            storage.items.transact([Put(keys.CAPTURES, capture_item("shop", capture, at))])
        visitor = Visitor(
            browser.new_context(viewport=DESK), Book(box.url, tmp_path, box.key, "")
        ).sign_in()
        yield visitor
        visitor.context.close()


def test_pages_come_as_somebody_scrolls_and_nothing_is_counted(many: Visitor) -> None:
    page = many.open("#/captures")
    expect(page.get_by_role("gridcell").first).to_be_visible()

    def lists() -> list[str]:
        return [one.url for one in many.requests if "/v1/captures?" in one.url]

    assert len(lists()) == 1
    down = "() => { scrollTo(0, document.documentElement.scrollHeight); }"
    grid = page.get_by_role("grid")
    rows = -(-MANY // int(grid.get_attribute("aria-colcount") or ""))
    becomes(page, lambda: page.evaluate(down) or grid.get_attribute("aria-rowcount") == str(rows))
    expect(page.get_by_role("button", name="Show more")).to_have_count(0)
    assert page.evaluate("document.querySelectorAll('*').length") <= MOST_ELEMENTS
    assert len(lists()) == -(-MANY // A_PAGE), lists()
    page.evaluate("scrollTo(0, document.documentElement.scrollHeight / 2)")
    scrolled = page.evaluate("scrollY")
    page.locator(f'[data-index="{MANY // 2}"]').dispatch_event("click")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert page.evaluate("scrollY") == scrolled > 0
