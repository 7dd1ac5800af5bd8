"""The part of S3's signed URLs on one box: it stores an object once, returns it, and announces it.

Answers, error codes and the notification are S3's, so that a client and the `ingest` function see no difference. It
stands beside the gateway, not behind it, since pictures are larger than the gateway's limit.
"""

from __future__ import annotations

import base64
import hashlib
import json
import logging
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http import HTTPStatus
from typing import IO
from urllib.parse import quote_plus
from xml.sax.saxutils import escape

from chalicelib.adapters.embedded.signed_paths import PREFIX
from chalicelib.adapters.embedded.uploads import FolderUploadStore
from chalicelib.adapters.limits.blobs import MAX_UPLOAD_BYTES
from chalicelib.core.errors import Busy, RegularsError, StaleRequest, WrongCredentials
from regulars.serve.gateway import Environ, Response, StartResponse, headers_of, respond

BUCKET = "captures"
_PART_BYTES = 256 * 1024
_KINDS = ((b"\xff\xd8\xff", "image/jpeg"), (b"\x89PNG\r\n\x1a\n", "image/png"))

_log = logging.getLogger(__name__)


class _Refused(Exception):
    def __init__(self, status: HTTPStatus, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class _Body:
    """An upload's bytes, checked against the announced SHA-256 while they are read."""

    def __init__(self, stream: IO[bytes], sha256_base64: str) -> None:
        self._stream = stream
        self._announced = sha256_base64
        self._md5 = hashlib.md5(usedforsecurity=False)

    @property
    def etag(self) -> str:
        return self._md5.hexdigest()

    def parts(self) -> Iterator[bytes]:
        """Read the body in parts. Raises _Refused after the last one if the SHA-256 is not the announced one."""
        sha256 = hashlib.sha256()
        while part := self._stream.read(_PART_BYTES):
            sha256.update(part)
            self._md5.update(part)
            yield part
        if base64.b64encode(sha256.digest()).decode("ascii") != self._announced:
            reason = "The SHA256 you specified did not match the calculated checksum"
            raise _Refused(HTTPStatus.BAD_REQUEST, "BadDigest", reason)


class SignedBlobs:
    """The WSGI application below `PREFIX`.

    `announce` gets the notification of each stored object, before the request is answered. If it raises a
    RegularsError, only the notification is lost: the object is stored, and the function `watch` finds it later.
    """

    def __init__(self, store: FolderUploadStore, announce: Callable[[str], None]) -> None:
        self._store = store
        self._announce = announce

    def __call__(self, environ: Environ, start_response: StartResponse) -> list[bytes]:
        return respond(self.answer(environ), environ, start_response)

    def answer(self, environ: Environ) -> Response:
        """Answer one request. It never raises: errors become S3's answers."""
        key = environ.get("PATH_INFO", "").encode("latin-1").decode("utf-8", "replace").removeprefix(PREFIX)
        try:
            return self._answer(environ, key)
        except _Refused as refused:
            return _error(refused.status, refused.code, str(refused), key)
        except StaleRequest as error:
            return _error(HTTPStatus.FORBIDDEN, "AccessDenied", str(error), key)
        except WrongCredentials as error:
            return _error(HTTPStatus.FORBIDDEN, "SignatureDoesNotMatch", str(error), key)
        except Busy as error:
            return _error(HTTPStatus.SERVICE_UNAVAILABLE, "SlowDown", str(error), key)
        except RegularsError as error:
            _log.warning("the object %s could not be served: %s", key, error)
            return _error(HTTPStatus.SERVICE_UNAVAILABLE, "ServiceUnavailable", str(error), key)
        except Exception:
            _log.exception("the request for the object %s failed", key)
            return _error(HTTPStatus.INTERNAL_SERVER_ERROR, "InternalError", "the server failed: try again", key)

    def _answer(self, environ: Environ, key: str) -> Response:
        method = environ["REQUEST_METHOD"]
        size = _length(environ) if method == "PUT" else 0
        headers = {name.lower(): value for name, value in headers_of(environ).items()}
        self._store.paths.require_signed(method, key, environ.get("QUERY_STRING", ""), headers)
        return self._put(environ, key, size) if method == "PUT" else self._get(key)

    def _put(self, environ: Environ, key: str, size: int) -> Response:
        body = _Body(environ["wsgi.input"], environ["HTTP_X_AMZ_CHECKSUM_SHA256"])
        if not self._store.put_parts_if_absent(key, body.parts()):
            reason = "At least one of the pre-conditions you specified did not hold: the object is there already"
            raise _Refused(HTTPStatus.PRECONDITION_FAILED, "PreconditionFailed", reason)
        try:
            self._announce(stored_event(key, size, body.etag, datetime.now(UTC)))
        except RegularsError as error:
            _log.warning("the object %s is stored and not announced yet: %s", key, error)
        return Response(200, (("ETag", f'"{body.etag}"'), ("Content-Type", "application/xml")), b"")

    def _get(self, key: str) -> Response:
        data = self._store.get(key)
        if data is None:
            raise _Refused(HTTPStatus.NOT_FOUND, "NoSuchKey", "The specified key does not exist")
        # From the first bytes, not from the uploader's word: a browser must never show an upload as a page.
        content_type = next((kind for start, kind in _KINDS if data.startswith(start)), "application/octet-stream")
        etag = hashlib.md5(data, usedforsecurity=False).hexdigest()
        headers = (("ETag", f'"{etag}"'), ("Content-Type", content_type), ("X-Content-Type-Options", "nosniff"))
        return Response(200, headers, data)


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


def _length(environ: Environ) -> int:
    length = environ.get("CONTENT_LENGTH", "")
    if not length or environ.get("HTTP_TRANSFER_ENCODING"):
        reason = "You must provide the Content-Length HTTP header"
        raise _Refused(HTTPStatus.LENGTH_REQUIRED, "MissingContentLength", reason)
    if int(length) > MAX_UPLOAD_BYTES:
        reason = f"Your proposed upload exceeds the maximum allowed size of {MAX_UPLOAD_BYTES} bytes"
        raise _Refused(HTTPStatus.BAD_REQUEST, "EntityTooLarge", reason)
    return int(length)


def _error(status: HTTPStatus, code: str, message: str, key: str) -> Response:
    request_id = uuid.uuid4().hex[:16].upper()
    elements = {"Code": code, "Message": message, "Resource": f"/{BUCKET}/{key}", "RequestId": request_id}
    inner = "".join(f"<{name}>{escape(_printable(value))}</{name}>" for name, value in elements.items())
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error>{inner}</Error>'
    headers = (("Content-Type", "application/xml"), ("x-amz-request-id", request_id))
    return Response(status.value, headers, body.encode())


def _printable(text: str) -> str:
    """Replace control characters, which XML cannot hold, by `?`."""
    return "".join(character if character.isprintable() else "?" for character in text)
