import base64
import hashlib
import json
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from msgspec.structs import replace

from chalicelib.domain.captures import RULES, CaptureState, Resolution, Sighting
from chalicelib.domain.model import MASK, Decision
from chalicelib.domain.pictures import BoundingBox
from chalicelib.services import Services
from chalicelib.storage import keys
from chalicelib.storage.items import PageTokens
from chalicelib.storage.ports import Update, exists
from chalicelib.storage.records.captures import sighting_item
from tests.support.api.gateway import MULTIPART, Part, Reply, multipart
from tests.support.api.v1.client import HOST, V1Client, offer_of
from tests.support.book.recount_statistics import items_of
from tests.support.fakes import FakeClock, Person, picture

UPLOADS = "/v1/captures/uploads"


def put(services: Services, id_: str, camera: str = "door", data: bytes = b"x") -> None:
    """As the camera does with the request that it was answered."""
    services.ports.storage.uploads.put_if_absent(
        keys.capture_picture("shop", camera, id_), data, "image/jpeg"
    )


def test_an_offer_is_answered_with_the_request_that_stores_it(
    door: V1Client, clock: FakeClock
) -> None:
    answer = door.done(
        "POST", UPLOADS, {"captures": [offer_of(b"picture", "2026-03-01T19:59:58.5+08:00")]}
    )
    (upload,) = answer["uploads"]
    digest = hashlib.sha256(b"picture").digest()
    assert upload["id"].startswith("1772366398500-")
    assert (upload["state"], upload["method"]) == ("wanted", "PUT")
    url = urlsplit(upload["url"])
    assert (url.scheme, url.netloc) == ("http", HOST)
    assert url.path.endswith(f"/shop/door/{upload['id']}")
    assert parse_qs(url.query)["expires"] == [str(int(clock.now().timestamp()) + 900)]
    assert {name.lower(): value for name, value in upload["headers"].items()} == {
        "content-length": "7",
        "content-type": "image/jpeg",
        "if-none-match": "*",
        "x-amz-checksum-sha256": base64.b64encode(digest).decode(),
    }
    assert answer["server_time"] == "2026-03-01T12:00:00.000Z"


def test_over_the_days_limit_the_answer_says_when_to_come_again(
    door: V1Client, services: Services, clock: FakeClock
) -> None:
    services.tenants.change_settings("shop", {"capture_mb_a_day": 21, "time_zone": "UTC"})
    offers = [offer_of(bytes([number]), clock.now()) | {"size": 20_000_000} for number in range(2)]
    assert len(door.offer(offers[0])) == 1
    reply = door.send("POST", UPLOADS, {"captures": offers[1:]})
    assert (reply.status, reply.json["code"]) == (429, "DailyLimitReached")
    assert reply.headers["retry-after"] == str(12 * 3600)


def test_what_is_there_already_is_not_asked_for_again(
    door: V1Client, services: Services, clock: FakeClock
) -> None:
    (first,) = door.offer(offer_of(b"x", clock.now()))
    (again,) = door.offer(offer_of(b"x", clock.now()))
    assert (again["id"], again["state"]) == (first["id"], "wanted")
    assert again["url"]
    put(services, first["id"])
    assert door.offer(offer_of(b"x", clock.now()))[0] == {
        "id": first["id"],
        "state": "stored",
        "method": None,
        "url": None,
        "headers": {},
    }


@pytest.mark.parametrize("state", [CaptureState.RESOLVED, CaptureState.PARKED])
def test_what_is_resolved_or_parked_is_not_asked_for_again(
    door: V1Client, services: Services, clock: FakeClock, state: CaptureState
) -> None:
    (upload,) = door.offer(offer_of(b"x", clock.now()))
    become(services, upload["id"], state=state)
    (again,) = door.offer(offer_of(b"x", clock.now()))
    assert (again["state"], again["url"], again["headers"]) == (state.value, None, {})


def become(services: Services, id_: str, **fields: Any) -> None:
    """What `ingest` writes of a capture."""
    key = keys.capture("shop", "door", id_)
    items_of(services).transact([Update(keys.CAPTURES, key, (exists("offered"),), set=fields)])


