import json
import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from chalicelib.domain.events import CHOSEN
from tests.console.conftest import (
    TOUCH,
    Book,
    Visitor,
    becomes,
    heading,
    press_pair,
    reload,
    shoot,
    visiting,
)
from tests.console.looks import assert_accessible, looked_at
from tests.support.hooks.receiver import Receiver, answers, receiving


@pytest.fixture(autouse=True)
def no_hook_stays(book: Book) -> Iterator[None]:
    yield
    with book.client() as client:
        for hook in client.list_hooks().hooks:
            client.delete_hook(hook.id)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving(answers(200)) as receiver:
        yield receiver


def test_a_hook_is_made_its_secret_shown_once_and_a_test_arrives(
    page: Page, book: Book, receiver: Receiver
) -> None:
    page.goto(f"{book.url}/console#/hooks")
    page.get_by_role("button", name="New connection").click()
    expect(page.locator("main code")).to_have_count(0)  # no line for a shell, for a manager
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("URL", exact=True).last.fill(receiver.url)
    looked_at(page, "hook-new")
    dialog.get_by_role("button", name="Create the connection").click()
    secret = dialog.get_by_label("Key", exact=True)
    expect(secret).to_have_value(re.compile("^whsec_"))
    dialog.get_by_role("button", name="Send a test").click()
    expect(dialog.get_by_text("It arrived.")).to_be_visible()
    assert_accessible(page)
    dialog.get_by_role("button", name="I have kept it").click()
    heading(page, receiver.url)
    expect(page.get_by_role("button", name="Send a test")).to_be_visible()
    assert [json.loads(body)["type"] for body in receiver.bodies] == ["test"]
    looked_at(page, "hook", whole=True)


def test_what_was_given_up_is_told_with_its_error_and_sent_again(
    page: Page, book: Book, receiver: Receiver
) -> None:
    receiver.answer_from_now_on(answers(410))
    with book.client() as client:
        hook = client.add_hook(url=receiver.url).id
    page.goto(f"{book.url}/console#/hooks/{hook}")
    page.get_by_role("button", name="Send a test").click()
    expect(page.get_by_role("status").filter(has_text="410")).to_be_visible()
    expect(page.get_by_role("heading", name="1 given up")).to_be_visible()
    expect(page.get_by_role("listitem").filter(has_text="410")).to_contain_text("Test")
    looked_at(page, "hook-parked", whole=True)
    receiver.answer_from_now_on(answers(200))
    page.get_by_role("button", name="Send again").click()
    expect(page.get_by_text("1 event is sent again")).to_be_visible()
    expect(page.get_by_role("heading", name="1 given up")).to_have_count(0)
    becomes(page, lambda: len(receiver.bodies) == 2)


def test_a_german_reads_in_german_why_an_event_did_not_arrive_and_the_rest_behind_it(
    browser: Browser, book: Book, receiver: Receiver
) -> None:
    receiver.answer_from_now_on(answers(410))
    with book.client() as client:
        hook = client.add_hook(url=receiver.url).id
    with visiting(browser, book, key=None, locale="de-DE") as visitor:
        page = visitor.open(f"#/hooks/{hook}")
        page.get_by_role("button", name="Probe senden").click()
        said = "Der Empfänger will das nicht mehr."
        expect(page.get_by_role("status").filter(has_text=said)).to_be_visible()
        row = page.get_by_role("listitem").filter(has_text=said)
        own = row.locator("[lang=en]")
        expect(own).not_to_be_visible()
        row.locator("summary").click()
        expect(own).to_have_text(re.compile("^the receiver answered 410"))
        assert_accessible(page)


def test_url_filters_and_the_switch_are_changed_in_place(
    page: Page, book: Book, receiver: Receiver
) -> None:
    with book.client() as client:
        hook = client.add_hook(url=receiver.url).id
        page.goto(f"{book.url}/console#/hooks/{hook}")
        events = page.get_by_role("group", name="Events")
        events.get_by_label("A new stranger").uncheck()
        page.get_by_label("Only of these groups").fill("VIP")
        page.get_by_label("Only of these cameras").fill("Front door")
        expect(page.get_by_role("button", name="Remove Front door")).to_be_visible()
        page.get_by_role("switch", name="On").click()
        url = page.get_by_label("URL", exact=True)
        url.fill(f"{receiver.url}&more=1")
        url.press("Enter")
        heading(page, f"{receiver.url}&more=1")
        now = client.get_hook(hook)
        assert (now.groups, now.cameras, now.enabled) == (["VIP"], ["door"], False)
        assert len(now.events or ()) == len(CHOSEN) - 1
        assert "stranger.created" not in (now.events or ())
        page.get_by_role("button", name="Remove VIP").click()
        expect(page.get_by_text("All groups")).to_be_visible()
        page.get_by_role("button", name="Make another secret").click()
        expect(page.get_by_role("dialog").get_by_label("Key", exact=True)).to_have_value(
            re.compile("^whsec_")
        )
        page.get_by_role("button", name="I have kept it").click()
        page.get_by_role("button", name="Delete this connection").click()
        heading(page, "Connections")
        page.get_by_role("button", name="Undo").last.click()
        heading(page, f"{receiver.url}&more=1")


def test_a_url_that_hooks_may_not_reach_is_refused_with_the_reason(
    page: Page, visitor: Visitor, book: Book
) -> None:
    page.goto(f"{book.url}/console#/hooks")
    page.get_by_role("button", name="New connection").click()
    page.get_by_role("dialog").get_by_label("URL", exact=True).last.fill("ftp://shop.example/")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog").get_by_role("alert")).to_contain_text("http")
    visitor.forgive("400")


def test_a_mailbox_is_made_tested_and_emptied_by_keys_alone(page: Page, book: Book) -> None:
    heading(page, "Visits")
    press_pair(page, "g", "h")
    heading(page, "Connections")
    make = page.get_by_role("button", name="New connection")
    expect(make).to_be_visible()
    make.focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Space")
    expect(page.get_by_role("button", name="Create the connection")).to_be_visible()
    page.get_by_role("button", name="Create the connection").focus()
    page.keyboard.press("Enter")
    heading(page, "Mailbox")
    expect(page.get_by_role("button", name="Send a test")).to_be_visible()
    page.get_by_role("button", name="Send a test").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("It waits in the mailbox.")).to_be_visible()
    expect(page.get_by_role("heading", name="1 event waits")).to_be_visible()
    looked_at(page, "hook-mailbox", whole=True)
    expect(page.get_by_role("button", name="Take these out")).to_be_visible()
    page.get_by_role("button", name="Take these out").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="1 event waits")).to_have_count(0)


def test_a_failing_hook_stands_first_and_is_opened_by_touch(
    book: Book, browser: Browser, receiver: Receiver
) -> None:
    with (
        visiting(browser, book, None, **TOUCH) as visitor,
        book.client() as client,
        receiving(answers(500)) as broken,
    ):
        client.add_hook(url=receiver.url)
        failing = client.add_hook(url=broken.url).id
        for _ in range(5):
            client.test_hook(failing)
        page = visitor.open("#/visits")
        page.get_by_role("button", name="More").tap()
        page.get_by_role("link", name="Connections", exact=True).last.tap()
        first = page.get_by_role("main").get_by_role("listitem").first
        becomes(page, lambda: client.get_hook(failing).health.state == "failing")
        reload(page)
        expect(first).to_contain_text(broken.url)
        expect(first).to_contain_text("Failing")
        shoot(page, "hooks")
        first.get_by_role("link").tap()
        heading(page, broken.url)
