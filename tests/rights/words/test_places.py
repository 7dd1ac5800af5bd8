"""One list has every place that may hold something of a person: nothing is stored that it does not name."""

import inspect
import re
from contextlib import closing
from pathlib import Path

import pytest

from chalicelib.book.words import keys
from chalicelib.rights.erasure.traces import Traces
from chalicelib.rights.subject_access import READERS
from chalicelib.rights.words.erasures import OF_DELETION, OF_ERASURE
from chalicelib.rights.words.places import NOBODYS, PLACES, Agrees, Mark, Marked, Step, Whose, done_in
from chalicelib.rights.words.retention import Kind
from chalicelib.rights.words.texts import LANGUAGES, Language, words_of
from regulars.mqtt.discovery import Topics
from tests.support.book.book import Book
from tests.support.fakes import Person
from tests.support.storage.key_makers import makers


def test_whatever_makes_a_key_is_in_one_place() -> None:
    named = [
        *(key for one in PLACES for key in one.keys),
        *(key for _, made in NOBODYS.values() for key in made.split()),
    ]
    assert len(named) == len({*named})
    assert {*named} == makers(), "a new key: say in rights/words/places what lies there of a person"


def test_each_table_is_a_place_or_one_of_nobody() -> None:
    names = {one.name for one in PLACES} | set(NOBODYS)
    assert {table.name for table in keys.TABLES} <= names, (
        "a new table: say in rights/words/places what it holds of a person"
    )
    assert not {one.name for one in PLACES} & set(NOBODYS)


def test_each_topic_about_somebody_is_in_the_list() -> None:
    told = {name for name, one in vars(Topics).items() if inspect.isfunction(one) and not name.startswith("_")}
    named = {topic for one in PLACES for topic in one.topics}
    assert named == told - {"find_face"}


def test_what_an_archive_has_as_it_is_stored_has_a_reader() -> None:
    wanted = {one.name for one in PLACES if one.archive == "as it is stored" and one.is_ours}
    assert set(READERS) == wanted


@pytest.mark.parametrize("erases", [True, False])
def test_each_place_that_a_step_takes_something_from_is_walked(erases: bool) -> None:
    traces = Traces.__new__(Traces)
    for step in (Step.TRACES, Step.LATE) if erases else (Step.TRACES,):
        for place in done_in(step, erases=erases):
            assert callable(traces.find_eraser(place, erases=erases)), place
    steps = {(one.erasure if erases else one.deletion).step for one in PLACES} - {None}
    assert steps <= {*(OF_ERASURE if erases else OF_DELETION)}


def test_nothing_that_the_service_stores_of_a_face_outlives_its_erasure() -> None:
    stays = {one.name for one in PLACES if one.is_ours and one.erasure.says == "stays"}
    assert not stays
    assert all(one.whose is not Whose.FACE or one.erasure.says for one in PLACES)


def test_each_kind_that_retention_deletes_is_the_clock_of_one_place() -> None:
    clocks = [kind for one in PLACES for kind in one.clocks]
    assert sorted(clocks) == sorted(Kind)
    of_setting = {one.name for one in PLACES if re.search("`[a-z]+_days`", one.kept)} - {"audit", "edge spool"}
    assert of_setting == {one.name for one in PLACES if one.clocks}, "`audit_days` is the audit's own chore"


def test_the_consistency_check_walks_each_place_that_has_something_to_agree_with() -> None:
    assert {one.agrees for one in PLACES} == {None, *Agrees}
    unchecked = {one.name for one in PLACES if one.is_ours and one.agrees is None}
    assert unchecked == {"reviews", "duplicates", "outbox", "requests", "stills", "audit", "crops", "archives", "hooks"}
    assert all(one.agrees is None for one in PLACES if not one.is_ours)


def test_what_a_hold_or_a_restriction_keeps_no_clock_takes(tmp_path: Path) -> None:
    with closing(Book(tmp_path)) as book:
        for faceid, seed in (("held", 1), ("restricted", 2), ("free", 3)):
            book.enrol(Person(seed), faceid=faceid)
        book.services.faces.holds.set(book.tenant, "held", "case 7")
        book.services.restrictions.set(book.tenant, "restricted", "letter 7")
        marked = Marked(book.storage.items, "shop")
        for place in PLACES:
            spared = {"held"} if place.hold is Mark.KEPT else set[str]()
            spared |= {"restricted"} if place.restriction in (Mark.KEPT, Mark.HIDDEN) else set()
            assert marked.list_spared_faces(place.name) == spared, place.name
    clocked = [one for one in PLACES if one.clocks or one.name == "crops"]
    assert all(one.hold is Mark.KEPT and one.restriction in (Mark.KEPT, Mark.HIDDEN) for one in clocked)


@pytest.mark.parametrize("language", [one for one in LANGUAGES if one != "en"])
def test_the_page_names_all_places_in_each_language(language: Language) -> None:
    places = words_of("places", language)
    assert list(places) == list(words_of("places", "zh"))
    assert set(places) == {place.name for place in PLACES if place.is_ours}
    assert not {place.holds for place in PLACES}.intersection(places.values())
