from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import pytest
from msgspec.structs import replace

from chalicelib.book.model_change import ReembeddedNegatives, ReembeddingOutcome
from chalicelib.domain.captures import Capture, Resolution, sighting_id
from chalicelib.domain.errors import WrongModel
from chalicelib.domain.model import Face
from chalicelib.domain.rules.sighting import Rejected
from chalicelib.storage.ports import Storage
from tests.support.book.book import MINUTE, MONDAY, Book, Shot, shot
from tests.support.book.recount_visits import disagreements_of_visits
from tests.support.fakes import REFUSING_VISIONS, FakeVision, OtherVision, Person
from tests.support.meanwhile import Meanwhile

TRANSACTIONS = range(8)
"""More than any of these takes."""


def change(book: Book) -> ReembeddingOutcome:
    return book.services.reembedding.change_model("shop", FakeVision(), OtherVision())


def rejected(book: Book, capture: Capture, faceid: str) -> Rejected:
    """The capture's first sighting is rejected, as a route does it: once more if the model changes
    in the middle."""
    with suppress(WrongModel):
        return book.services.sightings.rejection.reject(
            book.tenant, faceid, sighting_id(capture.id, 0)
        )
    return book.services.sightings.rejection.reject(book.tenant, faceid, sighting_id(capture.id, 0))


def changed_elsewhere(folder: Path) -> None:
    """By a process of its own."""
    with closing(Book(folder)) as elsewhere:
        assert change(elsewhere).failures == {}


def lose_pictures(book: Book) -> None:
    for blob in book.storage.blobs.walk("shop/faces/"):
        book.storage.blobs.delete(blob.key)


def models(face: Face) -> set[str]:
    return {template.model for template in face.templates}


def interrupted(
    folder: Path, before: int, by: Callable[[Path], object] = changed_elsewhere
) -> tuple[Book, Callable[[], None]]:
    """A book, and what has its model changed, or `by` done, before its so many-th transaction from
    then on."""
    around: list[Meanwhile] = []

    def wrap(storage: Storage) -> Storage:
        around.append(Meanwhile(storage.items))
        return replace(storage, items=around[0])

    def begin() -> None:
        around[0].first = [*[lambda: None] * before, lambda: by(folder)]

    return Book(folder, wrap), begin


def test_a_process_that_knew_the_old_model_reads_captures_by_the_new_one(
    book: Book, tmp_path: Path
) -> None:
    [first] = book.see(shot(0, 1))
    changed_elsewhere(tmp_path / "data")
    [again, new] = book.see(shot(60, 1), shot(61, 2))
    assert again.sightings[0].resolution is Resolution.MATCHED
    assert again.sightings[0].faceid == first.sightings[0].faceid
    assert new.sightings[0].resolution is Resolution.STRANGER
    by_id = {face.faceid: face for face in book.faces()}
    assert models(by_id[first.sightings[0].faceid or ""]) == {"fake", "other"}
    assert models(by_id[new.sightings[0].faceid or ""]) == {"other"}


@pytest.mark.parametrize("vision", REFUSING_VISIONS)
def test_whom_the_old_model_would_skip_is_looked_at_by_the_new_one(
    tmp_path: Path, vision: type[FakeVision]
) -> None:
    with closing(Book(tmp_path / "data", vision=vision())) as book:
        book.services.tenants.change_settings("shop", {"least_liveness": 0.5})
        book.services.tenants.change_settings("shop", {"enrol_quality": 60})
        [before] = book.see(shot(0, 1))
        assert [one.resolution for one in before.sightings] in ([], [Resolution.SKIPPED])
        changed_elsewhere(tmp_path / "data")
        [capture] = book.see(Shot(MONDAY + 60 * MINUTE, (Person(1), Person(2, side_px=90.0))))
        assert [one.resolution for one in capture.sightings] == [Resolution.STRANGER] * 2
        assert {frozenset(models(face)) for face in book.faces()} == {frozenset({"other"})}


