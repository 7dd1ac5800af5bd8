"""Traffic: figures of a period beside the one before, which the book's own observations are counted
against."""

import csv
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, Literal
from urllib.parse import parse_qsl, urlsplit
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from msgspec import Struct
from msgspec.structs import replace
from playwright.sync_api import Browser, Page, expect

from chalicelib.book.statistics.calendar import Calendar
from chalicelib.domain.captures import sighting_id
from chalicelib.domain.local_time import Span
from chalicelib.domain.model import Profile
from chalicelib.domain.observations import Observation
from chalicelib.domain.tenant_settings import TenantSettings
from chalicelib.storage import keys
from chalicelib.storage.items import write_in_parts
from chalicelib.storage.ports import ItemStore, Put
from chalicelib.storage.records.observations import make_calendar_actions, observation_item
from chalicelib.storage.values import milliseconds
from tests.console.conftest import (
    DESK,
    PHONE,
    TOUCH,
    Book,
    Visitor,
    heading,
    press_pair,
    save_as,
    settle,
    shoot,
    visiting,
)
from tests.console.looks import ANSWER_LATE, MOST_SHIFTED, NOTE_SHIFTS, looked_at
from tests.support.book.synthetic import visits
from tests.support.book.tenants import CHOICE
from tests.support.box.box import Box, serving
from tests.support.fakes import FakeClock

ZONE = ZoneInfo("Asia/Shanghai")
ELSEWHERE = "America/New_York"
"""The browser's time zone, by which no day is counted."""

NOW = datetime(2026, 11, 20, 15, tzinfo=ZONE)
"""A Friday afternoon, for the service and for the browser."""

TODAY, MONDAY, WEEK = NOW.date(), date(2026, 11, 16), timedelta(days=7)
DAYS, A_DAY = 17, 60
HOSTILE = "Door <img src=x onerror=alert(1)>"
CAMERAS = {"counter": "Counter", "door": HOSTILE}


class Shop(Struct, frozen=True):
    """A book of some weeks.

    `lately_key`: of a book that begins a week ago, a moment after this time.
    """

    box: Box
    book: Book
    seen: tuple[Observation, ...]
    lately_key: str

    def count(
        self, first: date, last: date, of: Callable[[Observation], object] = lambda _: "total"
    ) -> Counter[object]:
        """Count the visits of some days of the tenant's zone."""
        return Counter(
            of(one) for one in self.seen if first <= one.at.astimezone(ZONE).date() <= last
        )


