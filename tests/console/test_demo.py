"""`make demo` ends with a link to the console, which shows a shop where people come and go."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests
from playwright.sync_api import Browser, Page, expect

from regulars.demo.shop import MISTAKEN, NAMES, UNSURE
from regulars.serve.service import stop
from tests.console.conftest import DESK, Book, Visitor, becomes, shoot
from tests.console.looks import looked_at
from tests.console.pages import PAGES, ready
from tests.console.spoken import LANGUAGES, TABLES
from tests.support.examples import sample
from tests.support.noon import zone_at_noon

ARE_DRAWN = (
    "all => all.every((one) => one.naturalWidth || one.getBoundingClientRect().top > innerHeight)"
)
"""Whether all pictures in sight are there; a browser fetches those further down when it likes."""

LISTS = {
    "visits": ".visits > li",
    "places": "table",
    "review": "h2",
    "people": "[role=gridcell]",
    "traffic": ".panel",
    "cameras": "img",
    "captures": "img",
    "phone": ".rows > li",
    "hooks": ".rows > li",
    "settings": ".rows > li",
    "report": "table, .panel",
    "person": "img",
}
"""What a page has if it has data. Privacy shows settings; the others ask for a picture."""

ZONE = zone_at_noon()
"""A zone in which it was noon when the tests began: an hour may begin while one of them runs."""
LINK = re.compile(r"(http://\S+?)/console(#code=\S+)")


@contextmanager
def demo(folder: Path, *options: str) -> Iterator[str]:
    """Run the demo, with all that it writes in `folder`, until a line names its console; give the
    line."""
    command = [sys.executable, "-m", "regulars", "demo", "--port", "0", *options]
    around = {**os.environ, "TZ": ZONE, "TMPDIR": str(folder), "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=around)
    try:
        assert process.stdout is not None
        found = next((line for line in process.stdout if "/console" in line), "")
        assert found, "the demo ended without a link"
        yield found
    finally:
        code = stop(process)
    assert code in (0, 128 + signal.SIGTERM)
    assert list(folder.iterdir()) == []


def test_strangers_see_the_drawn_shop_sharply_and_are_told_how_to_run_their_own(
    browser: Browser, tmp_path: Path
) -> None:
    with demo(tmp_path, "--public") as line:
        [url] = re.findall(r"http://[^/\s]+", line)
        visitor = Visitor(
            browser.new_context(viewport=DESK, locale="en-GB"), Book(url, tmp_path, "", "")
        )
        page = visitor.open()
        expect(page.get_by_text("Drawn people: nobody here is real")).to_be_visible()
        expect(page.locator(".visits > li").first).to_be_visible()
        expect(page.locator("html")).to_have_attribute("data-blur", "off")
        shoot(page, "demo-public")
        names = {
            face["name"]
            for face in requests.get(f"{url}/v1/faces?limit=100", timeout=60).json()["faces"]
        }
        assert {*NAMES} <= names
        assert "Neighbour" not in names
        session = requests.get(f"{url}/v1/session", timeout=60).json()
        settings = requests.get(f"{url}/v1/settings", timeout=60).json()
        assert (session["demo"], settings["time_zone"]) == (True, ZONE)
        assert requests.post(f"{url}/v1/session", json={}, timeout=60).status_code == 403
        assert page.locator(".tour kbd").count() == 0
        see_no_button_that_is_refused(page, url)
        take_tour(page)
        correct_and_take_back(page, url)
        visitor.check()
        visitor.context.close()
        # one: who asks as fast as a test uses up what a stranger may ask for
        for language in sample(LANGUAGES, 1):
            with browser.new_context(viewport=NARROW, locale=language) as context:
                read_tour(context.new_page(), url, language)


STOPS = ("came", "correct", "done", "who", "traffic", "inside", "forget")
NARROW = {"width": 320, "height": 568}


REFUSED = (
    *("people.add", "people.group", "person.more", "consent.write", "consent.change"),
    *("camera.still.ask", "check.ask", "camera.view.right", "captures.again"),
    *("signout", "page.search", "review.forget", "review.mask", "erase"),
)
"""Names of what a visitor of the demo may not do."""


QUEUES = ("stranger", "promoted", "uncertain")
ARE_NAMED = """all => all.map((one) => one.ariaLabel ?? [...one.childNodes]
  .filter((part) => part.nodeName !== "KBD").map((part) => part.textContent).join("").trim())"""
"""The names of buttons, without their keys."""


def see_no_button_that_is_refused(page: Page, url: str) -> None:
    faces = requests.get(f"{url}/v1/faces?limit=1&group=regular", timeout=60).json()["faces"]
    shown = ["visits", "people", f"person/{faces[0]['id']}", "cameras/door", "settings", "add"]
    for path in (*shown, "privacy", *(f"review?queue={kind}" for kind in QUEUES)):
        page.goto(f"{url}/console#/{path}")
        ready(page)
        if path.startswith("review"):
            expect(page.locator("article:visible")).to_be_visible()
        names = page.locator("#console :is(button, a, input):visible").evaluate_all(ARE_NAMED)
        refused = {str(TABLES["en"][name]) for name in REFUSED}
        assert refused.isdisjoint(names), (path, refused & {*names})
        assert path != "people" or page.get_by_role("checkbox").count() == 0
    assert page.get_by_role("heading", name="Add").count() == 0
    page.goto(f"{url}/console#/visits")
    ready(page)


def take_tour(page: Page) -> None:
    """Go through the tour by the keyboard alone, each stop with what it marks, to the commands."""
    tour = page.locator(".tour")
    marked = page.locator("main .page *")
    for name in STOPS:
        page.keyboard.press(".")
        expect(tour).to_contain_text(str(TABLES["en"][f"tour.{name}.says"]))
        ready(page)
        becomes(page, lambda: marked.evaluate_all(IS_MARKED))
    looked_at(page, "demo-tour")
    page.keyboard.press(".")
    expect(tour.locator("code")).to_have_text(["make demo", "make test"])
    looked_at(page, "demo-tour-own")
    page.keyboard.press(",")
    expect(tour).to_contain_text(str(TABLES["en"]["tour.forget.says"]))


def correct_and_take_back(page: Page, url: str) -> None:
    """Correct the drawn mistake as the tour invites to, see the others not see it, and take it
    back."""
    seen_by_all = requests.get(f"{url}/v1/done", timeout=60).json()["acts"]
    page.goto(f"{url}/console#/review?queue=uncertain")
    card = page.locator("article:visible")
    expect(card).to_contain_text(NAMES[UNSURE])
    page.get_by_role("button", name="Somebody else").click()
    page.get_by_role("combobox").fill(NAMES[MISTAKEN])
    with page.expect_response(lambda answer: answer.url.endswith("/reject")):
        page.get_by_role("option", name=NAMES[MISTAKEN]).first.click()
    page.goto(f"{url}/console#/done")
    first = page.locator(".acts > li").first
    expect(first).to_contain_text(f"{NAMES[UNSURE]} → {NAMES[MISTAKEN]}")
    expect(first).to_contain_text("A visitor of the demo")
    looked_at(page, "demo-done")
    first.get_by_role("button", name="Take back").click()
    expect(page.get_by_text("Taken back").first).to_be_visible()
    assert requests.get(f"{url}/v1/done", timeout=60).json()["acts"] == seen_by_all


IS_MARKED = """all => all.map((one) => [one, getComputedStyle(one)]).filter(([one, style]) =>
  style.outline.includes("solid 3px") && one.checkVisibility()).length === 1"""
"""Whether one thing is marked, and no second one."""


ARE_CUT = (
    "all => all.filter((one) => one.scrollWidth > one.clientWidth).map((one) => one.innerText)"
)


def read_tour(page: Page, url: str, language: str) -> None:
    """Read the tour's words on a narrow phone, where nothing is cut off at the side."""
    page.goto(f"{url}/console")
    words, tour = TABLES[language], page.locator(".tour")
    for name in ("drawn", *(f"{name}.says" for name in STOPS), "own.says"):
        expect(tour).to_contain_text(str(words[f"tour.{name}"]))
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), (language, name)
        if name in ("came.says", "who.says", "inside.says"):
            ready(page)
            lines = page.locator(".turn.day, .segments :is(button, a)")
            assert lines.evaluate_all(ARE_CUT) == [], language
        if name != "own.says":
            tour.locator(".strong").click()


