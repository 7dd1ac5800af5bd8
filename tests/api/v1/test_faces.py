import base64
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from chalicelib.domain.model import Credentials
from chalicelib.services import Services
from chalicelib.storage import keys
from chalicelib.storage.ports import Put
from tests.support.api.sunmi.client import CameraClient
from tests.support.api.v1.client import V1Client
from tests.support.book.recount_statistics import items_of
from tests.support.fakes import FakeClock, Person, photo, picture

FRESH = {
    "number": None,
    "enrolled_at": "2026-03-01T12:00:00.000Z",
    "arrive_count": 0,
    "arrive_time": None,
    "quality": 80.0,
    "pictures": 1,
    "rejections": 0,
    "revision": 1,
    "kept_until": "2029-02-28T12:00:00.000Z",
    "hidden": False,
}
"""Members of v1's answer that are the same for each face that was just enrolled."""


def enrol(v1: V1Client, seed: int, group: str = "regular", **fields: Any) -> dict[str, Any]:
    face = v1.done(
        "POST", "/v1/faces", {"group": group, "picture": photo(seed), "id": f"p{seed}", **fields}
    )
    assert face.pop("absorbed") == []
    return face


@pytest.fixture
def vip(v1: V1Client) -> str:
    return str(
        v1.done(
            "POST", "/v1/groups", {"name": "VIP", "capacity": 3, "attributes": ["hobby", "seat"]}
        )["id"]
    )


def test_somebody_is_enrolled_with_all_that_is_known(v1: V1Client, vip: str) -> None:
    face = enrol(
        v1,
        1,
        "VIP",
        name=" Ann Lee ",
        note="likes tea",
        age=34,
        gender="female",
        attributes={"hobby": "tennis"},
        labels={"b": "front"},
    )
    assert face == v1.done("GET", "/v1/faces/p1")
    del face["estimates"]
    assert face == {
        **FRESH,
        "id": "p1",
        "group": "VIP",
        "name": "Ann Lee",
        "note": "likes tea",
        "counter_note": "",
        "age": 34,
        "gender": "female",
        "attributes": {"hobby": "tennis"},
        "labels": {"a": "", "b": "front", "c": "", "d": ""},
        "portrait": face["portrait"],
    }
    assert (
        face["portrait"]["picture"] == v1.done("GET", "/v1/faces/p1/pictures")["pictures"][0]["id"]
    )


def test_who_is_known_is_refused_if_that_is_asked_for(v1: V1Client) -> None:
    enrol(v1, 1)
    again = {"group": "stranger", "picture": photo(1, side_px=80), "if_known": "refuse"}
    error = v1.failed(409, "POST", "/v1/faces", again)
    assert (error["code"], error["face"]) == ("FaceKnown", "p1")
    assert error["threshold"] < error["score"] <= 1
    assert v1.done("POST", "/v1/faces", {**again, "if_known": "enrol"})["group"] == "stranger"


@pytest.mark.parametrize(
    ("fields", "status", "code", "says"),
    [
        ({"group": "nowhere"}, 404, "GroupNotFound", "nowhere"),
        ({"id": "p1"}, 409, "FaceExists", "p1"),
        ({"id": "a b"}, 400, "InvalidInput", "id is a text"),
        ({"name": "two\nlines"}, 400, "InvalidInput", "name is one line"),
        ({"attributes": {"phone": "7"}}, 404, "AttributeNotFound", "phone"),
        ({"attributes": {"hobby": "x" * 51}, "group": "VIP"}, 400, "InvalidInput", "50 characters"),
        ({"picture": base64.b64encode(b"text").decode()}, 422, "Unusable", "decoded"),
    ],
)
def test_an_enrolment_that_cannot_be_changes_nothing(
    v1: V1Client, vip: str, fields: dict[str, Any], status: int, code: str, says: str
) -> None:
    enrol(v1, 1)
    before = v1.done("GET", "/v1/faces")
    error = v1.failed(
        status, "POST", "/v1/faces", {"group": "regular", "picture": photo(2), **fields}
    )
    assert error["code"] == code
    assert says in error["detail"]
    assert v1.done("GET", "/v1/faces") == before


def test_what_is_sent_is_changed_and_the_rest_stays(v1: V1Client, vip: str) -> None:
    before = enrol(v1, 1, name="Ann", age=34, labels={"a": "x"})
    changes = {
        "group": "VIP",
        "note": "new",
        "attributes": {"seat": "7"},
        "labels": {"b": "y"},
        "revision": 1,
    }
    after = v1.done("PATCH", "/v1/faces/p1", changes)
    labels = {"a": "x", "b": "y", "c": "", "d": ""}
    now = {"labels": labels, "revision": 2}
    assert after == {**before, **changes, **now} == v1.done("GET", "/v1/faces/p1")
    again = v1.done("PATCH", "/v1/faces/p1", {"name": "", "age": None, "attributes": {"seat": ""}})
    assert (again["name"], again["age"], again["attributes"]) == ("", 33, {})


