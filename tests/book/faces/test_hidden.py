"""People who are hidden from lists: which lists leave them out, and that the list of them agrees
with the faces, whatever becomes of these."""

from collections.abc import Callable
from functools import partial
from itertools import chain

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from chalicelib.book.enrolment.fields import FaceChanges
from chalicelib.book.faces import is_shown_by_name
from chalicelib.domain.errors import TooMany
from chalicelib.domain.model import MAX_HIDDEN, Face
from chalicelib.storage import keys
from chalicelib.storage.items import FaceOrder, walk_items, write_in_parts
from chalicelib.storage.ports import Delete, Put
from chalicelib.storage.records.faces import face_from, face_puts, name_item
from tests.support.book.book import Book, shot
from tests.support.book.people import two_strangers
from tests.support.fakes import Person
from tests.support.paged import paged


def hide(book: Book, faceid: str, *, hidden: bool = True) -> Face:
    return book.services.enrolment.update.change_face(
        book.tenant, faceid, FaceChanges(hidden=hidden)
    )


def hidden_by_faces(book: Book) -> set[str]:
    """The ids of the hidden faces, by the faces: restricted ones, too."""
    faces = map(face_from, walk_items(book.storage.items, keys.FACES, "shop"))
    return {face.faceid for face in faces if face.hidden}


def listed(book: Book) -> frozenset[str]:
    """The ids of the hidden faces, by the list of them, which agrees with the faces."""
    hidden = book.services.faces.list_hidden(book.tenant)
    assert hidden == hidden_by_faces(book)
    assert book.disagreements() == []
    return hidden


@pytest.fixture
def few(book: Book) -> Book:
    """Six regulars, and six strangers of a group of their own."""
    book.services.groups.create(book.tenant, "vip", None, "")
    for number in range(1, 7):
        book.enrol(Person(number), faceid=f"r{number}", name=f"Ann {number}")
        book.enrol(Person(10 + number), "vip", faceid=f"v{number}", name=f"Bea {number}")
    return book


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.sets(st.sampled_from([f"{group}{number}" for group in "rv" for number in range(1, 7)])),
    st.sampled_from(FaceOrder),
    st.sampled_from([None, "regular", "vip"]),
    st.integers(1, 14),
    st.booleans(),
)
def test_pages_are_the_list_without_hidden_people(
    few: Book,
    chosen: set[str],
    order: FaceOrder,
    group: str | None,
    limit: int,
    descending: bool,
) -> None:
    for faceid in few.faceids():
        hide(few, faceid, hidden=faceid in chosen)
    faces, tenant = few.services.faces, few.tenant
    if order is FaceOrder.ID:
        group = None
    every_id = faces.lists.list_ids(tenant, group, order, descending=descending).ids
    read = partial(
        faces.lists.read_page,
        tenant,
        group,
        order,
        limit,
        descending=descending,
        left_out=faces.list_hidden(tenant),
    )
    shown = [face.faceid for page in paged(read) for face in page.rows]
    assert shown == [faceid for faceid in every_id if faceid not in chosen]
    groups = {one.name: one for one in few.services.groups.list_all(tenant)}
    counts = few.services.groups.count_hidden(tenant)
    for name, letter in (("regular", "r"), ("vip", "v")):
        hidden_count = sum(faceid.startswith(letter) for faceid in chosen)
        assert counts.get(groups[name].id, 0) == hidden_count
        assert groups[name].count == 6


def merge(book: Book) -> None:
    book.services.merges.merging.merge(book.tenant, "r1", "r2")


def absorb(book: Book) -> None:
    book.services.merges.merging.merge(book.tenant, "r2", "r1")


def part(book: Book) -> None:
    absorb(book)
    [made] = book.services.merges.records.list_all("shop")
    book.services.merges.merging.undo(book.tenant, made.id)


def restrict(book: Book) -> None:
    book.services.restrictions.set(book.tenant, "r1", "letter 7")


def free(book: Book) -> None:
    restrict(book)
    assert listed(book) == {"r1"}
    assert book.services.groups.count_hidden(book.tenant) == {}
    book.services.restrictions.lift(book.tenant, "r1", "closed")


def delete(book: Book) -> None:
    book.services.deletion.delete_faces(book.tenant, ["r1"])


def erase(book: Book) -> None:
    book.services.deletion.delete_faces(book.tenant, ["r1"], erase=True)


def delete_group(book: Book) -> None:
    move(book)
    book.services.deletion.groups.delete(book.tenant, "vip")
    book.sweep()


def move(book: Book) -> None:
    changes = FaceChanges(new_group_name="vip")
    book.services.enrolment.update.change_face(book.tenant, "r1", changes)
    [group_id] = book.services.groups.count_hidden(book.tenant)
    assert group_id == book.services.groups.get_by_name(book.tenant, "vip").id


