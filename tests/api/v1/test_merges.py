import pytest

from chalicelib.domain.model import Decision, NewFace
from chalicelib.services import Services
from tests.api.v1.seen import see
from tests.support.api.sunmi.client import CameraClient
from tests.support.api.v1.client import V1Client
from tests.support.book.recount import disagreements
from tests.support.fakes import RULES, FakeClock, Person, picture


def test_captures_name_the_face_that_their_sighting_is_of_now(
    door: V1Client, services: Services
) -> None:
    def named() -> list[tuple[str, str]]:
        captures = door.done("GET", "/v1/captures", camera="door")["captures"]
        return [(one["face"], one["name"]) for capture in captures for one in capture["sightings"]]

    first, second, third = (see(door, services, 90 - 20 * n, Person(n))[0] for n in range(3))
    for faceid, name in ((first, "Ann"), (second, "Bea"), (third, "Eva")):
        door.done("PATCH", f"/v1/faces/{faceid}", {"name": name})
    apart = [(third, "Eva"), (second, "Bea"), (first, "Ann")]
    assert named() == apart
    merged = door.done("POST", f"/v1/faces/{second}/merge", {"other": third})
    assert named() == [(second, "Bea"), (second, "Bea"), (first, "Ann")]
    again = door.done("POST", f"/v1/faces/{first}/merge", {"other": second})
    assert named() == [(first, "Ann")] * 3, "also over two merges"
    door.done("POST", f"/v1/merges/{again['merge']}/undo")
    door.done("POST", f"/v1/merges/{merged['merge']}/undo")
    assert named() == apart, "undo brings the id back"
    door.done_without_body("DELETE", f"/v1/faces/{third}")
    assert named() == [(third, None), *apart[1:]], "one that was deleted stays gone"


def test_two_faces_become_one_and_two_again(
    door: V1Client, services: Services, camera: CameraClient
) -> None:
    first, _ = see(door, services, 90, Person(1))
    second, _ = see(door, services, 30, Person(2))
    portraits = [door.done("GET", f"/v1/faces/{faceid}")["portrait"] for faceid in (first, second)]
    door.done("PATCH", f"/v1/faces/{second}", {"name": "Bea"})

    answer = door.done("POST", f"/v1/faces/{first}/merge", {"other": second})

    assert (answer["state"], answer["face"]["id"], answer["face"]["arrive_count"]) == (
        "done",
        first,
        2,
    )
    gone = door.failed(410, "GET", f"/v1/faces/{second}")
    assert (gone["code"], gone["into"]) == ("FaceMerged", first)
    for query in ({}, {"erase": "true"}, {"erase": "true", "former": "true"}):
        assert door.failed(410, "DELETE", f"/v1/faces/{second}", **query) == gone
    assert door.failed(404, "GET", "/v1/faces/7")["code"] == "FaceNotFound"
    assert camera.call("getFace", {"faceid": second})["data"]["faceid"] == first
    assert camera.call("getFace", {"faceid": "7"})["code"] == 2
    assert door.done("GET", f"/v1/faces/{first}/sightings")["total"] == 2
    listed = door.done("GET", "/v1/merges")
    assert listed == {
        "merges": [
            {
                "id": answer["merge"],
                "state": "done",
                "face": first,
                "name": "Bea",
                "number": 1,
                "portrait": portraits[0],
                "other": second,
                "other_name": "Bea",
                "other_number": 2,
                "other_portrait": portraits[1],
                "merged_at": "2026-03-01T12:00:00.000Z",
                "joined": False,
            }
        ],
        "next_token": None,
    }
    door.done("PUT", f"/v1/faces/{first}/restriction", {"restricted": True, "reason": "letter 7"})
    assert (
        door.done("GET", "/v1/merges")["merges"]
        == door.done("GET", "/v1/merges", face=first)["merges"]
        == []
    )
    door.done("PUT", f"/v1/faces/{first}/restriction", {"restricted": False, "reason": "withdrawn"})
    undone = door.done("POST", f"/v1/merges/{answer['merge']}/undo")
    assert (undone["state"], undone["face"]["arrive_count"], undone["face"]["name"]) == (
        "undone",
        1,
        "",
    )
    [listed] = door.done("GET", "/v1/merges")["merges"]
    assert (listed["other_name"], listed["other_portrait"]) == ("", None)
    assert door.done("GET", f"/v1/faces/{second}")["arrive_count"] == 1


