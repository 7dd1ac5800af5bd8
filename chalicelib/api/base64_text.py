"""Pictures in base64, as people's programs write it."""

from __future__ import annotations

import base64

_WHITE = b" \t\r\n\v\f"
_BREAKS = str.maketrans("", "", "\r\n\t")
_STANDARD = bytes.maketrans(b"-_", b"+/")
_LONGEST_HEAD = 200
"""Most characters of a data URI before its comma."""


def parse_base64(text: str) -> bytes:
    """Return the bytes of base64 in its standard or its URL-safe alphabet (RFC 4648).

    Raises ValueError.

    A `data:` URI's head is dropped, white space is passed over, and padding may be missing.
    """
    digits = _drop_head(text).encode("ascii").translate(_STANDARD, _WHITE).rstrip(b"=")
    return base64.b64decode(digits + b"=" * (-len(digits) % 4), validate=True)


def clean_form_value(text: str) -> str:
    """Return base64 from a value of a form without its head and breaks: a space in it is a `+` that
    was not escaped.

    Spaces around it are none: no picture's base64 begins with a `+`, and none has one behind its
    padding.
    """
    text = _drop_head(text.translate(_BREAKS).lstrip(" ")).lstrip(" ")
    stripped = text.rstrip(" ")
    return (stripped if stripped.endswith("=") else text).replace(" ", "+")


def _drop_head(text: str) -> str:
    """Drop the beginning of a data URI (RFC 2397)."""
    if text.lstrip()[:5].lower() != "data:":
        return text
    head, comma, content = text.partition(",")
    return content if comma and len(head) <= _LONGEST_HEAD else text
