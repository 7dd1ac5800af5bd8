"""One list has every place that may hold something of a person: nothing is stored that it does not
name."""

import ast
import inspect
import re
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import pytest
from msgspec import Struct
from regulars_mqtt.discovery import Topics

import chalicelib
from chalicelib.domain.captures import Capture, Sighting
from chalicelib.domain.done import Done
from chalicelib.domain.model import JournalEntry, Negative
from chalicelib.domain.observations import Review
from chalicelib.domain.rules.templates import FaceSet
from chalicelib.domain.webhooks import Delivery, Hook
from chalicelib.privacy.data_map import (
    AS_STORED,
    DATA_MAP,
    NOBODYS,
    Mark,
    Marked,
    Step,
    Whose,
)
from chalicelib.privacy.erasure_progress import OF_DELETION, OF_ERASURE
from chalicelib.privacy.retention import Kind
from chalicelib.privacy.subject_access import READERS
from chalicelib.privacy.texts import LANGUAGES, Language, words_of
from chalicelib.storage import keys
from chalicelib.storage.records.merges import TAKEN, Duplicate, Merge, MergeBackup
from tests.support.book.book import Book
from tests.support.consistency.consistency import CHECKS
from tests.support.fakes import Person
from tests.support.storage.key_makers import makers

SOURCES = Path(chalicelib.__file__).parent


def test_whatever_makes_a_key_is_in_one_place() -> None:
    named = [
        *(key for one in DATA_MAP for key in one.keys),
        *(key for _, made, _ in NOBODYS.values() for key in made.split()),
    ]
    assert len(named) == len({*named})
    assert {*named} == makers(), "a new key: say in privacy/data_map what lies there of a person"


def test_each_table_is_a_place_or_one_of_nobody() -> None:
    names = {one.name for one in DATA_MAP} | set(NOBODYS)
    assert {table.name for table in keys.TABLES} <= names, (
        "a new table: say in privacy/data_map what it holds of a person"
    )
    assert not {one.name for one in DATA_MAP} & set(NOBODYS)


def test_each_class_that_is_stored_is_in_one_place() -> None:
    stored = {name for path in SOURCES.rglob("*.py") for name in list_classes_with_codec(path)} - {
        "origin",
        "User",  # a dialect's FaceSet
    }
    named = [
        *(name for one in DATA_MAP for name in one.classes),
        *" ".join(one[2] for one in NOBODYS.values()).split(),
    ]
    assert len(named) == len({*named})
    assert {*named} == stored, "a new class that is stored: say in privacy/data_map where it lies"


def list_classes_with_codec(path: Path) -> list[str]:
    calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    return [ast.unparse(call.args[0]) for call in calls if ast.unparse(call.func) == "Codec"]


OF_ONE_PERSON: Mapping[type[Struct], str] = {
    FaceSet: "group_id id faceids name",
    Capture: "id camera_id captured_at sha256 size content_type state sightings reason track sides "
    "is_of_rest erasures",
    Sighting: "number resolution box faceid quality reason decision resolved_at model correction "
    "masked",
    JournalEntry: "edit faceid group_id templates learnt face_set",
    Negative: "sighting_id templates camera",
    Merge: "id survivor other at state renaming backup joined is_return",
    MergeBackup: "face visits negatives survivor_group_id survivor_visits pictures learnt spare "
    f"given survivor_withdrawn_at {' '.join(TAKEN)}",
    Review: "kind at faceid camera sighting_id decision box near twice",
    Duplicate: "first second at decision are_two",
    Delivery: "tenant hook_id event_id kind payload created_at next_at attempts last_error "
    "last_code parked in_mailbox on_phone",
    Done: "at kind before after",
    Hook: "id url created_at sealed_secret kinds groups cameras enabled name passes_to failures "
    "paused_until version people way address template hours pause_s picture claims "
    "former_secret former_until",
}
"""Fields of what may be about several people that an archive may give each of them; `take_own`, or
a reader, parts those that have a list."""


@pytest.mark.parametrize("kind", OF_ONE_PERSON, ids=lambda kind: kind.__name__)
def test_each_field_of_what_may_be_about_several_people_says_whose_it_is(
    kind: type[Struct],
) -> None:
    [place] = (one for one in DATA_MAP if kind.__name__ in one.classes)
    fields = {*kind.__struct_fields__} - {*place.others}
    assert fields == {*OF_ONE_PERSON[kind].split()} - {*place.others}, (
        "a new field: name it here if each person of the item may have it, else in `others` of its "
        "place"
    )


def test_each_place_of_several_people_has_its_fields_here() -> None:
    shared = {
        one.name for one in DATA_MAP if one.take_own or one.others or one.erasure.take_out
    } - {"requests"}
    assert {
        one.name for one in DATA_MAP if {kind.__name__ for kind in OF_ONE_PERSON} & {*one.classes}
    } == shared


