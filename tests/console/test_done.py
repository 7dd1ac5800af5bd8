import csv
import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from chalicelib.domain.captures import SETTINGS_OF_CAMERA
from chalicelib.domain.done import ActKind
from chalicelib.domain.model import PROMOTION_SETTINGS, SETTINGS_OF_GROUP
from chalicelib.domain.tenant_settings import OF_TENANT
from chalicelib.domain.webhooks import SETTINGS_OF_HOOK
from tests.console.conftest import becomes, save_as
from tests.console.looks import assert_accessible, looked_at
from tests.console.shop import Shop, box, shop
from tests.console.spoken import LANGUAGES, OURS, OWN
from tests.support.fakes import Person

__all__ = ["box", "shop"]


def test_a_wrong_name_is_found_an_hour_later_and_taken_back(shop: Shop) -> None:
    dmitri = shop.face("Dmitri")
    with shop.box.client() as client:
        client.change_face(dmitri.id, name="Eva", note="tall")
        client.change_face(dmitri.id, note="small")
    page = shop.open("#/done")
    acts = page.locator(".acts > li")
    wrong = acts.filter(has_text="Name and Note")
    expect(wrong).to_contain_text("Dmitri")
    looked_at(page, "done")
    assert_accessible(page)

    wrong.get_by_role("button", name="Take back").click()
    expect(wrong.get_by_role("status")).to_contain_text("Take back first: Note")
    acts.first.get_by_role("button", name="Take back").click()
    expect(page.get_by_text("Taken back", exact=True)).to_be_visible()
    expect(wrong.get_by_role("status"), "what stood in the way is gone").to_have_count(0)
    expect(acts, "the taking back is listed, too").to_have_count(3)
    expect(acts.nth(1)).to_be_focused()
    wrong.get_by_role("button", name="Take back").click()
    expect(page.get_by_text("Taken back by")).to_have_count(2)

    assert shop.face("Dmitri").note == ""
    page.get_by_label("Former or new name").fill("eva")
    page.keyboard.press("Enter")
    expect(acts).to_have_count(2)
    shop.visitor.forgive("409")


def test_who_only_reads_is_not_offered_it(shop: Shop) -> None:
    with shop.box.client() as client:
        key = client.add_key(name="reader", role="viewer").api_key
    page = shop.visitor.sign_in(key).open("#/people")
    expect(page.get_by_role("link", name="People")).to_be_visible()
    expect(page.get_by_role("link", name="Done")).to_have_count(0)


def test_a_merge_and_a_setting_are_there_in_words(shop: Shop) -> None:
    ann, other = (shop.face(name).id for name in ("Ann Lee", "Ann Other"))
    with shop.box.client() as client:
        client.merge_faces(ann, other=other)
        client.change_settings(time_zone="Asia/Tokyo")
        client.change_camera("door", gap_s=60)
    page = shop.open("#/done")
    acts = page.locator(".acts > li")
    expect(acts).to_have_count(3)
    merged = acts.filter(has_text="Merged: one person now")
    expect(merged.get_by_role("link")).to_have_count(2)
    setting = acts.filter(has_text="Settings: Time zone")
    expect(setting).to_contain_text("Asia/Tokyo")
    looked_at(page, "done-all")
    download = save_as(page, "CSV")
    saved = Path(download.path()).read_text(encoding="utf-8-sig").splitlines()
    with shop.box.client() as client:
        ids = [entry.id for entry in client.list_entries(what="PATCH /v1/settings")]
    assert len(saved) == 4
    assert any(ids[0] in line and "Asia/Tokyo" in line for line in saved), "the audit's own ids"
    setting.get_by_role("button", name="Take back").click()
    dialog = page.get_by_role("dialog", name="Take back")
    expect(dialog).to_contain_text("Days, weeks and hours are counted in it")
    assert shop.tenant.time_zone == "Asia/Tokyo", "it asks first"
    dialog.get_by_role("button", name="Take back").click()
    becomes(page, lambda: shop.tenant.time_zone != "Asia/Tokyo")
    merged.get_by_role("button", name="Take back").click()
    expect(merged).to_contain_text("Taken back by")
    assert shop.face("Ann Other").id == other


