"""The packs' own files and those of their upstream, where they are at hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from chalicelib.vision import packs
from chalicelib.vision.packs import Pack
from tests.conftest import SHARED


@pytest.fixture(scope="session")
def registry() -> Pack:
    """The pack that package registries alone give; tests that need its files are skipped where nobody pulled them."""
    return _found("registry")


@pytest.fixture(scope="session")
def default_pack() -> Pack:
    return _found(packs.DEFAULT_PACK)


@pytest.fixture(scope="session")
def given_models() -> Path:
    """The models beside the checkout, with the files of their upstream that came along."""
    folder = SHARED / "models" / "face-pack-1"
    if not (folder / "upstream").is_dir():
        pytest.skip("no upstream files: they are expected in ../shared/models/face-pack-1/upstream")
    return folder


def _found(name: str) -> Pack:
    try:
        return packs.find(None, name)
    except packs.MissingModel as error:
        pytest.skip(str(error))
