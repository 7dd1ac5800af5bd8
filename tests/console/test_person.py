import json
import re
import zipfile
from datetime import date, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Locator, Page, expect
from regulars_dialects.users import Users

from chalicelib.privacy.erasure_progress import SETTLED
from regulars import cli
from tests.console.conftest import PHONE, becomes, leave, reload, shoot
from tests.console.looks import assert_accessible, looked_at
from tests.console.shop import Shop, box, shop
from tests.support.book.book_with import book_with
from tests.support.book.several_faces import several_faces
from tests.support.fakes import FakeClock, Person, picture

__all__ = ["box", "shop"]
SELDOM = "What is seldom done"
ANN, DMITRI, SOMEBODY_ELSE = 0, 5, 77
"""By these numbers the fake eyes know people: the first two are in the book."""


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
        looked_at(page, "person-clash")
        dialog.get_by_role("button", name="Leave it as it is").click()
        expect(name).to_have_value("Dima")
        client.change_face(face, note="Tall")
        name.fill("Dmitri V")
        page.keyboard.press("Enter")
        dialog.get_by_role("button", name="Save mine").click()
        expect(name).to_have_value("Dmitri V")
        changed = client.get_face(face)
        assert (changed.name, changed.note) == ("Dmitri V", "Tall")
    shop.visitor.forgive("409")


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


def test_a_gender_that_is_not_known_is_set_and_taken_back(shop: Shop) -> None:
    shop.box.services.tenants.change_settings(shop.name, {"attributes_off": {"gender"}})
    page = shop.person("Dmitri")
    gender = page.get_by_label("Gender")
    expect(gender.locator("option:checked")).to_have_text("–")
    gender.select_option("male")
    becomes(page, lambda: shop.face("Dmitri").gender == "male")
    page.get_by_role("button", name="Undo").click()
    becomes(page, lambda: shop.face("Dmitri").gender == "unknown")
    assert shop.box.services.faces.get(shop.tenant, shop.face("Dmitri").id).gender is None, (
        "it is not set"
    )


def test_viewers_begin_with_blurred_faces_and_the_browser_keeps_what_they_choose(
    shop: Shop,
) -> None:
    with shop.box.client() as client:
        key = client.add_key(name="Screen at the desk", role="viewer").api_key
    page = shop.visitor.sign_in(key).open("#/people")
    root = page.locator("html")
    expect(root).to_have_attribute("data-blur", "on")
    expect(page.get_by_text("Faces and names are hidden")).to_be_visible()
    page.keyboard.press("b")
    expect(root).to_have_attribute("data-blur", "off")
    reload(page)
    expect(page.get_by_role("gridcell").first).to_be_visible()
    expect(root).to_have_attribute("data-blur", "off")


def test_a_note_that_is_typed_without_a_network_is_saved_when_there_is_one(shop: Shop) -> None:
    page = shop.person("Dmitri")
    note = page.get_by_label("Note", exact=True)
    expect(note).to_be_visible()
    shop.visitor.context.set_offline(True)
    note.fill("likes tea")
    page.get_by_role("heading", name="Visits").click()
    page.wait_for_timeout(500)
    shop.visitor.context.set_offline(False)
    expect(page.get_by_text("Saved")).to_be_visible()
    assert shop.face("Dmitri").note == "likes tea"
    shop.visitor.forgive("ERR_INTERNET_DISCONNECTED")


def test_what_a_group_notes_is_changed_in_place_and_taken_back(shop: Shop) -> None:
    with shop.box.client() as client:
        client.add_group(name="Suppliers", capacity=10, attributes=["firm", "plate"])
        client.change_face(shop.face("Dmitri").id, group="Suppliers", attributes={"plate": "B 1"})
        page = shop.person("Dmitri")
        firm = page.get_by_label("firm")
        firm.fill("Volkov & Sons")
        page.keyboard.press("Enter")
        expect(page.get_by_text("Saved")).to_be_visible()
        assert shop.face("Dmitri").attributes == {"firm": "Volkov & Sons", "plate": "B 1"}
        shoot(page, "person-attributes")
        page.get_by_role("button", name="Undo").click()
        expect(firm).to_have_value("")
        assert_accessible(page)
        becomes(page, lambda: shop.face("Dmitri").attributes == {"plate": "B 1"})


