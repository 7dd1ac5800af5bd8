"""The embedded Vault: secrets sealed by the key of a file, or without encryption.

By a key, sealed bytes are `RV1`, a random nonce of 12 bytes, and what AES-256-GCM makes of the
secret's UTF-8: as many bytes, and a tag of 16. The context is its associated data. The key is
HKDF-SHA256, without salt and for `regulars/vault`, of the file's bytes without white space around.

Without a key, they are a check of 16 bytes (`_check`), and the secret's UTF-8. Anyone who can read
the data folder can read these secrets: its files are readable by their owner only.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import stat
from pathlib import Path

from chalicelib.domain.errors import StorageUnavailable
from chalicelib.storage.limits import require_secret

_CHECK_BYTES = 16
"""Bytes of AES-GCM's tag."""
_NONCE_BYTES = 12
_BEGIN = b"RV1"
_LEAST_BYTES, _MOST_BYTES, _LEAST_DIFFERENT = 32, 4096, 8
"""Bytes of a key file: 32 hexadecimal digits are 128 bits, and hardly ever seven kinds alone."""
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
    """The Vault port by a key of 32 bytes."""

    def __init__(self, key: bytes) -> None:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        self._cipher = AESGCM(key)

    def seal(self, secret: str, context: str) -> bytes:
        data, nonce = require_secret(secret), secrets.token_bytes(_NONCE_BYTES)
        return _BEGIN + nonce + self._cipher.encrypt(nonce, data, context.encode())

    def unseal(self, sealed: bytes, context: str) -> str:
        from cryptography.exceptions import InvalidTag

        begin = len(_BEGIN) + _NONCE_BYTES
        if not is_by_key(sealed) or len(sealed) < begin + _CHECK_BYTES:
            raise StorageUnavailable(_DAMAGED)
        nonce, data = sealed[len(_BEGIN) : begin], sealed[begin:]
        try:
            return self._cipher.decrypt(nonce, data, context.encode()).decode()
        except InvalidTag:
            raise StorageUnavailable(_DAMAGED) from None


def is_by_key(sealed: bytes) -> bool:
    """Tell whether a key sealed these bytes."""
    return sealed.startswith(_BEGIN)


def make_vault(key_file: Path | None, folder: Path) -> PlainVault | KeyVault:
    """Make the vault of a data folder by the key of a file, without one the plain one.

    Raises ValueError, which says what would be right.
    """
    return PlainVault() if key_file is None else KeyVault(_read_key(key_file, folder))


def _read_key(file: Path, folder: Path) -> bytes:
    """Derive the key of a file. Raises ValueError."""
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    try:
        with open(file, "rb", opener=_open_at_once) as stream:
            status = os.fstat(stream.fileno())
            is_file = stat.S_ISREG(status.st_mode)
            content = stream.read(_MOST_BYTES + 1) if is_file else b""
    except OSError as error:
        raise ValueError(f"{file} cannot be read: {error.strerror}") from error
    if not is_file or len(content) > status.st_size:  # those of /proc have the size 0
        raise ValueError(f"{file} is no file that stays: each command reads the key there")
    if file.resolve().is_relative_to(folder.resolve()):
        raise ValueError(f"{file} is in the data folder, as what it seals: put it elsewhere")
    # the group may read: so a pod gets a file of a Kubernetes Secret, and systemd's credentials
    if status.st_mode & (stat.S_IWGRP | stat.S_IRWXO):
        raise ValueError(f"others may read or change {file}, a key: chmod 600 {file}")
    text = content.strip()
    is_random = len(set(text)) >= _LEAST_DIFFERENT
    if len(text) < _LEAST_BYTES or len(content) > _MOST_BYTES or not is_random:
        raise ValueError(
            f"{file} has to hold {_LEAST_BYTES} to {_MOST_BYTES} random characters: "
            "`openssl rand -base64 33` prints some"
        )
    return HKDF(SHA256(), 32, None, b"regulars/vault").derive(text)


def _open_at_once(path: str, flags: int) -> int:
    """Open a file; a pipe, too, without waiting for who writes to it."""
    return os.open(path, flags | os.O_NONBLOCK)


def _check(data: bytes, context: str) -> bytes:
    name = context.encode()
    return hashlib.blake2b(
        len(name).to_bytes(8, "big") + name + data, digest_size=_CHECK_BYTES
    ).digest()
