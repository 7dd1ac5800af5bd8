"""Further views in a capture's file find an enrolled person whom the best picture misses, and do
nothing else."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from chalicelib.book.captures.redrive import MAX_ATTEMPTS
from chalicelib.domain.captures import Resolution, Sighting, sighting_id
from chalicelib.domain.consent import Basis, Consent
from chalicelib.domain.pictures import DetectedFace, PictureRules
from chalicelib.domain.rules.decision import MOST_LIFT, SAME_PASSAGE, SMALLEST_GALLERY
from chalicelib.storage import keys
from tests.support.book.book import MINUTE, MONDAY, Book, ViewedShot
from tests.support.book.withdrawn import withdraw
from tests.support.fakes import CURVE, FakeVision, Person, picture

GALLERY = CURVE.identify_threshold(SMALLEST_GALLERY)
ANN, BOB, CAT = 1, 2, 58


class Watched(FakeVision):
    """Counts the views that are split off and opened, and is told how some people look."""

    def __init__(self) -> None:
        self.split = 0
        self.looks: dict[int, NDArray[np.float32]] = {}

    def embed(self, image: NDArray[np.uint8], faces: Sequence[DetectedFace]) -> NDArray[np.float32]:
        rows = super().embed(image, faces)
        for number, face in enumerate(faces):
            seed = self._person(image, face).seed
            rows[number] = self.looks.get(seed, rows[number])
        return rows

    def split_views(self, picture: bytes) -> list[bytes]:
        self.split += 1
        return super().split_views(picture)


def embedded(person: Person) -> NDArray[np.float32]:
    vision = FakeVision()
    image = vision.read_picture(picture(person), ANY)
    return vision.embed(image, vision.detect(image))[0]


ANY = PictureRules(frozenset({"JPEG"}), 10_000, 9_000, 9_000)


def seen_as(seed: int, score: float, side_px: float = 110.0) -> Person:
    """Somebody in a pose that has about this score with the enrolled picture."""
    enrolled = embedded(Person(seed))
    poses = [Person(seed, side_px, likeness=share / 200) for share in range(2, 200)]
    return min(poses, key=lambda pose: abs(float(embedded(pose) @ enrolled) - score))


POOR = seen_as(ANN, GALLERY - 0.02)
CLEAR = Person(ANN, 90.0, likeness=0.97)
UNCERTAIN = seen_as(ANN, GALLERY + 0.01)


def draw_look(book: Book, own: int, **scores: float) -> Person:
    """Somebody who looks like others as much as is said: `_1=0.5` is 0.5 like the person of seed
    1."""
    assert isinstance(book.vision, Watched)
    looks = book.vision.looks
    axes = np.eye(FakeVision.dimensions, dtype=np.float32)
    look = sum((score * axes[int(name[1:])] for name, score in scores.items()), 0 * axes[0])
    looks[own] = look + np.sqrt(1 - look @ look) * axes[own]
    return Person(own)


def view(*people: Person) -> bytes:
    return picture(*people)


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Book]:
    with closing(Book(tmp_path / "data", vision=Watched())) as book:
        yield book


def see(book: Book, *people: Person, views: Sequence[bytes] = (), hour: int = 0) -> list[Sighting]:
    at = MONDAY + 60 * hour * MINUTE
    (capture,) = book.see(ViewedShot(at, people, views=tuple(views)))
    return list(capture.sightings)


def split(book: Book) -> int:
    assert isinstance(book.vision, Watched)
    return book.vision.split


def test_views_find_somebody_whom_the_best_picture_misses(book: Book) -> None:
    ann = book.enrol(Person(ANN))
    (capture,) = book.see(ViewedShot(MONDAY, (POOR,), views=(view(CLEAR),)))
    (sighting,) = capture.sightings
    assert (sighting.resolution, sighting.faceid) == (Resolution.MATCHED, ann.faceid)
    assert sighting.decision is not None
    mean = embedded(POOR) + embedded(CLEAR)
    score = float(mean / np.linalg.norm(mean) @ embedded(Person(ANN)))
    assert sighting.decision.score == pytest.approx(score, abs=1e-4)
    assert sighting.decision.threshold == pytest.approx(GALLERY)
    assert sighting.decision.by == sighting_id(capture.id, 0)
    assert book.disagreements() == []


def test_without_views_the_best_picture_is_a_stranger(book: Book) -> None:
    book.enrol(Person(ANN))
    (sighting,) = see(book, POOR)
    assert (sighting.resolution, split(book)) == (Resolution.STRANGER, 1)


def test_nobody_looks_at_views_of_somebody_who_is_found(book: Book) -> None:
    ann = book.enrol(Person(ANN))
    (sighting,) = see(book, CLEAR, views=[view(CLEAR)])
    assert (sighting.faceid, split(book)) == (ann.faceid, 0)
    assert sighting.decision is not None
    assert sighting.decision.by is None


@pytest.mark.parametrize(("nearer", "looks"), [(0.01, 1), (-0.01, 0)], ids=["near", "far"])
def test_views_are_looked_at_if_the_picture_is_nearly_like_somebody(
    book: Book, nearer: float, looks: int
) -> None:
    book.enrol(Person(ANN))
    see(book, seen_as(ANN, GALLERY - MOST_LIFT + nearer), views=[view(CLEAR)])
    assert split(book) == looks


def test_nobody_looks_at_views_of_a_stranger_to_all(book: Book) -> None:
    book.enrol(Person(ANN))
    (sighting,) = see(book, Person(BOB), views=[view(Person(BOB))])
    assert (sighting.resolution, split(book)) == (Resolution.STRANGER, 0)


def test_a_view_of_somebody_else_does_not_count(book: Book) -> None:
    ann, bob = book.enrol(Person(ANN)), book.enrol(Person(BOB))
    assert float(embedded(Person(BOB)) @ embedded(POOR)) < SAME_PASSAGE
    (sighting,) = see(book, POOR, views=[view(Person(BOB)), view(Person(BOB, 90.0))])
    assert sighting.faceid not in {ann.faceid, bob.faceid}


def test_nobody_is_found_whom_the_best_picture_is_too_little_like(book: Book) -> None:
    """The views are somebody else's, who looks a little like both."""
    book.enrol(Person(CAT))
    unlike, clear = seen_as(CAT, SAME_PASSAGE - 0.01), Person(CAT, 90.0, likeness=0.97)
    mean = embedded(unlike) + embedded(clear)
    assert float(embedded(unlike) @ embedded(clear)) >= SAME_PASSAGE
    assert float(mean / np.linalg.norm(mean) @ embedded(Person(CAT))) > GALLERY
    (sighting,) = see(book, unlike, views=[view(clear)])
    assert sighting.resolution is Resolution.STRANGER


