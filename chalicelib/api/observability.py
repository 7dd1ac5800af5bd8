"""Logs and metrics of the functions in Lambda: a JSON line for each log record, and one for each invocation.

An invocation's line contains CloudWatch's embedded metrics ("Embedded metric format specification"), so that a metric
costs no call. It has names and counts only: no picture, template or secret is ever in a line. On one box this module
does nothing.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, TextIO

from chalicelib.core import telemetry
from chalicelib.core.failures import log_failure
from chalicelib.core.telemetry import SEARCH_MS, UNITS, Invocation

NAMESPACE = "Regulars"
"""Namespace of the metrics. Their only dimension is the stack, since AWS charges for each further one."""

Next = Callable[[Any], Any]


def observer(environ: Mapping[str, str], out: TextIO | None = None) -> Callable[[Any, Next], Any]:
    """Make the Chalice middleware for all handlers. `out`: receives the lines; None: standard output."""
    function = environ.get("AWS_LAMBDA_FUNCTION_NAME")
    if not function:
        return _attributed
    stack = environ.get("REGULARS_TABLE_PREFIX", "").removesuffix("-")

    def observed(event: Any, answer: Next) -> Any:
        began, response = time.perf_counter(), None
        with telemetry.begun(function, _request_id(event)) as this, telemetry.collected() as stages:
            try:
                response = answer(event)
                return response
            except Exception as error:
                log_failure(error, f"{function} failed")  # AWS counts it
                raise
            finally:
                ms = (time.perf_counter() - began) * 1000
                line = _line(this, stack, stages, ms) | _of_request(this, event, response)
                (out or sys.stdout).write(f"{json.dumps(line, separators=(',', ':'))}\n")

    return observed


def _attributed(event: Any, answer: Next) -> Any:
    """Answer on one box: nothing is written, but the work is counted as its tenant's (vision/cpu_slots.py)."""
    if telemetry.current() is not None:
        return answer(event)
    with telemetry.begun("box", ""):
        return answer(event)


def log_as_json(environ: Mapping[str, str], root: logging.Logger | None = None) -> None:
    """Make the log handlers that Lambda's runtime has set up write JSON; outside of Lambda do nothing."""
    if environ.get("AWS_LAMBDA_FUNCTION_NAME"):
        root = root or logging.getLogger()
        root.setLevel(logging.INFO)
        for handler in root.handlers:
            handler.setFormatter(JsonLines())


class JsonLines(logging.Formatter):
    """A formatter that writes one line for each record, with its invocation."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        this = telemetry.current()
        if this is not None:
            line |= _whose(this)
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n"


def _line(this: Invocation, stack: str, stages: Mapping[str, float], ms: float) -> dict[str, Any]:
    rounded = {name: round(stage_ms, 1) for name, stage_ms in stages.items()}
    line = {**_whose(this), "ms": round(ms, 1), **({"stages_ms": rounded} if rounded else {})}
    measured = dict(this.measured)
    if "search" in stages:
        measured[SEARCH_MS] = round(stages["search"], 1)
    if not measured:
        return line
    metrics = [{"Name": name, "Unit": UNITS[name]} for name in measured]
    directive = {"Namespace": NAMESPACE, "Dimensions": [["Stack"]], "Metrics": metrics}
    about = {"Timestamp": int(time.time() * 1000), "CloudWatchMetrics": [directive]}
    return {"_aws": about, "Stack": stack, **line, **measured}


def _whose(this: Invocation) -> dict[str, str]:
    known = {"function": this.function, "request_id": this.request_id, "tenant": this.tenant}
    return {name: value for name, value in known.items() if value is not None}


def _of_request(this: Invocation, event: Any, response: Any) -> dict[str, Any]:
    """Describe an HTTP request by its route, with names in place of values, and by the answer's status and code."""
    if not hasattr(event, "lambda_context"):
        return {}
    route = f"{event.method} {event.context.get('resourcePath', '')}"
    code = {} if this.code is None else {"code": this.code}
    return {"route": route, "status": getattr(response, "status_code", 500), **code}


def _request_id(event: Any) -> str:
    """Read Lambda's id of the request, which is also in Lambda's own log lines of the invocation."""
    context = event.lambda_context if hasattr(event, "lambda_context") else event.context
    return str(getattr(context, "aws_request_id", ""))
