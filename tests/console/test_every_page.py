"""What holds for every page, also for one that is new: texts of others stay texts, and all of it is
accessible.

The pages are those of console/pages.js. One book has something to show on each of them.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Browser, Page, expect
from regulars_client import models

from chalicelib.book.vision.packs import packs
from chalicelib.domain.model import REGULAR
from chalicelib.storage import keys
from regulars.demo.drawn_vision import DrawnPerson, DrawnVision, draw_capture, draw_portrait
from regulars.demo.shop import enrol_drawn
from tests.console.conftest import DESK, PHONE, TOUCH, Book, Visitor, reload, shoot, visiting
from tests.console.looks import (
    ANSWER_LATE,
    LIGHT,
    MOST_SHIFTED,
    NOTE_SHIFTS,
    VIEWS,
    assert_accessible,
    looked_at,
)
from tests.console.pages import PAGES, ready
from tests.console.portraits import Shop, mall
from tests.console.spoken import LANGUAGES
from tests.support.book.synthetic import PICTURE, write_faces, write_visits
from tests.support.box.box import serving
from tests.support.examples import rest, sample

pytestmark = rest

SAY_NOTHING_OF_OTHERS = {"add", "report", "search"}
"""Pages of numbers, or that show a text of somebody else only once a picture was chosen, or two
people look alike."""

ATTACKS = (
    "<img src=x onerror=alert(1)>",
    '"><script>alert(1)</script>',
    "' onfocus='alert(1)' autofocus='",
    "</title></option></textarea><b onclick=alert(1)>",
    "${alert(1)} `+alert(1)+`",
    "{name} {count} $& %s",
    "&lt;b&gt; &amp;amp; &#60;i&#62;",
    "javascript:alert(1)",
    "=HYPERLINK(1) +1 @SUM(1)",
    "../../v1/session?code=%2e%2e#/add",
    "👩🏽‍🚀 שלום مرحبا ﷽",
    "W" * 80,
)
NAMES = tuple(f"{attack} zq{number}z" for number, attack in enumerate(ATTACKS))
"""Each ends in a word by which it is found again, whatever became of the rest."""

CROWD = 200
LONG_NAME = "Bartholomäus Hohenstein-Kirchberger"
LONG = ("Donaudampfschifffahrtselektrizitätenhaup", "王" * 40, "שלוםמרחבא" * 4 + "שלום")
"""Names of 40 letters without a space: in Latin, Chinese and Hebrew letters."""

INJECTED = (
    "main :is(script, iframe, object, embed, b, i, base, style, [onerror], [onclick], "
    "[onfocus], [href^=javascript])"
)
SHOWN = """() => {
  const elsewhere = ["href", "src", "id", "for", "value"];
  const texts = [...document.querySelectorAll("#console *")].flatMap((one) => [
    ...[...one.childNodes].filter((each) => each.nodeType === 3).map((each) => each.data),
    ...[...one.attributes].filter((each) => !elsewhere.includes(each.name))
      .map((each) => each.value),
    one.value ?? ""]);
  return [document.title, ...texts].map(String).filter((one) => /zq\\d+z/.test(one));
}"""


TOO_SMALL = """(least) => {
  const beyond = (one) => {
    const after = getComputedStyle(one, "::after");
    return after.content === "none" || after.position !== "absolute"
      ? 0 : Math.max(0, -parseFloat(after.top));
  };
  const isSmall = (one) => {
    const around = one.matches("input") ? one.closest("label") ?? one : one;
    const { width, height } = around.getBoundingClientRect(), more = 2 * beyond(one);
    return width && height && Math.min(width, height) + more < least - 0.5;
  };
  const isInText = (one) => one.matches("a") && getComputedStyle(one).display === "inline";
  const isUnseen = (one) => !one.checkVisibility({ opacityProperty: false })
    || one.closest(".skip, .unseen");
  const touched = "#console :is(button, a[href], select, summary, input, textarea)";
  return [...document.querySelectorAll(touched)]
    .filter((one) => !isUnseen(one) && !isInText(one) && isSmall(one)).map((one) => {
      const { width, height } = one.getBoundingClientRect();
      return `${one.outerHTML.slice(0, 120)} ${Math.round(width)} x ${Math.round(height)}`;
    });
}"""
"""Lists what a finger would miss: a link within a text is as large as its text, a field as its
label."""

TOO_WIDE = """() => [...document.querySelectorAll("#console :is(button, .button)")]
  .filter((one) => getComputedStyle(one).overflowX === "visible"
    && one.scrollWidth > one.clientWidth + 1)
  .map((one) => one.outerHTML.slice(0, 120))"""
"""Lists the buttons out of which their text reaches."""

TOO_NEAR = """(least) => {
  const boxes = "#console label:has([type=checkbox], [type=radio])";
  const labels = [...document.querySelectorAll(boxes)].filter((one) => one.checkVisibility())
    .map((one) => [one.textContent.trim(), one.getBoundingClientRect()]);
  const gap = (one, other) => Math.max(other.top - one.bottom, one.top - other.bottom,
    other.left - one.right, one.left - other.right);
  return labels.flatMap(([name, one], place) => labels.slice(place + 1)
    .filter(([, other]) => gap(one, other) < least - 0.5)
    .map(([otherName]) => `${name} | ${otherName}`));
}"""
"""Lists the boxes of which a finger may press the other one."""

OVER_TITLE = """() => {
  const range = document.createRange();
  const title = document.querySelector("h1");
  if (getComputedStyle(title).clipPath !== "none") return []; // it is read aloud only
  range.selectNodeContents(title);
  const text = range.getBoundingClientRect();
  return [...document.querySelectorAll("main :is(button, a)")].filter((one) => {
    const box = one.getBoundingClientRect();
    return !title.contains(one) && box.width && box.left < text.right && text.left < box.right
      && box.top < text.bottom && text.top < box.bottom;
  }).map((one) => one.outerHTML.slice(0, 120));
}"""
"""Lists what lies over the page's title."""

