"""The contract of the Rekognition dialect, sections 1 to 4 and 11: what arrives, who calls, what is
refused first."""

import base64
import re
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from uuid import UUID

import pytest
from botocore.credentials import Credentials
from botocore.session import get_session
from regulars_dialects.rekognition.requests import REQUESTS
from urllib3 import HTTPHeaderDict

from acceptance.conftest import image
from acceptance.wire import JSON, TIME, Wire
from tests.support.api.rekognition.client import refused
from tests.support.pictures import photos

PICTURE = {"Bytes": base64.b64encode((photos.FOLDER / photos.PORTRAIT).read_bytes()).decode()}
DIFFERS = (
    "The request signature we calculated does not match the signature you provided. "
    "Check your AWS Secret Access Key and signing method."
)
OTHERS = 54
"""Operations of the service model that section 11 refuses; section 10 has all else."""


# --- 1, the wire ---


def test_an_answer_has_type_id_date_length_and_times(wire: Wire) -> None:
    answer = wire.call("ListCollections", {})
    assert answer.status == 200
    assert answer.headers["content-type"] == JSON
    assert str(UUID(answer.headers["x-amzn-requestid"])) == answer.headers["x-amzn-requestid"]
    assert parsedate_to_datetime(answer.headers["date"]).tzinfo is UTC
    assert int(answer.headers["content-length"]) == len(answer.body)
    assert "total;dur=" in answer.headers["server-timing"]
    assert "x-amz-crc32" not in answer.headers


@pytest.mark.parametrize(
    "sent", [JSON, "application/x-amz-json-1.0", "application/json; charset=utf-8"]
)
def test_three_content_types_are_taken(wire: Wire, sent: str) -> None:
    assert wire.call("ListCollections", {}, {"Content-Type": sent}).status == 200


def test_an_error_is_named_in_header_and_body_with_the_requests_id(wire: Wire) -> None:
    answer = wire.call("DescribeCollection", {"CollectionId": "nobody"})
    text = "The collection id: nobody does not exist"
    name = "ResourceNotFoundException"
    assert answer.status == 400
    assert answer.headers["x-amzn-errortype"] == name
    id_ = answer.headers["x-amzn-requestid"]
    assert answer.json == {"__type": name, "Code": name, "Message": text, "Logref": id_}
    assert answer.headers["content-type"] == JSON


def test_unknown_members_and_null_are_ignored(wire: Wire) -> None:
    assert (
        wire.call(
            "ListCollections", {"Unknown": {"a": [1]}, "MaxResults": None, "NextToken": ""}
        ).status
        == 200
    )


def test_a_whole_number_may_be_written_as_a_fraction(wire: Wire) -> None:
    assert wire.call("ListCollections", b'{"MaxResults": 5.0}').status == 200
    assert wire.call("ListCollections", b'{"MaxResults": 5.5}').error[0] == "SerializationException"


@pytest.mark.parametrize(
    "body", [b"{", b"[]", b"\xff", b'{"MaxResults": "5"}', b'{"MaxResults": NaN}', b"[" * 99_999]
)
def test_what_is_not_json_of_these_types_is_a_serialization_exception(
    wire: Wire, body: bytes
) -> None:
    assert wire.call("ListCollections", body).error[0] == "SerializationException"


@pytest.mark.parametrize("number", [b"1e999", b"-1e999", b"9" * 400, b"1" + b"0" * 4000, b"1e308"])
def test_no_number_is_too_large_to_be_refused(wire: Wire, number: bytes) -> None:
    for operation, member in (
        ("ListCollections", b"MaxResults"),
        ("SearchFaces", b"FaceMatchThreshold"),
    ):
        sent = b'{"CollectionId": "c", "FaceId": "1", "' + member + b'": ' + number + b"}"
        assert wire.call(operation, sent).error[0] in {
            "SerializationException",
            "ValidationException",
        }


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])  # GET leads to a box's console
def test_another_method_is_405(wire: Wire, method: str) -> None:
    assert wire.send(b"", wire.signed("ListCollections", b""), method=method).status == 405


def test_a_query_is_signed_like_all_else(wire: Wire) -> None:
    signed = wire.but(url=f"{wire.url}/?b=2&a=1%20x&c").signed("ListCollections", b"{}")
    assert wire.send(b"{}", signed, query="?b=2&a=1%20x&c").status == 200
    assert wire.send(b"{}", signed, query="?b=2&a=1%20y&c").error[0] == "InvalidSignatureException"


