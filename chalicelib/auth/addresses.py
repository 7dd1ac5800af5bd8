"""Client addresses: the address of a request behind proxies, and the network that counts as one
client."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

FORWARDING = ("x-forwarded-for", "x-real-ip", "forwarded", "via")
"""Headers by which proxies say that they pass a request on."""

_V6_NETWORK = 64
"""A subscriber has all addresses of such a network."""


def find_sender(
    peer: str, headers: Mapping[str, str], proxies: Sequence[IPv4Network | IPv6Network]
) -> tuple[str, dict[str, str]]:
    """Return the address that a request came from, and its headers without those that our proxies
    added about its route.

    The address is the peer's unless that is one of our proxies. Then it is the last in
    X-Forwarded-For that is none of them. What stands before it, anybody can have written: that
    stays.

    Peer 10.0.0.1, a proxy, and `X-Forwarded-For: 198.51.100.1, 192.0.2.7`: 192.0.2.7, and
    198.51.100.1 stays in the header.
    """
    forwarded_for = headers.get("x-forwarded-for", "").split(",")
    sender, believed_count = peer, 0
    for index, text in enumerate((peer, *reversed(forwarded_for))):
        address = parse_address(text)
        if address is None:
            break
        sender, believed_count = str(address), index
        if not is_in_networks(sender, proxies):
            break
    if not believed_count:
        return sender, dict(headers)
    unbelieved = ",".join(forwarded_for[:-believed_count])
    other_headers = {name: value for name, value in headers.items() if name not in FORWARDING}
    return sender, {**other_headers, "x-forwarded-for": unbelieved} if unbelieved else other_headers


def is_in_networks(address: str, networks: Sequence[IPv4Network | IPv6Network]) -> bool:
    """Tell whether the address is in one of the networks."""
    ip = parse_address(address)
    return ip is not None and any(ip in network for network in networks)


def find_network(address: str) -> str:
    """Return the addresses that count as one client: an IPv4 address, also one written as IPv6, or
    an IPv6 network."""
    ip = parse_address(address)
    if isinstance(ip, IPv6Address):
        return str(ip_network((ip, _V6_NETWORK), strict=False))
    return str(ip or address)


def parse_address(text: str) -> IPv4Address | IPv6Address | None:
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
