"""Folders of all tests, the uploader's too: in memory if there is some, else and for the marker
`disk` on disk."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

MEMORY, DISK = Path("/dev/shm"), Path("/var/tmp")
NEEDED_BYTES = 2 << 30


def pytest_configure() -> None:
    """A commit waits for the disk, and nearly every test makes some."""
    if os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > NEEDED_BYTES:
        tempfile.tempdir = str(MEMORY)


@pytest.fixture
def tmp_path(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    if request.node.get_closest_marker("disk") is None:
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=DISK) as folder:
        yield Path(folder)
