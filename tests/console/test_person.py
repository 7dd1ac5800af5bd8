"""Person in the console: what is changed in place, and what two people change at once."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.console.conftest import shoot
from tests.console.test_flows import assert_accessible
from tests.console.test_people import Shop, shop

__all__ = ["shop"]


def test_two_people_edit_one_face_and_the_second_chooses(shop: Shop) -> None:
    page = shop.open()
    page.get_by_role("gridcell").filter(has_text="Dmitri").click()
    name = page.get_by_label("Name", exact=True)
    expect(name).to_have_value("Dmitri")
    with shop.box.client() as client:
        face = next(iter(client.list_faces(name="Dmitri"))).id
        client.change_face(face, name="Dima")
        name.fill("Dmitri V")
        page.keyboard.press("Enter")
        dialog = page.get_by_role("dialog", name="Somebody else has changed this")
        expect(dialog).to_contain_text("Dima")
        assert_accessible(page)
        shoot(page, "person-clash")
        dialog.get_by_role("button", name="Leave it as it is").click()
        expect(name).to_have_value("Dima")
        client.change_face(face, note="Tall")
        name.fill("Dmitri V")
        page.keyboard.press("Enter")
        dialog.get_by_role("button", name="Save mine").click()
        expect(name).to_have_value("Dmitri V")
        changed = client.get_face(face)
        assert (changed.name, changed.note) == ("Dmitri V", "Tall")
    shop.visitor.complaints[:] = [one for one in shop.visitor.complaints if "409" not in one]


def test_age_gender_and_labels_are_changed_in_place_and_taken_back(shop: Shop) -> None:
    page = shop.open()
    page.get_by_role("gridcell").filter(has_text="Dmitri").click()
    page.get_by_label("Age").fill("41")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Saved")).to_be_visible()
    page.get_by_role("button", name="Add a label").click()
    page.get_by_label("Label C").fill("member")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Saved")).to_have_count(2)
    with shop.box.client() as client:
        face = next(iter(client.list_faces(name="Dmitri")))
        assert (face.age, face.labels.c) == (41, "member")
        page.get_by_role("heading", name="Visits").click()
        page.keyboard.press("u")
        expect(page.get_by_label("Label C")).to_have_value("")
        assert client.get_face(face.id).labels.c == ""


def test_viewers_begin_with_blurred_faces_and_the_browser_keeps_what_they_choose(shop: Shop) -> None:
    with shop.box.client() as client:
        key = client.add_key(name="Screen at the desk", role="viewer").api_key
    page = shop.visitor.sign_in(key).open("#/people")
    root = page.locator("html")
    expect(root).to_have_attribute("data-blur", "on")
    expect(page.get_by_text("Faces and names are blurred")).to_be_visible()
    page.keyboard.press("b")
    expect(root).to_have_attribute("data-blur", "off")
    page.reload()
    expect(page.get_by_role("gridcell").first).to_be_visible()
    expect(root).to_have_attribute("data-blur", "off")
