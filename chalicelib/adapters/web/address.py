"""Public addresses: the only ones that a stranger's URL may make us connect to.

For hooks, an operator may name other networks (settings.hook_networks).

The lists are IANA's special-purpose address registries (RFC 6890 and later additions). They are written out, because
Python's versions differ in the addresses that `ipaddress` calls global. An address must pass both.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

Address = IPv4Address | IPv6Address

_V4_NOT_PUBLIC = tuple(
    map(
        IPv4Network,
        (
            "0.0.0.0/8",  # this host, this network
            "10.0.0.0/8",
            "100.64.0.0/10",  # carrier-grade NAT; some clouds' metadata
            "127.0.0.0/8",
            "168.63.129.16/32",  # Azure's metadata: a public address by its number only
            "169.254.0.0/16",  # link-local; most clouds' metadata
            "172.16.0.0/12",
            "192.0.0.0/24",  # protocol assignments
            "192.0.2.0/24",  # documentation
            "192.88.99.0/24",  # 6to4 relays
            "192.168.0.0/16",
            "198.18.0.0/15",  # benchmarks
            "198.51.100.0/24",  # documentation
            "203.0.113.0/24",  # documentation
            "224.0.0.0/4",  # multicast
            "240.0.0.0/4",  # reserved; broadcast
        ),
    )
)
# The only unicast addresses that IANA has given out. Outside lie ::, ::1, IPv4-mapped and -compatible ones,
# fc00::/7 with fd00:ec2::254, fe80::/10, fec0::/10 and multicast.
_V6_GLOBAL_UNICAST = IPv6Network("2000::/3")
_V6_NOT_PUBLIC = tuple(
    map(
        IPv6Network,
        (
            "2001::/23",  # protocol assignments; Teredo, which embeds an IPv4 address
            "2001:db8::/32",  # documentation
            "2002::/16",  # 6to4, which embeds an IPv4 address
            "3fff::/20",  # documentation
        ),
    )
)
_NAT64 = IPv6Network("64:ff9b::/96")
_ISATAP_INTERFACES = (0x0000_5EFE, 0x0200_5EFE)
_32_BITS = 0xFFFF_FFFF


def is_public(address: Address) -> bool:
    """Return whether `address` is a unicast address of the public internet, in any form that a network writes it.

    A NAT64 address is as public as the IPv4 address in it: in an IPv6-only network, every IPv4 host's name resolves to
    one. All other forms that embed an IPv4 address are refused, since they reach no host today.
    """
    if isinstance(address, IPv4Address):
        listed = any(address in network for network in _V4_NOT_PUBLIC)
        return not listed and _python_agrees(address)
    if address in _NAT64:
        return is_public(IPv4Address(int(address) & _32_BITS))
    if address.scope_id is not None or address not in _V6_GLOBAL_UNICAST:  # a zone names one of this machine's networks
        return False
    embeds_ipv4 = int(address) >> 32 & _32_BITS in _ISATAP_INTERFACES
    listed = any(address in network for network in _V6_NOT_PUBLIC)
    return not embeds_ipv4 and not listed and _python_agrees(address)


def _python_agrees(address: Address) -> bool:
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_unspecified)
