"""Each command that has `--stage`, but `deploy`, on the emulated account, as a run or more.

The policy of those who run a stage allows what these runs ask of AWS and what docs/stage.md tells
to look at, and has no right beside that. The emulation asks no customer's key: what AWS asks of one
is in functions.yaml.
"""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, NamedTuple

import botocore.handlers
import click
import pytest
from msgspec.structs import replace

from chalicelib.auth.roles import Role
from chalicelib.domain.audit_events import AuditEvent, Kind, begin_audit_event
from chalicelib.domain.captures import CaptureState
from chalicelib.domain.consent import Basis, Consent
from chalicelib.domain.errors import InvalidInput
from chalicelib.domain.model import Profile
from chalicelib.privacy.erasure_progress import RECEIPTS
from chalicelib.storage import keys
from chalicelib.storage.aws.clients import SERVICES, open_aws_client
from chalicelib.storage.ports import Put
from chalicelib.storage.records.captures import capture_item
from infra import template
from infra.storage import make_storage
from regulars.cli import commands, main
from regulars.deploy.command import deploy
from regulars.deploy.policy import (
    LEFT_OVER,
    LEFT_TO_OPERATORS,
    make_operators_policy,
    make_role_policy,
)
from tests.regulars.deploy.calls import (
    ACCOUNT,
    STACK_TAG,
    Call,
    list_missing,
    list_parts,
    name_call,
    tag_key,
)
from tests.regulars.deploy.cloud import REGION
from tests.support.book.book import MONDAY, Book, shot
from tests.support.box.session import DOCS, read
from tests.support.fakes import Person
from tests.support.iam import listed
from tests.support.pictures import photos as at_hand
from tests.support.storage.emulated import STACK, Aws, storage_on

WITNESS = "heads-of-audits"
ELSEWHERE = "receipts-of-mine"
SHOP = ("--tenant", "shop")
ANN = (*SHOP, "--face", "ann")
WHY = ("--reason", "letter 7")
HOUR = ("--from", "2026-03-02T09:00", "--to", "2026-03-02T10:00")


class Run(NamedTuple):
    """A command's arguments, with {names} for what only the prepared stage knows."""

    arguments: tuple[str, ...] = ()
    stage: str = "test"
    code: int = 0
    beside: frozenset[str] = frozenset()
    """What it asks for that the policy does not allow: of buckets that its arguments name."""


RUNS = {
    "tenants add": [Run(("bakery", "--strangers", "forget", "--set", "time_zone=UTC"))],
    "tenants list": [Run(), Run(("shop",)), Run(stage="left")],
    "tenants set": [
        Run(("shop", "--set", "display_name=Shop")),
        Run(("bakery", "--disable")),
        Run(("bakery", "--enable")),
    ],
    "tenants rotate": [Run(("shop", "--yes"))],
    "tenants renew-signing": [Run(("shop",))],
    "tenants keys add": [Run(("shop", "till", "--for", "deepstack", "--group", "family"))],
    "call": [
        Run(("add-key", "--name", "till", *SHOP)),
        Run(("list-keys", *SHOP)),
        Run(("renew-key", "{other}", *SHOP)),
        Run(("delete-key", "{other}", *SHOP)),
        Run(("list-members", *SHOP)),
        Run(("list-made", "{ann}", *SHOP)),
        Run(("end-made", "{ann}", "key {hers}", *SHOP)),
        Run(("delete-member", "{ann}", "--end", "all", *SHOP)),
        Run(("void-counts", "door", *HOUR, *SHOP)),
        Run(("list-voids", *SHOP)),
        Run(("undo-void", "door", *HOUR, *SHOP)),
        Run(("change-hold", "ann", "--held", *WHY, *SHOP)),
        Run(("list-holds", *SHOP)),
        Run(("change-hold", "ann", "--no-held", *WHY, *SHOP)),
        Run(("change-restriction", "ann", "--restricted", *WHY, *SHOP)),
        Run(("list-restrictions", *SHOP)),
        Run(("change-restriction", "ann", "--no-restricted", *WHY, *SHOP)),
        Run(("list-entries", *SHOP)),
        Run(("list-captures", "--state", "parked", *SHOP)),
        Run(("get-notice", *SHOP)),
        Run(("get-signing-key", *SHOP)),
    ],
    "console": [Run((*SHOP, "--url", "https://a.example"))],
    # the emulation runs no function
    "about": [
        Run((*ANN, "--out", "ann.zip")),
        Run(("--tenant", "bakery", "--photo", "{photo}", "--out", "photo.zip"), code=1),
    ],
    "audit breach": [Run((*SHOP, "--key", "first", "--since", "2026-03-01"))],
    "audit export": [Run(("audit.jsonl", *SHOP))],
    "audit head": [Run(SHOP)],
    "audit verify": [Run(SHOP)],
    "redrive": [Run()],
    "consent withdraw": [Run((*SHOP, "--face", "cem"))],
    "doctor": [Run(("--reach",), code=1)],  # nobody answers at the address
    "privacy record": [Run(SHOP)],
    "reembed": [Run(("--pack", "face-pack-2", "--tenant", "bakery"))],
    "report": [Run(SHOP)],
    "retention": [Run((*SHOP, "--yes"))],
    "today": [Run(SHOP)],
    "erase": [Run((*SHOP, "--face", "bob", "--receipt", "bob.json", "--yes"))],
    "backup": [Run(("stage.tar",)), Run(("left.tar",), stage="left")],
    "restore": [
        Run(("stage.tar", "--new-secrets"), stage="new"),
        Run(("stage.tar",), stage="kept"),
        Run(
            ("left.tar", "--receipts", f"s3://{ELSEWHERE}/mine"),
            stage="empty",
            beside=frozenset({"s3:ListBucket", "s3:GetObject"}),
        ),
    ],
    "tenants erase": [Run(("gone", "--receipt", "gone.json"))],
}
"""A run or more of each command, in an order in which each finds what it needs."""

