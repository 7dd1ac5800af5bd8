"""What the template says of running the functions: logs that end, alarms that are few, names that a
second stage shares with no other, and answers of the gateway that callers can read.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import app
from chalicelib.api.v1 import errors as v1
from chalicelib.domain.errors import NotFound
from chalicelib.telemetry import NAMESPACE, UNITS
from infra import template
from infra.storage import HAS_KEY, QUEUES
from regulars.deploy.deploy import find_rollback_alarms
from regulars.serve.gateway import Gateway
from regulars.serve.messages import LEAST_BYTES, Request
from tests.infra.template import actions, resources, statements

PAGE = Path(template.FOLDER).parent / "docs" / "deploy.md"
PAGE_OF_ALARMS = PAGE.with_name("stage.md")
NAMED = (
    "TableName",
    "BucketName",
    "QueueName",
    "FunctionName",
    "LogGroupName",
    "DashboardName",
    "RuleName",
    "Name",
)


def texts(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """Every value below with the name that it has there."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield name, inner
            yield from texts(inner, name)
    elif isinstance(value, list):
        for inner in value:
            yield from texts(inner, key)


def test_every_function_writes_to_a_log_of_its_own_that_ends_and_may_do_so(
    packaged: dict[str, Any],
) -> None:
    groups = resources(packaged, "AWS::Logs::LogGroup")
    functions = resources(packaged, "AWS::Serverless::Function")
    assert {f["LoggingConfig"]["LogGroup"]["Ref"] for f in functions.values()} == set(groups) - {
        "AccessLogs"
    }
    assert all(group["RetentionInDays"] == {"Ref": "LogDays"} for group in groups.values())
    roles = {
        function: template.name_role(name) for name, function in template.list_functions().items()
    }
    roles |= dict.fromkeys(template.list_search_functions(), "SearchRole")
    for name, function in functions.items():
        log = groups[function["LoggingConfig"]["LogGroup"]["Ref"]]["LogGroupName"]["Fn::Sub"]
        allowed = [
            s["Resource"]["Fn::Sub"]
            for s in statements(packaged, roles[name])
            if "logs:PutLogEvents" in actions(s)
        ]
        assert [pattern.partition("log-group:")[2] for pattern in allowed] == [f"{log}:*"]


def test_what_is_named_is_named_after_the_stack(packaged: dict[str, Any]) -> None:
    """So a second stage stands beside the first."""
    names = [
        value
        for resource in packaged["Resources"].values()
        for name, value in texts(resource["Properties"])
        if name in NAMED and isinstance(value, dict) and "Fn::Sub" in value
    ]
    assert names
    assert all("${AWS::StackName}" in name["Fn::Sub"] for name in names)
    plain = [
        (name, value)
        for resource in packaged["Resources"].values()
        for name, value in resource["Properties"].items()
        if name in NAMED and isinstance(value, str)
    ]
    assert plain == []
    assert packaged["Resources"]["RestAPI"]["Properties"]["DefinitionBody"]["info"]["title"] == {
        "Fn::Sub": "${AWS::StackName}"
    }


def alarm(packaged: dict[str, Any], name: str) -> dict[str, Any]:
    return resources(packaged, "AWS::CloudWatch::Alarm")[name]


def test_every_queue_tells_when_its_messages_fail(packaged: dict[str, Any]) -> None:
    watched = {
        dimension["Value"]["Fn::GetAtt"][0]
        for alarm in resources(packaged, "AWS::CloudWatch::Alarm").values()
        for dimension in alarm.get("Dimensions", ())
        if dimension["Name"] == "QueueName"
    }
    every = {f"{name}{kind}" for name in QUEUES for kind in ("Queue", "DeadLetters")}
    assert every - watched == {"IndexQueue", "IndexDeadLetters"}
    # Its function fails as a whole, with its only message.
    assert alarm(packaged, "BuildIndexErrors")["MetricName"] == "Errors"
    assert (
        packaged["Resources"]["BuildIndex"]["Properties"]["Events"]["BuildIndexSqsEventSource"][
            "Properties"
        ]["BatchSize"]
        == 1
    )


def test_alarms_that_nobody_would_be_told_of_are_those_that_roll_an_update_back(
    packaged: dict[str, Any],
) -> None:
    alarms = resources(packaged, "AWS::CloudWatch::Alarm")
    always = {
        name
        for name, one in packaged["Resources"].items()
        if one.get("Condition") != "HasAlarmTopic"
    }
    assert always & alarms.keys() == set(find_rollback_alarms(packaged, {}))
    assert all(
        alarms[name]["Period"] * alarms[name]["EvaluationPeriods"] <= 600
        for name in always & alarms.keys()
    )
    assert always & alarms.keys() == {
        "ApiErrors",
        "UrlErrors",
        "StorageFails",
        "Unexpected",
        "CanaryFails",
    }


