"""Fetching a picture from a URL that a stranger chose, without becoming the stranger's way into our network.

A name is resolved once; all its addresses are checked; the connection is made to an address that was checked, and not
to the name. A redirect is a new URL, and all of it is done again. See docs/decisions/0008.
"""

from __future__ import annotations

import ssl
from contextlib import closing

from chalicelib.adapters.web.connection import Connector, Dial, Resolver, dial, resolve
from chalicelib.adapters.web.exchange import Moved, exchange
from chalicelib.adapters.web.url import Target, read_url, redirected
from chalicelib.adapters.web.wire import Deadline
from chalicelib.core.errors import Unusable

MAX_BYTES = 2 * 1024 * 1024
LIMIT_S = 5.0
MAX_REDIRECTS = 3


class SafeFetcher:
    """The PictureFetcher port. At most `at_once` fetches run at a time; one more is Busy at once.

    `limit_s` bounds a whole fetch: lookups, connections, handshakes and redirects included.
    """

    def __init__(
        self,
        resolver: Resolver = resolve,
        dial: Dial = dial,
        *,
        tls: ssl.SSLContext | None = None,
        limit_s: float = LIMIT_S,
        max_bytes: int = MAX_BYTES,
        at_once: int = 4,
    ) -> None:
        self._connector = Connector(resolver, dial, tls=tls, at_once=at_once)
        self._limit_s = limit_s
        self._max_bytes = max_bytes

    def fetch(self, url: str) -> bytes:
        """The picture's bytes, not empty, at most `max_bytes`; only their media type was checked.

        Raises Unusable saying what was wrong with the URL or the answer, and Busy.
        """
        target = read_url(url)
        try:
            with self._connector.place():
                return self._followed(target, Deadline(self._limit_s))
        except TimeoutError as error:
            raise Unusable(
                f"the picture was not there within {self._limit_s:g} s: use a faster host, or send the picture itself"
            ) from error
        except ssl.SSLCertVerificationError as error:
            raise Unusable(
                "the certificate of the URL's host is not valid: use a host whose certificate is valid for its name"
            ) from error
        except OSError as error:
            raise Unusable("the connection to the URL's host broke off: try again, or use another host") from error

    def _followed(self, target: Target, deadline: Deadline) -> bytes:
        for _ in range(1 + MAX_REDIRECTS):
            with closing(self._connector.connected(target, deadline)) as sock:
                answer = exchange(sock, target, deadline, self._max_bytes)
            if isinstance(answer, Moved):
                target = redirected(target, answer.location)
            elif answer:
                return answer
            else:
                raise Unusable("the URL's picture is empty: send the URL of a JPG, PNG or BMP file")
        raise Unusable(f"the URL redirects more than {MAX_REDIRECTS} times: send that of the picture itself")
