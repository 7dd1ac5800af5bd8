"""What `chalice package` makes of the functions: each knows its storage and may do what it needs,
and no more."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
from chalice.app import Chalice, ScheduleExpression

from chalicelib.api.batches import WORST_MESSAGE_S
from chalicelib.domain.rules.galleries import DISK_MB, MEMORY_MB
from chalicelib.settings import AwsStorage, Settings
from chalicelib.storage.aws.clients import make_client_config
from chalicelib.storage.aws.spread import FUNCTIONS as SEARCH_FUNCTIONS
from infra import template
from tests.infra.conftest import APPLICATION
from tests.infra.template import actions, resources, statements

FUNCTIONS = {
    "APIHandler": "ApiHandlerRole",
    "Search": "SearchRole",
    "Canary": "CanaryRole",
    "BuildIndex": "BuildIndexRole",
    "Sweep": "SweepRole",
    "Ingest": "IngestRole",
    "Deliver": "DeliverRole",
    "Watch": "WatchRole",
}
QUEUES = {
    "BuildIndex": ("IndexQueue", "IndexDeadLetters"),
    "Ingest": ("CapturesQueue", "CapturesDeadLetters"),
    "Deliver": ("DeliveriesQueue", "DeliveriesDeadLetters"),
}
SEARCHING = ("APIHandler", "Ingest")
POLICIES = Path(template.FOLDER).parent / ".chalice" / "policies"


def environment(packaged: dict[str, Any], function: str) -> dict[str, Any]:
    """As SAM gives it to the function: the global variables and its own, with the parameters' first
    values."""
    shared: dict[str, Any] = packaged["Globals"]["Function"]["Environment"]["Variables"]
    own: dict[str, Any] = (
        packaged["Resources"][function]["Properties"].get("Environment", {}).get("Variables", {})
    )
    return {name: _first_value(packaged, value) for name, value in (shared | own).items()}


def settings(packaged: dict[str, Any], function: str) -> Settings:
    """As the function reads them from its environment."""
    variables = environment(packaged, function)
    texts = {
        name: value if isinstance(value, str) else json.dumps(value)
        for name, value in variables.items()
    }
    return Settings.from_environment(texts)


def _first_value(packaged: dict[str, Any], value: Any) -> Any:
    if isinstance(value, dict) and value.get("Fn::If", [""])[0] in ("HasWitness", "HasDomain"):
        return value["Fn::If"][2]
    known = packaged["Parameters"].get(value.get("Ref"), {}) if isinstance(value, dict) else {}
    return known.get("Default", value)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_functions_environment_names_its_storage(packaged: dict[str, Any], function: str) -> None:
    searches_elsewhere = {"Ref": "Search"} if function in SEARCHING else None
    copies = {"Fn::Join": [",", [{"Ref": f"Search{number}"} for number in range(2, 9)]]}
    assert settings(packaged, function).storage == AwsStorage(
        table_prefix=json.dumps({"Fn::Sub": "${AWS::StackName}-"}),
        bucket=json.dumps({"Ref": "DataBucket"}),
        index_queue_url=json.dumps({"Ref": "IndexQueue"}),
        captures_bucket=json.dumps({"Ref": "CapturesBucket"}),
        captures_queue_url=json.dumps({"Ref": "CapturesQueue"}),
        deliveries_queue_url=json.dumps({"Ref": "DeliveriesQueue"}),
        secrets_key=json.dumps({"Fn::GetAtt": ["SecretsKey", "Arn"]}),
        search_function=json.dumps(searches_elsewhere) if searches_elsewhere else None,
        more_search_functions=tuple(part.strip() for part in json.dumps(copies).split(","))
        if searches_elsewhere
        else (),
    )


def test_commands_read_the_settings_of_all_functions_from_the_outputs(
    packaged: dict[str, Any],
) -> None:
    variables = packaged["Globals"]["Function"]["Environment"]["Variables"]
    said = {name.upper(): one["Value"] for name, one in packaged["Outputs"].items()}
    for name in {name for name in variables if name.startswith("REGULARS_")} - {"REGULARS_WITNESS"}:
        assert said[name.removeprefix("REGULARS_").replace("_", "")] == variables[name]
    assert variables["REGULARS_WITNESS"] == {"Fn::If": ["HasWitness", said["WITNESS"], ""]}
    assert packaged["Outputs"]["Witness"]["Condition"] == "HasWitness", (
        "a restore reads the receipts there"
    )


def test_pushes_name_the_domain_that_the_stage_has(packaged: dict[str, Any]) -> None:
    variables = packaged["Resources"]["Deliver"]["Properties"]["Environment"]["Variables"]
    domain = {"Fn::Sub": "https://${DomainName}"}
    assert variables["REGULARS_PUBLIC_URL"] == {"Fn::If": ["HasDomain", domain, ""]}


def test_each_parameter_is_in_what_cloudformation_compares(packaged: dict[str, Any]) -> None:
    """Of one that neither a resource nor an output names it sees no change, and makes none."""
    compared = json.dumps({name: packaged[name] for name in ("Resources", "Outputs", "Globals")})
    used = {*re.findall(r'"(\w+)"', compared), *re.findall(r"\$\{(\w+)\}", compared)}
    conditions = {name: json.dumps(one) for name, one in packaged["Conditions"].items()}
    used |= {word for name in used & {*conditions} for word in re.findall(r"\w+", conditions[name])}
    assert {*packaged["Parameters"]} - used == set()


def test_functions_that_load_galleries_have_the_disk_and_those_that_make_snapshots_keep_none(
    packaged: dict[str, Any],
) -> None:
    disks = {
        name: of.get("EphemeralStorage")
        for name, of in resources(packaged, "AWS::Serverless::Function").items()
    }
    given = {name for name, disk in disks.items() if disk == {"Size": {"Ref": "SearchDisk"}}}
    assert given == {*template.list_search_functions(), "BuildIndex"}
    kept = {name: environment(packaged, name).get("REGULARS_SEARCH_MEMORY_MB") for name in given}
    assert kept == {**dict.fromkeys(template.list_search_functions()), "BuildIndex": "0"}
    sizes = {
        name: packaged["Parameters"][name]["Default"] for name in ("SearchMemory", "SearchDisk")
    }
    assert sizes == {"SearchMemory": MEMORY_MB, "SearchDisk": DISK_MB}, "a bill reckons with these"


def test_search_functions_are_alike_and_their_callers_know_all_of_them(
    packaged: dict[str, Any],
) -> None:
    """An earlier version of a caller, whose variables may be updated before its code, finds the
    first by its name."""
    names = template.list_search_functions()
    assert len(names) == SEARCH_FUNCTIONS
    assert all(packaged["Resources"][name] == packaged["Resources"]["Search"] for name in names)
    for caller in SEARCHING:
        variables = environment(packaged, caller)
        assert variables["REGULARS_SEARCH_FUNCTION"] == {"Ref": "Search"}
        assert variables["REGULARS_MORE_SEARCH_FUNCTIONS"]["Fn::Join"][1] == [
            {"Ref": name} for name in names[1:]
        ]


def test_callers_may_call_any_search_function(translated: dict[str, Any]) -> None:
    """CloudFormation makes a function's name of the stack's, its own, and an end."""
    for role in ("ApiHandlerRole", "IngestRole"):
        (policy,) = translated["Resources"][role]["Properties"]["Policies"]
        [resource] = [
            one["Resource"]
            for one in policy["PolicyDocument"]["Statement"]
            if one["Sid"] == "Search"
        ]
        pattern = (
            resource["Fn::Sub"]
            .rpartition(":function:")[2]
            .replace("${AWS::StackName}", "regulars-prod")
        )
        functions = {
            name
            for name, one in translated["Resources"].items()
            if one["Type"] == "AWS::Lambda::Function"
        }
        named = {name for name in functions if fnmatchcase(f"regulars-prod-{name}-AbC", pattern)}
        assert named == {*template.list_search_functions()}


def source_of(packaged: dict[str, Any], function: str) -> dict[str, Any]:
    properties: dict[str, Any] = packaged["Resources"][function]["Properties"]["Events"][
        f"{function}SqsEventSource"
    ]["Properties"]
    return properties


@pytest.mark.parametrize(
    ("function", "messages", "times", "most"),
    [("BuildIndex", 1, 10, 5), ("Ingest", 5, 20, 10), ("Deliver", 10, 20, 5)],
)
def test_a_function_works_off_the_stacks_own_queue(
    packaged: dict[str, Any], function: str, messages: int, times: int, most: int
) -> None:
    """A message stays hidden for six runs, and what fails too often goes to the queue's own dead
    letters."""
    (name, dead_letters), source = QUEUES[function], source_of(packaged, function)
    properties = packaged["Resources"][function]["Properties"]
    queue = packaged["Resources"][name]["Properties"]
    assert (source["Queue"], source["BatchSize"]) == ({"Fn::GetAtt": [name, "Arn"]}, messages)
    if messages > 1:  # only what failed comes again
        assert source["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert queue["VisibilityTimeout"] == 6 * properties["Timeout"]
    dead = {"deadLetterTargetArn": {"Fn::GetAtt": [dead_letters, "Arn"]}, "maxReceiveCount": times}
    assert queue["RedrivePolicy"] == dead
    # The event source's limit, not the function's own: a poller that is turned away uses up a
    # message's receives.
    assert "ReservedConcurrentExecutions" not in properties
    assert source["ScalingConfig"] == {"MaximumConcurrency": {"Ref": f"{function}Concurrency"}}
    parameter = packaged["Parameters"][f"{function}Concurrency"]
    assert (parameter["Default"], parameter["MinValue"], parameter["MaxValue"]) == (most, 2, 1000)


def test_a_second_picture_has_time_where_the_first_took_its_worst(packaged: dict[str, Any]) -> None:
    assert packaged["Resources"]["Ingest"]["Properties"]["Timeout"] >= 2 * WORST_MESSAGE_S


@pytest.mark.parametrize(
    ("function", "within_s"), [("APIHandler", 29), ("Ingest", WORST_MESSAGE_S)]
)
def test_a_search_that_hangs_leaves_its_caller_time_to_say_so(
    packaged: dict[str, Any], function: str, within_s: float
) -> None:
    assert isinstance(settings(packaged, function).storage, AwsStorage)
    config = make_client_config("lambda")
    assert config.retries["total_max_attempts"] == 1
    assert config.read_timeout + config.connect_timeout < within_s - 5


def registrations(chalice: Chalice) -> dict[str, dict[str, Any]]:
    """What an application asks of the packager for its events, by the functions' names."""
    return {
        source.name: {
            name: value.to_string() if isinstance(value, ScheduleExpression) else value
            for name, value in vars(source).items()
            if name not in ("handler_string",)
        }
        for source in chalice.event_sources
    }


