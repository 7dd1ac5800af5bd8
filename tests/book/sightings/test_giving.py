"""A whole visit is somebody else's: by one call, which a repeat finishes, and which the same call
takes back."""

import shutil
from collections.abc import Callable, Mapping
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from chalicelib.book.enrolment.fields import FaceChanges
from chalicelib.book.idempotency import RequestId
from chalicelib.book.sightings.rejection import Reassigned
from chalicelib.domain.captures import Instead
from chalicelib.domain.errors import (
    Conflict,
    FaceNotFound,
    InvalidInput,
    LastPicture,
    SightingNotFound,
)
from chalicelib.domain.local_time import Span
from chalicelib.domain.model import REGULAR, STRANGER
from chalicelib.domain.observations import ObservationFilter
from chalicelib.domain.rules.sighting import Reassignment
from chalicelib.storage import keys
from chalicelib.storage.items import walk_items
from chalicelib.storage.ports import Item, ItemStore, Storage, Table
from chalicelib.storage.values import milliseconds
from tests.book.sightings.lookalike import DAY, enrolled, faces, seen_as
from tests.support.book.book import MINUTE, MONDAY, Book, Shot
from tests.support.book.book_with import book_with
from tests.support.fakes import RULES, Person, picture
from tests.support.meanwhile import Around, Interrupted, Meanwhile

NEW = Reassignment(instead=Instead.NEW, name="Berta Blatt")


@pytest.fixture
def book(agreeing: Book) -> Book:
    return agreeing


def wrong_visit(book: Book) -> tuple[str, list[str]]:
    """A stranger, and a later visit of three sightings by somebody who was taken for that
    stranger."""
    first, _ = seen_as(book, 0, Person(1))
    return first, [seen_as(book, DAY + minute)[1] for minute in (0, 4, 9)]


def give(
    book: Book, faceid: str, sighting: str, gift: Reassignment, request: RequestId | None = None
) -> Reassigned:
    return book.services.sightings.rejection.give_visit(
        book.tenant, faceid, sighting, gift, request
    )


ASKED = RequestId("key", "digest")


def answered(book: Book) -> Mapping[str, Any]:
    """Return the stored record of the request that was done."""
    stored = book.services.requests.find(book.tenant.name, ASKED)
    return stored.body


def test_a_repeat_finishes_what_was_cut_off(book: Book) -> None:
    wrong, visit = wrong_visit(book)
    told = {
        "other": None,
        "instead": "new",
        "merged": False,
        "visit": [["door", one] for one in visit],
    }
    book.services.sightings.rejection.reject(
        book.tenant, wrong, visit[0], ASKED, instead=Instead.NEW, progress=told
    )
    assert book.services.requests.find(book.tenant.name, ASKED) is None

    given = give(book, wrong, visit[1], NEW, ASKED)
    again = book.services.sightings.rejection.answer_gift_again(
        book.tenant, wrong, visit[1], answered(book)
    )
    for one in (given, again):
        assert faces(book)[one.rejected.sighting.faceid or ""].name == "Berta Blatt"
        assert set(one.sightings) == set(visit)

    assert sorted(face.arrive_count for face in book.faces()) == [1, 1]


def test_what_is_stored_of_a_request_does_not_say_what_somebody_new_is_called(book: Book) -> None:
    """An erasure looks for ids in stored answers; when this one is stored, the face has none."""
    wrong, visit = wrong_visit(book)
    give(book, wrong, visit[1], NEW, ASKED)
    assert "Berta" not in str([*walk_items(book.storage.items, keys.REQUESTS, "shop")])


@pytest.mark.parametrize("to", ["new", "known", "merged"])
def test_a_repeat_of_what_was_taken_back_since_changes_nothing(book: Book, to: str) -> None:
    wrong, visit = wrong_visit(book)
    other = enrolled(book, 5)
    if to == "merged":
        wrong, visit = seen_as(book, 2 * DAY, Person(7))[0], []
        visit = [seen_as(book, 2 * DAY + 1, Person(7))[1]]
    given = give(book, wrong, visit[0], NEW if to == "new" else Reassignment(other=other), ASKED)
    if to == "merged":
        [merge] = book.services.merges.records.list_all("shop")
        book.services.merges.merging.undo(book.tenant, merge.id)
    else:
        new = given.rejected.sighting.faceid or ""
        give(book, new, visit[0], Reassignment(other=wrong, only=given.sightings))
    entries, negatives = book.entries(), sorted((one.faceid, one.negatives) for one in book.faces())

    again = book.services.sightings.rejection.answer_gift_again(
        book.tenant, wrong, visit[0], answered(book)
    )

    assert (again.sightings, again.rejected.face.faceid) == (
        given.sightings,
        other if to == "merged" else wrong,
    )
    assert (book.entries(), sorted((one.faceid, one.negatives) for one in book.faces())) == (
        entries,
        negatives,
    )


