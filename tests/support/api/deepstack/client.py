"""A client as those of DeepStack are: a form with files, and its key among the fields."""

from __future__ import annotations

from chalice.app import Chalice
from msgspec import Struct
from msgspec.structs import replace

from tests.support.api.gateway import MULTIPART, Part, Reply, multipart, send

FACE = "/v1/vision/face"


class Client(Struct, frozen=True):
    app: Chalice
    key: str | None

    def with_key(self, key: str | None) -> Client:
        return replace(self, key=key)

    def call(self, path: str = "", files: dict[str, bytes] | None = None, **fields: str) -> Reply:
        fields = fields if self.key is None else {"api_key": self.key, **fields}
        parts = [Part(name, value.encode()) for name, value in fields.items()]
        parts += [Part(name, data, name) for name, data in (files or {}).items()]
        host = {"Host": "127.0.0.1:8000"}
        return send(
            self.app, f"{FACE}{path}", multipart(parts), content_type=MULTIPART, headers=host
        )

    def register(self, userid: str, *photos: bytes) -> str:
        reply = self.call(
            "/register", {f"image{number}": one for number, one in enumerate(photos)}, userid=userid
        )
        assert reply.status == 200, reply
        return str(reply.json["message"])

    def names(self) -> list[str]:
        return list(self.call("/list").json["faces"])

    def named(self, photo: bytes, **fields: str) -> list[tuple[str, float]]:
        reply = self.call("/recognize", {"image": photo}, **fields)
        assert reply.status == 200, reply
        return [(one["userid"], one["confidence"]) for one in reply.json["predictions"]]
