"""The calls that make the canary's tenant, and that the printed policy allows each on its resource.

A deployment's others are decided in the model of an account (model.py).
"""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from chalicelib.storage.aws.clients import open_aws_client
from regulars.deploy.policy import make_operators_policy, make_role_policy
from regulars.tenants.canary import add_canary
from tests.regulars.deploy.calls import Call, name_call
from tests.regulars.deploy.cloud import REGION
from tests.support.iam import is_allowed
from tests.support.storage.emulated import STACK, Aws

ID = "123456789012"
TOPIC = f"arn:aws:sns:{REGION}:{ID}:shop"
POLICY = make_role_policy(STACK)


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


@pytest.fixture
def noted_services(aws: Aws) -> Iterator[list[Call]]:
    """What the clients of the service itself are asked for: transactions by their parts."""
    calls: list[Call] = []
    stacks = {aws.physical["SecretsKey"]: STACK}

    def note(params: dict[str, Any], model: Any, **_: Any) -> None:
        for operation, named in list_parts(model.name, params):
            call = name_call(model.service_model.service_name, operation, named)
            calls.append(tag_key(call, stacks))

    clients = [open_aws_client(service) for service in ("dynamodb", "kms", "s3", "sqs")]
    for client in clients:
        client.meta.events.register("before-parameter-build", note, unique_id="rights")
    yield calls
    for client in clients:
        client.meta.events.unregister("before-parameter-build", unique_id="rights")


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


def test_a_deployment_may_make_the_canarys_tenant(aws: Aws, noted_services: list[Call]) -> None:
    add_canary("test", "canary", "https://a1b2.execute-api.eu-central-1.amazonaws.com/api/")
    assert {"dynamodb:ConditionCheckItem", "kms:Encrypt"} <= {
        call.action for call in noted_services
    }
    assert list_missing(noted_services, POLICY) == set()
    [tables] = [
        one for one in POLICY["Statement"] if "dynamodb:ConditionCheckItem" in one["Action"]
    ]
    fewer = {
        **tables,
        "Action": [
            action for action in tables["Action"] if action != "dynamodb:ConditionCheckItem"
        ],
    }
    faulty = {"Statement": [fewer if one is tables else one for one in POLICY["Statement"]]}
    assert list_missing(noted_services, faulty) == {"dynamodb:ConditionCheckItem"}


def test_a_key_of_another_stage_seals_and_unseals_nothing() -> None:
    secret = {"kms:EncryptionContext:regulars": "shop/key"}
    for policy in (POLICY, make_operators_policy(STACK)):
        for action in ("kms:Encrypt", "kms:Decrypt"):
            call = Call(action, "arn:aws:kms:eu-central-1:123456789012:key/other", secret)
            assert list_missing([tag_key(call, {"other": "regulars-other"})], policy) == {action}
        own = tag_key(call._replace(action="kms:Encrypt"), {"other": STACK})
        assert list_missing([own], policy) == set()