def test_a_face_with_a_picture_by_hand_is_no_part_of_another_one_since_a_visit_was_theirs(
    book: Book,
) -> None:
    bob, sighting = seen_as(book, DAY, Person(1))
    book.services.enrolment.update.change_face(
        book.tenant, bob, FaceChanges(name="Bob", new_group_name=REGULAR)
    )
    book.services.enrolment.pictures.add_photo(
        book.tenant, bob, picture(Person(7)), RULES, is_vouched_for=True
    )
    ann = enrolled(book, 5)
    give(book, bob, sighting, Reassignment(other=ann))

    assert set(faces(book)) == {ann, bob}
    assert (faces(book)[ann].arrive_count, faces(book)[bob].arrive_count) == (1, 0)
    assert [one.founded_at for one in faces(book)[bob].pictures] == [None]
    assert book.see(Shot(MONDAY + 2 * DAY * MINUTE, (Person(7),)))[0].sightings[0].faceid == bob


def test_the_name_of_somebody_new_goes_with_the_face_when_that_is_taken_back(book: Book) -> None:
    wrong, visit = wrong_visit(book)
    given = give(book, wrong, visit[1], NEW)
    give(
        book,
        given.rejected.sighting.faceid or "",
        visit[1],
        Reassignment(other=wrong, only=given.sightings),
    )
    [face] = book.faces()
    assert (face.faceid, face.name, face.group_id, face.arrive_count) == (wrong, "", STRANGER, 2)


def test_what_somebody_noted_of_the_new_person_is_kept_by_a_merge_that_can_be_undone(
    book: Book,
) -> None:
    wrong, visit = wrong_visit(book)
    given = give(book, wrong, visit[1], NEW)
    new = given.rejected.sighting.faceid or ""
    book.services.enrolment.update.change_face(
        book.tenant, new, FaceChanges(note="takes the window seat")
    )
    give(book, new, visit[1], Reassignment(other=wrong, only=given.sightings))
    [merge] = book.services.merges.records.list_all("shop")
    book.services.merges.merging.undo(book.tenant, merge.id)
    assert faces(book)[new].note == "takes the window seat"


def test_a_name_is_not_lost_by_giving_its_only_visit_away(book: Book) -> None:
    bob, sighting = seen_as(book, DAY, Person(1))
    book.services.enrolment.update.change_face(
        book.tenant, bob, FaceChanges(name="Bob", new_group_name=REGULAR)
    )
    ann, entries = enrolled(book, 5), book.entries()
    with pytest.raises(Conflict, match="a face was made from this sighting"):
        give(book, bob, sighting, Reassignment(other=ann))
    assert entries <= book.entries()
    assert faces(book)[bob].name == "Bob"


@pytest.mark.parametrize(
    "gift", [NEW, Reassignment(instead=Instead.STRANGER)], ids=lambda gift: gift.instead
)
def test_what_was_given_to_somebody_new_is_given_back(book: Book, gift: Reassignment) -> None:
    wrong, visit = wrong_visit(book)
    given = give(book, wrong, visit[1], gift)

    back = Reassignment(other=wrong, only=given.sightings)
    for _ in range(2):
        again = give(book, given.rejected.sighting.faceid or "", visit[1], back)
        assert again.rejected.sighting.number == 0

    [face] = book.faces()
    assert (face.faceid, face.arrive_count, face.negatives) == (wrong, 2, 0)


def test_what_was_given_to_somebody_known_is_given_back_without_what_was_theirs(book: Book) -> None:
    wrong, visit = wrong_visit(book)
    other = enrolled(book, 5)
    own = seen_as(book, DAY + 2, Person(5))[1]

    given = give(book, wrong, visit[0], Reassignment(other=other))
    assert (faces(book)[other].arrive_count, faces(book)[wrong].arrive_count) == (1, 1)
    give(book, other, visit[0], Reassignment(other=wrong, only=given.sightings))

    assert (faces(book)[other].arrive_count, faces(book)[wrong].arrive_count) == (1, 2)
    assert book.services.captures.find_observation(book.tenant, other, own) is not None
    assert faces(book)[wrong].negatives == 0


def test_somebody_enrolled_who_came_once_stays_when_that_visit_is_anothers(book: Book) -> None:
    ann, bob = enrolled(book, 1), enrolled(book, 5)
    _, sighting = seen_as(book, DAY)
    give(book, ann, sighting, Reassignment(other=bob))
    assert {ann, bob} == set(faces(book))
    assert (faces(book)[ann].arrive_count, faces(book)[bob].arrive_count) == (0, 1)


def test_a_name_is_never_lost_to_a_poor_picture(book: Book) -> None:
    wrong, visit = wrong_visit(book)
    book.services.cameras.change(book.tenant, "door", {"stranger_quality": 100.0})
    new = give(book, wrong, visit[2], NEW).rejected.sighting.faceid
    assert faces(book)[new or ""].name == "Berta Blatt"


