import re
import tempfile
import unicodedata
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.book.enrolment.fields import FaceChanges
from chalicelib.domain.errors import InvalidInput
from chalicelib.domain.model import Face
from chalicelib.storage import keys
from chalicelib.storage.items import MOST_READ, walk_items, write_in_parts
from chalicelib.storage.ports import Delete, Put
from chalicelib.storage.records.faces import name_item
from testing.reported import replays
from tests.support.book.book import Book, shot
from tests.support.book.recount import every_face
from tests.support.examples import examples
from tests.support.fakes import Person
from tests.support.paged import paged

CJK = "李小明あカ한국"


@pytest.fixture
def book(book: Book) -> Iterator[Book]:
    yield book
    assert book.disagreements() == []


def enrol(book: Book, faceid: str, name: str = "", note: str = "") -> Face:
    return book.enrol(Person(int(faceid)), faceid=faceid, name=name, note=note)


def rename(book: Book, faceid: str, name: str) -> None:
    book.services.enrolment.update.change_face(book.tenant, faceid, FaceChanges(name=name))


def found(book: Book, name: str, limit: int = 100) -> list[str]:
    """All pages, each face once."""
    faceids = list[str]()
    for page in paged(
        lambda token: book.services.faces.search_by_name(book.tenant, name, limit, token)
    ):
        assert len(page.rows) <= limit
        faceids += [face.faceid for face in page.rows]
    assert len(faceids) == len(set(faceids))
    return sorted(faceids)


def terms_stored(book: Book) -> list[str]:
    return [item["term"] for item in walk_items(book.storage.items, keys.NAMES, "shop")]


