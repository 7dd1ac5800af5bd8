"""A client of the camera's API as its users write one: it shares no code with the server."""

import hashlib
import hmac
from collections.abc import Iterable, Mapping, Sequence
from itertools import count
from typing import Any
from urllib.parse import quote_plus, urlencode

from chalice.app import Chalice
from msgspec import Struct

from tests.support.api.gateway import FORM, MULTIPART, Part, Reply, multipart, send
from tests.support.fakes import FakeClock

Pairs = list[tuple[str, str]]


def md5_sign(pairs: Iterable[tuple[str, str]], key: str) -> str:
    ordered = sorted(pairs, key=lambda pair: pair[0].encode())
    text = "&".join("=".join(pair) for pair in ordered) + "&key=" + key
    return hashlib.md5(text.encode("utf-8")).hexdigest().upper()


def hmac_sign(pairs: Iterable[tuple[str, str]], key: str) -> str:
    ordered = sorted(pairs, key=lambda pair: pair[0].encode())
    return hmac.new(
        key.encode(), "&".join("=".join(pair) for pair in ordered).encode(), "sha256"
    ).hexdigest()


class Signed(Struct, frozen=True):
    """A signed request that can be sent, changed and sent again."""

    app: Chalice
    path: str
    pairs: Pairs
    files: tuple[Part, ...] = ()
    as_multipart: bool = False

    def sent(self) -> Reply:
        if self.files or self.as_multipart:
            parts = [Part(name, value.encode()) for name, value in self.pairs]
            return send(
                self.app, self.path, multipart([*parts, *self.files]), content_type=MULTIPART
            )
        return send(
            self.app,
            self.path,
            urlencode(self.pairs, quote_via=quote_plus).encode(),
            content_type=FORM,
        )

    def answer(self) -> dict[str, Any]:
        reply = self.sent()
        assert reply.status == 200, reply
        return reply.json


class CameraClient:
    def __init__(
        self, app: Chalice, app_id: str, key: str, clock: FakeClock, first_random: int = 100_000
    ) -> None:
        self.app = app
        self.app_id = app_id
        self.key = key
        self.clock = clock
        self._randoms = count(first_random)

    def public(self) -> Pairs:
        now = str(int(self.clock.now().timestamp()))
        return [("app_id", self.app_id), ("random", str(next(self._randoms))), ("timestamp", now)]

    def signed(
        self,
        endpoint: str,
        pairs: Sequence[tuple[str, str]] = (),
        files: Sequence[Part] = (),
        *,
        as_multipart: bool = False,
    ) -> Signed:
        unsigned = [*self.public(), *pairs]
        signed = [*unsigned, ("sign", md5_sign(unsigned, self.key))]
        return Signed(self.app, f"/openapi/face/{endpoint}", signed, tuple(files), as_multipart)

    def call(
        self, endpoint: str, fields: Mapping[str, str] | None = None, pic: bytes | None = None
    ) -> dict[str, Any]:
        files = (
            [] if pic is None else [Part("pic", pic, "11024.jpg", ("Content-Type: image/jpeg",))]
        )
        return self.signed(endpoint, list((fields or {}).items()), files).answer()

    def create_group(self, name: str, capacity: int = 100, description: str = "") -> dict[str, Any]:
        return self.call(
            "createGroup", {"name": name, "capacity": str(capacity), "description": description}
        )

    def add_face(self, group_name: str, pic: bytes, **fields: str) -> dict[str, Any]:
        return self.call("addFace", {"group_name": group_name, **fields}, pic)

    def groups(self) -> dict[str, dict[str, Any]]:
        answer = self.call("getGroupList")
        return {group["name"]: group for group in answer["data"]["face_group"]}

    def faceids(self, group_name: str) -> list[str]:
        answer = self.call("getFaceList", {"group_name": group_name, "page_size": "100"})
        return [face["faceid"] for face in answer["data"]["faceid_list"]]
