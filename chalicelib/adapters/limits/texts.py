"""Texts that every Queue and every Vault accepts: the limits of SQS and KMS, which every adapter applies."""

from __future__ import annotations

import re

from chalicelib.core.errors import InvalidInput

MAX_BODY_BYTES = 256 * 1024
MAX_MESSAGES = 10
MAX_VISIBILITY_S = 43_200
MAX_DELAY_S = 900

# Characters that SQS refuses: XML cannot hold them. (A pattern of the allowed ones takes 2 to 6 ms to compile.)
_REFUSED = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def require_message(body: str, delay_s: int) -> None:
    """Raise InvalidInput if SQS would not accept the body or the delay."""
    if not 0 <= delay_s <= MAX_DELAY_S:
        raise InvalidInput(f"a message is held back for 0 to {MAX_DELAY_S} seconds, not {delay_s}")
    if not body or _REFUSED.search(body) or len(body.encode()) > MAX_BODY_BYTES:
        raise InvalidInput(f"a message is 1 to {MAX_BODY_BYTES} bytes of text without control characters")


def require_receive(limit: int, visibility_s: int = 0) -> None:
    """Raise InvalidInput if SQS would not accept the number of messages or the time to hide them."""
    if not 1 <= limit <= MAX_MESSAGES:
        raise InvalidInput(f"1 to {MAX_MESSAGES} messages are received at a time, not {limit}")
    require_visibility(visibility_s)


def require_visibility(visibility_s: int) -> None:
    """Raise InvalidInput if SQS would not hide a message for so long."""
    if not 0 <= visibility_s <= MAX_VISIBILITY_S:
        raise InvalidInput(f"messages are hidden for 0 to {MAX_VISIBILITY_S} seconds, not {visibility_s}")


MAX_SECRET_BYTES = 4096
"""KMS encrypts no more than this directly."""


def require_secret(secret: str) -> bytes:
    """Return the secret's UTF-8 bytes. Raises InvalidInput unless there are 1 to 4096 of them."""
    data = secret.encode()
    if not 1 <= len(data) <= MAX_SECRET_BYTES:
        raise InvalidInput(f"a secret has 1 to {MAX_SECRET_BYTES} bytes, not {len(data)}")
    return data
