"""Each command that has `--stage` and does not deploy, on the emulated account.

The policy of those who run a stage allows what each asks of AWS, and has no right beside that.
"""

import json
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
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
from chalicelib.storage import keys
from chalicelib.storage.aws.clients import SERVICES, open_aws_client
from chalicelib.storage.ports import Put
from chalicelib.storage.records.captures import capture_item
from infra import template
from infra.storage import make_storage
from regulars.cli import commands, main
from regulars.deploy.command import deploy
from regulars.deploy.policy import LEFT_TO_OPERATORS, make_operators_policy
from tests.regulars.deploy.calls import Call, name_call
from tests.regulars.deploy.cloud import REGION
from tests.regulars.deploy.test_rights import list_missing, list_parts
from tests.support.book.book import MONDAY, Book, shot
from tests.support.fakes import Person
from tests.support.iam import listed
from tests.support.pictures import photos as at_hand
from tests.support.storage.emulated import STACK, Aws, storage_on

WITNESS = "heads-of-audits"
SHOP = ("--tenant", "shop")
ANN = (*SHOP, "--face", "ann")
WHY = ("--reason", "letter 7")
HOUR = ("--camera", "door", "--from", "2026-03-02T09:00", "--to", "2026-03-02T10:00")


class Run(NamedTuple):
    """A command's arguments, with {names} for what only the prepared stage knows."""

    arguments: tuple[str, ...] = ()
    stage: str = "test"
    code: int = 0


RUNS = {
    "tenants add": [Run(("bakery", "--strangers", "keep", "--time-zone", "UTC"))],
    "tenants list": [Run(), Run(stage="left")],
    "tenants show": [Run(("shop",))],
    "tenants set": [Run(("shop", "--display-name", "Shop"))],
    "tenants disable": [Run(("bakery",))],
    "tenants enable": [Run(("bakery",))],
    "tenants rotate": [Run(("shop", "--yes"))],
    "tenants renew-signing": [Run(("shop",))],
    "tenants keys add": [Run(("shop", "till"))],
    "tenants keys list": [Run(("shop",))],
    "tenants keys renew": [Run(("shop", "{other}", "--yes"))],
    "tenants keys delete": [Run(("shop", "{other}", "--yes"))],
    "tenants members list": [Run(("shop",))],
    "tenants members made": [Run(("shop", "Ann"))],
    "tenants members end": [Run(("shop", "Ann", "key {hers}", "--yes"))],
    "tenants members remove": [Run(("shop", "Ann", "--end", "all", "--yes"))],
    "console": [Run((*SHOP, "--url", "https://a.example"))],
    # the emulation runs no function
    "about": [
        Run((*ANN, "--out", "ann.zip")),
        Run(("--tenant", "bakery", "--photo", "{photo}", "--out", "photo.zip"), code=1),
    ],
    "audit breach": [Run((*SHOP, "--key", "first", "--since", "2026-03-01"))],
    "audit export": [Run(("audit.jsonl", *SHOP))],
    "audit head": [Run(SHOP)],
    "audit list": [Run(SHOP)],
    "audit verify": [Run(SHOP)],
    "captures parked": [Run()],
    "captures redrive": [Run()],
    "consent withdraw": [Run((*SHOP, "--face", "cem"))],
    "counts void": [Run((*SHOP, *HOUR))],
    "counts list": [Run(SHOP)],
    "counts again": [Run((*SHOP, *HOUR))],
    "drill": [Run(("--tenant", "bakery", "--out", "drill.json"))],
    "fsck": [Run(("--repair",))],
    "hold set": [Run((*ANN, *WHY))],
    "hold list": [Run(SHOP)],
    "hold lift": [Run((*ANN, *WHY))],
    "notice": [Run(SHOP)],
    "privacy record": [Run(SHOP)],
    "receipt key": [Run(SHOP)],
    "reembed": [Run(("--pack", "face-pack-3", "--tenant", "bakery"))],
    "report": [Run(SHOP)],
    "restriction set": [Run((*ANN, *WHY))],
    "restriction list": [Run(SHOP)],
    "restriction lift": [Run((*ANN, *WHY))],
    "retention": [Run((*SHOP, "--yes"))],
    "today": [Run(SHOP)],
    "erase": [Run((*SHOP, "--face", "bob", "--receipt", "bob.json", "--yes"))],
    "receipt get": [Run(("{erasure}", *SHOP))],
    "backup": [Run(("stage.tar",))],
    "restore": [Run(("stage.tar", "--after", "none", "--new-secrets"), stage="new")],
    "tenants erase": [Run(("gone", "--receipt", "gone.json"))],
}
"""A run or more of each command, in an order in which each finds what it needs."""


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
def note_calls(calls: list[Call]) -> Iterator[None]:
    """Note what clients of the service, and of sessions that are made meanwhile, ask for."""

    def note(params: dict[str, Any], model: Any, **_: Any) -> None:
        for operation, named in list_parts(model.name, params):
            calls.append(name_call(model.service_model.service_name, operation, named))

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
        return {"other": other.id, "hers": hers.id}


