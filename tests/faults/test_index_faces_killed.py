"""Programs with boto3 index pictures while the service is killed: afterwards each face is there
once."""

import hashlib
import queue
import random
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_OID, uuid5

import boto3
import pytest
from botocore.exceptions import BotoCoreError
from PIL import Image

from chalicelib.bootstrap import build
from chalicelib.domain.model import Credentials
from chalicelib.settings import Settings
from tests.support.book.recount import disagreements
from tests.support.box.server import Server
from tests.support.examples import rest
from tests.support.pictures import photos as at_hand

pytestmark = [rest, pytest.mark.disk]

CLIENTS = 8
COLLECTION = "staff"
SIDE_PX = 320
PATIENCE_S = 900.0


def album(count: int) -> list[bytes]:
    """So many files, each another one by a comment; on some are two people."""
    shown = [_small(name) for name in (*at_hand.PORTRAITS[:6], at_hand.TWO)]
    return [
        _with_comment(shown[number % len(shown)], str(number).encode()) for number in range(count)
    ]


def _small(name: str) -> bytes:
    data = BytesIO()
    with Image.open(at_hand.FOLDER / name) as picture:
        picture.thumbnail((SIDE_PX, SIDE_PX))
        picture.convert("RGB").save(data, "JPEG", quality=90)
    return data.getvalue()


def _with_comment(jpeg: bytes, text: bytes) -> bytes:
    return jpeg[:2] + b"\xff\xfe" + (len(text) + 2).to_bytes(2, "big") + text + jpeg[2:]


class Program:
    """Indexes pictures with a client of its own, and sends again what boto3 has given up."""

    def __init__(self, url: str, pair: Credentials) -> None:
        self.client: Any = boto3.client(
            "rekognition",
            endpoint_url=url,
            region_name="eu-central-1",
            aws_access_key_id=pair.access_key_id,
            aws_secret_access_key=pair.secret_access_key,
        )

    def index(self, picture: bytes, number: int) -> list[str]:
        """Return the FaceIds of the picture."""
        sent = {
            "CollectionId": COLLECTION,
            "Image": {"Bytes": picture},
            "ExternalImageId": f"p{number}",
        }
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            try:
                return [
                    one["Face"]["FaceId"] for one in self.client.index_faces(**sent)["FaceRecords"]
                ]
            except BotoCoreError:
                time.sleep(0.2)  # there is no service at present
            except self.client.exceptions.ThrottlingException:
                continue
        raise AssertionError("no answer")


def test_what_eight_programs_index_is_there_once_after_kill_9(tmp_path: Path, request: Any) -> None:
    kills, count = (
        request.config.getoption(name) for name in ("--index-kills", "--index-pictures")
    )
    pictures, answers = album(count), dict[int, list[str]]()
    server = Server(tmp_path / "data")
    port, pair = server.url.rpartition(":")[2], server.credentials("shop")
    Program(server.url, pair).client.create_collection(CollectionId=COLLECTION)
    left: queue.SimpleQueue[int] = queue.SimpleQueue()
    for number in range(count):
        left.put(number)

    def run() -> None:
        program = Program(server.url, pair)
        while True:
            try:
                number = left.get_nowait()
            except queue.Empty:
                return
            answers[number] = program.index(pictures[number], number)

    with ThreadPoolExecutor(CLIENTS) as pool:
        running = [pool.submit(run) for _ in range(CLIENTS)]
        for kill in range(kills):
            while len(answers) < (kill + 0.5) / kills * count and not all(
                one.done() for one in running
            ):
                time.sleep(0.01)
            time.sleep(random.uniform(0, 0.2))
            assert not all(one.done() for one in running), "the programs were done before the kill"
            server.kill()
            server = Server(tmp_path / "data", "--port", port)
        for one in running:
            one.result(PATIENCE_S)
    client = Program(server.url, pair).client
    pages = client.get_paginator("list_faces").paginate(
        CollectionId=COLLECTION, PaginationConfig={"PageSize": 100}
    )
    listed = [one["FaceId"] for page in pages for one in page["Faces"]]
    assert client.describe_collection(CollectionId=COLLECTION)["FaceCount"] == len(listed)
    assert server.stop() == 0
    with closing(build(Settings(storage=tmp_path / "data"))) as services:
        tenant = services.tenants.get_by_name("shop")
        group = services.groups.get_by_name(tenant, COLLECTION).id
        assert disagreements(services, tenant) == []
    assert len(answers) == count
    for number, ids in answers.items():
        assert ids == [
            _derived(group, pictures[number], number, place) for place in range(len(ids))
        ]
    assert all(answers.values())
    assert sorted(listed) == sorted(one for ids in answers.values() for one in ids)
    print(
        f"\n{count} pictures by {CLIENTS} programs, {kills} kills: {len(listed)} faces, each once"
    )


def _derived(group: str, picture: bytes, number: int, place: int) -> str:
    """Derive the FaceId that stored faces have: it may not change from one version to the next."""
    sha256 = hashlib.sha256(picture).hexdigest()
    return str(uuid5(NAMESPACE_OID, f"{group}\n{sha256}\np{number}\n{place}"))
