"""The portrait of a person is chosen on the person's page, and the choice is taken back in Done."""

from playwright.sync_api import expect

from tests.console.conftest import becomes
from tests.console.looks import assert_accessible, looked_at
from tests.console.shop import Shop, box, shop
from tests.support.fakes import Person, picture

__all__ = ["box", "shop"]
DMITRI = 5
"""By this number the fake eyes know Dmitri."""


def portrait_of(shop: Shop) -> str:
    with shop.box.client() as client:
        return client.get_face(shop.face("Dmitri").id).portrait.picture


def add_photo(shop: Shop) -> tuple[str, str]:
    """Give Dmitri a second photo. Return the ids of the first and of this one."""
    with shop.box.client() as client:
        photo = picture(Person(DMITRI, quality=70))
        added = client.add_picture(shop.face("Dmitri").id, picture=photo, trust=True)
    return portrait_of(shop), added.id


def test_a_portrait_is_chosen_and_taken_back(shop: Shop) -> None:
    page = shop.person("Dmitri")
    expect(page.get_by_role("heading", name="Photos")).to_be_visible()
    choose = page.get_by_role("button", name="Make this the portrait")
    expect(choose).to_have_count(0)
    first, second = add_photo(shop)
    page.reload()
    expect(choose).to_have_count(1)
    assert_accessible(page)
    choose.click()
    expect(page.get_by_text("Saved")).to_be_visible()
    becomes(page, lambda: portrait_of(shop) == second)
    tag = page.locator(".strip > li").first.get_by_text("Portrait", exact=True)
    expect(tag).to_be_visible()
    looked_at(page, "person-portrait")
    page.get_by_role("button", name="Undo").click()
    becomes(page, lambda: portrait_of(shop) == first)
    expect(choose).to_have_count(1)
    choose.click()
    becomes(page, lambda: portrait_of(shop) == second)

    page.goto(page.url.partition("#")[0] + "#/done")
    acts = page.locator(".acts > li")
    expect(acts.first).to_contain_text("Portrait")
    expect(acts.first).not_to_contain_text(second)
    acts.first.get_by_role("button", name="Take back").click()
    expect(page.get_by_text("Taken back", exact=True)).to_be_visible()
    becomes(page, lambda: portrait_of(shop) == first)


def test_who_may_not_edit_chooses_no_portrait(shop: Shop) -> None:
    add_photo(shop)
    with shop.box.client() as client:
        key = client.add_key(name="Screen at the desk", role="viewer").api_key
    page = shop.visitor.sign_in(key).open(f"#/person/{shop.face('Dmitri').id}")
    photos = page.locator(".strip > li")
    expect(photos).to_have_count(2)
    expect(photos.get_by_text("Portrait", exact=True)).to_have_count(1)
    expect(photos.get_by_role("button")).to_have_count(0)