def make_empty_stage(aws: Aws) -> None:
    """Make the stage `new` beside the first, with a function."""
    role = aws.client("iam").create_role(RoleName="x", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
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
    aws.client("cloudformation").create_stack(StackName="regulars-new", TemplateBody=body)


def leave_stage(aws: Aws) -> None:
    """Make what commands that read find of the stage `left`, whose stack is deleted."""
    described = aws.client("dynamodb").describe_table(TableName=f"{STACK}-{keys.TENANTS.name}")
    known = ("AttributeDefinitions", "KeySchema", "LocalSecondaryIndexes")
    aws.client("dynamodb").create_table(
        TableName=f"regulars-left-{keys.TENANTS.name}",
        BillingMode="PAY_PER_REQUEST",
        **{name: value for name, value in described["Table"].items() if name in known and value},
    )
    for bucket in ("regulars-left-databucket-a", "regulars-left-capturesbucket-a", WITNESS):
        aws.client("s3").create_bucket(
            Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION}
        )


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
    make_empty_stage(aws)
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
                with note_calls(calls):
                    code = main([*name.split(), *arguments, "--stage", run.stage])
                found.append(Done(name, run, code, calls))
        return found


def test_each_command_that_reads_a_stage_is_run() -> None:
    """So a new one has to say here what it asks of AWS."""
    assert {*RUNS} == list_operating()


def test_each_runs_as_it_says(done: list[Done]) -> None:
    assert [(one.name, one.code) for one in done if one.code != one.run.code] == []


def test_the_policy_of_operators_allows_each_of_their_calls(done: list[Done]) -> None:
    missing = {
        f"{one.name}: {action}"
        for one in done
        for action in list_missing(
            one.calls, make_operators_policy(f"regulars-{one.run.stage}", f"{WITNESS}/heads")
        )
    }
    assert missing == set()


def test_the_policy_of_operators_has_no_right_that_no_command_needs(done: list[Done]) -> None:
    policy = make_operators_policy(STACK, f"{WITNESS}/heads")
    calls = {
        (call.action, call.arn.replace(f"regulars-{one.run.stage}", STACK)): call
        for one in done
        for call in one.calls
    }
    asked = [call._replace(arn=arn) for (_, arn), call in calls.items()]
    given = {action for one in policy["Statement"] for action in listed(one["Action"])}
    assert given == {call.action for call in asked}
    for statement in policy["Statement"]:
        fewer = {"Statement": [one for one in policy["Statement"] if one is not statement]}
        assert list_missing(asked, fewer) != set(), f"nobody needs {statement}"


def test_a_witness_that_is_a_pattern_is_refused() -> None:
    with pytest.raises(InvalidInput, match="Witness is a bucket"):
        make_operators_policy(STACK, "*")


def test_the_command_prints_the_policy_and_beside_it_what_it_comes_to(
    capsys: pytest.CaptureFixture[str],
) -> None:
    options = ["--operators-policy", "--parameter", f"Witness={WITNESS}/heads"]
    assert main(["deploy", "--stage", "test", *options]) == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out) == make_operators_policy(STACK, f"{WITNESS}/heads")
    assert printed.err.strip() == LEFT_TO_OPERATORS