def without_accents(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold().replace("é", "e")


def by_hand(name: str, query: str) -> bool:
    """The rule, said another way."""
    held, wanted, joined = (
        re.findall(f"[{CJK}]+|[^\\W_{CJK}]+", without_accents(text))
        for text in (name, query, re.sub(r"\b['-]\b", "", name))
    )
    held += [one for one in joined if one[0] not in CJK]
    return all(
        any(one in it if one[0] in CJK else it.startswith(one) for it in held) for one in wanted
    )


AS_TYPED = {
    "José Núñez": ["josé", "jose", "nunez", "NUN\u0303EZ"],
    "Zoë Müller": ["zoe", "muller", "Zoë", "müller"],
    "Łukasz Żak": ["lukasz", "zak", "Łukasz", "łuk żak"],
    "Søren Bjørn": ["soren", "bjørn"],
    "Đặng Thị Ngọc": ["dang", "ngoc", "Đặng", "ngọc"],
    "Ёлка Иванова": ["елка", "ёлка"],
    "Γιώργος Άννα": ["γιωργος", "ΑΝΝΑ", "Γιώργος"],
    "Renée O’Neil": ["renee", "o'neil", "Renée", "oneil", "neil", "O\u02bcNEIL", "o neil"],
    "Jean-Luc Çelik": ["celik", "luc", "ÇELİK", "jeanluc", "Jean\u2011Luc", "jean luc"],
    "D'Ångelo": ["dangelo", "angelo"],
    "علی\u200cرضا": ["علیرضا", "رضا", "علی\u200cرضا"],
    "İbrahim Işıl": ["ibrahim", "isil", "IŞIL"],
    "Þórður Ærø": ["thordur", "aero", "þórður"],
    "Йосиф Ştefan": ["иосиф", "йосиф", "ștefan", "stefan"],
    "Strauß": ["strauss", "STRAUẞ"],
    "\uff21\uff4e\uff4e Lee": ["ann lee", "\uff21\uff4e\uff4e"],
    "مُحَمَّد": ["محمد", "مُحَمَّد"],
    "أحمد": ["احمد", "أحمد"],
    "שָׁלוֹם": ["שלום", "שָׁלוֹם"],
    "Isik": ["ışık", "isik"],
    "Jose": ["josé"],
}
"""Names as they are stored, and what people type: without accents, with them, with others."""


@replays(58, "immich 23957", "indico 1496", "twake-on-matrix 1449", "webtrees 3646")
def test_a_name_is_found_as_it_is_typed_with_and_without_accents(book: Book) -> None:
    for number, name in enumerate(AS_TYPED, start=1):
        enrol(book, str(number), name)
    for number, (name, typed) in enumerate(AS_TYPED.items(), start=1):
        assert [one for one in typed if str(number) not in found(book, one)] == [], name
    stored = {face.faceid: face.name for face in book.faces()}
    assert [stored[str(number)] for number in range(1, len(AS_TYPED) + 1)] == [
        unicodedata.normalize("NFC", name) for name in AS_TYPED
    ], "a name stays as it was given, and names that fold alike stay two people"


texts = st.text(f"aAbBéßＡ- '{CJK}", max_size=8)
deeds = st.lists(st.tuples(st.integers(1, 6), st.none() | texts), max_size=25)


@examples(25, 300)
@given(
    deeds,
    st.lists(texts.filter(lambda text: any(one.isalnum() for one in text)), min_size=1),
    st.integers(1, 7),
)
def test_a_search_finds_the_faces_that_a_recount_of_all_names_finds(
    done: list[tuple[int, str | None]], queries: list[str], limit: int
) -> None:
    """`done`: by face, its new name; None: it is deleted."""
    with tempfile.TemporaryDirectory() as folder, closing(Book(Path(folder))) as book:
        for number, name in done:
            faceid = str(number)
            if name is None:
                book.services.deletion.delete_faces(book.tenant, [faceid])
            elif book.services.faces.find(book.tenant, faceid):
                rename(book, faceid, name)
            else:
                enrol(book, faceid, name)
        faces = every_face(book.services, book.tenant).values()
        for query in queries:
            assert found(book, query, limit) == sorted(
                one.faceid for one in faces if by_hand(one.name, query)
            )
        assert book.disagreements() == []


def test_a_name_is_searched_in_pages_that_repeat_and_lose_nobody(book: Book) -> None:
    for number in range(1, 8):
        enrol(book, str(number), "明明 Ann" if number % 2 else "Anna Annberg")
    assert found(book, "明", 1) == found(book, "明", 100) == ["1", "3", "5", "7"]
    assert found(book, "ann", 3) == [str(number) for number in range(1, 8)]
    assert found(book, "annb ann") == ["2", "4", "6"]


def test_a_page_ends_early_if_most_names_that_begin_so_are_not_wanted(book: Book) -> None:
    gone = [
        name_item("shop", str(number), "visitor") for number in range(1_000, 1_000 + MOST_READ - 1)
    ]
    write_in_parts(book.storage.items, (Put(keys.NAMES, item) for item in gone))
    enrol(book, "98", "Visitor 5")
    enrol(book, "99", "Visitor 5")
    faces, tenant = book.services.faces, book.tenant
    first = faces.search_by_name(tenant, "visitor 5", 10)
    assert ([face.faceid for face in first.rows], first.next_token is None) == (["98"], False)
    second = faces.search_by_name(tenant, "visitor 5", 10, first.next_token)
    assert ([face.faceid for face in second.rows], second.next_token) == (["99"], None)
    write_in_parts(
        book.storage.items, (Delete(keys.NAMES, ("shop", item["term"])) for item in gone)
    )


def test_a_token_of_another_search_is_refused(book: Book) -> None:
    for number in range(1, 4):
        enrol(book, str(number), "Ann")
    token = book.services.faces.search_by_name(book.tenant, "an", 1).next_token
    with pytest.raises(InvalidInput, match="token"):
        book.services.faces.search_by_name(book.tenant, "ann", 1, token)


def test_a_merge_keeps_the_survivors_name_or_takes_the_others(book: Book) -> None:
    for faceid, name, note in [
        ("1", "Ann", ""),
        ("2", "Bea", "likes tea"),
        ("3", "", ""),
        ("4", "Dora", "x"),
    ]:
        enrol(book, faceid, name, note)
    book.services.merges.merging.merge(book.tenant, "1", "2")
    book.services.merges.merging.merge(book.tenant, "3", "4")
    faces = every_face(book.services, book.tenant)
    assert {id_: (face.name, face.note) for id_, face in faces.items()} == {
        "1": ("Ann", "likes tea"),
        "3": ("Dora", "x"),
    }
    assert found(book, "bea") == []
    assert found(book, "dora") == ["3"]


def test_an_undone_merge_gives_names_back(book: Book) -> None:
    enrol(book, "1")
    enrol(book, "2", "Bea", "likes tea")
    merge = book.services.merges.merging.merge(book.tenant, "1", "2")
    book.services.merges.merging.undo(book.tenant, merge.id)
    faces = every_face(book.services, book.tenant)
    assert {id_: (face.name, face.note) for id_, face in faces.items()} == {
        "1": ("", ""),
        "2": ("Bea", "likes tea"),
    }
    assert found(book, "bea") == ["2"]


def test_a_name_that_was_given_after_the_merge_stays_when_it_is_undone(book: Book) -> None:
    enrol(book, "1")
    enrol(book, "2", "Bea")
    merge = book.services.merges.merging.merge(book.tenant, "1", "2")
    rename(book, "1", "Ann")
    book.services.merges.merging.undo(book.tenant, merge.id)
    assert (found(book, "ann"), found(book, "bea")) == (["1"], ["2"])


def test_a_deleted_face_leaves_no_term_of_its_name(book: Book) -> None:
    enrol(book, "1", "王小明 Ann Lee")
    enrol(book, "2", "Ann")
    assert len(terms_stored(book)) == 6
    book.services.deletion.delete_faces_of_group(book.tenant, "regular", ["1"])
    assert terms_stored(book) == ["ann#2"]


def test_a_hundred_faces_with_long_names_are_deleted_at_once(book: Book) -> None:
    faceids = [str(number) for number in range(1, 31)]
    for faceid in faceids:
        enrol(book, faceid, "a b c d e f g h i j")
    assert book.services.deletion.delete_faces(book.tenant, faceids).success == faceids
    assert terms_stored(book) == []


def test_a_sighting_keeps_the_name_and_the_revision(book: Book) -> None:
    book.see(shot(0, 1))
    [face] = book.faces()
    rename(book, face.faceid, "Ann")
    book.see(shot(60, 1), shot(120, 1))
    [after] = book.faces()
    assert (after.name, after.revision, after.arrive_count) == ("Ann", 2, 3)
