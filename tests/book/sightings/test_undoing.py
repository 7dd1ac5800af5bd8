"""An undo undoes: whatever a person did and took back, the book is as it was, byte by byte."""

from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.book.enrolment.fields import FaceChanges
from chalicelib.book.statistics.statistics import Question
from chalicelib.domain import audit_events
from chalicelib.domain.audit_events import AuditEvent, Kind
from chalicelib.domain.captures import Capture, Instead, parts_of_sighting
from chalicelib.domain.local_time import Granularity, Span
from chalicelib.domain.model import REGULAR
from chalicelib.domain.observations import EVERYTHING, Measure, Split
from chalicelib.domain.rules.sighting import Reassignment
from chalicelib.storage import keys
from chalicelib.storage.items import captures_of, walk_items
from chalicelib.storage.records.captures import capture_from
from chalicelib.storage.records.merges import UNDONE_WITHIN
from chalicelib.storage.values import milliseconds
from tests.book.sightings.lookalike import DAY, enrolled, faces, seen_as
from tests.support.book import person
from tests.support.book.book import MINUTE, MONDAY, Book
from tests.support.consistency.consistency import list_disagreements
from tests.support.fakes import Person

Inverse = Callable[[], object]
Step = Callable[[Book, str, list[str], str], Inverse]
SPAN = Span(milliseconds(MONDAY) - 1, milliseconds(MONDAY + 9 * DAY * MINUTE))
COUNTED = (Split.VISIT, Split.GROUP, Split.CAMERA, Split.STAY, Split.AGAIN, Split.AGE)
OF_CHANGE = ("seq", "revision", "version", "resolved_at", "changed_at", "nonce")
"""Fields that tell of the last change, which an undo is, too, and under which random name a picture
is stored."""


def give(book: Book, gift: Reassignment) -> Callable[[str, str], Inverse]:
    """Give a visit away, as the console does, and return what gives it back."""

    def act(face: str, sighting: str) -> Inverse:
        rejection = book.services.sightings.rejection
        given = rejection.give_visit(book.tenant, face, sighting, gift)
        now = given.rejected.sighting.faceid or ""
        back = Reassignment(other=face, only=given.sightings)
        return lambda: rejection.give_visit(book.tenant, now, sighting, back)

    return act


def correct_to_new(book: Book, face: str, visit: list[str], other: str) -> Inverse:
    return give(book, Reassignment(instead=Instead.NEW, name="Berta Blatt"))(face, visit[1])


def correct_to_stranger(book: Book, face: str, visit: list[str], other: str) -> Inverse:
    return give(book, Reassignment(instead=Instead.STRANGER))(face, visit[1])


def correct_to_known(book: Book, face: str, visit: list[str], other: str) -> Inverse:
    return give(book, Reassignment(other=other))(face, visit[0])


def split(book: Book, face: str, visit: list[str], other: str) -> Inverse:
    """Take one sighting out of a visit."""
    return give(book, Reassignment(instead=Instead.NEW, name="Berta Blatt", only=(visit[2],)))(
        face, visit[2]
    )


def merge(book: Book, face: str, visit: list[str], other: str) -> Inverse:
    done = book.services.merges.merging.merge(book.tenant, face, other)
    return lambda: book.services.merges.merging.undo(book.tenant, done.id)


def move(book: Book, face: str, visit: list[str], other: str) -> Inverse:
    update = book.services.enrolment.update
    update.change_face(book.tenant, face, FaceChanges(new_group_name="VIP"))
    return lambda: update.change_face(book.tenant, face, FaceChanges(new_group_name=REGULAR))


def rename(book: Book, face: str, visit: list[str], other: str) -> Inverse:
    update, name = book.services.enrolment.update, faces(book)[face].name
    update.change_face(book.tenant, face, FaceChanges(name="Somebody Else"))
    return lambda: update.change_face(book.tenant, face, FaceChanges(name=name))


