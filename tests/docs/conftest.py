from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.box.server import Server
from tests.support.examples import draw_part, takes
from tests.support.noon import zone_at_noon
from tests.support.second_try import second_try

pytest_itemcollected = second_try("server")

HERE = Path(__file__).parent


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Draw sessions: each starts a service, whose models take seconds. `make docs` tries all."""
    has_server = takes("server")
    draw_part(config, items, lambda item: item.path.parent == HERE and has_server(item))


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """`regulars serve --data shop` as README says, in the folder that a session runs in."""
    monkeypatch.setenv("TZ", zone_at_noon())
    server = Server(tmp_path / "shop")
    yield server
    assert server.stop() == 0
