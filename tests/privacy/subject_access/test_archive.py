"""The archive of all that is held about a person: complete, and about nobody else."""

import base64
import io
import json
import re
import zipfile
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from markupsafe import escape
from regulars_dialects.users import Users

from chalicelib.book.enrolment.fields import FaceChanges
from chalicelib.book.idempotency import RequestId
from chalicelib.domain import audit_events
from chalicelib.domain.audit_events import AuditEvent, Kind
from chalicelib.domain.captures import sighting_id
from chalicelib.domain.consent import Basis, Consent
from chalicelib.domain.errors import InvalidInput
from chalicelib.domain.events import EventKind
from chalicelib.domain.model import DEFAULT_GROUPS, Decision, Face
from chalicelib.domain.observations import ObservationKind
from chalicelib.domain.pictures import Gender
from chalicelib.privacy.audit_entries import entry_put, new_entry
from chalicelib.privacy.data_map import AS_STORED, DATA_MAP
from chalicelib.privacy.notices import ESTIMATED
from chalicelib.privacy.texts import LANGUAGES, Language, direction_of, words_of
from chalicelib.storage import keys
from chalicelib.storage.items import walk_items, write
from chalicelib.storage.ports import Item, Table
from testing.reported import replays
from tests.support.book.book import MONDAY, Book, Shot, ViewedShot, shot
from tests.support.consistency.consistency import list_disagreements
from tests.support.fakes import HIDDEN, Person, picture

ANN, BEN = 1, 2
EMOTIONS = ("happy", "sad", "angry", "fear", "surprise", "disgust", "neutral", "contempt")


def enrolled(book: Book, seed: int, name: str, faceid: str | None = None) -> Face:
    return book.enrol(Person(seed), name=name, faceid=faceid)


def opened(book: Book, faceid: str, language: Any = "en") -> zipfile.ZipFile:
    file = io.BytesIO()
    assert book.services.archives.write(book.tenant, faceid, file, language) is None
    return zipfile.ZipFile(file)


def document(archive: zipfile.ZipFile) -> Any:
    return json.loads(archive.read("everything.json"))


def everywhere(book: Book) -> Iterator[tuple[Table, Item]]:
    """All that is stored, whoever it is about."""
    for table in keys.TABLES:
        for partition in partitions(book, table):
            yield from ((table, item) for item in walk_items(book.storage.items, table, partition))


def partitions(book: Book, table: Table) -> set[str]:
    if table is keys.OBSERVATIONS:
        today = int(book.clock.now().timestamp()) // 86_400
        return {keys.observations("shop", day) for day in range(today - 60, today + 2)}
    return {keys.captures("shop", "door")} if table is keys.CAPTURES else {"shop"}


_ZIP64 = 45
"""Version from which on a zip has sizes of 8 bytes, which older programs do not read."""


@replays(
    133, "gildas-lormeau/zip.js 274", "srikanth-lingala/zip4j 86", "PowerShell/PowerShell 2140"
)
def test_an_archive_is_opened_by_what_a_mac_and_windows_bring(book: Book) -> None:
    """No sizes behind the data, no other sign between folders than a slash, and names in UTF-8."""
    archive = opened(book, book.enrol(Person(1), name="Ann Müßig").faceid)
    assert archive.testzip() is None
    for one in archive.infolist():
        assert not one.flag_bits & 0x08, "sizes stand before the data"
        assert one.filename.isascii() or one.flag_bits & 0x800
        assert "\\" not in one.filename
        assert one.compress_type in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
        assert one.extract_version < _ZIP64


def test_the_archive_says_of_which_shop_it_is_and_which_others_to_ask(book: Book) -> None:
    ann = enrolled(book, ANN, "Ann Lee")
    book.services.tenants.change_settings("shop", {"display_name": "Lee, High Street"})
    file = io.BytesIO()
    book.services.archives.write(book.tenant, ann.faceid, file, "en", shops=["Lee, <Station>"])
    archive = zipfile.ZipFile(file)
    page = archive.read("index.html").decode()
    assert "held by Lee, High Street" in page
    assert "may know you: Lee, &lt;Station&gt;" in page
    assert "If we have other shops" in opened(book, ann.faceid).read("index.html").decode()
    said = document(archive)
    assert (said["shop"], said["other_shops"]) == ("Lee, High Street", ["Lee, <Station>"])


