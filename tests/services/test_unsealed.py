from __future__ import annotations

import pytest

from chalicelib.adapters.embedded.vault import PlainVault
from chalicelib.core.errors import StorageUnavailable
from chalicelib.services.unsealed import Unsealed


class CountingVault(PlainVault):
    def __init__(self) -> None:
        self.asked = 0

    def unseal(self, sealed: bytes, context: str) -> str:
        self.asked += 1
        return super().unseal(sealed, context)


def test_vault_is_asked_once_for_a_secret_and_again_for_another() -> None:
    vault = CountingVault()
    unsealed = Unsealed(vault)
    old, new = (vault.seal(secret, "shop") for secret in ("old", "new"))
    assert [unsealed(old, "shop") for _ in range(3)] == ["old"] * 3
    assert vault.asked == 1
    assert unsealed(new, "shop") == "new"
    assert vault.asked == 2


def test_secret_that_is_kept_is_not_given_for_another_context() -> None:
    vault = CountingVault()
    unsealed = Unsealed(vault)
    sealed = vault.seal("secret", "shop")
    assert unsealed(sealed, "shop") == "secret"
    with pytest.raises(StorageUnavailable):
        unsealed(sealed, "another")
