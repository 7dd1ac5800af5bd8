import random
from functools import partial

import pytest

from chalicelib.book.enrolment.fields import FaceChanges
from chalicelib.domain.errors import RegularsError
from chalicelib.domain.model import Labels, NewFace, Tenant
from chalicelib.services import Services
from tests.support.book.recount import disagreements
from tests.support.fakes import RULES, Person, picture
from tests.support.meanwhile import side_by_side


@pytest.fixture
def face(services: Services, camera: Tenant) -> str:
    services.groups.create(camera, "vip", 2, "")
    services.groups.create(camera, "gold", 1, "")
    services.groups.add_attributes(camera, "vip", ["hobby", "weight"])
    services.groups.add_attributes(camera, "gold", ["phone", "weight"])
    values = {"hobby": "tennis", "item2": "60"}
    return services.enrolment.enrol_largest_face(
        camera, "vip", picture(Person(1)), RULES, NewFace(faceid="21", age=30, values=values)
    ).faceid


def update(
    services: Services, tenant: Tenant, changes: FaceChanges, group: str = "vip", faceid: str = "21"
) -> None:
    services.enrolment.update.change_in_group(tenant, group, faceid, changes, RULES)


def values(services: Services, tenant: Tenant, faceid: str) -> dict[str, str]:
    stored = services.faces.get(tenant, faceid)
    group = services.groups.find_by_id(tenant, stored.group_id)
    names = {attribute.id: attribute.name for attribute in group.attributes}
    return {names[id_]: value for id_, value in stored.attributes.items()}


def test_sixteen_threads_that_add_move_and_delete_leave_counts_equal_to_a_recount(
    services: Services, camera: Tenant
) -> None:
    groups = {"a": 12, "b": 9, "c": 6}
    for name, capacity in groups.items():
        services.groups.create(camera, name, capacity, "")

    def work(worker: int) -> None:
        chance = random.Random(worker)
        for n in range(25):
            group, other = chance.sample(sorted(groups), 2)
            faceid = f"f{chance.randrange(40)}"
            try:
                match chance.randrange(4):
                    case 0:
                        services.deletion.delete_faces_of_group(
                            camera, group, [faceid, f"f{chance.randrange(40)}"]
                        )
                    case 1:
                        update(services, camera, FaceChanges(new_group_name=other), group, faceid)
                    case 2:
                        changes = FaceChanges(
                            new_group_name=other, picture=picture(Person(worker * 100 + n))
                        )
                        update(services, camera, changes, group, faceid)
                    case _:
                        services.enrolment.enrol_largest_face(
                            camera,
                            group,
                            picture(Person(worker * 100 + n)),
                            RULES,
                            NewFace(faceid=faceid),
                        )
            except RegularsError:
                pass
            for name, capacity in groups.items():
                assert services.groups.get_by_name(camera, name).count <= capacity

    assert side_by_side([partial(work, worker) for worker in range(16)]) == [None] * 16
    assert disagreements(services, camera) == []
    pictures = list((services.settings.storage / "blobs").rglob("*.jpg"))  # type: ignore[operator]
    assert len(pictures) == 2 * sum(
        services.groups.get_by_name(camera, name).count for name in groups
    )


def test_a_face_of_any_group_is_changed_and_answered_as_it_is_stored(
    services: Services, camera: Tenant, face: str
) -> None:
    changes = FaceChanges(
        "gold", age=7, name=" Ann ", note="likes tea", labels={"b": "x"}, values={"phone": "1"}
    )
    answered = services.enrolment.update.change_face(camera, face, changes)
    stored = services.faces.get(camera, face)
    assert answered == stored
    assert (stored.name, stored.note, stored.labels, stored.age) == (
        "Ann",
        "likes tea",
        Labels(b="x"),
        7,
    )
    assert values(services, camera, face) == {"weight": "60", "phone": "1"}
    assert (stored.group_id, stored.revision) == (services.groups.get_by_name(camera, "gold").id, 2)
    services.enrolment.update.change_face(
        camera,
        face,
        FaceChanges(name="", labels={"a": "y"}, cleared_names=frozenset({"age", "gender"})),
    )
    stored = services.faces.get(camera, face)
    assert (stored.name, stored.note, stored.labels, stored.age) == (
        "",
        "likes tea",
        Labels("y", "x"),
        None,
    )
    assert disagreements(services, camera) == []


def test_a_change_that_changes_nothing_keeps_the_revision(
    services: Services, camera: Tenant, face: str
) -> None:
    assert (
        services.enrolment.update.change_face(camera, face, FaceChanges(name="Ann")).revision == 2
    )
    assert (
        services.enrolment.update.change_face(camera, face, FaceChanges(name="Ann")).revision == 2
    )
