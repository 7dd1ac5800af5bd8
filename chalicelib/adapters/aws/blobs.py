"""Objects in an S3 bucket: the BlobStore on AWS."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from botocore.exceptions import ClientError

from chalicelib.adapters.aws.clients import aws_credentials
from chalicelib.adapters.aws.errors import error_code, translated
from chalicelib.adapters.aws.signed_urls import Signer
from chalicelib.adapters.limits.blobs import (
    CACHE_CONTROL,
    SIGNED_S,
    require_key,
    require_listing_limit,
    require_prefix,
    require_range,
    signed_from,
)
from chalicelib.core.lazy import lazy
from chalicelib.core.ports import BlobInfo

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_SERVICE = "S3"
_ANY_KEY = "t/faces/k"
"""A key such as the pictures have that URLs are signed for."""


class S3BlobStore:
    """The BlobStore port on the bucket `bucket`."""

    def __init__(
        self,
        client: S3Client,
        bucket: str,
        credentials: Callable[[], Any] = aws_credentials,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._client = client
        self._bucket = bucket
        self._credentials = credentials
        self._now = now

    def get(self, key: str) -> bytes | None:
        require_key(key)
        return self._read({"NoSuchKey": None}, Key=key)

    def size(self, key: str) -> int | None:
        require_key(key)
        with translated(_SERVICE):
            try:
                return self._client.head_object(Bucket=self._bucket, Key=key)["ContentLength"]
            except ClientError as error:
                if error_code(error) in ("404", "NoSuchKey"):
                    return None
                raise

    def get_range(self, key: str, begin: int, length: int) -> bytes | None:
        require_key(key)
        require_range(begin, length)
        return self._read(
            {"NoSuchKey": None, "InvalidRange": b""}, Key=key, Range=f"bytes={begin}-{begin + length - 1}"
        )

    def _read(self, instead: Mapping[str, bytes | None], **asked: Any) -> bytes | None:
        """Read an object, or return what stands `instead` of an error of this code."""
        with translated(_SERVICE):
            try:
                # The body is streamed, so reading it can fail just as the call can.
                return self._client.get_object(Bucket=self._bucket, **asked)["Body"].read()
            except ClientError as error:
                if error_code(error) in instead:
                    return instead[error_code(error)]
                raise

    def put_if_absent(self, key: str, data: bytes, content_type: str) -> bool:
        require_key(key)
        with translated(_SERVICE):
            try:
                self._client.put_object(
                    Bucket=self._bucket, Key=key, Body=data, ContentType=content_type, IfNoneMatch="*"
                )
            except ClientError as error:
                if error_code(error) != "PreconditionFailed":
                    raise
                # The client retries by itself: its first attempt may have stored the object and lost the answer.
                retried = error.response["ResponseMetadata"].get("RetryAttempts", 0) > 0
                return retried and self.get(key) == data
        return True

    def replace(self, key: str, data: bytes, content_type: str) -> None:
        require_key(key)
        with translated(_SERVICE):
            self._client.put_object(Bucket=self._bucket, Key=key, Body=data, ContentType=content_type)

    def list(self, prefix: str, after: str | None = None, limit: int = 1000) -> Sequence[BlobInfo]:
        require_prefix(prefix)
        require_listing_limit(limit)
        parameters: dict[str, Any] = {"Bucket": self._bucket, "Prefix": prefix}
        if after:
            parameters["StartAfter"] = after
        found: list[BlobInfo] = []
        with translated(_SERVICE):
            while True:
                answer = self._client.list_objects_v2(**parameters, MaxKeys=limit - len(found))
                for entry in answer.get("Contents", []):
                    found.append(BlobInfo(entry["Key"], entry["Size"], entry["LastModified"].astimezone(UTC)))
                if not answer["IsTruncated"] or len(found) >= limit:
                    return found
                parameters["ContinuationToken"] = answer["NextContinuationToken"]

    def delete(self, key: str) -> None:
        require_key(key)
        with translated(_SERVICE):
            self._client.delete_object(Bucket=self._bucket, Key=key)

    def signed_get(self, key: str) -> str:
        require_key(key)
        with translated(_SERVICE):
            found = self._credentials().get_frozen_credentials()
            signer = Signer(found.access_key, found.secret_key, found.token or "", self._client.meta.region_name)
            url = self._root_url + quote(key, safe="/-_.~")
            cached = {"response-cache-control": CACHE_CONTROL}
            return signer.get(url, signed_from(self._now()), SIGNED_S, cached)

    @lazy
    def _root_url(self) -> str:
        """Return what all objects' URLs begin with, as botocore forms it for this bucket and region."""
        signed = self._client.generate_presigned_url("get_object", Params={"Bucket": self._bucket, "Key": _ANY_KEY})
        return signed.partition("?")[0].removesuffix(_ANY_KEY)
