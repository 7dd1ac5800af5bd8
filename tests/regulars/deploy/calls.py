"""What IAM calls the calls of AWS's clients."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from tests.support.iam import is_allowed

ACCOUNT, REGION = "123456789012", "eu-central-1"


class Call(NamedTuple):
    """An action as IAM decides on it, on a resource, with the request's condition keys."""

    action: str
    arn: str
    context: dict[str, str]


def name_call(service: str, operation: str, named: dict[str, Any]) -> Call:
    """Return what IAM calls a call of a client."""
    place = f"{REGION}:{ACCOUNT}"
    arn, action, context = "*", operation, {}
    match service, operation:
        case "cloudformation", "GetTemplateSummary":
            pass
        case "cloudformation", "DescribeEvents":
            arn = named["ChangeSetName"]
        case "cloudformation", _:
            if imported := named.get("ResourcesToImport"):
                context = {"cloudformation:ImportResourceTypes": imported[0]["ResourceType"]}
            arn = f"arn:aws:cloudformation:{place}:stack/{named['StackName']}/0b7c"
        case "s3", _:
            action = {
                "GetBucketNotificationConfiguration": "GetBucketNotification",
                "HeadObject": "GetObject",
                "HeadBucket": "ListBucket",
                "ListObjectsV2": "ListBucket",
                "ListBuckets": "ListAllMyBuckets",
                "UploadFile": "PutObject",
                "PutPublicAccessBlock": "PutBucketPublicAccessBlock",
            }.get(operation, operation)
            of_object = action.endswith("Object")
            if "Bucket" in named:
                arn = f"arn:aws:s3:::{named['Bucket']}" + (f"/{named['Key']}" if of_object else "")
            asked = {"s3:if-none-match": "IfNoneMatch", "s3:prefix": "Prefix"}
            context = {key: named[one] for key, one in asked.items() if one in named}
        case "dynamodb", _:
            arn = f"arn:aws:dynamodb:{place}:table/{named['TableName']}"
        case "apigateway", "GetAccount":
            action, arn = "GET", f"arn:aws:apigateway:{REGION}::/account"
        case "apigateway", "GetDomainName":
            action = "GET"
            arn = f"arn:aws:apigateway:{REGION}::/domainnames/{named['domainName']}"
        case "cloudwatch", "GetDashboard":
            arn = f"arn:aws:cloudwatch::{ACCOUNT}:dashboard/{named['DashboardName']}"
        case "lambda", _ if "FunctionName" in named:
            action = {"Invoke": "InvokeFunction"}.get(operation, operation)
            arn = f"arn:aws:lambda:{place}:function:{named['FunctionName']}"
        case "sqs", _:
            action = operation.removesuffix("Batch")
            arn = f"arn:aws:sqs:{place}:{named['QueueUrl'].rpartition('/')[2]}"
        case "kms", _ if "EncryptionContext" in named:
            arn = f"arn:aws:kms:{place}:key/{named['KeyId'].rpartition('/')[2]}"
            context = {
                f"kms:EncryptionContext:{key}": value
                for key, value in named["EncryptionContext"].items()
            }
    return Call(f"{service}:{action}", arn, context)


def tag_key(call: Call, stacks: Mapping[str, str]) -> Call:
    """Return a call with the tag that CloudFormation gave its key. `stacks`: of keys, by their
    ID."""
    stack = stacks.get(call.arn.rpartition(":key/")[2])
    return call._replace(context={**call.context, STACK_TAG: stack}) if stack else call


STACK_TAG = "aws:ResourceTag/aws:cloudformation:stack-name"


def list_missing(calls: list[Call], policy: dict[str, Any]) -> set[str]:
    return {
        call.action for call in calls if not is_allowed(policy, call.action, call.arn, call.context)
    }


def list_parts(operation: str, params: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    match operation:
        case "TransactWriteItems":
            for part in params["TransactItems"]:
                [(kind, request)] = part.items()
                yield {"ConditionCheck": "ConditionCheckItem"}.get(kind, f"{kind}Item"), request
        case "BatchGetItem" | "BatchWriteItem":
            yield from ((operation, {"TableName": table}) for table in params["RequestItems"])
        case "RestoreTableToPointInTime":
            yield operation, {"TableName": params["SourceTableName"]}
            # docs.aws.amazon.com/amazondynamodb/latest/developerguide/backuprestore_IAM.html
            for right in _OF_A_COPY.split():
                yield right, {"TableName": params["TargetTableName"]}
        case "StartMessageMoveTask":
            # docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/
            # sqs-api-permissions-reference.html
            ends = (params["SourceArn"], params["DestinationArn"])
            dead, queue = ({"QueueUrl": arn.replace(":", "/")} for arn in ends)
            rights = (operation, "ReceiveMessage", "DeleteMessage", "GetQueueAttributes")
            yield from ((right, dead) for right in rights)
            yield "SendMessage", queue
        case _:
            yield operation, params


_OF_A_COPY = (
    "RestoreTableToPointInTime BatchWriteItem DeleteItem GetItem PutItem Query Scan UpdateItem"
)
"""Rights to the table that a copy is made into, which AWS asks of who has it made."""
