"""Secrets sealed by a KMS key or by a parameter of SSM: the Vault on AWS (docs/decisions/0055)."""

from __future__ import annotations

import base64
import os
from typing import TYPE_CHECKING, Any

from chalicelib.adapters.aws.errors import translated
from chalicelib.adapters.limits.texts import require_secret
from chalicelib.core.errors import StorageUnavailable
from chalicelib.core.lazy import lazy

if TYPE_CHECKING:
    from mypy_boto3_kms import KMSClient

_SERVICE = "KMS"
_CONTEXT = "regulars"
_KEY_BYTES = 32
_NONCE_BYTES = 12


class KmsVault:
    """The Vault port on the key `key_id`; the context is KMS's encryption context, so the audit trail shows it."""

    def __init__(self, client: KMSClient, key_id: str) -> None:
        self._client = client
        self._key_id = key_id

    def seal(self, secret: str, context: str) -> bytes:
        data = require_secret(secret)
        with translated(_SERVICE):
            answer = self._client.encrypt(KeyId=self._key_id, Plaintext=data, EncryptionContext={_CONTEXT: context})
        return answer["CiphertextBlob"]

    def unseal(self, sealed: bytes, context: str) -> str:
        with translated(_SERVICE):
            answer = self._client.decrypt(
                KeyId=self._key_id, CiphertextBlob=sealed, EncryptionContext={_CONTEXT: context}
            )
        return answer["Plaintext"].decode()


class ParameterVault:
    """The Vault port by AES-256-GCM, with the key that SSM's parameter `name` holds: 32 bytes in base64.

    The parameter is a SecureString, which costs nothing a month. It is read at the first use and kept in memory.
    """

    def __init__(self, client: Any, name: str) -> None:
        self._client = client
        self._name = name

    def seal(self, secret: str, context: str) -> bytes:
        data, nonce = require_secret(secret), os.urandom(_NONCE_BYTES)
        sealed: bytes = self._cipher.encrypt(nonce, data, context.encode())
        return nonce + sealed

    def unseal(self, sealed: bytes, context: str) -> str:
        from cryptography.exceptions import InvalidTag

        try:
            data: bytes = self._cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], context.encode())
        except (InvalidTag, ValueError) as error:
            raise StorageUnavailable(
                "a sealed secret is damaged, or was sealed for another context or by another key"
            ) from error
        return data.decode()

    @lazy
    def _cipher(self) -> Any:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        with translated("SSM"):
            answer = self._client.get_parameter(Name=self._name, WithDecryption=True)
        try:
            key = base64.b64decode(answer["Parameter"]["Value"], validate=True)
        except ValueError:
            key = b""
        if len(key) != _KEY_BYTES:
            raise StorageUnavailable(f"the parameter {self._name} of SSM is to hold {_KEY_BYTES} bytes in base64")
        return AESGCM(key)
