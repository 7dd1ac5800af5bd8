"""A write that comes again with its Idempotency-Key is answered, and done once: also from eight threads at once."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from chalicelib.api.v1.routes import OPERATIONS
from chalicelib.core import keys
from chalicelib.core.captures import parts_of_sighting
from chalicelib.core.items import every
from chalicelib.core.model import Decision
from tests.api.conftest import make_stage
from tests.api.gateway import Reply
from tests.api.v1.client import V1Client, offer_of
from tests.devices import device, with_passkey
from tests.fakes import Person, picture
from tests.faults.shop import lookalike
from tests.services.sightings.book import Book, shot
from tests.services.statistics.recount import items_of

DAY = 24 * 60
ANN, BOB, EVE = 1, 2, 3
HEADER = "Idempotency-Key"


@dataclass(frozen=True)
class Write:
    """A write of v1. `path`: with names of ids in braces. `secret`: a repeat is 409 with an id."""

    route: str
    path: str = ""
    body: Any = None
    secret: bool = False
    done_again: bool = False
    """Whether it can be done as often as it comes, so that a repeat is no replay."""

    def __str__(self) -> str:
        return self.route

    def send(self, shop: Shop, key: str | None, body: Any = None) -> Reply:
        method, pattern = self.route.split()
        headers = {} if key is None else {HEADER: key}
        sent = {name: shop.ids.get(str(value), value) for name, value in (body or self.body or {}).items()}
        path = (self.path or pattern).format(**shop.ids)
        return shop.v1.send(method, path, sent or None, headers=headers)


NEW = base64.b64encode(picture(Person(70))).decode()
PHOTO = base64.b64encode(picture(Person(ANN, side_px=60.0))).decode()
WRITES = (
    Write("POST /v1/keys", body={"name": "Ann"}, secret=True),
    Write("PATCH /v1/keys/{id}", "/v1/keys/{key}", {"name": "Anna"}),
    Write("DELETE /v1/keys/{id}", "/v1/keys/{key}"),
    Write("POST /v1/keys/{id}/renew", "/v1/keys/{key}/renew", secret=True),
    Write("POST /v1/members", body={"name": "Kim"}, secret=True),
    Write("PATCH /v1/members/{id}", "/v1/members/{member}", {"role": "operator"}),
    Write("DELETE /v1/members/{id}", "/v1/members/{member}"),
    Write("POST /v1/members/{id}/invitation", "/v1/members/{member}/invitation", secret=True),
    Write("DELETE /v1/members/{id}/passkeys/{passkey}", "/v1/members/{member}/passkeys/{passkey}"),
    Write("POST /v1/cameras", body={"name": "Back door"}, secret=True),
    Write("PATCH /v1/cameras/{id}", "/v1/cameras/till", {"name": "The till"}),
    Write("DELETE /v1/cameras/{id}", "/v1/cameras/till"),
    Write("POST /v1/cameras/{id}/key", "/v1/cameras/till/key", secret=True),
    Write("POST /v1/cameras/{id}/claim", "/v1/cameras/till/claim", done_again=True),
    Write("POST /v1/cameras/{id}/heartbeat", "/v1/cameras/till/heartbeat", {"status": {"a": 1}}, done_again=True),
    Write("POST /v1/cameras/{id}/still", "/v1/cameras/till/still", done_again=True),
    Write("POST /v1/captures/uploads", body={"captures": "offer"}, done_again=True),
    Write("POST /v1/captures/{id}/redrive", "/v1/captures/{capture}/redrive", {"camera": "door"}, done_again=True),
    Write("POST /v1/hooks", body={"url": "https://shop.example/"}, secret=True),
    Write("PATCH /v1/hooks/{id}", "/v1/hooks/{hook}", {"enabled": False}),
    Write("DELETE /v1/hooks/{id}", "/v1/hooks/{hook}"),
    Write("POST /v1/hooks/{id}/secret", "/v1/hooks/{hook}/secret", secret=True),
    Write("POST /v1/hooks/{id}/test", "/v1/hooks/{hook}/test"),
    Write("POST /v1/hooks/{id}/ack", "/v1/hooks/{mailbox}/ack", {"ids": ["test-1"]}, done_again=True),
    Write("POST /v1/hooks/{id}/redeliver", "/v1/hooks/{hook}/redeliver", done_again=True),
    Write("POST /v1/faces/{id}/pictures", "/v1/faces/{ann}/pictures", {"picture": PHOTO, "trust": True}),
    Write("DELETE /v1/faces/{id}/pictures/{picture}", "/v1/faces/{bob}/pictures/{picture}"),
    Write("POST /v1/faces/{id}/merge", "/v1/faces/{ann}/merge", {"other": "bob"}),
    Write("POST /v1/groups", body={"name": "new", "capacity": 5}),
    Write("PATCH /v1/groups/{id}", "/v1/groups/{group}", {"capacity": 7}),
    Write("DELETE /v1/groups/{id}", "/v1/groups/{group}"),
    Write("POST /v1/faces", body={"group": "stranger", "picture": NEW, "name": "Zoe"}),
    Write("PATCH /v1/faces/{id}", "/v1/faces/{ann}", {"name": "Ann Lee"}),
    Write("DELETE /v1/faces/{id}", "/v1/faces/{ann}"),
    Write("PUT /v1/faces/{id}/hold", "/v1/faces/{ann}/hold", body={"held": True, "reason": "case 7"}),
    Write("PUT /v1/faces/{id}/restriction", "/v1/faces/{ann}/restriction", {"restricted": True, "reason": "letter"}),
    Write("PUT /v1/faces/{id}/consent", "/v1/faces/{ann}/consent", {"basis": "contract", "given_at": 1_772_000_000}),
    Write("DELETE /v1/faces/{id}/consent", "/v1/faces/{bob}/consent"),
    Write("POST /v1/face-changes", body={"ids": "both", "group": "vip"}),
    Write("POST /v1/face-changes", body={"ids": "both", "labels": {"a": "x"}}),
    Write("POST /v1/face-changes", body={"ids": "both", "delete": True}),
    Write("DELETE /v1/faces/{id}/rejections/{sighting}", "/v1/faces/{ann}/rejections/{rejected}"),
    Write("POST /v1/reviews/{id}/done", "/v1/reviews/{review}/done"),
    Write("POST /v1/duplicates/{id}/done", "/v1/duplicates/{duplicate}/done"),
    Write("PATCH /v1/settings", body={"time_zone": "Asia/Tokyo"}),
    Write("POST /v1/merges/{id}/undo", "/v1/merges/{merge}/undo"),
    Write("POST /v1/faces/{id}/sightings/{sighting}/reject", "/v1/faces/{ann}/sightings/{sighting}/reject"),
)
ELSEWHERE = {
    "DELETE /v1/session": "it has nothing to do twice",
    "PUT /v1/cameras/{id}/still": "tests/api/v1/test_cameras.py",
    "POST /v1/captures": "tests/api/v1/test_captures.py",
    **dict.fromkeys(("POST /v1/identify", "POST /v1/verify", "POST /v1/detect"), "it changes nothing"),
}


class Shop:
    """A tenant with two faces seen by a camera, a hook, a mailbox, a key and a merge of two others."""

    def __init__(self, book: Book) -> None:
        self.book = book
        credentials = book.services.tenants.rotate("shop")
        self.v1 = V1Client(make_stage(book.services).app, credentials.api_key)
        ids: dict[str, Any] = {"key": self.v1.done("POST", "/v1/keys", {"name": "Ben"})["id"]}
        ids["member"], ids["passkey"] = with_passkey(self.v1, "Maria", device(1), "four words that fit")
        self.v1.add_camera("till", id="till")
        for name, url in (("hook", "https://shop.example/"), ("mailbox", None)):
            ids[name] = self.v1.done("POST", "/v1/hooks", {"url": url})["id"]
        book.services.tenants.change("shop", {"review_margin": 0.5})
        seen = book.see(
            shot(0, ANN), lookalike(DAY, ANN), shot(0, BOB), shot(0, EVE), shot(0, 4), lookalike(3 * DAY, ANN)
        )
        ann, again, bob, eve, dan, doubted = (one.sightings[0] for one in seen)
        ids |= {"ann": ann.faceid, "bob": bob.faceid, "sighting": f"{seen[1].id}-{again.number}"}
        more = {"picture": base64.b64encode(picture(Person(BOB, side_px=55.0))).decode(), "trust": True}
        ids["picture"] = self.v1.done("POST", f"/v1/faces/{bob.faceid}/pictures", more)["id"]
        ids["merge"] = self.v1.done("POST", f"/v1/faces/{eve.faceid}/merge", {"other": dan.faceid})["merge"]
        ids["both"], ids["rejected"] = [ann.faceid, bob.faceid], f"{seen[5].id}-{doubted.number}"
        self.v1.done("POST", f"/v1/faces/{ann.faceid}/sightings/{ids['rejected']}/reject")
        self.v1.done("PUT", f"/v1/faces/{bob.faceid}/consent", {"basis": "contract", "given_at": 0})
        ids["group"] = self.v1.done("POST", "/v1/groups", {"name": "vip", "capacity": 9})["id"]
        ids["capture"], _ = parts_of_sighting(ids["sighting"])
        ids["review"] = f"uncertain-{ids['sighting']}"
        alike = book.services.faces.by_id(book.tenant, (ids["ann"], ids["bob"]))
        book.services.merges.duplicates.suggest(book.tenant, *alike.values(), Decision(0.4, 0.5, 9, 0.02))
        ids["duplicate"] = keys.duplicate(*alike)
        ids["offer"] = [offer_of(b"new", book.clock.now(), "till")]
        self.ids = ids

    def stored(self) -> dict[str, Any]:
        """Everything that is stored, except the answers of requests."""
        items, name = items_of(self.book.services), "shop"
        of_tenant = (keys.DIRECTORY, keys.FACES, keys.CAMERAS, keys.HOOKS, keys.OUTBOX, keys.MERGES, keys.NEGATIVES)
        places = [
            *((keys.TENANTS, kind) for kind in ("tenant", "api_key", "key", "member")),
            *((table, name) for table in (*of_tenant, keys.JOURNAL, keys.ARRIVALS, keys.REVIEWS, keys.DUPLICATES)),
            *((keys.CAPTURES, keys.captures(name, camera)) for camera in ("door", "till")),
        ]
        return {f"{table.name} {place}": [dict(one) for one in every(items, table, place)] for table, place in places}


@contextmanager
def opened(folder: Path) -> Iterator[Shop]:
    book = Book(folder)
    try:
        yield Shop(book)
    finally:
        book.close()


def test_every_write_is_here() -> None:
    writes = {f"{one.method} {one.path}" for one in OPERATIONS if one.is_write}
    assert writes == {one.route for one in WRITES} | ELSEWHERE.keys(), "say how it is repeated"


@pytest.mark.parametrize("write", WRITES, ids=str)
def test_sent_from_eight_threads_at_once_and_again_it_is_done_once_and_answered(write: Write, tmp_path: Path) -> None:
    with opened(tmp_path) as shop:
        begin = shop.stored()
        with ThreadPoolExecutor(8) as pool:
            replies = list(pool.map(lambda _: write.send(shop, "k1"), range(8)))
        right = [reply for reply in replies if reply.status < 300]
        others = {(reply.status, reply.json["code"]) for reply in replies if reply.status >= 300}
        assert others <= ({(409, "SecretNotKept")} if write.secret else set()), replies
        assert len(right) == 1 if write.secret else len(right) == 8
        assert write.done_again or len({reply.body for reply in right}) == 1
        once = shop.stored()
        assert write.done_again or once != begin
        again = write.send(shop, "k1")
        assert shop.stored() == once
        if write.secret:
            assert (again.status, again.json["code"]) == (409, "SecretNotKept")
            assert again.json["id"] == right[0].json["id"]
            secret = next(right[0].json[name] for name in ("api_key", "secret", "url") if name in right[0].json)
            requests = list(every(items_of(shop.book.services), keys.REQUESTS, "shop"))
            assert secret not in f"{again.body} {requests}"
        else:
            assert again.status == right[0].status
            assert write.done_again or again.body == right[0].body


@pytest.mark.parametrize("route", ["POST /v1/keys", "PATCH /v1/settings", "POST /v1/cameras/{id}/heartbeat"])
def test_a_key_that_comes_with_another_request_is_refused_in_the_words_of_v1(route: str, tmp_path: Path) -> None:
    """Of a write with a secret, of one that stores its answer with its change, and of one that can be done again."""
    with opened(tmp_path) as shop:
        next(write for write in WRITES if write.route == route).send(shop, "k1")
        stored = shop.stored()
        for method, path, body in (("POST", "/v1/keys", {"name": "x"}), ("DELETE", "/v1/cameras/door", None)):
            reply = shop.v1.send(method, path, body, headers={HEADER: "k1"})
            assert (reply.status, reply.json["code"]) == (409, "RequestReused")
            assert reply.json["detail"].startswith("this Idempotency-Key came with another")
        assert shop.stored() == stored


def test_without_a_key_each_request_is_done(tmp_path: Path) -> None:
    with opened(tmp_path) as shop:
        made = [WRITES[0].send(shop, None).json["id"] for _ in range(2)]
        assert made[0] != made[1]


def test_each_keys_requests_are_its_own(tmp_path: Path) -> None:
    with opened(tmp_path) as shop:
        other = shop.v1.with_key(shop.v1.done("POST", "/v1/keys", {"name": "x", "role": "admin"})["api_key"])
        body, headers = {"name": "Zoe"}, {HEADER: "k1"}
        ids = {one.send("POST", "/v1/keys", body, headers=headers).json["id"] for one in (shop.v1, other)}
        assert len(ids) == 2


def test_an_answer_is_kept_for_a_day(tmp_path: Path) -> None:
    with opened(tmp_path) as shop:
        write = Write("PATCH /v1/keys/{id}", "/v1/keys/{key}", {"name": "Anna"})

        def rename(name: str) -> None:
            shop.v1.done("PATCH", f"/v1/keys/{shop.ids['key']}", {"name": name})

        write.send(shop, "k1")
        rename("Bea")
        for hours, name in ((23, "Bea"), (2, "Anna")):
            shop.book.clock.advance(timedelta(hours=hours))
            shop.book.services.requests.forget_expired("shop")
            assert write.send(shop, "k1").json["name"] == name


def test_what_a_caller_writes_into_the_key_is_not_stored(tmp_path: Path) -> None:
    with opened(tmp_path) as shop:
        assert shop.v1.send("POST", "/v1/groups", {"name": "VIP"}, headers={HEADER: "group-of-Zacharias"}).status == 201
        [item] = every(shop.book.storage.items, keys.REQUESTS, "shop")
        assert "Zacharias" not in repr(item), "it may be the name of somebody who must be forgotten"


def test_what_failed_is_tried_anew(tmp_path: Path) -> None:
    with opened(tmp_path) as shop:
        merge = Write("POST /v1/faces/{id}/merge", "/v1/faces/{ann}/merge", {"other": "nobody"})
        assert merge.send(shop, "k1").status == 404
        assert merge.send(shop, "k1").status == 404
        assert merge.send(shop, "k1", {"other": "bob"}).status == 200, "nothing was done under this key yet"


@pytest.mark.parametrize("key", ["", " ", "x" * 65, "a b", "a\tb", "é", "\x7f"])
def test_a_key_has_1_to_64_visible_characters(key: str, tmp_path: Path) -> None:
    with opened(tmp_path) as shop:
        reply = WRITES[0].send(shop, key)
        assert (reply.status, reply.json["code"]) == (400, "InvalidInput")
        assert "Idempotency-Key has 1 to 64 visible ASCII characters" in reply.json["detail"]


def test_what_was_taken_away_since_is_said_to_be_gone(tmp_path: Path) -> None:
    with opened(tmp_path) as shop:
        add = next(write for write in WRITES if write.route == "POST /v1/faces/{id}/pictures")
        added = add.send(shop, "k1").json["id"]
        shop.v1.done_without_body("DELETE", f"/v1/faces/{shop.ids['ann']}/pictures/{added}")
        reply = add.send(shop, "k1")
        assert (reply.status, reply.json["code"]) == (404, "PictureNotFound")


@pytest.mark.parametrize(
    ("write", "code"),
    [
        (Write("POST /v1/groups", body={"name": "new", "capacity": 5}), "GroupNotFound"),
        (Write("POST /v1/faces", body={"group": "stranger", "picture": NEW}), "FaceNotFound"),
        (Write("POST /v1/hooks", body={"url": None}), "HookNotFound"),
    ],
    ids=str,
)
def test_what_was_made_and_deleted_since_is_said_to_be_gone(write: Write, code: str, tmp_path: Path) -> None:
    with opened(tmp_path) as shop:
        made = write.send(shop, "k1")
        assert made.status == 201
        shop.v1.done_without_body("DELETE", f"{write.route.split()[1]}/{made.json['id']}")
        reply = write.send(shop, "k1")
        assert (reply.status, reply.json["code"]) == (404, code)
