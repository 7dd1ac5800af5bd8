"""Alarms for the operator, and the dashboard to look at when one goes off.

An alarm costs by the metric that it watches. So there is one for each way to fail, and none for the same failure again:
each failed run of build_index is seen, so none watches its dead letters. Without a topic that they are sent to, there
are only those that roll an update back (regulars/deploy).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from chalicelib.api.observability import NAMESPACE
from chalicelib.core.telemetry import FAILURES_BUSY, FAILURES_UNAVAILABLE, FAILURES_UNEXPECTED, JOURNAL_TAIL, SWEEP_AGE

Template = dict[str, Any]

ROLLING_BACK = frozenset({"ApiErrors", "StorageFails", "Unexpected", "CanaryFails"})
"""Alarms that tell of a bad update in time to roll it back."""

TOLD = "HasAlarmTopic"
"""The condition, in functions.yaml, that alarms are sent to somebody."""

_SCHEDULED = ("Watch",)
_SLOW_MS = {"Search": 20_000, "Ingest": 96_000, "BuildIndex": 240_000}
"""Four fifths of a function's time limit (.chalice/config.json): beyond the limit, its work is lost."""

_MINUTE, _HOUR = 60, 3600
_SEEN_BY_ERRORS = "IndexQueue"
_STACK = {"Fn::Sub": "${AWS::StackName}"}
_MAX_AGE_S = 900
_MAX_TAIL = 5_000
_MAX_BUSY = 100
_MAX_SWEEP_AGE_S = 3 * _HOUR


def alarms(storage: Template, functions: Mapping[str, str]) -> Template:
    """Make alarms and the dashboard for a storage's queues, and functions by their names in the template."""
    made = {
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
        **_failure_alarms(),
        **_queue_alarms(storage),
        **{f"{name}Errors": _errors_alarm(name) for name in _SLOW_MS},
        **{f"{name}IsSlow": _slow_alarm(name, slow_ms) for name, slow_ms in _SLOW_MS.items()},
        "CanaryFails": _canary_alarm(),
        **{f"{name}Errors": _schedule_alarm(name) for name in functions.values() if name in _SCHEDULED},
        "SweepIsLate": _alarm(
            "A tenant's hourly sweep has not come to an end for three hours: look into the build_index function's log",
            NAMESPACE,
            SWEEP_AGE,
            {"Stack": _STACK},
            periods=(5 * _MINUTE, 3),
            limit=_MAX_SWEEP_AGE_S,
            statistic="Maximum",
        ),
    }
    told = {
        name: _also_untold(alarm) if name in ROLLING_BACK else {**alarm, "Condition": TOLD}
        for name, alarm in made.items()
    }
    return {"Resources": {**told, "Dashboard": _dashboard(storage, functions)}}


def queues(storage: Template) -> dict[str, str]:
    """Return the queues that functions work off, and the dead-letter queue of each."""
    found = {}
    for name, resource in storage["Resources"].items():
        redrive = resource.get("Properties", {}).get("RedrivePolicy")
        if resource["Type"] == "AWS::SQS::Queue" and redrive:
            found[name] = redrive["deadLetterTargetArn"]["Fn::GetAtt"][0]
    return found


def _failure_alarms() -> Template:
    """Alarms for what the service itself counts: the dialects answer most failures with HTTP 200."""
    log = "filter the logs of api_handler, ingest, deliver and watch by level"
    fails = f"Requests or messages fail since storage does not answer: {log} ERROR"
    fault = f"Requests or messages fail by a fault of the service itself: {log} ERROR, which has the traceback"
    busy = f"Many requests or messages are turned away, since others are at the same thing: {log} WARNING"
    return {
        "StorageFails": _counted_alarm(fails, FAILURES_UNAVAILABLE, periods=2),
        "Unexpected": _counted_alarm(fault, FAILURES_UNEXPECTED, periods=1),
        "Busy": _counted_alarm(busy, FAILURES_BUSY, periods=3, limit=_MAX_BUSY),
    }


def _counted_alarm(about: str, metric: str, *, periods: int, limit: int = 1) -> Template:
    return _alarm(about, NAMESPACE, metric, {"Stack": _STACK}, periods=(5 * _MINUTE, periods), limit=limit)


