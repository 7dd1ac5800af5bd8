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

ROLLING_BACK = frozenset({"ApiErrors", "UrlErrors", "StorageFails", "Unexpected", "CanaryFails"})
"""Alarms that tell of a bad update in time to roll it back."""

TOLD = "HasAlarmTopic"
"""The condition, in functions.yaml, that alarms are sent to somebody."""

_SCHEDULED = ("Watch",)
_SLOW_MS = {"Search": 20_000, "Ingest": 96_000}
"""Four fifths of a function's time limit (.chalice/config.json): beyond the limit, its work is lost. Not of
build_index, whose chores stop in time (core/chores)."""

_MOST_RUNS = 50_000
"""Runs of build_index in an hour: twice those of a night of 1,000 tenants (lab: bench/chores.py). It may send itself
messages (RecursiveLoop), so Lambda stops no chain of them that has no end."""

_MINUTE, _HOUR = 60, 3600
_SEEN_BY_ERRORS = "IndexQueue"
_STACK = {"Fn::Sub": "${AWS::StackName}"}
_MAX_AGE_S = 900
_MAX_TAIL = 5_000
_MAX_BUSY = 100
_MOST_ERRORS = 3
"""Answers of 5XX in five minutes: one dialect's busy is 503, as its clients know it, and a service at work has some."""
_MAX_SWEEP_AGE_S = 3 * _HOUR


def alarms(storage: Template, functions: Mapping[str, str]) -> Template:
    """Make alarms and the dashboard for a storage's queues, and functions by their names in the template."""
    made = {
        "ApiErrors": _alarm(
            "The API answers with server errors: look into the api function's log",
            ("AWS/ApiGateway", "5XXError"),
            {"ApiName": _STACK, "Stage": "api"},
            periods=(5 * _MINUTE, 1),
            limit=_MOST_ERRORS,
        ),
        "UrlErrors": _function_alarm(
            "The address of cameras and Rekognition's clients fails: look into the api function's log",
            "Url5xxCount",
            "APIHandler",
            periods=(5 * _MINUTE, 1),
            limit=_MOST_ERRORS,
        ),
        "Throttles": _function_alarm(
            "Calls of the API are turned away: raise the account's concurrency limit, or APIHandlerConcurrency",
            "Throttles",
            "APIHandler",
            periods=(5 * _MINUTE, 3),
        ),
        "JournalTailIsLong": _own_alarm(
            "A gallery's snapshot falls behind: searches get slower. Look into the build_index function's log",
            JOURNAL_TAIL,
            periods=(_HOUR, 2),
            most=_MAX_TAIL,
        ),
        **_failure_alarms(),
        **_queue_alarms(storage),
        **{f"{name}Errors": _errors_alarm(name) for name in (*_SLOW_MS, "BuildIndex")},
        **{f"{name}IsSlow": _slow_alarm(name, slow_ms) for name, slow_ms in _SLOW_MS.items()},
        "BuildIndexLoops": _function_alarm(
            f"BuildIndex ran {_MOST_RUNS:,} times in an hour: a chore may send itself messages without end",
            "Invocations",
            "BuildIndex",
            periods=(_HOUR, 1),
            limit=_MOST_RUNS,
        ),
        "CanaryFails": _canary_alarm(),
        **{f"{name}Errors": _schedule_alarm(name) for name in functions.values() if name in _SCHEDULED},
        "SweepIsLate": _own_alarm(
            "A tenant's hourly sweep has not come to an end for three hours: look into the build_index function's log",
            SWEEP_AGE,
            periods=(5 * _MINUTE, 3),
            most=_MAX_SWEEP_AGE_S,
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
        "StorageFails": _own_alarm(fails, FAILURES_UNAVAILABLE, periods=(5 * _MINUTE, 2)),
        "Unexpected": _own_alarm(fault, FAILURES_UNEXPECTED, periods=(5 * _MINUTE, 1)),
        "Busy": _own_alarm(busy, FAILURES_BUSY, periods=(5 * _MINUTE, 3), limit=_MAX_BUSY),
    }


def _queue_alarms(storage: Template) -> Template:
    made = {}
    for queue, dead_letters in queues(storage).items():
        if queue == _SEEN_BY_ERRORS:
            continue
        made[f"{dead_letters}Arrive"] = _queue_alarm(
            f"Messages of {queue} could not be worked off: see docs/operations.md before they expire in 14 days",
            "ApproximateNumberOfMessagesVisible",
            dead_letters,
            periods=(5 * _MINUTE, 1),
            most=1,
        )
        made[f"{queue}IsLate"] = _queue_alarm(
            f"A message has waited in {queue} for {_MAX_AGE_S // 60} minutes: its function fails, or cannot keep up",
            "ApproximateAgeOfOldestMessage",
            queue,
            periods=(5 * _MINUTE, 3),
            most=_MAX_AGE_S,
        )
    return made


def _errors_alarm(function: str) -> Template:
    """Make the alarm for failed runs. A queue's message comes again after up to half an hour, so it counts an hour."""
    about = f"Two runs of {function} within an hour failed, crashed or took too long: look into its log"
    return _function_alarm(about, "Errors", function, periods=(_HOUR, 1), limit=2)


def _slow_alarm(function: str, slow_ms: int) -> Template:
    about = f"Runs of {function} take {slow_ms // 1000} s, four fifths of their time limit"
    return _function_alarm(about, "Duration", function, periods=(_HOUR, 2), most=slow_ms)


def _canary_alarm() -> Template:
    """Make the alarm for a canary that fails or does not run; a run in time has a metric, too: no errors."""
    about = "The stage does not answer a signed search, or the canary does not run: look into the canary's log"
    alarm = _function_alarm(about, "Errors", "Canary", periods=(5 * _MINUTE, 2), missing="breaching")
    return {**alarm, "Condition": "HasCanary"}


def _schedule_alarm(function: str) -> Template:
    about = f"{function} fails or does not run: what it does for the stores is not done until it succeeds"
    return _function_alarm(about, "Errors", function, periods=(_HOUR, 2), missing="breaching")


def _own_alarm(about: str, metric: str, **rule: Any) -> Template:
    return _alarm(about, (NAMESPACE, metric), {"Stack": _STACK}, **rule)


def _function_alarm(about: str, metric: str, function: str, **rule: Any) -> Template:
    return _alarm(about, ("AWS/Lambda", metric), {"FunctionName": {"Ref": function}}, **rule)


def _queue_alarm(about: str, metric: str, queue: str, **rule: Any) -> Template:
    return _alarm(about, ("AWS/SQS", metric), {"QueueName": {"Fn::GetAtt": [queue, "QueueName"]}}, **rule)


def _alarm(
    about: str,
    metric: tuple[str, str],
    dimensions: Mapping[str, Any],
    *,
    periods: tuple[int, int],
    limit: float = 1,
    most: float | None = None,
    missing: str = "notBreaching",
) -> Template:
    """Make an alarm for a metric (its namespace and name) in each of `periods`: one's length in s, and how many.

    It goes off if the values of a period add up to `limit` or more; or if `most` is given, at a value from that on.
    `missing`: how a period without a value counts.
    """
    (namespace, measure), (seconds, count) = metric, periods
    return {
        "Type": "AWS::CloudWatch::Alarm",
        "Properties": {
            "AlarmDescription": about,
            "Namespace": namespace,
            "MetricName": measure,
            "Dimensions": [{"Name": name, "Value": value} for name, value in dimensions.items()],
            "Statistic": "Sum" if most is None else "Maximum",
            "Period": seconds,
            "EvaluationPeriods": count,
            "Threshold": limit if most is None else most,
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
