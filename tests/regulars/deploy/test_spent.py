"""Counts by AWS of a stage's last month, against the forecast: a line beyond a third, and none
within."""

from collections.abc import Iterator, Mapping
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chalicelib.cost.table import add_up_rows, read_prices, read_table, sum_up_usd
from chalicelib.domain.model import Profile
from chalicelib.domain.tenant_settings import TenantSettings
from chalicelib.storage.keys import TABLES
from regulars.deploy.spent import COMPARED, compare_month, count_shops, describe_difference
from regulars.deploy.stack import Account
from regulars.errors import NotDeployed
from regulars.options import choose_settings, open_services
from tests.regulars.deploy.cloud import Session
from tests.support.storage.emulated import STACK, Aws

SHOPS = {
    "stage": 1,
    "start": 1,
    "tenant": 2,
    "camera": 4,
    "face": 9_000,
    "capture": 300_000,
    "search": 20_000,
}
LATER = datetime.now(UTC) + timedelta(days=40)
"""The stage is made now, so by then it has a month of its own."""


def reckoned_units(number_by_kind: Mapping[str, float]) -> dict[str, float]:
    rows = add_up_rows(read_table().rows, number_by_kind)
    return {unit: rows[unit] for unit in COMPARED}


def times(share: float, number_by_kind: Mapping[str, float] = SHOPS) -> dict[str, float]:
    return {unit: share * number for unit, number in reckoned_units(number_by_kind).items()}


@pytest.mark.parametrize("share", [0.67, 0.9, 1, 1.1, 1.33])
def test_nothing_is_said_within_a_third(share: float) -> None:
    assert [*describe_difference(times(share), SHOPS)] == []


@pytest.mark.parametrize("share", [0, 0.66, 1.34, 5])
def test_one_line_says_both_figures_beyond_a_third(share: float) -> None:
    [line] = describe_difference(times(share), SHOPS)
    reckoned = sum_up_usd(reckoned_units(SHOPS), read_prices())
    assert reckoned == pytest.approx(300_000 * 0.0150 / 1_000, rel=0.5), (
        "as docs/lab/cost.md says, and more"
    )
    assert f"were {share * reckoned:.2f} USD by CloudWatch's counts" in line
    assert f"reckons {reckoned:.2f} for 300,000 captures and 20,000 searches" in line


def test_some_cents_of_an_idle_stage_are_not_worth_a_line() -> None:
    idle = {"stage": 1, "start": 1, "tenant": 1}
    assert [*describe_difference(times(2, idle), idle)] == []


def test_what_cloudwatch_does_not_count_changes_nothing() -> None:
    """Pictures that are larger, or requests of S3, are in the invoice alone."""
    assert [*describe_difference({**times(1), "s3_puts": 1e9, "s3_gb": 1e6}, SHOPS)] == []


@pytest.fixture(scope="module", autouse=True)
def shops(aws: Aws) -> None:
    """Two shops with a camera each."""
    with closing(open_services(choose_settings(stage="test"))) as services:
        for name in ("north", "south"):
            services.tenants.add(name, Profile.CAMERA, TenantSettings(time_zone="UTC"))
            services.cameras.add(services.tenants.get_by_name(name), "door", "Door")


def send(
    aws: Aws, at: datetime, namespace: str, metric: str, dimension: str, name: str, *values: float
) -> None:
    data = {
        "MetricName": metric,
        "Dimensions": [{"Name": dimension, "Value": name}],
        "Timestamp": at,
    }
    for value in values:
        aws.client("cloudwatch").put_metric_data(
            Namespace=namespace, MetricData=[{**data, "Value": value}]
        )


class Formation:
    """The emulated CloudFormation, and a function in its stack, which the emulation of storage
    lacks."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def get_paginator(self, operation: str) -> Any:
        return Pages(self._client.get_paginator(operation))


class Pages:
    """The pages of the stack's resources, and one with a function."""

    def __init__(self, paginator: Any) -> None:
        self._paginator = paginator

    def paginate(self, **named: Any) -> Iterator[Any]:
        yield from self._paginator.paginate(**named)
        function = {
            "ResourceType": "AWS::Lambda::Function",
            "PhysicalResourceId": f"{STACK}-ingest",
        }
        yield {"StackResourceSummaries": [function]}


@pytest.fixture
def account(aws: Aws) -> Account:
    return Account(Session(cloudformation=Formation(aws.client("cloudformation"))))