def test_a_process_that_knew_the_old_model_has_a_rejected_picture_remembered_by_the_new_one(
    book: Book, tmp_path: Path
) -> None:
    [first, second] = book.see(shot(0, 1), Shot(MONDAY + 60 * MINUTE, (Person(1, 90.0),)))
    faceid = first.sightings[0].faceid or ""
    changed_elsewhere(tmp_path / "data")
    new = book.services.sightings.rejection.reject(
        book.tenant, faceid, sighting_id(second.id, 0)
    ).sighting.faceid
    book.services.deletion.delete_faces_of_group(book.tenant, "stranger", [new or ""])
    [again] = book.see(Shot(MONDAY + 120 * MINUTE, (Person(1, 90.0),)))
    assert again.sightings[0].resolution is Resolution.STRANGER


@pytest.mark.parametrize("before", TRANSACTIONS)
def test_a_capture_whose_model_changes_in_the_middle_is_resolved_as_any(
    tmp_path: Path, before: int
) -> None:
    book, begin = interrupted(tmp_path / "data", before)
    with closing(book):
        book.see(shot(0, 1, 2))
        begin()
        [capture] = book.see(
            Shot(MONDAY + 60 * MINUTE, (Person(1), Person(3, 90.0), Person(2, 80.0)))
        )
        kinds = [sighting.resolution for sighting in capture.sightings]
        assert kinds == [Resolution.MATCHED, Resolution.STRANGER, Resolution.MATCHED]
        [later] = book.see(
            Shot(MONDAY + 120 * MINUTE, (Person(1), Person(3, 90.0), Person(2, 80.0)))
        )
        assert faceids(later) == faceids(capture)
        assert sorted(face.arrive_count for face in book.faces()) == [2, 3, 3]
        assert disagreements_of_visits(book) == []


@pytest.mark.parametrize("before", TRANSACTIONS)
def test_a_sighting_that_is_rejected_meanwhile_is_resolved_anew(
    tmp_path: Path, before: int
) -> None:
    book, begin = interrupted(tmp_path / "data", before)
    with closing(book):
        [first] = book.see(shot(0, 1))
        [second] = book.see(Shot(MONDAY + 60 * MINUTE, (Person(1, 90.0),)))
        faceid = first.sightings[0].faceid or ""
        begin()
        done = rejected(book, second, faceid)
        assert done.sighting.resolution is Resolution.STRANGER
        assert done.sighting.faceid != faceid
        assert disagreements_of_visits(book) == []
        if book.tenant.model == "fake":  # it took fewer transactions
            change(book)
        assert change(book).rejected == ReembeddedNegatives()


@pytest.mark.parametrize("before", TRANSACTIONS)
def test_a_picture_that_is_rejected_during_the_change_is_known_by_the_new_model(
    tmp_path: Path, before: int
) -> None:
    def elsewhere(folder: Path) -> None:
        with closing(Book(folder)) as other:
            rejected(other, second, first.sightings[0].faceid or "")

    book, begin = interrupted(tmp_path / "data", before, elsewhere)
    with closing(book):
        [first] = book.see(shot(0, 1))
        [second] = book.see(Shot(MONDAY + 60 * MINUTE, (Person(1, 90.0),)))
        begin()
        change(book)
        assert change(book).rejected == ReembeddedNegatives()


def test_a_face_is_told_from_a_rejected_picture_by_the_new_model_too(book: Book) -> None:
    lookalike = Person(1, 90.0)
    [first, second] = book.see(shot(0, 1), Shot(MONDAY + 60 * MINUTE, (lookalike,)))
    faceid = first.sightings[0].faceid or ""
    new = book.services.sightings.rejection.reject(
        book.tenant, faceid, sighting_id(second.id, 0)
    ).sighting.faceid
    book.services.deletion.delete_faces_of_group(book.tenant, "stranger", [new or ""])
    assert change(book).rejected == ReembeddedNegatives(embedded=1)
    assert change(book).rejected == ReembeddedNegatives()
    [again] = book.see(Shot(MONDAY + 120 * MINUTE, (lookalike,)))
    assert again.sightings[0].resolution is Resolution.STRANGER
    [itself] = book.see(shot(180, 1))
    assert faceids(itself) == [faceid]


def test_a_rejected_picture_whose_capture_is_gone_is_counted(book: Book) -> None:
    [first, second] = book.see(shot(0, 1), Shot(MONDAY + 60 * MINUTE, (Person(1, 90.0),)))
    book.services.sightings.rejection.reject(
        book.tenant, first.sightings[0].faceid or "", sighting_id(second.id, 0)
    )
    book.storage.uploads.delete(f"shop/door/{second.id}")
    assert change(book).rejected == ReembeddedNegatives(without_capture=1)
    assert change(book).failures == {}


