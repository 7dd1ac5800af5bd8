"""Addresses of senders: whose a request is behind proxies, and what counts as one sender."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

_V6_NETWORK = 64
"""A subscriber has all addresses of such a network."""


def sender(peer: str, forwarded_for: str, proxies: Sequence[IPv4Network | IPv6Network]) -> str:
    """Return the address that a request came from: the peer's unless that is one of our proxies.

    Then it is the last in X-Forwarded-For that is none of them: what stands before it, anybody can have written.
    """
    found = peer
    for text in (peer, *reversed(forwarded_for.split(","))):
        address = _address(text)
        if address is None:
            break
        found = str(address)
        if not any(address in network for network in proxies):
            break
    return found


def network_of(address: str) -> str:
    """Return what one sender has of addresses: an address of IPv4, also one written as IPv6, or a network of IPv6."""
    known = _address(address)
    if isinstance(known, IPv6Address):
        return str(ip_network((known, _V6_NETWORK), strict=False))
    return str(known or address)


def _address(text: str) -> IPv4Address | IPv6Address | None:
    """Read an address; some proxies write its port, too: 192.0.2.1:5555, [2001:db8::1]:80."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
