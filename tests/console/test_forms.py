"""What is refused is said beside its field, in the reader's language, and nothing that was typed is
lost. tests/console/test_german.py finds the fields, of which each has a row in forms.py."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from testing.second_try import second_try
from tests.console.conftest import QUICK_MS, visiting
from tests.console.forms import REFUSALS, SENTENCES, Refusal, describe
from tests.console.pages import ready
from tests.console.people_invited import invite
from tests.console.portraits import Shop, mall
from tests.console.spoken import TABLES
from tests.support.examples import rest

pytestmark = rest

pytest_itemcollected = second_try("chromium")
GERMAN = "de"


@pytest.fixture(scope="module")
def shop(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with mall(tmp_path_factory.mktemp("forms")) as made:
        shop = made.shop().ask(names=("Anna Lindt", "Bernd Aal"), uncertain=1)
        with shop.book.client() as client:
            client.add_group(name="VIP", capacity=10)
            client.add_camera(id="hof", name="Hof", labels={})
            client.add_member(name="Carla", role="viewer")
            client.add_key(name="Theke", role="viewer")
            client.add_place(name="Laden", doors=["door"])
        yield shop


def whole(words: str) -> re.Pattern[str]:
    return re.compile(f"^{describe(words, GERMAN).pattern}$")


def label_of(page: Page, words: str) -> Locator:
    inside = page.locator("dialog[open]")
    within = inside if inside.count() else page.locator("main")
    return within.get_by_label(whole(words)).last


def press(page: Page, words: str) -> None:
    page.get_by_role("button", name=str(TABLES[GERMAN][words]), exact=True).last.click()


@pytest.mark.parametrize("one", REFUSALS, ids=lambda one: f"{one.label} {one.why}")
def test_what_is_refused_is_said_beside_its_field_and_stays(
    shop: Shop, browser: Browser, one: Refusal
) -> None:
    with visiting(browser, shop.book, None, locale="de-DE") as visitor:
        with shop.book.client() as client:
            face = next(iter(client.list_faces(name="anna"))).id
        page = visitor.open(f"#/{one.page.format(face=face)}")
        ready(page)
        for words in one.opens:
            press(page, words)
        for words, option in one.chooses.items():
            label_of(page, words).select_option(option)
        for words, text in one.others.items():
            label_of(page, words).fill(text)
        field = label_of(page, one.label)
        field.fill(one.typed)
        if one.sends:
            press(page, one.sends)
        else:
            field.press("Enter")
        expect(field).to_have_attribute("aria-invalid", "true", timeout=QUICK_MS)
        told = page.locator(f"[id='{(field.get_attribute('aria-describedby') or '').split()[-1]}']")
        expect(told).to_have_text(whole(one.why))
        expect(told).to_have_attribute("role", "alert")
        expect(field).to_have_value(one.typed)
        for words, text in one.others.items():
            expect(label_of(page, words)).to_have_value(text)
        assert page.evaluate(SENTENCES) == []
        assert page.locator(".note.problem").count() == 0
        visitor.forgive("Failed to load resource")


@pytest.mark.parametrize("name", ["settings", "privacy", "cameras/door"])
def test_each_number_that_no_setting_can_be_is_refused_beside_its_field(
    shop: Shop, browser: Browser, name: str
) -> None:
    with visiting(browser, shop.book, None, locale="de-DE") as visitor:
        page = visitor.open(f"#/{name}")
        ready(page)
        page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
        numbers = page.locator(".typed input[type=number]:enabled")
        assert numbers.count() > 0
        for number in numbers.all():
            number.fill("99999999")
            number.press("Enter")
            told = number.locator("xpath=..").get_by_role("alert")
            expect(told).to_have_text(whole("unfit.rangeOverflow"))
            expect(number).to_have_value("99999999")
            expect(number).to_have_attribute("aria-invalid", "true")


def test_what_a_sign_in_lacks_is_said_beside_its_fields(shop: Shop, browser: Browser) -> None:
    with visiting(browser, shop.book, locale="de-DE") as visitor:
        page = visitor.open()
        name = page.get_by_label(whole("signin.name"))
        name.fill("Anna")
        page.get_by_role("button", name=TABLES[GERMAN]["signin"], exact=True).click()
        password = page.get_by_label(whole("signin.password"))
        expect(password).to_have_attribute("aria-invalid", "true")
        expect(password).to_be_focused()
        expect(page.get_by_role("alert")).to_have_text([whole("unfit.valueMissing")])
        expect(name).to_have_value("Anna")
        assert page.evaluate(SENTENCES) == []
        visitor.forgive("401")


def test_a_password_that_is_too_short_is_refused_before_it_is_sent(
    shop: Shop, browser: Browser
) -> None:
    with visiting(browser, shop.book, locale="de-DE") as visitor:
        page = visitor.open(invite(shop.book, "Dora", role="viewer"))
        password = page.get_by_label(whole("invited.password"))
        password.press_sequentially("kurz")
        password.press("Enter")
        expect(page.get_by_role("alert")).to_have_text("Mindestens 12 Zeichen")
        expect(password).to_have_value("kurz")
        visitor.forgive("401")


def test_a_photo_that_is_refused_says_so_beside_where_it_was_chosen(
    shop: Shop, browser: Browser
) -> None:
    with (
        visiting(browser, shop.book, None, locale="de-DE") as visitor,
        shop.book.client() as client,
    ):
        page = visitor.open(f"#/person/{next(iter(client.list_faces(name='anna'))).id}")
        ready(page)
        chosen = page.locator(".drop-small input[type=file]")
        chosen.set_input_files(
            {"name": "notiz.png", "mimeType": "image/png", "buffer": b"kein Bild"}
        )
        expect(chosen).to_have_attribute("aria-invalid", "true")
        told = page.locator(f"[id='{chosen.get_attribute('aria-describedby')}']")
        expect(told).to_contain_text("notiz.png")
        assert page.evaluate(SENTENCES) == []
        visitor.forgive("Failed to load resource")
