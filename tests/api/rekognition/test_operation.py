"""What all operations have in common: who may call, the order of the checks, and how errors are answered."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import pytest
from botocore.exceptions import ClientError
from chalice.app import Chalice

from chalicelib.api.rekognition.errors import CONTENT_TYPE, failure_of
from chalicelib.core.errors import GroupNotFound, RegularsError, StorageUnavailable, Unusable
from chalicelib.core.model import Credentials
from chalicelib.services import Services
from tests.api.conftest import Stage
from tests.api.gateway import Reply, send
from tests.api.rekognition.client import client
from tests.api.sunmi.test_errors import Failing, instance, tree
from tests.fakes import Person, picture

IMAGE = {"Bytes": picture(Person(1))}


def error_of(call: Any, **members: Any) -> dict[str, Any]:
    with pytest.raises(ClientError) as caught:
        call(**members)
    return dict(caught.value.response)


def unsigned(app: Chalice, target: str | None, body: bytes = b"{}") -> Reply:
    headers = {} if target is None else {"X-Amz-Target": target}
    return send(app, "/", body, content_type=CONTENT_TYPE, headers=headers)


def test_an_answer_has_the_headers_of_the_wire(rekognition: Any) -> None:
    answer = rekognition.detect_faces(Image=IMAGE)["ResponseMetadata"]
    assert answer["HTTPHeaders"]["content-type"] == CONTENT_TYPE
    assert answer["RequestId"] == answer["HTTPHeaders"]["x-amzn-requestid"]
    assert str(UUID(answer["RequestId"])) == answer["RequestId"]
    assert answer["HTTPHeaders"]["date"].endswith(" GMT")
    assert "total;dur=" in answer["HTTPHeaders"]["server-timing"]


def test_an_error_is_named_in_header_and_body(app: Chalice) -> None:
    reply = unsigned(app, "RekognitionService.DetectFaces")
    assert reply.status == 400
    assert reply.headers["x-amzn-errortype"] == "MissingAuthenticationTokenException"
    assert reply.json == {
        "__type": "MissingAuthenticationTokenException",
        "Code": "MissingAuthenticationTokenException",
        "Message": reply.json["Message"],
        "Logref": reply.headers["x-amzn-requestid"],
    }
    assert reply.json["Message"].startswith("Missing Authentication Token")


@pytest.mark.parametrize(
    "target", [None, "", "RekognitionService.", "RekognitionService.Nothing", "Dynamo.DetectFaces"]
)
def test_an_operation_that_the_model_lacks_is_unknown_before_anything_else(app: Chalice, target: str | None) -> None:
    assert unsigned(app, target, b"no json").json["__type"] == "UnknownOperationException"


def test_an_operation_that_we_lack_is_refused_to_those_who_may_call(rekognition: Any, app: Chalice) -> None:
    error = error_of(rekognition.detect_labels, Image=IMAGE)
    assert error["Error"]["Code"] == "AccessDeniedException"
    assert error["Error"]["Message"].startswith("Regulars has no DetectLabels: it answers the face operations")
    assert unsigned(app, "RekognitionService.DetectLabels").json["__type"] == "MissingAuthenticationTokenException"


def test_another_method_is_told_which_is_right(app: Chalice) -> None:
    assert send(app, "/", method="DELETE").status == 405


def test_an_unknown_key_and_a_wrong_secret_are_refused(app: Chalice, shop: Credentials, now: None) -> None:
    stranger = client(app, shop, aws_access_key_id="RK" + "A" * 18)
    assert error_of(stranger.detect_faces, Image=IMAGE)["Error"] == {
        "Code": "UnrecognizedClientException",
        "Message": "The security token included in the request is invalid.",
    }
    forger = client(app, shop, aws_secret_access_key="x" * 40)
    error = error_of(forger.detect_faces, Image=IMAGE)
    assert error["Error"]["Code"] == "InvalidSignatureException"
    assert "date" in error["ResponseMetadata"]["HTTPHeaders"]


def test_a_stale_session_token_does_no_harm(app: Chalice, shop: Credentials, now: None) -> None:
    assert client(app, shop, aws_session_token="stale").detect_faces(Image=IMAGE)["FaceDetails"]


def test_a_disabled_tenant_and_a_rotated_pair_are_refused(
    services: Services, shop: Credentials, rekognition: Any
) -> None:
    services.tenants.disable("shop")
    assert error_of(rekognition.detect_faces, Image=IMAGE)["Error"]["Code"] == "AccessDeniedException"
    services.tenants.enable("shop")
    services.tenants.rotate("shop")
    assert error_of(rekognition.detect_faces, Image=IMAGE)["Error"]["Code"] == "UnrecognizedClientException"


def test_a_collection_that_goes_in_the_middle_of_a_call_is_told_like_one_that_was_never_there(
    stage: Stage, rekognition: Any
) -> None:
    rekognition.create_collection(CollectionId="staff")
    stage.services.enrolment.indexing = Failing(GroupNotFound("deleted meanwhile"))  # type: ignore[assignment] # a stand-in that fails
    error = error_of(rekognition.index_faces, CollectionId="staff", Image=IMAGE)["Error"]
    assert error == {"Code": "ResourceNotFoundException", "Message": "The collection id: staff does not exist"}


@pytest.mark.parametrize("error", list(tree()))
def test_every_error_of_the_core_has_an_answer(error: type[RegularsError]) -> None:
    failure = failure_of(instance(error))
    assert failure.name.endswith(("Exception", "Error"))
    assert (failure.status == 500) == (error in {RegularsError, StorageUnavailable})


def test_a_fault_of_ours_is_told_without_its_inside(stage: Stage, rekognition: Any) -> None:
    stage.services.recognition.looking = Failing(ZeroDivisionError("secret"))  # type: ignore[assignment] # a stand-in that fails
    error = error_of(rekognition.detect_faces, Image=IMAGE)
    assert error["Error"] == {"Code": "InternalServerError", "Message": "Internal server error"}
    assert error["ResponseMetadata"]["HTTPStatusCode"] == 500
    assert "secret" not in json.dumps(error)


def test_storage_that_is_away_is_a_throttling_that_clients_send_again(stage: Stage, rekognition: Any) -> None:
    stage.services.recognition.looking = Failing(StorageUnavailable("disk"))  # type: ignore[assignment] # a stand-in that fails
    error = error_of(rekognition.detect_faces, Image=IMAGE)
    assert error["Error"] == {"Code": "ThrottlingException", "Message": "Service Unavailable"}
    assert error["ResponseMetadata"]["HTTPStatusCode"] == 500


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
        (Unusable("79 pixels", "least side"), "InvalidParameterException", "Request has invalid parameters: 79 pixels"),
    ],
)
def test_what_is_wrong_with_a_picture_is_told_in_rekognitions_words(
    stage: Stage, rekognition: Any, unusable: Unusable, code: str, text: str
) -> None:
    stage.services.recognition.looking = Failing(unusable)  # type: ignore[assignment] # a stand-in that fails
    assert error_of(rekognition.detect_faces, Image=IMAGE)["Error"] == {"Code": code, "Message": text}


def test_bytes_and_an_s3_object_exclude_each_other(rekognition: Any) -> None:
    stored = {"S3Object": {"Bucket": "pictures", "Name": "ann.jpg"}}
    for image in ({}, {**IMAGE, **stored}):
        assert error_of(rekognition.detect_faces, Image=image)["Error"]["Code"] == "InvalidParameterException"
    assert error_of(rekognition.detect_faces, Image=stored)["Error"]["Code"] == "InvalidS3ObjectException"
