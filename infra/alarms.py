"""Alarms for the operator, and the dashboard to look at when one goes off.

An alarm costs by the metric that it watches. So there is one for each way to fail, and none for the
same failure again: each failed run of build_index is seen, so none watches its dead letters.
Without a topic that they are sent to, there are only those that roll an update back
(regulars/deploy).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from chalicelib.telemetry import (
    FAILURES_BUSY,
    FAILURES_UNAVAILABLE,
    FAILURES_UNEXPECTED,
    JOURNAL_TAIL,
    NAMESPACE,
    SEARCH_MS,
    SNAPSHOT_MEMORY,
    STUCK_AGE,
    SWEEP_AGE,
)
from infra.storage import QUEUES

Template = dict[str, Any]

ROLLING_BACK = frozenset({"ApiErrors", "UrlErrors", "StorageFails", "Unexpected", "CanaryFails"})
"""Alarms that tell of a bad update in time to roll it back."""

HAS_TOPIC = "HasAlarmTopic"
"""The condition, in functions.yaml, that alarms are sent to somebody."""

_SCHEDULED = ("Canary", "Watch")
"""Functions that fail if they do not run, too: a run in time has a metric, of no errors."""

_SLOW_MS = {"Ingest": 96_000}
"""Four fifths of a function's time limit (.chalice/config.json): beyond the limit, its work is
lost. Not of build_index, whose jobs stop in time (domain/jobs)."""

_SEARCH = "Search"
_SLOW_SEARCH_MS = 20_000
"""Four fifths of a search function's time limit, which the functions that call them wait: one
metric for all."""

_MOST_RUNS = 50_000
"""Runs of build_index in an hour: twice those of a night of 1,000 tenants (lab: bench/jobs.py). It
may send itself messages (RecursiveLoop), so Lambda stops no chain of them that has no end."""

_5_MIN, _HOUR = 5 * 60, 3600
"""Periods of metrics, in s."""
_SEEN_BY_ERRORS = "Index"
"""The queue of which each failed run has an alarm: its dead letters need none."""
_STACK = {"Fn::Sub": "${AWS::StackName}"}
_MAX_AGE_S = 900
"""Age of a queue's oldest message, in s, that raises an alarm."""
_MAX_TAIL = 5_000
"""Changes behind the newest snapshot that raise an alarm: the next sweep should have written
one."""
_MOST_SNAPSHOT_MEMORY = 80
"""Per cent of build_index's memory that a snapshot takes, from which an alarm is raised."""
_MAX_BUSY = 100
"""Answers in five minutes that said "busy", from which an alarm is raised."""
_MOST_ERRORS = 3
"""Answers of 5XX in five minutes: one dialect's busy is 503, as its clients know it, and a service
at work has some."""
_MAX_SWEEP_AGE_S = 3 * _HOUR
"""Age of the last sweep that raises an alarm, in s: it runs each hour, so two were missed."""

_GATEWAY, _LAMBDA, _API = "AWS/ApiGateway", "AWS/Lambda", "APIHandler"
_AGE, _WAITING = "ApproximateAgeOfOldestMessage", "ApproximateNumberOfMessagesVisible"
_GAUGES = {
    JOURNAL_TAIL,
    SEARCH_MS,
    SNAPSHOT_MEMORY,
    STUCK_AGE,
    SWEEP_AGE,
    _AGE,
    _WAITING,
    "Duration",
}
"""Metrics of which a period's largest value counts; of the others their sum."""

_LOG = "filter the logs of api_handler, ingest, deliver and watch by level"
_SAYS = {
    "ApiErrors": "The API answers with server errors: look into the api function's log",
    "UrlErrors": "The address of cameras and of clients that sign as for AWS fails: look into the "
    "api function's log",
    "Throttles": "Calls of the API are turned away: raise the account's concurrency limit, or "
    "APIHandlerConcurrency",
    "JournalTailIsLong": "A gallery's snapshot falls behind: searches get slower. Look into the "
    "build_index function's "
    "log",
    "SnapshotIsLarge": f"A gallery's snapshot takes {_MOST_SNAPSHOT_MEMORY} % of the build_index "
    "function's memory: raise BuildIndexMemory before there is too little",
    "StorageFails": f"Requests or messages fail since storage does not answer: {_LOG} ERROR",
    "Unexpected": f"Requests or messages fail by a fault of the service itself: {_LOG} ERROR, "
    "which has the traceback",
    "Busy": "Many requests or messages are turned away, since others are at the same thing: "
    f"{_LOG} WARNING",
    "BuildIndexLoops": f"BuildIndex ran {_MOST_RUNS:,} times in an hour: a job may send itself "
    "messages without end",
    "CanaryFails": "The stage does not answer a signed search, or the canary does not run: look "
    "into the canary's log",
    "WatchErrors": "Watch fails or does not run: what it does for the stores is not done until it "
    "succeeds",
    "CapturesAreStuck": "Captures are neither resolved nor will be: S3's events do not come, "
    "ingest fails again and "
    "again, or a camera sends what nobody can read (`regulars call list-captures --state "
    "parked`). Look into the ingest function's log",
    "SearchIsSlow": f"A request or message waits {_SLOW_SEARCH_MS // 1000} s for its searches, "
    "four fifths of a search "
    "function's time limit",
    "SweepIsLate": "A tenant's hourly sweep has not come to an end for three hours: look into the "
    "build_index "
    "function's log",
}
_PARKED = "Messages of {} could not be worked off: see docs/stage.md before they expire in 14 days"
_LATE = (
    f"A message has waited in {{}} for {_MAX_AGE_S // 60} minutes: its function does not run, "
    "or cannot keep up"
)
"""What was received three times does not count in this age, so it tells of no message that
fails."""
_FAILED = "Two runs of {} within an hour failed, crashed or took too long: look into its log"
_SLOW = "Runs of {} take {} s, four fifths of their time limit"


