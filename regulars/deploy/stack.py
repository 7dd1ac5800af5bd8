"""AWS account of a deployment: its bucket for packages, and the stack's change sets."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from msgspec import Struct

from chalicelib.storage import keys
from chalicelib.telemetry import CANARY_SECONDS, NAMESPACE
from regulars.errors import NotDeployed

_SIGNS = {"Add": "+", "Modify": "~", "Remove": "-"}
_LOST = {"True": "  REPLACED", "Conditional": "  may be REPLACED"}
_NOTHING_CHANGES = ("didn't contain changes", "No updates are to be performed")
_NEVER_MADE = ("CREATE_FAILED", "ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "DELETE_FAILED")
_WAIT = {"Delay": 5, "MaxAttempts": 720}
"""An hour: a new index of a large table takes long."""

WATCHED_MINUTES = 10
"""How long AWS watches the alarms after an update before it takes the update for good."""

_MOST_FAULTS = 10
"""Faults of a change set that are told."""

_SILENT = {
    "OK": "",
    "ALARM": "it is on: see to it first",
    "INSUFFICIENT_DATA": "it does not know its state yet",
}
"""By an alarm's state, why it does not roll an update back."""

_DELETED = "deleted"
"""What stands for a queue or key of a deleted stack: nothing can be sent there, or sealed."""

LEAST_UNRESERVED = 100
"""The part of an account's concurrency that AWS keeps for functions that reserve none."""

_DENIED = ("AccessDenied", "AccessDeniedException", "AuthorizationError", "UnauthorizedOperation")

_KEPT_PACKAGES = 4
"""Packages of a stack that stay in the bucket, and as many templates. AWS rolls back to the one
that the stack has."""

_KEYS_OF_CERTIFICATES = ["RSA_2048", "RSA_3072", "RSA_4096", "EC_prime256v1", "EC_secp384r1"]


