"""Safe posting to a URL that a tenant chose, by the same means as fetch. See docs/decisions/0014."""

from __future__ import annotations

import ssl
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from functools import partial
from http.client import HTTPException
from ipaddress import IPv4Network, IPv6Network

from chalicelib.adapters.web.connection import (
    MAX_HEAD_BYTES,
    Connector,
    Deadline,
    Dial,
    Exchange,
    Resolver,
    dial,
    resolve,
)
from chalicelib.adapters.web.url import Address, Target, is_public, read_url
from chalicelib.core.errors import InvalidInput, Unusable

LIMIT_S = 10.0
_DRAINED_BYTES = 64 * 1024
_DRAIN_S = 1.0
_HINT = "use one that is, or let the operator name its network in the setting REGULARS_HOOK_NETWORKS"

Network = IPv4Network | IPv6Network


class SafePostman:
    """The Postman port. It reaches public addresses and `networks`. `limit_s` bounds a whole call.

    At most `at_once` calls run at a time; another one raises Busy without waiting.
    """

    def __init__(
        self,
        resolver: Resolver = resolve,
        dial: Dial = dial,
        *,
        networks: Sequence[Network] = (),
        tls: ssl.SSLContext | None = None,
        limit_s: float = LIMIT_S,
        at_once: int = 32,
    ) -> None:
        self._allowed = partial(_is_allowed, tuple(networks))
        self._connector = Connector(resolver, dial, tls=tls, at_once=at_once, allowed=self._allowed, hint=_HINT)
        self._limit_s = limit_s

    def require_url(self, url: str) -> None:
        """Raise InvalidInput for a URL that is never posted to.

        A host name is not looked up: it need not exist before the first post.
        """
        self._read(url)

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> int:
        """Post the body and return the answer's status. No redirect is followed: its status is returned.

        Raises InvalidInput, Unusable and Busy, as the port says.
        """
        target = self._read(url)
        try:
            with self._connector.place():
                deadline = Deadline(self._limit_s)
                with closing(self._connector.connected(target, deadline)) as sock:
                    return _posted(Exchange(sock, target, deadline), body, headers)
        except TimeoutError as error:
            raise Unusable(f"no answer within {self._limit_s:g} s: answer first and work afterwards") from error
        except ssl.SSLCertVerificationError as error:
            raise Unusable("the receiver's certificate is not valid: get one for the name in the URL") from error
        except HTTPException:  # its message quotes the answer
            raise Unusable("the receiver did not answer in HTTP/1.1: give the URL of a web server") from None
        except OSError as error:
            raise Unusable("the connection broke off before the answer's head was complete: see why it did") from error

    def _read(self, url: str) -> Target:
        try:
            target = read_url(url, user_ports=True)
        except Unusable as error:
            raise InvalidInput(str(error)) from error
        if target.address is not None and not self._allowed(target.address):
            raise InvalidInput(f"the URL's address is not public: {_HINT}")
        return target


def _is_allowed(networks: Sequence[Network], address: Address) -> bool:
    """Return whether hooks may reach the address.

    An address with a zone (`%eth0`) belongs to an interface of this machine, so no network of the operator's covers it.
    """
    if getattr(address, "scope_id", None) is not None:
        return False
    return is_public(address) or any(address in network for network in networks)


def _posted(exchange: Exchange, body: bytes, headers: Mapping[str, str]) -> int:
    """Post and return the status. Read on for a moment: some receivers stop when nobody listens any more."""
    with exchange.ask("POST", headers, body) as response:
        exchange.allowed_bytes = MAX_HEAD_BYTES + _DRAINED_BYTES
        exchange.deadline.shorten(_DRAIN_S)
        with suppress(OSError, HTTPException, Unusable):  # the status is known by now
            response.read(_DRAINED_BYTES)
        return response.status
