"""Six shops and one person: one sign-in, and the first page says how today goes in each of them."""

from __future__ import annotations

import re
import secrets
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct
from msgspec.structs import replace
from playwright.sync_api import Browser, Page, Route, expect
from regulars_client import Regulars

from chalicelib.book.captures.captures import Shot
from chalicelib.domain.model import Profile
from tests.console.conftest import PHONE, Book, Visitor, becomes, heading, visiting
from tests.console.looks import assert_accessible, looked_at
from tests.console.people_invited import invite, open_device
from tests.console.shop import SETTINGS
from tests.support.box.box import Box, serving
from tests.support.fakes import Person, picture
from tests.support.noon import zone_at_noon

NAMES = (
    "Café Morgenrot Potsdamer Platz",
    "Café Morgenrot Prenzlauer Allee",
    "Café Morgenrot Prenzlauer Berg",
    "Stammkundschaft mit Kunden am Kurfürstendamm",
    "Zoo",
    "王府井店",
)
USUAL = 12
"""Visits by now on the same weekday in each of the three weeks before."""
VIP_NAME, VIP_GROUP = "Ann Lee", "Gold"
WHOLE = """(one) => one.scrollWidth <= one.clientWidth
  && one.getBoundingClientRect().right <= innerWidth
  && getComputedStyle(one).textOverflow !== "ellipsis"
"""
"""Tells whether a name is shown whole."""


class Street(Struct, frozen=True):
    """Shops of one service, by their names, in the order of the page."""

    box: Box
    books: dict[str, Book]
    """Each shop's own: the key is its admin's."""

    @property
    def url(self) -> str:
        return self.box.url.replace("127.0.0.1", "localhost")


COVERED = "1 camera needs you: shows something else"


def see(box: Box, tenant_name: str, seed: int, back: timedelta) -> None:
    services = box.services
    tenant, at = services.tenants.get_by_name(tenant_name), services.clock.now() - back
    capture = services.captures.store_shot(
        tenant, Shot("door", picture(Person(seed)), "image/jpeg", at)
    )
    services.sightings.ingest.resolve_capture(tenant_name, "door", capture.id)


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Street]:
    """Serve six shops: the second is as quiet as it never is, and a VIP is in the third."""
    folder = tmp_path_factory.mktemp("street")
    with serving(folder) as box:
        books = {}
        for number, name in enumerate(NAMES):
            key = box.services.tenants.add(f"s{number}", Profile.CAMERA, SETTINGS).api_key
            with replace(box, key=key).client() as client:
                client.change_settings(display_name=name, time_zone=zone_at_noon())
                client.add_camera(id="door", name="Front door", labels={})
                client.add_group(name=VIP_GROUP, capacity=10)
                client.enrol_face(picture=picture(Person(1)), group=VIP_GROUP, name=VIP_NAME)
            books[name] = Book(box.url.replace("127.0.0.1", "localhost"), folder, key, key)
        for week in (3, 2, 1):
            for seed in range(USUAL):
                see(box, "s1", 100 + seed, timedelta(weeks=week, hours=2))
        see(box, "s2", 1, timedelta(minutes=1))
        with replace(box, key=books[NAMES[2]].key).client() as client:
            client.correct_inside(client.add_place(name="All", doors=["door"]).id, inside=7)
        with replace(box, key=books[NAMES[1]].key).client() as client:
            client.send_heartbeat("door", status={"error": "no answer"}, working=False)
        with replace(box, key=books[NAMES[3]].key).client() as client:
            client.send_heartbeat("door", status={"view_changed": True})
        yield Street(box, books)


@pytest.fixture
def visitor(street: Street, browser: Browser) -> Iterator[Visitor]:
    with visiting(browser, street.books[NAMES[0]]) as visitor:
        yield visitor
        visitor.forgive("401")


def sign_in_to(visitor: Visitor, street: Street, *names: str) -> None:
    for name in names:
        visitor.sign_in(street.books[name].key)


def row(page: Page, name: str) -> Any:
    return page.get_by_role("listitem").filter(has_text=name)


