"""Somebody is enrolled in each dialect whom a camera saw before: the answer has its form, and the
new face is found."""

import base64

import pytest
from chalice.app import Chalice

from chalicelib.domain.model import Credentials
from chalicelib.services import Services
from tests.support.api.icredit.client import MarketClient, tokens
from tests.support.api.sunmi.client import CameraClient
from tests.support.api.v1.client import V1Client
from tests.support.fakes import Person, picture

ANN, BOB = Person(1), Person(2)
PORTRAIT = picture(Person(1, side_px=200.0))


@pytest.fixture
def door(app: Chalice, shop: Credentials) -> V1Client:
    """A shop with one camera, `door`."""
    v1 = V1Client(app, shop.api_key)
    v1.add_camera("door")
    return v1


def see(v1: V1Client, services: Services, minutes_ago: int, person: Person = ANN) -> str:
    """Return the face that somebody is taken for on a capture."""
    return v1.take(services, picture(person), minutes_ago).sightings[0].faceid or ""


@pytest.mark.shows(
    "sunmi", "A stranger whom the cameras made of the same person becomes part of the new face"
)
def test_sunmi_answers_the_new_faceid_which_cameras_and_searches_find_from_then_on(
    door: V1Client, services: Services, camera: CameraClient
) -> None:
    stranger = see(door, services, 300)
    camera.call("createGroup", {"name": "VIP", "capacity": "5", "description": ""})
    answer = camera.call("addFace", {"group_name": "VIP", "faceid": "77"}, PORTRAIT)
    assert (answer["code"], answer["data"]) == (0, {"faceid": "77"})
    assert camera.call("getFace", {"faceid": stranger})["data"]["faceid"] == "77"
    assert see(door, services, 100) == "77"
    found = camera.call("getFaceByPicture", {"group_name": "VIP"}, picture(ANN))
    assert '"77"' in str(found).replace("'", '"')


def test_icredit_answers_tokens_of_its_form_for_one_or_for_everybody_in_a_picture(
    door: V1Client, services: Services, market: MarketClient
) -> None:
    strangers = {see(door, services, 300), see(door, services, 300, BOB)}
    before = market.enrol("silver", picture(Person(5)))
    answer = market.enrol("gold", picture(Person(1, side_px=200.0), Person(2, side_px=180.0)))
    assert answer.keys() == before.keys()
    found = tokens(answer)
    assert len(found) == 2
    assert not strangers & set(found)
    assert [see(door, services, 100, person) for person in (ANN, BOB)] == found


def test_v1_says_whom_it_absorbed_also_when_it_is_asked_again(
    door: V1Client, services: Services
) -> None:
    stranger = see(door, services, 300)
    body = {"picture": base64.b64encode(PORTRAIT).decode(), "group": "VIP", "name": "Ann"}
    door.done("POST", "/v1/groups", {"name": "VIP", "capacity": 5})
    key = {"Idempotency-Key": "a"}
    answers = [door.send("POST", "/v1/faces", body, headers=key).json for _ in range(2)]
    assert answers[0] == answers[1]
    assert (answers[0]["absorbed"], answers[0]["arrive_count"], answers[0]["pictures"]) == (
        [stranger],
        1,
        2,
    )
    assert (
        door.done(
            "POST", "/v1/faces", {**body, "picture": base64.b64encode(picture(BOB)).decode()}
        )["absorbed"]
        == []
    )
    assert see(door, services, 100) == answers[0]["id"]
    [merge] = door.done("GET", "/v1/merges")["merges"]
    assert (merge["other"], merge["joined"]) == (stranger, True)
