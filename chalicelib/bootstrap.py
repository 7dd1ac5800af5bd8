"""The composition root: which adapter stands behind which port, made from the settings and from nothing else.

AWS clients, the models, numpy and the use cases are loaded when they are first used, not when the application is
imported.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

from chalicelib.core import first_use, keys
from chalicelib.core.errors import RegularsError
from chalicelib.core.ports import (
    BlobStore,
    Clock,
    FaceSearch,
    IndexBuilder,
    ItemStore,
    PictureFetcher,
    Queue,
    Vault,
    Vision,
)
from chalicelib.services import Services
from chalicelib.settings import AwsStorage, Settings

if TYPE_CHECKING:
    from chalicelib.index.galleries import Galleries
    from chalicelib.services.attributes import Attributes
    from chalicelib.services.calendar import Calendar
    from chalicelib.services.day_reader import DayReader
    from chalicelib.services.deletion import Deletion
    from chalicelib.services.enrolment import Enrolment
    from chalicelib.services.face_update import FaceUpdate
    from chalicelib.services.faces import Faces
    from chalicelib.services.gallery_writer import GalleryWriter
    from chalicelib.services.group_enrolment import GroupEnrolment
    from chalicelib.services.groups import Groups
    from chalicelib.services.identify import Identify
    from chalicelib.services.observations import Observations
    from chalicelib.services.portraits import Portraits
    from chalicelib.services.quotas import Quotas
    from chalicelib.services.recorder import Recorder
    from chalicelib.services.requests import Requests
    from chalicelib.services.sealing import Sealing
    from chalicelib.services.statistics import Statistics
    from chalicelib.services.sweep import Sweep
    from chalicelib.services.tenants import Tenants
else:
    (
        Attributes,
        Calendar,
        DayReader,
        Deletion,
        Enrolment,
        FaceUpdate,
        Faces,
        GalleryWriter,
        GroupEnrolment,
        Groups,
        Identify,
        Observations,
        Portraits,
        Quotas,
        Recorder,
        Requests,
        Sealing,
        Statistics,
        Sweep,
        Tenants,
    ) = first_use.classes(
        "chalicelib.services",
        "attributes.Attributes",
        "calendar.Calendar",
        "day_reader.DayReader",
        "deletion.Deletion",
        "enrolment.Enrolment",
        "face_update.FaceUpdate",
        "faces.Faces",
        "gallery_writer.GalleryWriter",
        "group_enrolment.GroupEnrolment",
        "groups.Groups",
        "identify.Identify",
        "observations.Observations",
        "portraits.Portraits",
        "quotas.Quotas",
        "recorder.Recorder",
        "requests.Requests",
        "sealing.Sealing",
        "statistics.Statistics",
        "sweep.Sweep",
        "tenants.Tenants",
    )

_T = TypeVar("_T")

INDEX_EVERY = 256
"""Commits after which the index builder is called; the schedule calls it too, so a lost message loses nothing."""


class Lazy(Generic[_T]):
    """Makes its value once, at the first call, in whichever thread comes first."""

    def __init__(self, make: Callable[[], _T]) -> None:
        self._make = make
        self._made: list[_T] = []
        self._lock = threading.Lock()

    def __call__(self) -> _T:
        if not self._made:
            with self._lock:
                if not self._made:
                    self._made.append(self._make())
        return self._made[0]


class Provider:
    """Gives the services: those of the environment, made at the first call, or those that it was told to use."""

    def __init__(self) -> None:
        self._services = Lazy(lambda: build(Settings.from_environment(os.environ)))

    def __call__(self) -> Services:
        return self._services()

    def use(self, services: Services) -> None:
        self._services = Lazy(lambda: services)


@dataclass(frozen=True)
class _Storage:
    items: ItemStore
    blobs: BlobStore
    index_queue: Queue
    vault: Vault
    close: Callable[[], None]
    expires_items: bool


def build(settings: Settings, *, clock: Clock | None = None, vision: Callable[[], Vision] | None = None) -> Services:
    """Wire the services. `clock` and `vision` stand in for the real ones where given."""
    from chalicelib.adapters.clock import SystemClock

    clock = clock or SystemClock()
    storage = _embedded(settings.storage, clock) if isinstance(settings.storage, Path) else _aws(settings.storage)
    model = _model_of(vision)
    vision = vision or Lazy(lambda: _pipeline(settings.models))
    galleries = Lazy(lambda: _galleries(settings, storage))
    search = Lazy(lambda: _search(settings, storage, galleries))
    requests = Requests(storage.items, clock)
    groups = Groups(storage.items, requests, clock)
    portraits = Portraits(vision, storage.blobs)
    writer = GalleryWriter(storage.items, clock, _announce(storage.index_queue))
    faces = Faces(storage.items, groups)
    recorder = Recorder(storage.items, Calendar(storage.items), clock)
    days = DayReader(storage.items, storage.blobs, clock)
    return Services(
        settings=settings,
        clock=clock,
        tenants=Tenants(storage.items, storage.vault, clock),
        quotas=Quotas(storage.items, clock),
        groups=groups,
        attributes=Attributes(groups, requests),
        faces=faces,
        enrolment=Enrolment(groups, faces, portraits, writer, recorder, requests, clock),
        group_enrolment=GroupEnrolment(groups, faces, portraits, writer, recorder, vision, search, clock),
        face_update=FaceUpdate(groups, faces, portraits, writer, requests),
        deletion=Deletion(storage.items, groups, faces, portraits, writer, requests),
        identify=Identify(vision, search, faces, groups, recorder, clock, settings.fpir_target),
        recorder=recorder,
        observations=Observations(storage.items, days),
        statistics=Statistics(days),
        sealing=Sealing(storage.items, storage.blobs, clock),
        requests=requests,
        sweep=Sweep(storage.items, storage.blobs, requests, clock, expires_items=storage.expires_items),
        index=Lazy(lambda: _compactor(storage, galleries(), clock, model())),
        index_queue=storage.index_queue,
        search=search,
        vision=vision,
        pictures_by_url=Lazy(_fetcher),
        close=storage.close,
    )


def _embedded(folder: Path, clock: Clock) -> _Storage:
    """One folder on one box: a database file for items and queues, a folder for pictures and snapshots."""
    from chalicelib.adapters.folder import FolderBlobStore
    from chalicelib.adapters.plain_vault import PlainVault
    from chalicelib.adapters.sqlite import SqliteItemStore
    from chalicelib.adapters.sqlite_queue import SqliteQueue

    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    database = folder / "regulars.sqlite"
    items = SqliteItemStore(database, keys.TABLES)
    queue = SqliteQueue(database, "index", clock)

    def close() -> None:
        queue.close()
        items.close()

    return _Storage(items, FolderBlobStore(folder / "blobs"), queue, PlainVault(), close, expires_items=False)


def _aws(storage: AwsStorage) -> _Storage:
    from chalicelib.adapters.aws import aws_client
    from chalicelib.adapters.dynamo import DynamoItemStore
    from chalicelib.adapters.kms import KmsVault
    from chalicelib.adapters.s3 import S3BlobStore
    from chalicelib.adapters.sqs import SqsQueue

    return _Storage(
        DynamoItemStore(aws_client("dynamodb"), storage.table_prefix),
        S3BlobStore(aws_client("s3"), storage.bucket),
        SqsQueue(aws_client("sqs"), storage.index_queue_url, storage.index_dead_letter_url),
        KmsVault(aws_client("kms"), storage.kms_key),
        close=lambda: None,
        expires_items=True,
    )


def _pipeline(models: Path | None) -> Vision:
    from chalicelib.vision import packs
    from chalicelib.vision.pipeline import FacePipeline

    return FacePipeline(packs.find(models))


def _model_of(vision: Callable[[], Vision] | None) -> Callable[[], str]:
    """The embedding model's id, from the pack's manifest: what builds snapshots needs no weights."""
    if vision is not None:
        return lambda: vision().model

    def from_manifest() -> str:
        from chalicelib.vision import packs

        return packs.at(()).manifest.embedding.model

    return from_manifest


def _fetcher() -> PictureFetcher:
    from chalicelib.adapters.fetch_url import SafeFetcher

    return SafeFetcher()


def _galleries(settings: Settings, storage: _Storage) -> Galleries:
    from chalicelib.index.galleries import Galleries

    scratch = settings.storage if isinstance(settings.storage, Path) else None
    return Galleries(storage.items, storage.blobs, settings.search_memory_mb * 1024 * 1024, scratch)


def _search(settings: Settings, storage: _Storage, galleries: Callable[[], Galleries]) -> FaceSearch:
    from chalicelib.index.sharded import ShardedSearch, ShardNumbers

    aws = settings.storage
    if isinstance(aws, AwsStorage) and aws.search_function:
        from chalicelib.adapters.aws import aws_client
        from chalicelib.adapters.remote_search import LambdaSearch

        return ShardedSearch(LambdaSearch(aws_client("lambda"), aws.search_function), ShardNumbers(storage.items))
    return ShardedSearch(galleries(), ShardNumbers(storage.items))


def _compactor(storage: _Storage, galleries: Galleries, clock: Clock, model: str) -> IndexBuilder:
    from chalicelib.index.compact import Compactor
    from chalicelib.index.sharded import ShardNumbers

    return Compactor(storage.items, storage.blobs, galleries, clock, model, ShardNumbers(storage.items))


def _announce(queue: Queue) -> Callable[[str, int], None]:
    def on_commit(tenant: str, seq: int) -> None:
        if seq % INDEX_EVERY == 0:
            with suppress(RegularsError):
                queue.send(json.dumps({"tenant": tenant}))

    return on_commit
