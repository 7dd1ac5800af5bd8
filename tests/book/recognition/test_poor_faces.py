"""A poor face is compared with good ones by the same threshold, and with poor ones only if it is
the same picture."""

import pytest

from chalicelib.domain.errors import Unusable
from chalicelib.domain.model import NO_LABELS, Tenant
from chalicelib.services import Services
from tests.support.fakes import RULES, Person, picture

ALL_ALIKE = 0.97
"""Two pictures of one person score about 0.97^2 here: far over any threshold, and less than one
picture twice."""


def enrol_all(services: Services, tenant: Tenant, *people: Person):
    return services.enrolment.everybody.enrol_all_in_picture(
        tenant, "group", picture(*people), RULES, NO_LABELS
    )


def test_a_single_poor_face_is_refused_with_what_is_wrong(
    services: Services, cloud: Tenant
) -> None:
    with pytest.raises(Unusable, match="too blurred: 12 of 20; send a sharper"):
        services.enrolment.enrol_largest_face(
            cloud, "regular", picture(Person(1, quality=12)), RULES
        )


@pytest.mark.parametrize(
    ("enrolled", "probe", "found"), [(90, 5, True), (5, 90, True), (5, 19, False)]
)
def test_a_poor_probe_is_somebody_unless_the_enrolled_picture_is_poor_too(
    enrolled: float, probe: float, found: bool, services: Services, cloud: Tenant
) -> None:
    enrol_all(services, cloud, Person(1, quality=enrolled, likeness=ALL_ALIKE))
    poor = picture(Person(1, quality=probe, likeness=ALL_ALIKE))

    search = services.recognition.face_analysis.search_by_picture(cloud, poor, RULES)

    assert (search.match is not None) == found
    assert (
        len(
            services.recognition.face_analysis.search_all_in_picture(
                cloud, poor, "group", RULES
            ).matches
        )
        == found
    )


def test_a_poor_picture_finds_the_face_that_was_enrolled_from_it(
    services: Services, cloud: Tenant
) -> None:
    people = (Person(1, 90, quality=5), Person(2, 50, quality=5))
    enrolled = enrol_all(services, cloud, *people)

    found = services.recognition.face_analysis.search_all_in_picture(
        cloud, picture(*people), "group", RULES
    )

    assert [match.face.faceid for match in found.matches] == [one.face.faceid for one in enrolled]


@pytest.mark.parametrize(
    ("first", "second", "known"), [(10, 15, False), (90, 15, True), (10, 90, True)]
)
def test_of_two_poor_pictures_nobody_is_known(
    first: float, second: float, known: bool, services: Services, cloud: Tenant
) -> None:
    enrol_all(services, cloud, Person(1, quality=first, likeness=ALL_ALIKE))

    (again,) = enrol_all(services, cloud, Person(1, quality=second, likeness=ALL_ALIKE))

    assert again.known == known
    assert services.groups.get_by_name(cloud, "group").count == 2 - known


def test_two_poor_faces_of_one_picture_are_two(services: Services, cloud: Tenant) -> None:
    people = (Person(1, side, quality=10, likeness=ALL_ALIKE) for side in (90, 60))
    assert [one.known for one in enrol_all(services, cloud, *people)] == [False, False]


def test_the_same_poor_picture_again_is_known(services: Services, cloud: Tenant) -> None:
    first = enrol_all(services, cloud, Person(1, quality=10))[0]

    (again,) = enrol_all(services, cloud, Person(1, quality=10))

    assert again.known
    assert again.face.faceid == first.face.faceid


def test_a_stored_poor_face_is_no_other_poor_face(services: Services, cloud: Tenant) -> None:
    other = enrol_all(services, cloud, Person(1, quality=15, likeness=ALL_ALIKE))[0].face
    poor = enrol_all(services, cloud, Person(1, quality=10, likeness=ALL_ALIKE))[0].face
    services.enrolment.everybody.enrol_stored_face(cloud, "others", other.faceid, NO_LABELS)

    itself = services.recognition.face_analysis.search_by_face(cloud, poor.faceid, "group")

    assert itself.face.faceid == poor.faceid
    assert services.recognition.face_analysis.search_by_face(cloud, poor.faceid, "others") is None


def test_where_the_tenant_says_how_good_a_face_has_to_be_no_poorer_one_is_enrolled(
    services: Services, cloud: Tenant
) -> None:
    services.tenants.change_settings(cloud.name, {"enrol_quality": 60})
    asking = services.tenants.get_by_name(cloud.name)
    with pytest.raises(Unusable, match="the face is too poor to enrol, too blurred: 59 of 60"):
        enrol_all(services, asking, Person(1, quality=59))
    crowd = Person(1, 90), Person(2, 80, quality=59), Person(3, 70)
    with pytest.raises(
        Unusable,
        match="face 2 of 3, the largest first, is too poor to enrol, too blurred: 59 of 60",
    ):
        enrol_all(services, asking, *crowd)
    assert services.groups.find(asking, "group") is None, "all or none"
    assert len(enrol_all(services, asking, crowd[0], crowd[2], Person(4, 60, quality=60))) == 3
