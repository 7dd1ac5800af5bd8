"""Reports of failures to the operator: a log record with their causes, and a count by kind."""

from __future__ import annotations

import logging
from collections.abc import Iterator

from chalicelib.core import telemetry
from chalicelib.core.errors import Busy, StorageUnavailable

_log = logging.getLogger(__name__)


def report_failure(error: Exception, what: str) -> None:
    """Log a failure that does not fail the invocation, and count it by its kind."""
    telemetry.count(_kind(error)[0])
    log_failure(error, what)


def log_failure(error: Exception, what: str) -> None:
    """Log a failure with its causes, which no caller is told; one that nobody expects with its traceback."""
    metric, level = _kind(error)
    unexpected = error if metric == telemetry.FAILURES_UNEXPECTED else None
    _log.log(level, "%s: %s", what, "; ".join(_with_causes(error)), exc_info=unexpected)


def _kind(error: Exception) -> tuple[str, int]:
    """Return the metric that counts such failures, and the level at which they are logged."""
    if isinstance(error, StorageUnavailable):
        return telemetry.FAILURES_UNAVAILABLE, logging.ERROR
    if isinstance(error, Busy):
        return telemetry.FAILURES_BUSY, logging.WARNING
    return telemetry.FAILURES_UNEXPECTED, logging.ERROR


def _with_causes(error: BaseException | None) -> Iterator[str]:
    """Yield the error and what caused it, each with the notes on it."""
    while error is not None:
        yield ", ".join([f"{type(error).__name__}: {error}", *getattr(error, "__notes__", ())])
        error = error.__cause__
