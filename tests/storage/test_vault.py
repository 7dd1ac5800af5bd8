from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError

from chalicelib.domain.errors import InvalidInput, StorageUnavailable
from chalicelib.storage.aws.vault import KmsVault
from chalicelib.storage.box.vault import PlainVault
from chalicelib.storage.in_process import CachedVault
from chalicelib.storage.ports import Vault


@pytest.mark.parametrize("secret", ["x", "naïve 日本 🙂 \x00", "s" * 4096], ids=len)
def test_a_secret_comes_back(vault: Vault, secret: str) -> None:
    assert vault.unseal(vault.seal(secret, "tenant/app_key"), "tenant/app_key") == secret


def test_another_context_does_not_unseal(vault: Vault) -> None:
    sealed = vault.seal("secret", "one")
    with pytest.raises(StorageUnavailable):
        vault.unseal(sealed, "two")


def test_damaged_bytes_do_not_unseal(vault: Vault) -> None:
    sealed = vault.seal("secret", "one")
    first, last = bytes([sealed[0] ^ 1]), bytes([sealed[-1] ^ 1])
    for damaged in (b"", b"x", sealed[:-1], first + sealed[1:], sealed[:-1] + last):
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
    vault = KmsVault(UnreachableKms(), "key")
    with pytest.raises(StorageUnavailable):
        vault.seal("secret", "one")
    with pytest.raises(StorageUnavailable):
        vault.unseal(b"sealed", "one")


class CountingVault(PlainVault):
    def __init__(self) -> None:
        self.asked = 0

    def unseal(self, sealed: bytes, context: str) -> str:
        self.asked += 1
        return super().unseal(sealed, context)


def test_vault_is_asked_once_for_a_secret_and_again_for_another() -> None:
    vault = CountingVault()
    cached = CachedVault(vault)
    old, new = (vault.seal(secret, "shop") for secret in ("old", "new"))
    assert [cached.unseal(old, "shop") for _ in range(3)] == ["old"] * 3
    assert vault.asked == 1
    assert cached.unseal(new, "shop") == "new"
    assert vault.asked == 2


def test_secret_that_is_kept_is_not_given_for_another_context() -> None:
    vault = CountingVault()
    cached = CachedVault(vault)
    sealed = vault.seal("secret", "shop")
    assert cached.unseal(sealed, "shop") == "secret"
    with pytest.raises(StorageUnavailable):
        cached.unseal(sealed, "another")
