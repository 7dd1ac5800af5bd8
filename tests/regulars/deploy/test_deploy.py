import base64
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chalicelib.book.vision.packs import packs
from chalicelib.domain.errors import InvalidInput
from infra import template
from regulars import cli
from regulars.deploy import deploy
from regulars.deploy.deploy import Plan
from regulars.deploy.package import find_shipped_packs, list_pack_options
from regulars.deploy.stack import Account
from regulars.deploy.stage import stack_name
from regulars.errors import NotDeployed
from tests.regulars.deploy.cloud import REGION, Emulated, Session, refused
from tests.support.pictures.own_pack import NAME, own_pack

STACK = "regulars-test"


def small_template(*queues: str) -> dict[str, Any]:
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Parameters": {
            "Seconds": {"Type": "Number", "Default": 30, "MinValue": 1, "MaxValue": 60},
            "Days": {"Type": "Number", "Default": 30, "AllowedValues": [7, 30]},
        },
        "Resources": {
            name: {
                "Type": "AWS::SQS::Queue",
                "Properties": {"VisibilityTimeout": {"Ref": "Seconds"}},
            }
            for name in queues
        },
        "Outputs": {"First": {"Value": {"Ref": queues[0]}}},
    }


@pytest.fixture
def session() -> Iterator[Session]:
    from moto import mock_aws

    with mock_aws():
        yield Session(cloudformation=Emulated(Session().client("cloudformation")))


def planned(archive: Path, *queues: str, **parameters: str) -> Plan:
    return Plan(STACK, archive, small_template(*queues), parameters)


def queues_of(session: Session) -> int:
    return len(session.client("sqs").list_queues().get("QueueUrls", []))


def yes() -> bool:
    return True


def no() -> bool:
    return False


