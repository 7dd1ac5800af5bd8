from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from chalicelib.domain.errors import InvalidInput
from chalicelib.storage.keys import TENANTS
from chalicelib.telemetry import CANARY_SECONDS, NAMESPACE
from infra import template
from regulars.deploy import deploy
from regulars.deploy.deploy import Plan
from regulars.deploy.stack import Account
from regulars.errors import NotDeployed
from tests.regulars.deploy.cloud import Lambda, Session, yes

STACK = "regulars-test"
WHOLE = template.join_parts()
WHOLE = {
    **WHOLE,
    "Resources": {name: {"Type": "", **one} for name, one in WHOLE["Resources"].items()},
}
CERTIFICATE = "arn:aws:acm:eu-central-1:123456789012:certificate/0b7c"


class Certificates:
    def __init__(self, *names: str) -> None:
        self._found = [
            {
                "CertificateArn": CERTIFICATE,
                "DomainName": names[0],
                "SubjectAlternativeNameSummaries": names,
            }
        ]

    def get_paginator(self, operation: str) -> Any:
        assert operation == "list_certificates"
        return SimpleNamespace(paginate=self._list)

    def _list(self, *, CertificateStatuses: list[str], Includes: dict[str, list[str]]) -> list[Any]:  # noqa: N803
        assert CertificateStatuses == ["ISSUED"]
        assert "EC_prime256v1" in Includes["keyTypes"]  # ACM lists RSA alone unless it is asked
        return [{"CertificateSummaryList": []}, {"CertificateSummaryList": self._found}]


@pytest.fixture
def plan(archive: Path) -> Plan:
    return Plan(STACK, archive, WHOLE, {})


def asked(session: Session) -> dict[str, str]:
    """Parameters of the last change set."""
    given = session.clients["cloudformation"].asked["Parameters"]
    return {one["ParameterKey"]: one.get("ParameterValue", "as it is") for one in given}


