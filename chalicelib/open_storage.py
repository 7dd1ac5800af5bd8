"""Storage of the state: the adapters behind the storage ports, embedded or on AWS, as the settings
say."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from chalicelib.domain.errors import Busy, ConditionFailed, StorageUnavailable
from chalicelib.settings import AwsStorage, OtherKey, SettingError, Settings
from chalicelib.storage import keys
from chalicelib.storage.ports import Clock, Condition, ItemStore, Put, Storage, absent

DATABASE = "regulars.sqlite"
"""Name of the database in a data folder."""


def open_storage(settings: Settings, clock: Clock) -> Storage:
    """Open the storage that the settings name."""
    if isinstance(settings.storage, Path):
        return _open_embedded(settings, settings.storage, clock)
    if settings.vault_key_file is not None:
        raise SettingError("vault_key_file is of a box: a stage's secrets are sealed by KMS")
    return _open_aws(settings.storage, clock)


_CHECKED, _CONTEXT = "the key of this folder", "vault/check"
_IF_EMPTY = "If nothing is in the book yet, delete the folder"
_IF_LOST = f"If it is lost, `regulars restore --new-secrets` takes another key. {_IF_EMPTY}"
_NAME_KEY = (
    "the secrets of this book are sealed: name the file of their key by REGULARS_VAULT_KEY_FILE, "
    f"or by vault_key_file in the file of settings. {_IF_LOST}"
)
_IS_ANOTHER = f"is not the key that sealed the secrets of this book: name that one. {_IF_LOST}"
_BEGAN_WITHOUT = (
    "vault_key_file: this book began without a key, and takes none: export its people without it, "
    f"and import them into a new folder with it. {_IF_EMPTY}"
)


class FolderVault:
    """The Vault port of a folder, all of whose secrets are sealed by one key, or by none.

    The first start notes in the database which, so that backups carry it. Nothing is sealed before
    that is read. Of a damaged book what can be read is unsealed all the same.
    """

    def __init__(self, settings: Settings, folder: Path, items: ItemStore) -> None:
        """Read the key that the settings name. Raises SettingError if it is not fit."""
        from chalicelib.storage.box.vault import make_vault

        self._file, self._other = settings.vault_key_file, settings.other_key
        self._items = items
        self._is_own = self._other is OtherKey.IGNORED
        try:
            self._vault = make_vault(self._file, folder)
        except ValueError as error:
            raise SettingError(f"vault_key_file: {error}") from error

    def seal(self, secret: str, context: str) -> bytes:
        self.require_own()
        return self._vault.seal(secret, context)

    def unseal(self, sealed: bytes, context: str) -> str:
        return self._vault.unseal(sealed, context)

    def require_own(self) -> None:
        """Note by what a new folder is sealed. Raises SettingError for one that is sealed
        otherwise."""
        if not self._is_own:
            self._require_key_of(self._read_check() or self._note_first())
            self._is_own = True

    def _read_check(self) -> bytes:
        note = self._items.get(keys.TENANTS, keys.VAULT_ITEM) or {}
        return bytes(note.get("sealed", b""))

    def _note_first(self) -> bytes:
        """Note by what the folder is sealed, unless another process is first; return the check.

        Who adds a tenant has noted it before. So tenants without it began without a key.
        """
        has_tenants = self._items.query(keys.TENANTS, keys.tenant_item("")[0], limit=1).items
        if self._file is not None and has_tenants:
            raise SettingError(_BEGAN_WITHOUT)
        with suppress(ConditionFailed):
            self._note(absent("unnoted"))
        return self._read_check()

    def _require_key_of(self, check: bytes) -> None:
        from chalicelib.storage.box.vault import is_by_key

        if self._file is None and is_by_key(check):
            raise SettingError(_NAME_KEY)
        if self._file is not None and not is_by_key(check):
            raise SettingError(_BEGAN_WITHOUT)
        try:
            self._vault.unseal(check, _CONTEXT)
        except StorageUnavailable:
            if self._file is None:  # the check is damaged
                raise
            if self._other is OtherKey.REFUSED:
                raise SettingError(f"vault_key_file: {self._file} {_IS_ANOTHER}") from None
            self._note()

    def _note(self, *conditions: Condition) -> None:
        kind, id_ = keys.VAULT_ITEM
        item = {"kind": kind, "id": id_, "sealed": self._vault.seal(_CHECKED, _CONTEXT)}
        self._items.transact([Put(keys.TENANTS, item, conditions)])


def _open_embedded(settings: Settings, folder: Path, clock: Clock) -> Storage:
    """Open a folder on one box: a database file for items and queues, folders for pictures,
    snapshots and captures."""
    from chalicelib.privacy.erasure_progress import SETTLED
    from chalicelib.storage.box.blobs import disk_of, hold_off_backup, remove_killed_backup
    from chalicelib.storage.box.items import SqliteItemStore
    from chalicelib.storage.box.queue import SqliteQueue
    from chalicelib.storage.box.uploads import (
        PICTURES_PREFIX,
        FolderUploadStore,
        SignedPaths,
        signing_secret,
    )

    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    items = SqliteItemStore(folder / DATABASE, keys.TABLES)
    vault = FolderVault(settings, folder, items)
    with suppress(Busy, StorageUnavailable):  # it is tried again before anything is sealed
        vault.require_own()
    index_queue, captures_queue, deliveries_queue = (
        SqliteQueue(items.file, name, clock) for name in ("index", "captures", "deliveries")
    )
    secret, public_url = signing_secret(folder), settings.public_url or ""
    captures = SignedPaths(secret, clock)
    blobs = FolderUploadStore(
        folder / "blobs", SignedPaths(secret, clock, PICTURES_PREFIX), public_url
    )

    def announce(event: str, tenant: str) -> None:
        captures_queue.send(event, group=tenant)

    uploads = FolderUploadStore(folder / "captures", captures, public_url, announce=announce)

    def wipe() -> None:
        for do in (items.file.wipe, items.file.remove_left):
            with suppress(Busy):
                do()
        blobs.remove_leftovers()
        uploads.remove_leftovers()
        remove_killed_backup(folder)

    def tidy() -> None:
        with suppress(Busy, StorageUnavailable):
            items.file.remove_left()

    def close() -> None:
        tidy()
        items.close()

    def scrub() -> None:
        with hold_off_backup(folder):
            items.file.scrub()
            blobs.remove_leftovers(SETTLED.total_seconds())
            uploads.remove_leftovers(SETTLED.total_seconds())

    tidy()
    return Storage(
        items=items,
        blobs=blobs,
        uploads=uploads,
        index_queue=index_queue,
        captures_queue=captures_queue,
        deliveries_queue=deliveries_queue,
        vault=vault,
        close=close,
        wipe=wipe,
        scrub=scrub,
        expires_items=False,
        disk=lambda: disk_of(folder),
        waiting=captures_queue.waiting,
        damage=items.file.damage,
    )


def _open_aws(storage: AwsStorage, clock: Clock) -> Storage:
    """Open the storage of AWS."""
    from chalicelib.storage.aws.blobs import S3BlobStore, S3UploadStore
    from chalicelib.storage.aws.clients import begin_in_thread, open_aws_client
    from chalicelib.storage.aws.items import DynamoItemStore
    from chalicelib.storage.aws.queue import SqsQueue
    from chalicelib.storage.aws.vault import KmsVault

    key, s3, sqs = storage.secrets_key, open_aws_client("s3"), open_aws_client("sqs")
    return Storage(
        items=DynamoItemStore(open_aws_client("dynamodb"), storage.table_prefix),
        blobs=S3BlobStore(s3, storage.bucket, now=clock.now),
        uploads=S3UploadStore(s3, storage.captures_bucket, now=clock.now),
        index_queue=SqsQueue(sqs, storage.index_queue_url),
        captures_queue=SqsQueue(sqs, storage.captures_queue_url),
        deliveries_queue=SqsQueue(sqs, storage.deliveries_queue_url),
        vault=KmsVault(open_aws_client("kms"), key),
        close=lambda: None,
        wipe=lambda: None,
        expires_items=True,
        begin_call=begin_in_thread,
    )
