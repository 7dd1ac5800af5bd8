"""An erasure on DynamoDB, S3 and SQS, emulated: no table, object or message has anything of the person afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from moto.core import DEFAULT_ACCOUNT_ID
from moto.sqs.models import sqs_backends

from tests.adapters.emulated import Aws, storage_stack
from tests.services.erasure import person
from tests.services.sightings.book import Book
from tests.services.sightings.test_on_aws import storage_on


@pytest.fixture
def aws() -> Iterator[Aws]:
    with storage_stack(stack="erasing") as aws:
        yield aws


def test_nothing_of_the_person_is_left_in_any_table_object_or_message(aws: Aws, tmp_path: Path) -> None:
    with closing(Book(tmp_path / "data", kept=storage_on(aws))) as book:
        book.services.webhooks.hooks.add(
            "shop", "https://hooks.example.com/in", None, None, None
        )  # nobody calls it here
        face, wanted = person.live(book)
        before = found(aws, wanted)
        assert {one.rpartition(" in ")[0] for one in before} == {name for name in wanted if "base64" not in name}
        assert {one.rpartition(" in ")[2].partition(" ")[0] for one in before} >= {"table", "bucket"}
        deleted = book.services.erasure.deletion.of_faces(book.tenant, [face.faceid], by="first", erase=True)
        person.worked_off(book)
        book.services.sweep.tenant(book.tenant, book.clock.now())
        assert book.services.erasure.records.get("shop", *deleted.erasures).done_at is not None
        assert found(aws, wanted) == []
        assert not book.services.consistency.disagreements("shop")


def found(aws: Aws, wanted: dict[str, bytes]) -> list[str]:
    held = [*tables(aws), *objects(aws), *messages(aws)]
    return [f"{name} in {place}" for place, data in held for name, one in wanted.items() if one in data]


def tables(aws: Aws) -> Iterator[tuple[str, bytes]]:
    client = aws.client("dynamodb")
    for page in client.get_paginator("list_tables").paginate():
        for table in page["TableNames"]:
            for items in client.get_paginator("scan").paginate(TableName=table):
                yield from ((f"table {table}", b"\n".join(values(item))) for item in items["Items"])


def values(value: Any) -> Iterator[bytes]:
    """The bytes of all that an item, or a part of it, says, with the names of its attributes."""
    if isinstance(value, bytes):
        yield value
    elif isinstance(value, dict):
        for name, one in value.items():
            yield name.encode()
            yield from values(one)
    elif isinstance(value, list):
        for one in value:
            yield from values(one)
    else:
        yield str(value).encode()


def objects(aws: Aws) -> Iterator[tuple[str, bytes]]:
    """Each version of each object, with its key."""
    client = aws.client("s3")
    for bucket in (one["Name"] for one in client.list_buckets()["Buckets"]):
        for page in client.get_paginator("list_object_versions").paginate(Bucket=bucket):
            for one in [*page.get("Versions", []), *page.get("DeleteMarkers", [])]:
                yield f"bucket {bucket}, key", one["Key"].encode()
            for one in page.get("Versions", []):
                version = client.get_object(Bucket=bucket, Key=one["Key"], VersionId=one["VersionId"])
                yield f"bucket {bucket}: {one['Key']}", version["Body"].read()


def messages(aws: Aws) -> Iterator[tuple[str, bytes]]:
    """The messages of each queue, also those that are delayed, or that somebody has received and not deleted."""
    for queue in sqs_backends[DEFAULT_ACCOUNT_ID][aws.region].queues.values():
        yield from ((f"queue {queue.name}", message.body.encode()) for message in queue._messages)
