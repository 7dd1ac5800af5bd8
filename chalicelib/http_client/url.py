"""A strict reader of strangers' URLs, which have one meaning or are refused, and the public
addresses they may lead to.

Only to a public address may a stranger's URL make us connect. For hooks, an operator may name other
networks (settings.hook_networks). The lists are IANA's special-purpose address registries (RFC 6890
and later additions). They are written out, because Python's versions differ in the addresses that
`ipaddress` calls global. An address must pass both.
"""

from __future__ import annotations

import re
from ipaddress import AddressValueError, IPv4Address, IPv4Network, IPv6Address, IPv6Network
from urllib.parse import quote, urljoin, urlsplit

from msgspec import Struct

from chalicelib.domain.errors import Unusable

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
# The only unicast addresses that IANA has given out. Outside lie ::, ::1, IPv4-mapped and
# -compatible ones, fc00::/7 with fd00:ec2::254, fe80::/10, fec0::/10 and multicast.
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
    """Return whether `address` is a unicast address of the public internet, in any form that a
    network writes it.

    A NAT64 address is as public as the IPv4 address in it: in an IPv6-only network, every IPv4
    host's name resolves to one. All other forms that embed an IPv4 address are refused, since they
    reach no host today.
    """
    if isinstance(address, IPv4Address):
        is_listed = any(address in network for network in _V4_NOT_PUBLIC)
        return not is_listed and _python_agrees(address)
    if address in _NAT64:
        return is_public(IPv4Address(int(address) & _32_BITS))
    # a zone names one of this machine's networks
    if address.scope_id is not None or address not in _V6_GLOBAL_UNICAST:
        return False
    embeds_ipv4 = int(address) >> 32 & _32_BITS in _ISATAP_INTERFACES
    is_listed = any(address in network for network in _V6_NOT_PUBLIC)
    return not embeds_ipv4 and not is_listed and _python_agrees(address)


def _python_agrees(address: Address) -> bool:
    return address.is_global and not (
        address.is_multicast or address.is_reserved or address.is_unspecified
    )


MAX_URL_CHARACTERS = 2048
"""Characters of a URL: browsers and proxies take about 2,000."""
PORTS = {"http": 80, "https": 443}
MAX_PORT = 65_535
"""The highest port of TCP."""
FIRST_USER_PORT = 1_024
"""Lower ports are those of mail, name and remote login servers, which would read a request as
commands."""
_AUTHORITY = re.compile(r"(?:\[(?P<v6>[^\]]*)\]|(?P<name>[^\[\]:]*))(?::(?P<port>.*))?", re.DOTALL)
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_USER_PORT = re.compile(r"[1-9][0-9]{3,4}")
_MAX_NAME_CHARACTERS = 253
"""Characters of a host's name (RFC 1035)."""
# Letters that the standard library's IDNA (2003) maps to others and today's (2008) keeps: they
# would name two hosts.
_TWO_MEANINGS = re.compile("[\u00df\u1e9e\u03c2\u200c\u200d]")


class Target(Struct, frozen=True):
    """The host, port and path that a URL asks for."""

    url: str
    scheme: str
    """http or https"""
    host: str
    """In lower case and ASCII, without brackets or a last dot: for the Host header and the
    certificate."""
    address: Address | None
    """The host, if it is an address; None: it is a name."""
    port: int
    path: str
    """Path and query, percent-encoded, starting with a slash."""


def parse_url(url: str, *, user_ports: bool = False) -> Target:
    """Read a URL. Raises Unusable if it is no http or https URL on the scheme's own port, or can be
    read in two ways.

    `user_ports`: the ports from 1024 on are accepted too.
    """
    _require_plain(url)
    try:
        parts = urlsplit(url)
    except ValueError:  # brackets, or letters that normalise to delimiters
        raise Unusable(
            "the URL cannot be read: send one like https://example.com/picture.jpg"
        ) from None
    if parts.scheme not in PORTS:
        raise Unusable(
            "the URL's scheme is not fetched: send one that starts with http:// or https://"
        )
    if "@" in parts.netloc:
        raise Unusable("the URL has a user name or an @ before its host: send one without")
    match = _AUTHORITY.fullmatch(parts.netloc)
    if match is None:
        raise Unusable(
            "the URL's host cannot be read: send one like https://example.com/picture.jpg"
        )
    port = _port(match["port"], PORTS[parts.scheme], user_ports=user_ports)
    host, address = _v6_host(match["v6"]) if match["v6"] is not None else _host(match["name"])
    path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~")
    query = quote(parts.query, safe="/%:@!$&'()*+,;=~?[]")
    return Target(url, parts.scheme, host, address, port, f"{path}?{query}" if query else path)


