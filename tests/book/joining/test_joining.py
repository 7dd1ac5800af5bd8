import json
from datetime import timedelta

import pytest

from chalicelib.domain.webhooks import delivery_from
from chalicelib.storage import keys
from chalicelib.storage.items import walk_items
from chalicelib.storage.records.merges import MergeState
from tests.support.book.book import Book
from tests.support.book.people import (
    ANN,
    DAY,
    face,
    good,
    last_sighting,
    poor,
    seen,
    two_strangers,
    with_good_picture,
)


@pytest.fixture
def book(agreeing: Book) -> Book:
    return agreeing


def look(book: Book, faceid: str) -> list[tuple[str, str]]:
    """The survivor and the other of each join."""
    return [
        (one.survivor, one.other) for one in book.services.joining.join_face(book.tenant, faceid)
    ]


def test_two_strangers_are_one_when_a_picture_shows_it_and_the_older_stays(book: Book) -> None:
    first, second = two_strangers(book)
    with_good_picture(book, second)
    assert look(book, second) == [(first, second)]
    assert set(book.faceids()) == {first}
    assert (face(book, first).arrive_count, len(face(book, first).pictures)) == (2, 3)
    [merge] = book.services.merges.records.read_page(book.tenant, 10).rows
    assert merge.joined
    assert merge.state is MergeState.DONE


def test_one_photo_each_is_not_enough(book: Book) -> None:
    two_strangers(book)
    assert [look(book, one) for one in set(book.faceids())] == [[], []]


def test_strangers_who_are_not_alike_stay_two(book: Book) -> None:
    [first], [second] = seen(book, 0, poor(ANN)), seen(book, 60, poor(6))
    with_good_picture(book, first)
    assert look(book, first) == look(book, second) == []


def test_three_faces_of_one_person_become_one_at_one_look(book: Book) -> None:
    first, _ = two_strangers(book)
    [third] = seen(book, 120, poor(ANN, 2))
    with_good_picture(book, third)
    assert look(book, third)[-1][0] == first
    assert set(book.faceids()) == {first}
    assert face(book, first).arrive_count == 3


def test_an_enrolled_face_absorbs_a_stranger_by_its_only_photo(book: Book) -> None:
    [stranger] = seen(book, 0, poor(ANN))
    book.services.groups.create(book.tenant, "staff", None, "")
    # else it does so when it is enrolled
    book.services.tenants.change_settings("shop", {"learns": False})
    enrolled = book.enrol(good(ANN), "staff").faceid
    assert look(book, stranger) == [(enrolled, stranger)]
    assert face(book, enrolled).group_id != "stranger"
    assert face(book, enrolled).arrive_count == 1


def test_two_faces_of_one_picture_are_two_people(book: Book) -> None:
    first, second = seen(book, 0, poor(ANN), poor(ANN, 1))
    book.clock.advance(timedelta(days=1))
    book.services.statistics.sealing.seal_tenant(book.tenant)
    with_good_picture(book, first)
    assert look(book, first) == look(book, second) == []


def test_faces_that_were_once_seen_in_one_picture_stay_two_though_they_mostly_came_alone(
    book: Book,
) -> None:
    first, second = two_strangers(book)
    assert seen(book, 2 * DAY, poor(ANN), poor(ANN, 1)) == [first, second]
    with_good_picture(book, first)
    assert look(book, first) == []


def test_a_rejection_keeps_two_faces_apart(book: Book) -> None:
    [first] = seen(book, 0, good(ANN, 1))
    with_good_picture(book, first, ANN)
    assert seen(book, 60, poor(ANN)) == [first]
    rejected = book.services.sightings.rejection.reject(
        book.tenant, first, last_sighting(book, first)
    )
    second = rejected.sighting.faceid or ""
    assert second != first
    assert look(book, first) == look(book, second) == []


def test_a_face_that_is_gone_is_joined_with_nobody(book: Book) -> None:
    assert look(book, "1") == []


def told(book: Book) -> list[dict[str, object]]:
    """The data of the events that a mailbox holds, oldest merge first."""
    waiting = walk_items(book.storage.items, keys.OUTBOX, book.tenant.name)
    events = [json.loads(delivery_from(item).payload) for item in waiting]
    return [
        {**event["data"], "group": event["group"]}
        for event in events
        if event["type"] == "face.merged"
    ]


def test_hooks_are_told_of_joins_and_of_merges_by_hand(book: Book) -> None:
    book.services.webhooks.hooks.add(book.tenant.name, None)
    first, second = two_strangers(book)
    [third] = seen(book, 3 * DAY, good(7))
    with_good_picture(book, second)
    [joined] = book.services.joining.join_face(book.tenant, first)
    by_hand = book.services.merges.merging.merge(book.tenant, first, third)
    common = {
        "faceid": first,
        "name": "",
        "number": 1,
        "other": second,
        "arrive_count": 2,
        "merge": joined.id,
        "joined": True,
    }
    assert told(book) == [
        {**common, "group": "stranger"},
        {
            **common,
            "group": "regular",
            "other": third,
            "arrive_count": 3,
            "merge": by_hand.id,
            "joined": False,
        },
    ]
