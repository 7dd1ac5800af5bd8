"""The AWS account that a stack is deployed to: its bucket of packages, and changes of the stack by change sets."""

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
"""An hour: an index of a table that is full may take its time."""


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
        """The bucket of this name, or the account's own for packages, which is made if it is not there."""
        bucket = name or f"regulars-packages-{self._id}-{self._region}"
        try:
            # Of this account: a name that somebody else took first would be handed our code.
            self._s3.head_bucket(Bucket=bucket, ExpectedBucketOwner=self._id)
        except self.failures as error:
            if name or _status(error) != 404:
                raise NotDeployed(f"the bucket {bucket} is not to be used: {error}") from error
            self._make_bucket(bucket)
        return bucket

    def upload(self, bucket: str, key: str, file: Path) -> str:
        """The address of a file in the bucket, which is uploaded if nothing of this key is there."""
        if not self._is_there(bucket, key):
            print(f"uploading {file.name}, {file.stat().st_size / 1e6:.0f} MB, to {bucket}")
            self._s3.upload_file(str(file), bucket, key, ExtraArgs={"ExpectedBucketOwner": self._id})
        return f"s3://{bucket}/{key}"

    def upload_text(self, bucket: str, key: str, text: str) -> str:
        """The URL of a text in the bucket."""
        self._s3.put_object(Bucket=bucket, Key=key, Body=text.encode(), ExpectedBucketOwner=self._id)
        return f"https://{bucket}.s3.{self._region}.amazonaws.com/{key}"

    def change(self, stack: str, template_url: str, parameters: Mapping[str, str]) -> Change | None:
        """A change set of the stack, which need not exist; None where nothing would change. Raises NotDeployed."""
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
    """A change set that was made and not carried out yet."""

    formation: Any
    stack: str
    name: str
    new: bool

    def lines(self) -> Iterator[str]:
        """One line a resource that it adds (+), changes (~) or removes (-), and whether it is replaced."""
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
        """Delete it, and the empty stack that a first one makes."""
        if self.new:
            self.formation.delete_stack(StackName=self.stack)
        else:
            self.formation.delete_change_set(StackName=self.stack, ChangeSetName=self.name)

    def carry_out(self) -> dict[str, str]:
        """Carry it out and wait for its end; the stack's outputs by name. Raises NotDeployed with what failed."""
        from botocore.exceptions import WaiterError

        # What a failed first deployment made is taken away again, also what would be kept later.
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
