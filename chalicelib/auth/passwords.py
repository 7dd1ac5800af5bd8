"""Passwords: their length (LENGTHS), and their storage as a slow hash, by scrypt (RFC 7914).

The number of wrong passwords until a lock is in auth/rate_limits.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import threading
import unicodedata
from contextlib import AbstractContextManager

from chalicelib.domain.errors import InvalidInput
from chalicelib.slots import hold_slot

LENGTHS = range(12, 201)
"""Characters: long rather than odd ones (NIST SP 800-63B)."""

_COST, _BLOCK, _TIMES = 1 << 14, 8, 5
"""Parameters of scrypt from OWASP's Password Storage Cheat Sheet. Of its equally strong sets, this
one takes 16 MB a hash, the second least."""
_MOST_BYTES = 32 << 20
"""Memory that a hash may take, which scrypt asks for: twice what it needs."""
_SALT_BYTES = _HASH_BYTES = 16
"""128 bits each."""

_HASHING_PLACES = threading.BoundedSemaphore(2)
"""Two hashes at a time: each takes 16 MB, and a processor for a while."""


def hold_hashing_place() -> AbstractContextManager[None]:
    """Hold one of two slots for hashing: that many sign-ins at once take 32 MB, and no more.

    Raises Busy.

    Nobody waits for one. A hash takes a third of a second, and those who wait would hold the
    threads of all strangers.
    """
    return hold_slot(_HASHING_PLACES, "two others sign in at this moment: try again in a second")


def require_password(password: str, *names: str) -> None:
    """Raise InvalidInput if the password is too short, too long, or consists only of one of the
    `names`."""
    if len(password) not in LENGTHS:
        raise InvalidInput(
            f"a password has {LENGTHS[0]} to {LENGTHS[-1]} characters, such as four words: this "
            f"one has {len(password)}"
        )
    unguessable = _normalize(password)
    for name in filter(None, names):
        unguessable = unguessable.replace(_normalize(name), "")
    if len(set(unguessable)) < 5:  # different characters
        raise InvalidInput(
            "this password is easy to guess: take four words that do not belong together"
        )


def hash_password(password: str) -> str:
    """Hash a password with a new salt."""
    salt = secrets.token_bytes(_SALT_BYTES)
    return "$".join(
        (
            "scrypt",
            str(_COST),
            str(_BLOCK),
            str(_TIMES),
            _encode(salt),
            _encode(_compute_hash(password, salt)),
        )
    )


def matches_hash(password: str, stored_hash: str | None) -> bool:
    """Tell whether the password matches the hash.

    It takes as long if nothing is stored.
    """
    _, cost, block, times, salt, digest = (stored_hash or _OF_NOBODY).split("$")
    hashed = _compute_hash(password, base64.b64decode(salt), int(cost), int(block), int(times))
    return hmac.compare_digest(hashed, base64.b64decode(digest)) and stored_hash is not None


def _compute_hash(
    password: str, salt: bytes, cost: int = _COST, block: int = _BLOCK, times: int = _TIMES
) -> bytes:
    """Hash in NFKC, since keyboards compose letters in more than one way."""
    data = unicodedata.normalize("NFKC", password).encode(errors="surrogatepass")
    return hashlib.scrypt(
        data, salt=salt, n=cost, r=block, p=times, maxmem=_MOST_BYTES, dklen=_HASH_BYTES
    )


def _normalize(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()


def _encode(data: bytes) -> str:
    return base64.b64encode(data).decode()


_OF_NOBODY = (
    f"scrypt${_COST}${_BLOCK}${_TIMES}${_encode(bytes(_SALT_BYTES))}${_encode(bytes(_HASH_BYTES))}"
)
