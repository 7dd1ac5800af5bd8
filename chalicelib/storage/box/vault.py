"""The embedded Vault: secrets without encryption.

The data folder's permissions protect them: its files are readable by their owner only. Anyone who
can read the folder can read the secrets; one box has no other place for a key.
"""

from __future__ import annotations

import hashlib

from chalicelib.domain.errors import StorageUnavailable
from chalicelib.storage.limits import require_secret

_CHECK_BYTES = 16
"""Bytes of AES-GCM's tag."""


class PlainVault:
    """The Vault port without encryption; it still detects a wrong context and damaged bytes."""

    def seal(self, secret: str, context: str) -> bytes:
        data = require_secret(secret)
        return _check(data, context) + data

    def unseal(self, sealed: bytes, context: str) -> str:
        check, data = sealed[:_CHECK_BYTES], sealed[_CHECK_BYTES:]
        if check != _check(data, context):
            raise StorageUnavailable("a sealed secret is damaged or was sealed for another context")
        return data.decode()


def _check(data: bytes, context: str) -> bytes:
    name = context.encode()
    return hashlib.blake2b(
        len(name).to_bytes(8, "big") + name + data, digest_size=_CHECK_BYTES
    ).digest()
