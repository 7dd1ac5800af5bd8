"""Tests of all that holds state: the tables of storage/keys.py and no others, buckets, queues, the
key; their safety."""

from typing import Any

import pytest
from msgspec.structs import replace

from chalicelib.storage.keys import CAPTURES, DONE, OUTBOX, REQUESTS, TABLES, TENANTS
from chalicelib.storage.ports import Table
from infra.storage import make_storage

STORAGE = make_storage()["Resources"]
MOST_NON_KEY_ATTRIBUTES = 20
HOLDS_DATA = ("AWS::DynamoDB::Table", "AWS::S3::Bucket", "AWS::KMS::Key")


def of_type(kind: str) -> dict[str, dict[str, Any]]:
    return {
        name: resource["Properties"]
        for name, resource in STORAGE.items()
        if resource["Type"] == kind
    }


def key_of(schema: list[dict[str, str]]) -> tuple[str, str]:
    by_type = {part["KeyType"]: part["AttributeName"] for part in schema}
    return by_type["HASH"], by_type["RANGE"]


def table_of(properties: dict[str, Any]) -> Table:
    """The port's Table that a table of the template is."""
    prefix, _, name = properties["TableName"]["Fn::Sub"].partition("-")
    assert prefix == "${AWS::StackName}"
    partition, sort = key_of(properties["KeySchema"])
    indexes, rows = {}, {}
    for index in properties.get("LocalSecondaryIndexes", []):
        index_partition, indexes[index["IndexName"]] = key_of(index["KeySchema"])
        assert index_partition == partition
        if index["Projection"] != {"ProjectionType": "KEYS_ONLY"}:
            assert index["Projection"]["ProjectionType"] == "INCLUDE"
            rows[index["IndexName"]] = tuple(index["Projection"]["NonKeyAttributes"])
            assert len(rows[index["IndexName"]]) <= MOST_NON_KEY_ATTRIBUTES
    return Table(name, partition, sort, indexes, rows, "TimeToLiveSpecification" in properties)


def test_the_template_has_exactly_the_tables_of_the_code() -> None:
    in_template = [table_of(properties) for properties in of_type("AWS::DynamoDB::Table").values()]
    of_code = (replace(table, beside={}) for table in TABLES)  # which one box alone has
    assert sorted(in_template, key=lambda table: table.name) == sorted(
        of_code, key=lambda table: table.name
    )


def test_a_table_defines_its_key_attributes_as_strings_and_no_others() -> None:
    for properties in of_type("AWS::DynamoDB::Table").values():
        table = table_of(properties)
        defined = {
            entry["AttributeName"]: entry["AttributeType"]
            for entry in properties["AttributeDefinitions"]
        }
        assert defined == dict.fromkeys([table.partition, table.sort, *table.indexes.values()], "S")


def test_every_table_is_recoverable_and_paid_by_use() -> None:
    for properties in of_type("AWS::DynamoDB::Table").values():
        assert properties["BillingMode"] == "PAY_PER_REQUEST"
        # `regulars deploy` protects it once the stack stands: else it would stay when the creation
        # of the stack fails.
        assert "DeletionProtectionEnabled" not in properties
        assert properties["PointInTimeRecoverySpecification"] == {
            "PointInTimeRecoveryEnabled": True
        }


def test_sessions_stored_answers_captures_acts_and_what_was_sent_expire_and_nothing_else() -> None:
    expiring = {
        table_of(properties).name: properties["TimeToLiveSpecification"]
        for properties in of_type("AWS::DynamoDB::Table").values()
        if "TimeToLiveSpecification" in properties
    }
    assert expiring == {
        table.name: {"AttributeName": "expires_at", "Enabled": True}
        for table in (TENANTS, REQUESTS, CAPTURES, OUTBOX, DONE)
    }


@pytest.mark.parametrize(
    "name", [name for name, resource in STORAGE.items() if resource["Type"] in HOLDS_DATA]
)
def test_what_holds_data_outlives_its_stack(name: str) -> None:
    assert (STORAGE[name]["DeletionPolicy"], STORAGE[name]["UpdateReplacePolicy"]) == (
        "Retain",
        "Retain",
    )


@pytest.mark.parametrize("name", ["DataBucket", "CapturesBucket"])
def test_a_bucket_is_private_encrypted_and_reached_by_tls_only(name: str) -> None:
    assert set(of_type("AWS::S3::Bucket")) == {"DataBucket", "CapturesBucket"}
    bucket = of_type("AWS::S3::Bucket")[name]
    (policy,) = [
        p for p in of_type("AWS::S3::BucketPolicy").values() if p["Bucket"] == {"Ref": name}
    ]
    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    assert len(bucket["PublicAccessBlockConfiguration"]) == 4
    assert bucket["OwnershipControls"] == {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    assert "BucketEncryption" in bucket
    (statement,) = policy["PolicyDocument"]["Statement"]
    assert (statement["Effect"], statement["Principal"], statement["Action"]) == (
        "Deny",
        "*",
        "s3:*",
    )
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert statement["Resource"] == [
        {"Fn::GetAtt": [name, "Arn"]},
        {"Fn::Sub": f"${{{name}.Arn}}/*"},
    ]


def test_pictures_of_captures_go_after_the_days_of_the_parameter() -> None:
    rules = of_type("AWS::S3::Bucket")["CapturesBucket"]["LifecycleConfiguration"]["Rules"]
    assert [rule["ExpirationInDays"] for rule in rules if "ExpirationInDays" in rule] == [
        {"Ref": "CaptureDays"}
    ]
    assert make_storage()["Parameters"]["CaptureDays"]["Default"] == 30


def test_a_picture_that_is_put_is_told_to_the_captures_queue_and_s3_may_do_so() -> None:
    assert STORAGE["CapturesBucket"]["DependsOn"] == "CapturesQueuePolicy"
    assert of_type("AWS::S3::Bucket")["CapturesBucket"]["NotificationConfiguration"] == {
        "QueueConfigurations": [
            {"Event": "s3:ObjectCreated:*", "Queue": {"Fn::GetAtt": ["CapturesQueue", "Arn"]}},
        ]
    }
    (policy,) = of_type("AWS::SQS::QueuePolicy").values()
    assert policy["Queues"] == [{"Ref": "CapturesQueue"}]
    (statement,) = policy["PolicyDocument"]["Statement"]
    assert (
        statement["Effect"],
        statement["Principal"],
        statement["Action"],
        statement["Resource"],
    ) == (
        "Allow",
        {"Service": "s3.amazonaws.com"},
        "sqs:SendMessage",
        {"Fn::GetAtt": ["CapturesQueue", "Arn"]},
    )
    assert statement["Condition"]["StringEquals"] == {
        "aws:SourceAccount": {"Ref": "AWS::AccountId"}
    }


def test_messages_are_encrypted() -> None:
    assert all(
        properties["SqsManagedSseEnabled"] for properties in of_type("AWS::SQS::Queue").values()
    )
