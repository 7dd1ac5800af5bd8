import random
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from chalicelib.domain.captures import Resolution
from chalicelib.domain.jobs import NIGHT_HOUR
from chalicelib.domain.model import MAX_COMPARED, Face, PromotionSettings
from chalicelib.domain.pictures import DetectedFace
from chalicelib.domain.rules.templates import MAX_LEARNT, parse_vector, reduce_templates
from chalicelib.privacy.retention import Kind
from tests.support.book.book import MINUTE, MONDAY, Book, Shot
from tests.support.book.outcome import deliver
from tests.support.book.recount_visits import disagreements_of_visits
from tests.support.examples import examples
from tests.support.fakes import RULES, FakeVision, Person, embedding_of, picture

DAY = 24 * 60
FIRST = Shot(MONDAY, (Person(1, quality=70.0),))
"""The best picture that a stranger can be made from; the others are of other qualities, and so of
other photos."""


def visit(minutes: float, quality: float = 60.0, seed: int = 1, camera: str = "door") -> Shot:
    return Shot(MONDAY + minutes * MINUTE, (Person(seed, quality=quality),), camera)


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Book]:
    with closing(Book(tmp_path / "data", cameras=("door", "till"))) as made:
        made.see(FIRST)
        yield made


def only_face(book: Book) -> Face:
    [face] = book.faces()
    return face


def learnt(face: Face) -> set[str]:
    return {one.learnt.sighting_id for one in face.pictures if one.learnt}


def hour(at: datetime) -> datetime:
    return at.replace(minute=0, second=0, microsecond=0)


def step(quality: float | None) -> float:
    return (quality or 0) // 20


def by_definition(book: Book, face: Face) -> set[str]:
    """The sightings that the face should have learnt from, if all were sure: of the best of each
    hour, in turns the best that is left of each day, and in each turn the better one first. Of the
    hour of the sighting that the stranger was made from only what is better."""
    given_photos = {one.id for one in face.pictures if one.learnt is None}
    founding = {
        hour(one.founded_at): step(one.estimates.quality) for one in face.pictures if one.founded_at
    }
    hours: dict[datetime, list[tuple[float, datetime, str]]] = defaultdict(list)
    for camera in book.cameras:
        for capture in book.services.captures.read_page(book.tenant, camera, 1000).rows:
            for one in capture.sightings:
                id_ = f"{capture.id}-{one.number}"
                matched = one.resolution is Resolution.MATCHED and one.faceid == face.faceid
                at = capture.captured_at
                adds = (one.quality or 0) >= 35 and step(one.quality) > founding.get(hour(at), -1)
                if matched and adds and capture.sha256[:32] not in given_photos:
                    hours[hour(at)].append((-step(one.quality), at, id_))
    days: dict[date, list[tuple[float, datetime, str]]] = defaultdict(list)
    for at, found in hours.items():
        days[at.date()].append(min(found))
    turns = sorted((rank, *one) for day in days.values() for rank, one in enumerate(sorted(day)))
    return {id_ for *_, id_ in turns[: min(MAX_LEARNT, MAX_COMPARED - len(given_photos))]}


def test_what_a_person_adds_pushes_out_what_was_learnt_and_counts_alone(book: Book) -> None:
    book.see(*(visit(DAY * number, 40 + number) for number in range(1, 5)))
    faceid = only_face(book).faceid
    add = book.services.enrolment.pictures.add_photo
    for number in range(MAX_COMPARED - 1):
        assert len(learnt(only_face(book))) == min(MAX_LEARNT, MAX_COMPARED - 1 - number)
        add(book.tenant, faceid, picture(Person(1, side_px=50.0 + number)), RULES)
    assert learnt(only_face(book)) == set()
    before = [one.id for one in only_face(book).pictures]
    last = add(book.tenant, faceid, picture(Person(1, side_px=90.0)), RULES)
    assert [one.id for one in only_face(book).pictures] == [*before, last.id]
    assert len(only_face(book).compared) == MAX_COMPARED
    assert book.nothing_else_is_stored()


def test_a_learnt_picture_that_a_person_adds_counts_as_given(book: Book) -> None:
    [capture] = book.see(visit(DAY))
    faceid = only_face(book).faceid
    added = book.services.enrolment.pictures.add_sighting(book.tenant, faceid, f"{capture.id}-0")
    assert added.learnt is None
    assert [one.learnt for one in only_face(book).pictures] == [None, None]
    assert book.nothing_else_is_stored()


