"""Which objects of S3 a tenant may have read as pictures: those of a bucket, or below a prefix in one."""

from __future__ import annotations

import re
from collections.abc import Collection
from urllib.parse import unquote

from chalicelib.core.errors import InvalidInput

MOST_PLACES = 20
_LONGEST = 512
_PLACE = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](?:/[A-Za-z0-9_.=+@-]+)*/?")
"""A bucket's name in S3, and segments without signs that mean something in a policy of AWS or in a URL."""
_SEGMENTS = re.compile(r"[/\\]")


def require_places(places: Collection[str]) -> None:
    """Raise InvalidInput unless these are buckets, or prefixes in them."""
    if len(places) > MOST_PLACES:
        raise InvalidInput(f"picture buckets are {MOST_PLACES} at most, not {len(places)}")
    for place in sorted(places):
        if not _PLACE.fullmatch(place) or len(place) > _LONGEST or _leads_elsewhere(place):
            raise InvalidInput(
                "a picture bucket is as `bucket` or `bucket/prefix`: a bucket's name, for a prefix whole segments of "
                f"letters, digits and _.=+@-, not {place[:100]!r}"
            )


def allows(places: Collection[str], bucket: str, key: str) -> bool:
    """Tell whether an object may be read: it is in one of the buckets, and below the prefix, segment by segment.

    `bucket`: without a slash. A key with a segment `.` or `..`, escaped or not, is in none: S3 takes it as it is, a
    server before it may not.
    """
    if _leads_elsewhere(key):
        return False
    return any(f"{bucket}/{key}".startswith(f"{place.rstrip('/')}/") for place in places)


def _leads_elsewhere(key: str) -> bool:
    return any(segment in (".", "..") for segment in _SEGMENTS.split(unquote(key)))
