"""A mutation that was seen before is answered again and not done again; other content under its
name is code 3."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from chalicelib.book.idempotency import Answer, AnsweredAlready, RequestId
from chalicelib.bootstrap import build
from chalicelib.domain.errors import Busy, FaceExists, RegularsError, StorageUnavailable
from chalicelib.domain.model import Face, Profile, Tenant
from chalicelib.settings import Settings
from tests.api.sunmi.requests import code, request
from tests.support.api.gateway import Part
from tests.support.api.stage import Stage, make_stage
from tests.support.api.sunmi.client import CameraClient, Signed, md5_sign
from tests.support.api.sunmi.samples import ANN, BOB, MUTATIONS, SAMPLES, jpeg
from tests.support.book.tenants import KEEPING
from tests.support.fakes import FakeClock, FakeVision

GROUP = [("name", "vip"), ("capacity", "10"), ("description", "")]

every_mutation = pytest.mark.parametrize("endpoint", MUTATIONS)


@pytest.mark.shows(
    "sunmi",
    "A call that changes something is known by ... If it comes again ... nothing is done twice.",
)
@every_mutation
def test_a_retry_gets_the_stored_answer_and_nothing_is_done_twice(
    shop_front: CameraClient, endpoint: str
) -> None:
    signed = request(shop_front, endpoint)
    first = signed.answer()
    assert first["code"] == 0
    before = overview(shop_front)
    assert [signed.answer(), signed.answer()] == [first, first]
    assert overview(shop_front) == before


@pytest.mark.shows("sunmi", "A retry that comes while the first call still runs")
@every_mutation
def test_copies_that_arrive_at_once_are_done_once_and_answered_alike(
    shop_front: CameraClient, endpoint: str
) -> None:
    signed = request(shop_front, endpoint)
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: signed.answer(), range(6)))
    assert answers[0]["code"] == 0
    assert answers == [answers[0]] * 6


@pytest.mark.shows("sunmi", "The same four with other content are code 3")
@every_mutation
def test_the_same_four_with_other_bytes_are_3_and_change_nothing(
    shop_front: CameraClient, endpoint: str
) -> None:
    signed = request(shop_front, endpoint)
    assert code(signed) == 0
    before = overview(shop_front)
    other_files = tuple(replace(file, data=ANN) for file in signed.files) or (jpeg(BOB, "note"),)
    assert code(replace(signed, files=other_files)) == 3
    assert code(replace(signed, pairs=[*signed.pairs, ("note", "")])) == 3
    other = next(name for name in MUTATIONS if name != endpoint)
    assert code(replace(signed, path=f"/openapi/face/{other}")) == 3
    assert overview(shop_front) == before


@pytest.mark.shows("sunmi", "Failures are stored too")
@every_mutation
def test_a_failure_is_stored_too(shop_front: CameraClient, endpoint: str) -> None:
    signed = shop_front.signed(endpoint)
    first = signed.answer()
    assert first["code"] == 2
    assert signed.answer() == first
    assert code(replace(signed, files=(jpeg(BOB, "note"),))) == 3


@pytest.mark.shows("sunmi", "a wrong sign uses up nothing")
@every_mutation
def test_a_wrong_sign_burns_nothing(shop_front: CameraClient, endpoint: str) -> None:
    signed = request(shop_front, endpoint)
    assert code(replace(signed, pairs=[*signed.pairs, ("note", "other")])) == 5
    assert code(signed) == 0


@every_mutation
def test_a_retry_after_the_tolerance_is_stale(
    shop_front: CameraClient, clock: FakeClock, endpoint: str
) -> None:
    signed = request(shop_front, endpoint)
    assert code(signed) == 0
    clock.advance(timedelta(seconds=300))
    assert code(signed) == 0
    clock.advance(timedelta(seconds=1))
    assert code(signed) == 3


@pytest.mark.shows("sunmi", "Calls that only read are answered anew each time.")
@pytest.mark.parametrize("endpoint", [name for name in SAMPLES if name not in MUTATIONS])
def test_a_read_is_simply_answered_again(shop_front: CameraClient, endpoint: str) -> None:
    signed = request(shop_front, endpoint)
    assert signed.answer() == signed.answer()
    assert code(replace(signed, files=(*signed.files, jpeg(BOB, "note")))) == 0


def overview(camera: CameraClient) -> object:
    """All that the shop holds, as the API shows it."""
    groups = camera.groups()
    return (
        groups,
        {name: camera.call("getFaceInfoItem", {"group_name": name}) for name in groups},
        {name: camera.call("getFaceList", {"group_name": name}) for name in groups},
    )


def codes(*requests: Signed) -> list[int]:
    return [request.answer()["code"] for request in requests]


def test_a_retried_deletion_answers_the_same_lists(camera: CameraClient) -> None:
    camera.signed("addFace", [("group_name", "stranger"), ("faceid", "7")], [jpeg(ANN)]).answer()
    fields = [("group_name", "stranger"), ("num", "2"), ("faceid_list", '["7","8"]')]
    request = camera.signed("deleteFace", fields)
    first = request.answer()
    assert first["data"]["success_list"] == ["7"]
    camera.signed("addFace", [("group_name", "stranger"), ("faceid", "7")], [jpeg(ANN)]).answer()
    assert request.answer() == first
    assert camera.faceids("stranger") == ["7"]


@pytest.mark.shows("sunmi", "A call that was answered before:")
def test_a_retried_delete_group_is_done_even_though_the_group_is_gone(camera: CameraClient) -> None:
    camera.create_group("vip")
    request = camera.signed("deleteGroup", [("name", "vip")])
    assert codes(request, request) == [0, 0]
    assert codes(camera.signed("deleteGroup", [("name", "vip")])) == [204]


@pytest.mark.shows("sunmi", "The same content is")
def test_the_same_content_in_another_shape_is_the_same_request(camera: CameraClient) -> None:
    request = camera.signed("createGroup", GROUP)
    turned = replace(request, pairs=[*reversed(request.pairs)])
    lower = [(name, value.lower() if name == "sign" else value) for name, value in request.pairs]
    assert (
        codes(request, turned, replace(request, as_multipart=True), replace(request, pairs=lower))
        == [0] * 4
    )


def replayed(read: Signed, endpoint: str, *files: Part) -> Signed:
    """What somebody makes of a read that they overheard: another path, and files, which the sign
    does not cover."""
    return replace(read, path=f"/openapi/face/{endpoint}", files=files)


@pytest.mark.shows("sunmi", "On one box, a change that comes with the same four as an earlier read")
def test_a_change_under_the_signature_of_a_read_is_3_and_changes_nothing(
    camera: CameraClient,
) -> None:
    camera.create_group("vip")
    read = camera.signed("getFaceInfoItem", [("group_name", "vip")])
    assert codes(read, replayed(read, "addFace", jpeg(ANN)), read) == [0, 3, 0]
    assert camera.faceids("vip") == []


def test_a_retry_is_answered_though_a_read_came_under_its_signature(camera: CameraClient) -> None:
    camera.create_group("vip")
    change = camera.signed("addFace", [("group_name", "vip")], [jpeg(ANN)])
    first = change.answer()
    assert codes(replayed(change, "getFaceList")) == [0]
    assert change.answer() == first


def test_a_wrong_sign_on_a_read_uses_up_nothing(camera: CameraClient) -> None:
    camera.create_group("vip")
    change = camera.signed("addFace", [("group_name", "vip")], [jpeg(ANN)])
    forged = replace(change, pairs=[*change.pairs[:-1], ("sign", "0" * 32)])
    assert codes(replayed(forged, "getFaceList"), change) == [5, 0]


def test_a_request_is_known_for_as_long_as_its_time_stamp_is_accepted(
    tmp_path: Path, clock: FakeClock
) -> None:
    """With a tolerance of a day: answers were kept for an hour, and swept, and then the same bytes
    were done again."""
    day = 86_400
    services = build(
        Settings(storage=tmp_path / "patient", clock_tolerance_s=day),
        clock=clock,
        vision=FakeVision,
    )
    credentials = services.tenants.add("shop", Profile.CAMERA, KEEPING)
    camera = CameraClient(make_stage(services).app, credentials.app_id, credentials.app_key, clock)
    ahead = str(int(clock.now().timestamp()) + day)
    pairs = [
        (name, ahead if name == "timestamp" else value)
        for name, value in [*camera.public(), *GROUP]
    ]
    request = Signed(
        camera.app, "/openapi/face/createGroup", [*pairs, ("sign", md5_sign(pairs, camera.key))]
    )
    assert codes(request) == [0]
    camera.clock.advance(timedelta(seconds=2 * day))
    assert codes(camera.signed("deleteGroup", [("name", "vip")])) == [0]
    services.sweep.sweep_tenant(services.tenants.get_by_name("shop"), services.clock.now())
    assert codes(request) == [0]
    assert "vip" not in camera.groups()
    services.close()


@pytest.mark.shows("sunmi", "Retries are judged after the sign, for each app_id by itself")
def test_each_tenant_has_its_own_requests(
    camera: CameraClient, stage: Stage, clock: FakeClock
) -> None:
    credentials = stage.services.tenants.add("other", stage.services.tenants.list_all()[0].profile)
    other = CameraClient(camera.app, credentials.app_id, credentials.app_key, clock)
    assert codes(camera.signed("createGroup", GROUP), other.signed("createGroup", GROUP)) == [0, 0]


class Groups:
    """Groups whose next creations end as they are told to, and then as they really do."""

    def __init__(self, stage: Stage, *outcomes: Exception) -> None:
        self._real = stage.services.groups
        self._outcomes = list(outcomes)
        stage.services.groups = self  # type: ignore[assignment]

    def create(self, *values: Any, **named: Any) -> None:
        if self._outcomes:
            raise self._outcomes.pop(0)
        self._real.create(*values, **named)


@pytest.mark.shows("sunmi", "codes 1, 211 and 220 are not")
@pytest.mark.shows("sunmi", "220 the face library is busy; nothing was changed")
@pytest.mark.parametrize(
    ("error", "code"),
    [(Busy("busy"), 220), (StorageUnavailable("away"), 211), (ZeroDivisionError(), 1)],
)
def test_codes_1_211_and_220_are_not_stored(
    camera: CameraClient, stage: Stage, error: Exception, code: int
) -> None:
    Groups(stage, error)
    request = camera.signed("createGroup", GROUP)
    assert codes(request, request, request) == [code, 0, 0]


def test_a_retry_that_lost_the_race_answers_as_the_first_did(
    camera: CameraClient, stage: Stage
) -> None:
    Groups(stage, AnsweredAlready(Answer("ok", {})))
    assert camera.signed("createGroup", GROUP).answer() == {"code": 0}
    failure: Mapping[str, Any] = {"code": 200, "msg": "there is one"}
    Groups(stage, AnsweredAlready(Answer("GroupExists", failure)))
    assert camera.signed("createGroup", GROUP).answer() == failure


class Enrolment:
    """The first of two equal requests commits while the second, which fails by that very commit, is
    still running."""

    def __init__(self, stage: Stage, error: RegularsError) -> None:
        self._requests = stage.services.requests
        self._error = error
        stage.services.enrolment = self  # type: ignore[assignment]

    def enrol_largest_face(
        self, tenant: Tenant, *values: Any, request: RequestId, **named: Any
    ) -> Face:
        self._requests.store_answer(tenant.name, request, Answer("ok", {"faceid": "7"}))
        raise self._error


def test_a_retry_that_fails_because_the_first_succeeded_succeeds(
    camera: CameraClient, stage: Stage
) -> None:
    Enrolment(stage, FaceExists("there is a face 7"))
    request = camera.signed("addFace", [("group_name", "stranger"), ("faceid", "7")], [jpeg(ANN)])
    assert request.answer() == {"code": 0, "data": {"faceid": "7"}}


def test_a_retry_of_an_update_that_was_sent_to_add_face_is_answered_and_not_done_again(
    shop_front: CameraClient,
) -> None:
    fields = [("group_name", "vip"), ("faceid", "7"), ("new_group_name", "stranger")]
    signed = shop_front.signed("addFace", fields)
    assert [signed.answer(), signed.answer()] == [{"code": 0}] * 2
    assert shop_front.faceids("stranger") == ["7"]


def test_random_alone_may_repeat(camera: CameraClient) -> None:
    public = camera.public()
    for name in ("a", "b"):
        pairs = [*public, ("name", name), *GROUP[1:]]
        assert codes(
            Signed(
                camera.app,
                "/openapi/face/createGroup",
                [*pairs, ("sign", md5_sign(pairs, camera.key))],
            )
        ) == [0]
