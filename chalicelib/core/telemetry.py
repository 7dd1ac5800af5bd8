"""What is known of the work that is going on, for its log lines, and what it counts: free where nobody listens.

As core/timing.py does with stages: whoever runs the work (api/observability.py) begins an invocation, and what is done
in it tells whose it is and what came of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

CAPTURES_RESOLVED = "CapturesResolved"
CAPTURES_PARKED = "CapturesParked"
FACES_MATCHED = "FacesMatched"
FACES_NEW = "FacesNew"
FACES_SKIPPED = "FacesSkipped"
SEARCH_MS = "SearchMs"
JOURNAL_TAIL = "JournalTail"

UNITS = {
    CAPTURES_RESOLVED: "Count",
    CAPTURES_PARKED: "Count",
    FACES_MATCHED: "Count",
    FACES_NEW: "Count",
    FACES_SKIPPED: "Count",
    SEARCH_MS: "Milliseconds",
    JOURNAL_TAIL: "Count",
}
"""Every metric, and its unit in CloudWatch's words."""


@dataclass
class Invocation:
    """`tenant`: whose work it is, of the last one that was told; `measured`: by the metrics' names."""

    function: str
    request_id: str
    tenant: str | None = None
    measured: dict[str, float] = field(default_factory=dict)


_current: ContextVar[Invocation | None] = ContextVar("invocation", default=None)


@contextmanager
def begun(function: str, request_id: str) -> Iterator[Invocation]:
    """The work inside, in this thread or task, is this invocation's."""
    invocation = Invocation(function, request_id)
    token = _current.set(invocation)
    try:
        yield invocation
    finally:
        _current.reset(token)


def current() -> Invocation | None:
    return _current.get()


def of_tenant(name: str) -> None:
    if (invocation := _current.get()) is not None:
        invocation.tenant = name


def count(metric: str, by: float = 1) -> None:
    if (invocation := _current.get()) is not None:
        invocation.measured[metric] = invocation.measured.get(metric, 0) + by


def at_least(metric: str, value: float) -> None:
    """Of the values that are told, the highest is kept."""
    if (invocation := _current.get()) is not None:
        invocation.measured[metric] = max(value, invocation.measured.get(metric, value))
