import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.console.conftest import (
    DESK,
    Book,
    Visitor,
    becomes,
    heading,
    leave,
    press_pair,
    reload,
    shoot,
    visiting,
)
from tests.console.looks import assert_accessible, looked_at
from tests.support.pictures.photos import FOLDER, PORTRAIT

VALUES: dict[str, tuple[str, Any, Any]] = {
    "Visits that make a regular": ("arrive_times", "3", 3),
    "Days within which they come": ("period_days", "30", 30),
    "Time zone": ("time_zone", "Europe/Berlin", "Europe/Berlin"),
    "Least quality to add": ("enrol_quality", "33.5", 33.5),
    "Least liveness": ("least_liveness", "0.25", 0.25),
    "Tell a gender from": ("least_gender", "0.5", 0.5),
    "Least age": ("min_age", "12.5", 12.5),
    "Margin for review": ("review_margin", "0.05", 0.05),
    "Keep learnt pictures for": ("learnt_days", "365", 365),
}
"""What each field is called: the setting, what is typed, what v1 answers then."""


@pytest.fixture(autouse=True)
def settings_as_they_were(book: Book) -> Iterator[dict[str, Any]]:
    """Give the settings, and set them again at the end."""
    with book.client() as client:
        before = settings(book)
        yield before
        names = [
            "stranger_days",
            "observation_days",
            "fpir",
            "display_name",
            "attributes_off",
            "learns",
        ]
        names += [name for name, _, _ in VALUES.values()]
        client.change_settings(**{name: before[name] for name in names})


def settings(book: Book) -> dict[str, Any]:
    with book.client() as client:
        found = client.get_settings()
        return {name: getattr(found, name) for name in found.__struct_fields__}


def holds(page: Page, book: Book, name: str, value: Any) -> None:
    """Wait until v1 says so."""
    becomes(page, lambda: settings(book)[name] == value)


@contextmanager
def offered_again(page: Page) -> Iterator[None]:
    """Wait until the "Undo" of a change has taken the place of the one before: the service hears
    sooner of it."""
    before = page.get_by_role("button", name="Undo").element_handles()
    yield
    for one in before:
        one.wait_for_element_state("hidden")
    expect(page.get_by_role("button", name="Undo")).to_be_visible()


def field(page: Page, label: str) -> Any:
    return page.get_by_role("main").get_by_label(label, exact=True)


def test_the_browsers_time_zone_is_offered_until_it_is_the_tenants(
    browser: Browser, book: Book
) -> None:
    with visiting(browser, book, None, timezone_id="America/Lima") as visitor:
        page = visitor.open("#/settings")
        offered = page.get_by_role("button", name="America/Lima")
        expect(offered).to_be_visible()
        assert_accessible(page)
        offered.click()
        becomes(page, lambda: settings(book)["time_zone"] == "America/Lima")
        expect(offered).to_have_count(0)
    with book.client() as client:
        client.change_settings(time_zone="Asia/Kolkata")
    # which Chromium calls Asia/Calcutta
    with visiting(browser, book, None, timezone_id="Asia/Kolkata") as visitor:
        page = visitor.open("#/settings")
        expect(field(page, "Time zone")).to_have_value("Asia/Kolkata")
        expect(page.get_by_role("button", name="Take this browser")).to_have_count(0)


def test_a_shop_has_a_name_that_people_read_in_place_of_its_id(page: Page, book: Book) -> None:
    page.goto(f"{book.url}/console#/settings")
    account = page.get_by_role("link", name="Settings and account")
    expect(account).to_contain_text("shop")
    name = page.locator("section", has=page.get_by_role("heading", name="The shop")).get_by_label(
        "Name", exact=True
    )
    name.fill("Ann's corner")
    name.press("Enter")
    holds(page, book, "display_name", "Ann's corner")
    expect(account).to_contain_text("Ann's corner")
    reload(page)
    expect(account).to_contain_text("Ann's corner")
    name.fill("")
    name.press("Enter")
    expect(account).to_contain_text("shop")


