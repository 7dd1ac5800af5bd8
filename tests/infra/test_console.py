import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from chalicelib.api.application import Routes
from chalicelib.api.console import FILES, PATH
from infra import bundle, package

FUNCTION = """
import json, sys
sys.path.insert(0, ".")
import app
assert "chalicelib.api.console_files" not in sys.modules, "other routes pay for the console"
routes, answers = json.loads(sys.argv[1]), []
for event in routes:
    answers.append(app.app(event, None))
print(json.dumps(answers))
print("botocore" in sys.modules, file=sys.stderr)
"""
STAGE = "/api"
ROUTES = Routes({path: {"GET": None} for path in ("/", PATH, *FILES)})


def event(path: str, **headers: str) -> dict[str, Any]:
    """What the gateway hands over for a path below its stage."""
    matched = ROUTES.match("GET", path)
    assert matched
    route, parameters = matched
    return {
        "resource": route,
        "path": path,
        "httpMethod": "GET",
        "headers": {
            "Host": "id.execute-api.eu-central-1.amazonaws.com",
            "Accept": "*/*",
            **headers,
        },
        "multiValueQueryStringParameters": None,
        "pathParameters": parameters or None,
        "stageVariables": None,
        "requestContext": {
            "path": STAGE + path,
            "resourcePath": route,
            "httpMethod": "GET",
            "stage": "api",
        },
        "body": None,
        "isBase64Encoded": False,
    }


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The application as its function finds it: our modules, the console, its libraries, and
    nothing else of ours."""
    folder = tmp_path_factory.mktemp("task")
    left_out = shutil.ignore_patterns("__pycache__", "model_packs", "*.so")
    shutil.copytree(package.ROOT / "chalicelib", folder / "chalicelib", ignore=left_out)
    shutil.copyfile(package.ROOT / "app.py", folder / "app.py")
    for name, path in bundle.list_console_files().items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, folder / name)
    return folder


def answers(folder: Path, *events: dict[str, Any]) -> list[dict[str, Any]]:
    """Start the function once, and let it answer the events."""
    names = ("INDEX_QUEUE", "CAPTURES_QUEUE", "DELIVERIES_QUEUE")
    urls = {f"REGULARS_{name}_URL": f"https://sqs/{name}" for name in names}
    environ = {
        "PATH": os.environ["PATH"],
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "REGULARS_TABLE_PREFIX": "regulars-prod-",
        "REGULARS_BUCKET": "regulars-prod-data",
        "REGULARS_CAPTURES_BUCKET": "regulars-prod-captures",
        "REGULARS_SECRETS_KEY": "arn:aws:kms:eu-central-1:1:key/1",
        **urls,
    }
    command = [sys.executable, "-c", FUNCTION, json.dumps(events)]
    done = subprocess.run(
        command, cwd=folder, env=environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    if all("pathParameters" in one and one["pathParameters"] for one in events):
        assert done.stderr.splitlines()[-1] == "False", "a file needs nothing of AWS"
    return json.loads(done.stdout)


def test_the_page_its_files_and_the_way_there_come_from_the_package(unpacked: Path) -> None:
    root, page = answers(unpacked, event("/"), event("/console"))
    assert (root["statusCode"], root["headers"]["Location"]) == (302, "console")
    assert page["statusCode"] == 200
    pictures = re.search("img-src ([^;]*);", page["headers"]["Content-Security-Policy"])
    assert pictures
    assert pictures[1].split() == [
        "'self'",
        "blob:",
        "https://regulars-prod-data.s3.eu-central-1.amazonaws.com",
        "https://regulars-prod-captures.s3.eu-central-1.amazonaws.com",
    ]
    known = re.search(r'<script type="importmap">(.*?)</script>', page["body"])
    assert known
    places = {url.removeprefix(".") for url in json.loads(known[1])["imports"].values()}
    urls = {f"{one}words.json" if one.endswith("/") else one for one in places}
    (again,) = answers(unpacked, event("/console", **{"If-None-Match": page["headers"]["ETag"]}))
    found = answers(unpacked, *map(event, urls))
    assert (again["statusCode"], again["body"]) == (304, "")
    assert {one["statusCode"] for one in found} == {200}
    assert not any(one.get("isBase64Encoded") for one in found), (
        "the gateway passes text to every browser"
    )
    assert not any(
        one["headers"]["Content-Type"].startswith(("application/octet", "image/p")) for one in found
    )


def test_the_licences_of_the_libraries_go_with_them() -> None:
    licences = {name for name in bundle.list_console_files() if name.endswith(bundle.LICENCE)}
    assert licences == {f"console/libraries/{name}/LICENSE" for name in ("preact", "htm")}
