"""The embedded Vault: secrets sealed by the key of a file, or without encryption.

Without a key, the data folder's permissions protect them: its files are readable by their owner
only. Anyone who can read the folder can read the secrets.

`cryptography` is imported by a folder with a key alone.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from chalicelib.domain.errors import StorageUnavailable
from chalicelib.storage.limits import require_secret

if TYPE_CHECKING:
    from chalicelib.storage.ports import Vault

_CHECK_BYTES = 16
"""Bytes of AES-GCM's tag."""
_NONCE_BYTES = 12
_MAGIC = b"RV1"
"""Beginning of what a key sealed: another way to seal takes another."""
_LEAST_CHARACTERS = 32
_MOST_BYTES = 4096
_OF_SYSTEMD = Path("/run/credentials")
"""Folder in which systemd hands credentials out, with an access list that looks like group
permissions."""
_DAMAGED = "a sealed secret is damaged or was sealed for another context"


class PlainVault:
    """The Vault port without encryption; it still detects a wrong context and damaged bytes."""

    def seal(self, secret: str, context: str) -> bytes:
        data = require_secret(secret)
        return _check(data, context) + data

    def unseal(self, sealed: bytes, context: str) -> str:
        check, data = sealed[:_CHECK_BYTES], sealed[_CHECK_BYTES:]
        if check != _check(data, context):
            raise StorageUnavailable(_DAMAGED)
        return data.decode()


class KeyVault:
    """The Vault port by AES-256-GCM; the context is its associated data, each nonce is random."""

    def __init__(self, key: bytes) -> None:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        self._cipher = AESGCM(key)

    def seal(self, secret: str, context: str) -> bytes:
        data, nonce = require_secret(secret), secrets.token_bytes(_NONCE_BYTES)
        return _MAGIC + nonce + self._cipher.encrypt(nonce, data, context.encode())

    def unseal(self, sealed: bytes, context: str) -> str:
        from cryptography.exceptions import InvalidTag

        begin = len(_MAGIC) + _NONCE_BYTES
        if not sealed.startswith(_MAGIC) or len(sealed) < begin + _CHECK_BYTES:
            raise StorageUnavailable(_DAMAGED)
        nonce, data = sealed[len(_MAGIC) : begin], sealed[begin:]
        try:
            return self._cipher.decrypt(nonce, data, context.encode()).decode()
        except InvalidTag:
            raise StorageUnavailable(_DAMAGED) from None


class OpeningVault:
    """The Vault port of a folder of which nobody can read what seals it: it seals nothing, and
    opens what the vault that was named opens.

    So what can be read of a damaged book is served.
    """

    def __init__(self, vault: Vault, why: str) -> None:
        self._vault, self._why = vault, why

    def seal(self, secret: str, context: str) -> bytes:
        require_secret(secret)
        raise StorageUnavailable(f"no secret can be stored for {context}: {self._why}")

    def unseal(self, sealed: bytes, context: str) -> str:
        return self._vault.unseal(sealed, context)


def make_vault(key_file: Path | None) -> Vault:
    """Make the vault of a file's key, without one the plain one.

    Raises ValueError, which says what would be right, if the file is not as it should be.
    """
    return PlainVault() if key_file is None else KeyVault(_read_key(key_file))


def _read_key(file: Path) -> bytes:
    """Derive a key from the random characters of a file. Raises ValueError."""
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    try:
        with file.open("rb") as stream:
            mode = stat.S_IMODE(os.fstat(stream.fileno()).st_mode)
            text = stream.read(_MOST_BYTES + 1).strip()
    except OSError as error:
        raise ValueError(f"{file} cannot be read: {error.strerror}") from error
    if mode & 0o077 and _OF_SYSTEMD not in file.absolute().parents:
        raise ValueError(f"others may read {file}, which holds a key: chmod 600 {file}")
    if not _LEAST_CHARACTERS <= len(text) <= _MOST_BYTES:
        raise ValueError(
            f"{file} has {_LEAST_CHARACTERS} random characters or more, and {_MOST_BYTES} at most, "
            f"as of `openssl rand -base64 33`, and not {len(text)}"
        )
    return HKDF(SHA256(), 32, None, b"regulars/vault").derive(text)


def _check(data: bytes, context: str) -> bytes:
    name = context.encode()
    return hashlib.blake2b(
        len(name).to_bytes(8, "big") + name + data, digest_size=_CHECK_BYTES
    ).digest()
