"""30,000 people are as easy to go through as thirty: counts that do not depend on the machine."""

import os
import re
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from itertools import pairwise
from statistics import median

import pytest
from playwright.sync_api import Browser, CDPSession, Dialog, Page, Route, expect

from chalicelib.book.cameras import CameraSettings
from chalicelib.domain.model import Profile, Tenant
from chalicelib.domain.tenant_settings import TenantSettings
from chalicelib.services import Services
from tests.console.conftest import DESK, Book, Visitor, becomes
from tests.support.book.synthetic import write_faces, write_visits
from tests.support.book.tenants import CHOICE
from tests.support.box.box import serving
from tests.support.examples import rest
from tests.support.fakes import FakeVision
from tests.support.noon import zone_at_noon

pytestmark = rest

VISITS, CAMERAS = int(os.environ.get("VISITS", "400")), 20
"""Visits of a day: `make bench-console` takes 2,000, the gate fewer."""
MOST_ELEMENTS_OF_VISITS = 3_000
PEOPLE = 30_000
MOST_ELEMENTS = 800
MOST_REQUESTS = 6
MOST_MB = 40
LEAST_RATIO = 5
CHOSEN, DELETED = 300, 120

PLAIN = """(people) => {
  const grid = document.querySelector(".grid"), card = grid.querySelector("[data-index]");
  const list = document.createElement("div");
  const gridTemplateColumns = "repeat(auto-fill, minmax(140px, 1fr))";
  Object.assign(list.style, { display: "grid", gap: "12px", gridTemplateColumns });
  for (let number = 0; number < people; number++) {
    const one = card.cloneNode(true);
    one.style.contentVisibility = "auto";
    one.style.containIntrinsicSize = "auto 200px";
    one.querySelector("strong").textContent = `Number ${number}`;
    list.append(one);
  }
  grid.replaceWith(list);
}"""
"""Makes the page a plain list of as many cards, of which the browser draws those in sight."""


def jump(page: Page, share: float) -> float:
    """Scroll to a share of the whole height; return the milliseconds until the next frame."""
    return float(
        page.evaluate(
            """(share) => new Promise((done) => {
              const began = performance.now();
              scrollTo(0, share * document.documentElement.scrollHeight);
              const end = () => done(performance.now() - began);
              requestAnimationFrame(() => requestAnimationFrame(end));
            })""",
            share,
        )
    )


@pytest.fixture(scope="module")
def crowd(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Book]:
    data = tmp_path_factory.mktemp("many")
    with serving(data) as box:
        key = box.services.tenants.add(
            "many", Profile.CLOUD, TenantSettings(**CHOICE, time_zone=zone_at_noon())
        ).api_key
        tenant = box.services.tenants.get_by_name("many")
        group = box.services.groups.create(tenant, "members", None, "")
        write_faces(box.services.ports.storage.items, tenant, group, PEOPLE, FakeVision())
        book = Book(box.url, data, key, key)
        with book.client() as client:
            let_people_come(
                box.services, tenant, client.list_face_ids(group="members").ids[:VISITS]
            )
        yield book


def let_people_come(services: Services, tenant: Tenant, faceids: Sequence[str]) -> None:
    """Write VISITS of the last eleven hours, and add cameras."""
    now = services.clock.now()
    for number in range(CAMERAS):
        services.cameras.add(tenant, f"camera-{number}", f"Camera {number}", CameraSettings())
    visits = [
        (now - timedelta(hours=11 * number / VISITS), f"camera-{number % CAMERAS}", faceid)
        for number, faceid in enumerate(faceids)
    ]
    write_visits(services, tenant, visits)


@pytest.fixture
def visitor(crowd: Book, browser: Browser) -> Iterator[Visitor]:
    visitor = Visitor(browser.new_context(viewport=DESK), crowd).sign_in()
    yield visitor
    visitor.context.close()


def opened(visitor: Visitor) -> Page:
    page = visitor.open("#/people")
    expect(page.get_by_text("30,000 people")).to_be_visible()
    expect(page.get_by_role("gridcell").first.locator("small")).to_contain_text("never seen")
    return page


def test_one_of_30_000_is_in_sight_by_few_requests_and_far_sooner_than_in_a_plain_list(
    visitor: Visitor,
) -> None:
    page = opened(visitor)
    calls = [one.url for one in visitor.requests if "/v1/" in one.url and "/session" not in one.url]
    assert len(calls) <= MOST_REQUESTS, calls
    jumps_ms = [jump(page, share / 20) for share in range(20)]
    assert page.evaluate("document.querySelectorAll('*').length") <= MOST_ELEMENTS
    used_mb = memory_mb(page)
    assert used_mb <= MOST_MB
    page.evaluate(PLAIN, PEOPLE)
    plain_ms = [jump(page, share / 4) for share in range(1, 5)]
    ratio = median(plain_ms) / median(jumps_ms)
    print(
        f"{len(calls)} requests, {used_mb:.0f} MB; a jump takes {median(jumps_ms):.0f} ms, "
        f"{max(jumps_ms):.0f} at worst"
    )
    print(
        f"in a plain list of the same people {median(plain_ms):.0f} ms, {ratio:.0f} times as long"
    )
    assert ratio >= LEAST_RATIO


