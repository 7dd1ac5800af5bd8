"""The budget of the month's spending, which the command keeps by the stack's parameters."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from moto import mock_aws

from infra import template
from regulars.deploy import deploy
from regulars.deploy.budget import keep_budget
from regulars.deploy.deploy import Plan
from regulars.deploy.preflight import Wanted, check_account, read_defaults
from regulars.deploy.stack import Account, Budget
from regulars.findings import Level
from tests.regulars.deploy.cloud import Failing, Session, refused, yes

STACK = "regulars-test"
TOPIC = "arn:aws:sns:eu-central-1:123456789012:shop"
ASKED = {"BudgetUsd": "200", "AlarmTopic": TOPIC}


@pytest.fixture
def account() -> Iterator[Account]:
    with mock_aws():
        yield Account(Session())


def test_a_budget_is_made_changed_and_deleted_as_the_parameters_say(account: Account) -> None:
    def keep(after: dict[str, str]) -> tuple[list[str], Budget | None]:
        return [*keep_budget(account, STACK, after)], account.read_budget(STACK)

    assert keep({"BudgetUsd": "0", "AlarmTopic": TOPIC}) == ([], None)
    assert keep({"BudgetUsd": "200", "AlarmTopic": ""}) == ([], None)
    [line], made = keep(ASKED)
    assert (line, made) == (
        f"budget      {TOPIC} is told of four fifths of 200 USD",
        Budget(200, TOPIC),
    )
    assert keep(ASKED) == ([], Budget(200, TOPIC))
    other = {**ASKED, "AlarmTopic": f"{TOPIC}2"}
    assert keep(other)[1] == Budget(200, f"{TOPIC}2")
    assert keep({**other, "BudgetUsd": "50"})[1] == Budget(50, f"{TOPIC}2")
    assert keep({**other, "BudgetUsd": "0"}) == (["budget      the budget is gone"], None)


def test_its_topic_is_told_of_four_fifths_spent_and_of_a_forecast_beyond(account: Account) -> None:
    account.make_budget(STACK, Budget(200, TOPIC))
    told = (
        Session()
        .client("budgets")
        .describe_notifications_for_budget(AccountId=account.id, BudgetName=STACK)
    )
    assert [(one["NotificationType"], one["Threshold"]) for one in told["Notifications"]] == [
        ("ACTUAL", 80.0),
        ("FORECASTED", 100.0),
    ]


def test_a_role_that_may_keep_none_is_told_so_and_the_deployment_is_done() -> None:
    class Refusing:
        exceptions = Session().client("budgets").exceptions

        def describe_budget(self, **_: Any) -> None:
            raise refused(
                "describe_budget",
                "not authorized to perform: budgets:ViewBudget",
                code="AccessDenied",
            )

    with mock_aws():
        account = Account(Session(budgets=Refusing()))
        [line] = keep_budget(account, STACK, ASKED)
        assert [*keep_budget(account, STACK, {})] == [], "nobody wanted to be told"
    assert line.startswith("warning     nobody is told of the month's spending: ")
    assert "budgets:ViewBudget" in line


class Seeing(Failing):
    """A CloudFormation that makes a change set only of what it sees.

    AWS sees a parameter in resources, conditions and outputs
    (github.com/aws-cloudformation/cloudformation-coverage-roadmap/issues/2027).
    """

    def create_change_set(self, **asked: Any) -> dict[str, str]:
        stack = self.stacks.get(asked["StackName"], {})
        before = {one["ParameterKey"]: one["ParameterValue"] for one in stack.get("Parameters", [])}
        given = {one["ParameterKey"]: one.get("ParameterValue") for one in asked["Parameters"]}
        after = {name: before[name] if value is None else value for name, value in given.items()}
        changed = {name for name in after if after[name] != before.get(name)}
        whole = self._template(asked["TemplateURL"])
        seen = json.dumps([whole[part] for part in ("Resources", "Conditions", "Outputs")])
        names = {*re.findall(r'"Ref": "(\w+)"', seen), *re.findall(r"\$\{(\w+)\}", seen)}
        self.nothing_changes = bool(stack) and not changed & names
        made = super().create_change_set(**asked)
        if not self.nothing_changes:
            self.stacks[asked["StackName"]]["Parameters"] = [
                {"ParameterKey": name, "ParameterValue": value} for name, value in after.items()
            ]
        return made


def deploy_with(
    account: Account, archive: Path, whole: dict[str, Any], **given: str
) -> Budget | None:
    """Do what the command does behind its packaging; return the budget that there is then."""
    rules = read_defaults(whole["Parameters"])
    wanted = Wanted(STACK, given, account.read_parameters(STACK), rules)
    assert [one for one in check_account(account, wanted) if one.level is Level.FAILED] == []
    assert deploy.deploy(Plan(STACK, archive, whole, given), account, None, yes)
    return account.read_budget(STACK)


@pytest.fixture
def seeing() -> Iterator[Account]:
    with mock_aws():
        plain = Session()
        for topic in ("shop", "other"):
            plain.client("sns").create_topic(Name=topic)
        seeing = Seeing(plain.client("s3"), plain.client("dynamodb"))
        yield Account(Session(cloudformation=seeing))


WHOLE = template.join_parts()
BARE = {
    **WHOLE,
    "Resources": {name: {**one, "Type": ""} for name, one in WHOLE["Resources"].items()},
}
"""The template, of which the emulation makes nothing."""


def test_a_budget_or_its_topic_that_is_changed_alone_is_changed_by_the_command(
    seeing: Account, archive: Path
) -> None:
    other = TOPIC.replace("shop", "other")
    assert deploy_with(seeing, archive, BARE, **ASKED) == Budget(200, TOPIC)
    assert deploy_with(seeing, archive, BARE, BudgetUsd="300") == Budget(300, TOPIC)
    assert deploy_with(seeing, archive, BARE, AlarmTopic=other) == Budget(300, other)
    assert deploy_with(seeing, archive, BARE) == Budget(300, other)
    assert deploy_with(seeing, archive, BARE, BudgetUsd="0") is None
    assert deploy_with(seeing, archive, BARE, BudgetUsd="50") == Budget(50, other)


def test_without_its_output_nobody_would_see_a_budget_that_is_changed_alone(
    seeing: Account, archive: Path
) -> None:
    """So the test above can fail."""
    outputs = {name: one for name, one in BARE["Outputs"].items() if name != "BudgetUsd"}
    blind = {**BARE, "Outputs": outputs}
    assert deploy_with(seeing, archive, blind, **ASKED) == Budget(200, TOPIC)
    assert deploy_with(seeing, archive, blind, BudgetUsd="300") == Budget(200, TOPIC)
