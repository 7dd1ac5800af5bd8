"""A subject's photos are laid into looks that are faces of the book; whatever happens to these, both agree."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from chalicelib.api.compreface.requests import RULES
from chalicelib.core.errors import FaceHeld, PictureNotFound, UserNotFound
from chalicelib.core.model import Face, Group, Profile, Tenant
from chalicelib.services import Services
from chalicelib.services.subjects import Example
from regulars_lab.rigs.book_with import book_with
from tests.fakes import Person, embedding_of, picture
from tests.services.meanwhile import Meanwhile


@pytest.fixture
def tenant(services: Services) -> Tenant:
    services.tenants.add("home", Profile.CLOUD)
    tenant = services.tenants.named("home")
    services.groups.create(tenant, "family", None, "")
    return tenant


def family(services: Services, tenant: Tenant) -> Group:
    return services.groups.named(tenant, "family")


def enrolled(services: Services, tenant: Tenant, name: str, seed: int, number: int = 0) -> Example:
    photo = picture(Person(seed, side_px=100.0 + number))
    return services.subjects.enrol(tenant, family(services, tenant), name, photo, RULES, 0.0)


def looks(services: Services, tenant: Tenant, name: str) -> list[Face]:
    group = family(services, tenant)
    return list(services.faces.of_group(tenant, group, services.subjects.get(tenant, group, name).faceids).values())


@pytest.fixture(autouse=True)
def agreement(services: Services, tenant: Tenant) -> Iterator[None]:
    """After each test, what is stored agrees with itself."""
    yield
    assert services.consistency.disagreements(tenant.name) == []


def test_a_photo_joins_the_look_that_it_resembles_and_any_other_opens_one(services: Services, tenant: Tenant) -> None:
    for seed, number in ((1, 0), (2, 0), (1, 1), (2, 1), (1, 2)):
        enrolled(services, tenant, "Crew", seed, number)
    assert sorted(face.picture_count for face in looks(services, tenant, "Crew")) == [2, 3]
    assert family(services, tenant).count == 2


def test_a_look_has_eight_photos_and_the_ninth_opens_another(services: Services, tenant: Tenant) -> None:
    ids = {enrolled(services, tenant, "Ann", 1, number).id for number in range(9)}
    assert len(ids) == 9
    assert [face.picture_count for face in looks(services, tenant, "Ann")] == [8, 1]


def test_a_subject_has_no_mean_since_its_looks_may_be_several_people(services: Services, tenant: Tenant) -> None:
    enrolled(services, tenant, "Crew", 1)
    enrolled(services, tenant, "Crew", 2)
    assert services.subjects.get(tenant, family(services, tenant), "crew").templates == ()


def test_two_adds_of_one_new_subject_at_once_make_one(services: Services, tenant: Tenant) -> None:
    with ThreadPoolExecutor(4) as threads:
        made = list(threads.map(lambda number: enrolled(services, tenant, "Ann", 1, number % 2), range(8)))
    assert len({one.id for one in made}) == 2
    (face,) = looks(services, tenant, "Ann")
    assert face.picture_count == 2
    assert family(services, tenant).users == 1


class Reading:
    """The real faces, before whose read number `at` something happens."""

    def __init__(self, services: Services, at: int, meanwhile: Callable[[], object]) -> None:
        self._faces, self._at, self._meanwhile = services.faces, at, meanwhile

    def __getattr__(self, name: str) -> Any:
        return getattr(self._faces, name)

    def of_group(self, *asked: Any) -> dict[str, Face]:
        self._at -= 1
        if self._at == 0:
            self._meanwhile()
        return self._faces.of_group(*asked)


@pytest.mark.parametrize("at", [1, 2, 3])
def test_a_photo_that_somebody_else_adds_between_two_reads_is_added_once(
    services: Services, tenant: Tenant, at: int
) -> None:
    enrolled(services, tenant, "Ann", 1)
    photo, added = picture(Person(1, side_px=101.0)), list[Example]()
    faces = Reading(services, at, lambda: added.append(enrolled(services, tenant, "Ann", 1, 1)))
    late = book_with(services, faces=faces).subjects
    assert late.enrol(tenant, family(services, tenant), "Ann", photo, RULES, 0.0).id == added[0].id
    assert [face.picture_count for face in looks(services, tenant, "Ann")] == [2]


def test_the_last_photo_of_a_look_takes_it_along_and_the_subject_stays(services: Services, tenant: Tenant) -> None:
    one, two = (enrolled(services, tenant, "Ann", 1, number) for number in range(2))
    for example in (one, two):
        group = family(services, tenant)
        services.subjects.remove(tenant, services.subjects.example(tenant, group, example.id), "k")
    assert looks(services, tenant, "Ann") == []
    assert family(services, tenant).count == 0
    with pytest.raises(PictureNotFound):
        services.subjects.example(tenant, family(services, tenant), two.id)


def test_examples_that_are_deleted_at_once_take_the_look_along_and_one_that_is_added_keeps_it(
    services: Services, tenant: Tenant
) -> None:
    ids = [enrolled(services, tenant, "Ann", 1, number).id for number in range(2)]
    group, meanwhile = family(services, tenant), Meanwhile(services.items)
    subjects = book_with(services, items=meanwhile).subjects
    one, two = (services.subjects.example(tenant, group, id_) for id_ in ids)
    meanwhile.first = [lambda: services.subjects.remove(tenant, two, "k")]
    subjects.remove(tenant, one, "k")
    assert looks(services, tenant, "Ann") == []
    one = enrolled(services, tenant, "Ann", 1)
    meanwhile.first = [lambda: enrolled(services, tenant, "Ann", 1, 1)]
    subjects.remove(tenant, one, "k")
    assert [face.picture_count for face in looks(services, tenant, "Ann")] == [1]
    with pytest.raises(PictureNotFound):
        subjects.remove(tenant, one, "k")


def test_a_face_that_is_deleted_elsewhere_takes_its_examples_along(services: Services, tenant: Tenant) -> None:
    one = enrolled(services, tenant, "Ann", 1)
    services.erasure.deletion.of_faces(tenant, [one.face.faceid])
    group = family(services, tenant)
    assert list(services.subjects.examples_of(tenant, group, services.subjects.all(tenant, group))) == []
    assert services.subjects.nearest(tenant, group, embedding_of(1)[None], [None], 1).near == [[]]


def test_a_held_look_is_kept_and_its_subject_with_it_and_all_that_were_to_go_with_it(
    services: Services, tenant: Tenant
) -> None:
    enrolled(services, tenant, "Ann", 1)
    services.faces.holds.set(tenant, enrolled(services, tenant, "Ben", 2).face.faceid, "case 7")
    group = family(services, tenant)
    both = services.subjects.all(tenant, group)
    with pytest.raises(FaceHeld):
        services.subjects.delete(tenant, group, both, "k")
    assert [len(looks(services, tenant, one.name)) for one in both] == [1, 1]


def test_a_restricted_look_is_no_example_until_it_is_lifted(services: Services, tenant: Tenant) -> None:
    one = enrolled(services, tenant, "Ann", 1)
    services.faces.restrictions.set(tenant, one.face.faceid, "asked for")
    group = family(services, tenant)
    assert list(services.subjects.examples_of(tenant, group, services.subjects.all(tenant, group))) == []
    services.faces.restrictions.lift(tenant, one.face.faceid, "settled")
    assert services.subjects.example(tenant, group, one.id).subject == "Ann"


def test_a_rename_of_many_looks_keeps_every_id(services: Services, tenant: Tenant) -> None:
    ids = {enrolled(services, tenant, "Crew", seed).id for seed in range(1, 13)}
    group = family(services, tenant)
    services.subjects.rename(tenant, group, "Crew", "Team")
    assert {face.name for face in looks(services, tenant, "team")} == {"Team"}
    services.subjects.rename(tenant, group, "team", "TEAM")
    assert {face.name for face in looks(services, tenant, "team")} == {"TEAM"}
    found = services.subjects.examples_of(tenant, group, services.subjects.all(tenant, group))
    assert {one.id for one in found} == ids
    assert family(services, tenant).users == 1
    with pytest.raises(UserNotFound):
        services.subjects.get(tenant, group, "Crew")


def test_a_subject_that_is_deleted_while_it_gets_another_name_does_not_come_back(
    services: Services, tenant: Tenant
) -> None:
    enrolled(services, tenant, "Ann", 1)
    group, meanwhile = family(services, tenant), Meanwhile(services.items)
    ann = services.subjects.get(tenant, group, "Ann")
    meanwhile.first = [lambda: services.subjects.delete(tenant, group, [ann], "me")]
    book_with(services, items=meanwhile).subjects.rename(tenant, group, "Ann", "Anna")
    assert services.subjects.all(tenant, group) == []


@pytest.mark.parametrize("when", ["before", "meanwhile"])
def test_a_face_that_is_free_again_joins_its_subject_which_was_made_again(
    services: Services, tenant: Tenant, when: str
) -> None:
    face = enrolled(services, tenant, "Ann", 1).face
    services.faces.restrictions.set(tenant, face.faceid, "letter 7")
    group, meanwhile = family(services, tenant), Meanwhile(services.items)
    if when == "before":
        services.subjects.add(tenant, group, "Ann")
    else:
        meanwhile.first = [lambda: services.subjects.add(tenant, group, "Ann")]
    book_with(services, items=meanwhile).faces.restrictions.lift(tenant, face.faceid, "settled")
    assert [one.faceid for one in looks(services, tenant, "Ann")] == [face.faceid]


def test_a_subject_that_is_made_while_its_group_is_deleted_goes_with_it(services: Services, tenant: Tenant) -> None:
    group, meanwhile = family(services, tenant), Meanwhile(services.items)
    meanwhile.first = [lambda: services.subjects.add(tenant, group, "Ann")]
    book_with(services, items=meanwhile).groups.delete_id(tenant, group.id)
    assert services.subjects.all(tenant, group) == []
