import base64
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.book.cameras import MAX_BYTES, is_view_due
from chalicelib.services import Services
from chalicelib.storage import keys
from tests.support.api.sunmi.client import CameraClient
from tests.support.api.v1.client import V1Client, offer_of
from tests.support.fakes import FakeClock

CAMERAS = "/v1/cameras"
WELL = {"trouble": None, "blind": False, "needs_somebody": False}
NEW = {
    "id": "door",
    "name": "door",
    "labels": {"a": "", "b": "", "c": "", "d": ""},
    "groups": None,
    "gap_s": 1800,
    "stranger_quality": 40.0,
    "keeps_strangers": True,
    "forgets_strangers": False,
    "learns": True,
    "enabled": True,
    "silent_after_s": 600,
    "edge": {},
    "revision": 1,
    "created_at": "2026-03-01T12:00:00.000Z",
    "last_seen_at": None,
    "still_asked_at": None,
    "view_due": True,
    "view_right_at": None,
    "faceless_share": None,
    "proof": None,
    "health": {
        "state": "never_seen",
        **WELL,
        "failing_at": None,
        "outages": [],
        "status": {},
        "muted_until": None,
        "view_changed": False,
        "refused_box": None,
    },
}


def test_a_camera_needs_a_name_only(v1: V1Client) -> None:
    reply = v1.send("POST", CAMERAS, {"name": "door"})
    assert reply.status == 201
    camera = reply.json
    assert camera.pop("api_key").startswith("ck_")
    assert camera == NEW
    assert v1.done("GET", "/v1/cameras/door") == NEW
    assert v1.done("GET", CAMERAS) == {"cameras": [NEW]}


def test_everything_that_can_be_set_is_kept(v1: V1Client, camera: CameraClient) -> None:
    camera.create_group("会员")
    settings = {
        "labels": {"a": "华东", "b": "store 12", "c": None},
        "groups": ["会员", "regular", "会员"],
        "gap_s": 60,
        "stranger_quality": 55.5,
        "keeps_strangers": False,
        "learns": False,
        "enabled": False,
        "silent_after_s": 300,
        "edge": {
            "send": "best_shot",
            "interval_s": 0.5,
            "per_minute": 30,
            "motion_share": 0.02,
            "min_face_px": 60,
            "face_score": 0.6,
            "track_s": 8.0,
            "early": True,
            "crop_room": 0.5,
            "hardware": "vaapi",
            "version": "1.2.3",
            "capture_hours": ["Mon-Fri 08:00-20:00", "22:00-24:00"],
            **{name: [[[0.0, 0.0], [0.5, 0.0], [0.0, 1.0]]] for name in ("masks", "zones")},
        },
    }
    v1.add_camera("大门", id="door-1", **settings)
    expected = {
        **NEW,
        **settings,
        "forgets_strangers": True,
        "view_due": False,
        "id": "door-1",
        "name": "大门",
        "labels": {"a": "华东", "b": "store 12", "c": "", "d": ""},
        "groups": ["会员", "regular"],
        "health": {
            "state": "disabled",
            **WELL,
            "failing_at": None,
            "outages": [],
            "status": {},
            "muted_until": None,
            "view_changed": False,
            "refused_box": None,
        },
    }
    assert v1.done("GET", "/v1/cameras/door-1") == expected


@pytest.mark.parametrize(
    ("name", "id_"),
    [
        ("door", "door"),
        ("Front door", "Front-door"),
        ("Café №1", "Cafe-No1"),
        ("大门", "camera"),
        (".hidden", "hidden"),
        ("-", "camera"),
        ("../x", "x"),
        ("x" * 100, "x" * 56),
        ("a" * 64, "a" * 64),
    ],
)
def test_the_id_is_the_name_or_what_of_it_is_legal(v1: V1Client, name: str, id_: str) -> None:
    assert v1.add_camera(name)["id"] == id_


def test_ids_that_are_made_are_unique(v1: V1Client) -> None:
    made = [
        v1.add_camera(name)["id"]
        for name in ("大门", "后门", "Front door", "Front_door", "Front, door")
    ]
    assert made == ["camera", "camera-2", "Front-door", "Front_door", "Front-door-2"]


