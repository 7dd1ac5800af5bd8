"""Secrets that every Vault accepts."""

from __future__ import annotations

from chalicelib.core.errors import InvalidInput

MAX_SECRET_BYTES = 4096
"""KMS encrypts no more than this directly."""


def require_secret(secret: str) -> bytes:
    """Return the secret's UTF-8 bytes. Raises InvalidInput unless there are 1 to 4096 of them."""
    data = secret.encode()
    if not 1 <= len(data) <= MAX_SECRET_BYTES:
        raise InvalidInput(f"a secret has 1 to {MAX_SECRET_BYTES} bytes, not {len(data)}")
    return data
