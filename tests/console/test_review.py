import re
from collections.abc import Iterator
from itertools import cycle
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from chalicelib.domain.captures import RULES
from chalicelib.domain.model import NewFace
from regulars.demo.drawn_vision import DrawnPerson, draw_capture, draw_portrait
from tests.console.conftest import (
    HOSTILE,
    TOUCH,
    Visitor,
    becomes,
    heading,
    leave,
    press_pair,
    settle,
    shoot,
)
from tests.console.looks import assert_accessible, looked_at
from tests.console.portraits import Mall, Shop, mall
from tests.console.reviews import PEOPLE, reviewing

EACH = 12
"""Cards of a queue."""
PACE_MS = 160
"""How long somebody looks at a card who is faster than anybody."""


@pytest.fixture(scope="module")
def shops(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mall]:
    with mall(tmp_path_factory.mktemp("review")) as made:
        yield made


@pytest.fixture
def shop(shops: Mall) -> Shop:
    return shops.shop()


def opened(visitor: Visitor) -> Page:
    page = visitor.open("#/review")
    heading(page, "Review")
    return page


def card(page: Page) -> Locator:
    return page.locator("article:not([hidden])")


def asked(page: Page, text: str | re.Pattern[str]) -> None:
    expect(page.get_by_role("heading", level=2, name=text)).to_be_visible()


def queue(page: Page, name: str) -> None:
    page.get_by_role("button", name=name).click()


def sighting(page: Page) -> str:
    """Return the id of the sighting that is shown."""
    url = card(page).locator("figure img").first.get_attribute("src") or ""
    found = re.search(r"/captures/([^/]+)/crops/(\d+)", url)
    assert found, url
    return f"{found[1]}-{found[2]}"


def in_sight(page: Page, shown: str) -> None:
    """Wait until the card of the sighting `shown` is in sight: after an undo it comes back with the
    answer."""
    expect(card(page).locator(f'img[src*="{shown.rpartition("-")[0]}"]').first).to_be_visible()


WATCH = """
window.late = []; window.waited = [];
addEventListener("keydown", ({ key, target }) => {
  const before = document.querySelector("article:not([hidden])");
  const decides = target.tagName !== "INPUT" || key === "Enter";
  requestAnimationFrame(() => {
    const now = document.querySelector("article:not([hidden])");
    if (decides && now === before && key !== "n") late.push(key);
    const without = [...(now?.querySelectorAll("img") ?? [])]
      .filter((one) => !one.complete || !one.naturalWidth);
    if (without.length) waited.push([key, without.map((one) => one.src)]);
  });
}, true);
"""


def decide(page: Page, decision: str, name: str = "") -> tuple[str, str, str]:
    """Decide about the card in sight by keys; return its sighting, the decision, and who was named
    or chosen."""
    page.wait_for_timeout(PACE_MS)
    shown = sighting(page)
    if decision == "candidate":
        own = card(page).locator("figcaption .name").all_inner_texts()
        named = card(page).locator(".near .name").all_inner_texts()
        known = [
            number
            for number, one in enumerate(named, 1)
            if one.startswith("Person") and one not in own
        ]
        if known:
            page.keyboard.press(str(known[0]))
            return shown, decision, named[known[0] - 1]
        decision = "Enter"
    page.keyboard.press(decision)
    if decision == "n":
        page.keyboard.insert_text(name)
        page.keyboard.press("Enter")
    return shown, decision, name