def test_a_first_deployment_shows_what_it_adds_and_makes_it(
    session: Session, archive: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    deploy.deploy(planned(archive, "Work", "Dead"), Account(session), None, yes)
    said = capsys.readouterr().out
    assert "+ AWS::SQS::Queue" in said
    assert queues_of(session) == 2
    (bucket,) = session.client("s3").list_buckets()["Buckets"]
    assert bucket["Name"] == f"regulars-packages-123456789012-{REGION}"
    keys = [
        one["Key"]
        for one in session.client("s3").list_objects_v2(Bucket=bucket["Name"])["Contents"]
    ]
    assert sorted(Path(key).suffix for key in keys) == [".json", ".zip"]
    closed = session.client("s3").get_public_access_block(Bucket=bucket["Name"])[
        "PublicAccessBlockConfiguration"
    ]
    assert set(closed.values()) == {True}
    assert session.clients["cloudformation"].protected == {STACK}


def test_nothing_is_made_unless_it_is_agreed_to(session: Session, archive: Path) -> None:
    deploy.deploy(planned(archive, "Work"), Account(session), None, no)
    assert queues_of(session) == 0
    assert (
        session.client("cloudformation").list_stacks(StackStatusFilter=["CREATE_COMPLETE"])[
            "StackSummaries"
        ]
        == []
    )
    deploy.deploy(planned(archive, "Work"), Account(session), None, yes)
    deploy.deploy(planned(archive, "Work", "More"), Account(session), None, no)
    assert queues_of(session) == 1


def test_an_update_keeps_the_parameters_that_are_not_named(session: Session, archive: Path) -> None:
    account = Account(session)
    deploy.deploy(planned(archive, "Work", Seconds="45", Days="7"), account, None, yes)
    deploy.deploy(planned(archive, "Work", "More", Days="30"), account, None, yes)
    (stack,) = session.client("cloudformation").describe_stacks(StackName=STACK)["Stacks"]
    values = {one["ParameterKey"]: one["ParameterValue"] for one in stack["Parameters"]}
    assert values == {"Seconds": "45", "Days": "30"}
    assert queues_of(session) == 2


def test_a_stage_whose_alarms_nobody_would_hear_is_warned_of(
    session: Session, archive: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    template = small_template("Work")
    template["Parameters"]["AlarmTopic"] = {"Type": "String", "Default": ""}

    def warns(**given: str) -> bool:
        deploy.deploy(Plan(STACK, archive, template, given), Account(session), None, yes)
        return "nobody is told" in capsys.readouterr().out

    assert warns(Days="30")
    assert not warns(AlarmTopic="arn:aws:sns:eu-central-1:1:shop")
    assert not warns(Days="7"), "it keeps its topic"
    assert warns(AlarmTopic="")


def test_a_bucket_that_is_not_there_or_not_ours_is_refused(session: Session) -> None:
    with pytest.raises(NotDeployed, match="somebody-elses is not to be used"):
        Account(session).provide_bucket("somebody-elses")


def test_an_unchanged_package_is_not_uploaded_again(
    session: Session, archive: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    account = Account(session)
    bucket = account.provide_bucket(None)
    assert account.upload(bucket, "key.zip", archive) == account.upload(bucket, "key.zip", archive)
    assert capsys.readouterr().out.count("uploading") == 1


def test_what_somebody_else_put_in_the_place_of_a_package_is_replaced(
    session: Session, archive: Path
) -> None:
    account, s3 = Account(session), session.client("s3")
    bucket = account.provide_bucket(None)
    s3.put_object(Bucket=bucket, Key="key.zip", Body=b"code of somebody else")
    account.upload(bucket, "key.zip", archive)
    assert s3.get_object(Bucket=bucket, Key="key.zip")["Body"].read() == archive.read_bytes()
    other = hashlib.sha256(b"other").digest()
    s3.put_object(
        Bucket=bucket,
        Key="key.zip",
        Body=b"other",
        ChecksumAlgorithm="SHA256",
        ChecksumSHA256=base64.b64encode(other).decode(),
    )
    account.upload(bucket, "key.zip", archive)
    assert s3.get_object(Bucket=bucket, Key="key.zip")["Body"].read() == archive.read_bytes()


def test_old_packages_go_and_those_that_the_stack_has_stay(session: Session, archive: Path) -> None:
    account = Account(session)
    bucket, s3 = account.provide_bucket(None), session.client("s3")

    def list_keys() -> set[str]:
        return {one["Key"] for one in s3.list_objects_v2(Bucket=bucket)["Contents"]}

    others = {f"{STACK}2/old.zip", "other.zip"}
    for key in (f"{STACK}/first.zip", *others):
        account.upload(bucket, key, archive)
    for number in range(6):
        archive.write_bytes(b"%d" % number)
        deploy.deploy(
            planned(archive, "Work", *(f"More{more}" for more in range(number))), account, None, yes
        )
    assert (
        len([key for key in list_keys() if key.startswith(f"{STACK}/") and key.endswith(".zip")])
        == 4
    )
    assert others <= list_keys(), "they are of others"
    assert account.delete_old_packages(bucket, STACK, list_keys()) == 0
    archive.write_bytes(b"7")
    deploy.deploy(planned(archive, "Work", "Last"), account, bucket, yes)
    assert (
        len([key for key in list_keys() if key.startswith(f"{STACK}/") and key.endswith(".zip")])
        == 5
    ), "a bucket of one's own"


def test_a_role_that_may_delete_no_package_has_deployed_all_the_same(
    session: Session, archive: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """So it is with a role whose policy was printed by an earlier version."""

    class Refusing:
        def __init__(self, client: Any) -> None:
            self._client = client

        def __getattr__(self, name: str) -> Any:
            if name == "get_paginator":
                raise refused(
                    "list_objects_v2",
                    "not authorized to perform: s3:ListBucket",
                    code="AccessDenied",
                )
            return getattr(self._client, name)

    session.clients["s3"] = Refusing(session.client("s3"))
    assert deploy.deploy(planned(archive, "Work"), Account(session), None, yes)
    assert (
        "warning     old packages stay in regulars-packages-123456789012" in capsys.readouterr().out
    )


def test_only_functions_get_the_codes_address(archive: Path) -> None:
    whole = small_template("Work")
    whole["Resources"]["Search"] = {
        "Type": "AWS::Serverless::Function",
        "Properties": {"CodeUri": "./deployment.zip"},
    }
    resources = json.loads(Plan(STACK, archive, whole, {}).write_template("s3://b/k"))["Resources"]
    assert resources["Search"]["Properties"]["CodeUri"] == "s3://b/k"
    assert "CodeUri" not in resources["Work"]["Properties"]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"NoSuch": "1"}, "there is no parameter NoSuch; there are Days, Seconds"),
        ({"Seconds": "61"}, "Seconds is a number from 1 to 60, not '61'"),
        ({"Seconds": "soon"}, "Seconds is a number from 1 to 60"),
        ({"Days": "8"}, "Days is one of 7, 30, not '8'"),
    ],
)
def test_parameters_that_the_template_does_not_take_are_refused(
    given: dict[str, str], told: str
) -> None:
    with pytest.raises(InvalidInput, match=told):
        deploy.require_parameters(small_template("Work")["Parameters"], given)
    deploy.require_parameters(small_template("Work")["Parameters"], {"Seconds": "60", "Days": "7"})


