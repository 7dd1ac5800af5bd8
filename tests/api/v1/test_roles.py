import re

import pytest

from chalicelib.api.v1.endpoint import V1Operation
from chalicelib.api.v1.routes import OPERATIONS
from chalicelib.auth.roles import Role
from chalicelib.domain.model import Credentials
from chalicelib.services import Services
from tests.support.api.v1.client import V1Client
from tests.support.fakes import Person, picture


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
    GET: session captures captures/{id} boxes cameras cameras/{id} groups groups/{id} faces
        face-ids faces/{id}
        faces/{id}/sightings consents faces/{id}/consent faces/{id}/pictures merges duplicates
        faces/{id}/similar captures/{id}/crops/{n} captures/{id}/thumbnail captures/{id}/picture
        reviews settings statistics usage notice signing-key arrivals observations fleet usual
        places places/{id}
    POST: exports
    DELETE: session
    """
)
OPERATORS = routes(
    """
    GET: erasures/{id} erasures/{id}/page erasures faces/{id}/hold holds faces/{id}/restriction
        restrictions faces/{id}/rejections retention cameras/{id}/still
        cameras/{id}/view cameras/{id}/checks cameras/{id}/film done
    POST: captures captures/uploads captures/{id}/redrive cameras/{id}/heartbeat cameras/{id}/still
        cameras/{id}/view cameras/{id}/checks groups faces face-changes
        faces/{id}/sightings/{sighting}/reject faces/{id}/pictures faces/{id}/merge merges/{id}/undo
        duplicates/{id}/done detect verify identify reviews/{id}/done done/{id}/undo
    PATCH: groups/{id} faces/{id}
    DELETE: groups/{id} faces/{id} faces/{id}/consent faces/{id}/rejections/{sighting}
        faces/{id}/pictures/{picture} cameras/{id}/checks/{at}
    PUT: cameras/{id}/film cameras/{id}/checks/{at} faces/{id}/consent cameras/{id}/counts
        cameras/{id}/still cameras/{id}/view mute places/{id}/inside
    """
)
ADMINS = routes(
    """
    GET: keys dialects members members/{id}/made hooks hooks/{id} hooks/{id}/deliveries push-key
        faces/{id}/everything audit voids
    POST: keys keys/{id}/renew dialects/{id}/key members members/{id}/invitation cameras
        cameras/{id}/key cameras/{id}/claim hooks hooks/{id}/secret hooks/{id}/redeliver
        hooks/{id}/test hooks/{id}/ack places
    PATCH: keys/{id} members/{id} cameras/{id} hooks/{id} places/{id} settings
    DELETE: keys/{id} members/{id} members/{id}/passkeys/{passkey} members/{id}/made/{access}
        cameras/{id} cameras/{id}/counts cameras/{id}/voids hooks/{id}
        places/{id}
    PUT: faces/{id}/hold faces/{id}/restriction fleet
    """
)
NEEDED = {
    **dict.fromkeys(VIEWERS, Role.VIEWER),
    **dict.fromkeys(OPERATORS, Role.OPERATOR),
    **dict.fromkeys(ADMINS, Role.ADMIN),
}
"""Written by hand, so that a change of an operation's role is noticed."""


def name_of(operation: V1Operation) -> str:
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


@pytest.mark.parametrize(
    "operation", [one for one in OPERATIONS if one.role is not None], ids=name_of
)
def test_a_key_is_refused_whose_role_is_not_enough_by_either_way_to_come_and_told_which_is(
    v1: V1Client, services: Services, shop: Credentials, operation: V1Operation
) -> None:
    assert operation.role is not None
    tenant = services.tenants.get_by_name(shop.tenant)
    path = re.sub(r"{\w+}", "nothing", operation.path)
    for role in (Role.VIEWER, Role.OPERATOR, Role.ADMIN):
        _, key = services.access.keys.add(tenant, role.value, role)
        token, _ = services.access.sessions.begin_by_key(key)
        signed_in = {
            "Cookie": f"regulars-8080={token}",
            "Sec-Fetch-Site": "same-origin",
            "Content-Type": "application/json",
        }
        for client, headers in ((v1.with_key(key), {}), (v1.with_key(None), signed_in)):
            reply = client.send(operation.method, path, headers=headers)
            refused = reply.status == 403 and reply.json["code"] == "NotAllowed"
            assert refused == (not role.includes(operation.role)), (role, reply)
            if refused:
                said = (
                    f"this needs a key of role {operation.role}, and this key's role is "
                    f"{role}: use another key"
                )
                assert reply.json["detail"] == said


