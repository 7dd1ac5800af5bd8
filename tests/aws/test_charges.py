"""A client's calls are charged: those of DynamoDB with the units in its answers, others by the call."""

from typing import Any

import pytest

from chalicelib.aws.blobs import S3BlobStore
from chalicelib.aws.charges import tell_charges
from chalicelib.aws.cost import table
from chalicelib.aws.items import DynamoItemStore
from chalicelib.book.words import keys, telemetry
from chalicelib.book.words.ports import Delete, Put, Update, absent, exists
from tests.support.storage.emulated import Aws


@pytest.fixture
def client_of(aws: Aws) -> Any:
    def make_client(service: str) -> Any:
        client = aws.client(service)
        tell_charges(client)
        telemetry.take_charges()
        return client

    return make_client


def test_the_units_that_dynamodb_answers_are_told_and_reads_apart_from_writes(aws: Aws, client_of: Any) -> None:
    client, answered = client_of("dynamodb"), list[tuple[str, float]]()

    def note(parsed: Any, model: Any, **_more: Any) -> None:
        used = parsed.get("ConsumedCapacity", [])
        answered.extend((model.name, one["CapacityUnits"]) for one in ([used] if isinstance(used, dict) else used))

    client.meta.events.register("after-call.dynamodb", note)
    items, key = DynamoItemStore(client, aws.prefix), ("shop", "x")
    item = {"tenant": "shop", "item": "x", "n": 1}
    items.transact([Put(keys.DIRECTORY, item, (absent("new"),))])
    items.transact([Update(keys.DIRECTORY, key, (exists("there"),), set={"n": 2}, repeatable=True)])
    items.get(keys.DIRECTORY, key)
    items.get_many(keys.DIRECTORY, [key, ("shop", "y")])
    items.query(keys.DIRECTORY, "shop")
    items.transact([Delete(keys.DIRECTORY, key)])
    reads = sum(units for name, units in answered if name in ("GetItem", "BatchGetItem", "Query"))
    told = telemetry.take_charges()
    assert told["dynamodb_read_units"] == pytest.approx(reads) != 0
    assert told["dynamodb_write_units"] == pytest.approx(sum(units for _, units in answered) - reads) != 0
    assert {"PutItem", "UpdateItem", "DeleteItem", "GetItem"} <= {name for name, _ in answered}


def test_calls_of_s3_are_told_by_their_price(aws: Aws, client_of: Any) -> None:
    blobs = S3BlobStore(client_of("s3"), aws.physical["DataBucket"])
    assert blobs.put_if_absent("shop/faces/charged", b"1", "image/jpeg")
    assert blobs.get("shop/faces/charged") == b"1"
    assert blobs.size("shop/faces/charged") == 1
    assert [one.key for one in blobs.walk("shop/faces/charged")] == ["shop/faces/charged"]
    blobs.delete("shop/faces/charged")
    assert telemetry.take_charges() == {"s3_gets": 2, "s3_puts": 2}
    assert telemetry.take_charges() == {}


def test_what_is_told_has_a_price(client_of: Any) -> None:
    from chalicelib.aws import charges

    priced = {what for service in table.read_prices().services.values() for what in service.usd}
    assert {what for calls in charges._BY_CALL.values() for what in calls.values()} <= priced
