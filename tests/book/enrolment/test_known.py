from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from chalicelib.domain.errors import FaceKnown
from chalicelib.domain.model import Tenant
from chalicelib.services import Services
from tests.support.book.recount import disagreements, every_face
from tests.support.fakes import RULES, Person, picture


def enrol(
    services: Services,
    tenant: Tenant,
    person: Person,
    group: str = "regular",
    *,
    refuses: bool = True,
) -> str:
    return services.enrolment.enrol_largest_face(
        tenant, group, picture(person), RULES, refuses_known=refuses
    ).faceid


def test_a_refused_person_leaves_no_picture(services: Services, camera: Tenant) -> None:
    enrol(services, camera, Person(1))
    with pytest.raises(FaceKnown):
        enrol(services, camera, Person(1, side_px=80))
    assert len(list(services.storage.blobs.walk("camera/faces/"))) == 2


def test_of_eight_at_once_one_is_enrolled(services: Services, camera: Tenant) -> None:
    def one(number: int) -> str:
        try:
            enrol(services, camera, Person(1, side_px=80 + number))
        except FaceKnown:
            return "known"
        return "enrolled"

    with ThreadPoolExecutor(8) as threads:
        assert Counter(threads.map(one, range(8))) == {"enrolled": 1, "known": 7}
    assert len(every_face(services, camera)) == 1
    assert disagreements(services, camera) == []
