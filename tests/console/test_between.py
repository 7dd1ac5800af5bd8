"""Proxies that write pages anew, and browsers that translate or zoom, change nothing of a page. The
page of reports: docs/reported.md."""

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from testing.reported import replays
from tests.console.conftest import TOUCH, Book, Visitor, heading, visiting

TRANSLATE = """
() => {
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const texts = [];
  while (walker.nextNode()) texts.push(walker.currentNode);
  for (const text of texts.filter((one) => !one.parentElement.closest("[translate=no]"))) {
    const font = document.createElement("font");
    text.replaceWith(font);
    font.textContent = `<${text.data}>`;
  }
}
"""
"""Chrome's translation of texts: another element takes the place of each."""

LETTERS = """
(fields) => fields.map((field) => parseFloat(getComputedStyle(field).fontSize))
"""


def load_later(page: str) -> str:
    """Write a page as Cloudflare's Rocket Loader does: its own script runs the others."""
    first, *scripts = page.split("<script")
    marks = ("data-cfasync", "importmap")
    kept = [
        f"<script{one}"
        if any(mark in one.partition(">")[0] for mark in marks)
        else f'<script type="7-x"{one}'
        for one in scripts
    ]
    loader = '<script src="/cdn-cgi/scripts/rocket-loader.min.js" defer></script>'
    return "".join([first, *kept, loader])


@replays(135, "outline/outline 5718", "coder/code-server 8017", "netdata/netdata 1018")
def test_a_page_that_cloudflare_writes_anew_is_whole(visitor: Visitor, book: Book) -> None:
    def write_anew(route: Route) -> None:
        answer = route.fetch()
        route.fulfill(response=answer, body=load_later(answer.text()))

    visitor.sign_in()
    visitor.context.route(f"{book.url}/console", write_anew)
    visitor.context.route("**/cdn-cgi/**", lambda route: route.fulfill(body=""))
    page = visitor.open()
    heading(page, "Visits")
    expect(page.get_by_role("listitem").first).to_be_visible()
    visitor.forgive("rocket-loader", "cdn-cgi")


@replays(136, "preactjs/preact 948", "react/react 11538")
def test_a_browser_that_translates_leaves_figures_and_names_that_change(page: Page) -> None:
    heading(page, "Visits")
    page.evaluate(TRANSLATE)
    assert page.locator("font").count() == 0
    page.get_by_role("link", name="People", exact=True).click()
    heading(page, "People")
    page.evaluate(TRANSLATE)
    page.get_by_role("searchbox").first.fill("Ann")
    expect(page.get_by_text("Ann Lee").first).to_be_visible()
    assert page.locator("font").count() == 0


@replays(137, "friendica/friendica 5668", "themesberg/flowbite 803", "ttlequals0/Audicle 51")
@pytest.mark.parametrize("path", ["phone", "settings", "people"])
def test_letters_of_fields_are_so_large_that_no_iphone_zooms(
    book: Book, browser: Browser, path: str
) -> None:
    with visiting(browser, book, None, **TOUCH) as visitor:
        page = visitor.open(f"#/{path}")
        fields = page.locator("select, textarea, input:not([type=checkbox])")
        expect(fields.first).to_be_attached()
        expect(page.locator(":is(.page.coming, .settling)")).to_have_count(0)
        assert min(fields.evaluate_all(LETTERS)) >= 16
