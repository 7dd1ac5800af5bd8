import json

import pytest
from chalice.app import Chalice

from chalicelib.api.v1 import errors
from chalicelib.api.v1.blueprint import make_blueprint
from chalicelib.domain.errors import Busy, RegularsError, Unusable, mark_errors
from tests.support.api.errors import instance, tree
from tests.support.api.stage import Stage
from tests.support.api.v1.client import V1Client, document

NAMED = {
    **dict.fromkeys(
        ("InvalidInput", "IllegalGroupName", "IllegalCapacity", "DefaultGroup", "IllegalAttribute"),
        400,
    ),
    **dict.fromkeys(("WrongAttributeCount",), 400),
    **dict.fromkeys(
        ("NotFound", "GroupNotFound", "FaceNotFound", "AttributeNotFound", "TenantNotFound"), 404
    ),
    **dict.fromkeys(
        ("CameraNotFound", "CaptureNotFound", "SightingNotFound", "HookNotFound", "MergeNotFound"),
        404,
    ),
    **dict.fromkeys(
        ("Conflict", "GroupExists", "GroupNotEmpty", "FaceExists", "TenantExists", "CameraExists"),
        409,
    ),
    **dict.fromkeys(("RequestReused", "ConditionFailed"), 409),
    **dict.fromkeys(("LimitReached", "TooManyGroups", "GroupFull", "TenantFull"), 409),
    **dict.fromkeys(("TooManyCameras", "TooManyHooks"), 409),
    **dict.fromkeys(("Unauthorized", "WrongCredentials", "StaleRequest"), 401),
    **dict.fromkeys(("TenantDisabled", "CameraDisabled", "NotAllowed"), 403),
    "OtherBook": 412,
    "DailyLimitReached": 429,
    "TooManyRequests": 429,
    "FaceMerged": 410,
    "Unusable": 422,
    "Busy": 429,
    "StorageUnavailable": 503,
    "RegularsError": 500,
}


@pytest.mark.parametrize("error", list(tree()))
def test_every_error_has_a_status_and_its_own_name_as_its_code(error: type[RegularsError]) -> None:
    nearest = next(base.__name__ for base in error.__mro__ if base.__name__ in NAMED)
    answer = errors.answer_error(instance(error))[1]
    assert answer.status_code == NAMED[nearest]
    body = json.loads(answer.body)
    document().require(body, "Problem")
    assert body["type"] == f"urn:regulars:{error.__name__}"
    assert body["code"] == error.__name__
    assert body["status"] == answer.status_code
    assert "index" not in body


def test_what_is_wrong_with_one_of_many_tells_which() -> None:
    with pytest.raises(Unusable) as caught, mark_errors(7):
        raise Unusable("too dark")
    body = json.loads(errors.answer_error(caught.value)[1].body)
    assert (body["code"], body["detail"], body["index"]) == ("Unusable", "too dark", 7)


def test_a_very_long_sentence_is_cut() -> None:
    assert len(json.loads(errors.answer_error(Busy("x" * 10_000))[1].body)["detail"]) < 500


def test_services_that_cannot_be_made_are_a_fault_of_ours_too(stage: Stage, v1: V1Client) -> None:
    def nothing() -> None:
        raise OSError("no disk")

    app = Chalice("broken", configure_logs=False)
    app.register_blueprint(make_blueprint(nothing))  # type: ignore[arg-type] # None in place of services: no request of this test reaches one
    assert V1Client(app, "rk_x").failed(500, "GET", "/v1/cameras")["code"] == "InternalError"
