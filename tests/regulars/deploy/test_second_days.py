"""Random second days of two stages in a model of an account: the short form of `make second-days`,
and that each part of it finds a fault."""

import json
import re
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from regulars.deploy.policy import make_role_policy
from regulars.deploy.preflight import Wanted, check_account
from regulars.deploy.stack import Account
from regulars.findings import Finding
from tests.regulars.deploy.model import Faults
from tests.regulars.deploy.resolve import make_whole
from tests.regulars.deploy.second_days import Days, Rig, make_rig, try_sequences

SHORT = range(60)
STACK = "regulars-dev"
TOPIC = "arn:aws:sns:eu-central-1:123456789012:shop"


def test_what_is_asked_is_so_or_is_refused_with_a_way_out(tmp_path: Path) -> None:
    assert [*try_sequences(make_rig(tmp_path), SHORT)] == []


@pytest.mark.parametrize("is_new", [True, False])
def test_a_command_that_is_cut_off_at_any_call_is_ended_by_the_next(
    tmp_path: Path, is_new: bool
) -> None:
    rig = make_rig(tmp_path)
    for at in count(1):
        days = Days(rig, at)
        if not is_new:
            days.deploy(STACK, {})
        days.acts.clear()
        days.deploy(STACK, {"LogDays": "7", "AlarmTopic": TOPIC}, cut_at=at)
        if not any("cut off" in act for act in days.acts):
            break
    assert at > 40, "it makes more calls than that"


def test_a_deployment_may_fail_at_any_resource_and_is_repeated_by_the_same_command(
    tmp_path: Path,
) -> None:
    rig = make_rig(tmp_path)
    given = {"LogDays": "7", "CaptureDays": "7", "AlarmTopic": TOPIC}
    said = []
    for name in rig.whole["Resources"]:
        days = Days(rig, 0)
        for parameters in ({}, given):
            days.world.faults = Faults(at=name)
            days.deploy(STACK, parameters)
        said += [act for act in days.acts if f"was rolled back: {name}: " in act]
    assert len(said) > 90


def forget_condition(folder: Path) -> Rig:
    """The URL is there whatever its parameter says."""
    whole = make_whole()
    url = {k: v for k, v in whole["Resources"]["RekognitionUrl"].items() if k != "Condition"}
    resources = {**whole["Resources"], "RekognitionUrl": url}
    return make_rig(folder, whole={**whole, "Resources": resources})


def reword(old: str, new: str) -> Callable[[Path], Rig]:
    """Make a rig whose roles have policies with other words; STACK: the stage's own."""

    def make(stack: str, boundary: str) -> dict[str, Any]:
        text = json.dumps(make_role_policy(stack, boundary))
        own = old.replace("STACK", stack)
        assert own in text
        return json.loads(text.replace(own, new.replace("STACK", stack)))

    return lambda folder: make_rig(folder, make_policy=make)


def leave_out(subject: str) -> Callable[[Path], Rig]:
    """Make a rig whose preflight lacks a check."""

    def check(account: Account, wanted: Wanted) -> Iterator[Finding]:
        return (one for one in check_account(account, wanted) if one.subject != subject)

    return lambda folder: make_rig(folder, check=check)


@pytest.mark.parametrize(
    ("make_faulty", "says"),
    [
        (forget_condition, "other effects than asked: .*FunctionUrl"),
        (reword("packages-*/STACK/*", "packages-*/regulars-*"), "changed .'packages'. of"),
        (reword("lambda:*:*:function:STACK-*", "lambda:*:*:function:regulars-*"), "has a AWS"),
        (reword("ImportResourceTypes", "Another"), "changed .*'resources'.* of"),
        (reword("cloudformation:ContinueUpdateRollback", "x:y"), "not authorized"),
        (reword("s3:DeleteObject", "x:y"), "lacks .'s3:DeleteObject'"),
        (
            reword("cloudformation:Describe*", "cloudformation:DescribeStack*"),
            "lacks .'cloudformation:Describe",
        ),
        (reword("dynamodb:UpdateTable", "x:y"), "lacks .*dynamodb:UpdateTable"),
        (leave_out("stack"), "preflight passed, and AWS refused: .'state'"),
        (leave_out("DomainName"), "preflight passed, and AWS refused: .'name'"),
        (leave_out("concurrency"), "preflight passed, and AWS refused: .'quota'"),
        (leave_out("RoleBoundary"), "preflight passed, and AWS refused: .'missing'"),
        (leave_out("CustomerKey"), "preflight passed, and AWS refused: .'missing'"),
        (leave_out("AccessLog"), "preflight passed, and AWS refused: .'missing'"),
        (leave_out("Witness"), "names what is not there"),
    ],
)
def test_a_fault_is_found_by_what_it_breaks(
    tmp_path: Path, make_faulty: Callable[[Path], Rig], says: str
) -> None:
    found = next(try_sequences(make_faulty(tmp_path), SHORT), "")
    assert re.search(says, found), found
