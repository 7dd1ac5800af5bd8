"""Objects in an S3 bucket: the BlobStore on AWS."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from chalicelib.adapters.aws.errors import error_code, translated
from chalicelib.adapters.limits.blobs import require_key, require_listing_limit, require_prefix, require_range
from chalicelib.core.ports import BlobInfo

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_SERVICE = "S3"


class S3BlobStore:
    """The BlobStore port on the bucket `bucket`."""

    def __init__(self, client: S3Client, bucket: str) -> None:
        self._client = client
        self._bucket = bucket

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
