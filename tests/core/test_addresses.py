from __future__ import annotations

from ipaddress import ip_network

import pytest

from chalicelib.core.addresses import network_of, sender

PROXIES = (ip_network("127.0.0.1"), ip_network("10.9.0.0/24"), ip_network("fd00::/8"))


@pytest.mark.parametrize(
    ("peer", "forwarded_for", "expected"),
    [
        ("203.0.113.7", "", "203.0.113.7"),
        ("203.0.113.7", "198.51.100.1", "203.0.113.7"),
        ("127.0.0.2", "198.51.100.1, 127.0.0.1", "127.0.0.2"),
        ("127.0.0.1", "", "127.0.0.1"),
        ("127.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("::ffff:127.0.0.1", "::ffff:198.51.100.1", "198.51.100.1"),
        ("fd00::1", "2001:db8::5", "2001:db8::5"),
        ("127.0.0.1", "192.0.2.9, 198.51.100.1", "198.51.100.1"),
        ("127.0.0.1", "192.0.2.9,198.51.100.1, 10.9.0.4", "198.51.100.1"),
        ("127.0.0.1", "10.9.0.3, 10.9.0.4", "10.9.0.3"),
        ("127.0.0.1", "198.51.100.1, unknown", "127.0.0.1"),
        ("127.0.0.1", "198.51.100.1, unknown, 10.9.0.4", "10.9.0.4"),
        ("127.0.0.1", ",", "127.0.0.1"),
        ("127.0.0.1", "198.51.100.1:5555", "198.51.100.1"),
        ("127.0.0.1", "[2001:db8::5]:80", "2001:db8::5"),
        ("127.0.0.1", "[2001:db8::5]", "2001:db8::5"),
    ],
)
def test_only_what_our_proxies_wrote_tells_the_sender(peer: str, forwarded_for: str, expected: str) -> None:
    assert sender(peer, forwarded_for, PROXIES) == expected


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
    ],
)
def test_one_sender_has_an_address_of_ipv4_or_a_network_of_ipv6(address: str, expected: str) -> None:
    assert network_of(address) == expected
