import base64
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from chalicelib.api.v1.routes import OPERATIONS
from chalicelib.storage import keys
from chalicelib.storage.items import walk_items
from tests.support.api.gateway import Reply
from tests.support.book.recount_statistics import items_of
from tests.support.fakes import Person, picture
from tests.support.faults.shop import EVA, Box, Shop, prepared
from tests.support.faults.use_cases import V1, UseCase

HEADER = "Idempotency-Key"
NEW, PHOTO = (
    base64.b64encode(picture(one)).decode() for one in (Person(70), Person(EVA, side_px=60.0))
)
DONE_AGAIN = {
    "POST /v1/cameras/{id}/checks",
    "POST /v1/cameras/{id}/claim",
    "POST /v1/cameras/{id}/heartbeat",
    "POST /v1/cameras/{id}/still",
    "POST /v1/cameras/{id}/view",
    "POST /v1/captures/uploads",
    "POST /v1/captures/{id}/redrive",
    "POST /v1/exports",
    "POST /v1/hooks/{id}/ack",
    "POST /v1/hooks/{id}/redeliver",
    "PUT /v1/mute",
}
"""They can be done as often as they come, so that a repeat is no replay."""
ELSEWHERE = {
    "DELETE /v1/session": "it has nothing to do twice",
    "PUT /v1/cameras/{id}/film": "tests/api/v1/test_checks.py",
    "PUT /v1/cameras/{id}/still": "tests/api/v1/test_cameras.py",
    "PUT /v1/cameras/{id}/view": "tests/api/v1/test_cameras.py",
    "POST /v1/captures": "tests/api/v1/test_captures.py",
    **dict.fromkeys(
        ("POST /v1/identify", "POST /v1/verify", "POST /v1/detect"), "it changes nothing"
    ),
}
OF_V1 = {f"{one.method} {one.path}" for one in OPERATIONS if one.is_write}
UNSEEN = {
    "DELETE /v1/faces/{id} erased (deleted)": "what it changes is not in `stored`",
}
WRITES = [one for one in V1 if one.route in OF_V1 - ELSEWHERE.keys() and str(one) not in UNSEEN]
"""Each has the same key whenever it is done."""


@pytest.fixture(scope="module")
def shops(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Shop]]:
    with prepared(tmp_path_factory.mktemp("shops")) as made:
        yield made


@pytest.fixture
def box(shops: dict[str, Shop], tmp_path: Path) -> Iterator[Box]:
    with shops["shop"].copied(tmp_path) as box:
        yield box


def stored(box: Box) -> dict[str, Any]:
    """Everything that is stored, except the answers of requests."""
    items, name = items_of(box.services), "shop"
    of_tenant = (
        keys.DIRECTORY,
        keys.FACES,
        keys.CAMERAS,
        keys.HOOKS,
        keys.OUTBOX,
        keys.MERGES,
        keys.NEGATIVES,
    )
    places = [
        *((keys.TENANTS, kind) for kind in ("tenant", "api_key", "key", "member")),
        *(
            (table, name)
            for table in (*of_tenant, keys.JOURNAL, keys.ARRIVALS, keys.REVIEWS, keys.DUPLICATES)
        ),
        *((keys.CAPTURES, keys.captures(name, camera)) for camera in ("door", "till")),
        (keys.SUMMARIES, keys.counted_minutes(name)),
    ]
    return {
        f"{table.name} {place}": [dict(one) for one in walk_items(items, table, place)]
        for table, place in places
    }


def test_every_write_is_here() -> None:
    assert {one.route for one in WRITES} | ELSEWHERE.keys() == OF_V1, "say how it is repeated"


@pytest.mark.parametrize("write", WRITES, ids=str)
def test_sent_from_eight_threads_at_once_and_again_it_is_done_once_and_answered(
    write: UseCase, shops: dict[str, Shop], tmp_path: Path
) -> None:
    secret, again_and_again = write.or_says == "SecretNotKept", write.route in DONE_AGAIN
    with shops[write.shop].copied(tmp_path) as box:
        begin = stored(box)
        with ThreadPoolExecutor(8) as pool:
            replies = list(pool.map(lambda _: write.do(box), range(8)))
        right = [reply for reply in replies if reply["status"] < 300]
        others = {(reply["status"], reply["code"]) for reply in replies if reply["status"] >= 300}
        assert others <= ({(409, "SecretNotKept")} if secret else set()), replies
        assert len(right) == 1 if secret else len(right) == 8
        assert again_and_again or all(reply == right[0] for reply in right)
        once = stored(box)
        assert again_and_again or once != begin
        again = write.do(box)
        assert stored(box) == once
        if secret:
            assert (again["status"], again["code"], again["id"]) == (
                409,
                "SecretNotKept",
                right[0]["id"],
            )
            made = next(right[0][name] for name in ("api_key", "secret", "url") if name in right[0])
            requests = list(walk_items(items_of(box.services), keys.REQUESTS, "shop"))
            assert made not in f"{again} {requests}"
        else:
            assert again_and_again or again == right[0]


