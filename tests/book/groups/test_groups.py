from contextlib import suppress
from functools import partial

import pytest

from chalicelib.domain.errors import (
    DefaultGroup,
    GroupExists,
    GroupFull,
    GroupNotFound,
    IllegalAttribute,
    IllegalCapacity,
    IllegalGroupName,
    InvalidInput,
    TooManyGroups,
    WrongAttributeCount,
)
from chalicelib.domain.model import NewFace, Tenant
from chalicelib.services import Services
from tests.support.fakes import RULES, Person, picture
from tests.support.meanwhile import side_by_side


def test_threads_that_create_groups_never_pass_the_limits(
    services: Services, camera: Tenant
) -> None:
    made = side_by_side(
        [partial(services.groups.create, camera, f"g{n}", 4_000, "") for n in range(16)]
    )
    assert len(services.groups.list_all(camera)) == 7
    assert len([one for one in made if one in (IllegalCapacity, TooManyGroups)]) == 11


def test_update_is_checked_in_the_contracts_order(services: Services, camera: Tenant) -> None:
    services.groups.create(camera, "vip", 5, "")
    services.groups.create(camera, "other", 5, "")
    for seed in range(3):
        services.enrolment.enrol_largest_face(camera, "vip", picture(Person(seed)), RULES)

    for old, new, capacity, error in (
        ("nowhere", " ", 5, GroupNotFound),
        ("vip", " vip", 5, IllegalGroupName),
        ("stranger", "strangers", 5, DefaultGroup),
        ("vip", "other", 0, GroupExists),
        ("vip", "vip", 0, IllegalCapacity),
        ("vip", "vip", 2, IllegalCapacity),
        ("vip", "vip", 20_000, IllegalCapacity),
    ):
        with pytest.raises(error):
            services.groups.change_by_name(camera, old, {"name": new, "capacity": capacity})
    assert services.groups.get_by_name(camera, "vip").capacity == 5


def test_capacity_may_be_given_and_taken_where_the_tenant_needs_none(
    services: Services, cloud: Tenant
) -> None:
    services.groups.create(cloud, "vip", None, "")
    services.enrolment.enrol_largest_face(cloud, "vip", picture(Person(1)), RULES)

    services.groups.change_by_name(cloud, "vip", {"capacity": 1})
    with pytest.raises(GroupFull):
        services.enrolment.enrol_largest_face(cloud, "vip", picture(Person(2)), RULES)
    services.groups.change_by_name(cloud, "vip", {"capacity": None})
    services.enrolment.enrol_largest_face(cloud, "vip", picture(Person(2)), RULES)

    assert services.groups.read_capacity_left(cloud) == 1_000_000 - 10_000


def test_capacity_shrinks_beside_enrolments_without_being_passed(
    services: Services, camera: Tenant
) -> None:
    services.groups.create(camera, "vip", 30, "")

    def enrol(worker: int) -> None:
        for n in range(4):
            with suppress(GroupFull):
                services.enrolment.enrol_largest_face(
                    camera, "vip", picture(Person(10 * worker + n)), RULES
                )

    def shrink() -> None:
        with suppress(IllegalCapacity):
            for capacity in range(29, 10, -1):
                services.groups.change_by_name(camera, "vip", {"capacity": capacity})

    assert side_by_side([*(partial(enrol, worker) for worker in range(8)), shrink]) == [None] * 9
    group = services.groups.get_by_name(camera, "vip")
    assert group.count <= group.capacity
    assert services.groups.read_capacity_left(camera) == 20_000 - group.capacity


def test_a_faces_value_stays_with_an_attribute_that_stays(
    services: Services, camera: Tenant
) -> None:
    made = services.groups.create(camera, "vip", 5, "", attributes=["hobby", "seat"])
    values = {"hobby": "tennis", "seat": "7"}
    face = services.enrolment.enrol_largest_face(
        camera, "vip", picture(Person(1)), RULES, NewFace(values=values)
    )
    services.groups.change_fields(camera, made.id, {"attributes": ["hobby"]})
    services.groups.change_fields(camera, made.id, {"attributes": ["seat", "hobby"]})
    names = {one.id: one.name for one in services.groups.get(camera, made.id).attributes}
    stored = services.faces.get(camera, face.faceid)
    assert {names[id_]: value for id_, value in stored.attributes.items() if id_ in names} == {
        "hobby": "tennis"
    }


@pytest.mark.parametrize(
    ("group", "changes", "error"),
    [
        ("vip", {"name": " "}, IllegalGroupName),
        ("vip", {"name": "regular"}, GroupExists),
        ("vip", {"capacity": 0}, IllegalCapacity),
        ("vip", {"description": "x" * 151}, InvalidInput),
        ("vip", {"attributes": ["a", "a"]}, IllegalAttribute),
        ("vip", {"attributes": ["age"]}, IllegalAttribute),
        ("vip", {"attributes": list("abcdef")}, WrongAttributeCount),
        ("stranger", {"attributes": ["a"]}, DefaultGroup),
        ("stranger", {"name": "others"}, DefaultGroup),
        ("0", {"name": "others"}, GroupNotFound),
        ("", {"name": "others"}, GroupNotFound),
    ],
)
def test_a_change_that_cannot_be_leaves_every_group_as_it_is(
    services: Services,
    camera: Tenant,
    group: str,
    changes: dict[str, object],
    error: type[Exception],
) -> None:
    made = services.groups.create(camera, "vip", 5, "")
    before = services.groups.list_all(camera)
    with pytest.raises(error):
        services.groups.change_fields(camera, made.id if group == "vip" else group, changes)
    assert services.groups.list_all(camera) == before


def test_a_new_group_goes_as_regulars_do_and_one_that_is_there_keeps_what_it_has(
    services: Services, camera: Tenant
) -> None:
    def create(name: str) -> int | None:
        tenant = services.tenants.get_by_name(camera.name)
        return services.groups.create(tenant, name, 5, "").unseen_days

    assert create("vip") == services.tenants.get_by_name(camera.name).regular_days == 1095
    services.tenants.change_settings(camera.name, {"regular_days": None})
    assert create("before") is None
    services.tenants.change_settings(camera.name, {"regular_days": 30})
    assert create("staff") == 30
    groups = services.groups.list_all(camera)
    assert [group.unseen_days for group in groups if not group.is_default] == [1095, None, 30]
