from pathlib import Path

import pytest

from chalicelib.book.cameras import CameraSettings
from chalicelib.domain.captures import Instead, Resolution, sighting_id
from chalicelib.domain.errors import Conflict, FaceNotFound, InvalidInput, LimitReached
from chalicelib.domain.model import MAX_NEGATIVES, Profile
from chalicelib.domain.rules.sighting import Rejected
from chalicelib.storage import keys
from chalicelib.storage.items import walk_items
from tests.book.sightings.lookalike import DAY, enrolled, faces, seen_as
from tests.support.book.book import MINUTE, MONDAY, Book, shot
from tests.support.fakes import Person


@pytest.fixture
def book(agreeing: Book) -> Book:
    return agreeing


def reject(
    book: Book,
    faceid: str,
    sighting: str,
    *,
    other: str | None = None,
    instead: Instead | None = None,
) -> Rejected:
    return book.services.sightings.rejection.reject(
        book.tenant, faceid, sighting, other=other, instead=instead
    )


def test_the_next_sighting_like_it_is_not_the_face_either(book: Book) -> None:
    first, _ = seen_as(book, 0, Person(1))
    _, sighting = seen_as(book, DAY)
    new = reject(book, first, sighting).sighting.faceid
    again, _ = seen_as(book, 2 * DAY)
    assert again == new
    still, _ = seen_as(book, 2 * DAY + 60, Person(1))
    assert still == first


def test_a_rejected_sighting_goes_to_the_next_face_that_matches(book: Book) -> None:
    book.services.groups.create(book.tenant, "staff", None, "")
    alike = book.enrol(Person(1, side_px=80.0), "staff")
    right = book.enrol(Person(1))
    taken_for, sighting = seen_as(book, 0)
    other = ({alike.faceid, right.faceid} - {taken_for}).pop()
    rejected = reject(book, taken_for, sighting)
    assert (rejected.sighting.resolution, rejected.sighting.faceid) == (Resolution.MATCHED, other)
    assert (faces(book)[taken_for].arrive_count, faces(book)[other].arrive_count) == (0, 1)


def test_a_sighting_that_comes_back_by_a_merge_is_rejected_again_and_remembered_once(
    book: Book,
) -> None:
    first, _ = seen_as(book, 0, Person(1))
    taken_for, sighting = seen_as(book, DAY)
    assert taken_for == first
    made = reject(book, first, seen_as(book, 2 * DAY)[1]).sighting.faceid
    assert made is not None
    assert reject(book, first, sighting).sighting.faceid == made
    book.services.merges.merging.merge(book.tenant, first, made)
    assert faces(book)[first].negatives == 2
    reject(book, first, sighting)
    assert faces(book)[first].negatives == 2


def test_where_no_strangers_are_kept_it_is_nobody_and_nothing_is_counted_of_it(book: Book) -> None:
    book.services.cameras.add(book.tenant, "till", "till", CameraSettings(keeps_strangers=False))
    first, _ = seen_as(book, 0, Person(1))
    _, sighting = seen_as(book, DAY, camera="till")
    rejected = reject(book, first, sighting)
    assert rejected.sighting.resolution is Resolution.SKIPPED
    assert "keeps no strangers" in rejected.sighting.reason
    assert sum(book.observed().values()) == 1
    assert book.services.sightings.read_timeline(book.tenant, first).total == 1


def test_a_regular_may_be_a_stranger_again_and_its_sightings_say_so(book: Book) -> None:
    first, _ = seen_as(book, 0, Person(1))
    seen_as(book, DAY, Person(1))
    _, sighting = seen_as(book, 2 * DAY)
    seen_as(book, 2 * DAY + 10, Person(1, side_px=70))
    assert faces(book)[first].group_id == "regular"
    reject(book, first, sighting)  # its visit goes on ten minutes later
    assert faces(book)[first].group_id == "regular"
    assert book.observed()[MONDAY + 2 * DAY * MINUTE, "", "stranger"] == 1
    _, later = seen_as(book, DAY + 5, Person(1, side_px=60))
    assert faces(book)[first].arrive_count == 3
    [last] = [s.id for s in book.services.sightings.read_timeline(book.tenant, first).sightings[:1]]
    reject(book, first, last)
    assert (faces(book)[first].group_id, faces(book)[first].arrive_count) == ("stranger", 2)
    assert {group for _, _, group in book.observed()} == {"stranger"}
    assert later


def test_a_face_learns_from_what_it_was_given_if_that_is_like_its_given_pictures(
    book: Book,
) -> None:
    first, _ = seen_as(book, 0, Person(1))
    _, sighting = seen_as(book, DAY)
    [_, learnt] = faces(book)[first].pictures
    other = enrolled(book, 5)
    reject(book, first, sighting, other=other)
    assert (faces(book)[first].picture_count, faces(book)[other].picture_count) == (1, 1)
    reject(book, other, sighting, other=first)
    assert faces(book)[first].pictures[-1].id == learnt.id


def test_a_stranger_is_one_even_if_somebody_else_would_match(book: Book) -> None:
    alike, right = enrolled(book, 1), Person(1, side_px=80.0)
    book.services.groups.create(book.tenant, "staff", None, "")
    book.enrol(right, "staff")
    taken_for, sighting = seen_as(book, 0)
    known = set(faces(book))
    new = reject(book, taken_for, sighting, instead=Instead.STRANGER).sighting
    assert new.resolution is Resolution.STRANGER
    assert new.faceid not in known
    assert alike in known


