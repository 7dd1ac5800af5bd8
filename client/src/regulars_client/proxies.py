"""The way of a request: directly, or through the proxy that a variable names.

A request to this machine takes none, whatever the environment says: there a proxy would look for
another service. Errors name the variable, since the service need not be to blame.
"""

from __future__ import annotations

import os
from ipaddress import ip_address
from typing import NamedTuple
from urllib.request import getproxies, proxy_bypass

import httpx

from regulars_client.errors import NotConfigured

_SCHEMES = ("http", "https")


class Proxy(NamedTuple):
    """A proxy. `variable`: what names it; `url`: where it is, perhaps with a password."""

    variable: str
    url: str

    def __str__(self) -> str:
        proxy_url = httpx.URL(self.url)
        return f"{self.variable} ({proxy_url.scheme}://{proxy_url.netloc.decode()})"


def is_of_this_machine(host: str) -> bool:
    """Tell whether a host is this machine by its name or address alone (RFC 6761, 6.3; RFC 1122,
    3.2.1.3)."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.rstrip(".").lower().rpartition(".")[2] == "localhost"


class ProxyingTransport(httpx.BaseTransport):
    """The transport that chooses for each request.

    Raises NotConfigured if a variable names no proxy.
    """

    def __init__(self) -> None:
        url_by_scheme = getproxies()
        scheme_or_all = {
            scheme: scheme if scheme in url_by_scheme else "all" for scheme in _SCHEMES
        }
        self._proxies = {
            scheme: _parse_proxy(name, url_by_scheme[name])
            for scheme, name in scheme_or_all.items()
            if name in url_by_scheme
        }
        self._transports: dict[Proxy | None, httpx.HTTPTransport] = {None: httpx.HTTPTransport()}
        for proxy in self._proxies.values():
            self._transports[proxy] = _open_transport(proxy)

    def proxy_for(self, url: httpx.URL) -> Proxy | None:
        """Return the proxy through which a URL is asked; None: directly."""
        if is_of_this_machine(url.host) or proxy_bypass(url.netloc.decode()):
            return None
        return self._proxies.get(url.scheme)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return self._transports[self.proxy_for(request.url)].handle_request(request)

    def close(self) -> None:
        for transport in self._transports.values():
            transport.close()


def _parse_proxy(name: str, url: str) -> Proxy:
    names = (
        variable
        for variable in sorted(os.environ, reverse=True)
        if variable.lower() == f"{name}_proxy" and os.environ[variable]
    )
    return Proxy(next(names, "the system's proxy"), url if "://" in url else f"http://{url}")


def _open_transport(proxy: Proxy) -> httpx.HTTPTransport:
    try:
        return httpx.HTTPTransport(proxy=proxy.url)
    except (ValueError, ImportError, httpx.InvalidURL) as error:
        raise NotConfigured(f"{proxy.variable} names no proxy that can be used: {error}") from error