def test_the_archive_names_every_item_that_names_the_face(book: Book) -> None:
    ann, ben = enrolled(book, ANN, "Ann Lee"), enrolled(book, BEN, "Ben")
    book.services.faces.holds.set(book.tenant, ann.faceid, "case 7")
    book.services.consents.set(
        book.tenant, ann.faceid, Consent(Basis.CONSENT, MONDAY, "form 7, drawer 3")
    )
    book.services.webhooks.hooks.add("shop", None, kinds=(EventKind.FACE_ARRIVED,))
    book.see(shot(0, ANN), shot(60, ANN, BEN), shot(120, BEN), shot(180, 3))
    regular = book.services.groups.get(book.tenant, "regular")
    Users(book.services).create(book.tenant, regular, "a-1")
    Users(book.services).associate_faces(book.tenant, regular, "a-1", [ann.faceid, ben.faceid], 0.0)
    held = document(opened(book, ann.faceid))["held"]
    assert [item["id"] for item in held["face_sets"]] == ["a-1"]

    naming = [table.name for table, item in everywhere(book) if ann.faceid in repr(item)]
    assert {
        "faces",
        "names",
        "directory",
        "arrivals",
        "observations",
        "captures",
        "journal",
        "outbox",
    } <= set(naming)
    directory = {"directory": len(held["holds"]) + len(held["face_sets"])}
    tables = {
        name: len(items)
        for name, items in held.items()
        if items and name not in ("holds", "face_sets")
    }
    assert Counter(naming) == {**tables, **directory}
    page = opened(book, ann.faceid).read("index.html").decode()
    assert "form 7, drawer 3" in page
    assert "case 7" in page
    assert ben.faceid not in json.dumps(held)
    assert set(held) == {place.name for place in DATA_MAP if place.archive == AS_STORED}


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", ["right to access", "complaint", "Software turns each face into numbers"]),
        ("zh", ["限制使用", "投诉", "一组数字"]),
    ],
)
def test_its_page_begins_with_who_holds_it_what_for_how_it_is_matched_and_the_persons_rights(
    book: Book, language: Any, words: list[str]
) -> None:
    own = {
        "controller": "Ann Lee Ltd, 1 High Street",
        "contact": "privacy@shop.example",
        "purposes": "To <greet> you.",
    }
    book.services.tenants.change_settings("shop", own)
    archive = opened(book, enrolled(book, ANN, "Ann").faceid, language)
    begin, _, _ = archive.read("index.html").decode().partition("<h2>")
    for text in (*own.values(), *words):
        assert escape(text) in begin
    lines = [line for lines in document(archive)["notice"].values() for line in lines]
    assert {own["controller"], own["purposes"]} <= {*lines}


def test_it_names_whom_hooks_and_programs_of_mailboxes_tell(book: Book) -> None:
    hooks = book.services.webhooks.hooks
    hooks.add("shop", "http://127.0.0.1:1999/told")
    hooks.add("shop", None, name="home", passes_to="broker.lan, frigate.lan")
    hooks.add("shop", None, name="till")
    archive = opened(book, enrolled(book, ANN, "Ann").faceid)
    told = [(one["host"], one["name"], one["passes_to"]) for one in document(archive)["told"]]
    assert told == [
        ("127.0.0.1", None, ""),
        (None, "home", "broker.lan, frigate.lan"),
        (None, "till", ""),
    ]
    assert "<p>127.0.0.1, broker.lan, frigate.lan, a program" in archive.read("index.html").decode()


def test_somebody_who_was_enrolled_came_by_that_though_a_capture_of_before_was_uploaded_later(
    book: Book,
) -> None:
    book.clock.advance(timedelta(hours=2))
    ann = enrolled(book, ANN, "Ann")
    book.see(shot(0, ANN), shot(60, BEN))
    [ben] = [face for face in book.faces() if face.faceid != ann.faceid]
    came = "<td dir=auto>how it came there</td><td dir=auto>"
    assert (
        f"{came}somebody enrolled a picture" in opened(book, ann.faceid).read("index.html").decode()
    )
    assert f"{came}a camera saw the person" in opened(book, ben.faceid).read("index.html").decode()


