"""Asking for a picture, and taking nothing but one within its limits."""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse, IncompleteRead

from chalicelib.adapters.web.url import Target
from chalicelib.adapters.web.wire import MAX_HEAD_BYTES, Deadline, Exchange
from chalicelib.core.errors import Unusable

IMAGE_TYPES = frozenset({"image/jpeg", "image/jpg", "image/png", "image/bmp", "image/x-ms-bmp"})
"""Of Content-Type; image/jpg and image/x-ms-bmp are registered nowhere and sent by many."""
_REDIRECTS = (301, 302, 303, 307, 308)
_FOUND = 200
_PART_BYTES = 64 * 1024
_MEDIA_TYPE = re.compile(r"\s*([a-z0-9.+-]{1,40}/[a-z0-9.+-]{1,40})\s*(?:;.*)?", re.DOTALL)
_HEADERS = {"Accept": "image/jpeg, image/png, image/bmp"}


@dataclass(frozen=True)
class Moved:
    """The answer is at another URL: the Location header as it came."""

    location: str


def exchange(sock: socket.socket, target: Target, deadline: Deadline, max_bytes: int) -> bytes | Moved:
    """Ask for the target and read the picture. The socket stays open: it is the caller's.

    Raises Unusable for any answer but a picture within the limits, TimeoutError, and OSError where the connection
    breaks. Nothing of an answer but its status and media type gets into a message.
    """
    under_way = Exchange(sock, target, deadline)
    try:
        with under_way.ask("GET", _HEADERS) as response:
            if response.status in _REDIRECTS:
                return _moved(response)
            _require_picture(response)
            # Chunks have framing; were it more than the picture, the chunks would be made to waste our time.
            under_way.allow(2 * max_bytes + MAX_HEAD_BYTES)
            return _body(response, max_bytes)
    except IncompleteRead:
        raise _ended_early() from None
    except HTTPException:  # its message quotes the answer
        raise Unusable("the URL's host did not answer in HTTP/1.1: send the URL of a picture on a web server") from None
    finally:
        under_way.close()


def _moved(response: HTTPResponse) -> Moved:
    location = response.getheader("Location")
    if not location:
        raise Unusable("the URL redirects to nowhere: send that of the picture itself")
    return Moved(location)


def _require_picture(response: HTTPResponse) -> None:
    if response.status != _FOUND:
        raise Unusable(f"the URL's host answered with status {response.status}, not 200: send a URL that is public")
    if (response.getheader("Content-Encoding") or "identity").strip().lower() != "identity":
        raise Unusable("the URL's host sent the picture compressed: send a URL that answers as Accept-Encoding asks")
    if (response.getheader("Transfer-Encoding") or "chunked").strip().lower() != "chunked":
        raise Unusable("the URL's host sent the picture in a transfer encoding other than chunked: use another host")
    lengths = set(response.headers.get_all("Content-Length", []))
    if len(lengths) > 1 or not all(re.fullmatch(r"[0-9]{1,18}", length) for length in lengths):
        raise Unusable("the URL's host did not say in one number how long the picture is: use another host")
    media_type = _MEDIA_TYPE.fullmatch((response.getheader("Content-Type") or "").lower())
    if media_type is None or media_type[1] not in IMAGE_TYPES:
        said = media_type[1] if media_type else "none"
        raise Unusable(
            f"the answer's media type is {said}: send the URL of a picture that has image/jpeg, image/png or image/bmp"
        )


def _body(response: HTTPResponse, max_bytes: int) -> bytes:
    expected = response.length  # None: chunked, or as much as comes
    too_large = Unusable(f"the URL's picture has more than {max_bytes} bytes: send that of a smaller picture")
    if expected is not None and expected > max_bytes:
        raise too_large
    body = bytearray()
    while part := response.read(min(_PART_BYTES, max_bytes + 1 - len(body))):
        body += part
        if len(body) > max_bytes:
            raise too_large
    if expected is not None and len(body) < expected:
        raise _ended_early()
    return bytes(body)


def _ended_early() -> Unusable:
    return Unusable("the URL's host ended the answer before the picture was complete: try again, or use another host")