def test_alarms_are_twenty_two_and_all_but_one_on_one_metric_and_none_is_late_by_missing_data(
    packaged: dict[str, Any],
) -> None:
    alarms = resources(packaged, "AWS::CloudWatch::Alarm")
    assert len(alarms) == 22  # docs/deploy.md says what they cost
    assert {name for name, one in alarms.items() if "Metrics" in one} == {"SearchErrors"}
    missing = {name for name, one in alarms.items() if one["TreatMissingData"] != "notBreaching"}
    # a watch that does not run reports no sweep that is late, either
    assert missing == {"CanaryFails", "WatchErrors"}
    assert all('"AlarmTopic"' in json.dumps(one["AlarmActions"]) for one in alarms.values())
    assert set(PAGE_OF_ALARMS.read_text(encoding="utf-8").split("## Alarms")[1].split("`")) >= set(
        alarms
    )


def test_failures_of_each_kind_and_of_each_function_that_nobody_calls_directly_have_an_alarm(
    packaged: dict[str, Any],
) -> None:
    alarms = resources(packaged, "AWS::CloudWatch::Alarm").values()
    counted = {one["MetricName"] for one in alarms if one.get("Namespace") == NAMESPACE}
    assert {name for name in UNITS if name.startswith("Failures")} <= counted
    watched = {
        (d["Value"]["Ref"], a["MetricName"])
        for a in alarms
        for d in a.get("Dimensions", ())
        if "Ref" in d["Value"]
    }
    # its jobs stop before the limit
    assert {("BuildIndex", "Errors"), ("BuildIndex", "Invocations")} <= watched
    assert {("Ingest", "Errors"), ("Ingest", "Duration")} <= watched
    for function in ("Search", "Ingest"):
        timeout_s = packaged["Resources"][function]["Properties"]["Timeout"]
        assert alarm(packaged, f"{function}IsSlow")["Threshold"] == 0.8 * 1000 * timeout_s


def test_an_alarm_counts_the_errors_of_all_search_functions_and_one_what_their_callers_wait(
    packaged: dict[str, Any],
) -> None:
    """AWS takes ten metrics an alarm (Using math expressions with CloudWatch metrics)."""
    *each, total = alarm(packaged, "SearchErrors")["Metrics"]
    sources = [
        (one["MetricStat"]["Metric"], one["MetricStat"]["Stat"], one["ReturnData"]) for one in each
    ]
    assert [
        metric["Dimensions"][0]["Value"]["Ref"] for metric, _, _ in sources
    ] == template.list_search_functions()
    assert {(metric["MetricName"], stat, shown) for metric, stat, shown in sources} == {
        ("Errors", "Sum", False)
    }
    assert (total["Expression"], total["ReturnData"]) == ("SUM(METRICS())", True)
    assert len(each) <= 10
    slow = alarm(packaged, "SearchIsSlow")
    assert (slow["Namespace"], slow["MetricName"], slow["Statistic"]) == (
        NAMESPACE,
        "SearchMs",
        "Maximum",
    )


def test_a_canary_that_fails_or_does_not_run_alarms_unless_it_is_switched_off(
    packaged: dict[str, Any],
) -> None:
    fails = alarm(packaged, "CanaryFails")
    assert (fails["TreatMissingData"], fails["MetricName"], fails["Period"]) == (
        "breaching",
        "Errors",
        300,
    )
    assert packaged["Resources"]["CanaryFails"]["Condition"] == "HasCanary"
    (event,) = packaged["Resources"]["Canary"]["Properties"]["Events"].values()
    asked = event["Properties"]
    assert (asked["Schedule"], asked["State"]) == (
        "rate(5 minutes)",
        {"Fn::If": ["HasCanary", "ENABLED", "DISABLED"]},
    )
    text, values = asked["Input"]["Fn::Sub"]
    text = text.replace("${CanarySeconds}", "5")
    sent = json.loads(re.sub(r"\$\{([\w:.]+)\}", r"<\1>", text))
    assert sent["most_s"] == 5
    output = packaged["Outputs"]["EndpointURL"]["Value"]["Fn::Sub"]
    assert sent["url"] == re.sub(r"\$\{([\w:]+)\}", r"<\1>", output).replace(
        "amazonaws.com", "<AWS::URLSuffix>"
    ).rstrip("/")
    assert sent["tenant"] == "<CanaryTenant>"
    assert sent["cameras_url"] == "<Cameras>"
    assert values == {"Cameras": packaged["Outputs"]["CameraEndpoint"]["Value"]}
    assert "secret" not in json.dumps(packaged["Resources"]["Canary"]).lower()


