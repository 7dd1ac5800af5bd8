"""What tells an operator that something is wrong, and the page to look at then.

An alarm costs by the metric that it watches, so there is one for each way to fail and none that says it again: a
queue's function that fails shows in the queue's age and in its dead letters, a function that the API calls shows there.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

Template = dict[str, Any]

NAMESPACE = "Regulars"
JOURNAL_TAIL = "JournalTail"
"""The metric, of the namespace above, that the functions write: changes of a gallery behind its newest snapshot."""

_SCHEDULED = ("Sweep", "Watch")
_MINUTE, _HOUR = 60, 3600
_TOLD_BY_THE_TAIL = "IndexQueue"
_STACK = {"Fn::Sub": "${AWS::StackName}"}
_MAX_AGE_S = 900
_MAX_TAIL = 5_000


def alarms(storage: Template, functions: Mapping[str, str]) -> Template:
    """Parameters, alarms and the dashboard for a storage's queues, and functions by their names in the template."""
    resources = {
        "ApiErrors": _alarm(
            "The API answers with server errors: look into the api function's log",
            "AWS/ApiGateway",
            "5XXError",
            {"ApiName": _STACK, "Stage": "api"},
            periods=(5 * _MINUTE, 1),
            limit=1,
        ),
        "Throttles": _alarm(
            "Functions of this account and region are turned away: raise the concurrency limit, or what is reserved",
            "AWS/Lambda",
            "Throttles",
            {},
            periods=(5 * _MINUTE, 3),
            limit=1,
        ),
        "JournalTailIsLong": _alarm(
            "A gallery's snapshot falls behind: searches get slower. Look into the build_index function's log",
            NAMESPACE,
            JOURNAL_TAIL,
            {"Stack": _STACK},
            periods=(_HOUR, 2),
            limit=_MAX_TAIL,
            statistic="Maximum",
        ),
        **_queue_alarms(storage),
        **{f"{name}Errors": _schedule_alarm(name) for name in functions.values() if name in _SCHEDULED},
        "Dashboard": _dashboard(storage, functions),
    }
    topic = {
        "Type": "String",
        "Default": "",
        "Description": "ARN of an SNS topic that alarms are sent to; empty sends them nowhere",
    }
    return {
        "Parameters": {"AlarmTopic": topic},
        "Conditions": {"HasAlarmTopic": {"Fn::Not": [{"Fn::Equals": [{"Ref": "AlarmTopic"}, ""]}]}},
        "Resources": resources,
    }


def queues(storage: Template) -> dict[str, str]:
    """Return the queues that functions work off, and the dead-letter queue of each."""
    found = {}
    for name, resource in storage["Resources"].items():
        redrive = resource.get("Properties", {}).get("RedrivePolicy")
        if resource["Type"] == "AWS::SQS::Queue" and redrive:
            found[name] = redrive["deadLetterTargetArn"]["Fn::GetAtt"][0]
    return found


def _queue_alarms(storage: Template) -> Template:
    made = {}
    for queue, dead_letters in queues(storage).items():
        made[f"{dead_letters}Arrive"] = _alarm(
            f"Messages of {queue} could not be worked off: see docs/operations.md before they expire in 14 days",
            "AWS/SQS",
            "ApproximateNumberOfMessagesVisible",
            {"QueueName": {"Fn::GetAtt": [dead_letters, "QueueName"]}},
            periods=(5 * _MINUTE, 1),
            limit=1,
            statistic="Maximum",
        )
        if queue == _TOLD_BY_THE_TAIL:
            continue
        made[f"{queue}IsLate"] = _alarm(
            f"A message has waited in {queue} for {_MAX_AGE_S // 60} minutes: its function fails, or cannot keep up",
            "AWS/SQS",
            "ApproximateAgeOfOldestMessage",
            {"QueueName": {"Fn::GetAtt": [queue, "QueueName"]}},
            periods=(5 * _MINUTE, 3),
            limit=_MAX_AGE_S,
            statistic="Maximum",
        )
    return made


def _schedule_alarm(function: str) -> Template:
    about = f"{function} fails: what it does for the stores is not done until it succeeds"
    return _alarm(about, "AWS/Lambda", "Errors", {"FunctionName": {"Ref": function}}, periods=(_HOUR, 2), limit=1)


def _alarm(
    about: str,
    namespace: str,
    metric: str,
    dimensions: Mapping[str, Any],
    *,
    periods: tuple[int, int],
    limit: float,
    statistic: str = "Sum",
) -> Template:
    """Make an alarm for `metric` at `limit` or above in each of `periods`: one's length in seconds, and how many."""
    seconds, count = periods
    return {
        "Type": "AWS::CloudWatch::Alarm",
        "Properties": {
            "AlarmDescription": about,
            "Namespace": namespace,
            "MetricName": metric,
            "Dimensions": [{"Name": name, "Value": value} for name, value in dimensions.items()],
            "Statistic": statistic,
            "Period": seconds,
            "EvaluationPeriods": count,
            "Threshold": limit,
            "ComparisonOperator": "GreaterThanOrEqualToThreshold",
            "TreatMissingData": "notBreaching",
            "AlarmActions": {"Fn::If": ["HasAlarmTopic", [{"Ref": "AlarmTopic"}], {"Ref": "AWS::NoValue"}]},
        },
    }


def _dashboard(storage: Template, functions: Mapping[str, str]) -> Template:
    """Four charts: requests, functions' times and errors, queues. `${...}` in its text is CloudFormation's."""
    api = ["AWS/ApiGateway", "Count", "ApiName", "${AWS::StackName}"]
    charts = {
        "Requests": [api, [*api[:1], "4XXError", *api[2:]], [*api[:1], "5XXError", *api[2:]]],
        "Milliseconds a run, 95 of 100": [
            ["AWS/Lambda", "Duration", "FunctionName", f"${{{name}}}", {"stat": "p95"}] for name in functions.values()
        ],
        "Runs that failed": [["AWS/Lambda", "Errors", "FunctionName", f"${{{name}}}"] for name in functions.values()],
        "Age of the oldest message, seconds": [
            ["AWS/SQS", "ApproximateAgeOfOldestMessage", "QueueName", f"${{{name}.QueueName}}", {"stat": "Maximum"}]
            for name in queues(storage)
        ],
    }
    widgets = [
        {
            "type": "metric",
            "x": 12 * (number % 2),
            "y": 6 * (number // 2),
            "width": 12,
            "height": 6,
            "properties": {
                "title": title,
                "region": "${AWS::Region}",
                "stat": "Sum",
                "period": 300,
                "metrics": metrics,
            },
        }
        for number, (title, metrics) in enumerate(charts.items())
    ]
    body = {"Fn::Sub": json.dumps({"widgets": widgets})}
    return {
        "Type": "AWS::CloudWatch::Dashboard",
        "Properties": {"DashboardName": _STACK, "DashboardBody": body},
    }
