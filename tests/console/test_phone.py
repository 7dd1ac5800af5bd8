"""The page Alerts: a rule is made on one screen, tried out, and taken away; a browser shows what is
pushed."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from chalicelib.qr_code import draw_code
from tests.console.conftest import TOUCH, Book, Visitor, becomes, leave, visiting
from tests.console.looks import assert_accessible, looked_at
from tests.support.hooks.receiver import Receiver, answers, receiving

EXAMPLE = re.compile(r"^For example: VIP is here: Counter, \d\d:\d\d$")


@pytest.fixture(autouse=True)
def nobody_is_told(book: Book) -> Iterator[None]:
    yield
    with book.client() as client:
        for hook in client.list_hooks().hooks:
            client.delete_hook(hook.id)


@pytest.fixture
def phone() -> Iterator[Receiver]:
    with receiving(answers(200)) as receiver:
        yield receiver


def test_a_phone_is_told_of_a_group_and_tried_out(page: Page, book: Book, phone: Receiver) -> None:
    page.goto(f"{book.url}/console#/phone")
    expect(page.get_by_label("Of whom")).to_have_value("VIP")
    text = page.get_by_label("In these words")
    expect(text).to_have_value("[guest] is here: [camera], [time]")
    expect(page.get_by_text(EXAMPLE)).to_be_visible()
    page.get_by_label("By", exact=True).select_option("ntfy")
    topic = page.get_by_label("Address in the app ntfy")
    topic.fill(f"{phone.origin}/topic")
    page.get_by_label("Access token").fill("tk_1")
    page.get_by_label("At", exact=True).select_option("Front door")
    page.get_by_label("Only from").fill("08:00")
    page.get_by_label("Only until").fill("20:00")
    page.get_by_label("Not more often than").select_option("Once in ten minutes")
    page.get_by_label("With the face's picture").check()
    looked_at(page, "phone", whole=True)
    page.get_by_role("button", name="Add the alert").click()
    joined = page.get_by_role("dialog", name="Let the phone join")
    drawn = joined.get_by_role("img", name="Code for the phone's camera").locator("path")
    assert drawn.get_attribute("d") == draw_code(f"{phone.origin}/topic").path
    expect(joined.get_by_label("Let the phone join")).to_have_value(f"{phone.origin}/topic")
    looked_at(page, "phone-join")
    joined.get_by_role("button", name="Close").last.click()
    row = page.get_by_role("listitem").filter(has_text="VIP: phone")
    expect(row).to_contain_text("[guest] is here")
    row.get_by_role("button", name="Send a test").click()
    expect(row.get_by_text("It arrived.")).to_be_visible()
    assert phone.bodies[0].decode().startswith("VIP is here: Front door, ")
    assert phone.heard[0].headers["Authorization"] == "Bearer tk_1"
    with book.client() as client:
        [hook] = client.list_hooks().hooks
    assert (hook.way, hook.groups, hook.cameras, hook.hours) == (
        "ntfy",
        ["VIP"],
        ["door"],
        "08:00-20:00",
    )
    assert (hook.pause_s, hook.picture) == (600, True)
    assert_accessible(page)
    row.get_by_role("link").click()
    words = page.get_by_label("Words of the message")
    expect(words).to_have_value("[guest] is here: [camera], [time]")
    words.fill("[guest] again: [camera]")
    words.press("Enter")
    becomes(page, lambda: template(book) == "{guest} again: {camera}")
    page.go_back()
    row.get_by_role("switch", name="Tell: VIP: phone").click()
    expect(row).to_contain_text("Off")
    becomes(page, lambda: not enabled(book))
    row.get_by_role("switch").click()
    becomes(page, lambda: enabled(book))
    row.get_by_role("button", name="Delete this alert").click()
    expect(row).to_have_count(0)
    page.locator(".note", has_text="Alert deleted").get_by_role("button", name="Undo").click()
    expect(row).to_be_visible()
    row.get_by_role("button", name="Delete this alert").click()
    leave(page)
    with book.client() as client:
        becomes(page, lambda: not client.list_hooks().hooks)


def template(book: Book) -> str:
    with book.client() as client:
        return client.list_hooks().hooks[0].template


def enabled(book: Book) -> bool:
    with book.client() as client:
        return client.list_hooks().hooks[0].enabled


def test_what_needs_an_address_alone_comes_first_and_connections_list_programs(
    page: Page, book: Book
) -> None:
    page.goto(f"{book.url}/console#/phone")
    expect(page.get_by_label("By", exact=True)).to_be_visible()
    ways = page.get_by_label("By", exact=True).locator("option").all_inner_texts()
    assert [one for one in ways if one != "This browser"][:2] == ["Mail", "ntfy"]
    with book.client() as client:
        client.add_hook(url="https://shop.example/in")
        client.add_hook(
            url=None,
            channel={"way": "slack", "url": "https://hooks.slack.com/services/T/B/x"},
            template="{who}",
            groups=["VIP"],
        )
    page.goto(f"{book.url}/console#/hooks")
    expect(page.locator("main .rows > li")).to_have_count(1)
    expect(page.locator("main .rows")).to_contain_text("shop.example/in")


def test_a_viewer_has_the_bell_alone(browser: Browser, book: Book) -> None:
    with book.client() as client:
        key = client.add_key(name="looks", role="viewer").api_key
    with visiting(browser, book, key) as visitor:
        page = visitor.open("#/visits")
        page.get_by_role("link", name="Alerts").last.click()
        expect(page.get_by_label("Play a sound")).to_be_visible()
        assert page.get_by_role("button", name="Add the alert").count() == 0


def test_an_alert_that_was_made_for_silence_tells_on_a_press_what_else_is_wrong(
    page: Page, book: Book, phone: Receiver
) -> None:
    channel = {"way": "ntfy", "url": f"{phone.origin}/topic"}
    with book.client() as client:
        for template, events in (
            ("{camera} is silent since {last_seen}", ["camera.silent"]),
            ("{camera} is silent", ["camera.silent"]),
            ("{camera}: {state}", ["camera.silent", "camera.unwell", "camera.well"]),
            ("{guest}", ["face.arrived"]),
        ):
            client.add_hook(url=None, channel=channel, template=template, events=events)
    page.goto(f"{book.url}/console#/phone")
    also = page.get_by_role("button", name="Also tell if it is covered")
    expect(also).to_have_count(2)
    assert_accessible(page)
    for left in (1, 0):
        also.first.click()
        expect(also).to_have_count(left)
    with book.client() as client:
        told = {(hook.template, len(hook.events or ())) for hook in client.list_hooks().hooks}
    assert told == {
        ("{camera}: {state}, {time}", 3),
        ("{camera} is silent", 3),
        ("{camera}: {state}", 3),
        ("{guest}", 1),
    }


def test_no_pause_is_offered_for_what_waits_for_none(page: Page, book: Book) -> None:
    page.goto(f"{book.url}/console#/phone")
    for whom, count in (
        ("VIP", 1),
        ("cameras", 0),
        ("face.overdue", 0),
        ("week.ended", 0),
        ("person", 1),
    ):
        page.get_by_label("Of whom").select_option(whom)
        expect(page.get_by_label("Not more often than")).to_have_count(count)
        expect(page.get_by_label("Only from")).to_have_count(0 if whom == "week.ended" else 1)


def test_a_wrong_field_and_an_unknown_person_are_told(
    page: Page, visitor: Visitor, book: Book, phone: Receiver
) -> None:
    page.goto(f"{book.url}/console#/phone")
    page.get_by_label("By", exact=True).select_option("request")
    page.get_by_label("URL", exact=True).fill(f"{phone.origin}/in")
    page.get_by_label("In these words").fill("{colour}")
    page.get_by_role("button", name="Add the alert").click()
    expect(page.get_by_role("alert")).to_contain_text("there are {who}, {guest}, {event}")
    page.get_by_label("Of whom").select_option("One person")
    page.get_by_label("Name of the person").fill("Nobody Here")
    page.get_by_label("In these words").fill("Look: ")
    page.get_by_role("group", name="Put in").get_by_role("button", name="name").click()
    expect(page.get_by_text("For example: Look: Ann Lee")).to_be_visible()
    page.get_by_role("button", name="Add the alert").click()
    expect(page.get_by_role("alert")).to_contain_text("Nobody is called Nobody Here")
    page.get_by_label("Name of the person").fill("ann lee")
    page.get_by_role("button", name="Add the alert").click()
    expect(page.get_by_role("listitem").filter(has_text="Look: [name]")).to_be_visible()
    visitor.forgive("400")
    with book.client() as client:
        [hook] = client.list_hooks().hooks
        assert hook.template == "Look: {who}"
        assert hook.people == [next(iter(client.list_faces(name="Ann Lee"))).id]


def test_a_phone_has_one_column(book: Book, browser: Browser) -> None:
    with visiting(browser, book, **TOUCH) as visitor:
        page = visitor.sign_in().open("#/phone")
        expect(page.get_by_role("button", name="Add the alert")).to_be_visible()
        looked_at(page, "phone-touch", whole=True)
        assert_accessible(page)


def test_safari_of_a_phone_is_told_to_add_the_page_to_the_home_screen_first(
    book: Book, browser: Browser
) -> None:
    """Apple's browsers push to pages of the home screen alone: only there is a PushManager."""
    tab = "Object.defineProperty(navigator, 'standalone', { value: false });"
    for is_tab, script in ((True, f"delete window.PushManager; {tab}"), (False, tab)):
        with visiting(browser, book, **TOUCH) as visitor:
            visitor.context.add_init_script(script)
            page = visitor.sign_in().open("#/phone")
            expect(page.get_by_role("button", name="Add the alert")).to_be_visible()
            expect(page.get_by_text("Add to Home Screen")).to_have_count(int(is_tab))


