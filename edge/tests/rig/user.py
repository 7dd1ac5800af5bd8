"""A user who may not read everything, as the uploader's is."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def unreadable(name: str) -> Iterator[Path]:
    """Make a folder of this name that cannot be read, below one that can, also if root runs the
    tests."""
    before = os.geteuid()
    with tempfile.TemporaryDirectory(dir="/var/tmp") as made:
        Path(made).chmod(0o755)
        folder = Path(made, name)
        folder.mkdir(mode=0o000)
        os.seteuid(65_534 if before == 0 else before)
        try:
            yield folder
        finally:
            os.seteuid(before)
