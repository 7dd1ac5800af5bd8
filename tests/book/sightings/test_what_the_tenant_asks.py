import pytest
from msgspec.structs import replace

from chalicelib.domain.captures import Resolution
from chalicelib.domain.model import Decision
from chalicelib.domain.observations import Observation
from chalicelib.domain.rules.decision import OperatingPoint
from tests.support.book.book import MINUTE, MONDAY, Book, Shot
from tests.support.fakes import CURVE, Person


def seen(book: Book, minutes: float, *people: Person) -> list[tuple[Resolution, str]]:
    [capture] = book.see(Shot(MONDAY + minutes * MINUTE, people))
    return [(sighting.resolution, sighting.reason) for sighting in capture.sightings]


def sightings(book: Book) -> list[Observation]:
    [face] = book.faces()
    return book.services.sightings.read_timeline(book.tenant, face.faceid).sightings


def test_a_known_face_is_sighted_on_a_picture_too_poor_to_be_enrolled(book: Book) -> None:
    book.services.tenants.change_settings("shop", {"enrol_quality": 60})
    seen(book, 0, Person(1))
    assert seen(book, 1, Person(1, quality=55)) == [(Resolution.MATCHED, "")]


def test_where_liveness_is_asked_a_picture_of_a_face_is_neither_remembered_nor_recognised(
    book: Book,
) -> None:
    book.services.tenants.change_settings("shop", {"least_liveness": 0.5})
    [(resolution, reason)] = seen(book, 0, Person(1, liveness=0.2))
    assert resolution is Resolution.SKIPPED
    assert "looks like a picture of a face: liveness 0.20 of 0.50" in reason
    assert seen(book, 1, Person(1)) == [(Resolution.STRANGER, "")]
    [(resolution, _), (other, _)] = seen(
        book, 100, Person(1, liveness=0.2), Person(2, side_px=80.0)
    )
    assert (resolution, other) == (Resolution.SKIPPED, Resolution.STRANGER)
    assert sum(face.arrive_count for face in book.faces()) == 2


def test_where_liveness_is_asked_and_not_known_the_reason_says_so(book: Book) -> None:
    book.services.tenants.change_settings("shop", {"least_liveness": 0.5})
    [(resolution, reason)] = seen(book, 0, Person(1, liveness=None))
    assert (resolution, "the model pack has no model for it" in reason) == (
        Resolution.SKIPPED,
        True,
    )


def test_liveness_is_asked_of_a_face_whose_liveness_is_not_told(book: Book) -> None:
    book.services.tenants.change_settings("shop", {"attributes_off": {"liveness"}})
    book.services.tenants.change_settings("shop", {"least_liveness": 0.5})
    kinds = [
        resolution
        for resolution, _ in seen(book, 0, Person(1, liveness=0.2), Person(2, side_px=90.0))
    ]
    assert kinds == [Resolution.SKIPPED, Resolution.STRANGER]


def test_faces_below_the_least_age_are_neither_remembered_nor_recognised(book: Book) -> None:
    seen(book, 0, Person(1))
    book.services.tenants.change_settings("shop", {"min_age": 13})
    reason = "the face is estimated to be younger than 13, and such faces are left out (min_age)"
    assert seen(book, 1, Person(1, age=12.9)) == [(Resolution.SKIPPED, reason)]
    assert seen(book, 2, Person(2, age=5.0)) == [(Resolution.SKIPPED, reason)]
    assert seen(book, 3, Person(1, age=13.0)) == [(Resolution.MATCHED, "")]
    assert [face.arrive_count for face in book.faces()] == [1]


def test_what_is_switched_off_is_kept_neither_of_strangers_nor_of_sightings(book: Book) -> None:
    book.services.tenants.change_settings(
        "shop", {"attributes_off": {"age", "gender", "emotion", "pose", "beauty", "liveness"}}
    )
    seen(book, 0, Person(1), Person(2, side_px=90.0))
    seen(book, 1, Person(1, quality=90))
    book.services.tenants.change_settings(
        "shop", {"attributes_off": frozenset()}
    )  # what was not kept does not come back
    for face in book.faces():
        assert replace(face.estimates, quality=None) == type(face.estimates)()
        assert face.estimates.quality == 80
        for one in book.services.sightings.read_timeline(book.tenant, face.faceid).sightings:
            assert replace(one.estimates, quality=None) == type(face.estimates)()


@pytest.mark.parametrize("fpir", [0.0001, 0.02])
def test_the_tenants_own_fpir_decides_for_its_cameras(book: Book, fpir: float) -> None:
    book.services.tenants.change_settings("shop", {"fpir": fpir})
    seen(book, 0, Person(1))
    [again] = book.see(Shot(MONDAY + MINUTE, (Person(1, side_px=90.0),)))
    assert again.sightings[0].decision.threshold == pytest.approx(
        OperatingPoint(CURVE, fpir).find_threshold(1)
    )


def test_a_sighting_says_by_what_it_was_decided_in_the_capture_and_in_the_timeline(
    book: Book,
) -> None:
    threshold = OperatingPoint(CURVE).find_threshold(1)
    [first] = book.see(Shot(MONDAY, (Person(1),)))
    [second] = book.see(Shot(MONDAY + MINUTE, (Person(1, side_px=90.0),)))
    [skipped] = book.see(Shot(MONDAY + 2 * MINUTE, (Person(2, quality=12),)))
    assert first.sightings[0].decision == Decision(
        None, pytest.approx(OperatingPoint(CURVE).find_threshold(0)), 0, seq=0
    )
    matched = second.sightings[0]
    assert matched.decision.score is not None
    assert (matched.decision.threshold, matched.decision.gallery_size) == (
        pytest.approx(threshold),
        1,
    )
    assert matched.decision.false_match_probability == pytest.approx(
        CURVE.fmr_at(matched.decision.score), rel=0.01
    )
    assert skipped.sightings[0].decision == Decision(None, pytest.approx(threshold), 1, seq=1)
    told = [
        book.services.captures.get(book.tenant, "door", one.id).sightings[0]
        for one in (first, second, skipped)
    ]
    assert [one.decision is not None for one in told] == [True, True, True]
    assert told[1].decision.gallery_size == 1
    later, earlier = sightings(book)
    assert (later.decision, earlier.decision) == (told[1].decision, None)
