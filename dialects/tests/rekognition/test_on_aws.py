"""The dialect in Lambda: boto3 as it is through a function URL, and the REST API, where a signature
may not arrive."""

import io
import json
import os
import urllib.request
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any
from urllib.error import HTTPError

import pytest
from chalice.app import Chalice
from msgspec.structs import replace
from regulars_dialects.rekognition import SignedHosts
from regulars_dialects.rekognition.operation import CONTENT_TYPE

from chalicelib.api import observability
from chalicelib.api.application import Application
from chalicelib.api.http import MAX_BODY_BYTES
from chalicelib.domain.model import Credentials
from chalicelib.services import Services
from tests.support.api.function_url import event_of, function_url, rekognition
from tests.support.api.gateway import LAMBDAS_ID, send
from tests.support.api.rekognition.client import error_of
from tests.support.api.stage import make_stage
from tests.support.fakes import Person, picture

IMAGE = {"Bytes": picture(Person(1))}
TARGET = {"X-Amz-Target": "RekognitionService.ListCollections", "Content-Type": CONTENT_TYPE}


@pytest.fixture
def app(services: Services) -> Chalice:
    return make_stage(services).app


@pytest.fixture
def url(app: Chalice) -> Iterator[str]:
    with function_url(
        lambda event: app(event, SimpleNamespace(aws_request_id=LAMBDAS_ID))
    ) as served:
        yield served


@pytest.fixture
def faces(url: str, shop: Credentials, now: None) -> Any:
    return rekognition(url, shop)


def posted(
    url: str, body: bytes, method: str = "POST", **headers: str
) -> tuple[int, dict[str, Any]]:
    request = urllib.request.Request(url, body, {**TARGET, **headers}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, json.loads(answer.read())
    except HTTPError as error:
        return error.code, json.loads(error.read())


def test_boto3_indexes_and_finds_a_face_through_the_function_url(faces: Any) -> None:
    faces.create_collection(CollectionId="staff")
    faces.index_faces(CollectionId="staff", Image=IMAGE, ExternalImageId="ann")
    answer = faces.search_faces_by_image(CollectionId="staff", Image=IMAGE)
    assert [match["Face"]["ExternalImageId"] for match in answer["FaceMatches"]] == ["ann"]
    assert faces.list_collections()["CollectionIds"] == ["staff"]


@pytest.mark.parametrize("prefix", ["/", "/faces", "/faces/", "/a/b%20c"])
def test_a_path_before_the_slash_is_part_of_what_is_signed(
    url: str, shop: Credentials, now: None, prefix: str
) -> None:
    assert rekognition(f"{url}{prefix}", shop).list_collections()["CollectionIds"] == []


def test_the_host_of_a_network_before_the_function_url_is_named_in_the_settings(
    url: str, shop: Credentials, now: None, services: Services
) -> None:
    def named(request: Any, **_: Any) -> None:
        request.headers["Host"] = "faces.shop.example"  # which the client signs

    through = rekognition(url, shop)
    through.meta.events.register("before-sign.rekognition", named)

    def replaced(request: Any, **_: Any) -> None:
        del request.headers["Host"]  # and which the network replaces

    through.meta.events.register("before-send.rekognition", replaced)
    assert error_of(through.list_collections)["Error"]["Code"] == "InvalidSignatureException"
    services.settings = replace(
        services.settings, of_dialects={"rekognition": SignedHosts(("faces.shop.example",))}
    )
    assert through.list_collections()["CollectionIds"] == []


def test_an_error_comes_with_its_name_and_another_secret_is_refused(
    faces: Any, url: str, shop: Credentials
) -> None:
    assert (
        error_of(faces.describe_collection, CollectionId="none")["Error"]["Code"]
        == "ResourceNotFoundException"
    )
    forger = rekognition(url, shop, aws_secret_access_key="x" * 40)
    assert error_of(forger.list_collections)["Error"]["Code"] == "InvalidSignatureException"


def test_a_body_may_have_four_mebibytes_and_the_limit_is_told(faces: Any) -> None:
    error = error_of(faces.detect_faces, Image={"Bytes": bytes(MAX_BODY_BYTES * 3 // 4)})["Error"]
    assert error["Code"] == "ImageTooLargeException"
    assert str(MAX_BODY_BYTES) in error["Message"]
    fits = error_of(faces.detect_faces, Image={"Bytes": bytes(MAX_BODY_BYTES * 3 // 4 - 100)})[
        "Error"
    ]
    assert fits["Code"] == "InvalidImageFormatException"


def test_without_a_signature_there_is_no_answer(url: str) -> None:
    status, answer = posted(url, b"{}")
    assert (status, answer["__type"]) == (400, "MissingAuthenticationTokenException")
    assert answer["Message"] == "Missing Authentication Token"


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"])
def test_the_function_url_takes_posts_alone_on_any_path(app: Chalice, method: str) -> None:
    for path in ("/", "/v1/faces", "/console"):
        answer = app(event_of(method, path, {}, b""), SimpleNamespace(aws_request_id=LAMBDAS_ID))
        assert (answer["statusCode"], answer["headers"]["Allow"]) == (405, "POST")


def test_the_function_url_leads_to_no_other_dialect(url: str, shop: Credentials) -> None:
    status, answer = posted(
        f"{url}/v1/groups", b'{"name":"a"}', Authorization=f"Bearer {shop.api_key}"
    )
    assert (status, answer["__type"]) == (400, "IncompleteSignatureException")


def test_text_and_query_arrive_as_they_were_sent(url: str) -> None:
    """Lambda hands a text over as it is, and a presigned request has its signature in the query."""
    json_body = {"Content-Type": "application/json"}
    assert posted(url, b"{}", **json_body)[1]["__type"] == "MissingAuthenticationTokenException"
    signed = {"Authorization": "AWS4-HMAC-SHA256 Credential=a"}
    assert posted(url, b"{}", **json_body, **signed)[1]["__type"] == "IncompleteSignatureException"
    presigned = posted(f"{url}/?X-Amz-Signature=00&empty=", b"{}", **json_body, **signed)[1]
    assert presigned["__type"] == "MissingAuthenticationTokenException"


def test_through_the_rest_api_a_lost_signature_is_told_with_the_endpoint_that_keeps_it(
    app: Chalice,
) -> None:
    answer = send(
        app, "/", b"{}", headers={"X-Amz-Target": TARGET["X-Amz-Target"]}, content_type=CONTENT_TYPE
    ).json
    assert answer["__type"] == "MissingAuthenticationTokenException"
    assert answer["Message"].startswith("Missing Authentication Token: ")
    assert "RekognitionEndpoint" in answer["Message"]


def test_the_request_id_is_the_invocations(app: Chalice, faces: Any) -> None:
    lambdas = {"AWS_LAMBDA_FUNCTION_NAME": "regulars-prod-APIHandler"}
    app.register_middleware(observability.make_observer(lambdas, io.StringIO()), "all")
    assert faces.list_collections()["ResponseMetadata"]["RequestId"] == LAMBDAS_ID


def test_making_apps_does_not_lengthen_the_header_in_which_botocore_names_itself() -> None:
    before = os.environ.get("AWS_EXECUTION_ENV")
    Application("one more")
    assert os.environ.get("AWS_EXECUTION_ENV") == before