def parse_redirect(origin: Target, location: str) -> Target:
    """Read a Location header by the same rules.

    Raises Unusable, also if it leads from https to http.
    """
    try:
        text = location.encode("latin-1").decode()  # http.client reads headers as Latin-1
    except UnicodeError:
        raise Unusable(
            "the URL redirects to what is no URL: send that of the picture itself"
        ) from None
    try:
        _require_plain(text)
        target = parse_url(urljoin(origin.url, text))
    except ValueError:  # urljoin reads as urlsplit does
        raise Unusable(
            "the URL redirects to what is no URL: send that of the picture itself"
        ) from None
    except Unusable as error:
        raise Unusable(f"after a redirect, {error}") from None
    if origin.scheme == "https" and target.scheme == "http":
        raise Unusable("the URL redirects from https to http: send one that stays with https")
    return target


def _require_plain(url: str) -> None:
    """Refuse characters that URL parsers read differently, before any parser sees them."""
    if len(url) > MAX_URL_CHARACTERS:
        raise Unusable(
            f"the URL has {len(url)} characters: send one with at most {MAX_URL_CHARACTERS}"
        )
    if not url.isprintable() or " " in url or "\\" in url:
        raise Unusable(
            "the URL has a space, a backslash or a control character in it: percent-encode them"
        )


def _port(text: str | None, own_port: int, *, user_ports: bool) -> int:
    if text is None or text == str(own_port):
        return own_port
    if not user_ports:
        raise Unusable(
            "the URL's port is not fetched from: http is fetched from port 80, https from 443"
        )
    if not _USER_PORT.fullmatch(text) or not FIRST_USER_PORT <= int(text) <= MAX_PORT:
        raise Unusable(
            "the URL's port is not called: use the scheme's own (80 for http, 443 for https), "
            f"or one from {FIRST_USER_PORT} to {MAX_PORT}"
        )
    return int(text)


def _v6_host(text: str) -> tuple[str, Address]:
    try:
        address = IPv6Address(text)
    except AddressValueError:
        raise Unusable("the URL's host is no IPv6 address: send one with the host's name") from None
    return address.compressed, address


def _host(text: str) -> tuple[str, Address | None]:
    """Return a URL's host as requests name it, and its address if it is written as one.

    `Bücher.example`: `xn--bcher-kva.example`, None; `192.0.2.1`: that and the address; `1.2`:
    Unusable. Raises Unusable, too, for a text that is no host name.
    """
    name = _in_ascii(text).lower().removesuffix(".")
    labels = name.split(".")
    if len(name) > _MAX_NAME_CHARACTERS or not all(map(_LABEL.fullmatch, labels)):
        raise Unusable(
            "the URL's host is no host name: send one like https://example.com/picture.jpg"
        )
    if not _NUMBER.fullmatch(labels[-1]):
        return name, None
    try:  # browsers decide so too (WHATWG URL), but accept more ways to write the number
        address = IPv4Address(name)
    except AddressValueError:
        raise Unusable(
            "the URL's host ends in a number and is no address like 192.0.2.1: send a name"
        ) from None
    return name, address


def _in_ascii(host: str) -> str:
    if host.isascii():
        return host
    if len(host) > _MAX_NAME_CHARACTERS or _TWO_MEANINGS.search(host):
        raise Unusable("the URL's host cannot be read in one way only: send it in its xn-- form")
    try:
        return host.encode("idna").decode("ascii")
    except UnicodeError:
        raise Unusable("the URL's host is no host name: send it in its xn-- form") from None
