"""Nobody is offered as somebody whom one sees to be another person, and who merges two of them
anyway is told."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.console.conftest import Visitor, becomes
from tests.console.pages import PAGES, ready
from tests.console.portraits import Mall, Shop, mall
from tests.console.reviews import reviewing
from tests.support.examples import rest

pytestmark = rest

ASK = re.compile(r"^(Wrong\?|Who is it\?|Not recognised since\?|.*came, but not recognised\?)$")
"""Buttons that propose somebody."""
PROPOSE = {"person", "visits", "review?queue=uncertain"}
"""Pages that have scores of this shop's people as they open; a sure one is not shown."""
SCORES = """() => [...document.querySelectorAll(".score[aria-label]")].map((one) => {
  const [score, threshold] = one.getAttribute("aria-label").match(/[0-9.]+/g).map(Number);
  return { score, threshold, words: one.parentElement.innerText };
})"""
UNLIKE = re.compile("is hardly alike: the score is -?0\\.[01][0-9], and a match needs 0\\.[0-9]+")


@pytest.fixture(scope="module")
def shops(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mall]:
    with mall(tmp_path_factory.mktemp("alike")) as made:
        yield made


@pytest.fixture
def shop(shops: Mall) -> Shop:
    """Return a shop with cards of each kind, and one sister who is alike: all others are like
    nobody."""
    shop = shops.shop().ask(
        uncertain=2, promoted=1, strangers=2, names=("Ann Lee", "Ben Okafor", "Chloé Dubois")
    )
    shop.enrol_sister(0, "Anna Lee")
    return shop


def face(shop: Shop, name: str) -> str:
    with shop.book.client() as client:
        return next(one.id for one in client.list_faces(name=name) if one.name == name)


def note_scores(page: Page) -> list[dict[str, object]]:
    ready(page)
    scores: list[dict[str, object]] = page.evaluate(SCORES)
    return scores


def test_no_page_proposes_somebody_who_is_less_than_half_as_alike_as_a_match_needs(
    browser: Browser, shop: Shop
) -> None:
    with reviewing(browser, shop) as visitor:
        page = visitor.open()
        addresses = [
            *PAGES,
            "review?queue=stranger",
            "review?queue=uncertain",
            "review?queue=promoted",
        ]
        for address in addresses:
            place = f"person/{face(shop, 'Ann Lee')}" if address == "person" else address
            page.evaluate("place => { location.hash = `#/${place}` }", place)
            if address in PROPOSE:
                expect(page.locator(".score[aria-label]").first).to_be_attached()
            found = note_scores(page)
            for ask in range(page.get_by_role("button", name=ASK).count()):
                page.get_by_role("button", name=ASK).nth(ask).click()
                dialog = page.get_by_role("dialog")
                expect(dialog.locator("img, .soft").first).to_be_visible()
                found += note_scores(page)
                page.keyboard.press("Escape")
                expect(page.get_by_role("dialog")).to_have_count(0)
            assert [one for one in found if one["score"] < one["threshold"] / 2] == [], address


def test_a_merge_of_two_who_are_hardly_alike_says_so_wherever_it_is_begun(
    browser: Browser, shop: Shop
) -> None:
    with reviewing(browser, shop) as visitor, shop.book.client() as client:
        page = visitor.open("#/people")
        for name in ("Ben Okafor", "Chloé Dubois"):
            page.get_by_role("gridcell").filter(has_text=name).get_by_role("checkbox").click()
        page.get_by_role("button", name="Merge").click()
        expect(page.get_by_role("dialog").get_by_text(UNLIKE)).to_be_visible()
        page.keyboard.press("Escape")

        say_who(visitor, "#/visits", "Ben Okafor")
        say_who(visitor, "#/review?queue=promoted", "Ben Okafor")
        becomes(page, lambda: not [*client.list_merges()])


def say_who(visitor: Visitor, place: str, name: str) -> None:
    """Say that somebody is a person who is hardly alike, and take it back as one is asked."""
    page = visitor.open(place)
    ready(page)
    if "review" in place:
        page.get_by_role("combobox", name="Who is it?").fill(name)
    else:
        page.get_by_role("button", name="Who is it?").first.click()
        page.get_by_role("dialog").get_by_role("combobox").fill(name)
    page.get_by_role("option", name=re.compile(f"^{name}")).click()
    asked = page.get_by_role("dialog", name="One person, or two?")
    expect(asked.get_by_text(UNLIKE)).to_be_visible()
    asked.get_by_role("button", name="Two people").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
