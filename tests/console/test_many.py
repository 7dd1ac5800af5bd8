"""30,000 people are as easy to go through as thirty: counts that do not depend on the machine."""

from __future__ import annotations

import re
from pathlib import Path

from playwright.sync_api import Browser, Page, expect

from bench.synthetic import write_faces
from chalicelib.core.model import Profile
from tests.console.conftest import DESK, Book, Visitor
from tests.fakes import FakeVision
from tests.regulars.serve.box import serving

PEOPLE = 30_000
MOST_ELEMENTS = 800
MOST_REQUESTS = 6
CHOSEN, DELETED = 300, 120


def jump(page: Page, share: float) -> float:
    """Scroll to a share of the whole height; return the milliseconds until the next frame."""
    return float(
        page.evaluate(
            """(share) => new Promise((done) => {
              const began = performance.now();
              scrollTo(0, share * document.documentElement.scrollHeight);
              requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now() - began)));
            })""",
            share,
        )
    )


def test_one_of_30_000_is_in_sight_by_few_requests_and_exactly_300_are_selected(
    browser: Browser, tmp_path: Path
) -> None:
    with serving(tmp_path) as box:
        key = box.services.tenants.add("many", Profile.CLOUD).api_key
        tenant = box.services.tenants.named("many")
        group = box.services.groups.create(tenant, "members", None, "")
        write_faces(box.services.ports.storage.items, tenant, group, PEOPLE, FakeVision())
        visitor = Visitor(browser.new_context(viewport=DESK), Book(box.url, tmp_path, key, key)).sign_in()
        page = visitor.open("#/people")
        expect(page.get_by_text("30,000 people")).to_be_visible()
        cells = page.get_by_role("gridcell")
        expect(cells.first.locator("small")).to_contain_text("never seen")
        calls = [one.url for one in visitor.requests if "/v1/" in one.url and "/session" not in one.url]
        assert len(calls) <= MOST_REQUESTS, calls
        jumps_ms = [jump(page, share / 20) for share in range(20)]
        print(f"a jump takes {sum(jumps_ms) / 20:.0f} ms, {max(jumps_ms):.0f} ms at worst")
        assert page.evaluate("document.querySelectorAll('*').length") <= MOST_ELEMENTS
        choose(page, CHOSEN)
        remove(page, box.url, DELETED)
        box_has(page, box.url, PEOPLE - DELETED)
        visitor.context.close()


def choose(page: Page, count: int) -> None:
    """Select by a click and a click with Shift, `count` people from the first on."""
    page.evaluate("scrollTo(0, 0)")
    page.locator('[data-index="0"] input').click()
    columns = int(page.get_by_role("grid").get_attribute("aria-colcount") or 0)
    last = page.locator(f'[data-index="{count - 1}"]')
    page.evaluate(f"scrollTo(0, {count // columns} * document.querySelector('.grid-row').offsetHeight)")
    last.click(modifiers=["Shift"], position={"x": 60, "y": 60})
    expect(page.get_by_text(f"{count} selected", exact=True)).to_be_visible()


def remove(page: Page, url: str, count: int) -> None:
    """Delete the first `count` people, whose number has to be typed."""
    page.keyboard.press("Escape")
    expect(page.get_by_text("selected", exact=False)).to_have_count(0)
    choose(page, count)
    page.keyboard.press("Delete")
    dialog = page.get_by_role("dialog")
    sure = dialog.get_by_role("button", name=re.compile("^Delete"))
    expect(sure).to_be_disabled()
    dialog.get_by_label(f"Type {count} to go on").fill(str(count))
    sure.click()
    expect(page.get_by_text(f"{PEOPLE - count:,} people")).to_be_visible()
    page.goto(f"{url}/docs")  # people who leave do not wait for the eight seconds


def box_has(page: Page, url: str, count: int) -> None:
    for _ in range(100):
        faces = page.evaluate("fetch('/v1/face-ids').then((one) => one.json()).then((one) => one.ids.length)")
        if faces == count:
            return
        page.wait_for_timeout(200)
    raise AssertionError(f"the book has {faces} people and not {count}")
