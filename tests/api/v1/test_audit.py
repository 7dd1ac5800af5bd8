"""GET /v1/audit answers who did what, page by page, to admins only."""

from __future__ import annotations

from tests.api.v1.client import V1Client
from tests.fakes import Person, picture


def enrolled(v1: V1Client, *faceids: str) -> None:
    import base64

    for seed, id_ in enumerate(faceids, 1):
        photo = base64.b64encode(picture(Person(seed, side_px=100.0))).decode()
        v1.done("POST", "/v1/faces", {"group": "regular", "id": id_, "picture": photo})


def test_entries_say_what_was_done_by_which_key(v1: V1Client) -> None:
    enrolled(v1, "21")
    (entry,) = v1.done("GET", "/v1/audit", what="POST /v1/faces")["entries"]
    assert (entry["by"], entry["hour"], entry["details"]["faces"]) == ("key first", None, ["21"])
    assert entry["at"].endswith("Z")


def test_pages_go_on_where_the_last_one_ended(v1: V1Client) -> None:
    enrolled(v1, "21", "22", "23")
    page = v1.done("GET", "/v1/audit", what="POST /v1/faces", limit=2)
    rest = v1.done("GET", "/v1/audit", what="POST /v1/faces", limit=2, token=page["next_token"])
    named = [one["details"]["faces"][0] for one in [*page["entries"], *rest["entries"]]]
    assert sorted(named) == ["21", "22", "23"]
    assert rest["next_token"] is None


def test_entries_are_asked_for_by_face_and_time(v1: V1Client) -> None:
    enrolled(v1, "21", "22")
    assert len(v1.done("GET", "/v1/audit", face="21", what="POST /v1/faces")["entries"]) == 1
    assert v1.done("GET", "/v1/audit", to="2000-01-01T00:00:00Z")["entries"] == []


def test_to_read_the_audit_is_an_entry_itself(v1: V1Client) -> None:
    v1.done("GET", "/v1/audit")
    assert [one["what"] for one in v1.done("GET", "/v1/audit", by="key first")["entries"]][:1] == ["GET /v1/audit"]


def test_a_bad_token_is_refused(v1: V1Client) -> None:
    reply = v1.send("GET", "/v1/audit", query={"token": "x"})
    assert (reply.status, reply.json["code"]) == (400, "InvalidInput")