def test_how_sure_a_match_must_be_is_chosen_by_what_it_does(page: Page, book: Book) -> None:
    page.goto(f"{book.url}/console#/settings")
    sure = page.get_by_role("group", name="How sure a match must be")
    said = page.locator(".setting").filter(has=sure)
    balanced = sure.get_by_role("button", name="Balanced", pressed=True)
    expect(balanced).to_be_visible()
    expect(said).to_contain_text("About 2 of 1,000 strangers")
    with offered_again(page):
        sure.get_by_text("Strict", exact=True).click()
    holds(page, book, "fpir", 0.001)
    expect(said).to_contain_text("About 1 of 1,000 strangers")
    page.get_by_role("button", name="Undo").last.click()
    holds(page, book, "fpir", None)
    expect(balanced).to_be_visible()
    assert_accessible(page)
    with book.client() as client:
        client.change_settings(fpir=0.002)
        reload(page)
        expect(said).to_contain_text("about 2.0 of 1,000 strangers")
        expect(sure.get_by_role("button", pressed=True)).to_have_count(0)
        client.change_settings(fpir=None)


def test_each_setting_is_changed_in_place_and_taken_back(
    page: Page, book: Book, settings_as_they_were: dict[str, Any]
) -> None:
    page.goto(f"{book.url}/console#/settings")
    heading(page, "Settings")
    expect(field(page, "Time zone")).to_be_visible()
    page.get_by_text("Advanced", exact=True).click()
    shoot(page, "settings", whole=True)
    for label, (name, typed, value) in VALUES.items():
        field(page, label).fill(typed)
        field(page, label).press("Enter")
        holds(page, book, name, value)
    page.get_by_role("switch", name="Learns").click()
    holds(page, book, "learns", value=False)
    boxes = page.get_by_role("group", name="Estimates")
    with offered_again(page):
        boxes.get_by_label("Emotion").uncheck()
    holds(page, book, "attributes_off", ["emotion"])
    page.get_by_role("button", name="Undo").last.click()
    holds(page, book, "attributes_off", [])
    expect(boxes.get_by_label("Emotion")).to_be_checked()
    field(page, "Least quality to add").fill("")
    field(page, "Least quality to add").press("Tab")
    holds(page, book, "enrol_quality", settings_as_they_were["enrol_quality"])


def test_what_goes_by_the_days_is_said_before_it_goes(page: Page, book: Book) -> None:
    with book.client() as client:
        stranger = client.enrol_face(picture=FOLDER / PORTRAIT, group="stranger")
        strangers = len(list(client.list_faces(group="stranger")))
        page.goto(f"{book.url}/console#/privacy")
        section = page.locator("main section").filter(
            has=page.get_by_role("heading", name="What is stored")
        )
        expect(section.get_by_text("30 days")).to_be_visible()
        expect(section.get_by_text("Nothing goes within seven days.")).to_be_visible()
        client.change_settings(stranger_days=1)
        field(page, "Visits in statistics").fill("3650")
        field(page, "Visits in statistics").press("Enter")
        holds(page, book, "observation_days", 3650)
        row = section.get_by_role("row").filter(has=page.get_by_role("rowheader", name="Strangers"))
        expect(row.get_by_role("cell").nth(1)).to_have_text(str(strangers))
        looked_at(page, "settings-kept", whole=True)
        assert len(list(client.list_faces(group="stranger"))) == strangers
        client.delete_face(stranger.id)


