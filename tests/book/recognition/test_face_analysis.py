"""Looking at a picture: its faces and who they may be, in the very order of a comparison with
everybody."""

from collections.abc import Collection, Sequence
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from numpy.typing import NDArray

from chalicelib.book.idempotency import RequestId
from chalicelib.bootstrap import build
from chalicelib.domain.captures import sighting_id
from chalicelib.domain.errors import FaceNotFound, InvalidInput, Unusable
from chalicelib.domain.model import NO_LABELS, Profile, Tenant
from chalicelib.domain.observations import Observation, ObservationFilter, ObservationKind
from chalicelib.domain.pictures import (
    ATTRIBUTES,
    BoundingBox,
    DetectedFace,
    Estimates,
    PictureRules,
)
from chalicelib.domain.rules.decision import is_alike
from chalicelib.domain.rules.recognised import Comparison, IdentifiedFace, Probes
from chalicelib.domain.rules.templates import parse_vector, reduce_templates
from chalicelib.services import Services
from chalicelib.settings import Settings
from tests.support.book.book import MONDAY, Book, Shot
from tests.support.book.tenants import add_tenant
from tests.support.examples import examples
from tests.support.fakes import RULES, FakeClock, FakeVision, Person, picture


def enrol(services: Services, tenant: Tenant, group: str, *people: Person) -> list[str]:
    shown = picture(*people)
    return [
        one.face.faceid
        for one in services.enrolment.everybody.enrol_all_in_picture(
            tenant, group, shown, RULES, NO_LABELS
        )
    ]


def looked(
    services: Services, tenant: Tenant, *people: Person, **asked: object
) -> Sequence[IdentifiedFace]:
    # `asked` has arguments of several types.
    return services.recognition.face_analysis.identify_faces(
        tenant, picture(*people), RULES, **asked
    ).faces  # type: ignore[arg-type]


def brute_force(
    services: Services, tenant: Tenant, person: Person, groups: Sequence[str]
) -> list[tuple[float, str]]:
    """All faces of the groups by their score with the person, which is computed in float64; ties by
    id."""
    vision = FakeVision()
    image = vision.read_picture(picture(person), RULES)
    (probe,) = vision.embed(image, vision.detect(image)).astype(np.float64)
    scored = []
    for group in groups:
        for face in services.faces.read_page(tenant, group, 1, 100).faces:
            (own,) = reduce_templates(face.templates)
            scored.append((float(parse_vector(own).astype(np.float64) @ probe), face.faceid))
    return sorted(scored, key=lambda one: (-one[0], one[1]))


people = st.builds(
    Person,
    seed=st.integers(1, 12),
    side_px=st.sampled_from([60.0, 80.0, 100.0]),
    quality=st.sampled_from([30.0, 80.0]),
    likeness=st.sampled_from([0.2, 0.6, 0.9]),
)


@given(
    st.lists(people, max_size=6, unique_by=lambda one: one.seed),
    st.lists(people, max_size=6, unique_by=lambda one: one.seed),
    people,
    st.integers(1, 20),
    st.sampled_from([None, ("vip",), ("vip", "staff"), ("staff", "stranger")]),
)
@examples(gate=12, every=200)
def test_the_candidates_are_those_of_a_comparison_with_everybody(
    vip: list[Person], staff: list[Person], probe: Person, most: int, groups: tuple[str, ...] | None
) -> None:
    with TemporaryDirectory() as folder:
        services = build(Settings(storage=Path(folder)), clock=FakeClock(), vision=FakeVision)
        try:
            tenant = add_tenant(services, "cloud", Profile.CLOUD)
            for group, members in (("vip", vip), ("staff", staff)):
                services.groups.create(tenant, group, None, "")
                for member in members:
                    services.enrolment.enrol_largest_face(tenant, group, picture(member), RULES)
            searched = groups or ("vip", "staff", "stranger", "regular")
            (found,) = looked(services, tenant, probe, group_names=groups, max_candidates=most)
            want = brute_force(services, tenant, probe, searched)
            alike = [
                (score, faceid)
                for score, faceid in want[:most]
                if is_alike(score, found.decision.threshold)
            ]
            assert [one.face.faceid for one in found.candidates] == [faceid for _, faceid in alike]
            assert [one.score for one in found.candidates] == pytest.approx(
                [min(s, 1.0) for s, _ in alike]
            )
            assert found.decision.gallery_size == len(want)
            matched = [one.match for one in found.candidates]
            decides = bool(alike) and want[0][0] >= found.decision.threshold
            assert matched == [decides, *[False] * (len(matched) - 1)][: len(matched)]
        finally:
            services.close()


@pytest.mark.parametrize("seed", [1, 99])
def test_a_search_for_the_nearest_faces_decides_as_one_without(
    services: Services, cloud: Tenant, seed: int
) -> None:
    enrol(services, cloud, "staff", *map(Person, range(1, 9)))
    vision = FakeVision()
    image = vision.read_picture(picture(Person(seed)), RULES)
    probes = Probes(vision.model, vision.embed(image, vision.detect(image)), [80.0])
    [alone], [beside] = (
        services.recognition.recognise(cloud, probes, max_nearest=most) for most in (0, 7)
    )
    assert len(beside.near) == 7
    assert replace(beside, near=(), shortfall=alone.shortfall) == alone
    assert (alone.face is None, alone.decision.score is None) == (seed == 99, seed == 99)


