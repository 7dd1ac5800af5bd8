"""Storage of the state: the adapters behind the storage ports, embedded or on AWS, as the settings
say."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from chalicelib.domain.errors import Busy, StorageUnavailable
from chalicelib.settings import AwsStorage, Settings
from chalicelib.storage import keys
from chalicelib.storage.ports import Clock, Storage

DATABASE = "regulars.sqlite"
"""Name of the database in a data folder."""


def open_storage(settings: Settings, clock: Clock) -> Storage:
    """Open the storage that the settings name."""
    if isinstance(settings.storage, Path):
        return _open_embedded(settings.storage, settings.public_url or "", clock)
    return _open_aws(settings.storage, clock)


def _open_embedded(folder: Path, public_url: str, clock: Clock) -> Storage:
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
    from chalicelib.storage.box.vault import PlainVault

    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    items = SqliteItemStore(folder / DATABASE, keys.TABLES)
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
        vault=PlainVault(),
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
