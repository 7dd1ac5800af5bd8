"""Who is here, on a phone, and the card of who has just come: read at once, corrected by one
press."""

import re
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
from playwright.sync_api import Browser, Locator, Page, expect
from regulars_client import Regulars

from tests.console.conftest import (
    TOUCH,
    Visitor,
    becomes,
    heading,
    settle,
    shoot,
    time_stands,
    visiting,
)
from tests.console.looks import VIEWS, assert_accessible, looked_at
from tests.console.portraits import Mall, Shop, mall
from tests.console.reviews import PEOPLE, reviewing

ROW_PX = 64
UNDO = "00:08"
"""For so long a press can be taken back."""
ARE_DRAWN = "all => all.every((one) => one.complete && one.naturalWidth > 0)"


def withdraw(client: Regulars, face: str) -> None:
    client.withdraw_consent(face)


def restrict(client: Regulars, face: str) -> None:
    client.change_restriction(face, restricted=True, reason="contests it")


def delete(client: Regulars, face: str) -> None:
    client.delete_face(face)


def erase(client: Regulars, face: str) -> None:
    client.delete_face(face, erase=True)


WAYS_TO_LEAVE = (withdraw, restrict, delete, erase)
"""All after which no list of visits names the person."""
COMES = re.compile(r"^Comes \w+days\b.*; .*\d+ visits? this month, next expected ")


@pytest.fixture(scope="module")
def shops(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mall]:
    with mall(tmp_path_factory.mktemp("counter")) as made:
        yield made


@pytest.fixture
def shop(shops: Mall) -> Shop:
    """Return a shop with six people: the first is a VIP who came two days ago, the second works
    there."""
    shop = shops.shop()
    shop.enrol(*PEOPLE[:6])
    with shop.book.client() as client:
        client.add_group(name="VIP", capacity=10)
        team = client.add_group(name="Team", capacity=10)
        client.change_group(team.id, staff=True)
        for name, group in ((PEOPLE[0], "VIP"), (PEOPLE[1], "Team")):
            face = next(iter(client.list_faces(name=name)))
            client.change_face(
                face.id, group=group, note="Window seat, oat milk" if group == "VIP" else ""
            )
    shop.see(0, 48, like=0.9)
    return shop


def card(page: Page) -> Locator:
    return page.get_by_role("article")


def seen(page: Page) -> Locator:
    return page.get_by_role("region", name="Just seen").get_by_role("listitem")


def test_a_phone_says_at_once_who_is_here(browser: Browser, shop: Shop) -> None:
    """It prints how soon after the address is opened the phone shows who is here, with their
    pictures."""
    shop.see(1, 0.2, like=0.9)
    shop.see(0, 0.1, like=0.9)
    shop.see(2, 0.15, like=0.9)
    shop.see(3, 0.8, like=0.9)
    for number in range(3):
        shop.see(5000 + number, 0.7 + number / 1000, like=0.9)
    with reviewing(browser, shop, **TOUCH) as visitor:
        opened = time.monotonic()
        page = visitor.open()
        expect(page.locator(".glance strong")).to_have_text("6 visits")
        expect(seen(page)).to_have_count(3)
        portraits = seen(page).locator("img")
        becomes(page, lambda: portraits.evaluate_all(ARE_DRAWN))
        print(f"who is here on a phone, with pictures: {time.monotonic() - opened:.1f} s")
        first_names = [PEOPLE[number].split(" ")[0] for number in (0, 2, 1)]
        assert [one.split("\n")[0] for one in seen(page).all_inner_texts()] == first_names
        expect(seen(page).first).to_contain_text("VIP, seen last")
        kinds = seen(page).evaluate_all("all => all.map((one) => one.className)")
        assert kinds == ["special", "", "staff"]
        fold = page.get_by_role("button", name="3 for the first time", expanded=False)
        expect(fold).to_have_count(1)
        rows = page.locator(".visits > .visit")
        expect(rows).to_have_count(3)
        heights = rows.evaluate_all("all => all.map((one) => one.getBoundingClientRect().height)")
        assert max(heights) <= ROW_PX + 1, heights
        settle(page)
        shoot(page, "visits-phone")
        looked_at(page, "visits-here")
        assert_accessible(page, VIEWS)
        page.set_viewport_size(TOUCH["viewport"])
        fold.tap()
        expect(rows).to_have_count(6)
        assert_accessible(page, VIEWS[-2:])
        page.set_viewport_size(TOUCH["viewport"])
        page.get_by_role("button", name="3 for the first time", expanded=True).tap()
        expect(rows).to_have_count(3)


