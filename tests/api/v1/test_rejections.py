"""What a face is not, over v1: listed, and taken back."""

from __future__ import annotations

import pytest

from chalicelib.services import Services
from tests.api.sunmi.client import CameraClient
from tests.api.v1.client import V1Client
from tests.api.v1.test_merges import see
from tests.fakes import FakeClock, Person, picture
from tests.faults.recount import disagreements

LOOKALIKE = Person(1, side_px=90.0)


@pytest.fixture
def rejected(v1: V1Client, services: Services, clock: FakeClock) -> tuple[str, str]:
    """A face, and a sighting that was rejected for it."""
    v1.add_camera("door")
    face, _ = see(v1, services, clock, 90, Person(1))
    taken_for, sighting = see(v1, services, clock, 30, LOOKALIKE)
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
    assert disagreements(services, services.tenants.named("shop")) == []


@pytest.mark.parametrize("sighting", ["7", "x" * 200, "会"])
def test_what_was_not_rejected_cannot_be_taken_back(v1: V1Client, rejected: tuple[str, str], sighting: str) -> None:
    face, _ = rejected
    for faceid, code in ((face, "RejectionNotFound"), ("nobody", "FaceNotFound")):
        assert v1.failed(404, "DELETE", f"/v1/faces/{faceid}/rejections/{sighting}")["code"] == code
