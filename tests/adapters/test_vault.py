"""Vault: a secret comes back to its own context, and to no other."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError

from chalicelib.adapters.aws.vault import KmsVault
from chalicelib.core.errors import InvalidInput, StorageUnavailable
from chalicelib.core.ports import Vault


@pytest.mark.parametrize("secret", ["x", "naïve 日本 🙂 \x00", "s" * 4096], ids=len)
def test_a_secret_comes_back(vault: Vault, secret: str) -> None:
    assert vault.unseal(vault.seal(secret, "tenant/app_key"), "tenant/app_key") == secret


def test_another_context_does_not_unseal(vault: Vault) -> None:
    sealed = vault.seal("secret", "one")
    with pytest.raises(StorageUnavailable):
        vault.unseal(sealed, "two")


def test_damaged_bytes_do_not_unseal(vault: Vault) -> None:
    sealed = vault.seal("secret", "one")
    for damaged in (b"", b"x", sealed[:-1], bytes([sealed[0] ^ 1]) + sealed[1:], sealed[:-1] + b"\xff"):
        with pytest.raises(StorageUnavailable):
            vault.unseal(damaged, "one")


@pytest.mark.parametrize("secret", ["", "é" * 2049], ids=len)
def test_a_secret_that_kms_would_not_take_is_refused(vault: Vault, secret: str) -> None:
    with pytest.raises(InvalidInput):
        vault.seal(secret, "one")


class UnreachableKms:
    def _fail(self, **request: Any) -> Any:
        raise EndpointConnectionError(endpoint_url="https://kms")

    encrypt = decrypt = _fail


def test_a_key_service_that_does_not_answer_is_unavailable() -> None:
    vault = KmsVault(UnreachableKms(), "key")  # type: ignore[arg-type]
    with pytest.raises(StorageUnavailable):
        vault.seal("secret", "one")
    with pytest.raises(StorageUnavailable):
        vault.unseal(b"sealed", "one")