def test_a_name_is_no_others_name_or_id(v1: V1Client) -> None:
    v1.add_camera("Front door", id="door")
    for body in (
        {"name": "Front door"},
        {"name": "door"},
        {"name": "x", "id": "door"},
        {"name": "door", "id": "x"},
    ):
        assert v1.failed(409, "POST", CAMERAS, body)["code"] == "CameraExists"
    v1.add_camera("till")
    for name in ("door", "Front door"):
        assert v1.failed(409, "PATCH", "/v1/cameras/till", {"name": name})["code"] == "CameraExists"
    assert [camera["name"] for camera in v1.done("GET", CAMERAS)["cameras"]] == [
        "Front door",
        "till",
    ]


@pytest.mark.parametrize(
    "change",
    [
        *({"name": name} for name in ("", " door", "a\nb", "x" * 101, None, 7)),
        *({"id": id_} for id_ in ("", ".", "..", "-x", "a/b", "a b", "a#b", "大门", "x" * 65, 7)),
        *(
            {"labels": labels}
            for labels in ("a", [], None, {"a": 1}, {"a": "x" * 101}, {"e": ""}, {"A": ""})
        ),
        *(
            {"edge": {"version": version}}
            for version in ("1.2", "v1.2.3", "1.2.3-rc1", "01.2.3", "../1.2.3", "", None)
        ),
    ],
    ids=str,
)
def test_what_cannot_be_set_is_refused_by_name_and_nothing_is_changed(
    v1: V1Client, change: dict[str, Any]
) -> None:
    ((field, _),) = change.items()
    error = v1.failed(400, "POST", CAMERAS, {"name": "door", **change})
    assert field.removesuffix("s") in error["detail"]
    assert v1.done("GET", CAMERAS)["cameras"] == []
    v1.add_camera("door")
    assert v1.failed(400, "PATCH", "/v1/cameras/door", change)["code"] == "InvalidInput"
    assert v1.done("GET", "/v1/cameras/door") == NEW


def test_a_group_that_is_not_there_is_told(v1: V1Client) -> None:
    body = {"name": "door", "groups": ["vip"]}
    assert v1.failed(404, "POST", CAMERAS, body)["code"] == "GroupNotFound"
    v1.add_camera("door")
    assert (
        v1.failed(404, "PATCH", "/v1/cameras/door", {"groups": ["vip"]})["code"] == "GroupNotFound"
    )


def test_a_change_leaves_the_rest_as_it_is(v1: V1Client) -> None:
    v1.add_camera("door", labels={"a": "east", "b": "12"}, gap_s=60)
    changed = v1.done("PATCH", "/v1/cameras/door", {"labels": {"b": "13"}, "silent_after_s": 600})
    labels = {"a": "east", "b": "13", "c": "", "d": ""}
    expected = {**NEW, "labels": labels, "gap_s": 60, "silent_after_s": 600, "revision": 2}
    assert changed == expected
    changed = v1.done(
        "PATCH",
        "/v1/cameras/door",
        {"labels": {"a": None}, "silent_after_s": None, "name": "Door 1"},
    )
    assert changed == {
        **expected,
        "labels": {"a": "", "b": "13", "c": "", "d": ""},
        "silent_after_s": None,
        "revision": 3,
    } | {"name": "Door 1"}


def test_an_old_revision_is_answered_with_the_camera_as_it_is(v1: V1Client) -> None:
    v1.add_camera("door")
    changed = v1.done("PATCH", "/v1/cameras/door", {"gap_s": 60, "revision": 1})
    v1.done("POST", "/v1/cameras/door/heartbeat", {"status": {"sent": 3}})
    error = v1.failed(409, "PATCH", "/v1/cameras/door", {"gap_s": 90, "revision": 1})
    present = error["present"]
    assert (error["code"], present["gap_s"], present["revision"]) == (
        "Changed",
        60,
        changed["revision"],
    )
    assert (
        v1.done("PATCH", "/v1/cameras/door", {"gap_s": 90, "revision": present["revision"]})[
            "gap_s"
        ]
        == 90
    )


def test_groups_follow_their_groups_when_those_are_renamed_or_deleted(
    v1: V1Client, camera: CameraClient
) -> None:
    camera.create_group("vip")
    camera.create_group("staff")
    v1.add_camera("door", groups=["vip", "staff"])
    v1.add_camera("till", groups=[])
    camera.call(
        "updateGroup", {"old_name": "vip", "name": "guests", "capacity": "10", "description": ""}
    )
    camera.call("deleteGroup", {"name": "staff"})
    listed = v1.done("GET", CAMERAS)["cameras"]
    assert [one["groups"] for one in listed] == [["guests"], []]
    assert v1.done("PATCH", "/v1/cameras/door", {"groups": None})["groups"] is None


