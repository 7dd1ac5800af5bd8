"""The dialect that docs/dialects.md makes: installed from the page, it answers over HTTP."""

import json
import os
import re
import subprocess
import sys
import urllib.request
from contextlib import closing
from pathlib import Path
from urllib.error import HTTPError

import pytest

from chalicelib import bootstrap
from chalicelib.domain.model import NewFace
from chalicelib.domain.pictures import PictureRules
from chalicelib.settings import Settings
from tests.support.box.server import Server
from tests.support.pictures.photos import FOLDER, PORTRAITS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "dialects.md").read_text(encoding="utf-8")
RULES = PictureRules(frozenset({"JPEG"}), 5_000_000, 8_192, 8_192)
FILES = dict(
    re.findall(r"^`([\w./]+)`[^\n]*\n(?:[^`\n]+\n)*\n```\w+\n(.*?)^```", PAGE, re.M | re.S)
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the page's distribution is installed, as `pip install` does."""
    folder = tmp_path_factory.mktemp("regulars-door")
    for name, text in FILES.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--target", folder / "site"]
    subprocess.run([sys.executable, "-m", "pip", "install", *options, folder], check=True)
    return folder / "site"


def post(url: str, body: bytes, key: str) -> tuple[int, object]:
    request = urllib.request.Request(url, body, {"X-Door-Key": key})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.load(answer)
    except HTTPError as error:
        return error.code, json.load(error)


def test_the_dialect_of_the_page_is_three_files() -> None:
    assert [*FILES] == ["pyproject.toml", "regulars_door/__init__.py", "regulars_door/routes.py"]


def test_the_dialect_of_the_page_answers_over_http(site: Path, tmp_path: Path) -> None:
    environ = {**os.environ, "PYTHONPATH": f"{ROOT}:{site}"}
    data = tmp_path / "shop"
    server = Server(data, environ=environ)
    try:
        command = [
            *(sys.executable, "-m", "regulars", "tenants", "keys", "add", "--data", data),
            *("shop", "Front door", "--for", "door", "--group", "regular"),
        ]
        added = subprocess.run(command, env=environ, capture_output=True, text=True, check=True)
        [key] = re.findall(r"[0-9a-f]{8}-[0-9a-f-]{27}", added.stdout)
        ann, bob = ((FOLDER / one).read_bytes() for one in PORTRAITS[:2])
        with closing(bootstrap.build(Settings(storage=data))) as services:
            shop = services.tenants.get_by_name("shop")
            services.enrolment.enrol_largest_face(
                shop, "regular", ann, RULES, NewFace(name="Ann Lee")
            )
        door = f"{server.url}/door/who"
        assert post(door, ann, key) == (200, {"name": "Ann Lee"})
        assert post(door, bob, key) == (200, {"name": None})
        status, said = post(door, ann, "wrong")
        assert (status, said) == (401, {"error": "send a key of this dialect in X-Door-Key"})
        assert post(door, b"no picture", key)[0] == 422
        assert post(f"{server.url}/door/none", b"", key)[0] == 404
    finally:
        assert server.stop() == 0