@pytest.fixture(scope="module")
def shop(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """Serve a book of some weeks, each visit another person's, so that visits and persons are as
    many."""
    folder = tmp_path_factory.mktemp("traffic")
    with serving(folder, clock=FakeClock(NOW.astimezone(UTC))) as box:
        tenants, items = box.services.tenants, box.services.ports.storage.items
        tenants.change_settings("shop", {"time_zone": ZONE.key})
        with box.client() as client:
            for id_, name in CAMERAS.items():
                client.add_camera(id=id_, name=name, labels={})
        seen = tuple(weeks())
        late = next(one for one in seen if local(one).date() == MONDAY - WEEK)
        fill(items, "shop", [one for one in seen if one is not late])
        tenant = tenants.get_by_name("shop")
        box.services.sweep.sweep_tenant(tenant, NOW, ["periods"], is_part=True)
        fill(items, "shop", [late], is_late=True)
        lately = tenants.add(
            "lately", Profile.CAMERA, TenantSettings(**CHOICE, time_zone=ZONE.key)
        ).api_key
        fill(
            items,
            "lately",
            [one for one in seen if one.at >= NOW - WEEK and local(one).date() < MONDAY],
        )
        yield Shop(box, Book(box.url, folder, box.key, ""), seen, lately)


def fill(
    items: ItemStore, tenant: str, seen: Sequence[Observation], *, is_late: bool = False
) -> None:
    days = Span(milliseconds(seen[0].at), milliseconds(seen[-1].at)).utc_days
    late_days = days if is_late else ()
    months = Calendar(items).read_months(tenant, days)
    write_in_parts(items, make_calendar_actions(tenant, days, late_days, months))
    write_in_parts(items, (Put(keys.OBSERVATIONS, observation_item(tenant, one)) for one in seen))


def weeks() -> Iterator[Observation]:
    random, today = np.random.default_rng(7), NOW.replace(hour=0)
    for back in range(DAYS, -1, -1):
        for one in sorted(
            visits(today - timedelta(days=back), A_DAY - back, random, back * 1000),
            key=lambda one: one.at,
        ):
            if one.at < NOW:
                camera = "counter" if int(one.id, 16) % 3 == 0 else "door"
                id_ = sighting_id(f"{milliseconds(one.at):013}-{int(one.id, 16):024x}", 0)
                yield replace(one, id=id_, faceid=f"1{int(one.id, 16):018}", camera=camera)


@pytest.fixture
def visitor(shop: Shop, browser: Browser) -> Iterator[Visitor]:
    with visiting(
        browser, shop.book, None, timezone_id=ELSEWHERE, accept_downloads=True
    ) as visitor:
        visitor.context.clock.set_fixed_time(NOW)
        yield visitor


def local(one: Observation) -> datetime:
    return one.at.astimezone(ZONE)


def end_of(month: date) -> date:
    return (month + timedelta(days=31)).replace(day=1) - timedelta(days=1)


def shown(page: Page) -> dict[str, list[str]]:
    """Return the figures of the first table, by what stands before them."""
    rows = page.locator(".numbers").first.evaluate(
        "(table) => [...table.tBodies[0].rows].map((row) => [...row.cells].map((one) => "
        "one.innerText))"
    )
    return {name: amounts for name, *amounts in rows}


def test_this_week_stands_beside_the_last_and_the_same_figures_are_a_table_one_key_away(
    visitor: Visitor, shop: Shop
) -> None:
    # not Visits, which asks for the pictures of today's visits: there are none
    page = visitor.open("#/people")
    heading(page, "People")
    press_pair(page, "g", "t")
    heading(page, "Traffic")
    this_week = shop.count(MONDAY, TODAY).total()
    expect(page.locator(".amount.sum")).to_contain_text(f"{this_week} visit")
    by_then = sum(
        local(one).date() >= MONDAY - WEEK and one.at < NOW - WEEK for one in shop.seen[:-1]
    )
    expect(page.locator(".amount.sum")).to_contain_text(
        re.compile(rf"by the same time: {by_then}(?!\d)")
    )
    expect(page.locator(".plot").first).to_be_visible()
    expect(page.get_by_role("table", name="The week by the hour")).to_be_visible()
    shoot(page, "traffic", whole=True)
    page.keyboard.press("t")
    expect(page.locator(".plot")).to_have_count(0)
    days = [MONDAY + timedelta(days=one) for one in range(7)]
    assert [*shown(page).values()] == [
        [
            str(shop.count(day, day).total()) if day <= TODAY else "no figure",
            str(shop.count(day - WEEK, day - WEEK).total()),
        ]
        for day in days
    ]
    looked_at(page, "traffic-table", whole=True)


@pytest.mark.parametrize("viewport", [DESK, PHONE, {"width": 1440, "height": 2400}])
def test_nothing_that_is_in_sight_moves_while_traffic_loads(
    shop: Shop, browser: Browser, viewport: Any
) -> None:
    """Also if the service answers late, and each call at another time."""
    with visiting(browser, shop.book, None, timezone_id=ELSEWHERE, viewport=viewport) as visitor:
        visitor.context.clock.set_fixed_time(NOW)
        visitor.context.add_init_script(ANSWER_LATE)
        visitor.context.add_init_script(NOTE_SHIFTS)
        page = visitor.open("#/traffic")
        expect(page.get_by_role("table", name="The week by the hour")).to_be_visible()
        expect(page.get_by_text("Nobody is in this group")).to_be_visible()
        settle(page)
        shifts = page.evaluate("shifts")
        print(viewport, sum(value for value, _ in shifts), shifts)
        assert sum(value for value, _ in shifts) < MOST_SHIFTED


def test_a_bar_leads_to_the_visits_of_its_day(visitor: Visitor, shop: Shop) -> None:
    page = visitor.open("#/traffic")
    expect(page.locator(".parts h3")).to_have_text(["New"])  # each visit is another person's
    expect(page.get_by_role("slider").first).to_be_visible()
    page.get_by_role("slider").first.focus()
    page.keyboard.press("Home")
    page.keyboard.press("Enter")
    heading(page, "Visits")
    assert page.url.endswith(f"#/visits?day={MONDAY}")
    expect(page.locator(".figures button").first).to_have_text(
        f"{shop.count(MONDAY, MONDAY)['total']} visits"
    )
    visitor.forgive("404")


def test_a_week_in_which_nobody_came_yet_stands_beside_the_last_all_the_same(
    visitor: Visitor, shop: Shop
) -> None:
    visitor.context.clear_cookies()  # of the shop beside it
    page = visitor.sign_in(shop.lately_key).open("#/traffic")
    expect(page.locator(".amount.sum")).to_contain_text(
        re.compile(r"^0 visits.*by the same time: 0(?!\d)")
    )
    expect(page.locator(".settling")).to_have_count(0)
    page.keyboard.press("t")
    expect(page.locator(".plot")).to_have_count(0)
    saturday = MONDAY - timedelta(days=2)
    assert [*shown(page).values()][saturday.weekday()] == [
        "no figure",
        str(shop.count(saturday, saturday).total()),
    ]


def test_on_the_31st_of_a_month_it_stands_beside_no_more_than_the_month_before(
    visitor: Visitor,
) -> None:
    """Nobody came in that month, of which nothing is said."""
    visitor.context.clock.set_fixed_time(datetime(2026, 3, 31, 15, tzinfo=ZONE))
    page = visitor.open("#/traffic?span=month")
    expect(page.locator(".amount.sum")).to_have_text(re.compile(r"^[1-9]\d* visits\s*$"))
    asked = [
        dict(parse_qsl(urlsplit(one.url).query))
        for one in visitor.requests
        if "/v1/statistics" in one.url
    ]
    february, march = (datetime(2026, month, 1, tzinfo=ZONE) for month in (2, 3))
    compared = [one["to"] for one in asked if datetime.fromisoformat(one["from"]) == february]
    assert {datetime.fromisoformat(one) for one in compared} == {march}


SPLITS: dict[str, tuple[dict[str, str], Callable[[Observation], object]]] = {
    "Camera": (CAMERAS, lambda one: one.camera),
    "Gender": ({"female": "female", "male": "male"}, lambda one: one.estimates.gender),
    "Age": (
        {str(n): f"{n} to {n + 9}" for n in range(20, 80, 10)},
        lambda one: 10 * (round(one.estimates.age or 0) // 10),
    ),
    "Label A": ({f"brand-{n}": f"brand-{n}" for n in range(5)}, lambda one: one.labels.a),
}
"""Splits, what their values are called, and the value of an observation."""


@pytest.mark.parametrize("split", SPLITS)
def test_a_week_is_split_by_camera_gender_age_or_a_label(
    visitor: Visitor, shop: Shop, split: str
) -> None:
    names, of = SPLITS[split]
    page = visitor.open(f"#/traffic?at={MONDAY - WEEK}&measure=persons")
    page.get_by_label("Split by").select_option(label=split)
    parts = page.locator(".parts li")
    counts = shop.count(MONDAY - WEEK, MONDAY - timedelta(days=1), of)
    for value, count in counts.items():
        part = parts.filter(has=page.get_by_role("heading", name=names[str(value)], exact=True))
        expect(part.locator(".amount strong")).to_have_text(str(count))
    expect(parts).to_have_count(len(counts))
    is_estimate = split in ("Age", "Gender")
    expect(page.get_by_text("Estimated from the picture")).to_have_count(1 if is_estimate else 0)
    assert page.locator("img[src=x]").count() == 0, "a name is text"


def test_arrow_keys_go_through_a_chart_and_screen_readers_are_told(
    visitor: Visitor, shop: Shop
) -> None:
    page = visitor.open(f"#/traffic?at={MONDAY - WEEK}")
    chart = page.get_by_role("slider", name="Visits, By day")
    expect(page.locator(".plot").first).to_be_visible()
    summary = chart.get_attribute("aria-valuetext") or ""
    assert f"{shop.count(MONDAY - WEEK, MONDAY - timedelta(days=1)).total()} visit" in summary
    expect(chart).to_be_visible()
    chart.focus()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    tuesday = MONDAY - WEEK + timedelta(days=1)
    expect(chart).to_have_attribute(
        "aria-valuetext", re.compile(rf"^Tue.* {shop.count(tuesday, tuesday).total()}, .*")
    )
    expect(page.locator(".told").first).to_contain_text("Tue")
    shoot(page, "traffic-cursor")
    box = page.locator(".plot").first.bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] - 20, box["y"] + 40)
    expect(page.locator(".told").first).to_contain_text("Sun")