def test_a_browser_gets_a_worker_and_says_why_it_is_not_told(book: Book, browser: Browser) -> None:
    """This machine's browser has no push service, and allows no notifications.

    What the worker does: worker.test.js.
    """
    with visiting(browser, book) as visitor:
        page = visitor.sign_in().open("#/phone")
        page.context.grant_permissions(["notifications"], origin=book.url)
        tools = page.context.new_cdp_session(page)
        states: list[str] = []
        tools.on(
            "ServiceWorker.workerVersionUpdated",
            lambda said: states.extend(one["status"] for one in said["versions"]),
        )
        tools.send("ServiceWorker.enable")
        page.get_by_label("By", exact=True).select_option("push")
        page.get_by_role("button", name="Add the alert").click()
        expect(page.get_by_role("alert")).to_be_visible()
        becomes(page, lambda: "activated" in states)
        visitor.forgive("push", "Registration", "AbortError", "Push API")


OLD_WORKER = """async () => {
  const policy = trustedTypes.createPolicy("worker", { createScriptURL: (url) => url });
  const { imports } = JSON.parse(document.querySelector("script[type=importmap]").textContent);
  const url = policy.createScriptURL(`${imports["./console/worker.js"]}?old`);
  await navigator.serviceWorker.register(url);
}"""
WORKER = """async () =>
  (await navigator.serviceWorker.getRegistration("console/"))?.active?.scriptURL ?? "" """


def test_a_browser_that_was_pushed_to_before_gets_the_worker_of_now(
    book: Book, browser: Browser
) -> None:
    """The worker of before does not lead to the card of who has come."""
    with visiting(browser, book) as visitor:
        page = visitor.sign_in().open()
        page.evaluate(OLD_WORKER)
        becomes(page, lambda: page.evaluate(WORKER).endswith("?old"))
        page.close()
        page = visitor.context.new_page()
        page.clock.install()
        page.goto(f"{book.url}/console")
        expect(page.get_by_role("heading", name="Visits", level=1)).to_be_visible()
        page.clock.fast_forward("00:11")
        becomes(page, lambda: page.evaluate(WORKER).endswith(".js"))