def test_the_application_that_is_packaged_here_asks_for_the_events_of_the_real_one() -> None:
    import app

    stand_in: dict[str, Any] = {"ROUTES": {}}
    exec(APPLICATION, stand_in)
    assert registrations(stand_in["app"]) == registrations(app.app)


def test_only_what_ends_by_itself_may_send_to_the_queue_that_invokes_it_more_than_sixteen_times(
    packaged: dict[str, Any],
) -> None:
    functions = resources(packaged, "AWS::Serverless::Function")
    looping = {name: f["RecursiveLoop"] for name, f in functions.items() if "RecursiveLoop" in f}
    assert looping == {"Deliver": "Allow", "BuildIndex": "Allow", "Ingest": "Allow"}


def test_every_function_has_a_role_of_its_own_and_search_functions_share_one(
    packaged: dict[str, Any],
) -> None:
    roles = {
        name: f["Role"] for name, f in resources(packaged, "AWS::Serverless::Function").items()
    }
    role_by_function = FUNCTIONS | dict.fromkeys(template.list_search_functions(), "SearchRole")
    assert roles == {name: {"Fn::GetAtt": [role, "Arn"]} for name, role in role_by_function.items()}


@pytest.mark.parametrize("role", FUNCTIONS.values())
def test_no_role_may_do_everything_or_touch_everything(packaged: dict[str, Any], role: str) -> None:
    for statement in statements(packaged, role):
        assert statement["Effect"] == "Allow"
        assert not any("*" in action for action in actions(statement))
        # X-Ray has no resource that a segment belongs to.
        assert statement["Sid"] == "WriteTraces" or "*" not in (
            statement["Resource"],
            *statement["Resource"],
        )