def test_each_topic_about_somebody_is_in_the_list() -> None:
    told = {
        name
        for name, one in vars(Topics).items()
        if inspect.isfunction(one) and not name.startswith("_")
    }
    named = {topic for one in DATA_MAP for topic in one.topics}
    assert named == told - {"find_face", "find_person", "find_place"}


def test_what_an_archive_has_as_it_is_stored_has_a_reader() -> None:
    wanted = {one.name for one in DATA_MAP if one.archive == AS_STORED and one.take_own is None}
    assert set(READERS) == wanted
    assert all(one.is_ours for one in DATA_MAP if one.archive == AS_STORED)


def test_what_is_done_item_by_item_is_done_in_a_table_whose_time_is_known() -> None:
    tables = {table.name: table for table in keys.TABLES}
    for one in DATA_MAP:
        if one.take_own or one.erasure.take_out or one.deletion.take_out:
            assert tables[one.name].partition == "tenant", one.name
            times = [kind for kind in OF_ONE_PERSON if kind.__name__ in one.classes]
            assert all(
                one.time in kind.__struct_fields__ for kind in times if kind not in OF_NO_TIME
            ), one.name


OF_NO_TIME = {JournalEntry, Negative, MergeBackup}
"""Classes of a part of the item, and of an item that only `take_own` reads."""


@pytest.mark.parametrize("erases", [True, False])
def test_each_place_that_a_step_takes_something_from_is_walked(
    tmp_path: Path, erases: bool
) -> None:
    with closing(Book(tmp_path)) as book:
        for step in (Step.TRACES, Step.LATE):
            book.services.erasure.traces.erase(book.tenant, step, ["ann"], 0, erases=erases)
    steps = {(one.erasure if erases else one.deletion).step for one in DATA_MAP} - {None}
    assert steps <= {*(OF_ERASURE if erases else OF_DELETION)}


def test_nothing_that_the_service_stores_of_a_face_outlives_its_erasure() -> None:
    stays = {one.name for one in DATA_MAP if one.is_ours and one.erasure.says == "stays"}
    assert not stays
    assert all(one.whose is not Whose.FACE or one.erasure.says for one in DATA_MAP)


def test_each_kind_that_retention_deletes_is_the_clock_of_one_place() -> None:
    clocks = [kind for one in DATA_MAP for kind in one.clocks]
    assert sorted(clocks) == sorted(Kind)
    of_setting = {one.name for one in DATA_MAP if re.search("`[a-z]+_days`", one.kept)} - {
        "audit",
        "edge spool",
    }
    assert of_setting == {one.name for one in DATA_MAP if one.clocks}, (
        "`audit_days` is the audit's own job"
    )


def test_the_consistency_check_walks_each_place_that_has_something_to_agree_with() -> None:
    checked = {name for _, places in CHECKS.values() for name in places}
    assert checked <= {one.name for one in DATA_MAP if one.is_ours}
    unchecked = {one.name for one in DATA_MAP if one.is_ours} - checked
    assert unchecked == {
        "counts",
        "reviews",
        "duplicates",
        "outbox",
        "requests",
        "stills",
        "audit",
        "done",
        "crops",
        "archives",
        "hooks",
        "refused",
    }


def test_what_a_hold_or_a_restriction_keeps_no_clock_takes(tmp_path: Path) -> None:
    with closing(Book(tmp_path)) as book:
        for faceid, seed in (("held", 1), ("restricted", 2), ("free", 3)):
            book.enrol(Person(seed), faceid=faceid)
        book.services.faces.holds.set(book.tenant, "held", "case 7")
        book.services.restrictions.set(book.tenant, "restricted", "letter 7")
        marked = Marked(book.storage.items, "shop")
        for place in DATA_MAP:
            spared = {"held"} if place.hold is Mark.KEPT else set[str]()
            spared |= {"restricted"} if place.restriction.is_kept else set()
            assert marked.list_spared_faces(place.name) == spared, place.name
    of_people = [one for one in DATA_MAP if one.whose is not Whose.CAMERA]
    clocked = [one for one in of_people if one.clocks or one.name == "crops"]
    assert all(one.hold is Mark.KEPT and one.restriction.is_kept for one in clocked)


@pytest.mark.parametrize("language", [one for one in LANGUAGES if one != "en"])
def test_each_word_of_a_place_is_of_one_that_there_is(language: Language) -> None:
    places = words_of("places", language)
    assert set(places) <= {place.name for place in DATA_MAP if place.is_ours}
    assert not {place.holds for place in DATA_MAP}.intersection(places.values())
