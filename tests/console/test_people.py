import csv
import io
import re
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.console.conftest import (
    PHONE,
    SLOW_TO_GO_BACK,
    TOUCH,
    becomes,
    heading,
    reload,
    save_as,
    visiting,
)
from tests.console.looks import looked_at
from tests.console.shop import HOSTILE, NAMES, Shop, box, shop
from tests.support.fakes import Person
from tests.support.noon import zone_at_noon

__all__ = ["box", "shop"]


def test_people_are_chosen_in_a_table_and_labelled_and_the_labels_are_taken_back(
    shop: Shop,
) -> None:
    page = shop.open()
    page.get_by_role("button", name="As a table").click()
    expect(page.get_by_role("columnheader")).to_have_text(
        ["Name", "Group", "Visits", "Last seen ↓", "Added"]
    )
    page.get_by_role("columnheader", name="Added").get_by_role("button").click()
    expect(page.get_by_role("columnheader", name="Added")).to_have_attribute(
        "aria-sort", "descending"
    )
    page.get_by_role("columnheader", name="Added").get_by_role("button").click()
    expect(page).to_have_url(re.compile("sort=oldest"))
    rows = page.locator(".entry[data-index]")
    expect(rows).to_have_count(len(NAMES))
    expect(rows.filter(has_text="王芳").get_by_role("gridcell").nth(1)).to_have_text("Regulars")
    looked_at(page, "people-table")
    expect(rows.nth(0)).to_be_visible()
    rows.nth(0).focus()
    page.keyboard.press("Space")
    page.keyboard.press("Shift+ArrowDown")
    expect(page.get_by_text("2 selected")).to_be_visible()
    page.get_by_role("button", name="Label …").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("textbox", name="Label B").fill("member")
    looked_at(page, "people-label")
    dialog.get_by_role("button", name="Save").click()
    expect(page.get_by_text("2 people labelled")).to_be_visible()
    with shop.box.client() as client:
        assert sorted(one.labels.b for one in client.list_faces()) == [
            "",
            "",
            "",
            "",
            "member",
            "member",
        ]
        page.keyboard.press("u")
        becomes(page, lambda: not any(one.labels.b for one in client.list_faces()))
    reload(page)
    expect(rows.first).to_be_visible()


def test_people_are_listed_by_name_and_by_visits_and_the_browser_keeps_the_order(
    shop: Shop,
) -> None:
    for minutes in (300, 200, 100):
        shop.see(Person(NAMES.index("Dmitri")), minutes)
    shop.see(Person(NAMES.index("王芳")), 50)
    page = shop.open()
    cells = page.get_by_role("gridcell")
    page.get_by_label("Order").select_option(label="A to Z")
    expect(cells).to_contain_text(
        [HOSTILE, "Ann Lee", "Ann Other", "Dmitri", "王芳", "No name yet"]
    )
    page.get_by_label("Order").select_option(label="Most visits")
    expect(cells.nth(1)).to_contain_text("王芳")
    expect(cells.first).to_contain_text("Dmitri")
    page.goto(f"{shop.box.url}/console#/people")
    reload(page)
    expect(page.get_by_label("Order")).to_have_value("most")
    expect(cells.first).to_contain_text("Dmitri")
    page.get_by_role("button", name="As a table").click()
    expect(page.get_by_role("columnheader", name="Visits")).to_have_attribute(
        "aria-sort", "descending"
    )
    page.get_by_role("columnheader", name="Name").get_by_role("button").click()
    expect(page.get_by_role("columnheader", name="Name")).to_have_attribute(
        "aria-sort", "ascending"
    )
    looked_at(page, "people-by-name")


def test_the_first_people_are_in_sight_on_a_phone(shop: Shop) -> None:
    page = shop.open()
    page.set_viewport_size(PHONE)
    expect(page.get_by_role("gridcell")).to_have_count(len(NAMES))
    first = page.get_by_role("gridcell").first.bounding_box()
    assert first
    assert first["y"] <= 300


def test_a_long_name_in_arabic_is_cut_at_its_end(shop: Shop) -> None:
    name = shop.open().get_by_role("gridcell").locator(".name").first
    starts_within = """(box) => {
      box.textContent = "محمد عبد الرحمن بن عبد الله بن إبراهيم الأنصاري";
      const range = document.createRange();
      range.setStart(box.firstChild, 0);
      range.setEnd(box.firstChild, 1);
      return range.getBoundingClientRect().right <= box.getBoundingClientRect().right + 1;
    }"""
    assert name.evaluate(starts_within)


def test_a_stranger_of_whom_a_picture_came_late_has_the_earlier_day_first(shop: Shop) -> None:
    shop.see(Person(900, side_px=300), minutes_ago=3 * 24 * 60)
    with shop.box.client() as client:
        [face] = client.list_faces(group="stranger")
    assert face.arrive_time
    times = [
        at.astimezone(ZoneInfo(shop.tenant.time_zone))
        for at in (face.arrive_time, face.enrolled_at)
    ]
    page = shop.open("#/people?group=stranger")
    first, last = times
    begin = f"{first.day}" if first.month == last.month else f"{first.day} {first:%b}"
    expect(page.get_by_role("gridcell").locator("small")).to_have_text(
        re.compile(rf"^{begin}\s?–\s?{last.day} {last:%b}$")
    )