def _queue_alarms(storage: Template) -> Template:
    made = {}
    for queue, dead_letters in queues(storage).items():
        if queue == _SEEN_BY_ERRORS:
            continue
        made[f"{dead_letters}Arrive"] = _alarm(
            f"Messages of {queue} could not be worked off: see docs/operations.md before they expire in 14 days",
            "AWS/SQS",
            "ApproximateNumberOfMessagesVisible",
            {"QueueName": {"Fn::GetAtt": [dead_letters, "QueueName"]}},
            periods=(5 * _MINUTE, 1),
            limit=1,
            statistic="Maximum",
        )
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


def _errors_alarm(function: str) -> Template:
    """Make the alarm for failed runs. A queue's message comes again after up to half an hour, so it counts an hour."""
    about = f"Two runs of {function} within an hour failed, crashed or took too long: look into its log"
    return _alarm(about, "AWS/Lambda", "Errors", {"FunctionName": {"Ref": function}}, periods=(_HOUR, 1), limit=2)


def _slow_alarm(function: str, slow_ms: int) -> Template:
    return _alarm(
        f"Runs of {function} take {slow_ms // 1000} s, four fifths of their time limit",
        "AWS/Lambda",
        "Duration",
        {"FunctionName": {"Ref": function}},
        periods=(_HOUR, 2),
        limit=slow_ms,
        statistic="Maximum",
    )


def _canary_alarm() -> Template:
    """Make the alarm for a canary that fails or does not run; a run in time has a metric, too: no errors."""
    about = "The stage does not answer a signed search, or the canary does not run: look into the canary's log"
    dimensions = {"FunctionName": {"Ref": "Canary"}}
    periods = (5 * _MINUTE, 2)
    alarm = _alarm(about, "AWS/Lambda", "Errors", dimensions, periods=periods, limit=1, missing="breaching")
    return {**alarm, "Condition": "HasCanary"}


def _schedule_alarm(function: str) -> Template:
    about = f"{function} fails or does not run: what it does for the stores is not done until it succeeds"
    return _alarm(
        about,
        "AWS/Lambda",
        "Errors",
        {"FunctionName": {"Ref": function}},
        periods=(_HOUR, 2),
        limit=1,
        missing="breaching",
    )


def _alarm(
    about: str,
    namespace: str,
    metric: str,
    dimensions: Mapping[str, Any],
    *,
    periods: tuple[int, int],
    limit: float,
    statistic: str = "Sum",
    missing: str = "notBreaching",
) -> Template:
    """Make an alarm for `metric` at `limit` or above in each of `periods`: one's length in seconds, and how many.

    `missing`: how a period without a value counts.
    """
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
            "TreatMissingData": missing,
            "AlarmActions": [{"Ref": "AlarmTopic"}],
        },
    }


def _also_untold(alarm: Template) -> Template:
    actions = {"Fn::If": [TOLD, alarm["Properties"]["AlarmActions"], {"Ref": "AWS::NoValue"}]}
    return {**alarm, "Properties": {**alarm["Properties"], "AlarmActions": actions}}


def _dashboard(storage: Template, functions: Mapping[str, str]) -> Template:
    """Five charts: requests, functions' times and errors, failures, queues. CloudFormation fills in its `${...}`."""
    api = ["AWS/ApiGateway", "Count", "ApiName", "${AWS::StackName}"]
    charts = {
        "Requests": [api, [*api[:1], "4XXError", *api[2:]], [*api[:1], "5XXError", *api[2:]]],
        "Milliseconds a run, 95 of 100": [
            ["AWS/Lambda", "Duration", "FunctionName", f"${{{name}}}", {"stat": "p95"}] for name in functions.values()
        ],
        "Runs that failed": [["AWS/Lambda", "Errors", "FunctionName", f"${{{name}}}"] for name in functions.values()],
        "Failures": [
            [NAMESPACE, metric, "Stack", "${AWS::StackName}"]
            for metric in (FAILURES_UNAVAILABLE, FAILURES_UNEXPECTED, FAILURES_BUSY)
        ],
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
