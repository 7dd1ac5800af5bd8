"""Each `aws` command that docs/stage.md and docs/deploy.md print is carried out on the emulated
account.

botocore knows the commands' options, since the command line of AWS makes them of the same
descriptions. What the emulation does not know is done by a stand-in, each with its source.
"""

import json
import re
import shlex
from collections.abc import Callable, Iterator
from fnmatch import fnmatch
from typing import Any

import pytest
from botocore import xform_name
from botocore.exceptions import ClientError

from chalicelib.storage import keys
from infra import template
from regulars.deploy.deploy import require_parameters
from regulars.deploy.policy import make_operators_policy, make_role_policy
from regulars.deploy.preflight import Wanted, check_account, list_tables
from regulars.deploy.stack import Account
from regulars.findings import Level
from tests.regulars.deploy.calls import ACCOUNT
from tests.regulars.deploy.cloud import REGION, Session, refused
from tests.support.bill.table import read_prices
from tests.support.box.session import DOCS, read
from tests.support.storage.emulated import Aws, storage_stack

STACK = "regulars-prod"
PAGE = read(DOCS / "stage.md")
PACKAGES = f"regulars-packages-{ACCOUNT}-{REGION}"


def read_commands(text: str) -> list[str]:
    """The commands of a text, in its order."""
    return re.findall(r"(?:^    |`)(aws [a-z0-9]+ [^`\n]+)", text, re.MULTILINE)


def cut(begin: str, end: str) -> str:
    return PAGE.partition(begin)[2].partition(end)[0]


STUCK = read_commands(cut("### A stack that takes no change", "**Move a domain**"))
DELETE = read_commands(cut("**Delete a stage.**", "what stays"))
END = read_commands(cut("what stays", "## Many shops"))
OTHERS = [
    *read_commands(PAGE.partition("### A stack that takes no change")[0]),
    *read_commands(PAGE.partition("## Many shops")[2]),
    *read_commands(read(DOCS / "deploy.md")),
]


class Stuck:
    """The emulated CloudFormation, and what it does not know of states and protection.

    A stack in another state refuses, and so does a protected one:
    docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_ContinueUpdateRollback.html,
    API_CancelUpdateStack.html and API_UpdateTerminationProtection.html.
    """

    def __init__(self, client: Any, status: str = "") -> None:
        self._client, self._status = client, status
        self._is_protected = True

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def describe_stacks(self, **asked: Any) -> Any:
        found = self._client.describe_stacks(**asked)
        if self._status:
            found["Stacks"][0]["StackStatus"] = self._status
        return found

    def continue_update_rollback(self, **_asked: Any) -> None:
        self._move("UPDATE_ROLLBACK_FAILED")

    def cancel_update_stack(self, **_asked: Any) -> None:
        self._move("UPDATE_IN_PROGRESS")

    def _move(self, status: str) -> None:
        if self._status != status:
            raise refused("move", f"the stack is in {self._status}")
        self._status = "UPDATE_ROLLBACK_COMPLETE"

    def update_termination_protection(self, **asked: Any) -> None:
        self._is_protected = asked["EnableTerminationProtection"]

    def delete_stack(self, **asked: Any) -> None:
        if self._is_protected:
            raise refused("delete_stack", "TerminationProtection is enabled")
        self._client.delete_stack(**asked)


class Moving:
    """The emulated SQS, and a move of dead letters to the queues that they came from.

    docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_StartMessageMoveTask.html
    """

    def __init__(self, client: Any, queue_of: dict[str, tuple[str, str]]) -> None:
        self._client, self._queue_of = client, queue_of

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def start_message_move_task(self, *, SourceArn: str) -> None:  # noqa: N803 -- boto3's names
        dead, queue = self._queue_of[SourceArn]
        for message in self._client.receive_message(QueueUrl=dead)["Messages"]:
            self._client.send_message(QueueUrl=queue, MessageBody=message["Body"])
            self._client.delete_message(QueueUrl=dead, ReceiptHandle=message["ReceiptHandle"])


def carry_out(command: str, session: Session, **names: str) -> Any:
    """Do what a command of AWS's command line does. `names`: what stands for the page's words in
    capitals."""
    for word, value in names.items():
        command = re.sub(rf"\b{word}\b", value, command)
    _, service, operation, *options = shlex.split(command)
    client = session.client(service)
    if service == "s3":
        return _empty(client, operation, *options)
    if operation == "wait":
        waiter, _, name = options
        return client.get_waiter(waiter.replace("-", "_")).wait(TableName=name)
    method = operation.replace("-", "_")
    api = client.meta.method_to_api_mapping[method]
    members = client.meta.service_model.operation_model(api).input_shape.members
    shapes = {xform_name(name, "-"): (name, shape) for name, shape in members.items()}
    return getattr(client, method)(**dict(_read_options(options, shapes)))


