"""A first deployment may fail at any resource, and the same command repeats it; what holds data is
never removed."""

from pathlib import Path
from typing import Any

import pytest

from infra.storage import make_storage
from regulars.deploy import deploy
from regulars.deploy.deploy import Plan
from regulars.deploy.stack import Account
from regulars.errors import NotDeployed
from tests.regulars.deploy.cloud import Session, table_name, yes

STACK = "regulars-test"
STORAGE = make_storage()
TABLES = [
    table_name(STACK, resource)
    for resource in STORAGE["Resources"].values()
    if resource["Type"] == "AWS::DynamoDB::Table"
]


@pytest.fixture
def plan(archive: Path) -> Plan:
    return Plan(STACK, archive, STORAGE, {})


def no() -> bool:
    return False


def protected(session: Session) -> set[str]:
    return {
        name for name in tables(session) if described(session, name)["DeletionProtectionEnabled"]
    }


def described(session: Session, table: str) -> dict[str, Any]:
    return session.client("dynamodb").describe_table(TableName=table)["Table"]


def tables(session: Session) -> list[str]:
    return session.client("dynamodb").list_tables()["TableNames"]


def status(session: Session) -> str | None:
    stack = session.clients["cloudformation"].stacks.get(STACK)
    return stack and stack["StackStatus"]


def leave_a_table(session: Session) -> str:
    session.client("dynamodb").create_table(
        TableName=TABLES[0],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )
    return TABLES[0]


def test_a_first_deployment_may_fail_at_any_resource_and_is_repeated_by_the_same_command(
    session: Session, plan: Plan
) -> None:
    account, formation = Account(session), session.clients["cloudformation"]
    for formation.fails_at in STORAGE["Resources"]:
        with pytest.raises(NotDeployed, match=r"was rolled back: .*the cable"):
            deploy.deploy(plan, account, None, yes)
        assert (tables(session), status(session)) == ([], "ROLLBACK_COMPLETE")
    formation.fails_at = None
    deploy.deploy(plan, account, None, yes)
    assert status(session) == "CREATE_COMPLETE"
    assert protected(session) == set(TABLES)


def test_a_command_that_changes_nothing_protects_what_one_cut_off_did_not(
    session: Session, plan: Plan
) -> None:
    deploy.deploy(plan, Account(session), None, yes)
    session.client("dynamodb").update_table(TableName=TABLES[0], DeletionProtectionEnabled=False)
    session.clients["cloudformation"].nothing_changes = True
    deploy.deploy(plan, Account(session), None, no)
    assert protected(session) == set(TABLES)


@pytest.mark.parametrize("state", ["ROLLBACK_FAILED", "DELETE_FAILED", None])
def test_a_table_that_is_there_without_its_stack_is_named_and_nothing_is_removed(
    session: Session, plan: Plan, state: str | None
) -> None:
    left = leave_a_table(session)
    if state:
        session.clients["cloudformation"].stacks[STACK] = {"StackName": STACK, "StackStatus": state}
    with pytest.raises(NotDeployed, match=f"there are its tables {left}: deploy another stage"):
        deploy.deploy(plan, Account(session), None, yes)
    assert (tables(session), status(session)) == ([left], state)


def test_a_stack_that_was_made_was_no_failure(session: Session, plan: Plan) -> None:
    deploy.deploy(plan, Account(session), None, yes)
    assert not Account(session).has_failed_record(STACK, TABLES)