UNFIT = [b"no picture", view(), view(CLEAR, Person(BOB, 80.0)), view(Person(BOB))]


def test_a_view_that_is_damaged_or_shows_not_one_face_is_left_out(book: Book) -> None:
    book.enrol(Person(ANN))
    (sighting,) = see(book, POOR, views=UNFIT)
    assert sighting.resolution is Resolution.STRANGER


def test_beside_views_that_are_left_out_another_one_counts(book: Book) -> None:
    ann = book.enrol(Person(ANN))
    (sighting,) = see(book, POOR, views=[*UNFIT, view(CLEAR)])
    assert sighting.faceid == ann.faceid


def test_views_find_no_stranger_and_found_none(book: Book) -> None:
    (first,) = see(book, Person(ANN))
    assert first.resolution is Resolution.STRANGER
    (other,) = see(book, POOR, views=[view(CLEAR)], hour=1)
    assert other.resolution is Resolution.STRANGER
    (template,) = book.services.faces.get(book.tenant, other.faceid or "").templates
    founded = np.frombuffer(template.vector, np.float16).astype(np.float32)
    assert float(founded @ embedded(POOR)) == pytest.approx(1.0, abs=1e-2)


def test_a_face_learns_nothing_from_a_sighting_that_views_found(book: Book) -> None:
    ann = book.enrol(Person(ANN))
    see(book, POOR, views=[view(CLEAR)])
    assert len(book.services.faces.get(book.tenant, ann.faceid).pictures) == 1


def test_views_spare_people_a_question(book: Book) -> None:
    ann = book.enrol(Person(ANN))
    (asked,) = see(book, UNCERTAIN)
    (sure,) = see(book, UNCERTAIN, views=[view(CLEAR)], hour=1)
    reviews = book.services.sightings.reviews.read_page(book.tenant, None, 10).rows
    assert (asked.faceid, sure.faceid, len(reviews)) == (ann.faceid, ann.faceid, 1)


def test_of_two_people_in_a_picture_each_has_their_own_views(book: Book) -> None:
    ann = book.enrol(Person(ANN))
    one, other = see(book, Person(BOB), seen_as(ANN, GALLERY - 0.02, 80.0), views=[view(CLEAR)])
    assert one.resolution is Resolution.STRANGER
    assert other.faceid == ann.faceid