@pytest.mark.parametrize(
    ("method", "path"),
    [
        *(("GET", ""), ("DELETE", ""), ("POST", "/heartbeat"), ("POST", "/key")),
    ],
)
@pytest.mark.parametrize("id_", ["door", "%2e%2e", "Front door", "#left", "x" * 300])
def test_a_camera_that_is_not_there_is_404(v1: V1Client, method: str, path: str, id_: str) -> None:
    v1.add_camera("Front door", id="till")
    assert v1.failed(404, method, f"/v1/cameras/{id_}{path}")["code"] == "CameraNotFound"


def test_a_deleted_camera_leaves_its_name_and_its_id_to_others(v1: V1Client) -> None:
    v1.add_camera("Front door", id="door")
    assert v1.send("DELETE", "/v1/cameras/door").status == 204
    assert v1.done("GET", CAMERAS)["cameras"] == []
    assert v1.failed(404, "DELETE", "/v1/cameras/door")["code"] == "CameraNotFound"
    v1.add_camera("door")
    v1.add_camera("Front door")


def test_a_heartbeat_tells_how_the_camera_is(v1: V1Client, clock: FakeClock) -> None:
    v1.add_camera("door")
    status = {"firmware": "1.2", "temperature": 41.5, "queue": 3, "tampered": False, "error": None}
    beat = v1.done("POST", "/v1/cameras/door/heartbeat", {"status": status})
    assert beat["health"] == {
        "state": "ok",
        **WELL,
        "failing_at": None,
        "outages": [],
        "status": status,
        "muted_until": None,
        "view_changed": False,
        "refused_box": None,
    }
    assert beat["last_seen_at"] == "2026-03-01T12:00:00.000Z"
    assert beat["counting"] == {"film_wanted": False}, "a box may tell why a minute is null"
    clock.advance(timedelta(minutes=5))
    beat = v1.done("POST", "/v1/cameras/door/heartbeat")
    assert (beat["last_seen_at"], beat["health"]["status"]) == ("2026-03-01T12:05:00.000Z", status)
    assert v1.done("POST", "/v1/cameras/door/heartbeat", {"status": {}})["health"]["status"] == {}


def test_a_box_that_is_refused_is_told_for_twenty_minutes_and_changes_nothing(
    v1: V1Client, clock: FakeClock
) -> None:
    path = "/v1/cameras/door/heartbeat"
    v1.add_camera("door")
    before = v1.done("POST", path, {"status": {"box": "a", "box_name": "shop-a", "spooled": 3}})
    clock.advance(timedelta(minutes=5))
    refused = {"status": {"box": "b", "box_name": "shop-b"}, "working": False, "refused": True}
    after = v1.done("POST", path, refused)
    health = {**before["health"], "refused_box": "shop-b"}
    assert after == {**before, "health": health}
    del after["counting"]
    assert after == v1.done("GET", "/v1/cameras/door")
    clock.advance(timedelta(minutes=10))
    v1.done("POST", path, refused)
    clock.advance(timedelta(minutes=19))
    assert v1.done("GET", "/v1/cameras/door")["health"]["refused_box"] == "shop-b"
    clock.advance(timedelta(minutes=1))
    assert v1.done("GET", "/v1/cameras/door")["health"]["refused_box"] is None
    for status in (None, {}, {"box_name": 7}, {"box_name": ""}):
        problem = v1.send("POST", path, {"status": status, "refused": True})
        assert (problem.status, "send status.box_name" in problem.json["detail"]) == (400, True)


