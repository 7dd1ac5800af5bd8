from __future__ import annotations

import pytest

from chalicelib.adapters.embedded.vault import PlainVault
from chalicelib.adapters.in_process import CachedVault
from chalicelib.core.errors import StorageUnavailable


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
