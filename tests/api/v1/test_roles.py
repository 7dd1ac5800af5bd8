import re

import pytest

from chalicelib.api.v1.endpoint import Operation
from chalicelib.api.v1.routes import OPERATIONS
from chalicelib.core.model import Credentials
from chalicelib.core.roles import Role
from chalicelib.services import Services
from tests.api.v1.client import V1Client


def routes(table: str) -> set[str]:
    """Routes by methods: `GET: groups faces/{id}` is `GET /v1/groups` and `GET /v1/faces/{id}`."""
    found, method = set(), ""
    for word in table.split():
        if word.endswith(":"):
            method = word.removesuffix(":")
        else:
            found.add(f"{method} /v1/{word}")
    return found


VIEWERS = routes(
    """
    GET: session captures captures/{id} boxes cameras cameras/{id} groups groups/{id} faces face-ids faces/{id}
        faces/{id}/sightings consents faces/{id}/consent faces/{id}/pictures merges duplicates
        faces/{id}/similar captures/{id}/crops/{n} captures/{id}/thumbnail reviews settings statistics usage notice
        signing-key arrivals observations fleet
    DELETE: session
    """
)
OPERATORS = routes(
    """
    GET: erasures/{id} erasures faces/{id}/hold holds faces/{id}/restriction restrictions faces/{id}/rejections
        retention cameras/{id}/still
    POST: captures captures/uploads captures/{id}/redrive cameras/{id}/heartbeat cameras/{id}/still groups faces
        face-changes
        faces/{id}/sightings/{sighting}/reject faces/{id}/pictures faces/{id}/merge merges/{id}/undo
        duplicates/{id}/done detect verify identify reviews/{id}/done
    PATCH: groups/{id} faces/{id}
    DELETE: groups/{id} faces/{id} faces/{id}/consent faces/{id}/rejections/{sighting}
        faces/{id}/pictures/{picture}
    PUT: faces/{id}/consent cameras/{id}/still
    """
)
ADMINS = routes(
    """
    GET: keys dialects members hooks hooks/{id} hooks/{id}/deliveries faces/{id}/everything audit
    POST: keys keys/{id}/renew dialects/{id}/key members members/{id}/invitation cameras cameras/{id}/key
        cameras/{id}/claim hooks hooks/{id}/secret hooks/{id}/redeliver hooks/{id}/test hooks/{id}/ack
    PATCH: keys/{id} members/{id} cameras/{id} hooks/{id} settings
    DELETE: keys/{id} members/{id} members/{id}/passkeys/{passkey} cameras/{id} hooks/{id}
    PUT: faces/{id}/hold faces/{id}/restriction fleet
    """
)
NEEDED = {
    **dict.fromkeys(VIEWERS, Role.VIEWER),
    **dict.fromkeys(OPERATORS, Role.OPERATOR),
    **dict.fromkeys(ADMINS, Role.ADMIN),
}
"""Written by hand, so that a change of an operation's role is noticed."""


def name_of(operation: Operation) -> str:
    return f"{operation.method} {operation.path}"


def test_each_operation_needs_the_role_that_is_written_here_and_no_key_is_needed_for_few() -> None:
    of_roles = {name_of(one): one.role for one in OPERATIONS if one.role is not None}
    assert {name: of_roles[name] for name in NEEDED} == NEEDED
    unlisted = {name: role for name, role in of_roles.items() if name not in NEEDED}
    assert unlisted == {}, "write it down here, in the set of its role"
    assert {name_of(one) for one in OPERATIONS if one.role is None} == {
        "GET /v1/openapi.json",
        "POST /v1/session",
        "POST /v1/claims",
        "POST /v1/session/challenge",
    }


@pytest.mark.parametrize("operation", [one for one in OPERATIONS if one.role is not None], ids=name_of)
def test_a_key_is_refused_whose_role_is_not_enough_by_either_way_to_come_and_told_which_is(
    v1: V1Client, services: Services, shop: Credentials, operation: Operation
) -> None:
    assert operation.role is not None
    tenant = services.tenants.named(shop.tenant)
    path = re.sub(r"{\w+}", "nothing", operation.path)
    for role in (Role.VIEWER, Role.OPERATOR, Role.ADMIN):
        _, key = services.access.keys.add(tenant, role.value, role)
        token, _ = services.access.sessions.of_key(key)
        signed_in = {"Cookie": f"regulars={token}", "Sec-Fetch-Site": "same-origin", "Content-Type": "application/json"}
        for client, headers in ((v1.with_key(key), {}), (v1.with_key(None), signed_in)):
            reply = client.send(operation.method, path, headers=headers)
            refused = reply.status == 403 and reply.json["code"] == "NotAllowed"
            assert refused == (not role.includes(operation.role)), (role, reply)
            if refused:
                said = f"this needs a key of role {operation.role}, and this key's role is {role}: use another key"
                assert reply.json["detail"] == said


def test_a_cameras_key_is_told_which_role_is_needed(v1: V1Client) -> None:
    door = v1.with_key(v1.add_camera("door")["api_key"])
    said = door.failed(403, "GET", "/v1/keys")["detail"]
    assert said.startswith("this needs a key of role admin, and a camera's key can upload its captures")


def test_a_changed_role_holds_from_the_next_request_on(v1: V1Client) -> None:
    made = v1.done("POST", "/v1/keys", {"name": "Ann"})
    ann = v1.with_key(made["api_key"])
    assert ann.send("GET", "/v1/hooks").status == 403
    v1.done("PATCH", f"/v1/keys/{made['id']}", {"role": "admin"})
    assert ann.send("GET", "/v1/hooks").status == 200
    v1.done("PATCH", f"/v1/keys/{made['id']}", {"role": "viewer"})
    assert ann.send("GET", "/v1/hooks").status == 403
