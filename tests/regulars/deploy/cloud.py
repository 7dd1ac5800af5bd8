"""The account of a deployment: the emulated one, and what the emulation lacks.

Its methods' arguments have boto3's names, which ruff's N803 would have otherwise.
"""

import json
from functools import cache
from types import SimpleNamespace
from typing import Any

from botocore.exceptions import ClientError, WaiterError

REGION = "eu-central-1"
CONCURRENCY = 1_000
CHANGE_SETS = f"arn:aws:cloudformation:{REGION}:123456789012:changeSet"


class Lambda:
    """Lambda's answers about its quotas, and the runs that are reserved for each function."""

    def __init__(self, concurrency: int = CONCURRENCY) -> None:
        self.concurrency = concurrency
        self.reserved: dict[str, int] = {}

    def get_account_settings(self) -> dict[str, Any]:
        return {"AccountLimit": {"UnreservedConcurrentExecutions": self.concurrency}}

    def get_function_configuration(self, *, FunctionName: str) -> dict[str, Any]:  # noqa: N803 -- boto3's names
        return {"FunctionName": FunctionName, "MemorySize": 2_048}

    def get_function_concurrency(self, *, FunctionName: str) -> dict[str, int]:  # noqa: N803 -- boto3's names
        found = self.reserved.get(FunctionName)
        return {} if found is None else {"ReservedConcurrentExecutions": found}

    def put_function_concurrency(
        self,
        *,
        FunctionName: str,  # noqa: N803 -- boto3's names
        ReservedConcurrentExecutions: int,  # noqa: N803 -- boto3's names
    ) -> None:
        self.reserved[FunctionName] = ReservedConcurrentExecutions

    def delete_function_concurrency(self, *, FunctionName: str) -> None:  # noqa: N803 -- boto3's names
        del self.reserved[FunctionName]


class Session:
    """A session of boto3 in the emulated account, with stand-ins for some of its clients by the
    service's name."""

    def __init__(self, region: str = REGION, **clients: Any) -> None:
        self.region_name = region
        self.clients = {"lambda": Lambda(), **clients}

    def client(self, service: str) -> Any:
        return self.clients.get(service) or _client(service, self.region_name)


@cache
def _client(service: str, region: str) -> Any:
    """Make a client once for all accounts: that takes as long as twenty of its calls."""
    import boto3

    return boto3.client(service, region_name=region)