def test_boxes_are_what_the_heartbeats_of_cameras_tell(v1: V1Client, clock: FakeClock) -> None:
    def beat(camera: str, working: bool = True, **status: Any) -> None:
        v1.done("POST", f"/v1/cameras/{camera}/heartbeat", {"status": status, "working": working})

    for name in ("door", "till", "yard", "ftp", "odd"):
        v1.add_camera(name)
    assert v1.done("GET", "/v1/boxes") == {"boxes": []}
    beat("door", box="b1", box_name="shop-12", version="0.9", temperature_c=80)
    clock.advance(timedelta(minutes=5))
    told = {"version": "1.0", "disk_free_mib": 900, "clock_error_s": -1.5, "temperature_c": 61}
    beat("till", working=False, box="b1", box_name="shop-12", **told)
    beat("ftp", version="1.0")
    beat("odd", box="b0", box_name=7, version=True, disk_free_mib="much", temperature_c=False)
    beat("yard", box=5)
    odd, shop = v1.done("GET", "/v1/boxes")["boxes"]
    seen = {"last_seen_at": "2026-03-01T12:05:00.000Z"}
    assert shop == {"id": "b1", "name": "shop-12", **seen, **told, "cameras": ["door", "till"]}
    nothing = dict.fromkeys(["name", *told])
    assert odd == {"id": "b0", **seen, **nothing, "cameras": ["odd"]}
    beat("door", box="b2")
    v1.send("DELETE", "/v1/cameras/till")
    assert [(one["id"], one["cameras"]) for one in v1.done("GET", "/v1/boxes")["boxes"]] == [
        ("b0", ["odd"]),
        ("b2", ["door"]),
    ], "a camera belongs to the box that it was heard from last; a box without cameras is none"


def test_a_camera_that_gives_nothing_says_so_and_falls_silent(
    v1: V1Client, clock: FakeClock
) -> None:
    v1.add_camera("door", silent_after_s=600)

    def beat(**fields: Any) -> Any:
        return v1.done("POST", "/v1/cameras/door/heartbeat", fields)

    failing = beat(status={"error": "10.0.0.9 does not answer"}, working=False)
    assert failing["last_seen_at"] is None
    assert failing["health"] == {
        "state": "failing",
        "trouble": "failing",
        "blind": True,
        "needs_somebody": True,
        "failing_at": "2026-03-01T12:00:00.000Z",
        "outages": [],
        "status": {"error": "10.0.0.9 does not answer"},
        "muted_until": None,
        "view_changed": False,
        "refused_box": None,
    }
    assert beat(working=True)["health"]["state"] == "ok"
    clock.advance(timedelta(seconds=599))
    assert beat(working=False)["health"]["state"] == "failing"
    v1.offer(offer_of(b"x", clock.now()))  # a picture of before, which was spooled
    assert v1.done("GET", "/v1/cameras/door")["health"]["state"] == "failing"
    clock.advance(timedelta(seconds=1020))
    found = beat(working=False)
    assert (found["health"]["state"], found["health"]["failing_at"]) == (
        "silent",
        "2026-03-01T12:26:59.000Z",
    )
    assert [one["until"] for one in found["health"]["outages"]] == [None], "the present one"
    well = {
        "state": "ok",
        **WELL,
        "failing_at": None,
        "outages": [],
        "status": {},
        "muted_until": None,
        "view_changed": False,
        "refused_box": None,
    }
    assert beat(status={})["health"] == well
    assert (
        "working"
        in v1.failed(400, "POST", "/v1/cameras/door/heartbeat", {"working": "no"})["detail"]
    )


def test_silences_are_muted_for_a_camera_or_for_all(v1: V1Client, clock: FakeClock) -> None:
    for name in ("door", "till"):
        v1.add_camera(name)
    clock.advance(timedelta(hours=1))

    def told() -> dict[str, object]:
        return {
            one["id"]: one["health"]["muted_until"]
            for one in v1.done("GET", "/v1/cameras")["cameras"]
        }

    until = "2026-03-02T00:00:00.000Z"
    muted = v1.done("PUT", "/v1/mute", {"until": until, "camera": "door"})
    assert [one["health"]["state"] for one in muted["cameras"]] == ["silent", "silent"], (
        "what is true stays true"
    )
    assert told() == {"door": until, "till": None}
    v1.done("PUT", "/v1/mute", {"until": until})
    assert told() == {"door": until, "till": until}
    v1.done("PUT", "/v1/mute", {"until": None, "camera": "till"})
    assert told() == {"door": until, "till": None}
    clock.advance(timedelta(days=1))
    assert told() == {"door": None, "till": None}
    v1.failed(404, "PUT", "/v1/mute", {"until": None, "camera": "none"})
    assert (
        "31 days" in v1.failed(400, "PUT", "/v1/mute", {"until": "9999-01-01T00:00:00Z"})["detail"]
    )