def test_a_sighting_becomes_a_photo_and_a_photo_of_somebody_else_only_if_it_is_vouched_for(
    shop: Shop,
) -> None:
    shop.box.services.tenants.change_settings(
        shop.name, {"learns": False}
    )  # else the service takes the photo by itself
    shop.see(Person(DMITRI, side_px=300, likeness=0.8))
    page = shop.person("Dmitri")
    photos = page.get_by_role("img", name="Photo, added")
    expect(photos).to_have_count(1)
    expect(
        page.get_by_role("table", name=re.compile(r"^Visits of the last \d+ weeks"))
    ).to_be_visible()
    page.get_by_role("button", name=re.compile("^As the camera saw")).click()
    viewer = page.get_by_role("dialog", name=re.compile("Front door"))
    viewer.get_by_role("button", name="Use as a photo").click()
    viewer.get_by_role("button", name="Close").click()
    reload(page)
    expect(photos).to_have_count(2)
    stranger = {
        "name": "she.jpg",
        "mimeType": "image/jpeg",
        "buffer": picture(Person(SOMEBODY_ELSE)),
    }
    page.get_by_label("Add photos").set_input_files(stranger)
    expect(page.get_by_text("does not look like this face")).to_be_visible()
    assert shop.face("Dmitri").pictures == 2
    looked_at(page, "person-somebody-else")
    page.get_by_role("button", name="Add it anyway").click()
    expect(photos).to_have_count(3)
    page.get_by_label("Add photos").set_input_files({**stranger, "buffer": picture(Person(ANN))})
    expect(page.get_by_text("looks more like face")).to_be_visible()
    page.get_by_role("button", name="Close").click()
    expect(page.get_by_text("looks more like face")).to_have_count(0)
    assert shop.face("Dmitri").pictures == 3
    shop.visitor.forgive("422")


def test_a_sighting_is_given_to_the_right_person_beside_the_others(shop: Shop) -> None:
    shop.see(Person(DMITRI, side_px=300, likeness=0.8))
    page = shop.person("Dmitri")
    page.get_by_role("button", name="Wrong?").click()
    page.get_by_role("combobox", name="Who is it?").fill("Ann L")
    page.get_by_role("option", name="Ann Lee").click()
    expect(page.get_by_text("Now: Ann Lee").first).to_be_visible()
    assert_accessible(page)
    leave(page)
    becomes(
        page,
        lambda: (shop.face("Dmitri").arrive_count, shop.face("Ann Lee").arrive_count) == (0, 1),
    )


def test_a_day_of_somebodys_calendar_and_a_visits_date_lead_to_the_visits_of_that_day(
    shop: Shop,
) -> None:
    shop.see(Person(DMITRI, side_px=300, likeness=0.8))
    day = shop.box.services.clock.now().astimezone(ZoneInfo(shop.tenant.time_zone)).date()
    for lead in (
        lambda page: page.get_by_role("table").get_by_role("link"),
        lambda page: page.locator(".came-when a"),
    ):
        page = shop.person("Dmitri")
        lead(page).click()
        expect(page).to_have_url(re.compile(f"#/visits.*day={day}"))
        expect(page.locator(".visit").get_by_role("link", name="Dmitri")).to_be_visible()


def test_days_next_to_each_other_are_large_enough_to_touch_and_say_their_own_date_far_in_the_east(
    shop: Shop,
) -> None:
    with shop.box.client() as client:
        client.change_settings(time_zone="Pacific/Kiritimati")
    for days in range(8):
        shop.see(Person(DMITRI, side_px=300, likeness=0.8), minutes_ago=1 + days * 24 * 60)
    page = shop.person("Dmitri")
    links = page.get_by_role("table").get_by_role("link")
    expect(links).to_have_count(8)
    assert_accessible(page)
    for link in links.all():
        day = date.fromisoformat((link.get_attribute("href") or "").split("day=")[1])
        assert (link.get_attribute("title") or "").startswith(f"{day.day} {day:%b %Y}: ")