def test_who_is_enrolled_with_the_id_of_somebody_deleted_gets_what_is_the_own_and_nothing_of_the_other(  # noqa: E501
    book: Book,
) -> None:
    """Either was a stranger before, and cameras that were offline send what they saw of them before
    they enrolled."""
    tenant, services = book.tenant, book.services
    services.webhooks.hooks.add("shop", None)

    def lived(name: str, known: int, before: int) -> set[str]:
        captures = book.see(shot(before, before))
        enrolled(book, known, name, "seven")
        services.merges.merging.merge(tenant, "seven", captures[0].sightings[0].faceid or "")
        captures += book.see(
            shot(before + 1, known),
            Shot(book.clock.now(), (Person(known, side_px=80.0), Person(9))),
        )
        [other] = [face for face in book.faces() if face.faceid != "seven"]
        seven = services.faces.get(tenant, "seven")
        services.merges.duplicates.suggest_pair(tenant, seven, other, Decision(0.4, 0.5, 9, 0.01))
        with services.audit.reads.enter_act(
            AuditEvent("GET /v1/faces", f"key {name}", Kind.NOTHING, tenant="shop")
        ):
            audit_events.report_people(["seven"])
        return {one.id for one in captures}

    anns = lived("Ann", ANN, 20)
    services.deletion.delete_faces(tenant, ["seven"], RequestId("v1#first#1", "d"), by="first")
    services.erasure.steps.continue_all(tenant)
    book.clock.advance(timedelta(hours=1))
    bens = lived("Ben", BEN, 40)

    archive = opened(book, "seven")
    held = document(archive)["held"]
    assert sorted(one["kind"] for one in held["observations"]) == [
        "enrolment",
        "sighting",
        "sighting",
        "sighting",
    ]
    assert {one["capture"] for one in held["captures"]} == bens
    assert not [name for name in archive.namelist() for id_ in anns if id_ in name]
    assert [one["by"] for one in held["audit"] if one["what"] == "people read"] == ["key Ben"]
    assert len(held["duplicates"]) == 1
    assert held["requests"] == []
    assert {one["at"] >= held["faces"][0]["enrolled_at"] for one in held["journal"]} == {True}
    assert not list_disagreements(services, "shop")


def test_acts_on_the_person_are_in_it_without_the_others_whom_they_were_about(book: Book) -> None:
    ann, ben = enrolled(book, ANN, "Ann"), enrolled(book, BEN, "Ben")
    with book.services.audit.reads.enter_act(
        AuditEvent("GET /v1/faces", "key first", Kind.NOTHING, tenant="shop")
    ):
        audit_events.report_people([ann.faceid, ben.faceid])
        audit_events.report_picture(ben.faceid)
    [entry] = document(opened(book, ann.faceid))["held"]["audit"]
    own = {"estimates names visits": [ann.faceid]}
    assert (entry["what"], entry["by"], entry["read"]) == ("people read", "key first", own)
    book.clock.advance(timedelta(hours=2))
    book.services.audit.chain.close_hours("shop")
    [closed] = document(opened(book, ann.faceid))["held"]["audit"]
    assert [closed[name] for name in ("what", "by", "at", "read")] == [
        entry[name] for name in ("what", "by", "at", "read")
    ]


def test_an_entry_about_several_people_has_nothing_of_the_others(book: Book) -> None:
    ann, ben = book.enrol(Person(1), faceid="ann"), book.enrol(Person(2), faceid="ben")
    about = {
        "faces": ["ann", "ben"],
        "deleted": ["ben"],
        "does": {"holds": ["ann", "ben"], "joins": ["ben"]},
    }
    entry = new_entry(book.clock, "POST /v1/face-changes", "key first", **about)
    write(book.storage.items, [entry_put("shop", entry)])
    [held] = document(opened(book, ann.faceid))["held"]["audit"]
    assert (held["faces"], held["does"]) == (["ann"], {"holds": ["ann"]})
    assert "ben" not in json.dumps(held)
    assert ben.faceid == "ben"


def test_it_has_the_templates_and_the_pictures_as_they_are(book: Book) -> None:
    ann = enrolled(book, ANN, "Ann")
    archive = opened(book, ann.faceid)
    [item] = document(archive)["held"]["faces"]
    [template] = item["templates"]
    assert template["model"] == "fake"
    assert base64.b64decode(template["vector"]) == ann.portrait.templates[0].vector
    assert archive.read("pictures/0.jpg") == picture(Person(ANN))
    assert archive.read("pictures/0.160.jpg") == b"small " + picture(Person(ANN))