def test_the_figures_come_as_csv(visitor: Visitor, shop: Shop) -> None:
    page = visitor.open(f"#/traffic?at={MONDAY - WEEK}&split=camera")
    begun = save_as(page, "CSV")
    assert begun.suggested_filename == f"visits-{MONDAY - WEEK}.csv"
    rows = [*csv.DictReader(begun.path().read_text("utf-8-sig").splitlines())]
    counts = shop.count(
        MONDAY - WEEK, MONDAY - timedelta(days=1), lambda one: (str(local(one).date()), one.camera)
    )
    with shop.box.client() as client:
        ids = {camera.name: camera.id for camera in client.list_cameras().cameras}
    assert {(row["Time"], ids[row["Camera"]]): int(row["Visits"]) for row in rows} == counts


def test_what_came_since_a_week_was_closed_stands_beside_it_and_in_its_file(
    visitor: Visitor, shop: Shop
) -> None:
    now = shop.count(MONDAY - WEEK, MONDAY - timedelta(days=1)).total()
    page = visitor.open(f"#/traffic?at={MONDAY - WEEK}&by=day")
    since = page.locator(".since")
    expect(since).to_have_text(
        re.compile(rf"^Since closing: .*15.* 2026: was {now - 1}, now {now}$")
    )
    shoot(page, "traffic-closed")
    page.goto(
        f"{shop.book.url}/console#/traffic?at={MONDAY - WEEK}&span=year&by=week&measure=persons"
    )
    expect(since).to_have_text(re.compile(rf": was {now - 1}, now {now}$"))
    page.goto(f"{shop.book.url}/console#/traffic?at={TODAY}&span=year&by=week&split=none")
    expect(since).to_be_visible()
    begun = save_as(page, "CSV")
    rows = [*csv.DictReader(begun.path().read_text("utf-8-sig").splitlines())]
    assert [row["When closed"] for row in rows if row["Visits"] == f"{now}"] == [f"{now - 1}"]
    page.goto(f"{shop.book.url}/console#/report?at={MONDAY - WEEK}")
    sheet = (
        "Since the week was closed: Visits: was {0}, now {1} · People: was {0}, now {1} · New: was"
    )
    expect(since.first).to_contain_text(sheet.format(now - 1, now))


