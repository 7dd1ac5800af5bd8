"""Checks of a browser request's origin, for routes that need no key: a page of any site can make a
browser send a request."""

from __future__ import annotations

import socket
from collections.abc import Collection, Mapping
from urllib.parse import urlsplit

from chalicelib.auth.addresses import parse_address


def is_of_this_host(headers: Mapping[str, str], public_url: str | None) -> bool:
    """Tell whether the browser reports that a page of this host sent the request."""
    site = headers.get("sec-fetch-site")
    if site:
        return site == "same-origin"
    hosts = {headers.get("host", "").lower(), parse_host(public_url or "")}
    return parse_host(headers.get("origin", "")) in hosts - {""}


def is_of_another_site(headers: Mapping[str, str], public_url: str | None) -> bool:
    """Tell whether the browser reports that a page of another site sent the request.

    Programs say nothing about sites.
    """
    site_header = headers.get("sec-fetch-site") or headers.get("origin")
    return bool(site_header) and not is_of_this_host(headers, public_url)


def parse_host(url: str) -> str:
    """Read the host and the port of a URL; "" if there is none."""
    try:
        return urlsplit(url).netloc.lower()
    except ValueError:
        return ""


def list_own_names(public_url: str | None) -> set[str]:
    """Return this machine's host names."""
    machine_name = socket.gethostname().lower()
    return {
        "localhost",
        machine_name,
        f"{machine_name}.local",
        urlsplit(public_url or "").hostname or "",
    } - {""}


def is_own_host(host: str, names: Collection[str]) -> bool:
    """Tell whether a Host header is an IP address or one of `names`.

    Any website can have a name of its own point here, and would read the answer in a browser of
    this network.
    """
    try:
        name = urlsplit(f"//{host}").hostname or ""
        return name in names or parse_address(name) is not None
    except ValueError:
        return False
