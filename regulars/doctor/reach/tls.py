"""TLS of the address, as a camera sees it that is some years old."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from contextlib import suppress
from urllib.parse import urlsplit

from regulars.doctor.reach.asking import NotSetUp, Reach
from regulars.findings import Finding, failed, warning, well
from regulars.serve.tls import SOON_DAYS

_PATIENCE_S = 10.0
_REMEDIES = {
    10: "it has ended: renew it",
    18: "it vouches for itself: give it to each camera, or take one of an authority",
    19: "its authority is unknown here: give that one to each camera",
    20: "the chain is not whole: serve the full chain (`fullchain.pem`)",
    21: "the chain is not whole: serve the full chain (`fullchain.pem`)",
    62: "it is of another name: get one of the name in `public_url`",
    64: "it is of another address: get one of the address in `public_url`",
}
"""Remedies by OpenSSL's number of the fault of a certificate."""


def ask_tls(reach: Reach) -> Iterator[Finding]:
    """Shake hands by TLS 1.2, with the host's name and without."""
    parts = urlsplit(reach.url)
    if parts.scheme != "https" or not parts.hostname:
        raise NotSetUp("the address has no https, and keys go in the clear")
    address = (parts.hostname, parts.port or 443)
    sent = f"TLS 1.2 with {parts.hostname}:{address[1]}"
    try:
        certificate, ends_at_s = _shake(address)
    except ssl.SSLCertVerificationError as error:
        remedy = _REMEDIES.get(error.verify_code, "get another certificate")
        yield failed("tls", f"{sent}: {error.verify_message}: {remedy}")
        return
    except OSError as error:
        reason = error.reason if isinstance(error, ssl.SSLError) else error
        remedy = "see name, port and router, and allow TLS 1.2, which cameras speak"
        yield failed("tls", f"{sent}: {reason}: {remedy}")
        return
    days = int((ends_at_s - reach.now.timestamp()) // 86_400)
    ends = f"{sent}: the chain is whole, and ends in {days} days"
    yield warning("tls", f"{ends}: renew it") if days < SOON_DAYS else well("tls", ends)
    yield _ask_unnamed(address, certificate)


def _ask_unnamed(address: tuple[str, int], certificate: bytes) -> Finding:
    """Shake hands as an old camera does, which names no host (SNI)."""
    context = _make_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # nothing is told there
    shown = None
    with (
        suppress(OSError),
        socket.create_connection(address, _PATIENCE_S) as plain,
        context.wrap_socket(plain) as line,
    ):
        shown = line.getpeercert(binary_form=True)
    if shown == certificate:
        return well("tls", "a camera that names no host (SNI) is shown the same certificate")
    return warning(
        "tls",
        "a camera that names no host (SNI) is shown another certificate: make this one the default",
    )


def _shake(address: tuple[str, int]) -> tuple[bytes, float]:
    """Return the certificate and when it ends, in s since 1970. Raises OSError."""
    with (
        socket.create_connection(address, _PATIENCE_S) as plain,
        _make_context().wrap_socket(plain, server_hostname=address[0]) as line,
    ):
        ends_at = str((line.getpeercert() or {})["notAfter"])
        return line.getpeercert(binary_form=True) or b"", ssl.cert_time_to_seconds(ends_at)


def _make_context() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    return context