# --- 2, who calls ---


def test_without_authorization_or_presigned_the_token_is_missing(wire: Wire) -> None:
    headers = wire.signed("ListCollections", b"{}")
    authorization = headers.pop("Authorization")
    for query in ("", f"?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature={authorization[-64:]}"):
        name, text = wire.send(b"{}", headers, query=query).error
        assert name == "MissingAuthenticationTokenException"
        assert text.startswith("Missing Authentication Token")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("AWS4-HMAC-SHA256 ", "AWS4-HMAC-SHA512 "),
        ("SignedHeaders=", "Signed="),
        ("Signature=", "Sig="),
        ("/aws4_request", ""),
        (";host", ""),
        (";x-amz-target", ""),
        (";x-amz-date", ""),
    ],
)
def test_an_authorization_that_lacks_a_part_is_incomplete(wire: Wire, old: str, new: str) -> None:
    headers = wire.signed("ListCollections", b"{}")
    sent = {**headers, "Authorization": headers["Authorization"].replace(old, new)}
    assert wire.send(b"{}", sent).error[0] == "IncompleteSignatureException"


@pytest.mark.parametrize("name", ["X-Amz-Security-Token", "X-Amz-Content-SHA256"])
def test_a_token_and_a_hash_must_be_signed_where_they_are_sent(wire: Wire, name: str) -> None:
    sent = {**wire.signed("ListCollections", b"{}"), name: "x"}
    assert wire.send(b"{}", sent).error[0] == "IncompleteSignatureException"


def test_parts_of_the_authorization_may_come_without_blanks_and_in_any_order(wire: Wire) -> None:
    headers = wire.signed("ListCollections", b"{}")
    algorithm, _, parts = headers["Authorization"].partition(" ")
    for order in (parts.split(", "), parts.split(", ")[::-1]):
        sent = {**headers, "Authorization": f"{algorithm} {','.join(order)}"}
        assert wire.send(b"{}", sent).status == 200, order


def test_an_unknown_key_is_an_unrecognized_client(wire: Wire) -> None:
    stranger = wire.but(pair=Credentials("RK" + "A" * 18, "x" * 40))
    text = "The security token included in the request is invalid."
    assert stranger.call("ListCollections", {}).error == ("UnrecognizedClientException", text)


def test_a_wrong_secret_or_service_does_not_match(wire: Wire) -> None:
    forged = Credentials(wire.pair.access_key, "x" * 40)
    for other in (wire.but(pair=forged), wire.but(service="s3")):
        answer = other.call("ListCollections", {})
        assert answer.error[0] == "InvalidSignatureException"
        assert answer.error[1].startswith(DIFFERS)
        assert "date" in answer.headers


@pytest.mark.parametrize("region", ["us-east-1", "cn-north-1", "anywhere"])
def test_any_region_is_the_same_store(wire: Wire, region: str, name: str) -> None:
    answer = wire.but(region=region).call("DescribeCollection", {"CollectionId": name})
    assert answer.json["CollectionARN"].startswith(f"arn:aws:rekognition:{region}:")


@pytest.mark.parametrize(
    ("off_s", "begins"), [(-400, "Signature expired: "), (400, "Signature not yet current: ")]
)
def test_a_time_that_is_off_is_told_with_the_time_here(wire: Wire, off_s: int, begins: str) -> None:
    at = datetime.now(UTC) + timedelta(seconds=off_s)
    answer = wire.call("ListCollections", {}, at=at)
    assert answer.error[0] == "InvalidSignatureException"
    assert answer.error[1].startswith(f"{begins}{at.strftime(TIME)}")
    if off_s < 0:
        assert re.match(r"Signature expired: \w+ is now earlier than \d{8}T\d{6}Z", answer.error[1])
    assert "date" in answer.headers
    assert wire.call("ListCollections", {}, at=at - timedelta(seconds=off_s * 0.4)).status == 200