def test_without_the_given_picture_the_first_learnt_one_takes_its_place(book: Book) -> None:
    book.see(visit(DAY, 50), visit(2 * DAY, 65))
    face = only_face(book)
    book.services.enrolment.pictures.remove_picture(book.tenant, face.faceid, face.pictures[0].id)
    left = only_face(book).pictures
    assert [one.estimates.quality for one in left] == [65, 50]
    assert [one.learnt is None for one in left] == [True, False]


def test_learnt_pictures_go_after_as_many_days_as_the_tenant_says(book: Book) -> None:
    book.see(visit(DAY, 60), visit(5 * DAY, 61))  # it is the 14th day
    night = book.clock.now().replace(hour=NIGHT_HOUR)
    book.services.sweep.sweep_tenant(book.tenant, night)
    assert len(learnt(only_face(book))) == 2
    book.services.tenants.change_settings("shop", {"learnt_days": 10})
    book.services.sweep.sweep_tenant(book.tenant, night)
    assert [one.estimates.quality for one in only_face(book).pictures] == [70, 61]
    assert book.nothing_else_is_stored()


def test_many_learnt_pictures_that_are_over_at_once_wait_for_a_yes(book: Book) -> None:
    for seed in (1, 2, 3):
        book.see(*(visit(day * DAY, 70.0 - day, seed) for day in range(4)))
    book.services.tenants.change_settings("shop", {"learnt_days": 1})
    book.clock.advance(timedelta(days=10))
    before = sum(len(learnt(face)) for face in book.faces())
    expiry, tenant = book.services.erasure.retention, book.services.tenants.get_by_name("shop")
    expiry.sweep_tenant(tenant, swept_kinds=(Kind.LEARNT,))
    assert sum(len(learnt(face)) for face in book.faces()) == before > 5
    assert book.services.erasure.retention.read_withheld(tenant)["learnt pictures"].number == before
    expiry.sweep_tenant(tenant, swept_kinds=(Kind.LEARNT,), is_confirmed=True)
    assert not any(learnt(face) for face in book.faces())


# --- any order, at once
# ----------------------------------------------------------------------------------------------

visits = st.lists(
    st.builds(
        visit,
        st.integers(1, 6 * 24 * 4).map(lambda quarter: quarter * 15),
        st.sampled_from([20.0, 34.0, 41.0, 52.5, 60.0, 68.0]),
        st.integers(1, 3),
        st.sampled_from(["door", "till"]),
    ),
    min_size=1,
    max_size=16,
)


def unlike(shots: Sequence[Shot]) -> list[Shot]:
    """Each of another photo: one file that comes as two captures is learnt but once, of the one
    that was first."""
    return [
        Shot(one.at, (Person(p.seed, 100 + number / 100, p.quality),), one.camera)
        for number, one in enumerate(shots)
        for p in one.people
    ]


def right(book: Book) -> None:
    for face in book.faces():
        assert learnt(face) == by_definition(book, face)
        assert sum(one.learnt is None for one in face.pictures) == 1
    assert book.disagreements() == []
    assert disagreements_of_visits(book) == []


@examples(8, 200)
@given(visits, st.randoms(), st.sampled_from([1, 8]))
def test_in_any_order_with_duplicates_the_best_of_each_day_are_learnt(
    shots: list[Shot], rng: random.Random, workers: int
) -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        closing(Book(Path(folder), cameras=("door", "till"))) as book,
    ):
        book.services.groups.set_promotion_settings(book.tenant, PromotionSettings(3, 2))
        captures = [book.put(one) for one in unlike(shots)]
        deliver(book, rng.sample(captures * 2, 2 * len(captures)), workers)
        right(book)
        assert book.nothing_else_is_stored()


# --- what was learnt wrongly
# ----------------------------------------------------------------------------------------


def test_the_picture_goes_with_its_rejected_sighting(book: Book) -> None:
    book.see(visit(DAY, 60))
    [capture] = book.see(visit(2 * DAY, 65))
    face = only_face(book)
    assert f"{capture.id}-0" in learnt(face)
    book.services.sightings.rejection.reject(book.tenant, face.faceid, f"{capture.id}-0")
    left = book.services.faces.get(book.tenant, face.faceid)
    assert f"{capture.id}-0" not in learnt(left)
    assert left.pictures[0] == face.pictures[0]
    assert book.disagreements() == []
    assert book.nothing_else_is_stored()


