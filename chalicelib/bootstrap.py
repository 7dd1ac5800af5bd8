"""The composition root: the adapter behind each port, chosen by the settings and by nothing else.

AWS clients, the models and numpy are loaded at their first use, not when the application is
imported.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from chalicelib.domain.model import JournalEntry
from chalicelib.lazy import lazy
from chalicelib.open_storage import open_storage
from chalicelib.settings import NO_DIALECTS, AwsStorage, DialectSettings, Settings
from chalicelib.storage.ports import (
    Clock,
    Mailer,
    ObjectReader,
    PictureFetcher,
    Postman,
    Storage,
    Vision,
    Witness,
)

if TYPE_CHECKING:
    from chalicelib.book.search.compact import Compactor, Memory
    from chalicelib.book.search.galleries import Galleries
    from chalicelib.book.vision.machine import PictureMemory
    from chalicelib.domain.rules.decision import FaceSearch
    from chalicelib.services import Services
    from chalicelib.witness import BackupFolders


class Provider:
    """The source of the services.

    `use` sets them. If nobody calls that, they are built from the environment when somebody first
    asks for them. `dialects`: whose settings are read, too.
    """

    def __init__(self, dialects: DialectSettings = NO_DIALECTS) -> None:
        self._dialects = dialects
        self._services: Services | None = None
        self._ports: Adapters | None = None
        self._making = threading.Lock()

    def __call__(self) -> Services:
        with self._making:
            if self._services is None:
                self._services = build(self._read_settings())
            return self._services

    def ports(self) -> Adapters:
        """Return the services' adapters.

        Until something has asked for the services themselves, only these are made.
        """
        with self._making:
            if self._services is not None:
                return self._services.ports
            if self._ports is None:
                self._ports = Adapters(self._read_settings())
            return self._ports

    def use(self, services: Services) -> None:
        self._services = services

    def _read_settings(self) -> Settings:
        return Settings.from_environment(os.environ, self._dialects)


def build(
    settings: Settings,
    *,
    clock: Clock | None = None,
    vision: Callable[[], Vision] | None = None,
    vision_of: Callable[[str], Vision] | None = None,
    storage: Storage | None = None,
    mailer: Mailer | None = None,
) -> Services:
    """Wire the services.

    `clock`, `vision`, `vision_of` (by the model's id) and `storage`, if given, replace those of the
    settings. `mailer`: what sends mail, which one box alone may have.
    """
    from chalicelib.services import Services  # the search function does without

    return Services(
        settings,
        Adapters(
            settings=settings,
            clock=clock,
            storage=storage,
            vision=vision,
            vision_of=vision_of,
            mailer=mailer,
        ),
    )


class Adapters:
    """The adapters that the settings choose. `model` and `vision` are those of new tenants."""

    def __init__(
        self,
        settings: Settings,
        clock: Clock | None = None,
        storage: Storage | None = None,
        vision: Callable[[], Vision] | None = None,
        vision_of: Callable[[str], Vision] | None = None,
        mailer: Mailer | None = None,
    ) -> None:
        """Take what is given, as `build` does; what is not given is made of the settings when it is
        first used."""
        from chalicelib.storage.in_process import CachedVault, SystemClock

        self._settings = settings
        self.clock, self.mailer = clock or SystemClock(), mailer
        storage = storage or open_storage(settings, self.clock)
        self.storage = replace(storage, vault=CachedVault(storage.vault))
        self.model: Callable[[], str] = (
            (lambda: vision().model) if vision else (lambda: self._model)
        )
        self.vision: Callable[[], Vision] = vision or (lambda: self._vision)
        self.vision_of: Callable[[str], Vision] = vision_of or self._vision_of

    @lazy
    def search(self) -> FaceSearch:
        aws = self._settings.storage
        if isinstance(aws, AwsStorage) and aws.search_function:
            from chalicelib.book.search.routing import NearSearch
            from chalicelib.storage.aws.clients import open_aws_client
            from chalicelib.storage.aws.search import LambdaSearch

            names = (aws.search_function, *aws.more_search_functions)
            remote = LambdaSearch(open_aws_client("lambda"), names)
            return NearSearch(lambda: self._galleries, remote, self.storage.items, aws.near_faces)
        return self._galleries

    def index(self, forget: Callable[[str, set[str]], object]) -> Compactor:
        """Make the builder of snapshots.

        `forget`: deletes the pictures that changed faces of a tenant left behind.
        """
        from chalicelib.book.search.compact import Compactor

        return Compactor(
            self.storage.items,
            self.storage.blobs,
            self._galleries,
            self.clock,
            forget=forget,
            memory=self._memory,
        )

    def journal(self, tenant: str, after_seq: int, wanted_seq: int) -> list[JournalEntry] | None:
        """Read the changes with seq `after_seq` + 1 to `wanted_seq`.

        Return None if one of them was trimmed.
        """
        from chalicelib.book.search import journal

        return journal.read_changes(self.storage.items, tenant, after_seq, wanted_seq)

    def model_number(self, model: str) -> int:
        """Return the number that clients know an embedding model by."""
        from chalicelib.book.vision.packs import packs

        return packs.find_number(model, self._settings.models)

    @lazy
    def postman(self) -> Postman:
        from chalicelib.http_client.safe_requests import SafePostman

        return SafePostman(networks=self._settings.hook_networks)

    @lazy
    def witness(self) -> Witness | None:
        """Make the keeper of the audit's heads outside; None: there is none, or a trial tells it
        nothing."""
        from chalicelib.witness import open_witness

        address = None if self._settings.is_trial else self._settings.witness
        return open_witness(address, lambda: self.postman) if address else None

    @lazy
    def backups(self) -> BackupFolders:
        """Make the folders of a box's last backups; a trial writes beside none."""
        from chalicelib.witness import BackupFolders

        storage = self._settings.storage
        if self._settings.is_trial or not isinstance(storage, Path):
            return BackupFolders(None)
        return BackupFolders(storage)

    @lazy
    def pictures_by_url(self) -> PictureFetcher:
        """Make the adapter that fetches pictures from URLs that a client sent."""
        from chalicelib.http_client.safe_requests import SafeFetcher

        return SafeFetcher()

    def objects(self) -> ObjectReader:
        """Make the adapter that reads what clients keep in S3."""
        from chalicelib.storage.aws.blobs import WAIT_S, S3Objects
        from chalicelib.storage.aws.clients import open_aws_client

        return S3Objects(open_aws_client("s3", WAIT_S, of_others=True))

    @lazy
    def _galleries(self) -> Galleries:
        from chalicelib.book.search.galleries import Galleries

        settings = self._settings
        scratch = settings.storage if isinstance(settings.storage, Path) else None
        memory = settings.search_memory_mb * 1024 * 1024
        disk = None if settings.search_disk_mb is None else settings.search_disk_mb * 1024 * 1024
        return Galleries(self.storage.items, self.storage.blobs, memory, scratch, disk)

    @lazy
    def _model(self) -> str:
        """Read the id of new tenants' embedding model from their pack's manifest, which loads no
        weights."""
        from chalicelib.book.vision.packs import packs

        return packs.read_pack(self._settings.models, self._settings.pack).manifest.embedding.model

    @lazy
    def _vision(self) -> Vision:
        from chalicelib.book.vision.packs import packs
        from chalicelib.book.vision.pipeline import FacePipeline

        return FacePipeline(
            packs.find(self._settings.models, self._settings.pack), self._picture_memory
        )

    def _vision_of(self, model: str) -> Vision:
        from chalicelib.book.vision.packs import packs
        from chalicelib.book.vision.pipeline import FacePipeline

        return FacePipeline(packs.find_by_model(model, self._settings.models), self._picture_memory)

    @lazy
    def _picture_memory(self) -> PictureMemory:
        from chalicelib.book.vision.cgroup_quota import quota
        from chalicelib.book.vision.machine import PictureMemory, limit_memory

        return PictureMemory(limit_memory(quota(), self._settings.memory_mb * 1024 * 1024))

    @lazy
    def _memory(self) -> Memory:
        """Tell what memory there is: the function's, or what a quota leaves of the machine's."""
        from chalicelib.book.search.compact import Memory
        from chalicelib.book.vision.cgroup_quota import quota
        from chalicelib.book.vision.machine import limit_memory, read_held_bytes

        if not isinstance(self._settings.storage, Path):
            limit_bytes = self._settings.memory_mb * 1024 * 1024
            return Memory(limit_bytes, read_held_bytes, "raise BuildIndexMemory")
        machine_bytes = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        limit_bytes = limit_memory(quota(), machine_bytes)
        return Memory(limit_bytes, read_held_bytes, "give the machine, or its container, more")