def test_a_merged_face_is_found_by_what_came_from_the_other_before_the_change_and_after(
    book: Book,
) -> None:
    [one, other] = [
        capture.sightings[0].faceid or "" for capture in book.see(shot(0, 1), shot(60, 2))
    ]
    book.services.merges.merging.merge(book.tenant, one, other)
    assert [faceids(capture) for capture in book.see(shot(120, 1), shot(121, 2))] == [[one], [one]]
    assert change(book).failures == {}
    [face] = book.faces()
    assert [{template.model for template in each.templates} for each in face.pictures] == [
        {"fake", "other"}
    ] * 2
    assert len(set(face.picture_keys)) == 2
    assert [faceids(capture) for capture in book.see(shot(180, 1), shot(181, 2))] == [[one], [one]]
    assert change(book).failures == {}


def test_a_merge_is_undone_after_the_change_and_both_are_found(book: Book) -> None:
    [one, other] = [
        capture.sightings[0].faceid or "" for capture in book.see(shot(0, 1), shot(60, 2))
    ]
    merge = book.services.merges.merging.merge(book.tenant, one, other)
    change(book)
    book.services.merges.merging.undo(book.tenant, merge.id)
    assert {face.faceid: models(face) for face in book.faces()} == {
        one: {"fake", "other"},
        other: {"fake", "other"},
    }
    assert [faceids(capture) for capture in book.see(shot(120, 1), shot(121, 2))] == [
        [one],
        [other],
    ]


def test_a_merge_is_undone_after_the_change_and_the_rejected_picture_is_known_by_the_new_model(
    book: Book,
) -> None:
    [one, other] = [
        capture.sightings[0].faceid or "" for capture in book.see(shot(0, 1), shot(60, 2))
    ]
    [alike] = book.see(Shot(MONDAY + 120 * MINUTE, (Person(2, 90.0),)))
    rejected(book, alike, other)
    merge = book.services.merges.merging.merge(book.tenant, one, other)
    assert change(book).rejected == ReembeddedNegatives(embedded=1)
    book.services.merges.merging.undo(book.tenant, merge.id)
    assert change(book).rejected == ReembeddedNegatives()


def test_a_merge_is_undone_after_the_change_even_if_the_pictures_are_gone(book: Book) -> None:
    [one, other] = [
        capture.sightings[0].faceid or "" for capture in book.see(shot(0, 1), shot(60, 2))
    ]
    merge = book.services.merges.merging.merge(book.tenant, one, other)
    change(book)
    lose_pictures(book)
    book.services.merges.merging.undo(book.tenant, merge.id)
    assert {face.faceid: models(face) for face in book.faces()} == {
        one: {"fake", "other"},
        other: {"fake"},
    }


def test_a_merge_is_undone_after_the_change_even_if_the_survivors_own_picture_was_gone(
    book: Book,
) -> None:
    """Searches found it by the pictures that came from the other."""
    [one, other] = [
        capture.sightings[0].faceid or "" for capture in book.see(shot(0, 1), shot(60, 2))
    ]
    merge = book.services.merges.merging.merge(book.tenant, one, other)
    [face] = book.faces()
    book.storage.blobs.delete(face.picture_key)
    outcome = change(book)
    assert (sorted(outcome.failures), outcome.lost) == ([one], frozenset())
    book.services.merges.merging.undo(book.tenant, merge.id)
    assert {face.faceid: models(face) for face in book.faces()} == {
        one: {"fake"},
        other: {"fake", "other"},
    }


def test_two_faces_that_have_no_picture_for_the_new_model_can_still_be_merged(book: Book) -> None:
    [one, other] = [
        capture.sightings[0].faceid or "" for capture in book.see(shot(0, 1), shot(60, 2))
    ]
    lose_pictures(book)
    assert sorted(change(book).failures) == sorted([one, other])
    book.services.merges.merging.merge(book.tenant, one, other)
    assert [face.faceid for face in book.faces()] == [one]


def faceids(capture: Capture) -> list[str | None]:
    return [sighting.faceid for sighting in capture.sightings]