def test_equal_captures_of_one_call_have_one_id(door: V1Client, clock: FakeClock) -> None:
    one, other = offer_of(b"x", clock.now()), offer_of(b"y", clock.now())
    spelled = {**one, "sha256": base64.b64encode(hashlib.sha256(b"x").digest()).decode()}
    same_time = {**one, "captured_at": clock.now().timestamp(), "content_type": "image/jpg"}
    ids = [
        upload["id"]
        for upload in door.offer(one, other, spelled, same_time, {**one, "sha256": "A" * 64})
    ]
    assert ids[0] == ids[2] == ids[3]
    assert len(set(ids)) == 3


def test_a_hundred_are_taken_at_a_time(door: V1Client, clock: FakeClock) -> None:
    offers = [offer_of(f"{number}".encode(), clock.now()) for number in range(101)]
    error = door.failed(400, "POST", UPLOADS, {"captures": offers})
    assert error["detail"] == "captures is a list of 1 to 100 objects, not a list of 101"
    assert len({upload["id"] for upload in door.offer(*offers[:100])}) == 100
    assert len({upload["id"] for upload in door.offer(*offers[1:])}) == 100
    assert "index" not in error


@pytest.mark.parametrize(
    ("change", "part"),
    [
        *(
            ({"sha256": sha}, "sha256 is 64 hexadecimal digits")
            for sha in ("", "0" * 63, "g" * 64, "AAAA", "0" * 65)
        ),
        *(
            ({"size": size}, "captures[1].size is a whole number from 1 to 20971520, not")
            for size in (0, 20 * 1024 * 1024 + 1)
        ),
        *(
            ({"content_type": t}, "content_type is image/jpeg or image/png")
            for t in ("", "image/gif", "text/plain")
        ),
        ({"captured_at": "yesterday"}, "captures[1].captured_at is a time such as"),
        (
            {"captured_at": "2026-03-01T12:05:00.001Z"},
            "captured_at is 2026-03-01T12:05:00.001+00:00, and the service's clock shows "
            "2026-03-01T12:00:00.000+00:00: "
            "a picture may be up to 300 s ahead of it, and not before 2000. Set the camera's clock",
        ),
        (
            {"captured_at": "1999-12-31T23:59:59.999Z"},
            "and not before 2000. Set the camera's clock",
        ),
        ({"captured_at": 9e10}, "captured_at is 4821-12-26"),
    ],
)
def test_one_bad_capture_is_named_and_none_is_taken(
    door: V1Client, services: Services, clock: FakeClock, change: dict[str, Any], part: str
) -> None:
    good, bad = offer_of(b"good", clock.now()), {**offer_of(b"bad", clock.now()), **change}
    error = door.failed(400, "POST", UPLOADS, {"captures": [good, bad]})
    assert (error["code"], error["index"]) == ("InvalidInput", 1)
    assert part in error["detail"]
    (upload,) = door.offer(good)
    put(services, upload["id"])
    assert len(door.done("GET", "/v1/captures")["captures"]) == 1
    assert door.done("GET", "/v1/cameras/door")["health"]["state"] == "ok"


def test_a_clock_may_be_a_little_ahead_and_long_behind(door: V1Client, clock: FakeClock) -> None:
    door.offer(
        offer_of(b"x", clock.now() + timedelta(seconds=300)), offer_of(b"x", "2000-01-01T00:00:00Z")
    )


def test_a_camera_that_is_not_there_or_disabled_takes_nothing(
    door: V1Client, clock: FakeClock
) -> None:
    good = offer_of(b"x", clock.now())
    error = door.failed(404, "POST", UPLOADS, {"captures": [good, {**good, "camera": "till"}]})
    assert (error["code"], error["index"]) == ("CameraNotFound", 1)
    door.done("PATCH", "/v1/cameras/door", {"enabled": False})
    error = door.failed(403, "POST", UPLOADS, {"captures": [good]})
    assert (error["code"], error["index"]) == ("CameraDisabled", 0)
    assert door.done("GET", "/v1/cameras/door")["last_seen_at"] is None


def test_a_crop_is_linked_below_the_public_url(
    door: V1Client, services: Services, clock: FakeClock
) -> None:
    (upload,) = door.offer(offer_of(b"r", clock.now()))
    skipped = Sighting(0, Resolution.SKIPPED, BoundingBox(5, 6, 7, 8), reason="it is too blurred")
    become(services, upload["id"], state=CaptureState.RESOLVED, sightings=[sighting_item(skipped)])
    services.settings = replace(services.settings, public_url="https://box.example/shop")
    (sighting,) = door.done("GET", f"/v1/captures/{upload['id']}", camera="door")["sightings"]
    assert (
        sighting["crop_url"]
        == f"https://box.example/shop/v1/captures/{upload['id']}/crops/0?camera=door"
    )


