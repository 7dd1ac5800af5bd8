from ipaddress import ip_network

import pytest

from chalicelib.auth.addresses import find_network, find_sender, is_in_networks

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
def test_only_what_our_proxies_wrote_tells_the_sender(
    peer: str, forwarded_for: str, expected: str
) -> None:
    assert find_sender(peer, {"x-forwarded-for": forwarded_for}, PROXIES)[0] == expected


@pytest.mark.parametrize(
    ("peer", "sent", "left"),
    [
        ("203.0.113.7", {"host": "box"}, {}),
        (
            "203.0.113.7",
            {"via": "1.1 proxy", "x-forwarded-for": "127.0.0.1"},
            {"via", "x-forwarded-for"},
        ),
        ("127.0.0.1", {"via": "1.1 proxy", "forwarded": "for=198.51.100.1"}, {"via", "forwarded"}),
        ("127.0.0.1", {"x-forwarded-for": "unknown"}, {"x-forwarded-for"}),
        (
            "127.0.0.1",
            {
                "via": "1.1 proxy",
                "x-real-ip": "x",
                "forwarded": "for=x",
                "x-forwarded-for": "198.51.100.1",
            },
            set(),
        ),
        ("127.0.0.1", {"via": "1.1 proxy", "x-forwarded-for": "198.51.100.1, 10.9.0.4"}, set()),
        (
            "127.0.0.1",
            {"via": "1.1 proxy", "x-forwarded-for": "192.0.2.9, 198.51.100.1"},
            {"x-forwarded-for"},
        ),
    ],
)
def test_what_is_left_was_forwarded_by_strangers(
    peer: str, sent: dict[str, str], left: set[str]
) -> None:
    assert set(find_sender(peer, sent, PROXIES)[1]) - {"host"} == set(left)


def test_an_address_is_in_a_network_however_it_is_written() -> None:
    assert is_in_networks("127.0.0.1", PROXIES)
    assert is_in_networks("::ffff:127.0.0.1", PROXIES)
    assert not is_in_networks("127.0.0.2", PROXIES)
    assert not is_in_networks("", PROXIES)


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
def test_one_sender_has_an_address_of_ipv4_or_a_network_of_ipv6(
    address: str, expected: str
) -> None:
    assert find_network(address) == expected
