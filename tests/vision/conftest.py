"""The real models and the labelled pictures, each looked at once a session."""

from __future__ import annotations

from pathlib import Path

import pytest

from chalicelib.vision import packs
from chalicelib.vision.packs import Pack
from chalicelib.vision.pipeline import FacePipeline
from tests.vision.album import Album


@pytest.fixture(scope="session", params=packs.NAMES)
def pack(request: pytest.FixtureRequest) -> Pack:
    """Each pack in turn; tests that need one whose files are not at hand are skipped."""
    try:
        return packs.find(None, request.param)
    except packs.MissingModel as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def vision(pack: Pack) -> FacePipeline:
    return FacePipeline(pack)


@pytest.fixture(scope="session")
def album(vision: FacePipeline, photos: Path) -> Album:
    """The labelled pictures as the pipeline sees them."""
    return Album(vision, photos)
