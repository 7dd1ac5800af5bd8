"""The source's own example of updateFace is sent to addFace, and such a call is an updateFace."""

from __future__ import annotations

from tests.api.sunmi.client import CameraClient
from tests.api.sunmi.samples import BOB
from tests.api.sunmi.walk import call, walk

IN_VIP = {"group_name": "vip", "faceid": "7"}


def test_add_face_without_pic_but_with_new_group_name_moves_the_face(shop_front: CameraClient) -> None:
    walk(
        shop_front,
        [
            call("addFace", IN_VIP, new_group_name="stranger").gets(0, faceid="left out"),
            call("getFace", faceid="7").gets(0, group_name="stranger"),
        ],
    )


def test_add_face_without_pic_but_with_facdid_changes_the_face(shop_front: CameraClient) -> None:
    walk(
        shop_front,
        [
            call("addFace", group_name="vip", facdid="7", age="10", weight="").gets(0),
            call("getFace", faceid="7").gets(0, age=10, weight=""),
        ],
    )


def test_add_face_with_pic_stays_an_add_face(shop_front: CameraClient) -> None:
    walk(
        shop_front,
        [
            call("addFace", group_name="vip", facdid="7", pic=BOB).gets(206),
            call("addFace", group_name="vip", facdid="8", new_group_name="stranger", pic=BOB).gets(0, faceid="8"),
            call("getFace", faceid="8").gets(0, group_name="vip"),
        ],
    )


def test_add_face_without_either_lacks_its_picture(shop_front: CameraClient) -> None:
    for fields in (IN_VIP, {**IN_VIP, "new_group_name": ""}, {"group_name": "vip", "facdid": ""}):
        answer = shop_front.call("addFace", fields)
        assert (answer["code"], "pic" in answer["msg"]) == (2, True)


def test_such_a_call_answers_only_codes_that_update_face_lists_since_it_is_an_update_face(
    shop_front: CameraClient,
) -> None:
    """207 is in updateFace's list alone, 206 in addFace's alone."""
    walk(
        shop_front,
        [
            call("addFace", group_name="vip", facdid="8").gets(207),
            call("addFace", group_name="vip", faceid="8", new_group_name="stranger").gets(207),
            call("addFace", group_name="vip", faceid="7", new_group_name="nobody").gets(204),
            call("addFace", group_name="vip", facdid="7", age="121").gets(2),
        ],
    )


def test_a_retry_of_such_a_call_is_answered_and_not_done_again(shop_front: CameraClient) -> None:
    signed = shop_front.signed("addFace", [*IN_VIP.items(), ("new_group_name", "stranger")])
    assert [signed.answer(), signed.answer()] == [{"code": 0}] * 2
    assert shop_front.faceids("stranger") == ["7"]
