import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chalicelib.book.vision.packs import packs
from infra import template
from regulars.cli import main
from tests.support.pictures.own_pack import MODEL, NAME, own_pack
from tests.support.storage.emulated import Aws, storage_stack


def value(output: Any, aws: Aws) -> str:
    """What AWS makes of an output of infra/functions.yaml."""
    match output["Value"]:
        case {"Ref": "Search"}:
            return f"{aws.prefix}search"
        case {"Ref": "CaptureDays"}:
            return "90"
        case {"Ref": "BudgetUsd"}:
            return "0"
        case {"Ref": name} | {"Fn::GetAtt": [name, "Arn"]}:
            return aws.physical[name]
        case {"Fn::If": ["HasFunctionUrl", here, _]}:
            return value({"Value": here}, aws)
        case {"Fn::GetAtt": ["RekognitionUrl", "FunctionUrl"]}:
            return "https://abc.lambda-url.eu-central-1.on.aws/"
        case {"Fn::Sub": text}:
            return str(text).replace("${AWS::StackName}", aws.stack)
    raise AssertionError(output)


ADD = ("tenants", "add", "anna", "--strangers", "forget", "--set", "time_zone=Europe/Berlin")


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    """A stage whose package holds a pack of one's own, too, which is that of new tenants."""
    own_pack(tmp_path / "models")
    monkeypatch.setenv("REGULARS_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    monkeypatch.setenv("REGULARS_DATA", str(tmp_path / "not this one"))
    outputs = template.join_parts()["Outputs"]
    with storage_stack(stack="regulars-storage") as aws:
        made = {
            name: {"Value": value(one, aws)}
            for name, one in outputs.items()
            if "Condition" not in one
        }
        queue = {"Queue": {"Type": "AWS::SQS::Queue", "Properties": {}}}
        whole = {"Resources": queue, "Outputs": {**made, "Pack": {"Value": NAME}}}
        aws.client("cloudformation").create_stack(
            StackName="regulars-shop", TemplateBody=json.dumps(whole)
        )
        yield "shop"


def test_a_stage_has_no_time_zone_so_that_the_tenants_is_asked_for(
    stage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["tenants", "add", "anna", "--strangers", "forget", "--stage", stage]) == 2
    assert "--set time_zone=Europe/Berlin" in capsys.readouterr().err
    assert main(["tenants", "list", "--stage", stage]) == 0
    assert "anna" not in capsys.readouterr().out


def test_a_tenant_is_made_in_the_stage_with_the_model_that_the_stage_has(
    stage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*ADD, "--stage", stage]) == 0
    assert json.loads(capsys.readouterr().out)["tenant"] == "anna"
    assert main(["tenants", "list", "anna", "--stage", stage]) == 0
    shown = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert shown["model"] == MODEL


def test_an_operator_who_names_a_pack_gets_it(
    stage: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REGULARS_PACK", packs.DEFAULT_PACK)
    assert main([*ADD, "--stage", stage]) == 0
    capsys.readouterr()
    assert main(["tenants", "list", "anna", "--stage", stage]) == 0
    assert packs.read_pack().manifest.embedding.model in capsys.readouterr().out


@pytest.mark.parametrize(
    "command",
    [
        ["call", "list-captures", "--state", "parked"],
        ["redrive"],
        ["reembed", "--pack", NAME, "--estimate"],
    ],
    ids=" ".join,
)
def test_what_an_operator_looks_after_is_the_stages(
    stage: str, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    assert main([*ADD, "--stage", stage]) == 0
    capsys.readouterr()
    assert main([*command, "--tenant", "anna", "--stage", stage]) == 0
    assert "anna" not in capsys.readouterr().err


def test_a_stages_tenant_gets_another_signing_key(
    stage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*ADD, "--stage", stage]) == 0
    capsys.readouterr()
    key = ["call", "get-signing-key", "--tenant", "anna", "--stage", stage]
    assert main([*key, "--field", "fingerprint"]) == 0
    old = capsys.readouterr().out.strip()
    assert main(["tenants", "renew-signing", "anna", "--stage", stage]) == 0
    assert f"before that  {old}" in capsys.readouterr().out


def test_a_stage_is_backed_up_and_restored_to_another_only_if_that_is_empty(
    stage: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*ADD, "--stage", stage]) == 0
    file = tmp_path / "stage.tar"
    assert main(["backup", str(file), "--stage", stage]) == 0
    assert main(["restore", str(file), "--stage", stage]) == 1
    assert "empty" in capsys.readouterr().err


def test_a_stage_that_is_not_there_is_named(stage: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tenants", "list", "--stage", "shap"]) == 1
    assert "there is no stack regulars-shap in eu-central-1" in capsys.readouterr().err


def test_a_stage_and_a_folder_are_one_too_many(
    stage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["tenants", "list", "--stage", stage, "--data", "here"]) == 2
    assert "--data and --stage exclude each other" in capsys.readouterr().err
