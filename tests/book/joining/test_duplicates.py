from datetime import timedelta

import pytest

from chalicelib.domain.errors import DuplicateNotFound
from chalicelib.storage import keys
from chalicelib.storage.items import walk_items
from tests.support.book.book import Book
from tests.support.book.people import ANN, poor, seen, two_strangers, with_good_picture


def look(book: Book) -> None:
    assert book.services.joining.join_tenant(book.tenant)


def suggested(book: Book) -> list[tuple[str, str]]:
    page = book.services.merges.duplicates.read_page(book.tenant, 100)
    assert page.next_token is None
    return [(one.duplicate.first, one.duplicate.second) for one in page.rows]


def stored(book: Book) -> list[str]:
    return [item["id"] for item in walk_items(book.storage.items, keys.DUPLICATES, "shop")]


def test_a_less_sure_pair_is_suggested_with_what_it_would_have_needed(book: Book) -> None:
    first, second = two_strangers(book)
    look(book)
    assert suggested(book) == [(first, second)]
    [one] = book.services.merges.duplicates.read_page(book.tenant, 1).rows
    assert [face.faceid for face in one.faces] == [first, second]
    decision = one.duplicate.decision
    assert 0.38 < decision.score < decision.threshold
    assert decision.gallery_size == 2


def test_people_who_are_not_alike_are_not_suggested(book: Book) -> None:
    seen(book, 0, poor(1))
    seen(book, 60, poor(6))
    look(book)
    assert stored(book) == []


def test_two_faces_of_one_picture_are_not_suggested(book: Book) -> None:
    seen(book, 0, poor(ANN), poor(ANN, 1))
    look(book)
    assert stored(book) == []


def test_a_suggestion_is_over_when_its_faces_are_joined(book: Book) -> None:
    first, second = two_strangers(book)
    look(book)
    with_good_picture(book, second)
    look(book)
    assert [one.faceid for one in book.faces()] == [first]
    assert suggested(book) == stored(book) == []


def test_two_who_are_said_to_be_two_are_neither_suggested_nor_joined_any_more(book: Book) -> None:
    first, second = two_strangers(book)
    look(book)
    book.services.merges.duplicates.note_two_people(book.tenant, f"{first}.{second}")
    assert suggested(book) == []
    with_good_picture(book, second)
    look(book)
    assert set(book.faceids()) == {first, second}
    assert suggested(book) == []
    for again in (f"{first}.{second}", f"{second}.{first}", f"{first}.7", "7", "", "a b.c"):
        with pytest.raises(DuplicateNotFound):
            book.services.merges.duplicates.note_two_people(book.tenant, again)


def test_an_undone_join_is_not_done_again(book: Book) -> None:
    first, second = two_strangers(book)
    with_good_picture(book, second)
    look(book)
    [merge] = book.services.merges.records.read_page(book.tenant, 10).rows
    book.services.merges.merging.undo(book.tenant, merge.id)
    with_good_picture(book, first)
    look(book)
    assert set(book.faceids()) == {first, second}
    assert suggested(book) == []


def test_who_is_two_stays_so_when_one_of_them_is_merged_into_another_face(book: Book) -> None:
    first, second = two_strangers(book)
    [third] = seen(book, 120, poor(1))
    look(book)
    book.services.merges.duplicates.note_two_people(book.tenant, f"{first}.{second}")
    book.services.merges.merging.merge(book.tenant, third, second)
    with_good_picture(book, first)
    look(book)
    assert set(book.faceids()) == {first, third}
    book.services.merges.duplicates.delete_past_pairs(book.tenant)
    assert stored(book) == sorted([f"{first}.{second}", f"{first}.{third}"])
    book.clock.advance(timedelta(days=40))
    book.services.sweep.sweep_tenant(book.tenant, book.clock.now().replace(hour=3))
    assert stored(book) == [f"{first}.{third}"]


def test_the_sweep_forgets_the_pairs_of_faces_that_are_gone(book: Book) -> None:
    first, second = two_strangers(book)
    look(book)
    book.services.deletion.delete_faces(book.tenant, [first])
    assert suggested(book) == []
    assert stored(book) == [f"{first}.{second}"]
    book.services.sweep.sweep_tenant(book.tenant, book.clock.now().replace(hour=3))
    assert stored(book) == []
