from collections.abc import Collection, Sequence

import numpy as np
import pytest
from msgspec.structs import replace
from numpy.typing import NDArray

from chalicelib.book.models import Reading, embed_faces, estimate_faces
from chalicelib.bootstrap import build
from chalicelib.domain.errors import Unusable
from chalicelib.domain.model import NO_LABELS, Tenant
from chalicelib.domain.observations import Observation, ObservationFilter
from chalicelib.domain.pictures import (
    ATTRIBUTES,
    BoundingBox,
    DetectedFace,
    Estimates,
    FaceJpeg,
    Gender,
)
from chalicelib.services import Services
from tests.support.fakes import RULES, FakeVision, Person, picture

SOMEBODY = Person(1)
EVER = (0, 4_000_000_000)


def again(services: Services, tenant: Tenant) -> Tenant:
    """The tenant as its next request finds it."""
    found = services.tenants.find_by_app_id(tenant.app_id)
    return found[0]


def enrolled(services: Services, tenant: Tenant, person: Person = SOMEBODY) -> Estimates:
    return services.enrolment.enrol_largest_face(
        tenant, "regular", picture(person), RULES
    ).estimates


def observed(services: Services, tenant: Tenant) -> Observation:
    return services.statistics.observations.query(tenant, ObservationFilter(), *EVER).observations[
        0
    ]


def fields(estimates: Estimates, attribute: str) -> set[object]:
    return {getattr(estimates, name) for name in ATTRIBUTES[attribute]}


def test_an_estimate_says_what_it_is_from(services: Services, cloud: Tenant) -> None:
    estimates = enrolled(services, cloud)
    assert {name: estimates.find_source(name) for name in ATTRIBUTES} == {
        name: "heuristic" if name == "beauty" else "model" for name in ATTRIBUTES
    }
    assert Estimates().find_source("beauty") is None


class Unsure(FakeVision):
    """Sees a man, perhaps, whom the pack calls unknown."""

    def describe(
        self,
        image: NDArray[np.uint8],
        faces: Sequence[DetectedFace],
        wanted: Collection[str] = ATTRIBUTES,
    ) -> list[Estimates]:
        genders = ((Gender.MALE, 0.7), (Gender.FEMALE, 0.3))
        known = super().describe(image, faces, wanted)
        return [replace(one, gender=None, gender_score=None, genders=genders) for one in known]


@pytest.mark.parametrize(
    ("least", "told"),
    [
        (None, (None, None)),
        (0.5, (Gender.MALE, 0.7)),
        (0.7, (Gender.MALE, 0.7)),
        (0.8, (None, None)),
    ],
)
def test_a_gender_is_told_from_the_tenants_score_on(
    least: float | None, told: tuple[Gender | None, float | None], cloud: Tenant
) -> None:
    vision = Unsure()
    image = vision.read_picture(picture(SOMEBODY), RULES)
    (found,) = estimate_faces(
        vision, replace(cloud, least_gender=least), image, vision.detect(image)
    )
    assert (found.estimates.gender, found.estimates.gender_score) == told


class TestAttributesOff:
    @pytest.mark.parametrize("attribute", ATTRIBUTES)
    def test_what_is_off_is_unknown_and_all_else_is_known(
        self, attribute: str, services: Services, cloud: Tenant
    ) -> None:
        services.tenants.change_settings(cloud.name, {"attributes_off": {attribute}})
        estimates = enrolled(services, again(services, cloud))
        assert fields(estimates, attribute) == {None}
        for other in ATTRIBUTES.keys() - {attribute}:
            assert None not in fields(estimates, other), other
        assert estimates.quality is not None

    def test_it_is_not_stored_either(self, services: Services, cloud: Tenant) -> None:
        services.tenants.change_settings(cloud.name, {"attributes_off": {"beauty", "emotion"}})
        face = services.enrolment.enrol_largest_face(
            again(services, cloud), "regular", picture(Person(1)), RULES
        )
        # as a tenant that has all of them on
        stored = services.faces.get(cloud, face.faceid).estimates
        assert (stored.beauty, stored.emotion, stored.emotion_score) == (None, None, None)
        assert stored.heuristics == frozenset()

    def test_what_was_stored_before_is_answered_no_longer(
        self, services: Services, cloud: Tenant
    ) -> None:
        face = services.enrolment.enrol_largest_face(cloud, "regular", picture(Person(1)), RULES)
        services.tenants.change_settings(cloud.name, {"attributes_off": {"age"}})
        tenant = again(services, cloud)
        assert services.faces.get(tenant, face.faceid).estimates.age is None
        assert services.faces.read_page(tenant, "regular", 1, 10).faces[0].estimates.age is None
        assert observed(services, tenant).estimates.age is None

    def test_it_is_off_in_what_a_search_says(self, services: Services, cloud: Tenant) -> None:
        services.enrolment.everybody.enrol_all_in_picture(
            cloud, "group", picture(Person(1)), RULES, NO_LABELS
        )
        services.tenants.change_settings(cloud.name, {"attributes_off": {"gender"}})
        (match,) = services.recognition.face_analysis.search_all_in_picture(
            again(services, cloud), picture(Person(1)), "group", RULES
        ).matches
        assert (match.estimates.gender, match.estimates.gender_score) == (None, None)


