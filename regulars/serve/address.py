"""The address by which a browser reaches the service."""

from __future__ import annotations

import socket

_EVERYWHERE = {"0.0.0.0": ("192.0.2.1", "127.0.0.1"), "::": ("2001:db8::1", "::1")}  # noqa: S104 -- not bound to here
"""All addresses of this machine: one far away, which no machine has (RFC 5737, 3849), and this machine's to itself."""


def url_of(host: str, port: int, *, tls: bool) -> str:
    """Make the beginning of the service's URLs. If it listens everywhere, its host is the one that others reach."""
    host = _outward(host) if host in _EVERYWHERE else host
    return f"{'https' if tls else 'http'}://{f'[{host}]' if ':' in host else host}:{port}"


def _outward(host: str) -> str:
    """Return this machine's address on its way to others, which the kernel knows without a packet being sent."""
    far, own = _EVERYWHERE[host]
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            sock.connect((far, 9))
        except OSError:  # there is no network
            return own
        return str(sock.getsockname()[0])