def test_one_sign_in_by_a_passkey_opens_six_shops_on_another_device_too(
    visitor: Visitor, street: Street, browser: Browser
) -> None:
    page, device, kept_in = open_device(visitor)
    for number, name in enumerate(NAMES):
        page.goto("about:blank")
        page.goto(f"{street.url}/console{invite(street.books[name], 'Mona', role='admin')}")
        expect(page.get_by_role("heading", name="Hello Mona")).to_be_visible()
        if number == 1:
            looked_at(page, "invited-elsewhere")
        button = "Take the passkey that you have" if number else "Make a passkey on this device"
        page.get_by_role("button", name=button).click()
        heading(page, "Visits")
        expect(page.get_by_role("link", name=re.compile(f"account: {name}"))).to_be_visible()
    [made] = device.send("WebAuthn.getCredentials", kept_in)["credentials"]
    with visiting(browser, street.books[NAMES[0]]) as other:
        hers, device, kept_in = open_device(other)
        # as passkeys are synced
        device.send("WebAuthn.addCredential", {**kept_in, "credential": made})
        hers.goto(f"{street.url}/console")
        hers.get_by_role("button", name="Sign in with this device").click()
        heading(hers, "Shops")
        expect(hers.get_by_role("listitem")).to_have_count(len(NAMES))
        other.forgive("401")


def test_the_first_page_says_which_shop_is_unusual_today_and_who_is_where(
    visitor: Visitor, street: Street
) -> None:
    sign_in_to(visitor, street, *NAMES)
    page = visitor.open()
    heading(page, "Shops")
    called = [NAMES[1], NAMES[3]]  # unusual, and with a camera that needs somebody
    others = [name for name in NAMES if name not in called]
    expect(page.locator(".shop")).to_have_text([*called, *others])
    quiet = row(page, NAMES[1])
    expect(quiet).to_contain_text(
        re.compile(rf"0 visits today\s*\u2212{USUAL} on usual · unusually few")
    )
    expect(quiet).to_contain_text("1 camera needs you: failing")
    expect(row(page, NAMES[3])).to_contain_text(COVERED)
    expect(row(page, NAMES[2])).to_contain_text(
        re.compile(rf"1 visit today.*{VIP_GROUP} here now:\s+{VIP_NAME}", re.DOTALL)
    )
    expect(row(page, NAMES[2])).to_contain_text("7 inside now")
    expect(page.get_by_text("unusually")).to_have_count(1)
    expect(page.get_by_text(VIP_NAME)).to_have_count(1)
    expect(quiet.locator(".bars i")).to_have_count(1)
    assert page.locator(".bars").first.locator("b").count() == 24
    looked_at(page, "shops")
    page.set_viewport_size(PHONE)
    for name in NAMES:
        shown = row(page, name).locator(".shop")
        assert shown.evaluate(WHOLE)
    row(page, NAMES[2]).get_by_role("link").click()
    heading(page, "Visits")
    assert re.search(r"\?shop=[0-9a-f]{16}", page.url)
    assert NAMES[2] in page.title()
    assert page.get_by_role("link", name=re.compile("account:")).locator("strong").evaluate(WHOLE)
    assert_accessible(page)
    page.get_by_role("link", name="Shops").click()
    heading(page, "Shops")


def test_a_camera_that_shows_something_else_is_told_on_each_page_that_shows_cameras(
    visitor: Visitor, street: Street
) -> None:
    sign_in_to(visitor, street, *NAMES)
    page = visitor.open()
    row(page, NAMES[3]).get_by_role("link").click()
    heading(page, "Visits")
    rail = page.get_by_role("link", name=re.compile("^Cameras"))
    expect(rail).to_have_accessible_description(COVERED)
    beside = page.get_by_role("region", name="Cameras")
    expect(beside).to_contain_text("Shows something else")
    page.set_viewport_size(PHONE)
    expect(page.get_by_role("link", name=re.compile(COVERED)).first).to_be_visible()
    looked_at(page, "covered-visits")
    page.goto(f"{page.url.partition('#')[0]}#/cameras")
    card = page.get_by_role("gridcell", name="Front door, Shows something else")
    expect(card).to_contain_text("Shows something else")
    expect(page.get_by_text("Working")).to_have_count(0)
    looked_at(page, "covered-cameras")