class NotesWhatIsWanted(FakeVision):
    def __init__(self) -> None:
        self.wanted: list[set[str]] = []

    def describe(
        self,
        image: NDArray[np.uint8],
        faces: Sequence[DetectedFace],
        wanted: Collection[str] = ATTRIBUTES,
    ) -> list[Estimates]:
        self.wanted.append(set(wanted))
        return super().describe(image, faces, wanted)


class NotesWhatIsCutOut(FakeVision):
    def __init__(self) -> None:
        self.cut_out: list[DetectedFace] = []

    def crop(
        self, image: NDArray[np.uint8], face: DetectedFace, others: Sequence[BoundingBox] = ()
    ) -> FaceJpeg:
        self.cut_out.append(face)
        return super().crop(image, face)


class TestWhatIsComputed:
    @pytest.mark.parametrize(
        ("off", "least_liveness", "wanted"),
        [
            ((), None, {*ATTRIBUTES}),
            (("emotion", "liveness"), None, {*ATTRIBUTES} - {"emotion", "liveness"}),
            (("emotion", "liveness"), 0.5, {*ATTRIBUTES} - {"emotion"}),
        ],
    )
    def test_what_is_off_is_not_computed_unless_it_is_required(
        self, off: Sequence[str], least_liveness: float | None, wanted: set[str], cloud: Tenant
    ) -> None:
        vision = NotesWhatIsWanted()
        tenant = replace(cloud, attributes_off=frozenset(off), least_liveness=least_liveness)
        image = vision.read_picture(picture(SOMEBODY), RULES)
        estimate_faces(vision, tenant, image, vision.detect(image))
        assert vision.wanted == [wanted]

    @pytest.mark.parametrize(("least_liveness", "wanted"), [(None, []), (0.5, [{"liveness"}])])
    def test_who_only_asks_whether_a_face_is_live_gets_nothing_else(
        self, least_liveness: float | None, wanted: list[set[str]], cloud: Tenant
    ) -> None:
        vision, tenant = NotesWhatIsWanted(), replace(cloud, least_liveness=least_liveness)
        image = vision.read_picture(picture(SOMEBODY), RULES)
        assert embed_faces(vision, tenant, image, vision.detect(image))[1] == [None]
        assert vision.wanted == wanted

    @pytest.mark.parametrize("person", [Person(1, side_px=20), Person(1, quality=10)])
    def test_a_face_too_small_or_poor_to_enrol_is_refused_before_a_network_runs(
        self, person: Person, services: Services, cloud: Tenant
    ) -> None:
        vision = NotesWhatIsWanted()
        idle = build(services.settings, vision=lambda: vision)
        with pytest.raises(Unusable, match=r"too (small|poor) to enrol"):
            idle.enrolment.enrol_largest_face(cloud, "regular", picture(person), RULES)
        assert vision.wanted == []

    def test_a_captures_faces_are_cut_out_when_they_are_asked_for(self, cloud: Tenant) -> None:
        vision = NotesWhatIsCutOut()
        reading = Reading(vision, cloud, picture(Person(1), Person(2)))
        assert vision.cut_out == []
        reading.crop_face(reading.faces[1])
        assert vision.cut_out == [reading.faces[1].detected]


