"""The act under way: who does what, by which request. What is written meanwhile names it in the audit.

The dialects' endpoints, the chores and the command line begin an act; outside of one nothing is noted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Kind(StrEnum):
    """What of an act becomes an entry (services/audit/acts.py says it of each)."""

    CHANGE = "change"
    """Each of its transactions that changes the book or the account."""
    DECISION = "decision"
    """What it decided, whether it stores anything or not."""
    READ = "read"
    """The pictures that it shows: once an hour for each key and picture."""
    EXPORT = "export"
    """That it was done."""
    CHORE = "chore"
    """Its transactions that change faces or merges: the service itself does it."""
    SIGHTING = "sighting"
    """Its transactions that delete a face to make room; the rest stands in the capture itself."""
    NOTHING = "nothing"


@dataclass
class Act:
    """One call of somebody. `what`: its name; `by`: whose; `request`: the id of the request, "" if it has none.

    `tenant`: "" if what is written says whose it is. `about`: names of ours that say what it concerns, such as a key's
    id; never a person's name.
    """

    what: str
    by: str
    kind: Kind
    request: str = ""
    tenant: str = ""
    about: Mapping[str, Any] = field(default_factory=dict)
    shown: dict[str, None] = field(default_factory=dict)
    """What its answer shows a picture of: `face ID` or `capture CAMERA ID`, in order."""
    decided: list[Mapping[str, Any]] = field(default_factory=list)
    """Decisions of a search, one for each face that was searched for."""
    entered: bool = False
    """Whether an entry of it was written."""


_current: ContextVar[Act | None] = ContextVar("act", default=None)


@contextmanager
def begun(act: Act) -> Iterator[Act]:
    """Count what is written inside, in this thread or task, as this act's."""
    token = _current.set(act)
    try:
        yield act
    finally:
        _current.reset(token)


def current() -> Act | None:
    return _current.get()


def shows(what: str) -> None:
    """Report that the answer shows a picture of `what`."""
    if (act := _current.get()) is not None:
        act.shown[what] = None


def decided(decisions: list[Mapping[str, Any]]) -> None:
    """Report what a search decided; a later search of the same act takes its place, since it was made again."""
    if (act := _current.get()) is not None:
        act.decided = decisions