def send(box: Box, method: str, path: str, body: Any = None, key: str = "k1") -> Reply:
    return box.v1.send(method, path.format(**box.ids), body, headers={HEADER: key})


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/v1/keys", {"name": "Ann"}),
        ("PATCH", "/v1/settings", {"time_zone": "Asia/Tokyo"}),
        ("POST", "/v1/cameras/till/heartbeat", {"status": {"a": 1}}),
    ],
    ids=["a secret", "an answer that is stored with its change", "done again and again"],
)
def test_a_key_that_comes_with_another_request_is_refused_in_the_words_of_v1(
    box: Box, method: str, path: str, body: Any
) -> None:
    send(box, method, path, body)
    before = stored(box)
    for another in (("POST", "/v1/keys", {"name": "x"}), ("DELETE", "/v1/cameras/door")):
        reply = send(box, *another)
        assert (reply.status, reply.json["code"]) == (409, "RequestReused")
        assert reply.json["detail"].startswith("this Idempotency-Key came with another")
    assert stored(box) == before


def test_without_a_key_each_request_is_done(box: Box) -> None:
    made = [box.v1.done("POST", "/v1/keys", {"name": "Ann"})["id"] for _ in range(2)]
    assert made[0] != made[1]


def test_each_keys_requests_are_its_own(box: Box) -> None:
    other = box.v1.with_key(
        box.v1.done("POST", "/v1/keys", {"name": "x", "role": "admin"})["api_key"]
    )
    ids = {
        one.send("POST", "/v1/keys", {"name": "Zoe"}, headers={HEADER: "k1"}).json["id"]
        for one in (box.v1, other)
    }
    assert len(ids) == 2


def test_an_answer_is_kept_for_a_day(box: Box) -> None:
    rename = "PATCH", "/v1/keys/{key}", {"name": "Anna"}
    send(box, *rename)
    box.v1.done("PATCH", f"/v1/keys/{box.ids['key']}", {"name": "Bea"})
    for hours, name in ((23, "Bea"), (2, "Anna")):
        box.clock.advance(timedelta(hours=hours))
        box.services.requests.forget_expired("shop")
        assert send(box, *rename).json["name"] == name


def test_what_a_caller_writes_into_the_key_is_not_stored(box: Box) -> None:
    assert send(box, "POST", "/v1/groups", {"name": "club"}, "group-of-Zacharias").status == 201
    there = [*walk_items(box.storage.items, keys.REQUESTS, "shop")]
    assert there
    assert "Zacharias" not in repr(there), "it may be the name of somebody who must be forgotten"


def test_what_failed_is_tried_anew(box: Box) -> None:
    for _ in range(2):
        assert send(box, "POST", "/v1/faces/{eva}/merge", {"other": "nobody"}).status == 404
    merged = send(box, "POST", "/v1/faces/{eva}/merge", {"other": box.ids["finn"]})
    assert merged.status == 200, "nothing was done under this key yet"


@pytest.mark.parametrize("key", ["", " ", "x" * 65, "a b", "a\tb", "é", "\x7f"])
def test_a_key_has_1_to_64_visible_characters(key: str, box: Box) -> None:
    reply = send(box, "POST", "/v1/keys", {"name": "Ann"}, key)
    assert (reply.status, reply.json["code"]) == (400, "InvalidInput")
    assert "Idempotency-Key has 1 to 64 visible ASCII characters" in reply.json["detail"]


@pytest.mark.parametrize(
    ("path", "body", "code"),
    [
        ("/v1/groups", {"name": "new", "capacity": 5}, "GroupNotFound"),
        ("/v1/faces", {"group": "stranger", "picture": NEW}, "FaceNotFound"),
        ("/v1/hooks", {"url": None}, "HookNotFound"),
        ("/v1/faces/{eva}/pictures", {"picture": PHOTO, "trust": True}, "PictureNotFound"),
    ],
)
def test_what_was_made_and_taken_away_since_is_said_to_be_gone(
    path: str, body: Any, code: str, box: Box
) -> None:
    made = send(box, "POST", path, body)
    assert made.status in (200, 201)
    deleted = box.v1.send("DELETE", f"{path.format(**box.ids)}/{made.json['id']}")
    assert deleted.status in (202, 204)
    reply = send(box, "POST", path, body)
    assert (reply.status, reply.json["code"]) == (404, code)
