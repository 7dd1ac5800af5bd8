"""Logs and metrics of invocations: a JSON line for each log record, and one for each invocation.

In Lambda an invocation's line contains CloudWatch's embedded metrics ("Embedded metric format
specification"), so that a metric costs no call. One box writes the same lines without them
(regulars/serve/logs.py). A line has names of ours, counts, the id of the key that called and the
address that it called from: no picture, template, secret or name of a person is ever in it.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, TextIO

from chalicelib import telemetry
from chalicelib.telemetry import NAMESPACE, SEARCH_MS, UNITS, Invocation, log_failure

Next = Callable[[Any], Any]
Tell = Callable[[Invocation, Mapping[str, float], float], None]
"""Is told of an invocation at its end, with its stages and its whole time in milliseconds."""


def make_observer(
    environ: Mapping[str, str], out: TextIO | None = None
) -> Callable[[Any, Next], Any]:
    """Make the Chalice middleware for all handlers.

    `out`: receives the lines; None: standard output.
    """
    function = environ.get("AWS_LAMBDA_FUNCTION_NAME")
    if not function:
        return _answer_on_box
    stack = environ.get("REGULARS_TABLE_PREFIX", "").removesuffix("-")
    memory = {"mb": int(mb)} if (mb := environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")) else {}

    def observe_event(event: Any, answer: Next) -> Any:
        """Answer an event of Lambda, and write the lines about it: route, status, times, and its
        failure.

        `event`: a request, or a call by a queue or a schedule, which has no route. Raises what the
        answer raises.
        """
        # Lambda's id of the request, which is also in Lambda's own log lines of the invocation.
        lambda_context = event.lambda_context if hasattr(event, "lambda_context") else event.context
        request_id = str(getattr(lambda_context, "aws_request_id", ""))
        with observe_invocation(tell, function, request_id) as invocation:
            response = None
            try:
                response = answer(event)
                return response
            except Exception as error:
                log_failure(error, f"{function} failed")  # AWS counts it
                raise
            finally:
                if hasattr(event, "lambda_context"):
                    telemetry.of_route(event.method, event.context.get("resourcePath", ""))
                    invocation.status = getattr(response, "status_code", 500)

    def tell(invocation: Invocation, stages: Mapping[str, float], ms: float) -> None:
        line = (
            _embed_metrics(invocation, stack, stages)
            | describe_invocation(invocation, stages, ms)
            | memory
        )
        (out or sys.stdout).write(f"{json.dumps(line, separators=(',', ':'))}\n")

    return observe_event


@contextmanager
def observe_invocation(tell: Tell, function: str, request_id: str) -> Iterator[Invocation]:
    """Observe the work inside as one invocation, and report it to `tell` at the end, even if it
    fails."""
    began = time.perf_counter()
    with (
        telemetry.begin_invocation(function, request_id) as invocation,
        telemetry.collect_stages() as stages,
    ):
        try:
            yield invocation
        finally:
            tell(invocation, stages, (time.perf_counter() - began) * 1000)


def _answer_on_box(event: Any, answer: Next) -> Any:
    """Answer on one box: its server observes the work; else it is at least counted as its
    tenant's."""
    if telemetry.current() is not None:
        return answer(event)
    with telemetry.begin_invocation("box", ""):
        return answer(event)


def log_as_json(environ: Mapping[str, str], root: logging.Logger | None = None) -> None:
    """Make the log handlers that Lambda's runtime has set up write JSON; outside of Lambda do
    nothing."""
    if environ.get("AWS_LAMBDA_FUNCTION_NAME"):
        root = root or logging.getLogger()
        root.setLevel(logging.INFO)
        for handler in root.handlers:
            handler.setFormatter(JsonLines())


class JsonLines(logging.Formatter):
    """A formatter that writes one line for each record, with its invocation."""

    def format(self, record: logging.LogRecord) -> str:
        """Write a record as one line of JSON, with the request that it is of."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= getattr(record, "line", {})
        invocation = telemetry.current()
        if invocation is not None:
            line |= _name_origin(invocation)
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n"


def describe_invocation(
    invocation: Invocation, stages: Mapping[str, float], ms: float
) -> dict[str, Any]:
    """Describe an invocation by its names, times and counts."""
    rounded = {name: round(stage_ms, 1) for name, stage_ms in stages.items()}
    line = {
        **_name_origin(invocation),
        "ms": round(ms, 1),
        **({"stages_ms": rounded} if rounded else {}),
    }
    error = None if invocation.error == invocation.code else invocation.error
    request = {
        "route": invocation.route,
        "status": invocation.status,
        "code": invocation.code,
        "error": error,
    }
    return (
        line
        | {name: value for name, value in request.items() if value is not None}
        | _collect_metrics(invocation, stages)
    )


def _collect_metrics(invocation: Invocation, stages: Mapping[str, float]) -> dict[str, float]:
    searched = {SEARCH_MS: round(stages["search"], 1)} if "search" in stages else {}
    return invocation.measured | searched


def _embed_metrics(
    invocation: Invocation, stack: str, stages: Mapping[str, float]
) -> dict[str, Any]:
    """Return what makes CloudWatch take metrics from a line."""
    measured = _collect_metrics(invocation, stages)
    if not measured:
        return {}
    metrics = [{"Name": name, "Unit": UNITS[name]} for name in measured]
    directive = {"Namespace": NAMESPACE, "Dimensions": [["Stack"]], "Metrics": metrics}
    about = {"Timestamp": int(time.time() * 1000), "CloudWatchMetrics": [directive]}
    return {"_aws": about, "Stack": stack}


def _name_origin(invocation: Invocation) -> dict[str, str]:
    """Return what is known of an invocation: its function, request, tenant, caller and sender's
    address."""
    origin = {
        "function": invocation.function,
        "request_id": invocation.request_id,
        "tenant": invocation.tenant,
        "caller": invocation.caller,
        "address": invocation.address,
    }
    return {name: value for name, value in origin.items() if value is not None}