CUT_NAMES = """(longest) => {
  const isClipped = (one) => ["hidden", "clip"].includes(getComputedStyle(one).overflowX);
  const isCut = (one) => {
    if (one.matches("input, textarea")) return one.scrollWidth > one.clientWidth + 1;
    const range = document.createRange();
    range.selectNodeContents(one);
    const text = range.getBoundingClientRect();
    for (let around = one; around && !around.matches("main"); around = around.parentElement) {
      const box = around.getBoundingClientRect();
      if (["auto", "scroll"].includes(getComputedStyle(around).overflowX)) return false;
      if (isClipped(around) && (text.right > box.right + 1 || text.left < box.left - 1
        || text.bottom > box.bottom + 1)) return true;
    }
    return false;
  };
  return [...document.querySelectorAll("main :is(h1, .name, .called, .name :is(input, textarea))")]
    .filter((one) => one.checkVisibility() && getComputedStyle(one).clipPath === "none")
    .filter((one) => (one.value ?? one.textContent).length <= longest && isCut(one))
    .map((one) => one.parentElement.outerHTML.slice(0, 240));
}"""
"""Lists the names of up to so many letters that are not whole."""

LEAST_PX, LEAST_GAP_PX, NARROWEST_PX = 44, 8, 320
LONGEST_NAME = 36
PHONES_PX = (360, 390)