def test_what_no_setting_can_be_is_told_beside_it_and_not_sent(
    page: Page, visitor: Visitor, book: Book, settings_as_they_were: dict[str, Any]
) -> None:
    page.goto(f"{book.url}/console#/settings")
    times = field(page, "Visits that make a regular")
    times.fill("11")
    times.press("Tab")
    expect(page.get_by_role("alert").filter(has_text="10")).to_be_visible()
    times.press("Escape")
    zone = field(page, "Time zone")
    zone.fill("Mars/Olympus")
    zone.press("Enter")
    expect(page.get_by_text("a time zone has a name such as")).to_be_visible()
    expect(zone).to_have_value("Mars/Olympus")
    zone.press("Escape")
    expect(zone).to_have_value(settings_as_they_were["time_zone"])
    sent = [one for one in visitor.requests if one.method == "PATCH"]
    assert [one.post_data for one in sent] == ['{"time_zone":"Mars/Olympus"}']
    visitor.forgive("400")


@pytest.mark.parametrize(
    ("locale", "said"),
    [
        ("en", "opening hours are as `Mon-Fri 08:00-19:00"),
        ("de", "Schreiben Sie Öffnungszeiten wie Mon-Fri"),
    ],
)
def test_what_the_service_refuses_stays_beside_its_field_and_says_why_in_the_readers_language(
    browser: Browser, book: Book, locale: str, said: str
) -> None:
    before = settings(book)["opening"]
    with visiting(browser, book, None, locale=locale) as visitor:
        page = visitor.open("#/settings")
        hours = page.locator("#set-opening")
        hours.fill("25:00-99:00")
        hours.press("Enter")
        told = page.locator(".typed").filter(has=hours).get_by_role("alert")
        expect(told).to_contain_text(said)
        expect(hours).to_have_value("25:00-99:00")
        expect(hours).to_have_attribute("aria-invalid", "true")
        expect(page.locator(".note.problem")).to_have_count(0)
        looked_at(page, f"settings-refused-{locale}")
        hours.press("Escape")
        expect(told).to_have_count(0)
        expect(hours).to_have_value(before)
        visitor.forgive("400")


def test_settings_are_reached_and_changed_by_keys_alone(page: Page, book: Book) -> None:
    heading(page, "Visits")
    press_pair(page, "g", "e")
    heading(page, "Settings")
    expect(field(page, "Time zone")).to_be_visible()
    tab_to(page, "Days within which they come")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    holds(page, book, "period_days", 8)
    tab_to(page, "Learns")
    with offered_again(page):
        page.keyboard.press("Space")
    holds(page, book, "learns", value=False)
    page.get_by_role("main").focus()
    page.keyboard.press("u")
    holds(page, book, "learns", value=True)


def tab_to(page: Page, label: str) -> None:
    focused = "document.activeElement.labels?.[0]?.textContent ?? document.activeElement.ariaLabel"
    for _ in range(120):
        page.keyboard.press("Tab")
        if label in (page.evaluate(focused), page.evaluate("document.activeElement.ariaLabel")):
            return
    pytest.fail(f"Tab does not lead to {label}")


def test_language_appearance_and_blur_are_kept_by_the_browser(page: Page) -> None:
    page.get_by_role("link", name="Settings", exact=True).click()
    page.get_by_label("Language", exact=True).select_option("zh")
    heading(page, "设置")
    looked_at(page, "settings-chinese", whole=True)
    page.get_by_text("深色").click()
    page.get_by_role("group", name="人脸与姓名").get_by_text("隐藏", exact=True).click()
    reload(page)
    heading(page, "设置")
    assert page.evaluate(
        "[document.documentElement.lang, document.documentElement.dataset.theme, "
        "document.documentElement.dataset.blur]"
    ) == ["zh", "dark", "on"]
    page.get_by_role("link", name="人员").click()
    expect(page.get_by_role("gridcell").first).to_be_visible()
    shoot(page, "people-hidden-chinese")


