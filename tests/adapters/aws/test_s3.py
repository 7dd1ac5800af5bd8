"""S3 when it does not answer as it should."""

from __future__ import annotations

import io
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, ReadTimeoutError
from botocore.response import StreamingBody

from chalicelib.adapters.aws.blobs import S3BlobStore
from chalicelib.core.errors import Busy, StorageUnavailable

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
        lambda: blobs.list(""),
        lambda: blobs.delete("k"),
    ):
        with pytest.raises(expected):
            call()


def test_a_body_that_breaks_off_is_unavailable() -> None:
    with pytest.raises(StorageUnavailable):
        store(LOST, BrokenStream()).get("k")


@pytest.mark.parametrize(
    ("retries", "held", "stored"), [(0, b"mine", False), (1, b"mine", True), (1, b"another's", False)]
)
def test_a_retried_put_that_meets_its_own_first_attempt_has_stored(retries: int, held: bytes, stored: bool) -> None:
    blobs = store(failure("PreconditionFailed", retries), io.BytesIO(held))
    assert blobs.put_if_absent("k", b"mine", "image/jpeg") is stored
