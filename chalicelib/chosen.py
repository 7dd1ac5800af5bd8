"""What the settings choose for each port: models, searches, and what reaches out. Imported at their first use."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from chalicelib.core.first_use import Lazy
from chalicelib.core.ports import Clock, PictureFetcher, Postman, Vision
from chalicelib.core.search import FaceSearch, IndexBuilder
from chalicelib.settings import AwsStorage, Settings
from chalicelib.storage import Storage

if TYPE_CHECKING:
    from chalicelib.index.galleries import Galleries
    from chalicelib.vision.pipeline import Pipelines


def pipelines() -> Pipelines:
    from chalicelib.vision.pipeline import Pipelines

    return Pipelines()


def pipeline(settings: Settings, pipelines: Pipelines) -> Vision:
    from chalicelib.vision.packs import packs

    return pipelines.of(packs.find(settings.models, settings.pack))


def pipeline_of(model: str, settings: Settings, pipelines: Pipelines) -> Vision:
    from chalicelib.vision.packs import packs

    return pipelines.of(packs.of_model(model, settings.models))


def model_of(vision: Callable[[], Vision] | None, settings: Settings) -> Callable[[], str]:
    """The embedding model's id of new tenants, from their pack's manifest: who needs no more needs no weights."""
    if vision is not None:
        return lambda: vision().model

    def from_manifest() -> str:
        from chalicelib.vision.packs import packs

        return packs.chosen(settings.models, settings.pack).manifest.embedding.model

    return Lazy(from_manifest)


def fetcher() -> PictureFetcher:
    from chalicelib.adapters.web.fetch import SafeFetcher

    return SafeFetcher()


def postman(settings: Settings) -> Postman:
    from chalicelib.adapters.web.post import SafePostman

    return SafePostman(networks=settings.hook_networks)


def galleries(settings: Settings, storage: Storage) -> Galleries:
    from chalicelib.index.galleries import Galleries

    scratch = settings.storage if isinstance(settings.storage, Path) else None
    return Galleries(storage.items, storage.blobs, settings.search_memory_mb * 1024 * 1024, scratch)


def search(settings: Settings, storage: Storage, galleries: Callable[[], Galleries]) -> FaceSearch:
    from chalicelib.index.sharded import ShardedSearch, ShardNumbers

    aws = settings.storage
    if isinstance(aws, AwsStorage) and aws.search_function:
        from chalicelib.adapters.aws.clients import aws_client
        from chalicelib.adapters.aws.search import LambdaSearch

        return ShardedSearch(LambdaSearch(aws_client("lambda"), aws.search_function), ShardNumbers(storage.items))
    return ShardedSearch(galleries(), ShardNumbers(storage.items))


def compactor(storage: Storage, galleries: Galleries, clock: Clock, model_of: Callable[[str], str]) -> IndexBuilder:
    from chalicelib.index.compact import Compactor
    from chalicelib.index.sharded import ShardNumbers

    return Compactor(storage.items, storage.blobs, galleries, clock, model_of, ShardNumbers(storage.items))
