from collections.abc import Iterator
from pathlib import Path

import pytest

from testing.second_try import second_try
from tests.support.box.server import Server
from tests.support.noon import zone_at_noon

pytest_itemcollected = second_try("server")


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """`regulars serve --data shop` as README says, in the folder that a session runs in."""
    monkeypatch.setenv("TZ", zone_at_noon())
    server = Server(tmp_path / "shop")
    yield server
    assert server.stop() == 0
