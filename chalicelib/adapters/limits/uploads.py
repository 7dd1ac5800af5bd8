"""What an UploadStore takes, and the headers that an upload is sent with: the rules of S3, held by every adapter."""

from __future__ import annotations

import base64
import re

from chalicelib.core.captures import MAX_PICTURE_BYTES
from chalicelib.core.errors import InvalidInput
from chalicelib.core.ports import Upload

MAX_UPLOAD_BYTES = MAX_PICTURE_BYTES
MAX_EXPIRY_S = 7 * 86_400

_SHA256 = re.compile(r"[0-9a-f]{64}")
_CONTENT_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]*/[a-z0-9][a-z0-9!#$&^_.+-]*")


def upload_headers(upload: Upload) -> dict[str, str]:
    """The headers that make S3 store these bytes and no others, and only where nothing is stored.

    All of them are signed. Raises InvalidInput for an upload that no adapter would take.
    """
    if not _SHA256.fullmatch(upload.sha256):
        raise InvalidInput("sha256 is 64 hexadecimal digits in lower case")
    if not 1 <= upload.size <= MAX_UPLOAD_BYTES:
        raise InvalidInput(f"an upload has 1 to {MAX_UPLOAD_BYTES} bytes, not {upload.size}")
    if not _CONTENT_TYPE.fullmatch(upload.content_type):
        raise InvalidInput(f"a content type is as image/jpeg, not {upload.content_type!r}")
    return {
        "Content-Length": str(upload.size),
        "Content-Type": upload.content_type,
        "If-None-Match": "*",
        "x-amz-checksum-sha256": base64.b64encode(bytes.fromhex(upload.sha256)).decode("ascii"),
    }


def require_expiry(expires_s: int) -> None:
    """Raises InvalidInput for a time that S3 would not sign a URL for."""
    if not 1 <= expires_s <= MAX_EXPIRY_S:
        raise InvalidInput(f"a signed URL is good for 1 to {MAX_EXPIRY_S} seconds, not {expires_s}")