def test_one_capture_of_two_cameras_is_two(door: V1Client, clock: FakeClock) -> None:
    door.add_camera("Till 1")
    uploads = door.offer(
        *(offer_of(b"x", clock.now(), camera) for camera in ("door", "Till-1", "Till 1"))
    )
    assert uploads[0]["id"] != uploads[1]["id"] == uploads[2]["id"]


def test_a_capture_tells_what_became_of_it(
    door: V1Client, services: Services, clock: FakeClock
) -> None:
    resolved, parked, wanted = (
        upload["id"]
        for upload in door.offer(*(offer_of(p, clock.now()) for p in (b"r", b"p", b"w")))
    )
    by = Decision(0.61, 0.52, 1_280, 4.1e-6, f"{parked}-0", condition=MASK)
    box = BoundingBox(1, 2, 30.5, 40)
    sightings = [
        Sighting(0, Resolution.MATCHED, box, "77", 80.0, decision=by, masked=True),
        Sighting(1, Resolution.SKIPPED, BoundingBox(5, 6, 7, 8), reason="it is too blurred"),
    ]
    made = [sighting_item(one) for one in sightings]
    become(services, resolved, state=CaptureState.RESOLVED, sightings=made, sides=[640, 480])
    become(services, parked, state=CaptureState.PARKED, reason="the picture cannot be decoded")
    capture = door.done("GET", f"/v1/captures/{resolved}", camera="door")
    assert resolved in capture.pop("url")
    assert (
        capture.pop("thumb_url")
        == f"http://{HOST}/api/v1/captures/{resolved}/thumbnail?camera=door"
    )
    crops = f"/api/v1/captures/{resolved}/crops"  # the gateway has its stage before our paths
    matched = {
        "id": f"{resolved}-0",
        "resolution": "matched",
        "face": "77",
        "name": None,
        "number": None,
        "group": None,
        "box": {"x": 1, "y": 2, "width": 30.5, "height": 40},
        "score": 0.61,
        "threshold": 0.52,
        "gallery_size": 1280,
        "false_match_probability": 4.1e-6,
        "by": f"{parked}-0",
        "condition": "mask",
        "quality": 80,
        "masked": True,
        "reason": None,
        "crop_url": f"http://{HOST}{crops}/0?camera=door",
    }
    skipped = {
        **dict.fromkeys(matched),
        "id": f"{resolved}-1",
        "resolution": "skipped",
        "box": {"x": 5, "y": 6, "width": 7, "height": 8},
        "reason": "it is too blurred",
        "crop_url": f"http://{HOST}{crops}/1?camera=door",
    }
    assert capture == {
        "id": resolved,
        "camera": "door",
        "captured_at": "2026-03-01T12:00:00.000Z",
        "sha256": hashlib.sha256(b"r").hexdigest(),
        "size": 1,
        "content_type": "image/jpeg",
        "state": "resolved",
        "track": None,
        "reason": None,
        "width": 640,
        "height": 480,
        "sightings": [matched, skipped],
    }
    capture = door.done("GET", f"/v1/captures/{parked}", camera="door")
    assert (capture["state"], capture["reason"]) == ("parked", "the picture cannot be decoded")
    assert capture["thumb_url"] == capture["url"], "what cannot be read has none of its own"
    unseen = door.done("GET", f"/v1/captures/{wanted}", camera="door")
    assert unseen["thumb_url"] is None
    assert (unseen["state"], unseen["url"], unseen["width"], unseen["height"]) == (
        "wanted",
        None,
        None,
        None,
    )
    listed = door.done("GET", "/v1/captures", camera="door")
    assert {capture["id"] for capture in listed["captures"]} == {resolved, parked}
    for faces, ids in (("skipped", [resolved]), ("none", [])):
        assert [
            one["id"] for one in door.done("GET", "/v1/captures", faces=faces)["captures"]
        ] == ids
    assert "faces" in door.failed(400, "GET", "/v1/captures", faces="two")["detail"]


