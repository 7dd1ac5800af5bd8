"""The calls that make the canary's tenant, and that the printed policy allows each on its resource.

A deployment's others are decided in the model of an account (model.py).
"""

from collections.abc import Iterator
from typing import Any

import pytest

from chalicelib.storage.aws.clients import open_aws_client
from regulars.deploy.policy import make_operators_policy, make_role_policy
from regulars.tenants.canary import add_canary
from tests.regulars.deploy.calls import Call, list_missing, list_parts, name_call, tag_key
from tests.support.storage.emulated import STACK, Aws

POLICY = make_role_policy(STACK)


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
