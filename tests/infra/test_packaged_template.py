"""What `chalice package` makes of the functions: each knows its storage and may do what it needs, and no more."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chalicelib.settings import AwsStorage, Settings
from infra import template

FUNCTIONS = {
    "APIHandler": "ApiHandlerRole",
    "Search": "SearchRole",
    "BuildIndex": "BuildIndexRole",
    "Sweep": "SweepRole",
}
POLICIES = Path(template.FOLDER).parent / ".chalice" / "policies"


def resources(packaged: dict[str, Any], kind: str) -> dict[str, Any]:
    return {name: r["Properties"] for name, r in packaged["Resources"].items() if r["Type"] == kind}


def environment(packaged: dict[str, Any], function: str) -> dict[str, Any]:
    """As SAM gives it to the function: the global variables and its own."""
    shared: dict[str, Any] = packaged["Globals"]["Function"]["Environment"]["Variables"]
    own: dict[str, Any] = packaged["Resources"][function]["Properties"].get("Environment", {}).get("Variables", {})
    return shared | own


def test_the_package_has_exactly_our_functions(packaged: dict[str, Any]) -> None:
    assert set(resources(packaged, "AWS::Serverless::Function")) == set(FUNCTIONS)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_functions_environment_names_its_storage(packaged: dict[str, Any], function: str) -> None:
    variables = environment(packaged, function)
    settings = Settings.from_environment({name: json.dumps(value) for name, value in variables.items()})
    searches_elsewhere = {"Ref": "Search"} if function == "APIHandler" else None
    assert settings.storage == AwsStorage(
        table_prefix=json.dumps({"Fn::Sub": "${AWS::StackName}-"}),
        bucket=json.dumps({"Ref": "DataBucket"}),
        index_queue_url=json.dumps({"Ref": "IndexQueue"}),
        index_dead_letter_url=json.dumps({"Ref": "IndexDeadLetters"}),
        kms_key=json.dumps({"Fn::GetAtt": ["SecretsKey", "Arn"]}),
        search_function=json.dumps(searches_elsewhere) if searches_elsewhere else None,
    )


def test_the_index_builder_listens_to_the_stacks_own_queue(packaged: dict[str, Any]) -> None:
    (source,) = packaged["Resources"]["BuildIndex"]["Properties"]["Events"].values()
    assert source["Type"] == "SQS"
    assert source["Properties"]["Queue"] == {"Fn::GetAtt": ["IndexQueue", "Arn"]}


def test_a_message_stays_hidden_for_six_runs_of_its_function(packaged: dict[str, Any]) -> None:
    timeout_s = packaged["Resources"]["BuildIndex"]["Properties"]["Timeout"]
    assert packaged["Resources"]["IndexQueue"]["Properties"]["VisibilityTimeout"] >= 6 * timeout_s


def test_every_function_has_a_role_of_its_own(packaged: dict[str, Any]) -> None:
    roles = {name: f["Role"] for name, f in resources(packaged, "AWS::Serverless::Function").items()}
    assert roles == {name: {"Fn::GetAtt": [role, "Arn"]} for name, role in FUNCTIONS.items()}


def statements(packaged: dict[str, Any], role: str) -> list[dict[str, Any]]:
    (policy,) = packaged["Resources"][role]["Properties"]["Policies"]
    found: list[dict[str, Any]] = policy["PolicyDocument"]["Statement"]
    return found


def actions(statement: dict[str, Any]) -> list[str]:
    return [statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"]


@pytest.mark.parametrize("role", FUNCTIONS.values())
def test_no_role_may_do_everything_or_touch_everything(packaged: dict[str, Any], role: str) -> None:
    for statement in statements(packaged, role):
        assert statement["Effect"] == "Allow"
        assert not any("*" in action for action in actions(statement))
        assert "*" not in (statement["Resource"], *statement["Resource"])


def test_only_the_api_unseals_secrets_and_nothing_seals_them(packaged: dict[str, Any]) -> None:
    unsealing = {role for role in FUNCTIONS.values() for s in statements(packaged, role) if "kms:Decrypt" in actions(s)}
    sealing = {role for role in FUNCTIONS.values() for s in statements(packaged, role) if "kms:Encrypt" in actions(s)}
    assert (unsealing, sealing) == ({"ApiHandlerRole"}, set())


def test_the_search_function_changes_nothing(packaged: dict[str, Any]) -> None:
    writing = ("Put", "Update", "Delete", "Send", "Invoke")
    allowed = [a for s in statements(packaged, "SearchRole") for a in actions(s) if not a.startswith("logs:")]
    assert allowed
    assert not [action for action in allowed if action.partition(":")[2].startswith(writing)]


def references(value: Any) -> Iterator[str]:
    """Names of the resources that an intrinsic anywhere below points at."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == "Ref":
                yield inner
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


def test_two_templates_that_say_two_things_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="DataBucket"):
        template.joined({"Resources": {"DataBucket": {"Type": "A"}}}, {"Resources": {"DataBucket": {"Type": "A"}}})


def test_the_linter_finds_nothing(packaged_path: Path) -> None:
    pytest.importorskip("cfnlint", reason="the linters are not installed")
    linter = [sys.executable, "-c", "from cfnlint.runner import main; main()"]
    linted = [*linter, str(template.STORAGE), str(packaged_path)]
    done = subprocess.run(linted, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr
