"""The vault of a data folder: all its secrets are sealed by one key, or by none, as its database
notes."""

from __future__ import annotations

from contextlib import suppress

from chalicelib.domain.errors import ConditionFailed, StorageUnavailable
from chalicelib.storage import keys
from chalicelib.storage.box.vault import KeyVault, PlainVault, is_by_key
from chalicelib.storage.ports import Condition, ItemStore, OtherKey, Put, absent

_CHECKED, _CONTEXT = "the key of this folder", "vault/check"
_IF_LOST = (
    "If it is lost, `regulars restore --finish --new-secrets` makes all anew by another key, or "
    "with a backup's file in place of --finish"
)
_NAME_KEY = (
    "the secrets of this book are sealed: name the file of their key by REGULARS_VAULT_KEY_FILE, "
    f"or by vault_key_file in the file of settings. {_IF_LOST}"
)
_IS_ANOTHER = (
    "vault_key_file is not the key that sealed the secrets of this book: name that one. " + _IF_LOST
)
_BEGAN_WITHOUT = (
    "vault_key_file: this book began without a key, and takes none: export its people without it, "
    "and import them into a new folder with it"
)
_NOT_NOTED = "what seals the secrets of this book is not noted in it any more: restore a backup"


class WrongKey(StorageUnavailable):
    """The key that is named, or none, is not what seals the folder's secrets."""


class FolderVault:
    """The Vault port of a folder.

    The first start notes in the database what seals, so that backups carry it. Nothing is sealed
    before that is read. Of a damaged book what can be read is unsealed all the same.
    """

    def __init__(self, vault: PlainVault | KeyVault, items: ItemStore, other: OtherKey) -> None:
        self._vault, self._items, self._other = vault, items, other
        self._has_key = isinstance(vault, KeyVault)
        self._is_own = other is OtherKey.IGNORED
        self._is_renewed = False

    def seal(self, secret: str, context: str) -> bytes:
        self.require_own()
        if self._is_renewed:
            self._note()
            self._is_renewed = False
        return self._vault.seal(secret, context)

    def unseal(self, sealed: bytes, context: str) -> str:
        return self._vault.unseal(sealed, context)

    def require_own(self) -> None:
        """Note by what a new folder is sealed. Raises WrongKey for one that is sealed otherwise."""
        if not self._is_own:
            self._require_key_of(self._read_check() or self._note_first())
            self._is_own = True

    def _read_check(self) -> bytes:
        note = self._items.get(keys.TENANTS, keys.VAULT_ITEM) or {}
        return bytes(note.get("sealed", b""))

    def _note_first(self) -> bytes:
        """Note by what the folder is sealed, unless another process is first; return the check.

        Who adds a tenant has noted it before. So what there is of any, without it, began without a
        key, or the note is lost.
        """
        items = list(self._items.scan(keys.TENANTS))
        check = self._read_check()
        if check:  # another process was first, and its items may be among those
            return check
        values = [value for item in items for value in item.values() if isinstance(value, bytes)]
        if any(map(is_by_key, values)):
            raise WrongKey(_NOT_NOTED)
        if items and self._has_key:
            raise WrongKey(_BEGAN_WITHOUT)
        with suppress(ConditionFailed):
            self._note(absent("unnoted"))
        return self._read_check()

    def _require_key_of(self, check: bytes) -> None:
        if is_by_key(check) and not self._has_key:
            raise WrongKey(_NAME_KEY)
        if self._has_key and not is_by_key(check):
            raise WrongKey(_BEGAN_WITHOUT)
        try:
            self._vault.unseal(check, _CONTEXT)
        except StorageUnavailable:
            if not self._has_key:  # the check is damaged
                raise
            if self._other is OtherKey.REFUSED:
                raise WrongKey(_IS_ANOTHER) from None
            self._is_renewed = True

    def _note(self, *conditions: Condition) -> None:
        kind, id_ = keys.VAULT_ITEM
        item = {"kind": kind, "id": id_, "sealed": self._vault.seal(_CHECKED, _CONTEXT)}
        self._items.transact([Put(keys.TENANTS, item, conditions)])
