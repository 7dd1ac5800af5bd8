"""S3 when it does not answer as it should, and objects of others' buckets, read by version and up
to a size."""

import io
import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.exceptions import (
    ClientError,
    EndpointConnectionError,
    NoCredentialsError,
    ReadTimeoutError,
)
from botocore.response import StreamingBody
from moto import mock_aws

from chalicelib.domain.errors import Busy, StorageUnavailable, Unusable
from chalicelib.storage.aws.blobs import WAIT_S, S3BlobStore, S3Objects
from chalicelib.storage.aws.clients import make_client_config
from chalicelib.storage.pieces import Pieces
from chalicelib.witness import open_witness

LOST = EndpointConnectionError(endpoint_url="https://s3")


def failure(code: str, retries: int = 0) -> ClientError:
    response: Any = {"Error": {"Code": code}, "ResponseMetadata": {"RetryAttempts": retries}}
    return ClientError(response, "PutObject")


class BrokenStream(io.RawIOBase):
    def read(self, size: int | None = -1) -> bytes:
        raise ReadTimeoutError(endpoint_url="https://s3")


class OneAnswer:
    """Answers every call the same, and gets with `held`."""

    def __init__(self, reply: Exception, held: io.RawIOBase | io.BytesIO | None = None) -> None:
        self.reply = reply
        self.held = held

    def _fail(self, **request: Any) -> Any:
        raise self.reply

    put_object = delete_object = list_objects_v2 = _fail

    def get_object(self, **request: Any) -> Any:
        if self.held is None:
            raise self.reply
        return {"Body": StreamingBody(self.held, None)}  # type: ignore[arg-type]


def store(reply: Exception, held: io.RawIOBase | io.BytesIO | None = None) -> S3BlobStore:
    return S3BlobStore(OneAnswer(reply, held), "bucket")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (LOST, StorageUnavailable),
        (failure("InternalError"), StorageUnavailable),
        (failure("NoSuchBucket"), StorageUnavailable),
        (failure("SlowDown"), Busy),
        (failure("ConditionalRequestConflict"), Busy),
    ],
    ids=str,
)
def test_a_failure_is_an_error_of_ours(reply: Exception, expected: type[Exception]) -> None:
    blobs = store(reply)
    for call in (
        lambda: blobs.get("k"),
        lambda: blobs.put_if_absent("k", b"", "image/jpeg"),
        lambda: list(blobs.walk("")),
        lambda: blobs.delete("k"),
    ):
        with pytest.raises(expected):
            call()


class TwoPages:
    """Lists one object, and the other for the token that comes with the first."""

    def list_objects_v2(self, **request: Any) -> Any:
        name = "b" if request.get("ContinuationToken") == "more" else "a"
        listed = {"Key": f"{request['Prefix']}{name}", "Size": 1, "LastModified": datetime.now(UTC)}
        return {"Contents": [listed], "IsTruncated": name == "a", "NextContinuationToken": "more"}


def test_a_walk_goes_on_to_the_last_page() -> None:
    blobs = S3BlobStore(TwoPages(), "bucket")  # type: ignore[arg-type]
    assert [blob.key for blob in blobs.walk("t/")] == ["t/a", "t/b"]


def test_a_body_that_breaks_off_is_unavailable() -> None:
    with pytest.raises(StorageUnavailable):
        store(LOST, BrokenStream()).get("k")


@pytest.mark.parametrize(
    ("retries", "held", "stored"),
    [(0, b"mine", False), (1, b"mine", True), (1, b"another's", False)],
)
def test_a_retried_put_that_meets_its_own_first_attempt_has_stored(
    retries: int, held: bytes, stored: bool
) -> None:
    blobs = store(failure("PreconditionFailed", retries), io.BytesIO(held))
    assert blobs.put_if_absent("k", b"mine", "image/jpeg") is stored


class Held:
    """Refuses a put that was tried twice, since the first one has stored `held`."""

    def __init__(self, held: bytes) -> None:
        self.held = held

    def put_object(self, **request: Any) -> Any:
        request["Body"].read()
        raise failure("PreconditionFailed", 1)

    def head_object(self, **request: Any) -> Any:
        return {"ContentLength": len(self.held)}

    def get_object(self, **request: Any) -> Any:
        begin, end = map(int, request["Range"].removeprefix("bytes=").split("-"))
        return {"Body": io.BytesIO(self.held[begin : end + 1])}


@pytest.mark.parametrize("wrong_at", [None, 0, 8_000_000, 19_999_999])
def test_a_retried_put_of_pieces_is_compared_to_its_last_byte(wrong_at: int | None) -> None:
    pieces = [b"a" * 7_000_001, b"b" * 12_999_999]
    held = bytearray(b"".join(pieces))
    if wrong_at is not None:
        held[wrong_at] ^= 1
    blobs = S3BlobStore(Held(bytes(held)), "bucket")  # type: ignore[arg-type]
    assert blobs.put_if_absent("k", Pieces(pieces), "x") is (wrong_at is None)
    longer = S3BlobStore(Held(bytes(held) + b"c"), "bucket")  # type: ignore[arg-type]
    assert not longer.put_if_absent("k", Pieces(pieces), "x")


