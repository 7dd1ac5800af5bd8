"""Whatever somebody writes by v1 is in the list of what people did, or says why it is not."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from chalicelib.api.v1.endpoint import V1Operation
from chalicelib.api.v1.routes import OPERATIONS
from chalicelib.auth.roles import Role
from chalicelib.domain.done import Done
from tests.support.faults.shop import Shop, prepared
from tests.support.faults.use_cases import V1


def name_of(operation: V1Operation) -> str:
    return f"{operation.method} {operation.path}"


BY_PEOPLE = [
    operation
    for operation in OPERATIONS
    if operation.method != "GET"
    and operation.role in (Role.OPERATOR, Role.ADMIN)
    and not operation.of_cameras
]
LISTED = [name_of(operation) for operation in BY_PEOPLE if operation.unlisted is None]
CASES = [case for case in V1 if case.route in LISTED]


@pytest.fixture(scope="module")
def shops(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Shop]]:
    with prepared(tmp_path_factory.mktemp("shops")) as made:
        yield made


def test_each_operation_that_says_no_reason_is_tried() -> None:
    assert {case.route for case in CASES} == {*LISTED}


@pytest.mark.parametrize("route", LISTED)
def test_what_somebody_writes_is_listed(route: str, shops: dict[str, Shop], tmp_path: Path) -> None:
    """Declare `unlisted` at the operation, or say `was` with the write that it makes."""
    made: list[Done] = []
    for number, case in enumerate(case for case in CASES if case.route == route):
        with shops[case.shop].copied(tmp_path / str(number)) as box:
            before = {act.id for act in box.services.done.list_all(box.tenant)}
            case.do(box)
            acts = box.services.done.list_all(box.tenant)
            made += [act for act in acts if act.id not in before]
    assert {act.what for act in made} == {route}