def recorded(services: Services, tenant: Tenant) -> list[Observation]:
    return services.statistics.observations.query(
        tenant, ObservationFilter(), 0, 10**10
    ).observations


def test_a_match_is_recorded_if_that_is_asked_for_once_for_a_request(
    services: Services, cloud: Tenant
) -> None:
    (one, two) = enrol(services, cloud, "vip", Person(1), Person(2, 60))
    before = len(recorded(services, cloud))
    request = RequestId("1", "the content")
    for _ in range(2):
        seen = looked(services, cloud, Person(1), Person(2, 60), Person(9, 50))
        services.recognition.face_analysis.record_once(cloud, seen, request)
    found = recorded(services, cloud)
    assert len(found) == before + 2
    assert {search.faceid for search in found if search.kind == ObservationKind.SEARCH} == {
        one,
        two,
    }
    services.recognition.face_analysis.record_once(cloud, looked(services, cloud, Person(1)))
    assert len(recorded(services, cloud)) == before + 3


def test_a_poor_face_that_is_found_to_be_nobody_is_told_why_and_shown_nobody(
    services: Services, cloud: Tenant
) -> None:
    enrol(services, cloud, "vip", Person(1, likeness=0.97))
    (found,) = looked(services, cloud, Person(1, quality=12, likeness=0.97))
    assert (found.match is not None, found.reason) == (True, "")
    (poor,) = looked(services, cloud, Person(2, quality=12, likeness=0.97))
    assert poor.reason == "too poor to tell who it is, too blurred: 12 of 20"
    assert (poor.match, poor.candidates, poor.decision.score, poor.decision.gallery_size) == (
        None,
        (),
        None,
        1,
    )


def test_the_very_picture_is_found_however_poor_it_is(services: Services, cloud: Tenant) -> None:
    (faceid,) = enrol(services, cloud, "vip", Person(1, quality=5))
    (again,) = looked(services, cloud, Person(1, quality=5))
    assert (again.match.face.faceid, again.reason) == (faceid, "")


def test_a_picture_of_a_picture_is_nobody(services: Services, cloud: Tenant) -> None:
    enrol(services, cloud, "vip", Person(1))
    careful = replace(cloud, least_liveness=0.5)
    (seen,) = looked(services, careful, Person(1, liveness=0.2))
    assert "looks like a picture of a face" in seen.reason
    assert (seen.match, seen.candidates) == (None, ())


def test_a_face_that_the_picture_was_rejected_for_is_a_candidate_and_no_match(book: Book) -> None:
    services, tenant = book.services, book.tenant
    services.groups.create(tenant, "vip", None, "")
    face = services.enrolment.enrol_largest_face(tenant, "vip", picture(Person(1)), RULES)
    lookalike = Person(1, side_px=90.0)
    [capture] = book.see(Shot(MONDAY, (lookalike,)))
    services.sightings.rejection.reject(tenant, face.faceid, sighting_id(capture.id, 0))
    [stranger] = [one.faceid for one in book.faces() if one.group_id == "stranger"]

    (found,) = looked(services, tenant, lookalike)
    assert [(one.face.faceid, one.match) for one in found.candidates] == [
        (stranger, True),
        (face.faceid, False),
    ]
    (in_vip,) = looked(services, tenant, lookalike, group_names=["vip"])
    assert [(one.face.faceid, one.match) for one in in_vip.candidates] == [(face.faceid, False)]


def test_scores_are_at_most_one(services: Services, cloud: Tenant) -> None:
    enrol(services, cloud, "vip", *(Person(seed, 100.0 - seed) for seed in range(1, 30)))
    for seed in range(1, 30):
        (found,) = looked(services, cloud, Person(seed, 100.0 - seed), max_candidates=1)
        search = services.recognition.face_analysis.search_by_picture(
            cloud, picture(Person(seed, 100.0 - seed)), RULES
        )
        assert 0.99 < found.candidates[0].score <= 1.0 >= search.decision.score


def test_an_empty_gallery_and_a_picture_of_nobody_are_no_errors(
    services: Services, cloud: Tenant
) -> None:
    (alone,) = looked(services, cloud, Person(1))
    assert (alone.match, alone.candidates, alone.decision.gallery_size) == (None, (), 0)
    assert looked(services, cloud) == ()