def test_others_are_hidden_in_captures_and_one_of_the_person_alone_is_given_as_it_came(
    book: Book,
) -> None:
    ann = enrolled(book, ANN, "Ann")
    alone, both = book.see(shot(0, ANN), shot(60, ANN, BEN))
    book.services.captures.pictures.get_crop_url(book.tenant, "door", alone.id, 0)
    book.services.captures.pictures.get_crop_url(book.tenant, "door", both.id, 0)
    archive = opened(book, ann.faceid)
    assert archive.read(f"captures/door/{alone.id}.jpg") == shot(0, ANN).picture
    shown = [Person(**one) for one in json.loads(archive.read(f"captures/door/{both.id}.jpg"))]
    assert [one.seed for one in shown] == [ANN, HIDDEN.seed]
    assert f"crops/door/{sighting_id(alone.id, 0)}.jpg" in archive.namelist()
    assert f"crops/door/{sighting_id(both.id, 0)}.jpg" not in archive.namelist(), (
        "the other may be on its edge"
    )
    [one] = [item for item in document(archive)["held"]["captures"] if item["capture"] == both.id]
    assert [sighting["faceid"] for sighting in one["sightings"]] == [ann.faceid]


def test_the_views_in_a_captures_file_are_shown_unless_others_are_hidden_in_it(
    book: Book,
) -> None:
    ann = enrolled(book, ANN, "Ann")
    views = (picture(Person(ANN, 90.0)), picture(Person(ANN, 80.0)))
    alone, both = book.see(
        ViewedShot(MONDAY, (Person(ANN),), views=views),
        ViewedShot(MONDAY + timedelta(hours=1), (Person(ANN), Person(BEN, 50.0)), views=views),
    )
    archive = opened(book, ann.faceid)
    for number, view in enumerate(views, 1):
        assert archive.read(f"captures/door/{alone.id}.view{number}.jpg") == view
    assert [name for name in archive.namelist() if f"{both.id}.view" in name] == []
    assert views[0] not in archive.read(f"captures/door/{both.id}.jpg")


def test_no_view_of_somebody_else_is_given(book: Book) -> None:
    """Nor one that shows two people, nor any behind the picture that is in the archive."""
    ann, ben = enrolled(book, ANN, "Ann"), enrolled(book, BEN, "Ben")
    own, with_others = picture(Person(ANN, 70.0)), picture(Person(ANN, 90.0), Person(BEN, 20.0))
    views = (picture(Person(BEN, 90.0)), with_others, b"no picture", picture(), own)
    (capture,) = book.see(ViewedShot(MONDAY, (Person(ANN),), views=views))
    archive = opened(book, ann.faceid)
    of_capture = {name: archive.read(name) for name in archive.namelist() if capture.id in name}
    assert of_capture == {
        f"captures/door/{capture.id}.jpg": picture(Person(ANN)),
        f"captures/door/{capture.id}.view5.jpg": own,
    }
    assert not [name for name in opened(book, ben.faceid).namelist() if capture.id in name]


def test_a_view_that_nobody_can_look_at_is_not_given_with_its_picture(book: Book) -> None:
    ann = enrolled(book, ANN, "Ann")
    (capture,) = book.see(ViewedShot(MONDAY, (Person(ANN),), views=(b"no picture",)))
    given = opened(book, ann.faceid).read(f"captures/door/{capture.id}.jpg")
    assert given == picture(Person(ANN))


def test_a_large_archive_comes_in_parts_that_together_are_the_whole(book: Book) -> None:
    ann = enrolled(book, ANN, "Ann")
    book.see(*(shot(60 * n, ANN) for n in range(5)))
    whole = set(opened(book, ann.faceid).namelist())
    archives = book.services.archives
    archives.part_bytes = 0
    found: list[str] = []
    part, parts = None, 0
    while parts == 0 or part is not None:
        made = archives.store_part(book.tenant, ann.faceid, "en", part)
        [key] = {
            blob.key for blob in book.storage.blobs.walk("shop/faces/") if blob.key.endswith(".zip")
        }
        data = book.storage.blobs.get(key)
        assert made.size == len(data)
        found += zipfile.ZipFile(io.BytesIO(data)).namelist()
        book.storage.blobs.delete(key)
        part, parts = made.next_part, parts + 1
    assert parts == 6, "one a capture, and a last one that has found no more"
    assert sorted(found) == sorted(whole)
    with pytest.raises(InvalidInput):
        book.services.archives.store_part(book.tenant, ann.faceid, "en", "forged")


def test_it_waits_at_a_url_and_is_deleted_within_hours(book: Book) -> None:
    ann = enrolled(book, ANN, "Ann")
    made = book.services.archives.store_part(book.tenant, ann.faceid, "en")
    [blob] = [one for one in book.storage.blobs.walk("shop/faces/") if one.key.endswith(".zip")]
    assert blob.key in made.url
    book.clock.advance(blob.stored_at - book.clock.now() + timedelta(hours=7))
    book.services.deletion.orphans.delete("shop", book.clock.now().replace(hour=3))
    assert not [one for one in book.storage.blobs.walk("shop/faces/") if one.key.endswith(".zip")]
    assert book.storage.blobs.get(ann.picture_key) is not None


