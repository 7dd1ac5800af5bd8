"""AWS account of a deployment: its bucket for packages, and the stack's change sets."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from regulars.errors import NotDeployed

_SIGNS = {"Add": "+", "Modify": "~", "Remove": "-"}
_LOST = {"True": "  REPLACED", "Conditional": "  may be REPLACED"}
_NOTHING_CHANGES = ("didn't contain changes", "No updates are to be performed")
_WAIT = {"Delay": 5, "MaxAttempts": 720}
"""An hour: a new index of a large table takes long."""


class Account:
    """The account and region of a boto3 session."""

    def __init__(self, session: Any) -> None:
        from botocore.exceptions import BotoCoreError, ClientError

        self.failures = (BotoCoreError, ClientError)
        try:
            self._formation, self._s3 = session.client("cloudformation"), session.client("s3")
            self._id = session.client("sts").get_caller_identity()["Account"]
        except self.failures as error:
            raise NotDeployed(f"AWS is not to be reached: {error}") from error
        self._region: str = session.region_name

    def bucket_for_packages(self, name: str | None) -> str:
        """Return the bucket `name`, or without a name the account's own for packages, which is made at first use.

        Raises NotDeployed if the bucket cannot be used.
        """
        bucket = name or f"regulars-packages-{self._id}-{self._region}"
        try:
            # Somebody else may have taken the name first: without the owner's check they would get our code.
            self._s3.head_bucket(Bucket=bucket, ExpectedBucketOwner=self._id)
        except self.failures as error:
            if name or _status(error) != 404:
                raise NotDeployed(f"the bucket {bucket} is not to be used: {error}") from error
            self._make_bucket(bucket)
        return bucket

    def upload(self, bucket: str, key: str, file: Path) -> str:
        """Upload a file to the bucket unless the key exists; return its address (s3://...)."""
        if not self._is_there(bucket, key):
            print(f"uploading {file.name}, {file.stat().st_size / 1e6:.0f} MB, to {bucket}")
            self._s3.upload_file(str(file), bucket, key, ExtraArgs={"ExpectedBucketOwner": self._id})
        return f"s3://{bucket}/{key}"

    def upload_text(self, bucket: str, key: str, text: str) -> str:
        """Upload a text to the bucket; return its URL."""
        self._s3.put_object(Bucket=bucket, Key=key, Body=text.encode(), ExpectedBucketOwner=self._id)
        return f"https://{bucket}.s3.{self._region}.amazonaws.com/{key}"

    def change(self, stack: str, template_url: str, parameters: Mapping[str, str]) -> Change | None:
        """Make a change set of the stack, new or old; None if nothing would change. Raises NotDeployed."""
        there = self._stack(stack)
        new = there is None or there["StackStatus"] == "REVIEW_IN_PROGRESS"
        if there and there["StackStatus"] in ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "DELETE_FAILED"):
            raise NotDeployed(
                f"{stack} could not be made before ({there['StackStatus']}): delete it, then deploy again"
            )
        kept = [] if new or there is None else [one["ParameterKey"] for one in there.get("Parameters", [])]
        name = f"regulars-{int(time.time())}"
        wanted = self._formation.get_template_summary(TemplateURL=template_url)["Parameters"]
        known = {one["ParameterKey"] for one in wanted}
        self._formation.create_change_set(
            StackName=stack,
            ChangeSetName=name,
            ChangeSetType="CREATE" if new else "UPDATE",
            TemplateURL=template_url,
            Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
            Parameters=[
                *({"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()),
                *(
                    {"ParameterKey": key, "UsePreviousValue": True}
                    for key in kept
                    if key in known and key not in parameters
                ),
            ],
        )
        return self._described(Change(self._formation, stack, name, new))

    def _described(self, change: Change) -> Change | None:
        from botocore.exceptions import WaiterError

        named = {"StackName": change.stack, "ChangeSetName": change.name}
        try:
            self._formation.get_waiter("change_set_create_complete").wait(**named, WaiterConfig={"Delay": 2})
        except WaiterError as error:
            reason = self._formation.describe_change_set(**named).get("StatusReason", str(error))
            change.forget()
            if any(words in reason for words in _NOTHING_CHANGES):
                return None
            raise NotDeployed(f"the change set of {change.stack} was not made: {reason}") from error
        return change

    def _stack(self, name: str) -> dict[str, Any] | None:
        try:
            (stack,) = self._formation.describe_stacks(StackName=name)["Stacks"]
        except self.failures as error:
            if "does not exist" in str(error):
                return None
            raise NotDeployed(f"CloudFormation does not tell of {name}: {error}") from error
        found: dict[str, Any] = stack
        return found

    def _is_there(self, bucket: str, key: str) -> bool:
        try:
            self._s3.head_object(Bucket=bucket, Key=key, ExpectedBucketOwner=self._id)
        except self.failures as error:
            if _status(error) == 404:
                return False
            raise
        return True

    def _make_bucket(self, bucket: str) -> None:
        where = {} if self._region == "us-east-1" else {"LocationConstraint": self._region}
        self._s3.create_bucket(Bucket=bucket, **({"CreateBucketConfiguration": where} if where else {}))
        closed = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
        self._s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=dict.fromkeys(closed, True))


@dataclass(frozen=True)
class Change:
    """A change set, before it is carried out. `new`: it makes the stack."""

    formation: Any
    stack: str
    name: str
    new: bool

    def lines(self) -> Iterator[str]:
        """Yield a line for each resource that it adds (+), changes (~) or removes (-), and say if AWS replaces it."""
        token: dict[str, str] = {}
        while True:
            page = self.formation.describe_change_set(StackName=self.stack, ChangeSetName=self.name, **token)
            for change in (one["ResourceChange"] for one in page.get("Changes", [])):
                sign, lost = _SIGNS.get(change["Action"], "?"), _LOST.get(change.get("Replacement", ""), "")
                yield f"{sign} {change['ResourceType']:<32} {change['LogicalResourceId']}{lost}"
            if "NextToken" not in page:
                return
            token = {"NextToken": page["NextToken"]}

    def forget(self) -> None:
        """Delete the change set. If it would make the stack, delete the empty stack that stands for it."""
        if self.new:
            self.formation.delete_stack(StackName=self.stack)
        else:
            self.formation.delete_change_set(StackName=self.stack, ChangeSetName=self.name)

    def carry_out(self) -> dict[str, str]:
        """Carry it out and wait for its end; return the stack's outputs by name.

        Raises NotDeployed with the resources that failed, if AWS rolls it back.
        """
        from botocore.exceptions import WaiterError

        # A failed first deployment then leaves nothing, not even the resources that a later deletion would keep.
        self.formation.execute_change_set(StackName=self.stack, ChangeSetName=self.name, RetainExceptOnCreate=True)
        waiter = self.formation.get_waiter("stack_create_complete" if self.new else "stack_update_complete")
        try:
            waiter.wait(StackName=self.stack, WaiterConfig=_WAIT)
        except WaiterError as error:
            raise NotDeployed(f"{self.stack} was rolled back: {'; '.join(self._failures()) or error}") from error
        self.formation.update_termination_protection(StackName=self.stack, EnableTerminationProtection=True)
        (stack,) = self.formation.describe_stacks(StackName=self.stack)["Stacks"]
        return {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}

    def _failures(self) -> list[str]:
        events = self.formation.describe_stack_events(StackName=self.stack)["StackEvents"]
        return [
            f"{event['LogicalResourceId']}: {event.get('ResourceStatusReason', '')}"
            for event in reversed(events)
            if event["ResourceStatus"].endswith("_FAILED")
        ][:3]


def _status(error: Exception) -> int:
    response = getattr(error, "response", {})
    return int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
