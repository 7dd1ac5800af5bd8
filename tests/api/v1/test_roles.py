"""Which key may call which operation: every operation with every role, and with a camera's key."""

from __future__ import annotations

import re

import pytest

from chalicelib.api.v1.endpoint import Operation
from chalicelib.api.v1.routes import OPERATIONS
from chalicelib.core.access import Role
from chalicelib.core.model import Credentials
from chalicelib.services import Services
from tests.api.v1.client import V1Client

VIEWERS = {
    "GET /v1/session",
    "DELETE /v1/session",
    "GET /v1/captures",
    "GET /v1/captures/{id}",
    "GET /v1/cameras",
    "GET /v1/cameras/{id}",
    "GET /v1/groups",
    "GET /v1/groups/{id}",
    "GET /v1/faces",
    "GET /v1/face-ids",
    "GET /v1/faces/{id}",
    "GET /v1/faces/{id}/sightings",
    "GET /v1/consents",
    "GET /v1/faces/{id}/consent",
    "GET /v1/faces/{id}/pictures",
    "GET /v1/merges",
    "GET /v1/duplicates",
    "GET /v1/faces/{id}/similar",
    "GET /v1/captures/{id}/crops/{n}",
    "GET /v1/reviews",
    "GET /v1/settings",
    "GET /v1/statistics",
    "GET /v1/usage",
    "GET /v1/notice",
    "GET /v1/signing-key",
    "GET /v1/arrivals",
    "GET /v1/observations",
}
OPERATORS = {
    "GET /v1/erasures/{id}",
    "GET /v1/erasures",
    "GET /v1/faces/{id}/hold",
    "GET /v1/holds",
    "POST /v1/captures",
    "POST /v1/captures/uploads",
    "POST /v1/captures/{id}/redrive",
    "POST /v1/cameras/{id}/heartbeat",
    "POST /v1/groups",
    "PATCH /v1/groups/{id}",
    "DELETE /v1/groups/{id}",
    "POST /v1/faces",
    "PATCH /v1/faces/{id}",
    "DELETE /v1/faces/{id}",
    "PUT /v1/faces/{id}/consent",
    "DELETE /v1/faces/{id}/consent",
    "POST /v1/face-changes",
    "GET /v1/faces/{id}/rejections",
    "DELETE /v1/faces/{id}/rejections/{sighting}",
    "POST /v1/faces/{id}/sightings/{sighting}/reject",
    "POST /v1/faces/{id}/pictures",
    "DELETE /v1/faces/{id}/pictures/{picture}",
    "POST /v1/faces/{id}/merge",
    "POST /v1/merges/{id}/undo",
    "POST /v1/duplicates/{id}/done",
    "POST /v1/detect",
    "POST /v1/verify",
    "POST /v1/identify",
    "POST /v1/reviews/{id}/done",
    "GET /v1/retention",
}
ADMINS = {
    "GET /v1/keys",
    "POST /v1/keys",
    "PATCH /v1/keys/{id}",
    "DELETE /v1/keys/{id}",
    "POST /v1/keys/{id}/renew",
    "PUT /v1/faces/{id}/hold",
    "POST /v1/cameras",
    "PATCH /v1/cameras/{id}",
    "DELETE /v1/cameras/{id}",
    "POST /v1/cameras/{id}/key",
    "GET /v1/hooks",
    "POST /v1/hooks",
    "GET /v1/hooks/{id}",
    "PATCH /v1/hooks/{id}",
    "DELETE /v1/hooks/{id}",
    "POST /v1/hooks/{id}/secret",
    "GET /v1/hooks/{id}/deliveries",
    "POST /v1/hooks/{id}/redeliver",
    "POST /v1/hooks/{id}/test",
    "POST /v1/hooks/{id}/ack",
    "PATCH /v1/settings",
    "GET /v1/faces/{id}/everything",
    "GET /v1/audit",
}
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
    assert {name_of(one) for one in OPERATIONS if one.role is None} == {"GET /v1/openapi.json", "POST /v1/session"}


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
    said = door.failed(403, "GET", "/v1/keys")["message"]
    assert said.startswith("this needs a key of role admin, and a camera's key can upload its captures")


def test_a_changed_role_holds_from_the_next_request_on(v1: V1Client) -> None:
    made = v1.done("POST", "/v1/keys", {"name": "Ann"})
    ann = v1.with_key(made["api_key"])
    assert ann.send("GET", "/v1/hooks").status == 403
    v1.done("PATCH", f"/v1/keys/{made['id']}", {"role": "admin"})
    assert ann.send("GET", "/v1/hooks").status == 200
    v1.done("PATCH", f"/v1/keys/{made['id']}", {"role": "viewer"})
    assert ann.send("GET", "/v1/hooks").status == 403