def rename(book: Book) -> None:
    changes = FaceChanges(name="Zoe")
    book.services.enrolment.update.change_face(book.tenant, "r1", changes)


def hold(book: Book) -> None:
    hide(book, "r1", hidden=False)
    book.services.faces.holds.set(book.tenant, "r1", "case 7")
    hide(book, "r1")


def show(book: Book) -> None:
    hide(book, "r1", hidden=False)


STAYS = (merge, part, free, restrict, move, rename, hold)
GOES = (absorb, delete, erase, delete_group, show)


@pytest.mark.parametrize("does", [*STAYS, *GOES])
def test_the_list_of_hidden_people_agrees_with_the_faces(
    few: Book, does: Callable[[Book], None]
) -> None:
    hide(few, "r1")
    assert listed(few) == {"r1"}
    does(few)
    assert listed(few) == ({"r1"} if does in STAYS else set())


def test_somebody_hidden_is_not_suggested_for_a_merge(book: Book) -> None:
    first, second = two_strangers(book)
    assert book.services.joining.join_tenant(book.tenant)
    for faceid in (first, second):
        hide(book, faceid)
        assert book.services.merges.duplicates.read_page(book.tenant, 100).rows == []
        hide(book, faceid, hidden=False)
        assert len(book.services.merges.duplicates.read_page(book.tenant, 100).rows) == 1


def test_somebody_hidden_is_recognised_and_counts(book: Book) -> None:
    faceid = book.see(shot(0, 1))[0].sightings[0].faceid or ""
    hide(book, faceid)
    assert book.see(shot(60, 1))[0].sightings[0].faceid == faceid
    face = book.services.faces.get(book.tenant, faceid)
    assert (face.arrive_count, face.hidden) == (2, True)
    assert sum(one.count for one in book.services.groups.list_all(book.tenant)) == 1


def test_a_stranger_needs_no_consent_to_be_hidden(book: Book) -> None:
    faceid = book.see(shot(0, 1))[0].sightings[0].faceid or ""
    book.services.tenants.change_settings("shop", {"consent_required": True})
    hide(book, faceid)
    assert listed(book) == {faceid}


@pytest.mark.parametrize(
    ("name", "text", "is_shown"),
    [
        ("Ann Lee", "ann lee", True),
        ("Ann Lee", "LEE  Ann", True),
        ("José", "jose", True),
        ("Ann O'Neil", "oneil ann", True),
        ("Ann O'Neil", "Ann O'Neil", True),
        ("Jean-Luc O'Neil", "jeanluc o'neil", True),
        ("Jean-Luc", "jean luc", True),
        ("Jean-Luc", "jean", False),
        ("Ann 王芳", "ann", False),
        ("Ann 王芳", "王芳 ann", True),
        ("Ann Lee", "ann", False),
        ("Ann Lee", "ann l", False),
    ],
)
def test_somebody_hidden_is_found_by_the_name_in_full(
    book: Book, name: str, text: str, is_shown: bool
) -> None:
    face = hide(book, book.enrol(Person(1), name=name).faceid)
    assert is_shown_by_name(face, text) is is_shown
    assert is_shown_by_name(replace(face, hidden=False), text)


def test_a_stranger_who_is_hidden_is_found_by_the_number(book: Book) -> None:
    face = hide(book, book.see(shot(0, 1))[0].sightings[0].faceid or "")
    [found] = book.services.faces.search_by_name(book.tenant, str(face.number), 10).rows
    assert is_shown_by_name(found, f"stranger {face.number}")
    named = replace(face, name="Zoe")
    for text in (str(face.number), f"stranger {face.number}", "zoe"):
        assert is_shown_by_name(named, text)


def test_more_are_hidden_than_may_be_by_nobody(few: Book) -> None:
    face = hide(few, "r1")
    others = (replace(face, faceid=f"x{number}") for number in range(1, MAX_HIDDEN))
    puts = chain.from_iterable(face_puts(few.tenant, other) for other in others)
    write_in_parts(few.storage.items, puts)
    hide(few, "r1")
    with pytest.raises(TooMany, match="500 people at most are hidden"):
        hide(few, "r2")
    with pytest.raises(TooMany):
        few.enrol(Person(30), hidden=True)
    restrict(few)  # who is restricted cannot be shown again
    hide(few, "r2")


def test_the_check_finds_a_list_of_hidden_people_that_is_wrong(few: Book) -> None:
    hide(few, "r1")
    lost = Delete(keys.NAMES, ("shop", keys.name_term(keys.HIDDEN_TERM, "r1")))
    other = name_item("shop", "r2", keys.HIDDEN_TERM)
    few.storage.items.transact([lost, Put(keys.NAMES, other)])
    assert len(few.disagreements()) == 2