@pytest.mark.parametrize(
    ("limit", "ingest", "deliver", "build", "api"),
    [
        (10, "2", "2", "2", "-1"),
        (40, "8", "5", "5", "-1"),
        (200, "10", "5", "5", "100"),
        (1_000, "10", "5", "5", "500"),
    ],
)
def test_queues_start_runs_for_which_the_account_has_room(
    session: Session, plan: Plan, limit: int, ingest: str, deliver: str, build: str, api: str
) -> None:
    """What is reserved for the API is the most that its callers can take from the others: AWS wants
    100 left."""
    session.clients["lambda"] = Lambda(limit)
    deploy.deploy(plan, Account(session), None, yes)
    runs = {
        "IngestConcurrency": ingest,
        "DeliverConcurrency": deliver,
        "BuildIndexConcurrency": build,
    }
    assert asked(session) == {**runs, "APIHandlerConcurrency": api}
    # Each run of ingest waits for one of the search function.
    assert 2 * int(ingest) + int(deliver) + int(build) <= max(8, 4 * limit // 5)


@pytest.mark.parametrize(("search", "api"), [("0", "500"), ("60", "260"), ("110", "-1")])
def test_a_new_stacks_api_gets_half_of_what_other_functions_leave(
    session: Session, plan: Plan, search: str, api: str
) -> None:
    """Search is eight functions."""
    given = Plan(STACK, plan.archive, WHOLE, {"SearchConcurrency": search})
    deploy.deploy(given, Account(session), None, yes)
    assert asked(session)["APIHandlerConcurrency"] == api


def test_more_buckets_than_fit_into_a_policy_are_refused_with_their_number() -> None:
    with pytest.raises(InvalidInput, match="PictureBuckets has 1000 characters at most, not 1001"):
        deploy.require_parameters(WHOLE["Parameters"], {"PictureBuckets": "a" * 1_001})


def test_an_operator_who_names_a_number_of_runs_gets_it(session: Session, plan: Plan) -> None:
    named = Plan(STACK, plan.archive, WHOLE, {"IngestConcurrency": "7"})
    deploy.deploy(named, Account(session), None, yes)
    assert asked(session)["IngestConcurrency"] == "7"
    stack = session.clients["cloudformation"].stacks[STACK]
    stack["Parameters"] = [{"ParameterKey": "IngestConcurrency", "ParameterValue": "7"}]
    deploy.deploy(plan, Account(session), None, yes)
    assert asked(session)["IngestConcurrency"] == "as it is"


def test_an_update_is_judged_by_how_long_pictures_took_the_day_before(
    session: Session, plan: Plan
) -> None:
    deploy.deploy(plan, Account(session), None, yes)
    assert "CanarySeconds" not in asked(session), "of a new stack nobody knows it"
    stack = session.clients["cloudformation"].stacks[STACK]
    stack["Parameters"] = [{"ParameterKey": "CanarySeconds", "ParameterValue": "0"}]
    now = datetime.now(UTC)
    session.client("cloudwatch").put_metric_data(
        Namespace=NAMESPACE,
        MetricData=[
            {
                "MetricName": CANARY_SECONDS,
                "Dimensions": [{"Name": "Stack", "Value": STACK}],
                "Timestamp": now - timedelta(minutes=5 * number + 6),
                "Value": 3.0,
            }
            for number in range(20)
        ],
    )
    deploy.deploy(plan, Account(session), None, yes)
    assert asked(session)["CanarySeconds"] == "5"
    named = Plan(STACK, plan.archive, WHOLE, {"CanarySeconds": "60"})
    deploy.deploy(named, Account(session), None, yes)
    assert asked(session)["CanarySeconds"] == "60", "an operator deploys what has to take longer"


def test_an_account_that_runs_few_functions_is_warned_of(
    session: Session, plan: Plan, capsys: pytest.CaptureFixture[str]
) -> None:
    session.clients["lambda"] = Lambda(10)
    deploy.deploy(plan, Account(session), None, yes)
    said = capsys.readouterr().out
    assert "10 functions at once" in said
    assert "ask AWS for 1,000" in said
    session.clients["lambda"] = Lambda(1_000)
    deploy.deploy(plan, Account(session), None, yes)
    assert "ask AWS" not in capsys.readouterr().out


@pytest.mark.parametrize("name", ["faces.shop.example", "*.shop.example"])
def test_a_domain_gets_the_certificate_that_covers_it(
    session: Session, plan: Plan, name: str
) -> None:
    session.clients["acm"] = Certificates("other.example", name)
    wanted = Plan(STACK, plan.archive, WHOLE, {"DomainName": "faces.shop.example"})
    deploy.deploy(wanted, Account(session), None, yes)
    assert asked(session)["CertificateArn"] == CERTIFICATE


def test_a_domain_without_a_certificate_is_refused_before_anything_is_made(
    session: Session, plan: Plan
) -> None:
    session.clients["acm"] = Certificates("shop.example", "*.faces.shop.example")
    wanted = Plan(STACK, plan.archive, WHOLE, {"DomainName": "faces.shop.example"})
    with pytest.raises(NotDeployed, match=r"no certificate .* covers faces\.shop\.example"):
        deploy.deploy(wanted, Account(session), None, yes)
    assert session.clients["cloudformation"].stacks == {}


@pytest.mark.parametrize("state", ["ROLLBACK_FAILED", "DELETE_FAILED", None])
def test_a_table_that_is_there_without_its_stack_is_named_and_nothing_is_removed(
    session: Session, plan: Plan, state: str | None
) -> None:
    left, formation = f"{STACK}-{TENANTS.name}", session.clients["cloudformation"]
    session.client("dynamodb").create_table(
        TableName=left,
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )
    if state:
        formation.stacks[STACK] = {"StackName": STACK, "StackStatus": state}
    with pytest.raises(NotDeployed, match=f"there are its tables {left}: deploy another stage"):
        deploy.deploy(plan, Account(session), None, yes)
    assert session.client("dynamodb").list_tables()["TableNames"] == [left]
    assert [one["StackStatus"] for one in formation.stacks.values()] == [state] * bool(state)


def alarm(session: Session, logical: str, state: str = "OK") -> None:
    watch = session.client("cloudwatch")
    watch.put_metric_alarm(
        AlarmName=f"{STACK}-{logical}",
        MetricName="5XXError",
        Namespace="AWS/ApiGateway",
        Statistic="Sum",
        Period=300,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="GreaterThanThreshold",
    )
    watch.set_alarm_state(AlarmName=f"{STACK}-{logical}", StateValue=state, StateReason="so")
    summaries = session.clients["cloudformation"].summaries
    summaries.append({"LogicalResourceId": logical, "PhysicalResourceId": f"{STACK}-{logical}"})


def triggers(session: Session) -> list[str]:
    rollback = session.clients["cloudformation"].asked["RollbackConfiguration"]
    assert rollback["MonitoringTimeInMinutes"] == (10 if rollback["RollbackTriggers"] else 0)
    return [one["Arn"].rpartition(":")[2] for one in rollback["RollbackTriggers"]]


def test_an_update_is_rolled_back_by_the_stacks_quick_alarms(session: Session, plan: Plan) -> None:
    account = Account(session)
    deploy.deploy(plan, account, None, yes)
    assert triggers(session) == []
    for name in ("ApiErrors", "SweepErrors", "CapturesDeadLettersArrive", "GoneInThisVersion"):
        alarm(session, name)
    deploy.deploy(plan, account, None, yes)
    assert triggers(session) == [f"{STACK}-ApiErrors"]


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ("ALARM", "it is on"),
        ("INSUFFICIENT_DATA", "it does not know its state yet"),
        (None, "it is not made yet"),
    ],
)
def test_an_alarm_that_cannot_guard_the_update_is_left_out_and_named_before_it_asks(
    session: Session, plan: Plan, state: str | None, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The update may be the remedy; and a new stack's canary is about to go off, since it has no
    tenant yet."""
    account = Account(session)
    deploy.deploy(plan, account, None, yes)
    if state:
        alarm(session, "CanaryFails", state)
    capsys.readouterr()
    told: list[str] = []
    deploy.deploy(plan, account, None, lambda: not told.append(capsys.readouterr().out))
    assert triggers(session) == []
    assert f"warning     CanaryFails does not roll this update back: {said}" in told[0]


@pytest.mark.parametrize(
    ("given", "left"),
    [
        ({"LogDays": "7"}, ["ApiErrors", "CanaryFails"]),
        (
            {"CanaryTenant": ""},
            ["ApiErrors"],
        ),  # the update removes CanaryFails, and AWS rolls back if a trigger is gone
        ({"APIHandlerConcurrency": "0"}, []),  # stopped, the API fails as it is meant to
    ],
)
def test_an_update_that_ends_what_an_alarm_watches_is_not_rolled_back_by_it(
    session: Session,
    plan: Plan,
    given: dict[str, str],
    left: list[str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    account = Account(session)
    deploy.deploy(plan, account, None, yes)
    assert "does not roll" not in capsys.readouterr().out
    for name in ("ApiErrors", "CanaryFails"):
        alarm(session, name)
    told: list[str] = []
    changed = Plan(STACK, plan.archive, WHOLE, given)
    deploy.deploy(changed, account, None, lambda: not told.append(capsys.readouterr().out))
    assert triggers(session) == [f"{STACK}-{name}" for name in left]
    for name in {"ApiErrors", "CanaryFails"} - {*left}:
        assert f"warning     {name} does not roll this update back: " in told[0]


def test_an_update_that_an_alarm_rolled_back_is_told_as_such(session: Session, plan: Plan) -> None:
    account = Account(session)
    deploy.deploy(plan, account, None, yes)
    session.clients["cloudformation"].alarms_at = "ApiErrors"
    with pytest.raises(
        NotDeployed, match="was rolled back: regulars-test: the alarm ApiErrors went off"
    ):
        deploy.deploy(plan, account, None, yes)


def test_a_change_set_that_is_not_made_says_what_was_wrong_before_it_is_forgotten(
    session: Session, plan: Plan
) -> None:
    formation = session.clients["cloudformation"]
    formation.invalid = (
        "To troubleshoot Early Validation errors, use the DescribeEvents API for "
        "detailed information"
    )
    exists = (
        f"Resource of type 'AWS::CloudWatch::Dashboard' with identifier '{STACK}' already exists."
    )
    formation.faults = [
        {"LogicalResourceId": "Dashboard", "ValidationStatusReason": exists},
        {"EventId": "without"},
    ]
    with pytest.raises(NotDeployed, match=f"was not made: To trouble.*; Dashboard: {exists}"):
        deploy.deploy(plan, Account(session), None, yes)
    assert formation.stacks == {}


def test_an_update_that_takes_longer_than_the_command_waits_was_not_rolled_back(
    session: Session, plan: Plan
) -> None:
    account = Account(session)
    deploy.deploy(plan, account, None, yes)
    session.clients["cloudformation"].never_ends = True
    with pytest.raises(
        NotDeployed, match="regulars-test goes on without the command, which waits no longer"
    ):
        deploy.deploy(plan, account, None, yes)


def test_no_function_runs_while_a_stage_is_filled_nor_after_a_failure(session: Session) -> None:
    functions = session.clients["lambda"]
    functions.reserved = {"api": 500}
    for name in ("api", "search"):
        session.clients["cloudformation"].summaries.append(
            {
                "LogicalResourceId": name,
                "PhysicalResourceId": name,
                "ResourceType": "AWS::Lambda::Function",
            }
        )
    with Account(session).stop_functions(STACK):
        assert functions.reserved == {"api": 0, "search": 0}
    assert functions.reserved == {"api": 500}
    with pytest.raises(NotDeployed), Account(session).stop_functions(STACK):
        raise NotDeployed("it is half full")
    assert functions.reserved == {"api": 0, "search": 0}


@pytest.mark.parametrize(
    ("region", "host"),
    [
        ("eu-central-1", "s3.eu-central-1.amazonaws.com"),
        ("cn-north-1", "s3.cn-north-1.amazonaws.com.cn"),
    ],
)
def test_the_templates_address_is_that_of_the_regions_partition(
    session: Session, region: str, host: str
) -> None:
    account = Account(Session(region))
    bucket = account.provide_bucket(None)
    assert account.upload_text(bucket, "key.json", "{}") == f"https://{bucket}.{host}/key.json"
