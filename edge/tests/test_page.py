import http.client
import re
import socket
import threading
import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from regulars_edge import page
from regulars_edge.capture import Shot
from rig import pictures
from rig.page_texts import Texts

from testing.ports import free_port

NOW_MS = 1_760_000_000_000
DOOR = ("door", Shot(pictures.jpeg(1), NOW_MS - 3_000))


def shown(*cameras: tuple[str, Shot | None]) -> Texts:
    found = page.make_answer("/", cameras, NOW_MS)
    return Texts(found[1].decode())


def test_a_camera_is_shown_with_its_picture() -> None:
    texts = shown(DOOR, ("yard", None))
    for said in ("door", "3 s ago", "yard", "There is no picture yet."):
        assert said in texts.text
    assert texts.links == ["/picture/0"]


@given(st.text())
def test_no_text_becomes_markup(text: str) -> None:
    hostile = f"\"'><script>alert(1)</script><img src=x onerror=y>{text}"
    assert shown((hostile, DOOR[1])).tags == shown(DOOR).tags


@pytest.mark.parametrize(
    "path", ["/picture/1", "/picture/-1", "/picture/0/", "/picture/²", "/x", "", "/../etc/passwd"]
)
def test_nothing_else_is_there(path: str) -> None:
    assert page.make_answer(path, [DOOR], NOW_MS) is None


@pytest.fixture
def port() -> Iterator[int]:
    """The port of an endpoint that is served."""
    port = free_port()
    stop = threading.Event()
    served = (port, CollectorRegistry(), lambda path: page.make_answer(path, [DOOR], NOW_MS), stop)
    thread = threading.Thread(target=page.serve_page, args=served)
    thread.start()
    while not answers(port):
        time.sleep(0.01)
    yield port
    stop.set()
    thread.join()


def answers(port: int) -> bool:
    with socket.socket() as line:
        return line.connect_ex(("127.0.0.1", port)) == 0


def got(port: int, path: str, host: str) -> http.client.HTTPResponse:
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    line.request("GET", path, headers={"Host": host})
    answer = line.getresponse()
    answer.read()
    line.close()
    return answer


def test_who_asks_by_another_name_gets_nothing(port: int) -> None:
    for host in ("127.0.0.1:9109", "localhost", "[::1]:80", "LOCALHOST:1"):
        answer = got(port, "/", host)
        assert (answer.status, answer.headers["Content-Type"]) == (200, page.HTML)
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        assert answer.headers["Cache-Control"] == "no-store"
    for host in ("evil.example", "127.0.0.1.evil.example", "", "[", "localhost@evil.example"):
        for path in ("/", "/picture/0", "/metrics"):
            assert got(port, path, host).status == 403
    assert got(port, "/picture/0", "localhost").headers["Content-Type"] == "image/jpeg"
    assert got(port, "/nothing", "localhost").status == 404
    assert got(port, "/metrics", "127.0.0.1:9109").status == 200


def test_the_page_is_on_this_machine_only(port: int) -> None:
    with socket.socket() as line:
        line.settimeout(20)
        assert line.connect_ex(("127.0.0.2", port)) != 0


def test_the_page_loads_nothing_from_elsewhere() -> None:
    found = page.make_answer("/", [DOOR], NOW_MS)
    assert not re.search(rb"<script|https?://|@import|url\(", found[1])