def test_at_the_desk_nobody_is_folded(browser: Browser, shop: Shop) -> None:
    for number in range(3):
        shop.see(5000 + number, 0.7 + number / 1000, like=0.9)
    with reviewing(browser, shop) as visitor:
        page = visitor.open()
        expect(page.locator(".visits > .visit")).to_have_count(3)
        expect(page.get_by_text("Nobody in the last half hour.")).to_be_visible()
        page.set_viewport_size(TOUCH["viewport"])
        expect(page.locator(".visits > .visit")).to_have_count(0)


def test_whose_visit_is_over_by_the_gap_of_the_camera_is_here_no_more(
    browser: Browser, shop: Shop
) -> None:
    with shop.book.client() as client:
        client.change_camera("door", gap_s=300)
    shop.see(0, 0.02, like=0.9)
    shop.see(2, 0.2, like=0.9)
    with reviewing(browser, shop) as visitor:
        page = visitor.open()
        expect(seen(page)).to_have_count(1)
        expect(seen(page)).to_contain_text(PEOPLE[0].split(" ")[0])


def counter(visitor: Visitor) -> Page:
    """Open the counter's page, whose clock can be put forward."""
    visitor.context.clock.install()
    page = visitor.open("#/counter")
    heading(page, "At the counter")
    expect(page.get_by_text("is shown here for ten seconds")).to_be_visible()
    with page.expect_response(lambda answer: "/v1/arrivals" in answer.url):
        pass
    return page


def settle_cards(page: Page) -> None:
    """Put the clock forward: just after a card has come or gone, presses are left out."""
    page.clock.fast_forward("00:01")


def test_the_card_of_a_guest_comes_by_itself_and_goes_after_ten_seconds(
    browser: Browser, shop: Shop
) -> None:
    """It prints how soon the card is there with its picture: three seconds on a machine that does
    nothing else."""
    with reviewing(browser, shop) as visitor:
        before = visitor.open()
        before.evaluate("localStorage.setItem('regulars.counter.group', 'of another shop')")
        before.close()
        page = counter(visitor)
        shop.see(2, 0, like=0.9)  # a regular, for whom no card was asked
        shop.see(0, 0, like=0.9)
        came = time.monotonic()
        expect(card(page).get_by_role("heading")).to_have_text(PEOPLE[0])
        picture = card(page).get_by_role("img", name="Portrait")
        becomes(page, lambda: picture.evaluate("(one) => one.complete && one.naturalWidth > 0"))
        print(f"card with picture {time.monotonic() - came:.1f} s after the visit was resolved")
        expect(card(page)).to_contain_text("VIP · 2nd visit")
        expect(card(page)).to_contain_text("Window seat, oat milk")
        assert picture.bounding_box()["width"] >= 300
        settle(page)
        shoot(page, "counter")
        looked_at(page, "counter-card")
        page.clock.fast_forward("00:10")
        expect(card(page)).to_have_count(0)
        last = page.get_by_role("button", name=PEOPLE[0])
        last.click()
        held = card(page).get_by_role("link", name=PEOPLE[0])
        expect(held).to_be_visible()
        held.focus()
        assert_accessible(page, VIEWS)
        expect(card(page)).to_be_visible()
        held.blur()
        page.clock.fast_forward("00:10")
        expect(card(page)).to_have_count(0)
        page.get_by_label("Of whom").select_option("regular")
        shop.see(3, 0, like=0.9)
        expect(card(page).filter(has_text=PEOPLE[3])).to_be_visible()


def test_somebody_else_is_asked_who_and_taken_back(browser: Browser, shop: Shop) -> None:
    shop.enrol_sister(0, "Ann's sister")
    with shop.book.client() as client, reviewing(browser, shop) as visitor:
        ann = next(iter(client.list_faces(name=PEOPLE[0]))).id
        page = counter(visitor)
        shop.see(0, 0, like=0.9)
        expect(card(page)).to_be_visible()
        settle_cards(page)
        card(page).get_by_role("button", name="Somebody else").click()
        dialog = page.get_by_role("dialog", name="Who is it?")
        expect(dialog.get_by_role("option").first).to_contain_text("Ann's sister")
        page.keyboard.press("Escape")
        expect(card(page)).to_be_visible()
        assert client.get_face(ann).arrive_count == 2
        card(page).get_by_role("button", name="Somebody else").click()
        dialog.get_by_role("combobox").fill(PEOPLE[2])
        dialog.get_by_role("option", name=PEOPLE[2]).first.click()
        expect(page.get_by_text(f"Now: {PEOPLE[2]}")).to_be_visible()
        becomes(page, lambda: client.get_face(ann).arrive_count == 1)
        expect(card(page).filter(has_text=PEOPLE[0])).to_have_count(0)
        page.get_by_role("button", name="Undo").click()
        becomes(page, lambda: client.get_face(ann).arrive_count == 2)
        expect(card(page).filter(has_text=PEOPLE[0])).to_be_visible()