def test_of_a_full_day_the_rows_that_are_seen_are_drawn(visitor: Visitor) -> None:
    page = visitor.open("#/visits")
    expect(page.locator(".visit").first).to_be_visible()
    tools = page.context.new_cdp_session(page)
    tools.send("Performance.enable")
    elements, rows, script_s = [], [], [measure_script_s(tools)]
    while not page.get_by_text("That was everybody").is_visible():
        page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
        page.wait_for_timeout(20)
        elements.append(page.evaluate("document.querySelectorAll('*').length"))
        rows.append(page.locator(".visit").count())
        if page.evaluate(LISTED) >= 300 * len(script_s):
            script_s.append(measure_script_s(tools))
    assert page.evaluate(LISTED) == VISITS
    assert max(elements) <= MOST_ELEMENTS_OF_VISITS
    steps = [after - before for before, after in pairwise(script_s)]
    print(
        f"{VISITS} visits: {max(elements)} elements, {max(rows)} rows drawn; script for each 300 "
        f"rows, in s: {steps}"
    )
    page.keyboard.press("Home")
    first = page.locator(".visit").first
    expect(first).to_be_in_viewport()


LISTED = """[...document.querySelectorAll(".hour h2 .soft")].reduce((sum, one) =>
  sum + Number(one.textContent.replace(/\\D/g, "")), 0)"""
"""Counts the visits that are listed in whole hours, by the headings."""


def measure_script_s(tools: CDPSession) -> float:
    found = {one["name"]: one["value"] for one in tools.send("Performance.getMetrics")["metrics"]}
    return float(found["ScriptDuration"])


def test_exactly_300_of_30_000_are_moved_and_back_and_120_deleted_although_the_page_is_left(
    visitor: Visitor,
) -> None:
    with visitor.book.client() as client:
        if "VIP" not in {one.name for one in client.list_groups()}:  # a first try has made it
            client.add_group(name="VIP")
    page = opened(visitor)
    shown = page.evaluate(
        "fetch('/v1/face-ids?order=enrolled&desc=true').then((one) => one.json())"
    )["ids"]

    def of(group: str) -> list[str]:
        answer = page.evaluate(f"fetch('/v1/face-ids?group={group}').then((one) => one.json())")
        return list(answer["ids"])

    choose(page, CHOSEN)
    page.get_by_label("Move to").select_option("VIP")
    expect(page.get_by_text(f"{CHOSEN} moved to VIP")).to_be_visible()
    assert sorted(of("VIP")) == sorted(shown[:CHOSEN])
    page.get_by_role("button", name="Undo").click()
    becomes(page, lambda: not of("VIP"))
    it_stops_and_says_how_far_it_came(page, of)
    leaving_asks_while_all_wait_to_be_deleted(page)
    choose(page, DELETED)
    remove(page, DELETED)
    expect(page.get_by_text(f"{PEOPLE - DELETED:,} people")).to_be_visible()
    page.goto(f"{visitor.book.url}/docs")  # people who leave do not wait for the eight seconds
    becomes(page, lambda: len(of("members") + of("VIP")) == PEOPLE - DELETED)
    assert set(of("members") + of("VIP")) == set(shown[DELETED:])


def it_stops_and_says_how_far_it_came(page: Page, of: Callable[[str], list[str]]) -> None:
    """Let the second of three requests fail; what the first moved is moved, and the rest is
    told."""
    sent: list[str] = []

    def answer(route: Route) -> None:
        sent.append(route.request.url)
        route.abort() if len(sent) == 2 else route.continue_()

    choose(page, CHOSEN)
    page.route("**/face-changes", answer)
    page.get_by_label("Move to").select_option("VIP")
    expect(
        page.get_by_text(f"100 of {CHOSEN} are done, the others stayed as they were")
    ).to_be_visible()
    assert len(of("VIP")) == 100
    page.unroute("**/face-changes")


def leaving_asks_while_all_wait_to_be_deleted(page: Page) -> None:
    asked: list[str] = []

    def stay(dialog: Dialog) -> None:
        asked.append(dialog.type)
        dialog.dismiss()

    page.get_by_role("heading", level=1).click()
    page.keyboard.press("Control+a")
    expect(page.get_by_text("30,000 selected")).to_be_visible()
    remove(page, PEOPLE)
    page.once("dialog", stay)
    page.evaluate("setTimeout(() => location.reload())")
    becomes(page, lambda: bool(asked))
    page.keyboard.press("u")
    expect(page.get_by_text("30,000 people")).to_be_visible()
    assert asked == ["beforeunload"]


def memory_mb(page: Page) -> float:
    """Return how much memory the page's own things take, without garbage."""
    session = page.context.new_cdp_session(page)
    session.send("HeapProfiler.collectGarbage")
    used = session.send("Runtime.getHeapUsage")
    return float(used["usedSize"] + used["embedderHeapUsedSize"] + used["backingStorageSize"]) / 1e6


def remove(page: Page, count: int) -> None:
    """Delete the chosen, whose number has to be typed."""
    page.keyboard.press("Delete")
    dialog = page.get_by_role("dialog")
    sure = dialog.get_by_role("button", name=re.compile("^Delete"))
    expect(sure).to_be_disabled()
    dialog.get_by_label("Type").fill(str(count))
    sure.click()


def choose(page: Page, count: int) -> None:
    """Select by a click and a click with Shift, `count` people from the first on."""
    page.evaluate("scrollTo(0, 0)")
    page.locator('[data-index="0"] input').click()
    columns = int(page.get_by_role("grid").get_attribute("aria-colcount") or 0)
    last = page.locator(f'[data-index="{count - 1}"]')
    page.evaluate(
        f"scrollTo(0, {count // columns} * document.querySelector('.grid-row').offsetHeight)"
    )
    last.click(modifiers=["Shift"], position={"x": 60, "y": 60})
    expect(page.get_by_text(f"{count} selected", exact=True)).to_be_visible()