_PLACE = f"{REGION}:{ACCOUNT}"
_DEAD_LETTERS = {
    "SourceArn": f"arn:aws:sqs:{_PLACE}:{STACK}-CapturesDeadLetters-AbC",
    "DestinationArn": f"arn:aws:sqs:{_PLACE}:{STACK}-CapturesQueue-AbC",
}
_LOG = f"arn:aws:logs:{_PLACE}:log-group:/aws/lambda/{STACK}/ingest:*"
_GATEWAY_LOG = f"arn:aws:logs:{_PLACE}:log-group:/aws/apigateway/{STACK}:*"
TOLD = {
    "Alarms are sent to": [
        Call("cloudwatch:DescribeAlarms", f"arn:aws:cloudwatch:{_PLACE}:alarm:{STACK}-Busy-AbC", {})
    ],
    "Check the dashboard": [
        Call("cloudwatch:GetDashboard", f"arn:aws:cloudwatch::{ACCOUNT}:dashboard/{STACK}", {}),
        Call("cloudwatch:GetMetricData", "*", {}),
    ],
    "the log of the function in question (`filter": [
        Call("logs:StartQuery", _LOG, {}),
        Call("logs:GetQueryResults", "*", {}),
    ],
    "Find the message's key in ingest's log": [Call("logs:FilterLogEvents", _LOG, {})],
    "writes a line for each request to": [
        Call("logs:StartQuery", _GATEWAY_LOG, {}),
        Call("logs:FilterLogEvents", _GATEWAY_LOG, {}),
    ],
    "is the rule of EventBridge enabled": [
        Call("events:DescribeRule", f"arn:aws:events:{_PLACE}:rule/{STACK}-CanaryEvent-AbC", {})
    ],
    "look at the events of the bucket": [
        Call("s3:GetBucketNotification", f"arn:aws:s3:::{STACK}-capturesbucket-abc", {})
    ],
    "aws sqs start-message-move-task": [
        name_call("sqs", right, named)
        for right, named in list_parts("StartMessageMoveTask", _DEAD_LETTERS)
    ],
}
"""What docs/stage.md tells who runs a stage to look at and to do beside these commands, by its
words, as what AWS asks for."""


def walk_commands(
    group: click.Group, path: tuple[str, ...] = ()
) -> Iterator[tuple[str, click.Command]]:
    """Yield all commands below a group, by their words."""
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from walk_commands(command, (*path, name))
        yield " ".join((*path, name)), command