def test_two_dozen_cards_are_decided_by_keys_with_two_requests_each_and_no_wait_for_a_picture(
    browser: Browser, shop: Shop
) -> None:
    shop.ask(
        uncertain=EACH, promoted=EACH, names=tuple(f"Person {number}" for number in range(EACH))
    )
    decided: list[tuple[str, str, str]] = []
    with shop.book.client() as client, reviewing(browser, shop) as visitor:
        about = {one.sighting: one.face for one in client.list_reviews()}
        sightings = len([*client.list_observations(kind="sighting")])
        page = opened(visitor)
        page.evaluate(WATCH)
        asked(page, "A new regular: who is it?")
        settle(page)
        for number, decision in zip(
            range(EACH), cycle(["n", "d", "candidate", "Enter"]), strict=False
        ):
            expect(
                card(page).get_by_text(re.compile("^(Most like|Nobody here is like this)$"))
            ).to_be_visible()
            decided.append(decide(page, decision, f"Customer {number}"))
        queue(page, "Is it them?")
        asked(page, re.compile("Is this Person"))
        settle(page)
        for _, decision in zip(range(EACH), cycle(["Enter", "x", "candidate"]), strict=False):
            decided.append(decide(page, decision))
        expect(page.get_by_role("heading", name="Nothing waits")).to_be_visible()
        assert page.evaluate("late") == []
        assert page.evaluate("waited") == []
        leave(page)
        # The last one may still be between the person that it leaves and the one to whom it goes.
        becomes(
            page,
            lambda: (
                not [*client.list_reviews()]
                and len([*client.list_observations(kind="sighting")]) == sightings
            ),
        )
        calls = [one for one in visitor.requests if "/v1/" in one.url and "/crops/" not in one.url]
        print(f"{len(decided)} decisions by {len(calls)} requests")
        assert len(calls) <= 2 * len(decided) == 4 * EACH
        observed = {one.id: one for one in client.list_observations(kind="sighting")}
        there = {one.id: one for one in client.list_faces()}
        for one in decided:
            assert is_in_the_book(one, about[one[0]], observed[one[0]], there.get(about[one[0]])), (
                one
            )


def is_in_the_book(decided: tuple[str, str, str], face: str, now: Any, held: Any) -> bool:
    """Return whether the book has a decision about a sighting of a face.

    `now`: its observation; `held`: the face.
    """
    _, decision, whom = decided
    if held is None:
        return decision == "d" or (
            decision == "candidate" and now.face != face and now.name == whom
        )
    if decision == "n":
        return bool(held.name == whom)
    if decision == "Enter":
        return bool(now.face == face)
    moved = now.face != face and held.rejections == 1
    return moved and (decision == "x" or now.name == whom)


def test_a_new_regular_is_named_moved_merged_or_deleted_by_keys_and_each_is_undone(
    browser: Browser, shop: Shop
) -> None:
    shop.ask(promoted=2, names=PEOPLE[:3])
    with shop.book.client() as client, reviewing(browser, shop) as visitor:
        about = {one.sighting: one.face for one in client.list_reviews()}
        client.add_group(name="VIP", capacity=10)
        page = opened(visitor)
        asked(page, "A new regular: who is it?")
        settle(page)
        looked_at(page, "review-promoted")
        shown = sighting(page)
        face = about[shown]
        page.keyboard.press("n")
        page.keyboard.insert_text("Zoe Newcomer")
        page.keyboard.press("Enter")
        becomes(page, lambda: client.get_face(face).name == "Zoe Newcomer")
        assert sighting(page) != shown
        page.keyboard.press("u")
        becomes(page, lambda: client.get_face(face).name == "")
        in_sight(page, shown)

        page.keyboard.press("g")
        page.get_by_role("dialog").get_by_role("button", name="VIP").press("Enter")
        becomes(page, lambda: client.get_face(face).group == "VIP")
        page.keyboard.press("u")
        becomes(page, lambda: client.get_face(face).group == "regular")
        in_sight(page, shown)

        page.keyboard.press("m")
        page.keyboard.insert_text("Ann")
        expect(page.get_by_role("option", name="Ann Lee")).to_be_visible()
        page.keyboard.press("Enter")
        unlike = page.get_by_role("dialog", name="One person, or two?")
        expect(unlike).to_contain_text("Ann Lee is hardly alike")
        unlike.get_by_role("button", name="One person").click()
        becomes(page, lambda: face not in {one.id for one in client.list_faces()})
        page.keyboard.press("u")
        becomes(page, lambda: face in {one.id for one in client.list_faces()})
        in_sight(page, shown)

        page.keyboard.press("s")
        expect(card(page).locator(f'img[src*="{shown.rpartition("-")[0]}"]')).to_have_count(0)
        page.keyboard.press("k")
        page.keyboard.press("j")
        page.keyboard.press("d")
        expect(page.get_by_role("main")).to_contain_text("1 decided today · 1 left")
        for key, title in (("v", "Visits"), ("r", "Review")):
            press_pair(page, "g", key)
            heading(page, title)
        asked(page, "A new regular: who is it?")
        page.keyboard.press("u")
        expect(page.get_by_role("main")).to_contain_text("0 decided today · 2 left")
        in_sight(page, shown)
        page.keyboard.press("d")
        page.keyboard.press("o")
        expect(
            page.get_by_role("dialog").get_by_role("img", name="The whole picture")
        ).to_be_visible()
        shoot(page, "review-whole")
        assert_accessible(page)
        page.keyboard.press("Escape")
        leave(page)
        becomes(page, lambda: face not in {one.id for one in client.list_faces()})
        assert len([*client.list_reviews()]) == 1