@pytest.mark.parametrize(
    "hashed", ["UNSIGNED-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "0" * 64]
)
def test_a_body_that_is_not_hashed_is_refused(wire: Wire, hashed: str) -> None:
    answer = wire.call("ListCollections", {}, {"X-Amz-Content-SHA256": hashed})
    assert answer.error[0] == "InvalidSignatureException"


def test_stale_session_tokens_and_headers_of_the_clients_choice_are_taken(wire: Wire) -> None:
    more = {
        "X-Amz-Security-Token": "stale",
        "amz-sdk-request": "attempt=1;  max=3 ",
        "x-other": "a,  b",
    }
    assert wire.call("ListCollections", {}, more).status == 200


def test_a_header_that_is_repeated_is_signed_with_commas(wire: Wire) -> None:
    signed = wire.signed("ListCollections", b"{}", {"x-other": "a,b"})
    repeated = HTTPHeaderDict({**signed, "x-other": "a"})
    repeated.add("x-other", "b")
    assert wire.send(b"{}", repeated).status == 200


# --- 3 and 11, the order of checks ---


def test_an_unknown_operation_is_told_before_anything_else(wire: Wire) -> None:
    for target in (
        "RekognitionService.Nothing",
        "RekognitionService.",
        "Other.DetectFaces",
        "detectFaces",
    ):
        assert wire.send(b"{", {"X-Amz-Target": target}).error[0] == "UnknownOperationException"


def test_the_other_operations_of_the_model_are_refused_by_name(wire: Wire) -> None:
    others = set(get_session().get_service_model("rekognition").operation_names) - set(REQUESTS)
    assert len(others) == OTHERS
    for operation in others:
        text = f"Regulars has no {operation}: it answers the face operations of Amazon Rekognition"
        answer = wire.call(operation, b"{")
        assert (answer.status, answer.error) == (400, ("AccessDeniedException", text))
    assert (
        wire.send(b"{", {"X-Amz-Target": "RekognitionService.DetectText"})
        .error[0]
        .startswith("MissingAuth")
    )


@pytest.mark.parametrize("operation", ["IndexFaces", "SearchFacesByImage"])
def test_checks_come_in_the_contracts_order(wire: Wire, operation: str) -> None:
    broken: dict[str, Any] = {"Bytes": base64.b64encode(b"no picture").decode()}
    reference = {"S3Object": {"Bucket": "pictures", "Name": "n"}}
    both = {**broken, **reference}
    for sent, name in (
        ({"CollectionId": "a b", "Image": both, "MaxFaces": "1"}, "SerializationException"),
        ({"CollectionId": "a b", "Image": both}, "ValidationException"),
        ({"CollectionId": "nobody", "Image": both}, "InvalidParameterException"),
        ({"CollectionId": "nobody", "Image": {}}, "InvalidParameterException"),
        ({"CollectionId": "nobody", "Image": broken}, "ResourceNotFoundException"),
        ({"CollectionId": "nobody", "Image": reference}, "ResourceNotFoundException"),
    ):
        assert wire.call(operation, sent).error[0] == name, sent


def test_both_pictures_are_looked_at_before_their_faces(wire: Wire) -> None:
    nobody = base64.b64encode((photos.FOLDER / photos.NOBODY).read_bytes()).decode()
    broken = base64.b64encode(b"no picture").decode()
    sent = {"SourceImage": {"Bytes": nobody}, "TargetImage": {"Bytes": broken}}
    assert wire.call("CompareFaces", sent).error[0] == "InvalidImageFormatException"


# --- 4, errors ---


def test_a_validation_exception_has_amazons_words_and_names_all_that_it_finds(
    boto: Any, name: str
) -> None:
    pattern = r"Member must satisfy regular expression pattern: [a-zA-Z0-9_.\-:]+"
    error = refused(
        boto.index_faces, CollectionId=name, Image=image(photos.PORTRAIT), ExternalImageId="a b"
    )
    text = "Value 'a b' at 'externalImageId' failed to satisfy constraint: " + pattern
    assert error == ("ValidationException", f"1 validation error detected: {text}")


def test_a_picture_of_more_than_five_mib_is_a_broken_constraint(wire: Wire) -> None:
    sent = {"Image": {"Bytes": base64.b64encode(bytes(5_242_881)).decode()}}
    text = (
        "Value at 'image.bytes' failed to satisfy constraint: Member must have length less "
        "than or equal to 5242880"
    )
    assert wire.call("DetectFaces", sent).error == (
        "ValidationException",
        f"1 validation error detected: {text}",
    )


def test_a_body_of_more_than_the_endpoint_takes_names_its_limit(wire: Wire) -> None:
    name, text = wire.call("DetectFaces", b" " * (14 * 2**20 + 1)).error
    assert name == "ImageTooLargeException"
    assert text.startswith("Image size is too large: ")
    assert str(14 * 2**20) in text