@pytest.mark.parametrize("width", [PHONE["width"], 900])
def test_on_a_narrow_screen_the_facts_stand_above_the_visits_and_the_photos_below(
    shop: Shop, width: int
) -> None:
    page = shop.person("Dmitri")
    page.set_viewport_size({**PHONE, "width": width})
    in_order = [
        page.get_by_text("Last seen"),
        *(page.get_by_role("heading", name=name) for name in ("Visits", "Photos")),
    ]
    boxes = [one.bounding_box() or {} for one in in_order]
    assert boxes == sorted(boxes, key=lambda box: box["y"])
    assert boxes[1]["x"] == boxes[2]["x"]


def test_somebody_without_a_name_is_erased_by_typing_a_word(shop: Shop) -> None:
    shop.see(Person(SOMEBODY_ELSE, side_px=300))
    with shop.box.client() as client:
        [stranger] = client.list_faces(group="stranger")
        page = shop.open(f"#/person/{stranger.id}")
        page.get_by_role("button", name=SELDOM).click()
        page.get_by_role("button", name="Erase this person").click()
        dialog = page.get_by_role("dialog", name="Erase this person")
        expect(dialog.get_by_role("button", name="Erase for good")).to_be_disabled()
        dialog.get_by_label("Type ERASE to go on").fill("ERASE")
        expect(dialog.get_by_role("button", name="Erase for good")).to_be_enabled()
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", name="Erasure")).to_be_visible()
        assert list(client.list_faces(group="stranger")) == []


def test_a_stranger_who_is_named_is_a_regular_and_is_kept(shop: Shop) -> None:
    shop.see(Person(SOMEBODY_ELSE, side_px=300))
    with shop.box.client() as client:
        [stranger] = client.list_faces(group="stranger")
        page = shop.open(f"#/person/{stranger.id}")
        expect(page.get_by_text("Is deleted on")).to_be_visible()
        page.get_by_label("Name", exact=True).fill("Maria")
        page.keyboard.press("Enter")
        expect(page.get_by_text("Is deleted on")).to_have_count(0)
        becomes(page, lambda: client.get_face(stranger.id).group == "regular")
        page.get_by_role("status").get_by_role("button", name="Undo").click()
        becomes(page, lambda: client.get_face(stranger.id).group == "stranger")
        assert client.get_face(stranger.id).name == ""


def test_a_merge_of_the_last_days_is_undone_where_it_is_listed(shop: Shop) -> None:
    with shop.box.client() as client:
        client.merge_faces(shop.face("Ann Lee").id, other=shop.face("Ann Other").id)
        page = shop.person("Ann Lee")
        merges = page.locator("section").filter(
            has=page.get_by_role("heading", name="Merged into this one")
        )
        expect(merges.get_by_text("Ann Other")).to_be_visible()
        looked_at(page, "person-merges", whole=True)
        merges.get_by_role("button", name="Make two again").click()
        expect(page.get_by_text("They are two people again")).to_be_visible()
        expect(merges).to_have_count(0)
        assert [shop.face(name).pictures for name in ("Ann Lee", "Ann Other")] == [1, 1]


def test_who_was_not_recognised_is_found_among_the_strangers_since_then_and_merged_and_unmerged(
    shop: Shop,
) -> None:
    shop.see(Person(SOMEBODY_ELSE), 400)
    shop.see(Person(DMITRI), 300)
    shop.see(Person(DMITRI, side_px=140, likeness=0.4), 200)
    shop.see(Person(SOMEBODY_ELSE + 1), 100)
    page = shop.person("Dmitri")
    page.get_by_role("button", name="came, but not recognised?").click()
    missed = page.get_by_role("dialog", name=re.compile("^Not recognised since"))
    expect(missed.get_by_role("listitem")).to_have_count(1)
    best = missed.get_by_role("listitem").first
    expect(best).to_contain_text("hours ago")
    looked_at(page, "person-missed")
    skipped = missed.get_by_role("link", name=re.compile("skipped since"))
    expect(skipped).to_have_attribute("href", re.compile("skipped"))
    best.get_by_role("button", name="Same person: merge").click()
    page.get_by_role("dialog", name="Are they one person?").get_by_role(
        "button", name="Merge", exact=True
    ).click()
    becomes(page, lambda: shop.face("Dmitri").arrive_count == 2)
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.get_by_role("button", name="Undo").click()
    becomes(page, lambda: shop.face("Dmitri").arrive_count == 1)


