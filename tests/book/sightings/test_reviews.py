from datetime import timedelta
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.captures import sighting_id
from chalicelib.domain.errors import InvalidInput
from chalicelib.domain.model import Decision, PromotionSettings
from chalicelib.domain.observations import NearFace, Review, ReviewKind, review_id
from chalicelib.domain.pictures import BoundingBox
from chalicelib.storage import keys
from chalicelib.storage.items import walk_items
from chalicelib.storage.records.observations import review_from, review_item
from chalicelib.storage.values import moment
from tests.support.book.book import MINUTE, MONDAY, Book, Shot
from tests.support.fakes import Person
from tests.support.paged import paged

DAY = 24 * 60
LOOKALIKE = Person(1, side_px=90.0)
"""Taken for person 1, from a picture that is not like the others of it."""


@pytest.fixture
def book(book: Book) -> Book:
    book.services.groups.set_promotion_settings(book.tenant, PromotionSettings(3, 7))
    return book


def reviews(book: Book, kind: ReviewKind | None = None) -> list[Review]:
    page = book.services.sightings.reviews.read_page(book.tenant, kind, 100)
    assert page.next_token is None
    return page.rows


def stored(book: Book) -> list[str]:
    return [item["id"] for item in walk_items(book.storage.items, keys.REVIEWS, "shop")]


def all_matches_are_close(book: Book) -> None:
    book.services.tenants.change_settings("shop", {"review_margin": 0.5})


def seen_as(book: Book, minutes: float, person: Person = LOOKALIKE) -> tuple[str, str]:
    [capture] = book.see(Shot(MONDAY + minutes * MINUTE, (person,)))
    [sighting] = capture.sightings
    assert sighting.faceid is not None
    return sighting.faceid, sighting_id(capture.id, 0)


def promoted(book: Book, seed: int = 7) -> str:
    """Somebody who came on three days."""
    captures = book.see(*(_seen_on(day, seed) for day in range(3)))
    faceid = captures[0].sightings[0].faceid
    assert faceid is not None
    return faceid


def _seen_on(day: int, seed: int) -> Shot:
    return Shot(MONDAY + day * DAY * MINUTE, (Person(seed, side_px=100.0 - 5 * day),))


# --- what is asked
# --------------------------------------------------------------------------------------------------


def test_a_close_match_comes_with_the_faces_that_it_was_most_like(book: Book) -> None:
    all_matches_are_close(book)
    for seed in range(2, 9):
        seen_as(book, -10 * seed, Person(seed))
    faceid, _ = seen_as(book, 0, Person(1))
    seen_as(book, 10)
    [review] = [one for one in reviews(book, ReviewKind.UNCERTAIN) if one.faceid == faceid]
    assert review.near[0].faceid == faceid
    assert len({one.faceid for one in review.near}) == 5
    assert [one.score for one in review.near] == sorted(
        (one.score for one in review.near), reverse=True
    )


def test_a_capture_that_is_delivered_twice_asks_once_and_brings_no_review_back(book: Book) -> None:
    all_matches_are_close(book)
    seen_as(book, 0, Person(1))
    capture = book.put(Shot(MONDAY + 10 * MINUTE, (LOOKALIKE,)))
    book.deliver(capture)
    book.deliver(capture)
    [review] = reviews(book)
    book.services.sightings.reviews.forget_review(book.tenant, review.id)
    book.deliver(capture)
    assert reviews(book) == []


# --- when it is over
# --------------------------------------------------------------------------------------------------


def test_a_rejected_sighting_is_not_asked_about_any_more(book: Book) -> None:
    all_matches_are_close(book)
    seen_as(book, 0, Person(1))
    faceid, sighting = seen_as(book, 10)
    book.services.sightings.rejection.reject(book.tenant, faceid, sighting)
    assert reviews(book) == []
    assert stored(book) == []