def make_alarms(functions: Iterable[str], search_functions: Sequence[str]) -> Template:
    """Make alarms for functions and queues, and the dashboard of these functions, by their names in
    the template.

    One alarm counts the errors of all `search_functions`. The service counts failures itself: the
    dialects answer most with HTTP 200. A queue's message comes again after up to half an hour, so
    failed runs are counted for an hour.
    """
    named_alarms = [
        _make_alarm("ApiErrors", _GATEWAY, "5XXError", _5_MIN, count=1, threshold=_MOST_ERRORS),
        _make_alarm("UrlErrors", _API, "Url5xxCount", _5_MIN, count=1, threshold=_MOST_ERRORS),
        _make_alarm("Throttles", _API, "Throttles", _5_MIN, count=3),
        _make_alarm(
            "JournalTailIsLong", NAMESPACE, JOURNAL_TAIL, _HOUR, count=2, threshold=_MAX_TAIL
        ),
        _make_alarm(
            "SnapshotIsLarge",
            NAMESPACE,
            SNAPSHOT_MEMORY,
            _HOUR,
            count=1,
            threshold=_MOST_SNAPSHOT_MEMORY,
        ),
        _make_alarm("StorageFails", NAMESPACE, FAILURES_UNAVAILABLE, _5_MIN, count=2),
        _make_alarm("Unexpected", NAMESPACE, FAILURES_UNEXPECTED, _5_MIN, count=1),
        _make_alarm("Busy", NAMESPACE, FAILURES_BUSY, _5_MIN, count=3, threshold=_MAX_BUSY),
        _make_alarm(
            "BuildIndexLoops", "BuildIndex", "Invocations", _HOUR, count=1, threshold=_MOST_RUNS
        ),
        _make_alarm("CanaryFails", "Canary", "Errors", _5_MIN, count=2),
        _make_alarm("WatchErrors", "Watch", "Errors", _HOUR, count=2),
        _make_alarm("CapturesAreStuck", NAMESPACE, STUCK_AGE, _5_MIN, count=2),
        _make_alarm(
            "SweepIsLate", NAMESPACE, SWEEP_AGE, _5_MIN, count=3, threshold=_MAX_SWEEP_AGE_S
        ),
        _make_alarm(
            "SearchIsSlow", NAMESPACE, SEARCH_MS, _HOUR, count=2, threshold=_SLOW_SEARCH_MS
        ),
    ]
    for name in QUEUES:
        if name != _SEEN_BY_ERRORS:
            named_alarms += _make_queue_alarms(f"{name}Queue", f"{name}DeadLetters")
    for function in (_SEARCH, *_SLOW_MS, "BuildIndex"):
        text = _FAILED.format(function)
        alarm = _make_alarm(
            f"{function}Errors", function, "Errors", _HOUR, count=1, threshold=2, description=text
        )
        named_alarms.append(_add_up(*alarm, search_functions) if function == _SEARCH else alarm)
    for function, ms in _SLOW_MS.items():
        text = _SLOW.format(function, ms // 1000)
        alarm = _make_alarm(
            f"{function}IsSlow",
            function,
            "Duration",
            _HOUR,
            count=2,
            threshold=ms,
            description=text,
        )
        named_alarms.append(alarm)
    return {"Resources": {**dict(named_alarms), "Dashboard": _make_dashboard(functions)}}


def _make_queue_alarms(queue: str, parked: str) -> Iterator[tuple[str, Template]]:
    """Make the alarms of a queue whose messages wait too long, and of the one that has its dead
    letters (`parked`)."""
    text = _PARKED.format(queue)
    yield _make_alarm(
        f"{parked}Arrive", parked, _WAITING, _5_MIN, count=1, threshold=1, description=text
    )
    text = _LATE.format(queue)
    yield _make_alarm(
        f"{queue}IsLate", queue, _AGE, _5_MIN, count=3, threshold=_MAX_AGE_S, description=text
    )


def _make_alarm(
    name: str,
    source: str,
    metric: str,
    seconds: int,
    *,
    count: int,
    threshold: float = 1,
    description: str = "",
) -> tuple[str, Template]:
    """Return the name of an alarm, and the alarm, which goes off if a metric reaches `threshold`.

    It has to do so in `count` periods of `seconds` in a row. `source`: the namespace, function or
    queue whose metric it is. `description`: the text in which people read what to do; "": the one
    in _SAYS. A stack without a topic for alarms has only those that roll a deployment back
    (ROLLING_BACK).
    """
    properties = {
        "AlarmDescription": description or _SAYS[name],
        **_make_metric_source(source),
        "MetricName": metric,
        "Statistic": "Maximum" if metric in _GAUGES else "Sum",
        "Period": seconds,
        "EvaluationPeriods": count,
        "Threshold": threshold,
        "ComparisonOperator": "GreaterThanOrEqualToThreshold",
        "TreatMissingData": "breaching" if source in _SCHEDULED else "notBreaching",
        "AlarmActions": [{"Ref": "AlarmTopic"}],
    }
    condition: Template = {"Condition": HAS_TOPIC}
    if name in ROLLING_BACK:
        properties["AlarmActions"] = {
            "Fn::If": [HAS_TOPIC, properties["AlarmActions"], {"Ref": "AWS::NoValue"}]
        }
        condition = {"Condition": "HasCanary"} if source == "Canary" else {}
    return name, {"Type": "AWS::CloudWatch::Alarm", **condition, "Properties": properties}


def _add_up(name: str, alarm: Template, functions: Sequence[str]) -> tuple[str, Template]:
    """Let an alarm look at the sum of its metric over functions.

    AWS takes ten metrics an alarm, and charges each.
    """
    one = {
        key: alarm["Properties"].pop(key)
        for key in ("Namespace", "Dimensions", "MetricName", "Statistic", "Period")
    }
    metrics = [
        {
            "Id": f"of_{function.lower()}",
            "MetricStat": {
                "Metric": {
                    "Namespace": one["Namespace"],
                    "MetricName": one["MetricName"],
                    "Dimensions": [{"Name": "FunctionName", "Value": {"Ref": function}}],
                },
                "Period": one["Period"],
                "Stat": one["Statistic"],
            },
            "ReturnData": False,
        }
        for function in functions
    ]
    total = {
        "Id": "total",
        "Expression": "SUM(METRICS())",
        "Label": one["MetricName"],
        "ReturnData": True,
    }
    alarm["Properties"]["Metrics"] = [*metrics, total]
    return name, alarm


def _make_metric_source(source: str) -> Template:
    dimensions: Template = {"FunctionName": {"Ref": source}}
    namespace = _LAMBDA
    if source in (_GATEWAY, NAMESPACE):
        namespace = source
        dimensions = (
            {"ApiName": _STACK, "Stage": "api"} if source == _GATEWAY else {"Stack": _STACK}
        )
    elif source.endswith(("Queue", "DeadLetters")):
        namespace, dimensions = "AWS/SQS", {"QueueName": {"Fn::GetAtt": [source, "QueueName"]}}
    pairs = [{"Name": name, "Value": value} for name, value in dimensions.items()]
    return {"Namespace": namespace, "Dimensions": pairs}


def _make_dashboard(functions: Iterable[str]) -> Template:
    """Make a dashboard of five charts: requests, functions' times and errors, failures, queues.

    CloudFormation fills in its `${...}`.
    """

    def make_lines(
        namespace: str, metrics: Iterable[str], dimension: str, names: Iterable[str], **options: str
    ) -> list[Any]:
        metrics_and_names = [(metric, name) for metric in metrics for name in names]
        return [
            [namespace, metric, dimension, f"${{{name}}}", *([options] if options else [])]
            for metric, name in metrics_and_names
        ]

    stack, queues = ["AWS::StackName"], [f"{name}Queue.QueueName" for name in QUEUES]
    failures = (FAILURES_UNAVAILABLE, FAILURES_UNEXPECTED, FAILURES_BUSY)
    charts = {
        "Requests": make_lines(_GATEWAY, ("Count", "4XXError", "5XXError"), "ApiName", stack),
        "Milliseconds a run, 95 of 100": make_lines(
            _LAMBDA, ["Duration"], "FunctionName", functions, stat="p95"
        ),
        "Runs that failed": make_lines(_LAMBDA, ["Errors"], "FunctionName", functions),
        "Failures": make_lines(NAMESPACE, failures, "Stack", stack),
        "Age of the oldest message, seconds": make_lines(
            "AWS/SQS", [_AGE], "QueueName", queues, stat="Maximum"
        ),
    }
    shared = {"region": "${AWS::Region}", "stat": "Sum", "period": 300}
    widgets = [
        {"type": "metric", "x": 12 * (number % 2), "y": 6 * (number // 2), "width": 12, "height": 6}
        | {"properties": {"title": title, **shared, "metrics": metrics}}
        for number, (title, metrics) in enumerate(charts.items())
    ]
    body = {"Fn::Sub": json.dumps({"widgets": widgets})}
    return {
        "Type": "AWS::CloudWatch::Dashboard",
        "Properties": {"DashboardName": _STACK, "DashboardBody": body},
    }