def test_a_merge_chooses_among_the_learnt_pictures_of_both_and_undoing_takes_the_others(
    book: Book,
) -> None:
    book.see(*(visit(DAY * number, 50 + number) for number in (1, 2, 3)))
    book.see(
        visit(60, 70, seed=2),
        *(visit(DAY * number + 60, 60 + number, seed=2) for number in (1, 2, 3)),
    )
    one, two = sorted(book.faces(), key=lambda face: int(face.faceid))
    merge = book.services.merges.merging.merge(book.tenant, one.faceid, two.faceid)
    merged = only_face(book)
    assert [picture.learnt is None for picture in merged.pictures] == [
        True,
        True,
        False,
        False,
        False,
    ]
    assert learnt(merged) == by_definition_of(learnt_of(one) + learnt_of(two))
    assert book.disagreements() == []
    book.see(visit(4 * DAY, 69))
    book.services.merges.merging.undo(book.tenant, merge.id)
    left = book.services.faces.get(book.tenant, one.faceid)
    assert learnt(left) <= learnt(one), "neither the other's, nor what was learnt since"
    assert left.pictures[0] == one.pictures[0]
    assert book.services.faces.get(book.tenant, two.faceid).pictures == two.pictures
    assert book.nothing_else_is_stored()
    assert book.disagreements() == []


def test_undoing_a_merge_takes_what_the_other_had_learnt_of_the_same_photo(book: Book) -> None:
    book.services.groups.create(book.tenant, "staff", None, "")
    staff = book.enrol(Person(1, side_px=90.0), "staff")
    for camera, group in (("till", "staff"), ("door", "stranger")):
        book.services.cameras.change(book.tenant, camera, {"groups": (group,)})
    book.see(Shot(MONDAY, (Person(1, side_px=60.0),), "door"))
    photo = Person(1, side_px=75.0)
    [first] = book.see(Shot(MONDAY + DAY * MINUTE, (photo,), "till"))
    [second] = book.see(Shot(MONDAY + 2 * DAY * MINUTE, (photo,), "door"))
    [stranger] = [face for face in book.faces() if face.group_id == "stranger"]
    assert (learnt(book.services.faces.get(book.tenant, staff.faceid)), learnt(stranger)) == (
        {f"{first.id}-0"},
        {f"{second.id}-0"},
    )
    merge = book.services.merges.merging.merge(book.tenant, stranger.faceid, staff.faceid)
    book.services.merges.merging.undo(book.tenant, merge.id)
    assert learnt(book.services.faces.get(book.tenant, stranger.faceid)) <= {f"{second.id}-0"}
    assert learnt(book.services.faces.get(book.tenant, staff.faceid)) == {f"{first.id}-0"}
    assert book.disagreements() == []
    assert book.nothing_else_is_stored()


def test_a_survivor_whose_own_photo_was_rejected_keeps_nothing_that_the_other_had_learnt(
    book: Book,
) -> None:
    """The photo that it was made from was seen again, as somebody else's."""
    [again] = book.see(Shot(MONDAY + DAY * MINUTE, FIRST.people))
    book.see(
        visit(60, 70, seed=2),
        *(visit(DAY * number + 60, 60 + number, seed=2) for number in (1, 2, 3)),
    )
    one, two = sorted(book.faces(), key=lambda face: int(face.faceid))
    merge = book.services.merges.merging.merge(book.tenant, one.faceid, two.faceid)
    book.services.sightings.rejection.reject(book.tenant, one.faceid, f"{again.id}-0")
    book.services.merges.merging.undo(book.tenant, merge.id)
    left = book.services.faces.get(book.tenant, one.faceid)
    assert learnt(left) == set()
    assert [picture.id for picture in left.pictures] == [two.pictures[0].id], (
        "a face has a picture at least"
    )
    assert book.disagreements() == []
    assert book.nothing_else_is_stored()


def learnt_of(face: Face) -> list[tuple[date, float, str]]:
    return [
        (one.learnt.captured_at.date(), -step(one.estimates.quality), one.learnt.sighting_id)
        for one in face.pictures
        if one.learnt
    ]