def test_a_merge_that_cannot_be_says_why(door: V1Client, services: Services) -> None:
    faceids = [see(door, services, 90 - seed, Person(seed))[0] for seed in (1, 2, 3)]
    first, second, third = faceids
    assert (
        door.failed(400, "POST", f"/v1/faces/{first}/merge", {"other": first})["code"]
        == "InvalidInput"
    )
    assert door.failed(400, "POST", f"/v1/faces/{first}/merge")["code"] == "InvalidInput"
    assert (
        door.failed(404, "POST", f"/v1/faces/{first}/merge", {"other": "7"})["code"]
        == "FaceNotFound"
    )
    inner = door.done("POST", f"/v1/faces/{second}/merge", {"other": third})["merge"]
    outer = door.done("POST", f"/v1/faces/{first}/merge", {"other": second})["merge"]
    refused = door.failed(409, "POST", f"/v1/merges/{inner}/undo")
    assert refused["code"] == "Conflict"
    assert outer in refused["detail"]
    for unknown in ("7.7", "7" * 2_000):
        assert door.failed(404, "POST", f"/v1/merges/{unknown}/undo")["code"] == "MergeNotFound"


def test_the_merges_into_one_face_are_listed_page_by_page(
    door: V1Client, services: Services
) -> None:
    people = [see(door, services, 90 - seed, Person(seed))[0] for seed in range(5)]
    into = [(people[0], people[1]), (people[2], people[3]), (people[0], people[4])]
    merges = [
        door.done("POST", f"/v1/faces/{face}/merge", {"other": other})["merge"]
        for face, other in into
    ]
    page = door.done("GET", "/v1/merges", face=people[0], limit=1)
    rest = door.done("GET", "/v1/merges", face=people[0], limit=1, token=page["next_token"])
    assert [one["id"] for one in (*page["merges"], *rest["merges"])] == [merges[0], merges[2]]
    assert rest["next_token"] is None
    assert (
        door.failed(400, "GET", "/v1/merges", face=people[2], token=page["next_token"])["code"]
        == "InvalidInput"
    )
    assert door.failed(404, "GET", "/v1/merges", face="nobody")["code"] == "FaceNotFound"


def test_a_sighting_that_is_another_known_face_becomes_that_faces(
    door: V1Client, services: Services
) -> None:
    first, _ = see(door, services, 90, Person(1))
    other, _ = see(door, services, 60, Person(2))
    _, sighting = see(door, services, 30, Person(1, side_px=90.0))
    path = f"/v1/faces/{first}/sightings/{sighting}/reject"
    assert (
        "is the face that the sighting is instead"
        in door.failed(400, "POST", path, {"other": first})["detail"]
    )
    assert door.failed(404, "POST", path, {"other": "nobody"})["code"] == "FaceNotFound"
    assert door.done("GET", f"/v1/faces/{first}")["rejections"] == 0

    headers = {"Idempotency-Key": "it-is-the-other"}
    for _ in range(2):
        reply = door.send("POST", path, {"other": other}, headers=headers)
        assert reply.status == 200
        assert reply.json["sighting"]["resolution"] == "matched"
        assert sighting in [
            one["id"] for one in door.done("GET", f"/v1/faces/{other}/sightings")["sightings"]
        ]
    assert door.done("GET", f"/v1/faces/{other}")["arrive_count"] == 2
    assert door.done("GET", "/v1/merges")["merges"] == []


def test_a_visit_is_given_whole_to_somebody_new_by_one_call_and_given_back_by_another(
    door: V1Client, services: Services
) -> None:
    first, _ = see(door, services, 90, Person(1))
    visit = [see(door, services, ago, Person(1, side_px=90.0))[1] for ago in (30, 25, 20)]
    path = f"/v1/faces/{first}/sightings/{visit[0]}/reject"
    body = {"instead": "new", "name": "Berta Blatt", "visit": True}
    for half in (
        {"instead": "new", "visit": True},
        {"name": "Eva"},
        {"name": "Eva", "instead": "stranger"},
    ):
        assert "go together" in door.failed(400, "POST", path, half)["detail"]
    assert "send visit" in door.failed(400, "POST", path, {"only": visit[:1]})["detail"]

    for _ in range(2):
        answer = door.send("POST", path, body, headers={"Idempotency-Key": "berta"}).json
        arrival = answer["arrival"]
        assert (arrival["name"], arrival["group"], arrival["visit"]) == (
            "Berta Blatt",
            "regular",
            1,
        )
        assert (arrival["sighting"], arrival["sightings"]) == (visit[0], 3)
        assert sorted(answer["sightings"]) == sorted(visit)
    assert [one["face"] for one in door.done("GET", "/v1/arrivals")["arrivals"]] == [
        arrival["face"],
        first,
    ]

    back = {"other": first, "visit": True, "only": answer["sightings"]}
    answer = door.done("POST", f"/v1/faces/{arrival['face']}/sightings/{visit[0]}/reject", back)
    assert (answer["arrival"]["face"], answer["arrival"]["visit"]) == (first, 2)
    assert door.done("GET", f"/v1/faces/{first}/rejections")["rejections"] == []


