"""Which keys a BlobStore takes: those that are an S3 key and a path inside a folder alike."""

from __future__ import annotations

import re

from chalicelib.core.errors import InvalidInput

MAX_KEY_BYTES = 1024
MAX_SEGMENT_BYTES = 255
MAX_LISTED = 1000

_UNFIT = re.compile(r"[\x00-\x1f\x7f\\]")


def require_key(key: str) -> tuple[str, ...]:
    """The key's segments. Raises InvalidInput for a key that is too long, unprintable, or could leave the store."""
    try:
        data = key.encode()
    except UnicodeEncodeError:
        raise InvalidInput("a blob key is text") from None
    segments = tuple(key.split("/"))
    if not 1 <= len(data) <= MAX_KEY_BYTES or any(len(segment.encode()) > MAX_SEGMENT_BYTES for segment in segments):
        raise InvalidInput(f"a blob key has 1 to {MAX_KEY_BYTES} bytes, {MAX_SEGMENT_BYTES} between two slashes")
    if _UNFIT.search(key):
        raise InvalidInput(f"a blob key has no control characters and no backslash: {key!r}")
    # No segment may start with a dot: that refuses `.` and `..`, and leaves names for the store's own files.
    if any(not segment or segment.startswith(".") for segment in segments):
        raise InvalidInput(f"no part of a blob key is empty or starts with a dot: {key!r}")
    return segments


def require_prefix(prefix: str) -> tuple[str, ...]:
    """The segments of the folder that `prefix` lies in. Raises InvalidInput for a prefix that no key can have."""
    if not prefix:
        return ()
    folder, slash, rest = prefix.rpartition("/")
    require_key(prefix if rest else folder)
    return tuple(folder.split("/")) if slash else ()


def require_listing_limit(limit: int) -> None:
    if not 1 <= limit <= MAX_LISTED:
        raise InvalidInput(f"a listing has 1 to {MAX_LISTED} objects, not {limit}")


def require_range(begin: int, length: int) -> None:
    """Raise InvalidInput unless these are bytes that an object may have."""
    if begin < 0 or length < 1:
        raise InvalidInput(f"a range of an object is 1 or more bytes from 0 on, not {length} from {begin}")
