"""All that is held about a person, over v1: for admins whose key sees pictures."""

from __future__ import annotations

from chalicelib.core.access import Role
from chalicelib.services import Services
from tests.api.v1.client import V1Client
from tests.api.v1.test_merges import see
from tests.fakes import FakeClock, Person


def test_an_admin_gets_a_url_of_the_archive(v1: V1Client, services: Services, clock: FakeClock) -> None:
    v1.add_camera("door")
    face, _ = see(v1, services, clock, 90, Person(1))
    answer = v1.done("GET", f"/v1/faces/{face}/everything", language="zh")
    assert answer["url"].startswith("http")
    assert answer["size"] > 0
    assert answer["next_part"] is None
    assert v1.failed(404, "GET", "/v1/faces/nobody/everything")["code"] == "FaceNotFound"
    assert v1.failed(400, "GET", f"/v1/faces/{face}/everything", part="x")["code"] == "InvalidInput"
    assert v1.failed(400, "GET", f"/v1/faces/{face}/everything", language="fr")["code"] == "InvalidInput"


def test_who_was_deleted_can_be_erased_later_and_who_left_nothing_is_not_there(
    v1: V1Client, services: Services, clock: FakeClock
) -> None:
    v1.add_camera("door")
    face, _ = see(v1, services, clock, 90, Person(1))
    v1.done_without_body("DELETE", f"/v1/faces/{face}")
    reply = v1.send("DELETE", f"/v1/faces/{face}", query={"erase": "true"})
    assert (reply.status, reply.json["state"]) == (202, "running")
    assert v1.failed(404, "DELETE", "/v1/faces/nobody", erase="true")["code"] == "FaceNotFound"
    assert v1.failed(404, "DELETE", f"/v1/faces/{face}")["code"] == "FaceNotFound"


def test_others_do_not(v1: V1Client, services: Services, clock: FakeClock) -> None:
    v1.add_camera("door")
    face, _ = see(v1, services, clock, 90, Person(1))
    for role, pictures in ((Role.OPERATOR, True), (Role.VIEWER, True), (Role.ADMIN, False)):
        key = v1.done("POST", "/v1/keys", {"name": f"{role} {pictures}", "role": role, "pictures": pictures})
        refused = v1.with_key(key["api_key"]).failed(403, "GET", f"/v1/faces/{face}/everything")
        assert refused["code"] == "NotAllowed"
