"""Every port's adapters, so that one suite runs on each."""

import json
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from chalicelib.storage.aws.blobs import S3BlobStore
from chalicelib.storage.aws.items import DynamoItemStore
from chalicelib.storage.aws.vault import KmsVault
from chalicelib.storage.box.blobs import FolderBlobStore
from chalicelib.storage.box.items import SqliteItemStore
from chalicelib.storage.box.queue import SqliteQueue
from chalicelib.storage.box.vault import KeyVault, PlainVault
from chalicelib.storage.keys import TABLES
from chalicelib.storage.ports import BlobStore, ItemStore, Queue, Vault
from tests.support.fakes import FakeClock
from tests.support.storage.aside import ReceivingSqs
from tests.support.storage.emulated import PREFIX, Aws, storage_stack

MAX_RECEIVES = 10


@pytest.fixture(scope="module")
def aws() -> Iterator[Aws]:
    """An account that is gone when this file is: for each call the emulation looks through a table,
    or copies it."""
    with storage_stack() as aws:
        yield aws


@pytest.fixture(scope="module")
def dynamodb(aws: Aws) -> Any:
    return aws.client("dynamodb")


@pytest.fixture
def sqlite_path(tmp_path: Path) -> Path:
    return tmp_path / "regulars.sqlite"


@pytest.fixture
def sqlite_items(sqlite_path: Path) -> Iterator[SqliteItemStore]:
    store = SqliteItemStore(sqlite_path, TABLES)
    yield store
    store.close()


@pytest.fixture(params=["sqlite", "dynamo"])
def items(request: pytest.FixtureRequest) -> ItemStore:
    if request.param == "dynamo":
        return DynamoItemStore(request.getfixturevalue("dynamodb"), PREFIX)
    return request.getfixturevalue("sqlite_items")


@pytest.fixture
def tenant() -> str:
    """A partition that no other test uses: the emulated tables live as long as the file's tests."""
    return uuid.uuid4().hex


@pytest.fixture(params=["folder", "s3"])
def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> BlobStore:
    if request.param == "folder":
        return FolderBlobStore(tmp_path / "blobs")
    aws: Aws = request.getfixturevalue("aws")
    return S3BlobStore(aws.client("s3"), aws.physical["DataBucket"])


@pytest.fixture(params=["sqlite", "sqs"])
def queue(request: pytest.FixtureRequest, sqlite_path: Path, clock: FakeClock) -> Iterator[Queue]:
    if request.param == "sqlite":
        sqlite_queue = SqliteQueue(sqlite_path, "index", clock, MAX_RECEIVES)
        yield sqlite_queue
        sqlite_queue.close()
        return
    aws: Aws = request.getfixturevalue("aws")
    yield fresh_sqs_queue(aws)


def fresh_sqs_queue(aws: Aws) -> ReceivingSqs:
    """A queue like the stack's own, with dead letters as its redrive policy says, and both
    empty."""
    client = aws.client("sqs")
    asked = client.get_queue_attributes(
        QueueUrl=aws.physical["IndexQueue"], AttributeNames=["RedrivePolicy"]
    )
    redrive = json.loads(asked["Attributes"]["RedrivePolicy"])
    name = uuid.uuid4().hex
    dead_letter_url = client.create_queue(QueueName=f"{name}-dead")["QueueUrl"]
    made = client.get_queue_attributes(QueueUrl=dead_letter_url, AttributeNames=["QueueArn"])
    redrive["deadLetterTargetArn"] = made["Attributes"]["QueueArn"]
    url = client.create_queue(QueueName=name, Attributes={"RedrivePolicy": json.dumps(redrive)})[
        "QueueUrl"
    ]
    return ReceivingSqs(client, url)


@pytest.fixture
def let_pass(queue: Queue, clock: FakeClock) -> Callable[[float], None]:
    """Lets seconds pass for the queue: at once where it is given its clock."""

    def pass_time(seconds: float) -> None:
        if isinstance(queue, SqliteQueue):
            clock.advance(timedelta(seconds=seconds))
        else:
            time.sleep(seconds)

    return pass_time


@pytest.fixture(params=["plain", "key", "kms"])
def vault(request: pytest.FixtureRequest) -> Vault:
    if request.param == "plain":
        return PlainVault()
    if request.param == "key":
        return KeyVault(bytes(range(32)))
    aws: Aws = request.getfixturevalue("aws")
    return KmsVault(aws.client("kms"), aws.physical["SecretsKey"])
