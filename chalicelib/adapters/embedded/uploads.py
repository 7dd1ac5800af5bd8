"""A folder for uploads by others, through the server of the one box: the embedded UploadStore."""

from __future__ import annotations

import hashlib
import json
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote_plus

from chalicelib.adapters.embedded.blobs import FolderBlobStore
from chalicelib.adapters.embedded.signed_paths import SignedPaths
from chalicelib.adapters.limits.blobs import upload_headers
from chalicelib.core.errors import RegularsError
from chalicelib.core.ports import PresignedRequest, Upload
from chalicelib.core.telemetry import report_failure

BUCKET = "captures"


class FolderUploadStore(FolderBlobStore):
    """The UploadStore and PictureStore ports on the folder `root`; the requests that it
    signs are answered by regulars/serve/uploads.py.

    `base_url` begins the URLs, as in `https://box.example`. Without it they are paths, and the caller that hands them
    out adds its own scheme and host. `announce` gets the event of each upload. If it raises a RegularsError, only the
    event is lost: the object is stored, and the watch finds it later.
    """

    def __init__(
        self,
        root: Path,
        paths: SignedPaths,
        base_url: str = "",
        announce: Callable[[str], None] = lambda _event: None,
    ) -> None:
        super().__init__(root)
        self.paths = paths
        self._base_url = base_url
        self._announce = announce

    def put_upload(self, key: str, data: bytes, content_type: str) -> bool:
        if not self.put_if_absent(key, data, content_type):
            return False
        try:
            self._announce(stored_event(key, len(data), etag_of(data), datetime.now(UTC)))
        except RegularsError as error:
            report_failure(error, "an object is stored and not announced yet")
        return True

    def presigned_put(self, key: str, upload: Upload, expires_s: int) -> PresignedRequest:
        headers = upload_headers(upload)
        return PresignedRequest("PUT", self._base_url + self.paths.sign("PUT", key, headers, expires_s), headers)

    def signed_get(self, key: str) -> str:
        return self._base_url + self.paths.sign_for_hours(key)


def etag_of(data: bytes) -> str:
    """Make an object's ETag as S3 does."""
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def stored_event(key: str, size: int, etag: str, at: datetime) -> str:
    """Write the message that S3 sends to a queue after the upload of an object (event message structure 2.1)."""
    record = {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": "box",
        "eventTime": at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z",
        "eventName": "ObjectCreated:Put",
        "userIdentity": {"principalId": "box"},
        "requestParameters": {"sourceIPAddress": "127.0.0.1"},
        "responseElements": {"x-amz-request-id": uuid.uuid4().hex[:16].upper(), "x-amz-id-2": ""},
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": "captures",
            "bucket": {
                "name": BUCKET,
                "ownerIdentity": {"principalId": "box"},
                "arn": f"arn:aws:s3:::{BUCKET}",
            },
            "object": {
                "key": quote_plus(key, safe="/"),
                "size": size,
                "eTag": etag,
                "sequencer": f"{time.time_ns():018X}",
            },
        },
    }
    return json.dumps({"Records": [record]})
