import re
from collections.abc import Iterator

import pytest
from msgspec.structs import replace
from playwright.sync_api import Browser, Page, expect

from regulars.cli import main
from regulars.tenants import credentials
from tests.console.conftest import NAMES, Book, Visitor, heading, leave, reload, visiting
from tests.console.looks import assert_accessible, looked_at
from tests.console.people_invited import invite, open_device

WORDS = "four words that fit"


@pytest.fixture
def local(book: Book) -> Book:
    """The same service by a name: browsers make passkeys on names only."""
    return replace(book, url=book.url.replace("127.0.0.1", "localhost"))


@pytest.fixture
def someone(local: Book, browser: Browser) -> Iterator[Visitor]:
    with visiting(browser, local) as visitor:
        yield visitor
        visitor.forgive("401")


def with_device(visitor: Visitor) -> Page:
    return open_device(visitor)[0]


def sign_out(page: Page) -> None:
    page.get_by_role("link", name=re.compile("account:")).click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("Password")).to_be_visible()


def test_a_link_makes_a_passkey_and_next_time_the_device_signs_in_by_one_click(
    someone: Visitor, local: Book
) -> None:
    page = with_device(someone)
    page.goto(f"{local.url}/console{invite(local, 'Maria', role='operator')}")
    expect(page.get_by_role("heading", name="Hello Maria")).to_be_visible()
    assert "invitation" not in page.url
    looked_at(page, "invited")
    page.get_by_role("button", name="Make a passkey on this device").click()
    heading(page, "Visits")
    expect(page.get_by_role("link", name=re.compile("account: shop Maria"))).to_be_visible()
    sign_out(page)
    looked_at(page, "signin-ways")
    page.get_by_role("button", name="Sign in with this device").click()
    heading(page, "Settings")


def test_an_address_without_passkeys_says_so_and_takes_a_password(
    visitor: Visitor, book: Book
) -> None:
    path = invite(book, "Ben", role="operator")
    page = visitor.open(path)
    expect(page.get_by_text("no passkeys on this address")).to_be_visible()
    page.get_by_label("A password of your own").fill(WORDS)
    page.get_by_role("button", name="Set this password").click()
    heading(page, "Visits")
    sign_out(page)
    page.get_by_label("Name", exact=True).fill("ben")
    page.get_by_label("Password").fill("not these four words")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_have_text(
        "Name and password do not fit. Check both, or ask for a new link."
    )
    page.get_by_label("Password").fill(WORDS)
    page.keyboard.press("Enter")
    heading(page, "Settings")
    again = visitor.open(path)
    expect(again.get_by_role("alert")).to_contain_text("This link is not good any more")
    visitor.forgive("401")


def test_what_was_typed_is_still_there_when_the_session_ends_and_is_saved_after_signing_in(
    visitor: Visitor, book: Book
) -> None:
    with book.client() as client:
        face = next(iter(client.list_faces(name=NAMES[4].split()[0])))
        client.change_face(face.id, note="")
    page = visitor.sign_in().open(f"#/person/{face.id}")
    note = page.get_by_label("Note", exact=True)
    note.fill("Asks for the table by the window")
    visitor.context.clear_cookies()
    note.blur()
    dialog = page.get_by_role("dialog", name="Sign in to go on")
    expect(dialog).to_contain_text("what you typed is still here")
    looked_at(page, "signed-out")
    dialog.get_by_role("button", name="Sign in with a key").click()
    dialog.get_by_label("Key", exact=True).fill("rk_wrong")
    page.keyboard.press("Enter")
    expect(dialog.get_by_role("alert")).to_have_text(
        "This key does not fit. Check for missing characters, or ask for a new link."
    )
    dialog.get_by_label("Key", exact=True).fill(book.key)
    page.keyboard.press("Enter")
    expect(dialog).to_have_count(0)
    expect(page.get_by_text("Saved")).to_be_visible()
    with book.client() as client:
        assert client.get_face(face.id).note == "Asks for the table by the window"
    visitor.forgive("401")


def test_a_page_that_opens_while_the_service_is_away_goes_on_once_it_is_back(
    visitor: Visitor,
) -> None:
    visitor.sign_in()
    for away, says in (("**/v1/session", "cannot be reached"), (re.compile(r"/words[./]en"), None)):
        visitor.context.route(away, lambda route: route.abort())
        with visitor.context.expect_event("requestfailed"):
            page = visitor.open()
        if says:
            expect(page.get_by_text(says)).to_be_visible()
        visitor.context.unroute(away)
        page.evaluate("dispatchEvent(new Event('online'))")
        heading(page, "Visits")
    visitor.forgive("ERR_FAILED")


def test_an_admin_invites_and_removes_in_the_settings(
    page: Page, book: Book, browser: Browser
) -> None:
    page.goto(f"{book.url}/console#/settings")
    page.get_by_role("button", name="Invite").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name", exact=True).fill("Eva")
    dialog.get_by_label("Role").select_option("operator")
    dialog.get_by_role("button", name="Create the link").click()
    expect(dialog.get_by_role("img", name="The link as a code")).to_be_visible()
    link = dialog.get_by_label("Link for Eva").input_value()
    looked_at(page, "invitation")
    dialog.get_by_role("button", name="Close").last.click()
    with visiting(browser, book) as invited:
        hers = invited.open(f"#{link.partition('#')[2]}")
        hers.get_by_label("A password of your own").fill(WORDS)
        assert_accessible(hers)
        hers.get_by_role("button", name="Set this password").click()
        heading(hers, "Visits")
        page.get_by_role("button", name="Remove Eva").click()
        expect(page.get_by_text("Eva may sign in no more")).to_be_visible()
        leave(page)
        expect(hers.get_by_role("dialog", name="Sign in to go on")).to_be_visible()
        assert_accessible(hers)
        invited.forgive("401")