def test_ingest_gets_an_empty_batch_every_five_minutes(packaged: dict[str, Any]) -> None:
    """Lambda keeps a function for longer than that, so captures seldom wait for a cold start."""
    asked = packaged["Resources"]["Ingest"]["Properties"]["Events"]["EveryFiveMinutes"]
    assert asked == {
        "Type": "Schedule",
        "Properties": {"Schedule": "rate(5 minutes)", "Input": '{"Records": []}'},
    }


def test_requests_are_logged_by_the_gateway_only_if_the_account_can(
    packaged: dict[str, Any],
) -> None:
    assert packaged["Parameters"]["AccessLog"]["Default"] == "off"
    condition, log, otherwise = packaged["Resources"]["RestAPI"]["Properties"]["AccessLogSetting"][
        "Fn::If"
    ]
    assert (condition, otherwise) == ("HasAccessLog", {"Ref": "AWS::NoValue"})
    line = json.loads(log["Format"])
    assert {"ip", "route", "status", "ms"} <= set(line)
    # Lambda's, as in the functions' logs
    assert line["request_id"] == "$context.integration.requestId"
    # The query holds the AppCode that the market sends.
    assert not re.search(r"querystring|\.path\b|header", log["Format"], re.IGNORECASE)
    group = packaged["Resources"][log["DestinationArn"]["Fn::GetAtt"][0]]
    assert (group["Condition"], group["Properties"]["RetentionInDays"]) == (
        "HasAccessLog",
        {"Ref": "LogDays"},
    )


def test_the_dashboard_is_json_and_names_only_what_there_is(packaged: dict[str, Any]) -> None:
    (board,) = resources(packaged, "AWS::CloudWatch::Dashboard").values()
    text = board["DashboardBody"]["Fn::Sub"]
    assert len(json.loads(text)["widgets"]) == 5
    named = {found.partition(".")[0] for found in re.findall(r"\$\{([^}]+)\}", text)}
    assert {name for name in named if not name.startswith("AWS::")} <= set(packaged["Resources"])


def test_one_request_in_a_hundred_is_traced_through_the_api_and_the_search(
    packaged: dict[str, Any],
) -> None:
    assert packaged["Parameters"]["TracingRate"]["Default"] == 0.01
    (rule,) = resources(packaged, "AWS::XRay::SamplingRule").values()
    assert rule["SamplingRule"]["FixedRate"] == {"Ref": "TracingRate"}
    assert rule["SamplingRule"]["ReservoirSize"] == 0
    functions = resources(packaged, "AWS::Serverless::Function")
    traced = {name for name, f in functions.items() if f["Tracing"] == "Active"}
    assert traced == {"APIHandler", *template.list_search_functions()}


def test_concurrency_is_shared_unless_a_parameter_reserves_it(packaged: dict[str, Any]) -> None:
    for name, function in resources(packaged, "AWS::Serverless::Function").items():
        # A poller that is turned away uses up a message's receives; it has a limit of its own
        # (app.py).
        if any(event["Type"] == "SQS" for event in function.get("Events", {}).values()):
            assert "ReservedConcurrentExecutions" not in function
            continue
        kind = "Search" if name in template.list_search_functions() else name
        parameter = packaged["Parameters"][f"{kind}Concurrency"]
        assert (parameter["Default"], parameter["MinValue"]) == (-1, -1)
        (condition, reserved, otherwise) = function["ReservedConcurrentExecutions"]["Fn::If"]
        assert packaged["Conditions"][condition] == {
            "Fn::Not": [{"Fn::Equals": [{"Ref": f"{kind}Concurrency"}, -1]}]
        }
        assert (reserved, otherwise) == ({"Ref": f"{kind}Concurrency"}, {"Ref": "AWS::NoValue"})


