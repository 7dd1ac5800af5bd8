"""Sightings of one visit are evidence for each other: just below the threshold, beside one that was
surely the face."""

import random
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.book.enrolment.fields import FaceChanges
from chalicelib.book.recognition.recognition import NEAREST
from chalicelib.domain.captures import Resolution, Sighting, sighting_id
from chalicelib.domain.rules.decision import FACES_IN_A_MINUTE, FACES_IN_A_TRACK, SMALLEST_GALLERY
from tests.support.book.book import MINUTE, MONDAY, Book, Shot
from tests.support.book.outcome import RULE, deliver, outcome
from tests.support.book.recount_visits import disagreements_of_visits
from tests.support.examples import examples
from tests.support.fakes import CURVE, FakeVision, Person, picture

GALLERY, IN_A_MINUTE, IN_A_TRACK = map(
    CURVE.identify_threshold, (SMALLEST_GALLERY, FACES_IN_A_MINUTE, FACES_IN_A_TRACK)
)
ANN, BOB = 1, 2
DAY_S = 24 * 3600


def embedded(person: Person) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    vision = FakeVision()
    image = np.frombuffer(picture(person), dtype=np.uint8).reshape(1, -1, 1)
    return vision.embed(image, vision.detect(image))[0]


def poor(seed: int, score: float, side_px: float = 99.0, quality: float = 80.0) -> Person:
    """A picture of somebody that has about this score with the good one, `Person(seed)`."""
    good = embedded(Person(seed))
    poses = [Person(seed, side_px, quality, likeness=share / 200) for share in range(20, 180)]
    return min(poses, key=lambda pose: abs(float(embedded(pose) @ good) - score))


def seen(seconds: float, *people: Person, camera: str = "door", track: str = "") -> Shot:
    return Shot(MONDAY + seconds / 60 * MINUTE, people, camera, track)


GOOD = Person(ANN)
NEARLY = poor(ANN, (GALLERY + IN_A_MINUTE) / 2)
HARDLY = poor(ANN, (IN_A_MINUTE + IN_A_TRACK) / 2)


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Book]:
    with closing(Book(tmp_path / "data", cameras=("door", "till"))) as book:
        yield book


def resolved(book: Book, *shots: Shot) -> list[Sighting]:
    return [sighting for capture in book.see(*shots) for sighting in capture.sightings]


@pytest.mark.parametrize("seconds", [-60, -1, 1, 60])
def test_a_poor_picture_within_a_minute_of_a_good_one_is_the_same_person(
    book: Book, seconds: float
) -> None:
    first, second = book.see(seen(0, GOOD), seen(seconds, NEARLY))
    [sighting] = second.sightings
    assert (sighting.resolution, sighting.faceid) == (Resolution.MATCHED, first.sightings[0].faceid)
    decision = sighting.decision
    assert decision.by == sighting_id(first.id, 0)
    assert decision.threshold == pytest.approx(IN_A_MINUTE)
    assert decision.threshold <= decision.score < GALLERY
    assert decision.false_match_probability == pytest.approx(0.003, rel=1)
    assert [face.arrive_count for face in book.faces()] == [1]


@pytest.mark.parametrize(
    "shot", [seen(61, NEARLY), seen(1, NEARLY, camera="till"), seen(1, HARDLY)]
)
def test_a_minute_later_at_another_camera_or_less_alike_it_is_a_stranger(
    book: Book, shot: Shot
) -> None:
    first, other = resolved(book, seen(0, GOOD), shot)
    assert (first.resolution, other.resolution) == (Resolution.STRANGER, Resolution.STRANGER)


@pytest.mark.parametrize("person", [NEARLY, HARDLY])
@pytest.mark.parametrize("seconds", [-300, 300])
def test_on_one_track_less_likeness_and_more_time_will_do(
    book: Book, person: Person, seconds: float
) -> None:
    first, second = resolved(book, seen(0, GOOD, track="t1"), seen(seconds, person, track="t1"))
    assert second.faceid == first.faceid
    assert second.decision.threshold == pytest.approx(IN_A_TRACK)


