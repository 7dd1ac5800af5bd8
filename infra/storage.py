"""All that holds state, as CloudFormation makes it: tables, objects, messages, the key that seals
secrets.

A table is one of storage/keys.py, called <stack>-<name there>. Its indexes are local, not global,
since lists are read consistently; they can only be made with their table. What holds data outlives
its stack (Retain). `regulars deploy` protects the tables against deletion once the stack stands:
protected at once, they would stay when its creation fails, and the next attempt would find their
names taken.
"""

from __future__ import annotations

from typing import Any

from chalicelib.storage import keys
from chalicelib.storage.ports import Table

Template = dict[str, Any]

QUEUES = {"Index": (1800, 10), "Captures": (720, 20), "Deliveries": (360, 20)}
"""By what waits in a queue: seconds for which a message is hidden, six times the function's own
limit, as Lambda asks for; and receives until it is parked. Twenty are three hours of failures, each
pause twice as long as the last (api/batches.py)."""

_PARAMETERS: Template = {
    "CaptureDays": {
        "Type": "Number",
        "Default": 30,
        "MinValue": 1,
        "MaxValue": 3650,
        "Description": "Days that the pictures of captures are kept; what was found in them stays",
    },
    "CustomerKey": {
        "Type": "String",
        "Default": "",
        "AllowedPattern": "|arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/[a-z0-9-]+",
        "Description": "ARN of a KMS key of yours for tables and buckets; empty takes those that "
        "DynamoDB and S3 own",
    },
}

HAS_KEY = "HasCustomerKey"
"""The condition that a customer's key is given."""


def make_storage() -> Template:
    """Make the template of all resources that store data: tables, buckets, queues, and the key of
    secrets."""
    resources = {f"{table.name.capitalize()}Table": _make_table(table) for table in keys.TABLES}
    # Pictures of faces, snapshots of galleries, columns of sealed days. Not versioned, so not
    # replicated: an erased picture is gone at once and a template within three hours, while S3
    # expires old versions in whole days.
    resources |= _make_bucket("DataBucket", [])
    # Pictures from cameras, put by signed URLs. Each makes an event, so it is a bucket of its own.
    notification = {
        "Event": "s3:ObjectCreated:*",
        "Queue": {"Fn::GetAtt": ["CapturesQueue", "Arn"]},
    }
    expiry = {
        "Id": "drop-captures",
        "Status": "Enabled",
        "ExpirationInDays": {"Ref": "CaptureDays"},
    }
    captures = _make_bucket(
        "CapturesBucket",
        [expiry],
        NotificationConfiguration={"QueueConfigurations": [notification]},
    )
    # S3 tries whether it may send at once
    captures["CapturesBucket"]["DependsOn"] = "CapturesQueuePolicy"
    for name, (hidden_s, receives) in QUEUES.items():
        resources |= _make_queue(name, hidden_s, receives)
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": "Regulars: a visitor book from cameras",
        "Parameters": _PARAMETERS,
        "Conditions": {HAS_KEY: {"Fn::Not": [{"Fn::Equals": [{"Ref": "CustomerKey"}, ""]}]}},
        "Resources": {**resources, **captures, "CapturesQueuePolicy": _TELLING, "SecretsKey": _KEY},
    }


def _make_kept_resource(kind: str, properties: Template, policy: str = "Retain") -> Template:
    return {
        "Type": kind,
        "DeletionPolicy": policy,
        "UpdateReplacePolicy": policy,
        "Properties": properties,
    }


def _make_table(table: Table) -> Template:
    """Make a DynamoDB table with its indexes, encrypted by the customer's key if one is given."""
    attributes = dict.fromkeys([table.partition, table.sort, *table.indexes.values()])
    indexes = [
        {
            "IndexName": name,
            "KeySchema": _make_key(table.partition, attribute),
            "Projection": _make_projection(table.projections.get(name, ())),
        }
        for name, attribute in table.indexes.items()
    ]
    customer_encryption = {
        "SSEEnabled": True,
        "SSEType": "KMS",
        "KMSMasterKeyId": {"Ref": "CustomerKey"},
    }
    expires = {"TimeToLiveSpecification": {"AttributeName": "expires_at", "Enabled": True}}
    return _make_kept_resource(
        "AWS::DynamoDB::Table",
        {
            "TableName": {"Fn::Sub": f"${{AWS::StackName}}-{table.name}"},
            "AttributeDefinitions": [
                {"AttributeName": name, "AttributeType": "S"} for name in attributes
            ],
            "KeySchema": _make_key(table.partition, table.sort),
            **({"LocalSecondaryIndexes": indexes} if indexes else {}),
            **(expires if table.expires else {}),
            "BillingMode": "PAY_PER_REQUEST",
            # Else DynamoDB's own key, which costs nothing: for one that KMS manages, it charges
            # requests.
            "SSESpecification": {"Fn::If": [HAS_KEY, customer_encryption, {"Ref": "AWS::NoValue"}]},
            "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True},
        },
    )