@pytest.mark.parametrize("role", FUNCTIONS.values())
def test_each_right_stands_in_one_statement(packaged: dict[str, Any], role: str) -> None:
    rights = [
        (action, json.dumps(resource), json.dumps(one.get("Condition")))
        for one in statements(packaged, role)
        for action in actions(one)
        for resource in (
            one["Resource"] if isinstance(one["Resource"], list) else [one["Resource"]]
        )
    ]
    assert [right for right in {*rights} if rights.count(right) > 1] == []


def allowed(packaged: dict[str, Any], action: str) -> set[str]:
    return {
        role
        for role in FUNCTIONS.values()
        for s in statements(packaged, role)
        if action in actions(s)
    }


def test_the_api_seals_secrets_and_who_signs_events_or_searches_unseals_them(
    packaged: dict[str, Any],
) -> None:
    assert allowed(packaged, "kms:Encrypt") == {"ApiHandlerRole", "BuildIndexRole"}
    unsealing = {"ApiHandlerRole", "BuildIndexRole", "DeliverRole", "CanaryRole"}
    assert allowed(packaged, "kms:Decrypt") == unsealing


def test_a_function_writes_of_tenants_only_keys_sessions_and_settings(
    packaged: dict[str, Any],
) -> None:
    tenants = {"Fn::GetAtt": ["TenantsTable", "Arn"]}
    written: dict[str, set[str]] = {}
    for role in FUNCTIONS.values():
        for statement in statements(packaged, role):
            resources = (
                statement["Resource"]
                if isinstance(statement["Resource"], list)
                else [statement["Resource"]]
            )
            writes = [
                a for a in actions(statement) if a.endswith(("PutItem", "UpdateItem", "DeleteItem"))
            ]
            if tenants in resources and writes:
                assert role in ("ApiHandlerRole", "BuildIndexRole")
                assert resources == [tenants]
                condition = statement["Condition"]
                assert condition["Null"] == {"dynamodb:LeadingKeys": "false"}
                partitions = condition["ForAllValues:StringEquals"]["dynamodb:LeadingKeys"]
                # The sweep signs receipts, notes who gave accesses, and forgets erased groups,
                # stills, AppCodes that hold no more, and who gave what is over.
                assert role == "ApiHandlerRole" or partitions in (
                    ["maker", "signing_key"],
                    ["tenant"],
                    ["appcode", "maker", "still"],
                )
                if role == "BuildIndexRole" and "appcode" in partitions:
                    assert writes == ["dynamodb:DeleteItem"]
                for partition in partitions:
                    written.setdefault(partition, set()).update(writes)
    assert set(written) == {
        "api_key",
        "appcode",
        "challenge",
        "code",
        "key",
        "maker",
        "member",
        "session",
        "shared_passkey",
        "sign_in",
        "signing_key",
        "still",
        "tenant",
    }
    assert written["signing_key"] == {"dynamodb:PutItem"}
    # a tenant is neither made nor deleted by a request
    assert written["tenant"] == {"dynamodb:UpdateItem"}


