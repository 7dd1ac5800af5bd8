"""A face over v1 is the face that the other dialects know."""

from __future__ import annotations

import pytest

from chalicelib.core.model import Credentials
from chalicelib.services import Services
from tests.api.sunmi.client import CameraClient
from tests.api.v1.client import V1Client
from tests.fakes import Person, picture


def test_a_face_tells_its_group_and_its_arrivals(v1: V1Client, camera: CameraClient) -> None:
    camera.create_group("vip")
    faceid = camera.add_face("vip", picture(Person(1)))["data"]["faceid"]
    [portrait] = v1.done("GET", f"/v1/faces/{faceid}/pictures")["pictures"]
    assert v1.done("GET", f"/v1/faces/{faceid}") == {
        "id": faceid,
        "group": "vip",
        "name": "",
        "note": "",
        "attributes": {},
        "enrolled_at": "2026-03-01T12:00:00.000Z",
        "arrive_count": 0,
        "arrive_time": None,
        "age": 33,
        "gender": "female",
        "quality": 80.0,
        "estimates": {
            "age": {"value": 33.4, "source": "model"},
            "gender": {"value": "female", "score": 0.9, "source": "model"},
            "emotion": {"value": "happy", "score": 0.8, "source": "model"},
            "pose": {"yaw": 1, "pitch": 2, "roll": 3, "source": "model"},
            "beauty": {"value": 71.3, "source": "heuristic"},
            "liveness": {"value": 0.9, "source": "model"},
        },
        "labels": {"a": "", "b": "", "c": "", "d": ""},
        "portrait": {
            "picture": portrait["id"],
            "url": portrait["url"],
            "thumb_url": portrait["thumb_url"],
            "width": 640,
            "height": 480,
        },
        "pictures": 1,
        "rejections": 0,
        "revision": 1,
    }


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
    services.tenants.change(shop.tenant, {"attributes_off": {"beauty", "emotion"}})
    estimates = v1.done("GET", f"/v1/faces/{faceid}")["estimates"]
    assert [name for name, value in estimates.items() if value is None] == ["emotion", "beauty", "liveness"]


@pytest.mark.parametrize("id_", ["7", "%2e", "x" * 100, "会"])
def test_a_face_that_is_not_there_is_404(v1: V1Client, id_: str) -> None:
    assert v1.failed(404, "GET", f"/v1/faces/{id_}")["code"] == "FaceNotFound"
