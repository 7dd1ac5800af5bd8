"""A person is hidden from lists, in no list of people from then on, and shown again."""

from playwright.sync_api import Page, expect

from tests.console.conftest import becomes
from tests.console.looks import assert_accessible, looked_at
from tests.console.shop import Shop, box, shop
from tests.support.fakes import Person

__all__ = ["box", "shop"]
SELDOM = "What is seldom done"
DMITRI = 5
"""By this number the fake eyes know Dmitri."""


def open_person(page: Page, name: str) -> None:
    page.get_by_role("gridcell").filter(has_text=name).click()
    expect(page.get_by_label("Name", exact=True)).to_have_value(name)


def test_somebody_is_hidden_shown_again_and_the_hiding_is_taken_back(shop: Shop) -> None:
    dmitri = shop.face("Dmitri").id
    page = shop.open()
    cells, groups = page.get_by_role("gridcell"), page.get_by_role("group", name="Groups")
    hidden = groups.get_by_role("button", name="Hidden")
    expect(cells.filter(has_text="Dmitri")).to_be_visible()
    everybody = int(groups.get_by_role("button", name="All").locator("span").inner_text())
    expect(hidden).to_have_count(0)

    open_person(page, "Dmitri")
    page.get_by_role("button", name=SELDOM).click()
    page.get_by_role("button", name="Hide from lists").click()
    expect(page.get_by_text("Hidden from lists", exact=True)).to_be_visible()
    looked_at(page, "person-hidden")
    page.get_by_role("link", name="People").first.click()
    expect(hidden).to_contain_text("1")
    expect(cells.filter(has_text="Dmitri")).to_have_count(0)
    everyone = groups.get_by_role("button", name="All")
    expect(everyone).to_contain_text(str(everybody - 1))
    everyone.click()
    expect(everyone).to_have_attribute("aria-pressed", "true")
    expect(page.get_by_text(f"{everybody - 1} people", exact=True)).to_be_visible()
    expect(cells.filter(has_text="Dmitri")).to_have_count(0)

    by_name = page.get_by_role("searchbox", name="Only names with")
    by_name.fill("Dmit")
    expect(page.get_by_text("Nobody of that name.")).to_be_visible()
    by_name.fill("dmitri")
    expect(cells.filter(has_text="Dmitri")).to_be_visible()
    by_name.fill("")
    expect(cells.filter(has_text="Ann Lee")).to_be_visible()

    hidden.click()
    expect(cells).to_have_count(1)
    expect(cells.filter(has_text="Dmitri")).to_be_visible()
    assert_accessible(page)
    looked_at(page, "people-hidden")
    cells.get_by_role("checkbox").check()
    page.get_by_role("button", name="Show in lists again").click()
    expect(page.get_by_text("1 person in lists again")).to_be_visible()
    expect(cells).to_have_count(0)
    assert not shop.face("Dmitri").hidden

    page.goto(page.url.partition("#")[0] + "#/done")
    acts = page.locator(".acts > li")
    expect(acts).to_have_count(2)
    expect(acts.first).to_contain_text("Hidden from lists")
    acts.first.get_by_role("button", name="Take back").click()
    expect(page.get_by_text("Taken back", exact=True)).to_be_visible()
    with shop.box.client() as client:
        becomes(page, lambda: client.get_face(dmitri).hidden)


def test_who_is_hidden_is_suggested_to_nobody(shop: Shop) -> None:
    """Neither as somebody who may be the same, nor as somebody who has stayed away."""
    shop.see(Person(DMITRI), 300)
    shop.see(Person(DMITRI, side_px=140, likeness=0.4), 200)
    page = shop.person("Dmitri")
    similar = page.get_by_role("heading", name="Looks like").locator("xpath=ancestor::section")
    expect(similar.get_by_role("listitem")).to_have_count(1)
    with shop.box.client() as client:
        [stranger] = client.list_faces(group="stranger")
        client.change_face(stranger.id, hidden=True)
        client.change_face(shop.face("Ann Other").id, hidden=True)
    page.reload()
    expect(page.get_by_label("Name", exact=True)).to_have_value("Dmitri")
    expect(page.get_by_role("heading", name="Photos")).to_be_visible()
    expect(similar).to_have_count(0)
    page.goto(page.url.partition("#")[0] + "#/traffic")
    away = page.get_by_role("heading", name="Away longest").locator("xpath=ancestor::section")
    expect(away.get_by_role("link").filter(has_text="Ann Lee")).to_be_visible()
    expect(away.get_by_role("link").filter(has_text="Ann Other")).to_have_count(0)


def test_a_group_of_hidden_people_says_why_it_cannot_be_deleted(shop: Shop) -> None:
    with shop.box.client() as client:
        client.change_face(shop.face("Dmitri").id, group="VIP", hidden=True)
    page = shop.open()
    page.get_by_role("group", name="Groups").get_by_role("button", name="VIP").click()
    page.get_by_role("button", name="Edit the group").click()
    says = page.get_by_text("Everybody in this group is hidden from lists")
    expect(says).to_be_visible()
    with shop.box.client() as client:
        client.change_face(shop.face("Dmitri").id, hidden=False)
    page.reload()
    page.get_by_role("button", name="Edit the group").click()
    expect(page.get_by_label("Name of the group")).to_be_visible()
    expect(says).to_have_count(0)


def test_nothing_is_asked_about_who_is_hidden(shop: Shop) -> None:
    shop.box.services.tenants.change_settings(shop.name, {"review_margin": 0.5})
    shop.see(Person(DMITRI, side_px=90))
    page = shop.open("#/visits")
    waits = page.get_by_role("link", name="Review").first.locator(".waits")
    expect(waits).to_have_text("1")
    with shop.box.client() as client:
        client.change_face(shop.face("Dmitri").id, hidden=True)
    page.reload()
    expect(page.locator(".visits > li").first).to_be_visible()
    expect(waits).to_have_count(0)