@pytest.mark.parametrize("stage", ["Prod", "", "-a", "a-", "a" * 20, "a_b"])
def test_a_stage_that_cannot_name_a_stack_is_refused(stage: str) -> None:
    with pytest.raises(InvalidInput, match="a stage is"):
        stack_name(stage)


def test_the_longest_stage_leaves_room_for_what_is_named_after_it() -> None:
    rule = template.join_parts()["Resources"]["TracingRule"]["Properties"]["SamplingRule"][
        "RuleName"
    ]["Fn::Sub"]
    assert len(rule.replace("${AWS::StackName}", stack_name("a" * 19))) <= 32


def test_a_plan_tells_parameters_and_resources(archive: Path) -> None:
    lines = list(planned(archive, "Work", "Dead", Days="7").write_lines())
    assert any(line.split() == ["Days", "7"] for line in lines)
    assert any("Seconds" in line and "30" in line for line in lines)
    assert any(line.split() == ["2", "AWS::SQS::Queue"] for line in lines)
    assert any(str(archive) in line for line in lines)


def test_a_plan_names_the_packs_and_their_folder(archive: Path, tmp_path: Path) -> None:
    own_pack(tmp_path)
    both = tuple(packs.find(tmp_path, name) for name in (NAME, *packs.list_names(None)))
    whole = {
        **small_template("Work"),
        "Globals": template.load_template(template.FUNCTIONS)["Globals"],
    }
    plan = Plan(STACK, archive, whole, {}, both)
    lines = list(plan.write_lines())
    assert [line.split() for line in lines if line.startswith("pack  ")] == [
        [
            "pack",
            f"{pack.manifest.name},",
            "model",
            f"{pack.manifest.embedding.model},",
            "of",
            str(pack.folder),
        ]
        for pack in both
    ]
    made = json.loads(plan.write_template("s3://b/k"))
    assert made["Outputs"]["Pack"] == {"Value": NAME}
    assert made["Globals"]["Function"]["Environment"]["Variables"]["REGULARS_PACK"] == NAME


def test_the_programs_pack_is_always_shipped_and_those_that_are_named_before_it(
    tmp_path: Path,
) -> None:
    own_pack(tmp_path)

    def shipped(models: Path | None, *names: str, **environ: str) -> list[str]:
        return [pack.manifest.name for pack in find_shipped_packs(models, names, environ)]

    assert shipped(None) == shipped(tmp_path) == ["face-pack-4", "face-pack-2"]
    assert shipped(tmp_path, NAME) == [NAME, "face-pack-4", "face-pack-2"]
    assert shipped(tmp_path, "face-pack-2", NAME) == ["face-pack-2", NAME, "face-pack-4"]
    with pytest.raises(packs.UnknownPack, match=f"no model pack '{NAME}'"):
        shipped(None, NAME)
    assert shipped(None, REGULARS_MODELS=str(tmp_path), REGULARS_PACK=NAME) == [
        NAME,
        "face-pack-4",
        "face-pack-2",
    ]
    with pytest.raises(packs.MissingModel, match="no folder of models"):
        shipped(None, REGULARS_MODELS=str(tmp_path / "nope"))


def test_a_folder_of_packs_is_the_callers_though_the_packaging_runs_in_the_checkout() -> None:
    here = ["--pack", NAME, "--models", str(Path.cwd() / "models")]
    assert list_pack_options(Path("models"), [NAME], {"REGULARS_MODELS": "others"}) == here
    assert list_pack_options(None, [NAME], {"REGULARS_MODELS": "models"}) == here
    assert list_pack_options(None, [NAME], {}) == ["--pack", NAME]


def test_a_parameter_without_a_value_is_a_mistake_of_the_caller(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cli.main(["deploy", "--stage", "prod", "--parameter", "LogDays"]) == 2
    assert "NAME=VALUE" in capsys.readouterr().err


def test_without_a_function_url_nothing_of_it_is_in_the_template(archive: Path) -> None:
    whole = template.join_parts()
    resources = {name: {"Type": "", **one} for name, one in whole["Resources"].items()}
    plan = Plan(STACK, archive, {**whole, "Resources": resources}, {})
    with_url, without = (
        json.loads(plan.write_template("s3://b/k", has_url=has_url)) for has_url in (True, False)
    )
    assert "RekognitionUrl" not in json.dumps(without)
    gone = with_url["Resources"].keys() - without["Resources"].keys()
    assert gone == {"RekognitionUrl", "RekognitionUrlIsPublic", "RekognitionUrlInvokes"}
    assert with_url["Outputs"].keys() - without["Outputs"].keys() == {"RekognitionEndpoint"}
    assert "execute-api" in json.dumps(without["Outputs"]["CameraEndpoint"])