class Account:
    """The account and region of a boto3 session."""

    def __init__(self, session: Any) -> None:
        """Connect to AWS, and ask whose account this is: region, account's id, caller, partition.

        `session`: a boto3 session. Raises NotDeployed if AWS does not answer or refuses the
        credentials.
        """
        from botocore.exceptions import BotoCoreError, ClientError

        self._session = session
        self.failures = (BotoCoreError, ClientError)
        try:
            self._formation, self._s3 = session.client("cloudformation"), session.client("s3")
            self._dynamodb = session.client("dynamodb")
            identity = session.client("sts").get_caller_identity()
        except self.failures as error:
            raise NotDeployed(f"AWS is not to be reached: {error}") from error
        self.region: str = session.region_name
        self.id: str = identity["Account"]
        self.caller: str = identity["Arn"]
        self.partition = self.caller.split(":")[1]

    def read_concurrency(self) -> int:
        """Return how many functions the account may run at once in this region, besides what is
        reserved already."""
        limits = self._session.client("lambda").get_account_settings()["AccountLimit"]
        return int(limits["UnreservedConcurrentExecutions"])

    def read_topic(self, arn: str) -> dict[str, str] | None:
        """Return the attributes of a topic of SNS; None if there is none."""
        topics = self._session.client("sns")
        try:
            attributes: dict[str, str] = topics.get_topic_attributes(TopicArn=arn)["Attributes"]
        except topics.exceptions.NotFoundException:
            return None
        return attributes

    def read_key(self, arn: str) -> dict[str, Any] | None:
        """Return what KMS says of a key; None if there is none."""
        kms = self._session.client("kms")
        try:
            described: dict[str, Any] = kms.describe_key(KeyId=arn)["KeyMetadata"]
        except kms.exceptions.NotFoundException:
            return None
        return described

    def find_log_role(self) -> str | None:
        """Return the ARN of the role by which API Gateway writes logs in this account and region;
        None: it has none."""
        return self._session.client("apigateway").get_account().get("cloudwatchRoleArn") or None

    def has_domain(self, domain: str) -> bool:
        """Tell whether an API of this account and region has the domain."""
        gateway = self._session.client("apigateway")
        try:
            gateway.get_domain_name(domainName=domain)
        except gateway.exceptions.NotFoundException:
            return False
        return True

    def holds(self, stack: str, name: str) -> bool:
        """Tell whether a stack has a resource of that physical name, as the record of a failed
        deployment may."""
        return self._find_stack(stack) is not None and any(
            one.get("PhysicalResourceId") == name and one["ResourceStatus"] != "DELETE_COMPLETE"
            for one in self._list_resources(stack)
        )

    def has_policy(self, arn: str) -> bool:
        """Tell whether IAM has a managed policy of that ARN."""
        iam = self._session.client("iam")
        try:
            iam.get_policy(PolicyArn=arn)
        except iam.exceptions.NoSuchEntityException:
            return False
        return True

    def has_bucket(self, name: str) -> bool:
        """Tell whether a bucket of that name exists in any account, even if this role may not read
        it."""
        try:
            self._s3.head_bucket(Bucket=name)
        except self.failures as error:
            return _parse_status(error) != 404
        return True

    def read_status(self, stack: str) -> str:
        """Return CloudFormation's status of a stack; "" if there is none."""
        record = self._find_stack(stack)
        return record["StackStatus"] if record else ""

    def list_left_names(self, stack: str) -> Iterator[str]:
        """Yield the dashboard and the log groups that are called as a stack's."""
        watch = self._session.client("cloudwatch")
        try:
            watch.get_dashboard(DashboardName=stack)
            yield f"the dashboard {stack}"
        except watch.exceptions.ResourceNotFound:
            pass
        pages = self._session.client("logs").get_paginator("describe_log_groups")
        of_gateway = f"/aws/apigateway/{stack}"
        for prefix in (f"/aws/lambda/{stack}/", of_gateway):
            for page in pages.paginate(logGroupNamePrefix=prefix):
                names = (group["logGroupName"] for group in page["logGroups"])
                yield from (
                    f"the log group {name}"
                    for name in names
                    if prefix != of_gateway or name == of_gateway
                )

    def read_settings(self, stack: str) -> dict[str, str]:
        """Return a stack's outputs as settings: IndexQueueUrl is REGULARS_INDEX_QUEUE_URL.

        Of a stack that was deleted, those of the tables and buckets that it left. Raises
        NotDeployed.
        """
        outputs = self.read_outputs(stack)
        if outputs is None:
            return self._read_left_settings(stack)
        return {
            f"REGULARS_{re.sub('(?<=[a-z])(?=[A-Z])', '_', key).upper()}": text
            for key, text in outputs.items()
        }

    def read_outputs(self, stack: str) -> dict[str, str] | None:
        """Return a stack's outputs by name; None if there is no such stack."""
        record = self._find_stack(stack)
        if record is None or _is_new(record):
            return None
        return {
            output["OutputKey"]: str(output["OutputValue"]) for output in record.get("Outputs", [])
        }

    def _read_left_settings(self, stack: str) -> dict[str, str]:
        """Return the settings by which the tables and buckets of a deleted stack can be read.

        Raises NotDeployed.
        """
        if self._find_table(f"{stack}-{keys.TENANTS.name}") is None:
            raise NotDeployed(f"there is no stack {stack} in {self.region}")
        names = [bucket["Name"] for bucket in self._s3.list_buckets()["Buckets"]]
        buckets = {}
        for setting, kind in (
            ("REGULARS_BUCKET", "databucket"),
            ("REGULARS_CAPTURES_BUCKET", "capturesbucket"),
        ):
            found = [name for name in names if name.startswith(f"{stack}-{kind}-")]
            if len(found) != 1:
                raise NotDeployed(
                    f"there is no stack {stack}, but there are its tables, and {len(found)} "
                    f"buckets {stack}-{kind}-*: "
                    "name all in the environment and leave --stage out (docs/stage.md, A "
                    "deleted stack)"
                )
            buckets[setting] = found[0]
        print(
            f"the stack {stack} is deleted: its tables and {', '.join(buckets.values())} are read",
            file=sys.stderr,
        )
        queues = dict.fromkeys(
            (f"REGULARS_{kind}_QUEUE_URL" for kind in ("INDEX", "CAPTURES", "DELIVERIES")), _DELETED
        )
        key = os.environ.get("REGULARS_SECRETS_KEY", _DELETED)
        return {
            "REGULARS_TABLE_PREFIX": f"{stack}-",
            "REGULARS_SECRETS_KEY": key,
            **buckets,
            **queues,
        }

    def read_parameters(self, stack: str) -> dict[str, str] | None:
        """Return the values of a stack's parameters; None if it is not made yet."""
        record = self._find_stack(stack)
        if record is None or _is_new(record) or record["StackStatus"] in _NEVER_MADE:
            return None
        return {
            parameter["ParameterKey"]: parameter["ParameterValue"]
            for parameter in record.get("Parameters", [])
        }

    def list_canary_seconds(self, stack: str, since: datetime, until: datetime) -> list[float]:
        """Return how long the canary's pictures took to the hook, in s, as CloudWatch has it of
        each five minutes."""
        of = {
            "Namespace": NAMESPACE,
            "MetricName": CANARY_SECONDS,
            "Dimensions": [{"Name": "Stack", "Value": stack}],
        }
        query = {"Id": "took", "MetricStat": {"Metric": of, "Period": 300, "Stat": "Maximum"}}
        pages = self._session.client("cloudwatch").get_paginator("get_metric_data")
        found = pages.paginate(MetricDataQueries=[query], StartTime=since, EndTime=until)
        return [
            value
            for page in found
            for result in page["MetricDataResults"]
            for value in result["Values"]
        ]

    def find_certificate(self, domain: str) -> str:
        """Return the ARN of an issued certificate that covers a domain.

        Raises NotDeployed if there is none.
        """
        pages = self._session.client("acm").get_paginator("list_certificates")
        wildcard = f"*.{domain.partition('.')[2]}"
        for page in pages.paginate(
            CertificateStatuses=["ISSUED"], Includes={"keyTypes": _KEYS_OF_CERTIFICATES}
        ):
            for certificate in page["CertificateSummaryList"]:
                if {domain, wildcard} & {
                    certificate["DomainName"],
                    *certificate.get("SubjectAlternativeNameSummaries", ()),
                }:
                    return str(certificate["CertificateArn"])
        raise NotDeployed(
            f"no certificate of {self.region} covers {domain}: request one (`aws acm "
            "request-certificate "
            f"--domain-name {domain} --validation-method DNS`) and deploy again when it is issued"
        )

    def provide_bucket(self, name: str | None) -> str:
        """Return the bucket `name`, or without a name the account's own for packages, which is made
        at first use.

        Raises NotDeployed if the bucket cannot be used.
        """
        bucket = name or f"regulars-packages-{self.id}-{self.region}"
        try:
            # Somebody else may have taken the name first: without the owner's check they would get
            # our code.
            self._s3.head_bucket(Bucket=bucket, ExpectedBucketOwner=self.id)
        except self.failures as error:
            if name or _parse_status(error) != 404:
                raise NotDeployed(f"the bucket {bucket} is not to be used: {error}") from error
            self._make_bucket(bucket)
        if name is None:  # each time: a deployment may have been cut off when it had made it
            self._close_bucket(bucket)
        return bucket

    def upload(self, bucket: str, key: str, file: Path) -> str:
        """Upload a file to the bucket unless the key has it already; return its address
        (s3://...).

        What lies there is compared by S3's own SHA-256: others may write to the bucket, too.
        """
        with file.open("rb") as content:
            digest = base64.b64encode(hashlib.file_digest(content, "sha256").digest()).decode()
            if self._find_checksum(bucket, key) != digest:
                print(f"uploading {file.name}, {file.stat().st_size / 1e6:.0f} MB, to {bucket}")
                content.seek(0)
                self._s3.put_object(
                    Bucket=bucket,
                    Key=key,
                    Body=content,
                    ChecksumAlgorithm="SHA256",
                    ChecksumSHA256=digest,
                    ExpectedBucketOwner=self.id,
                )
        return f"s3://{bucket}/{key}"

    def upload_text(self, bucket: str, key: str, text: str) -> str:
        """Upload a text to the bucket; return its URL."""
        self._s3.put_object(Bucket=bucket, Key=key, Body=text.encode(), ExpectedBucketOwner=self.id)
        host: str = self._s3.meta.endpoint_url
        return f"{host.replace('://', f'://{bucket}.')}/{key}"

    def delete_old_packages(self, bucket: str, stack: str, used: Iterable[str]) -> int:
        """Delete a stack's packages and templates but the newest, and those in use; return how
        many. `used`: keys."""
        pages = self._s3.get_paginator("list_objects_v2").paginate(
            Bucket=bucket, Prefix=f"{stack}/"
        )
        objects = [found for page in pages for found in page.get("Contents", [])]
        kept = {*used}
        for suffix in (".zip", ".json"):
            of_kind = sorted(
                (one for one in objects if one["Key"].endswith(suffix)),
                key=lambda one: one["LastModified"],
            )
            kept |= {one["Key"] for one in of_kind[-_KEPT_PACKAGES:]}
        old_keys = [one["Key"] for one in objects if one["Key"] not in kept]
        for key in old_keys:
            self._s3.delete_object(Bucket=bucket, Key=key, ExpectedBucketOwner=self.id)
        return len(old_keys)

    def change_stack(
        self,
        stack: str,
        template_url: str,
        parameters: Mapping[str, str],
        *,
        initial: Mapping[str, str],
        alarms: Mapping[str, str],
    ) -> Change | None:
        """Make a change set of the stack, new or old; None if nothing would change.

        Raises NotDeployed.

        `initial`: values of parameters that are neither in `parameters` nor in the stack yet.
        `alarms`: by their names in the template, those that may roll the update back, with the
        reason why one does not; "": it does.
        """
        present = self.read_parameters(stack)
        is_new, present_names = present is None, [*(present or ())]
        name = f"regulars-{int(time.time())}"
        declared = self._formation.get_template_summary(TemplateURL=template_url)["Parameters"]
        declared_names = {parameter["ParameterKey"] for parameter in declared}
        new_values = {
            **{key: value for key, value in initial.items() if key not in present_names},
            **parameters,
        }
        trigger_arns, reasons = ([], {}) if is_new else self._list_guards(stack, alarms)
        made = self._formation.create_change_set(
            StackName=stack,
            ChangeSetName=name,
            ChangeSetType="CREATE" if is_new else "UPDATE",
            TemplateURL=template_url,
            Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
            Parameters=[
                *(
                    {"ParameterKey": key, "ParameterValue": value}
                    for key, value in new_values.items()
                ),
                *(
                    {"ParameterKey": key, "UsePreviousValue": True}
                    for key in present_names
                    if key in declared_names and key not in new_values
                ),
            ],
            RollbackConfiguration={
                "RollbackTriggers": [
                    {"Arn": arn, "Type": "AWS::CloudWatch::Alarm"} for arn in trigger_arns
                ],
                "MonitoringTimeInMinutes": WATCHED_MINUTES if trigger_arns else 0,
            },
        )
        return self._wait_for_change(
            Change(self._formation, stack, name, is_new, reasons), made["Id"]
        )

    def _list_guards(
        self, stack: str, alarms: Mapping[str, str]
    ) -> tuple[list[str], dict[str, str]]:
        """Return the ARNs of the alarms that guard an update.

        Return for each alarm why it does not; "": it does.

        An alarm that is on already would roll back the update that is to mend it. An alarm without
        data yet may go off whatever the update does. `alarms`: reasons that are known already, by
        the alarms' names in the template.
        """
        logical_names = {
            resource["PhysicalResourceId"]: resource["LogicalResourceId"]
            for resource in self._list_resources(stack)
        }
        names = [physical for physical, logical in logical_names.items() if logical in alarms]
        describe_alarms = self._session.client("cloudwatch").describe_alarms
        states = {
            logical_names[alarm["AlarmName"]]: alarm
            for alarm in (describe_alarms(AlarmNames=names)["MetricAlarms"] if names else ())
        }
        reasons = {
            name: why
            or (_SILENT[states[name]["StateValue"]] if name in states else "it is not made yet")
            for name, why in alarms.items()
        }
        return [states[name]["AlarmArn"] for name, why in reasons.items() if not why], reasons

    def _list_resources(self, stack: str) -> Iterator[dict[str, Any]]:
        for page in self._formation.get_paginator("list_stack_resources").paginate(StackName=stack):
            yield from page["StackResourceSummaries"]

    @contextmanager
    def stop_functions(self, stack: str) -> Iterator[None]:
        """Let no function of a stack run while the block lasts.

        If the block fails, they stay stopped.
        """
        functions = self._session.client("lambda")
        kind = "AWS::Lambda::Function"
        names = [
            resource["PhysicalResourceId"]
            for resource in self._list_resources(stack)
            if resource["ResourceType"] == kind
        ]
        limits = {name: functions.get_function_concurrency(FunctionName=name) for name in names}
        for name in names:
            functions.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
        yield
        for name, limit in limits.items():
            if (runs := limit.get("ReservedConcurrentExecutions")) is None:
                functions.delete_function_concurrency(FunctionName=name)
            else:
                functions.put_function_concurrency(
                    FunctionName=name, ReservedConcurrentExecutions=runs
                )

    def has_failed_record(self, stack: str, tables: Iterable[str]) -> bool:
        """Tell whether all that is there of the stack is the record of a failed first deployment.

        Raises NotDeployed if there are tables of these names, but no stack: nobody but the operator
        knows what they hold.
        """
        stack_record = self._find_stack(stack)
        has_failed = stack_record is not None and stack_record["StackStatus"] in _NEVER_MADE
        if stack_record and not has_failed and not _is_new(stack_record):
            return False
        if left_tables := [name for name in tables if self._find_table(name)]:
            raise NotDeployed(
                f"there is no stack {stack}, but there are its tables {', '.join(left_tables)}: "
                "deploy another stage, "
                "or back up what they hold and delete them (docs/stage.md, A deleted stack)"
            )
        return has_failed

    def remove_stack(self, name: str) -> None:
        """Delete a stack; resources that its template retains stay. Raises NotDeployed."""
        from botocore.exceptions import WaiterError

        token = f"regulars-{int(time.time())}"
        self._formation.delete_stack(StackName=name, ClientRequestToken=token)
        try:
            self._formation.get_waiter("stack_delete_complete").wait(
                StackName=name, WaiterConfig=_WAIT
            )
        except WaiterError as error:
            says = _explain(self._formation, name, token, "could not be deleted")
            raise NotDeployed(says) from error

    def protect_stack(self, stack: str) -> None:
        """Protect a stack against deletion."""
        self._formation.update_termination_protection(
            StackName=stack, EnableTerminationProtection=True
        )

    def protect_tables(self, tables: Iterable[str]) -> None:
        """Protect tables against deletion."""
        for name in tables:
            if not (self._find_table(name) or {}).get("DeletionProtectionEnabled", True):
                self._dynamodb.update_table(TableName=name, DeletionProtectionEnabled=True)

    def _find_table(self, name: str) -> dict[str, Any] | None:
        try:
            table: dict[str, Any] = self._dynamodb.describe_table(TableName=name)["Table"]
        except self._dynamodb.exceptions.ResourceNotFoundException:
            return None
        return table

    def _wait_for_change(self, change: Change, arn: str) -> Change | None:
        """Wait until the change set is made, and return it; None: it would change nothing.

        Raises NotDeployed.
        """
        from botocore.exceptions import WaiterError

        change_name = {"StackName": change.stack, "ChangeSetName": change.name}
        try:
            self._formation.get_waiter("change_set_create_complete").wait(
                **change_name, WaiterConfig={"Delay": 2}
            )
        except WaiterError as error:
            reason = self._formation.describe_change_set(**change_name).get(
                "StatusReason", str(error)
            )
            nothing_changes = any(phrase in reason for phrase in _NOTHING_CHANGES)
            # before they go with the change set
            faults = [] if nothing_changes else self._list_faults(arn)
            change.forget()
            if nothing_changes:
                return None
            raise NotDeployed(
                f"the change set of {change.stack} was not made: {'; '.join([reason, *faults])}"
            ) from error
        return change

    def _list_faults(self, arn: str) -> list[str]:
        """Say what CloudFormation found wrong before it made a change set.

        It tells that by the change set's ARN alone.

        Since November 2025 the reason of a change set that failed says no more than where to ask.
        """
        try:
            pages = self._formation.get_paginator("describe_events").paginate(
                ChangeSetName=arn, Filters={"FailedEvents": True}
            )
            events = [event for page in pages for event in page["OperationEvents"]]
        except self.failures as error:
            return [f"why is not to be read ({error})"]
        reasons = (
            (event, event.get("ValidationStatusReason") or event.get("ResourceStatusReason"))
            for event in events
        )
        texts = [
            f"{event.get('LogicalResourceId', arn)}: {reason}"
            for event, reason in reasons
            if reason
        ]
        return texts[:_MOST_FAULTS]

    def _find_stack(self, name: str) -> dict[str, Any] | None:
        try:
            (stack,) = self._formation.describe_stacks(StackName=name)["Stacks"]
        except self.failures as error:
            if "does not exist" in str(error):
                return None
            raise NotDeployed(f"CloudFormation does not tell of {name}: {error}") from error
        record: dict[str, Any] = stack
        return record

    def _find_checksum(self, bucket: str, key: str) -> str | None:
        """Return the SHA-256 that S3 keeps of an object, as base64; None: it has none."""
        try:
            found = self._s3.head_object(
                Bucket=bucket, Key=key, ChecksumMode="ENABLED", ExpectedBucketOwner=self.id
            )
        except self.failures as error:
            if _parse_status(error) == 404:
                return None
            raise
        checksum: str | None = found.get("ChecksumSHA256")
        return checksum

    def _make_bucket(self, bucket: str) -> None:
        where = {} if self.region == "us-east-1" else {"LocationConstraint": self.region}
        self._s3.create_bucket(
            Bucket=bucket, **({"CreateBucketConfiguration": where} if where else {})
        )

    def _close_bucket(self, bucket: str) -> None:
        closed = (
            "BlockPublicAcls",
            "IgnorePublicAcls",
            "BlockPublicPolicy",
            "RestrictPublicBuckets",
        )
        self._s3.put_public_access_block(
            Bucket=bucket,
            PublicAccessBlockConfiguration=dict.fromkeys(closed, True),
            ExpectedBucketOwner=self.id,
        )


