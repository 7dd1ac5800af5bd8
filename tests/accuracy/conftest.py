"""The real pipeline on the labelled pictures, and what tests report of it (tests/conftest.py prints it)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.vision.conftest import album, pack, vision

__all__ = ["album", "pack", "vision"]


@pytest.fixture
def figures(request: pytest.FixtureRequest) -> Iterator[list[str]]:
    """Lines that are printed at the end of the run."""
    lines: list[str] = []
    yield lines
    request.node.user_properties += [("figure", line) for line in lines]