def test_what_cannot_be_given_is_refused_before_anything_changes(book: Book) -> None:
    first, made = seen_as(book, 0, Person(1))
    seen_as(book, 1, Person(1))
    other, another = enrolled(book, 5), seen_as(book, 2, Person(5))[1]
    entries = book.entries()
    with pytest.raises(Conflict, match="a face was made from this sighting"):
        give(book, first, made, NEW)
    for name, says in (
        ("", "go together"),
        (" ", "go together"),
        ("x" * 101, "up to 100"),
        ("a\nb", "one line"),
    ):
        with pytest.raises(InvalidInput, match=says):
            give(book, other, another, Reassignment(instead=Instead.NEW, name=name))
    with pytest.raises(FaceNotFound):
        give(book, "nobody", made, NEW)
    assert book.entries() == entries


@pytest.mark.parametrize(
    ("second", "is_kept", "refused"), [(80.0, True, LastPicture), (70.0, False, Conflict)]
)
def test_a_visit_is_refused_whole_for_one_sighting(
    book: Book, second: float, is_kept: bool, refused: type[Exception]
) -> None:
    ann = enrolled(book, 1)
    _, sighting = seen_as(book, DAY, Person(1, quality=90.0))
    [capture] = book.see(Shot(MONDAY + (DAY + 3) * MINUTE, (Person(1, quality=second),)))
    if not is_kept:
        book.storage.uploads.delete(keys.capture_picture("shop", "door", capture.id))
    entries = book.entries()
    for gift in (NEW, Reassignment(other=enrolled(book, 5))):
        with pytest.raises(refused):
            give(book, ann, sighting, gift)
    assert entries <= book.entries()


def test_the_visits_of_a_stranger_who_has_a_name_since_are_in_the_group_of_now(book: Book) -> None:
    stranger, _ = seen_as(book, 0, Person(1))
    changes = FaceChanges(name="Nur Sultan", new_group_name=REGULAR)
    book.services.enrolment.update.change_face(book.tenant, stranger, changes)
    seen_as(book, 1, Person(5))

    arrivals, span = book.services.sightings.arrivals, Span(0, milliseconds(MONDAY + DAY * MINUTE))
    groups = {
        one.first.faceid: one.group
        for one in arrivals.read_page(book.tenant, ObservationFilter(), span).rows
    }
    assert sorted(groups.values()) == ["regular", "stranger"]
    for group in groups.values():
        wanted = ObservationFilter(group_name=group)
        [one] = arrivals.read_page(book.tenant, wanted, span).rows
        assert one.group == group
    assert arrivals.count_arrivals(book.tenant, ObservationFilter(), span).groups == {
        "regular": 1,
        "stranger": 1,
    }


class Killed(Exception): ...


def test_a_call_beside_another_one_with_the_same_request_gives_the_visit_with_it(
    book: Book, tmp_path: Path
) -> None:
    """Before each read in turn that this call begins with, the other one comes as far as its first
    write."""
    wrong, visit = wrong_visit(book)
    watched: list[Any] = []

    def killed() -> None:
        raise Killed

    def wrapped(storage: Storage, kind: type[Interrupted | Meanwhile]) -> Storage:
        watched.append(kind(storage.items))
        return replace(storage, items=watched[-1])

    def other_begins(folder: Path) -> None:
        with closing(Book(folder, wrap=partial(wrapped, kind=Meanwhile))) as other:
            watched[-1].first = [lambda: None, killed]
            with pytest.raises(Killed):
                give(other, wrong, visit[1], NEW, ASKED)

    point, points = 0, 1
    while point < points:
        point += 1
        folder = tmp_path / f"copy {point}"
        shutil.copytree(book.folder, folder)
        with closing(Book(folder, wrap=partial(wrapped, kind=Interrupted))) as ours:
            reads = watched[-1]
            reads.reads, reads.at = 0, {point: partial(other_begins, folder)}
            given = give(ours, wrong, visit[1], NEW, ASKED)
            assert set(given.sightings) == set(visit), point
            assert sorted(face.arrive_count for face in ours.faces()) == [1, 1], point
            points = reads.reads if point == 1 else points
    assert points > 20


class Overtaken(Around):
    """The real item store; just after the first observation is read, another does something."""

    def __init__(self, items: ItemStore, then: Callable[[], object]) -> None:
        super().__init__(items)
        self._then = [then]

    def get(self, table: Table, key: tuple[str, str]) -> Item | None:
        item = self._items.get(table, key)
        if table is keys.OBSERVATIONS and self._then:
            self._then.pop()()
        return item


def test_of_two_who_give_one_visit_away_at_once_the_second_is_told_that_it_is_gone(
    book: Book,
) -> None:
    wrong, visit = wrong_visit(book)
    services = book_with(
        book.services,
        items=Overtaken(book.services.items, lambda: give(book, wrong, visit[1], NEW)),
    )
    with pytest.raises(SightingNotFound):
        services.sightings.rejection.give_visit(
            book.tenant, wrong, visit[1], Reassignment(other=enrolled(book, 5))
        )
