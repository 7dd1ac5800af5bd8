"""The same book on DynamoDB, S3 and SQS, emulated: the conditions and transactions are theirs."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from chalicelib.adapters.aws.blobs import S3BlobStore, S3UploadStore
from chalicelib.adapters.aws.clients import in_a_thread
from chalicelib.adapters.aws.items import DynamoItemStore
from chalicelib.adapters.aws.queue import SqsQueue
from chalicelib.adapters.aws.vault import KmsVault
from chalicelib.core.model import Migration
from chalicelib.core.ports import Beside, Clock, Storage, when_asked
from chalicelib.settings import Settings
from tests.adapters.emulated import Aws, storage_stack
from tests.services.sightings.book import Book, shot
from tests.services.sightings.test_any_order import RULE, outcome


@pytest.fixture
def aws() -> Iterator[Aws]:
    with storage_stack(stack="visits") as aws:
        yield aws


def storage_on(
    aws: Aws, listened: Callable[[Any], Any] = lambda client: client, beside: Beside = when_asked
) -> Callable[[Settings, Clock], Storage]:
    def kept(_settings: Settings, _clock: Clock) -> Storage:
        def client(service: str) -> Any:
            return listened(aws.client(service))

        def queue(name: str) -> SqsQueue:
            return SqsQueue(client("sqs"), aws.physical[f"{name}Queue"], aws.physical[f"{name}DeadLetters"], wait_s=0)

        return Storage(
            items=DynamoItemStore(client("dynamodb"), aws.prefix),
            blobs=S3BlobStore(client("s3"), aws.physical["DataBucket"]),
            uploads=S3UploadStore(client("s3"), aws.physical["CapturesBucket"]),
            index_queue=queue("Index"),
            captures_queue=queue("Captures"),
            deliveries_queue=queue("Deliveries"),
            vault=KmsVault(client("kms"), aws.physical["SecretsKey"]),
            close=lambda: None,
            wipe=lambda: None,
            expires_items=True,
            beside=beside,
        )

    return kept


def test_shuffled_and_doubled_captures_on_aws_make_the_same_book(aws: Aws, tmp_path: Path) -> None:
    shots = [shot(0, 1, 2), shot(40, 1), shot(60, 2), shot(20, 1), shot(24 * 60, 1), shot(30 * 60, 3, 1)]
    with closing(Book(tmp_path / "data", kept=storage_on(aws, beside=in_a_thread))) as book:
        book.services.groups.set_migration(book.tenant, Migration(RULE.arrive_times, RULE.period_days))
        captures = [book.put(one) for one in shots] * 2
        for capture in random.Random(3).sample(captures, len(captures)):
            book.deliver(capture)
        assert book.entries() == outcome(shots)
        book.services.webhooks.hooks.add("shop", "https://hooks.example.com/in", None, None, None)
        book.see(shot(50 * 60, 4))
        [message, *_] = book.storage.deliveries_queue.receive(10, 60)
        assert "shop" in message.body
