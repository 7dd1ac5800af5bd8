"""An undo undoes: whatever a person did and took back, the book is as it was, byte by byte."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from chalicelib.book.enrolment.enrolment import FaceChanges
from chalicelib.book.records.captures import capture_from
from chalicelib.book.rules.sighting import Gift
from chalicelib.book.statistics.statistics import Question
from chalicelib.book.words import keys
from chalicelib.book.words.captures import Instead
from chalicelib.book.words.items import captures_of, every
from chalicelib.book.words.local_time import Granularity, Span
from chalicelib.book.words.model import REGULAR
from chalicelib.book.words.observations import EVERYTHING, Measure, Split
from chalicelib.book.words.values import milliseconds
from tests.book.sightings.lookalike import DAY, enrolled, faces, seen_as
from tests.support.book.book import MINUTE, MONDAY, Book
from tests.support.fakes import Person

Inverse = Callable[[], object]
Act = Callable[[Book, str, list[str], str], Inverse]
SPAN = Span(milliseconds(MONDAY) - 1, milliseconds(MONDAY + 9 * DAY * MINUTE))
COUNTED = (Split.VISIT, Split.GROUP, Split.CAMERA, Split.STAY, Split.AGAIN, Split.AGE)
OF_CHANGE = ("seq", "revision", "version", "resolved_at", "changed_at", "nonce")
"""Fields that tell of the last change, which an undo is, too, and under which random name a picture is stored."""


def give(book: Book, gift: Gift) -> Callable[[str, str], Inverse]:
    """Give a visit away, as the console does, and return what gives it back."""

    def act(face: str, sighting: str) -> Inverse:
        rejection = book.services.sightings.rejection
        given = rejection.give(book.tenant, face, sighting, gift)
        now = given.rejected.sighting.faceid or ""
        back = Gift(other=face, only=given.sightings)
        return lambda: rejection.give(book.tenant, now, sighting, back)

    return act


def correct_to_new(book: Book, face: str, visit: list[str], other: str) -> Inverse:
    return give(book, Gift(instead=Instead.NEW, name="Berta Blatt"))(face, visit[1])


def correct_to_stranger(book: Book, face: str, visit: list[str], other: str) -> Inverse:
    return give(book, Gift(instead=Instead.STRANGER))(face, visit[1])


def correct_to_known(book: Book, face: str, visit: list[str], other: str) -> Inverse:
    return give(book, Gift(other=other))(face, visit[0])


def split(book: Book, face: str, visit: list[str], other: str) -> Inverse:
    """Take one sighting out of a visit."""
    return give(book, Gift(instead=Instead.NEW, name="Berta Blatt", only=(visit[2],)))(face, visit[2])


def merge(book: Book, face: str, visit: list[str], other: str) -> Inverse:
    done = book.services.merges.merging.merge(book.tenant, face, other)
    return lambda: book.services.merges.merging.undo(book.tenant, done.id)


def move(book: Book, face: str, visit: list[str], other: str) -> Inverse:
    update = book.services.enrolment.update
    update.of_id(book.tenant, face, FaceChanges(new_group_name="VIP"))
    return lambda: update.of_id(book.tenant, face, FaceChanges(new_group_name=REGULAR))


def rename(book: Book, face: str, visit: list[str], other: str) -> Inverse:
    update, name = book.services.enrolment.update, faces(book)[face].name
    update.of_id(book.tenant, face, FaceChanges(name="Somebody Else"))
    return lambda: update.of_id(book.tenant, face, FaceChanges(name=name))


def snapshot(book: Book) -> dict[str, Any]:
    """Return the faces, visits, sightings, rejections and reviews as they are stored, and what is answered of them."""
    items, tenant = book.storage.items, book.tenant
    stored = {
        table.name: [*every(items, table, tenant.name)]
        for table in (keys.FACES, keys.ARRIVALS, keys.NEGATIVES, keys.REVIEWS)
    }
    days = range(SPAN.utc_days.start - 1, SPAN.utc_days.stop)
    observations = [one for day in days for one in every(items, keys.OBSERVATIONS, keys.observations(tenant.name, day))]
    statistics, arrivals = book.services.statistics, book.services.sightings.arrivals
    questions = [Question(SPAN, Granularity.DAY, Measure.ARRIVALS, split, EVERYTHING) for split in COUNTED]
    listed = arrivals.page(tenant, EVERYTHING, SPAN, 100).rows
    return {
        **stored,
        "observations": observations,
        "figures": [statistics.amounts(tenant, one) for one in questions],
        "totals": arrivals.totals(tenant, EVERYTHING, SPAN),
        "arrivals": [(one.first, one.last_at, one.sightings, one.number, one.before_at, one.group) for one in listed],
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


ACTS: Sequence[Act] = (correct_to_new, correct_to_stranger, correct_to_known, split, merge, move, rename)


KINDS = ("a regular", "a stranger", "somebody who was a stranger")
CASES = [
    (act, kind) for act in ACTS for kind in KINDS if (act, kind) != (move, "a stranger")
]  # who is named to be moved


@pytest.mark.parametrize(("act", "kind"), CASES, ids=lambda one: one if isinstance(one, str) else one.__name__)
def test_what_is_taken_back_was_never_done(agreeing: Book, act: Act, kind: str) -> None:
    book = agreeing
    book.services.groups.create(book.tenant, "VIP", None, "")
    book.services.webhooks.hooks.add(book.tenant.name, "https://shop.example/hook")
    if kind == "a regular":
        face = enrolled(book, 1)
        book.services.enrolment.update.of_id(book.tenant, face, FaceChanges(name="Ann", new_group_name=REGULAR))
    else:
        face, _ = seen_as(book, 0, Person(1))
    visit = [seen_as(book, DAY + minute)[1] for minute in (0, 4, 9)]
    seen_as(book, 2 * DAY, Person(1, likeness=0.9))
    if kind == "somebody who was a stranger":
        book.services.enrolment.update.of_id(book.tenant, face, FaceChanges(name="Ann", new_group_name=REGULAR))
    other = enrolled(book, 5)
    before = snapshot(book)
    inverse = act(book, face, visit, other)
    assert snapshot(book) != before
    told = sorted(one["id"] for one in every(book.storage.items, keys.OUTBOX, book.tenant.name))
    inverse()
    assert told == sorted(one["id"] for one in every(book.storage.items, keys.OUTBOX, book.tenant.name))
    found = list(list_differences("", before, snapshot(book)))
    assert found == []