def by_definition_of(found: list[tuple[date, float, str]]) -> set[str]:
    """With three days of two pictures each: the better one of each day, and the best of the
    rest."""
    turns = [
        (sum(other < one for other in found if other[0] == one[0]), one[1], one[2]) for one in found
    ]
    return {id_ for *_, id_ in sorted(turns)[:MAX_LEARNT]}


class LookAlikes(FakeVision):
    """Everybody looks like person 1: the cosine of the photos of two of them is 0.58, of two of one
    person 0.7."""

    def embed(self, image: NDArray[np.uint8], faces: Sequence[DetectedFace]) -> NDArray[np.float32]:
        rows = []
        for face in faces:
            person = self._person(image, face)
            alike = SHARED * embedding_of(1) + np.sqrt(1 - SHARED**2) * embedding_of(
                1000 + person.seed
            )
            noise = embedding_of(hash((person.seed, person.side_px, person.quality)) % 2**32)
            vector = OF_PERSON * alike / np.linalg.norm(alike) + np.sqrt(1 - OF_PERSON**2) * noise
            rows.append(vector / np.linalg.norm(vector))
        return np.array(rows, dtype=np.float32)


SHARED, OF_PERSON = 0.91, 0.837
PERSON, LOOK_ALIKE = 11, 12


def seen_of(seed: int, number: int) -> Person:
    """One of many photos of somebody, no better and no worse than those of others."""
    return Person(seed, side_px=100 + number / 1000, quality=50 + (number * 7919 + seed) % 400 / 10)


def scores_of(book: Book, faceid: str, seed: int, numbers: Iterable[int]) -> list[float]:
    """How new photos of somebody score with a face."""
    face = book.services.faces.get(book.tenant, faceid)
    mean = parse_vector(reduce_templates(face.templates)[0])
    image = [book.vision.read_picture(picture(seen_of(seed, one)), RULES) for one in numbers]
    return [float(mean @ book.vision.embed(one, book.vision.detect(one))[0]) for one in image]


def of_look_alike(book: Book, face: Face) -> set[str]:
    """The face's learnt pictures that are the look-alike's, which came on the hour."""
    return {
        one.id for one in face.pictures if one.learnt and one.learnt.captured_at.hour == MONDAY.hour
    }


def test_a_look_alike_who_comes_daily_for_a_year_takes_over_no_face_and_one_rejection_takes_all_that_was_learnt(  # noqa: E501
    tmp_path: Path,
) -> None:
    """The person comes weekly."""
    with closing(Book(tmp_path / "data", vision=LookAlikes())) as book:
        book.clock.advance(MONDAY - book.clock.now())
        [first] = book.see(Shot(MONDAY, (seen_of(PERSON, 0),)))
        for day in range(1, 365):
            book.clock.advance(timedelta(days=1))
            book.see(Shot(MONDAY + timedelta(days=day), (seen_of(LOOK_ALIKE, day),)))
            if day % 7 == 0:
                book.see(Shot(MONDAY + timedelta(days=day, hours=1), (seen_of(PERSON, day),)))
        faceid = first.sightings[0].faceid or ""
        before = book.services.faces.get(book.tenant, faceid)
        wrong = of_look_alike(book, before)
        assert len(wrong) >= 2, "it was learnt as often as it came"
        own, others = (
            scores_of(book, faceid, seed, range(10_000, 10_100)) for seed in (PERSON, LOOK_ALIKE)
        )
        limit = FakeVision.impostor_curve.operating_threshold(1_000)
        assert min(own) > limit, "the person is still found by every photo"
        assert sum(others) / 100 < 0.8, "by the first picture alone it scored 0.58"
        assert set(book.faceids()) == {faceid}, "no visit of the person made a stranger"

        sightings = book.services.sightings.read_timeline(book.tenant, faceid, 10).sightings
        one = next(seen for seen in sightings if seen.at.hour == MONDAY.hour)
        book.services.sightings.rejection.reject(book.tenant, faceid, one.id)
        after = book.services.faces.get(book.tenant, faceid)
        assert [one.id for one in after.pictures] == [
            one.id for one in before.pictures if one.id not in wrong
        ]
        assert max(scores_of(book, faceid, LOOK_ALIKE, range(10_000, 10_100))) < 0.7
        assert book.disagreements() == []
