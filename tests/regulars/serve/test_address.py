"""The address that is printed is one that a browser reaches."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from regulars.serve import folder
from regulars.serve.settings import url_of
from tests.faults.server import Server


@pytest.mark.parametrize(
    ("host", "tls", "url"),
    [
        ("127.0.0.1", False, "http://127.0.0.1:8000"),
        ("::1", True, "https://[::1]:8000"),
        ("box.local", True, "https://box.local:8000"),
    ],
)
def test_the_host_is_the_one_that_is_listened_at(host: str, tls: bool, url: str) -> None:
    assert url_of(host, 8000, tls=tls) == url


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_everywhere_is_no_place_to_go_to(host: str) -> None:
    assert urlsplit(url_of(host, 8000, tls=False)).hostname not in ("0.0.0.0", "::", None)


def test_a_service_that_listens_everywhere_is_reached_at_what_it_prints(tmp_path: Path) -> None:
    server = Server(tmp_path / "shop", "--host", "0.0.0.0")
    try:
        running = folder.served(server.data)
        assert (running and running.url, running and running.process) == (server.url, str(server.process.pid))
        with urllib.request.urlopen(f"{server.url}/health", timeout=60) as answer:
            assert json.load(answer) == {"alive": True}
    finally:
        assert server.stop() == 0
    assert folder.served(server.data) is None


def test_nobody_serves_a_folder_that_is_not_there(tmp_path: Path) -> None:
    assert folder.served(tmp_path / "nowhere") is None
    assert list(tmp_path.iterdir()) == []