class Emulated:
    """The emulated CloudFormation, and what it does not know: protection against deletion, and
    another change set of a stack that was never made."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.protected: set[str] = set()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def create_change_set(self, **asked: Any) -> Any:
        stacks = self._client.list_stacks(StackStatusFilter=["REVIEW_IN_PROGRESS"])
        if asked["StackName"] in {one["StackName"] for one in stacks["StackSummaries"]}:
            self._client.delete_stack(StackName=asked["StackName"])
        return self._client.create_change_set(**asked)

    def update_termination_protection(
        self,
        *,
        StackName: str,  # noqa: N803 -- boto3's names
        EnableTerminationProtection: bool,  # noqa: N803 -- boto3's names
    ) -> None:
        assert EnableTerminationProtection
        self.protected.add(StackName)


class Answering:
    """A CloudFormation that makes no resource, and answers as a test says.

    What it makes and takes back is in the model (model.py).
    """

    def __init__(self, s3: Any) -> None:
        self._s3 = s3
        self.alarms_at: str | None = None
        self.invalid = ""
        """The reason of a change set that is not made; "": it is."""
        self.faults: list[dict[str, str]] = []
        self.never_ends = False
        self.stacks: dict[str, dict[str, Any]] = {}
        self.asked: dict[str, Any] = {}
        """What the last change set was asked for with."""
        self.summaries: list[dict[str, str]] = []
        """Resources of the stack, as CloudFormation lists them."""
        self._events: list[dict[str, str]] = []

    def describe_stacks(self, *, StackName: str) -> dict[str, Any]:  # noqa: N803 -- boto3's names
        if StackName not in self.stacks:
            raise refused("describe_stacks", f"Stack with id {StackName} does not exist")
        return {"Stacks": [self.stacks[StackName]]}

    def get_template_summary(self, *, TemplateURL: str) -> dict[str, Any]:  # noqa: N803 -- boto3's names
        return {
            "Parameters": [
                {"ParameterKey": name} for name in self._template(TemplateURL).get("Parameters", {})
            ]
        }

    def create_change_set(self, **asked: Any) -> dict[str, str]:
        name = asked["StackName"]
        assert asked["ChangeSetType"] == ("UPDATE" if name in self.stacks else "CREATE")
        self.stacks.setdefault(name, {"StackName": name, "StackStatus": "REVIEW_IN_PROGRESS"})
        self.asked = asked
        return {"Id": f"{CHANGE_SETS}/{asked['ChangeSetName']}/0b7c"}

    def describe_change_set(self, **_named: Any) -> dict[str, Any]:
        return {"Changes": [], "StatusReason": self.invalid}

    def describe_events(self, *, ChangeSetName: str, Filters: dict[str, bool]) -> dict[str, Any]:  # noqa: N803 -- boto3's names
        """As AWS does, by the ARN alone, and not once the change set is gone."""
        assert Filters == {"FailedEvents": True}
        if not (ChangeSetName.startswith(CHANGE_SETS) and self.stacks):
            raise refused(
                "describe_events",
                "One of ChangeSetName, OperationId or StackName must be specified",
            )
        return {"OperationEvents": self.faults}

    def list_stack_resources(self, **_named: Any) -> dict[str, Any]:
        return {"StackResourceSummaries": self.summaries}

    def get_paginator(self, operation: str) -> Any:
        # newest first, and pages are short beside a stack's deletions
        if operation == "describe_stack_events":
            return SimpleNamespace(
                paginate=lambda **_: [{"StackEvents": [one]} for one in self._events]
            )
        return SimpleNamespace(paginate=lambda **named: [getattr(self, operation)(**named)])

    def execute_change_set(
        self,
        *,
        StackName: str,  # noqa: N803 -- boto3's names
        ClientRequestToken: str,  # noqa: N803 -- boto3's names
        RetainExceptOnCreate: bool,  # noqa: N803 -- boto3's names
        **_named: Any,
    ) -> None:
        assert RetainExceptOnCreate
        stack = self.stacks[StackName]
        if self.never_ends:
            stack["StackStatus"] = f"{self.asked['ChangeSetType']}_IN_PROGRESS"
            return
        if self.alarms_at:
            reason = f"the alarm {self.alarms_at} went off"
            self._tell(ClientRequestToken, StackName, "UPDATE_ROLLBACK_IN_PROGRESS", reason)
            stack["StackStatus"] = "UPDATE_ROLLBACK_COMPLETE"
            return
        stack["StackStatus"] = f"{self.asked['ChangeSetType']}_COMPLETE"

    def _tell(self, token: str, resource: str, status: str, reason: str) -> None:
        event = {
            "LogicalResourceId": resource,
            "ResourceStatus": status,
            "ResourceStatusReason": reason,
        }
        self._events.insert(0, {**event, "ClientRequestToken": token})

    def get_waiter(self, waited: str) -> Any:
        return SimpleNamespace(wait=lambda **named: self._wait(waited, **named))

    def delete_change_set(self, **_named: Any) -> None: ...

    def delete_stack(self, *, StackName: str, **_named: Any) -> None:  # noqa: N803 -- boto3's names
        del self.stacks[StackName]

    def update_termination_protection(self, **_named: Any) -> None: ...

    def _wait(self, waited: str, *, StackName: str, **_named: Any) -> None:  # noqa: N803 -- boto3's names
        status = self.stacks.get(StackName, {}).get("StackStatus", "DELETE_COMPLETE")
        done = (
            not self.invalid
            if waited.startswith("change_set")
            else waited == f"stack_{status.lower()}"
        )
        if not done:
            raise WaiterError(waited, f"it is {status}", {})

    def _template(self, url: str) -> Any:
        bucket, _, key = url.removeprefix("https://").partition("/")
        body = self._s3.get_object(Bucket=bucket.partition(".")[0], Key=key)["Body"]
        return json.loads(body.read())


def refused(operation: str, message: str, code: str = "ValidationError") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, operation)


def yes() -> bool:
    return True
