from collections.abc import Iterator

import pytest

from chalicelib.book.vision.packs import packs
from chalicelib.book.vision.pipeline import FacePipeline
from tests.support.fakes import FakeVision
from tests.support.house import House, house


@pytest.fixture(scope="session")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with house(tmp_path_factory.mktemp("reported") / "data", FakeVision()) as made:
        yield made


@pytest.fixture(scope="session")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """The box with the real models."""
    with house(tmp_path_factory.mktemp("real") / "data", FacePipeline(packs.find(None))) as made:
        yield made
