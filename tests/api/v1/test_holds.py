"""Legal holds over v1, and how each dialect says that a held face is not deleted."""

from __future__ import annotations

import base64

import pytest

from tests.api.icredit.client import MarketClient
from tests.api.sunmi.client import CameraClient
from tests.api.v1.client import V1Client
from tests.fakes import Person, picture


def enrolled(v1: V1Client) -> str:
    body = {"group": "regular", "id": "21", "picture": base64.b64encode(picture(Person(1))).decode()}
    return str(v1.done("POST", "/v1/faces", body)["id"])


def test_a_hold_is_set_listed_and_lifted(v1: V1Client) -> None:
    face = enrolled(v1)
    free = {"face": face, "held": False, "reason": None, "since": None}
    assert v1.done("GET", f"/v1/faces/{face}/hold") == free
    held = v1.done("PUT", f"/v1/faces/{face}/hold", {"held": True, "reason": "case 7"})
    assert (held["held"], held["reason"]) == (True, "case 7")
    assert v1.done("GET", "/v1/holds")["holds"] == [held]
    assert v1.failed(409, "DELETE", f"/v1/faces/{face}")["code"] == "FaceHeld"
    assert v1.failed(409, "POST", "/v1/face-changes", {"ids": [face], "delete": True})["code"] == "FaceHeld"
    assert v1.done("PUT", f"/v1/faces/{face}/hold", {"held": False, "reason": "it is closed"}) == free
    v1.done_without_body("DELETE", f"/v1/faces/{face}")


@pytest.mark.parametrize("body", [{"held": True}, {"held": True, "reason": ""}, {"reason": "x"}])
def test_a_hold_says_why(v1: V1Client, body: dict[str, object]) -> None:
    face = enrolled(v1)
    assert v1.failed(400, "PUT", f"/v1/faces/{face}/hold", body)["code"] == "InvalidInput"


def test_the_other_dialects_say_that_a_face_is_held(v1: V1Client, camera: CameraClient, market: MarketClient) -> None:
    face = enrolled(v1)
    v1.done("PUT", f"/v1/faces/{face}/hold", {"held": True, "reason": "case 7"})
    answer = camera.call("deleteFace", {"group_name": "regular", "num": "1", "faceid_list": f'["{face}"]'})
    assert answer["code"] == 2
    assert "under legal hold" in answer["msg"]
    refused = market.delete("regular", face)
    assert "TOKEN_HELD" in str(refused)
