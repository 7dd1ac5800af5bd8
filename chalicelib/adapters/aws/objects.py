"""Objects of buckets that are not the service's own, read with its own rights: pictures that clients keep in S3."""

from __future__ import annotations

import logging
from contextlib import closing
from typing import TYPE_CHECKING, Any

from botocore.exceptions import NoCredentialsError, PartialCredentialsError
from urllib3.exceptions import HTTPError

from chalicelib.adapters.aws.errors import FAILURES, error_code
from chalicelib.core.errors import Unusable

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

WAIT_S = 4
"""Seconds to wait for more of an object."""

_log = logging.getLogger(__name__)


class S3Objects:
    """The ObjectReader port on S3, or a server that speaks as S3 does: the client's environment says which."""

    def __init__(self, client: S3Client) -> None:
        self._client = client

    def read(self, bucket: str, key: str, version: str | None, most_bytes: int) -> bytes | None:
        which: Any = {"VersionId": version} if version else {}
        try:
            found = self._client.get_object(Bucket=bucket, Key=key, **which)
            with closing(found["Body"]) as body:
                data = b"" if found["ContentLength"] > most_bytes else body.read(most_bytes + 1)
        except (*FAILURES, HTTPError) as failure:
            _log.warning("a picture was not read from S3: %s", _said(failure))
            return None
        if max(len(data), found["ContentLength"]) > most_bytes:
            raise Unusable(f"a picture in S3 has up to {most_bytes} bytes", "bytes")
        return data


def _said(failure: Exception) -> str:
    """Say why in words that name no object: an object's name may be a person's."""
    if isinstance(failure, NoCredentialsError | PartialCredentialsError):
        return (
            "the service has no credentials for it: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, "
            "where it starts"
        )
    return error_code(failure) or type(failure).__name__