def list_operating() -> set[str]:
    """List the commands that have `--stage`, but the one that deploys."""
    return {
        name
        for name, command in walk_commands(commands)
        if command is not deploy and any("--stage" in one.opts for one in command.params)
    }


@contextmanager
def note_calls(calls: list[Call], stacks: dict[str, str]) -> Iterator[None]:
    """Note what clients of the service, and of sessions that are made meanwhile, ask for.

    `stacks`: those of keys, by the keys' IDs.
    """

    def note(params: dict[str, Any], model: Any, **_: Any) -> None:
        for operation, named in list_parts(model.name, params):
            call = name_call(model.service_model.service_name, operation, named)
            calls.append(tag_key(call, stacks))

    clients = [open_aws_client(service) for service in SERVICES]
    for client in clients:
        client.meta.events.register("before-parameter-build", note, unique_id="rights")
    spec = ("before-parameter-build", note)
    botocore.handlers.BUILTIN_HANDLERS.append(spec)
    try:
        yield
    finally:
        botocore.handlers.BUILTIN_HANDLERS.remove(spec)
        for client in clients:
            client.meta.events.unregister("before-parameter-build", unique_id="rights")


@contextmanager
def serve(aws: Aws, folder: Path) -> Iterator[Book]:
    """A stage whose functions end erasures, by a clock that is ahead, by clients of their own."""
    with closing(Book(folder, kept=storage_on(aws))) as book:
        book.clock.advance(datetime.now(UTC) - book.clock.now() + timedelta(minutes=20))
        is_over = threading.Event()

        def work() -> None:
            while not is_over.wait(0.1):
                for erasure in book.services.erasure.records.list_unfinished("shop"):
                    book.services.erasure.steps.go_on(book.tenant, erasure.id)

        worker = threading.Thread(target=work)
        worker.start()
        try:
            yield book
        finally:
            is_over.set()
            worker.join()


def fill_stage(aws: Aws, folder: Path) -> dict[str, str]:
    """Let a shop have something for each command; return the names that only it knows."""
    with closing(Book(folder, kept=storage_on(aws))) as book:
        services, tenant = book.services, book.tenant
        book.enrol(Person(1), faceid="ann")
        book.enrol(Person(2), faceid="bob")
        book.enrol(Person(3), faceid="cem", consent=Consent(Basis.CONSENT, MONDAY))
        book.see(shot(0, 1), shot(60, 2, 9))
        parked = replace(book.put(shot(90, 5)), state=CaptureState.PARKED)
        item = capture_item("shop", parked, book.clock.now())
        book.storage.items.transact([Put(keys.CAPTURES, item)])
        services.tenants.add("gone", Profile.CLOUD)
        services.erasure.of_tenants.begin("gone", "operator", under_way=timedelta(0))
        ann, _ = services.access.members.add(tenant, "Ann", Role.ADMIN)
        with begin_audit_event(AuditEvent("POST /v1/keys", ann.audit_name, Kind.CHANGE, "shop")):
            hers, _ = services.access.keys.add(tenant, "hers", Role.ADMIN)
        other, _ = services.access.keys.add(tenant, "other", Role.ADMIN)
        book.clock.advance(timedelta(hours=2))
        book.sweep()
        return {"other": other.id, "hers": hers.id, "ann": ann.id}


def make_empty_stage(aws: Aws, stack: str) -> str:
    """Make a stage beside the first, with a function; return its key's ACCOUNT."""
    made_role = aws.client("iam").create_role(RoleName=stack, AssumeRolePolicyDocument="{}")
    role = made_role["Role"]["Arn"]
    whole = make_storage()
    kinds = ("AWS::DynamoDB::Table", "AWS::S3::Bucket", "AWS::SQS::Queue", "AWS::KMS::Key")
    made = {
        name: {part: value for part, value in one.items() if part != "DependsOn"}
        for name, one in whole["Resources"].items()
        if one["Type"] in kinds
    }
    code = {"Role": role, "Code": {"ZipFile": "x"}, "Handler": "index.x", "Runtime": "python3.13"}
    sweep = {"Type": "AWS::Lambda::Function", "Properties": code}
    outputs = {
        name: {"Value": one["Value"]}
        for name, one in template.join_parts()["Outputs"].items()
        if name == "TablePrefix" or any(f"'{part}'" in str(one["Value"]) for part in made)
    }
    resources = {**made, "Sweep": sweep}
    body = json.dumps({**whole, "Resources": resources, "Outputs": outputs})
    formation = aws.client("cloudformation")
    formation.create_stack(StackName=stack, TemplateBody=body)
    key = formation.describe_stack_resource(StackName=stack, LogicalResourceId="SecretsKey")
    return str(key["StackResourceDetail"]["PhysicalResourceId"])


