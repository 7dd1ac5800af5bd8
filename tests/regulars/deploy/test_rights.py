"""The calls that a deployment makes itself, and that the printed policy allows each on its
resource.

What CloudFormation does for it is in the book of refusals (tests/infra).
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from chalicelib.storage.aws.clients import open_aws_client
from infra import template
from regulars.deploy import deploy
from regulars.deploy.deploy import Plan
from regulars.deploy.policy import make_role_policy
from regulars.deploy.preflight import Wanted, check_account, read_defaults
from regulars.deploy.stack import Account
from regulars.errors import NotDeployed
from regulars.tenants.canary import add_canary
from tests.regulars.deploy.cloud import REGION, Session, yes
from tests.support.iam import is_allowed
from tests.support.storage.emulated import STACK, Aws

ID = "123456789012"
TOPIC = f"arn:aws:sns:{REGION}:{ID}:shop"
POLICY = make_role_policy(STACK)


class Call(NamedTuple):
    """An action as IAM decides on it, on a resource, with the request's condition keys."""

    action: str
    arn: str
    context: dict[str, str]


class Noted(Session):
    """A session that notes what its clients are asked for."""

    def __init__(self, session: Session) -> None:
        super().__init__(session.region_name, **session.clients)
        self.calls: list[Call] = []

    def client(self, service: str) -> Any:
        return _Client(super().client(service), service, self.calls)


class _Client:
    def __init__(self, client: Any, service: str, calls: list[Call]) -> None:
        self._client, self._service, self._calls = client, service, calls

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._client, name)
        if name in ("exceptions", "meta"):
            return found
        if name == "get_paginator":
            return lambda operation: _Paginator(
                found(operation), lambda **named: self._note(operation, named)
            )
        if name == "get_waiter":
            return lambda waited: found(waited)  # each asks what a call beside it asks, too

        def call(*listed: Any, **named: Any) -> Any:
            self._note(name, dict(zip(("Filename", "Bucket", "Key"), listed, strict=False)) | named)
            return found(*listed, **named)

        return call

    def _note(self, operation: str, named: dict[str, Any]) -> None:
        pascal = "".join(part.capitalize() for part in operation.split("_"))
        self._calls.append(name_call(self._service, pascal, named))


class _Paginator:
    def __init__(self, paginator: Any, note: Callable[..., None]) -> None:
        self._paginator, self._note = paginator, note

    def paginate(self, **named: Any) -> Any:
        self._note(**named)
        return self._paginator.paginate(**named)


def name_call(service: str, operation: str, named: dict[str, Any]) -> Call:
    """Return what IAM calls a call of a client."""
    place = f"{REGION}:{ID}"
    arn, action, context = "*", operation, {}
    match service, operation:
        case "cloudformation", "GetTemplateSummary":
            pass
        case "cloudformation", "DescribeEvents":
            arn = named["ChangeSetName"]
        case "cloudformation", _:
            arn = f"arn:aws:cloudformation:{place}:stack/{named['StackName']}/0b7c"
        case "s3", _:
            action = {
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
        case "dynamodb", _:
            arn = f"arn:aws:dynamodb:{place}:table/{named['TableName']}"
        case "budgets", _:
            action = "ViewBudget" if operation.startswith("Describe") else "ModifyBudget"
            budget = named.get("BudgetName") or named["Budget"]["BudgetName"]
            arn = f"arn:aws:budgets::{ID}:budget/{budget}"
        case "apigateway", "GetAccount":
            action, arn = "GET", f"arn:aws:apigateway:{REGION}::/account"
        case "apigateway", "GetDomainName":
            action = "GET"
            arn = f"arn:aws:apigateway:{REGION}::/domainnames/{named['domainName']}"
        case "cloudwatch", "GetDashboard":
            arn = f"arn:aws:cloudwatch::{ID}:dashboard/{named['DashboardName']}"
        case "lambda", _ if "FunctionName" in named:
            action = {"Invoke": "InvokeFunction"}.get(operation, operation)
            arn = f"arn:aws:lambda:{place}:function:{named['FunctionName']}"
        case "sqs", _:
            action = operation.removesuffix("Batch")
            arn = f"arn:aws:sqs:{place}:{named['QueueUrl'].rpartition('/')[2]}"
        case "kms", _ if "EncryptionContext" in named:
            context = {
                f"kms:EncryptionContext:{key}": value
                for key, value in named["EncryptionContext"].items()
            }
    return Call(f"{service}:{action}", arn, context)


def list_missing(calls: list[Call], policy: dict[str, Any]) -> set[str]:
    return {
        call.action for call in calls if not is_allowed(policy, call.action, call.arn, call.context)
    }


def test_a_deployment_may_make_each_of_its_own_calls(session: Session, archive: Path) -> None:
    whole = template.join_parts()
    given = {"AlarmTopic": TOPIC, "BudgetUsd": "9", "DomainName": "a.example", "AccessLog": "on"}
    noted = Noted(session)
    account = Account(noted)
    rules = read_defaults(whole["Parameters"])
    given["CustomerKey"] = session.client("kms").create_key()["KeyMetadata"]["Arn"]
    assert [*check_account(account, Wanted(STACK, given, None, rules))]
    plan = Plan(
        STACK,
        archive,
        {
            **whole,
            "Resources": {name: {"Type": "", **one} for name, one in whole["Resources"].items()},
        },
        {},
    )
    formation = session.clients["cloudformation"]
    formation.fails_at = "DataBucket"
    with pytest.raises(NotDeployed):
        deploy.deploy(plan, account, None, yes)
    formation.fails_at = None
    assert deploy.deploy(plan, account, None, yes)
    formation.stacks[STACK]["Parameters"] = [
        {"ParameterKey": k, "ParameterValue": v} for k, v in given.items()
    ]
    formation.summaries = [
        {
            "LogicalResourceId": "ApiErrors",
            "PhysicalResourceId": f"{STACK}-ApiErrors",
            "ResourceType": "",
        }
    ]
    assert deploy.deploy(plan, account, None, yes)
    for number in range(6):
        account.upload_text(f"regulars-packages-{ID}-{REGION}", f"{STACK}/{number}.json", "{}")
    account.delete_old_packages(f"regulars-packages-{ID}-{REGION}", STACK, ())
    formation.invalid = "use the DescribeEvents API"
    with pytest.raises(NotDeployed):
        deploy.deploy(plan, account, None, yes)
    assert len({call.action for call in noted.calls}) >= 30
    assert list_missing(noted.calls, POLICY) == set()


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