def test_views_are_not_looked_at_again_when_somebody_rejects_what_they_found(book: Book) -> None:
    ann = book.enrol(Person(ANN))
    (capture,) = book.see(ViewedShot(MONDAY, (POOR,), views=(view(CLEAR),)))
    rejected = book.services.sightings.rejection.reject(
        book.tenant, ann.faceid, sighting_id(capture.id, 0)
    )
    assert rejected.sighting.resolution is Resolution.STRANGER
    assert split(book) == 1


def test_what_somebody_rejected_does_not_come_back_by_views(book: Book) -> None:
    """The picture is more like the rejected one than like her; the views are not."""
    ann = book.enrol(draw_look(book, 11), name="Ann")
    (capture,) = book.see(ViewedShot(MONDAY, (draw_look(book, 12, _11=0.6),)))
    assert capture.sightings[0].faceid == ann.faceid
    id_ = sighting_id(capture.id, 0)
    rejected = book.services.sightings.rejection.reject(book.tenant, ann.faceid, id_)
    book.services.deletion.delete_faces(book.tenant, [rejected.sighting.faceid or ""], by="first")
    poor, clear = draw_look(book, 13, _11=0.5, _12=0.3), draw_look(book, 14, _11=0.85)
    (sighting,) = see(book, poor, views=[view(clear)], hour=1)
    assert sighting.faceid != ann.faceid


UNWANTED = [("least_liveness", 0.5, {"liveness": 0.01}), ("min_age", 18, {"age": 5.0})]


@pytest.mark.parametrize(("setting", "least", "look"), UNWANTED, ids=["liveness", "age"])
def test_a_view_of_a_face_that_no_picture_may_have_is_left_out(
    book: Book, setting: str, least: float, look: dict[str, float]
) -> None:
    ann = book.enrol(Person(ANN))
    book.services.tenants.change_settings("shop", {setting: least})
    refused = Person(ANN, 90.0, likeness=0.97, **look)  # type: ignore[arg-type]  # by their names
    (found,) = see(book, POOR, views=[view(refused), view(CLEAR)])
    assert found.faceid == ann.faceid
    (left_out,) = see(book, POOR, views=[view(refused)], hour=1)
    assert left_out.resolution is Resolution.STRANGER


RECORD = Consent(Basis.CONSENT, MONDAY, "form 7")


@pytest.mark.parametrize("record", [None, RECORD], ids=["without a record", "with a record"])
def test_views_find_nobody_for_who_withdrew(book: Book, record: Consent | None) -> None:
    """The views look like another person, too."""
    book.enrol(draw_look(book, 11), name="Sue", consent=record)
    wanda = book.enrol(draw_look(book, 12), name="Wanda", consent=RECORD)
    withdraw(book, wanda.faceid)
    poor, clear = draw_look(book, 13, _11=0.45, _12=0.55), draw_look(book, 14, _11=0.75, _12=0.5)
    (capture,) = book.see(ViewedShot(MONDAY, (poor,), views=(view(clear),)))
    (sighting,) = capture.sightings
    assert (sighting.resolution, sighting.faceid) == (Resolution.SKIPPED, None)
    upload = keys.capture_picture("shop", "door", capture.id)
    assert book.storage.uploads.get(upload) is None


def test_views_raise_no_ones_score_above_that_of_who_withdrew(book: Book) -> None:
    """By the picture alone, who withdrew goes first."""
    book.enrol(draw_look(book, 11), name="Sue")
    wanda = book.enrol(draw_look(book, 12), name="Wanda", consent=RECORD)
    withdraw(book, wanda.faceid)
    poor = draw_look(book, 13, _11=GALLERY + 0.01, _12=GALLERY + 0.03)
    clear = draw_look(book, 14, _11=0.8, _12=0.5)
    (sighting,) = see(book, poor, views=[view(clear)])
    assert (sighting.resolution, sighting.faceid) == (Resolution.SKIPPED, None)


class Dies(Watched):
    """A decoder that a view kills."""

    def split_views(self, picture: bytes) -> list[bytes]:
        raise SystemExit


def test_a_view_that_kills_the_process_is_left_out_in_the_end(tmp_path: Path) -> None:
    with closing(Book(tmp_path / "data", vision=Dies())) as book:
        book.enrol(Person(ANN))
        capture = book.put(ViewedShot(MONDAY, (POOR,), views=(view(CLEAR),)))
        ingest = book.services.sightings.ingest
        for _ in range(MAX_ATTEMPTS - 1):
            with pytest.raises(SystemExit):
                ingest.resolve_capture("shop", "door", capture.id, is_repeat=True)
        resolved = ingest.resolve_capture("shop", "door", capture.id, is_repeat=True)
        (sighting,) = resolved.sightings
        assert sighting.resolution is Resolution.STRANGER
