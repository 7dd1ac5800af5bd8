"""Objects in S3: the BlobStore and the UploadStore on AWS, and pictures that clients keep in
buckets of their own.

URLs are signed here, at a time of our choosing (AWS Signature Version 4 in the query). botocore
signs at its own clock's second, so that no two of its URLs are the same, and it takes half a
millisecond for one. A page of a hundred faces has two hundred.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from datetime import UTC, datetime
from functools import lru_cache, reduce
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote, urlencode, urlsplit

from botocore.exceptions import ClientError, NoCredentialsError, PartialCredentialsError
from urllib3.exceptions import HTTPError

from chalicelib.domain.errors import Unusable
from chalicelib.lazy import lazy
from chalicelib.storage.aws.clients import open_aws_credentials
from chalicelib.storage.aws.errors import FAILURES, parse_error_code, translate_failures
from chalicelib.storage.limits import (
    CACHE_CONTROL,
    SIGNED_S,
    make_upload_headers,
    require_blob_key,
    require_expiry,
    require_prefix,
    require_range,
    signed_from,
)
from chalicelib.storage.pieces import Pieces
from chalicelib.storage.ports import BlobInfo, PresignedRequest, Upload

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


_log = logging.getLogger(__name__)


_ALGORITHM = "AWS4-HMAC-SHA256"


def _sign_url(url: str, credentials: Any, region: str, signed_at: datetime) -> str:
    """Sign a GET of an object's `url` with frozen credentials, good from `signed_at` (UTC) for
    SIGNED_S.

    It is AWS Signature Version 4 in the query: a canonical request, its hash in the text to sign,
    and the signature.
    """
    time_text, host = signed_at.strftime("%Y%m%dT%H%M%SZ"), urlsplit(url).netloc
    scope = f"{time_text[:8]}/{region}/s3/aws4_request"
    parameters = {
        "response-cache-control": CACHE_CONTROL,
        "X-Amz-Algorithm": _ALGORITHM,
        "X-Amz-Credential": f"{credentials.access_key}/{scope}",
        "X-Amz-Date": time_text,
        "X-Amz-Expires": str(SIGNED_S),
        **({"X-Amz-Security-Token": credentials.token} if credentials.token else {}),
        "X-Amz-SignedHeaders": "host",
    }
    query = urlencode(sorted(parameters.items()), quote_via=quote, safe="")
    request = f"GET\n{urlsplit(url).path}\n{query}\nhost:{host}\n\nhost\nUNSIGNED-PAYLOAD"
    text_to_sign = (
        f"{_ALGORITHM}\n{time_text}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
    )
    signature = _compute_hmac(
        _derive_signing_key(credentials.secret_key, scope), text_to_sign
    ).hex()
    return f"{url}?{query}&X-Amz-Signature={signature}"


@lru_cache(maxsize=4)
def _derive_signing_key(secret_key: str, scope: str) -> bytes:
    """Derive the key of a day, region and service."""
    return reduce(_compute_hmac, scope.split("/"), f"AWS4{secret_key}".encode())


def _compute_hmac(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


_SERVICE = "S3"
_COMPARED_AT_ONCE = 8_000_000
"""Bytes of an object."""
_ANY_KEY = "t/faces/k"
"""A key such as the pictures have that URLs are signed for."""


_T = TypeVar("_T")


def _call_or_instead(instead: Mapping[str, _T | None], call_s3: Callable[[], _T]) -> _T | None:
    """Return what a call of S3 does, or what stands `instead` of its error of this code."""
    with translate_failures(_SERVICE):
        try:
            return call_s3()
        except ClientError as error:
            if parse_error_code(error) in instead:
                return instead[parse_error_code(error)]
            raise


class S3BlobStore:
    """The BlobStore port on the bucket `bucket`."""

    def __init__(
        self,
        client: S3Client,
        bucket: str,
        credentials: Callable[[], Any] = open_aws_credentials,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._client = client
        self._bucket = bucket
        self._credentials = credentials
        self._now = now

    def get(self, key: str) -> bytes | None:
        return _call_or_instead({"NoSuchKey": None}, lambda: self._read_object(key))

    def size(self, key: str) -> int | None:
        missing = {"404": None, "NoSuchKey": None}
        return _call_or_instead(
            missing, lambda: self._client.head_object(**self._locate_object(key))["ContentLength"]
        )

    def get_range(self, key: str, begin: int, length: int) -> bytes | None:
        require_range(begin, length)
        byte_range = f"bytes={begin}-{begin + length - 1}"
        return _call_or_instead(
            {"NoSuchKey": None, "InvalidRange": b""},
            lambda: self._read_object(key, Range=byte_range),
        )

    def _locate_object(self, key: str) -> dict[str, Any]:
        """Return the parameters that name an object. Raises InvalidInput."""
        require_blob_key(key)
        return {"Bucket": self._bucket, "Key": key}

    def _read_object(self, key: str, **options: Any) -> bytes:
        # The body is streamed, so reading it can fail just as the call can.
        return self._client.get_object(**self._locate_object(key), **options)["Body"].read()

    def put_if_absent(self, key: str, data: bytes | Pieces, content_type: str) -> bool:
        body: Any = data  # boto3 takes any file that can be read and sought
        with translate_failures(_SERVICE):
            try:
                self._client.put_object(
                    **self._locate_object(key), Body=body, ContentType=content_type, IfNoneMatch="*"
                )
            except ClientError as error:
                if parse_error_code(error) != "PreconditionFailed":
                    raise
                # The client retries by itself: its first attempt may have stored the object and
                # lost the answer.
                retried = error.response["ResponseMetadata"].get("RetryAttempts", 0) > 0
                return retried and self._is_stored(key, data)
        return True

    def _is_stored(self, key: str, data: bytes | Pieces) -> bool:
        """Return whether the object has this content, which is compared in parts if it is large."""
        if not isinstance(data, Pieces):
            return self.get(key) == data
        if self.size(key) != data.size:
            return False
        data.seek(0)
        while part := data.read(_COMPARED_AT_ONCE):
            if self.get_range(key, data.tell() - len(part), len(part)) != part:
                return False
        return True

    def replace(self, key: str, data: bytes, content_type: str) -> None:
        with translate_failures(_SERVICE):
            self._client.put_object(**self._locate_object(key), Body=data, ContentType=content_type)

    def walk(self, prefix: str, after: str | None = None) -> Iterator[BlobInfo]:
        require_prefix(prefix)
        parameters: dict[str, Any] = {"Bucket": self._bucket, "Prefix": prefix}
        return self._list_objects(parameters | ({"StartAfter": after} if after else {}))

    def _list_objects(self, parameters: dict[str, Any]) -> Iterator[BlobInfo]:
        """Yield what S3 lists, page by page: a thousand, or fewer, from each read."""
        while True:
            with translate_failures(_SERVICE):
                answer = self._client.list_objects_v2(**parameters)
            for entry in answer.get("Contents", []):
                yield BlobInfo(entry["Key"], entry["Size"], entry["LastModified"].astimezone(UTC))
            if not answer["IsTruncated"]:
                return
            parameters = {**parameters, "ContinuationToken": answer["NextContinuationToken"]}

    def delete(self, key: str) -> None:
        with translate_failures(_SERVICE):
            self._client.delete_object(**self._locate_object(key))

    def signed_get(self, key: str) -> str:
        require_blob_key(key)
        with translate_failures(_SERVICE):
            credentials = self._credentials().get_frozen_credentials()
            url = self._root_url + quote(key, safe="/-_.~")
            return _sign_url(
                url, credentials, self._client.meta.region_name, signed_from(self._now())
            )

    @lazy
    def _root_url(self) -> str:
        """Return what all objects' URLs begin with, as botocore forms it for this bucket and
        region."""
        signed = self._client.generate_presigned_url(
            "get_object", Params={"Bucket": self._bucket, "Key": _ANY_KEY}
        )
        return signed.partition("?")[0].removesuffix(_ANY_KEY)


class S3UploadStore(S3BlobStore):
    """The UploadStore port on the bucket `bucket`.

    The client must sign with version 4 (aws/clients.py). Version 2, which botocore still uses for
    URLs in regions that accept it, silently leaves out the length and the condition.
    """

    def put_upload(self, key: str, data: bytes, content_type: str) -> bool:
        return self.put_if_absent(key, data, content_type)  # the bucket sends the message

    def presigned_put(self, key: str, upload: Upload, expires_s: int) -> PresignedRequest:
        """Return a request by which anybody uploads this one object, without a key, for `expires_s`
        seconds.

        The signature covers length, type and SHA-256, and that there is no such object yet. Raises
        InvalidInput for a time that S3 does not sign, StorageUnavailable.
        """
        headers = make_upload_headers(upload)
        signed = {
            "ContentLength": upload.size,
            "ContentType": upload.content_type,
            "IfNoneMatch": headers["If-None-Match"],
            "ChecksumSHA256": headers["x-amz-checksum-sha256"],
        }
        require_expiry(expires_s)
        with translate_failures(_SERVICE):
            params = {**self._locate_object(key), **signed}
            url = self._client.generate_presigned_url(
                "put_object", Params=params, ExpiresIn=expires_s
            )
        return PresignedRequest("PUT", url, headers)


WAIT_S = 4
"""Seconds to wait for more of an object."""


class S3Objects:
    """The ObjectReader port on S3, or a server that speaks as S3 does: the client's environment
    says which."""

    def __init__(self, client: S3Client) -> None:
        self._client = client

    def read_object(
        self, bucket: str, key: str, version: str | None, most_bytes: int
    ) -> bytes | None:
        """Read a client's object; None if S3 does not give it out.

        Raises Unusable if it is larger than it may be.
        """
        version_option: Any = {"VersionId": version} if version else {}
        try:
            answer = self._client.get_object(Bucket=bucket, Key=key, **version_option)
            with closing(answer["Body"]) as body:
                data = b"" if answer["ContentLength"] > most_bytes else body.read(most_bytes + 1)
        except (*FAILURES, HTTPError) as failure:
            _log.warning("a picture was not read from S3: %s", _describe_failure(failure))
            return None
        if max(len(data), answer["ContentLength"]) > most_bytes:
            raise Unusable(f"a picture in S3 has up to {most_bytes} bytes", "bytes")
        return data


def _describe_failure(failure: Exception) -> str:
    """Say why in words that name no object: an object's name may be a person's."""
    if isinstance(failure, NoCredentialsError | PartialCredentialsError):
        return (
            "the service has no credentials for it: set AWS_ACCESS_KEY_ID and "
            "AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, "
            "where it starts"
        )
    return parse_error_code(failure) or type(failure).__name__
