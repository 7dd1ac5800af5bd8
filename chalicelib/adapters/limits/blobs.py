"""Keys and uploads that every BlobStore accepts: those that both S3 and a folder can hold."""

from __future__ import annotations

import base64
import re
from datetime import datetime

from chalicelib.core.errors import InvalidInput
from chalicelib.core.pictures import MAX_PICTURE_BYTES
from chalicelib.core.ports import Upload

MAX_KEY_BYTES = 1024
MAX_SEGMENT_BYTES = 255

_UNFIT = re.compile(r"[\x00-\x1f\x7f\\]")


def require_key(key: str) -> tuple[str, ...]:
    """Return the key's segments.

    Raises InvalidInput if the key is too long, has control characters or backslashes, or could leave the store.
    """
    try:
        data = key.encode()
    except UnicodeEncodeError:
        raise InvalidInput("a blob key is text") from None
    segments = tuple(key.split("/"))
    if not 1 <= len(data) <= MAX_KEY_BYTES or any(len(segment.encode()) > MAX_SEGMENT_BYTES for segment in segments):
        raise InvalidInput(f"a blob key has 1 to {MAX_KEY_BYTES} bytes, {MAX_SEGMENT_BYTES} between two slashes")
    if _UNFIT.search(key):
        raise InvalidInput(f"a blob key has no control characters and no backslash: {key!r}")
    # No segment may start with a dot: that refuses `.` and `..`, and reserves names for the store's own files.
    if any(not segment or segment.startswith(".") for segment in segments):
        raise InvalidInput(f"no part of a blob key is empty or starts with a dot: {key!r}")
    return segments


def require_prefix(prefix: str) -> tuple[str, ...]:
    """Return the segments of the folder that `prefix` lies in. Raises InvalidInput if no key can have the prefix."""
    if not prefix:
        return ()
    folder, slash, rest = prefix.rpartition("/")
    require_key(prefix if rest else folder)
    return tuple(folder.split("/")) if slash else ()


def require_range(begin: int, length: int) -> None:
    """Raise InvalidInput unless an object could have these bytes."""
    if begin < 0 or length < 1:
        raise InvalidInput(f"a range of an object is 1 or more bytes from 0 on, not {length} from {begin}")


MAX_UPLOAD_BYTES = MAX_PICTURE_BYTES
MAX_EXPIRY_S = 7 * 86_400

_SHA256 = re.compile(r"[0-9a-f]{64}")
_CONTENT_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]*/[a-z0-9][a-z0-9!#$&^_.+-]*")


def upload_headers(upload: Upload) -> dict[str, str]:
    """Make the headers by which S3 stores exactly these bytes, and only if the key is free. All of them are signed.

    Raises InvalidInput if no adapter would accept the upload.
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


SIGNED_S = 2 * 3_600
"""How long a signed URL is good from the hour on in which it was asked for: for one to two hours from then."""

CACHE_CONTROL = "private, max-age=3600, immutable"
"""What a signed URL's answer says to caches: objects never change, and their URLs stay the same for an hour."""


def signed_from(now: datetime) -> datetime:
    """Return the time that a URL is signed at: the hour, so that everybody who asks in it gets the same URL."""
    return now.replace(minute=0, second=0, microsecond=0)


def require_expiry(expires_s: int) -> None:
    """Raise InvalidInput if S3 would not sign a URL for so long."""
    if not 1 <= expires_s <= MAX_EXPIRY_S:
        raise InvalidInput(f"a signed URL is good for 1 to {MAX_EXPIRY_S} seconds, not {expires_s}")
