"""Texts without the secrets that they may hold."""

from __future__ import annotations

import re
from urllib.parse import quote

_USERINFO = re.compile(r"(?<=:/)/?.*@")
"""To the last @ of the line, for a password may hold any character; and of what a path has made of
a URL."""
_BEARER = re.compile(r"(?i)\b(bearer|basic|digest)\s+[^\s,'\"]+")
_URL = re.compile(r"(?::/|[?&][^\s?&=]*=)\S*")
"""A URL behind its scheme, and a query by itself, to the next space."""
_HOST = re.compile(r":/+[^/]*")
"""The host and the port of a URL behind its scheme."""
_IN_PATH = re.compile(r"(?i)(?<==)[^&]+|(?:(?<=:)|(?<=%3A))[^/:]+")
"""In a URL's path: a value, and what stands behind a colon of a part, as in `admin:PASSWORD`."""
_CLOSERS = re.compile(r"[\"'),.:;]*$")
"""Characters that a sentence or a quotation puts after a URL."""

HIDDEN = "***"


def redact_text(text: str) -> str:
    """`text` without the user part of URLs, any value of their queries, authorization values, and
    control characters.

    No list of names tells which value is a secret: each kind of camera has a name of its own for
    the password, and some write it into the path. Names of files and answers may have control
    characters, and a terminal obeys them.

    >>> redact_text("rtsp://admin:pa@ss@10.0.0.9/live?loginpas=x&channel=1 is busy")
    'rtsp://***@10.0.0.9/live?loginpas=***&channel=*** is busy'
    >>> redact_text("rtsp://10.0.0.9:554/0/admin:pass/main")
    'rtsp://10.0.0.9:554/0/admin:***/main'
    """
    text = "".join(letter if letter.isprintable() or letter == "\n" else "?" for letter in text)
    text = _USERINFO.sub(f"/{HIDDEN}@", text)
    text = _BEARER.sub(rf"\1 {HIDDEN}", text)
    return _URL.sub(lambda found: _hide_values(found[0]), text)


def redact_url(url: str) -> str:
    """Return what `redact_text` shows of a URL alone, whose spaces and quotes do not end it: they
    are percent-encoded.

    >>> redact_url("http://10.0.0.9/shot?pass=it's mine")
    'http://10.0.0.9/shot?pass=***'
    """
    return redact_text(quote(url, safe="%/:?&=@[]#~+!$*", errors="replace"))


def _hide_values(url: str) -> str:
    closers = "".join(_CLOSERS.findall(url))
    path, mark, query = url.removesuffix(closers).partition("?")
    host = _HOST.match(path)
    start = host.end() if host else 0
    return (
        path[:start]
        + _IN_PATH.sub(HIDDEN, path[start:])
        + mark
        + "&".join(map(_hide_value, query.split("&")))
        + closers
    )


def _hide_value(part: str) -> str:
    """Hide the value of one part of a query; one without a name is hidden whole, such as a base64
    that ends in "="."""
    name, _, value = part.partition("=")
    return f"{name}={HIDDEN}" if value.strip("=") else HIDDEN * bool(part)