def test_the_demos_link_leads_to_a_shop_of_which_every_page_has_something_to_show(
    browser: Browser, tmp_path: Path
) -> None:
    with demo(tmp_path) as line:
        (url, code), *_ = LINK.findall(line)
        visitor = Visitor(
            browser.new_context(viewport=DESK, locale="en-GB"), Book(url, tmp_path, "", "")
        )
        page = visitor.open(code)
        row = page.locator(".visit").filter(has_text="visit, previously").first
        expect(
            row.get_by_role("img", name=re.compile("Portrait|As the camera saw it"))
        ).to_have_count(2)
        assert page.get_by_text("Neighbour").count() == 0, "the real people stay in the terminal"
        becomes(page, lambda: page.locator("img").evaluate_all(ARE_DRAWN))
        assert page.get_by_role("dialog").count() == 0
        assert not page.get_by_text(re.compile(r"getFace|neighbour_1|openapi")).count()
        shoot(page, "demo")
        # Who came on the day that is shown depends on the day of the week.
        names = re.compile("|".join(map(re.escape, NAMES)))
        person = page.get_by_role("link", name=names).first.get_attribute("href")
        for name in PAGES:
            page.evaluate(
                "place => { location.hash = place }", person if name == "person" else f"#/{name}"
            )
            ready(page)
            expect(page.locator(".empty")).to_have_count(0)
            if name in LISTS:
                expect(page.locator(f"main {LISTS[name]}").first).to_be_visible()
            shoot(page, f"demo-{name}")
        visitor.check()
        visitor.context.close()