@pytest.mark.parametrize("id_", ["x", "uploads2", "#left", "1772366400000-" + "0" * 24, "0" * 500])
def test_a_capture_that_is_not_there_is_404(door: V1Client, id_: str) -> None:
    for camera in ("door", "nobody", "#left", "x" * 500):
        assert (
            door.failed(404, "GET", f"/v1/captures/{id_}", camera=camera)["code"]
            == "CaptureNotFound"
        )
    assert "camera is missing" in door.failed(400, "GET", f"/v1/captures/{id_}")["detail"]


def test_a_token_is_good_for_its_own_list_only(
    door: V1Client, services: Services, clock: FakeClock
) -> None:
    for data in (b"x", b"y"):
        (upload,) = door.offer(offer_of(data, clock.now()))
        put(services, upload["id"])
    token = door.done("GET", "/v1/captures", camera="door", limit=1)["next_token"]
    for wrong in (token[:-4], token[4:], "x", "=", "会", token[::-1]):
        assert (
            "token is damaged"
            in door.failed(400, "GET", "/v1/captures", camera="door", token=wrong)["detail"]
        )
    assert "another query" in door.failed(400, "GET", "/v1/captures", token=token)["detail"]
    for other in ({"state": "stored"}, {"faces": "none"}, {"from": "2020-01-01T00:00:00Z"}):
        assert (
            "another query"
            in door.failed(400, "GET", "/v1/captures", camera="door", token=token, **other)[
                "detail"
            ]
        )


@pytest.mark.parametrize(
    "place", ["abc#x", "#", "x", "9" * 5000 + "#x", "-5#z", "1#" + "z" * 2000, "1#\x00"]
)
def test_a_forged_token_is_no_fault_of_ours(door: V1Client, place: str) -> None:
    token = PageTokens(json.dumps(["captures", "shop", None])).make_token(place)
    reply = door.send("GET", "/v1/captures", query={"token": token})
    assert reply.status in (200, 400), reply


def test_captures_of_a_deleted_camera_are_listed_by_its_id_only(
    door: V1Client, services: Services, clock: FakeClock
) -> None:
    door.add_camera("Till 1", id="till")
    (upload,) = door.offer(offer_of(b"x", clock.now(), "till"))
    put(services, upload["id"], "till")
    door.send("DELETE", "/v1/cameras/till")
    assert door.done("GET", "/v1/captures")["captures"] == []
    assert len(door.done("GET", "/v1/captures", camera="till")["captures"]) == 1
    assert door.done("GET", f"/v1/captures/{upload['id']}", camera="till")["state"] == "stored"
    assert door.failed(404, "GET", "/v1/captures", camera="Till 1")["code"] == "CameraNotFound"
    assert door.failed(404, "GET", "/v1/captures", camera="nobody")["code"] == "CameraNotFound"


def test_a_captures_track_is_kept_and_shown_and_no_part_of_what_it_is(
    door: V1Client, clock: FakeClock
) -> None:
    plain = offer_of(b"x", clock.now())
    (first,) = door.offer(plain)
    (tracked,) = door.offer({**plain, "track": "door-1.7_a"})
    (again,) = door.offer(plain)
    assert first["id"] == tracked["id"] == again["id"]
    assert door.done("GET", f"/v1/captures/{first['id']}", camera="door")["track"] == "door-1.7_a"


def test_a_track_that_is_none_is_refused_with_what_would_be_one(
    door: V1Client, clock: FakeClock
) -> None:
    offers = [offer_of(b"x", clock.now()), offer_of(b"y", clock.now()) | {"track": "so long!"}]
    reply = door.send("POST", UPLOADS, {"captures": offers})
    error = reply.json
    assert (reply.status, error["index"]) == (400, 1)
    assert "track is 1 to 64 letters, digits, `_`, `.` and `-`, not 'so long!'" in error["detail"]
    assert door.done("GET", "/v1/captures")["captures"] == []


def test_a_parked_capture_is_sent_again_and_another_stays_as_it_is(
    door: V1Client, services: Services, clock: FakeClock
) -> None:
    (upload,) = door.offer(offer_of(b"x", clock.now()))
    put(services, upload["id"])
    become(services, upload["id"], state=CaptureState.PARKED, reason="it cannot be decoded")
    while messages := services.ports.storage.captures_queue.receive(10, 60):
        for message in messages:
            services.ports.storage.captures_queue.delete(message.receipt)
    path = f"/v1/captures/{upload['id']}/redrive"
    for _ in range(2):
        answer = door.done("POST", path, {"camera": "door"})
        assert (answer["state"], answer["reason"]) == ("stored", None)
    (message,) = services.ports.storage.captures_queue.receive(10, 60)
    assert upload["id"] in message.body
    error = door.failed(
        404, "POST", f"/v1/captures/{'1' * 13}-{'0' * 24}/redrive", {"camera": "door"}
    )
    assert error["code"] == "CaptureNotFound"
    assert "camera is missing" in door.failed(400, "POST", path, {})["detail"]


