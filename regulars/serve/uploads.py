"""The part of S3's signed URLs on one box: it stores an object once, returns it, and announces it.

Answers, error codes and the notification are S3's, so that a client and the `ingest` function see
no difference. It stands beside the gateway, not behind it, since pictures are larger than the
gateway's limit.
"""

from __future__ import annotations

import base64
import hashlib
import uuid

from markupsafe import Markup

from chalicelib import telemetry
from chalicelib.api.http import Failure, Wording, report_answer, translate_error
from chalicelib.domain.errors import Busy, RegularsError, StaleRequest, WrongCredentials
from chalicelib.storage.box.uploads import BUCKET, FolderUploadStore, etag_of
from chalicelib.storage.limits import CACHE_CONTROL, MAX_UPLOAD_BYTES
from chalicelib.storage.values import one_line
from regulars.serve.messages import BodyTooLarge, Request, Response

_KINDS = ((b"\xff\xd8\xff", "image/jpeg"), (b"\x89PNG\r\n\x1a\n", "image/png"))

_TABLE = {
    RegularsError: Wording("ServiceUnavailable", 503),
    StaleRequest: Wording("AccessDenied", 403),
    WrongCredentials: Wording("SignatureDoesNotMatch", 403),
    Busy: Wording("SlowDown", 503, "Please reduce your request rate"),
}
"""S3's answers to our errors."""


class SignedBlobs:
    """The part of the server below the prefix of a store's paths.

    An object's event is sent before its upload is answered.
    """

    copies = 2
    """Times that a body lies in memory: while it comes, and when it is whole."""

    def __init__(self, store: FolderUploadStore) -> None:
        self._store = store
        self.prefix = store.paths.prefix

    def admit(self, head: Request) -> int:
        """Return how many bytes the body may have.

        Raises RegularsError, Failure unless the request is signed.
        """
        telemetry.of_route(head.method, f"{self.prefix}{{key}}")
        if head.method == "PUT":
            if "content-length" not in head.headers:
                raise Failure(
                    "MissingContentLength", "You must provide the Content-Length HTTP header", 411
                )
            if head.announced_bytes > MAX_UPLOAD_BYTES:
                raise BodyTooLarge
        self._store.paths.require_signed(
            head.method, self._read_key(head), head.query, head.headers
        )
        return MAX_UPLOAD_BYTES

    def answer_error(self, head: Request, error: Exception) -> Response:
        """Answer in S3's words."""
        if isinstance(error, BodyTooLarge):
            limit_text = (
                f"Your proposed upload exceeds the maximum allowed size of {MAX_UPLOAD_BYTES} bytes"
            )
            error = Failure("EntityTooLarge", limit_text)
        failure, key = translate_error(_TABLE, error), self._read_key(head)
        report_answer(error, failure.code, f"{head.method} {self.prefix}{{key}}")
        id_ = uuid.uuid4().hex[:16].upper()
        elements = {
            "Code": failure.code,
            "Message": failure.text,
            "Resource": f"/{BUCKET}/{key}",
            "RequestId": id_,
        }
        inner = Markup().join(
            Markup("<{0}>{1}</{0}>").format(name, one_line(str(value)))
            for name, value in elements.items()
        )
        body = Markup('<?xml version="1.0" encoding="UTF-8"?>\n<Error>{}</Error>').format(inner)
        headers = (
            ("Content-Type", "application/xml"),
            ("x-amz-request-id", id_),
            *failure.headers.items(),
        )
        return Response(failure.status, headers, body.encode())

    def answer(self, request: Request) -> Response:
        """Answer one request that was admitted. Raises RegularsError, Failure."""
        return self._put(request) if request.method == "PUT" else self._get(request)

    def _put(self, request: Request) -> Response:
        """Store an upload once, if its bytes have the checksum that was signed."""
        body, key = request.body, self._read_key(request)
        sha256 = base64.b64encode(hashlib.sha256(body).digest()).decode("ascii")
        if sha256 != request.headers["x-amz-checksum-sha256"]:
            raise Failure(
                "BadDigest", "The SHA256 you specified did not match the calculated checksum"
            )
        if not self._store.put_upload(key, body, request.headers["content-type"]):
            reason = (
                "At least one of the pre-conditions you specified did not hold: the object "
                "is there already"
            )
            raise Failure("PreconditionFailed", reason, 412)
        stored_headers = (("ETag", f'"{etag_of(body)}"'), ("x-amz-checksum-sha256", sha256))
        return Response(200, (*stored_headers, ("Content-Type", "application/xml")))

    def _get(self, request: Request) -> Response:
        """Return an object, or answer 404 as S3 does."""
        data = self._store.get(self._read_key(request))
        if data is None:
            raise Failure("NoSuchKey", "The specified key does not exist", 404)
        # From the first bytes, not from the uploader's word: a browser must never show an upload as
        # a page.
        content_type = next(
            (kind for start, kind in _KINDS if data.startswith(start)), "application/octet-stream"
        )
        headers = (
            ("ETag", f'"{etag_of(data)}"'),
            ("Content-Type", content_type),
            ("Cache-Control", CACHE_CONTROL),
            ("X-Content-Type-Options", "nosniff"),
        )
        return Response(200, headers, data)

    def _read_key(self, request: Request) -> str:
        return request.path.removeprefix(self.prefix)
