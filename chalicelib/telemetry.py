"""Telemetry of the current work: its tenant, its counts and the time of each stage. It costs
nothing without a listener.

The runner of the work (api/observability.py) begins an invocation and collects the stages; the work
reports the rest.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from msgspec import Struct, field

from chalicelib.domain.errors import Busy, StorageUnavailable

NAMESPACE = "Regulars"
"""Namespace of the metrics in CloudWatch. Their only dimension is the stack, since AWS charges for
each further one."""

CAPTURES_RESOLVED = "CapturesResolved"
CAPTURES_PARKED = "CapturesParked"
FACES_MATCHED = "FacesMatched"
FACES_NEW = "FacesNew"
FACES_SKIPPED = "FacesSkipped"
SEARCH_MS = "SearchMs"
JOURNAL_TAIL = "JournalTail"
SNAPSHOT_MEMORY = "SnapshotMemory"
FAILURES_UNAVAILABLE = "FailuresUnavailable"
FAILURES_BUSY = "FailuresBusy"
FAILURES_UNEXPECTED = "FailuresUnexpected"
SWEEP_AGE = "OldestSweep"
STUCK_AGE = "OldestStuck"
CANARY_SECONDS = "CanarySeconds"

UNITS = {
    CAPTURES_RESOLVED: "Count",
    CAPTURES_PARKED: "Count",
    FACES_MATCHED: "Count",
    FACES_NEW: "Count",
    FACES_SKIPPED: "Count",
    SEARCH_MS: "Milliseconds",
    JOURNAL_TAIL: "Count",
    SNAPSHOT_MEMORY: "Percent",
    FAILURES_UNAVAILABLE: "Count",
    FAILURES_BUSY: "Count",
    FAILURES_UNEXPECTED: "Count",
    SWEEP_AGE: "Seconds",
    STUCK_AGE: "Seconds",
    CANARY_SECONDS: "Seconds",
}
"""Every metric, and its unit in CloudWatch's words."""


class Invocation(Struct):
    """One invocation of a function.

    `tenant`: the last one that it worked for; `measured`: values by metric name.

    `route`: method and path of a request, with names in place of values. `status`: that of its
    answer. `code`: that of a dialect's answer to an error; `error`: the error's class. `caller`:
    the key, camera or member whose request it is, by its id; `address`: the sender's. `book`: the
    tenant's book and its life (Tenant.book).
    """

    function: str
    request_id: str
    tenant: str | None = None
    route: str | None = None
    status: int | None = None
    code: int | str | None = None
    error: str | None = None
    caller: str | None = None
    address: str | None = None
    book: str | None = None
    measured: dict[str, float] = field(default_factory=dict)


_current: ContextVar[Invocation | None] = ContextVar("invocation", default=None)


@contextmanager
def begin_invocation(function: str, request_id: str) -> Iterator[Invocation]:
    """Count the work inside, in this thread or task, as this invocation's."""
    invocation = Invocation(function, request_id)
    token = _current.set(invocation)
    try:
        yield invocation
    finally:
        _current.reset(token)


def current() -> Invocation | None:
    return _current.get()


def tenant() -> str:
    """Return the tenant that this thread works for; "" if none is known."""
    return ((invocation := _current.get()) and invocation.tenant) or ""


def of_tenant(name: str, caller: str | None = None, book: str | None = None) -> None:
    """Note in the report of the work under way whose it is: the tenant's `name`.

    `caller`: who sent the request, in the audit's words; of a member, a person who signs in, only
    `member ID` is noted. `book`: the book and its life, for the answer to a request.
    """
    if (invocation := _current.get()) is not None:
        invocation.tenant, invocation.book = name, book
        if caller:
            caller = caller[max(caller.rfind("member "), 0) :]
        invocation.caller = caller


def of_address(address: str) -> None:
    """Report the address that a request comes from."""
    if (invocation := _current.get()) is not None:
        invocation.address = address or None


def of_route(method: str, path: str) -> None:
    """Report which route a request takes.

    `path` has names in place of values: values may be people's names.
    """
    if (invocation := _current.get()) is not None:
        invocation.route = f"{method} {path}"


def report_error_code(code: int | str, error: str) -> None:
    """Report the code of the answer to an error, and the error's class."""
    if (invocation := _current.get()) is not None:
        invocation.code, invocation.error = code, error


def count(*metrics: str) -> None:
    if (invocation := _current.get()) is not None:
        for metric in metrics:
            invocation.measured[metric] = invocation.measured.get(metric, 0) + 1


def at_least(metric: str, value: float) -> None:
    """Report a value of a metric; the invocation keeps the highest."""
    if (invocation := _current.get()) is not None:
        invocation.measured[metric] = max(value, invocation.measured.get(metric, value))


_stages: ContextVar[dict[str, float] | None] = ContextVar("stages", default=None)


@contextmanager
def collect_stages() -> Iterator[dict[str, float]]:
    """Collect, while the `with` block runs, how many milliseconds each stage in it takes, by name.

    A stage is a block under `count_stage`. Those of this thread or task alone are seen. A stage
    that is entered twice adds up. If the block is inside of another `collect_stages`, that one gets
    the same milliseconds when this one ends.
    """
    stages: dict[str, float] = {}
    outer = _stages.get()
    token = _stages.set(stages)
    try:
        yield stages
    finally:
        _stages.reset(token)
        if outer is not None:
            for name, ms in stages.items():
                outer[name] = outer.get(name, 0.0) + ms


@contextmanager
def count_stage(name: str) -> Iterator[None]:
    """Add the time of the `with` block to a stage, for the `collect_stages` around it, if any.

    `name`: the stage's: letters, digits and `_`.
    """
    stages = _stages.get()
    if stages is None:  # nobody collects
        yield
        return
    began = time.perf_counter()
    try:
        yield
    finally:
        stages[name] = stages.get(name, 0.0) + (time.perf_counter() - began) * 1000


_log = logging.getLogger(__name__)


def report_failure(error: Exception, what: str) -> None:
    """Log a failure that does not fail the invocation, and count it by its kind."""
    count(_kind(error)[0])
    log_failure(error, what)


def log_failure(error: Exception, what: str) -> None:
    """Log a failure with its causes, which callers do not see; an unexpected one with its
    traceback."""
    metric, level = _kind(error)
    unexpected = error if metric == FAILURES_UNEXPECTED else None
    _log.log(level, "%s: %s", what, "; ".join(_with_causes(error)), exc_info=unexpected)


def _kind(error: Exception) -> tuple[str, int]:
    """Return the metric that counts such failures, and the level at which they are logged."""
    if isinstance(error, StorageUnavailable):
        return FAILURES_UNAVAILABLE, logging.ERROR
    if isinstance(error, Busy):
        return FAILURES_BUSY, logging.WARNING
    return FAILURES_UNEXPECTED, logging.ERROR


def _with_causes(error: BaseException | None) -> Iterator[str]:
    """Yield the error and what caused it, each with the notes on it."""
    while error is not None:
        yield ", ".join([f"{type(error).__name__}: {error}", *getattr(error, "__notes__", ())])
        error = error.__cause__