@pytest.fixture(scope="module")
def shop(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A book in which others chose every text: names, notes, labels, groups, cameras, hooks and
    keys."""
    with mall(tmp_path_factory.mktemp("pages")) as made:
        shop = made.shop().ask(names=NAMES, uncertain=len(NAMES), promoted=2, strangers=2)
        with shop.book.client() as client:
            group = client.add_group(
                name=NAMES[0], capacity=100, description=NAMES[1], attributes=[NAMES[2]]
            ).name
            client.add_camera(id="back", name=NAMES[0], labels={"a": NAMES[2]})
            client.add_group(name=NAMES[-1], capacity=1)
            client.add_camera(id="long", name=NAMES[-1], labels={"a": NAMES[-1]})
            client.add_key(name=NAMES[-1], role="viewer")
            client.take_capture(picture=draw_capture(DrawnPerson(1)), camera="long")
            client.change_camera("door", name=NAMES[1])
            client.add_place(name=NAMES[-1], doors=["door", "long"], full_at=9)
            client.add_key(name=NAMES[0], role="viewer")
            client.add_hook(url=f"https://hooks.example/{in_a_url(NAMES[0])}", groups=[group])
            for face in client.list_faces(group="regular"):
                client.change_face(face.id, note=NAMES[5], labels=models.FaceLabels(a=NAMES[4]))
            client.change_settings(
                controller=NAMES[3],
                contact=NAMES[6],
                purposes=NAMES[4],
                basis=NAMES[5],
                recipients=NAMES[-1],
            )
            for face in list(client.list_faces(name="onerror"))[:1]:
                soon = datetime.now(UTC) + timedelta(days=9)
                client.set_consent(
                    face.id, basis="consent", given_at=0, evidence=NAMES[7], expires_at=soon
                )
                client.change_face(face.id, group=group, attributes={NAMES[2]: NAMES[1]})
            client.take_capture(picture=draw_capture(DrawnPerson(1)), camera="back")
            client.take_capture(picture=draw_capture(DrawnPerson(0)), camera="door")
            write_visits(
                shop.services,
                shop.tenant,
                visits_of_weeks(
                    next(iter(client.list_faces(group=group))).id,
                    ZoneInfo(client.get_settings().time_zone),
                ),
            )
            assert client.get_usual().proposed.count(",") > 3, (
                "hours that need a line of a phone each"
            )
            write_crowd(shop)
        yield shop


def write_crowd(shop: Shop) -> None:
    """Enrol people with long names, of whom some are here."""
    services, tenant = shop.services, shop.tenant
    write_faces(
        services.ports.storage.items,
        tenant,
        services.groups.get_by_name(tenant, "regular"),
        CROWD,
        DrawnVision(packs.read_pack()),
        LONG,
    )
    with shop.book.client() as client:
        crowd = [one.id for one in client.list_faces(group="regular") if one.name in LONG]
    assert len(crowd) == CROWD
    portrait = draw_portrait(DrawnPerson(0))
    for faceid in crowd:
        key = keys.face_picture(tenant.name, faceid, PICTURE)
        services.ports.storage.blobs.put_if_absent(key, portrait, "image/jpeg")
    for number, name in enumerate((*LONG, LONG_NAME) * 2, 900):
        enrol_drawn(services, tenant, number, name, REGULAR)
        shop.see(number, 0.1)


def visits_of_weeks(faceid: str, zone: ZoneInfo) -> list[tuple[datetime, str, str]]:
    """List visits of three weeks, by which each weekday has opening hours of its own in the
    zone."""
    today = datetime.now(zone).replace(hour=0, minute=0, second=0, microsecond=0)
    days = [today - timedelta(days=days) for days in range(2, 23)]
    return [
        (day + timedelta(hours=hour), "door", faceid)
        for day in days
        for hour in range(4, 9 + day.weekday())
    ]


@pytest.fixture
def visitor(shop: Shop, browser: Browser) -> Iterator[Visitor]:
    with visiting(browser, shop.book, None) as visitor:
        visitor.context.on(
            "dialog", lambda dialog: pytest.fail(f"a text was run: {dialog.message}")
        )
        yield visitor


@pytest.fixture(scope="module")
def phone(shop: Shop, browser: Browser) -> Iterator[Visitor]:
    """Return a visitor who reads German, whose words are long."""
    with visiting(browser, shop.book, None, **TOUCH, locale="de-DE") as visitor:
        yield visitor


def opened(visitor: Visitor, shop: Shop, name: str) -> Page:
    with shop.book.client() as client:
        rest = f"/{next(iter(client.list_faces(name='onerror'))).id}" if name == "person" else ""
    page = visitor.open(f"#/{name}{rest}")
    ready(page)
    return page


def assert_texts(page: Page, some: bool) -> None:
    """Assert that what others wrote is shown whole, as text, and that no element came of it."""
    shown = page.evaluate(SHOWN)
    for text in shown:
        for number in re.findall(r"zq(\d+)z", text):
            name = NAMES[int(number)]
            assert name in text or in_a_url(name) in text
    assert page.locator(INJECTED).evaluate_all("all => all.map((one) => one.outerHTML)") == []
    assert shown or not some, (
        "nothing of the book is shown; say so in SAY_NOTHING_OF_OTHERS if that is right"
    )


def in_a_url(name: str) -> str:
    return name.replace(" ", "+")


@pytest.mark.parametrize("name", PAGES)
def test_what_others_wrote_is_text_and_the_page_is_accessible_in_both_languages(
    visitor: Visitor, shop: Shop, name: str
) -> None:
    page = opened(visitor, shop, name)
    expect(page.locator("html")).to_have_attribute("lang", "en")
    assert_texts(page, some=name not in SAY_NOTHING_OF_OTHERS)
    assert_accessible(page, VIEWS)
    shoot(page, f"page-{name}-en")
    page.evaluate("localStorage.setItem('regulars.language', 'zh')")
    reload(page)
    ready(page)
    expect(page.locator("html")).to_have_attribute("lang", "zh")
    assert_texts(page, some=name not in SAY_NOTHING_OF_OTHERS)
    assert_accessible(page, LIGHT[:1])  # its colours are those of the other language
    shoot(page, f"page-{name}-zh")


@pytest.mark.parametrize("name", ["add", "search"])
def test_a_files_name_is_text(visitor: Visitor, shop: Shop, name: str) -> None:
    page = opened(visitor, shop, name)
    files = [
        {
            "name": f"{text.replace('/', '')}.jpg",
            "mimeType": "image/jpeg",
            "buffer": draw_portrait(DrawnPerson(number)),
        }
        for number, text in enumerate(NAMES[:3])
    ]
    page.locator("input[type=file]").first.set_input_files(files if name == "add" else files[:1])
    expect(page.locator("main img").first).to_be_visible()
    ready(page)
    assert "zq0z" in page.inner_text("main") or "zq0z" in str(page.evaluate(SHOWN))
    assert page.locator(INJECTED).count() == 0


@pytest.mark.parametrize("name", PAGES)
def test_all_that_is_touched_on_a_phone_is_as_large_as_a_finger(
    phone: Visitor, shop: Shop, name: str
) -> None:
    page = opened(phone, shop, name)
    small = page.evaluate(TOO_SMALL, LEAST_PX)
    assert small == [], small
    assert page.evaluate(TOO_NEAR, LEAST_GAP_PX) == []
    assert page.evaluate(TOO_WIDE) == []
    assert page.evaluate(OVER_TITLE) == []
    for width in (PHONE["width"], NARROWEST_PX):
        page.set_viewport_size({**PHONE, "width": width})
        assert page.evaluate("document.documentElement.scrollWidth") == width, "it scrolls sideways"
    page.close()


@pytest.mark.parametrize("name", PAGES)
def test_no_name_is_cut_on_a_phone(phone: Visitor, shop: Shop, name: str) -> None:
    page = opened(phone, shop, name)
    for language in ("de", *sample(LANGUAGES, 1)):
        page.evaluate("(code) => localStorage.setItem('regulars.language', code)", language)
        reload(page)
        ready(page)
        expect(page.locator("html")).to_have_attribute("lang", language)
        for width in PHONES_PX:
            page.set_viewport_size({**PHONE, "width": width})
            assert page.evaluate(CUT_NAMES, LONGEST_NAME) == [], (language, width)
    page.evaluate("localStorage.removeItem('regulars.language')")
    page.close()


@pytest.mark.parametrize("viewport", [DESK, PHONE], ids=["desk", "phone"])
@pytest.mark.parametrize("name", PAGES)
def test_nothing_that_is_in_sight_moves_while_a_page_loads(
    shop: Shop, browser: Browser, name: str, viewport: Any
) -> None:
    with visiting(browser, shop.book, None, viewport=viewport) as visitor:
        visitor.context.add_init_script(ANSWER_LATE)
        visitor.context.add_init_script(NOTE_SHIFTS)
        shifts = opened(visitor, shop, name).evaluate("shifts")
        assert sum(value for value, _ in shifts) < MOST_SHIFTED, shifts


LAPTOP = {"width": 1280, "height": 800}
FIRST_ROW_PX, ROW_PX, ROWS = 260, 66, 8


def test_a_laptop_shows_eight_visits(shop: Shop, browser: Browser) -> None:
    with visiting(browser, shop.book, None, viewport=LAPTOP) as visitor:
        page = opened(visitor, shop, "visits")
        boxes = [row.bounding_box() for row in page.locator(".visit").all()]
    shown = [box for box in boxes if box and box["y"] + box["height"] <= LAPTOP["height"]]
    assert shown[0]["y"] <= FIRST_ROW_PX
    assert len(shown) >= ROWS, [(box["y"], box["height"]) for box in shown]


MAY_NOT: tuple[tuple[str, str, str, dict[str, str], dict[str, str]], ...] = (
    ("viewer", "people", "main", {"link": "^Add$", "checkbox": ""}, {}),
    ("viewer", "person", "main", {"button": "Delete|Erase|Merge|^Not "}, {}),
    ("viewer", "visits", ".visits > li", {"button": "Who is it|Wrong", "textbox": ""}, {}),
    ("viewer", "privacy", "main", {}, {"switch": "Ask for consent"}),
    ("operator", "cameras", "main", {"button": "New camera"}, {}),
    (
        "operator",
        "cameras/door",
        "main",
        {"button": "Delete this camera"},
        {"switch": "Keeps strangers"},
    ),
    (
        "operator",
        "settings",
        "body",
        {"button": "New key", "link": "Connections"},
        {"combobox": "Time zone"},
    ),
)
"""Role of a key, page, and in a part of it what is not offered, and what is there and cannot be
changed."""


@pytest.mark.parametrize(
    ("role", "name", "part", "absent", "disabled"), MAY_NOT, ids=[one[1] for one in MAY_NOT]
)
def test_what_a_key_may_not_change_is_not_offered(
    browser: Browser,
    shop: Shop,
    role: str,
    name: str,
    part: str,
    absent: dict[str, str],
    disabled: dict[str, str],
) -> None:
    with shop.book.client() as client:
        key = client.add_key(name=f"{role} of {name}", role=role).api_key
    with visiting(browser, shop.book, key) as visitor:
        page = opened(visitor, shop, name)
        shown: Any = page.locator(part)
        expect(shown.first).to_be_visible()
        for kind, named in disabled.items():
            expect(shown.get_by_role(kind, name=named)).to_be_disabled()
        for kind, named in absent.items():
            assert shown.get_by_role(kind, name=re.compile(named)).count() == 0, kind
        if disabled:
            assert_accessible(page)
        shoot(page, f"{role}-{name.partition('/')[0]}")


EMPTY = {
    "visits": "Nobody yet today",
    "people": "Nobody is in the book yet",
    "cameras": "There is no camera yet",
    "captures": "No camera has sent anything yet",
    "hooks": "There is no connection yet",
    "traffic": "Nobody has come yet",
}


def test_a_book_in_which_nothing_is_yet_says_what_would_fill_it(
    browser: Browser, tmp_path: Path
) -> None:
    with (
        serving(tmp_path) as box,
        visiting(browser, Book(box.url, tmp_path, box.key, ""), None) as visitor,
    ):
        for name, says in EMPTY.items():
            page = visitor.open(f"#/{name}")
            expect(page.get_by_text(says)).to_be_visible()
            looked_at(page, f"{name}-empty")
            page.close()


CUT_TIMES = """(all) => all.filter((one) => one.scrollWidth > one.clientWidth + 1
  || one.clientHeight > 1.8 * parseFloat(getComputedStyle(one).fontSize))
  .map((one) => one.textContent)"""
"""Lists the times that are cut, or have a second line."""


@pytest.mark.parametrize("viewport", [DESK, PHONE], ids=["desk", "phone"])
def test_times_of_two_halves_of_a_day_are_whole(
    shop: Shop, browser: Browser, viewport: Any
) -> None:
    with visiting(browser, shop.book, None, viewport=viewport, locale="en-US") as visitor:
        page = opened(visitor, shop, "visits")
        times = page.locator(".visit time")
        expect(times.first).to_have_text(re.compile(r"^\d{1,2}:\d\d\s[AP]M$"))
        assert times.evaluate_all(CUT_TIMES) == []
        marks = page.locator(".day-hours small")
        assert marks.evaluate_all(CUT_TIMES) == []
        shoot(page, "visits-en-US")