SEEN = re.compile(r"(ago|now|yesterday|never seen|\d+ \w{3})$")
SHOWN_BY = {
    "lately": SEEN,
    "away": SEEN,
    "most": re.compile(r"^(no|\d+) visits?$", re.IGNORECASE),
    "newest": re.compile(r"^\d+ \w{3,4} \d{4}$"),
    "oldest": re.compile(r"^\d+ \w{3,4} \d{4}$"),
    "name": re.compile(r"."),
}
"""What a card says below the name in each order, in English of Britain."""
CUT = (
    "(all) => all.filter((one) => one.scrollWidth > one.clientWidth).map((one) => one.textContent)"
)


@pytest.mark.parametrize("group", ["regular", "stranger"])
def test_each_order_shows_what_it_sorts_by(shop: Shop, group: str) -> None:
    stranger = Person(900, side_px=300)
    for minutes in (3 * 24 * 60, 200, 100):
        shop.see(Person(NAMES.index("Dmitri")), minutes)
        shop.see(stranger, minutes)
    page = shop.open(f"#/people?group={group}")
    page.set_viewport_size(PHONE)
    said = page.get_by_role("gridcell").locator("small")
    expect(said.first).not_to_be_empty()
    orders = page.get_by_label("Order")
    for order in orders.locator("option").evaluate_all("all => all.map((one) => one.value)"):
        orders.select_option(order)
        for text in said.all():
            expect(text).to_have_text(SHOWN_BY[order])
        if order != "name":
            assert said.evaluate_all(CUT) == []
    orders.select_option("most")
    expect(said.first).to_have_text("3 visits")


def test_a_filter_by_name_shows_all_of_that_name_and_selects_no_others(shop: Shop) -> None:
    page = shop.open()
    page.get_by_label("Only names with").fill("ann")
    expect(page.get_by_role("gridcell")).to_have_count(2)
    page.get_by_role("heading", level=1).click()
    page.keyboard.press("Control+a")
    page.get_by_label("Move to").select_option("VIP")
    expect(page.get_by_text("2 moved to VIP")).to_be_visible()
    assert shop.groups()["VIP"] == 2
    page.get_by_label("Only names with").fill("nobody of that name")
    expect(page.get_by_role("heading", name="Nobody of that name")).to_be_visible()


def test_three_are_merged_into_the_chosen_one_and_unmerged(shop: Shop) -> None:
    page = shop.open()
    cells = page.get_by_role("gridcell")
    for name in ("Ann Lee", "Ann Other", "Dmitri"):
        cells.filter(has_text=name).get_by_role("checkbox").click()
    page.get_by_role("button", name="Merge").click()
    dialog = page.get_by_role("dialog")
    with shop.box.client() as client:
        stays = next(one.id for one in client.list_faces(name="Dmitri"))
        dialog.get_by_role("button", name="Let Dmitri stay").or_(
            dialog.locator(".stays", has_text="Dmitri")
        ).click()
        expect(dialog).to_contain_text("Dmitri stays")
        expect(dialog).to_contain_text("3 photos")
        looked_at(page, "people-merge")
        dialog.get_by_role("button", name="Merge", exact=True).click()
        expect(page.get_by_text("4 people")).to_be_visible()
        assert client.get_face(stays).pictures == 3
        page.get_by_role("button", name="Undo").click()
        expect(page.get_by_text("6 people")).to_be_visible()
        assert client.get_face(stays).pictures == 1


def make_group(page: Page, name: str, *noted: str) -> None:
    page.get_by_role("button", name="New group").click()
    page.get_by_label("Name of the group").fill(name)
    page.get_by_label("Room for how many").fill("7")
    page.get_by_label("What is noted").fill("\n".join(noted))
    page.get_by_role("button", name="Create the group").click()


def test_a_group_is_made_noted_renamed_and_deleted_on_the_page(shop: Shop) -> None:
    page = shop.open()
    make_group(page, "Suppliers", "firm", "plate")
    expect(page.get_by_text("Room for 7 more")).to_be_visible()
    page.get_by_role("button", name="Edit the group").click()
    looked_at(page, "people-group")
    with shop.box.client() as client:
        made = next(one for one in client.list_groups() if one.name == "Suppliers")
        assert made.attributes == ["firm", "plate"]
        client.change_group(made.id, capacity=8)
        page.get_by_label("Name of the group").fill("Deliveries")
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_role("alert")).to_contain_text("Somebody else has changed this")
        expect(page.get_by_label("Room for how many")).to_have_value("8")
        page.get_by_label("Name of the group").fill("Deliveries")
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_role("button", name="Deliveries")).to_have_attribute(
            "aria-pressed", "true"
        )
        page.get_by_role("button", name="Edit the group").click()
        page.get_by_role("button", name="Delete the group").click()
        expect(page.get_by_role("button", name="Deliveries")).to_have_count(0)
        assert "Deliveries" not in {one.name for one in client.list_groups()}
    shop.visitor.forgive("409")


