"""Fixtures of several folders of tests."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from regulars.demo import registry_photos


@pytest.fixture(scope="session")
def photos() -> Path:
    """The labelled pictures at hand; tests.support.pictures.photos says which plays which part."""
    return registry_photos.provide_folder()


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Let Ctrl-C interrupt this process and those that it starts, also if the tests were started
    with it ignored.

    What was served in this process before would hear of it, too, and end the process at the second
    one.
    """
    handler, pipe = (
        signal.signal(signal.SIGINT, signal.default_int_handler),
        signal.set_wakeup_fd(-1),
    )
    yield
    signal.signal(signal.SIGINT, handler)
    signal.set_wakeup_fd(pipe)
