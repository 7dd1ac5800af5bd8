"""The configuration that docs/tasks/nginx.md prints, run by nginx before a real server."""

import os
import re
import ssl
import subprocess
from base64 import b64encode
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from testing.needs import needed
from testing.ports import free_port
from tests.support.box.server import Server
from tests.support.box.session import DOCS, read
from tests.support.waiting import until
from tests.support.web.certificate import certificate


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """As the page starts it."""
    (options,) = re.findall(r"regulars serve --data shop (.*)\n", read(DOCS / "tasks/nginx.md"))
    server = Server(tmp_path / "shop", *options.split())
    yield server
    assert server.stop() == 0


@pytest.fixture
def status(server: Server, tmp_path: Path) -> Iterator[Callable[..., int]]:
    """Ask nginx, which answers by now; of the page's block only files, the two ports and the name
    are changed."""
    program = needed("nginx")
    chain, key = certificate(tmp_path)
    port = free_port()
    (block,) = re.findall(r"```nginx\n(.*?)```", read(DOCS / "tasks/nginx.md"), re.DOTALL)
    for shown, real in (
        ("/etc/ssl/box.pem", chain),
        ("/etc/ssl/box.key", key),
        ("listen 443", f"listen 127.0.0.1:{port}"),
        ("http://127.0.0.1:8000", server.url),
        ("/var/log/nginx/access.log", tmp_path / "access.log"),
    ):
        assert shown in block
        block = block.replace(shown, str(real))
    folders = "".join(
        f"{name}_temp_path {tmp_path}/{name};\n"
        for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (tmp_path / "nginx.conf").write_text(
        # Workers would be of another user, who may not write to the test's folder.
        f"{'user root; ' if os.geteuid() == 0 else ''}daemon off;\n"
        f"pid {tmp_path}/nginx.pid; error_log {tmp_path}/error.log warn; events {{}}\n"
        f"http {{ access_log {tmp_path}/access.log;\n{folders}{block}}}\n"
    )
    running = subprocess.Popen(
        [program, "-c", str(tmp_path / "nginx.conf"), "-e", str(tmp_path / "error.log")]
    )
    trusted = ssl.create_default_context(cafile=str(tmp_path / "chain.pem"))

    def ask(
        path: str, body: bytes | None = None, method: str = "PUT", address: str = "", **headers: str
    ) -> int:
        way = httpx.HTTPTransport(verify=trusted, local_address=address or None)
        with httpx.Client(transport=way, timeout=60) as client:
            url = f"https://127.0.0.1:{port}{path}"
            return client.request(
                method if body else "GET", url, content=body, headers=headers
            ).status_code

    def answers() -> bool:
        try:
            return bool(ask("/health"))
        except httpx.TransportError:
            return False

    until(answers)
    yield ask
    running.terminate()
    assert running.wait(timeout=60) == 0


def test_nginx_passes_requests_on_and_bodies_of_20_mib(status: Callable[..., int]) -> None:
    assert status("/health") == 200
    assert status("/_blobs/x", bytes(20 << 20)) == 403, (
        "the service's answer to an upload that nobody signed"
    )
    assert status("/_blobs/x", bytes(21 << 20)) == 413, "nginx's"


def test_nginx_logs_no_key_of_a_camera_and_no_signature(
    status: Callable[..., int], tmp_path: Path
) -> None:
    digits = "0123456789abcdef" * 2
    basic = "Basic " + b64encode(f"{digits}:till".encode()).decode()
    assert status("/v1/captures", b"x", "POST", Authorization=basic) == 401
    assert status("/_blobs/x?signature=secret", b"x") == 403
    log = tmp_path / "access.log"
    until(lambda: '"PUT /_blobs/x" 403' in log.read_text())
    assert '"POST /v1/captures" 401' in log.read_text()
    assert digits not in log.read_text()
    assert "secret" not in log.read_text()


def sign_in(status: Callable[..., int], address: str, written: str = "") -> int:
    """Sign in with a wrong key, from an address, and perhaps with another that the client wrote
    itself."""
    said = {"Content-Type": "application/json", **({"X-Forwarded-For": written} if written else {})}
    return status("/v1/session", b'{"api_key": "rk_0"}', "POST", address, **said)


def test_a_page_of_many_files_comes_at_once_and_wrong_sign_ins_are_limited_by_their_own_address(
    status: Callable[..., int], tmp_path: Path
) -> None:
    with ThreadPoolExecutor(6) as browser:
        files = list(browser.map(status, ["/health"] * 180))
    assert set(files) == {200}
    assert "delaying request" not in (tmp_path / "error.log").read_text(), (
        "as a limit of ten a second did"
    )
    assert [sign_in(status, "127.0.0.3") for _ in range(12)] == [401] * 10 + [429] * 2
    assert sign_in(status, "127.0.0.4", written="127.0.0.3") == 401