@pytest.mark.parametrize(
    "status",
    [
        *("ok", [], {"": 1}, {"x" * 65: 1}, {"x": "y" * 201}, {"x": {}}, {"x": [1]}, {"x": 2**63}),
        {f"n{number}": number for number in range(33)},
    ],
    ids=lambda status: str(status)[:30],
)
def test_a_status_is_a_few_short_values(v1: V1Client, status: Any) -> None:
    v1.add_camera("door")
    assert (
        "status"
        in v1.failed(400, "POST", "/v1/cameras/door/heartbeat", {"status": status})["detail"]
    )
    assert v1.done("GET", "/v1/cameras/door") == NEW


def test_what_is_set_for_the_uploader_takes_the_place_of_all_that_was(v1: V1Client) -> None:
    v1.add_camera("door", edge={"send": "faces", "interval_s": 0.2})
    beat = v1.done("POST", "/v1/cameras/door/heartbeat")
    assert beat["edge"] == {"send": "faces", "interval_s": 0.2}
    assert v1.done("PATCH", "/v1/cameras/door", {"edge": {"per_minute": 5}})["edge"] == {
        "per_minute": 5
    }
    assert v1.done("PATCH", "/v1/cameras/door", {"gap_s": 60})["edge"] == {"per_minute": 5}
    assert v1.done("PATCH", "/v1/cameras/door", {"edge": {}})["edge"] == {}


@pytest.mark.parametrize(
    "edge",
    [
        *(
            None,
            [],
            {"url": "http://10.0.0.9"},
            {"send": "some"},
            {"send": ["all"]},
            {"send": None},
            {"interval_s": 0},
        ),
        *(
            {"interval_s": "1"},
            {"interval_s": True},
            {"per_minute": 1.5},
            {"per_minute": 0},
            {"min_face_px": None},
        ),
        *(
            {"capture_hours": ["8-18"]},
            {"masks": [[[0, 0], [1, 1]]]},
            {"masks": [[[0, 0], [0, 2], [1, 1]]]},
        ),
        *(
            {"zones": [[0.5, 0, 0.5, 1]]},
            {"masks": [[0, 0, 1]]},
            {"masks": [[[0, 0], [1, 1], 0.5]]},
            {"early": 1},
            {"hardware": "abacus"},
        ),
    ],
    ids=str,
)
def test_settings_of_the_uploader_have_names_and_bounds(v1: V1Client, edge: Any) -> None:
    v1.add_camera("door")
    assert "edge" in v1.failed(400, "PATCH", "/v1/cameras/door", {"edge": edge})["detail"]
    assert v1.done("GET", "/v1/cameras/door") == NEW


def test_a_key_is_shown_when_it_is_made_and_never_again(v1: V1Client) -> None:
    key = v1.add_camera("door")["api_key"]
    renewed = v1.done("POST", "/v1/cameras/door/key")
    assert renewed["id"] == "door"
    assert renewed["api_key"] != key
    for path in (CAMERAS, "/v1/cameras/door"):
        assert "_key" not in v1.send("GET", path).body
    assert "_key" not in v1.send("PATCH", "/v1/cameras/door", {"gap_s": 60}).body


def test_a_code_claims_a_camera_once_and_ends_its_former_key(v1: V1Client) -> None:
    old = v1.done("POST", CAMERAS, {"id": "door", "name": "Front door"})["api_key"]
    made = v1.done("POST", "/v1/cameras/door/claim")
    other = v1.done("POST", "/v1/cameras/door/claim")["claim_code"]
    assert v1.with_key(old).done("GET", "/v1/cameras/door")["id"] == "door"
    box = v1.with_key(None)
    typed = made["claim_code"].lower().replace("-", " ").replace("0", "o").replace("1", "l")
    claimed = box.done("POST", "/v1/claims", {"code": typed})
    assert (claimed["id"], claimed["name"]) == ("door", "Front door")
    assert v1.with_key(claimed["api_key"]).done("GET", "/v1/cameras/door")["id"] == "door"
    assert v1.with_key(old).send("GET", "/v1/cameras/door").status == 401
    for used in (made["claim_code"], other):
        assert (
            "not good any more" in box.failed(401, "POST", "/v1/claims", {"code": used})["detail"]
        )