KEY = "staff/\u00e4nn +1%2f.jpg"


@pytest.fixture(scope="module")
def s3() -> Iterator[Any]:
    with mock_aws():
        client = boto3.client(
            "s3",
            region_name="eu-central-1",
            config=make_client_config("s3", WAIT_S, of_others=True),
        )
        where: Any = {"LocationConstraint": "eu-central-1"}
        client.create_bucket(Bucket="photos", CreateBucketConfiguration=where)
        client.put_bucket_versioning(Bucket="photos", VersioningConfiguration={"Status": "Enabled"})
        yield client


def test_an_object_is_read_by_its_exact_key_and_version(s3: Any) -> None:
    first = s3.put_object(Bucket="photos", Key=KEY, Body=b"older")["VersionId"]
    s3.put_object(Bucket="photos", Key=KEY, Body=b"newer")
    objects = S3Objects(s3)
    assert objects.read_object("photos", KEY, None, 10) == b"newer"
    assert objects.read_object("photos", KEY, first, 10) == b"older"
    assert objects.read_object("photos", KEY.replace("%2f", "/"), None, 10) is None


def test_an_object_may_be_as_large_as_was_asked_for_and_no_larger(s3: Any) -> None:
    s3.put_object(Bucket="photos", Key="a", Body=b"12345")
    assert S3Objects(s3).read_object("photos", "a", None, 5) == b"12345"
    with pytest.raises(Unusable, match="up to 4 bytes") as caught:
        S3Objects(s3).read_object("photos", "a", None, 4)
    assert caught.value.breaks == "bytes"


@pytest.mark.parametrize(
    ("bucket", "key", "version"),
    [
        ("photos", "absent", None),
        ("photos", "a", "no version\n"),
        ("absent", "a", None),
        ("..bad", "a", None),
        ("photos", "x" * 1_025, None),
        ("photos", "\u0000", None),
    ],
)
def test_what_is_not_there_or_can_not_be_is_nothing(
    s3: Any, bucket: str, key: str, version: str | None
) -> None:
    s3.put_object(Bucket="photos", Key="a", Body=b"a")
    assert S3Objects(s3).read_object(bucket, key, version, 10) is None


class AnswerOfAnother:
    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def get_object(self, **_asked: str) -> Any:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (ClientError({"Error": {"Code": "AccessDenied"}}, "GetObject"), "AccessDenied"),
        (EndpointConnectionError(endpoint_url="https://secret.example"), "EndpointConnectionError"),
        (NoCredentialsError(), "set AWS_ACCESS_KEY_ID"),
        ({"ContentLength": 3, "Body": StreamingBody(BrokenStream(), 3)}, "ReadTimeoutError"),
    ],
)
def test_what_cannot_be_read_is_nothing_and_the_log_says_why_without_its_name(
    caplog: pytest.LogCaptureFixture, answer: Any, said: str
) -> None:
    with caplog.at_level(logging.WARNING, "chalicelib.storage.aws.blobs"):
        assert S3Objects(AnswerOfAnother(answer)).read_object("photos", "ann.jpg", None, 10) is None  # type: ignore[arg-type] # a fake of the client
    assert said in caplog.text
    assert "ann" not in caplog.text
    assert "secret" not in caplog.text


def test_a_server_that_says_too_little_of_the_length_is_not_believed() -> None:
    answer = {"ContentLength": 3, "Body": io.BytesIO(bytes(20))}
    with pytest.raises(Unusable):
        S3Objects(AnswerOfAnother(answer)).read_object("photos", "a", None, 10)  # type: ignore[arg-type] # a fake of the client


def test_others_buckets_have_the_addresses_that_the_environment_says() -> None:
    assert make_client_config("s3", of_others=True).s3 is None
    assert make_client_config("s3").s3 is not None


def test_the_heads_of_the_audit_go_to_a_bucket_with_object_lock_and_stay(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        s3 = boto3.client("s3", region_name="us-east-1")
        s3.create_bucket(Bucket="locked", ObjectLockEnabledForBucket=True)
        rule = {"DefaultRetention": {"Mode": "COMPLIANCE", "Days": 400}}
        s3.put_object_lock_configuration(
            Bucket="locked", ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", "Rule": rule}
        )
        witness = open_witness("s3://locked/heads", lambda: pytest.fail("nothing is posted"))
        witness.keep("shop/000000001-ab.json", b"{}")
        witness.keep("shop/000000001-ab.json", b"{}")
        [only] = s3.list_object_versions(Bucket="locked")["Versions"]
        assert only["Key"] == "heads/shop/000000001-ab.json"
        with pytest.raises(ClientError, match="AccessDenied"):
            s3.delete_object(Bucket="locked", Key=only["Key"], VersionId=only["VersionId"])
