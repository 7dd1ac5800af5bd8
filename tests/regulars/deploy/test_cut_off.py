"""A deployment that is cut off at any of its calls that change something, and done again, leaves
what one leaves that nobody cut off."""

import re
from pathlib import Path
from typing import Any

import pytest

from regulars.deploy import deploy
from regulars.deploy.deploy import Plan
from regulars.deploy.stack import Account
from tests.regulars.deploy.cloud import REGION, Emulated, Session, yes

STACK = "regulars-test"
_READS = re.compile(r"(get|list|describe|head)_.*|exceptions|meta|can_paginate")


class CutOff(BaseException):
    """The process is gone."""


class Cutting:
    """A session whose process ends before its call number `at` that changes something; 0: it does
    not.

    `names`: those calls.
    """

    def __init__(self, session: Session, at: int = 0) -> None:
        self.region_name = session.region_name
        self._session, self._at = session, at
        self.names: list[str] = []

    def client(self, service: str) -> Any:
        return _Client(service, self._session.client(service), self)

    def call(self, name: str) -> None:
        self.names.append(name)
        if len(self.names) == self._at:
            raise CutOff


class _Client:
    def __init__(self, service: str, client: Any, session: Cutting) -> None:
        self._service, self._client, self._session = service, client, session

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._client, name)
        if _READS.fullmatch(name):
            return found

        def call(*given: Any, **named: Any) -> Any:
            self._session.call(f"{self._service}.{name}")
            return found(*given, **named)

        return call


def planned(archive: Path, *queues: str) -> Plan:
    resources = {name: {"Type": "AWS::SQS::Queue", "Properties": {}} for name in queues}
    template = {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Parameters": {},
        "Resources": resources,
        "Outputs": {"First": {"Value": {"Ref": queues[0]}}},
    }
    return Plan(STACK, archive, template, {})


def carry_out(session: Session, plan: Plan, at: int = 0) -> list[str]:
    """Deploy; return the calls that changed something. Raises CutOff."""
    cutting = Cutting(session, at)
    deploy.deploy(plan, Account(cutting), None, yes)
    return cutting.names


def made(session: Session) -> dict[str, Any]:
    """What is in the account."""
    s3, formation = session.client("s3"), session.client("cloudformation")
    buckets = [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]
    stacks = formation.describe_stacks()["Stacks"]
    return {
        "packages": {
            bucket: sorted(
                one["Key"] for one in s3.list_objects_v2(Bucket=bucket).get("Contents", [])
            )
            for bucket in buckets
        },
        "closed": [s3.get_public_access_block(Bucket=bucket) is not None for bucket in buckets],
        "stacks": [(stack["StackName"], stack["StackStatus"]) for stack in stacks],
        "queues": len(session.client("sqs").list_queues().get("QueueUrls", [])),
        "protected": formation.protected,
    }


def account() -> Session:
    return Session(REGION, cloudformation=Emulated(Session().client("cloudformation")))


@pytest.mark.parametrize("before", [(), ("Work",)], ids=["the first", "an update"])
def test_a_deployment_that_is_cut_off_and_done_again_is_done(
    archive: Path, before: tuple[str, ...]
) -> None:
    from moto import mock_aws

    plan, at, ends = planned(archive, "Work", "Dead"), 0, list[dict[str, Any]]()
    names = ["whole"]
    while at < len(names):
        with mock_aws():
            session = account()
            if before:
                carry_out(session, planned(archive, *before))
            if at == 0:
                names += carry_out(session, plan)
            else:
                with pytest.raises(CutOff):
                    carry_out(session, plan, at)
                carry_out(session, plan)
            ends.append(made(session))
        at += 1
    assert len(names) > 3, names
    unlike = {name: end for name, end in zip(names, ends, strict=True) if end != ends[0]}
    assert unlike == {}, f"not as if nobody had cut it off, which is {ends[0]}"
