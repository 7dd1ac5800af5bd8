"""Secrets sealed by a KMS key: the Vault on AWS (docs/decisions/0018)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.storage.aws.errors import translate_failures
from chalicelib.storage.limits import require_secret

if TYPE_CHECKING:
    from mypy_boto3_kms import KMSClient

_SERVICE = "KMS"
_CONTEXT = "regulars"


class KmsVault:
    """The Vault port on the key `key_id`; the context is KMS's encryption context, so the audit
    trail shows it."""

    def __init__(self, client: KMSClient, key_id: str) -> None:
        self._client = client
        self._key_id = key_id

    def seal(self, secret: str, context: str) -> bytes:
        data = require_secret(secret)
        with translate_failures(_SERVICE):
            answer = self._client.encrypt(
                KeyId=self._key_id, Plaintext=data, EncryptionContext={_CONTEXT: context}
            )
        return answer["CiphertextBlob"]

    def unseal(self, sealed: bytes, context: str) -> str:
        with translate_failures(_SERVICE):
            answer = self._client.decrypt(
                KeyId=self._key_id, CiphertextBlob=sealed, EncryptionContext={_CONTEXT: context}
            )
        return answer["Plaintext"].decode()
