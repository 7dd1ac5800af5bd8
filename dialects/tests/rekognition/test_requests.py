"""Requests against Rekognition's own service model, and the texts of what is refused."""

import json
from typing import Any

import pytest
from botocore.model import ListShape, MapShape, Shape, StringShape, StructureShape
from botocore.session import get_session
from regulars_dialects.rekognition.requests import (
    OTHER_OPERATIONS,
    REQUESTS,
    Blob,
    Kind,
    ListOf,
    MapOf,
    Members,
    Number,
    Text,
    parse_members,
)

from chalicelib.api.http import Failure

MODEL = get_session().get_service_model("rekognition")


def refused(operation: str, body: bytes | dict[str, Any]) -> Failure:
    sent = body if isinstance(body, bytes) else json.dumps(body).encode()
    with pytest.raises(Failure) as caught:
        parse_members(sent, REQUESTS[operation])
    assert caught.value.status == 400
    return caught.value


def assert_same(kind: Kind, shape: Shape) -> None:
    """Hold a kind against the model's shape: type, bounds, pattern, choices, members."""
    bounds = shape.metadata
    match kind:
        case Members():
            assert isinstance(shape, StructureShape)
            assert set(kind.members) == set(shape.members)
            assert sorted(kind.required) == sorted(shape.required_members)
            for name, member in kind.members.items():
                assert_same(member, shape.members[name])
        case ListOf():
            assert isinstance(shape, ListShape)
            assert (kind.least, kind.most) == (bounds.get("min", 0), bounds.get("max"))
            assert_same(kind.member, shape.member)
        case MapOf():
            assert isinstance(shape, MapShape)
            assert (kind.least, kind.most) == (bounds.get("min", 0), bounds.get("max"))
            assert_same(kind.key, shape.key)
            assert_same(kind.value, shape.value)
        case Text():
            assert isinstance(shape, StringShape)
            assert list(kind.choices) == (shape.enum or [])
            assert kind.pattern == bounds.get("pattern", "")
            if shape.name != "FaceId":
                assert (kind.least, kind.most) == (bounds.get("min", 0), bounds.get("max"))
        case Number():
            assert shape.type_name == ("integer" if kind.whole else "float")
            assert (kind.least, kind.most) == (bounds.get("min"), bounds.get("max"))
        case Blob():
            assert shape.type_name == "blob"
            assert (kind.least, kind.most) == (bounds["min"], bounds["max"])


@pytest.mark.parametrize("operation", list(REQUESTS))
def test_a_request_is_as_in_the_service_model(operation: str) -> None:
    assert_same(REQUESTS[operation], MODEL.operation_model(operation).input_shape)


def test_every_operation_of_the_model_is_answered_or_refused_by_name() -> None:
    assert {*REQUESTS, *OTHER_OPERATIONS} == set(MODEL.operation_names)
    assert not OTHER_OPERATIONS & set(REQUESTS)


def test_all_that_is_wrong_is_told_at_once() -> None:
    image = {"Bytes": "", "S3Object": {"Bucket": "b", "Name": "n"}}
    failure = refused(
        "SearchFacesByImage", {"Image": image, "MaxFaces": 0, "QualityFilter": "BEST"}
    )
    assert failure.text == (
        "5 validation errors detected: Value null at 'collectionId' failed to satisfy constraint: "
        "Member must not be null; Value at 'image.bytes' failed to satisfy constraint: "
        "Member must have length greater than or equal to 1; Value 'b' at 'image.s3Object.bucket' "
        "failed to satisfy "
        "constraint: Member must have length greater than or equal to 3; Value '0' at 'maxFaces' "
        "failed to satisfy "
        "constraint: Member must have value greater than or equal to 1; Value 'BEST' at "
        "'qualityFilter' failed to "
        "satisfy constraint: Member must satisfy enum value set: [NONE, AUTO, LOW, MEDIUM, HIGH]"
    )


def test_lists_are_told_as_a_whole() -> None:
    failure = refused("DeleteFaces", {"CollectionId": "c", "FaceIds": []})
    assert (
        "Value '[]' at 'faceIds' failed to satisfy constraint: Member must have length greater"
        in failure.text
    )
    assert (
        "Member must satisfy constraint: ["
        in refused("DeleteFaces", {"CollectionId": "c", "FaceIds": ["x y"]}).text
    )


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b'{"MaxResults": 5.5}', "maxResults is a whole number, not 5.5"),
        (b'{"NextToken": 5}', "nextToken is a string, not 5"),
        (b"null", "the body is an object, not null"),
    ],
)
def test_what_was_sent_in_place_of_another_type_is_named(body: bytes, text: str) -> None:
    assert refused("ListCollections", body).text == text


@pytest.mark.parametrize("data", ["====", "YQ", "Y Q=", "_-8=", "ä"])
def test_a_blob_is_in_padded_standard_base64(data: str) -> None:
    assert refused("DetectFaces", {"Image": {"Bytes": data}}).code == "SerializationException"


@pytest.mark.parametrize(
    ("key", "fits"), [("Straße 1", True), ("aws:x", False), ("a*b", False), ("名前", True)]
)
def test_tags_may_have_letters_of_any_script(key: str, fits: bool) -> None:
    body = json.dumps({"CollectionId": "c", "Tags": {key: ""}}).encode()
    if fits:
        assert parse_members(body, REQUESTS["CreateCollection"])["Tags"] == {key: ""}
    else:
        assert (
            "at 'tags' failed to satisfy constraint: Map keys must satisfy"
            in refused("CreateCollection", body).text
        )