def test_all_that_is_held_about_somebody_is_a_file_to_hand_over(shop: Shop, tmp_path: Path) -> None:
    page = shop.open()
    page.get_by_role("gridcell").filter(has_text="Dmitri").click()
    with page.expect_download() as waited:
        page.get_by_role("button", name=SELDOM).click()
        page.get_by_role("button", name="All that is held about this person").click()
    waited.value.save_as(tmp_path / "file.zip")
    with zipfile.ZipFile(tmp_path / "file.zip") as archive:
        assert json.loads(archive.read("everything.json"))["held"]["faces"][0]["name"] == "Dmitri"
    expect(page.get_by_text("The file is on its way")).to_be_visible()


def test_a_legal_hold_is_set_with_a_reason_and_nobody_can_be_deleted_while_it_holds(
    shop: Shop,
) -> None:
    page = shop.open()
    page.get_by_role("gridcell").filter(has_text="Dmitri").click()
    page.get_by_role("button", name=SELDOM).click()
    delete = page.get_by_role("button", name="Delete this person")
    expect(delete).to_be_enabled()
    page.get_by_role("button", name="Set a legal hold").click()
    dialog = page.get_by_role("dialog", name="Set a legal hold")
    dialog.get_by_label("Why").fill("case 7")
    assert_accessible(page)
    dialog.get_by_role("button", name="Set a legal hold").click()
    expect(page.get_by_text("case 7")).to_be_visible()
    expect(delete).to_be_disabled()
    expect(page.get_by_role("button", name="Erase this person")).to_be_disabled()
    expect(
        page.get_by_text("Under legal hold: the person can be neither deleted nor erased")
    ).to_be_visible()
    looked_at(page, "person-held", whole=True)
    with shop.box.client() as client:
        assert [one.reason for one in client.list_holds()] == ["case 7"]
        page.get_by_role("button", name="Lift the legal hold").click()
        dialog = page.get_by_role("dialog", name="Lift the legal hold")
        dialog.get_by_label("Why").fill("it is closed")
        dialog.get_by_role("button", name="Lift the legal hold").click()
        expect(delete).to_be_enabled()
        assert list(client.list_holds()) == []


def go_on_later(shop: Shop) -> None:
    """Do what is left of all erasures, as the service does once two minutes have gone."""
    services = shop.box.services
    later = FakeClock(services.clock.now() + SETTLED + timedelta(seconds=1))
    book_with(services, clock=later).erasure.steps.continue_all(shop.tenant)


def test_somebody_is_erased_once_the_name_is_typed_and_the_receipt_is_a_file(
    shop: Shop, tmp_path: Path
) -> None:
    shop.see(Person(DMITRI, side_px=300, likeness=0.8))
    page = shop.person("Dmitri")
    page.get_by_role("button", name=SELDOM).click()
    expect(page.get_by_role("button", name="Delete this person")).to_be_enabled()
    shoot(page, "person-end", whole=True)
    page.get_by_role("button", name="Erase this person").click()
    dialog = page.get_by_role("dialog", name="Erase this person")
    sure = dialog.get_by_role("button", name="Erase for good")
    for typed in ("", "Dima"):
        dialog.get_by_label("Type Dmitri or the id").fill(typed)
        expect(sure).to_be_disabled()
    looked_at(page, "erase-sure")
    dialog.get_by_label("Type Dmitri or the id").fill(" Dmitri ")
    sure.click()
    expect(page.get_by_text(re.compile(r"Going on: step \d of 6"))).to_be_visible()
    expect(page.get_by_role("heading", name="Erasure")).to_be_focused()
    expect(page.get_by_text("Dmitri")).to_have_count(0)
    looked_at(page, "erase-running")
    with shop.box.client() as client:
        assert list(client.list_faces(name="Dmitri")) == []
    go_on_later(shop)
    expect(
        page.get_by_text("Records of visits without the person: 2. Pictures deleted or blurred: 1.")
    ).to_be_visible()
    shoot(page, "erase-done")
    with page.expect_download() as waited:
        page.get_by_role("button", name="Save the receipt").click()
    waited.value.save_as(tmp_path / "receipt.json")
    # unchanged; whose key, nobody said
    assert cli.main(["receipt", "verify", str(tmp_path / "receipt.json")]) == 2
    page.get_by_role("button", name="Page for the person").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Blank on it: who is responsible")
    dialog.get_by_label("Language of the paper").select_option("es")
    looked_at(page, "erase-page")
    with page.expect_download() as waited:
        dialog.get_by_role("button", name="Save as a page").click()
    paper = waited.value.path().read_text(encoding="utf-8")
    assert '<html lang="es"' in paper
    assert "openssl pkeyutl -verify" in paper
    page.get_by_role("link", name="Privacy").last.click()
    expect(page.get_by_role("button", name="Save the receipt")).to_have_count(1)
    shoot(page, "erase-privacy", whole=True)