def test_an_old_revision_is_answered_with_the_face_as_it_is(v1: V1Client) -> None:
    enrol(v1, 1)
    present = v1.done("PATCH", "/v1/faces/p1", {"name": "Ann"})
    error = v1.failed(409, "PATCH", "/v1/faces/p1", {"name": "Bea", "revision": 1})
    assert (error["code"], error["present"]) == ("Changed", present)
    assert v1.done("GET", "/v1/faces/p1") == present


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({}, 400, "InvalidInput"),
        ({"group": "nowhere"}, 404, "GroupNotFound"),
        ({"name": "x", "attributes": {"phone": "7"}}, 404, "AttributeNotFound"),
    ],
)
def test_a_change_that_cannot_be_changes_nothing(
    v1: V1Client, changes: dict[str, Any], status: int, code: str
) -> None:
    before = enrol(v1, 1, name="Ann")
    assert v1.failed(status, "PATCH", "/v1/faces/p1", changes)["code"] == code
    assert v1.done("GET", "/v1/faces/p1") == before


def test_a_deleted_face_is_404(v1: V1Client) -> None:
    enrol(v1, 1, name="Ann")
    v1.done_without_body("DELETE", "/v1/faces/p1")
    for method, body in (("GET", None), ("PATCH", {"name": "x"}), ("DELETE", None)):
        assert v1.failed(404, method, "/v1/faces/p1", body)["code"] == "FaceNotFound"
    assert v1.done("GET", "/v1/faces", name="ann")["faces"] == []


def pages(v1: V1Client, limit: int, **query: Any) -> list[str]:
    found, token = list[str](), None
    while True:
        page = v1.done(
            "GET", "/v1/faces", limit=limit, **query, **({"token": token} if token else {})
        )
        found += [face["id"] for face in page["faces"]]
        token = page["next_token"]
        if token is None:
            return found


def test_faces_are_listed_in_each_order_by_pages(v1: V1Client, vip: str, clock: FakeClock) -> None:
    for seed, group in [(3, "VIP"), (1, "regular"), (2, "VIP")]:
        enrol(v1, seed, group)
        clock.advance(timedelta(minutes=1))
    for limit in (1, 2, 3):
        assert pages(v1, limit) == ["p3", "p1", "p2"]
        assert pages(v1, limit, desc="true") == ["p2", "p1", "p3"]
        assert pages(v1, limit, order="id") == ["p1", "p2", "p3"]
        assert pages(v1, limit, group="VIP", order="arrived") == ["p3", "p2"]
    assert v1.done("GET", "/v1/face-ids", order="id", desc="true")["ids"] == ["p3", "p2", "p1"]
    assert v1.done("GET", "/v1/face-ids", group="VIP") == {"ids": ["p3", "p2"], "seq": 3}


def test_faces_are_asked_for_by_id_and_by_name(v1: V1Client) -> None:
    for seed, name in enumerate(["Ann Lee", "Annabel", "王小明", ""], start=1):
        enrol(v1, seed, name=name)
    by_id = v1.done("GET", "/v1/faces", ids=["p3", "gone", "p1"])
    assert ([face["id"] for face in by_id["faces"]], by_id["next_token"]) == (["p3", "p1"], None)
    assert v1.done("GET", "/v1/faces", ids="")["faces"] == [], "an empty choice is not everybody"
    assert pages(v1, 1, name="ANN") == ["p1", "p2"]
    assert pages(v1, 10, name="小") == ["p3"]
    assert pages(v1, 10, name="le an") == ["p1"]


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ({"ids": ["p1"], "group": "VIP"}, "without any other parameter"),
        ({"name": "x", "order": "id"}, "leave out order"),
        ({"order": "id", "group": "regular"}, "leave out group"),
        ({"ids": ["a,b"]}, "ids[0] is a text"),
        ({"token": "x"}, "token"),
        ({"name": "--"}, "at least one letter or digit"),
    ],
)
def test_a_list_that_cannot_be_is_refused(v1: V1Client, query: dict[str, Any], says: str) -> None:
    assert says in v1.failed(400, "GET", "/v1/faces", **query)["detail"]


def test_many_are_moved_labelled_and_deleted_each_by_itself(v1: V1Client, vip: str) -> None:
    for seed in (1, 2, 3, 4):
        enrol(v1, seed)
    moved = v1.done(
        "POST", "/v1/face-changes", {"ids": ["p1", "gone", "p2", "p3", "p4"], "group": "VIP"}
    )
    assert moved["done"] == ["p1", "p2", "p3"]
    assert [(one["id"], one["code"]) for one in moved["failed"]] == [
        ("gone", "FaceNotFound"),
        ("p4", "GroupFull"),
    ]
    labelled = v1.done("POST", "/v1/face-changes", {"ids": ["p1", "p4"], "labels": {"a": "x"}})
    assert labelled == {"done": ["p1", "p4"], "failed": []}
    assert [v1.done("GET", f"/v1/faces/{id_}")["labels"]["a"] for id_ in ("p1", "p2", "p4")] == [
        "x",
        "",
        "x",
    ]
    deleted = v1.done("POST", "/v1/face-changes", {"ids": ["p1", "p4", "gone"], "delete": True})
    assert deleted["done"] == ["p1", "p4"]
    assert [one["code"] for one in deleted["failed"]] == ["FaceNotFound"]
    assert v1.done("GET", "/v1/face-ids", order="id")["ids"] == ["p2", "p3"]


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        ({"ids": ["p1"]}, 400, "one of group, labels, hidden and delete"),
        (
            {"ids": ["p1"], "group": "VIP", "delete": True},
            400,
            "one of group, labels, hidden and delete",
        ),
        ({"ids": ["p1"], "group": "nowhere"}, 404, "nowhere"),
    ],
)
def test_a_change_of_many_that_cannot_be_changes_nobody(
    v1: V1Client, body: dict[str, Any], status: int, says: str
) -> None:
    before = enrol(v1, 1)
    assert says in v1.failed(status, "POST", "/v1/face-changes", body)["detail"]
    assert v1.done("GET", "/v1/faces/p1") == before


