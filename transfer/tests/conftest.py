from collections.abc import Iterator
from pathlib import Path

import pytest

from testing.folders import pytest_configure, tmp_path
from testing.logs import former_logs
from tests.support.box.box import Box, serving
from tests.support.fixtures import interruptible, photos

__all__ = ["former_logs", "interruptible", "photos", "pytest_configure", "tmp_path"]


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    with serving(tmp_path / "data") as box:
        yield box


@pytest.fixture
def other_box(tmp_path: Path) -> Iterator[Box]:
    with serving(tmp_path / "other") as box:
        yield box