def test_a_cameras_key_is_told_which_role_is_needed(v1: V1Client) -> None:
    door = v1.with_key(v1.add_camera("door")["api_key"])
    said = door.failed(403, "GET", "/v1/keys")["detail"]
    assert said.startswith(
        "this needs a key of role admin, and a camera's key can upload its captures"
    )


def test_a_changed_role_holds_from_the_next_request_on(v1: V1Client) -> None:
    made = v1.done("POST", "/v1/keys", {"name": "Ann"})
    ann = v1.with_key(made["api_key"])
    assert ann.send("GET", "/v1/hooks").status == 403
    v1.done("PATCH", f"/v1/keys/{made['id']}", {"role": "admin"})
    assert ann.send("GET", "/v1/hooks").status == 200
    v1.done("PATCH", f"/v1/keys/{made['id']}", {"role": "viewer"})
    assert ann.send("GET", "/v1/hooks").status == 403


SECRETS = ("api_key", "secret", "qr_path")
"""Members of an answer that let somebody in."""

GIVEN_TO_PEOPLE = {
    "POST /v1/keys": {"name": "another"},
    "POST /v1/keys/{id}/renew": None,
    "POST /v1/members": {"name": "Max"},
    "POST /v1/members/{id}/invitation": None,
}
GIVEN_TO_OTHERS = {
    "POST /v1/cameras",
    "POST /v1/cameras/{id}/key",
    "POST /v1/cameras/{id}/claim",
    "POST /v1/claims",
    "POST /v1/dialects/{id}/key",
    "POST /v1/hooks",
    "POST /v1/hooks/{id}/secret",
}
"""What they let in is shown no pictures."""


def test_each_way_to_let_somebody_in_is_known_here() -> None:
    answers = {name_of(one): one.types["return"] for one in OPERATIONS if one.method == "POST"}
    found = {
        name
        for name, made in answers.items()
        if {*SECRETS} & {*getattr(made, "__struct_fields__", ())}
    }
    assert found == {*GIVEN_TO_PEOPLE} | GIVEN_TO_OTHERS


@pytest.mark.parametrize("kind", ["keys", "members"])
def test_who_sees_no_pictures_lets_nobody_see_any(v1: V1Client, kind: str) -> None:
    """Neither itself, nor by somebody else's key or link."""
    own = v1.done("POST", "/v1/keys", {"name": "blind", "role": "admin", "pictures": False})
    blind, places = v1.with_key(own["api_key"]), {"own": f"/v1/keys/{own['id']}"}
    for name, pictures in (("seeing", True), ("other", False)):
        added = v1.done("POST", f"/v1/{kind}", {"name": name, "pictures": pictures})
        places[name] = f"/v1/{kind}/{added['id']}"
    assert blind.done("GET", "/v1/session")["pictures"] is False
    before = v1.done("GET", f"/v1/{kind}")
    tries = [
        ("PATCH", places["own"], {"pictures": True}),
        ("PATCH", places["other"], {"pictures": True}),
    ]
    for name, body in GIVEN_TO_PEOPLE.items():
        method, path = name.split()
        if path.startswith(f"/v1/{kind}"):
            tries.append((method, path.replace(f"/v1/{kind}/{{id}}", places["seeing"]), body))
    assert len(tries) == 4
    for method, path, body in tries:
        assert "sees no pictures" in blind.failed(403, method, path, body)["detail"]
    assert v1.done("GET", f"/v1/{kind}") == before
    made = blind.send("POST", f"/v1/{kind}", {"name": "third", "pictures": False})
    assert made.status == 201
    assert (
        blind.done("PATCH", places["seeing"], {"pictures": True, "name": "as it was"})["pictures"]
        is True
    )
    assert blind.done("PATCH", places["seeing"], {"pictures": False})["pictures"] is False


def test_a_cameras_key_is_shown_no_picture(v1: V1Client, services: Services) -> None:
    door = v1.with_key(v1.add_camera("door", id="door")["api_key"])
    sent = door.send("POST", "/v1/captures", picture(Person(1)), content_type="image/jpeg").json
    services.sightings.ingest.resolve_capture("shop", "door", sent["id"])
    for client, is_shown in ((v1, True), (door, False)):
        one = client.done("GET", f"/v1/captures/{sent['id']}", camera="door")
        links = [one["url"], one["thumb_url"], *(seen["crop_url"] for seen in one["sightings"])]
        assert [link is not None for link in links] == [is_shown] * (3 if is_shown else 2)