REVIEWS = "/v1/reviews"


@pytest.fixture
def doubting(v1: V1Client, services: Services) -> V1Client:
    """A shop with one camera, `door`, in which every match is uncertain."""
    v1.add_camera("door")
    services.tenants.change_settings("shop", {"review_margin": 0.5})
    return v1


def see(v1: V1Client, services: Services, at: datetime, side_px: float) -> str:
    data = picture(Person(1, side_px=side_px))
    query = {"camera": "door", "captured_at": at.isoformat()}
    reply = v1.send("POST", "/v1/captures", data, query=query, content_type="image/jpeg")
    assert reply.json["sha256"] == hashlib.sha256(data).hexdigest()
    services.sightings.ingest.resolve_capture("shop", "door", reply.json["id"])
    return str(reply.json["id"])


def test_an_uncertain_match_is_listed_with_its_figures_until_it_is_done(
    doubting: V1Client, services: Services, clock: FakeClock
) -> None:
    captures = [
        see(doubting, services, clock.now() - timedelta(minutes=60 - n), 100.0 - 5 * n)
        for n in range(4)
    ]
    found = doubting.done("GET", REVIEWS, kind="uncertain")
    assert found["next_token"] is None
    assert [one["capture"] for one in found["reviews"]] == captures[:0:-1]
    one = found["reviews"][0]
    assert (one["kind"], one["camera"], one["id"]) == (
        "uncertain",
        "door",
        f"uncertain-{captures[3]}-0",
    )
    assert one["at"] == "2026-03-01T11:03:00.000Z"
    assert one["near"][0] == {"face": one["face"], "score": one["score"]}
    assert (
        one["box"]
        == doubting.done("GET", f"/v1/captures/{captures[3]}", camera="door")["sightings"][0]["box"]
    )
    assert "/_blobs/" in one["picture_url"]
    assert one["threshold"] <= one["score"] < one["threshold"] + 0.5
    page = doubting.done("GET", REVIEWS, limit=2)
    rest = doubting.done("GET", REVIEWS, limit=2, token=page["next_token"])
    assert [*page["reviews"], *rest["reviews"]] == found["reviews"]
    doubting.done_without_body("POST", f"{REVIEWS}/{one['id']}/done")
    assert one not in doubting.done("GET", REVIEWS)["reviews"]
    assert doubting.failed(404, "POST", f"{REVIEWS}/{one['id']}/done")["code"] == "ReviewNotFound"


def test_who_is_promoted_is_asked_about(
    doubting: V1Client, services: Services, clock: FakeClock
) -> None:
    for n in range(5):
        see(doubting, services, clock.now() - timedelta(days=5 - n), 100.0 - n)
    (review,) = doubting.done("GET", REVIEWS, kind="promoted")["reviews"]
    assert review["id"] == f"promoted-{review['face']}"
    assert doubting.done("GET", f"/v1/faces/{review['face']}")["group"] == "regular"


def test_of_somebody_hidden_a_list_without_these_asks_nothing(
    doubting: V1Client, services: Services, clock: FakeClock
) -> None:
    for n in range(5):
        see(doubting, services, clock.now() - timedelta(days=5 - n), 100.0 - 5 * n)
    every_review = doubting.done("GET", REVIEWS)["reviews"]
    assert {one["kind"] for one in every_review} == {"promoted", "uncertain"}
    assert doubting.done("GET", REVIEWS, listed="true")["reviews"] == every_review
    doubting.done("PATCH", f"/v1/faces/{every_review[0]['face']}", {"hidden": True})
    assert doubting.done("GET", REVIEWS)["reviews"] == every_review
    assert doubting.done("GET", REVIEWS, listed="true")["reviews"] == []


CAPTURES = "/v1/captures"

PICTURE = picture(Person(1))

JPEG = "image/jpeg"


