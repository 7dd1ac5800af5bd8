"""Whether what a page shows is accessible, wide, zoomed and on a phone, and screenshots of it."""

from collections.abc import Sequence
from typing import Literal

from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Page

from tests.console.conftest import PHONE, shoot

Scheme = Literal["light", "dark"]
DESKTOP, ZOOMED = {"width": 1280, "height": 800}, {"width": 640, "height": 400}
ALL = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
COLOURS = ["color-contrast", "link-in-text-block"]
PLACES = ["target-size", "scrollable-region-focusable"]
View = tuple[dict[str, int], Scheme, list[str]]
VIEWS: tuple[View, ...] = (
    (DESKTOP, "light", ALL),
    (DESKTOP, "dark", COLOURS),
    (ZOOMED, "light", PLACES),
    (PHONE, "light", ALL),
    (PHONE, "dark", COLOURS),
)
"""How axe looks at a page, and by which rules: in the dark only colours differ, and at 200 % only
places."""
LIGHT = [view for view in VIEWS if view[1] == "light"]

BROKEN_TABLES = """[...document.querySelectorAll("table")].filter(table => !/table|none/.test(
  getComputedStyle(table).display)).map(table => table.className)"""


MOST_SHIFTED = 0.02
"""Of the measure of browsers (CLS), in which 0.1 is still good."""
ANSWER_LATE = """
const plain = globalThis.fetch;
let calls = 0;
globalThis.fetch = async (...given) => {
  await new Promise((go) => setTimeout(go, 100 * (calls++ % 5)));
  return plain(...given);
};
"""
NOTE_SHIFTS = """
globalThis.shifts = [];
new PerformanceObserver((list) => {
  for (const one of list.getEntries()) {
    shifts.push([one.value, one.sources.map(
      ({ node }) => (node?.outerHTML ?? node?.textContent ?? "").slice(0, 100))]);
  }
}).observe({ type: "layout-shift", buffered: true });
"""


def assert_accessible(page: Page, views: Sequence[View] = ()) -> None:
    """Assert that nothing scrolls sideways, wide, at 200 % or on a phone, and that axe finds
    nothing in these views.

    Without `views` it looks in the first: test_every_page.py has every page in all of them.
    """
    chosen = views or VIEWS[:1]
    for view in VIEWS:
        viewport, scheme, rules = view
        if scheme == "dark" and view not in chosen:
            continue  # it was as wide in the light
        page.set_viewport_size(viewport)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), (
            "it scrolls sideways",
            viewport,
        )
        assert page.evaluate(BROKEN_TABLES) == [], ("another stylesheet lays a table out", viewport)
        if view not in chosen:
            continue
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        if not page.evaluate("'axe' in window"):
            # half a megabyte, which axe's own library would send for each view
            page.evaluate(AXE_SCRIPT)
        options = {"runOnly": rules, "resultTypes": ["violations"]}
        found = page.evaluate("(options) => axe.run(options)", options)["violations"]
        told = [
            (one["id"], one["nodes"][0]["html"], one["nodes"][0]["failureSummary"]) for one in found
        ]
        assert told == [], (page.url, viewport, scheme, told)
    page.set_viewport_size({"width": 1440, "height": 900})
    page.emulate_media(color_scheme="light")


def looked_at(page: Page, name: str, *, whole: bool = False) -> None:
    """Assert that what is shown is accessible, and take its screenshots."""
    assert_accessible(page)
    shoot(page, name, whole=whole)