@pytest.mark.parametrize("track", ["t2", ""])
def test_another_track_says_nothing(book: Book, track: str) -> None:
    first, second = resolved(book, seen(0, GOOD, track="t1"), seen(61, NEARLY, track=track))
    assert second.faceid != first.faceid


def test_a_track_says_nothing_of_pictures_of_several_people(book: Book) -> None:
    bob = Person(BOB, side_px=50.0)
    first, _, second, _ = resolved(
        book, seen(0, GOOD, bob, track="t1"), seen(61, NEARLY, bob, track="t1")
    )
    assert second.faceid != first.faceid


def test_a_face_that_is_in_the_same_picture_already_is_nobody_elses(book: Book) -> None:
    ann, again, other = resolved(book, seen(0, GOOD), seen(1, GOOD, NEARLY))
    assert again.faceid == ann.faceid
    assert other.resolution is Resolution.STRANGER


def test_of_two_people_in_one_picture_the_one_who_is_more_alike_is_the_face(book: Book) -> None:
    smaller = poor(ANN, GALLERY + 0.1, side_px=40.0)
    ann, other, again = resolved(book, seen(0, GOOD), seen(1, NEARLY, smaller))
    assert other.resolution is Resolution.STRANGER
    assert again.faceid == ann.faceid


@pytest.mark.parametrize(("others", "is_ann"), [(NEAREST - 1, True), (NEAREST, False)])
def test_in_a_stream_of_people_only_those_seen_nearest_in_time_are_compared(
    book: Book, others: int, is_ann: bool
) -> None:
    ann, *_ = resolved(
        book, seen(0, GOOD), *(seen(2 + other, Person(BOB + other)) for other in range(others))
    )
    [again] = resolved(book, seen(20, NEARLY))
    assert (again.faceid == ann.faceid) is is_ann


def test_the_job_compares_with_those_seen_nearest_in_time_too(book: Book) -> None:
    resolved(
        book,
        seen(-DAY_S, GOOD),
        seen(20, NEARLY),
        *(seen(18 - other, Person(BOB + other)) for other in range(4)),
    )
    resolved(book, seen(0, GOOD))
    book.services.joining.join_tenant(book.tenant)
    assert len(book.faces()) == 2 + NEAREST


def test_evidence_is_not_evidence_for_others(book: Book) -> None:
    """Else a face could wander from sighting to sighting, each less like it."""
    also = poor(ANN, (GALLERY + IN_A_MINUTE) / 2, side_px=60.0)
    ann, beside, far = resolved(book, seen(0, GOOD), seen(40, NEARLY), seen(80, also))
    assert beside.faceid == ann.faceid
    assert far.resolution is Resolution.STRANGER


def test_a_picture_too_poor_to_be_compared_has_no_evidence(book: Book) -> None:
    blurred = poor(ANN, (GALLERY + IN_A_MINUTE) / 2, quality=19.0)
    _, second = resolved(book, seen(0, GOOD), seen(1, blurred))
    assert second.resolution is Resolution.SKIPPED


def test_one_too_poor_to_be_remembered_may_be_the_face_all_the_same(book: Book) -> None:
    blurred = poor(ANN, (GALLERY + IN_A_MINUTE) / 2, quality=30.0)
    ann, second = resolved(book, seen(0, GOOD), seen(1, blurred))
    assert second.faceid == ann.faceid


def test_a_face_in_a_group_that_the_camera_does_not_search_is_not_looked_at(book: Book) -> None:
    [ann] = resolved(book, seen(0, GOOD))
    book.services.groups.create(book.tenant, "VIP", None, "")
    book.services.enrolment.update.change_face(
        book.tenant, ann.faceid or "", FaceChanges(new_group_name="VIP")
    )
    book.services.cameras.change(book.tenant, "door", {"groups": []})
    [other] = resolved(book, seen(1, NEARLY))
    assert other.faceid != ann.faceid


