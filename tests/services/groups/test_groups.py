from __future__ import annotations

import threading
import unicodedata

import pytest

from chalicelib.core.errors import (
    Changed,
    DefaultGroup,
    GroupExists,
    GroupFull,
    GroupNotEmpty,
    GroupNotFound,
    IllegalAttribute,
    IllegalCapacity,
    IllegalGroupName,
    InvalidInput,
    TooManyGroups,
    WrongAttributeCount,
)
from chalicelib.core.model import Migration, Tenant
from chalicelib.services import Services
from chalicelib.services.idempotency import AnsweredAlready, RequestId
from tests.fakes import Person, picture
from tests.services.conftest import RULES


def test_default_groups_exist_from_the_first_day(services: Services, camera: Tenant) -> None:
    groups = services.groups.all(camera)

    assert [(group.name, group.capacity, group.count) for group in groups] == [
        ("stranger", 5000, 0),
        ("regular", 5000, 0),
    ]
    migration = services.groups.migration(camera)
    assert (migration.arrive_times, migration.period_days) == (5, 7)


def test_names_are_one_in_their_unicode_forms_and_two_in_case(services: Services, camera: Tenant) -> None:
    services.groups.create(camera, "Caf\u00e9", 1, "")
    services.groups.create(camera, "caf\u00e9", 1, "")

    assert services.groups.named(camera, unicodedata.normalize("NFD", "Caf\u00e9")).name == "Caf\u00e9"
    with pytest.raises(GroupExists):
        services.groups.create(camera, unicodedata.normalize("NFD", "caf\u00e9"), 1, "")
    with pytest.raises(GroupNotFound):
        services.groups.named(camera, "CAF\u00c9")


@pytest.mark.parametrize("name", ["", " vip", "\u3000vip", "v" * 97, "v\0ip", "v\nip", "v\x1b[2Jip", "v\u2028ip"])
def test_illegal_name_is_refused(services: Services, camera: Tenant, name: str) -> None:
    with pytest.raises(IllegalGroupName):
        services.groups.create(camera, name, 1, "")


def test_lengths_count_characters(services: Services, camera: Tenant) -> None:
    services.groups.create(camera, "客" * 96, 1, "金" * 150)

    with pytest.raises(InvalidInput, match="up to 150 characters, not 151"):
        services.groups.create(camera, "other", 1, "金" * 151)


@pytest.mark.parametrize("capacity", [0, -1, 20_001, 10**30])
def test_capacity_that_is_not_positive_or_passes_the_sum_is_refused(
    services: Services, camera: Tenant, capacity: int
) -> None:
    with pytest.raises(IllegalCapacity):
        services.groups.create(camera, "vip", capacity, "")
    services.groups.create(camera, "vip", 20_000, "")


def test_ninth_group_of_ones_own_is_refused(services: Services, camera: Tenant) -> None:
    for n in range(8):
        services.groups.create(camera, f"g{n}", 1, "")
    with pytest.raises(TooManyGroups):
        services.groups.create(camera, "g8", 1, "")

    services.groups.delete(camera, "g0")
    services.groups.create(camera, "g8", 1, "")

    assert [group.name for group in services.groups.all(camera)][2:] == [f"g{n}" for n in range(1, 9)]


def test_deleted_group_gives_its_capacity_back(services: Services, camera: Tenant) -> None:
    for _ in range(3):
        services.groups.create(camera, "vip", 20_000, "")
        services.groups.delete(camera, "vip")


def test_only_empty_groups_of_ones_own_are_deleted(services: Services, camera: Tenant) -> None:
    services.groups.create(camera, "vip", 5, "")
    services.enrolment.of_largest_face(camera, "vip", picture(Person(1)), RULES, faceid="1")

    with pytest.raises(GroupNotEmpty, match="holds 1"):
        services.groups.delete(camera, "vip")
    with pytest.raises(DefaultGroup):
        services.groups.delete(camera, "stranger")
    with pytest.raises(GroupNotFound):
        services.groups.delete(camera, "nowhere")


def test_retry_of_a_creation_is_answered(services: Services, camera: Tenant) -> None:
    request = RequestId("k", "d")
    services.groups.create(camera, "vip", 5, "", request)
    services.groups.delete(camera, "vip")

    with pytest.raises(AnsweredAlready):
        services.groups.create(camera, "vip", 5, "", request)
    assert services.groups.find(camera, "vip") is None


def test_threads_that_create_groups_never_pass_the_limits(services: Services, camera: Tenant) -> None:
    refused, errors = [], []

    def work(n: int) -> None:
        try:
            services.groups.create(camera, f"g{n}", 4_000, "")
        except (IllegalCapacity, TooManyGroups):
            refused.append(n)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert errors == []
    assert len(services.groups.all(camera)) == 7
    assert len(refused) == 11


def test_renamed_group_keeps_its_faces_and_frees_its_old_name(services: Services, camera: Tenant) -> None:
    services.groups.create(camera, "vip", 5, "gold card")
    faceid = services.enrolment.of_largest_face(camera, "vip", picture(Person(1)), RULES).faceid

    services.groups.update(camera, "vip", "svip", 7, "platinum card")
    services.groups.create(camera, "vip", 1, "")

    group = services.groups.named(camera, "svip")
    assert (group.count, group.capacity, group.description) == (1, 7, "platinum card")
    assert services.faces.get(camera, faceid).group_id == group.id


def test_update_is_checked_in_the_contracts_order(services: Services, camera: Tenant) -> None:
    services.groups.create(camera, "vip", 5, "")
    services.groups.create(camera, "other", 5, "")
    for seed in range(3):
        services.enrolment.of_largest_face(camera, "vip", picture(Person(seed)), RULES)

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
            services.groups.update(camera, old, new, capacity, "")
    assert services.groups.named(camera, "vip").capacity == 5


