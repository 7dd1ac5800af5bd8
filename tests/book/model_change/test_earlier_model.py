"""A folder whose faces were embedded by an earlier model: nobody is unfound and nobody becomes two,
then as before."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from chalicelib.bootstrap import build
from chalicelib.domain.model import Labels, NewFace, Profile, Tenant
from chalicelib.services import Services
from chalicelib.settings import Settings
from chalicelib.storage import keys
from chalicelib.storage.items import walk_items
from chalicelib.storage.ports import Vision
from tests.support.book.recount import disagreements, every_face
from tests.support.book.tenants import add_tenant
from tests.support.fakes import RULES, FakeClock, FakeVision, OtherVision, Person, picture

EARLIER, PRESENT = FakeVision(), OtherVision()
PEOPLE = range(5)


def opened(folder: Path, default: Vision) -> Services:
    """A version whose new tenants go by `default`."""
    visions: dict[str, Vision] = {EARLIER.model: EARLIER, PRESENT.model: PRESENT}
    return build(
        Settings(storage=folder),
        clock=FakeClock(),
        vision=lambda: default,
        vision_of=visions.__getitem__,
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Left by an earlier version, of five people."""
    services = opened(tmp_path / "shop", EARLIER)
    tenant = add_tenant(services, "cloud", Profile.CLOUD)
    for person in PEOPLE:
        enrol(services, tenant, person)
    services.close()
    return tmp_path / "shop"


@pytest.fixture
def services(folder: Path) -> Iterator[Services]:
    services = opened(folder, PRESENT)
    yield services
    services.close()


@pytest.fixture
def tenant(services: Services) -> Tenant:
    return services.tenants.get_by_name("cloud")


def enrol(services: Services, tenant: Tenant, person: int) -> str:
    sent = picture(Person(person))
    return services.enrolment.enrol_largest_face(
        tenant, "regular", sent, RULES, NewFace(faceid=str(person))
    ).faceid


def found(services: Services, tenant: Tenant, person: int) -> str | None:
    match = services.recognition.face_analysis.search_by_picture(
        tenant, picture(Person(person, side_px=90)), RULES
    ).match
    return match.face.faceid if match else None


def everybody(services: Services, tenant: Tenant) -> list[str | None]:
    return [found(services, tenant, person) for person in PEOPLE]


def test_everybody_is_found_from_the_first_search_on(services: Services, tenant: Tenant) -> None:
    assert everybody(services, tenant) == [str(person) for person in PEOPLE]
    assert found(services, tenant, 77) is None
    assert tenant.model == services.reembedding.read_model("cloud") == EARLIER.model


def test_who_is_enrolled_again_before_any_search_does_not_become_two(
    services: Services, tenant: Tenant
) -> None:
    again = services.enrolment.everybody.enrol_all_in_picture(
        tenant, "regular", picture(Person(3, side_px=90)), RULES, Labels()
    )
    assert [one.face.faceid for one in again] == ["3"]
    assert len(every_face(services, tenant)) == len(PEOPLE)


def test_who_comes_new_is_embedded_by_the_earlier_model_too(
    services: Services, tenant: Tenant
) -> None:
    enrol(services, tenant, 9)
    assert {one.model for one in every_face(services, tenant)["9"].templates} == {EARLIER.model}
    assert [*everybody(services, tenant), found(services, tenant, 9)] == [*map(str, PEOPLE), "9"]


def test_changed_to_the_present_model_while_it_serves_everybody_is_found_by_it(
    folder: Path,
) -> None:
    serving, operator = opened(folder, PRESENT), opened(folder, PRESENT)
    tenant = serving.tenants.get_by_name("cloud")
    assert everybody(serving, tenant) == [str(person) for person in PEOPLE]
    outcome = operator.reembedding.change_model("cloud", EARLIER, PRESENT)
    assert (outcome.switched, outcome.embedded, outcome.failures) == (True, len(PEOPLE), {})
    tenant = serving.tenants.get_by_name("cloud")
    assert everybody(serving, tenant) == [str(person) for person in PEOPLE]
    assert tenant.model == serving.reembedding.read_model("cloud") == PRESENT.model
    assert disagreements(serving, tenant) == []
    serving.close()
    operator.close()


@pytest.mark.parametrize("first", ["build", "search"])
def test_snapshots_are_those_of_the_earlier_model(
    services: Services, tenant: Tenant, first: str
) -> None:
    if first == "search":
        everybody(services, tenant)
    services.deletion.delete_faces_of_group(tenant, "regular", ["4"])
    services.index.build("cloud")
    pointers = [
        one["item"] for one in walk_items(services.requests._items, keys.DIRECTORY, "cloud")
    ]
    assert keys.index_item(EARLIER.model) in pointers
    assert keys.index_item(PRESENT.model) not in pointers
    assert everybody(services, tenant) == ["0", "1", "2", "3", None]