def test_a_code_is_good_for_a_quarter_of_an_hour_and_not_after_another_key(
    v1: V1Client, clock: FakeClock
) -> None:
    key = v1.add_camera("door")["api_key"]
    late = v1.done("POST", "/v1/cameras/door/claim")["claim_code"]
    clock.advance(timedelta(minutes=15))
    renewed = v1.done("POST", "/v1/cameras/door/claim")["claim_code"]
    key = v1.done("POST", "/v1/cameras/door/key")["api_key"]
    for code in (late, renewed, "", "0", "K" * 40):
        assert v1.with_key(None).send("POST", "/v1/claims", {"code": code}).status == 401
    assert v1.with_key(key).done("GET", "/v1/cameras/door")["id"] == "door"


def test_wrong_codes_are_counted_and_a_right_one_is_taken_all_the_same(v1: V1Client) -> None:
    v1.add_camera("door")
    code = v1.done("POST", "/v1/cameras/door/claim")["claim_code"]
    box = v1.with_key(None)
    answers = [box.send("POST", "/v1/claims", {"code": "0000-0000-0000"}).status for _ in range(12)]
    assert answers == [401] * 10 + [429] * 2
    assert box.send("POST", "/v1/claims", {"code": code}).status == 201


VIEW = "/v1/cameras/door/view"
BEAT = "/v1/cameras/door/heartbeat"


def test_a_view_that_changed_is_listed_until_somebody_says_that_it_is_right(
    v1: V1Client, clock: FakeClock
) -> None:
    box = v1.with_key(v1.add_camera("door")["api_key"])

    def beat(**status: object) -> dict[str, Any]:
        answer: dict[str, Any] = box.done("POST", BEAT, {"status": {"box": "b1", **status}})
        return answer

    assert beat()["health"]["view_changed"] is False
    assert beat(view_changed="yes")["health"]["view_changed"] is False, "true alone says so"
    assert beat(view_changed=True)["health"]["view_changed"] is True
    said = v1.done("POST", VIEW)
    assert (said["view_right_at"], said["health"]["view_changed"]) == (
        "2026-03-01T12:00:00.000Z",
        False,
    )
    heard = beat(view_changed=True)
    assert heard["view_right_at"] == said["view_right_at"], "by the answer that the box reads"
    assert heard["health"]["view_changed"] is False, "its box said so before it heard the word"
    again = beat(view_changed=True, view_right_at=heard["view_right_at"])
    assert again["health"]["view_changed"] is True, "it has changed since"
    clock.advance(timedelta(seconds=1))
    assert v1.done("POST", VIEW)["health"]["view_changed"] is False
    entries = v1.done("GET", "/v1/audit")["entries"]
    said_by = [one["by"] for one in entries if one["what"] == f"POST {CAMERAS}/{{id}}/view"]
    assert said_by == ["key first"] * 2
    assert box.send("POST", VIEW).status == 403, "a box does not judge itself"
    assert v1.failed(404, "POST", f"{CAMERAS}/nowhere/view")["code"] == "CameraNotFound"


def test_a_view_is_due_once_a_day_when_the_shop_has_opened_and_two_are_kept(
    v1: V1Client, clock: FakeClock
) -> None:
    """The clock says 12:00 UTC on a Sunday."""
    v1.done("PATCH", "/v1/settings", {"opening": "Mon-Sat 09:00-20:00", "time_zone": "Asia/Tokyo"})
    box = v1.with_key(v1.add_camera("door")["api_key"])

    def is_due(days: float) -> bool:
        """Wait for so long; a heartbeat then says whether a view is due."""
        clock.advance(timedelta(days=days))
        answer: bool = box.done("POST", BEAT, {})["view_due"]
        return answer

    assert not is_due(0), "closed on Sunday"
    assert "view_due" in box.failed(409, "PUT", VIEW, {"picture": PICTURE})["detail"]
    assert not is_due(11.9 / 24), "it opens on Monday at 9:00 in Tokyo"
    taken = []
    for day, pause in (("02", 0.1 / 24), ("03", 1.0), ("04", 1.0)):
        assert is_due(pause)
        for replayed in (None, "true"):
            sent = {"picture": base64.b64encode(JPEG + day.encode()).decode()}
            reply = box.send("PUT", VIEW, sent, headers={"Idempotency-Key": day})
            assert (reply.status, reply.headers.get("idempotent-replayed")) == (204, replayed)
        taken.append({"taken_at": f"2026-03-{day}T00:00:00.000Z", **sent})
        assert not is_due(0), "once a day"
        assert v1.done("GET", VIEW)["views"] == taken[-1:-3:-1], "the newest first"
    clock.advance(timedelta(days=1))
    assert v1.done("GET", VIEW)["views"] == taken[-1:], "two days each"
    clock.advance(timedelta(days=1))
    assert v1.done("GET", VIEW)["views"] == []