def test_a_rejected_sighting_is_not_the_face_by_evidence_either(book: Book) -> None:
    first, second = book.see(seen(0, GOOD), seen(1, NEARLY))
    ann, sighting = first.sightings[0].faceid or "", sighting_id(second.id, 0)
    rejected = book.services.sightings.rejection.reject(book.tenant, ann, sighting)
    assert rejected.sighting.resolution is Resolution.STRANGER
    [again] = resolved(book, seen(2, NEARLY))
    assert again.faceid == rejected.sighting.faceid
    assert disagreements_of_visits(book) == []


def test_a_rejected_sighting_is_evidence_for_the_face_that_it_became(book: Book) -> None:
    [ann] = resolved(book, seen(-600, GOOD))
    [capture] = book.see(seen(0, Person(ANN, side_px=90.0)))
    rejected = book.services.sightings.rejection.reject(
        book.tenant, ann.faceid or "", sighting_id(capture.id, 0)
    )
    [other] = resolved(book, seen(1, NEARLY))
    assert ann.faceid != other.faceid == rejected.sighting.faceid


def test_evidence_follows_a_face_through_a_merge_and_back(book: Book) -> None:
    [ann] = resolved(book, seen(0, GOOD))
    [bob] = resolved(book, seen(1, Person(BOB)))
    merge = book.services.merges.merging.merge(book.tenant, bob.faceid or "", ann.faceid or "")
    with_both = poor(ANN, 0.66)  # the face is compared by the mean of two people now
    [again] = resolved(book, seen(2, with_both))
    assert again.faceid == bob.faceid
    assert again.decision.by is not None
    book.services.merges.merging.undo(book.tenant, merge.id)
    [after] = resolved(book, seen(3, NEARLY))
    assert after.faceid == ann.faceid


# --- any order, twice, killed
# -----------------------------------------------------------------------------------------

visits = st.lists(
    st.tuples(
        st.integers(0, 4 * 24).map(lambda hour: hour * 3600.0),
        st.integers(1, 3),
        st.sampled_from(["door", "till"]),
        st.lists(
            st.tuples(st.integers(-60, 60).filter(bool), st.integers(50, 98)),
            max_size=3,
            unique_by=lambda one: one[0],
        ),
    ),
    min_size=1,
    max_size=5,
    unique_by=lambda visit: visit[:3],
)
"""When, who, before which camera, and the poor pictures beside the good one: how many seconds off,
how large."""


def shots_of(
    visits: Sequence[tuple[float, int, str, list[tuple[int, int]]]],
) -> tuple[list[Shot], list[Shot]]:
    """The good pictures, and the poor ones."""
    middle = (GALLERY + IN_A_MINUTE) / 2
    good = [seen(at, Person(seed), camera=camera) for at, seed, camera, _ in visits]
    beside = [
        seen(at + off, poor(seed, middle, side_px), camera=camera)
        for at, seed, camera, offs in visits
        for off, side_px in offs
    ]
    return good, beside


def check(book: Book, shots: Sequence[Shot]) -> None:
    """The book is that of the definitions, as if each poor picture were a good one."""
    assert book.entries() == outcome(shots)
    assert disagreements_of_visits(book) == []


@examples(8, 200)
@given(visits, st.randoms(), st.sampled_from([1, 8]))
def test_poor_pictures_that_come_after_the_good_ones_make_no_strangers(
    visits: list[tuple[float, int, str, list[tuple[int, int]]]], rng: random.Random, workers: int
) -> None:
    good, beside = shots_of(visits)
    with (
        tempfile.TemporaryDirectory() as folder,
        closing(Book(Path(folder), cameras=("door", "till"))) as book,
    ):
        book.services.groups.set_promotion_settings(book.tenant, RULE)
        for shots in (good, beside):
            captures = [book.put(one) for one in shots] * 2
            rng.shuffle(captures)
            deliver(book, captures, workers)
        check(book, [*good, *beside])