def _read_options(words: list[str], shapes: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    rest = iter(words)
    for word in rest:
        option = word.removeprefix("--")
        if option.startswith("no-"):
            yield shapes[option.removeprefix("no-")][0], False
            continue
        name, shape = shapes[option]
        text = next(rest)
        if shape.type_name == "list":
            yield name, [dict(pair.split("=", 1) for pair in text.split(","))]
        else:
            yield name, text


def _empty(s3: Any, operation: str, url: str, option: str) -> None:
    """`rb --force` deletes the objects, then the bucket, and `rm --recursive` those below a prefix
    (docs.aws.amazon.com/cli/latest/reference/s3)."""
    assert (operation, option) in {("rb", "--force"), ("rm", "--recursive")}
    bucket, _, prefix = url.removeprefix("s3://").partition("/")
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for one in page.get("Contents", []):
            s3.delete_object(Bucket=bucket, Key=one["Key"])
    if operation == "rb":
        s3.delete_bucket(Bucket=bucket)


@pytest.fixture
def stage() -> Iterator[Aws]:
    """A stage whose storage has something, with a copy that a backup left."""
    with storage_stack(REGION, STACK) as aws:
        s3, dynamodb = aws.client("s3"), aws.client("dynamodb")
        where = {"CreateBucketConfiguration": {"LocationConstraint": REGION}}
        s3.create_bucket(Bucket=PACKAGES, **where)
        for bucket in (aws.physical["DataBucket"], aws.physical["CapturesBucket"]):
            s3.put_object(Bucket=bucket, Key="shop/a.jpg", Body=b"x")
        for stack in (STACK, "regulars-dev"):
            s3.put_object(Bucket=PACKAGES, Key=f"{stack}/0123.zip", Body=b"x")
        dynamodb.restore_table_to_point_in_time(
            SourceTableName=f"{STACK}-{keys.TENANTS.name}",
            TargetTableName=f"{STACK}-backup-20261130T093000Z-{keys.TENANTS.name}",
            UseLatestRestorableTime=True,
        )
        # the emulation describes no key whose policy came by a template, as an object
        aws.client("kms").put_key_policy(
            KeyId=aws.physical["SecretsKey"],
            PolicyName="default",
            Policy='{"Version": "2012-10-17", "Statement": []}',
        )
        account = Account(Session())
        account.protect_tables(list_tables(STACK))
        yield aws


def test_the_page_says_who_calls_each_command_that_those_who_run_a_stage_may_not() -> None:
    """A paragraph goes with the table or the lines of commands below it."""
    named = []
    for paragraph in re.split(r"\n\n(?!    |\|)", PAGE):
        for command in read_commands(paragraph):
            _, service, operation, *_ = command.split()
            right = f"{service}:{operation.replace('-', '')}"
            if not may(make_operators_policy(STACK), right):
                named.append(right)
                is_of_deployer = "to the deploying role" in paragraph
                assert is_of_deployer or "administrator" in paragraph, command
                assert not is_of_deployer or may(make_role_policy(STACK), right), command
    assert "sqs:startmessagemovetask" not in named
    assert "dynamodb:updatetable" in named


def may(policy: dict[str, Any], right: str) -> bool:
    """Tell whether a policy has an action of that name, whatever it is allowed on."""
    given = (action for one in policy["Statement"] for action in one["Action"])
    return any(fnmatch(right, action.lower()) for action in given)


def find_failed(subject: str, session: Session, given: dict[str, str]) -> list[str]:
    findings = check_account(Account(session), Wanted(STACK, given, {}, {}))
    return [one.says for one in findings if one[:2] == (Level.FAILED, subject)]


@pytest.mark.parametrize(
    ("status", "command"),
    [*zip(("UPDATE_ROLLBACK_FAILED", "UPDATE_IN_PROGRESS"), STUCK, strict=True)],
)
def test_a_stack_that_takes_no_change_is_freed_as_the_page_and_the_command_say(
    stage: Aws, status: str, command: str
) -> None:
    session = Session(cloudformation=Stuck(stage.client("cloudformation"), status))
    [says] = find_failed("stack", session, {})
    assert command in says
    carry_out(command, session)
    assert find_failed("stack", session, {}) == []


def test_the_parameters_that_the_page_empties_take_the_domain_out_of_the_template(
    stage: Aws,
) -> None:
    """A domain that is gone is free for another stage.

    That CloudFormation deletes what the template lacks is not tried here.
    """
    emptied = re.findall(r"--parameter (\w+)=(?=[ `])", cut("**Move a domain**", "**Delete"))
    whole = template.join_parts()
    require_parameters(whole["Parameters"], dict.fromkeys(emptied, ""))
    assert whole["Conditions"]["HasDomain"] == {
        "Fn::Not": [{"Fn::Equals": [{"Ref": emptied[0]}, ""]}]
    }
    named = [one for one in whole["Resources"].values() if '"DomainName' in json.dumps(one)]
    assert {one["Condition"] for one in named} == {"HasDomain"}
    gateway, domain = stage.client("apigateway"), "faces.shop.example"
    gateway.create_domain_name(domainName=domain)
    given = {"DomainName": domain, "CertificateArn": ""}
    assert find_failed("DomainName", Session(), given) != []
    gateway.delete_domain_name(domainName=domain)
    assert find_failed("DomainName", Session(), given) == []


def list_left(aws: Aws) -> dict[str, list[str]]:
    """What there is of the account, by its kind, without work queues' own names."""
    tables = aws.client("dynamodb").list_tables()["TableNames"]
    buckets = [one["Name"] for one in aws.client("s3").list_buckets()["Buckets"]]
    queues = aws.client("sqs").list_queues().get("QueueUrls", [])
    held = aws.client("kms").describe_key(KeyId=aws.physical["SecretsKey"])["KeyMetadata"]
    packages = aws.client("s3").list_objects_v2(Bucket=PACKAGES).get("Contents", [])
    return {
        "tables": tables,
        "buckets": [name for name in buckets if name != PACKAGES],
        "queues": queues,
        "keys": [held["KeyId"]] if held["KeyState"] == "Enabled" else [],
        "packages": [one["Key"] for one in packages if one["Key"].startswith(STACK)],
    }


def test_a_stage_is_deleted_as_the_page_says_and_what_stays_ends(stage: Aws) -> None:
    session = Session(cloudformation=Stuck(stage.client("cloudformation")))
    protection, deletion = DELETE
    with pytest.raises(ClientError, match="TerminationProtection"):
        carry_out(deletion, session)
    carry_out(protection, session)
    carry_out(deletion, session)
    left = list_left(stage)
    assert {kind: len(found) for kind, found in left.items()} == {
        "tables": len(keys.TABLES) + 1,
        "buckets": 2,
        "queues": 3,
        "keys": 1,
        "packages": 1,
    }
    assert all("DeadLetters" in url for url in left["queues"])
    update, wait, delete, bucket, key, packages, queue = END
    with pytest.raises(ClientError, match="DeletionProtectionEnabled"):
        carry_out(delete, session, NAME=f"{STACK}-{keys.TENANTS.name}")
    names = {"ACCOUNT": ACCOUNT, "REGION": REGION, "ID": left["keys"][0]}
    words: list[tuple[str, str, list[str]]] = [
        (update, "NAME", left["tables"]),
        (wait, "NAME", left["tables"]),
        (delete, "NAME", left["tables"]),
        (bucket, "NAME", left["buckets"]),
        (queue, "URL", left["queues"]),
    ]
    for command, word, found in words:
        for one in found:
            carry_out(command, session, **{word: one})
    for command in (key, packages):
        carry_out(command, session, **names)
    assert not any(list_left(stage).values()), list_left(stage)
    others = stage.client("s3").list_objects_v2(Bucket=PACKAGES)["Contents"]
    assert [one["Key"] for one in others] == ["regulars-dev/0123.zip"]


def move_dead_letters(command: str, aws: Aws) -> None:
    sqs = aws.client("sqs")
    dead, queue = aws.physical["CapturesDeadLetters"], aws.physical["CapturesQueue"]
    arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])
    sqs.send_message(QueueUrl=dead, MessageBody="one")
    of = {arn["Attributes"]["QueueArn"]: (dead, queue)}
    carry_out(f"{command} {next(iter(of))}", Session(sqs=Moving(sqs, of)))
    [message] = sqs.receive_message(QueueUrl=queue)["Messages"]
    assert message["Body"] == "one"