def test_a_tab_stays_in_its_shop_whatever_others_enter_and_when_it_is_loaded_again(
    visitor: Visitor, street: Street
) -> None:
    first, second, mark = NAMES[0], NAMES[4], secrets.token_hex(4)  # another at a second try
    sign_in_to(visitor, street, first, second)
    tabs = {}
    for name in (first, second):
        tabs[name] = visitor.open()
        row(tabs[name], name).get_by_role("link").click()
        heading(tabs[name], "Visits")
    for name, tab in tabs.items():
        tab.reload()
        expect(tab.get_by_role("link", name=re.compile(f"account: {name}"))).to_be_visible()
        tab.get_by_role("link", name="People", exact=True).click()
        tab.get_by_role("button", name="New group").click()
        tab.get_by_label("Name of the group").fill(f"Only of {name} {mark}")
        tab.get_by_role("button", name="Create the group").click()
        with replace(street.box, key=street.books[name].key).client() as client:

            def made(client: Regulars = client) -> set[str]:
                return {one.name for one in client.list_groups() if one.name.endswith(mark)}

            becomes(tab, made)
            assert made() == {f"Only of {name} {mark}"}


def test_signing_out_of_a_shop_leaves_the_others_and_one_more_is_added_on_the_page(
    visitor: Visitor, street: Street
) -> None:
    sign_in_to(visitor, street, *NAMES[:2])
    page = visitor.open()
    page.get_by_role("button", name="Sign in to one more shop").click()
    page.get_by_role("button", name="Sign in with a key").click()
    page.get_by_label("Key", exact=True).fill(street.books[NAMES[2]].key)
    page.keyboard.press("Enter")
    expect(page.get_by_role("listitem")).to_have_count(3)
    row(page, NAMES[2]).get_by_role("link").click()
    page.get_by_role("link", name=re.compile("account:")).click()
    page.get_by_role("button", name="Sign out").click()
    heading(page, "Shops")
    expect(page.get_by_role("listitem")).to_have_count(2)
    expect(row(page, NAMES[2])).to_have_count(0)


def test_a_shop_that_cannot_be_read_now_is_said_and_the_others_are_shown(
    visitor: Visitor, street: Street
) -> None:
    sign_in_to(visitor, street, *NAMES[3:6])
    page = visitor.open()
    expect(page.get_by_role("listitem")).to_have_count(3)
    busy = street.box.services.tenants.get_by_name("s4").book_id

    def refuse(route: Route) -> None:
        if route.request.headers.get("x-regulars-book", "").startswith(busy):
            route.fulfill(status=503, json={"code": "StorageUnavailable", "detail": "busy"})
        else:
            route.continue_()

    page.route("**/v1/session", refuse)
    page.reload()
    expect(page.get_by_text("1 shop cannot be read now")).to_be_visible()
    expect(page.get_by_role("listitem")).to_have_count(2)
    expect(row(page, NAMES[4])).to_have_count(0)
    page.unroute("**/v1/session")
    page.reload()
    expect(page.get_by_role("listitem")).to_have_count(3)
    visitor.forgive("503")


def test_a_session_that_a_shop_ended_is_said_and_the_others_are_shown(
    visitor: Visitor, street: Street
) -> None:
    sign_in_to(visitor, street, *NAMES[3:5])
    with replace(street.box, key=street.books[NAMES[5]].key).client() as client:
        made = client.add_key(name="for a while", role="viewer")
        visitor.sign_in(made.api_key)
        client.delete_key(made.id)
    page = visitor.open()
    expect(page.get_by_role("listitem")).to_have_count(2)
    expect(page.get_by_text("Your session in 1 shop is over")).to_be_visible()
    street.box.services.tenants.disable("s3")
    page.reload()
    expect(page.get_by_role("listitem")).to_have_count(1)
    expect(page.get_by_text("1 shop is switched off")).to_be_visible()
    street.box.services.tenants.enable("s3")
    visitor.forgive("403")


def test_a_page_of_all_shops_names_nobody_of_one_that_another_tab_signed_out_of(
    visitor: Visitor, street: Street
) -> None:
    sign_in_to(visitor, street, *NAMES[1:4])
    page, other = visitor.open(), visitor.open()
    expect(row(page, NAMES[2])).to_contain_text(VIP_NAME)
    row(other, NAMES[2]).get_by_role("link").click()
    other.get_by_role("link", name=re.compile("account:")).click()
    other.get_by_role("button", name="Sign out").click()
    heading(other, "Shops")
    expect(row(page, NAMES[2])).to_have_count(0)
    expect(page.get_by_text(VIP_NAME)).to_have_count(0)
    expect(page.get_by_role("listitem")).to_have_count(2)
    expect(page.get_by_text("Your session in 1 shop is over")).to_be_visible()