class Change(Struct, frozen=True):
    """A change set, before it is carried out.

    `new`: it makes the stack; `silent`: why alarms do not roll it back.
    """

    formation: Any
    stack: str
    name: str
    new: bool
    silent: Mapping[str, str]

    def write_lines(self) -> Iterator[str]:
        """Yield a line for each resource that it adds (+), changes (~) or removes (-), and say if
        AWS replaces it."""
        pages = self.formation.get_paginator("describe_change_set").paginate(
            StackName=self.stack, ChangeSetName=self.name
        )
        for change in (
            entry["ResourceChange"] for page in pages for entry in page.get("Changes", [])
        ):
            sign = _SIGNS.get(change["Action"], "?")
            loss = _LOST.get(change.get("Replacement", ""), "")
            yield f"{sign} {change['ResourceType']:<32} {change['LogicalResourceId']}{loss}"
        for alarm, why in self.silent.items():
            if why:
                yield f"warning     {alarm} does not roll this update back: {why}"

    def forget(self) -> None:
        """Delete the change set.

        If it would make the stack, delete the empty stack that stands for it.
        """
        if self.new:
            self.formation.delete_stack(StackName=self.stack)
        else:
            self.formation.delete_change_set(StackName=self.stack, ChangeSetName=self.name)

    def carry_out(self) -> dict[str, str]:
        """Carry it out and wait for its end; return the stack's outputs by name.

        Raises NotDeployed with the resources that failed, if AWS rolls it back, or if it takes more
        than an hour.
        """
        from botocore.exceptions import WaiterError

        # A failed first deployment then leaves nothing, not even the resources that a later
        # deletion would keep.
        self.formation.execute_change_set(
            StackName=self.stack,
            ChangeSetName=self.name,
            RetainExceptOnCreate=True,
            ClientRequestToken=self.name,
        )
        waiter = self.formation.get_waiter(
            "stack_create_complete" if self.new else "stack_update_complete"
        )
        try:
            waiter.wait(StackName=self.stack, WaiterConfig=_WAIT)
        except WaiterError as error:
            says = _explain(self.formation, self.stack, self.name, "was rolled back")
            raise NotDeployed(says) from error
        (stack,) = self.formation.describe_stacks(StackName=self.stack)["Stacks"]
        return {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}