class TestLiveness:
    def test_it_is_reported_and_refuses_nobody_at_first(
        self, services: Services, cloud: Tenant
    ) -> None:
        assert enrolled(services, cloud, Person(1, liveness=0.02)).liveness == 0.02

    @pytest.mark.parametrize(
        ("liveness", "complaint"),
        [(0.3, "liveness 0.30 of 0.50"), (None, "no model for it")],
        ids=["spoof", "unknown"],
    )
    def test_where_it_is_required_a_picture_of_a_face_is_refused(
        self, liveness: float | None, complaint: str, services: Services, cloud: Tenant
    ) -> None:
        services.tenants.change_settings(cloud.name, {"least_liveness": 0.5})
        tenant = again(services, cloud)
        false = picture(Person(1, liveness=liveness))
        for refused in (
            lambda: services.enrolment.enrol_largest_face(tenant, "regular", false, RULES),
            lambda: services.enrolment.everybody.enrol_all_in_picture(
                tenant, "group", false, RULES, NO_LABELS
            ),
            lambda: services.recognition.face_analysis.search_by_picture(tenant, false, RULES),
        ):
            with pytest.raises(Unusable, match=complaint):
                refused()

    def test_where_it_is_required_a_live_face_is_let_in(
        self, services: Services, cloud: Tenant
    ) -> None:
        services.tenants.change_settings(cloud.name, {"least_liveness": 0.5})
        tenant = again(services, cloud)
        assert enrolled(services, tenant, Person(1, liveness=0.5)).liveness == 0.5
        assert (
            services.recognition.face_analysis.search_by_picture(
                tenant, picture(Person(1, liveness=0.5)), RULES
            ).match
            is not None
        )

    def test_among_several_faces_the_false_one_is_nobody(
        self, services: Services, cloud: Tenant
    ) -> None:
        both = picture(Person(1, 90), Person(2, 80))
        services.enrolment.everybody.enrol_all_in_picture(cloud, "group", both, RULES, NO_LABELS)
        services.tenants.change_settings(cloud.name, {"least_liveness": 0.5})
        seen = picture(Person(1, 90), Person(2, 80, liveness=0.1))
        found = services.recognition.face_analysis.search_all_in_picture(
            again(services, cloud), seen, "group", RULES
        )
        assert (len(found.matches), found.faces_found) == (1, 2)

    def test_it_is_required_even_where_it_is_not_told(
        self, services: Services, cloud: Tenant
    ) -> None:
        services.tenants.change_settings(cloud.name, {"least_liveness": 0.5})
        services.tenants.change_settings(cloud.name, {"attributes_off": {"liveness"}})
        tenant = again(services, cloud)
        assert enrolled(services, tenant, Person(1)).liveness is None
        with pytest.raises(Unusable, match="a picture of a face"):
            enrolled(services, tenant, Person(2, liveness=0.1))


class TestMinAge:
    def test_a_search_knows_nobody_who_looks_younger(
        self, services: Services, cloud: Tenant
    ) -> None:
        adult, child = picture(Person(1, age=13.0)), picture(Person(1, age=12.9))
        services.enrolment.enrol_largest_face(cloud, "regular", adult, RULES)
        assert (
            services.recognition.face_analysis.search_by_picture(cloud, child, RULES).match
            is not None
        )
        services.tenants.change_settings(cloud.name, {"min_age": 13, "attributes_off": {"age"}})
        tenant = again(services, cloud)
        assert (
            services.recognition.face_analysis.search_by_picture(tenant, adult, RULES).match
            is not None
        )
        assert (
            services.recognition.face_analysis.search_all_in_picture(
                tenant, child, "regular", RULES
            ).matches
            == []
        )
        with pytest.raises(
            Unusable, match="estimated to be younger than 13, and such faces are left out"
        ):
            services.recognition.face_analysis.search_by_picture(tenant, child, RULES)

    def test_a_child_can_be_enrolled_by_hand(self, services: Services, cloud: Tenant) -> None:
        services.tenants.change_settings(cloud.name, {"min_age": 13})
        tenant = again(services, cloud)
        assert enrolled(services, tenant, Person(1, age=4.0)).age == 4.0
        both = picture(Person(2, 90, age=4.0), Person(3, 80))
        assert (
            len(
                services.enrolment.everybody.enrol_all_in_picture(
                    tenant, "group", both, RULES, NO_LABELS
                )
            )
            == 2
        )


class TestEnrolQuality:
    def test_a_picture_below_it_is_refused_with_the_reason(
        self, services: Services, cloud: Tenant
    ) -> None:
        services.tenants.change_settings(cloud.name, {"enrol_quality": 30})
        tenant = again(services, cloud)
        with pytest.raises(Unusable, match="too blurred: 29 of 30"):
            enrolled(services, tenant, Person(1, quality=29.9))
        enrolled(services, tenant, Person(1, quality=30))


def test_the_settings_are_one_tenants(services: Services, cloud: Tenant, camera: Tenant) -> None:
    services.tenants.change_settings(cloud.name, {"attributes_off": {"age"}})
    services.tenants.change_settings(cloud.name, {"least_liveness": 0.5})
    assert again(services, camera) == camera
