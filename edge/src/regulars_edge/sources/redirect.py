"""Redirects of RTSP, by which a camera names another place of its stream.

FFmpeg follows redirects of RTSP by itself, and gives the password to whatever is there; it has no setting for that. So
the stream is asked for here first, until nothing redirects any more, or another host is named.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Mapping
from http.client import HTTPException, parse_headers
from itertools import count, product
from urllib.parse import urlsplit

from regulars_edge.errors import SourceFailed
from regulars_edge.sources.snapshot import Address, Credentials

WAIT_S = 15.0
MOST = 5
"""Redirects, one after the other."""

_PORTS = {"rtsp": 554, "rtsps": 322}


def followed(url: str, tls: Mapping[str, str]) -> str:
    """Return the URL to open: another host's if the camera names one, and then without the password.

    `tls`: FFmpeg's options of the connection. Raises OSError; SourceFailed for a redirect out of TLS.
    """
    address = Address.of(url)
    if address.user is None:
        return url
    for _ in range(MOST):
        try:
            to = _location(address, Credentials(address.user, address.password), tls)
        except HTTPException as error:
            raise SourceFailed(f"{address.url} answers something that is no RTSP") from error
        if to is None:
            return address.with_credentials()
        if urlsplit(address.url).scheme != urlsplit(to).scheme:
            raise SourceFailed(f"{address.url} sends to {to}, which is another protocol: let `url` name the right one")
        if _place(to) != _place(address.url):
            return to
        address = Address.of(to, address.user, address.password)
    raise SourceFailed(f"{Address.of(url).url} sends elsewhere again and again: let `url` name the right place")


def _location(address: Address, credentials: Credentials, tls: Mapping[str, str]) -> str | None:
    host, port = _place(address.url)
    with socket.create_connection((host, port), WAIT_S) as plain:
        if urlsplit(address.url).scheme == "rtsp":
            return _asked(plain, address.url, credentials)
        context = ssl.create_default_context(cafile=tls.get("ca_file"))
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # a camera's own certificate is its own authority
        with context.wrap_socket(plain, server_hostname=tls.get("verifyhost", host)) as line:
            return _asked(line, address.url, credentials)


def _asked(line: socket.socket, url: str, credentials: Credentials) -> str | None:
    with line.makefile("rb") as answers:
        number, asked = count(1), False
        for method, again in product(("OPTIONS", "DESCRIBE"), (False, True)):  # FFmpeg's before it opens a track
            if again and not asked:
                continue
            header = credentials.header(method, url)
            more = f"Authorization: {header}\r\n" if header else ""
            line.sendall(
                f"{method} {url} RTSP/1.0\r\nCSeq: {next(number)}\r\nAccept: application/sdp\r\n{more}\r\n".encode()
            )
            _, _, status = answers.readline(1000).decode("latin-1").partition(" ")
            headers = parse_headers(answers)
            answers.read(int(headers.get("Content-Length", 0)))
            if status.startswith("3") or not status:
                return headers["Location"]
            asked = status.startswith("401") and credentials.challenged(headers.get_all("WWW-Authenticate", []))
    return None


def _place(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or _PORTS.get(parts.scheme, 554)
