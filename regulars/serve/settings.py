"""Settings of `regulars serve`: addresses, TLS, logs and metrics."""

from __future__ import annotations

import socket
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Any

from msgspec import Struct

from chalicelib.domain.setting import setting
from chalicelib.settings import SettingError, parse_networks

FORMS, LEVELS = ("text", "json"), ("debug", "info", "warning", "error")


def _parse_port(text: str) -> int:
    """Read a port's number. Raises ValueError if it is not 0 to 65535."""
    if not (text.isascii() and text.isdigit() and len(text) <= 5 and int(text) <= 65_535):
        raise ValueError("must be a port number from 0 to 65535")
    return int(text)


def _make_choice(*choices: str) -> dict[str, Any]:
    def parse_choice(text: str) -> str:
        if text not in choices:
            raise ValueError(f"is one of {', '.join(choices)}")
        return text

    return {"read": parse_choice, "choices": choices}


class ServeSettings(Struct, frozen=True):
    """Addresses, certificate and log of one box."""

    host: str = setting(
        "127.0.0.1", "address to listen on; 0.0.0.0 for all addresses of this machine"
    )
    port: int = setting(8000, "port to listen on; 0 picks a free one", read=_parse_port)
    tls_cert: Path | None = setting(
        None,
        "certificate chain (PEM), for HTTPS only; requires tls_key",
        read=Path,
    )
    tls_key: Path | None = setting(None, "the certificate's private key (PEM)", read=Path)
    log_format: str | None = setting(
        None,
        "log format, text or json",
        nothing="text on a terminal, else json",
        **_make_choice(*FORMS),
    )
    log_level: str = setting(
        "info",
        "log level: debug, info, warning (refusals and failures only) or error",
        **_make_choice(*LEVELS),
    )
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...] = setting(
        (),
        "addresses or networks of proxies whose X-Forwarded-For and -Proto count, as 127.0.0.1",
        read=parse_networks,
        nothing="none",
    )
    metrics_port: int | None = setting(None, "port of /metrics for Prometheus", read=_parse_port)
    metrics_host: str = setting("127.0.0.1", "address of /metrics, which needs no key")

    @property
    def url(self) -> str:
        """Return the beginning of the service's URLs, as these settings have it."""
        return make_url(self.host, self.port, tls=self.tls_cert is not None)

    def __post_init__(self) -> None:
        if (self.tls_cert is None) != (self.tls_key is None):
            raise SettingError(
                "--tls-cert and --tls-key require each other, as do tls_cert and tls_key"
            )


_EVERYWHERE = {"0.0.0.0": ("192.0.2.1", "127.0.0.1"), "::": ("2001:db8::1", "::1")}  # noqa: S104 -- not bound to here
"""All addresses of this machine: one far away, which no machine has (RFC 5737, 3849), and this
machine's to itself."""


def make_url(host: str, port: int, *, tls: bool) -> str:
    """Make the beginning of the service's URLs.

    If it listens everywhere, its host is the one that others reach.
    """
    host = _find_outward_address(host) if host in _EVERYWHERE else host
    return f"{'https' if tls else 'http'}://{f'[{host}]' if ':' in host else host}:{port}"


def _find_outward_address(host: str) -> str:
    """Return this machine's address on its way to others, which the kernel knows without a packet
    being sent."""
    far_address, own_address = _EVERYWHERE[host]
    with socket.socket(
        socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM
    ) as sock:
        try:
            sock.connect((far_address, 9))
        except OSError:  # there is no network
            return own_address
        return str(sock.getsockname()[0])
