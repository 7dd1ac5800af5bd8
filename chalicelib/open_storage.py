"""Storage of the state: the adapters behind the storage ports, embedded or on AWS, as the settings
say."""

from __future__ import annotations

from contextlib import closing, suppress
from pathlib import Path

from chalicelib.domain.errors import Busy, ConditionFailed, StorageUnavailable
from chalicelib.settings import AwsStorage, SettingError, Settings
from chalicelib.storage import keys
from chalicelib.storage.items import is_unused
from chalicelib.storage.ports import (
    Clock,
    Condition,
    Delete,
    Item,
    ItemStore,
    Put,
    Storage,
    Vault,
    absent,
)

DATABASE = "regulars.sqlite"
"""Name of the database in a data folder."""


def open_storage(settings: Settings, clock: Clock) -> Storage:
    """Open the storage that the settings name."""
    if isinstance(settings.storage, Path):
        return _open_embedded(settings, settings.storage, clock)
    return _open_aws(settings.storage, clock)


def renew_vault(settings: Settings, folder: Path) -> None:
    """Let a folder be sealed by the key that the settings name now, or by none.

    What was sealed before is lost, so all secrets are made anew. Raises SettingError.
    """
    from chalicelib.storage.box.items import SqliteItemStore

    vault = _make_vault(settings)
    with closing(SqliteItemStore(folder / DATABASE, keys.TABLES)) as items:
        items.transact([_note_vault(vault) if settings.vault_key_file else _FORGET_VAULT])


_VAULT_SECRET, _VAULT_CONTEXT = "the key of this folder", "vault/check"
_ANOTHER = (
    "For another key, or none, `regulars restore --new-secrets` makes a new folder of a backup "
    "(docs/operations.md, If the box is stolen)"
)
_FORGET_VAULT = Delete(keys.TENANTS, keys.VAULT_ITEM)


def _open_vault(settings: Settings, items: ItemStore) -> Vault:
    """Return the vault of a folder, all of whose secrets are sealed by one key, or by none.

    A new folder notes a check of the key that is named first. Raises SettingError for another key.
    """
    from chalicelib.storage.box.vault import OpeningVault

    vault = _make_vault(settings)
    try:
        note = items.get(keys.TENANTS, keys.VAULT_ITEM)
        if note is None and settings.vault_key_file and is_unused(items):
            with suppress(ConditionFailed):  # another process was first
                items.transact([_note_vault(vault, absent("unnoted"))])
            note = items.get(keys.TENANTS, keys.VAULT_ITEM)
    except StorageUnavailable as error:
        return OpeningVault(vault, str(error))
    if complaint := _find_other_key(settings.vault_key_file, vault, note):
        raise SettingError(complaint)
    return vault


def _make_vault(settings: Settings) -> Vault:
    from chalicelib.storage.box.vault import make_vault

    try:
        return make_vault(settings.vault_key_file)
    except ValueError as error:
        raise SettingError(f"vault_key_file: {error}") from error


def _note_vault(vault: Vault, *conditions: Condition) -> Put:
    kind, id_ = keys.VAULT_ITEM
    check = vault.seal(_VAULT_SECRET, _VAULT_CONTEXT)
    return Put(keys.TENANTS, {"kind": kind, "id": id_, "sealed": check}, conditions)


def _find_other_key(file: Path | None, vault: Vault, note: Item | None) -> str:
    """Say why a folder is not sealed by the key that is named; "": it is."""
    if note is None and file is None:
        return ""
    if note is None:
        return f"vault_key_file: the secrets of this book were sealed without a key. {_ANOTHER}"
    if file is None:
        return (
            "the secrets of this book are sealed: name the file of their key by vault_key_file "
            f"(REGULARS_VAULT_KEY_FILE). {_ANOTHER}"
        )
    try:
        vault.unseal(bytes(note["sealed"]), _VAULT_CONTEXT)
    except StorageUnavailable:
        another = f"{file} is not the key that sealed the secrets of this book"
        return f"vault_key_file: {another}. {_ANOTHER}"
    return ""


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
    public_url = settings.public_url or ""
    items = SqliteItemStore(folder / DATABASE, keys.TABLES)
    try:
        vault = _open_vault(settings, items)
    except BaseException:
        items.close()
        raise
    index_queue, captures_queue, deliveries_queue = (
        SqliteQueue(items.file, name, clock) for name in ("index", "captures", "deliveries")
    )
    secret = signing_secret(folder)
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
