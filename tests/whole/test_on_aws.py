"""The book on DynamoDB, S3, SQS and KMS, emulated: conditions, transactions and what is left are
theirs."""

import random
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from moto.core import DEFAULT_ACCOUNT_ID
from moto.sqs.models import sqs_backends
from msgspec.structs import asdict

from chalicelib.domain.captures import Resolution
from chalicelib.domain.model import PromotionSettings
from chalicelib.storage.aws.clients import begin_in_thread
from chalicelib.storage.records.merges import MergeState
from tests.support.book import person
from tests.support.book.book import Book, Shot, shot
from tests.support.book.erased_tenant import finished, traces
from tests.support.book.outcome import RULE, outcome
from tests.support.book.recount_visits import disagreements_of_visits
from tests.support.consistency.consistency import list_disagreements
from tests.support.fakes import Person
from tests.support.storage.emulated import Aws, storage_on, storage_stack


@pytest.fixture
def aws() -> Iterator[Aws]:
    with storage_stack(stack="book") as aws:
        yield aws


def test_shuffled_and_doubled_captures_on_aws_make_the_same_book(aws: Aws, tmp_path: Path) -> None:
    shots = [
        shot(0, 1, 2),
        shot(40, 1),
        shot(60, 2),
        shot(20, 1),
        shot(24 * 60, 1),
        shot(30 * 60, 3, 1),
    ]
    with closing(Book(tmp_path / "data", kept=storage_on(aws, begin_call=begin_in_thread))) as book:
        book.services.groups.set_promotion_settings(
            book.tenant, PromotionSettings(RULE.arrive_times, RULE.period_days)
        )
        captures = [book.put(one) for one in shots] * 2
        for capture in random.Random(3).sample(captures, len(captures)):
            book.deliver(capture)
        assert book.entries() == outcome(shots)
        book.services.webhooks.hooks.add("shop", "https://hooks.example.com/in")
        book.see(shot(50 * 60, 4))
        [message, *_] = book.storage.deliveries_queue.receive(10, 60)
        assert "shop" in message.body


def test_corrections_on_aws_leave_an_exact_book(aws: Aws, tmp_path: Path) -> None:
    odd = Shot(shot(300).at, (Person(1, side_px=60.0),))
    with closing(Book(tmp_path / "data", kept=storage_on(aws))) as book:
        book.services.groups.set_promotion_settings(book.tenant, PromotionSettings(3, 7))
        captures = book.see(
            shot(0, 1), *(shot(60 + number, 2) for number in range(45)), shot(200, 1), odd
        )
        first, second = (captures[place].sightings[0].faceid or "" for place in (0, 1))
        entries, observed = book.entries(), book.observed()

        mover = book.services.merges.mover
        begun = book.services.merges.merging.merge(book.tenant, first, second)
        # a request moves observations for a while only
        merge = mover.finish_merge(book.tenant, begun.id, None)
        assert (merge.state, disagreements_of_visits(book)) == (MergeState.DONE, [])
        assert [(face.group_id, face.arrive_count) for face in book.faces()] == [("regular", 4)]
        book.services.statistics.sealing.seal_tenant(book.tenant)
        book.services.merges.merging.undo(book.tenant, merge.id)
        assert mover.finish_merge(book.tenant, merge.id, None).state is MergeState.UNDONE
        assert (book.entries(), book.observed()) == (entries, observed)

        rejected = book.services.sightings.rejection.reject(
            book.tenant, first, f"{captures[-1].id}-0"
        )
        assert rejected.sighting.resolution is Resolution.STRANGER
        assert disagreements_of_visits(book) == []
        book.sweep()
        book.services.deletion.delete_faces_of_group(
            book.tenant, "stranger", [face.faceid for face in book.faces()]
        )
        assert book.faces() == []


def test_nothing_of_the_person_is_left_in_any_table_object_or_message(
    aws: Aws, tmp_path: Path
) -> None:
    with closing(Book(tmp_path / "data", kept=storage_on(aws))) as book:
        # nobody calls it here
        book.services.webhooks.hooks.add("shop", "https://hooks.example.com/in")
        face, wanted = person.live(book)
        before = found(aws, wanted)
        assert {one.rpartition(" in ")[0] for one in before} == {
            name for name in wanted if "base64" not in name
        }
        assert {one.rpartition(" in ")[2].partition(" ")[0] for one in before} >= {
            "table",
            "bucket",
        }
        deleted = book.services.deletion.delete_faces(
            book.tenant, [face.faceid], by="first", erase=True
        )
        person.worked_off(book)
        book.sweep()
        assert book.services.erasure.records.get("shop", *deleted.erasures).done_at is not None
        assert found(aws, wanted) == []
        assert not list_disagreements(book.services, "shop")


def test_nothing_of_a_tenant_is_left_but_its_receipt(aws: Aws, tmp_path: Path) -> None:
    with closing(Book(tmp_path / "data", kept=storage_on(aws))) as book:
        book.services.webhooks.hooks.add("shop", "https://hooks.example.com/in")
        _, wanted = person.live(book)
        credentials = book.services.tenants.rotate_keys("shop")
        book.services.erasure.of_tenants.begin("shop", "operator")
        done = finished(book)
        # the functions drop them as they come
        while messages_left := book.storage.index_queue.receive(10, 1):
            for message in messages_left:
                book.services.sweep.handle_message(message.body, 1, lambda: 600.0)
                book.storage.index_queue.delete(message.receipt)
        assert traces(book) == []
        own = {
            name: value.encode()
            for name, value in asdict(credentials).items()
            if name not in ("tenant", "profile")
        }
        left = found(aws, {**wanted, **own, "tenant": b"shop"})
        assert {one.partition(" in ")[0] for one in left} == {"tenant", "app_id"}
        assert all(
            "table" in one and one.endswith("-tenants") for one in left if "queue" not in one
        ), left
        assert done.receipt is not None


def found(aws: Aws, wanted: dict[str, bytes]) -> list[str]:
    held = [*tables(aws), *objects(aws), *messages(aws)]
    return [
        f"{name} in {place}" for place, data in held for name, one in wanted.items() if one in data
    ]


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
                version = client.get_object(
                    Bucket=bucket, Key=one["Key"], VersionId=one["VersionId"]
                )
                yield f"bucket {bucket}: {one['Key']}", version["Body"].read()


def messages(aws: Aws) -> Iterator[tuple[str, bytes]]:
    """The messages of each queue, also those that are delayed, or that somebody has received and
    not deleted."""
    for queue in sqs_backends[DEFAULT_ACCOUNT_ID][aws.region].queues.values():
        yield from ((f"queue {queue.name}", message.body.encode()) for message in queue._messages)
