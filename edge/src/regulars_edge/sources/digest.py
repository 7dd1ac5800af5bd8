"""HTTP authentication of cameras: Basic (RFC 7617) and Digest (RFC 7616, MD5 and SHA-256, quality `auth` or none).

urllib3 knows Basic only; a second HTTP library for these few lines would double what the uploader weighs.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Callable, Sequence
from urllib.parse import urlsplit
from urllib.request import parse_http_list, parse_keqv_list

_HASHES: dict[str, Callable[[bytes], str]] = {
    "SHA-256": lambda data: hashlib.sha256(data).hexdigest(),
    "MD5": lambda data: hashlib.md5(data, usedforsecurity=False).hexdigest(),
}


class Credentials:
    """A user and a password, and the last challenge that a camera put to them."""

    def __init__(
        self, user: str, password: str, nonce_of_ours: Callable[[], str] = lambda: secrets.token_hex(8)
    ) -> None:
        self._user = user
        self._password = password
        self._cnonce = nonce_of_ours
        self._digest: dict[str, str] | None = None
        self._basic = False
        self._count = 0

    def challenged(self, challenges: Sequence[str]) -> bool:
        """Take in the WWW-Authenticate headers of a 401; false where none of them can be met."""
        digests = [
            parse_keqv_list([pair for pair in parse_http_list(text.partition(" ")[2]) if pair.partition("=")[2]])
            for text in challenges
            if text.lower().startswith("digest ")
        ]
        digests = [
            one for one in digests if _algorithm(one) in _HASHES and "nonce" in one and _quality(one) is not None
        ]
        self._digest = min(digests, key=lambda one: list(_HASHES).index(_algorithm(one)), default=None)
        self._basic = any(text.lower().startswith("basic") for text in challenges)
        self._count = 0
        return self._digest is not None or self._basic

    def header(self, method: str, url: str) -> str | None:
        """Return the Authorization header for a request; None until a camera has asked for one."""
        if self._digest is not None:
            return self._answer(self._digest, method, url)
        if self._basic:
            return "Basic " + base64.b64encode(f"{self._user}:{self._password}".encode()).decode()
        return None

    def _answer(self, challenge: dict[str, str], method: str, url: str) -> str:
        parts = urlsplit(url)
        uri = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        algorithm, quality, realm, nonce = (
            _algorithm(challenge),
            _quality(challenge),
            challenge.get("realm", ""),
            challenge["nonce"],
        )
        self._count += 1
        count, cnonce = f"{self._count:08x}", self._cnonce()
        digest = _HASHES[algorithm]
        secret = digest(f"{self._user}:{realm}:{self._password}".encode())
        if challenge.get("algorithm", "").lower().endswith("-sess"):
            secret = digest(f"{secret}:{nonce}:{cnonce}".encode())
        what = digest(f"{method}:{uri}".encode())
        middle = f"{nonce}:{count}:{cnonce}:{quality}" if quality else nonce
        fields = {
            "username": self._user,
            "realm": realm,
            "nonce": nonce,
            "uri": uri,
            "response": digest(f"{secret}:{middle}:{what}".encode()),
        }
        if "opaque" in challenge:
            fields["opaque"] = challenge["opaque"]
        text = ", ".join(f'{name}="{value}"' for name, value in fields.items())
        if "algorithm" in challenge:
            text += f", algorithm={challenge['algorithm']}"
        return f'Digest {text}, qop={quality}, nc={count}, cnonce="{cnonce}"' if quality else f"Digest {text}"


def _algorithm(challenge: dict[str, str]) -> str:
    return challenge.get("algorithm", "MD5").upper().removesuffix("-SESS")


def _quality(challenge: dict[str, str]) -> str | None:
    """Return "auth", or "" if the camera knows none (RFC 2069); None if it insists on another."""
    offered = [text.strip() for text in challenge.get("qop", "").split(",") if text.strip()]
    return "" if not offered else "auth" if "auth" in offered else None
