"""What is typed into a field that is changed in place is saved, whatever arrives meanwhile."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Page, Route, expect

from tests.console.conftest import becomes
from tests.console.shop import Shop, box, shop

__all__ = ["box", "shop"]
FIELDS = ".line:is(input, textarea), .typed input:not([type=url])"
"""Fields that are changed in place: texts, and numbers of settings."""
ADD_A_LABEL = "Add a label"
GROUP = "Suppliers"

TYPE_AT_ONCE = """
const typed = { text: "at once", textarea: "at once", number: "7" };
globalThis.typedInto = [];
new MutationObserver(() => document.querySelectorAll("FIELDS").forEach((field) => {
  if (globalThis.typedInto.includes(field) || field.disabled) return;
  globalThis.typedInto.push(field);
  field.value = typed[field.type];
  field.dispatchEvent(new Event("input", { bubbles: true }));
})).observe(document, { childList: true, subtree: true });
""".replace("FIELDS", FIELDS)
"""Script of somebody who types into each field in the moment in which it is drawn."""

DRAWN = "() => new Promise((done) => requestAnimationFrame(() => setTimeout(done, 200)))"
LEFT = (
    'typedInto.filter((one) => !["at once", "7"].includes(one.value)).map((one) => one.ariaLabel)'
)


@contextmanager
def a_change_held(page: Page) -> Iterator[None]:
    """Hold the first change of a face on its way to the service until the end of the block."""
    held: list[Route] = []
    page.route("**/v1/faces/*", lambda route: held.append(route), times=1)
    yield
    page.get_by_role("heading", name="Visits").click()
    becomes(page, lambda: held)
    held[0].continue_()


@pytest.mark.parametrize("place", ["#/person/{face}", "#/cameras/door", "#/settings"])
def test_what_is_typed_as_soon_as_a_field_is_drawn_stays(shop: Shop, place: str) -> None:
    shop.visitor.context.add_init_script(TYPE_AT_ONCE)
    page = shop.open(place.format(face=shop.face("Dmitri").id))
    expect(page.locator(FIELDS).first).to_be_visible()
    if "person" in place:
        page.get_by_role("button", name=ADD_A_LABEL).click()
    page.evaluate(DRAWN)
    assert page.evaluate("typedInto.length") >= 3
    assert page.evaluate(LEFT) == []


def test_every_field_of_a_person_is_saved_though_the_answer_to_the_first_is_late(
    shop: Shop,
) -> None:
    with shop.box.client() as client:
        client.add_group(name="Suppliers", capacity=10, attributes=["firm"])
        client.change_face(shop.face("Dmitri").id, group="Suppliers")
    page = shop.person("Dmitri")
    page.get_by_role("button", name=ADD_A_LABEL).click()
    expect(page.get_by_label("firm")).to_be_visible()
    labels = [one.get_attribute("aria-label") or "" for one in page.locator(FIELDS).all()]
    assert len(labels) == 9, "name, notes, age, an attribute and four labels"
    typed = {label: "41" if label == "Age" else f"new {label}" for label in labels}
    with a_change_held(page):
        for label, text in typed.items():
            page.get_by_label(label, exact=True).fill(text)
    expect(page.get_by_text("Saved")).to_have_count(len(labels))
    left = {label: page.get_by_label(label, exact=True).input_value() for label in labels}
    assert left == typed
    face = shop.face("new Name")
    assert (face.note, face.age, face.attributes) == ("new Note", 41, {"firm": "new firm"})
    assert {getattr(face.labels, one) for one in "abcd"} == {f"new Label {one}" for one in "ABCD"}


def test_what_somebody_else_changes_while_one_types_is_asked_about_once_for_all_fields(
    shop: Shop,
) -> None:
    page = shop.person("Dmitri")
    expect(page.get_by_label("Note", exact=True)).to_be_visible()
    with a_change_held(page), shop.box.client() as client:
        page.get_by_label("Note", exact=True).fill("likes tea")
        client.change_face(shop.face("Dmitri").id, note="likes coffee", name="Dima")
        page.get_by_label("Age").fill("41")
    dialog = page.get_by_role("dialog", name="Somebody else has changed this")
    expect(dialog.get_by_role("row")).to_contain_text(["", "likes coffee", "41"])
    dialog.get_by_role("button", name="Save mine").click()
    becomes(page, lambda: shop.face("Dima").age == 41)
    assert shop.face("Dima").note == "likes tea"
    shop.visitor.forgive("409")
