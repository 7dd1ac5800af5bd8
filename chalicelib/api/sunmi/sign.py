"""The camera's signature: MD5 with the key appended, or HMAC-SHA256, over the parameters as they were sent.

How old a signed request may be is in request.py.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable
from enum import StrEnum

Pairs = Iterable[tuple[str, str]]
"""(name, value) of every parameter except `sign` and the files; the values are raw and decoded."""


class SignType(StrEnum):
    MD5 = "MD5"
    HMAC_SHA256 = "HMAC-SHA256"


def sign(pairs: Pairs, app_key: str, sign_type: SignType = SignType.MD5) -> str:
    """Sign the pairs: upper-case hex over `k=v` joined with `&`, names in ASCII order."""
    text = "&".join(f"{name}={value}" for name, value in sorted(pairs, key=lambda pair: pair[0]))
    if sign_type is SignType.HMAC_SHA256:
        return hmac.new(app_key.encode(), text.encode(), hashlib.sha256).hexdigest().upper()
    return hashlib.md5(f"{text}&key={app_key}".encode(), usedforsecurity=False).hexdigest().upper()


def is_signed(pairs: Pairs, app_key: str, claimed: str, sign_type: SignType = SignType.MD5) -> bool:
    """Tell, in constant time, whether `claimed`, hex in either case, signs the pairs with or without the empty ones."""
    kept = list(pairs)
    left = [pair for pair in kept if pair[1]]
    wanted = claimed.encode().upper()
    matches = [hmac.compare_digest(sign(each, app_key, sign_type).encode(), wanted) for each in (kept, left)]
    return any(matches)