def test_a_close_match_is_confirmed_or_rejected_by_mouse(browser: Browser, shop: Shop) -> None:
    names = (HOSTILE, *PEOPLE[:5])
    shop.enrol_sister(2, chosen := "Sister of the third")
    shop.ask(uncertain=3, names=names)
    with shop.book.client() as client, reviewing(browser, shop) as visitor:
        page = opened(visitor)
        asked(page, f"Is this {names[0]}?")
        assert page.locator("b").count() == 0, "a name is text"
        settle(page)
        shoot(page, "review-uncertain")
        card(page).get_by_role("button", name="Yes").click()
        asked(page, f"Is this {names[1]}?")
        card(page).get_by_role("button", name="No", exact=True).click()
        asked(page, f"Is this {names[2]}?")
        page.get_by_role("complementary").get_by_role("button", name="Undo").first.click()
        asked(page, f"Is this {names[1]}?")
        card(page).get_by_role("button", name="No", exact=True).click()
        candidates = card(page).get_by_role("region", name="Most like").get_by_role("listitem")
        expect(candidates).to_have_count(2)  # those who are not like the picture stand under no key
        candidates.nth(1).get_by_role("button").click()
        expect(page.get_by_role("heading", name="Nothing waits")).to_be_visible()
        expect(page.get_by_role("main")).to_contain_text(f"It is {chosen}")
        looked_at(page, "review-nothing")
        leave(page)
        becomes(page, lambda: not [*client.list_reviews()])
        becomes(
            page,
            lambda: names[1] not in {one.name for one in client.list_observations(kind="sighting")},
        )
        becomes(
            page, lambda: chosen in {one.name for one in client.list_observations(kind="sighting")}
        )


def test_a_picture_that_shows_somebody_twice_says_so(browser: Browser, shop: Shop) -> None:
    shop.ask(uncertain=1, names=PEOPLE[:1])
    shop.see(0, 1, times=2)
    with reviewing(browser, shop) as visitor:
        page = opened(visitor)
        asked(page, f"Is this {PEOPLE[0]}?")
        said = page.get_by_text("The same picture shows this face twice")
        expect(said.locator("visible=true")).to_be_visible()
        page.keyboard.press("Enter")
        expect(said.locator("visible=true")).to_have_count(0)


def test_strangers_are_gone_through_by_touch(browser: Browser, shop: Shop) -> None:
    shop.ask(strangers=3, names=PEOPLE[:1])
    with (
        shop.book.client() as client,
        reviewing(browser, shop, **TOUCH) as visitor,
    ):
        page = opened(visitor)
        page.get_by_role("button", name="Look at strangers").tap()
        asked(page, "Who is this?")
        for button in card(page).get_by_role("button").all():
            size = button.bounding_box()
            assert size["height"] >= 44, button.inner_text()
        card(page).get_by_label("Who is it?").tap()
        page.keyboard.insert_text("Zoe Newcomer")
        card(page).get_by_role("button", name="Name", exact=True).tap()
        becomes(page, lambda: bool([*client.list_faces(name="Zoe")]))
        card(page).get_by_role("button", name="Make a regular").tap()
        becomes(page, lambda: {one.name: one.count for one in client.list_groups()}["regular"] == 3)
        card(page).get_by_role("button", name="Delete").tap()
        expect(page.get_by_role("heading", name="Nothing waits")).to_be_visible()
        page.get_by_role("complementary").get_by_role("button", name="Undo").first.tap()
        asked(page, "Who is this?")
        page.get_by_label("Least visits").select_option("2")
        expect(page.get_by_role("heading", name="Nothing waits")).to_be_visible()
        assert {one.name: one.count for one in client.list_groups()}["stranger"] == 1


def look_alikes(shop: Shop, *pairs: str) -> None:
    """Enrol pairs of one person each, in a poor light, and let the service compare them: the later
    the less alike."""
    for number, name in enumerate(pairs):
        for side, called in enumerate((name, f"{name} Again")):
            person = DrawnPerson(60 + number, likeness=0.84 - 0.02 * number, take=side)
            picture = draw_capture(person) if side else draw_portrait(person)
            shop.services.enrolment.enrol_largest_face(
                shop.tenant, "regular", picture, RULES, NewFace(name=called)
            )
    assert shop.services.joining.join_tenant(shop.tenant)