@examples(8, 200)
@given(visits, st.randoms(), st.sampled_from([1, 8]))
def test_in_any_order_each_sighting_counts_once_and_evidence_is_what_it_says(
    visits: list[tuple[float, int, str, list[tuple[int, int]]]], rng: random.Random, workers: int
) -> None:
    """A poor picture that comes first is a stranger, until the job joins it (book/joining)."""
    good, beside = shots_of(visits)
    with (
        tempfile.TemporaryDirectory() as folder,
        closing(Book(Path(folder), cameras=("door", "till"))) as book,
    ):
        captures = [book.put(one) for one in (*good, *beside)] * 2
        rng.shuffle(captures)
        deliver(book, captures, workers)
        assert disagreements_of_visits(book) == []
        assert sum(book.observed().values()) == len(good) + len(beside)
        by_id = {one.id: book.deliver(one) for one in captures}
        for one in by_id.values():
            [sighting] = one.sightings
            if sighting.decision is not None and sighting.decision.by is not None:
                other = by_id[sighting.decision.by.rpartition("-")[0]]
                [sure] = other.sightings
                assert (sure.faceid, other.camera_id) == (sighting.faceid, one.camera_id)
                assert sure.decision is None or sure.decision.by is None
                assert abs(other.captured_at - one.captured_at) <= MINUTE


@examples(8, 200)
@given(
    st.lists(
        st.tuples(st.integers(-60, 60).filter(bool), st.integers(50, 98)), min_size=1, max_size=4
    ),
    st.randoms(),
    st.sampled_from([1, 8]),
)
def test_after_the_job_a_poor_picture_of_somebody_known_is_theirs_whatever_came_first(
    beside: list[tuple[int, int]], rng: random.Random, workers: int
) -> None:
    """One visit of each person, who came a day before: a face that was joined with many poor
    pictures is less alike."""
    known = [seen(-DAY_S, Person(seed)) for seed in range(1, len(beside) + 1)]
    good, poor_ones = shots_of(
        [(seed * 3600.0, seed, "door", [one]) for seed, one in enumerate(beside, 1)]
    )
    with tempfile.TemporaryDirectory() as folder, closing(Book(Path(folder))) as book:
        book.services.groups.set_promotion_settings(book.tenant, RULE)
        book.see(*known)
        captures = [book.put(one) for one in (*good, *poor_ones)] * 2
        rng.shuffle(captures)
        deliver(book, captures, workers)
        for _ in range(2):
            assert book.services.joining.join_tenant(book.tenant)
            check(book, [*known, *good, *poor_ones])


def test_the_job_joins_a_stranger_with_who_was_seen_beside_and_not_again_if_that_is_undone(
    book: Book,
) -> None:
    [known] = resolved(book, seen(-DAY_S, GOOD))
    [stranger, sure] = resolved(book, seen(0, NEARLY), seen(1, GOOD))
    assert sure.faceid == known.faceid != stranger.faceid
    book.services.joining.join_tenant(book.tenant)
    [merge] = book.services.merges.records.list_all("shop", known.faceid or "")
    assert (merge.other, merge.joined) == (stranger.faceid, True)
    book.services.merges.merging.undo(book.tenant, merge.id)
    book.services.joining.join_tenant(book.tenant)
    assert set(book.faceids()) == {known.faceid, stranger.faceid}


def test_the_job_leaves_somebody_alone_who_was_seen_beside_them_in_one_picture(book: Book) -> None:
    book.see(seen(-DAY_S, GOOD), seen(0, GOOD, NEARLY), seen(1, GOOD))
    book.services.joining.join_tenant(book.tenant)
    assert len(book.faces()) == 2
