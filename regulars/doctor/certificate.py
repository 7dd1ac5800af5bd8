"""Checks of the certificate that `serve` shows: it is read, fits its key, has not ended, and has the right names."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from regulars.doctor.findings import Finding, failed, warning, well
from regulars.errors import OperatorError
from regulars.serve.settings import ServeSettings
from regulars.serve.tls import Certificate

SOON_DAYS = 14


def check_certificate(serving: ServeSettings, public_url: str | None, now: datetime) -> Iterator[Finding]:
    """Check the certificate, if the settings name one."""
    if serving.tls_cert is None or serving.tls_key is None:
        secure = public_url is not None and public_url.startswith("https:")
        here = "a proxy speaks TLS" if secure else "the service speaks plain HTTP"
        if serving.host in ("127.0.0.1", "::1", "localhost") or secure:
            yield well("tls", f"none is set: {here}")
        else:
            yield warning("tls", f"{here} at {serving.host}, which others may overhear: set `tls_cert` and `tls_key`")
        return
    try:
        Certificate(serving.tls_cert, serving.tls_key)
        shown = shown_by(serving.tls_cert, serving.tls_key)
    except ssl.SSLCertVerificationError as error:
        mend = "renew it, and check the clock"
        yield failed("tls", f"{serving.tls_cert} is refused by clients ({error.verify_message}): {mend}")
    except (OperatorError, ssl.SSLError) as error:
        yield failed("tls", f"{error}: mend `tls_cert` and `tls_key`")
    else:
        yield _lasting(serving.tls_cert, shown, now)
        yield from _named(shown, public_url)


def _lasting(chain: Path, shown: dict[str, Any], now: datetime) -> Finding:
    ends_at = datetime.fromtimestamp(ssl.cert_time_to_seconds(shown["notAfter"]), UTC)
    days = (ends_at - now).days
    ends = f"{chain} fits its key and ends in {days} days, at {ends_at:%Y-%m-%d}"
    if days < SOON_DAYS:
        return warning("tls", f"{ends}: renew it; the service takes new files without a restart")
    return well("tls", ends)


def _named(shown: dict[str, Any], public_url: str | None) -> Iterator[Finding]:
    names = [name for kind, name in shown.get("subjectAltName", ()) if kind in ("DNS", "IP Address")]
    host = urlsplit(public_url or "").hostname
    if not names:
        yield failed("tls", "the certificate has no name that clients accept: make one with a subjectAltName")
    elif host and not _covers(names, host):
        yield failed("tls", f"the certificate is of {', '.join(names)}, and not of {host}, which `public_url` says")
    else:
        yield well("tls", f"the certificate is of {', '.join(names)}")


def _covers(names: list[str], host: str) -> bool:
    return host in map(str.lower, names) or f"*.{host.partition('.')[2]}" in map(str.lower, names)


def shown_by(chain: Path, key: Path) -> dict[str, Any]:
    """Shake hands with oneself, to read the certificate as a client does that trusts this one chain.

    Raises ssl.SSLError; SSLCertVerificationError if it has ended or has not begun.
    """
    ours, theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    ours.load_cert_chain(chain, key)
    theirs.check_hostname = False
    theirs.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    theirs.load_verify_locations(chain)
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    server, client = ours.wrap_bio(there, back, server_side=True), theirs.wrap_bio(back, there)
    for _ in range(10):  # each side says two or three things
        for side in (client, server):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    return dict(client.getpeercert() or {})
