"""A client of v1 that uploads pictures as a camera's uploader does."""

from __future__ import annotations

import hashlib
import urllib.parse
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import urllib3
from msgspec import Struct

from regulars import clients
from regulars.errors import WrongAnswer

MOST_OFFERED = 100
STORED, ALREADY_THERE = 200, 412


class Picture(Struct, frozen=True):
    """A camera's picture to upload. `data`: a JPEG."""

    camera: str
    captured_at: datetime
    data: bytes

    @property
    def offer(self) -> dict[str, Any]:
        return {
            "camera": self.camera,
            "sha256": hashlib.sha256(self.data).hexdigest(),
            "size": len(self.data),
            "content_type": "image/jpeg",
            "captured_at": self.captured_at.astimezone(UTC).isoformat(timespec="milliseconds"),
        }


class V1(clients.V1, frozen=True):
    def add_camera(self, id_: str, **settings: Any) -> Any:
        return self.call("POST", "/v1/cameras", {"id": id_, "name": id_, **settings})

    def upload(self, pictures: Sequence[Picture]) -> list[str]:
        """Offer pictures and upload those that the service wants; return the captures' ids, in
        order."""
        ids: list[str] = []
        for begin in range(0, len(pictures), MOST_OFFERED):
            some = pictures[begin : begin + MOST_OFFERED]
            answer = self.call(
                "POST", "/v1/captures/uploads", {"captures": [one.offer for one in some]}
            )
            for picture, upload in zip(some, answer["uploads"], strict=True):
                ids.append(upload["id"])
                if upload["url"]:
                    put(upload["method"], upload["url"], upload["headers"], picture.data)
        return ids

    def captures(self, camera: str, limit: int = 1000) -> Any:
        query = urllib.parse.urlencode({"camera": camera, "limit": limit})
        return self.call("GET", f"/v1/captures?{query}")

    def sightings(self, faceid: str, limit: int = 100) -> Any:
        return self.call("GET", f"/v1/faces/{faceid}/sightings?limit={limit}")


def put(method: str, url: str, headers: Mapping[str, str], data: bytes) -> None:
    """Upload a picture by a presigned request.

    Raises ConnectionError, and WrongAnswer if the service neither stored the picture nor had it
    already.
    """
    try:
        with urllib3.PoolManager(timeout=30, retries=False) as pool:
            response = pool.request(method, url, body=data, headers=headers, redirect=False)
    except urllib3.exceptions.HTTPError as error:
        raise ConnectionError(str(error)) from error
    if response.status not in (STORED, ALREADY_THERE):
        raise WrongAnswer(
            f"the upload was answered with HTTP {response.status}: {response.data[:300]!r}"
        )
