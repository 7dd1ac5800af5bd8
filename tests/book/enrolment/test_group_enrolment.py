from functools import partial

import pytest

from chalicelib.domain.errors import FaceNotFound, IllegalGroupName, Unusable
from chalicelib.domain.model import NO_LABELS, Labels, Tenant
from chalicelib.services import Services
from tests.support.fakes import RULES, Person, picture
from tests.support.meanwhile import side_by_side


def enrol(
    services: Services,
    tenant: Tenant,
    *people: Person,
    group: str = "VIP会员",
    labels: Labels = NO_LABELS,
):
    return services.enrolment.everybody.enrol_all_in_picture(
        tenant, group, picture(*people), RULES, labels
    )


def test_one_person_twice_in_a_picture_is_enrolled_once(services: Services, cloud: Tenant) -> None:
    enrolled = enrol(services, cloud, Person(1, 90), Person(1, 60))

    assert len({one.face.faceid for one in enrolled}) == 1
    assert [one.known for one in enrolled] == [False, True]


def test_failed_enrolment_makes_no_group(services: Services, camera: Tenant) -> None:
    with pytest.raises(Unusable):
        enrol(services, camera, group="new")
    with pytest.raises(Unusable, match="41 faces"):
        enrol(services, camera, *(Person(n, 50) for n in range(41)), group="new")
    with pytest.raises(IllegalGroupName):
        enrol(services, camera, Person(1), group=" new")

    assert services.groups.find(camera, "new") is None


def test_stored_face_is_enrolled_in_another_group_as_a_face_of_its_own(
    services: Services, cloud: Tenant
) -> None:
    first = enrol(services, cloud, Person(1), labels=Labels("a", "b"))[0].face

    copy = services.enrolment.everybody.enrol_stored_face(
        cloud, "others", first.faceid, Labels(b="B")
    )
    again = services.enrolment.everybody.enrol_stored_face(cloud, "others", first.faceid, NO_LABELS)

    assert copy.face.faceid != first.faceid
    assert (copy.known, copy.box, copy.face.labels) == (False, None, Labels("a", "B"))
    assert (again.known, again.face.faceid) == (True, copy.face.faceid)
    services.deletion.delete_faces_of_group(cloud, "VIP会员", [first.faceid])
    assert (
        services.enrolment.everybody.enrol_stored_face(
            cloud, "third", copy.face.faceid, NO_LABELS
        ).known
        is False
    )
    with pytest.raises(FaceNotFound):
        services.enrolment.everybody.enrol_stored_face(cloud, "others", first.faceid, NO_LABELS)


def test_sixteen_enrolments_of_one_person_at_once_make_one_face(
    services: Services, cloud: Tenant
) -> None:
    people = [Person(1, quality=80 + n % 3) for n in range(16)]
    enrolled = side_by_side([partial(enrol, services, cloud, person) for person in people])
    assert len({one.face.faceid for [one] in enrolled}) == 1
    assert services.groups.get_by_name(cloud, "VIP会员").count == 1
