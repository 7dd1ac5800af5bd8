"""What CloudFormation gets: the template as SAM's own translator makes it of ours."""

import json
import re
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest

from app import app
from regulars.deploy.policy import make_role_policy

MOST_BYTES, MOST_RESOURCES = 1_000_000, 300
"""What CloudFormation takes of a template, and API Gateway of an API. A third of the resources is left free here."""


@pytest.fixture(scope="module")
def translated(packaged_path: Path, monkeypatch_module: pytest.MonkeyPatch) -> dict[str, Any]:
    from samtranslator.parser.parser import Parser  # its import takes seconds, and each worker imports this module
    from samtranslator.translator.translator import Translator

    monkeypatch_module.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    whole = json.loads(packaged_path.read_text())
    for one in whole["Resources"].values():
        if "CodeUri" in one.get("Properties", {}):
            one["Properties"]["CodeUri"] = {"Bucket": "deployments", "Key": "deployment.zip"}
    return Translator({}, Parser()).translate(whole, {})


@pytest.fixture(scope="module")
def monkeypatch_module() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        yield patch


def resources(translated: dict[str, Any], kind: str) -> dict[str, Any]:
    return {name: one for name, one in translated["Resources"].items() if one["Type"] == kind}


def test_each_public_stage_has_limits_logs_tracing_and_its_alarm(translated: dict[str, Any]) -> None:
    stages = resources(translated, "AWS::ApiGateway::Stage")
    unguarded = [
        name
        for name, one in resources(translated, "AWS::ApiGateway::Deployment").items()
        if one["Properties"].get("StageName")
    ]
    assert unguarded == [], "a deployment that names a stage makes one that no template describes"
    assert [one["Properties"]["StageName"] for one in stages.values()] == ["api"]
    for one in stages.values():
        settings = one["Properties"]
        assert settings["TracingEnabled"] is True
        assert settings["AccessLogSetting"]
        [everything] = settings["MethodSettings"]
        assert {"ThrottlingRateLimit", "ThrottlingBurstLimit"} <= everything.keys()
    watched = [
        dimension["Value"]
        for one in resources(translated, "AWS::CloudWatch::Alarm").values()
        for dimension in one["Properties"].get("Dimensions", ())
        if dimension["Name"] == "Stage"
    ]
    assert "api" in json.dumps(watched)


def test_a_canary_that_fails_once_is_not_asked_again_before_its_time(translated: dict[str, Any]) -> None:
    """Lambda's two retries would be errors of the next five minutes, too, and so look like two failures in a row."""
    [config] = resources(translated, "AWS::Lambda::EventInvokeConfig").values()
    assert config["Properties"]["FunctionName"] == {"Ref": "Canary"}
    assert config["Properties"]["MaximumRetryAttempts"] == 0


UNUSED = (
    "*Replica* *Kinesis* *ImportTable *ContributorInsights *ResourcePolicy *BatchWriteItem dynamodb:DeleteItem "
    "s3:*Metadata* s3:*Analytics* s3:*Metrics* s3:*Cors s3:*CORS s3:*Website s3:*Accelerate* s3:*Abac s3:*Acl "
    "s3:*Logging s3:*Lock* s3:*Inventory* s3:*Tiering* s3:*Replication* s3:*Versioning s3:DeleteBucketEncryption "
    "s3:DeleteBucketLifecycle s3:DeleteObject kms:*ableKey kms:ScheduleKeyDeletion logs:*ssociateKmsKey "
    "*LogDelivery logs:*DataProtection* logs:*IndexPolicy *BearerTokenAuthentication *DeletionProtection "
    "lambda:Associate* *CodeSigning* *CapacityProvider *PublishVersion *ScalingConfig *RuntimeManagementConfig "
    "*PermissionsBoundary iam:*Group* iam:*User* *UpdateRestApiPolicy "
)
"""Writes with which CloudFormation makes what this template lacks, or which it tries without need."""

DIRECT = {"acm", "cloudformation", "sts", "kms:Encrypt", "lambda:GetAccountSettings", "s3:PutObject"}
DIRECT |= {"cloudwatch:GetMetricData"}
"""Services and actions that `regulars deploy` itself calls."""


def test_a_role_that_deploys_may_do_what_the_templates_types_need_and_no_more(translated: dict[str, Any]) -> None:
    schemas = pytest.importorskip("cfnlint.schema.manager").PROVIDER_SCHEMA_MANAGER
    policy = make_role_policy("regulars-prod")
    granted = {action for one in policy["Statement"] for action in one["Action"]}
    known = set()
    for kind in {one["Type"] for one in translated["Resources"].values()}:
        handlers = schemas.get_resource_schema("us-east-1", kind).schema["handlers"].values()
        needed = {action for one in handlers for action in one["permissions"]}
        known |= needed
        own = (action for action in needed if action.startswith(f"{kind.split('::')[1].lower()}:"))
        writes = {action for action in own if not re.search(":(Get|List|Describe)", action)}
        assert not [one for one in writes if not any(fnmatch(one, may) for may in {*granted, *UNUSED.split()})], kind
    for may in granted:
        direct = {may, may.partition(":")[0]} & DIRECT
        assert direct or any(fnmatch(action, may) for action in known), f"no type needs {may}"


def test_a_role_that_deploys_touches_one_stack_and_its_policy_fits() -> None:
    policy = make_role_policy("regulars-prod")
    assert len(json.dumps(policy, separators=(",", ":"))) <= 6_144
    for one in policy["Statement"]:
        if "*" in one["Resource"]:
            reads = all(re.search(":(Get|List|Describe)", action) for action in one["Action"])
            assert reads or one["Condition"], "what has no name is changed through CloudFormation, or with our context"
        else:
            others = [of for of in one["Resource"] if not re.search("regulars-(prod|packages)|transform/", of)]
            assert others == []


def test_there_is_room_for_more_paths(packaged: dict[str, Any], packaged_path: Path) -> None:
    paths = packaged["Resources"]["RestAPI"]["Properties"]["DefinitionBody"]["paths"]
    assert set(paths) == set(app.routes)
    assert sum(map(len, paths.values())) == len(paths)
    parents = {path.rsplit("/", depth)[0] for path in paths for depth in range(path.count("/") + 1)}
    assert len(parents - {""} | {"/"}) <= MOST_RESOURCES * 2 / 3
    each = len(json.dumps(paths)) / len(paths)
    assert packaged_path.stat().st_size + each * len(paths) <= MOST_BYTES
