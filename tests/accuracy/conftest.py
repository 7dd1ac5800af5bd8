"""The real pipeline on the labelled pictures, and a place for the figures that tests report."""

from __future__ import annotations

import pytest

from tests.vision.conftest import album, pack, vision

__all__ = ["album", "pack", "vision"]

FIGURES = pytest.StashKey[list[str]]()


@pytest.fixture(scope="session")
def figures(request: pytest.FixtureRequest) -> list[str]:
    """Lines that are printed at the end of the run."""
    return request.config.stash.setdefault(FIGURES, [])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    lines = config.stash.get(FIGURES, [])
    if lines:
        terminalreporter.section("accuracy on the labelled pictures")
        for line in lines:
            terminalreporter.write_line(line)
