"""A second try for tests that drive a browser or another process: the machines that they run on are shared."""

from __future__ import annotations

from collections.abc import Callable

import pytest


def second_try(*fixtures: str) -> Callable[[pytest.Item], None]:
    """Return a `pytest_itemcollected` for a conftest: it marks tests that take any of `fixtures`; none means all."""

    def pytest_itemcollected(item: pytest.Item) -> None:
        if not fixtures or {*fixtures} & {*getattr(item, "fixturenames", ())}:
            item.add_marker(pytest.mark.flaky(reruns=1))

    return pytest_itemcollected