def test_nobody_is_offered_who_is_less_than_half_as_alike_as_a_match_needs(
    services: Services, cloud: Tenant
) -> None:
    enrol(services, cloud, "vip", *(Person(seed, 100.0 - seed) for seed in range(1, 9)))
    twin = services.enrolment.enrol_largest_face(
        cloud, "regular", picture(Person(3, 50.0)), RULES
    ).faceid
    (itself,) = looked(services, cloud, Person(3, 97.0), max_candidates=1)[0].candidates

    found = services.recognition.face_analysis.find_similar_faces(cloud, itself.face.faceid, 4)

    assert [(one.face.faceid, one.match, one.alike) for one in found.faces] == [(twin, True, True)]
    assert found.gallery_size == 9
    with pytest.raises(FaceNotFound):
        services.recognition.face_analysis.find_similar_faces(cloud, "nobody")
    with pytest.raises(InvalidInput, match="limit is 1 to 50, not 0"):
        services.recognition.face_analysis.find_similar_faces(cloud, twin, 0)


@pytest.mark.parametrize("since", [None, datetime.min.replace(tzinfo=UTC)])
def test_who_is_left_out_takes_nobodys_place_among_those_most_alike(
    services: Services, cloud: Tenant, since: datetime | None
) -> None:
    itself, *others = [
        services.enrolment.enrol_largest_face(
            cloud, "stranger", picture(Person(3, 100.0 - number)), RULES
        ).faceid
        for number in range(5)
    ]
    find = partial(
        services.recognition.face_analysis.find_similar_faces, cloud, itself, 2, since=since
    )
    first = [one.face.faceid for one in find().faces]
    assert {*first} < {*others}
    rest = [one.face.faceid for one in find(left_out=frozenset(first)).faces]
    assert {*first, *rest} == {*others}


def test_a_picture_is_described_as_an_enrolment_sees_it(services: Services, cloud: Tenant) -> None:
    found = services.recognition.face_analysis.detect(
        replace(cloud, attributes_off=frozenset({"age"})), picture(Person(1, 90, 55)), RULES
    )
    (face,) = found.faces
    assert (face.detected.box.width, face.quality.total, face.quality.flaw) == (
        90,
        55,
        "too blurred",
    )
    assert (face.estimates.age, face.estimates.emotion) == (None, "happy")
    assert services.recognition.face_analysis.detect(cloud, picture(), RULES).faces == ()


class Halving(FakeVision):
    """Decodes pictures at half their size, as large ones are."""

    def size(self, picture: bytes, rules: PictureRules) -> tuple[int, int]:
        width, height = super().size(picture, rules)
        return 2 * width, 2 * height


def test_places_are_those_of_the_picture_as_it_was_sent(tmp_path: Path) -> None:
    with closing(build(Settings(storage=tmp_path), clock=FakeClock(), vision=Halving)) as services:
        tenant = add_tenant(services, "cloud", Profile.CLOUD)
        (face,) = looked(services, tenant, Person(1, 70))
        (described,) = services.recognition.face_analysis.detect(
            tenant, picture(Person(1, 70)), RULES
        ).faces
        assert face.probe.box == described.detected.box == BoundingBox(20, 40, 140, 140)


def test_two_pictures_are_verified_by_their_largest_faces(
    services: Services, cloud: Tenant
) -> None:
    def compared(other: bytes) -> Comparison:
        return services.recognition.verification.compare_pictures(
            cloud, picture(Person(1, 90), Person(2, 50)), other, RULES
        )

    assert compared(picture(Person(1, 80), Person(3, 40))).match
    assert not compared(picture(Person(2, 80))).match
    assert compared(picture(Person(1, 80, quality=10, likeness=0.95))).match
    poor = compared(picture(Person(2, 80, quality=10, likeness=0.95)))
    assert (poor.match, poor.reason) == (False, "too poor to tell who it is, too blurred: 10 of 20")
    assert [probe.box.width for probe in poor.probes] == [90, 80]
    itself = compared(picture(Person(1, 90)))
    assert (itself.match, itself.reason, itself.score) == (True, "", pytest.approx(1.0, abs=1e-3))
    assert itself.score <= 1.0
    with pytest.raises(Unusable, match="no face was found in the other picture"):
        compared(picture())


class Watched(FakeVision):
    """A vision that keeps of how many faces it estimated ages."""

    def __init__(self) -> None:
        self.ages = 0

    def describe(
        self,
        image: NDArray[np.uint8],
        faces: Sequence[DetectedFace],
        wanted: Collection[str] = ATTRIBUTES,
    ) -> list[Estimates]:
        self.ages += len(faces) if "age" in wanted else 0
        return super().describe(image, faces, wanted)


def test_a_search_for_all_estimates_the_age_of_those_alone_whom_it_finds(tmp_path: Path) -> None:
    vision = Watched()
    with closing(
        build(Settings(storage=tmp_path), clock=FakeClock(), vision=lambda: vision)
    ) as services:
        tenant = add_tenant(services, "shop", Profile.CLOUD)
        enrol(services, tenant, "staff", Person(1), Person(2, 60))
        for people, found in (
            ((Person(7), Person(8)), 0),
            ((Person(7), Person(2, 60), Person(8)), 1),
        ):
            vision.ages = 0
            matches = services.recognition.face_analysis.search_all_in_picture(
                tenant, picture(*people), "staff", RULES
            ).matches
            assert len(matches) == vision.ages == found
        assert [match.estimates.age for match in matches] == [Person(2, 60).age]
