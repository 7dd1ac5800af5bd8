"""The calls that make the canary's tenant, and that the printed policy allows each on its resource.

A deployment's others are decided in the model of an account (model.py).
"""

from collections.abc import Iterator
from typing import Any

import pytest

from chalicelib.storage.aws.clients import open_aws_client
from regulars.deploy.policy import make_role_policy
from regulars.tenants.canary import add_canary
from tests.regulars.deploy.calls import Call, name_call
from tests.regulars.deploy.cloud import REGION
from tests.support.iam import is_allowed
from tests.support.storage.emulated import STACK, Aws

ID = "123456789012"
TOPIC = f"arn:aws:sns:{REGION}:{ID}:shop"
POLICY = make_role_policy(STACK)


def list_missing(calls: list[Call], policy: dict[str, Any]) -> set[str]:
    return {
        call.action for call in calls if not is_allowed(policy, call.action, call.arn, call.context)
    }


@pytest.fixture
def noted_services(aws: Aws) -> Iterator[list[Call]]:
    """What the clients of the service itself are asked for: transactions by their parts."""
    calls: list[Call] = []

    def note(params: dict[str, Any], model: Any, **_: Any) -> None:
        for operation, named in list_parts(model.name, params):
            calls.append(name_call(model.service_model.service_name, operation, named))

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
