"""What CloudFormation gets: the template as SAM's own translator makes it of ours."""

import json
from pathlib import Path
from typing import Any

from app import app

MOST_BYTES, MOST_RESOURCES = 1_000_000, 300
"""What CloudFormation takes of a template, and API Gateway of an API. A third of the resources is
left free here."""


def resources(translated: dict[str, Any], kind: str) -> dict[str, Any]:
    return {name: one for name, one in translated["Resources"].items() if one["Type"] == kind}


def test_each_public_stage_has_limits_logs_tracing_and_its_alarm(
    translated: dict[str, Any],
) -> None:
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


def test_a_canary_that_fails_once_is_not_asked_again_before_its_time(
    translated: dict[str, Any],
) -> None:
    """Lambda's two retries would be errors of the next five minutes, too, and so look like two
    failures in a row."""
    [config] = resources(translated, "AWS::Lambda::EventInvokeConfig").values()
    assert config["Properties"]["FunctionName"] == {"Ref": "Canary"}
    assert config["Properties"]["MaximumRetryAttempts"] == 0


def test_there_is_room_for_more_paths(packaged: dict[str, Any], packaged_path: Path) -> None:
    paths = packaged["Resources"]["RestAPI"]["Properties"]["DefinitionBody"]["paths"]
    assert set(paths) == set(app.routes)
    assert sum(map(len, paths.values())) == len(paths)
    parents = {path.rsplit("/", depth)[0] for path in paths for depth in range(path.count("/") + 1)}
    assert len(parents - {""} | {"/"}) <= MOST_RESOURCES * 2 / 3
    each = len(json.dumps(paths)) / len(paths)
    assert packaged_path.stat().st_size + each * len(paths) <= MOST_BYTES
