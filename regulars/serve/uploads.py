"""The part of S3's signed URLs on one box: it stores an object once, returns it, and announces it.

Answers, error codes and the notification are S3's, so that a client and the `ingest` function see no difference. It
stands beside the gateway, not behind it, since pictures are larger than the gateway's limit.
"""

from __future__ import annotations

import base64
import hashlib
import logging
import uuid
from collections.abc import Callable
from dataclasses import replace
from http import HTTPStatus
from typing import TypeVar
from xml.sax.saxutils import escape

from chalicelib.adapters.embedded.uploads import BUCKET, FolderUploadStore, etag_of
from chalicelib.adapters.limits.blobs import CACHE_CONTROL, MAX_UPLOAD_BYTES
from chalicelib.core import telemetry
from chalicelib.core.errors import Busy, RegularsError, StaleRequest, WrongCredentials
from regulars.serve.messages import Refused, Request, Response

_KINDS = ((b"\xff\xd8\xff", "image/jpeg"), (b"\x89PNG\r\n\x1a\n", "image/png"))

_UNAVAILABLE = (HTTPStatus.SERVICE_UNAVAILABLE, "ServiceUnavailable")
_CODES = {
    StaleRequest: (HTTPStatus.FORBIDDEN, "AccessDenied"),
    WrongCredentials: (HTTPStatus.FORBIDDEN, "SignatureDoesNotMatch"),
    Busy: (HTTPStatus.SERVICE_UNAVAILABLE, "SlowDown"),
}
"""S3's answers to our errors; to any other, it is unavailable. The first that fits holds."""

_log = logging.getLogger(__name__)
_Result = TypeVar("_Result")


class SignedBlobs:
    """The part of the server below the prefix of a store's paths.

    An object's event is sent before its upload is answered.
    """

    copies = 2
    """Times that a body lies in memory: while it comes, and when it is whole."""

    def __init__(self, store: FolderUploadStore) -> None:
        self._store = store
        self.prefix = store.paths.prefix

    def takes(self, path: str) -> bool:
        return path.startswith(self.prefix)

    def admit(self, head: Request) -> int:
        """Return how many bytes the body may have. Raises Refused unless the request is signed."""
        telemetry.of_route(head.method, f"{self.prefix}{{key}}")
        return self._told(head, self._admitted)

    def too_long(self, head: Request) -> Response:
        reason = f"Your proposed upload exceeds the maximum allowed size of {MAX_UPLOAD_BYTES} bytes"
        return _error(HTTPStatus.BAD_REQUEST, "EntityTooLarge", reason, self._key(head))

    def busy(self, head: Request) -> Response:
        """Answer that there is no room for the request now."""
        answer = _error(HTTPStatus.SERVICE_UNAVAILABLE, "SlowDown", "Please reduce your request rate", self._key(head))
        return replace(answer, headers=(*answer.headers, ("Retry-After", "1")))

    def answer(self, request: Request) -> Response:
        """Answer one request that was admitted. It never raises: errors become S3's answers."""
        try:
            return self._told(request, self._put if request.method == "PUT" else self._get)
        except Refused as refused:
            return refused.response

    def _told(self, request: Request, do: Callable[[Request], _Result]) -> _Result:
        """Call `do`. Raises Refused, with S3's answer, in place of any error."""
        key = self._key(request)
        try:
            return do(request)
        except Refused:
            raise
        except RegularsError as error:
            status, code = next((found for kind, found in _CODES.items() if isinstance(error, kind)), _UNAVAILABLE)
            if code == _UNAVAILABLE[1]:
                _log.warning("the object %s could not be served: %s", key, error)
            answer = _error(status, code, str(error), key)
        except Exception:
            _log.exception("the request for the object %s failed", key)
            answer = _error(HTTPStatus.INTERNAL_SERVER_ERROR, "InternalError", "the server failed: try again", key)
        raise Refused(answer)

    def _admitted(self, head: Request) -> int:
        if head.method == "PUT":
            if "content-length" not in head.headers:
                reason = "You must provide the Content-Length HTTP header"
                raise Refused(_error(HTTPStatus.LENGTH_REQUIRED, "MissingContentLength", reason, self._key(head)))
            if head.announced_bytes > MAX_UPLOAD_BYTES:
                raise Refused(self.too_long(head))
        self._store.paths.require_signed(head.method, self._key(head), head.query, head.headers)
        return MAX_UPLOAD_BYTES

    def _put(self, request: Request) -> Response:
        body, key = request.body, self._key(request)
        sha256 = base64.b64encode(hashlib.sha256(body).digest()).decode("ascii")
        if sha256 != request.headers["x-amz-checksum-sha256"]:
            reason = "The SHA256 you specified did not match the calculated checksum"
            raise Refused(_error(HTTPStatus.BAD_REQUEST, "BadDigest", reason, key))
        if not self._store.put_upload(key, body, request.headers["content-type"]):
            reason = "At least one of the pre-conditions you specified did not hold: the object is there already"
            raise Refused(_error(HTTPStatus.PRECONDITION_FAILED, "PreconditionFailed", reason, key))
        found = (("ETag", f'"{etag_of(body)}"'), ("x-amz-checksum-sha256", sha256))
        return Response(200, (*found, ("Content-Type", "application/xml")))

    def _get(self, request: Request) -> Response:
        data = self._store.get(self._key(request))
        if data is None:
            raise Refused(
                _error(HTTPStatus.NOT_FOUND, "NoSuchKey", "The specified key does not exist", self._key(request))
            )
        # From the first bytes, not from the uploader's word: a browser must never show an upload as a page.
        content_type = next((kind for start, kind in _KINDS if data.startswith(start)), "application/octet-stream")
        headers = (
            ("ETag", f'"{etag_of(data)}"'),
            ("Content-Type", content_type),
            ("Cache-Control", CACHE_CONTROL),
            ("X-Content-Type-Options", "nosniff"),
        )
        return Response(200, headers, data)

    def _key(self, request: Request) -> str:
        return request.path.removeprefix(self.prefix)


def _error(status: HTTPStatus, code: str, message: str, key: str) -> Response:
    telemetry.answered(code, code)
    request_id = uuid.uuid4().hex[:16].upper()
    elements = {"Code": code, "Message": message, "Resource": f"/{BUCKET}/{key}", "RequestId": request_id}
    inner = "".join(f"<{name}>{escape(_printable(value))}</{name}>" for name, value in elements.items())
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error>{inner}</Error>'
    headers = (("Content-Type", "application/xml"), ("x-amz-request-id", request_id))
    return Response(status.value, headers, body.encode())


def _printable(text: str) -> str:
    """Replace control characters, which XML cannot hold, by `?`."""
    return "".join(character if character.isprintable() else "?" for character in text)
