"""Tokens for the next page: a place, with a checksum of it and of its query."""

from __future__ import annotations

import base64
import binascii
import hashlib

from chalicelib.core.errors import InvalidInput

_CHECK_BYTES = 12


class PageTokens:
    """The tokens of one query. `query` holds everything that makes it different from others: tenant, filters, order."""

    def __init__(self, query: str) -> None:
        self._query = query.encode()

    def token(self, place: str) -> str:
        """Make the token of a place, the start of the next page. Raises UnicodeEncodeError unless it is ASCII."""
        payload = place.encode("ascii")
        return base64.urlsafe_b64encode(self._check(payload) + payload).decode("ascii")

    def place(self, token: str) -> str:
        """Read the place from a token. Raises InvalidInput if it is damaged or of another query."""
        try:
            data = base64.b64decode(token, altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            data = b""
        check, payload = data[:_CHECK_BYTES], data[_CHECK_BYTES:]
        if not payload or check != self._check(payload):
            raise InvalidInput("the page token is damaged or belongs to another query: start again without it")
        return payload.decode("ascii")

    def _check(self, payload: bytes) -> bytes:
        return hashlib.blake2b(self._query + payload, digest_size=_CHECK_BYTES).digest()
