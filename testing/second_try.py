"""A second try for tests that drive a browser or another process: the machines that they run on are
shared."""

from collections.abc import Callable, Collection

import pytest


def second_try(*fixtures: str, imports: Collection[str] = ()) -> Callable[[pytest.Item], None]:
    """Return a `pytest_itemcollected` for a conftest: it marks tests that take any of `fixtures`.

    `imports`: names; all tests of a module that imports one of them are marked, too. Tests that
    kill get one try: what a kill loses is lost seldom, and once is too often.
    """

    def pytest_itemcollected(item: pytest.Item) -> None:
        imported = vars(getattr(item, "module", object)).keys()
        if item.path.stem.endswith("killed"):
            return
        if {*fixtures} & {*getattr(item, "fixturenames", ())} or imported & imports:
            item.add_marker(pytest.mark.flaky(reruns=1))

    return pytest_itemcollected