def test_a_year_by_day_is_one_request(visitor: Visitor, shop: Shop) -> None:
    page = visitor.open("#/traffic?span=year&by=day&beside=no")
    this_year = shop.count(date(TODAY.year, 1, 1), TODAY).total()
    expect(page.locator(".amount.sum")).to_contain_text(f"{this_year} visit")
    by_day = [
        one.url for one in visitor.requests if "/v1/statistics" in one.url and "by=day" in one.url
    ]
    assert len(by_day) == 1
    expect(page.locator(".plot").first).to_be_visible()
    page.keyboard.press("t")
    figures = shown(page)
    assert len(figures) in (365, 366)
    assert sum(int(one) for [one] in figures.values() if one.isdigit()) == this_year


def test_what_is_shown_stays_while_the_service_is_away(visitor: Visitor, shop: Shop) -> None:
    page = visitor.open(f"#/traffic?at={MONDAY - WEEK}")
    expect(page.locator(".parts .plot").first).to_be_visible()
    shown_before = page.locator(".amount.sum").inner_text()
    visitor.context.set_offline(True)
    page.get_by_role("button", name="Month", exact=True).click()
    expect(page.get_by_role("alert").first).to_contain_text("cannot be reached")
    assert page.locator(".amount.sum").inner_text() == shown_before
    visitor.context.set_offline(False)
    page.get_by_role("alert").first.get_by_role("button", name="Try again").click()
    month = (MONDAY - WEEK).replace(day=1)
    expect(page.locator(".amount.sum")).to_contain_text(
        f"{shop.count(month, end_of(month)).total()} visit"
    )
    page.get_by_label("Split by").select_option(label="Nothing")
    expect(page.locator(".parts")).to_have_count(0)
    visitor.forgive("ERR_INTERNET_DISCONNECTED")