@pytest.fixture
def zoes(shop: Shop) -> list[str]:
    """Three faces of one subject, as a book of before may have them."""
    services = shop.box.services
    group = services.groups.get_by_name(shop.tenant, "VIP")
    photos = [[picture(Person(seed))] for seed in (201, 202, 203)]
    return several_faces(services, shop.tenant, group, "Zoe", photos)


@pytest.fixture
def user(shop: Shop) -> list[str]:
    """Two faces of a user of Rekognition: nobody says that a user is one person."""
    services, faces = shop.box.services, [shop.face(name).id for name in ("Dmitri", "王芳")]
    group = services.groups.get_by_name(shop.tenant, "regular")
    Users(services).create(shop.tenant, group, "u-1")
    Users(services).associate_faces(shop.tenant, group, "u-1", faces, 0.0)
    return faces


def seldom(shop: Shop, face: str, name: str) -> tuple[Page, Locator]:
    """Open what is seldom done with a person, and the dialog that such a button opens."""
    page = shop.open(f"#/person/{face}")
    page.get_by_role("button", name=SELDOM).click()
    page.get_by_role("button", name=name).click()
    return page, page.get_by_role("dialog", name=name)


def listed(dialog: Locator, faces: list[str], *, all_: bool) -> Locator:
    """Look that the faces are listed before anything is done. Return the choice."""
    expect(dialog.get_by_role("listitem")).to_have_count(len(faces))
    for one in faces:
        expect(dialog.get_by_text(one, exact=True)).to_be_visible()
    choice = dialog.get_by_role("checkbox", name="All of them")
    expect(choice).to_be_checked(checked=all_)
    return choice


def test_a_hold_of_one_face_offers_all_of_its_subject_and_takes_them_unless_somebody_says_else(
    shop: Shop, zoes: list[str]
) -> None:
    page, dialog = seldom(shop, zoes[1], "Set a legal hold")
    listed(dialog, zoes, all_=True)
    looked_at(page, "hold-whole")
    with shop.box.client() as client:
        assert list(client.list_holds()) == []
        dialog.get_by_label("Why").fill("case 7")
        dialog.get_by_role("button", name="Set a legal hold").click()
        expect(page.get_by_text("case 7")).to_be_visible()
        assert {one.face for one in client.list_holds()} == {*zoes}
        page.get_by_role("button", name="Lift the legal hold").click()
        dialog = page.get_by_role("dialog", name="Lift the legal hold")
        listed(dialog, zoes, all_=True).uncheck()
        dialog.get_by_label("Why").fill("closed")
        dialog.get_by_role("button", name="Lift the legal hold").click()
        expect(page.get_by_role("button", name="Set a legal hold")).to_be_visible()
        assert {one.face for one in client.list_holds()} == {zoes[0], zoes[2]}