def test_faces_that_were_merged_into_it_are_the_person_too(book: Book) -> None:
    ann = enrolled(book, ANN, "Ann")
    other = enrolled(book, BEN, "Anna")
    book.services.merges.merging.merge(book.tenant, ann.faceid, other.faceid)
    archive = opened(book, ann.faceid)
    [merge] = document(archive)["held"]["merges"]
    assert merge["kept"]["face"]["name"] == "Anna"
    assert archive.read(f"merged/{other.faceid}/0.jpg") == picture(Person(BEN))


def test_what_was_done_with_a_face_before_it_was_merged_into_the_persons_is_in_the_archive(
    book: Book,
) -> None:
    ann, ben = enrolled(book, ANN, "Ann"), enrolled(book, BEN, "Ben")
    with audit_events.begin_audit_event(
        AuditEvent("POST /v1/faces", "key first", Kind.CHANGE, tenant="shop")
    ):
        book.enrol(Person(7), request=RequestId("v1#first#1", "d"), faceid="anna")
    with audit_events.begin_audit_event(
        AuditEvent("POST /v1/merges", "key first", Kind.CHANGE, tenant="shop")
    ):
        book.services.merges.merging.merge(book.tenant, ann.faceid, "anna")
    held = document(opened(book, ann.faceid))["held"]
    assert {one["what"] for one in held["audit"]} == {"POST /v1/faces", "POST /v1/merges"}
    assert [one["request"] for one in held["requests"]] == ["v1#first#1"]
    assert document(opened(book, ben.faceid))["held"]["audit"] == []

    book.clock.advance(timedelta(days=40))
    book.services.merges.mover.work_off_merges(book.tenant)
    assert [*book.services.merges.records.list_all("shop", ann.faceid)] == []
    enrolled(book, BEN, "Otto", faceid="anna")
    with audit_events.begin_audit_event(
        AuditEvent("PUT /v1/faces/{id}", "key first", Kind.CHANGE, tenant="shop")
    ):
        book.services.enrolment.update.change_face(book.tenant, "anna", FaceChanges(name="Otto B."))
    held = document(opened(book, ann.faceid))["held"]
    assert {one["what"] for one in held["audit"]} == {"POST /v1/faces", "POST /v1/merges"}, (
        "none of Otto's"
    )


def test_an_archive_with_a_picture_of_somebody_else_goes_when_that_is_rejected(book: Book) -> None:
    ann = enrolled(book, ANN, "Ann")
    [capture] = book.see(Shot(MONDAY, (Person(ANN, side_px=90.0),)))
    book.services.archives.store_part(book.tenant, ann.faceid, "en")
    book.services.sightings.rejection.reject(book.tenant, ann.faceid, sighting_id(capture.id, 0))
    assert not [one for one in book.storage.blobs.walk("shop/faces/") if one.key.endswith(".zip")]


def test_an_archive_with_somebody_in_it_who_is_another_after_all_goes_when_the_merge_is_undone(
    book: Book,
) -> None:
    ann, other = enrolled(book, ANN, "Ann"), enrolled(book, BEN, "Anna")
    merge = book.services.merges.merging.merge(book.tenant, ann.faceid, other.faceid)
    book.services.archives.store_part(book.tenant, ann.faceid, "en")
    book.services.merges.merging.undo(book.tenant, merge.id)
    assert not [one for one in book.storage.blobs.walk("shop/faces/") if one.key.endswith(".zip")]
    assert book.storage.blobs.get(ann.picture_key) is not None


