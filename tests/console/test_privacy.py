import re
from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Page, expect
from regulars_client import models

from chalicelib.privacy.texts import LANGUAGES, choose_language, direction_of, words_of
from tests.console.conftest import Book, becomes, heading, shoot
from tests.console.looks import looked_at
from tests.console.shop import Shop, box, shop
from tests.support.fakes import Person

__all__ = ["box", "shop"]

FIRST = {
    "controller": "",
    "contact": "",
    "purposes": "",
    **dict.fromkeys(("basis", "officer", "authority", "recipients", "transfers", "notice_url"), ""),
    "consent_required": False,
    "expired_consent_erases": True,
    "keeps_pictures": True,
    "no_pictures_of": [],
}


@pytest.fixture(autouse=True)
def as_it_was(book: Book) -> Iterator[None]:
    yield
    with book.client() as client:
        client.change_settings(**FIRST)
        for one in list(client.list_restrictions()):
            client.set_consent(one.face, basis="consent", given_at=datetime.now(UTC))


def settings(book: Book) -> models.Settings:
    with book.client() as client:
        return client.get_settings()


def ann(book: Book) -> str:
    with book.client() as client:
        return next(iter(client.list_faces(name="Ann"))).id


def opened(page: Page, book: Book, where: str = "privacy") -> None:
    page.goto(f"{book.url}/console#/{where}")
    if where == "privacy":
        heading(page, "Privacy")


OWN = {
    "Who is responsible": "Ann Lee Ltd, 1 High Street",
    "How to reach them": "ann@shop.example",
    "Legal basis": "explicit consent",
    "Data protection officer": "-",
    "Supervisory authority": "ICO",
    "Third countries": "-",
}


def type_text(page: Page, label: str, text: str) -> None:
    page.get_by_label(label, exact=True).fill(text)
    page.get_by_label(label, exact=True).press("Enter")


def test_the_notice_is_filled_in_place_shown_in_other_languages_and_saved(
    page: Page, book: Book
) -> None:
    opened(page, book)
    blank = page.get_by_text("Blank on it:")
    expect(blank).to_contain_text(
        "who is responsible, how to reach them, legal basis, data protection officer"
    )
    for label, text in OWN.items():
        type_text(page, label, text)
    sheet = page.get_by_role("article")
    expect(sheet).to_contain_text("Ann Lee Ltd, 1 High Street")
    expect(sheet).to_contain_text("ann@shop.example")
    expect(blank).to_contain_text("Blank on it: who else gets data.")
    type_text(page, "Who else gets data", "-")
    expect(blank).to_have_count(0)
    assert settings(book).contact == "ann@shop.example"
    page.get_by_role("group", name="Which one").get_by_text("The whole").click()
    expect(sheet).to_contain_text("Nobody but us receives these data")
    page.get_by_label("Language of the paper").select_option("ar")
    expect(sheet).to_have_attribute("dir", direction_of(choose_language("ar", "notice")))
    looked_at(page, "privacy-arabic", whole=True)
    page.get_by_label("Language of the paper").select_option("de")
    german = words_of("notice", choose_language("de", "notice"))
    expect(sheet).to_contain_text(german["who"])
    with page.expect_download() as download:
        page.get_by_role("button", name="Save as a page").click()
    assert download.value.suggested_filename == "notice-whole-de.html"
    assert "Ann Lee Ltd" in download.value.path().read_text(encoding="utf-8")
    looked_at(page, "privacy", whole=True)


def test_whom_hooks_and_mqtt_tell_is_taken_over_by_a_click(page: Page, book: Book) -> None:
    with book.client() as client:
        hook = client.add_hook(url=None, name="mqtt", passes_to="broker.lan")
        try:
            opened(page, book)
            expect(page.get_by_text("Told by hooks and MQTT:")).to_contain_text("broker.lan")
            page.get_by_role("button", name="Take them over").click()
            becomes(page, lambda: "broker.lan" in settings(book).recipients)
            expect(page.get_by_role("button", name="Take them over")).to_have_count(0)
        finally:
            client.delete_hook(hook.id)