def test_a_restriction_takes_all_of_a_subject_and_is_lifted_on_the_page_privacy(
    shop: Shop, zoes: list[str]
) -> None:
    page, dialog = seldom(shop, zoes[0], "Restrict")
    listed(dialog, zoes, all_=True)
    dialog.get_by_label("Why").fill("contested")
    dialog.get_by_role("button", name="Restrict").click()
    section = page.locator("section").filter(
        has=page.get_by_role("heading", name="Restriction", exact=True)
    )
    expect(section.get_by_role("listitem")).to_have_count(3)
    looked_at(page, "restricted", whole=True)
    with shop.box.client() as client:
        assert list(client.list_faces(name="Zoe")) == []
        section.get_by_role("button", name="Lift the restriction").first.click()
        dialog = page.get_by_role("dialog", name="Lift the restriction")
        dialog.get_by_label("Why").fill("corrected")
        dialog.get_by_role("button", name="Lift the restriction").click()
        expect(section.get_by_text("Nobody is restricted")).to_be_visible()
        assert len(list(client.list_faces(name="Zoe"))) == 3


def test_the_archive_of_a_subject_is_a_file_for_each_face(shop: Shop, zoes: list[str]) -> None:
    page, dialog = seldom(shop, zoes[0], "All that is held about this person")
    listed(dialog, zoes, all_=True)
    files: list[str] = []
    page.on("download", lambda one: files.append(one.suggested_filename))
    dialog.get_by_role("button", name="Fetch").click()
    becomes(page, lambda: len(files) == 3)


def test_an_erasure_takes_all_of_a_subject(shop: Shop, zoes: list[str]) -> None:
    page, dialog = seldom(shop, zoes[0], "Erase this person")
    listed(dialog, zoes, all_=True)
    shoot(page, "erase-whole")
    dialog.get_by_label("Type Zoe or the id").fill("Zoe")
    dialog.get_by_role("button", name="Erase for good").click()
    expect(page.get_by_role("heading", name="Erasure")).to_be_visible()
    with shop.box.client() as client:
        assert [one.faces for one in client.list_erasures()] == [3]
        assert list(client.list_faces(name="Zoe")) == []


@pytest.mark.parametrize("all_", [False, True])
def test_of_a_user_the_shown_face_is_erased_and_all_if_that_is_chosen(
    shop: Shop, user: list[str], all_: bool
) -> None:
    page, dialog = seldom(shop, user[0], "Erase this person")
    listed(dialog, user, all_=False).set_checked(all_)
    dialog.get_by_label("Type Dmitri or the id").fill("Dmitri")
    dialog.get_by_role("button", name="Erase for good").click()
    expect(page.get_by_role("heading", name="Erasure")).to_be_visible()
    with shop.box.client() as client:
        assert [one.id for one in client.list_faces(ids=user)] == ([] if all_ else [user[1]])


def test_who_withdraws_consent_is_erased_if_that_is_wanted(shop: Shop) -> None:
    with shop.box.client() as client:
        face = shop.face("王芳").id
        client.set_consent(face, basis="consent", given_at=0)
        page = shop.person("王芳")
        page.get_by_role("button", name="Withdraw").click()
        page.get_by_role("button", name="And erase the person").click()
        dialog = page.get_by_role("dialog", name="Erase this person")
        dialog.get_by_role("button", name="Cancel").click()
        assert [one.face for one in client.list_consents()] == [face], (
            "nothing is done before it is sure"
        )
        page.get_by_role("button", name="Withdraw").click()
        page.get_by_role("button", name="And erase the person").click()
        dialog.get_by_label("the id").fill(face)
        expect(dialog.get_by_role("button", name="Erase for good")).to_be_enabled()
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", name="Erasure")).to_be_visible()
        assert (list(client.list_faces(ids=[face])), list(client.list_consents())) == ([], [])
        assert [one.state for one in client.list_erasures()] == ["running"]


def test_a_deletion_that_would_erase_is_not_offered_beside_erasing(shop: Shop) -> None:
    page = shop.open("#/privacy")
    page.get_by_role("switch", name="Each deletion erases").click()
    becomes(page, lambda: shop.tenant.deletes_erase)
    page = shop.person("Dmitri")
    page.get_by_role("button", name=SELDOM).click()
    expect(page.get_by_role("button", name="Erase this person")).to_be_enabled()
    expect(page.get_by_role("button", name="Delete this person")).to_have_count(0)