def leave_stage(aws: Aws) -> None:
    """Make what commands that read find of the stage `left`, whose stack is deleted, and two
    buckets of others."""
    known = ("AttributeDefinitions", "KeySchema", "LocalSecondaryIndexes")
    dynamodb, s3 = aws.client("dynamodb"), aws.client("s3")
    for table in keys.TABLES:
        described = dynamodb.describe_table(TableName=f"{STACK}-{table.name}")["Table"]
        dynamodb.create_table(
            TableName=f"regulars-left-{table.name}",
            BillingMode="PAY_PER_REQUEST",
            **{name: value for name, value in described.items() if name in known and value},
        )
    left = ("regulars-left-databucket-a", "regulars-left-capturesbucket-a")
    for bucket in (*left, WITNESS, ELSEWHERE):
        s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_object(Bucket=ELSEWHERE, Key=f"mine/{RECEIPTS}note.json", Body=b"{}")


class Done(NamedTuple):
    """A run, and what it asked of AWS."""

    name: str
    run: Run
    code: int
    calls: list[Call]


@pytest.fixture(scope="module")
def done(aws: Aws, photos: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Done]:
    """All runs."""
    folder = tmp_path_factory.mktemp("operator")
    names = {"photo": str(photos / at_hand.PORTRAIT)}
    stacks = {aws.physical["SecretsKey"]: STACK}
    for stack in ("regulars-new", "regulars-kept", "regulars-empty"):
        stacks[make_empty_stage(aws, stack)] = stack
    leave_stage(aws)
    names |= fill_stage(aws, folder / "book")
    with pytest.MonkeyPatch.context() as environment, serve(aws, folder / "book") as book:
        environment.chdir(folder)
        environment.setenv("REGULARS_DATA", "not this one")
        environment.setenv("REGULARS_WITNESS", f"s3://{WITNESS}/heads")
        environment.setenv("REGULARS_SEARCH_FUNCTION", f"{STACK}-Search-AbC")
        environment.setenv("REGULARS_NEAR_FACES", "0")
        found = []
        for name, runs in RUNS.items():
            for run in runs:
                rows = book.services.erasure.records.read_page("shop", 1).rows
                arguments = [
                    one.format(**names, erasure=rows[0].id if rows else "") for one in run.arguments
                ]
                calls: list[Call] = []
                with note_calls(calls, stacks):
                    code = main([*name.split(), *arguments, "--stage", run.stage])
                found.append(Done(name, run, code, calls))
        return found


def test_each_command_with_a_stage_but_deploy_is_run() -> None:
    """So a new one has to be run here. Which of its options are tried, nobody checks."""
    assert {*RUNS} == list_operating() | {"call"}  # whose operations are made when they are called


def test_each_runs_as_it_says(done: list[Done]) -> None:
    assert [(one.name, one.code) for one in done if one.code != one.run.code] == []


def test_the_policy_of_operators_allows_what_these_runs_ask(done: list[Done]) -> None:
    for one in done:
        policy = make_operators_policy(f"regulars-{one.run.stage}", f"{WITNESS}/heads")
        assert list_missing(one.calls, policy) == one.run.beside, one.name


def test_a_restore_seals_by_the_new_stages_key_whatever_the_environment_names(
    done: list[Done],
) -> None:
    [restored] = [one for one in done if one.run.stage == "new"]
    sealed = [call for call in restored.calls if call.action == "kms:Encrypt"]
    assert {call.context[STACK_TAG] for call in sealed} == {"regulars-new"}


def test_the_policy_of_operators_allows_what_the_page_tells_them_to_do() -> None:
    page = " ".join(read(DOCS / "stage.md").split())
    policy = make_operators_policy(STACK)
    for words, calls in TOLD.items():
        assert words in page
        assert list_missing(calls, policy) == set(), words


