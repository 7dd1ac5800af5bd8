from collections.abc import Iterator
from pathlib import Path

import pytest

from chalicelib.book.vision.packs import packs
from chalicelib.book.vision.packs.packs import Pack
from chalicelib.book.vision.pipeline import FacePipeline
from tests.support.pictures.album import Album


@pytest.fixture(scope="session")
def pack() -> Pack:
    """The pack that is part of the program."""
    return packs.find(None)


@pytest.fixture(scope="session")
def vision(pack: Pack) -> FacePipeline:
    return FacePipeline(pack)


@pytest.fixture(scope="session")
def album(
    vision: FacePipeline, photos: Path, tmp_path_factory: pytest.TempPathFactory, worker_id: str
) -> Album:
    """The labelled pictures as the pipeline sees them: each is looked at by one of the run's
    workers."""
    folder = tmp_path_factory.getbasetemp()
    seen = (folder if worker_id == "master" else folder.parent) / "seen"
    return Album(vision, photos, seen)


@pytest.fixture
def figures(request: pytest.FixtureRequest) -> Iterator[list[str]]:
    """Lines that are printed at the end of the run (tests/conftest.py)."""
    lines: list[str] = []
    yield lines
    request.node.user_properties += [("figure", line) for line in lines]