def test_a_card_that_is_nobodys_goes(browser: Browser, shop: Shop) -> None:
    with shop.book.client() as client, reviewing(browser, shop) as visitor:
        page = counter(visitor)
        shop.see(0, 0, like=0.9)
        expect(card(page)).to_be_visible()
        settle_cards(page)
        card(page).get_by_role("button", name="Somebody else").click()
        page.get_by_role("dialog").get_by_role("button", name="Nobody").click()
        page.get_by_role("button", name="Undo").first.click()
        expect(card(page).get_by_role("button", name="Right")).to_be_visible()
        card(page).get_by_role("button", name="Somebody else").click()
        page.get_by_role("dialog").get_by_role("button", name="Nobody").click()
        page.clock.fast_forward(UNDO)
        expect(card(page)).to_have_count(0)
        ann = next(iter(client.list_faces(name=PEOPLE[0])))
        assert ann.arrive_count == 1


def test_the_counter_fills_the_screen(browser: Browser, shop: Shop) -> None:
    with reviewing(browser, shop) as visitor:
        page = counter(visitor)
        page.get_by_role("button", name="Full screen").click()
        expect(page.get_by_role("navigation")).to_be_hidden()
        page.get_by_role("button", name="Full screen").click()
        expect(page.get_by_role("navigation")).to_be_visible()


def test_a_press_on_a_card_that_goes_is_none_on_the_one_that_takes_its_place(
    browser: Browser, shop: Shop
) -> None:
    with shop.book.client() as client, reviewing(browser, shop) as visitor:
        ben = next(iter(client.list_faces(name=PEOPLE[2])))
        client.change_face(ben.id, group="VIP")
        page = counter(visitor)
        shop.see(0, 0, like=0.9)
        shop.see(2, 0, like=0.9)
        expect(card(page)).to_have_count(2)
        settle_cards(page)
        with time_stands(page):
            card(page).first.get_by_role("button", name="Right").dblclick()
        expect(card(page)).to_have_count(1)
        expect(page.get_by_role("button", name="Undo")).to_have_count(1)


@pytest.mark.parametrize("leave", WAYS_TO_LEAVE, ids=lambda leave: leave.__name__)
def test_the_card_of_somebody_who_leaves_the_list_of_visits_goes(
    browser: Browser, shop: Shop, leave: Callable[[Regulars, str], None]
) -> None:
    """A pointer rests on one card, and another is of a push: no card stays for that."""
    with shop.book.client() as client, reviewing(browser, shop) as visitor:
        ann = next(iter(client.list_faces(name=PEOPLE[0])))
        client.set_consent(ann.id, basis="consent", given_at=datetime.now(UTC))
        page = counter(visitor)
        shop.see(0, 0, like=0.9)
        pushed = visitor.open(f"#/counter/{ann.id}")
        expect(card(pushed)).to_contain_text("Window seat, oat milk")
        expect(card(page)).to_contain_text("Window seat, oat milk")
        card(page).hover()
        expect(card(page).get_by_role("link", name=PEOPLE[0])).to_be_visible()
        card(page).get_by_role("link", name=PEOPLE[0]).focus()
        leave(client, ann.id)
        expect(card(page)).to_have_count(0)
        expect(page.get_by_text(PEOPLE[0])).to_have_count(0)
        has_not_come = "This person has not come in the last two days"
        expect(pushed.get_by_text(has_not_come)).to_be_visible()
        expect(pushed.get_by_text(PEOPLE[0])).to_have_count(0)
        pushed.reload()
        expect(pushed.get_by_text(has_not_come)).to_be_visible()
        visitor.forgive("404")


def test_a_card_that_is_held_stays_while_the_service_does_not_answer(
    browser: Browser, shop: Shop
) -> None:
    with reviewing(browser, shop) as visitor:
        page = counter(visitor)
        shop.see(0, 0, like=0.9)
        expect(card(page).get_by_role("link", name=PEOPLE[0])).to_be_visible()
        card(page).get_by_role("link", name=PEOPLE[0]).focus()
        visitor.context.set_offline(True)
        expect(page.get_by_role("alert")).to_be_visible()
        expect(card(page)).to_be_visible()
        visitor.context.set_offline(False)
        visitor.forgive("ERR_INTERNET_DISCONNECTED")