DUPLICATES = "/v1/duplicates"


def test_a_pair_is_listed_with_both_faces_until_somebody_says_that_they_are_two(
    v1: V1Client, services: Services
) -> None:
    tenant = services.tenants.get_by_name("shop")
    faces = [
        services.enrolment.enrol_largest_face(
            tenant, "regular", picture(Person(seed)), RULES, NewFace(name=name)
        )
        for seed, name in ((1, "Ann"), (2, "Eve"), (3, "Zoe"))
    ]
    for other in faces[1:]:
        services.merges.duplicates.suggest_pair(
            tenant, faces[0], other, Decision(0.41, 0.5, 3, 0.002)
        )
    pairs = v1.done("GET", DUPLICATES)["duplicates"]
    assert [(one["face"]["name"], one["other"]["name"]) for one in pairs] == [
        ("Ann", "Eve"),
        ("Ann", "Zoe"),
    ]
    assert pairs[0]["other"] == v1.done("GET", f"/v1/faces/{faces[1].faceid}")
    figures = {
        name: pairs[0][name]
        for name in ("score", "threshold", "gallery_size", "false_match_probability")
    }
    assert figures == {
        "score": 0.41,
        "threshold": 0.5,
        "gallery_size": 3,
        "false_match_probability": 0.002,
    }
    page = v1.done("GET", DUPLICATES, limit=1)
    assert page["duplicates"] == pairs[:1]
    assert v1.done("GET", DUPLICATES, limit=1, token=page["next_token"]) == {
        "duplicates": pairs[1:],
        "next_token": None,
    }
    v1.done_without_body("POST", f"{DUPLICATES}/{pairs[0]['id']}/done")
    assert v1.done("GET", DUPLICATES)["duplicates"] == pairs[1:]
    assert (
        v1.failed(404, "POST", f"{DUPLICATES}/{pairs[0]['id']}/done")["code"] == "DuplicateNotFound"
    )


LOOKALIKE = Person(1, side_px=90.0)


@pytest.fixture
def rejected(v1: V1Client, services: Services, clock: FakeClock) -> tuple[str, str]:
    """A face, and a sighting that was rejected for it."""
    v1.add_camera("door")
    face, _ = see(v1, services, 90, Person(1))
    taken_for, sighting = see(v1, services, 30, LOOKALIKE)
    assert taken_for == face
    v1.done("POST", f"/v1/faces/{face}/sightings/{sighting}/reject")
    return face, sighting


def test_what_a_face_is_not_is_listed(v1: V1Client, rejected: tuple[str, str]) -> None:
    face, sighting = rejected
    assert v1.done("GET", f"/v1/faces/{face}")["rejections"] == 1
    assert v1.done("GET", f"/v1/faces/{face}/rejections") == {
        "rejections": [
            {
                "sighting": sighting,
                "capture": sighting.rpartition("-")[0],
                "camera": "door",
                "captured_at": "2026-03-01T11:30:00.000Z",
            }
        ],
        "next_token": None,
    }


def test_a_rejection_is_taken_back_once(
    v1: V1Client, services: Services, camera: CameraClient, rejected: tuple[str, str]
) -> None:
    face, sighting = rejected
    [new] = [id_ for id_ in v1.done("GET", "/v1/face-ids")["ids"] if id_ != face]
    v1.done_without_body("DELETE", f"/v1/faces/{new}")
    assert camera.call("getFaceByPicture", pic=picture(LOOKALIKE))["code"] != 0

    v1.done_without_body("DELETE", f"/v1/faces/{face}/rejections/{sighting}")

    assert camera.call("getFaceByPicture", pic=picture(LOOKALIKE))["data"]["faceid"] == face
    assert v1.done("GET", f"/v1/faces/{face}")["rejections"] == 0
    assert v1.done("GET", f"/v1/faces/{face}/rejections")["rejections"] == []
    again = v1.failed(404, "DELETE", f"/v1/faces/{face}/rejections/{sighting}")
    assert again["code"] == "RejectionNotFound"
    assert disagreements(services, services.tenants.get_by_name("shop")) == []


@pytest.mark.parametrize("sighting", ["7", "x" * 200, "会"])
def test_what_was_not_rejected_cannot_be_taken_back(
    v1: V1Client, rejected: tuple[str, str], sighting: str
) -> None:
    face, _ = rejected
    for faceid, code in ((face, "RejectionNotFound"), ("nobody", "FaceNotFound")):
        assert v1.failed(404, "DELETE", f"/v1/faces/{faceid}/rejections/{sighting}")["code"] == code