def take(v1: V1Client, data: bytes = PICTURE, content_type: str = JPEG, **query: Any) -> Reply:
    return v1.send("POST", CAPTURES, data, query=query, content_type=content_type)


def form(v1: V1Client, *parts: Part, **query: Any) -> Reply:
    return take(v1, multipart(parts), MULTIPART, **query)


FILE = Part("picture", PICTURE, "a.jpg", ("Content-Type: image/jpeg",))


def test_a_sighting_that_further_views_found_says_so(door: V1Client, services: Services) -> None:
    ann = services.enrolment.enrol_largest_face(
        services.tenants.get_by_name("shop"), "regular", picture(Person(58)), RULES
    )
    best = Person(58, side_px=110.0, likeness=0.55)
    data = picture(best, views=[picture(Person(58, side_px=90.0, likeness=0.97))])
    id_ = take(door, data, camera="door").json["id"]
    services.sightings.ingest.resolve_capture("shop", "door", id_)
    (sighting,) = door.done("GET", f"{CAPTURES}/{id_}", camera="door")["sightings"]
    assert (sighting["face"], sighting["by"]) == (ann.faceid, sighting["id"])


def test_a_picture_is_stored_and_answered_as_a_capture(door: V1Client, services: Services) -> None:
    reply = take(door, camera="door")
    assert reply.status == 202
    capture = reply.json
    assert (capture["camera"], capture["state"], capture["size"]) == (
        "door",
        "stored",
        len(PICTURE),
    )
    assert capture["captured_at"] == "2026-03-01T12:00:00.000Z"
    assert (
        services.ports.storage.uploads.get(keys.capture_picture("shop", "door", capture["id"]))
        == PICTURE
    )
    assert len(services.ports.storage.captures_queue.receive(10, 60)) == 1
    assert [one["id"] for one in door.done("GET", CAPTURES)["captures"]] == [capture["id"]]


@pytest.mark.parametrize(
    "sent", [{}, {"captured_at": "2026-03-01T11:59:58Z"}], ids=["when it comes", "at a time"]
)
def test_a_repeat_is_the_same_capture_and_says_that_it_is_one(
    door: V1Client, clock: FakeClock, sent: dict[str, str]
) -> None:
    replies = []
    for _ in range(3):
        replies.append(
            door.send(
                "POST",
                CAPTURES,
                PICTURE,
                query={"camera": "door", **sent},
                content_type=JPEG,
                headers={"Idempotency-Key": "one"},
            )
        )
        clock.advance(timedelta(minutes=3))
    assert {reply.json["id"] for reply in replies} == {replies[0].json["id"]}
    assert [reply.headers.get("idempotent-replayed") for reply in replies] == [None, "true", "true"]


def test_a_form_and_json_have_the_fields_beside_the_picture(door: V1Client) -> None:
    sent = {"camera": "door", "captured_at": "2026-03-01T19:59:58.5+08:00"}
    (offered,) = door.offer(offer_of(PICTURE, sent["captured_at"]))
    as_json = {**sent, "picture": base64.b64encode(PICTURE).decode()}
    replies = [
        form(door, *(Part(name, value.encode()) for name, value in sent.items()), FILE),
        door.send("POST", CAPTURES, as_json),
        take(door, **sent),
    ]
    assert [reply.status for reply in replies] == [202] * 3
    assert {reply.json["id"] for reply in replies} == {offered["id"]}
    assert {reply.json["captured_at"] for reply in replies} == {"2026-03-01T11:59:58.500Z"}


def test_a_cameras_key_sends_its_own_captures_and_no_others(door: V1Client) -> None:
    till = door.add_camera("till")
    own = door.with_key(till["api_key"])
    assert take(own).json["camera"] == "till"
    assert take(own, camera="till").status == 202
    assert take(own, camera="door").json["code"] == "NotAllowed"


def test_the_type_is_known_by_the_first_bytes_whatever_was_said(door: V1Client) -> None:
    for data, kind in (
        (b"\xff\xd8\xff\xe0 x", "image/jpeg"),
        (b"\x89PNG\r\n\x1a\n x", "image/png"),
    ):
        for said in ("application/octet-stream", "image/jpeg", "image/png"):
            assert take(door, data, said, camera="door").json["content_type"] == kind
    for data in (b"GIF89a", b"RIFF....WEBP", b"BM......", b"....ftypheic"):
        refused = take(door, data, "application/octet-stream", camera="door")
        assert (refused.status, refused.json["code"]) == (400, "InvalidInput")
        assert "image/jpeg or image/png, not" in refused.json["detail"]