def _make_key(partition: str, sort: str) -> list[dict[str, str]]:
    return [
        {"AttributeName": partition, "KeyType": "HASH"},
        {"AttributeName": sort, "KeyType": "RANGE"},
    ]


def _make_projection(attributes: tuple[str, ...]) -> Template:
    """Project what a list shows of a row, so that a page of many reads one run of the index."""
    if not attributes:
        return {"ProjectionType": "KEYS_ONLY"}
    return {"ProjectionType": "INCLUDE", "NonKeyAttributes": [*attributes]}


def _make_bucket(name: str, rules: list[Template], **other_properties: Template) -> Template:
    """Make a private bucket, and the policy that refuses calls without TLS."""
    unfinished = {
        "Id": "drop-unfinished-uploads",
        "Status": "Enabled",
        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1},
    }
    by_key = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": {"Ref": "CustomerKey"}}
    # With a key of the bucket's own, made from the customer's: KMS is asked once for many objects.
    customer_encryption = {"BucketKeyEnabled": True, "ServerSideEncryptionByDefault": by_key}
    default_encryption = {"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
    blocks = ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets")
    properties = {
        "BucketEncryption": {
            "ServerSideEncryptionConfiguration": [
                {"Fn::If": [HAS_KEY, customer_encryption, default_encryption]}
            ]
        },
        "OwnershipControls": {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]},
        "PublicAccessBlockConfiguration": dict.fromkeys(blocks, True),
        "LifecycleConfiguration": {"Rules": [*rules, unfinished]},
        **other_properties,
    }
    statement = {
        "Sid": "RefuseWithoutTls",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [{"Fn::GetAtt": [name, "Arn"]}, {"Fn::Sub": f"${{{name}.Arn}}/*"}],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    policy = {
        "Bucket": {"Ref": name},
        "PolicyDocument": {"Version": "2012-10-17", "Statement": [statement]},
    }
    return {
        name: _make_kept_resource("AWS::S3::Bucket", properties),
        f"{name}Policy": {"Type": "AWS::S3::BucketPolicy", "Properties": policy},
    }


def _make_queue(name: str, hidden_s: int, receives: int) -> Template:
    """Make a queue, and that of its dead letters, which are kept for 14 days."""
    dead_letters = f"{name}DeadLetters"
    redrive = {
        "deadLetterTargetArn": {"Fn::GetAtt": [dead_letters, "Arn"]},
        "maxReceiveCount": receives,
    }
    work = {"VisibilityTimeout": hidden_s, "SqsManagedSseEnabled": True, "RedrivePolicy": redrive}
    parked = {"MessageRetentionPeriod": 1209600, "SqsManagedSseEnabled": True}
    return {
        f"{name}Queue": _make_kept_resource("AWS::SQS::Queue", work, "Delete"),
        dead_letters: _make_kept_resource("AWS::SQS::Queue", parked),
    }


def _make_policy(sid: str, **statement: Any) -> Template:
    return {"Version": "2012-10-17", "Statement": [{"Sid": sid, "Effect": "Allow", **statement}]}


# The bucket's name is not known before the bucket, which wants this first: so any bucket of this
# account.
_TELLING: Template = {
    "Type": "AWS::SQS::QueuePolicy",
    "Properties": {
        "Queues": [{"Ref": "CapturesQueue"}],
        "PolicyDocument": _make_policy(
            "LetS3Tell",
            Principal={"Service": "s3.amazonaws.com"},
            Action="sqs:SendMessage",
            Resource={"Fn::GetAtt": ["CapturesQueue", "Arn"]},
            Condition={
                "StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}},
                "ArnLike": {"aws:SourceArn": {"Fn::Sub": "arn:${AWS::Partition}:s3:::*"}},
            },
        ),
    },
}

_KEY = _make_kept_resource(
    "AWS::KMS::Key",
    {
        # without it they cannot be read again
        "Description": "Seals the secrets of Regulars' tenants",
        "EnableKeyRotation": True,
        # The longest that KMS takes: each of the first two rotations makes the key dearer for ever.
        "RotationPeriodInDays": 2560,
        "PendingWindowInDays": 30,
        "KeyPolicy": _make_policy(
            "AccountDecides",
            Principal={"AWS": {"Fn::Sub": "arn:${AWS::Partition}:iam::${AWS::AccountId}:root"}},
            Action="kms:*",
            Resource="*",
        ),
    },
)
