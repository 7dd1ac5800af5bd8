from typing import Any

import pytest

from tests.support.api.sunmi.client import CameraClient
from tests.support.api.v1.client import V1Client
from tests.support.fakes import Person, picture


@pytest.fixture
def vip(v1: V1Client) -> str:
    made = v1.done("POST", "/v1/groups", {"name": "VIP", "capacity": 5, "attributes": ["hobby"]})
    return str(made["id"])


def test_a_group_is_made_read_changed_and_deleted(v1: V1Client, vip: str) -> None:
    group = v1.done("GET", f"/v1/groups/{vip}")
    assert group == {
        "id": vip,
        "name": "VIP",
        "capacity": 5,
        "description": "",
        "attributes": ["hobby"],
        "learns": True,
        "staff": False,
        "unseen_days": 1095,
        "count": 0,
        "hidden": 0,
        "revision": 1,
    }
    changes = {
        "name": "Gold",
        "description": "ours",
        "attributes": ["seat", "hobby"],
        "learns": False,
        "unseen_days": 30,
    }
    changed = v1.done("PATCH", f"/v1/groups/{vip}", changes)
    assert changed == {**group, **changes, "revision": 2}
    assert v1.done("GET", "/v1/groups")["groups"][2] == changed
    v1.done_without_body("DELETE", f"/v1/groups/{vip}")
    assert v1.failed(404, "GET", f"/v1/groups/{vip}")["code"] == "GroupNotFound"


def test_the_other_dialects_know_the_same_groups(
    v1: V1Client, vip: str, camera: CameraClient
) -> None:
    assert camera.add_face("VIP", picture(Person(1)), hobby="tennis")["code"] == 0
    assert v1.done("GET", f"/v1/groups/{vip}")["count"] == 1
    assert v1.failed(409, "DELETE", f"/v1/groups/{vip}")["code"] == "GroupNotEmpty"


def test_an_old_revision_is_answered_with_the_group_as_it_is(v1: V1Client, vip: str) -> None:
    changed = v1.done("PATCH", f"/v1/groups/{vip}", {"capacity": 7})
    error = v1.failed(409, "PATCH", f"/v1/groups/{vip}", {"capacity": 9, "revision": 1})
    assert (error["code"], error["present"]) == ("Changed", changed)


@pytest.mark.parametrize(
    ("body", "code", "says"),
    [
        ({"name": " x", "capacity": 1}, "IllegalGroupName", "does not begin with a space"),
        (
            {"name": "x\ny", "capacity": 1},
            "IllegalGroupName",
            "one line, without control characters",
        ),
        ({"name": "x" * 97, "capacity": 1}, "IllegalGroupName", "1 to 96 characters"),
        ({"name": "x", "capacity": 1_000_000}, "IllegalCapacity", "from 1 to"),
        ({"name": "x"}, "IllegalCapacity", "need a capacity"),
        ({"name": "x", "capacity": 1, "attributes": ["age"]}, "IllegalAttribute", "reserved"),
    ],
)
def test_a_group_that_cannot_be_is_refused(
    v1: V1Client, body: dict[str, Any], code: str, says: str
) -> None:
    error = v1.failed(400, "POST", "/v1/groups", body)
    assert error["code"] == code
    assert says in error["detail"]
    assert len(v1.done("GET", "/v1/groups")["groups"]) == 2


def test_a_name_that_is_taken_is_409(v1: V1Client, vip: str) -> None:
    assert (
        v1.failed(409, "POST", "/v1/groups", {"name": "VIP", "capacity": 1})["code"]
        == "GroupExists"
    )
    assert (
        v1.failed(409, "PATCH", f"/v1/groups/{vip}", {"name": "regular"})["code"] == "GroupExists"
    )


def test_the_default_groups_keep_their_names_and_have_no_attributes(v1: V1Client) -> None:
    for changes in ({"name": "guests"}, {"attributes": ["hobby"]}):
        assert v1.failed(400, "PATCH", "/v1/groups/stranger", changes)["code"] == "DefaultGroup"
    assert v1.failed(400, "DELETE", "/v1/groups/stranger")["code"] == "DefaultGroup"
    assert v1.done("PATCH", "/v1/groups/stranger", {"capacity": 9})["capacity"] == 9
