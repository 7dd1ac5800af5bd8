"""How errors of the core are answered. Who may call, and the order of the checks:
tests/acceptance."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from chalice.app import Chalice
from regulars_dialects.rekognition import requests
from regulars_dialects.rekognition.operation import word_error

from chalicelib.domain.errors import GroupNotFound, RegularsError, StorageUnavailable, Unusable
from chalicelib.domain.model import Credentials
from chalicelib.services import Services
from tests.support.api.errors import instance, tree
from tests.support.api.rekognition import signed
from tests.support.api.rekognition.client import error_of
from tests.support.api.stage import Failing, Stage
from tests.support.fakes import FakeClock, Person, picture

IMAGE = {"Bytes": picture(Person(1))}


def test_a_collection_that_goes_in_the_middle_of_a_call_is_told_like_one_that_was_never_there(
    stage: Stage, rekognition: Any
) -> None:
    rekognition.create_collection(CollectionId="staff")
    stage.services.enrolment.everybody = Failing(GroupNotFound("deleted meanwhile"))  # type: ignore[assignment] # a stand-in that fails
    error = error_of(rekognition.index_faces, CollectionId="staff", Image=IMAGE)["Error"]
    assert error == {
        "Code": "ResourceNotFoundException",
        "Message": "The collection id: staff does not exist",
    }


@pytest.mark.parametrize("error", list(tree()))
def test_every_error_of_the_core_has_an_answer(error: type[RegularsError]) -> None:
    failure = word_error(instance(error))
    assert str(failure.code).endswith(("Exception", "Error"))
    assert (failure.status == 500) == (error in {RegularsError, StorageUnavailable})


@pytest.mark.parametrize(
    ("unusable", "code", "text"),
    [
        (Unusable("x"), "InvalidImageFormatException", "Request has invalid image format"),
        (Unusable("6 MB", "bytes"), "ImageTooLargeException", "Image size is too large: 6 MB"),
        (
            Unusable("x", "largest side", (9000, 20)),
            "ImageTooLargeException",
            "Image dimensions: 9000 x 20 pixels exceed the maximum limit of 8192 x 8192",
        ),
        (
            Unusable("79 pixels", "least side"),
            "InvalidParameterException",
            "Request has invalid parameters: 79 pixels",
        ),
    ],
)
def test_what_is_wrong_with_a_picture_is_told_in_rekognitions_words(
    stage: Stage, rekognition: Any, unusable: Unusable, code: str, text: str
) -> None:
    stage.services.recognition.face_analysis = Failing(unusable)  # type: ignore[assignment] # a stand-in that fails
    assert error_of(rekognition.detect_faces, Image=IMAGE)["Error"] == {
        "Code": code,
        "Message": text,
    }


def test_a_change_that_was_overheard_is_not_done_again_not_even_after_a_restart(
    app: Chalice, shop: Credentials, clock: FakeClock, services: Services
) -> None:
    def ask(
        operation: str, at: datetime, invocation: str, *, signs_invocation: bool = False
    ) -> tuple[int, str]:
        keys, members = (shop.access_key_id, shop.secret_access_key), {"CollectionId": "staff"}
        reply = signed.call(
            app, *keys, operation, members, at, invocation, signs_invocation=signs_invocation
        )
        return reply.status, reply.json.get("__type", "")

    then = clock.now()
    for operation, invocation, refusal in (
        ("CreateCollection", "1", "ResourceAlreadyExistsException"),
        ("DeleteCollection", "2", "ResourceNotFoundException"),
    ):
        assert ask(operation, then, invocation) == (200, "")
        for other in ("", "3"):
            assert ask(operation, then, other) == (400, refusal), (
                "who overheard it wrote another id"
            )
    assert ask("CreateCollection", then, "3") == (400, "ThrottlingException")
    for operation, invocation in (
        ("CreateCollection", "4"),
        ("DeleteCollection", "5"),
        ("CreateCollection", "6"),
    ):
        assert ask(operation, then, invocation, signs_invocation=True) == (200, ""), (
            "each call has its own signature"
        )
    clock.advance(timedelta(seconds=3))
    del services.requests  # what the process remembers
    for invocation in ("", "4"):
        assert ask("DeleteCollection", then, invocation) == (400, "ThrottlingException")
    assert ask("DeleteCollection", then, "2") == (200, ""), (
        "an attempt of the call that was answered"
    )
    assert ask("DescribeCollection", clock.now(), "")[0] == 200
    assert ask("DeleteCollection", clock.now(), "4") == (200, ""), (
        "clients sign again when they are throttled"
    )


COLLECTION, ARN = {"CollectionId": "staff"}, "arn:aws:rekognition:box:000000000000:collection/staff"
ID = "11111111-1111-1111-1111-111111111111"
WRITES: dict[str, dict[str, Any]] = {
    "CreateCollection": COLLECTION,
    "DeleteCollection": COLLECTION,
    "TagResource": {"ResourceArn": ARN, "Tags": {"floor": "1"}},
    "UntagResource": {"ResourceArn": ARN, "TagKeys": ["floor"]},
    "IndexFaces": {**COLLECTION, "Image": IMAGE},
    "DeleteFaces": {**COLLECTION, "FaceIds": [ID]},
    "CreateUser": {**COLLECTION, "UserId": "ann"},
    "DeleteUser": {**COLLECTION, "UserId": "ann"},
    "AssociateFaces": {**COLLECTION, "UserId": "ann", "FaceIds": [ID]},
    "DisassociateFaces": {**COLLECTION, "UserId": "ann", "FaceIds": [ID]},
}


def test_each_operation_that_changes_something_is_known_here() -> None:
    reads = ("Compare", "Describe", "Detect", "List", "Search")
    assert (
        {name for name in requests.REQUESTS if not name.startswith(reads)}
        == {*WRITES}
        == requests.WRITES
    )


@pytest.mark.parametrize("operation", WRITES)
def test_one_call_comes_under_one_signature(
    app: Chalice, shop: Credentials, clock: FakeClock, operation: str
) -> None:
    keys = shop.access_key_id, shop.secret_access_key

    def ask(invocation: str) -> str:
        reply = signed.call(app, *keys, operation, WRITES[operation], clock.now(), invocation)
        return str(reply.json.get("__type", ""))

    if operation != "CreateCollection":
        signed.call(app, *keys, "CreateCollection", COLLECTION, clock.now())
    first = ask("1")
    assert first != "ThrottlingException"
    assert ask("1") == first, "another attempt of it"
    refusal = {
        "CreateCollection": "ResourceAlreadyExistsException",
        "DeleteCollection": "ResourceNotFoundException",
    }.get(operation, "ThrottlingException")
    assert [ask(other) for other in ("2", "")] == [refusal] * 2