def test_a_typical_week_by_the_hour_has_numbers_in_steps_of_one_colour_that_lead_to_the_hour(
    visitor: Visitor, shop: Shop
) -> None:
    page = visitor.open(f"#/traffic?at={MONDAY - WEEK}")
    table = page.get_by_role("table", name="The week by the hour")
    expect(table).to_be_visible()
    hours = table.locator("thead th").all_inner_texts()
    cells = {
        (row, hours[column]): text
        for row, line in enumerate(table.locator("tbody tr").all())
        for column, text in enumerate(line.locator("td").all_inner_texts())
    }
    first, last = local(shop.seen[0]).date(), MONDAY - timedelta(days=1)
    counts = shop.count(first, last, lambda one: (local(one).weekday(), f"{local(one):%H}"))
    weekdays = Counter(
        (first + timedelta(days=one)).weekday() for one in range((last - first).days + 1)
    )
    means = {(day, hour): count / weekdays[day] for (day, hour), count in counts.items()}
    found = {place: float(text) for place, text in cells.items() if text != "·"}
    assert found == {
        place: pytest.approx(mean, abs=0.5 if mean >= 10 else 0.0501)
        for place, mean in means.items()
    }
    assert table.locator(".most").count() >= 1
    table.locator("tbody tr").first.get_by_role("link").first.click()
    expect(page).to_have_url(re.compile(rf"#/visits\?day={MONDAY - WEEK}&hour=\d\d$"))
    visitor.forgive("404")


def test_a_time_without_anything_leads_to_the_first_day_that_has_something(
    visitor: Visitor, shop: Shop
) -> None:
    page = visitor.open("#/traffic?at=2024-02-29")
    expect(page.get_by_role("heading", name="Nothing in this time")).to_be_visible()
    first = local(shop.seen[0]).date()
    looked_at(page, "traffic-nothing")
    page.get_by_role("button", name="Show that time").click()
    expect(page.locator(".amount.sum")).to_contain_text("visit")
    assert f"at={first}" in page.url
    page.get_by_role("button", name="Earlier").click()
    expect(page.get_by_role("heading", name="Nothing in this time")).to_be_visible()


def test_a_phone_shows_all_of_it_by_touch_in_chinese_to_a_viewer(
    shop: Shop, browser: Browser
) -> None:
    with shop.box.client() as client:
        key = client.add_key(name="Screen", role="viewer").api_key
    with visiting(browser, shop.book, key, **TOUCH, locale="zh-CN") as visitor:
        visitor.context.clock.set_fixed_time(NOW)
        page = visitor.open("#/traffic")
        expect(page.get_by_role("heading", name="客流")).to_be_visible()
        page.get_by_role("button", name="月", exact=True).tap()
        plot = page.locator(".plot").first
        expect(plot).to_be_visible()
        box = plot.bounding_box()
        assert box
        assert 0 <= box["x"] <= box["x"] + box["width"] <= PHONE["width"]
        page.touchscreen.tap(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        expect(page.locator(".told strong").first).to_contain_text("月")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), (
            "it scrolls sideways"
        )
        page.get_by_role("button", name="表格", exact=True).tap()
        expect(page.get_by_role("table").first).to_be_visible()


def test_charts_are_drawn_in_the_colours_of_the_page(visitor: Visitor, shop: Shop) -> None:
    page = visitor.open(f"#/traffic?at={MONDAY - WEEK}&span=month")
    schemes: tuple[Literal["light", "dark"], ...] = ("light", "dark", "light")
    accents = {"light": "rgb(43, 76, 140)", "dark": "rgb(157, 184, 242)"}
    for scheme in schemes:
        page.emulate_media(color_scheme=scheme)
        expect(page.locator(".plot .now").first).to_have_css("fill", accents[scheme])
    page.emulate_media(forced_colors="active")
    shoot(page, "traffic-forced")
