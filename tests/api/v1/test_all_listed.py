"""Whatever somebody writes by v1 is in the list of what people did, or says why it is not."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import fields

from chalicelib.api.v1.endpoint import V1Operation
from chalicelib.api.v1.routes import OPERATIONS
from chalicelib.domain.captures import SETTINGS_OF_CAMERA
from chalicelib.domain.done import UNKEPT, Done, Stays
from chalicelib.domain.model import PROMOTION_SETTINGS, SETTINGS_OF_GROUP
from chalicelib.domain.person_texts import TEXTS
from chalicelib.domain.tenant_settings import OF_TENANT
from chalicelib.domain.webhooks import SETTINGS_OF_HOOK
from tests.support.faults.shop import Shop, prepared
from tests.support.faults.use_cases import V1


def name_of(operation: V1Operation) -> str:
    return f"{operation.method} {operation.path}"


BY_PEOPLE = [operation for operation in OPERATIONS if operation.is_write]
LISTED = [name_of(operation) for operation in BY_PEOPLE if operation.unlisted is None]
DELETING = {name_of(operation) for operation in BY_PEOPLE if operation.deletes}
CASES = [case for case in V1 if case.route in LISTED]


@pytest.fixture(scope="module")
def shops(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Shop]]:
    with prepared(tmp_path_factory.mktemp("shops")) as made:
        yield made


def test_each_operation_that_says_no_reason_is_tried() -> None:
    assert {case.route for case in CASES} == {*LISTED}


@pytest.mark.parametrize("route", LISTED)
def test_what_somebody_writes_is_listed(route: str, shops: dict[str, Shop], tmp_path: Path) -> None:
    """Declare `unlisted` at the operation, or say `was` with the write that it makes.

    Declare `deletes` if that can be taken back by nobody.
    """
    made: list[Done] = []
    for number, case in enumerate(case for case in CASES if case.route == route):
        with shops[case.shop].copied(tmp_path / str(number)) as box:
            before = {act.id for act in box.services.done.list_all(box.tenant)}
            case.do(box)
            acts = box.services.done.list_all(box.tenant)
            made += [act for act in acts if act.id not in before]
    assert {act.what for act in made} == {route}
    assert (Stays.DELETED in {act.stays for act in made}) == (route in DELETING)


MEMBERS = {
    "/v1/faces/{id}": {
        *("name", *TEXTS, "age", "gender", "group", "labels", "attributes", "hidden", "portrait"),
    },
    "/v1/settings": {*OF_TENANT, *PROMOTION_SETTINGS},
    "/v1/groups/{id}": {*SETTINGS_OF_GROUP, *UNKEPT},
    "/v1/cameras/{id}": {*SETTINGS_OF_CAMERA, "groups"},
    "/v1/hooks/{id}": {*SETTINGS_OF_HOOK, "events", *UNKEPT},
}
"""What an act says of a change, by the operation that makes it."""
SAYS_WHY = {"revision": "it says what was read, and sets nothing"}


@pytest.mark.parametrize(
    "operation",
    [one for one in BY_PEOPLE if one.method == "PATCH" and one.unlisted is None],
    ids=name_of,
)
def test_each_member_of_a_change_is_listed(operation: V1Operation) -> None:
    """Add a new member to what the write says (`was`), or say here why it sets nothing."""
    assert operation.body is not None
    sent = {member.encode_name for member in fields(operation.body)}
    assert sent - MEMBERS[operation.path] - SAYS_WHY.keys() == set()
