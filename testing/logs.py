"""Logs of tests that call commands in their own process."""

import logging
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def former_logs() -> Iterator[None]:
    """Let the tests after these have the logs that they had: commands send them to stderr, and most
    of them nowhere."""
    root = logging.getLogger()
    level, handlers = root.level, [*root.handlers]
    yield
    root.setLevel(level)
    root.handlers[:] = handlers