def test_a_key_is_made_shown_once_renewed_and_deleted(
    page: Page, book: Book, visitor: Visitor, browser: Browser
) -> None:
    page.goto(f"{book.url}/console#/settings")
    page.get_by_role("button", name="New key").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Who or what has it").fill("Till <b>2</b>")
    dialog.get_by_label("Ends").select_option("7")
    looked_at(page, "key-new")
    dialog.get_by_role("button", name="Create the key").dblclick()
    secret = dialog.get_by_label("Key", exact=True)
    expect(secret).to_have_value(re.compile("^rk_[0-9a-f]{32}$"))
    first = secret.input_value()
    looked_at(page, "key-shown")
    dialog.get_by_role("button", name="I have kept it").click()
    row = page.get_by_role("listitem").filter(
        has=page.get_by_role("button", name="Delete the key Till <b>2</b>")
    )
    expect(row).to_contain_text("never used")
    assert page.get_by_text(first).count() == 0
    till = Visitor(browser.new_context(viewport=DESK, locale="en-GB"), book).sign_in(first)
    elsewhere = till.open("#/settings")
    expect(elsewhere.get_by_role("heading", name="Used")).to_be_visible()
    row.get_by_label("Role").select_option("operator")
    expect(page.get_by_text("Saved")).to_be_visible()
    row.get_by_role("button", name="Renew").click()
    assert dialog.get_by_label("Key", exact=True).input_value() != first
    dialog.get_by_role("button", name="I have kept it").click()
    elsewhere.get_by_role("link", name="People", exact=True).click()
    # the old key has ended, and so has its session
    expect(elsewhere.get_by_label("Password")).to_be_visible()
    till.context.close()
    row.get_by_role("button", name="Delete the key").click()
    expect(row).to_have_count(0)
    leave(page)
    with book.client() as client:
        becomes(page, lambda: "Till <b>2</b>" not in [one.name for one in client.list_keys().keys])


def test_the_buttons_of_a_role_that_was_taken_away_go_at_the_first_press(
    book: Book, browser: Browser
) -> None:
    with book.client() as client:
        key = client.add_key(name="Till 3", role="operator")
    with visiting(browser, book, key.api_key) as till:
        page = till.open("#/people")
        page.get_by_role("button", name="New group").click()
        with book.client() as client:
            client.change_key(key.id, role="viewer")
        page.get_by_label("Name of the group").fill("Nobody's")
        page.get_by_role("button", name="Create the group").click()
        expect(page.get_by_text("this needs a key of role operator")).to_be_visible()
        page.keyboard.press("Escape")
        expect(page.get_by_role("gridcell").first).to_be_visible()
        expect(page.get_by_role("button", name="New group")).to_have_count(0)
        till.forgive("403")
    with book.client() as client:
        client.delete_key(key.id)


def test_the_last_admin_key_cannot_go(page: Page, book: Book) -> None:
    page.goto(f"{book.url}/console#/settings")
    last = page.get_by_role("button", name=re.compile("^Delete the key")).first
    expect(last).to_be_disabled()
    expect(page.get_by_text("The last admin key without an end stays")).to_be_visible()


def test_a_key_that_is_deleted_ends_its_session(visitor: Visitor, book: Book) -> None:
    with book.client() as client:
        made = client.add_key(name="Desk", role="operator")
        page = visitor.sign_in(made.api_key).open("#/settings")
        expect(page.get_by_text("Only a manager changes what follows")).to_be_visible()
        client.delete_key(made.id)
    # no click: the page may have noticed by itself, and has no link then
    page.evaluate("location.hash = '#/cameras'")
    expect(page.get_by_label("Password")).to_be_visible()
    visitor.forgive("401")


def test_a_disk_that_is_nearly_full_is_warned_of(page: Page, book: Book) -> None:
    with book.client() as client:
        assert client.get_usage().disk, "one box tells of its disk"

    def nearly_full(route: Route) -> None:
        usage = route.fetch().json()
        route.fulfill(
            json={**usage, "disk": {"free_bytes": 800_000_000, "total_bytes": 64_000_000_000}}
        )

    page.route("**/v1/usage", nearly_full)
    page.goto(f"{book.url}/console#/settings")
    expect(page.get_by_role("alert")).to_contain_text("The disk is nearly full: 800 MB are free")
    expect(page.get_by_text("63.2 GB of 64.0 GB")).to_be_visible()
    looked_at(page, "settings-full", whole=True)