def test_a_view_comes_from_its_own_camera_and_is_seen_by_those_who_may_see_pictures(
    v1: V1Client, services: Services
) -> None:
    box, other = (v1.with_key(v1.add_camera(name)["api_key"]) for name in ("door", "till"))
    assert other.send("PUT", VIEW, {"picture": PICTURE}).status == 403
    for wrong in (b"", b"<svg onload=alert(1)>", JPEG[:2], JPEG + bytes(MAX_BYTES)):
        sent = {"picture": base64.b64encode(wrong).decode()}
        assert "a view is a JPEG" in box.failed(422, "PUT", VIEW, sent)["detail"]
    assert box.send("PUT", VIEW, {"picture": PICTURE}).status == 204
    assert box.send("GET", VIEW).status == 403, "a box sees nothing"
    blind = v1.with_key(
        v1.done("POST", "/v1/keys", {"name": "x", "role": "operator", "pictures": False})["api_key"]
    )
    assert "sees no pictures" in blind.failed(403, "GET", VIEW)["detail"]
    assert len(v1.done("GET", VIEW)["views"]) == 1
    entries = v1.done("GET", "/v1/audit")["entries"]
    read = [one["details"]["read"]["pictures"] for one in entries if one["what"] == "people read"]
    assert read == [["view door 2026-03-01T12:00:00.000Z"]]
    v1.done("PATCH", "/v1/settings", {"keeps_pictures": False})
    assert v1.done("GET", VIEW)["views"] == []
    assert box.done("POST", BEAT, {})["view_due"] is False
    assert box.send("PUT", VIEW, {"picture": PICTURE}).status == 409
    (tenant,) = services.tenants.list_all()
    assert not is_view_due(services.cameras.get(tenant, "till"), tenant, services.clock.now())


STILL = "/v1/cameras/door/still"
NO_STILL = {"asked_at": None, "taken_at": None, "picture": None}
PICTURE = base64.b64encode(JPEG := b"\xff\xd8\xff and so on").decode()


def test_a_still_that_was_asked_for_is_sent_once_and_kept_for_an_hour(
    v1: V1Client, clock: FakeClock
) -> None:
    box = v1.with_key(v1.add_camera("door")["api_key"])
    assert v1.done("GET", STILL) == NO_STILL
    asked = v1.send("POST", STILL)
    assert (asked.status, asked.json) == (202, {**NO_STILL, "asked_at": "2026-03-01T12:00:00.000Z"})
    assert (
        box.done("POST", "/v1/cameras/door/heartbeat", {})["still_asked_at"]
        == asked.json["asked_at"]
    )
    clock.advance(timedelta(seconds=7))
    for replayed in (None, "true"):
        sent = box.send("PUT", STILL, {"picture": PICTURE}, headers={"Idempotency-Key": "lost"})
        assert (sent.status, sent.headers.get("idempotent-replayed")) == (204, replayed)
    assert box.done("POST", "/v1/cameras/door/heartbeat", {})["still_asked_at"] is None
    kept = {"asked_at": None, "taken_at": "2026-03-01T12:00:07.000Z", "picture": PICTURE}
    assert v1.done("GET", STILL) == kept
    assert "nobody asks" in box.failed(409, "PUT", STILL, {"picture": PICTURE})["detail"]
    assert v1.done("POST", STILL)["picture"] == PICTURE, "the one before is there until another is"
    clock.advance(timedelta(hours=1))
    assert v1.done("GET", STILL) == NO_STILL
    assert v1.done("GET", "/v1/captures", camera="door")["captures"] == [], "it is no capture"


