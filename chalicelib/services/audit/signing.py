"""A tenant's signing key: it signs what the tenant proves to others, such as receipts of erasures."""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Mapping
from typing import Any

from chalicelib.core import acts, keys, signing
from chalicelib.core.errors import InvalidInput, StorageUnavailable
from chalicelib.core.items import retried, write
from chalicelib.core.ports import Item, Put, absent
from chalicelib.core.signing import Document, PublicKeys, renewed
from chalicelib.core.values import milliseconds, moment, time_text
from chalicelib.services.rooms import UseCase

_RENEWALS = "renewals"

_FACE_KEY = "face_key"
"""Not sealed: receipts must name their faces after a restore, too, when what sealed may be gone."""


class Signing(UseCase):
    """The signing keys, one a tenant. It is made when it is first needed; the vault seals its private half."""

    def public_keys(self, tenant: str) -> PublicKeys:
        """Return the public half, 32 bytes, and the renewals of those before. Raises Busy, StorageUnavailable."""
        item = self._key(tenant)
        return PublicKeys(bytes(item["public_key"]), [json.loads(one) for one in item.get(_RENEWALS, ())])

    def since_ms(self, tenant: str) -> int | None:
        """Return when the key in use was made; None: there is none yet."""
        item = self.book.items.get(keys.TENANTS, keys.signing_key(tenant))
        return None if item is None else int(item["created_at"])

    def sign(self, tenant: str, statement: Mapping[str, Any]) -> dict[str, Any]:
        """Return the signed statement (core/signing). Raises Busy, StorageUnavailable."""
        return signing.signed(statement, self._private(tenant, self._key(tenant)))

    def face_key(self, tenant: str) -> bytes:
        """Return the key by which receipts hash the ids of faces. It stays, whatever the signing key becomes.

        Raises Busy, StorageUnavailable.
        """
        return bytes(self._key(tenant)[_FACE_KEY])

    @retried("the audit of this tenant changes all the time: try again in a moment")
    def renew(self, tenant: str, *, is_lost: bool = False) -> Document:
        """Replace the key; return the signed renewal, which the public keys and the act's entry hold, too.

        Closings that have begun begin again: so the old key signs no head after those that the renewal counts.
        `is_lost`: the renewal may go without the old key's signature, if that key cannot be read. Raises InvalidInput
        if there is no key, StorageUnavailable if it cannot be read and is not said to be lost, Busy.
        """
        end = self.book.audit.chain.end(tenant)  # before the key: another renewal moves it
        before = self.book.items.get(keys.TENANTS, keys.signing_key(tenant))
        if before is None:
            raise InvalidInput(f"tenant {tenant!r} has no signing key to renew: it gets one when it first signs")
        private, after = self._new(tenant)
        statement = {
            "tenant": tenant,
            "old": base64.b64encode(bytes(before["public_key"])).decode(),
            "new": base64.b64encode(after["public_key"]).decode(),
            "since": time_text(moment(before["created_at"])),
            "until": time_text(moment(after["created_at"])),
            "heads": end.number,
        }
        document = renewed(statement, self._old(tenant, before, is_lost=is_lost), private)
        after[_RENEWALS] = [*before.get(_RENEWALS, ()), signing.canonical(document).decode()]
        after[_FACE_KEY] = before[_FACE_KEY]
        acts.says(renewal=document)
        write(self.book.items, [Put(keys.TENANTS, after), self.book.audit.chain.held_up(tenant, end)])
        return document

    def _old(self, tenant: str, item: Item, *, is_lost: bool) -> str | None:
        """Return the private half that is about to be replaced; None if it is lost."""
        try:
            return self._private(tenant, item)
        except StorageUnavailable as error:
            if is_lost:
                return None
            raise StorageUnavailable(
                f"the signing key of tenant {tenant!r} cannot be read: {error}. If that passes, as an outage or a "
                "missing permission does, wait. If what sealed it is gone, say so with --lost: nothing of the old key "
                "then signs the new one, and the audit says so"
            ) from error

    def _private(self, tenant: str, item: Item) -> str:
        return self.book.storage.vault.unseal(bytes(item["sealed"]), _context(tenant))

    @retried("the tenant's signing key is being made: send the request again in a moment")
    def _key(self, tenant: str) -> Item:
        found = self.book.items.get(keys.TENANTS, keys.signing_key(tenant))
        if found is None:
            found = self._new(tenant)[1]
            write(self.book.items, [Put(keys.TENANTS, found, (absent("none-yet"),))])  # another may be first
        return found

    def _new(self, tenant: str) -> tuple[str, dict[str, Any]]:
        """Make a key: its private half, and the item that holds it sealed."""
        private, public_key = signing.new_key()
        kind, id_ = keys.signing_key(tenant)
        item = {
            "kind": kind,
            "id": id_,
            "sealed": self.book.storage.vault.seal(private, _context(tenant)),
            "public_key": public_key,
            "created_at": milliseconds(self.book.clock.now()),
            _FACE_KEY: secrets.token_bytes(32),
        }
        return private, item


def _context(tenant: str) -> str:
    return f"{tenant}/signing"
