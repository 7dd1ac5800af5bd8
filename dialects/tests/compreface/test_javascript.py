"""CompreFace's SDK for JavaScript, as it comes from npm, against one box."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.support.box.server import Server
from tests.support.npm import NODE, installed
from tests.support.pictures import photos

PROGRAM = Path(__file__).with_name("javascript")
ANN, ANN_AGAIN, BEN, NOBODY = (
    str(photos.FOLDER / name) for name in (*photos.PAIRS[0], photos.OTHER, photos.NOBODY)
)
ENCODED = "J%C3%B6rg"
"""The SDK writes a name into the path as it is, and a path is ASCII."""
Calls = Callable[..., list[Any]]


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Calls]:
    """Make calls by the SDK: of what, the method's name, and its arguments."""
    server = Server(tmp_path_factory.mktemp("box") / "home")
    command = ("tenants", "keys", "add", "shop", "SDK", "--for", "compreface", "--group", "family")
    made = subprocess.run(
        [sys.executable, "-m", "regulars", *command, "--data", str(server.data)],
        capture_output=True, text=True, timeout=60, check=True,
    ).stdout  # fmt: skip
    keys = dict(line.split(": ") for line in made.splitlines())
    folder = installed(PROGRAM, "compreface-javascript")
    # beside the packages, where an import looks for them
    program = shutil.copy(PROGRAM / "calls.mjs", folder)
    at = urlsplit(server.url)

    def calls(*made: Any) -> list[Any]:
        told = {"url": f"http://{at.hostname}", "port": at.port, "keys": keys, "calls": made}
        done = subprocess.run(
            [str(NODE), program], input=json.dumps(told), cwd=folder,
            env={**os.environ, "NO_PROXY": "*"},
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    yield calls
    assert server.stop() == 0


def test_examples_are_added_as_path_base64_and_blob_and_found(calls: Calls) -> None:
    options = {
        "det_prob_threshold": 0.8,
        "prediction_count": 1,
        "face_plugins": "age,gender",
        "status": True,
    }
    by_path, by_text, by_blob, listed, known, stranger = calls(
        (
            "faces",
            "add",
            f"./{os.path.relpath(ANN, installed(PROGRAM, 'compreface-javascript'))}",
            ENCODED,
            options,
        ),
        ("faces", "add", {"base64": ANN_AGAIN}, ENCODED),
        ("faces", "add", {"blob": BEN}, "Ben", {"det_prob_threshold": 0.8}),
        ("faces", "list"),
        ("recognition", "recognize", {"blob": ANN_AGAIN}, options),
        ("recognition", "recognize", {"base64": NOBODY}, {"limit": 0}),
    )
    assert [one["subject"] for one in (by_path, by_text, by_blob)] == ["Jörg", "Jörg", "Ben"]
    assert listed["total_elements"] == 3
    (face,) = known["result"]
    assert (face["subjects"][0]["subject"], "age" in face, "plugins_versions" in known) == (
        "Jörg",
        True,
        True,
    )
    assert face["subjects"][0]["similarity"] >= 0.9
    assert stranger["code"] == 28
    verified, renamed, subjects, many, gone, nothing = calls(
        ("faces", "verify", {"blob": ANN_AGAIN}, by_path["image_id"], {"limit": 0, "status": True}),
        ("subjects", "rename", ENCODED, "J & K"),
        ("subjects", "list"),
        ("faces", "delete_multiple_images", [by_path["image_id"], by_path["image_id"]]),
        ("faces", "delete_all"),
        ("subjects", "delete", "nobody"),
    )
    assert verified["result"][0]["similarity"] >= 0.9
    assert (renamed, subjects["subjects"]) == ({"updated": True}, ["J & K", "Ben"])
    assert many == [{"image_id": by_path["image_id"], "subject": "J & K"}]
    assert (gone["deleted"], nothing["code"]) == (2, 42)


def test_faces_are_detected_and_compared(calls: Calls) -> None:
    options = {"det_prob_threshold": 0.8, "face_plugins": "age,landmarks", "status": True}
    seen, compared = calls(
        ("detection", "detect", {"blob": ANN}, options),
        ("verification", "verify", {"base64": ANN}, {"base64": ANN_AGAIN}, {"limit": 0}),
    )
    assert {"box", "age", "landmarks", "execution_time"} <= set(seen["result"][0])
    assert compared["result"][0]["face_matches"][0]["similarity"] >= 0.9