def test_the_sheet_has_a_code_once_the_whole_has_a_place(page: Page, book: Book) -> None:
    opened(page, book)
    sheet = page.get_by_role("article")
    expect(page.get_by_text("The sheet has no code")).to_be_visible()
    type_text(page, "Where the whole notice stands", "https://shop.example/cameras")
    expect(sheet.get_by_role("img", name="https://shop.example/cameras")).to_be_visible()
    expect(sheet).to_contain_text("https://shop.example/cameras")
    looked_at(page, "privacy-sheet", whole=True)


def test_an_admin_of_a_new_shop_is_asked_what_becomes_of_strangers_and_told_how_many_go(
    shop: Shop,
) -> None:
    """Nothing is chosen beforehand. The first page asks, until somebody has chosen."""
    with shop.box.client() as client:
        client.change_settings(strangers="undecided", basis="", strangers_decided_by="")
    page = shop.open("#/visits")
    page.get_by_role("link", name="Unknown visitors are forgotten until somebody chooses").click()
    section = page.locator("section").filter(has=page.get_by_role("heading", name="Strangers"))
    expect(section).to_contain_text("Nobody has chosen yet what becomes of unknown people.")
    shop.see(Person(90))
    assert shop.groups()["stranger"] == 0
    section.get_by_role("button", name="Choose").click()
    dialog = page.get_by_role("dialog", name="Strangers")
    choose = dialog.get_by_role("button", name="Save")
    expect(choose).to_be_disabled()
    dialog.get_by_role("button", name="For days").click()
    expect(dialog).to_contain_text("people who come often become regulars")
    choose.click()
    expect(dialog.get_by_role("alert")).to_have_count(3)
    dialog.get_by_label("Days after their last visit").fill("30")
    dialog.get_by_label("Legal basis").fill("explicit consent")
    dialog.get_by_label("Name of the person who decided this").fill("Eva Lee")
    looked_at(page, "strangers-choice", whole=True)
    choose.click()
    expect(dialog).to_have_count(0)
    chosen = shop.tenant
    assert (chosen.strangers, chosen.stranger_days) == ("keep", 30)
    assert (chosen.basis, chosen.strangers_decided_by) == ("explicit consent", "Eva Lee")
    for seed in (91, 92):
        shop.see(Person(seed))
    assert shop.groups()["stranger"] == 2
    section.get_by_role("button", name="Choose").click()
    dialog.get_by_role("button", name="Within the day").click()
    expect(dialog).to_contain_text("Hardly anybody unknown becomes a regular.")
    dialog.get_by_role("button", name="Forget").click()
    expect(dialog).to_contain_text("2 strangers who are kept now are erased at once.")
    choose.click()
    expect(section).to_contain_text("Unknown people are counted, and nothing else of them is kept.")
    shop.box.services.erasure.strangers.forget(shop.tenant)
    becomes(page, lambda: shop.groups()["stranger"] == 0)
    page.goto(f"{shop.box.url}/console#/visits")
    heading(page, "Visits")
    expect(page.get_by_text("until somebody chooses")).to_have_count(0)


LONG = {
    "controller": "Ann Lee Gesellschaft mit beschränkter Haftung & Co. KG, Alte Hauptstraße 111, "
    "12345 Musterstadt",
    "contact": "datenschutz@ann-lee-gesellschaft.example, +49 30 1234567",
    "purposes": "Stammgäste zu begrüßen und Besuche zu zählen, damit genug von uns da sind",
    "basis": "ausdrückliche Einwilligung, Artikel 6 Absatz 1 Buchstabe a und Artikel 9 Absatz 2 "
    "Buchstabe a",
    "officer": "Ben May, Musterweg 1, 12345 Musterstadt, dsb@ann-lee-gesellschaft.example",
    "authority": "Berliner Beauftragte für Datenschutz und Informationsfreiheit, Alt-Moabit 59-61, "
    "10555 Berlin",
    "notice_url": "https://www.ann-lee-gesellschaft.example/datenschutz/kameras",
}


def test_the_sheet_fits_on_one_side_of_a4_in_each_language(page: Page, book: Book) -> None:
    with book.client() as client:
        client.change_settings(**LONG)
        page.goto("about:blank")  # the console lets no text become a page
        for language in LANGUAGES:
            page.set_content(client.get_notice(language=language, layer="sheet").html)
            pages = len(re.findall(rb"/Type\s*/Page\b", page.pdf(prefer_css_page_size=True)))
            assert pages == 1, language


