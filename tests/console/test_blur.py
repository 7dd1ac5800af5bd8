"""Hidden faces and names: while it is on, no page shows a face or a name to customers who look at
the screen, too."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from regulars.demo.drawn_vision import DrawnPerson, draw_capture, draw_portrait
from tests.console.conftest import settle, shoot, time_stands, visiting
from tests.console.looks import assert_accessible
from tests.console.pages import PAGES, ready
from tests.console.portraits import Shop, mall
from tests.support.examples import rest

pytestmark = rest

ANN, TWIN = "Ann Žlee", "Anna Žlee"
NAMES = (ANN, "Ben Žokafor", "王芳 Ž")

SHARP = """() => {
  const isBlurred = (one) => one
    && (getComputedStyle(one).filter.includes("blur") || isBlurred(one.parentElement));
  const isHidden = (one) => one.matches("img, video")
    ? isBlurred(one) : getComputedStyle(one).webkitTextFillColor === "rgba(0, 0, 0, 0)";
  const isSeen = (one) => one.checkVisibility() && !one.closest(".unseen, option");
  const holds = (text) => String(text ?? "").toLowerCase().includes("ž");
  const shows = (one) => one.matches("img, video") || holds(one.value)
    || [...one.childNodes].some((each) => each.nodeType === 3 && holds(each.data));
  return [...document.querySelectorAll("#console *")]
    .filter((one) => isSeen(one) && (holds(one.title) || (shows(one) && !isHidden(one))))
    .map((one) => one.outerHTML.slice(0, 200));
}"""
"""Lists the pictures that are not blurred, and what shows a name that is not hidden."""


@pytest.fixture(scope="module")
def shop(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with mall(tmp_path_factory.mktemp("blur")) as made:
        shop = made.shop().ask(names=NAMES, uncertain=3, promoted=1, strangers=1)
        with shop.book.client() as client:
            client.enrol_face(
                picture=draw_portrait(DrawnPerson(0, take=1)), group="regular", name=TWIN
            )
            for face in client.list_faces():
                client.change_face(face.id, note="Ž is her note")
        assert shop.services.joining.join_tenant(shop.tenant)
        yield shop


@pytest.fixture
def page(shop: Shop, browser: Browser) -> Iterator[Page]:
    with visiting(browser, shop.book, None) as visitor:
        page = visitor.open()
        ready(page)
        page.keyboard.press("b")
        expect(page.locator("html")).to_have_attribute("data-blur", "on")
        yield page


def assert_hidden(page: Page) -> None:
    settle(page)
    assert page.evaluate(SHARP) == [], page.url


def test_no_page_shows_a_face_or_a_name(page: Page, shop: Shop) -> None:
    with shop.book.client() as client:
        ann = next(iter(client.list_faces(name=ANN))).id
    for name in PAGES:
        page.evaluate(
            "hash => { location.hash = hash }", f"#/{name}/{ann if name == 'person' else ''}"
        )
        ready(page)
        assert_hidden(page)
        shoot(page, f"blur-{name}")


def test_what_is_said_and_asked_of_somebody_is_hidden(page: Page, shop: Shop) -> None:
    page.clock.install()
    row = page.locator(".visit").filter(has_text=ANN).first
    row.get_by_role("button", name="Wrong?").click()
    likely = page.get_by_role("dialog").get_by_role("option").first
    expect(likely).to_be_visible()
    assert_hidden(page)
    likely.click()
    expect(page.get_by_role("status").get_by_text("Now:")).to_be_visible()
    with time_stands(page):
        assert_hidden(page)
        shoot(page, "blur-note")
        page.get_by_role("status").get_by_role("button", name="Undo").click()
    page.keyboard.press("/")
    page.get_by_label("Name or id").fill("ann")
    expect(page.get_by_role("option", name=ANN)).to_be_visible()
    assert_hidden(page)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Looks like")).to_be_visible()
    page.get_by_role("button", name="Merge …").first.click()
    assert_hidden(page)
    page.get_by_role("button", name="Cancel").click()
    page.get_by_role("button", name="What is seldom done").click()
    page.get_by_role("button", name="Delete this person").click()
    expect(page.get_by_role("status").get_by_text("deleted")).to_be_visible()
    with time_stands(page):
        assert_hidden(page)
        page.get_by_role("button", name="Undo").click()
    page.evaluate("() => { location.hash = '#/review' }")
    page.get_by_role("button", name="Is it them?").click()
    page.get_by_role("button", name="No", exact=True).click()
    assert_hidden(page)
    page.keyboard.press("u")


@pytest.mark.parametrize("name", ["add", "search"])
def test_a_picture_that_is_looked_at_is_blurred(page: Page, name: str) -> None:
    page.evaluate("hash => { location.hash = hash }", f"#/{name}")
    file = {"name": "žann.jpg", "mimeType": "image/jpeg", "buffer": draw_capture(DrawnPerson(0))}
    page.get_by_label("Choose").first.set_input_files(file)
    expect(page.get_by_text(ANN).first).to_be_attached()
    assert_hidden(page)


def test_the_eye_hides_names_whatever_their_length_and_what_is_typed_can_be_read(
    shop: Shop, browser: Browser
) -> None:
    with visiting(browser, shop.book, None) as visitor:
        page = visitor.open("#/people")
        ready(page)
        eye = page.get_by_role("button", name="Hide faces and names")
        eye.click()
        expect(eye).to_have_attribute("aria-pressed", "true")
        expect(page).to_have_title("Hidden · People · Regulars")
        widths = page.locator(".card:not(.nameless) .name").evaluate_all(
            "all => all.map((one) => one.offsetWidth)"
        )
        assert len(widths) > 1
        assert len(set(widths)) == 1
        page.get_by_label("Only names with …").fill("Ann Žlee")
        typed = page.get_by_label("Only names with …").evaluate(
            "one => getComputedStyle(one).webkitTextFillColor"
        )
        assert typed != "rgba(0, 0, 0, 0)"
        assert_accessible(page)
        eye.click()
        expect(page).to_have_title("People · Regulars")
