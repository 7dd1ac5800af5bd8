"""Networks that are optimised for the package give the answers of the pack's own, to the last bit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from chalicelib.vision.packs import packs
from chalicelib.vision.packs.packs import MissingModel, Pack, State
from chalicelib.vision.packs.session import Sessions
from infra import networks

SIDE_PX = 96
"""Of the pictures for networks that take any size: the detectors' strides divide it."""


@pytest.fixture(scope="module")
def pack() -> Pack:
    return packs.find(None)


@pytest.fixture(scope="module")
def ready(pack: Pack, tmp_path_factory: pytest.TempPathFactory) -> Pack:
    return networks.ready(pack, tmp_path_factory.mktemp("networks"))


def test_answers_are_the_same_to_the_last_bit(pack: Pack, ready: Pack) -> None:
    ours, optimised = Sessions(pack), Sessions(ready)
    for file in filter(pack.has, pack.files):
        (taken,) = ours.load(file.name).get_inputs()
        shape = [side if isinstance(side, int) else SIDE_PX for side in taken.shape[1:]]
        batch = np.random.default_rng(1).random((1, *shape), np.float32) * 255
        expected, found = ours.run(file.name, batch), optimised.run(file.name, batch)
        assert list(found) == list(expected)
        assert all(np.array_equal(found[name], expected[name]) for name in expected), file.name


def test_the_manifest_names_what_is_there_and_the_same_input_gives_the_same_bytes(
    pack: Pack, ready: Pack, tmp_path: Path
) -> None:
    at_hand = [pack.has(file) for file in pack.files]
    assert [status.state is State.OK for status in packs.verify(ready)] == at_hand
    assert [file.sha256 for file in networks.ready(pack, tmp_path).files] == [file.sha256 for file in ready.files]
    assert ready.manifest.crops == pack.manifest.crops


def test_a_package_looks_at_the_size_of_its_own_files_alone(pack: Pack, ready: Pack, tmp_path: Path) -> None:
    file, own = ready.files[0], networks.ready(pack, tmp_path)
    changed = bytes(own.file(file.name).size_bytes)
    (tmp_path / own.manifest.name / file.name).write_bytes(changed)
    assert own.content(file.name) == changed
    assert own.is_whole(own.file(file.name))
    elsewhere = Pack(ready.manifest, own.places)
    with pytest.raises(MissingModel, match="damaged"):
        elsewhere.content(file.name)
    (tmp_path / own.manifest.name / file.name).write_bytes(changed[1:])
    with pytest.raises(MissingModel, match="damaged"):
        own.content(file.name)