def test_tables_and_buckets_take_a_customers_key_and_do_without(packaged: dict[str, Any]) -> None:
    assert packaged["Parameters"]["CustomerKey"]["Default"] == ""
    for table in resources(packaged, "AWS::DynamoDB::Table").values():
        condition, own, managed = table["SSESpecification"]["Fn::If"]
        assert condition == HAS_KEY
        assert own["KMSMasterKeyId"] == {"Ref": "CustomerKey"}
        assert managed == {"Ref": "AWS::NoValue"}
    for bucket in resources(packaged, "AWS::S3::Bucket").values():
        (rule,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
        condition, own, managed = rule["Fn::If"]
        assert condition == HAS_KEY
        assert own["BucketKeyEnabled"] is True
        assert managed == {"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
        assert bucket["LifecycleConfiguration"]["Rules"]
    use = packaged["Resources"]["CustomerKeyUse"]
    assert use["Condition"] == HAS_KEY
    assert {r["Ref"] for r in use["Properties"]["Roles"]} == {
        template.name_role(name) for name in template.list_functions()
    }


UNKNOWN_PATH = ("MISSING_AUTHENTICATION_TOKEN", "INVALID_SIGNATURE")


@pytest.mark.parametrize("name", UNKNOWN_PATH)
def test_the_gateway_answers_an_unknown_path_as_one_box_does(
    packaged: dict[str, Any], name: str
) -> None:
    """It takes a bearer key on a path that it does not know for a signature of AWS's, and a wrong
    one."""
    definition = packaged["Resources"]["RestAPI"]["Properties"]["DefinitionBody"]
    answer = definition["x-amazon-apigateway-gateway-responses"][name]
    on_one_box = Gateway(app.app).answer_error(
        Request("GET", "/no/such/path"), NotFound(v1.UNKNOWN)
    )
    expected = json.loads(on_one_box.body)
    read = json.loads(answer["responseTemplates"]["application/json"])
    assert {member: read[member] for member in expected} == expected
    assert int(answer["statusCode"]) == on_one_box.status
    content_type = answer["responseParameters"]["gatewayresponse.header.Content-Type"]
    assert content_type.strip("'").startswith(dict(on_one_box.headers)["Content-Type"])


def test_what_the_gateway_answers_itself_is_read_by_callers_of_each_dialect(
    packaged: dict[str, Any],
) -> None:
    definition = packaged["Resources"]["RestAPI"]["Properties"]["DefinitionBody"]
    answers = definition["x-amazon-apigateway-gateway-responses"]
    assert {"MISSING_AUTHENTICATION_TOKEN", "THROTTLED", "DEFAULT_4XX", "DEFAULT_5XX"} <= set(
        answers
    )
    for name, answer in answers.items():
        body = answer["responseTemplates"]["application/json"]
        read = json.loads(body.replace("$context.error.messageString", '"what the gateway says"'))
        if name not in UNKNOWN_PATH:
            assert isinstance(read["code"], int)
            assert read["code"] != 0
        assert read["PERSON_TOKEN_STATUS"] == "1"
        assert read["msg"] == read["ERROR_MSG"] == read["message"] == read["detail"] != ""
        assert re.fullmatch(r"urn:regulars:[A-Z][A-Za-z]+", read["type"])
        assert read.get("status") == (int(answer["statusCode"]) if "statusCode" in answer else None)
        assert re.fullmatch("[A-Z_]+", read["ERROR_CODE"])


def test_the_gateway_compresses_as_one_box_does(packaged: dict[str, Any]) -> None:
    assert packaged["Resources"]["RestAPI"]["Properties"]["MinimumCompressionSize"] == LEAST_BYTES


def test_uploads_reach_the_functions_as_bytes() -> None:
    assert {"multipart/form-data", "application/x-www-form-urlencoded"} <= set(
        app.app.api.binary_types
    )


def test_every_parameter_says_what_it_is_and_stands_in_the_deployers_page(
    packaged: dict[str, Any],
) -> None:
    page = PAGE.read_text(encoding="utf-8")
    for name, parameter in packaged["Parameters"].items():
        assert parameter["Description"]
        assert "Default" in parameter
        documented = "`<Function>Concurrency`" if name.endswith("Concurrency") else f"`{name}`"
        assert documented in page, f"docs/deploy.md does not tell what {name} is"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"Name": "a"}, {"Name": "b"}),
        ({"Queue": {"Ref": "A"}}, {"Queue": {"Fn::GetAtt": ["A", "Arn"]}}),
        ({"Rules": [1]}, {"Rules": [2]}),
    ],
)
def test_parts_that_say_two_things_of_one_are_refused(
    one: dict[str, Any], other: dict[str, Any]
) -> None:
    with pytest.raises(ValueError, match=r"two templates say what Resources\.It\.\w+ is"):
        template.join_templates({"Resources": {"It": one}}, {"Resources": {"It": other}})
