"""Emotion and beauty: of whom they are estimated, and what is said of it."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from msgspec.structs import replace

from chalicelib import bootstrap
from chalicelib.api.dialects import DIALECTS, describe_feelings
from chalicelib.book.enrolment.fields import FaceChanges
from chalicelib.domain.model import NO_LABELS, Profile, Tenant
from chalicelib.domain.observations import ObservationFilter
from chalicelib.domain.pictures import ATTRIBUTES, FEELINGS, Estimates
from chalicelib.services import Services
from chalicelib.settings import Settings
from chalicelib.storage import keys
from chalicelib.storage.ports import Update, exists
from regulars.doctor.doctor import check_feelings
from regulars.findings import Level
from regulars.serve.server import describe_start
from tests.support.book.book import Book, shot
from tests.support.fakes import RULES, FakeVision, Person, picture

EVER = (0, 4_000_000_000)


@pytest.fixture
def first(tmp_path: Path) -> Iterator[Services]:
    """A box with the tenants of a first start: one of each profile."""
    settings = Settings(storage=tmp_path)
    with closing(bootstrap.build(settings, vision=FakeVision)) as services:
        for profile in Profile:
            services.tenants.add(profile.value, profile)
        yield services


def felt(estimates: Estimates) -> set[str]:
    return {name for name in FEELINGS if estimates.find_source(name)}


def observed(services: Services, tenant: Tenant) -> list[set[str]]:
    page = services.statistics.observations.query(tenant, ObservationFilter(), *EVER)
    return [felt(observation.estimates) for observation in page.observations]


@pytest.fixture(params=[True, False], ids=["staff", "guests"])
def group(request: pytest.FixtureRequest, book: Book) -> str:
    """A group of a shop that estimates all of everybody, of staff or not."""
    made = book.services.groups.create(book.tenant, "team", None, "")
    if request.param:
        book.services.groups.change_fields(book.tenant, made.id, {"staff": True})
    return made.name


def kept(book: Book) -> dict[str, list[set[str]]]:
    """What is stored of feelings, of each face and observation."""
    faces = [book.services.faces.get(book.tenant, face.faceid) for face in book.faces()]
    return {
        "faces": [felt(picture.estimates) for face in faces for picture in face.pictures],
        "observations": observed(book.services, book.tenant),
    }


@pytest.mark.parametrize("profile", Profile)
def test_a_new_tenant_estimates_no_feelings(first: Services, profile: Profile) -> None:
    tenant = first.tenants.get_by_name(profile.value)
    enrolled = first.enrolment.enrol_largest_face(tenant, "regular", picture(Person(1)), RULES)
    assert felt(enrolled.estimates) == set()
    assert {name for name in ATTRIBUTES if enrolled.estimates.find_source(name)} == (
        {*ATTRIBUTES} - FEELINGS
    )
    assert observed(first, tenant.with_feelings()) == [set()]


def test_a_tenant_of_before_keeps_what_it_has_and_estimates_on(first: Services) -> None:
    item = keys.tenant_item("cloud")
    first.items.transact([Update(keys.TENANTS, item, (exists("there"),), remove=("feelings",))])
    tenant = first.tenants.get_by_name("cloud")
    enrolled = first.enrolment.enrol_largest_face(tenant, "regular", picture(Person(1)), RULES)
    assert felt(first.faces.get(tenant, enrolled.faceid).estimates) == FEELINGS


def test_an_api_that_answers_feelings_estimates_them_of_its_own_pictures(first: Services) -> None:
    tenant = first.tenants.get_by_name("cloud")
    everybody = first.enrolment.everybody
    [person] = everybody.enrol_all_in_picture(
        tenant.with_feelings(), "vip", picture(Person(1)), RULES, NO_LABELS
    )
    assert felt(first.faces.get(tenant.with_feelings(), person.face.faceid).estimates) == FEELINGS
    assert felt(first.faces.get(tenant, person.face.faceid).estimates) == set()
    off = replace(tenant, attributes_off=FEELINGS)
    assert off.with_feelings().unestimated == FEELINGS


def test_of_staff_no_feelings_are_kept(book: Book, group: str) -> None:
    everybody, tenant = book.services.enrolment.everybody, book.tenant
    everybody.enrol_all_in_picture(tenant, group, picture(Person(1)), RULES, NO_LABELS)
    analysis = book.services.recognition.face_analysis
    analysis.search_all_in_picture(tenant, picture(Person(1)), group, RULES)
    book.see(shot(0, 1))
    one = set() if book.services.groups.get_by_name(tenant, group).staff else FEELINGS
    assert kept(book) == {"faces": [one], "observations": [one] * 3}


def test_who_comes_into_a_group_of_staff_loses_them_by_the_next_night(
    book: Book, group: str
) -> None:
    """The face's own say that its sightings have some, too."""
    book.see(shot(0, 1))
    [face] = book.faces()
    book.services.enrolment.update.change_face(
        book.tenant, face.faceid, FaceChanges(new_group_name=group)
    )
    assert kept(book) == {"faces": [FEELINGS], "observations": [FEELINGS]}
    assert book.services.erasure.staff.remove(book.tenant, lambda: 600.0)
    one = set() if book.services.groups.get_by_name(book.tenant, group).staff else FEELINGS
    assert kept(book) == {"faces": [one], "observations": [one]}


def test_a_group_that_becomes_staff_loses_them_by_the_next_night(book: Book, group: str) -> None:
    found = book.services.groups.get_by_name(book.tenant, group)
    book.services.groups.change_fields(book.tenant, found.id, {"staff": False})
    everybody = book.services.enrolment.everybody
    everybody.enrol_all_in_picture(book.tenant, group, picture(Person(1)), RULES, NO_LABELS)
    book.see(shot(0, 1))
    if found.staff:
        book.services.groups.change_fields(book.tenant, found.id, {"staff": True})
    assert book.services.erasure.staff.remove(book.tenant, lambda: 600.0)
    one = set() if found.staff else FEELINGS
    assert kept(book) == {"faces": [one], "observations": [one] * 2}


def test_it_is_said_at_the_first_start_and_by_the_doctor(tmp_path: Path, first: Services) -> None:
    for tenant in first.tenants.list_all():
        said = f"{tenant.name}: {describe_feelings(tenant)}"
        titles = [dialect.title for dialect in DIALECTS if dialect.has_feelings]
        assert all(title in said for title in titles)
        assert said in [*describe_start(tmp_path, first, None)]
        [finding] = check_feelings([tenant])
        assert (finding.level, finding.says) == (Level.OK, said)
        [finding] = check_feelings([tenant.with_feelings()])
        assert (finding.level, "--set feelings=no" in finding.says) == (Level.WARNING, True)
        [finding] = check_feelings([replace(tenant, attributes_off=FEELINGS)])
        assert finding.says == f"{tenant.name}: nobody's emotion or beauty is estimated"