def test_the_console_offers_the_languages_that_there_are(page: Page, book: Book) -> None:
    opened(page, book)
    offered = page.get_by_label("Language of the paper").locator("option")
    expect(offered).to_have_count(len(LANGUAGES))
    assert [option.get_attribute("value") for option in offered.all()] == [*LANGUAGES]
    assert offered.all_inner_texts()[:2] == ["English", "العربية (read by nobody yet)"]


def test_printed_is_the_sheet_alone(page: Page, book: Book) -> None:
    opened(page, book)
    expect(page.get_by_role("article")).to_be_visible()
    page.emulate_media(media="print")
    expect(page.get_by_role("article")).to_be_visible()
    for hidden in (
        page.locator(".rail"),
        page.get_by_role("heading", name="Public key"),
        page.get_by_role("button"),
    ):
        expect(hidden.locator("visible=true")).to_have_count(0)


def test_a_consent_is_written_down_listed_when_it_ends_and_withdrawn(
    page: Page, book: Book
) -> None:
    face = ann(book)
    opened(page, book, f"person/{face}")
    page.get_by_role("button", name="Write it down").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Basis").select_option("employment")
    end = datetime.now(UTC).date() + timedelta(days=20)
    dialog.get_by_label("Until").fill(end.isoformat())
    dialog.get_by_label("Evidence").fill("form 7, drawer 3")
    looked_at(page, "consent-edit")
    dialog.get_by_role("button", name="Save").click()
    section = page.locator("section").filter(has=page.get_by_role("heading", name="Consent"))
    expect(section).to_contain_text("form 7, drawer 3")
    expect(section).to_contain_text("Employment and social security law")
    looked_at(page, "consent-person", whole=True)
    with book.client() as client:
        stored = client.get_consent(face)
    assert (stored.basis, stored.evidence) == ("employment", "form 7, drawer 3")
    ends = stored.expires_at.astimezone(ZoneInfo(settings(book).time_zone)).replace(tzinfo=None)
    assert ends == datetime.combine(end + timedelta(days=1), time()), "it ends behind its last day"
    opened(page, book)
    page.get_by_role("link", name="Ann Lee").click()
    section.get_by_role("button", name="Withdraw").click()
    expect(dialog).to_contain_text("After 14 days the person is erased")
    dialog.get_by_label("Remember, in order to forget").check()
    expect(dialog).to_contain_text("They are erased after 365 days")
    withdraw = dialog.get_by_role("button", name="Withdraw", exact=True)
    expect(withdraw).to_be_disabled()
    dialog.get_by_label("What shows that wish").fill("letter 7 & drawer 3")
    looked_at(page, "consent-withdraw")
    withdraw.click()
    expect(page.get_by_text("its consent is withdrawn")).to_be_visible()
    expect(page.get_by_text("all but the template goes on")).to_be_visible()
    with book.client() as client:
        assert list(client.list_consents()) == []
        [restriction] = (one for one in client.list_restrictions() if one.face == face)
    assert (restriction.ended, restriction.remember_basis) == ("withdrawn", "consent")
    assert restriction.stripped_at is not None
    assert restriction.erased_at is not None
    days = (restriction.erased_at - restriction.stripped_at).days
    assert days == 365 - 14


def test_pictures_are_switched_off_and_people_have_shapes_in_their_place(
    page: Page, book: Book
) -> None:
    opened(page, book)
    page.get_by_role("switch", name="Keep pictures").click()
    becomes(page, lambda: not settings(book).keeps_pictures)
    expect(page.get_by_text("None: deleted once the faces are compared")).to_be_visible()
    page.goto(f"{book.url}/console#/people")
    expect(page.locator(".portrait.none").first).to_be_visible()
    expect(page.locator("main img")).to_have_count(0)
    shoot(page, "people-without-pictures")
    opened(page, book)
    page.get_by_role("switch", name="Keep pictures").click()
    becomes(page, lambda: settings(book).keeps_pictures)
    page.get_by_label("None of these groups").fill("VIP")
    becomes(page, lambda: settings(book).no_pictures_of == ["VIP"])
    page.get_by_role("button", name="Remove VIP").click()
    becomes(page, lambda: settings(book).no_pictures_of == [])
