"""That somebody was before a camera or searched for: one face in one picture at one time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from chalicelib.core.model import NO_LABELS, Decision, Labels
from chalicelib.core.pictures import NO_ESTIMATES, Box, Estimates

Dimensions = tuple[str, str, str, str, str]
"""What observations are counted by: the labels A to D, and the group's name."""


class ObservationKind(StrEnum):
    """What somebody was observed by."""

    ENROLMENT = "enrolment"
    SEARCH = "search"
    SIGHTING = "sighting"


@dataclass(frozen=True)
class Passage:
    """A merge that gave an observation to another face; undoing it gives it back, under the group's name of before."""

    merge: str
    group_name: str


@dataclass(frozen=True)
class Observation:
    """What statistics count: one face, enrolled, found by a search, or sighted. Kept when the face is deleted."""

    at: datetime
    """When the call was made, or the sighting captured; kept to the millisecond."""
    id: str
    """1 to 100 letters, digits, `_`, `-` and `.`; with `at`, unique in the tenant."""
    faceid: str
    group_name: str
    """As the group was called then."""
    labels: Labels
    kind: ObservationKind
    camera: str = ""
    box: Box | None = None
    estimates: Estimates = NO_ESTIMATES
    """Of the picture that was sent."""
    decision: Decision | None = None
    """By which it was this face, with its score; None: it was not found by one."""
    gap_s: int | None = None
    """Of a sighting that counts as an arrival: the gap that it was counted with."""
    passages: tuple[Passage, ...] = ()
    """The merges that brought it to its face, the last one last."""


@dataclass(frozen=True)
class ObservationFilter:
    """Which observations are meant: all that equal what is given here. A label of "" is not given."""

    labels: Labels = NO_LABELS
    group_name: str | None = None
    faceid: str | None = None

    @property
    def by_dimensions(self) -> bool:
        return self.labels != NO_LABELS or self.group_name is not None

    def takes(self, dimensions: Dimensions) -> bool:
        """Whether labels and group fit."""
        a, b, c, d, group = dimensions
        wanted = self.labels
        return (
            (not wanted.a or wanted.a == a)
            and (not wanted.b or wanted.b == b)
            and (not wanted.c or wanted.c == c)
            and (not wanted.d or wanted.d == d)
            and (self.group_name is None or self.group_name == group)
        )
