from __future__ import annotations

import threading

import pytest

from chalicelib.core.errors import FaceNotFound, GroupFull, IllegalGroupName, TenantFull, TooManyGroups, Unusable
from chalicelib.core.model import Labels, Tenant
from chalicelib.services import Services
from tests.fakes import Person, picture
from tests.services.conftest import RULES

NO_LABELS = Labels()


def enrol(services: Services, tenant: Tenant, *people: Person, group: str = "VIP会员", labels: Labels = NO_LABELS):
    return services.enrolment.everybody.all_in_picture(tenant, group, picture(*people), RULES, labels)


def test_every_face_of_the_picture_is_enrolled_largest_first_in_a_new_group(services: Services, cloud: Tenant) -> None:
    enrolled = enrol(services, cloud, Person(1, 50), Person(2, 90), labels=Labels("a", "b", "c", "d"))

    assert [one.box.width for one in enrolled if one.box] == [90, 50]
    assert {one.known for one in enrolled} == {False}
    group = services.groups.named(cloud, "VIP会员")
    assert (group.count, group.capacity) == (2, None)
    assert services.faces.get(cloud, enrolled[0].face.faceid).labels == Labels("a", "b", "c", "d")


def test_known_face_keeps_its_token_and_its_given_labels_are_updated(services: Services, cloud: Tenant) -> None:
    first = enrol(services, cloud, Person(1), labels=Labels("a", "b"))[0]

    again = enrol(services, cloud, Person(1), Person(2), labels=Labels("x"))

    assert [one.known for one in again] == [True, False]
    assert again[0].face.faceid == first.face.faceid
    face = services.faces.get(cloud, first.face.faceid)
    assert face.labels == Labels("x", "b")
    assert face.picture_key == first.face.picture_key
    assert services.groups.named(cloud, "VIP会员").count == 2


def test_better_picture_replaces_that_of_a_known_face(services: Services, cloud: Tenant) -> None:
    first = enrol(services, cloud, Person(1, quality=40))[0].face

    better = enrol(services, cloud, Person(1, quality=90))[0].face

    assert better.faceid == first.faceid
    assert better.picture_key != first.picture_key
    stored = services.enrolment.everybody.stored(cloud, "others", better.faceid, NO_LABELS)
    assert stored.face.picture_key != better.picture_key
    probe = picture(Person(1, quality=90))
    match = services.recognition.identify.by_picture(cloud, probe, RULES).match
    assert match is not None
    assert match.decision.score == pytest.approx(1, abs=1e-3)


def test_one_person_twice_in_a_picture_is_enrolled_once(services: Services, cloud: Tenant) -> None:
    enrolled = enrol(services, cloud, Person(1, 90), Person(1, 60))

    assert len({one.face.faceid for one in enrolled}) == 1
    assert [one.known for one in enrolled] == [False, True]


def test_five_faces_are_enrolled_or_none(services: Services, camera: Tenant) -> None:
    services.groups.create(camera, "small", 4, "")

    with pytest.raises(GroupFull, match="0 of 4"):
        enrol(services, camera, *(Person(n, 50 + n) for n in range(5)), group="small")

    assert services.groups.named(camera, "small").count == 0
    assert list((services.settings.storage / "blobs").rglob("*.jpg")) == []  # type: ignore[operator]


def test_failed_enrolment_makes_no_group(services: Services, camera: Tenant) -> None:
    with pytest.raises(Unusable):
        enrol(services, camera, group="new")
    with pytest.raises(Unusable, match="41 faces"):
        enrol(services, camera, *(Person(n, 50) for n in range(41)), group="new")
    with pytest.raises(IllegalGroupName):
        enrol(services, camera, Person(1), group=" new")

    assert services.groups.find(camera, "new") is None


def test_group_of_a_camera_tenant_gets_what_is_left_at_most_a_thousand(services: Services, camera: Tenant) -> None:
    enrol(services, camera, Person(1), group="one")
    services.groups.create(camera, "two", 18_500, "")
    enrol(services, camera, Person(1), group="three")
    assert [services.groups.named(camera, name).capacity for name in ("one", "three")] == [1_000, 500]

    with pytest.raises(TenantFull):
        enrol(services, camera, Person(1), group="four")


def test_eleventh_group_is_refused(services: Services, camera: Tenant) -> None:
    for n in range(8):
        services.groups.create(camera, f"g{n}", 1, "")

    with pytest.raises(TooManyGroups):
        enrol(services, camera, Person(1), group="another")


def test_stored_face_is_enrolled_in_another_group_as_a_face_of_its_own(services: Services, cloud: Tenant) -> None:
    first = enrol(services, cloud, Person(1), labels=Labels("a", "b"))[0].face

    copy = services.enrolment.everybody.stored(cloud, "others", first.faceid, Labels(b="B"))
    again = services.enrolment.everybody.stored(cloud, "others", first.faceid, NO_LABELS)

    assert copy.face.faceid != first.faceid
    assert (copy.known, copy.box, copy.face.labels) == (False, None, Labels("a", "B"))
    assert (again.known, again.face.faceid) == (True, copy.face.faceid)
    services.erasure.deletion.of_group(cloud, "VIP会员", [first.faceid])
    assert services.enrolment.everybody.stored(cloud, "third", copy.face.faceid, NO_LABELS).known is False
    with pytest.raises(FaceNotFound):
        services.enrolment.everybody.stored(cloud, "others", first.faceid, NO_LABELS)


def test_sixteen_enrolments_of_one_person_at_once_make_one_face(services: Services, cloud: Tenant) -> None:
    enrolled, errors = [], []
    start = threading.Barrier(16)

    def work(n: int) -> None:
        start.wait()
        try:
            enrolled.extend(enrol(services, cloud, Person(1, quality=80 + n % 3)))
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert errors == []
    assert len({one.face.faceid for one in enrolled}) == 1
    assert services.groups.named(cloud, "VIP会员").count == 1


def test_search_of_a_group_compares_with_that_group_only(services: Services, cloud: Tenant) -> None:
    token = enrol(services, cloud, Person(1))[0].face.faceid
    enrol(services, cloud, Person(2), group="others")

    found = services.recognition.identify.all_in_picture(cloud, picture(Person(2, 90), Person(1, 50)), "VIP会员", RULES)

    assert (found.faces_found, [match.face.faceid for match in found.matches]) == (2, [token])
    assert found.matches[0].decision.gallery_size == 1
    assert services.recognition.identify.all_in_picture(cloud, picture(Person(1)), "unknown", RULES).matches == []
    assert services.recognition.identify.by_face(cloud, token, "others") is None
    by_face = services.recognition.identify.by_face(cloud, token, "VIP会员")
    assert by_face is not None
    assert by_face.face.faceid == token