@pytest.mark.parametrize(
    ("parts", "query", "says"),
    [
        ((FILE,), {}, "camera is missing"),
        ((FILE, FILE), {}, "was sent twice"),
        ((Part("camera", b"door"),), {}, "picture is missing"),
        ((FILE, Part("camera", b"door"), Part("camera", b"door")), {}, "was sent twice"),
        ((FILE, Part("kamera", b"door")), {}, "kamera"),
        (
            (FILE, Part("camera", b"door")),
            {"camera": "door"},
            "there is no parameter 'camera' here",
        ),
        ((FILE, Part("camera", b"door"), Part("captured_at", b"noon")), {}, "captured_at"),
    ],
)
def test_a_form_that_is_none_is_refused_and_nothing_is_stored(
    door: V1Client, services: Services, parts: tuple[Part, ...], query: dict[str, str], says: str
) -> None:
    refused = form(door, *parts, **query)
    assert (refused.status, refused.json["code"]) == (400, "InvalidInput")
    assert says in refused.json["detail"]
    assert list(services.ports.storage.uploads.walk("")) == []
    assert door.done("GET", CAPTURES)["captures"] == []


@pytest.mark.parametrize(
    ("data", "content_type", "query", "status", "says"),
    [
        (b"", JPEG, {"camera": "door"}, 400, "the body is empty: send the picture"),
        (b"", "text/plain", {"camera": "door"}, 400, "the body is empty: send the picture"),
        (PICTURE, JPEG, {"camera": "garage"}, 404, "garage"),
        (
            PICTURE,
            JPEG,
            {"camera": "door", "captured_at": "2027-01-01T00:00:00Z"},
            400,
            "captured_at",
        ),
        (PICTURE, "video/mp4", {"camera": "door"}, 415, "image/jpeg"),
        (b"{}", "application/json", {}, 400, "picture is missing"),
        (b"no form", MULTIPART, {}, 400, ""),
        (b"x" * (20 * 1024 * 1024 + 1), JPEG, {"camera": "door"}, 400, "1 to 20971520 bytes"),
    ],
)
def test_what_is_no_capture_is_refused_by_name(
    door: V1Client, data: bytes, content_type: str, query: dict[str, str], status: int, says: str
) -> None:
    refused = take(door, data, content_type, **query)
    assert refused.status == status
    assert says in refused.json["detail"]
    assert door.done("GET", CAPTURES)["captures"] == []


def test_captures_are_listed_by_time_and_state(
    door: V1Client, services: Services, clock: FakeClock
) -> None:
    ids = []
    for minute in range(3):
        at = clock.now() - timedelta(minutes=10 - minute)
        ids.append(take(door, camera="door", captured_at=at.isoformat()).json["id"])
    services.sightings.ingest.resolve_capture("shop", "door", ids[1])

    def listed(**query: Any) -> list[str]:
        return [one["id"] for one in door.done("GET", CAPTURES, **query)["captures"]]

    begin, middle = "2026-03-01T11:50:00Z", "2026-03-01T11:51:00Z"
    assert listed(**{"from": middle}) == [ids[2], ids[1]]
    assert listed(to=middle) == [ids[0]]
    assert listed(**{"from": begin, "to": middle}) == [ids[0]]
    assert listed(state="resolved") == [ids[1]]
    assert listed(state="stored") == [ids[2], ids[0]]
    assert "swap" in door.failed(400, "GET", CAPTURES, **{"from": middle, "to": begin})["detail"]
    assert "state is" in door.failed(400, "GET", CAPTURES, state="wanted")["detail"]


def test_a_track_comes_in_the_query_in_a_form_or_in_json(door: V1Client) -> None:
    sent = {"camera": "door", "captured_at": "2026-03-01T11:59:58Z", "track": "t-1"}
    replies = [
        take(door, **sent),
        form(door, *(Part(name, value.encode()) for name, value in sent.items()), FILE),
        door.send("POST", CAPTURES, {**sent, "picture": base64.b64encode(PICTURE).decode()}),
    ]
    assert [reply.json["track"] for reply in replies] == ["t-1"] * 3
    assert len({reply.json["id"] for reply in replies}) == 1