def test_units_are_those_of_the_stacks_own_tables_and_functions_within_the_month(
    aws: Aws, account: Account
) -> None:
    until = datetime(2031, 5, 31, tzinfo=UTC)
    within, before = until - timedelta(days=29), until - timedelta(days=31)
    table, other = f"{aws.prefix}{TABLES[0].name}", f"{aws.prefix}{TABLES[1].name}"
    for at in (within, before):
        send(aws, at, "AWS/DynamoDB", "ConsumedWriteCapacityUnits", "TableName", table, 40, 2)
        send(aws, at, "AWS/DynamoDB", "ConsumedWriteCapacityUnits", "TableName", other, 100)
        send(aws, at, "AWS/DynamoDB", "ConsumedReadCapacityUnits", "TableName", table, 7.5)
        send(
            aws, at, "AWS/DynamoDB", "ConsumedReadCapacityUnits", "TableName", "somebody-elses", 1e9
        )
        send(aws, at, "AWS/Lambda", "Invocations", "FunctionName", f"{STACK}-ingest", 3)
        send(aws, at, "AWS/Lambda", "Duration", "FunctionName", f"{STACK}-ingest", 250, 250, 500)
        send(aws, at, "Regulars", "CapturesResolved", "Stack", STACK, 2, 3)
        send(aws, at, "Regulars", "CapturesResolved", "Stack", "regulars-other", 1e6)
    units, captures = account.count_units(STACK, until - timedelta(days=30), until)
    assert {unit: number for unit, number in units.items() if number} == {
        "dynamodb_write_units": 142,
        "dynamodb_read_units": 7.5,
        "lambda_requests": 3,
        "lambda_gb_s": pytest.approx(1.0 * 2),
    }
    assert captures == 5


def test_a_stage_that_was_much_dearer_is_told_of_and_its_shops_are_counted(
    aws: Aws, account: Account
) -> None:
    now = LATER
    with closing(open_services(choose_settings(stage="test"))) as services:
        shops = count_shops(services, now)
    assert shops == {"stage": 1, "start": 2, "tenant": 2, "camera": 2, "face": 0, "search": 0}
    assert [*compare_month(account, "test", STACK, now)] == []
    send(aws, now - timedelta(days=3), "Regulars", "CapturesResolved", "Stack", STACK, 1_000)
    write_units = "ConsumedWriteCapacityUnits"
    send(
        aws,
        now - timedelta(days=3),
        "AWS/DynamoDB",
        write_units,
        "TableName",
        f"{aws.prefix}{TABLES[0].name}",
        64e6,
    )
    [line] = compare_month(account, "test", STACK, now)
    assert "were 40.00 USD by CloudWatch's counts" in line
    assert "for 1,000 captures and 0 searches" in line


def test_a_stage_without_a_month_of_its_own_is_not_compared(aws: Aws, account: Account) -> None:
    name = f"{aws.prefix}{TABLES[0].name}"
    now = datetime.now(UTC)
    send(
        aws,
        now - timedelta(days=3),
        "AWS/DynamoDB",
        "ConsumedWriteCapacityUnits",
        "TableName",
        name,
        64e9,
    )
    assert [*compare_month(account, "test", STACK, now + timedelta(days=29))] == []


def test_a_deployment_that_cannot_be_compared_is_no_failed_one(account: Account) -> None:
    [line] = compare_month(account, "test", "regulars-gone", LATER)
    assert line.startswith(
        "warning     the last 30 days were not compared with what `regulars cost` reckons: "
    )
    with pytest.raises(NotDeployed, match="there is no stack regulars-gone"):
        account.made_at("regulars-gone")


def test_a_role_that_may_not_read_the_counts_is_told_so(aws: Aws) -> None:
    """So it is with a role whose policy was printed by an earlier version."""
    session = Session(cloudformation=aws.client("cloudformation"), cloudwatch=Refusing())
    [line] = compare_month(Account(session), "test", STACK, LATER)
    assert "not authorized to perform: cloudwatch:GetMetricData" in line


class Refusing:
    """A CloudWatch of a role that may not ask it."""

    def get_paginator(self, operation: str) -> "Refusing":
        assert operation == "get_metric_data"
        return self

    def paginate(self, **_asked: Any) -> Iterator[Any]:
        from botocore.exceptions import ClientError

        said = "not authorized to perform: cloudwatch:GetMetricData"
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": said}}, "GetMetricData")