def test_of_pairs_the_most_alike_comes_first_and_a_key_says_one_or_two_people(
    browser: Browser, shop: Shop
) -> None:
    look_alikes(shop, "Rosa", "Sam")
    with shop.book.client() as client, reviewing(browser, shop) as visitor:
        pairs = sorted(client.list_duplicates(), key=lambda one: -(one.score or 0))
        assert len(pairs) == 2
        page = visitor.open("#/people")
        page.get_by_role("link", name="Some may be one person twice").click()
        asked(page, "Are they one person?")
        expect(card(page).locator(".name")).to_have_text([pairs[0].face.name, pairs[0].other.name])
        settle(page)
        looked_at(page, "review-pair")
        page.keyboard.press("y")
        becomes(page, lambda: len([*client.list_faces()]) == 3)
        expect(card(page).locator(".name").first).to_have_text(pairs[1].face.name)
        page.keyboard.press("u")
        becomes(page, lambda: len([*client.list_faces()]) == 4)
        expect(card(page).locator(".name").first).to_have_text(pairs[0].face.name)
        page.keyboard.press("n")
        page.keyboard.press("n")
        expect(page.get_by_role("heading", name="Nothing waits")).to_be_visible()
        leave(page)
        becomes(page, lambda: not [*client.list_duplicates()])


def test_who_a_match_is_instead_is_chosen_by_name_or_as_nobody(
    browser: Browser, shop: Shop
) -> None:
    shop.ask(uncertain=2, names=PEOPLE[:3])
    with shop.book.client() as client, reviewing(browser, shop) as visitor:
        page = opened(visitor)
        asked(page, re.compile("Is this"))
        settle(page)
        first = sighting(page)
        page.keyboard.press("m")
        dialog = page.get_by_role("dialog", name="Who is it?")
        expect(dialog.get_by_role("combobox")).to_be_focused()
        looked_at(page, "review-whose")
        page.keyboard.insert_text(PEOPLE[2])
        expect(dialog.get_by_role("option", name=PEOPLE[2]).first).to_have_attribute(
            "aria-selected", "true"
        )
        page.keyboard.press("Enter")
        in_sight_not(page, first)
        second = sighting(page)
        page.keyboard.press("m")
        dialog.get_by_role("button", name="Nobody: not a face").click()
        expect(page.get_by_role("heading", name="Nothing waits")).to_be_visible()
        leave(page)
        becomes(
            page,
            lambda: (
                {one.id: one.name for one in client.list_observations(kind="sighting")}.get(first)
                == PEOPLE[2]
            ),
        )
        becomes(
            page,
            lambda: second not in {one.id for one in client.list_observations(kind="sighting")},
        )


def in_sight_not(page: Page, shown: str) -> None:
    expect(card(page).locator(f'img[src*="{shown.rpartition("-")[0]}"]')).to_have_count(0)


def test_whoever_gets_a_name_that_is_there_is_asked_for_and_may_be_that_person(
    browser: Browser, shop: Shop
) -> None:
    shop.ask(promoted=1, names=PEOPLE[:2])
    with shop.book.client() as client, reviewing(browser, shop) as visitor:
        page = opened(visitor)
        asked(page, "A new regular: who is it?")
        settle(page)
        page.keyboard.press("n")
        page.keyboard.insert_text(PEOPLE[0].upper())
        page.keyboard.press("Enter")
        dialog = page.get_by_role("dialog", name="One person, or two?")
        expect(dialog.get_by_role("img")).to_have_count(2)
        looked_at(page, "review-same")
        dialog.get_by_role("button", name="One person").click()
        becomes(page, lambda: len([*client.list_faces()]) == 2)
        page.get_by_role("status").get_by_role("button", name="Undo").click()
        becomes(page, lambda: len([*client.list_faces()]) == 3)


