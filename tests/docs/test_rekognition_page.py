"""The page for Rekognition's clients does what it says: its session by boto3, and its table of operations."""

from __future__ import annotations

import re
import shutil
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar
from urllib.parse import urlsplit

import pytest

from chalicelib.api.rekognition import requests, routes
from tests import photos as at_hand
from tests.docs.session import ROOT, Session
from tests.faults.server import Server

PAGE = ROOT / "docs/rekognition.md"


def test_the_session_finds_the_person_on_the_second_photo(server: Server, photos: Path) -> None:
    shutil.copyfile(photos / at_hand.PORTRAIT_AGAIN, server.data.parent / "second.jpg")
    (found,) = Session.of("Move in ten minutes", PAGE).output(server, "sed", picture=photos / at_hand.PORTRAIT)
    name, similarity = found.split()
    assert name == "ann"
    assert float(similarity) >= 80


class _Bucket(BaseHTTPRequestHandler):
    """As much of S3 as the session asks: a list of the objects, and each of them."""

    objects: ClassVar[dict[str, Path]] = {}

    def do_GET(self) -> None:
        bucket, _, key = urlsplit(self.path).path.lstrip("/").partition("/")
        if key:
            told = self.objects[key].read_bytes()
        else:
            keys = "".join(f"<Contents><Key>{key}</Key></Contents>" for key in self.objects)
            told = f"<ListBucketResult><Name>{bucket}</Name>{keys}</ListBucketResult>".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(told)))
        self.end_headers()
        self.wfile.write(told)


@pytest.fixture
def s3(photos: Path) -> Iterator[dict[str, str]]:
    """The environment of a program that has a bucket with two portraits."""
    names = {"ann": at_hand.PORTRAIT, "ben": at_hand.OTHER}
    _Bucket.objects = {f"people/{name}.jpg": photos / file for name, file in names.items()}
    with ThreadingHTTPServer(("127.0.0.1", 0), _Bucket) as front:
        threading.Thread(target=front.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{front.server_port}"
        yield {"AWS_ENDPOINT_URL_S3": url, "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
        front.shutdown()


def test_the_session_indexes_a_buckets_photos_and_may_be_run_again(server: Server, s3: dict[str, str]) -> None:
    session = Session.of("Index again from S3", PAGE)
    for _ in range(2):
        assert session.output(server, **s3) == ["2 faces"]


def test_the_page_names_the_operations_that_are_answered_and_only_those() -> None:
    rows = re.findall(r"^\| (collections|faces|users|pictures) \| (.*) \|$", PAGE.read_text("utf-8"), re.MULTILINE)
    named = {name for _, cell in rows for name in re.findall(r"\b[A-Z][a-z]+[A-Z]\w+", cell)} - {"S3Object"}
    assert named == {operation for operations in routes.MODULES.values() for operation in operations}
    assert named <= set(requests.REQUESTS)
