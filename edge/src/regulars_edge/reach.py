"""Resolution of host names to addresses, which refuses those of this machine: URLs that others
supply never reach this box."""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import suppress
from ipaddress import IPv6Address, ip_address
from urllib.parse import urlsplit

from regulars_edge.errors import SourceFailed


def is_inward(address: str) -> bool:
    """Tell whether an IP address is this machine's own, loopback, link-local, or no machine's.

    `192.168.7.2`: inward on the box that has it, since a socket can be bound to it.
    `::ffff:127.0.0.1`: inward.
    """
    ip = ip_address(address)
    ip = (isinstance(ip, IPv6Address) and ip.ipv4_mapped) or ip
    if ip.is_loopback or ip.is_link_local or ip.is_unspecified or ip.is_multicast:
        return True
    family = socket.AF_INET6 if ip.version == 6 else socket.AF_INET
    with suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.bind((str(ip), 0))
        return True
    return False


def find_address(host: str, is_barred: Callable[[str], bool] = is_inward) -> str:
    """Return the IP address that a host leads to, IPv4 if it has both.

    Raises SourceFailed if there is none, or one of them is barred: a name may lead here and
    elsewhere by turns.
    """
    try:
        found = [
            (row[0] != socket.AF_INET, str(row[4][0])) for row in socket.getaddrinfo(host, None)
        ]
    except (OSError, UnicodeError) as error:
        raise SourceFailed(f"{host} has no address: {error}") from error
    if any(is_barred(address) for _, address in found):
        raise SourceFailed(f"{host} leads to this machine, or to its cable alone")
    return min(found)[1]


def move_url(url: str, address: str) -> dict[str, object]:
    """Return the settings of a camera at `url` with which it is asked at `address`, whatever its
    name leads to then.

    https://door/x at 10.0.0.9: `url` is https://10.0.0.9/x, and `tls_name` is door.
    """
    parts = urlsplit(url)
    host = f"[{address}]" if ":" in address else address
    moved = parts._replace(netloc=host if parts.port is None else f"{host}:{parts.port}").geturl()
    is_named = parts.scheme.endswith("s") and parts.hostname != address
    return {"url": moved} | ({"tls_name": parts.hostname} if is_named else {})


def move_host(url: str, former: str | None, present: str | None) -> str:
    """Return a URL with the host `present`, if its own is `former`."""
    parts = urlsplit(url)
    if present is None or parts.hostname is None or parts.hostname != former:
        return url
    user, at, place = parts.netloc.rpartition("@")
    return parts._replace(netloc=user + at + place.replace(former, present)).geturl()
