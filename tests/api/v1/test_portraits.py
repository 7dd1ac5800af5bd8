"""The portrait of a person is chosen, over v1: what answers show then, and that each choice is an
act that can be taken back."""

from typing import Any

import pytest
from regulars_dialects.rekognition.collections import describe_face

from chalicelib.domain.model import Credentials
from chalicelib.services import Services
from tests.api.v1.acts import acts, v1
from tests.support.api.icredit.client import MarketClient
from tests.support.api.sunmi.client import CameraClient
from tests.support.api.v1.client import V1Client
from tests.support.fakes import Person, photo, picture

__all__ = ["v1"]


@pytest.fixture
def ids(v1: V1Client) -> list[str]:
    """Those of the three pictures of Ann, p1."""
    body = {"group": "regular", "picture": photo(1, quality=80), "name": "Ann", "id": "1"}
    v1.done("POST", "/v1/faces", body)
    for quality in (60, 70):
        v1.done("POST", "/v1/faces/1/pictures", {"picture": photo(1, quality=quality)})
    return list_pictures(v1)


def list_pictures(v1: V1Client) -> list[str]:
    return [str(one["id"]) for one in v1.done("GET", "/v1/faces/1/pictures")["pictures"]]


def choose(v1: V1Client, picture_id: str | None) -> dict[str, Any]:
    return v1.done("PATCH", "/v1/faces/1", {"portrait": picture_id})


def read(v1: V1Client) -> Any:
    return v1.done("GET", "/v1/faces/1")


def test_the_chosen_portrait_is_shown_and_the_estimates_stay(v1: V1Client, ids: list[str]) -> None:
    before = read(v1)
    assert (before["portrait"]["picture"], before["quality"]) == (ids[0], 80)
    answer = choose(v1, ids[2])
    assert answer["portrait"]["picture"] == ids[2]
    assert answer["portrait"]["url"] != before["portrait"]["url"]
    unlike = ("portrait", "revision", "kept_until")
    assert {**answer, **dict.fromkeys(unlike)} == {**before, **dict.fromkeys(unlike)}
    assert answer["revision"] == before["revision"] + 1
    for query in ({}, {"order": "enrolled"}, {"name": "ann"}, {"group": "regular"}):
        [listed] = v1.done("GET", "/v1/faces", **query)["faces"]
        assert (listed["portrait"], listed["quality"]) == (answer["portrait"], 80)
    assert list_pictures(v1) == [ids[2], ids[0], ids[1]], "the portrait first"
    assert choose(v1, None)["portrait"] == before["portrait"]
    assert list_pictures(v1) == ids


def test_what_is_no_picture_of_the_face_is_refused(v1: V1Client, ids: list[str]) -> None:
    for other in ("", "0" * 32):
        says = v1.failed(404, "PATCH", "/v1/faces/1", {"portrait": other})
        assert (says["code"], says["detail"]) == (
            "PictureNotFound",
            f"face '1' has no picture {other!r}",
        )
    says = v1.failed(409, "PATCH", "/v1/faces/1", {"portrait": ids[1], "revision": 7})
    assert says["code"] == "Changed"
    assert read(v1)["portrait"]["picture"] == ids[0]


def test_each_choice_is_an_act_that_is_taken_back(v1: V1Client, ids: list[str]) -> None:
    choose(v1, ids[1])
    choose(v1, ids[2])
    second, first = acts(v1)[:2]
    assert (first["before"], first["after"]) == ({"portrait": None}, {"portrait": ids[1]})
    assert (second["before"], second["after"]) == ({"portrait": ids[1]}, {"portrait": ids[2]})
    v1.done("POST", f"/v1/done/{second['id']}/undo")
    assert read(v1)["portrait"]["picture"] == ids[1]
    v1.done("POST", f"/v1/done/{first['id']}/undo")
    assert read(v1)["portrait"]["picture"] == ids[0]


def test_a_picture_that_is_gone_does_not_come_back(v1: V1Client, ids: list[str]) -> None:
    choose(v1, ids[1])
    choose(v1, ids[2])
    [second] = acts(v1)[:1]
    v1.done_without_body("DELETE", f"/v1/faces/1/pictures/{ids[1]}")
    says = v1.failed(404, "POST", f"/v1/done/{second['id']}/undo")
    assert says["code"] == "PictureNotFound"
    assert acts(v1)[0]["before"] == {"portrait": ""}
    assert read(v1)["portrait"]["picture"] == ids[2]


def test_what_was_changed_beside_it_goes_back_without_a_picture_that_is_gone(
    v1: V1Client, ids: list[str]
) -> None:
    choose(v1, ids[1])
    v1.done("PATCH", "/v1/faces/1", {"name": "Bea", "portrait": ids[2]})
    [second] = acts(v1)[:1]
    v1.done_without_body("DELETE", f"/v1/faces/1/pictures/{ids[1]}")
    v1.done("POST", f"/v1/done/{second['id']}/undo")
    face = read(v1)
    assert (face["name"], face["portrait"]["picture"]) == ("Ann", ids[2])


def test_dialects_answer_as_before(
    v1: V1Client,
    ids: list[str],
    camera: CameraClient,
    market: MarketClient,
    services: Services,
    shop: Credentials,
) -> None:
    """To the letter: they go by the first picture."""
    sent = picture(Person(1, likeness=0.9))
    tenant = services.tenants.get_by_name(shop.tenant)

    def ask_all() -> list[Any]:
        of_rekognition = describe_face(services.faces.get(tenant, "1"), "7")
        by_camera = [
            camera.call("getFaceByPicture", pic=sent)["data"],
            camera.call("getFace", {"faceid": "1"})["data"],
            camera.call("getFaceList", {"group_name": "regular"})["data"],
        ]
        return [*by_camera, market.search("regular", sent), of_rekognition]

    before = ask_all()
    assert all(before)
    choose(v1, ids[1])
    assert ask_all() == before
