"""A face over v1 is the face that the other dialects know."""

from __future__ import annotations

import pytest

from tests.dialects.sunmi.client import CameraClient
from tests.dialects.v1.client import V1Client
from tests.fakes import Person, picture


def test_a_face_tells_its_group_and_its_arrivals(v1: V1Client, camera: CameraClient) -> None:
    camera.create_group("vip")
    faceid = camera.add_face("vip", picture(Person(1)))["data"]["faceid"]
    assert v1.done("GET", f"/v1/faces/{faceid}") == {
        "id": faceid,
        "group": "vip",
        "enrolled_at": "2026-03-01T12:00:00.000Z",
        "arrive_count": 0,
        "arrive_time": None,
        "age": 33,
        "gender": "female",
        "quality": 80.0,
        "labels": {"a": "", "b": "", "c": "", "d": ""},
    }


def test_age_and_gender_are_told_as_they_were_set(v1: V1Client, camera: CameraClient) -> None:
    camera.create_group("vip")
    answer = camera.add_face("vip", picture(Person(1)), age="50", gender="1")
    face = v1.done("GET", f"/v1/faces/{answer['data']['faceid']}")
    assert (face["age"], face["gender"]) == (50, "male")


@pytest.mark.parametrize("id_", ["7", "%2e", "x" * 100, "会"])
def test_a_face_that_is_not_there_is_404(v1: V1Client, id_: str) -> None:
    assert v1.failed(404, "GET", f"/v1/faces/{id_}")["code"] == "FaceNotFound"
