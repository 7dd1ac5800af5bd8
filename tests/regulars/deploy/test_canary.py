"""The tenant of the canary is made by the deployment: so the next one has its alarm among those that roll it back."""

import pytest

from chalicelib.book.words.keys import TENANTS
from regulars.deploy.canary import add_canary
from tests.support.storage.emulated import Aws


def canaries(aws: Aws) -> int:
    items = aws.client("dynamodb").scan(TableName=f"{aws.prefix}{TENANTS.name}")["Items"]
    return sum(item["kind"]["S"] == "tenant" for item in items)


@pytest.mark.parametrize(
    ("parameters", "made"),
    [
        ({}, 0),
        ({"CanaryTenant": ""}, 0),
        ({"CanaryTenant": "canary", "APIHandlerConcurrency": "0"}, 0),
        ({"CanaryTenant": "canary", "APIHandlerConcurrency": "500"}, 1),
        ({"CanaryTenant": "canary"}, 1),
    ],
)
def test_a_deployment_makes_the_canarys_tenant_once_unless_the_stage_is_stopped(
    aws: Aws, parameters: dict[str, str], made: int, capsys: pytest.CaptureFixture[str]
) -> None:
    before = canaries(aws)
    add_canary("test", parameters)
    assert canaries(aws) == made
    assert ("made the tenant canary" in capsys.readouterr().out) == (made > before)
