from __future__ import annotations

import pytest

from chalicelib.core.errors import (
    AttributeNotFound,
    DefaultGroup,
    GroupNotFound,
    IllegalAttribute,
    WrongAttributeCount,
)
from chalicelib.core.model import Tenant
from chalicelib.services import Services
from chalicelib.services.idempotency import AnsweredAlready, RequestId
from tests.fakes import Person, picture
from tests.services.conftest import RULES


@pytest.fixture
def vip(services: Services, camera: Tenant) -> str:
    services.groups.create(camera, "vip", 10, "")
    return "vip"


def names(services: Services, tenant: Tenant) -> list[str]:
    return [attribute.name for attribute in services.groups.named(tenant, "vip").attributes]


def test_added_attributes_keep_their_order_and_removed_ones_let_later_move_up(
    services: Services, camera: Tenant, vip: str
) -> None:
    services.groups.add_attributes(camera, vip, ["hobby", "weight"])
    services.groups.add_attributes(camera, vip, ["phone"])
    services.groups.remove_attributes(camera, vip, ["weight"])

    assert names(services, camera) == ["hobby", "phone"]


def test_name_that_comes_back_comes_back_empty(services: Services, camera: Tenant, vip: str) -> None:
    services.groups.add_attributes(camera, vip, ["hobby"])
    enrolled = services.enrolment.of_largest_face(
        camera, vip, picture(Person(1)), RULES, values={"hobby": "tennis", "unknown": "x"}
    )
    services.groups.remove_attributes(camera, vip, ["hobby"])
    services.groups.add_attributes(camera, vip, ["hobby"])

    (hobby,) = services.groups.named(camera, vip).attributes
    assert hobby.id == 2
    assert hobby.id not in services.faces.get(camera, enrolled.faceid).attributes


@pytest.mark.parametrize(
    ("sent", "error"),
    [
        ([], WrongAttributeCount),
        ([f"a{n}" for n in range(6)], WrongAttributeCount),
        (["ok", ""], IllegalAttribute),
        (["x" * 51], IllegalAttribute),
        (["age"], IllegalAttribute),
        (["a", "a"], IllegalAttribute),
        (["there"], IllegalAttribute),
    ],
)
def test_adding_is_all_or_nothing(
    services: Services, camera: Tenant, vip: str, sent: list[str], error: type[Exception]
) -> None:
    services.groups.add_attributes(camera, vip, ["there"])

    with pytest.raises(error):
        services.groups.add_attributes(camera, vip, sent)
    assert names(services, camera) == ["there"]


def test_removing_is_all_or_nothing(services: Services, camera: Tenant, vip: str) -> None:
    services.groups.add_attributes(camera, vip, ["a", "b"])

    with pytest.raises(AttributeNotFound, match="'c'"):
        services.groups.remove_attributes(camera, vip, ["a", "c"])
    with pytest.raises(WrongAttributeCount):
        services.groups.remove_attributes(camera, vip, [])
    assert names(services, camera) == ["a", "b"]


def test_default_and_unknown_groups_have_none(services: Services, camera: Tenant) -> None:
    for call in (
        lambda group: services.groups.add_attributes(camera, group, ["a"]),
        lambda group: services.groups.remove_attributes(camera, group, ["a"]),
    ):
        with pytest.raises(DefaultGroup):
            call("stranger")
        with pytest.raises(GroupNotFound):
            call("nowhere")


def test_retry_is_answered(services: Services, camera: Tenant, vip: str) -> None:
    request = RequestId("k", "d")
    services.groups.add_attributes(camera, vip, ["a"], request)

    with pytest.raises(AnsweredAlready):
        services.groups.add_attributes(camera, vip, ["b"], request)
    assert names(services, camera) == ["a"]