def test_right_is_the_review_of_a_close_match(browser: Browser, shop: Shop) -> None:
    shop.services.tenants.change_settings(shop.name, {"review_margin": 0.5})
    with shop.book.client() as client, reviewing(browser, shop) as visitor:
        page = counter(visitor)
        shop.see(0, 0)
        assert len([*client.list_reviews(kind="uncertain")]) == 1
        expect(card(page)).to_be_visible()
        settle_cards(page)
        card(page).get_by_role("button", name="Right").click()
        page.get_by_role("button", name="Undo").click()
        expect(card(page)).to_be_visible()
        settle_cards(page)
        assert len([*client.list_reviews(kind="uncertain")]) == 1
        card(page).get_by_role("button", name="Right").click()
        expect(card(page)).to_have_count(0)
        page.clock.fast_forward(UNDO)
        becomes(page, lambda: not [*client.list_reviews(kind="uncertain")])
        expect(card(page)).to_have_count(0)


def test_a_push_leads_to_the_card_on_a_phone(browser: Browser, shop: Shop) -> None:
    for days in range(7, 50, 7):
        shop.see(0, 24 * days, like=0.9)
    shop.see(0, 0.01, like=0.9)
    with shop.book.client() as client:
        ann = next(iter(client.list_faces(name=PEOPLE[0]))).id
        ben = next(iter(client.list_faces(name=PEOPLE[2]))).id
    with reviewing(browser, shop, **TOUCH) as visitor:
        page = visitor.open(f"#/counter/{ann}")
        expect(card(page).get_by_role("heading")).to_have_text(PEOPLE[0])
        expect(card(page)).to_contain_text("9th visit")
        expect(card(page).get_by_text(COMES)).to_be_visible()
        shoot(page, "counter-phone")
        assert_accessible(page, VIEWS)
        page.set_viewport_size(TOUCH["viewport"])
        card(page).get_by_role("button", name="Right").tap()
        heading(page, "Visits")
        page.goto(f"{shop.book.url}/console#/person/{ann}")
        expect(page.get_by_text(COMES)).to_be_visible()
        page.goto(f"{shop.book.url}/console#/counter/{ben}")
        expect(page.get_by_text("This person has not come in the last two days")).to_be_visible()


def test_a_screen_at_the_counter_shows_the_card_and_changes_nothing(
    browser: Browser, shop: Shop
) -> None:
    """It is a viewer's: blurred until somebody shows faces, and without anything to press but
    that."""
    with shop.book.client() as client:
        link = client.add_member(name="Tablet", screen=True, page="counter").url
    with visiting(browser, shop.book) as visitor:
        page = visitor.open(link.removeprefix(f"{shop.book.url}/console"))
        page.get_by_role("button", name="Show here: At the counter").click()
        heading(page, "At the counter")
        visitor.forgive("401")
        expect(page.locator("html")).to_have_attribute("data-blur", "on")
        with page.expect_response(lambda answer: "/v1/arrivals" in answer.url):
            pass
        shop.see(0, 0, like=0.9)
        expect(card(page).get_by_role("heading")).to_have_text(PEOPLE[0])
        expect(card(page).get_by_role("button")).to_have_count(0)
        assert (
            page.evaluate("getComputedStyle(document.querySelector('article img')).filter")
            == "blur(40px)"
        )
        assert page.evaluate("[...document.querySelectorAll('nav a')].map((one) => one.hash)") == []


def test_the_card_of_one_person_is_asked_for_by_the_name(browser: Browser, shop: Shop) -> None:
    with reviewing(browser, shop) as visitor:
        page = counter(visitor)
        page.get_by_label("Of whom").select_option("One person")
        name = page.get_by_label("Name of the person")
        name.fill("Nobody At All")
        page.keyboard.press("Enter")
        expect(page.get_by_text("Nobody has the name Nobody At All.")).to_be_visible()
        expect(name).to_have_value("Nobody At All")
        name.fill(PEOPLE[2])
        with page.expect_response(lambda answer: "/v1/faces/" in answer.url):
            page.keyboard.press("Enter")
        shop.see(0, 0, like=0.9)  # a VIP, for whom no card is asked now
        shop.see(2, 0, like=0.9)
        expect(card(page).get_by_role("heading")).to_have_text(PEOPLE[2])
        expect(card(page)).to_have_count(1)
