"""The configuration that docs/tasks/nginx.md prints, run by nginx before a real server."""

from __future__ import annotations

import os
import re
import shutil
import ssl
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.docs.session import DOCS, read
from tests.faults.server import Server
from tests.ports import free_port
from tests.regulars.serve.certificate import certificate
from tests.regulars.serve.test_front import until


@pytest.fixture
def status(server: Server, tmp_path: Path) -> Iterator[Callable[..., int]]:
    """Ask nginx, which answers by now; of the page's block only files, the two ports and the name are changed."""
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if program is None:
        pytest.skip("there is no nginx: on Debian, apt-get install nginx-light")
    chain, key = certificate(tmp_path)
    port = free_port()
    (block,) = re.findall(r"```nginx\n(.*?)```", read(DOCS / "tasks/nginx.md"), re.DOTALL)
    for shown, real in (
        ("/etc/ssl/box.pem", chain),
        ("/etc/ssl/box.key", key),
        ("listen 443", f"listen 127.0.0.1:{port}"),
        ("http://127.0.0.1:8000", server.url),
    ):
        assert shown in block
        block = block.replace(shown, str(real))
    folders = "".join(
        f"{name}_temp_path {tmp_path}/{name};\n" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (tmp_path / "nginx.conf").write_text(
        # Workers would be of another user, who may not write to the test's folder.
        f"{'user root; ' if os.geteuid() == 0 else ''}daemon off;\n"
        f"pid {tmp_path}/nginx.pid; error_log {tmp_path}/error.log warn; events {{}}\n"
        f"http {{ access_log off;\n{folders}{block}}}\n"
    )
    running = subprocess.Popen([program, "-c", str(tmp_path / "nginx.conf"), "-e", str(tmp_path / "error.log")])
    trusted = ssl.create_default_context(cafile=str(tmp_path / "chain.pem"))

    def ask(path: str, body: bytes | None = None) -> int:
        with httpx.Client(verify=trusted, trust_env=False, timeout=60) as client:
            return client.request("PUT" if body else "GET", f"https://127.0.0.1:{port}{path}", content=body).status_code

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
    assert status("/_blobs/x", bytes(20 << 20)) == 403, "the service's answer to an upload that nobody signed"
    assert status("/_blobs/x", bytes(21 << 20)) == 413, "nginx's"


def test_a_page_of_many_files_comes_at_once_and_only_sign_ins_are_limited(
    status: Callable[..., int], tmp_path: Path
) -> None:
    with ThreadPoolExecutor(6) as browser:
        files = list(browser.map(status, ["/health"] * 180))
        sign_ins = list(browser.map(status, ["/v1/session"] * 40))
    assert set(files) == {200}
    assert "delaying request" not in (tmp_path / "error.log").read_text(), "as a limit of ten a second did"
    assert set(sign_ins) == {401, 503}
    assert sign_ins.count(401) >= 20