def do_one_of_each_kind(shop: Shop) -> None:
    shop.see(Person(0))
    ann, other, dmitri, wang = (
        shop.face(name).id for name in ("Ann Lee", "Ann Other", "Dmitri", "王芳")
    )
    with shop.box.client() as client:
        client.change_face(dmitri, name="Dima", note="tall")
        client.merge_faces(ann, other=other)
        [sighting] = client.list_observations(kind="sighting", face=ann)
        client.reject_sighting(ann, sighting.id)
        client.delete_face(wang)
        client.change_settings(time_zone="Asia/Tokyo")
        client.change_camera("door", gap_s=60)
        group = client.add_group(name="Gold", capacity=5)
        client.change_group(group.id, capacity=6)
        client.delete_group(group.id)
        channel = {"way": "slack", "url": "https://hooks.slack.com/services/T/B/x"}
        hook = client.add_hook(url=None, channel=channel, template="{who}")
        client.change_hook(hook.id, template="{guest}", events=["face.arrived"])
        client.delete_hook(hook.id)
        place = client.add_place(name="Hall", doors=["door"])
        client.delete_place(place.id)
        client.delete_camera("door")


def test_the_file_has_what_the_page_has_of_each_kind_of_act(shop: Shop) -> None:
    do_one_of_each_kind(shop)
    with shop.box.client() as client:
        acts = list(client.list_acts())
        entries = {entry.id for entry in client.list_entries()}
    assert {act.kind for act in acts} == {*ActKind}
    assert {act.id for act in acts} <= entries
    page = shop.open("#/done")
    shown = page.locator(".acts > li")
    expect(shown).to_have_count(len(acts))
    expect(page.locator(".acts").get_by_text("Key first").first).to_be_visible()
    saved = save_as(page, "CSV").path().read_text("utf-8-sig")
    rows = {row["Entry of the audit"]: row for row in csv.DictReader(saved.splitlines())}
    assert [*rows] == [one.get_attribute("data-id") for one in shown.all()]
    for one in shown.all():
        row = rows[str(one.get_attribute("data-id"))]
        assert one.locator(".title").inner_text() == row["What"]
        assert one.locator("small").first.inner_text().startswith(f"{row['Who']} · ")
        said = one.inner_text()
        values = [*row["Before"].split("; "), *row["After"].split("; ")]
        assert [value for value in values if value.partition(": ")[2] not in said] == []
    written = " ".join(shown.all_inner_texts())
    assert "[guest]" in written
    assert "{" not in written
    assert "face.arrived" not in written
    assert "Place Hall" not in written, "the name stands beside"
    assert "Hall" in written


def test_more_acts_stay_and_come_once(shop: Shop) -> None:
    dmitri = shop.face("Dmitri")
    with shop.box.client() as client:
        for number in range(60):
            client.change_face(dmitri.id, note=f"note {number}")
    page = shop.open("#/done")
    acts = page.locator(".acts > li")
    more = page.get_by_role("button", name="More")
    expect(more).to_be_visible()
    count = acts.count()
    more.dblclick()
    expect(acts).to_have_count(60)
    assert count < 60
    acts.first.get_by_role("button", name="Take back").click()
    expect(acts).to_have_count(61)
    expect(acts.nth(1)).to_be_focused()


def test_what_stays_says_why(shop: Shop) -> None:
    with shop.box.client() as client:
        group = client.add_group(name="Gold", capacity=5, attributes=["seat"])
        client.change_group(group.id, attributes=[])
    page = shop.open("#/done")
    act = page.locator(".acts > li")
    expect(act).to_contain_text("Group: What is noted of its people")
    expect(act).to_contain_text("the former values are kept nowhere")
    expect(act.get_by_role("button")).to_have_count(0)


KINDS = {
    "settings": [*OF_TENANT, *PROMOTION_SETTINGS],
    "camera": [
        *(name for name in SETTINGS_OF_CAMERA if name not in ("labels", "group_ids")),
        *("labels.a", "labels.b", "labels.c", "labels.d", "groups"),
    ],
    "hook": [*(name for name in SETTINGS_OF_HOOK if name != "kinds"), "events", "channel"],
    "group": [*SETTINGS_OF_GROUP, "attributes"],
}


@pytest.mark.parametrize("language", LANGUAGES)
def test_whatever_is_set_is_called_by_words(language: str) -> None:
    """Name what is new in PARTS of console/people/done.js, unless it is a `set.` of its name."""
    code = (OURS / "people" / "done.js").read_text(encoding="utf-8")
    words = OWN[language]
    for kind, names in KINDS.items():
        [parts] = re.findall(rf"^  {kind}: {{(.*?) }},$", code, re.S | re.M)
        known = dict(re.findall(r'"?([\w.]+)"?: "([\w.]+)"', parts))
        lacking = [name for name in names if known.get(name, f"set.{name}") not in words]
        assert lacking == [], kind