def test_a_group_is_made_in_a_browser_that_is_slow_to_go_back_from_the_dialog(shop: Shop) -> None:
    shop.visitor.context.add_init_script(SLOW_TO_GO_BACK)
    page = shop.open("#/captures")
    page.get_by_role("link", name="People", exact=True).click()
    make_group(page, "Suppliers")
    expect(page.get_by_text("Room for 7 more")).to_be_visible()
    assert page.evaluate("timesBack") == 1


def test_a_group_that_is_made_while_the_groups_are_on_their_way_is_shown(shop: Shop) -> None:
    page = shop.open()
    expect(page.get_by_role("gridcell").first).to_be_visible()
    late: list[Route] = []
    page.route("**/v1/groups", lambda route: late.append(route), times=1)
    page.get_by_role("link", name="Traffic").click()
    heading(page, "Traffic")
    page.get_by_role("link", name="People", exact=True).click()
    becomes(page, lambda: late)
    before = late[0].fetch()
    make_group(page, "Suppliers")
    becomes(page, lambda: "Suppliers" in shop.groups())
    late[0].fulfill(response=before)
    expect(page.get_by_text("Room for 7 more")).to_be_visible()


def test_the_table_for_spreadsheets_has_everybody_and_no_formula(shop: Shop) -> None:
    page = shop.open()
    loading = save_as(page, "CSV")
    text = Path(loading.path()).read_bytes().decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert sorted(row["Name"] for row in rows) == sorted(
        ["'" + name if name == HOSTILE else name for name in NAMES]
    )
    assert {row["Visits"] for row in rows} == {"0"}
    page.get_by_role("gridcell").filter(has_text="Dmitri").get_by_role("checkbox").click()
    loading = save_as(page, "CSV")
    assert len(Path(loading.path()).read_text(encoding="utf-8").splitlines()) == 2


def test_a_phone_selects_and_moves_by_touch(shop: Shop, browser: Browser) -> None:
    with visiting(browser, shop.visitor.book, None, **TOUCH) as phone:
        page = phone.open("#/people")
        cells = page.get_by_role("gridcell")
        for name in ("Ann Lee", "Dmitri"):
            cells.filter(has_text=name).get_by_role("checkbox").tap()
        page.get_by_label("Move to").select_option("VIP")
        expect(page.get_by_text("2 moved to VIP")).to_be_visible()
        page.get_by_role("button", name="Undo").tap()
        becomes(page, lambda: shop.groups()["VIP"] == 0)


def test_who_is_deleted_is_gone_from_every_page_at_once_and_comes_back_when_undone(
    shop: Shop,
) -> None:
    page = shop.open()
    page.get_by_role("gridcell").filter(has_text="Dmitri").click()
    page.get_by_role("button", name="What is seldom done").click()
    page.get_by_role("button", name="Delete this person").click()
    expect(page.get_by_text("5 people")).to_be_visible()
    page.get_by_role("link", name="Visits", exact=True).click()
    expect(page.get_by_role("heading", level=1, name="Visits", exact=True)).to_be_visible()
    page.get_by_role("link", name="People", exact=True).click()
    expect(page.get_by_text("5 people")).to_be_visible()
    page.keyboard.press("u")
    expect(page.get_by_label("Name", exact=True)).to_have_value("Dmitri")
    with shop.box.client() as client:
        assert len([*client.list_faces()]) == len(NAMES)


def test_who_signs_out_while_a_deletion_waits_has_deleted(shop: Shop) -> None:
    page = shop.open()
    page.get_by_role("gridcell").filter(has_text="Dmitri").get_by_role("checkbox").click()
    page.get_by_role("button", name="Delete", exact=True).click()
    expect(page.get_by_text("5 people")).to_be_visible()
    page.get_by_role("link", name="Settings", exact=True).click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("Password")).to_be_visible()
    with shop.box.client() as client:
        assert not [*client.list_faces(name="Dmitri")]
    shop.visitor.forgive("401")


def test_a_first_visit_shows_its_picture_once_and_a_later_one_beside_the_portrait(
    shop: Shop,
) -> None:
    with shop.box.client() as client:
        client.change_settings(time_zone=zone_at_noon())
    shop.see(Person(77), 100)
    shop.see(Person(77), 1)
    page = shop.open("#/visits")
    pictures = page.locator(".visit").filter(has_text="Stranger 1").locator(".pair")
    expect(pictures).to_have_count(2)
    assert [pair.locator(".portrait").count() for pair in pictures.all()] == [2, 1]
    cameras = page.get_by_role("region", name="Cameras")
    expect(cameras).to_have_count(1)
    looked_at(page, "visits-first")
    page.goto(f"{shop.box.url}/console#/visits?day=2026-01-02")
    expect(page.get_by_text("Nobody came on this day")).to_be_visible()
    expect(cameras).to_have_count(0)
