"""The service without the other distributions: SUNMI, iCREDIT, v1 and the console work."""

import json
import os
import site
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.support.box.server import Server

ROOT = Path(__file__).parents[2]
LEFT_OUT = (
    "__editable__",
    *(f"regulars_{name}" for name in ("dialects", "edge", "lab", "mqtt", "transfer")),
)
PYTHON = (sys.executable, "-S")
"""Without `site`, which would add what is installed in this environment."""


@pytest.fixture(scope="module")
def environ(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment whose libraries are those of this one, without the dialects."""
    folder = tmp_path_factory.mktemp("site")
    for path in Path(site.getsitepackages()[0]).iterdir():
        if not path.name.startswith(LEFT_OUT):
            (folder / path.name).symlink_to(path)
    return {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'client/src'}:{folder}"}


@pytest.fixture(scope="module")
def server(environ: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("box")
    server = Server(folder / "shop", environ=environ, python=PYTHON)
    yield server
    assert server.stop() == 0


def ask(
    server: Server, method: str, path: str, body: bytes | None = None, **headers: str
) -> tuple[int, bytes]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    with closing(HTTPConnection(urlsplit(server.url).netloc, timeout=60)) as connection:
        connection.request(method, path, body, named)
        answer = connection.getresponse()
        return answer.status, answer.read()


def test_the_dialects_are_not_there(environ: dict[str, str]) -> None:
    code = "from chalicelib.api.dialects import NAMES; import regulars_dialects"
    done = subprocess.run(
        [*PYTHON, "-c", code], env=environ, capture_output=True, text=True, check=False
    )
    assert "No module named 'regulars_dialects'" in done.stderr


def test_the_clients_of_the_others_are_answered(server: Server) -> None:
    shop = server.credentials("shop")
    assert server.client().call("getGroupList", {}).code == 0
    bearer = {"Authorization": f"Bearer {shop.api_key}"}
    status, groups = ask(server, "GET", "/v1/groups", **bearer)
    assert status == 200
    assert {group["name"] for group in json.loads(groups)["groups"]} >= {"stranger", "regular"}
    status, _ = ask(
        server,
        "POST",
        "/icredit/face/manage",
        b"CONTROL_TYPE=9",
        Authorization=f"APPCODE {shop.appcode}",
        Content_Type="application/x-www-form-urlencoded",
    )
    assert status == 200
    assert ask(server, "GET", "/")[0] in range(300, 400), "the console is elsewhere"
    assert ask(server, "POST", "/", b"{}")[0] == 405


@pytest.mark.parametrize(
    "path", ["/v1/vision/face/list", "/api/v1/recognition/subjects", "/core/api/v1"]
)
def test_paths_of_dialects_that_are_not_installed_are_unknown(server: Server, path: str) -> None:
    assert ask(server, "POST", path, b"")[0] in (401, 404)


def test_no_key_of_such_a_dialect_can_be_made(environ: dict[str, str], tmp_path: Path) -> None:
    command = ["-m", "regulars", "tenants", "keys", "add", "--data", str(tmp_path), "shop", "a"]
    done = subprocess.run(
        [*PYTHON, *command, "--for", "compreface"],
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "compreface" in done.stderr