def test_who_is_removed_is_shown_with_what_she_made_and_each_of_it_ends_or_stays(
    page: Page, book: Book, browser: Browser
) -> None:
    link = invite(book, "Ida", role="admin")
    with visiting(browser, book) as invited:
        hers = invited.open(link)
        hers.get_by_label("A password of your own").fill(WORDS)
        hers.get_by_role("button", name="Set this password").click()
        heading(hers, "Visits")
        hers.goto(f"{book.url}/console#/settings")
        for name in ("stays", "goes", "lost"):
            hers.get_by_role("button", name="New key").click()
            dialog = hers.get_by_role("dialog")
            dialog.get_by_label("Who or what has it").fill(name)
            dialog.get_by_role("button", name="Create the key").click()
            secret = hers.get_by_role("dialog", name=f"Key of {name}")
            secret.get_by_role("button").last.click()
            expect(secret).to_have_count(0)
        page.goto(f"{book.url}/console#/settings")
        page.get_by_role("button", name="What Ida made").click()
        made = page.get_by_role("dialog", name="What Ida made")
        expect(made.get_by_text("Browser that is signed in")).to_be_visible()
        looked_at(page, "made")
        made.get_by_role("button", name="End: Key · lost").click()
        expect(made.get_by_text("Key · lost")).to_have_count(0)
        made.get_by_role("button", name="Close").last.click()
        page.get_by_role("button", name="Remove Ida").click()
        asked = page.get_by_role("dialog", name="Remove Ida")
        expect(asked.get_by_label("Key · goes")).to_be_checked()
        asked.get_by_label("Key · stays").uncheck()
        assert_accessible(page)
        looked_at(page, "removal")
        asked.get_by_role("button", name="Remove", exact=True).click()
        expect(page.get_by_text("Ida may sign in no more")).to_be_visible()
        leave(page)
        invited.forgive("401")
    with book.client() as client:
        by_name = {key.name: key.made_by for key in client.list_keys().keys}
    assert {"stays"} == by_name.keys() & {"stays", "goes", "lost"}
    assert by_name["stays"].is_gone


def test_a_screen_on_the_wall_shows_visits_and_nothing_else(visitor: Visitor, book: Book) -> None:
    page = visitor.open(invite(book, "Counter", screen=True))
    expect(page.get_by_role("heading", name="A screen, or a link to read")).to_be_visible()
    assert_accessible(page)
    page.get_by_role("button", name="Show here: Visits").click()
    heading(page, "Visits")
    expect(page.locator("html")).to_have_attribute("data-blur", "on")
    expect(page.get_by_role("navigation").get_by_role("link")).to_have_count(1)
    assert_accessible(page)
    page.goto(f"{book.url}/console#/people")
    heading(page, "Visits")
    visitor.forgive("401")


def test_a_password_on_a_service_of_several_shops_is_followed_by_the_question_which_one(
    browser: Browser, book: Book
) -> None:
    known = credentials.read_credentials(book.data)
    if "third" not in known:
        assert (
            main(["tenants", "add", "third", "--strangers", "forget", "--data", str(book.data)])
            == 0
        )
    path = invite(
        replace(book, key=credentials.read_credentials(book.data)["third"].api_key), "Uma"
    )
    with visiting(browser, book) as visitor:
        page = visitor.open(path)
        page.get_by_label("A password of your own").fill(WORDS)
        page.get_by_role("button", name="Set this password").click()
        heading(page, "Visits")
        visitor.forgive("401")
    with visiting(browser, book) as visitor:
        page = visitor.open()
        page.get_by_label("Name").fill("uma")
        page.get_by_label("Password").fill(WORDS)
        page.get_by_role("button", name="Sign in", exact=True).click()
        expect(page.get_by_text("Which shop?")).to_be_visible()
        expect(page.get_by_text("tenant")).to_have_count(0)
        page.get_by_label("Shop").fill("third")
        assert_accessible(page)
        page.get_by_role("button", name="Sign in", exact=True).click()
        heading(page, "Visits")
        visitor.forgive("400", "401")


def test_the_first_admin_is_asked_once_for_a_passkey_of_her_own(
    browser: Browser, local: Book
) -> None:
    empty = replace(local, key=local.empty_key)
    with empty.client() as client:
        for one in client.list_members().members:  # of the first try
            client.delete_member(one.id)
        # as when the page was left before there was a passkey
        client.add_member(name="Ida", role="admin")
    with visiting(browser, empty) as visitor:
        page = with_device(visitor)
        page.goto(f"{local.url}/console")
        page.get_by_role("button", name="Sign in with a key").click()
        page.get_by_label("Key", exact=True).fill(empty.key)
        page.keyboard.press("Enter")
        dialog = page.get_by_role("dialog", name="Sign in more easily next time")
        dialog.get_by_label("Your name").fill("Ida")
        assert_accessible(page)
        dialog.get_by_role("button", name="Go on").click()
        dialog.get_by_role("button", name="Make a passkey on this device").click()
        expect(dialog).to_have_count(0)
        expect(page.get_by_role("link", name=re.compile("account: empty Ida"))).to_be_visible()
        reload(page)
        heading(page, "Visits")
        expect(page.get_by_role("dialog")).to_have_count(0)
        visitor.forgive("401")
