"""The real models and the labelled pictures, each looked at once a session."""

from __future__ import annotations

from pathlib import Path

import pytest

from chalicelib.vision.packs import packs
from chalicelib.vision.packs.packs import Pack
from chalicelib.vision.pipeline import FacePipeline
from tests.vision.album import Album


def packs_at_hand() -> list[str]:
    """Names of the packs of which all needed files are somewhere on this machine, by their sizes; the default first."""
    every = [packs.at(packs.default_places(None), name) for name in packs.NAMES]
    return [pack.manifest.name for pack in every if all(pack.has(file) or file.optional for file in pack.files)]


@pytest.fixture(scope="session", params=packs_at_hand())
def pack(request: pytest.FixtureRequest) -> Pack:
    """Each pack that is at hand, in turn; a test that names another is skipped."""
    try:
        return packs.find(None, request.param)
    except packs.MissingModel as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def vision(pack: Pack) -> FacePipeline:
    return FacePipeline(pack)


@pytest.fixture(scope="session")
def album(
    vision: FacePipeline, photos: Path, pack: Pack, tmp_path_factory: pytest.TempPathFactory, worker_id: str
) -> Album:
    """The labelled pictures as the pipeline sees them: each is looked at by one of the run's workers."""
    folder = tmp_path_factory.getbasetemp()
    seen = (folder if worker_id == "master" else folder.parent) / "seen" / pack.manifest.name
    return Album(vision, photos, seen)
