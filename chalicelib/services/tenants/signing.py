"""A tenant's signing key: it signs what the tenant proves to others, such as receipts of erasures."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from chalicelib.core import keys, signing
from chalicelib.core.errors import Busy, ConditionFailed
from chalicelib.core.items import attempts, write
from chalicelib.core.ports import Clock, Item, ItemStore, Put, Vault, absent
from chalicelib.core.values import milliseconds


@dataclass
class Signing:
    """The signing keys, one a tenant. It is made when it is first needed; the vault seals its private half."""

    items: ItemStore
    vault: Vault
    clock: Clock

    def public_key(self, tenant: str) -> bytes:
        """Return the public half, 32 bytes. Raises Busy, StorageUnavailable."""
        return bytes(self._key(tenant)["public_key"])

    def sign(self, tenant: str, statement: Mapping[str, Any]) -> dict[str, Any]:
        """Return the signed statement (core/signing). Raises Busy, StorageUnavailable."""
        return signing.signed(statement, self.vault.unseal(bytes(self._key(tenant)["sealed"]), _context(tenant)))

    def _key(self, tenant: str) -> Item:
        for _ in attempts():
            if found := self.items.get(keys.TENANTS, keys.signing_key(tenant)):
                return found
            with suppress(ConditionFailed):  # another process was first
                write(self.items, [self._new(tenant)])
        raise Busy("the tenant's signing key is being made: send the request again in a moment")

    def _new(self, tenant: str) -> Put:
        private, public_key = signing.new_key()
        kind, id_ = keys.signing_key(tenant)
        item = {
            "kind": kind,
            "id": id_,
            "sealed": self.vault.seal(private, _context(tenant)),
            "public_key": public_key,
            "created_at": milliseconds(self.clock.now()),
        }
        return Put(keys.TENANTS, item, (absent("none-yet"),))


def _context(tenant: str) -> str:
    return f"{tenant}/signing"
