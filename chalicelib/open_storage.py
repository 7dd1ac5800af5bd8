"""Storage of the state: the adapters behind the storage ports, embedded or on AWS, as the settings
say."""

from __future__ import annotations

from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from chalicelib.domain.errors import Busy, StorageUnavailable
from chalicelib.settings import AwsStorage, SettingError, Settings
from chalicelib.storage import keys
from chalicelib.storage.ports import Clock, ItemStore, Queue, Storage, Vault

if TYPE_CHECKING:
    from chalicelib.storage.box.items import SqliteItemStore
    from chalicelib.storage.box.uploads import FolderUploadStore

DATABASE = "regulars.sqlite"
"""Name of the database in a data folder."""


def open_storage(settings: Settings, clock: Clock) -> Storage:
    """Open the storage that the settings name."""
    if isinstance(settings.storage, Path):
        return _open_embedded(settings, settings.storage, clock)
    if settings.vault_key_file is not None:
        raise SettingError("vault_key_file is of a box: a stage's secrets are sealed by KMS")
    return _open_aws(settings.storage, clock)


def _open_embedded(settings: Settings, folder: Path, clock: Clock) -> Storage:
    """Open a folder on one box: a database file for items and queues, folders for pictures,
    snapshots and captures."""
    from chalicelib.storage.box.blobs import disk_of
    from chalicelib.storage.box.items import SqliteItemStore
    from chalicelib.storage.box.queue import SqliteQueue

    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    items = SqliteItemStore(folder / DATABASE, keys.TABLES)
    with ExitStack() as if_refused:
        if_refused.callback(items.close)
        vault = _open_vault(settings, folder, items)
        if_refused.pop_all()
    index_queue, captures_queue, deliveries_queue = (
        SqliteQueue(items.file, name, clock) for name in ("index", "captures", "deliveries")
    )
    blobs, uploads = _open_folders(settings, folder, clock, captures_queue)
    cleaning = _Cleaning(folder, items, blobs, uploads)
    cleaning.tidy()
    return Storage(
        items=items,
        blobs=blobs,
        uploads=uploads,
        index_queue=index_queue,
        captures_queue=captures_queue,
        deliveries_queue=deliveries_queue,
        vault=vault,
        close=cleaning.close,
        wipe=cleaning.wipe,
        scrub=cleaning.scrub,
        begin_life=items.file.begin_life,
        expires_items=False,
        disk=lambda: disk_of(folder),
        waiting=captures_queue.waiting,
        damage=items.file.damage,
    )


def _open_vault(settings: Settings, folder: Path, items: ItemStore) -> Vault:
    """Open the vault of a folder. Raises SettingError if the key that the settings name is no key,
    or another one seals there."""
    from chalicelib.storage.box.folder_vault import FolderVault, WrongKey
    from chalicelib.storage.box.vault import make_vault

    try:
        sealing = make_vault(settings.vault_key_file, folder)
    except ValueError as error:
        raise SettingError(f"vault_key_file: {error}") from error
    vault = FolderVault(sealing, items, settings.other_key)
    try:
        vault.require_own()
    except WrongKey as error:
        raise SettingError(str(error)) from error
    except (Busy, StorageUnavailable):
        pass  # it is tried again before anything is sealed
    return vault


def _open_folders(
    settings: Settings, folder: Path, clock: Clock, captures_queue: Queue
) -> tuple[FolderUploadStore, FolderUploadStore]:
    """Open the folders of pictures and snapshots, and of captures, which are announced."""
    from chalicelib.storage.box.uploads import (
        PICTURES_PREFIX,
        FolderUploadStore,
        SignedPaths,
        signing_secret,
    )

    def announce(event: str, tenant: str) -> None:
        captures_queue.send(event, group=tenant)

    secret, public_url = signing_secret(folder), settings.public_url or ""
    pictures, captures = SignedPaths(secret, clock, PICTURES_PREFIX), SignedPaths(secret, clock)
    return (
        FolderUploadStore(folder / "blobs", pictures, public_url),
        FolderUploadStore(folder / "captures", captures, public_url, announce=announce),
    )


class _Cleaning(NamedTuple):
    """Ends of what a folder's files hold of deleted items."""

    folder: Path
    items: SqliteItemStore
    blobs: FolderUploadStore
    uploads: FolderUploadStore

    def wipe(self) -> None:
        from chalicelib.storage.box.blobs import remove_killed_backup

        for do in (self.items.file.wipe, self.items.file.remove_left):
            with suppress(Busy):
                do()
        self.blobs.remove_leftovers()
        self.uploads.remove_leftovers()
        remove_killed_backup(self.folder)

    def tidy(self) -> None:
        with suppress(Busy, StorageUnavailable):
            self.items.file.remove_left()

    def close(self) -> None:
        self.tidy()
        self.items.close()

    def scrub(self) -> None:
        from chalicelib.privacy.erasure_progress import SETTLED
        from chalicelib.storage.box.blobs import hold_off_backup

        with hold_off_backup(self.folder):
            self.items.file.scrub()
            self.blobs.remove_leftovers(SETTLED.total_seconds())
            self.uploads.remove_leftovers(SETTLED.total_seconds())


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