def _explain(formation: Any, stack: str, token: str, ended: str) -> str:
    """Say why a change of a stack ended otherwise than it should, or that it goes on.

    `token`: what the change was asked for with; `ended`: how.
    """
    if why := "; ".join(_list_failures(formation, stack, token)):
        return f"{stack} {ended}: {why}. Mend that, and call the command again"
    return f"{stack} goes on without the command, which waits no longer: call it again later"


def _list_failures(formation: Any, stack: str, token: str) -> list[str]:
    """Say which resources failed first, or, if none did, why AWS rolled back, such as an alarm."""
    pages = formation.get_paginator("describe_stack_events").paginate(StackName=stack)
    events = [event for page in pages for event in page["StackEvents"]]
    status_and_text = [
        (
            event["ResourceStatus"],
            f"{event['LogicalResourceId']}: {event.get('ResourceStatusReason', '')}",
        )
        for event in reversed(events)
        if event.get("ClientRequestToken") == token
    ]
    failed = [text for status, text in status_and_text if status.endswith("_FAILED")]
    return failed[:3] or [
        text for status, text in status_and_text if status.endswith("ROLLBACK_IN_PROGRESS")
    ]


def is_denied(error: Exception) -> bool:
    """Tell whether AWS refused a call since its caller lacks the right to make it."""
    return getattr(error, "response", {}).get("Error", {}).get("Code") in _DENIED


def _parse_status(error: Exception) -> int:
    response = getattr(error, "response", {})
    return int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def _is_new(stack: Mapping[str, Any]) -> bool:
    """Tell whether only a change set of the stack was made, and no resource."""
    return bool(stack["StackStatus"] == "REVIEW_IN_PROGRESS")


def is_stopped(parameters: Mapping[str, str]) -> bool:
    """Tell whether parameters stop a function."""
    return any(name.endswith("Concurrency") and value == "0" for name, value in parameters.items())
