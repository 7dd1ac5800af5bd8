"""Emulated AWS with the project's own storage, made from infra's template.

The emulation takes long to import: only tests that use it wait for it.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from msgspec import Struct

from chalicelib.settings import Settings
from chalicelib.storage.aws.blobs import S3BlobStore, S3UploadStore
from chalicelib.storage.aws.items import DynamoItemStore
from chalicelib.storage.aws.vault import KmsVault
from chalicelib.storage.ports import CallStarter, Clock, Storage, defer_call
from infra.storage import make_storage
from tests.support.storage.aside import ReceivingSqs

STACK = "regulars-test"
PREFIX = f"{STACK}-"

# Moto's CloudFormation does not know these types; what they say is held by tests/infra.
_UNKNOWN_TO_MOTO = ("AWS::S3::BucketPolicy", "AWS::SQS::QueuePolicy")


class Aws(Struct, frozen=True):
    """An account in which the storage stack stands; `physical` are its resources by their name in
    the template."""

    region: str
    physical: dict[str, str]
    stack: str = STACK

    @property
    def prefix(self) -> str:
        """What its tables' names begin with."""
        return f"{self.stack}-"

    def client(self, service: str) -> Any:
        import boto3

        return boto3.client(service, region_name=self.region)  # type: ignore[call-overload]

    def empty_tables(self) -> None:
        """Let no item be in any table: a call for each of them would take as long as what put them
        there."""
        from moto.core import DEFAULT_ACCOUNT_ID
        from moto.dynamodb.models import dynamodb_backends

        for table in dynamodb_backends[DEFAULT_ACCOUNT_ID][self.region].tables.values():
            table.items.clear()


@contextmanager
def storage_stack(region: str = "eu-central-1", stack: str = STACK) -> Iterator[Aws]:
    import boto3
    from moto import mock_aws
    from moto.core import DEFAULT_ACCOUNT_ID
    from moto.core.serialize import SERVICE_SPECIFIC_SERIALIZERS
    from moto.sqs.models import sqs_backends

    SERVICE_SPECIFIC_SERIALIZERS["dynamodb"] = {"json": _make_serializer()}
    whole = make_storage()
    known = {name: r for name, r in whole["Resources"].items() if r["Type"] not in _UNKNOWN_TO_MOTO}
    resources = {
        name: {k: v for k, v in r.items() if k != "DependsOn"} for name, r in known.items()
    }
    with mock_aws():
        _answer_at_once(sqs_backends[DEFAULT_ACCOUNT_ID][region])
        formation = boto3.client("cloudformation", region_name=region)
        formation.create_stack(
            StackName=stack, TemplateBody=json.dumps({**whole, "Resources": resources})
        )
        made = formation.list_stack_resources(StackName=stack)["StackResourceSummaries"]
        yield Aws(region, {r["LogicalResourceId"]: r["PhysicalResourceId"] for r in made}, stack)


def storage_on(
    aws: Aws,
    listened: Callable[[Any], Any] = lambda client: client,
    begin_call: CallStarter = defer_call,
) -> Callable[[Settings, Clock], Storage]:
    def kept(_settings: Settings, _clock: Clock) -> Storage:
        def client(service: str) -> Any:
            return listened(aws.client(service))

        def queue(name: str) -> ReceivingSqs:
            return ReceivingSqs(client("sqs"), aws.physical[f"{name}Queue"])

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
            begin_call=begin_call,
        )

    return kept


@cache
def _make_serializer() -> type[Any]:
    """Make a class that writes items as they are.

    The emulation keeps them in DynamoDB's notation. Its own class asks each value for all ten types
    by all names that an object of Python might have for them: half of the time of all that is done
    in an emulated account.
    """
    from moto.core.serialize import JSONSerializer

    class ItemSerializer(JSONSerializer):
        def _serialize_type_structure(
            self, serialized: Any, value: Any, shape: Any, key: str
        ) -> None:
            if shape.name == "AttributeValue" and isinstance(value, dict):
                self._default_serialize(serialized, self._write_value(value), shape, key)
            else:
                super()._serialize_type_structure(serialized, value, shape, key)

        def _write_value(self, value: dict[str, Any]) -> dict[str, Any]:
            ((kind, content),) = value.items()
            if kind == "M":
                return {kind: {name: self._write_value(part) for name, part in content.items()}}
            if kind == "L":
                return {kind: [self._write_value(part) for part in content]}
            return {kind: self._base64(content) if kind == "B" else content}

    return ItemSerializer


def _answer_at_once(sqs: Any) -> None:
    """Let nobody wait for messages of an empty queue: what is sent to it is sent before it is
    asked."""
    receive = sqs.receive_message

    def receive_message(queue: str, count: int, _wait_s: int, *others: Any) -> Any:
        return receive(queue, count, 0, *others)

    sqs.receive_message = receive_message
