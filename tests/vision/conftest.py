"""The real models and the labelled pictures, each looked at once a session."""

from __future__ import annotations

from pathlib import Path

import pytest

from chalicelib.vision import packs
from chalicelib.vision.packs import Pack
from chalicelib.vision.pipeline import FacePipeline
from tests.vision.album import Album

UNSEEN: dict[str, frozenset[str]] = {}
"""Pictures by pack whose faces its detector does not see: 12 to 56 pixels of people who walk past a camera."""


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
def album(vision: FacePipeline, pack: Pack, photos: Path) -> Album:
    """The labelled pictures as the pipeline sees them, without those that the pack is known not to see."""
    return Album(vision, photos, UNSEEN.get(pack.manifest.name, frozenset()))


@pytest.fixture
def sees_all(pack: Pack) -> None:
    """For tests of small, dim and lying faces, which not every pack's detector sees (docs/models.md)."""
    if pack.manifest.name in UNSEEN:
        pytest.skip(f"the detector of the pack {pack.manifest.name} is known not to see such faces")


@pytest.fixture
def tells_pose(pack: Pack) -> None:
    if "head_pose" not in pack.manifest.crops:
        pytest.skip(f"the pack {pack.manifest.name} has no model of head pose")
