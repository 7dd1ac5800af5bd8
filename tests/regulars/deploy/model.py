"""A small model of an AWS account, for the calls of `regulars deploy` and of those who run a stage.

IAM decides about each call by the policy of the role that makes it, and about all that
CloudFormation does for that role. Pages named CFN are of docs.aws.amazon.com/AWSCloudFormation.
"""

import base64
import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from types import SimpleNamespace
from typing import Any, NamedTuple

from botocore.exceptions import ClientError, WaiterError

from regulars.deploy.stack import LEAST_UNRESERVED
from tests.regulars.deploy.calls import ACCOUNT, REGION, name_call
from tests.regulars.deploy.resolve import Key, Made, Template
from tests.support.iam import BY_CLOUDFORMATION, is_allowed
from tests.support.rights import list_needed, name_arn

PACKAGES = f"regulars-packages-{ACCOUNT}-{REGION}"
_HOST = f"s3.{REGION}.amazonaws.com"
_STEADY = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE")
"""States that take an update: CFN/latest/UserGuide/view-stack-events.html, Stack status codes."""

_EARLY = "To troubleshoot Early Validation errors, use the DescribeEvents API"
_TAG = "aws:ResourceTag/aws:cloudformation:stack-name"
_BOUNDARY = "iam:PermissionsBoundary"


class Missing(ClientError):
    """What AWS's clients raise for what is not there, each by a name of its own."""


_EXCEPTIONS = SimpleNamespace(
    NotFoundException=Missing,
    NoSuchEntityException=Missing,
    ResourceNotFound=Missing,
    ResourceNotFoundException=Missing,
)