def test_a_picture_is_sent_as_it_is_with_the_rest_in_the_query(v1: V1Client) -> None:
    query = {
        "group": "regular",
        "name": "Ann",
        "age": "30",
        "labels": '{"a": "x"}',
        "if_known": "refuse",
    }
    sent = v1.send("POST", "/v1/faces", picture(Person(1)), query=query, content_type="image/jpeg")
    assert sent.status == 201
    assert (sent.json["name"], sent.json["age"], sent.json["labels"]["a"]) == ("Ann", 30, "x")


def test_names_are_told_with_sightings(v1: V1Client) -> None:
    enrol(v1, 1, name="Ann")
    assert v1.done("GET", "/v1/faces/p1/sightings")["name"] == "Ann"


def test_a_portrait_tells_which_of_several_faces_is_meant(v1: V1Client, services: Services) -> None:
    enrol(v1, 1)
    item = items_of(services).get(keys.FACES, ("shop", "p1")) or {}
    meant = [Decimal("12.5"), Decimal(0), Decimal(250), Decimal(301)]
    items_of(services).transact(
        [Put(keys.FACES, {**item, "portrait": {**item["portrait"], "meant": meant}})]
    )
    assert v1.done("GET", "/v1/faces/p1")["portrait"]["box"] == {
        "x": 12.5,
        "y": 0,
        "width": 250,
        "height": 301,
    }


def test_a_face_tells_its_group_and_its_arrivals(v1: V1Client, camera: CameraClient) -> None:
    camera.create_group("vip")
    faceid = camera.add_face("vip", picture(Person(1)))["data"]["faceid"]
    [portrait] = v1.done("GET", f"/v1/faces/{faceid}/pictures")["pictures"]
    assert v1.done("GET", f"/v1/faces/{faceid}") == {
        **FRESH,
        "id": faceid,
        "group": "vip",
        "name": "",
        "note": "",
        "counter_note": "",
        "attributes": {},
        "age": 33,
        "gender": "female",
        "estimates": {
            "age": {"value": 33.4, "source": "model"},
            "gender": {"value": "female", "score": 0.9, "source": "model"},
            "emotion": None,
            "pose": {"yaw": 1, "pitch": 2, "roll": 3, "source": "model"},
            "beauty": None,
            "liveness": {"value": 0.9, "source": "model"},
        },
        "labels": {"a": "", "b": "", "c": "", "d": ""},
        "portrait": {
            "picture": portrait["id"],
            "url": portrait["url"],
            "thumb_url": portrait["thumb_url"],
            "width": 640,
            "height": 480,
            "box": None,
        },
    }


def test_it_is_told_until_when_a_stranger_without_a_name_is_kept(v1: V1Client) -> None:
    enrol(v1, 1, "stranger")
    assert v1.done("GET", "/v1/faces/p1")["kept_until"] == "2026-05-30T12:00:00.000Z"
    assert (
        v1.done("PATCH", "/v1/faces/p1", {"name": "Ann"})["kept_until"]
        == "2029-02-28T12:00:00.000Z"
    )


def test_age_and_gender_are_told_as_they_were_set(v1: V1Client, camera: CameraClient) -> None:
    camera.create_group("vip")
    answer = camera.add_face("vip", picture(Person(1)), age="50", gender="1")
    face = v1.done("GET", f"/v1/faces/{answer['data']['faceid']}")
    assert (face["age"], face["gender"]) == (50, "male")


def test_what_is_switched_off_or_not_known_is_null(
    v1: V1Client, camera: CameraClient, services: Services, shop: Credentials
) -> None:
    camera.create_group("vip")
    faceid = camera.add_face("vip", picture(Person(1, liveness=None)))["data"]["faceid"]
    services.tenants.change_settings(shop.tenant, {"attributes_off": {"beauty", "emotion"}})
    estimates = v1.done("GET", f"/v1/faces/{faceid}")["estimates"]
    assert [name for name, value in estimates.items() if value is None] == [
        "emotion",
        "beauty",
        "liveness",
    ]


@pytest.mark.parametrize("id_", ["7", "%2e", "x" * 100, "会"])
def test_a_face_that_is_not_there_is_404(v1: V1Client, id_: str) -> None:
    assert v1.failed(404, "GET", f"/v1/faces/{id_}")["code"] == "FaceNotFound"