def test_each_action_of_the_policy_is_needed_in_each_of_its_statements(done: list[Done]) -> None:
    policy = make_operators_policy(STACK, f"{WITNESS}/heads")
    asked = [call for calls in TOLD.values() for call in calls]
    for one in done:
        stack = f"regulars-{one.run.stage}"
        for action, arn, context in one.calls:
            own = {key: value.replace(stack, STACK) for key, value in context.items()}
            asked.append(Call(action, arn.replace(stack, STACK), own))
    for statement in policy["Statement"]:
        others = [one for one in policy["Statement"] if one is not statement]
        for action in listed(statement["Action"]):
            rest = [one for one in listed(statement["Action"]) if one != action]
            fewer = {"Statement": [*others, {**statement, "Action": rest}]}
            calls = [call for call in asked if call.action == action]
            assert list_missing(calls, fewer) == {action}, f"nobody needs {action} of {statement}"


def test_who_runs_a_stage_adds_to_the_witness_and_changes_nothing_there() -> None:
    policy = make_operators_policy(STACK, f"{WITNESS}/heads")
    head = f"arn:aws:s3:::{WITNESS}/heads/shop/2026-11-30T10.json"
    added = Call("s3:PutObject", head, {"s3:if-none-match": "*"})
    refused = [
        Call("s3:PutObject", head, {}),
        Call("s3:DeleteObject", head, {}),
        Call("s3:ListBucket", f"arn:aws:s3:::{WITNESS}", {}),
        Call("s3:ListBucket", f"arn:aws:s3:::{WITNESS}", {"s3:prefix": "others/"}),
    ]
    assert list_missing([added], policy) == set()
    for call in refused:
        assert list_missing([call], policy) == {call.action}


@pytest.mark.parametrize("make", [make_role_policy, make_operators_policy])
def test_dynamodb_and_s3_may_use_the_customers_key_as_they_may_for_the_functions(
    make: Callable[..., dict[str, Any]],
) -> None:
    key = f"arn:aws:kms:{_PLACE}:key/11111111-2222-3333-4444-555555555555"
    document = template.join_parts()["Resources"]["CustomerKeyUse"]["Properties"]["PolicyDocument"]
    [use] = document["Statement"]
    policy, without = make(STACK, customer_key=key), make(STACK)
    for service in ("dynamodb", "s3", "lambda"):
        context = {"kms:ViaService": f"{service}.{REGION}.amazonaws.com"}
        calls = [Call(action, key, context) for action in use["Action"]]
        known = {"kms:DescribeKey"} if make is make_role_policy else set()
        refused = {*use["Action"]} - known
        assert list_missing(calls, policy) == (refused if service == "lambda" else set())
        assert list_missing(calls, without) == refused
    given = {action for one in policy["Statement"] for action in listed(one["Action"])}
    more = given - {action for one in without["Statement"] for action in listed(one["Action"])}
    for action in more:
        assert any(fnmatch(one, action) for one in use["Action"]), f"no function has {action}"


@pytest.mark.parametrize("key", ["*", "alias/mine", "arn:aws:kms:eu-central-1:123456789012:key/*"])
def test_a_customers_key_that_is_a_pattern_is_refused(key: str) -> None:
    with pytest.raises(InvalidInput, match="CustomerKey is the ARN of a key"):
        make_operators_policy(STACK, customer_key=key)


def test_a_witness_that_is_a_pattern_is_refused() -> None:
    with pytest.raises(InvalidInput, match="Witness is a bucket"):
        make_operators_policy(STACK, "*")


def test_the_command_prints_the_policy_and_beside_it_what_it_comes_to(
    capsys: pytest.CaptureFixture[str],
) -> None:
    key = f"arn:aws:kms:{_PLACE}:key/11111111-2222-3333-4444-555555555555"
    given = [f"Witness={WITNESS}/heads", f"CustomerKey={key}"]
    options = [word for one in given for word in ("--parameter", one)]
    assert main(["deploy", "--stage", "test", "--operators-policy", *options]) == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out) == make_operators_policy(STACK, f"{WITNESS}/heads", key)
    assert printed.err.strip() == LEFT_TO_OPERATORS
    assert main(["deploy", "--stage", "test", "--policy", *options]) == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out) == make_role_policy(STACK, customer_key=key)
    assert printed.err.strip() == LEFT_OVER