def test_pictures_of_captures_are_put_through_the_api_and_changed_by_erasures_only(
    packaged: dict[str, Any],
) -> None:
    captures = {"Fn::Sub": "${CapturesBucket.Arn}/*"}
    granted = {
        role: sorted(
            a for s in statements(packaged, role) if s["Resource"] == captures for a in actions(s)
        )
        for role in FUNCTIONS.values()
    }
    reading = ["s3:GetObject"]
    assert {role: found for role, found in granted.items() if found} == {
        "ApiHandlerRole": ["s3:GetObject", "s3:PutObject"],
        "BuildIndexRole": ["s3:DeleteObject", "s3:GetObject", "s3:PutObject"],
        "IngestRole": ["s3:DeleteObject", "s3:GetObject"],
        "WatchRole": reading,
    }


def test_the_search_function_changes_nothing(packaged: dict[str, Any]) -> None:
    writing = ("Put", "Update", "Delete", "Send", "Invoke")
    telling = ("logs:", "xray:")
    allowed = [
        a
        for s in statements(packaged, "SearchRole")
        for a in actions(s)
        if not a.startswith(telling)
    ]
    assert allowed
    assert not [action for action in allowed if action.partition(":")[2].startswith(writing)]


def references(value: Any) -> Iterator[str]:
    """Names of the resources that an intrinsic anywhere below points at."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == "Ref":
                yield inner.partition(".")[0]  # SAM's own resources of one are named after a dot
            elif key == "Fn::GetAtt":
                yield inner[0]
            else:
                yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


def test_every_reference_has_its_resource(packaged: dict[str, Any]) -> None:
    named = set(references([packaged["Resources"], packaged["Outputs"], packaged["Globals"]]))
    known = {*packaged["Resources"], *packaged["Parameters"]}
    assert {name for name in named if not name.startswith("AWS::")} <= known


def test_every_policy_file_is_used(packaged: dict[str, Any]) -> None:
    in_roles = [statements(packaged, role) for role in FUNCTIONS.values()]
    in_files = [json.loads(path.read_text())["Statement"] for path in POLICIES.glob("*.json")]
    assert len(in_files) == len(in_roles)
    assert all(statement in in_roles for statement in in_files)


def test_the_linter_finds_nothing(packaged_path: Path) -> None:
    pytest.importorskip("cfnlint", reason="the linters are not installed")
    linter = [sys.executable, "-c", "from cfnlint.runner import main; main()"]
    linted = [*linter, str(packaged_path)]
    done = subprocess.run(linted, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr


def test_the_search_function_starts_without_the_dialects(packaged: dict[str, Any]) -> None:
    module, name = packaged["Resources"]["Search"]["Properties"]["Handler"].rsplit(".", 1)
    code = (
        f"import json, sys; from {module.replace('/', '.')} import {name}; "
        "print(json.dumps(sorted(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(json.loads(done.stdout))
    assert (
        not {"app", "chalice", "numpy", "botocore", "chalicelib.api.http", "chalicelib.api.sunmi"}
        & loaded
    )