def set_log_role(command: str, _aws: Aws) -> None:
    session, role = Session(), f"arn:aws:iam::{ACCOUNT}:role/logs"
    assert Account(session).find_log_role() is None
    carry_out(command, session, ARN=role)
    assert Account(session).find_log_role() == role


def request_certificate(command: str, aws: Aws) -> None:
    arn = carry_out(command, Session())["CertificateArn"]
    made = aws.client("acm").describe_certificate(CertificateArn=arn)["Certificate"]
    assert (made["DomainName"], made["Type"]) == ("faces.shop.example", "AMAZON_ISSUED")


TRIED: dict[str, Callable[[str, Aws], None]] = {
    "sqs start-message-move-task": move_dead_letters,
    "apigateway update-account": set_log_role,
    "acm request-certificate": request_certificate,
}


@pytest.mark.parametrize("command", OTHERS)
def test_each_other_command_does_what_the_page_says(stage: Aws, command: str) -> None:
    TRIED[" ".join(command.split()[1:3])](command, stage)


def test_what_stays_and_a_backup_cost_what_the_prices_say() -> None:
    services = read_prices().services
    dynamodb, s3, kms = (services[name].usd for name in ("dynamodb", "s3", "kms"))
    both = dynamodb["dynamodb_gb"] + dynamodb["dynamodb_recovery_gb"]
    assert (
        f"{both:.2f} USD a gigabyte, with their recovery; copies {dynamodb['dynamodb_gb']:.2f}"
        in PAGE
    )
    page = " ".join(PAGE.split())
    # a consistent read of 4 KiB is a unit
    read_gb = 1e9 / 4096 * dynamodb["dynamodb_read_units"]
    assert (
        f"a gigabyte of tables costs {dynamodb['dynamodb_restored_gb']:.2f} USD to restore and "
        f"{read_gb:.2f} to read, and a million pictures cost {1e6 * s3['s3_gets']:.2f}"
    ) in page
    assert f"{s3['s3_gb']:.3f} USD a gigabyte" in PAGE
    assert f"the key | {kms['keys']:.0f} USD" in PAGE