def refuse(says: str, code: str = "ValidationError", status: int = 400) -> ClientError:
    kind = Missing if status == 404 else ClientError
    answer: Any = {
        "Error": {"Code": code, "Message": says},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    return kind(answer, "call")


class Role:
    """Who acts, and the policy that says what he may do. It is asked once for each answer."""

    def __init__(self, name: str, policy: Mapping[str, Any]) -> None:
        self.name, self._policy = name, policy
        self._memo: dict[Any, bool] = {}

    def may(self, action: str, arn: str, context: Mapping[str, str]) -> bool:
        key = (action, arn, *sorted(context.items()))
        if key not in self._memo:
            self._memo[key] = is_allowed(self._policy, action, arn, context)
        return self._memo[key]

    def find_missing(
        self, before: Made | None, after: Made | None, roles: Mapping[str, str]
    ) -> str:
        """Return an action that the role lacks for a change of a resource; "": none.

        `roles`: boundaries of the functions' roles, by name.
        """
        made = after or before
        assert made
        phase = "delete" if after is None else "update" if before else "create"
        for action in (*list_needed(made.kind, phase), *_list_more(before, after)):
            sets_boundary = action in ("iam:CreateRole", "iam:PutRolePermissionsBoundary")
            is_bounding = action == "iam:PutRolePermissionsBoundary"
            if is_bounding and roles.get(made.name) == made.boundary:
                continue
            of_role = action.endswith("RolePolicy")
            targets = made.targets if of_role or "ManagedPolicy" not in made.kind else (made.name,)
            for target in targets:
                bound = made.boundary if sets_boundary else roles.get(target, made.boundary)
                context = {
                    **BY_CLOUDFORMATION,
                    **({_TAG: before.stack} if before else {}),
                    **({_BOUNDARY: bound} if bound else {}),
                }
                if not self.may(action, name_arn(made.kind, target, action), context):
                    return action
        return ""


def _list_more(before: Made | None, after: Made | None) -> Iterator[str]:
    """Yield actions that the book of refusals leaves out, since they are seldom needed."""
    if after is None and before and before.kind == "AWS::KMS::Key":
        yield "kms:ScheduleKeyDeletion"
    if before and after and before.boundary and not after.boundary:
        yield "iam:DeleteRolePermissionsBoundary"


@dataclass
class Change:
    """A change set: what CloudFormation would do."""

    name: str
    template: Template
    values: dict[str, str]
    resources: dict[Key, Made]
    outputs: dict[str, str]
    made: int
    alarms: list[str]
    why: str
    """Why it was not made; "": it was."""


@dataclass
class Stack:
    name: str
    status: str = "REVIEW_IN_PROGRESS"
    values: dict[str, str] = field(default_factory=dict)
    outputs: dict[str, str] = field(default_factory=dict)
    is_protected: bool = False
    made: int = 1
    changes: dict[str, Change] = field(default_factory=dict)
    events: list[dict[str, str]] = field(default_factory=list)
    keeps: bool = False
    """A creation that fails leaves what is retained."""

    goes_on: Callable[[], None] | None = None
    """What AWS does while nobody waits."""

    back: tuple[dict[str, str], list[tuple[Key, Made | None]]] = field(
        default_factory=lambda: ({}, [])
    )
    """What an update that failed has still to be put back: parameters and resources."""


class Stored(NamedTuple):
    body: bytes
    checksum: str
    number: int


class Call(NamedTuple):
    role: Role
    asked: dict[str, Any]

    @property
    def stack(self) -> str:
        return str(self.asked["StackName"])


@dataclass
class Faults:
    """What is to go wrong, until somebody mends it."""

    at: str = ""
    """The resource that cannot be made or changed, by its name in the template."""

    sticks: bool = False
    """What was done cannot be taken back."""

    alarm: bool = False
    invalid: bool = False
    """CloudFormation finds a fault before it makes a change set."""

    slow: bool = False
    """AWS takes longer than the command waits."""


class World:
    """An account in one region, what it holds, and its answers by service and call."""

    def __init__(self) -> None:
        self.concurrency, self.faults = 1_000, Faults()
        self.stacks: dict[str, Stack] = {}
        self.resources: dict[Key, Made] = {}
        self.left: set[Key] = set()
        """What a deleted stack left."""

        self.protected: set[str] = set()
        self.packages: dict[str, Stored] | None = None
        self.is_closed = False
        self.buckets, self.policies, self.topics = set[str](), set[str](), set[str]()
        self.certificates, self.keys = set[str](), set[str]()
        self.log_role = ""
        self.canary_s: list[float] = []
        self.refusals: list[str] = []
        """Kinds of what CloudFormation refused."""

        self.denied: list[str] = []
        """Actions of calls for which a role lacked the right."""

        self._stacks_made: dict[str, int] = {}
        self._number = 0

    def own(self, stack: str) -> dict[Key, Made]:
        """Return the resources of a stack that is there."""
        return {
            key: one
            for key, one in self.resources.items()
            if one.stack == stack and key not in self.left
        }

    def look(self, stack: str) -> dict[str, Any]:
        """Return all that is a stage's."""
        record, packages = self.stacks.get(stack), self.packages or {}
        return {
            "resources": {key: one for key, one in self.resources.items() if one.stack == stack},
            "tables": {name for name in self.protected if name.startswith(f"{stack}-")},
            "packages": {key: one for key, one in packages.items() if key.startswith(f"{stack}/")},
            "stack": record
            and (record.status, dict(record.values), dict(record.outputs), record.is_protected),
        }

    def settle(self, stack: str) -> None:
        """Let CloudFormation end what it does with a stack."""
        record = self.stacks.get(stack)
        if record and record.goes_on:
            goes_on, record.goes_on = record.goes_on, None
            goes_on()

    def refuse(self, kind: str, says: str) -> ClientError:
        self.refusals.append(kind)
        return refuse(says)

    # --- what is asked

    def sts_get_caller_identity(self, call: Call) -> Any:
        return {
            "Account": ACCOUNT,
            "Arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/{call.role.name}/x",
        }

    def lambda_get_account_settings(self, _call: Call) -> Any:
        return {"AccountLimit": {"UnreservedConcurrentExecutions": self.count_unreserved()}}

    def count_unreserved(self) -> int:
        return self.concurrency - sum(one.runs or 0 for one in self.resources.values())

    def sns_get_topic_attributes(self, call: Call) -> Any:
        if call.asked["TopicArn"] not in self.topics:
            raise refuse("no topic", status=404)
        return {"Attributes": {"Policy": "budgets.amazonaws.com"}}

    def sns_create_topic(self, call: Call) -> None:
        name = call.asked["Name"]
        if not name.replace("-", "").replace("_", "").isalnum():  # SNS API, CreateTopic
            raise refuse(f"Invalid parameter: Topic Name {name}", "InvalidParameter")
        self.topics.add(f"arn:aws:sns:{REGION}:{ACCOUNT}:{name}")

    def kms_describe_key(self, call: Call) -> Any:
        if call.asked["KeyId"] not in self.keys:
            raise refuse("no key", status=404)
        return {"KeyMetadata": {"KeyState": "Enabled"}}

    def kms_schedule_key_deletion(self, call: Call) -> None:
        self.forget("AWS::KMS::Key", call.asked["KeyId"])

    def apigateway_get_account(self, _call: Call) -> Any:
        return {"cloudwatchRoleArn": self.log_role}

    def apigateway_get_domain_name(self, call: Call) -> Any:
        return self._find("AWS::ApiGateway::DomainName", call.asked["domainName"])

    def iam_get_policy(self, call: Call) -> None:
        if call.asked["PolicyArn"] not in self.policies:
            raise refuse("no policy", status=404)

    def acm_list_certificates(self, _call: Call) -> Any:
        arn = f"arn:aws:acm:{REGION}:{ACCOUNT}:certificate/"
        known = [{"CertificateArn": arn + one, "DomainName": one} for one in self.certificates]
        return {"CertificateSummaryList": known}

    def acm_request_certificate(self, call: Call) -> None:
        self.certificates.add(call.asked["DomainName"])

    def cloudwatch_get_dashboard(self, call: Call) -> Any:
        return self._find("AWS::CloudWatch::Dashboard", call.asked["DashboardName"])

    def cloudwatch_describe_alarms(self, call: Call) -> Any:
        names = call.asked["AlarmNames"]
        return {
            "MetricAlarms": [
                {"AlarmName": name, "AlarmArn": f"arn:alarm:{name}", "StateValue": "OK"}
                for name in names
            ]
        }

    def cloudwatch_get_metric_data(self, _call: Call) -> Any:
        return {"MetricDataResults": [{"Values": self.canary_s}]}

    def logs_describe_log_groups(self, call: Call) -> Any:
        names = [name for kind, name in self.resources if kind == "AWS::Logs::LogGroup"]
        prefix = call.asked["logGroupNamePrefix"]
        return {"logGroups": [{"logGroupName": one} for one in names if one.startswith(prefix)]}

    def logs_delete_log_group(self, call: Call) -> None:
        self.forget("AWS::Logs::LogGroup", call.asked["logGroupName"])

    def _find(self, kind: str, name: str) -> Any:
        if (kind, name) not in self.resources:
            raise refuse(f"no {name}", status=404)
        return {}

    def forget(self, kind: str, name: str) -> None:
        del self.resources[kind, name]
        self.left.discard((kind, name))

    # --- tables

    def dynamodb_describe_table(self, call: Call) -> Any:
        name = call.asked["TableName"]
        self._find("AWS::DynamoDB::Table", name)
        return {"Table": {"DeletionProtectionEnabled": name in self.protected}}

    def dynamodb_update_table(self, call: Call) -> None:
        is_on, name = call.asked["DeletionProtectionEnabled"], call.asked["TableName"]
        (self.protected.add if is_on else self.protected.discard)(name)

    def dynamodb_wait(self, call: Call) -> None:
        self.dynamodb_describe_table(call)

    def dynamodb_delete_table(self, call: Call) -> None:
        if (name := call.asked["TableName"]) in self.protected:
            raise refuse(f"{name} is protected against deletion")
        self.forget("AWS::DynamoDB::Table", name)

    # --- the bucket of packages

    def s3_head_bucket(self, call: Call) -> None:
        name = call.asked["Bucket"]
        if name not in self.buckets and (name != PACKAGES or self.packages is None):
            raise refuse("no bucket", "404", 404)

    def s3_create_bucket(self, _call: Call) -> None:
        self.packages = self.packages or {}

    def s3_put_public_access_block(self, _call: Call) -> None:
        self.is_closed = True

    def s3_head_object(self, call: Call) -> Any:
        if (stored := (self.packages or {}).get(call.asked["Key"])) is None:
            raise refuse("no object", "404", 404)
        return {"ChecksumSHA256": stored.checksum}

    def s3_put_object(self, call: Call) -> None:
        """S3 keeps the checksum of what it got: AmazonS3 userguide, Checking object integrity."""
        body = call.asked["Body"]
        content = body if isinstance(body, bytes) else body.read()
        self._number += 1
        checksum = base64.b64encode(hashlib.sha256(content).digest()).decode()
        assert self.packages is not None
        self.packages[call.asked["Key"]] = Stored(content, checksum, self._number)

    def s3_list_objects_v2(self, call: Call) -> Any:
        found = (self.packages or {}).items()
        prefix = call.asked["Prefix"]
        contents = [
            {"Key": key, "LastModified": one.number} for key, one in found if key.startswith(prefix)
        ]
        return {"Contents": contents}

    def s3_delete_object(self, call: Call) -> None:
        (self.packages or {}).pop(call.asked["Key"], None)

    def s3_rb(self, call: Call) -> None:
        self.forget("AWS::S3::Bucket", call.asked["Bucket"])

    # --- CloudFormation

    def cloudformation_describe_stacks(self, call: Call) -> Any:
        stack = self._get_stack(call)
        values = [{"ParameterKey": k, "ParameterValue": v} for k, v in stack.values.items()]
        outputs = [{"OutputKey": k, "OutputValue": v} for k, v in stack.outputs.items()]
        record = {"StackName": stack.name, "StackStatus": stack.status}
        return {"Stacks": [{**record, "Parameters": values, "Outputs": outputs}]}

    def _get_stack(self, call: Call) -> Stack:
        if call.stack not in self.stacks:
            raise refuse(f"Stack with id {call.stack} does not exist")
        return self.stacks[call.stack]

    def cloudformation_get_template_summary(self, call: Call) -> Any:
        rules = self._read_template(call).rules
        return {"Parameters": [{"ParameterKey": name} for name in rules]}

    def _read_template(self, call: Call) -> Template:
        key = call.asked["TemplateURL"].partition(f"{PACKAGES}.{_HOST}/")[2]
        if not call.role.may("s3:GetObject", f"arn:aws:s3:::{PACKAGES}/{key}", {}):
            raise refuse("S3 error: Access Denied", "AccessDenied", 403)
        return _parse((self.packages or {})[key].body)

    def cloudformation_create_change_set(self, call: Call) -> Any:
        """Refused by state, or made; one that changes nothing fails: CFN API, CreateChangeSet.

        A change is one of resources or of outputs, once parameters and conditions are resolved:
        github.com/aws-cloudformation/cloudformation-coverage-roadmap/issues/2027.
        """
        kind, asked = call.asked["ChangeSetType"], call.asked
        status = self.stacks[call.stack].status if call.stack in self.stacks else ""
        states = {"CREATE": ("", "REVIEW_IN_PROGRESS")}.get(kind, _STEADY)
        if status not in states:
            raise self.refuse("state", f"Stack:{call.stack} is in {status} state")
        if kind == "IMPORT":  # what is imported is the stack's: CFN, Resource import
            for one in asked["ResourcesToImport"]:
                key = one["ResourceType"], one["ResourceIdentifier"]
                self.resources[key] = self.resources[key]._replace(stack=call.stack)
            return {"Id": "imported"}
        template = self._read_template(call)
        number = self._stacks_made.get(call.stack, 0) + (kind == "CREATE")
        stack = self.stacks.setdefault(call.stack, Stack(call.stack, made=number))
        given = {one["ParameterKey"]: one.get("ParameterValue") for one in asked["Parameters"]}
        kept = {name: value for name, value in stack.values.items() if name in given}
        new = {name: value for name, value in given.items() if value is not None}
        values = {**template.defaults, **kept, **new}
        resources = template.resolve(call.stack, number, values)
        outputs = template.resolve_outputs(call.stack, number, values)
        why = _EARLY if self.faults.invalid else ""
        if (resources, outputs) == (self.own(call.stack), stack.outputs):
            why = "The submitted information didn't contain changes."
        alarms = [one["Arn"] for one in asked["RollbackConfiguration"]["RollbackTriggers"]]
        name = asked["ChangeSetName"]
        stack.changes[name] = Change(
            name, template, values, resources, outputs, number, alarms, why
        )
        return {"Id": f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:changeSet/{name}/0b7c"}

    def cloudformation_describe_change_set(self, call: Call) -> Any:
        change = self._get_stack(call).changes[call.asked["ChangeSetName"]]
        return {"Changes": [], "StatusReason": change.why}

    def cloudformation_describe_events(self, call: Call) -> Any:
        """By the change set's ARN, while it is there: CFN API, DescribeEvents."""
        name = call.asked["ChangeSetName"].split("/")[1]
        if not any(name in stack.changes for stack in self.stacks.values()):
            raise refuse(f"ChangeSet [{name}] does not exist")
        event = {"LogicalResourceId": "Dashboard", "ValidationStatusReason": "it already exists"}
        return {"OperationEvents": [event]}

    def cloudformation_delete_change_set(self, call: Call) -> None:
        self._get_stack(call).changes.pop(call.asked["ChangeSetName"], None)

    def cloudformation_describe_stack_events(self, call: Call) -> Any:
        return {"StackEvents": self._get_stack(call).events[::-1]}

    def cloudformation_list_stack_resources(self, call: Call) -> Any:
        return {
            "StackResourceSummaries": [
                {
                    "LogicalResourceId": one.logical,
                    "PhysicalResourceId": one.name,
                    "ResourceType": one.kind,
                    "ResourceStatus": "CREATE_COMPLETE",
                }
                for one in self.own(call.stack).values()
            ]
        }

    def cloudformation_execute_change_set(self, call: Call) -> None:
        stack = self._get_stack(call)
        change, is_new = stack.changes[call.asked["ChangeSetName"]], not stack.values
        stack.changes.clear()
        stack.events.clear()
        stack.back = (stack.values, [])
        stack.keeps = not call.asked.get("RetainExceptOnCreate")
        stack.values, self._stacks_made[stack.name] = change.values, change.made
        stack.status = "CREATE_IN_PROGRESS" if is_new else "UPDATE_IN_PROGRESS"
        stack.goes_on = lambda: self._carry_out(call, stack, change, is_new=is_new)

    def _carry_out(self, call: Call, stack: Stack, change: Change, *, is_new: bool) -> None:
        """Make and change in the order of references, then remove: CFN, Update behaviors."""
        before = self.own(stack.name)
        try:
            for key, made in change.resources.items():
                if before.get(key) != made:
                    self._put(call.role, before.get(key), made)
                    stack.back[1].append((key, before.get(key)))
            if self.faults.alarm and change.alarms:
                why = "an alarm went off"
                stack.events.append(
                    _tell(change.name, stack.name, "UPDATE_ROLLBACK_IN_PROGRESS", why)
                )
                raise refuse(why)
        except ClientError as error:
            if str(error).count("alarm went off") == 0:
                failed = f"{'CREATE' if is_new else 'UPDATE'}_FAILED"
                stack.events.append(_tell(change.name, made.logical, failed, str(error)))
            self._roll_back(call.role, stack, is_new=is_new)
            return
        for key in [key for key in reversed(before) if key not in change.resources]:
            try:
                self._remove(call.role, before[key])
            except ClientError:  # then it is left behind: CFN, Update behaviors, cleanup
                self.left.add(key)
        stack.outputs = change.outputs
        stack.status = "CREATE_COMPLETE" if is_new else "UPDATE_COMPLETE"

    def _roll_back(self, role: Role, stack: Stack, *, is_new: bool) -> None:
        """Take back what was done.

        A failed creation deletes what it can, retained or not (CFN API, ExecuteChangeSet,
        RetainExceptOnCreate); a failed update stops at what sticks (CFN, Continue rolling back).
        """
        values, done = stack.back
        left = []
        while done:
            key, before = done.pop()
            try:
                if self.faults.sticks:
                    raise self.refuse("fault", "it cannot be taken back")
                if is_new and stack.keeps and self.resources[key].is_retained:
                    self.left.add(key)
                elif before is None:
                    self._remove(role, self.resources[key])
                else:
                    self._put(role, self.resources.get(key), before, is_back=True)
            except ClientError:
                left.append((key, before))
                if not is_new:
                    done.append((key, before))
                    stack.status = "UPDATE_ROLLBACK_FAILED"
                    return
        if is_new:
            stack.status = "ROLLBACK_FAILED" if left else "ROLLBACK_COMPLETE"
        else:
            stack.values, stack.status = values, "UPDATE_ROLLBACK_COMPLETE"

    def _put(self, role: Role, before: Made | None, after: Made, *, is_back: bool = False) -> None:
        if after.logical == self.faults.at and not is_back:
            raise self.refuse("fault", "somebody stumbled over the cable")
        if missing := role.find_missing(before, after, self._bound()):
            raise self.refuse("right", f"{role.name} is not authorized to perform: {missing}")
        key = (after.kind, after.name)
        if before is None and key in self.resources:
            raise self.refuse("name", f"{after.name} already exists")
        reserved = (after.runs or 0) - ((before and before.runs) or 0)
        if reserved > 0 and self.count_unreserved() - reserved < LEAST_UNRESERVED:
            raise self.refuse(  # Lambda API, PutFunctionConcurrency
                "quota", "decreases account's UnreservedConcurrentExecution below its minimum value"
            )
        if after.boundary and after.boundary not in self.policies:  # IAM API, CreateRole
            raise self.refuse("missing", f"Scope ARN: {after.boundary} does not exist")
        wanted_keys = set(re.findall(r"arn:aws:kms:[^\"]*:key/[^\"]*", after.properties))
        if after.kind == "AWS::DynamoDB::Table" and wanted_keys - self.keys:
            # DynamoDB API, CreateTable, SSESpecification
            raise self.refuse("missing", f"KMS key does not exist: {wanted_keys}")
        if "AccessLogSetting" in after.properties and not self.log_role:
            # API Gateway guide, Set up CloudWatch logging
            raise self.refuse("missing", "CloudWatch Logs role ARN must be set in account settings")
        self.resources[key] = after

    def _bound(self) -> dict[str, str]:
        of_roles = (one for one in self.resources.values() if one.kind == "AWS::IAM::Role")
        return {one.name: one.boundary for one in of_roles}

    def _remove(self, role: Role, made: Made) -> None:
        if missing := role.find_missing(made, None, self._bound()):
            raise self.refuse("right", f"{role.name} is not authorized to perform: {missing}")
        if made.name in self.protected:
            raise self.refuse("state", f"{made.name} is protected against deletion")
        self.forget(made.kind, made.name)

    def cloudformation_continue_update_rollback(self, call: Call) -> None:
        stack = self._get_stack(call)
        if stack.status != "UPDATE_ROLLBACK_FAILED":  # CFN API, ContinueUpdateRollback
            raise refuse(f"{stack.name} is in {stack.status}")
        stack.status = "UPDATE_ROLLBACK_IN_PROGRESS"
        stack.goes_on = lambda: self._roll_back(call.role, stack, is_new=False)

    def cloudformation_cancel_update_stack(self, call: Call) -> None:
        stack = self._get_stack(call)
        if stack.status != "UPDATE_IN_PROGRESS":  # CFN API, CancelUpdateStack
            raise refuse(f"CancelUpdateStack cannot be called from {stack.status}")
        stack.status = "UPDATE_ROLLBACK_IN_PROGRESS"
        stack.goes_on = lambda: self._roll_back(call.role, stack, is_new=False)

    def cloudformation_update_termination_protection(self, call: Call) -> None:
        self._get_stack(call).is_protected = call.asked["EnableTerminationProtection"]

    def cloudformation_delete_stack(self, call: Call) -> None:
        """Refused if protected or at work: CFN, Delete a stack."""
        stack = self.stacks.get(call.stack)
        if stack is None:
            return
        if stack.is_protected:
            raise refuse(
                f"Stack [{stack.name}] cannot be deleted while TerminationProtection is on"
            )
        if stack.status == "REVIEW_IN_PROGRESS":
            del self.stacks[stack.name]
            return
        if stack.status.endswith("_IN_PROGRESS"):
            raise refuse(f"{stack.name} is in {stack.status}")
        stack.status = "DELETE_IN_PROGRESS"
        stack.goes_on = lambda: self._delete(call, stack)

    def _delete(self, call: Call, stack: Stack) -> None:
        """Delete but what is retained: CFN, DeletionPolicy attribute."""
        for made in reversed(self.own(stack.name).values()):
            if made.is_retained:
                continue
            try:
                if self.faults.sticks:
                    raise self.refuse("fault", "it cannot be deleted")
                self._remove(call.role, made)
            except ClientError as error:
                stack.status = "DELETE_FAILED"
                token = call.asked.get("ClientRequestToken", "")
                stack.events.append(_tell(token, made.logical, "DELETE_FAILED", str(error)))
                return
        self.left |= self.own(stack.name).keys()
        del self.stacks[stack.name]


@cache
def _parse(text: bytes) -> Template:
    return Template(text)


def _tell(token: str, resource: str, status: str, reason: str) -> dict[str, str]:
    return {
        "LogicalResourceId": resource,
        "ResourceStatus": status,
        "ResourceStatusReason": reason,
        "ClientRequestToken": token,
    }


class CutOff(BaseException):
    """The command's process is gone."""


class Session:
    """A session of a role, which ends before its call number `cut_at`; 0: it does not."""

    region_name = REGION

    def __init__(self, world: World, role: Role, cut_at: int = 0) -> None:
        self.world, self.role, self._left = world, role, cut_at

    def client(self, service: str) -> "Client":
        return Client(self, service)

    def call(self, service: str, operation: str, asked: dict[str, Any]) -> Any:
        self._left -= 1
        if self._left == 0:
            raise CutOff
        pascal = "".join(part.capitalize() for part in operation.split("_"))
        named = name_call(service, pascal, asked)
        answer = getattr(self.world, f"{service}_{operation}")
        if service == "s3" and operation == "head_bucket":
            answer(Call(self.role, asked))  # what is not there is nobody's: S3 API, HeadBucket
        if not self.role.may(named.action, named.arn, named.context):
            says = f"{self.role.name} is not authorized to perform: {named.action}"
            if operation != "head_bucket":  # whose refusal is an answer
                self.world.denied.append(named.action)
            raise refuse(says, "AccessDenied", 403)
        return answer(Call(self.role, asked))


class Client:
    exceptions = _EXCEPTIONS
    meta = SimpleNamespace(endpoint_url=f"https://{_HOST}")

    def __init__(self, session: Session, service: str) -> None:
        self._session, self._service = session, service

    def __getattr__(self, operation: str) -> Any:
        return lambda **asked: self._session.call(self._service, operation, asked)

    def get_paginator(self, operation: str) -> Any:
        return SimpleNamespace(paginate=lambda **asked: [getattr(self, operation)(**asked)])

    def get_waiter(self, waited: str) -> Any:
        return SimpleNamespace(wait=lambda **asked: self._wait(waited, asked))

    def _wait(self, waited: str, asked: dict[str, Any]) -> None:
        world, name = self._session.world, asked["StackName"]
        if waited == "change_set_create_complete":
            self.describe_change_set(StackName=name, ChangeSetName=asked["ChangeSetName"])
            if world.stacks[name].changes[asked["ChangeSetName"]].why:
                raise WaiterError(waited, "it is FAILED", {})
            return
        self._session.call("cloudformation", "describe_stacks", {"StackName": name})
        if not world.faults.slow:
            world.settle(name)
        stack = world.stacks.get(name)
        status = stack.status if stack else "DELETE_COMPLETE"
        if waited != f"stack_{status.lower()}":
            raise WaiterError(waited, f"it is {status}", {})
