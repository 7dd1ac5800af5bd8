from __future__ import annotations

import random
import threading

import pytest

from chalicelib.core.errors import (
    AttributeNotFound,
    Changed,
    FaceNotFound,
    GroupFull,
    GroupNotFound,
    InvalidInput,
    RegularsError,
    Unusable,
)
from chalicelib.core.model import Labels, Tenant
from chalicelib.core.pictures import Gender
from chalicelib.services import Services
from chalicelib.services.enrolment.enrolment import AGE, GENDER, FaceChanges
from chalicelib.services.idempotency import AnsweredAlready, RequestId
from tests.fakes import Person, picture
from tests.faults.recount import disagreements
from tests.services.conftest import RULES


@pytest.fixture
def face(services: Services, camera: Tenant) -> str:
    services.groups.create(camera, "vip", 2, "")
    services.groups.create(camera, "gold", 1, "")
    services.groups.add_attributes(camera, "vip", ["hobby", "weight"])
    services.groups.add_attributes(camera, "gold", ["phone", "weight"])
    values = {"hobby": "tennis", "item2": "60"}
    return services.enrolment.of_largest_face(
        camera, "vip", picture(Person(1)), RULES, faceid="21", age=30, values=values
    ).faceid


def update(services: Services, tenant: Tenant, changes: FaceChanges, group: str = "vip", faceid: str = "21") -> None:
    services.enrolment.update.of_face(tenant, group, faceid, changes, RULES)


def values(services: Services, tenant: Tenant, faceid: str) -> dict[str, str]:
    stored = services.faces.get(tenant, faceid)
    group = services.groups.of_id(tenant, stored.group_id)
    assert group is not None
    names = {attribute.id: attribute.name for attribute in group.attributes}
    return {names[id_]: value for id_, value in stored.attributes.items()}


def test_move_keeps_the_face_and_drops_what_the_new_group_lacks(services: Services, camera: Tenant, face: str) -> None:
    before = services.faces.get(camera, face)

    update(services, camera, FaceChanges(new_group_name="gold", values={"phone": "1234"}))

    after = services.faces.get(camera, face)
    assert values(services, camera, face) == {"phone": "1234", "weight": "60"}
    assert (after.picture_key, after.templates, after.age) == (before.picture_key, before.templates, 30)
    assert [services.groups.named(camera, name).count for name in ("vip", "gold")] == [0, 1]
    search = services.recognition.identify.by_picture(camera, picture(Person(1)), RULES)
    assert search.match is not None
    assert search.match.group.name == "gold"
    assert disagreements(services, camera) == []


def test_empty_value_clears_and_what_is_not_sent_stays(services: Services, camera: Tenant, face: str) -> None:
    update(services, camera, FaceChanges(age=31, gender=Gender.UNKNOWN, values={"item1": ""}))

    stored = services.faces.get(camera, face)
    assert (stored.age, stored.gender) == (31, Gender.UNKNOWN)
    assert values(services, camera, face) == {"weight": "60"}


def test_new_picture_replaces_the_old_one_for_good(services: Services, camera: Tenant, face: str) -> None:
    update(services, camera, FaceChanges(picture=picture(Person(2))))

    assert services.recognition.identify.by_picture(camera, picture(Person(1)), RULES).match is None
    search = services.recognition.identify.by_picture(camera, picture(Person(2, quality=70)), RULES)
    assert search.match is not None
    assert search.match.face.faceid == face
    assert len(list((services.settings.storage / "blobs").rglob("*.jpg"))) == 2  # type: ignore[operator]
    assert disagreements(services, camera) == []


def test_checks_come_in_the_contracts_order_and_change_nothing(services: Services, camera: Tenant, face: str) -> None:
    services.enrolment.of_largest_face(camera, "gold", picture(Person(3)), RULES)
    before = services.faces.get(camera, face)

    for changes, group, faceid, error in (
        (FaceChanges(age=121, new_group_name="nowhere"), "nowhere", "22", InvalidInput),
        (FaceChanges(new_group_name="nowhere"), "vip", "22", GroupNotFound),
        (FaceChanges(picture=b"text"), "gold", "21", FaceNotFound),
        (FaceChanges(picture=b"text", new_group_name="gold"), "vip", "21", Unusable),
        (FaceChanges(new_group_name="gold", age=1), "vip", "21", GroupFull),
    ):
        with pytest.raises(error):
            update(services, camera, changes, group, faceid)
    assert services.faces.get(camera, face) == before
    assert disagreements(services, camera) == []


def test_retry_of_an_update_is_answered(services: Services, camera: Tenant, face: str) -> None:
    request = RequestId("k", "d")
    changes = FaceChanges(new_group_name="gold")
    services.enrolment.update.of_face(camera, "vip", face, changes, RULES, request)

    with pytest.raises(FaceNotFound):
        services.enrolment.update.of_face(camera, "vip", face, changes, RULES, request)
    answer = services.requests.find(camera.name, request)
    assert answer is not None
    assert answer.code == "ok"