def snapshot(book: Book) -> dict[str, Any]:
    """Return the faces, visits, sightings, rejections and reviews as they are stored, and what is
    answered of them."""
    items, tenant = book.storage.items, book.tenant
    stored = {
        table.name: [*walk_items(items, table, tenant.name)]
        for table in (keys.FACES, keys.ARRIVALS, keys.NEGATIVES, keys.REVIEWS)
    }
    days = range(SPAN.utc_days.start - 1, SPAN.utc_days.stop)
    observations = [
        one
        for day in days
        for one in walk_items(items, keys.OBSERVATIONS, keys.observations(tenant.name, day))
    ]
    statistics, arrivals = book.services.statistics, book.services.sightings.arrivals
    questions = [
        Question(SPAN, Granularity.DAY, Measure.ARRIVALS, split, EVERYTHING) for split in COUNTED
    ]
    listed = arrivals.read_page(tenant, EVERYTHING, SPAN, 100).rows
    return {
        **stored,
        "observations": observations,
        "figures": [statistics.list_buckets(tenant, one) for one in questions],
        "totals": arrivals.count_arrivals(tenant, EVERYTHING, SPAN),
        "arrivals": [
            (one.first, one.last_at, one.sightings, one.number, one.before_at, one.group)
            for one in listed
        ],
        "captures": [
            [(one.resolution, one.faceid, one.decision, one.reason) for one in capture.sightings]
            for capture in map(capture_from, captures_of(items, tenant.name, None))
        ],
    }


def list_differences(place: str, was: Any, now: Any) -> Iterator[str]:
    if isinstance(was, dict) and isinstance(now, dict):
        for name in sorted({*was, *now}.difference(OF_CHANGE)):
            yield from list_differences(f"{place}.{name}", was.get(name), now.get(name))
    elif isinstance(was, list) and isinstance(now, list) and len(was) == len(now):
        for number, pair in enumerate(zip(was, now, strict=True)):
            yield from list_differences(f"{place}[{number}]", *pair)
    elif was != now:
        yield f"{place}: {str(was)[:200]} -> {str(now)[:200]}"


ACTS: Sequence[Step] = (
    correct_to_new,
    correct_to_stranger,
    correct_to_known,
    split,
    merge,
    move,
    rename,
)


KINDS = ("a regular", "a stranger", "somebody who was a stranger")
CASES = [
    (act, kind) for act in ACTS for kind in KINDS if (act, kind) != (move, "a stranger")
]  # who is named to be moved


@pytest.mark.parametrize(
    ("act", "kind"), CASES, ids=lambda one: one if isinstance(one, str) else one.__name__
)
def test_what_is_taken_back_was_never_done(agreeing: Book, act: Step, kind: str) -> None:
    book = agreeing
    book.services.groups.create(book.tenant, "VIP", None, "")
    book.services.webhooks.hooks.add(book.tenant.name, "https://shop.example/hook")
    if kind == "a regular":
        face = enrolled(book, 1)
        book.services.enrolment.update.change_face(
            book.tenant, face, FaceChanges(name="Ann", new_group_name=REGULAR)
        )
    else:
        face, _ = seen_as(book, 0, Person(1))
    visit = [seen_as(book, DAY + minute)[1] for minute in (0, 4, 9)]
    seen_as(book, 2 * DAY, Person(1, likeness=0.9))
    if kind == "somebody who was a stranger":
        book.services.enrolment.update.change_face(
            book.tenant, face, FaceChanges(name="Ann", new_group_name=REGULAR)
        )
    other = enrolled(book, 5)
    before = snapshot(book)
    inverse = act(book, face, visit, other)
    assert snapshot(book) != before
    told = sorted(
        one["id"] for one in walk_items(book.storage.items, keys.OUTBOX, book.tenant.name)
    )
    inverse()
    assert told == sorted(
        one["id"] for one in walk_items(book.storage.items, keys.OUTBOX, book.tenant.name)
    )
    found = list(list_differences("", before, snapshot(book)))
    assert found == []


CORRECTION = AuditEvent(
    "POST /v1/faces/{id}/sightings/{sighting}/reject", "key first", Kind.CHANGE, tenant="shop"
)


def find_capture(book: Book, sighting: str) -> Capture:
    return book.services.captures.get(book.tenant, "door", parts_of_sighting(sighting)[0])


def undo_correction(book: Book, act: Step, face: str, visit: list[str]) -> str:
    """Make a face of somebody's visit, have a hook wait for it, and give the visit back.

    Return the face's id.
    """
    known = {*faces(book)}
    with audit_events.begin_audit_event(CORRECTION):
        inverse = act(book, face, visit, "")
    [made] = {*faces(book)} - known
    book.services.webhooks.hooks.add("shop", None, people=[made])
    with audit_events.begin_audit_event(CORRECTION):
        inverse()
    assert made not in faces(book)
    return made


