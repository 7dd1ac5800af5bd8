"""What somebody writes by v1 is in the list of what people did, or is written here with why not."""

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
UNLISTED = {
    "it adds something that was not there: delete it there": {
        "POST /v1/cameras",
        "POST /v1/places",
        "POST /v1/faces",
        "POST /v1/groups",
        "POST /v1/hooks",
        "POST /v1/keys",
        "POST /v1/members",
        "POST /v1/faces/{id}/pictures",
    },
    "it has a list of its own, or is shown as it is now, and is taken back there": {
        "PUT /v1/mute",
        "PUT /v1/fleet",
        "POST /v1/reviews/{id}/done",
        "PUT /v1/cameras/{id}/checks/{at}",
        "DELETE /v1/cameras/{id}/checks/{at}",
        "DELETE /v1/cameras/{id}/counts",
        "DELETE /v1/cameras/{id}/voids",
        "PATCH /v1/places/{id}",
        "PUT /v1/places/{id}/inside",
        "POST /v1/duplicates/{id}/done",
        "DELETE /v1/faces/{id}/rejections/{sighting}",
    },
    "a camera or its box tells what it sees, and how it is": {
        "POST /v1/cameras/{id}/heartbeat",
        "PUT /v1/cameras/{id}/view",
        "PUT /v1/cameras/{id}/still",
        "POST /v1/captures/uploads",
        "POST /v1/captures",
        "PUT /v1/cameras/{id}/film",
        "PUT /v1/cameras/{id}/counts",
    },
    "an access has a list of its own, and its secret is shown once": {
        "POST /v1/cameras/{id}/key",
        "POST /v1/cameras/{id}/claim",
        "POST /v1/hooks/{id}/secret",
        "PATCH /v1/keys/{id}",
        "DELETE /v1/keys/{id}",
        "POST /v1/keys/{id}/renew",
        "POST /v1/dialects/{id}/key",
        "PATCH /v1/members/{id}",
        "DELETE /v1/members/{id}",
        "DELETE /v1/members/{id}/made/{access}",
        "POST /v1/members/{id}/invitation",
        "DELETE /v1/members/{id}/passkeys/{passkey}",
        "DELETE /v1/session",
    },
    "it asks, looks or sends, and changes nothing that somebody set": {
        "POST /v1/cameras/{id}/view",
        "POST /v1/cameras/{id}/still",
        "POST /v1/captures/{id}/redrive",
        "POST /v1/cameras/{id}/checks",
        "POST /v1/exports",
        "POST /v1/hooks/{id}/redeliver",
        "POST /v1/hooks/{id}/ack",
        "POST /v1/hooks/{id}/test",
        "POST /v1/identify",
        "POST /v1/verify",
        "POST /v1/detect",
    },
    "it is written down with its ground, and ended by the same operation, with another": {
        "PUT /v1/faces/{id}/consent",
        "DELETE /v1/faces/{id}/consent",
        "PUT /v1/faces/{id}/hold",
        "PUT /v1/faces/{id}/restriction",
    },
    "what it ends cannot be given back, and the audit has it": {
        "DELETE /v1/faces/{id}/pictures/{picture}",
    },
}
"""Operations of which that list has nothing, by the reason."""
DELETING = {
    "DELETE /v1/cameras/{id}",
    "DELETE /v1/places/{id}",
    "DELETE /v1/faces/{id}",
    "POST /v1/face-changes",
    "DELETE /v1/groups/{id}",
    "DELETE /v1/hooks/{id}",
}
"""Those that may delete something for good, which is listed and cannot be taken back."""
LISTED = [
    name_of(operation)
    for operation in BY_PEOPLE
    if name_of(operation) not in set().union(*UNLISTED.values())
]
CASES = [case for case in V1 if case.route in LISTED]


@pytest.fixture(scope="module")
def shops(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Shop]]:
    with prepared(tmp_path_factory.mktemp("shops")) as made:
        yield made


def test_each_operation_that_says_no_reason_is_tried() -> None:
    assert {case.route for case in CASES} == {*LISTED}


@pytest.mark.parametrize("route", LISTED)
def test_what_somebody_writes_is_listed(route: str, shops: dict[str, Shop], tmp_path: Path) -> None:
    """Add it to UNLISTED with the reason, or say `was` with the write that it makes.

    Add it to DELETING if nobody can take that back.
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
    [one for one in BY_PEOPLE if one.method == "PATCH" and name_of(one) in LISTED],
    ids=name_of,
)
def test_each_member_of_a_change_is_listed(operation: V1Operation) -> None:
    """Add a new member to what the write says (`was`), or say here why it sets nothing."""
    assert operation.body is not None
    sent = {member.encode_name for member in fields(operation.body)}
    assert sent - MEMBERS[operation.path] - SAYS_WHY.keys() == set()