def test_what_is_asked_about_a_face_goes_with_it_and_leaves_storage_with_the_sweep(
    book: Book,
) -> None:
    all_matches_are_close(book)
    seen_as(book, 0, Person(1))
    seen_as(book, 10)
    faceid = promoted(book)
    assert {one.kind for one in reviews(book)} == set(ReviewKind)
    for face in book.faces():
        group = book.services.groups.find_by_id(book.tenant, face.group_id)
        book.services.deletion.delete_faces_of_group(book.tenant, group.name, [face.faceid])
    assert reviews(book) == []
    assert review_id(ReviewKind.PROMOTED, faceid) in stored(book)
    book.services.sweep.sweep_tenant(book.tenant, book.clock.now().replace(hour=3))
    assert stored(book) == []


def test_a_regular_who_is_merged_into_another_face_is_asked_about_again_if_that_is_undone(
    book: Book,
) -> None:
    all_matches_are_close(book)
    one, other = promoted(book, 7), promoted(book, 8)
    before = {review.id for review in reviews(book)}
    merge = book.services.merges.merging.merge(book.tenant, one, other)
    assert {review.faceid for review in reviews(book)} == {one}
    book.services.merges.merging.undo(book.tenant, merge.id)
    assert {review.id for review in reviews(book)} == before


def test_a_face_that_is_no_regular_after_all_is_not_asked_about(book: Book) -> None:
    faceid = promoted(book)
    [sighting] = [one for one in stored(book) if one.startswith("promoted-")]
    assert sighting == review_id(ReviewKind.PROMOTED, faceid)
    last = book.services.sightings.read_timeline(book.tenant, faceid, 1).sightings[0].id
    book.services.sightings.rejection.reject(book.tenant, faceid, last)
    assert reviews(book, ReviewKind.PROMOTED) == []


def test_a_review_is_over_when_the_picture_of_its_sighting_is_not_kept_any_more(book: Book) -> None:
    promoted(book)
    book.clock.advance(timedelta(days=17) - timedelta(days=1))
    assert len(reviews(book)) == 1
    book.clock.advance(timedelta(days=3))
    assert reviews(book) == []
    book.services.sweep.sweep_tenant(book.tenant, book.clock.now().replace(hour=3))
    assert stored(book) == []


# --- pages
# --------------------------------------------------------------------------------------------------


def test_pages_have_every_open_review_once_and_pass_over_the_others(book: Book) -> None:
    all_matches_are_close(book)
    seen_as(book, 0, Person(1))
    for number in range(1, 8):
        seen_as(book, number * 10)
    expected = [one.id for one in reviews(book, ReviewKind.UNCERTAIN)]
    assert expected == sorted(expected, reverse=True)
    book.services.sightings.reviews.forget_review(book.tenant, expected.pop(3))
    for limit in (1, 2, 3, 100):
        read = partial(
            book.services.sightings.reviews.read_page, book.tenant, ReviewKind.UNCERTAIN, limit
        )
        assert [one.id for page in paged(read) for one in page.rows] == expected
    token = book.services.sightings.reviews.read_page(
        book.tenant, ReviewKind.UNCERTAIN, 1
    ).next_token
    with pytest.raises(InvalidInput, match="page token"):
        book.services.sightings.reviews.read_page(book.tenant, None, 1, token)


@given(
    st.builds(
        Review,
        kind=st.sampled_from(ReviewKind),
        at=st.integers(1_600_000_000_000, 4_000_000_000_000).map(moment),
        faceid=st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True),
        camera=st.just("door"),
        sighting_id=st.just("1795170160123-5f0e8a0b7a1c2d3e4f506172-0"),
        decision=st.none() | st.just(Decision(0.5, 0.25, 7, 0.001)),
        box=st.none() | st.just(BoundingBox(1.5, -2.0, 30.0, 40.5)),
        near=st.sampled_from([(), (NearFace("eva", 0.5), NearFace("7", -0.25))]),
        twice=st.booleans(),
    )
)
def test_a_review_is_read_as_it_was_written_and_stands_with_its_kind(review: Review) -> None:
    item = review_item("shop", review)
    assert review_from(item) == review
    low, high = keys.reviews_range(review.kind)
    assert low < item["id"] < high