def test_a_page_of_all_shops_names_nobody_of_one_whose_session_has_ended(
    visitor: Visitor, street: Street
) -> None:
    sign_in_to(visitor, street, NAMES[1])
    with replace(street.box, key=street.books[NAMES[2]].key).client() as client:
        made = client.add_key(name="for a while", role="operator")
        visitor.sign_in(made.api_key)
        page = visitor.open()
        page.clock.install()
        page.reload()
        expect(row(page, NAMES[2])).to_contain_text(VIP_NAME)
        client.delete_key(made.id)
    page.clock.run_for(61_000)
    expect(row(page, NAMES[2])).to_contain_text("These figures cannot be read now")
    expect(page.get_by_text(VIP_NAME)).to_have_count(0)


def test_a_tab_of_one_shop_shows_it_again_after_another_tab_has_signed_in_to_a_second(
    visitor: Visitor, street: Street
) -> None:
    sign_in_to(visitor, street, NAMES[4])
    page = visitor.open("#/people")
    heading(page, "People")
    sign_in_to(visitor, street, NAMES[5])
    link = visitor.open("#/traffic")
    row(link, NAMES[5]).get_by_role("link").click()
    heading(link, "Traffic")
    link.close()
    page.reload()
    heading(page, "People")
    expect(page.get_by_role("link", name=re.compile(f"account: {NAMES[4]}"))).to_be_visible()
    page.get_by_role("link", name="Shops").click()
    heading(page, "Shops")
    page.reload()
    heading(page, "Shops")


@contextmanager
def disabled(street: Street, tenant: str) -> Iterator[None]:
    street.box.services.tenants.disable(tenant)
    try:
        yield
    finally:
        street.box.services.tenants.enable(tenant)


def erase_in_one(page: Page) -> None:
    page.get_by_role("button", name="Erase in 1 shop").click()
    page.get_by_label("Type ERASE to go on").fill("ERASE")
    page.get_by_role("button", name="Erase for good").click()


def test_one_photo_finds_and_erases_a_person_in_each_shop_where_the_member_may(
    visitor: Visitor, street: Street, tmp_path: Path
) -> None:
    first, later, only_seen = NAMES[0], NAMES[3], NAMES[5]
    seed = 900 + zlib.crc32(bytes(tmp_path)) % 9_000  # a second try has another
    for name in (first, later, only_seen):
        with replace(street.box, key=street.books[name].key).client() as client:
            client.enrol_face(picture=picture(Person(seed)), group=VIP_GROUP, name=f"Zoë {seed}")
            if name == first:
                client.enrol_face(
                    picture=picture(Person(seed)),
                    group=VIP_GROUP,
                    name=f"Zoe {seed}",
                    if_known="enrol",
                )
    with replace(street.box, key=street.books[only_seen].key).client() as client:
        visitor.sign_in(client.add_key(name=f"counter {seed}", role="viewer").api_key)
    sign_in_to(visitor, street, first, NAMES[1], later)
    page = visitor.open()
    page.get_by_role("button", name="Find a person by a photo").click()
    letter = tmp_path / "letter.jpg"
    letter.write_bytes(picture(Person(seed, side_px=98.0)))
    found = page.locator(".found-person")
    choose = found.get_by_label("Choose a picture")

    def one(name: str) -> Any:
        return found.get_by_role("listitem").filter(has_text=name)

    with disabled(street, "s3"):
        choose.set_input_files(letter)
        expect(one(first)).to_contain_text(f"Zoë {seed}")
        expect(one(first)).to_contain_text(f"Zoe {seed}")
        expect(one(NAMES[1])).to_contain_text("Nobody known")
        expect(one(only_seen)).to_contain_text("Your role here may not search")
        expect(one(later).get_by_role("alert")).to_contain_text("not activated")
        looked_at(page, "shops-person")
    erase_in_one(page)
    expect(one(first)).to_contain_text("Going on")
    choose.set_input_files(letter)  # as if the page had been closed between two shops
    expect(one(later)).to_contain_text(f"Zoë {seed}")
    expect(one(first)).to_contain_text("perhaps of this person")
    expect(one(first).get_by_role("button")).to_have_count(0)
    found.get_by_role("button", name="All that is held about this person").click()
    expect(one(later)).to_contain_text("The file is on its way")
    erase_in_one(page)
    expect(one(later)).to_contain_text("Going on")
    for name, left in ((first, 0), (later, 0), (only_seen, 1)):
        with replace(street.box, key=street.books[name].key).client() as client:
            names = [face.name for face in client.list_faces()]
        assert names.count(f"Zoë {seed}") == left
        assert f"Zoe {seed}" not in names
    visitor.forgive("403")