@pytest.mark.parametrize("size", [{"width": 390, "height": 844}, {"width": 844, "height": 390}])
def test_on_a_phone_no_somebody_else_and_yes_lie_side_by_side(
    browser: Browser, shop: Shop, size: dict[str, int]
) -> None:
    shop.ask(uncertain=2, names=PEOPLE[:3])
    with reviewing(browser, shop, **{**TOUCH, "viewport": size}) as visitor:
        page = opened(visitor)
        asked(page, re.compile("Is this"))
        settle(page)
        shown = sighting(page)
        buttons = [
            card(page).get_by_role("button", name=name, exact=True)
            for name in ("No", "Somebody else …", "Yes")
        ]
        boxes = [one.bounding_box() or {} for one in buttons]
        assert len({round(one["y"]) for one in boxes}) == 1
        assert max(one["width"] for one in boxes) - min(one["width"] for one in boxes) < 1
        assert boxes[0]["y"] + boxes[0]["height"] <= size["height"]
        assert min(one["height"] for one in boxes) >= 44
        looked_at(page, f"review-{size['width']}")
        buttons[0].tap()
        in_sight_not(page, shown)
        page.get_by_role("button", name="Skip").tap()


def test_what_somebody_else_decided_meanwhile_goes_with_a_sentence(
    browser: Browser, shop: Shop
) -> None:
    shop.ask(promoted=3, names=PEOPLE[:1])
    with shop.book.client() as client, reviewing(browser, shop) as visitor:
        about = {one.sighting: one.face for one in client.list_reviews()}
        page = opened(visitor)
        asked(page, "A new regular: who is it?")
        settle(page)
        client.change_face(about[sighting(page)], name="Already Named")
        page.keyboard.press("n")
        page.keyboard.insert_text("Too Late")
        page.keyboard.press("Enter")
        expect(page.get_by_text("Somebody else decided this meanwhile")).to_be_visible()
        client.delete_face(about[sighting(page)])
        page.keyboard.press("n")
        page.keyboard.insert_text("Nobody")
        page.keyboard.press("Enter")
        expect(page.get_by_text("Somebody else decided this meanwhile")).to_have_count(2)
        asked(page, "A new regular: who is it?")
        expect(page.get_by_role("main")).to_contain_text("0 decided today · 1 left")
        assert [*client.list_faces(name="Already")]
        visitor.forgive("404", "409")


def test_a_card_comes_back_if_the_service_was_away(browser: Browser, shop: Shop) -> None:
    shop.ask(promoted=2, names=PEOPLE[:1])
    with shop.book.client() as client, reviewing(browser, shop) as visitor:
        page = opened(visitor)
        asked(page, "A new regular: who is it?")
        settle(page)
        shown = sighting(page)
        visitor.context.set_offline(True)
        page.keyboard.press("n")
        page.keyboard.insert_text("Zoe")
        page.keyboard.press("Enter")
        expect(page.get_by_role("status")).to_contain_text("cannot be reached")
        expect(page.get_by_role("main")).to_contain_text("0 decided today · 2 left")
        visitor.context.set_offline(False)
        page.keyboard.press("j")
        assert sighting(page) == shown
        page.keyboard.press("n")
        page.keyboard.insert_text("Zoe")
        page.keyboard.press("Enter")
        becomes(page, lambda: bool([*client.list_faces(name="Zoe")]))
        visitor.forgive("ERR_INTERNET_DISCONNECTED")


def test_viewers_see_the_cards_and_no_button_that_decides(browser: Browser, shop: Shop) -> None:
    shop.ask(uncertain=1, names=PEOPLE[:2])
    with shop.book.client() as client:
        key = client.add_key(name="Screen at the desk", role="viewer").api_key
    with reviewing(browser, shop, key) as visitor:
        # a hidden name is a box of its own
        page, question = opened(visitor), re.compile(rf"^Is this {PEOPLE[0]} ?\?$")
        asked(page, question)
        expect(page.get_by_text("Your key may look, and not decide")).to_be_visible()
        assert card(page).get_by_role("button").all_inner_texts() == [""]
        tabs = page.get_by_role("group", name="To do").get_by_role("button")
        expect(tabs, "what has none waiting is not there").to_have_text(
            ["Is it them? 1", "Strangers "]
        )
        tabs.last.click()
        expect(page.get_by_role("heading", level=2, name=question)).to_be_hidden()
        page.evaluate("location.hash = '#/review?queue=uncertain'")
        asked(page, question)
        page.keyboard.press("Enter")
        asked(page, question)
        assert_accessible(page)
        page.evaluate("location.hash = '#/review?queue=stranger'")
        expect(page.get_by_role("button", name="Strangers", pressed=True)).to_be_visible()
        page.evaluate("location.hash = '#/review'")
        asked(page, question)