def test_a_rejected_picture_is_given_to_the_person_whom_it_shows_and_to_the_other_without_its_template(  # noqa: E501
    book: Book,
) -> None:
    ann = enrolled(book, ANN, "Ann")
    [capture] = book.see(Shot(MONDAY, (Person(ANN, side_px=90.0),)))
    seen = sighting_id(capture.id, 0)
    book.services.sightings.rejection.reject(book.tenant, ann.faceid, seen)
    [stranger] = [face for face in book.faces() if face.faceid != ann.faceid]
    [of_ann] = document(opened(book, ann.faceid))["held"]["negatives"]
    [of_stranger] = document(opened(book, stranger.faceid))["held"]["negatives"]
    assert "templates" not in of_ann
    assert of_stranger["templates"]
    assert ann.faceid not in json.dumps(of_stranger)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_says_it_in_words_and_runs_no_code_of_a_name(
    book: Book, language: Language
) -> None:
    ann = enrolled(book, ANN, "<script>alert(1)</script>")
    book.services.enrolment.update.change_face(
        book.tenant, ann.faceid, FaceChanges(note='"><img src=x onerror=alert(2)>')
    )
    [capture] = book.see(shot(0, ANN))
    text = opened(book, ann.faceid, language).read("index.html").decode()
    assert text.startswith(
        f'<!doctype html>\n<html lang="{language}" dir="{direction_of(language)}">'
    )
    words = words_of("archive", language)
    of_places = words_of("places", language)
    places = [of_places.get(one.name, one.holds) for one in DATA_MAP if one.is_ours]
    for said in (
        *(words[key] for key in ("title", "machine", "template", "others", "until")),
        *places,
    ):
        assert escape(said) in text
    assert "<script" not in text
    assert "<img src=x" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert f'src="captures/door/{capture.id}.jpg"' in text
    assert f"{MONDAY:%Y-%m-%d %H:%M:%S}" in text
    assert "http" not in text, "it needs nothing but the files beside it"


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_shows_no_value_as_the_service_stores_it(book: Book, language: Language) -> None:
    """Each value of each enumeration of a person's data has words, and the page shows these."""
    pages = []
    for seed, ground in enumerate(Basis):
        face = enrolled(book, seed, "Ann")
        changes = FaceChanges(gender=[Gender.MALE, Gender.FEMALE][seed % 2])
        book.services.enrolment.update.change_face(book.tenant, face.faceid, changes)
        consent = Consent(ground, MONDAY, "form 7", MONDAY + timedelta(days=900))
        book.services.consents.set(book.tenant, face.faceid, consent)
        pages.append(opened(book, face.faceid, language).read("index.html").decode())
    cells = {cell for page in pages for cell in re.findall("<td[^>]*>([^<]*)", page)}
    values = words_of("values", language)
    tokens = {*EMOTIONS, *Gender, *Basis, *DEFAULT_GROUPS, *ESTIMATED, "liveness", "quality"}
    assert tokens <= {*values}
    words = {*values.values(), *words_of("archive", language).values()}
    raw = {
        token
        for token in (*tokens, *ObservationKind, *(place.name for place in DATA_MAP))
        for cell in cells
        if token in (cell, cell.partition(", ")[0]) and token not in words
    }
    assert raw == set()
    shown = {*cells, *(cell.partition(", ")[0] for cell in cells)}
    shown_tokens = {"happy", "male", "female", "regular", *Basis, *ESTIMATED}
    assert {values[token] for token in shown_tokens} <= shown


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_says_estimates_and_its_time_as_people_do(book: Book, language: Language) -> None:
    book.services.tenants.change_settings("shop", {"time_zone": "America/New_York"})
    ann = enrolled(book, ANN, "Ann")
    page = opened(book, ann.faceid, language).read("index.html").decode()
    local = book.clock.now().astimezone(ZoneInfo("America/New_York"))
    assert f"{local:%Y-%m-%d %H:%M:%S}" in page.partition("<h2>")[0]
    assert not re.search(r"\dT\d\d:\d\d", page), "no time is as programs write it"
    rows = re.findall("<tr><td[^>]*>([^<]*)</td><td[^>]*>([^<]*)</td></tr>", page)
    words, said = words_of("archive", language), dict(rows)
    named = {
        name: said[text] for name, text in words_of("values", language).items() if text in said
    }
    estimates = ann.estimates
    assert estimates.age is not None
    assert named["age"] == words["about"].format(round(estimates.age))
    assert named["gender"] == words[f"a {estimates.gender}"]
    for name in {"beauty", "liveness", "quality"} & {*named}:
        assert re.fullmatch(words["of_100"].format("[0-9]{1,3}"), named[name]), name


def test_a_capture_whose_picture_is_gone_is_only_a_record(book: Book) -> None:
    ann = enrolled(book, ANN, "Ann")
    [capture] = book.see(shot(0, ANN))
    book.storage.uploads.delete(keys.capture_picture("shop", "door", capture.id))
    archive = opened(book, ann.faceid)
    assert not [name for name in archive.namelist() if name.startswith("captures/")]
    assert len(document(archive)["held"]["captures"]) == 1