def test_a_whole_visit_is_given_although_a_face_remembers_twenty_pictures_only(book: Book) -> None:
    first, _ = seen_as(book, 0, Person(1))
    of_visit = [seen_as(book, DAY + minute)[1] for minute in range(MAX_NEGATIVES + 2)]
    other = enrolled(book, 5)
    for sighting in of_visit:
        assert reject(book, first, sighting, other=other).sighting.faceid == other
    assert (faces(book)[first].negatives, faces(book)[other].arrive_count) == (MAX_NEGATIVES, 1)


def test_whom_to_give_to_is_said_once(book: Book) -> None:
    first, _ = seen_as(book, 0, Person(1))
    _, sighting = seen_as(book, DAY)
    with pytest.raises(InvalidInput, match="leave out instead"):
        reject(book, first, sighting, other=enrolled(book, 5), instead=Instead.NOBODY)
    with pytest.raises(FaceNotFound):
        reject(book, first, sighting, other="nobody")
    assert faces(book)[first].arrive_count == 2


def test_the_sighting_that_a_face_was_made_from_stays_its(book: Book) -> None:
    first, founding = seen_as(book, 0, Person(1))
    with pytest.raises(Conflict, match="a face was made from this sighting"):
        reject(book, first, founding)
    second, other = seen_as(book, 60, Person(2))
    book.services.merges.merging.merge(book.tenant, first, second)
    with pytest.raises(Conflict, match="undo the merge"):
        reject(book, first, other)


def test_without_the_picture_nothing_can_be_told_apart(book: Book) -> None:
    first, _ = seen_as(book, 0, Person(1))
    _, sighting = seen_as(book, DAY)
    book.storage.uploads.delete(f"shop/door/{sighting.rpartition('-')[0]}")
    with pytest.raises(Conflict, match="picture of this sighting is not kept"):
        reject(book, first, sighting)
    assert faces(book)[first].arrive_count == 2


def test_a_face_has_twenty_negatives_at_most(book: Book) -> None:
    first, _ = seen_as(book, 0, Person(1))
    sightings = []
    for number in range(MAX_NEGATIVES + 1):
        taken_for, sighting = seen_as(book, 60 + number, Person(1, side_px=50.0 + number))
        assert taken_for == first
        sightings.append(sighting)
    for sighting in sightings[:-1]:
        reject(book, first, sighting)
    with pytest.raises(LimitReached, match="20 negatives already"):
        reject(book, first, sightings[-1])
    assert faces(book)[first].negatives == MAX_NEGATIVES


def test_of_several_faces_the_one_that_is_meant_leaves(book: Book) -> None:
    book.see(shot(0, 1), shot(60, 2))
    [capture] = book.see(shot(DAY, 2, 1))
    first = next(
        one.faceid
        for one in book.services.sightings.ingest.resolve_capture(
            "shop", "door", capture.id
        ).sightings
        if one.number
    )
    assert first is not None
    rejected = reject(book, first, sighting_id(capture.id, 1))
    assert [one.resolution for one in rejected.capture.sightings] == [
        Resolution.MATCHED,
        Resolution.STRANGER,
    ]
    assert rejected.capture.sightings[0].faceid != first


def test_a_merged_face_is_told_from_what_either_was(book: Book) -> None:
    first, _ = seen_as(book, 0, Person(1))
    # the same person, from a picture that says less
    second, _ = seen_as(book, 60, Person(1, quality=70, likeness=0.5))
    assert second != first
    _, sighting = seen_as(book, DAY)
    new = reject(book, first, sighting).sighting.faceid
    merge = book.services.merges.merging.merge(book.tenant, second, first)
    assert faces(book)[second].negatives == 1
    assert seen_as(book, 2 * DAY)[0] == new
    assert seen_as(book, 2 * DAY, Person(1))[0] == second
    book.services.merges.merging.undo(book.tenant, merge.id)
    assert (faces(book)[first].negatives, faces(book)[second].negatives) == (1, 0)
    assert len(list(walk_items(book.storage.items, keys.NEGATIVES, "shop"))) == 1
    assert seen_as(book, 3 * DAY)[0] == new


def test_a_sighting_rejected_from_a_merged_face_does_not_come_back_with_the_other(
    book: Book,
) -> None:
    first, _ = seen_as(book, 0, Person(1))
    second, _ = seen_as(book, 60, Person(2))
    _, sighting = seen_as(book, DAY, Person(2, side_px=90.0))
    merge = book.services.merges.merging.merge(book.tenant, first, second)
    new = reject(book, first, sighting).sighting.faceid
    book.services.merges.merging.undo(book.tenant, merge.id)
    counts = {faceid: face.arrive_count for faceid, face in faces(book).items()}
    assert counts == {first: 1, second: 1, new: 1}


def test_the_new_stranger_takes_the_place_of_another_than_the_face_it_left(tmp_path: Path) -> None:
    book = Book(tmp_path / "data", profile=Profile.CAMERA)
    book.services.groups.change_by_name(book.tenant, "stranger", {"capacity": 2})
    first, _ = seen_as(book, 0, Person(1))
    second, _ = seen_as(book, 10, Person(2))
    _, sighting = seen_as(book, 20)
    rejected = reject(book, first, sighting)
    assert set(faces(book)) == {first, rejected.sighting.faceid}
    assert second not in faces(book)
    assert book.disagreements() == []
    book.close()
