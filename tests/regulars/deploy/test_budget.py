"""The budget of the month's spending, which the command keeps by the stack's parameters."""

from collections.abc import Iterator
from typing import Any

import pytest
from moto import mock_aws

from regulars.deploy.budget import keep_budget
from regulars.deploy.stack import Account, Budget
from tests.regulars.deploy.cloud import Session, refused

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