def test_default_group_may_change_all_but_its_name(services: Services, camera: Tenant) -> None:
    services.groups.update(camera, "stranger", "stranger", 25_000, "new")
    with pytest.raises(IllegalCapacity):
        services.groups.create(camera, "vip", 1, "")
    services.groups.update(camera, "stranger", "stranger", 24_999, "new")
    services.groups.create(camera, "vip", 1, "")


def test_capacity_may_be_given_and_taken_where_the_tenant_needs_none(services: Services, cloud: Tenant) -> None:
    services.groups.create(cloud, "vip", None, "")
    services.enrolment.of_largest_face(cloud, "vip", picture(Person(1)), RULES)

    services.groups.update(cloud, "vip", "vip", 1, "")
    with pytest.raises(GroupFull):
        services.enrolment.of_largest_face(cloud, "vip", picture(Person(2)), RULES)
    services.groups.update(cloud, "vip", "vip", None, "")
    services.enrolment.of_largest_face(cloud, "vip", picture(Person(2)), RULES)

    assert services.groups.capacity_left(cloud) == 1_000_000 - 10_000


def test_capacity_shrinks_beside_enrolments_without_being_passed(services: Services, camera: Tenant) -> None:
    services.groups.create(camera, "vip", 30, "")
    errors = []

    def enrol(worker: int) -> None:
        for n in range(4):
            try:
                services.enrolment.of_largest_face(camera, "vip", picture(Person(10 * worker + n)), RULES)
            except GroupFull:
                pass
            except Exception as error:
                errors.append(error)

    def shrink() -> None:
        for capacity in range(29, 10, -1):
            try:
                services.groups.update(camera, "vip", "vip", capacity, "")
            except IllegalCapacity:
                return

    threads = [threading.Thread(target=enrol, args=(worker,)) for worker in range(8)]
    threads.append(threading.Thread(target=shrink))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    group = services.groups.named(camera, "vip")
    assert errors == []
    assert group.capacity is not None
    assert group.count <= group.capacity
    assert services.groups.capacity_left(camera) == 20_000 - group.capacity


@pytest.mark.parametrize(("times", "days"), [(0, 7), (11, 7), (5, 0), (5, 101)])
def test_migration_out_of_range_is_refused(services: Services, camera: Tenant, times: int, days: int) -> None:
    with pytest.raises(InvalidInput):
        services.groups.set_migration(camera, Migration(times, days))
    assert services.groups.migration(camera) == Migration(5, 7)


def test_migration_is_kept(services: Services, camera: Tenant) -> None:
    services.groups.set_migration(camera, Migration(10, 100))

    assert services.groups.migration(camera) == Migration(10, 100)


def test_a_group_is_changed_by_its_id_and_keeps_what_is_not_sent(services: Services, camera: Tenant) -> None:
    made = services.groups.create(camera, "vip", 5, "best", attributes=["hobby", "seat"])
    assert [(one.id, one.name) for one in made.attributes] == [(1, "hobby"), (2, "seat")]
    changed = services.groups.change(camera, made.id, {"name": "VIP", "attributes": ["row", "hobby"]})
    assert changed == services.groups.named(camera, "VIP")
    assert (changed.capacity, changed.description, changed.version) == (5, "best", 2)
    assert [(one.id, one.name) for one in changed.attributes] == [(3, "row"), (1, "hobby")]
    assert services.groups.change(camera, made.id, {"capacity": 7}).capacity == 7
    assert services.groups.get(camera, made.id).attributes == changed.attributes


def test_a_faces_value_stays_with_an_attribute_that_stays(services: Services, camera: Tenant) -> None:
    made = services.groups.create(camera, "vip", 5, "", attributes=["hobby", "seat"])
    values = {"hobby": "tennis", "seat": "7"}
    face = services.enrolment.of_largest_face(camera, "vip", picture(Person(1)), RULES, values=values)
    services.groups.change(camera, made.id, {"attributes": ["hobby"]})
    services.groups.change(camera, made.id, {"attributes": ["seat", "hobby"]})
    names = {one.id: one.name for one in services.groups.get(camera, made.id).attributes}
    stored = services.faces.get(camera, face.faceid)
    assert {names[id_]: value for id_, value in stored.attributes.items() if id_ in names} == {"hobby": "tennis"}


def test_a_change_of_an_old_revision_is_refused_with_the_present_group(services: Services, camera: Tenant) -> None:
    made = services.groups.create(camera, "vip", 5, "")
    changed = services.groups.change(camera, made.id, {"description": "a"}, revision=1)
    services.enrolment.of_largest_face(camera, "vip", picture(Person(1)), RULES)
    with pytest.raises(Changed) as refused:
        services.groups.change(camera, made.id, {"description": "b"}, revision=1)
    present = refused.value.present
    assert present == services.groups.get(camera, made.id)
    assert services.groups.change(camera, made.id, {"description": "b"}, revision=changed.version).version == 3


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
    services: Services, camera: Tenant, group: str, changes: dict[str, object], error: type[Exception]
) -> None:
    made = services.groups.create(camera, "vip", 5, "")
    before = services.groups.all(camera)
    with pytest.raises(error):
        services.groups.change(camera, made.id if group == "vip" else group, changes)
    assert services.groups.all(camera) == before


def test_a_group_is_deleted_by_its_id(services: Services, camera: Tenant) -> None:
    made = services.groups.create(camera, "vip", 20_000, "")
    services.groups.delete_id(camera, made.id)
    with pytest.raises(GroupNotFound):
        services.groups.delete_id(camera, made.id)
    services.groups.create(camera, "vip", 20_000, "")