@pytest.mark.disk
@pytest.mark.parametrize("erases", [True, False])
@pytest.mark.parametrize(
    "act", [correct_to_new, correct_to_stranger, split], ids=lambda one: one.__name__
)
def test_who_was_made_by_a_correction_that_was_undone_is_found_by_the_erasure_of_the_person(
    book: Book, act: Step, erases: bool
) -> None:
    services, tenant = book.services, book.tenant
    services.webhooks.hooks.add("shop", None)
    face, _ = seen_as(book, 0, Person(1))
    finn, _ = seen_as(book, 30, Person(2))
    made = undo_correction(
        book, act, face, [seen_as(book, DAY + minute)[1] for minute in (0, 4, 9)]
    )
    assert [one.other for one in services.merges.records.read_page(tenant, 10).rows] == [], (
        "nobody sees it"
    )
    wanted = {"id": made.encode(), "name": b"Berta"}
    assert {one.partition(" in ")[0] for one in person.left(book, wanted)} >= {"id"}
    services.deletion.delete_faces(tenant, [finn], erase=True)
    person.worked_off(book)
    assert person.left(book, {"id": made.encode()}), "it was never a part of him"
    services.deletion.delete_faces(tenant, [face], erase=erases)
    person.worked_off(book)
    if erases:
        assert person.left(book, wanted) == []
    assert [
        one["id"] for one in walk_items(book.storage.items, keys.HOOKS, "shop") if one.get("people")
    ] == []
    assert [*services.merges.records.list_all("shop")] == []
    assert "Berta" not in str([*walk_items(book.storage.items, keys.OUTBOX, "shop")])
    assert list_disagreements(services, "shop") == []


@pytest.mark.disk
def test_after_a_month_the_audit_tells_who_was_made_by_a_correction_that_was_undone(
    book: Book,
) -> None:
    services, entries = book.services, book.services.audit.erasing.read_entries
    face, _ = seen_as(book, 0, Person(1))
    made = undo_correction(
        book, correct_to_new, face, [seen_as(book, DAY + minute)[1] for minute in (0, 4, 9)]
    )
    book.clock.advance(UNDONE_WITHIN + timedelta(days=1))
    services.sweep.sweep_tenant(book.tenant, book.clock.now())
    assert not [*services.merges.records.list_all("shop")]
    assert entries("shop", {made})
    services.deletion.delete_faces(book.tenant, [face], erase=True)
    person.worked_off(book)
    assert entries("shop", {made}) == []


@pytest.mark.disk
def test_who_was_made_of_the_visit_of_one_who_was_made_is_found_too(book: Book) -> None:
    face, _ = seen_as(book, 0, Person(1))
    visit = [seen_as(book, DAY + 4 * n, Person(1, side_px=90.0 + n))[1] for n in range(3)]
    rejection, known = book.services.sightings.rejection, {*faces(book)}
    given = rejection.give_visit(
        book.tenant, face, visit[0], Reassignment(instead=Instead.NEW, name="Berta Blatt")
    )
    [first] = {*faces(book)} - known
    shown = {one.id for one in faces(book)[first].pictures}
    taken = next(one for one in visit if not shown & find_capture(book, one).photos)
    inner = rejection.give_visit(
        book.tenant,
        first,
        taken,
        Reassignment(instead=Instead.NEW, name="Carla Chrome", only=(taken,)),
    )
    second = inner.rejected.sighting.faceid or ""
    rejection.give_visit(
        book.tenant, second, taken, Reassignment(other=first, only=inner.sightings)
    )
    rejection.give_visit(
        book.tenant, first, visit[0], Reassignment(other=face, only=given.sightings)
    )
    assert {*faces(book)} == known
    other = book.enrol(Person(5)).faceid
    book.services.merges.merging.merge(book.tenant, other, face)
    book.services.deletion.delete_faces(book.tenant, [other], erase=True)
    person.worked_off(book)
    wanted = {name: name.encode() for name in (first, second, "Berta", "Carla")}
    assert person.left(book, wanted) == []