def test_a_camera_that_is_made_again_shows_no_still_of_the_one_that_had_its_id(
    v1: V1Client, clock: FakeClock
) -> None:
    box = v1.with_key(v1.add_camera("door")["api_key"])
    v1.done("POST", STILL)
    assert box.send("PUT", STILL, {"picture": PICTURE}).status == 204
    assert v1.done("GET", STILL)["picture"] == PICTURE
    clock.advance(timedelta(minutes=1))
    v1.done_without_body("DELETE", "/v1/cameras/door")
    v1.add_camera("door")
    assert v1.done("GET", STILL) == NO_STILL


def test_a_still_is_taken_from_the_cameras_own_key_when_it_is_wanted_and_a_small_jpeg(
    v1: V1Client, clock: FakeClock
) -> None:
    box, other = (v1.with_key(v1.add_camera(name)["api_key"]) for name in ("door", "till"))
    assert box.failed(409, "PUT", STILL, {"picture": PICTURE})["code"] == "Conflict"
    v1.done("POST", STILL)
    assert other.send("PUT", STILL, {"picture": PICTURE}).status == 403
    for method in ("GET", "POST"):
        assert box.send(method, STILL).status == 403, "a box sees nothing"
    for wrong in (b"", b"<svg onload=alert(1)>", JPEG[:2], JPEG + bytes(MAX_BYTES)):
        sent = {"picture": base64.b64encode(wrong).decode()}
        assert (
            box.failed(422, "PUT", STILL, sent)["detail"]
            == f"a still is a JPEG of up to {MAX_BYTES} bytes"
        )
    clock.advance(timedelta(minutes=10))
    assert box.send("PUT", STILL, {"picture": PICTURE}).status == 409
    assert v1.failed(404, "POST", "/v1/cameras/nowhere/still")["code"] == "CameraNotFound"


def test_a_key_without_pictures_neither_sees_a_still_nor_asks_for_one(v1: V1Client) -> None:
    box = v1.with_key(v1.add_camera("door")["api_key"])
    v1.done("POST", STILL)
    assert box.send("PUT", STILL, {"picture": PICTURE}).status == 204
    blind = v1.with_key(
        v1.done("POST", "/v1/keys", {"name": "x", "role": "operator", "pictures": False})["api_key"]
    )
    for method in ("GET", "POST"):
        assert "sees no pictures" in blind.failed(403, method, STILL)["detail"]
    assert v1.done("GET", STILL)["asked_at"] is None


def test_each_look_at_a_still_is_an_entry(v1: V1Client, clock: FakeClock) -> None:
    box = v1.with_key(v1.add_camera("door")["api_key"])
    v1.done("GET", STILL)
    for _ in range(2):
        v1.done("POST", STILL)
        box.send("PUT", STILL, {"picture": PICTURE})
        for _ in range(3):
            assert v1.done("GET", STILL)["picture"] == PICTURE
        clock.advance(timedelta(seconds=20))
    entries = v1.done("GET", "/v1/audit")["entries"]
    read = [one["details"]["read"]["pictures"] for one in entries if one["what"] == "people read"]
    first, second = (f"still door 2026-03-01T12:00:{second}.000Z" for second in ("00", "20"))
    assert sorted(read) == [[first], [second]]
    assert [one["what"] for one in entries].count(f"POST {CAMERAS}/{{id}}/still") == 2
    assert {one["by"] for one in entries} == {"key first"}


def test_a_tenant_that_keeps_no_pictures_keeps_no_stills(v1: V1Client) -> None:
    box = v1.with_key(v1.add_camera("door")["api_key"])
    v1.done("POST", STILL)
    v1.done("PATCH", "/v1/settings", {"keeps_pictures": False})
    assert box.send("PUT", STILL, {"picture": PICTURE}).status == 409
    assert "keeps_pictures" in v1.failed(409, "POST", STILL)["detail"]


def test_expired_stills_are_deleted_on_storage_that_does_not_do_so_itself(
    v1: V1Client, clock: FakeClock, services: Services
) -> None:
    box = v1.with_key(v1.add_camera("door")["api_key"])
    v1.done("POST", STILL)
    box.send("PUT", STILL, {"picture": PICTURE})
    place = keys.still_item(services.tenants.list_all()[0].name, "door")
    assert services.items.get(keys.TENANTS, place) is not None
    clock.advance(timedelta(hours=1))
    services.access.sessions.forget_expired(services.tenants.list_all()[0].name)
    assert services.items.get(keys.TENANTS, place) is None
