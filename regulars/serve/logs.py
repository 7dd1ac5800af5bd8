"""The log of one box: on stderr, a line for each request, each message and each run of a schedule,
and each fault.

The names in a line are those of the functions in Lambda (chalicelib/api/observability.py).
"""

from __future__ import annotations

import logging
import sys
import uuid
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from http import HTTPStatus

from regulars_client.logs import TextLines

from chalicelib import telemetry
from chalicelib.api import observability
from chalicelib.telemetry import CAPTURES_PARKED, Invocation
from regulars.serve import metrics

REFUSED = 400
"""From this status on a request was refused."""

_log = logging.getLogger(__name__)

summary = logging.getLogger("regulars.summary")
"""The log of a start. It is written at every level but `error`."""


def log_to_stderr(
    form: str | None, level: str, other_loggers: Iterable[logging.Logger] = ()
) -> None:
    """Write all logs from `level` on to stderr, so that stdout has only the ready line.

    `form`: "text" or "json"; None: text on a terminal, else JSON. `other_loggers`: they lose
    handlers of their own.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.terminator = ""  # the formatters end their lines
    handler.setFormatter(TenantLines() if is_text(form) else observability.JsonLines())
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    for log in other_loggers:
        log.handlers = []
        log.setLevel(logging.NOTSET)
    summary.setLevel(root.level if root.level >= logging.ERROR else min(logging.INFO, root.level))
    for library in ("asyncio", "urllib3"):
        logging.getLogger(library).setLevel(logging.WARNING)


def is_text(form: str | None) -> bool:
    return form == "text" or (form is None and sys.stderr.isatty())


class TenantLines(TextLines):
    """A formatter for people. Each line on the way names its tenant."""

    def format(self, record: logging.LogRecord) -> str:
        tenant = "" if hasattr(record, "line") else telemetry.tenant()
        return super().format(record) + (f" [{tenant}]\n" if tenant else "\n")


def observe_invocation(
    function: str, request_id: str | None = None
) -> AbstractContextManager[Invocation]:
    """Observe the work inside as one invocation of `function`: count it, and write its line at the
    end."""
    return observability.observe_invocation(_tell, function, request_id or str(uuid.uuid4()))


def _tell(invocation: Invocation, stages: Mapping[str, float], ms: float) -> None:
    metrics.count(invocation, stages, ms)
    level = _choose_level(invocation)
    if _log.isEnabledFor(level):
        _log.log(
            level,
            "%s",
            _write_line(invocation, ms),
            extra={"line": observability.describe_invocation(invocation, stages, ms)},
        )


def _choose_level(invocation: Invocation) -> int:
    """Weigh a line. What asks every few seconds, an open console and Prometheus, would bury the
    rest."""
    if (
        (invocation.status or 0) >= REFUSED
        or invocation.code is not None
        or invocation.measured.get(CAPTURES_PARKED)
    ):
        return logging.WARNING
    often = (invocation.route or "").startswith(("GET /console", f"GET {metrics.PATH}"))
    return logging.DEBUG if often or invocation.status == HTTPStatus.NOT_MODIFIED else logging.INFO


def _write_line(invocation: Invocation, ms: float) -> str:
    outcome = [
        invocation.route or invocation.function,
        invocation.status,
        invocation.code,
        None if invocation.error == invocation.code else invocation.error,
    ]
    outcome_words = [str(word) for word in outcome if word is not None]
    counts = [f"{name}={value:g}" for name, value in invocation.measured.items()]
    origin = {"[{}]": invocation.tenant, "by {}": invocation.caller, "from {}": invocation.address}
    origin_words = [form.format(value) for form, value in origin.items() if value]
    return " ".join([*outcome_words, f"{ms:.0f} ms", *origin_words, *counts])