def test_same_update_twice_at_once_is_done_once(services: Services, camera: Tenant, face: str) -> None:
    request, before = RequestId("k", "d"), services.faces.get(camera, face).version
    services.enrolment.update.of_face(camera, "vip", face, FaceChanges(age=1), RULES, request)

    with pytest.raises(AnsweredAlready):
        services.enrolment.update.of_face(camera, "vip", face, FaceChanges(age=1), RULES, request)
    assert services.faces.get(camera, face).version == before + 1


def test_sixteen_threads_that_add_move_and_delete_leave_counts_equal_to_a_recount(
    services: Services, camera: Tenant
) -> None:
    groups = {"a": 12, "b": 9, "c": 6}
    for name, capacity in groups.items():
        services.groups.create(camera, name, capacity, "")
    unexpected: list[Exception] = []

    def work(worker: int) -> None:
        chance = random.Random(worker)
        for n in range(25):
            group, other = chance.sample(sorted(groups), 2)
            faceid = f"f{chance.randrange(40)}"
            try:
                match chance.randrange(4):
                    case 0:
                        services.erasure.deletion.of_group(camera, group, [faceid, f"f{chance.randrange(40)}"])
                    case 1:
                        update(services, camera, FaceChanges(new_group_name=other), group, faceid)
                    case 2:
                        changes = FaceChanges(new_group_name=other, picture=picture(Person(worker * 100 + n)))
                        update(services, camera, changes, group, faceid)
                    case _:
                        services.enrolment.of_largest_face(
                            camera, group, picture(Person(worker * 100 + n)), RULES, faceid=faceid
                        )
            except RegularsError:
                pass
            except Exception as error:
                unexpected.append(error)
            for name, capacity in groups.items():
                assert services.groups.named(camera, name).count <= capacity

    threads = [threading.Thread(target=work, args=(worker,)) for worker in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert unexpected == []
    assert disagreements(services, camera) == []
    pictures = list((services.settings.storage / "blobs").rglob("*.jpg"))  # type: ignore[operator]
    assert len(pictures) == 2 * sum(services.groups.named(camera, name).count for name in groups)


def test_a_face_of_any_group_is_changed_and_answered_as_it_is_stored(
    services: Services, camera: Tenant, face: str
) -> None:
    changes = FaceChanges("gold", age=7, name=" Ann ", note="likes tea", labels={"b": "x"}, values={"phone": "1"})
    answered = services.enrolment.update.of_id(camera, face, changes)
    stored = services.faces.get(camera, face)
    assert answered == stored
    assert (stored.name, stored.note, stored.labels, stored.age) == ("Ann", "likes tea", Labels(b="x"), 7)
    assert values(services, camera, face) == {"weight": "60", "phone": "1"}
    assert (stored.group_id, stored.revision) == (services.groups.named(camera, "gold").id, 2)
    services.enrolment.update.of_id(
        camera, face, FaceChanges(name="", labels={"a": "y"}, taken_back=frozenset({AGE, GENDER}))
    )
    stored = services.faces.get(camera, face)
    assert (stored.name, stored.note, stored.labels, stored.age) == ("", "likes tea", Labels("y", "x"), None)
    assert disagreements(services, camera) == []


def test_a_change_of_an_old_revision_is_refused_with_the_present_state(
    services: Services, camera: Tenant, face: str
) -> None:
    services.enrolment.update.of_id(camera, face, FaceChanges(name="Ann"), revision=1)
    with pytest.raises(Changed, match="revision 2, and 1") as refused:
        services.enrolment.update.of_id(camera, face, FaceChanges(name="Bea"), revision=1)
    assert refused.value.present == services.faces.get(camera, face)
    assert services.enrolment.update.of_id(camera, face, FaceChanges(name="Bea"), revision=2).revision == 3


def test_a_change_that_changes_nothing_keeps_the_revision(services: Services, camera: Tenant, face: str) -> None:
    assert services.enrolment.update.of_id(camera, face, FaceChanges(name="Ann")).revision == 2
    assert services.enrolment.update.of_id(camera, face, FaceChanges(name="Ann")).revision == 2


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        (FaceChanges(name="x" * 101), InvalidInput),
        (FaceChanges(note="x" * 501), InvalidInput),
        (FaceChanges(name="Ann", new_group_name="nowhere"), GroupNotFound),
        (FaceChanges(name="Ann", values={"phone": "1"}), AttributeNotFound),
        (FaceChanges(name="Ann", values={"item1": "1"}), AttributeNotFound),
        (FaceChanges(name="Ann", values={"hobby": "x" * 51}), InvalidInput),
    ],
)
def test_a_change_that_cannot_be_changes_nothing(
    services: Services, camera: Tenant, face: str, changes: FaceChanges, error: type[Exception]
) -> None:
    before = services.faces.get(camera, face)
    with pytest.raises(error):
        services.enrolment.update.of_id(camera, face, changes)
    assert services.faces.get(camera, face) == before


def test_a_repeated_change_happens_once(services: Services, camera: Tenant, face: str) -> None:
    request = RequestId("1", "a")
    services.enrolment.update.of_id(camera, face, FaceChanges(name="Ann"), request=request)
    services.enrolment.update.of_id(camera, face, FaceChanges(name="Bea"))
    with pytest.raises(AnsweredAlready):
        services.enrolment.update.of_id(camera, face, FaceChanges(name="Ann"), request=request)
    assert services.faces.get(camera, face).name == "Bea"
